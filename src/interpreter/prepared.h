/*-------------------------------------------------------------------------
 *
 * prepared.h
 *	  SQL texts of users, split into statements and prepared once per process.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_PREPARED_H
#define PGWF_PREPARED_H

#include "postgres.h"
#include "executor/spi.h"
#include "lib/ilist.h"
#include "nodes/parsenodes.h"
#include "tcop/cmdtag.h"

#include "interpreter/bind.h"
#include "interpreter/results.h"

/* One statement of a text; plan, binding and columns are made on first use. */
typedef struct StepStatement
{
	char	   *text;
	CommandTag	command;
	bool		takes_values;	/* of a kind that can use $1 and input.x */
	MemoryContext context;		/* of binding and columns; NULL: not prepared */
	SPIPlanPtr	plan;
	Binding    *binding;		/* NULL: uses no values */
	ResultColumns *columns;		/* of its last result, NULL: none yet */
} StepStatement;

typedef struct PreparedSql
{
	dlist_node	by_use;			/* most recently used first */
	uint64		hash;
	char	   *text;
	MemoryContext context;		/* everything here */
	int			users;			/* runs going on; more than one by recursion */
	int			nstatements;
	StepStatement statements[FLEXIBLE_ARRAY_MEMBER];
} PreparedSql;

/*
 * The statements of a text, from the cache or parsed now.  The entry stays
 * until the current memory context (which must end with the transaction or
 * before) goes.  Raises an error for a text that does not parse or has
 * statements a step cannot run.
 */
extern PreparedSql *prepared_find(const char *sql);

/*
 * Make a statement ready to run: plan and binding, anew when what they rest
 * on has changed.  Needs SPI and an active snapshot.
 */
extern void prepared_statement_ready(PreparedSql *sql,
									 StepStatement *statement);

/* Remember (or discard) the columns a run of the statement has used. */
extern void prepared_statement_columns(PreparedSql *sql,
									   StepStatement *statement,
									   ResultColumns *columns);

/*
 * Error context callback while a StepStatement (arg) runs: hints for errors
 * whose own text does not say what they mean in a step, which are values in a
 * statement that takes none, and what cannot be done inside a transaction.
 */
extern void statement_error_context(void *arg);

/*
 * The statements of a text as RawStmts, in the current memory context.  Raises
 * an error as prepared_find() does.
 */
extern List *parse_step_sql(const char *sql);

/* The part of a text that is one of its statements, palloc'd. */
extern char *statement_text(const char *sql, RawStmt *statement);

#endif							/* PGWF_PREPARED_H */

/*-------------------------------------------------------------------------
 *
 * run_sql.h
 *	  Runs a user's SQL: values bound, settings contained, results as jsonb.
 *
 * NOTES
 *	  Must be called inside a transaction (except run_sql_outside_transaction),
 *	  as the role the SQL is to run as.  Errors of the user's SQL are raised;
 *	  the driver catches them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_RUN_SQL_H
#define PGWF_RUN_SQL_H

#include "postgres.h"
#include "utils/jsonb.h"

#include "definition/plan.h"

typedef enum SqlTaskKind
{
	SQL_TASK_STATEMENTS,		/* sql: one or more statements; the last
								 * one's result counts */
	SQL_TASK_FUNCTION,			/* function(input) */
	SQL_TASK_CONDITION			/* sql returns one boolean; read only; null
								 * is false */
} SqlTaskKind;

typedef struct SqlTask
{
	SqlTaskKind kind;
	const char *sql;
	Oid			function;		/* (jsonb) -> jsonb */
	Jsonb	   *input;			/* what input.x reads and a function gets;
								 * may be NULL: {} */
	Jsonb	  **params;			/* $1 ..; NULL element: SQL null */
	int			nparams;
	SqlResult	result;
	const PlanSetting *settings;	/* in order; later ones win */
	int			nsettings;
	bool		read_only;		/* it may not write */

	bool		evaluating;		/* out: an error that comes now is one of the
								 * SQL itself */
} SqlTask;

/*
 * Run it in the current transaction and give the result as jsonb, allocated in
 * the memory context current at the call.  A GUC nest level is opened before
 * and rolled back after, on success and on error alike, so that nothing the SQL
 * SET survives it.  Raises ERRCODE_INVALID_TRANSACTION_TERMINATION for
 * BEGIN/COMMIT/ROLLBACK/SAVEPOINT, ERRCODE_PROGRAM_LIMIT_EXCEEDED for a result
 * over workflow.max_result_size.
 */
extern Jsonb *run_sql(SqlTask *task);

/*
 * For "transaction": "none": VACUUM, CREATE INDEX CONCURRENTLY, CALL of a
 * procedure that commits.  Called without a transaction, returns without one,
 * and with cancels held off.
 */
extern Jsonb *run_sql_outside_transaction(const SqlTask *task);

/* Where a step's SQL stands, as far as that says what it can do there. */
typedef struct SqlUse
{
	bool		outside;		/* "transaction": "none" */
	bool		is_condition;	/* returns a boolean, and writes nothing */
	int			nparams;		/* $1 .. that it is given */
	bool		knows_input;	/* these are all values that it reads as
								 * input.x */
	const char **input_names;
	int			ninput_names;
} SqlUse;

/*
 * Parse only, for define time: NULL or what is wrong, with *position (1-based,
 * 0: none) and *hint (NULL: none).  use is NULL where only the syntax is to be
 * looked at.  Needs no catalog access.
 */
extern char *check_step_sql(const char *sql, const SqlUse *use, int *position,
							const char **hint);

/* Discard what earlier steps left in the session: temporary tables, prepared
 * statements, session advisory locks, held cursors, sequence caches.  Called
 * inside a transaction before the user's SQL runs in an executor.  keep_locks:
 * not
 * the locks. */
extern void discard_session_state(bool keep_locks);

/*
 * SET CONSTRAINTS was used in this transaction, by whatever code.  It holds
 * until the end, and there is no way back to how it was: no other step may
 * share the transaction.
 */
extern bool constraints_were_set;

#endif							/* PGWF_RUN_SQL_H */

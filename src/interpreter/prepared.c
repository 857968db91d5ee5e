/*-------------------------------------------------------------------------
 *
 * prepared.c
 *	  SQL texts of users, split into statements and prepared once per process.
 *
 * NOTES
 *	  Executor or a session that called execute(); the cache is the process's
 *	  own, no locks.  Parsing happens once per text, analysis and planning once
 *	  per statement; the server's plan cache watches for changes of the
 *	  schema.  Where values are bound, a change may also change their types,
 *	  which the plan cache would keep, so such a statement is made anew.
 *
 *	  An entry is not freed while it runs: SQL of a step may call execute(),
 *	  which may run the same text or enough others to fill the cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "nodes/nodes.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/scansup.h"
#include "tcop/utility.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "interpreter/prepared.h"
#include "shared/compat.h"

/* Texts kept per process; the one unused for longest goes first. */
#define MAX_PREPARED 1000

typedef struct PreparedEntry
{
	uint64		hash;			/* key */
	PreparedSql *sql;
} PreparedEntry;

static HTAB *prepared_texts = NULL;
static dlist_head prepared_by_use = DLIST_STATIC_INIT(prepared_by_use);

static void make_room(void);
static void forget(PreparedSql *sql);
static PreparedSql *prepare_text(const char *sql, uint64 hash);
static void pin(PreparedSql *sql);
static void unpin(void *arg);
static bool is_current(StepStatement *statement);
static void discard_statement(StepStatement *statement);
static void prepare_statement(PreparedSql *sql, StepStatement *statement);
static void check_statement(RawStmt *statement, const char *sql);
static void begin_sql_errors(ErrorContextCallback *context_callback,
							 const char *sql);
static void sql_error_context(void *arg);
static const char *skip_space(const char *text);

PreparedSql *
prepared_find(const char *sql)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) sql,
										   strlen(sql), 0);
	PreparedEntry *entry;
	PreparedSql *result;

	if (prepared_texts == NULL)
	{
		HASHCTL		control;

		control.keysize = sizeof(uint64);
		control.entrysize = sizeof(PreparedEntry);
		prepared_texts = hash_create("pg_workflow prepared SQL", 128, &control,
									 HASH_ELEM | HASH_BLOBS);
	}

	entry = hash_search(prepared_texts, &hash, HASH_FIND, NULL);
	if (entry != NULL && strcmp(entry->sql->text, sql) == 0)
	{
		result = entry->sql;
		dlist_move_head(&prepared_by_use, &result->by_use);
		pin(result);
		return result;
	}

	/* two texts with the same hash: the newer one is kept, if it can be */
	if (entry != NULL && entry->sql->users == 0)
	{
		forget(entry->sql);
		entry = NULL;
	}
	make_room();

	result = prepare_text(sql, hash);
	if (entry != NULL)
		return result;			/* for this run only */

	entry = hash_search(prepared_texts, &hash, HASH_ENTER, NULL);
	entry->sql = result;
	MemoryContextSetParent(result->context, TopMemoryContext);
	dlist_push_head(&prepared_by_use, &result->by_use);
	pin(result);
	return result;
}

/*
 * Forget texts that nobody uses until there is room for another.
 */
static void
make_room(void)
{
	dlist_node *node;

	if (hash_get_num_entries(prepared_texts) < MAX_PREPARED)
		return;

	node = dlist_tail_node(&prepared_by_use);
	while (hash_get_num_entries(prepared_texts) >= MAX_PREPARED)
	{
		PreparedSql *sql = dlist_container(PreparedSql, by_use, node);
		bool		is_last = !dlist_has_prev(&prepared_by_use, node);

		if (!is_last)
			node = dlist_prev_node(&prepared_by_use, node);
		if (sql->users == 0)
			forget(sql);
		if (is_last)
			break;
	}
}

static void
forget(PreparedSql *sql)
{
	hash_search(prepared_texts, &sql->hash, HASH_REMOVE, NULL);
	dlist_delete(&sql->by_use);
	for (int i = 0; i < sql->nstatements; i++)
		discard_statement(&sql->statements[i]);
	MemoryContextDelete(sql->context);
}

/*
 * Parse a text into an entry, whose memory context is below the current one.
 */
static PreparedSql *
prepare_text(const char *sql, uint64 hash)
{
	MemoryContext context;
	MemoryContext old_context;
	PreparedSql *result;
	List	   *statements = parse_step_sql(sql);
	int			i = 0;
	ListCell   *cell;

	context = AllocSetContextCreate(CurrentMemoryContext,
									"pg_workflow prepared SQL",
									ALLOCSET_SMALL_SIZES);
	old_context = MemoryContextSwitchTo(context);
	result = palloc0(offsetof(PreparedSql, statements) +
					 list_length(statements) * sizeof(StepStatement));
	result->hash = hash;
	result->context = context;
	result->text = pstrdup(sql);
	result->nstatements = list_length(statements);
	foreach(cell, statements)
	{
		RawStmt    *statement = lfirst_node(RawStmt, cell);

		result->statements[i].text = statement_text(sql, statement);
		result->statements[i].command = CreateCommandTag(statement->stmt);
		result->statements[i].takes_values = analyze_requires_snapshot(
			statement);
		i++;
	}
	MemoryContextSwitchTo(old_context);
	return result;
}

/*
 * Keep an entry from being freed until the current memory context goes, be it
 * by success or by error.
 */
static void
pin(PreparedSql *sql)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	callback->func = unpin;
	callback->arg = sql;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	sql->users++;
}

static void
unpin(void *arg)
{
	((PreparedSql *) arg)->users--;
}

void
prepared_statement_ready(PreparedSql *sql, StepStatement *statement)
{
	if (statement->plan != NULL)
	{
		/* in use further out, the plan cache has to do */
		if (sql->users > 1 || is_current(statement))
			return;
		discard_statement(statement);
	}
	prepare_statement(sql, statement);
}

/*
 * Whether the types of its values are still those the statement needs.
 */
static bool
is_current(StepStatement *statement)
{
	CachedPlanSource *source;

	if (statement->binding == NULL)
		return true;
	source = linitial(SPI_plan_get_plan_sources(statement->plan));
	return source->is_valid && compat_same_search_path(source);
}

static void
discard_statement(StepStatement *statement)
{
	SPIPlanPtr	plan = statement->plan;
	MemoryContext context = statement->context;

	statement->plan = NULL;
	statement->context = NULL;
	statement->binding = NULL;
	statement->columns = NULL;
	if (plan != NULL)
		SPI_freeplan(plan);
	if (context != NULL)
		MemoryContextDelete(context);
}

static void
prepare_statement(PreparedSql *sql, StepStatement *statement)
{
	SPIPrepareOptions options;
	MemoryContext context;
	ErrorContextCallback context_callback;
	List	   *parsed;
	Binding    *binding;
	SPIPlanPtr	plan;

	begin_sql_errors(&context_callback, statement->text);
	parsed = raw_parser(statement->text, RAW_PARSE_DEFAULT);

	/* below the current context until nothing can fail any more */
	context = AllocSetContextCreate(CurrentMemoryContext,
									"pg_workflow prepared statement",
									ALLOCSET_SMALL_SIZES);
	binding = binding_create(linitial_node(RawStmt, parsed), statement->text,
							 context);

	memset(&options, 0, sizeof(options));
	options.parseMode = RAW_PARSE_DEFAULT;
	options.cursorOptions = CURSOR_OPT_PARALLEL_OK;
	if (binding != NULL)
	{
		options.parserSetup = binding_parser_setup;
		options.parserSetupArg = binding;
	}
	plan = SPI_prepare_extended(statement->text, &options);
	if (plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not prepare the step's SQL: %s",
						SPI_result_code_string(SPI_result))));
	SPI_keepplan(plan);
	error_context_stack = context_callback.previous;

	MemoryContextSetParent(context, sql->context);
	statement->plan = plan;
	statement->context = context;
	statement->binding = binding;
}

void
prepared_statement_columns(PreparedSql *sql, StepStatement *statement,
						   ResultColumns *columns)
{
	if (columns == NULL || columns == statement->columns)
		return;

	/* further out they may be in use; then these go with their own context */
	if (sql->users > 1)
		return;
	if (statement->columns != NULL)
		results_free_columns(statement->columns);
	results_keep_columns(columns, statement->context);
	statement->columns = columns;
}

void
statement_error_context(void *arg)
{
	StepStatement *statement = arg;
	int			code = geterrcode();

	if (!statement->takes_values &&
		(code == ERRCODE_UNDEFINED_PARAMETER ||
		 code == ERRCODE_UNDEFINED_TABLE ||
		 code == ERRCODE_UNDEFINED_COLUMN) &&
		(strstr(statement->text, "input") != NULL ||
		 strchr(statement->text, '$') != NULL))
		errhint("Values ($1, input.x) can be used in SELECT, INSERT, UPDATE, DELETE, MERGE, CALL, EXPLAIN, DECLARE CURSOR and CREATE TABLE AS only.");

	/*
	 * from a query it comes from a function, which cannot do so anywhere; so
	 * for DO
	 */
	if ((code == ERRCODE_ACTIVE_SQL_TRANSACTION && !statement->takes_values &&
		 statement->command != CMDTAG_SET && statement->command != CMDTAG_DO) ||
		code == ERRCODE_INVALID_TRANSACTION_TERMINATION)
		errhint("A step is one transaction.  Use \"transaction\": \"none\" for SQL that cannot be part of one.");
	else if (code == ERRCODE_ACTIVE_SQL_TRANSACTION &&
			 statement->command == CMDTAG_SET)
		errhint("The step's field \"transaction\" says what its transaction is like, as in {\"isolation\": \"serializable\"}.");
}

List *
parse_step_sql(const char *sql)
{
	ErrorContextCallback context_callback;
	List	   *statements;
	ListCell   *cell;

	begin_sql_errors(&context_callback, sql);
	statements = raw_parser(sql, RAW_PARSE_DEFAULT);
	if (statements == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("step SQL contains no statement")));
	foreach(cell, statements)
		check_statement(lfirst_node(RawStmt, cell), sql);
	error_context_stack = context_callback.previous;
	return statements;
}

/*
 * From here on positions in errors are positions in this text, not in a query
 * of the session's client.
 */
static void
begin_sql_errors(ErrorContextCallback *context_callback, const char *sql)
{
	context_callback->callback = sql_error_context;
	context_callback->arg = unconstify(char *, sql);
	context_callback->previous = error_context_stack;
	error_context_stack = context_callback;
}

static void
sql_error_context(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

/*
 * Raise an error for a statement that cannot be part of a step.
 */
static void
check_statement(RawStmt *statement, const char *sql)
{
	const char *start = skip_space(sql + Max(statement->stmt_location, 0));

	if (IsA(statement->stmt, TransactionStmt))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("step SQL cannot contain %s",
						CreateCommandName(statement->stmt)),
				 errhint("A step is one transaction.  A procedure that commits can be called with \"transaction\": \"none\"."),
				 errposition(pg_mbstrlen_with_len(sql, start - sql) + 1)));

	if (IsA(statement->stmt, ListenStmt))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("step SQL cannot contain LISTEN"),
				 errdetail("No client is connected."),
				 errhint("Use LISTEN in a session of your own."),
				 errposition(pg_mbstrlen_with_len(sql, start - sql) + 1)));

	if (IsA(statement->stmt, CopyStmt))
	{
		CopyStmt   *copy = (CopyStmt *) statement->stmt;

		if (copy->filename == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("step SQL cannot contain COPY %s",
							copy->is_from ? "FROM STDIN" : "TO STDOUT"),
					 errdetail("No client is connected."),
					 copy->is_from ?
					 errhint("Use INSERT with values of the step's input.") :
					 errhint("Use SELECT: the rows are the result of the step."),
					 errposition(pg_mbstrlen_with_len(sql, start - sql) + 1)));
	}
}

char *
statement_text(const char *sql, RawStmt *statement)
{
	const char *statement_start = sql + Max(statement->stmt_location, 0);
	const char *start = skip_space(statement_start);

	if (statement->stmt_len <= 0)
		return pstrdup(start);
	return pnstrdup(start,
					statement->stmt_len - (start - statement_start));
}

/*
 * The parser counts the space before a statement as part of it.
 */
static const char *
skip_space(const char *text)
{
	while (scanner_isspace(*text))
		text++;
	return text;
}

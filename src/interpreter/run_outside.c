/*-------------------------------------------------------------------------
 *
 * run_outside.c
 *	  Runs a user's SQL outside a transaction block ("transaction": "none").
 *
 * NOTES
 *	  Executor only: called without a transaction, as the role the SQL is to run
 *	  as.  The statement goes through a portal like one sent by a client, so
 *	  that VACUUM, CREATE INDEX CONCURRENTLY and procedures that commit find
 *	  what they expect.
 *
 *	  Such a statement may end transactions, and a GUC nest level ends with its
 *	  transaction.  So the settings of the session are noted before and put back
 *	  after, on error too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "interpreter/leaf.h"
#include "interpreter/prepared.h"
#include "interpreter/run_sql.h"
#include "shared/compat.h"

/* A setting of the session, to be put back. */
typedef struct SavedSetting
{
	char	   *name;
	char	   *value;
} SavedSetting;

static ErrorData *try_run(const SqlTask *task, MemoryContext context,
						  MemoryContext result_context, Jsonb **result);
static List *save_settings(MemoryContext context);
static void restore_settings(List *saved);
static void apply_settings(const SqlTask *task);
static void check_as_other_role(const RawStmt *statement);
static Jsonb *run_in_portal(const SqlTask *task, Oid user,
							MemoryContext context,
							MemoryContext result_context);
static RawStmt *parse_single(const char *sql);
static List *plan_statement(RawStmt *statement, const SqlTask *task,
							MemoryContext context, ParamListInfo *values);
static void begin_transaction(MemoryContext context);

Jsonb *
run_sql_outside_transaction(const SqlTask *task)
{
	MemoryContext result_context = CurrentMemoryContext;
	MemoryContext context;
	List	   *settings;
	ErrorData  *error;
	Jsonb	   *result = NULL;

	/* the SQL may end transactions: nothing of ours may live in one */
	context = AllocSetContextCreate(TopMemoryContext,
									"pg_workflow outside transaction",
									ALLOCSET_DEFAULT_SIZES);
	settings = save_settings(context);
	error = try_run(task, context, result_context, &result);
	/*
	 * it has ended, which is to be recorded, and the settings are to be put
	 * back
	 */
	HOLD_CANCEL_INTERRUPTS();
	restore_settings(settings);
	MemoryContextSwitchTo(result_context);
	MemoryContextDelete(context);
	if (error != NULL)
	{
		RESUME_CANCEL_INTERRUPTS();
		ReThrowError(error);
	}
	return result;
}

/*
 * Run the task; NULL, or the error it failed with, in result_context.  No
 * transaction is left open either way.
 */
static ErrorData *
try_run(const SqlTask *task, MemoryContext context,
		MemoryContext result_context, Jsonb **result)
{
	ErrorData  *volatile error = NULL;
	Oid			user = GetUserId();

	PG_TRY();
	{
		apply_settings(task);
		leaf_statement_begins();
		*result = run_in_portal(task, user, context, result_context);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(result_context);
		error = CopyErrorData();
		HOLD_INTERRUPTS();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();

	return error;
}

/*
 * The settings this session has been given, in the context.
 */
static List *
save_settings(MemoryContext context)
{
	MemoryContext old_context = MemoryContextSwitchTo(context);
	List	   *saved = NIL;
	struct config_generic **all;
	int			count;

	all = compat_all_settings(&count);
	for (int i = 0; i < count; i++)
	{
		const char *value;
		SavedSetting *setting;

		if (all[i]->source != PGC_S_SESSION)
			continue;
		value = GetConfigOption(all[i]->name, true, false);
		if (value == NULL)
			continue;
		setting = palloc(sizeof(SavedSetting));
		setting->name = pstrdup(all[i]->name);
		setting->value = pstrdup(value);
		saved = lappend(saved, setting);
	}

	MemoryContextSwitchTo(old_context);
	return saved;
}

/*
 * Undo what the SQL has SET, in a transaction of its own.
 */
static void
restore_settings(List *saved)
{
	ListCell   *cell;

	begin_transaction(CurrentMemoryContext);
	SetPGVariable("session_authorization", NIL, false);
	ResetAllOptions();
	foreach(cell, saved)
	{
		SavedSetting *setting = lfirst(cell);

		(void) set_config_option(setting->name, setting->value, PGC_SUSET,
								 PGC_S_SESSION, GUC_ACTION_SET, true, WARNING,
								 false);
	}
	CommitTransactionCommand();
}

/*
 * The step's settings, as SET would, so that they hold across transactions.
 */
static void
apply_settings(const SqlTask *task)
{
	if (task->nsettings == 0)
		return;
	begin_transaction(CurrentMemoryContext);
	for (int i = 0; i < task->nsettings; i++)
		(void) set_config_option(task->settings[i].name,
								 task->settings[i].value,
								 superuser() ? PGC_SUSET : PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
	CommitTransactionCommand();
}

/*
 * The settings have given another role.  Outside a transaction nothing can keep
 * what a statement calls from becoming the role before again (RESET ROLE), so
 * only those are run that call nothing as the current role: functions in
 * indexes and materialized views run as their owners.
 */
static void
check_as_other_role(const RawStmt *statement)
{
	switch (nodeTag(statement->stmt))
	{
		case T_VacuumStmt:
		case T_IndexStmt:
		case T_ReindexStmt:
		case T_ClusterStmt:
		case T_DropStmt:
		case T_RefreshMatViewStmt:
			return;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("step SQL with \"transaction\": \"none\" cannot run %s as role \"%s\"",
							CreateCommandName(statement->stmt), GetUserNameFromId(GetUserId(), false)),
					 errdetail("Outside a transaction it could become the role that has started the workflow again."),
					 errhint("Let the role itself start a workflow with this step.")));
	}
}

/*
 * Run the task's single statement.  context outlives the transactions; user is
 * who it would run as without settings.
 */
static Jsonb *
run_in_portal(const SqlTask *task, Oid user, MemoryContext context,
			  MemoryContext result_context)
{
	RawStmt    *statement;
	List	   *plans;
	ParamListInfo values = NULL;
	DestReceiver *receiver;
	QueryCompletion completion;
	Portal		portal;
	StepStatement step_statement = {0};
	ErrorContextCallback context_callback;
	Jsonb	   *result;

	begin_transaction(context);
	statement = parse_single(task->sql);
	if (GetUserId() != user)
		check_as_other_role(statement);

	step_statement.text = unconstify(char *, task->sql);
	step_statement.command = CreateCommandTag(statement->stmt);
	step_statement.takes_values = analyze_requires_snapshot(statement);
	context_callback.callback = statement_error_context;
	context_callback.arg = &step_statement;
	context_callback.previous = error_context_stack;
	error_context_stack = &context_callback;

	plans = plan_statement(statement, task, context, &values);
	receiver = results_begin(task->result, false, NULL);

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, task->sql,
					  step_statement.command, plans, NULL);
	PortalStart(portal, values, 0, InvalidSnapshot);
	InitializeQueryCompletion(&completion);
	(void) compat_portal_run(portal, receiver, &completion);
	PortalDrop(portal, false);

	result = results_finish(receiver, completion.nprocessed, result_context);
	error_context_stack = context_callback.previous;
	CommitTransactionCommand();
	return result;
}

static RawStmt *
parse_single(const char *sql)
{
	List	   *statements = parse_step_sql(sql);

	if (list_length(statements) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("step SQL with \"transaction\": \"none\" cannot contain more than one statement"),
				 errhint("Use a step for each, or call a procedure.")));
	return linitial_node(RawStmt, statements);
}

/*
 * Analyse and plan, with values where the kind of statement takes them.
 */
static List *
plan_statement(RawStmt *statement, const SqlTask *task, MemoryContext context,
			   ParamListInfo *values)
{
	bool		takes_values = analyze_requires_snapshot(statement);
	Binding    *binding = NULL;
	List	   *queries;
	List	   *plans;

	if (takes_values)
		PushActiveSnapshot(GetTransactionSnapshot());
	else if (task->nparams > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s takes no parameters",
						CreateCommandName(statement->stmt))));

	binding = binding_create(statement, task->sql, context);
	if (binding != NULL)
	{
		queries = pg_analyze_and_rewrite_withcb(statement, task->sql,
												binding_parser_setup, binding,
												NULL);
		*values = binding_values(binding, task->input, task->params,
								 task->nparams);
	}
	else
		queries = pg_analyze_and_rewrite_fixedparams(statement, task->sql,
													 NULL, 0, NULL);
	plans = pg_plan_queries(queries, task->sql, CURSOR_OPT_PARALLEL_OK,
							*values);

	if (takes_values)
		PopActiveSnapshot();
	return plans;
}

/*
 * Start a transaction and go on in the given memory context.
 */
static void
begin_transaction(MemoryContext context)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
}

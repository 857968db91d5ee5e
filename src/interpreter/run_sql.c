/*-------------------------------------------------------------------------
 *
 * run_sql.c
 *	  Runs a user's SQL: values bound, settings contained, results as jsonb.
 *
 * NOTES
 *	  Executor or a session that called execute(), inside its transaction or
 *	  subtransaction, as the role the SQL is to run as; no locks of our own.
 *
 *	  What the SQL does to the session's settings ends with the GUC nest level
 *	  opened here.  On error the (sub)transaction's abort rolls it back, since
 *	  its own level lies further out.  So nothing of the SQL may happen later,
 *	  as somebody else: see confine() and finish_inside().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "libpq/be-fsstubs.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"

#include "interpreter/evaluate.h"
#include "interpreter/leaf.h"
#include "interpreter/prepared.h"
#include "interpreter/run_sql.h"
#include "shared/compat.h"

bool		constraints_were_set = false;

static void apply_settings(const SqlTask *task);
static void confine(Oid role, int security_context);
static void finish_inside(Oid role);
static Jsonb *run_statements(SqlTask *task, MemoryContext result_context);
static uint64 run_statement(PreparedSql *sql, StepStatement *statement,
							const SqlTask *task, DestReceiver *receiver);
static Jsonb *run_function(const SqlTask *task, MemoryContext result_context);
static Jsonb *call_function(Oid function, Jsonb *input,
							MemoryContext result_context);
static void check_may_call(Oid function, Form_pg_proc form);

Jsonb *
run_sql(SqlTask *task)
{
	MemoryContext result_context = CurrentMemoryContext;
	int			nest_level = NewGUCNestLevel();
	bool		read_only = XactReadOnly;
	Oid			user;
	Oid			role;
	int			security_context;
	Jsonb	   *result;

	GetUserIdAndSecContext(&user, &security_context);
	apply_settings(task);
	role = GetUserId();
	if (role != user)
		confine(role, security_context);

	/*
	 * An executor's transaction is read-write for our own rows.  The variable
	 * itself is set: SET within a nest level is refused from 17 on.  On error
	 * the (sub)transaction's abort puts it back.
	 */
	if (task->kind == SQL_TASK_CONDITION || task->read_only)
		XactReadOnly = true;

	/* SPI wants one further out than its own */
	PushActiveSnapshot(GetTransactionSnapshot());
	if (task->kind == SQL_TASK_FUNCTION)
		result = run_function(task, result_context);
	else
		result = run_statements(task, result_context);
	PopActiveSnapshot();
	finish_inside(role);

	if (role != user)
		SetUserIdAndSecContext(user, security_context);
	AtEOXact_GUC(false, nest_level);
	XactReadOnly = read_only;
	return result;
}

/*
 * The step's settings, as SET would: checked against what the role may do.
 */
static void
apply_settings(const SqlTask *task)
{
	for (int i = 0; i < task->nsettings; i++)
		(void) set_config_option(task->settings[i].name,
								 task->settings[i].value,
								 superuser() ? PGC_SUSET : PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
}

/*
 * The settings have given another role: what runs as it is not to come back to
 * the one before, as RESET ROLE would.  It is as in a function of that role
 * with SECURITY DEFINER.  Inside execute() the transaction goes on when the
 * settings are undone, so what would happen at its end is refused there:
 * deferred triggers, cursors WITH HOLD, LISTEN, prepared statements, temporary
 * tables.
 */
static void
confine(Oid role, int security_context)
{
	security_context |= SECURITY_LOCAL_USERID_CHANGE;
	if (leaf_is_inside())
		security_context |= SECURITY_RESTRICTED_OPERATION;
	SetUserIdAndSecContext(role, security_context);
}

/*
 * The SQL has run, as role: what it has left for the end of the transaction
 * happens now, under its settings, its time limit and its identity.
 */
static void
finish_inside(Oid role)
{
	if (!leaf_is_inside())
	{
		leaf_statement_begins();
		AfterTriggerFireDeferred();
		/* nobody could read on in them: the next step would close them */
		PortalHashTableDeleteAll();
		leaf_statement_ended();
	}
	else if (GetUserId() != role)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("step SQL cannot leave another role behind inside execute()"),
				 errdetail("What it has deferred to the end of the transaction would run as role \"%s\".",
						   GetUserNameFromId(role, false)),
				 errhint("Give the role in \"settings\", use RESET ROLE, or use workflow.start().")));
}

/*
 * Run the statements of task->sql one after the other; the last one's result is
 * the result.
 */
static Jsonb *
run_statements(SqlTask *task, MemoryContext result_context)
{
	PreparedSql *sql;
	StepStatement *last;
	DestReceiver *receiver;
	uint64		processed;
	Jsonb	   *result;

	if (SPI_connect() != SPI_OK_CONNECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not connect to SPI")));

	task->evaluating = true;
	sql = prepared_find(task->sql);
	for (int i = 0; i < sql->nstatements - 1; i++)
		(void) run_statement(sql, &sql->statements[i], task, None_Receiver);

	last = &sql->statements[sql->nstatements - 1];
	prepared_statement_ready(sql, last);
	receiver = results_begin(task->result, task->kind == SQL_TASK_CONDITION,
							 last->columns);
	processed = run_statement(sql, last, task, receiver);
	result = results_finish(receiver, processed, result_context);
	prepared_statement_columns(sql, last, results_columns(receiver));
	task->evaluating = false;

	SPI_finish();
	MemoryContextSwitchTo(result_context);
	return result;
}

/*
 * Run one statement; returns how many rows it processed.
 */
static uint64
run_statement(PreparedSql *sql, StepStatement *statement,
			  const SqlTask *task, DestReceiver *receiver)
{
	SPIExecuteOptions options;
	ErrorContextCallback context_callback;
	int			result;

	context_callback.callback = statement_error_context;
	context_callback.arg = statement;
	context_callback.previous = error_context_stack;
	error_context_stack = &context_callback;

	leaf_statement_begins();
	prepared_statement_ready(sql, statement);
	memset(&options, 0, sizeof(options));
	options.dest = receiver;
	if (statement->binding != NULL)
		options.params = binding_values(statement->binding, task->input,
										task->params, task->nparams);
	result = SPI_execute_plan_extended(statement->plan, &options);

	error_context_stack = context_callback.previous;
	leaf_statement_ended();

	/* SPI only says so */
	if (result == SPI_ERROR_TRANSACTION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("step SQL cannot contain transaction control statements")));
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("could not run the step's SQL: %s",
						SPI_result_code_string(result))));
	return SPI_processed;
}

/*
 * function(input).  A function in C or a procedural language is called
 * directly.  An SQL function is called by a prepared SELECT, which keeps its
 * plan (a direct call would parse it each time), and so is whatever is not
 * exactly (jsonb) -> jsonb.
 */
static Jsonb *
run_function(const SqlTask *task, MemoryContext result_context)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID,
										ObjectIdGetDatum(task->function));
	Form_pg_proc form;
	SqlTask		select;
	Jsonb	   *input = task->input;
	Jsonb	   *result;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", task->function),
				 errhint("Register the agent again with workflow.register_agent().")));
	form = (Form_pg_proc) GETSTRUCT(tuple);

	if (input == NULL)
		input = jsonb_from_text("{}");

	if (form->prolang != SQLlanguageId && form->prokind == PROKIND_FUNCTION &&
		!form->proretset && form->prorettype == JSONBOID &&
		form->pronargs == 1 && form->proargtypes.values[0] == JSONBOID)
	{
		check_may_call(task->function, form);
		ReleaseSysCache(tuple);
		return call_function(task->function, input, result_context);
	}

	memset(&select, 0, sizeof(select));
	select.kind = SQL_TASK_STATEMENTS;
	select.sql = psprintf("SELECT %s($1::pg_catalog.jsonb)",
						  quote_qualified_identifier(get_namespace_name(
														 form->pronamespace),
													 NameStr(form->proname)));
	select.params = &input;
	select.nparams = 1;
	select.result = SQL_RESULT_VALUE;
	ReleaseSysCache(tuple);

	result = run_statements(&select, result_context);
	pfree(unconstify(char *, select.sql));
	return result;
}

/*
 * Call a function of (jsonb) -> jsonb.
 */
static Jsonb *
call_function(Oid function, Jsonb *input, MemoryContext result_context)
{
	LOCAL_FCINFO(fcinfo, 1);
	FmgrInfo	flinfo;
	PgStat_FunctionCallUsage usage;
	MemoryContext context;
	Datum		value;
	Jsonb	   *result;

	context = AllocSetContextCreate(result_context, "pg_workflow function call",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);

	fmgr_info(function, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(input);
	fcinfo->args[0].isnull = false;
	leaf_statement_begins();
	pgstat_init_function_usage(fcinfo, &usage);
	value = FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
	leaf_statement_ended();

	MemoryContextSwitchTo(result_context);
	if (fcinfo->isnull)
		result = jsonb_null();
	else
		result = DatumGetJsonbPCopy(value);
	MemoryContextDelete(context);

	/* what it changed is to be seen by what follows */
	CommandCounterIncrement();
	check_result_size(VARSIZE(result));
	return result;
}

/*
 * The checks that calling it by name would make.
 */
static void
check_may_call(Oid function, Form_pg_proc form)
{
	if (!compat_has_schema_privilege(form->pronamespace, GetUserId(),
									 ACL_USAGE))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA,
					   get_namespace_name(form->pronamespace));
	if (!compat_may_execute(function, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION,
					   NameStr(form->proname));
	InvokeFunctionExecuteHook(function);
}

/*
 * Settings need no care here: run_sql() lets none get out.
 */
void
discard_session_state(bool keep_locks)
{
	Oid			temp_namespace;
	Oid			temp_toast_namespace;

	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	if (!keep_locks)
		LockReleaseAll(USER_LOCKMETHOD, true);
	GetTempNamespaceState(&temp_namespace, &temp_toast_namespace);
	if (OidIsValid(temp_namespace))
	{
		/* dropping needs one, and a snapshot is too much for every step */
		PushActiveSnapshot(GetTransactionSnapshot());
		ResetTempTableNamespace();
		PopActiveSnapshot();
	}
	ResetSequenceCaches();
	AtEOXact_LargeObject(true);
}

/*-------------------------------------------------------------------------
 *
 * agent.c
 *	  workflow.register_agent(), drop_agent(), set_agent_status().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  An agent is code that runs
 *	  with the rights of whoever starts a workflow that uses it, so registering
 *	  checks what can be checked of the code, not who may run it: the function's
 *	  own EXECUTE privilege decides that when a step calls it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "api/api.h"
#include "definition/agent_options.h"
#include "interpreter/run_sql.h"

extern PGDLLEXPORT Datum workflow_register_agent(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_drop_agent(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_set_agent_status(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_register_agent);
PG_FUNCTION_INFO_V1(workflow_drop_agent);
PG_FUNCTION_INFO_V1(workflow_set_agent_status);

/*
 * True for "active", false for "inactive", an error for anything else.
 */
static bool
agent_status_argument(const char *status)
{
	static const char *const known[] = {"active", "inactive"};

	if (strcmp(status, "active") == 0)
		return true;
	if (strcmp(status, "inactive") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid status of an agent: \"%s\"", status),
				 errhint("%s", hint_about_word(status, known, lengthof(known)))));
	return false;
}

/* An agent that was found and may be changed by the caller, or an error. */
static void
check_own_agent(const char *name, bool found, Oid owner)
{
	if (!found)
	{
		char	   *hint = hint_about_name(NAMED_AGENT, name,
										   "The table workflow.agents lists all there are; workflow.register_agent() adds one.");

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("agent \"%s\" does not exist", name),
				 errhint("%s", hint)));
	}
	if (!compat_may_act_as(GetUserId(), owner))
		refuse_foreign_owner("agent", name, owner, NULL);
}

Oid
lock_own_agent(const char *name)
{
	const Agent *agent = agent_find(name);
	Oid			owner = agent != NULL ? agent->owner : InvalidOid;
	bool		found;

	/* as by lock_to_steer() */
	check_own_agent(name, agent != NULL, owner);
	found = agent_lock(name, &owner);
	check_own_agent(name, found, owner);
	return owner;
}

/*
 * The function must be a plain one, (jsonb) -> jsonb, and the caller's to call.
 * Returns its qualified name.
 */
static char *
check_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	bool		fits;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	form = (Form_pg_proc) GETSTRUCT(tuple);
	fits = form->prokind == PROKIND_FUNCTION &&
		form->pronargs == 1 && form->proargtypes.values[0] == JSONBOID &&
		form->prorettype == JSONBOID && !form->proretset;
	ReleaseSysCache(tuple);

	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function %s cannot be an agent",
						format_procedure(function)),
				 errdetail("An agent is a function that takes one jsonb and returns jsonb."),
				 errhint("Wrap it in a function (input jsonb) RETURNS jsonb, or register SQL that calls it: workflow.register_agent(name, sql => ..).")));
	return format_procedure_qualified(function);
}

/*
 * Log what was done to an agent, unless it made no difference.
 */
static void
audit_agent(const char *action, const char *name, Jsonb *before)
{
	AuditEntry	entry = {.action = action,.subject_type = "agent",.subject = name};

	entry.before = before;
	entry.after = agent_describe(name);
	if (before != NULL && entry.after != NULL &&
		VARSIZE(before) == VARSIZE(entry.after) &&
		memcmp(before, entry.after, VARSIZE(before)) == 0)
		return;
	audit(&entry);
}

/*
 * The options that are JSON documents: read them, or raise all that is wrong.
 */
static void
check_options(FunctionCallInfo fcinfo, Agent *agent)
{
	ProblemList *problems = problem_list_create();

	if (!PG_ARGISNULL(7))
	{
		agent->retry_document = PG_GETARG_JSONB_P(7);
		agent_retry_parse(JsonbToCString(NULL, &agent->retry_document->root,
										 VARSIZE(agent->retry_document)),
						  &agent->retry, &agent->nretry, problems);
	}
	if (!PG_ARGISNULL(8))
	{
		agent->breaker_document = PG_GETARG_JSONB_P(8);
		breaker_config_parse(JsonbToCString(NULL,
											&agent->breaker_document->root,
											VARSIZE(agent->breaker_document)),
							 &agent->breaker, problems);
	}
	if (problems->errors > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options of agent \"%s\" are not acceptable", agent->name),
				 errdetail_internal("%s", problem_details(problems))));
	raise_warnings(problems);
}

static void
check_agent_name(const char *name)
{
	if (name[0] == '\0' || strlen(name) > PLAN_MAX_ID_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("name of an agent must have 1 to %d bytes, not %zu",
						PLAN_MAX_ID_LENGTH, strlen(name))));
	refuse_reserved_name("agent", name);
	if (agent_find(name) == NULL)
		require_namespace("agent", name);
}

/*
 * workflow.register_agent(name text, function regprocedure, sql text, result
 * text, timeout_seconds integer, status text, description text, retry jsonb,
 * circuit_breaker jsonb) returns void
 */
Datum
workflow_register_agent(PG_FUNCTION_ARGS)
{
	static const char *const results[] = {"rows", "row", "value", "none"};
	char	   *name = required_text(fcinfo, 0, "name");
	char	   *result = required_text(fcinfo, 3, "result");
	char	   *status = required_text(fcinfo, 5, "status");
	const Agent *existing;
	Jsonb	   *before;
	Agent		agent;

	memset(&agent, 0, sizeof(agent));
	check_agent_name(name);
	strlcpy(agent.name, name, sizeof(agent.name));
	agent.active = agent_status_argument(status);
	agent.owner = GetUserId();
	if (!sql_result_from_name(result, &agent.result))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid result of an agent: \"%s\"", result),
				 errhint("%s", hint_about_word(result, results, lengthof(results)))));

	if (PG_ARGISNULL(1) == PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an agent is either a function or SQL"),
				 errhint("Give exactly one of the arguments \"function\" and \"sql\".")));
	if (!PG_ARGISNULL(1))
	{
		agent.kind = AGENT_FUNCTION;
		agent.function = PG_GETARG_OID(1);
		agent.function_name = check_function(agent.function);
	}
	else
	{
		const SqlUse use = {0};
		const char *hint;
		int			position;
		char	   *problem;

		agent.kind = AGENT_SQL;
		agent.sql = text_to_cstring(PG_GETARG_TEXT_PP(2));
		problem = check_step_sql(agent.sql, &use, &position, &hint);
		if (problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("SQL of agent \"%s\" is not acceptable", name),
					 position > 0 ?
					 errdetail("%s (position %d in the SQL)", problem, position) :
					 errdetail("%s", problem),
					 hint != NULL ? errhint("%s", hint) : 0));
	}

	if (!PG_ARGISNULL(4))
	{
		agent.timeout_seconds = PG_GETARG_INT32(4);
		if (agent.timeout_seconds < 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("timeout_seconds must be greater than zero, not %d",
							agent.timeout_seconds)));
	}

	check_options(fcinfo, &agent);

	/* a member of the owner may change an agent, but does not take it over */
	existing = agent_find(name);
	if (existing != NULL)
		agent.owner = lock_own_agent(name);
	before = agent_describe(name);
	if (!agent_store(&agent, optional_text_argument(fcinfo, 6)))
		refuse_foreign_owner("agent", name, agent_find(name)->owner, NULL);
	audit_agent("register_agent", name, before);
	PG_RETURN_VOID();
}

/*
 * workflow.drop_agent(name text) returns void
 */
Datum
workflow_drop_agent(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	Jsonb	   *before;

	(void) lock_own_agent(name);
	before = agent_describe(name);
	agent_delete(name);
	audit_agent("drop_agent", name, before);
	PG_RETURN_VOID();
}

/*
 * workflow.set_agent_status(name text, status text) returns void
 */
Datum
workflow_set_agent_status(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		active = agent_status_argument(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	Jsonb	   *before;

	(void) lock_own_agent(name);
	before = agent_describe(name);
	agent_set_status(name, active);
	audit_agent("set_agent_status", name, before);
	PG_RETURN_VOID();
}

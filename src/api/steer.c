/*-------------------------------------------------------------------------
 *
 * steer.c
 *	  What all functions that steer executions share: who may, and who is told.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "api/api.h"
#include "api/steer.h"
#include "shared/compat.h"
#include "shared/role_value.h"
#include "state/grants.h"

extern PGDLLEXPORT Datum workflow_workflow_to_steer(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_workflow_to_steer);

bool
may_steer(const ExecutionState *state)
{
	return has_privs_of_role(GetUserId(), state->role) ||
		grants_allow(state->workflow, state->definition_owner, GetUserId(),
					 PRIVILEGE_STEER);
}

/* Read an execution that the caller may steer. */
static void
require_may_steer(int64 id, const char *what, ExecutionState *state)
{
	if (!execution_read(id, state))
		refuse_unknown_execution(id);
	if (!may_steer(state))
		refuse_foreign_execution(id, state->role, may_see(state->role, state->workflow),
								 psprintf("An execution is %s by the role that started it, the owner of its workflow, or whom that lets steer it.",
										  what));
}

/*
 * Rights first: who has none does not wait for the lock, nor hold up who needs
 * it.  And again when it is held: who had it may have given the execution, or
 * its workflow, to another role.
 */
void
lock_to_steer(int64 id, const char *what, ExecutionState *state)
{
	require_may_steer(id, what, state);
	if (!execution_lock(id, state))
		refuse_unknown_execution(id);
	/* what is remembered of grants may be older than the lock */
	AcceptInvalidationMessages();
	require_may_steer(id, what, state);
}

void
refuse_executed(const ExecutionState *state, const char *what)
{
	if (state->executed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("execution %lld cannot be %s", (long long) state->id, what),
				 errdetail("It is run by workflow.execute() in one transaction."),
				 errhint("What is to be %s is started with workflow.start().", what)));
}

void
require_may_give_data(const ExecutionState *state, const char *argument)
{
	if (compat_may_act_as(GetUserId(), state->role))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for execution %lld", (long long) state->id),
			 errdetail("Its steps run as role \"%s\", so what they work with comes from who may be that role; the owner of the workflow steers it.",
					   role_shown_name(state->role)),
			 errhint("Leave out argument \"%s\", or have that role granted.", argument)));
}

/*
 * A status in a filter: with a misspelt one nothing would fit, and nobody would
 * know why.
 */
static void
require_status(const char *name)
{
	const char *names[NUM_EXECUTION_STATUSES];
	ExecutionStatus status;

	if (execution_status_find(name, &status))
		return;
	for (int i = 0; i < NUM_EXECUTION_STATUSES; i++)
		names[i] = execution_status_name((ExecutionStatus) i);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("executions have no status \"%s\"", name),
			 errhint("%s", hint_about_word(name, names, lengthof(names)))));
}

bool
is_first_left_out(FunctionCallInfo fcinfo)
{
	static char asked;

	if (fcinfo->flinfo->fn_extra != NULL)
		return false;
	fcinfo->flinfo->fn_extra = &asked;
	return true;
}

/*
 * workflow.workflow_to_steer(workflow text, status text) returns text
 */
Datum
workflow_workflow_to_steer(PG_FUNCTION_ARGS)
{
	char	   *workflow = optional_text_argument(fcinfo, 0);
	char	   *status = optional_text_argument(fcinfo, 1);
	Definition	definition;

	if (status != NULL)
		require_status(status);
	if (workflow == NULL)
		PG_RETURN_NULL();
	require_definition(workflow, 0, &definition);
	PG_RETURN_TEXT_P(cstring_to_text(definition.name));
}

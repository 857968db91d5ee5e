/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  workflow.retry(), retry_help(), retry_possible().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Locks the execution's row
 *	  until the end of the transaction, and only says what is to be done:
 *	  threads of an execution that has just ended may still be on their way out.
 *	  The executor that goes on changes the rows (src/interpreter/reopen.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "api/steer.h"
#include "definition/scope.h"
#include "interpreter/reopen.h"
#include "shared/wake.h"
#include "state/blocks.h"
#include "state/dead_letters.h"
#include "state/owners.h"
#include "state/steer.h"
#include "state/steps.h"

extern PGDLLEXPORT Datum workflow_retry(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_retry_help(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_retry_possible(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_retry);
PG_FUNCTION_INFO_V1(workflow_retry_help);
PG_FUNCTION_INFO_V1(workflow_retry_possible);

/* A step that takes an input; raises an error for others. */
static void
require_input_step(const WorkflowPlan *plan, const char *step_id)
{
	PlanNode   *node = plan_find(plan, step_id);

	if (!step_is_leaf(node))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step \"%s\" takes no input", step_id),
				 errdetail("It is of type %s.", step_type_name(node->type)),
				 errhint("Only steps of the types sql and agent do.")));
}

/*
 * When the last visit of from_step began, on the top level; *key: what an input
 * is stored under.
 */
static TimestampTz
find_from_step(const ExecutionState *state, const WorkflowPlan *plan,
			   const char *from_step, char **key)
{
	PlanNode   *node = plan_find(plan, from_step);
	StepRecord *record;

	if (node == NULL)
		refuse_unknown_step(state->workflow, plan, from_step);
	record = step_find(state->id, "", node->id, 0);
	if (record == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("execution %lld cannot be retried from step \"%s\"",
						(long long) state->id, from_step),
				 node->container >= 0 ? errdetail("The step is inside step \"%s\".",
												  plan->nodes[node->container].id) :
				 errdetail("The execution has not come to the step."),
				 errhint("It can be retried from a step of the top level that it has run, or, without one, from where it failed.")));
	*key = scope_step_path("", node->id, record->visit);
	return step_first_attempt(state->id, "", node->id, record->visit).started_at;
}

/* The one step that failed, for an input without from_step. */
static char *
find_failed_step(const ExecutionState *state, const WorkflowPlan *plan)
{
	List	   *failed = reopen_failed_steps(state->id, plan);
	StringInfoData names;
	ListCell   *cell;

	if (list_length(failed) == 1)
		return linitial(failed);
	initStringInfo(&names);
	foreach(cell, failed)
	{
		if (foreach_current_index(cell) == 10)
		{
			appendStringInfoString(&names, ", ...");
			break;
		}
		appendStringInfo(&names, "%s%s", names.len ? ", " : "",
						 (char *) lfirst(cell));
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("it is not clear which step of execution %lld the input is for", (long long) state->id),
			 failed == NIL ? errdetail("No step has failed.") : errdetail("These failed: %s.", names.data),
			 errhint("Use from_step to say from which step on the execution is retried.")));
	return NULL;				/* not reached */
}

/* Why an execution that has ended cannot be retried, and what to do instead. */
typedef struct Refusal
{
	char	   *detail;
	char	   *hint;
	char	   *help;			/* the statement */
} Refusal;

static void
set_start_anew(Refusal *refusal, const ExecutionState *state,
			   const char *detail)
{
	refusal->detail = pstrdup(detail);
	refusal->hint = "Start another one with workflow.start().";
	refusal->help = psprintf("SELECT workflow.start(%s, input) FROM workflow.execution_status WHERE execution_id = %lld",
							 quote_literal_cstr(state->workflow), (long long) state->id);
}

static void
set_being_replayed(Refusal *refusal, int64 replay)
{
	refusal->detail = psprintf("Its dead letter is being replayed, by execution %lld.", (long long) replay);
	refusal->hint = "Wait for that execution to end, or use workflow.cancel().";
	refusal->help = psprintf("SELECT * FROM workflow.why(%lld)",
							 (long long) replay);
}

/*
 * The other execution that replays the dead letter of this one; 0: none does.
 */
static int64
other_replay(int64 id)
{
	int64		letter_id = execution_dead_letter(id);
	DeadLetter	letter;

	if (letter_id == 0 || !dead_letter_find(letter_id, false, &letter) ||
		letter.status != LETTER_REPLAYING || letter.replay_execution_id == id)
		return 0;
	return letter.replay_execution_id;
}

/*
 * Can an execution that has ended be retried?  The one rule, for retry() and
 * for who advises it; that its workflow is blocked, or its role may not start
 * it any more, is said by require_not_blocked() and require_may_start().
 */
static bool
is_refused(const ExecutionState *state, Refusal *refusal)
{
	const WorkflowPlan *plan = definition_plan_if_any(state->definition_id);
	Definition	definition;
	int64		replay;

	if (state->erased)
	{
		refusal->detail = "What it worked with was taken out by workflow.erase().";
		refusal->hint = "Start another one with workflow.start().";
		refusal->help = psprintf("-- SELECT workflow.start(%s, ..)",
								 quote_literal_cstr(state->workflow));
	}
	else if (state->executed)
		set_start_anew(refusal, state, "It was run by workflow.execute().");
	else if (state->status == EXECUTION_COMPLETED)
		set_start_anew(refusal, state, "It has completed.");
	else if (plan == NULL)
		set_start_anew(refusal, state,
					   "The version of the workflow that it is of does not exist, or cannot be read.");
	else if (execution_is_compensated(state->id, plan))
		set_start_anew(refusal, state, "Steps of it have been undone by their compensations.");
	else if (GetUserNameFromId(state->role, true) == NULL)
	{
		char	   *role = execution_role_name(state->id);

		refusal->detail =
			psprintf("It belongs to role %s: there is no such role.", role);
		refusal->hint = "The owner of the extension can give it to another with workflow.reassign_owned().";
		refusal->help = psprintf("-- SELECT workflow.reassign_owned(%s, '..'); then SELECT workflow.retry(%lld)",
								 quote_literal_cstr(role), (long long) state->id);
	}
	else if (definition_find(state->workflow, 0, &definition) &&
			 GetUserNameFromId(definition.owner, true) == NULL)
	{
		refusal->detail = psprintf("Its workflow belongs to role %s: there is no such role.", owner_of_workflow(state->workflow));
		refusal->hint = "The owner of the extension can give it to another with workflow.set_owner().";
		refusal->help = psprintf("-- SELECT workflow.set_owner(%s, '..'); then SELECT workflow.retry(%lld)",
								 quote_literal_cstr(state->workflow), (long long) state->id);
	}
	else if ((replay = other_replay(state->id)) != 0)
		set_being_replayed(refusal, replay);
	else
		return false;
	return true;
}

pg_noreturn static void
refuse(int64 id, const Refusal *refusal)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("execution %lld cannot be retried", (long long) id),
			 errdetail_internal("%s", refusal->detail),
			 errhint("%s", refusal->hint)));
	pg_unreachable();
}

/*
 * A dead letter is tried by one execution at a time: from now on by this one,
 * if it is or replayed one.
 */
static void
take_dead_letter(int64 id)
{
	int64		replay = dead_letter_retried(id, GetUserId());
	Refusal		refusal;

	if (replay == 0)
		return;
	set_being_replayed(&refusal, replay);
	refuse(id, &refusal);
}

/*
 * workflow.retry(execution_id bigint, from_step text, input jsonb, reason text)
 * returns text
 */
Datum
workflow_retry(PG_FUNCTION_ARGS)
{
	int64		id = required_execution_id(fcinfo);
	char	   *from_step = optional_text_argument(fcinfo, 1);
	Jsonb	   *input = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	char	   *reason = optional_text_argument(fcinfo, 3);
	ExecutionState state;
	Refusal		refusal;
	Definition	definition;
	WorkflowPlan *plan;
	TimestampTz from = 0;
	char	   *key = NULL;

	lock_to_steer(id, "retried", &state);
	if (input != NULL)
	{
		require_may_give_data(&state, "input");
		require_payload(input, "input", state.role);
	}
	if (!execution_status_is_final(state.status))
	{
		ereport(NOTICE,
				(errmsg("execution %lld is not retried: its status is \"%s\"",
						(long long) id, execution_status_name(state.status))));
		PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(state.status)));
	}
	if (is_refused(&state, &refusal))
		refuse(id, &refusal);
	if (definition_find(state.workflow, 0, &definition))
	{
		require_may_start(&definition, state.role);
		require_not_blocked(&definition, state.role);
	}
	plan = definition_plan(state.definition_id);
	if (from_step != NULL)
		from = find_from_step(&state, plan, from_step, &key);
	else if (input != NULL)
		key = find_failed_step(&state, plan);
	if (input != NULL)
		require_input_step(plan, scope_path_step(key));

	take_dead_letter(id);
	execution_retry(id, from, key, input);
	audit_execution("retry", id, reason, state.status, EXECUTION_PENDING);
	wake_at_commit(WAKE_PENDING);
	PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(EXECUTION_PENDING)));
}

/*
 * workflow.retry_help(execution_id bigint) returns text
 *
 * Also for who only looks on.
 */
Datum
workflow_retry_help(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	ExecutionState state;
	Refusal		refusal;
	char	   *help;

	if (!execution_read(id, &state) ||
		!execution_status_is_final(state.status) ||
		!may_see(state.role, state.workflow))
		PG_RETURN_NULL();
	if (is_refused(&state, &refusal))
		help = refusal.help;
	else
		help = help_to_begin(state.workflow, state.role,
							 psprintf("SELECT workflow.retry(%lld)",
									  (long long) id));
	PG_RETURN_TEXT_P(cstring_to_text(help));
}

/*
 * workflow.retry_possible(execution_id bigint) returns boolean
 */
Datum
workflow_retry_possible(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	ExecutionState state;
	Refusal		refusal;

	if (!execution_read(id, &state) ||
		!has_privs_of_role(GetUserId(), state.role))
		PG_RETURN_BOOL(false);
	if (!execution_status_is_final(state.status) ||
		!is_refused(&state, &refusal))
		PG_RETURN_BOOL(true);
	if (is_first_left_out(fcinfo))
		ereport(NOTICE,
				(errmsg("execution %lld cannot be retried, and is left out", (long long) id),
				 errdetail_internal("%s", refusal.detail),
				 errhint("%s Others may be left out as well: workflow.why() says of each why.", refusal.hint)));
	PG_RETURN_BOOL(false);
}

/*-------------------------------------------------------------------------
 *
 * marks.c
 *	  workflow.hold_step(), release_step(), skip_step().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Locks the execution's row
 *	  until the end of the transaction.  A mark is in the row; the scheduler has
 *	  the execution's threads look at it at their next step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "api/steer.h"
#include "shared/wake.h"
#include "state/steer.h"
#include "state/steps.h"
#include "state/waits.h"

extern PGDLLEXPORT Datum workflow_hold_step(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_release_step(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_skip_step(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_hold_step);
PG_FUNCTION_INFO_V1(workflow_release_step);
PG_FUNCTION_INFO_V1(workflow_skip_step);

/*
 * Say that a mark comes too late for a step that runs once.  One that waits can
 * be skipped still.
 */
static void
note_ended_step(int64 id, const PlanNode *node, const char *mark)
{
	StepRecord *record;

	if (node->container >= 0 || node->on_cycle)
		return;
	record = step_find(id, "", node->id, 0);
	if (record != NULL &&
		(record->retry_at == 0 ||
		 (record->status == STATUS_WAITING && strcmp(mark, "hold") == 0)))
		ereport(NOTICE,
				(errmsg("step \"%s\" of execution %lld has begun already", node->id, (long long) id),
				 errdetail("Its status is \"%s\".", step_status_name(record->status))));
}

/*
 * Set or, with mark NULL, remove the mark of a step.  Returns false when
 * nothing has changed.
 */
static bool
mark_step(FunctionCallInfo fcinfo, const char *action, const char *mark,
		  Jsonb *output, int reason_argument)
{
	int64		id = required_execution_id(fcinfo);
	char	   *step_id = required_text(fcinfo, 1, "step_id");
	AuditEntry	entry = {.action = action,.subject_type = "step",.subject = step_id,.execution_id = id};
	ExecutionState state;
	WorkflowPlan *plan;
	PlanNode   *node;
	char	   *before;

	lock_to_steer(id, "steered", &state);
	if (output != NULL)
	{
		require_may_give_data(&state, "output");
		require_payload(output, "output", state.role);
	}
	plan = definition_plan(state.definition_id);
	node = plan_find(plan, step_id);
	if (node == NULL)
		refuse_unknown_step(state.workflow, plan, step_id);
	/*
	 * one that is being undone comes to steps still; a mark can be taken off
	 * for retry()
	 */
	if (mark != NULL &&
		(execution_status_is_final(state.status) ||
		 (state.status == EXECUTION_CANCELLING && !state.compensate)))
	{
		ereport(NOTICE,
				(errmsg("step \"%s\" of execution %lld stays as it is: the status of the execution is \"%s\"",
						step_id, (long long) id, execution_status_name(state.status))));
		return false;
	}
	if (mark != NULL)
	{
		refuse_executed(&state, "steered");
		note_ended_step(id, node, mark);
	}
	before = execution_step_mark(id, step_id);
	entry.reason = optional_text_argument(fcinfo, reason_argument);
	if (!execution_mark_step(id, step_id, mark, output, entry.reason))
		return false;
	/* not the output: members of pg_monitor read this */
	entry.before = audit_object("mark", before ? before : "none");
	entry.after = audit_object("mark", mark ? mark : "none");
	audit(&entry);
	/*
	 * a thread that stands there comes there again; those of one that runs the
	 * scheduler wakes
	 */
	if (state.status != EXECUTION_RUNNING)
		execution_wake_step(id, state.role, state.status, step_id);
	wake_at_commit(WAKE_CONTROL);
	return true;
}

/*
 * workflow.hold_step(execution_id bigint, step_id text, reason text) returns
 * boolean
 */
Datum
workflow_hold_step(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(mark_step(fcinfo, "hold_step", "hold", NULL, 2));
}

/*
 * workflow.release_step(execution_id bigint, step_id text, reason text) returns
 * boolean
 */
Datum
workflow_release_step(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(mark_step(fcinfo, "release_step", NULL, NULL, 2));
}

/*
 * workflow.skip_step(execution_id bigint, step_id text, output jsonb, reason
 * text) returns boolean
 */
Datum
workflow_skip_step(PG_FUNCTION_ARGS)
{
	Jsonb	   *output = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);

	PG_RETURN_BOOL(mark_step(fcinfo, "skip_step", "skip", output, 3));
}

/*-------------------------------------------------------------------------
 *
 * pause.c
 *	  workflow.pause(), resume().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Locks the execution's row
 *	  until the end of the transaction.  A pause is a status: the scheduler has
 *	  the execution's executors leave behind the step they are at and forgets
 *	  it; resume() queues it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "api/steer.h"
#include "shared/slots.h"
#include "shared/wake.h"
#include "state/steer.h"

extern PGDLLEXPORT Datum workflow_pause(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_resume(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_pause);
PG_FUNCTION_INFO_V1(workflow_resume);

/* Not yet over, nor being brought to an end, nor paused or blocked. */
static bool
is_going_on(ExecutionStatus status)
{
	return status == EXECUTION_PENDING || status == EXECUTION_RUNNING ||
		status == EXECUTION_WAITING;
}

/*
 * When a pause that begins now is over: by the argument, else by the
 * definition.
 */
static TimestampTz
pause_end(FunctionCallInfo fcinfo, int argument, const ExecutionState *state)
{
	TimestampTz now = GetCurrentTimestamp();
	WorkflowPlan *plan;

	if (!PG_ARGISNULL(argument))
	{
		Datum		end = DirectFunctionCall2(timestamptz_pl_interval,
										TimestampTzGetDatum(now),
										PG_GETARG_DATUM(argument));

		if (DatumGetTimestampTz(end) <= now)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("max_pause must be greater than zero"),
				 errhint("Leave it out for a pause without an end.")));
		return DatumGetTimestampTz(end);
	}
	plan = definition_plan(state->definition_id);
	return plan->max_pause_seconds > 0 ?
		TimestampTzPlusMilliseconds(now,
									(int64) plan->max_pause_seconds * 1000) :
		DT_NOEND;
}

/*
 * workflow.pause(execution_id bigint, reason text, max_pause interval) returns
 * text
 */
Datum
workflow_pause(PG_FUNCTION_ARGS)
{
	int64		id = required_execution_id(fcinfo);
	char	   *reason = optional_text_argument(fcinfo, 1);
	ExecutionState state;
	TimestampTz until;

	lock_to_steer(id, "paused", &state);
	until = pause_end(fcinfo, 2, &state);
	refuse_executed(&state, "paused");
	if (!is_going_on(state.status))
	{
		/* asking twice is no mistake, asking too late may be one */
		if (state.status != EXECUTION_PAUSED)
			ereport(NOTICE,
					(errmsg("execution %lld is not paused: its status is \"%s\"",
							(long long) id, execution_status_name(state.status))));
		PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(state.status)));
	}

	execution_pause(id, GetUserId(), reason, until);
	audit_execution("pause", id, reason, state.status, EXECUTION_PAUSED);
	wake_at_commit(WAKE_CONTROL);
	slot_pause_myself(id);
	PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(EXECUTION_PAUSED)));
}

/*
 * workflow.resume(execution_id bigint, reason text) returns text
 */
Datum
workflow_resume(PG_FUNCTION_ARGS)
{
	int64		id = required_execution_id(fcinfo);
	char	   *reason = optional_text_argument(fcinfo, 1);
	ExecutionState state;

	lock_to_steer(id, "resumed", &state);
	if (state.status != EXECUTION_PAUSED)
	{
		if (!is_going_on(state.status))
			ereport(NOTICE,
					(errmsg("execution %lld is not resumed: its status is \"%s\"",
							(long long) id, execution_status_name(state.status))));
		PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(state.status)));
	}

	execution_resume(id);
	audit_execution("resume", id, reason, state.status, EXECUTION_PENDING);
	wake_at_commit(WAKE_PENDING);
	PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(EXECUTION_PENDING)));
}

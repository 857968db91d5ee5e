/*-------------------------------------------------------------------------
 *
 * cancel.c
 *	  workflow.cancel().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Locks the execution's row,
 *	  which its end must lock too, until the end of the transaction.  A pending
 *	  execution is cancelled here; a running one is marked, and the scheduler
 *	  stops its executors and makes it final, after its compensations where that
 *	  is wanted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "api/steer.h"
#include "shared/wake.h"
#include "state/ends.h"

extern PGDLLEXPORT Datum workflow_cancel(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_cancel);

/*
 * An execution is cancelling already, or is on its way to an end that was
 * decided before: what more can be wanted is to have it compensated, or not any
 * more.
 */
static void
change_cancel(const ExecutionState *state, const char *reason, bool compensate)
{
	bool		cancelling = state->status == EXECUTION_CANCELLING;
	bool		paused = state->status == EXECUTION_PAUSED;

	if (state->decided && compensate)
	{
		/* asking twice is no mistake */
		if (!cancelling || !state->compensate)
			ereport(NOTICE,
					(errmsg("how execution %lld ends has been decided before", (long long) state->id),
					 cancelling ? errdetail("Its compensations are being stopped.") :
					 paused ? errdetail("It is paused; its compensations are run when it goes on.") :
					 errdetail("Its compensations are being run."),
					 paused ? errhint("Use workflow.resume().") : 0));
		return;
	}
	if (cancelling && state->compensate == compensate)
		return;
	if (cancelling)
		execution_set_compensate(state->id, compensate);
	else
		execution_cancel(state->id, GetUserId(), reason, false);
	audit_execution("cancel", state->id, reason, state->status,
					EXECUTION_CANCELLING);
	wake_at_commit(WAKE_CONTROL);
}

/*
 * workflow.cancel(execution_id bigint, reason text, compensate boolean) returns
 * text
 */
Datum
workflow_cancel(PG_FUNCTION_ARGS)
{
	int64		id = required_execution_id(fcinfo);
	char	   *reason = optional_text_argument(fcinfo, 1);
	bool		compensate = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	ExecutionState state;
	ExecutionStatus after;

	lock_to_steer(id, "cancelled", &state);
	if (execution_status_is_final(state.status))
	{
		/* asking twice is no mistake, asking too late may be one */
		if (state.status != EXECUTION_CANCELLED)
			ereport(NOTICE,
					(errmsg("execution %lld has already ended with status \"%s\"",
							(long long) id, execution_status_name(state.status))));
		PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(state.status)));
	}
	refuse_executed(&state, "cancelled");
	if (state.status == EXECUTION_CANCELLING || state.decided)
	{
		change_cancel(&state, reason, compensate);
		after = compensate ? state.status : EXECUTION_CANCELLING;
		PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(after)));
	}

	/*
	 * one that was resumed may have containers to close and something to undo
	 */
	after = (state.status == EXECUTION_PENDING ||
			 state.status == EXECUTION_BLOCKED) &&
			!state.started ?
		EXECUTION_CANCELLED :
		EXECUTION_CANCELLING;
	if (after == EXECUTION_CANCELLED)
		execution_cancel_unbegun(id, GetUserId(), reason);
	else
	{
		execution_cancel(id, GetUserId(), reason, compensate);
		wake_at_commit(WAKE_CONTROL);
	}
	audit_execution("cancel", id, reason, state.status, after);
	PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(after)));
}

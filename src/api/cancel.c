/*-------------------------------------------------------------------------
 *
 * cancel.c
 *	  workflow.cancel().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Locks the execution's row,
 *	  which its end must lock too, until the end of the transaction.  A pending
 *	  execution is cancelled here; a running one is marked, and the scheduler
 *	  stops its executors and makes it final.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "api/steer.h"
#include "shared/slots.h"

extern PGDLLEXPORT Datum workflow_cancel(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_cancel);

/*
 * workflow.cancel(execution_id bigint, reason text) returns text
 */
Datum
workflow_cancel(PG_FUNCTION_ARGS)
{
	int64		id = required_execution_id(fcinfo);
	char	   *reason = optional_text_argument(fcinfo, 1);
	Oid			caller = GetUserId();
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
	if (state.status == EXECUTION_CANCELLING)
		PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(state.status)));

	after = state.status == EXECUTION_PENDING || state.status == EXECUTION_BLOCKED
		? EXECUTION_CANCELLED : EXECUTION_CANCELLING;
	execution_cancel(id, after == EXECUTION_CANCELLED, caller, reason);
	audit_execution("cancel", id, reason, state.status, after);
	if (after == EXECUTION_CANCELLED)
		wake_waiters_at_commit(id);
	else
		wake_at_commit(WAKE_CONTROL);
	PG_RETURN_TEXT_P(cstring_to_text(execution_status_name(after)));
}

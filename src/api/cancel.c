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

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "api/api.h"
#include "shared/slots.h"
#include "state/executions.h"

extern PGDLLEXPORT Datum workflow_cancel(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_cancel);

/*
 * Wait channels with an execution this transaction made final: those who wait
 * for it look again at commit.  A bit per channel, not a list of executions, so
 * that cancelling a million pending ones needs no memory.
 */
static bool channels_to_wake[NUM_WAIT_CHANNELS];
static bool any_channel_to_wake = false;
static bool callback_registered = false;

/*
 * At commit wake the waiters; otherwise forget them.  Waking somebody for
 * nothing, after a subtransaction was rolled back, does no harm.
 */
static void
wake_waiters(XactEvent event, void *argument pg_attribute_unused())
{
	if (!any_channel_to_wake)
		return;
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;

	if (event == XACT_EVENT_COMMIT && registry != NULL)
	{
		for (int i = 0; i < NUM_WAIT_CHANNELS; i++)
			if (channels_to_wake[i])
				broadcast_finished(i);
	}
	memset(channels_to_wake, 0, sizeof(channels_to_wake));
	any_channel_to_wake = false;
}

/*
 * Have those who wait for the execution look again when we commit.
 */
static void
wake_waiters_at_commit(int64 execution_id)
{
	if (!callback_registered)
	{
		RegisterXactCallback(wake_waiters, NULL);
		callback_registered = true;
	}
	channels_to_wake[(uint64) execution_id % NUM_WAIT_CHANNELS] = true;
	any_channel_to_wake = true;
}

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
	bool		pending;

	if (!execution_lock(id, &state))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("execution %lld does not exist", (long long) id)));
	if (!has_privs_of_role(caller, state.role) &&
		!(OidIsValid(state.definition_owner) &&
		  has_privs_of_role(caller, state.definition_owner)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for execution %lld", (long long) id),
				 errdetail("An execution is cancelled by the role that started it or by the owner of its workflow.")));

	if (execution_status_is_final(state.status))
	{
		/* asking twice is no mistake, asking too late may be one */
		if (strcmp(state.status, "cancelled") != 0)
			ereport(NOTICE,
					(errmsg("execution %lld has already ended with status \"%s\"",
							(long long) id, state.status)));
		PG_RETURN_TEXT_P(cstring_to_text(state.status));
	}
	if (strcmp(state.status, "cancelling") == 0)
		PG_RETURN_TEXT_P(cstring_to_text(state.status));

	pending = strcmp(state.status, "pending") == 0;
	execution_cancel(id, pending, caller, reason);
	if (pending)
		wake_waiters_at_commit(id);
	else
		wake_at_commit(WAKE_CONTROL);
	PG_RETURN_TEXT_P(cstring_to_text(pending ? "cancelled" : "cancelling"));
}

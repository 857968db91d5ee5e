/*-------------------------------------------------------------------------
 *
 * control.c
 *	  What sessions want of executions that are not over: cancel, pause.
 *
 * NOTES
 *	  Scheduler only.  A session writes what it wants into the execution's row,
 *	  marks the row with "control" and wakes the scheduler at commit
 *	  (WAKE_CONTROL).  The mark is taken back in the transaction that reads the
 *	  row: what is wanted is in the other columns, so that a crash in between
 *	  loses nothing that recovery does not find again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "state/steer.h"

/* Pauses have ends; when the next one comes. */
static bool look_for_pause_ends = true;	/* once at the start */
static TimestampTz next_pause_end = DT_NOEND;

/* Do what is wanted of one execution. */
static void
control_execution(const ControlledExecution *wanted)
{
	LiveExecution *execution = live_find(wanted->id);

	switch (wanted->status)
	{
		case EXECUTION_CANCELLING:
			if (execution == NULL)
				execution_settle_end(wanted->id);
			else if (!execution->in_epilogue || !wanted->in_epilogue)
				execution_stop(execution, STOP_CANCEL);
			break;
		case EXECUTION_PAUSED:
			look_for_pause_ends = true;
			if (execution != NULL)
				execution_stop(execution, STOP_PAUSE);
			break;
		case EXECUTION_RUNNING:
			/* steps of it were marked */
			if (execution != NULL)
				pool_reload_execution(execution);
			break;
		default:
			break;
	}
}

/*
 * Fail what has been paused for too long; returns when to look again.
 */
static TimestampTz
end_pauses(void)
{
	int64	   *ids;
	int			count;
	TimestampTz next;

	scheduler_begin();
	count = executions_paused_too_long(&ids);
	for (int i = 0; i < count; i++)
	{
		Jsonb	   *error = execution_error("PauseTimeout", "the execution was paused for too long",
											"See \"max_pause_seconds\" of the definition and max_pause of workflow.pause().");

		step_close_open(ids[i], STATUS_CANCELLED);
		execution_finalise(ids[i], "failed", error, "PauseTimeout");
		audit_execution("pause_timeout", ids[i], NULL, EXECUTION_PAUSED, EXECUTION_FAILED);
	}
	next = executions_next_pause_end();
	scheduler_commit(count > 0);

	for (int i = 0; i < count; i++)
	{
		LiveExecution *execution = live_find(ids[i]);

		broadcast_finished(ids[i]);
		/* a step of before the pause runs still */
		if (execution != NULL)
			execution_over(execution);
	}
	if (next != DT_NOEND)
		next = Max(next, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SKIPPED_RETRY_MS));
	return next;
}

/*
 * Do what sessions want; returns when to look again although nobody has called,
 * DT_NOEND: not at all.
 */
TimestampTz
look_for_control(void)
{
	ControlledExecution *wanted;
	bool		skipped;
	int			count;

	scheduler_begin();
	count = executions_controlled(&wanted, &skipped);
	scheduler_commit(false);
	for (int i = 0; i < count; i++)
		control_execution(&wanted[i]);
	if (look_for_pause_ends || next_pause_end <= GetCurrentTimestamp())
	{
		look_for_pause_ends = false;
		next_pause_end = end_pauses();
	}
	if (!skipped)
		return next_pause_end;
	return Min(next_pause_end,
			   TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SKIPPED_RETRY_MS));
}

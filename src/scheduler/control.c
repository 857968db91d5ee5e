/*-------------------------------------------------------------------------
 *
 * control.c
 *	  What sessions want of executions that are not over: cancel and the like.
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

/* Do what is wanted of one execution. */
static void
control_execution(const ControlledExecution *wanted)
{
	LiveExecution *execution = live_find(wanted->id);

	switch (wanted->status)
	{
		case EXECUTION_CANCELLING:
			if (execution != NULL)
				execution_stop(execution, STOP_CANCEL);
			else
				write_end(wanted->id, STOP_CANCEL, NULL, NULL);
			break;
		default:
			break;
	}
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
	return skipped
		? TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SKIPPED_RETRY_MS) : DT_NOEND;
}

/*-------------------------------------------------------------------------
 *
 * control.c
 *	  What sessions want of executions that are not over: cancel, pause, another
 *	  role.
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

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/black_box.h"
#include "shared/clock.h"
#include "shared/fault.h"
#include "shared/wake.h"
#include "state/ends.h"
#include "state/epilogue.h"
#include "state/steer.h"
#include "state/waits.h"

/* Pauses have ends; when the next one comes. */
static bool look_for_pause_ends = true;	/* once at the start */
static TimestampTz next_pause_end = DT_NOEND;

/*
 * Threads of them wait, perhaps in front of a step that was marked while they
 * ran, whatever has become of them since.
 */
static void
wake_marked(const ControlledExecution *wanted, int count)
{
	int64	   *ids = palloc(Max(count, 1) * sizeof(int64));

	for (int i = 0; i < count; i++)
		ids[i] = wanted[i].id;
	/* due from this transaction's time on */
	if (executions_marked(ids, count))
		waits_expect(GetCurrentTransactionStartTimestamp());
}

/* Do what is wanted of one execution. */
static void
control_execution(const ControlledExecution *wanted)
{
	LiveExecution *execution = live_find(wanted->id);
	bool		given = (execution != NULL && wanted->role != execution->role);

	switch (wanted->status)
	{
		case EXECUTION_CANCELLING:
			if (execution == NULL)
				execution_settle_end(wanted->id);
			else if (!execution->in_epilogue || !wanted->in_epilogue)
				execution_stop(execution, STOP_CANCEL);
			else if (wanted->marked)
				pool_reload_execution(execution);
			break;
		case EXECUTION_PAUSED:
			look_for_pause_ends = true;
			if (execution == NULL)
				break;
			/*
			 * marked just before, perhaps, or given away: nothing begins that
			 * has not seen it
			 */
			if (wanted->marked || given)
				execution->controls++;
			execution_stop(execution, STOP_PAUSE);
			break;
		case EXECUTION_RUNNING:
			/* steps of it were marked */
			if (execution != NULL)
				pool_reload_execution(execution);
			break;
		case EXECUTION_PENDING:
		case EXECUTION_BLOCKED:
			/*
			 * or it was marked, or given away, paused and resumed before we
			 * have looked: its joins do not know which threads of it wait still
			 */
			if (given || (execution != NULL && joins_wait(execution)))
			{
				execution->controls++;
				execution_stop(execution, STOP_PAUSE);
			}
			else if (execution != NULL)
			{
				execution->resumed = true;
				if (wanted->marked)
					pool_reload_execution(execution);
			}
			break;
		default:
			break;
	}
}

/*
 * Fail one that has been paused for too long.  True: it is over.  With an
 * epilogue to be run, or gone on with, it is resumed for that, and ends behind
 * it.  In a transaction.
 */
static bool
end_pause(const OverduePause *pause)
{
	const WorkflowPlan *plan = definition_plan_if_any(pause->definition_id);
	Jsonb	   *error = execution_error("PauseTimeout", "the execution was paused for too long",
										"See \"max_pause_seconds\" of the definition and max_pause of workflow.pause().");

	if (pause->decided ||
		(pause->begun && plan != NULL &&
		 (plan->on_failure >= 0 || plan->ncompensations > 0)))
	{
		execution_decide_idle(pause->id, EXECUTION_FAILED, error,
							  "PauseTimeout");
		execution_resume(pause->id);
		audit_execution("pause_timeout", pause->id, NULL, EXECUTION_PAUSED,
						EXECUTION_PENDING);
		wake_at_commit(WAKE_PENDING);	/* ourselves */
		fault_point("execution.pause_to_epilogue");
		return false;
	}
	execution_finalise(pause->id, EXECUTION_FAILED, error, "PauseTimeout");
	audit_execution("pause_timeout", pause->id, NULL, EXECUTION_PAUSED,
					EXECUTION_FAILED);
	fault_point("execution.pause_timeout");
	return true;
}

/*
 * Fail what has been paused for too long; returns when to look again.  Each by
 * itself: what somebody keeps of one does not keep the others.
 */
static TimestampTz
end_pauses(void)
{
	int64	   *ids = NULL;
	int			count = 0;
	TimestampTz next = DT_NOEND;
	bool		committed;

	ATTEMPT(committed)
	{
		count = executions_paused_too_long(&ids);
		next = executions_next_pause_end();
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		return TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										   SKIPPED_RETRY_MS);

	for (int i = 0; i < count; i++)
	{
		LiveExecution *execution;
		OverduePause pause;
		bool		over = false;

		CHECK_FOR_INTERRUPTS();
		ATTEMPT(committed)
		{
			over = execution_lock_overdue_pause(ids[i], &pause) &&
				end_pause(&pause);
		}
		ATTEMPT_END(committed, true);
		if (!committed || !over)
			continue;
		execution = live_find(ids[i]);
		/* a step of before the pause runs still */
		if (execution != NULL)
			execution_over(execution);
	}
	if (next != DT_NOEND)
		next = Max(next,
				   TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											   SKIPPED_RETRY_MS));
	return next;
}

/*
 * Do what sessions want; returns when to look again although nobody has called,
 * DT_NOEND: not at all.
 */
TimestampTz
look_for_control(void)
{
	ControlledExecution *wanted = NULL;
	bool		skipped = true;
	int			count = 0;
	bool		committed;

	ATTEMPT(committed)
	{
		count = executions_controlled(&wanted, &skipped);
		wake_marked(wanted, count);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		return TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS);
	for (int i = 0; i < count; i++)
	{
		black_box_handles(wanted[i].id);
		control_execution(&wanted[i]);
	}
	black_box_handles(0);
	if (look_for_pause_ends || next_pause_end <= GetCurrentTimestamp())
	{
		look_for_pause_ends = false;
		next_pause_end = end_pauses();
	}
	if (!skipped)
		return appointment(next_pause_end);
	return Min(appointment(next_pause_end),
			   TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS));
}

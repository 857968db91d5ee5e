/*-------------------------------------------------------------------------
 *
 * endings.c
 *	  How executions end: by themselves, or because somebody ends them.
 *
 * NOTES
 *	  Scheduler only.  Who ends an execution from outside marks it as stopping,
 *	  drops its ready runs and interrupts what runs; when the last run has
 *	  reported, the end is written in a transaction of the scheduler, or the
 *	  execution's epilogue is begun (execution_settle_end()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "interpreter/thread.h"
#include "scheduler/live.h"
#include "shared/fault.h"
#include "shared/wake.h"
#include "state/ends.h"
#include "state/epilogue.h"

/* An error of an execution that no step has raised. */
Jsonb *
execution_error(const char *type, const char *message, const char *detail)
{
	StepError	error = {.type = type,.message = message,.detail = detail};

	return step_error_jsonb(&error, NULL, NULL);
}

/*
 * It was claimed again, resumed say, while runs of the time before were on
 * their way out.  They are gone: it goes on from its rows.
 */
static void
begin_again(LiveExecution *execution)
{
	ScopeId		root = {0};

	execution->again = false;
	execution->stopping = STOP_NONE;
	live_clear(execution);
	/*
	 * it may be another role's by now, and have been retried since its end was
	 * decided
	 */
	live_retake(execution, &execution->next);
	execution->suspect = (execution->next.recoveries >= 2);
	if (execution->in_epilogue)
		execution_settle_end(execution->id);
	else
		ready_add(execution, RUN_THREAD, NULL, &root, -1, 0);
}

/* Has it something to do, that nobody stops? */
static bool
is_under_way(LiveExecution *execution)
{
	return execution->stopping == STOP_NONE &&
		!(dlist_is_empty(&execution->ready) &&
		  dlist_is_empty(&execution->joins));
}

/* Settle an execution now; false: its row cannot be had. */
static bool
settle(int64 id, void *argument pg_attribute_unused())
{
	LiveExecution *execution;
	ClaimedExecution claimed;
	ScopeId		root = {0};
	Settlement	settlement = SETTLED_LATER;
	bool		committed;

	ATTEMPT(committed)
	{
		settlement = execution_settle(id, &claimed);
	}
	ATTEMPT_END(committed, true);
	if (!committed || settlement == SETTLED_LATER)
		return false;

	fault_point("settle.committed");
	execution = live_find(id);
	if (execution != NULL && execution->running > 0)
		return true;			/* it was claimed meanwhile */
	if (settlement == SETTLED_OVER)
	{
		if (execution != NULL && execution->again)
			begin_again(execution);
		else if (execution != NULL && is_under_way(execution))
			return true;		/* it lives again since this was put off */
		else if (execution != NULL)
			live_remove(execution);
		broadcast_finished(id); /* its row may be gone */
		return true;
	}
	if (execution != NULL)
	{
		live_clear(execution);
		live_retake(execution, &claimed);
	}
	else
		execution = live_add(&claimed);
	execution->stopping = STOP_NONE;
	execution->in_epilogue = true;
	execution->again = false;
	ready_add(execution, RUN_EPILOGUE, NULL, &root, -1, 0);
	return true;
}

/*
 * Nothing of an execution that is to end runs: its row says whether its
 * epilogue is to be run now, or that it is over.  It need not be in memory.
 */
void
execution_settle_end(int64 id)
{
	if (!settle(id, NULL))
		postpone(settle, id, NULL);
}

/*
 * Has somebody still to record that an attempt of a paused execution got stuck?
 */
static bool
waits_for_stuck(LiveExecution *execution)
{
	dlist_iter	iter;

	if (execution->stopping != STOP_PAUSE)
		return false;
	dlist_foreach(iter, &execution->ready)
		if (dlist_container(ReadyRun, node, iter.cur)->stuck != NULL)
			return true;
	return false;
}

/*
 * Nothing of a stopped execution runs any more: end it, or, if it is paused,
 * forget it until it is claimed again.
 */
void
finalise_if_drained(LiveExecution *execution)
{
	if (execution->stopping == STOP_NONE || execution->running > 0 ||
		waits_for_stuck(execution))
		return;
	if (execution->again)
		begin_again(execution);
	else if (execution->stopping == STOP_PAUSE)
	{
		fault_point("execution.pause_complete");
		live_remove(execution);
	}
	else
		execution_settle_end(execution->id);
}

/* Drop what waits, interrupt what runs. */
static void
stop_threads(LiveExecution *execution, StopReason reason)
{
	dlist_mutable_iter iter;

	execution->stopping = reason;
	dlist_foreach_modify(iter, &execution->ready)
	{
		ReadyRun   *run = dlist_container(ReadyRun, node, iter.cur);

		if (run->stuck == NULL || reason != STOP_PAUSE)
			ready_abandon(run); /* else it is recorded, then paused */
	}
	pool_stop_execution(execution, reason);
}

/*
 * End an execution from outside; when all that runs has reported, it is
 * finalised.
 */
void
execution_stop(LiveExecution *execution, StopReason reason)
{
	if (reason == STOP_PAUSE)
		execution->again = false;	/* the claim was before the pause */
	if (execution->stopping != STOP_NONE && execution->stopping != STOP_PAUSE)
		return;
	stop_threads(execution, reason);
	finalise_if_drained(execution);
}

void
execution_restart(LiveExecution *execution, const ClaimedExecution *claimed)
{
	live_note_next(execution, claimed);
	if (execution->stopping == STOP_NONE || execution->stopping == STOP_PAUSE)
	{
		/* no further step of what runs, also in the iteration that has begun */
		execution->controls++;
		stop_threads(execution, STOP_PAUSE);
	}
	finalise_if_drained(execution);
}

/*
 * The execution has been ended by an executor, or has nothing to do but to
 * wait.
 */
void
execution_over(LiveExecution *execution)
{
	if (execution->stopping == STOP_PAUSE)
		execution->stopping = STOP_NONE;	/* there is nothing left to pause */
	if (execution->stopping != STOP_NONE)
		finalise_if_drained(execution);
	else if (execution->running > 0 || !dlist_is_empty(&execution->joins))
		execution_stop(execution, STOP_ENDED);
	else if (execution->again)
		begin_again(execution);
	else
		live_remove(execution);
}

/* How an execution fails that cannot go on, in live_context. */
typedef struct Failure
{
	const char *type;			/* a constant */
	Jsonb	   *error;
} Failure;

/*
 * Write the failure of an execution that the scheduler decided: it has no
 * epilogue.
 */
static bool
write_failure(int64 id, void *argument)
{
	Failure    *failure = argument;
	LiveExecution *execution;
	RowLock		lock = ROW_BUSY;
	bool		committed;

	ATTEMPT(committed)
	{
		lock = execution_try_lock(id);
		if (lock == ROW_LOCKED)
		{
			execution_finalise(id, EXECUTION_FAILED, failure->error,
							   failure->type);
			fault_point("execution.given_up");
		}
	}
	ATTEMPT_END(committed, true);
	if (!committed || lock == ROW_BUSY)
		return false;
	pfree(failure->error);
	pfree(failure);
	if (lock == ROW_MISSING)
		broadcast_finished(id);
	execution = live_find(id);
	if (execution == NULL)
		return true;
	pool_stop_execution(execution, STOP_ENDED);
	if (execution->running == 0)
		live_remove(execution);
	return true;
}

/*
 * Fail an execution that cannot go on; step_id: of the top level, where it
 * stood, or NULL.
 */
void
execution_give_up(LiveExecution *execution, const char *error_type,
				  const char *message, const char *detail, const char *step_id)
{
	int64		id = execution->id;
	StepError	reason = {.type = error_type,.message = message,.detail = detail};
	Jsonb	   *error = step_error_jsonb(&reason, step_id, step_id != NULL ? "" : NULL);
	Failure    *failure = MemoryContextAlloc(live_context, sizeof(Failure));
	dlist_mutable_iter iter;

	failure->type = error_type;
	failure->error = MemoryContextAlloc(live_context, VARSIZE(error));
	memcpy(failure->error, error, VARSIZE(error));
	execution->stopping = STOP_ENDED;
	dlist_foreach_modify(iter, &execution->ready)
		ready_abandon(dlist_container(ReadyRun, node, iter.cur));
	/*
	 * the executors are stopped behind it, or the thread of the root would end
	 * it as cancelled
	 */
	if (!write_failure(id, failure))
		postpone(write_failure, id, failure);
}

/*
 * The time of an execution is over, and no executor was to be had to see that.
 */
void
execution_overdue(LiveExecution *execution)
{
	int64		id = execution->id;
	Jsonb	   *error = execution_error(
		"Timeout", "the execution did not end in time",
		"No executor was to be had for it when its time was over.");
	const WorkflowPlan *plan;
	RowLock		lock = ROW_BUSY;
	bool		epilogue = false;
	bool		committed;

	Assert(execution->running == 0);
	ATTEMPT(committed)
	{
		lock = execution_try_lock(id);
		plan = definition_plan_if_any(execution->definition_id);
		epilogue = plan != NULL &&
			(plan->on_failure >= 0 || plan->ncompensations > 0);
		if (lock == ROW_LOCKED && epilogue)
			/* waits for an executor, without a deadline */
			execution_decide_idle(id, EXECUTION_TIMED_OUT, error, "Timeout");
		else if (lock == ROW_LOCKED)
		{
			execution_finalise(id, EXECUTION_TIMED_OUT, error, "Timeout");
			fault_point("execution.overdue");
		}
	}
	ATTEMPT_END(committed, true);
	if (!committed || lock == ROW_BUSY)
		return;					/* the janitor comes again */
	if (epilogue)
	{
		execution_settle_end(id);
		return;
	}
	live_remove(execution);
}

/* Give up because nobody can run as its role. */
void
give_up_for_role(LiveExecution *execution, const char *reason)
{
	execution_give_up(execution, "RoleCannotRun", reason,
					  "No executor can connect as the role that started the execution; see the server log.", NULL);
}

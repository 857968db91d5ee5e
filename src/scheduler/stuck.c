/*-------------------------------------------------------------------------
 *
 * stuck.c
 *	  Stopping runs, and executors that do not stop.
 *
 * NOTES
 *	  Scheduler only.  Who is to stop is asked first: the executor's slot says
 *	  why, and SIGINT cancels the statement; at the end of a step's time the
 *	  executor tells itself so, and notes when.  After workflow.cancel_grace
 *	  without an answer the run is stuck: SIGTERM, and another executor may take
 *	  the place at once.  What else was in the run is taken out of it and goes
 *	  on elsewhere.
 *
 *	  The attempt is recorded as failed with error type ExecutionStuck when its
 *	  process is gone.  A process that ignores SIGTERM as well, for as long
 *	  again, is quarantined: the attempt is recorded although it lives.  The row
 *	  has the key under which the process would have to record its own end, so
 *	  that it cannot commit any more.  Only when its SQL has ended and the
 *	  commit does not come back the outcome is not known before the process
 *	  dies, and nobody else takes over; nor when other steps share its
 *	  transaction, whose rows and locks it holds.
 *
 *	  The row is written by the run that resumes the thread, since retry
 *	  policies, catch and on_failure apply to it, also while the execution is
 *	  being paused; by the scheduler when the thread is being stopped.  None of
 *	  this is a recovery.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "scheduler/live.h"
#include "shared/clock.h"
#include "shared/fault.h"
#include "shared/settings.h"
#include "shared/slots.h"
#include "state/history.h"

/* What shared the transaction of the stuck attempt is to be done again. */
static void
release_others(PoolExecutor *executor)
{
	LiveJoin   *join = executor->runs[0]->join;

	for (int i = 1; i < executor->nruns; i++)
	{
		ReadyRun   *run = executor->runs[i];
		LiveExecution *execution = run->execution;

		execution->running--;
		if (execution->stopping != STOP_NONE)
		{
			pfree(run);
			finalise_if_drained(execution);
		}
		else
			ready_enqueue(run);
	}
	if (executor->undone_from < executor->undone_to)
	{
		join_put_back(join, executor->undone_from, executor->undone_to, false);
		join_hand_out(join);
	}
}

/*
 * What the stuck executor did is given to somebody else, who begins by
 * recording it; or is over.
 */
static void
release(PoolExecutor *executor)
{
	ReadyRun   *run = executor->runs[0];
	LiveExecution *execution = run->execution;
	StuckAttempt *stuck = executor->stuck;

	executor->busy = false;
	executor->stuck = NULL;
	if (stuck == NULL)
	{
		run_lost(executor, "the executor did not respond while it did its bookkeeping", true);
		return;
	}
	release_others(executor);
	executor->nruns = 0;
	execution->running--;
	/*
	 * a pause waits for the record: what follows the failure is the thread's to
	 * decide
	 */
	if (execution->stopping != STOP_NONE &&
		(execution->stopping != STOP_PAUSE ||
		 (run->join != NULL && run->join->cancelled)))
	{
		stuck_record(execution, stuck);
		pfree(run);
		finalise_if_drained(execution);
	}
	else if (run->join != NULL && run->join->cancelled)
	{
		stuck_record(execution, stuck);
		join_child_ended(run->join, 0, 1, 0);
		join_range_ended(run->join);
		pfree(run);
	}
	else
	{
		run->stuck = stuck;
		ready_enqueue(run);
	}
}

/* --- being stuck --- */

/* Keep what is known about the attempt, as long as its execution lives. */
static StuckAttempt *
remember_attempt(LiveExecution *execution, const Progress *progress, int pid)
{
	StuckEntry *entry = MemoryContextAllocZero(live_context,
											   sizeof(StuckEntry));
	StuckAttempt *stuck = &entry->attempt;

	stuck->execution_id = progress->execution_id;
	stuck->scope = progress->scope_id;
	stuck->node = progress->node;
	stuck->visit = progress->visit;
	stuck->attempt = progress->attempt;
	stuck->shared = (progress->shared_from >= 0);
	stuck->pid = pid;
	stuck->grace_ms = setting_cancel_grace;
	stuck->started_at = progress->step_started_at;
	stuck->elapsed_ms =
		TimestampDifferenceMilliseconds(progress->step_started_at,
										GetCurrentTimestamp());
	strlcpy(stuck->label, progress->label, sizeof(stuck->label));
	slist_push_head(&execution->stuck, &entry->node);
	return stuck;
}

/*
 * Leave nothing but the stuck attempt in the executor's run: other executions,
 * and other children of the range, go on elsewhere.  Those whose steps are in
 * its transaction wait until that is gone.  False: it is not to be found in it.
 */
static bool
narrow_run(PoolExecutor *executor, const Progress *progress)
{
	ReadyRun   *run = executor->runs[0];
	LiveJoin   *join = run->join;
	Report		nothing = {0};
	int			child;
	int			i = 0;

	while (i < executor->nruns &&
		   executor->runs[i]->execution->id != progress->execution_id)
		i++;
	if (i >= executor->nruns)
		return false;
	executor->undone_from = executor->undone_to = 0;
	if (executor->kind == RUN_START)
		settle_others(executor,
					  progress->shared_from >= 0 ? progress->shared_from : i, i,
					  &nothing);
	else if (executor->kind == RUN_CHILDREN)
	{
		if (progress->scope_id.depth <= run->scope.depth)
			return false;
		child = progress->scope_id.level[run->scope.depth].child;
		if (child < run->from || child >= run->to)
			return false;
		join_put_back(join, child + 1, run->to, run->fresh);
		if (progress->shared_from >= 0)
		{
			executor->undone_from = progress->shared_from;
			executor->undone_to = child;
		}
		else
			executor->undone_from = executor->undone_to = child;
		join_put_back(join, run->from, executor->undone_from, false);
		run->scope = scope_child(&run->scope, run->container, run->visit,
								 child);
		run->kind = RUN_THREAD;
		join_hand_out(join);
	}
	executor->kind = RUN_THREAD;
	for (i = 0; i < executor->nruns; i++)
		ready_resume(executor->runs[i]);
	return true;
}

/* The executor has not responded in time. */
void
stuck_now(PoolExecutor *executor)
{
	Progress	progress;
	pid_t		pid;

	if (executor->stuck_at != 0 ||
		!slot_stuck(executor->slot,
					executor->asked_to_stop != 0 ? executor->asked_execution :
												   0,
					&progress, &pid))
	{
		executor->asked_to_stop = 0;
		return;
	}
	executor->stuck_at = steady_now();
	executor->leaving = true;
	executor->pid = pid;
	pool_retire(executor);
	fault_point("slot.stuck");
	if (narrow_run(executor, &progress))
		executor->stuck = remember_attempt(executor->runs[0]->execution,
										   &progress, pid);
	history_of_stuck(executor, &progress);
	ereport(LOG,
			(errmsg("terminated workflow executor with PID %d", (int) pid),
			 errdetail("Step \"%s\" of execution " INT64_FORMAT " did not stop within %d ms of being asked to.",
					   progress.step_id, progress.execution_id, setting_cancel_grace),
			 errhint("The setting is \"%s\".", "workflow.cancel_grace")));
}

/* The stuck process has ended. */
void
stuck_ended(PoolExecutor *executor)
{
	if (executor->busy)
		release(executor);
}

/* It ignores SIGTERM, too. */
static void
quarantine(PoolExecutor *executor)
{
	bool		committed;

	executor->quarantined = true;
	slot_quarantine(executor->slot);
	fault_point("slot.quarantined");
	ATTEMPT(committed)
	{
		executor_history_quarantine(executor->history_id);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		executor->history_id = 0;	/* it is told of anew when it ends */
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("workflow executor with PID %d ignores SIGTERM", executor->pid),
			 errdetail("Its slot is written off until the process ends."),
			 errhint("Its step runs code that does not check for interrupts.")));
	if (executor->busy && executor->stuck != NULL && !executor->stuck->shared &&
		!slot_settling(executor->slot))
	{
		executor->stuck->quarantined = true;
		release(executor);
	}
}

/*
 * Since when an executor has been told to stop and has not; 0: it has not been
 * told.
 */
static TimestampTz
told_since(const PoolExecutor *executor)
{
	TimestampTz interrupted;

	if (!executor->busy || executor->stuck_at != 0)
		return 0;
	interrupted = slot_interrupted_at(executor->slot);
	if (executor->asked_to_stop == 0 || interrupted == 0)
		return Max(executor->asked_to_stop, interrupted);
	return Min(executor->asked_to_stop, interrupted);
}

/* When the executor's next grace is over; DT_NOEND: there is none. */
static TimestampTz
grace_end(const PoolExecutor *executor)
{
	TimestampTz since = executor->stuck_at != 0 && !executor->quarantined
		? executor->stuck_at : told_since(executor);

	return since == 0 ?
		DT_NOEND :
		TimestampTzPlusMilliseconds(since, setting_cancel_grace);
}

/* Deal with those whose grace is over. */
void
stuck_look(TimestampTz now)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		if (grace_end(executor) > now)
			continue;
		if (executor->stuck_at != 0)
			quarantine(executor);
		else
			stuck_now(executor);
	}
}

/* When the next grace is over; DT_NOEND: there is none. */
TimestampTz
stuck_next(TimestampTz now pg_attribute_unused())
{
	TimestampTz next = DT_NOEND;
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
		next = Min(next,
				   grace_end(dlist_container(PoolExecutor, node, iter.cur)));
	return next;
}

/* Was the executor, seen stuck by a session, told to stop what it does? */
bool
stuck_soon(const PoolExecutor *executor)
{
	return told_since(executor) != 0;
}

/*
 * The executors that earlier schedulers have left behind and that still live
 * are written off; their executions are recovered like others.
 */
void
stuck_initialize(void)
{
	int		   *slots = palloc(registry->nslots * sizeof(int));
	int			count = slots_adopt(slots, registry->nslots);
	int		   *pids = palloc(Max(count, 1) * sizeof(int));
	PoolExecutor **adopted = palloc(Max(count, 1) * sizeof(PoolExecutor *));
	bool		committed;

	for (int i = 0; i < count; i++)
	{
		SlotView	view;

		adopted[i] = pool_adopt(slots[i]);
		slot_look(slots[i], adopted[i]->generation, &view);
		executor_note(adopted[i], &view);
		adopted[i]->stuck_at = steady_now();
		adopted[i]->quarantined = true;
		pids[i] = adopted[i]->pid;
	}
	ATTEMPT(committed)
	{
		executor_history_close_abandoned(pids, count);
		for (int i = 0; i < count; i++)
			adopted[i]->history_id = executor_history_find(pids[i]);
	}
	ATTEMPT_END(committed, false);
	for (int i = 0; !committed && i < count; i++)
		adopted[i]->history_id = 0; /* its entry stays open until the next
									 * start */
	for (int i = 0; i < count; i++)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workflow executor with PID %d has outlived its scheduler", pids[i]),
				 errdetail("Its slot is written off until the process ends.")));
}

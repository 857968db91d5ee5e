/*-------------------------------------------------------------------------
 *
 * executors.c
 *	  The executors of the scheduler, and how they are told to stop.
 *
 * NOTES
 *	  Scheduler only.  The list of those it has started, or found; pool.c
 *	  decides who is started and what each gets to do.  The executor's slot says
 *	  why it is to stop, and SIGINT cancels its statement: what becomes of one
 *	  that does not respond is in stuck.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/clock.h"
#include "shared/settings.h"
#include "shared/slots.h"

dlist_head	pool_executors;
static int	nexecutors = 0;	/* those that count */

void
executors_initialize(void)
{
	dlist_init(&pool_executors);
}

int
pool_count(void)
{
	return nexecutors;
}

/* One that has been registered. */
void
executor_add(PoolExecutor *executor)
{
	dlist_push_tail(&pool_executors, &executor->node);
	nexecutors++;
}

/* Executors this database may have. */
int
pool_limit(void)
{
	if (setting_max_executors_per_database > 0)
		return Min(setting_max_executors_per_database, setting_max_executors);
	return setting_max_executors;
}

bool
executor_is_idle(const PoolExecutor *executor)
{
	return !executor->starting && !executor->busy && !executor->leaving;
}

/* Another executor may be started in place of this one, which lives. */
void
pool_retire(PoolExecutor *executor)
{
	if (executor->retired)
		return;
	executor->retired = true;
	nexecutors--;
	slot_retire(executor->slot);
}

/* An executor that a scheduler before this one has left behind. */
PoolExecutor *
pool_adopt(int slot)
{
	PoolExecutor *executor = MemoryContextAllocZero(live_context,
													sizeof(PoolExecutor));

	executor->slot = slot;
	executor->generation = slot_generation(slot);
	executor->role = registry->slots[slot].role;
	executor->leaving = true;
	executor->retired = true;
	dlist_push_tail(&pool_executors, &executor->node);
	return executor;
}

/* It is gone. */
void
executor_forget(PoolExecutor *executor)
{
	dlist_delete(&executor->node);
	if (!executor->retired)
		nexecutors--;
	if (executor->handle != NULL)
		pfree(executor->handle);
	pfree(executor);
}

/* --- stopping --- */

/*
 * Interrupt an executor.  execution_id: which of several executions, 0: all.
 * The grace is that of the one that runs: another one of the same run that is
 * stopped, too, does not take its place.
 */
static void
ask_to_stop(PoolExecutor *executor, StopReason reason, int64 execution_id)
{
	bool		runs_now = slot_request_stop(executor->slot, reason, execution_id);

	if (!stop_interrupts(reason))
		return;
	if (executor->asked_to_stop != 0 &&
		(executor->asked_execution == execution_id || !runs_now))
		return;
	executor->asked_to_stop = steady_now();
	executor->asked_execution = execution_id;
}

/* Interrupt all executors that work on an execution. */
void
pool_stop_execution(LiveExecution *execution, StopReason reason)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		for (int i = 0; executor->busy && i < executor->nruns; i++)
			if (executor->runs[i]->execution == execution)
				/*
				 * a thread that has not seen the newest marks goes on with no
				 * further step
				 */
				ask_to_stop(executor,
							reason == STOP_PAUSE &&
									executor->runs[i]->controls !=
										execution->controls ?
								STOP_YIELD :
								reason,
							executor->kind == RUN_START ? execution->id : 0);
	}
}

/*
 * Have the threads of an execution look at its row: those in executors give way
 * behind the step they are at, those that wait are loaded anew.
 */
void
pool_reload_execution(LiveExecution *execution)
{
	dlist_iter	each;

	execution->controls++;
	dlist_foreach(each, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, each.cur);

		for (int i = 0; executor->busy && i < executor->nruns; i++)
			if (executor->runs[i]->execution == execution)
				slot_request_stop(executor->slot, STOP_YIELD, 0);
	}
	ready_unpark_all(execution);
}

/* Interrupt the executors that work on children of a join, at any depth. */
void
pool_stop_join(LiveJoin *join)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		if (executor->busy && executor->kind != RUN_START &&
			join_is_under(executor->runs[0]->join, join))
			ask_to_stop(executor, STOP_SIBLING, 0);
	}
}

/* Have the executors that work on ranges of children begin no further one. */
void
pool_shorten_ranges(LiveJoin *join)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		if (executor->busy && executor->kind == RUN_CHILDREN &&
			executor->runs[0]->join == join)
			slot_request_yield(executor->slot);
	}
}

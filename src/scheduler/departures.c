/*-------------------------------------------------------------------------
 *
 * departures.c
 *	  Executors that leave: who is sent home.
 *
 * NOTES
 *	  Scheduler only.  An executor leaves when it is idle, so one that is busy
 *	  is asked to give way at the end of its step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/settings.h"
#include "shared/slots.h"

/* Have an executor leave as soon as it is idle. */
void
executor_let_go(PoolExecutor *executor, ExitReason reason)
{
	executor->leaving = true;
	if (executor->draining_since == 0)
		executor->draining_since = GetCurrentTimestamp();
	slot_request_exit(executor->slot, reason);
}

/*
 * The same, at the end of the step it does: before that shows, so that no other
 * begins then.
 */
static void
let_go_soon(PoolExecutor *executor, ExitReason reason)
{
	if (executor->busy && executor->stuck_at == 0)
	{
		executor->asked_to_yield = true;
		slot_request_yield(executor->slot);
	}
	executor_let_go(executor, reason);
}

/*
 * A session has asked the executor to leave.  One that is recycled is replaced
 * at once; and if it does not respond, it is given no more time to.
 */
void
executor_asked_to_leave(PoolExecutor *executor, const ExitRequest *request)
{
	if (executor->request.reason != EXIT_RECYCLE)
		executor->request = *request;
	slot_forget_request(executor->slot);
	let_go_soon(executor, request->reason);
	if (request->reason != EXIT_RECYCLE)
		return;
	pool_retire(executor);
	if (stuck_soon(executor))
		stuck_now(executor);
}

/* --- by themselves --- */

static TimestampTz
idle_until(const PoolExecutor *executor)
{
	if (!executor_is_idle(executor) || setting_executor_idle_timeout <= 0)
		return DT_NOEND;
	return TimestampTzPlusMilliseconds(executor->since,
									   setting_executor_idle_timeout);
}

static TimestampTz
young_until(const PoolExecutor *executor)
{
	if (executor->leaving || executor->starting ||
		setting_executor_max_age <= 0)
		return DT_NOEND;
	return TimestampTzPlusMilliseconds(executor->came_at,
									   (int64) setting_executor_max_age * 1000);
}

/* Who has had nothing to do for long, or has been here for long, goes home. */
void
dismiss_idle_and_old(TimestampTz now)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		if (idle_until(executor) < now)
			executor_let_go(executor, EXIT_IDLE);
		else if (young_until(executor) < now)
			let_go_soon(executor, EXIT_AGE);
	}
}

/* When the next one does; DT_NOEND: nobody. */
TimestampTz
departures_next(TimestampTz now pg_attribute_unused())
{
	TimestampTz next = DT_NOEND;
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		next = Min(next, Min(idle_until(executor), young_until(executor)));
	}
	return next;
}

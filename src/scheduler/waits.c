/*-------------------------------------------------------------------------
 *
 * waits.c
 *	  Threads that wait in a table, and executions that have nothing else: when
 *	  their time has come.
 *
 * NOTES
 *	  Scheduler only.  What it keeps of all that waits is one time: when the
 *	  next is due; of an execution that is in memory besides, how many children
 *	  of each join wait.
 *
 *	  A thread is woken by deleting its row.  If its execution runs and is in
 *	  memory, and its join has counted it, it is queued here; else whoever goes
 *	  on with the execution finds no row, and goes on with the thread as with
 *	  any other: of one that waits itself that is to be somebody soon, so it is
 *	  made pending, and from then on is what any execution in the queue is:
 *	  blocks, limits and the shares of roles apply to it.
 *
 *	  An execution that forks is woken one thread after the other; going on with
 *	  it from its rows costs more the more children it has.  So it stays in
 *	  memory as long as it has been idle for less than workflow.short_wait, and
 *	  is made waiting then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "definition/scope.h"
#include "scheduler/live.h"
#include "shared/clock.h"
#include "shared/settings.h"
#include "state/waits.h"

/*
 * Threads that are woken, or executions that are forgotten, in one transaction.
 */
#define WAITS_BATCH 1000

/*
 * By the server's clock, at first not known; what is due before is not looked
 * for.
 */
static TimestampTz next_due = DT_NOBEGIN;
static TimestampTz retry_at = DT_NOBEGIN;	/* by the steady one: not before */
static bool far = false;		/* the next look is at all that is due, not
								 * at the first of it */

/*
 * The server's clock is so much ahead of the steady one; that it was put back
 * is seen at the latest when it is looked at for what is due (appointment()).
 */
static TimestampTz clock_ahead = 0;
#define CLOCK_STEP USECS_PER_SEC
static bool put_back = false;	/* the waits behind this place are still to be
								 * looked through */
static int64 again_execution_id;
static char *again_thread;

/* Those that rest, the one that has for longest first. */
static dlist_head resting = DLIST_STATIC_INIT(resting);

/* It goes on, or is forgotten. */
static void
leave(LiveExecution *execution)
{
	if (execution->rests)
		dlist_delete(&execution->rest_node);
	execution->rests = false;
}

void
waits_expect(TimestampTz until)
{
	next_due = Min(next_due, until);
}

/* --- threads that are due --- */

/* A thread to be queued. */
typedef struct WokenThread
{
	LiveJoin   *join;
	ScopeId		scope;
} WokenThread;

/* The join that a thread is a child of; NULL: it is not in memory. */
static LiveJoin *
join_of_thread(LiveExecution *execution, const ScopeId *thread)
{
	const ScopeLevel *level = &thread->level[thread->depth - 1];
	dlist_iter	iter;

	dlist_foreach(iter, &execution->joins)
	{
		LiveJoin   *join = dlist_container(LiveJoin, node, iter.cur);

		if (join->container == level->node && join->visit == level->visit &&
			join->scope.depth == thread->depth - 1 &&
			memcmp(join->scope.level, thread->level,
				   join->scope.depth * sizeof(ScopeLevel)) == 0)
			return join;
	}
	return NULL;
}

/* Does an executor do it still?  It is about to report that it waits. */
static bool
is_being_done(const LiveJoin *join, int child)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);
		ReadyRun   *run;

		if (!executor->busy || executor->nruns == 0)
			continue;
		run = executor->runs[0];
		if (run->join == join &&
			(run->kind == RUN_CHILDREN ? child >= run->from && child < run->to :
			 run->scope.level[join->scope.depth].child == child))
			return true;
	}
	return false;
}

typedef enum DueFate
{
	DUE_OVER,					/* its row goes, and that is all */
	DUE_LOST,					/* the same; what it is of cannot go on */
	DUE_QUEUED,					/* its row goes, and it is queued */
	DUE_LATER					/* not now */
} DueFate;

/*
 * What becomes of a thread that is due.  In a transaction.  Its join does not
 * count it as waiting any more when it is to be queued.
 */
static DueFate
judge(const DueWait *wait, WokenThread *woken)
{
	LiveExecution *execution = live_find(wait->execution_id);
	const WorkflowPlan *plan;

	if (wait->lost || execution == NULL || execution->stopping != STOP_NONE)
		return DUE_OVER;
	plan = definition_plan_if_any(execution->definition_id);
	if (plan == NULL)
		return joins_wait(execution) ? DUE_LOST : DUE_OVER;
	if (!scope_parse(plan, wait->thread, &woken->scope) ||
		woken->scope.depth == 0)
		return DUE_OVER;
	woken->join = join_of_thread(execution, &woken->scope);
	if (woken->join == NULL || woken->join->cancelled)
		return DUE_OVER;
	if (is_being_done(woken->join,
					  woken->scope.level[woken->scope.depth - 1].child))
		return DUE_LATER;
	if (woken->join->waiting == 0)
		return DUE_OVER;
	woken->join->waiting--;
	return DUE_QUEUED;
}

static void
queue_thread(const WokenThread *woken)
{
	LiveExecution *execution = woken->join->execution;

	leave(execution);
	ready_resume(
		ready_add(execution, RUN_THREAD, woken->join, &woken->scope, -1, 0));
}

/*
 * The definition is lost: nobody can tell which of its joins the thread that
 * was due is of, and that would wait for it for ever.
 */
static void
give_up_lost(int64 id)
{
	LiveExecution *execution = live_find(id);

	if (execution != NULL && execution->stopping == STOP_NONE)
		execution_give_up(execution, "42704",
						  "the definition of the execution does not exist, or cannot be read",
						  "A part of it was to go on after a wait.", NULL);
}

static bool
has_lost_runs(LiveExecution *execution)
{
	return execution->lost > 0;
}

/* Wake what is due, a batch of it; how many executions are pending now. */
static int
wake_due(void)
{
	static QueueNews news;
	/* read when it has failed, too */
	static WokenThread woken[WAITS_BATCH];
	static int	nqueued;
	static int64 lost[WAITS_BATCH];
	TimestampTz next = DT_NOEND;
	TimestampTz to = DT_NOEND;
	bool		committed;
	int			nover = 0;
	int			nlost = 0;
	int			nidle = 0;
	int			nwoken = 0;

	queue_news_clear(&news);
	nqueued = 0;
	ATTEMPT(committed)
	{
		int64	   *unsettled = NULL;
		int			nunsettled = live_lost_runs > 0 ?
			live_select(has_lost_runs, &unsettled) :
			0;
		DueWait    *due;
		DueWait    *over;
		int			count;

		if (!far)
			to = waits_nth_due(WAITS_BATCH, next_due);
		count = waits_due(WAITS_BATCH, next_due, to, unsettled, nunsettled,
						  &due);
		over = palloc(Max(count, 1) * sizeof(DueWait));

		for (int i = 0; i < count; i++)
		{
			DueFate		fate = judge(&due[i], &woken[nqueued]);

			if (fate == DUE_QUEUED)
				nqueued++;
			else if (fate == DUE_LOST)
				lost[nlost++] = due[i].execution_id;
			if (fate != DUE_LATER)
				over[nover++] = due[i];
		}
		waits_over(over, nover);
		nwoken = executions_wake_due(WAITS_BATCH, next_due, to, &news, &nidle);
		next = waits_next_due(next_due);
	}
	ATTEMPT_END(committed, false);
	/* what somebody has locked may stand in front of the others */
	far = committed && to != DT_NOEND && nover + nidle < WAITS_BATCH / 2;
	/* what is due still, though nothing could be done, somebody has */
	if (!committed ||
		(nover + nidle == 0 && !far && next <= GetCurrentTimestamp()))
		retry_at = TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS);
	if (!committed)
	{
		for (int i = 0; i < nqueued; i++)
			woken[i].join->waiting++;
		return 0;
	}
	next_due = next;
	executions_queued(&news);
	for (int i = 0; i < nqueued; i++)
		queue_thread(&woken[i]);
	for (int i = 0; i < nlost; i++)
		give_up_lost(lost[i]);
	return nwoken;
}

/* --- executions that rest --- */

static bool
rests(LiveExecution *execution)
{
	return execution->running == 0 && dlist_is_empty(&execution->ready) &&
		execution->stopping == STOP_NONE && !execution->again &&
		!execution->in_epilogue && slist_is_empty(&execution->stuck) &&
		joins_wait(execution);
}

static void
rest(LiveExecution *execution, TimestampTz since)
{
	leave(execution);
	execution->rests = true;
	execution->rests_since = since;
	dlist_push_tail(&resting, &execution->rest_node);
}

void
waits_rest(LiveExecution *execution)
{
	if (rests(execution))
		rest(execution, steady_now());
}

/* When the one that has rested for longest has done so for long enough. */
static TimestampTz
next_rest(void)
{
	LiveExecution *execution;

	if (dlist_is_empty(&resting))
		return DT_NOEND;
	execution = dlist_head_element(LiveExecution, rest_node, &resting);
	return TimestampTzPlusMilliseconds(execution->rests_since,
									   setting_short_wait);
}

/* Forget those that have rested for long enough; how many. */
static int
forget_resting(void)
{
	int64		ids[WAITS_BATCH];
	int64		left[WAITS_BATCH];
	int			count = 0;
	int			nleft = 0;
	bool		committed;

	while (count < WAITS_BATCH && next_rest() <= steady_now())
	{
		LiveExecution *execution = dlist_head_element(LiveExecution, rest_node,
													  &resting);

		leave(execution);
		if (rests(execution))
			ids[count++] = execution->id;
	}
	if (count == 0)
		return 0;
	memcpy(left, ids, count * sizeof(int64));
	ATTEMPT(committed)
	{
		nleft = executions_rest(left, count);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		nleft = 0;
	for (int i = 0; i < nleft; i++)
		live_remove(live_find(left[i]));
	/* somebody has the others, or wants something of them */
	for (int i = 0; nleft < count && i < count; i++)
	{
		LiveExecution *execution = live_find(ids[i]);

		if (execution != NULL)
			rest(execution,
				 TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS));
	}
	return nleft;
}

/* --- a clock that is put back --- */

static void
again_from(int64 execution_id, char *thread)
{
	if (again_thread != NULL)
		pfree(again_thread);
	again_execution_id = execution_id;
	again_thread = thread;
}

/*
 * A wait of seconds does not become one of hours.  A batch of all that wait is
 * looked through.
 */
static void
begin_again(void)
{
	TimestampTz ahead = GetCurrentTimestamp() - steady_now();
	int64		execution_id;
	char	   *thread;
	bool		committed;
	bool		more = false;

	if (ahead < clock_ahead - CLOCK_STEP)
	{
		put_back = true;
		again_from(0, NULL);
	}
	clock_ahead = ahead;
	if (!put_back || retry_at > steady_now())
		return;
	ATTEMPT(committed)
	{
		execution_id = again_execution_id;
		thread = again_thread != NULL ? again_thread : "";
		more = waits_begin_again(WAITS_BATCH, &execution_id, &thread);
		thread = MemoryContextStrdup(live_context, thread);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
	{
		retry_at = TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS);
		return;
	}
	put_back = more;
	again_from(execution_id, thread);
	waits_expect(DT_NOBEGIN);
}

bool
waits_look(void)
{
	int			changed = forget_resting();

	begin_again();
	if (next_due <= GetCurrentTimestamp() && retry_at <= steady_now())
		changed += wake_due();
	return changed > 0;
}

TimestampTz
waits_next(void)
{
	return Min(put_back ? retry_at : Max(appointment(next_due), retry_at),
			   next_rest());
}

const LiveFollower waits_follower = {
	.leave = leave,
};

/*-------------------------------------------------------------------------
 *
 * joins.c
 *	  Containers whose children run in other processes: handing the children
 *	  out, counting them in.
 *
 * NOTES
 *	  Scheduler only.  Children go out in index ranges.  A range is a share of
 *	  what is left, so that it shrinks towards the end and all executors finish
 *	  about together.  When nothing is active and nothing is left to hand out, a
 *	  JOIN run closes the container and goes on with its thread.
 *
 *	  Whether the container succeeded is decided there, from the rows.  Here
 *	  only what must be known earlier is: when to hand out nothing further.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "scheduler/live.h"
#include "shared/fault.h"
#include "state/waits.h"

/* Largest range: what an executor that is stopped or lost has to give back. */
#define MAX_RANGE 1024

static void join_check(LiveJoin *join);

/* Its time is over. */
static void
join_overdue(Timer *timer)
{
	LiveJoin   *join = (LiveJoin *) ((char *) timer - offsetof(LiveJoin, timer));

	if (join->decided)
		return;
	join->decided = true;
	join_check(join);			/* it may be freed */
}

int
join_waiting_children(LiveJoin *join, int **children)
{
	WorkflowPlan *plan = definition_plan_if_any(join->execution->definition_id);
	int			depth = join->scope.depth + 1;
	char	   *from;
	char	   *to;
	char	  **threads;
	int			nthreads;
	int			count = 0;

	*children = NULL;
	/* where it is lost, whoever runs the thread fails */
	if (plan == NULL)
		return 0;
	scope_children_range(scope_path(plan, &join->scope),
						 &plan->nodes[join->container], join->visit, &from,
						 &to);
	threads = threads_waiting(join->execution->id, from, to, &nthreads);
	*children = palloc_extended(Max(nthreads, 1) * sizeof(int), MCXT_ALLOC_HUGE);
	for (int i = 0; i < nthreads; i++)
	{
		ScopeId		thread;

		/* those further in are children of children */
		if (scope_parse(plan, threads[i], &thread) && thread.depth == depth &&
			thread.level[depth - 1].child < join->counts.total)
			(*children)[count++] = thread.level[depth - 1].child;
	}
	return count;
}

/* The number of a child, by its rows; -1: there is no such. */
static int
child_number(const LiveJoin *join, const PlanNode *container,
			 const char *branch_name, int loop_iteration_index)
{
	int			child = step_iterates(container) ?
		loop_iteration_index :
		plan_find_line(container, branch_name);

	return child < join->counts.total ? child : -1;
}

/* What is known of a child when its container is found open. */
typedef enum FoundChild
{
	CHILD_LEFT = 0,				/* to be handed out */
	CHILD_BEGUN,				/* the same, and before others: only where they
								 * are limited */
	CHILD_OVER					/* it has ended, or waits */
} FoundChild;

/*
 * Read what has become of the children.  Adds those that have ended to *counts.
 * Returns how many wait.  In a transaction.
 */
static int
find_children(LiveJoin *join, FoundChild *found, JoinCounts *counts)
{
	WorkflowPlan *plan = definition_plan_if_any(join->execution->definition_id);
	PlanNode   *container;
	StepRecord *records;
	int		   *waiting;
	char	   *from;
	char	   *to;
	int			count;
	int			nwaiting = 0;

	if (plan == NULL)
		return 0;
	container = &plan->nodes[join->container];
	scope_children_range(scope_path(plan, &join->scope), container,
						 join->visit, &from, &to);
	if (join->max_parallelism > 0)
	{
		BegunChild *begun = step_begun_children(join->execution->id, from, to,
												container->id, &count);

		for (int i = 0; i < count; i++)
		{
			int			child = child_number(join, container,
											 begun[i].branch_name,
											 begun[i].loop_iteration_index);

			if (child >= 0)
				found[child] = CHILD_BEGUN;
		}
	}
	records = step_children(join->execution->id, from, to, container->id, false,
							&count);
	for (int i = 0; i < count; i++)
	{
		int			child = child_number(join, container,
										 records[i].branch_name,
										 records[i].loop_iteration_index);

		if (child < 0 || found[child] == CHILD_OVER)
			continue;
		found[child] = CHILD_OVER;
		step_count_child(counts, records[i].scope_outcome);
	}
	count = join_waiting_children(join, &waiting);
	for (int i = 0; i < count; i++)
	{
		if (found[waiting[i]] == CHILD_OVER)
			continue;
		found[waiting[i]] = CHILD_OVER;
		nwaiting++;
	}
	return nwaiting;
}

/*
 * Children are to be handed out.  One that has begun is a range of its own: it
 * has a place of its own among those that may be under way.
 */
static void
put_back_found(LiveJoin *join, const FoundChild *found)
{
	int			end = -1;

	/* the last ranges first, so that the first come first */
	for (int child = join->counts.total - 1; child >= -1; child--)
	{
		bool		left = (child >= 0 && found[child] == CHILD_LEFT);

		if (left && end < 0)
			end = child + 1;
		else if (!left && end >= 0)
		{
			join_put_back(join, child + 1, end, false);
			end = -1;
		}
	}
	for (int child = join->counts.total - 1; child >= 0; child--)
		if (found[child] == CHILD_BEGUN)
			join_put_back(join, child, child + 1, false);
}

/*
 * Children that have ended already, or wait, for a container found open when
 * its thread was resumed: count them, and leave only the others to be handed
 * out.  Of a limited number that may be under way those that are come first:
 * else more would be, and these might never be any more.  False: the rows
 * cannot be had now.
 */
static bool
recover_children(LiveJoin *join)
{
	FoundChild *found = MemoryContextAllocZero(
		live_context, Max(join->counts.total, 1) * sizeof(FoundChild));
	JoinCounts	counts = join->counts;
	int			nwaiting = 0;
	bool		committed;

	ATTEMPT(committed)
	{
		nwaiting = find_children(join, found, &counts);
	}
	ATTEMPT_END(committed, false);
	if (committed)
	{
		join->counts = counts;
		join->active = join->waiting = nwaiting;
		put_back_found(join, found);
	}
	pfree(found);
	return committed;
}

/*
 * The thread of an execution stands at a container that forks.  False: what has
 * become of its children cannot be read now; nothing has happened.
 */
bool
join_create(LiveExecution *execution, LiveJoin *parent, const ForkReport *fork)
{
	LiveJoin   *join = MemoryContextAllocZero(live_context, sizeof(LiveJoin));

	join->execution = execution;
	join->parent = parent;
	join->scope = fork->scope;
	join->container = fork->node;
	join->visit = fork->visit;
	join->rule = fork->rule;
	join->counts.total = fork->total;
	join->max_parallelism = fork->max_parallelism;
	join->priority = fork->priority;
	join->deadline = fork->deadline;
	dlist_init(&join->ranges);
	if (!fork->recovered)
		join_put_back(join, 0, join->counts.total, true);
	else if (!recover_children(join))
	{
		pfree(join);
		return false;
	}
	dlist_push_tail(&execution->joins, &join->node);
	fault_point("join.created");
	if (join->deadline != DT_NOEND)
		timer_set(&join->timer, CLOCK_SERVER, join->deadline, join_overdue);
	join_check(join);
	return true;
}

void
join_free(LiveJoin *join)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &join->ranges)
		pfree(dlist_container(ChildRange, node, iter.cur));
	timer_unset(&join->timer);
	dlist_delete(&join->node);
	pfree(join);
}

/* Children to be handed out (again). */
void
join_put_back(LiveJoin *join, int from, int to, bool fresh)
{
	ChildRange *range;

	if (from >= to)
		return;
	range = MemoryContextAlloc(live_context, sizeof(ChildRange));
	range->from = from;
	range->to = to;
	range->fresh = fresh;
	dlist_push_head(&join->ranges, &range->node);
}

static int
children_left(LiveJoin *join)
{
	int			left = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &join->ranges)
	{
		ChildRange *range = dlist_container(ChildRange, node, iter.cur);

		left += range->to - range->from;
	}
	return left;
}

/* Nothing of them has begun, and nothing is to any more. */
static void
drop_fresh_ranges(LiveJoin *join)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &join->ranges)
	{
		ChildRange *range = dlist_container(ChildRange, node, iter.cur);

		if (!range->fresh)
			continue;
		dlist_delete(&range->node);
		pfree(range);
	}
}

/*
 * Make ranges ready, as many as may run at once.  A child that is parked or
 * waits takes no executor from the others, but it is one of the definition's
 * max_parallelism.
 */
void
join_hand_out(LiveJoin *join)
{
	int			limit = pool_limit();
	int			at_once = join->max_parallelism > 0 ?
		Min(join->max_parallelism, limit) :
		limit;
	int			left;

	if ((join->decided && !(join->begins_no_more && !join->cancelled)) ||
		join->execution->stopping != STOP_NONE)
		return;
	if (join->begins_no_more)
		drop_fresh_ranges(join);
	if (join->max_parallelism > limit)
		at_once = join->max_parallelism;	/* parked children count too */
	left = children_left(join);
	while (
		join->active -
				(join->max_parallelism > 0 ? 0 : join->parked + join->waiting) <
			at_once &&
		!dlist_is_empty(&join->ranges))
	{
		ChildRange *range = dlist_head_element(ChildRange, node, &join->ranges);
		int			size =
			Max(1, Min(MAX_RANGE, left / (2 * Max(1, Min(at_once, limit)))));
		ReadyRun   *run = ready_add(join->execution, RUN_CHILDREN, join,
									&join->scope, join->container, join->visit);

		run->from = range->from;
		run->to = Min(range->to, range->from + size);
		run->fresh = range->fresh;
		run->only_begun = join->begins_no_more;
		left -= run->to - run->from;
		range->from = run->to;
		if (range->from >= range->to)
		{
			dlist_delete(&range->node);
			pfree(range);
		}
		join->active++;
	}
}

/*
 * The join is decided and the rest of its children not wanted: drop what waits,
 * stop what runs.  Joins inside the children are abandoned with them; those
 * that have nothing running are gone at once, the others when the last run
 * under them has reported.
 */
static void
cancel_children(LiveJoin *join)
{
	LiveExecution *execution = join->execution;
	dlist_mutable_iter iter;
	bool		again = true;

	dlist_foreach_modify(iter, &execution->ready)
	{
		ReadyRun   *run = dlist_container(ReadyRun, node, iter.cur);

		if (!join_is_under(run->join, join))
			continue;
		run->join->active--;
		ready_abandon(run);
	}
	dlist_foreach_modify(iter, &execution->joins)
	{
		LiveJoin   *inner = dlist_container(LiveJoin, node, iter.cur);

		if (!join_is_under(inner, join))
			continue;
		inner->decided = true;
		inner->cancelled = true;
		inner->abandoned = (inner != join);
		/* their rows go when the container is closed */
		inner->active -= inner->waiting;
		inner->waiting = 0;
	}
	while (again)
	{
		again = false;
		dlist_foreach_modify(iter, &execution->joins)
		{
			LiveJoin   *inner = dlist_container(LiveJoin, node, iter.cur);

			if (!inner->abandoned || inner->active > 0 ||
				!join_is_under(inner, join))
				continue;
			inner->parent->active--;
			inner->parent->counts.failed++;
			join_free(inner);
			again = true;
			break;
		}
	}
	pool_stop_join(join);
}

/*
 * No further child is to begin; those that have begun go on.  Ranges that wait
 * are dropped, those that run end with the child they are at.  In ranges that
 * were recovered some may have begun: who does them finds out which.
 */
static void
begin_no_more(LiveJoin *join)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &join->execution->ready)
	{
		ReadyRun   *run = dlist_container(ReadyRun, node, iter.cur);

		if (run->kind != RUN_CHILDREN || run->join != join)
			continue;
		run->only_begun = true;
		if (!run->fresh)
			continue;
		join->active--;
		ready_discard(run);
	}
	join->begins_no_more = true;
	pool_shorten_ranges(join);
}

/*
 * Decide what can be decided, and close the join when nothing is active any
 * more.  May free the join.
 */
static void
join_check(LiveJoin *join)
{
	if (!join->decided)
	{
		JoinCourse	course = join_course(&join->rule, &join->counts);

		/*
		 * where its time is over, running children have the deadline themselves
		 */
		join->decided = course != JOIN_GOES_ON ||
			(join->deadline != DT_NOEND &&
			 GetCurrentTimestamp() >= join->deadline);
		if (course == JOIN_BEGINS_NO_MORE)
			begin_no_more(join);
		else if (course == JOIN_CANCELS)
			cancel_children(join);
	}
	join_hand_out(join);
	if (join->active == 0 && (join->decided || dlist_is_empty(&join->ranges)) &&
		join->execution->stopping == STOP_NONE)
	{
		if (join->abandoned)
		{
			LiveJoin   *parent = join->parent;

			join_free(join);
			join_child_ended(parent, 0, 1, 0);
			join_range_ended(parent);
			return;
		}
		fault_point("join.complete");
		ready_add(join->execution, RUN_JOIN, join->parent, &join->scope,
				  join->container, join->visit);
		join_free(join);
	}
}

/* Children have ended; their range may go on. */
void
join_child_ended(LiveJoin *join, int completed, int failed, int skipped)
{
	join->counts.completed += completed;
	join->counts.failed += failed;
	join->counts.skipped += skipped;
}

bool
joins_wait(LiveExecution *execution)
{
	dlist_iter	iter;

	dlist_foreach(iter, &execution->joins)
		if (dlist_container(LiveJoin, node, iter.cur)->waiting > 0)
			return true;
	return false;
}

void
join_child_waits(LiveJoin *join)
{
	join->waiting++;
	join_hand_out(join);
}

/* A range, or a child that was parked, is over.  May free the join. */
void
join_range_ended(LiveJoin *join)
{
	join->active--;
	join_check(join);
}

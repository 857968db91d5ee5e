/*-------------------------------------------------------------------------
 *
 * reports.c
 *	  What the report of an executor means for the execution it is about.
 *
 * NOTES
 *	  Scheduler only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "definition/scope.h"
#include "scheduler/live.h"
#include "shared/black_box.h"
#include "shared/clock.h"

/*
 * The thread of a scope goes on from its rows later: when it is its turn again,
 * or, parked, not before a time.
 */
static void
requeue_thread(LiveExecution *execution, LiveJoin *join, const ScopeId *scope,
			   const Report *report, int controls)
{
	ReadyRun   *run =
		ready_add(execution, execution->in_epilogue ? RUN_EPILOGUE : RUN_THREAD,
				  join, scope, -1, 0);

	ready_resume(run);
	/* what it waits for may be as it was before */
	if (report->outcome == OUTCOME_PARKED && controls == execution->controls)
		ready_park(run, steady_time(report->park_until));
}

/*
 * The thread of a scope stands at a container that forks.  When that cannot be
 * gone on with, the thread finds the container again, a little later.
 */
static void
container_forked(LiveExecution *execution, LiveJoin *parent,
				 const ScopeId *scope, const ForkReport *fork)
{
	ReadyRun   *run;

	if (join_create(execution, parent, fork))
		return;
	run = ready_add(execution, RUN_THREAD, parent, scope, -1, 0);
	ready_resume(run);
	ready_park(run,
			   TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS));
}

/*
 * Its execution was paused before the run could begin, and we have not heard of
 * that yet, since somebody keeps the row, say.  It is to be done as it was, a
 * little later.
 */
static bool
waits_for_pause(ReadyRun *run, const Report *report)
{
	LiveExecution *execution = run->execution;

	if (!report->paused || execution->stopping != STOP_NONE ||
		(run->join != NULL && run->join->cancelled))
		return false;
	ready_enqueue(run);
	/* what it was told of meanwhile may be the end of the pause */
	if (run->controls == execution->controls)
		ready_park(run,
				   TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS));
	return true;
}

static bool
goes_on_later(const Report *report)
{
	return report->outcome == OUTCOME_YIELDED ||
		report->outcome == OUTCOME_PARKED;
}

/* Report of a run of fresh executions. */
static void
executions_reported(PoolExecutor *executor, const Report *report)
{
	ScopeId		root = {0};

	for (int i = 0; i < executor->nruns; i++)
	{
		ReadyRun   *run = executor->runs[i];
		LiveExecution *execution = run->execution;
		bool		last = (i == report->handled - 1);
		int			controls = run->controls;

		black_box_handles(execution->id);
		execution->running--;
		if (i >= report->handled)
		{
			/* not begun: given back */
			if (execution->stopping != STOP_NONE)
			{
				pfree(run);
				finalise_if_drained(execution);
			}
			else
				ready_enqueue(run);
			continue;
		}
		if (last && waits_for_pause(run, report))
			continue;
		pfree(run);
		if (!last || report->outcome == OUTCOME_DONE)
			execution_over(execution);
		else if (execution->stopping != STOP_NONE)
			finalise_if_drained(execution);
		else if (last && report->outcome == OUTCOME_EPILOGUE)
			execution_stop(execution, STOP_ENDED);
		else if (last && report->outcome == OUTCOME_FORK)
			container_forked(execution, NULL, &root, &report->fork);
		else if (last && goes_on_later(report))
			requeue_thread(execution, NULL, &root, report, controls);
		else
			execution_over(execution);
	}
}

/* Report of a range of children. */
static void
children_reported(ReadyRun *run, const Report *report)
{
	LiveJoin   *join = run->join;
	LiveExecution *execution = run->execution;
	int			next = run->from + report->handled;
	ScopeId		child;

	join_child_ended(join, report->counts.completed, report->counts.failed,
					 report->counts.skipped);
	if (join->cancelled)
	{
		join_range_ended(join);
		return;
	}
	switch (report->outcome)
	{
		case OUTCOME_FORK:
			/*
			 * child number next is parked: the join's range is now that child
			 */
			join_put_back(join, next + 1, run->to, run->fresh);
			child = scope_child(&run->scope, run->container, run->visit, next);
			container_forked(execution, join, &child, &report->fork);
			join_hand_out(join);
			return;
		case OUTCOME_PARKED:
			/* so is a child that waits */
			join_put_back(join, next + 1, run->to, run->fresh);
			child = scope_child(&run->scope, run->container, run->visit, next);
			requeue_thread(execution, join, &child, report, run->controls);
			join_hand_out(join);
			return;
		case OUTCOME_WAITING:
			join_put_back(join, next + 1, run->to, run->fresh);
			join_child_waits(join);
			return;
		case OUTCOME_YIELDED:
			join_put_back(join, next + 1, run->to, run->fresh);
			if (join->decided && report->in_child)
			{
				/* nothing further begins, but what has begun goes on */
				child = scope_child(&run->scope, run->container, run->visit,
									next);
				requeue_thread(execution, join, &child, report, run->controls);
				join_hand_out(join);
				return;
			}
			join_put_back(join, next, Min(next + 1, run->to), false);
			break;
		default:
			/* one has failed, and others may have begun before */
			if (!run->fresh)
				join_put_back(join, next, run->to, false);
			break;
	}
	join_range_ended(join);
}

/* Report of a thread that was resumed or went on behind a join. */
static void
thread_reported(ReadyRun *run, const Report *report)
{
	LiveJoin   *parent = run->join;
	LiveExecution *execution = run->execution;

	if (parent != NULL && parent->cancelled)
	{
		join_child_ended(parent, 0, 1, 0);
		join_range_ended(parent);
		return;
	}
	switch (report->outcome)
	{
		case OUTCOME_FORK:
			container_forked(execution, parent, &run->scope, &report->fork);
			return;
		case OUTCOME_YIELDED:
		case OUTCOME_PARKED:
			requeue_thread(execution, parent, &run->scope, report,
						   run->controls);
			if (parent != NULL)
				join_hand_out(parent);
			return;
		case OUTCOME_WAITING:
			if (parent == NULL)
				break;			/* and the execution with it */
			join_child_waits(parent);
			return;
		default:
			break;
	}
	if (parent == NULL)
		execution_over(execution);
	else
	{
		join_child_ended(parent,
						 !report->scope_failed && !report->scope_skipped ? 1 :
																		   0,
						 report->scope_failed ? 1 : 0,
						 report->scope_skipped ? 1 : 0);
		join_range_ended(parent);
	}
}

/*
 * Has something been done that was not done before?  Finding an open container
 * again is nothing.
 */
static bool
made_progress(const Report *report)
{
	if (report->outcome == OUTCOME_FORK)
		return report->handled > 0 || !report->fork.recovered;
	if (report->outcome == OUTCOME_YIELDED)
		return report->progressed;
	return report->outcome == OUTCOME_DONE ||
		report->outcome == OUTCOME_EPILOGUE;
}

/*
 * Of a run of fresh executions one is in trouble: those before the first one
 * that shares its transaction are over, those behind it not begun.  It is left
 * in the executor, and behind it those it shared with.
 */
void
settle_others(PoolExecutor *executor, int first, int trouble,
			  const Report *report)
{
	ReadyRun   *left[RUN_MAX_EXECUTIONS];
	int			nleft = trouble - first + 1;
	Report		others = *report;

	left[0] = executor->runs[trouble];
	memcpy(&left[1], &executor->runs[first], (nleft - 1) * sizeof(ReadyRun *));
	executor->nruns -= nleft;
	memmove(&executor->runs[first], &executor->runs[trouble + 1],
			(executor->nruns - first) * sizeof(ReadyRun *));
	others.outcome = OUTCOME_DONE;
	others.handled = first;
	executions_reported(executor, &others);
	memcpy(executor->runs, left, nleft * sizeof(ReadyRun *));
	executor->nruns = nleft;
}

/*
 * Who paused and resumed it, before we have looked, may have woken a thread
 * that had not told of its wait yet: it goes on from its rows, when it is
 * claimed if it was not yet.
 */
static bool
begins_anew(LiveExecution *execution)
{
	if (execution->stopping != STOP_NONE || !joins_wait(execution))
		return false;
	if (execution->again)
		execution_restart(execution, &execution->next);
	else if (execution->resumed)
	{
		execution->controls++;
		execution_stop(execution, STOP_PAUSE);
	}
	else
		return false;
	return true;
}

/*
 * What a report means.  The executor is idle again.
 */
void
run_reported(PoolExecutor *executor, const Report *report)
{
	ReadyRun   *run = executor->runs[0];
	LiveExecution *execution = run->execution;
	int64		id = execution->id;

	if (report->outcome == OUTCOME_WAITING)
		waits_expect(report->park_until);
	if (report->outcome == OUTCOME_ERROR || report->outcome == OUTCOME_LOST)
	{
		if (executor->kind == RUN_START)
		{
			int			trouble = Max(report->handled - 1, 0);

			settle_others(executor, trouble, trouble, report);
		}
		if (report->outcome == OUTCOME_LOST)
			run_lost(executor, "another process has recorded its step",
					 report->fenced);
		else
			run_lost(executor, report->error, !report->weather);
		return;
	}
	if (executor->kind == RUN_START)
	{
		executions_reported(executor, report);
		black_box_handles(0);
		return;
	}

	black_box_handles(execution->id);
	execution->running--;
	if (made_progress(report))
	{
		execution->suspect = false;
		execution->setbacks = 0;
	}
	if (waits_for_pause(run, report))
	{
		black_box_handles(0);
		return;
	}
	if (report->outcome == OUTCOME_EPILOGUE && execution->stopping == STOP_NONE)
		execution_stop(execution, STOP_ENDED);
	else if (report->execution_ended && report->outcome != OUTCOME_EPILOGUE)
		execution_over(execution);
	else if (execution->stopping != STOP_NONE)
		finalise_if_drained(execution);
	else if (executor->kind == RUN_CHILDREN)
		children_reported(run, report);
	else
		thread_reported(run, report);
	pfree(run);
	execution = live_find(id);
	if (execution != NULL && !begins_anew(execution))
		waits_rest(execution);
	black_box_handles(0);
}

/*-------------------------------------------------------------------------
 *
 * recovery.c
 *	  Executions whose process died, found running at the start or lost since.
 *
 * NOTES
 *	  Scheduler only.  What was not committed did not happen: a run is done
 *	  again from the rows, and counted, so that what kills its process again and
 *	  again ends (docs/architecture/recovery.md).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "interpreter/frontier_rows.h"
#include "scheduler/live.h"
#include "shared/black_box.h"
#include "shared/clock.h"
#include "shared/databases.h"
#include "shared/fault.h"
#include "shared/identity.h"
#include "shared/settings.h"
#include "shared/worker.h"
#include "state/owners.h"
#include "state/steer.h"

/*
 * The step of the top level that an execution stood at, by its rows.  NULL: its
 * epilogue was run, or it was at its end.
 */
static const char *
step_stood_at(const LiveExecution *execution)
{
	const WorkflowPlan *plan = definition_plan_if_any(execution->definition_id);
	const PlanNode *node;

	if (execution->in_epilogue || plan == NULL)
		return NULL;
	node = execution_stands_at(execution->id, plan);
	return node != NULL ? node->id : NULL;
}

/* Fail an execution that has been interrupted too often. */
static void
give_up_crash_loop(LiveExecution *execution, const char *detail)
{
	const char *step_id = NULL;
	bool		committed;

	ATTEMPT(committed)
	{
		step_id = step_stood_at(execution);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		step_id = NULL;
	execution_give_up(execution, "CrashLoop",
					  "the execution was recovered too often without progress",
					  detail, step_id);
}

/*
 * A recovery has been counted: go on from the rows, or give up.
 */
static void
recover(const ClaimedExecution *claimed)
{
	LiveExecution *execution = live_find(claimed->id);
	ScopeId		root = {0};

	if (claimed->cancelling)
	{
		if (execution == NULL)
			execution_settle_end(claimed->id);
		return;
	}
	if (execution == NULL)
		execution = live_add(claimed);
	execution->suspect = (claimed->recoveries >= 2);
	if (claimed->recoveries >= setting_max_recoveries)
	{
		give_up_crash_loop(execution,
						   psprintf("It was interrupted %d times at the same step; see the server log. "
									"The limit is workflow.max_recoveries.", claimed->recoveries));
		return;
	}
	if (claimed->in_epilogue)
		execution_settle_end(claimed->id);
	else
		ready_add(execution, RUN_THREAD, NULL, &root, -1, 0);
}

/*
 * Why executions are recovered when the scheduler begins, in their histories.
 */
static const char *
why_all(bool crashed)
{
	return crashed ? "the server or the scheduler had crashed" :
					 "the server or the scheduler was restarted";
}

/* An execution whose row was locked when all were recovered. */
typedef struct LeftOver
{
	bool		counted;
	const char *why;
} LeftOver;

/* Recover an execution whose row was locked before; false: it is still. */
static bool
recover_later(int64 id, void *argument)
{
	LeftOver   *left_over = argument;
	ClaimedExecution *recovered = NULL;
	int64	   *ids;
	int			count = 0;
	bool		locked = true;
	bool		committed;

	ATTEMPT(committed)
	{
		count = executions_recover(id, left_over->counted, NULL, left_over->why,
								   &recovered);
		locked = (count == 0 && executions_recoverable(id, &ids) > 0);
		count_at_commit(COUNT_RECOVERED, count);
	}
	ATTEMPT_END(committed, true);
	if (!committed || locked)
		return false;
	pfree(left_over);
	/* it may have been paused, resumed and claimed meanwhile, or wait */
	if (count > 0 && live_find(id) == NULL)
		recover(recovered);
	else if (count == 0)
		waits_expect(DT_NOBEGIN);
	return true;
}

static int
compare_ids(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return left < right ? -1 : left > right ? 1 : 0;
}

/* Is it counted, as far as is known? */
static bool
is_accused(const Accused *accused, int64 id)
{
	for (int i = 0; i < accused->count; i++)
		if (accused->ids[i] == id)
			return !accused->all_but;
	return accused->all_but;
}

void
recover_all(const DatabaseEntry *database)
{
	bool		counted = !database->orderly_end;
	Accused		accused = {0};
	bool		known = counted && database->blame_known;
	ClaimedExecution *recovered = NULL;
	int64	   *ids = NULL;
	int64	   *done;
	int			count = 0;
	int			nids = 0;
	int			left = 0;
	bool		committed;

	if (known)
		black_box_accused(database->database, &accused.all_but, &accused.ids,
						  &accused.count);
	for (;;)
	{
		ATTEMPT(committed)
		{
			step_close_abandoned();
			count = executions_recover(0, counted, known ? &accused : NULL,
									   why_all(counted), &recovered);
			nids = executions_recoverable(0, &ids);
			count_at_commit(COUNT_RECOVERED, count);
			if (count > 0)
				fault_point("recovery.all");
		}
		ATTEMPT_END(committed, true);
		if (committed)
			break;
		worker_sleep(SKIPPED_RETRY_MS, wait_event_scheduler());
	}
	if (count > 0)
		fault_point("recovery.committed");
	done = palloc_extended(Max(count, 1) * sizeof(int64), MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
		done[i] = recovered[i].id;
	qsort(done, count, sizeof(int64), compare_ids);
	for (int i = 0; i < count; i++)
		recover(&recovered[i]);
	for (int i = 0; i < nids; i++)
	{
		LeftOver   *left_over;

		if (bsearch(&ids[i], done, count, sizeof(int64), compare_ids) != NULL)
			continue;
		left_over = MemoryContextAlloc(live_context, sizeof(LeftOver));
		left_over->counted = counted &&
			(!known || is_accused(&accused, ids[i]));
		left_over->why = why_all(counted);
		postpone(recover_later, ids[i], left_over);
		left++;
	}
	if (count > 0)
		ereport(LOG,
				(errmsg_plural("recovered %d running workflow execution",
							   "recovered %d running workflow executions",
							   count, count)));
	if (left > 0)
		ereport(LOG,
				(errmsg_plural("%d running workflow execution is recovered when its row is no longer locked",
							   "%d running workflow executions are recovered when their rows are no longer locked",
							   left, left)));
}

/*
 * A run that was lost, in live_context; it counts as running until that is in
 * its row.
 */
typedef struct LostRun
{
	ReadyRun   *run;
	bool		counted;
	char		why[256];
} LostRun;

/*
 * Each time so many starts of executors in a row have failed, it is told.  Not
 * only the first time: that may be long ago, where others of the role have gone
 * on with what there was.
 */
#define TOLD_FAILED_STARTS 5

/* The delay before a run is done again that nobody is to blame for, ms. */
#define FIRST_SETBACK_MS 100
#define LAST_SETBACK_MS 10000

/* Nobody's fault: again, later each time until something gets done. */
static void
run_again_later(ReadyRun *run, const char *why)
{
	LiveExecution *execution = run->execution;
	int			delay = Min(FIRST_SETBACK_MS << Min(execution->setbacks, 10),
					LAST_SETBACK_MS);

	execution->setbacks++;
	database_show_again(my_database_entry, why);
	if (execution->setbacks == 1 || delay == LAST_SETBACK_MS)
		ereport(LOG,
				(errmsg("run of workflow execution " INT64_FORMAT " is done again: %s", execution->id, why),
				 errdetail("This does not count as a recovery.")));
	ready_enqueue(run);
	ready_park(run, TimestampTzPlusMilliseconds(steady_now(), delay));
}

/*
 * Children of a lost run that had come to a wait before it was lost: they are
 * not done again.  Nothing else may be left of it: true, and it is freed.
 */
static bool
leave_waiting(ReadyRun *run, const int *children, int count)
{
	LiveJoin   *join = run->join;
	bool	   *waits;
	int			from = run->from;
	int			to = run->to;
	int			gap = run->from;
	bool		taken = false;	/* what is in front of the first is the run's */

	if (run->kind != RUN_CHILDREN)
	{
		int			child = run->scope.level[join->scope.depth].child;

		for (int i = 0; i < count; i++)
			if (children[i] == child)
			{
				run_abandon(run);
				join_child_waits(join);
				return true;
			}
		return false;
	}
	waits = MemoryContextAllocZero(live_context,
								   Max(to - from, 1) * sizeof(bool));
	for (int i = 0; i < count; i++)
		if (children[i] >= from && children[i] < to)
			waits[children[i] - from] = true;
	for (int child = from; child <= to; child++)
	{
		if (child < to && !waits[child - from])
			continue;
		if (child < to)
		{
			join->active++;
			join->waiting++;
		}
		/* what is behind has to wait for a place: theirs are taken */
		if (gap == from && child > from)
		{
			run->to = child;
			taken = true;
		}
		else
			join_put_back(join, gap, child, false);
		gap = child + 1;
	}
	pfree(waits);
	if (taken)
		return false;
	run_abandon(run);
	join_range_ended(join);
	return true;
}

/* The children of its join that wait; false: that cannot be read now. */
static bool
read_waiting(ReadyRun *run, int **children, int *count)
{
	bool		committed;

	*count = 0;
	if (run->join == NULL || run->join->cancelled)
		return true;
	ATTEMPT(committed)
	{
		*count = join_waiting_children(run->join, children);
	}
	ATTEMPT_END(committed, false);
	return committed;
}

/* Do a lost run again; false: its execution's row cannot be had. */
static bool
run_again(int64 id, void *argument)
{
	LostRun    *lost = argument;
	ReadyRun   *run = lost->run;
	LiveExecution *execution = run->execution;
	ClaimedExecution *recovered = NULL;
	int64	   *ids;
	char	   *reason = NULL;
	bool		paused = false;
	bool		locked = true;
	bool		committed;
	int			count = 0;
	int		   *waiting = NULL;
	int			nwaiting = 0;

	/* it may have written down until when a thread waits */
	waits_expect(DT_NOBEGIN);
	if (execution->stopping != STOP_NONE)
	{
		execution->running--;
		live_run_settled(execution);
		run_abandon(run);
		pfree(lost);
		finalise_if_drained(execution);
		return true;
	}
	if (!read_waiting(run, &waiting, &nwaiting))
		return false;
	if (run->join != NULL && run->join->decided)
	{
		LiveJoin   *join = run->join;

		/* it was being stopped, or would not be begun again */
		execution->running--;
		live_run_settled(execution);
		pfree(lost);
		if (nwaiting == 0 || !leave_waiting(run, waiting, nwaiting))
		{
			run_abandon(run);
			join_child_ended(join, 0, 1, 0);
			join_range_ended(join);
		}
		execution = live_find(id);
		if (execution != NULL)
			waits_rest(execution);
		return true;
	}

	ATTEMPT(committed)
	{
		reason = execution_cannot_run(id, execution->role);
		count = executions_recover(id, lost->counted, NULL, lost->why,
								   &recovered);
		locked = (count == 0 && executions_recoverable(id, &ids) > 0);
		count_at_commit(COUNT_RECOVERED, count);
		paused = (count == 0 && execution_is_paused(id));
		fault_point("recovery.run");
	}
	ATTEMPT_END(committed, true);
	if (!committed || locked)
		return false;

	execution->running--;
	live_run_settled(execution);
	/* what is gone on with now is what was claimed meanwhile */
	if (count > 0)
		execution->again = false;
	if (count > 0 && !recovered->cancelling &&
		(recovered->role != execution->role ||
		 (run->kind == RUN_EPILOGUE && !recovered->in_epilogue)))
	{
		/*
		 * it was given to another role, or retried: what follows is not what
		 * this run was about
		 */
		run_abandon(run);
		execution_restart(execution, recovered);
	}
	else if (count == 0)
	{
		/*
		 * it had ended, or was paused, or waits: its rows say where it stands
		 */
		run_abandon(run);
		if (paused)
			execution_stop(execution, STOP_PAUSE);
		else
			execution_over(execution);
	}
	else if (reason != NULL)
	{
		run_abandon(run);
		give_up_for_role(execution, reason);
	}
	else if (recovered->cancelling ||
			 (recovered->in_epilogue && run->kind != RUN_EPILOGUE))
	{
		run_abandon(run);
		execution_stop(execution,
					   recovered->cancelling ? STOP_CANCEL : STOP_ENDED);
	}
	else if (nwaiting > 0 && leave_waiting(run, waiting, nwaiting))
	{
		execution = live_find(id);
		if (execution != NULL)
			waits_rest(execution);
	}
	else if (!lost->counted)
	{
		ready_resume(run);
		run_again_later(run, lost->why);
	}
	else
	{
		ereport(LOG,
				(errmsg("run of workflow execution " INT64_FORMAT " was lost: %s", id, lost->why),
				 errdetail("Recovery %d without progress of at most %d.",
						   recovered->recoveries, setting_max_recoveries - 1)));
		if (recovered->recoveries >= setting_max_recoveries)
		{
			run_abandon(run);
			give_up_crash_loop(execution,
							   psprintf("The last time: %s.", lost->why));
		}
		else
		{
			execution->suspect = (recovered->recoveries >= 2);
			ready_resume(run);
			ready_enqueue(run);
		}
	}
	pfree(lost);
	return true;
}

/*
 * A run was lost: its executor died, or could not go on.  What it did not
 * commit did not happen.  The run is done again from the rows.
 */
void
run_lost(PoolExecutor *executor, const char *why, bool counted)
{
	for (int i = 0; i < executor->nruns; i++)
	{
		LostRun    *lost = MemoryContextAlloc(live_context, sizeof(LostRun));
		int64		id = executor->runs[i]->execution->id;

		live_run_lost(executor->runs[i]->execution);
		lost->run = executor->runs[i];
		lost->counted = counted;
		strlcpy(lost->why, why, sizeof(lost->why));
		if (!run_again(id, lost))
			postpone(run_again, id, lost);
	}
	executor->nruns = 0;
}

/*
 * An executor of this role ended before it was idle.  Where the role may not
 * connect, what is its own fails; anything else (no connection left in the
 * database, say, no memory, no file) is nobody's fault, and passes: it is tried
 * again.
 */
void
role_failed(Oid role)
{
	RoleQueue  *queue = role_queue(role);
	char	   *reason = NULL;
	char	   *name = NULL;
	ReadyRun   *run;
	MemoryContext outer = CurrentMemoryContext;
	bool		committed;

	ATTEMPT(committed)
	{
		run = ready_first(queue);
		reason = run != NULL ? execution_cannot_run(run->execution->id, role) :
							   role_cannot_run(role);
		if (reason != NULL)
			reason = MemoryContextStrdup(outer, reason);
		else
			name = MemoryContextStrdup(outer, GetUserNameFromId(role, false));
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		return;					/* the next start that fails asks again */
	if (reason == NULL)
	{
		database_show_again(my_database_entry,
							psprintf("executors of role \"%s\" end before they begin to work",
									 name));
		if (queue->failed_starts % TOLD_FAILED_STARTS == 0)
			ereport(LOG,
					(errmsg("executors of role \"%s\" have ended %d times in a row "
							"before they began to work",
							name, queue->failed_starts),
					 errdetail("They are started again until one of them works.")));
		return;
	}

	while ((run = ready_first(queue)) != NULL)
		give_up_for_role(run->execution, reason);
	queue->failed_starts = 0;
	queue->retry_at = 0;
}

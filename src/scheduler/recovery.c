/*-------------------------------------------------------------------------
 *
 * recovery.c
 *	  Executions whose process died, found running at the start or lost since.
 *
 * NOTES
 *	  Scheduler only.  What was not committed did not happen: a run is done again
 *	  from the rows, and counted, so that what kills its process again and again
 *	  ends (docs/architecture.md section 7).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "interpreter/evaluate.h"
#include "scheduler/live.h"
#include "shared/identity.h"
#include "shared/settings.h"
#include "shared/worker.h"
#include "state/steer.h"
#include "state/steps.h"

/*
 * The step of the top level that an execution stood at, by its rows: the open
 * container, or what follows the step that ended last.  NULL: they do not tell,
 * since a catch or a switch has led elsewhere, or its epilogue was run.
 */
static const char *
step_stood_at(const LiveExecution *execution)
{
	const WorkflowPlan *plan = definition_plan(execution->definition_id);
	const StepRecord *last;
	const PlanNode *node;

	if (execution->in_epilogue)
		return NULL;
	last = step_newest_of_scope(execution->id, "");
	if (last == NULL)
		return plan->nodes[plan->start].id;
	node = plan_find(plan, last->step_id);
	if (node == NULL)
		return NULL;
	if (last->status == STATUS_RUNNING || last->retry_at != 0)
		return node->id;
	if (last->status != STATUS_COMPLETED && last->status != STATUS_SKIPPED)
		return NULL;
	for (int i = 0; i < node->nlines; i++)
		if (node->lines[i].jump >= 0)
			return NULL;
	return node->next >= 0 ? plan->nodes[node->next].id : NULL;
}

/* Fail an execution that has been interrupted too often. */
static void
give_up_crash_loop(LiveExecution *execution, const char *detail)
{
	const char *step_id;

	scheduler_begin();
	step_id = step_stood_at(execution);
	scheduler_commit(false);
	execution_give_up(execution, "CrashLoop", "the execution was recovered too often without progress",
					  detail, step_id);
}

/*
 * A recovery has been counted: go on from the rows, or give up.
 */
void
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

void
recover_all(bool counted)
{
	ClaimedExecution *recovered;
	int			count;

	scheduler_begin();
	step_close_abandoned();
	count = executions_recover(0, counted, &recovered);
	count_at_commit(COUNT_RECOVERED, count);
	scheduler_commit(true);
	for (int i = 0; i < count; i++)
		recover(&recovered[i]);
	if (count > 0)
		ereport(LOG,
				(errmsg_plural("recovered %d running workflow execution",
							   "recovered %d running workflow executions",
							   count, count)));
}

/*
 * A run was lost: its executor died, or could not go on.  What it did not commit
 * did not happen.  The run is done again from the rows, and counted.
 */
void
run_lost(PoolExecutor *executor, const char *why)
{
	for (int i = 0; i < executor->nruns; i++)
	{
		ReadyRun   *run = executor->runs[i];
		LiveExecution *execution = run->execution;
		ClaimedExecution *recovered;
		char	   *reason;
		bool		paused;
		int			count;

		execution->running--;
		if (execution->stopping != STOP_NONE)
		{
			pfree(run);
			finalise_if_drained(execution);
			continue;
		}
		if (run->join != NULL && run->join->decided)
		{
			/* it was being stopped, or would not be begun again */
			join_child_ended(run->join, 0, 1, 0);
			join_range_ended(run->join);
			pfree(run);
			continue;
		}

		scheduler_begin();
		reason = role_cannot_run(execution->role);
		count = executions_recover(execution->id, true, &recovered);
		count_at_commit(COUNT_RECOVERED, count);
		paused = (count == 0 && execution_is_paused(execution->id));
		scheduler_commit(true);
		if (reason != NULL)
		{
			pfree(run);
			give_up_for_role(execution, reason);
			continue;
		}
		if (count == 0)
		{
			/* it had ended, or was paused: its rows say where it stands */
			pfree(run);
			if (paused)
				execution_stop(execution, STOP_PAUSE);
			else
				execution_over(execution);
			continue;
		}
		ereport(LOG,
				(errmsg("run of workflow execution " INT64_FORMAT " was lost: %s",
						execution->id, why),
				 errdetail("Recovery %d without progress of at most %d.",
						   recovered->recoveries, setting_max_recoveries - 1)));
		if (recovered->cancelling || (recovered->in_epilogue && run->kind != RUN_EPILOGUE))
		{
			pfree(run);
			execution_stop(execution, recovered->cancelling ? STOP_CANCEL : STOP_ENDED);
			continue;
		}
		if (recovered->recoveries >= setting_max_recoveries)
		{
			pfree(run);
			give_up_crash_loop(execution, psprintf("The last time: %s.", why));
			continue;
		}
		execution->suspect = (recovered->recoveries >= 2);
		ready_resume(run);
		ready_enqueue(run);
	}
	executor->nruns = 0;
}

/*
 * No executor can run as this role.  why NULL: find out, and do nothing when
 * there is no reason to be found.
 */
void
role_failed(Oid role, const char *why)
{
	RoleQueue  *queue = role_queue(role);
	char	   *reason;
	ReadyRun   *run;
	MemoryContext outer = CurrentMemoryContext;

	scheduler_begin();
	reason = role_cannot_run(role);
	if (reason != NULL)
		reason = MemoryContextStrdup(outer, reason);
	scheduler_commit(false);
	if (reason == NULL)
		reason = unconstify(char *, why);
	if (reason == NULL)
		return;

	while ((run = ready_first(queue)) != NULL)
		give_up_for_role(run->execution, reason);
	queue->failed_starts = 0;
	queue->retry_at = 0;
}

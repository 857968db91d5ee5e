/*-------------------------------------------------------------------------
 *
 * endings.c
 *	  How executions end: by themselves, or because somebody ends them.
 *
 * NOTES
 *	  Scheduler only.  Who ends an execution from outside marks it as stopping, drops
 *	  its ready runs and interrupts what runs; when the last run has reported, the
 *	  end is written in a transaction of the scheduler, or the execution's epilogue
 *	  is begun (execution_settle_end()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "interpreter/thread.h"
#include "scheduler/live.h"
#include "state/epilogue.h"

/* An error of an execution that no step has raised. */
Jsonb *
execution_error(const char *type, const char *message, const char *detail)
{
	StepError	error = {.type = type,.message = message,.detail = detail};

	return step_error_jsonb(&error, NULL, NULL);
}

/* Write the failure of an execution that the scheduler decided: it has no epilogue. */
static void
write_failure(int64 id, const char *error_type, Jsonb *error)
{
	scheduler_begin();
	step_close_open(id, STATUS_CANCELLED);
	execution_finalise(id, "failed", error, error_type);
	scheduler_commit(true);
	broadcast_finished(id);
}

/*
 * It was claimed again, resumed say, while runs of the time before were on their
 * way out.  They are gone: it goes on from its rows.
 */
static void
begin_again(LiveExecution *execution)
{
	dlist_mutable_iter iter;
	ScopeId		root = {0};

	execution->again = false;
	execution->stopping = STOP_NONE;
	dlist_foreach_modify(iter, &execution->joins)
		join_free(dlist_container(LiveJoin, node, iter.cur));
	ready_add(execution, RUN_THREAD, NULL, &root, -1, 0);
}

/*
 * Nothing of an execution that is to end runs: its row says whether its epilogue is
 * to be run now, or that it is over.  It need not be in memory.
 */
void
execution_settle_end(int64 id)
{
	LiveExecution *execution = live_find(id);
	ClaimedExecution claimed;
	ScopeId		root = {0};
	bool		epilogue;

	scheduler_begin();
	epilogue = execution_settle(id, &claimed);
	scheduler_commit(true);
	if (!epilogue)
	{
		if (execution != NULL)
			live_remove(execution);
		else
			admission_schedule_has_room();
		broadcast_finished(id);
		return;
	}
	if (execution != NULL)
		live_clear(execution);
	else
		execution = live_add(&claimed);
	execution->stopping = STOP_NONE;
	execution->in_epilogue = true;
	ready_add(execution, RUN_EPILOGUE, NULL, &root, -1, 0);
}

/* Has somebody still to record that an attempt of a paused execution got stuck? */
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
 * Nothing of a stopped execution runs any more: end it, or, if it is paused, forget
 * it until it is claimed again.
 */
void
finalise_if_drained(LiveExecution *execution)
{
	if (execution->stopping == STOP_NONE || execution->running > 0 || waits_for_stuck(execution))
		return;
	if (execution->again)
		begin_again(execution);
	else if (execution->stopping == STOP_PAUSE)
		live_remove(execution);
	else
		execution_settle_end(execution->id);
}

/*
 * End an execution from outside: drop what waits, interrupt what runs; when all
 * have reported, it is finalised.
 */
void
execution_stop(LiveExecution *execution, StopReason reason)
{
	dlist_mutable_iter iter;

	if (execution->stopping != STOP_NONE && execution->stopping != STOP_PAUSE)
		return;
	execution->stopping = reason;
	if (reason == STOP_PAUSE)
		execution->again = false;	/* the claim was before the pause */
	dlist_foreach_modify(iter, &execution->ready)
	{
		ReadyRun   *run = dlist_container(ReadyRun, node, iter.cur);

		if (run->stuck != NULL && reason == STOP_PAUSE)
			continue;			/* recorded, then paused */
		if (run->stuck != NULL)
			stuck_record(execution, run->stuck);
		ready_discard(run);
	}
	pool_stop_execution(execution, reason);
	finalise_if_drained(execution);
}

/* The execution has been ended by an executor. */
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

/* Fail an execution that cannot go on; step_id: of the top level, where it stood, or NULL. */
void
execution_give_up(LiveExecution *execution, const char *error_type, const char *message,
				  const char *detail, const char *step_id)
{
	int64		id = execution->id;
	StepError	reason = {.type = error_type,.message = message,.detail = detail};
	Jsonb	   *error = step_error_jsonb(&reason, step_id, step_id != NULL ? "" : NULL);

	dlist_mutable_iter iter;

	execution->stopping = STOP_ENDED;
	dlist_foreach_modify(iter, &execution->ready)
		ready_discard(dlist_container(ReadyRun, node, iter.cur));
	/* first, or the interrupted thread of the root would end it as cancelled */
	write_failure(id, error_type, error);
	pool_stop_execution(execution, STOP_ENDED);
	if (execution->running == 0)
		live_remove(execution);
}

/* The time of an execution is over, and no executor was to be had to see that. */
void
execution_overdue(LiveExecution *execution)
{
	int64		id = execution->id;
	Jsonb	   *error = execution_error("Timeout", "the execution did not end in time",
										"No executor was to be had for it when its time was over.");

	const WorkflowPlan *plan;

	Assert(execution->running == 0);
	scheduler_begin();
	plan = definition_plan(execution->definition_id);
	if (plan->on_failure >= 0 || plan->ncompensations > 0)
	{
		/* waits for an executor, without a deadline */
		execution_decide_idle(id, "timed_out", error, "Timeout");
		scheduler_commit(true);
		execution_settle_end(id);
		return;
	}
	step_close_open(id, STATUS_TIMED_OUT);
	execution_finalise(id, "timed_out", error, "Timeout");
	scheduler_commit(true);
	live_remove(execution);
	broadcast_finished(id);
}

/* Give up because nobody can run as its role. */
void
give_up_for_role(LiveExecution *execution, const char *reason)
{
	execution_give_up(execution, "RoleCannotRun", reason,
					  "No executor can connect as the role that started the execution; see the server log.", NULL);
}

/*-------------------------------------------------------------------------
 *
 * endings.c
 *	  How executions end: by themselves, or because somebody ends them.
 *
 * NOTES
 *	  Scheduler only.  Who ends an execution from outside marks it as stopping, drops
 *	  its ready runs and interrupts what runs; when the last run has reported, the
 *	  end is written in a transaction of the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "interpreter/thread.h"
#include "scheduler/live.h"

/* An error of an execution that no step has raised. */
Jsonb *
execution_error(const char *type, const char *message, const char *detail)
{
	StepError	error = {.type = type,.message = message,.detail = detail};

	return step_error_jsonb(&error, NULL, NULL);
}

/* Write the end of an execution that the scheduler decided. */
void
write_end(int64 id, StopReason reason, const char *error_type, Jsonb *error)
{
	scheduler_begin();
	if (error_type != NULL)
	{
		step_close_open(id, STATUS_CANCELLED);
		execution_finalise(id, "failed", error, error_type);
	}
	else
	{
		step_close_open(id, STATUS_CANCELLED);
		if (reason == STOP_CANCEL)
			execution_finalise(id, "cancelled", NULL, "Cancelled");
	}
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
 * Nothing of a stopped execution runs any more: end it, or, if it is paused, forget
 * it until it is claimed again.
 */
void
finalise_if_drained(LiveExecution *execution)
{
	int64		id = execution->id;
	StopReason	reason = execution->stopping;

	if (reason == STOP_NONE || execution->running > 0)
		return;
	if (execution->again)
	{
		begin_again(execution);
		return;
	}
	live_remove(execution);
	if (reason != STOP_PAUSE)
		write_end(id, reason, NULL, NULL);
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
		ready_discard(dlist_container(ReadyRun, node, iter.cur));
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

/* Fail an execution that cannot go on. */
void
execution_give_up(LiveExecution *execution, const char *error_type, const char *message,
				  const char *detail)
{
	int64		id = execution->id;
	Jsonb	   *error = execution_error(error_type, message, detail);

	dlist_mutable_iter iter;

	execution->stopping = STOP_ENDED;
	dlist_foreach_modify(iter, &execution->ready)
		ready_discard(dlist_container(ReadyRun, node, iter.cur));
	/* first, or the interrupted thread of the root would end it as cancelled */
	write_end(id, STOP_ENDED, error_type, error);
	pool_stop_execution(execution, STOP_ENDED);
	if (execution->running == 0)
		live_remove(execution);
}

/* The same, because nobody can run as its role. */
void
give_up_for_role(LiveExecution *execution, const char *reason)
{
	execution_give_up(execution, "RoleCannotRun", reason,
					  "No executor can connect as the role that started the execution; see the server log.");
}

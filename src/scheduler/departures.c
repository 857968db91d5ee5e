/*-------------------------------------------------------------------------
 *
 * departures.c
 *	  Executors that leave: who is sent home, and what is told of them.
 *
 * NOTES
 *	  Scheduler only.  An executor leaves when it is idle, so one that is busy is asked
 *	  to give way at the end of its step.  An entry in workflow.executor_history is
 *	  written when it has gone, or when it gets stuck; the commit does not wait for
 *	  the disk, but for stuck ones, which are counted against their workflow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "definition/scope.h"
#include "scheduler/live.h"
#include "shared/clock.h"
#include "shared/settings.h"
#include "shared/slots.h"
#include "state/announce.h"
#include "state/history.h"

/* Remember what the slot says of its executor: it will have been cleared when that is gone. */
void
executor_note(PoolExecutor *executor, const SlotView *view)
{
	if (!view->last_words)
		return;
	if (view->pid != 0)
		executor->pid = view->pid;
	executor->started_at = view->attached_at;
	executor->runs_done = view->runs_done;
	executor->steps_done = view->steps_done;
	executor->peak_memory = view->peak_memory;
	executor->exit_reason = view->exit_reason;
}

/* Have an executor leave as soon as it is idle. */
void
executor_let_go(PoolExecutor *executor, ExitReason reason)
{
	executor->leaving = true;
	if (executor->draining_since == 0)
		executor->draining_since = GetCurrentTimestamp();
	slot_request_exit(executor->slot, reason);
}

/* The same, at the end of the step it does: before that shows, so that no other begins then. */
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
 * A session has asked the executor to leave.  One that is recycled is replaced at
 * once; and if it does not respond, it is given no more time to.
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
	return TimestampTzPlusMilliseconds(executor->since, setting_executor_idle_timeout);
}

static TimestampTz
young_until(const PoolExecutor *executor)
{
	if (executor->leaving || executor->starting || setting_executor_max_age <= 0)
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

/* --- history --- */

static const char *
reason_name(const PoolExecutor *executor)
{
	ExitReason	reason = executor->request.reason != EXIT_NONE
		? executor->request.reason : executor->exit_reason;

	if (executor->stuck_at != 0)
		return "stuck";
	switch (reason)
	{
		case EXIT_NONE:
			break;
		case EXIT_IDLE:
			return "idle";
		case EXIT_RUNS:
			return "runs";
		case EXIT_MEMORY:
			return "memory";
		case EXIT_ROLE:
			return "role";
		case EXIT_AGE:
			return "age";
		case EXIT_DRAIN:
			return "drain";
		case EXIT_RECYCLE:
			return "recycle";
		case EXIT_ROOM:
			return "room";
	}
	return "died";
}

static void
fill_record(const PoolExecutor *executor, ExecutorRecord *record)
{
	memset(record, 0, sizeof(ExecutorRecord));
	record->pid = executor->pid;
	record->role = executor->role;
	record->started_at = executor->started_at;
	record->reason = reason_name(executor);
	record->runs = executor->runs_done;
	record->steps = executor->steps_done;
	record->peak_memory = executor->peak_memory;
	record->requested_by = executor->request.requested_by;
	if (executor->request.text[0] != '\0')
		record->request_reason = executor->request.text;
	record->draining_since = executor->request.reason != EXIT_NONE
		? executor->request.requested_at : executor->draining_since;
}

/* What is to be told of an executor that is gone, in live_context. */
typedef struct Departure
{
	int64		history_id;
	ExecutorRecord record;
	char		text[sizeof(((ExitRequest *) NULL)->text)];
} Departure;

static bool
tell_departure(int64 pid pg_attribute_unused(), void *argument)
{
	Departure  *departure = argument;
	bool		committed;

	ATTEMPT(committed)
	{
		if (departure->history_id != 0)
			executor_history_end(departure->history_id);
		else
			(void) executor_history_insert(&departure->record);
		announce_executor(departure->record.pid, departure->record.role, "ended", departure->record.reason);
	}
	ATTEMPT_END(committed, false);
	if (committed)
		pfree(departure);
	return committed;
}

/* An executor is gone; those that never came are not told of. */
void
executor_departed(PoolExecutor *executor)
{
	Departure  *departure;

	if (executor->starting || executor->pid == 0)
		return;
	departure = MemoryContextAlloc(live_context, sizeof(Departure));
	departure->history_id = executor->history_id;
	fill_record(executor, &departure->record);
	departure->record.ended_at = GetCurrentTimestamp();
	if (departure->record.request_reason != NULL)
	{
		strlcpy(departure->text, departure->record.request_reason, sizeof(departure->text));
		departure->record.request_reason = departure->text;
	}
	if (!tell_departure(executor->pid, departure))
		postpone(tell_departure, executor->pid, departure);
}

/* An executor has got stuck with what the progress says. */
void
history_of_stuck(PoolExecutor *executor, const Progress *progress)
{
	ExecutorRecord record;
	const StuckAttempt *stuck = executor->stuck;
	int64		history_id = 0;
	bool		committed;

	fill_record(executor, &record);
	record.stuck_at = clock_time(executor->stuck_at);
	record.execution_id = progress->execution_id;
	record.workflow = progress->workflow;
	record.scope = progress->scope;
	record.step_id = progress->step_id;
	record.visit = progress->visit;
	record.attempt = progress->attempt;
	ATTEMPT(committed)
	{
		if (stuck != NULL)
		{
			/* names of any length */
			WorkflowPlan *plan = definition_plan(progress->definition_id);

			record.scope = scope_path(plan, &stuck->scope);
			record.step_id = plan->nodes[stuck->node].id;
			record.elapsed_ms = stuck->elapsed_ms;
		}
		history_id = executor_history_insert(&record);
		admission_stuck(progress->execution_id);
		announce_executor(record.pid, record.role, "stuck", NULL);
	}
	ATTEMPT_END(committed, true);
	/* or it is told of when it has gone */
	if (committed)
		executor->history_id = history_id;
}

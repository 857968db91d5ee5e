/*-------------------------------------------------------------------------
 *
 * executor_history.c
 *	  What is told of executors that have gone, or got stuck.
 *
 * NOTES
 *	  Scheduler only.  An entry in workflow.executor_history is written when one
 *	  has gone, or when it gets stuck; the commit does not wait for the disk,
 *	  but for stuck ones, which are counted against their workflow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/acl.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "scheduler/live.h"
#include "shared/clock.h"
#include "shared/role_value.h"
#include "shared/settings.h"
#include "shared/wake.h"
#include "state/announce.h"
#include "state/blocks.h"
#include "state/history.h"

/*
 * Remember what the slot says of its executor: it will have been cleared when
 * that is gone.
 */
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
		announce_executor(departure->record.pid, departure->record.role,
						  "ended", departure->record.reason);
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
		strlcpy(departure->text, departure->record.request_reason,
				sizeof(departure->text));
		departure->record.request_reason = departure->text;
	}
	if (!tell_departure(executor->pid, departure))
		postpone(tell_departure, executor->pid, departure);
}

/*
 * One more attempt of the execution got stuck: block its workflow if it runs
 * away.  In a transaction.
 */
static void
block_runaway(int64 execution_id)
{
	LiveExecution *execution = live_find(execution_id);
	const char *workflow;
	Oid			role;
	Definition	definition;
	WorkflowBlock block;
	TimestampTz since =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									(int64) setting_stuck_window * -1000);
	int64		count;
	char	   *reason;

	if (setting_stuck_threshold == 0 || execution == NULL)
		return;
	workflow = admission_workflow(execution);
	role = execution->role;
	count = executor_history_count_stuck(workflow, role,
										 Max(since,
											 block_last_lifted(workflow)));
	if (count < setting_stuck_threshold || block_find(workflow, role, &block))
		return;
	/*
	 * whoever has the rights of the owner may block it for all, others only for
	 * themselves
	 */
	if (definition_find(workflow, 0, &definition) &&
		has_privs_of_role(role, definition.owner))
		role = InvalidOid;
	reason = psprintf("%lld attempts got stuck within %d seconds",
					  (long long) count, setting_stuck_window);
	if (!block_insert(workflow, role, reason, InvalidOid, count))
		return;
	wake_at_commit(WAKE_ADMISSION); /* ourselves */
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 OidIsValid(role) ?
			 errmsg("workflow \"%s\" is blocked for role \"%s\": %s", workflow,
					role_shown_name(role), reason) :
			 errmsg("workflow \"%s\" is blocked: %s", workflow, reason),
			 errhint("workflow.unblock() lets it be started again. The settings are \"%s\" and \"%s\".",
					 "workflow.stuck_threshold", "workflow.stuck_window")));
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
			WorkflowPlan *plan = definition_plan_if_any(
				progress->definition_id);

			if (plan != NULL)
			{
				record.scope = scope_path(plan, &stuck->scope);
				record.step_id = plan->nodes[stuck->node].id;
			}
			record.elapsed_ms = stuck->elapsed_ms;
		}
		history_id = executor_history_insert(&record);
		block_runaway(progress->execution_id);
		announce_executor(record.pid, record.role, "stuck", NULL);
	}
	ATTEMPT_END(committed, true);
	/* or it is told of when it has gone */
	if (committed)
		executor->history_id = history_id;
}

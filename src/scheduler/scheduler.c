/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  Scheduler process: one per database, the only one that decides what runs.
 *
 * NOTES
 *	  A single-threaded loop around a latch.  Its memory (live.h) is rebuilt from
 *	  the tables when it starts; it runs no SQL of users.  Its transactions are
 *	  short, hold no lock while it sleeps, and commit without waiting for the disk
 *	  where losing the commit would lose nothing: a claim, for one, comes before
 *	  every row written under it.
 *
 *	  An error ends the process; the launcher starts another one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "interpreter/evaluate.h"
#include "interpreter/scope.h"
#include "interpreter/thread.h"
#include "scheduler/live.h"
#include "shared/identity.h"
#include "shared/settings.h"
#include "shared/slots.h"
#include "shared/worker.h"

/*
 * A claim skips rows that somebody has locked, to cancel them mostly.  If that is
 * rolled back nobody wakes us, so we look again after this time, ms.
 */
#define SKIPPED_RETRY_MS 200

/*
 * For so long after its start the scheduler waits for the disk before it hands out
 * what it has claimed, ms.  Later a claim may be lost, with all that was done under
 * it; but an execution that takes the server down before its claim is safe must not
 * do so again and again without being counted.
 */
#define DURABLE_CLAIMS_MS 10000

static DatabaseEntry *database = NULL;
static MemoryContext loop_context = NULL;
static bool look_for_pending = true;
static TimestampTz next_start_at = DT_NOEND;
static TimestampTz durable_claims_until;
static TimestampTz next_unpark_at = DT_NOEND;

/* --- transactions --- */

void
scheduler_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(loop_context);
}

/* durable: wait for the disk. */
void
scheduler_commit(bool durable)
{
	int			saved_synchronous_commit = synchronous_commit;

	PopActiveSnapshot();
	if (!durable)
		synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	CommitTransactionCommand();
	synchronous_commit = saved_synchronous_commit;
	MemoryContextSwitchTo(loop_context);
	pgstat_report_stat(false);
}

/* --- the end of executions --- */

/* An error of an execution that no step has raised. */
static Jsonb *
execution_error(const char *type, const char *message, const char *detail)
{
	StepError	error = {.type = type,.message = message,.detail = detail};

	return step_error_jsonb(&error, NULL, NULL);
}

/* Write the end of an execution that the scheduler decided. */
static void
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

/* Nothing of a stopped execution runs any more: end it. */
static void
finalise_if_drained(LiveExecution *execution)
{
	int64		id = execution->id;
	StopReason	reason = execution->stopping;

	if (reason == STOP_NONE || execution->running > 0)
		return;
	live_remove(execution);
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

	if (execution->stopping != STOP_NONE)
		return;
	execution->stopping = reason;
	dlist_foreach_modify(iter, &execution->ready)
		ready_discard(dlist_container(ReadyRun, node, iter.cur));
	pool_stop_execution(execution, reason);
	finalise_if_drained(execution);
}

/* The execution has been ended by an executor. */
static void
execution_over(LiveExecution *execution)
{
	if (execution->stopping != STOP_NONE)
		finalise_if_drained(execution);
	else if (execution->running > 0 || !dlist_is_empty(&execution->joins))
		execution_stop(execution, STOP_ENDED);
	else
		live_remove(execution);
}

/* Fail an execution that cannot go on. */
static void
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
static void
give_up_for_role(LiveExecution *execution, const char *reason)
{
	execution_give_up(execution, "RoleCannotRun", reason,
					  "No executor can connect as the role that started the execution; see the server log.");
}

/* --- recovery --- */

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
			write_end(claimed->id, STOP_CANCEL, NULL, NULL);
		return;
	}
	if (execution == NULL)
		execution = live_add(claimed);
	execution->suspect = (claimed->recoveries >= 2);
	if (claimed->recoveries >= setting_max_recoveries)
	{
		execution_give_up(execution, "CrashLoop",
						  "the execution was recovered too often without progress",
						  psprintf("It was interrupted %d times at the same step; see the server log. "
								   "The limit is workflow.max_recoveries.", claimed->recoveries));
		return;
	}
	ready_add(execution, RUN_THREAD, NULL, &root, -1, 0);
}

static void
recover_all(void)
{
	ClaimedExecution *recovered;
	int			count;

	scheduler_begin();
	step_close_abandoned();
	count = executions_recover(0, !database->orderly_end, &recovered);
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
		scheduler_commit(true);
		if (reason != NULL)
		{
			pfree(run);
			give_up_for_role(execution, reason);
			continue;
		}
		if (count == 0)
		{
			/* it had ended */
			pfree(run);
			execution_over(execution);
			continue;
		}
		ereport(LOG,
				(errmsg("run of workflow execution " INT64_FORMAT " was lost: %s",
						execution->id, why),
				 errdetail("Recovery %d without progress of at most %d.",
						   recovered->recoveries, setting_max_recoveries - 1)));
		if (recovered->cancelling)
		{
			pfree(run);
			execution_stop(execution, STOP_CANCEL);
			continue;
		}
		if (recovered->recoveries >= setting_max_recoveries)
		{
			pfree(run);
			execution_give_up(execution, "CrashLoop",
							  "the execution was recovered too often without progress",
							  psprintf("The last time: %s.", why));
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

	scheduler_begin();
	reason = role_cannot_run(role);
	if (reason != NULL)
		reason = MemoryContextStrdup(loop_context, reason);
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

/* --- reports --- */

/*
 * The thread of a scope goes on from its rows later: when it is its turn again,
 * or, parked, not before a time.
 */
static void
requeue_thread(LiveExecution *execution, LiveJoin *join, const ScopeId *scope,
			   const Report *report)
{
	ReadyRun   *run = ready_add(execution, RUN_THREAD, join, scope, -1, 0);

	ready_resume(run);
	if (report->outcome == OUTCOME_PARKED)
		ready_park(run, report->park_until);
}

static bool
goes_on_later(const Report *report)
{
	return report->outcome == OUTCOME_YIELDED || report->outcome == OUTCOME_PARKED;
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
		pfree(run);
		if (execution->stopping != STOP_NONE)
			finalise_if_drained(execution);
		else if (last && report->outcome == OUTCOME_FORK)
			join_create(execution, NULL, &report->fork);
		else if (last && goes_on_later(report))
			requeue_thread(execution, NULL, &root, report);
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

	join_child_ended(join, report->completed, report->failed, report->skipped);
	if (join->cancelled)
	{
		join_range_ended(join);
		return;
	}
	switch (report->outcome)
	{
		case OUTCOME_FORK:
			/* child number next is parked: the join's range is now that child */
			join_put_back(join, next + 1, run->to, run->fresh);
			join_create(execution, join, &report->fork);
			join_hand_out(join);
			return;
		case OUTCOME_PARKED:
			/* so is a child that waits */
			join_put_back(join, next + 1, run->to, run->fresh);
			child = scope_child(&run->scope, run->container, run->visit, next);
			requeue_thread(execution, join, &child, report);
			join_hand_out(join);
			return;
		case OUTCOME_YIELDED:
			join_put_back(join, next + 1, run->to, run->fresh);
			if (join->decided && report->in_child)
			{
				/* nothing further begins, but what has begun goes on */
				child = scope_child(&run->scope, run->container, run->visit, next);
				requeue_thread(execution, join, &child, report);
				return;
			}
			join_put_back(join, next, Min(next + 1, run->to), false);
			break;
		default:
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
			join_create(execution, parent, &report->fork);
			return;
		case OUTCOME_YIELDED:
		case OUTCOME_PARKED:
			requeue_thread(execution, parent, &run->scope, report);
			return;
		default:
			break;
	}
	if (parent == NULL)
		execution_over(execution);
	else
	{
		join_child_ended(parent, !report->scope_failed && !report->scope_skipped ? 1 : 0,
						 report->scope_failed ? 1 : 0, report->scope_skipped ? 1 : 0);
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
	return report->outcome == OUTCOME_DONE || report->outcome == OUTCOME_YIELDED;
}

/*
 * What a report means.  The executor is idle again.
 */
void
run_reported(PoolExecutor *executor, const Report *report)
{
	ReadyRun   *run = executor->runs[0];
	LiveExecution *execution = run->execution;

	if (report->outcome == OUTCOME_ERROR || report->outcome == OUTCOME_LOST)
	{
		if (executor->kind == RUN_START)
		{
			/* those before the one in trouble are over, those behind it not begun */
			int			trouble = Max(report->handled - 1, 0);
			Report		others = *report;

			run = executor->runs[trouble];
			executor->nruns--;
			memmove(&executor->runs[trouble], &executor->runs[trouble + 1],
					(executor->nruns - trouble) * sizeof(ReadyRun *));
			others.outcome = OUTCOME_DONE;
			others.handled = trouble;
			executions_reported(executor, &others);
			executor->runs[0] = run;
			executor->nruns = 1;
		}
		run_lost(executor, report->outcome == OUTCOME_LOST
				 ? "another process has recorded its step" : report->error);
		return;
	}
	if (executor->kind == RUN_START)
	{
		executions_reported(executor, report);
		return;
	}

	execution->running--;
	if (made_progress(report))
		execution->suspect = false;
	if (execution->stopping != STOP_NONE)
		finalise_if_drained(execution);
	else if (report->execution_ended)
		execution_over(execution);
	else if (executor->kind == RUN_CHILDREN)
		children_reported(run, report);
	else
		thread_reported(run, report);
	pfree(run);
}

/* --- work --- */

/* Executions that sessions want cancelled. */
static void
look_for_cancels(void)
{
	int64	   *ids;
	int			count;

	scheduler_begin();
	count = executions_cancelling(&ids);
	scheduler_commit(false);
	for (int i = 0; i < count; i++)
	{
		LiveExecution *execution = live_find(ids[i]);

		if (execution != NULL)
			execution_stop(execution, STOP_CANCEL);
		else
			write_end(ids[i], STOP_CANCEL, NULL, NULL);
	}
}

/*
 * Claim pending executions, as many as will soon find an executor.  Roles change
 * after start(): those that cannot connect any more are not given to an executor
 * that connected in time.
 */
static void
look_for_work(void)
{
	int			window = pool_limit() * RUN_MAX_EXECUTIONS;
	int			wanted = window - ready_total();
	ClaimedExecution *claimed;
	char	  **reasons;
	int			count;

	if (!look_for_pending || !setting_enabled || wanted < window / 2)
		return;
	scheduler_begin();
	count = executions_claim(wanted, &claimed);
	reasons = palloc(Max(count, 1) * sizeof(char *));
	for (int i = 0; i < count; i++)
		reasons[i] = i > 0 && claimed[i].role == claimed[i - 1].role
			? reasons[i - 1] : role_cannot_run(claimed[i].role);
	next_start_at = executions_next_start();
	look_for_pending = (count >= wanted);
	if (!look_for_pending && executions_pending_left())
		next_start_at = Min(next_start_at,
							TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SKIPPED_RETRY_MS));
	scheduler_commit(count > 0 && GetCurrentTimestamp() < durable_claims_until);
	for (int i = 0; i < count; i++)
	{
		LiveExecution *execution = live_add(&claimed[i]);

		if (execution == NULL)
			continue;
		if (reasons[i] != NULL)
			give_up_for_role(execution, reasons[i]);
		else
			ready_add(execution, RUN_START, NULL, NULL, -1, 0);
	}
}

/* How long to sleep when nobody wakes us; -1: for ever. */
static long
next_timeout(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = Min(next_unpark_at, joins_next_deadline(now));
	long		timeout = pool_next_timeout(now);

	if (setting_enabled)
		next = Min(next, next_start_at);
	if (next != DT_NOEND)
	{
		long		until = Max(1, TimestampDifferenceMilliseconds(now, next) + 1);

		timeout = timeout < 0 ? until : Min(timeout, until);
	}
	return timeout;
}

/* --- main --- */

/* Is the extension here?  Otherwise leave a mark and go. */
static void
require_extension(void)
{
	bool		present;

	scheduler_begin();
	present = OidIsValid(workflow_extension_oid());
	scheduler_commit(false);
	if (!present)
	{
		scheduler_detach_absent();
		proc_exit(0);
	}
}

void
workflow_scheduler_main(Datum argument pg_attribute_unused())
{
	WorkerParameters parameters;
	uint32		wake;

	worker_initialize(&parameters);
	database = scheduler_attach(parameters.database, parameters.generation);
	worker_connect(parameters.database, InvalidOid, "pg_workflow scheduler");

	loop_context = AllocSetContextCreate(TopMemoryContext, "workflow scheduler loop",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	require_extension();
	live_initialize();
	pool_initialize(database, parameters.generation);

	durable_claims_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), DURABLE_CLAIMS_MS);

	/* the executors of the scheduler before this one are on their way out */
	while (database_count_executors(parameters.database) > 0)
		worker_sleep(10, wait_event_scheduler());

	while (!setting_enabled)
		worker_sleep(-1, wait_event_scheduler());
	recover_all();

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(loop_context);
		MemoryContextReset(loop_context);

		wake = scheduler_take_wake(database);
		if (wake & WAKE_EXTENSION)
			require_extension();
		pool_reap();
		if (wake & WAKE_CONTROL)
			look_for_cancels();
		if ((wake & WAKE_PENDING) ||
			(next_start_at != DT_NOEND && next_start_at <= GetCurrentTimestamp()))
			look_for_pending = true;
		look_for_work();
		next_unpark_at = ready_unpark(GetCurrentTimestamp());
		pool_dispatch();
		worker_sleep(next_timeout(), wait_event_scheduler());
	}
}

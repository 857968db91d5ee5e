/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The scheduler's executors: launching, handing out runs, stopping, letting
 *	  go.
 *
 * NOTES
 *	  Scheduler only.  An executor serves one role for life.  Fewer executors
 *	  than wanted means slower, never an error: with max_worker_processes
 *	  exhausted there is one WARNING per episode, and the ready runs wait for
 *	  those that are there.
 *
 *	  Roles share the executors evenly, as far as they want them.  One that has
 *	  fewer than its share takes over one of the role that has most, when its
 *	  run gives way; when steps do not end, one that has none at all gets
 *	  another process, of the slots that are kept in reserve.
 *
 *	  A run that has lasted workflow.run_quantum gives way at its next step when
 *	  others wait, here or in another database, or when executors are idle that
 *	  could take a part of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/clock.h"
#include "shared/fault.h"
#include "shared/settings.h"
#include "shared/slots.h"
#include "shared/worker.h"
#include "state/role_limits.h"

/*
 * Time between two attempts to get a worker when there was none to be had, ms.
 */
#define LAUNCH_RETRY_MS 1000
/* A lack of workers is over when there has been none for this long, ms. */
#define EXHAUSTION_OVER_MS 60000
/*
 * Time for the SIGTERM of a shutdown to reach the scheduler behind its
 * executors, ms.
 */
#define SHUTDOWN_ARRIVES_MS 100
/*
 * How long a suspect is tried alone, ms.  One that has done no harm by then
 * does not keep the others waiting, however long its step takes.
 */
#define SUSPECT_TRIAL_MS 60000

static DatabaseEntry *database = NULL;
static uint32 scheduler_generation;
static bool exhausted = false;	/* told that there are no workers */
static TimestampTz no_workers_since = 0;	/* 0: the last attempt to get one
											 * was a success */
static TimestampTz launch_retry_at = 0;
static bool launch_refused = false;	/* none can be had in this round */

void
pool_initialize(DatabaseEntry *entry, uint32 generation)
{
	database = entry;
	scheduler_generation = generation;
	executors_initialize();
}

static PoolExecutor *
find_idle(Oid role)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		if (executor->role == role && executor_is_idle(executor))
			return executor;
	}
	return NULL;
}

/* --- reports and deaths --- */

/*
 * The executor ended before it was idle: nobody could connect as its role, say.
 * Or it was terminated, which says nothing of the role.
 */
static void
start_failed(PoolExecutor *executor, bool terminated)
{
	RoleQueue  *queue = role_queue(executor->role);

	fault_point("slot.start_failed");
	if (!terminated)
		queue->failed_starts++;
	queue->retry_at =
		TimestampTzPlusMilliseconds(steady_now(),
									100 * (1 << Min(queue->failed_starts, 6)));
	if (!terminated)
		role_failed(executor->role);
}

/*
 * An executor that ends may be the first sign of a shutdown whose SIGTERM has
 * not reached us yet.  Wait a moment for it: an orderly end is not to be
 * counted as a recovery.  Once for all that end together.
 */
static void
let_shutdown_arrive(void)
{
	static TimestampTz last = 0;
	TimestampTz now = steady_now();

	if (!TimestampDifferenceExceeds(last, now, 10 * SHUTDOWN_ARRIVES_MS))
		return;
	last = now;
	(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 SHUTDOWN_ARRIVES_MS, wait_event_scheduler());
	CHECK_FOR_INTERRUPTS();
}

/* Look at one executor.  Returns false when it is gone. */
static bool
look_at(PoolExecutor *executor)
{
	SlotView	view;
	Report		report;
	pid_t		pid;
	bool		terminated;

	slot_look(executor->slot, executor->generation, &view);
	executor_note(executor, &view);
	terminated = view.last_words && view.terminated;
	if (view.state == SLOT_FREE)
	{
		if (executor->starting)
			start_failed(executor, terminated);
		else if (executor->stuck_at != 0)
			stuck_ended(executor);
		else if (executor->busy)
		{
			executor->busy = false;
			let_shutdown_arrive();
			if (terminated)
				run_lost(executor, "its executor was terminated", false);
			else if (view.last_words && view.ended_by_weather)
				run_lost(executor, "its executor ended for want of memory, or of room", false);
			else
				run_lost(executor, "the executor ended while it worked", true);
		}
		else if (executor->exit_reason == EXIT_NONE)
			let_shutdown_arrive();
		return false;
	}
	if (executor->starting)
	{
		if (view.state == SLOT_STARTING)
		{
			if (GetBackgroundWorkerPid(executor->handle, &pid) != BGWH_STOPPED)
				return true;
			slot_release(executor->slot);
			start_failed(executor, false);
			return false;
		}
		executor->starting = false;
		executor->came_at = steady_now();
		executor->since = executor->came_at;
		role_queue(executor->role)->failed_starts = 0;
	}
	if (view.state == SLOT_REPORTED && executor->busy &&
		slot_take_report(executor->slot, &report))
	{
		executor->busy = false;
		executor->asked_to_yield = false;
		executor->asked_to_stop = 0;
		executor->since = steady_now();
		fault_point("slot.report_taken");
		run_reported(executor, &report);
	}
	if (view.request.reason != EXIT_NONE)
		executor_asked_to_leave(executor, &view.request);
	return true;
}

/* Take all reports and notice who has died. */
void
pool_reap(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		if (!look_at(executor))
		{
			executor_departed(executor);
			executor_forget(executor);
		}
	}
}

/* --- launching --- */

/*
 * Say once that there are fewer executors than wanted, and once that it is
 * over: a worker that comes free now and then does not end it.
 */
static void
note_exhaustion(bool now_exhausted, const char *limit)
{
	if (!now_exhausted && exhausted &&
		!TimestampDifferenceExceeds(launch_retry_at, steady_now(),
									EXHAUSTION_OVER_MS))
		return;
	if (now_exhausted && !exhausted)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of background worker slots for workflow executors"),
				 errdetail("%d executors work in this database; workflows go on with them.", pool_count()),
				 errhint("You might need to increase \"%s\".", limit)));
	else if (!now_exhausted && exhausted)
		ereport(LOG, (errmsg("workflow executors can be started again")));
	exhausted = now_exhausted;
}

TimestampTz
pool_no_workers_since(void)
{
	return no_workers_since;
}

/* Start an executor for a role.  Returns false when none can be had now. */
static bool
launch(Oid role)
{
	TimestampTz now = steady_now();
	PoolExecutor *executor;
	BackgroundWorkerHandle *handle = NULL;
	MemoryContext oldcontext;
	int			slot;
	bool		registered;

	if (now < launch_retry_at)
		return false;
	slot = slot_allocate(database->database, role, scheduler_generation);
	if (slot < 0)
		return false;			/* we are woken when one becomes free */

	oldcontext = MemoryContextSwitchTo(live_context);
	registered = register_executor(database->database, role, slot,
								   slot_generation(slot), &handle);
	MemoryContextSwitchTo(oldcontext);
	if (!registered)
	{
		slot_release(slot);
		launch_retry_at = TimestampTzPlusMilliseconds(now, LAUNCH_RETRY_MS);
		note_exhaustion(true, "max_worker_processes");
		if (no_workers_since == 0)
			no_workers_since = GetCurrentTimestamp();
		return false;
	}
	note_exhaustion(false, NULL);
	no_workers_since = 0;

	executor = MemoryContextAllocZero(live_context, sizeof(PoolExecutor));
	executor->slot = slot;
	executor->generation = slot_generation(slot);
	executor->role = role;
	executor->handle = handle;
	executor->starting = true;
	executor->since = now;
	executor->launched_at = now;
	role_queue(role)->launched_at = now;
	executor_add(executor);
	fault_point("slot.starting");
	return true;
}

/* --- dispatch --- */

/*
 * Durable before it runs: only who was tried is counted.  False: the row cannot
 * be had.
 */
static bool
begin_trial(const LiveExecution *execution)
{
	bool		marked = false;
	bool		committed;

	ATTEMPT(committed)
	{
		marked = execution_set_probation(execution->id);
		fault_point("execution.probation");
	}
	ATTEMPT_END(committed, true);
	return committed && marked;
}

/*
 * Put one run, or several fresh executions, into the slot of an idle executor.
 */
static void
assign(PoolExecutor *executor, RoleQueue *queue)
{
	static Run	run;
	int			batch = Max(1,
					Min(RUN_MAX_EXECUTIONS, queue->count / (2 * pool_limit())));
	ReadyRun   *first = ready_first(queue);
	int64		later = 0;

	if (first->execution->suspect && !begin_trial(first->execution))
	{
		ready_park(first,
				   TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS));
		return;
	}
	memset(&run, 0, offsetof(Run, execution_ids));
	run.kind = first->kind;
	executor->nruns = 0;
	while (executor->nruns < batch)
	{
		ReadyRun   *ready = ready_first(queue);

		if (ready == NULL || ready->kind != first->kind)
			break;
		ready_dequeue(ready);
		ready->execution->running++;
		ready->controls = ready->execution->controls;
		executor->runs[executor->nruns] = ready;
		later += ready->queued_at - first->queued_at;
		run.execution_ids[executor->nruns++] = ready->execution->id;
		if (first->kind != RUN_START || ready->execution->suspect)
			break;
	}
	run.nexecutions = executor->nruns;
	run.ready_at = first->queued_at + later / executor->nruns;
	run.fresh = first->fresh;
	run.only_begun = first->only_begun;
	run.trial = first->execution->suspect;
	run.scope = first->scope;
	run.bottom = thread_depth(first);
	run.node = first->container;
	run.visit = first->visit;
	run.from = first->from;
	run.to = first->to;
	run.stuck.execution_id = 0;
	if (first->stuck != NULL)
		run.stuck = *first->stuck;
	run.stop_on_failure = (first->kind == RUN_CHILDREN &&
						   first->join->rule.stop_on_failure &&
						   !first->only_begun);

	executor->kind = run.kind;
	executor->busy = true;
	executor->asked_to_yield = false;
	executor->since = steady_now();
	if (!slot_assign(executor->slot, &run))
	{
		/* it is leaving: back into the queue */
		executor->busy = false;
		executor->leaving = true;
		for (int i = 0; i < executor->nruns; i++)
		{
			executor->runs[i]->execution->running--;
			ready_enqueue(executor->runs[i]);
		}
	}
	fault_point("slot.assigned");
}

/*
 * When the trial of the suspect the executor runs is over; DT_NOBEGIN: there is
 * none.
 */
static TimestampTz
trial_end(const PoolExecutor *executor)
{
	for (int i = 0; executor->busy && i < executor->nruns; i++)
		if (executor->runs[i]->execution->suspect)
			return TimestampTzPlusMilliseconds(executor->since,
											   SUSPECT_TRIAL_MS);
	return DT_NOBEGIN;
}

/*
 * Suspects are tried one at a time: is another one being tried?
 */
static bool
another_suspect_runs(const LiveExecution *execution)
{
	TimestampTz now = steady_now();
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		if (trial_end(executor) > now &&
			executor->runs[0]->execution != execution)
			return true;
	}
	return false;
}

/*
 * Put the role's suspects that have to wait aside; they come back behind the
 * others.
 */
static bool
first_may_run(RoleQueue *queue)
{
	for (int i = queue->count; i > 0; i--)
	{
		ReadyRun   *first = ready_first(queue);
		TimestampTz queued_at = first->queued_at;

		if (!first->execution->suspect ||
			!another_suspect_runs(first->execution))
			return true;
		ready_dequeue(first);
		first->sequence += UINT64CONST(1) << 32;
		ready_enqueue(first);
		first->queued_at = queued_at;	/* it has waited since */
	}
	return false;
}

/* --- roles share the executors --- */

static int	present_share;		/* of each role that takes part */

static bool
forget_counts(RoleQueue *queue)
{
	queue->starting = 0;
	queue->staying = 0;
	queue->present = 0;
	return false;
}

static bool
role_takes_part(RoleQueue *queue)
{
	return queue->count > 0 || queue->staying > 0;
}

/*
 * Count the executors of each role, and how many each can have when they share
 * what there is.
 */
static void
count_executors(void)
{
	int			total = launch_refused ? Max(pool_count(), 1) : pool_limit();
	dlist_iter	iter;

	(void) roles_count(forget_counts);
	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);
		RoleQueue  *queue = role_queue(executor->role);

		if (executor->starting)
			queue->starting++;
		if (!executor->leaving && !executor->retired)
			queue->staying++;
		/* who was replaced by one of another role is still one of its own */
		if (!executor->retired || executor->gave_way)
			queue->present++;
	}
	present_share = Max(1, total / Max(1, roles_count(role_takes_part)));
}

/* The CONNECTION LIMIT of a role may have changed: nobody tells. */
static bool
forget_old_limit(RoleQueue *queue)
{
	if (queue->limit_read_at != 0 &&
		TimestampDifferenceExceeds(queue->limit_read_at, steady_now(),
								   LAUNCH_RETRY_MS))
		role_forget_limit(queue);
	return false;
}

/*
 * Read how many executors may work for a role, unless that was just done.
 * False: not now.
 */
static bool
read_limit(RoleQueue *queue)
{
	int			limit = NO_LIMIT;
	bool		committed;

	if (queue->limit_read_at != 0)
		return true;
	ATTEMPT(committed)
	{
		limit = role_max_executors(queue->role);
	}
	ATTEMPT_END(committed, false);
	if (committed)
	{
		queue->max_executors = limit;
		queue->limit_read_at = steady_now();
	}
	return committed;
}

/* Could the role do with another executor, if there was one to be had? */
static bool
role_wants_executor(RoleQueue *queue)
{
	return queue->starting < queue->count &&
		queue->present < Min(pool_limit(), queue->max_executors) &&
		(queue->retry_at == 0 || queue->retry_at <= steady_now()) &&
		first_may_run(queue);
}

/* Has the role work and no executor at all? */
static bool
role_is_starved(RoleQueue *queue)
{
	return queue->present == 0 && role_wants_executor(queue);
}

static bool
role_is_short(RoleQueue *queue)
{
	return queue->present < present_share && role_wants_executor(queue);
}

/*
 * The role that gets the next executor before others that have their share;
 * NULL: all have what they want of it.  Those that have none take turns.
 */
static RoleQueue *
next_role_in_need(void)
{
	RoleQueue  *starved;

	count_executors();
	starved = role_waiting_longest(role_is_starved);
	return starved != NULL ? starved : ready_best_role(role_is_short);
}

static bool
role_has_idle(RoleQueue *queue)
{
	return find_idle(queue->role) != NULL && first_may_run(queue);
}

/*
 * Give ready runs to idle executors, and start others for the rest as far as
 * that is possible.
 */
static void
hand_out(void)
{
	launch_refused = false;
	for (;;)
	{
		RoleQueue  *queue;

		while ((queue = ready_best_role(role_has_idle)) != NULL)
			assign(find_idle(queue->role), queue);
		if (pool_count() >= pool_limit())
			return;
		queue = next_role_in_need();
		if (queue == NULL)
			queue = ready_best_role(role_wants_executor);
		if (queue == NULL)
			return;
		if (read_limit(queue) && queue->present >= queue->max_executors)
			continue;			/* it wants none any more */
		if (queue->limit_read_at == 0 || !launch(queue->role))
		{
			launch_refused = true;	/* those that have executors go on */
			return;
		}
	}
}

/* Does the executor's step last so long that nobody can wait for its end? */
static bool
outlasts_its_turn(const PoolExecutor *executor, TimestampTz now)
{
	return executor->busy &&
		TimestampDifferenceExceeds(executor->since, now,
								   2 * setting_run_quantum);
}

/*
 * Runs wait and no executor can be added: one of another role has to go.  Who
 * has nothing to do goes at once.  For a role that has fewer than its share one
 * of the role that has most goes, after the run it does: each role gets its
 * turn, of at least workflow.run_quantum.  When a step outlasts that, its
 * executor does not count any more for the sake of a role that has none.  True:
 * another one can be started now.
 */
static bool
make_room(TimestampTz now)
{
	RoleQueue  *needy = next_role_in_need();
	PoolExecutor *victim = NULL;
	PoolExecutor *lasting = NULL;
	int			most = 0;
	dlist_iter	iter;

	if (needy != NULL && needy->present > 0)
		most = Max(present_share, needy->present + 1);
	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);
		RoleQueue  *queue = role_queue(executor->role);

		if (executor->retired)
			continue;
		if (executor->leaving)
		{
			/* on the way out already, unless its step lasts too long */
			if (!outlasts_its_turn(executor, now))
				return false;
			lasting = executor;
			continue;
		}
		if (executor_is_idle(executor) && queue->count == 0)
		{
			executor_let_go(executor, EXIT_ROOM);
			return false;
		}
		if (needy == NULL || executor->starting ||
			!TimestampDifferenceExceeds(executor->launched_at, now,
										setting_run_quantum))
			continue;
		if (queue->staying > most)
		{
			most = queue->staying;
			victim = executor;
		}
	}
	if (lasting != NULL && needy != NULL && needy->present == 0 &&
		launch_retry_at <= now && slots_in_reserve())
	{
		lasting->gave_way = true;
		pool_retire(lasting);
		return true;
	}
	if (victim != NULL)
		executor_let_go(victim, EXIT_ROOM);
	return false;
}

void
pool_dispatch(void)
{
	TimestampTz now;

	launch_refused = false;
	(void) roles_count(forget_old_limit);
	if (drained_of_steps())
	{
		slots_are_not_wanted();
		drain_executors();
		return;
	}
	do
	{
		hand_out();
		now = steady_now();
	} while (ready_total() > 0 &&
			 (launch_refused || pool_count() >= pool_limit()) &&
			 make_room(now));

	if (!launch_refused)
		slots_are_not_wanted();
	dismiss_idle_and_old(now);
}

/* --- giving way --- */

/* Could the run be divided among more executors? */
static bool
is_divisible(const PoolExecutor *executor)
{
	if (executor->kind == RUN_START)
		return executor->nruns > 1;
	return executor->kind == RUN_CHILDREN &&
		executor->runs[0]->to - executor->runs[0]->from > 1 &&
		executor->runs[0]->join->max_parallelism != 1;
}

/*
 * Ask long runs to give way; returns when to look again.
 */
static TimestampTz
give_way(TimestampTz now)
{
	TimestampTz next = DT_NOEND;
	bool		waiting = ready_total() > 0 || slots_are_wanted_elsewhere();
	bool		room = pool_count() < pool_limit();
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
		room |= executor_is_idle(dlist_container(PoolExecutor, node, iter.cur));

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);
		TimestampTz until;

		if (!executor->busy || executor->asked_to_yield ||
			executor->stuck_at != 0 ||
			!(waiting || (room && is_divisible(executor))))
			continue;
		until = TimestampTzPlusMilliseconds(executor->since,
											setting_run_quantum);
		if (until <= now)
		{
			executor->asked_to_yield = true;
			slot_request_yield(executor->slot);
		}
		else
			next = Min(next, until);
	}
	return next;
}

/* Milliseconds until the pool has something to do by itself; -1: never. */
long
pool_next_timeout(TimestampTz now)
{
	TimestampTz next = Min(give_way(now),
						   Min(stuck_next(now), departures_next(now)));
	dlist_iter	iter;

	if (ready_total() > 0 && !drained_of_steps())
	{
		/* waiting for a worker, or for a role to be tried again */
		if (launch_retry_at > now)
			next = Min(next, launch_retry_at);
		if (pool_count() < pool_limit())
			next = Min(next, TimestampTzPlusMilliseconds(now, LAUNCH_RETRY_MS));
		else if (next_role_in_need() != NULL)
			next = Min(next,
					   TimestampTzPlusMilliseconds(now, setting_run_quantum));
	}
	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		if (ready_total() > 0 && trial_end(executor) > now)
			next = Min(next, trial_end(executor));
		/*
		 * of one that never comes only the postmaster tells, whose call may be
		 * lost
		 */
		if (executor->starting)
			next = Min(next, TimestampTzPlusMilliseconds(now, LAUNCH_RETRY_MS));
	}
	if (next == DT_NOEND)
		return -1;
	return Max(1, TimestampDifferenceMilliseconds(now, next) + 1);
}

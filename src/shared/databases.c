/*-------------------------------------------------------------------------
 *
 * databases.c
 *	  The registry's database entries, and the schedulers in them.
 *
 * NOTES
 *	  Everything here is under registry->lock.  The life of an entry:
 *
 *		UNUSED -> UNKNOWN		whoever needs it: database_entry()
 *		UNKNOWN -> STARTING		launcher, registers a scheduler
 *		STARTING -> ACTIVE		scheduler: scheduler_attach(), before it connects
 *		ACTIVE -> UNKNOWN		scheduler, on any exit but the next
 *		ACTIVE -> ABSENT		scheduler, on exit: no extension here
 *		ABSENT -> UNKNOWN		wake_scheduler(): somebody uses the extension
 *		UNKNOWN, ABSENT -> UNUSED	launcher: the database is gone or not ours;
 *								ABSENT also when the room is needed
 *
 *	  A process attaches before it connects and leaves its entry or slot after
 *	  its transaction is over, because exit callbacks run in reverse order.  So
 *	  an entry without a scheduler and executors means a database without them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "shared/black_box.h"
#include "shared/clock.h"
#include "shared/compat.h"
#include "shared/databases.h"
#include "shared/fault.h"
#include "shared/shares.h"
#include "shared/slots.h"
#include "shared/wake.h"
#include "shared/weather.h"
#include "shared/worker.h"

/*
 * Delay before the next start of a scheduler that failed: doubles up to the
 * last.
 */
#define FIRST_RESTART_DELAY_MS 1000
#define LAST_RESTART_DELAY_MS 60000

/*
 * For how long a transaction that failed is shown to be done again: grows up to
 * the last.
 */
#define FIRST_SHOWN_MS 2000
#define LAST_SHOWN_MS 30000

/* The scheduler's own exit: whether it found no extension. */
static bool extension_is_absent = false;

/* It ends with an error that says something about the server. */
static bool weather_ended_us = false;

static void schedule_restart(DatabaseEntry *entry, int code, bool orderly);
static void scheduler_detach(int code, Datum argument);

/*
 * Number of slots of a database that are not free: executors that live, or that
 * were registered by a living scheduler; without those that are written off.
 */
int
database_count_executors(Oid database)
{
	int			count = 0;

	LWLockAcquire(registry->lock, LW_SHARED);
	for (int i = 0; i < registry->nslots; i++)
	{
		Slot	   *slot = &registry->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state != SLOT_FREE && slot->database == database &&
			slot->trouble != TROUBLE_QUARANTINED)
			count++;
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(registry->lock);

	return count;
}

void
database_show_drain(DatabaseEntry *entry, DrainMode mode)
{
	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry->drain = mode;
	LWLockRelease(registry->lock);
}

bool
database_is_drained(Oid database, DrainMode mode)
{
	DatabaseEntry *entry;
	bool		result = true;

	if (registry == NULL)
		return true;
	LWLockAcquire(registry->lock, LW_SHARED);
	entry = database_entry(database, false);
	if (entry != NULL && entry->state == DATABASE_ACTIVE &&
		entry->drain != mode)
		result = false;
	for (int i = 0; result && i < registry->nslots; i++)
	{
		Slot	   *slot = &registry->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->database == database &&
			slot->trouble != TROUBLE_QUARANTINED &&
			(slot->state == SLOT_ASSIGNED || slot->state == SLOT_RUNNING ||
			 slot->state == SLOT_REPORTED))
			result = false;
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(registry->lock);
	return result;
}

/*
 * SIGTERM to the scheduler, whose exit takes the executors along; when there is
 * none, to executors that outlived it.  The executors are not signalled beside
 * a living scheduler, which would take that for a failure.  Lock held by the
 * caller.
 */
void
database_terminate_workers(DatabaseEntry *entry)
{
	if (entry->scheduler_pid != 0)
	{
		kill(entry->scheduler_pid, SIGTERM);
		return;
	}

	for (int i = 0; i < registry->nslots; i++)
	{
		Slot	   *slot = &registry->slots[i];

		if (slot->state != SLOT_FREE && slot->pid != 0 &&
			slot->database == entry->database)
			kill(slot->pid, SIGTERM);
	}
}

/* --- the launcher's side --- */

/*
 * Prepare the entry for a scheduler that is registered next, giving the
 * generation it has to attach with.  Returns false when it must not be started
 * now.
 */
bool
database_begin_start(Oid database, uint32 *generation)
{
	DatabaseEntry *entry;
	bool		result;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(database, false);
	result = entry != NULL && entry->state == DATABASE_UNKNOWN &&
		entry->holds == 0;
	if (result)
	{
		database_set_state(entry, DATABASE_STARTING);
		entry->started_at = steady_now();
		*generation = ++entry->generation;
	}
	LWLockRelease(registry->lock);

	return result;
}

/*
 * The scheduler of that generation could not be registered, or (is_failure)
 * ended before it attached.  Nothing happens if it did attach.
 */
void
database_start_failed(Oid database, uint32 generation, bool is_failure)
{
	DatabaseEntry *entry;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(database, false);
	if (entry != NULL && entry->state == DATABASE_STARTING &&
		entry->generation == generation)
	{
		database_set_state(entry, DATABASE_UNKNOWN);
		if (is_failure)
			schedule_restart(entry, 1, false);
		fault_point("database.start_failed");
	}
	LWLockRelease(registry->lock);
}

/* Whether the scheduler of that generation has still to attach. */
bool
database_is_starting(Oid database, uint32 generation)
{
	DatabaseEntry *entry;
	bool		result;

	LWLockAcquire(registry->lock, LW_SHARED);
	entry = database_entry(database, false);
	result = entry != NULL && entry->state == DATABASE_STARTING &&
		entry->generation == generation;
	LWLockRelease(registry->lock);

	return result;
}

/*
 * Do without a scheduler that was registered by a launcher that is gone: if it
 * comes, it finds another generation.  Lock held by the caller, exclusively.
 */
void
database_cancel_start(DatabaseEntry *entry)
{
	if (entry->state == DATABASE_STARTING)
	{
		database_set_state(entry, DATABASE_UNKNOWN);
		entry->generation++;
	}
}

/*
 * The database was dropped, or is not one for a scheduler any more: ask its
 * workers to go; when there are none, free the entry.  Their exit wakes the
 * launcher, which calls this again.  Lock held by the caller, exclusively.
 */
void
database_retire(DatabaseEntry *entry)
{
	database_cancel_start(entry);
	if (entry->scheduler_pid != 0 || entry->nslots > 0)
		database_terminate_workers(entry);
	else if (entry->holds == 0)
	{
		database_set_state(entry, DATABASE_UNUSED);
		entry->database = InvalidOid;
		fault_point("database.forgotten");
	}
}

/*
 * When a scheduler that ended may be followed by the next; lock held.  One that
 * lived for long starts the count of failures anew.
 */
static void
schedule_restart(DatabaseEntry *entry, int code, bool orderly)
{
	TimestampTz now = steady_now();
	long		delay = FIRST_RESTART_DELAY_MS;

	if (entry->holds > 0)
		return;					/* it was asked to go */
	if (TimestampDifferenceExceeds(entry->started_at, now,
								   LAST_RESTART_DELAY_MS))
		entry->failures = 0;
	if (entry->failures == 0)
		entry->failing_since = GetCurrentTimestamp();
	if (orderly)
	{
		/* terminated by somebody: that is no failure, however often */
		entry->next_start = 0;
		return;
	}
	if (code == 0 &&
		(entry->orderly_end ||
		 TimestampDifferenceExceeds(entry->started_at, now,
									FIRST_RESTART_DELAY_MS)))
	{
		/* it has seen what its successor has to begin with */
		entry->next_start = TimestampDifferenceExceeds(entry->started_at, now,
													   FIRST_RESTART_DELAY_MS) ?
			0 :
			TimestampTzPlusMilliseconds(now, FIRST_RESTART_DELAY_MS);
		return;
	}
	for (int i = 0; i < entry->failures && delay < LAST_RESTART_DELAY_MS; i++)
		delay *= 2;
	entry->failures++;
	entry->next_start =
		TimestampTzPlusMilliseconds(now, Min(delay, LAST_RESTART_DELAY_MS));
}

/* --- the scheduler's side --- */

/*
 * Take the entry this process was started for; see slots.h.  What makes it
 * stale is normal operation, so the process leaves without noise.
 */
DatabaseEntry *
scheduler_attach(Oid database, uint32 generation)
{
	DatabaseEntry *entry;
	bool		valid;

	if (registry == NULL)
		elog(ERROR, "scheduler was started without shared memory");
	if (OidIsValid(MyDatabaseId))
		elog(ERROR, "scheduler must attach before it connects");

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(database, false);
	valid = entry != NULL && entry->state == DATABASE_STARTING &&
		entry->generation == generation;
	if (valid && entry->holds > 0)
	{
		database_set_state(entry, DATABASE_UNKNOWN);
		valid = false;
	}
	if (valid)
	{
		database_set_state(entry, DATABASE_ACTIVE);
		entry->scheduler_pid = MyProcPid;
		entry->scheduler_pgprocno = compat_my_pgprocno();
		entry->drain = DRAIN_NONE;
		entry->failure[0] = '\0';
		entry->again_until = 0;
		entry->disabled_since = 0;
		entry->executions = 0;
		entry->max_running = 0;
		entry->ready_since = DT_NOEND;
		entry->no_workers_since = 0;
		pg_atomic_write_u32(&entry->wake, 0);
	}
	LWLockRelease(registry->lock);

	if (!valid)
	{
		ereport(DEBUG1,
				(errmsg_internal("database %u is not waiting for this scheduler",
								 database)));
		proc_exit(0);
	}

	my_database_entry = entry;
	before_shmem_exit(scheduler_detach, (Datum) 0);
	counters_attach(&entry->scheduler_counters, TIME_UNCOUNTED);
	black_box_attach(-1);
	fault_point("database.active");
	ConditionVariableBroadcast(&registry->databases_changed);
	return entry;
}

/*
 * Before the scheduler looks whether the extension is here: an installation
 * that has committed by now is seen, and only one that commits from now on is
 * news.
 */
void
scheduler_looks_for_extension(void)
{
	(void) pg_atomic_fetch_and_u32(&my_database_entry->wake,
								   ~(uint32) WAKE_EXTENSION);
}

/*
 * Say that the exit to come is because the extension is not installed here.
 * A CREATE EXTENSION that committed since the scheduler looked wins over it.
 */
void
scheduler_detach_absent(void)
{
	extension_is_absent = true;
}

static void
tell(char *told, const char *message)
{
	strlcpy(told, message,
			pg_mbcliplen(message, strlen(message), TOLD_SIZE - 1) + 1);
}

/*
 * The scheduler is about to exit with an error.  If that is nobody's fault,
 * what runs is not to be counted as interrupted.
 */
void
scheduler_ends_by(int sqlerrcode)
{
	weather_ended_us = sqlstate_is_weather(sqlerrcode);
}

/* The same, and what it says. */
void
scheduler_ends_with(const ErrorData *error)
{
	weather_ended_us = error_is_weather(error);
	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	tell(my_database_entry->failure, error->message ? error->message : "");
	LWLockRelease(registry->lock);
}

/*
 * Nobody says when nothing fails any more, so what is shown has to be shown
 * again in time.  Delays are doubled: the next is about as long as all before
 * it were together.
 */
void
database_show_again(DatabaseEntry *entry, const char *message)
{
	TimestampTz now = steady_now();
	int			shown;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	if (entry->again_until < now)
		entry->again_since = now;
	shown =
		Min(FIRST_SHOWN_MS +
				3 * TimestampDifferenceMilliseconds(entry->again_since, now),
			LAST_SHOWN_MS);
	entry->again_until = TimestampTzPlusMilliseconds(now, shown);
	tell(entry->again, message);
	LWLockRelease(registry->lock);
}

/*
 * Of a scheduler that has come again it is not known at once whether it fails
 * again: it must have lived for a while.
 */
static void
look_for_failures(const DatabaseEntry *entry, TimestampTz now,
				  SchedulerView *view)
{
	if (entry->failures == 0 ||
		(view->present &&
		 TimestampDifferenceExceeds(entry->started_at, now,
									LAST_RESTART_DELAY_MS)))
		return;
	view->failures = entry->failures;
	view->failing_since = entry->failing_since;
	strlcpy(view->failure, entry->failure, TOLD_SIZE);
	if (entry->next_start > now)
		view->next_start = clock_time(entry->next_start);
}

/* Is there no room for another database?  The caller holds registry->lock. */
static bool
no_entry_is_free(void)
{
	for (int i = 0; i < registry->ndatabases; i++)
	{
		const DatabaseEntry *entry = &registry->databases[i];

		if (entry->state == DATABASE_UNUSED || database_is_replaceable(entry))
			return false;
	}
	return true;
}

/*
 * What the scheduler of a database shows, and what is known of it while there
 * is none.
 */
void
database_look(Oid database, SchedulerView *view)
{
	DatabaseEntry *entry;
	TimestampTz now = steady_now();

	memset(view, 0, sizeof(SchedulerView));
	view->ready_since = DT_NOEND;
	LWLockAcquire(registry->lock, LW_SHARED);
	entry = database_entry(database, false);
	if (entry != NULL &&
		(entry->state == DATABASE_ACTIVE || entry->state == DATABASE_STARTING))
	{
		view->present = true;
		view->pid = entry->scheduler_pid;
		view->disabled_since = entry->disabled_since;
		view->executions = entry->executions;
		view->max_running = entry->max_running;
		view->ready_since = entry->ready_since;
		view->no_workers_since = entry->no_workers_since;
		if (pg_atomic_read_u32(&entry->wake) != 0)
			view->unanswered_since = Max(entry->woken_at,
										 clock_time(entry->started_at));
	}
	if (entry != NULL)
	{
		look_for_failures(entry, now, view);
		if (entry->again_until >= now)
		{
			view->again_since = clock_time(entry->again_since);
			strlcpy(view->again, entry->again, TOLD_SIZE);
		}
	}
	view->launcher_pid = registry->launcher_pid;
	view->launcher_unanswered_since = registry->launcher_woken_at;
	view->crowded_out = entry == NULL && no_entry_is_free();
	if (!view->present && registry->exhausted_since != 0)
	{
		view->exhausted_since = registry->exhausted_since;
		view->next_start = clock_time(registry->exhausted_until);
	}
	LWLockRelease(registry->lock);
}

/* The WAKE_* bits set since the last call. */
uint32
scheduler_take_wake(DatabaseEntry *entry)
{
	return pg_atomic_exchange_u32(&entry->wake, 0);
}

void
scheduler_take_queued(DatabaseEntry *entry, QueueNews *queued)
{
	SpinLockAcquire(&entry->queued_lock);
	queue_news_copy(queued, &entry->queued);
	queue_news_clear(&entry->queued);
	SpinLockRelease(&entry->queued_lock);
}

/*
 * The scheduler's exit: leave the entry, take the executors along, forget those
 * that were registered and have not come, and let the launcher look.
 */
static void
scheduler_detach(int code, Datum argument pg_attribute_unused())
{
	DatabaseEntry *entry = my_database_entry;

	counters_detach();
	black_box_end();
	fault_point("database.left");
	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry->scheduler_pid = 0;
	entry->scheduler_pgprocno = -1;
	entry->orderly_end = worker_asked_to_exit() || weather_ended_us;
	entry->blame_known = false;
	if (extension_is_absent &&
		(pg_atomic_read_u32(&entry->wake) & WAKE_EXTENSION) == 0)
	{
		database_set_state(entry, DATABASE_ABSENT);
		fault_point("database.absent");
	}
	else
	{
		database_set_state(entry, DATABASE_UNKNOWN);
		schedule_restart(entry, code, worker_asked_to_exit());
	}
	share_stop_waiting(entry);
	slots_forget_starting(entry);
	database_terminate_workers(entry);
	LWLockRelease(registry->lock);

	ConditionVariableBroadcast(&registry->databases_changed);
	wake_launcher();
}

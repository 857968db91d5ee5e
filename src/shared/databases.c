/*-------------------------------------------------------------------------
 *
 * databases.c
 *	  The registry's database entries: schedulers come and go, holds keep them
 *	  away.
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
 *	  A hold is taken for commands that cannot work while somebody is connected
 *	  to the database or uses the extension.  It is held until the end of the
 *	  transaction, not of the statement: only then do other processes see what the
 *	  command did.  The transaction callback releases it on commit, on abort and
 *	  when the process is terminated (its exit aborts the transaction first).
 *
 *	  A process attaches before it connects and leaves its entry or slot after
 *	  its transaction is over, because exit callbacks run in reverse order.  So
 *	  an entry without a scheduler and executors means a database without them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/compat.h"
#include "shared/slots.h"
#include "shared/worker.h"

/* A hold gives up waiting after this; the server's own checks decide then. */
#define HOLD_TIMEOUT_MS 30000

/* Delay before the next start of a scheduler that failed: doubles up to the last. */
#define FIRST_RESTART_DELAY_MS 1000
#define LAST_RESTART_DELAY_MS 60000

/* Databases held by this process's transaction. */
static List *held_databases = NIL;
static bool callback_registered = false;

/* The scheduler's own exit: whether it found no extension. */
static bool extension_is_absent = false;

static bool database_is_busy(Oid database);
static void release_holds(void);
static void hold_xact_callback(XactEvent event, void *argument);
static void scheduler_detach(int code, Datum argument);

/* --- entries --- */

/*
 * The entry of a database.  With create, a missing one is made (state UNKNOWN),
 * if need be in the place of a database known not to have the extension.  The
 * caller holds registry->lock, exclusively with create.  NULL: none, or no room.
 * An entry stays where it is as long as it has a scheduler, executors or holds.
 */
DatabaseEntry *
database_entry(Oid database, bool create)
{
	DatabaseEntry *unused = NULL;
	DatabaseEntry *absent = NULL;

	for (int i = 0; i < registry->ndatabases; i++)
	{
		DatabaseEntry *entry = &registry->databases[i];

		if (entry->state == DATABASE_UNUSED)
		{
			if (unused == NULL)
				unused = entry;
		}
		else if (entry->database == database)
			return entry;
		else if (entry->state == DATABASE_ABSENT && entry->holds == 0)
			absent = entry;
	}

	if (!create)
		return NULL;
	if (unused == NULL)
		unused = absent;
	if (unused == NULL)
		return NULL;

	/* The generation goes on counting: an old scheduler must not fit. */
	unused->database = database;
	unused->state = DATABASE_UNKNOWN;
	unused->scheduler_pid = 0;
	unused->scheduler_pgprocno = -1;
	unused->holds = 0;
	unused->started_at = 0;
	unused->next_start = 0;
	unused->failures = 0;
	pg_atomic_write_u32(&unused->wake, 0);
	pg_atomic_write_u64(&unused->steps_done, 0);
	pg_atomic_write_u64(&unused->executions_done, 0);
	return unused;
}

/* Whether somebody keeps the workers of this database away. */
bool
database_is_held(const DatabaseEntry *entry)
{
	return *(const volatile int *) &entry->holds > 0;
}

/*
 * Number of slots of a database that are not free: executors that live, or that
 * were registered by a living scheduler.
 */
int
database_count_executors(Oid database)
{
	int			count = 0;

	LWLockAcquire(registry->lock, LW_SHARED);
	for (int i = 0; i < registry->nslots; i++)
		if (registry->slots[i].state != SLOT_FREE &&
			registry->slots[i].database == database)
			count++;
	LWLockRelease(registry->lock);

	return count;
}

/*
 * SIGTERM to the scheduler, whose exit takes the executors along; when there is
 * none, to executors that outlived it.  The executors are not signalled beside a
 * living scheduler, which would take that for a failure.  Lock held by the caller.
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

/* --- holds --- */

/*
 * Stop the scheduler and the executors of a database and keep them away until
 * the end of the current transaction, however it ends.  Waits until they are
 * gone, interruptibly and not for ever.  Needs a transaction.
 */
void
database_hold(Oid database)
{
	MemoryContext old_context;
	DatabaseEntry *entry;
	TimestampTz deadline;
	bool		timed_out = false;

	if (registry == NULL || list_member_oid(held_databases, database))
		return;

	/* An executor that waits for its own end would be ended, and started again. */
	if (my_slot != NULL && database == MyDatabaseId)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot stop the workflow processes of database \"%s\" from within one of them",
						get_database_name(database)),
				 errhint("Run the command in a session of your own.")));

	if (!callback_registered)
	{
		RegisterXactCallback(hold_xact_callback, NULL);
		callback_registered = true;
	}
	old_context = MemoryContextSwitchTo(TopMemoryContext);
	held_databases = lappend_oid(held_databases, database);
	MemoryContextSwitchTo(old_context);

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(database, true);
	if (entry != NULL)
	{
		entry->holds++;
		database_terminate_workers(entry);
	}
	LWLockRelease(registry->lock);

	/* Without room for an entry it has no workers. */
	if (entry == NULL)
	{
		held_databases = list_delete_oid(held_databases, database);
		return;
	}

	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), HOLD_TIMEOUT_MS);
	ConditionVariablePrepareToSleep(&registry->databases_changed);
	while (database_is_busy(database))
	{
		long		remaining = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
																deadline);

		if (remaining <= 0)
		{
			timed_out = true;
			break;
		}
		ConditionVariableTimedSleep(&registry->databases_changed, remaining,
									wait_event_hold());
	}
	ConditionVariableCancelSleep();

	if (timed_out)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("workflow processes of database \"%s\" did not stop within %d seconds",
						get_database_name(database), HOLD_TIMEOUT_MS / 1000)));
}

/* Whether a database still has a scheduler or executors. */
static bool
database_is_busy(Oid database)
{
	DatabaseEntry *entry;
	bool		busy;

	LWLockAcquire(registry->lock, LW_SHARED);
	entry = database_entry(database, false);
	busy = entry != NULL && entry->scheduler_pid != 0;
	LWLockRelease(registry->lock);

	return busy || database_count_executors(database) > 0;
}

/* Let the launcher serve the databases again that this transaction held. */
static void
release_holds(void)
{
	ListCell   *cell;

	if (held_databases == NIL)
		return;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	foreach(cell, held_databases)
	{
		DatabaseEntry *entry = database_entry(lfirst_oid(cell), false);

		if (entry != NULL && entry->holds > 0)
		{
			entry->holds--;
			entry->failures = 0;
			entry->next_start = 0;
		}
	}
	LWLockRelease(registry->lock);

	list_free(held_databases);
	held_databases = NIL;
	wake_launcher();
}

/*
 * The end of the transaction.  A prepared one keeps its locks, and a scheduler
 * that starts meanwhile waits for them: that is right, and interruptible.
 */
static void
hold_xact_callback(XactEvent event, void *argument pg_attribute_unused())
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		release_holds();
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

	Assert(!OidIsValid(MyDatabaseId));
	if (registry == NULL)
		elog(ERROR, "scheduler was started without shared memory");

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(database, false);
	valid = entry != NULL && entry->state == DATABASE_STARTING &&
		entry->generation == generation;
	if (valid && entry->holds > 0)
	{
		entry->state = DATABASE_UNKNOWN;
		valid = false;
	}
	if (valid)
	{
		entry->state = DATABASE_ACTIVE;
		entry->scheduler_pid = MyProcPid;
		entry->scheduler_pgprocno = compat_my_pgprocno();
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
	ConditionVariableBroadcast(&registry->databases_changed);
	return entry;
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

/* The WAKE_* bits set since the last call. */
uint32
scheduler_take_wake(DatabaseEntry *entry)
{
	return pg_atomic_exchange_u32(&entry->wake, 0);
}

/*
 * When a scheduler that ended may be followed by the next; lock held.  One that
 * lived for long starts the count of failures anew.
 */
static void
schedule_restart(DatabaseEntry *entry, int code)
{
	TimestampTz now = GetCurrentTimestamp();
	long		delay = FIRST_RESTART_DELAY_MS;

	if (entry->holds > 0)
		return;					/* it was asked to go */
	if (TimestampDifferenceExceeds(entry->started_at, now, LAST_RESTART_DELAY_MS))
		entry->failures = 0;
	if (code == 0 &&
		TimestampDifferenceExceeds(entry->started_at, now, FIRST_RESTART_DELAY_MS))
	{
		entry->next_start = 0;
		return;
	}
	for (int i = 0; i < entry->failures && delay < LAST_RESTART_DELAY_MS; i++)
		delay *= 2;
	entry->failures++;
	entry->next_start =
		TimestampTzPlusMilliseconds(now, Min(delay, LAST_RESTART_DELAY_MS));
}

/*
 * The scheduler's exit: leave the entry, take the executors along, forget those
 * that were registered and have not come, and let the launcher look.
 */
static void
scheduler_detach(int code, Datum argument pg_attribute_unused())
{
	DatabaseEntry *entry = my_database_entry;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry->scheduler_pid = 0;
	entry->scheduler_pgprocno = -1;
	if (extension_is_absent &&
		(pg_atomic_read_u32(&entry->wake) & WAKE_EXTENSION) == 0)
		entry->state = DATABASE_ABSENT;
	else
	{
		entry->state = DATABASE_UNKNOWN;
		schedule_restart(entry, code);
	}
	slots_forget_starting(entry->database);
	database_terminate_workers(entry);
	LWLockRelease(registry->lock);

	ConditionVariableBroadcast(&registry->databases_changed);
	wake_launcher();
}

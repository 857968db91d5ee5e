/*-------------------------------------------------------------------------
 *
 * holds.c
 *	  Keeping our workers out of a database for as long as somebody needs it
 *	  alone.
 *
 * NOTES
 *	  A hold is taken for commands that cannot work while somebody is connected
 *	  to the database or uses the extension (api/utility_hook.c says which).
 *	  While an entry is held no scheduler can attach, nor an executor.
 *
 *	  It is held until the end of the transaction, not of the statement: only
 *	  then do other processes see what the command did.  The transaction
 *	  callback releases it on commit, on abort and when the process is
 *	  terminated, since its exit aborts the transaction first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/clock.h"
#include "shared/databases.h"
#include "shared/slots.h"
#include "shared/wake.h"
#include "shared/worker.h"

/* A hold gives up waiting after this; the server's own checks decide then. */
#define HOLD_TIMEOUT_MS 30000

/* Databases held by this process's transaction. */
static List *held_databases = NIL;
static bool callback_registered = false;

/* Whether this transaction has this process's database closed. */
static bool closing = false;

static bool database_is_busy(Oid database);
/* Holds of this transaction that are for a change of the extension. */
static int	my_extension_holds = 0;

static void release_holds(void);
static void hold_xact_callback(XactEvent event, void *argument);

/* What has to be so for a hold. */
static void
begin_hold(Oid database)
{
	/*
	 * An executor that waits for its own end would be ended, and started again.
	 */
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
}

/* How many executors there are in this process's database. */
static int
executors_left(void)
{
	DatabaseEntry *entry;
	int			count;

	LWLockAcquire(registry->lock, LW_SHARED);
	entry = database_entry(MyDatabaseId, false);
	count = entry != NULL ? entry->nslots : 0;
	LWLockRelease(registry->lock);
	return count;
}

/*
 * Have the steps of this database that run come to their ends, and none begin,
 * until the end of the current transaction.  Waits for that, interruptibly and
 * for so long at most; what runs still is database_hold()'s to stop.
 */
void
database_close(int timeout_ms)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(steady_now(),
													   timeout_ms);
	DatabaseEntry *entry;

	if (registry == NULL || closing ||
		list_member_oid(held_databases, MyDatabaseId))
		return;
	begin_hold(MyDatabaseId);

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(MyDatabaseId, false);
	if (entry != NULL)
	{
		entry->closings++;
		closing = true;
		wake_entry(entry, WAKE_DRAIN);
	}
	LWLockRelease(registry->lock);

	ConditionVariablePrepareToSleep(&registry->databases_changed);
	while (executors_left() > 0)
	{
		long		remaining = TimestampDifferenceMilliseconds(steady_now(),
														 deadline);

		if (remaining <= 0)
			break;
		ConditionVariableTimedSleep(&registry->databases_changed, remaining,
									wait_event_hold());
	}
	ConditionVariableCancelSleep();
}

bool
database_is_closing(const DatabaseEntry *entry)
{
	return *(const volatile int *) &entry->closings > 0;
}

/*
 * Stop the scheduler and the executors of a database and keep them away until
 * the end of the current transaction, however it ends.  Waits until they are
 * gone, interruptibly and not for ever.  Needs a transaction.
 */
void
database_hold(Oid database, bool extension_changes)
{
	MemoryContext old_context;
	DatabaseEntry *entry;
	TimestampTz deadline;
	bool		timed_out = false;

	if (registry == NULL || list_member_oid(held_databases, database))
		return;

	begin_hold(database);
	old_context = MemoryContextSwitchTo(TopMemoryContext);
	held_databases = lappend_oid(held_databases, database);
	MemoryContextSwitchTo(old_context);

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(database, true);
	if (entry != NULL)
	{
		entry->holds++;
		if (extension_changes)
		{
			entry->extension_holds++;
			my_extension_holds++;
		}
		database_terminate_workers(entry);
	}
	LWLockRelease(registry->lock);

	/* whoever waits for an execution here holds locks the command will want */
	if (extension_changes)
		broadcast_all_finished();

	/* Without room for an entry it has no workers. */
	if (entry == NULL)
	{
		held_databases = list_delete_oid(held_databases, database);
		return;
	}

	deadline = TimestampTzPlusMilliseconds(steady_now(), HOLD_TIMEOUT_MS);
	ConditionVariablePrepareToSleep(&registry->databases_changed);
	while (database_is_busy(database))
	{
		long		remaining = TimestampDifferenceMilliseconds(steady_now(),
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
	busy = entry != NULL && (entry->scheduler_pid != 0 || entry->nslots > 0);
	LWLockRelease(registry->lock);

	return busy;
}

bool
extension_is_held(void)
{
	DatabaseEntry *entry;
	bool		held;

	LWLockAcquire(registry->lock, LW_SHARED);
	entry = database_entry(MyDatabaseId, false);
	held = entry != NULL && entry->extension_holds > 0;
	LWLockRelease(registry->lock);

	return held;
}

/* Let the launcher serve the databases again that this transaction held. */
static void
release_holds(void)
{
	ListCell   *cell;

	if (held_databases == NIL && !closing)
		return;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	if (closing)
	{
		DatabaseEntry *entry = database_entry(MyDatabaseId, false);

		closing = false;
		if (entry != NULL && entry->closings > 0)
		{
			entry->closings--;
			wake_entry(entry, WAKE_DRAIN | WAKE_PENDING);
		}
	}
	foreach(cell, held_databases)
	{
		DatabaseEntry *entry = database_entry(lfirst_oid(cell), false);

		if (entry != NULL && entry->holds > 0)
		{
			entry->holds--;
			if (entry->database == MyDatabaseId && my_extension_holds > 0)
			{
				entry->extension_holds--;
				my_extension_holds--;
			}
			entry->failures = 0;
			entry->next_start = 0;
		}
	}
	LWLockRelease(registry->lock);

	my_extension_holds = 0;
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
	if (event == XACT_EVENT_COMMIT &&
		list_member_oid(held_databases, MyDatabaseId))
		wake_for_extension_now();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		release_holds();
}

/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  What the processes share, as far as all of them need it.
 *
 * NOTES
 *	  The life of a database entry is in databases.c, that of a slot in slots.h.
 *	  The memory is made in shared_memory.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "shared/registry.h"

Registry   *registry = NULL;

/*
 * This process's database; set by attaching, in sessions by the first wake-up.
 */
DatabaseEntry *my_database_entry = NULL;

void
database_set_state(DatabaseEntry *entry, DatabaseState state)
{
	Assert(LWLockHeldByMeInMode(registry->lock, LW_EXCLUSIVE));
	switch (state)
	{
		case DATABASE_UNUSED:
			Assert(entry->state == DATABASE_UNKNOWN ||
				   entry->state == DATABASE_ABSENT);
			break;
		case DATABASE_UNKNOWN:
			break;				/* from anywhere: look again */
		case DATABASE_STARTING:
			Assert(entry->state == DATABASE_UNKNOWN);
			break;
		case DATABASE_ACTIVE:
			Assert(entry->state == DATABASE_STARTING);
			break;
		case DATABASE_ABSENT:
			Assert(entry->state == DATABASE_ACTIVE);
			break;
	}
	entry->state = state;
}

/* Known not to have the extension, and nobody needs to know. */
bool
database_is_replaceable(const DatabaseEntry *entry)
{
	return entry->state == DATABASE_ABSENT && entry->holds == 0 &&
		entry->nslots == 0;
}

/*
 * The entry of a database.  With create, a missing one is made (state UNKNOWN),
 * if need be in the place of a database known not to have the extension.  The
 * caller holds registry->lock, exclusively with create.  NULL: none, or no
 * room.  An entry stays where it is as long as it has a scheduler, executors or
 * holds.
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
		else if (database_is_replaceable(entry))
			absent = entry;
	}

	if (!create)
		return NULL;
	if (unused == NULL)
		unused = absent;
	if (unused == NULL)
		return NULL;

	fault_point("database.known");
	/* The generation goes on counting: an old scheduler must not fit. */
	unused->database = database;
	database_set_state(unused, DATABASE_UNKNOWN);
	unused->scheduler_pid = 0;
	unused->scheduler_pgprocno = -1;
	unused->holds = 0;
	unused->extension_holds = 0;
	unused->nslots = 0;
	unused->nretired = 0;
	unused->waits_until = 0;
	unused->started_at = 0;
	unused->next_start = 0;
	unused->failures = 0;
	unused->failing_since = 0;
	unused->failure[0] = '\0';
	unused->again_since = 0;
	unused->again_until = 0;
	unused->orderly_end = registry->orderly_start;
	unused->blame_known = registry->blame_known;
	pg_atomic_write_u32(&unused->wake, 0);
	unused->pending_limit = 0;
	unused->pending_full_at = 0;
	memset(&unused->counted_before, 0, sizeof(EngineCounts));
	memset(&unused->scheduler_counters, 0, sizeof(CounterBlock));
	memset(&unused->reset_at, 0, sizeof(EngineCounts));
	unused->counted_since = GetCurrentTimestamp();
	return unused;
}

DatabaseEntry *
session_database_entry(void)
{
	if (my_database_entry == NULL ||
		my_database_entry->database != MyDatabaseId)
	{
		LWLockAcquire(registry->lock, LW_EXCLUSIVE);
		my_database_entry = database_entry(MyDatabaseId, true);
		LWLockRelease(registry->lock);
	}
	return my_database_entry;
}

/*
 * Set the latch of a process known by its number; -1: nobody.  Latches are
 * never freed: at worst another process wakes up for nothing.
 */
void
set_latch_of(int pgprocno)
{
	if (pgprocno >= 0)
		SetLatch(&ProcGlobal->allProcs[pgprocno].procLatch);
}

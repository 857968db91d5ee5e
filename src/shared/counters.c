/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Cumulative statistics of the engine: what its processes have done, and
 *	  where their time went.
 *
 * NOTES
 *	  A block has one writer, which takes no lock: it makes the count of changes
 *	  odd while it writes, and who reads tries again until it has seen the same
 *	  even number before and after, as for PgBackendStatus.  So the time of what
 *	  a process does this moment can be shown, too.
 *
 *	  What belongs to a transaction is collected in this process and published
 *	  when that has committed: what is rolled back is not counted, and what is
 *	  done again is counted once.  What dies between its commit and the next
 *	  instruction is not counted at all.
 *
 *	  A reset remembers what the counters had come to; nobody who counts
 *	  notices.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/instrument.h"
#include "port/atomics.h"
#include "utils/timestamp.h"

#include "shared/counters.h"
#include "shared/registry.h"

/* Where this process counts; NULL: it does not. */
static CounterBlock *my_block = NULL;

/* Of the open transaction. */
static EngineCounts uncommitted;
static bool any_uncommitted = false;

static uint64 published_wal_bytes = 0;

/* --- the process that counts --- */

/* Nothing between these two can fail. */
static inline void
begin_change(void)
{
	my_block->changes++;
	pg_write_barrier();
}

static inline void
end_change(void)
{
	pg_write_barrier();
	my_block->changes++;
}

/*
 * In a process that attached to nothing else, and before it has done anything.
 */
void
counters_attach(CounterBlock *block, EngineCounter doing)
{
	TimestampTz now = GetCurrentTimestamp();

	my_block = block;
	published_wal_bytes = pgWalUsage.wal_bytes;
	begin_change();
	block->doing = doing;
	block->since = now;
	end_change();
}

void
counters_detach(void)
{
	if (my_block == NULL)
		return;
	(void) counters_enter(TIME_UNCOUNTED);
	my_block = NULL;
}

TimestampTz
counters_enter(EngineCounter doing)
{
	TimestampTz now = GetCurrentTimestamp();

	counters_enter_at(doing, now);
	return now;
}

/* A clock that is set back adds nothing. */
void
counters_enter_at(EngineCounter doing, TimestampTz now)
{
	if (my_block == NULL)
		return;
	begin_change();
	if (my_block->doing != TIME_UNCOUNTED)
		my_block->counts.value[my_block->doing] += Max(now - my_block->since,
													   0);
	my_block->doing = doing;
	my_block->since = now;
	end_change();
}

void
count_now(EngineCounter counter, uint64 number)
{
	if (my_block == NULL)
		return;
	begin_change();
	my_block->counts.value[counter] += number;
	end_change();
}

void
count_at_commit(EngineCounter counter, uint64 number)
{
	if (my_block == NULL)
		return;
	uncommitted.value[counter] += number;
	any_uncommitted = true;
}

void
counters_committed(void)
{
	if (my_block == NULL)
		return;
	begin_change();
	my_block->counts.value[COUNT_WAL_BYTES] += pgWalUsage.wal_bytes -
		published_wal_bytes;
	published_wal_bytes = pgWalUsage.wal_bytes;
	for (int i = 0; any_uncommitted && i < NUM_ENGINE_COUNTERS; i++)
		my_block->counts.value[i] += uncommitted.value[i];
	end_change();
	counters_aborted();
}

void
counters_aborted(void)
{
	if (!any_uncommitted)
		return;
	memset(&uncommitted, 0, sizeof(uncommitted));
	any_uncommitted = false;
}

/* --- who reads --- */

void
counters_add(EngineCounts *sum, const CounterBlock *block)
{
	const volatile CounterBlock *shared = block;
	CounterBlock copy;
	uint32		before;

	do
	{
		before = shared->changes;
		pg_read_barrier();
		copy = *block;
		pg_read_barrier();
	} while ((before & 1) != 0 || before != shared->changes);

	if (copy.doing < TIME_UNCOUNTED && copy.since != 0)
	{
		TimestampTz now = GetCurrentTimestamp();

		copy.counts.value[copy.doing] += Max(now - copy.since, 0);
	}
	for (int i = 0; i < NUM_ENGINE_COUNTERS; i++)
		sum->value[i] += copy.counts.value[i];
}

/*
 * What was counted for a database since it has an entry.  The registry's lock
 * is held: no slot becomes free, or another database's, meanwhile.
 */
static void
count_database(const DatabaseEntry *entry, EngineCounts *sum)
{
	*sum = entry->counted_before;
	counters_add(sum, &entry->scheduler_counters);
	for (int i = 0; i < registry->nslots; i++)
	{
		const Slot *slot = &registry->slots[i];

		if (slot->state != SLOT_FREE && slot->database == entry->database)
			counters_add(sum, &slot->counters);
	}
}

int
engine_statistics_read(EngineStatistics *statistics)
{
	int			count = 0;

	LWLockAcquire(registry->lock, LW_SHARED);
	for (int i = 0; i < registry->ndatabases; i++)
	{
		const DatabaseEntry *entry = &registry->databases[i];
		EngineStatistics *result = &statistics[count];

		if (entry->state == DATABASE_UNUSED || entry->state == DATABASE_ABSENT)
			continue;
		result->database = entry->database;
		result->since = entry->counted_since;
		count_database(entry, &result->counts);
		for (int k = 0; k < NUM_ENGINE_COUNTERS; k++)
			result->counts.value[k] -= entry->reset_at.value[k];
		count++;
	}
	LWLockRelease(registry->lock);
	return count;
}

void
engine_statistics_reset(Oid database)
{
	TimestampTz now = GetCurrentTimestamp();
	DatabaseEntry *entry;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(database, false);
	if (entry != NULL)
	{
		count_database(entry, &entry->reset_at);
		entry->counted_since = now;
	}
	LWLockRelease(registry->lock);
}

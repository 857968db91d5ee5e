/*-------------------------------------------------------------------------
 *
 * breakers.c
 *	  Circuit breakers in shared memory, one per agent and role of a database.
 *
 * NOTES
 *	  A fixed table of entries in sets of WAYS: a breaker is in the set its key
 *	  leads to, anywhere in it.  Each entry has a spinlock, held for one
 *	  transition.  The lock of the table is held, exclusively, while an entry is
 *	  given to another breaker, and by nobody else: who looks for an entry reads
 *	  the keys without a lock and looks again under the entry's.  Nothing here
 *	  can fail between taking a lock and releasing it.
 *
 *	  What is here is a cache of the table workflow.breakers, with the window
 *	  and the calls under way added, which the table does not have: when a set
 *	  is full its least recently used entry is given up.
 *
 *	  Each role has breakers of its own: an agent runs with the rights of who
 *	  calls it, who can make it fail in any way, and that must not keep others
 *	  from calling.
 *
 *	  A change of state that the table has to know makes the entry unsaved.
 *	  Whoever is told to save writes the row in its transaction and calls
 *	  breaker_saved() when that has committed.  When it has not, somebody else
 *	  is told, after a while.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "shared/breakers.h"
#include "shared/fault.h"

#define BREAKERS_NAME "pg_workflow breakers"

#define SETS 128
#define WAYS 8

/*
 * Time given to who writes a row before somebody else is asked, microseconds.
 */
#define SAVE_TIME INT64CONST(1000000)

typedef struct BreakerEntry
{
	slock_t		mutex;
	Oid			database;		/* InvalidOid: not in use */
	BreakerKey	key;
	int64		used_at;
	bool		unsaved;		/* the row is not what it should be */
	int64		save_after;		/* ask somebody to write it, not before */
	Breaker		breaker;
} BreakerEntry;

typedef struct BreakerTable
{
	LWLock	   *lock;
	BreakerEntry entries[SETS][WAYS];
} BreakerTable;

static BreakerTable *breakers = NULL;

/* --- shared memory --- */

void
breakers_request_shmem(void)
{
	RequestAddinShmemSpace(sizeof(BreakerTable));
	RequestNamedLWLockTranche(BREAKERS_NAME, 1);
}

void
breakers_init_shmem(void)
{
	BreakerTable *shared;
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct(BREAKERS_NAME, sizeof(BreakerTable), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(BreakerTable));
		shared->lock = &(GetNamedLWLockTranche(BREAKERS_NAME))->lock;
		for (int set = 0; set < SETS; set++)
			for (int way = 0; way < WAYS; way++)
				SpinLockInit(&shared->entries[set][way].mutex);
	}
	LWLockRelease(AddinShmemInitLock);
	breakers = shared;
}

bool
breakers_exist(void)
{
	return breakers != NULL;
}

BreakerKey
breaker_key(const char *agent, Oid role)
{
	BreakerKey	key;

	key.agent = hash_bytes_extended((const unsigned char *) agent,
									strlen(agent), 0);
	key.role = role;
	return key;
}

/* --- entries --- */

static BreakerEntry *
set_of(BreakerKey key)
{
	return breakers->entries[hash_combine64(key.agent, ((uint64) MyDatabaseId << 32) | key.role) % SETS];
}

/*
 * The entry of a breaker of this database, with its lock held; NULL: there is
 * none.
 */
static BreakerEntry *
lock_entry(BreakerKey key)
{
	BreakerEntry *set = set_of(key);

	for (int way = 0; way < WAYS; way++)
	{
		BreakerEntry *entry = &set[way];

		if (((volatile BreakerEntry *) entry)->key.agent != key.agent ||
			((volatile BreakerEntry *) entry)->key.role != key.role ||
			((volatile BreakerEntry *) entry)->database != MyDatabaseId)
			continue;
		SpinLockAcquire(&entry->mutex);
		if (entry->key.agent == key.agent && entry->key.role == key.role &&
			entry->database == MyDatabaseId)
			return entry;
		SpinLockRelease(&entry->mutex);
	}
	return NULL;
}

/*
 * A change of state that the table has to know: not that an open breaker is
 * half-open, which the table tells by the time.
 */
static bool
is_for_table(BreakerState before, const Breaker *after)
{
	return after->state == BREAKER_OPEN ||
		(after->state == BREAKER_CLOSED && before != BREAKER_CLOSED);
}

bool
breaker_event(BreakerKey key, const BreakerConfig *config, BreakerEvent event,
			  uint32 generation, BreakerVerdict *verdict)
{
	TimestampTz now = GetCurrentTimestamp();
	BreakerEntry *entry = lock_entry(key);
	Breaker    *breaker;
	BreakerState state_before;
	uint32		generation_before;

	if (entry == NULL)
		return false;
	breaker = &entry->breaker;
	state_before = breaker->state;
	generation_before = breaker->generation;
	verdict->admitted = breaker_transition(breaker, config, event, generation,
										   now);
	entry->used_at = now;
	if (breaker->generation != generation_before &&
		is_for_table(state_before, breaker))
	{
		entry->unsaved = true;
		entry->save_after = 0;
	}
	verdict->save = entry->unsaved &&
		(now >= entry->save_after || now < entry->save_after - SAVE_TIME);
	if (verdict->save)
	{
		entry->save_after = now + SAVE_TIME;
		verdict->breaker = *breaker;
	}
	verdict->generation = breaker->generation;
	verdict->state = breaker->state;
	verdict->half_open_at = breaker->half_open_at;
	SpinLockRelease(&entry->mutex);
	if (verdict->state == state_before)
		return true;
	if (verdict->state == BREAKER_OPEN)
		fault_point("breaker.opened");
	else if (verdict->state == BREAKER_HALF_OPEN)
		fault_point("breaker.half_open");
	else
		fault_point("breaker.closed");
	return true;
}

void
breaker_remember(BreakerKey key, const Breaker *breaker)
{
	BreakerEntry *set = set_of(key);
	BreakerEntry *entry;
	BreakerEntry *victim = NULL;
	int64		used_at = GetCurrentTimestamp();

	LWLockAcquire(breakers->lock, LW_EXCLUSIVE);
	entry = lock_entry(key);
	if (entry != NULL)
		SpinLockRelease(&entry->mutex);
	for (int way = 0; way < WAYS && entry == NULL; way++)
	{
		if (set[way].database == InvalidOid)
		{
			victim = &set[way];
			break;
		}
		if (victim == NULL || set[way].used_at < victim->used_at)
			victim = &set[way];
	}
	if (entry == NULL)
	{
		SpinLockAcquire(&victim->mutex);
		victim->database = MyDatabaseId;
		victim->key = key;
		victim->used_at = used_at;
		victim->unsaved = false;
		victim->save_after = 0;
		victim->breaker = *breaker;
		/* calls that began before the breaker was given up are not its calls */
		victim->breaker.generation = (uint32) (used_at >> 10);
		SpinLockRelease(&victim->mutex);
	}
	LWLockRelease(breakers->lock);
}

bool
breaker_next(int *position, KnownBreaker *known)
{
	while (breakers != NULL && *position < SETS * WAYS)
	{
		BreakerEntry *entry = &breakers->entries[0][0] + (*position)++;
		bool		found;

		if (((volatile BreakerEntry *) entry)->database != MyDatabaseId)
			continue;
		SpinLockAcquire(&entry->mutex);
		found = (entry->database == MyDatabaseId);
		if (found)
		{
			known->key = entry->key;
			known->breaker = entry->breaker;
			known->unsaved = entry->unsaved;
		}
		SpinLockRelease(&entry->mutex);
		if (found)
			return true;
	}
	return false;
}

void
breaker_saved(BreakerKey key, uint32 generation)
{
	BreakerEntry *entry = breakers != NULL ? lock_entry(key) : NULL;

	if (entry == NULL)
		return;
	/* half-open follows open by itself, and is not written */
	if (entry->breaker.generation == generation ||
		(entry->breaker.state == BREAKER_HALF_OPEN &&
		 entry->breaker.generation == generation + 1))
		entry->unsaved = false;
	SpinLockRelease(&entry->mutex);
}

void
breakers_forget(uint64 agent)
{
	BreakerEntry *entry;

	if (breakers == NULL)
		return;
	LWLockAcquire(breakers->lock, LW_EXCLUSIVE);
	entry = &breakers->entries[0][0];
	for (int i = 0; i < SETS * WAYS; i++, entry++)
	{
		SpinLockAcquire(&entry->mutex);
		if (entry->database == MyDatabaseId && entry->key.agent == agent)
			entry->database = InvalidOid;
		SpinLockRelease(&entry->mutex);
	}
	LWLockRelease(breakers->lock);
}

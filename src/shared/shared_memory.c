/*-------------------------------------------------------------------------
 *
 * shared_memory.c
 *	  Makes the registry, when the server starts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "shared/black_box.h"
#include "shared/clock.h"
#include "shared/registry.h"
#include "shared/settings.h"
#include "shared/shared_memory.h"

#define REGISTRY_NAME "pg_workflow"

/*
 * At least so many executors can be stuck before there are fewer than
 * workflow.max_executors.
 */
#define MIN_RESERVE 4

static Size registry_size(void);
static int	number_of_slots(void);

/*
 * Ask for the memory and the locks of the registry.  Needs the final values of
 * the settings: called by shmem_request_hook.
 */
void
shared_memory_request(void)
{
	RequestAddinShmemSpace(registry_size());
	RequestNamedLWLockTranche(REGISTRY_NAME, 2);
}

/*
 * Make or find the registry.  Called by shmem_startup_hook: in the postmaster,
 * and where processes are not forked in each of them.
 */
void
shared_memory_init(void)
{
	Registry   *shared;
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct(REGISTRY_NAME, registry_size(), &found);
	if (!found)
	{
		memset(shared, 0, registry_size());
		shared->lock = &(GetNamedLWLockTranche(REGISTRY_NAME))[0].lock;
		shared->cycle_lock = &(GetNamedLWLockTranche(REGISTRY_NAME))[1].lock;
		shared->launcher_pgprocno = -1;
		shared->orderly_start = server_was_shut_down();
		pg_atomic_init_u32(&shared->settings_changes, 0);
		shared->ndatabases = setting_max_databases;
		shared->nslots = number_of_slots();
		black_box_open(shared->nslots, shared->ndatabases);
		shared->blame_known = black_box_knows();
		ConditionVariableInit(&shared->databases_changed);
		for (int i = 0; i < NUM_WAIT_CHANNELS; i++)
			ConditionVariableInit(&shared->finished[i]);

		shared->databases = (DatabaseEntry *)
			((char *) shared + MAXALIGN(sizeof(Registry)));
		for (int i = 0; i < shared->ndatabases; i++)
		{
			DatabaseEntry *entry = &shared->databases[i];

			entry->state = DATABASE_UNUSED;
			entry->scheduler_pgprocno = -1;
			pg_atomic_init_u32(&entry->wake, 0);
			SpinLockInit(&entry->queued_lock);
			queue_news_clear(&entry->queued);
			pg_atomic_init_u32(&entry->pending_credits, 0);
			pg_atomic_init_u32(&entry->pending_until_count, 0);
		}

		shared->slots = (Slot *)
			((char *) shared->databases +
			 MAXALIGN(mul_size(shared->ndatabases, sizeof(DatabaseEntry))));
		for (int i = 0; i < shared->nslots; i++)
		{
			Slot	   *slot = &shared->slots[i];

			SpinLockInit(&slot->mutex);
			slot->state = SLOT_FREE;
			slot->pgprocno = -1;
		}

		shared->clock_offset = steady_offset();
		shared->waits_for =
			(pg_atomic_uint64 *) ((char *) shared->slots +
								  MAXALIGN(
									  mul_size(shared->nslots, sizeof(Slot))));
		for (int i = 0; i < MaxBackends; i++)
			pg_atomic_init_u64(&shared->waits_for[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);

	registry = shared;
}

/* Size of the registry with its arrays behind it. */
static Size
registry_size(void)
{
	Size		size = MAXALIGN(sizeof(Registry));

	size = add_size(size, MAXALIGN(mul_size(setting_max_databases,
											sizeof(DatabaseEntry))));
	size = add_size(size, MAXALIGN(mul_size(number_of_slots(), sizeof(Slot))));
	size = add_size(size, mul_size(MaxBackends, sizeof(pg_atomic_uint64)));
	return size;
}

/* Some in reserve for the successors of executors that are stuck or retired. */
static int
number_of_slots(void)
{
	return setting_max_executors + Max(MIN_RESERVE, setting_max_executors / 4);
}

/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Shared memory, and the executors' slots in it as the scheduler sees them.
 *
 * NOTES
 *	  Locks are described in slots.h.  The life of a slot:
 *
 *		FREE -> STARTING		scheduler: slot_allocate(), then registers a worker
 *		STARTING, pid set		executor: slot_attach(), before it connects
 *		STARTING -> IDLE		executor: its first slot_take_run()
 *		STARTING -> FREE		no pid: scheduler: slot_release(), or its exit
 *		IDLE -> ASSIGNED		scheduler: slot_assign()
 *		ASSIGNED -> RUNNING		executor: slot_take_run()
 *		RUNNING -> REPORTED		executor: slot_report()
 *		REPORTED -> IDLE		scheduler: slot_take_report()
 *		any -> FREE				executor: on exit, after its transaction was aborted
 *
 *	  The generation grows at each allocation and each release.  Who holds an old
 *	  one (a worker that starts late, a scheduler that looks for a dead executor)
 *	  finds out by comparing.  Slots are shared by all databases: the scheduler's
 *	  functions first check that the slot is still that scheduler's.
 *
 *	  The executor's side is in my_slot.c.  Nothing here can fail between taking
 *	  a lock and releasing it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/clock.h"
#include "shared/compat.h"
#include "shared/settings.h"
#include "shared/black_box.h"
#include "shared/slots.h"

#define REGISTRY_NAME "pg_workflow"

Registry   *registry = NULL;

/* At least so many executors can be stuck before there are fewer than workflow.max_executors. */
#define MIN_RESERVE 4

static Size registry_size(void);
static int	number_of_slots(void);

/* --- shared memory --- */

/*
 * Ask for the memory and the locks of the registry.  Needs the final values of
 * the settings: called by shmem_request_hook.
 */
void
slots_request_shmem(void)
{
	RequestAddinShmemSpace(registry_size());
	RequestNamedLWLockTranche(REGISTRY_NAME, 2);
}

/*
 * Was nothing of ours interrupted when the server that wrote this data directory went?  It was
 * shut down, or ended in its recovery, for want of room say, where none of us had begun.
 * Asked while the control file still says so: not yet started, restarting after a crash, or
 * when the postmaster itself ends.
 */
bool
server_was_shut_down(void)
{
	bool		is_valid;
	ControlFileData *control = get_controlfile(DataDir, &is_valid);
	bool		result = is_valid && (control->state == DB_SHUTDOWNED ||
									  control->state == DB_SHUTDOWNED_IN_RECOVERY ||
									  control->state == DB_SHUTDOWNING ||
									  control->state == DB_IN_CRASH_RECOVERY);

	pfree(control);
	return result;
}

/*
 * Make or find the registry.  Called by shmem_startup_hook: in the postmaster,
 * and where processes are not forked in each of them.
 */
void
slots_init_shmem(void)
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
		shared->waits_for = (pg_atomic_uint64 *)
			((char *) shared->slots + MAXALIGN(mul_size(shared->nslots, sizeof(Slot))));
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

/* --- the scheduler's side --- */

/* Whether this process is the scheduler that allocated the slot; spinlock held. */
bool
slot_is_ours(const Slot *slot)
{
	return my_database_entry != NULL &&
		slot->state != SLOT_FREE &&
		slot->database == my_database_entry->database &&
		slot->scheduler_generation == my_database_entry->generation;
}

/*
 * Take a slot from a database.  Both locks are held.  The generation grows, so that
 * nobody takes the next user of the slot for the present one.
 */
void
slot_clear(Slot *slot, DatabaseEntry *entry)
{
	entry->nslots--;
	if (slot->retired)
		entry->nretired--;
	slot->state = SLOT_FREE;
	slot->generation++;
	slot->database = InvalidOid;
	slot->role = InvalidOid;
	slot->pid = 0;
	slot->pgprocno = -1;
	slot->scheduler_generation = 0;
	slot->exit_requested = false;
	slot->leaving_since = 0;
	slot->retired = false;
	slot->trouble = TROUBLE_NONE;
	slot->settling = false;
	slot->interrupted_at = 0;
	slot->heartbeat_at = 0;
	slot->stop = STOP_NONE;
	memset(&slot->progress, 0, sizeof(Progress));
	counters_add(&entry->counted_before, &slot->counters);
	memset(&slot->counters, 0, sizeof(CounterBlock));
}

/* Executors that count, of all databases; registry lock held. */
static int
count_active(void)
{
	int			count = 0;

	for (int i = 0; i < registry->ndatabases; i++)
		if (registry->databases[i].state != DATABASE_UNUSED)
			count += registry->databases[i].nslots - registry->databases[i].nretired;
	return count;
}

bool
slots_in_reserve(void)
{
	int			taken = 0;

	LWLockAcquire(registry->lock, LW_SHARED);
	for (int i = 0; i < registry->ndatabases; i++)
		if (registry->databases[i].state != DATABASE_UNUSED)
			taken += registry->databases[i].nslots;
	LWLockRelease(registry->lock);
	return taken < registry->nslots;
}

/*
 * Take a free slot for an executor of a role; the caller registers a worker
 * for it next.  Returns the slot's number.  -1: all are taken, and the database
 * waits for one; or others wait, and it has its share.  See shares.c.
 */
int
slot_allocate(Oid database, Oid role, uint32 scheduler_generation)
{
	DatabaseEntry *entry = my_database_entry;
	bool		give_way;
	bool		full;
	int			result = -1;

	Assert(entry != NULL && entry->database == database);
	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	/* the steps of others may not end: who has none gets one of the reserve then */
	full = count_active() >= setting_max_executors && !share_waits_long(entry);
	give_way = share_of(entry) > 0 && share_is_exceeded(entry, share_of(entry) + 1);
	for (int i = 0; i < registry->nslots && result < 0 && !give_way && !full; i++)
	{
		Slot	   *slot = &registry->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state == SLOT_FREE)
		{
			slot->state = SLOT_STARTING;
			slot->generation++;
			slot->database = database;
			slot->role = role;
			slot->scheduler_generation = scheduler_generation;
			slot->attached_at = 0;
			slot->runs_done = 0;
			slot->steps_done = 0;
			slot->memory_bytes = 0;
			slot->peak_memory = 0;
			slot->exit_reason = EXIT_NONE;
			slot->terminated = false;
			slot->ended_by_weather = false;
			memset(&slot->request, 0, sizeof(ExitRequest));
			result = i;
		}
		SpinLockRelease(&slot->mutex);
	}
	if (result >= 0)
	{
		entry->nslots++;
		share_stop_waiting(entry);
	}
	else if (!give_way)
		share_wait_for_slot(entry);
	LWLockRelease(registry->lock);

	return result;
}

/* The generation of a slot, to be remembered by who allocated it. */
uint32
slot_generation(int slot_number)
{
	Slot	   *slot = &registry->slots[slot_number];
	uint32		generation;

	SpinLockAcquire(&slot->mutex);
	generation = slot->generation;
	SpinLockRelease(&slot->mutex);

	return generation;
}

/*
 * Look at the executor that was given this generation of the slot.  When it is gone
 * its last words are there until somebody else is given the slot.
 */
void
slot_look(int slot_number, uint32 generation, SlotView *view)
{
	Slot	   *slot = &registry->slots[slot_number];
	bool		alive;

	SpinLockAcquire(&slot->mutex);
	alive = slot->generation == generation;
	view->state = alive ? slot->state : SLOT_FREE;
	view->last_words = alive || slot->generation == generation + 1;
	view->pid = slot->pid;
	view->attached_at = slot->attached_at;
	view->exit_reason = slot->exit_reason;
	view->terminated = slot->terminated;
	view->ended_by_weather = slot->ended_by_weather;
	view->request = slot->request;
	view->runs_done = slot->runs_done;
	view->steps_done = slot->steps_done;
	view->peak_memory = slot->peak_memory;
	SpinLockRelease(&slot->mutex);
}

/*
 * Give back a slot whose worker never came.  If it came after all, this does
 * nothing: the executor frees its slot itself.  If it comes later, it finds
 * another generation.
 */
void
slot_release(int slot_number)
{
	Slot	   *slot = &registry->slots[slot_number];

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot) && slot->state == SLOT_STARTING && slot->pid == 0)
		slot_clear(slot, my_database_entry);
	SpinLockRelease(&slot->mutex);
	share_slot_freed();
	LWLockRelease(registry->lock);
}

/*
 * Forget the executors of a database that were registered and have not come:
 * their scheduler ends.  The caller holds registry->lock exclusively.
 */
void
slots_forget_starting(DatabaseEntry *entry)
{
	for (int i = 0; i < registry->nslots; i++)
	{
		Slot	   *slot = &registry->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state == SLOT_STARTING && slot->pid == 0 &&
			slot->database == entry->database)
			slot_clear(slot, entry);
		SpinLockRelease(&slot->mutex);
	}
	share_slot_freed();
}

/*
 * Hand a run to an idle executor and wake it.  Returns false when the executor
 * is not there any more, or not idle.
 */
bool
slot_assign(int slot_number, const Run *run)
{
	Slot	   *slot = &registry->slots[slot_number];
	TimestampTz now = GetCurrentTimestamp();
	bool		assigned = false;
	int			pgprocno = -1;

	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot) && slot->state == SLOT_IDLE && !slot->exit_requested)
	{
		slot->run = *run;
		slot->stop = STOP_NONE;
		slot->stop_execution = 0;
		slot->heartbeat_at = now;
		slot->state = SLOT_ASSIGNED;
		pgprocno = slot->pgprocno;
		assigned = true;
	}
	SpinLockRelease(&slot->mutex);

	set_latch_of(pgprocno);
	return assigned;
}

bool
stop_interrupts(StopReason reason)
{
	switch (reason)
	{
		case STOP_CANCEL:
		case STOP_SIBLING:
		case STOP_ENDED:
			return true;
		case STOP_NONE:
		case STOP_YIELD:
		case STOP_PAUSE:
			break;
	}
	return false;
}

static bool
request_stop(int slot_number, StopReason reason, int64 execution_id, bool keep_pause)
{
	Slot	   *slot = &registry->slots[slot_number];
	pid_t		pid = 0;
	int			pgprocno = -1;
	bool		current = false;

	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot) &&
		(slot->state == SLOT_ASSIGNED || slot->state == SLOT_RUNNING))
	{
		current = (execution_id == 0 || slot->progress.execution_id == execution_id);

		/* what stops the execution that runs is not replaced by less, nor by what is for another one */
		if (!(stop_interrupts(slot->stop) || (keep_pause && slot->stop == STOP_PAUSE)) ||
			(slot->stop_execution != 0 && slot->stop_execution != slot->progress.execution_id))
		{
			slot->stop = reason;
			slot->stop_execution = execution_id;
		}
		if (stop_interrupts(reason) && current)
			pid = slot->pid;
		pgprocno = slot->pgprocno;
	}
	SpinLockRelease(&slot->mutex);

	/*
	 * The executor can have reported meanwhile, even exited.  A signal that hits
	 * it idle is forgotten by slot_take_run(); nobody but this process, which is
	 * here, hands it a new run.
	 */
	if (pid != 0)
		kill(pid, SIGINT);
	set_latch_of(pgprocno);
	return current;
}

/*
 * Ask the executor to stop its present run.  The first real reason stays; a
 * repeated request sends the signal again, since the user's SQL can have
 * swallowed it.  An executor that is not busy is left alone.
 */
bool
slot_request_stop(int slot_number, StopReason reason, int64 execution_id)
{
	return request_stop(slot_number, reason, execution_id, false);
}

/*
 * Ask the executor to give way behind its step.  One that is to pause does so
 * behind its iteration: that it gives way as well is no reason to do that earlier.
 */
void
slot_request_yield(int slot_number)
{
	(void) request_stop(slot_number, STOP_YIELD, 0, true);
}

/*
 * Ask the executor to exit as soon as it is idle.  The first reason stays.
 */
void
slot_request_exit(int slot_number, ExitReason reason)
{
	Slot	   *slot = &registry->slots[slot_number];
	int			pgprocno = -1;

	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot))
	{
		slot_leave(slot);
		if (slot->exit_reason == EXIT_NONE)
			slot->exit_reason = reason;
		pgprocno = slot->pgprocno;
	}
	SpinLockRelease(&slot->mutex);

	set_latch_of(pgprocno);
}

/*
 * Take the report of an executor whose run is over; it is idle then, or asked to
 * leave when another database waits for its slot.  Returns false when there is
 * none.
 */
bool
slot_take_report(int slot_number, Report *report)
{
	Slot	   *slot = &registry->slots[slot_number];
	bool		taken = false;
	bool		give_way = slots_are_wanted_elsewhere();
	int			pgprocno = -1;

	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot) && slot->state == SLOT_REPORTED)
	{
		*report = slot->report;
		slot->stop = STOP_NONE;
		if (give_way && !slot->exit_requested)
		{
			slot_leave(slot);
			slot->exit_reason = EXIT_ROOM;
		}
		slot->idle_since = steady_now();
		slot->state = SLOT_IDLE;
		if (slot->exit_requested)
			pgprocno = slot->pgprocno;
		taken = true;
	}
	SpinLockRelease(&slot->mutex);

	set_latch_of(pgprocno);
	return taken;
}

/* The executor is to leave when it is idle; the slot's lock is held. */
void
slot_leave(Slot *slot)
{
	slot->exit_requested = true;
	if (slot->leaving_since == 0)
		slot->leaving_since = GetCurrentTimestamp();
}

/*
 * Others than the thread that has ended the execution may still be on their way out: its
 * branches.  Of a run of several executions only the one it is at counts.
 */
pid_t
slot_at_work(int64 execution_id)
{
	pid_t		pid = 0;

	for (int i = 0; registry != NULL && i < registry->nslots && pid == 0; i++)
	{
		Slot	   *slot = &registry->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->database == MyDatabaseId &&
			(slot->state == SLOT_ASSIGNED || slot->state == SLOT_RUNNING) &&
			((slot->state == SLOT_RUNNING && slot->progress.execution_id == execution_id) ||
			 (slot->run.kind != RUN_START && slot->run.execution_ids[0] == execution_id)))
			pid = slot->pid;
		SpinLockRelease(&slot->mutex);
	}
	return pid;
}

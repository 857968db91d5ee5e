/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  The executors' slots as the scheduler sees them.
 *
 * NOTES
 *	  The protocol is in slots.h, the executor's side in my_slot.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "shared/clock.h"
#include "shared/settings.h"
#include "shared/shares.h"
#include "shared/slots.h"

void
slot_set_state(Slot *slot, SlotState state)
{
	switch (state)
	{
		case SLOT_FREE:
			break;				/* whoever had it is gone, at whatever it was */
		case SLOT_STARTING:
			Assert(slot->state == SLOT_FREE);
			break;
		case SLOT_IDLE:
			Assert(slot->state == SLOT_STARTING ||
				   slot->state == SLOT_REPORTED);
			break;
		case SLOT_ASSIGNED:
			Assert(slot->state == SLOT_IDLE);
			break;
		case SLOT_RUNNING:
			Assert(slot->state == SLOT_ASSIGNED);
			break;
		case SLOT_REPORTED:
			Assert(slot->state == SLOT_RUNNING);
			break;
	}
	slot->state = state;
}

/* --- the scheduler's side --- */

/*
 * Whether this process is the scheduler that allocated the slot; spinlock held.
 */
bool
slot_is_ours(const Slot *slot)
{
	return my_database_entry != NULL &&
		slot->state != SLOT_FREE &&
		slot->database == my_database_entry->database &&
		slot->scheduler_generation == my_database_entry->generation;
}

/*
 * Take a slot from a database.  Both locks are held.  The generation grows, so
 * that nobody takes the next user of the slot for the present one.
 */
void
slot_clear(Slot *slot, DatabaseEntry *entry)
{
	entry->nslots--;
	if (slot->retired)
		entry->nretired--;
	slot_set_state(slot, SLOT_FREE);
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
			count += registry->databases[i].nslots -
				registry->databases[i].nretired;
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
	/*
	 * the steps of others may not end: who has none gets one of the reserve
	 * then
	 */
	full = count_active() >= setting_max_executors && !share_waits_long(entry);
	give_way = share_of(entry) > 0 &&
		share_is_exceeded(entry, share_of(entry) + 1);
	for (int i = 0; i < registry->nslots && result < 0 && !give_way && !full;
		 i++)
	{
		Slot	   *slot = &registry->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state == SLOT_FREE)
		{
			slot_set_state(slot, SLOT_STARTING);
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
 * Look at the executor that was given this generation of the slot.  When it is
 * gone its last words are there until somebody else is given the slot.
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
		slot_set_state(slot, SLOT_ASSIGNED);
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
request_stop(int slot_number, StopReason reason, int64 execution_id,
			 bool keep_pause)
{
	Slot	   *slot = &registry->slots[slot_number];
	pid_t		pid = 0;
	int			pgprocno = -1;
	bool		current = false;

	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot) &&
		(slot->state == SLOT_ASSIGNED || slot->state == SLOT_RUNNING))
	{
		current = (execution_id == 0 ||
				   slot->progress.execution_id == execution_id);

		/*
		 * what stops the execution that runs is not replaced by less, nor by
		 * what is for another one
		 */
		if (!(stop_interrupts(slot->stop) ||
			  (keep_pause && slot->stop == STOP_PAUSE)) ||
			(slot->stop_execution != 0 &&
			 slot->stop_execution != slot->progress.execution_id))
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
	 * The executor can have reported meanwhile, even exited.  A signal that
	 * hits it idle is forgotten by slot_take_run(); nobody but this process,
	 * which is here, hands it a new run.
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
 * behind its iteration: that it gives way as well is no reason to do that
 * earlier.
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
 * Take the report of an executor whose run is over; it is idle then, or asked
 * to leave when another database waits for its slot.  Returns false when there
 * is none.
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
		slot_set_state(slot, SLOT_IDLE);
		if (slot->exit_requested)
			pgprocno = slot->pgprocno;
		taken = true;
	}
	SpinLockRelease(&slot->mutex);

	set_latch_of(pgprocno);
	return taken;
}

/*
 * Others than the thread that has ended the execution may still be on their way
 * out: its branches.  Of a run of several executions only the one it is at
 * counts.
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
			((slot->state == SLOT_RUNNING &&
			  slot->progress.execution_id == execution_id) ||
			 (slot->run.kind != RUN_START &&
			  slot->run.execution_ids[0] == execution_id)))
			pid = slot->pid;
		SpinLockRelease(&slot->mutex);
	}
	return pid;
}

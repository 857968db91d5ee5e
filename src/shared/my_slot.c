/*-------------------------------------------------------------------------
 *
 * my_slot.c
 *	  The executor's side of its slot.
 *
 * NOTES
 *	  The states and the locks are described in slots.c and slots.h.  The slot
 *	  is this process's until it exits: the fields it alone writes are read
 *	  without the lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "shared/black_box.h"
#include "shared/clock.h"
#include "shared/compat.h"
#include "shared/fault.h"
#include "shared/own_role.h"
#include "shared/settings.h"
#include "shared/shares.h"
#include "shared/slots.h"
#include "shared/wake.h"
#include "shared/worker.h"

/* Runs between two looks at the memory of the process. */
#define MEMORY_CHECK_INTERVAL 64

/* Between two signs of life while there is a run, ms. */
#define HEARTBEAT_MS 2000

Slot	   *my_slot = NULL;

static void slot_detach(int code, Datum argument);

/*
 * Take the slot this process was started for; see slots.h.  What makes a slot
 * stale is normal operation (a scheduler that ended, a database that is being
 * dropped), so the process leaves without noise.
 */
void
slot_attach(int slot_number, uint32 generation)
{
	TimestampTz now = GetCurrentTimestamp();
	DatabaseEntry *entry;
	Slot	   *slot;
	bool		valid;

	if (registry == NULL || slot_number < 0 || slot_number >= registry->nslots)
		elog(ERROR, "executor was started with slot %d", slot_number);
	if (OidIsValid(MyDatabaseId))
		elog(ERROR, "executor must attach before it connects");
	slot = &registry->slots[slot_number];

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(slot->database, false);
	SpinLockAcquire(&slot->mutex);
	valid = entry != NULL && slot->state == SLOT_STARTING && slot->pid == 0 &&
		slot->generation == generation;
	if (valid &&
		(entry->state != DATABASE_ACTIVE ||
		 entry->generation != slot->scheduler_generation || entry->holds > 0))
	{
		slot_clear(slot, entry);
		valid = false;
	}
	if (valid)
	{
		slot->pid = MyProcPid;
		slot->pgprocno = compat_my_pgprocno();
		slot->attached_at = now;
	}
	SpinLockRelease(&slot->mutex);
	LWLockRelease(registry->lock);

	if (!valid)
	{
		ereport(DEBUG1,
				(errmsg_internal("executor slot %d is not waiting for this process",
								 slot_number)));
		proc_exit(0);
	}

	my_slot = slot;
	my_database_entry = entry;
	before_shmem_exit(slot_detach, Int32GetDatum(slot_number));
	counters_attach(&slot->counters, TIME_STARTUP);
	black_box_attach(slot_number);
	fault_point("slot.attached");
}

/*
 * The executor's exit: free the slot and tell the scheduler, or, when there is
 * none any more, the launcher and whoever waits for the database to be empty.
 */
static void
slot_detach(int code pg_attribute_unused(), Datum argument)
{
	Slot	   *slot = &registry->slots[DatumGetInt32(argument)];
	bool		has_scheduler;
	bool		in_a_run;

	my_slot = NULL;
	counters_detach();
	black_box_end();

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	SpinLockAcquire(&slot->mutex);
	slot->terminated = worker_terminated_by_others();
	in_a_run = slot->state == SLOT_RUNNING;
	slot_clear(slot, my_database_entry);
	SpinLockRelease(&slot->mutex);
	share_slot_freed();
	has_scheduler = my_database_entry->state == DATABASE_ACTIVE;
	LWLockRelease(registry->lock);

	fault_point("slot.freed");
	if (has_scheduler)
		wake_entry(my_database_entry, WAKE_REPORT);
	else
		wake_launcher();
	ConditionVariableBroadcast(&registry->databases_changed);
	/*
	 * its last commit may have ended executions, and it did not come to say so
	 */
	if (in_a_run)
		broadcast_all_finished();
}

/*
 * Take the run the scheduler has put into the slot.  Returns false when there
 * is none.  The first call tells the scheduler that this executor is connected
 * and idle; one whose connection is refused never gets there, nor to a run.  A
 * cancel that was sent to the run before is forgotten; a stop of the new run
 * shows in slot_stop_reason(), whether its signal was forgotten or not.
 */
bool
slot_take_run(Run *run)
{
	bool		taken = false;
	bool		ready = false;

	SpinLockAcquire(&my_slot->mutex);
	if (my_slot->state == SLOT_ASSIGNED)
	{
		*run = my_slot->run;
		slot_set_state(my_slot, SLOT_RUNNING);
		taken = true;
	}
	else if (my_slot->state == SLOT_STARTING)
	{
		slot_set_state(my_slot, SLOT_IDLE);
		my_slot->idle_since = steady_now();
		ready = true;
	}
	SpinLockRelease(&my_slot->mutex);

	if (taken)
		fault_point("slot.running");
	if (ready)
	{
		fault_point("slot.idle");
		count_now(COUNT_EXECUTORS, 1);
		wake_entry(my_database_entry, WAKE_REPORT);
	}

	QueryCancelPending = false;
	return taken;
}

/* Has this process done its share, grown too large, or become a stranger? */
static ExitReason
recycling_reason(int64 runs, int64 memory)
{
	if (own_role_changed() || own_settings_changed())
		return EXIT_ROLE;
	if (setting_executor_max_runs > 0 && runs >= setting_executor_max_runs)
		return EXIT_RUNS;
	if (setting_executor_max_memory > 0 &&
		memory / 1024 > setting_executor_max_memory)
		return EXIT_MEMORY;
	return EXIT_NONE;
}

/*
 * Tell the scheduler how the run ended.  One that has been written off
 * meanwhile has nothing to tell: its run is another's.
 */
bool
slot_report(const Report *report)
{
	int64		memory = my_slot->memory_bytes;
	ExitReason	recycle;
	bool		reported = false;

	/* walking all contexts is too much for every run */
	if (my_slot->runs_done % MEMORY_CHECK_INTERVAL == 0)
		memory = MemoryContextMemAllocated(TopMemoryContext, true);
	recycle = recycling_reason(my_slot->runs_done + 1, memory);

	SpinLockAcquire(&my_slot->mutex);
	Assert(my_slot->state == SLOT_RUNNING);
	if (my_slot->trouble == TROUBLE_NONE)
	{
		my_slot->report = *report;
		slot_set_state(my_slot, SLOT_REPORTED);
		my_slot->runs_done++;
		my_slot->memory_bytes = memory;
		my_slot->peak_memory = Max(my_slot->peak_memory, memory);
		memset(&my_slot->progress, 0, sizeof(Progress));
		if (recycle != EXIT_NONE && !my_slot->exit_requested)
		{
			slot_leave(my_slot);
			my_slot->exit_reason = recycle;
		}
		reported = true;
	}
	SpinLockRelease(&my_slot->mutex);

	fault_point("slot.reported");
	wake_entry(my_database_entry, WAKE_REPORT);
	return reported;
}

/* --- heartbeat --- */

static TimeoutId heartbeat_timer = USER_TIMEOUT;
static bool heartbeat_running = false;
/*
 * The server's own indicator of a timer that repeats is off again when it has
 * gone off.
 */
static volatile sig_atomic_t heartbeat_went_off = false;

static void
heartbeat_handler(void)
{
	heartbeat_went_off = true;
	if (my_slot != NULL)
		*(volatile TimestampTz *) &my_slot->heartbeat_at = GetCurrentTimestamp();
}

void
slot_heartbeat_start(void)
{
	static bool registered = false;

	if (heartbeat_running)
		return;
	if (!registered)
		heartbeat_timer = RegisterTimeout(USER_TIMEOUT, heartbeat_handler);
	registered = true;
	heartbeat_running = true;
	heartbeat_handler();
	heartbeat_went_off = false;
	enable_timeout_every(heartbeat_timer,
						 TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 HEARTBEAT_MS),
						 HEARTBEAT_MS);
}

void
slot_heartbeat_stop(void)
{
	/*
	 * not before it went off: who is given another run soon has it going still
	 */
	if (!heartbeat_running || !heartbeat_went_off)
		return;
	disable_timeout(heartbeat_timer, false);
	heartbeat_running = false;
}

/*
 * The time of the step is over, and this process tells itself so: from now on
 * the scheduler looks whether it listens.  In a signal handler: no lock,
 * nothing that can fail.
 */
void
slot_note_interrupt(void)
{
	if (my_slot == NULL || my_slot->interrupted_at != 0)
		return;
	*(volatile TimestampTz *) &my_slot->interrupted_at = steady_now();
	wake_entry(my_database_entry, WAKE_REPORT);
}

/* It has listened. */
void
slot_forget_interrupt(void)
{
	if (my_slot != NULL && my_slot->interrupted_at != 0)
		*(volatile TimestampTz *) &my_slot->interrupted_at = 0;
}

/*
 * Whether, and why, the scheduler wants the work on an execution of the present
 * run to end.  Cheap: no lock while nobody asks.
 */
StopReason
slot_stop_reason(int64 execution_id)
{
	StopReason	reason = *(volatile StopReason *) &my_slot->stop;

	if (reason == STOP_NONE)
		return STOP_NONE;
	SpinLockAcquire(&my_slot->mutex);
	reason = my_slot->stop;
	if (my_slot->stop_execution != 0 && my_slot->stop_execution != execution_id)
		reason = STOP_NONE;
	SpinLockRelease(&my_slot->mutex);
	return reason;
}

/*
 * If that is rolled back, the run gives way for nothing.
 */
void
slot_pause_myself(int64 execution_id)
{
	if (my_slot == NULL)
		return;
	SpinLockAcquire(&my_slot->mutex);
	if (my_slot->stop == STOP_NONE &&
		my_slot->progress.execution_id == execution_id)
	{
		my_slot->stop = STOP_PAUSE;
		my_slot->stop_execution = execution_id;
	}
	SpinLockRelease(&my_slot->mutex);
}

/* Whether the scheduler wants this executor to leave when idle.  Cheap. */
bool
slot_exit_requested(void)
{
	return *(volatile bool *) &my_slot->exit_requested;
}

/* Whether it may leave now: asked to, and its last report was taken. */
bool
slot_may_leave(void)
{
	bool		result;

	SpinLockAcquire(&my_slot->mutex);
	result = my_slot->exit_requested && my_slot->state == SLOT_IDLE;
	SpinLockRelease(&my_slot->mutex);
	return result;
}

/* Show what this executor does now; NULL: nothing. */
void
slot_set_progress(const Progress *progress)
{
	SpinLockAcquire(&my_slot->mutex);
	if (progress != NULL)
		my_slot->progress = *progress;
	else
		memset(&my_slot->progress, 0, sizeof(Progress));
	SpinLockRelease(&my_slot->mutex);
}

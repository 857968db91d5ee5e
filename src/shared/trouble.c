/*-------------------------------------------------------------------------
 *
 * trouble.c
 *	  Slots of executors that do not respond, or are asked to leave by somebody.
 *
 * NOTES
 *	  An executor that is stuck or retired keeps its slot until it dies, and no
 *	  longer counts against workflow.max_executors nor its database's share: the
 *	  array of slots has some in reserve for its successor.  Locks as described
 *	  in slots.h; whether a slot counts is protected by both.
 *
 *	  Scheduler, except for slot_ask(), which sessions call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "shared/shares.h"
#include "shared/slots.h"
#include "shared/wake.h"

/* The state of an executor as people see it. */
const char *
slot_state_name(SlotState state, SlotTrouble trouble, bool leaving)
{
	switch (trouble)
	{
		case TROUBLE_STUCK:
			return "stuck";
		case TROUBLE_QUARANTINED:
			return "quarantined";
		case TROUBLE_NONE:
			break;
	}
	if (leaving)
		return "draining";
	switch (state)
	{
		case SLOT_STARTING:
			return "starting";
		case SLOT_IDLE:
			return "idle";
		default:
			return "busy";
	}
}

/* Count the slot no longer; both locks held. */
static void
retire(Slot *slot)
{
	if (slot->retired)
		return;
	slot->retired = true;
	my_database_entry->nretired++;
}

/* Another executor may be started in its place already. */
void
slot_retire(int slot_number)
{
	Slot	   *slot = &registry->slots[slot_number];

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot))
		retire(slot);
	SpinLockRelease(&slot->mutex);
	share_slot_freed();
	LWLockRelease(registry->lock);
}

/*
 * Since when the executor has not responded to the end of its step's time; 0:
 * it has, or there was none.
 */
TimestampTz
slot_interrupted_at(int slot_number)
{
	Slot	   *slot = &registry->slots[slot_number];
	TimestampTz result = 0;

	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot) && slot->state == SLOT_RUNNING)
		result = *(volatile TimestampTz *) &slot->interrupted_at;
	SpinLockRelease(&slot->mutex);
	return result;
}

/*
 * The executor works on the execution (0: on any) although it was told to stop
 * long ago: it is stuck.  From now on its report is not taken.
 */
bool
slot_stuck(int slot_number, int64 execution_id, Progress *progress, pid_t *pid)
{
	Slot	   *slot = &registry->slots[slot_number];
	bool		stuck = false;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot) && slot->state == SLOT_RUNNING &&
		(execution_id == 0 || slot->progress.execution_id == execution_id))
	{
		slot->trouble = TROUBLE_STUCK;
		retire(slot);
		*progress = slot->progress;
		*pid = slot->pid;
		stuck = true;
	}
	SpinLockRelease(&slot->mutex);
	share_slot_freed();
	LWLockRelease(registry->lock);

	if (stuck)
		kill(*pid, SIGTERM);
	return stuck;
}

/* It ignores SIGTERM, too. */
void
slot_quarantine(int slot_number)
{
	Slot	   *slot = &registry->slots[slot_number];

	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot))
		slot->trouble = TROUBLE_QUARANTINED;
	SpinLockRelease(&slot->mutex);
}

/*
 * Has the SQL of the stuck step ended, so that its row may have been written,
 * and only the commit does not come back?
 */
bool
slot_settling(int slot_number)
{
	return *(volatile bool *) &registry->slots[slot_number].settling;
}

/*
 * Take over the executors that earlier schedulers of this database left behind,
 * and that have not died since: they are written off.
 */
int
slots_adopt(int *slots, int max)
{
	int			count = 0;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	for (int i = 0; i < registry->nslots && count < max; i++)
	{
		Slot	   *slot = &registry->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state != SLOT_FREE &&
			slot->database == my_database_entry->database &&
			slot->scheduler_generation != my_database_entry->generation)
		{
			slot->scheduler_generation = my_database_entry->generation;
			slot->trouble = TROUBLE_QUARANTINED;
			retire(slot);
			slots[count++] = i;
		}
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(registry->lock);
	return count;
}

/* What a session asked for has been seen. */
void
slot_forget_request(int slot_number)
{
	Slot	   *slot = &registry->slots[slot_number];

	SpinLockAcquire(&slot->mutex);
	if (slot_is_ours(slot))
		slot->request.reason = EXIT_NONE;
	SpinLockRelease(&slot->mutex);
}

/*
 * A session asks an executor, of whatever database, to leave: its scheduler
 * sees to it.  False: the executor has gone.
 */
bool
slot_ask(int slot_number, uint32 generation, const ExitRequest *request)
{
	Slot	   *slot = &registry->slots[slot_number];
	DatabaseEntry *entry;
	Oid			database = InvalidOid;

	LWLockAcquire(registry->lock, LW_SHARED);
	SpinLockAcquire(&slot->mutex);
	if (slot->state != SLOT_FREE && slot->generation == generation)
	{
		slot->request = *request;
		database = slot->database;
	}
	SpinLockRelease(&slot->mutex);
	entry = OidIsValid(database) ? database_entry(database, false) : NULL;
	if (entry != NULL)
		wake_entry(entry, WAKE_REPORT);
	LWLockRelease(registry->lock);
	return OidIsValid(database);
}

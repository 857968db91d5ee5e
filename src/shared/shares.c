/*-------------------------------------------------------------------------
 *
 * shares.c
 *	  How the databases share the slots.
 *
 * NOTES
 *	  A database may use every slot while nobody else wants one: executors are
 *	  kept for the next run.  A scheduler that finds no slot free waits for one.
 *	  As long as somebody waits, a database with more than its share gives slots
 *	  up, an idle executor at once, a busy one at the end of its run, and gets
 *	  no further ones.  The share is the number of slots divided by the
 *	  databases that have or want some.  For one that waits without a single
 *	  executor any other gives way; where the steps do not end, it gets a slot
 *	  of the reserve.  What has been idle for SPARE_AFTER_MS is nobody's share.
 *
 *	  Who waits is woken when a slot becomes free, and may ask again within
 *	  OFFER_MS before others take it.  It may also not want it any more; then
 *	  the time passes and it waits no longer.  Who is refused a slot for the
 *	  sake of another has executors, and asks again when one of them reports.
 *
 *	  A run can be long.  When somebody begins to wait, the schedulers that may
 *	  have to give way are woken, and ask their runs to yield at the next step.
 *
 *	  Everything with a database entry as argument is called with registry->lock
 *	  held exclusively.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/clock.h"
#include "shared/settings.h"
#include "shared/shares.h"
#include "shared/slots.h"
#include "shared/wake.h"

/* For how long a slot that became free is kept for those that wait. */
#define OFFER_MS 1000

/* An executor that has been idle for so long is not needed where it is. */
#define SPARE_AFTER_MS 1000

static bool ask_idle_executor_to_leave(const DatabaseEntry *for_entry);

/*
 * Executors that are stuck or retired do not count: others have been started in
 * their place.
 */
int
share_of(const DatabaseEntry *entry)
{
	return entry->nslots - entry->nretired;
}

/*
 * Note that a database wants a slot and there is none; make room if that is
 * fair.
 */
void
share_wait_for_slot(DatabaseEntry *entry)
{
	bool		begins = entry->waits_until == 0;

	if (begins)
	{
		registry->nwaiting++;
		entry->waits_since = steady_now();
	}
	entry->waits_until = DT_NOEND;

	if (!ask_idle_executor_to_leave(entry) && begins)
		for (int i = 0; i < registry->ndatabases; i++)
		{
			DatabaseEntry *other = &registry->databases[i];

			if (other != entry && share_of(other) > 0)
				wake_entry(other, WAKE_REPORT);
		}
}

/* The database has got a slot, or nobody there wants one any more. */
void
share_stop_waiting(DatabaseEntry *entry)
{
	if (entry->waits_until != 0)
		registry->nwaiting--;
	entry->waits_until = 0;
}

/*
 * Has the database no executor, and has nobody given one up for it within the
 * time that a run may last?
 */
bool
share_waits_long(const DatabaseEntry *entry)
{
	return entry->waits_until != 0 && share_of(entry) == 0 &&
		TimestampDifferenceExceeds(entry->waits_since, steady_now(),
								   2 * setting_run_quantum);
}

/* A slot has become free: whoever waits shall ask again. */
void
share_slot_freed(void)
{
	TimestampTz until;

	if (registry->nwaiting == 0)
		return;

	until = TimestampTzPlusMilliseconds(steady_now(), OFFER_MS);
	for (int i = 0; i < registry->ndatabases; i++)
	{
		DatabaseEntry *entry = &registry->databases[i];

		if (entry->waits_until != 0)
		{
			entry->waits_until = until;
			wake_entry(entry, WAKE_REPORT);
		}
	}
}

/*
 * Whether a database that has (or would have) so many slots has to give way to
 * one that waits.
 */
bool
share_is_exceeded(const DatabaseEntry *entry, int nslots)
{
	TimestampTz now;
	int			nsharing = 0;
	bool		somebody_waits = false;

	if (registry->nwaiting == 0)
		return false;

	now = steady_now();
	for (int i = 0; i < registry->ndatabases; i++)
	{
		DatabaseEntry *other = &registry->databases[i];

		if (other->waits_until != 0 && other->waits_until < now)
			share_stop_waiting(other);
		if (share_of(other) > 0 || other->waits_until != 0)
			nsharing++;
		if (other != entry && other->waits_until != 0)
		{
			somebody_waits = true;
			if (share_of(other) == 0)
				return true;
		}
	}

	return somebody_waits && nslots > Max(1, setting_max_executors / nsharing);
}

/*
 * Whether the scheduler that asks should have its runs give way to a database
 * that waits.  Cheap as long as nobody does.
 */
bool
slots_are_wanted_elsewhere(void)
{
	bool		result;

	if (*(volatile int *) &registry->nwaiting == 0)
		return false;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	result = share_is_exceeded(my_database_entry, share_of(my_database_entry));
	LWLockRelease(registry->lock);

	return result;
}

/*
 * The scheduler that asks wants no slot at present: others need not give way to
 * its database any more.  Cheap as long as it does not wait.
 */
void
slots_are_not_wanted(void)
{
	if (*(volatile TimestampTz *) &my_database_entry->waits_until == 0)
		return;

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	share_stop_waiting(my_database_entry);
	LWLockRelease(registry->lock);
}

/*
 * Ask one idle executor of another database to leave, if it can be spared or
 * its database exceeds its share.  Returns false when there is none.
 */
static bool
ask_idle_executor_to_leave(const DatabaseEntry *for_entry)
{
	TimestampTz spare_since = TimestampTzPlusMilliseconds(steady_now(),
														  -SPARE_AFTER_MS);

	for (int i = 0; i < registry->nslots; i++)
	{
		Slot	   *slot = &registry->slots[i];
		DatabaseEntry *entry = database_entry(slot->database, false);
		bool		exceeded;
		int			pgprocno = -1;

		if (entry == NULL || entry == for_entry)
			continue;
		exceeded = share_is_exceeded(entry, share_of(entry));

		SpinLockAcquire(&slot->mutex);
		if (slot->state == SLOT_IDLE && !slot->exit_requested &&
			(exceeded || slot->idle_since < spare_since))
		{
			slot_leave(slot);
			slot->exit_reason = EXIT_ROOM;
			pgprocno = slot->pgprocno;
		}
		SpinLockRelease(&slot->mutex);

		if (pgprocno >= 0)
		{
			set_latch_of(pgprocno);
			return true;
		}
	}

	return false;
}

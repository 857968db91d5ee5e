/*-------------------------------------------------------------------------
 *
 * wake.c
 *	  Who wakes whom: sessions the scheduler, everybody the launcher.
 *
 * NOTES
 *	  A wake-up is a bit in the database entry followed by the latch of the
 *	  scheduler.  The scheduler takes the bits before it reads the tables, so a
 *	  bit set after a commit is never lost.  Nothing here can fail: it runs
 *	  behind the commit.
 *
 *	  It runs as late as it can, when the transaction has sent its invalidations
 *	  and released its locks: who is woken sees the functions and roles it has
 *	  changed, and need not wait for it.
 *
 *	  Wake-ups asked for in a subtransaction that is rolled back are sent all
 *	  the same: the scheduler looks and finds nothing.  A prepared transaction
 *	  wakes nobody when it is prepared; COMMIT PREPARED wakes the scheduler for
 *	  everything, and all who wait (see api/utility_hook.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/resowner.h"

#include "shared/fault.h"
#include "shared/wake.h"

static uint32 reasons_at_commit = 0;
static QueueNews queued_at_commit;
static bool launcher_at_commit = false;

/*
 * Wait channels with an execution that this transaction ends.  A bit per
 * channel, not a list of executions, so that cancelling a million pending ones
 * needs no memory.
 */
static bool finished_at_commit[NUM_WAIT_CHANNELS];
static bool any_finished_at_commit = false;
static bool finished_later = false; /* wake_finished() will be called */

static bool committed = false;	/* and not sent yet */
static bool callback_registered = false;

static void register_callback(void);
static void wake_xact_callback(XactEvent event, void *argument);
static void wake_release_callback(ResourceReleasePhase phase, bool commit,
								  bool top_level, void *argument);

/*
 * Wake this database's scheduler when the current transaction commits.  Needs a
 * transaction; without a registry it does nothing.
 */
void
wake_at_commit(uint32 reasons)
{
	if (registry == NULL)
		return;
	register_callback();
	reasons_at_commit |= reasons;
}

void
wake_for_queued(Oid role, int32 priority, int64 id)
{
	queue_news_add(&queued_at_commit, role, priority, id);
	wake_at_commit(WAKE_QUEUED);
}

void
wake_for_deferred(Oid role, TimestampTz start_at)
{
	queue_news_add_deferred(&queued_at_commit, role, start_at);
	wake_at_commit(WAKE_QUEUED);
}

void
wake_waiters_at_commit(int64 execution_id)
{
	if (registry == NULL)
		return;
	register_callback();
	finished_at_commit[(uint64) execution_id % NUM_WAIT_CHANNELS] = true;
	any_finished_at_commit = true;
}

/*
 * Wake the launcher when the current transaction commits; it reads pg_database
 * again.
 */
void
wake_launcher_at_commit(void)
{
	if (registry == NULL)
		return;
	register_callback();
	launcher_at_commit = true;
}

/*
 * The transaction has committed, and who keeps the database's processes away is
 * about to let them come: they look at the extension first thing, so that it
 * would be no news to them behind that.
 */
void
wake_for_extension_now(void)
{
	if ((reasons_at_commit & WAKE_EXTENSION) == 0)
		return;
	reasons_at_commit &= ~(uint32) WAKE_EXTENSION;
	wake_scheduler(MyDatabaseId, WAKE_EXTENSION);
}

/*
 * Callbacks cannot be taken away again, so they are registered once per
 * process.
 */
static void
register_callback(void)
{
	if (callback_registered)
		return;
	RegisterXactCallback(wake_xact_callback, NULL);
	RegisterResourceReleaseCallback(wake_release_callback, NULL);
	callback_registered = true;
}

static void
forget_finished(void)
{
	if (any_finished_at_commit)
		memset(finished_at_commit, 0, sizeof(finished_at_commit));
	any_finished_at_commit = false;
}

void
wake_finished(void)
{
	for (int i = 0; any_finished_at_commit && i < NUM_WAIT_CHANNELS; i++)
		if (finished_at_commit[i])
			broadcast_finished(i);
	forget_finished();
}

void
commit_before_waking(bool durable)
{
	int			saved_synchronous_commit = synchronous_commit;

	if (!durable && synchronous_commit > SYNCHRONOUS_COMMIT_OFF)
		synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	finished_later = true;
	PG_TRY();
	{
		CommitTransactionCommand();
	}
	PG_FINALLY();
	{
		/* it can fail: deferred triggers, a lock that notifications need */
		finished_later = false;
		synchronous_commit = saved_synchronous_commit;
	}
	PG_END_TRY();
}

/* At the end of a transaction: have what was asked for sent, or forget it. */
static void
wake_xact_callback(XactEvent event, void *argument pg_attribute_unused())
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
			committed = true;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			committed = false;
			reasons_at_commit = 0;
			queue_news_clear(&queued_at_commit);
			launcher_at_commit = false;
			forget_finished();
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			break;
	}
}

/* The last phase of a commit: send. */
static void
wake_release_callback(ResourceReleasePhase phase,
					  bool commit pg_attribute_unused(), bool top_level,
					  void *argument pg_attribute_unused())
{
	uint32		reasons = reasons_at_commit;
	bool		launcher = launcher_at_commit;

	if (!committed || !top_level || phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	committed = false;
	reasons_at_commit = 0;
	launcher_at_commit = false;
	if (reasons != 0)
		fault_point("session.committed");
	if (!finished_later)
		wake_finished();
	if (reasons != 0)
		wake_scheduler(MyDatabaseId, reasons);
	if (reasons & WAKE_QUEUED)
		queue_news_clear(&queued_at_commit);
	if (launcher)
		wake_launcher();
}

/*
 * Wake the scheduler of a database.  When it has none, ask the launcher for
 * one: somebody evidently uses the extension there, whatever was seen earlier.
 */
void
wake_scheduler(Oid database, uint32 reasons)
{
	DatabaseEntry *entry;
	bool		active;

	if (registry == NULL)
		return;

	/*
	 * The usual case takes no lock.  An entry of a database with a session in
	 * it is not given to another database; at worst somebody looks in vain.
	 */
	entry = my_database_entry;
	if (entry != NULL && entry->database == database &&
		(reasons & WAKE_EXTENSION) == 0)
	{
		wake_entry(entry, reasons);
		if (*(volatile DatabaseState *) &entry->state == DATABASE_ACTIVE)
			return;
	}

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	entry = database_entry(database, true);
	if (entry != NULL)
	{
		if (entry->state == DATABASE_ABSENT)
		{
			database_set_state(entry, DATABASE_UNKNOWN);
			fault_point("database.installed");
		}
		if (reasons & WAKE_EXTENSION)
		{
			entry->failures = 0;	/* whatever it was, it may be repaired */
			entry->next_start = 0;
		}
		if (database == MyDatabaseId)
			my_database_entry = entry;
		wake_entry(entry, reasons);
	}
	active = entry != NULL && entry->state == DATABASE_ACTIVE;
	LWLockRelease(registry->lock);

	if (!active)
		wake_launcher();
}

/*
 * Set bits of an entry, with WAKE_QUEUED what was queued, and the latch of its
 * scheduler, if there is one.
 */
void
wake_entry(DatabaseEntry *entry, uint32 reasons)
{
	if (reasons & WAKE_QUEUED)
	{
		SpinLockAcquire(&entry->queued_lock);
		queue_news_merge(&entry->queued, &queued_at_commit);
		SpinLockRelease(&entry->queued_lock);
	}
	if (pg_atomic_fetch_or_u32(&entry->wake, reasons) == 0)
		*(volatile TimestampTz *) &entry->woken_at = GetCurrentTimestamp();
	set_latch_of(*(volatile int *) &entry->scheduler_pgprocno);
}

/* Wake the launcher, if it is there; when it starts it looks at everything. */
void
wake_launcher(void)
{
	if (registry == NULL)
		return;
	if (*(volatile TimestampTz *) &registry->launcher_woken_at == 0)
		*(volatile TimestampTz *) &registry->launcher_woken_at = GetCurrentTimestamp();
	set_latch_of(*(volatile int *) &registry->launcher_pgprocno);
}

void
launcher_looks(void)
{
	*(volatile TimestampTz *) &registry->launcher_woken_at = 0;
}

/* Let the sessions that wait for an execution look again. */
void
broadcast_finished(int64 execution_id)
{
	if (registry != NULL)
		ConditionVariableBroadcast(
			&registry->finished[(uint64) execution_id % NUM_WAIT_CHANNELS]);
}

void
broadcast_all_finished(void)
{
	for (int i = 0; i < NUM_WAIT_CHANNELS; i++)
		broadcast_finished(i);
}

/*-------------------------------------------------------------------------
 *
 * attempts.c
 *	  Transactions of the scheduler that may fail, and what is done again later.
 *
 * NOTES
 *	  Scheduler only.  It serves a whole database and must not stand still for
 *	  one execution.  So no statement of it waits for a lock that a session, or
 *	  a prepared transaction, can keep: rows that are locked are skipped, and
 *	  where that is not enough (a table that somebody has locked, a row that a
 *	  trigger wants) lock_timeout ends the wait at once.  What could not be done
 *	  is put off, for the one execution it is about.  The same goes for errors
 *	  that are nobody's fault (shared/weather.h): a disk that is full, say.
 *
 *	  Memory is changed when the transaction has committed, or put right where
 *	  it has not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/clock.h"
#include "shared/databases.h"
#include "shared/wake.h"
#include "shared/weather.h"

/* No wait for a lock is longer than this, ms. */
#define LOCK_PATIENCE "50"

/*
 * What was put off is done again after the first delay, and later each time up
 * to the last, ms.
 */
#define LAST_RETRY_MS 5000

/* The same trouble is told of again after this time, ms. */
#define TELL_AGAIN_MS 60000

typedef struct PostponedKey
{
	PostponedAction action;
	int64		id;
	void	   *argument;
} PostponedKey;

typedef struct Postponed
{
	PostponedKey key;			/* hash key */
	int			delay;			/* the last one, ms */
	Timer		timer;
} Postponed;

MemoryContext live_context = NULL;
static MemoryContext loop_context = NULL;	/* emptied at each turn of the
											 * loop */

static HTAB *postponed = NULL;

void
attempts_initialize(void)
{
	HASHCTL		control = {.keysize = sizeof(PostponedKey),.entrysize = sizeof(Postponed)};

	loop_context = AllocSetContextCreate(TopMemoryContext,
										 "workflow scheduler loop",
										 ALLOCSET_DEFAULT_SIZES);
	live_context = AllocSetContextCreate(TopMemoryContext,
										 "workflow live state",
										 ALLOCSET_DEFAULT_SIZES);
	control.hcxt = live_context;
	postponed = hash_create("workflow postponed", 16, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	timers_initialize(live_context);
	SetConfigOption("lock_timeout", LOCK_PATIENCE, PGC_SUSET, PGC_S_OVERRIDE);
}

void
scheduler_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(loop_context);
}

/* durable: wait for the disk. */
void
scheduler_commit(bool durable)
{
	PopActiveSnapshot();
	commit_before_waking(durable);
	counters_committed();
	wake_finished();
	MemoryContextSwitchTo(loop_context);
	pgstat_report_stat(false);
}

MemoryContext
scheduler_context(void)
{
	return loop_context;
}

/* Say so, not each time. */
static void
tell_trouble(const ErrorData *error)
{
	static int	told = 0;
	static TimestampTz told_at = 0;
	TimestampTz now = steady_now();

	if (told == error->sqlerrcode &&
		!TimestampDifferenceExceeds(told_at, now, TELL_AGAIN_MS))
		return;
	told = error->sqlerrcode;
	told_at = now;
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("workflow scheduler does again what failed: %s", error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0,
			 error->context ? errcontext("%s", error->context) : 0));
}

void
scheduler_attempt_failed(void)
{
	ErrorData  *error;

	MemoryContextSwitchTo(scheduler_context());
	error = CopyErrorData();
	if (!error_is_weather(error))
		PG_RE_THROW();
	FlushErrorState();
	AbortCurrentTransaction();
	counters_aborted();
	MemoryContextSwitchTo(scheduler_context());
	database_show_again(my_database_entry, error->message);
	tell_trouble(error);
}

/* --- later --- */

static void postponed_due(Timer *timer);

static void
do_later(const PostponedKey *key, int delay)
{
	bool		found;
	Postponed  *entry = hash_search(postponed, key, HASH_ENTER, &found);

	if (found)
		return;
	entry->delay = delay;
	memset(&entry->timer, 0, sizeof(Timer));
	timer_set(&entry->timer, CLOCK_STEADY,
			  TimestampTzPlusMilliseconds(steady_now(), delay), postponed_due);
}

/* Its action may put off something else, or the same once more. */
static void
postponed_due(Timer *timer)
{
	Postponed  *entry = (Postponed *) ((char *) timer -
									  offsetof(Postponed, timer));
	PostponedKey key = entry->key;
	int			delay = entry->delay;

	(void) hash_search(postponed, &key, HASH_REMOVE, NULL);
	if (!key.action(key.id, key.argument))
		do_later(&key, Min(2 * delay, LAST_RETRY_MS));
}

void
postpone(PostponedAction action, int64 id, void *argument)
{
	PostponedKey key;

	memset(&key, 0, sizeof(key));
	key.action = action;
	key.id = id;
	key.argument = argument;
	do_later(&key, SKIPPED_RETRY_MS);
}

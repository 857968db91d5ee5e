/*-------------------------------------------------------------------------
 *
 * attempts.c
 *	  Transactions of the scheduler that may fail, and what is done again later.
 *
 * NOTES
 *	  Scheduler only.  It serves a whole database and must not stand still for one
 *	  execution.  So no statement of it waits for a lock that a session, or a prepared transaction,
 *	  can keep: rows that are locked are skipped, and where that is not enough (a table
 *	  that somebody has locked, a row that a trigger wants) lock_timeout ends the wait
 *	  at once.  What could not be done is put off, for the one execution it is about.
 *	  The same goes for errors that are nobody's fault (shared/weather.h): a disk that
 *	  is full, say.
 *
 *	  Memory is changed when the transaction has committed, or put right where it
 *	  has not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/clock.h"
#include "shared/databases.h"
#include "shared/weather.h"

/* No wait for a lock is longer than this, ms. */
#define LOCK_PATIENCE "50"

/* What was put off is done again after the first delay, and later each time up to the last, ms. */
#define LAST_RETRY_MS 5000

/* The same trouble is told of again after this time, ms. */
#define TELL_AGAIN_MS 60000

/* While something waits for a time, how often to see whether the clock has been changed, ms. */
#define LOOK_AT_CLOCK_MS 10000

typedef struct Postponed
{
	dlist_node	node;
	PostponedAction action;
	int64		id;
	void	   *argument;
	int			delay;
	TimestampTz at;
} Postponed;

MemoryContext live_context = NULL;
static MemoryContext loop_context = NULL;	/* emptied at each turn of the loop */

static dlist_head postponed = DLIST_STATIC_INIT(postponed);

void
attempts_initialize(void)
{
	loop_context = AllocSetContextCreate(TopMemoryContext, "workflow scheduler loop",
										 ALLOCSET_DEFAULT_SIZES);
	live_context = AllocSetContextCreate(TopMemoryContext, "workflow live state",
										 ALLOCSET_DEFAULT_SIZES);
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
	int			saved_synchronous_commit = synchronous_commit;

	PopActiveSnapshot();
	if (!durable)
		synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	CommitTransactionCommand();
	synchronous_commit = saved_synchronous_commit;
	counters_committed();
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

	if (told == error->sqlerrcode && !TimestampDifferenceExceeds(told_at, now, TELL_AGAIN_MS))
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

/*
 * When to look, by the steady clock, whether a time has come that is one of the server's clock:
 * that may be put forward meanwhile.
 */
TimestampTz
appointment(TimestampTz at)
{
	if (at == DT_NOEND)
		return at;
	return Min(steady_time(at), TimestampTzPlusMilliseconds(steady_now(), LOOK_AT_CLOCK_MS));
}

void
postpone(PostponedAction action, int64 id, void *argument)
{
	Postponed  *entry;
	dlist_iter	iter;

	dlist_foreach(iter, &postponed)
	{
		entry = dlist_container(Postponed, node, iter.cur);
		if (entry->action == action && entry->id == id && entry->argument == argument)
			return;
	}
	entry = MemoryContextAlloc(live_context, sizeof(Postponed));
	entry->action = action;
	entry->id = id;
	entry->argument = argument;
	entry->delay = SKIPPED_RETRY_MS;
	entry->at = TimestampTzPlusMilliseconds(steady_now(), entry->delay);
	dlist_push_tail(&postponed, &entry->node);
}

TimestampTz
postponed_next(void)
{
	TimestampTz next = DT_NOEND;
	dlist_iter	iter;

	dlist_foreach(iter, &postponed)
		next = Min(next, dlist_container(Postponed, node, iter.cur)->at);
	return next;
}

void
postponed_look(TimestampTz now)
{
	dlist_head	due;
	dlist_mutable_iter iter;

	dlist_init(&due);
	dlist_foreach_modify(iter, &postponed)
	{
		if (dlist_container(Postponed, node, iter.cur)->at > now)
			continue;
		dlist_delete(iter.cur);
		dlist_push_tail(&due, iter.cur);
	}
	while (!dlist_is_empty(&due))
	{
		Postponed  *entry = dlist_container(Postponed, node, dlist_pop_head_node(&due));

		/* it may put off something else */
		if (entry->action(entry->id, entry->argument))
		{
			pfree(entry);
			continue;
		}
		entry->delay = Min(2 * entry->delay, LAST_RETRY_MS);
		entry->at = TimestampTzPlusMilliseconds(steady_now(), entry->delay);
		dlist_push_tail(&postponed, &entry->node);
	}
}

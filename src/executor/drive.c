/*-------------------------------------------------------------------------
 *
 * drive.c
 *	  The durable driver: one transaction per leaf.  (run_leaf.c runs one.)
 *
 * NOTES
 *	  Runs in executors.  A transaction holds at most one leaf, unless a
 *	  definition lets several share one (transaction.c): first the user's SQL,
 *	  then its row and the bookkeeping that follows, then COMMIT.  The phase
 *	  says what an error means:
 *
 *	  BOOKKEEPING	no leaf in this transaction: the run ends with the error, the
 *					scheduler counts a recovery
 *	  LEAF			the user's SQL failed: the thread has not moved; the failure is
 *					recorded in a second transaction
 *	  AFTER			the leaf had succeeded, something behind it failed (a deferred
 *					constraint at COMMIT, the disk): the thread is reloaded from
 *					the rows and stands in front of the leaf again; then as for
 *					LEAF
 *
 *	  Cancels are held off while our own statements run: what has ended is
 *	  recorded, and the next step's SQL is not cancelled for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "executor/driver.h"
#include "interpreter/breaker.h"
#include "interpreter/leaf.h"
#include "shared/own_role.h"
#include "shared/settings.h"
#include "shared/slots.h"

/*
 * Is the execution to be paused, or was it before a stuck attempt was to be
 * recorded?
 */
static bool
is_pausing(const Driver *driver)
{
	return stop_reason(driver) == STOP_PAUSE ||
		(driver->thread->execution->paused && stop_reason(driver) == STOP_NONE);
}

/*
 * Is the thread to go on somewhere else, or later?  Asked wherever it can stop,
 * in front of SQL and of bookkeeping alike.  A run that has done nothing yet
 * does not give way to other work, or nobody would ever get on; a pause it
 * follows at once, and otherwise behind the iteration that has begun.
 */
static bool
gives_way(void *argument)
{
	const Driver *driver = argument;
	const Thread *thread = driver->thread;
	bool		moved = driver->any_leaf || thread->walked;

	/* only this run knows what got stuck */
	if (driver->stuck != NULL)
		return false;
	if (is_anothers(thread->execution))
		return true;
	if (stop_reason(driver) == STOP_YIELD)
		return moved;
	return is_pausing(driver) && (!moved || thread_may_pause(thread));
}

/* Nothing is to be done in this transaction. */
static void
end_without_change(Driver *driver)
{
	RESUME_CANCEL_INTERRUPTS();
	CommitTransactionCommand();
	MemoryContextSwitchTo(driver->context);
}

/*
 * Is this session not what a new one of its role would be?  Then steps are for
 * that, which goes on where this one stops; but what has failed is recorded
 * here.
 */
static bool
is_stranger(const Driver *driver)
{
	if (driver->batch.open || driver->failure != NULL || driver->stuck != NULL)
		return false;
	return own_role_changed() || (!driver->any_leaf && own_settings_changed());
}

bool
range_goes_on(const Run *run, const JoinCounts *counts)
{
	const JoinRule rule = {.policy = JOIN_ALL,.stop_on_failure = run->stop_on_failure};

	return join_begins_more(&rule, counts);
}

/*
 * The thread has ended: may the next execution, or child, share its
 * transaction?  Not behind one whose end is to be decided by this commit, rows
 * not written yet: the report says of the last execution only that its epilogue
 * is to be run.
 */
static bool
another_may_share(const Driver *driver)
{
	const Run  *run = driver->run;
	const Thread *thread = driver->thread;
	JoinCounts	counts;

	if (!batch_has_room(driver) || thread->outcome == SCOPE_CANCELLED ||
		(thread->execution_ended && epilogue_follows(thread)))
		return false;
	switch (run->kind)
	{
		case RUN_START:
			return driver->position + 1 < run->nexecutions;
		case RUN_CHILDREN:
			counts = driver->report->counts;
			step_count_child(&counts, thread->outcome);
			return driver->position + 1 < run->to && !thread->execution_ended &&
				range_goes_on(run, &counts);
		default:
			return false;
	}
}

/* What could not be written down is parked for so long, ms. */
#define TRY_AGAIN_MS 1000

/*
 * Is what the thread waits for to be written down, and the thread forgotten
 * until then?
 */
static bool
waits_for_long(const Driver *driver)
{
	const Thread *thread = driver->thread;

	return thread->epilogue == NULL &&
		thread->wait.until >=
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), setting_short_wait);
}

/*
 * Can it be?  Not with other steps in its transaction, nor when somebody wants
 * something of it.
 */
static bool
may_be_forgotten(const Driver *driver)
{
	return !driver->thread->execution->paused && driver->stuck == NULL &&
		driver->batch.steps == 0 && stop_reason(driver) == STOP_NONE;
}

/* The thread stands where it has to wait. */
static RunOutcome
park(Driver *driver)
{
	Thread	   *thread = driver->thread;
	bool		is_long = waits_for_long(driver);

	thread->leaves = is_long && may_be_forgotten(driver);
	finish(driver, false);
	driver->report->park_until = thread->wait.until;
	if (thread->leaves)
		return OUTCOME_WAITING;
	/*
	 * somebody had its row for a moment, say: it does not stay in memory for
	 * that
	 */
	if (is_long)
		driver->report->park_until =
			Min(thread->wait.until,
				TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											TRY_AGAIN_MS));
	return OUTCOME_PARKED;
}

/*
 * Drive the thread until it ends, forks, yields or stops; raises whatever goes
 * wrong.
 */
static RunOutcome
drive_thread(Driver *driver)
{
	ThreadAction action = THREAD_ENDED;
	bool		known = false;	/* it is what comes next */

	if (!driver->batch.open)
		begin(driver);
	if (is_stranger(driver))
	{
		end_without_change(driver);
		return OUTCOME_YIELDED;
	}
	if (!driver->standing && !make_thread(driver))
	{
		if (!driver->batch.open)
			end_without_change(driver);
		driver->report->paused = driver->paused;
		return driver->paused ? OUTCOME_YIELDED : OUTCOME_LOST;
	}
	driver->left = !driver->standing && !driver->reload && is_left(driver);
	if (driver->left)
	{
		if (!driver->batch.open)
			end_without_change(driver);
		return OUTCOME_DONE;
	}
	driver->standing = true;
	/* not before a failure has been recorded: only this run knows of it */
	driver->thread->gives_way = NULL;
	if (driver->failure != NULL)
		known = !record_failure(driver, &action);
	else if (driver->reload)
		driver->reload = false;
	else if (driver->leaf_again)
	{
		driver->leaf_again = false;
		run_pending_leaf(driver);
	}
	driver->thread->gives_way = gives_way;
	driver->thread->driver = driver;

	for (;;)
	{
		Thread	   *thread = driver->thread;

		/* what follows is worked out from what everybody sees now */
		if (driver->leaf_done && transaction_is_isolated() && !thread->ended)
		{
			finish(driver, false);
			begin(driver);
		}
		if (!known)
			action = thread_next(thread);
		known = false;
		switch (action)
		{
			case THREAD_LEAF:
				/* in a batch nobody would hear of it before its end */
				if (!batch_has_room(driver) && driver->stuck == NULL)
					journal_announce_start(thread);
				if (batch_has_room(driver))
					keep_open(driver, true);
				else if (driver->leaf_done || thread->dirty ||
						 driver->batch.steps > 0)
				{
					finish(driver, true);
					if (gives_way(driver))
						return OUTCOME_YIELDED;
					begin(driver);
					if (is_stranger(driver))
					{
						end_without_change(driver);
						return OUTCOME_YIELDED;
					}
				}
				if (fail_stuck_leaf(driver))
					break;
				if (stop_interrupts(stop_reason(driver)))
				{
					stop_at_leaf(driver);
					break;
				}
				run_pending_leaf(driver);
				break;
			case THREAD_FORK:
				finish(driver, false);
				driver->report->fork = thread->fork;
				return OUTCOME_FORK;
			case THREAD_YIELD:
				finish(driver, false);
				return OUTCOME_YIELDED;
			case THREAD_PARK:
				return park(driver);
			case THREAD_FLUSH:
				finish(driver, false);
				if (stop_interrupts(stop_reason(driver)))
					return OUTCOME_STOPPED;
				begin(driver);
				break;
			case THREAD_ENDED:
				if (another_may_share(driver))
				{
					keep_open(driver, false);
					return OUTCOME_DONE;
				}
				finish(driver, false);
				if (thread->execution_decided)
					return OUTCOME_EPILOGUE;
				return stop_interrupts(stop_reason(driver)) &&
						thread->outcome == SCOPE_CANCELLED ?
					OUTCOME_STOPPED :
					OUTCOME_DONE;
		}
	}
}

/*
 * Drive one thread whatever happens to it.
 */
RunOutcome
drive_one(Driver *driver)
{
	volatile RunOutcome outcome = OUTCOME_DONE;
	volatile bool done = false;

	driver->call = -1;
	while (!done)
	{
		PG_TRY();
		{
			outcome = drive_thread(driver);
			done = true;
		}
		PG_CATCH();
		{
			HOLD_INTERRUPTS();
			(void) counters_enter(TIME_BOOKKEEPING);
			if (driver->batch.steps > 0)
			{
				/*
				 * whose error it is will be seen when each has its own
				 * transaction
				 */
				(void) leaf_timer_stop();
				done = true;
			}
			else
			{
				outcome = take_error(driver);
				done = (driver->failure == NULL && !driver->leaf_again);
			}
			AbortOutOfAnyTransaction();
			transaction_lost(driver);
			forget_error(driver);
			RESUME_INTERRUPTS();
		}
		PG_END_TRY();
	}
	/* none is left, unless the run was given up */
	breaker_calls_abandoned(0);
	return outcome;
}

/*-------------------------------------------------------------------------
 *
 * transaction.c
 *	  The durable driver's transactions: one for each step, or, where a
 *	  definition says so, one for several ("commit", "batch_size").
 *
 * NOTES
 *	  Runs in executors.  Steps that share a transaction are consecutive ones of
 *	  a thread, of children of one range, or of executions of one run.  Each has
 *	  a subtransaction of its own, so that one that fails is rolled back and
 *	  recorded alone.  Nobody sees any of it before the commit, and a crash
 *	  loses all of it: effects and rows together.
 *
 *	  When the shared transaction itself fails (a deferred constraint at
 *	  COMMIT), it is not known whose fault that was: the driver goes back to
 *	  where the batch began and runs its steps one by one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/timestamp.h"

#include "definition/steps/loop.h"
#include "executor/driver.h"
#include "interpreter/breaker.h"
#include "interpreter/leaf.h"
#include "interpreter/run_sql.h"
#include "shared/clock.h"
#include "shared/fault.h"
#include "shared/own_role.h"
#include "shared/slots.h"
#include "shared/wake.h"

/*
 * Our own statements see the newest rows, also in a transaction that is to have
 * others; who commits or aborts it goes by what it began as.
 */
static bool isolation_is_lowered = false;
static int	isolation_before = XACT_READ_COMMITTED;

static void
restore_isolation(void)
{
	if (isolation_is_lowered)
		XactIsoLevel = isolation_before;
	isolation_is_lowered = false;
}

static void
restore_at_abort(XactEvent event, void *argument pg_attribute_unused())
{
	if (event == XACT_EVENT_ABORT)
		restore_isolation();
}

void
lower_isolation(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(restore_at_abort, NULL);
	registered = true;
	if (isolation_is_lowered)
		return;
	isolation_before = XactIsoLevel;
	isolation_is_lowered = true;
	XactIsoLevel = XACT_READ_COMMITTED;
}

bool
transaction_is_isolated(void)
{
	return (isolation_is_lowered ? isolation_before : XactIsoLevel) >=
		XACT_REPEATABLE_READ;
}

/* What the role's settings ask for is for its own SQL: leaf_transaction(). */
void
begin_bookkeeping(void)
{
	isolation_is_lowered = false;
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	XactDeferrable = false;
}

void
begin_isolated(Driver *driver, int isolation, bool deferrable)
{
	/* it may take a snapshot */
	discard_session_state(false);
	CommitTransactionCommand();
	begin_bookkeeping();
	XactIsoLevel = isolation;
	XactDeferrable = deferrable;
	MemoryContextSwitchTo(driver->context);
}

void
begin(Driver *driver)
{
	if (!driver->follows_commit)
		SetCurrentStatementStartTimestamp();
	driver->follows_commit = false;
	begin_bookkeeping();
	driver->phase = PHASE_BOOKKEEPING;
	driver->leaf_done = false;
	constraints_were_set = false;
	HOLD_CANCEL_INTERRUPTS();
	MemoryContextSwitchTo(driver->context);

	own_role_check();
}

/* The thread waits from now on, at the step it stands at or in front of it. */
static bool
write_wait(const Thread *thread)
{
	const Frame *frame = thread->top;
	bool		again = frame->next_attempt > 1;

	if (frame->open != NULL)
		return thread_wait(thread->execution, thread->bottom->scope,
						   frame->scope, frame->at->id, frame->open->visit,
						   frame->open->attempt, &thread->wait);
	return thread_wait(thread->execution, thread->bottom->scope, frame->scope,
					   frame->at->id, again ? frame->attempt_visit : 0,
					   again ? frame->next_attempt : 1, &thread->wait);
}

/* Write what has happened. */
static void
write_rows(Driver *driver)
{
	Thread	   *thread = driver->thread;
	bool		execution_ended;

	/*
	 * What writing needs is gone after the commit, with the leaf that has
	 * ended; so is what deferred triggers leave behind when they fail, with the
	 * thread.
	 */
	MemoryContextSwitchTo(thread->step_contexts[1 - thread->step_context]);
	driver->progressed |= thread->njournal > 0 || thread->nflushed > 0 ||
		(thread->execution_ended && !thread->execution_flushed);
	driver->writing = true;
	journal_flush(thread);
	if (thread->begun_late && !thread->execution_ended)
		execution_began(thread->execution->id, thread->execution->started_at);
	thread->begun_late = false;
	/* it is paused, or cancelled, by now, perhaps */
	if (thread->leaves)
		thread->leaves = write_wait(thread);
	driver->writing = false;
	execution_ended = thread->execution_ended && !thread->execution_lost &&
		!thread->execution_decided;
	fault_point("step.recorded");
	if (execution_ended)
		fault_point("execution.ended");
	if (driver->leaf_done)
		driver->steps++;
	/*
	 * the steps of a relaxed definition do not wait for the disk, the end does
	 */
	if (!thread->plan->relaxed || execution_ended)
		driver->wait_for_disk = true;
}

/* What is noted of the open transaction. */
static void
forget_transaction(Driver *driver)
{
	driver->leaf_done = false;
	driver->writing = false;
	driver->phase = PHASE_BOOKKEEPING;
	driver->steps = 0;
	driver->progressed = false;
	driver->wait_for_disk = false;
	driver->batch.steps = 0;
	driver->batch.open = false;
}

/* The transaction has committed: into the statistics. */
static void
count_commit(const Driver *driver)
{
	count_now(COUNT_STEPS, driver->steps);
	count_now(COUNT_COMMITS, 1);
	if (driver->wait_for_disk && synchronous_commit > SYNCHRONOUS_COMMIT_OFF)
		count_now(COUNT_DURABLE_COMMITS, 1);
	if (driver->steps > 1)
	{
		count_now(COUNT_BATCHED_COMMITS, 1);
		count_now(COUNT_BATCHED_STEPS, driver->steps);
	}
	counters_committed();
}

void
commit(Driver *driver)
{
	(void) counters_enter(TIME_COMMIT);
	/* as it was for the leaf */
	restore_isolation();
	commit_before_waking(driver->wait_for_disk);
	count_commit(driver);
	wake_finished();
	fault_point("executor.committed");
	/* one look at the clock for this one's end and the next one's beginning */
	SetCurrentStatementStartTimestamp();
	driver->follows_commit = true;
	counters_enter_at(TIME_BOOKKEEPING, GetCurrentStatementStartTimestamp());
	MemoryContextSwitchTo(driver->context);
	RESUME_CANCEL_INTERRUPTS();
	my_slot->settling = false;

	my_slot->steps_done += driver->steps;
	driver->report->progressed |= driver->progressed;
	if (driver->leaf_done)
	{
		breaker_call_succeeded(driver->call);
		driver->call = -1;
	}
	forget_transaction(driver);
	pgstat_report_stat(false);
}

void
finish(Driver *driver, bool leaf_pending)
{
	Thread	   *thread = driver->thread;

	write_rows(driver);
	commit(driver);
	journal_committed(thread, leaf_pending);
}

void
keep_open(Driver *driver, bool leaf_pending)
{
	write_rows(driver);
	driver->leaf_done = false;
	driver->phase = PHASE_BOOKKEEPING;
	driver->batch.open = true;
	fault_point("executor.batch");
	journal_committed(driver->thread, leaf_pending);
	MemoryContextSwitchTo(driver->context);
}

/*
 * An error has ended the transaction.  What a batch had in it is to be done
 * again.
 */
void
transaction_lost(Driver *driver)
{
	if (driver->batch.steps > 0)
	{
		driver->batch.lost = true;
		driver->batch.alone = driver->batch.steps;
	}
	counters_aborted();
	count_now(COUNT_ROLLBACKS, 1);
	forget_transaction(driver);
}

/* --- batches --- */

/* Steps that may share the transaction with the leaf the thread stands at. */
static int
batch_limit(const Driver *driver)
{
	Thread	   *thread = driver->thread;
	int			limit = thread->plan->commit_max_steps;
	bool		deferrable;

	if (leaf_transaction(&thread->leaf, &deferrable) >= XACT_REPEATABLE_READ ||
		driver->batch.alone > 0 || driver->run->trial ||
		driver->run->kind == RUN_EPILOGUE || thread->leaf.transaction_none ||
		thread->leaf.breaker.enabled || driver->stuck != NULL)
		return 1;
	for (Frame *frame = thread->top; frame->container != NULL;
		 frame = frame->parent)
	{
		const LoopPart *loop = loop_part(frame->container);

		if (loop != NULL && loop->batch_size > 0)
			limit = Max(limit,
						Min(MAX_BATCH,
							loop->batch_size * frame->frontier.scope->nnodes));
	}
	return limit;
}

bool
leaf_may_share(const Driver *driver)
{
	return batch_limit(driver) > 1;
}

bool
batch_has_room(const Driver *driver)
{
	return driver->batch.steps > 0 &&
		driver->batch.steps < batch_limit(driver) &&
		my_slot->stop == STOP_NONE && !slot_exit_requested() &&
		!own_role_changed() && !constraints_were_set &&
		!TimestampDifferenceExceeds(driver->batch.began, steady_now(),
									driver->thread->plan->commit_max_ms);
}

void
batch_join(Driver *driver)
{
	Batch	   *batch = &driver->batch;

	if (batch->steps++ > 0)
		return;
	batch->began = steady_now();
	batch->position = driver->position;
	batch->report = *driver->report;
	batch->scope = driver->thread->bottom->scope_id;
}

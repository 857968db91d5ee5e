/*-------------------------------------------------------------------------
 *
 * failures.c
 *	  What becomes of an error: whose it is, and how a leaf's is recorded.
 *
 * NOTES
 *	  Runs in executors.  The phase in which it was raised says whose an error
 *	  is (drive.c).  A leaf's is recorded in the transaction behind the one it
 *	  has ended, by the thread, which stands in front of the leaf again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#include "definition/scope.h"
#include "executor/drive.h"
#include "executor/driver.h"
#include "interpreter/breaker.h"
#include "interpreter/leaf.h"
#include "shared/fault.h"
#include "shared/slots.h"
#include "shared/weather.h"

void
leaf_failed(Driver *driver, StepStatus status, const StepError *error)
{
	bool		retried = thread_leaf_failed(driver->thread, status, error);

	driver->leaf_done = true;
	count_at_commit(COUNT_FAILED_STEPS, 1);
	fault_point("step.failed");
	if (retried)
	{
		count_at_commit(COUNT_RETRIES, 1);
		fault_point("step.retried");
	}
}

/*
 * The thread was made anew from its rows: have it stand in front of the leaf
 * whose transaction was lost.  False when it is not to do that any more, it is
 * skipped say, or its time is over; *action is what it is to do instead.
 */
static bool
return_to_lost_leaf(Driver *driver, ThreadAction *action)
{
	Thread	   *thread = driver->thread;
	const LeafPlace *lost = &driver->leaf;

	while ((*action = thread_next(thread)) == THREAD_LEAF)
	{
		const Leaf *leaf = &thread->leaf;

		if (leaf->node->index == lost->node &&
			leaf->is_condition == lost->is_condition &&
			leaf->visit == lost->visit && leaf->attempt == lost->attempt &&
			scope_is(&thread->top->scope_id, &lost->scope))
			return true;
		/*
		 * the condition of a loop has no row: it was asked before the leaf, and
		 * led there
		 */
		if (!leaf->is_condition || !step_iterates(leaf->node))
			return false;
		thread_loop_goes_on(thread);
	}
	return false;
}

bool
record_failure(Driver *driver, ThreadAction *action)
{
	StepError  *failure = driver->failure;
	bool		reloaded = driver->reload;

	driver->failure = NULL;
	driver->reload = false;
	if (reloaded && !return_to_lost_leaf(driver, action))
	{
		/* nobody will tell its circuit breaker how the call ended */
		breaker_calls_abandoned(0);
		driver->call = -1;
		return false;
	}
	if (driver->failure_status == STATUS_CANCELLED)
		breaker_calls_abandoned(0);
	else
		breaker_call_failed(driver->call, &driver->thread->leaf, failure, true);
	driver->call = -1;
	leaf_failed(driver, driver->failure_status, failure);
	driver->phase = PHASE_BOOKKEEPING;
	return true;
}

/*
 * Behind the leaf's SQL, which has done what it deferred, only statements of
 * ours and the commit are left.  What these find no room for, in memory or on
 * the disk, is no failure of the step's.  A serialization failure at the commit
 * is; the server may say it earlier, in a statement of ours, which conflicts
 * with nothing.
 */
static bool
is_weather_behind_leaf(const Driver *driver, const ErrorData *error)
{
	if (driver->phase != PHASE_AFTER ||
		error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		return false;
	if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE &&
		transaction_is_isolated())
		return false;
	return error_is_weather(error) &&
		(driver->writing ||
		 ERRCODE_TO_CATEGORY(error->sqlerrcode) !=
			 ERRCODE_TRANSACTION_ROLLBACK);
}

/*
 * An error ended the transaction.  Returns true when the failure is to be
 * recorded and the thread goes on, false when the run ends with *outcome.
 */
static bool
sort_out_error(Driver *driver, ErrorData *error, bool timed_out,
			   RunOutcome *outcome)
{
	StopReason	reason = stop_reason(driver);
	bool		cancelled = (error->sqlerrcode == ERRCODE_QUERY_CANCELED);

	if (driver->phase != PHASE_LEAF && error_is_fence(error))
	{
		*outcome = OUTCOME_LOST;
		driver->report->fenced = true;
		return false;
	}
	if (driver->phase == PHASE_BOOKKEEPING ||
		is_weather_behind_leaf(driver, error))
	{
		EmitErrorReport();
		*outcome = cancelled && stop_interrupts(reason) ? OUTCOME_STOPPED : OUTCOME_ERROR;
		strlcpy(driver->report->error, error->message ? error->message : "",
				sizeof(driver->report->error));
		driver->report->weather = error_is_weather(error);
		return false;
	}

	/* meant for another execution of this run, and late: run the leaf again */
	if (cancelled && !timed_out && !stop_interrupts(reason) &&
		stop_interrupts(my_slot->stop) && driver->phase == PHASE_LEAF)
	{
		driver->leaf_again = true;
		return true;
	}

	if (driver->phase == PHASE_AFTER)
	{
		driver->reload = true;
		driver->reload_scope = driver->thread->bottom->scope_id;
		driver->standing = false;
	}
	driver->failure = leaf_error(&driver->thread->leaf, error);
	driver->failure_status = STATUS_FAILED;
	if (cancelled && timed_out)
	{
		if (!driver->reload)
			driver->failure = leaf_timeout_error(&driver->thread->leaf);
		driver->failure_status = STATUS_TIMED_OUT;
	}
	else if (cancelled && stop_interrupts(reason))
	{
		driver->failure->type = "Cancelled";
		driver->failure_status = STATUS_CANCELLED;
	}
	return true;
}

RunOutcome
take_error(Driver *driver)
{
	RunOutcome	ended = OUTCOME_ERROR;
	bool		timed_out = leaf_timer_stop();

	if (driver->failure_context == NULL)
		driver->failure_context = AllocSetContextCreate(driver->context,
														"workflow failure",
														ALLOCSET_SMALL_SIZES);
	MemoryContextReset(driver->failure_context);
	MemoryContextSwitchTo(driver->failure_context);
	driver->failure = NULL;
	(void) sort_out_error(driver, CopyErrorData(), timed_out, &ended);
	return ended;
}

void
forget_error(Driver *driver)
{
	MemoryContextSwitchTo(driver->context);
	FlushErrorState();
	QueryCancelPending = false;
	debug_query_string = NULL;
}

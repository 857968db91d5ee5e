/*-------------------------------------------------------------------------
 *
 * run_leaf.c
 *	  Runs the leaf that a thread stands at, alone or with others in one
 *	  transaction, or records that it is not run.
 *
 * NOTES
 *	  Runs in executors, in the transaction of drive.c, which says what an error
 *	  means by the phase that is set here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "executor/driver.h"
#include "interpreter/breaker.h"
#include "interpreter/leaf.h"
#include "shared/fault.h"
#include "shared/slots.h"

/*
 * The branch of a parallel or fork_join step a thread is in, the innermost one.
 */
static const char *
present_branch(const Thread *thread)
{
	for (const Frame *frame = thread->top;
		 frame != NULL && frame->container != NULL; frame = frame->parent)
		if (step_forks(frame->container))
			return frame->container->lines[frame->child].name;
	return "";
}

/* As much of a name as there is room for, whole characters. */
static void
clip(char *to, const char *name, size_t size)
{
	if (strlcpy(to, name, size) >= size)
		to[pg_mbcliplen(name, strlen(name), size - 1)] = '\0';
}

/* Show in the slot what runs now. */
static void
show_progress(const Driver *driver)
{
	Thread	   *thread = driver->thread;
	Leaf	   *leaf = &thread->leaf;
	Progress	progress;

	progress.execution_id = thread->execution->id;
	progress.definition_id = thread->execution->definition_id;
	clip(progress.workflow, thread->execution->workflow,
		 sizeof(progress.workflow));
	clip(progress.step_id, leaf->node->id, sizeof(progress.step_id));
	clip(progress.scope, leaf->scope, sizeof(progress.scope));
	clip(progress.branch, present_branch(thread), sizeof(progress.branch));
	progress.visit = leaf->visit;
	progress.attempt = leaf->attempt;
	progress.iteration = leaf->iteration;
	progress.label[0] = '\0';
	if (leaf->loop_label != NULL)
		clip(progress.label, leaf->loop_label, sizeof(progress.label));
	progress.scope_id = thread->top->scope_id;
	progress.node = leaf->node->index;
	progress.shared_from = driver->batch.steps > 1 ? driver->batch.position :
													 -1;
	progress.step_started_at = leaf->started_at;
	progress.execution_started_at = thread->execution->started_at;
	slot_set_progress(&progress);
}

/* The text of what runs, for pg_stat_activity. */
static const char *
leaf_text(const Leaf *leaf)
{
	if (leaf->task.sql != NULL)
		return leaf->task.sql;
	return leaf->agent_name ? leaf->agent_name : leaf->node->id;
}

/*
 * From here on a cancel is for the step's SQL.  One that came before was not
 * meant for it, unless the scheduler sent it: then the slot says so.
 */
static void
allow_cancel(const Driver *driver)
{
	QueryCancelPending = false;
	if (stop_interrupts(stop_reason(driver)))
	{
		QueryCancelPending = true;
		InterruptPending = true;
	}
	RESUME_CANCEL_INTERRUPTS();
}

/*
 * Run the user's SQL.  Errors come out of here with phase LEAF.
 */
static Jsonb *
run_leaf(Driver *driver)
{
	Thread	   *thread = driver->thread;
	Leaf	   *leaf = &thread->leaf;
	Jsonb	   *result;

	driver->leaf = (LeafPlace) {thread->top->scope_id, leaf->node->index,
								leaf->is_condition, leaf->visit, leaf->attempt};
	my_slot->settling = false;
	show_progress(driver);
	debug_query_string = leaf_text(leaf);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	driver->phase = PHASE_LEAF;
	driver->any_leaf = true;
	MemoryContextSwitchTo(thread->step_contexts[thread->step_context]);

	/* the locks of steps whose effects nobody sees yet have to stay */
	if (!transaction_is_isolated())
		discard_session_state(driver->batch.steps > 1);
	allow_cancel(driver);
	leaf_timer_start(leaf->deadline);
	CHECK_FOR_INTERRUPTS();
	(void) counters_enter(TIME_SQL);
	if (leaf->transaction_none)
	{
		/* without a transaction around it: at least once */
		CommitTransactionCommand();
		MemoryContextSwitchTo(thread->step_contexts[thread->step_context]);
		result = run_sql_outside_transaction(&leaf->task);
		SetCurrentStatementStartTimestamp();
		begin_bookkeeping();
		MemoryContextSwitchTo(thread->step_contexts[thread->step_context]);
	}
	else
	{
		result = run_sql(&leaf->task);
		HOLD_CANCEL_INTERRUPTS();
	}
	/* our own statements are none of its conflicts as far as that can be had */
	lower_isolation();
	leaf->ended_at = counters_enter(TIME_BOOKKEEPING);
	result = thread_leaf_output(thread, result);

	/* it has ended: a cancel that comes now has come too late */
	my_slot->settling = true;
	leaf_timer_stop();
	QueryCancelPending = false;
	debug_query_string = NULL;
	driver->phase = PHASE_AFTER;
	MemoryContextSwitchTo(driver->context);
	return result;
}

/*
 * Run the leaf in a subtransaction of the transaction it shares with others.
 * Returns false when it failed: driver->failure, or leaf_again, says what then.
 */
static bool
run_leaf_in_batch(Driver *driver, Jsonb **output)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool succeeded = false;

	batch_join(driver);
	/*
	 * what rows of ours have deferred: taking back the step must find nothing
	 * before it undone
	 */
	AfterTriggerFireDeferred();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		*output = run_leaf(driver);
		ReleaseCurrentSubTransaction();
		succeeded = true;
	}
	PG_CATCH();
	{
		if (driver->phase != PHASE_LEAF)
			PG_RE_THROW();
		HOLD_INTERRUPTS();
		(void) counters_enter(TIME_BOOKKEEPING);
		(void) take_error(driver);
		RollbackAndReleaseCurrentSubTransaction();
		forget_error(driver);
		RESUME_INTERRUPTS();
		HOLD_CANCEL_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return succeeded;
}

/*
 * Does the circuit breaker of the leaf's agent refuse the call?  Then that is
 * recorded.
 */
static bool
breaker_refuses(Driver *driver)
{
	Thread	   *thread = driver->thread;
	StepError  *refusal;

	if (!thread->leaf.breaker.enabled)
		return false;
	MemoryContextSwitchTo(thread->step_contexts[thread->step_context]);
	breaker_calls_abandoned(0);
	refusal = breaker_begin_call(&thread->leaf, &driver->call);
	if (refusal != NULL)
	{
		leaf_failed(driver, STATUS_FAILED, refusal);
		driver->any_leaf = true;
	}
	MemoryContextSwitchTo(driver->context);
	return refusal != NULL;
}

/* Run the leaf the thread stands at and take its result, or its failure. */
void
run_pending_leaf(Driver *driver)
{
	Jsonb	   *output = NULL;

	if (breaker_refuses(driver))
		return;

	if (!leaf_may_share(driver))
	{
		bool		deferrable;
		int			isolation = leaf_transaction(&driver->thread->leaf, &deferrable);

		if (isolation >= XACT_REPEATABLE_READ &&
			!driver->thread->leaf.transaction_none)
			begin_isolated(driver, isolation, deferrable);
		if (driver->batch.alone > 0)
			driver->batch.alone--;
		output = run_leaf(driver);
	}
	else
	{
		bool		succeeded;

		do
		{
			driver->leaf_again = false;
			succeeded = run_leaf_in_batch(driver, &output);
		} while (driver->leaf_again);
		if (!succeeded)
		{
			ThreadAction action;

			(void) record_failure(driver, &action);
			return;
		}
	}
	driver->leaf_done = true;
	thread_leaf_succeeded(driver->thread, output);
}

/* The leaf is not to be run: somebody wants the thread to stop. */
void
stop_at_leaf(Driver *driver)
{
	StepError	error = {.type = "Cancelled", .sqlerrcode = ERRCODE_QUERY_CANCELED,
	.message = NOT_STARTED "the execution was stopped"};

	leaf_failed(driver, STATUS_CANCELLED, &error);
}

/*
 * The thread stands at the attempt whose process did not respond: record that.
 * True when it did, once in a run.
 */
bool
fail_stuck_leaf(Driver *driver)
{
	Thread	   *thread = driver->thread;
	Leaf	   *leaf = &thread->leaf;
	const StuckAttempt *stuck = thread->stuck;
	StepError  *error;
	bool		stands_there;

	if (stuck == NULL)
		return false;
	stands_there = is_stuck_attempt(thread, thread->top, leaf->node,
									leaf->visit, leaf->attempt);
	/*
	 * what shared its transaction comes first, each step in its own; so does a
	 * loop's condition
	 */
	if (!stands_there &&
		(stuck->shared || (leaf->is_condition && step_iterates(leaf->node))) &&
		driver->steps_to_stuck++ < MAX_BATCH)
		return false;
	thread->stuck = NULL;
	driver->stuck = NULL;
	/*
	 * the row may have been written after all, by who was thought to be stuck
	 */
	if (!stands_there)
		return false;
	leaf->executor_pid = stuck->pid;
	leaf->started_at = stuck->started_at;
	error = leaf_stuck_error(leaf, stuck);
	breaker_call_stuck(leaf->node, GetUserId(), error);
	leaf_failed(driver, STATUS_FAILED, error);
	fault_point("step.stuck");
	return true;
}

/*-------------------------------------------------------------------------
 *
 * thread.c
 *	  The interpreter as its drivers see it: what comes next, and how it ended.
 *
 * NOTES
 *	  Runs in executors and, for execute(), in sessions; always inside a
 *	  transaction of the driver, without starting or ending one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "definition/steps/agent.h"
#include "definition/steps/loop.h"
#include "interpreter/frontier_rows.h"
#include "interpreter/steps/step_ops.h"
#include "interpreter/thread.h"
#include "shared/settings.h"
#include "state/jsonb_text.h"

/* Bookkeeping rows to collect before they get a transaction of their own. */
#define JOURNAL_LIMIT 200

/*
 * Walk on until something has to be done that is not bookkeeping.  Needs a
 * transaction; what it makes lives until the commit after next.
 */
ThreadAction
thread_next(Thread *thread)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(
		thread_step_context(thread));
	ThreadAction action = THREAD_ENDED;

	while (!thread->ended)
	{
		bool		again = true;
		Frame	   *frame = thread->top;
		Jsonb	   *output;

		CHECK_FOR_INTERRUPTS();
		/*
		 * found when the thread was resumed, or went on to a child that had
		 * begun
		 */
		if (thread->fork_pending)
		{
			thread->fork_pending = false;
			action = THREAD_FORK;
			break;
		}
		/* containers that close write their rows, which is no commit */
		if (thread->njournal + thread->nflushed >= JOURNAL_LIMIT)
		{
			action = THREAD_FLUSH;
			break;
		}
		if (thread->gives_way != NULL && thread->gives_way(thread->driver))
		{
			action = THREAD_YIELD;
			break;
		}
		if (frame->open != NULL)
		{
			thread->walked = true;
			action = step_go_on(thread, frame, &again);
			if (!again)
				break;
			action = THREAD_ENDED;
			continue;
		}
		/*
		 * an attempt that got stuck is recorded first: nobody else knows of it
		 */
		if (thread->execution->step_marks != NULL && thread->parks &&
			thread->stuck == NULL && step_is_held(thread, frame))
		{
			thread->wait = (Wait) {WAIT_HOLD, frame->deadline};
			action = THREAD_PARK;
			break;
		}
		if (thread->parks && frame->at != NULL && frame->next_attempt > 1 &&
			frame->attempt_at > GetCurrentTimestamp() &&
			!step_is_skipped(thread, frame->at, &output))
		{
			thread->wait = (Wait) {WAIT_RETRY, frame->attempt_at};
			action = THREAD_PARK;
			break;
		}
		thread->walked = true;
		if (frame->at == NULL && !loop_asks(frame->container))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("execution " INT64_FORMAT " has no step to go on with in scope \"%s\"",
							thread->execution->id, frame->scope)));
		if (frame->at != NULL)
			action = step_enter(thread, frame, frame->at, &again);
		else if (loop_continue(thread, frame))
		{
			/* the loop's condition is SQL: it is the leaf now */
			action = THREAD_LEAF;
			again = false;
		}
		if (!again)
			break;
		action = THREAD_ENDED;
	}
	MemoryContextSwitchTo(oldcontext);
	return action;
}

/* --- the end of a leaf --- */

Jsonb *
thread_leaf_output(Thread *thread, Jsonb *result)
{
	PlanNode   *node = thread->leaf.node;
	EvaluateContext context;
	StepError  *error;
	Jsonb	   *output;

	if (thread->leaf.is_condition || node->output == NULL)
		return result;
	thread->leaf.reshaping = true;
	output = evaluate_output(thread, thread->top, node, result, &context);
	thread->leaf.reshaping = (output == NULL);
	if (output == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s", context.message),
				 errdetail("In \"output\" of step \"%s\".", node->id)));
	error = size_error(node, VARSIZE(output));
	if (error != NULL)
		ereport(ERROR,
				(errcode(error->sqlerrcode),
				 errmsg("%s", error->message),
				 errdetail("%s", error->detail)));
	return output;
}

/*
 * The leaf's SQL has run; output is its result, or for a condition its truth.
 * Called in the transaction of the SQL.
 */
void
thread_leaf_succeeded(Thread *thread, Jsonb *output)
{
	Leaf	   *leaf = &thread->leaf;
	MemoryContext oldcontext;
	StepRow    *row;

	thread->step_context = 1 - thread->step_context;
	oldcontext = MemoryContextSwitchTo(thread_step_context(thread));
	if (leaf->is_condition)
	{
		JsonbValue	value;
		bool		result;

		JsonbExtractScalar(&output->root, &value);
		result = (value.type == jbvBool && value.val.boolean);
		step_ops[leaf->node->type]->condition_decided(thread, leaf->node,
													  result, NULL);
	}
	else
	{
		row = leaf_row(thread);
		row->output = output;
		if (leaf->ended_at != 0)
			row->completed_at = thread_time_of(thread, leaf->ended_at);
		step_ended(thread, thread->top, leaf->node, row);
	}
	MemoryContextSwitchTo(oldcontext);
}

/*
 * The leaf is the condition of a loop, and was asked in a transaction that is
 * lost: the loop had gone on.
 */
void
thread_loop_goes_on(Thread *thread)
{
	PlanNode   *node = thread->leaf.node;
	MemoryContext oldcontext;

	thread->step_context = 1 - thread->step_context;
	oldcontext = MemoryContextSwitchTo(thread_step_context(thread));
	step_ops[node->type]->condition_decided(thread, node,
											loop_part(node)->kind == LOOP_WHILE,
											NULL);
	MemoryContextSwitchTo(oldcontext);
}

/*
 * The leaf's SQL has failed and its effects are gone.  Called in a new
 * transaction (or after the subtransaction was rolled back).
 */
bool
thread_leaf_failed(Thread *thread, StepStatus status, const StepError *error)
{
	Leaf	   *leaf = &thread->leaf;
	MemoryContext oldcontext;
	bool		retried = false;

	thread->step_context = 1 - thread->step_context;
	oldcontext = MemoryContextSwitchTo(thread_step_context(thread));
	if (leaf->is_condition && status == STATUS_FAILED && error->makes_false)
	{
		/* a condition that cannot be evaluated is false, and says why */
		StepError	why = *error;

		why.type = "ConditionError";
		step_ops[leaf->node->type]->condition_decided(thread, leaf->node, false,
													  &why);
	}
	else if (leaf->is_condition &&
			 step_ops[leaf->node->type]->condition_failed != NULL)
		retried = step_ops[leaf->node->type]->condition_failed(thread, status,
															   error);
	else
	{
		StepRow    *row = leaf_row(thread);

		step_fail(row, status, error);
		retried = status != STATUS_CANCELLED &&
			retry_follows(thread, thread->top, leaf->node, row, error);
		if (retried)
			journal_add(thread, row);
		else
			step_ended(thread, thread->top, leaf->node, row);
	}
	MemoryContextSwitchTo(oldcontext);
	return retried;
}

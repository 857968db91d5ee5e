/*-------------------------------------------------------------------------
 *
 * transitions.c
 *	  What the end of a step, or of an execution, means.
 *
 * NOTES
 *	  In a transaction of the driver.  step_ended() and, in containers.c,
 *	  container_child_ended() carry all transitions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "interpreter/frontier_rows.h"
#include "interpreter/steps/step_ops.h"
#include "interpreter/thread.h"
#include "state/jsonb_text.h"

/*
 * The "output" of a container that has completed; of leaves see
 * thread_leaf_output().
 */
static void
reshape_output(Thread *thread, Frame *frame, PlanNode *node, StepRow *row)
{
	EvaluateContext context;
	Jsonb	   *output = evaluate_output(thread, frame, node, row->output, &context);

	if (output != NULL)
		row->output = output;
	else
		step_fail(row, STATUS_FAILED, mapping_error("output", &context));
}

/* A completed container's output: reshaped, and within its limit. */
static void
check_output(Thread *thread, Frame *frame, PlanNode *node, StepRow *row)
{
	StepError  *error;

	if (node->output != NULL)
		reshape_output(thread, frame, node, row);
	error = size_error(node, row->output ? VARSIZE(row->output) : 0);
	if (error != NULL)
	{
		row->output = NULL;
		step_fail(row, STATUS_FAILED, error);
	}
}

/*
 * An error has been caught: the scope goes on with the step the clause names,
 * the error in its variable.  False when that finds no room.
 */
static bool
failure_is_caught(Thread *thread, Frame *frame, PlanNode *node, StepRow *row,
				  const CatchClause *clause)
{
	Frame	   *owner = variables_frame(frame);
	JsonbParseState *state = NULL;
	StepError  *error;

	if (clause->as != NULL)
	{
		variables_begin(&state, frame_variables(thread, owner));
		variables_assign(&state, clause->as,
						 row->error ? row->error : jsonb_null());
		error = variables_end(&state, owner, node, row);
		if (error != NULL)
		{
			row->error = error_with(row->error, "catch_error", error->message);
			return false;
		}
	}
	row->on_failure = FAILURE_CAUGHT;
	/*
	 * also where that is the step itself, or a conditional was to lead
	 * elsewhere
	 */
	frame->jump = &thread->plan->nodes[clause->target];
	return true;
}

/*
 * A step has failed: does the definition say that its scope goes on?  Then the
 * row says how.
 */
static bool
failure_is_handled(Thread *thread, Frame *frame, PlanNode *node, StepRow *row)
{
	EvaluateContext context;
	Jsonb	   *value;
	CatchClause *clause;

	/* once it may lead out of the cycle, else it would be one without an end */
	if (node->max_visits > 0 && row->visit > node->max_visits + 1 &&
		strcmp(row->error_type, "MaxVisitsExceeded") == 0)
		return false;
	clause = step_catcher(node, row->status, row->error_type, row->error);
	if (clause != NULL)
		return failure_is_caught(thread, frame, node, row, clause);
	switch (node->on_failure)
	{
		case ON_FAILURE_FAIL:
			break;
		case ON_FAILURE_IGNORE:
			row->on_failure = FAILURE_IGNORED;
			return true;
		case ON_FAILURE_DEFAULT:
			evaluate_in(thread, frame, &context);
			value = evaluate_template(&context, node->failure_default);
			if (value != NULL)
			{
				row->on_failure = FAILURE_DEFAULT;
				row->output = value;
				return true;
			}
			row->error = error_with(row->error, "default_error",
									context.message);
			break;
	}
	return false;
}

/*
 * The scope of a frame has ended with a row: so has the execution, or this
 * thread, or the container is told.  expired: for its time was over.
 */
static void
scope_ended(Thread *thread, Frame *frame, StepRow *row, bool expired)
{
	if (frame->container == NULL && thread->epilogue != NULL)
		epilogue_chain_ended(thread, row);
	else if (frame->container == NULL)
	{
		ExecutionStatus status = execution_status_of_scope(row->scope_outcome);

		thread->execution_expired = expired &&
			status == EXECUTION_TIMED_OUT;
		if (status == EXECUTION_COMPLETED)
			execution_ended(thread, status,
							scope_last_ran(thread, frame, row)->output, NULL,
							NULL);
		else
			execution_ended(thread, status, NULL, row->error, row->error_type);
	}
	else if (frame == thread->bottom)
	{
		thread->ended = true;
		thread->outcome = row->scope_outcome;
	}
	else
		step_ops[frame->container->type]->child_ended(thread, frame,
													  row->scope_outcome, row);
}

/*
 * A step has ended, leaf or container: its row says how.  Applies what the
 * definition says about a failure, and moves the scope on or ends it.
 */
void
step_ended(Thread *thread, Frame *frame, PlanNode *node, StepRow *row)
{
	FrontierRow ended = {.node = node->index};
	bool		failed;
	bool		scope_expired;
	bool		retried = false;

	if (row->completed_at == 0)
		row->completed_at = thread_time(thread);
	if (node->compensates >= 0)
	{
		epilogue_compensated(thread, row);
		return;
	}
	if (step_is_container(node) && row->status == STATUS_COMPLETED)
		check_output(thread, frame, node, row);
	failed = (row->status == STATUS_FAILED || row->status == STATUS_TIMED_OUT ||
			  row->status == STATUS_CANCELLED);
	frame->ran |= step_ran(row);
	scope_expired = (frame->deadline != DT_NOEND &&
					 row->completed_at >= frame->deadline);

	/*
	 * a scope whose time is over, or that is being cancelled, is not kept going
	 */
	if (failed && row->status != STATUS_CANCELLED && !scope_expired)
	{
		retried = step_is_container(node) && node->nretry > 0 &&
			container_retry_follows(thread, frame, node, row);
		failed = !retried && !failure_is_handled(thread, frame, node, row);
	}

	ended.stand = retried ? STAND_AGAIN :
		failed            ? STAND_ENDED_SCOPE :
							STAND_ENDED;
	ended.leads_to = frame->jump != NULL ? frame->jump->index : -1;
	frontier_add(&frame->frontier, &ended, 1);
	frame_follow_frontier(thread, frame);
	if (failed)
	{
		if (row->status == STATUS_CANCELLED)
			row->scope_outcome = SCOPE_CANCELLED;
		else if (scope_expired || row->status == STATUS_TIMED_OUT)
			row->scope_outcome = SCOPE_TIMED_OUT;
		else
			row->scope_outcome = SCOPE_FAILED;
	}
	else
	{
		/* a scope in which nothing ran was skipped itself */
		if (frame->at == NULL)
			row->scope_outcome = frame->container != NULL && !frame->ran &&
				!step_ran(scope_last_ran(thread, frame, row)) ? SCOPE_SKIPPED : SCOPE_COMPLETED;
		if (node->is_referenced)
			frame_remember(frame, node, row);
	}

	frame->jump = NULL;
	journal_add(thread, row);

	if (row->scope_outcome != SCOPE_OPEN)
		scope_ended(thread, frame, row, scope_expired);
}

/*
 * A step has ended that ends its scope, whatever comes behind it.  Its row says
 * how.
 */
void
step_ended_scope(Thread *thread, Frame *frame, PlanNode *node, StepRow *row)
{
	FrontierRow ended = {.node = node->index,.stand = STAND_ENDED_SCOPE,.leads_to = -1};

	row->completed_at = thread_time(thread);
	row->scope_outcome = row->status == STATUS_COMPLETED ? SCOPE_COMPLETED :
		SCOPE_FAILED;
	frame->ran = true;
	frontier_add(&frame->frontier, &ended, 1);
	frame_follow_frontier(thread, frame);
	if (node->is_referenced)
		frame_remember(frame, node, row);
	journal_add(thread, row);
	scope_ended(thread, frame, row, false);
}

/* Containers that the end of the execution finds open, in this thread. */
static void
close_open_containers(Thread *thread)
{
	for (Frame *frame = thread->top; frame->container != NULL;
		 frame = frame->parent)
	{
		StepRow    *row = frame->row;

		if (row == NULL)
			break;				/* the scheduler closes those of other
								 * threads */
		row->status = STATUS_CANCELLED;
		row->completed_at = thread_time(thread);
		journal_add(thread, row);
	}
}

/*
 * The execution is over.  The definition's output, where it has one, is what
 * the execution returns.
 */
void
execution_ended(Thread *thread, ExecutionStatus status, Jsonb *output,
				Jsonb *error, const char *error_type)
{
	if (thread->plan->output != NULL && status == EXECUTION_COMPLETED)
	{
		EvaluateContext context;
		Frame	   *root = thread->top;

		while (root->parent != NULL)
			root = root->parent;
		evaluate_in(thread, root, &context);
		output = evaluate_template(&context, thread->plan->output);
		if (output == NULL)
		{
			StepError  *failure = mapping_error("output", &context);

			status = EXECUTION_FAILED;
			error_type = failure->type;
			error = step_error_jsonb(failure, NULL, NULL);
		}
	}
	close_open_containers(thread);
	thread->ended = true;
	thread->execution_ended = true;
	thread->execution_status = status;
	thread->execution_output = output;
	thread->execution_error = error;
	thread->execution_error_type = error_type;
	if (status == EXECUTION_TIMED_OUT && error == NULL)
		thread->execution_error_type = "Timeout";
}

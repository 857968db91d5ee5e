/*-------------------------------------------------------------------------
 *
 * thread.c
 *	  The interpreter: what comes next in a scope, and what the end of a step
 *	  means.
 *
 * NOTES
 *	  Runs in executors and, for execute(), in sessions; always inside a
 *	  transaction of the driver, without starting or ending one.  Two functions
 *	  carry all transitions: step_ended() and, in containers.c,
 *	  container_child_ended().
 *
 *	  Memory: what belongs to the running leaf is in one of two step contexts;
 *	  what follows it (the next leaf's input among it) is made in the other, so
 *	  that the first can be reset when the transaction has committed.
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

static Thread *thread_allocate(LoadedExecution *execution, bool forks);
static TimestampTz thread_time_of(Thread *thread, TimestampTz now);

/*
 * A thread at the first step of an execution that has no rows yet.
 */
Thread *
thread_create(LoadedExecution *execution, bool forks)
{
	Thread	   *thread = thread_allocate(execution, forks);

	thread_push(thread, NULL, 0, -1);
	thread->top->fresh = true;
	thread->bottom = thread->top;
	return thread;
}

static Thread *
thread_allocate(LoadedExecution *execution, bool forks)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "workflow thread",
												  ALLOCSET_DEFAULT_SIZES);
	Thread	   *thread = MemoryContextAllocZero(context, sizeof(Thread));

	thread->context = context;
	thread->execution = execution;
	thread->plan = definition_plan(execution->definition_id);
	thread->forks = forks;
	for (int i = 0; i < 2; i++)
		thread->step_contexts[i] =
			AllocSetContextCreate(context, "workflow step",
								  ALLOCSET_DEFAULT_SIZES);
	thread->retired = AllocSetContextCreate(context, "workflow ended scopes",
											ALLOCSET_SMALL_SIZES);
	thread->journal_size = 16;
	thread->journal =
		MemoryContextAlloc(context, thread->journal_size * sizeof(StepRow *));
	return thread;
}

void
thread_free(Thread *thread)
{
	MemoryContextDelete(thread->context);
}

/* What the thread makes now goes here; it lives until the commit after next. */
static MemoryContext
step_context(Thread *thread)
{
	return thread->step_contexts[thread->step_context];
}

/*
 * Time for a row.  Rows of a scope are put in order by it, so no two of one
 * thread may be the same, whatever the clock does.
 */
TimestampTz
thread_time(Thread *thread)
{
	return thread_time_of(thread, GetCurrentTimestamp());
}

static TimestampTz
thread_time_of(Thread *thread, TimestampTz now)
{
	if (now <= thread->last_time)
		now = thread->last_time + 1;
	thread->last_time = now;
	return now;
}

/* --- frames --- */

Frame *
thread_push(Thread *thread, PlanNode *container, int visit, int child)
{
	Frame	   *parent = thread->top;
	MemoryContext context =
		AllocSetContextCreate(parent ? parent->scope_context : thread->context,
							  "workflow scope", ALLOCSET_SMALL_SIZES);
	Frame	   *frame = MemoryContextAllocZero(context, sizeof(Frame));

	frame->parent = parent;
	frame->container = container;
	frame->visit = visit;
	frame->context = context;
	frame->fresh = parent ? parent->fresh : false;
	frame->deadline = DT_NOEND;
	thread->top = frame;
	frame_enter_child(thread, frame, child);
	if (container == NULL && thread->plan->timeout_seconds > 0)
		frame->deadline = thread_deadline(thread, thread->execution->started_at,
										  thread->plan->timeout_seconds);
	return frame;
}

/*
 * Go to the first step of another child of the frame's container.  What the
 * scope before held is kept until the next commit: the journal may point at it.
 */
void
frame_enter_child(Thread *thread, Frame *frame, int child)
{
	MemoryContext oldcontext;

	if (frame->scope_context != NULL)
		MemoryContextSetParent(frame->scope_context, thread->retired);
	frame->scope_context = AllocSetContextCreate(frame->context,
												 "workflow scope data",
												 ALLOCSET_SMALL_SIZES);
	frame->cached = NULL;
	frame->cached_bytes = 0;
	frame->uncached = false;
	frame->visits = NULL;
	frame->variables = NULL;
	frame->variables_loaded = false;
	frame->label = NULL;
	frame->label_known = false;
	frame->child = child;
	frame->next_attempt = 0;
	frame->never_begun = false;
	frame->ran = false;

	oldcontext = MemoryContextSwitchTo(frame->scope_context);
	if (frame->container == NULL)
	{
		frame->scope = pstrdup("");
		frame->scope_id.depth = 0;
	}
	else
	{
		frame->scope = scope_child_path(frame->parent->scope, frame->container,
										frame->visit, child);
		frame->scope_id = scope_child(&frame->parent->scope_id,
									  frame->container->index, frame->visit,
									  child);
	}
	frontier_begin(&frame->frontier, thread->plan,
				   plan_scope(thread->plan, frame->container, child));
	MemoryContextSwitchTo(oldcontext);
	frame_follow_frontier(thread, frame);
}

void
frame_follow_frontier(Thread *thread, Frame *frame)
{
	int			next = frontier_next(&frame->frontier);

	frame->at = next >= 0 ? &thread->plan->nodes[next] : NULL;
}

/*
 * When so many seconds that began at a time are over.  Clocks stand still while
 * the execution is paused, and begin anew when it is retried.
 */
TimestampTz
thread_deadline(const Thread *thread, TimestampTz from, int seconds)
{
	const LoadedExecution *execution = thread->execution;

	if (execution->retried_at != 0)
		from = Max(from, execution->retried_at);
	return deadline_with_pauses(from, seconds, execution->pauses,
								execution->npauses);
}

/*
 * The time by which the frame's scope has to end: the container's and the
 * line's, and that of everything around.  from: when the line started.
 */
void
frame_set_deadline(Thread *thread, Frame *frame, TimestampTz from)
{
	PlanNode   *container = frame->container;
	TimestampTz deadline = frame->parent->deadline;

	if (container->timeout_seconds > 0)
		deadline = Min(deadline, thread_deadline(thread, frame->opened_at,
												 container->timeout_seconds));
	if (!step_iterates(container) && container->lines[frame->child].timeout_seconds > 0)
		deadline = Min(deadline, thread_deadline(thread, from,
												 container->lines[frame->child].timeout_seconds));
	frame->deadline = deadline;
}

void
thread_pop(Thread *thread)
{
	Frame	   *frame = thread->top;

	thread->top = frame->parent;
	MemoryContextSetParent(frame->context, thread->retired);
}

/* --- rows --- */

/* A row without times. */
static StepRow *
timeless_row(Thread *thread, Frame *frame, PlanNode *node, int visit)
{
	StepRow    *row = MemoryContextAllocZero(step_context(thread),
										  sizeof(StepRow));

	row->execution_id = thread->execution->id;
	row->scope = frame->scope;
	row->step_id = node->id;
	row->visit = visit;
	row->attempt = 1;
	row->type = node->type;
	row->status = STATUS_COMPLETED;
	row->agent_name = step_agent(node);
	row->condition_result = -1;
	row->loop_iteration_index = -1;
	row->loop_collection_size = -1;
	if (frame->container != NULL)
	{
		Frame	   *iteration = frame;

		row->parent_step_id = frame->container->id;
		while (iteration->container != NULL &&
			   !step_iterates(iteration->container))
			iteration = iteration->parent;
		if (iteration->container != NULL)
		{
			row->loop_iteration_index = iteration->child;
			if (loop_part(iteration->container)->label != NULL)
				row->loop_label = iteration_label(thread, iteration);
		}
		if (!step_iterates(frame->container))
			row->branch_name = frame->container->lines[frame->child].name;
	}
	return row;
}

/*
 * A row for a step of this scope, in the step context, with what is known
 * before it runs.
 */
StepRow *
step_row(Thread *thread, Frame *frame, PlanNode *node, int visit)
{
	StepRow    *row = timeless_row(thread, frame, node, visit);

	row->started_at = thread_time(thread);
	return row;
}

/* --- transitions --- */

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
 * A step has ended, leaf or container: its row says how.  Applies what the
 * definition says about a failure, and moves the scope on or ends it.
 */
void
step_ended(Thread *thread, Frame *frame, PlanNode *node, StepRow *row)
{
	FrontierRow ended = {.node = node->index};
	bool		failed;
	bool		scope_expired;

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
		failed = !failure_is_handled(thread, frame, node, row);

	ended.stand = failed ? STAND_ENDED_SCOPE : STAND_ENDED;
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

	if (row->scope_outcome == SCOPE_OPEN)
		return;
	if (frame->container == NULL && thread->epilogue != NULL)
		epilogue_chain_ended(thread, row);
	else if (frame->container == NULL)
	{
		ExecutionStatus status = execution_status_of_scope(row->scope_outcome);

		thread->execution_expired = scope_expired &&
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

/*
 * Walk on until something has to be done that is not bookkeeping.  Needs a
 * transaction; what it makes lives until the commit after next.
 */
ThreadAction
thread_next(Thread *thread)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(step_context(thread));
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

/* The row of the leaf that has just ended. */
StepRow *
leaf_row(Thread *thread)
{
	Leaf	   *leaf = &thread->leaf;
	StepRow    *row = timeless_row(thread, thread->top, leaf->node, leaf->visit);

	row->attempt = leaf->attempt;
	row->started_at = leaf->started_at;
	row->input = leaf->input;
	row->agent_name = leaf->agent_name;
	row->executor_pid = leaf->executor_pid;
	return row;
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
	oldcontext = MemoryContextSwitchTo(step_context(thread));
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
	oldcontext = MemoryContextSwitchTo(step_context(thread));
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
	oldcontext = MemoryContextSwitchTo(step_context(thread));
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

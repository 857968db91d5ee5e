/*-------------------------------------------------------------------------
 *
 * containers.c
 *	  Steps with children: opening them, going from child to child, closing them.
 *
 * NOTES
 *	  Same place and transaction as thread.c.  A container whose children run in
 *	  this thread has its activation (open row, collection) in the frame of the
 *	  child; one that forks has only its row.  Either way it is closed from the
 *	  rows of its children: container_close().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "interpreter/join.h"
#include "interpreter/scope.h"
#include "interpreter/thread.h"

static void close_activation(Thread *thread, ScopeOutcome cancelled);

/* "then" and "else" are lines by name; -1: there is no such line. */
static int
line_by_name(const PlanNode *node, const char *name)
{
	for (int i = 0; i < node->nlines; i++)
		if (strcmp(node->lines[i].name, name) == 0)
			return i;
	return -1;
}

/*
 * Push the frame of a child and give it the container's open row, which is
 * journaled unless it is in the table already (resuming).
 */
Frame *
container_enter(Thread *thread, PlanNode *node, int visit, StepRow *row, int child)
{
	Frame	   *frame = thread_push(thread, node, visit, child);
	MemoryContext oldcontext = MemoryContextSwitchTo(frame->context);

	frame->row = palloc(sizeof(StepRow));
	*frame->row = *row;
	frame->row->status = STATUS_RUNNING;
	if (row->input != NULL)
		frame->row->input = (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(row->input));
	if (row->error != NULL)
		frame->row->error = (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(row->error));
	frame->opened_at = row->started_at;
	frame->total = row->loop_collection_size;
	frame->collection = frame->row->input;
	frame->activation_loaded = true;
	MemoryContextSwitchTo(oldcontext);

	frame_set_deadline(frame, row->started_at);
	if (!row->written)
		journal_add(thread, frame->row);
	return frame;
}

/*
 * Stop here: the children go to other processes.  A row that is in the table
 * already means that some of them may have ended.
 */
ThreadAction
container_fork(Thread *thread, Frame *frame, PlanNode *node, int visit, StepRow *row, int total)
{
	ForkReport *fork = &thread->fork;

	row->status = STATUS_RUNNING;
	if (!row->written)
		journal_add(thread, row);

	memset(fork, 0, sizeof(ForkReport));
	fork->scope = frame->scope_id;
	fork->node = node->index;
	fork->visit = visit;
	fork->total = total;
	fork->recovered = row->written;
	fork->max_parallelism = node->max_parallelism;
	fork->required = join_required(node, total);
	fork->on_join_cancel = node->on_join_cancel;
	fork->stop_on_failure = (node->on_error == ON_ERROR_STOP && node->type != STEP_FORK_JOIN);
	fork->priority = node->priority ? node->priority : thread->execution->priority;
	fork->deadline = frame->deadline;
	if (node->timeout_seconds > 0)
		fork->deadline = Min(fork->deadline,
							 TimestampTzPlusMilliseconds(row->started_at,
														 (int64) node->timeout_seconds * 1000));
	return THREAD_FORK;
}

/* --- conditional --- */

/*
 * The condition is decided (or, for a switch, the line): run that line, jump, or end.
 */
void
conditional_decided(Thread *thread, Frame *frame, PlanNode *node, StepRow *row,
					int line, bool result, const char *error)
{
	if (node->condition != NULL)
	{
		row->condition_expression = node->condition->text;
		row->condition_result = result;
		line = line_by_name(node, result ? "then" : "else");
	}
	else
	{
		row->condition_result = (line >= 0 && line != node->default_line);
		if (line >= 0 && node->lines[line].when != NULL)
			row->condition_expression = node->lines[line].when->text;
	}
	if (line < 0)
		line = node->default_line;
	row->branch_taken = line >= 0 ? node->lines[line].name : "none";
	if (error != NULL)
	{
		StepError	why = {"ConditionError", error, .sqlerrcode = ERRCODE_DATA_EXCEPTION};

		row->error_type = "ConditionError";
		row->error = step_error_jsonb(&why, node->id, frame->scope);
	}

	if (line >= 0 && node->lines[line].nsteps > 0)
	{
		container_enter(thread, node, row->visit, row, line);
		return;
	}
	if (line >= 0 && node->lines[line].jump >= 0)
		frame->at = &thread->plan->nodes[node->lines[line].jump];
	row->output = join_conditional_output(row, NULL, NULL);
	step_ended(thread, frame, node, row);
}

/* A condition that is SQL: it becomes the leaf. */
static bool
condition_leaf(Thread *thread, Frame *frame, PlanNode *node, int visit,
			   const Condition *condition, TimestampTz started_at)
{
	Leaf	   *leaf = &thread->leaf;

	memset(leaf, 0, sizeof(Leaf));
	leaf->node = node;
	leaf->is_condition = true;
	leaf->visit = visit;
	leaf->attempt = 1;
	leaf->scope = frame->scope;
	leaf->iteration = (frame->container && frame->container->type == STEP_LOOP) ? frame->child : -1;
	leaf->started_at = started_at;
	leaf->deadline = frame->deadline;
	leaf->task.kind = SQL_TASK_CONDITION;
	leaf->task.sql = condition->sql;
	leaf->task.result = SQL_RESULT_VALUE;
	leaf->task.settings = thread->plan->settings;
	leaf->task.nsettings = thread->plan->nsettings;
	if (node->input_mapping != NULL)
	{
		EvaluateContext context;

		evaluate_in(thread, frame, &context);
		leaf->input = evaluate_template(&context, node->input_mapping);
		leaf->task.input = leaf->input;
	}
	return true;
}

static ThreadAction
open_conditional(Thread *thread, Frame *frame, PlanNode *node, int visit, StepRow *row, bool *again)
{
	EvaluateContext context;
	char	   *why = NULL;
	char	   *first_why = NULL;
	int			line;

	if (node->condition != NULL)
	{
		bool		result;

		if (node->condition->sql != NULL)
		{
			*again = !condition_leaf(thread, frame, node, visit, node->condition, row->started_at);
			return THREAD_LEAF;
		}
		evaluate_in(thread, frame, &context);
		result = evaluate_condition(&context, node->condition->expression, &why);
		conditional_decided(thread, frame, node, row, -1, result, why);
		return THREAD_LEAF;
	}

	for (line = 0; line < node->nlines; line++)
	{
		if (node->lines[line].when == NULL)
			continue;
		evaluate_in(thread, frame, &context);
		if (evaluate_condition(&context, node->lines[line].when->expression, &why))
			break;
		if (first_why == NULL)
			first_why = why;
	}
	conditional_decided(thread, frame, node, row,
						line < node->nlines ? line : node->default_line, false, first_why);
	return THREAD_LEAF;
}

/* --- loop --- */

/* The collection as {"collection": [..]}; NULL with *error when it is not an array. */
static Jsonb *
evaluate_collection(Thread *thread, Frame *frame, PlanNode *node, int *size, StepError **error)
{
	EvaluateContext context;
	Jsonb	   *collection;
	JsonbParseState *state = NULL;
	JsonbValue	value;

	evaluate_in(thread, frame, &context);
	collection = evaluate_template(&context, node->collection);
	if (collection == NULL)
	{
		*error = mapping_error("collection", &context);
		return NULL;
	}
	if (!JB_ROOT_IS_ARRAY(collection) || JB_ROOT_IS_SCALAR(collection))
	{
		*error = palloc0(sizeof(StepError));
		(*error)->type = "CollectionError";
		(*error)->sqlerrcode = ERRCODE_DATATYPE_MISMATCH;
		(*error)->message = psprintf("collection of loop \"%s\" is not an array", node->id);
		(*error)->hint = "A collection must be one reference that gives an array.";
		return NULL;
	}
	*size = JB_ROOT_COUNT(collection);
	if (node->max_iterations > 0)
		*size = Min(*size, node->max_iterations);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value.type = jbvString;
	value.val.string.val = "collection";
	value.val.string.len = strlen("collection");
	pushJsonbValue(&state, WJB_KEY, &value);
	value.type = jbvBinary;
	value.val.binary.data = &collection->root;
	value.val.binary.len = VARSIZE(collection) - VARHDRSZ;
	pushJsonbValue(&state, WJB_VALUE, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static ThreadAction
open_loop(Thread *thread, Frame *frame, PlanNode *node, int visit, StepRow *row, bool *again)
{
	StepError  *error = NULL;
	int			size = -1;
	Frame	   *iteration;

	row->loop_execution_mode = node->loop_parallel ? "parallel" : "sequential";
	if (node->loop_kind == LOOP_COLLECTION)
	{
		row->input = evaluate_collection(thread, frame, node, &size, &error);
		if (row->input == NULL)
		{
			step_fail(row, STATUS_FAILED, error);
			step_ended(thread, frame, node, row);
			return THREAD_LEAF;
		}
		row->loop_collection_size = size;
		if (size == 0)
		{
			container_close(thread, frame, node, visit, row);
			return THREAD_LEAF;
		}
		if (node->loop_parallel && thread->forks)
		{
			*again = false;
			return container_fork(thread, frame, node, visit, row, size);
		}
	}
	else
		row->condition_expression = node->loop_condition->text;

	iteration = container_enter(thread, node, visit, row, 0);
	if (node->loop_kind == LOOP_WHILE)
		iteration->at = NULL;	/* the condition comes first */
	return THREAD_LEAF;
}

/*
 * The frame is at the end of its line: only a while or until loop stands there,
 * with its condition to be tested.  Returns true when that is a leaf.
 */
bool
loop_continue(Thread *thread, Frame *frame)
{
	PlanNode   *node = frame->container;
	EvaluateContext context;
	char	   *why;
	bool		result;

	if (node->loop_condition->sql != NULL)
		return condition_leaf(thread, frame, node, frame->visit, node->loop_condition,
							  thread_time(thread));

	evaluate_in(thread, frame, &context);
	result = evaluate_condition(&context, node->loop_condition->expression, &why);
	if (why != NULL && frame->row->error == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(frame->context);
		StepError	error = {"ConditionError", why, .sqlerrcode = ERRCODE_DATA_EXCEPTION};

		frame->row->error = step_error_jsonb(&error, node->id, frame->scope);
		MemoryContextSwitchTo(oldcontext);
	}
	loop_condition_decided(thread, frame, result);
	return false;
}

/*
 * The condition of a while or until loop, tested in the frame of the iteration
 * it is about.
 */
void
loop_condition_decided(Thread *thread, Frame *frame, bool result)
{
	PlanNode   *node = frame->container;
	int			limit = node->max_iterations > 0 ? node->max_iterations : DEFAULT_MAX_ITERATIONS;
	int			next = frame->child + (node->loop_kind == LOOP_UNTIL ? 1 : 0);

	if (result == (node->loop_kind == LOOP_UNTIL))
	{
		close_activation(thread, SCOPE_OPEN);
		return;
	}
	if (next >= limit)
	{
		StepRow    *row = frame->row;
		StepError	error = {"LoopLimitExceeded", .sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED};

		error.message = psprintf("loop \"%s\" did not end within %d iterations", node->id, limit);
		error.hint = "See \"max_iterations\" of the loop.";
		thread_pop(thread);
		step_fail(row, STATUS_FAILED, &error);
		step_ended(thread, thread->top, node, row);
		return;
	}
	if (node->loop_kind == LOOP_UNTIL)
		frame_enter_child(thread, frame, next);
	else
		frame->at = &thread->plan->nodes[node->lines[0].first];
}

/* --- all --- */

/*
 * Open a container: its children begin, or it is decided at once.
 */
ThreadAction
container_open(Thread *thread, Frame *frame, PlanNode *node, int visit,
			   StepRow *row, bool *again)
{
	*again = true;
	switch (node->type)
	{
		case STEP_CONDITIONAL:
			return open_conditional(thread, frame, node, visit, row, again);
		case STEP_LOOP:
			return open_loop(thread, frame, node, visit, row, again);
		default:
			row->join_policy = join_policy_name(node->join_policy);
			if (thread->forks)
			{
				*again = false;
				return container_fork(thread, frame, node, visit, row, node->nlines);
			}
			container_enter(thread, node, visit, row, 0);
			return THREAD_LEAF;
	}
}

/*
 * A child that runs in this thread has ended, and with it the line of the top
 * frame: what does its container do?
 */
void
container_child_ended(Thread *thread, Frame *frame, ScopeOutcome outcome, StepRow *last)
{
	PlanNode   *node = frame->container;
	bool		failed = (outcome != SCOPE_COMPLETED && outcome != SCOPE_SKIPPED);
	bool		expired = (node->timeout_seconds > 0 && frame->deadline != DT_NOEND &&
						   last->completed_at >= TimestampTzPlusMilliseconds(frame->opened_at,
																			 (int64) node->timeout_seconds * 1000));

	if (node->type == STEP_CONDITIONAL)
	{
		StepRow    *row = frame->row;

		thread_pop(thread);
		row->status = !failed ? STATUS_COMPLETED :
			outcome == SCOPE_TIMED_OUT ? STATUS_TIMED_OUT :
			outcome == SCOPE_CANCELLED ? STATUS_CANCELLED : STATUS_FAILED;
		row->output = join_conditional_output(row, last->step_id, last->output);
		if (failed)
		{
			row->error = last->error;
			row->error_type = last->error_type;
		}
		step_ended(thread, thread->top, node, row);
		return;
	}

	if (outcome == SCOPE_CANCELLED || expired)
	{
		close_activation(thread, outcome);
		return;
	}
	if (failed)
		frame->failed = true;
	if (frame->failed && node->on_error == ON_ERROR_STOP && node->type != STEP_FORK_JOIN)
	{
		close_activation(thread, SCOPE_OPEN);
		return;
	}
	if (node->type == STEP_LOOP && node->loop_kind != LOOP_COLLECTION)
	{
		if (node->loop_kind == LOOP_WHILE)
			frame_enter_child(thread, frame, frame->child + 1);
		frame->at = NULL;		/* the condition is next */
		return;
	}
	if (frame->child + 1 < (node->type == STEP_LOOP ? frame->total : node->nlines))
	{
		frame_enter_child(thread, frame, frame->child + 1);
		frame_set_deadline(frame, last->completed_at);
	}
	else
		close_activation(thread, SCOPE_OPEN);
}

/* Close the container whose child the top frame is. */
static void
close_activation(Thread *thread, ScopeOutcome cancelled)
{
	Frame	   *frame = thread->top;
	PlanNode   *node = frame->container;
	StepRow    *row = frame->row;

	thread_pop(thread);
	if (cancelled == SCOPE_CANCELLED)
	{
		StepError	error = {.type = "Cancelled",.message = "the execution was stopped"};

		step_fail(row, STATUS_CANCELLED, &error);
		step_ended(thread, thread->top, node, row);
		return;
	}
	container_close(thread, thread->top, node, frame->visit, row);
}

/*
 * Close a container from the rows of its children.  frame is the scope the
 * container is in, row its open row.
 */
void
container_close(Thread *thread, Frame *frame, PlanNode *node, int visit, StepRow *row)
{
	char	   *from;
	char	   *to;
	bool		expired;

	/* the rows to be read are partly in the journal still */
	if (thread->njournal > 0)
		journal_flush(thread);

	scope_children_range(frame->scope, node, visit, &from, &to);
	if (node->on_join_cancel)
		step_close_open_between(thread->execution->id, from, to);
	row->completed_at = thread_time(thread);
	expired = (node->timeout_seconds > 0 &&
			   row->completed_at >= TimestampTzPlusMilliseconds(row->started_at,
																(int64) node->timeout_seconds * 1000));
	if (node->type == STEP_LOOP)
		join_loop(thread->execution->id, node, from, to, row, expired);
	else
		join_lines(thread->execution->id, thread->plan, node, from, to, row, expired);
	step_ended(thread, frame, node, row);
}

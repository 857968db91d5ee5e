/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  Loops: their one line runs for each item, or again and again.
 *
 * NOTES
 *	  Same place and transaction as thread.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/scope.h"
#include "definition/steps/loop.h"
#include "interpreter/jsonb_values.h"
#include "interpreter/steps/step_ops.h"
#include "state/jsonb_text.h"

/*
 * The collection as {"collection": [..]}; NULL with *error when it is not an
 * array.
 */
static Jsonb *
evaluate_collection(Thread *thread, Frame *frame, PlanNode *node, int *size,
					StepError **error)
{
	LoopPart   *part = loop_part(node);
	EvaluateContext context;
	Jsonb	   *collection;
	JsonbParseState *state = NULL;
	JsonbValue	value;

	evaluate_in(thread, frame, &context);
	collection = evaluate_template(&context, part->collection);
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
		value_from_jsonb(collection, &value);
		(*error)->message =
			psprintf("collection of loop \"%s\" is %s, not an array", node->id,
					 value_type_name(&value));
		(*error)->hint = "A collection must be one reference that gives an array.";
		return NULL;
	}
	*size = JB_ROOT_COUNT(collection);
	if (part->max_iterations > 0)
		*size = Min(*size, part->max_iterations);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jsonb_push_key(&state, "collection");
	value.type = jbvBinary;
	value.val.binary.data = &collection->root;
	value.val.binary.len = VARSIZE(collection) - VARHDRSZ;
	pushJsonbValue(&state, WJB_VALUE, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static ThreadAction
loop_enter(Thread *thread, Frame *frame, PlanNode *node, int visit,
		   StepRow *row, bool *again)
{
	LoopPart   *part = loop_part(node);
	StepError  *error = NULL;
	int			size = -1;
	Frame	   *iteration;

	row->loop_execution_mode = part->parallel ? "parallel" : "sequential";
	if (part->kind == LOOP_COLLECTION)
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
		if (part->parallel && thread->forks)
		{
			*again = false;
			return container_fork(thread, frame, node, visit, row, size);
		}
	}
	else
		row->condition_expression = part->condition->text;

	iteration = container_enter(thread, node, visit, row, 0);
	if (part->kind == LOOP_WHILE)
		iteration->at = NULL;	/* the condition comes first */
	return THREAD_LEAF;
}

/*
 * The condition of a while or until loop, tested in the frame of the iteration
 * it is about.  why: it could not be evaluated; the first such error is kept.
 */
static void
condition_decided(Thread *thread, PlanNode *node, bool result,
				  const StepError *why)
{
	LoopPart   *part = loop_part(node);
	Frame	   *frame = thread->top;
	int			limit = part->max_iterations > 0 ? part->max_iterations :
										   DEFAULT_MAX_ITERATIONS;
	int			next = frame->child + (part->kind == LOOP_UNTIL ? 1 : 0);

	if (why != NULL && frame->row->error == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(frame->context);

		frame->row->error = step_error_jsonb(why, node->id, frame->scope);
		MemoryContextSwitchTo(oldcontext);
	}
	if (result == (part->kind == LOOP_UNTIL))
	{
		container_close_activation(thread);
		return;
	}
	if (next >= limit)
	{
		StepError	error = {"LoopLimitExceeded", .sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED};

		error.message = psprintf("loop \"%s\" did not end within %d iterations",
								 node->id, limit);
		if (why != NULL)
			error.detail = psprintf("Its condition cannot be evaluated: %s.",
									why->message);
		error.hint = "See \"max_iterations\" of the loop.";
		container_cut_short(thread, frame, STATUS_FAILED, &error);
		return;
	}
	if (part->kind == LOOP_UNTIL)
		frame_enter_child(thread, frame, next);
	else
		frame->at = &thread->plan->nodes[frame->frontier.scope->first];
}

/*
 * The frame is at the end of its line: only a while or until loop stands there,
 * with its condition to be tested.  Returns true when that is a leaf.
 */
bool
loop_continue(Thread *thread, Frame *frame)
{
	PlanNode   *node = frame->container;
	LoopPart   *part = loop_part(node);
	EvaluateContext context;
	char	   *why;
	const char *error;
	bool		result;

	if (part->condition->sql != NULL)
	{
		error = condition_leaf(thread, frame, node, frame->visit,
							   Max(frame->next_attempt, 1), part->condition,
							   thread_time(thread));
		frame->next_attempt = 0;
		if (error == NULL)
			return true;
		condition_decided(thread, node, false, condition_error(error));
		return false;
	}
	evaluate_in(thread, frame, &context);
	result = evaluate_condition(&context, part->condition->expression, &why);
	condition_decided(thread, node, result, condition_error(why));
	return false;
}

/*
 * It has no row of its own, and has changed nothing: it is asked again at once.
 */
static bool
condition_failed(Thread *thread, StepStatus status, const StepError *error)
{
	if (status == STATUS_FAILED && error_is_transient(error) &&
		thread->leaf.attempt <= TRANSIENT_RETRIES)
	{
		thread->top->next_attempt = thread->leaf.attempt + 1;
		return true;
	}
	container_cut_short(thread, thread->top, status, error);
	return false;
}

/*
 * The iteration of a loop to go on with: the last that has begun, or, when the
 * execution was retried, the first that has not ended; *ended: which have,
 * then.
 */
static int
find_iteration(Thread *thread, Frame *frame, PlanNode *node, int visit,
			   bool **ended, int *nended)
{
	char	   *from;
	char	   *to;
	StepRecord *records;
	int			count;
	int			child;

	scope_children_range(frame->scope, node, visit, &from, &to);
	child = Max(step_last_iteration(thread->execution->id, from, to, node->id),
				0);
	*ended = NULL;
	if (thread->execution->retries == 0)
		return child;

	*nended = child + 1;
	*ended = palloc0(*nended * sizeof(bool));
	records = step_children(thread->execution->id, from, to, node->id, false,
							&count);
	for (int i = 0; i < count; i++)
		(*ended)[records[i].loop_iteration_index] = true;
	for (int i = 0; i < *nended; i++)
		if (!(*ended)[i])
			return i;
	return child;
}

static void
loop_remember_ended(Thread *thread, Frame *around, PlanNode *node, int visit)
{
	bool	   *ended;
	int			nended = 0;

	/* otherwise it is those before the one the thread stands in */
	if (thread->execution->retries == 0)
		return;
	find_iteration(thread, around, node, visit, &ended, &nended);
	frame_remember_ended(thread->top, ended, nended);
}

static void
loop_resume(Thread *thread, Frame *frame, PlanNode *node,
			const StepRecord *record pg_attribute_unused(), StepRow *row)
{
	bool	   *ended;
	int			nended = 0;
	int			child = find_iteration(thread, frame, node, row->visit, &ended,
							   &nended);

	container_enter(thread, node, row->visit, row, child);
	if (ended != NULL)
		frame_remember_ended(thread->top, ended, nended);
	thread_find_frontier(thread);
}

static bool
loop_was_opened(const PlanNode *node, int collection_size,
				const char *branch_taken pg_attribute_unused())
{
	/* over nothing: what failed is its own output */
	return loop_part(node)->kind != LOOP_COLLECTION ||
		collection_size > 0;
}

const StepOps loop_ops = {
	.enter = loop_enter,
	.condition_decided = condition_decided,
	.condition_failed = condition_failed,
	.child_ended = container_child_ended,
	.resume = loop_resume,
	.remember_ended = loop_remember_ended,
	.was_opened = loop_was_opened
};

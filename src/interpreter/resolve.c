/*-------------------------------------------------------------------------
 *
 * resolve.c
 *	  Where the values of references come from: outputs of steps, loop
 *	  variables, variables, the execution.
 *
 * NOTES
 *	  Outputs of referenced steps are kept in the frame of their scope up to a
 *	  limit.  What is not there is looked for in the journal (rows not written
 *	  yet) and then in the table, by key: the scope of any step that may be
 *	  referenced is known from the plan and the frames.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "interpreter/thread.h"

/* Outputs kept in one frame; the rest is read from the table when needed. */
#define CACHE_LIMIT (1024 * 1024)

typedef struct Resolver
{
	Thread	   *thread;
	Frame	   *frame;
	int			own_node;		/* the step whose "output" is evaluated, -1:
								 * none */
	Jsonb	   *own_result;
} Resolver;

static ResolveStatus resolve(void *context, const Reference *reference,
							 Jsonb **value, char **why);

/* Evaluate with the references as seen from a frame. */
void
evaluate_in(Thread *thread, Frame *frame, EvaluateContext *context)
{
	Resolver   *resolver = palloc(sizeof(Resolver));

	resolver->thread = thread;
	resolver->frame = frame;
	resolver->own_node = -1;
	resolver->own_result = NULL;
	memset(context, 0, sizeof(EvaluateContext));
	context->resolve = resolve;
	context->resolve_context = resolver;
}

/*
 * The "output" of a step that has completed with a result: references to the
 * step itself read that result.  NULL with context->message on failure.
 */
Jsonb *
evaluate_output(Thread *thread, Frame *frame, PlanNode *node, Jsonb *result,
				EvaluateContext *context)
{
	Resolver   *resolver;

	evaluate_in(thread, frame, context);
	resolver = context->resolve_context;
	resolver->own_node = node->index;
	resolver->own_result = result;
	return evaluate_template(context, node->output);
}

/* --- outputs of steps --- */

static CachedStep *
find_cached(Frame *frame, int node)
{
	for (CachedStep *step = frame->cached; step != NULL; step = step->next)
		if (step->node == node)
			return step;
	return NULL;
}

/* Keep the end of a step for references from its scope and those inside. */
void
frame_remember(Frame *frame, PlanNode *node, const StepRow *row)
{
	MemoryContext oldcontext;
	CachedStep *step = find_cached(frame, node->index);
	Size		size = row->output ? VARSIZE(row->output) : 0;

	if (frame->cached_bytes + size > CACHE_LIMIT)
	{
		frame->uncached = true;
		if (step != NULL)
			step->node = -1;	/* an earlier visit's, not to be found again */
		return;
	}

	oldcontext = MemoryContextSwitchTo(frame->scope_context);
	if (step == NULL)
	{
		step = palloc0(sizeof(CachedStep));
		step->node = node->index;
		step->next = frame->cached;
		frame->cached = step;
	}
	else
	{
		if (step->output != NULL)
		{
			frame->cached_bytes -= VARSIZE(step->output);
			pfree(step->output);
		}
		if (step->error != NULL)
			pfree(step->error);
		pfree(step->status);
	}
	step->output = row->output ?
		(Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(row->output)) :
		NULL;
	step->status = jsonb_from_string(step_status_name(row->status));
	step->error = row->error ?
		(Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(row->error)) :
		NULL;
	frame->cached_bytes += size;
	MemoryContextSwitchTo(oldcontext);
}

/* A row of this step that waits in the journal, the newest. */
static StepRow *
find_journaled(Thread *thread, const char *scope, const char *step_id)
{
	for (int i = thread->njournal - 1; i >= 0; i--)
	{
		StepRow    *row = thread->journal[i];

		if (!step_status_is_open(row->status) &&
			strcmp(row->step_id, step_id) == 0 &&
			strcmp(row->scope, scope) == 0)
			return row;
	}
	return NULL;
}

/*
 * Has the step run?  One that was skipped with an output stands for one that
 * has.
 */
bool
step_ran(const StepRow *row)
{
	return row->status != STATUS_SKIPPED || row->output != NULL;
}

/*
 * The row of the last step that ran in the frame's scope, which last has ended:
 * that row, unless the step was skipped.  The same row when none has run.
 */
StepRow *
scope_last_ran(Thread *thread, Frame *frame, StepRow *last)
{
	StepRecord *record;
	StepRow    *row;

	if (step_ran(last) || (frame->fresh && !frame->ran))
		return last;
	for (int i = thread->njournal - 1; i >= 0; i--)
	{
		row = thread->journal[i];
		if (!step_status_is_open(row->status) && step_ran(row) &&
			strcmp(row->scope, last->scope) == 0)
			return row;
	}
	record = step_last_ran(thread->execution->id, last->scope);
	if (record == NULL)
		return last;
	row = palloc(sizeof(StepRow));
	*row = *last;
	row->step_id = record->step_id;
	row->status = record->status;
	row->output = record->output;
	return row;
}

/*
 * The newest row of a step in a scope, as seen from a frame.  frame: the
 * scope's, when it is one of those on the stack.
 */
static StepRecord *
find_newest(Thread *thread, const char *scope, Frame *frame,
			const PlanNode *node)
{
	TimestampTz until = DT_NOEND;
	Frame	   *inner = NULL;

	/* others have one visit, and whoever may refer to it comes after it */
	if (frame != NULL && node->on_cycle)
	{
		for (Frame *top = thread->top; top != frame; top = top->parent)
			inner = top;
		until = epilogue_known_until(thread, inner);
	}
	return until == DT_NOEND ?
		step_find(thread->execution->id, scope, node->id, 0) :
		step_find_until(thread->execution->id, scope, node->id, until);
}

/*
 * The newest visit of a container in a scope.  frame: the scope's, when it is
 * one of those on the stack.
 */
static int
latest_visit(Thread *thread, const char *scope, Frame *frame,
			 PlanNode *container)
{
	StepRow    *row;
	StepRecord *record;

	if (!step_may_have_visits(container))
		return 1;
	if (frame != NULL && frame->visits != NULL &&
		frame->visits[container->position] > 0)
		return frame->visits[container->position];
	row = find_journaled(thread, scope, container->id);
	if (row != NULL)
		return row->visit;
	record = find_newest(thread, scope, frame, container);
	return record ? record->visit : 1;
}

/*
 * The scope a step's rows are in, as seen from a frame, and the frame of it
 * when it is one of those on the stack.  NULL: inside a loop the frame is not
 * in.
 */
static char *
scope_of_step(Thread *thread, Frame *from, PlanNode *node, Frame **scope_frame)
{
	PlanNode   *chain[PLAN_MAX_NESTING + 1];
	Frame	   *frames[PLAN_MAX_NESTING + 1];
	int			depth = node->depth;
	int			nframes = from->scope_id.depth;
	int			matched = 0;
	char	   *scope;

	chain[depth] = node;
	for (int i = depth - 1; i >= 0; i--)
		chain[i] = &thread->plan->nodes[chain[i + 1]->container];
	for (Frame *frame = from; frame != NULL; frame = frame->parent)
		frames[frame->scope_id.depth] = frame;

	/* as far as the step's containers are the ones we are in */
	while (matched < depth && matched < nframes)
	{
		Frame	   *frame = frames[matched + 1];

		if (frame->container != chain[matched] ||
			(!step_iterates(chain[matched]) &&
			 frame->child != chain[matched + 1]->line))
			break;
		matched++;
	}

	*scope_frame = (matched == depth) ? frames[matched] : NULL;
	scope = frames[matched]->scope;
	for (int i = matched; i < depth; i++)
	{
		if (step_iterates(chain[i]))
			return NULL;
		scope = scope_child_path(scope, chain[i],
								 latest_visit(thread, scope,
											  i == matched ? frames[i] : NULL,
											  chain[i]),
								 chain[i + 1]->line);
	}
	return scope;
}

static ResolveStatus
resolve_step(Thread *thread, Frame *frame, const Reference *reference,
			 Jsonb **value, char **why)
{
	PlanNode   *node = &thread->plan->nodes[reference->node];
	StepRecord *undone = epilogue_undone(thread, node);
	Frame	   *scope_frame;
	char	   *scope = scope_of_step(thread, frame, node, &scope_frame);
	CachedStep	found = {0};
	bool		known = false;

	if (undone != NULL)
	{
		found.output = undone->output;
		found.error = undone->error;
		found.status = jsonb_from_string(step_status_name(undone->status));
		known = true;
	}
	if (!known && scope != NULL && scope_frame != NULL)
	{
		CachedStep *cached = find_cached(scope_frame, node->index);

		if (cached != NULL)
		{
			found = *cached;
			known = true;
		}
	}
	if (scope != NULL && !known)
	{
		StepRow    *row = find_journaled(thread, scope, node->id);

		if (row != NULL)
		{
			found.output = row->output;
			found.error = row->error;
			found.status = jsonb_from_string(step_status_name(row->status));
			known = true;
		}
		else if (scope_frame == NULL || !scope_frame->fresh ||
				 scope_frame->uncached)
		{
			StepRecord *record = find_newest(thread, scope, scope_frame, node);

			if (record != NULL && !step_status_is_open(record->status))
			{
				found.output = record->output;
				found.error = record->error;
				found.status = jsonb_from_string(
					step_status_name(record->status));
				known = true;
			}
		}
	}
	if (!known)
	{
		*why = psprintf("step \"%s\" has not run", node->id);
		return RESOLVE_MISSING;
	}
	if (reference->root == REFERENCE_STEP_STATUS)
		*value = found.status;
	else
		*value = reference->root == REFERENCE_STEP_OUTPUT ? found.output : found.error;
	if (*value == NULL)
		*value = jsonb_null();
	return RESOLVE_OK;
}

/* --- loops --- */

/* The item of the iteration a frame is. */
static Jsonb *
loop_item(Frame *frame)
{
	JsonbValue	key;
	JsonbValue *collection;
	JsonbValue *item;

	if (frame->collection == NULL)
		return NULL;
	collection = getKeyJsonValueFromContainer(&frame->collection->root,
											  "collection",
											  strlen("collection"), &key);
	if (collection == NULL || collection->type != jbvBinary)
		return NULL;
	item = getIthJsonbValueFromContainer(collection->val.binary.data,
										 frame->child);
	return item ? JsonbValueToJsonb(item) : NULL;
}

static ResolveStatus
resolve_loop(Thread *thread, Frame *frame, const Reference *reference,
			 Jsonb **value, char **why)
{
	int			up = reference->levels_up;

	while (frame != NULL && (frame->container == NULL ||
							 !step_iterates(frame->container) || up-- > 0))
		frame = frame->parent;
	if (frame == NULL)
	{
		*why = pstrdup("not in a loop");
		return RESOLVE_MISSING;
	}
	if (reference->root != REFERENCE_LOOP_INDEX &&
		reference->root != REFERENCE_LOOP_IS_FIRST)
		frame_load_activation(thread, frame);

	switch (reference->root)
	{
		case REFERENCE_LOOP_INDEX:
			*value = jsonb_from_int64(frame->child);
			break;
		case REFERENCE_LOOP_IS_FIRST:
			*value = jsonb_from_bool(frame->child == 0);
			break;
		case REFERENCE_LOOP_TOTAL:
			*value = frame->total >= 0 ? jsonb_from_int64(frame->total) : jsonb_null();
			break;
		case REFERENCE_LOOP_IS_LAST:
			*value = frame->total >= 0 ? jsonb_from_bool(frame->child == frame->total - 1) : jsonb_null();
			break;
		default:
			*value = loop_item(frame);
			if (*value == NULL)
			{
				*why = psprintf("loop \"%s\" has no items", frame->container->id);
				return RESOLVE_MISSING;
			}
	}
	return RESOLVE_OK;
}

/* --- variables --- */

static ResolveStatus
resolve_variable(Thread *thread, Frame *frame, const Reference *reference,
				 Jsonb **value, char **why)
{
	for (Frame *owner = variables_frame(frame); owner != NULL;
		 owner = owner->parent ? variables_frame(owner->parent) : NULL)
	{
		Jsonb	   *variables = frame_variables(thread, owner);

		if (variables != NULL &&
			(*value = jsonb_get_member(variables, reference->field)) != NULL)
			return RESOLVE_OK;
	}
	*why = psprintf("variable \"%s\" has not been set", reference->field);
	return RESOLVE_MISSING;
}

/* --- the execution --- */

static ResolveStatus
resolve_workflow_field(Thread *thread, const Reference *reference,
					   Jsonb **value, char **why)
{
	LoadedExecution *execution = thread->execution;

	if (strcmp(reference->field, "execution_id") == 0)
		*value = jsonb_from_int64(execution->id);
	else if (strcmp(reference->field, "name") == 0)
		*value = jsonb_from_string(execution->workflow);
	else if (strcmp(reference->field, "version") == 0)
		*value = jsonb_from_int64(execution->version);
	else if (strcmp(reference->field, "traceparent") == 0)
		*value = execution->traceparent ? jsonb_from_string(execution->traceparent) : jsonb_null();
	else if (strcmp(reference->field, "started_at") == 0)
	{
		char		text[MAXDATELEN + 1];

		/* as to_jsonb() gives it, whatever DateStyle is */
		JsonEncodeDateTime(text, TimestampTzGetDatum(execution->started_at),
						   TIMESTAMPTZOID, NULL);
		*value = jsonb_from_string(text);
	}
	else
	{
		*why = psprintf("workflow has no field \"%s\"", reference->field);
		return RESOLVE_MISSING;
	}
	return RESOLVE_OK;
}

static ResolveStatus
resolve(void *context, const Reference *reference, Jsonb **value, char **why)
{
	Resolver   *resolver = context;
	Thread	   *thread = resolver->thread;

	if (resolver->own_node >= 0 && reference->root == REFERENCE_STEP_OUTPUT &&
		reference->node == resolver->own_node)
	{
		*value = resolver->own_result ? resolver->own_result : jsonb_null();
		return RESOLVE_OK;
	}
	switch (reference->root)
	{
		case REFERENCE_WORKFLOW_INPUT:
			*value = thread->execution->input;
			return RESOLVE_OK;
		case REFERENCE_WORKFLOW_ERROR:
			*value = thread->execution->error ? thread->execution->error : jsonb_null();
			return RESOLVE_OK;
		case REFERENCE_WORKFLOW_FIELD:
			return resolve_workflow_field(thread, reference, value, why);
		case REFERENCE_STEP_OUTPUT:
		case REFERENCE_STEP_STATUS:
		case REFERENCE_STEP_ERROR:
			return resolve_step(thread, resolver->frame, reference, value, why);
		case REFERENCE_VARIABLE:
			return resolve_variable(thread, resolver->frame, reference, value,
									why);
		default:
			return resolve_loop(thread, resolver->frame, reference, value, why);
	}
}

/*-------------------------------------------------------------------------
 *
 * variables.c
 *	  Variables: whose they are, what they hold, changing them.
 *
 * NOTES
 *	  Same place and transaction as thread.c.  Variables belong to the nearest
 *	  scope that runs beside others.  They are an object in the frame of that
 *	  scope; each row that changes them (a set step, an error caught with "as")
 *	  has the whole object, so that the newest row says it all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "definition/scope.h"
#include "interpreter/jsonb_values.h"
#include "interpreter/thread.h"
#include "state/jsonb_text.h"

/*
 * The scope whose variables a frame sets: the nearest that runs beside others.
 */
Frame *
variables_frame(Frame *frame)
{
	while (frame->container != NULL &&
		   !container_is_concurrent(frame->container))
		frame = frame->parent;
	return frame;
}

typedef struct VariablesSearch
{
	Thread	   *thread;
	Frame	   *owner;
	Jsonb	   *found;
} VariablesSearch;

/*
 * Is this row's scope one of the owner's?  Its scope without the inner, not
 * concurrent levels says so.
 */
static bool
match_scope(void *context, const char *scope, Jsonb *variables)
{
	VariablesSearch *search = context;
	WorkflowPlan *plan = search->thread->plan;
	ScopeId		id;

	if (!scope_parse(plan, scope, &id))
		return true;
	while (id.depth > 0 &&
		   !container_is_concurrent(&plan->nodes[id.level[id.depth - 1].node]))
		id.depth--;
	if (!scope_is(&id, &search->owner->scope_id))
		return true;
	search->found = variables;
	return false;
}

/*
 * Until when what was set in the owner's scope counts: for a compensation the
 * end of the step it undoes or, when that is beside others further in, the time
 * at which these began.  Only times of one line are compared, which the clock
 * cannot disorder.
 */
static TimestampTz
variables_until(Thread *thread, const Frame *owner)
{
	Frame	   *inner = NULL;

	for (Frame *frame = variables_frame(thread->top); frame != owner;
		 frame = variables_frame(frame->parent))
		inner = frame;
	return epilogue_known_until(thread, inner);
}

/* The variables object of a scope that has its own; NULL: none set. */
Jsonb *
frame_variables(Thread *thread, Frame *owner)
{
	if (!owner->variables_loaded)
	{
		owner->variables_loaded = true;
		if (!owner->fresh && thread->plan->assigns_variables)
		{
			VariablesSearch search = {thread, owner, NULL};
			MemoryContext oldcontext = MemoryContextSwitchTo(
				owner->scope_context);

			step_walk_variables(thread->execution->id,
								variables_until(thread, owner), match_scope,
								&search);
			owner->variables = search.found;
			MemoryContextSwitchTo(oldcontext);
		}
	}
	return owner->variables;
}

/* --- changing them --- */

void
variables_begin(JsonbParseState **state, Jsonb *variables)
{
	JsonbIterator *it;
	JsonbValue	value;
	JsonbIteratorToken token;

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	if (variables == NULL)
		return;
	it = JsonbIteratorInit(&variables->root);
	token = JsonbIteratorNext(&it, &value, true);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
		if (token == WJB_KEY || token == WJB_VALUE)
			pushJsonbValue(state, token, &value);
}

void
variables_assign(JsonbParseState **state, const char *name, Jsonb *assigned)
{
	JsonbValue	value;

	jsonb_push_key(state, name);
	if (JB_ROOT_IS_SCALAR(assigned))
		JsonbExtractScalar(&assigned->root, &value);
	else
	{
		value.type = jbvBinary;
		value.val.binary.data = &assigned->root;
		value.val.binary.len = VARSIZE(assigned) - VARHDRSZ;
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* Take back what variables_end() has done.  before: NULL: there were none. */
void
variables_restore(Frame *owner, Jsonb *before, StepRow *row)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(owner->scope_context);

	if (owner->variables != NULL)
		pfree(owner->variables);
	owner->variables = before == NULL ? NULL :
		(Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(before));
	MemoryContextSwitchTo(oldcontext);
	row->variables = NULL;
}

/*
 * Replace the variables of a scope by the object that was built, by this row.
 * An error, and nothing is changed, when they are too large.
 */
StepError *
variables_end(JsonbParseState **state, Frame *owner, const PlanNode *node,
			  StepRow *row)
{
	Jsonb	   *variables = JsonbValueToJsonb(
		pushJsonbValue(state, WJB_END_OBJECT, NULL));
	StepError  *error = size_error(node, VARSIZE(variables));
	Jsonb	   *before = owner->variables;
	MemoryContext oldcontext;

	if (error != NULL)
	{
		error->message = psprintf("variables exceed workflow.max_result_size in step \"%s\"", node->id);
		return error;
	}
	row->variables = variables;
	oldcontext = MemoryContextSwitchTo(owner->scope_context);
	owner->variables = (Jsonb *) PG_DETOAST_DATUM_COPY(
		PointerGetDatum(variables));
	owner->variables_loaded = true;
	MemoryContextSwitchTo(oldcontext);
	if (before != NULL)
		pfree(before);
	return NULL;
}

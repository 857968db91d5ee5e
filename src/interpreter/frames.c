/*-------------------------------------------------------------------------
 *
 * frames.c
 *	  A thread, its frames, and the times they have.
 *
 * NOTES
 *	  Any process that interprets; no row is written here.  A thread is a stack
 *	  of frames: the root scope, and a frame for each container it is in.
 *
 *	  Memory: what belongs to the running leaf is in one of two step contexts;
 *	  what follows it (the next leaf's input among it) is made in the other, so
 *	  that the first can be reset when the transaction has committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "interpreter/frontier_rows.h"
#include "interpreter/steps/step_ops.h"
#include "interpreter/thread.h"

const StepOps *const *step_ops = NULL;

static Thread *thread_allocate(LoadedExecution *execution, bool forks);

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
	thread->parks = true;
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
MemoryContext
thread_step_context(Thread *thread)
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

TimestampTz
thread_time_of(Thread *thread, TimestampTz now)
{
	if (now <= thread->last_time)
		now = thread->last_time + 1;
	thread->last_time = now;
	return now;
}

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
	frame->open = NULL;
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

/*
 * Read what the open row of the frame's container says: collection and times.
 */
void
frame_load_activation(Thread *thread, Frame *frame)
{
	MemoryContext oldcontext;
	StepRecord *record;

	if (frame->activation_loaded)
		return;
	oldcontext = MemoryContextSwitchTo(frame->context);
	record = step_find(thread->execution->id, frame->parent->scope,
					   frame->container->id, frame->visit);
	if (record == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("execution " INT64_FORMAT " has no row of its open step \"%s\"",
						thread->execution->id, frame->container->id)));
	frame->collection = record->input;
	frame->total = record->loop_collection_size;
	frame->opened_at = record->started_at;
	frame->activation_loaded = true;
	MemoryContextSwitchTo(oldcontext);
}

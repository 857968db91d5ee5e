/*-------------------------------------------------------------------------
 *
 * epilogue.c
 *	  What runs between the failure of an execution and its end: compensations
 *	  of the steps that completed, then the definition's on_failure chain.
 *
 * NOTES
 *	  Runs in executors; needs a transaction.  How the execution ends was
 *	  decided before and stands in its row ("ending").  One thread goes from one
 *	  completed step to the next, the newest first, and stands in the scope of
 *	  each while its compensation runs.  Which ones are done is told by the rows
 *	  of the compensations alone, so an interrupted epilogue goes on where it
 *	  was: their key (scope and visit of the step, id of the compensation) lets
 *	  none commit twice.
 *
 *	  A compensation sees variables and the outputs of other steps as of the end
 *	  of the step it undoes: from rows of that time, which are all kept.  So
 *	  steps pay nothing for being undone some day, and the frames remember
 *	  nothing from one compensation to the next.  The chain sees what there was
 *	  in the end.
 *
 *	  Nothing here has a deadline of what was around the step: that time is
 *	  over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "interpreter/epilogue.h"
#include "state/epilogue.h"

/* Steps to be undone that are looked for at once. */
#define BATCH 10000

static void advance(Thread *thread);

Thread *
thread_epilogue(LoadedExecution *execution)
{
	Thread	   *thread = thread_create(execution, false);
	MemoryContext oldcontext = MemoryContextSwitchTo(
		thread->step_contexts[thread->step_context]);

	thread->top->fresh = false;
	thread->top->deadline = DT_NOEND;
	thread->epilogue = MemoryContextAllocZero(thread->context,
											  sizeof(Epilogue));
	thread->epilogue->context = AllocSetContextCreate(thread->context,
													  "workflow compensations",
													  ALLOCSET_DEFAULT_SIZES);
	thread->epilogue->advance = advance;
	advance(thread);
	MemoryContextSwitchTo(oldcontext);
	return thread;
}

/* Stand at the compensation of a completed step, in the scope of that. */
static void
stand_at(Thread *thread, const CompletedStep *step)
{
	WorkflowPlan *plan = thread->plan;
	PlanNode   *node = plan_find(plan, step->step_id);
	ScopeId		scope;
	StepRecord *before = NULL;

	if (!scope_parse(plan, step->scope, &scope))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("execution " INT64_FORMAT " has a row in scope \"%s\", which its definition does not have",
						thread->execution->id, step->scope)));
	for (int i = 0; i < scope.depth; i++)
		thread_push(thread, &plan->nodes[scope.level[i].node],
					scope.level[i].visit, scope.level[i].child);
	thread->bottom = thread->top;
	thread->top->at = &plan->nodes[node->compensation];
	thread->top->next_attempt = 0;

	/*
	 * where the epilogue was interrupted there may be an attempt that another
	 * follows
	 */
	if (!thread->epilogue->begun)
		before = step_find(thread->execution->id, step->scope,
						   thread->top->at->id, step->visit);
	thread->epilogue->begun = true;
	if (before != NULL)
	{
		thread->top->next_attempt = before->attempt + 1;
		thread->top->attempt_visit = step->visit;
		thread->top->attempt_at = attempt_time(before);
		thread->last_time = Max(thread->last_time, before->completed_at);
	}
}

/* Go on to the on_failure chain, or in it. */
static void
enter_chain(Thread *thread)
{
	WorkflowPlan *plan = thread->plan;
	StepRecord *newest;
	PlanNode   *node;

	if (plan->on_failure < 0 ||
		thread->execution->ending == EXECUTION_CANCELLED)
	{
		epilogue_finish(thread);
		return;
	}
	/*
	 * the chain is a part of the root scope that its first step does not lead
	 * to
	 */
	thread->top->at = &plan->nodes[plan->on_failure];
	newest = step_newest_of_scope(thread->execution->id, thread->top->scope,
								  DT_NOEND);
	node = newest ? plan_find(plan, newest->step_id) : NULL;
	if (newest != NULL)
		thread->last_time = Max(thread->last_time, newest->completed_at);
	if (node == NULL || !node->in_chain)
		return;
	thread_go_on_from(thread, newest);
	/*
	 * all of it has run, and who was to write the end could not; in a loop the
	 * condition is next
	 */
	if (thread->top->container == NULL && thread->top->at == NULL)
		epilogue_finish(thread);
}

/*
 * Go to the next compensation; when there is none, to the chain.
 */
static void
advance(Thread *thread)
{
	Epilogue   *epilogue = thread->epilogue;

	while (thread->top->parent != NULL)
		thread_pop(thread);
	thread->bottom = thread->top;
	/* forget what there was at the time of the step before */
	frame_enter_child(thread, thread->top, -1);
	thread->top->at = NULL;
	epilogue->undone = NULL;

	if (epilogue->next == epilogue->count && thread->plan->ncompensations > 0)
	{
		MemoryContext oldcontext;

		/* what has been done is told by rows */
		if (thread->njournal > 0)
			journal_flush(thread);
		MemoryContextReset(epilogue->context);
		oldcontext = MemoryContextSwitchTo(epilogue->context);
		epilogue->count = steps_to_compensate(thread->execution->id,
											  thread->plan, BATCH,
											  &epilogue->batch);
		MemoryContextSwitchTo(oldcontext);
		epilogue->next = 0;
	}
	if (epilogue->next == epilogue->count)
	{
		enter_chain(thread);
		return;
	}
	epilogue->undone = &epilogue->batch[epilogue->next++];
	thread->last_time = Max(thread->last_time, epilogue->undone->completed_at);
	stand_at(thread, epilogue->undone);
}


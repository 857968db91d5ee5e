/*-------------------------------------------------------------------------
 *
 * resume.c
 *	  Threads made from rows: after a crash, a yield, a failed commit, for the
 *	  children of a fork and for what comes after its join.
 *
 * NOTES
 *	  Needs a transaction; writes nothing.  Where a scope goes on is told by
 *	  frontier.c, from its newest row: an open container is gone into, after an
 *	  ended step comes what follows it, and without any row the scope is at its
 *	  beginning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "definition/steps/loop.h"
#include "interpreter/frontier_rows.h"
#include "interpreter/steps/step_ops.h"
#include "interpreter/thread.h"


/* Deadline of a scope that others or this thread may have begun before. */
void
frame_attach_deadline(Thread *thread, Frame *frame, bool fresh)
{
	PlanNode   *container = frame->container;
	bool		line_timeout = (!step_iterates(container) &&
						 container->lines[frame->child].timeout_seconds > 0);
	TimestampTz started = 0;

	if (container->timeout_seconds > 0)
		frame_load_activation(thread, frame);
	if (line_timeout && !fresh)
		started = step_scope_started(thread->execution->id, frame->scope);
	frame_set_deadline(thread, frame,
					   started != 0 ? started : GetCurrentTimestamp());
}

/* What the thread makes while it is set up belongs to its first step. */
static MemoryContext
enter_context(Thread *thread)
{
	return MemoryContextSwitchTo(thread->step_contexts[thread->step_context]);
}

/* The row of an open step, as far as closing it needs it. */
static StepRow *
open_row(Thread *thread, Frame *frame, PlanNode *node, const StepRecord *record)
{
	StepRow    *row = step_row(thread, frame, node, record->visit);

	row->attempt = record->attempt;
	row->status = record->status;
	row->started_at = record->started_at;
	row->input = record->input;
	row->error = record->error;
	row->error_type = record->error_type;
	row->loop_collection_size = record->loop_collection_size;
	row->condition_result = record->condition_result;
	row->branch_taken = record->branch_taken;
	row->retry_at = record->retry_at;
	row->written = true;
	return row;
}

/*
 * The row of a container that must be open.  If it is not, another process has
 * closed it: the fence.
 */
static StepRow *
find_open_row(Thread *thread, Frame *frame, PlanNode *node, int visit)
{
	StepRecord *record = step_find(thread->execution->id, frame->scope,
								   node->id, visit);

	if (record == NULL || record->status != STATUS_RUNNING)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("step \"%s\" of execution " INT64_FORMAT " is not open any more",
						node->id, thread->execution->id),
				 err_generic_string(PG_DIAG_SCHEMA_NAME, "workflow"),
				 err_generic_string(PG_DIAG_TABLE_NAME, "step_executions")));
	thread->last_time = Max(thread->last_time, record->started_at);
	return open_row(thread, frame, node, record);
}

/*
 * A thread with the frames of a scope, standing nowhere yet.  The frame at
 * depth bottom is the thread's own scope; containers further in are of this
 * thread, and it goes on with their children, so it needs their open rows.
 */
static Thread *
attach(LoadedExecution *execution, bool forks, const ScopeId *scope, int bottom)
{
	Thread	   *thread = thread_create(execution, forks);

	thread->top->fresh = false;
	for (int i = 0; i < scope->depth; i++)
	{
		const ScopeLevel *level = &scope->level[i];
		PlanNode   *node = &thread->plan->nodes[level->node];

		if (i < bottom)
		{
			thread_push(thread, node, level->visit, level->child);
			frame_attach_deadline(thread, thread->top, false);
			thread->bottom = thread->top;
		}
		else
		{
			MemoryContext oldcontext = enter_context(thread);
			Frame	   *around = thread->top;

			around->at = node;
			container_enter(thread, node, level->visit,
							find_open_row(thread, around, node, level->visit),
							level->child);
			if (step_ops[node->type]->remember_ended != NULL)
				step_ops[node->type]->remember_ended(thread, around, node,
													 level->visit);
			MemoryContextSwitchTo(oldcontext);
		}
	}
	return thread;
}

Thread *
thread_resume(LoadedExecution *execution, bool forks, const ScopeId *scope)
{
	Thread	   *thread = attach(execution, forks, scope, scope->depth);
	MemoryContext oldcontext = enter_context(thread);

	thread_find_frontier(thread);
	MemoryContextSwitchTo(oldcontext);
	return thread;
}

Thread *
thread_join(LoadedExecution *execution, bool forks, const ScopeId *scope,
			int bottom, int node_index, int visit)
{
	Thread	   *thread = attach(execution, forks, scope, bottom);
	MemoryContext oldcontext = enter_context(thread);
	PlanNode   *node = &thread->plan->nodes[node_index];
	StepRow    *row = find_open_row(thread, thread->top, node, visit);

	thread->top->at = node;
	container_close(thread, thread->top, node, visit, row);
	/*
	 * Committed before the leaf behind it: what stops that, or undoes it at its
	 * commit, must find the container closed, and what closing it has written
	 * is not to be undone with it.
	 */
	thread->dirty = true;
	MemoryContextSwitchTo(oldcontext);
	return thread;
}

Thread *
thread_child(LoadedExecution *execution, bool forks, const ScopeId *scope,
			 int node, int visit, int child, bool fresh)
{
	Thread	   *thread = attach(execution, forks, scope, scope->depth);

	thread_push(thread, &thread->plan->nodes[node], visit, child);
	thread->bottom = thread->top;
	thread_move_to_child(thread, child, fresh);
	return thread;
}

/*
 * The thread has ended a child of a container (or stands at one it has not
 * begun): go to another child.
 */
void
thread_move_to_child(Thread *thread, int child, bool fresh)
{
	MemoryContext oldcontext = enter_context(thread);

	Assert(thread->top == thread->bottom);
	if (thread->top->child != child)
		frame_enter_child(thread, thread->top, child);
	thread->ended = false;
	thread->outcome = SCOPE_OPEN;
	thread->top->fresh = fresh;
	frame_attach_deadline(thread, thread->top, fresh);
	if (!fresh)
		thread_find_frontier(thread);
	MemoryContextSwitchTo(oldcontext);
}

/* --- going into an open container --- */

/*
 * Of children that run one after the other some have ended that come after the
 * one the top frame stands in: they were retried.
 */
void
frame_remember_ended(Frame *frame, const bool *ended, int nended)
{
	frame->ended = MemoryContextAlloc(frame->context,
									  Max(nended, 1) * sizeof(bool));
	memcpy(frame->ended, ended, nended * sizeof(bool));
	frame->nended = nended;
}

void
thread_resume_child(Thread *thread, int child, TimestampTz from)
{
	frame_enter_child(thread, thread->top, child);
	frame_set_deadline(thread, thread->top, from);
	thread->top->fresh = false;
	thread_find_frontier(thread);
}

/* Go to a step that has begun, and waits. */
static void
resume_waiting(Thread *thread, Frame *frame, PlanNode *node,
			   const StepRecord *record)
{
	/* what the thread does before it comes to it may be committed first */
	frame->open = MemoryContextAlloc(frame->scope_context, sizeof(StepRow));
	*frame->open = *open_row(thread, frame, node, record);
}

static void
resume_container(Thread *thread, Frame *frame, PlanNode *node,
				 const StepRecord *record)
{
	StepRow    *row = open_row(thread, frame, node, record);

	if (thread->forks && container_is_concurrent(node))
	{
		container_fork(thread, frame, node, row->visit, row,
					   step_iterates(node) ? record->loop_collection_size :
											 node->nlines);
		thread->fork_pending = true;
		return;
	}
	if (step_ops[node->type]->resume == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("execution " INT64_FORMAT " has an open row of step \"%s\", "
						"which has no steps inside",
						thread->execution->id, node->id)));
	step_ops[node->type]->resume(thread, frame, node, record, row);
}

/* --- the frontier --- */

/* An ended row, as far as its container's transition needs it. */
static StepRow *
ended_row(Thread *thread, Frame *frame, PlanNode *node,
		  const StepRecord *record)
{
	StepRow    *row = step_row(thread, frame, node, record->visit);

	row->status = record->status;
	row->scope_outcome = record->scope_outcome;
	row->output = record->output;
	row->error = record->error;
	row->error_type = record->error_type;
	row->completed_at = record->completed_at;
	return row;
}

/*
 * The row that ended the scope of the top frame: it has ended once more, for
 * what is around it.
 */
static void
end_scope_again(Thread *thread, Frame *frame, PlanNode *node,
				const StepRecord *record)
{
	StepRow    *last = ended_row(thread, frame, node, record);

	if (frame->container == NULL)
	{
		ExecutionStatus status = execution_status_of_scope(
			record->scope_outcome);
		bool		completed = status == EXECUTION_COMPLETED;

		/*
		 * What ended with the execution is not retried: its end was lost, or
		 * its output failed.  A row that completed may have the error of a
		 * condition.
		 */
		execution_ended(thread, status,
						scope_last_ran(thread, frame, last)->output,
						completed ? NULL : record->error,
						completed ? NULL : record->error_type);
	}
	else if (frame == thread->bottom)
	{
		thread->ended = true;
		thread->outcome = record->scope_outcome;
	}
	else
		step_ops[frame->container->type]->child_ended(thread, frame,
													  record->scope_outcome,
													  last);
}

void
thread_find_frontier(Thread *thread)
{
	thread_go_on_from(thread,
					  step_newest_of_scope(thread->execution->id,
										   thread->top->scope, DT_NOEND));
}

void
thread_go_on_from(Thread *thread, const StepRecord *newest)
{
	Frame	   *frame = thread->top;
	PlanNode   *node;
	FrontierRow row;

	if (newest == NULL)
	{
		frame->fresh = true;
		if (frame->container != NULL && step_iterates(frame->container) &&
			loop_part(frame->container)->kind == LOOP_WHILE)
			frame->at = NULL;	/* its condition has not been tested */
		return;
	}

	node = plan_find(thread->plan, newest->step_id);
	if (node == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("execution " INT64_FORMAT " has a row of step \"%s\", which its definition does not have",
						thread->execution->id, newest->step_id)));
	thread->last_time = Max(thread->last_time,
							Max(newest->completed_at, newest->started_at));

	/*
	 * no plan has a graph yet: of that the newest row of each step would be
	 * needed
	 */
	Assert(!frame->frontier.scope->is_graph);
	row = frontier_row(node, newest);
	frontier_add(&frame->frontier, &row, 1);
	frame_follow_frontier(thread, frame);
	switch (row.stand)
	{
		case STAND_OPEN:
			if (step_ops[node->type]->woken != NULL)
				resume_waiting(thread, frame, node, newest);
			else
				resume_container(thread, frame, node, newest);
			break;
		case STAND_AGAIN:
			frame->next_attempt = newest->attempt + 1;
			frame->never_begun = never_began(newest);
			frame->attempt_visit = frame->never_begun ?
				newest->visit :
				next_attempt_visit(node, newest->visit,
								   newest->loop_collection_size,
								   newest->branch_taken);
			/* what its block did not let begin begins now */
			frame->attempt_at = newest->retry_at != 0 ? attempt_time(newest) :
														newest->completed_at;
			break;
		case STAND_ENDED:
			break;
		case STAND_ENDED_SCOPE:
			end_scope_again(thread, frame, node, newest);
			break;
	}
}

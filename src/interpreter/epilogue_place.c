/*-------------------------------------------------------------------------
 *
 * epilogue_place.c
 *	  What others ask of an epilogue, and tell it.
 *
 * NOTES
 *	  The walk from one compensation to the next is in epilogue.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "interpreter/epilogue.h"

int
epilogue_visit(const Thread *thread)
{
	return thread->epilogue->undone->visit;
}

/*
 * The row of the step that is being undone, when this is the one; NULL: it is
 * not.
 */
StepRecord *
epilogue_undone(const Thread *thread, const PlanNode *node)
{
	const CompletedStep *undone = thread->epilogue != NULL ?
		thread->epilogue->undone :
		NULL;

	if (undone == NULL || strcmp(undone->step_id, node->id) != 0)
		return NULL;
	return step_find(thread->execution->id, undone->scope, undone->step_id,
					 undone->visit);
}

/*
 * Until when what happened in a scope around the thread is seen.  inner: the
 * frame inside of that scope that the thread is in; NULL: it stands there
 * itself.
 */
TimestampTz
epilogue_known_until(Thread *thread, Frame *inner)
{
	const CompletedStep *undone = thread->epilogue != NULL ?
		thread->epilogue->undone :
		NULL;

	if (undone == NULL)
		return DT_NOEND;
	if (inner == NULL)
		return undone->completed_at;
	frame_load_activation(thread, inner);
	return inner->opened_at;
}

/*
 * A compensation has ended.  Its failure is on its row and keeps no other one
 * from being run.
 */
void
epilogue_compensated(Thread *thread, StepRow *row)
{
	if (row->status == STATUS_FAILED || row->status == STATUS_TIMED_OUT)
		row->on_failure = FAILURE_IGNORED;
	journal_add(thread, row);
	if (row->status == STATUS_CANCELLED)
	{
		thread->ended = true;
		thread->outcome = SCOPE_CANCELLED;
	}
	else
		thread->epilogue->advance(thread);
}

/*
 * The chain is at its end, whatever its last step has come to.  The root scope
 * has ended before: its outcome stays on that row.
 */
void
epilogue_chain_ended(Thread *thread, StepRow *row)
{
	row->scope_outcome = SCOPE_OPEN;
	if (row->status == STATUS_CANCELLED)
	{
		thread->ended = true;
		thread->outcome = SCOPE_CANCELLED;
	}
	else
		epilogue_finish(thread);
}

/* Nothing is left to be done: the execution ends as it was decided. */
void
epilogue_finish(Thread *thread)
{
	thread->ended = true;
	thread->outcome = SCOPE_COMPLETED;
	thread->execution_ended = true;
	thread->execution_status = thread->execution->ending;
}

/*-------------------------------------------------------------------------
 *
 * journal.c
 *	  Rows of steps that have ended or opened and are not written yet.
 *
 * NOTES
 *	  The journal lets bookkeeping ride on the commit of the next leaf.  It
 *	  lives in the thread's memory: a leaf that fails takes nothing of it along,
 *	  because the driver never runs a leaf in a transaction in which rows were
 *	  flushed.  When a transaction fails after a flush, the thread is reloaded
 *	  from the table and this journal is thrown away with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "interpreter/thread.h"
#include "shared/fault.h"
#include "shared/settings.h"
#include "state/announce.h"
#include "state/ends.h"
#include "state/epilogue.h"
#include "state/event_log.h"

void
journal_add(Thread *thread, StepRow *row)
{
	if (row->journaled)
		return;					/* changed in place before it was written */
	if (thread->njournal == thread->journal_size)
	{
		thread->journal_size *= 2;
		thread->journal = repalloc(thread->journal,
								   thread->journal_size * sizeof(StepRow *));
	}
	row->journaled = true;
	thread->journal[thread->njournal++] = row;
}

void
journal_announce_start(Thread *thread)
{
	const Leaf *leaf = &thread->leaf;

	if (leaf->is_condition || !announces(thread->plan))
		return;
	/*
	 * behind the rows that lead there; heard when it has been committed, before
	 * the step runs
	 */
	thread->announces_start = true;
	thread->dirty = true;
}

void
journal_flush(Thread *thread)
{
	for (int i = 0; i < thread->njournal; i++)
	{
		StepRow    *row = thread->journal[i];

		if (row->written)
		{
			step_close(row);
			if (step_is_container(row))
				fault_point("container.closed");
			else
				fault_point("step.woken");
		}
		else
			step_insert(row);
		if (row->status == STATUS_RUNNING)
			fault_point("container.opened");
		if (row->status == STATUS_WAITING)
			fault_point("step.waiting");
		if (row->status == STATUS_SKIPPED)
			fault_point("step.skipped");
		row->written = step_status_is_open(row->status);
		row->journaled = false;
		if (setting_log_events != LOG_EVENTS_OFF)
			log_step(row, thread->execution->workflow);
		if (announces(thread->plan))
			announce_step(thread->execution->id, thread->execution->workflow,
						  row->step_id, row->scope,
						  step_status_name(row->status),
						  row->status != STATUS_COMPLETED ? row->error_type :
															NULL);
	}
	if (thread->njournal > 0)
		thread->dirty = true;
	thread->nflushed += thread->njournal;
	thread->njournal = 0;
	if (thread->announces_start)
		announce_step(thread->execution->id, thread->execution->workflow,
					  thread->leaf.node->id, thread->leaf.scope,
					  step_status_name(STATUS_RUNNING), NULL);
	thread->announces_start = false;

	if (thread->execution_ended && !thread->execution_flushed)
	{
		if (thread->execution_expired && !thread->plan->timeout_abort)
			thread->execution_output = execution_partial_output(
				thread->execution->id);
		if (thread->epilogue != NULL)
			thread->execution_lost = !execution_finish_epilogue(
				thread->execution->id);
		else if (epilogue_follows(thread))
		{
			thread->execution_decided =
				execution_decide(thread->execution->id,
								 thread->execution_status,
								 thread->execution->started_at,
								 thread->execution_output,
								 thread->execution_error,
								 thread->execution_error_type);
			thread->execution_lost = !thread->execution_decided;
		}
		else
			thread->execution_lost =
				!execution_finish(thread->execution, thread->execution_status,
								  thread->execution_output,
								  thread->execution_error,
								  thread->execution_error_type,
								  thread->bottom->container != NULL);
		thread->execution_flushed = true;
		thread->dirty = true;
	}
}

/*
 * What was flushed is durable: forget what only its rows needed.  leaf_pending:
 * thread_next() has prepared a leaf that has not run yet.
 */
void
journal_committed(Thread *thread, bool leaf_pending)
{
	thread->dirty = false;
	thread->nflushed = 0;
	if (thread->execution_ended)
		return;					/* its output and error are in there */
	MemoryContextReset(thread->step_contexts[1 - thread->step_context]);
	if (!leaf_pending && !thread->ended)
		MemoryContextReset(thread->step_contexts[thread->step_context]);
	MemoryContextDeleteChildren(thread->retired);
}

/*-------------------------------------------------------------------------
 *
 * journal.c
 *	  Rows of steps that have ended or opened and are not written yet.
 *
 * NOTES
 *	  The journal lets bookkeeping ride on the commit of the next leaf.  It lives
 *	  in the thread's memory: a leaf that fails takes nothing of it along, because
 *	  the driver never runs a leaf in a transaction in which rows were flushed.
 *	  When a transaction fails after a flush, the thread is reloaded from the
 *	  table and this journal is thrown away with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "interpreter/thread.h"
#include "shared/settings.h"
#include "state/epilogue.h"
#include "state/event_log.h"

/* Channel of the notifications a definition asks for with "notify": true, see workflow.notify. */
#define NOTIFY_CHANNEL "workflow"

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

/*
 * NOTIFY workflow, '{"execution_id": .., "step_id": .., "scope": .., "status": ..}';
 * step_id is missing when it is about the execution.  A payload has no room for
 * data; who listens reads the tables.
 */
static void
notify(Thread *thread, const char *step_id, const char *scope, const char *status)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfo(&payload, "{\"execution_id\": " INT64_FORMAT ", \"workflow\": ",
					 thread->execution->id);
	escape_json(&payload, thread->execution->workflow);
	if (step_id != NULL)
	{
		appendStringInfoString(&payload, ", \"step_id\": ");
		escape_json(&payload, step_id);
		appendStringInfoString(&payload, ", \"scope\": ");
		escape_json(&payload, scope);
	}
	appendStringInfoString(&payload, ", \"status\": ");
	escape_json(&payload, status);
	appendStringInfoChar(&payload, '}');
	Async_Notify(NOTIFY_CHANNEL, payload.data);
}

void
journal_flush(Thread *thread)
{
	for (int i = 0; i < thread->njournal; i++)
	{
		StepRow    *row = thread->journal[i];

		if (row->written)
			step_close(row);
		else
			step_insert(row);
		row->written = (row->status == STATUS_RUNNING);
		row->journaled = false;
		if (setting_log_events != LOG_EVENTS_OFF)
			log_step(row, thread->execution->workflow);
		if (thread->plan->notify && setting_notify)
			notify(thread, row->step_id, row->scope, step_status_name(row->status));
	}
	if (thread->njournal > 0)
		thread->dirty = true;
	thread->nflushed += thread->njournal;
	thread->njournal = 0;

	if (thread->execution_ended && !thread->execution_flushed)
	{
		if (thread->execution_expired && !thread->plan->timeout_abort)
			thread->execution_output = execution_partial_output(thread->execution->id);
		if (thread->epilogue != NULL)
			thread->execution_lost = !execution_finish_epilogue(thread->execution->id);
		else if (epilogue_follows(thread))
		{
			thread->execution_decided = execution_decide(thread->execution->id, thread->execution_status,
														 thread->execution->started_at, thread->execution_output,
														 thread->execution_error, thread->execution_error_type);
			thread->execution_lost = !thread->execution_decided;
		}
		else if (!execution_finish(thread->execution->id, thread->execution_status,
							  thread->execution->started_at, thread->execution_output,
							  thread->execution_error, thread->execution_error_type))
			thread->execution_lost = true;
		else if (thread->bottom->container != NULL)
		{
			/* ended from within a child: what is open around it ends with it */
			step_close_open(thread->execution->id, STATUS_CANCELLED);
		}
		if (!thread->execution_lost && !thread->execution_decided)
		{
			if (setting_log_events != LOG_EVENTS_OFF)
				log_execution(thread->execution->id, thread->execution->workflow, thread->execution_status,
							  thread->execution_error, thread->execution_error_type,
							  thread->execution->started_at);
			if (thread->plan->notify && setting_notify)
				notify(thread, NULL, NULL, thread->execution_status);
		}
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

/*-------------------------------------------------------------------------
 *
 * drain.c
 *	  Letting the workflows of the database run dry.
 *
 * NOTES
 *	  Scheduler only.  What is wanted is in workflow.database_state, which is read when
 *	  a session says that it has changed it, and at the start.  That it has been read
 *	  is shown in the database entry: only then nothing new can begin.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "scheduler/live.h"
#include "state/drain.h"

static DatabaseEntry *database = NULL;
static DrainMode mode = DRAIN_NONE;
static ExitRequest request;		/* to the executors, in mode steps */

/* Read what is wanted. */
void
drain_look(DatabaseEntry *entry)
{
	DrainState	state;

	database = entry;
	scheduler_begin();
	drain_read(&state);
	mode = state.mode;
	request.reason = EXIT_DRAIN;
	request.requested_by = state.drained_by;
	request.requested_at = state.drained_at;
	strlcpy(request.text, state.reason ? state.reason : "", sizeof(request.text));
	scheduler_commit(false);
	database_show_drain(database, mode);
}

/* No execution is begun. */
bool
drained_of_executions(void)
{
	return mode != DRAIN_NONE;
}

/* No step is run. */
bool
drained_of_steps(void)
{
	return mode == DRAIN_STEPS;
}

/* Have the executors finish their steps and leave. */
void
drain_executors(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pool_executors)
	{
		PoolExecutor *executor = dlist_container(PoolExecutor, node, iter.cur);

		if (!executor->leaving && !executor->starting)
			executor_asked_to_leave(executor, &request);
	}
}

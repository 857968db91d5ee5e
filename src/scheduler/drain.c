/*-------------------------------------------------------------------------
 *
 * drain.c
 *	  Letting the workflows of the database run dry.
 *
 * NOTES
 *	  Scheduler only.  What is wanted is in workflow.database_state, which is
 *	  read when a session says that it has changed it, and at the start.  That
 *	  it has been read is shown in the database entry: only then nothing new can
 *	  begin.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "scheduler/live.h"
#include "shared/databases.h"
#include "shared/fault.h"
#include "state/drain.h"

static DatabaseEntry *database = NULL;
static DrainMode mode = DRAIN_NONE;
static ExitRequest request;		/* to the executors, in mode steps */
static ExitRequest request_to_close = {
	.reason = EXIT_DRAIN,
	.text = "the extension is being changed"
};

/* Read what is wanted; false: somebody keeps the table. */
bool
drain_look(DatabaseEntry *entry)
{
	DrainState	state = {0};
	bool		committed;

	database = entry;
	ATTEMPT(committed)
	{
		drain_read(&state);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		return false;
	mode = state.mode;
	request.reason = EXIT_DRAIN;
	request.requested_by = state.drained_by;
	request.requested_at = state.drained_at;
	strlcpy(request.text, state.reason ? state.reason : "",
			sizeof(request.text));
	database_show_drain(database, mode);
	if (mode != DRAIN_NONE)
		fault_point("database.drained");
	return true;
}

/* The same, put off. */
static bool
look_later(int64 id pg_attribute_unused(), void *argument)
{
	return drain_look(argument);
}

void
drain_look_soon(DatabaseEntry *entry)
{
	if (!drain_look(entry))
		postpone(look_later, 0, entry);
}

/* No execution is begun. */
bool
drained_of_executions(void)
{
	return mode != DRAIN_NONE || database_is_closing(database);
}

/* No step is run. */
bool
drained_of_steps(void)
{
	return mode == DRAIN_STEPS || database_is_closing(database);
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
			executor_asked_to_leave(executor,
									mode == DRAIN_STEPS ? &request :
														  &request_to_close);
	}
}

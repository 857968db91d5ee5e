/*-------------------------------------------------------------------------
 *
 * begin_thread.c
 *	  The durable driver: the thread that a run begins with.
 *
 * NOTES
 *	  Runs in executors.  A thread is made from what is in the tables at that
 *	  moment: the execution may have been ended, paused or given away since its
 *	  run was handed out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "executor/driver.h"
#include "interpreter/reopen.h"
#include "state/announce.h"
#include "shared/slots.h"

/*
 * An execution that was claimed so long before it begins, ms, has its row say
 * when it began: its time limit counts from then on.
 */
#define LATE_BEGIN_MS 100

/* The execution of the present position. */
static int64
present_execution(const Driver *driver)
{
	return driver->run->execution_ids[driver->run->kind == RUN_START ? driver->position : 0];
}

StopReason
stop_reason(const Driver *driver)
{
	return slot_stop_reason(present_execution(driver));
}

void
count_wait(const Run *run, TimestampTz now)
{
	count_now(COUNT_RUNS, 1);
	count_now(TIME_WAITING, Max(now - run->ready_at, 0));
}

/* The thread of an execution that begins now. */
static Thread *
begin_execution(LoadedExecution *execution)
{
	Thread	   *thread = thread_create(execution, execution->parallel);

	if (announces(thread->plan))
		announce_execution(execution->id, execution->workflow,
						   EXECUTION_RUNNING, NULL, NULL);
	return thread;
}

/* The thread a run begins with. */
static Thread *
make_first_thread(Driver *driver, LoadedExecution *execution)
{
	const Run  *run = driver->run;
	TimestampTz claimed_at;
	Thread	   *thread;

	switch (run->kind)
	{
		case RUN_START:
			/* claimed earlier, begun now */
			claimed_at = execution->started_at;
			execution->started_at = GetCurrentTimestamp();
			if (driver->position >= driver->begun)
			{
				driver->begun = driver->position + 1;
				count_wait(run, execution->started_at);
			}
			thread = begin_execution(execution);
			/* other runs of it read that; its end writes it anyway */
			thread->begun_late =
				TimestampDifferenceExceeds(claimed_at, execution->started_at,
										   LATE_BEGIN_MS);
			return thread;
		case RUN_THREAD:
			return thread_resume(execution, execution->parallel, &run->scope);
		case RUN_JOIN:
			return thread_join(execution, execution->parallel, &run->scope,
							   run->bottom, run->node, run->visit);
		case RUN_EPILOGUE:
			return thread_epilogue(execution);
		case RUN_CHILDREN:
			return thread_child(execution, execution->parallel, &run->scope,
								run->node, run->visit, driver->position,
								run->fresh);
	}
	return NULL;				/* not reached */
}

bool
is_anothers(const LoadedExecution *execution)
{
	return execution->role != my_slot->role;
}

bool
is_left(const Driver *driver)
{
	const Thread *thread = driver->thread;

	return driver->run->only_begun && driver->run->kind == RUN_CHILDREN &&
		thread->top == thread->bottom &&
		(thread->top->fresh || thread->top->never_begun) && !thread->dirty;
}

bool
make_thread(Driver *driver)
{
	const Run  *run = driver->run;
	MemoryContext before = driver->thread_context;
	LoadedExecution *execution;

	if (driver->thread != NULL && run->kind == RUN_CHILDREN && !driver->reload)
	{
		thread_move_to_child(driver->thread, driver->position, run->fresh);
		return true;
	}
	driver->thread_context = AllocSetContextCreate(driver->context,
												   "workflow thread of a run",
												   ALLOCSET_SMALL_SIZES);
	MemoryContextSwitchTo(driver->thread_context);
	/* NULL when it is not running any more: cancelled, say */
	execution = execution_load(present_execution(driver));
	/*
	 * what has begun in this process goes on, whether it is paused or not; what
	 * got stuck is recorded
	 */
	driver->paused = (execution != NULL && execution->paused &&
					  !driver->reload && driver->stuck == NULL);
	if (execution == NULL || driver->paused ||
		(execution->reopen && driver->reload) ||
		(is_anothers(execution) && !driver->reload && driver->stuck == NULL) ||
		execution->decided != (run->kind == RUN_EPILOGUE))
	{
		MemoryContextSwitchTo(driver->context);
		return false;
	}
	if (execution->reopen)
		reopen_execution(execution);
	if (driver->reload && run->kind != RUN_EPILOGUE)
		driver->thread = thread_resume(execution, execution->parallel,
									   &driver->reload_scope);
	else
		driver->thread = make_first_thread(driver, execution);
	driver->thread->stuck = driver->stuck;
	/*
	 * rows were written, here or by what made the thread: they are committed
	 * before a leaf runs
	 */
	driver->thread->dirty |= execution->reopen;
	MemoryContextSwitchTo(driver->context);
	/* a loop can have many of its steps fail at their commit */
	if (before != NULL)
		MemoryContextDelete(before);
	return true;
}

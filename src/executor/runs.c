/*-------------------------------------------------------------------------
 *
 * runs.c
 *	  What an executor is handed: threads, one after the other.
 *
 * NOTES
 *	  Runs in executors.  A run is fresh executions, a range of children, or one
 *	  thread; drive.c drives each.  The transaction may stay open from one to
 *	  the next (transaction.c); when it is lost, the run goes back to where it
 *	  began.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "executor/drive.h"
#include "executor/driver.h"
#include "shared/slots.h"

/* Fresh executions, one after the other. */
static RunOutcome
drive_executions(Driver *driver)
{
	RunOutcome	outcome = OUTCOME_DONE;

	for (; driver->position < driver->run->nexecutions; driver->position++)
	{
		MemoryContext outer = driver->context;

		/* what one execution needs is gone before the next one begins */
		driver->context = AllocSetContextCreate(outer, "workflow execution",
												ALLOCSET_DEFAULT_SIZES);
		driver->thread = NULL;
		driver->thread_context = NULL;
		driver->failure_context = NULL;
		driver->standing = false;
		driver->any_leaf = false;
		outcome = drive_one(driver);
		MemoryContextSwitchTo(outer);
		MemoryContextDelete(driver->context);
		driver->context = outer;
		if (driver->batch.lost)
			break;
		driver->report->handled++;
		if (outcome == OUTCOME_LOST && !driver->report->fenced)
			outcome = OUTCOME_DONE;	/* cancelled before it began, say */
		if (outcome != OUTCOME_DONE)
			break;
		if (slot_stop_reason(0) != STOP_NONE || slot_exit_requested())
			break;				/* the rest goes back */
	}
	return outcome;
}

/* Children [from, to) of a container, one after the other. */
static RunOutcome
drive_children(Driver *driver)
{
	const Run  *run = driver->run;
	Report	   *report = driver->report;

	report->counts.total = run->to - run->from;
	for (; driver->position < run->to; driver->position++)
	{
		RunOutcome	outcome;

		driver->standing = false;
		outcome = drive_one(driver);
		if (driver->batch.lost)
			return outcome;
		if ((outcome != OUTCOME_DONE && outcome != OUTCOME_STOPPED) ||
			driver->thread == NULL)
		{
			report->in_child = true;
			return outcome;
		}
		report->handled++;
		if (driver->left)
		{
			if (stop_reason(driver) != STOP_NONE &&
				driver->position + 1 < run->to)
				return stop_interrupts(stop_reason(driver)) ? OUTCOME_STOPPED :
															  OUTCOME_YIELDED;
			continue;
		}
		if (driver->thread->execution_ended)
		{
			report->execution_ended = true;
			return outcome;
		}
		step_count_child(&report->counts, driver->thread->outcome);
		if (outcome == OUTCOME_STOPPED)
			return outcome;
		if (!range_goes_on(run, &report->counts))
			return OUTCOME_DONE;
		if (stop_reason(driver) != STOP_NONE && driver->position + 1 < run->to)
			return stop_interrupts(stop_reason(driver)) ? OUTCOME_STOPPED :
														  OUTCOME_YIELDED;
	}
	return OUTCOME_DONE;
}

/* Do the run from the driver's position on. */
static RunOutcome
drive_on(Driver *driver)
{
	switch (driver->run->kind)
	{
		case RUN_START:
			return drive_executions(driver);
		case RUN_CHILDREN:
			return drive_children(driver);
		default:
			return drive_one(driver);
	}
}

/* Commit what threads have left for those that followed. */
static void
close_batch(Driver *driver)
{
	PG_TRY();
	{
		commit(driver);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		(void) counters_enter(TIME_BOOKKEEPING);
		AbortOutOfAnyTransaction();
		transaction_lost(driver);
		forget_error(driver);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
}

/* Back to where the lost batch began. */
static void
go_back(Driver *driver)
{
	driver->batch.lost = false;
	driver->position = driver->batch.position;
	*driver->report = driver->batch.report;
	driver->reload = true;
	driver->reload_scope = driver->batch.scope;
	driver->standing = false;
}

void
drive_run(const Run *run, Report *report, MemoryContext context)
{
	Driver		driver = {.run = run,.report = report,.context = context,.call = -1};
	RunOutcome	outcome;

	memset(report, 0, sizeof(Report));
	if (run->stuck.execution_id != 0)
		driver.stuck = &run->stuck;
	if (run->kind == RUN_CHILDREN)
		driver.position = run->from;
	if (run->kind != RUN_START)
		count_wait(run, GetCurrentTimestamp());
	MemoryContextSwitchTo(context);
	for (;;)
	{
		outcome = drive_on(&driver);
		if (driver.batch.open)
			close_batch(&driver);
		if (!driver.batch.lost)
			break;
		go_back(&driver);
	}
	report->outcome = outcome;
	if (run->kind != RUN_START && run->kind != RUN_CHILDREN &&
		driver.thread != NULL && driver.thread->ended)
	{
		report->execution_ended = driver.thread->execution_ended;
		report->scope_ended = !driver.thread->execution_ended;
		report->scope_skipped = (driver.thread->outcome == SCOPE_SKIPPED);
		report->scope_failed = (driver.thread->outcome != SCOPE_COMPLETED &&
								driver.thread->outcome != SCOPE_SKIPPED);
	}
	slot_set_progress(NULL);
	/*
	 * the rest of what steps leave waits for the next one; locks keep others
	 * waiting
	 */
	LockReleaseAll(USER_LOCKMETHOD, true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*-------------------------------------------------------------------------
 *
 * executor.c
 *	  Executor process: takes runs out of its slot and does them.
 *
 * NOTES
 *	  A dynamic background worker, connected as one role for life.  Between runs
 *	  it sleeps on its latch with no transaction, no snapshot and no lock.  It
 *	  leaves when the scheduler asks it to, or when it has asked itself to:
 *	  after many runs, when it has grown, or when its role has changed.
 *
 *	  Everything a step may have left in the session is discarded before the
 *	  next step runs (see run_sql.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "executor/drive.h"
#include "shared/black_box.h"
#include "shared/own_role.h"
#include "shared/settings.h"
#include "shared/slots.h"
#include "shared/weather.h"
#include "shared/worker.h"
#include "state/announce.h"

void
workflow_executor_main(Datum argument pg_attribute_unused())
{
	WorkerParameters parameters;
	MemoryContext context;
	Run		   *run;
	Report	   *report;

	worker_initialize(&parameters);
	slot_attach(parameters.slot, parameters.generation);
	own_role_before_connecting();
	/* a cancel that comes before there is a step is nobody's */
	HOLD_CANCEL_INTERRUPTS();
	worker_connect(parameters.database, parameters.role,
				   "pg_workflow executor");
	own_role_connected();

	if (setting_notify)
	{
		StartTransactionCommand();
		announce_executor(MyProcPid, GetUserId(), "started", NULL);
		CommitTransactionCommand();
	}
	RESUME_CANCEL_INTERRUPTS();

	context = AllocSetContextCreate(TopMemoryContext, "workflow run",
									ALLOCSET_DEFAULT_SIZES);
	run = MemoryContextAlloc(TopMemoryContext, sizeof(Run));
	report = MemoryContextAlloc(TopMemoryContext, sizeof(Report));

	for (;;)
	{
		bool		taken;

		/* a cancel that finds no run has come too late */
		HOLD_CANCEL_INTERRUPTS();
		CHECK_FOR_INTERRUPTS();
		taken = slot_take_run(run);
		if (!taken)
		{
			if (slot_may_leave())
				break;
			/*
			 * what it has done is to be seen, however long it has nothing to do
			 */
			pgstat_report_stat(true);
			slot_heartbeat_stop();
			(void) counters_enter(TIME_IDLE);
			worker_sleep(-1, wait_event_executor());
		}
		RESUME_CANCEL_INTERRUPTS();
		if (taken)
		{
			(void) counters_enter(TIME_BOOKKEEPING);
			black_box_begin(MyDatabaseId, run);
			slot_heartbeat_start();
			PG_TRY();
			{
				drive_run(run, report, context);
			}
			PG_CATCH();
			{
				/*
				 * not even the error could be dealt with: there is no memory,
				 * say
				 */
				my_slot->ended_by_weather = sqlstate_is_weather(geterrcode());
				PG_RE_THROW();
			}
			PG_END_TRY();
			black_box_end();
			MemoryContextSwitchTo(TopMemoryContext);
			MemoryContextReset(context);
			if (!slot_report(report))
				break;			/* written off: its successor does the rest */
		}
	}
	pgstat_report_stat(true);
	proc_exit(0);
}

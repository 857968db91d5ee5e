/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  What launcher, scheduler and executors share: registration, signals,
 *	  connecting, sleeping.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_WORKER_H
#define PGWF_WORKER_H

#include "postgres.h"
#include "postmaster/bgworker.h"

/* Parameters of a dynamic worker, in bgw_extra. */
typedef struct WorkerParameters
{
	Oid			database;
	Oid			role;			/* executors */
	int			slot;			/* executors */
	uint32		generation;		/* of the slot, or of the database entry for
								 * a scheduler */
} WorkerParameters;

StaticAssertDecl(sizeof(WorkerParameters) <= BGW_EXTRALEN,
				 "worker parameters must fit into bgw_extra");

/*
 * Register; false when max_worker_processes is exhausted.  *handle may be NULL.
 */
extern void register_launcher(void);
extern bool register_scheduler(Oid database, uint32 generation,
							   BackgroundWorkerHandle **handle);
extern bool register_executor(Oid database, Oid role, int slot,
							  uint32 generation,
							  BackgroundWorkerHandle **handle);
/* One that writes a job of pg_cron; segment is the handle of its request. */
extern bool register_cron_writer(Oid database, uint32 segment,
								 BackgroundWorkerHandle **handle);

/* Handlers (SIGHUP reload, SIGTERM die, SIGINT cancel), unblock; call first. */
extern void worker_initialize(WorkerParameters *parameters);
/* Connect: role InvalidOid = as the bootstrap superuser (scheduler). */
extern void worker_connect(Oid database, Oid role,
						   const char *application_name);
/* Wait on the latch until woken or for at most timeout ms (-1 = for ever); reloads the
 * configuration when asked, absorbs invalidations, CHECK_FOR_INTERRUPTS. */
extern void worker_sleep(long timeout, uint32 wait_event);
/* Has somebody sent this process SIGTERM?  Its exit is an orderly one then. */
extern bool worker_asked_to_exit(void);
/* SIGTERM came from a process other than this one. */
extern bool worker_terminated_by_others(void);

extern uint32 wait_event_launcher(void);
extern uint32 wait_event_scheduler(void);
extern uint32 wait_event_executor(void);
extern uint32 wait_event_finished(void);	/* workflow.wait() */
extern uint32 wait_event_hold(void);

/* Entry points, named in registrations. */
extern PGDLLEXPORT void workflow_launcher_main(Datum argument);
extern PGDLLEXPORT void workflow_scheduler_main(Datum argument);
extern PGDLLEXPORT void workflow_executor_main(Datum argument);
extern PGDLLEXPORT void workflow_cron_writer_main(Datum argument);

#endif							/* PGWF_WORKER_H */

/*-------------------------------------------------------------------------
 *
 * databases.h
 *	  The registry's database entries, and the schedulers in them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_DATABASES_H
#define PGWF_DATABASES_H

#include "postgres.h"

#include "shared/registry.h"

/* A database's scheduler as others see it. */
typedef struct SchedulerView
{
	bool		present;		/* at work, or about to be */
	pid_t		pid;			/* 0: none yet */
	TimestampTz disabled_since;
	int			executions;
	int			max_running;
	TimestampTz ready_since;
	TimestampTz no_workers_since;
	TimestampTz unanswered_since;	/* it was woken, and has not looked
									 * since; 0: it has */
	bool		crowded_out;	/* workflow.max_databases others have one */
	TimestampTz exhausted_since;	/* none can be started for want of a
									 * background worker; 0: one can */
	TimestampTz next_start;		/* when that is tried again; 0: nobody waits
								 * for a time */
	pid_t		launcher_pid;	/* 0: there is none */
	TimestampTz launcher_unanswered_since;	/* as of the scheduler */
	int			failures;		/* that failed one after the other, until now */
	TimestampTz failing_since;	/* 0: it does not */
	char		failure[TOLD_SIZE];
	TimestampTz again_since;	/* transactions of ours are done again; 0:
								 * none */
	char		again[TOLD_SIZE];
} SchedulerView;

/* --- databases (launcher, utility hook) --- */
/* Stop the scheduler and executors of a database and keep them away until the
 * end of the current transaction.  Waits, interruptibly, until they are gone. */
extern void database_hold(Oid database, bool extension_changes);
/* Before that: no step begins, and those that run have some time to end. */
extern void database_close(int timeout_ms);
extern bool database_is_closing(const DatabaseEntry *entry);
/* Is a session of this database about to drop or change the extension? */
extern bool extension_is_held(void);
/*
 * SIGTERM to the scheduler and executors of a database; lock held by the
 * caller.
 */
extern void database_terminate_workers(DatabaseEntry *entry);
/*
 * Slots of this database that are not free: executors, living or about to
 * start.
 */
extern int	database_count_executors(Oid database);

/* --- databases: the launcher's side --- */
/* UNKNOWN -> STARTING */
extern bool database_begin_start(Oid database, uint32 *generation);
/* STARTING -> UNKNOWN */
extern void database_start_failed(Oid database, uint32 generation,
								  bool is_failure);
extern bool database_is_starting(Oid database, uint32 generation);
/* STARTING -> UNKNOWN; lock held */
extern void database_cancel_start(DatabaseEntry *entry);
/* no scheduler here any more; lock held */
extern void database_retire(DatabaseEntry *entry);

/* --- databases: the scheduler's side --- */
/*
 * STARTING -> ACTIVE.  Call it between worker_initialize() and
 * worker_connect(): who is attached can be stopped, so nobody unknown is ever
 * connected, and on the way out the entry is left after the transaction was
 * aborted.  Does not return when the entry is stale or held.  The exit takes
 * this database's executors along (SIGTERM) and wakes the launcher, which
 * starts the next scheduler.
 */
extern DatabaseEntry *scheduler_attach(Oid database, uint32 generation);
/* It is about to look whether the extension is installed ... */
extern void scheduler_looks_for_extension(void);
/* ... and it is not: no new scheduler after this one's exit. */
extern void scheduler_detach_absent(void);
extern void scheduler_ends_by(int sqlerrcode);
extern void scheduler_ends_with(const ErrorData *error);
/*
 * A transaction of ours has failed through nobody's fault, and is done again
 * soon.
 */
extern void database_show_again(DatabaseEntry *entry, const char *message);
extern void database_look(Oid database, SchedulerView *view);
extern void database_show_drain(DatabaseEntry *entry, DrainMode mode);
/* The scheduler has seen that, or there is none, and no executor is busy. */
extern bool database_is_drained(Oid database, DrainMode mode);
/*
 * The WAKE_* bits set since the last call.  Take them before looking at tables.
 */
extern uint32 scheduler_take_wake(DatabaseEntry *entry);
/*
 * What was queued since the last call; after the bits, before looking at
 * tables.
 */
extern void scheduler_take_queued(DatabaseEntry *entry, QueueNews *queued);

#endif							/* PGWF_DATABASES_H */

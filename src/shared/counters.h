/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  Cumulative statistics of the engine: what its processes have done, and
 *	  where their time went.
 *
 * NOTES
 *	  Each executor and each scheduler counts in a block of its own in shared
 *	  memory, without locks: nobody else writes there.  When an executor leaves,
 *	  its slot's block is added to its database's entry.  Times are taken where
 *	  the process goes over from one kind of work to another, so that those of
 *	  an executor make up its life.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_COUNTERS_H
#define PGWF_COUNTERS_H

#include "postgres.h"
#include "datatype/timestamp.h"

/* In the order of the columns of workflow.engine_counters(). */
typedef enum EngineCounter
{
	COUNT_STEPS,				/* attempts at steps that have ended */
	COUNT_FAILED_STEPS,			/* of these: not completed */
	COUNT_RETRIES,				/* of these: followed by another */
	COUNT_RUNS,					/* that executors have begun with; an
								 * execution is one */
	COUNT_COMMITS,				/* of executors */
	COUNT_DURABLE_COMMITS,		/* of these: did not return before the disk
								 * had them */
	COUNT_BATCHED_COMMITS,		/* of these: of several steps */
	COUNT_BATCHED_STEPS,		/* steps in those */
	COUNT_ROLLBACKS,			/* of executors */
	COUNT_WAL_BYTES,			/* of executors and scheduler */
	COUNT_CLAIMED,				/* executions */
	COUNT_COMPLETED,
	COUNT_FAILED,
	COUNT_TIMED_OUT,
	COUNT_CANCELLED,
	COUNT_RECOVERED,			/* went on from their rows: their process was
								 * lost */
	COUNT_EXECUTORS,			/* that have connected */

	/* times, microseconds: what executors do ... */
	TIME_SQL,					/* the steps' own statements */
	TIME_BOOKKEEPING,
	TIME_COMMIT,
	TIME_IDLE,
	TIME_STARTUP,				/* until it is connected */
	/* ... what others wait for: sums over executions and runs ... */
	TIME_QUEUED,				/* pending, until it is claimed */
	TIME_WAITING,				/* ready, until an executor begins with it */
	/* ... and what the scheduler does */
	TIME_SCHEDULER,
	NUM_ENGINE_COUNTERS
} EngineCounter;

/* Nothing that is counted. */
#define TIME_UNCOUNTED NUM_ENGINE_COUNTERS

typedef struct EngineCounts
{
	uint64		value[NUM_ENGINE_COUNTERS];
} EngineCounts;

/*
 * What one process counts.  It alone writes; see counters.c for how others
 * read.
 */
typedef struct CounterBlock
{
	uint32		changes;		/* odd: it is being changed */
	EngineCounter doing;		/* what the time since then goes to */
	TimestampTz since;
	EngineCounts counts;
} CounterBlock;

/* What was counted for a database since a time. */
typedef struct EngineStatistics
{
	Oid			database;
	TimestampTz since;
	EngineCounts counts;
} EngineStatistics;

/* --- the process that counts --- */
/* From now on this process counts there, beginning with what it does. */
extern void counters_attach(CounterBlock *block, EngineCounter doing);
extern void counters_detach(void);
/* From now on the time goes to something else; returns what the clock says. */
extern TimestampTz counters_enter(EngineCounter doing);
/* The same, by who has looked at the clock. */
extern void counters_enter_at(EngineCounter doing, TimestampTz now);
/* What has happened whatever becomes of a transaction. */
extern void count_now(EngineCounter counter, uint64 number);
/*
 * What has happened if the open transaction commits, in a process that counts.
 */
extern void count_at_commit(EngineCounter counter, uint64 number);
/* It has committed; or it has not. */
extern void counters_committed(void);
extern void counters_aborted(void);

/* --- anybody: the registry's lock is held, exclusively by who writes --- */
extern void counters_add(EngineCounts *sum, const CounterBlock *block);

/* --- sessions --- */
/*
 * All databases with a scheduler, at most as many as there can be:
 * registry->ndatabases.
 */
extern int	engine_statistics_read(EngineStatistics *statistics);
extern void engine_statistics_reset(Oid database);

#endif							/* PGWF_COUNTERS_H */

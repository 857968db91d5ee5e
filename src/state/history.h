/*-------------------------------------------------------------------------
 *
 * history.h
 *	  The table workflow.executor_history: what became of executors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_HISTORY_H
#define PGWF_HISTORY_H

#include "state/state.h"

/*
 * An executor that has ended or got stuck.  NULL and 0 stand for SQL null where
 * the column has it.
 */
typedef struct ExecutorRecord
{
	int			pid;
	Oid			role;
	TimestampTz started_at;
	TimestampTz ended_at;		/* 0: it lives */
	const char *reason;			/* see the table's constraint */
	int64		runs;
	int64		steps;
	int64		peak_memory;	/* 0: not measured */
	Oid			requested_by;	/* InvalidOid: nobody */
	const char *request_reason;
	TimestampTz draining_since;

	/* with stuck_at only */
	TimestampTz stuck_at;
	int64		execution_id;
	const char *workflow;
	const char *scope;
	const char *step_id;
	int			visit;
	int			attempt;
	int64		elapsed_ms;
} ExecutorRecord;

/* Write an entry; returns its number. */
extern int64 executor_history_insert(const ExecutorRecord *record);
/* The stuck executor of an entry ignores SIGTERM, too. */
extern void executor_history_quarantine(int64 id);
/* The stuck executor of an entry has ended at last. */
extern void executor_history_end(int64 id);
/*
 * Those that lived when the scheduler before this one ended, but for some
 * processes.
 */
extern void executor_history_close_abandoned(const int *pids, int npids);
/* The entry of a process that was stuck and lives; 0: none. */
extern int64 executor_history_find(int pid);

/*
 * Delete entries of executors that ended before a time, oldest first, at most
 * max.
 */
extern int64 executor_history_prune(TimestampTz before, int32 max);

/* How many attempts at steps of a workflow got stuck at or after a time. */
extern int64 executor_history_count_stuck(const char *workflow, Oid role,
										  TimestampTz since);

#endif							/* PGWF_HISTORY_H */

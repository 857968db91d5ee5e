/*-------------------------------------------------------------------------
 *
 * waits.h
 *	  The table workflow.waits: what threads wait for that nobody has in memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_WAITS_H
#define PGWF_STATE_WAITS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/queue_bounds.h"
#include "state/claims.h"
#include "state/state.h"

typedef enum WaitKind
{
	WAIT_RETRY,					/* the delay before another attempt */
	WAIT_HOLD,					/* hold_step(), until somebody releases the
								 * step */
	WAIT_TIMER					/* a step that waits for a time */
} WaitKind;

/* What a thread stands at that waits. */
typedef struct Wait
{
	WaitKind	kind;
	TimestampTz until;			/* DT_NOEND: until somebody wakes it */
} Wait;

/*
 * A thread of a running execution waits from now on: it stands in this scope,
 * in front of this attempt of a step, or at it.  thread: the scope that ends
 * with it; empty: it is the execution's only one, which waits with it.  visit: 0, that
 * is not known yet.  False: the execution does not run any more, somebody has
 * it locked, or its steps are marked otherwise than when it was loaded, and
 * nothing has changed.
 */
extern bool thread_wait(const LoadedExecution *execution, const char *thread,
						const char *scope, const char *step_id, int visit,
						int attempt, const Wait *wait);

/* A thread whose time has come, of an execution that runs. */
typedef struct DueWait
{
	int64		execution_id;
	char	   *thread;
	bool		lost;			/* there is no such execution */
} DueWait;

/*
 * Since when the nth of all that are due from a time on is; DT_NOEND: there are
 * not so many.
 */
extern TimestampTz waits_nth_due(int n, TimestampTz from);
/*
 * At most limit of them that are due since a time in this range, but for some
 * executions, locked; those that somebody else has locked are left out.
 */
extern int	waits_due(int limit, TimestampTz from, TimestampTz to,
					  const int64 *but, int nbut, DueWait **due);
/* They are not waited for any more. */
extern void waits_over(const DueWait *waits, int count);
/*
 * The same for what is due of executions that do not run: those that wait are
 * pending from now on.  Returns how many these are, in *news where they are in
 * the queues, and in *ended how many waits have ended, at most limit.
 */
extern int	executions_wake_due(int limit, TimestampTz from, TimestampTz to,
								QueueNews *news, int *ended);
/*
 * The clock was put back: the waits of retries that were written down later
 * than now begin again, among so many behind a place, which moves.  False:
 * there are none behind it.
 */
extern bool waits_begin_again(int limit, int64 *execution_id, char **thread);

/*
 * When the next one from a time on is due, perhaps in the past; DT_NOEND:
 * never.
 */
extern TimestampTz waits_next_due(TimestampTz from);

/*
 * These executions, which run, have nothing but threads that wait: they wait
 * from now on, but for those that sessions want something of.  Returns how many
 * do, their ids in front.
 */
extern int	executions_rest(int64 *ids, int count);
/*
 * Steps of executions were marked: threads that may stand at one are due.
 * False: none are.
 */
extern bool executions_marked(const int64 *ids, int count);

/*
 * Threads of a locked execution that is not running, and is this role's, are
 * not waited for any more if they stand in front of this step: if it waits
 * itself it is pending then.
 */
extern void execution_wake_step(int64 id, Oid role, ExecutionStatus status,
								const char *step_id);
/* Their end is decided, or written: nobody goes on with their threads. */
extern void executions_wait_no_more(const int64 *ids, int count);
/* The same for the children of a container: scope_children_range(). */
extern void threads_wait_no_more(int64 execution_id, const char *from,
								 const char *to);
/* Threads in such a range that wait. */
extern char **threads_waiting(int64 execution_id, const char *from,
							  const char *to, int *count);

#endif							/* PGWF_STATE_WAITS_H */

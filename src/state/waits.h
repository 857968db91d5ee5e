/*-------------------------------------------------------------------------
 *
 * waits.h
 *	  The table workflow.waits: what executions wait for that have nothing else
 *	  to do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_WAITS_H
#define PGWF_STATE_WAITS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shared/queue_bounds.h"
#include "state/claims.h"

typedef enum WaitKind
{
	WAIT_RETRY,					/* the delay before another attempt */
	WAIT_HOLD					/* hold_step(), until somebody releases the step */
} WaitKind;

/* What a thread stands at that waits. */
typedef struct Wait
{
	WaitKind	kind;
	TimestampTz until;			/* DT_NOEND: until somebody wakes it */
} Wait;

/*
 * A running execution waits from now on: its only thread stands in this scope, in front of this
 * attempt of a step.  visit: 0, that is not known yet.  False: it does not run any more, or its
 * steps are marked otherwise than when it was loaded, and nothing has changed.
 */
extern bool execution_wait(const LoadedExecution *execution, const char *scope, const char *step_id,
						   int visit, int attempt, const Wait *wait);

/*
 * Make executions pending whose time has come, at most limit.  Returns how many, and in *news
 * where they are in the queues.  *next: when there is another, DT_NOEND: never.  *locked: somebody
 * has some that are due.
 */
extern int	executions_wake_due(int limit, QueueNews *news, TimestampTz *next, bool *locked);

/* Make a locked execution that waits pending, whatever it waits for; it is this role's. */
extern void execution_wake(int64 id, Oid role);
/* A locked execution that waits does not, from now on: it is paused, or cancelled. */
extern void execution_waits_no_more(int64 id);

#endif							/* PGWF_STATE_WAITS_H */

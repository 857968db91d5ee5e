/*-------------------------------------------------------------------------
 *
 * prune.h
 *	  Deleting executions that ended long ago, and their steps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_PRUNE_H
#define PGWF_PRUNE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/array.h"

/* What is to go, and how far that is. */
typedef struct Prune
{
	TimestampTz before;			/* ended before */
	ArrayType  *statuses;
	int64		last;			/* number of the last execution looked at; 0
								 * at first */
	bool		done;			/* none behind it is to go */
	int64		executions;		/* deleted so far */
	int64		steps;			/* rows of theirs */
	int64		rows_each;		/* rows of an execution, on average of the
								 * last part */
} Prune;

/*
 * Delete the next executions, at most max of them and not more than a window
 * holds; skips those that somebody has locked.  Returns how many: none does not
 * mean that it is done.
 */
extern int64 executions_prune(Prune *prune, int max);

#endif							/* PGWF_PRUNE_H */

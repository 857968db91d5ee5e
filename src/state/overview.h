/*-------------------------------------------------------------------------
 *
 * overview.h
 *	  Lists of what goes on in the database, as workflow.report() shows them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_OVERVIEW_H
#define PGWF_OVERVIEW_H

#include "state/state.h"

typedef enum OverviewSubject
{
	OVERVIEW_COUNTS,			/* one row of numbers, captions as columns */
	OVERVIEW_EXECUTORS,
	OVERVIEW_QUEUE,
	OVERVIEW_RUNNING,
	OVERVIEW_FAILURES,
	OVERVIEW_STUCK,
	OVERVIEW_BLOCKED,
	OVERVIEW_PAUSED,
	OVERVIEW_WAITING,
	OVERVIEW_LETTERS,
	OVERVIEW_SCHEDULES,
	OVERVIEW_BREAKERS,
	OVERVIEW_EXECUTION,			/* one row: what there is to know of one
								 * execution */
	OVERVIEW_WHY,				/* why that does not go on, or has failed */
	NUM_OVERVIEWS
} OverviewSubject;

/* A list: captions, types and texts of cells, NULL for null. */
typedef struct Overview
{
	int			ncolumns;
	char	  **captions;
	Oid		   *types;			/* float8: a duration in milliseconds */
	int			nrows;
	char	 ***cells;			/* [row][column] */
} Overview;

/*
 * As the role may see it.  No list is longer than OVERVIEW_MAX_ROWS.  The last
 * two subjects are about an execution.
 */
#define OVERVIEW_MAX_ROWS 50
extern Overview *overview_read(OverviewSubject subject, Oid reader,
							   int64 execution_id);

/*
 * The execution to look at when none is named: what runs or ended last; 0:
 * there is none.
 */
extern int64 overview_newest_execution(Oid reader);

#endif							/* PGWF_OVERVIEW_H */

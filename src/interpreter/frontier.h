/*-------------------------------------------------------------------------
 *
 * frontier.h
 *	  Where a scope goes on, from its rows.
 *
 * NOTES
 *	  Pure: a function of the plan and of rows, and nothing else.  So it is the
 *	  same for a thread that has just ended a step, for one that is made from
 *	  rows, after a crash or a wait, for an execution that is retried, and for
 *	  an epilogue.  frontier_rows.h makes its rows of those in the table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_FRONTIER_H
#define PGWF_FRONTIER_H

#include "definition/plan_scope.h"

/* What a row says of its step. */
typedef enum StepStand
{
	STAND_OPEN,					/* a container whose children run, or a step
								 * that waits */
	STAND_AGAIN,				/* another attempt follows, or it begins
								 * after all */
	STAND_ENDED,				/* and its scope goes on */
	STAND_ENDED_SCOPE			/* its scope has ended with it */
} StepStand;

typedef struct FrontierRow
{
	int			node;
	StepStand	stand;
	int			leads_to;		/* STAND_ENDED: node that a case or an error
								 * leads to; -1: to what follows */
} FrontierRow;

typedef struct Frontier
{
	const WorkflowPlan *plan;
	const PlanScope *scope;
	bool		ended;			/* a row says that the scope has */

	int			at;				/* of a chain: node; -1: at its end */

	/*
	 * of a graph, by position in the scope; in the memory context of
	 * frontier_begin()
	 */
	int		   *waits_for;		/* how many ends the step waits for still */
	bool	   *has_ended;
	uint64	   *ready;			/* set of those that can run .. */
	uint64	   *ready_words;	/* .. and of the words of that which are not
								 * empty */
} Frontier;

/* A scope without rows: it goes on with its first steps. */
extern void frontier_begin(Frontier *frontier, const WorkflowPlan *plan,
						   const PlanScope *scope);
/*
 * Rows of the scope, in any number of calls.  Of a chain the newest row is
 * enough, and the last one given counts; of a graph the newest of each step is
 * needed, in any order.
 */
extern void frontier_add(Frontier *frontier, const FrontierRow *rows,
						 int nrows);
/*
 * The step to go on with: of those that are ready the one with the lowest
 * index.  -1: the scope has ended, or is at its end.
 */
extern int	frontier_next(const Frontier *frontier);

#endif							/* PGWF_FRONTIER_H */

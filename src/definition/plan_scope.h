/*-------------------------------------------------------------------------
 *
 * plan_scope.h
 *	  What follows what in a scope: the one place that knows.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  A scope has its successors in itself.  The other ways from a step to a
 *	  step are those of the step: a case of a conditional that jumps, a clause
 *	  that catches.  They lead on instead of the successors and are followed in
 *	  chains only, where one step runs at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_PLAN_SCOPE_H
#define PGWF_PLAN_SCOPE_H

#include "definition/plan.h"

/* How one step leads to another of its scope. */
typedef enum PlanWay
{
	WAY_NEXT,					/* it has ended */
	WAY_JUMP,					/* a case of it leads elsewhere */
	WAY_CATCH					/* an error of it is caught */
} PlanWay;

/* The scope that a line runs in; container NULL: the root scope. */
extern const PlanScope *plan_scope(const WorkflowPlan *plan,
								   const PlanNode *container, int line);
/* The steps that follow one when it has ended; returns how many. */
extern int	scope_successors(const WorkflowPlan *plan, const PlanNode *node,
							 const int **successors);
/* The one that does in a chain; -1: none. */
extern int	scope_next(const WorkflowPlan *plan, const PlanNode *node);
/*
 * The steps that one can lead to in any way, one with each call: successors
 * first, then jumps, then catches.  *k is 0 at first.  -1: there are no more.
 */
extern int	scope_way(const WorkflowPlan *plan, const PlanNode *node, int *k,
					  PlanWay *way);

#endif							/* PGWF_PLAN_SCOPE_H */

/*-------------------------------------------------------------------------
 *
 * join.h
 *	  What the children's ends make of a container: status, output, error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_JOIN_H
#define PGWF_JOIN_H

#include "postgres.h"

#include "definition/plan.h"
#include "state/steps.h"

/*
 * Fill in status, output, error of the container's row from its children's
 * rows, whose scopes are in [from, to).  expired: its time is over.  How many
 * of the lines have not come to their end is returned.
 */
extern int	join_lines(int64 execution_id, const WorkflowPlan *plan,
					   PlanNode *node, const char *from, const char *to,
					   StepRow *row, bool expired);
extern void join_loop(int64 execution_id, PlanNode *node, const char *from,
					  const char *to, StepRow *row, bool expired);

/* {condition_result, branch_taken, branch_step_id, branch_output} */
extern Jsonb *join_conditional_output(const StepRow *row,
									  const char *branch_step_id,
									  Jsonb *branch_output);

#endif							/* PGWF_JOIN_H */

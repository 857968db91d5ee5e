/*-------------------------------------------------------------------------
 *
 * frontier_rows.h
 *	  What rows of the table say of where their scope stands.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_FRONTIER_ROWS_H
#define PGWF_FRONTIER_ROWS_H

#include "interpreter/frontier.h"
#include "state/steps.h"

/*
 * The clause that catches a failed step's error, by what its row says; NULL:
 * none.
 */
extern CatchClause *step_catcher(const PlanNode *node, StepStatus status,
								 const char *error_type, Jsonb *error);
/* Is it the row of a step that was not begun, nor, a container, opened? */
extern bool never_began(const StepRecord *record);
/* A row of this step. */
extern FrontierRow frontier_row(const PlanNode *node, const StepRecord *record);
/*
 * The step of the root scope that an execution stands at, by its rows: one that
 * is open or runs again, else what comes next.  NULL: it is at its end, or its
 * rows are no rows of this plan.  Needs a transaction.
 */
extern const PlanNode *execution_stands_at(int64 execution_id,
										   const WorkflowPlan *plan);

#endif							/* PGWF_FRONTIER_ROWS_H */

/*-------------------------------------------------------------------------
 *
 * reopen.h
 *	  Making the rows of an execution that has ended those of one that goes on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_REOPEN_H
#define PGWF_REOPEN_H

#include "definition/plan.h"
#include "state/claims.h"

/* Do it; in the transaction in which the first thread is resumed. */
extern void reopen_execution(LoadedExecution *execution);

/* Has something that it did been undone? */
extern bool execution_is_compensated(int64 execution_id,
									 const WorkflowPlan *plan);

/*
 * The steps that would be tried again because they failed, as keys of
 * executions.step_inputs, which are those of scope_step_path(); nothing is
 * changed.
 */
extern List *reopen_failed_steps(int64 execution_id, const WorkflowPlan *plan);

#endif							/* PGWF_REOPEN_H */

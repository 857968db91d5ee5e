/*-------------------------------------------------------------------------
 *
 * breaker.h
 *	  Circuit breakers around the calls of agents.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_BREAKER_H
#define PGWF_BREAKER_H

#include "interpreter/thread.h"

/* Type of the error of a step that was not run because of an open breaker. */
#define BREAKER_REFUSAL "CircuitBreakerOpen"

/*
 * Ask the breaker of the leaf's agent, which may not have one, for the current
 * role, which is the one that started the execution.  Returns NULL when the
 * leaf is to be run: *call is to be given with its end then.  Else the error,
 * in the current memory context.  Needs a transaction.
 */
extern StepError *breaker_begin_call(const Leaf *leaf, int *call);
extern void breaker_call_succeeded(int call);
/*
 * in_transaction: a change of state is written in the present transaction,
 * which records the failure; otherwise the scheduler writes it.
 */
extern void breaker_call_failed(int call, const Leaf *leaf,
								const StepError *error, bool in_transaction);
/*
 * An attempt at the step is recorded as ExecutionStuck, in the present
 * transaction, by another process than the one that made it, for an execution
 * of the role.
 */
extern void breaker_call_stuck(const PlanNode *node, Oid role,
							   const StepError *error);
/* This call and those begun after it have ended in a way that tells nothing. */
extern void breaker_calls_abandoned(int call);

#endif							/* PGWF_BREAKER_H */

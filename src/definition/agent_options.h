/*-------------------------------------------------------------------------
 *
 * agent_options.h
 *	  What an agent is registered with beside its code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_AGENT_OPTIONS_H
#define PGWF_AGENT_OPTIONS_H

#include "definition/plan.h"

/*
 * Retry policies: one object or an array of them, as in "retry" of a step.  NULL
 * has none.  Everything is copied into the current memory context; what is wrong
 * is added to problems.
 */
extern void agent_retry_parse(const char *text, RetryPolicy **policies, int *npolicies,
							  ProblemList *problems);

#endif							/* PGWF_AGENT_OPTIONS_H */

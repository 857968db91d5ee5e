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
 * Retry policies: one object or an array of them, as in "retry" of a step.
 * NULL has none.  Everything is copied into the current memory context; what is
 * wrong is added to problems.
 */
extern void agent_retry_parse(const char *text, RetryPolicy **policies,
							  int *npolicies, ProblemList *problems);

/*
 * When an agent is not called for a while because it keeps failing.  The
 * numbers are those of the source system.
 */
typedef struct BreakerConfig
{
	bool		enabled;
	int			failure_threshold;	/* calls that may tell something */
	double		failure_rate_threshold; /* opens when so many of them failed,
										 * 0 < x <= 1 */
	int			timeout_seconds;	/* from opening to half-open */
	int			half_open_max_calls;	/* let through then; when they
										 * succeed it closes */
	int			window_size_seconds;	/* of calls that count */
} BreakerConfig;

/* A circuit breaker: an object, NULL has none (not enabled). */
extern void breaker_config_parse(const char *text, BreakerConfig *config,
								 ProblemList *problems);

#endif							/* PGWF_AGENT_OPTIONS_H */

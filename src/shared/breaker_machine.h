/*-------------------------------------------------------------------------
 *
 * breaker_machine.h
 *	  A circuit breaker as a state machine: a window of calls that slides, three
 *	  states, one transition function.
 *
 * NOTES
 *	  Pure: no server, no clock of its own, no lock.  Times are microseconds, as
 *	  TimestampTz has them.  breakers.c keeps breakers in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_BREAKER_MACHINE_H
#define PGWF_BREAKER_MACHINE_H

#include "definition/agent_options.h"

/*
 * The window is divided into so many buckets.  A call is forgotten with its
 * bucket, when the bucket is no longer wholly inside the window: a thirtieth
 * too early at most, never too late.
 */
#define BREAKER_BUCKETS 30

typedef enum BreakerState
{
	BREAKER_CLOSED,				/* calls are made */
	BREAKER_OPEN,				/* no call is made before half_open_at */
	BREAKER_HALF_OPEN			/* a few calls are made, to see */
} BreakerState;

typedef enum BreakerEvent
{
	BREAKER_CALL,				/* may a call be made? */
	BREAKER_SUCCESS,			/* a call that was let through has succeeded */
	BREAKER_FAILURE,			/* it has failed */
	BREAKER_ABANDONED,			/* it ended and says nothing about the agent */
	BREAKER_STUCK,				/* some call does not come back: a failure,
								 * whenever it began */
	BREAKER_RESET				/* somebody wants it closed */
} BreakerEvent;

/* Calls, and how many of them failed. */
typedef struct BreakerCounts
{
	int64		calls;
	int64		failures;
} BreakerCounts;

typedef struct Breaker
{
	BreakerState state;
	uint32		generation;		/* ++ with each change of state: a call
								 * counts in the one it began in */
	int64		opened_at;		/* the last time; 0 = never */
	int64		half_open_at;
	BreakerCounts opened_for;	/* what it was opened for */

	/* closed */
	int			window_seconds; /* what the buckets are for */
	int64		newest;			/* number of the newest bucket, counted from
								 * the epoch */
	uint32		calls[BREAKER_BUCKETS]; /* by number modulo */
	uint32		failures[BREAKER_BUCKETS];
	int			failures_in_row;	/* since the last success */

	/* half-open */
	int			running;		/* calls under way */
	int			succeeded;
} Breaker;

extern void breaker_initialize(Breaker *breaker);
/*
 * The one transition.  generation: for the end of a call, the one that was seen
 * when it was let through; a call of another time changes nothing.  Returns,
 * for CALL, whether it may be made.
 */
extern bool breaker_transition(Breaker *breaker, const BreakerConfig *config,
							   BreakerEvent event, uint32 generation,
							   int64 now);
/* What the window holds. */
extern BreakerCounts breaker_counts(const Breaker *breaker, int64 now);
/*
 * The state a call would find: an open breaker whose time is over is half-open.
 */
extern BreakerState breaker_state_at(const Breaker *breaker, int64 now);
extern const char *breaker_state_name(BreakerState state);

#endif							/* PGWF_BREAKER_MACHINE_H */

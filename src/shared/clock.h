/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  A clock that nobody puts back or forward.
 *
 * NOTES
 *	  What rows say and what users see is of the server's clock.  For how long a
 *	  process has waited, or is to wait, is of the steady clock: it shows what
 *	  that one showed when the server started, and what has passed since, in all
 *	  processes of the server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_CLOCK_H
#define PGWF_CLOCK_H

#include "postgres.h"
#include "datatype/timestamp.h"

/*
 * Not in a process before shared memory is there.  May be called in signal
 * handlers.
 */
extern TimestampTz steady_now(void);
/* Infinite times stay what they are. */
/* when the steady clock shows what is at a time */
extern TimestampTz steady_time(TimestampTz time);
/* and the other way around */
extern TimestampTz clock_time(TimestampTz steady);
/* What it is ahead of the monotonic clock, for shared memory. */
extern TimestampTz steady_offset(void);

#endif							/* PGWF_CLOCK_H */

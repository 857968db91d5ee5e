/*-------------------------------------------------------------------------
 *
 * janitor.h
 *	  The table workflow.executions: what has waited too long.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_JANITOR_H
#define PGWF_JANITOR_H

#include "state/state.h"

/*
 * When the time of a running execution is over, pauses counted off; DT_NOEND:
 * it does not run.
 */
extern TimestampTz execution_deadline(int64 id, int timeout_seconds);

/*
 * End pending executions that have not begun and have waited for longer than
 * the timeout, some of them if they are many.  Returns how many; *oldest: since
 * when those that are left wait, DT_NOEND: none does.
 */
extern int	executions_time_out_pending(int timeout_seconds,
										TimestampTz *oldest);

#endif							/* PGWF_JANITOR_H */

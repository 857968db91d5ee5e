/*-------------------------------------------------------------------------
 *
 * traceparent.h
 *	  The trace that executions of a session belong to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_TRACEPARENT_H
#define PGWF_TRACEPARENT_H

#include "postgres.h"

extern void define_traceparent_setting(void);

/* workflow.traceparent of the session; NULL: none. */
extern const char *session_traceparent(void);

#endif							/* PGWF_TRACEPARENT_H */

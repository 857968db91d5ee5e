/*-------------------------------------------------------------------------
 *
 * event_log.h
 *	  What executions and their steps come to, in the server's log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_EVENT_LOG_H
#define PGWF_STATE_EVENT_LOG_H

#include "postgres.h"

#include "state/steps.h"

/*
 * Have it logged when the transaction commits, if workflow.log_events wants
 * that.  A caller in whose way it would be asks first whether the setting is
 * off.  A step's workflow may be NULL: it is looked up then; started_at may be
 * 0.
 */
extern void log_step(const StepRow *row, const char *workflow);
extern void log_execution(int64 id, const char *workflow,
						  ExecutionStatus status, const Jsonb *error,
						  const char *error_type, TimestampTz started_at);

#endif							/* PGWF_STATE_EVENT_LOG_H */

/*-------------------------------------------------------------------------
 *
 * announce.h
 *	  Notifications on the channel "workflow".
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_ANNOUNCE_H
#define PGWF_STATE_ANNOUNCE_H

#include "postgres.h"
#include "utils/jsonb.h"

#include "definition/plan.h"
#include "state/state.h"

/* Does the definition ask for notifications, and are they wanted at all? */
extern bool announces(const WorkflowPlan *plan);

/*
 * Sent when the transaction commits; to be called only where something
 * announces().  error, error_type: of what has failed, may be NULL.
 */
extern void announce_step(int64 execution_id, const char *workflow,
						  const char *step_id, const char *scope,
						  const char *status, const char *error_type);
extern void announce_execution(int64 execution_id, const char *workflow,
							   ExecutionStatus status, const Jsonb *error,
							   const char *error_type);

/*
 * The rows of a state_query() with RETURNING_STATUS (private.h): executions
 * that have another status now.
 */
extern void announce_statuses(uint64 nrows);
/* Such a statement of which nothing else is read; returns how many rows. */
extern uint64 state_execute_statuses(StateStatement *statement, Datum *values,
									 const char *nulls);

/*
 * An executor: "started", "stuck" or "ended"; reason may be NULL.  Nothing
 * without workflow.notify.
 */
extern void announce_executor(int pid, Oid role, const char *event,
							  const char *reason);

#endif							/* PGWF_STATE_ANNOUNCE_H */

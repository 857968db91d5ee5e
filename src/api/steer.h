/*-------------------------------------------------------------------------
 *
 * steer.h
 *	  What all functions that steer executions share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEER_H
#define PGWF_STEER_H

#include "state/executions.h"

/*
 * Has the caller the rights of the role that started it, or steers its
 * workflow?
 */
extern bool may_steer(const ExecutionState *state);

/*
 * Lock the execution's row until the end of the transaction and read it;
 * before, an error unless it exists and the caller may steer it.  what:
 * "cancelled", for the message.
 */
extern void lock_to_steer(int64 id, const char *what, ExecutionState *state);

/*
 * An error for what workflow.execute() runs, or has run: nobody but its own
 * steps sees it before it has ended, and it goes on whatever they say.  what:
 * "paused", for the message.
 */
extern void refuse_executed(const ExecutionState *state, const char *what);

/*
 * An error unless the caller may hand data to the execution: has the rights of
 * the role that started it.  argument: the one the data came in.
 */
extern void require_may_give_data(const ExecutionState *state,
								  const char *argument);

#endif							/* PGWF_STEER_H */

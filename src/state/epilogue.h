/*-------------------------------------------------------------------------
 *
 * epilogue.h
 *	  The tables, as far as executions that do not complete are concerned: from
 *	  the decision how one ends to its end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_EPILOGUE_H
#define PGWF_STATE_EPILOGUE_H

#include "state/claims.h"

/*
 * A running execution is to end with this status and error, after its epilogue.
 * started_at 0: keep.  Returns false when it is not running any more, or that
 * has been decided already.
 */
extern bool execution_decide(int64 id, ExecutionStatus ending,
							 TimestampTz started_at, Jsonb *output,
							 Jsonb *error, const char *error_type);

/*
 * The same, by the scheduler, of an execution that nothing runs of; its output
 * is that of nobody.  Nothing is changed when it has been decided already.
 */
extern void execution_decide_idle(int64 id, ExecutionStatus ending,
								  Jsonb *error, const char *error_type);

typedef enum Settlement
{
	SETTLED_EPILOGUE,			/* it is to be run, *claimed says of what;
								 * containers left open are closed */
	SETTLED_OVER,				/* and cancelled if that was wanted */
	SETTLED_LATER				/* somebody has its row locked */
} Settlement;

/*
 * Nothing of an execution that is to end runs any more.  Locks its row, and
 * waits for nobody who has.
 */
extern Settlement execution_settle(int64 id, ClaimedExecution *claimed);

/*
 * What an execution whose time is over has got done: {"partial": true,
 * "completed_steps": n, "outputs": {step of the root scope: output}}; outputs
 * is null when they are too large together.
 */
extern Jsonb *execution_partial_output(int64 id);

/* A completed step that has a compensation. */
typedef struct CompletedStep
{
	char	   *scope;
	char	   *step_id;
	int			visit;
	TimestampTz completed_at;
} CompletedStep;

/*
 * Completed steps whose compensation has not ended, at most limit, newest
 * first.  Returns how many; *steps is palloc'd in the current context.
 */
extern int	steps_to_compensate(int64 execution_id, const WorkflowPlan *plan,
								int limit, CompletedStep **steps);

#endif							/* PGWF_STATE_EPILOGUE_H */

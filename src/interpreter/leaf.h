/*-------------------------------------------------------------------------
 *
 * leaf.h
 *	  What the two drivers share about running a leaf: its timer, and telling
 *	  an error of the server apart as an error of the step.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_LEAF_H
#define PGWF_LEAF_H

#include "interpreter/thread.h"

/*
 * When the leaf, which begins now, has to end: the scope's deadline, or its own time limit
 * (0: none of its own, so that workflow.step_timeout holds).
 */
extern void leaf_set_deadline(Leaf *leaf, TimestampTz scope_deadline, int timeout_seconds);

/* Cancel the running statement at deadline (DT_NOEND: never). */
extern void leaf_timer_start(TimestampTz deadline);
/* Stop it, and what arm_statement_timeout() started; true when it has fired. */
extern bool leaf_timer_stop(void);

/*
 * The same for a leaf that may run inside another one (a step can call
 * execute()): the time limit of the outer one holds inside, too.  leave: true
 * when it was the inner one that fired.
 */
typedef struct LeafTimer
{
	bool		armed;			/* the outer leaf's */
	bool		fired;
	TimestampTz deadline;
	TimestampTz inner_deadline;
} LeafTimer;

extern void leaf_timer_enter(LeafTimer *outer, TimestampTz deadline);
extern bool leaf_timer_leave(const LeafTimer *outer);

/* What "transaction", else the settings, say of it; otherwise: what counts where neither does. */
extern int	leaf_isolation(const Leaf *leaf, int otherwise);
extern bool leaf_read_only(const Leaf *leaf, bool otherwise);

/*
 * Of an executor's leaf: what "transaction" leaves unsaid is as its settings, or the
 * role's, say.  Sets task.read_only.  Returns the isolation level and *deferrable.
 */
extern int	leaf_transaction(Leaf *leaf, bool *deferrable);

/* An error of the server as the error of a step, in the current memory context. */
extern StepError *leaf_error(const Leaf *leaf, const ErrorData *error);
/* The error of a step whose time was over. */
extern StepError *leaf_timeout_error(const Leaf *leaf);
/* The error of a step whose process did not respond to being cancelled. */
extern StepError *leaf_stuck_error(const Leaf *leaf, const StuckAttempt *stuck);
/* True for the fence: another process has recorded this attempt. */
extern bool error_is_fence(const ErrorData *error);

#endif							/* PGWF_LEAF_H */

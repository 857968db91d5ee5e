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
 * When the leaf, which begins now, has to end: the scope's deadline, or its own
 * time limit (0: none of its own, so that workflow.step_timeout holds).
 */
extern void leaf_set_deadline(Leaf *leaf, TimestampTz scope_deadline,
							  int timeout_seconds);

/* Cancel the running statement of an executor at deadline (DT_NOEND: never). */
extern void leaf_timer_start(TimestampTz deadline);
/*
 * Stop it, and what leaf_statement_begins() has started; true when it has
 * fired.
 */
extern bool leaf_timer_stop(void);

/* Whose time was over. */
typedef enum LeafLimit
{
	LIMIT_NONE,
	LIMIT_LEAF,
	LIMIT_STATEMENT				/* by statement_timeout */
} LeafLimit;

/*
 * The same for a leaf inside a statement of somebody else, which called
 * execute(): a session's, or another step's, whose limits hold inside, too.
 * leave: what was over of its own, LIMIT_NONE also when it was an outer one's
 * time.
 */
typedef struct LeafTimer
{
	struct LeafTimer *outer;
	TimestampTz deadline;
	TimestampTz statement_deadline; /* of the statement it is at */
	int			statement_timeout;	/* as the caller has it */
	LeafLimit	over;
} LeafTimer;

extern void leaf_timer_enter(LeafTimer *frame, TimestampTz deadline);
extern LeafLimit leaf_timer_leave(const LeafTimer *frame);

/* The leaf that runs is inside a statement of somebody else. */
extern bool leaf_is_inside(void);

/*
 * A statement of the leaf begins, with statement_timeout as it is now, and has
 * ended.  In an executor the server's own timer is set, as the server does for
 * who sends it statements; inside execute() that is the caller's, and ours is
 * set when the step has a limit of its own.
 */
extern void leaf_statement_begins(void);
extern void leaf_statement_ended(void);

/*
 * What "transaction", else the settings, say of it; otherwise: what counts
 * where neither does.
 */
extern int	leaf_isolation(const Leaf *leaf, int otherwise);
extern bool leaf_read_only(const Leaf *leaf, bool otherwise);

/*
 * Of an executor's leaf: what "transaction" leaves unsaid is as its settings,
 * or the role's, say.  Sets task.read_only.  Returns the isolation level and
 * *deferrable.
 */
extern int	leaf_transaction(Leaf *leaf, bool *deferrable);

/*
 * An error of the server as the error of a step, in the current memory context.
 */
extern StepError *leaf_error(const Leaf *leaf, const ErrorData *error);
/* The error of a step whose time was over. */
extern StepError *leaf_timeout_error(const Leaf *leaf);
/* The error of a step whose process did not respond to being cancelled. */
extern StepError *leaf_stuck_error(const Leaf *leaf, const StuckAttempt *stuck);
/* True for the fence: another process has recorded this attempt. */
extern bool error_is_fence(const ErrorData *error);

#endif							/* PGWF_LEAF_H */

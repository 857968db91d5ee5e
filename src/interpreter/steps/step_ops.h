/*-------------------------------------------------------------------------
 *
 * step_ops.h
 *	  What the interpreter does with a step, by type.
 *
 * NOTES
 *	  A row of step_ops[] is made in a file of this folder; who walks a plan
 *	  calls it, and asks for no type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEP_OPS_H
#define PGWF_STEP_OPS_H

#include "interpreter/thread.h"

typedef struct StepOps
{
	/* Take the step the frame stands at, as step_enter() has to. */
	ThreadAction (*enter) (Thread *thread, Frame *frame, PlanNode *node,
						   int visit, StepRow *row, bool *again);

	/*
	 * Its row is open, and nobody has skipped it: has come what it waits for?
	 * Answers as enter() does.  NULL: steps of the type do not wait.
	 */
	ThreadAction (*woken) (Thread *thread, Frame *frame, PlanNode *node,
						   StepRow *row, bool *again);

	/* Containers that have children of this thread */

	/*
	 * The SQL of its condition has answered.  why: it cannot be evaluated,
	 * which is false.
	 */
	void		(*condition_decided) (Thread *thread, PlanNode *node,
									  bool result, const StepError *why);
	/*
	 * It has failed; true: it is asked again.  NULL: as the SQL of any leaf
	 * fails.
	 */
	bool		(*condition_failed) (Thread *thread, StepStatus status,
									 const StepError *error);
	/* A child has ended, and with it the line of the top frame. */
	void		(*child_ended) (Thread *thread, Frame *frame,
								ScopeOutcome outcome, StepRow *last);
	/* Its row is open: go to where its children stand. */
	void		(*resume) (Thread *thread, Frame *frame, PlanNode *node,
						   const StepRecord *record, StepRow *row);
	/*
	 * The top frame was made to go on with a child of it: which of the others
	 * have ended, where it is not those before that one?  NULL: it always is.
	 */
	void		(*remember_ended) (Thread *thread, Frame *around,
								   PlanNode *node, int visit);
	/*
	 * Had it come so far that it has children?  By what its row says; no
	 * container whose step was not begun at all.
	 */
	bool		(*was_opened) (const PlanNode *node, int collection_size,
							   const char *branch_taken);
} StepOps;

/* By step type; those who walk a plan are below those who know the types. */
extern const StepOps *const *step_ops;
/* When the library is loaded. */
extern void step_ops_initialize(void);

extern const StepOps leaf_ops;
extern const StepOps block_ops;
extern const StepOps conditional_ops;
extern const StepOps loop_ops;
extern const StepOps set_ops;
extern const StepOps wait_ops;
extern const StepOps succeed_ops;
extern const StepOps fail_ops;

#endif							/* PGWF_STEP_OPS_H */

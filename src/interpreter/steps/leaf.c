/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  Steps that run SQL of the user: sql, agent.
 *
 * NOTES
 *	  Same place and transaction as thread.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "interpreter/steps/step_ops.h"

static ThreadAction
leaf_enter(Thread *thread, Frame *frame, PlanNode *node,
		   int visit pg_attribute_unused(), StepRow *row, bool *again)
{
	*again = !leaf_prepare(thread, frame, node, row);
	return THREAD_LEAF;
}

const StepOps leaf_ops = {
	.enter = leaf_enter
};

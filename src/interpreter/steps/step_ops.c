/*-------------------------------------------------------------------------
 *
 * step_ops.c
 *	  The table of what the interpreter does with a step, by type.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "interpreter/steps/step_ops.h"

static const StepOps *const table[STEP_TYPES] = {
	[STEP_AGENT] = &leaf_ops,
	[STEP_SQL] = &leaf_ops,
	[STEP_PARALLEL] = &block_ops,
	[STEP_FORK_JOIN] = &block_ops,
	[STEP_CONDITIONAL] = &conditional_ops,
	[STEP_LOOP] = &loop_ops,
	[STEP_SET] = &set_ops,
	[STEP_WAIT] = &wait_ops,
	[STEP_SUCCEED] = &succeed_ops,
	[STEP_FAIL] = &fail_ops
};

void
step_ops_initialize(void)
{
	step_ops = table;
}

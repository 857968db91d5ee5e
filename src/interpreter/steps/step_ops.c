/*-------------------------------------------------------------------------
 *
 * step_ops.c
 *	  The table of what the interpreter does with a step, by type.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "interpreter/steps/step_ops.h"

const StepOps *const step_ops[STEP_TYPES] = {
	[STEP_AGENT] = &leaf_ops,
	[STEP_SQL] = &leaf_ops,
	[STEP_PARALLEL] = &block_ops,
	[STEP_FORK_JOIN] = &block_ops,
	[STEP_CONDITIONAL] = &conditional_ops,
	[STEP_LOOP] = &loop_ops,
	[STEP_SET] = &set_ops,
	[STEP_SUCCEED] = &succeed_ops,
	[STEP_FAIL] = &fail_ops
};

/*-------------------------------------------------------------------------
 *
 * step_types.c
 *	  The table of what a definition says of steps, by type.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/steps/step_types.h"

const StepTypeInfo *const step_types[STEP_TYPES] = {
	[STEP_AGENT] = &step_type_agent,
	[STEP_SQL] = &step_type_sql,
	[STEP_PARALLEL] = &step_type_parallel,
	[STEP_FORK_JOIN] = &step_type_fork_join,
	[STEP_CONDITIONAL] = &step_type_conditional,
	[STEP_LOOP] = &step_type_loop,
	[STEP_SET] = &step_type_set,
	[STEP_WAIT] = &step_type_wait,
	[STEP_SUCCEED] = &step_type_succeed,
	[STEP_FAIL] = &step_type_fail
};

/*-------------------------------------------------------------------------
 *
 * step_type.c
 *	  The table of step types.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

const StepTypeInfo *const step_types[STEP_TYPES] = {
	[STEP_AGENT] = &step_type_agent,
	[STEP_SQL] = &step_type_sql,
	[STEP_PARALLEL] = &step_type_parallel,
	[STEP_FORK_JOIN] = &step_type_fork_join,
	[STEP_CONDITIONAL] = &step_type_conditional,
	[STEP_LOOP] = &step_type_loop,
	[STEP_SET] = &step_type_set,
	[STEP_SUCCEED] = &step_type_succeed,
	[STEP_FAIL] = &step_type_fail
};

/*
 * The type's name in definitions.
 */
const char *
step_type_name(StepType type)
{
	return step_types[type]->name;
}

bool
step_type_named(const char *name, StepType *type)
{
	for (int i = 0; i < STEP_TYPES; i++)
	{
		if (strcmp(step_types[i]->name, name) == 0)
		{
			*type = (StepType) i;
			return true;
		}
	}
	return false;
}

/*-------------------------------------------------------------------------
 *
 * step_type.c
 *	  The table of step types, as those see them who meet a step.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/pure.h"

#include "definition/step_type.h"

const StepTypeTraits step_type_traits[STEP_TYPES] = {
	[STEP_AGENT] = {"agent", TRAIT_LEAF | TRAIT_DEFAULTS},
	[STEP_SQL] = {"sql", TRAIT_LEAF | TRAIT_DEFAULTS | TRAIT_OUTSIDE},
	[STEP_PARALLEL] = {"parallel", TRAIT_CONTAINER | TRAIT_FORKS},
	[STEP_FORK_JOIN] = {"fork_join", TRAIT_CONTAINER | TRAIT_FORKS},
	[STEP_CONDITIONAL] = {"conditional", TRAIT_CONTAINER | TRAIT_CHOOSES},
	[STEP_LOOP] = {"loop", TRAIT_CONTAINER | TRAIT_ITERATES},
	[STEP_SET] = {"set", TRAIT_DEFAULTS},
	[STEP_WAIT] = {"wait", TRAIT_DEFAULTS | TRAIT_WAITS},
	[STEP_SUCCEED] = {"succeed", TRAIT_TERMINAL},
	[STEP_FAIL] = {"fail", TRAIT_TERMINAL}
};

/*
 * The type's name in definitions.
 */
const char *
step_type_name(StepType type)
{
	return step_type_traits[type].name;
}

bool
step_type_named(const char *name, StepType *type)
{
	for (int i = 0; i < STEP_TYPES; i++)
	{
		if (strcmp(step_type_traits[i].name, name) == 0)
		{
			*type = (StepType) i;
			return true;
		}
	}
	return false;
}

/*-------------------------------------------------------------------------
 *
 * set.h
 *	  What only steps of type set have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEPS_SET_H
#define PGWF_STEPS_SET_H

#include "definition/plan.h"

typedef struct SetPart
{
	char	  **names;			/* of the variables it assigns */
	Template  **values;
	int			count;
} SetPart;

/* NULL for a step of another type. */
static inline SetPart *
set_part(const PlanNode *node)
{
	return node->type == STEP_SET ? node->part : NULL;
}

#endif							/* PGWF_STEPS_SET_H */

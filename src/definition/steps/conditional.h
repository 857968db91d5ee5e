/*-------------------------------------------------------------------------
 *
 * conditional.h
 *	  What only steps of type conditional have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEPS_CONDITIONAL_H
#define PGWF_STEPS_CONDITIONAL_H

#include "definition/plan.h"

typedef struct ConditionalPart
{
	Condition  *condition;		/* NULL for a switch */
	int			default_line;	/* "else" or "default": taken when nothing
								 * else is; -1 = none */
} ConditionalPart;

/* NULL for a step of another type. */
static inline ConditionalPart *
conditional_part(const PlanNode *node)
{
	return node->type == STEP_CONDITIONAL ? node->part : NULL;
}

#endif							/* PGWF_STEPS_CONDITIONAL_H */

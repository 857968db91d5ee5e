/*-------------------------------------------------------------------------
 *
 * fail.h
 *	  What only steps of type fail have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEPS_FAIL_H
#define PGWF_STEPS_FAIL_H

#include "definition/plan.h"

typedef struct FailPart
{
	Template   *error;			/* error type, a template of a string */
	Template   *message;
} FailPart;

/* NULL for a step of another type. */
static inline FailPart *
fail_part(const PlanNode *node)
{
	return node->type == STEP_FAIL ? node->part : NULL;
}

#endif							/* PGWF_STEPS_FAIL_H */

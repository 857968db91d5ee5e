/*-------------------------------------------------------------------------
 *
 * loop.h
 *	  What only steps of type loop have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEPS_LOOP_H
#define PGWF_STEPS_LOOP_H

#include "definition/plan.h"

typedef struct LoopPart
{
	LoopKind	kind;
	Template   *collection;
	char	   *collection_text;	/* as written, for messages and explain */
	Condition  *condition;
	Template   *label;			/* of each iteration; NULL = none */
	char	   *label_text;		/* as written, for explain */
	bool		parallel;
	int			max_iterations; /* 0 = unlimited */
	LoopResult	result;
	int			batch_size;		/* iterations in one transaction; 0 = not
								 * given */
} LoopPart;

/* NULL for a step of another type. */
static inline LoopPart *
loop_part(const PlanNode *node)
{
	return node->type == STEP_LOOP ? node->part : NULL;
}

#endif							/* PGWF_STEPS_LOOP_H */

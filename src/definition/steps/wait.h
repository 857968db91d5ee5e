/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  What only steps of type wait have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEPS_WAIT_H
#define PGWF_STEPS_WAIT_H

#include "definition/plan.h"

/* How a step says until when it waits. */
typedef enum WaitField
{
	WAIT_SECONDS,
	WAIT_DURATION,
	WAIT_UNTIL
} WaitField;

typedef struct WaitPart
{
	WaitField	field;
	Template   *value;			/* of that */
	Template   *time_zone;		/* NULL: that of the session */
	char	   *text;			/* the value as it is written */
	char	   *zone_text;		/* the same; NULL: none */
} WaitPart;

/* NULL for a step of another type. */
static inline WaitPart *
wait_part(const PlanNode *node)
{
	return node->type == STEP_WAIT ? node->part : NULL;
}

extern const char *wait_field_name(WaitField field);

#endif							/* PGWF_STEPS_WAIT_H */

/*-------------------------------------------------------------------------
 *
 * sql.h
 *	  What only steps of type sql have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEPS_SQL_H
#define PGWF_STEPS_SQL_H

#include "definition/plan.h"

typedef struct SqlPart
{
	char	   *text;
	Template  **params;			/* $1 .. */
	int			nparams;
	SqlResult	result;
	bool		outside;		/* of a transaction */
} SqlPart;

/* NULL for a step of another type. */
static inline SqlPart *
sql_part(const PlanNode *node)
{
	return node->type == STEP_SQL ? node->part : NULL;
}

/* Does its SQL run outside of a transaction? */
static inline bool
step_runs_outside(const PlanNode *node)
{
	const SqlPart *part = sql_part(node);

	return part != NULL && part->outside;
}

#endif							/* PGWF_STEPS_SQL_H */

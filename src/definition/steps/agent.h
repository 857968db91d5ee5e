/*-------------------------------------------------------------------------
 *
 * agent.h
 *	  What only steps of type agent have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEPS_AGENT_H
#define PGWF_STEPS_AGENT_H

#include "definition/plan.h"

typedef struct AgentPart
{
	char	   *name;
} AgentPart;

/* NULL for a step of another type. */
static inline AgentPart *
agent_part(const PlanNode *node)
{
	return node->type == STEP_AGENT ? node->part : NULL;
}

/* The agent that a step calls; NULL: it calls none. */
static inline char *
step_agent(const PlanNode *node)
{
	const AgentPart *part = agent_part(node);

	return part != NULL ? part->name : NULL;
}

#endif							/* PGWF_STEPS_AGENT_H */

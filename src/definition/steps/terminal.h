/*-------------------------------------------------------------------------
 *
 * terminal.h
 *	  What only steps of types succeed and fail have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEPS_TERMINAL_H
#define PGWF_STEPS_TERMINAL_H

#include "definition/plan.h"

typedef struct TerminalPart
{
	bool		ends_scope;		/* else the execution */
	Template   *error;			/* fail: error type, a template of a string */
	Template   *message;		/* fail */
} TerminalPart;

/* NULL for a step of another type. */
static inline TerminalPart *
terminal_part(const PlanNode *node)
{
	return step_is_terminal(node) ? node->part : NULL;
}

/*
 * Does a step end the scope inside of a container that it stands in, and no
 * more?
 */
static inline bool
step_ends_scope(const PlanNode *node)
{
	return node->container >= 0 && step_is_terminal(node) &&
		terminal_part(node)->ends_scope;
}

#endif							/* PGWF_STEPS_TERMINAL_H */

/*-------------------------------------------------------------------------
 *
 * scope_id.h
 *	  The name of a scope in shared memory.
 *
 * NOTES
 *	  Alone, since plan.h has a name that the server's headers have, too: Plan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SCOPE_ID_H
#define PGWF_SCOPE_ID_H

/* Levels of a scope's name: PLAN_MAX_NESTING. */
#define SCOPE_MAX_DEPTH 16

/* One level of a scope's name: a container, which visit, which child. */
typedef struct ScopeLevel
{
	int			node;
	int			visit;
	int			child;			/* line or iteration, 0-based */
} ScopeLevel;

/* Name of a scope; depth 0 is the root scope. */
typedef struct ScopeId
{
	int			depth;
	ScopeLevel	level[SCOPE_MAX_DEPTH];
} ScopeId;

#endif							/* PGWF_SCOPE_ID_H */

/*-------------------------------------------------------------------------
 *
 * scope.h
 *	  Names of scopes: the path in the tables, the ScopeId in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SCOPE_H
#define PGWF_SCOPE_H

#include "definition/plan.h"
#include "definition/scope_id.h"

/* Path of child number child (line or iteration) of a container in a scope. */
extern char *scope_child_path(const char *parent, const PlanNode *container,
							  int visit, int child);
/* All children's paths, nested ones included, are in [*from, *to) as bytes. */
extern void scope_children_range(const char *parent, const PlanNode *container,
								 int visit, char **from, char **to);
/*
 * "scope/step", "step" at the top, with "#visit" unless it is the first; the
 * step of such a path.
 */
extern char *scope_step_path(const char *scope, const char *step_id, int visit);
extern char *scope_path_step(const char *path);

/*
 * A level of a path as it is written, "step#visit.line" or "step[iteration]".
 */
typedef struct ScopeText
{
	const char *step;
	int			step_length;
	int			visit;
	bool		iterates;
	const char *child;			/* name of the line, or the iteration with
								 * its brackets */
	int			child_length;
} ScopeText;

/* The level at *p, which is set to the next one; false when it is none. */
extern bool scope_next_level(const char **p, ScopeText *level);

/* Path of a whole ScopeId. */
extern char *scope_path(const WorkflowPlan *plan, const ScopeId *scope);
/* Inverse of scope_path(); false when the path does not fit the plan. */
extern bool scope_parse(const WorkflowPlan *plan, const char *path,
						ScopeId *scope);
extern bool scope_is(const ScopeId *scope, const ScopeId *other);
/* ScopeId of a child. */
extern ScopeId scope_child(const ScopeId *parent, int node, int visit,
						   int child);

/*
 * Children of the container run one beside the other, so each has variables of
 * its own.
 */
extern bool container_is_concurrent(const PlanNode *container);

#endif							/* PGWF_SCOPE_H */

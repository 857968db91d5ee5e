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

/*
 * The grammar of a path; the empty one is that of the root scope.
 *
 *	  path      = [ set-aside "/" ] [ level { "/" level } ]
 *	  set-aside = "~" number
 *	  level     = name [ "#" visit ] ( "." name | "[" iteration "]" )
 *
 * A name may be anything.  What has a meaning in a path, "#", "%", ".", "/",
 * "[" and "~", a blank and control characters are written as "%" and two
 * hexadecimal digits in capitals, so "a b" is "a%20b"; nothing else is, so that
 * each name is written in one way only.  An empty name is "%00", as no name has
 * that byte in it.  Visits are written from the second one on, iterations from
 * 0, both without leading zeros.
 */

/* The first byte of the path of a scope that a retry has set aside. */
#define SCOPE_SET_ASIDE '~'

/* How many bytes a name has in a path. */
extern int	scope_name_length(const char *name);

/* Path of child number child (line or iteration) of a container in a scope. */
extern char *scope_child_path(const char *parent, const PlanNode *container,
							  int visit, int child);
/* All children's paths, nested ones included, are in [*from, *to) as bytes. */
extern void scope_children_range(const char *parent, const PlanNode *container,
								 int visit, char **from, char **to);
/* The same of a container that only its row is known of. */
extern void scope_children_of(const char *parent, const char *step_id,
							  bool iterates, int visit, char **from, char **to);
/*
 * "scope/step", "step" at the top, with "#visit" unless it is the first; the
 * step of such a path.
 */
extern char *scope_step_path(const char *scope, const char *step_id, int visit);
extern char *scope_path_step(const char *path);

/*
 * A level of a path as it was read, "step#visit.line" or "step[iteration]".
 */
typedef struct ScopeText
{
	char	   *step;
	int			visit;
	char	   *line;			/* its name in a path, see PlanLine; NULL: an
								 * iteration */
	int			iteration;
} ScopeText;

/*
 * The level at *p, which is set to the next one; false when it is none.  Its
 * names are the caller's.
 */
extern bool scope_next_level(const char **p, ScopeText *level);
/*
 * Go behind what marks a scope as set aside, which is returned; NULL: it is
 * not.
 */
extern char *scope_skip_set_aside(const char **p);

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

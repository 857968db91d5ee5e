/*-------------------------------------------------------------------------
 *
 * scope.c
 *	  Names of scopes: the path in the tables, the ScopeId in shared memory.
 *
 * NOTES
 *	  Pure functions over a plan.  The path is deterministic: it is part of the
 *	  key that fences attempts.  Ids of steps and branches hold letters, digits,
 *	  '-' and '_' only, so '.', '[', '#' and '/' can separate them.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/scope.h"
#include "definition/steps/loop.h"

#include <limits.h>

StaticAssertDecl(SCOPE_MAX_DEPTH == PLAN_MAX_NESTING,
				 "a scope's name needs a level for each container around it");

/* A name that may have a blank in it ("case 1") has '_' there in a path. */
static void
append_name(StringInfo path, const char *name)
{
	for (const char *p = name; *p; p++)
		appendStringInfoChar(path, *p == ' ' ? '_' : *p);
}

/* "parent/step#visit", what all paths of a container's children begin with. */
static void
append_step(StringInfo path, const char *parent, const char *step_id, int visit)
{
	if (*parent)
	{
		appendStringInfoString(path, parent);
		appendStringInfoChar(path, '/');
	}
	appendStringInfoString(path, step_id);
	if (visit > 1)
		appendStringInfo(path, "#%d", visit);
}

char *
scope_step_path(const char *scope, const char *step_id, int visit)
{
	StringInfoData path;

	initStringInfo(&path);
	append_step(&path, scope, step_id, visit);
	return path.data;
}

char *
scope_path_step(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *id = slash != NULL ? slash + 1 : path;

	return pnstrdup(id, strcspn(id, "#.["));
}

char *
scope_child_path(const char *parent, const PlanNode *container, int visit,
				 int child)
{
	StringInfoData path;

	initStringInfo(&path);
	append_step(&path, parent, container->id, visit);
	if (step_iterates(container))
		appendStringInfo(&path, "[%d]", child);
	else
	{
		appendStringInfoChar(&path, '.');
		append_name(&path, container->lines[child].name);
	}
	return path.data;
}

void
scope_children_range(const char *parent, const PlanNode *container, int visit,
					 char **from, char **to)
{
	StringInfoData path;
	char		separator = (step_iterates(container)) ? '[' : '.';

	initStringInfo(&path);
	append_step(&path, parent, container->id, visit);
	appendStringInfoChar(&path, separator);
	*from = pstrdup(path.data);
	/* the byte after the separator is the first that no child begins with */
	path.data[path.len - 1] = separator + 1;
	*to = path.data;
}

char *
scope_path(const WorkflowPlan *plan, const ScopeId *scope)
{
	char	   *path = pstrdup("");

	for (int i = 0; i < scope->depth; i++)
	{
		const ScopeLevel *level = &scope->level[i];

		path = scope_child_path(path, &plan->nodes[level->node], level->visit,
								level->child);
	}
	return path;
}

/*
 * A number without sign or leading zeros; false when there is none, or one too
 * large.
 */
static bool
read_number(const char **p, int *number)
{
	long		value;
	char	   *end;

	if (**p < '0' || **p > '9' ||
		(**p == '0' && (*p)[1] >= '0' && (*p)[1] <= '9'))
		return false;
	errno = 0;
	value = strtol(*p, &end, 10);
	if (errno != 0 || value > INT_MAX)
		return false;
	*p = end;
	*number = (int) value;
	return true;
}

bool
scope_next_level(const char **p, ScopeText *level)
{
	level->step = *p;
	level->step_length = (int) strcspn(*p, "#.[/");
	level->visit = 1;
	*p += level->step_length;
	if (**p == '#')
	{
		(*p)++;
		if (!read_number(p, &level->visit) || level->visit <= 1)
			return false;
	}
	level->iterates = **p == '[';
	if (**p != '[' && **p != '.')
		return false;
	level->child = level->iterates ? *p : *p + 1;
	level->child_length = (int) strcspn(level->child, "/");
	*p = level->child + level->child_length;
	if (**p == '/')
		(*p)++;
	return true;
}

/*
 * The level that begins at *p, which is set behind it; outer is the one around
 * it, or NULL.
 */
static bool
read_level(const WorkflowPlan *plan, const char **p, const ScopeLevel *outer,
		   ScopeLevel *level)
{
	ScopeText	text;
	char	   *id;
	PlanNode   *container;

	if (!scope_next_level(p, &text))
		return false;
	id = pnstrdup(text.step, text.step_length);
	container = plan_find(plan, id);
	pfree(id);
	if (container == NULL || container->container != (outer ? outer->node : -1))
		return false;
	if (outer && !step_iterates(&plan->nodes[outer->node]) &&
		container->line != outer->child)
		return false;
	if (text.iterates != step_iterates(container))
		return false;
	level->node = container->index;
	level->visit = text.visit;
	if (text.iterates)
	{
		const char *number = text.child + 1;

		return read_number(&number, &level->child) && *number == ']' &&
			number + 1 == text.child + text.child_length;
	}
	level->child = plan_find_line(container, text.child, text.child_length);
	return level->child >= 0;
}

bool
scope_parse(const WorkflowPlan *plan, const char *path, ScopeId *scope)
{
	const char *p = path;

	scope->depth = 0;
	while (*p)
	{
		if (scope->depth >= PLAN_MAX_NESTING ||
			!read_level(plan, &p,
						scope->depth > 0 ? &scope->level[scope->depth - 1] :
										   NULL,
						&scope->level[scope->depth]))
			return false;
		scope->depth++;
	}
	/* a slash is between two levels */
	return p == path || p[-1] != '/';
}

bool
scope_is(const ScopeId *scope, const ScopeId *other)
{
	return scope->depth == other->depth &&
		memcmp(scope->level, other->level, scope->depth * sizeof(ScopeLevel)) ==
		0;
}

ScopeId
scope_child(const ScopeId *parent, int node, int visit, int child)
{
	ScopeId		result = *parent;

	Assert(result.depth < PLAN_MAX_NESTING);
	result.level[result.depth].node = node;
	result.level[result.depth].visit = visit;
	result.level[result.depth].child = child;
	result.depth++;
	return result;
}

bool
container_is_concurrent(const PlanNode *container)
{
	return step_forks(container) ||
		(step_iterates(container) && loop_part(container)->parallel);
}

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
#include "postgres.h"

#include "interpreter/scope.h"

/* A name that may have a blank in it ("case 1") has '_' there in a path. */
static void
append_name(StringInfo path, const char *name)
{
	for (const char *p = name; *p; p++)
		appendStringInfoChar(path, *p == ' ' ? '_' : *p);
}

/* "parent/step#visit", what all paths of the container's children begin with. */
static void
append_container(StringInfo path, const char *parent, const PlanNode *container, int visit)
{
	if (*parent)
	{
		appendStringInfoString(path, parent);
		appendStringInfoChar(path, '/');
	}
	appendStringInfoString(path, container->id);
	if (visit > 1)
		appendStringInfo(path, "#%d", visit);
}

char *
scope_child_path(const char *parent, const PlanNode *container, int visit, int child)
{
	StringInfoData path;

	initStringInfo(&path);
	append_container(&path, parent, container, visit);
	if (container->type == STEP_LOOP)
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
	char		separator = (container->type == STEP_LOOP) ? '[' : '.';

	initStringInfo(&path);
	append_container(&path, parent, container, visit);
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

/* The line of a container that a path names; -1: none. */
static int
line_by_path_name(const PlanNode *container, const char *name, int length)
{
	for (int i = 0; i < container->nlines; i++)
	{
		const char *candidate = container->lines[i].name;
		int			k;

		for (k = 0; k < length && candidate[k]; k++)
			if (name[k] != (candidate[k] == ' ' ? '_' : candidate[k]))
				break;
		if (k == length && candidate[k] == '\0')
			return i;
	}
	return -1;
}

bool
scope_parse(const WorkflowPlan *plan, const char *path, ScopeId *scope)
{
	const char *p = path;

	scope->depth = 0;
	while (*p)
	{
		ScopeLevel *level;
		size_t		length = strcspn(p, "#.[");
		char	   *id = pnstrdup(p, length);
		PlanNode   *container = plan_find(plan, id);

		pfree(id);
		if (container == NULL || scope->depth >= PLAN_MAX_NESTING)
			return false;
		level = &scope->level[scope->depth++];
		level->node = container->index;
		level->visit = 1;
		p += length;
		if (*p == '#')
			level->visit = (int) strtol(p + 1, unconstify(char **, &p), 10);
		if (*p == '[')
		{
			level->child = (int) strtol(p + 1, unconstify(char **, &p), 10);
			if (*p == ']')
				p++;
		}
		else if (*p == '.')
		{
			length = strcspn(++p, "/");
			level->child = line_by_path_name(container, p, (int) length);
			if (level->child < 0)
				return false;
			p += length;
		}
		else
			return false;
		if (*p == '/')
			p++;
	}
	return true;
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
	return container->type == STEP_PARALLEL ||
		container->type == STEP_FORK_JOIN ||
		(container->type == STEP_LOOP && container->loop_parallel);
}

/*-------------------------------------------------------------------------
 *
 * scope.c
 *	  Names of scopes: the path in the tables, the ScopeId in shared memory.
 *
 * NOTES
 *	  Pure functions over a plan.  The path is deterministic: it is part of the
 *	  key that fences attempts.  Its grammar is in scope.h, and known nowhere
 *	  else: SQL has scope_level() and scope_children(), which call this.
 *
 *	  Which names there are is the business of the languages of definitions; a
 *	  path can hold any.  Those of the native one, letters, digits, '-' and '_',
 *	  are in it as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/scope.h"
#include "definition/steps/loop.h"

#include <limits.h>

StaticAssertDecl(SCOPE_MAX_DEPTH == PLAN_MAX_NESTING,
				 "a scope's name needs a level for each container around it");

/* What stands for an empty name. */
#define EMPTY_NAME "%00"

/* What ends a name. */
#define SEPARATORS "#.[/"

static const char digits[] = "0123456789ABCDEF";

/*
 * Does a byte of a name stand for itself?  Bytes of characters beyond ASCII do.
 */
static bool
is_plain(unsigned char c)
{
	return c > ' ' && c != 0x7F && strchr(SEPARATORS "%", c) == NULL &&
		c != SCOPE_SET_ASIDE;
}

int
scope_name_length(const char *name)
{
	int			length = 0;

	if (*name == '\0')
		return strlen(EMPTY_NAME);
	for (const char *c = name; *c; c++)
		length += is_plain((unsigned char) *c) ? 1 : 3;
	return length;
}

static void
append_name(StringInfo path, const char *name)
{
	if (*name == '\0')
		appendStringInfoString(path, EMPTY_NAME);
	for (const char *p = name; *p; p++)
	{
		unsigned char c = *p;

		if (is_plain(c))
			appendStringInfoChar(path, c);
		else
			appendStringInfo(path, "%%%c%c", digits[c >> 4], digits[c & 15]);
	}
}

/* The digit at p; -1: there is none. */
static int
read_digit(const char *p)
{
	const char *digit = *p != '\0' ? strchr(digits, *p) : NULL;

	return digit != NULL ? (int) (digit - digits) : -1;
}

/*
 * The name at *p, which is set behind it; NULL when there is none, or one that
 * would be written in another way.
 */
static char *
read_name(const char **p)
{
	const char *end = *p + strcspn(*p, SEPARATORS);
	char	   *name = palloc(end - *p + 1);
	int			length = 0;

	if (end - *p == strlen(EMPTY_NAME) &&
		strncmp(*p, EMPTY_NAME, end - *p) == 0)
		*p = end;
	else if (*p == end)
		return NULL;
	while (*p < end)
	{
		unsigned char c = *(*p)++;

		if (c == '%')
		{
			int			high = read_digit(*p);
			int			low = high < 0 ? -1 : read_digit(*p + 1);

			c = low < 0 ? 0 : high * 16 + low;
			if (c == '\0' || is_plain(c))
				return NULL;
			*p += 2;
		}
		else if (!is_plain(c))
			return NULL;
		name[length++] = c;
	}
	name[length] = '\0';
	return name;
}

/* "parent/step#visit", what all paths of a container's children begin with. */
static void
append_step(StringInfo path, const char *parent, const char *step_id, int visit)
{
	appendStringInfoString(path, parent);
	/* that of the root scope, set aside, has it: "~1/" */
	if (path->len > 0 && path->data[path->len - 1] != '/')
		appendStringInfoChar(path, '/');
	append_name(path, step_id);
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
	const char *p = slash != NULL ? slash + 1 : path;
	char	   *step_id = read_name(&p);

	Assert(step_id != NULL);
	return step_id;
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
		append_name(&path, plan_line_path_name(&container->lines[child]));
	}
	return path.data;
}

void
scope_children_range(const char *parent, const PlanNode *container, int visit,
					 char **from, char **to)
{
	scope_children_of(parent, container->id, step_iterates(container), visit,
					  from, to);
}

void
scope_children_of(const char *parent, const char *step_id, bool iterates,
				  int visit, char **from, char **to)
{
	StringInfoData path;
	char		separator = iterates ? '[' : '.';

	initStringInfo(&path);
	append_step(&path, parent, step_id, visit);
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

char *
scope_skip_set_aside(const char **p)
{
	const char *mark = *p;
	size_t		length = strcspn(mark, "/");

	if (*mark != SCOPE_SET_ASIDE)
		return NULL;
	*p += length;
	if (**p == '/')
		(*p)++;
	return pnstrdup(mark, length);
}

bool
scope_next_level(const char **p, ScopeText *level)
{
	level->visit = 1;
	level->line = NULL;
	level->iteration = 0;
	level->step = read_name(p);
	if (level->step == NULL)
		return false;
	if (**p == '#')
	{
		(*p)++;
		if (!read_number(p, &level->visit) || level->visit <= 1)
			return false;
	}
	if (**p == '[')
	{
		(*p)++;
		if (!read_number(p, &level->iteration) || *(*p)++ != ']')
			return false;
	}
	else if (*(*p)++ != '.' || (level->line = read_name(p)) == NULL)
		return false;
	if (**p == '\0')
		return true;
	/* a slash is between two levels */
	return *(*p)++ == '/' && **p != '\0';
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
	PlanNode   *container;

	if (!scope_next_level(p, &text))
		return false;
	container = plan_find(plan, text.step);
	pfree(text.step);
	if (container == NULL || container->container != (outer ? outer->node : -1))
		return false;
	if (outer && !step_iterates(&plan->nodes[outer->node]) &&
		container->line != outer->child)
		return false;
	if ((text.line == NULL) != step_iterates(container))
		return false;
	level->node = container->index;
	level->visit = text.visit;
	level->child = text.iteration;
	if (text.line != NULL)
	{
		level->child = plan_find_path_line(container, text.line);
		pfree(text.line);
	}
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
	return true;
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

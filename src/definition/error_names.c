/*-------------------------------------------------------------------------
 *
 * error_names.c
 *	  Names of errors as retry policies write them.
 *
 * NOTES
 *	  Pure.  The condition names are those of the manual's appendix "PostgreSQL
 *	  Error Codes", out of the server's own list of them.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/pure.h"

#include "definition/error_names.h"
#include "definition/names.h"

/* A name that differs by more, or by more than a third, is somebody's own. */
#define MAX_MISTAKES 2
/* Shorter words are like too many others. */
#define SHORTEST_LIKENESS 5

/* Names that stand for more than one error. */
static const char *const reserved[] = {
	"all", "heartbeat_timeout", "task_failed", "timeout"
};

/* What other engines, and PL/pgSQL, call them; in whatever letters. */
static const struct
{
	const char *name;
	const char *meant;
}			elsewhere[] =
{
	{"*", "all"},
	{"all", "all"},
	{"any", "all"},
	{"others", "all"},
	{"States.ALL", "all"},
	{"States.HeartbeatTimeout", "heartbeat_timeout"},
	{"States.TaskFailed", "task_failed"},
	{"States.Timeout", "timeout"}
};

/* Our own types of errors that a step can fail with. */
static const char *const error_types[] = {
	"AgentInactive", "AgentKind", "AgentNotFound", "AgentNotTrusted", "Cancelled", "CircuitBreakerOpen",
	"CollectionError", "ConditionError", "ExecutionStuck", "JoinFailed", "LoopFailed",
	"LoopLimitExceeded", "MappingError", "MaxVisitsExceeded", "PartialFailure",
	"ResultTooLarge", "Timeout", "WorkflowFailed"
};

/*
 * The conditions that PL/pgSQL knows, of the server that this is built for,
 * sorted by name: see error_conditions.awk.
 */
static const struct
{
	const char *name;
	const char *sqlstate;
}			conditions[] =
{
#include "error_conditions.h"
};

/*
 * Is it the name of a condition, and, where one is asked for, of this SQLSTATE?
 * Some names stand for two.
 */
static bool
is_condition(const char *name, const char *sqlstate)
{
	for (int i = 0; i < (int) lengthof(conditions); i++)
		if (strcmp(name, conditions[i].name) == 0 &&
			(sqlstate == NULL || strcmp(sqlstate, conditions[i].sqlstate) == 0))
			return true;
	return false;
}

/*
 * Does a name of a policy cover an error?  type is the error's own name or
 * code, sqlstate may be NULL.
 */
bool
error_name_covers(const char *name, const char *type, const char *sqlstate,
				  bool timed_out)
{
	if (strcmp(name, "all") == 0)
		return true;
	if (strcmp(name, "timeout") == 0)
		return timed_out;
	if (strcmp(name, "task_failed") == 0)
		return !timed_out;
	if (type != NULL && strcmp(name, type) == 0)
		return true;
	if (sqlstate == NULL)
		return false;
	if (strcmp(name, sqlstate) == 0)
		return true;
	if (strlen(name) == 3 && name[2] == '*')
		return strncmp(name, sqlstate, 2) == 0;
	return is_condition(name, sqlstate);
}

/* Is a word in a list? */
static bool
is_one_of(const char *name, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(name, words[i]) == 0)
			return true;
	return false;
}

/* Take the candidate if it is nearer to the name than the nearest so far. */
static void
compare(const char *name, const char *candidate, const char **nearest,
		int *limit)
{
	int			distance;

	if (strlen(candidate) < SHORTEST_LIKENESS)
		return;
	distance = name_distance(name, candidate);
	if (distance < *limit || (distance == *limit && *nearest == NULL))
	{
		*limit = distance;
		*nearest = candidate;
	}
}

/*
 * SQLSTATEs are written in capitals, classes with one asterisk: what differs in
 * that alone can never cover an error.
 */
static const char *
code_meant(const char *name)
{
	size_t		length = strlen(name);
	char	   *code;

	if (length > 3 && length <= 5 && name[length - 1] == '*' &&
		strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") >= 2 &&
		strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*") == length)
		return psprintf("%.2s*", name);
	if (length != 5 || name[0] < '0' || name[0] > '9' ||
		strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz") != length ||
		strspn(name, "0123456789") == length)
		return NULL;
	code = pstrdup(name);
	for (char *c = code; *c != '\0'; c++)
		*c = pg_toupper((unsigned char) *c);
	return code;
}

/*
 * Agents have errors of their own, so no name is wrong in itself: the one that
 * is meant is told where a name looks like a known one and is nearly it.
 */
const char *
error_name_meant(const char *name)
{
	const char *nearest = NULL;
	int			limit = Min(MAX_MISTAKES, (int) (Min(strlen(name), 100) / 3));

	if (is_one_of(name, reserved, lengthof(reserved)) ||
		is_one_of(name, error_types, lengthof(error_types)) ||
		is_condition(name, NULL))
		return NULL;
	for (int i = 0; i < (int) lengthof(elsewhere); i++)
		if (pg_strcasecmp(name, elsewhere[i].name) == 0)
			return elsewhere[i].meant;
	if (name[0] >= 'a' && name[0] <= 'z' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name))
	{
		for (int i = 0; i < (int) lengthof(reserved); i++)
			compare(name, reserved[i], &nearest, &limit);
		for (int i = 0; i < (int) lengthof(conditions); i++)
			compare(name, conditions[i].name, &nearest, &limit);
		return nearest;
	}
	if (name[0] >= 'A' && name[0] <= 'Z' &&
		strpbrk(name, "abcdefghijklmnopqrstuvwxyz") != NULL)
	{
		for (int i = 0; i < (int) lengthof(error_types); i++)
			compare(name, error_types[i], &nearest, &limit);
		return nearest;
	}
	return code_meant(name);
}

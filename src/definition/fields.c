/*-------------------------------------------------------------------------
 *
 * fields.c
 *	  Which fields a definition may have, and how one is read.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  The table below is the
 *	  whole vocabulary of the stored form.  A field that a later version will
 *	  know is an error and not ignored: a definition must never run without
 *	  what its author asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

typedef enum FieldStatus
{
	FIELD_USED,
	FIELD_NOT_APPLIED,			/* stored, without effect in this version: a warning */
	FIELD_LATER,				/* refused in this version */
	FIELD_SCHEDULE				/* refused: schedules are no part of a definition */
} FieldStatus;

typedef struct Field
{
	const char *name;
	int			owners;			/* FIELD_OF_... */
	FieldStatus status;
} Field;

/* Sorted by name, for the search. */
static const Field fields[] = {
	{"agent_name", FIELD_OF(STEP_AGENT), FIELD_USED},
	{"alerts", FIELD_OF_DEFINITION, FIELD_USED},
	{"as", FIELD_OF_CATCH, FIELD_USED},
	{"assign", FIELD_OF(STEP_SET), FIELD_USED},
	{"average_duration_for_seconds", FIELD_OF_ALERTS, FIELD_USED},
	{"average_duration_seconds", FIELD_OF_ALERTS, FIELD_USED},
	{"backoff_multiplier", FIELD_OF_RETRY, FIELD_USED},
	{"batch_size", FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"block_duration_ms", FIELD_OF_ALERTS, FIELD_USED},
	{"block_failures", FIELD_OF_ALERTS, FIELD_USED},
	{"block_speedup", FIELD_OF_ALERTS, FIELD_USED},
	{"block_success_rate", FIELD_OF_ALERTS, FIELD_USED},
	{"branch_timeout_seconds", FIELD_OF_FORK_JOIN_CONFIG, FIELD_USED},
	{"branches", FIELD_OF_FORK_JOIN_CONFIG, FIELD_USED},
	{"caching", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION, FIELD_LATER},
	{"catch", FIELD_OF_ANY_STEP, FIELD_USED},
	{"circuit_breaker", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION, FIELD_LATER},
	{"collection", FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"commit", FIELD_OF_DEFINITION, FIELD_USED},
	{"compensate", FIELD_OF_ANY_STEP, FIELD_USED},
	{"condition", FIELD_OF(STEP_CONDITIONAL), FIELD_USED},
	{"dead_letter", FIELD_OF_DEFINITION, FIELD_USED},
	{"dead_letter", FIELD_OF_ANY_STEP, FIELD_LATER},
	{"dead_letters", FIELD_OF_ALERTS, FIELD_USED},
	{"default", FIELD_OF(STEP_CONDITIONAL) | FIELD_OF_ON_FAILURE, FIELD_USED},
	{"defaults", FIELD_OF_DEFINITION, FIELD_USED},
	{"deferrable", FIELD_OF_TRANSACTION, FIELD_USED},
	{"depends_on", FIELD_OF_ANY_STEP, FIELD_LATER},
	{"description", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION | FIELD_OF_BRANCH, FIELD_USED},
	{"durability", FIELD_OF_DEFINITION, FIELD_USED},
	{"enabled", FIELD_OF_BREAKER, FIELD_USED},
	{"error", FIELD_OF(STEP_FAIL), FIELD_USED},
	{"errors", FIELD_OF_RETRY | FIELD_OF_CATCH, FIELD_USED},
	{"execution_mode", FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"expression", FIELD_OF_CONDITION, FIELD_USED},
	{"failure_rate_threshold", FIELD_OF_BREAKER, FIELD_USED},
	{"failure_threshold", FIELD_OF_BREAKER, FIELD_USED},
	{"fork_join_config", FIELD_OF(STEP_FORK_JOIN), FIELD_USED},
	{"half_open_max_calls", FIELD_OF_BREAKER, FIELD_USED},
	{"heartbeat_seconds", FIELD_OF_ANY_STEP, FIELD_LATER},
	{"held_seconds", FIELD_OF_ALERTS, FIELD_USED},
	{"id", FIELD_OF_ANY_STEP, FIELD_USED},
	{"if_false_step", FIELD_OF(STEP_CONDITIONAL), FIELD_USED},
	{"if_true_step", FIELD_OF(STEP_CONDITIONAL), FIELD_USED},
	{"initial_delay_ms", FIELD_OF_RETRY, FIELD_USED},
	{"input_mapping", FIELD_OF_ANY_STEP, FIELD_USED},
	{"input_schema", FIELD_OF_DEFINITION, FIELD_NOT_APPLIED},
	{"isolation", FIELD_OF_TRANSACTION, FIELD_USED},
	{"jitter", FIELD_OF_RETRY, FIELD_USED},
	{"join_policy", FIELD_OF_FORK_JOIN_CONFIG, FIELD_USED},
	{"label", FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"lock_wait_seconds", FIELD_OF_ALERTS, FIELD_USED},
	{"loop_body", FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"loop_config", FIELD_OF(STEP_LOOP), FIELD_USED},
	{"max_delay_ms", FIELD_OF_RETRY, FIELD_USED},
	{"max_iterations", FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"max_ms", FIELD_OF_COMMIT, FIELD_USED},
	{"max_parallelism", FIELD_OF(STEP_PARALLEL) | FIELD_OF_LOOP_CONFIG | FIELD_OF_FORK_JOIN_CONFIG, FIELD_USED},
	{"max_pause_seconds", FIELD_OF_DEFINITION, FIELD_USED},
	{"max_retries", FIELD_OF_RETRY, FIELD_USED},
	{"max_retry_budget", FIELD_OF_DEFINITION, FIELD_USED},
	{"max_running", FIELD_OF_DEFINITION, FIELD_USED},
	{"max_steps", FIELD_OF_COMMIT, FIELD_USED},
	{"max_total_seconds", FIELD_OF_RETRY, FIELD_USED},
	{"max_visits", FIELD_OF_ANY_STEP, FIELD_USED},
	{"message", FIELD_OF(STEP_FAIL), FIELD_USED},
	{"metadata", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION, FIELD_USED},
	{"min_success", FIELD_OF(STEP_PARALLEL), FIELD_USED},
	{"min_success_ratio", FIELD_OF(STEP_PARALLEL), FIELD_USED},
	{"n_required", FIELD_OF_FORK_JOIN_CONFIG, FIELD_USED},
	{"name", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION, FIELD_USED},
	{"next_step", FIELD_OF_ANY_STEP | FIELD_OF_CASE | FIELD_OF_CATCH, FIELD_USED},
	{"notify", FIELD_OF_DEFINITION, FIELD_USED},
	{"on_complete", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION, FIELD_LATER},
	{"on_error", FIELD_OF(STEP_PARALLEL) | FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"on_failure", FIELD_OF_ANY_STEP | FIELD_OF_DEFAULTS | FIELD_OF_DEFINITION, FIELD_USED},
	{"on_join", FIELD_OF(STEP_PARALLEL) | FIELD_OF_FORK_JOIN_CONFIG, FIELD_USED},
	{"operator", FIELD_OF_CONDITION, FIELD_NOT_APPLIED},
	{"output", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION, FIELD_USED},
	{"parallel_steps", FIELD_OF(STEP_PARALLEL), FIELD_USED},
	{"params", FIELD_OF(STEP_SQL), FIELD_USED},
	{"paused_seconds", FIELD_OF_ALERTS, FIELD_USED},
	{"priority", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION, FIELD_USED},
	{"queue_wait_seconds", FIELD_OF_ALERTS, FIELD_USED},
	{"read_only", FIELD_OF_TRANSACTION, FIELD_USED},
	{"result", FIELD_OF(STEP_SQL) | FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"retention_days", FIELD_OF_DEAD_LETTER, FIELD_USED},
	{"retry", FIELD_OF_ANY_STEP | FIELD_OF_DEFAULTS, FIELD_USED},
	{"retry_if", FIELD_OF_RETRY, FIELD_USED},
	{"schedule", FIELD_OF_DEFINITION, FIELD_SCHEDULE},
	{"schedule_timeout_seconds", FIELD_OF_ANY_STEP, FIELD_LATER},
	{"settings", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION | FIELD_OF_DEFAULTS, FIELD_USED},
	{"sql", FIELD_OF(STEP_SQL) | FIELD_OF_CONDITION, FIELD_USED},
	{"start_step", FIELD_OF_DEFINITION, FIELD_USED},
	{"states", FIELD_OF_DEFINITION, FIELD_LATER},
	{"step", FIELD_OF_CASE, FIELD_USED},
	{"steps", FIELD_OF_DEFINITION | FIELD_OF_BRANCH, FIELD_USED},
	{"stuck_rate", FIELD_OF_ALERTS, FIELD_USED},
	{"success_rate", FIELD_OF_ALERTS, FIELD_USED},
	{"success_rate_consecutive", FIELD_OF_ALERTS, FIELD_USED},
	{"switch", FIELD_OF(STEP_CONDITIONAL), FIELD_USED},
	{"tenant", FIELD_OF_DEFINITION, FIELD_USED},
	{"timeout_seconds", FIELD_OF_ANY_STEP | FIELD_OF_DEFINITION | FIELD_OF_DEFAULTS | FIELD_OF_BRANCH | FIELD_OF_BREAKER, FIELD_USED},
	{"timeout_strategy", FIELD_OF_CONTAINER | FIELD_OF_DEFINITION, FIELD_USED},
	{"transaction", FIELD_OF_LEAF | FIELD_OF_DEFINITION, FIELD_USED},
	{"type", FIELD_OF_ANY_STEP | FIELD_OF_RETRY, FIELD_USED},
	{"type", FIELD_OF_DEFINITION, FIELD_LATER},
	{"until", FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"version", FIELD_OF_DEFINITION, FIELD_USED},
	{"when", FIELD_OF_ANY_STEP | FIELD_OF_CASE, FIELD_USED},
	{"when_full", FIELD_OF_DEFINITION, FIELD_USED},
	{"while", FIELD_OF_LOOP_CONFIG, FIELD_USED},
	{"window_size_seconds", FIELD_OF_BREAKER, FIELD_USED},
	{"workflow_id", FIELD_OF_DEFINITION, FIELD_USED},
};

/*
 * The table's entry for a field of this owner; without one, an entry of the
 * same name for other owners, or NULL.
 */
static const Field *
find_field(const char *name, int owner)
{
	const Field *found = NULL;
	size_t		low = 0;
	size_t		high = lengthof(fields);

	while (low < high)
	{
		size_t		middle = (low + high) / 2;

		if (strcmp(fields[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < lengthof(fields) && strcmp(fields[low].name, name) == 0; low++)
	{
		found = &fields[low];
		if ((found->owners & owner) != 0)
			break;
	}
	return found;
}

/* Whose fields may stand on the owner: a step's configuration may be flat, see normalise_step.c. */
static int
with_flat_fields(int owner)
{
	if ((owner & FIELD_OF(STEP_LOOP)) != 0)
		owner |= FIELD_OF_LOOP_CONFIG;
	if ((owner & FIELD_OF(STEP_FORK_JOIN)) != 0)
		owner |= FIELD_OF_FORK_JOIN_CONFIG;
	return owner;
}

/*
 * For a field that the owner does not have: the nearest that it has, or all.
 */
static char *
unknown_field_hint(Builder *builder, const char *name, int owner,
				   const char *owner_name)
{
	NameMap    *known = name_map_create(lengthof(fields));
	StringInfoData list;
	char	   *hint;

	owner = with_flat_fields(owner);
	initStringInfo(&list);
	for (size_t i = 0; i < lengthof(fields); i++)
	{
		if ((fields[i].owners & owner) == 0 || fields[i].status >= FIELD_LATER)
			continue;
		name_map_add(known, fields[i].name, i);
		appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", fields[i].name);
	}
	hint = likeness_hint(builder, known, name);
	if (hint == NULL)
		hint = psprintf("Fields of %s are: %s.", owner_name, list.data);
	pfree(list.data);
	name_map_free(known);
	return hint;
}

/*
 * Report the members that an object of this kind does not have, those it has
 * twice, and those that this version does not support or apply.
 */
void
check_fields(Builder *builder, const Place *place, int owner, const char *owner_name)
{
	bool		seen[lengthof(fields)] = {false};

	for (const Json *member = json_first(place->object); member != NULL;
		 member = json_next(member))
	{
		const char *name = json_key(member);
		const Field *field = find_field(name, owner);

		if (field == NULL || (field->owners & owner) == 0)
		{
			char	   *hint = NULL;

			if (builder->problems->count < MAX_PROBLEMS)
				hint = unknown_field_hint(builder, name, owner, owner_name);
			field_error(builder, place, name, hint,
						field == NULL ? "unknown field \"%s\"" :
						"field \"%s\" does not belong here", name);
			continue;
		}
		if (seen[field - fields])
			field_error(builder, place, name, NULL, "field \"%s\" is given twice", name);
		seen[field - fields] = true;

		if (json_kind(member) == JSON_NULL)
			continue;
		if (field->status == FIELD_LATER)
			field_error(builder, place, name, NULL,
						"\"%s\" is not supported by this version of pg_workflow", name);
		else if (field->status == FIELD_SCHEDULE)
			field_error(builder, place, name, "Use workflow.schedule() when it is defined.",
						"\"%s\" is no part of a definition", name);
		else if (field->status == FIELD_NOT_APPLIED)
		{
			char	   *path = field_path(place, name);

			problem_add(builder->problems, PROBLEM_WARNING, path, place->step_id, NULL,
						"\"%s\" is stored, but not applied by this version of pg_workflow",
						name);
			pfree(path);
		}
	}
}

/*
 * Path of a field in a new string.
 */
char *
field_path(const Place *place, const char *field)
{
	if (field == NULL)
		return pstrdup(place->path);
	if (place->path[0] == '\0')
		return pstrdup(field);
	return psprintf("%s.%s", place->path, field);
}

/*
 * Add an error about a field of a place.
 */
void
field_error(Builder *builder, const Place *place, const char *field,
			const char *hint, const char *format,...)
{
	char	   *path = field_path(place, field);
	StringInfoData message;

	initStringInfo(&message);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}
	problem_add(builder->problems, PROBLEM_ERROR, path, place->step_id, hint,
				"%s", message.data);
	pfree(message.data);
	pfree(path);
}

/*
 * Null means the same as a missing field: programs that write definitions
 * tend to write every field.
 */
const Json *
field_get(const Place *place, const char *field)
{
	const Json *value = json_get(place->object, field);

	if (value != NULL && json_kind(value) == JSON_NULL)
		return NULL;
	return value;
}

/*
 * The member when it is of the wanted kind.
 */
const Json *
field_of_kind(Builder *builder, const Place *place, const char *field, JsonKind kind)
{
	static const char *const names[] = {
		[JSON_NULL] = "null", [JSON_BOOLEAN] = "a boolean",
		[JSON_NUMBER] = "a number", [JSON_STRING] = "a string",
		[JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object"
	};
	const Json *value = field_get(place, field);

	if (value == NULL || json_kind(value) == kind)
		return value;
	field_error(builder, place, field, NULL, "\"%s\" must be %s, not %s",
				field, names[kind], json_kind_name(value));
	return NULL;
}

/*
 * A string that is not empty, copied.
 */
char *
field_string(Builder *builder, const Place *place, const char *field, bool required)
{
	const Json *value;

	if (field_get(place, field) == NULL)
	{
		if (required)
			field_error(builder, place, field, NULL, "\"%s\" is required", field);
		return NULL;
	}
	value = field_of_kind(builder, place, field, JSON_STRING);
	if (value == NULL)
		return NULL;
	if (strspn(json_string(value), " \t\r\n") == strlen(json_string(value)))
	{
		field_error(builder, place, field, NULL, "\"%s\" must not be empty", field);
		return NULL;
	}
	return pstrdup(json_string(value));
}

/*
 * An integer within a range.
 */
int
field_integer(Builder *builder, const Place *place, const char *field,
			  int lowest, int highest, int missing)
{
	const Json *value = field_get(place, field);
	int64		number;

	if (value == NULL)
		return missing;
	if (json_integer(value, &number) && number >= lowest && number <= highest)
		return (int) number;
	if (highest == ANY_INTEGER)
		field_error(builder, place, field, NULL, "\"%s\" must be an integer of at least %d",
					field, lowest);
	else
		field_error(builder, place, field, NULL,
					"\"%s\" must be an integer between %d and %d", field, lowest, highest);
	return missing;
}

/*
 * A boolean.
 */
bool
field_boolean(Builder *builder, const Place *place, const char *field, bool missing)
{
	const Json *value = field_of_kind(builder, place, field, JSON_BOOLEAN);

	return value != NULL ? json_boolean(value) : missing;
}

/*
 * Index of one of some words (a list that ends with NULL).
 */
int
field_choice(Builder *builder, const Place *place, const char *field,
			 const char *const *choices, int missing)
{
	const Json *value = field_of_kind(builder, place, field, JSON_STRING);
	StringInfoData list;

	if (value == NULL)
		return missing;
	initStringInfo(&list);
	for (int i = 0; choices[i] != NULL; i++)
	{
		if (strcmp(choices[i], json_string(value)) == 0)
		{
			pfree(list.data);
			return i;
		}
		appendStringInfo(&list, "%s\"%s\"", i == 0 ? "" :
						 choices[i + 1] == NULL ? " or " : ", ", choices[i]);
	}
	field_error(builder, place, field, NULL, "\"%s\" must be %s, not \"%s\"",
				field, list.data, json_string(value));
	pfree(list.data);
	return missing;
}

/*
 * A template: any JSON value.
 */
Template *
field_template(Builder *builder, const Place *place, const char *field)
{
	const Json *value = field_get(place, field);
	char	   *path;
	Template   *template;

	if (value == NULL)
		return NULL;
	path = field_path(place, field);
	template = template_parse(value, path, place->step_id, builder->problems);
	pfree(path);
	return template;
}

/*
 * A hint that names the most similar known word, NULL when there is none.  Not
 * looked for once the list of problems is full: nobody would read it.
 */
char *
likeness_hint(Builder *builder, const NameMap *names, const char *word)
{
	const char *nearest = NULL;

	if (builder->problems->count < MAX_PROBLEMS)
		nearest = name_map_nearest(names, word);
	return did_you_mean(nearest);
}

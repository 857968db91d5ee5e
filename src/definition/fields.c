/*-------------------------------------------------------------------------
 *
 * fields.c
 *	  How the fields of an object of a definition are read.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Whoever reads an object
 *	  owns the list of its fields; those of step types are in steps/.  Which
 *	  there are altogether the language knows.  A field that a later version
 *	  will know is an error and not ignored: a definition must never run without
 *	  what its author asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

/* More than any object can have. */
#define MOST_FIELDS 64

/* Place of a name in a list; -1: it is not there.  *length: of the list. */
static int
find_name(const char *const *names, const char *name, int *length)
{
	int			found = -1;

	for (*length = 0; names != NULL && names[*length] != NULL; (*length)++)
		if (found < 0 && strcmp(names[*length], name) == 0)
			found = *length;
	return found;
}

typedef enum FieldStatus
{
	FIELD_UNKNOWN,
	FIELD_USED,
	FIELD_NOT_APPLIED,
	FIELD_LATER,
	FIELD_ELSEWHERE
} FieldStatus;

/*
 * What a field is to such an object.  *number: its own among all that the
 * object can have.
 */
static FieldStatus
find_field(const FieldSet *set, const char *name, int *number)
{
	int			before = 0;

	for (; set != NULL; set = set->more)
	{
		const char *const *const lists[] = {
			[FIELD_USED] = set->fields, [FIELD_NOT_APPLIED] = set->not_applied,
			[FIELD_LATER] = set->later, [FIELD_ELSEWHERE] = set->elsewhere
		};

		for (int status = FIELD_USED; status <= FIELD_ELSEWHERE; status++)
		{
			int			length;
			int			place = find_name(lists[status], name, &length);

			*number = before + place;
			if (place >= 0)
				return status;
			before += length;
		}
	}
	return FIELD_UNKNOWN;
}

bool
field_is_of(const FieldSet *set, const char *name)
{
	int			number;

	return find_field(set, name, &number) != FIELD_UNKNOWN;
}

/* Order of two names, for qsort(). */
static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/*
 * What is nearly a field of another kind of object may be meant to make this
 * one of that kind.  NULL: it is none.
 */
static char *
other_kind_hint(Builder *builder, const Place *place, const char *name,
				const FieldSet *owner)
{
	NameMap    *known;
	char	   *hint;

	if (field_get(place, "type") != NULL)
		return NULL;
	known = name_map_create(MOST_FIELDS);
	builder->language->add_other_fields(owner, known);
	hint = likeness_hint(builder, known, name);
	name_map_free(known);
	return hint;
}

/*
 * For a field that the object does not have: the nearest that it has, or all.
 */
static char *
unknown_field_hint(Builder *builder, const Place *place, const char *name,
				   const FieldSet *owner)
{
	const FieldSet *const groups[] = {owner, owner->flat};
	const char *names[MOST_FIELDS];
	int			count = 0;
	NameMap    *known = name_map_create(MOST_FIELDS);
	StringInfoData list;
	char	   *hint;

	for (size_t i = 0; i < lengthof(groups); i++)
	{
		for (const FieldSet *set = groups[i]; set != NULL; set = set->more)
		{
			for (const char *const *field = set->fields;
				 field != NULL && *field != NULL; field++)
				names[count++] = *field;
			for (const char *const *field = set->not_applied;
				 field != NULL && *field != NULL; field++)
				names[count++] = *field;
		}
	}
	Assert(count <= MOST_FIELDS);
	qsort(names, count, sizeof(char *), compare_names);

	initStringInfo(&list);
	for (int i = 0; i < count; i++)
	{
		if (i > 0 && strcmp(names[i - 1], names[i]) == 0)
			continue;
		name_map_add(known, names[i], i);
		appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", names[i]);
	}
	hint = likeness_hint(builder, known, name);
	if (hint == NULL)
		hint = other_kind_hint(builder, place, name, owner);
	if (hint == NULL)
		hint = psprintf("Fields of %s are: %s.", owner->owner, list.data);
	pfree(list.data);
	name_map_free(known);
	return hint;
}

/*
 * Report the members that an object of this kind does not have, those it has
 * twice, and those that this version does not support or apply.
 */
void
check_fields(Builder *builder, const Place *place, const FieldSet *set)
{
	bool		seen[MOST_FIELDS] = {false};

	for (const Json *member = json_first(place->object); member != NULL;
		 member = json_next(member))
	{
		const char *name = json_key(member);
		int			number;
		FieldStatus status = find_field(set, name, &number);

		if (status == FIELD_UNKNOWN)
		{
			char	   *hint = NULL;

			if (builder->problems->count < MAX_PROBLEMS)
				hint = unknown_field_hint(builder, place, name, set);
			field_error(builder, place, name, hint,
						builder->language->knows_field(name) ?
						"field \"%s\" does not belong here" :
						"unknown field \"%s\"", name);
			continue;
		}
		Assert(number < MOST_FIELDS);
		if (seen[number])
			field_error(builder, place, name, NULL,
						"field \"%s\" is given twice", name);
		seen[number] = true;

		if (json_kind(member) == JSON_NULL)
			continue;
		if (status == FIELD_LATER)
			field_error(builder, place, name, NULL,
						"\"%s\" is not supported by this version of pg_workflow", name);
		else if (status == FIELD_ELSEWHERE)
			field_error(builder, place, name,
						"Use workflow.schedule() when it is defined.",
						"\"%s\" is no part of a definition", name);
		else if (status == FIELD_NOT_APPLIED)
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
	va_list		args;

	initStringInfo(&message);
	va_start(args, format);
	append_formatted(&message, format, args);
	va_end(args);
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
field_of_kind(Builder *builder, const Place *place, const char *field,
			  JsonKind kind)
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
field_string(Builder *builder, const Place *place, const char *field,
			 bool required)
{
	const Json *value;

	if (field_get(place, field) == NULL)
	{
		if (required)
			field_error(builder, place, field, NULL, "\"%s\" is required",
						field);
		return NULL;
	}
	value = field_of_kind(builder, place, field, JSON_STRING);
	if (value == NULL)
		return NULL;
	if (strspn(json_string(value), " \t\r\n") == strlen(json_string(value)))
	{
		field_error(builder, place, field, NULL, "\"%s\" must not be empty",
					field);
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
		field_error(builder, place, field, NULL,
					"\"%s\" must be an integer of at least %d", field, lowest);
	else
		field_error(builder, place, field, NULL,
					"\"%s\" must be an integer between %d and %d", field, lowest, highest);
	return missing;
}

/*
 * A boolean.
 */
bool
field_boolean(Builder *builder, const Place *place, const char *field,
			  bool missing)
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

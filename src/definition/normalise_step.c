/*-------------------------------------------------------------------------
 *
 * normalise_step.c
 *	  One step of a definition, put into the stored form.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Only rearranges: what it does
 *	  not understand goes through as it is, and building the plan complains.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/normaliser.h"

typedef struct Alias
{
	const char *given;
	const char *stored;
} Alias;

static const Alias step_aliases[] = {
	{"then_step", "if_true_step"},
	{"then", "if_true_step"},
	{"else_step", "if_false_step"},
	{"else", "if_false_step"},
	{"next", "next_step"},
	{"retry_strategy", "retry"},
	{NULL, NULL}
};

static const Alias case_aliases[] = {
	{"condition", "when"},
	{"then_step", "step"},
	{"then", "step"},
	{"next", "next_step"},
	{NULL, NULL}
};

static const Alias loop_aliases[] = {
	{"loop_over", "collection"},
	{"loop_step", "loop_body"},
	{"error_policy", "on_error"},
	{NULL, NULL}
};

static const Alias no_aliases[] = {
	{NULL, NULL}
};

/* Fields that may stand on the step itself instead of in its configuration. */
static const char *const loop_fields[] = {
	"collection", "loop_body", "execution_mode", "max_parallelism",
	"max_iterations", "on_error", "batch_size", "result", "while", "until", NULL
};

static const char *const fork_join_fields[] = {
	"branches", "join_policy", "n_required", "branch_timeout_seconds", "on_join",
	"max_parallelism", NULL
};

/* How a list of children is written. */
typedef enum ChildrenShape
{
	CHILDREN_LIST,				/* always an array */
	CHILDREN_ONE_OR_LIST		/* one id, or an array of several */
} ChildrenShape;

/* The two places of a value: in the stored form and in the document as given. */
typedef struct Place
{
	const char *path;
	const char *given;
} Place;

/*
 * The stored name of a field.
 */
static const char *
canonical(const Alias *aliases, const char *field)
{
	for (; aliases->given != NULL; aliases++)
		if (strcmp(aliases->given, field) == 0)
			return aliases->stored;
	return field;
}

/*
 * The stored name of a step's field.
 */
const char *
canonical_step_field(const char *field)
{
	return canonical(step_aliases, field);
}

/*
 * Is the word in a list that ends with NULL?
 */
static bool
is_listed(const char *const *list, const char *word)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, word) == 0)
			return true;
	return false;
}

/*
 * Begin the next member of the object that is being written.
 */
static void
begin_member(Normaliser *normaliser, const char *key)
{
	StringInfo	out = &normaliser->out;

	if (normaliser->collecting)
		return;
	if (out->len > 0 && out->data[out->len - 1] != '{')
		appendStringInfoChar(out, ',');
	json_append_string(out, key);
	appendStringInfoChar(out, ':');
}

static void
write_text(Normaliser *normaliser, const char *text)
{
	if (!normaliser->collecting)
		appendStringInfoString(&normaliser->out, text);
}

static void
write_value(Normaliser *normaliser, const Json *value)
{
	if (!normaliser->collecting)
		json_append(&normaliser->out, value);
}

/*
 * Places of a member and of an element below a place.
 */
static Place
member_place(Normaliser *normaliser, Place place, const char *key, const char *given_key)
{
	Place		below;

	below.path = psprintf("%s.%s", place.path, key);
	below.given = psprintf("%s.%s", place.given, given_key);
	if (strcmp(key, given_key) != 0)
		normaliser_moved(normaliser, below.path, below.given);
	return below;
}

static Place
element_place(Place place, int index)
{
	Place		below;

	below.path = psprintf("%s[%d]", place.path, index);
	below.given = psprintf("%s[%d]", place.given, index);
	return below;
}

/*
 * An object where the id of a child is expected: a step of its own.
 */
static void
inline_child(Normaliser *normaliser, const Json *value, const char *given)
{
	Draft	   *draft;

	if (normaliser->collecting)
	{
		normaliser_add_draft(normaliser, value, given, normaliser->current,
							 normaliser->branch, NULL);
		return;
	}

	/* Found in the order in which they were collected. */
	while (normaliser->drafts[normaliser->cursor].source != value)
		normaliser->cursor++;
	draft = &normaliser->drafts[normaliser->cursor++];
	json_append_string(&normaliser->out, draft->id);
}

/*
 * One child: an id, or the step itself.
 */
static void
write_child(Normaliser *normaliser, const Json *value, const char *given)
{
	if (json_kind(value) == JSON_OBJECT)
		inline_child(normaliser, value, given);
	else
	{
		if (json_kind(value) == JSON_STRING && normaliser->collecting)
			name_map_add(normaliser->children, json_string(value), 0);
		write_value(normaliser, value);
	}
}

/*
 * Children in one of the forms in which they may be given: an id, a step, or an
 * array of those.
 */
static void
write_children(Normaliser *normaliser, const Json *value, Place place,
			   ChildrenShape shape)
{
	int			index = 0;

	if (json_kind(value) != JSON_ARRAY)
	{
		bool		wrap = shape == CHILDREN_LIST &&
			(json_kind(value) == JSON_STRING || json_kind(value) == JSON_OBJECT);

		if (wrap)
			normaliser_moved(normaliser, psprintf("%s[0]", place.path), place.given);
		write_text(normaliser, wrap ? "[" : "");
		write_child(normaliser, value, place.given);
		write_text(normaliser, wrap ? "]" : "");
		return;
	}

	if (shape == CHILDREN_ONE_OR_LIST && json_count(value) == 1)
	{
		Place		element = element_place(place, 0);

		normaliser_moved(normaliser, place.path, element.given);
		write_child(normaliser, json_first(value), element.given);
		return;
	}

	write_text(normaliser, "[");
	for (const Json *item = json_first(value); item != NULL; item = json_next(item))
	{
		Place		element = element_place(place, index);

		write_text(normaliser, index++ > 0 ? "," : "");
		write_child(normaliser, item, element.given);
	}
	write_text(normaliser, "]");
}

/*
 * The cases of a switch.
 */
static void
write_switch(Normaliser *normaliser, const Json *value, Place place)
{
	int			index = 0;

	if (json_kind(value) != JSON_ARRAY)
	{
		write_value(normaliser, value);
		return;
	}
	write_text(normaliser, "[");
	for (const Json *item = json_first(value); item != NULL; item = json_next(item))
	{
		Place		element = element_place(place, index);

		write_text(normaliser, index++ > 0 ? "," : "");
		if (json_kind(item) != JSON_OBJECT)
		{
			write_value(normaliser, item);
			continue;
		}
		write_text(normaliser, "{");
		for (const Json *member = json_first(item); member != NULL;
			 member = json_next(member))
		{
			const char *field = canonical(case_aliases, json_key(member));
			Place		below = member_place(normaliser, element, field, json_key(member));

			begin_member(normaliser, field);
			if (strcmp(field, "step") == 0 && json_kind(member) != JSON_NULL)
				write_children(normaliser, member, below, CHILDREN_ONE_OR_LIST);
			else
				write_value(normaliser, member);
		}
		write_text(normaliser, "}");
	}
	write_text(normaliser, "]");
}

/*
 * What a switch does when no case applies: children, or a jump.
 */
static void
write_switch_default(Normaliser *normaliser, const Json *value, Place place)
{
	if (json_kind(value) == JSON_OBJECT && json_count(value) == 1)
	{
		const Json *only = json_first(value);
		const char *field = canonical(case_aliases, json_key(only));
		Place		below;

		if (strcmp(field, "step") == 0)
		{
			below.path = place.path;
			below.given = psprintf("%s.%s", place.given, json_key(only));
			normaliser_moved(normaliser, below.path, below.given);
			write_children(normaliser, only, below, CHILDREN_ONE_OR_LIST);
			return;
		}
		if (strcmp(field, "next_step") == 0)
		{
			member_place(normaliser, place, field, json_key(only));
			write_text(normaliser, "{");
			begin_member(normaliser, field);
			write_value(normaliser, only);
			write_text(normaliser, "}");
			return;
		}
	}
	write_children(normaliser, value, place, CHILDREN_ONE_OR_LIST);
}

/*
 * One branch of a fork_join: {"steps": [..]}, or its steps alone.
 */
static void
write_branch(Normaliser *normaliser, const Json *value, Place place)
{
	Place		steps;

	if (json_kind(value) == JSON_OBJECT &&
		(json_get(value, "steps") != NULL ||
		 (json_get(value, "type") == NULL && json_get(value, "agent_name") == NULL &&
		  json_get(value, "sql") == NULL)))
	{
		write_text(normaliser, "{");
		for (const Json *member = json_first(value); member != NULL;
			 member = json_next(member))
		{
			steps = member_place(normaliser, place, json_key(member), json_key(member));
			begin_member(normaliser, json_key(member));
			if (strcmp(json_key(member), "steps") == 0)
				write_children(normaliser, member, steps, CHILDREN_LIST);
			else
				write_value(normaliser, member);
		}
		write_text(normaliser, "}");
		return;
	}
	if (json_kind(value) != JSON_ARRAY && json_kind(value) != JSON_OBJECT &&
		json_kind(value) != JSON_STRING)
	{
		write_value(normaliser, value);
		return;
	}

	steps.path = psprintf("%s.steps", place.path);
	steps.given = place.given;
	normaliser_moved(normaliser, steps.path, steps.given);
	write_text(normaliser, "{");
	begin_member(normaliser, "steps");
	write_children(normaliser, value, steps, CHILDREN_LIST);
	write_text(normaliser, "}");
}

/*
 * The branches of a fork_join.
 */
static void
write_branches(Normaliser *normaliser, const Json *value, Place place)
{
	if (json_kind(value) != JSON_OBJECT)
	{
		write_value(normaliser, value);
		return;
	}
	write_text(normaliser, "{");
	for (const Json *member = json_first(value); member != NULL;
		 member = json_next(member))
	{
		Place		below = member_place(normaliser, place, json_key(member), json_key(member));

		begin_member(normaliser, json_key(member));
		normaliser->branch = json_key(member);
		write_branch(normaliser, member, below);
		normaliser->branch = NULL;
	}
	write_text(normaliser, "}");
}

/*
 * One field of a loop's or fork_join's configuration.
 */
static void
write_config_field(Normaliser *normaliser, const char *field, const Json *value,
				   Place place)
{
	begin_member(normaliser, field);
	if (strcmp(field, "loop_body") == 0 && json_kind(value) != JSON_NULL)
		write_children(normaliser, value, place, CHILDREN_LIST);
	else if (strcmp(field, "branches") == 0)
		write_branches(normaliser, value, place);
	else
		write_value(normaliser, value);
}

/*
 * The configuration of a loop or fork_join, from its own object and from the
 * fields that stand flat on the step.
 */
static void
write_config(Normaliser *normaliser, const Json *step, Place place,
			 const char *name, const char *const *flat_fields, const Alias *aliases)
{
	const Json *config = json_get(step, name);
	Place		config_place;

	config_place.path = psprintf("%s.%s", place.path, name);
	config_place.given = psprintf("%s.%s", place.given, name);

	begin_member(normaliser, name);
	if (config != NULL && json_kind(config) != JSON_OBJECT &&
		json_kind(config) != JSON_NULL)
	{
		write_value(normaliser, config);
		return;
	}

	write_text(normaliser, "{");
	if (config != NULL && json_kind(config) == JSON_OBJECT)
	{
		for (const Json *member = json_first(config); member != NULL;
			 member = json_next(member))
		{
			const char *field = canonical(aliases, json_key(member));

			write_config_field(normaliser, field, member,
							   member_place(normaliser, config_place, field,
											json_key(member)));
		}
	}
	else
		normaliser_moved(normaliser, config_place.path, place.given);

	for (const Json *member = json_first(step); member != NULL;
		 member = json_next(member))
	{
		const char *field = canonical(aliases, json_key(member));
		Place		below;

		if (!is_listed(flat_fields, field))
			continue;
		below.path = psprintf("%s.%s", config_place.path, field);
		below.given = psprintf("%s.%s", place.given, json_key(member));
		normaliser_moved(normaliser, below.path, below.given);
		write_config_field(normaliser, field, member, below);
	}
	write_text(normaliser, "}");
}

/*
 * Does the field name children?
 */
static bool
has_children(const char *type, const char *field)
{
	if (strcmp(type, "parallel") == 0)
		return strcmp(field, "parallel_steps") == 0;
	if (strcmp(type, "conditional") == 0)
		return strcmp(field, "if_true_step") == 0 || strcmp(field, "if_false_step") == 0 ||
			strcmp(field, "switch") == 0 || strcmp(field, "default") == 0;
	return false;
}

/*
 * One field of a step that belongs to no configuration.
 */
static void
write_step_field(Normaliser *normaliser, const char *type, const Json *member,
				 Place place)
{
	const char *field = canonical_step_field(json_key(member));
	Place		below;

	begin_member(normaliser, field);
	if (json_kind(member) == JSON_NULL || !has_children(type, field))
	{
		if (field != json_key(member))
			member_place(normaliser, place, field, json_key(member));
		write_value(normaliser, member);
		return;
	}

	below = member_place(normaliser, place, field, json_key(member));
	if (strcmp(field, "parallel_steps") == 0)
		write_children(normaliser, member, below, CHILDREN_LIST);
	else if (strcmp(field, "switch") == 0)
		write_switch(normaliser, member, below);
	else if (strcmp(field, "default") == 0)
		write_switch_default(normaliser, member, below);
	else
		write_children(normaliser, member, below, CHILDREN_ONE_OR_LIST);
}

/*
 * The type of a step in words of the stored form; "" when it is no string.
 */
static const char *
step_type(const Json *step)
{
	const Json *type = json_get(step, "type");

	if (type == NULL || json_kind(type) == JSON_NULL)
		return json_get(step, "sql") != NULL ? "sql" : "agent";
	if (json_kind(type) != JSON_STRING)
		return "";
	if (strcmp(json_string(type), "fork-join") == 0)
		return "fork_join";
	return json_string(type);
}

/*
 * Go through one step.
 */
void
normalise_step(Normaliser *normaliser, int index)
{
	const Draft *draft = &normaliser->drafts[index];
	const Json *step = draft->source;
	const char *type;
	const char *default_next = draft->default_next;
	const char *config = NULL;
	const char *const *flat_fields = NULL;
	const Alias *aliases = no_aliases;
	Place		place;

	if (json_kind(step) != JSON_OBJECT)
	{
		write_value(normaliser, step);
		return;
	}

	type = step_type(step);
	if (normaliser->collecting && strcmp(type, "parallel") != 0 &&
		strcmp(type, "conditional") != 0 && strcmp(type, "loop") != 0 &&
		strcmp(type, "fork_join") != 0)
		return;					/* no children to collect */

	normaliser->current = index;
	place.path = psprintf("steps.%s", draft->id != NULL ? draft->id : "");
	place.given = draft->path;
	if (!normaliser->collecting)
		normaliser_moved(normaliser, place.path, place.given);

	if (strcmp(type, "loop") == 0)
	{
		config = "loop_config";
		flat_fields = loop_fields;
		aliases = loop_aliases;
	}
	else if (strcmp(type, "fork_join") == 0)
	{
		config = "fork_join_config";
		flat_fields = fork_join_fields;
	}

	write_text(normaliser, "{");
	begin_member(normaliser, "id");
	if (!normaliser->collecting)
		json_append_string(&normaliser->out, draft->id);
	begin_member(normaliser, "type");
	if (type[0] == '\0')
		write_value(normaliser, json_get(step, "type"));
	else if (!normaliser->collecting)
		json_append_string(&normaliser->out, type);

	for (const Json *member = json_first(step); member != NULL;
		 member = json_next(member))
	{
		const char *key = json_key(member);

		if (strcmp(key, "id") == 0 || strcmp(key, "type") == 0)
			continue;
		if (config != NULL && (strcmp(key, config) == 0 ||
							   is_listed(flat_fields, canonical(aliases, key))))
			continue;
		if (strcmp(canonical_step_field(key), "next_step") == 0)
			default_next = NULL;
		write_step_field(normaliser, type, member, place);
	}
	if (config != NULL)
		write_config(normaliser, step, place, config, flat_fields, aliases);
	if (default_next != NULL && strcmp(type, "succeed") != 0 && strcmp(type, "fail") != 0)
	{
		begin_member(normaliser, "next_step");
		if (!normaliser->collecting)
			json_append_string(&normaliser->out, default_next);
	}
	write_text(normaliser, "}");
}

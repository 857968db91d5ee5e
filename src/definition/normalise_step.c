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

static const Alias step_aliases[] = {
	{"then_step", "if_true_step"},
	{"then", "if_true_step"},
	{"else_step", "if_false_step"},
	{"else", "if_false_step"},
	{"next", "next_step"},
	{"retry_strategy", "retry"},
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
	"max_iterations", "on_error", "batch_size", "result", "while", "until", "label", NULL
};

static const char *const fork_join_fields[] = {
	"branches", "join_policy", "n_required", "branch_timeout_seconds", "on_join",
	"max_parallelism", NULL
};

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
 * The branches of a fork_join.
 */
static void
write_branches(Normaliser *normaliser, const Json *value, GivenPlace place)
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
		GivenPlace	below = member_place(normaliser, place, json_key(member), json_key(member));

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
				   GivenPlace place)
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
write_config(Normaliser *normaliser, const Json *step, GivenPlace place,
			 const char *name, const char *const *flat_fields, const Alias *aliases)
{
	const Json *config = json_get(step, name);
	GivenPlace	config_place;

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
		GivenPlace	below;

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
 * A branch of a conditional: children, or a jump.
 */
static void
write_condition_branch(Normaliser *normaliser, const Json *value, GivenPlace place)
{
	bool		is_id = json_kind(value) == JSON_STRING;

	if (is_id && !normaliser->collecting &&
		normaliser->drafts[normaliser->current].routes)
	{
		normaliser_moved(normaliser, psprintf("%s.next_step", place.path), place.given);
		write_text(normaliser, "{");
		begin_member(normaliser, "next_step");
		write_value(normaliser, value);
		write_text(normaliser, "}");
		return;
	}
	normaliser->in_branch = is_id;
	write_target(normaliser, value, place);
	normaliser->in_branch = false;
}

/*
 * One field of a step that belongs to no configuration.
 */
static void
write_step_field(Normaliser *normaliser, const char *type, const Json *member,
				 GivenPlace place)
{
	const char *field = canonical_step_field(json_key(member));
	GivenPlace	below;

	begin_member(normaliser, field);
	if (strcmp(field, "compensate") == 0 && json_kind(member) != JSON_NULL)
	{
		const char *branch = normaliser->branch;

		normaliser->branch = "undo";
		write_children(normaliser, member, member_place(normaliser, place, field, field),
					   CHILDREN_ONE_OR_LIST);
		normaliser->branch = branch;
		return;
	}
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
		write_target(normaliser, member, below);
	else
		write_condition_branch(normaliser, member, below);
}

/*
 * Does nothing tell what kind of step it is?  The stored form has no type then, so
 * that building the plan asks for what is missing.
 */
static bool
is_of_no_kind(const Json *step)
{
	return json_get(step, "type") == NULL && json_get(step, "sql") == NULL &&
		json_get(step, "agent_name") == NULL;
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
	GivenPlace	place;

	if (json_kind(step) != JSON_OBJECT)
	{
		write_value(normaliser, step);
		return;
	}

	type = step_type(step);
	if (normaliser->collecting && strcmp(type, "parallel") != 0 &&
		strcmp(type, "conditional") != 0 && strcmp(type, "loop") != 0 &&
		strcmp(type, "fork_join") != 0 && json_get(step, "compensate") == NULL)
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
	if (!is_of_no_kind(step))
		begin_member(normaliser, "type");
	if (is_of_no_kind(step))
		;
	else if (type[0] == '\0')
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

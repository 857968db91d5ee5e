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
#include "definition/builder.h"
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

static const Alias no_aliases[] = {
	{NULL, NULL}
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
 * One field; what children it names is for the type to say.
 */
static void
write_field(Normaliser *normaliser, const StepTypeInfo *info, const char *field,
			const Json *value, GivenPlace place)
{
	begin_member(normaliser, field);
	if (json_kind(value) == JSON_NULL || info == NULL || info->write_children == NULL ||
		!info->write_children(normaliser, field, value, place))
		write_value(normaliser, value);
}

/* Is it a field of the configuration, which may stand on the step itself? */
static bool
is_flat(const StepTypeInfo *info, const char *field)
{
	for (const char *const *known = info->fields->flat->fields; *known != NULL; known++)
		if (strcmp(*known, field) == 0)
			return true;
	return false;
}

/*
 * The configuration of a step, from its own object and from the fields that stand
 * flat on the step.
 */
static void
write_config(Normaliser *normaliser, const Json *step, GivenPlace place,
			 const StepTypeInfo *info, const Alias *aliases)
{
	const char *name = info->config;
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

			write_field(normaliser, info, field, member,
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

		if (!is_flat(info, field))
			continue;
		below.path = psprintf("%s.%s", config_place.path, field);
		below.given = psprintf("%s.%s", place.given, json_key(member));
		normaliser_moved(normaliser, below.path, below.given);
		write_field(normaliser, info, field, member, below);
	}
	write_text(normaliser, "}");
}

/*
 * One field of a step that belongs to no configuration.
 */
static void
write_step_field(Normaliser *normaliser, const StepTypeInfo *info, const Json *member,
				 GivenPlace place)
{
	const char *field = canonical_step_field(json_key(member));

	if (strcmp(field, "compensate") == 0 && json_kind(member) != JSON_NULL)
	{
		const char *branch = normaliser->branch;

		begin_member(normaliser, field);
		normaliser->branch = "undo";
		write_children(normaliser, member, member_place(normaliser, place, field, field),
					   CHILDREN_ONE_OR_LIST);
		normaliser->branch = branch;
		return;
	}
	if (field != json_key(member) || (info != NULL && info->write_children != NULL))
		place = member_place(normaliser, place, field, json_key(member));
	write_field(normaliser, info, field, member, place);
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
	for (int i = 0; i < STEP_TYPES; i++)
		if (step_types[i]->alias != NULL && strcmp(step_types[i]->alias, json_string(type)) == 0)
			return step_types[i]->name;
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
	const StepTypeInfo *info = NULL;
	const Alias *aliases = no_aliases;
	StepType	known;
	bool		has_config;
	GivenPlace	place;

	if (json_kind(step) != JSON_OBJECT)
	{
		write_value(normaliser, step);
		return;
	}

	type = step_type(step);
	if (step_type_named(type, &known))
		info = step_types[known];
	if (normaliser->collecting && (info == NULL || (info->traits & TRAIT_CONTAINER) == 0) &&
		json_get(step, "compensate") == NULL)
		return;					/* no children to collect */
	has_config = (info != NULL && info->config != NULL);
	if (has_config && info->config_aliases != NULL)
		aliases = info->config_aliases;

	normaliser->current = index;
	place.path = psprintf("steps.%s", draft->id != NULL ? draft->id : "");
	place.given = draft->path;
	if (!normaliser->collecting)
		normaliser_moved(normaliser, place.path, place.given);

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
		if (has_config && (strcmp(key, info->config) == 0 ||
						   is_flat(info, canonical(aliases, key))))
			continue;
		if (strcmp(canonical_step_field(key), "next_step") == 0)
			default_next = NULL;
		write_step_field(normaliser, info, member, place);
	}
	if (has_config)
		write_config(normaliser, step, place, info, aliases);
	if (default_next != NULL && (info == NULL || (info->traits & TRAIT_TERMINAL) == 0))
	{
		begin_member(normaliser, "next_step");
		if (!normaliser->collecting)
			json_append_string(&normaliser->out, default_next);
	}
	write_text(normaliser, "}");
}

/*-------------------------------------------------------------------------
 *
 * normalise_step.c
 *	  One step of a definition, put into the stored form.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Only rearranges: what it
 *	  does not understand goes through as it is, and building the plan
 *	  complains.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/normaliser.h"
#include "definition/steps/step_types.h"

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
 * Add one field; what children it names is for the type to say.
 */
static void
add_field(Normaliser *normaliser, Json *stored, const StepTypeInfo *info,
		  const char *field, const Json *value, GivenPlace place)
{
	Json	   *children = NULL;

	if (json_kind(value) != JSON_NULL && info != NULL &&
		info->stored_children != NULL)
		children = info->stored_children(normaliser, field, value, place);
	json_add(stored, field, children != NULL ? children : json_share(value));
}

/* Is it a field of the configuration, which may stand on the step itself? */
static bool
is_flat(const StepTypeInfo *info, const char *field)
{
	for (const char *const *known = info->fields->flat->fields; *known != NULL;
		 known++)
		if (strcmp(*known, field) == 0)
			return true;
	return false;
}

/*
 * The configuration of a step, from its own object and from the fields that
 * stand flat on the step.
 */
static Json *
stored_config(Normaliser *normaliser, const Json *step, GivenPlace place,
			  const StepTypeInfo *info, const Alias *aliases)
{
	const char *name = info->config;
	const Json *config = json_get(step, name);
	GivenPlace	config_place;
	Json	   *stored;

	config_place.path = psprintf("%s.%s", place.path, name);
	config_place.given = psprintf("%s.%s", place.given, name);
	if (config != NULL && json_kind(config) != JSON_OBJECT &&
		json_kind(config) != JSON_NULL)
		return json_share(config);

	stored = json_new_object();
	if (config != NULL && json_kind(config) == JSON_OBJECT)
	{
		for (const Json *member = json_first(config); member != NULL;
			 member = json_next(member))
		{
			const char *field = canonical(aliases, json_key(member));

			add_field(normaliser, stored, info, field, member,
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
		add_field(normaliser, stored, info, field, member, below);
	}
	return stored;
}

/*
 * Add one field of a step that belongs to no configuration.
 */
static void
add_step_field(Normaliser *normaliser, Json *stored, const StepTypeInfo *info,
			   const Json *member, GivenPlace place)
{
	const char *field = canonical_step_field(json_key(member));

	if (strcmp(field, "compensate") == 0 && json_kind(member) != JSON_NULL)
	{
		const char *branch = normaliser->branch;

		normaliser->branch = "undo";
		json_add(stored, field,
				 stored_children(normaliser, member,
								 member_place(normaliser, place, field, field),
								 CHILDREN_ONE_OR_LIST));
		normaliser->branch = branch;
		return;
	}
	if (field != json_key(member) ||
		(info != NULL && info->stored_children != NULL))
		place = member_place(normaliser, place, field, json_key(member));
	add_field(normaliser, stored, info, field, member, place);
}

/*
 * Does nothing tell what kind of step it is?  The stored form has no type then,
 * so that building the plan asks for what is missing.
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
		if (step_types[i]->alias != NULL &&
			strcmp(step_types[i]->alias, json_string(type)) == 0)
			return step_type_name(i);
	return json_string(type);
}

/*
 * Put one step into the stored form.  What its id and the default of its
 * next_step are is not known yet.
 */
void
normalise_step(Normaliser *normaliser, int index)
{
	const Json *step = normaliser->drafts[index].source;
	const char *type;
	const StepTypeInfo *info = NULL;
	const Alias *aliases = no_aliases;
	StepType	known;
	bool		has_config;
	bool		says_next;
	Json	   *stored;
	Json	   *stored_id;
	GivenPlace	place;

	if (json_kind(step) != JSON_OBJECT)
	{
		normaliser->drafts[index].stored = json_share(step);
		normaliser->drafts[index].says_next = true;
		return;
	}

	type = step_type(step);
	if (step_type_named(type, &known))
		info = step_types[known];
	has_config = (info != NULL && info->config != NULL);
	if (has_config && info->config_aliases != NULL)
		aliases = info->config_aliases;
	says_next = info != NULL && step_type_has(known, TRAIT_TERMINAL);

	normaliser->current = index;
	place.path = "";
	place.given = normaliser->drafts[index].path;
	normaliser_moved(normaliser, place.path, place.given);

	stored = json_new_object();
	stored_id = json_new_string("");
	json_add(stored, "id", stored_id);
	if (!is_of_no_kind(step))
		json_add(stored, "type",
				 type[0] == '\0' ? json_share(json_get(step, "type")) :
								   json_new_string(type));

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
			says_next = true;
		add_step_field(normaliser, stored, info, member, place);
	}
	if (has_config)
		json_add(stored, info->config,
				 stored_config(normaliser, step, place, info, aliases));

	/* the array of drafts may be elsewhere by now */
	normaliser->drafts[index].stored = stored;
	normaliser->drafts[index].stored_id = stored_id;
	normaliser->drafts[index].says_next = says_next;
	normaliser->current = -1;
}

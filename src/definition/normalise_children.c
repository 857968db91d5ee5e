/*-------------------------------------------------------------------------
 *
 * normalise_children.c
 *	  The places of a definition where steps name their children: by id, or
 *	  with the step itself in the id's place.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/normaliser.h"

static const Alias case_aliases[] = {
	{"condition", "when"},
	{"then_step", "step"},
	{"then", "step"},
	{"next", "next_step"},
	{NULL, NULL}
};

/*
 * The stored name of a field.
 */
const char *
canonical(const Alias *aliases, const char *field)
{
	for (; aliases->given != NULL; aliases++)
		if (strcmp(aliases->given, field) == 0)
			return aliases->stored;
	return field;
}

/*
 * Places of a member and of an element below a place.
 */
GivenPlace
member_place(Normaliser *normaliser, GivenPlace place, const char *key,
			 const char *given_key)
{
	GivenPlace	below;

	below.path = psprintf("%s.%s", place.path, key);
	below.given = psprintf("%s.%s", place.given, given_key);
	if (strcmp(key, given_key) != 0)
		normaliser_moved(normaliser, below.path, below.given);
	return below;
}

static GivenPlace
element_place(GivenPlace place, int index)
{
	GivenPlace	below;

	below.path = psprintf("%s[%d]", place.path, index);
	below.given = psprintf("%s[%d]", place.given, index);
	return below;
}

/*
 * One child: an id, or the step itself, which becomes a draft of its own.
 */
static Json *
stored_child(Normaliser *normaliser, const Json *value, const char *given)
{
	Json	   *reference;

	if (json_kind(value) == JSON_OBJECT)
	{
		reference = json_new_string("");
		normaliser_add_draft(normaliser, value, given, normaliser->current,
							 normaliser->branch, NULL);
		normaliser->drafts[normaliser->ndrafts - 1].reference = reference;
		return reference;
	}
	if (json_kind(value) == JSON_STRING)
	{
		name_map_add(normaliser->children, json_string(value), 0);
		if (!normaliser->in_branch)
			name_map_add(normaliser->held, json_string(value), 0);
	}
	return json_share(value);
}

/*
 * Children in one of the forms in which they may be given: an id, a step, or an
 * array of those.
 */
Json *
stored_children(Normaliser *normaliser, const Json *value, GivenPlace place,
				ChildrenShape shape)
{
	Json	   *stored;
	int			index = 0;

	if (json_kind(value) != JSON_ARRAY)
	{
		Json	   *child = stored_child(normaliser, value, place.given);

		if (shape != CHILDREN_LIST ||
			(json_kind(value) != JSON_STRING &&
			 json_kind(value) != JSON_OBJECT))
			return child;
		normaliser_moved(normaliser, psprintf("%s[0]", place.path),
						 place.given);
		stored = json_new_array();
		json_add(stored, NULL, child);
		return stored;
	}

	if (shape == CHILDREN_ONE_OR_LIST && json_count(value) == 1)
	{
		GivenPlace	element = element_place(place, 0);

		normaliser_moved(normaliser, place.path, element.given);
		return stored_child(normaliser, json_first(value), element.given);
	}

	stored = json_new_array();
	for (const Json *item = json_first(value); item != NULL;
		 item = json_next(item))
		json_add(stored, NULL,
				 stored_child(normaliser, item,
							  element_place(place, index++).given));
	return stored;
}

/*
 * One case of a switch.
 */
static Json *
stored_case(Normaliser *normaliser, const Json *value, GivenPlace place)
{
	Json	   *stored = json_new_object();

	for (const Json *member = json_first(value); member != NULL;
		 member = json_next(member))
	{
		const char *field = canonical(case_aliases, json_key(member));
		GivenPlace	below = member_place(normaliser, place, field,
										json_key(member));

		if (strcmp(field, "step") == 0 && json_kind(member) != JSON_NULL)
			json_add(stored, field,
					 stored_children(normaliser, member, below,
									 CHILDREN_ONE_OR_LIST));
		else
			json_add(stored, field, json_share(member));
	}
	return stored;
}

/*
 * The cases of a switch.
 */
Json *
stored_switch(Normaliser *normaliser, const Json *value, GivenPlace place)
{
	Json	   *stored;
	int			index = 0;

	if (json_kind(value) != JSON_ARRAY)
		return json_share(value);
	stored = json_new_array();
	for (const Json *item = json_first(value); item != NULL;
		 item = json_next(item))
	{
		GivenPlace	element = element_place(place, index++);

		json_add(stored, NULL, json_kind(item) == JSON_OBJECT ?
				 stored_case(normaliser, item, element) : json_share(item));
	}
	return stored;
}

/*
 * Where a conditional leads, or a switch when no case applies: children, or a
 * jump.
 */
Json *
stored_target(Normaliser *normaliser, const Json *value, GivenPlace place)
{
	if (json_kind(value) == JSON_OBJECT && json_count(value) == 1)
	{
		const Json *only = json_first(value);
		const char *field = canonical(case_aliases, json_key(only));
		GivenPlace	below;

		if (strcmp(field, "step") == 0)
		{
			below.path = place.path;
			below.given = psprintf("%s.%s", place.given, json_key(only));
			normaliser_moved(normaliser, below.path, below.given);
			return stored_children(normaliser, only, below,
								   CHILDREN_ONE_OR_LIST);
		}
		if (strcmp(field, "next_step") == 0)
		{
			Json	   *jump = json_new_object();

			member_place(normaliser, place, field, json_key(only));
			json_add(jump, field, json_share(only));
			return jump;
		}
	}
	return stored_children(normaliser, value, place, CHILDREN_ONE_OR_LIST);
}

/*
 * A branch of a conditional: children, or, if that turns out to route, a jump.
 */
Json *
stored_condition_branch(Normaliser *normaliser, const Json *value,
						GivenPlace place)
{
	MaybeJump  *jump;
	Json	   *stored;

	if (json_kind(value) != JSON_STRING)
		return stored_target(normaliser, value, place);
	normaliser->in_branch = true;
	stored = stored_child(normaliser, value, place.given);
	normaliser->in_branch = false;

	if (normaliser->njumps == normaliser->jumps_allocated)
	{
		normaliser->jumps_allocated *= 2;
		normaliser->jumps = repalloc(normaliser->jumps,
									 sizeof(MaybeJump) *
										 normaliser->jumps_allocated);
	}
	jump = &normaliser->jumps[normaliser->njumps++];
	jump->draft = normaliser->current;
	jump->id = stored;
	jump->place = place;
	return stored;
}

/*
 * One branch of a fork_join: {"steps": [..]}, or its steps alone.
 */
Json *
stored_branch(Normaliser *normaliser, const Json *value, GivenPlace place)
{
	Json	   *stored;
	GivenPlace	steps;

	if (json_kind(value) != JSON_ARRAY && json_kind(value) != JSON_OBJECT &&
		json_kind(value) != JSON_STRING)
		return json_share(value);
	stored = json_new_object();
	if (json_kind(value) == JSON_OBJECT &&
		(json_get(value, "steps") != NULL ||
		 (json_get(value, "type") == NULL &&
		  json_get(value, "agent_name") == NULL &&
		  json_get(value, "sql") == NULL)))
	{
		for (const Json *member = json_first(value); member != NULL;
			 member = json_next(member))
		{
			const char *key = json_key(member);

			steps = member_place(normaliser, place, key, key);
			json_add(stored, key,
					 strcmp(key, "steps") != 0 ?
						 json_share(member) :
						 stored_children(normaliser, member, steps,
										 CHILDREN_LIST));
		}
		return stored;
	}

	steps.path = psprintf("%s.steps", place.path);
	steps.given = place.given;
	normaliser_moved(normaliser, steps.path, steps.given);
	json_add(stored, "steps",
			 stored_children(normaliser, value, steps, CHILDREN_LIST));
	return stored;
}

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
 * Begin the next member of the object that is being written.
 */
void
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

/*
 * Write a piece of text, or a value as it is.
 */
void
write_text(Normaliser *normaliser, const char *text)
{
	if (!normaliser->collecting)
		appendStringInfoString(&normaliser->out, text);
}

void
write_value(Normaliser *normaliser, const Json *value)
{
	if (!normaliser->collecting)
		json_append(&normaliser->out, value);
}

/*
 * Places of a member and of an element below a place.
 */
GivenPlace
member_place(Normaliser *normaliser, GivenPlace place, const char *key, const char *given_key)
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
		{
			name_map_add(normaliser->children, json_string(value), 0);
			if (!normaliser->in_branch)
				name_map_add(normaliser->held, json_string(value), 0);
		}
		write_value(normaliser, value);
	}
}

/*
 * Children in one of the forms in which they may be given: an id, a step, or an
 * array of those.
 */
void
write_children(Normaliser *normaliser, const Json *value, GivenPlace place,
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
		GivenPlace	element = element_place(place, 0);

		normaliser_moved(normaliser, place.path, element.given);
		write_child(normaliser, json_first(value), element.given);
		return;
	}

	write_text(normaliser, "[");
	for (const Json *item = json_first(value); item != NULL; item = json_next(item))
	{
		GivenPlace	element = element_place(place, index);

		write_text(normaliser, index++ > 0 ? "," : "");
		write_child(normaliser, item, element.given);
	}
	write_text(normaliser, "]");
}

/*
 * The cases of a switch.
 */
void
write_switch(Normaliser *normaliser, const Json *value, GivenPlace place)
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
		GivenPlace	element = element_place(place, index);

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
			GivenPlace	below = member_place(normaliser, element, field, json_key(member));

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
 * Where a conditional leads, or a switch when no case applies: children, or a
 * jump.
 */
void
write_target(Normaliser *normaliser, const Json *value, GivenPlace place)
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
void
write_branch(Normaliser *normaliser, const Json *value, GivenPlace place)
{
	GivenPlace	steps;

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

/*-------------------------------------------------------------------------
 *
 * normalise.c
 *	  From a definition as its author wrote it to the stored form.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  The stored form has one way to say each thing: steps by id, children by
 *	  id, no aliases.  It is a tree that shares with the given one what stays as
 *	  it is.  It is then compiled to a plan like any stored definition, and what
 *	  that finds is reported at the path where the author wrote it.
 *
 *	  Each step is gone through once.  Inline children get their ids after that,
 *	  when it is known which ids there are; until then their places are empty
 *	  strings.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/normaliser.h"

/* Generated ids begin with so much of their parent's. */
#define GENERATED_PREFIX 200

/*
 * The definition's on_failure: the id of a step, a step, or an array of both,
 * each of which is followed by the next one.
 */
static void
collect_chain(Normaliser *normaliser, const Json *value)
{
	bool		is_array = json_kind(value) == JSON_ARRAY;
	int			index = 0;

	for (const Json *item = is_array ? json_first(value) : value; item != NULL;
		 item = is_array ? json_next(item) : NULL)
	{
		char	   *path = is_array ? psprintf("on_failure[%d]", index++) :
								pstrdup("on_failure");

		if (json_kind(item) != JSON_OBJECT)
		{
			if (is_array && json_kind(item) == JSON_STRING)
				name_map_add(normaliser->children, json_string(item), 0);
			continue;
		}
		normaliser_add_draft(normaliser, item, path, -1, NULL, NULL);
		normaliser->drafts[normaliser->ndrafts - 1].in_chain = true;
	}
}

/*
 * Take down the members of steps, then put all drafts into the stored form,
 * which adds their inline children behind them.
 */
static void
collect_steps(Normaliser *normaliser, const Json *steps, const Json *on_failure)
{
	bool		is_array = json_kind(steps) == JSON_ARRAY;
	int			index = 0;

	for (const Json *step = json_first(steps); step != NULL;
		 step = json_next(step))
	{
		char	   *path;

		if (!is_array)
		{
			path = psprintf("steps.%s", json_key(step));
			normaliser_add_draft(normaliser, step, path, -1, NULL,
								 json_key(step));
			continue;
		}
		path = psprintf("steps[%d]", index++);
		if (json_kind(step) != JSON_OBJECT)
			problem_add(normaliser->problems, PROBLEM_ERROR, path, NULL, NULL,
						"a step must be an object, not %s", json_kind_name(step));
		else
		{
			normaliser_add_draft(normaliser, step, path, -1, NULL, NULL);
			if (json_get(step, "id") == NULL)
				problem_add(normaliser->problems, PROBLEM_ERROR, path, NULL,
							NULL, "a step of an array needs an \"id\"");
		}
	}
	if (on_failure != NULL)
		collect_chain(normaliser, on_failure);
	for (int i = 0; i < normaliser->ndrafts && normaliser->ndrafts <= MAX_STEPS;
		 i++)
		normalise_step(normaliser, i);
}

/*
 * Give every inline child without an id one that nothing else has:
 * <parent>_1, <parent>_2 .., in a branch <parent>_<branch>_1.
 */
static void
generate_ids(Normaliser *normaliser)
{
	char	   *previous = NULL;
	int			number = 0;

	for (int i = 0; i < normaliser->ndrafts; i++)
	{
		Draft	   *draft = &normaliser->drafts[i];
		char	   *prefix;

		if (draft->id != NULL)
			continue;
		prefix = pstrdup(draft->in_chain ? "on_failure" : "step");
		if (draft->parent >= 0)
			prefix = psprintf("%.*s%s%.*s", GENERATED_PREFIX,
							  normaliser->drafts[draft->parent].id,
							  draft->branch != NULL ? "_" : "",
							  GENERATED_PREFIX,
							  draft->branch != NULL ? draft->branch : "");

		/* Children of one parent follow each other: go on counting. */
		if (previous == NULL || strcmp(prefix, previous) != 0)
			number = 0;
		previous = prefix;
		do
			draft->id = psprintf("%s_%d", prefix, ++number);
		while (!name_map_add(normaliser->ids, draft->id, i));
	}
}

/*
 * The draft that an element of on_failure stands for; NULL: none.
 */
static Draft *
chain_draft(Normaliser *normaliser, const Json *item, int *cursor)
{
	int			index;

	if (json_kind(item) == JSON_STRING)
	{
		index = name_map_get(normaliser->ids, json_string(item));
		return index >= 0 ? &normaliser->drafts[index] : NULL;
	}
	/* found in the order in which they were collected */
	while (json_kind(item) == JSON_OBJECT && *cursor < normaliser->ndrafts)
		if (normaliser->drafts[(*cursor)++].source == item)
			return &normaliser->drafts[*cursor - 1];
	return NULL;
}

/*
 * on_failure as the id of its first step, which the others follow.
 */
static Json *
stored_chain(Normaliser *normaliser, const Json *value)
{
	Draft	   *first;
	Draft	   *draft;
	const Json *item = value;
	int			cursor = 0;

	if (json_kind(value) == JSON_ARRAY)
		item = json_first(value);
	first = draft = item != NULL ? chain_draft(normaliser, item, &cursor) :
								   NULL;
	if (first == NULL)
		return json_share(value);
	if (json_kind(value) == JSON_ARRAY)
		normaliser_moved(normaliser, "on_failure", "on_failure[0]");
	while (json_kind(value) == JSON_ARRAY && (item = json_next(item)) != NULL)
	{
		Draft	   *next = chain_draft(normaliser, item, &cursor);

		if (next != NULL)
			draft->default_next = next->id;
		else
			problem_add(normaliser->problems, PROBLEM_ERROR, "on_failure", NULL, NULL,
						"\"on_failure\" must be the id of a step, a step, or an array of those");
		draft = next != NULL ? next : draft;
	}
	return json_new_string(first->id);
}

/*
 * In an array each step is followed by the next one that is not a child.
 * Returns the first of them, the default of start_step.
 */
static const char *
follow_order(Normaliser *normaliser, const Json *on_failure)
{
	const char *chain = on_failure != NULL &&
			json_kind(on_failure) == JSON_STRING ?
		json_string(on_failure) :
		NULL;
	const char *next = NULL;

	for (int i = normaliser->ndrafts - 1; i >= 0; i--)
	{
		Draft	   *draft = &normaliser->drafts[i];

		if (draft->parent >= 0 || draft->duplicate || draft->in_chain ||
			name_map_get(normaliser->children, draft->id) >= 0)
			continue;
		draft->default_next = next;
		/* nothing flows into the on_failure chain */
		next = chain != NULL && strcmp(draft->id, chain) == 0 ? NULL :
																draft->id;
	}
	return next;
}

/*
 * All steps as one object, with the ids and followers that are known now.
 */
static Json *
stored_steps(Normaliser *normaliser)
{
	Json	   *stored = json_new_object();

	for (int i = 0; i < normaliser->ndrafts; i++)
	{
		Draft	   *draft = &normaliser->drafts[i];

		if (draft->reference != NULL)
			json_set_string(draft->reference, draft->id);
		if (draft->stored_id != NULL)
			json_set_string(draft->stored_id, draft->id);
		if (draft->default_next != NULL && !draft->says_next)
			json_add(draft->stored, "next_step",
					 json_new_string(draft->default_next));
		if (!draft->duplicate)
			json_add(stored, draft->id, draft->stored);
	}
	return stored;
}

/*
 * The defaults, which have aliases like steps.
 */
static Json *
stored_defaults(Normaliser *normaliser, const Json *defaults)
{
	Json	   *stored;

	if (json_kind(defaults) != JSON_OBJECT)
		return json_share(defaults);
	stored = json_new_object();
	for (const Json *member = json_first(defaults); member != NULL;
		 member = json_next(member))
	{
		const char *field = canonical_step_field(json_key(member));

		normaliser_moved(normaliser, psprintf("defaults.%s", field),
						 psprintf("defaults.%s", json_key(member)));
		json_add(stored, field, json_share(member));
	}
	return stored;
}

/*
 * The whole document in the stored form.
 */
static Json *
stored_document(Normaliser *normaliser, const Json *document)
{
	Json	   *stored = json_new_object();
	const Json *name = json_get(document, "name");
	const Json *workflow_id = json_get(document, "workflow_id");
	const Json *start = json_get(document, "start_step");
	const Json *steps = json_get(document, "steps");
	const char *first = NULL;

	if ((name == NULL || json_kind(name) == JSON_NULL) && workflow_id != NULL)
	{
		name = workflow_id;
		normaliser_moved(normaliser, "name", "workflow_id");
	}
	json_add(stored, "name", name != NULL ? json_share(name) : json_new_null());

	for (const Json *member = json_first(document); member != NULL;
		 member = json_next(member))
	{
		const char *key = json_key(member);

		if (strcmp(key, "name") == 0 || strcmp(key, "steps") == 0)
			continue;
		if (strcmp(key, "defaults") == 0)
			json_add(stored, key, stored_defaults(normaliser, member));
		else if (strcmp(key, "on_failure") == 0)
			json_add(stored, key, stored_chain(normaliser, member));
		else
			json_add(stored, key, json_share(member));
	}

	if (steps != NULL && json_kind(steps) == JSON_ARRAY)
		first = follow_order(normaliser, json_get(document, "on_failure"));
	if (first != NULL && start == NULL)
		json_add(stored, "start_step", json_new_string(first));
	if (steps != NULL)
		json_add(stored, "steps",
				 json_kind(steps) == JSON_ARRAY ||
						 json_kind(steps) == JSON_OBJECT ?
					 stored_steps(normaliser) :
					 json_share(steps));
	return stored;
}

/*
 * Put a document into the stored form.  Works in the current memory context and
 * leaves its work space there.
 */
Json *
normalise_document(Checking *checking)
{
	Normaliser *normaliser = palloc0(sizeof(Normaliser));
	const Json *given = checking->given;
	const Json *steps = json_get(given, "steps");
	bool		is_array = steps != NULL && json_kind(steps) == JSON_ARRAY;
	bool		is_object = steps != NULL && json_kind(steps) == JSON_OBJECT;

	checking->given_path = normaliser_given_path;
	checking->places = normaliser;
	normaliser->problems = checking->problems;
	normaliser->current = -1;
	normaliser->allocated = normaliser->moves_allocated =
		normaliser->jumps_allocated = 64;
	normaliser->drafts = palloc(sizeof(Draft) * normaliser->allocated);
	normaliser->moves = palloc(sizeof(Move) * normaliser->moves_allocated);
	normaliser->jumps = palloc(sizeof(MaybeJump) * normaliser->jumps_allocated);
	normaliser->ids = name_map_create(64);
	normaliser->children = name_map_create(64);
	normaliser->held = name_map_create(64);

	if (is_array || is_object)
		collect_steps(normaliser, steps, json_get(given, "on_failure"));
	if (normaliser->ndrafts > MAX_STEPS)
	{
		problem_add(normaliser->problems, PROBLEM_ERROR, "steps", NULL,
					"Use a loop, or several workflows.",
					"a definition cannot have more than %d steps", MAX_STEPS);
		return NULL;
	}
	generate_ids(normaliser);
	if (is_object)
		normaliser_make_jumps(normaliser);
	return stored_document(normaliser, given);
}

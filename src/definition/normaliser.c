/*-------------------------------------------------------------------------
 *
 * normaliser.c
 *	  A document on its way to the stored form: its steps, wherever they stand,
 *	  and where its author wrote what.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/normaliser.h"

/*
 * Take down a step.  key: that of an object of steps, NULL elsewhere.  May move
 * the array of drafts.
 */
void
normaliser_add_draft(Normaliser *normaliser, const Json *source,
					 const char *path, int parent, const char *branch,
					 const char *key)
{
	const Json *id = json_get(source, "id");
	Draft	   *draft;

	if (normaliser->ndrafts == normaliser->allocated)
	{
		normaliser->allocated *= 2;
		normaliser->drafts = repalloc(normaliser->drafts,
									  sizeof(Draft) * normaliser->allocated);
	}
	draft = &normaliser->drafts[normaliser->ndrafts];
	memset(draft, 0, sizeof(Draft));
	draft->source = source;
	draft->path = pstrdup(path);
	draft->parent = parent;
	draft->branch = branch;

	if (id != NULL && json_kind(id) != JSON_STRING &&
		json_kind(id) != JSON_NULL)
		problem_add(normaliser->problems, PROBLEM_ERROR,
					psprintf("%s.id", path), key, NULL,
					"\"id\" must be a string, not %s", json_kind_name(id));
	else if (id != NULL && json_kind(id) == JSON_STRING)
	{
		draft->id = json_string(id);
		if (key != NULL && strcmp(key, draft->id) != 0)
			problem_add(normaliser->problems, PROBLEM_ERROR,
						psprintf("%s.id", path), key,
						"Leave \"id\" out, or make both the same.",
						"\"id\" is \"%s\", but the key of the step is \"%s\"",
						draft->id, key);
	}
	if (key != NULL)
		draft->id = key;

	if (draft->id != NULL &&
		!name_map_add(normaliser->ids, draft->id, normaliser->ndrafts))
	{
		problem_add(normaliser->problems, PROBLEM_ERROR, path, draft->id, NULL,
					"the id \"%s\" is used by more than one step", draft->id);

		/* Where ids can be generated, one is: nothing else goes wrong then. */
		draft->duplicate = key != NULL;
		if (key == NULL)
			draft->id = NULL;
	}
	normaliser->ndrafts++;
}

/*
 * Remember where something was given.
 */
void
normaliser_moved(Normaliser *normaliser, const char *path, const char *given)
{
	Move	   *move;

	if (normaliser->nmoves == normaliser->moves_allocated)
	{
		normaliser->moves_allocated *= 2;
		normaliser->moves = repalloc(normaliser->moves,
									 sizeof(Move) *
										 normaliser->moves_allocated);
	}
	move = &normaliser->moves[normaliser->nmoves++];
	move->draft = normaliser->current;
	move->path = path;
	move->given = given;
}

/*
 * Make the moves known by their paths, now that all ids are.
 */
static void
name_moves(Normaliser *normaliser)
{
	normaliser->moved = name_map_create(Max(normaliser->nmoves, 1));
	for (int i = 0; i < normaliser->nmoves; i++)
	{
		const Move *move = &normaliser->moves[i];
		const Draft *draft = move->draft >= 0 ?
			&normaliser->drafts[move->draft] :
			NULL;
		const char *path = move->path;

		if (draft != NULL && draft->duplicate)
			continue;
		if (draft != NULL)
			path = psprintf("steps.%s%s", draft->id, move->path);
		if (strcmp(path, move->given) != 0)
			name_map_add(normaliser->moved, path, i);
	}
}

/*
 * Where the author wrote what has this path in the stored form: the longest
 * part of it that was moved decides.
 */
char *
normaliser_given_path(void *places, const char *path)
{
	Normaliser *normaliser = places;
	char	   *prefix = pstrdup(path);
	size_t		length = strlen(prefix);

	if (normaliser->moved == NULL)
		name_moves(normaliser);
	while (length > 0)
	{
		int			moved;

		prefix[length] = '\0';
		moved = name_map_get(normaliser->moved, prefix);
		if (moved >= 0)
			return psprintf("%s%s", normaliser->moves[moved].given,
							path + length);
		while (--length > 0 && prefix[length] != '.' && prefix[length] != '[')
			;
	}
	return pstrdup(path);
}

/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Names in definitions: a map from name to number, the nearest known
 *	  word, and what an id may look like.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Definitions may have
 *	  thousands of steps, so look-ups are hashed and the search for a likeness
 *	  gives up on a candidate as early as it can.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/names.h"

#include "common/hashfn.h"
#include "definition/plan.h"

typedef struct NameEntry
{
	const char *name;			/* NULL: free */
	int			value;
} NameEntry;

struct NameMap
{
	NameEntry  *entries;
	uint32		size;			/* a power of two */
	uint32		used;
};

/* Words longer than this are not compared beyond their ends. */
#define DISTANCE_MAX_LENGTH 64

/*
 * An empty map with room for the expected number of names; it grows.
 */
NameMap *
name_map_create(int expected)
{
	NameMap    *map = palloc(sizeof(NameMap));

	map->size = 16;
	while (map->size < (uint32) expected * 2)
		map->size *= 2;
	map->used = 0;
	map->entries = palloc0(sizeof(NameEntry) * map->size);
	return map;
}

/*
 * Release the map, not the names.
 */
void
name_map_free(NameMap *map)
{
	pfree(map->entries);
	pfree(map);
}

/*
 * The entry of a name, or the free one where it would go.
 */
static NameEntry *
find_entry(const NameMap *map, const char *name)
{
	uint32		at = hash_bytes((const unsigned char *) name, strlen(name));

	for (;; at++)
	{
		NameEntry  *entry = &map->entries[at & (map->size - 1)];

		if (entry->name == NULL || strcmp(entry->name, name) == 0)
			return entry;
	}
}

/*
 * Add a name, which must stay where it is.  False when it is known already.
 */
bool
name_map_add(NameMap *map, const char *name, int value)
{
	NameEntry  *entry;

	if (map->used * 2 >= map->size)
	{
		NameEntry  *old = map->entries;
		uint32		old_size = map->size;

		map->size *= 2;
		map->entries = palloc0(sizeof(NameEntry) * map->size);
		for (uint32 i = 0; i < old_size; i++)
			if (old[i].name != NULL)
				*find_entry(map, old[i].name) = old[i];
		pfree(old);
	}

	entry = find_entry(map, name);
	if (entry->name != NULL)
		return false;
	entry->name = name;
	entry->value = value;
	map->used++;
	return true;
}

/*
 * The number of a name, -1 when it is not known.
 */
int
name_map_get(const NameMap *map, const char *name)
{
	NameEntry  *entry = find_entry(map, name);

	return entry->name != NULL ? entry->value : -1;
}

/*
 * How many characters must be added, left out, replaced or swapped with their
 * neighbour to get from one word to the other; anything over NAME_MAX_DISTANCE
 * counts as one more.
 */
int
name_distance(const char *word, const char *candidate)
{
	int			rows[3][DISTANCE_MAX_LENGTH + 1];
	int			best_before = 0;
	size_t		n,
				m;

	while (*word != '\0' && *word == *candidate)
		word++, candidate++;
	n = strlen(word);
	m = strlen(candidate);
	while (n > 0 && m > 0 && word[n - 1] == candidate[m - 1])
		n--, m--;
	if (n > m + NAME_MAX_DISTANCE || m > n + NAME_MAX_DISTANCE ||
		n > DISTANCE_MAX_LENGTH || m > DISTANCE_MAX_LENGTH)
		return NAME_MAX_DISTANCE + 1;

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (int) j;
	for (size_t i = 1; i <= n; i++)
	{
		int		   *current = rows[i % 3];
		const int  *previous = rows[(i + 2) % 3];
		const int  *before = rows[(i + 1) % 3];
		int			best = current[0] = (int) i;

		for (size_t j = 1; j <= m; j++)
		{
			int			cost = previous[j - 1] + (word[i - 1] != candidate[j - 1]);

			cost = Min(cost, previous[j] + 1);
			cost = Min(cost, current[j - 1] + 1);
			if (i > 1 && j > 1 && word[i - 1] == candidate[j - 2] &&
				word[i - 2] == candidate[j - 1])
				cost = Min(cost, before[j - 2] + 1);
			current[j] = cost;
			best = Min(best, cost);
		}
		/* a swap reaches back two rows */
		if (best > NAME_MAX_DISTANCE && best_before > NAME_MAX_DISTANCE)
			return NAME_MAX_DISTANCE + 1;
		best_before = best;
	}
	return Min(rows[n % 3][m], NAME_MAX_DISTANCE + 1);
}

/*
 * The name most like the word, the same in other letters or with at most a
 * third of it different; of equals the first in the alphabet, so that the
 * answer does not depend on the order in which names were added.
 */
const char *
name_map_nearest(const NameMap *map, const char *word)
{
	const char *nearest = NULL;
	int			limit = Min(NAME_MAX_DISTANCE, (int) (Min(strlen(word), 100) / 3));

	for (uint32 i = 0; i < map->size; i++)
	{
		const char *name = map->entries[i].name;
		int			distance;

		if (name == NULL)
			continue;
		distance = pg_strcasecmp(word, name) == 0 ? 0 :
													name_distance(word, name);
		if (distance < limit ||
			(distance == limit &&
			 (nearest == NULL || strcmp(name, nearest) < 0)))
		{
			limit = distance;
			nearest = name;
		}
	}
	return nearest;
}

/*
 * The hint that names it.
 */
char *
did_you_mean(const char *nearest)
{
	return nearest != NULL ? psprintf("Did you mean \"%s\"?", nearest) : NULL;
}

/*
 * Ids of steps, branches and variables become parts of scope paths and
 * references, so their alphabet is small and the roots of references are taken.
 */
const char *
name_id_complaint(const char *id)
{
	size_t		length = strlen(id);

	if (length == 0)
		return "must not be empty";
	if (length > PLAN_MAX_ID_LENGTH)
		return "is longer than 255 characters";
	for (const char *c = id; *c != '\0'; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			  (*c >= '0' && *c <= '9') || *c == '-' || *c == '_'))
			return "may contain letters, digits, \"-\" and \"_\" only";
	if (strcmp(id, "workflow") == 0 || strcmp(id, "loop") == 0 ||
		strcmp(id, "vars") == 0)
		return "is a reserved word";
	return NULL;
}

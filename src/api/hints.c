/*-------------------------------------------------------------------------
 *
 * hints.c
 *	  What to say of names and words that lead nowhere.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction, on the way to an error:
 *	  before ereport(), since names are read from tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgtime.h"

#include "api/api.h"
#include "definition/names.h"

char *
hint_about_name(NamedThing thing, const char *name, const char *otherwise)
{
	char	   *hint = did_you_mean(name_nearest(thing, name, GetUserId()));

	return hint != NULL ? hint : pstrdup(otherwise);
}

char *
hint_about_meant_word(const char *word, const char *const *words, int nwords)
{
	NameMap    *names = name_map_create(nwords);
	char	   *hint;

	for (int i = 0; i < nwords; i++)
		name_map_add(names, words[i], i);
	hint = did_you_mean(name_map_nearest(names, word));
	name_map_free(names);
	return hint;
}

char *
hint_about_word(const char *word, const char *const *words, int nwords)
{
	StringInfoData list;
	char	   *hint = hint_about_meant_word(word, words, nwords);

	if (hint != NULL)
		return hint;

	initStringInfo(&list);
	for (int i = 0; i < nwords; i++)
		appendStringInfo(&list, "%s\"%s\"",
						 i == 0 ? "" :
						 i == nwords - 1 ? " and " :
						 ", ",
						 words[i]);
	return psprintf("Valid values are %s.", list.data);
}

char *
hint_about_step(const WorkflowPlan *plan, const char *step_id,
				const char *otherwise)
{
	NameMap    *names = name_map_create(plan->nnodes);
	char	   *hint;

	for (int i = 0; i < plan->nnodes; i++)
		name_map_add(names, plan->nodes[i].id, i);
	hint = did_you_mean(name_map_nearest(names, step_id));
	name_map_free(names);
	return hint != NULL ? hint : pstrdup(otherwise);
}

char *
hint_about_timezone(const char *name, const char *otherwise)
{
	NameMap    *names = name_map_create(1024);
	pg_tzenum  *zones = pg_tzenumerate_start();
	pg_tz	   *zone;
	char	   *hint;

	while ((zone = pg_tzenumerate_next(zones)) != NULL)
		name_map_add(names, pstrdup(pg_get_timezone_name(zone)), 0);
	pg_tzenumerate_end(zones);
	hint = did_you_mean(name_map_nearest(names, name));
	name_map_free(names);
	return hint != NULL ? hint : pstrdup(otherwise);
}

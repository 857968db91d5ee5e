/*-------------------------------------------------------------------------
 *
 * agent_options.c
 *	  What an agent is registered with beside its code: retry policies.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  The options are JSON
 *	  documents with the fields of definitions, so they are read the same way.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/agent_options.h"
#include "definition/builder.h"

/*
 * Parse a text as the member key of an object, for the readers of fields.  Returns
 * NULL, with a problem added, when it is no JSON.
 */
static Json *
parse_member(const char *key, const char *text, ProblemList *problems)
{
	char	   *message;
	char	   *object = psprintf("{\"%s\": %s}", key, text);
	Json	   *document = json_parse(object, &message);

	if (document == NULL)
		problem_add(problems, PROBLEM_ERROR, key, NULL, NULL, "%s", message);
	pfree(object);
	return document;
}

void
agent_retry_parse(const char *text, RetryPolicy **policies, int *npolicies,
				  ProblemList *problems)
{
	Builder		builder = {.problems = problems};
	Json	   *document;
	Place		place = {NULL, "", NULL};

	*policies = NULL;
	*npolicies = 0;
	if (text == NULL)
		return;
	document = parse_member("retry", text, problems);
	if (document == NULL)
		return;
	place.object = document;
	if (field_get(&place, "retry") != NULL)
		*policies = build_policies(&builder, &place, npolicies);
	json_free(document);
}

/*-------------------------------------------------------------------------
 *
 * agent_options.c
 *	  What an agent is registered with beside its code: retry policies and a
 *	  circuit breaker.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  The options are JSON
 *	  documents with the fields of definitions, so they are read the same way.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/agent_options.h"
#include "definition/builder.h"

/* The source system's defaults. */
#define DEFAULT_FAILURE_THRESHOLD 5
#define DEFAULT_FAILURE_RATE 0.5
#define DEFAULT_TIMEOUT_SECONDS 60
#define DEFAULT_HALF_OPEN_CALLS 3
#define DEFAULT_WINDOW_SECONDS 120

#define LARGEST_FAILURE_THRESHOLD 1000000
#define LARGEST_HALF_OPEN_CALLS 1000
#define LONGEST_SECONDS 86400

/*
 * Parse a text as the member key of an object, for the readers of fields.
 * Returns NULL, with a problem added, when it is no JSON.
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
	Builder		builder = {.problems = problems,
						   .language = &front_end_native};
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

static double
build_rate(Builder *builder, const Place *place)
{
	const Json *value = field_of_kind(builder, place, "failure_rate_threshold",
									  JSON_NUMBER);
	double		rate;

	if (value == NULL)
		return DEFAULT_FAILURE_RATE;
	rate = strtod(json_number_text(value), NULL);
	if (!(rate > 0.0 && rate <= 1.0))
		field_error(builder, place, "failure_rate_threshold", NULL,
					"\"failure_rate_threshold\" must be a number greater than 0 and not greater than 1");
	return rate;
}

void
breaker_config_parse(const char *text, BreakerConfig *config,
					 ProblemList *problems)
{
	Builder		builder = {.problems = problems,
						   .language = &front_end_native};
	Json	   *document;
	Place		outer = {NULL, "", NULL};
	Place		place = {NULL, "circuit_breaker", NULL};

	memset(config, 0, sizeof(BreakerConfig));
	if (text == NULL)
		return;
	document = parse_member("circuit_breaker", text, problems);
	if (document == NULL)
		return;
	outer.object = document;
	place.object = field_of_kind(&builder, &outer, "circuit_breaker",
								 JSON_OBJECT);
	if (place.object != NULL)
	{
		check_fields(&builder, &place, &breaker_fields);
		config->enabled = field_boolean(&builder, &place, "enabled", true);
		config->failure_threshold =
			field_integer(&builder, &place, "failure_threshold", 1,
						  LARGEST_FAILURE_THRESHOLD, DEFAULT_FAILURE_THRESHOLD);
		config->failure_rate_threshold = build_rate(&builder, &place);
		config->timeout_seconds = field_integer(&builder, &place,
												"timeout_seconds", 1,
												LONGEST_SECONDS,
												DEFAULT_TIMEOUT_SECONDS);
		config->half_open_max_calls =
			field_integer(&builder, &place, "half_open_max_calls", 1,
						  LARGEST_HALF_OPEN_CALLS, DEFAULT_HALF_OPEN_CALLS);
		config->window_size_seconds = field_integer(&builder, &place,
													"window_size_seconds", 1,
													LONGEST_SECONDS,
													DEFAULT_WINDOW_SECONDS);
	}
	json_free(document);
}

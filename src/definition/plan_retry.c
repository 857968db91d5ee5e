/*-------------------------------------------------------------------------
 *
 * plan_retry.c
 *	  What follows a failure: retry policies and catch clauses.
 *
 * NOTES
 *	  Pure, like the whole room.  What an error name means (SQLSTATE, class,
 *	  condition name) is known to the server only: src/interpreter/retry.c.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/pure.h"

#include "definition/builder.h"
#include "definition/error_names.h"

const FieldSet retry_fields = {
	.owner = "a retry policy",
	.fields = NAMES("backoff_multiplier", "errors", "initial_delay_ms",
		"jitter", "max_delay_ms", "max_retries", "max_total_seconds",
		"retry_if", "type")
};

const FieldSet catch_fields = {
	.owner = "a catch clause",
	.fields = NAMES("as", "errors", "next_step")
};

/* The source system's defaults. */
#define DEFAULT_MAX_RETRIES 3
#define DEFAULT_INITIAL_DELAY_MS 1000
#define DEFAULT_MAX_DELAY_MS 30000
#define DEFAULT_MULTIPLIER 2.0

#define MAX_RETRIES 1000
#define LONGEST_DELAY_MS (1000 * 3600 * 24)
#define LARGEST_MULTIPLIER 1000.0

/*
 * Warn of a name that is nearly that of a known error: it would cover nothing.
 */
static void
check_error_name(Builder *builder, const Place *place, const char *name)
{
	const char *meant;

	if (builder->problems->count >= MAX_PROBLEMS)
		return;
	meant = error_name_meant(name);
	if (meant != NULL)
		problem_add(builder->problems, PROBLEM_WARNING,
					field_path(place, "errors"), place->step_id,
					did_you_mean(meant),
					"\"%s\" is not the name of a known error", name);
}

/* Names of errors: a list of strings, or one. */
static void
build_errors(Builder *builder, const Place *place, char ***errors, int *nerrors)
{
	const Json *value = field_get(place, "errors");
	const Json *item;
	bool		is_list;

	if (value == NULL)
		return;
	is_list = json_kind(value) == JSON_ARRAY;
	if (!is_list && json_kind(value) != JSON_STRING)
	{
		field_error(builder, place, "errors", NULL,
					"\"errors\" must be an array of strings, not %s", json_kind_name(value));
		return;
	}
	*errors = palloc(sizeof(char *) * Max(is_list ? json_count(value) : 1, 1));
	for (item = is_list ? json_first(value) : value; item != NULL;
		 item = is_list ? json_next(item) : NULL)
	{
		if (json_kind(item) != JSON_STRING || json_string(item)[0] == '\0')
		{
			field_error(builder, place, "errors",
						"An error is an SQLSTATE (\"40001\"), a class (\"08*\"), a condition name, an agent's code, \"timeout\", \"task_failed\" or \"all\".",
						"\"errors\" must hold strings that are not empty");
			return;
		}
		check_error_name(builder, place, json_string(item));
		(*errors)[(*nerrors)++] = pstrdup(json_string(item));
	}
}

static void
build_multiplier(Builder *builder, RetryPolicy *policy, const Place *place)
{
	const Json *value = field_of_kind(builder, place, "backoff_multiplier",
									  JSON_NUMBER);

	policy->backoff_multiplier = DEFAULT_MULTIPLIER;
	if (value == NULL)
		return;
	policy->backoff_multiplier = strtod(json_number_text(value), NULL);
	if (!(policy->backoff_multiplier >= 1.0 &&
		  policy->backoff_multiplier <= LARGEST_MULTIPLIER))
		field_error(builder, place, "backoff_multiplier", NULL,
					"\"backoff_multiplier\" must be a number from 1 to %g", LARGEST_MULTIPLIER);
}

static void
build_retry_if(Builder *builder, RetryPolicy *policy, const Place *place)
{
	ExpressionError error;

	policy->retry_if_text = field_string(builder, place, "retry_if", false);
	if (policy->retry_if_text == NULL)
		return;
	if (place->step_id == NULL)
	{
		field_error(builder, place, "retry_if", "Give the step a \"retry\" of its own.",
					"\"retry_if\" needs the error of one step and can only stand in the step's \"retry\"");
		return;
	}
	policy->retry_if = expression_parse(policy->retry_if_text, &error);
	if (policy->retry_if == NULL)
		field_error(builder, place, "retry_if", NULL, "%s at character %d",
					error.message, error.position);
}

static void
build_policy(Builder *builder, RetryPolicy *policy, const Place *place)
{
	static const char *const types[] = {
		"exponential_backoff", "fixed_delay", "linear_backoff", "immediate", NULL
	};

	memset(policy, 0, sizeof(RetryPolicy));
	check_fields(builder, place, &retry_fields);
	build_errors(builder, place, &policy->errors, &policy->nerrors);
	policy->type = (RetryType) field_choice(builder, place, "type", types,
											RETRY_EXPONENTIAL);
	policy->max_retries = field_integer(builder, place, "max_retries", 0,
										MAX_RETRIES, DEFAULT_MAX_RETRIES);
	policy->initial_delay_ms = field_integer(builder, place, "initial_delay_ms",
											 0, LONGEST_DELAY_MS,
											 DEFAULT_INITIAL_DELAY_MS);
	policy->max_delay_ms =
		field_integer(builder, place, "max_delay_ms", 0, LONGEST_DELAY_MS,
					  Max(DEFAULT_MAX_DELAY_MS, policy->initial_delay_ms));
	if (policy->max_delay_ms < policy->initial_delay_ms)
		field_error(builder, place, "max_delay_ms", NULL,
					"\"max_delay_ms\" is less than \"initial_delay_ms\"");
	build_multiplier(builder, policy, place);
	policy->jitter = field_boolean(builder, place, "jitter", true);
	policy->max_total_seconds = field_integer(builder, place,
											  "max_total_seconds", 1,
											  MAX_TIMEOUT_SECONDS, 0);
	build_retry_if(builder, policy, place);
}

/*
 * One policy, or a list of them of which the first that names the error counts.
 * place->object has them as the member "retry".
 */
RetryPolicy *
build_policies(Builder *builder, const Place *place, int *npolicies)
{
	const Json *value = field_get(place, "retry");
	bool		is_list = json_kind(value) == JSON_ARRAY;
	RetryPolicy *policies;
	int			index = 0;

	*npolicies = 0;
	policies = palloc(sizeof(RetryPolicy) *
					  Max(is_list ? json_count(value) : 1, 1));
	for (const Json *item = is_list ? json_first(value) : value; item != NULL;
		 item = is_list ? json_next(item) : NULL)
	{
		char	   *path = field_path(place, "retry");
		Place		below = {item, NULL, place->step_id};

		below.path = is_list ? psprintf("%s[%d]", path, index++) : path;
		if (json_kind(item) != JSON_OBJECT)
		{
			field_error(builder, &below, NULL, NULL,
						"a retry policy must be an object, not %s", json_kind_name(item));
			continue;
		}
		build_policy(builder, &policies[(*npolicies)++], &below);
	}
	return policies;
}

/*
 * "retry" of a step, or of the defaults.
 */
void
build_retry(Builder *builder, PlanNode *node, const Place *place)
{
	if (field_get(place, "retry") == NULL)
		return;
	if (place->step_id != NULL && !step_is_leaf(node) &&
		!step_is_container(node))
	{
		field_error(builder, place, "retry", NULL,
					"only agent and sql steps and containers can be retried");
		return;
	}
	node->retry = build_policies(builder, place, &node->nretry);
	node->nown_retry = node->nretry;
}

/*
 * A variable that the step sets; NULL: none, or, with a problem reported, no
 * name for one.
 */
static char *
build_variable(Builder *builder, const Place *place, const char *field,
			   PlanNode *node)
{
	char	   *name = field_string(builder, place, field, false);
	const char *complaint = name != NULL ? name_id_complaint(name) : NULL;

	if (complaint != NULL)
	{
		field_error(builder, place, field, NULL, "the name of a variable %s",
					complaint);
		return NULL;
	}
	if (name != NULL)
	{
		builder->plan->assigns_variables = true;
		name_map_add(builder->variables, name, node->index);
	}
	return name;
}

/*
 * "catch": clauses of which the first that names the error says where the scope
 * goes on.
 */
void
build_catch(Builder *builder, PlanNode *node, const Place *place)
{
	const Json *value = field_of_kind(builder, place, "catch", JSON_ARRAY);
	int			index = 0;

	if (value == NULL)
		return;
	node->catches = palloc0(sizeof(CatchClause) * Max(json_count(value), 1));
	for (const Json *item = json_first(value); item != NULL;
		 item = json_next(item))
	{
		CatchClause *clause = &node->catches[node->ncatches];
		Place		below = {item, NULL, place->step_id};

		below.path = psprintf("%s[%d]", field_path(place, "catch"), index++);
		if (json_kind(item) != JSON_OBJECT ||
			json_get(item, "next_step") == NULL)
		{
			field_error(builder, &below, NULL, NULL,
						"a catch clause must be an object with \"next_step\"");
			continue;
		}
		check_fields(builder, &below, &catch_fields);
		build_errors(builder, &below, &clause->errors, &clause->nerrors);
		clause->as = build_variable(builder, &below, "as", node);
		clause->target = find_step(builder, &below, "next_step",
								   json_get(item, "next_step"));
		if (clause->target < 0)
			builder->links_broken = true;
		else
			node->ncatches++;
	}
}

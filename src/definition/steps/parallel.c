/*-------------------------------------------------------------------------
 *
 * parallel.c
 *	  Blocks whose children run at the same time.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/explainer.h"
#include "definition/normaliser.h"
#include "definition/steps/step_types.h"

/*
 * Is the text a decimal between 0 and 1?
 */
static bool
is_ratio(const char *text)
{
	const char *fraction = "";

	if (strlen(text) > JOIN_MAX_RATIO)
		return false;
	if (text[0] != '0' && text[0] != '1')
		return false;
	if (text[1] == '.')
		fraction = text + 2;
	else if (text[1] != '\0')
		return false;
	if (strspn(fraction, "0123456789") != strlen(fraction))
		return false;
	return text[0] == '0' || strspn(fraction, "0") == strlen(fraction);
}

/*
 * How many children of a parallel block must succeed.
 */
static void
build_quorum(Builder *builder, PlanNode *node, const Place *place)
{
	const Json *ratio = field_of_kind(builder, place, "min_success_ratio",
									  JSON_NUMBER);

	if (field_get(place, "min_success") != NULL &&
		field_get(place, "min_success_ratio") != NULL)
		field_error(builder, place, "min_success_ratio", NULL,
					"\"min_success\" and \"min_success_ratio\" exclude each other");
	else if (field_get(place, "min_success") != NULL)
	{
		node->join.policy = JOIN_N_OF_M;
		node->join.n_required = field_integer(builder, place, "min_success", 1,
											  Max(node->nlines, 1), 1);
	}
	else if (ratio != NULL && !is_ratio(json_number_text(ratio)))
		field_error(builder, place, "min_success_ratio", NULL,
					"\"min_success_ratio\" must be a decimal between 0 and 1");
	else if (ratio != NULL)
	{
		node->join.policy = JOIN_RATIO;
		strlcpy(node->join.ratio, json_number_text(ratio),
				sizeof(node->join.ratio));
	}
}

/*
 * A block whose children run at the same time, a line each.
 */
static void
build_parallel(Builder *builder, PlanNode *node, const Place *place)
{
	static const char *const policies[] = {"stop", "continue", NULL};
	const Json *children = field_of_kind(builder, place, "parallel_steps",
										 JSON_ARRAY);
	int			index = 0;

	if (field_get(place, "parallel_steps") == NULL)
		field_error(builder, place, "parallel_steps", NULL,
					"\"parallel_steps\" is required");
	if (children != NULL)
	{
		check_child_count(builder, node, place, "parallel_steps",
						  json_count(children), "child", "children");
		for (const Json *item = json_first(children); item != NULL;
			 item = json_next(item))
		{
			char	   *element = psprintf("parallel_steps[%d]", index++);
			bool		named = json_kind(item) == JSON_STRING;

			add_line(node, named ? pstrdup(json_string(item)) : NULL);
			add_child(builder, node, place, element, item);
			pfree(element);
		}
	}
	node->max_parallelism = field_integer(builder, place, "max_parallelism",
										  1, ANY_INTEGER, 0);
	node->on_error = (ErrorPolicy) field_choice(builder, place, "on_error",
												policies, ON_ERROR_CONTINUE);
	node->join.stop_on_failure = (node->on_error == ON_ERROR_STOP);
	build_quorum(builder, node, place);
	build_on_join(builder, node, place);
}

static Json *
stored_parallel_steps(Normaliser *normaliser, const char *field,
					  const Json *value, GivenPlace place)
{
	if (strcmp(field, "parallel_steps") != 0)
		return NULL;
	return stored_children(normaliser, value, place, CHILDREN_LIST);
}

static const FieldSet fields_of_parallel = {
	.owner = "a step of type parallel",
	.fields = NAMES("max_parallelism", "min_success", "min_success_ratio",
		"on_error", "on_join", "parallel_steps", "timeout_strategy"),
	.more = &step_fields
};

const StepTypeInfo step_type_parallel = {
	.fields = &fields_of_parallel,
	.stored_children = stored_parallel_steps,
	.build = build_parallel,
	.explain_heading = explain_join,
	.lines_noun = "steps",
	.subject = needed_children,
	.shape = {"[/", "\\]"}
};

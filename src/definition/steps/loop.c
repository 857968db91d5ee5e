/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  Loops: over a collection, or while or until a condition holds.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/checker.h"
#include "definition/explainer.h"
#include "definition/normaliser.h"
#include "definition/steps/loop.h"
#include "definition/steps/step_types.h"

const FieldSet loop_config_fields = {
	.owner = "\"loop_config\"",
	.fields = NAMES("batch_size", "collection", "execution_mode", "label",
		"loop_body", "max_iterations", "max_parallelism", "on_error", "result",
		"until", "while")
};

/*
 * What a loop goes over: items, or a condition.
 */
static void
build_loop_kind(Builder *builder, PlanNode *node, const Place *config)
{
	LoopPart   *part = loop_part(node);
	const Json *collection = field_get(config, "collection");
	const char *condition = field_get(config, "while") != NULL ? "while" :
																 "until";
	int			given = (collection != NULL) +
		(field_get(config, "while") != NULL) +
		(field_get(config, "until") != NULL);

	if (given != 1)
	{
		field_error(builder, config, given == 0 ? "collection" : NULL, NULL,
					"a loop needs one of \"collection\", \"while\" and \"until\"");
		return;
	}
	if (collection == NULL)
	{
		part->kind = strcmp(condition, "while") == 0 ? LOOP_WHILE : LOOP_UNTIL;
		part->condition = build_condition(builder, config, condition,
											   field_get(config, condition));
		if (part->parallel)
			field_error(builder, config, "execution_mode", NULL,
						"a \"%s\" loop cannot run in parallel", condition);
		return;
	}

	part->kind = LOOP_COLLECTION;
	part->collection = field_template(builder, config, "collection");
	part->collection_text = json_kind(collection) == JSON_STRING ?
		pstrdup(json_string(collection)) : json_print(collection);
	if (part->collection != NULL && json_kind(collection) != JSON_ARRAY &&
		part->collection->kind != TEMPLATE_EXPRESSION)
		field_error(builder, config, "collection", NULL,
					"\"collection\" must be one ${...} reference or an array");
}

/*
 * A loop.
 */
static void
build_loop(Builder *builder, PlanNode *node, const Place *config)
{
	LoopPart   *part = loop_part(node);
	static const char *const modes[] = {"sequential", "parallel", NULL};
	static const char *const policies[] = {"stop", "continue", "collect", NULL};
	static const char *const results[] = {"iterations", "outputs", "counts",
										  NULL};
	const Json *body = field_of_kind(builder, config, "loop_body", JSON_ARRAY);
	const Json *label;

	part->parallel = field_choice(builder, config, "execution_mode", modes,
								  0) == 1;
	build_loop_kind(builder, node, config);
	if (field_get(config, "loop_body") == NULL)
		field_error(builder, config, "loop_body", NULL,
					"\"loop_body\" is required");
	add_line(node, NULL);
	if (body != NULL)
		add_children(builder, node, config, "loop_body", body);

	label = field_of_kind(builder, config, "label", JSON_STRING);
	if (label != NULL)
	{
		part->label = field_template(builder, config, "label");
		part->label_text = pstrdup(json_string(label));
	}
	node->max_parallelism = field_integer(builder, config, "max_parallelism",
										  1, ANY_INTEGER, 0);
	part->max_iterations = field_integer(builder, config, "max_iterations", 1,
										 ANY_INTEGER,
										 part->kind == LOOP_COLLECTION ?
											 0 :
											 DEFAULT_MAX_ITERATIONS);
	part->batch_size = field_integer(builder, config, "batch_size", 1,
									 MAX_BATCH, 0);
	node->on_error = (ErrorPolicy) field_choice(builder, config, "on_error",
												policies, ON_ERROR_STOP);
	node->join.stop_on_failure = (node->on_error == ON_ERROR_STOP);
	/* none may fail, or it does not matter */
	node->join.policy = node->on_error == ON_ERROR_CONTINUE ? JOIN_N_OF_M :
															  JOIN_ALL;
	part->result = (LoopResult) field_choice(builder, config, "result", results,
												  LOOP_RESULT_ITERATIONS);
}

static void
check_loop(Checker *checker, PlanNode *node, const Json *source)
{
	LoopPart   *part = loop_part(node);
	const Json *config = json_get(source, "loop_config");

	check_template(checker, part->collection, BEFORE_STEP,
				   "loop_config.collection");
	check_template(checker, part->label, BEFORE_ITERATION, "loop_config.label");
	if (part->kind == LOOP_WHILE)
		check_condition(checker, part->condition, BEFORE_ITERATION,
						"loop_config.while", json_get(config, "while"));
	else
		check_condition(checker, part->condition, AFTER_ITERATION,
						"loop_config.until", json_get(config, "until"));
}

/*
 * What a loop goes over and how.
 */
static void
explain_loop(Explainer *explainer, const PlanNode *node)
{
	const LoopPart *part = loop_part(node);
	static const char *const policies[] = {
		[ON_ERROR_STOP] = "stop",
		[ON_ERROR_CONTINUE] = "continue",
		[ON_ERROR_COLLECT] = "collect"
	};

	explain_remark(explainer, part->parallel ? "parallel" : "sequential");
	explain_remark(explainer, "on error %s", policies[node->on_error]);
	if (part->max_iterations > 0)
		explain_remark(explainer, "at most %d iterations",
					   part->max_iterations);
	if (part->batch_size > 0)
		explain_remark(explainer, "up to %d iterations in one transaction",
					   part->batch_size);
	if (part->result != LOOP_RESULT_ITERATIONS)
		explain_remark(explainer, "result %s",
					   part->result == LOOP_RESULT_OUTPUTS ? "outputs" :
															 "counts");
}

static void
explain_way(Explainer *explainer, const PlanNode *node, int indent)
{
	const LoopPart *part = loop_part(node);

	if (part->collection_text != NULL)
		explain_fact(explainer, indent, "for each item of %s",
					 part->collection_text);
	if (part->condition != NULL)
		explain_fact(explainer, indent, "%s %s",
					 part->kind == LOOP_WHILE ? "while" : "until",
					 explain_condition(part->condition));
	if (part->label_text != NULL)
		explain_fact(explainer, indent, "each called %s", part->label_text);
}

static const char *
loop_subject(const PlanNode *node, bool all)
{
	const LoopPart *part = loop_part(node);

	if (!all || part->kind == LOOP_COLLECTION)
		return all ? part->collection_text : NULL;
	return psprintf("%s %s", part->kind == LOOP_WHILE ? "while" : "until",
					part->condition->text);
}

static const Alias loop_aliases[] = {
	{"loop_over", "collection"},
	{"loop_step", "loop_body"},
	{"error_policy", "on_error"},
	{NULL, NULL}
};

static Json *
stored_body(Normaliser *normaliser, const char *field, const Json *value,
			GivenPlace place)
{
	if (strcmp(field, "loop_body") != 0)
		return NULL;
	return stored_children(normaliser, value, place, CHILDREN_LIST);
}

static const FieldSet fields_of_loop = {
	.owner = "a step of type loop",
	.fields = NAMES("loop_config", "timeout_strategy"),
	.more = &step_fields,
	.flat = &loop_config_fields
};

const StepTypeInfo step_type_loop = {
	.fields = &fields_of_loop,
	.config = "loop_config",
	.config_aliases = loop_aliases,
	.stored_children = stored_body,
	.part_size = sizeof(LoopPart),
	.build = build_loop,
	.check_references = check_loop,
	.explain_heading = explain_loop,
	.explain_facts = explain_way,
	.subject = loop_subject,
	.shape = {"[[", "]]"}
};

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
#include "definition/explain.h"
#include "definition/normaliser.h"

const FieldSet loop_config_fields = {
	.owner = "\"loop_config\"",
	.fields = (const Field[]) {
		{"batch_size", FIELD_USED}, {"collection", FIELD_USED}, {"execution_mode", FIELD_USED}, {"label", FIELD_USED},
		{"loop_body", FIELD_USED}, {"max_iterations", FIELD_USED}, {"max_parallelism", FIELD_USED}, {"on_error", FIELD_USED},
		{"result", FIELD_USED}, {"until", FIELD_USED}, {"while", FIELD_USED}, {NULL, FIELD_USED}
	}
};

/*
 * What a loop goes over: items, or a condition.
 */
static void
build_loop_kind(Builder *builder, PlanNode *node, const Place *config)
{
	const Json *collection = field_get(config, "collection");
	const char *condition = field_get(config, "while") != NULL ? "while" : "until";
	int			given = (collection != NULL) + (field_get(config, "while") != NULL) +
		(field_get(config, "until") != NULL);

	if (given != 1)
	{
		field_error(builder, config, given == 0 ? "collection" : NULL, NULL,
					"a loop needs one of \"collection\", \"while\" and \"until\"");
		return;
	}
	if (collection == NULL)
	{
		node->loop_kind = strcmp(condition, "while") == 0 ? LOOP_WHILE : LOOP_UNTIL;
		node->loop_condition = build_condition(builder, config, condition,
											   field_get(config, condition));
		if (node->loop_parallel)
			field_error(builder, config, "execution_mode", NULL,
						"a \"%s\" loop cannot run in parallel", condition);
		return;
	}

	node->loop_kind = LOOP_COLLECTION;
	node->collection = field_template(builder, config, "collection");
	node->collection_text = json_kind(collection) == JSON_STRING ?
		pstrdup(json_string(collection)) : json_print(collection);
	if (node->collection != NULL && json_kind(collection) != JSON_ARRAY &&
		node->collection->kind != TEMPLATE_EXPRESSION)
		field_error(builder, config, "collection", NULL,
					"\"collection\" must be one ${...} reference or an array");
}

/*
 * A loop.
 */
static void
build_loop(Builder *builder, PlanNode *node, const Place *config)
{
	static const char *const modes[] = {"sequential", "parallel", NULL};
	static const char *const policies[] = {"stop", "continue", "collect", NULL};
	static const char *const results[] = {"iterations", "outputs", "counts", NULL};
	const Json *body = field_of_kind(builder, config, "loop_body", JSON_ARRAY);
	const Json *label;

	node->loop_parallel = field_choice(builder, config, "execution_mode", modes, 0) == 1;
	build_loop_kind(builder, node, config);
	if (field_get(config, "loop_body") == NULL)
		field_error(builder, config, "loop_body", NULL, "\"loop_body\" is required");
	add_line(node, NULL);
	if (body != NULL)
		add_children(builder, node, config, "loop_body", body);

	label = field_of_kind(builder, config, "label", JSON_STRING);
	if (label != NULL)
	{
		node->label = field_template(builder, config, "label");
		node->label_text = pstrdup(json_string(label));
	}
	node->max_parallelism = field_integer(builder, config, "max_parallelism",
										  1, ANY_INTEGER, 0);
	node->max_iterations = field_integer(builder, config, "max_iterations", 1, ANY_INTEGER,
										 node->loop_kind == LOOP_COLLECTION ? 0 :
										 DEFAULT_MAX_ITERATIONS);
	node->batch_size = field_integer(builder, config, "batch_size", 1, MAX_BATCH, 0);
	node->on_error = (ErrorPolicy) field_choice(builder, config, "on_error", policies,
												ON_ERROR_STOP);
	node->join.stop_on_failure = (node->on_error == ON_ERROR_STOP);
	/* none may fail, or it does not matter */
	node->join.policy = node->on_error == ON_ERROR_CONTINUE ? JOIN_N_OF_M : JOIN_ALL;
	node->loop_result = (LoopResult) field_choice(builder, config, "result", results,
												  LOOP_RESULT_ITERATIONS);
}

static void
build_configured(Builder *builder, PlanNode *node, const Place *place)
{
	Place		config;

	if (step_configuration(builder, place, "loop_config", &loop_config_fields, &config))
		build_loop(builder, node, &config);
}

static void
check_loop(Checker *checker, PlanNode *node, const Json *source)
{
	const Json *config = json_get(source, "loop_config");

	check_template(checker, node->collection, BEFORE_STEP, "loop_config.collection");
	check_template(checker, node->label, BEFORE_ITERATION, "loop_config.label");
	if (node->loop_kind == LOOP_WHILE)
		check_condition(checker, node->loop_condition, BEFORE_ITERATION,
						"loop_config.while", json_get(config, "while"));
	else
		check_condition(checker, node->loop_condition, AFTER_ITERATION,
						"loop_config.until", json_get(config, "until"));
}

/*
 * What a loop goes over and how.
 */
static void
explain_loop(Explainer *explainer, const PlanNode *node)
{
	static const char *const policies[] = {
		[ON_ERROR_STOP] = "stop",
		[ON_ERROR_CONTINUE] = "continue",
		[ON_ERROR_COLLECT] = "collect"
	};

	explain_remark(explainer, node->loop_parallel ? "parallel" : "sequential");
	explain_remark(explainer, "on error %s", policies[node->on_error]);
	if (node->max_iterations > 0)
		explain_remark(explainer, "at most %d iterations", node->max_iterations);
	if (node->batch_size > 0)
		explain_remark(explainer, "up to %d iterations in one transaction", node->batch_size);
	if (node->loop_result != LOOP_RESULT_ITERATIONS)
		explain_remark(explainer, "result %s", node->loop_result == LOOP_RESULT_OUTPUTS ?
			   "outputs" : "counts");
}

static void
explain_way(Explainer *explainer, const PlanNode *node, int indent)
{
	if (node->collection_text != NULL)
		explain_fact(explainer, indent, "for each item of %s", node->collection_text);
	if (node->loop_condition != NULL)
		explain_fact(explainer, indent, "%s %s", node->loop_kind == LOOP_WHILE ? "while" : "until",
					 explain_condition(node->loop_condition));
	if (node->label_text != NULL)
		explain_fact(explainer, indent, "each called %s", node->label_text);
}

static const char *
loop_subject(const PlanNode *node, bool all)
{
	if (!all || node->loop_kind == LOOP_COLLECTION)
		return all ? node->collection_text : NULL;
	return psprintf("%s %s", node->loop_kind == LOOP_WHILE ? "while" : "until",
					node->loop_condition->text);
}

static const Alias loop_aliases[] = {
	{"loop_over", "collection"},
	{"loop_step", "loop_body"},
	{"error_policy", "on_error"},
	{NULL, NULL}
};

static bool
write_body(Normaliser *normaliser, const char *field, const Json *value, GivenPlace place)
{
	if (strcmp(field, "loop_body") != 0)
		return false;
	write_children(normaliser, value, place, CHILDREN_LIST);
	return true;
}

static const FieldSet fields_of_loop = {
	.owner = "a step of type loop",
	.fields = (const Field[]) {
		{"loop_config", FIELD_USED}, {"timeout_strategy", FIELD_USED}, {NULL, FIELD_USED}
	},
	.more = &step_fields,
	.flat = &loop_config_fields
};

const StepTypeInfo step_type_loop = {
	.name = "loop",
	.traits = TRAIT_CONTAINER | TRAIT_ITERATES,
	.fields = &fields_of_loop,
	.config = "loop_config",
	.config_aliases = loop_aliases,
	.write_children = write_body,
	.build = build_configured,
	.check_references = check_loop,
	.explain_heading = explain_loop,
	.explain_facts = explain_way,
	.subject = loop_subject,
	.shape = {"[[", "]]"}
};

/*-------------------------------------------------------------------------
 *
 * conditional.c
 *	  Conditionals: one condition with two branches, or a switch.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/checker.h"
#include "definition/explainer.h"
#include "definition/normaliser.h"
#include "definition/steps/conditional.h"
#include "definition/steps/step_types.h"

const FieldSet case_fields = {
	.owner = "a case",
	.fields = NAMES("next_step", "step", "when")
};

/*
 * Where a case of a switch leads: children of its own, or a jump.
 */
static void
build_case_target(Builder *builder, PlanNode *node, const Place *place)
{
	PlanLine   *line = &node->lines[node->nlines - 1];
	const Json *step = field_get(place, "step");
	const Json *next = field_get(place, "next_step");

	if ((step == NULL) == (next == NULL))
		field_error(builder, place, NULL, NULL,
					"a case needs either \"step\" or \"next_step\"");
	else if (step != NULL)
		add_children(builder, node, place, "step", step);
	else
		line->jump = find_step(builder, place, "next_step", next);
}

/*
 * What stands in a field of the conditional itself: children, or an object that
 * is read like the target of a case.  For the line added last.
 */
static void
build_target(Builder *builder, PlanNode *node, const Place *place,
			 const char *field, const Json *value)
{
	Place		below;

	if (json_kind(value) != JSON_OBJECT)
	{
		add_children(builder, node, place, field, value);
		return;
	}
	below.object = value;
	below.path = psprintf("%s.%s", place->path, field);
	below.step_id = place->step_id;
	build_case_target(builder, node, &below);
}

/*
 * A conditional with several cases.
 */
static void
build_switch(Builder *builder, PlanNode *node, const Place *place)
{
	ConditionalPart *part = conditional_part(node);
	const Json *cases = field_of_kind(builder, place, "switch", JSON_ARRAY);
	const Json *otherwise = field_get(place, "default");
	int			number = 0;

	if (cases != NULL && json_first(cases) == NULL)
		field_error(builder, place, "switch", NULL,
					"\"switch\" needs at least one case");
	for (const Json *item = cases != NULL ? json_first(cases) : NULL;
		 item != NULL; item = json_next(item))
	{
		PlanLine   *line = add_line(node, psprintf("case %d", number + 1));
		Place		below;

		/*
		 * Paths have had it so since before they could hold a blank, and rows
		 * of executions that go on have those.
		 */
		line->path_name = psprintf("case_%d", number + 1);
		below.object = item;
		below.path = psprintf("%s.switch[%d]", place->path, number++);
		below.step_id = place->step_id;
		if (json_kind(item) != JSON_OBJECT)
		{
			field_error(builder, &below, NULL, NULL,
						"a case must be an object, not %s",
						json_kind_name(item));
			continue;
		}
		check_fields(builder, &below, &case_fields);
		if (field_get(&below, "when") == NULL)
			field_error(builder, &below, "when", NULL, "\"when\" is required");
		else
			line->when = build_condition(builder, &below, "when",
										 field_get(&below, "when"));
		if (line->when != NULL && line->when->sql != NULL)
			field_error(builder, &below, "when",
						"Use a step with \"condition\" for a condition in SQL.",
						"the condition of a case must be an expression");
		build_case_target(builder, node, &below);
	}

	if (otherwise == NULL)
		return;
	add_line(node, pstrdup("default"));
	part->default_line = node->nlines - 1;
	build_target(builder, node, place, "default", otherwise);
}

/*
 * A conditional: one condition with two branches, or a switch.
 */
static void
build_conditional(Builder *builder, PlanNode *node, const Place *place)
{
	ConditionalPart *part = conditional_part(node);
	const Json *condition = field_get(place, "condition");
	const Json *if_true = field_get(place, "if_true_step");
	const Json *if_false = field_get(place, "if_false_step");

	part->default_line = -1;
	if ((condition == NULL) == (field_get(place, "switch") == NULL))
	{
		field_error(
			builder, place, condition == NULL ? "condition" : "switch", NULL,
			"a conditional step needs either \"condition\" or \"switch\"");
		return;
	}
	if (condition == NULL)
	{
		if (if_true != NULL || if_false != NULL)
			field_error(builder, place, if_true != NULL ? "if_true_step" : "if_false_step",
						"The cases of a switch name their own steps; \"default\" is for the rest.",
						"a switch has no \"if_true_step\" and \"if_false_step\"");
		build_switch(builder, node, place);
		return;
	}

	if (field_get(place, "default") != NULL)
		field_error(builder, place, "default", "Use \"if_false_step\".",
					"\"default\" belongs to a switch");
	part->condition = build_condition(builder, place, "condition", condition);
	if (if_true == NULL && if_false == NULL)
		field_error(builder, place, "if_true_step", NULL,
					"a conditional step needs \"if_true_step\" or \"if_false_step\"");
	if (if_true != NULL)
	{
		add_line(node, pstrdup("then"));
		build_target(builder, node, place, "if_true_step", if_true);
	}
	if (if_false != NULL)
	{
		add_line(node, pstrdup("else"));
		part->default_line = node->nlines - 1;
		build_target(builder, node, place, "if_false_step", if_false);
	}
}

static void
check_conditional(Checker *checker, PlanNode *node, const Json *source)
{
	ConditionalPart *part = conditional_part(node);
	const Json *cases = json_get(source, "switch");
	const Json *item;

	check_condition(checker, part->condition, BEFORE_STEP, "condition",
					json_get(source, "condition"));
	if (part->condition != NULL)
		return;
	item = cases != NULL ? json_first(cases) : NULL;
	for (int i = 0; i < node->nlines && item != NULL;
		 i++, item = json_next(item))
		check_condition(checker, node->lines[i].when, BEFORE_STEP,
						psprintf("switch[%d].when", i), json_get(item, "when"));
}

static void
explain_conditional(Explainer *explainer, const PlanNode *node, int indent)
{
	const ConditionalPart *part = conditional_part(node);

	if (part->condition != NULL)
		explain_fact(explainer, indent, "if %s",
					 explain_condition(part->condition));
}

static const char *
conditional_subject(const PlanNode *node, bool all)
{
	const ConditionalPart *part = conditional_part(node);

	return all && part->condition != NULL ? part->condition->text : NULL;
}

static Json *
stored_branches(Normaliser *normaliser, const char *field, const Json *value,
				GivenPlace place)
{
	if (strcmp(field, "switch") == 0)
		return stored_switch(normaliser, value, place);
	if (strcmp(field, "default") == 0)
		return stored_target(normaliser, value, place);
	if (strcmp(field, "if_true_step") == 0 ||
		strcmp(field, "if_false_step") == 0)
		return stored_condition_branch(normaliser, value, place);
	return NULL;
}

static const FieldSet fields_of_conditional = {
	.owner = "a step of type conditional",
	.fields = NAMES("condition", "default", "if_false_step", "if_true_step",
		"switch", "timeout_strategy"),
	.more = &step_fields
};

const StepTypeInfo step_type_conditional = {
	.fields = &fields_of_conditional,
	.stored_children = stored_branches,
	.part_size = sizeof(ConditionalPart),
	.build = build_conditional,
	.check_references = check_conditional,
	.explain_facts = explain_conditional,
	.line_word = "",
	.subject = conditional_subject,
	.shape = {"{{", "}}"}
};

/*-------------------------------------------------------------------------
 *
 * terminal.c
 *	  Steps that end the execution, or their scope: succeed, fail.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/checker.h"
#include "definition/explainer.h"
#include "definition/steps/step_types.h"
#include "definition/steps/terminal.h"

static void
build_succeed(Builder *builder, PlanNode *node, const Place *place)
{
	static const char *const ends[] = {"execution", "scope", NULL};

	terminal_part(node)->ends_scope = field_choice(builder, place, "ends",
												   ends, 0) == 1;
}

static void
build_fail(Builder *builder, PlanNode *node, const Place *place)
{
	TerminalPart *part = terminal_part(node);

	build_succeed(builder, node, place);
	part->error = field_template(builder, place, "error");
	part->message = field_template(builder, place, "message");
}

static void
check_fail(Checker *checker, PlanNode *node,
		   const Json *source pg_attribute_unused())
{
	TerminalPart *part = terminal_part(node);

	check_template(checker, part->error, BEFORE_STEP, "error");
	check_template(checker, part->message, BEFORE_STEP, "message");
}

static void
explain_end(Explainer *explainer, const PlanNode *node)
{
	if (step_ends_scope(node))
		explain_remark(explainer, "ends its scope");
}

static const FieldSet fields_of_succeed = {
	.owner = "a step of type succeed",
	.fields = NAMES("ends"),
	.more = &step_fields
};

static const FieldSet fields_of_fail = {
	.owner = "a step of type fail",
	.fields = NAMES("ends", "error", "message"),
	.more = &step_fields
};

const StepTypeInfo step_type_succeed = {
	.fields = &fields_of_succeed,
	.part_size = sizeof(TerminalPart),
	.build = build_succeed,
	.explain_heading = explain_end,
	.shape = {"([", "])"}
};

const StepTypeInfo step_type_fail = {
	.fields = &fields_of_fail,
	.part_size = sizeof(TerminalPart),
	.build = build_fail,
	.check_references = check_fail,
	.explain_heading = explain_end,
	.shape = {"([", "])"}
};

/*-------------------------------------------------------------------------
 *
 * fail.c
 *	  Steps that end the execution as failed.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/checker.h"

static void
build_fail(Builder *builder, PlanNode *node, const Place *place)
{
	node->error = field_template(builder, place, "error");
	node->message = field_template(builder, place, "message");
}

static void
check_fail(Checker *checker, PlanNode *node, const Json *source pg_attribute_unused())
{
	check_template(checker, node->error, BEFORE_STEP, "error");
	check_template(checker, node->message, BEFORE_STEP, "message");
}

static const FieldSet fields_of_fail = {
	.owner = "a step of type fail",
	.fields = (const Field[]) {
		{"error", FIELD_USED}, {"message", FIELD_USED}, {NULL, FIELD_USED}
	},
	.more = &step_fields
};

const StepTypeInfo step_type_fail = {
	.name = "fail",
	.traits = TRAIT_TERMINAL,
	.fields = &fields_of_fail,
	.build = build_fail,
	.check_references = check_fail,
	.shape = {"([", "])"}
};

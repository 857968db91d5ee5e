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
#include "definition/steps/fail.h"
#include "definition/steps/step_types.h"

static void
build_fail(Builder *builder, PlanNode *node, const Place *place)
{
	FailPart   *part = fail_part(node);

	part->error = field_template(builder, place, "error");
	part->message = field_template(builder, place, "message");
}

static void
check_fail(Checker *checker, PlanNode *node,
		   const Json *source pg_attribute_unused())
{
	FailPart   *part = fail_part(node);

	check_template(checker, part->error, BEFORE_STEP, "error");
	check_template(checker, part->message, BEFORE_STEP, "message");
}

static const FieldSet fields_of_fail = {
	.owner = "a step of type fail",
	.fields = NAMES("error", "message"),
	.more = &step_fields
};

const StepTypeInfo step_type_fail = {
	.fields = &fields_of_fail,
	.part_size = sizeof(FailPart),
	.build = build_fail,
	.check_references = check_fail,
	.shape = {"([", "])"}
};

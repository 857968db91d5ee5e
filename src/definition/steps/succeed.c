/*-------------------------------------------------------------------------
 *
 * succeed.c
 *	  Steps that end the execution as completed.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/steps/step_types.h"

static const FieldSet fields_of_succeed = {
	.owner = "a step of type succeed",
	.more = &step_fields
};

const StepTypeInfo step_type_succeed = {
	.fields = &fields_of_succeed,
	.shape = {"([", "])"}
};

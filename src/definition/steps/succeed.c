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

static const FieldSet fields_of_succeed = {
	.owner = "a step of type succeed",
	.more = &step_fields
};

const StepTypeInfo step_type_succeed = {
	.name = "succeed",
	.traits = TRAIT_TERMINAL,
	.fields = &fields_of_succeed,
	.shape = {"([", "])"}
};

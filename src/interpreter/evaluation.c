/*-------------------------------------------------------------------------
 *
 * evaluation.c
 *	  How far an evaluation has come: its failure, and the room of its result.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "interpreter/evaluation.h"
#include "interpreter/jsonb_values.h"

/* Begin an evaluation: nothing has failed yet. */
void
evaluation_start(Evaluation *evaluation, EvaluateContext *context)
{
	memset(evaluation, 0, sizeof(*evaluation));
	evaluation->context = context;
	context->message = NULL;
	context->position = 0;
	context->path = NULL;
}

/* The failure of an evaluation.  Returns VALUE_FAILED for the caller. */
ValueStatus
evaluation_fail(Evaluation *evaluation, int position, char *message)
{
	evaluation->context->message = message;
	evaluation->context->position = position;
	return VALUE_FAILED;
}

/* Make a failure of what is missing.  Returns VALUE_FAILED. */
ValueStatus
evaluation_fail_missing(Evaluation *evaluation)
{
	const Reference *reference = evaluation->missing;

	return evaluation_fail(evaluation, reference->position,
						   psprintf("cannot resolve \"%s\": %s",
									reference->text,
									evaluation->why ?
										evaluation->why :
										"there is no such value"));
}

/*
 * Count the room a value takes in what is being built; false when jsonb could
 * not hold it any more, which would be an error in JsonbValueToJsonb().
 */
bool
evaluation_take_room(Evaluation *evaluation, const JsonbValue *value)
{
	evaluation->size += value_size(value);
	return evaluation->size <= MAX_VALUE_SIZE;
}

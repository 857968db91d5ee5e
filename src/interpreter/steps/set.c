/*-------------------------------------------------------------------------
 *
 * set.c
 *	  Steps that assign variables, or make an output, without SQL.
 *
 * NOTES
 *	  Same place and transaction as thread.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/steps/set.h"
#include "interpreter/steps/step_ops.h"

/* A set step: variables and an output, no SQL. */
static ThreadAction
set_enter(Thread *thread, Frame *frame, PlanNode *node,
		  int visit pg_attribute_unused(), StepRow *row,
		  bool *again pg_attribute_unused())
{
	SetPart    *part = set_part(node);
	EvaluateContext context;
	Frame	   *owner = variables_frame(frame);
	JsonbParseState *state = NULL;
	StepError  *error = NULL;
	Jsonb	   *before = NULL;

	evaluate_in(thread, frame, &context);
	if (part->count > 0)
	{
		/* the variables as they are, then the new values over them */
		before = frame_variables(thread, owner);
		if (before != NULL && node->output != NULL)
			before = (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(before));
		variables_begin(&state, before);
		for (int i = 0; i < part->count && error == NULL; i++)
		{
			Jsonb	   *assigned = evaluate_template(&context, part->values[i]);

			if (assigned == NULL)
			{
				error = mapping_error(psprintf("assign.%s", part->names[i]),
									  &context);
				break;
			}
			variables_assign(&state, part->names[i], assigned);
		}
		if (error == NULL)
			error = variables_end(&state, owner, node, row);
	}
	if (error == NULL && node->output != NULL)
	{
		evaluate_in(thread, frame, &context);
		row->output = evaluate_template(&context, node->output);
		error = row->output ? size_error(node, VARSIZE(row->output)) :
							  mapping_error("output", &context);
	}
	if (error != NULL)
	{
		/* what fails has assigned nothing */
		if (row->variables != NULL)
			variables_restore(owner, before, row);
		row->output = NULL;
		step_fail(row, STATUS_FAILED, error);
	}
	step_ended(thread, frame, node, row);
	return THREAD_LEAF;
}

const StepOps set_ops = {
	.enter = set_enter
};

/*-------------------------------------------------------------------------
 *
 * terminal.c
 *	  Steps that end the execution, wherever they stand, or just their scope:
 *	  succeed, fail.
 *
 * NOTES
 *	  Same place and transaction as thread.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "definition/steps/terminal.h"
#include "interpreter/steps/step_ops.h"

/*
 * The end of the execution, or of the scope, with the step's output; error: it
 * fails.
 */
static ThreadAction
end_here(Thread *thread, Frame *frame, PlanNode *node, StepRow *row,
			  const StepError *error)
{
	if (node->output != NULL)
	{
		EvaluateContext context;

		evaluate_in(thread, frame, &context);
		row->output = evaluate_template(&context, node->output);
		if (row->output == NULL)
			error = mapping_error("output", &context);
	}

	if (error != NULL)
		step_fail(row, STATUS_FAILED, error);
	if (step_ends_scope(node))
	{
		step_ended_scope(thread, frame, node, row);
		return THREAD_LEAF;
	}

	row->completed_at = thread_time(thread);
	if (error != NULL)
	{
		row->scope_outcome = SCOPE_FAILED;
		thread->outcome = SCOPE_FAILED;
		journal_add(thread, row);
		execution_ended(thread, EXECUTION_FAILED, row->output, row->error,
						row->error_type);
	}
	else
	{
		row->scope_outcome = SCOPE_COMPLETED;
		thread->outcome = SCOPE_COMPLETED;
		if (node->is_referenced)
			frame_remember(frame, node, row);
		journal_add(thread, row);
		execution_ended(thread, EXECUTION_COMPLETED, row->output, NULL, NULL);
	}
	return THREAD_LEAF;
}

static ThreadAction
succeed_enter(Thread *thread, Frame *frame, PlanNode *node,
			  int visit pg_attribute_unused(), StepRow *row,
			  bool *again pg_attribute_unused())
{
	return end_here(thread, frame, node, row, NULL);
}

static ThreadAction
fail_enter(Thread *thread, Frame *frame, PlanNode *node,
		   int visit pg_attribute_unused(), StepRow *row,
		   bool *again pg_attribute_unused())
{
	EvaluateContext context;
	StepError	error = {.type = "WorkflowFailed",.message = step_ends_scope(node) ?
		"the step ended its scope as failed" : "the workflow failed"};
	Template   *const parts[] = {terminal_part(node)->error, terminal_part(node)->message};

	evaluate_in(thread, frame, &context);
	for (int i = 0; i < (int) lengthof(parts); i++)
	{
		Jsonb	   *value;
		JsonbValue	scalar;
		char	   *text;

		if (parts[i] == NULL)
			continue;
		value = evaluate_template(&context, parts[i]);
		if (value == NULL)
		{
			error.message = context.message;
			break;
		}
		if (JB_ROOT_IS_SCALAR(value) &&
			JsonbExtractScalar(&value->root, &scalar) &&
			scalar.type == jbvString)
			text = pnstrdup(scalar.val.string.val, scalar.val.string.len);
		else
			text = JsonbToCString(NULL, &value->root, VARSIZE(value));
		if (i == 0)
			error.type = text;
		else
			error.message = text;
	}
	return end_here(thread, frame, node, row, &error);
}

const StepOps succeed_ops = {
	.enter = succeed_enter
};

const StepOps fail_ops = {
	.enter = fail_enter
};

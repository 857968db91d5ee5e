/*-------------------------------------------------------------------------
 *
 * conditional.c
 *	  Conditionals: one of their lines runs, none, or they lead to another step.
 *
 * NOTES
 *	  Same place and transaction as thread.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/steps/conditional.h"
#include "interpreter/join.h"
#include "interpreter/steps/step_ops.h"

/* "then" and "else" are lines by name; -1: there is no such line. */
static int
line_by_name(const PlanNode *node, const char *name)
{
	return plan_find_line(node, name);
}

/*
 * The condition is decided (or, for a switch, the line): run that line, jump,
 * or end.
 */
static void
conditional_decided(Thread *thread, Frame *frame, PlanNode *node, StepRow *row,
					int line, bool result, const StepError *why)
{
	ConditionalPart *part = conditional_part(node);

	if (part->condition != NULL)
	{
		row->condition_expression = part->condition->text;
		row->condition_result = result;
		line = line_by_name(node, result ? "then" : "else");
	}
	else
	{
		row->condition_result = (line >= 0 && line != part->default_line);
		if (line >= 0 && node->lines[line].when != NULL)
			row->condition_expression = node->lines[line].when->text;
	}
	row->branch_taken = line >= 0 ? node->lines[line].name : "none";
	if (why != NULL)
	{
		row->error_type = "ConditionError";
		row->error = step_error_jsonb(why, node->id, frame->scope);
	}

	if (line >= 0 && node->lines[line].nsteps > 0)
	{
		container_enter(thread, node, row->visit, row, line);
		return;
	}
	if (line >= 0 && node->lines[line].jump >= 0)
		frame->jump = &thread->plan->nodes[node->lines[line].jump];
	row->output = join_conditional_output(row, NULL, NULL);
	step_ended(thread, frame, node, row);
}

static ThreadAction
conditional_enter(Thread *thread, Frame *frame, PlanNode *node, int visit,
				  StepRow *row, bool *again)
{
	ConditionalPart *part = conditional_part(node);
	EvaluateContext context;
	char	   *why = NULL;
	char	   *first_why = NULL;
	int			line;

	if (part->condition != NULL)
	{
		bool		result = false;
		const char *error;

		if (part->condition->sql != NULL)
		{
			error = condition_leaf(thread, frame, node, visit, row->attempt,
								   part->condition, row->started_at);
			if (error == NULL)
			{
				*again = false;
				return THREAD_LEAF;
			}
		}
		else
		{
			evaluate_in(thread, frame, &context);
			result = evaluate_condition(&context, part->condition->expression,
										&why);
			error = why;
		}
		conditional_decided(thread, frame, node, row, -1, result,
							condition_error(error));
		return THREAD_LEAF;
	}

	for (line = 0; line < node->nlines; line++)
	{
		if (node->lines[line].when == NULL)
			continue;
		evaluate_in(thread, frame, &context);
		if (evaluate_condition(&context, node->lines[line].when->expression,
							   &why))
			break;
		if (first_why == NULL)
			first_why = why;
	}
	conditional_decided(thread, frame, node, row,
						line < node->nlines ? line : part->default_line, false,
						condition_error(first_why));
	return THREAD_LEAF;
}

static void
conditional_answered(Thread *thread, PlanNode *node, bool result,
					 const StepError *why)
{
	conditional_decided(thread, thread->top, node, leaf_row(thread), -1, result,
						why);
}

/* The branch of a conditional has ended: so has the conditional. */
static void
branch_ended(Thread *thread, Frame *frame, ScopeOutcome outcome, StepRow *last)
{
	StepRow    *row = frame->row;
	StepRow    *ran = scope_last_ran(thread, frame, last);

	thread_pop(thread);
	row->status = (outcome == SCOPE_COMPLETED || outcome == SCOPE_SKIPPED) ?
		STATUS_COMPLETED :
		outcome == SCOPE_TIMED_OUT ? STATUS_TIMED_OUT :
		outcome == SCOPE_CANCELLED ? STATUS_CANCELLED :
									 STATUS_FAILED;
	row->output = row->status == STATUS_TIMED_OUT &&
			frame->container->timeout_abort ?
		NULL :
		join_conditional_output(row, ran->step_id, ran->output);
	if (row->status != STATUS_COMPLETED)
	{
		row->error = last->error;
		row->error_type = last->error_type;
	}
	step_ended(thread, thread->top, frame->container, row);
}

static void
conditional_resume(Thread *thread, Frame *frame pg_attribute_unused(),
				   PlanNode *node, const StepRecord *record, StepRow *row)
{
	container_enter(thread, node, row->visit, row,
					line_by_name(node, record->branch_taken));
	thread_find_frontier(thread);
}

static bool
conditional_was_opened(const PlanNode *node,
					   int collection_size pg_attribute_unused(),
					   const char *branch_taken)
{
	int			line = branch_taken != NULL ?
		line_by_name(node, branch_taken) :
		-1;

	/* it took none, or led elsewhere: what failed is its own output */
	return line >= 0 && node->lines[line].nsteps > 0;
}

const StepOps conditional_ops = {
	.enter = conditional_enter,
	.condition_decided = conditional_answered,
	.child_ended = branch_ended,
	.resume = conditional_resume,
	.was_opened = conditional_was_opened
};

/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  A plan as an indented tree, for workflow.explain().
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Recursion is bounded by
 *	  PLAN_MAX_NESTING.  One fact per line; a line that does not fit is cut, so
 *	  that the tree keeps its shape on a terminal.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/plan.h"

#define LINE_WIDTH 100
#define INDENT 2

typedef struct Explainer
{
	const WorkflowPlan *plan;
	StringInfoData out;
	StringInfoData line;
	bool	   *shown;
} Explainer;

static void explain_chain(Explainer *explainer, int first, int indent);

/*
 * Write the line that was collected, cut to the width.
 */
static void
end_line(Explainer *explainer, int indent)
{
	char	   *text = explainer->line.data;
	int			room = LINE_WIDTH - indent;
	int			width = 0;
	char	   *cut = NULL;

	/* SQL and expressions may have line breaks; the tree may not. */
	for (char *c = text; *c != '\0'; c++)
	{
		if ((unsigned char) *c < ' ')
			*c = ' ';
		if (((unsigned char) *c & 0xC0) == 0x80)
			continue;
		if (width == room - 3)
			cut = c;
		width++;
	}
	if (width > room)
		strcpy(cut, "...");
	appendStringInfo(&explainer->out, "%*s%s\n", indent, "", text);
	resetStringInfo(&explainer->line);
}

/*
 * One line with a fact.
 */
static void
fact(Explainer *explainer, int indent, const char *format,...) pg_attribute_printf(3, 4);

static void
fact(Explainer *explainer, int indent, const char *format,...)
{
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&explainer->line, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&explainer->line, needed);
	}
	end_line(explainer, indent);
}

/*
 * A condition in words.
 */
static char *
condition_text(const Condition *condition)
{
	return psprintf("%s%s", condition->sql != NULL ? "sql: " : "", condition->text);
}

/*
 * How many at once, and what a failure does.
 */
static void
explain_parallelism(Explainer *explainer, const PlanNode *node, int indent)
{
	if (node->max_parallelism > 0)
		fact(explainer, indent, "at most %d at the same time", node->max_parallelism);
	if (node->on_join_cancel)
		fact(explainer, indent, "cancels the rest as soon as the result is certain");
}

/*
 * What must succeed for the container to succeed.
 */
static void
explain_join(Explainer *explainer, const PlanNode *node, int indent)
{
	switch (node->join_policy)
	{
		case JOIN_ALL:
			fact(explainer, indent, "all must succeed");
			break;
		case JOIN_ANY:
			fact(explainer, indent, "at least one must succeed");
			break;
		case JOIN_MAJORITY:
			fact(explainer, indent, "more than half must succeed");
			break;
		case JOIN_N_OF_M:
			fact(explainer, indent, "at least %d must succeed", node->n_required);
			break;
		case JOIN_RATIO:
			fact(explainer, indent, "at least a share of %s must succeed", node->ratio);
			break;
	}
	explain_parallelism(explainer, node, indent);
}

/*
 * What a loop goes over and how.
 */
static void
explain_loop(Explainer *explainer, const PlanNode *node, int indent)
{
	static const char *const policies[] = {
		[ON_ERROR_STOP] = "stops and fails",
		[ON_ERROR_CONTINUE] = "goes on and completes with counts",
		[ON_ERROR_COLLECT] = "goes on and fails at the end with all errors"
	};

	if (node->loop_kind == LOOP_COLLECTION)
		fact(explainer, indent, "for each item of %s",
			 node->collection_text != NULL ? node->collection_text : "");
	else
		fact(explainer, indent, "%s %s", node->loop_kind == LOOP_WHILE ? "while" : "until",
			 condition_text(node->loop_condition));
	fact(explainer, indent, "iterations run %s", node->loop_parallel ?
		 "in parallel" : "one after the other");
	explain_parallelism(explainer, node, indent);
	if (node->max_iterations > 0)
		fact(explainer, indent, "at most %d iterations", node->max_iterations);
	if (node->batch_size > 0)
		fact(explainer, indent, "in batches of %d", node->batch_size);
	fact(explainer, indent, "on error: %s", policies[node->on_error]);
	if (node->loop_result != LOOP_RESULT_ITERATIONS)
		fact(explainer, indent, "result: %s", node->loop_result == LOOP_RESULT_OUTPUTS ?
			 "outputs" : "counts");
}

/*
 * The heading of a line of children, and the children below it.
 */
static void
explain_line(Explainer *explainer, const PlanNode *node, int k, int indent)
{
	const PlanLine *line = &node->lines[k];
	int			below = indent;

	if (node->type == STEP_FORK_JOIN || node->type == STEP_CONDITIONAL)
	{
		StringInfoData heading;

		initStringInfo(&heading);
		appendStringInfo(&heading, "%s%s", node->type == STEP_FORK_JOIN ? "branch " : "",
						 line->name);
		if (line->timeout_seconds > 0)
			appendStringInfo(&heading, ", timeout %d s", line->timeout_seconds);
		if (line->when != NULL)
			appendStringInfo(&heading, ", when %s", condition_text(line->when));
		appendStringInfoChar(&heading, ':');
		if (line->jump >= 0)
			appendStringInfo(&heading, " go to %s", explainer->plan->nodes[line->jump].id);
		fact(explainer, indent, "%s", heading.data);
		pfree(heading.data);
		below += INDENT;
	}
	else if (node->type == STEP_LOOP)
		fact(explainer, indent, "do:"), below += INDENT;
	explain_chain(explainer, line->first, below);
}

/*
 * The fields of the step's type.
 */
static void
explain_type(Explainer *explainer, const PlanNode *node, int indent)
{
	static const char *const results[] = {
		[SQL_RESULT_ROWS] = "rows", [SQL_RESULT_ROW] = "row",
		[SQL_RESULT_VALUE] = "value", [SQL_RESULT_NONE] = "none"
	};

	switch (node->type)
	{
		case STEP_AGENT:
			fact(explainer, indent, "agent: %s", node->agent_name);
			break;
		case STEP_SQL:
			fact(explainer, indent, "sql: %s", node->sql);
			fact(explainer, indent, "result: %s%s", results[node->result],
				 node->transaction_none ? ", outside of a transaction" : "");
			break;
		case STEP_PARALLEL:
			explain_join(explainer, node, indent);
			if (node->on_error == ON_ERROR_STOP)
				fact(explainer, indent, "on error: starts no further");
			break;
		case STEP_FORK_JOIN:
			explain_join(explainer, node, indent);
			break;
		case STEP_CONDITIONAL:
			if (node->condition != NULL)
				fact(explainer, indent, "if %s", condition_text(node->condition));
			break;
		case STEP_LOOP:
			explain_loop(explainer, node, indent);
			break;
		case STEP_SET:
			for (int i = 0; i < node->nassign; i++)
				fact(explainer, indent, "assigns: vars.%s", node->assign_names[i]);
			break;
		case STEP_SUCCEED:
			fact(explainer, indent, "ends the execution as completed");
			break;
		case STEP_FAIL:
			fact(explainer, indent, "ends the execution as failed");
			break;
	}
}

/*
 * The fields that every step may have.
 */
static void
explain_common(Explainer *explainer, const PlanNode *node, int indent)
{
	if (node->description != NULL)
		fact(explainer, indent, "-- %s", node->description);
	if (node->when_text != NULL)
		fact(explainer, indent, "only when %s", node->when_text);
	if (node->timeout_seconds > 0)
		fact(explainer, indent, "timeout: %d s", node->timeout_seconds);
	if (node->on_failure == ON_FAILURE_IGNORE)
		fact(explainer, indent, "on failure: goes on");
	else if (node->on_failure == ON_FAILURE_DEFAULT)
		fact(explainer, indent, "on failure: goes on with a default output");
	if (node->max_visits > 0)
		fact(explainer, indent, "at most %d visits", node->max_visits);
	if (node->priority != 0)
		fact(explainer, indent, "priority: %d", node->priority);
	for (int i = 0; i < node->nsettings; i++)
		fact(explainer, indent, "set %s = %s", node->settings[i].name,
			 node->settings[i].value);
}

/*
 * One step with everything below it.  follows: the step that will be shown next
 * in the same scope, -1 = none.
 */
static void
explain_step(Explainer *explainer, const PlanNode *node, int indent, int follows)
{
	explainer->shown[node->index] = true;
	fact(explainer, indent, "%s (%s)", node->id, step_type_name(node->type));
	indent += INDENT * 2;
	explain_common(explainer, node, indent);
	explain_type(explainer, node, indent);
	for (int k = 0; k < node->nlines; k++)
		explain_line(explainer, node, k, indent);

	if (node->next >= 0 && node->next != follows)
		fact(explainer, indent, "next: %s", explainer->plan->nodes[node->next].id);
	else if (node->next < 0 && node->container < 0 && follows >= 0 &&
			 node->type != STEP_SUCCEED && node->type != STEP_FAIL)
		fact(explainer, indent, "next: end");
}

/*
 * The steps from one on, as they follow each other.
 */
static void
explain_chain(Explainer *explainer, int first, int indent)
{
	while (first >= 0 && !explainer->shown[first])
	{
		const PlanNode *node = &explainer->plan->nodes[first];
		int			next = node->next;

		explain_step(explainer, node, indent,
					 next >= 0 && !explainer->shown[next] ? next : -1);
		first = next;
	}
}

/*
 * The plan as text.
 */
char *
plan_explain(const WorkflowPlan *plan)
{
	Explainer	explainer;

	explainer.plan = plan;
	explainer.shown = palloc0(sizeof(bool) * Max(plan->nnodes, 1));
	initStringInfo(&explainer.out);
	initStringInfo(&explainer.line);

	fact(&explainer, 0, "workflow %s%s%s", plan->name,
		 plan->label[0] != '\0' ? ", version " : "", plan->label);
	if (plan->timeout_seconds > 0)
		fact(&explainer, INDENT, "timeout: %d s", plan->timeout_seconds);
	if (plan->priority != 0)
		fact(&explainer, INDENT, "priority: %d", plan->priority);
	if (plan->relaxed)
		fact(&explainer, INDENT, "durability: relaxed");
	if (plan->notify)
		fact(&explainer, INDENT, "notify: on");
	for (int i = 0; i < plan->nsettings; i++)
		fact(&explainer, INDENT, "set %s = %s", plan->settings[i].name,
			 plan->settings[i].value);

	explain_chain(&explainer, plan->start, INDENT);

	/* What only a switch jumps to comes after the chain. */
	for (int i = 0; i < plan->nnodes; i++)
	{
		if (explainer.shown[i] || plan->nodes[i].container >= 0)
			continue;
		explain_chain(&explainer, i, INDENT);
	}
	pfree(explainer.shown);
	pfree(explainer.line.data);
	return explainer.out.data;
}

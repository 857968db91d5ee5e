/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  A plan as an indented tree, for workflow.explain().
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Recursion is bounded by
 *	  PLAN_MAX_NESTING.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/explainer.h"
#include "definition/plan_scope.h"
#include "definition/steps/sql.h"
#include "definition/steps/step_types.h"

#define INDENT 2

static void explain_scope(Explainer *explainer, const PlanScope *scope,
						  int indent);

/*
 * Is it one of the steps of the root scope, or of those of the on_failure
 * chain?
 */
static bool
is_of_chain(const PlanNode *node, bool chain)
{
	return node->container < 0 && node->compensates < 0 &&
		node->in_chain == chain;
}

/*
 * Settings on one line, if there are any.
 */
static void
explain_settings(Explainer *explainer, const PlanSetting *settings,
				 int nsettings, int indent)
{
	for (int i = 0; i < nsettings; i++)
		appendStringInfo(&explainer->line, "%s%s = %s",
						 i == 0 ? "settings: " : ", ", settings[i].name,
						 settings[i].value);
	if (nsettings > 0)
		explain_end_line(explainer, indent);
}

/*
 * The transaction of a step's SQL, as far as something is said.
 */
static void
remark_transaction(Explainer *explainer, const TransactionMode *mode)
{
	static const char *const isolations[] = {NULL, "read committed",
											 "repeatable read", "serializable"};

	if (mode->isolation != ISOLATION_UNSAID)
		explain_remark(explainer, "%s", isolations[mode->isolation]);
	if (mode->read_only != SWITCH_UNSAID)
		explain_remark(explainer,
					   mode->read_only == SWITCH_ON ? "read only" :
													  "read write");
	if (mode->deferrable != SWITCH_UNSAID)
		explain_remark(explainer,
					   mode->deferrable == SWITCH_ON ? "deferrable" :
													   "not deferrable");
}

/*
 * The line of a step: id, type, and what can be said in a few words.
 */
static void
explain_heading(Explainer *explainer, const PlanNode *node, int indent)
{
	appendStringInfo(&explainer->line, "%s: %s", node->id,
					 step_type_name(node->type));
	if (step_types[node->type]->explain_heading != NULL)
		step_types[node->type]->explain_heading(explainer, node);

	if (step_runs_outside(node))
		explain_remark(explainer, "transaction none");
	remark_transaction(explainer, &node->transaction);
	if (node->max_parallelism > 0)
		explain_remark(explainer, "%d at a time", node->max_parallelism);
	if (step_forks(node) && node->join.stop_on_failure)
		explain_remark(explainer, "on error stop");
	if (node->join.cancel_when_decided)
		explain_remark(explainer, "on join cancel");
	if (node->timeout_seconds > 0)
		explain_remark(explainer, "timeout %d s%s", node->timeout_seconds,
			   node->timeout_abort ? " (abort)" : "");
	if (node->on_failure == ON_FAILURE_IGNORE)
		explain_remark(explainer, "on failure ignore");
	else if (node->on_failure == ON_FAILURE_DEFAULT)
		explain_remark(explainer, "on failure default");
	if (node->max_visits > 0)
		explain_remark(explainer, "at most %d visits", node->max_visits);
	if (node->priority != 0)
		explain_remark(explainer, "priority %d", node->priority);
	if (explainer->notes != NULL && explainer->notes[node->index] != NULL)
		appendStringInfo(&explainer->line, "  (%s)",
						 explainer->notes[node->index]);
	explain_end_line(explainer, indent);
}

/*
 * What needs a line of its own.
 */
static void
explain_facts(Explainer *explainer, const PlanNode *node, int indent)
{
	if (node->description != NULL)
		explain_fact(explainer, indent, "-- %s", node->description);
	if (node->when_text != NULL)
		explain_fact(explainer, indent, "when %s", node->when_text);
	if (step_types[node->type]->explain_facts != NULL)
		step_types[node->type]->explain_facts(explainer, node, indent);
	explain_settings(explainer, node->settings, node->nsettings, indent);
}

/* "22012, 08*", or "any error". */
static char *
error_list(char **errors, int nerrors)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < nerrors; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", errors[i]);
	if (nerrors == 0)
		appendStringInfoString(&list, "any error");
	return list.data;
}

/*
 * What follows when the step fails.
 */
static void
explain_failures(Explainer *explainer, const PlanNode *node, int indent)
{
	for (int i = 0; i < node->nretry; i++)
		explain_fact(explainer, indent, "on %s: retry %d times",
			 error_list(node->retry[i].errors, node->retry[i].nerrors),
			 node->retry[i].max_retries);
	for (int i = 0; i < node->ncatches; i++)
	{
		const CatchClause *clause = &node->catches[i];

		explain_fact(explainer, indent, "on %s: go to %s%s%s",
			 error_list(clause->errors, clause->nerrors),
			 explainer->plan->nodes[clause->target].id,
			 clause->as != NULL ? ", error in vars." : "", clause->as != NULL ? clause->as : "");
	}
}

/*
 * The heading of a line of children, and the children below it.
 */
static void
explain_line(Explainer *explainer, const PlanNode *node, int k, int indent)
{
	const PlanLine *line = &node->lines[k];
	const char *word = step_types[node->type]->line_word;
	int			below = indent;

	if (word != NULL)
	{
		StringInfoData heading;

		initStringInfo(&heading);
		appendStringInfo(&heading, "%s%s", word, line->name);
		if (line->timeout_seconds > 0)
			appendStringInfo(&heading, ", timeout %d s", line->timeout_seconds);
		if (line->when != NULL)
			appendStringInfo(&heading, ", when %s",
							 explain_condition(line->when));
		appendStringInfoChar(&heading, ':');
		if (line->jump >= 0)
			appendStringInfo(&heading, " go to %s",
							 explainer->plan->nodes[line->jump].id);
		explain_fact(explainer, indent, "%s", heading.data);
		pfree(heading.data);
		below += INDENT;
	}
	explain_scope(explainer, &explainer->plan->scopes[line->scope], below);
}

/*
 * One step with everything below it, then where it goes on unless that is the
 * next line.  follows: the step of the same scope that will be shown next.
 */
static void
explain_step(Explainer *explainer, const PlanNode *node, int indent,
			 int follows)
{
	const int  *successors;
	int			nsuccessors = scope_successors(explainer->plan, node, &successors);

	explainer->shown[node->index] = true;
	if (is_of_chain(node, explainer->chain))
		explainer->left--;
	explain_heading(explainer, node, indent);
	indent += INDENT;
	explain_facts(explainer, node, indent);
	for (int k = 0; k < node->nlines; k++)
		explain_line(explainer, node, k, indent);

	explain_failures(explainer, node, indent);
	if (node->compensation >= 0)
	{
		explain_fact(explainer, indent, "undone by:");
		explain_step(explainer, &explainer->plan->nodes[node->compensation],
					 indent + INDENT, -1);
	}
	for (int i = 0; i < nsuccessors; i++)
		if (successors[i] != follows)
			explain_fact(explainer, indent, "next: %s",
						 explainer->plan->nodes[successors[i]].id);
	if (nsuccessors == 0 && node->container < 0 && explainer->left > 0 &&
		node->compensates < 0 && !step_is_terminal(node))
		explain_fact(explainer, indent, "next: end");
}

/*
 * The steps from one on, as they follow each other in a chain; of a graph this
 * one.
 */
static void
explain_chain(Explainer *explainer, int first, int indent)
{
	while (first >= 0 && !explainer->shown[first])
	{
		const PlanNode *node = &explainer->plan->nodes[first];
		bool		is_graph = node->scope >= 0 &&
			explainer->plan->scopes[node->scope].is_graph;
		int			next = is_graph ? -1 : scope_next(explainer->plan, node);

		explain_step(explainer, node, indent,
					 next >= 0 && !explainer->shown[next] ? next : -1);
		first = next;
	}
}

/*
 * All steps of a line; of a graph by index, whatever follows what.
 */
static void
explain_scope(Explainer *explainer, const PlanScope *scope, int indent)
{
	explain_chain(explainer, scope->first, indent);
	for (int i = 0; i < scope->nnodes; i++)
		explain_chain(explainer, scope->nodes[i], indent);
}

/*
 * The plan as text.
 */
char *
plan_explain(const WorkflowPlan *plan, char *const *notes)
{
	Explainer	explainer;
	int			left = 0;

	explainer.plan = plan;
	explainer.notes = notes;
	explainer.shown = palloc0(sizeof(bool) * Max(plan->nnodes, 1));
	explainer.chain = false;
	explainer.left = 0;
	for (int i = 0; i < plan->nnodes; i++)
	{
		explainer.left += is_of_chain(&plan->nodes[i], false);
		left += is_of_chain(&plan->nodes[i], true);
	}
	initStringInfo(&explainer.out);
	initStringInfo(&explainer.line);

	appendStringInfo(&explainer.line, "workflow %s", plan->name);
	if (plan->label[0] != '\0')
		explain_remark(&explainer, "version %s", plan->label);
	if (plan->timeout_seconds > 0)
		explain_remark(&explainer, "timeout %d s%s", plan->timeout_seconds,
			   plan->timeout_abort ? " (abort)" : "");
	if (plan->priority != 0)
		explain_remark(&explainer, "priority %d", plan->priority);
	if (plan->tenant != NULL)
		explain_remark(&explainer, "tenant %s", plan->tenant);
	if (plan->max_running > 0)
		explain_remark(&explainer, "at most %d running%s", plan->max_running,
			   plan->refuse_when_full ? ", others refused" : "");
	remark_transaction(&explainer, &plan->transaction);
	if (plan->relaxed)
		explain_remark(&explainer, "durability relaxed");
	if (plan->commit_max_steps > 1)
		explain_remark(&explainer, "up to %d steps or %d ms in one transaction",
					   plan->commit_max_steps, plan->commit_max_ms);
	if (plan->notify)
		explain_remark(&explainer, "notify");
	if (plan->dead_letter_days > 0)
		explain_remark(&explainer, "dead letter for %d days",
					   plan->dead_letter_days);
	else if (plan->dead_letter)
		explain_remark(&explainer, "dead letter");
	explain_end_line(&explainer, 0);
	explain_settings(&explainer, plan->settings, plan->nsettings, INDENT);

	explain_chain(&explainer, plan->start, INDENT);

	/* What only a switch jumps to comes after the chain. */
	for (int i = 0; i < plan->nnodes; i++)
		if (!explainer.shown[i] && is_of_chain(&plan->nodes[i], false))
			explain_chain(&explainer, i, INDENT);

	if (plan->on_failure >= 0)
	{
		explainer.chain = true;
		explainer.left = left;
		explain_fact(&explainer, INDENT, "on failure:");
		explain_chain(&explainer, plan->on_failure, 2 * INDENT);
		for (int i = 0; i < plan->nnodes; i++)
			if (!explainer.shown[i] && is_of_chain(&plan->nodes[i], true))
				explain_chain(&explainer, i, 2 * INDENT);
	}
	pfree(explainer.shown);
	pfree(explainer.line.data);
	return explainer.out.data;
}

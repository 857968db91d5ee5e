/*-------------------------------------------------------------------------
 *
 * references.c
 *	  Goes through all that refers to something in a plan.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/checker.h"
#include "definition/steps/loop.h"
#include "definition/steps/step_types.h"

/*
 * A container has input only for a condition in SQL, each time that is tested.
 */
static Moment
input_moment(const PlanNode *node)
{
	const LoopPart *loop = loop_part(node);

	if (loop == NULL || loop->condition == NULL || loop->condition->sql == NULL)
		return BEFORE_STEP;
	return loop->kind == LOOP_WHILE ? BEFORE_ITERATION : AFTER_ITERATION;
}

/*
 * Check everything in one step.
 */
static void
check_step(Checker *checker, PlanNode *node)
{
	const Json *source = checker->builder->sources[node->index];
	bool		is_default = node->failure_default != NULL &&
		node->failure_default == checker->builder->defaults.failure_default;

	checker->node = node->index;
	checker->standing = node->compensates >= 0 ? node->compensates :
												 node->index;
	if (node->when != NULL)
	{
		Condition	when = {node->when_text, node->when, NULL};

		check_condition(checker, &when, BEFORE_STEP, "when",
						json_get(source, "when"));
	}
	check_template(checker, node->input_mapping, input_moment(node),
				   "input_mapping");
	check_template(checker, node->failure_default, BEFORE_STEP,
				is_default ? "defaults.on_failure.default" : "on_failure.default");
	check_template(checker, node->output, AFTER_STEP, "output");
	for (int i = 0; i < node->nretry; i++)
	{
		Condition	retry_if = {node->retry[i].retry_if_text,
							  node->retry[i].retry_if, NULL};

		check_condition(checker, &retry_if, AFTER_STEP, "retry", NULL);
	}
	if (step_types[node->type]->check_references != NULL)
		step_types[node->type]->check_references(checker, node, source);
}

/*
 * Check all references of the plan, set their nodes, and mark the steps that
 * are referenced.
 */
void
resolve_references(Builder *builder)
{
	Checker		checker;

	memset(&checker, 0, sizeof(checker));
	checker.builder = builder;
	for (int i = 0; i < builder->plan->nnodes; i++)
		check_step(&checker, &builder->plan->nodes[i]);
	checker.node = checker.standing = -1;
	check_template(&checker, builder->plan->output, AFTER_ALL, "output");
}

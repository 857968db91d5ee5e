/*-------------------------------------------------------------------------
 *
 * plan_epilogue.c
 *	  What runs when an execution does not complete: compensations of steps and
 *	  the definition's on_failure chain.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  A compensation is a node of its own, of one step, on no way from step to
 *	  step.  It has the place of the step it undoes (container, line), so that
 *	  it sees what stood around that, but is in no line.  The chain is a part of
 *	  the root scope that the first step does not lead to.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/steps/terminal.h"

/*
 * Fields that say what follows a step, or how often: a compensation has
 * neither.
 */
static const char *const refused_fields[] = {
	"next_step", "catch", "on_failure", "compensate", "max_visits", NULL
};

/*
 * An error about a step or one of its fields.
 */
static void
epilogue_error(Builder *builder, const PlanNode *node, const char *field,
			   const char *hint, const char *message)
{
	problem_add(builder->problems, PROBLEM_ERROR,
				field == NULL ? psprintf("steps.%s", node->id) :
								psprintf("steps.%s.%s", node->id, field),
				node->id, hint, "%s", message);
}

/*
 * Can this step undo that one?  Says why not.
 */
static char *
compensation_complaint(const Builder *builder, const PlanNode *node,
					   const PlanNode *target)
{
	const PlanNode *nodes = builder->plan->nodes;

	if (step_is_terminal(node))
		return psprintf("a %s step ends the execution and cannot be compensated",
						step_type_name(node->type));
	if (target == node)
		return psprintf("step \"%s\" cannot be its own compensation", node->id);
	if (target->compensates >= 0)
		return psprintf("step \"%s\" is already the compensation of \"%s\"", target->id,
						nodes[target->compensates].id);
	if (target->container >= 0)
		return psprintf("step \"%s\" is a child of \"%s\" and cannot be a compensation",
						target->id, nodes[target->container].id);
	if (!step_is_leaf(target))
		return psprintf("a compensation must be a step of type sql or agent, not %s",
						step_type_name(target->type));
	return NULL;
}

/*
 * Find the compensations.  They get the place of what they undo.
 */
void
find_compensations(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;

	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];
		const Json *value;
		Place		place;
		PlanNode   *target;
		char	   *complaint;
		int			index;

		if (json_kind(builder->sources[i]) != JSON_OBJECT)
			continue;
		place = node_place(builder, i);
		value = field_get(&place, "compensate");
		if (value == NULL)
			continue;
		index = find_step(builder, &place, "compensate", value);
		if (index < 0)
			continue;
		target = &plan->nodes[index];
		complaint = compensation_complaint(builder, node, target);
		if (complaint != NULL)
		{
			field_error(builder, &place, "compensate",
						target->compensates >= 0 || target->container >= 0 ?
						"Write a step of its own for each compensation." : NULL,
						"%s", complaint);
			continue;
		}
		node->compensation = index;
		target->compensates = i;
		plan->ncompensations++;
	}
	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];
		Place		place;

		if (node->compensates < 0)
			continue;
		node->container = plan->nodes[node->compensates].container;
		node->line = plan->nodes[node->compensates].line;
		node->next = -1;
		place = node_place(builder, i);
		for (const char *const *field = refused_fields; *field != NULL; field++)
			if (field_get(&place, *field) != NULL)
				field_error(builder, &place, *field, NULL,
							"\"%s\" has no meaning in a compensation", *field);
		node->on_failure = ON_FAILURE_FAIL;
		node->ncatches = 0;
	}
}

/*
 * No way from step to step may lead to a compensation.
 */
static void
refuse_ways_to_compensations(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;

	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];
		PlanWay		way;
		int			next;
		int			k = 0;

		while ((next = scope_way(plan, node, &k, &way)) >= 0)
		{
			if (plan->nodes[next].compensates < 0)
				continue;
			epilogue_error(builder, node, way == WAY_NEXT ? "next_step" : way == WAY_CATCH ? "catch" : NULL,
						   "Write a step of its own for the compensation.",
						   psprintf("step \"%s\" is the compensation of \"%s\" and cannot be the next step",
									plan->nodes[next].id,
									plan->nodes[plan->nodes[next].compensates].id));
			builder->links_broken = true;
		}
	}
	if (plan->start >= 0 && plan->nodes[plan->start].compensates >= 0)
	{
		problem_add(builder->problems, PROBLEM_ERROR, "start_step", NULL, NULL,
					"step \"%s\" is the compensation of \"%s\" and cannot be the first step",
					plan->nodes[plan->start].id,
					plan->nodes[plan->nodes[plan->start].compensates].id);
		plan->start = -1;
	}
}

/*
 * Find the first step of the definition's on_failure chain.
 */
static void
find_chain(Builder *builder, const Place *place)
{
	WorkflowPlan *plan = builder->plan;
	const Json *value = field_get(place, "on_failure");
	const PlanNode *first;
	int			index;

	if (value == NULL)
		return;
	index = find_step(builder, place, "on_failure", value);
	if (index < 0)
	{
		builder->links_broken = true;
		return;
	}
	first = &plan->nodes[index];
	if (first->compensates >= 0)
		field_error(builder, place, "on_failure", NULL,
					"step \"%s\" is the compensation of \"%s\" and cannot begin the on_failure chain",
					first->id, plan->nodes[first->compensates].id);
	else if (first->container >= 0)
		field_error(builder, place, "on_failure", NULL,
					"step \"%s\" is a child of \"%s\" and cannot begin the on_failure chain",
					first->id, plan->nodes[first->container].id);
	else
	{
		plan->on_failure = index;
		return;
	}
	builder->links_broken = true;
}

void
build_epilogue(Builder *builder, const Place *place)
{
	refuse_ways_to_compensations(builder);
	find_chain(builder, place);
}

/*
 * A chain step of the root scope leads to steps that run anyway: name it.
 */
static void
report_shared(Builder *builder, const bool *reachable, const bool *in_chain)
{
	const PlanNode *nodes = builder->plan->nodes;
	const PlanNode *first = &nodes[builder->plan->on_failure];

	if (reachable[first->index])
	{
		problem_add(builder->problems, PROBLEM_ERROR, "on_failure", NULL,
					"The chain needs steps of its own: what fails has run already.",
					"step \"%s\" can be reached from \"%s\" and cannot begin the on_failure chain",
					first->id, nodes[builder->plan->start].id);
		return;
	}
	for (int i = 0; i < builder->plan->nnodes; i++)
	{
		PlanWay		way;
		int			next;
		int			k = 0;

		if (nodes[i].container >= 0 || !in_chain[i] || reachable[i])
			continue;
		while ((next = scope_way(builder->plan, &nodes[i], &k, &way)) >= 0)
		{
			if (reachable[next])
				epilogue_error(builder, &nodes[i], way == WAY_NEXT ? "next_step" : NULL,
							   "The chain needs steps of its own: what fails has run already.",
							   psprintf("a step of the on_failure chain leads to \"%s\", which can be reached from \"%s\"",
										nodes[next].id, nodes[builder->plan->start].id));
		}
	}
}

/*
 * Mark the steps of the chain and check them.  reachable: from the first step.
 */
void
check_chain(Builder *builder, const bool *reachable, const bool *in_chain)
{
	WorkflowPlan *plan = builder->plan;

	report_shared(builder, reachable, in_chain);
	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];

		if (!in_chain[i] || reachable[i])
			continue;
		node->in_chain = true;
		if (step_is_terminal(node) && !step_ends_scope(node))
			epilogue_error(
				builder, node, NULL,
				"How the execution ends is decided before the chain runs.",
				psprintf("a %s step cannot stand in the on_failure chain",
						 step_type_name(node->type)));
		if (node->compensation >= 0)
			epilogue_error(builder, node, "compensate", NULL,
						   "a step of the on_failure chain cannot have a compensation: it runs after all of them");
	}
}

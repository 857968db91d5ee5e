/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  The plan as a graph: nesting, reachability, cycles, ways to end.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Nothing here recurses over
 *	  steps, since a chain can have thousands, and all of it is linear in their
 *	  number.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/scope.h"
#include "definition/steps/conditional.h"
#include "definition/steps/terminal.h"

/* Steps named in the message about a cycle. */
#define CYCLE_STEPS_SHOWN 10

/*
 * Bytes that a level of a scope's path can take beside names
 * (docs/architecture/README.md).
 */
#define VISIT_LENGTH 11			/* "#" and ten digits */
#define ITERATION_LENGTH 14		/* "[", twelve digits and "]" */

/*
 * An error about a step or one of its fields.
 */
static void
step_error(Builder *builder, const PlanNode *node, const char *field,
		   const char *hint, const char *message)
{
	problem_add(builder->problems, PROBLEM_ERROR,
				field == NULL ? psprintf("steps.%s", node->id) :
								psprintf("steps.%s.%s", node->id, field),
				node->id, hint, "%s", message);
}

/*
 * Give every node its depth.  False when containers contain each other.
 */
static bool
compute_depths(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;
	char	   *state = palloc0(plan->nnodes);	/* 1: on the way up, 2: done */
	int		   *stack = palloc(sizeof(int) * plan->nnodes);
	bool		ok = true;

	for (int i = 0; i < plan->nnodes; i++)
	{
		int			height = 0;
		int			node = i;
		int			depth;

		while (node >= 0 && state[node] == 0)
		{
			state[node] = 1;
			stack[height++] = node;
			node = plan->nodes[node].container;
		}
		if (node >= 0 && state[node] == 1)
		{
			step_error(
				builder, &plan->nodes[node], NULL, NULL,
				psprintf("step \"%s\" contains itself through its children",
						 plan->nodes[node].id));
			ok = false;
		}
		depth = node < 0 ? 0 : plan->nodes[node].depth + 1;
		while (height > 0)
		{
			node = stack[--height];
			plan->nodes[node].depth = depth++;
			state[node] = 2;
		}
	}
	pfree(state);
	pfree(stack);
	return ok;
}

/*
 * Containers in containers: not deeper than the setting allows.
 */
static bool
check_nesting(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;
	int			depth = 0;
	bool		ok = true;

	for (int i = 0; i < plan->nnodes; i++)
		if (step_is_container(&plan->nodes[i]))
			depth = Max(depth, plan->nodes[i].depth + 1);
	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];

		if (!step_is_container(node) || node->depth < builder->max_nesting)
			continue;
		ok = false;
		if (node->depth == builder->max_nesting)
			step_error(builder, node, NULL,
					   depth <= PLAN_MAX_NESTING ?
					   "Raise workflow.max_nesting, or make it a workflow of its own." :
					   psprintf("Make it a workflow of its own: more than %d is not possible.", PLAN_MAX_NESTING),
					   psprintf("step \"%s\" is nested more than %d containers deep",
								node->id, builder->max_nesting));
	}
	return ok;
}

/*
 * Places of children in their lines.
 */
static void
compute_positions(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;

	builder->position = palloc(sizeof(int) * plan->nnodes);
	for (int i = 0; i < plan->nnodes; i++)
		builder->position[i] = plan->nodes[i].scope > 0 ?
			plan->nodes[i].position :
			-1;
}

/*
 * A jump stays in the scope of its switch.
 */
static void
check_jumps(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;

	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];

		for (int k = 0; k < node->nlines; k++)
		{
			PlanLine   *line = &node->lines[k];
			PlanNode   *target;
			ConditionalPart *part;
			char	   *field;

			if (line->jump < 0)
				continue;
			target = &plan->nodes[line->jump];
			part = conditional_part(node);
			field = part->condition != NULL ?
				psprintf("%s.next_step",
						 k == part->default_line ? "if_false_step" :
												   "if_true_step") :
				k == part->default_line ? pstrdup("default.next_step") :
				psprintf("switch[%d].next_step", k);
			if (target->container != node->container ||
				(node->container >= 0 && target->line != node->line))
				step_error(
					builder, node, field,
					part->condition == NULL &&
							target->container == node->index ?
						"Use \"step\" for a child of the switch." :
						"A conditional can lead only to a step beside it.",
					psprintf("step \"%s\" is not in the same line as the %s",
							 target->id,
							 part->condition != NULL ? "conditional" :
													   "switch"));
			else
				continue;
			line->jump = -1;
			builder->links_broken = true;
		}
	}
}

/*
 * What catches an error stays in the scope of the step.
 */
static void
check_catches(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;

	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];

		for (int k = 0; k < node->ncatches; k++)
		{
			PlanNode   *target = &plan->nodes[node->catches[k].target];
			char	   *field = psprintf("catch[%d].next_step", k);

			if (target->container == node->container &&
				(node->container < 0 || target->line == node->line))
				continue;
			step_error(builder, node, field,
					   "An error can be caught only by a step beside its own.",
					   psprintf("step \"%s\" is not in the same line",
								target->id));
			node->ncatches = 0;
			builder->links_broken = true;
		}
	}
}

/*
 * Everything that can be reached from a step of the root scope.  There position
 * becomes the order of discovery, from *found on, which in a scope without
 * jumps is the order of execution.  Returns the set as an array by node.
 */
static bool *
find_reachable(Builder *builder, int from, int *found)
{
	WorkflowPlan *plan = builder->plan;
	bool	   *reachable = palloc0(sizeof(bool) * plan->nnodes);
	int		   *stack = palloc(sizeof(int) * plan->nnodes);
	int			height = 0;

	stack[height++] = from;
	reachable[from] = true;
	while (height > 0)
	{
		PlanNode   *node = &plan->nodes[stack[--height]];
		PlanWay		way;
		int			next;
		int			k = 0;

		if (node->container < 0)
			builder->position[node->index] = (*found)++;
		while ((next = scope_way(plan, node, &k, &way)) >= 0)
		{
			if (!reachable[next])
			{
				reachable[next] = true;
				stack[height++] = next;
			}
		}
		for (int line = 0; line < node->nlines; line++)
		{
			const PlanScope *scope = &plan->scopes[node->lines[line].scope];

			for (int i = 0; i < scope->nnodes; i++)
			{
				if (scope->dependencies[i] > 0 || reachable[scope->nodes[i]])
					continue;
				reachable[scope->nodes[i]] = true;
				stack[height++] = scope->nodes[i];
			}
		}
	}
	pfree(stack);
	return reachable;
}

/*
 * Report what cannot be reached; a container speaks for its children.
 */
static void
report_unreachable(Builder *builder, const bool *reachable)
{
	for (int i = 0; i < builder->plan->nnodes; i++)
	{
		PlanNode   *node = &builder->plan->nodes[i];

		if (!reachable[i] && node->container < 0 && node->compensates < 0)
			step_error(
				builder, node, NULL,
				"Name it in a \"next_step\" or as a child of a container.",
				psprintf("step \"%s\" cannot be reached from \"%s\"", node->id,
						 builder->plan->nodes[builder->plan->start].id));
	}
}

/*
 * Does a scope end when it has got through this step?
 */
static bool
can_end_at(const WorkflowPlan *plan, const PlanNode *node)
{
	const int  *successors;

	if (step_is_terminal(node))
		return true;
	if (scope_successors(plan, node, &successors) > 0)
		return false;
	if (!step_chooses(node) || conditional_part(node)->default_line < 0 ||
		(conditional_part(node)->condition != NULL && node->nlines == 1))
		return true;
	for (int k = 0; k < node->nlines; k++)
		if (node->lines[k].jump < 0)
			return true;
	return false;				/* every case jumps elsewhere */
}

/*
 * There must be a way out of the root scope, or of the on_failure chain in it.
 */
static void
check_ends(Builder *builder, const bool *reachable, bool is_chain)
{
	const WorkflowPlan *plan = builder->plan;

	for (int i = 0; i < plan->nnodes; i++)
	{
		const PlanNode *node = &plan->nodes[i];

		/* further in that is for steps that end the execution */
		if (reachable[i] &&
			(node->container < 0 ? can_end_at(plan, node) :
			 step_is_terminal(node) && !step_ends_scope(node)))
			return;
	}
	problem_add(builder->problems, PROBLEM_ERROR, is_chain ? "on_failure" : "steps", NULL,
				is_chain ? "Leave out \"next_step\" of the last step." :
				"Leave out \"next_step\" of the last step, or add a succeed or fail step.",
				is_chain ? "no step ends the on_failure chain" : "no step ends the workflow");
}

/*
 * And out of each line of a container, unless it has no steps.
 */
static void
check_line_ends(Builder *builder, const bool *reachable)
{
	const WorkflowPlan *plan = builder->plan;

	for (int i = 0; i < plan->nnodes; i++)
	{
		const PlanNode *node = &plan->nodes[i];

		for (int k = 0; reachable[i] && k < node->nlines; k++)
		{
			const PlanScope *scope = plan_scope(plan, node, k);
			bool		ends = scope->nnodes == 0;

			for (int n = 0; n < scope->nnodes && !ends; n++)
				ends = reachable[scope->nodes[n]] &&
					can_end_at(plan, &plan->nodes[scope->nodes[n]]);
			if (!ends)
				step_error(builder, node, NULL,
						   "Let a case of the last step have no \"next_step\", or add a step behind it.",
						   step_iterates(node) ?
						   psprintf("no step ends the body of loop \"%s\"", node->id) :
						   psprintf("no step ends \"%s\" of step \"%s\"",
									node->lines[k].name, node->id));
		}
	}
}

/*
 * Report the cycle that closes with a step back to stack[from].
 */
static void
report_cycle(Builder *builder, const int *stack, int from, int height)
{
	const PlanNode *nodes = builder->plan->nodes;
	const PlanNode *last = &nodes[stack[height - 1]];
	const int  *successors;
	int			nsuccessors = scope_successors(builder->plan, last, &successors);
	bool		follows = false;
	StringInfoData names;

	initStringInfo(&names);
	for (int i = from; i < height; i++)
	{
		if (i - from == CYCLE_STEPS_SHOWN)
		{
			appendStringInfoString(&names, "... -> ");
			break;
		}
		appendStringInfo(&names, "%s -> ", nodes[stack[i]].id);
	}
	for (int i = 0; i < nsuccessors; i++)
		follows |= (successors[i] == stack[from]);
	step_error(
		builder, last, follows && last->container < 0 ? "next_step" : NULL,
		"Give one of these steps \"max_visits\", so that the cycle ends.",
		psprintf("steps form a cycle without \"max_visits\": %s%s", names.data,
				 nodes[stack[from]].id));
	pfree(names.data);
}

/*
 * Find cycles on which no step has max_visits: a depth-first search among the
 * other steps of a scope that comes back to where it still is.
 */
static void
check_cycles(Builder *builder, const bool *reachable)
{
	WorkflowPlan *plan = builder->plan;
	char	   *state = palloc0(plan->nnodes);	/* 1: on the stack, 2: done */
	int		   *stack = palloc(sizeof(int) * plan->nnodes);
	int		   *edge = palloc0(sizeof(int) * plan->nnodes);
	int		   *place = palloc(sizeof(int) * plan->nnodes);

	for (int i = 0; i < plan->nnodes; i++)
	{
		int			height = 0;

		if (!reachable[i] || plan->nodes[i].max_visits > 0 || state[i] != 0)
			continue;
		state[i] = 1;
		place[i] = height;
		stack[height++] = i;
		while (height > 0)
		{
			PlanNode   *node = &plan->nodes[stack[height - 1]];
			PlanWay		way;
			int			next = scope_way(plan, node, &edge[node->index], &way);

			if (next < 0)
			{
				state[node->index] = 2;
				height--;
			}
			else if (plan->nodes[next].max_visits > 0 || state[next] == 2)
				;				/* ends by itself, or has been looked at */
			else if (state[next] == 1)
				report_cycle(builder, stack, place[next], height);
			else
			{
				state[next] = 1;
				place[next] = height;
				stack[height++] = next;
			}
		}
	}
	pfree(state);
	pfree(stack);
	pfree(edge);
	pfree(place);
}

/*
 * Longest path of a scope directly inside the line of a container.
 */
static int
scope_length(const WorkflowPlan *plan, int container, int line)
{
	int			length = 0;

	while (container >= 0)
	{
		const PlanNode *node = &plan->nodes[container];

		if (length > 0)
			length++;			/* "/" */
		length += scope_name_length(node->id);
		if (step_may_have_visits(node))
			length += VISIT_LENGTH;
		if (step_iterates(node))
			length += ITERATION_LENGTH;
		else
			length += 1 + scope_name_length(
				plan_line_path_name(&node->lines[line]));
		container = node->container;
		line = node->line;
	}
	return length;
}

/*
 * Scope paths are part of a btree key.
 */
static void
check_scope_lengths(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;

	for (int i = 0; i < plan->nnodes; i++)
	{
		for (int k = 0; k < plan->nodes[i].nlines; k++)
		{
			if (plan->scopes[plan->nodes[i].lines[k].scope].nnodes == 0 ||
				scope_length(plan, i, k) <= PLAN_MAX_SCOPE_LENGTH)
				continue;
			step_error(builder, &plan->nodes[i], NULL, "Use shorter ids, or nest less deep.",
					   psprintf("the ids around the children of step \"%s\" are together longer than %d bytes",
								plan->nodes[i].id, PLAN_MAX_SCOPE_LENGTH));
			break;
		}
	}
}

/*
 * Check the graph, and find out what the references' check needs.
 */
bool
validate_graph(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;
	bool	   *reachable;
	int			found = 0;

	if (!compute_depths(builder))
		return false;
	compute_positions(builder);
	check_jumps(builder);
	check_catches(builder);
	if (plan->start >= 0)
	{
		reachable = find_reachable(builder, plan->start, &found);
		check_ends(builder, reachable, false);
		if (plan->on_failure >= 0)
		{
			bool	   *in_chain = find_reachable(builder, plan->on_failure, &found);

			check_chain(builder, reachable, in_chain);
			check_ends(builder, in_chain, true);
			for (int i = 0; i < plan->nnodes; i++)
				reachable[i] |= in_chain[i];
			pfree(in_chain);
		}
		if (!builder->links_broken)
			report_unreachable(builder, reachable);
		check_line_ends(builder, reachable);
		check_cycles(builder, reachable);
		compute_reach(builder);
		pfree(reachable);
	}
	if (check_nesting(builder))
		check_scope_lengths(builder);
	return true;
}

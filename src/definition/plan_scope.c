/*-------------------------------------------------------------------------
 *
 * plan_scope.c
 *	  The scopes of a plan: who belongs to them, and what follows what.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  Built in time and memory linear in steps and edges: each is counted once
 *	  and put in its place once.  All scopes share four arrays.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

const PlanScope *
plan_scope(const WorkflowPlan *plan, const PlanNode *container, int line)
{
	if (container == NULL)
		return &plan->scopes[0];
	/* the iterations of a loop share its one line */
	return &plan->scopes[container->lines[Min(line, container->nlines - 1)].scope];
}

int
scope_successors(const WorkflowPlan *plan, const PlanNode *node,
				 const int **successors)
{
	const PlanScope *scope;

	*successors = NULL;
	if (node->scope < 0)
		return 0;
	scope = &plan->scopes[node->scope];
	*successors = scope->successors + scope->edges[node->position];
	return scope->edges[node->position + 1] - scope->edges[node->position];
}

int
scope_next(const WorkflowPlan *plan, const PlanNode *node)
{
	const int  *successors;

	Assert(node->scope < 0 || !plan->scopes[node->scope].is_graph);
	return scope_successors(plan, node, &successors) > 0 ? successors[0] : -1;
}

int
scope_way(const WorkflowPlan *plan, const PlanNode *node, int *k, PlanWay *way)
{
	const int  *successors;
	int			nsuccessors = scope_successors(plan, node, &successors);

	while (*k < nsuccessors + node->nlines + node->ncatches)
	{
		int			i = (*k)++;
		int			target;

		if (i < nsuccessors)
		{
			*way = WAY_NEXT;
			return successors[i];
		}
		i -= nsuccessors;
		if (i < node->nlines)
		{
			*way = WAY_JUMP;
			target = node->lines[i].jump;
		}
		else
		{
			*way = WAY_CATCH;
			target = node->catches[i - node->nlines].target;
		}
		if (target >= 0)
			return target;
	}
	return -1;
}

/* --- building --- */

void
plan_depend(Builder *builder, int node, int on)
{
	if (builder->ndependencies == builder->dependencies_size)
	{
		builder->dependencies_size = Max(64, builder->dependencies_size * 2);
		builder->dependencies = builder->dependencies == NULL ?
			palloc(sizeof(Dependency) * builder->dependencies_size) :
			repalloc(builder->dependencies,
					 sizeof(Dependency) * builder->dependencies_size);
	}
	builder->dependencies[builder->ndependencies].node = node;
	builder->dependencies[builder->ndependencies++].on = on;
}

/*
 * A scope for the root and for each line, and how many steps are in each.
 */
static void
make_scopes(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;

	plan->nscopes = 1;
	for (int i = 0; i < plan->nnodes; i++)
		plan->nscopes += plan->nodes[i].nlines;
	plan->scopes = palloc0(sizeof(PlanScope) * plan->nscopes);
	plan->scopes[0].first = plan->start;
	plan->nscopes = 1;
	for (int i = 0; i < plan->nnodes; i++)
	{
		for (int k = 0; k < plan->nodes[i].nlines; k++)
		{
			PlanLine   *line = &plan->nodes[i].lines[k];

			plan->scopes[plan->nscopes].first = line->first;
			line->scope = plan->nscopes++;
		}
	}
	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];

		node->scope = node->compensates >= 0 ? -1 : node->container < 0 ? 0 :
			plan->nodes[node->container].lines[node->line].scope;
		if (node->scope >= 0)
			plan->scopes[node->scope].nnodes++;
	}
	for (int i = 0; i < builder->ndependencies; i++)
	{
		const PlanNode *node = &plan->nodes[builder->dependencies[i].node];

		Assert(node->scope >= 0 &&
			   node->scope == plan->nodes[builder->dependencies[i].on].scope);
		plan->scopes[node->scope].is_graph = true;
	}
}

/*
 * Put the steps into their scopes.
 */
static void
place_nodes(WorkflowPlan *plan)
{
	int		   *nodes = palloc(sizeof(int) * plan->nnodes);
	int		   *dependencies = palloc0(sizeof(int) * plan->nnodes);
	int		   *edges = palloc0(sizeof(int) * (plan->nnodes + plan->nscopes));

	for (int i = 0; i < plan->nscopes; i++)
	{
		PlanScope  *scope = &plan->scopes[i];

		scope->nodes = nodes;
		scope->dependencies = dependencies;
		scope->edges = edges;
		nodes += scope->nnodes;
		dependencies += scope->nnodes;
		edges += scope->nnodes + 1;
		scope->nnodes = 0;		/* until they are there */
		if (i > 0 && !scope->is_graph)
			for (int node = scope->first; node >= 0;
				 node = plan->nodes[node].next)
			{
				plan->nodes[node].position = scope->nnodes;
				scope->nodes[scope->nnodes++] = node;
			}
	}
	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];
		PlanScope  *scope = node->scope >= 0 ? &plan->scopes[node->scope] : NULL;

		if (scope == NULL || (node->scope > 0 && !scope->is_graph))
			continue;
		node->position = scope->nnodes;
		scope->nodes[scope->nnodes++] = i;
	}
}

/* An edge for each dependency of a graph, ordered by the step that waits. */
static Dependency *
sort_dependencies(const Builder *builder)
{
	int			nnodes = builder->plan->nnodes;
	int		   *starts = palloc0(sizeof(int) * (nnodes + 1));
	Dependency *sorted = palloc(sizeof(Dependency) *
								Max(builder->ndependencies, 1));

	for (int i = 0; i < builder->ndependencies; i++)
		starts[builder->dependencies[i].node + 1]++;
	for (int i = 0; i < nnodes; i++)
		starts[i + 1] += starts[i];
	for (int i = 0; i < builder->ndependencies; i++)
		sorted[starts[builder->dependencies[i].node]++] =
			builder->dependencies[i];
	pfree(starts);
	return sorted;
}

/*
 * Where the successors of each step are to be, from how many there are; next:
 * the first free place of each.
 */
static void
place_edges(WorkflowPlan *plan, const Dependency *dependencies,
			int ndependencies, int *next)
{
	int			nedges = 0;
	int		   *successors;

	for (int i = 0; i < plan->nnodes; i++)
	{
		const PlanNode *node = &plan->nodes[i];

		if (node->scope >= 0 && node->next >= 0 &&
			!plan->scopes[node->scope].is_graph)
			plan->scopes[node->scope].edges[node->position + 1]++;
	}
	for (int i = 0; i < ndependencies; i++)
	{
		const PlanNode *on = &plan->nodes[dependencies[i].on];

		plan->scopes[on->scope].edges[on->position + 1]++;
	}
	for (int i = 0; i < plan->nscopes; i++)
	{
		PlanScope  *scope = &plan->scopes[i];

		for (int k = 0; k < scope->nnodes; k++)
			scope->edges[k + 1] += scope->edges[k];
		nedges += scope->edges[scope->nnodes];
	}
	successors = palloc(sizeof(int) * Max(nedges, 1));
	for (int i = 0; i < plan->nscopes; i++)
	{
		PlanScope  *scope = &plan->scopes[i];

		scope->successors = successors;
		successors += scope->edges[scope->nnodes];
		for (int k = 0; k < scope->nnodes; k++)
			next[scope->nodes[k]] = scope->edges[k];
	}
}

/*
 * Make the scopes: lines are listed, the root scope is linked, compensations
 * are known, and so is the first step.
 */
void
build_scopes(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;
	Dependency *dependencies = sort_dependencies(builder);
	int		   *next = palloc(sizeof(int) * plan->nnodes);

	make_scopes(builder);
	place_nodes(plan);
	place_edges(plan, dependencies, builder->ndependencies, next);
	for (int i = 0; i < plan->nnodes; i++)
	{
		const PlanNode *node = &plan->nodes[i];
		PlanScope  *scope = node->scope >= 0 ? &plan->scopes[node->scope] : NULL;

		if (scope == NULL || scope->is_graph)
			continue;
		scope->dependencies[node->position] = (i != scope->first);
		if (node->next >= 0)
			scope->successors[next[i]] = node->next;
	}
	for (int i = 0; i < builder->ndependencies; i++)
	{
		const PlanNode *node = &plan->nodes[dependencies[i].node];
		PlanScope  *scope = &plan->scopes[node->scope];

		scope->dependencies[node->position]++;
		scope->successors[next[dependencies[i].on]++] = node->index;
	}
	for (int i = 0; i < plan->nscopes; i++)
	{
		PlanScope  *scope = &plan->scopes[i];

		for (int k = 0; scope->is_graph && k < scope->nnodes; k++)
		{
			scope->first = scope->nodes[k];
			if (scope->dependencies[k] == 0)
				break;
		}
	}
	pfree(dependencies);
	pfree(next);
}

/*-------------------------------------------------------------------------
 *
 * reach.c
 *	  Which steps of a scope can run before which, and which of them are on a
 *	  cycle.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  Strongly connected components by Tarjan's algorithm, without recursion.
 *	  It completes a component after all that can be reached from it, so the set
 *	  of those is known at once.  The sets of a scope make a bit matrix, which
 *	  is left out in the usual case of a chain without jumps: there its order
 *	  says everything.  So it does in a line whose jumps all lead forward.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

#define BITS 64
#define words_of(n) (((n) + BITS - 1) / BITS)

/* The state of the search. */
typedef struct Search
{
	Builder    *builder;
	int		   *number;			/* by node: order of discovery, -1 = not yet */
	int		   *low;			/* by node: smallest number reached */
	int		   *edge;			/* by node: successors looked at */
	int		   *path;			/* nodes on the way down */
	int		   *open;			/* nodes without a component yet */
	int			nfound;
	int			npath;
	int			nopen;
	int			ncomponents;
	ScopeReach *reach;			/* of the scope that is searched */
} Search;

/*
 * As scope_way(), of the ways that stay in the scope.  Others are errors, which
 * were reported: to a compensation, say, which is in no scope.
 */
static int
next_in_scope(const Builder *builder, int from, int *k, PlanWay *way)
{
	const PlanNode *nodes = builder->plan->nodes;
	int			next;

	do
		next = scope_way(builder->plan, &nodes[from], k, way);
	while (next >= 0 && nodes[next].scope != nodes[from].scope);
	return next;
}

/*
 * A node has been found.
 */
static void
enter(Search *search, int node)
{
	search->number[node] = search->low[node] = search->nfound++;
	search->path[search->npath++] = node;
	search->open[search->nopen++] = node;
}

/*
 * The component that begins with a node is complete: number it, note which of
 * its nodes are on a cycle, and what it reaches.
 */
static void
complete_component(Search *search, int root)
{
	Builder    *builder = search->builder;
	PlanNode   *nodes = builder->plan->nodes;
	ScopeReach *reach = search->reach;
	int			component = search->ncomponents++;
	int			first = search->nopen;
	bool		is_cycle;

	do
		builder->component[search->open[--first]] = component;
	while (search->open[first] != root);

	is_cycle = search->nopen - first > 1;
	for (int i = first; i < search->nopen; i++)
	{
		PlanWay		way;
		int			next;
		int			k = 0;

		while ((next = next_in_scope(builder, search->open[i], &k, &way)) >= 0)
		{
			int			below = builder->component[next];

			if (below == component)
				is_cycle = true;
			if (reach->sets != NULL)
			{
				uint64	   *set = reach->sets + (size_t) component * reach->row;
				uint64	   *other = reach->sets + (size_t) below * reach->row;

				set[below / BITS] |= UINT64CONST(1) << (below % BITS);
				if (below != component)
					for (int w = 0; w < reach->row; w++)
						set[w] |= other[w];
			}
		}
	}
	for (int i = first; i < search->nopen; i++)
		nodes[search->open[i]].on_cycle = is_cycle;
	search->nopen = first;
}

/*
 * Search everything behind one node.
 */
static void
search_from(Search *search, int start)
{
	Builder    *builder = search->builder;

	enter(search, start);
	while (search->npath > 0)
	{
		int			node = search->path[search->npath - 1];
		int			edge = search->edge[node];
		PlanWay		way;
		int			next = next_in_scope(builder, node, &search->edge[node], &way);

		if (next >= 0 && search->number[next] < 0)
		{
			/* Come back to this edge: it tells the low number then. */
			search->edge[node] = edge;
			enter(search, next);
			continue;
		}
		if (next >= 0 && builder->component[next] < 0)
			search->low[node] = Min(search->low[node], search->low[next]);
		if (next >= 0)
			continue;
		if (search->low[node] == search->number[node])
			complete_component(search, node);
		search->npath--;
	}
}

/*
 * Does a scope have ways that its order does not tell of?  Of a line, those
 * that lead forward are no such.
 */
static bool
has_jumps(const Builder *builder, const PlanScope *scope, bool is_root)
{
	if (scope->is_graph)
		return true;
	for (int i = 0; i < scope->nnodes; i++)
	{
		int			node = scope->nodes[i];
		PlanWay		way;
		int			next;
		int			k = 0;

		while ((next = next_in_scope(builder, node, &k, &way)) >= 0)
			if (way != WAY_NEXT &&
				(is_root || builder->position[next] <= builder->position[node]))
				return true;
	}
	return false;
}

/*
 * Find components, cycles and reach of one scope.
 */
static void
search_scope(Search *search, int index)
{
	Builder    *builder = search->builder;
	WorkflowPlan *plan = builder->plan;
	const PlanScope *scope = &plan->scopes[index];
	ScopeReach *reach = &builder->reach[index];
	bool		is_root = index == 0;
	bool		jumps = has_jumps(builder, scope, is_root);

	/* a chain of the root may have cycles without jumps */
	if (!is_root && !jumps)
		return;
	reach->searched = true;
	if (jumps)
	{
		reach->row = words_of(scope->nnodes);
		reach->sets = palloc0(sizeof(uint64) * (size_t) reach->row *
							  scope->nnodes);
	}
	search->reach = reach;
	search->nfound = search->npath = search->nopen = search->ncomponents = 0;
	for (int i = 0; i < scope->nnodes; i++)
	{
		int			node = scope->nodes[i];

		if (search->number[node] < 0 &&
			(node == scope->first || (is_root && node == plan->on_failure) ||
			 (scope->is_graph && scope->dependencies[i] == 0)))
			search_from(search, node);
	}
}

/*
 * Find components, cycles and reach of all scopes.
 */
void
compute_reach(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;
	Search		search;

	memset(&search, 0, sizeof(search));
	search.builder = builder;
	search.number = palloc(sizeof(int) * plan->nnodes);
	search.low = palloc(sizeof(int) * plan->nnodes);
	search.edge = palloc0(sizeof(int) * plan->nnodes);
	search.path = palloc(sizeof(int) * plan->nnodes);
	search.open = palloc(sizeof(int) * plan->nnodes);
	builder->component = palloc(sizeof(int) * plan->nnodes);
	builder->reach = palloc0(sizeof(ScopeReach) * plan->nscopes);
	for (int i = 0; i < plan->nnodes; i++)
		search.number[i] = builder->component[i] = -1;
	for (int i = 0; i < plan->nscopes; i++)
		search_scope(&search, i);

	pfree(search.number);
	pfree(search.low);
	pfree(search.edge);
	pfree(search.path);
	pfree(search.open);
}

void
free_reach(Builder *builder)
{
	if (builder->reach == NULL)
		return;
	for (int i = 0; i < builder->plan->nscopes; i++)
		if (builder->reach[i].sets != NULL)
			pfree(builder->reach[i].sets);
	pfree(builder->reach);
	pfree(builder->component);
}

bool
step_leads_to(const Builder *builder, int from, int to)
{
	const PlanNode *nodes = builder->plan->nodes;
	const ScopeReach *reach;
	int			target;

	if (builder->reach == NULL || nodes[from].scope < 0 ||
		nodes[from].scope != nodes[to].scope)
		return true;
	reach = &builder->reach[nodes[from].scope];
	if (!reach->searched)
		return builder->position[from] < builder->position[to];
	if (builder->component[from] < 0 || builder->component[to] < 0)
		return true;
	if (reach->sets == NULL)
		return nodes[to].on_cycle ||
			builder->position[from] < builder->position[to];
	target = builder->component[to];
	return (reach->sets[(size_t) builder->component[from] * reach->row +
						target / BITS] >> (target % BITS)) & 1;
}

/*-------------------------------------------------------------------------
 *
 * reach.c
 *	  Which steps of the root scope can run before which.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  Strongly connected components by Tarjan's algorithm, without recursion.
 *	  It completes a component after all that can be reached from it, so the set
 *	  of those is known at once.  The sets make a bit matrix, which is left out
 *	  in the usual case of a chain without jumps: there its order says
 *	  everything.
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
	int			row;			/* words in a row of the matrix, 0 = no
								 * matrix */
} Search;

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
	int			component = builder->ncomponents++;
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

		while ((next = scope_way(builder->plan, &nodes[search->open[i]], &k,
								 &way)) >= 0)
		{
			int			below = builder->component[next];

			if (below == component)
				is_cycle = true;
			if (search->row > 0)
			{
				uint64	   *set = builder->reach + (size_t) component * search->row;
				uint64	   *other = builder->reach + (size_t) below * search->row;

				set[below / BITS] |= UINT64CONST(1) << (below % BITS);
				if (below != component)
					for (int w = 0; w < search->row; w++)
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
		int			next = scope_way(builder->plan, &builder->plan->nodes[node],
									 &search->edge[node], &way);

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
 * Find components, cycles and reach of the root scope.
 */
void
compute_reach(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;
	Search		search;
	bool		has_jumps = plan->scopes[0].is_graph;

	for (int i = 0; i < plan->nnodes; i++)
	{
		if (plan->nodes[i].container >= 0)
			continue;
		has_jumps |= plan->nodes[i].ncatches > 0;
		for (int k = 0; k < plan->nodes[i].nlines; k++)
			has_jumps |= plan->nodes[i].lines[k].jump >= 0;
	}

	memset(&search, 0, sizeof(search));
	search.builder = builder;
	search.number = palloc(sizeof(int) * plan->nnodes);
	search.low = palloc(sizeof(int) * plan->nnodes);
	search.edge = palloc0(sizeof(int) * plan->nnodes);
	search.path = palloc(sizeof(int) * plan->nnodes);
	search.open = palloc(sizeof(int) * plan->nnodes);
	builder->component = palloc(sizeof(int) * plan->nnodes);
	builder->ncomponents = 0;
	for (int i = 0; i < plan->nnodes; i++)
		search.number[i] = builder->component[i] = -1;
	if (has_jumps)
	{
		search.row = words_of(plan->nnodes);
		builder->reach = palloc0(sizeof(uint64) * (size_t) search.row *
								 plan->nnodes);
	}
	builder->row = search.row;

	search_from(&search, plan->start);
	if (plan->on_failure >= 0 && search.number[plan->on_failure] < 0)
		search_from(&search, plan->on_failure);

	pfree(search.number);
	pfree(search.low);
	pfree(search.edge);
	pfree(search.path);
	pfree(search.open);
}

/*
 * Can the root scope get from one node to the other by at least one step?  Also
 * true for steps that cannot be reached: that was reported already.
 */
bool
root_leads_to(const Builder *builder, int from, int to)
{
	int			target;

	if (builder->component == NULL || builder->component[from] < 0 ||
		builder->component[to] < 0)
		return true;
	if (builder->reach == NULL)
		return builder->plan->nodes[to].on_cycle ||
			builder->position[from] < builder->position[to];
	target = builder->component[to];
	return (builder->reach[(size_t) builder->component[from] * builder->row +
						   target / BITS] >> (target % BITS)) & 1;
}

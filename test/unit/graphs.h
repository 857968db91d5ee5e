/*-------------------------------------------------------------------------
 *
 * graphs.h
 *	  For the tests of scopes: plans made with the builder, whose root scope is a
 *	  graph.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_GRAPHS_H
#define PGWF_GRAPHS_H

#include "definition/builder.h"

/* A builder with so many steps, nothing of them known. */
static inline Builder *
bare_builder(int nnodes)
{
	Builder    *builder = palloc0(sizeof(Builder));
	WorkflowPlan *plan = palloc0(sizeof(WorkflowPlan));

	builder->plan = plan;
	plan->nodes = palloc0(sizeof(PlanNode) * nnodes);
	plan->nnodes = nnodes;
	plan->on_failure = -1;
	for (int i = 0; i < nnodes; i++)
	{
		plan->nodes[i].index = i;
		plan->nodes[i].id = psprintf("s%d", i);
		plan->nodes[i].type = STEP_SQL;
		plan->nodes[i].container = plan->nodes[i].next = -1;
		plan->nodes[i].compensation = plan->nodes[i].compensates = -1;
	}
	return builder;
}

/* Numbers that are the same each time. */
static inline int
any_number(uint32 *seed, int below)
{
	*seed = *seed * 1103515245 + 12345;
	return (int) ((*seed >> 8) % below);
}

/*
 * A graph in which each step depends on up to so many others, whichever, in any order of
 * their indexes but without a cycle.
 */
static inline Builder *
any_graph(uint32 seed, int nnodes, int most)
{
	Builder    *builder = bare_builder(nnodes);
	int		   *order = palloc(sizeof(int) * nnodes);

	for (int i = 0; i < nnodes; i++)
		order[i] = i;
	for (int i = nnodes - 1; i > 0; i--)
	{
		int			other = any_number(&seed, i + 1);
		int			held = order[i];

		order[i] = order[other];
		order[other] = held;
	}
	for (int i = 1; i < nnodes; i++)
		for (int k = any_number(&seed, most + 1); k > 0; k--)
			plan_depend(builder, order[i], order[any_number(&seed, i)]);
	return builder;
}

/* Two thousand steps, of which one waits for a thousand, and a thousand for that one. */
static inline Builder *
wide_graph(void)
{
	Builder    *builder = bare_builder(2000);

	for (int i = 0; i < 1000; i++)
		plan_depend(builder, 1000, i);
	for (int i = 1001; i < 2000; i++)
		plan_depend(builder, i, 1000);
	return builder;
}

#endif							/* PGWF_GRAPHS_H */

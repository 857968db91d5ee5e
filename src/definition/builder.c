/*-------------------------------------------------------------------------
 *
 * builder.c
 *	  What front ends make plans with: nodes, by their ids, and what follows
 *	  what.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

/*
 * Room for the nodes: they do not move.
 */
void
plan_reserve(Builder *builder, int count)
{
	builder->plan->nodes = palloc0(sizeof(PlanNode) * count);
	builder->sources = palloc0(sizeof(Json *) * count);
	builder->ids = name_map_create(count);
	builder->reserved = count;
}

/*
 * Add the node of a step, which the id leads to.
 */
PlanNode *
plan_add_node(Builder *builder, const char *id, const Json *source)
{
	WorkflowPlan *plan = builder->plan;
	PlanNode   *node = &plan->nodes[plan->nnodes];

	Assert(plan->nnodes < builder->reserved);
	if (!name_map_add(builder->ids, id, plan->nnodes))
		return NULL;
	node->index = plan->nnodes;
	node->id = pstrdup(id);
	node->container = -1;
	node->next = -1;
	node->compensation = node->compensates = -1;
	builder->sources[plan->nnodes++] = source;
	return node;
}

/*
 * Lead from a step to the one that follows it.
 */
void
plan_connect(Builder *builder, int node, int next)
{
	builder->plan->nodes[node].next = next;
}

/*
 * Place of a node's own object in the document.
 */
Place
node_place(const Builder *builder, int node)
{
	Place		place;

	place.object = builder->sources[node];
	place.step_id = builder->plan->nodes[node].id;
	place.path = psprintf("steps.%s", place.step_id);
	return place;
}

/*
 * The node that an id names.  -1, with a problem reported, when it is no id of
 * a step.
 */
int
find_step(Builder *builder, const Place *place, const char *field,
		  const Json *value)
{
	int			node;

	if (json_kind(value) != JSON_STRING)
	{
		field_error(builder, place, field, NULL,
					"expected the id of a step or a step, not %s", json_kind_name(value));
		return -1;
	}
	node = name_map_get(builder->ids, json_string(value));
	if (node < 0)
		field_error(builder, place, field,
					likeness_hint(builder, builder->ids, json_string(value)),
					"step \"%s\" does not exist", json_string(value));
	return node;
}

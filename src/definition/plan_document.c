/*-------------------------------------------------------------------------
 *
 * plan_document.c
 *	  Builds the plan of a document in the stored form of the native format.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Nodes stand in the order of
 *	  the document's steps, so that the same stored text gives the same indexes.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

/*
 * A node for each step, known by its id.
 */
static void
build_nodes(Builder *builder, const Json *steps)
{
	plan_reserve(builder, json_count(steps));
	for (const Json *step = json_first(steps); step != NULL;
		 step = json_next(step))
	{
		PlanNode   *node = plan_add_node(builder, json_key(step), step);
		const char *complaint = name_id_complaint(json_key(step));
		Place		place;

		if (node == NULL || complaint == NULL)
			continue;			/* the first of a name stays */
		place = node_place(builder, node->index);
		field_error(builder, &place, NULL, NULL, "the id of a step %s",
					complaint);
	}
}

/*
 * Follow next_step in the root scope; elsewhere the order of the children
 * decides, and a next_step that says something else deserves a word.
 */
static void
link_root(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;
	int			errors = builder->problems->errors;

	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];
		Place		place;
		const Json *next;
		int			target;

		next = json_get(builder->sources[i], "next_step");
		if (next == NULL || json_kind(next) == JSON_NULL)
			continue;
		place = node_place(builder, i);
		next = field_of_kind(builder, &place, "next_step", JSON_STRING);
		target = next != NULL ? name_map_get(builder->ids, json_string(next)) :
								-1;
		if (next == NULL)
			;					/* reported */
		else if (target < 0)
			field_error(builder, &place, "next_step",
						likeness_hint(builder, builder->ids, json_string(next)),
						"step \"%s\" does not exist", json_string(next));
		else if (node->container >= 0 && target == node->container)
			;					/* back to where it belongs: no more is meant */
		else if (node->container >= 0)
			problem_add(builder->problems, PROBLEM_WARNING,
						psprintf("%s.next_step", place.path), node->id,
						"Steps inside a container run in the order in which it lists them.",
						"\"next_step\" of a step inside \"%s\" is not followed",
						plan->nodes[node->container].id);
		else if (step_is_terminal(node))
			problem_add(builder->problems, PROBLEM_WARNING,
						psprintf("%s.next_step", place.path), node->id, NULL,
						"\"next_step\" of a %s step is not followed, since it ends the execution",
						step_type_name(node->type));
		else if (plan->nodes[target].container >= 0)
			field_error(builder, &place, "next_step",
						"A step is either a child of a container or part of the chain.",
						"step \"%s\" is a child of \"%s\" and cannot be the next step",
						json_string(next),
						plan->nodes[plan->nodes[target].container].id);
		else
			plan_connect(builder, i, target);
		pfree(unconstify(char *, place.path));
	}
	builder->links_broken |= builder->problems->errors > errors;
}

/*
 * Find the first step.
 */
static void
find_start(Builder *builder, const Place *place)
{
	WorkflowPlan *plan = builder->plan;

	plan->start = -1;
	if (builder->start_step == NULL)
	{
		if (field_get(place, "start_step") == NULL)
			field_error(builder, place, "start_step", NULL,
						"\"start_step\" is required");
		return;
	}
	plan->start = name_map_get(builder->ids, builder->start_step);
	if (plan->start < 0)
		field_error(builder, place, "start_step",
					likeness_hint(builder, builder->ids, builder->start_step),
					"step \"%s\" does not exist", builder->start_step);
	else if (plan->nodes[plan->start].container >= 0)
	{
		field_error(builder, place, "start_step", NULL,
					"step \"%s\" is a child of \"%s\" and cannot be the first step",
					builder->start_step,
					plan->nodes[plan->nodes[plan->start].container].id);
		plan->start = -1;
	}
}

/*
 * Everything about the steps, in an order in which each part finds what it
 * needs: nodes, their fields, the chain, the graph, the references.
 */
static void
build_steps(Builder *builder, const Place *place)
{
	WorkflowPlan *plan = builder->plan;
	const Json *steps = field_get(place, "steps");

	if (steps == NULL)
	{
		field_error(builder, place, "steps", NULL, "\"steps\" is required");
		return;
	}
	/*
	 * an array has become an object when the document was put into the stored
	 * form
	 */
	if (json_kind(steps) != JSON_OBJECT)
	{
		field_error(builder, place, "steps", NULL,
					"\"steps\" must be an object or an array, not %s",
					json_kind_name(steps));
		return;
	}
	if (json_count(steps) == 0)
	{
		field_error(builder, place, "steps", NULL,
					"a definition needs at least one step");
		return;
	}
	if (json_count(steps) > MAX_STEPS)
	{
		field_error(builder, place, "steps",
					"Use a loop, or several workflows.",
					"a definition cannot have more than %d steps", MAX_STEPS);
		return;
	}
	if (json_count(steps) > MANY_STEPS)
		problem_add(builder->problems, PROBLEM_WARNING, "steps", NULL,
					"A loop or several workflows may serve better.",
					"the definition has %d steps", json_count(steps));

	build_nodes(builder, steps);
	for (int i = 0; i < plan->nnodes; i++)
		build_step(builder, &plan->nodes[i]);
	link_root(builder);
	find_start(builder, place);
	find_compensations(builder);
	build_scopes(builder);
	build_epilogue(builder, place);
}

/*
 * Everything of a document in the stored form.
 */
void
build_definition(Builder *builder, const Json *document)
{
	Place		place = {document, "", NULL};

	if (json_kind(document) != JSON_OBJECT)
	{
		field_error(builder, &place, NULL, NULL,
					"a definition must be an object, not %s",
					json_kind_name(document));
		return;
	}
	build_header(builder, &place);
	build_steps(builder, &place);
}

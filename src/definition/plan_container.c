/*-------------------------------------------------------------------------
 *
 * plan_container.c
 *	  What containers have in common: the lines of their children.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  A child gets its container and line as soon as a container lists it; who
 *	  lists it first has it, and everybody else's claim is a problem.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

/*
 * Begin another line of a container.
 */
PlanLine *
add_line(PlanNode *node, char *name)
{
	PlanLine   *line;

	if (node->lines == NULL)
		node->lines = palloc(sizeof(PlanLine));
	else if ((node->nlines & (node->nlines - 1)) == 0)
		node->lines = repalloc(node->lines,
							   sizeof(PlanLine) * node->nlines * 2);
	line = &node->lines[node->nlines++];
	memset(line, 0, sizeof(PlanLine));
	line->name = name;
	line->first = line->last = line->jump = -1;
	return line;
}

/*
 * Add a child to the end of the container's last line.
 */
void
add_child(Builder *builder, PlanNode *node, const Place *place,
		  const char *field, const Json *value)
{
	PlanLine   *line = &node->lines[node->nlines - 1];
	int			index = find_step(builder, place, field, value);
	PlanNode   *child;

	if (index < 0)
		return;
	child = &builder->plan->nodes[index];
	if (index == node->index)
	{
		field_error(builder, place, field, NULL,
					"step \"%s\" cannot contain itself", child->id);
		return;
	}
	if (child->container >= 0)
	{
		field_error(builder, place, field,
					"Each step has one place; write a second step for the second place.",
					"step \"%s\" is already a child of \"%s\"", child->id,
					builder->plan->nodes[child->container].id);
		return;
	}
	child->container = node->index;
	child->line = node->nlines - 1;
	if (line->nsteps++ == 0)
		line->first = index;
	else
		plan_connect(builder, line->last, index);
	line->last = index;
}

/*
 * Add a child or an array of children to the last line.
 */
void
add_children(Builder *builder, PlanNode *node, const Place *place,
			 const char *field, const Json *value)
{
	int			index = 0;

	if (json_kind(value) != JSON_ARRAY)
	{
		add_child(builder, node, place, field, value);
		return;
	}
	if (json_first(value) == NULL)
		field_error(builder, place, field, NULL, "at least one step is needed");
	for (const Json *item = json_first(value); item != NULL;
		 item = json_next(item))
	{
		char	   *element = psprintf("%s[%d]", field, index++);

		add_child(builder, node, place, element, item);
		pfree(element);
	}
}

/*
 * Does the container end as soon as its join is decided?
 */
void
build_on_join(Builder *builder, PlanNode *node, const Place *place)
{
	static const char *const choices[] = {"wait", "cancel", NULL};

	node->join.cancel_when_decided = field_choice(builder, place, "on_join",
												  choices, 0) == 1;
}

/*
 * A single child at the same time as nothing is allowed, but hardly meant.
 */
void
check_child_count(Builder *builder, const PlanNode *node, const Place *place,
				  const char *field, int count, const char *child,
				  const char *children)
{
	if (count == 0)
		field_error(builder, place, field, NULL,
					"a %s step needs at least two %s",
					step_type_name(node->type), children);
	else if (count == 1)
		problem_add(builder->problems, PROBLEM_WARNING,
					field_path(place, field), place->step_id, NULL,
					"a %s step with one %s has nothing to run in parallel",
					step_type_name(node->type), child);
}

/*
 * How many of its children have to succeed: "all of 3", "2 of 3", "0.6 of 3".
 */
const char *
needed_children(const PlanNode *node, bool all pg_attribute_unused())
{
	switch (node->join.policy)
	{
		case JOIN_N_OF_M:
			return psprintf("%d of %d", node->join.n_required, node->nlines);
		case JOIN_RATIO:
			return psprintf("%s of %d", node->join.ratio, node->nlines);
		default:
			return psprintf("%s of %d", join_policy_name(node->join.policy),
							node->nlines);
	}
}

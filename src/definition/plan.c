/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  Finds steps of a plan, and lines of a container, by name.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/plan.h"

/*
 * Order of two ids, for qsort_arg().
 */
static int
compare_ids(const void *a, const void *b, void *nodes)
{
	return strcmp(((const PlanNode *) nodes)[*(const int *) a].id,
				  ((const PlanNode *) nodes)[*(const int *) b].id);
}

/*
 * Order of two lines by name, for qsort_arg().
 */
static int
compare_lines(const void *a, const void *b, void *lines)
{
	return strcmp(((const PlanLine *) lines)[*(const int *) a].name,
				  ((const PlanLine *) lines)[*(const int *) b].name);
}

/* The same by what they are called in paths. */
static int
compare_path_lines(const void *a, const void *b, void *lines)
{
	const PlanLine *first = &((const PlanLine *) lines)[*(const int *) a];
	const PlanLine *second = &((const PlanLine *) lines)[*(const int *) b];

	return strcmp(plan_line_path_name(first), plan_line_path_name(second));
}

static int *
sorted_lines(const PlanNode *node, qsort_arg_comparator compare)
{
	int		   *lines = palloc(sizeof(int) * node->nlines);

	for (int i = 0; i < node->nlines; i++)
		lines[i] = i;
	qsort_arg(lines, node->nlines, sizeof(int), compare, node->lines);
	return lines;
}

/* Let the lines of a container be found by name. */
static void
sort_lines(PlanNode *node)
{
	bool		other_names = false;

	if (node->nlines == 0)
		return;
	for (int i = 0; i < node->nlines; i++)
	{
		if (node->lines[i].name == NULL)
			return;
		other_names |= (node->lines[i].path_name != NULL);
	}
	node->lines_by_name = sorted_lines(node, compare_lines);
	node->lines_by_path = other_names ?
		sorted_lines(node, compare_path_lines) :
		node->lines_by_name;
}

void
plan_sort(WorkflowPlan *plan)
{
	plan->by_id = palloc(sizeof(int) * plan->nnodes);
	for (int i = 0; i < plan->nnodes; i++)
		plan->by_id[i] = i;
	qsort_arg(plan->by_id, plan->nnodes, sizeof(int), compare_ids, plan->nodes);
	for (int i = 0; i < plan->nnodes; i++)
		sort_lines(&plan->nodes[i]);
}

/*
 * The node of a step, NULL when the plan has no such step.
 */
PlanNode *
plan_find(const WorkflowPlan *plan, const char *step_id)
{
	int			low = 0;
	int			high = plan->nnodes - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		PlanNode   *node = &plan->nodes[plan->by_id[middle]];
		int			order = strcmp(step_id, node->id);

		if (order == 0)
			return node;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return NULL;
}

/* A line in one of the orders of a container's, by the name it has there. */
static int
find_line(const PlanNode *container, const int *order, const char *name)
{
	bool		of_path = order != container->lines_by_name;
	int			low = 0;
	int			high = order != NULL ? container->nlines - 1 : -1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		const PlanLine *line = &container->lines[order[middle]];
		int			found = strcmp(name, of_path ? plan_line_path_name(line) :
									   line->name);

		if (found == 0)
			return order[middle];
		if (found < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

int
plan_find_line(const PlanNode *container, const char *name)
{
	return find_line(container, container->lines_by_name, name);
}

int
plan_find_path_line(const PlanNode *container, const char *name)
{
	return find_line(container, container->lines_by_path, name);
}

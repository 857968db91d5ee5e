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
 * The order of the name of a line and of so many bytes, where ' ' is as '_'.
 */
static int
compare_line_name(const char *known, const char *name, size_t length)
{
	for (size_t i = 0;; i++)
	{
		unsigned char a = known[i] == ' ' ? '_' : known[i];
		unsigned char b = i == length ? '\0' : name[i] == ' ' ? '_' : name[i];

		if (a != b)
			return a < b ? -1 : 1;
		if (a == '\0')
			return 0;
	}
}

/* The same of two lines, for qsort_arg(). */
static int
compare_lines(const void *a, const void *b, void *lines)
{
	const char *name = ((const PlanLine *) lines)[*(const int *) b].name;

	return compare_line_name(((const PlanLine *) lines)[*(const int *) a].name,
							 name, strlen(name));
}

/* Let the lines of a container be found by name. */
static void
sort_lines(PlanNode *node)
{
	if (node->nlines == 0)
		return;
	for (int i = 0; i < node->nlines; i++)
		if (node->lines[i].name == NULL)
			return;
	node->lines_by_name = palloc(sizeof(int) * node->nlines);
	for (int i = 0; i < node->nlines; i++)
		node->lines_by_name[i] = i;
	qsort_arg(node->lines_by_name, node->nlines, sizeof(int), compare_lines,
			  node->lines);
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

int
plan_find_line(const PlanNode *container, const char *name, size_t length)
{
	int			low = 0;
	int			high = container->lines_by_name != NULL ? container->nlines - 1 : -1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			line = container->lines_by_name[middle];
		int			order = compare_line_name(container->lines[line].name, name,
									  length);

		if (order == 0)
			return line;
		if (order < 0)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

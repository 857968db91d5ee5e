/*-------------------------------------------------------------------------
 *
 * checker.c
 *	  Finds the steps that references name, and refuses those that cannot have
 *	  run by then.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  Two places in a plan are compared by climbing from both until they stand
 *	  in the same scope.  There it decides whether the one leads to the other.
 *	  A climb out of a loop means that the reference looks into its body from
 *	  outside, where there is not one output but one per iteration.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/checker.h"
#include "definition/steps/loop.h"

/*
 * Append the path of an element.
 */
static void
append_element(StringInfo path, const Element *element)
{
	if (element == NULL)
		return;
	append_element(path, element->parent);
	if (element->key != NULL)
		appendStringInfo(path, ".%s", element->key);
	else
		appendStringInfo(path, "[%d]", element->index);
}

/*
 * An error about a reference.
 */
static void
reference_error(const Checker *checker, const Reference *reference,
				const char *hint, const char *complaint)
{
	StringInfoData path;

	initStringInfo(&path);
	if (checker->node >= 0 && strncmp(checker->base, "defaults.", 9) != 0)
		appendStringInfo(&path, "steps.%s.",
						 checker->builder->plan->nodes[checker->node].id);
	appendStringInfoString(&path, checker->base);
	append_element(&path, checker->element);
	problem_add(checker->builder->problems, PROBLEM_ERROR, path.data,
				checker->node >= 0 ?
					checker->builder->plan->nodes[checker->node].id :
					NULL,
				hint, "reference \"%s\" %s", reference->text, complaint);
	pfree(path.data);
}

/*
 * loop.x: there must be a loop around, and it must have such a thing.
 */
static void
check_loop_reference(const Checker *checker, const Reference *reference)
{
	const PlanNode *nodes = checker->builder->plan->nodes;
	int			level = reference->levels_up;
	int			around = checker->node;

	if (around >= 0 && checker->moment != BEFORE_ITERATION &&
		checker->moment != AFTER_ITERATION)
		around = nodes[around].container;
	for (; around >= 0; around = nodes[around].container)
		if (step_iterates(&nodes[around]) && level-- == 0)
			break;

	if (around < 0 && level == reference->levels_up)
		reference_error(checker, reference, NULL, "is outside of a loop");
	else if (around < 0)
		reference_error(checker, reference, NULL,
						"goes beyond the outermost loop");
	else if (loop_part(&nodes[around])->kind != LOOP_COLLECTION &&
			 (reference->root == REFERENCE_LOOP_ITEM ||
			  reference->root == REFERENCE_LOOP_TOTAL ||
			  reference->root == REFERENCE_LOOP_IS_LAST))
		reference_error(checker, reference,
						"It has loop.index and loop.is_first.",
						psprintf("asks for items of \"%s\", which is a loop without a collection",
								 nodes[around].id));
}

/*
 * Is the result of the step itself to be had?  Its own output may reshape it.
 */
static bool
may_read_itself(const Checker *checker)
{
	const PlanNode *node = &checker->builder->plan->nodes[checker->node];

	if (checker->moment == AFTER_STEP)
		return step_is_leaf(node) || step_is_container(node) ||
			step_waits(node);
	return node->on_cycle;
}

/*
 * Two places stand in the same line, or in different lines of the same
 * container (here == there): say why the one cannot read the other, NULL when
 * it can.  here is -1 at the end of a line.
 */
static const char *
order_complaint(const Checker *checker, int here, int there, int target,
				bool different_lines, const char **hint)
{
	const Builder *builder = checker->builder;
	const PlanNode *nodes = builder->plan->nodes;

	if (here < 0)
		return NULL;
	if (here != there)
	{
		bool		before = nodes[here].in_chain && !nodes[there].in_chain ? true :
			step_leads_to(builder, there, here);

		return before ? NULL : "names a step that cannot have run before";
	}

	if (different_lines)
	{
		if (step_chooses(&nodes[here]))
			return "names a step of another branch of the same conditional";
		*hint = "What runs at the same time cannot be read; do it one after the other.";
		return "names a step that runs at the same time";
	}
	if (target == checker->node)
	{
		if (may_read_itself(checker))
			return NULL;
		*hint = "Only the \"output\" of a step may read its own result.";
		return "names the step itself";
	}
	if (target == here)
	{
		if (nodes[here].on_cycle)
			return NULL;
		return "names a container that has not ended, since the step is in it";
	}
	return checker->moment == AFTER_STEP || checker->standing != checker->node
		? NULL : "names a step that cannot have run before";
}

/*
 * Climb from the reference and from its target until both stand in the same
 * line, and judge them there.
 */
static void
check_order(const Checker *checker, const Reference *reference)
{
	const PlanNode *nodes = checker->builder->plan->nodes;
	int			here = checker->standing;
	int			there = reference->node;
	int			here_container;
	int			here_line = 0;
	int			here_depth;
	int			outer_loop = -1;
	bool		different_lines = false;
	const char *hint = NULL;
	const char *complaint;

	if (checker->moment == AFTER_ITERATION || checker->moment == AFTER_ALL)
	{
		/* At the end of the loop's body, or of the root scope. */
		here_container = here;
		here_depth = here < 0 ? 0 : nodes[here].depth + 1;
		here = -1;
	}
	else
	{
		here_container = nodes[here].container;
		here_line = nodes[here].line;
		here_depth = nodes[here].depth;
	}

	/* The root scope is one line, so this ends. */
	while (nodes[there].depth != here_depth ||
		   nodes[there].container != here_container ||
		   nodes[there].line != here_line)
	{
		bool		climb_there = nodes[there].depth >= here_depth;
		bool		climb_here = here_depth >= nodes[there].depth;

		different_lines = climb_there && climb_here &&
			nodes[there].container == here_container;
		if (climb_there)
		{
			there = nodes[there].container;
			if (step_iterates(&nodes[there]))
				outer_loop = there;
		}
		if (climb_here)
		{
			here = here_container;
			here_container = nodes[here].container;
			here_line = nodes[here].line;
			here_depth--;
		}
	}

	if (outer_loop >= 0)
	{
		reference_error(
			checker, reference,
			psprintf("Use ${%s.output}.", nodes[outer_loop].id),
			psprintf("looks into the loop \"%s\" from outside of it",
					 nodes[outer_loop].id));
		return;
	}
	complaint = order_complaint(checker, here, there, reference->node,
								different_lines, &hint);
	if (complaint != NULL)
		reference_error(checker, reference, hint, complaint);
}

/*
 * A reference to a step: find it, and see whether it can have run.
 */
static void
check_step_reference(const Checker *checker, Reference *reference)
{
	Builder    *builder = checker->builder;
	int			target = name_map_get(builder->ids, reference->step_id);

	if (target < 0 && reference_skip_steps(reference))
		target = name_map_get(builder->ids, reference->step_id);
	if (target < 0)
	{
		reference_error(checker, reference,
						likeness_hint(builder, builder->ids,
									  reference->step_id),
						psprintf("names an unknown step \"%s\"",
								 reference->step_id));
		return;
	}
	reference->node = target;
	if (checker->node >= 0 &&
		builder->plan->nodes[checker->node].compensates >= 0 &&
		(target == builder->plan->nodes[checker->node].compensates ||
		 (target == checker->node && checker->moment == AFTER_STEP)))
		return;					/* the step it undoes, or its own result */
	if (builder->plan->nodes[target].compensates >= 0 ||
		(builder->plan->nodes[target].in_chain &&
		 (checker->node < 0 || !builder->plan->nodes[checker->node].in_chain)))
	{
		reference_error(checker, reference,
						"These steps run only when the execution does not complete.",
						builder->plan->nodes[target].compensates >= 0 ?
						"names a compensation" : "names a step of the on_failure chain");
		return;
	}
	if (target != checker->node || checker->moment != AFTER_STEP)
		builder->plan->nodes[target].is_referenced = true;
	check_order(checker, reference);
}

/*
 * workflow.error: there must be one by then.
 */
static void
check_error_reference(const Checker *checker, const Reference *reference)
{
	const PlanNode *node = checker->node < 0 ?
		NULL :
		&checker->builder->plan->nodes[checker->node];

	if (node == NULL || (node->compensates < 0 && !node->in_chain))
		reference_error(checker, reference,
						"Elsewhere read the error of a step: ${step.error}.",
						"can be read in compensations and in the on_failure chain only");
}

/*
 * Check one reference.
 */
static void
check_reference(Reference *reference, void *context)
{
	const Checker *checker = context;
	Builder    *builder = checker->builder;

	switch (reference->root)
	{
		case REFERENCE_WORKFLOW_INPUT:
		case REFERENCE_WORKFLOW_FIELD:
			break;
		case REFERENCE_WORKFLOW_ERROR:
			check_error_reference(checker, reference);
			break;
		case REFERENCE_STEP_OUTPUT:
		case REFERENCE_STEP_STATUS:
		case REFERENCE_STEP_ERROR:
			check_step_reference(checker, reference);
			break;
		case REFERENCE_LOOP_ITEM:
		case REFERENCE_LOOP_INDEX:
		case REFERENCE_LOOP_TOTAL:
		case REFERENCE_LOOP_IS_FIRST:
		case REFERENCE_LOOP_IS_LAST:
			check_loop_reference(checker, reference);
			break;
		case REFERENCE_VARIABLE:
			if (name_map_get(builder->variables, reference->field) < 0)
				reference_error(checker, reference,
								likeness_hint(builder, builder->variables, reference->field),
								"names a variable that no set step or catch clause assigns");
			break;
	}
}

/*
 * Check everything in a template, keeping track of where in it we are.
 */
static void
walk_template(Checker *checker, Template *template)
{
	const Element *parent = checker->element;

	if (template->kind == TEMPLATE_EXPRESSION)
		expression_walk_references(template->expression, check_reference,
								   checker);
	for (int i = 0; i < template->nitems; i++)
	{
		Element		element;

		element.parent = parent;
		element.key = template->kind == TEMPLATE_OBJECT ? template->keys[i] :
														  NULL;
		element.index = i;
		if (template->kind == TEMPLATE_OBJECT ||
			template->kind == TEMPLATE_ARRAY)
			checker->element = &element;
		walk_template(checker, template->items[i]);
		checker->element = parent;
	}
}

/*
 * Check a template that may be missing.
 */
void
check_template(Checker *checker, Template *template, Moment moment,
			   const char *base)
{
	if (template == NULL)
		return;
	checker->moment = moment;
	checker->base = base;
	walk_template(checker, template);
}

/*
 * The same of one that is a member of an object.
 */
void
check_member(Checker *checker, Template *template, Moment moment,
			 const char *base, const char *key)
{
	Element		member = {NULL, key, 0};

	checker->element = &member;
	check_template(checker, template, moment, base);
	checker->element = NULL;
}

/*
 * Check a condition that may be missing; value is what the document has there.
 */
void
check_condition(Checker *checker, Condition *condition, Moment moment,
				const char *base, const Json *value)
{
	if (condition == NULL || condition->expression == NULL)
		return;
	checker->moment = moment;
	checker->base = value != NULL && json_kind(value) == JSON_OBJECT ?
		psprintf("%s.expression", base) : base;
	expression_walk_references(condition->expression, check_reference, checker);
}

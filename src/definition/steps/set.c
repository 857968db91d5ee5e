/*-------------------------------------------------------------------------
 *
 * set.c
 *	  Steps that assign variables, or make an output, without SQL.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/checker.h"
#include "definition/explainer.h"
#include "definition/steps/set.h"
#include "definition/steps/step_types.h"

/*
 * A step that assigns variables.
 */
static void
build_set(Builder *builder, PlanNode *node, const Place *place)
{
	SetPart    *part = set_part(node);
	const Json *assign = field_of_kind(builder, place, "assign", JSON_OBJECT);
	int			count;

	if (assign == NULL)
	{
		if (field_get(place, "assign") == NULL &&
			field_get(place, "output") == NULL)
			field_error(builder, place, "assign", NULL,
						"a set step needs \"assign\" or \"output\"");
		return;
	}

	count = json_count(assign);
	builder->plan->assigns_variables |= count > 0;
	part->names = palloc(sizeof(char *) * Max(count, 1));
	part->values = palloc(sizeof(Template *) * Max(count, 1));
	for (const Json *member = json_first(assign); member != NULL;
		 member = json_next(member))
	{
		const char *name = json_key(member);
		const char *complaint = name_id_complaint(name);
		char	   *path = psprintf("%s.assign.%s", place->path, name);
		Template   *value = template_parse(member, path, place->step_id,
										   builder->problems);

		if (complaint != NULL)
			problem_add(builder->problems, PROBLEM_ERROR, path, place->step_id,
						NULL, "the name of a variable %s", complaint);
		pfree(path);
		name = pstrdup(name);
		name_map_add(builder->variables, name, node->index);
		if (value == NULL)
			continue;
		part->names[part->count] = unconstify(char *, name);
		part->values[part->count++] = value;
	}
}

static void
check_set(Checker *checker, PlanNode *node,
		  const Json *source pg_attribute_unused())
{
	SetPart    *part = set_part(node);

	for (int i = 0; i < part->count; i++)
		check_member(checker, part->values[i], BEFORE_STEP, "assign",
					 part->names[i]);
}

static void
explain_set(Explainer *explainer, const PlanNode *node, int indent)
{
	const SetPart *part = set_part(node);
	StringInfoData names;

	if (part->count == 0)
		return;
	initStringInfo(&names);
	for (int i = 0; i < part->count; i++)
		appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ", part->names[i]);
	explain_fact(explainer, indent, "assigns %s", names.data);
	pfree(names.data);
}

static const FieldSet fields_of_set = {
	.owner = "a step of type set",
	.fields = NAMES("assign"),
	.more = &step_fields
};

const StepTypeInfo step_type_set = {
	.fields = &fields_of_set,
	.part_size = sizeof(SetPart),
	.build = build_set,
	.check_references = check_set,
	.explain_facts = explain_set,
	.shape = {"[/", "/]"}
};

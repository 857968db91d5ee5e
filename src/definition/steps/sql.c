/*-------------------------------------------------------------------------
 *
 * sql.c
 *	  Steps that run an SQL statement.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/checker.h"
#include "definition/explainer.h"
#include "definition/steps/sql.h"
#include "definition/steps/step_types.h"

/*
 * A step that runs SQL.
 */
static void
build_sql(Builder *builder, PlanNode *node, const Place *place)
{
	SqlPart    *part = sql_part(node);
	static const char *const results[] = {"rows", "row", "value", "none", NULL};
	const Json *params = field_of_kind(builder, place, "params", JSON_ARRAY);
	int			index = 0;

	part->text = field_string(builder, place, "sql", true);
	part->result = (SqlResult) field_choice(builder, place, "result", results,
											SQL_RESULT_ROWS);
	if (params == NULL)
		return;

	part->params = palloc0(sizeof(Template *) * Max(json_count(params), 1));
	for (const Json *item = json_first(params); item != NULL;
		 item = json_next(item))
	{
		char	   *path = psprintf("%s.params[%d]", place->path, index++);
		Template   *template = template_parse(item, path, place->step_id,
											  builder->problems);

		if (template != NULL)
			part->params[part->nparams++] = template;
		pfree(path);
	}
}

static void
check_sql(Checker *checker, PlanNode *node,
		  const Json *source pg_attribute_unused())
{
	SqlPart    *part = sql_part(node);

	for (int i = 0; i < part->nparams; i++)
	{
		char		base[32];

		snprintf(base, sizeof(base), "params[%d]", i);
		check_template(checker, part->params[i], BEFORE_STEP, base);
	}
}

static void
explain_sql(Explainer *explainer, const PlanNode *node)
{
	const SqlPart *part = sql_part(node);
	static const char *const results[] = {
		[SQL_RESULT_ROWS] = "rows", [SQL_RESULT_ROW] = "row",
		[SQL_RESULT_VALUE] = "value", [SQL_RESULT_NONE] = "none"
	};

	explain_remark(explainer, "result %s", results[part->result]);
}

static void
explain_statement(Explainer *explainer, const PlanNode *node, int indent)
{
	const SqlPart *part = sql_part(node);

	if (part->text != NULL)
		explain_fact(explainer, indent, "%s", part->text);
}

static const char *
sql_subject(const PlanNode *node, bool all)
{
	const SqlPart *part = sql_part(node);

	return all ? part->text : NULL;
}

static const FieldSet fields_of_sql = {
	.owner = "a step of type sql",
	.fields = NAMES("params", "result", "sql", "transaction"),
	.more = &step_fields
};

const StepTypeInfo step_type_sql = {
	.fields = &fields_of_sql,
	.part_size = sizeof(SqlPart),
	.build = build_sql,
	.check_references = check_sql,
	.explain_heading = explain_sql,
	.explain_facts = explain_statement,
	.subject = sql_subject,
	.shape = {"[", "]"}
};

/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Checks of a definition that need the server: SQL syntax and agents.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  SQL is parsed, not
 *	  analysed: tables that a step reads may be created by an earlier step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "interpreter/run_sql.h"
#include "shared/settings.h"

/*
 * Check one piece of SQL; where is its place in the step, e.g. "condition.sql".
 */
static void
check_sql(const char *sql, const char *step_id, const char *where,
		  ProblemList *problems)
{
	int			position = 0;
	char	   *message = check_sql_syntax(sql, &position);

	if (message == NULL)
		return;
	if (position > 0)
		problem_add(problems, PROBLEM_ERROR,
					psprintf("steps.%s.%s", step_id, where), step_id, NULL,
					"%s (position %d in the SQL)", message, position);
	else
		problem_add(problems, PROBLEM_ERROR,
					psprintf("steps.%s.%s", step_id, where), step_id, NULL,
					"%s", message);
	pfree(message);
}

/*
 * The agent of a step must be registered and active.  That it still is when the
 * step runs is checked again then.
 */
static void
check_agent(const PlanNode *node, ProblemList *problems)
{
	char	   *path = psprintf("steps.%s.agent_name", node->id);
	const Agent *agent = agent_find(node->agent_name);

	if (agent == NULL)
		problem_add(problems, PROBLEM_ERROR, path, node->id,
					"Use workflow.register_agent() first.",
					"agent \"%s\" is not registered", node->agent_name);
	else if (!agent->active)
		problem_add(problems, PROBLEM_ERROR, path, node->id,
					"Use workflow.set_agent_status() to make it active.",
					"agent \"%s\" is inactive", node->agent_name);
	else if (agent->kind == AGENT_FUNCTION && !OidIsValid(agent->function))
		problem_add(problems, PROBLEM_ERROR, path, node->id,
					"Create the function, or use workflow.register_agent() again.",
					"function %s of agent \"%s\" does not exist",
					agent->function_name, node->agent_name);
}

/*
 * The SQL forms of conditions.
 */
static void
check_conditions(const PlanNode *node, ProblemList *problems)
{
	if (node->condition != NULL && node->condition->sql != NULL)
		check_sql(node->condition->sql, node->id, "condition.sql", problems);
	if (node->loop_condition != NULL && node->loop_condition->sql != NULL)
		check_sql(node->loop_condition->sql, node->id,
				  node->loop_kind == LOOP_WHILE ?
				  "loop_config.while.sql" : "loop_config.until.sql", problems);
	for (int i = 0; i < node->nlines; i++)
	{
		const Condition *when = node->lines[i].when;

		if (when != NULL && when->sql != NULL)
			check_sql(when->sql, node->id,
					  psprintf("switch[%d].when.sql", i), problems);
	}
}

void
check_plan(const WorkflowPlan *plan, ProblemList *problems)
{
	for (int i = 0; i < plan->nnodes; i++)
	{
		const PlanNode *node = &plan->nodes[i];

		if (node->type == STEP_SQL && node->sql != NULL)
			check_sql(node->sql, node->id, "sql", problems);
		if (node->type == STEP_AGENT && node->agent_name != NULL)
			check_agent(node, problems);
		check_conditions(node, problems);
	}
}

char *
check_definition(Jsonb *document, ProblemList *problems)
{
	Size		size = VARSIZE(document);
	char	   *text;
	char	   *normalised;
	WorkflowPlan *plan;

	if (size / 1024 >= (Size) setting_max_definition_size)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("workflow definition is too large"),
				 errdetail("It has %zu kB, the limit is %d kB.",
						   size / 1024, setting_max_definition_size),
				 errhint("The limit is the setting \"%s\".",
						 "workflow.max_definition_size")));

	text = JsonbToCString(NULL, &document->root, size);
	normalised = definition_normalise(text, setting_max_nesting, problems);
	pfree(text);
	if (normalised == NULL)
		return NULL;

	/* definition_normalise() has reported what this finds */
	plan = plan_build(normalised, problem_list_create());
	if (plan != NULL)
		check_plan(plan, problems);
	return problems->errors > 0 ? NULL : normalised;
}

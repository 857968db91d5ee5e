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
#include "definition/names.h"
#include "definition/steps/agent.h"
#include "definition/steps/conditional.h"
#include "definition/steps/loop.h"
#include "definition/steps/sql.h"
#include "interpreter/run_sql.h"
#include "shared/settings.h"

/*
 * Check one piece of SQL; use: where it stands, NULL when that is not known.
 */
static void
check_sql(const char *sql, const SqlUse *use, const char *step_id,
		  const char *path, ProblemList *problems)
{
	int			position;
	const char *hint;
	char	   *message = check_step_sql(sql, use, &position, &hint);

	/* the mistake of everybody who has used another engine before */
	if (strstr(sql, "${") != NULL)
		hint = "Give the value in \"input_mapping\" and write input.name, or in \"params\" and write $1.";

	if (message == NULL)
	{
		if (hint != NULL)
			problem_add(problems, PROBLEM_WARNING, path, step_id, hint,
						"\"${\" in SQL is text, not a reference");
		return;
	}
	if (position > 0)
		problem_add(problems, PROBLEM_ERROR, path, step_id, hint,
					"%s (position %d in the SQL)", message, position);
	else
		problem_add(problems, PROBLEM_ERROR, path, step_id, hint, "%s",
					message);
	pfree(message);
}

/*
 * The agent of a step must be registered and active.  That it still is when the
 * step runs is checked again then.
 */
static void
check_agent(const char *name, const char *step_id, const char *path,
			ProblemList *problems)
{
	const Agent *agent = agent_find(name);

	if (agent == NULL)
		problem_add(problems, PROBLEM_ERROR, path, step_id,
					problems->count >= MAX_PROBLEMS ?
						NULL :
						hint_about_name(NAMED_AGENT, name,
										"Use workflow.register_agent() first."),
					"agent \"%s\" is not registered", name);
	else if (!agent->active)
		problem_add(problems, PROBLEM_ERROR, path, step_id,
					"Use workflow.set_agent_status() to make it active.",
					"agent \"%s\" is inactive", name);
	else if (agent->kind == AGENT_FUNCTION && !OidIsValid(agent->function))
		problem_add(problems, PROBLEM_ERROR, path, step_id,
					"Create the function, or use workflow.register_agent() again.",
					"function %s of agent \"%s\" does not exist",
					agent->function_name, name);
}

/*
 * The values that the step's SQL reads as input.x, as far as its definition
 * tells: one reference to an object does not.
 */
static void
note_input(SqlUse *use, const Json *step)
{
	const Json *mapping = json_get(step, "input_mapping");
	const char **names;

	use->knows_input = mapping == NULL || json_kind(mapping) != JSON_STRING;
	if (mapping == NULL || json_kind(mapping) != JSON_OBJECT)
		return;
	names = palloc(Max(json_count(mapping), 1) * sizeof(char *));
	for (const Json *member = json_first(mapping); member != NULL;
		 member = json_next(member))
		names[use->ninput_names++] = json_key(member);
	use->input_names = names;
}

/* The SQL of a container's condition; NULL: it has none. */
static const char *
condition_sql(const PlanNode *node)
{
	const Condition *condition = conditional_part(node) != NULL ?
		conditional_part(node)->condition :
		loop_part(node) != NULL ? loop_part(node)->condition :
								  NULL;

	return condition != NULL ? condition->sql : NULL;
}

/*
 * The SQL forms of conditions.
 */
static void
check_conditions(const PlanNode *node, const Json *step, ProblemList *problems)
{
	SqlUse		use = {.is_condition = true};
	const char *sql = condition_sql(node);

	note_input(&use, step);
	if (sql != NULL)
		check_sql(sql, &use, node->id,
				  loop_part(node) == NULL ?
					  psprintf("steps.%s.condition.sql", node->id) :
					  psprintf("steps.%s.loop_config.%s.sql", node->id,
							   loop_part(node)->kind == LOOP_WHILE ? "while" :
																	 "until"),
				  problems);
	for (int i = 0; i < node->nlines; i++)
	{
		const Condition *when = node->lines[i].when;

		if (when != NULL && when->sql != NULL)
			check_sql(when->sql, &use, node->id,
					  psprintf("steps.%s.switch[%d].when.sql", node->id, i),
					  problems);
	}
}

/*
 * Those that were checked already are in *checked: steps share their defaults.
 */
static void
check_settings(const PlanSetting *settings, int nsettings, const char *step_id,
			   NameMap *checked, ProblemList *problems)
{
	for (int i = 0; i < nsettings; i++)
		if (name_map_add(checked, settings[i].path, i))
			check_setting(&settings[i],
						  strncmp(settings[i].path, "defaults.", 9) == 0 ?
							  NULL :
							  step_id,
						  settings[i].path, problems);
}

/*
 * A container's settings are for its own condition; what is inside does not
 * inherit them.
 */
static void
check_settings_used(const PlanNode *node, ProblemList *problems)
{
	if (step_is_container(node) && node->nsettings > 0 &&
		condition_sql(node) == NULL)
		problem_add(
			problems, PROBLEM_WARNING, psprintf("steps.%s.settings", node->id),
			node->id, "Give them to the steps inside, or to the definition.",
			"step \"%s\" has no SQL of its own that \"settings\" could be for",
			node->id);
}

/*
 * Check a document that has passed all other checks.
 */
static void
check_plan(const WorkflowPlan *plan, const Json *stored, ProblemList *problems)
{
	NameMap    *checked = name_map_create(64);
	const Json *step = json_first(json_get(stored, "steps"));

	if (plan->notify && !setting_notify)
		problem_add(problems, PROBLEM_WARNING, "notify", NULL,
					"The setting is \"workflow.notify\": every role that can connect to the database can listen.",
					"nothing is announced in this database");
	check_settings(plan->settings, plan->nsettings, NULL, checked, problems);
	/* nodes stand in the order of the steps */
	for (int i = 0; i < plan->nnodes; i++, step = json_next(step))
	{
		const PlanNode *node = &plan->nodes[i];
		const SqlPart *sql = sql_part(node);

		if (sql != NULL && sql->text != NULL)
		{
			SqlUse		use = {.outside = sql->outside,.nparams = sql->nparams};

			note_input(&use, step);
			check_sql(sql->text, &use, node->id,
					  psprintf("steps.%s.sql", node->id), problems);
		}
		if (step_agent(node) != NULL)
			check_agent(step_agent(node), node->id,
						psprintf("steps.%s.agent_name", node->id), problems);
		check_conditions(node, step, problems);
		check_settings(node->settings, node->nsettings, node->id, checked,
					   problems);
		check_settings_used(node, problems);
	}
	name_map_free(checked);
}

/* Members that hold a user's data, in which "sql" means nothing. */
static bool
is_data(const char *key)
{
	static const char *const data[] = {
		"agent_name", "assign", "collection", "default", "description",
		"input_mapping", "input_schema", "message", "metadata", "on_failure",
		"output", "params", "settings"
	};

	for (int i = 0; i < (int) lengthof(data); i++)
		if (strcmp(key, data[i]) == 0)
			return true;
	return false;
}

/*
 * The "settings" of such a part; of other values than these the other checks
 * tell.
 */
static void
check_raw_settings(const Json *settings, const char *path, const char *step_id,
				   ProblemList *problems)
{
	if (json_kind(settings) != JSON_OBJECT)
		return;
	for (const Json *member = json_first(settings); member != NULL;
		 member = json_next(member))
	{
		PlanSetting setting = {.name = unconstify(char *, json_key(member))};

		if (!plan_is_setting_name(setting.name))
			continue;
		if (json_kind(member) == JSON_STRING)
			setting.value = unconstify(char *, json_string(member));
		else if (json_kind(member) == JSON_NUMBER)
			setting.value = unconstify(char *, json_number_text(member));
		else if (json_kind(member) == JSON_BOOLEAN)
			setting.value = json_boolean(member) ? "on" : "off";
		else
			continue;
		check_setting(&setting, step_id, psprintf("%s.%s", path, setting.name),
					  problems);
	}
}

/*
 * Check a part of a document that has not passed the other checks, so that
 * there is no plan to go by: whatever looks like SQL or an agent's name is
 * taken for one.  The parser of JSON has limited the depth.
 */
static void
check_raw(const Json *value, const char *path, const char *step_id,
		  bool are_steps, ProblemList *problems)
{
	int			i = 0;

	for (const Json *child = json_first(value); child != NULL;
		 child = json_next(child))
	{
		const char *key = json_kind(value) == JSON_OBJECT ? json_key(child) :
															NULL;
		char	   *child_path;

		if (key == NULL)
			child_path = psprintf("%s[%d]", path, i++);
		else
			child_path = psprintf("%s%s%s", path, path[0] != '\0' ? "." : "",
								  key);

		if (json_kind(child) == JSON_OBJECT || json_kind(child) == JSON_ARRAY)
		{
			const Json *id = json_kind(child) == JSON_OBJECT ?
				json_get(child, "id") :
				NULL;
			const char *child_id = step_id;

			if (key != NULL && !are_steps && is_data(key))
			{
				if (strcmp(key, "settings") == 0)
					check_raw_settings(child, child_path, step_id, problems);
				continue;
			}
			if (key != NULL && are_steps)
				child_id = key;
			else if (id != NULL && json_kind(id) == JSON_STRING)
				child_id = json_string(id);
			check_raw(child, child_path, child_id,
					  key != NULL && strcmp(key, "steps") == 0, problems);
		}
		else if (key != NULL && json_kind(child) == JSON_STRING)
		{
			if (strcmp(key, "sql") == 0 && json_string(child)[0] != '\0')
				check_sql(json_string(child), NULL, step_id, child_path,
						  problems);
			else if (strcmp(key, "agent_name") == 0 &&
					 json_string(child)[0] != '\0')
				check_agent(json_string(child), step_id, child_path, problems);
		}
	}
}

static void
check_document(const Json *document, ProblemList *problems)
{
	check_raw(document, "", NULL, false, problems);
}

char *
check_definition(Jsonb *document, ProblemList *problems,
				 const FrontEnd **language)
{
	static const DefinitionChecks checks = {check_plan, check_document};
	Size		size = VARSIZE(document);
	char	   *text;
	char	   *normalised;

	if (size / 1024 >= (Size) setting_max_definition_size)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("workflow definition is too large"),
				 errdetail("It has %zu kB, the limit is %d kB.",
						   size / 1024, setting_max_definition_size),
				 errhint("The limit is the setting \"%s\".",
						 "workflow.max_definition_size")));

	text = JsonbToCString(NULL, &document->root, size);
	normalised = definition_check(text, setting_max_nesting, &checks, problems,
								  language);
	pfree(text);
	return problems->errors > 0 ? NULL : normalised;
}

/*-------------------------------------------------------------------------
 *
 * plan_step.c
 *	  The fields that every step may have, and those of the leaf types.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

static const char *const type_names[] = {
	[STEP_AGENT] = "agent",
	[STEP_SQL] = "sql",
	[STEP_PARALLEL] = "parallel",
	[STEP_FORK_JOIN] = "fork_join",
	[STEP_CONDITIONAL] = "conditional",
	[STEP_LOOP] = "loop",
	[STEP_SET] = "set",
	[STEP_SUCCEED] = "succeed",
	[STEP_FAIL] = "fail"
};

/* The same for hints. */
static const char *const owner_names[] = {
	[STEP_AGENT] = "a step of type agent",
	[STEP_SQL] = "a step of type sql",
	[STEP_PARALLEL] = "a step of type parallel",
	[STEP_FORK_JOIN] = "a step of type fork_join",
	[STEP_CONDITIONAL] = "a step of type conditional",
	[STEP_LOOP] = "a step of type loop",
	[STEP_SET] = "a step of type set",
	[STEP_SUCCEED] = "a step of type succeed",
	[STEP_FAIL] = "a step of type fail"
};

/* Known, but to a later version. */
static const char *const later_types[] = {
	"external", "sub_workflow", "wait", "wait_for_event", "validate", NULL
};

/*
 * The type's name in definitions.
 */
const char *
step_type_name(StepType type)
{
	return type_names[type];
}

/*
 * The policy's name in definitions.
 */
const char *
join_policy_name(JoinPolicy policy)
{
	static const char *const names[] = {
		[JOIN_ALL] = "all",
		[JOIN_ANY] = "any",
		[JOIN_MAJORITY] = "majority",
		[JOIN_N_OF_M] = "n_of_m",
		[JOIN_RATIO] = "ratio"
	};

	return names[policy];
}

/*
 * Find out the type.  False, with a problem reported, when there is no such.
 */
static bool
build_type(Builder *builder, PlanNode *node, const Place *place)
{
	const Json *type = field_of_kind(builder, place, "type", JSON_STRING);
	NameMap    *names;
	char	   *hint;

	node->type = STEP_AGENT;
	if (type == NULL)
		return field_get(place, "type") == NULL;
	for (size_t i = 0; i < lengthof(type_names); i++)
	{
		if (strcmp(type_names[i], json_string(type)) == 0)
		{
			node->type = (StepType) i;
			return true;
		}
	}
	for (int i = 0; later_types[i] != NULL; i++)
	{
		if (strcmp(later_types[i], json_string(type)) == 0)
		{
			field_error(builder, place, "type", NULL,
						"step type \"%s\" is not supported by this version of pg_workflow",
						json_string(type));
			return false;
		}
	}

	names = name_map_create(lengthof(type_names));
	for (size_t i = 0; i < lengthof(type_names); i++)
		name_map_add(names, type_names[i], (int) i);
	hint = likeness_hint(builder, names, json_string(type));
	name_map_free(names);
	field_error(builder, place, "type", hint != NULL ? hint :
				"Types are: agent, sql, parallel, fork_join, conditional, loop, set, succeed, fail.",
				"unknown step type \"%s\"", json_string(type));
	return false;
}

/*
 * Is the setting among the first few?
 */
static bool
has_setting(const PlanSetting *settings, int nsettings, const char *name)
{
	for (int i = 0; i < nsettings; i++)
		if (pg_strcasecmp(settings[i].name, name) == 0)
			return true;
	return false;
}

/*
 * A setting that makes sense only when a transaction begins, or that ends the process.
 */
static bool
is_of_transaction(const char *name)
{
	static const char *const names[] = {"transaction_isolation", "transaction_read_only",
		"transaction_deferrable", "transaction_timeout"};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (pg_strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

bool
plan_is_setting_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$";

	return name[0] != '\0' && strlen(name) < NAMEDATALEN && strspn(name, allowed) == strlen(name);
}

/*
 * Settings for SQL: an object of names and values.
 */
void
build_settings(Builder *builder, const Place *place, const char *field,
			   PlanSetting **settings, int *nsettings)
{
	const Json *object = field_of_kind(builder, place, field, JSON_OBJECT);

	if (object == NULL)
		return;
	*settings = palloc(sizeof(PlanSetting) * Max(json_count(object), 1));
	for (const Json *member = json_first(object); member != NULL;
		 member = json_next(member))
	{
		PlanSetting *setting = &(*settings)[*nsettings];
		const char *name = json_key(member);
		char	   *path = psprintf("%s.%s", field, name);

		setting->value = NULL;
		if (!plan_is_setting_name(name))
			field_error(builder, place, path, NULL, "\"%s\" is not a name of a setting", name);
		else if (is_of_transaction(name))
			field_error(builder, place, path,
						"See \"transaction\" and \"timeout_seconds\" of steps.",
						"setting \"%s\" is about a whole transaction, not a step's SQL", name);
		else if (json_kind(member) == JSON_STRING)
			setting->value = pstrdup(json_string(member));
		else if (json_kind(member) == JSON_NUMBER)
			setting->value = pstrdup(json_number_text(member));
		else if (json_kind(member) == JSON_BOOLEAN)
			setting->value = pstrdup(json_boolean(member) ? "on" : "off");
		else
			field_error(builder, place, path, NULL,
						"a setting must be a string, a number or a boolean, not %s",
						json_kind_name(member));
		setting->path = field_path(place, path);
		pfree(path);
		if (setting->value == NULL)
			continue;
		setting->name = pstrdup(name);
		(*nsettings)++;
	}
}

/*
 * What becomes of the results when the time is over: "graceful" keeps them, "abort"
 * does not.
 */
bool
build_timeout_strategy(Builder *builder, const Place *place, int seconds)
{
	static const char *const strategies[] = {"graceful", "abort", NULL};

	if (seconds == 0 && field_get(place, "timeout_strategy") != NULL)
		field_error(builder, place, "timeout_strategy", NULL,
					"\"timeout_strategy\" has no meaning without \"timeout_seconds\"");
	return field_choice(builder, place, "timeout_strategy", strategies, 0) == 1;
}

/*
 * What a failure means: "fail", "ignore" or {"default": value}.
 */
static void
build_on_failure(Builder *builder, PlanNode *node, const Place *place)
{
	const Json *value = field_get(place, "on_failure");
	Place		below;

	if (value == NULL)
		return;
	if (json_kind(value) == JSON_STRING &&
		(strcmp(json_string(value), "fail") == 0 || strcmp(json_string(value), "ignore") == 0))
	{
		node->on_failure = strcmp(json_string(value), "fail") == 0 ? ON_FAILURE_FAIL : ON_FAILURE_IGNORE;
		return;
	}
	if (json_kind(value) != JSON_OBJECT || json_get(value, "default") == NULL)
	{
		field_error(builder, place, "on_failure", NULL,
					"\"on_failure\" must be \"fail\", \"ignore\" or {\"default\": value}");
		return;
	}
	below.object = value;
	below.path = field_path(place, "on_failure");
	below.step_id = place->step_id;
	check_fields(builder, &below, FIELD_OF_ON_FAILURE, "\"on_failure\"");
	node->on_failure = ON_FAILURE_DEFAULT;

	/* Here null is a value like any other. */
	node->failure_default = template_parse(json_get(value, "default"),
										   psprintf("%s.default", below.path),
										   place->step_id, builder->problems);
}

/*
 * The definition's defaults: a node that is no step, from which leaf steps take
 * what they lack.
 */
void
build_defaults(Builder *builder, const Place *place)
{
	PlanNode   *defaults = &builder->defaults;

	check_fields(builder, place, FIELD_OF_DEFAULTS, "\"defaults\"");
	defaults->timeout_seconds = field_integer(builder, place, "timeout_seconds",
											  1, MAX_TIMEOUT_SECONDS, 0);
	build_on_failure(builder, defaults, place);
	build_retry(builder, defaults, place);
	build_settings(builder, place, "settings", &defaults->settings,
				   &defaults->nsettings);
}

/*
 * Give a leaf step the defaults that it lacks.
 */
static void
apply_defaults(Builder *builder, PlanNode *node, const Place *place)
{
	const PlanNode *defaults = &builder->defaults;
	int			own = node->nsettings;

	if (field_get(place, "timeout_seconds") == NULL)
		node->timeout_seconds = defaults->timeout_seconds;
	if (field_get(place, "on_failure") == NULL)
	{
		node->on_failure = defaults->on_failure;
		node->failure_default = defaults->failure_default;
	}
	if (defaults->nretry > 0 && step_type_has_retry(node->type))
	{
		/* they come last, for the errors that nothing before them names */
		RetryPolicy *both = palloc(sizeof(RetryPolicy) * (node->nretry + defaults->nretry));

		if (node->nretry > 0)
			memcpy(both, node->retry, sizeof(RetryPolicy) * node->nretry);
		memcpy(both + node->nretry, defaults->retry, sizeof(RetryPolicy) * defaults->nretry);
		node->retry = both;
		node->nretry += defaults->nretry;
	}
	if (defaults->nsettings == 0)
		return;

	if (node->settings == NULL)
		node->settings = palloc(sizeof(PlanSetting) * defaults->nsettings);
	else
		node->settings = repalloc(node->settings, sizeof(PlanSetting) *
								  (own + defaults->nsettings));
	for (int i = 0; i < defaults->nsettings; i++)
		if (!has_setting(node->settings, own, defaults->settings[i].name))
			node->settings[node->nsettings++] = defaults->settings[i];
}

/*
 * A condition: text, {"expression": text} or {"sql": text}.
 */
Condition *
build_condition(Builder *builder, const Place *place, const char *field,
				const Json *value)
{
	Condition  *condition = palloc0(sizeof(Condition));
	Place		below;
	ExpressionError error;
	const char *source = field;

	if (json_kind(value) == JSON_STRING)
		condition->text = field_string(builder, place, field, true);
	else if (json_kind(value) == JSON_BOOLEAN)
		condition->text = pstrdup(json_boolean(value) ? "true" : "false");
	else if (json_kind(value) == JSON_OBJECT)
	{
		below.object = value;
		below.path = field_path(place, field);
		below.step_id = place->step_id;
		check_fields(builder, &below, FIELD_OF_CONDITION, "a condition");
		if ((field_get(&below, "expression") == NULL) == (field_get(&below, "sql") == NULL))
			field_error(builder, &below, NULL, NULL,
						"a condition needs either \"expression\" or \"sql\"");
		else if (field_get(&below, "sql") != NULL)
			condition->text = condition->sql = field_string(builder, &below, "sql", true);
		else
			condition->text = field_string(builder, &below, "expression", true);
		source = psprintf("%s.expression", field);
	}
	else
		field_error(builder, place, field, NULL,
					"a condition must be a string or an object, not %s",
					json_kind_name(value));

	if (condition->text == NULL)
		return NULL;
	if (condition->sql != NULL)
		return condition;
	condition->expression = expression_parse(condition->text, &error);
	if (condition->expression == NULL)
	{
		field_error(builder, place, source,
					psprintf("It is character %d of \"%s\".", error.position,
							 condition->text),
					"%s at character %d", error.message, error.position);
		return NULL;
	}
	return condition;
}

/* "off" or "on", where it is said. */
static Switch
build_switch(Builder *builder, const Place *place, const char *field)
{
	if (field_get(place, field) == NULL)
		return SWITCH_UNSAID;
	return field_boolean(builder, place, field, false) ? SWITCH_ON : SWITCH_OFF;
}

void
build_transaction(Builder *builder, const Place *place, TransactionMode *mode)
{
	static const char *const isolations[] = {"read committed", "repeatable read", "serializable", NULL};
	const Json *value = field_of_kind(builder, place, "transaction", JSON_OBJECT);
	char	   *path;

	if (value == NULL)
		return;
	path = field_path(place, "transaction");
	{
		Place		below = {value, path, place->step_id};

		check_fields(builder, &below, FIELD_OF_TRANSACTION, "\"transaction\"");
		mode->isolation = ISOLATION_UNSAID;
		if (field_get(&below, "isolation") != NULL)
			mode->isolation = ISOLATION_READ_COMMITTED +
				field_choice(builder, &below, "isolation", isolations, 0);
		mode->read_only = build_switch(builder, &below, "read_only");
		mode->deferrable = build_switch(builder, &below, "deferrable");
	}
}

/*
 * A step's transaction: in words, "step" or "none", or an object.
 */
static void
build_step_transaction(Builder *builder, PlanNode *node, const Place *place)
{
	static const char *const transactions[] = {"step", "none", NULL};
	const Json *value = field_get(place, "transaction");

	if (value != NULL && json_kind(value) == JSON_STRING && node->type == STEP_SQL)
		node->transaction_none = field_choice(builder, place, "transaction", transactions, 0) == 1;
	else if (value != NULL)
		build_transaction(builder, place, &node->transaction);
}

/*
 * The fields that every step may have.
 */
static void
build_common(Builder *builder, PlanNode *node, const Place *place)
{
	const Json *when = field_get(place, "when");

	node->description = field_string(builder, place, "description", false);
	field_of_kind(builder, place, "name", JSON_STRING);
	field_of_kind(builder, place, "metadata", JSON_OBJECT);
	node->timeout_seconds = field_integer(builder, place, "timeout_seconds",
										  1, MAX_TIMEOUT_SECONDS, 0);
	node->max_visits = field_integer(builder, place, "max_visits", 1, MAX_VISITS, 0);
	node->priority = field_integer(builder, place, "priority",
								   -MAX_PRIORITY, MAX_PRIORITY, 0);
	node->output = field_template(builder, place, "output");
	build_on_failure(builder, node, place);
	build_settings(builder, place, "settings", &node->settings, &node->nsettings);
	if (node->type == STEP_SQL || node->type == STEP_AGENT)
		build_step_transaction(builder, node, place);

	if (when != NULL)
	{
		Condition  *condition = build_condition(builder, place, "when", when);

		if (condition != NULL && condition->sql != NULL)
			field_error(builder, place, "when",
						"Use a conditional step for a condition in SQL.",
						"\"when\" must be an expression");
		else if (condition != NULL)
		{
			node->when = condition->expression;
			node->when_text = condition->text;
		}
	}
}

/*
 * The values for a step's SQL or agent: an object, or one reference to one.
 */
static void
build_input_mapping(Builder *builder, PlanNode *node, const Place *place)
{
	const Json *value = field_get(place, "input_mapping");

	if (value == NULL)
		return;
	if (json_kind(value) != JSON_OBJECT && json_kind(value) != JSON_STRING)
	{
		field_error(builder, place, "input_mapping", NULL,
					"\"input_mapping\" must be an object, not %s", json_kind_name(value));
		return;
	}
	node->input_mapping = field_template(builder, place, "input_mapping");
	if (json_kind(value) == JSON_STRING && node->input_mapping != NULL &&
		node->input_mapping->kind != TEMPLATE_EXPRESSION)
		field_error(builder, place, "input_mapping", NULL,
					"\"input_mapping\" must be an object or one ${...} reference");
}

/*
 * A step that runs SQL.
 */
static void
build_sql(Builder *builder, PlanNode *node, const Place *place)
{
	static const char *const results[] = {"rows", "row", "value", "none", NULL};
	const Json *params = field_of_kind(builder, place, "params", JSON_ARRAY);
	int			index = 0;

	node->sql = field_string(builder, place, "sql", true);
	node->result = (SqlResult) field_choice(builder, place, "result", results,
											SQL_RESULT_ROWS);
	if (params == NULL)
		return;

	node->params = palloc0(sizeof(Template *) * Max(json_count(params), 1));
	for (const Json *item = json_first(params); item != NULL; item = json_next(item))
	{
		char	   *path = psprintf("%s.params[%d]", place->path, index++);
		Template   *template = template_parse(item, path, place->step_id,
											  builder->problems);

		if (template != NULL)
			node->params[node->nparams++] = template;
		pfree(path);
	}
}

/*
 * A step that assigns variables.
 */
static void
build_set(Builder *builder, PlanNode *node, const Place *place)
{
	const Json *assign = field_of_kind(builder, place, "assign", JSON_OBJECT);
	int			count;

	if (assign == NULL)
	{
		if (field_get(place, "assign") == NULL && field_get(place, "output") == NULL)
			field_error(builder, place, "assign", NULL,
						"a set step needs \"assign\" or \"output\"");
		return;
	}

	count = json_count(assign);
	builder->plan->assigns_variables |= count > 0;
	node->assign_names = palloc(sizeof(char *) * Max(count, 1));
	node->assign_values = palloc(sizeof(Template *) * Max(count, 1));
	for (const Json *member = json_first(assign); member != NULL;
		 member = json_next(member))
	{
		const char *name = json_key(member);
		const char *complaint = name_id_complaint(name);
		char	   *path = psprintf("%s.assign.%s", place->path, name);
		Template   *value = template_parse(member, path, place->step_id,
										   builder->problems);

		if (complaint != NULL)
			problem_add(builder->problems, PROBLEM_ERROR, path, place->step_id, NULL,
						"the name of a variable %s", complaint);
		pfree(path);
		name = pstrdup(name);
		name_map_add(builder->variables, name, node->index);
		if (value == NULL)
			continue;
		node->assign_names[node->nassign] = unconstify(char *, name);
		node->assign_values[node->nassign++] = value;
	}
}

/*
 * Build one node from its object.
 */
void
build_step(Builder *builder, PlanNode *node)
{
	Place		place = node_place(builder, node->index);
	int			errors;

	if (json_kind(place.object) != JSON_OBJECT)
	{
		builder->links_broken = true;
		field_error(builder, &place, NULL, NULL, "a step must be an object, not %s",
					json_kind_name(place.object));
		return;
	}
	if (!build_type(builder, node, &place))
	{
		builder->links_broken = true;
		return;
	}
	check_fields(builder, &place, FIELD_OF(node->type), owner_names[node->type]);
	build_common(builder, node, &place);
	build_input_mapping(builder, node, &place);
	build_retry(builder, node, &place);
	build_catch(builder, node, &place);

	switch (node->type)
	{
		case STEP_AGENT:
			if (json_get(place.object, "type") == NULL && json_get(place.object, "agent_name") == NULL)
				field_error(builder, &place, NULL, NULL,
							"step \"%s\" needs \"sql\", \"agent_name\" or \"type\"", node->id);
			else
				node->agent_name = field_string(builder, &place, "agent_name", true);
			break;
		case STEP_SQL:
			build_sql(builder, node, &place);
			break;
		case STEP_SET:
			build_set(builder, node, &place);
			break;
		case STEP_SUCCEED:
			break;
		case STEP_FAIL:
			node->error = field_template(builder, &place, "error");
			node->message = field_template(builder, &place, "message");
			break;
		case STEP_PARALLEL:
		case STEP_FORK_JOIN:
		case STEP_CONDITIONAL:
		case STEP_LOOP:
			node->timeout_abort = build_timeout_strategy(builder, &place, node->timeout_seconds);
			errors = builder->problems->errors;
			build_container(builder, node, &place);
			builder->links_broken |= builder->problems->errors > errors;
			break;
	}
	if (!step_type_is_container(node->type) && node->type != STEP_SUCCEED &&
		node->type != STEP_FAIL)
		apply_defaults(builder, node, &place);
	pfree(unconstify(char *, place.path));
}

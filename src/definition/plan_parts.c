/*-------------------------------------------------------------------------
 *
 * plan_parts.c
 *	  What objects of a definition have in common: settings, conditions,
 *	  transactions, time limits.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

const FieldSet step_fields = {
	.owner = "a step",
	.fields = NAMES("catch", "compensate", "description", "id", "input_mapping",
		"max_visits", "metadata", "name", "next_step", "on_failure", "output",
		"priority", "retry", "settings", "timeout_seconds", "type", "when"),
	.later = NAMES("caching", "circuit_breaker", "dead_letter", "depends_on",
		"heartbeat_seconds", "on_complete", "schedule_timeout_seconds")
};

const FieldSet condition_fields = {
	.owner = "a condition",
	.fields = NAMES("expression", "sql"),
	.not_applied = NAMES("operator")
};

const FieldSet transaction_fields = {
	.owner = "\"transaction\"",
	.fields = NAMES("deferrable", "isolation", "read_only")
};

/*
 * A setting that makes sense only when a transaction begins, or that ends the
 * process.
 */
static bool
is_of_transaction(const char *name)
{
	static const char *const names[] = {"transaction_isolation",
										"transaction_read_only",
										"transaction_deferrable",
										"transaction_timeout"};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (pg_strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

bool
plan_is_setting_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$";

	return name[0] != '\0' && strlen(name) < NAMEDATALEN &&
		strspn(name, allowed) == strlen(name);
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
			field_error(builder, place, path, NULL,
						"\"%s\" is not a name of a setting", name);
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
 * What becomes of the results when the time is over: "graceful" keeps them,
 * "abort" does not.
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
		check_fields(builder, &below, &condition_fields);
		if ((field_get(&below, "expression") == NULL) ==
			(field_get(&below, "sql") == NULL))
			field_error(builder, &below, NULL, NULL,
						"a condition needs either \"expression\" or \"sql\"");
		else if (field_get(&below, "sql") != NULL)
			condition->text = condition->sql = field_string(builder, &below,
															"sql", true);
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
	static const char *const isolations[] = {"read committed",
											 "repeatable read", "serializable",
											 NULL};
	const Json *value = field_of_kind(builder, place, "transaction",
									  JSON_OBJECT);
	char	   *path;

	if (value == NULL)
		return;
	path = field_path(place, "transaction");
	{
		Place		below = {value, path, place->step_id};

		check_fields(builder, &below, &transaction_fields);
		mode->isolation = ISOLATION_UNSAID;
		if (field_get(&below, "isolation") != NULL)
			mode->isolation = ISOLATION_READ_COMMITTED +
				field_choice(builder, &below, "isolation", isolations, 0);
		mode->read_only = build_switch(builder, &below, "read_only");
		mode->deferrable = build_switch(builder, &below, "deferrable");
	}
}

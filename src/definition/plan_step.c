/*-------------------------------------------------------------------------
 *
 * plan_step.c
 *	  A step: the fields that every one may have, and those of its type.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/steps/sql.h"
#include "definition/steps/step_types.h"

const FieldSet defaults_fields = {
	.owner = "\"defaults\"",
	.fields = NAMES("on_failure", "retry", "settings", "timeout_seconds")
};

const FieldSet on_failure_fields = {
	.owner = "\"on_failure\"",
	.fields = NAMES("default")
};

/* Known, but to a later version. */
static const char *const later_types[] = {
	"external", "sub_workflow", "wait_for_event", "validate", NULL
};

/*
 * Find out the type.  False, with a problem reported, when there is no such.
 */
static bool
build_type(Builder *builder, PlanNode *node, const Place *place)
{
	const Json *type = field_of_kind(builder, place, "type", JSON_STRING);
	NameMap    *names;
	StringInfoData list;
	char	   *hint;

	node->type = STEP_AGENT;
	if (type == NULL)
		return field_get(place, "type") == NULL;
	if (step_type_named(json_string(type), &node->type))
		return true;
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

	names = name_map_create(STEP_TYPES);
	initStringInfo(&list);
	for (int i = 0; i < STEP_TYPES; i++)
	{
		name_map_add(names, step_type_name(i), i);
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", step_type_name(i));
	}
	hint = likeness_hint(builder, names, json_string(type));
	name_map_free(names);
	field_error(builder, place, "type",
				hint != NULL ? hint : psprintf("Types are: %s.", list.data),
				"unknown step type \"%s\"", json_string(type));
	return false;
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
		(strcmp(json_string(value), "fail") == 0 ||
		 strcmp(json_string(value), "ignore") == 0))
	{
		node->on_failure = strcmp(json_string(value), "fail") == 0 ?
			ON_FAILURE_FAIL :
			ON_FAILURE_IGNORE;
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
	check_fields(builder, &below, &on_failure_fields);
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

	check_fields(builder, place, &defaults_fields);
	defaults->timeout_seconds = field_integer(builder, place, "timeout_seconds",
											  1, MAX_TIMEOUT_SECONDS, 0);
	build_on_failure(builder, defaults, place);
	build_retry(builder, defaults, place);
	build_settings(builder, place, "settings", &defaults->settings,
				   &defaults->nsettings);
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
	if (defaults->nretry > 0 && step_is_leaf(node))
	{
		/* they come last, for the errors that nothing before them names */
		RetryPolicy *both = palloc(sizeof(RetryPolicy) *
								   (node->nretry + defaults->nretry));

		if (node->nretry > 0)
			memcpy(both, node->retry, sizeof(RetryPolicy) * node->nretry);
		memcpy(both + node->nretry, defaults->retry,
			   sizeof(RetryPolicy) * defaults->nretry);
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
 * A step's transaction: in words, "step" or "none", or an object.
 */
static void
build_step_transaction(Builder *builder, PlanNode *node, const Place *place)
{
	static const char *const transactions[] = {"step", "none", NULL};
	const Json *value = field_get(place, "transaction");

	if (value != NULL && json_kind(value) == JSON_STRING &&
		step_type_has(node->type, TRAIT_OUTSIDE))
		sql_part(node)->outside = field_choice(builder, place, "transaction",
											   transactions, 0) == 1;
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
	node->max_visits = field_integer(builder, place, "max_visits", 1,
									 MAX_VISITS, 0);
	node->priority = field_integer(builder, place, "priority",
								   -MAX_PRIORITY, MAX_PRIORITY, 0);
	node->output = field_template(builder, place, "output");
	build_on_failure(builder, node, place);
	build_settings(builder, place, "settings", &node->settings,
				   &node->nsettings);
	if (step_is_leaf(node))
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
 * A step's configuration; false, with a problem reported, when there is none.
 */
static bool
step_configuration(Builder *builder, const Place *place, const char *field,
				   const FieldSet *set, Place *config)
{
	config->object = field_of_kind(builder, place, field, JSON_OBJECT);
	if (config->object == NULL)
	{
		if (field_get(place, field) == NULL)
			field_error(builder, place, field, NULL, "\"%s\" is required",
						field);
		return false;
	}
	config->path = field_path(place, field);
	config->step_id = place->step_id;
	check_fields(builder, config, set);
	return true;
}

/*
 * Build one node from its object.
 */
void
build_step(Builder *builder, PlanNode *node)
{
	Place		place = node_place(builder, node->index);
	const StepTypeInfo *info;
	int			errors;

	if (json_kind(place.object) != JSON_OBJECT)
	{
		builder->links_broken = true;
		field_error(builder, &place, NULL, NULL,
					"a step must be an object, not %s",
					json_kind_name(place.object));
		return;
	}
	if (!build_type(builder, node, &place))
	{
		builder->links_broken = true;
		return;
	}
	info = step_types[node->type];
	if (info->part_size > 0)
		node->part = palloc0(info->part_size);
	check_fields(builder, &place, info->fields);
	build_common(builder, node, &place);
	build_input_mapping(builder, node, &place);
	build_retry(builder, node, &place);
	build_catch(builder, node, &place);

	if (step_is_container(node))
		node->timeout_abort = build_timeout_strategy(builder, &place,
													 node->timeout_seconds);
	errors = builder->problems->errors;
	if (info->config != NULL)
	{
		Place		config;

		if (step_configuration(builder, &place, info->config,
							   info->fields->flat, &config))
			info->build(builder, node, &config);
	}
	else if (info->build != NULL)
		info->build(builder, node, &place);
	if (step_is_container(node))
		builder->links_broken |= builder->problems->errors > errors;
	if (step_type_has(node->type, TRAIT_DEFAULTS))
		apply_defaults(builder, node, &place);
	pfree(unconstify(char *, place.path));
}

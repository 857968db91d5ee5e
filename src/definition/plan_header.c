/*-------------------------------------------------------------------------
 *
 * plan_header.c
 *	  The fields of the definition itself.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

const FieldSet definition_fields = {
	.owner = "a definition",
	.fields = NAMES("alerts", "commit", "dead_letter", "defaults",
		"description", "durability", "max_pause_seconds", "max_retry_budget",
		"max_running", "metadata", "name", "notify", "on_failure", "output",
		"priority", "settings", "start_step", "steps", "tenant",
		"timeout_seconds", "timeout_strategy", "transaction", "version",
		"when_full", "workflow_id"),
	.not_applied = NAMES("input_schema"),
	.later = NAMES("caching", "circuit_breaker", "on_complete", "states",
		"type"),
	.elsewhere = NAMES("schedule")
};

const FieldSet dead_letter_fields = {
	.owner = "\"dead_letter\"",
	.fields = NAMES("retention_days")
};

const FieldSet commit_fields = {
	.owner = "\"commit\"",
	.fields = NAMES("max_ms", "max_steps")
};

const FieldSet alerts_fields = {
	.owner = "\"alerts\"",
	.fields = NAMES("average_duration_for_seconds", "average_duration_seconds",
		"block_duration_ms", "block_failures", "block_speedup",
		"block_success_rate", "dead_letters", "held_seconds",
		"lock_wait_seconds", "paused_seconds", "queue_wait_seconds",
		"stuck_rate", "success_rate", "success_rate_consecutive")
};

/*
 * Name, label and what else describes the definition.
 */
static void
build_description(Builder *builder, const Place *place)
{
	WorkflowPlan *plan = builder->plan;
	const Json *version = field_get(place, "version");

	plan->name = field_string(builder, place, "name", true);
	if (plan->name != NULL && strlen(plan->name) > PLAN_MAX_ID_LENGTH)
		field_error(builder, place, "name", NULL,
					"\"name\" is longer than %d characters",
					PLAN_MAX_ID_LENGTH);
	if (plan->name == NULL)
		plan->name = pstrdup("");

	plan->label = pstrdup("");
	if (version != NULL && json_kind(version) == JSON_STRING)
		plan->label = pstrdup(json_string(version));
	else if (version != NULL && json_kind(version) == JSON_NUMBER)
		plan->label = pstrdup(json_number_text(version));
	else if (version != NULL)
		field_error(builder, place, "version", NULL,
					"\"version\" must be a string or a number, not %s",
					json_kind_name(version));
	if (strlen(plan->label) > PLAN_MAX_ID_LENGTH)
		field_error(builder, place, "version", NULL,
					"\"version\" is longer than %d characters", PLAN_MAX_ID_LENGTH);

	/* Kept in the document only. */
	field_of_kind(builder, place, "workflow_id", JSON_STRING);
	field_of_kind(builder, place, "description", JSON_STRING);
	field_of_kind(builder, place, "metadata", JSON_OBJECT);
	field_of_kind(builder, place, "input_schema", JSON_OBJECT);
}

/*
 * How many executions there may be at one time, and for whom they are.
 */
static void
build_admission(Builder *builder, const Place *place)
{
	static const char *const when_full[] = {"queue", "refuse", NULL};
	WorkflowPlan *plan = builder->plan;

	plan->tenant = field_string(builder, place, "tenant", false);
	if (plan->tenant != NULL &&
		(plan->tenant[0] == '\0' || strlen(plan->tenant) > PLAN_MAX_ID_LENGTH))
		field_error(builder, place, "tenant", NULL,
					"\"tenant\" must have between 1 and %d bytes",
					PLAN_MAX_ID_LENGTH);
	plan->max_running = field_integer(builder, place, "max_running", 1,
									  ANY_INTEGER, 0);
	plan->refuse_when_full = field_choice(builder, place, "when_full",
										  when_full, 0) == 1;
	if (plan->refuse_when_full && plan->max_running == 0)
		field_error(builder, place, "when_full",
					"Give the number in \"max_running\".",
					"\"when_full\" means nothing without \"max_running\"");
}

/*
 * Whether executions that fail become dead letters: a boolean, or an object
 * that says for how long.
 */
static void
build_dead_letter(Builder *builder, const Place *place)
{
	const Json *value = field_get(place, "dead_letter");
	Place		below = {value, "dead_letter", NULL};

	if (value == NULL)
		return;
	if (json_kind(value) == JSON_BOOLEAN)
	{
		builder->plan->dead_letter = json_boolean(value);
		return;
	}
	if (json_kind(value) != JSON_OBJECT)
	{
		field_error(builder, place, "dead_letter", NULL,
					"\"dead_letter\" must be a boolean or an object, not %s",
					json_kind_name(value));
		return;
	}
	check_fields(builder, &below, &dead_letter_fields);
	builder->plan->dead_letter = true;
	builder->plan->dead_letter_days = field_integer(builder, &below,
													"retention_days", 1,
													MAX_RETENTION_DAYS, 0);
}

/*
 * How many steps may share a transaction.
 */
static void
build_commit(Builder *builder, const Place *place)
{
	WorkflowPlan *plan = builder->plan;
	const Json *commit = field_of_kind(builder, place, "commit", JSON_OBJECT);

	plan->commit_max_steps = 1;
	plan->commit_max_ms = DEFAULT_BATCH_MS;
	if (commit != NULL)
	{
		Place		below = {commit, "commit", NULL};

		check_fields(builder, &below, &commit_fields);
		plan->commit_max_steps = field_integer(builder, &below, "max_steps", 1,
											   MAX_BATCH, MAX_BATCH);
		plan->commit_max_ms = field_integer(builder, &below, "max_ms", 1,
											ANY_INTEGER, DEFAULT_BATCH_MS);
	}
}

/*
 * Thresholds of alerts.  Nobody here needs them: the view alert_thresholds
 * reads them where they are.
 */
static void
build_alerts(Builder *builder, const Place *place)
{
	static const struct
	{
		const char *name;
		int			lowest;		/* -1 turns the alert off */
		int			highest;
	}			thresholds[] = {
		{"average_duration_for_seconds", 0, ANY_INTEGER},
		{"average_duration_seconds", -1, ANY_INTEGER},
		{"block_duration_ms", -1, ANY_INTEGER},
		{"block_failures", -1, ANY_INTEGER},
		{"block_success_rate", -1, 100},
		{"dead_letters", -1, ANY_INTEGER},
		{"held_seconds", -1, ANY_INTEGER},
		{"lock_wait_seconds", -1, ANY_INTEGER},
		{"paused_seconds", -1, ANY_INTEGER},
		{"queue_wait_seconds", -1, ANY_INTEGER},
		{"stuck_rate", -1, ANY_INTEGER},
		{"success_rate", -1, 100},
		{"success_rate_consecutive", 1, 100},
	};
	const Json *alerts = field_of_kind(builder, place, "alerts", JSON_OBJECT);
	const Json *speedup;
	Place		below = {alerts, "alerts", NULL};

	if (alerts == NULL)
		return;
	check_fields(builder, &below, &alerts_fields);
	for (size_t i = 0; i < lengthof(thresholds); i++)
		field_integer(builder, &below, thresholds[i].name, thresholds[i].lowest,
					  thresholds[i].highest, 0);
	speedup = field_of_kind(builder, &below, "block_speedup", JSON_NUMBER);
	if (speedup != NULL)
	{
		double		number = strtod(json_number_text(speedup), NULL);

		if (number != -1 && !(number >= 0 && number <= 1000))
			field_error(builder, &below, "block_speedup", NULL,
						"\"block_speedup\" must be a number between 0 and 1000, or -1");
	}
}

/*
 * The definition's own fields.
 */
void
build_header(Builder *builder, const Place *place)
{
	static const char *const durabilities[] = {"full", "relaxed", NULL};
	WorkflowPlan *plan = builder->plan;
	const Json *defaults = field_of_kind(builder, place, "defaults",
										 JSON_OBJECT);

	check_fields(builder, place, &definition_fields);
	build_description(builder, place);
	build_admission(builder, place);
	build_commit(builder, place);
	build_alerts(builder, place);
	plan->timeout_seconds = field_integer(builder, place, "timeout_seconds",
										  1, MAX_TIMEOUT_SECONDS, 0);
	plan->max_pause_seconds = field_integer(builder, place, "max_pause_seconds",
											1, MAX_TIMEOUT_SECONDS, 0);
	plan->timeout_abort = build_timeout_strategy(builder, place,
												 plan->timeout_seconds);
	plan->priority = field_integer(builder, place, "priority",
								   -MAX_PRIORITY, MAX_PRIORITY, 0);
	plan->max_retry_budget = field_integer(builder, place, "max_retry_budget",
										   0, ANY_INTEGER, -1);
	plan->relaxed = field_choice(builder, place, "durability", durabilities,
								 0) == 1;
	plan->notify = field_boolean(builder, place, "notify", false);
	build_dead_letter(builder, place);
	plan->output = field_template(builder, place, "output");
	build_settings(builder, place, "settings", &plan->settings,
				   &plan->nsettings);
	build_transaction(builder, place, &plan->transaction);
	builder->start_step = field_string(builder, place, "start_step", false);

	if (defaults != NULL)
	{
		Place		below = {defaults, "defaults", NULL};

		build_defaults(builder, &below);
	}
}

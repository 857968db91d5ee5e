/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Steps that wait for a time.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/checker.h"
#include "definition/explainer.h"
#include "definition/steps/step_types.h"
#include "definition/steps/wait.h"

static const char *const field_names[] = {
	[WAIT_SECONDS] = "seconds",
	[WAIT_DURATION] = "duration",
	[WAIT_UNTIL] = "until"
};

const char *
wait_field_name(WaitField field)
{
	return field_names[field];
}

/*
 * A number, or where numbers are not what it has, a text; either may be a
 * reference.
 */
static Template *
build_value(Builder *builder, const Place *place, const char *field,
			bool is_number)
{
	const Json *value = field_get(place, field);
	Template   *template;

	if (is_number && json_kind(value) == JSON_NUMBER)
		return field_template(builder, place, field);
	if (json_kind(value) != JSON_STRING)
	{
		field_error(builder, place, field, NULL, "\"%s\" must be %s, not %s",
					field,
					is_number ? "a number or one ${...} reference" : "a string",
					json_kind_name(value));
		return NULL;
	}
	template = field_template(builder, place, field);
	if (is_number && template != NULL && template->kind != TEMPLATE_EXPRESSION)
		field_error(builder, place, field, NULL,
					"\"%s\" must be a number or one ${...} reference", field);
	return template;
}

/* A value as it is written, for those who look at the plan. */
static char *
value_text(const Place *place, const char *field)
{
	const Json *value = field_get(place, field);

	return json_kind(value) == JSON_STRING ? pstrdup(json_string(value)) :
											 json_print(value);
}

/*
 * A step that waits for one of: so many seconds, a duration, a time.
 */
static void
build_wait(Builder *builder, PlanNode *node, const Place *place)
{
	WaitPart   *part = wait_part(node);
	int			given = 0;
	const char *how = "Say how long with \"seconds\" or \"duration\", or until when with \"until\".";

	for (int i = 0; i < (int) lengthof(field_names); i++)
		if (field_get(place, field_names[i]) != NULL && given++ == 0)
			part->field = (WaitField) i;
	if (given == 0)
		field_error(builder, place, NULL, how,
					"a wait step needs \"seconds\", \"duration\" or \"until\"");
	else if (given > 1)
		field_error(builder, place, NULL, how,
					"a wait step has only one of \"seconds\", \"duration\" and \"until\"");
	else
	{
		part->value = build_value(builder, place, field_names[part->field],
								  part->field == WAIT_SECONDS);
		part->text = value_text(place, field_names[part->field]);
	}
	if (field_get(place, "time_zone") != NULL)
	{
		part->time_zone = build_value(builder, place, "time_zone", false);
		part->zone_text = value_text(place, "time_zone");
		if (given == 1 && part->field == WAIT_SECONDS)
			field_error(builder, place, "time_zone",
						"It is for \"until\" and \"duration\".",
						"seconds are the same in all time zones");
	}
	if (field_get(place, "timeout_seconds") != NULL)
		field_error(builder, place, "timeout_seconds",
					"Limit a container around it, or the definition.",
					"a wait step has no time limit of its own");
}

static void
check_wait(Checker *checker, PlanNode *node,
		   const Json *source pg_attribute_unused())
{
	WaitPart   *part = wait_part(node);

	check_template(checker, part->value, BEFORE_STEP, field_names[part->field]);
	check_template(checker, part->time_zone, BEFORE_STEP, "time_zone");
}

static void
explain_wait(Explainer *explainer, const PlanNode *node)
{
	const WaitPart *part = wait_part(node);

	if (part->text == NULL)
		return;
	explain_remark(explainer, "%s%s%s%s%s",
				   part->field == WAIT_UNTIL ? "until " : "", part->text,
				   part->field == WAIT_SECONDS ? " s" : "",
				   part->zone_text != NULL ? " in " : "",
				   part->zone_text != NULL ? part->zone_text : "");
}

static const char *
wait_subject(const PlanNode *node, bool all pg_attribute_unused())
{
	const WaitPart *part = wait_part(node);

	if (part->text == NULL)
		return NULL;
	return part->field == WAIT_SECONDS ? psprintf("%s s", part->text) :
										 part->text;
}

static const FieldSet fields_of_wait = {
	.owner = "a step of type wait",
	.fields = NAMES("duration", "seconds", "time_zone", "until"),
	.more = &step_fields
};

const StepTypeInfo step_type_wait = {
	.fields = &fields_of_wait,
	.part_size = sizeof(WaitPart),
	.build = build_wait,
	.check_references = check_wait,
	.explain_heading = explain_wait,
	.subject = wait_subject,
	.shape = {"{{", "}}"}
};

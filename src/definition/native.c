/*-------------------------------------------------------------------------
 *
 * native.c
 *	  The front end of the format that docs/definitions describes.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Checked by normalise.c,
 *	  compiled by plan_document.c.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/front_end.h"
#include "definition/normaliser.h"
#include "definition/steps/step_types.h"

/* Of agents, whose options are read as documents are (agent_options.c). */
const FieldSet breaker_fields = {
	.owner = "a circuit breaker",
	.fields = NAMES("enabled", "failure_rate_threshold", "failure_threshold",
		"half_open_max_calls", "timeout_seconds", "window_size_seconds")
};

/* All that has fields, but for the types of steps. */
static const FieldSet *const sets[] = {
	&step_fields,
	&definition_fields,
	&defaults_fields,
	&loop_config_fields,
	&fork_join_config_fields,
	&branch_fields,
	&condition_fields,
	&case_fields,
	&on_failure_fields,
	&retry_fields,
	&catch_fields,
	&breaker_fields,
	&dead_letter_fields,
	&commit_fields,
	&transaction_fields,
	&alerts_fields
};

static bool
recognise_native(const Json *given)
{
	return json_get(given, "steps") != NULL;
}

static bool
knows_native_field(const char *name)
{
	for (size_t i = 0; i < lengthof(sets); i++)
		if (field_is_of(sets[i], name))
			return true;
	for (int i = 0; i < STEP_TYPES; i++)
		if (field_is_of(step_types[i]->fields, name))
			return true;
	return false;
}

/* A step without a type is of the one that its fields say. */
static void
add_fields_of_steps(const FieldSet *set, NameMap *names)
{
	bool		is_step = false;

	for (int i = 0; i < STEP_TYPES; i++)
		is_step |= step_types[i]->fields == set;
	for (int i = 0; i < STEP_TYPES && is_step; i++)
		for (const FieldSet *more = step_types[i]->fields; more != NULL;
			 more = more->more)
			for (const char *const *field = more->fields;
				 field != NULL && *field != NULL; field++)
				name_map_add(names, *field, i);
}

const FrontEnd front_end_native = {
	.name = "native",
	.recognise = recognise_native,
	.knows_field = knows_native_field,
	.add_other_fields = add_fields_of_steps,
	.check = normalise_document,
	.compile = build_definition
};

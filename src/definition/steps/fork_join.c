/*-------------------------------------------------------------------------
 *
 * fork_join.c
 *	  Named branches that run at the same time, and when that is a success.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/explainer.h"
#include "definition/normaliser.h"
#include "definition/steps/step_types.h"

const FieldSet fork_join_config_fields = {
	.owner = "\"fork_join_config\"",
	.fields = NAMES("branch_timeout_seconds", "branches", "join_policy",
		"max_parallelism", "n_required", "on_join")
};

const FieldSet branch_fields = {
	.owner = "a branch",
	.fields = NAMES("description", "steps", "timeout_seconds")
};

/*
 * Order of two branches by name, for qsort(): that of the keys of a jsonb
 * object is nobody's intention.
 */
static int
compare_branches(const void *a, const void *b)
{
	return strcmp(json_key(*(const Json *const *) a),
				  json_key(*(const Json *const *) b));
}

/*
 * One branch of a fork_join.
 */
static void
build_branch(Builder *builder, PlanNode *node, const Place *config,
			 const Json *branch, int default_timeout)
{
	const char *complaint = name_id_complaint(json_key(branch));
	const Json *steps;
	PlanLine   *line = add_line(node, pstrdup(json_key(branch)));
	Place		place;

	place.object = branch;
	place.path = psprintf("%s.branches.%s", config->path, json_key(branch));
	place.step_id = config->step_id;

	if (complaint != NULL)
		field_error(builder, &place, NULL, NULL, "the name of a branch %s",
					complaint);
	if (json_kind(branch) != JSON_OBJECT)
	{
		field_error(builder, &place, NULL, NULL,
					"a branch must be an object or an array of steps, not %s",
					json_kind_name(branch));
		return;
	}
	check_fields(builder, &place, &branch_fields);
	line->timeout_seconds = field_integer(builder, &place, "timeout_seconds", 1,
										  MAX_TIMEOUT_SECONDS, default_timeout);
	field_of_kind(builder, &place, "description", JSON_STRING);
	if (field_get(&place, "steps") == NULL)
		field_error(builder, &place, "steps", NULL, "\"steps\" is required");
	steps = field_of_kind(builder, &place, "steps", JSON_ARRAY);
	if (steps != NULL)
		add_children(builder, node, &place, "steps", steps);
}

/*
 * Named branches that run at the same time, and when that is a success.
 */
static void
build_fork_join(Builder *builder, PlanNode *node, const Place *config)
{
	static const char *const policies[] = {"all", "any", "majority", "n_of_m",
										   NULL};
	const Json *branches = field_of_kind(builder, config, "branches",
										 JSON_OBJECT);
	int			timeout = field_integer(builder, config,
										"branch_timeout_seconds", 1,
										MAX_TIMEOUT_SECONDS, 0);

	if (field_get(config, "branches") == NULL)
		field_error(builder, config, "branches", NULL,
					"\"branches\" is required");
	if (branches != NULL)
	{
		const Json **sorted = palloc(sizeof(Json *) *
									 Max(json_count(branches), 1));
		int			count = 0;

		check_child_count(builder, node, config, "branches",
						  json_count(branches), "branch", "branches");
		for (const Json *item = json_first(branches); item != NULL;
			 item = json_next(item))
			sorted[count++] = item;
		qsort(sorted, count, sizeof(Json *), compare_branches);
		for (int i = 0; i < count; i++)
		{
			if (i > 0 &&
				strcmp(json_key(sorted[i - 1]), json_key(sorted[i])) == 0)
				field_error(builder, config, "branches", NULL,
							"branch \"%s\" is given twice", json_key(sorted[i]));
			build_branch(builder, node, config, sorted[i], timeout);
		}
		pfree(sorted);
	}

	node->max_parallelism = field_integer(builder, config, "max_parallelism",
										  1, ANY_INTEGER, 0);
	node->join.policy = (JoinPolicy) field_choice(builder, config,
												  "join_policy", policies,
												  JOIN_ALL);
	if (node->join.policy == JOIN_N_OF_M &&
		field_get(config, "n_required") == NULL)
		field_error(builder, config, "n_required", NULL,
					"\"n_required\" is required with join policy n_of_m");
	else if (node->join.policy != JOIN_N_OF_M &&
			 field_get(config, "n_required") != NULL)
		field_error(builder, config, "n_required",
					"Set \"join_policy\" to \"n_of_m\", or leave \"n_required\" out.",
					"\"n_required\" has no meaning with join policy %s",
					join_policy_name(node->join.policy));
	else if (branches != NULL)
		node->join.n_required = field_integer(builder, config, "n_required", 1,
										 Max(node->nlines, 1), 0);
	build_on_join(builder, node, config);
}

/*
 * The branches of a fork_join.
 */
static Json *
stored_branches(Normaliser *normaliser, const char *field, const Json *value,
				GivenPlace place)
{
	Json	   *stored;

	if (strcmp(field, "branches") != 0)
		return NULL;
	if (json_kind(value) != JSON_OBJECT)
		return json_share(value);
	stored = json_new_object();
	for (const Json *member = json_first(value); member != NULL;
		 member = json_next(member))
	{
		GivenPlace	below = member_place(normaliser, place, json_key(member),
										json_key(member));

		normaliser->branch = json_key(member);
		json_add(stored, json_key(member),
				 stored_branch(normaliser, member, below));
		normaliser->branch = NULL;
	}
	return stored;
}

static const FieldSet fields_of_fork_join = {
	.owner = "a step of type fork_join",
	.fields = NAMES("fork_join_config", "timeout_strategy"),
	.more = &step_fields,
	.flat = &fork_join_config_fields
};

const StepTypeInfo step_type_fork_join = {
	.fields = &fields_of_fork_join,
	.alias = "fork-join",
	.config = "fork_join_config",
	.stored_children = stored_branches,
	.build = build_fork_join,
	.explain_heading = explain_join,
	.line_word = "branch ",
	.lines_noun = "branches",
	.subject = needed_children,
	.shape = {"[/", "\\]"}
};

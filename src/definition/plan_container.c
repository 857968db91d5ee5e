/*-------------------------------------------------------------------------
 *
 * plan_container.c
 *	  The fields of containers, and the lines of their children.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  A child gets its container and line as soon as a container lists it; who
 *	  lists it first has it, and everybody else's claim is a problem.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"

/*
 * Begin another line of a container.
 */
PlanLine *
add_line(PlanNode *node, char *name)
{
	PlanLine   *line;

	if (node->lines == NULL)
		node->lines = palloc(sizeof(PlanLine));
	else if ((node->nlines & (node->nlines - 1)) == 0)
		node->lines = repalloc(node->lines, sizeof(PlanLine) * node->nlines * 2);
	line = &node->lines[node->nlines++];
	memset(line, 0, sizeof(PlanLine));
	line->name = name;
	line->first = line->last = line->jump = -1;
	return line;
}

/*
 * The node that an id names.  -1, with a problem reported, when it is no id of a
 * step.
 */
int
find_step(Builder *builder, const Place *place, const char *field, const Json *value)
{
	int			node;

	if (json_kind(value) != JSON_STRING)
	{
		field_error(builder, place, field, NULL,
					"expected the id of a step or a step, not %s", json_kind_name(value));
		return -1;
	}
	node = name_map_get(builder->ids, json_string(value));
	if (node < 0)
		field_error(builder, place, field,
					likeness_hint(builder, builder->ids, json_string(value)),
					"step \"%s\" does not exist", json_string(value));
	return node;
}

/*
 * Add a child to the end of the container's last line.
 */
static void
add_child(Builder *builder, PlanNode *node, const Place *place, const char *field,
		  const Json *value)
{
	PlanLine   *line = &node->lines[node->nlines - 1];
	int			index = find_step(builder, place, field, value);
	PlanNode   *child;

	if (index < 0)
		return;
	child = &builder->plan->nodes[index];
	if (index == node->index)
	{
		field_error(builder, place, field, NULL, "step \"%s\" cannot contain itself",
					child->id);
		return;
	}
	if (child->container >= 0)
	{
		field_error(builder, place, field,
					"Each step has one place; write a second step for the second place.",
					"step \"%s\" is already a child of \"%s\"", child->id,
					builder->plan->nodes[child->container].id);
		return;
	}
	child->container = node->index;
	child->line = node->nlines - 1;
	if (line->nsteps++ == 0)
		line->first = index;
	else
		builder->plan->nodes[line->last].next = index;
	line->last = index;
}

/*
 * Add a child or an array of children to the last line.
 */
void
add_children(Builder *builder, PlanNode *node, const Place *place,
			 const char *field, const Json *value)
{
	int			index = 0;

	if (json_kind(value) != JSON_ARRAY)
	{
		add_child(builder, node, place, field, value);
		return;
	}
	if (json_first(value) == NULL)
		field_error(builder, place, field, NULL, "at least one step is needed");
	for (const Json *item = json_first(value); item != NULL; item = json_next(item))
	{
		char	   *element = psprintf("%s[%d]", field, index++);

		add_child(builder, node, place, element, item);
		pfree(element);
	}
}

/*
 * Is the text a decimal between 0 and 1?
 */
static bool
is_ratio(const char *text)
{
	const char *fraction = "";

	if (strlen(text) > JOIN_MAX_RATIO)
		return false;
	if (text[0] != '0' && text[0] != '1')
		return false;
	if (text[1] == '.')
		fraction = text + 2;
	else if (text[1] != '\0')
		return false;
	if (strspn(fraction, "0123456789") != strlen(fraction))
		return false;
	return text[0] == '0' || strspn(fraction, "0") == strlen(fraction);
}

/*
 * How many children of a parallel block must succeed.
 */
static void
build_quorum(Builder *builder, PlanNode *node, const Place *place)
{
	const Json *ratio = field_of_kind(builder, place, "min_success_ratio", JSON_NUMBER);

	if (field_get(place, "min_success") != NULL &&
		field_get(place, "min_success_ratio") != NULL)
		field_error(builder, place, "min_success_ratio", NULL,
					"\"min_success\" and \"min_success_ratio\" exclude each other");
	else if (field_get(place, "min_success") != NULL)
	{
		node->join.policy = JOIN_N_OF_M;
		node->join.n_required = field_integer(builder, place, "min_success", 1,
											  Max(node->nlines, 1), 1);
	}
	else if (ratio != NULL && !is_ratio(json_number_text(ratio)))
		field_error(builder, place, "min_success_ratio", NULL,
					"\"min_success_ratio\" must be a decimal between 0 and 1");
	else if (ratio != NULL)
	{
		node->join.policy = JOIN_RATIO;
		strlcpy(node->join.ratio, json_number_text(ratio), sizeof(node->join.ratio));
	}
}

/*
 * Does the container end as soon as its join is decided?
 */
static void
build_on_join(Builder *builder, PlanNode *node, const Place *place)
{
	static const char *const choices[] = {"wait", "cancel", NULL};

	node->join.cancel_when_decided = field_choice(builder, place, "on_join", choices, 0) == 1;
}

/*
 * A single child at the same time as nothing is allowed, but hardly meant.
 */
static void
check_child_count(Builder *builder, const PlanNode *node, const Place *place,
				  const char *field, int count, const char *what)
{
	if (count == 0)
		field_error(builder, place, field, NULL, "a %s step needs at least two %s",
					step_type_name(node->type), what);
	else if (count == 1)
		problem_add(builder->problems, PROBLEM_WARNING, field_path(place, field),
					place->step_id, NULL, "a %s step with one %s has nothing to run in parallel",
					step_type_name(node->type),
					node->type == STEP_PARALLEL ? "child" : "branch");
}

/*
 * A block whose children run at the same time, a line each.
 */
static void
build_parallel(Builder *builder, PlanNode *node, const Place *place)
{
	static const char *const policies[] = {"stop", "continue", NULL};
	const Json *children = field_of_kind(builder, place, "parallel_steps", JSON_ARRAY);
	int			index = 0;

	if (field_get(place, "parallel_steps") == NULL)
		field_error(builder, place, "parallel_steps", NULL, "\"parallel_steps\" is required");
	if (children != NULL)
	{
		check_child_count(builder, node, place, "parallel_steps",
						  json_count(children), "children");
		for (const Json *item = json_first(children); item != NULL; item = json_next(item))
		{
			char	   *element = psprintf("parallel_steps[%d]", index++);
			bool		named = json_kind(item) == JSON_STRING;

			add_line(node, named ? pstrdup(json_string(item)) : NULL);
			add_child(builder, node, place, element, item);
			pfree(element);
		}
	}
	node->max_parallelism = field_integer(builder, place, "max_parallelism",
										  1, ANY_INTEGER, 0);
	node->on_error = (ErrorPolicy) field_choice(builder, place, "on_error", policies,
												ON_ERROR_CONTINUE);
	node->join.stop_on_failure = (node->on_error == ON_ERROR_STOP);
	build_quorum(builder, node, place);
	build_on_join(builder, node, place);
}

/*
 * Order of two branches by name, for qsort(): that of the keys of a jsonb object
 * is nobody's intention.
 */
static int
compare_branches(const void *a, const void *b)
{
	return strcmp(json_key(*(const Json *const *) a), json_key(*(const Json *const *) b));
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
		field_error(builder, &place, NULL, NULL, "the name of a branch %s", complaint);
	if (json_kind(branch) != JSON_OBJECT)
	{
		field_error(builder, &place, NULL, NULL,
					"a branch must be an object or an array of steps, not %s",
					json_kind_name(branch));
		return;
	}
	check_fields(builder, &place, FIELD_OF_BRANCH, "a branch");
	line->timeout_seconds = field_integer(builder, &place, "timeout_seconds",
										  1, MAX_TIMEOUT_SECONDS, default_timeout);
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
	static const char *const policies[] = {"all", "any", "majority", "n_of_m", NULL};
	const Json *branches = field_of_kind(builder, config, "branches", JSON_OBJECT);
	int			timeout = field_integer(builder, config, "branch_timeout_seconds",
										1, MAX_TIMEOUT_SECONDS, 0);

	if (field_get(config, "branches") == NULL)
		field_error(builder, config, "branches", NULL, "\"branches\" is required");
	if (branches != NULL)
	{
		const Json **sorted = palloc(sizeof(Json *) * Max(json_count(branches), 1));
		int			count = 0;

		check_child_count(builder, node, config, "branches", json_count(branches),
						  "branches");
		for (const Json *item = json_first(branches); item != NULL; item = json_next(item))
			sorted[count++] = item;
		qsort(sorted, count, sizeof(Json *), compare_branches);
		for (int i = 0; i < count; i++)
		{
			if (i > 0 && strcmp(json_key(sorted[i - 1]), json_key(sorted[i])) == 0)
				field_error(builder, config, "branches", NULL,
							"branch \"%s\" is given twice", json_key(sorted[i]));
			build_branch(builder, node, config, sorted[i], timeout);
		}
		pfree(sorted);
	}

	node->max_parallelism = field_integer(builder, config, "max_parallelism",
										  1, ANY_INTEGER, 0);
	node->join.policy = (JoinPolicy) field_choice(builder, config, "join_policy",
												  policies, JOIN_ALL);
	if (node->join.policy == JOIN_N_OF_M && field_get(config, "n_required") == NULL)
		field_error(builder, config, "n_required", NULL,
					"\"n_required\" is required with join policy n_of_m");
	else if (node->join.policy != JOIN_N_OF_M && field_get(config, "n_required") != NULL)
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
 * What a loop goes over: items, or a condition.
 */
static void
build_loop_kind(Builder *builder, PlanNode *node, const Place *config)
{
	const Json *collection = field_get(config, "collection");
	const char *condition = field_get(config, "while") != NULL ? "while" : "until";
	int			given = (collection != NULL) + (field_get(config, "while") != NULL) +
		(field_get(config, "until") != NULL);

	if (given != 1)
	{
		field_error(builder, config, given == 0 ? "collection" : NULL, NULL,
					"a loop needs one of \"collection\", \"while\" and \"until\"");
		return;
	}
	if (collection == NULL)
	{
		node->loop_kind = strcmp(condition, "while") == 0 ? LOOP_WHILE : LOOP_UNTIL;
		node->loop_condition = build_condition(builder, config, condition,
											   field_get(config, condition));
		if (node->loop_parallel)
			field_error(builder, config, "execution_mode", NULL,
						"a \"%s\" loop cannot run in parallel", condition);
		return;
	}

	node->loop_kind = LOOP_COLLECTION;
	node->collection = field_template(builder, config, "collection");
	node->collection_text = json_kind(collection) == JSON_STRING ?
		pstrdup(json_string(collection)) : json_print(collection);
	if (node->collection != NULL && json_kind(collection) != JSON_ARRAY &&
		node->collection->kind != TEMPLATE_EXPRESSION)
		field_error(builder, config, "collection", NULL,
					"\"collection\" must be one ${...} reference or an array");
}

/*
 * A loop.
 */
static void
build_loop(Builder *builder, PlanNode *node, const Place *config)
{
	static const char *const modes[] = {"sequential", "parallel", NULL};
	static const char *const policies[] = {"stop", "continue", "collect", NULL};
	static const char *const results[] = {"iterations", "outputs", "counts", NULL};
	const Json *body = field_of_kind(builder, config, "loop_body", JSON_ARRAY);
	const Json *label;

	node->loop_parallel = field_choice(builder, config, "execution_mode", modes, 0) == 1;
	build_loop_kind(builder, node, config);
	if (field_get(config, "loop_body") == NULL)
		field_error(builder, config, "loop_body", NULL, "\"loop_body\" is required");
	add_line(node, NULL);
	if (body != NULL)
		add_children(builder, node, config, "loop_body", body);

	label = field_of_kind(builder, config, "label", JSON_STRING);
	if (label != NULL)
	{
		node->label = field_template(builder, config, "label");
		node->label_text = pstrdup(json_string(label));
	}
	node->max_parallelism = field_integer(builder, config, "max_parallelism",
										  1, ANY_INTEGER, 0);
	node->max_iterations = field_integer(builder, config, "max_iterations", 1, ANY_INTEGER,
										 node->loop_kind == LOOP_COLLECTION ? 0 :
										 DEFAULT_MAX_ITERATIONS);
	node->batch_size = field_integer(builder, config, "batch_size", 1, MAX_BATCH, 0);
	node->on_error = (ErrorPolicy) field_choice(builder, config, "on_error", policies,
												ON_ERROR_STOP);
	node->join.stop_on_failure = (node->on_error == ON_ERROR_STOP);
	/* none may fail, or it does not matter */
	node->join.policy = node->on_error == ON_ERROR_CONTINUE ? JOIN_N_OF_M : JOIN_ALL;
	node->loop_result = (LoopResult) field_choice(builder, config, "result", results,
												  LOOP_RESULT_ITERATIONS);
}

/*
 * The configuration object of a loop or fork_join.
 */
static void
build_configured(Builder *builder, PlanNode *node, const Place *place,
				 const char *field, int owner,
				 void (*build) (Builder *, PlanNode *, const Place *))
{
	const Json *config = field_of_kind(builder, place, field, JSON_OBJECT);
	Place		below;

	if (config == NULL)
	{
		if (field_get(place, field) == NULL)
			field_error(builder, place, field, NULL, "\"%s\" is required", field);
		return;
	}
	below.object = config;
	below.path = field_path(place, field);
	below.step_id = place->step_id;
	check_fields(builder, &below, owner, psprintf("\"%s\"", field));
	build(builder, node, &below);
}

/*
 * The fields of a container.
 */
void
build_container(Builder *builder, PlanNode *node, const Place *place)
{
	if (node->type == STEP_PARALLEL)
		build_parallel(builder, node, place);
	else if (node->type == STEP_CONDITIONAL)
		build_conditional(builder, node, place);
	else if (node->type == STEP_LOOP)
		build_configured(builder, node, place, "loop_config", FIELD_OF_LOOP_CONFIG,
						 build_loop);
	else
		build_configured(builder, node, place, "fork_join_config",
						 FIELD_OF_FORK_JOIN_CONFIG, build_fork_join);
}

/*-------------------------------------------------------------------------
 *
 * plan.c
 *	  Builds the plan of a normalised definition.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Everything that the plan
 *	  keeps is copied into the current memory context; the JSON document can go
 *	  afterwards.  Nodes stand in the order of the document's steps, so that the
 *	  same stored text gives the same indexes.
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
 * Place of a node's own object in the document.
 */
Place
node_place(const Builder *builder, int node)
{
	Place		place;

	place.object = builder->sources[node];
	place.step_id = builder->plan->nodes[node].id;
	place.path = psprintf("steps.%s", place.step_id);
	return place;
}

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
static void
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

/*
 * Room for the nodes: they do not move.
 */
void
plan_reserve(Builder *builder, int count)
{
	builder->plan->nodes = palloc0(sizeof(PlanNode) * count);
	builder->sources = palloc0(sizeof(Json *) * count);
	builder->ids = name_map_create(count);
	builder->reserved = count;
}

/*
 * Add the node of a step, which the id leads to.
 */
PlanNode *
plan_add_node(Builder *builder, const char *id, const Json *source)
{
	WorkflowPlan *plan = builder->plan;
	PlanNode   *node = &plan->nodes[plan->nnodes];

	Assert(plan->nnodes < builder->reserved);
	if (!name_map_add(builder->ids, id, plan->nnodes))
		return NULL;
	node->index = plan->nnodes;
	node->id = pstrdup(id);
	node->container = -1;
	node->next = -1;
	node->compensation = node->compensates = -1;
	builder->sources[plan->nnodes++] = source;
	return node;
}

/*
 * Lead from a step to the one that follows it.
 */
void
plan_connect(Builder *builder, int node, int next)
{
	builder->plan->nodes[node].next = next;
}

/*
 * A node for each step, known by its id.
 */
static void
build_nodes(Builder *builder, const Json *steps)
{
	plan_reserve(builder, json_count(steps));
	for (const Json *step = json_first(steps); step != NULL;
		 step = json_next(step))
	{
		PlanNode   *node = plan_add_node(builder, json_key(step), step);
		const char *complaint = name_id_complaint(json_key(step));
		Place		place;

		if (node == NULL || complaint == NULL)
			continue;			/* the first of a name stays */
		place = node_place(builder, node->index);
		field_error(builder, &place, NULL, NULL, "the id of a step %s",
					complaint);
	}
}

/*
 * Follow next_step in the root scope; elsewhere the order of the children
 * decides, and a next_step that says something else deserves a word.
 */
static void
link_root(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;
	int			errors = builder->problems->errors;

	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];
		Place		place;
		const Json *next;
		int			target;

		next = json_get(builder->sources[i], "next_step");
		if (next == NULL || json_kind(next) == JSON_NULL)
			continue;
		place = node_place(builder, i);
		next = field_of_kind(builder, &place, "next_step", JSON_STRING);
		target = next != NULL ? name_map_get(builder->ids, json_string(next)) :
								-1;
		if (next == NULL)
			;					/* reported */
		else if (target < 0)
			field_error(builder, &place, "next_step",
						likeness_hint(builder, builder->ids, json_string(next)),
						"step \"%s\" does not exist", json_string(next));
		else if (node->container >= 0 && target == node->container)
			;					/* back to where it belongs: no more is meant */
		else if (node->container >= 0)
			problem_add(builder->problems, PROBLEM_WARNING,
						psprintf("%s.next_step", place.path), node->id,
						"Steps inside a container run in the order in which it lists them.",
						"\"next_step\" of a step inside \"%s\" is not followed",
						plan->nodes[node->container].id);
		else if (step_is_terminal(node))
			problem_add(builder->problems, PROBLEM_WARNING,
						psprintf("%s.next_step", place.path), node->id, NULL,
						"\"next_step\" of a %s step is not followed, since it ends the execution",
						step_type_name(node->type));
		else if (plan->nodes[target].container >= 0)
			field_error(builder, &place, "next_step",
						"A step is either a child of a container or part of the chain.",
						"step \"%s\" is a child of \"%s\" and cannot be the next step",
						json_string(next),
						plan->nodes[plan->nodes[target].container].id);
		else
			plan_connect(builder, i, target);
		pfree(unconstify(char *, place.path));
	}
	builder->links_broken |= builder->problems->errors > errors;
}

/*
 * Find the first step.
 */
static void
find_start(Builder *builder, const Place *place)
{
	WorkflowPlan *plan = builder->plan;

	plan->start = -1;
	if (builder->start_step == NULL)
	{
		if (field_get(place, "start_step") == NULL)
			field_error(builder, place, "start_step", NULL,
						"\"start_step\" is required");
		return;
	}
	plan->start = name_map_get(builder->ids, builder->start_step);
	if (plan->start < 0)
		field_error(builder, place, "start_step",
					likeness_hint(builder, builder->ids, builder->start_step),
					"step \"%s\" does not exist", builder->start_step);
	else if (plan->nodes[plan->start].container >= 0)
	{
		field_error(builder, place, "start_step", NULL,
					"step \"%s\" is a child of \"%s\" and cannot be the first step",
					builder->start_step,
					plan->nodes[plan->nodes[plan->start].container].id);
		plan->start = -1;
	}
}

/*
 * Order of two ids, for qsort_arg().
 */
static int
compare_ids(const void *a, const void *b, void *nodes)
{
	return strcmp(((const PlanNode *) nodes)[*(const int *) a].id,
				  ((const PlanNode *) nodes)[*(const int *) b].id);
}

/*
 * The order of the name of a line and of so many bytes, where ' ' is as '_'.
 */
static int
compare_line_name(const char *known, const char *name, size_t length)
{
	for (size_t i = 0;; i++)
	{
		unsigned char a = known[i] == ' ' ? '_' : known[i];
		unsigned char b = i == length ? '\0' : name[i] == ' ' ? '_' : name[i];

		if (a != b)
			return a < b ? -1 : 1;
		if (a == '\0')
			return 0;
	}
}

/* The same of two lines, for qsort_arg(). */
static int
compare_lines(const void *a, const void *b, void *lines)
{
	const char *name = ((const PlanLine *) lines)[*(const int *) b].name;

	return compare_line_name(((const PlanLine *) lines)[*(const int *) a].name,
							 name, strlen(name));
}

/* Let the lines of a container be found by name. */
static void
sort_lines(PlanNode *node)
{
	if (node->nlines == 0)
		return;
	for (int i = 0; i < node->nlines; i++)
		if (node->lines[i].name == NULL)
			return;
	node->lines_by_name = palloc(sizeof(int) * node->nlines);
	for (int i = 0; i < node->nlines; i++)
		node->lines_by_name[i] = i;
	qsort_arg(node->lines_by_name, node->nlines, sizeof(int), compare_lines,
			  node->lines);
}

/*
 * Everything about the steps, in an order in which each part finds what it
 * needs: nodes, their fields, the chain, the graph, the references.
 */
static void
build_steps(Builder *builder, const Place *place)
{
	WorkflowPlan *plan = builder->plan;
	const Json *steps = field_get(place, "steps");

	if (steps == NULL)
	{
		field_error(builder, place, "steps", NULL, "\"steps\" is required");
		return;
	}
	/*
	 * an array has become an object when the document was put into the stored
	 * form
	 */
	if (json_kind(steps) != JSON_OBJECT)
	{
		field_error(builder, place, "steps", NULL,
					"\"steps\" must be an object or an array, not %s",
					json_kind_name(steps));
		return;
	}
	if (json_count(steps) == 0)
	{
		field_error(builder, place, "steps", NULL,
					"a definition needs at least one step");
		return;
	}
	if (json_count(steps) > MAX_STEPS)
	{
		field_error(builder, place, "steps",
					"Use a loop, or several workflows.",
					"a definition cannot have more than %d steps", MAX_STEPS);
		return;
	}
	if (json_count(steps) > MANY_STEPS)
		problem_add(builder->problems, PROBLEM_WARNING, "steps", NULL,
					"A loop or several workflows may serve better.",
					"the definition has %d steps", json_count(steps));

	build_nodes(builder, steps);
	for (int i = 0; i < plan->nnodes; i++)
		build_step(builder, &plan->nodes[i]);
	link_root(builder);
	find_start(builder, place);
	find_compensations(builder);
	build_scopes(builder);
	build_epilogue(builder, place);
}

/*
 * Everything of a document in the stored form.
 */
void
build_definition(Builder *builder, const Json *document)
{
	Place		place = {document, "", NULL};

	if (json_kind(document) != JSON_OBJECT)
	{
		field_error(builder, &place, NULL, NULL,
					"a definition must be an object, not %s",
					json_kind_name(document));
		return;
	}
	build_header(builder, &place);
	build_steps(builder, &place);
}

/*
 * Check what has been made, and find the way around it.
 */
static void
finish_steps(Builder *builder)
{
	WorkflowPlan *plan = builder->plan;

	if (validate_graph(builder))
		resolve_references(builder);

	plan->by_id = palloc(sizeof(int) * plan->nnodes);
	for (int i = 0; i < plan->nnodes; i++)
		plan->by_id[i] = i;
	qsort_arg(plan->by_id, plan->nnodes, sizeof(int), compare_ids, plan->nodes);
	for (int i = 0; i < plan->nnodes; i++)
		sort_lines(&plan->nodes[i]);
}

/* Release what only building needs. */
static void
free_work_space(Builder *builder)
{
	name_map_free(builder->variables);
	if (builder->ids != NULL)
		name_map_free(builder->ids);
	if (builder->sources != NULL)
		pfree(builder->sources);
	if (builder->dependencies != NULL)
		pfree(builder->dependencies);
	if (builder->position != NULL)
		pfree(builder->position);
	if (builder->component != NULL)
		pfree(builder->component);
	if (builder->reach != NULL)
		pfree(builder->reach);
}

WorkflowPlan *
plan_compile(const FrontEnd *language, const Json *stored, int max_nesting,
			 ProblemList *problems)
{
	Builder		builder;

	memset(&builder, 0, sizeof(builder));
	builder.plan = palloc0(sizeof(WorkflowPlan));
	builder.plan->start = builder.plan->on_failure = -1;
	builder.problems = problems;
	builder.max_nesting = Min(max_nesting, PLAN_MAX_NESTING);
	builder.variables = name_map_create(8);

	language->compile(&builder, stored);
	if (builder.plan->nnodes > 0)
		finish_steps(&builder);
	free_work_space(&builder);
	return builder.plan;
}

/*
 * The node of a step, NULL when the plan has no such step.
 */
PlanNode *
plan_find(const WorkflowPlan *plan, const char *step_id)
{
	int			low = 0;
	int			high = plan->nnodes - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		PlanNode   *node = &plan->nodes[plan->by_id[middle]];
		int			order = strcmp(step_id, node->id);

		if (order == 0)
			return node;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return NULL;
}

int
plan_find_line(const PlanNode *container, const char *name, size_t length)
{
	int			low = 0;
	int			high = container->lines_by_name != NULL ? container->nlines - 1 : -1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			line = container->lines_by_name[middle];
		int			order = compare_line_name(container->lines[line].name, name,
									  length);

		if (order == 0)
			return line;
		if (order < 0)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

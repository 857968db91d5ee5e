/*-------------------------------------------------------------------------
 *
 * test_plan_scope.c
 *	  Unit tests of the scopes of plans: chains from documents, graphs from the
 *	  builder, and that neither costs more than its steps and edges.
 *
 *-------------------------------------------------------------------------
 */
#include "documents.h"

#include "graphs.h"

static WorkflowPlan *
plan_of(const char *document)
{
	ProblemList *problems = problem_list_create();
	char	   *stored = definition_normalise(document, TEST_NESTING, NULL, problems);

	if (stored == NULL)
		print_problems(problems);
	return stored != NULL ? plan_build(&front_end_native, stored, problems) : NULL;
}

/*
 * Each step has its one place, and there are so many edges, all between steps of one scope:
 * so building them, which puts each in its place once, cannot have cost more.
 */
static bool
is_sound(const WorkflowPlan *plan, int nedges)
{
	int			nnodes = 0;

	for (int s = 0; s < plan->nscopes; s++)
	{
		const PlanScope *scope = &plan->scopes[s];
		int			waited_for = 0;

		for (int k = 0; k < scope->nnodes; k++)
		{
			const PlanNode *node = &plan->nodes[scope->nodes[k]];
			const int  *successors;
			int			nsuccessors = scope_successors(plan, node, &successors);

			if (node->scope != s || node->position != k)
				return false;
			for (int i = 0; i < nsuccessors; i++)
				if (plan->nodes[successors[i]].scope != s || (i > 0 && successors[i - 1] > successors[i]))
					return false;
			waited_for += scope->dependencies[k];
			if (!scope->is_graph && scope->dependencies[k] != (node->index == scope->first ? 0 : 1))
				return false;
		}
		if (scope->is_graph && waited_for != scope->edges[scope->nnodes])
			return false;
		nnodes += scope->nnodes;
		nedges -= scope->edges[scope->nnodes];
	}
	for (int i = 0; i < plan->nnodes; i++)
		nnodes += plan->nodes[i].scope < 0;
	return nnodes == plan->nnodes && nedges == 0;
}

/* The number of steps from the first one on, each followed by the one listed behind it. */
static int
walk(const WorkflowPlan *plan, const PlanScope *scope)
{
	int			steps = 0;

	for (int node = scope->first; node >= 0; node = scope_next(plan, &plan->nodes[node]))
		steps++;
	return steps;
}

static void
test_long_chain(void)
{
	StringInfoData document;
	WorkflowPlan *plan;

	initStringInfo(&document);
	appendStringInfoString(&document, "{\"name\": \"t\", \"start_step\": \"s0\", \"steps\": {");
	for (int i = 1999; i >= 0; i--)
	{
		appendStringInfo(&document, "\"s%d\": {\"sql\": \"SELECT 1\"", i);
		if (i < 1999)
			appendStringInfo(&document, ", \"next_step\": \"s%d\"", i + 1);
		appendStringInfo(&document, "}%s", i > 0 ? ", " : "}}");
	}
	plan = plan_of(document.data);
	CHECK(plan != NULL && plan->nscopes == 1 && !plan->scopes[0].is_graph && is_sound(plan, 1999) &&
		  plan->scopes[0].first == plan->start && walk(plan, &plan->scopes[0]) == 2000,
		  "a chain of 2,000 steps");
}

static void
test_wide_block(void)
{
	StringInfoData document;
	WorkflowPlan *plan;
	int			found = 0;

	initStringInfo(&document);
	appendStringInfoString(&document, "{\"name\": \"t\", \"steps\": [{\"id\": \"all\", \"type\": \"parallel\", \"parallel_steps\": [");
	for (int i = 0; i < 1000; i++)
		appendStringInfo(&document, "{\"id\": \"s%d\", \"sql\": \"SELECT 1\"}%s", i, i < 999 ? ", " : "]}]}");
	plan = plan_of(document.data);
	CHECK(plan != NULL && plan->nscopes == 1001 && is_sound(plan, 0), "a block of 1,000 lines");
	if (plan == NULL)
		return;
	for (int i = 0; i < 1000; i++)
	{
		const PlanNode *all = plan_find(plan, "all");
		const char *name = psprintf("s%d", i);
		int			line = plan_find_line(all, name);

		found += (line >= 0 && strcmp(all->lines[line].name, name) == 0 &&
				  plan_scope(plan, all, line)->first == plan_find(plan, name)->index);
	}
	CHECK(found == 1000, "each line is found by its name");
	CHECK(plan_find_line(plan_find(plan, "all"), "s") < 0 && plan_find_line(plan_find(plan, "all"), "s1000") < 0,
		  "no others are");
}

static void
test_chains(void)
{
	WorkflowPlan *plan = plan_of(quoted(
		"{`name`: `t`, `start_step`: `look`, `on_failure`: `tell`, `steps`: {"
		"`z`: {`sql`: `x`}, `tell`: {`sql`: `x`}, `undo`: {`sql`: `x`},"
		"`look`: {`sql`: `x`, `max_visits`: 3, `compensate`: `undo`, `next_step`: `choose`,"
		" `catch`: [{`next_step`: `last`}]},"
		"`choose`: {`type`: `conditional`, `switch`: [{`when`: `true`, `next_step`: `look`}, {`when`: `false`, `step`: [`z`, `b`]}],"
		" `next_step`: `last`},"
		"`b`: {`sql`: `x`}, `last`: {`sql`: `x`}}}"));
	const PlanNode *look;
	const PlanNode *choose;
	const PlanScope *root;
	PlanWay		way;
	int			k = 0;

	CHECK(plan != NULL, "there is a plan");
	if (plan == NULL)
		return;
	look = plan_find(plan, "look");
	choose = plan_find(plan, "choose");
	root = plan_scope(plan, NULL, 0);
	CHECK(plan->nscopes == 3 && is_sound(plan, 3), "the root scope and two lines");
	CHECK(root->nnodes == 4 && root->first == look->index && plan_find(plan, "tell")->scope == 0,
		  "the on_failure chain is of the root scope");
	CHECK(plan_find(plan, "undo")->scope == -1, "a compensation is in no scope");
	CHECK(plan_scope(plan, choose, 0)->first == -1 && plan_scope(plan, choose, 0)->nnodes == 0,
		  "a case that jumps has no steps");
	CHECK(plan_scope(plan, choose, 1)->nodes[0] == plan_find(plan, "z")->index &&
		  walk(plan, plan_scope(plan, choose, 1)) == 2, "a line is in its own order");
	CHECK(scope_way(plan, choose, &k, &way) == plan_find(plan, "last")->index && way == WAY_NEXT &&
		  scope_way(plan, choose, &k, &way) == look->index && way == WAY_JUMP &&
		  scope_way(plan, choose, &k, &way) == -1, "ways from a switch");
	k = 0;
	CHECK(scope_way(plan, look, &k, &way) == choose->index && way == WAY_NEXT &&
		  scope_way(plan, look, &k, &way) == plan_find(plan, "last")->index && way == WAY_CATCH &&
		  scope_way(plan, look, &k, &way) == -1, "ways from a step with a catch");
	CHECK(plan_find_line(choose, "case 2") == 1 && plan_find_line(choose, "case_2") == -1 &&
		  plan_find_path_line(choose, "case_2") == 1 && plan_find_path_line(choose, "case 2") == -1 &&
		  plan_find_line(choose, "case") == -1, "lines by name, and as paths have it");
}

static void
test_diamond(void)
{
	Builder    *builder = bare_builder(4);
	const PlanScope *scope;
	const int  *successors;

	/* in no order, and with a way that another one makes needless */
	plan_depend(builder, 3, 2);
	plan_depend(builder, 1, 0);
	plan_depend(builder, 3, 0);
	plan_depend(builder, 3, 1);
	plan_depend(builder, 2, 0);
	build_scopes(builder);
	scope = plan_scope(builder->plan, NULL, 0);
	CHECK(scope->is_graph && scope->first == 0 && is_sound(builder->plan, 5), "a diamond");
	CHECK(scope->dependencies[0] == 0 && scope->dependencies[1] == 1 && scope->dependencies[3] == 3,
		  "what its steps wait for");
	CHECK(scope_successors(builder->plan, &builder->plan->nodes[0], &successors) == 3 &&
		  successors[0] == 1 && successors[1] == 2 && successors[2] == 3, "what follows its first step");
}

/* A graph is explained by index, with all that each step leads to. */
static void
test_explained(void)
{
	Builder    *builder = bare_builder(4);
	const char *text;
	const char *expected =
		"workflow g\n"
		"  s0: parallel, all must succeed, 1 at a time\n    next: s1\n    next: s2\n"
		"  s1: parallel, all must succeed, 1 at a time\n    next: s3\n"
		"  s2: parallel, all must succeed, 1 at a time\n    next: s3\n"
		"  s3: parallel, all must succeed, 1 at a time\n";

	builder->plan->name = "g";
	builder->plan->label = "";
	for (int i = 0; i < 4; i++)
	{
		builder->plan->nodes[i].type = STEP_PARALLEL;
		builder->plan->nodes[i].max_parallelism = 1;
	}
	plan_depend(builder, 1, 0);
	plan_depend(builder, 2, 0);
	plan_depend(builder, 3, 1);
	plan_depend(builder, 3, 2);
	build_scopes(builder);
	text = plan_explain(builder->plan, NULL);
	CHECK(strcmp(text, expected) == 0, "a graph is explained");
	if (strcmp(text, expected) != 0)
		printf("# %s\n", text);
}

/* A line may be a graph inside of a chain. */
static void
test_inside(void)
{
	Builder    *builder = bare_builder(5);
	WorkflowPlan *plan = builder->plan;

	plan->nodes[0].type = STEP_LOOP;
	plan->nodes[0].next = 4;
	add_line(&plan->nodes[0], NULL);
	for (int i = 1; i < 4; i++)
		plan->nodes[i].container = 0;
	plan_depend(builder, 1, 3);
	plan_depend(builder, 2, 3);
	build_scopes(builder);
	CHECK(is_sound(plan, 3) && !plan->scopes[0].is_graph && plan->scopes[1].is_graph, "a graph in a loop");
	CHECK(plan->scopes[1].first == 3 && walk(plan, &plan->scopes[0]) == 2, "first steps");
}

static void
test_large_graphs(void)
{
	Builder    *builder = wide_graph();
	int			unsound = 0;

	build_scopes(builder);
	CHECK(is_sound(builder->plan, 1999) && builder->plan->scopes[0].dependencies[1000] == 1000,
		  "2,000 steps with a fan-in and a fan-out of 1,000");
	for (uint32 seed = 0; seed < 100; seed++)
	{
		builder = any_graph(seed, 1 + seed * 7, 1 + seed % 9);
		build_scopes(builder);
		unsound += !is_sound(builder->plan, builder->ndependencies);
	}
	CHECK(unsound == 0, "any graphs");
}

int
main(void)
{
	test_long_chain();
	test_wide_block();
	test_chains();
	test_diamond();
	test_explained();
	test_inside();
	test_large_graphs();
	return done_testing();
}

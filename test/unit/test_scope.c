/*-------------------------------------------------------------------------
 *
 * test_scope.c
 *	  Unit tests of the paths of scopes: each has one, and no other text is one.
 *
 *-------------------------------------------------------------------------
 */
#include "documents.h"

#include "definition/builder.h"
#include "definition/scope.h"

static WorkflowPlan *
nested_plan(void)
{
	ProblemList *problems = problem_list_create();
	char	   *stored = definition_normalise(quoted(
		"{`name`: `t`, `steps`: ["
		"{`id`: `items`, `type`: `loop`, `loop_config`: {`collection`: [1], `loop_body`: ["
		"{`id`: `both`, `type`: `parallel`, `parallel_steps`: [{`id`: `a`, `sql`: `SELECT 1`}, {`id`: `b`, `type`: `loop`,"
		" `loop_config`: {`collection`: [1], `loop_body`: [{`id`: `e`, `sql`: `SELECT 1`}]}}]}]}},"
		"{`id`: `choice`, `type`: `conditional`, `condition`: `1 == 1`,"
		" `then`: [{`id`: `c`, `sql`: `SELECT 1`}], `else`: [{`id`: `d`, `sql`: `SELECT 1`}]}]}"),
		TEST_NESTING, NULL, problems);

	print_problems(problems);
	return stored != NULL ? plan_build(&front_end_native, stored, problems) : NULL;
}

/* Names that another language of definitions may have, of steps and of branches. */
static const char *const names[] = {
	"", " ", "a", "b", "a b", "a_b", "a%20b", "a  b", " a", "a ", "a.b", "a/b", "a#2", "a#b", "a[0]", "[0]", "[", "]", ".", "/",
	"#", "%", "%%", "%00", "%2", "%41", "~", "~1", "~1/a", "a~", "a\tb", "a\nb", "\001", "\177", "\"a\"", "a'b", "a\\b", "<a>",
	"Ü", "Größe in m²", "日本語", "\xff", "then", "case 1", "case_1", "case%201", "a-b", "a0", "a:b", "A", "none",
	"sixty_three_bytes_are_as_many_as_a_name_of_the_server_may_have_",
	"sixty-four bytes are one more than a name of the server may have",
	"a name that is longer than what shared memory has room for, in which there are blanks, and a path, a.b[3]/c#2.d, too, and 100%"
};

#define NNAMES ((int) lengthof(names))

static void
add_lines(PlanNode *node)
{
	for (int i = 0; i < NNAMES; i++)
		add_line(node, pstrdup(names[i]));
}

/* Blocks, or loops, of all names, and a block called as the last name in the loop called as the last but one. */
static WorkflowPlan *
odd_plan(StepType type)
{
	ProblemList *problems = problem_list_create();
	Builder		builder = {.plan = palloc0(sizeof(WorkflowPlan)), .problems = problems};
	PlanNode   *inner;

	builder.plan->on_failure = -1;
	plan_reserve(&builder, NNAMES + 1);
	for (int i = 0; i < NNAMES; i++)
	{
		PlanNode   *node = plan_add_node(&builder, names[i], NULL);

		node->type = type;
		if (type == STEP_LOOP)
			add_line(node, NULL);
		else
			add_lines(node);
	}
	inner = plan_add_node(&builder, "inner. [0]/", NULL);
	inner->type = STEP_PARALLEL;
	inner->container = 0;
	add_lines(inner);
	build_scopes(&builder);
	plan_sort(builder.plan);
	return builder.plan;
}

/* There and back. */
static bool
holds(const WorkflowPlan *plan, const ScopeId *scope)
{
	char	   *path = scope_path(plan, scope);
	ScopeId		found;

	memset(&found, 0, sizeof(found));
	if (scope_parse(plan, path, &found) && scope_is(&found, scope) && strcmp(scope_path(plan, &found), path) == 0)
		return true;
	printf("# path \"%s\"\n", path);
	return false;
}

/* All scopes of a plan of blocks or of loops, with a few visits and iterations. */
static int
all_scopes(const WorkflowPlan *plan, ScopeId *scopes)
{
	static const int visits[] = {1, 2, 21};
	static const int iterations[] = {0, 1, 10, PG_INT32_MAX};
	ScopeId		root = {.depth = 0};
	int			count = 0;

	for (int i = 0; i < NNAMES; i++)
		for (int v = 0; v < (int) lengthof(visits); v++)
		{
			bool		iterates = step_iterates(&plan->nodes[i]);

			for (int k = 0; k < (iterates ? (int) lengthof(iterations) : NNAMES); k++)
			{
				scopes[count] = scope_child(&root, i, visits[v], iterates ? iterations[k] : k);
				count++;
				if (i > 0)
					continue;
				for (int line = 0; k == 0 && line < NNAMES; line++)
				{
					scopes[count] = scope_child(&scopes[count - 1 - line], NNAMES, visits[v], line);
					count++;
				}
			}
		}
	return count;
}

static void
test_names(StepType type, const char *what)
{
	WorkflowPlan *plan = odd_plan(type);
	ScopeId    *scopes = palloc(sizeof(ScopeId) * 3 * (NNAMES + 1) * (NNAMES + 4));
	int			count = all_scopes(plan, scopes);
	char	  **paths = palloc(sizeof(char *) * count);
	int			lost = 0;
	int			same = 0;
	int			wrong = 0;

	for (int i = 0; i < count; i++)
	{
		lost += !holds(plan, &scopes[i]);
		paths[i] = scope_path(plan, &scopes[i]);
		lost += strlen(paths[i]) > 0 && paths[i][0] == SCOPE_SET_ASIDE;
		for (int k = 0; k < i; k++)
			same += strcmp(paths[i], paths[k]) == 0;
	}
	CHECK(lost == 0, "%s of any name: there and back", what);
	CHECK(same == 0, "%s of any name: a path each", what);

	/* who is in the range of a container, and who should be */
	for (int node = 0; node < plan->nnodes; node++)
		for (int visit = 1; visit <= 2; visit++)
		{
			char	   *from;
			char	   *to;
			ScopeId		parent = {.depth = 0};

			if (node == NNAMES)
				parent = scopes[0];
			scope_children_range(scope_path(plan, &parent), &plan->nodes[node], visit, &from, &to);
			for (int i = 0; i < count; i++)
			{
				const ScopeLevel *level = &scopes[i].level[parent.depth];
				bool		is_child = scopes[i].depth > parent.depth && level->node == node && level->visit == visit &&
					(parent.depth == 0 || memcmp(parent.level, scopes[i].level, sizeof(ScopeLevel)) == 0);

				if (is_child != (strcmp(paths[i], from) >= 0 && strcmp(paths[i], to) < 0))
				{
					wrong++;
					printf("# \"%s\" from \"%s\" to \"%s\"\n", paths[i], from, to);
				}
			}
		}
	CHECK(wrong == 0, "%s of any name: the children and nobody else are in the range", what);
}

/* What a path is made of, without a plan. */
static void
test_levels(void)
{
	const char *p;
	ScopeText	level;
	int			lost = 0;

	for (int i = 0; i < NNAMES; i++)
	{
		char	   *path = scope_step_path("x[0]", names[i], 3);

		lost += strcmp(scope_path_step(path), names[i]) != 0;
		lost += strcmp(scope_path_step(scope_step_path("", names[i], 1)), names[i]) != 0;
		lost += (int) strlen(path) != 5 + scope_name_length(names[i]) + 2;
		p = path = psprintf("%s.x", path);
		lost += !(scope_next_level(&p, &level) && strcmp(level.step, "x") == 0 && level.line == NULL &&
				  level.iteration == 0 && level.visit == 1);
		lost += !(scope_next_level(&p, &level) && strcmp(level.step, names[i]) == 0 &&
				  strcmp(level.line, "x") == 0 && level.visit == 3 && *p == '\0');
	}
	CHECK(lost == 0, "steps of any name");
	CHECK(strcmp(scope_step_path("", "a b.c", 2), "a%20b%2Ec#2") == 0 && strcmp(scope_step_path("", "", 1), "%00") == 0 &&
		  strcmp(scope_step_path("", "~\n\177%", 1), "%7E%0A%7F%25") == 0 && strcmp(scope_step_path("", "Größe", 1), "Größe") == 0,
		  "what is written otherwise");

	p = "~12/x[0]";
	CHECK(strcmp(scope_skip_set_aside(&p), "~12") == 0 && strcmp(p, "x[0]") == 0, "set aside");
	p = "~1/";
	CHECK(strcmp(scope_skip_set_aside(&p), "~1") == 0 && *p == '\0', "set aside, of the root");
	CHECK(strcmp(scope_step_path("~1/", "a", 1), "~1/a") == 0 && strcmp(scope_step_path("~1/x[0]", "a", 1), "~1/x[0]/a") == 0,
		  "steps set aside");
	p = "x[0]";
	CHECK(scope_skip_set_aside(&p) == NULL && strcmp(p, "x[0]") == 0, "not set aside");
}

/* The path names of lines that have others, as in the native format. */
static void
test_native_cases(void)
{
	WorkflowPlan *plan = accepted("a switch", "{`name`: `t`, `start_step`: `s`, `steps`: {`s`: {`type`: `conditional`, `switch`: ["
								  "{`when`: `true`, `step`: `a`}, {`when`: `true`, `step`: `b`}]}, `a`: {`sql`: `x`}, `b`: {`sql`: `x`}}}");
	ScopeId		scope = {.depth = 0};

	if (plan == NULL)
		return;
	CHECK(scope_parse(plan, "s.case_2", &scope) && scope.level[0].child == 1 &&
		  strcmp(scope_path(plan, &scope), "s.case_2") == 0, "a case as paths have had it");
	CHECK(!scope_parse(plan, "s.case%202", &scope) && !scope_parse(plan, "s.case 2", &scope), "and not in another way");
	REFUSED("a step with a blank", "{`name`: `t`, `start_step`: `a b`, `steps`: {`a b`: {`sql`: `x`}}}",
			"steps.a b", "the id of a step may contain letters, digits, `-` and `_` only", NULL);
}

int
main(void)
{
	static const char *const paths[] = {
		"", "items[0]", "items[12]", "items#2[0]", "items[3]/both.a", "items#10[3]/both#2.b", "items[3]/both.b/b[1]",
		"choice.then", "choice#2147483647.else", "items[2147483647]"
	};
	static const char *const others[] = {
		"items", "items[", "items[]", "items[x]", "items[-1]", "items[+1]", "items[ 1]", "items[01]", "items[0",
		"items[0]x", "items[0]/", "/items[0]", "items[0]//both.a", "items[2147483648]", "items[99999999999999999999]",
		"items#1[0]", "items#0[0]", "items#[0]", "items#02[0]", "items.a", "both[0]", "both.c", "both.", "a[0]", "a.a",
		"both.a", "items[0]/items[0]", "items[0]/both.a/b[0]", "items[0]/b[0]", "items[0]/choice.then", "b[0]",
		"choice[0]", "choice.then.else", "none.then", "items[0].x",
		"item%73[0]", "items[0]/both.%61", "choice.then%", "choice.then%2", "choice.then%2e", "choice.then%00", "%00[0]",
		"choice.", ".then", "[0]", "choice.then/", "choice.then ", "choice.th~n", "~1/items[0]", "choice.then\t", "items[0][0]"
	};
	WorkflowPlan *plan = nested_plan();
	ScopeId		scope;

	if (plan == NULL)
	{
		CHECK(false, "there is a plan");
		return done_testing();
	}
	for (int i = 0; i < (int) lengthof(paths); i++)
		CHECK(scope_parse(plan, paths[i], &scope) && strcmp(scope_path(plan, &scope), paths[i]) == 0,
			  "a path: \"%s\"", paths[i]);
	for (int i = 0; i < (int) lengthof(others); i++)
		CHECK(!scope_parse(plan, others[i], &scope), "none: \"%s\"", others[i]);
	CHECK(strcmp(scope_step_path("", "a", 1), "a") == 0 &&
		  strcmp(scope_step_path("items[0]", "a", 2), "items[0]/a#2") == 0, "path of a step");
	CHECK(strcmp(scope_path_step("a#2"), "a") == 0 && strcmp(scope_path_step("items[0]/a"), "a") == 0,
		  "step of a path");
	test_levels();
	test_names(STEP_PARALLEL, "blocks");
	test_names(STEP_LOOP, "loops");
	test_native_cases();
	return done_testing();
}

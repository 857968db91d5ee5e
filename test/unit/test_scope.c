/*-------------------------------------------------------------------------
 *
 * test_scope.c
 *	  Unit tests of the paths of scopes: each has one, and no other text is one.
 *
 *-------------------------------------------------------------------------
 */
#include "documents.h"

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
		"choice[0]", "choice.then.else", "none.then", "items[0].x"
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
	return done_testing();
}

/*-------------------------------------------------------------------------
 *
 * fuzz_scope.c
 *	  A libFuzzer target: any text as the path of a scope, and as a name in one.
 *
 * NOTES
 *	  A path that is accepted is the one path of the scope that it names, whatever
 *	  its steps and branches are called; and what a path was made of is read from it.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/builder.h"
#include "definition/scope.h"

#include "target.h"

static const char *const definition =
"{\"name\": \"t\", \"steps\": ["
"{\"id\": \"items\", \"type\": \"loop\", \"loop_config\": {\"collection\": [1], \"loop_body\": ["
"{\"id\": \"both\", \"type\": \"parallel\", \"parallel_steps\": [{\"id\": \"a\", \"sql\": \"SELECT 1\"},"
" {\"id\": \"inner\", \"type\": \"loop\", \"loop_config\": {\"collection\": [1], \"loop_body\": [{\"id\": \"b\", \"sql\": \"SELECT 1\"}]}}]}]}},"
"{\"id\": \"choice\", \"type\": \"conditional\", \"condition\": \"1 == 1\","
" \"then\": [{\"id\": \"c\", \"sql\": \"SELECT 1\"}], \"else\": [{\"id\": \"d\", \"sql\": \"SELECT 1\"}]}]}";

/* A path of names that are pieces of the text: those in front of a line end, and the rest. */
static void
write_and_read(char *text)
{
	char	   *rest = text + strcspn(text, "\n");
	char	   *step;
	char	   *path;
	char	   *from;
	char	   *to;
	const char *p;
	Builder		builder = {.plan = palloc0(sizeof(WorkflowPlan)), .problems = problem_list_create()};
	PlanNode   *block;
	ScopeId		scope = {.depth = 0};
	ScopeId		found = {.depth = 0};
	ScopeText	level;

	if (*rest != '\0')
		*rest++ = '\0';
	step = pstrdup(text);
	plan_reserve(&builder, 2);
	block = plan_add_node(&builder, step, NULL);
	block->type = STEP_PARALLEL;
	add_line(block, pstrdup(rest));
	if (strcmp(step, rest) != 0)
	{
		PlanNode   *loop = plan_add_node(&builder, rest, NULL);

		loop->type = STEP_LOOP;
		loop->container = 0;
		add_line(loop, NULL);
	}
	build_scopes(&builder);
	plan_sort(builder.plan);

	scope = scope_child(&scope, 0, 2, 0);
	if (builder.plan->nnodes > 1)
		scope = scope_child(&scope, 1, 1, 7);
	path = scope_path(builder.plan, &scope);
	require(scope_parse(builder.plan, path, &found) && scope_is(&scope, &found), "not read as written", path);
	scope_children_range("", block, 2, &from, &to);
	require(strcmp(path, from) >= 0 && strcmp(path, to) < 0, "not in the range of its container", path);
	scope_children_range("", block, 1, &from, &to);
	require(strcmp(path, from) < 0 || strcmp(path, to) >= 0, "in the range of another visit", path);
	p = path;
	require(scope_skip_set_aside(&p) == NULL && scope_next_level(&p, &level) && strcmp(level.step, step) == 0 &&
			strcmp(level.line, rest) == 0, "another level than was written", path);
	require(strcmp(scope_path_step(scope_step_path(path, step, 3)), step) == 0, "another step than was written", path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = input_string(data, size);
	ProblemList *problems = problem_list_create();
	char	   *stored = definition_check(definition, PLAN_MAX_NESTING, NULL, problems, NULL);
	WorkflowPlan *plan;
	ScopeId		scope;

	require(stored != NULL, "the definition is not accepted", definition);
	plan = plan_build(&front_end_native, stored, problems);
	if (scope_parse(plan, text, &scope))
		require(strcmp(scope_path(plan, &scope), text) == 0, "the scope has another path", text);
	write_and_read(text);
	arena_reset();
	return 0;
}

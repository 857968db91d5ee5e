/*-------------------------------------------------------------------------
 *
 * fuzz_scope.c
 *	  A libFuzzer target: any text as the path of a scope.
 *
 * NOTES
 *	  A path that is accepted is the one path of the scope that it names.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/front_end.h"
#include "definition/scope.h"

#include "target.h"

static const char *const definition =
"{\"name\": \"t\", \"steps\": ["
"{\"id\": \"items\", \"type\": \"loop\", \"loop_config\": {\"collection\": [1], \"loop_body\": ["
"{\"id\": \"both\", \"type\": \"parallel\", \"parallel_steps\": [{\"id\": \"a\", \"sql\": \"SELECT 1\"},"
" {\"id\": \"inner\", \"type\": \"loop\", \"loop_config\": {\"collection\": [1], \"loop_body\": [{\"id\": \"b\", \"sql\": \"SELECT 1\"}]}}]}]}},"
"{\"id\": \"choice\", \"type\": \"conditional\", \"condition\": \"1 == 1\","
" \"then\": [{\"id\": \"c\", \"sql\": \"SELECT 1\"}], \"else\": [{\"id\": \"d\", \"sql\": \"SELECT 1\"}]}]}";

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
	arena_reset();
	return 0;
}

/*-------------------------------------------------------------------------
 *
 * fuzz_definition.c
 *	  A libFuzzer target: any text as a definition.
 *
 * NOTES
 *	  Beside not crashing, what is accepted must stay as it is when it is
 *	  normalised again, must give a plan, and that plan an explanation whose
 *	  lines fit.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/front_end.h"
#include "definition/plan.h"

#include "target.h"

static void
check_accepted(const char *stored)
{
	ProblemList *problems = problem_list_create();
	char	   *again = definition_check(stored, PLAN_MAX_NESTING, NULL, problems, NULL);
	WorkflowPlan *plan;

	/* The order of members may change once. */
	require(again != NULL && strlen(again) == strlen(stored),
			"the stored form does not stay as it is", stored);
	stored = again;
	again = definition_check(stored, PLAN_MAX_NESTING, NULL, problems, NULL);
	require(again != NULL && strcmp(again, stored) == 0,
			"the stored form does not settle", stored);
	plan = plan_build(&front_end_native, stored, problems);
	require(plan != NULL && problems->errors == 0, "no plan", stored);
	for (int i = 0; i < plan->nnodes; i++)
		require(plan_find(plan, plan->nodes[i].id) == &plan->nodes[i],
				"a step is not found", stored);
	require(plan_explain(plan, NULL) != NULL, "no explanation", stored);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ProblemList *problems = problem_list_create();
	char	   *text = input_string(data, size);
	char	   *stored = definition_check(text, PLAN_MAX_NESTING, NULL, problems, NULL);

	require((stored != NULL) == (problems->errors == 0),
			"accepted with errors, or refused without", text);
	if (stored != NULL)
		check_accepted(stored);
	arena_reset();
	return 0;
}

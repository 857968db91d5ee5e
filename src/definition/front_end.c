/*-------------------------------------------------------------------------
 *
 * front_end.c
 *	  From a document, in whichever language, to its stored form and to a plan.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  The text is parsed once, compiled once, and printed once: the stored form
 *	  is a tree that is compiled as it will be when it has been read again.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/front_end.h"

#include "definition/builder.h"

/* In the order in which they are asked. */
static const FrontEnd *const front_ends[] = {
	&front_end_native
};

/*
 * The one that a document is written for; what nobody knows is native, with
 * mistakes.
 */
static const FrontEnd *
front_end_of(const Json *given)
{
	for (int i = 0; i < (int) lengthof(front_ends); i++)
		if (front_ends[i]->recognise(given))
			return front_ends[i];
	return &front_end_native;
}

/*
 * The one that a stored document is written for.
 */
const FrontEnd *
front_end_named(const char *name)
{
	for (int i = 0; i < (int) lengthof(front_ends); i++)
		if (strcmp(front_ends[i]->name, name) == 0)
			return front_ends[i];
	return NULL;
}

/*
 * Check what has been made, and find the way around it.
 */
static void
finish_steps(Builder *builder)
{
	if (validate_graph(builder))
		resolve_references(builder);
	plan_sort(builder->plan);
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
	free_reach(builder);
}

/*
 * Plan of a parsed document in the stored form.  Always returns one; it is fit
 * for use only when no error was added.  Everything that it keeps is copied
 * into the current memory context; the document can go afterwards.
 */
static WorkflowPlan *
plan_compile(const FrontEnd *language, const Json *stored, int max_nesting,
			 ProblemList *problems)
{
	Builder		builder;

	memset(&builder, 0, sizeof(builder));
	builder.plan = palloc0(sizeof(WorkflowPlan));
	builder.plan->start = builder.plan->on_failure = -1;
	builder.problems = problems;
	builder.language = language;
	builder.max_nesting = Min(max_nesting, PLAN_MAX_NESTING);
	builder.variables = name_map_create(8);

	language->compile(&builder, stored);
	if (builder.plan->nnodes > 0)
		finish_steps(&builder);
	free_work_space(&builder);
	return builder.plan;
}

/*
 * Compile the stored form, and report what that found where the author will
 * look for it.  False when there are errors, other than those of the caller's
 * check.
 */
static bool
compile_and_translate(const FrontEnd *language, const Checking *checking,
					  const Json *stored, int max_nesting,
					  const DefinitionChecks *checks)
{
	ProblemList *found = problem_list_create();
	ProblemList *problems = checking->problems;
	WorkflowPlan *plan;
	bool		valid;
	char	   *complaint = json_tree_complaint(stored);

	if (complaint != NULL)
	{
		problem_add(problems, PROBLEM_ERROR, "", NULL, NULL, "%s", complaint);
		return false;
	}
	plan = plan_compile(language, stored, max_nesting, found);
	valid = found->errors + problems->errors == 0;
	if (valid && checks != NULL)
		checks->plan(plan, stored, found);

	for (int i = 0; i < found->count; i++)
	{
		Problem    *problem = &found->items[i];
		const char *path = problem->path;

		if (problem->severity == PROBLEM_ERROR)
			found->errors--;
		if (checking->given_path != NULL)
			path = checking->given_path(checking->places, path);
		problem_add(problems, problem->severity, path, problem->step_id,
					problem->hint, "%s", problem->message);
	}
	/* Those that were only counted. */
	problems->errors += found->errors;
	return valid;
}

/*
 * Check a document and put it into the stored form.  Works in the current
 * memory context and leaves its work space there.
 */
char *
definition_check(const char *document, int max_nesting,
				 const DefinitionChecks *checks, ProblemList *problems,
				 const FrontEnd **language)
{
	Checking	checking = {.problems = problems};
	const FrontEnd *front_end = NULL;
	char	   *message = NULL;
	char	   *text = NULL;
	Json	   *given = json_parse(document, &message);
	Json	   *stored = NULL;

	checking.given = given;
	if (given != NULL && json_kind(given) != JSON_OBJECT)
		message = psprintf("a definition must be an object, not %s",
						   json_kind_name(given));
	if (message != NULL)
		problem_add(problems, PROBLEM_ERROR, "", NULL, NULL, "%s", message);
	else
	{
		front_end = front_end_of(given);
		stored = front_end->check(&checking);
	}
	if (stored != NULL &&
		compile_and_translate(front_end, &checking, stored, max_nesting,
							  checks))
	{
		text = json_print(stored);
		message = json_text_complaint(text);
		if (message != NULL)
		{
			problem_add(problems, PROBLEM_ERROR, "", NULL, NULL, "%s", message);
			text = NULL;
		}
	}
	if (text == NULL && given != NULL && checks != NULL)
		checks->document(given, problems);

	/* what is stored shares with what is given */
	if (stored != NULL)
		json_free(stored);
	if (given != NULL)
		json_free(given);
	if (language != NULL)
		*language = front_end;
	return text;
}

WorkflowPlan *
plan_build(const FrontEnd *language, const char *stored, ProblemList *problems)
{
	char	   *message;
	Json	   *document = json_parse(stored, &message);
	WorkflowPlan *plan;

	if (document == NULL)
	{
		problem_add(problems, PROBLEM_ERROR, "", NULL, NULL, "%s", message);
		return NULL;
	}
	plan = plan_compile(language, document, PLAN_MAX_NESTING, problems);
	json_free(document);
	return problems->errors == 0 ? plan : NULL;
}

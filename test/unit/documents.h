/*-------------------------------------------------------------------------
 *
 * documents.h
 *	  For the tests of definitions: documents in C strings, and what is
 *	  reported about them.
 *
 *	  Documents are written with ` for ", since conditions need '.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_DOCUMENTS_H
#define PGWF_DOCUMENTS_H

#include "definition/front_end.h"
#include "definition/plan.h"

#include "check.h"

#define TEST_NESTING 5

/* A definition that begins with step "a". */
#define STEPS(steps) "{`name`: `t`, `start_step`: `a`, `steps`: {" steps "}}"
#define AGENT(id) "`" id "`: {`agent_name`: `x`}"
#define AGENT_TO(id, next) "`" id "`: {`agent_name`: `x`, `next_step`: `" next "`}"

static inline char *
quoted(const char *document)
{
	char	   *copy = pstrdup(document);

	for (char *c = copy; *c != '\0'; c++)
		if (*c == '`')
			*c = '"';
	return copy;
}

/* The stored form of a document that is expected to be native. */
static inline char *
definition_normalise(const char *document, int max_nesting, const DefinitionChecks *checks,
					 ProblemList *problems)
{
	const FrontEnd *language = NULL;
	char	   *stored = definition_check(document, max_nesting, checks, problems, &language);

	if (stored != NULL && language != front_end_named("native"))
		CHECK(false, "the language of %s", document);
	return stored;
}

/* What was reported, a line each. */
static inline void
print_problems(const ProblemList *problems)
{
	for (int i = 0; i < problems->count; i++)
		printf("# %s at %s (%s): %s [%s]\n",
			   problems->items[i].severity == PROBLEM_ERROR ? "error" : "warning",
			   problems->items[i].path,
			   problems->items[i].step_id != NULL ? problems->items[i].step_id : "-",
			   problems->items[i].message,
			   problems->items[i].hint != NULL ? problems->items[i].hint : "");
}

/*
 * The document has one error, or one warning and no error, with this path and
 * message; hint NULL: any.
 */
static inline void
expect_problem(ProblemSeverity severity, const char *name, const char *document,
			   const char *path, const char *message, const char *hint)
{
	ProblemList *problems = problem_list_create();
	char	   *stored = definition_normalise(quoted(document), TEST_NESTING, NULL, problems);
	const Problem *found = NULL;
	int			count = 0;
	bool		as_expected;

	for (int i = 0; i < problems->count; i++)
	{
		if (problems->items[i].severity != severity)
			continue;
		found = &problems->items[i];
		count++;
	}
	message = quoted(message);
	as_expected = count == 1 && strcmp(found->path, path) == 0 &&
		strcmp(found->message, message) == 0 &&
		(hint == NULL || (found->hint != NULL &&
						  strcmp(found->hint, quoted(hint)) == 0)) &&
		problems->errors == (severity == PROBLEM_ERROR ? 1 : 0) &&
		(stored == NULL) == (severity == PROBLEM_ERROR);
	CHECK(as_expected, "%s", name);
	if (!as_expected)
	{
		printf("# expected at %s: %s\n", path, message);
		print_problems(problems);
	}
}

#define REFUSED(name, document, path, message, hint) \
	expect_problem(PROBLEM_ERROR, name, document, path, message, hint)
#define WARNED(name, document, path, message) \
	expect_problem(PROBLEM_WARNING, name, document, path, message, NULL)
#define WARNED_HINT(name, document, path, message, hint) \
	expect_problem(PROBLEM_WARNING, name, document, path, message, hint)

/*
 * The document has no error; returns its plan, NULL when it has.
 */
static inline WorkflowPlan *
accepted(const char *name, const char *document)
{
	ProblemList *problems = problem_list_create();
	char	   *stored = definition_normalise(quoted(document), TEST_NESTING, NULL, problems);
	WorkflowPlan *plan = NULL;

	if (stored != NULL)
		plan = plan_build(&front_end_native, stored, problems);
	CHECK(plan != NULL && problems->errors == 0, "%s", name);
	print_problems(problems);
	return plan;
}

#endif							/* PGWF_DOCUMENTS_H */

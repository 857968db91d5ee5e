/*-------------------------------------------------------------------------
 *
 * front_end.h
 *	  The languages that definitions may be written in: rows of front_ends[].
 *
 * NOTES
 *	  A front end reads documents and makes plans of them with plan_reserve(),
 *	  plan_add_node(), plan_connect() or plan_depend(), and build_scopes(), in
 *	  builder.h; what runs plans does not know which language one was written
 *	  in.  A language that is added is then a file here and a line in
 *	  front_end.c.  workflow.definitions.language has its name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_FRONT_END_H
#define PGWF_FRONT_END_H

#include "definition/json.h"
#include "definition/problem.h"

struct Builder;
struct FieldSet;
struct NameMap;
struct WorkflowPlan;

/* A document that is being checked. */
typedef struct Checking
{
	const Json *given;
	ProblemList *problems;		/* with the paths of the document as given */

	/*
	 * Where the author wrote what has a path in the stored form; NULL: there.
	 */
	char	   *(*given_path) (void *places, const char *path);
	void	   *places;
} Checking;

typedef struct FrontEnd
{
	const char *name;
	/*
	 * Is a document, an object, written in this language?  The first that says
	 * so has it.
	 */
	bool		(*recognise) (const Json *given);
	/* Is it a field of anything?  For messages. */
	bool		(*knows_field) (const char *name);
	/*
	 * Add the fields that an object without a type might have instead of these,
	 * since its fields say what it is.  For messages, too.
	 */
	void		(*add_other_fields) (const struct FieldSet *set,
									 struct NameMap *names);
	/*
	 * Put a document into the stored form, which may share with it.  NULL when
	 * that cannot be done; what else is wrong is reported here, or when the
	 * stored form is compiled.
	 */
	Json	   *(*check) (Checking *checking);
	/* Make the nodes of a stored document, connect them, make the scopes. */
	void		(*compile) (struct Builder *builder, const Json *stored);
} FrontEnd;

extern const FrontEnd front_end_native;

/* NULL: this version has none of this name. */
extern const FrontEnd *front_end_named(const char *name);

/* What the caller checks, who can know more than the document says. */
typedef struct DefinitionChecks
{
	/*
	 * A plan without errors, and its document; reports with the paths of the
	 * stored form.
	 */
	void		(*plan) (const struct WorkflowPlan *plan, const Json *stored,
						 ProblemList *found);
	/*
	 * A document as given, of which there is no stored form since it has
	 * errors.
	 */
	void		(*document) (const Json *given, ProblemList *problems);
} DefinitionChecks;

/*
 * Check a document and put it into the stored form: of the native language, the
 * aliases replaced, inline children pulled out, arrays turned into maps.
 * Returns that as JSON text, NULL when there are errors other than those of
 * checks (which may be NULL); problems gets everything found, warnings
 * included, with the paths of the document as given.  max_nesting: setting of
 * the same name.  language, which may be NULL, gets the front end of a document
 * that is stored.
 */
extern char *definition_check(const char *document, int max_nesting,
							  const DefinitionChecks *checks,
							  ProblemList *problems, const FrontEnd **language);

/*
 * Build the plan of a stored document.  problems is for what should not happen:
 * it passed definition_check() when it came in, which builds the same.  NULL
 * when it has errors.
 */
extern struct WorkflowPlan *plan_build(const FrontEnd *language,
									   const char *stored,
									   ProblemList *problems);

#endif							/* PGWF_FRONT_END_H */

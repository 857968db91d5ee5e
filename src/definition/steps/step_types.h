/*-------------------------------------------------------------------------
 *
 * step_types.h
 *	  What a definition says of steps of a type: a row of step_types[], made in
 *	  a file of its own.
 *
 * NOTES
 *	  Those who build, put into the stored form, check or explain a step call
 *	  its row, and ask for no type.  The files of this folder call what is below
 *	  them (builder.h, normaliser.h, checker.h, explainer.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEP_TYPES_H
#define PGWF_STEP_TYPES_H

#include "definition/plan.h"

struct Builder;
struct Checker;
struct Explainer;
struct FieldSet;
struct GivenPlace;
struct Normaliser;
struct Place;

typedef struct StepTypeInfo
{
	const struct FieldSet *fields;	/* of its own; those of every step are
									 * more */

	/* The document, put into the stored form */

	const char *alias;			/* another name that it may have there; NULL:
								 * none */
	const char *config;			/* field with an object for fields->flat;
								 * NULL: it has none */
	const struct Alias *config_aliases; /* of fields in there; NULL: none */
	/* The stored value of a field that names children; NULL: it does not. */
	Json	   *(*stored_children) (struct Normaliser *normaliser,
									const char *field, const Json *value,
									struct GivenPlace place);

	/* The plan */

	size_t		part_size;		/* of what only this type has */
	/* Fill that from the step's object, or from config; NULL: nothing. */
	void		(*build) (struct Builder *builder, PlanNode *node,
						  const struct Place *place);
	/*
	 * Check what references its own templates and conditions have; NULL: none.
	 */
	void		(*check_references) (struct Checker *checker,
									 PlanNode *node,
									 const Json *source);
	/*
	 * For explain(): add to its line; lines of their own below that.  NULL:
	 * nothing.
	 */
	void		(*explain_heading) (struct Explainer *explainer,
									const PlanNode *node);
	void		(*explain_facts) (struct Explainer *explainer,
								  const PlanNode *node, int indent);
	/* In front of the names of its lines there; NULL: they are not shown. */
	const char *line_word;

	/* What its lines are called in messages. */
	const char *lines_noun;
	/*
	 * What a step does, in a few words of its definition, for pictures; NULL:
	 * there are none.  all: also what may be secret.
	 */
	const char *(*subject) (const PlanNode *node, bool all);
	/* How pictures draw it: around its label, in Mermaid's language. */
	const char *shape[2];
} StepTypeInfo;

extern const StepTypeInfo *const step_types[STEP_TYPES];

extern const StepTypeInfo step_type_agent;
extern const StepTypeInfo step_type_sql;
extern const StepTypeInfo step_type_parallel;
extern const StepTypeInfo step_type_fork_join;
extern const StepTypeInfo step_type_conditional;
extern const StepTypeInfo step_type_loop;
extern const StepTypeInfo step_type_set;
extern const StepTypeInfo step_type_wait;
extern const StepTypeInfo step_type_succeed;
extern const StepTypeInfo step_type_fail;

#endif							/* PGWF_STEP_TYPES_H */

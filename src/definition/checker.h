/*-------------------------------------------------------------------------
 *
 * checker.h
 *	  Checking what templates and conditions refer to.  Private to
 *	  src/definition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_CHECKER_H
#define PGWF_CHECKER_H

#include "definition/builder.h"

/* When a template or expression of a step is evaluated. */
typedef enum Moment
{
	BEFORE_STEP,				/* when, input_mapping, condition .. */
	AFTER_STEP,					/* its output */
	BEFORE_ITERATION,			/* while */
	AFTER_ITERATION,			/* until */
	AFTER_ALL					/* output of the definition */
} Moment;

/* A piece of a path inside a template. */
typedef struct Element
{
	const struct Element *parent;
	const char *key;			/* NULL: index */
	int			index;
} Element;

typedef struct Checker
{
	Builder    *builder;
	int			node;			/* -1: the definition */
	int			standing;		/* where it is evaluated: of a compensation
								 * the step it undoes; else node */
	Moment		moment;
	const char *base;			/* path of the template or expression .. */
	const Element *element;		/* .. and inside it */
} Checker;

/* A template that may be missing; base is its path in the step. */
extern void check_template(Checker *checker, Template *template, Moment moment,
						   const char *base);
/* One that stands in an object, under a key. */
extern void check_member(Checker *checker, Template *template, Moment moment,
						 const char *base, const char *key);
/* A condition that may be missing; value is what the document has there. */
extern void check_condition(Checker *checker, Condition *condition,
							Moment moment, const char *base, const Json *value);

#endif							/* PGWF_CHECKER_H */

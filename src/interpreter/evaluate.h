/*-------------------------------------------------------------------------
 *
 * evaluate.h
 *	  Expressions and templates over jsonb.
 *
 * NOTES
 *	  Never raises an error for what a user's data can cause: the error comes
 *	  back as a message, because a condition that cannot be evaluated is false
 *	  and a mapping that cannot be resolved is a failed step, and neither may
 *	  abort the transaction it is evaluated in.  Numbers are numeric throughout.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_EVALUATE_H
#define PGWF_EVALUATE_H

#include "postgres.h"
#include "utils/jsonb.h"

#include "definition/expression.h"
#include "definition/template.h"

/* How a root of a reference was found. */
typedef enum ResolveStatus
{
	RESOLVE_OK,					/* *value set */
	RESOLVE_MISSING				/* no such thing (yet): *why says "step \"x\"
								 * has not run" */
} ResolveStatus;

/*
 * The caller's part: give the value of the reference's root (the path behind it
 * is the evaluator's work).  The result must live in the current memory context
 * or longer.
 */
typedef ResolveStatus (*ResolveFunction) (void *context,
										  const Reference *reference,
										  Jsonb **value, char **why);

typedef struct EvaluateContext
{
	ResolveFunction resolve;
	void	   *resolve_context;

	/* set by the evaluator on failure */
	char	   *message;		/* palloc'd, NULL = no error */
	int			position;		/* 1-based character offset in the source, 0
								 * = none */
	char	   *path;			/* where in the template: "order.items[2]";
								 * NULL = no deeper place */
} EvaluateContext;

/* Value of an expression; NULL with context->message on failure. */
extern Jsonb *evaluate_expression(EvaluateContext *context,
								  Expression *expression);

/*
 * Truth of a condition: null and missing are false.  *error: NULL or why it
 * could not be evaluated (the result is false then).
 */
extern bool evaluate_condition(EvaluateContext *context, Expression *expression,
							   char **error);

/*
 * Value of a template, which may be the plan's own copy: not to be changed or
 * freed.  NULL with context->message on failure.  A missing reference
 * is a failure that names its path unless the expression has "??".
 */
extern Jsonb *evaluate_template(EvaluateContext *context, Template *template);

/* Small helpers others need too. */
extern Jsonb *jsonb_from_text(const char *json);	/* trusted JSON text */
extern Jsonb *jsonb_from_string(const char *string);
extern Jsonb *jsonb_from_int64(int64 value);
extern Jsonb *jsonb_from_bool(bool value);
extern Jsonb *jsonb_null(void);
extern Jsonb *jsonb_get_member(Jsonb *object, const char *key); /* NULL: none */

#endif							/* PGWF_EVALUATE_H */

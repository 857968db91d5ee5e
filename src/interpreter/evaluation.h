/*-------------------------------------------------------------------------
 *
 * evaluation.h
 *	  What the files of the evaluator share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_EVALUATION_H
#define PGWF_EVALUATION_H

#include "interpreter/evaluate.h"

typedef enum ValueStatus
{
	VALUE_OK,
	VALUE_MISSING,				/* a reference leads nowhere */
	VALUE_FAILED				/* the message is in the context */
} ValueStatus;

typedef struct Evaluation
{
	EvaluateContext *context;
	bool		missing_is_null;	/* in conditions */

	/* with VALUE_MISSING */
	const Reference *missing;
	char	   *why;

	Size		size;			/* of what is being built, roughly */
} Evaluation;

/* --- evaluation.c --- */

extern void evaluation_start(Evaluation *evaluation, EvaluateContext *context);
extern ValueStatus evaluation_fail(Evaluation *evaluation, int position,
								   char *message);
extern ValueStatus evaluation_fail_missing(Evaluation *evaluation);
extern bool evaluation_take_room(Evaluation *evaluation,
								 const JsonbValue *value);

/* --- evaluate.c --- */

extern ValueStatus evaluate_value(Evaluation *evaluation,
								  Expression *expression, JsonbValue *result);
extern Jsonb *evaluation_to_jsonb(Evaluation *evaluation,
								  Expression *expression);

/* --- evaluate_operators.c --- */

extern ValueStatus apply_operator(Evaluation *evaluation,
								  const Expression *expression,
								  JsonbValue *left, JsonbValue *right,
								  JsonbValue *result);

#endif							/* PGWF_EVALUATION_H */

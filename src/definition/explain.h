/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  What step types add to workflow.explain().  Private to src/definition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_EXPLAIN_H
#define PGWF_EXPLAIN_H

#include "definition/plan.h"

typedef struct Explainer Explainer;

/*
 * Add words to the line of a step; a remark, after a comma; a line of its own
 * below it.
 */
extern void explain_words(Explainer *explainer, const char *words);
extern void explain_remark(Explainer *explainer, const char *format,...) pg_attribute_printf(2, 3);
extern void explain_fact(Explainer *explainer, int indent, const char *format,...) pg_attribute_printf(3, 4);
/* What must succeed for the container to succeed. */
extern void explain_join(Explainer *explainer, const PlanNode *node);
/* A condition in words. */
extern char *explain_condition(const Condition *condition);

#endif							/* PGWF_EXPLAIN_H */

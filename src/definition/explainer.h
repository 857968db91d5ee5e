/*-------------------------------------------------------------------------
 *
 * explainer.h
 *	  What workflow.explain() is written with.  Private to src/definition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_EXPLAINER_H
#define PGWF_EXPLAINER_H

#include "definition/plan.h"

typedef struct Explainer
{
	const WorkflowPlan *plan;
	char	   *const *notes;	/* by node, or NULL */
	StringInfoData out;
	StringInfoData line;
	bool	   *shown;			/* by node */
	bool		chain;			/* the on_failure chain is being shown */
	int			left;			/* steps of the root scope, or of the chain,
								 * not shown yet */
} Explainer;

/*
 * Add words to the line of a step; a remark, after a comma; a line of its own
 * below it.
 */
extern void explain_words(Explainer *explainer, const char *words);
extern void explain_remark(Explainer *explainer, const char *format,...)
	pg_attribute_printf(2, 3);
extern void explain_fact(Explainer *explainer, int indent,
						 const char *format,...) pg_attribute_printf(3, 4);
/* Write the line that was collected, cut to the width. */
extern void explain_end_line(Explainer *explainer, int indent);
/* What must succeed for the container to succeed. */
extern void explain_join(Explainer *explainer, const PlanNode *node);
/* A condition in words. */
extern char *explain_condition(const Condition *condition);

#endif							/* PGWF_EXPLAINER_H */

/*-------------------------------------------------------------------------
 *
 * explainer.c
 *	  The text of workflow.explain(), line by line.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  A line that does not fit is
 *	  cut, so that the tree keeps its shape on a terminal.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/explainer.h"

#define LINE_WIDTH 100

/*
 * Write the line that was collected, cut to the width.
 */
void
explain_end_line(Explainer *explainer, int indent)
{
	char	   *text = explainer->line.data;
	int			room = LINE_WIDTH - indent;
	int			width = 0;
	char	   *cut = NULL;

	/* SQL and expressions may have line breaks; the tree may not. */
	for (char *c = text; *c != '\0'; c++)
	{
		if ((unsigned char) *c < ' ')
			*c = ' ';
		if (((unsigned char) *c & 0xC0) == 0x80)
			continue;
		if (width == room - 3)
			cut = c;
		width++;
	}
	if (width > room)
		strcpy(cut, "...");
	appendStringInfo(&explainer->out, "%*s%s\n", indent, "", text);
	resetStringInfo(&explainer->line);
}

/*
 * One line with a fact.
 */
void
explain_fact(Explainer *explainer, int indent, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	append_formatted(&explainer->line, format, args);
	va_end(args);
	explain_end_line(explainer, indent);
}

/*
 * A condition in words.
 */
char *
explain_condition(const Condition *condition)
{
	return psprintf("%s%s", condition->sql != NULL ? "sql: " : "",
					condition->text);
}

/*
 * Add words to the line of a step, as they are.
 */
void
explain_words(Explainer *explainer, const char *words)
{
	appendStringInfoString(&explainer->line, words);
}

/*
 * Add a remark to the line of a step.
 */
void
explain_remark(Explainer *explainer, const char *format,...)
{
	va_list		args;

	appendStringInfoString(&explainer->line, ", ");
	va_start(args, format);
	append_formatted(&explainer->line, format, args);
	va_end(args);
}

/*
 * What must succeed for the container to succeed.
 */
void
explain_join(Explainer *explainer, const PlanNode *node)
{
	switch (node->join.policy)
	{
		case JOIN_ALL:
			explain_remark(explainer, "all must succeed");
			break;
		case JOIN_ANY:
			explain_remark(explainer, "one must succeed");
			break;
		case JOIN_MAJORITY:
			explain_remark(explainer, "more than half must succeed");
			break;
		case JOIN_N_OF_M:
			explain_remark(explainer, "%d of %d must succeed",
						   node->join.n_required, node->nlines);
			break;
		case JOIN_RATIO:
			explain_remark(explainer, "a share of %s must succeed",
						   node->join.ratio);
			break;
	}
}

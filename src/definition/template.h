/*-------------------------------------------------------------------------
 *
 * template.h
 *	  JSON values with ${...} in them: input mappings, outputs, parameters.
 *
 *	  A string that is exactly one ${...} keeps the type of its value; a string
 *	  with more in it is text interpolation; anything else is itself.
 *	  "$${" stands for a literal "${".
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_TEMPLATE_H
#define PGWF_TEMPLATE_H

#include "definition/expression.h"
#include "definition/json.h"
#include "definition/problem.h"

typedef enum TemplateKind
{
	TEMPLATE_LITERAL,			/* text: JSON without any reference inside,
								 * at any depth */
	TEMPLATE_EXPRESSION,		/* "${...}": expression, type kept */
	TEMPLATE_TEXT,				/* "a ${b} c": items, each LITERAL (text is
								 * the raw string) or EXPRESSION */
	TEMPLATE_OBJECT,			/* keys and items */
	TEMPLATE_ARRAY				/* items */
} TemplateKind;

typedef struct Template Template;
struct Template
{
	TemplateKind kind;
	char	   *text;
	Expression *expression;
	char	  **keys;
	Template  **items;
	int			nitems;

	void	   *literal;		/* for the evaluator: the literal as a jsonb,
								 * made on first use */
};

/*
 * Adds problems (with paths below path) and returns NULL when there were any.
 */
extern Template *template_parse(const Json *value, const char *path,
								const char *step_id, ProblemList *problems);

/*
 * A string alone: NULL and *error, positioned in the string, when it does not
 * parse.
 */
extern Template *template_parse_string(const char *string,
									   ExpressionError *error);

/*
 * The text in front of the next "${", appended to raw with "${" for each "$${".
 * Returns where what is in the braces begins; NULL: there is no further one.
 */
extern const char *template_skip_text(const char *text, const char *end,
									  StringInfo raw);

/* True for a template without references: "a literal". */
#define template_is_literal(t) ((t)->kind == TEMPLATE_LITERAL)

extern void template_walk_references(Template *template,
									 ReferenceVisitor visitor, void *context);

#endif							/* PGWF_TEMPLATE_H */

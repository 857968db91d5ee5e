/*-------------------------------------------------------------------------
 *
 * expression.h
 *	  The expression language of definitions, parsed once into the plan.
 *
 *	  Grammar (lowest precedence first):
 *		or:      and ('or' and)*
 *		and:     not ('and' not)*
 *		not:     'not' not | comparison
 *		comparison: default (('=='|'!='|'<'|'<='|'>'|'>='|'in'|'not' 'in'|'contains') default)?
 *		default: sum ('??' sum)*            -- right side when the left is missing or null
 *		sum:     product (('+'|'-') product)*
 *		product: unary (('*'|'/'|'%') unary)*
 *		unary:   '-' unary | primary
 *		primary: literal | '${' or '}' | reference | 'len' '(' or ')' | '(' or ')' | '[' or,* ']'
 *		reference: name ( '.' name | '[' or ']' )*
 *	  Names: letters, digits, '_' and, inside ${...} or a subscript, '-'.
 *	  A bare reference without ${} is allowed inside ${...} and subscripts
 *	  ("${workflow.input.schemas[loop.item.type]}") and as a whole operand.
 *	  Strings in single or double quotes, \ escapes; numbers keep their text.
 *
 *	  Pure: the evaluator over jsonb is in src/interpreter/evaluate.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_EXPRESSION_H
#define PGWF_EXPRESSION_H

#include "definition/pure.h"

typedef enum ExpressionKind
{
	EXPR_NULL,
	EXPR_BOOLEAN,
	EXPR_NUMBER,				/* text */
	EXPR_STRING,				/* text */
	EXPR_ARRAY,					/* arguments */
	EXPR_REFERENCE,				/* reference */
	EXPR_NOT,
	EXPR_NEGATE,
	EXPR_AND,
	EXPR_OR,
	EXPR_EQ,
	EXPR_NE,
	EXPR_LT,
	EXPR_LE,
	EXPR_GT,
	EXPR_GE,
	EXPR_IN,
	EXPR_NOT_IN,
	EXPR_CONTAINS,
	EXPR_ADD,
	EXPR_SUBTRACT,
	EXPR_MULTIPLY,
	EXPR_DIVIDE,
	EXPR_MODULO,
	EXPR_DEFAULT,				/* a ?? b */
	EXPR_LENGTH					/* len(a) */
} ExpressionKind;

/* What the first name of a reference means. */
typedef enum ReferenceRoot
{
	REFERENCE_WORKFLOW_INPUT,	/* workflow.input */
	REFERENCE_WORKFLOW_FIELD,	/* workflow.execution_id, name and so on:
								 * field says which */
	REFERENCE_WORKFLOW_ERROR,	/* workflow.error: what the execution ends
								 * with, in its epilogue */
	REFERENCE_STEP_OUTPUT,		/* <step>.output (and its alias
								 * <step>.outputs) */
	REFERENCE_STEP_STATUS,		/* <step>.status */
	REFERENCE_STEP_ERROR,		/* <step>.error */
	REFERENCE_LOOP_ITEM,		/* loop.item; loop.parent.item has levels_up
								 * 1 */
	REFERENCE_LOOP_INDEX,
	REFERENCE_LOOP_TOTAL,
	REFERENCE_LOOP_IS_FIRST,
	REFERENCE_LOOP_IS_LAST,
	REFERENCE_VARIABLE			/* vars.x: field is the variable's name */
} ReferenceRoot;

typedef struct Expression Expression;

/* One step of the path behind the root: .name or [expression] */
typedef struct ReferencePart
{
	char	   *name;			/* .name, or NULL */
	Expression *subscript;		/* [expression], or NULL */
} ReferencePart;

typedef struct Reference
{
	ReferenceRoot root;
	char	   *step_id;		/* REFERENCE_STEP_*: as written */
	char	   *field;			/* REFERENCE_WORKFLOW_FIELD,
								 * REFERENCE_VARIABLE */
	int			levels_up;		/* REFERENCE_LOOP_*: how many "parent." */
	ReferencePart *parts;		/* the path behind the root */
	int			nparts;
	char	   *text;			/* as written, for messages:
								 * "check.output.total" */
	int			position;		/* 1-based offset in the source text */

	/* filled in by the plan (plan_build), -1 before */
	int			node;			/* REFERENCE_STEP_*: index of the node */
} Reference;

struct Expression
{
	ExpressionKind kind;
	int			position;		/* 1-based character offset in the source
								 * text */
	bool		boolean;
	char	   *text;			/* number or string */
	Expression *left;
	Expression *right;
	Expression **arguments;		/* EXPR_ARRAY */
	int			narguments;
	Reference  *reference;
	int			height;			/* of the tree below, for
								 * EXPRESSION_MAX_HEIGHT */

	void	   *literal;		/* for the evaluator: the literal as a value,
								 * made on first use */
};

typedef struct ExpressionError
{
	char	   *message;		/* "unexpected \")\"" */
	int			position;		/* 1-based character offset */
} ExpressionError;

/* Nesting limit of the parser: deeper input is an error, not a crash. */
#define EXPRESSION_MAX_DEPTH 100
/* Height limit of the tree: "a + b + c .." grows it without nesting. */
#define EXPRESSION_MAX_HEIGHT 1000

/*
 * Parse a whole condition, e.g. "${check.output.total} > 100 and ${vip}".
 * Returns NULL and fills *error when it does not parse.
 */
extern Expression *expression_parse(const char *text, ExpressionError *error);

/*
 * Parse the inside of one ${...}: text points behind "${"; *end is set behind
 * the closing brace.
 */
extern Expression *expression_parse_embedded(const char *text, const char **end,
											 ExpressionError *error);

/* Same, with positions counted from position, that of *text in its source. */
extern Expression *expression_parse_embedded_at(const char *text, int position,
												const char **end,
												ExpressionError *error);

/*
 * For a reference to a step "steps" where there is none: read it anew with
 * "steps." as the prefix that may stand before each step.  False when it cannot
 * be read so.
 */
extern bool reference_skip_steps(Reference *reference);

/* Call a function for each reference in the tree, subscripts included. */
typedef void (*ReferenceVisitor) (Reference *reference, void *context);
extern void expression_walk_references(Expression *expression,
									   ReferenceVisitor visitor, void *context);

#endif							/* PGWF_EXPRESSION_H */

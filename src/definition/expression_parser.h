/*-------------------------------------------------------------------------
 *
 * expression_parser.h
 *	  What the files of the expression parser share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_EXPRESSION_PARSER_H
#define PGWF_EXPRESSION_PARSER_H

#include "definition/expression.h"

typedef enum TokenKind
{
	TOKEN_END,
	TOKEN_ERROR,				/* lexer->error says what */
	TOKEN_NUMBER,
	TOKEN_STRING,				/* text */
	TOKEN_REFERENCE_OPEN,		/* ${ */
	TOKEN_BRACE_CLOSE,
	TOKEN_PARENTHESIS_OPEN,
	TOKEN_PARENTHESIS_CLOSE,
	TOKEN_BRACKET_OPEN,
	TOKEN_BRACKET_CLOSE,
	TOKEN_COMMA,
	TOKEN_DOT,
	TOKEN_EQ,
	TOKEN_NE,
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
	TOKEN_PLUS,
	TOKEN_MINUS,
	TOKEN_STAR,
	TOKEN_SLASH,
	TOKEN_PERCENT,
	TOKEN_DEFAULT,				/* ?? */
	TOKEN_NAME,					/* from here on: a name or a keyword */
	TOKEN_AND,
	TOKEN_OR,
	TOKEN_NOT,
	TOKEN_IN,
	TOKEN_CONTAINS,
	TOKEN_TRUE,
	TOKEN_FALSE,
	TOKEN_NULL
} TokenKind;

/* Keywords are names where only a name can stand: behind a dot. */
#define token_is_name(token) ((token)->kind >= TOKEN_NAME)

typedef struct Token
{
	TokenKind	kind;
	const char *start;			/* in the source text */
	const char *end;
	int			position;		/* 1-based character offset */
	char	   *text;			/* TOKEN_STRING: its value */
} Token;

typedef struct Lexer
{
	const char *next;			/* first character not looked at */
	int			dashes;			/* > 0: '-' may be part of a name */
	char	   *error;			/* set with TOKEN_ERROR */
	int			error_position;

	/* characters are counted as the tokens come, each once */
	const char *counted;
	int			position;		/* of *counted */
} Lexer;

/* --- expression_lexer.c --- */

extern void lexer_start(Lexer *lexer, const char *text, int position);
extern void lexer_next(Lexer *lexer, Token *token);

/* The token behind a dot: a name may be a keyword or begin with a digit. */
extern void lexer_next_member(Lexer *lexer, Token *token);

typedef struct Parser
{
	Lexer		lexer;
	Token		token;			/* the one to look at */
	const char *previous_end;	/* end of the one before */
	int			depth;
	ExpressionError *error;
	bool		failed;
} Parser;

/* --- expression.c --- */

extern Expression *parser_fail(Parser *parser, int position, char *message);
extern Expression *parser_unexpected(Parser *parser);
extern char *parser_quote(const char *start, const char *end);
extern void parser_advance(Parser *parser);
extern bool parser_expect(Parser *parser, TokenKind kind, const char *symbol,
						  int opened_at);
extern Expression *parser_make_node(ExpressionKind kind, int position);
extern Expression *parser_raise_above(Parser *parser, Expression *node,
									  const Expression *child);
extern Expression *parse_or(Parser *parser);

/* --- expression_reference.c --- */

extern Expression *parse_reference(Parser *parser);

#endif							/* PGWF_EXPRESSION_PARSER_H */

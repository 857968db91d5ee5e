/*-------------------------------------------------------------------------
 *
 * expression.c
 *	  Parses the expression language of definitions into trees.
 *
 * NOTES
 *	  Pure: no server calls beyond memory, runs in any process, takes no locks.
 *
 *	  Recursive descent, one function per kind of precedence level.  A function
 *	  that fails notes the first error in the parser and returns NULL; callers
 *	  pass NULL on.  Nesting is limited by EXPRESSION_MAX_DEPTH; chains of
 *	  operators do not nest but make high trees, which everything that walks a
 *	  tree recurses over, so the height is limited as well.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/expression.h"

#include "definition/expression_parser.h"

/* Longest piece of the source that an error message quotes, in bytes. */
#define MAX_QUOTED 40

/* Binary operators of one precedence level, all left associative. */
typedef struct Operator
{
	TokenKind	token;
	ExpressionKind kind;
} Operator;

typedef enum Level
{
	LEVEL_DEFAULT,
	LEVEL_SUM,
	LEVEL_PRODUCT,
	LEVEL_UNARY
} Level;

static const Operator level_operators[][4] =
{
	[LEVEL_DEFAULT] = {{TOKEN_DEFAULT, EXPR_DEFAULT}, {TOKEN_END, EXPR_NULL}},
	[LEVEL_SUM] = {{TOKEN_PLUS, EXPR_ADD}, {TOKEN_MINUS, EXPR_SUBTRACT},
	{TOKEN_END, EXPR_NULL}},
	[LEVEL_PRODUCT] = {{TOKEN_STAR, EXPR_MULTIPLY},
	{TOKEN_SLASH, EXPR_DIVIDE}, {TOKEN_PERCENT, EXPR_MODULO},
	{TOKEN_END, EXPR_NULL}}
};

static const Operator comparison_operators[] =
{
	{TOKEN_EQ, EXPR_EQ}, {TOKEN_NE, EXPR_NE}, {TOKEN_LT, EXPR_LT},
	{TOKEN_LE, EXPR_LE}, {TOKEN_GT, EXPR_GT}, {TOKEN_GE, EXPR_GE},
	{TOKEN_IN, EXPR_IN}, {TOKEN_CONTAINS, EXPR_CONTAINS}, {TOKEN_END, EXPR_NULL}
};

static Expression *parse_unary(Parser *parser);

/* Note an error unless there is one already.  Returns NULL for the caller. */
Expression *
parser_fail(Parser *parser, int position, char *message)
{
	if (!parser->failed)
	{
		parser->failed = true;
		parser->error->message = message;
		parser->error->position = position;
	}
	return NULL;
}

/* A piece of the source for a message, cut where it gets long. */
char *
parser_quote(const char *start, const char *end)
{
	int			length = end - start;

	if (length <= MAX_QUOTED)
		return psprintf("\"%.*s\"", length, start);
	length = MAX_QUOTED;
	while (length > 0 && (((unsigned char) start[length]) & 0xC0) == 0x80)
		length--;
	return psprintf("\"%.*s...\"", length, start);
}

void
parser_advance(Parser *parser)
{
	parser->previous_end = parser->token.end;
	lexer_next(&parser->lexer, &parser->token);
}

/* The current token does not belong here. */
Expression *
parser_unexpected(Parser *parser)
{
	const Token *token = &parser->token;

	if (token->kind == TOKEN_ERROR)
		return parser_fail(parser, parser->lexer.error_position,
						   parser->lexer.error);
	if (token->kind == TOKEN_END)
		return parser_fail(parser, token->position,
					pstrdup("unexpected end of expression"));
	return parser_fail(parser, token->position,
				psprintf("unexpected %s", parser_quote(token->start, token->end)));
}

/* Take the closing token or fail. */
bool
parser_expect(Parser *parser, TokenKind kind, const char *symbol, int opened_at)
{
	if (parser->token.kind == kind)
	{
		parser_advance(parser);
		return true;
	}
	if (parser->token.kind == TOKEN_END)
		parser_fail(parser, parser->token.position,
			 psprintf("\"%s\" is missing at the end of the expression, for what opened at character %d",
					  symbol, opened_at));
	else
		parser_unexpected(parser);
	return false;
}

Expression *
parser_make_node(ExpressionKind kind, int position)
{
	Expression *node = palloc0(sizeof(Expression));

	node->kind = kind;
	node->position = position;
	node->height = 1;
	return node;
}

/*
 * The node is now above the child: check the height.  Returns the node or NULL.
 */
Expression *
parser_raise_above(Parser *parser, Expression *node, const Expression *child)
{
	node->height = Max(node->height, child->height + 1);
	if (node->height > EXPRESSION_MAX_HEIGHT)
		return parser_fail(parser, node->position,
					psprintf("expression has more than %d operators in a row",
							 EXPRESSION_MAX_HEIGHT));
	return node;
}

/* left and right may be NULL after an error. */
static Expression *
make_binary(Parser *parser, ExpressionKind kind, int position,
			Expression *left, Expression *right)
{
	Expression *node;

	if (left == NULL || right == NULL)
		return NULL;
	node = parser_make_node(kind, position);
	node->left = left;
	node->right = right;
	if (parser_raise_above(parser, node, left) == NULL)
		return NULL;
	return parser_raise_above(parser, node, right);
}

static Expression *
make_unary(Parser *parser, ExpressionKind kind, int position,
		   Expression *operand)
{
	Expression *node;

	if (operand == NULL)
		return NULL;
	node = parser_make_node(kind, position);
	node->left = operand;
	return parser_raise_above(parser, node, operand);
}

/* Go one level down; false with an error when that is too deep. */
static bool
enter(Parser *parser)
{
	if (++parser->depth <= EXPRESSION_MAX_DEPTH)
		return true;
	parser_fail(parser, parser->token.position,
		 psprintf("expression is nested deeper than %d levels",
				  EXPRESSION_MAX_DEPTH));
	return false;
}

/* [a, b, ...]; the current token is the opening bracket. */
static Expression *
parse_array(Parser *parser)
{
	int			opened_at = parser->token.position;
	Expression *node = parser_make_node(EXPR_ARRAY, opened_at);
	int			allocated = 4;

	node->arguments = palloc(allocated * sizeof(Expression *));
	parser_advance(parser);
	while (parser->token.kind != TOKEN_BRACKET_CLOSE)
	{
		Expression *element;

		if (node->narguments > 0)
		{
			if (parser->token.kind != TOKEN_COMMA)
				break;
			parser_advance(parser);
		}
		element = parse_or(parser);
		if (element == NULL ||
			parser_raise_above(parser, node, element) == NULL)
			return NULL;
		if (node->narguments == allocated)
		{
			allocated *= 2;
			node->arguments = repalloc(node->arguments,
									   allocated * sizeof(Expression *));
		}
		node->arguments[node->narguments++] = element;
	}
	return parser_expect(parser, TOKEN_BRACKET_CLOSE, "]", opened_at) ? node :
																		NULL;
}

/* ${ expression }; the current token is the opening one. */
static Expression *
parse_braces(Parser *parser)
{
	int			opened_at = parser->token.position;
	Expression *inner;

	parser->lexer.dashes++;
	parser_advance(parser);
	inner = parse_or(parser);
	parser->lexer.dashes--;
	if (inner == NULL ||
		!parser_expect(parser, TOKEN_BRACE_CLOSE, "}", opened_at))
		return NULL;
	return inner;
}

static Expression *
parse_parentheses(Parser *parser)
{
	int			opened_at = parser->token.position;
	Expression *inner;

	parser_advance(parser);
	inner = parse_or(parser);
	if (inner == NULL ||
		!parser_expect(parser, TOKEN_PARENTHESIS_CLOSE, ")", opened_at))
		return NULL;
	return inner;
}

/* A name: a function when it is followed by "(", otherwise a reference. */
static Expression *
parse_name(Parser *parser)
{
	Token		name = parser->token;
	const char *p = name.end;

	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	if (*p != '(')
		return parse_reference(parser);
	if (name.end - name.start != 3 || strncmp(name.start, "len", 3) != 0)
		return parser_fail(parser, name.position,
					psprintf("there is no function %s, only \"len\"",
							 parser_quote(name.start, name.end)));
	parser_advance(parser);
	return make_unary(parser, EXPR_LENGTH, name.position,
					  parse_parentheses(parser));
}

static Expression *
parse_primary(Parser *parser)
{
	Expression *node;

	switch (parser->token.kind)
	{
		case TOKEN_NUMBER:
			node = parser_make_node(EXPR_NUMBER, parser->token.position);
			node->text = pnstrdup(parser->token.start,
								  parser->token.end - parser->token.start);
			break;
		case TOKEN_STRING:
			node = parser_make_node(EXPR_STRING, parser->token.position);
			node->text = parser->token.text;
			break;
		case TOKEN_TRUE:
		case TOKEN_FALSE:
			node = parser_make_node(EXPR_BOOLEAN, parser->token.position);
			node->boolean = (parser->token.kind == TOKEN_TRUE);
			break;
		case TOKEN_NULL:
			node = parser_make_node(EXPR_NULL, parser->token.position);
			break;
		case TOKEN_NAME:
			return parse_name(parser);
		case TOKEN_REFERENCE_OPEN:
			return parse_braces(parser);
		case TOKEN_PARENTHESIS_OPEN:
			return parse_parentheses(parser);
		case TOKEN_BRACKET_OPEN:
			return parse_array(parser);
		default:
			return parser_unexpected(parser);
	}
	parser_advance(parser);
	return node;
}

/* '-' unary | primary; a negative number becomes one literal. */
static Expression *
parse_unary(Parser *parser)
{
	Expression *node = NULL;

	if (!enter(parser))
		return NULL;
	if (parser->token.kind == TOKEN_MINUS)
	{
		int			position = parser->token.position;

		parser_advance(parser);
		node = parse_unary(parser);
		if (node != NULL && node->kind == EXPR_NUMBER && node->text[0] != '-')
		{
			node->text = psprintf("-%s", node->text);
			node->position = position;
		}
		else
			node = make_unary(parser, EXPR_NEGATE, position, node);
	}
	else
		node = parse_primary(parser);
	parser->depth--;
	return node;
}

/* The operator of the list that the current token is, or NULL. */
static const Operator *
find_operator(const Parser *parser, const Operator *operators)
{
	for (; operators->token != TOKEN_END; operators++)
	{
		if (operators->token == parser->token.kind)
			return operators;
	}
	return NULL;
}

/*
 * One level of left associative operators; the levels are few, so it recurses.
 */
static Expression *
parse_level(Parser *parser, Level level)
{
	Expression *left;
	const Operator *operator;

	if (level == LEVEL_UNARY)
		return parse_unary(parser);
	left = parse_level(parser, level + 1);
	while (left != NULL &&
		   (operator = find_operator(parser, level_operators[level])) != NULL)
	{
		int			position = parser->token.position;

		parser_advance(parser);
		left = make_binary(parser, operator->kind, position, left,
						   parse_level(parser, level + 1));
	}
	return left;
}

/* The comparison the current token begins; false when it begins none. */
static bool
take_comparison(Parser *parser, ExpressionKind *kind)
{
	const Operator *operator = find_operator(parser, comparison_operators);

	if (operator != NULL)
		*kind = operator->kind;
	else if (parser->token.kind == TOKEN_NOT)
	{
		Lexer		ahead = parser->lexer;
		Token		token;

		lexer_next(&ahead, &token);
		if (token.kind != TOKEN_IN)
			return false;
		parser_advance(parser);
		*kind = EXPR_NOT_IN;
	}
	else
		return false;
	parser_advance(parser);
	return true;
}

static Expression *
parse_comparison(Parser *parser)
{
	Expression *left = parse_level(parser, LEVEL_DEFAULT);
	ExpressionKind kind;
	int			position = parser->token.position;

	if (left == NULL || !take_comparison(parser, &kind))
		return left;
	left = make_binary(parser, kind, position, left,
					   parse_level(parser, LEVEL_DEFAULT));
	position = parser->token.position;
	if (left != NULL && take_comparison(parser, &kind))
		return parser_fail(parser, position,
					pstrdup("comparisons cannot be chained, use \"and\" or parentheses"));
	return left;
}

static Expression *
parse_not(Parser *parser)
{
	Expression *node;
	int			position = parser->token.position;

	if (parser->token.kind != TOKEN_NOT)
		return parse_comparison(parser);
	if (!enter(parser))
		return NULL;
	parser_advance(parser);
	node = make_unary(parser, EXPR_NOT, position, parse_not(parser));
	parser->depth--;
	return node;
}

static Expression *
parse_and(Parser *parser)
{
	Expression *left = parse_not(parser);

	while (left != NULL && parser->token.kind == TOKEN_AND)
	{
		int			position = parser->token.position;

		parser_advance(parser);
		left = make_binary(parser, EXPR_AND, position, left,
						   parse_not(parser));
	}
	return left;
}

Expression *
parse_or(Parser *parser)
{
	Expression *left = parse_and(parser);

	while (left != NULL && parser->token.kind == TOKEN_OR)
	{
		int			position = parser->token.position;

		parser_advance(parser);
		left = make_binary(parser, EXPR_OR, position, left,
						   parse_and(parser));
	}
	return left;
}

static void
start_parser(Parser *parser, const char *text, int position,
			 ExpressionError *error)
{
	memset(parser, 0, sizeof(*parser));
	parser->error = error;
	parser->previous_end = text;
	error->message = NULL;
	error->position = 0;
	lexer_start(&parser->lexer, text, position);
}

/*
 * Parse a whole condition.  Everything is allocated in the current memory
 * context; the text is not kept.
 */
Expression *
expression_parse(const char *text, ExpressionError *error)
{
	Parser		parser;
	Expression *expression;

	start_parser(&parser, text, 1, error);
	parser_advance(&parser);
	if (parser.token.kind == TOKEN_END)
		return parser_fail(&parser, 1, pstrdup("expression is empty"));
	expression = parse_or(&parser);
	if (expression != NULL && parser.token.kind != TOKEN_END)
		return parser_unexpected(&parser);
	return expression;
}

Expression *
expression_parse_embedded(const char *text, const char **end,
						  ExpressionError *error)
{
	return expression_parse_embedded_at(text, 1, end, error);
}

/*
 * Parse up to the "}" that closes what was opened in front of text, which
 * is not read past; *end is set behind it.
 */
Expression *
expression_parse_embedded_at(const char *text, int position, const char **end,
							 ExpressionError *error)
{
	Parser		parser;
	Expression *expression;

	start_parser(&parser, text, position, error);
	parser.lexer.dashes++;
	parser_advance(&parser);
	if (parser.token.kind == TOKEN_BRACE_CLOSE)
		return parser_fail(&parser, parser.token.position,
					pstrdup("\"${}\" is empty"));
	expression = parse_or(&parser);
	if (expression == NULL)
		return NULL;
	if (parser.token.kind == TOKEN_END)
		return parser_fail(&parser, parser.token.position,
					pstrdup("\"}\" is missing"));
	if (parser.token.kind != TOKEN_BRACE_CLOSE)
		return parser_unexpected(&parser);
	*end = parser.token.end;
	return expression;
}

/* Recursion is bounded by EXPRESSION_MAX_HEIGHT. */
void
expression_walk_references(Expression *expression, ReferenceVisitor visitor,
						   void *context)
{
	if (expression->reference != NULL)
	{
		Reference  *reference = expression->reference;

		visitor(reference, context);
		for (int i = 0; i < reference->nparts; i++)
		{
			if (reference->parts[i].subscript != NULL)
				expression_walk_references(reference->parts[i].subscript,
										   visitor, context);
		}
	}
	if (expression->left != NULL)
		expression_walk_references(expression->left, visitor, context);
	if (expression->right != NULL)
		expression_walk_references(expression->right, visitor, context);
	for (int i = 0; i < expression->narguments; i++)
		expression_walk_references(expression->arguments[i], visitor, context);
}

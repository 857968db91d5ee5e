/*-------------------------------------------------------------------------
 *
 * expression_lexer.c
 *	  Splits the text of an expression into tokens.
 *
 * NOTES
 *	  Pure: no server calls beyond memory, runs in any process, takes no locks.
 *
 *	  Bytes above 127 are letters, as in PostgreSQL's own scanner; all server
 *	  encodings leave the ASCII bytes alone.  Positions count characters on the
 *	  assumption of UTF-8: a continuation byte is not one.
 *
 *	  Inside ${...} and subscripts '-' joins names ("step-a"), so that a minus
 *	  there needs a space on one side at least.  Step ids may begin with a
 *	  digit, hence scan_digits().
 *
 *-------------------------------------------------------------------------
 */
#include "definition/expression_parser.h"

#ifndef FRONTEND
#include "mb/pg_wchar.h"
#endif

/*
 * A numeric could take more, but a number beyond these would be an error of
 * the input function, and the evaluator must not raise one.
 */
#define MAX_NUMBER_LENGTH 1000
#define MAX_NUMBER_EXPONENT 1000

static const struct
{
	const char *name;
	TokenKind	kind;
}			keywords[] =
{
	{"and", TOKEN_AND},
	{"or", TOKEN_OR},
	{"not", TOKEN_NOT},
	{"in", TOKEN_IN},
	{"contains", TOKEN_CONTAINS},
	{"true", TOKEN_TRUE},
	{"false", TOKEN_FALSE},
	{"null", TOKEN_NULL}
};

/* Longest first, so that a prefix does not win. */
static const struct
{
	const char *symbol;
	TokenKind	kind;
}			symbols[] =
{
	{"${", TOKEN_REFERENCE_OPEN},
	{"==", TOKEN_EQ},
	{"!=", TOKEN_NE},
	{"<=", TOKEN_LE},
	{">=", TOKEN_GE},
	{"??", TOKEN_DEFAULT},
	{"<", TOKEN_LT},
	{">", TOKEN_GT},
	{"+", TOKEN_PLUS},
	{"-", TOKEN_MINUS},
	{"*", TOKEN_STAR},
	{"/", TOKEN_SLASH},
	{"%", TOKEN_PERCENT},
	{"(", TOKEN_PARENTHESIS_OPEN},
	{")", TOKEN_PARENTHESIS_CLOSE},
	{"[", TOKEN_BRACKET_OPEN},
	{"]", TOKEN_BRACKET_CLOSE},
	{"}", TOKEN_BRACE_CLOSE},
	{",", TOKEN_COMMA},
	{".", TOKEN_DOT}
};

/* What people write instead, and what to say then. */
static const struct
{
	const char *symbol;
	const char *advice;
}			mistakes[] =
{
	{"=", "unexpected \"=\", use \"==\" to compare"},
	{"<>", "unexpected \"<>\", use \"!=\""},
	{"&&", "unexpected \"&&\", use \"and\""},
	{"||", "unexpected \"||\", use \"or\", or \"+\" to concatenate"},
	{"!", "unexpected \"!\", use \"not\""}
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
		((unsigned char) c) >= 128;
}

static bool
is_name_character(char c)
{
	return is_letter(c) || is_digit(c);
}

/*
 * Begin with a text whose first character has the given position in the source
 * the errors are about.
 */
void
lexer_start(Lexer *lexer, const char *text, int position)
{
	lexer->next = text;
	lexer->dashes = 0;
	lexer->error = NULL;
	lexer->error_position = 0;
	lexer->counted = text;
	lexer->position = position;
}

/* Position of a place that is not before the one asked for last. */
static int
position_of(Lexer *lexer, const char *place)
{
	for (; lexer->counted < place; lexer->counted++)
	{
		/* the step onto a continuation byte is no step */
		if ((((unsigned char) lexer->counted[1]) & 0xC0) != 0x80)
			lexer->position++;
	}
	return lexer->position;
}

static void
lexer_error(Lexer *lexer, Token *token, const char *place, char *message)
{
	token->kind = TOKEN_ERROR;
	lexer->error = message;
	lexer->error_position = position_of(lexer, place);
}

/*
 * End of the name that begins at p.  Dashes are of it when it goes on behind
 * them, or has its member there.
 */
static const char *
scan_name(const Lexer *lexer, const char *p)
{
	for (;;)
	{
		const char *behind;

		while (is_name_character(*p))
			p++;
		behind = p;
		while (*behind == '-' && lexer->dashes > 0)
			behind++;
		if (behind == p || !(is_name_character(*behind) || *behind == '.'))
			return p;
		p = behind;
	}
}

/* End of the number that begins at p; *exponent is its exponent, clipped. */
static const char *
scan_number(const char *p, int *exponent)
{
	*exponent = 0;
	while (is_digit(*p))
		p++;
	if (*p == '.' && is_digit(p[1]))
	{
		p++;
		while (is_digit(*p))
			p++;
	}
	if (*p == 'e' || *p == 'E')
	{
		const char *e = p + 1;

		if (*e == '+' || *e == '-')
			e++;
		if (is_digit(*e))
		{
			for (; is_digit(*e); e++)
			{
				if (*exponent <= MAX_NUMBER_EXPONENT)
					*exponent = *exponent * 10 + (*e - '0');
			}
			p = e;
		}
	}
	return p;
}

/*
 * A token that begins with a digit: a number, or the id of a step when what
 * follows the digits makes no sense for a number ("2nd-check", "3.output").
 */
static void
scan_digits(Lexer *lexer, Token *token)
{
	int			exponent;
	const char *name_end = scan_name(lexer, token->start);
	const char *number_end = scan_number(token->start, &exponent);
	bool		name = false;

	if (*name_end == '.' && is_letter(name_end[1]))
		name = true;
	else
	{
		for (const char *p = number_end; p < name_end && !name; p++)
			name = is_letter(*p);
	}

	token->kind = name ? TOKEN_NAME : TOKEN_NUMBER;
	token->end = name ? name_end : number_end;
	lexer->next = token->end;
	if (!name && (exponent > MAX_NUMBER_EXPONENT ||
				  token->end - token->start > MAX_NUMBER_LENGTH))
		lexer_error(lexer, token, token->start,
					pstrdup("number is out of range"));
}

/* Four hexadecimal digits; false when they are not there. */
static bool
scan_hexadecimal(const char *p, uint32 *code)
{
	*code = 0;
	for (int i = 0; i < 4; i++)
	{
		char		c = p[i];

		if (is_digit(c))
			*code = *code * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			*code = *code * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			*code = *code * 16 + (c - 'A' + 10);
		else
			return false;
	}
	return true;
}

static void
append_code_point(StringInfo value, uint32 code)
{
	if (code < 0x80)
		appendStringInfoChar(value, (char) code);
	else if (code < 0x800)
	{
		appendStringInfoChar(value, (char) (0xC0 | (code >> 6)));
		appendStringInfoChar(value, (char) (0x80 | (code & 0x3F)));
	}
	else if (code < 0x10000)
	{
		appendStringInfoChar(value, (char) (0xE0 | (code >> 12)));
		appendStringInfoChar(value, (char) (0x80 | ((code >> 6) & 0x3F)));
		appendStringInfoChar(value, (char) (0x80 | (code & 0x3F)));
	}
	else
	{
		appendStringInfoChar(value, (char) (0xF0 | (code >> 18)));
		appendStringInfoChar(value, (char) (0x80 | ((code >> 12) & 0x3F)));
		appendStringInfoChar(value, (char) (0x80 | ((code >> 6) & 0x3F)));
		appendStringInfoChar(value, (char) (0x80 | (code & 0x3F)));
	}
}

/*
 * The \u escape whose 'u' is at p, surrogate pairs included.  Returns the place
 * behind it, or NULL and *message.
 */
static const char *
scan_unicode_escape(StringInfo value, const char *p, char **message)
{
	uint32		code;
	uint32		low;

	p++;
	if (!scan_hexadecimal(p, &code))
	{
		*message = pstrdup("\\u must be followed by four hexadecimal digits");
		return NULL;
	}
	p += 4;
	if (code >= 0xD800 && code <= 0xDBFF && p[0] == '\\' && p[1] == 'u' &&
		scan_hexadecimal(p + 2, &low) && low >= 0xDC00 && low <= 0xDFFF)
	{
		code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
		p += 6;
	}
	if (code == 0 || (code >= 0xD800 && code <= 0xDFFF))
	{
		*message = pstrdup(code == 0 ? "\\u0000 cannot be converted to text" :
						   "unicode surrogate without its other half");
		return NULL;
	}
#ifndef FRONTEND
	if (code >= 0x80 && GetDatabaseEncoding() != PG_UTF8)
	{
		*message = pstrdup("unicode escapes above \\u007f need a database with encoding UTF8");
		return NULL;
	}
#endif
	append_code_point(value, code);
	return p;
}

/* A string in single or double quotes. */
static void
scan_string(Lexer *lexer, Token *token)
{
	StringInfoData value;
	char		quote = *token->start;
	const char *p = token->start + 1;

	initStringInfo(&value);
	while (*p != quote)
	{
		const char *escape;

		if (*p == '\0')
		{
			lexer_error(lexer, token, token->start,
						pstrdup("unterminated string"));
			return;
		}
		if (*p != '\\')
		{
			appendStringInfoChar(&value, *p++);
			continue;
		}

		escape = p++;
		switch (*p)
		{
			case 'b':
				appendStringInfoChar(&value, '\b');
				break;
			case 'f':
				appendStringInfoChar(&value, '\f');
				break;
			case 'n':
				appendStringInfoChar(&value, '\n');
				break;
			case 'r':
				appendStringInfoChar(&value, '\r');
				break;
			case 't':
				appendStringInfoChar(&value, '\t');
				break;
			case '\\':
			case '/':
			case '\'':
			case '"':
				appendStringInfoChar(&value, *p);
				break;
			case 'u':
				{
					char	   *message;

					p = scan_unicode_escape(&value, p, &message);
					if (p == NULL)
					{
						lexer_error(lexer, token, escape, message);
						return;
					}
					continue;
				}
			default:
				lexer_error(lexer, token, escape,
							pstrdup("invalid escape in a string"));
				return;
		}
		p++;
	}

	token->kind = TOKEN_STRING;
	token->text = value.data;
	token->end = p + 1;
	lexer->next = token->end;
}

/* An operator or a bracket, or what should have been one. */
static void
scan_symbol(Lexer *lexer, Token *token)
{
	const char *p = token->start;
	int			length = 1;

	for (size_t i = 0; i < lengthof(mistakes); i++)
	{
		size_t		size = strlen(mistakes[i].symbol);

		/* "==" and "!=" are none */
		if (strncmp(p, mistakes[i].symbol, size) == 0 && p[size] != '=')
		{
			lexer_error(lexer, token, p, pstrdup(mistakes[i].advice));
			return;
		}
	}
	for (size_t i = 0; i < lengthof(symbols); i++)
	{
		size_t		size = strlen(symbols[i].symbol);

		if (strncmp(p, symbols[i].symbol, size) == 0)
		{
			token->kind = symbols[i].kind;
			token->end = p + size;
			lexer->next = token->end;
			return;
		}
	}

	while ((((unsigned char) p[length]) & 0xC0) == 0x80)
		length++;
	lexer_error(lexer, token, p, psprintf("unexpected \"%.*s\"", length, p));
}

/* Skip blanks and note where the token begins. */
static void
begin_token(Lexer *lexer, Token *token)
{
	const char *p = lexer->next;

	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	token->kind = TOKEN_END;
	token->start = p;
	token->end = p;
	token->position = position_of(lexer, p);
	token->text = NULL;
	lexer->next = p;
}

/*
 * The next token.  With TOKEN_ERROR lexer->error and lexer->error_position are
 * set and nothing more can be read.
 */
void
lexer_next(Lexer *lexer, Token *token)
{
	begin_token(lexer, token);
	if (*token->start == '\0')
		return;
	if (*token->start == '\'' || *token->start == '"')
		scan_string(lexer, token);
	else if (is_digit(*token->start))
		scan_digits(lexer, token);
	else if (is_letter(*token->start))
	{
		size_t		length;

		token->kind = TOKEN_NAME;
		token->end = scan_name(lexer, token->start);
		lexer->next = token->end;
		length = token->end - token->start;
		for (size_t i = 0; i < lengthof(keywords); i++)
		{
			if (strlen(keywords[i].name) == length &&
				memcmp(keywords[i].name, token->start, length) == 0)
				token->kind = keywords[i].kind;
		}
	}
	else
		scan_symbol(lexer, token);
}

void
lexer_next_member(Lexer *lexer, Token *token)
{
	begin_token(lexer, token);
	if (is_name_character(*token->start))
	{
		token->kind = TOKEN_NAME;
		token->end = scan_name(lexer, token->start);
		lexer->next = token->end;
	}
	else
		lexer_next(lexer, token);
}

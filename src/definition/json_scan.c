/*-------------------------------------------------------------------------
 *
 * json_scan.c
 *	  Checks the text of a JSON document and prepares it for cJSON.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Does not recurse, so that
 *	  the depth of a hostile document is known before anything recurses.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/json_scan.h"

#include "definition/json.h"

/* What the scanner expects next. */
typedef enum Expecting
{
	EXPECT_VALUE,
	EXPECT_VALUE_OR_END,		/* behind "[" */
	EXPECT_KEY,					/* behind "," in an object */
	EXPECT_KEY_OR_END,			/* behind "{" */
	EXPECT_COLON,
	EXPECT_COMMA_OR_END,
	EXPECT_NOTHING				/* behind the document */
} Expecting;

typedef struct Scanner
{
	const char *text;
	const char *at;
	StringInfo	out;
	char		open[JSON_MAX_DEPTH];	/* '[' or '{' */
	int			depth;
	int			values;
	char	   *message;
} Scanner;

char *
json_too_many_values(void)
{
	return psprintf("the JSON document has more than %d values",
					JSON_MAX_VALUES);
}

char *
json_too_deep(void)
{
	return psprintf("the JSON document is nested more than %d levels deep", JSON_MAX_DEPTH);
}

/*
 * Note what is wrong at the current place; always false.
 */
static bool
scan_error(Scanner *scanner, const char *what)
{
	scanner->message = psprintf("invalid JSON: %s at byte %d", what,
								(int) (scanner->at - scanner->text) + 1);
	return false;
}

/*
 * Value of the four hex digits at a place, -1 when they are not that.
 */
static int
hex4(const char *at)
{
	int			value = 0;

	for (int i = 0; i < 4; i++)
	{
		char		c = at[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			value = value * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return value;
}

/*
 * Check the escape sequence that begins at the current place and step over it.
 */
static bool
scan_escape(Scanner *scanner)
{
	int			code;

	if (scanner->at[1] != 'u')
	{
		if (scanner->at[1] == '\0' ||
			strchr("\"\\/bfnrt", scanner->at[1]) == NULL)
			return scan_error(scanner, "unknown escape sequence");
		scanner->at += 2;
		return true;
	}
	code = hex4(scanner->at + 2);
	if (code < 0)
		return scan_error(scanner, "\"\\u\" needs four hexadecimal digits");
	if (code == 0)
		return scan_error(scanner, "\\u0000 is not supported");
	if (code >= 0xDC00 && code <= 0xDFFF)
		return scan_error(scanner, "low surrogate without a high one");
	if (code >= 0xD800 && code <= 0xDBFF)
	{
		int			low = -1;

		if (scanner->at[6] == '\\' && scanner->at[7] == 'u')
			low = hex4(scanner->at + 8);
		if (low < 0xDC00 || low > 0xDFFF)
			return scan_error(scanner, "high surrogate without a low one");
		scanner->at += 6;
	}
	scanner->at += 6;
	return true;
}

/*
 * Copy the string at the current place; is_value says that it is not a key.
 */
static bool
scan_string(Scanner *scanner, bool is_value)
{
	const char *start = scanner->at++;

	while (*scanner->at != '"')
	{
		if (*scanner->at == '\\')
		{
			if (!scan_escape(scanner))
				return false;
		}
		else if (*scanner->at == '\0')
			return scan_error(scanner, "string without an end");
		else if ((unsigned char) *scanner->at < 0x20)
			return scan_error(scanner, "control character in a string");
		else
			scanner->at++;
	}
	scanner->at++;

	appendStringInfoChar(scanner->out, '"');
	if (is_value && (strncmp(start, "\"\\u0001", 7) == 0 ||
					 strncmp(start, "\"\\u0002", 7) == 0))
		appendStringInfoChar(scanner->out, JSON_STRING_MARK);
	appendBinaryStringInfo(scanner->out, start + 1, scanner->at - start - 1);
	return true;
}

/*
 * Step over digits; false when there is none.
 */
static bool
scan_digits(Scanner *scanner)
{
	const char *start = scanner->at;

	while (*scanner->at >= '0' && *scanner->at <= '9')
		scanner->at++;
	return scanner->at > start;
}

/*
 * Copy the number at the current place as a marked string.
 */
static bool
scan_number(Scanner *scanner)
{
	const char *start = scanner->at;

	if (*scanner->at == '-')
		scanner->at++;
	if (*scanner->at == '0')
		scanner->at++;
	else if (!scan_digits(scanner))
		return scan_error(scanner, "number without digits");
	if (*scanner->at == '.')
	{
		scanner->at++;
		if (!scan_digits(scanner))
			return scan_error(scanner,
							  "number without digits behind the point");
	}
	if (*scanner->at == 'e' || *scanner->at == 'E')
	{
		scanner->at++;
		if (*scanner->at == '+' || *scanner->at == '-')
			scanner->at++;
		if (!scan_digits(scanner))
			return scan_error(scanner, "number without digits in the exponent");
	}
	appendStringInfoChar(scanner->out, '"');
	appendStringInfoChar(scanner->out, JSON_NUMBER_MARK);
	appendBinaryStringInfo(scanner->out, start, scanner->at - start);
	appendStringInfoChar(scanner->out, '"');
	return true;
}

/*
 * Copy one of the three words, if it is there.
 */
static bool
scan_word(Scanner *scanner)
{
	static const char *const words[] = {"true", "false", "null"};

	for (int i = 0; i < 3; i++)
	{
		size_t		length = strlen(words[i]);

		if (strncmp(scanner->at, words[i], length) == 0)
		{
			appendStringInfoString(scanner->out, words[i]);
			scanner->at += length;
			return true;
		}
	}
	return scan_error(scanner, "unexpected character");
}

/*
 * What follows a complete value.
 */
static Expecting
behind_value(const Scanner *scanner)
{
	return scanner->depth > 0 ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
}

/*
 * Copy a value, or the beginning of an array or object.
 */
static bool
scan_value(Scanner *scanner, Expecting *expecting)
{
	char		c = *scanner->at;
	bool		ok = true;

	if (++scanner->values > JSON_MAX_VALUES)
	{
		scanner->message = json_too_many_values();
		return false;
	}
	if (c == '{' || c == '[')
	{
		if (scanner->depth == JSON_MAX_DEPTH)
		{
			scanner->message = json_too_deep();
			return false;
		}
		scanner->open[scanner->depth++] = c;
		appendStringInfoChar(scanner->out, c);
		scanner->at++;
		*expecting = c == '{' ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
		return true;
	}
	if (c == '"')
		ok = scan_string(scanner, true);
	else if (c == '-' || (c >= '0' && c <= '9'))
		ok = scan_number(scanner);
	else if (c == '\0')
		return scan_error(scanner, "unexpected end");
	else
		ok = scan_word(scanner);
	*expecting = behind_value(scanner);
	return ok;
}

/*
 * Copy the end of the innermost array or object.
 */
static bool
scan_end(Scanner *scanner, Expecting *expecting)
{
	char		c = *scanner->at;
	char		open = scanner->depth > 0 ? scanner->open[scanner->depth - 1] : '\0';

	if (c == '\0')
		return scan_error(scanner, "unexpected end");
	if ((open == '{' && c != '}') || (open == '[' && c != ']'))
		return scan_error(scanner, open == '{' ? "expected \",\" or \"}\"" :
						  "expected \",\" or \"]\"");
	scanner->depth--;
	scanner->at++;
	appendStringInfoChar(scanner->out, c);
	*expecting = behind_value(scanner);
	return true;
}

/*
 * Check the whole text and make the copy that cJSON is given.
 */
static bool
scan_document(Scanner *scanner)
{
	Expecting	expecting = EXPECT_VALUE;
	bool		ok = true;

	while (ok)
	{
		char		c;

		while (*scanner->at == ' ' || *scanner->at == '\t' ||
			   *scanner->at == '\n' || *scanner->at == '\r')
			scanner->at++;
		c = *scanner->at;

		switch (expecting)
		{
			case EXPECT_VALUE_OR_END:
				if (c == ']')
					ok = scan_end(scanner, &expecting);
				else
					ok = scan_value(scanner, &expecting);
				break;
			case EXPECT_VALUE:
				ok = scan_value(scanner, &expecting);
				break;
			case EXPECT_KEY_OR_END:
				if (c == '}')
				{
					ok = scan_end(scanner, &expecting);
					break;
				}
				/* FALLTHROUGH */
			case EXPECT_KEY:
				if (c != '"')
					ok = scan_error(scanner, "expected a key");
				else
					ok = scan_string(scanner, false);
				expecting = EXPECT_COLON;
				break;
			case EXPECT_COLON:
				if (c != ':')
					return scan_error(scanner, "expected \":\"");
				appendStringInfoChar(scanner->out, c);
				scanner->at++;
				expecting = EXPECT_VALUE;
				break;
			case EXPECT_COMMA_OR_END:
				if (c != ',')
				{
					ok = scan_end(scanner, &expecting);
					break;
				}
				appendStringInfoChar(scanner->out, c);
				scanner->at++;
				expecting = scanner->open[scanner->depth - 1] == '{' ?
					EXPECT_KEY : EXPECT_VALUE;
				break;
			case EXPECT_NOTHING:
				if (c != '\0')
					return scan_error(scanner,
									  "text behind the end of the document");
				return true;
		}
	}
	return false;
}

/*
 * Check a document and append the copy that cJSON is given.  NULL, or why the
 * text is not acceptable.
 */
char *
json_scan(const char *text, StringInfo out)
{
	Scanner		scanner;

	memset(&scanner, 0, sizeof(scanner));
	scanner.text = scanner.at = text;
	scanner.out = out;
	return scan_document(&scanner) ? NULL : scanner.message;
}

/*-------------------------------------------------------------------------
 *
 * json_print.c
 *	  JSON values as text.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Works on json.h alone.
 *	  Recursion is bounded by JSON_MAX_DEPTH.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/json.h"

/*
 * Append a string with quotes and escapes.
 */
void
json_append_string(StringInfo out, const char *string)
{
	const char *plain = string;

	appendStringInfoChar(out, '"');
	for (const char *c = string;; c++)
	{
		if (*c != '"' && *c != '\\' && (unsigned char) *c >= 0x20)
			continue;

		/* What needs no escape is copied in one piece. */
		appendBinaryStringInfo(out, plain, c - plain);
		plain = c + 1;
		switch (*c)
		{
			case '\0':
				appendStringInfoChar(out, '"');
				return;
			case '"':
				appendStringInfoString(out, "\\\"");
				break;
			case '\\':
				appendStringInfoString(out, "\\\\");
				break;
			case '\n':
				appendStringInfoString(out, "\\n");
				break;
			case '\t':
				appendStringInfoString(out, "\\t");
				break;
			case '\r':
				appendStringInfoString(out, "\\r");
				break;
			default:
				appendStringInfo(out, "\\u%04x", (unsigned char) *c);
				break;
		}
	}
}

/*
 * Append an array or object with everything inside.
 */
static void
append_collection(StringInfo out, const Json *value, bool is_object)
{
	const char *separator = "";

	appendStringInfoChar(out, is_object ? '{' : '[');
	for (const Json *item = json_first(value); item != NULL;
		 item = json_next(item))
	{
		appendStringInfoString(out, separator);
		separator = ",";
		if (is_object)
		{
			json_append_string(out, json_key(item));
			appendStringInfoChar(out, ':');
		}
		json_append(out, item);
	}
	appendStringInfoChar(out, is_object ? '}' : ']');
}

/*
 * Append a value as compact JSON text, numbers as they were.
 */
void
json_append(StringInfo out, const Json *value)
{
	switch (json_kind(value))
	{
		case JSON_NULL:
			appendStringInfoString(out, "null");
			break;
		case JSON_BOOLEAN:
			appendStringInfoString(out, json_boolean(value) ? "true" : "false");
			break;
		case JSON_NUMBER:
			appendStringInfoString(out, json_number_text(value));
			break;
		case JSON_STRING:
			json_append_string(out, json_string(value));
			break;
		case JSON_ARRAY:
		case JSON_OBJECT:
			append_collection(out, value, json_kind(value) == JSON_OBJECT);
			break;
	}
}

/*
 * The value as compact JSON text.
 */
char *
json_print(const Json *value)
{
	StringInfoData out;

	initStringInfo(&out);
	json_append(&out, value);
	return out.data;
}

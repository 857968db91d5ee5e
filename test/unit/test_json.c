/*-------------------------------------------------------------------------
 *
 * test_json.c
 *	  Unit tests of JSON documents: what comes in comes out, and what is no
 *	  JSON, too deep or too large is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/json.h"

#include "documents.h"

/* Parsed and printed, the document is this. */
static void
round_trip(const char *document, const char *expected)
{
	char	   *message;
	Json	   *json = json_parse(document, &message);
	char	   *printed = json != NULL ? json_print(json) : message;

	CHECK(strcmp(printed, expected) == 0, "%s", expected);
	if (strcmp(printed, expected) != 0)
		printf("# %s\n", printed);
	if (json != NULL)
		json_free(json);
}

static void
refused(const char *name, const char *document, const char *expected)
{
	char	   *message = NULL;
	Json	   *json = json_parse(document, &message);

	CHECK(json == NULL && strcmp(message, expected) == 0, "%s", name);
	if (message != NULL && strcmp(message, expected) != 0)
		printf("# %s\n", message);
}

static void
integer(const char *number, bool valid, int64 expected)
{
	char	   *message;
	Json	   *json = json_parse(number, &message);
	int64		value = 0;

	CHECK(json_integer(json, &value) == valid && (!valid || value == expected),
		  "integer %s", number);
}

/* count times a text, between two others */
static char *
repeated(const char *before, const char *text, int count, const char *after)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, before);
	for (int i = 0; i < count; i++)
		appendStringInfoString(&out, text);
	appendStringInfoString(&out, after);
	return out.data;
}

static void
test_values(void)
{
	round_trip("{\"a\" : [1, 2.50,\ttrue , null, \"x\"],\n\"b\":{}}",
			   "{\"a\":[1,2.50,true,null,\"x\"],\"b\":{}}");
	round_trip("[]", "[]");
	round_trip(" \"\" ", "\"\"");
	round_trip("9007199254740993", "9007199254740993");
	round_trip("[-0, 0.1, 1e400, 1E-5, 123456789012345678901234567890.123456789]",
			   "[-0,0.1,1e400,1E-5,123456789012345678901234567890.123456789]");
	round_trip("\"a\\\"b\\\\c\\/d\\n\\t\\r\\b\\f\"", "\"a\\\"b\\\\c/d\\n\\t\\r\\u0008\\u000c\"");
	round_trip("\"\\u00e9\\ud83d\\ude00\"", "\"\303\251\360\237\230\200\"");
	round_trip("\"\\u0001\\u0002\"", "\"\\u0001\\u0002\"");
	round_trip("[\"\\u00011\", \"\\u0002x\", 1]", "[\"\\u00011\",\"\\u0002x\",1]");
	round_trip("{\"\\u0001\": \"\\u0001\"}", "{\"\\u0001\":\"\\u0001\"}");

	integer("0", true, 0);
	integer("-7", true, -7);
	integer("9223372036854775807", true, PG_INT64_MAX);
	integer("-9223372036854775808", true, PG_INT64_MIN);
	integer("9223372036854775808", false, 0);
	integer("-9223372036854775809", false, 0);
	integer("99999999999999999999999999", false, 0);
	integer("1.0", false, 0);
	integer("1e2", false, 0);
	integer("\"1\"", false, 0);
	integer("null", false, 0);
}

static void
test_access(void)
{
	char	   *message;
	Json	   *json = json_parse("{\"a\": 1, \"A\": \"two\", \"b\": [true, {}]}", &message);
	const Json *b = json_get(json, "b");

	CHECK(json_count(json) == 3, "members are counted");
	CHECK(json_kind(json_get(json, "a")) == JSON_NUMBER, "a number is a number");
	CHECK(strcmp(json_string(json_get(json, "A")), "two") == 0, "keys are case sensitive");
	CHECK(json_get(json, "c") == NULL, "a missing member");
	CHECK(json_get(b, "a") == NULL, "a member of an array");
	CHECK(json_boolean(json_first(b)), "first element");
	CHECK(strcmp(json_kind_name(json_next(json_first(b))), "an object") == 0, "second element");
	CHECK(json_next(json_next(json_first(b))) == NULL, "end of an array");
	CHECK(strcmp(json_key(b), "b") == 0, "key of a member");
	json_free(json);
}

static void
test_refused(void)
{
	refused("empty text", "", "invalid JSON: unexpected end at byte 1");
	refused("blank text", " \n", "invalid JSON: unexpected end at byte 3");
	refused("a word", "yes", "invalid JSON: unexpected character at byte 1");
	refused("two values", "1 2", "invalid JSON: text behind the end of the document at byte 3");
	refused("array without end", "[1", "invalid JSON: unexpected end at byte 3");
	refused("object without end", "{\"a\":1", "invalid JSON: unexpected end at byte 7");
	refused("wrong end of an array", "[1}", "invalid JSON: expected \",\" or \"]\" at byte 3");
	refused("wrong end of an object", "{\"a\":1]", "invalid JSON: expected \",\" or \"}\" at byte 7");
	refused("comma at the end of an array", "[1,]", "invalid JSON: unexpected character at byte 4");
	refused("comma at the end of an object", "{\"a\":1,}", "invalid JSON: expected a key at byte 8");
	refused("key without value", "{\"a\"}", "invalid JSON: expected \":\" at byte 5");
	refused("key that is no string", "{1:2}", "invalid JSON: expected a key at byte 2");
	refused("string without end", "\"abc", "invalid JSON: string without an end at byte 5");
	refused("line break in a string", "\"a\nb\"", "invalid JSON: control character in a string at byte 3");
	refused("backslash at the end", "\"a\\", "invalid JSON: unknown escape sequence at byte 3");
	refused("unknown escape", "\"\\x\"", "invalid JSON: unknown escape sequence at byte 2");
	refused("\\u0000", "\"a\\u0000\"", "invalid JSON: \\u0000 is not supported at byte 3");
	refused("short \\u", "\"\\u12\"", "invalid JSON: \"\\u\" needs four hexadecimal digits at byte 2");
	refused("high surrogate alone", "\"\\ud800x\"", "invalid JSON: high surrogate without a low one at byte 2");
	refused("low surrogate alone", "\"\\udc00\"", "invalid JSON: low surrogate without a high one at byte 2");
	refused("number with a leading zero", "01", "invalid JSON: text behind the end of the document at byte 2");
	refused("number without digits", "-", "invalid JSON: number without digits at byte 2");
	refused("number without fraction", "1.", "invalid JSON: number without digits behind the point at byte 3");
	refused("number without exponent", "1e+", "invalid JSON: number without digits in the exponent at byte 4");
	refused("number with a plus", "+1", "invalid JSON: unexpected character at byte 1");
	refused("comment", "/* */ 1", "invalid JSON: unexpected character at byte 1");
}

static void
test_limits(void)
{
	char	   *message;
	char	   *text = repeated("", "[", JSON_MAX_DEPTH, "");
	Json	   *json;

	json = json_parse(repeated(text, "]", JSON_MAX_DEPTH, ""), &message);
	CHECK(json != NULL, "as deep as is allowed");
	json_free(json);
	refused("one level deeper", repeated("[", "[", JSON_MAX_DEPTH, "1"),
			"the JSON document is nested more than 200 levels deep");
	refused("a million levels", repeated("", "{\"a\":", 1000000, ""),
			"the JSON document is nested more than 200 levels deep");
	refused("too many values", repeated("[0", ",0", JSON_MAX_VALUES, "]"),
			"the JSON document has more than 1000000 values");
	refused("too large", repeated("\"", "0123456789", 3500000, "\""),
			"the JSON document is larger than 32 MB");

	json = json_parse(repeated("\"", "0123456789", 1024 * 1024, "\""), &message);
	CHECK(json != NULL && strlen(json_string(json)) == 10 * 1024 * 1024, "a string of 10 MB");
	json_free(json);

	json = json_parse(repeated("", "9", 10 * 1024 * 1024, ""), &message);
	CHECK(json != NULL && strlen(json_number_text(json)) == 10 * 1024 * 1024,
		  "a number of 10 MB");
	json_free(json);

	json = json_parse(repeated("{\"a\":0", ",\"a\":1", 100000, "}"), &message);
	CHECK(json != NULL && json_count(json) == 100001, "very many members");
	json_free(json);
}

/* A tree that is made, and shares with one that was read. */
static void
test_made(void)
{
	char	   *message;
	Json	   *given = json_parse("{\"a\": [1, {\"b\": \"\\u0001x\"}], \"c\": \"d\"}", &message);
	Json	   *made = json_new_object();
	Json	   *list = json_new_array();
	Json	   *name = json_new_string("");
	Json	   *shared = json_share(json_get(given, "c"));
	Json	   *deep = json_new_string("x");
	char	   *printed;

	json_add(made, "name", name);
	json_add(made, "list", list);
	json_add(list, NULL, json_share(json_get(given, "a")));
	json_add(list, NULL, json_new_null());
	json_add(list, NULL, json_new_object());
	json_add(made, "c", shared);
	json_set_string(name, "\001 no number");
	json_wrap(shared, "next");
	printed = json_print(made);
	CHECK(strcmp(printed, "{\"name\":\"\\u0001 no number\",\"list\":[[1,{\"b\":\"\\u0001x\"}],null,{}],\"c\":{\"next\":\"d\"}}") == 0,
		  "a tree that is made");
	printf("# %s\n", printed);
	CHECK(json_count(list) == 3 && json_get(made, "c") == shared && json_tree_complaint(made) == NULL,
		  "it is as one that was read");
	json_free(made);
	printed = json_print(given);
	CHECK(strcmp(printed, "{\"a\":[1,{\"b\":\"\\u0001x\"}],\"c\":\"d\"}") == 0, "what it has shared is as it was");
	json_free(given);

	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		json_wrap(deep, "x");
	CHECK(json_tree_complaint(deep) == NULL, "made as deep as is allowed");
	json_wrap(deep, "x");
	message = json_tree_complaint(deep);
	CHECK(message != NULL && strcmp(message, "the JSON document is nested more than 200 levels deep") == 0,
		  "made one level deeper");
	json_free(deep);
}

int
main(void)
{
	test_values();
	test_access();
	test_refused();
	test_limits();
	test_made();
	return done_testing();
}

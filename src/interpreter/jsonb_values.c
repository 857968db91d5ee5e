/*-------------------------------------------------------------------------
 *
 * jsonb_values.c
 *	  jsonb values: making them, taking them apart, comparing them.
 *
 * NOTES
 *	  Runs in any process that has a memory context; needs no transaction, reads
 *	  no catalog, takes no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "interpreter/evaluate.h"
#include "interpreter/jsonb_values.h"

/*
 * JSON text can be larger than the packed form it comes from: escapes take up
 * to six bytes.  Containers beyond this are not put into a text.
 */
#define MAX_CONTAINER_IN_TEXT (MaxAllocSize / 8)

/* See the header on what a value is. */
void
value_from_jsonb(Jsonb *jsonb, JsonbValue *value)
{
	if (JB_ROOT_IS_SCALAR(jsonb))
		(void) JsonbExtractScalar(&jsonb->root, value);
	else
	{
		value->type = jbvBinary;
		value->val.binary.data = &jsonb->root;
		value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	}
}

/* How much room the value takes in a jsonb, rounded up. */
Size
value_size(const JsonbValue *value)
{
	Size		overhead = 2 * sizeof(JEntry) + MAXIMUM_ALIGNOF;

	switch (value->type)
	{
		case jbvString:
			return overhead + value->val.string.len;
		case jbvNumeric:
			return overhead + VARSIZE_ANY(value->val.numeric);
		case jbvBinary:
			return overhead + value->val.binary.len;
		default:
			return overhead;
	}
}

bool
value_is_array(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsArray(value->val.binary.data);
}

bool
value_is_object(const JsonbValue *value)
{
	return value->type == jbvBinary &&
		JsonContainerIsObject(value->val.binary.data);
}

const char *
value_type_name(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvBool:
			return "a boolean";
		case jbvNumeric:
			return "a number";
		case jbvString:
			return "a string";
		default:
			return value_is_array(value) ? "an array" : "an object";
	}
}

int
compare_numerics(Numeric left, Numeric right)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp,
											 NumericGetDatum(left),
											 NumericGetDatum(right)));
}

/* By bytes, as COLLATE "C" does. */
int
compare_value_strings(const JsonbValue *left, const JsonbValue *right)
{
	int			left_length = left->val.string.len;
	int			right_length = right->val.string.len;
	int			result;

	result = memcmp(left->val.string.val, right->val.string.val,
					Min(left_length, right_length));
	if (result == 0)
		result = (left_length > right_length) - (left_length < right_length);
	return result;
}

/* jsonb's equality: 1 and 1.0 are equal, values of different types are not. */
bool
values_are_equal(JsonbValue *left, JsonbValue *right)
{
	if (left->type != right->type)
		return false;
	switch (left->type)
	{
		case jbvNull:
			return true;
		case jbvBool:
			return left->val.boolean == right->val.boolean;
		case jbvNumeric:
			return compare_numerics(left->val.numeric, right->val.numeric) == 0;
		case jbvString:
			return left->val.string.len == right->val.string.len &&
				memcmp(left->val.string.val, right->val.string.val,
					   left->val.string.len) == 0;
		default:
			return value_is_array(left) == value_is_array(right) &&
				compareJsonbContainers(left->val.binary.data,
									   right->val.binary.data) == 0;
	}
}

/* Is part somewhere in string?  The empty string is in any. */
bool
value_string_contains(const JsonbValue *string, const JsonbValue *part)
{
	const char *text = string->val.string.val;
	int			part_length = part->val.string.len;
	int			room = string->val.string.len - part_length;

	if (part_length == 0)
		return true;
	while (room >= 0)
	{
		const char *found = memchr(text, part->val.string.val[0], room + 1);

		if (found == NULL)
			return false;
		if (memcmp(found, part->val.string.val, part_length) == 0)
			return true;
		room -= found + 1 - text;
		text = found + 1;
	}
	return false;
}

bool
value_array_contains(JsonbValue *array, JsonbValue *element)
{
	JsonbIterator *iterator;
	JsonbValue	candidate;
	JsonbIteratorToken token;

	if (element->type != jbvBinary)
		return findJsonbValueFromContainer(array->val.binary.data, JB_FARRAY,
										   element) != NULL;

	iterator = JsonbIteratorInit(array->val.binary.data);
	(void) JsonbIteratorNext(&iterator, &candidate, true);
	while ((token = JsonbIteratorNext(&iterator, &candidate, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && values_are_equal(&candidate, element))
			return true;
	}
	return false;
}

bool
value_to_int(const JsonbValue *value, int *result)
{
	bool		failed = false;

	if (value->type != jbvNumeric)
		return false;
	*result = numeric_int4_opt_error(value->val.numeric, &failed);

	/* it rounds, and 1.5 is no integer */
	return !failed &&
		compare_numerics(value->val.numeric, int64_to_numeric(*result)) == 0;
}

void
push_array_elements(JsonbParseState **state, const JsonbValue *array)
{
	JsonbIterator *iterator = JsonbIteratorInit(array->val.binary.data);
	JsonbValue	element;
	JsonbIteratorToken token;

	(void) JsonbIteratorNext(&iterator, &element, true);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			(void) pushJsonbValue(state, WJB_ELEM, &element);
	}
}

bool
append_value_text(StringInfo text, JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(text, "null");
			break;
		case jbvBool:
			appendStringInfoString(text, value->val.boolean ? "true" : "false");
			break;
		case jbvNumeric:
			appendStringInfoString(text,
								   DatumGetCString(DirectFunctionCall1(
									   numeric_out,
									   NumericGetDatum(value->val.numeric))));
			break;
		case jbvString:
			if (text->len + (Size) value->val.string.len > MAX_VALUE_SIZE)
				return false;
			appendBinaryStringInfo(text, value->val.string.val,
								   value->val.string.len);
			break;
		default:
			if (value->val.binary.len > (int) MAX_CONTAINER_IN_TEXT)
				return false;
			{
				/* JsonbToCString() would start at the front of what it gets */
				char	   *json = JsonbToCString(NULL, value->val.binary.data,
												  value->val.binary.len);
				Size		length = strlen(json);

				if (text->len + length > MAX_VALUE_SIZE)
					return false;
				appendBinaryStringInfo(text, json, length);
				pfree(json);
			}
			break;
	}
	return text->len <= (int) MAX_VALUE_SIZE;
}

Jsonb *
jsonb_copy_beside(const void *owner, const Jsonb *jsonb)
{
	Size		size = VARSIZE(jsonb);
	Jsonb	   *copy;

	copy = MemoryContextAlloc(GetMemoryChunkContext(unconstify(void *, owner)),
							  size);
	memcpy(copy, jsonb, size);
	return copy;
}

/* --- for others: see evaluate.h --- */

Jsonb *
jsonb_from_text(const char *json)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

Jsonb *
jsonb_from_string(const char *string)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = strlen(string);
	return JsonbValueToJsonb(&value);
}

Jsonb *
jsonb_from_int64(int64 number)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	return JsonbValueToJsonb(&value);
}

Jsonb *
jsonb_from_bool(bool boolean)
{
	JsonbValue	value;

	value.type = jbvBool;
	value.val.boolean = boolean;
	return JsonbValueToJsonb(&value);
}

Jsonb *
jsonb_null(void)
{
	JsonbValue	value;

	value.type = jbvNull;
	return JsonbValueToJsonb(&value);
}

Jsonb *
jsonb_get_member(Jsonb *object, const char *key)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(object) ||
		getKeyJsonValueFromContainer(&object->root, key, strlen(key),
									 &value) == NULL)
		return NULL;
	return JsonbValueToJsonb(&value);
}

/*-------------------------------------------------------------------------
 *
 * json.c
 *	  JSON documents as a tree: the only file that includes cJSON.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  json_scan() goes over the text first: it checks the grammar (cJSON is
 *	  lenient), the depth (cJSON recurses) and the size, and turns every number
 *	  into a marked string (cJSON stores doubles).
 *
 *	  The memory hooks must not raise errors: they are set while cJSON works,
 *	  and a longjmp out of it would leave them set for whoever else uses
 *	  libcjson in this process.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/json.h"

#include <cjson/cJSON.h>

#include "definition/json_scan.h"

/*
 * Memory for cJSON: from the current context, without ever raising an error.
 */
static void *
allocate_for_cjson(size_t size)
{
	return palloc_extended(size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

static void
free_for_cjson(void *pointer)
{
	if (pointer != NULL)
		pfree(pointer);
}

/*
 * Make cJSON use our memory; cJSON_InitHooks(NULL) ends it.
 */
static void
use_our_memory(void)
{
	cJSON_Hooks hooks = {allocate_for_cjson, free_for_cjson};

	cJSON_InitHooks(&hooks);
}

/*
 * Is a text too long?  NULL, or what is wrong with it.
 */
char *
json_text_complaint(const char *text)
{
	if (strlen(text) <= JSON_MAX_SIZE)
		return NULL;
	return psprintf("the JSON document is larger than %d MB",
					JSON_MAX_SIZE / (1024 * 1024));
}

/*
 * Parse a document in the current memory context.
 */
Json *
json_parse(const char *text, char **message)
{
	StringInfoData prepared;
	size_t		length = strlen(text);
	cJSON	   *document;

	*message = json_text_complaint(text);
	if (*message != NULL)
		return NULL;

	initStringInfo(&prepared);
	enlargeStringInfo(&prepared, length + length / 8);
	*message = json_scan(text, &prepared);
	if (*message != NULL)
	{
		pfree(prepared.data);
		return NULL;
	}

	use_our_memory();
	document = cJSON_ParseWithOpts(prepared.data, NULL, true);
	cJSON_InitHooks(NULL);
	pfree(prepared.data);
	if (document == NULL)
		*message = pstrdup("the JSON document could not be parsed");
	return (Json *) document;
}

/*
 * Look for what is too deep or too many.
 */
static char *
tree_complaint(const Json *value, int depth, int *values)
{
	char	   *complaint = NULL;

	if (++*values > JSON_MAX_VALUES)
		return json_too_many_values();
	if (json_kind(value) != JSON_OBJECT && json_kind(value) != JSON_ARRAY)
		return NULL;
	if (depth == JSON_MAX_DEPTH)
		return json_too_deep();
	for (const Json *item = json_first(value);
		 item != NULL && complaint == NULL; item = json_next(item))
		complaint = tree_complaint(item, depth + 1, values);
	return complaint;
}

/*
 * Would json_parse() refuse a tree that was made?  NULL, or why.
 */
char *
json_tree_complaint(const Json *value)
{
	int			values = 0;

	return tree_complaint(value, 0, &values);
}

/*
 * Release a document that json_parse() made.
 */
void
json_free(Json *json)
{
	use_our_memory();
	cJSON_Delete((cJSON *) json);
	cJSON_InitHooks(NULL);
}

/*
 * What kind of value this is.
 */
JsonKind
json_kind(const Json *value)
{
	const cJSON *item = (const cJSON *) value;

	if (cJSON_IsString(item))
		return item->valuestring[0] == JSON_NUMBER_MARK ? JSON_NUMBER :
														  JSON_STRING;
	if (cJSON_IsObject(item))
		return JSON_OBJECT;
	if (cJSON_IsArray(item))
		return JSON_ARRAY;
	if (cJSON_IsBool(item))
		return JSON_BOOLEAN;
	return JSON_NULL;
}

/*
 * The kind in words, for messages.
 */
const char *
json_kind_name(const Json *value)
{
	switch (json_kind(value))
	{
		case JSON_NULL:
			return "null";
		case JSON_BOOLEAN:
			return "a boolean";
		case JSON_NUMBER:
			return "a number";
		case JSON_STRING:
			return "a string";
		case JSON_ARRAY:
			return "an array";
		case JSON_OBJECT:
			return "an object";
	}
	return "unknown";
}

/*
 * Value of a boolean.
 */
bool
json_boolean(const Json *value)
{
	return cJSON_IsTrue((const cJSON *) value);
}

/*
 * Text of a string, valid as long as the document is.
 */
const char *
json_string(const Json *value)
{
	const char *string = ((const cJSON *) value)->valuestring;

	return string[0] == JSON_STRING_MARK ? string + 1 : string;
}

/*
 * Text of a number exactly as it was written.
 */
const char *
json_number_text(const Json *value)
{
	return ((const cJSON *) value)->valuestring + 1;
}

/*
 * The value as an integer: a number without fraction and exponent that fits.
 */
bool
json_integer(const Json *value, int64 *result)
{
	const char *text;
	bool		negative;
	int64		number = 0;

	if (json_kind(value) != JSON_NUMBER)
		return false;
	text = json_number_text(value);
	negative = *text == '-';
	if (negative)
		text++;

	/* Down from zero: the negative range is the larger one. */
	for (; *text >= '0' && *text <= '9'; text++)
	{
		if (number < (PG_INT64_MIN + (*text - '0')) / 10)
			return false;
		number = number * 10 - (*text - '0');
	}
	if (*text != '\0' || (!negative && number == PG_INT64_MIN))
		return false;
	*result = negative ? number : -number;
	return true;
}

/*
 * Number of elements or members; 0 for anything else.
 */
int
json_count(const Json *value)
{
	return cJSON_GetArraySize((const cJSON *) value);
}

/*
 * First element or member, NULL when there is none.
 */
const Json *
json_first(const Json *value)
{
	return (const Json *) ((const cJSON *) value)->child;
}

/*
 * Next element or member of the same array or object.
 */
const Json *
json_next(const Json *value)
{
	return (const Json *) ((const cJSON *) value)->next;
}

/*
 * Key of an object's member.
 */
const char *
json_key(const Json *member)
{
	return ((const cJSON *) member)->string;
}

/*
 * Member of an object by its key; NULL also when this is no object.
 */
const Json *
json_get(const Json *object, const char *key)
{
	if (json_kind(object) != JSON_OBJECT)
		return NULL;
	for (const Json *member = json_first(object); member != NULL;
		 member = json_next(member))
		if (strcmp(json_key(member), key) == 0)
			return member;
	return NULL;
}

/*
 * An item for a tree that is made here.  cJSON's own functions would have to be
 * watched for what they could not allocate.
 */
static cJSON *
new_item(int type)
{
	cJSON	   *item = palloc0(sizeof(cJSON));

	item->type = type;
	return item;
}

Json *
json_new_object(void)
{
	return (Json *) new_item(cJSON_Object);
}

Json *
json_new_array(void)
{
	return (Json *) new_item(cJSON_Array);
}

Json *
json_new_null(void)
{
	return (Json *) new_item(cJSON_NULL);
}

Json *
json_new_string(const char *string)
{
	Json	   *value = (Json *) new_item(cJSON_String);

	json_set_string(value, string);
	return value;
}

/*
 * Set the text of a string that json_new_string() made.
 */
void
json_set_string(Json *value, const char *string)
{
	cJSON	   *item = (cJSON *) value;
	bool		is_marked = string[0] == JSON_NUMBER_MARK ||
		string[0] == JSON_STRING_MARK;

	if (item->valuestring != NULL)
		pfree(item->valuestring);
	item->valuestring = is_marked ? psprintf("%c%s", JSON_STRING_MARK, string) :
									pstrdup(string);
}

/*
 * A value that shares what it holds with the given one, which must last as
 * long.
 */
Json *
json_share(const Json *value)
{
	cJSON	   *item = new_item(0);

	*item = *(const cJSON *) value;
	item->type |= cJSON_IsReference;
	item->type &= ~cJSON_StringIsConst;
	item->string = NULL;
	item->next = item->prev = NULL;
	return (Json *) item;
}

/*
 * Put a value behind the last one of an array, or of an object, where it has a
 * key.
 */
void
json_add(Json *collection, const char *key, Json *value)
{
	cJSON	   *parent = (cJSON *) collection;
	cJSON	   *item = (cJSON *) value;

	if (key != NULL)
		item->string = pstrdup(key);

	/* cJSON's lists: the first one's prev is the last one */
	if (parent->child == NULL)
	{
		parent->child = item->prev = item;
		return;
	}
	item->prev = parent->child->prev;
	item->prev->next = item;
	parent->child->prev = item;
}

/*
 * Make of a value an object whose only member it is.
 */
void
json_wrap(Json *value, const char *key)
{
	cJSON	   *item = (cJSON *) value;
	cJSON	   *inner = new_item(0);

	*inner = *item;
	inner->string = NULL;
	inner->next = inner->prev = NULL;
	item->type = cJSON_Object | (item->type & cJSON_StringIsConst);
	item->valuestring = NULL;
	item->child = NULL;
	json_add(value, key, (Json *) inner);
}

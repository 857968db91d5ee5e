/*-------------------------------------------------------------------------
 *
 * jsonb_text.c
 *	  Members of objects that are strings: read, and added to one being built.
 *
 * NOTES
 *	  Any process.  What is pushed points to the caller's texts until the object
 *	  is finished.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "state/jsonb_text.h"

char *
jsonb_member_string(const Jsonb *object, const char *key)
{
	JsonbValue	buffer;
	JsonbValue *value;

	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	value = getKeyJsonValueFromContainer(unconstify(JsonbContainer *,
													&object->root),
										 key, strlen(key), &buffer);
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token,
			const char *string)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = strlen(string);
	pushJsonbValue(state, token, &value);
}

void
jsonb_push_key(JsonbParseState **state, const char *key)
{
	push_string(state, WJB_KEY, key);
}

void
jsonb_push_text(JsonbParseState **state, const char *key, const char *text)
{
	push_string(state, WJB_KEY, key);
	push_string(state, WJB_VALUE, text);
}

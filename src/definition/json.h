/*-------------------------------------------------------------------------
 *
 * json.h
 *	  JSON documents as a tree.  json.c is the only file that includes cJSON.
 *
 * NOTES
 *	  Numbers keep their text.  cJSON stores doubles, and a definition's numbers
 *	  must come out exactly as they went in, so json_parse() hands cJSON every
 *	  number as a marked string and json_number_text() gives that text back.
 *	  cJSON's memory hooks are palloc and pfree during a parse and restored
 *	  after it: they are global to the process, and libcjson may be shared.
 *	  Key look-up is case sensitive.  Depth and size are limited before cJSON
 *	  sees the text, since its parser recurses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_JSON_H
#define PGWF_JSON_H

#include "definition/pure.h"

typedef struct Json Json;		/* a value; really a cJSON */

typedef enum JsonKind
{
	JSON_NULL,
	JSON_BOOLEAN,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
} JsonKind;

#define JSON_MAX_DEPTH 200
#define JSON_MAX_SIZE (32 * 1024 * 1024)
#define JSON_MAX_VALUES 1000000

/* Returns NULL and *message (palloc'd) when the text is not acceptable JSON. */
extern Json *json_parse(const char *text, char **message);
extern void json_free(Json *json);

extern JsonKind json_kind(const Json *value);
/* "an object", "a number" .. */
extern const char *json_kind_name(const Json *value);
extern bool json_boolean(const Json *value);
extern const char *json_string(const Json *value);
extern const char *json_number_text(const Json *value);
/* false: no integer, or out of range */
extern bool json_integer(const Json *value, int64 *result);

/* array elements or object members */
extern int	json_count(const Json *value);
/* first element or member */
extern const Json *json_first(const Json *value);
extern const Json *json_next(const Json *value);	/* its next sibling */
extern const char *json_key(const Json *member);
/* NULL: no such member */
extern const Json *json_get(const Json *object, const char *key);

/*
 * Trees that are made, of new values and of what they share with another tree,
 * which must last.
 */
extern Json *json_new_object(void);
extern Json *json_new_array(void);
extern Json *json_new_null(void);
extern Json *json_new_string(const char *string);
/* only what the former made */
extern void json_set_string(Json *value, const char *string);
extern Json *json_share(const Json *value);
/* Behind the last one: of an array (key NULL) or of an object. */
extern void json_add(Json *collection, const char *key, Json *value);
/* It becomes an object with one member: what it was. */
extern void json_wrap(Json *value, const char *key);

/*
 * Why json_parse() would refuse such a tree, or such a long text; NULL: it
 * would not.
 */
extern char *json_tree_complaint(const Json *value);
extern char *json_text_complaint(const char *text);

/* The value as compact JSON text, numbers as they were. */
extern char *json_print(const Json *value);
/* The same at the end of a buffer, and a string with its quotes and escapes. */
extern void json_append(StringInfo out, const Json *value);
extern void json_append_string(StringInfo out, const char *string);

#endif							/* PGWF_JSON_H */

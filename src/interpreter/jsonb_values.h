/*-------------------------------------------------------------------------
 *
 * jsonb_values.h
 *	  Single values while an expression is evaluated.
 *
 * NOTES
 *	  A value is a scalar, or jbvBinary for an array or an object in its packed
 *	  form; never a half built jbvArray or jbvObject, never a scalar wrapped as
 *	  an array.  It points into the jsonb it was taken from.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_JSONB_VALUES_H
#define PGWF_JSONB_VALUES_H

#include "postgres.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* What jsonb can hold in one string or container. */
#define MAX_VALUE_SIZE ((Size) JENTRY_OFFLENMASK)

extern void value_from_jsonb(Jsonb *jsonb, JsonbValue *value);
extern Size value_size(const JsonbValue *value);

/* "a number", "null" .. */
extern const char *value_type_name(const JsonbValue *value);
extern bool value_is_array(const JsonbValue *value);
extern bool value_is_object(const JsonbValue *value);

extern bool values_are_equal(JsonbValue *left, JsonbValue *right);
extern int	compare_value_strings(const JsonbValue *left,
								  const JsonbValue *right);
extern int	compare_numerics(Numeric left, Numeric right);
extern bool value_string_contains(const JsonbValue *string,
								  const JsonbValue *part);
extern bool value_array_contains(JsonbValue *array, JsonbValue *element);

/* False when the number is none or no int32. */
extern bool value_to_int(const JsonbValue *value, int *result);

/* Elements of an array, one after the other, to an array being built. */
extern void push_array_elements(JsonbParseState **state,
								const JsonbValue *array);

/*
 * The text of a value inside a longer text; false when it would get too long.
 */
extern bool append_value_text(StringInfo text, JsonbValue *value);

/*
 * Copy of a jsonb that lives as long as owner, which was palloc'd.
 */
extern Jsonb *jsonb_copy_beside(const void *owner, const Jsonb *jsonb);

#endif							/* PGWF_JSONB_VALUES_H */

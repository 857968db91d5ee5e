/*-------------------------------------------------------------------------
 *
 * label.c
 *	  What an iteration of a loop is called.
 *
 * NOTES
 *	  Same place and transaction as thread.c.  A label is worked out when the
 *	  first row of its iteration is made, and is on all rows of it: those that
 *	  go on with an iteration read it there, since variables may have changed.
 *	  A label is for people, and no step fails for it: one that cannot be
 *	  resolved is missing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "definition/steps/loop.h"
#include "interpreter/jsonb_values.h"
#include "interpreter/thread.h"

/*
 * In characters.  Of a longer one the beginning and the end are kept: either
 * may tell it from others.
 */
#define MAX_LABEL 100
#define KEPT_BEGINNING 60
#define KEPT_END (MAX_LABEL - KEPT_BEGINNING - 3)

static char *
shortened(const char *text)
{
	int			length = strlen(text);
	int			count = pg_mbstrlen_with_len(text, length);

	if (count <= MAX_LABEL)
		return pstrdup(text);
	return psprintf("%.*s...%s", pg_mbcharcliplen(text, length, KEPT_BEGINNING),
					text,
					text + pg_mbcharcliplen(text, length, count - KEPT_END));
}

/*
 * A value as text: of a string what is in it; NULL for null and for the empty
 * string.
 */
static char *
text_of(Jsonb *value)
{
	JsonbValue	scalar;

	if (!JB_ROOT_IS_SCALAR(value))
		return JsonbToCString(NULL, &value->root, VARSIZE(value));
	value_from_jsonb(value, &scalar);
	if (scalar.type == jbvNull ||
		(scalar.type == jbvString && scalar.val.string.len == 0))
		return NULL;
	if (scalar.type == jbvString)
		return pnstrdup(scalar.val.string.val, scalar.val.string.len);
	return JsonbToCString(NULL, &value->root, VARSIZE(value));
}

const char *
iteration_label(Thread *thread, Frame *iteration)
{
	char	   *text = NULL;

	Assert(loop_part(iteration->container)->label != NULL);
	if (iteration->label_known)
		return iteration->label;
	if (!iteration->fresh)
		text = step_scope_label(thread->execution->id, iteration->scope);
	if (text == NULL)
	{
		EvaluateContext context;
		Jsonb	   *value;

		evaluate_in(thread, iteration, &context);
		value = evaluate_template(&context,
								  loop_part(iteration->container)->label);
		text = value != NULL ? text_of(value) : NULL;
	}
	iteration->label = text == NULL ? NULL :
		MemoryContextStrdup(iteration->scope_context, shortened(text));
	iteration->label_known = true;
	return iteration->label;
}

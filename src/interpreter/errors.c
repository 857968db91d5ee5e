/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  What went wrong with a step, and how its row says so.
 *
 * NOTES
 *	  Same place as thread.c; needs a memory context only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "interpreter/thread.h"
#include "shared/settings.h"
#include "state/jsonb_text.h"

/*
 * Bytes of each text of an error.  Who raises it decides how long they are, and
 * it is kept with the step, the execution and the dead letter, which has those
 * of many attempts.
 */
#define ERROR_TEXT_SIZE (64 * 1024)

static const char *
error_text(const char *text)
{
	int			length = strlen(text);

	if (length <= ERROR_TEXT_SIZE)
		return text;
	return psprintf("%.*s...", pg_mbcliplen(text, length, ERROR_TEXT_SIZE - 3),
					text);
}

/* An error as the value of the columns "error". */
Jsonb *
step_error_jsonb(const StepError *error, const char *step_id, const char *scope)
{
	JsonbParseState *state = NULL;
	const char *const keys[] = {
		"type", "sqlstate", "message", "detail", "hint", "context",
		"schema", "table", "column", "datatype", "constraint", "step_id", "scope"
	};
	const char *values[lengthof(keys)];

	values[0] = error->type;
	values[1] = error->sqlerrcode ? unpack_sql_state(error->sqlerrcode) : NULL;
	values[2] = error->message;
	values[3] = error->detail;
	values[4] = error->hint;
	values[5] = error->context;
	values[6] = error->schema;
	values[7] = error->table;
	values[8] = error->column;
	values[9] = error->datatype;
	values[10] = error->constraint;
	values[11] = step_id;
	values[12] = scope;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < (int) lengthof(keys); i++)
		if (values[i] != NULL)
			jsonb_push_text(&state, keys[i], error_text(values[i]));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

int
err_stored_names(Jsonb *error)
{
	static const struct
	{
		const char *key;
		int			field;
	}			names[] = {
		{"schema", PG_DIAG_SCHEMA_NAME},
		{"table", PG_DIAG_TABLE_NAME},
		{"column", PG_DIAG_COLUMN_NAME},
		{"datatype", PG_DIAG_DATATYPE_NAME},
		{"constraint", PG_DIAG_CONSTRAINT_NAME}
	};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		char	   *name = jsonb_member_string(error, names[i].key);

		if (name != NULL)
			err_generic_string(names[i].field, name);
	}
	return 0;
}

/* Make a row one of a failed attempt. */
void
step_fail(StepRow *row, StepStatus status, const StepError *error)
{
	row->status = status;
	row->error_type = pstrdup(error_text(error->type));
	row->error = step_error_jsonb(error, row->step_id, row->scope);
}

/*
 * The error of an input mapping, an output or a condition that cannot be
 * evaluated.
 */
StepError *
mapping_error(const char *what, const EvaluateContext *context)
{
	StepError  *error = palloc0(sizeof(StepError));

	error->type = "MappingError";
	error->sqlerrcode = ERRCODE_DATA_EXCEPTION;
	error->message = context->message;
	error->detail = context->position > 0
		? psprintf("In \"%s\", at character %d.", what, context->position)
		: psprintf("In \"%s\".", what);
	return error;
}

StepError *
condition_error(const char *why)
{
	StepError  *error;

	if (why == NULL)
		return NULL;
	error = palloc0(sizeof(StepError));
	error->type = "ConditionError";
	error->sqlerrcode = ERRCODE_DATA_EXCEPTION;
	error->message = why;
	return error;
}

/*
 * What the interpreter itself has built is too large to be kept; NULL: it is
 * not.
 */
StepError *
size_error(const PlanNode *node, Size size)
{
	StepError  *error;

	if (size <= (Size) setting_max_result_size * 1024)
		return NULL;
	error = palloc0(sizeof(StepError));
	error->type = "ResultTooLarge";
	error->sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	error->message = psprintf("output of step \"%s\" exceeds workflow.max_result_size", node->id);
	error->detail = psprintf("It would have %zu kB, the limit is %d kB.",
							 (size_t) size / 1024, setting_max_result_size);
	return error;
}

Jsonb *
error_with(Jsonb *error, const char *key, const char *text)
{
	JsonbParseState *state = NULL;
	JsonbIterator *it = JsonbIteratorInit(&error->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, true)) == WJB_KEY ||
		   token == WJB_VALUE || token == WJB_BEGIN_OBJECT)
		pushJsonbValue(&state, token,
					   token == WJB_BEGIN_OBJECT ? NULL : &value);
	jsonb_push_text(&state, key, text);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

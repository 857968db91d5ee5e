/*-------------------------------------------------------------------------
 *
 * results.c
 *	  Rows of the user's SQL as jsonb.
 *
 * NOTES
 *	  Executor or a session that called execute(), inside the transaction of the
 *	  user's SQL; no locks.  The rows never exist side by side as tuples: the
 *	  executor hands each to our receiver, which converts it, so memory is
 *	  bounded by workflow.max_result_size however many rows a query
 *	  would return.  The common types are converted here, all others by
 *	  the server's to_jsonb, with which ours agree.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "nodes/makefuncs.h"
#include "nodes/nodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "interpreter/results.h"
#include "shared/settings.h"

/*
 * What a JSON value takes besides its content: an entry for it and its length.
 */
#define VALUE_OVERHEAD 8

typedef struct ResultColumn
{
	Oid			type;
	Oid			base_type;
	NameData	name;
	JsonbValue	key;
	FmgrInfo	to_jsonb;		/* of types that are not converted here */
} ResultColumn;

struct ResultColumns
{
	MemoryContext context;
	int			ncolumns;
	ResultColumn columns[FLEXIBLE_ARRAY_MEMBER];
};

typedef struct ResultReceiver
{
	DestReceiver pub;
	SqlResult	result;
	bool		is_condition;
	bool		returns_rows;	/* the statement has started to return rows */
	bool		is_select;		/* nothing is lost by not asking for more
								 * rows */
	uint64		nrows;
	Size		size;			/* of the jsonb, about */
	ResultColumns *columns;
	MemoryContext context;		/* where values are collected */
	MemoryContext row_context;	/* for what converting one row leaves */
	JsonbParseState *state;
	JsonbValue	value;			/* SQL_RESULT_VALUE */
	JsonbValue *row;			/* SQL_RESULT_ROW */
	bool		truth;			/* is_condition */
} ResultReceiver;

static void receive_start(DestReceiver *self, int operation, TupleDesc columns);
static bool receive_row(TupleTableSlot *slot, DestReceiver *self);
static void receive_end(DestReceiver *self);
static void check_condition_columns(TupleDesc columns);
static bool columns_fit(const ResultColumns *known, TupleDesc columns);
static ResultColumns *make_columns(TupleDesc columns);
static JsonbValue *add_row(ResultReceiver *receiver, TupleTableSlot *slot);
static void convert_value(ResultReceiver *receiver, ResultColumn *column,
						  Datum datum, bool isnull, JsonbValue *value);
static void convert_by_server(ResultReceiver *receiver, ResultColumn *column,
							  Datum datum, JsonbValue *value);
static void open_rows(ResultReceiver *receiver);
static JsonbValue *close_rows(ResultReceiver *receiver, uint64 row_count);
static void set_string(JsonbValue *value, const char *string, int length);

DestReceiver *
results_begin(SqlResult result, bool is_condition, ResultColumns *known)
{
	ResultReceiver *receiver = palloc0(sizeof(ResultReceiver));

	receiver->pub.receiveSlot = receive_row;
	receiver->pub.rStartup = receive_start;
	receiver->pub.rShutdown = receive_end;
	receiver->pub.rDestroy = receive_end;
	/* any kind that the server gives no special meaning to */
	receiver->pub.mydest = DestTuplestore;
	receiver->result = result;
	receiver->is_condition = is_condition;
	receiver->columns = known;
	receiver->context = CurrentMemoryContext;
	receiver->value.type = jbvNull;
	if (result == SQL_RESULT_ROWS && !is_condition)
		open_rows(receiver);
	return (DestReceiver *) receiver;
}

ResultColumns *
results_columns(DestReceiver *receiver)
{
	return ((ResultReceiver *) receiver)->columns;
}

void
results_keep_columns(ResultColumns *columns, MemoryContext context)
{
	MemoryContextSetParent(columns->context, context);
}

void
results_free_columns(ResultColumns *columns)
{
	MemoryContextDelete(columns->context);
}

/*
 * The statement is about to return rows of these columns.
 */
static void
receive_start(DestReceiver *self, int operation, TupleDesc columns)
{
	ResultReceiver *receiver = (ResultReceiver *) self;
	MemoryContext old_context = MemoryContextSwitchTo(receiver->context);

	receiver->returns_rows = true;
	receiver->is_select = (operation == CMD_SELECT);

	if (receiver->is_condition)
		check_condition_columns(columns);
	else if (receiver->result != SQL_RESULT_NONE &&
			 !(receiver->columns != NULL &&
			   columns_fit(receiver->columns, columns)))
		receiver->columns = make_columns(columns);

	MemoryContextSwitchTo(old_context);
}

static void
receive_end(DestReceiver *self)
{
	/* everything goes with its memory context */
	(void) self;
}

static void
check_condition_columns(TupleDesc columns)
{
	if (columns->natts != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("condition must return one column, not %d",
						columns->natts)));
	if (getBaseType(TupleDescAttr(columns, 0)->atttypid) != BOOLOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("condition must return type boolean, not type %s",
						format_type_be(TupleDescAttr(columns, 0)->atttypid))));
}

static bool
columns_fit(const ResultColumns *known, TupleDesc columns)
{
	if (known->ncolumns != columns->natts)
		return false;
	for (int i = 0; i < known->ncolumns; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(columns, i);

		if (known->columns[i].type != attribute->atttypid ||
			strcmp(NameStr(known->columns[i].name),
				   NameStr(attribute->attname)) != 0)
			return false;
	}
	return true;
}

/*
 * Look up how to convert the columns, in a context of their own.
 */
static ResultColumns *
make_columns(TupleDesc columns)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pg_workflow result columns",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	ResultColumns *result;

	result = palloc0(offsetof(ResultColumns, columns) +
					 columns->natts * sizeof(ResultColumn));
	result->context = context;
	result->ncolumns = columns->natts;
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(columns, i);
		ResultColumn *column = &result->columns[i];
		Param	   *argument = makeNode(Param);

		column->type = attribute->atttypid;
		column->base_type = getBaseType(column->type);
		column->name = attribute->attname;
		set_string(&column->key, NameStr(column->name),
				   strlen(NameStr(column->name)));

		/*
		 * to_jsonb learns the type of its argument from the call's expression
		 */
		fmgr_info_cxt(F_TO_JSONB, &column->to_jsonb, context);
		argument->paramkind = PARAM_EXTERN;
		argument->paramtype = column->type;
		argument->paramtypmod = -1;
		column->to_jsonb.fn_expr = (Node *)
			makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
						 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	}

	MemoryContextSwitchTo(old_context);
	return result;
}

/*
 * Take one row.  False: no more are wanted, which is said only to a SELECT,
 * since stopping an INSERT ... RETURNING would leave rows uninserted.
 */
static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	ResultReceiver *receiver = (ResultReceiver *) self;
	bool		is_first = (receiver->nrows++ == 0);
	MemoryContext old_context;

	if (receiver->is_condition)
	{
		if (is_first)
		{
			bool		isnull;
			Datum		datum = slot_getattr(slot, 1, &isnull);

			receiver->truth = !isnull && DatumGetBool(datum);
		}
		return !receiver->is_select;
	}
	if (receiver->result == SQL_RESULT_NONE)
		return true;
	if (receiver->result != SQL_RESULT_ROWS && !is_first)
		return !receiver->is_select;

	old_context = MemoryContextSwitchTo(receiver->context);
	slot_getallattrs(slot);
	switch (receiver->result)
	{
		case SQL_RESULT_ROWS:
			(void) add_row(receiver, slot);
			break;
		case SQL_RESULT_ROW:
			receiver->row = add_row(receiver, slot);
			break;
		case SQL_RESULT_VALUE:
			if (receiver->columns->ncolumns > 0)
				convert_value(receiver, &receiver->columns->columns[0],
							  slot->tts_values[0], slot->tts_isnull[0],
							  &receiver->value);
			break;
		case SQL_RESULT_NONE:
			break;
	}
	check_result_size(receiver->size);
	if (receiver->row_context != NULL)
		MemoryContextReset(receiver->row_context);
	MemoryContextSwitchTo(old_context);

	return receiver->result == SQL_RESULT_ROWS || !receiver->is_select;
}

/*
 * Push the row as an object: an element of the open array, or alone.
 */
static JsonbValue *
add_row(ResultReceiver *receiver, TupleTableSlot *slot)
{
	ResultColumns *columns = receiver->columns;

	pushJsonbValue(&receiver->state, WJB_BEGIN_OBJECT, NULL);
	receiver->size += VALUE_OVERHEAD;
	for (int i = 0; i < columns->ncolumns; i++)
	{
		ResultColumn *column = &columns->columns[i];
		JsonbValue	value;

		pushJsonbValue(&receiver->state, WJB_KEY, &column->key);
		receiver->size += column->key.val.string.len;
		convert_value(receiver, column, slot->tts_values[i],
					  slot->tts_isnull[i], &value);
		pushJsonbValue(&receiver->state, WJB_VALUE, &value);
	}
	return pushJsonbValue(&receiver->state, WJB_END_OBJECT, NULL);
}

/*
 * Convert one value into the receiver's context, which is current, and count
 * its size.  The datum itself is gone with the next row.
 */
static void
convert_value(ResultReceiver *receiver, ResultColumn *column, Datum datum,
			  bool isnull, JsonbValue *value)
{
	receiver->size += VALUE_OVERHEAD;
	if (isnull)
	{
		value->type = jbvNull;
		return;
	}

	switch (column->base_type)
	{
		case BOOLOID:
			value->type = jbvBool;
			value->val.boolean = DatumGetBool(datum);
			return;
		case INT2OID:
			value->type = jbvNumeric;
			value->val.numeric = int64_to_numeric(DatumGetInt16(datum));
			break;
		case INT4OID:
			value->type = jbvNumeric;
			value->val.numeric = int64_to_numeric(DatumGetInt32(datum));
			break;
		case INT8OID:
			value->type = jbvNumeric;
			value->val.numeric = int64_to_numeric(DatumGetInt64(datum));
			break;
		case NUMERICOID:
			{
				Numeric		number = DatumGetNumericCopy(datum);

				/*
				 * JSON has no NaN and no infinity: to_jsonb makes them strings
				 */
				if (numeric_is_nan(number) || numeric_is_inf(number))
				{
					convert_by_server(receiver, column, datum, value);
					return;
				}
				value->type = jbvNumeric;
				value->val.numeric = number;
			}
			break;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			{
				text	   *string = DatumGetTextPCopy(datum);

				set_string(value, VARDATA_ANY(string),
						   VARSIZE_ANY_EXHDR(string));
				receiver->size += value->val.string.len;
			}
			return;
		case JSONBOID:
			{
				Jsonb	   *jsonb = DatumGetJsonbPCopy(datum);

				receiver->size += VARSIZE(jsonb);
				if (!JsonbExtractScalar(&jsonb->root, value))
				{
					value->type = jbvBinary;
					value->val.binary.data = &jsonb->root;
					value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
				}
			}
			return;
		default:
			convert_by_server(receiver, column, datum, value);
			return;
	}

	receiver->size += VARSIZE_ANY(value->val.numeric);
}

/*
 * Any other type: to_jsonb.  What it leaves behind goes with the row.
 */
static void
convert_by_server(ResultReceiver *receiver, ResultColumn *column, Datum datum,
				  JsonbValue *value)
{
	Jsonb	   *jsonb;

	if (receiver->row_context == NULL)
		receiver->row_context = AllocSetContextCreate(receiver->context,
													  "pg_workflow result row",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(receiver->row_context);
	jsonb = DatumGetJsonbP(FunctionCall1(&column->to_jsonb, datum));
	MemoryContextSwitchTo(receiver->context);

	receiver->size += VARSIZE(jsonb);
	check_result_size(receiver->size);
	jsonb = DatumGetJsonbPCopy(JsonbPGetDatum(jsonb));
	if (!JsonbExtractScalar(&jsonb->root, value))
	{
		value->type = jbvBinary;
		value->val.binary.data = &jsonb->root;
		value->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	}
}

static void
set_string(JsonbValue *value, const char *string, int length)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, string);
	value->val.string.len = length;
}

/*
 * Begin {"rows": [.
 */
static void
open_rows(ResultReceiver *receiver)
{
	JsonbValue	key;

	pushJsonbValue(&receiver->state, WJB_BEGIN_OBJECT, NULL);
	set_string(&key, "rows", strlen("rows"));
	pushJsonbValue(&receiver->state, WJB_KEY, &key);
	pushJsonbValue(&receiver->state, WJB_BEGIN_ARRAY, NULL);
}

/*
 * End it with ], "row_count": n}, or make {"row_count": n} where there is no
 * array of rows.
 */
static JsonbValue *
close_rows(ResultReceiver *receiver, uint64 row_count)
{
	JsonbValue	key;
	JsonbValue	value;

	if (receiver->state != NULL)
		pushJsonbValue(&receiver->state, WJB_END_ARRAY, NULL);
	else
		pushJsonbValue(&receiver->state, WJB_BEGIN_OBJECT, NULL);
	set_string(&key, "row_count", strlen("row_count"));
	pushJsonbValue(&receiver->state, WJB_KEY, &key);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(row_count);
	pushJsonbValue(&receiver->state, WJB_VALUE, &value);
	return pushJsonbValue(&receiver->state, WJB_END_OBJECT, NULL);
}

Jsonb *
results_finish(DestReceiver *self, uint64 processed, MemoryContext context)
{
	ResultReceiver *receiver = (ResultReceiver *) self;
	MemoryContext old_context = MemoryContextSwitchTo(receiver->context);
	JsonbValue *value = &receiver->value;
	JsonbValue	boolean;
	Jsonb	   *result;

	if (receiver->is_condition)
	{
		if (!receiver->returns_rows)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("condition must return one column"),
					 errdetail("The statement returns no rows.")));
		boolean.type = jbvBool;
		boolean.val.boolean = receiver->truth;
		value = &boolean;
	}
	else if (receiver->result == SQL_RESULT_ROW)
	{
		if (receiver->row != NULL)
			value = receiver->row;
	}
	else if (receiver->result != SQL_RESULT_VALUE)
		value = close_rows(receiver, receiver->returns_rows ?
						   receiver->nrows : processed);

	MemoryContextSwitchTo(context);
	result = JsonbValueToJsonb(value);
	MemoryContextSwitchTo(old_context);
	check_result_size(VARSIZE(result));
	return result;
}

void
check_result_size(Size size)
{
	if (setting_max_result_size > 0 &&
		size > (Size) setting_max_result_size * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("result is larger than %d kB", setting_max_result_size),
				 errhint("Return fewer rows or columns, use \"result\": \"none\", or raise \"workflow.max_result_size\".")));
}

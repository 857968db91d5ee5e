/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  A JSON value as a value of an SQL type.
 *
 * NOTES
 *	  Executor or a session that called execute(), inside a transaction with an
 *	  active snapshot; no locks.  A scalar goes through the text form and the
 *	  type's own input function, so that whatever the type accepts is accepted;
 *	  the common types take the same way without the text.  Arrays and
 *	  composites are left to jsonb_populate_record, which the server exports
 *	  in every version, with a row type of one column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "interpreter/convert.h"

static void init_populate(Conversion *conversion, MemoryContext context);
static Datum convert_integer(Conversion *conversion, JsonbValue *value);
static Datum convert_by_input(Conversion *conversion, JsonbValue *value,
							  bool *isnull);
static Datum convert_by_populate(Conversion *conversion, JsonbValue *value,
								 bool *isnull);
static void check_shape(Conversion *conversion, JsonbValue *value);
static char *value_text(JsonbValue *value, bool json_text);

void
jsonb_root_value(Jsonb *jsonb, JsonbValue *value)
{
	if (JB_ROOT_IS_SCALAR(jsonb))
		JsonbExtractScalar(&jsonb->root, value);
	else
	{
		value->type = jbvBinary;
		value->val.binary.data = &jsonb->root;
		value->val.binary.len = VARSIZE_ANY_EXHDR(jsonb);
	}
}

void
conversion_init(Conversion *conversion, Oid type, MemoryContext context)
{
	Oid			base = getBaseType(type);
	Oid			input_function;

	memset(conversion, 0, sizeof(Conversion));
	conversion->type = type;
	conversion->is_domain = (base != type);

	if (OidIsValid(get_element_type(base)) || type_is_rowtype(base))
	{
		init_populate(conversion, context);
		return;
	}

	conversion->kind = CONVERT_INPUT;
	switch (type)
	{
		case JSONBOID:
			conversion->kind = CONVERT_JSONB;
			break;
		case JSONOID:
			conversion->kind = CONVERT_JSON;
			break;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			conversion->kind = CONVERT_TEXT;
			break;
		case BOOLOID:
			conversion->kind = CONVERT_BOOLEAN;
			break;
		case INT2OID:
			conversion->kind = CONVERT_INTEGER;
			conversion->from_numeric = numeric_int2;
			break;
		case INT4OID:
			conversion->kind = CONVERT_INTEGER;
			conversion->from_numeric = numeric_int4;
			break;
		case INT8OID:
			conversion->kind = CONVERT_INTEGER;
			conversion->from_numeric = numeric_int8;
			break;
		case NUMERICOID:
			conversion->kind = CONVERT_NUMERIC;
			break;
		default:
			break;
	}

	/*
	 * What an object or an array means to a type of an extension (a vector,
	 * say) only its input function can tell.
	 */
	conversion->json_text = (base == JSONBOID || base == JSONOID);
	conversion->takes_containers = conversion->json_text ||
		TypeCategory(base) == TYPCATEGORY_STRING ||
		base >= FirstNormalObjectId;

	getTypeInputInfo(type, &input_function, &conversion->io_parameter);
	fmgr_info_cxt(input_function, &conversion->function, context);
}

/*
 * Prepare a call of jsonb_populate_record(row, jsonb) for a row of one column
 * of the type.
 */
static void
init_populate(Conversion *conversion, MemoryContext context)
{
	MemoryContext old_context = MemoryContextSwitchTo(context);
	Param	   *argument = makeNode(Param);

	conversion->kind = CONVERT_POPULATE;

	/* always the same name: registered row types are never given back */
	conversion->row = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(conversion->row, 1, "value", conversion->type, -1, 0);
	conversion->row = BlessTupleDesc(conversion->row);

	fmgr_info_cxt(F_JSONB_POPULATE_RECORD, &conversion->function, context);
	argument->paramkind = PARAM_EXTERN;
	argument->paramtype = RECORDOID;
	argument->paramtypmod = -1;
	conversion->function.fn_expr = (Node *)
		makeFuncExpr(F_JSONB_POPULATE_RECORD, RECORDOID, list_make1(argument),
					 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);

	MemoryContextSwitchTo(old_context);
}

Datum
conversion_apply(Conversion *conversion, JsonbValue *value, bool *isnull)
{
	*isnull = false;

	if (conversion->kind == CONVERT_POPULATE)
		return convert_by_populate(conversion, value, isnull);

	if (value == NULL || value->type == jbvNull)
	{
		if (conversion->is_domain)
			return convert_by_input(conversion, NULL, isnull);
		*isnull = true;
		return (Datum) 0;
	}

	switch (conversion->kind)
	{
		case CONVERT_JSONB:
			return JsonbPGetDatum(JsonbValueToJsonb(value));
		case CONVERT_JSON:
			return CStringGetTextDatum(value_text(value, true));
		case CONVERT_TEXT:
			if (value->type == jbvString)
				return PointerGetDatum(
					cstring_to_text_with_len(value->val.string.val,
											 value->val.string.len));
			return CStringGetTextDatum(value_text(value, false));
		case CONVERT_BOOLEAN:
			if (value->type == jbvBool)
				return BoolGetDatum(value->val.boolean);
			break;
		case CONVERT_INTEGER:
			if (value->type == jbvNumeric)
				return convert_integer(conversion, value);
			break;
		case CONVERT_NUMERIC:
			if (value->type == jbvNumeric)
				return NumericGetDatum(value->val.numeric);
			break;
		case CONVERT_INPUT:
		case CONVERT_POPULATE:
			break;
	}

	return convert_by_input(conversion, value, isnull);
}

/*
 * A number for an integer type.  12.0 and 1e3 are whole numbers in JSON; a
 * fraction is left to the input function, which refuses it.
 */
static Datum
convert_integer(Conversion *conversion, JsonbValue *value)
{
	Datum		number = NumericGetDatum(value->val.numeric);
	bool		isnull;

	if (DatumGetInt32(DirectFunctionCall1(numeric_min_scale, number)) == 0)
		return DirectFunctionCall1(conversion->from_numeric, number);
	return convert_by_input(conversion, value, &isnull);
}

/*
 * The text form of a value through the type's input function; NULL for a
 * domain's null, which its constraints may refuse.
 */
static Datum
convert_by_input(Conversion *conversion, JsonbValue *value, bool *isnull)
{
	char	   *text = NULL;

	if (value == NULL)
		*isnull = true;
	else
	{
		if (value->type == jbvBinary && !conversion->takes_containers)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("cannot convert a JSON %s to type %s",
							JsonContainerIsArray(value->val.binary.data) ? "array" : "object",
							format_type_be(conversion->type))));
		text = value_text(value, conversion->json_text);
	}
	return InputFunctionCall(&conversion->function, text,
							 conversion->io_parameter, -1);
}

/*
 * Arrays, composites and domains over them, by the server's own conversion.
 */
static Datum
convert_by_populate(Conversion *conversion, JsonbValue *value, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, 2);
	JsonbParseState *state = NULL;
	JsonbValue	key;
	JsonbValue	null_value;
	JsonbValue *object;
	Datum		no_value = (Datum) 0;
	bool		no_value_isnull = true;
	Datum		row;

	if (value == NULL)
	{
		null_value.type = jbvNull;
		value = &null_value;
	}
	check_shape(conversion, value);
	key.type = jbvString;
	key.val.string.val = "value";
	key.val.string.len = strlen("value");

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_VALUE, value);
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);

	/* the row given says which row type is wanted */
	InitFunctionCallInfoData(*fcinfo, &conversion->function, 2, InvalidOid,
							 NULL, NULL);
	fcinfo->args[0].value =
		HeapTupleGetDatum(heap_form_tuple(conversion->row, &no_value,
										  &no_value_isnull));
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = JsonbPGetDatum(JsonbValueToJsonb(object));
	fcinfo->args[1].isnull = false;
	row = FunctionCallInvoke(fcinfo);

	return GetAttributeByNum(DatumGetHeapTupleHeader(row), 1, isnull);
}

/*
 * An array wants an array, a composite an object; either takes a string in its
 * own text form.  The server would say so in terms of its functions.
 */
static void
check_shape(Conversion *conversion, JsonbValue *value)
{
	bool		wants_array = OidIsValid(get_base_element_type(conversion->type));
	const char *shape;

	switch (value->type)
	{
		case jbvNull:
		case jbvString:
			return;
		case jbvNumeric:
			shape = "number";
			break;
		case jbvBool:
			shape = "boolean";
			break;
		case jbvBinary:
			if (JsonContainerIsArray(value->val.binary.data) == wants_array)
				return;
			shape = wants_array ? "object" : "array";
			break;
		default:				/* the empty object */
			if (!wants_array)
				return;
			shape = "object";
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("cannot convert a JSON %s to type %s", shape,
					format_type_be(conversion->type))));
}

/*
 * Text form: a string's content (quoted with json_text), else JSON text.
 */
static char *
value_text(JsonbValue *value, bool json_text)
{
	Jsonb	   *jsonb;

	switch (value->type)
	{
		case jbvString:
			if (!json_text)
				return pnstrdup(value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			return DatumGetCString(
				DirectFunctionCall1(numeric_out,
									NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			break;
	}

	jsonb = JsonbValueToJsonb(value);
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/*-------------------------------------------------------------------------
 *
 * evaluate.c
 *	  Evaluates expressions over jsonb.
 *
 * NOTES
 *	  Runs wherever the interpreter runs.  Needs a memory context, no
 *	  transaction of its own (the resolver may); takes no locks.  Everything is
 *	  allocated in the current memory context except the literals, which are
 *	  made once and kept beside the node they belong to.
 *
 *	  Recursion is bounded by EXPRESSION_MAX_HEIGHT.
 *
 *	  A reference that leads nowhere is "missing".  In a condition that is null.
 *	  Elsewhere, and left of "??" everywhere, it passes through all operators up
 *	  to the next "??", or to the top, where it is a failure.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "interpreter/evaluate.h"
#include "interpreter/evaluation.h"
#include "interpreter/jsonb_values.h"

/*
 * A reference leads nowhere.  why is not looked at in a condition and may be
 * NULL then: see wants_reason().
 */
static ValueStatus
missing(Evaluation *evaluation, const Reference *reference, char *why,
		JsonbValue *result)
{
	if (evaluation->missing_is_null)
	{
		result->type = jbvNull;
		return VALUE_OK;
	}
	evaluation->missing = reference;
	evaluation->why = why;
	return VALUE_MISSING;
}

/* Is it worth the while to say why something is missing? */
static bool
wants_reason(const Evaluation *evaluation)
{
	return !evaluation->missing_is_null;
}

/* --- references --- */

/* Take a member out of *value; false when there is none. */
static bool
take_member(JsonbValue *value, const char *name, int length)
{
	return value_is_object(value) &&
		getKeyJsonValueFromContainer(value->val.binary.data, name, length,
									 value) != NULL;
}

/*
 * Take an element out of *value, negative: from the end; false when there is
 * none.
 */
static bool
take_element(JsonbValue *value, int index)
{
	JsonbValue *element;
	int			count;

	if (!value_is_array(value))
		return false;
	count = JsonContainerSize(value->val.binary.data);
	if (index < 0)
		index += count;
	if (index < 0 || index >= count)
		return false;
	element = getIthJsonbValueFromContainer(value->val.binary.data, index);
	*value = *element;
	pfree(element);
	return true;
}

/* One [subscript] of a path. */
static ValueStatus
apply_subscript(Evaluation *evaluation, const Reference *reference,
				Expression *subscript, JsonbValue *value)
{
	JsonbValue	key;
	ValueStatus status;
	bool		missing_is_null = evaluation->missing_is_null;
	char	   *why = NULL;
	int			index;

	/* a missing subscript makes the whole reference missing, not a[null] */
	evaluation->missing_is_null = false;
	status = evaluate_value(evaluation, subscript, &key);
	evaluation->missing_is_null = missing_is_null;
	if (status == VALUE_MISSING)
		return missing(evaluation, evaluation->missing, evaluation->why, value);
	if (status == VALUE_FAILED)
		return status;

	switch (key.type)
	{
		case jbvString:
			if (take_member(value, key.val.string.val, key.val.string.len))
				return VALUE_OK;
			if (wants_reason(evaluation))
				why = psprintf(value_is_object(value) ?
							   "field \"%.*s\" not found" : "no field \"%.*s\" in %s",
							   key.val.string.len, key.val.string.val,
							   value_type_name(value));
			break;
		case jbvNull:
			if (wants_reason(evaluation))
				why = pstrdup("the subscript is null");
			break;
		default:
			if (!value_to_int(&key, &index))
				return evaluation_fail(
					evaluation, subscript->position,
					key.type == jbvNumeric ?
						pstrdup(
							"subscript is a number but no integer in range") :
						psprintf(
							"subscript must be an integer or a string, not %s",
							value_type_name(&key)));
			if (take_element(value, index))
				return VALUE_OK;
			if (wants_reason(evaluation))
				why = value_is_array(value) ?
					psprintf("element %d not found, the array has %d", index,
							 (int) JsonContainerSize(value->val.binary.data)) :
					psprintf("no element %d in %s", index,
							 value_type_name(value));
			break;
	}
	return missing(evaluation, reference, why, value);
}

/* Ask the caller for the root of a reference. */
static ValueStatus
resolve_root(Evaluation *evaluation, const Reference *reference, Jsonb **root,
			 JsonbValue *result)
{
	EvaluateContext *context = evaluation->context;
	char	   *why = NULL;

	if (context->resolve(context->resolve_context, reference, root,
						 &why) == RESOLVE_OK)
		return VALUE_OK;
	*root = NULL;
	return missing(evaluation, reference, why, result);
}

static ValueStatus
evaluate_reference(Evaluation *evaluation, const Reference *reference,
				   JsonbValue *result)
{
	Jsonb	   *root;
	ValueStatus status = resolve_root(evaluation, reference, &root, result);

	if (status != VALUE_OK || root == NULL)
		return status;
	value_from_jsonb(root, result);
	for (int i = 0; i < reference->nparts; i++)
	{
		const ReferencePart *part = &reference->parts[i];

		if (part->name == NULL)
		{
			status = apply_subscript(evaluation, reference, part->subscript,
									 result);
			if (status != VALUE_OK)
				return status;
		}
		else if (!take_member(result, part->name, strlen(part->name)))
		{
			char	   *why = NULL;

			if (wants_reason(evaluation))
				why = value_is_object(result) ?
					psprintf("field \"%s\" not found", part->name) :
					psprintf("no field \"%s\" in %s", part->name,
							 value_type_name(result));
			return missing(evaluation, reference, why, result);
		}
	}
	return VALUE_OK;
}

/* --- literals --- */

/* The number's value, made on first use.  The parser has limited its size. */
static void
evaluate_number(Expression *expression, JsonbValue *result)
{
	if (expression->literal == NULL)
	{
		Jsonb	   *jsonb;

		result->type = jbvNumeric;
		result->val.numeric = DatumGetNumeric(
			DirectFunctionCall3(numeric_in, CStringGetDatum(expression->text),
								ObjectIdGetDatum(InvalidOid),
								Int32GetDatum(-1)));
		jsonb = JsonbValueToJsonb(result);
		expression->literal = jsonb_copy_beside(expression, jsonb);
	}
	value_from_jsonb(expression->literal, result);
}

/* [a, b, c]; kept when it consists of plain literals. */
static ValueStatus
evaluate_array(Evaluation *evaluation, Expression *expression,
			   JsonbValue *result)
{
	JsonbParseState *state = NULL;
	bool		constant = true;
	Jsonb	   *jsonb;

	if (expression->literal != NULL)
	{
		value_from_jsonb(expression->literal, result);
		return VALUE_OK;
	}

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < expression->narguments; i++)
	{
		Expression *argument = expression->arguments[i];
		JsonbValue	element;
		ValueStatus status = evaluate_value(evaluation, argument, &element);

		if (status != VALUE_OK)
			return status;
		if (!evaluation_take_room(evaluation, &element))
			return evaluation_fail(evaluation, argument->position,
								   pstrdup(
									   "the result is too large for jsonb"));
		(void) pushJsonbValue(&state, WJB_ELEM, &element);
		if (argument->kind > EXPR_STRING)
			constant = false;
	}
	jsonb = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	if (constant)
	{
		expression->literal = jsonb_copy_beside(expression, jsonb);
		jsonb = expression->literal;
	}
	value_from_jsonb(jsonb, result);
	return VALUE_OK;
}

/* --- operators whose operands are not both evaluated, and unary ones --- */

/* The truth of an operand: null is false, anything but a boolean a failure. */
static ValueStatus
evaluate_truth(Evaluation *evaluation, Expression *expression,
			   const char *operator, bool *truth)
{
	JsonbValue	value;
	ValueStatus status = evaluate_value(evaluation, expression, &value);

	if (status != VALUE_OK)
		return status;
	if (value.type != jbvBool && value.type != jbvNull)
		return evaluation_fail(evaluation, expression->position,
							   psprintf("%s must be a boolean, not %s",
										operator, value_type_name(&value)));
	*truth = (value.type == jbvBool && value.val.boolean);
	return VALUE_OK;
}

/* and, or, not */
static ValueStatus
evaluate_logic(Evaluation *evaluation, Expression *expression,
			   JsonbValue *result)
{
	const char *operator = expression->kind == EXPR_AND ? "operand of \"and\"" :
		expression->kind == EXPR_OR ? "operand of \"or\"" :
		"operand of \"not\"";
	bool		truth;
	ValueStatus status = evaluate_truth(evaluation, expression->left, operator,
										&truth);

	if (status != VALUE_OK)
		return status;
	if (expression->kind == EXPR_NOT)
		truth = !truth;
	else if (truth == (expression->kind == EXPR_AND))
	{
		/* the left operand did not decide */
		status = evaluate_truth(evaluation,
								expression->right, operator, & truth);
		if (status != VALUE_OK)
			return status;
	}
	result->type = jbvBool;
	result->val.boolean = truth;
	return VALUE_OK;
}

/* a ?? b */
static ValueStatus
evaluate_default(Evaluation *evaluation, Expression *expression,
				 JsonbValue *result)
{
	bool		missing_is_null = evaluation->missing_is_null;
	ValueStatus status;

	evaluation->missing_is_null = false;
	status = evaluate_value(evaluation, expression->left, result);
	evaluation->missing_is_null = missing_is_null;
	if (status == VALUE_MISSING ||
		(status == VALUE_OK && result->type == jbvNull))
		return evaluate_value(evaluation, expression->right, result);
	return status;
}

static ValueStatus
evaluate_length(Evaluation *evaluation, Expression *expression,
				JsonbValue *result)
{
	ValueStatus status = evaluate_value(evaluation, expression->left, result);
	int64		length;

	if (status != VALUE_OK)
		return status;
	if (result->type == jbvNull)
		length = 0;
	else if (result->type == jbvString)
		length = pg_mbstrlen_with_len(result->val.string.val,
									  result->val.string.len);
	else if (result->type == jbvBinary)
		length = JsonContainerSize(result->val.binary.data);
	else
		return evaluation_fail(evaluation, expression->position,
							   psprintf("%s has no length",
										value_type_name(result)));
	result->type = jbvNumeric;
	result->val.numeric = int64_to_numeric(length);
	return VALUE_OK;
}

static ValueStatus
evaluate_negation(Evaluation *evaluation, Expression *expression,
				  JsonbValue *result)
{
	ValueStatus status = evaluate_value(evaluation, expression->left, result);

	if (status != VALUE_OK)
		return status;
	if (result->type != jbvNumeric)
		return evaluation_fail(evaluation, expression->position,
							   psprintf("\"-\" needs a number, not %s",
										value_type_name(result)));
	result->val.numeric = DatumGetNumeric(
		DirectFunctionCall1(numeric_uminus,
							NumericGetDatum(result->val.numeric)));
	return VALUE_OK;
}

static ValueStatus
evaluate_binary(Evaluation *evaluation, Expression *expression,
				JsonbValue *result)
{
	JsonbValue	left;
	JsonbValue	right;
	ValueStatus status = evaluate_value(evaluation, expression->left, &left);

	if (status == VALUE_OK)
		status = evaluate_value(evaluation, expression->right, &right);
	if (status == VALUE_OK)
		status = apply_operator(evaluation, expression, &left, &right, result);
	return status;
}

/*
 * The value of an expression.  With VALUE_MISSING evaluation->missing and why
 * say what; with VALUE_FAILED the message is in the context.
 */
ValueStatus
evaluate_value(Evaluation *evaluation, Expression *expression,
			   JsonbValue *result)
{
	switch (expression->kind)
	{
		case EXPR_NULL:
			result->type = jbvNull;
			return VALUE_OK;
		case EXPR_BOOLEAN:
			result->type = jbvBool;
			result->val.boolean = expression->boolean;
			return VALUE_OK;
		case EXPR_NUMBER:
			evaluate_number(expression, result);
			return VALUE_OK;
		case EXPR_STRING:
			result->type = jbvString;
			result->val.string.val = expression->text;
			result->val.string.len = strlen(expression->text);
			return VALUE_OK;
		case EXPR_ARRAY:
			return evaluate_array(evaluation, expression, result);
		case EXPR_REFERENCE:
			return evaluate_reference(evaluation, expression->reference,
									  result);
		case EXPR_NOT:
		case EXPR_AND:
		case EXPR_OR:
			return evaluate_logic(evaluation, expression, result);
		case EXPR_NEGATE:
			return evaluate_negation(evaluation, expression, result);
		case EXPR_DEFAULT:
			return evaluate_default(evaluation, expression, result);
		case EXPR_LENGTH:
			return evaluate_length(evaluation, expression, result);
		default:
			return evaluate_binary(evaluation, expression, result);
	}
}

/*
 * Value of an expression as a jsonb of its own; NULL after a failure.  A
 * reference without a path needs no copy of what it refers to.
 */
Jsonb *
evaluation_to_jsonb(Evaluation *evaluation, Expression *expression)
{
	JsonbValue	value;
	ValueStatus status;

	if (expression->kind == EXPR_REFERENCE &&
		expression->reference->nparts == 0)
	{
		Jsonb	   *root;

		status = resolve_root(evaluation, expression->reference, &root, &value);
		/* a copy: what is resolved lives as long as whoever has it likes */
		if (status == VALUE_OK && root != NULL)
			return (Jsonb *) PG_DETOAST_DATUM_COPY(PointerGetDatum(root));
	}
	else
		status = evaluate_value(evaluation, expression, &value);

	if (status == VALUE_OK)
		return JsonbValueToJsonb(&value);
	if (status == VALUE_MISSING)
		(void) evaluation_fail_missing(evaluation);
	return NULL;
}

/* See evaluate.h.  A missing reference is a failure here. */
Jsonb *
evaluate_expression(EvaluateContext *context, Expression *expression)
{
	Evaluation	evaluation;

	evaluation_start(&evaluation, context);
	return evaluation_to_jsonb(&evaluation, expression);
}

/* See evaluate.h.  Nothing is ever missing here. */
bool
evaluate_condition(EvaluateContext *context, Expression *expression,
				   char **error)
{
	Evaluation	evaluation;
	bool		truth = false;

	evaluation_start(&evaluation, context);
	evaluation.missing_is_null = true;
	*error = NULL;
	if (evaluate_truth(&evaluation, expression, "condition", &truth) !=
		VALUE_OK)
	{
		*error = psprintf("%s at character %d", context->message,
						  context->position);
		return false;
	}
	return truth;
}

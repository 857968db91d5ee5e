/*-------------------------------------------------------------------------
 *
 * evaluate_operators.c
 *	  The binary operators of expressions on two values.
 *
 * NOTES
 *	  Runs wherever evaluate.c runs.  Operands an operator is not made for are a
 *	  failure of the evaluation, never a conversion and never an error raised.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "interpreter/evaluation.h"
#include "interpreter/jsonb_values.h"

static const char *
operator_symbol(ExpressionKind kind)
{
	switch (kind)
	{
		case EXPR_ADD:
			return "+";
		case EXPR_SUBTRACT:
			return "-";
		case EXPR_MULTIPLY:
			return "*";
		case EXPR_DIVIDE:
			return "/";
		default:
			return "%";
	}
}

/* Exact arithmetic on two numbers. */
static ValueStatus
calculate(Evaluation *evaluation, const Expression *expression,
		  Numeric left, Numeric right, JsonbValue *result)
{
	bool		failed = false;
	Numeric		number;

	switch (expression->kind)
	{
		case EXPR_ADD:
			number = numeric_add_opt_error(left, right, &failed);
			break;
		case EXPR_SUBTRACT:
			number = numeric_sub_opt_error(left, right, &failed);
			break;
		case EXPR_MULTIPLY:
			number = numeric_mul_opt_error(left, right, &failed);
			break;
		case EXPR_DIVIDE:
			number = numeric_div_opt_error(left, right, &failed);
			break;
		default:
			number = numeric_mod_opt_error(left, right, &failed);
			break;
	}
	if (failed)
	{
		bool		divides = (expression->kind == EXPR_DIVIDE ||
							   expression->kind == EXPR_MODULO);

		return evaluation_fail(evaluation, expression->position,
							   pstrdup(
								   divides &&
										   compare_numerics(right,
															int64_to_numeric(
																0)) == 0 ?
									   "division by zero" :
									   "number is out of range"));
	}
	if (expression->kind == EXPR_DIVIDE)
	{
		/* 10 / 2 is 5 in a text, not 5.0000000000000000 */
		number = DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale,
													 NumericGetDatum(number)));
	}
	result->type = jbvNumeric;
	result->val.numeric = number;
	return VALUE_OK;
}

static void
concatenate_strings(const JsonbValue *left, const JsonbValue *right,
					JsonbValue *result)
{
	int			left_length = left->val.string.len;
	int			right_length = right->val.string.len;
	char	   *text = palloc(left_length + right_length + 1);

	memcpy(text, left->val.string.val, left_length);
	memcpy(text + left_length, right->val.string.val, right_length);
	text[left_length + right_length] = '\0';
	result->type = jbvString;
	result->val.string.val = text;
	result->val.string.len = left_length + right_length;
}

static void
concatenate_arrays(const JsonbValue *left, const JsonbValue *right,
				   JsonbValue *result)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	push_array_elements(&state, left);
	push_array_elements(&state, right);
	value_from_jsonb(JsonbValueToJsonb(
						 pushJsonbValue(&state, WJB_END_ARRAY, NULL)),
					 result);
}

/* + - * / % */
static ValueStatus
apply_arithmetic(Evaluation *evaluation, const Expression *expression,
				 const JsonbValue *left, const JsonbValue *right,
				 JsonbValue *result)
{
	bool		adds = (expression->kind == EXPR_ADD);

	if (left->type == jbvNumeric && right->type == jbvNumeric)
		return calculate(evaluation, expression, left->val.numeric,
						 right->val.numeric, result);
	if (adds && ((left->type == jbvString && right->type == jbvString) ||
				 (value_is_array(left) && value_is_array(right))))
	{
		if (value_size(left) + value_size(right) > MAX_VALUE_SIZE)
			return evaluation_fail(evaluation, expression->position,
								   pstrdup(
									   "the result is too large for jsonb"));
		if (left->type == jbvString)
			concatenate_strings(left, right, result);
		else
			concatenate_arrays(left, right, result);
		return VALUE_OK;
	}
	return evaluation_fail(evaluation, expression->position,
						   psprintf("\"%s\" needs two numbers%s, not %s and %s",
									operator_symbol(expression->kind),
									adds ? ", two strings or two arrays" : "",
									value_type_name(left),
									value_type_name(right)));
}

/* < <= > >= */
static ValueStatus
apply_comparison(Evaluation *evaluation, const Expression *expression,
				 const JsonbValue *left, const JsonbValue *right,
				 JsonbValue *result)
{
	int			order;
	bool		holds;

	if (left->type == jbvNumeric && right->type == jbvNumeric)
		order = compare_numerics(left->val.numeric, right->val.numeric);
	else if (left->type == jbvString && right->type == jbvString)
		order = compare_value_strings(left, right);
	else
		return evaluation_fail(evaluation, expression->position,
							   psprintf("cannot compare %s with %s",
										value_type_name(left),
										value_type_name(right)));
	switch (expression->kind)
	{
		case EXPR_LT:
			holds = (order < 0);
			break;
		case EXPR_LE:
			holds = (order <= 0);
			break;
		case EXPR_GT:
			holds = (order > 0);
			break;
		default:
			holds = (order >= 0);
			break;
	}
	result->type = jbvBool;
	result->val.boolean = holds;
	return VALUE_OK;
}

/* in, not in, contains: is part in whole? */
static ValueStatus
apply_membership(Evaluation *evaluation, const Expression *expression,
				 JsonbValue *whole, JsonbValue *part, JsonbValue *result)
{
	bool		found;

	if (value_is_array(whole))
		found = value_array_contains(whole, part);
	else if (whole->type == jbvString && part->type == jbvString)
		found = value_string_contains(whole, part);
	else if (value_is_object(whole) && part->type == jbvString)
	{
		JsonbValue	member;

		found = getKeyJsonValueFromContainer(whole->val.binary.data,
											 part->val.string.val,
											 part->val.string.len,
											 &member) != NULL;
	}
	else
		return evaluation_fail(evaluation, expression->position,
							   psprintf("cannot look for %s in %s",
										value_type_name(part),
										value_type_name(whole)));
	result->type = jbvBool;
	result->val.boolean = (found != (expression->kind == EXPR_NOT_IN));
	return VALUE_OK;
}

/*
 * Apply the operator of the expression's node to two values.
 */
ValueStatus
apply_operator(Evaluation *evaluation, const Expression *expression,
			   JsonbValue *left, JsonbValue *right, JsonbValue *result)
{
	switch (expression->kind)
	{
		case EXPR_EQ:
		case EXPR_NE:
			result->val.boolean = (values_are_equal(left, right) ==
								   (expression->kind == EXPR_EQ));
			result->type = jbvBool;
			return VALUE_OK;
		case EXPR_LT:
		case EXPR_LE:
		case EXPR_GT:
		case EXPR_GE:
			return apply_comparison(evaluation, expression, left, right,
									result);
		case EXPR_IN:
		case EXPR_NOT_IN:
			return apply_membership(evaluation, expression, right, left,
									result);
		case EXPR_CONTAINS:
			return apply_membership(evaluation, expression, left, right,
									result);
		default:
			return apply_arithmetic(evaluation, expression, left, right,
									result);
	}
}

/*-------------------------------------------------------------------------
 *
 * evaluate.c
 *	  workflow.evaluate(), evaluate_condition(): trying out expressions.
 *
 * NOTES
 *	  Runs in sessions; reads no tables, takes no locks.  Here what the
 *	  evaluator hands back as a message becomes an error, with a cursor into the
 *	  expression.  What references refer to comes from a document the caller
 *	  makes up:
 *
 *	  {"workflow": {"input": .., "execution_id": ..},
 *	   "steps": {"check": {"output": .., "status": .., "error": ..}},
 *	   "loop": {"item": .., "index": .., "total": .., "parent": {..}},
 *	   "vars": {"x": ..}}
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "interpreter/evaluate.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_evaluate(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_evaluate_condition(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_evaluate);
PG_FUNCTION_INFO_V1(workflow_evaluate_condition);

/* Raise an error about a place in the expression. */
static void
raise_at(int code, const char *expression, const char *message, int position)
{
	ereport(ERROR,
			(errcode(code),
			 errmsg("%s", message),
			 position > 0 ? internalerrposition(position) : 0,
			 internalerrquery(expression)));
}

/* A member of an object that may itself be missing. */
static Jsonb *
get_member(Jsonb *object, const char *key)
{
	return object != NULL ? jsonb_get_member(object, key) : NULL;
}

/* loop.index and loop.total when they are small numbers, as they are. */
static int64
get_number(Jsonb *object, const char *key)
{
	Jsonb	   *member = get_member(object, key);
	JsonbValue	value;

	if (member == NULL || !JB_ROOT_IS_SCALAR(member) ||
		!JsonbExtractScalar(&member->root, &value) || value.type != jbvNumeric)
		return -1;
	return DatumGetInt64(
		DirectFunctionCall1(numeric_int8, NumericGetDatum(value.val.numeric)));
}

/*
 * loop.*: is_first and is_last follow from index and total unless they are
 * given.
 */
static Jsonb *
resolve_loop(Jsonb *document, const Reference *reference, char **why)
{
	Jsonb	   *loop = get_member(document, "loop");
	Jsonb	   *value;
	const char *field;

	for (int i = 0; i < reference->levels_up; i++)
		loop = get_member(loop, "parent");
	if (loop == NULL)
	{
		*why = pstrdup(reference->levels_up > 0 ? "no such loop around this one" :
					   "not in a loop");
		return NULL;
	}

	switch (reference->root)
	{
		case REFERENCE_LOOP_ITEM:
			field = "item";
			break;
		case REFERENCE_LOOP_INDEX:
			field = "index";
			break;
		case REFERENCE_LOOP_TOTAL:
			field = "total";
			break;
		case REFERENCE_LOOP_IS_FIRST:
			field = "is_first";
			break;
		default:
			field = "is_last";
			break;
	}
	value = jsonb_get_member(loop, field);
	if (value != NULL)
		return value;
	if (reference->root == REFERENCE_LOOP_IS_FIRST &&
		get_number(loop, "index") >= 0)
		return jsonb_from_bool(get_number(loop, "index") == 0);
	if (reference->root == REFERENCE_LOOP_IS_LAST &&
		get_number(loop, "index") >= 0 && get_number(loop, "total") >= 0)
		return jsonb_from_bool(get_number(loop, "index") + 1 ==
							   get_number(loop, "total"));
	*why = psprintf("the loop has no \"%s\"", field);
	return NULL;
}

static Jsonb *
resolve_step(Jsonb *document, const Reference *reference, char **why)
{
	Jsonb	   *step = get_member(get_member(document, "steps"), reference->step_id);
	const char *field = reference->root == REFERENCE_STEP_OUTPUT ? "output" :
		reference->root == REFERENCE_STEP_STATUS ? "status" : "error";
	Jsonb	   *value = get_member(step, field);

	/* the caller goes along the path after this */
	if (step == NULL &&
		reference_skip_steps(unconstify(Reference *, reference)))
		return resolve_step(document, reference, why);
	if (step == NULL)
		*why = psprintf("step \"%s\" has not run", reference->step_id);
	else if (value == NULL)
		*why = psprintf("step \"%s\" has no %s", reference->step_id, field);
	return value;
}

/* ResolveFunction over the caller's document. */
static ResolveStatus
resolve_in_document(void *context, const Reference *reference, Jsonb **value,
					char **why)
{
	Jsonb	   *document = context;
	const char *field = reference->field;

	switch (reference->root)
	{
		case REFERENCE_WORKFLOW_INPUT:
			field = "input";
			/* FALLTHROUGH */
		case REFERENCE_WORKFLOW_FIELD:
			*value = get_member(get_member(document, "workflow"), field);
			if (*value == NULL)
				*why = psprintf("the context has no workflow.%s", field);
			break;
		case REFERENCE_STEP_OUTPUT:
		case REFERENCE_STEP_STATUS:
		case REFERENCE_STEP_ERROR:
			*value = resolve_step(document, reference, why);
			break;
		case REFERENCE_VARIABLE:
			*value = get_member(get_member(document, "vars"), field);
			if (*value == NULL)
				*why = psprintf("variable \"%s\" has not been set", field);
			break;
		default:
			*value = resolve_loop(document, reference, why);
			break;
	}
	return *value != NULL ? RESOLVE_OK : RESOLVE_MISSING;
}

static void
start_context(EvaluateContext *context, Jsonb *document)
{
	state_check_installation();
	memset(context, 0, sizeof(*context));
	context->resolve = resolve_in_document;
	context->resolve_context = document;
}

/*
 * workflow.evaluate(expression text, context jsonb) RETURNS jsonb
 *
 * A text with "${" in it is what a string of an input mapping is, anything
 * else an expression.
 */
Datum
workflow_evaluate(PG_FUNCTION_ARGS)
{
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	EvaluateContext context;
	ExpressionError error;
	Jsonb	   *result;

	start_context(&context, PG_GETARG_JSONB_P(1));
	if (strstr(source, "${") != NULL)
	{
		Template   *template = template_parse_string(source, &error);

		if (template == NULL)
			raise_at(ERRCODE_SYNTAX_ERROR, source, error.message,
					 error.position);
		result = evaluate_template(&context, template);
	}
	else
	{
		Expression *expression = expression_parse(source, &error);

		if (expression == NULL)
			raise_at(ERRCODE_SYNTAX_ERROR, source, error.message,
					 error.position);
		result = evaluate_expression(&context, expression);
	}
	if (result == NULL)
		raise_at(ERRCODE_DATA_EXCEPTION, source, context.message,
				 context.position);
	PG_RETURN_JSONB_P(result);
}

/*
 * workflow.evaluate_condition(condition text, context jsonb) RETURNS boolean
 *
 * What a conditional step would make of it: a condition that cannot be
 * evaluated is false, and a warning says why.
 */
Datum
workflow_evaluate_condition(PG_FUNCTION_ARGS)
{
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(0));
	EvaluateContext context;
	ExpressionError parse_error;
	Expression *expression;
	char	   *error;
	bool		result;

	start_context(&context, PG_GETARG_JSONB_P(1));
	expression = expression_parse(source, &parse_error);
	if (expression == NULL)
		raise_at(ERRCODE_SYNTAX_ERROR, source, parse_error.message,
				 parse_error.position);
	result = evaluate_condition(&context, expression, &error);
	if (error != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("condition cannot be evaluated and counts as false"),
				 errdetail_internal("%s", error)));
	PG_RETURN_BOOL(result);
}

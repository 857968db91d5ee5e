/*-------------------------------------------------------------------------
 *
 * evaluate_template.c
 *	  Fills in templates: JSON values with references inside.
 *
 * NOTES
 *	  Runs wherever evaluate.c runs; its notes on memory hold here too.
 *	  Recursion follows the nesting of the template, which JSON_MAX_DEPTH
 *	  bounds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "interpreter/evaluation.h"
#include "interpreter/jsonb_values.h"

static ValueStatus push_template(Evaluation *evaluation,
								 JsonbParseState **state,
								 JsonbIteratorToken token, Template *template,
								 JsonbValue **root);

/* The literal as a jsonb, made on first use and kept with the plan. */
static Jsonb *
literal_jsonb(Template *template)
{
	if (template->literal == NULL)
		template->literal = jsonb_copy_beside(template,
											  jsonb_from_text(template->text));
	return template->literal;
}

/* The value of an expression where missing is a failure. */
static ValueStatus
evaluate_piece(Evaluation *evaluation, Expression *expression,
			   JsonbValue *value)
{
	ValueStatus status = evaluate_value(evaluation, expression, value);

	return status == VALUE_MISSING ? evaluation_fail_missing(evaluation) :
									 status;
}

/* "a ${b} c" */
static ValueStatus
interpolate(Evaluation *evaluation, Template *template, JsonbValue *result)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < template->nitems; i++)
	{
		Template   *item = template->items[i];
		JsonbValue	value;
		ValueStatus status;

		if (template_is_literal(item))
		{
			appendStringInfoString(&text, item->text);
			continue;
		}
		status = evaluate_piece(evaluation, item->expression, &value);
		if (status != VALUE_OK)
			return status;
		if (!append_value_text(&text, &value))
			return evaluation_fail(evaluation, item->expression->position,
								   pstrdup("the text is too long for jsonb"));
	}
	result->type = jbvString;
	result->val.string.val = text.data;
	result->val.string.len = text.len;
	return VALUE_OK;
}

/* A failure came from below the given place: put that in front of its path. */
static void
prefix_path(EvaluateContext *context, const char *key, int index)
{
	const char *rest = context->path ? context->path : "";
	const char *dot = (*rest == '\0' || *rest == '[') ? "" : ".";

	context->path = key != NULL ? psprintf("%s%s%s", key, dot, rest) :
		psprintf("[%d]%s%s", index, dot, rest);
}

/* An object or an array with references below it. */
static ValueStatus
push_container(Evaluation *evaluation, JsonbParseState **state,
			   Template *template, JsonbValue **root)
{
	bool		is_object = (template->kind == TEMPLATE_OBJECT);

	(void) pushJsonbValue(state, is_object ? WJB_BEGIN_OBJECT : WJB_BEGIN_ARRAY,
						  NULL);
	for (int i = 0; i < template->nitems; i++)
	{
		ValueStatus status;

		if (is_object)
		{
			JsonbValue	key;

			key.type = jbvString;
			key.val.string.val = template->keys[i];
			key.val.string.len = strlen(template->keys[i]);
			evaluation->size += value_size(&key);
			(void) pushJsonbValue(state, WJB_KEY, &key);
		}
		status = push_template(evaluation, state,
							   is_object ? WJB_VALUE : WJB_ELEM,
							   template->items[i], root);
		if (status != VALUE_OK)
		{
			prefix_path(evaluation->context,
						is_object ? template->keys[i] : NULL, i);
			return status;
		}
	}
	*root = pushJsonbValue(state, is_object ? WJB_END_OBJECT : WJB_END_ARRAY, NULL);
	return VALUE_OK;
}

/* The value of a template as the next thing in a jsonb being built. */
static ValueStatus
push_template(Evaluation *evaluation, JsonbParseState **state,
			  JsonbIteratorToken token, Template *template, JsonbValue **root)
{
	JsonbValue	value;
	ValueStatus status = VALUE_OK;

	switch (template->kind)
	{
		case TEMPLATE_OBJECT:
		case TEMPLATE_ARRAY:
			return push_container(evaluation, state, template, root);
		case TEMPLATE_LITERAL:
			value_from_jsonb(literal_jsonb(template), &value);
			break;
		case TEMPLATE_EXPRESSION:
			status = evaluate_piece(evaluation, template->expression, &value);
			break;
		case TEMPLATE_TEXT:
			status = interpolate(evaluation, template, &value);
			break;
	}
	if (status != VALUE_OK)
		return status;
	if (!evaluation_take_room(evaluation, &value))
		return evaluation_fail(evaluation, template->expression ?
							   template->expression->position : 0,
							   pstrdup("the result is too large for jsonb"));
	(void) pushJsonbValue(state, token, &value);
	return VALUE_OK;
}

/* See evaluate.h. */
Jsonb *
evaluate_template(EvaluateContext *context, Template *template)
{
	Evaluation	evaluation;
	JsonbParseState *state = NULL;
	JsonbValue *root = NULL;
	JsonbValue	text;

	evaluation_start(&evaluation, context);
	switch (template->kind)
	{
		case TEMPLATE_LITERAL:
			return literal_jsonb(template);
		case TEMPLATE_EXPRESSION:
			return evaluation_to_jsonb(&evaluation, template->expression);
		case TEMPLATE_TEXT:
			if (interpolate(&evaluation, template, &text) != VALUE_OK)
				return NULL;
			return JsonbValueToJsonb(&text);
		case TEMPLATE_OBJECT:
		case TEMPLATE_ARRAY:
			break;
	}
	if (push_container(&evaluation, &state, template, &root) != VALUE_OK)
		return NULL;
	return JsonbValueToJsonb(root);
}

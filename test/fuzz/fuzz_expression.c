/*-------------------------------------------------------------------------
 *
 * fuzz_expression.c
 *	  A libFuzzer target: any text as a condition, and as a string with ${...} in it.
 *
 * NOTES
 *	  What does not parse has a message and a position in the text; what does
 *	  has references whose own text parses again, to the same.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/template.h"

#include "target.h"

static void
check_reference(Reference *reference, void *context)
{
	const char *text = context;
	ExpressionError error = {0};
	Expression *again;

	require(reference->text != NULL && reference->position > 0, "a reference is nowhere", text);
	again = expression_parse(psprintf("${%s}", reference->text), &error);
	require(again != NULL && again->kind == EXPR_REFERENCE, "a reference does not parse alone", text);
	require(again->reference->root == reference->root &&
			again->reference->nparts == reference->nparts &&
			strcmp(again->reference->text, reference->text) == 0,
			"a reference alone is another", text);
}

static void
check_error(const ExpressionError *error, const char *text)
{
	require(error->message != NULL && error->position >= 1 &&
			error->position <= (int) strlen(text) + 1, "an error is nowhere", text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = input_string(data, size);
	ExpressionError error = {0};
	Expression *expression = expression_parse(text, &error);
	Template   *template;

	if (expression == NULL)
		check_error(&error, text);
	else
		expression_walk_references(expression, check_reference, text);
	memset(&error, 0, sizeof(error));
	template = template_parse_string(text, &error);
	if (template == NULL)
		check_error(&error, text);
	else
		template_walk_references(template, check_reference, text);
	arena_reset();
	return 0;
}

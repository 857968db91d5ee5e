/*-------------------------------------------------------------------------
 *
 * test_template.c
 *	  Unit tests of the template parser.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/template.h"

#include "check.h"

/* The template's structure in a short notation; ${reference} by its text. */
static void
print_template(StringInfo out, const Template *template)
{
	const char *brackets = template->kind == TEMPLATE_OBJECT ? "{}" :
		template->kind == TEMPLATE_ARRAY ? "[]" : "()";

	if (template->kind == TEMPLATE_LITERAL)
	{
		appendStringInfo(out, "L%s", template->text);
		return;
	}
	if (template->kind == TEMPLATE_EXPRESSION)
	{
		if (template->expression->kind == EXPR_REFERENCE)
			appendStringInfo(out, "E<%s>", template->expression->reference->text);
		else
			appendStringInfo(out, "E#%d", template->expression->position);
		return;
	}
	appendStringInfoChar(out, brackets[0]);
	for (int i = 0; i < template->nitems; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ' ');
		if (template->kind == TEMPLATE_OBJECT)
			appendStringInfo(out, "%s=", template->keys[i]);
		print_template(out, template->items[i]);
	}
	appendStringInfoChar(out, brackets[1]);
}

static Template *
parse(const char *document, ProblemList *problems)
{
	char	   *message;
	Json	   *json = json_parse(document, &message);

	if (json == NULL)
	{
		printf("# %s\n", message);
		return NULL;
	}
	return template_parse(json, "steps.a.input_mapping", "a", problems);
}

static void
structure(const char *document, const char *expected)
{
	ProblemList *problems = problem_list_create();
	Template   *template = parse(document, problems);
	StringInfoData out;

	initStringInfo(&out);
	if (template != NULL)
		print_template(&out, template);
	else
		appendStringInfoString(&out, "none");
	CHECK(strcmp(out.data, expected) == 0, "%s", document);
	if (strcmp(out.data, expected) != 0)
		printf("#      got %s\n# expected %s\n", out.data, expected);
}

/* One problem, with this path and message. */
static void
refused(const char *document, const char *path, const char *message)
{
	ProblemList *problems = problem_list_create();
	Template   *template = parse(document, problems);
	bool		ok = (template == NULL && problems->errors == 1 &&
					  strcmp(problems->items[0].path, path) == 0 &&
					  strcmp(problems->items[0].message, message) == 0 &&
					  strcmp(problems->items[0].step_id, "a") == 0);

	CHECK(ok, "refused: %s", document);
	for (int i = 0; !ok && i < problems->count; i++)
		printf("# %s: %s\n", problems->items[i].path, problems->items[i].message);
}

static void
count_reference(Reference *reference, void *context)
{
	if (reference->text[0] != '\0')
		(*(int *) context)++;
}

int
main(void)
{
	ProblemList *problems = problem_list_create();
	Template   *template;
	int			count = 0;

	structure("1", "L1");
	structure("12345678901234567890.10", "L12345678901234567890.10");
	structure("null", "Lnull");
	structure("\"x\"", "L\"x\"");
	structure("\"\"", "L\"\"");
	structure("{}", "L{}");
	structure("[]", "L[]");
	structure("{\"a\": [1, {\"b\": \"c\"}], \"d\": null}", "L{\"a\":[1,{\"b\":\"c\"}],\"d\":null}");
	structure("\"${a.output}\"", "E<a.output>");
	structure("\"${ step-a.output.x }\"", "E<step-a.output.x>");
	structure("\"a ${b.output} c\"", "(La  E<b.output> L c)");
	structure("\"${a.output}${b.output}\"", "(E<a.output> E<b.output>)");
	structure("\" ${a.output}\"", "(L  E<a.output>)");
	structure("\"${a.output + 1}\"", "E#12");
	structure("\"${'}' + a.output}\"", "E#7");
	structure("\"$${x}\"", "L\"${x}\"");
	structure("\"$${x} ${a.output}\"", "(L${x}  E<a.output>)");
	structure("\"costs $5, $ or $$\"", "L\"costs $5, $ or $$\"");
	structure("\"$${\\\"\\\\\\n\"", "L\"${\\\"\\\\\\u000a\"");
	structure("{\"a\": \"${x.output}\", \"b\": {\"c\": [1, \"$${\"]}, \"e\": []}",
			  "{a=E<x.output> b=L{\"c\":[1,\"${\"]} e=L[]}");
	structure("[1, [\"${x.output}\", {\"k\": 1.0}], \"t\"]", "[L1 [E<x.output> L{\"k\":1.0}] L\"t\"]");
	structure("{\"${x.output}\": 1}", "L{\"${x.output}\":1}");
	structure("\"gr\xc3\xbc\xc3\x9f" "e ${a.output}\"", "(Lgr\xc3\xbc\xc3\x9f" "e  E<a.output>)");

	refused("\"${\"", "steps.a.input_mapping", "unexpected end of expression at character 3");
	refused("\"${}\"", "steps.a.input_mapping", "\"${}\" is empty at character 3");
	refused("\"\xc3\xa4 ${a.output\"", "steps.a.input_mapping", "\"}\" is missing at character 13");
	refused("{\"a\": {\"b\": [1, \"x ${1 + }\"]}}", "steps.a.input_mapping.a.b[1]",
			"unexpected \"}\" at character 9");
	refused("[[\"${a}\"]]", "steps.a.input_mapping[0][0]",
			"\"a\" must be followed by \".\" and output, outputs, status or error at character 4");

	template = parse("{\"a\": \"${1\", \"b\": 1, \"c\": [\"${2\"]}", problems);
	CHECK(template == NULL && problems->errors == 2 &&
		  strcmp(problems->items[0].path, "steps.a.input_mapping.a") == 0 &&
		  strcmp(problems->items[1].path, "steps.a.input_mapping.c[0]") == 0,
		  "all problems are reported");
	CHECK(strcmp(problems->items[0].hint, "It is character 4 of \"${1\".") == 0,
		  "the hint shows the string");

	template = parse("{\"a\": \"${x.output}\", \"b\": [\"${y.output[z.output]} ${vars.w}\", 1]}",
					 problem_list_create());
	template_walk_references(template, count_reference, &count);
	CHECK(count == 4, "all references are visited");

	return done_testing();
}

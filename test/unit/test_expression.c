/*-------------------------------------------------------------------------
 *
 * test_expression.c
 *	  Unit tests of the expression parser: trees, positions, limits.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/expression.h"

#include "check.h"

static void print_tree(StringInfo out, const Expression *node);

static const char *const kind_names[] = {
	[EXPR_NOT] = "not", [EXPR_NEGATE] = "neg", [EXPR_AND] = "and", [EXPR_OR] = "or",
	[EXPR_EQ] = "==", [EXPR_NE] = "!=", [EXPR_LT] = "<", [EXPR_LE] = "<=",
	[EXPR_GT] = ">", [EXPR_GE] = ">=", [EXPR_IN] = "in", [EXPR_NOT_IN] = "not-in",
	[EXPR_CONTAINS] = "contains", [EXPR_ADD] = "+", [EXPR_SUBTRACT] = "-",
	[EXPR_MULTIPLY] = "*", [EXPR_DIVIDE] = "/", [EXPR_MODULO] = "%",
	[EXPR_DEFAULT] = "??", [EXPR_LENGTH] = "len"
};

static const char *const root_names[] = {
	[REFERENCE_WORKFLOW_INPUT] = "input", [REFERENCE_WORKFLOW_FIELD] = "workflow",
	[REFERENCE_STEP_OUTPUT] = "output", [REFERENCE_STEP_STATUS] = "status",
	[REFERENCE_STEP_ERROR] = "error", [REFERENCE_LOOP_ITEM] = "item",
	[REFERENCE_LOOP_INDEX] = "index", [REFERENCE_LOOP_TOTAL] = "total",
	[REFERENCE_LOOP_IS_FIRST] = "is_first", [REFERENCE_LOOP_IS_LAST] = "is_last",
	[REFERENCE_VARIABLE] = "variable"
};

static void
print_reference(StringInfo out, const Reference *reference)
{
	appendStringInfo(out, "<%s", root_names[reference->root]);
	if (reference->step_id)
		appendStringInfo(out, " of %s", reference->step_id);
	if (reference->field)
		appendStringInfo(out, " %s", reference->field);
	if (reference->levels_up)
		appendStringInfo(out, " up %d", reference->levels_up);
	for (int i = 0; i < reference->nparts; i++)
	{
		if (reference->parts[i].name)
			appendStringInfo(out, " .%s", reference->parts[i].name);
		else
		{
			appendStringInfoString(out, " [");
			print_tree(out, reference->parts[i].subscript);
			appendStringInfoChar(out, ']');
		}
	}
	appendStringInfoChar(out, '>');
}

/* The tree in the notation the tests expect it in. */
static void
print_tree(StringInfo out, const Expression *node)
{
	switch (node->kind)
	{
		case EXPR_NULL:
			appendStringInfoString(out, "null");
			break;
		case EXPR_BOOLEAN:
			appendStringInfoString(out, node->boolean ? "true" : "false");
			break;
		case EXPR_NUMBER:
			appendStringInfoString(out, node->text);
			break;
		case EXPR_STRING:
			appendStringInfo(out, "'%s'", node->text);
			break;
		case EXPR_ARRAY:
			appendStringInfoChar(out, '[');
			for (int i = 0; i < node->narguments; i++)
			{
				if (i > 0)
					appendStringInfoChar(out, ' ');
				print_tree(out, node->arguments[i]);
			}
			appendStringInfoChar(out, ']');
			break;
		case EXPR_REFERENCE:
			print_reference(out, node->reference);
			break;
		default:
			appendStringInfo(out, "(%s ", kind_names[node->kind]);
			print_tree(out, node->left);
			if (node->right)
			{
				appendStringInfoChar(out, ' ');
				print_tree(out, node->right);
			}
			appendStringInfoChar(out, ')');
			break;
	}
}

/* Parse and compare with the expected tree. */
static void
tree(const char *text, const char *expected)
{
	ExpressionError error;
	Expression *expression = expression_parse(text, &error);
	StringInfoData out;

	initStringInfo(&out);
	if (expression)
		print_tree(&out, expression);
	else
		appendStringInfo(&out, "error at %d: %s", error.position, error.message);
	CHECK(strcmp(out.data, expected) == 0, "%s", text);
	if (strcmp(out.data, expected) != 0)
		printf("#      got %s\n# expected %s\n", out.data, expected);
}

/* Parse and compare the error. */
static void
refused(const char *text, int position, const char *message)
{
	ExpressionError error;
	Expression *expression = expression_parse(text, &error);
	bool		ok = (expression == NULL && error.position == position &&
					  strcmp(error.message, message) == 0);

	CHECK(ok, "refused: %.60s", text);
	if (!ok && expression == NULL)
		printf("#      got %d: %s\n# expected %d: %s\n", error.position,
			   error.message, position, message);
}

static void
test_precedence(void)
{
	tree("1 + 2 * 3", "(+ 1 (* 2 3))");
	tree("(1 + 2) * 3", "(* (+ 1 2) 3)");
	tree("1 - 2 - 3", "(- (- 1 2) 3)");
	tree("8 / 4 % 3 * 2", "(* (% (/ 8 4) 3) 2)");
	tree("1 or 2 and 3", "(or 1 (and 2 3))");
	tree("not 1 and 2", "(and (not 1) 2)");
	tree("not not 1", "(not (not 1))");
	tree("not 1 == 2", "(not (== 1 2))");
	tree("not 1 in 2", "(not (in 1 2))");
	tree("1 not in 2", "(not-in 1 2)");
	tree("1 + 2 > 3 and 4 != 5", "(and (> (+ 1 2) 3) (!= 4 5))");
	tree("1 ?? 2 > 3 ?? 4", "(> (?? 1 2) (?? 3 4))");
	tree("1 ?? 2 + 3", "(?? 1 (+ 2 3))");
	tree("1 ?? 2 ?? 3", "(?? (?? 1 2) 3)");
	tree("-1", "-1");
	tree("- -1", "(neg -1)");
	tree("2-1", "(- 2 1)");
	tree("2 - -1", "(- 2 -1)");
	tree("-(1)", "-1");
	tree("-vars.x * 2", "(* (neg <variable x>) 2)");
	tree("a.output contains 'x' or 'y' in [1, 2,'z']",
		 "(or (contains <output of a> 'x') (in 'y' [1 2 'z']))");
	tree("len(a.output) >= 2", "(>= (len <output of a>) 2)");
	tree("len ( [] )", "(len [])");
	tree("len.output", "<output of len>");
	tree("(1 == 2) == false", "(== (== 1 2) false)");
	tree(" \t\n1 ", "1");
}

static void
test_literals(void)
{
	tree("'it''", "error at 5: unterminated string");
	tree("\"don't\"", "'don't'");
	tree("'a\\'b\\\"c\\\\d\\/e'", "'a'b\"c\\d/e'");
	tree("'\\b\\f\\n\\r\\t'", "'\b\f\n\r\t'");
	tree("'\\u00e4\\u20AC\\ud83d\\ude00'", "'\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80'");
	tree("'\xc3\xa4'", "'\xc3\xa4'");
	tree("'true false null and'", "'true false null and'");
	tree("[true, false, null]", "[true false null]");
	tree("''", "''");
	tree("12345678901234567890.123456789012345678901234567890",
		 "12345678901234567890.123456789012345678901234567890");
	tree("1e5", "1e5");
	tree("1.5E-3", "1.5E-3");
	tree("[[1], []]", "[[1] []]");
}

static void
test_references(void)
{
	tree("${check.output.total}", "<output of check .total>");
	tree("${ check.output.total }", "<output of check .total>");
	tree("check.output", "<output of check>");
	tree("check.outputs", "<output of check>");
	tree("steps.check.output", "<output of check>");
	tree("steps.check.status", "<status of check>");
	tree("${steps.a-b.output.c}", "<output of a-b .c>");
	tree("steps.output.c", "<output of steps .c>");
	tree("check.status", "<status of check>");
	tree("check.error.message", "<error of check .message>");
	tree("${step-a.output.x-y}", "<output of step-a .x-y>");
	tree("${step-a-.output.x--y}", "<output of step-a- .x--y>");
	/* dashes behind which the name does not go on are not of it */
	tree("${a.output.x-- 1}", "(- <output of a .x> -1)");
	tree("${a.output.x--${b.output}}", "(- <output of a .x> (neg <output of b>))");
	tree("${step-a.output.x} - ${b.output}", "(- <output of step-a .x> <output of b>)");
	tree("a.output.x-1", "(- <output of a .x> 1)");
	tree("${a.output.x - 1}", "(- <output of a .x> 1)");
	tree("${a.output.x -1}", "(- <output of a .x> 1)");
	tree("${step-.output}", "<output of step->");
	tree("${2nd.output}", "<output of 2nd>");
	tree("${3.output.x} + 3.5", "(+ <output of 3 .x> 3.5)");
	tree("${2024-01.output}", "<output of 2024-01>");
	tree("${3-2}", "(- 3 2)");
	tree("${1e5 - 1e-5}", "(- 1e5 1e-5)");
	tree("workflow.input", "<input>");
	tree("workflow.input.a.b[0][-1].c", "<input .a .b [0] [-1] .c>");
	tree("workflow.execution_id", "<workflow execution_id>");
	tree("workflow.started_at", "<workflow started_at>");
	tree("loop.item.name", "<item .name>");
	tree("loop.parent.item", "<item up 1>");
	tree("loop.parent.parent.index", "<index up 2>");
	tree("loop.item.parent", "<item .parent>");
	tree("loop.is_first or loop.is_last", "(or <is_first> <is_last>)");
	tree("loop.index + loop.total", "(+ <index> <total>)");
	tree("vars.total", "<variable total>");
	tree("vars.total.x[1]", "<variable total .x [1]>");
	tree("a.output.in.and.not.null.true.contains", "<output of a .in .and .not .null .true .contains>");
	tree("vars.or", "<variable or>");
	tree("a.output.0.1st", "<output of a .0 .1st>");
	tree("${workflow.input.schemas[loop.item.type]}", "<input .schemas [<item .type>]>");
	tree("${workflow.input.s[${loop.item.my-type}]}", "<input .s [<item .my-type>]>");
	tree("workflow.input.s[step-a.output['x y']].z", "<input .s [<output of step-a ['x y']>] .z>");
	tree("workflow.input.s[loop.index + 1]", "<input .s [(+ <index> 1)]>");
	tree("workflow.input.a[0]-1", "(- <input .a [0]> 1)");
	tree("${x.output ?? 'none'}", "(?? <output of x> 'none')");
	tree("${x.output.a} ?? 0 > 1", "(> (?? <output of x .a> 0) 1)");
	tree("workflow.input.gr\xc3\xb6\xc3\x9f" "e", "<input .gr\xc3\xb6\xc3\x9f" "e>");
	tree("order.output", "<output of order>");
	tree("notes.output", "<output of notes>");
	tree("True.output", "<output of True>");
}

static void
test_errors(void)
{
	refused("", 1, "expression is empty");
	refused("  ", 1, "expression is empty");
	refused("1 +", 4, "unexpected end of expression");
	refused("1 + )", 5, "unexpected \")\"");
	refused("1 2", 3, "unexpected \"2\"");
	refused("(1", 3, "\")\" is missing at the end of the expression, for what opened at character 1");
	refused("[1, 2", 6, "\"]\" is missing at the end of the expression, for what opened at character 1");
	refused("[1 2]", 4, "unexpected \"2\"");
	refused("[1,]", 4, "unexpected \"]\"");
	refused("${a.output", 11, "\"}\" is missing at the end of the expression, for what opened at character 1");
	refused("${}", 3, "unexpected \"}\"");
	refused("1 == 2 == 3", 8, "comparisons cannot be chained, use \"and\" or parentheses");
	refused("1 = 2", 3, "unexpected \"=\", use \"==\" to compare");
	refused("1 <> 2", 3, "unexpected \"<>\", use \"!=\"");
	refused("1 && 2", 3, "unexpected \"&&\", use \"and\"");
	refused("1 || 2", 3, "unexpected \"||\", use \"or\", or \"+\" to concatenate");
	refused("!1", 1, "unexpected \"!\", use \"not\"");
	refused("1 ; 2", 3, "unexpected \";\"");
	refused("'\xc3\xa4' @", 5, "unexpected \"@\"");
	refused("'\\x'", 2, "invalid escape in a string");
	refused("'\\u12'", 2, "\\u must be followed by four hexadecimal digits");
	refused("'\\u0000'", 2, "\\u0000 cannot be converted to text");
	refused("'\\ud800x'", 2, "unicode surrogate without its other half");
	refused("'\\ude00'", 2, "unicode surrogate without its other half");
	refused("'abc", 1, "unterminated string");
	refused("1 > check", 10, "\"check\" must be followed by \".\" and output, outputs, status or error");
	refused("steps.check", 12, "\"steps.check\" must be followed by \".\" and output, outputs, status or error");
	refused("steps.check.result", 13, "\"steps.check\" has no \"result\", only output, outputs, status or error");
	refused("check.result", 7, "\"check\" has no \"result\", only output, outputs, status or error");
	refused("workflow.output", 10,
			"\"workflow\" has no \"output\", only input, execution_id, name, version, started_at, traceparent or error");
	refused("${loop.index-1}", 8,
			"\"loop\" has no \"index-1\", only item, index, total, is_first or is_last; a minus needs spaces around it");
	refused("loop.parent", 12, "\"loop.parent\" must be followed by \".\" and item, index, total, is_first or is_last");
	refused("loop.index.x", 11, "\"loop.index\" is a plain value, nothing can be taken out of it");
	refused("a.output.", 10, "expected a name behind \".\"");
	refused("a.output[", 10, "unexpected end of expression");
	refused("a.output[]", 10, "unexpected \"]\"");
	refused("vars", 5, "\"vars\" must be followed by \".\" and the name of a variable");
	refused("lower('x')", 1, "there is no function \"lower\", only \"len\"");
	refused("len()", 5, "unexpected \")\"");
	refused("1e1001", 1, "number is out of range");
	refused("1e99999999999999999999", 1, "number is out of range");
	refused(".5", 1, "unexpected \".\"");
	refused("1.", 2, "unexpected \".\"");
	refused("not", 4, "unexpected end of expression");
	refused("1 not 2", 3, "unexpected \"not\"");
	refused("1 in in 2", 6, "unexpected \"in\"");
}

/* A text made of n times one piece between others. */
static char *
repeated(const char *front, const char *piece, int n, const char *back)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, front);
	for (int i = 0; i < n; i++)
		appendStringInfoString(&out, piece);
	appendStringInfoString(&out, back);
	return out.data;
}

static void
test_limits(void)
{
	const char *const nests[] = {"(", "[", "-", "not ", "${", "a.output[", "len("};
	ExpressionError error;
	char	   *text;

	for (size_t i = 0; i < lengthof(nests); i++)
	{
		CHECK(expression_parse(repeated("", nests[i], 100000, "1"), &error) == NULL &&
			  strstr(error.message, "nested deeper than 100 levels") != NULL,
			  "100,000 times \"%s\" is refused", nests[i]);
	}
	text = repeated("", "(", 99, "1");
	CHECK(expression_parse(repeated(text, ")", 99, ""), &error) != NULL,
		  "99 parentheses are accepted");
	CHECK(expression_parse(repeated("1", " + 1", 900, ""), &error) != NULL,
		  "a sum of 901 is accepted");
	CHECK(expression_parse(repeated("1", " + 1", 100000, ""), &error) == NULL,
		  "a sum of 100,001 is refused");
	CHECK(expression_parse(repeated("true", " and true", 100000, ""), &error) == NULL,
		  "a conjunction of 100,001 is refused");
	CHECK(expression_parse(repeated("a.output", "[0]", 100000, ""), &error) != NULL,
		  "a path of 100,000 is accepted");
	CHECK(expression_parse(repeated("[1", ", 1", 100000, "]"), &error) != NULL,
		  "an array of 100,001 is accepted");
	CHECK(expression_parse(repeated("", "9", 1000, ""), &error) != NULL,
		  "1,000 digits are accepted");
	CHECK(expression_parse(repeated("", "9", 1001, ""), &error) == NULL,
		  "1,001 digits are refused");
	CHECK(expression_parse(repeated("x", "y", 100, ""), &error) == NULL &&
		  strstr(error.message, "yyy...\"") != NULL,
		  "a long name is cut in a message");
}

static void
count_reference(Reference *reference, void *context)
{
	CHECK(reference->node == -1, "reference \"%s\" has no node yet", reference->text);
	(*(int *) context)++;
}

static void
test_embedded(void)
{
	ExpressionError error;
	const char *text = "a.output + '}'} rest";
	const char *end = NULL;
	Expression *expression;
	int			count = 0;

	expression = expression_parse_embedded(text, &end, &error);
	CHECK(expression != NULL && strcmp(end, " rest") == 0,
		  "the inside of ${...} ends at its own brace");
	CHECK(expression_parse_embedded("a.output", &end, &error) == NULL &&
		  error.position == 9 && strcmp(error.message, "\"}\" is missing") == 0,
		  "a missing brace is an error");
	CHECK(expression_parse_embedded(" }", &end, &error) == NULL &&
		  strcmp(error.message, "\"${}\" is empty") == 0, "nothing is an error");
	CHECK(expression_parse_embedded_at("1 1}", 10, &end, &error) == NULL &&
		  error.position == 12, "positions count from the given one");

	expression = expression_parse("${a.output[b.output.x].y} > len([c.status]) ?? -vars.d",
								  &error);
	CHECK(expression != NULL, "an expression with four references");
	expression_walk_references(expression, count_reference, &count);
	CHECK(count == 4, "all four are visited");

	expression = expression_parse("1 +  ${ a.output [ 0 ] . x }", &error);
	CHECK(strcmp(expression->right->reference->text, "a.output [ 0 ] . x") == 0,
		  "a reference keeps its text");
	CHECK(expression->right->reference->position == 9 && expression->position == 3,
		  "nodes and references know their positions");
}

int
main(void)
{
	test_precedence();
	test_literals();
	test_references();
	test_errors();
	test_limits();
	test_embedded();
	return done_testing();
}

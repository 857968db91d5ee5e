/*-------------------------------------------------------------------------
 *
 * expression_reference.c
 *	  Parses references: what they begin with, and the path behind it.
 *
 * NOTES
 *	  Pure: no server calls beyond memory, runs in any process, takes no locks.
 *
 *	  What can stand behind "workflow", "loop" and a step's id is known, so a
 *	  misspelt one is an error of the definition and not of an execution.  The
 *	  path behind that is the data's business.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/expression.h"

#include "definition/expression_parser.h"

/*
 * What can follow "workflow." and "loop.", and whether a path can follow that.
 */
typedef struct RootMember
{
	const char *name;
	ReferenceRoot root;
	bool		has_path;
} RootMember;

static const RootMember workflow_members[] =
{
	{"input", REFERENCE_WORKFLOW_INPUT, true},
	{"execution_id", REFERENCE_WORKFLOW_FIELD, false},
	{"name", REFERENCE_WORKFLOW_FIELD, false},
	{"version", REFERENCE_WORKFLOW_FIELD, false},
	{"started_at", REFERENCE_WORKFLOW_FIELD, false},
	{"traceparent", REFERENCE_WORKFLOW_FIELD, false},
	{"error", REFERENCE_WORKFLOW_ERROR, true},
	{NULL, 0, false}
};

static const RootMember loop_members[] =
{
	{"item", REFERENCE_LOOP_ITEM, true},
	{"index", REFERENCE_LOOP_INDEX, false},
	{"total", REFERENCE_LOOP_TOTAL, false},
	{"is_first", REFERENCE_LOOP_IS_FIRST, false},
	{"is_last", REFERENCE_LOOP_IS_LAST, false},
	{NULL, 0, false}
};

static const RootMember step_members[] =
{
	{"output", REFERENCE_STEP_OUTPUT, true},
	{"outputs", REFERENCE_STEP_OUTPUT, true},
	{"status", REFERENCE_STEP_STATUS, false},
	{"error", REFERENCE_STEP_ERROR, true},
	{NULL, 0, false}
};

/* "input, execution_id or name", for a message */
static char *
list_members(const RootMember *members)
{
	StringInfoData names;

	initStringInfo(&names);
	for (const RootMember *member = members; member->name != NULL; member++)
	{
		if (member != members)
			appendStringInfoString(&names, member[1].name ? ", " : " or ");
		appendStringInfoString(&names, member->name);
	}
	return names.data;
}

/*
 * Take ".name"; *position is that of the name.  NULL with an error when there
 * is none; what says in its message which names could follow.
 */
static char *
parse_member(Parser *parser, const char *start, const char *what, int *position)
{
	char	   *name;

	if (parser->token.kind != TOKEN_DOT)
	{
		if (parser->token.kind == TOKEN_ERROR)
			parser_unexpected(parser);
		else
			parser_fail(parser, parser->token.position,
				 psprintf("%s must be followed by \".\" and %s",
						  parser_quote(start, parser->previous_end), what));
		return NULL;
	}
	parser->previous_end = parser->token.end;
	lexer_next_member(&parser->lexer, &parser->token);
	if (!token_is_name(&parser->token))
	{
		if (parser->token.kind == TOKEN_ERROR)
			parser_unexpected(parser);
		else
			parser_fail(parser, parser->token.position,
				 pstrdup("expected a name behind \".\""));
		return NULL;
	}
	*position = parser->token.position;
	name = pnstrdup(parser->token.start,
					parser->token.end - parser->token.start);
	parser_advance(parser);
	return name;
}

/*
 * Take ".name" where name is one of a few.  Returns which, NULL with an error.
 */
static const RootMember *
parse_root_member(Parser *parser, const char *start, const RootMember *members)
{
	char	   *what = list_members(members);
	const char *prefix_end = parser->previous_end;
	int			position;
	char	   *name;

	name = parse_member(parser, start, what, &position);
	if (name == NULL)
		return NULL;
	for (const RootMember *member = members; member->name != NULL; member++)
	{
		if (strcmp(member->name, name) == 0)
		{
			pfree(what);
			pfree(name);
			return member;
		}
	}

	parser_fail(parser, position,
		 psprintf("%s has no \"%s\", only %s%s", parser_quote(start, prefix_end), name, what,
				  strchr(name, '-') ? "; a minus needs spaces around it" : ""));
	return NULL;
}

/* [expression]; the current token is the opening bracket. */
static Expression *
parse_subscript(Parser *parser)
{
	int			opened_at = parser->token.position;
	Expression *subscript;

	parser->lexer.dashes++;
	parser_advance(parser);
	subscript = parse_or(parser);
	/* the token behind the bracket is outside again */
	parser->lexer.dashes--;
	if (subscript == NULL ||
		!parser_expect(parser, TOKEN_BRACKET_CLOSE, "]", opened_at))
		return NULL;
	return subscript;
}

/* The path behind the root, as long as it goes. */
static bool
parse_path(Parser *parser, Expression *node, const char *start)
{
	Reference  *reference = node->reference;
	int			allocated = 0;

	while (parser->token.kind == TOKEN_DOT ||
		   parser->token.kind == TOKEN_BRACKET_OPEN)
	{
		ReferencePart part = {NULL, NULL};
		int			position;

		if (parser->token.kind == TOKEN_DOT)
		{
			part.name = parse_member(parser, start, "a name", &position);
			if (part.name == NULL)
				return false;
		}
		else
		{
			part.subscript = parse_subscript(parser);
			if (part.subscript == NULL ||
				parser_raise_above(parser, node, part.subscript) == NULL)
				return false;
		}

		if (reference->parts == NULL)
		{
			allocated = 4;
			reference->parts = palloc(allocated * sizeof(ReferencePart));
		}
		else if (reference->nparts == allocated)
		{
			allocated *= 2;
			reference->parts = repalloc(reference->parts,
										allocated * sizeof(ReferencePart));
		}
		reference->parts[reference->nparts++] = part;
	}
	return true;
}

/* loop.item, loop.parent.parent.index ...; behind "loop". */
static const RootMember *
parse_loop_root(Parser *parser, Reference *reference, const char *start)
{
	for (;;)
	{
		Lexer		ahead = parser->lexer;
		Token		token;
		int			position;

		if (parser->token.kind != TOKEN_DOT)
			break;
		lexer_next_member(&ahead, &token);
		if (token.end - token.start != 6 ||
			strncmp(token.start, "parent", 6) != 0)
			break;
		parse_member(parser, start, "parent", &position);
		reference->levels_up++;
	}
	return parse_root_member(parser, start, loop_members);
}

/*
 * Does the current token begin a plain ".output", ".status" ..?  Then the name
 * in front of it is the id of a step.
 */
static bool
at_step_member(const Parser *parser)
{
	Lexer		ahead = parser->lexer;
	Token		token;

	if (parser->token.kind != TOKEN_DOT)
		return true;			/* an error in any case */
	lexer_next_member(&ahead, &token);
	for (const RootMember *member = step_members; member->name != NULL;
		 member++)
	{
		size_t		length = strlen(member->name);

		if (token.start + length == token.end &&
			strncmp(member->name, token.start, length) == 0)
		{
			/* nothing can be taken out of a status: then it is a step's id */
			lexer_next(&ahead, &token);
			return member->has_path || token.kind != TOKEN_DOT;
		}
	}
	return false;
}

/*
 * "steps.output.error" was read as the output of a step "steps", and there is
 * none: then it is the error of a step "output".  False when it cannot be.
 */
bool
reference_skip_steps(Reference *reference)
{
	const char *id = reference->root == REFERENCE_STEP_OUTPUT ? "output" :
																"error";

	if (strcmp(reference->step_id, "steps") != 0 || reference->nparts == 0 ||
		reference->parts[0].name == NULL ||
		reference->root == REFERENCE_STEP_STATUS)
		return false;
	for (const RootMember *member = step_members; member->name != NULL;
		 member++)
	{
		if (strcmp(reference->parts[0].name, member->name) != 0 ||
			(!member->has_path && reference->nparts > 1))
			continue;
		/* "outputs" is one word for it, and a step may have that name, too */
		if (strncmp(reference->text, "steps.outputs",
					strlen("steps.outputs")) == 0)
			id = "outputs";
		reference->step_id = pstrdup(id);
		reference->root = member->root;
		reference->parts++;
		reference->nparts--;
		return true;
	}
	return false;
}

/* A reference; the current token is its first name. */
Expression *
parse_reference(Parser *parser)
{
	Token		first = parser->token;
	Expression *node = parser_make_node(EXPR_REFERENCE, first.position);
	Reference  *reference = palloc0(sizeof(Reference));
	char	   *name = pnstrdup(first.start, first.end - first.start);
	const RootMember *member = NULL;
	int			position;

	node->reference = reference;
	reference->node = -1;
	reference->position = first.position;
	parser_advance(parser);

	if (strcmp(name, "vars") == 0)
	{
		reference->root = REFERENCE_VARIABLE;
		reference->field = parse_member(parser, first.start,
										"the name of a variable", &position);
		if (reference->field == NULL)
			return NULL;
	}
	else
	{
		if (strcmp(name, "workflow") == 0)
			member = parse_root_member(parser, first.start, workflow_members);
		else if (strcmp(name, "loop") == 0)
			member = parse_loop_root(parser, reference, first.start);
		else
		{
			/* steps.<id>.output is the same as <id>.output */
			if (strcmp(name, "steps") == 0 && !at_step_member(parser))
			{
				name = parse_member(parser, first.start, "the id of a step",
									&position);
				if (name == NULL)
					return NULL;
			}
			member = parse_root_member(parser, first.start, step_members);
			reference->step_id = name;
		}
		if (member == NULL)
			return NULL;
		reference->root = member->root;
		if (member->root == REFERENCE_WORKFLOW_FIELD)
			reference->field = pstrdup(member->name);
		if (!member->has_path && (parser->token.kind == TOKEN_DOT ||
								  parser->token.kind == TOKEN_BRACKET_OPEN))
			return parser_fail(
				parser, parser->token.position,
				psprintf("%s is a plain value, nothing can be taken out of it",
						 parser_quote(first.start, parser->previous_end)));
	}

	if (!parse_path(parser, node, first.start))
		return NULL;
	reference->text = pnstrdup(first.start, parser->previous_end - first.start);
	return node;
}

/*-------------------------------------------------------------------------
 *
 * template.c
 *	  Parses JSON values with ${...} in them.
 *
 * NOTES
 *	  Pure: no server calls beyond memory, runs in any process, takes no locks.
 *	  Recursion follows the nesting of the JSON value, which json.c limits.
 *
 *	  A value without any reference becomes one literal, whatever its size.  Its
 *	  text is written when it is known where the literal ends: at the root of
 *	  the template, or below an object or array that has references elsewhere.
 *	  Until then the parts hang below it as items, so that no text is copied
 *	  twice.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/template.h"

/* Where in the template we are: a path is built only for a problem. */
typedef struct Place
{
	const struct Place *up;		/* NULL at the root */
	const char *key;			/* member, or NULL */
	int			index;			/* element */
} Place;

typedef struct TemplateParser
{
	const char *path;
	const char *step_id;
	ProblemList *problems;
} TemplateParser;

static Template *parse_value(TemplateParser *parser, const Json *value,
							 const Place *place);

static Template *
make_template(TemplateKind kind)
{
	Template   *template = palloc0(sizeof(Template));

	template->kind = kind;
	return template;
}

static void
append_place(StringInfo path, const Place *place)
{
	if (place == NULL)
		return;
	append_place(path, place->up);
	if (place->key != NULL)
		appendStringInfo(path, "%s%s", path->len > 0 ? "." : "", place->key);
	else
		appendStringInfo(path, "[%d]", place->index);
}

/* A problem with the expression in a string. */
static void
add_problem(TemplateParser *parser, const Place *place, const char *string,
			const ExpressionError *error)
{
	StringInfoData path;
	StringInfoData hint;
	size_t		length = strlen(string);
	size_t		shown = Min(length, 200);

	initStringInfo(&path);
	if (parser->path != NULL)
		appendStringInfoString(&path, parser->path);
	append_place(&path, place);

	while (shown < length && shown > 0 &&
		   (((unsigned char) string[shown]) & 0xC0) == 0x80)
		shown--;
	initStringInfo(&hint);
	appendStringInfo(&hint, "It is character %d of \"%.*s%s\".",
					 error->position, (int) shown, string,
					 shown < length ? "..." : "");
	problem_add(parser->problems, PROBLEM_ERROR, path.data, parser->step_id,
				hint.data, "%s at character %d", error->message,
				error->position);
}

/* Write a string as a JSON string. */
static void
append_json_string(StringInfo json, const char *string)
{
	appendStringInfoChar(json, '"');
	for (const char *p = string; *p != '\0'; p++)
	{
		if (*p == '"' || *p == '\\')
		{
			appendStringInfoChar(json, '\\');
			appendStringInfoChar(json, *p);
		}
		else if ((unsigned char) *p < ' ')
			appendStringInfo(json, "\\u%04x", (unsigned char) *p);
		else
			appendStringInfoChar(json, *p);
	}
	appendStringInfoChar(json, '"');
}

/* Write a literal whose text may still hang below it in items. */
static void
append_literal(StringInfo json, const Template *literal)
{
	bool		is_object = (literal->keys != NULL);

	if (literal->text != NULL)
	{
		appendStringInfoString(json, literal->text);
		return;
	}
	appendStringInfoChar(json, is_object ? '{' : '[');
	for (int i = 0; i < literal->nitems; i++)
	{
		if (i > 0)
			appendStringInfoChar(json, ',');
		if (is_object)
		{
			append_json_string(json, literal->keys[i]);
			appendStringInfoChar(json, ':');
		}
		append_literal(json, literal->items[i]);
	}
	appendStringInfoChar(json, is_object ? '}' : ']');
}

/* The literal ends here: give it its text. */
static void
finish_literal(Template *literal)
{
	StringInfoData json;

	if (literal->kind != TEMPLATE_LITERAL || literal->text != NULL)
		return;
	initStringInfo(&json);
	append_literal(&json, literal);
	literal->text = pstrdup(json.data);
	pfree(json.data);
	literal->keys = NULL;
	literal->items = NULL;
	literal->nitems = 0;
}

static void
add_item(Template *template, int *allocated, Template *item)
{
	if (template->items == NULL)
	{
		*allocated = 4;
		template->items = palloc(*allocated * sizeof(Template *));
	}
	else if (template->nitems == *allocated)
	{
		*allocated *= 2;
		template->items = repalloc(template->items,
								   *allocated * sizeof(Template *));
	}
	template->items[template->nitems++] = item;
}

/* Number of characters in a piece of text. */
static int
count_characters(const char *start, const char *end)
{
	int			count = 0;

	for (const char *p = start; p < end; p++)
	{
		if ((((unsigned char) *p) & 0xC0) != 0x80)
			count++;
	}
	return count;
}

/*
 * Take the raw text collected so far as an item of an interpolated text.
 */
static void
add_raw_text(Template *template, int *allocated, StringInfo raw)
{
	Template   *item;

	if (raw->len == 0)
		return;
	item = make_template(TEMPLATE_LITERAL);
	item->text = pnstrdup(raw->data, raw->len);
	add_item(template, allocated, item);
	resetStringInfo(raw);
}

const char *
template_skip_text(const char *text, const char *end, StringInfo raw)
{
	while (text < end)
	{
		const char *dollar = memchr(text, '$', end - text);

		if (dollar == NULL)
		{
			appendBinaryStringInfo(raw, text, end - text);
			break;
		}
		appendBinaryStringInfo(raw, text, dollar - text);
		if (end - dollar >= 3 && memcmp(dollar, "$${", 3) == 0)
		{
			appendStringInfoString(raw, "${");
			text = dollar + 3;
		}
		else if (end - dollar >= 2 && dollar[1] == '{')
			return dollar + 2;
		else
		{
			appendStringInfoChar(raw, '$');
			text = dollar + 1;
		}
	}
	return NULL;
}

/*
 * A string: pieces of raw text and expressions.  The first expression that does
 * not parse ends it: where a broken one stops is anybody's guess.
 */
Template *
template_parse_string(const char *string, ExpressionError *error)
{
	Template   *template = make_template(TEMPLATE_TEXT);
	StringInfoData raw;
	const char *end = string + strlen(string);
	const char *p = string;
	const char *counted = string;
	int			position = 1;	/* of *counted */
	int			allocated = 0;

	initStringInfo(&raw);
	while ((p = template_skip_text(p, end, &raw)) != NULL)
	{
		Template   *item = make_template(TEMPLATE_EXPRESSION);

		position += count_characters(counted, p);
		counted = p;
		item->expression = expression_parse_embedded_at(counted, position, &p,
														error);
		if (item->expression == NULL)
			return NULL;
		add_raw_text(template, &allocated, &raw);
		add_item(template, &allocated, item);
	}

	if (template->nitems == 0)
	{
		StringInfoData json;

		initStringInfo(&json);
		append_json_string(&json, raw.data);
		template->kind = TEMPLATE_LITERAL;
		template->text = pstrdup(json.data);
		pfree(json.data);
		pfree(raw.data);
		return template;
	}
	add_raw_text(template, &allocated, &raw);
	pfree(raw.data);
	if (template->nitems == 1)
		return template->items[0];	/* an expression alone keeps its type */
	return template;
}

/* An object or an array.  Looks at all of it even when a part has problems. */
static Template *
parse_container(TemplateParser *parser, const Json *value, const Place *place)
{
	bool		is_object = (json_kind(value) == JSON_OBJECT);
	Template   *template = make_template(is_object ? TEMPLATE_OBJECT :
												   TEMPLATE_ARRAY);
	int			count = json_count(value);
	int			index = 0;
	bool		all_literal = true;
	bool		valid = true;

	if (is_object)
		template->keys = palloc((count + 1) * sizeof(char *));
	template->items = palloc((count + 1) * sizeof(Template *));

	for (const Json *item = json_first(value); item != NULL;
		 item = json_next(item))
	{
		Place		here = {place, is_object ? json_key(item) : NULL, index};
		Template   *parsed = parse_value(parser, item, &here);

		if (parsed == NULL)
			valid = false;
		else
		{
			if (is_object)
				template->keys[template->nitems] = pstrdup(here.key);
			template->items[template->nitems++] = parsed;
			if (!template_is_literal(parsed))
				all_literal = false;
		}
		index++;
	}

	if (!valid)
		return NULL;
	if (all_literal)
		template->kind = TEMPLATE_LITERAL;
	else
	{
		for (int i = 0; i < template->nitems; i++)
			finish_literal(template->items[i]);
	}
	return template;
}

static Template *
parse_value(TemplateParser *parser, const Json *value, const Place *place)
{
	Template   *template;
	ExpressionError error;

	switch (json_kind(value))
	{
		case JSON_OBJECT:
		case JSON_ARRAY:
			return parse_container(parser, value, place);
		case JSON_STRING:
			template = template_parse_string(json_string(value), &error);
			if (template == NULL)
				add_problem(parser, place, json_string(value), &error);
			return template;
		case JSON_NULL:
		case JSON_BOOLEAN:
		case JSON_NUMBER:
			break;
	}
	template = make_template(TEMPLATE_LITERAL);
	template->text = json_print(value);
	return template;
}

/*
 * Parse a value of a definition.  Everything, the strings too, is copied into
 * the current memory context.
 */
Template *
template_parse(const Json *value, const char *path, const char *step_id,
			   ProblemList *problems)
{
	TemplateParser parser = {path, step_id, problems};
	Template   *template = parse_value(&parser, value, NULL);

	if (template != NULL)
		finish_literal(template);
	return template;
}

void
template_walk_references(Template *template, ReferenceVisitor visitor,
						 void *context)
{
	if (template->expression != NULL)
		expression_walk_references(template->expression, visitor, context);
	for (int i = 0; i < template->nitems; i++)
		template_walk_references(template->items[i], visitor, context);
}

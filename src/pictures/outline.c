/*-------------------------------------------------------------------------
 *
 * outline.c
 *	  A tree of spans as rows, one below the other.
 *
 * NOTES
 *	  Runs in sessions.  The rows point into the tree.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "pictures/outline.h"
#include "pictures/words.h"

typedef struct Outliner
{
	Outline    *outline;
	int			max_rows;
	uint64		rails;			/* of the parents of the next row */
} Outliner;

static void outline_spans(Outliner *outliner, const Line *line, int depth);

/*
 * The next row, or NULL when there are enough.
 */
static OutlineRow *
add_row(Outliner *outliner, int depth, bool last)
{
	Outline    *outline = outliner->outline;
	OutlineRow *row;

	if (last)
		outliner->rails &= ~(UINT64CONST(1) << depth);
	else
		outliner->rails |= UINT64CONST(1) << depth;
	if (outline->nrows >= outliner->max_rows)
	{
		outline->more++;
		return NULL;
	}
	row = &outline->rows[outline->nrows++];
	memset(row, 0, sizeof(OutlineRow));
	row->depth = depth;
	row->rails = outliner->rails;
	row->last = last;
	return row;
}

/* "parallel, 3 attempts"; NULL when there is nothing to say. */
static char *
remark_of(const Span *span)
{
	StringInfoData text;
	bool		conditional = strcmp(span->type, "conditional") == 0;

	initStringInfo(&text);
	if (strcmp(span->type, "loop") == 0 && span->collection_size >= 0)
		appendStringInfo(&text, ", loop of %s", count_text(span->collection_size));
	else if (span->lines != NIL)
		appendStringInfo(&text, ", %s", span->type);
	if (conditional && span->lines == NIL && span->detail != NULL)
		appendStringInfo(&text, ", %s", span->detail);
	if (span->visit > 1)
		appendStringInfo(&text, ", visit %d", span->visit);
	if (span->last_attempt > 1)
		appendStringInfo(&text, ", %d attempts", span->last_attempt);
	return text.len > 0 ? plain_text(text.data + 2) : NULL;
}

/*
 * What went wrong with a step: the error of the last attempt that has one.
 */
static char *
error_of(const Span *span)
{
	for (int i = list_length(span->attempts) - 1; i >= 0; i--)
	{
		const Attempt *attempt = list_nth(span->attempts, i);

		if (attempt->error != NULL)
			return plain_text(attempt->error);
	}
	return NULL;
}

/*
 * A row that stands for what is not kept.
 */
static void
outline_left_out(Outliner *outliner, const LeftOut *left_out, int depth)
{
	OutlineRow *row = add_row(outliner, depth, true);

	if (row == NULL)
	{
		outliner->outline->more += left_out->count - 1;
		return;
	}
	row->left_out = left_out;
	row->label = left_out_text(left_out);
	row->start = left_out->start;
	row->end = left_out->end;
	row->status = SPAN_COMPLETED;
	for (int i = SPAN_FAILED; i <= SPAN_CANCELLED; i++)
		if (left_out->by_status[i] > 0)
			row->status = SPAN_FAILED;
}

static void
fill_span_row(OutlineRow *row, const Span *span, const char *label)
{
	row->label = plain_text(label);
	row->remark = remark_of(span);
	row->type = span->type;
	row->error = error_of(span);
	row->status = span->status;
	row->start = span->start;
	row->end = span->end;
	row->due = span->due;
	row->attempts = span->attempts;
	row->container = span->lines != NIL;
	row->critical = span->critical;
}

/*
 * The rows in a step: its lines.  A line of one step shares the step's row.
 */
static void
outline_lines(Outliner *outliner, const Span *span, int depth)
{
	int			count = list_length(span->lines);

	check_stack_depth();
	for (int i = 0; i < count; i++)
	{
		const Line *line = list_nth(span->lines, i);
		bool		last = i == count - 1 && span->left_out.count == 0;
		OutlineRow *row = add_row(outliner, depth, last);

		/* "~1" has one line, of that name */
		if (strcmp(line->name, span->step_id) == 0 && line->name[0] == '~')
		{
			if (row != NULL)
				outliner->outline->nrows--;
			outline_spans(outliner, line, depth);
			continue;
		}
		if (list_length(line->spans) == 1 && line->left_out.count == 0)
		{
			const Span *only = linitial(line->spans);
			const char *between = line->name[0] == '[' ? " " : ": ";

			if (row != NULL)
				fill_span_row(row, only, strcmp(line->name, only->step_id) == 0 ?
							  only->step_id : psprintf("%s%s%s", line->name, between, only->step_id));
			outline_lines(outliner, only, depth + 1);
			continue;
		}
		if (row != NULL)
		{
			row->label = plain_text(line->name);
			row->status = line->status;
			row->start = line->start;
			row->end = line->end;
			row->container = true;
			row->critical = line->critical;
		}
		outline_spans(outliner, line, depth + 1);
	}
	if (span->left_out.count > 0)
		outline_left_out(outliner, &span->left_out, depth);
}

/*
 * The rows in a line: its steps.
 */
static void
outline_spans(Outliner *outliner, const Line *line, int depth)
{
	int			count = list_length(line->spans);

	for (int i = 0; i < count; i++)
	{
		const Span *span = list_nth(line->spans, i);
		OutlineRow *row = add_row(outliner, depth, i == count - 1 && line->left_out.count == 0);

		if (row != NULL)
			fill_span_row(row, span, span->step_id);
		outline_lines(outliner, span, depth + 1);
	}
	if (line->left_out.count > 0)
		outline_left_out(outliner, &line->left_out, depth);
}

Outline *
outline_create(const SpanTree *tree, int max_rows)
{
	Outliner	outliner = {.max_rows = max_rows};

	outliner.outline = palloc0(sizeof(Outline));
	outliner.outline->rows = palloc(sizeof(OutlineRow) * max_rows);
	outliner.outline->start = tree->start;
	outliner.outline->end = tree->end;
	outline_spans(&outliner, tree->root, 0);
	return outliner.outline;
}

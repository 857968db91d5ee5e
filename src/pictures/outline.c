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

/*
 * Of a line with more steps than FOLD_LINES_OF, those that completed at once
 * and follow each other, at least FOLD_STEPS of them, share a row.  At once: in
 * less than the FOLD_SHARE-th part of the time that is drawn.
 */
#define FOLD_LINES_OF 40
#define FOLD_STEPS 3
#define FOLD_SHARE 100
/*
 * Of many such steps several rows, so that one sees how far they got and when.
 */
#define FOLD_ROWS 10
#define FOLD_ROWS_OF 200

typedef struct Outliner
{
	const SpanTree *tree;
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
	outline->depth = Max(outline->depth, depth);
	row->rails = outliner->rails;
	row->last = last;
	return row;
}

/*
 * What a step of the plan is there for, where it is not simply the next one.
 */
static void
append_purpose(StringInfo text, const WorkflowPlan *plan, const Span *span)
{
	const PlanNode *node = plan_find(plan, span->step_id);

	if (node == NULL)
		return;
	if (node->compensates >= 0)
	{
		appendStringInfo(text, ", undoes %s",
						 plan->nodes[node->compensates].id);
		if (span->undone_in != NULL && span->undone_in[0] != '\0')
			appendStringInfo(text, " in %s", span->undone_in);
	}
	else if (node->in_chain && node->container < 0)
		appendStringInfoString(text, ", on failure");
}

/* "parallel, 3 attempts"; NULL when there is nothing to say. */
static char *
remark_of(const Outliner *outliner, const Span *span)
{
	StringInfoData text;
	bool		conditional = strcmp(span->type, "conditional") == 0;

	initStringInfo(&text);
	if (!span->group)
		append_purpose(&text, outliner->tree->plan, span);
	if (strcmp(span->type, "loop") == 0 && span->collection_size >= 0)
		appendStringInfo(&text, ", loop of %s",
						 count_text(span->collection_size));
	else if (span->lines != NIL && span->type[0] != '\0')
		appendStringInfo(&text, ", %s", span->type);
	if (conditional && span->lines == NIL && span->detail != NULL)
		appendStringInfo(&text, ", %s", span->detail);
	if (span->visit > 1)
		appendStringInfo(&text, ", visit %d", span->visit);
	if (span->last_attempt > 1)
		appendStringInfo(&text, ", %d attempts", span->last_attempt);
	if (span->on_failure == FAILURE_DEFAULT)
		appendStringInfoString(&text, ", default taken");
	else if (span->on_failure != FAILURE_STANDS &&
			 span->on_failure != FAILURE_RETRIED)
		appendStringInfo(&text, ", %s",
						 failure_handling_name(span->on_failure));
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
 * A row that stands for several.
 */
static void
outline_left_out(Outliner *outliner, const LeftOut *left_out, int depth,
				 bool last)
{
	OutlineRow *row = add_row(outliner, depth, last);

	if (row == NULL)
	{
		outliner->outline->more += left_out->count - 1;
		return;
	}
	row->left_out = left_out;
	row->label = left_out_text(left_out);
	row->start = left_out->start;
	row->end = left_out->end;
	row->critical = left_out->critical;
	row->status = SPAN_COMPLETED;
	for (int i = SPAN_FAILED; i <= SPAN_CANCELLED; i++)
		if (left_out->by_status[i] > 0)
			row->status = SPAN_FAILED;
}

static void
fill_span_row(const Outliner *outliner, OutlineRow *row, const Span *span,
			  const char *label)
{
	row->label = plain_text(label);
	row->remark = remark_of(outliner, span);
	row->type = span->type[0] != '\0' ? span->type : NULL;
	row->agent_name = span->agent_name;
	row->error = error_of(span);
	row->status = span->status;
	row->start = span->start;
	row->end = span->end;
	row->due = span->due;
	row->attempts = span->attempts;
	row->container = span->lines != NIL;
	row->critical = span->critical && !row->container;
}

/* "left", "[3]", "[3] Lyon" */
static char *
title_of(const Line *line)
{
	return line->label == NULL ? line->name :
								 psprintf("%s %s", line->name, line->label);
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

		/* a group is its one line */
		if (span->group)
		{
			if (row != NULL)
				outliner->outline->nrows--;
			outline_spans(outliner, line, depth);
			continue;
		}
		if (list_length(line->spans) == 1 && line->left_out.count == 0)
		{
			const Span *only = linitial(line->spans);
			const char *between = line->iterates && line->label == NULL ?
				" " :
				": ";

			if (row != NULL)
				fill_span_row(outliner, row, only,
							  strcmp(line->name, only->step_id) == 0 ?
								  only->step_id :
								  psprintf("%s%s%s", title_of(line), between,
										   only->step_id));
			outline_lines(outliner, only, depth + 1);
			continue;
		}
		if (row != NULL)
		{
			row->label = plain_text(title_of(line));
			row->status = line->status;
			row->start = line->start;
			row->end = line->end;
			row->container = true;
		}
		outline_spans(outliner, line, depth + 1);
	}
	if (span->left_out.count > 0)
		outline_left_out(outliner, &span->left_out, depth, true);
}

/*
 * How many steps from this one on have nothing to tell but that they completed.
 */
static int
count_plain_steps(const Outliner *outliner, const Line *line, int from)
{
	TimestampTz noticeable =
		(outliner->outline->end - outliner->outline->start) / FOLD_SHARE;
	int			i;

	for (i = from; i < list_length(line->spans); i++)
	{
		const Span *span = list_nth(line->spans, i);

		if (span->status != SPAN_COMPLETED || span->last_attempt > 1 ||
			span->lines != NIL || error_of(span) != NULL ||
			span->end - span->start > noticeable)
			break;
		/* others that are not kept came in between */
		if (i > from && line->left_out.count > 0 &&
			span->start > line->left_out.start &&
			((Span *) list_nth(line->spans, i - 1))->start <=
				line->left_out.start)
			break;
	}
	return i - from;
}

/*
 * One row for steps that follow each other: "s1 to s49: 49 completed".
 */
static void
outline_folded(Outliner *outliner, const Line *line, int from, int count,
			   int depth, bool last)
{
	const Span *first = list_nth(line->spans, from);
	const Span *final = list_nth(line->spans, from + count - 1);
	LeftOut    *folded = palloc0(sizeof(LeftOut));
	int			nrows = outliner->outline->nrows;

	folded->count = folded->by_status[SPAN_COMPLETED] = count;
	folded->total_ms = (final->end - first->start) / 1000.0;
	folded->start = first->start;
	folded->end = final->end;
	outline_left_out(outliner, folded, depth, last);
	if (outliner->outline->nrows > nrows)
	{
		OutlineRow *row = &outliner->outline->rows[nrows];

		row->label = plain_text(psprintf("%s to %s: %s completed",
										 first->step_id, final->step_id,
										 count_text(count)));
		row->solid = true;
		row->critical = first->critical;
	}
}

/* Steps that share a row of so many that could: a round number of them. */
static int
fold_size(int count)
{
	int			size = 1;

	if (count < FOLD_ROWS_OF)
		return count;
	while (size * FOLD_ROWS < count)
		size *= size * 2 * FOLD_ROWS >= count ? 2 :
			size * 5 * FOLD_ROWS >= count ? 5 :
			10;
	return size;
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
		int			nplain = count > FOLD_LINES_OF ?
			count_plain_steps(outliner, line, i) :
			0;
		OutlineRow *row;

		if (nplain >= FOLD_STEPS)
		{
			int			size = fold_size(nplain);
			int			end = i + nplain;

			for (; i < end; i += size)
				outline_folded(outliner, line, i, Min(size, end - i), depth,
							   i + size >= count && line->left_out.count == 0);
			i = end - 1;
			continue;
		}
		row = add_row(outliner, depth,
					  i == count - 1 && line->left_out.count == 0);
		if (row != NULL)
			fill_span_row(outliner, row, span, span->step_id);
		outline_lines(outliner, span, depth + 1);
	}
	if (line->left_out.count > 0)
		outline_left_out(outliner, &line->left_out, depth, true);
}

char *
outline_label(const OutlineRow *row)
{
	if (row->remark == NULL)
		return row->label;
	return psprintf("%s (%s)", row->label, row->remark);
}

char *
outline_label_fitted(const OutlineRow *row, int width, const char *mark)
{
	char	   *whole = outline_label(row);
	int			label_width = text_width(row->label);
	int			rest = row->remark != NULL ? text_width(row->remark) + 3 : 0;

	if (text_width(whole) <= width)
		return whole;
	if (row->left_out != NULL)
		return clip_text(whole, width, mark);
	if (rest > 0 && label_width + 10 <= width)
		return psprintf("%s (%s)", row->label,
						clip_middle(row->remark, width - label_width - 3,
									mark));
	if (rest > 0 && width - rest >= 16)
		return psprintf("%s (%s)", clip_middle(row->label, width - rest, mark),
						row->remark);
	return clip_middle(row->label, width, mark);
}

Outline *
outline_create(const SpanTree *tree, int max_rows)
{
	Outliner	outliner = {.tree = tree, .max_rows = max_rows};

	outliner.outline = palloc0(sizeof(Outline));
	outliner.outline->rows = palloc(sizeof(OutlineRow) * max_rows);
	outliner.outline->start = tree->start;
	outliner.outline->end = tree->end;
	outline_spans(&outliner, tree->root, 0);
	return outliner.outline;
}

const char *
outline_due_words(const OutlineRow *row)
{
	const Attempt *last = row->attempts != NIL ? llast(row->attempts) : NULL;

	return last != NULL && last->status == SPAN_WAITING ? "waits until" :
														  "next attempt at";
}

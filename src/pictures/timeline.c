/*-------------------------------------------------------------------------
 *
 * timeline.c
 *	  An execution as a tree with bars, for a terminal.
 *
 * NOTES
 *	  Runs in sessions.  A bar has half a column as its unit: of each column the
 *	  left and the right half are painted by themselves.  Every step has at
 *	  least one half, however short it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "pictures/outline.h"
#include "pictures/pictures.h"
#include "pictures/words.h"

#define MAX_ROWS 500
#define OUTCOME_LINES 5
#define TIME_WIDTH 8			/* "123d 04h" */
/* Columns that the label of the deepest row has at least. */
#define MIN_LABEL_WIDTH 14

/* What half a column of a bar shows; of two in one column the higher wins. */
typedef enum Paint
{
	PAINT_NONE,
	PAINT_WAIT,
	PAINT_PAUSE,
	PAINT_LINE,					/* a step with steps in it */
	PAINT_RUN,
	PAINT_FAILED,
	NUM_PAINTS
} Paint;

/* The characters of a picture. */
typedef struct Glyphs
{
	const char *marks[NUM_SPAN_STATUSES];
	const char *paints[NUM_PAINTS];
	const char *left_halves[NUM_PAINTS];
	const char *right_halves[NUM_PAINTS];
	const char *pause;
	const char *critical;
	const char *rail;
	const char *branch;
	const char *last_branch;
	const char *more;
} Glyphs;

static const Glyphs unicode_glyphs = {
	.marks = {"✓", "✗", "✗", "⊘", "–", "▸", "…"},
	.paints = {" ", "░", "╌", "━", "█", "▒"},
	.left_halves = {" ", "░", "╌", "╸", "▌", "▒"},
	.right_halves = {" ", "░", "╌", "╺", "▐", "▒"},
	.pause = "‖",
	.critical = "◆",
	.rail = "│ ",
	.branch = "├ ",
	.last_branch = "└ ",
	.more = "…"
};

static const Glyphs ascii_glyphs = {
	.marks = {"+", "x", "x", "/", "-", ">", "."},
	.paints = {" ", ".", "~", "-", "=", "x"},
	.left_halves = {" ", ".", "~", "-", "=", "x"},
	.right_halves = {" ", ".", "~", "-", "=", "x"},
	.pause = "~",
	.critical = "*",
	.rail = "| ",
	.branch = "|-",
	.last_branch = "`-",
	.more = "..."
};

static const char *const paint_names[] = {
	[PAINT_WAIT] = "waits for its next attempt",
	[PAINT_PAUSE] = "stands still",
	[PAINT_LINE] = "has steps in it",
	[PAINT_RUN] = "runs",
	[PAINT_FAILED] = "failed attempt"
};

typedef struct Drawing
{
	const SpanTree *tree;
	const Outline *outline;
	const Glyphs *glyphs;
	int			width;
	int			label_width;
	int			indent;			/* columns of a level of the tree: 2, or 1
								 * where there are many */
	int			levels;			/* that have room; outer ones are left out */
	int			bar_width;
	bool		painted[NUM_PAINTS];	/* for the legend */
	bool		marked[NUM_SPAN_STATUSES];
	StringInfoData out;
} Drawing;

/*
 * End the line: no blanks at its end.
 */
static void
end_line(StringInfo out)
{
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	appendStringInfoChar(out, '\n');
}

/* A text and blanks up to a width. */
static void
append_padded(StringInfo out, const char *text, int width)
{
	appendStringInfoString(out, text);
	appendStringInfoSpaces(out, Max(width - text_width(text), 0));
}

/* A branch of the tree, or the first column of it. */
static void
append_branch(const Drawing *drawing, StringInfo out, const char *glyph)
{
	if (drawing->indent == 1)
		appendBinaryStringInfo(out, glyph, pg_mblen(glyph));
	else
		appendStringInfoString(out, glyph);
}

/* What is left of a row's label: the branches of the tree. */
static char *
tree_prefix(const Drawing *drawing, const OutlineRow *row)
{
	StringInfoData prefix;

	initStringInfo(&prefix);
	for (int depth = 1 + Max(row->depth - drawing->levels, 0);
		 depth < row->depth; depth++)
		append_branch(drawing, &prefix,
					  (row->rails & (UINT64CONST(1) << depth)) != 0 ?
						  drawing->glyphs->rail :
						  "  ");
	if (row->depth > 0)
		append_branch(drawing, &prefix,
					  row->last ? drawing->glyphs->last_branch :
								  drawing->glyphs->branch);
	return prefix.data;
}

/* "paused (2 times)" */
static char *
pauses_label(const Drawing *drawing)
{
	const TraceExecution *execution = drawing->tree->execution;
	char	   *label = execution_pauses_title(execution);

	return execution->npauses == 1 ?
		label :
		psprintf("%s (%d times)", label, execution->npauses);
}

/*
 * Divide the width: the labels get what they need, up to almost a half, and
 * more where the tree is deep.
 */
static void
lay_out(Drawing *drawing)
{
	int			needed = 12;
	int			depth = drawing->outline->depth;

	if (drawing->tree->execution->npauses > 0)
		needed = Max(needed, text_width(pauses_label(drawing)));

	for (int i = 0; i < drawing->outline->nrows; i++)
	{
		const OutlineRow *row = &drawing->outline->rows[i];

		needed = Max(needed, 2 * row->depth + text_width(outline_label(row)) +
					 (row->left_out != NULL && !row->solid ? 2 : 0));
	}
	drawing->label_width = Min(needed, drawing->width * 9 / 20);
	drawing->indent = 2;
	drawing->levels = depth;
	if (needed > drawing->label_width &&
		2 * depth + MIN_LABEL_WIDTH > drawing->label_width)
	{
		drawing->indent = 1;
		drawing->label_width = Max(drawing->label_width,
								   Min(depth + MIN_LABEL_WIDTH,
									   drawing->width * 3 / 5));
		drawing->levels = Max(drawing->label_width - MIN_LABEL_WIDTH, 4);
	}
	drawing->bar_width = drawing->width - drawing->label_width - TIME_WIDTH - 4;
	if (drawing->tree->has_detours)
		drawing->bar_width -= 2;
}

/*
 * Paint the halves of a bar from one time to another.
 */
static void
paint(Drawing *drawing, Paint *halves, TimestampTz start, TimestampTz end,
	  Paint what)
{
	const Outline *outline = drawing->outline;
	int			count = drawing->bar_width * 2;
	double		scale = count / (double) Max(outline->end - outline->start, 1);
	int			from = (int) ((start - outline->start) * scale);
	int			to = (int) ((end - outline->start) * scale + 0.5);

	from = Min(Max(from, 0), count - 1);
	to = Min(Max(to, from + 1), count);
	for (int i = from; i < to; i++)
		halves[i] = Max(halves[i], what);
	drawing->painted[what] = true;
}

/*
 * Paint the wait for an attempt.  While the execution stood still it was not
 * that what the step waited for.
 */
static void
paint_wait(Drawing *drawing, Paint *halves, TimestampTz start, TimestampTz end)
{
	const TraceExecution *execution = drawing->tree->execution;

	for (int i = 0; i < execution->npauses && start < end; i++)
	{
		TimestampTz from = Max(execution->pauses[i].start, start);
		TimestampTz to = Min(execution->pauses[i].end, end);

		if (from >= to)
			continue;
		if (from > start)
			paint(drawing, halves, start, from, PAINT_WAIT);
		paint(drawing, halves, from, to, PAINT_PAUSE);
		start = to;
	}
	if (start < end)
		paint(drawing, halves, start, end, PAINT_WAIT);
}

static void
paint_row(Drawing *drawing, Paint *halves, const OutlineRow *row)
{
	TimestampTz waits_from = 0;
	ListCell   *cell;

	if (row->container || row->attempts == NIL)
	{
		paint(drawing, halves, row->start, row->end,
			  row->solid ? PAINT_RUN : PAINT_LINE);
		return;
	}
	foreach(cell, row->attempts)
	{
		const Attempt *attempt = lfirst(cell);

		if (waits_from != 0 && attempt->start > waits_from)
			paint_wait(drawing, halves, waits_from, attempt->start);
		if (attempt->status != SPAN_SKIPPED)
			paint(drawing, halves, attempt->start, attempt->end,
				  span_status_is_bad(attempt->status) ? PAINT_FAILED :
														PAINT_RUN);
		waits_from = attempt->end;
	}
	if (row->status == SPAN_WAITING && row->end > waits_from)
		paint_wait(drawing, halves, waits_from, row->end);
}

/* No half of the bar is painted yet. */
static Paint *
new_bar(const Drawing *drawing)
{
	return palloc0(sizeof(Paint) * drawing->bar_width * 2);
}

static void
append_bar(Drawing *drawing, Paint *halves)
{
	const Glyphs *glyphs = drawing->glyphs;

	for (int i = 0; i < drawing->bar_width; i++)
	{
		Paint		left = halves[2 * i];
		Paint		right = halves[2 * i + 1];

		if (left == PAINT_NONE)
			appendStringInfoString(&drawing->out, glyphs->right_halves[right]);
		else if (right == PAINT_NONE)
			appendStringInfoString(&drawing->out, glyphs->left_halves[left]);
		else
			appendStringInfoString(&drawing->out,
								   glyphs->paints[Max(left, right)]);
	}
	pfree(halves);
}

/*
 * A line below a row that belongs to it.
 */
static void
append_note(Drawing *drawing, const OutlineRow *row, bool has_children,
			const char *note)
{
	StringInfoData line;

	initStringInfo(&line);
	appendStringInfoString(&line, "  ");
	for (int depth = 1 + Max(row->depth - drawing->levels, 0);
		 depth <= row->depth; depth++)
		append_branch(drawing, &line,
					  (row->rails & (UINT64CONST(1) << depth)) != 0 ?
						  drawing->glyphs->rail :
						  "  ");
	append_branch(drawing, &line, has_children ? drawing->glyphs->rail : "  ");
	appendStringInfoString(&line, note);
	appendStringInfoString(&drawing->out,
						   clip_text(line.data, drawing->width,
									 drawing->glyphs->more));
	end_line(&drawing->out);
	pfree(line.data);
}

/* The error, and when it goes on; NULL: nothing to say. */
static char *
note_of(const OutlineRow *row)
{
	StringInfoData note;

	if (row->error == NULL && row->due == 0)
		return NULL;
	initStringInfo(&note);
	if (row->due != 0)
		appendStringInfo(&note, "%s %s%s", outline_due_words(row),
						 time_text(row->due),
						 row->error != NULL ? " after " : "");
	if (row->error != NULL)
		appendStringInfoString(&note, row->error);
	return note.data;
}

static void
append_row(Drawing *drawing, int i)
{
	const OutlineRow *row = &drawing->outline->rows[i];
	const Glyphs *glyphs = drawing->glyphs;
	StringInfo	out = &drawing->out;
	char	   *prefix = tree_prefix(drawing, row);
	char	   *label;
	char	   *note;
	Paint	   *halves;
	bool		has_children = i + 1 < drawing->outline->nrows &&
		drawing->outline->rows[i + 1].depth > row->depth;

	/* of others that are summed up the label says how they ended */
	if (row->left_out != NULL && !row->solid)
	{
		appendStringInfoString(out, "  ");
		prefix = psprintf("%s%s ", prefix, glyphs->more);
	}
	else
	{
		drawing->marked[row->status] = true;
		appendStringInfo(out, "%s ", glyphs->marks[row->status]);
	}
	label = outline_label_fitted(row,
								 Max(drawing->label_width - text_width(prefix),
									 4),
								 glyphs->more);
	append_padded(out, psprintf("%s%s", prefix, label),
				  drawing->label_width + 1);
	halves = new_bar(drawing);
	paint_row(drawing, halves, row);
	append_bar(drawing, halves);
	if (row->status != SPAN_SKIPPED)
		appendStringInfo(out, "%*s", TIME_WIDTH + 1,
						 duration_between(row->start, row->end));
	if (row->critical && drawing->tree->has_detours)
		appendStringInfo(out, " %s", glyphs->critical);
	end_line(out);

	note = note_of(row);
	if (note != NULL)
		append_note(drawing, row, has_children, note);
}

/* A line of its own, as far as it fits. */
static void
append_line(Drawing *drawing, const char *text)
{
	appendStringInfoString(&drawing->out,
						   clip_text(text, drawing->width,
									 drawing->glyphs->more));
	end_line(&drawing->out);
}

/*
 * What the execution is, how it is, since when, and why.
 */
static void
append_header(Drawing *drawing)
{
	const TraceExecution *execution = drawing->tree->execution;
	char	   *state = psprintf(" version %d, execution %lld: %s",
						   execution->version, (long long) execution->id,
						   execution_state_text(execution));
	char	   *pause = execution_pause_text(execution);

	/* how it is matters more than the whole of a long name */
	append_line(drawing,
				psprintf("%s%s",
						 clip_text(plain_text(execution->workflow),
								   Max(drawing->width - text_width(state), 10),
								   drawing->glyphs->more),
						 state));
	append_line(drawing, execution_times_text(execution));
	if (pause != NULL)
		append_line(drawing, pause);
	for (int i = 0; i < execution->nmarks; i++)
	{
		char	   *mark = execution_mark_text(execution, &execution->marks[i]);

		if (mark != NULL)
			append_line(drawing, mark);
	}
}

/*
 * What was done to it and what it went on after, in the order of time.
 */
static void
append_events(Drawing *drawing)
{
	const TraceExecution *execution = drawing->tree->execution;
	bool		first = true;

	for (int i = 0; i < execution->nevents; i++)
	{
		char	   *event = execution_event_text(execution, &execution->events[i]);

		if (event == NULL)
			continue;
		if (first)
		{
			end_line(&drawing->out);
			if (execution->more_events)
				append_line(drawing,
							psprintf("%s more in workflow.history",
									 drawing->glyphs->more));
		}
		first = false;
		append_line(drawing, event);
	}
}

/*
 * Times over the bars: the beginning, the middle and the end.
 */
static void
append_axis(Drawing *drawing)
{
	TimestampTz length = drawing->outline->end - drawing->outline->start;
	char	   *middle = duration_text(length / 2000.0);
	char	   *end = duration_text(length / 1000.0);
	int			left;

	end_line(&drawing->out);
	appendStringInfoSpaces(&drawing->out, drawing->label_width + 3);
	left = drawing->bar_width / 2 - text_width(middle) / 2;
	append_padded(&drawing->out, "0", left);
	appendStringInfoString(&drawing->out, middle);
	left += text_width(middle);
	appendStringInfo(&drawing->out, "%*s", drawing->bar_width - left, end);
	end_line(&drawing->out);
}

/*
 * When the execution stood still.
 */
static void
append_pauses(Drawing *drawing)
{
	const TraceExecution *execution = drawing->tree->execution;
	Paint	   *halves = new_bar(drawing);
	TimestampTz total = 0;

	for (int i = 0; i < execution->npauses; i++)
	{
		paint(drawing, halves, execution->pauses[i].start,
			  execution->pauses[i].end, PAINT_PAUSE);
		total += execution->pauses[i].end - execution->pauses[i].start;
	}
	appendStringInfo(&drawing->out, "%s ", drawing->glyphs->pause);
	append_padded(&drawing->out,
				  clip_text(pauses_label(drawing), drawing->label_width,
							drawing->glyphs->more),
				  drawing->label_width + 1);
	append_bar(drawing, halves);
	appendStringInfo(&drawing->out, "%*s", TIME_WIDTH + 1,
					 duration_text(total / 1000.0));
	end_line(&drawing->out);
}

/* One entry of the legend, on a new line where it does not fit. */
static void
append_legend_entry(Drawing *drawing, StringInfo line, const char *glyph,
					const char *meaning)
{
	char	   *entry = psprintf("%s %s", glyph, meaning);

	if (text_width(line->data) + 3 + text_width(entry) > drawing->width)
	{
		appendStringInfoString(&drawing->out, line->data);
		end_line(&drawing->out);
		resetStringInfo(line);
	}
	appendStringInfo(line, "%s%s", line->len > 0 ? "   " : "", entry);
}

/*
 * What the marks and bars mean, as far as they occur.
 */
static void
append_legend(Drawing *drawing)
{
	StringInfoData line;
	bool		is_plain = true;

	for (int i = SPAN_FAILED; i < NUM_SPAN_STATUSES; i++)
		is_plain = is_plain && !drawing->marked[i];
	/* steps that completed in the end may have failed and waited before */
	if (is_plain && !drawing->painted[PAINT_WAIT] &&
		!drawing->painted[PAINT_FAILED] && !drawing->tree->has_detours)
		return;

	end_line(&drawing->out);
	initStringInfo(&line);
	for (int i = SPAN_COMPLETED; i < NUM_SPAN_STATUSES; i++)
	{
		if (drawing->marked[i] && i != SPAN_TIMED_OUT)
			append_legend_entry(drawing, &line, drawing->glyphs->marks[i],
								i == SPAN_FAILED &&
										drawing->marked[SPAN_TIMED_OUT] ?
									"failed or timed out" :
									span_status_name(i));
		else if (i == SPAN_TIMED_OUT && drawing->marked[i] &&
				 !drawing->marked[SPAN_FAILED])
			append_legend_entry(drawing, &line, drawing->glyphs->marks[i],
								span_status_name(i));
	}
	for (int i = PAINT_WAIT; i < NUM_PAINTS; i++)
		if (drawing->painted[i] && i != PAINT_RUN && i != PAINT_LINE &&
			i != PAINT_PAUSE &&
			!(drawing->marked[SPAN_FAILED] &&
			  strcmp(drawing->glyphs->paints[i],
					 drawing->glyphs->marks[SPAN_FAILED]) == 0))
			append_legend_entry(drawing, &line, drawing->glyphs->paints[i],
								i == PAINT_FAILED &&
										drawing->marked[SPAN_CANCELLED] ?
									"failed or cancelled attempt" :
									paint_names[i]);
	if (drawing->tree->has_detours)
		append_legend_entry(drawing, &line, drawing->glyphs->critical,
							"critical path");
	appendStringInfoString(&drawing->out, line.data);
	end_line(&drawing->out);
	pfree(line.data);
}

/*
 * Why the execution ended.
 */
static void
append_outcome(Drawing *drawing)
{
	char	   *outcome = execution_outcome_text(drawing->tree->execution);

	if (outcome == NULL)
		return;
	end_line(&drawing->out);
	appendStringInfoString(&drawing->out,
						   wrap_text(outcome, drawing->width, OUTCOME_LINES,
									 drawing->glyphs->more));
	end_line(&drawing->out);
}

char *
draw_timeline(const SpanTree *tree, int width, bool ascii)
{
	Drawing		drawing = {.tree = tree, .width = width};

	drawing.glyphs = ascii ? &ascii_glyphs : &unicode_glyphs;
	drawing.outline = outline_create(tree, MAX_ROWS);
	initStringInfo(&drawing.out);

	append_header(&drawing);
	if (drawing.outline->nrows > 0)
	{
		lay_out(&drawing);
		append_axis(&drawing);
		if (tree->execution->npauses > 0)
			append_pauses(&drawing);
		for (int i = 0; i < drawing.outline->nrows; i++)
			append_row(&drawing, i);
	}
	if (drawing.outline->more + tree->not_shown > 0)
		appendStringInfo(&drawing.out, "%s %s more lines\n",
						 drawing.glyphs->more,
						 count_text(drawing.outline->more + tree->not_shown));
	append_events(&drawing);
	append_outcome(&drawing);
	append_legend(&drawing);
	drawing.out.data[--drawing.out.len] = '\0';	/* psql ends the line */
	return drawing.out.data;
}

/*-------------------------------------------------------------------------
 *
 * svg.c
 *	  An execution as an SVG: a row for each step and branch, bars along a
 *	  common axis of time.
 *
 * NOTES
 *	  Runs in sessions.  The picture is complete in itself: no script, no font,
 *	  no image, nothing to fetch.  Places along the axis are per cent of the
 *	  width, so letters keep their size in whatever width it is shown.  Whoever
 *	  looks chooses light or dark.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pictures/outline.h"
#include "pictures/pictures.h"
#include "pictures/words.h"

#define MAX_ROWS 300

/* In pixels. */
#define HEADER_HEIGHT 84
#define ROW_HEIGHT 22
#define ERROR_HEIGHT 16
#define BAR_HEIGHT 10
#define INDENT 13
#define MAX_INDENT 170			/* of the deepest row */
/* of the size of labels, LETTER_SIZE; rather too much */
#define LETTER_WIDTH 6.8
#define LETTER_SIZE 12
#define SMALL_SIZE 11
#define TITLE_SIZE 15
#define ELLIPSIS_WIDTH 15		/* as in the style */
#define LEGEND_HEIGHT 20

/*
 * In per cent of the width: labels, then bars, then durations.  The labels get
 * what they need in a picture of USUAL_WIDTH pixels.
 */
#define BARS_FROM_MIN 22
#define BARS_FROM_MAX 46
#define BARS_TO 87
#define USUAL_WIDTH 1000

static const char style[] =
	"<style>"
	".pgwf{--back:#fff;--text:#1f2328;--soft:#656d76;--line:#d8dee4;"
	"--completed:#2e9d5b;--failed:#d1343f;--timedout:#c2571a;--cancelled:#8a7bb8;--skipped:#9aa4ae;"
	"--running:#2f7fd6;--waiting:#d9a514;--group:#9db0c4;--critical:#1f2328;--pause:#8250df;"
	"background:var(--back);font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:12px}"
	"@media (prefers-color-scheme:dark){.pgwf{--back:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#30363d;"
	"--completed:#3fb068;--failed:#f4606a;--timedout:#e98a4b;--cancelled:#a797d8;--skipped:#6e7781;"
	"--running:#58a6ff;--waiting:#e3b341;--group:#4d6075;--critical:#e6edf3;--pause:#a371f7}}"
	".pgwf text{fill:var(--text)}.pgwf .soft{fill:var(--soft)}.pgwf .small{font-size:11px}"
	".pgwf .title{font-size:15px;font-weight:600}.pgwf .time{font-variant-numeric:tabular-nums}"
	".pgwf .grid{stroke:var(--line);stroke-width:1}.pgwf .stripe{fill:var(--line);fill-opacity:.3}"
	".pgwf .bar{stroke-width:2;stroke-linejoin:round}.pgwf .wait{fill:none;stroke:var(--waiting);stroke-width:2;stroke-dasharray:3 2}"
	".pgwf .pause{fill:var(--pause);fill-opacity:.22;stroke:var(--pause);stroke-opacity:.5;stroke-dasharray:2 3}.pgwf text.pause{fill:var(--pause);fill-opacity:1;stroke:none}"
	".pgwf .critical{stroke:var(--critical);stroke-width:2;stroke-linecap:round}"
	".pgwf rect.completed{fill:var(--completed);stroke:var(--completed)}.pgwf rect.failed{fill:var(--failed);stroke:var(--failed)}"
	".pgwf rect.timedout{fill:var(--timedout);stroke:var(--timedout)}.pgwf rect.cancelled{fill:var(--cancelled);stroke:var(--cancelled)}"
	".pgwf rect.skipped{fill:var(--skipped);stroke:var(--skipped)}.pgwf rect.running{fill:var(--running);stroke:var(--running)}"
	".pgwf rect.waiting{fill:var(--waiting);stroke:var(--waiting)}.pgwf rect.group{fill:var(--group);stroke:var(--group)}"
	".pgwf text.completed{fill:var(--completed)}.pgwf text.failed{fill:var(--failed)}.pgwf text.timedout{fill:var(--timedout)}"
	".pgwf text.cancelled{fill:var(--cancelled)}.pgwf text.skipped{fill:var(--skipped)}.pgwf text.running{fill:var(--running)}"
	".pgwf text.waiting{fill:var(--waiting)}"
	/*
	 * at the right edge where the text needs more than there is, --n; else
	 * beyond it
	 */
	".pgwf .more{transform-box:view-box;transform:translateX(calc(max(0px,min(100%,(100% - var(--n))*1000)) - 15px))}"
	".pgwf .more rect{fill:var(--back)}.pgwf .more rect+rect{fill:none}"
	".pgwf .striped .more rect+rect{fill:var(--line);fill-opacity:.3}"
	"</style>\n";

/* By SpanStatus. */
static const char *const classes[] = {
	"completed", "failed", "timedout", "cancelled", "skipped", "running", "waiting"
};
static const char *const marks[] = {
	"&#10003;", "&#10007;", "&#10007;", "&#8856;", "&#8211;", "&#9656;", "&#8230;"
};

typedef struct Canvas
{
	const SpanTree *tree;
	const Outline *outline;
	int			y;				/* top of the next row */
	double		indent;			/* pixels of a level of the tree */
	int			bars_from;		/* where the bars begin, in per cent */
	bool		drawn[NUM_SPAN_STATUSES];	/* for the legend */
	bool		has_groups;
	bool		has_waits;		/* for an attempt */
	bool		has_timers;		/* waits for a time */
	bool		has_critical;
	StringInfoData out;
} Canvas;

/* Where a time is on the axis, in per cent. */
static double
percent(const Canvas *canvas, TimestampTz time)
{
	const Outline *outline = canvas->outline;
	double		place = 100.0 * (time - outline->start) /
		Max(outline->end - outline->start, 1);

	return Min(Max(place, 0), 100);
}

/* About how many pixels a text needs. */
static int
pixels_of(const char *class, const char *text)
{
	int			size = strstr(class, "title") ? TITLE_SIZE :
		strstr(class, "small") ? SMALL_SIZE :
		LETTER_SIZE;

	return (int) (text_width(text) * LETTER_WIDTH * size / LETTER_SIZE);
}

/*
 * The mark of a text that goes on beyond the right edge of its column.  How
 * wide that is is known to who shows the picture only: where it is wide enough
 * the mark is outside.
 */
static void
append_ellipsis(StringInfo out, int y, int needed, const char *class)
{
	appendStringInfo(out, "<g class=\"more\" style=\"--n:%dpx\">", needed);
	for (int i = 0; i < 2; i++)
		appendStringInfo(out, "<rect x=\"100%%\" width=\"%d\" height=\"%d\"/>",
						 ELLIPSIS_WIDTH, y + 4);
	appendStringInfo(out, "<text class=\"%s\" x=\"100%%\" y=\"%d\">&#8230;</text></g>", class, y);
}

/*
 * A piece of text that ends where its column does.
 */
static void
append_text(StringInfo out, int y, const char *x, const char *width, int indent,
			const char *class, const char *text)
{
	appendStringInfo(out, "<svg x=\"%s\" y=\"%d\" width=\"%s\" height=\"%d\"><text class=\"%s\" x=\"%d\" y=\"%d\">",
					 x, y, width, ROW_HEIGHT, class, indent, ROW_HEIGHT - 7);
	append_markup(out, text);
	appendStringInfoString(out, "</text>");
	append_ellipsis(out, ROW_HEIGHT - 7, indent + pixels_of(class, text),
					class);
	appendStringInfoString(out, "</svg>");
}

static void
append_bar(Canvas *canvas, TimestampTz start, TimestampTz end, int height,
		   const char *class)
{
	double		from = percent(canvas, start);

	appendStringInfo(&canvas->out, "<rect class=\"bar %s\" x=\"%.3f%%\" y=\"%d\" width=\"%.3f%%\" height=\"%d\"/>",
					 class, from, (ROW_HEIGHT - height) / 2, percent(canvas, end) - from, height);
}

static void
append_wait(Canvas *canvas, TimestampTz start, TimestampTz end)
{
	appendStringInfo(&canvas->out, "<line class=\"wait\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"%d\" y2=\"%d\"/>",
					 percent(canvas, start), percent(canvas, end), ROW_HEIGHT / 2, ROW_HEIGHT / 2);
	canvas->has_waits = true;
}

/*
 * The mark of the critical path: a line below the bar, a little longer.
 */
static void
append_underline(Canvas *canvas, TimestampTz start, TimestampTz end)
{
	appendStringInfo(&canvas->out, "<line class=\"critical\" x1=\"%.3f%%\" x2=\"%.3f%%\" y1=\"%d\" y2=\"%d\"/>",
					 percent(canvas, start), percent(canvas, end), ROW_HEIGHT - 3, ROW_HEIGHT - 3);
	canvas->has_critical = true;
}

/*
 * The bars of a row: its attempts and the waits between them, or one thin bar
 * for a step with steps in it.
 */
static void
append_bars(Canvas *canvas, const OutlineRow *row)
{
	TimestampTz waits_from = 0;
	ListCell   *cell;

	appendStringInfo(&canvas->out, "<svg x=\"%d%%\" y=\"%d\" width=\"%d%%\" height=\"%d\" overflow=\"visible\">",
					 canvas->bars_from, canvas->y, BARS_TO - canvas->bars_from, ROW_HEIGHT);
	if (row->container || row->attempts == NIL)
	{
		append_bar(canvas, row->start, row->end,
				   row->solid ? BAR_HEIGHT : BAR_HEIGHT / 2,
				   row->solid || span_status_is_bad(row->status) ?
					   classes[row->status] :
					   "group");
		canvas->has_groups = canvas->has_groups || row->left_out == NULL;
	}
	else
	{
		foreach(cell, row->attempts)
		{
			const Attempt *attempt = lfirst(cell);

			if (waits_from != 0 && attempt->start > waits_from)
				append_wait(canvas, waits_from, attempt->start);
			if (attempt->status != SPAN_SKIPPED)
			{
				append_bar(canvas, attempt->start, attempt->end, BAR_HEIGHT,
						   classes[attempt->status]);
				canvas->drawn[attempt->status] = true;
				canvas->has_timers |= attempt->status == SPAN_WAITING;
			}
			waits_from = attempt->end;
		}
		if (row->status == SPAN_WAITING && row->end > waits_from)
			append_wait(canvas, waits_from, row->end);
	}
	if (row->critical && canvas->tree->has_detours)
		append_underline(canvas, row->start, row->end);
	appendStringInfoString(&canvas->out, "</svg>");
}

/*
 * What a pointer over the row shows.
 */
static void
append_title(Canvas *canvas, const OutlineRow *row)
{
	StringInfo	out = &canvas->out;

	appendStringInfoString(out, "<title>");
	append_markup(out, row->label);
	if (row->remark != NULL)
	{
		appendStringInfoString(out, " (");
		append_markup(out, row->remark);
		appendStringInfoString(out, ")");
	}
	if (row->left_out == NULL)
	{
		if (row->type != NULL)
		{
			appendStringInfoString(out, "\n");
			append_markup(out, row->type);
		}
		appendStringInfo(out, "\n%s", span_status_name(row->status));
		appendStringInfo(out, "\nfrom %s to %s after the start",
						 duration_between(canvas->outline->start, row->start),
						 duration_between(canvas->outline->start, row->end));
	}
	if (row->due != 0)
		appendStringInfo(out, "\n%s %s", outline_due_words(row),
						 time_text(row->due));
	if (row->error != NULL)
	{
		appendStringInfoString(out, "\n");
		append_markup(out, row->error);
	}
	appendStringInfoString(out, "</title>");
}

static void
append_row(Canvas *canvas, const OutlineRow *row, int number)
{
	StringInfo	out = &canvas->out;
	int			indent = 20 + (int) (canvas->indent * row->depth);
	int			room = (int) ((USUAL_WIDTH * (canvas->bars_from - 1) / 100 - indent) / LETTER_WIDTH);
	int			height = ROW_HEIGHT + (row->error != NULL ? ERROR_HEIGHT : 0);
	char	   *label = outline_label_fitted(row, Max(room, 4), "...");

	appendStringInfoString(out,
						   number % 2 == 0 ? "<g class=\"striped\">" : "<g>");
	append_title(canvas, row);
	if (number % 2 == 0)
		appendStringInfo(out, "<rect class=\"stripe\" x=\"0\" y=\"%d\" width=\"100%%\" height=\"%d\"/>",
						 canvas->y, height);
	if (row->left_out == NULL || row->solid)
	{
		canvas->drawn[row->status] = true;
		appendStringInfo(out, "<text class=\"%s\" x=\"6\" y=\"%d\">%s</text>",
						 classes[row->status], canvas->y + ROW_HEIGHT - 7,
						 marks[row->status]);
	}
	append_text(out, canvas->y, "0", psprintf("%d%%", canvas->bars_from - 1),
				indent,
				row->status == SPAN_SKIPPED ||
						(row->left_out != NULL && !row->solid) ?
					"soft" :
					"label",
				label);
	if (row->status != SPAN_SKIPPED)
	{
		append_bars(canvas, row);
		appendStringInfo(out, "<text class=\"soft small time\" x=\"99%%\" y=\"%d\" text-anchor=\"end\">%s</text>",
						 canvas->y + ROW_HEIGHT - 7, duration_between(row->start, row->end));
	}
	canvas->y += ROW_HEIGHT;
	if (row->error != NULL)
	{
		append_text(out, canvas->y - 4, "0", "100%", indent, "small failed",
					row->error);
		canvas->y += ERROR_HEIGHT;
	}
	appendStringInfoString(out, "</g>\n");
}

/*
 * When the execution stood still: across all rows, behind them.
 */
static void
append_pauses(Canvas *canvas, int bottom)
{
	const TraceExecution *execution = canvas->tree->execution;

	for (int i = 0; i < execution->npauses; i++)
	{
		const TracePause *pause = &execution->pauses[i];
		double		from = percent(canvas, pause->start);

		appendStringInfo(&canvas->out, "<rect class=\"pause\" x=\"%.3f%%\" y=\"%d\" width=\"%.3f%%\" height=\"%d\">"
						 "<title>%s\nfrom %s to %s after the start</title></rect>",
						 from, HEADER_HEIGHT - 4, percent(canvas, pause->end) - from, bottom - HEADER_HEIGHT + 4,
						 execution_pauses_title(execution), duration_between(canvas->outline->start, pause->start),
						 duration_between(canvas->outline->start, pause->end));
	}
}

/*
 * Lines and times along the axis, behind the rows.
 */
static void
append_axis(Canvas *canvas, int bottom)
{
	static const char *const anchors[] = {"start", "middle", "middle", "middle",
										  "end"};
	double		length = (canvas->outline->end - canvas->outline->start) /
		1000.0;

	appendStringInfo(&canvas->out, "<svg x=\"%d%%\" y=\"0\" width=\"%d%%\" height=\"%d\" overflow=\"visible\">",
					 canvas->bars_from, BARS_TO - canvas->bars_from, bottom);
	for (int i = 0; i <= 4; i++)
	{
		appendStringInfo(&canvas->out, "<line class=\"grid\" x1=\"%d%%\" x2=\"%d%%\" y1=\"%d\" y2=\"%d\"/>",
						 i * 25, i * 25, HEADER_HEIGHT - 4, bottom);
		if (i % 2 == 0)
			appendStringInfo(&canvas->out, "<text class=\"soft small time\" x=\"%d%%\" y=\"%d\" text-anchor=\"%s\">%s</text>",
							 i * 25, HEADER_HEIGHT - 10, anchors[i],
							 i == 0 ? "0" : duration_text(length * i / 4));
	}
	append_pauses(canvas, bottom);
	appendStringInfoString(&canvas->out, "</svg>\n");
}

/*
 * What it is and how it is.
 */
static void
append_header(Canvas *canvas)
{
	const TraceExecution *execution = canvas->tree->execution;

	append_text(&canvas->out, 4, "0", "100%", 6, "title",
				psprintf("%s version %d", plain_text(execution->workflow),
						 execution->version));
	append_text(&canvas->out, 24, "0", "100%", 6, "label",
				psprintf("execution %lld %s", (long long) execution->id,
						 execution_state_text(execution)));
	append_text(&canvas->out, 42, "0", "100%", 6, "soft small",
				execution_times_text(execution));
}

/* An entry of the legend: three to a row. */
static void
append_legend_entry(Canvas *canvas, int *number, const char *symbol,
					const char *meaning)
{
	int			top = canvas->y + 8 + *number / 3 * LEGEND_HEIGHT;

	appendStringInfo(&canvas->out, "<svg x=\"%d%%\" y=\"%d\" width=\"33%%\" height=\"%d\">%s"
					 "<text class=\"soft small\" x=\"28\" y=\"14\">%s</text>",
					 *number % 3 * 33, top, LEGEND_HEIGHT, symbol, meaning);
	append_ellipsis(&canvas->out, 14, 28 + pixels_of("small", meaning),
					"soft small");
	appendStringInfoString(&canvas->out, "</svg>");
	(*number)++;
}

static void
append_legend(Canvas *canvas)
{
	int			number = 0;

	for (int i = 0; i < NUM_SPAN_STATUSES; i++)
		if (canvas->drawn[i] && i != SPAN_WAITING)
			append_legend_entry(canvas, &number,
								psprintf("<rect class=\"%s\" x=\"6\" y=\"5\" width=\"16\" height=\"10\"/>", classes[i]),
								span_status_name((SpanStatus) i));
	if (canvas->has_timers)
		append_legend_entry(canvas, &number,
							"<rect class=\"waiting\" x=\"6\" y=\"5\""
							" width=\"16\" height=\"10\"/>",
							"waits for a time");
	if (canvas->has_waits ||
		(canvas->drawn[SPAN_WAITING] && !canvas->has_timers))
		append_legend_entry(canvas, &number, "<line class=\"wait\" x1=\"6\" x2=\"22\" y1=\"10\" y2=\"10\"/>",
							"waits for a retry");
	if (canvas->has_groups)
		append_legend_entry(canvas, &number, "<rect class=\"group\" x=\"6\" y=\"8\" width=\"16\" height=\"5\"/>",
							"has steps in it");
	if (canvas->has_critical)
		append_legend_entry(canvas, &number, "<line class=\"critical\" x1=\"6\" x2=\"22\" y1=\"11\" y2=\"11\"/>",
							"critical path");
	if (canvas->tree->execution->npauses > 0)
		append_legend_entry(canvas, &number, "<rect class=\"pause\" x=\"6\" y=\"4\" width=\"16\" height=\"12\"/>",
							execution_pauses_title(canvas->tree->execution));
	canvas->y += 8 + (number + 2) / 3 * LEGEND_HEIGHT + 4;
}

/* A line below the rows; NULL: none. */
static void
append_remark(Canvas *canvas, const char *class, const char *text)
{
	if (text == NULL)
		return;
	append_text(&canvas->out, canvas->y + 4, "0", "100%", 6, class, text);
	canvas->y += ROW_HEIGHT + 4;
}

/*
 * Rows that are not there, and why the execution ended.
 */
static void
append_remarks(Canvas *canvas)
{
	const TraceExecution *execution = canvas->tree->execution;
	char	   *outcome = execution_outcome_text(execution);
	char	   *pause = execution_pause_text(execution);

	if (canvas->outline->nrows == 0)
	{
		append_text(&canvas->out, canvas->y, "0", "100%", 6, "soft",
					"Nothing of it has run.");
		canvas->y += ROW_HEIGHT;
	}
	if (canvas->outline->more > 0 || canvas->tree->not_shown > 0)
	{
		append_text(&canvas->out, canvas->y, "0", "100%", 20, "soft",
					psprintf("... %s more rows",
							 count_text(canvas->outline->more +
										canvas->tree->not_shown)));
		canvas->y += ROW_HEIGHT;
	}
	append_remark(canvas, "pause", pause);
	for (int i = 0; i < execution->nmarks; i++)
		append_remark(canvas, "pause",
					  execution_mark_text(execution, &execution->marks[i]));
	for (int i = 0; i < execution->nevents; i++)
		append_remark(canvas, "soft",
					  execution_event_text(execution, &execution->events[i]));
	append_remark(canvas, "failed", outcome);
}

/*
 * Divide the width.
 */
static void
lay_out(Canvas *canvas)
{
	const Outline *outline = canvas->outline;
	double		needed = 0;

	canvas->indent = Min(INDENT, (double) MAX_INDENT / Max(outline->depth, 1));
	for (int i = 0; i < outline->nrows; i++)
		needed = Max(needed,
					 20 + canvas->indent * outline->rows[i].depth +
						 LETTER_WIDTH *
							 text_width(outline_label(&outline->rows[i])));
	needed = 100 * needed / USUAL_WIDTH + 2;
	canvas->bars_from = (int) Min(Max(needed, BARS_FROM_MIN), BARS_FROM_MAX);
}

char *
draw_svg(const SpanTree *tree)
{
	Canvas		canvas = {.tree = tree, .y = HEADER_HEIGHT};
	StringInfoData picture;
	StringInfoData rows;
	int			bottom;

	canvas.outline = outline_create(tree, MAX_ROWS);
	lay_out(&canvas);
	initStringInfo(&canvas.out);
	for (int i = 0; i < canvas.outline->nrows; i++)
		append_row(&canvas, &canvas.outline->rows[i], i);
	bottom = canvas.y;
	append_remarks(&canvas);
	append_legend(&canvas);

	/* the height is known now: what goes before the rows */
	initStringInfo(&picture);
	appendStringInfo(&picture, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pgwf\" width=\"100%%\" height=\"%d\" "
					 "role=\"img\" aria-label=\"timeline of execution %lld\">\n",
					 canvas.y, (long long) tree->execution->id);
	appendStringInfoString(&picture, style);
	appendStringInfoString(&picture, "<rect width=\"100%\" height=\"100%\" style=\"fill:var(--back)\"/>");
	rows = canvas.out;
	initStringInfo(&canvas.out);
	append_header(&canvas);
	if (canvas.outline->nrows > 0)
		append_axis(&canvas, bottom);
	appendBinaryStringInfo(&picture, canvas.out.data, canvas.out.len);
	appendBinaryStringInfo(&picture, rows.data, rows.len);
	appendStringInfoString(&picture, "</svg>\n");
	return picture.data;
}

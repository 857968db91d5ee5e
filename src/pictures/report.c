/*-------------------------------------------------------------------------
 *
 * report.c
 *	  The state of a database's workflows, and one execution, as a page of HTML.
 *
 * NOTES
 *	  Runs in sessions.  The page is complete in itself, for a file or a mail: a
 *	  policy in its head forbids everything but its own style, so nothing is
 *	  fetched and nothing is run, whatever a name or an error contains.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "pictures/outline.h"
#include "pictures/pictures.h"
#include "pictures/words.h"

/* Rows of the table of steps. */
#define MAX_STEPS 300
/* Columns of a text in a list: the whole of an error is among the facts. */
#define MAX_CELL 300
/* Of the deepest step in the table, in em. */
#define MAX_INDENT 14.4

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<style>\n"
	":root{--back:#fff;--text:#1f2328;--soft:#656d76;--line:#d8dee4;--tile:#f6f8fa;--good:#1a7f37;--bad:#cf222e;--warn:#9a6700;--now:#0969da}\n"
	"@media (prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#30363d;--tile:#161b22;--good:#3fb950;--bad:#f85149;--warn:#d29922;--now:#58a6ff}}\n"
	"body{margin:0 auto;max-width:1200px;padding:16px;background:var(--back);color:var(--text);font:14px/1.45 system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}\n"
	"h1{font-size:22px;margin:0}h2{font-size:16px;margin:28px 0 8px}summary{font-weight:600;margin:16px 0 6px;cursor:pointer}p{margin:4px 0}.soft{color:var(--soft)}\n"
	".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(110px,1fr));gap:8px;margin-top:16px}\n"
	".tile{background:var(--tile);border:1px solid var(--line);border-radius:6px;padding:8px 12px}.tile strong{display:block;font-size:22px;font-variant-numeric:tabular-nums}\n"
	"table{border-collapse:collapse;width:100%;font-size:13px}"
	"th{text-align:left;color:var(--soft);font-weight:500;white-space:nowrap}th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}\n"
	"td{overflow-wrap:anywhere;min-width:5em}td.error{min-width:10em}th.number,td.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}td.word{white-space:nowrap;overflow-wrap:normal}\n"
	".critical{text-decoration:underline 2px;text-underline-offset:3px}\n"
	"td.code{white-space:pre-wrap;font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:12px}td.step{white-space:pre-wrap}\n"
	".list td.code{min-width:18em}.facts th{width:8em;padding-right:16px;vertical-align:top}.facts td{white-space:pre-wrap}\n"
	"@media (max-width:760px){.list,.list tbody,.list tr,.list td{display:block}.list thead{display:none}.list tr{border-bottom:1px solid var(--line);padding:6px 0}"
	".list td{border:0;padding:1px 0 1px 8.5em;min-height:1.45em;text-align:left!important;white-space:pre-wrap!important;position:relative}"
	".list td:empty{display:none}.list td::before{content:attr(data-caption);position:absolute;left:0;width:8em;color:var(--soft);font-family:system-ui,sans-serif}}\n"
	".good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.now{color:var(--now)}\n"
	".meter{display:inline-block;width:60px;height:8px;border-radius:4px;background:var(--line);margin-right:6px;overflow:hidden}.meter i{display:block;height:8px;background:var(--now)}\n"
	".picture{border:1px solid var(--line);border-radius:6px;overflow:hidden;margin-top:8px}.picture svg{display:block}\n"
	"</style>\n";

/*
 * What each list is called, and what it says when there is nothing in it; NULL:
 * it is left out.
 */
static const struct
{
	OverviewSubject subject;
	const char *title;
	const char *nothing;
}			sections[] = {
	{OVERVIEW_RUNNING, "Running executions", "Nothing runs."},
	{OVERVIEW_WAITING, "Waits", NULL},
	{OVERVIEW_PAUSED, "Paused executions", NULL},
	{OVERVIEW_FAILURES, "Recent failures", "None of the newest 10,000 executions has failed."},
	{OVERVIEW_QUEUE, "Queue", "Nothing is queued."},
	{OVERVIEW_LETTERS, "Dead letters", NULL},
	{OVERVIEW_BREAKERS, "Open circuit breakers", NULL},
	{OVERVIEW_BLOCKED, "Blocked workflows", "No workflow is blocked."},
	{OVERVIEW_STUCK, "Stuck executors", "No executor has got stuck."},
	{OVERVIEW_SCHEDULES, "Schedules", NULL},
	{OVERVIEW_EXECUTORS, "Executors", "There is none this moment; they are started when there is work."}
};

/* The colour of a status or state, as a class. */
static const char *
class_of_status(const char *status)
{
	if (strcmp(status, "completed") == 0)
		return "good";
	if (strcmp(status, "failed") == 0 || strcmp(status, "timed_out") == 0 ||
		strcmp(status, "stuck") == 0 || strcmp(status, "quarantined") == 0)
		return "bad";
	if (strcmp(status, "running") == 0 || strcmp(status, "busy") == 0)
		return "now";
	if (strcmp(status, "idle") == 0 || strcmp(status, "active") == 0 ||
		strcmp(status, "over") == 0 || strcmp(status, "skipped") == 0 ||
		strcmp(status, "pending") == 0)
		return "soft";
	return "warn";
}

/* Numbers to compare, that is, not those of processes and executions. */
static bool
is_number(const char *caption, Oid type)
{
	return (type == INT4OID || type == INT8OID || type == FLOAT8OID ||
			strcmp(caption, "memory") == 0) &&
		strcmp(caption, "pid") != 0 && strcmp(caption, "execution") != 0 &&
		strcmp(caption, "letter") != 0;
}

/* How a cell is to be shown, as a class. */
static const char *
class_of_cell(const char *caption, Oid type, const char *text)
{
	if (text != NULL &&
		(strcmp(caption, "status") == 0 || strcmp(caption, "state") == 0 ||
		 strcmp(caption, "outcome") == 0))
		return psprintf("word %s", class_of_status(text));
	if (is_number(caption, type))
		return "number";
	if (type == TIMESTAMPTZOID)
		return "word";
	if (strcmp(caption, "error") == 0)
		return "error";
	if (strcmp(caption, "help") == 0)
		return "code";
	return "text";
}

/* Other people's text may run in the other direction: not beyond its cell. */
static void
append_isolated(StringInfo out, const char *text)
{
	appendStringInfoString(out, "<bdi>");
	append_markup(out, text);
	appendStringInfoString(out, "</bdi>");
}

static void
append_cell(StringInfo out, const char *caption, Oid type, const char *text)
{
	appendStringInfo(out, "<td class=\"%s\" data-caption=\"%s\">",
					 class_of_cell(caption, type, text), caption);
	if (text == NULL)
		;
	else if (strcmp(caption, "percent") == 0)
		appendStringInfo(out, "<span class=\"meter\"><i style=\"width:%d%%\"></i></span>%d %%",
						 atoi(text), atoi(text));
	else if (type == FLOAT8OID)
		appendStringInfoString(out, duration_text(atof(text)));
	else if (is_number(caption, type))
		append_markup(out, text);
	else
		append_isolated(out, text);
	appendStringInfoString(out, "</td>");
}

static void
append_list(StringInfo out, const Overview *list)
{
	appendStringInfoString(out, "<table class=\"list\"><thead><tr>");
	for (int i = 0; i < list->ncolumns; i++)
		appendStringInfo(out, "<th%s>%s</th>",
						 is_number(list->captions[i], list->types[i]) ?
							 " class=\"number\"" :
							 "",
						 list->captions[i]);
	appendStringInfoString(out, "</tr></thead><tbody>\n");
	for (int row = 0; row < list->nrows; row++)
	{
		appendStringInfoString(out, "<tr>");
		for (int i = 0; i < list->ncolumns; i++)
		{
			char	   *text = list->cells[row][i];

			if (text != NULL && strcmp(list->captions[i], "help") != 0)
				text = clip_text(text, MAX_CELL, "...");
			append_cell(out, list->captions[i], list->types[i], text);
		}
		appendStringInfoString(out, "</tr>\n");
	}
	appendStringInfoString(out, "</tbody></table>\n");
}

/*
 * The numbers at the top.
 */
static void
append_tiles(StringInfo out, const Overview *counts)
{
	appendStringInfoString(out, "<div class=\"tiles\">");
	for (int i = 0; i < counts->ncolumns; i++)
	{
		const char *number = counts->cells[0][i];
		bool		bad = (strncmp(counts->captions[i], "failed", 6) == 0 ||
					strncmp(counts->captions[i], "timed", 5) == 0) &&
			strcmp(number, "0") != 0;

		appendStringInfo(out, "<div class=\"tile\"><strong%s>%s</strong><span class=\"soft\">%s</span></div>",
						 bad ? " class=\"bad\"" : "", count_text(atoll(number)), counts->captions[i]);
	}
	appendStringInfoString(out, "</div>\n");
}

/*
 * What there is to know of an execution, one fact below the other.
 */
static void
append_facts(StringInfo out, const Overview *facts)
{
	appendStringInfoString(out, "<table class=\"facts\"><tbody>\n");
	for (int i = 0; i < facts->ncolumns; i++)
	{
		const char *text = facts->nrows > 0 ? facts->cells[0][i] : NULL;
		const char *caption = facts->captions[i];

		if (text == NULL)
			continue;
		appendStringInfo(out, "<tr><th>%s</th><td class=\"%s\">", caption,
						 strcmp(caption, "input") == 0 ||
								 strcmp(caption, "output") == 0 ||
								 strcmp(caption, "context") == 0 ?
							 "code" :
							 class_of_cell(caption, facts->types[i], text));
		append_isolated(out, text);
		appendStringInfoString(out, "</td></tr>\n");
	}
	appendStringInfoString(out, "</tbody></table>\n");
}

/*
 * The steps of an execution as a table: the rows of its picture, with the whole
 * of the errors.
 */
static void
append_steps(StringInfo out, const SpanTree *tree)
{
	static const char *const captions[] = {"step",     "type",  "status",
										   "attempts", "after", "took",
										   "error"};
	const Outline *outline = outline_create(tree, MAX_STEPS);

	appendStringInfoString(out, "<table class=\"list\"><thead><tr>");
	for (int i = 0; i < (int) lengthof(captions); i++)
		appendStringInfo(out, "<th%s>%s</th>",
						 i >= 3 && i <= 5 ? " class=\"number\"" : "",
						 captions[i]);
	appendStringInfoString(out, "</tr></thead><tbody>\n");
	for (int i = 0; i < outline->nrows; i++)
	{
		const OutlineRow *row = &outline->rows[i];
		const char *status = span_status_name(row->status);

		appendStringInfo(out, "<tr><td class=\"step\" data-caption=\"step\"><span style=\"padding-left:%.1fem\"><bdi>",
						 row->depth * Min(1.2, MAX_INDENT / Max(outline->depth, 1)));
		append_markup(out, outline_label(row));
		appendStringInfoString(out, "</bdi></span></td>");
		append_cell(out, "type", TEXTOID, row->agent_name == NULL ? row->type :
					psprintf("%s %s", row->type, row->agent_name));
		append_cell(out, "status", TEXTOID, row->left_out != NULL ? NULL :
					row->status == SPAN_TIMED_OUT ? "timed_out" : status);
		append_cell(out, "attempts", INT4OID,
					row->left_out != NULL || row->attempts == NIL ?
						NULL :
						psprintf("%d", list_length(row->attempts)));
		append_cell(out, "after", INT4OID,
					duration_between(outline->start, row->start));
		appendStringInfo(out, "<td class=\"number\" data-caption=\"took\">%s%s%s</td>",
						 row->critical && tree->has_detours ? "<span class=\"critical\" title=\"critical path\">" : "",
						 duration_between(row->start, row->end),
						 row->critical && tree->has_detours ? "</span>" : "");
		append_cell(out, "error", TEXTOID, row->error);
		appendStringInfoString(out, "</tr>\n");
	}
	appendStringInfoString(out, "</tbody></table>\n");
	if (outline->more + tree->not_shown > 0)
		appendStringInfo(out, "<p class=\"soft\">%s more steps</p>\n",
						 count_text(outline->more + tree->not_shown));
}

/*
 * What was done to an execution and what it went on after, in the order of
 * time.
 */
static void
append_events(StringInfo out, const TraceExecution *execution)
{
	static const char *const captions[] = {"time", "event", "step",
										   "by",   "error", "text"};

	if (execution->nevents == 0)
		return;
	appendStringInfoString(out, "<table class=\"list\"><thead><tr>");
	for (int i = 0; i < (int) lengthof(captions); i++)
		appendStringInfo(out, "<th>%s</th>", captions[i]);
	appendStringInfoString(out, "</tr></thead><tbody>\n");
	if (execution->more_events)
		appendStringInfoString(out, "<tr><td colspan=\"6\" class=\"soft\">earlier ones are in workflow.history</td></tr>\n");
	for (int i = 0; i < execution->nevents; i++)
	{
		const TraceEvent *event = &execution->events[i];

		appendStringInfoString(out, "<tr>");
		append_cell(out, captions[0], TIMESTAMPTZOID, time_text(event->at));
		append_cell(out, captions[1], TEXTOID, event->event);
		append_cell(out, captions[2], TEXTOID, event->step_id);
		append_cell(out, captions[3], TEXTOID, event->by);
		append_cell(out, captions[4], TEXTOID, event->error_type);
		append_cell(out, captions[5], TEXTOID, event->text);
		appendStringInfoString(out, "</tr>\n");
	}
	appendStringInfoString(out, "</tbody></table>\n");
}

/*
 * One execution: why it is as it is, its timeline, and what there is to know.
 */
static void
append_execution(StringInfo out, const SpanTree *tree, Oid reader,
				 bool in_detail)
{
	const char *open = in_detail ? " open" : "";
	int64		id = tree->execution->id;
	Overview   *why = overview_read(OVERVIEW_WHY, reader, id);

	appendStringInfo(out, "<h2>Execution %lld</h2>\n", (long long) id);
	if (why->nrows > 0)
		append_list(out, why);
	appendStringInfoString(out, "<div class=\"picture\">");
	appendStringInfoString(out, draw_svg(tree));
	appendStringInfo(out, "</div>\n<details%s><summary>Steps of execution %lld</summary>\n", open, (long long) id);
	append_steps(out, tree);
	if (tree->execution->nevents > 0)
	{
		appendStringInfo(out, "</details>\n<details%s><summary>What happened to execution %lld</summary>\n", open, (long long) id);
		append_events(out, tree->execution);
	}
	appendStringInfo(out, "</details>\n<details%s><summary>Facts about execution %lld</summary>\n", open, (long long) id);
	append_facts(out, overview_read(OVERVIEW_EXECUTION, reader, id));
	appendStringInfoString(out, "</details>\n");
}

char *
draw_report(const SpanTree *tree, Oid reader, bool in_detail)
{
	StringInfoData out;
	char	   *database = get_database_name(MyDatabaseId);

	initStringInfo(&out);
	appendStringInfoString(&out, head);
	appendStringInfoString(&out, "<title>Workflows in ");
	append_markup(&out, database);
	appendStringInfoString(&out,
						   "</title></head>\n<body>\n<h1>Workflows in <bdi>");
	append_markup(&out, database);
	appendStringInfo(&out, "</bdi></h1>\n<p class=\"soft\">%s, as seen by <bdi>",
					 time_text(GetCurrentTimestamp()));
	append_markup(&out, GetUserNameFromId(reader, false));
	appendStringInfoString(&out, "</bdi></p>\n");
	append_tiles(&out, overview_read(OVERVIEW_COUNTS, reader, 0));

	if (tree != NULL)
		append_execution(&out, tree, reader, in_detail);
	for (int i = 0; i < (int) lengthof(sections); i++)
	{
		Overview   *list = overview_read(sections[i].subject, reader, 0);

		if (list->nrows == 0 && sections[i].nothing == NULL)
			continue;
		appendStringInfo(&out, "<h2>%s</h2>\n", sections[i].title);
		if (list->nrows > 0)
			append_list(&out, list);
		else
			appendStringInfo(&out, "<p class=\"soft\">%s</p>\n",
							 sections[i].nothing);
	}
	appendStringInfoString(&out, "</body></html>\n");
	return out.data;
}

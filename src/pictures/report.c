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

#include "pictures/pictures.h"
#include "pictures/words.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<style>\n"
	":root{--back:#fff;--text:#1f2328;--soft:#656d76;--line:#d8dee4;--tile:#f6f8fa;--good:#1a7f37;--bad:#cf222e;--warn:#9a6700;--now:#0969da}\n"
	"@media (prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#30363d;--tile:#161b22;--good:#3fb950;--bad:#f85149;--warn:#d29922;--now:#58a6ff}}\n"
	"body{margin:0 auto;max-width:1200px;padding:16px;background:var(--back);color:var(--text);font:14px/1.45 system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}\n"
	"h1{font-size:22px;margin:0}h2{font-size:16px;margin:28px 0 8px}p{margin:4px 0}.soft{color:var(--soft)}\n"
	".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(110px,1fr));gap:8px;margin-top:16px}\n"
	".tile{background:var(--tile);border:1px solid var(--line);border-radius:6px;padding:8px 12px}.tile strong{display:block;font-size:22px;font-variant-numeric:tabular-nums}\n"
	".wide{overflow-x:auto}.wide table{min-width:640px}table{border-collapse:collapse;width:100%;font-size:13px}\n"
	"th{text-align:left;color:var(--soft);font-weight:500;white-space:nowrap}th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}\n"
	"td{overflow-wrap:anywhere;min-width:5em}th.number,td.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}td.word{white-space:nowrap;overflow-wrap:normal}\n"
	".good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.now{color:var(--now)}\n"
	".meter{display:inline-block;width:60px;height:8px;border-radius:4px;background:var(--line);margin-right:6px;overflow:hidden}.meter i{display:block;height:8px;background:var(--now)}\n"
	".picture{border:1px solid var(--line);border-radius:6px;overflow:hidden;margin-top:8px}.picture svg{display:block}\n"
	"</style>\n";

/* What each list is called, and what it says when there is nothing in it. */
static const struct
{
	OverviewSubject subject;
	const char *title;
	const char *nothing;
}			sections[] = {
	{OVERVIEW_RUNNING, "Running executions", "Nothing runs."},
	{OVERVIEW_FAILURES, "Recent failures", "None of the newest 10,000 executions has failed."},
	{OVERVIEW_QUEUE, "Queue", "Nothing waits."},
	{OVERVIEW_BLOCKED, "Blocked workflows", "No workflow is blocked."},
	{OVERVIEW_STUCK, "Stuck executors", "No executor has got stuck."},
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
	if (strcmp(status, "idle") == 0)
		return "soft";
	return "warn";
}

/* Numbers to compare, that is, not those of processes and executions. */
static bool
is_number(const char *caption, Oid type)
{
	return (type == INT4OID || type == INT8OID || type == FLOAT8OID) &&
		strcmp(caption, "pid") != 0 && strcmp(caption, "execution") != 0;
}

static void
append_cell(StringInfo out, const char *caption, Oid type, const char *text)
{
	bool		is_status = strcmp(caption, "status") == 0 || strcmp(caption, "state") == 0;

	if (is_status && text != NULL)
		appendStringInfo(out, "<td class=\"word %s\">", class_of_status(text));
	else
		appendStringInfo(out, "<td%s>", is_number(caption, type) ? " class=\"number\"" :
						 type == TIMESTAMPTZOID ? " class=\"word\"" : "");
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
	{
		/* other people's text may run in the other direction: not beyond its cell */
		appendStringInfoString(out, "<bdi>");
		append_markup(out, text);
		appendStringInfoString(out, "</bdi>");
	}
	appendStringInfoString(out, "</td>");
}

static void
append_list(StringInfo out, const Overview *list)
{
	appendStringInfoString(out, "<div class=\"wide\"><table><thead><tr>");
	for (int i = 0; i < list->ncolumns; i++)
		appendStringInfo(out, "<th%s>%s</th>", is_number(list->captions[i], list->types[i]) ? " class=\"number\"" : "",
						 list->captions[i]);
	appendStringInfoString(out, "</tr></thead><tbody>\n");
	for (int row = 0; row < list->nrows; row++)
	{
		appendStringInfoString(out, "<tr>");
		for (int i = 0; i < list->ncolumns; i++)
			append_cell(out, list->captions[i], list->types[i], list->cells[row][i]);
		appendStringInfoString(out, "</tr>\n");
	}
	appendStringInfoString(out, "</tbody></table></div>\n");
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
						   strncmp(counts->captions[i], "timed", 5) == 0) && strcmp(number, "0") != 0;

		appendStringInfo(out, "<div class=\"tile\"><strong%s>%s</strong><span class=\"soft\">%s</span></div>",
						 bad ? " class=\"bad\"" : "", count_text(atoll(number)), counts->captions[i]);
	}
	appendStringInfoString(out, "</div>\n");
}

/*
 * One execution: its timeline.
 */
static void
append_execution(StringInfo out, const SpanTree *tree)
{
	appendStringInfo(out, "<h2>Execution %lld</h2>\n<div class=\"picture\">", (long long) tree->execution->id);
	appendStringInfoString(out, draw_svg(tree));
	appendStringInfoString(out, "</div>\n");
}

char *
draw_report(const SpanTree *tree, Oid reader)
{
	StringInfoData out;
	char	   *database = get_database_name(MyDatabaseId);

	initStringInfo(&out);
	appendStringInfoString(&out, head);
	appendStringInfoString(&out, "<title>Workflows in ");
	append_markup(&out, database);
	appendStringInfoString(&out, "</title></head>\n<body>\n<h1>Workflows in <bdi>");
	append_markup(&out, database);
	appendStringInfo(&out, "</bdi></h1>\n<p class=\"soft\">%s, as seen by <bdi>",
					 time_text(GetCurrentTimestamp()));
	append_markup(&out, GetUserNameFromId(reader, false));
	appendStringInfoString(&out, "</bdi></p>\n");
	append_tiles(&out, overview_read(OVERVIEW_COUNTS, reader));

	if (tree != NULL)
		append_execution(&out, tree);
	for (int i = 0; i < (int) lengthof(sections); i++)
	{
		Overview   *list = overview_read(sections[i].subject, reader);

		appendStringInfo(&out, "<h2>%s</h2>\n", sections[i].title);
		if (list->nrows > 0)
			append_list(&out, list);
		else
			appendStringInfo(&out, "<p class=\"soft\">%s</p>\n", sections[i].nothing);
	}
	appendStringInfoString(&out, "</body></html>\n");
	return out.data;
}

/*-------------------------------------------------------------------------
 *
 * words.c
 *	  What all pictures write: durations, counts, and other people's text made
 *	  harmless.
 *
 * NOTES
 *	  Runs in sessions.  Names of workflows, agents and roles, and errors, may
 *	  contain anything; everything that shows one goes through here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "pictures/words.h"

char *
duration_text(double ms)
{
	int64		seconds = (int64) (ms / 1000 + 0.5);

	if (ms < 9.95)
		return psprintf("%.1f ms", ms);
	if (ms < 999.5)
		return psprintf("%.0f ms", ms);
	if (ms < 9995)
		return psprintf("%.2f s", ms / 1000);
	if (ms < 59950)
		return psprintf("%.1f s", ms / 1000);
	if (seconds < 3600)
		return psprintf("%dm %02ds", (int) (seconds / 60),
						(int) (seconds % 60));
	if (seconds < 86400)
		return psprintf("%dh %02dm", (int) (seconds / 3600),
						(int) (seconds / 60 % 60));
	return psprintf("%lldd %02dh", (long long) (seconds / 86400),
					(int) (seconds / 3600 % 24));
}

char *
duration_between(TimestampTz start, TimestampTz end)
{
	return duration_text(Max(end - start, 0) / 1000.0);
}

char *
time_text(TimestampTz time)
{
	if (TIMESTAMP_NOT_FINITE(time))
		return pstrdup(timestamptz_to_str(time));
	return pstrdup(timestamptz_to_str(time - time % USECS_PER_SEC));
}

char *
count_text(int64 count)
{
	char	   *digits = psprintf("%lld", (long long) count);
	int			length = strlen(digits);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < length; i++)
	{
		if (i > 0 && (length - i) % 3 == 0)
			appendStringInfoChar(&text, ',');
		appendStringInfoChar(&text, digits[i]);
	}
	pfree(digits);
	return text.data;
}

char *
left_out_text(const LeftOut *left_out)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s more,", count_text(left_out->count));
	for (int i = 0; i < NUM_SPAN_STATUSES; i++)
		if (left_out->by_status[i] > 0 && i != SPAN_COMPLETED)
			appendStringInfo(&text, " %s %s,",
							 count_text(left_out->by_status[i]),
							 span_status_name((SpanStatus) i));
	appendStringInfo(&text, " %s each",
					 duration_text(left_out->total_ms / left_out->count));
	return text.data;
}

/* "timed out" */
static char *
status_title(ExecutionStatus status)
{
	char	   *title = pstrdup(execution_status_name(status));

	for (char *c = title; *c != '\0'; c++)
		if (*c == '_')
			*c = ' ';
	return title;
}

char *
execution_state_text(const TraceExecution *execution)
{
	char	   *title = status_title(execution->status);

	if (execution->started_at == 0)
		return title;
	if (execution->completed_at != 0)
		return psprintf("%s after %s", title,
						duration_between(execution->started_at,
										 execution->now));
	if (execution->status == EXECUTION_RUNNING)
		return psprintf("%s for %s", title,
						duration_between(execution->started_at,
										 execution->now));
	return psprintf("%s, begun %s ago", title,
					duration_between(execution->started_at, execution->now));
}

char *
execution_times_text(const TraceExecution *execution)
{
	char	   *role = plain_text(execution->role_name);

	if (execution->started_at != 0)
		return psprintf("started %s by %s, queued %s",
						time_text(execution->started_at), role,
						duration_between(execution->created_at,
										 execution->started_at));
	if (execution->start_at == 0)
		return psprintf("queued %s by %s, %s ago",
						time_text(execution->created_at), role,
						duration_between(execution->created_at,
										 execution->now));
	if (TIMESTAMP_NOT_FINITE(execution->start_at))
		return psprintf("queued %s by %s, behind another of its schedule",
						time_text(execution->created_at), role);
	return psprintf("queued %s by %s, not before %s",
					time_text(execution->created_at), role,
					time_text(execution->start_at));
}

char *
execution_pause_text(const TraceExecution *execution)
{
	StringInfoData text;

	if (execution->paused_by == NULL || execution->npauses == 0)
		return NULL;
	initStringInfo(&text);
	appendStringInfo(&text, "paused %s by %s",
					 time_text(execution->pauses[execution->npauses - 1].start),
					 execution->paused_by);
	if (execution->paused_until != 0)
		appendStringInfo(&text, " until %s",
						 time_text(execution->paused_until));
	if (execution->pause_reason != NULL)
		appendStringInfo(&text, ": %s", execution->pause_reason);
	return plain_text(text.data);
}

/* " by app: reason" */
static void
append_by_and_why(StringInfo text, const char *by, const char *why)
{
	if (by != NULL)
		appendStringInfo(text, " by %s", by);
	if (why != NULL)
		appendStringInfo(text, ": %s", why);
}

/* Nothing is in front of it any more when the execution has ended. */
static bool
mark_is_in_force(const TraceExecution *execution, const TraceMark *mark)
{
	return !mark->holds || execution->completed_at == 0;
}

char *
execution_mark_text(const TraceExecution *execution, const TraceMark *mark)
{
	StringInfoData text;

	if (!mark_is_in_force(execution, mark))
		return NULL;
	initStringInfo(&text);
	appendStringInfo(&text, "step %s is %s", mark->step_id,
					 mark->holds ? "held" : "skipped");
	if (mark->at != 0)
		appendStringInfo(&text, " since %s", time_text(mark->at));
	append_by_and_why(&text, mark->by, mark->reason);
	return plain_text(text.data);
}

/* Does another line say it: the pause that lasts, the mark that is in force? */
static bool
event_is_told(const TraceExecution *execution, const TraceEvent *event)
{
	bool		holds = (strcmp(event->event, "hold_step") == 0);

	for (const TraceEvent *later = event + 1;
		 later < execution->events + execution->nevents; later++)
		if (strcmp(later->event, event->event) == 0 &&
			(event->step_id == NULL ||
			 strcmp(later->step_id, event->step_id) == 0))
			return false;
	if (strcmp(event->event, "pause") == 0)
		return execution->paused_by != NULL;
	for (int i = 0; i < execution->nmarks && event->step_id != NULL; i++)
	{
		const TraceMark *mark = &execution->marks[i];

		if (strcmp(mark->step_id, event->step_id) == 0)
			return mark->holds == holds && mark_is_in_force(execution, mark) &&
				(holds || strcmp(event->event, "skip_step") == 0);
	}
	return false;
}

char *
execution_event_text(const TraceExecution *execution, const TraceEvent *event)
{
	StringInfoData text;

	if (event_is_told(execution, event))
		return NULL;
	initStringInfo(&text);
	appendStringInfo(&text, "%s %s", time_text(event->at),
					 strcmp(event->event, "timed_out") == 0 ? "timed out" :
															  event->event);
	if (event->error_type != NULL)
		appendStringInfo(&text, ": %s%s", event->error_type,
						 event->step_id != NULL ? " in" : "");
	if (event->step_id != NULL)
		appendStringInfo(&text, " %s", event->step_id);
	append_by_and_why(&text, event->by, event->text);
	return plain_text(text.data);
}

char *
execution_pauses_title(const TraceExecution *execution)
{
	/* retry() adds the time between the end and itself */
	return pstrdup(execution->retries > 0 ? "paused or ended" : "paused");
}

char *
execution_outcome_text(const TraceExecution *execution)
{
	StringInfoData text;

	initStringInfo(&text);
	if (execution->error_type != NULL)
		appendStringInfoString(&text, execution->error_type);
	if (execution->error_type != NULL && execution->error_step != NULL)
		appendStringInfo(&text, " in %s", execution->error_step);
	if (execution->error_type != NULL && execution->error_message != NULL)
		appendStringInfo(&text, ": %s", execution->error_message);
	if (execution->cancel_reason != NULL)
		appendStringInfo(&text, "%scancelled because: %s",
						 text.len > 0 ? "; " : "", execution->cancel_reason);
	return text.len > 0 ? plain_text(text.data) : NULL;
}

/* Is this a character of Unicode that acts instead of being shown? */
static bool
is_control_code(pg_wchar code)
{
	return code < ' ' || (code >= 0x7F && code < 0xA0) ||
		/* direction marks */
		code == 0x061C || code == 0x200E || code == 0x200F ||
		(code >= 0x2028 && code <= 0x202E) ||	/* line ends, embeddings,
												 * overrides */
		(code >= 0x2066 && code <= 0x2069) ||	/* isolates */
		code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
}

/* Is there a character here that acts instead of being shown? */
static bool
is_control(const char *c)
{
	if (!IS_HIGHBIT_SET(*c))
		return is_control_code((unsigned char) *c);
	return GetDatabaseEncoding() == PG_UTF8 &&
		is_control_code(utf8_to_unicode((const unsigned char *) c));
}

char *
plain_text(const char *text)
{
	StringInfoData plain;

	initStringInfo(&plain);
	for (const char *c = text; *c != '\0'; c += pg_mblen(c))
	{
		if (*c == '\n' || *c == '\r' || *c == '\t')
			appendStringInfoChar(&plain, ' ');
		else if (is_control(c))
			appendStringInfoChar(&plain, '?');
		else
			appendBinaryStringInfo(&plain, c, pg_mblen(c));
	}
	return plain.data;
}

int
text_width(const char *text)
{
	int			width = 0;

	for (; *text != '\0'; text += pg_mblen(text))
		width += Max(pg_encoding_dsplen(GetDatabaseEncoding(), text), 0);
	return width;
}

char *
clip_text(const char *text, int width, const char *mark)
{
	int			room = width - text_width(mark);
	const char *end = text;
	int			used = 0;

	if (text_width(text) <= width)
		return pstrdup(text);
	for (;; end += pg_mblen(end))
	{
		used += Max(pg_encoding_dsplen(GetDatabaseEncoding(), end), 0);
		if (used > room)
			break;
	}
	return psprintf("%.*s%s", (int) (end - text), text, mark);
}

char *
clip_middle(const char *text, int width, const char *mark)
{
	int			total = text_width(text);
	int			room = Max(width - text_width(mark), 0);
	int			ahead = room / 2;	/* of the mark; what is behind it is the
									 * longer half */
	int			left_out = total - room;
	int			used = 0;
	const char *end = text;
	const char *rest;

	if (total <= width)
		return pstrdup(text);
	for (;; end += pg_mblen(end))
	{
		int			columns = Max(pg_encoding_dsplen(GetDatabaseEncoding(), end), 0);

		if (used + columns > ahead)
			break;
		used += columns;
	}
	for (rest = end; *rest != '\0' && used < ahead + left_out;
		 rest += pg_mblen(rest))
		used += Max(pg_encoding_dsplen(GetDatabaseEncoding(), rest), 0);
	return psprintf("%.*s%s%s", (int) (end - text), text, mark, rest);
}

char *
wrap_text(const char *text, int width, int lines, const char *mark)
{
	StringInfoData wrapped;

	initStringInfo(&wrapped);
	while (lines > 1 && text_width(text) > width)
	{
		const char *end = text;
		const char *blank = NULL;
		int			used = 0;

		/* as much as fits, if possible up to a blank in its second half */
		for (;; end += pg_mblen(end))
		{
			used += Max(pg_encoding_dsplen(GetDatabaseEncoding(), end), 0);
			if (*end == ' ' && used > width / 2)
				blank = end;
			if (used > width)
				break;
		}
		if (blank != NULL)
			end = blank;
		appendBinaryStringInfo(&wrapped, text, end - text);
		appendStringInfoChar(&wrapped, '\n');
		text = *end == ' ' ? end + 1 : end;
		lines--;
	}
	appendStringInfoString(&wrapped, clip_text(text, width, mark));
	return wrapped.data;
}

/*
 * A text of the database as UTF-8.  In a database whose encoding is unknown,
 * what is not UTF-8 has '?' in place of everything that is not ASCII.
 */
static const char *
text_as_utf8(const char *text)
{
	int			encoding = GetDatabaseEncoding();
	int			length = strlen(text);
	char	   *copy;

	if (encoding != PG_SQL_ASCII)
		return (char *) pg_do_encoding_conversion((unsigned char *)
													  unconstify(char *, text),
												  length, encoding, PG_UTF8);
	if (pg_verify_mbstr(PG_UTF8, text, length, true))
		return text;
	copy = pstrdup(text);
	for (char *c = copy; *c != '\0'; c++)
		if (IS_HIGHBIT_SET(*c))
			*c = '?';
	return copy;
}

/* The character here, and move behind it; 0 at the end. */
static pg_wchar
next_code(const char **utf8)
{
	pg_wchar	code = utf8_to_unicode((const unsigned char *) *utf8);

	if (code != 0)
		*utf8 += pg_encoding_mblen(PG_UTF8, *utf8);
	return code;
}

/*
 * What is not ASCII goes out as references: SVG and HTML say that they are
 * UTF-8, but the server sends them in the encoding of the client, which may be
 * another, or lack the character.
 */
void
append_markup(StringInfo out, const char *text)
{
	const char *utf8 = text_as_utf8(text);
	pg_wchar	code;

	while ((code = next_code(&utf8)) != 0)
	{
		if (code == '<')
			appendStringInfoString(out, "&lt;");
		else if (code == '>')
			appendStringInfoString(out, "&gt;");
		else if (code == '&')
			appendStringInfoString(out, "&amp;");
		else if (code == '"')
			appendStringInfoString(out, "&quot;");
		else if (code == '\'')
			appendStringInfoString(out, "&#39;");
		else if (is_control_code(code) && code != '\n' && code != '\t')
			appendStringInfoString(out, "&#xFFFD;");
		else if (code < 0x80)
			appendStringInfoChar(out, (char) code);
		else
			appendStringInfo(out, "&#x%X;", code);
	}
}

/*
 * Mermaid reads "#59;" as the character of that number.  Only letters, digits,
 * blanks and a few marks without a meaning go through as they are.
 */
void
append_mermaid(StringInfo out, const char *text)
{
	const char *utf8 = text_as_utf8(plain_text(text));
	pg_wchar	code;

	while ((code = next_code(&utf8)) != 0)
	{
		if ((code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
			(code >= '0' && code <= '9') ||
			(code < 0x80 && strchr(" .,:-_/()", (int) code) != NULL))
			appendStringInfoChar(out, (char) code);
		else
			appendStringInfo(out, "#%u;", code);
	}
}

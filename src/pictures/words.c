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
		return psprintf("%dm %02ds", (int) (seconds / 60), (int) (seconds % 60));
	if (seconds < 86400)
		return psprintf("%dh %02dm", (int) (seconds / 3600), (int) (seconds / 60 % 60));
	return psprintf("%lldd %02dh", (long long) (seconds / 86400), (int) (seconds / 3600 % 24));
}

char *
duration_between(TimestampTz start, TimestampTz end)
{
	return duration_text(Max(end - start, 0) / 1000.0);
}

char *
time_text(TimestampTz time)
{
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
	appendStringInfo(&text, "%s more:", count_text(left_out->count));
	for (int i = 0; i < NUM_SPAN_STATUSES; i++)
		if (left_out->by_status[i] > 0)
			appendStringInfo(&text, " %s %s,", count_text(left_out->by_status[i]),
							 span_status_name((SpanStatus) i));
	appendStringInfo(&text, " %s each", duration_text(left_out->total_ms / left_out->count));
	return text.data;
}

char *
execution_status_title(ExecutionStatus status)
{
	char	   *title = pstrdup(execution_status_name(status));

	for (char *c = title; *c != '\0'; c++)
		if (*c == '_')
			*c = ' ';
	return title;
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
		appendStringInfo(&text, "%scancelled because: %s", text.len > 0 ? "; " : "",
						 execution->cancel_reason);
	return text.len > 0 ? plain_text(text.data) : NULL;
}

/* Is there a character here that acts instead of being shown? */
static bool
is_control(const char *c)
{
	pg_wchar	code;

	if ((unsigned char) *c < 0x80)
		return (unsigned char) *c < ' ' || *c == 0x7F;
	if (GetDatabaseEncoding() != PG_UTF8)
		return false;
	code = utf8_to_unicode((const unsigned char *) c);
	return code < 0xA0 ||
		code == 0x061C || code == 0x200E || code == 0x200F ||	/* direction marks */
		(code >= 0x2028 && code <= 0x202E) ||	/* line ends, embeddings, overrides */
		(code >= 0x2066 && code <= 0x2069) ||	/* isolates */
		code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
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

void
append_markup(StringInfo out, const char *text)
{
	for (const char *c = text; *c != '\0'; c += pg_mblen(c))
	{
		switch (*c)
		{
			case '<':
				appendStringInfoString(out, "&lt;");
				break;
			case '>':
				appendStringInfoString(out, "&gt;");
				break;
			case '&':
				appendStringInfoString(out, "&amp;");
				break;
			case '"':
				appendStringInfoString(out, "&quot;");
				break;
			case '\'':
				appendStringInfoString(out, "&#39;");
				break;
			case '\n':
			case '\t':
				appendStringInfoChar(out, *c);
				break;
			default:
				if (is_control(c))
					appendStringInfoString(out, "&#xFFFD;");
				else
					appendBinaryStringInfo(out, c, pg_mblen(c));
		}
	}
}

/*
 * Mermaid reads "#59;" as the character of that number.  Only letters, digits,
 * blanks and a few marks without a meaning go through as they are.
 */
void
append_mermaid(StringInfo out, const char *text)
{
	char	   *plain = plain_text(text);

	for (const char *c = plain; *c != '\0'; c += pg_mblen(c))
	{
		if (pg_mblen(c) > 1 || isalnum((unsigned char) *c) || strchr(" .,:-_/()", *c) != NULL)
			appendBinaryStringInfo(out, c, pg_mblen(c));
		else
			appendStringInfo(out, "#%d;", (unsigned char) *c);
	}
	pfree(plain);
}

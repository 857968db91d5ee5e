/*-------------------------------------------------------------------------
 *
 * schedule_input.c
 *	  The input of a schedule: placeholders, filled in for a time it is due.
 *
 * NOTES
 *	  Runs in sessions; reads one row.  A placeholder is
 *	      ${name}  ${name + interval}  ${name - interval}  ${name, format}
 *	  in a string of the document, format being one of to_char(): what is around
 *	  them is read as in definitions (template.c), what is in them is not.
 *	  Names are schedule, workflow, timezone; and of times, on the clocks of the
 *	  schedule's zone: due_at, previous_run_at, date (of due_at), time.  "$${"
 *	  stands for "${".  The values become parts of strings of a document;
 *	  nothing here becomes SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/formatting.h"
#include "utils/json.h"
#include "utils/jsonfuncs.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "api/schedule.h"
#include "definition/template.h"

/* What the placeholders stand for. */
typedef struct Moment
{
	const Schedule *schedule;
	TimestampTz due_at;
	TimestampTz previous_run_at;
} Moment;

/* A placeholder, taken apart. */
typedef struct Placeholder
{
	char	   *text;			/* all of it, for messages */
	char	   *name;
	char	   *interval;		/* with its sign, or NULL */
	char	   *format;			/* or NULL */
} Placeholder;

static void
refuse(const Placeholder *placeholder, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid placeholder \"%s\" in the input of a schedule", placeholder->text),
			 errdetail("%s", why),
			 errhint("The placeholders are due_at, previous_run_at, date, time, schedule, workflow and timezone; those of times may be followed by an interval and a format, as in ${date - 1 day, YYYY/MM/DD}. Write $${ for ${.")));
}

/* A copy without blanks at its ends. */
static char *
trimmed(const char *start, const char *end)
{
	while (start < end && isspace((unsigned char) *start))
		start++;
	while (start < end && isspace((unsigned char) end[-1]))
		end--;
	return pnstrdup(start, end - start);
}

/* Take apart what is between the braces. */
static void
parse_placeholder(const char *start, const char *end, bool closed,
				  Placeholder *placeholder)
{
	const char *comma = memchr(start, ',', end - start);
	const char *stop = comma ? comma : end;
	const char *sign = start;

	placeholder->text = psprintf("${%.*s%s", (int) (end - start), start,
								 closed ? "}" : "");
	placeholder->format = comma ? trimmed(comma + 1, end) : NULL;
	while (sign < stop && *sign != '+' && *sign != '-')
		sign++;
	placeholder->name = trimmed(start, sign);
	placeholder->interval = sign < stop ? trimmed(sign, stop) : NULL;
}

/* A time on the clocks of the schedule's zone. */
static Datum
local_time(const Moment *moment, TimestampTz time)
{
	return DirectFunctionCall2(timestamptz_zone,
							   CStringGetTextDatum(moment->schedule->timezone),
							   TimestampTzGetDatum(time));
}

/* A time with its zone, as JSON has it. */
static char *
print_time(const Moment *moment, Datum local)
{
	TimestampTz time = DatumGetTimestampTz(
		DirectFunctionCall2(timestamp_zone,
							CStringGetTextDatum(moment->schedule->timezone),
							local));
	char		buffer[MAXDATELEN + 1];
	pg_time_t	seconds = timestamptz_to_time_t(time);
	struct pg_tm *tm =
		pg_localtime(&seconds, require_timezone(moment->schedule->timezone));
	int			west = tm == NULL ? 0 : -(int) tm->tm_gmtoff;

	return pstrdup(JsonEncodeDateTime(buffer, TimestampTzGetDatum(time),
									  TIMESTAMPTZOID, &west));
}

/* The value of a placeholder that stands for a time. */
static char *
time_value(const Moment *moment, const Placeholder *placeholder,
		   TimestampTz time)
{
	Datum		local = local_time(moment, time);

	if (strcmp(placeholder->name, "date") == 0)
		local = DirectFunctionCall1(date_timestamp,
									DirectFunctionCall1(timestamp_date, local));
	if (placeholder->interval != NULL)
	{
		/* "- 1 day 2 hours": the sign is for all of it */
		const char *text = placeholder->interval + 1;
		Datum		interval =
			DirectFunctionCall3(interval_in,
								CStringGetDatum(
									trimmed(text, text + strlen(text))),
								ObjectIdGetDatum(InvalidOid),
								Int32GetDatum(-1));

		if (placeholder->interval[0] == '-')
			local = DirectFunctionCall2(timestamp_mi_interval, local, interval);
		else
			local = DirectFunctionCall2(timestamp_pl_interval, local, interval);
	}
	if (placeholder->format != NULL)
		return TextDatumGetCString(
			DirectFunctionCall2Coll(timestamp_to_char, DEFAULT_COLLATION_OID,
									local,
									CStringGetTextDatum(placeholder->format)));
	if (strcmp(placeholder->name, "date") == 0)
		return TextDatumGetCString(
			DirectFunctionCall2Coll(timestamp_to_char, DEFAULT_COLLATION_OID,
									local, CStringGetTextDatum("YYYY-MM-DD")));
	if (strcmp(placeholder->name, "time") == 0)
		return TextDatumGetCString(
			DirectFunctionCall2Coll(timestamp_to_char, DEFAULT_COLLATION_OID,
									local, CStringGetTextDatum("HH24:MI:SS")));
	return print_time(moment, local);
}

/* The value of a placeholder. */
static char *
placeholder_value(const Moment *moment, const Placeholder *placeholder)
{
	static const char *const names[] = {"due_at",   "previous_run_at",
										"date",     "time",
										"schedule", "workflow",
										"timezone"};
	const char *text = NULL;

	if (strcmp(placeholder->name, "due_at") == 0 ||
		strcmp(placeholder->name, "date") == 0 ||
		strcmp(placeholder->name, "time") == 0)
		return time_value(moment, placeholder, moment->due_at);
	if (strcmp(placeholder->name, "previous_run_at") == 0)
		return time_value(moment, placeholder, moment->previous_run_at);

	if (strcmp(placeholder->name, "schedule") == 0)
		text = moment->schedule->name;
	else if (strcmp(placeholder->name, "workflow") == 0)
		text = moment->schedule->workflow;
	else if (strcmp(placeholder->name, "timezone") == 0)
		text = moment->schedule->timezone;
	else
	{
		const char *meant = hint_about_meant_word(placeholder->name, names,
												  lengthof(names));

		refuse(placeholder,
			   psprintf("There is no \"%s\".%s%s", placeholder->name,
						meant ? "  " : "", meant ? meant : ""));
	}
	if (placeholder->interval != NULL || placeholder->format != NULL)
		refuse(placeholder,
			   psprintf("\"%s\" is not a time.", placeholder->name));
	return pstrdup(text);
}

/* JsonTransformStringValuesAction: a string with its placeholders filled in. */
static text *
fill_in(void *state, char *value, int length)
{
	const Moment *moment = state;
	const char *end = value + length;
	const char *p = value;
	StringInfoData result;

	initStringInfo(&result);
	while ((p = template_skip_text(p, end, &result)) != NULL)
	{
		const char *close = memchr(p, '}', end - p);
		Placeholder placeholder;

		if (close == NULL)
		{
			parse_placeholder(p, end, false, &placeholder);
			refuse(&placeholder, "The closing brace is missing.");
		}
		parse_placeholder(p, close, true, &placeholder);
		appendStringInfoString(&result,
							   placeholder_value(moment, &placeholder));
		p = close + 1;
	}
	return cstring_to_text_with_len(result.data, result.len);
}

Jsonb *
schedule_render_input(const Schedule *schedule, TimestampTz due_at)
{
	Moment		moment = {schedule, due_at, DT_NOBEGIN};

	if (schedule->id != 0)
		moment.previous_run_at = schedule_previous_run(schedule->id);
	/*
	 * before the first: since it was made, so that "what is new" has a
	 * beginning
	 */
	if (moment.previous_run_at == DT_NOBEGIN)
		moment.previous_run_at = schedule->created_at == DT_NOBEGIN ||
				schedule->created_at == 0 ?
			due_at :
			schedule->created_at;
	return transform_jsonb_string_values(schedule->input, &moment, fill_in);
}

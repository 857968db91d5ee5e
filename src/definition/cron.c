/*-------------------------------------------------------------------------
 *
 * cron.c
 *	  Cron expressions: what they say, and when they are due next.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  The language is pg_cron's:
 *	  five fields with lists, ranges, steps and names, "$" for the last day of
 *	  the month, the @words, and "N seconds".
 *
 *	  When day of month and day of week are both restricted, either will do; a
 *	  field that begins with "*" does not count as restricted.
 *
 *	  Clocks that are put forward or back: an expression whose hour begins with
 *	  "*" is due whenever clocks show such a time, so it keeps its pace.  Any
 *	  other is due once for each time it names: the first of two that are called
 *	  the same, and for one that is left out, as long after the change as it
 *	  would have been (02:30 becomes 03:30, as PostgreSQL itself reads such a
 *	  time).
 *
 *-------------------------------------------------------------------------
 */
#include "definition/cron.h"
#include "definition/names.h"

#define SECONDS_IN_MINUTE 60
#define SECONDS_IN_DAY 86400
#define MINUTES_IN_DAY 1440

/*
 * How many days ahead a time is looked for: 29 February on a given weekday
 * takes 40 years.
 */
#define DAYS_TO_SEARCH (50 * 366)

/* Clocks are put forward or back by less than this. */
#define LARGEST_CHANGE (4 * 3600)

typedef struct FieldRange
{
	const char *name;
	int			low;
	int			high;
	const char *const *names;	/* of the values from low on, NULL: none */
	int			nnames;
} FieldRange;

static const char *const month_names[] = {"jan", "feb", "mar", "apr",
										  "may", "jun", "jul", "aug",
										  "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed",
											"thu", "fri", "sat"};

static const FieldRange fields[] = {
	{"minute", 0, 59, NULL, 0},
	{"hour", 0, 23, NULL, 0},
	{"day of month", 1, 31, NULL, 0},
	{"month", 1, 12, month_names, lengthof(month_names)},
	{"day of week", 0, 7, weekday_names, lengthof(weekday_names)},
};

static const struct
{
	const char *word;
	const char *meaning;
}			words[] = {
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"},
};

/* --- reading --- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A number or a name of a field at *p; -1 when there is none. */
static int
parse_number(const char **p, const FieldRange *field)
{
	const char *start = *p;
	int			value = 0;

	for (int i = 0; i < field->nnames; i++)
		if (pg_strncasecmp(start, field->names[i], 3) == 0)
		{
			*p += 3;
			return field->low + i;
		}

	while (**p >= '0' && **p <= '9')
	{
		value = value * 10 + (**p - '0');
		if (value > 9999)
			return -1;
		(*p)++;
	}
	return *p == start ? -1 : value;
}

/* What is left of a field, for a message. */
static char *
rest_of_field(const char *p)
{
	int			length = 0;

	while (p[length] != '\0' && !is_blank(p[length]) && length < 40)
		length++;
	return length == 0 ? pstrdup("its end") : psprintf("\"%.*s\"", length, p);
}

/* One element of a list: number, range or star, perhaps with a step. */
static bool
parse_element(const char **p, const FieldRange *field, uint64 *set,
			  char **message, char **hint)
{
	const char *start = *p;
	int			from = field->low;
	int			to = field->high;
	int			step = 1;
	bool		single = false;

	*hint = NULL;
	if (**p == '*')
		(*p)++;
	else
	{
		from = parse_number(p, field);
		to = from;
		single = **p != '-';
		if (!single)
		{
			(*p)++;
			to = parse_number(p, field);
		}
		if (from < 0 || to < 0)
		{
			*message = psprintf("unexpected %s in the field for the %s",
								rest_of_field(start), field->name);
			return false;
		}
	}
	if (from < field->low || to > field->high || from > field->high ||
		to < field->low)
	{
		*message = psprintf("%d is out of range for the %s",
							from < field->low || from > field->high ? from : to,
							field->name);
		*hint = psprintf("It goes from %d to %d.", field->low, field->high);
		return false;
	}
	if (to < from)
	{
		*message = psprintf("the range %d-%d for the %s goes backwards", from, to, field->name);
		*hint = psprintf("Write it as two: %d-%d,%d-%d.", from, field->high, field->low, to);
		return false;
	}

	if (**p == '/')
	{
		static const FieldRange plain = {"step", 1, 9999, NULL, 0};

		(*p)++;
		step = parse_number(p, &plain);
		if (single)
		{
			*message = psprintf("a step for the %s needs a range or \"*\" before it", field->name);
			*hint = psprintf("Write %d-%d/%d.", from, field->high, Max(step, 1));
			return false;
		}
		if (step < 1)
		{
			*message = psprintf("the step for the %s must be greater than zero", field->name);
			return false;
		}
	}
	for (int value = from; value <= to; value += step)
		*set |= UINT64CONST(1) << value;
	return true;
}

/* A field: a list of elements.  *star: it begins with one. */
static bool
parse_field(const char **p, const FieldRange *field, uint64 *set, bool *star,
			bool *last_day, char **message, char **hint)
{
	while (is_blank(**p))
		(*p)++;
	*set = 0;
	*star = **p == '*';
	if (**p == '\0')
	{
		*message = psprintf("the field for the %s is missing", field->name);
		*hint = pstrdup("There are five: minute, hour, day of month, month, day of week.");
		return false;
	}
	for (;;)
	{
		if (**p == '$' && last_day != NULL)
		{
			*last_day = true;
			(*p)++;
		}
		else if (!parse_element(p, field, set, message, hint))
			return false;
		if (**p != ',')
			break;
		(*p)++;
	}
	if (**p != '\0' && !is_blank(**p))
	{
		*message = psprintf("unexpected %s in the field for the %s", rest_of_field(*p), field->name);
		*hint = NULL;
		return false;
	}
	return true;
}

/* "N seconds" */
static bool
parse_interval(const char *p, CronExpression *cron)
{
	static const FieldRange seconds = {"seconds", 1, 59, NULL, 0};
	int			value = parse_number(&p, &seconds);
	const char *word = p;

	while (is_blank(*p))
		p++;
	if (value < 1 || value > 59 || p == word ||
		pg_strncasecmp(p, "second", 6) != 0)
		return false;
	p += 6;
	if (*p == 's' || *p == 'S')
		p++;
	while (is_blank(*p))
		p++;
	if (*p != '\0')
		return false;
	cron->interval = value;
	return true;
}

/* The five fields. */
static bool
parse_fields(const char *p, CronExpression *cron, char **message, char **hint)
{
	uint64		days;
	uint64		months;
	uint64		hours;
	uint64		weekdays;
	bool		ignored;

	if (!parse_field(&p, &fields[0], &cron->minutes, &ignored, NULL, message,
					 hint) ||
		!parse_field(&p, &fields[1], &hours, &cron->hours_star, NULL, message,
					 hint) ||
		!parse_field(&p, &fields[2], &days, &cron->days_star, &cron->last_day,
					 message, hint) ||
		!parse_field(&p, &fields[3], &months, &ignored, NULL, message, hint) ||
		!parse_field(&p, &fields[4], &weekdays, &cron->weekdays_star, NULL,
					 message, hint))
		return false;
	while (is_blank(*p))
		p++;
	if (*p != '\0')
	{
		*message = psprintf("unexpected %s after the fifth field", rest_of_field(p));
		*hint = pstrdup("There are five: minute, hour, day of month, month, day of week.");
		return false;
	}
	cron->hours = (uint32) hours;
	cron->days = (uint32) days;
	cron->months = (uint32) months;
	cron->weekdays = (uint32) ((weekdays | (weekdays >> 7)) & 0x7F);
	return true;
}

/*
 * The word most like the text's first, which may lack its "@"; NULL: it is like
 * none.
 */
static const char *
word_meant(const char *p)
{
	NameMap    *names = name_map_create(lengthof(words));
	StringInfoData word;
	const char *nearest;
	int			index;

	initStringInfo(&word);
	for (p += *p == '@'; *p != '\0' && !is_blank(*p); p++)
		appendStringInfoChar(&word, pg_tolower((unsigned char) *p));
	for (int i = 0; i < (int) lengthof(words); i++)
		name_map_add(names, words[i].word + 1, i);
	nearest = name_map_nearest(names, word.data);
	index = nearest != NULL ? name_map_get(names, nearest) : -1;
	name_map_free(names);
	pfree(word.data);
	return index >= 0 ? words[index].word : NULL;
}

bool
cron_parse(const char *text, CronExpression *cron, char **message, char **hint)
{
	const char *p = text;

	memset(cron, 0, sizeof(*cron));
	*message = NULL;
	*hint = NULL;
	while (is_blank(*p))
		p++;
	if (*p == '@')
	{
		int			length = 0;

		while (p[length] != '\0' && !is_blank(p[length]))
			length++;
		for (int i = 0; i < (int) lengthof(words); i++)
			if ((int) strlen(words[i].word) == length &&
				pg_strncasecmp(p, words[i].word, length) == 0)
				return parse_fields(words[i].meaning, cron, message, hint);
		*message = psprintf("unknown word %s", rest_of_field(p));
		*hint = did_you_mean(word_meant(p));
		if (*hint == NULL)
			*hint = pstrdup("The words are @yearly, @monthly, @weekly, @daily and @hourly.");
		return false;
	}
	if (parse_interval(p, cron) || parse_fields(p, cron, message, hint))
		return true;
	if (word_meant(p) != NULL)
		*hint = did_you_mean(word_meant(p));
	return false;
}

/* --- the calendar: days since 1970-01-01 --- */

static void
day_to_date(int64 number, int *year, int *month, int *day)
{
	int64		z = number + 719468;
	int64		era = (z >= 0 ? z : z - 146096) / 146097;
	int64		of_era = z - era * 146097;
	int64		y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64		of_year = of_era - (365 * y + y / 4 - y / 100);
	int64		m = (5 * of_year + 2) / 153;

	*day = (int) (of_year - (153 * m + 2) / 5 + 1);
	*month = (int) (m < 10 ? m + 3 : m - 9);
	*year = (int) (y + era * 400 + (*month <= 2));
}

/* Division that rounds down, whatever the sign. */
static int64
floor_divide(int64 a, int64 b)
{
	return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* Whether the expression is due on a day. */
static bool
day_matches(const CronExpression *cron, int64 number)
{
	int			year,
				month,
				day;
	int			next_year,
				next_month,
				next_day;
	int			weekday = (int) (number - floor_divide(number + 4, 7) * 7 + 4);
	bool		by_day;
	bool		by_weekday = (cron->weekdays >> weekday) & 1;

	day_to_date(number, &year, &month, &day);
	if (((cron->months >> month) & 1) == 0)
		return false;
	by_day = (cron->days >> day) & 1;
	if (cron->last_day && !by_day)
	{
		day_to_date(number + 1, &next_year, &next_month, &next_day);
		by_day = next_day == 1;
	}
	return cron->days_star || cron->weekdays_star ? by_day && by_weekday :
													by_day || by_weekday;
}

/* --- when --- */

/*
 * The time at which clocks show a wall time, given as if it were UTC: the first
 * of two, the shifted one for a time that is left out.
 */
static int64
first_instant(int64 wall, CronOffset offset, void *zone)
{
	int			before = offset(zone, wall - SECONDS_IN_DAY);
	int			after = offset(zone, wall + SECONDS_IN_DAY);
	int64		instant = wall - before;

	if (offset(zone, instant) == before || offset(zone, wall - after) != after)
		return instant;
	return wall - after;
}

/*
 * The first time after another at which clocks show a time of the sets on a
 * day.
 */
static bool
next_by_clock(const CronExpression *cron, int64 day, int64 after,
			  CronOffset offset, void *zone, int64 *next)
{
	int64		midnight = first_instant(day * SECONDS_IN_DAY, offset, zone);
	int64		time = midnight - LARGEST_CHANGE;
	int64		end = midnight + SECONDS_IN_DAY + LARGEST_CHANGE;

	if (time <= after)
		time = floor_divide(after, SECONDS_IN_MINUTE) * SECONDS_IN_MINUTE +
			SECONDS_IN_MINUTE;
	for (; time < end; time += SECONDS_IN_MINUTE)
	{
		int64		wall = time + offset(zone, time);
		int			minute = (int) ((wall - day * SECONDS_IN_DAY) / SECONDS_IN_MINUTE);

		if (wall < day * SECONDS_IN_DAY || minute >= MINUTES_IN_DAY)
			continue;
		if (((cron->hours >> (minute / 60)) & 1) &&
			((cron->minutes >> (minute % 60)) & 1))
		{
			*next = time;
			return true;
		}
	}
	return false;
}

/*
 * The first time after another at which one of the times it names comes on a
 * day.
 */
static bool
next_by_name(const CronExpression *cron, int64 day, int64 after,
			 CronOffset offset, void *zone, int64 *next)
{
	bool		found = false;

	for (int hour = 0; hour < 24; hour++)
	{
		if (((cron->hours >> hour) & 1) == 0)
			continue;
		for (int minute = 0; minute < 60; minute++)
		{
			int64		time;

			if (((cron->minutes >> minute) & 1) == 0)
				continue;
			time = first_instant(day * SECONDS_IN_DAY +
									 (hour * 60 + minute) * SECONDS_IN_MINUTE,
								 offset, zone);
			if (time > after && (!found || time < *next))
			{
				*next = time;
				found = true;
			}
		}
	}
	return found;
}

bool
cron_next(const CronExpression *cron, int64 after, CronOffset offset,
		  void *zone, int64 *next)
{
	int64		first;

	if (cron->interval > 0)
	{
		*next = after + cron->interval;
		return true;
	}

	/*
	 * a time of yesterday may still be to come, where clocks have been changed
	 */
	first = floor_divide(after + offset(zone, after), SECONDS_IN_DAY) - 1;
	for (int64 day = first; day < first + DAYS_TO_SEARCH; day++)
	{
		if (!day_matches(cron, day))
			continue;
		if (cron->hours_star ?
				next_by_clock(cron, day, after, offset, zone, next) :
				next_by_name(cron, day, after, offset, zone, next))
			return true;
	}
	return false;
}

/* --- the beat --- */

/* A set as a field: "*", or a list of numbers and ranges. */
static void
append_set(StringInfo result, const bool *set, int size)
{
	int			count = 0;
	const char *separator = "";

	for (int i = 0; i < size; i++)
		count += set[i];
	if (count == size)
	{
		appendStringInfoChar(result, '*');
		return;
	}
	for (int i = 0; i < size; i++)
	{
		int			last = i;

		if (!set[i])
			continue;
		while (last + 1 < size && set[last + 1])
			last++;
		if (last > i + 1)
		{
			appendStringInfo(result, "%s%d-%d", separator, i, last);
			i = last;
		}
		else
			appendStringInfo(result, "%s%d", separator, i);
		separator = ",";
	}
}

char *
cron_beat(const CronExpression *cron, const int *shifts, int nshifts)
{
	bool		minutes[60] = {0};
	bool		hours[24] = {0};
	StringInfoData result;

	initStringInfo(&result);
	if (cron->interval > 0)
	{
		appendStringInfo(&result, "%d seconds", cron->interval);
		return result.data;
	}
	for (int i = 0; i < nshifts; i++)
		for (int time = 0; time < MINUTES_IN_DAY; time++)
		{
			int			shifted = ((time + shifts[i]) % MINUTES_IN_DAY +
						   MINUTES_IN_DAY) %
				MINUTES_IN_DAY;

			if (((cron->hours >> (time / 60)) & 1) &&
				((cron->minutes >> (time % 60)) & 1))
			{
				hours[shifted / 60] = true;
				minutes[shifted % 60] = true;
			}
		}
	append_set(&result, minutes, 60);
	appendStringInfoChar(&result, ' ');
	append_set(&result, hours, 24);
	appendStringInfoString(&result, " * * *");
	return result.data;
}

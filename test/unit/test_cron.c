/*-------------------------------------------------------------------------
 *
 * test_cron.c
 *	  Unit tests of cron expressions: reading, the next time, clocks that change.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/cron.h"

#include "check.h"

#define CHECK_STRING(value, expected) CHECK(strcmp(value, expected) == 0, "%s: %s", #value, value)
#define CHECK_INT(value, expected) CHECK(value == (int64) (expected), "%s: %lld", #value, (long long) (value))

/* Clocks one hour east of UTC, two between two times. */
typedef struct Summer
{
	int64		from;
	int64		to;
} Summer;

static int
summer_offset(void *zone, int64 time)
{
	Summer	   *summer = zone;

	return time >= summer->from && time < summer->to ? 7200 : 3600;
}

static int
utc_offset(void *zone, int64 time)
{
	(void) zone;
	(void) time;
	return 0;
}

/* 2026-03-29 01:00 UTC and 2026-10-25 01:00 UTC, as in Berlin */
static Summer summer = {1774746000, 1792890000};

#define DAY 86400

/* The next time as seconds after another one; -1: none, -2: no expression. */
static int64
next_after(const char *text, int64 after, CronOffset offset)
{
	CronExpression cron;
	char	   *message;
	char	   *hint;
	int64		next;

	if (!cron_parse(text, &cron, &message, &hint))
		return -2;
	if (!cron_next(&cron, after, offset, &summer, &next))
		return -1;
	return next - after;
}

/* Message for an expression that is none, else "". */
static const char *
refused(const char *text)
{
	CronExpression cron;
	char	   *message;
	char	   *hint;

	return cron_parse(text, &cron, &message, &hint) ? "" : message;
}

/* The hint for a text that is refused; "" without one. */
static const char *
hint_of(const char *text)
{
	CronExpression cron;
	char	   *message;
	char	   *hint;

	if (cron_parse(text, &cron, &message, &hint))
		return "accepted";
	return hint != NULL ? hint : "";
}

static const char *
beat(const char *text, int nshifts, const int *shifts)
{
	CronExpression cron;
	char	   *message;
	char	   *hint;

	return cron_parse(text, &cron, &message, &hint) ? cron_beat(&cron, shifts, nshifts) : message;
}

static void
test_reading(void)
{
	CHECK_STRING(refused("* * * * *"), "");
	CHECK_STRING(refused("  0-10/5,30 */2\t1,15,$ jan-MAR,12 mon-fri,7 "), "");
	CHECK_STRING(refused("@daily"), "");
	CHECK_STRING(refused("30 seconds"), "");
	CHECK_STRING(refused("1 second"), "");
	CHECK_STRING(refused(""), "the field for the minute is missing");
	CHECK_STRING(refused("1 2 3 4"), "the field for the day of week is missing");
	CHECK_STRING(refused("1 2 3 4 5 6"), "unexpected \"6\" after the fifth field");
	CHECK_STRING(refused("60 * * * *"), "60 is out of range for the minute");
	CHECK_STRING(refused("* 5-24 * * *"), "24 is out of range for the hour");
	CHECK_STRING(refused("* * 0 * *"), "0 is out of range for the day of month");
	CHECK_STRING(refused("5/10 * * * *"), "a step for the minute needs a range or \"*\" before it");
	CHECK_STRING(refused("*/0 * * * *"), "the step for the minute must be greater than zero");
	CHECK_STRING(refused("* 22-2 * * *"), "the range 22-2 for the hour goes backwards");
	CHECK_STRING(refused("x * * * *"), "unexpected \"x\" in the field for the minute");
	CHECK_STRING(refused("1, * * * *"), "unexpected its end in the field for the minute");
	CHECK_STRING(refused("1x * * * *"), "unexpected \"x\" in the field for the minute");
	CHECK_STRING(refused("* * * febr *"), "unexpected \"r\" in the field for the month");
	CHECK_STRING(refused("$ * * * *"), "unexpected \"$\" in the field for the minute");
	CHECK_STRING(refused("99999999999 * * * *"), "unexpected \"99999999999\" in the field for the minute");
	CHECK_STRING(refused("@reboot"), "unknown word \"@reboot\"");
	CHECK_STRING(refused("90 seconds"), "90 is out of range for the minute");
	CHECK_STRING(refused("0 seconds"), "unexpected \"seconds\" in the field for the hour");
	CHECK_STRING(hint_of("daily"), "Did you mean \"@daily\"?");
	CHECK_STRING(hint_of(" Hourly "), "Did you mean \"@hourly\"?");
	CHECK_STRING(hint_of("dayly"), "Did you mean \"@daily\"?");
	CHECK_STRING(hint_of("@Montly"), "Did you mean \"@monthly\"?");
	CHECK_STRING(hint_of("@nightly"), "The words are @yearly, @monthly, @weekly, @daily and @hourly.");
	CHECK_STRING(hint_of("dail"), "Did you mean \"@daily\"?");
	CHECK_STRING(hint_of("sometimes"), "");
}

static void
test_next(void)
{
	int64		monday = 1767571200;	/* 2026-01-05 00:00 UTC */

	CHECK_INT(next_after("* * * * *", monday, utc_offset), 60);
	CHECK_INT(next_after("* * * * *", monday + 59, utc_offset), 1);
	CHECK_INT(next_after("30 seconds", monday + 1, utc_offset), 30);
	CHECK_INT(next_after("0 0 * * *", monday, utc_offset), DAY);
	CHECK_INT(next_after("0 0 * * *", monday - 1, utc_offset), 1);
	CHECK_INT(next_after("*/20 3 * * *", monday + 3 * 3600, utc_offset), 1200);
	CHECK_INT(next_after("15,45 3-4 * * *", monday + 3 * 3600 + 45 * 60, utc_offset), 1800);
	CHECK_INT(next_after("0 9 * * fri", monday, utc_offset), 4 * DAY + 9 * 3600);
	CHECK_INT(next_after("0 9 * * 7", monday, utc_offset), 6 * DAY + 9 * 3600);
	CHECK_INT(next_after("@weekly", monday, utc_offset), 6 * DAY);
	CHECK_INT(next_after("@monthly", monday, utc_offset), 27 * DAY);
	/* the 8th or a Friday; the 9th is the Friday */
	CHECK_INT(next_after("0 0 8 * 5", monday, utc_offset), 3 * DAY);
	CHECK_INT(next_after("0 0 8 * 5", monday + 3 * DAY, utc_offset), DAY);
	/* a star with a step restricts, together with the other */
	CHECK_INT(next_after("0 0 */2 * 2", monday, utc_offset), 8 * DAY);
	/* the last day of the month */
	CHECK_INT(next_after("0 0 $ * *", monday, utc_offset), 26 * DAY);
	CHECK_INT(next_after("0 0 $ feb *", monday, utc_offset), 54 * DAY);
	CHECK_INT(next_after("0 0 $ 4,6 *", monday, utc_offset), 115 * DAY);
	/* 29 February: 2028; on a Sunday, Wednesday or Saturday 2032 */
	CHECK_INT(next_after("0 0 29 2 *", monday, utc_offset), 785 * DAY);
	CHECK_INT(next_after("0 0 29 2 */3", monday, utc_offset), (785 + 1461) * DAY);
	CHECK_INT(next_after("0 0 30 2 *", monday, utc_offset), -1);
	/* before 1970 */
	CHECK_INT(next_after("0 0 * * *", -DAY - 60, utc_offset), 60);
}

static void
test_clocks(void)
{
	int64		forward = summer.from;	/* 02:00 becomes 03:00 */
	int64		back = summer.to;	/* 03:00 becomes 02:00 */

	/* by name: 02:30 is left out, and becomes 03:30 */
	CHECK_INT(next_after("30 2 * * *", forward - 7200, summer_offset), 7200 + 1800);
	CHECK_INT(next_after("30 2 * * *", forward + 1800, summer_offset), 23 * 3600);
	CHECK_INT(next_after("0 2,3 * * *", forward - 7200, summer_offset), 7200);
	CHECK_INT(next_after("0 2,3 * * *", forward, summer_offset), 23 * 3600);
	CHECK_INT(next_after("0 3 * * *", forward - 7200, summer_offset), 7200);
	CHECK_INT(next_after("59 1 * * *", forward - 7200, summer_offset), 7140);
	/* by the clock: the pace is kept */
	CHECK_INT(next_after("*/30 * * * *", forward - 1800, summer_offset), 1800);
	CHECK_INT(next_after("*/30 * * * *", forward, summer_offset), 1800);
	CHECK_INT(next_after("0 */2 * * *", forward - 7200, summer_offset), 7200 + 3600);
	/* by name: 02:30 comes twice, and is due the first time */
	CHECK_INT(next_after("30 2 * * *", back - 7200, summer_offset), 5400);
	CHECK_INT(next_after("30 2 * * *", back - 1800, summer_offset), 25 * 3600);
	CHECK_INT(next_after("0 3 * * *", back - 3600, summer_offset), 7200);
	/* by the clock: twice */
	CHECK_INT(next_after("30 * * * *", back - 7200, summer_offset), 1800);
	CHECK_INT(next_after("30 * * * *", back - 1800, summer_offset), 3600);
	/* the days around */
	CHECK_INT(next_after("0 0 * * *", forward, summer_offset), 21 * 3600);
	CHECK_INT(next_after("0 0 25 10 *", back - DAY, summer_offset), DAY - 3 * 3600);
}

static void
test_beat(void)
{
	static const int none[] = {0};
	static const int berlin[] = {-60, -120};
	static const int india[] = {-330};
	static const int kiritimati[] = {-840};

	CHECK_STRING(beat("30 2 1 jan mon", 1, none), "30 2 * * *");
	CHECK_STRING(beat("30 2 * * *", 2, berlin), "30 0,1 * * *");
	CHECK_STRING(beat("0 0 * * *", 2, berlin), "0 22,23 * * *");
	CHECK_STRING(beat("0 9-17 * * *", 1, india), "30 3-11 * * *");
	CHECK_STRING(beat("*/15 * * * *", 1, india), "0,15,30,45 * * * *");
	CHECK_STRING(beat("0 8 * * *", 1, kiritimati), "0 18 * * *");
	CHECK_STRING(beat("* * * * *", 2, berlin), "* * * * *");
	CHECK_STRING(beat("10 seconds", 2, berlin), "10 seconds");
}

int
main(void)
{
	test_reading();
	test_next();
	test_clocks();
	test_beat();
	return done_testing();
}

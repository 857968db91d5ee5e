/*-------------------------------------------------------------------------
 *
 * schedule_times.c
 *	  When a schedule is due, and the beat it needs from pg_cron.
 *
 * NOTES
 *	  Runs in sessions; reads no table.  pg_cron has one time zone for the
 *	  server, and its own idea of days: its jobs are told minutes and hours
 *	  only, every one at which the schedule can be due on pg_cron's clocks
 *	  whatever the time of year, and schedule_tick() decides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "api/schedule.h"
#include "state/cron_jobs.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_next_runs(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_next_runs);

#define MAX_NEXT_RUNS 10000

/* Differences between two zones' clocks are looked for over this many days. */
#define DAYS_OF_SHIFTS 400
#define MAX_SHIFTS 16

/* --- arguments --- */

void
require_cron(const char *text, CronExpression *cron)
{
	char	   *message;
	char	   *hint;

	if (!cron_parse(text, cron, &message, &hint))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid cron expression \"%s\": %s", text, message),
				 hint ? errhint("%s", hint) : 0));
}

pg_tz *
require_timezone(const char *name)
{
	pg_tz	   *zone = *name == '\0' ? NULL : pg_tzset(name);

	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" does not exist", name),
				 errhint("%s", hint_about_timezone(name, "The names are in the view pg_timezone_names."))));
	return zone;
}

/* --- times --- */

/* CronOffset of a pg_tz. */
static int
zone_offset(void *zone, int64 time)
{
	pg_time_t	value = (pg_time_t) time;
	struct pg_tm *tm = pg_localtime(&value, (pg_tz *) zone);

	return tm == NULL ? 0 : (int) tm->tm_gmtoff;
}

/* The first time after another; DT_NOEND when there is none. */
static TimestampTz
cron_next_time(const CronExpression *cron, pg_tz *zone, TimestampTz after)
{
	int64		next;

	if (TIMESTAMP_NOT_FINITE(after) ||
		!cron_next(cron, timestamptz_to_time_t(after), zone_offset, zone,
				   &next) ||
		next >= timestamptz_to_time_t(END_TIMESTAMP - 1))
		return DT_NOEND;
	return time_t_to_timestamptz((pg_time_t) next);
}

TimestampTz
schedule_next_time(const Schedule *schedule, TimestampTz after)
{
	CronExpression cron;
	pg_tz	   *zone = require_timezone(schedule->timezone);
	TimestampTz next;

	require_cron(schedule->cron, &cron);
	if (schedule->start_at > after)
		after = schedule->start_at - 1; /* due at its start, too */
	next = cron_next_time(&cron, zone, after);
	return next > schedule->end_at ? DT_NOEND : next;
}

char *
schedule_beat(const Schedule *schedule)
{
	CronExpression cron;
	pg_tz	   *zone = require_timezone(schedule->timezone);
	pg_tz	   *cron_zone = pg_tzset(cron_timezone());
	pg_time_t	now = timestamptz_to_time_t(GetCurrentTimestamp());
	int			shifts[MAX_SHIFTS];
	int			nshifts = 0;

	require_cron(schedule->cron, &cron);
	if (cron_zone == NULL)
		cron_zone = require_timezone("GMT");
	for (int day = -1; day <= DAYS_OF_SHIFTS; day++)
	{
		pg_time_t	time = now + (pg_time_t) day * SECS_PER_DAY;
		int			shift = (zone_offset(cron_zone, time) - zone_offset(zone, time)) / SECS_PER_MINUTE;
		bool		known = false;

		for (int i = 0; i < nshifts; i++)
			known = known || shifts[i] == shift;
		if (!known && nshifts < MAX_SHIFTS)
			shifts[nshifts++] = shift;
	}
	return cron_beat(&cron, shifts, nshifts);
}

/*
 * workflow.next_runs(cron text, timezone text, after timestamptz, count
 * integer) returns setof timestamptz
 */
Datum
workflow_next_runs(PG_FUNCTION_ARGS)
{
	char	   *text = required_text(fcinfo, 0, "cron");
	char	   *timezone = required_text(fcinfo, 1, "timezone");
	TimestampTz after = PG_ARGISNULL(2) ?
		GetCurrentTransactionStartTimestamp() :
		PG_GETARG_TIMESTAMPTZ(2);
	int			count = PG_ARGISNULL(3) ? 1 : PG_GETARG_INT32(3);
	CronExpression cron;
	pg_tz	   *zone;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	state_check_installation();
	require_cron(text, &cron);
	zone = require_timezone(timezone);
	if (count < 1 || count > MAX_NEXT_RUNS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("count must be between 1 and %d, not %d", MAX_NEXT_RUNS, count)));

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < count; i++)
	{
		Datum		value;
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		after = cron_next_time(&cron, zone, after);
		if (after == DT_NOEND)
			break;
		value = TimestampTzGetDatum(after);
		tuplestore_putvalues(result->setResult, result->setDesc, &value,
							 &isnull);
	}
	return (Datum) 0;
}

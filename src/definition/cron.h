/*-------------------------------------------------------------------------
 *
 * cron.h
 *	  Cron expressions: what they say, and when they are due next.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_CRON_H
#define PGWF_CRON_H

#include "definition/pure.h"

/* Bit i of a set stands for the value i. */
typedef struct CronExpression
{
	int			interval;		/* seconds between two times; 0: the sets
								 * count */
	uint64		minutes;
	uint32		hours;
	uint32		days;			/* of the month, 1 to 31 */
	uint32		months;			/* 1 to 12 */
	uint32		weekdays;		/* 0 (Sunday) to 6 */
	bool		last_day;		/* "$": the last day of the month */
	bool		hours_star;		/* the field begins with "*" */
	bool		days_star;
	bool		weekdays_star;
} CronExpression;

/* How far east of UTC clocks are at a time (seconds since 1970), in seconds. */
typedef int (*CronOffset) (void *zone, int64 time);

/*
 * Read an expression.  False when it is none: *message says why, as core words
 * errors, *hint (may become NULL) is a sentence.
 */
extern bool cron_parse(const char *text, CronExpression *cron, char **message,
					   char **hint);

/*
 * The first time after another at which the expression is due on the clocks of
 * a zone; false when there is none within the next 50 years.
 */
extern bool cron_next(const CronExpression *cron, int64 after,
					  CronOffset offset, void *zone, int64 *next);

/*
 * An expression, for a clock that differs by one of the shifts (minutes to be
 * added to ours), with every minute in it at which this one can be due, on any
 * day.
 */
extern char *cron_beat(const CronExpression *cron, const int *shifts,
					   int nshifts);

#endif							/* PGWF_CRON_H */

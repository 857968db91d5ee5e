/*-------------------------------------------------------------------------
 *
 * schedule.h
 *	  What the functions about schedules share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_API_SCHEDULE_H
#define PGWF_API_SCHEDULE_H

#include "definition/cron.h"
#include "state/schedules.h"

/* --- schedule_times.c --- */

/*
 * The expression and the zone of a schedule, or an error that says what is
 * wrong.
 */
extern void require_cron(const char *text, CronExpression *cron);
extern pg_tz *require_timezone(const char *name);

/*
 * The first time of a schedule after another, within its start and its end;
 * DT_NOEND when there is none.
 */
extern TimestampTz schedule_next_time(const Schedule *schedule,
									  TimestampTz after);
/* The schedule its job needs, in pg_cron's zone. */
extern char *schedule_beat(const Schedule *schedule);

/* --- schedule_input.c --- */

/* The input with its placeholders filled in for a time. */
extern Jsonb *schedule_render_input(const Schedule *schedule,
									TimestampTz due_at);

/* --- schedule_jobs.c --- */

/*
 * Have pg_cron's job be what a locked schedule needs, and note in *schedule
 * what it is: at once when pg_cron is in this database, else when the
 * transaction commits.  An error where that is not possible; with no job
 * needed, nothing but the attempt.  by_job: called by the job itself, which
 * pg_cron would stop if it were removed.
 */
extern void schedule_write_job(Schedule *schedule, bool by_job);
/*
 * The same for one that has a new role: the job is that of the giver, by name,
 * until now.
 */
extern void schedule_give_job(Schedule *schedule, const char *giver);
/*
 * A command is about to rename or drop a role or a database, which is called
 * name: when the transaction commits our jobs follow.
 */
extern void schedule_note_name(bool database, Oid oid, const char *name);
/* Is pg_cron in this database? */
extern bool schedule_cron_is_here(void);
/* Before the extension is dropped: its jobs go with it. */
extern void schedule_drop_jobs(void);

/* --- schedule_run.c --- */

/*
 * The next time of an enabled schedule: that of its row, or an earlier one when
 * the clock has been put back since.  at_beat: the time whose beat this is may
 * be the one.
 */
extern TimestampTz schedule_realigned(const Schedule *schedule, TimestampTz now,
									  bool at_beat);
/*
 * Record the time of a locked schedule as missed if it is due and nobody has
 * noticed.
 */
extern void schedule_forget_due(const Schedule *schedule, const char *reason);

/* Find a schedule the caller may change, locked or not, or raise an error. */
extern void require_schedule(const char *name, bool lock, Schedule *schedule);
/*
 * An error for one of a role that does not exist: it cannot be "resumed",
 * "run".
 */
extern void require_schedule_role(const Schedule *schedule, const char *what);
/* An audit entry about a schedule. */
extern void audit_schedule(const char *action, const char *name,
						   int64 execution_id, const char *reason,
						   Jsonb *before, Jsonb *after);

#endif							/* PGWF_API_SCHEDULE_H */

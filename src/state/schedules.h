/*-------------------------------------------------------------------------
 *
 * schedules.h
 *	  The tables workflow.schedule_entries and schedule_run_entries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SCHEDULES_H
#define PGWF_SCHEDULES_H

#include "datatype/timestamp.h"
#include "state/state.h"

typedef struct Schedule
{
	int			id;
	char	   *name;
	char	   *workflow;
	int			version;		/* 0: the newest active one */
	char	   *cron;
	char	   *timezone;
	Jsonb	   *input;
	bool		has_priority;
	int			priority;
	char	   *tenant;			/* may be NULL */
	TimestampTz start_at;		/* DT_NOBEGIN: none */
	TimestampTz end_at;			/* DT_NOEND: none */
	int			max_concurrent_runs;
	char	   *overlap;
	Interval	max_lateness;
	bool		enabled;
	Oid			role;
	char	   *description;	/* may be NULL */
	TimestampTz next_run_at;	/* DT_NOEND: none */
	const char *job_schedule;	/* may be NULL */
	char	   *pause_reason;	/* may be NULL */
	TimestampTz created_at;
} Schedule;

typedef enum ScheduleOutcome
{
	SCHEDULE_STARTED,
	SCHEDULE_QUEUED,			/* others of it have to end first */
	SCHEDULE_SKIPPED,
	SCHEDULE_MISSED,
	SCHEDULE_FAILED
} ScheduleOutcome;

extern const char *schedule_outcome_name(ScheduleOutcome outcome);

/* What became of a time. */
typedef struct ScheduleRun
{
	const Schedule *schedule;
	TimestampTz due_at;
	bool		manual;
	ScheduleOutcome outcome;
	int64		execution_id;	/* 0: none */
	const char *reason;			/* may be NULL */
} ScheduleRun;

/* An execution of a schedule that has not ended. */
typedef struct ScheduleExecution
{
	int64		id;
	bool		waits;			/* for others of its schedule to end */
} ScheduleExecution;

/*
 * Read one into the current context, perhaps locking it; false when there is
 * none.
 */
extern bool schedule_find(const char *name, bool lock, Schedule *schedule);
/* The same by its number. */
extern bool schedule_find_id(int id, bool lock, Schedule *schedule);
/* False when another session has inserted one of the name meanwhile. */
extern bool schedule_insert(Schedule *schedule);
/* Write everything of a locked one; touched: by somebody, not by its job. */
extern void schedule_update(const Schedule *schedule, bool touched);
extern void schedule_delete(int id);
/* Numbers of all schedules, or of those that have a job. */
extern int	schedule_list(bool with_job, int **ids);
/* The row as a document for the audit log, without the input. */
extern Jsonb *schedule_document(int id);

extern void schedule_record(const ScheduleRun *run);
/*
 * The time that was decided last, other than by run_schedule_now(), or
 * DT_NOBEGIN.
 */
extern TimestampTz schedule_last_due(int id);
/* When it last started something, or DT_NOBEGIN. */
extern TimestampTz schedule_previous_run(int id);

/*
 * How many of its executions have not ended: those that wait for another one,
 * and the others.
 */
extern void schedule_count(int id, int64 *running, int64 *queued);
/*
 * Executions that have not ended, by their numbers, the order in which who
 * locks more than one does.
 */
extern int	schedule_executions(int id, ScheduleExecution **executions);
/* Cancel one of them, as the current role, by workflow.cancel(). */
extern void schedule_cancel(int64 execution_id, const char *reason);

/* Delete what became of times before one, at most max entries. */
extern int64 schedule_runs_prune(TimestampTz before, int32 max);

#endif							/* PGWF_SCHEDULES_H */

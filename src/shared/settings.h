/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The workflow.* settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SETTINGS_H
#define PGWF_SETTINGS_H

#include "postgres.h"

/* Each includes those before it. */
typedef enum LogEvents
{
	LOG_EVENTS_OFF,
	LOG_EVENTS_FAILURES,		/* steps and executions that fail */
	LOG_EVENTS_SUMMARIES,		/* ends of containers, with counts, and of
								 * executions */
	LOG_EVENTS_DEBUG			/* every row of a step */
} LogEvents;

/*
 * Who may start a workflow that nobody was granted to start, nor that was
 * revoked.
 */
typedef enum DefaultExecute
{
	DEFAULT_EXECUTE_ALL,
	DEFAULT_EXECUTE_OWNER
} DefaultExecute;

extern int	setting_cancel_grace;	/* workflow.cancel_grace, ms, 10 s,
									 * SIGHUP */
extern int	setting_default_execute;	/* workflow.default_execute,
										 * DefaultExecute, all, SUSET */
extern bool setting_enabled;	/* workflow.enabled, on, SUSET: off keeps
								 * this database's executions queued */
extern int	setting_executor_idle_timeout;	/* workflow.executor_idle_timeout,
											 * ms, 60 s, 0 = never, SIGHUP */
extern int	setting_executor_max_age;	/* workflow.executor_max_age, s, 1 h,
										 * 0 = never, SIGHUP */
extern int	setting_executor_max_memory;	/* workflow.executor_max_memory,
											 * kB, 256 MB, 0 = never, SIGHUP */
extern int	setting_executor_max_runs;	/* workflow.executor_max_runs, 10000,
										 * 0 = never, SIGHUP */
extern int	setting_log_events; /* workflow.log_events, LogEvents, off,
								 * SUSET: what goes to the server's log */
extern int	setting_max_databases;	/* workflow.max_databases, 64, POSTMASTER */
extern int	setting_max_definition_size;	/* workflow.max_definition_size,
											 * kB, 4 MB, USERSET..SUSET */
extern int	setting_max_executors;	/* workflow.max_executors, 8, POSTMASTER:
									 * slots in the cluster */
extern int	setting_max_executors_per_database; /* workflow.max_executors_per_database,
												 * 0 = max_executors, SIGHUP */
extern int	setting_max_nesting;	/* workflow.max_nesting, 10,
									 * 1..PLAN_MAX_NESTING, SUSET */
extern int	setting_max_priority;	/* workflow.max_priority, MAX_PRIORITY,
									 * SUSET: a role's ceiling */
extern int	setting_max_recoveries; /* workflow.max_recoveries, 3, SIGHUP */
extern int	setting_max_result_size;	/* workflow.max_result_size, kB, 16
										 * MB, SUSET */
extern int	setting_max_pending;	/* workflow.max_pending, 0 = no limit,
									 * SUSET: of a database */
extern int	setting_max_running;	/* workflow.max_running, 0 = no limit,
									 * SUSET: of a database */
extern int	setting_max_running_per_tenant; /* workflow.max_running_per_tenant,
											 * 0 = no limit, SUSET */
extern bool setting_namespaces; /* workflow.namespaces, off, SUSET: new names
								 * begin with a schema of their owner's */
extern bool setting_notify;	/* workflow.notify, off, SUSET: send what
							 * everybody in the database can hear */
extern bool setting_parallel;	/* workflow.parallel, on, USERSET: recorded
								 * by start() */
extern int	setting_run_quantum;	/* workflow.run_quantum, ms, 1 s: a run
									 * gives way after it when others wait,
									 * SIGHUP */
extern int	setting_pending_timeout;	/* workflow.pending_timeout, s, 0 =
										 * never, SUSET */
extern int	setting_short_wait; /* workflow.short_wait, ms, 10 s, SIGHUP: not
								 * written down */
extern int	setting_step_timeout;	/* workflow.step_timeout, s, 1 h, 0 =
									 * none, SUSET: of steps without one */
extern int	setting_stuck_threshold;	/* workflow.stuck_threshold, 5, 0 =
										 * never, SIGHUP */
extern int	setting_stuck_window;	/* workflow.stuck_window, s, 1 h, SIGHUP */

extern void define_settings(void);
extern void define_alert_settings(void);	/* part of it */

#endif							/* PGWF_SETTINGS_H */

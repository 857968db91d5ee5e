/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  The workflow.* settings: what they are, sorted by name, and their
 *	  definition.
 *
 * NOTES
 *	  Those that size shared memory can only be set at server start.  When the
 *	  library is not in shared_preload_libraries (a session that uses
 *	  workflow.execute() and nothing else) they exist without effect, so that a
 *	  configuration file that has them gives no warning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "definition/plan.h"
#include "shared/settings.h"
#include "shared/traceparent.h"
#include "shared/trust.h"

/*
 * How long a step that was asked to stop (workflow.cancel(), a timeout) may
 * take to do so, before the process that runs it is terminated.
 */
int			setting_cancel_grace = 10000;

/*
 * Who may start a workflow while its owner has neither granted nor revoked
 * that.
 */
static const struct config_enum_entry default_execute_options[] = {
	{"all", DEFAULT_EXECUTE_ALL, false},
	{"owner", DEFAULT_EXECUTE_OWNER, false},
	{NULL, 0, false}
};
int			setting_default_execute = DEFAULT_EXECUTE_ALL;

/*
 * Off: executions are accepted and stay queued; those that run go on.  Usually
 * set for one database, around a restore or a migration.
 */
bool		setting_enabled = true;

/*
 * An executor that has had nothing to do for this long exits.  0: it never
 * does.
 */
int			setting_executor_idle_timeout = 60000;

/*
 * An executor is replaced after this time, at the end of its step.  0: it never
 * is.
 */
int			setting_executor_max_age = 3600;

/*
 * An executor whose memory has grown beyond this is replaced when it is done
 * with its run.  0: it never is.
 */
int			setting_executor_max_memory = 256 * 1024;

/* An executor is replaced after so many runs.  0: it never is. */
int			setting_executor_max_runs = 10000;

/*
 * For how many databases the launcher can keep a scheduler.  Databases without
 * the extension count only while they are looked at.
 */
int			setting_max_databases = 64;

/* The largest definition that workflow.define() accepts. */
int			setting_max_definition_size = 4 * 1024;

/*
 * How many executors there can be in the cluster at one time.  Each needs one
 * of max_worker_processes, and so do the launcher and the scheduler of each
 * database.
 */
int			setting_max_executors = 8;

/* How many of them one database can have.  0: as many as there are. */
int			setting_max_executors_per_database = 0;

/* How deep containers can be nested in a definition. */
int			setting_max_nesting = 10;

/* Executions that may be queued in the database.  0: no limit. */
int			setting_max_pending = 0;

/*
 * The highest priority that executions can be queued with, and steps can have.
 */
int			setting_max_priority = MAX_PRIORITY;

/* Executions that may run at one time in the database.  0: no limit. */
int			setting_max_running = 0;

/*
 * Executions of one tenant that may run at one time in the database.  0: no
 * limit.
 */
int			setting_max_running_per_tenant = 0;

/*
 * An execution that was interrupted by the death of a process so many times
 * without a step completed in between fails with error type CrashLoop.
 */
int			setting_max_recoveries = 3;

/* The largest result of a step. */
int			setting_max_result_size = 16 * 1024;

/*
 * On: names of new workflows and agents begin with a schema in which their
 * owner may create.
 */
bool		setting_namespaces = false;

/*
 * On: what definitions announce with "notify", blocks and circuit breakers are
 * sent to the channel "workflow", which has no rights: whoever is connected can
 * listen.
 */
static const struct config_enum_entry log_events_options[] = {
	{"off", LOG_EVENTS_OFF, false},
	{"failures", LOG_EVENTS_FAILURES, false},
	{"summaries", LOG_EVENTS_SUMMARIES, false},
	{"debug", LOG_EVENTS_DEBUG, false},
	{NULL, 0, false}
};
int			setting_log_events = LOG_EVENTS_OFF;
bool		setting_notify = false;

/*
 * Off: the executions started in this session run their containers one child
 * after the other, with the same results.
 */
bool		setting_parallel = true;

/*
 * A run that has lasted longer than this gives way to others that wait for an
 * executor, at the next end of a step.
 */
int			setting_run_quantum = 1000;

/* An execution that has not begun after this time times out.  0: never. */
int			setting_pending_timeout = 0;

/*
 * What waits no longer than this, for another attempt say, stays in memory;
 * longer waits are written down.  0: all are.
 */
int			setting_short_wait = 10000;

/*
 * Time limit, s, of a step that has none of its own, nor its agent.  0: none.
 * What takes an executor for ever takes it from everybody.
 */
int			setting_step_timeout = 3600;

/*
 * Stuck attempts within workflow.stuck_window after which a workflow is
 * blocked.  0: never.
 */
int			setting_stuck_threshold = 5;

/* The time within which stuck attempts count for that. */
int			setting_stuck_window = 3600;

static void define_executor_settings(GucContext at_start);
static void define_definition_settings(void);

/*
 * Define all settings and reserve the prefix.  Called once, when the library is
 * loaded.
 */
void
define_settings(void)
{
	GucContext	at_start = process_shared_preload_libraries_in_progress ?
		PGC_POSTMASTER : PGC_SIGHUP;

	DefineCustomIntVariable("workflow.cancel_grace",
							"Time a step that was asked to stop is given before its process is terminated.",
							NULL,
							&setting_cancel_grace, 10000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomEnumVariable(
		"workflow.default_execute",
		"Who may start workflows whose owners have not said who may.",
		"All roles that can use workflows, or the owner of the workflow.",
		&setting_default_execute, DEFAULT_EXECUTE_ALL, default_execute_options,
		PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("workflow.enabled",
							 "Starts queued executions.",
							 "When off, executions stay queued and those that run go on.",
							 &setting_enabled, true,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	define_executor_settings(at_start);

	DefineCustomEnumVariable(
		"workflow.log_events",
		"Writes what executions and steps come to into the server's log.",
		"Each value includes those before it.", &setting_log_events,
		LOG_EVENTS_OFF, log_events_options, PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.max_databases",
							"Number of databases that can use workflows.",
							NULL,
							&setting_max_databases, 64, 1, 10000,
							at_start, 0, NULL, NULL, NULL);

	define_definition_settings();

	define_alert_settings();

	define_trust_setting();
	define_traceparent_setting();

	MarkGUCPrefixReserved("workflow");
}

/* What makes executors come and go. */
static void
define_executor_settings(GucContext at_start)
{
	DefineCustomIntVariable("workflow.executor_idle_timeout",
							"Time after which an executor without work exits.",
							"0 keeps executors for ever.",
							&setting_executor_idle_timeout, 60000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.executor_max_age",
							"Time after which an executor is replaced.",
							"0 never replaces an executor for its age.",
							&setting_executor_max_age, 3600, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.executor_max_memory",
							"Memory use at which an executor is replaced.",
							"0 never replaces an executor for its memory use.",
							&setting_executor_max_memory, 256 * 1024, 0,
							INT_MAX, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.executor_max_runs",
							"Number of runs after which an executor is replaced.",
							"0 never replaces an executor for its runs.",
							&setting_executor_max_runs, 10000, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.max_executors",
							"Number of executors in the cluster.",
							"Each needs one of \"max_worker_processes\".",
							&setting_max_executors, 8, 1, 1024,
							at_start, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.max_executors_per_database",
							"Number of executors in one database.",
							"0 sets no limit beyond \"workflow.max_executors\".",
							&setting_max_executors_per_database, 0, 0, 1024,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.run_quantum",
							"Time after which a run gives way to others that wait.",
							NULL,
							&setting_run_quantum, 1000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

/* Limits and behaviour of definitions and executions. */
static void
define_definition_settings(void)
{
	DefineCustomIntVariable("workflow.max_definition_size",
							"Largest definition that is accepted.", NULL,
							&setting_max_definition_size, 4 * 1024, 1,
							MAX_KILOBYTES / 2, PGC_SUSET, GUC_UNIT_KB, NULL,
							NULL, NULL);

	DefineCustomIntVariable("workflow.max_nesting",
							"Depth to which containers can be nested in a definition.",
							NULL,
							&setting_max_nesting, 10, 1, PLAN_MAX_NESTING,
							PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.max_pending",
							"Number of executions that may be queued in a database.",
							"0 sets no limit.",
							&setting_max_pending, 0, 0, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"workflow.max_priority", "Highest priority of executions and steps.",
		"Meant for ALTER ROLE ... SET: a ceiling for what the role starts.",
		&setting_max_priority, MAX_PRIORITY, -MAX_PRIORITY, MAX_PRIORITY,
		PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.max_recoveries",
							"Number of recoveries without progress after which an execution fails.",
							NULL,
							&setting_max_recoveries, 3, 1, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.max_result_size",
							"Largest result of a step.", NULL,
							&setting_max_result_size, 16 * 1024, 1,
							MAX_KILOBYTES / 2, PGC_SUSET, GUC_UNIT_KB, NULL,
							NULL, NULL);

	DefineCustomIntVariable("workflow.max_running",
							"Number of executions that may run at one time in a database.",
							"0 sets no limit.",
							&setting_max_running, 0, 0, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.max_running_per_tenant",
							"Number of executions of one tenant that may run at one time in a database.",
							"0 sets no limit.",
							&setting_max_running_per_tenant, 0, 0, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("workflow.namespaces",
							 "Names of workflows, agents and schedules begin with the name of a schema.",
							 "It has to be one in which the role that chooses the name may create objects.",
							 &setting_namespaces, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("workflow.notify",
							 "Sends notifications to the channel \"workflow\".",
							 "Every role that can connect to the database can listen to them.",
							 &setting_notify, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	DefineCustomBoolVariable("workflow.parallel",
							 "Runs the children of containers in parallel.",
							 "When off, executions started in this session run them one after the other.",
							 &setting_parallel, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.pending_timeout",
							"Time after which an execution that has not begun times out.",
							"0 lets executions wait for ever.",
							&setting_pending_timeout, 0, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.short_wait",
							"Time for which an execution that waits stays in the scheduler's memory.",
							"One that waits for longer has the status \"waiting\", and costs nothing but its row.",
							&setting_short_wait, 10000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.step_timeout",
							"Time limit of steps that have none of their own.",
							"0 sets no limit.",
							&setting_step_timeout, 3600, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.stuck_threshold",
							"Number of stuck attempts after which a workflow is blocked.",
							"0 never blocks a workflow.",
							&setting_stuck_threshold, 5, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("workflow.stuck_window",
							"Time within which stuck attempts count for blocking their workflow.",
							NULL,
							&setting_stuck_window, 3600, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

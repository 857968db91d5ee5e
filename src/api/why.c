/*-------------------------------------------------------------------------
 *
 * why.c
 *	  workflow.no_workers(): what keeps executions from being run here at all;
 *	  workflow.scheduler_state(): how the scheduler is doing.
 *
 * NOTES
 *	  Runs in sessions; reads shared memory and the system's catalogs.  The rest
 *	  of workflow.why() is SQL, in src/schema/why.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "shared/databases.h"
#include "shared/identity.h"
#include "shared/settings.h"
#include "shared/subscription.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_no_workers(PG_FUNCTION_ARGS);

extern PGDLLEXPORT Datum workflow_scheduler_state(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_no_workers);
PG_FUNCTION_INFO_V1(workflow_scheduler_state);

/* reason NULL: there is none. */
typedef struct Hindrance
{
	const char *reason;
	const char *detail;
	const char *help;
	TimestampTz since;			/* 0: that is not known */
} Hindrance;

/* Who is not stopped looks sooner. */
#define LAUNCHER_ANSWERS_MS 5000

/* When the launcher starts one, in words. */
static const char *
next_start(const SchedulerView *scheduler)
{
	if (scheduler->next_start == 0)
		return "at once";
	return psprintf("at %s", timestamptz_to_str(scheduler->next_start));
}

/*
 * Why this database has no scheduler: the launcher starts none where nobody can
 * connect, or cannot.
 */
static void
explain_no_scheduler(const SchedulerView *scheduler, const char *database,
					 Hindrance *found)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID,
									  ObjectIdGetDatum(MyDatabaseId));
	bool		takes_connections = true;
	bool		is_template = false;

	if (HeapTupleIsValid(tuple))
	{
		takes_connections = ((Form_pg_database) GETSTRUCT(tuple))->datallowconn;
		is_template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}

	found->reason = "no scheduler";
	if (!takes_connections)
	{
		found->detail = "the database does not accept connections";
		found->help = psprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true",
							   database);
	}
	else if (is_template)
	{
		found->detail = "the database is a template, where nothing runs";
		found->help = psprintf("ALTER DATABASE %s IS_TEMPLATE false", database);
	}
	else if (scheduler->crowded_out)
	{
		found->detail = psprintf("workflow.max_databases is %d, and so many others have one", setting_max_databases);
		found->help = psprintf("ALTER SYSTEM SET workflow.max_databases = %d -- and restart the server",
							   setting_max_databases * 2);
	}
	else if (scheduler->exhausted_since != 0)
	{
		found->since = scheduler->exhausted_since;
		found->detail = psprintf("no background worker is to be had for it; it is tried again %s", next_start(scheduler));
		found->help = psprintf("ALTER SYSTEM SET max_worker_processes = %d -- and restart the server",
							   max_worker_processes + 8);
	}
	else if (scheduler->launcher_pid == 0)
	{
		found->detail = "the launcher, which starts it, is about to be started";
		found->help = "-- nothing, unless this stays: then see the server log";
	}
	else if (scheduler->launcher_unanswered_since != 0 &&
			 TimestampDifferenceExceeds(scheduler->launcher_unanswered_since,
										GetCurrentTimestamp(),
										LAUNCHER_ANSWERS_MS))
	{
		found->since = scheduler->launcher_unanswered_since;
		found->detail = psprintf("the launcher, which starts it (process %d), "
								 "has given no sign of life since it was woken",
								 (int) scheduler->launcher_pid);
		found->help = psprintf("-- on the machine of the server: kill -CONT %d",
							   (int) scheduler->launcher_pid);
	}
	else
	{
		found->detail = "one is about to be started";
		found->help = "-- nothing, unless this stays: then see the server log";
	}
}

static Hindrance
find_hindrance(Oid role)
{
	Hindrance	found = {NULL, NULL, NULL, 0};
	char	   *subscription;
	SchedulerView scheduler;
	const char *database = quote_identifier(get_database_name(MyDatabaseId));

	if (registry != NULL)
		database_look(MyDatabaseId, &scheduler);

	if (registry == NULL)
	{
		found.reason = "not preloaded";
		found.since = PgStartTime;
		found.detail = "the server was started without pg_workflow in shared_preload_libraries";
		found.help = "-- add it in postgresql.conf and restart the server";
	}
	else if (RecoveryInProgress())
	{
		found.reason = "standby";
		found.since = PgStartTime;
		found.detail = "workflows run on the primary server";
		found.help = "SELECT pg_promote()";
	}
	else if ((subscription = executions_subscription()) != NULL)
	{
		found.reason = "replica";
		found.detail = psprintf("subscription %s replicates the executions of another database, which runs them",
								quote_identifier(subscription));
		found.help = psprintf("DROP SUBSCRIPTION %s",
							  quote_identifier(subscription));
	}
	else if (!scheduler.present && scheduler.failures > 0)
	{
		found.reason = "scheduler fails";
		found.since = scheduler.failing_since;
		found.detail = psprintf("%s; after %d in a row the next is started %s",
								scheduler.failure[0] != '\0' ?
									scheduler.failure :
									"see the server log",
								scheduler.failures, next_start(&scheduler));
		found.help = "-- mend the cause, which is in the server log";
	}
	else if (!scheduler.present)
		explain_no_scheduler(&scheduler, database, &found);
	else if (scheduler.disabled_since != 0)
	{
		found.since = scheduler.disabled_since;
		found.reason = "disabled";
		found.detail = "workflow.enabled is off for the scheduler of this database";
		found.help = psprintf("ALTER DATABASE %s RESET workflow.enabled -- or ALTER SYSTEM RESET workflow.enabled and pg_reload_conf()",
							  database);
	}
	else
	{
		found.detail = role_cannot_run(role);
		if (found.detail != NULL)
		{
			found.reason = "role";
			found.help = "-- ALTER ROLE .. LOGIN, or GRANT CONNECT ON DATABASE .. TO ..";
		}
	}
	return found;
}

/*
 * workflow.no_workers(role oid, OUT reason text, OUT detail text, OUT help
 * text, OUT since timestamptz)
 */
Datum
workflow_no_workers(PG_FUNCTION_ARGS)
{
	Hindrance	found;
	TupleDesc	columns;
	Datum		values[4] = {0};
	bool		nulls[4] = {true, true, true, true};

	state_check_installation();
	found = find_hindrance(PG_GETARG_OID(0));
	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (found.reason != NULL)
	{
		values[0] = CStringGetTextDatum(found.reason);
		values[1] = CStringGetTextDatum(found.detail);
		values[2] = CStringGetTextDatum(found.help);
		nulls[0] = nulls[1] = nulls[2] = false;
		values[3] = TimestampTzGetDatum(found.since);
		nulls[3] = found.since == 0;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}

/*
 * workflow.scheduler_state(OUT pid integer, OUT executions integer, OUT
 * max_running integer, OUT ready_since timestamptz, OUT no_workers_since
 * timestamptz, OUT unanswered_since timestamptz, OUT failing_since timestamptz,
 * OUT failures integer, OUT again_since timestamptz, OUT again text)
 */
Datum
workflow_scheduler_state(PG_FUNCTION_ARGS)
{
	SchedulerView scheduler = {0};
	TupleDesc	columns;
	Datum		values[10] = {0};
	bool		nulls[10];

	state_check_installation();
	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (registry != NULL)
		database_look(MyDatabaseId, &scheduler);
	values[0] = Int32GetDatum(scheduler.pid);
	nulls[0] = scheduler.pid == 0;
	values[1] = Int32GetDatum(scheduler.executions);
	nulls[1] = !scheduler.present;
	values[2] = Int32GetDatum(scheduler.max_running);
	nulls[2] = scheduler.max_running == 0;
	values[3] = TimestampTzGetDatum(scheduler.ready_since);
	nulls[3] = !scheduler.present || scheduler.ready_since == DT_NOEND;
	values[4] = TimestampTzGetDatum(scheduler.no_workers_since);
	nulls[4] = scheduler.no_workers_since == 0;
	values[5] = TimestampTzGetDatum(scheduler.unanswered_since);
	nulls[5] = scheduler.unanswered_since == 0 || scheduler.disabled_since != 0;
	values[6] = TimestampTzGetDatum(scheduler.failing_since);
	nulls[6] = scheduler.failing_since == 0;
	values[7] = Int32GetDatum(scheduler.failures);
	nulls[7] = scheduler.failures == 0;
	values[8] = TimestampTzGetDatum(scheduler.again_since);
	values[9] = CStringGetTextDatum(scheduler.again);
	nulls[8] = nulls[9] = scheduler.again_since == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}

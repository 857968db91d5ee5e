/*-------------------------------------------------------------------------
 *
 * why.c
 *	  workflow.no_workers(): what keeps executions from being run here at all.
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
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "shared/identity.h"
#include "shared/slots.h"
#include "shared/subscription.h"

extern PGDLLEXPORT Datum workflow_no_workers(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_no_workers);

/* reason NULL: there is none. */
typedef struct Hindrance
{
	const char *reason;
	const char *detail;
	const char *help;
} Hindrance;

/* Is a scheduler at work in this database, or about to be? */
static bool
has_scheduler(void)
{
	DatabaseEntry *entry;
	bool		found;

	LWLockAcquire(registry->lock, LW_SHARED);
	entry = database_entry(MyDatabaseId, false);
	found = entry != NULL &&
		(entry->state == DATABASE_ACTIVE || entry->state == DATABASE_STARTING);
	LWLockRelease(registry->lock);
	return found;
}

static Hindrance
find_hindrance(Oid role)
{
	Hindrance	found = {NULL, NULL, NULL};
	char	   *subscription;

	if (registry == NULL)
	{
		found.reason = "not preloaded";
		found.detail = "the server was started without pg_workflow in shared_preload_libraries";
		found.help = "-- add it in postgresql.conf and restart the server";
	}
	else if (RecoveryInProgress())
	{
		found.reason = "standby";
		found.detail = "workflows run on the primary server";
		found.help = "SELECT pg_promote()";
	}
	else if (!has_scheduler())
	{
		found.reason = "no scheduler";
		found.detail = "workflow.enabled is off for this database, or no worker process is to be had: see the server log";
		found.help = psprintf("ALTER DATABASE %s RESET workflow.enabled",
							  quote_identifier(get_database_name(MyDatabaseId)));
	}
	else if ((subscription = executions_subscription()) != NULL)
	{
		found.reason = "replica";
		found.detail = psprintf("subscription %s replicates the executions of another database, which runs them",
								quote_identifier(subscription));
		found.help = psprintf("DROP SUBSCRIPTION %s", quote_identifier(subscription));
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
 * workflow.no_workers(role oid, OUT reason text, OUT detail text, OUT help text)
 */
Datum
workflow_no_workers(PG_FUNCTION_ARGS)
{
	Hindrance	found = find_hindrance(PG_GETARG_OID(0));
	TupleDesc	columns;
	Datum		values[3] = {0};
	bool		nulls[3] = {true, true, true};

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (found.reason != NULL)
	{
		values[0] = CStringGetTextDatum(found.reason);
		values[1] = CStringGetTextDatum(found.detail);
		values[2] = CStringGetTextDatum(found.help);
		nulls[0] = nulls[1] = nulls[2] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}

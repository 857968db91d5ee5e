/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: keeps one scheduler for each database that has the
 *	  extension.
 *
 * NOTES
 *	  One static worker, connected to the shared catalogs only, so it cannot see
 *	  where the extension is.  It starts a scheduler in each database that can
 *	  be connected to and is no template; where the extension is missing, that
 *	  one leaves at once with the mark ABSENT in the database entry, and no
 *	  other is started until CREATE EXTENSION takes the mark away.
 *
 *	  The launcher does one round whenever somebody sets its latch: a scheduler
 *	  that ended, a session without a scheduler, a hold that was released, a
 *	  command on a database, the postmaster about a worker it started.  A round
 *	  reads pg_database and looks at every entry.  There is no waiting for one
 *	  worker within it.  Without a failure to be repeated it then sleeps for
 *	  ever.
 *
 *	  The state of an entry is changed by shared/databases.c alone.  What the
 *	  launcher knows besides is in this file's variables, and can be lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/clock.h"
#include "shared/compat.h"
#include "shared/databases.h"
#include "shared/fault.h"
#include "shared/wake.h"
#include "shared/worker.h"

/*
 * A scheduler younger than this may be one that is about to find no extension.
 * So many of them at a time: a cluster of many databases must not use up
 * max_worker_processes by being looked at.
 */
#define SETTLED_AFTER_MS 1000
#define MAX_UNSETTLED 4

/* How often a worker is tried again while max_worker_processes are in use. */
#define FIRST_RETRY_DELAY_MS 1000
#define LAST_RETRY_DELAY_MS 60000

/* A scheduler that was registered and has not attached yet. */
typedef struct StartingScheduler
{
	Oid			database;
	uint32		generation;
	BackgroundWorkerHandle *handle;
} StartingScheduler;

/* What one round found. */
typedef struct Round
{
	TimestampTz now;
	TimestampTz next;			/* when to look again, DT_NOEND: when woken */
	int			unsettled;		/* schedulers younger than SETTLED_AFTER_MS */
	bool		workers_exhausted;
	Oid			without_entry;	/* some database there was no room for */
} Round;

/* Where things live that outlast a round. */
static MemoryContext launcher_context;

static List *starting_schedulers = NIL;

/*
 * Databases seen without the extension.  Beside the marks in the entries,
 * because an entry with the mark is given to another database when room is
 * needed.
 */
static List *absent_databases = NIL;

/* What was reported in the present episode. */
static int	exhausted_rounds = 0;
static bool exhaustion_reported = false;
static bool full_reported = false;

static void launcher_attach(void);
static void launcher_detach(int code, Datum argument);
static bool read_databases(List **databases);
static void look_after_starting(void);
static void look_at_entries(Round *round, const List *databases);
static void start_schedulers(Round *round, const List *databases);
static bool start_scheduler(Round *round, Oid database);
static void report_limits(Round *round);

/* Entry point of the launcher. */
void
workflow_launcher_main(Datum argument pg_attribute_unused())
{
	MemoryContext round_context;

	worker_initialize(NULL);
	worker_connect(InvalidOid, InvalidOid, "pg_workflow launcher");

	launcher_context = AllocSetContextCreate(TopMemoryContext,
											 "pg_workflow launcher",
											 ALLOCSET_SMALL_SIZES);
	round_context = AllocSetContextCreate(launcher_context,
										  "pg_workflow launcher round",
										  ALLOCSET_DEFAULT_SIZES);
	launcher_attach();

	for (;;)
	{
		Round		round = {.next = DT_NOEND};
		List	   *databases;
		long		timeout = -1;

		launcher_looks();
		MemoryContextSwitchTo(round_context);
		if (!read_databases(&databases))
		{
			worker_sleep(FIRST_RETRY_DELAY_MS, wait_event_launcher());
			continue;
		}

		round.now = steady_now();
		look_after_starting();
		look_at_entries(&round, databases);
		start_schedulers(&round, databases);
		report_limits(&round);

		MemoryContextSwitchTo(launcher_context);
		MemoryContextReset(round_context);

		if (!TIMESTAMP_IS_NOEND(round.next))
			timeout = TimestampDifferenceMilliseconds(steady_now(),
													  round.next);
		worker_sleep(timeout, wait_event_launcher());
	}
}

/*
 * Be known as the launcher.  Schedulers a former launcher has registered and
 * that did not come yet are started anew: nobody would notice if they never
 * did.
 */
static void
launcher_attach(void)
{
	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	registry->launcher_pid = MyProcPid;
	registry->launcher_pgprocno = compat_my_pgprocno();
	for (int i = 0; i < registry->ndatabases; i++)
		database_cancel_start(&registry->databases[i]);
	LWLockRelease(registry->lock);

	before_shmem_exit(launcher_detach, (Datum) 0);
}

/* The launcher's exit.  Schedulers live on. */
static void
launcher_detach(int code pg_attribute_unused(),
				Datum argument pg_attribute_unused())
{
	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	registry->launcher_pid = 0;
	registry->launcher_pgprocno = -1;
	LWLockRelease(registry->lock);
}

/*
 * OIDs of the databases a scheduler can be in: one can connect, no template,
 * not half dropped.  In the current memory context.  False: somebody keeps the
 * catalog; the launcher does not wait for that, as schedulers do not.
 */
static bool
read_databases(List **databases)
{
	MemoryContext result_context = CurrentMemoryContext;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (!ConditionalLockRelationOid(DatabaseRelationId, AccessShareLock))
	{
		CommitTransactionCommand();
		MemoryContextSwitchTo(result_context);
		return false;
	}
	*databases = NIL;
	relation = table_open(DatabaseRelationId, NoLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old_context;

		if (!form->datallowconn || form->datistemplate ||
			database_is_invalid_form(form))
			continue;
		old_context = MemoryContextSwitchTo(result_context);
		*databases = lappend_oid(*databases, form->oid);
		MemoryContextSwitchTo(old_context);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	pgstat_report_stat(true);

	MemoryContextSwitchTo(result_context);
	return true;
}

/*
 * Forget the registered schedulers that have come, and put back the entries of
 * those that ended before they could.
 */
static void
look_after_starting(void)
{
	ListCell   *cell;

	foreach(cell, starting_schedulers)
	{
		StartingScheduler *starting = lfirst(cell);
		pid_t		pid;
		bool		stopped;

		/* Look at the worker first: one that ended can have attached before. */
		stopped = GetBackgroundWorkerPid(starting->handle, &pid) ==
			BGWH_STOPPED;
		if (stopped)
			database_start_failed(starting->database, starting->generation,
								  true);
		if (stopped ||
			!database_is_starting(starting->database, starting->generation))
		{
			starting_schedulers = foreach_delete_current(starting_schedulers,
														 cell);
			pfree(starting->handle);
			pfree(starting);
		}
	}
}

/*
 * Go through all entries: take down which databases are without the extension,
 * count the unsettled schedulers, and retire databases that were dropped,
 * became a template or accept no connections any more.
 */
static void
look_at_entries(Round *round, const List *databases)
{
	MemoryContext old_context = MemoryContextSwitchTo(launcher_context);

	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	for (int i = 0; i < registry->ndatabases; i++)
	{
		DatabaseEntry *entry = &registry->databases[i];

		if (entry->state == DATABASE_UNUSED)
			continue;
		if (!list_member_oid(databases, entry->database))
		{
			database_retire(entry);
			continue;
		}
		if (entry->state == DATABASE_ABSENT)
			absent_databases = list_append_unique_oid(absent_databases,
													  entry->database);
		else
			absent_databases = list_delete_oid(absent_databases,
											   entry->database);
		if ((entry->state == DATABASE_STARTING ||
			 entry->state == DATABASE_ACTIVE) &&
			!TimestampDifferenceExceeds(entry->started_at, round->now,
										SETTLED_AFTER_MS))
			round->unsettled++;
	}
	LWLockRelease(registry->lock);

	MemoryContextSwitchTo(old_context);
}

/* Have a round not later than then. */
static void
look_again_at(Round *round, TimestampTz then)
{
	if (then < round->next)
		round->next = then;
}

/* Start a scheduler where one is missing and may be started now. */
static void
start_schedulers(Round *round, const List *databases)
{
	ListCell   *cell;

	foreach(cell, databases)
	{
		Oid			database = lfirst_oid(cell);
		DatabaseEntry *entry;
		bool		startable = false;
		TimestampTz next_start = 0;

		LWLockAcquire(registry->lock, LW_EXCLUSIVE);
		entry = database_entry(database, false);
		if (entry == NULL && !list_member_oid(absent_databases, database))
		{
			entry = database_entry(database, true);
			if (entry == NULL)
				round->without_entry = database;
		}
		if (entry != NULL && entry->state == DATABASE_UNKNOWN &&
			entry->holds == 0)
		{
			startable = true;
			next_start = entry->next_start;
		}
		LWLockRelease(registry->lock);

		if (!startable)
			continue;
		if (next_start > round->now)
			look_again_at(round, next_start);
		else if (round->unsettled >= MAX_UNSETTLED)
			look_again_at(round,
						  TimestampTzPlusMilliseconds(round->now,
													  SETTLED_AFTER_MS));
		else if (!start_scheduler(round, database))
			break;
	}
}

/*
 * Register the scheduler of a database.  Returns false when there are no
 * background workers left, so that there is no use in going on.
 */
static bool
start_scheduler(Round *round, Oid database)
{
	MemoryContext old_context = MemoryContextSwitchTo(launcher_context);
	StartingScheduler *starting = palloc(sizeof(StartingScheduler));
	bool		registered = true;

	starting->database = database;
	if (!database_begin_start(database, &starting->generation))
	{
		pfree(starting);
		MemoryContextSwitchTo(old_context);
		return true;
	}
	fault_point("database.starting");
	if (register_scheduler(database, starting->generation, &starting->handle))
	{
		starting_schedulers = lappend(starting_schedulers, starting);
		round->unsettled++;
	}
	else
	{
		database_start_failed(database, starting->generation, false);
		pfree(starting);
		round->workers_exhausted = true;
		registered = false;
	}

	MemoryContextSwitchTo(old_context);
	return registered;
}

/*
 * Say once per episode that a limit is reached, and when it is over.  While
 * there are unsettled schedulers it may be over in a moment.
 */
static void
report_limits(Round *round)
{
	TimestampTz exhausted_until = 0;

	if (round->workers_exhausted)
	{
		long		delay = FIRST_RETRY_DELAY_MS;

		for (int i = 0; i < exhausted_rounds && delay < LAST_RETRY_DELAY_MS;
			 i++)
			delay *= 2;
		exhausted_rounds++;
		exhausted_until = TimestampTzPlusMilliseconds(round->now,
													  Min(delay,
														  LAST_RETRY_DELAY_MS));
		look_again_at(round, exhausted_until);
		if (!exhaustion_reported && round->unsettled == 0)
		{
			exhaustion_reported = true;
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("out of background worker slots for workflow schedulers"),
					 errhint("You might need to increase \"%s\".", "max_worker_processes")));
		}
	}
	else
	{
		if (exhaustion_reported)
			ereport(LOG,
					(errmsg("background worker slots for workflow schedulers are available again")));
		exhausted_rounds = 0;
		exhaustion_reported = false;
	}
	LWLockAcquire(registry->lock, LW_EXCLUSIVE);
	if (exhausted_until == 0)
		registry->exhausted_since = 0;
	else if (registry->exhausted_since == 0)
		registry->exhausted_since = GetCurrentTimestamp();
	registry->exhausted_until = exhausted_until;
	LWLockRelease(registry->lock);

	if (!OidIsValid(round->without_entry))
		full_reported = false;
	else if (round->unsettled > 0)
		look_again_at(round,
					  TimestampTzPlusMilliseconds(round->now,
												  SETTLED_AFTER_MS));
	else if (!full_reported)
	{
		full_reported = true;
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many databases for workflow schedulers"),
				 errdetail("The database with OID %u, among others, is not served.",
						   round->without_entry),
				 errhint("You might need to increase \"%s\".", "workflow.max_databases")));
	}
}

/*-------------------------------------------------------------------------
 *
 * schedule_jobs.c
 *	  Keeps pg_cron's jobs in step with the schedules.
 *
 * NOTES
 *	  Runs in sessions.  Where pg_cron is in this database, its job is written in
 *	  the caller's transaction, as the role of the schedule.  Where it is in
 *	  another one, that cannot be: the schedules a transaction has changed are
 *	  noted, and when it is about to commit their jobs are written by a worker that
 *	  connects there as that role (schedule_remote.c).  An error there keeps the
 *	  transaction from committing; only a crash in between can leave a job that its
 *	  schedule does not know of, which then finds nothing due.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "api/schedule.h"
#include "api/schedule_remote.h"
#include "shared/identity.h"

/* A schedule whose job has to be written elsewhere when this transaction commits. */
typedef struct PendingJob
{
	int			id;
	Oid			role;
	char	   *name;
} PendingJob;

/* pg_cron stops a job that is removed while it runs: one that is over goes to rest. */
#define BEAT_WHEN_OVER "0 0 1 1 *"

static List *pending_jobs = NIL;	/* in TopTransactionContext */
static bool callback_registered = false;

/* What a job is called: unique among those of all databases, legible, not too long. */
static void
name_job(CronJob *job, int id)
{
	const char *database = get_database_name(MyDatabaseId);
	int			length = (int) strlen(database);

	if (length <= 36)
		snprintf(job->name, sizeof(job->name), "pg_workflow/%s/%d", database, id);
	else
		snprintf(job->name, sizeof(job->name), "pg_workflow/%.*s~%08x/%d",
				 pg_mbcliplen(database, length, 24), database,
				 hash_bytes((const unsigned char *) database, length), id);
}

/* The job of a schedule; schedule NULL: none. */
static void
describe_job(CronJob *job, int id, const char *name, const char *schedule)
{
	memset(job, 0, sizeof(*job));
	name_job(job, id);
	strlcpy(job->database, get_database_name(MyDatabaseId), sizeof(job->database));
	if (schedule == NULL)
		return;
	if (strlen(schedule) >= sizeof(job->schedule))
		elog(ERROR, "schedule of a job is too long: %s", schedule);
	strlcpy(job->schedule, schedule, sizeof(job->schedule));
	snprintf(job->command, sizeof(job->command), "SELECT workflow.schedule_tick(%s)",
			 quote_literal_cstr(name));
}

/* Write a job of pg_cron in this database, as its role. */
static void
write_here(const CronJob *job, Oid role)
{
	Oid			user;
	int			context;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);
	cron_job_write(job);
	SetUserIdAndSecContext(user, context);
}

/* XACT_EVENT_PRE_COMMIT: write what has been noted. */
static void
write_pending(void)
{
	List	   *jobs = pending_jobs;
	ListCell   *cell;
	bool		extension_gone = !OidIsValid(workflow_extension_oid());

	pending_jobs = NIL;
	foreach(cell, jobs)
	{
		PendingJob *pending = lfirst(cell);
		Schedule	schedule;
		CronJob		job;

		/* it may have been changed again, or that may have been rolled back */
		if (!extension_gone && schedule_find_id(pending->id, false, &schedule))
			describe_job(&job, pending->id, schedule.name, schedule.job_schedule);
		else
			describe_job(&job, pending->id, pending->name, NULL);
		cron_job_write_remote(&job, pending->role);
	}
}

static void
pending_callback(XactEvent event, void *argument pg_attribute_unused())
{
	if (pending_jobs == NIL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			write_pending();
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a transaction that changes schedules cannot be prepared"),
					 errdetail("pg_cron is in another database.")));
			break;
		case XACT_EVENT_ABORT:
			pending_jobs = NIL;
			break;
		default:
			break;
	}
}

/* Note a schedule for the end of the transaction. */
static void
write_at_commit(int id, const char *name, Oid role)
{
	MemoryContext oldcontext;
	PendingJob *pending;
	ListCell   *cell;

	if (!callback_registered)
	{
		RegisterXactCallback(pending_callback, NULL);
		callback_registered = true;
	}
	foreach(cell, pending_jobs)
		if (((PendingJob *) lfirst(cell))->id == id)
			return;

	oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	pending = palloc(sizeof(PendingJob));
	pending->id = id;
	pending->role = role;
	pending->name = pstrdup(name);
	pending_jobs = lappend(pending_jobs, pending);
	MemoryContextSwitchTo(oldcontext);
}

void
schedule_write_job(Schedule *schedule, bool by_job)
{
	const char *database = cron_database();
	bool		over = schedule->next_run_at == DT_NOEND;
	bool		wanted = schedule->enabled && (!over || by_job);
	bool		had_one = schedule->job_schedule != NULL;

	if (!wanted)
		schedule->job_schedule = NULL;
	else
		schedule->job_schedule = over ? BEAT_WHEN_OVER : schedule_beat(schedule);
	if (database == NULL)
	{
		if (wanted)
			cron_refuse_not_loaded();
		return;
	}
	if (!wanted && !had_one)
		return;

	if (strcmp(database, get_database_name(MyDatabaseId)) == 0)
	{
		CronJob		job;

		describe_job(&job, schedule->id, schedule->name, schedule->job_schedule);
		write_here(&job, schedule->role);
		return;
	}
	if (wanted)
		require_cron_database(database, schedule->role);
	write_at_commit(schedule->id, schedule->name, schedule->role);
}

/* A table that is not there any more, or not of a version with schedules: nothing to do. */
void
schedule_drop_jobs(void)
{
	int		   *ids;
	int			count;

	if (cron_database() == NULL)
		return;
	count = schedule_list(true, &ids);
	for (int i = 0; i < count; i++)
	{
		Schedule	schedule;

		if (!schedule_find_id(ids[i], false, &schedule) ||
			!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(schedule.role)))
			continue;
		schedule.enabled = false;
		schedule_write_job(&schedule, false);
	}
}

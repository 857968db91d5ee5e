/*-------------------------------------------------------------------------
 *
 * schedule_jobs.c
 *	  Keeps pg_cron's jobs in step with the schedules.
 *
 * NOTES
 *	  Runs in sessions.  Where pg_cron is in this database, its job is written
 *	  in the caller's transaction, as the role of the schedule.  Where it is in
 *	  another one, that cannot be: the schedules a transaction has changed are
 *	  noted, and when it is about to commit their jobs are written by a worker
 *	  that connects there as that role (schedule_remote.c).  An error there
 *	  keeps the transaction from committing.  What comes after it in a commit
 *	  can fail, too: whether a serializable transaction may commit is decided
 *	  then, so such a one changes no schedules.  What is left, a crash or a
 *	  queue of NOTIFY that is full, can leave a job that its schedule does not
 *	  know of, which then finds nothing due, or a schedule without its job,
 *	  which sync_schedules() gives it.
 *
 *	  pg_cron knows roles and databases by their names, and its launcher does
 *	  not survive a job of a role that is not there.  So the utility hook notes
 *	  those that a command renames or drops, and when the transaction is about
 *	  to commit our jobs follow, those of all databases, serializable or not:
 *	  that seldom fails then, and a job of no role would be left for certain.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "api/schedule.h"
#include "api/schedule_remote.h"
#include "shared/identity.h"

/*
 * A schedule whose job has to be written elsewhere when this transaction
 * commits.
 */
typedef struct PendingJob
{
	int			id;
	Oid			role;
	char	   *name;
	char	   *giver;			/* role whose job may be there; NULL: none
								 * but its own */
} PendingJob;

/*
 * pg_cron stops a job that is removed while it runs: one that is over goes to
 * rest.
 */
#define BEAT_WHEN_OVER "0 0 1 1 *"

static List *pending_jobs = NIL;	/* in TopTransactionContext */
static bool callback_registered = false;

/*
 * A role or a database that may have another name when this transaction
 * commits.
 */
typedef struct NotedName
{
	bool		database;
	Oid			oid;
	char	   *name;
} NotedName;

static List *noted_names = NIL; /* in TopTransactionContext */

/*
 * How jobs of a database are called: unique among those of all databases,
 * legible, not too long.
 */
static void
name_jobs(char *prefix, size_t size, const char *database)
{
	int			length = (int) strlen(database);

	if (length <= 36)
		snprintf(prefix, size, CRON_JOB_PREFIX "%s/", database);
	else
		snprintf(prefix, size, CRON_JOB_PREFIX "%.*s~%08x/",
				 pg_mbcliplen(database, length, 24), database,
				 hash_bytes((const unsigned char *) database, length));
}

/*
 * Settings of the role and the database that are meant for what they do
 * themselves, not for a beat.  Each is possible before the first query only.
 */
#define BEFORE_BEAT \
	"SET ROLE NONE; SET transaction_isolation = 'read committed'; " \
	"SET transaction_read_only = off; SET lock_timeout = 0; "

/* The job of a schedule; schedule NULL: none. */
static void
describe_job(CronJob *job, int id, const char *name, const char *schedule)
{
	char		prefix[NAMEDATALEN];

	memset(job, 0, sizeof(*job));
	name_jobs(prefix, sizeof(prefix), get_database_name(MyDatabaseId));
	snprintf(job->name, sizeof(job->name), "%s%d", prefix, id);
	strlcpy(job->database, get_database_name(MyDatabaseId),
			sizeof(job->database));
	if (schedule == NULL)
		return;
	if (strlen(schedule) >= sizeof(job->schedule))
		elog(ERROR, "schedule of a job is too long: %s", schedule);
	strlcpy(job->schedule, schedule, sizeof(job->schedule));
	snprintf(job->command, sizeof(job->command),
			 BEFORE_BEAT "SELECT workflow.schedule_tick(%s)",
			 quote_literal_cstr(name));
}

/*
 * Somebody has tampered with it, or renamed a role where nobody noticed; unless
 * its role has just given it away.
 */
static void
tell_replaced(const CronJob *job, Oid role, const char *replaced,
			  const char *giver)
{
	char	   *name = GetUserNameFromId(role, true);

	if (replaced[0] != '\0' && (giver == NULL || strcmp(replaced, giver) != 0))
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("job \"%s\" of pg_cron belonged to role \"%s\"", job->name, replaced),
				 errdetail("It is replaced by one of role \"%s\", which the schedule belongs to.", name ? name : ""),
				 OidIsValid(get_role_oid(replaced, true))
				 ? errhint("Find out who made it: names that begin with %s are pg_workflow's.", CRON_JOB_PREFIX)
				 : errhint("There is no such role: it was renamed or dropped.")));
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
		char		replaced[NAMEDATALEN];

		/* it may have been changed again, or that may have been rolled back */
		if (!extension_gone && schedule_find_id(pending->id, false, &schedule))
		{
			describe_job(&job, pending->id, schedule.name,
						 schedule.job_schedule);
			pending->role = schedule.role;
		}
		else
			describe_job(&job, pending->id, pending->name, NULL);
		cron_job_write_remote(&job, pending->role, replaced);
		tell_replaced(&job, pending->role, replaced, pending->giver);
	}
}

bool
schedule_cron_is_here(void)
{
	const char *database = cron_database();

	return database != NULL &&
		strcmp(database, get_database_name(MyDatabaseId)) == 0;
}

/* XACT_EVENT_PRE_COMMIT: have our jobs follow what was renamed or dropped. */
static void
follow_names(void)
{
	List	   *names = noted_names;
	CronRename *renames = palloc0(list_length(names) * sizeof(CronRename));
	ListCell   *cell;
	int			count = 0;

	noted_names = NIL;
	foreach(cell, names)
	{
		NotedName  *noted = lfirst(cell);
		CronRename *rename = &renames[count];
		char	   *name = noted->database ? get_database_name(noted->oid) :
									   GetUserNameFromId(noted->oid, true);

		if (name != NULL && strcmp(name, noted->name) == 0)
			continue;			/* that was rolled back, or undone */
		rename->database = noted->database;
		strlcpy(rename->before, noted->name, NAMEDATALEN);
		strlcpy(rename->after, name ? name : "", NAMEDATALEN);
		if (noted->database && name != NULL)
			name_jobs(rename->prefix, NAMEDATALEN, name);
		count++;
	}
	if (count == 0)
		return;
	if (!schedule_cron_is_here())
		cron_jobs_rename_remote(renames, count);
	else
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		cron_jobs_rename(renames, count);
		PopActiveSnapshot();
	}
}

static void
pending_callback(XactEvent event, void *argument pg_attribute_unused())
{
	if (pending_jobs == NIL && noted_names == NIL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			/* first, so that jobs are found under their present roles */
			if (noted_names != NIL)
				follow_names();
			if (pending_jobs != NIL)
				write_pending();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (noted_names != NIL)
				ereport(WARNING,
						(errcode(ERRCODE_WARNING),
						 errmsg("jobs of pg_cron do not follow what a prepared transaction renames or drops"),
						 errhint("When it has been committed, run SELECT workflow.sync_schedules() in each database with schedules.")));
			noted_names = NIL;
			if (pending_jobs != NIL)
				ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a transaction that changes schedules cannot be prepared"),
					 errdetail("pg_cron is in another database.")));
			break;
		case XACT_EVENT_ABORT:
			pending_jobs = NIL;
			noted_names = NIL;
			break;
		default:
			break;
	}
}

static void
register_callback(void)
{
	if (!callback_registered)
		RegisterXactCallback(pending_callback, NULL);
	callback_registered = true;
}

void
schedule_note_name(bool database, Oid oid, const char *name)
{
	MemoryContext oldcontext;
	NotedName  *noted;
	ListCell   *cell;

	if (cron_database() == NULL)
		return;
	register_callback();
	foreach(cell, noted_names)
	{
		noted = lfirst(cell);
		if (noted->database == database && noted->oid == oid)
			return;				/* what it was called first counts */
	}
	oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	noted = palloc(sizeof(NotedName));
	noted->database = database;
	noted->oid = oid;
	noted->name = pstrdup(name);
	noted_names = lappend(noted_names, noted);
	MemoryContextSwitchTo(oldcontext);
}

/* Note a schedule for the end of the transaction. */
static void
write_at_commit(int id, const char *name, Oid role, const char *giver)
{
	MemoryContext oldcontext;
	PendingJob *pending = NULL;
	ListCell   *cell;

	if (IsolationIsSerializable())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("schedules cannot be changed under isolation level SERIALIZABLE"),
				 errdetail("pg_cron is in another database, where jobs are written before it is known whether such a transaction commits."),
				 errhint("Use READ COMMITTED or REPEATABLE READ.")));
	register_callback();
	foreach(cell, pending_jobs)
		if (((PendingJob *) lfirst(cell))->id == id)
			pending = lfirst(cell);

	oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	if (pending == NULL)
	{
		pending = palloc0(sizeof(PendingJob));
		pending->id = id;
		pending->role = role;
		pending->name = pstrdup(name);
		pending_jobs = lappend(pending_jobs, pending);
	}
	/* who gave it first: the others have no job yet */
	if (pending->giver == NULL && giver != NULL)
		pending->giver = pstrdup(giver);
	MemoryContextSwitchTo(oldcontext);
}

static void
write_job(Schedule *schedule, bool by_job, const char *giver)
{
	const char *database = cron_database();
	bool		over = schedule->next_run_at == DT_NOEND;
	bool		wanted = schedule->enabled && (!over || by_job);
	bool		had_one = schedule->job_schedule != NULL;

	if (!wanted)
		schedule->job_schedule = NULL;
	else
		schedule->job_schedule = over ? BEAT_WHEN_OVER :
										schedule_beat(schedule);
	if (database == NULL)
	{
		if (wanted)
			cron_refuse_not_loaded();
		return;
	}
	if (!wanted && !had_one)
		return;

	if (schedule_cron_is_here())
	{
		CronJob		job;
		char		replaced[NAMEDATALEN];

		describe_job(&job, schedule->id, schedule->name,
					 schedule->job_schedule);
		cron_job_write(&job, schedule->role, replaced);
		tell_replaced(&job, schedule->role, replaced, giver);
		return;
	}
	if (wanted)
		require_cron_database(database, schedule->role);
	write_at_commit(schedule->id, schedule->name, schedule->role, giver);
}

void
schedule_write_job(Schedule *schedule, bool by_job)
{
	write_job(schedule, by_job, NULL);
}

void
schedule_give_job(Schedule *schedule, const char *giver)
{
	write_job(schedule, false, giver);
}

/*
 * A table that is not there any more, or not of a version with schedules:
 * nothing to do.
 */
void
schedule_drop_jobs(void)
{
	int		   *ids;
	int			count;

	if (cron_database() == NULL)
		return;
	if (!library_fits())
	{
		ereport(WARNING,
				(errmsg("jobs of pg_cron stay that were made for schedules of this database"),
				 errdetail("The library has another version than the extension, whose schedules it does not read."),
				 errhint("In database \"%s\", run DELETE FROM cron.job WHERE database = %s AND starts_with(jobname, '%s').",
						 cron_database(), quote_literal_cstr(get_database_name(MyDatabaseId)), CRON_JOB_PREFIX)));
		return;
	}
	count = schedule_list(true, &ids);
	for (int i = 0; i < count; i++)
	{
		Schedule	schedule;

		if (!schedule_find_id(ids[i], false, &schedule))
			continue;
		schedule.enabled = false;
		schedule_write_job(&schedule, false);
	}
}

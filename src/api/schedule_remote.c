/*-------------------------------------------------------------------------
 *
 * schedule_remote.c
 *	  Jobs of pg_cron in another database: a worker that writes them and ends.
 *
 * NOTES
 *	  A session cannot leave its database, and a connection by libpq would need
 *	  a password: a background worker connects, with settings of our own, and
 *	  makes the job as the role, so that pg_cron decides about its rights.  The
 *	  request goes to it in a segment of dynamic shared memory, and what came of
 *	  it comes back there.  The session waits for the worker to end; it holds no
 *	  lock but those of its own transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "storage/dsm.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "api/api.h"
#include "api/schedule_remote.h"
#include "shared/compat.h"
#include "shared/identity.h"
#include "shared/worker.h"

typedef enum RemoteResult
{
	REMOTE_NOTHING,				/* the worker has not come that far */
	REMOTE_DONE,
	REMOTE_FAILED
} RemoteResult;

typedef struct RemoteRequest
{
	CronJob		job;			/* without renames */
	Oid			role;
	int			nrenames;
	RemoteResult result;
	int			sqlerrcode;
	char		message[1024];
	char		detail[1024];
	char		hint[1024];
	char		replaced[NAMEDATALEN];	/* as cron_job_write() says */
	CronRename	renames[FLEXIBLE_ARRAY_MEMBER];
} RemoteRequest;

/* --- in the session --- */

void
require_cron_database(const char *database, Oid role)
{
	Oid			oid = get_database_oid(database, true);
	char	   *name;
	char	   *problem;

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_DATABASE),
				 errmsg("schedules need pg_cron, whose database \"%s\" does not exist", database),
				 errhint("Set cron.database_name and restart the server.")));
	name = required_role_name(role, NULL);
	problem = role_cannot_run(role);
	if (problem == NULL && !compat_may_connect(oid, role))
		problem = psprintf("role \"%s\" is not permitted to connect to database \"%s\"",
						   name, database);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not make jobs of pg_cron", name),
				 errdetail_internal("%s.", problem),
				 errhint("pg_cron is in database \"%s\": the role needs CONNECT there, USAGE on schema cron, and EXECUTE on cron.schedule_in_database().",
						 database)));
}

/* Run the worker and wait for its end; false: none is to be had. */
static bool
run_worker(dsm_segment *segment, Oid database)
{
	BackgroundWorkerHandle *handle;

	if (!register_cron_writer(database, dsm_segment_handle(segment), &handle))
		return false;
	if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED)
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("postmaster exited while a job of pg_cron was written")));
	return true;
}

/*
 * Have a worker do what is requested; *answer is what the segment holds then.
 * False: none is to be had.
 */
static bool
ask_worker(Oid database, const RemoteRequest *request,
		   const CronRename *renames, RemoteRequest *answer)
{
	Size		size = offsetof(RemoteRequest, renames) +
		request->nrenames * sizeof(CronRename);
	dsm_segment *segment = dsm_create(size, 0);
	RemoteRequest *shared = dsm_segment_address(segment);
	bool		done;

	memcpy(shared, request, offsetof(RemoteRequest, renames));
	if (request->nrenames > 0)
		memcpy(shared->renames, renames,
			   request->nrenames * sizeof(CronRename));
	done = run_worker(segment, database);
	memcpy(answer, shared, offsetof(RemoteRequest, renames));
	dsm_detach(segment);
	return done;
}

void
cron_jobs_rename_remote(const CronRename *renames, int count)
{
	const char *name = cron_database();
	Oid			database = name ? get_database_oid(name, true) : InvalidOid;
	RemoteRequest request = {.nrenames = count};
	RemoteRequest answer = {.result = REMOTE_NOTHING};

	/* nobody gets into one that is being renamed */
	for (int i = 0; i < count; i++)
		if (renames[i].database && name != NULL &&
			(strcmp(renames[i].before, name) == 0 ||
			 strcmp(renames[i].after, name) == 0))
			return;
	if (!OidIsValid(database))
		return;
	(void) ask_worker(database, &request, renames, &answer);
	if (answer.result != REMOTE_DONE)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("jobs of pg_cron could not follow what was renamed or dropped"),
				 answer.result == REMOTE_FAILED ? errdetail_internal("%s.", answer.message) : 0,
				 errhint("Run SELECT workflow.sync_schedules() in each database with schedules.")));
}

void
cron_job_write_remote(const CronJob *job, Oid role, char *replaced)
{
	const char *name = cron_database();
	Oid			database = name ? get_database_oid(name, true) : InvalidOid;
	bool		removal = job->schedule[0] == '\0';
	RemoteRequest request = {.job = *job, .role = role};
	RemoteRequest answer;

	replaced[0] = '\0';
	if (!OidIsValid(database) && removal)
		return;
	if (!removal)
		require_cron_database(name, role);

	if (!ask_worker(database, &request, NULL, &answer) && !removal)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no worker could be started to write a job of pg_cron"),
				 errdetail("max_worker_processes are in use."),
				 errhint("Try again, or raise max_worker_processes.")));
	if (answer.result == REMOTE_DONE)
	{
		strlcpy(replaced, answer.replaced, NAMEDATALEN);
		return;
	}
	if (removal)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("job \"%s\" of pg_cron could not be removed", job->name),
				 answer.result == REMOTE_FAILED ? errdetail_internal("%s.", answer.message) : 0,
				 errhint("In database \"%s\", run DELETE FROM cron.job WHERE jobname = '%s' as a superuser.",
						 name, job->name)));
	else if (answer.result == REMOTE_NOTHING)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("the worker that was to write a job of pg_cron in database \"%s\" ended before it had", name),
				 errhint("The server's log says why.")));
	else
		ereport(ERROR,
				(errcode(answer.sqlerrcode),
				 errmsg_internal("%s", answer.message),
				 answer.detail[0] ? errdetail_internal("%s", answer.detail) : 0,
				 answer.hint[0] ? errhint("%s", answer.hint) : 0));
}

/* --- in the worker --- */

/* What went wrong, for the session. */
static void
report_error(RemoteRequest *request, const ErrorData *error)
{
	request->sqlerrcode = error->sqlerrcode;
	strlcpy(request->message, error->message ? error->message : "",
			sizeof(request->message));
	strlcpy(request->detail, error->detail ? error->detail : "",
			sizeof(request->detail));
	strlcpy(request->hint, error->hint ? error->hint : "",
			sizeof(request->hint));
	request->result = REMOTE_FAILED;
}

/*
 * Entry point; the argument is the handle of the segment.
 */
void
workflow_cron_writer_main(Datum argument)
{
	WorkerParameters parameters;
	dsm_segment *segment;
	RemoteRequest *request;
	MemoryContext context;

	worker_initialize(&parameters);
	segment = dsm_attach(DatumGetUInt32(argument));
	if (segment == NULL)
		return;					/* the session has given up */
	dsm_pin_mapping(segment);
	request = dsm_segment_address(segment);
	worker_connect(parameters.database, InvalidOid, "pg_workflow schedules");

	context = AllocSetContextCreate(TopMemoryContext,
									"pg_workflow job of pg_cron",
									ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (request->nrenames > 0)
			cron_jobs_rename(request->renames, request->nrenames);
		else
			cron_job_write(&request->job, request->role, request->replaced);
		PopActiveSnapshot();
		CommitTransactionCommand();
		request->result = REMOTE_DONE;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		report_error(request, CopyErrorData());
		FlushErrorState();
		AbortCurrentTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
}

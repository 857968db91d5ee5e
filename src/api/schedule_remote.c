/*-------------------------------------------------------------------------
 *
 * schedule_remote.c
 *	  Jobs of pg_cron in another database: a worker that writes one and ends.
 *
 * NOTES
 *	  A session cannot leave its database, and a connection by libpq would need a
 *	  password: a background worker connects as the role itself, so that pg_cron
 *	  decides about its rights.  The request goes to it in a segment of dynamic
 *	  shared memory, and what came of it comes back there.  The session waits for
 *	  the worker to end; it holds no lock but those of its own transaction.
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
	CronJob		job;
	RemoteResult result;
	int			sqlerrcode;
	char		message[1024];
	char		detail[1024];
	char		hint[1024];
} RemoteRequest;

/* --- in the session --- */

void
require_cron_database(const char *database, Oid role)
{
	Oid			oid = get_database_oid(database, true);
	char	   *problem;

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_DATABASE),
				 errmsg("schedules need pg_cron, whose database \"%s\" does not exist", database),
				 errhint("Set cron.database_name and restart the server.")));
	problem = role_cannot_run(role);
	if (problem == NULL && !compat_may_connect(oid, role))
		problem = psprintf("role \"%s\" is not permitted to connect to database \"%s\"",
						   GetUserNameFromId(role, false), database);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not make jobs of pg_cron", GetUserNameFromId(role, false)),
				 errdetail_internal("%s.", problem),
				 errhint("pg_cron is in database \"%s\": the role needs CONNECT there, USAGE on schema cron, and EXECUTE on cron.schedule_in_database().",
						 database)));
}

/* Run the worker and wait for its end. */
static void
run_worker(dsm_segment *segment, Oid database, Oid role)
{
	BackgroundWorkerHandle *handle;

	if (!register_cron_writer(database, role, dsm_segment_handle(segment), &handle))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no worker could be started to write a job of pg_cron"),
				 errdetail("max_worker_processes are in use."),
				 errhint("Try again, or raise max_worker_processes.")));
	if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED)
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("postmaster exited while a job of pg_cron was written")));
}

void
cron_job_write_remote(const CronJob *job, Oid role)
{
	const char *name = cron_database();
	Oid			database = name ? get_database_oid(name, true) : InvalidOid;
	bool		removal = job->schedule[0] == '\0';
	dsm_segment *segment;
	RemoteRequest *request;
	RemoteRequest answer;

	if (!OidIsValid(database) && removal)
		return;
	if (!removal)
		require_cron_database(name, role);

	segment = dsm_create(sizeof(RemoteRequest), 0);
	request = dsm_segment_address(segment);
	memset(request, 0, sizeof(RemoteRequest));
	request->job = *job;
	run_worker(segment, database, role);
	answer = *request;
	dsm_detach(segment);

	if (answer.result == REMOTE_DONE)
		return;
	if (removal)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("job \"%s\" of pg_cron could not be removed", job->name),
				 answer.result == REMOTE_FAILED ? errdetail_internal("%s.", answer.message) : 0,
				 errhint("In database \"%s\", run SELECT cron.unschedule('%s') as role \"%s\".",
						 name, job->name, GetUserNameFromId(role, true) ? GetUserNameFromId(role, true) : "")));
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
	strlcpy(request->message, error->message ? error->message : "", sizeof(request->message));
	strlcpy(request->detail, error->detail ? error->detail : "", sizeof(request->detail));
	strlcpy(request->hint, error->hint ? error->hint : "", sizeof(request->hint));
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
	worker_connect(parameters.database, parameters.role, "pg_workflow schedules");

	context = AllocSetContextCreate(TopMemoryContext, "pg_workflow job of pg_cron", ALLOCSET_DEFAULT_SIZES);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		cron_job_write(&request->job);
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

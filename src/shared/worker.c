/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  What launcher, scheduler and executors share: registration, signals,
 *	  connecting, sleeping.
 *
 * NOTES
 *	  Only the launcher is restarted by the postmaster.  A dynamic worker's
 *	  parameters are meaningless after a crash has wiped shared memory, so those
 *	  never are: the launcher starts schedulers, a scheduler starts executors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "shared/compat.h"
#include "shared/identity.h"
#include "shared/worker.h"

/* Seconds until the postmaster starts a launcher that ended again. */
#define LAUNCHER_RESTART_SECONDS 5

/* The parameters this process was started with. */
static WorkerParameters my_parameters;

static volatile sig_atomic_t asked_to_exit = false;
static volatile sig_atomic_t asked_by_others = false;

static void worker_describe(BackgroundWorker *worker, const char *type,
							const char *function);
static bool worker_register_dynamic(BackgroundWorker *worker,
									const WorkerParameters *parameters,
									BackgroundWorkerHandle **handle);
static void override_setting(const char *name, const char *value);

/* --- registration --- */

/* Fill in what all our workers have in common. */
static void
worker_describe(BackgroundWorker *worker, const char *type,
				const char *function)
{
	memset(worker, 0, sizeof(BackgroundWorker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker->bgw_library_name, sizeof(worker->bgw_library_name), "%s",
			 "pg_workflow");
	snprintf(worker->bgw_function_name, sizeof(worker->bgw_function_name), "%s",
			 function);
	snprintf(worker->bgw_type, sizeof(worker->bgw_type), "%s", type);
	snprintf(worker->bgw_name, sizeof(worker->bgw_name), "%s", type);
}

/*
 * Register the launcher.  Works while shared_preload_libraries are loaded only.
 */
void
register_launcher(void)
{
	BackgroundWorker worker;

	worker_describe(&worker, "pg_workflow launcher", "workflow_launcher_main");
	worker.bgw_restart_time = LAUNCHER_RESTART_SECONDS;
	RegisterBackgroundWorker(&worker);
}

/*
 * Register a dynamic worker; this process is notified when it starts and ends.
 * Returns false when max_worker_processes are in use.  *handle (handle may be
 * NULL) is allocated in the current memory context.
 */
static bool
worker_register_dynamic(BackgroundWorker *worker,
						const WorkerParameters *parameters,
						BackgroundWorkerHandle **handle)
{
	worker->bgw_notify_pid = MyProcPid;
	memcpy(worker->bgw_extra, parameters, sizeof(WorkerParameters));
	return RegisterDynamicBackgroundWorker(worker, handle);
}

/* Register the scheduler of a database; see worker_register_dynamic(). */
bool
register_scheduler(Oid database, uint32 generation,
				   BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;
	WorkerParameters parameters = {.database = database, .role = InvalidOid,
	.slot = -1, .generation = generation};

	worker_describe(&worker, "pg_workflow scheduler",
					"workflow_scheduler_main");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name),
			 "pg_workflow scheduler for database %u", database);
	return worker_register_dynamic(&worker, &parameters, handle);
}

/*
 * Register an executor of a database and a role; see worker_register_dynamic().
 */
bool
register_executor(Oid database, Oid role, int slot, uint32 generation,
				  BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;
	WorkerParameters parameters = {.database = database, .role = role,
	.slot = slot, .generation = generation};

	worker_describe(&worker, "pg_workflow executor", "workflow_executor_main");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name),
			 "pg_workflow executor for database %u, role %u", database, role);
	return worker_register_dynamic(&worker, &parameters, handle);
}

/*
 * Register a worker that writes a job of pg_cron; see
 * worker_register_dynamic().
 */
bool
register_cron_writer(Oid database, uint32 segment,
					 BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;
	WorkerParameters parameters = {.database = database, .role = InvalidOid, .slot = -1};

	worker_describe(&worker, "pg_workflow cron writer",
					"workflow_cron_writer_main");
	worker.bgw_main_arg = UInt32GetDatum(segment);
	return worker_register_dynamic(&worker, &parameters, handle);
}

/* --- in the worker --- */

/*
 * SIGTERM: as in a backend; the server's own note of it is gone when the exit
 * begins.  A step can end its own process, and is to blame for it then: the
 * sender tells.
 */
static void
handle_sigterm(int signal_number, siginfo_t *info,
			   void *context pg_attribute_unused())
{
	int			save_errno = errno;

	asked_to_exit = true;
	if (info == NULL || info->si_pid != MyProcPid)
		asked_by_others = true;
	die(signal_number);
	errno = save_errno;
}

bool
worker_terminated_by_others(void)
{
	return asked_by_others;
}

/*
 * SIGINT where no user's SQL runs: the end of a wait for a lock is sent by
 * ourselves, and somebody who means a statement of ours means the wrong one.
 */
static void
handle_sigint(SIGNAL_ARGS)
{
	if (get_timeout_indicator(LOCK_TIMEOUT, false))
		StatementCancelHandler(postgres_signal_arg);
}

bool
worker_asked_to_exit(void)
{
	return asked_to_exit;
}

/*
 * First thing in each worker: install the signal handlers, unblock signals,
 * give back the parameters (NULL when there are none: the launcher).
 *
 * SIGTERM is die() and a note that it came, not the default of background
 * workers, which raises FATAL inside the handler.  SIGINT cancels the user's
 * SQL in an executor; the others run none, and a query cancelled by mistake
 * would end them.
 */
void
worker_initialize(WorkerParameters *parameters)
{
	struct sigaction terminate = {.sa_sigaction = handle_sigterm,.sa_flags = SA_SIGINFO | SA_RESTART};

	if (parameters != NULL)
	{
		memcpy(&my_parameters, MyBgworkerEntry->bgw_extra,
			   sizeof(WorkerParameters));
		*parameters = my_parameters;
	}

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	sigemptyset(&terminate.sa_mask);
	sigaction(SIGTERM, &terminate, NULL);
	pqsignal(SIGINT,
			 OidIsValid(my_parameters.role) ? StatementCancelHandler :
											  handle_sigint);
	BackgroundWorkerUnblockSignals();
}

/*
 * Connect.  Without a database: to the shared catalogs only.  Without a role:
 * as the bootstrap superuser, with every setting that could stop or mislead a
 * worker of our own put right.  With a role: as that role, with the settings
 * the role and the database have been given.
 */
void
worker_connect(Oid database, Oid role, const char *application_name)
{
	/*
	 * It would end the process, for any transaction that is longer: a step has
	 * limits of its own.  Connecting is a transaction, too.
	 */
	if (COMPAT_HAS_TRANSACTION_TIMEOUT)
		override_setting("transaction_timeout", "0");
	BackgroundWorkerInitializeConnectionByOid(
		database, role, OidIsValid(role) ? COMPAT_EXECUTOR_CONNECT_FLAGS : 0);

	SetConfigOption("application_name", application_name, PGC_USERSET,
					PGC_S_SESSION);
	/* an error ends a transaction of ours, or a step, never the process */
	override_setting("exit_on_error", "off");

	if (!OidIsValid(role))
	{
		override_setting("statement_timeout", "0");
		override_setting("lock_timeout", "0");
		override_setting("idle_in_transaction_session_timeout", "0");
		override_setting("default_transaction_isolation", "read committed");
		override_setting("default_transaction_read_only", "off");
		override_setting("default_transaction_deferrable", "off");
		override_setting("zero_damaged_pages", "off");
		override_setting("search_path", OWNER_SEARCH_PATH);
	}
	else
	{
		/* what watches over the role's sessions watches over its steps */
		StartTransactionCommand();
		(void) GetTransactionSnapshot();	/* as in a session that begins */
		process_session_preload_libraries();
		CommitTransactionCommand();
	}
}

/* Set something for the life of this process, above every other source. */
static void
override_setting(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * Sleep until the latch is set or for at most timeout ms (-1: for ever), then
 * do what a process must do regularly: die when asked, absorb barriers and
 * invalidations, reload the configuration.  Call it outside a transaction.
 *
 * The server resets the latch, too, where it waits in a transaction, for a lock
 * say: what has to be noticed is looked for between the last transaction and
 * this.
 */
void
worker_sleep(long timeout, uint32 wait_event)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	CHECK_FOR_INTERRUPTS();

	if (ConfigReloadPending)
		timeout = 0;
	if (timeout >= 0)
		events |= WL_TIMEOUT;
	(void) WaitLatch(MyLatch, events, Min(timeout, INT_MAX), wait_event);
	ResetLatch(MyLatch);

	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (!IsTransactionState())
		AcceptInvalidationMessages();
}

/* --- wait events --- */

/* The launcher, asleep. */
uint32
wait_event_launcher(void)
{
	static uint32 event = 0;

	return compat_wait_event(&event, "WorkflowLauncherMain");
}

/* A scheduler, asleep. */
uint32
wait_event_scheduler(void)
{
	static uint32 event = 0;

	return compat_wait_event(&event, "WorkflowSchedulerMain");
}

/* An executor without a run. */
uint32
wait_event_executor(void)
{
	static uint32 event = 0;

	return compat_wait_event(&event, "WorkflowExecutorMain");
}

/* A session in workflow.wait(). */
uint32
wait_event_finished(void)
{
	static uint32 event = 0;

	return compat_wait_event(&event, "WorkflowExecutionEnd");
}

/* A session that waits for the workers of a database to go. */
uint32
wait_event_hold(void)
{
	static uint32 event = 0;

	return compat_wait_event(&event, "WorkflowWorkersEnd");
}

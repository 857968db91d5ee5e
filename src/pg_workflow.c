/*-------------------------------------------------------------------------
 *
 * pg_workflow.c
 *	  Entry of the module, and the map of the house.
 *
 * NOTES
 *	  The way of a workflow from its definition to a committed step, and where
 *	  it is written down (docs/architecture has the reasons):
 *
 *	  workflow.define()         src/api checks arguments and rights; src/definition
 *	  |                         reads the document (json.c), collects every problem,
 *	  |                         brings it into the stored form and builds the plan,
 *	  |                         the array of nodes that everything else walks;
 *	  |                         src/state/definitions.c writes the row.
 *	  workflow.start()          src/state/executions.c inserts the execution in the
 *	  |                         caller's transaction; wake_at_commit()
 *	  |                         (src/shared/wake.c) wakes the scheduler when it commits.
 *	  launcher                  src/scheduler/launcher.c keeps one scheduler for each
 *	  |                         database that has the extension.
 *	  scheduler                 src/scheduler/scheduler.c claims pending executions,
 *	  |                         keeps ready runs, joins and timers in its memory, and
 *	  |                         puts a run into the slot of an idle executor
 *	  |                         (src/shared/slots.c), starting one when needed.
 *	  executor                  src/executor/executor.c, connected as the role that
 *	  |                         called start(), takes the run out of its slot;
 *	  |                         src/executor/drive.c drives the thread: one transaction
 *	  |                         for each leaf step.
 *	  interpreter               src/interpreter/thread.c says what comes next: run this
 *	  |                         SQL, hand out these children, or the end.  run_sql.c
 *	  |                         runs the user's SQL with values bound; evaluate.c
 *	  |                         evaluates conditions and templates over jsonb.
 *	  commit                    the rows the thread has produced meanwhile wait in
 *	                            the journal (src/interpreter/journal.c) and are
 *	                            written through src/state in the transaction of
 *	                            the user's SQL.  The executor goes on with the
 *	                            next step; the scheduler hears of it when the
 *	                            thread ends, forks or gives way.
 *
 *	  workflow.execute() takes the same way without processes: the interpreter's
 *	  other driver, src/interpreter/inline.c, runs the steps in the caller's
 *	  transaction.  It needs no shared memory, so it works when the library is
 *	  not preloaded.
 *
 *	  What anybody may use is in src/shared: databases.c, slots.c, my_slot.c,
 *	  shares.c and breakers.c (shared memory), holds.c, wake.c, worker.c
 *	  (registration, signals, connecting, sleeping), identity.c (becoming the
 *	  extension's owner), settings.c, fault.h and compat.h (server versions).
 *	  src/api/utility_hook.c keeps our processes out of the way of DROP DATABASE
 *	  and the like.  src/schema is the SQL of the extension.
 *
 *	  Includes point one way: api, scheduler and executor use interpreter, which
 *	  uses state, which uses definition; everything may use shared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"

#include "api/permission_hints.h"
#include "api/utility_hook.h"
#include "interpreter/steps/step_ops.h"
#include "shared/black_box.h"
#include "shared/breakers.h"
#include "shared/compat.h"
#include "shared/settings.h"
#include "shared/shared_memory.h"
#include "shared/worker.h"

COMPAT_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static shmem_request_hook_type previous_shmem_request_hook = NULL;
static shmem_startup_hook_type previous_shmem_startup_hook = NULL;

static void workflow_shmem_request(void);
static void workflow_shmem_startup(void);

/*
 * Called when the library is loaded.  Without shared_preload_libraries, and in
 * a pg_upgrade, there are settings and functions but no processes.
 */
void
_PG_init(void)
{
	define_settings();
	step_ops_initialize();

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	previous_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = workflow_shmem_request;
	previous_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = workflow_shmem_startup;
	install_utility_hook();
	install_black_box();
	install_permission_hints();
	register_launcher();
}

/* shmem_request_hook: how much shared memory we need. */
static void
workflow_shmem_request(void)
{
	if (previous_shmem_request_hook)
		previous_shmem_request_hook();
	shared_memory_request();
	breakers_request_shmem();
}

/* shmem_startup_hook: make or find it. */
static void
workflow_shmem_startup(void)
{
	if (previous_shmem_startup_hook)
		previous_shmem_startup_hook();
	shared_memory_init();
	breakers_init_shmem();
}

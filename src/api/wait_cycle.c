/*-------------------------------------------------------------------------
 *
 * wait_cycle.c
 *	  What a session that waits for an execution must not do: keep a snapshot,
 *	  or wait for itself.
 *
 * NOTES
 *	  Runs in sessions.  CREATE INDEX CONCURRENTLY and its like wait for whoever
 *	  has an older snapshot, and any step for whoever has the lock it needs.  If
 *	  that is the session that waits for the execution, each waits for the
 *	  other, and the server's deadlock detector sees one half of it only: the
 *	  wait for an execution is a condition variable's.  This is the other half.
 *	  It may lead over several sessions that wait for executions, so each shows
 *	  which one in shared memory.  All that are in a cycle look for it; the
 *	  first to find it ends with the error.
 *
 *	  Only what processes wait for is followed.  An execution that waits for its
 *	  turn (a limit, a free executor) waits for no process.
 *
 *	  Like the detector it looks after deadlock_timeout; then later and
 *	  later, since the step that comes into the way may be the execution's last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "tcop/pquery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/wait_cycle.h"
#include "shared/clock.h"
#include "shared/registry.h"

/* The time between two looks at most, ms. */
#define LONGEST_INTERVAL_MS 30000

/* Processes that are looked at, the execution's executors first. */
#define MAX_PROCESSES 128

/* Processes on the way from an execution, each once. */
typedef struct Processes
{
	int			count;
	int			pids[MAX_PROCESSES];
} Processes;

static pg_atomic_uint64 *
waits_for_of(const PGPROC *process)
{
	return &registry->waits_for[process - ProcGlobal->allProcs];
}

void
wait_cycle_begin(WaitCycleCheck *check, int64 execution_id, bool in_transaction)
{
	check->execution_id = execution_id;
	check->in_transaction = in_transaction;
	check->interval_ms = DeadlockTimeout;
	check->look_at = TimestampTzPlusMilliseconds(steady_now(),
												 check->interval_ms);
	check->released = NULL;
	if (registry != NULL)
		pg_atomic_write_u64(waits_for_of(MyProc), (uint64) execution_id);
}

void
wait_cycle_end(int code pg_attribute_unused(),
			   Datum argument pg_attribute_unused())
{
	if (registry != NULL)
		pg_atomic_write_u64(waits_for_of(MyProc), 0);
}

long
wait_cycle_next_look(const WaitCycleCheck *check)
{
	return TimestampDifferenceMilliseconds(steady_now(), check->look_at) + 1;
}

static void
add_process(Processes *processes, int pid)
{
	for (int i = 0; i < processes->count; i++)
		if (processes->pids[i] == pid)
			return;
	if (processes->count < MAX_PROCESSES)
		processes->pids[processes->count++] = pid;
}

/*
 * Does the run of an executor have to go on for the execution to end?  The
 * slot's lock is held.  Executions of one run come one after the other, and may
 * share a transaction; those before it have ended.
 */
static bool
run_concerns(const Slot *slot, int64 execution_id)
{
	const Run  *run = &slot->run;
	const Progress *progress = &slot->progress;
	bool		behind = progress->execution_id == 0;

	if (run->kind != RUN_START)
		return run->execution_ids[0] == execution_id;
	for (int i = 0; i < run->nexecutions; i++)
	{
		behind = behind || run->execution_ids[i] == progress->execution_id ||
			i == progress->shared_from;
		if (behind && run->execution_ids[i] == execution_id)
			return true;
	}
	return false;
}

/*
 * The executors that an execution of a database waits for.  Others go on for
 * one in trouble.
 */
static void
add_executors(Processes *processes, Oid database, int64 execution_id)
{
	for (int i = 0; i < registry->nslots; i++)
	{
		Slot	   *slot = &registry->slots[i];
		int			pid = 0;

		SpinLockAcquire(&slot->mutex);
		if (slot->state == SLOT_RUNNING && slot->database == database &&
			slot->trouble == TROUBLE_NONE && run_concerns(slot, execution_id))
			pid = slot->pid;
		SpinLockRelease(&slot->mutex);
		if (pid != 0)
			add_process(processes, pid);
	}
}

/* The processes that one waits for in the server's own ways. */
static void
add_blockers(Processes *processes, int pid)
{
	ArrayType  *array = DatumGetArrayTypeP(
		DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(pid)));
	const int  *blockers = (const int *) ARR_DATA_PTR(array);
	int			nblockers = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	/* 0: a prepared transaction, which waits for nobody */
	for (int i = 0; i < nblockers; i++)
		if (blockers[i] != 0)
			add_process(processes, blockers[i]);
}

/* A session that waits for an execution waits for its executors. */
static void
add_waited_for(Processes *processes, int pid)
{
	PGPROC	   *process = BackendPidGetProc(pid);
	uint64		execution_id = process != NULL ?
		pg_atomic_read_u64(waits_for_of(process)) :
		0;

	if (execution_id != 0)
		add_executors(processes, process->databaseId, (int64) execution_id);
}

/*
 * Does the way from the execution lead back to this session?
 */
static bool
leads_to_me(int64 execution_id)
{
	Processes	processes = {0};

	add_executors(&processes, MyDatabaseId, execution_id);
	for (int i = 0; i < processes.count; i++)
	{
		if (processes.pids[i] == MyProcPid)
			return true;
		CHECK_FOR_INTERRUPTS();
		add_blockers(&processes, processes.pids[i]);
		add_waited_for(&processes, processes.pids[i]);
	}
	return false;
}

/*
 * Is this session one that has to give in?  Each process is looked at in
 * another moment, so a cycle may never have been there as a whole: one that is
 * there stays, and is seen again.  Who gives in is not seen any more by those
 * that look next.
 */
static bool
is_victim(const WaitCycleCheck *check)
{
	bool		result;

	if (!leads_to_me(check->execution_id))
		return false;
	LWLockAcquire(registry->cycle_lock, LW_EXCLUSIVE);
	result = leads_to_me(check->execution_id);
	if (result)
		pg_atomic_write_u64(waits_for_of(MyProc), 0);
	LWLockRelease(registry->cycle_lock);
	return result;
}

void
wait_cycle_look(WaitCycleCheck *check)
{
	TimestampTz now = steady_now();

	if (now < check->look_at)
		return;
	check->interval_ms = Min(2 * (int64) check->interval_ms,
							 LONGEST_INTERVAL_MS);
	check->look_at = TimestampTzPlusMilliseconds(now, check->interval_ms);

	if (is_victim(check))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_DEADLOCK_DETECTED),
				 errmsg("execution %lld waits for this session, which waits for it",
						(long long) check->execution_id),
				 check->in_transaction ?
				 errdetail("Its step needs a lock that this transaction or session holds, or that no transaction has a snapshot as old as this one's; itself, or by way of others that wait.") :
				 errdetail("Its step needs an advisory lock that this session holds; itself, or by way of others that wait."),
				 check->in_transaction ?
				 errhint("Commit before waiting, and let go of the session's advisory locks, or use CALL workflow.run(), which waits outside of transactions.") :
				 errhint("Let go of the session's advisory locks before calling it.")));
}

/* --- the statement's snapshot --- */

/*
 * Does a query read no table, so that its snapshot is needed by nothing it has
 * begun?
 */
static bool
reads_no_table(const PlannedStmt *plan)
{
	ListCell   *cell;

	if (plan->commandType != CMD_SELECT || plan->hasModifyingCTE)
		return false;
	foreach(cell, plan->rtable)
		if (lfirst_node(RangeTblEntry, cell)->rtekind == RTE_RELATION)
			return false;
	return true;
}

void
statement_snapshot_release(WaitCycleCheck *check)
{
	QueryDesc  *query = ActivePortal != NULL ? ActivePortal->queryDesc : NULL;

	Assert(check->released == NULL);
	/*
	 * What the statement's executor and its portal have; a function in between
	 * has its own, unless it is not volatile.  One that has begun a
	 * subtransaction may catch an error: then what called it goes on, with the
	 * snapshot.
	 */
	if (query == NULL || query->estate == NULL || IsolationUsesXactSnapshot() ||
		ActivePortal->activeSubid != GetCurrentSubTransactionId() ||
		!ActiveSnapshotSet() || GetActiveSnapshot() != query->snapshot ||
		query->estate->es_snapshot != query->snapshot ||
		!reads_no_table(query->plannedstmt))
		return;
	PopActiveSnapshot();
	UnregisterSnapshotFromOwner(query->estate->es_snapshot,
								ActivePortal->resowner);
	UnregisterSnapshotFromOwner(query->snapshot, ActivePortal->resowner);
	query->estate->es_snapshot = InvalidSnapshot;
	query->snapshot = InvalidSnapshot;
	InvalidateCatalogSnapshotConditionally();
	check->released = query;
}

void
statement_snapshot_take(WaitCycleCheck *check)
{
	QueryDesc  *query = check->released;
	Snapshot	snapshot;

	if (query == NULL)
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	snapshot = GetActiveSnapshot();
	query->snapshot = RegisterSnapshotOnOwner(snapshot, ActivePortal->resowner);
	query->estate->es_snapshot =
		RegisterSnapshotOnOwner(snapshot, ActivePortal->resowner);
	check->released = NULL;
}

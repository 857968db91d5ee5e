/*-------------------------------------------------------------------------
 *
 * wait_cycle.c
 *	  What a session that waits for an execution must not do: keep a snapshot,
 *	  or wait for itself.
 *
 * NOTES
 *	  Runs in sessions.  CREATE INDEX CONCURRENTLY and its like wait for whoever
 *	  has an older snapshot, and any step for whoever has the lock it needs.  If that
 *	  is the session that waits for the execution, each waits for the other,
 *	  and the server's deadlock detector sees one half of it only: the wait for an
 *	  execution is a condition variable's.  This is the other half.
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
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/wait_cycle.h"
#include "shared/slots.h"

/* The time between two looks at most, ms. */
#define LONGEST_INTERVAL_MS 30000

/* Processes that are looked at, the execution's executors first. */
#define MAX_PROCESSES 128

void
wait_cycle_begin(WaitCycleCheck *check, int64 execution_id)
{
	check->execution_id = execution_id;
	check->interval_ms = DeadlockTimeout;
	check->look_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), check->interval_ms);
	check->released = NULL;
}

long
wait_cycle_next_look(const WaitCycleCheck *check)
{
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), check->look_at) + 1;
}

/* The executors that run steps of an execution of this database; returns how many. */
static int
executors_of(int64 execution_id, int *pids, int max)
{
	int			count = 0;

	for (int i = 0; i < registry->nslots && count < max; i++)
	{
		Slot	   *slot = &registry->slots[i];

		SpinLockAcquire(&slot->mutex);
		if (slot->state == SLOT_RUNNING && slot->database == MyDatabaseId &&
			slot->progress.execution_id == execution_id)
			pids[count++] = slot->pid;
		SpinLockRelease(&slot->mutex);
	}
	return count;
}

/*
 * Add the processes that one waits for, if they are not there yet.  Returns false when
 * this session is one of them.
 */
static bool
add_blockers(int pid, int *pids, int *count)
{
	ArrayType  *array = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(pid)));
	const int  *blockers = (const int *) ARR_DATA_PTR(array);
	int			nblockers = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	for (int i = 0; i < nblockers; i++)
	{
		bool		found = false;

		if (blockers[i] == MyProcPid)
			return false;
		for (int j = 0; j < *count && !found; j++)
			found = pids[j] == blockers[i];
		/* 0: a prepared transaction, which waits for nobody */
		if (!found && blockers[i] != 0 && *count < MAX_PROCESSES)
			pids[(*count)++] = blockers[i];
	}
	return true;
}

void
wait_cycle_look(WaitCycleCheck *check)
{
	int			pids[MAX_PROCESSES];
	int			count;
	TimestampTz now = GetCurrentTimestamp();

	if (now < check->look_at)
		return;
	check->interval_ms = Min(2 * (int64) check->interval_ms, LONGEST_INTERVAL_MS);
	check->look_at = TimestampTzPlusMilliseconds(now, check->interval_ms);

	count = executors_of(check->execution_id, pids, MAX_PROCESSES);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!add_blockers(pids[i], pids, &count))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_DEADLOCK_DETECTED),
					 errmsg("execution %lld waits for this session, which waits for it",
							(long long) check->execution_id),
					 errdetail("Its step needs a lock that this transaction holds, or that no transaction has a snapshot as old as this one's."),
					 errhint("Commit before waiting, or use CALL workflow.run(), which waits outside of transactions.")));
	}
}

/* --- the statement's snapshot --- */

/* Does a query read no table, so that its snapshot is needed by nothing it has begun? */
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
	/* what the statement's executor and its portal have; a function in between has its own */
	if (query == NULL || query->estate == NULL || IsolationUsesXactSnapshot() ||
		!ActiveSnapshotSet() || GetActiveSnapshot() != query->snapshot ||
		query->estate->es_snapshot != query->snapshot || !reads_no_table(query->plannedstmt))
		return;
	PopActiveSnapshot();
	UnregisterSnapshotFromOwner(query->estate->es_snapshot, ActivePortal->resowner);
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
	query->estate->es_snapshot = RegisterSnapshotOnOwner(snapshot, ActivePortal->resowner);
	check->released = NULL;
}

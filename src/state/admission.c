/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  The table workflow.executions: claimed ones that may not run, those that
 *	  wait for room under a limit, and how many there are.
 *
 * NOTES
 *	  The first two in the scheduler, counting in sessions.  A claim takes
 *	  executions without asking for limits; those that are over one are put back
 *	  in the same transaction, marked "limited", and are in an index by workflow
 *	  and tenant from then on.  So an execution is put back once at most,
 *	  however long it waits, and what waits is in nobody's way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "shared/fault.h"
#include "shared/wake.h"
#include "state/admission.h"
#include "state/announce.h"
#include "state/private.h"

static const Oid ids_types[] = {INT8ARRAYOID};

/*
 * The claim, in this transaction, has set it; who has begun before, and was
 * paused say, keeps it, also when the first of its steps has not ended yet.
 */
#define STARTED_AS_BEFORE \
	"CASE WHEN e.started_at OPERATOR(pg_catalog.<) pg_catalog.now() OR EXISTS (SELECT FROM workflow.step_executions AS s" \
	" WHERE s.execution_id OPERATOR(pg_catalog.=) e.id) THEN e.started_at END"

static StateStatement set_aside_statement = {
	"UPDATE workflow.executions AS e SET status = 'pending', limited = true, started_at = " STARTED_AS_BEFORE
	" WHERE e.id OPERATOR(pg_catalog.=) ANY ($1)",
	lengthof(ids_types), ids_types, NULL
};

static StateStatement block_statement = {
	/* how it ends may have been decided: that is kept */
	"UPDATE workflow.executions AS e SET status = 'blocked',"
	" error_type = CASE WHEN e.ending IS NULL THEN 'WorkflowBlocked' ELSE e.error_type END,"
	" error = CASE WHEN e.ending IS NOT NULL THEN e.error"
	" ELSE pg_catalog.jsonb_build_object('type', 'WorkflowBlocked', 'sqlstate', '55000',"
	" 'message', pg_catalog.format('workflow \"%s\" is blocked', e.workflow),"
	" 'detail', (SELECT b.reason FROM workflow.blocked_workflows AS b"
	"  WHERE b.workflow OPERATOR(pg_catalog.=) e.workflow AND b.unblocked_at IS NULL"
	"  AND (b.role IS NULL OR b.role::pg_catalog.oid OPERATOR(pg_catalog.=) e.role::pg_catalog.oid)"
	"  ORDER BY b.id LIMIT 1),"
	" 'hint', 'It is queued again by workflow.unblock().') END, started_at = " STARTED_AS_BEFORE
	" FROM (SELECT id FROM workflow.executions WHERE id OPERATOR(pg_catalog.=) ANY ($1)"
	"  AND status OPERATOR(pg_catalog.=) 'running'::pg_catalog.text FOR UPDATE SKIP LOCKED) AS x"
	" WHERE e.id OPERATOR(pg_catalog.=) x.id"
	RETURNING_STATUS,
	lengthof(ids_types), ids_types, NULL
};

/* The columns and conditions of executions_limited_idx. */
#define IS_WAITING "status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND limited"
#define TENANT "COALESCE(tenant, ''::pg_catalog.text)"
#define NEXT_GROUP \
	"SELECT workflow, " TENANT " AS tenant, role::pg_catalog.oid AS role FROM workflow.executions WHERE " IS_WAITING
#define ORDER_OF_GROUPS " ORDER BY workflow, " TENANT ", role LIMIT 1"

/* Of one group; the first parameter is how many. */
#define IN_GROUP \
	" AND workflow OPERATOR(pg_catalog.=) $2 AND " TENANT " OPERATOR(pg_catalog.=) $3" \
	" AND role OPERATOR(pg_catalog.=) $4 ORDER BY priority DESC, id"
static const Oid group_types[] = {INT4OID, TEXTOID, TEXTOID, OIDOID};

/*
 * From one group to the next by the index: what waits in between is not read.
 */
#define GROUPS \
	"WITH RECURSIVE groups AS ((" NEXT_GROUP ORDER_OF_GROUPS ")" \
	" UNION ALL SELECT n.workflow, n.tenant, n.role FROM groups AS g CROSS JOIN LATERAL (" \
	NEXT_GROUP " AND ROW(workflow, " TENANT ", role) OPERATOR(pg_catalog.>) ROW(g.workflow, g.tenant, g.role)" ORDER_OF_GROUPS \
	") AS n)"

static StateStatement groups_statement = {
	GROUPS " SELECT workflow, tenant, role FROM groups",
	0, NULL, NULL
};

static StateStatement claim_statement = {
	CLAIM_SET " FROM workflow.executions WHERE " IS_WAITING IN_GROUP CLAIM_END,
	lengthof(group_types), group_types, NULL
};

static StateStatement left_statement = {
	"SELECT 1 FROM workflow.executions WHERE " IS_WAITING IN_GROUP " LIMIT $1",
	lengthof(group_types), group_types, NULL
};

static const Oid active_types[] = {TEXTOID, INT4OID};
static StateStatement active_statement = {
	"SELECT pg_catalog.count(*) FROM (SELECT FROM workflow.executions WHERE counted"
	" AND status OPERATOR(pg_catalog.=) ANY ('{pending,running,cancelling}'::pg_catalog.text[])"
	" AND workflow OPERATOR(pg_catalog.=) $1 LIMIT $2) AS active",
	lengthof(active_types), active_types, NULL
};

/*
 * What is queued again, having waited, been paused or failed before, was let
 * in when it was started.
 */
#define NOT_BEGUN " AND started_at IS NULL"

/*
 * Each in the order of its index, as it is written there, so that no more is
 * read: but for what has begun, which is passed over.
 */
static const Oid pending_types[] = {INT4OID};
static StateStatement pending_statement = {
	"WITH RECURSIVE " ROLES("deferred", DEFERRED)
	" SELECT pg_catalog.count(*) FROM ("
	"(SELECT" QUEUED NOT_BEGUN " ORDER BY role::pg_catalog.oid, priority DESC, id LIMIT $1)"
	" UNION ALL (SELECT FROM deferred AS d CROSS JOIN LATERAL (SELECT" DEFERRED NOT_BEGUN
	"  AND role OPERATOR(pg_catalog.=) d.role AND start_at OPERATOR(pg_catalog.<=) pg_catalog.now() LIMIT $1) AS due LIMIT $1)"
	" UNION ALL (SELECT FROM workflow.executions WHERE " IS_WAITING NOT_BEGUN
	"  ORDER BY workflow, " TENANT " LIMIT $1)"
	" LIMIT $1) AS waiting",
	lengthof(pending_types), pending_types, NULL
};

static const Oid pending_of_types[] = {INT4OID, OIDOID, BOOLOID};
static StateStatement pending_of_statement = {
	GROUPS " SELECT pg_catalog.count(*) FROM ("
	"(SELECT" QUEUED NOT_BEGUN " AND role OPERATOR(pg_catalog.=) $2 LIMIT $1)"
	" UNION ALL (SELECT" DEFERRED NOT_BEGUN
	"  AND role OPERATOR(pg_catalog.=) $2"
	"  AND (NOT $3 OR start_at OPERATOR(pg_catalog.<=) pg_catalog.now()) LIMIT $1)"
	" UNION ALL (SELECT FROM groups AS g CROSS JOIN LATERAL ("
	"SELECT FROM workflow.executions WHERE " IS_WAITING NOT_BEGUN
	"  AND workflow OPERATOR(pg_catalog.=) g.workflow AND " TENANT " OPERATOR(pg_catalog.=) g.tenant"
	"  AND role OPERATOR(pg_catalog.=) $2 LIMIT $1) AS w WHERE g.role OPERATOR(pg_catalog.=) $2 LIMIT $1)"
	" LIMIT $1) AS waiting",
	lengthof(pending_of_types), pending_of_types, NULL
};

/* As in executions_start_at_idx. */
#define WAITS_FOR_OTHERS(e) \
	e ".status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND NOT " e ".limited" \
	" AND " e ".start_at OPERATOR(pg_catalog.=) 'infinity'::pg_catalog.timestamptz"
#define WAITING_SCHEDULES \
	"SELECT DISTINCT x.schedule_id FROM workflow.executions AS x WHERE " WAITS_FOR_OTHERS("x") \
	" AND x.schedule_id IS NOT NULL"

/*
 * A session decides about a schedule under a lock on its row, and what it
 * decides is seen behind that lock only; so the count is another statement.
 */
static StateStatement lock_schedules_statement = {
	"SELECT s.id FROM workflow.schedule_entries AS s WHERE s.id OPERATOR(pg_catalog.=) ANY"
	" (ARRAY(" WAITING_SCHEDULES ")) FOR UPDATE SKIP LOCKED",
	0, NULL, NULL
};

/* What waits for a schedule that is gone waits for nothing. */
static const Oid release_types[] = {INT4ARRAYOID};
static StateStatement release_statement = {
	"UPDATE workflow.executions AS e SET start_at = NULL FROM (" WAITING_SCHEDULES ") AS w"
	" LEFT JOIN workflow.schedule_entries AS s ON s.id OPERATOR(pg_catalog.=) w.schedule_id"
	" CROSS JOIN LATERAL (SELECT n.id FROM workflow.executions AS n"
	"  WHERE n.schedule_id OPERATOR(pg_catalog.=) w.schedule_id AND " WAITS_FOR_OTHERS("n")
	"  ORDER BY n.id LIMIT CASE WHEN s.id IS NULL THEN NULL ELSE GREATEST(0, s.max_concurrent_runs OPERATOR(pg_catalog.-)"
	"   (SELECT pg_catalog.count(*) FROM workflow.executions AS o"
	"    WHERE o.schedule_id OPERATOR(pg_catalog.=) w.schedule_id AND " NOT_ENDED("o")
	"    AND NOT " WAITS_FOR_SCHEDULE("o") ")) END FOR UPDATE SKIP LOCKED) AS due"
	" WHERE e.id OPERATOR(pg_catalog.=) due.id"
	" AND (s.id IS NULL OR s.id OPERATOR(pg_catalog.=) ANY ($1))",
	lengthof(release_types), release_types, NULL
};

static StateStatement waiting_schedules_statement = {WAITING_SCHEDULES, 0, NULL,
													 NULL};

static void
change_all(StateStatement *statement, const int64 *ids, int count)
{
	Datum		value;

	if (count == 0)
		return;
	value = state_ids(ids, count);
	state_execute(statement, &value, NULL);
}

void
executions_set_aside(const int64 *ids, int count)
{
	change_all(&set_aside_statement, ids, count);
	if (count > 0)
		fault_point("execution.set_aside");
}

int
executions_block(int64 *ids, int count)
{
	Datum		value;
	int			nrows;

	if (count == 0)
		return 0;
	value = state_ids(ids, count);
	nrows = (int) state_query(&block_statement, &value, NULL, false, 0);
	announce_statuses(nrows);
	for (int i = 0; i < nrows; i++)
		ids[i] = state_column_int64(i, 1);
	state_done();
	/* a wait for one that does not go on by itself is over */
	for (int i = 0; i < nrows; i++)
		wake_waiters_at_commit(ids[i]);
	fault_point("execution.blocked");
	return nrows;
}

int
executions_waiting_groups(GroupName **groups)
{
	uint64		nrows = state_query(&groups_statement, NULL, NULL, false, 0);

	*groups = palloc_extended(Max(nrows, 1) * sizeof(GroupName), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		(*groups)[i].workflow = state_column_text(i, 1);
		(*groups)[i].tenant = state_column_text(i, 2);
		(*groups)[i].role = DatumGetObjectId(state_column(i, 3, &isnull));
	}
	state_done();
	return (int) nrows;
}

/* The parameters of IN_GROUP. */
static void
set_group(Datum *values, const GroupName *group, int limit)
{
	values[0] = Int32GetDatum(limit);
	values[1] = CStringGetTextDatum(group->workflow);
	values[2] = CStringGetTextDatum(group->tenant);
	values[3] = ObjectIdGetDatum(group->role);
}

int
executions_claim_waiting(const GroupName *group, int limit,
						 ClaimedExecution **claimed)
{
	Datum		values[lengthof(group_types)];

	set_group(values, group, limit);
	return executions_read_claims(&claim_statement, values, claimed);
}

bool
executions_waiting_left(const GroupName *group)
{
	Datum		values[lengthof(group_types)];
	bool		left;

	set_group(values, group, 1);
	left = state_query(&left_statement, values, NULL, false, 1) > 0;
	state_done();
	return left;
}

int
executions_release_scheduled(bool *waits, bool *locked)
{
	int			nwaiting = (int) state_query(&waiting_schedules_statement, NULL, NULL, false, 0);
	int			nlocked;
	int			released;
	Datum	   *ids;
	Datum		value;

	state_done();
	*waits = nwaiting > 0;
	*locked = false;
	if (nwaiting == 0)
		return 0;
	nlocked = (int) state_query(&lock_schedules_statement, NULL, NULL, false,
								0);
	ids = palloc(Max(nlocked, 1) * sizeof(Datum));
	for (int i = 0; i < nlocked; i++)
		ids[i] = Int32GetDatum(state_column_int32(i, 1));
	state_done();
	value = PointerGetDatum(construct_array(ids, nlocked, INT4OID,
											sizeof(int32), true, TYPALIGN_INT));
	released = (int) state_execute(&release_statement, &value, NULL);
	if (released > 0)
		fault_point("execution.released");
	/* of those that are gone as well: what waited for them waits no more */
	*locked = nwaiting > nlocked;
	return released;
}

/* Run a statement that counts no more than an argument of it says. */
static int
read_count(StateStatement *statement, Datum *values)
{
	int			count;

	state_query(statement, values, NULL, false, 1);
	count = (int) state_column_int64(0, 1);
	state_done();
	return count;
}

int
executions_count_active(const char *workflow, int limit)
{
	Datum		values[] = {CStringGetTextDatum(workflow), Int32GetDatum(limit)};

	return read_count(&active_statement, values);
}

int
executions_count_pending(int limit)
{
	Datum		value = Int32GetDatum(limit);

	return read_count(&pending_statement, &value);
}

int
executions_count_pending_of(Oid role, bool due, int limit)
{
	Datum		values[] = {Int32GetDatum(limit), ObjectIdGetDatum(role),
							BoolGetDatum(due)};

	return read_count(&pending_of_statement, values);
}

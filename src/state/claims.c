/*-------------------------------------------------------------------------
 *
 * claims.c
 *	  The table workflow.executions: from pending to running.
 *
 * NOTES
 *	  Claiming and recovering run in the scheduler, loading in executors and in
 *	  execute().  A claim locks rows only for the length of its
 *	  own transaction and skips what somebody else has locked (a cancel).
 *
 *	  Each role has a queue of its own, and is claimed for by itself: what waits
 *	  in one, however much and of whatever priority, is not read by claims of
 *	  another.
 *
 *	  A claim does not begin at the front of the queue.  While an old snapshot
 *	  is kept, what has left the queue stays in its indexes, and each claim
 *	  would walk over all of it.  So the scheduler remembers from where on
 *	  something may wait (shared/queue_bounds.h), for each role: a claim moves
 *	  that up, who queues an execution takes it down at commit, and whoever
 *	  makes executions pending in other ways has the whole queues looked at
 *	  once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "shared/clock.h"
#include "state/claims.h"
#include "state/execution_rows.h"
#include "state/private.h"

/*
 * Somebody may have written into the table, so the whole queue is looked at now
 * and then: so long, ms, after the time before, or longer, to take one part in
 * so many of the time, if there was a claim in between.
 */
#define LOOK_EVERYWHERE_MS 5000
#define LOOK_EVERYWHERE_SHARE 100

/* The queue of a role, as the scheduler knows it. */
typedef struct RoleWaiting
{
	Oid			role;			/* hash key */
	QueueBounds bounds;
	bool		deferred_known; /* bounds.deferred_from is the next start_at */
} RoleWaiting;

static HTAB *queues = NULL;
static bool all_roles = true;	/* any role may have something waiting */
static bool looking_everywhere = false; /* since all were looked for, not all
										 * have been looked through */
static int64 look_cost = 0;		/* of that, us */
static TimestampTz look_everywhere_at = DT_NOEND;
static bool claimed_since = false;

#define IN_LEVEL \
	" AND role OPERATOR(pg_catalog.=) $4 AND priority OPERATOR(pg_catalog.=) $2" \
	" AND id OPERATOR(pg_catalog.>=) $3 ORDER BY priority DESC, id"

/*
 * Each role's first row in a queue, in the order of its index: what has left
 * the queue before it is walked over once.
 */
#define FIRST_OF_ROLE(queue, columns, condition) \
	"SELECT role::pg_catalog.oid AS role, " columns queue condition " ORDER BY role, "
#define FIRST_OF_ROLES(name, queue, columns, order) \
	name " AS ((" FIRST_OF_ROLE(queue, columns, "") order " LIMIT 1)" \
	" UNION ALL SELECT n.* FROM " name " AS r CROSS JOIN LATERAL (" \
	FIRST_OF_ROLE(queue, columns, " AND role OPERATOR(pg_catalog.>) r.role") order " LIMIT 1) AS n)"

static StateStatement roles_statement = {
	"WITH RECURSIVE "
	FIRST_OF_ROLES("queued", QUEUED, "priority, id", "priority DESC, id") ", "
	FIRST_OF_ROLES("deferred", DEFERRED, "start_at", "start_at")
	" SELECT role, priority, id, NULL::pg_catalog.timestamptz AS start_at FROM queued"
	" UNION ALL SELECT role, NULL, NULL, start_at FROM deferred",
	0, NULL, NULL
};

static const Oid level_types[] = {INT4OID, INT4OID, INT8OID, OIDOID};
static StateStatement claim_level_statement = {
	CLAIM_SET QUEUED IN_LEVEL CLAIM_END,
	lengthof(level_types), level_types, NULL
};

static StateStatement left_in_level_statement = {
	"SELECT id" QUEUED IN_LEVEL " LIMIT $1",
	lengthof(level_types), level_types, NULL
};

static const Oid find_level_types[] = {INT4OID, OIDOID};
static StateStatement find_level_statement = {
	"SELECT priority, id" QUEUED " AND role OPERATOR(pg_catalog.=) $2 AND priority OPERATOR(pg_catalog.<=) $1 ORDER BY priority DESC, id LIMIT 1",
	lengthof(find_level_types), find_level_types, NULL
};

static const Oid claim_due_types[] = {INT4OID, TIMESTAMPTZOID, OIDOID};
static StateStatement claim_due_statement = {
	CLAIM_SET DEFERRED " AND role OPERATOR(pg_catalog.=) $3"
	" AND start_at OPERATOR(pg_catalog.>=) $2"
	/* stable: bounds the index scan */
	" AND start_at OPERATOR(pg_catalog.<=) pg_catalog.now()"
	" ORDER BY start_at" CLAIM_END,
	lengthof(claim_due_types), claim_due_types, NULL
};

static const Oid next_start_types[] = {TIMESTAMPTZOID, OIDOID};
static StateStatement next_start_statement = {
	"SELECT start_at" DEFERRED " AND role OPERATOR(pg_catalog.=) $2"
	" AND start_at OPERATOR(pg_catalog.>=) $1 ORDER BY start_at LIMIT 1",
	lengthof(next_start_types), next_start_types, NULL
};

static StateStatement control_statement = {
	"UPDATE workflow.executions AS e SET control = false FROM ("
	"SELECT id FROM workflow.executions WHERE control LIMIT 1000 FOR UPDATE SKIP LOCKED) AS marked"
	" WHERE e.id OPERATOR(pg_catalog.=) marked.id"
	" RETURNING e.id, e.status, e.ending IS NOT NULL"
	" AND (e.compensate OR e.status OPERATOR(pg_catalog.<>) 'cancelling'::pg_catalog.text),"
	" e.step_marks IS NOT NULL, e.role::pg_catalog.oid",
	0, NULL, NULL
};

static StateStatement control_left_statement = {
	"SELECT 1 FROM workflow.executions WHERE control LIMIT 1",
	0, NULL, NULL
};

static const Oid id_types[] = {INT8OID};

static const Oid recover_types[] = {INT8OID, BOOLOID, INT8ARRAYOID, TEXTOID,
									BOOLOID};
static StateStatement recover_statement = {
	"UPDATE workflow.executions AS e SET recovered_at = r.progress, probation = false,"
	" recoveries = CASE"
	"  WHEN NOT r.counted AND r.progressed THEN 0"
	"  WHEN NOT r.counted THEN e.recoveries"
	"  WHEN r.progressed OR e.recoveries OPERATOR(pg_catalog.=) 0 THEN 1"
	"  WHEN e.recoveries OPERATOR(pg_catalog.<) 2 OR e.probation THEN e.recoveries OPERATOR(pg_catalog.+) 1"
	"  ELSE e.recoveries END,"
	/* what happens again and again without progress is one interruption */
	" interruptions = CASE"
	"  WHEN NOT r.progressed AND e.interruptions OPERATOR(pg_catalog.->) -1 OPERATOR(pg_catalog.->>) 'event' OPERATOR(pg_catalog.=) 'recovered'::pg_catalog.text"
	"   AND e.interruptions OPERATOR(pg_catalog.->) -1 OPERATOR(pg_catalog.->>) 'reason' OPERATOR(pg_catalog.=) $4"
	"  THEN e.interruptions OPERATOR(pg_catalog.-) -1 OPERATOR(pg_catalog.||) (e.interruptions OPERATOR(pg_catalog.->) -1"
	"   OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('last_at', pg_catalog.clock_timestamp(), 'times',"
	"   COALESCE((e.interruptions OPERATOR(pg_catalog.->) -1 OPERATOR(pg_catalog.->>) 'times')::pg_catalog.int4, 1) OPERATOR(pg_catalog.+) 1))"
	"  ELSE " WITH_INTERRUPTION("e.interruptions", "pg_catalog.jsonb_build_object("
	"   'event', 'recovered', 'at', pg_catalog.clock_timestamp(), 'reason', $4)") " END"
	" FROM (SELECT q.*, NOT COALESCE(q.progress OPERATOR(pg_catalog.=) q.recovered_at,"
	"              q.progress IS NULL AND q.recovered_at IS NULL) AS progressed FROM (SELECT x.id, x.recovered_at, $2 AND ($3 IS NULL OR (x.id OPERATOR(pg_catalog.=) ANY ($3)) OPERATOR(pg_catalog.<>) $5) AS counted,"
	"       (SELECT pg_catalog.max(GREATEST(s.started_at, s.completed_at)) FROM workflow.step_executions AS s"
	"        WHERE s.execution_id OPERATOR(pg_catalog.=) x.id) AS progress"
	"       FROM workflow.executions AS x"
	"       WHERE x.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])"
	"       AND ($1 OPERATOR(pg_catalog.=) 0 OR x.id OPERATOR(pg_catalog.=) $1) FOR NO KEY UPDATE OF x SKIP LOCKED) AS q) AS r"
	" WHERE e.id OPERATOR(pg_catalog.=) r.id"
	" RETURNING e.id, e.role::pg_catalog.oid, e.priority, e.definition_id,"
	" e.status OPERATOR(pg_catalog.=) 'cancelling'::pg_catalog.text AND (e.ending IS NULL OR NOT e.compensate),"
	" e.recoveries, e.workflow, e.tenant, true, e.ending IS NOT NULL, e.created_at",
	lengthof(recover_types), recover_types, NULL
};

/* After it: what was recovered and what somebody has locked. */
static StateStatement recoverable_statement = {
	"SELECT x.id FROM workflow.executions AS x"
	" WHERE x.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])"
	" AND ($1 OPERATOR(pg_catalog.=) 0 OR x.id OPERATOR(pg_catalog.=) $1) ORDER BY x.id",
	lengthof(id_types), id_types, NULL
};

static StateStatement probation_statement = {
	"UPDATE workflow.executions AS e SET probation = true"
	" FROM (SELECT id FROM workflow.executions WHERE id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE SKIP LOCKED) AS x"
	" WHERE e.id OPERATOR(pg_catalog.=) x.id",
	lengthof(id_types), id_types, NULL
};

static StateStatement lock_statement = {
	"SELECT FROM workflow.executions WHERE id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE SKIP LOCKED",
	lengthof(id_types), id_types, NULL
};

static StateStatement exists_statement = {
	"SELECT FROM workflow.executions WHERE id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

static StateStatement load_statement = {
	"SELECT e.definition_id, e.version, e.workflow, e.role::pg_catalog.oid, e.priority, e.parallel,"
	" e.started_at, e.input, e.status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text,"
	" e.pauses IS NOT NULL, e.ending, e.error, e.retries, e.retried_at, e.reopen, e.reopen_from, e.step_inputs, e.step_marks,"
	" e.traceparent"
	" FROM workflow.executions AS e WHERE e.id OPERATOR(pg_catalog.=) $1"
	" AND (e.status OPERATOR(pg_catalog.=) ANY ('{running,paused}'::pg_catalog.text[])"
	" OR (e.status OPERATOR(pg_catalog.=) 'cancelling'::pg_catalog.text AND e.ending IS NOT NULL AND e.compensate))",
	lengthof(id_types), id_types, NULL
};

static const Oid began_types[] = {INT8OID, TIMESTAMPTZOID};
static StateStatement began_statement = {
	"UPDATE workflow.executions SET started_at = $2 WHERE id OPERATOR(pg_catalog.=) $1"
	" AND started_at OPERATOR(pg_catalog.<) $2 AND completed_at IS NULL",
	lengthof(began_types), began_types, NULL
};

/* Run a statement that returns executions; rows in the current context. */
static int
read_claims(StateStatement *statement, Datum *values, const char *nulls,
			ClaimedExecution **claimed)
{
	uint64		nrows = state_query(statement, values, nulls, false, 0);
	ClaimedExecution *result;

	result = palloc_extended(Max(nrows, 1) * sizeof(ClaimedExecution),
							 MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		result[i].id = state_column_int64(i, 1);
		result[i].role = DatumGetObjectId(state_column(i, 2, &isnull));
		result[i].priority = state_column_int32(i, 3);
		result[i].definition_id = state_column_int32(i, 4);
		result[i].cancelling = DatumGetBool(state_column(i, 5, &isnull));
		result[i].recoveries = state_column_int32(i, 6);
		result[i].workflow = state_column_text(i, 7);
		result[i].tenant = state_column_text(i, 8);
		result[i].resumes = DatumGetBool(state_column(i, 9, &isnull));
		result[i].in_epilogue = DatumGetBool(state_column(i, 10, &isnull));
		result[i].due_at = state_column_time(i, 11);
	}
	state_done();
	for (uint64 i = 0; i < nrows; i++)
		result[i].timeout_seconds = definition_timeout(result[i].definition_id);
	*claimed = result;
	return (int) nrows;
}

int
executions_read_claims(StateStatement *statement, Datum *values,
					   ClaimedExecution **claimed)
{
	return read_claims(statement, values, NULL, claimed);
}

/* --- queues of roles --- */

static RoleWaiting *
queue_of(Oid role)
{
	bool		found;
	RoleWaiting *queue;

	if (queues == NULL)
	{
		HASHCTL		control = {0};

		control.keysize = sizeof(Oid);
		control.entrysize = sizeof(RoleWaiting);
		queues = hash_create("workflow queues", 16, &control,
							 HASH_ELEM | HASH_BLOBS);
	}
	queue = hash_search(queues, &role, HASH_ENTER, &found);
	if (!found)
	{
		queue_bounds_clear(&queue->bounds);
		queue->deferred_known = true;
	}
	return queue;
}

/* Is something true of a queue? */
static bool
any_queue(bool (*which) (const RoleWaiting *))
{
	HASH_SEQ_STATUS status;
	RoleWaiting *queue;

	if (queues == NULL)
		return false;
	hash_seq_init(&status, queues);
	while ((queue = hash_seq_search(&status)) != NULL)
		if (which(queue))
		{
			hash_seq_term(&status);
			return true;
		}
	return false;
}

void
executions_queued(const QueueNews *queued)
{
	all_roles |= queued->anything;
	for (int i = 0; i < queued->nroles; i++)
	{
		RoleWaiting *queue = queue_of(queued->roles[i].role);

		queue_bounds_merge(&queue->bounds, &queued->roles[i].bounds);
		queue->deferred_known = false;
	}
}

void
executions_look_everywhere(void)
{
	all_roles = true;
}

bool
executions_roles_known(void)
{
	return !all_roles && steady_now() < look_everywhere_at;
}

static bool
is_unknown(const RoleWaiting *queue)
{
	return queue->bounds.anything_up_to != QUEUE_NOTHING;
}

/*
 * All have been looked through: the next time is not before that has become
 * cheap.
 */
static void
looked_everywhere(void)
{
	looking_everywhere = false;
	claimed_since = false;
	look_everywhere_at = steady_now() +
		Max(look_cost * LOOK_EVERYWHERE_SHARE,
			LOOK_EVERYWHERE_MS * INT64CONST(1000));
}

void
executions_find_roles(void)
{
	TimestampTz began = steady_now();
	uint64		nrows = state_query(&roles_statement, NULL, NULL, false, 0);

	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;
		RoleWaiting *queue = queue_of(
			DatumGetObjectId(state_column(i, 1, &isnull)));
		QueueBounds *bounds = &queue->bounds;

		(void) state_column(i, 2, &isnull);
		if (isnull)
		{
			bounds->deferred_from = state_column_time(i, 4);
			queue->deferred_known = true;
			continue;
		}
		/* of lower priorities nothing is known */
		bounds->nlevels = 0;
		bounds->anything_up_to = (int64) state_column_int32(i, 2) - 1;
		queue_bounds_add(bounds, state_column_int32(i, 2),
						 state_column_int64(i, 3));
	}
	state_done();
	all_roles = false;
	looking_everywhere = true;
	look_everywhere_at = DT_NOEND;	/* until that is done, which may take
									 * several claims */
	look_cost = steady_now() - began;
	if (!any_queue(is_unknown))
		looked_everywhere();
}

int
executions_waiting_roles(TimestampTz now, Oid **roles)
{
	HASH_SEQ_STATUS status;
	RoleWaiting *queue;
	int			count = 0;

	*roles = palloc(Max(queues != NULL ? hash_get_num_entries(queues) : 0, 1) * sizeof(Oid));
	if (queues == NULL)
		return 0;
	hash_seq_init(&status, queues);
	while ((queue = hash_seq_search(&status)) != NULL)
		if (queue->bounds.anything_up_to != QUEUE_NOTHING ||
			queue->bounds.nlevels > 0 || queue->bounds.deferred_from <= now)
			(*roles)[count++] = queue->role;
	return count;
}

/* --- claims --- */

/* Executions of a role that were claimed one batch after the other. */
typedef struct ClaimList
{
	Oid			role;
	QueueBounds *bounds;
	ClaimedExecution *claimed;	/* has room for limit */
	int			count;
	int			limit;
} ClaimList;

static int
claim_more(ClaimList *list, StateStatement *statement, Datum *values)
{
	ClaimedExecution *more;
	int			count;

	values[0] = Int32GetDatum(list->limit - list->count);
	count = executions_read_claims(statement, values, &more);
	memcpy(list->claimed + list->count, more, count * sizeof(ClaimedExecution));
	list->count += count;
	return count;
}

/*
 * Claim from a level; false: none is left in it, which moves *level if there is
 * one.
 */
static bool
claim_level(ClaimList *list, QueueLevel *level)
{
	Datum		values[4];
	bool		left;
	int64		left_from;

	if (executions_claim_directly(list->limit - list->count, list->role,
								  level->priority, level->from, list->claimed,
								  &list->count, &left_from))
	{
		level->from = left_from;
		return left_from != PG_INT64_MAX;
	}
	values[1] = Int32GetDatum(level->priority);
	values[2] = Int64GetDatum(level->from);
	values[3] = ObjectIdGetDatum(list->role);
	(void) claim_more(list, &claim_level_statement, values);

	/* what was skipped is left, too */
	values[0] = Int32GetDatum(1);
	left = state_query(&left_in_level_statement, values, NULL, false, 1) > 0;
	if (left)
		level->from = state_column_int64(0, 1);
	state_done();
	return left;
}

/* The first level of those of which nothing is known. */
static bool
find_level(const ClaimList *list, QueueLevel *level)
{
	Datum		values[2];
	bool		found;

	if (list->bounds->anything_up_to == QUEUE_NOTHING)
		return false;
	values[0] = Int32GetDatum((int32) list->bounds->anything_up_to);
	values[1] = ObjectIdGetDatum(list->role);
	found = state_query(&find_level_statement, values, NULL, false, 1) > 0;
	if (found)
	{
		level->priority = state_column_int32(0, 1);
		level->from = state_column_int64(0, 2);
	}
	state_done();
	return found;
}

/* Claim from levels that are not known, and get to know them. */
static void
claim_unknown(ClaimList *list)
{
	QueueBounds *bounds = list->bounds;
	QueueLevel	level;

	while (list->count < list->limit && bounds->nlevels < QUEUE_MAX_LEVELS &&
		   find_level(list, &level))
	{
		bounds->anything_up_to = (int64) level.priority - 1;
		if (claim_level(list, &level))
			queue_bounds_add(bounds, level.priority, level.from);
	}
	if (list->count < list->limit && bounds->nlevels < QUEUE_MAX_LEVELS)
		bounds->anything_up_to = QUEUE_NOTHING;
}

int
executions_claim(Oid role, int limit, ClaimedExecution **claimed)
{
	TimestampTz began = steady_now();
	RoleWaiting *queue = queue_of(role);
	QueueBounds *bounds = &queue->bounds;
	ClaimList	list = {role, bounds,
					  palloc_extended(limit * sizeof(ClaimedExecution),
									  MCXT_ALLOC_HUGE),
					  0, limit};

	if (!looking_everywhere)
		claimed_since = true;
	if (bounds->deferred_from <= GetCurrentTransactionStartTimestamp())
	{
		Datum		values[3];

		values[1] = TimestampTzGetDatum(bounds->deferred_from);
		values[2] = ObjectIdGetDatum(role);
		(void) claim_more(&list, &claim_due_statement, values);
		queue->deferred_known = false;
	}
	for (int i = 0; i < bounds->nlevels && list.count < limit;)
	{
		if (claim_level(&list, &bounds->levels[i]))
			i++;
		else
			queue_bounds_remove(bounds, i);
	}
	claim_unknown(&list);

	if (looking_everywhere)
	{
		look_cost += steady_now() - began;
		if (!any_queue(is_unknown))
			looked_everywhere();
	}
	*claimed = list.claimed;
	return list.count;
}

TimestampTz
executions_next_look(void)
{
	return claimed_since ? look_everywhere_at : DT_NOEND;
}

static bool
has_levels(const RoleWaiting *queue)
{
	return queue->bounds.nlevels > 0;
}

bool
executions_pending_left(void)
{
	return any_queue(has_levels);
}

/* When the next deferred execution of a role is due, from the bounds on. */
static TimestampTz
next_start_of(Oid role, TimestampTz from)
{
	Datum		values[2];
	TimestampTz result = QUEUE_DEFERRED_NOTHING;

	values[0] = TimestampTzGetDatum(from);
	values[1] = ObjectIdGetDatum(role);
	if (state_query(&next_start_statement, values, NULL, false, 1) > 0)
		result = state_column_time(0, 1);
	state_done();
	return result;
}

static bool
is_deferred_unknown(const RoleWaiting *queue)
{
	return !queue->deferred_known &&
		queue->bounds.deferred_from != QUEUE_DEFERRED_NOTHING;
}

bool
executions_next_start_known(void)
{
	return !any_queue(is_deferred_unknown);
}

TimestampTz
executions_next_start(TimestampTz now, bool *due)
{
	HASH_SEQ_STATUS status;
	RoleWaiting *queue;
	TimestampTz next = DT_NOEND;

	*due = false;
	if (queues == NULL)
		return next;
	hash_seq_init(&status, queues);
	while ((queue = hash_seq_search(&status)) != NULL)
	{
		if (is_deferred_unknown(queue))
			queue->bounds.deferred_from =
				next_start_of(queue->role, queue->bounds.deferred_from);
		queue->deferred_known = true;
		if (queue->bounds.deferred_from <= now)
			*due = true;
		else
			next = Min(next, queue->bounds.deferred_from);
	}
	return next;
}

int
executions_controlled(ControlledExecution **controlled, bool *left)
{
	uint64		nrows = state_query(&control_statement, NULL, NULL, false, 0);

	*controlled = palloc(Max(nrows, 1) * sizeof(ControlledExecution));
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		(*controlled)[i].id = state_column_int64(i, 1);
		(*controlled)[i].in_epilogue = DatumGetBool(
			state_column(i, 3, &isnull));
		(*controlled)[i].status = execution_status_from_name(
			state_column_text(i, 2));
		(*controlled)[i].marked = DatumGetBool(state_column(i, 4, &isnull));
		(*controlled)[i].role = DatumGetObjectId(state_column(i, 5, &isnull));
	}
	state_done();
	*left = state_query(&control_left_statement, NULL, NULL, false, 1) > 0;
	state_done();
	return (int) nrows;
}

int
executions_recover(int64 id, bool counted, const Accused *accused,
				   const char *reason, ClaimedExecution **recovered)
{
	Datum		values[lengthof(recover_types)];
	char		nulls[] = "  n  ";

	values[0] = Int64GetDatum(id);
	values[1] = BoolGetDatum(counted);
	values[3] = CStringGetTextDatum(reason);
	values[4] = BoolGetDatum(accused != NULL && accused->all_but);
	if (accused != NULL)
	{
		values[2] = state_ids(accused->ids, accused->count);
		nulls[2] = ' ';
	}
	return read_claims(&recover_statement, values, nulls, recovered);
}

int
executions_recoverable(int64 id, int64 **ids)
{
	Datum		value = Int64GetDatum(id);
	uint64		nrows = state_query(&recoverable_statement, &value, NULL, false, 0);

	*ids = palloc_extended(Max(nrows, 1) * sizeof(int64), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < nrows; i++)
		(*ids)[i] = state_column_int64(i, 1);
	state_done();
	return (int) nrows;
}

bool
execution_set_probation(int64 id)
{
	Datum		value = Int64GetDatum(id);

	return state_execute(&probation_statement, &value, NULL) > 0;
}

RowLock
execution_try_lock(int64 id)
{
	Datum		value = Int64GetDatum(id);

	if (state_execute(&lock_statement, &value, NULL) > 0)
		return ROW_LOCKED;
	return state_execute(&exists_statement, &value, NULL) > 0 ? ROW_BUSY :
																ROW_MISSING;
}

LoadedExecution *
execution_load(int64 id)
{
	Datum		values[1];
	LoadedExecution *result = NULL;
	bool		has_pauses = false;

	if (execution_load_directly(id, &result))
		return result;
	values[0] = Int64GetDatum(id);
	if (state_query(&load_statement, values, NULL, false, 1) > 0)
	{
		char	   *ending;
		bool		isnull;

		result = palloc0(sizeof(LoadedExecution));
		result->id = id;
		result->definition_id = state_column_int32(0, 1);
		result->version = state_column_int32(0, 2);
		result->workflow = state_column_text(0, 3);
		result->role = DatumGetObjectId(state_column(0, 4, &isnull));
		result->priority = state_column_int32(0, 5);
		result->parallel = DatumGetBool(state_column(0, 6, &isnull));
		result->started_at = DatumGetTimestampTz(state_column(0, 7, &isnull));
		result->input = state_column_jsonb(0, 8);
		result->paused = DatumGetBool(state_column(0, 9, &isnull));
		has_pauses = DatumGetBool(state_column(0, 10, &isnull));
		ending = state_column_text(0, 11);
		result->decided = ending != NULL;
		if (result->decided)
		{
			result->ending = execution_status_from_name(ending);
			result->error = state_column_jsonb(0, 12);
		}
		result->retries = state_column_int32(0, 13);
		result->retried_at = state_column_time(0, 14);
		result->reopen = DatumGetBool(state_column(0, 15, &isnull));
		result->reopen_from = state_column_time(0, 16);
		result->step_inputs = state_column_jsonb(0, 17);
		result->step_marks = state_column_jsonb(0, 18);
		result->traceparent = state_column_text(0, 19);
	}
	state_done();
	if (has_pauses)
		result->npauses = execution_load_pauses(id, &result->pauses);
	return result;
}

void
execution_began(int64 id, TimestampTz started_at)
{
	Datum		values[] = {Int64GetDatum(id), TimestampTzGetDatum(started_at)};

	state_execute(&began_statement, values, NULL);
}

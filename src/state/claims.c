/*-------------------------------------------------------------------------
 *
 * claims.c
 *	  The table workflow.executions: from pending to running to its end.
 *
 * NOTES
 *	  Claiming and recovering run in the scheduler, loading and finishing in
 *	  executors and in execute().  A claim locks rows only for the length of its
 *	  own transaction and skips what somebody else has locked (a cancel).
 *
 *	  A claim does not begin at the front of the queue.  While an old snapshot is
 *	  kept, what has left the queue stays in its indexes, and each claim would walk
 *	  over all of it.  So the scheduler remembers from where on something may wait
 *	  (shared/queue_bounds.h): a claim moves that up, who queues an execution takes it
 *	  down at commit, and whoever makes executions pending in other ways has the
 *	  whole queue looked at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "state/claims.h"
#include "state/dead_letters.h"
#include "state/execution_rows.h"
#include "state/janitor.h"
#include "state/private.h"

/*
 * Somebody may have written into the table, so the whole queue is looked at now and
 * then: so long, ms, after the time before, or longer, so that it takes one part in so
 * many of the time, and only if there was another claim in between.
 */
#define LOOK_EVERYWHERE_MS 5000
#define LOOK_EVERYWHERE_SHARE 100

static QueueBounds bounds = {QUEUE_ANYTHING, 0, {{0}}, QUEUE_DEFERRED_ANYTHING};
static TimestampTz look_everywhere_at = DT_NOEND;
static bool claimed_since = false;

/* The columns and conditions of executions_pending_idx. */
#define QUEUED \
	" FROM workflow.executions" \
	" WHERE status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND start_at IS NULL AND NOT limited"
#define IN_LEVEL \
	" AND priority OPERATOR(pg_catalog.=) $2 AND id OPERATOR(pg_catalog.>=) $3 ORDER BY priority DESC, id"

static const Oid level_types[] = {INT4OID, INT4OID, INT8OID};
static StateStatement claim_level_statement = {
	CLAIM_SET "SELECT id, started_at" QUEUED IN_LEVEL CLAIM_END,
	lengthof(level_types), level_types, NULL
};

static StateStatement left_in_level_statement = {
	"SELECT id" QUEUED IN_LEVEL " LIMIT $1",
	lengthof(level_types), level_types, NULL
};

static const Oid find_level_types[] = {INT4OID};
static StateStatement find_level_statement = {
	"SELECT priority, id" QUEUED " AND priority OPERATOR(pg_catalog.<=) $1 ORDER BY priority DESC, id LIMIT 1",
	lengthof(find_level_types), find_level_types, NULL
};

static const Oid claim_due_types[] = {INT4OID, TIMESTAMPTZOID};
static StateStatement claim_due_statement = {
	CLAIM_SET "SELECT id, started_at FROM workflow.executions"
	" WHERE status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND start_at IS NOT NULL AND NOT limited"
	" AND start_at OPERATOR(pg_catalog.>=) $2"
	" AND start_at OPERATOR(pg_catalog.<=) pg_catalog.now()"	/* stable: bounds the index scan */
	" ORDER BY start_at" CLAIM_END,
	lengthof(claim_due_types), claim_due_types, NULL
};

static const Oid next_start_types[] = {TIMESTAMPTZOID};
static StateStatement next_start_statement = {
	"SELECT start_at FROM workflow.executions"
	" WHERE status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND start_at IS NOT NULL AND NOT limited"
	" AND start_at OPERATOR(pg_catalog.>=) $1 ORDER BY start_at LIMIT 1",
	lengthof(next_start_types), next_start_types, NULL
};

static StateStatement control_statement = {
	"UPDATE workflow.executions AS e SET control = false FROM ("
	"SELECT id FROM workflow.executions WHERE control LIMIT 1000 FOR UPDATE SKIP LOCKED) AS marked"
	" WHERE e.id OPERATOR(pg_catalog.=) marked.id"
	" RETURNING e.id, e.status, e.ending IS NOT NULL"
	" AND (e.compensate OR e.status OPERATOR(pg_catalog.<>) 'cancelling'::pg_catalog.text),"
	" e.step_marks IS NOT NULL",
	0, NULL, NULL
};

static StateStatement control_left_statement = {
	"SELECT 1 FROM workflow.executions WHERE control LIMIT 1",
	0, NULL, NULL
};

static const Oid id_types[] = {INT8OID};

static const Oid recover_types[] = {INT8OID, BOOLOID, INT8ARRAYOID};
static StateStatement recover_statement = {
	"UPDATE workflow.executions AS e SET recovered_at = r.progress, probation = false,"
	" recoveries = CASE"
	"  WHEN NOT r.counted AND NOT COALESCE(r.progress OPERATOR(pg_catalog.=) e.recovered_at, r.progress IS NULL AND e.recovered_at IS NULL) THEN 0"
	"  WHEN NOT r.counted THEN e.recoveries"
	"  WHEN NOT COALESCE(r.progress OPERATOR(pg_catalog.=) e.recovered_at, r.progress IS NULL AND e.recovered_at IS NULL) OR e.recoveries OPERATOR(pg_catalog.=) 0 THEN 1"
	"  WHEN e.recoveries OPERATOR(pg_catalog.<) 2 OR e.probation THEN e.recoveries OPERATOR(pg_catalog.+) 1"
	"  ELSE e.recoveries END"
	" FROM (SELECT x.id, $2 AND ($3 IS NULL OR x.id OPERATOR(pg_catalog.=) ANY ($3)) AS counted, (SELECT pg_catalog.max(GREATEST(s.started_at, s.completed_at)) FROM workflow.step_executions AS s"
	"                     WHERE s.execution_id OPERATOR(pg_catalog.=) x.id) AS progress"
	"       FROM workflow.executions AS x"
	"       WHERE x.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])"
	"       AND ($1 OPERATOR(pg_catalog.=) 0 OR x.id OPERATOR(pg_catalog.=) $1) FOR NO KEY UPDATE OF x SKIP LOCKED) AS r"
	" WHERE e.id OPERATOR(pg_catalog.=) r.id"
	" RETURNING e.id, e.role::pg_catalog.oid, e.priority, e.definition_id,"
	" e.status OPERATOR(pg_catalog.=) 'cancelling'::pg_catalog.text AND (e.ending IS NULL OR NOT e.compensate),"
	" e.recoveries, e.workflow, e.tenant, true, e.ending IS NOT NULL, e.created_at, e.schedule_id",
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
	" e.pauses IS NOT NULL, e.ending, e.error, e.retries, e.retried_at, e.reopen, e.reopen_from, e.step_inputs, e.step_marks"
	" FROM workflow.executions AS e WHERE e.id OPERATOR(pg_catalog.=) $1"
	" AND (e.status OPERATOR(pg_catalog.=) ANY ('{running,paused}'::pg_catalog.text[])"
	" OR (e.status OPERATOR(pg_catalog.=) 'cancelling'::pg_catalog.text AND e.ending IS NOT NULL AND e.compensate))",
	lengthof(id_types), id_types, NULL
};

/* By itself: few executions are paused, and setting up its plan is felt by all. */
static StateStatement pauses_statement = {
	"SELECT pg_catalog.lower(p), pg_catalog.upper(p) FROM workflow.executions AS e, pg_catalog.unnest(e.pauses) AS p"
	" WHERE e.id OPERATOR(pg_catalog.=) $1 ORDER BY 1",
	lengthof(id_types), id_types, NULL
};

static const Oid finish_types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID, JSONBOID, JSONBOID, TEXTOID};
static StateStatement finish_statement = {
	"UPDATE workflow.executions SET status = $2, started_at = COALESCE($3, started_at), output = $4,"
	" error = $5, error_type = $6, completed_at = pg_catalog.clock_timestamp()"
	" WHERE id OPERATOR(pg_catalog.=) $1 AND ending IS NULL AND NOT reopen"
	" AND (status OPERATOR(pg_catalog.=) ANY ('{running,paused}'::pg_catalog.text[])"
	" OR (status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND started_at IS NOT NULL))"
	" RETURNING status, dead_letter_id",
	lengthof(finish_types), finish_types, NULL
};

static const Oid finalise_types[] = {INT8OID, TEXTOID, JSONBOID, TEXTOID};
static StateStatement finalise_statement = {
	/* the end of an execution whose epilogue cannot be run, or is stopped, was decided before */
	"UPDATE workflow.executions AS e SET status = COALESCE(e.ending, $2), ending = NULL,"
	" error = CASE WHEN e.ending IS NULL THEN $3 WHEN $3 IS NULL THEN e.error"
	"  ELSE COALESCE(e.error, '{}'::pg_catalog.jsonb)"
	"   OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('epilogue', $3) END,"
	" error_type = CASE WHEN e.ending IS NULL THEN $4 ELSE e.error_type END,"
	" completed_at = pg_catalog.clock_timestamp()"
	" WHERE id OPERATOR(pg_catalog.=) $1"
	" AND status OPERATOR(pg_catalog.=) ANY ('{running,paused,cancelling}'::pg_catalog.text[])"
	NOTIFY_STATUS ", e.status, e.dead_letter_id",
	lengthof(finalise_types), finalise_types, NULL
};

static const Oid inline_types[] = {INT4OID, TEXTOID, INT4OID, OIDOID, JSONBOID};
static StateStatement inline_statement = {
	"INSERT INTO workflow.executions (definition_id, workflow, version, status, role, parallel, inline,"
	" started_at, input) VALUES ($1, $2, $3, 'running', $4::pg_catalog.regrole, false, true,"
	" pg_catalog.clock_timestamp(), $5) RETURNING id",
	lengthof(inline_types), inline_types, NULL
};

/* Run a statement that returns executions; rows in the current context. */
static int
read_claims(StateStatement *statement, Datum *values, const char *nulls, ClaimedExecution **claimed)
{
	uint64		nrows = state_query(statement, values, nulls, false, 0);
	ClaimedExecution *result;

	result = palloc_extended(Max(nrows, 1) * sizeof(ClaimedExecution), MCXT_ALLOC_HUGE);
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
		result[i].schedule_id = state_column_int32(i, 12);
	}
	state_done();
	for (uint64 i = 0; i < nrows; i++)
		result[i].timeout_seconds = definition_timeout(result[i].definition_id);
	*claimed = result;
	return (int) nrows;
}

int
executions_read_claims(StateStatement *statement, Datum *values, ClaimedExecution **claimed)
{
	return read_claims(statement, values, NULL, claimed);
}

void
executions_queued(const QueueBounds *queued)
{
	queue_bounds_merge(&bounds, queued);
}

void
executions_look_everywhere(void)
{
	queue_bounds_forget(&bounds);
}

/* Executions that were claimed one batch after the other. */
typedef struct ClaimList
{
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

/* Claim from a level; false: none is left in it, which moves *level if there is one. */
static bool
claim_level(ClaimList *list, QueueLevel *level)
{
	Datum		values[3];
	bool		left;
	int64		left_from;

	if (executions_claim_directly(list->limit - list->count, level->priority, level->from,
								  list->claimed, &list->count, &left_from))
	{
		level->from = left_from;
		return left_from != PG_INT64_MAX;
	}
	values[1] = Int32GetDatum(level->priority);
	values[2] = Int64GetDatum(level->from);
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
find_level(QueueLevel *level)
{
	Datum		value = Int32GetDatum((int32) bounds.anything_up_to);
	bool		found;

	if (bounds.anything_up_to == QUEUE_NOTHING)
		return false;
	found = state_query(&find_level_statement, &value, NULL, false, 1) > 0;
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
	QueueLevel	level;

	while (list->count < list->limit && bounds.nlevels < QUEUE_MAX_LEVELS && find_level(&level))
	{
		bounds.anything_up_to = (int64) level.priority - 1;
		if (claim_level(list, &level))
			queue_bounds_add(&bounds, level.priority, level.from);
	}
	if (list->count < list->limit && bounds.nlevels < QUEUE_MAX_LEVELS)
		bounds.anything_up_to = QUEUE_NOTHING;
}

int
executions_claim(int limit, ClaimedExecution **claimed)
{
	TimestampTz began = GetCurrentTimestamp();
	ClaimList	list = {palloc_extended(limit * sizeof(ClaimedExecution), MCXT_ALLOC_HUGE), 0, limit};
	bool		everywhere;

	if (began >= look_everywhere_at)
	{
		queue_bounds_forget(&bounds);
		look_everywhere_at = DT_NOEND;	/* until that is done, which may take several claims */
	}
	everywhere = bounds.anything_up_to != QUEUE_NOTHING;
	claimed_since = !everywhere;

	if (bounds.deferred_from <= GetCurrentTransactionStartTimestamp())
	{
		Datum		values[2];

		values[1] = TimestampTzGetDatum(bounds.deferred_from);
		(void) claim_more(&list, &claim_due_statement, values);
	}
	for (int i = 0; i < bounds.nlevels && list.count < limit;)
	{
		if (claim_level(&list, &bounds.levels[i]))
			i++;
		else
			queue_bounds_remove(&bounds, i);
	}
	claim_unknown(&list);

	if (everywhere && bounds.anything_up_to == QUEUE_NOTHING)
	{
		TimestampTz now = GetCurrentTimestamp();

		look_everywhere_at = now + Max((now - began) * LOOK_EVERYWHERE_SHARE,
									   LOOK_EVERYWHERE_MS * INT64CONST(1000));
	}
	*claimed = list.claimed;
	return list.count;
}

TimestampTz
executions_next_look(void)
{
	return claimed_since ? look_everywhere_at : DT_NOEND;
}

bool
executions_pending_left(void)
{
	return bounds.nlevels > 0;
}

TimestampTz
executions_next_start(void)
{
	Datum		value = TimestampTzGetDatum(bounds.deferred_from);
	TimestampTz result = DT_NOEND;

	if (bounds.deferred_from == QUEUE_DEFERRED_NOTHING)
		return DT_NOEND;
	if (state_query(&next_start_statement, &value, NULL, false, 1) > 0)
		result = state_column_time(0, 1);
	state_done();
	bounds.deferred_from = result;
	return result;
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
		(*controlled)[i].in_epilogue = DatumGetBool(state_column(i, 3, &isnull));
		(*controlled)[i].status = execution_status_from_name(state_column_text(i, 2));
		(*controlled)[i].marked = DatumGetBool(state_column(i, 4, &isnull));
	}
	state_done();
	*left = state_query(&control_left_statement, NULL, NULL, false, 1) > 0;
	state_done();
	return (int) nrows;
}

int
executions_recover(int64 id, bool counted, const Accused *accused, ClaimedExecution **recovered)
{
	Datum		values[lengthof(recover_types)];
	char		nulls[] = "  n";

	values[0] = Int64GetDatum(id);
	values[1] = BoolGetDatum(counted);
	if (accused != NULL)
	{
		Datum	   *elements = palloc(Max(accused->count, 1) * sizeof(Datum));

		for (int i = 0; i < accused->count; i++)
			elements[i] = Int64GetDatum(accused->ids[i]);
		values[2] = PointerGetDatum(construct_array(elements, accused->count, INT8OID, sizeof(int64),
													FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
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
	return state_execute(&exists_statement, &value, NULL) > 0 ? ROW_BUSY : ROW_MISSING;
}

/* Its pauses do not overlap; in order. */
static void
load_pauses(LoadedExecution *execution)
{
	Datum		values[1];

	values[0] = Int64GetDatum(execution->id);
	execution->npauses = (int) state_query(&pauses_statement, values, NULL, false, 0);
	execution->pauses = palloc(Max(execution->npauses, 1) * sizeof(Pause));
	for (int i = 0; i < execution->npauses; i++)
	{
		execution->pauses[i].from = state_column_time(i, 1);
		execution->pauses[i].to = state_column_time(i, 2);
	}
	state_done();
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
		result->ending = state_column_text(0, 11);
		if (result->ending != NULL)
			result->error = state_column_jsonb(0, 12);
		result->retries = state_column_int32(0, 13);
		result->retried_at = state_column_time(0, 14);
		result->reopen = DatumGetBool(state_column(0, 15, &isnull));
		result->reopen_from = state_column_time(0, 16);
		result->step_inputs = state_column_jsonb(0, 17);
		result->step_marks = state_column_jsonb(0, 18);
	}
	state_done();
	if (has_pauses)
		load_pauses(result);
	return result;
}

bool
execution_finish(int64 id, const char *status, TimestampTz started_at,
				 Jsonb *output, Jsonb *error, const char *error_type)
{
	Datum		values[lengthof(finish_types)];
	char		nulls[lengthof(finish_types)];

	if (execution_finish_directly(id, status, started_at, output, error, error_type))
		return true;
	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(status);
	state_set_time(values, nulls, 2, started_at);
	state_set_jsonb(values, nulls, 3, output);
	state_set_jsonb(values, nulls, 4, error);
	state_set_text(values, nulls, 5, error_type);
	return state_end_execution(&finish_statement, 1, values, nulls);
}

bool
execution_finalise(int64 id, const char *status, Jsonb *error, const char *error_type)
{
	Datum		values[lengthof(finalise_types)];
	char		nulls[lengthof(finalise_types)];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(status);
	state_set_jsonb(values, nulls, 2, error);
	state_set_text(values, nulls, 3, error_type);
	return state_end_execution(&finalise_statement, 2, values, nulls);
}

int64
execution_insert_inline(const Definition *definition, Oid role, Jsonb *input)
{
	Datum		values[lengthof(inline_types)];
	int64		id;

	values[0] = Int32GetDatum(definition->id);
	values[1] = CStringGetTextDatum(definition->name);
	values[2] = Int32GetDatum(definition->version);
	values[3] = ObjectIdGetDatum(role);
	values[4] = PointerGetDatum(input);
	state_query(&inline_statement, values, NULL, false, 0);
	id = state_column_int64(0, 1);
	state_done();
	return id;
}

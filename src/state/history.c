/*-------------------------------------------------------------------------
 *
 * history.c
 *	  The table workflow.executor_history: what became of executors.
 *
 * NOTES
 *	  Written by the scheduler, in transactions of its own that do not wait for
 *	  the disk, except for stuck executors: those are counted against their
 *	  workflow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "state/history.h"
#include "state/private.h"

static const Oid insert_types[] =
	{INT4OID, REGROLEOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID,
	 INT8OID, INT8OID, INT8OID, REGROLEOID, TEXTOID,
	 TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID,
	 TEXTOID, INT4OID, INT4OID, INT8OID};
static StateStatement insert_statement = {
	"INSERT INTO workflow.executor_history (pid, role, started_at, ended_at, reason, runs, steps, peak_memory,"
	" requested_by, request_reason, draining_since, stuck_at, execution_id, workflow, scope, step_id,"
	" visit, attempt, elapsed)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, COALESCE("
	"(SELECT e.workflow FROM workflow.executions AS e WHERE e.id OPERATOR(pg_catalog.=) $13), $14),"
	" $15, $16, $17, $18,"
	" pg_catalog.make_interval(secs => $19::pg_catalog.float8 OPERATOR(pg_catalog./) 1000.0::pg_catalog.float8))"
	" RETURNING id",
	lengthof(insert_types), insert_types, NULL
};

static const Oid id_types[] = {INT8OID};
static StateStatement quarantine_statement = {
	"UPDATE workflow.executor_history AS h SET quarantined_at = pg_catalog.clock_timestamp()"
	" FROM (SELECT id FROM workflow.executor_history WHERE id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE SKIP LOCKED) AS x"
	" WHERE h.id OPERATOR(pg_catalog.=) x.id",
	lengthof(id_types), id_types, NULL
};

static StateStatement end_statement = {
	"UPDATE workflow.executor_history SET ended_at = pg_catalog.clock_timestamp()"
	" WHERE id OPERATOR(pg_catalog.=) $1 AND ended_at IS NULL",
	lengthof(id_types), id_types, NULL
};

static const Oid pids_types[] = {INT4ARRAYOID};
static StateStatement abandoned_statement = {
	"UPDATE workflow.executor_history AS h SET ended_at = pg_catalog.clock_timestamp()"
	" FROM (SELECT id FROM workflow.executor_history"
	"  WHERE ended_at IS NULL AND pid OPERATOR(pg_catalog.<>) ALL ($1) FOR NO KEY UPDATE SKIP LOCKED) AS x"
	" WHERE h.id OPERATOR(pg_catalog.=) x.id",
	lengthof(pids_types), pids_types, NULL
};

static const Oid pid_types[] = {INT4OID};
static StateStatement find_statement = {
	"SELECT id FROM workflow.executor_history WHERE ended_at IS NULL AND pid OPERATOR(pg_catalog.=) $1",
	lengthof(pid_types), pid_types, NULL
};

static const Oid count_types[] = {TEXTOID, TIMESTAMPTZOID, OIDOID};
static StateStatement count_statement = {
	"SELECT pg_catalog.count(*) FROM workflow.executor_history"
	" WHERE workflow OPERATOR(pg_catalog.=) $1 AND stuck_at OPERATOR(pg_catalog.>=) $2"
	" AND role::pg_catalog.oid OPERATOR(pg_catalog.=) $3",
	lengthof(count_types), count_types, NULL
};

static const Oid prune_types[] = {TIMESTAMPTZOID, INT4OID};
static StateStatement prune_statement = {
	"DELETE FROM workflow.executor_history AS h USING (SELECT id FROM workflow.executor_history"
	" WHERE ended_at OPERATOR(pg_catalog.<) $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS old"
	" WHERE h.id OPERATOR(pg_catalog.=) old.id",
	lengthof(prune_types), prune_types, NULL
};

int64
executor_history_insert(const ExecutorRecord *record)
{
	Datum		values[lengthof(insert_types)];
	char		nulls[lengthof(insert_types)];
	int64		id;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int32GetDatum(record->pid);
	values[1] = ObjectIdGetDatum(record->role);
	values[2] = TimestampTzGetDatum(record->started_at);
	state_set_time(values, nulls, 3, record->ended_at);
	state_set_text(values, nulls, 4, record->reason);
	values[5] = Int64GetDatum(record->runs);
	values[6] = Int64GetDatum(record->steps);
	values[7] = Int64GetDatum(record->peak_memory);
	if (record->peak_memory == 0)
		nulls[7] = 'n';
	values[8] = ObjectIdGetDatum(record->requested_by);
	if (!OidIsValid(record->requested_by))
		nulls[8] = 'n';
	state_set_text(values, nulls, 9, record->request_reason);
	state_set_time(values, nulls, 10, record->draining_since);
	state_set_time(values, nulls, 11, record->stuck_at);
	values[12] = Int64GetDatum(record->execution_id);
	state_set_text(values, nulls, 13, record->workflow);
	state_set_text(values, nulls, 14, record->scope);
	state_set_text(values, nulls, 15, record->step_id);
	values[16] = Int32GetDatum(record->visit);
	values[17] = Int32GetDatum(record->attempt);
	values[18] = Int64GetDatum(record->elapsed_ms);
	if (record->stuck_at == 0)
		for (int i = 12; i < (int) lengthof(insert_types); i++)
			nulls[i] = 'n';

	state_query(&insert_statement, values, nulls, false, 0);
	id = state_column_int64(0, 1);
	state_done();
	return id;
}

void
executor_history_quarantine(int64 id)
{
	Datum		value = Int64GetDatum(id);

	state_execute(&quarantine_statement, &value, NULL);
}

void
executor_history_end(int64 id)
{
	Datum		value = Int64GetDatum(id);

	state_execute(&end_statement, &value, NULL);
}

void
executor_history_close_abandoned(const int *pids, int npids)
{
	Datum	   *elements = palloc(Max(npids, 1) * sizeof(Datum));
	Datum		value;

	for (int i = 0; i < npids; i++)
		elements[i] = Int32GetDatum(pids[i]);
	value = PointerGetDatum(construct_array(elements, npids, INT4OID,
											sizeof(int32), true, TYPALIGN_INT));
	state_execute(&abandoned_statement, &value, NULL);
}

int64
executor_history_find(int pid)
{
	Datum		value = Int32GetDatum(pid);
	int64		id = 0;

	if (state_query(&find_statement, &value, NULL, true, 1) > 0)
		id = state_column_int64(0, 1);
	state_done();
	return id;
}

int64
executor_history_prune(TimestampTz before, int32 max)
{
	Datum		values[2];

	values[0] = TimestampTzGetDatum(before);
	values[1] = Int32GetDatum(max);
	return (int64) state_execute(&prune_statement, values, NULL);
}

int64
executor_history_count_stuck(const char *workflow, Oid role, TimestampTz since)
{
	Datum		values[3];
	int64		count;

	values[0] = CStringGetTextDatum(workflow);
	values[1] = TimestampTzGetDatum(since);
	values[2] = ObjectIdGetDatum(role);
	state_query(&count_statement, values, NULL, false, 0);
	count = state_column_int64(0, 1);
	state_done();
	return count;
}

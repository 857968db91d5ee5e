/*-------------------------------------------------------------------------
 *
 * waits.c
 *	  The table workflow.waits: what executions wait for that have nothing else
 *	  to do.
 *
 * NOTES
 *	  An execution is written down as waiting by its executor, in the transaction in
 *	  which its thread parks, and is in nobody's memory from then on.  It leaves this state
 *	  by becoming pending, when its time has come (in the scheduler) or when
 *	  somebody wakes it (in a session), and is claimed like any other; or by being
 *	  paused or cancelled.
 *
 *	  Who changes rows here has the row of their execution locked, so that nobody ever waits
 *	  for a lock in this table; and it has rows of executions that wait, only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "shared/slots.h"
#include "state/private.h"
#include "state/state.h"
#include "state/waits.h"

static const char *const kinds[] = {
	[WAIT_RETRY] = "retry",
	[WAIT_HOLD] = "hold"
};

static const Oid id_types[] = {INT8OID};

/*
 * How it ends may have been decided, it may be to be made ready for a retry(), or steps of it have been
 * marked or released since the thread was loaded: that goes before.
 */
static const Oid wait_types[] = {INT8OID, JSONBOID};
static StateStatement wait_statement = {
	"UPDATE workflow.executions AS e SET status = 'waiting' WHERE e.id OPERATOR(pg_catalog.=) $1"
	" AND e.status OPERATOR(pg_catalog.=) 'running'::pg_catalog.text AND e.ending IS NULL AND NOT e.reopen"
	" AND COALESCE(e.step_marks, 'null'::pg_catalog.jsonb) OPERATOR(pg_catalog.=) COALESCE($2, 'null'::pg_catalog.jsonb)"
	NOTIFY_STATUS,
	lengthof(wait_types), wait_types, NULL
};

static const Oid insert_types[] = {INT8OID, TEXTOID, TEXTOID, INT4OID, INT4OID, TEXTOID, TIMESTAMPTZOID};
static StateStatement insert_statement = {
	"INSERT INTO workflow.waits (execution_id, scope, step_id, visit, attempt, kind, until)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7)",
	lengthof(insert_types), insert_types, NULL
};

/*
 * Those that are due are pending from now on; start_at has served, and says since when they
 * are in the queue.
 */
static const Oid due_types[] = {INT4OID};
static StateStatement due_statement = {
	"WITH due AS MATERIALIZED (SELECT e.id FROM workflow.waits AS w JOIN workflow.executions AS e"
	"  ON e.id OPERATOR(pg_catalog.=) w.execution_id AND e.status OPERATOR(pg_catalog.=) 'waiting'::pg_catalog.text"
	"  WHERE w.until OPERATOR(pg_catalog.<=) pg_catalog.now()"
	"  ORDER BY w.until LIMIT $1 FOR NO KEY UPDATE OF e SKIP LOCKED),"
	" over AS (DELETE FROM workflow.waits AS w USING due AS d WHERE w.execution_id OPERATOR(pg_catalog.=) d.id)"
	" UPDATE workflow.executions AS e SET status = 'pending', start_at = pg_catalog.now() FROM due AS d"
	" WHERE e.id OPERATOR(pg_catalog.=) d.id"
	NOTIFY_STATUS ", e.role::pg_catalog.oid, e.start_at",
	lengthof(due_types), due_types, NULL
};

static StateStatement next_statement = {
	"SELECT w.until FROM workflow.waits AS w WHERE w.until OPERATOR(pg_catalog.<) 'infinity'::pg_catalog.timestamptz"
	" ORDER BY w.until LIMIT 1",
	0, NULL, NULL
};

static StateStatement wake_statement = {
	"UPDATE workflow.executions AS e SET status = 'pending', start_at = pg_catalog.now() WHERE e.id OPERATOR(pg_catalog.=) $1"
	NOTIFY_STATUS,
	lengthof(id_types), id_types, NULL
};

static StateStatement delete_statement = {
	"DELETE FROM workflow.waits AS w WHERE w.execution_id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

bool
execution_wait(const LoadedExecution *execution, const char *scope, const char *step_id, int visit,
			   int attempt, const Wait *wait)
{
	Datum		values[lengthof(insert_types)];
	char		nulls[lengthof(insert_types) + 1] = "       ";

	values[0] = Int64GetDatum(execution->id);
	state_set_jsonb(values, nulls, 1, execution->step_marks);
	if (state_execute(&wait_statement, values, nulls) == 0)
		return false;
	nulls[1] = ' ';
	values[1] = CStringGetTextDatum(scope);
	values[2] = CStringGetTextDatum(step_id);
	values[3] = Int32GetDatum(visit);
	nulls[3] = visit != 0 ? ' ' : 'n';
	values[4] = Int32GetDatum(attempt);
	values[5] = CStringGetTextDatum(kinds[wait->kind]);
	values[6] = TimestampTzGetDatum(wait->until);
	state_execute(&insert_statement, values, nulls);
	fault_point("execution.waiting");
	return true;
}

int
executions_wake_due(int limit, QueueNews *news, TimestampTz *next, bool *locked)
{
	Datum		value = Int32GetDatum(limit);
	uint64		nrows = state_query(&due_statement, &value, NULL, false, 0);

	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		queue_news_add_deferred(news, DatumGetObjectId(state_column(i, 2, &isnull)),
								state_column_time(i, 3));
	}
	state_done();
	if (nrows > 0)
		fault_point("execution.woken");

	*next = DT_NOEND;
	if (state_query(&next_statement, NULL, NULL, false, 1) > 0)
		*next = state_column_time(0, 1);
	state_done();
	/* what is due still, though there was room, somebody has locked */
	*locked = (int) nrows < limit && *next <= GetCurrentTransactionStartTimestamp();
	return (int) nrows;
}

void
execution_wake(int64 id, Oid role)
{
	Datum		value = Int64GetDatum(id);

	state_execute(&delete_statement, &value, NULL);
	state_execute(&wake_statement, &value, NULL);
	wake_for_deferred(role, GetCurrentTransactionStartTimestamp());
	fault_point("execution.woken");
}

void
execution_waits_no_more(int64 id)
{
	Datum		value = Int64GetDatum(id);

	state_execute(&delete_statement, &value, NULL);
}

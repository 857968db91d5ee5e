/*-------------------------------------------------------------------------
 *
 * waits.c
 *	  The table workflow.waits: what threads wait for that nobody has in memory.
 *
 * NOTES
 *	  A thread is written down as waiting by its executor, in the transaction in
 *	  which it parks, and is in nobody's memory from then on: who goes on with
 *	  an execution goes on with its threads but for those that have a row here.
 *	  To wake a thread is to delete its row; whoever does that sees to it that
 *	  somebody goes on with it.
 *
 *	  An execution all of whose threads wait is "waiting": at once where the
 *	  thread of the root scope is its only one, else when it has been so for a
 *	  while, in the scheduler.  It leaves this state by becoming pending, when
 *	  the time of one of them has come (in the scheduler) or when somebody wakes
 *	  one (in a session), and is claimed like any other; or by being paused or
 *	  cancelled.  What closes its containers (closed_steps.c) takes the rows
 *	  with it.
 *
 *	  Locks: rows of executions that wait are changed here by who has the
 *	  execution's row locked.  While it runs, its threads come and go beside
 *	  each other: they share a lock on the execution's row, so that no mark or
 *	  decision of a session is missed.  The scheduler skips what is locked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "shared/wake.h"
#include "state/announce.h"
#include "state/private.h"
#include "state/state.h"
#include "state/waits.h"

static const char *const kinds[] = {
	[WAIT_RETRY] = "retry",
	[WAIT_HOLD] = "hold",
	[WAIT_TIMER] = "timer"
};

static const Oid id_types[] = {INT8OID};
static const Oid ids_types[] = {INT8ARRAYOID};

/*
 * How it ends may have been decided, it may be to be made ready for a retry(),
 * or steps of it have been marked or released since the thread was loaded: that
 * goes before.
 */
#define MAY_WAIT(e) \
	" WHERE " e ".id OPERATOR(pg_catalog.=) $1" \
	" AND " e ".status OPERATOR(pg_catalog.=) 'running'::pg_catalog.text" \
	" AND " e ".ending IS NULL AND NOT " e ".reopen" \
	" AND COALESCE(" e ".step_marks, 'null'::pg_catalog.jsonb)" \
	"  OPERATOR(pg_catalog.=) COALESCE($2, 'null'::pg_catalog.jsonb)"

static const Oid wait_types[] = {INT8OID, JSONBOID};
static StateStatement wait_statement = {
	"UPDATE workflow.executions AS e SET status = 'waiting'"
	" FROM (SELECT x.id FROM workflow.executions AS x" MAY_WAIT("x")
	"  FOR NO KEY UPDATE SKIP LOCKED) AS m WHERE e.id OPERATOR(pg_catalog.=) m.id"
	RETURNING_STATUS,
	lengthof(wait_types), wait_types, NULL
};
static StateStatement share_statement = {
	"SELECT FROM workflow.executions AS e" MAY_WAIT("e") " FOR SHARE SKIP LOCKED",
	lengthof(wait_types), wait_types, NULL
};

/* There is a row already when its run was lost and is done again. */
static const Oid insert_types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID,
								   INT4OID, INT4OID, TEXTOID, TIMESTAMPTZOID};
static StateStatement insert_statement = {
	"INSERT INTO workflow.waits AS w"
	" (execution_id, thread, scope, step_id, visit, attempt, kind, until)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	" ON CONFLICT (execution_id, thread) DO UPDATE SET scope = EXCLUDED.scope,"
	" step_id = EXCLUDED.step_id, visit = EXCLUDED.visit, attempt = EXCLUDED.attempt,"
	" kind = EXCLUDED.kind, until = EXCLUDED.until, since = EXCLUDED.since",
	lengthof(insert_types), insert_types, NULL
};

/*
 * What is due from a time on: while somebody keeps an old snapshot what has
 * waited before it stays in the index.  What cannot be had now does not stand
 * in front of the others.
 */
#define IS_DUE(from) \
	"w.until OPERATOR(pg_catalog.>=) " from " AND w.until OPERATOR(pg_catalog.<=) pg_catalog.now()"

static const Oid nth_due_types[] = {INT4OID, TIMESTAMPTZOID};
static StateStatement nth_due_statement = {
	"SELECT w.until FROM workflow.waits AS w WHERE " IS_DUE("$2") " ORDER BY w.until OFFSET $1 LIMIT 1",
	lengthof(nth_due_types), nth_due_types, NULL
};

/* None of these reads all that is due to find what it is for. */
#define IS_DUE_UP_TO(from, to) IS_DUE(from) " AND w.until OPERATOR(pg_catalog.<=) " to

static const Oid due_types[] = {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID,
								INT8ARRAYOID};
static StateStatement due_statement = {
	"SELECT w.execution_id, w.thread, e.id IS NULL"
	" FROM workflow.waits AS w LEFT JOIN workflow.executions AS e"
	" ON e.id OPERATOR(pg_catalog.=) w.execution_id"
	" WHERE " IS_DUE_UP_TO("$2", "$3")
	" AND (e.id IS NULL OR e.status OPERATOR(pg_catalog.=) 'running'::pg_catalog.text)"
	" AND w.execution_id OPERATOR(pg_catalog.<>) ALL ($4)"
	" ORDER BY w.until LIMIT $1 FOR UPDATE OF w SKIP LOCKED",
	lengthof(due_types), due_types, NULL
};
static const Oid due_idle_types[] = {INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
static StateStatement due_idle_statement = {
	"SELECT e.id FROM workflow.waits AS w JOIN workflow.executions AS e"
	" ON e.id OPERATOR(pg_catalog.=) w.execution_id"
	" WHERE " IS_DUE_UP_TO("$2", "$3")
	" AND e.status OPERATOR(pg_catalog.<>) 'running'::pg_catalog.text"
	" ORDER BY w.until LIMIT $1 FOR NO KEY UPDATE OF e SKIP LOCKED",
	lengthof(due_idle_types), due_idle_types, NULL
};

/*
 * A stretch of all that wait, in the order of their key.  That of a retry which
 * was written down later than now began before the clock was put back.
 */
static const Oid begin_again_types[] = {INT4OID, INT8OID, TEXTOID};
static StateStatement begin_again_statement = {
	"WITH batch AS MATERIALIZED ("
	"  SELECT w.execution_id, w.thread, w.kind, w.since FROM workflow.waits AS w"
	"  WHERE ROW(w.execution_id, w.thread) OPERATOR(pg_catalog.>) ROW($2, $3)"
	"  ORDER BY w.execution_id, w.thread LIMIT $1 FOR UPDATE SKIP LOCKED),"
	" again AS (UPDATE workflow.waits AS w SET since = pg_catalog.now(),"
	"  until = pg_catalog.now() OPERATOR(pg_catalog.+) (w.until OPERATOR(pg_catalog.-) w.since)"
	"  FROM batch AS s WHERE w.execution_id OPERATOR(pg_catalog.=) s.execution_id"
	"  AND w.thread OPERATOR(pg_catalog.=) s.thread"
	"  AND s.kind OPERATOR(pg_catalog.=) 'retry'::pg_catalog.text"
	"  AND s.since OPERATOR(pg_catalog.>) pg_catalog.now())"
	" SELECT execution_id, thread FROM batch ORDER BY execution_id DESC, thread DESC LIMIT 1",
	lengthof(begin_again_types), begin_again_types, NULL
};

static const Oid next_types[] = {TIMESTAMPTZOID};
static StateStatement next_statement = {
	"SELECT w.until FROM workflow.waits AS w"
	" WHERE w.until OPERATOR(pg_catalog.>=) $1"
	" AND w.until OPERATOR(pg_catalog.<) 'infinity'::pg_catalog.timestamptz"
	" ORDER BY w.until LIMIT 1",
	lengthof(next_types), next_types, NULL
};

/* start_at has served, and says since when they are in the queue. */
#define WAKE_SET \
	"UPDATE workflow.executions AS e SET status = 'pending', start_at = pg_catalog.now()"

static const Oid wake_due_types[] = {INT8ARRAYOID, TIMESTAMPTZOID,
									 TIMESTAMPTZOID};
static StateStatement wake_due_statement = {
	"WITH over AS (DELETE FROM workflow.waits AS w"
	"  WHERE w.execution_id OPERATOR(pg_catalog.=) ANY ($1) AND " IS_DUE_UP_TO("$2", "$3") ")"
	" " WAKE_SET " WHERE e.id OPERATOR(pg_catalog.=) ANY ($1)"
	" AND e.status OPERATOR(pg_catalog.=) 'waiting'::pg_catalog.text"
	RETURNING_STATUS ", e.role::pg_catalog.oid, e.start_at",
	lengthof(wake_due_types), wake_due_types, NULL
};

static StateStatement wake_statement = {
	WAKE_SET " WHERE e.id OPERATOR(pg_catalog.=) $1"
	RETURNING_STATUS,
	lengthof(id_types), id_types, NULL
};

static const Oid of_step_types[] = {INT8OID, TEXTOID};
static StateStatement forget_step_statement = {
	"DELETE FROM workflow.waits AS w WHERE w.execution_id OPERATOR(pg_catalog.=) $1"
	" AND w.step_id OPERATOR(pg_catalog.=) $2",
	lengthof(of_step_types), of_step_types, NULL
};

static StateStatement marked_statement = {
	"UPDATE workflow.waits AS w SET until = pg_catalog.now() FROM (SELECT x.execution_id, x.thread"
	"  FROM workflow.waits AS x"
	"  JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) x.execution_id"
	"  WHERE x.execution_id OPERATOR(pg_catalog.=) ANY ($1)"
	"  AND CASE WHEN x.kind OPERATOR(pg_catalog.=) 'hold'::pg_catalog.text"
	"   THEN COALESCE(e.step_marks OPERATOR(pg_catalog.->) x.step_id"
	"    OPERATOR(pg_catalog.->>) 'mark', '') OPERATOR(pg_catalog.<>) 'hold'::pg_catalog.text"
	"   ELSE e.step_marks OPERATOR(pg_catalog.?) x.step_id END"
	"  FOR UPDATE OF x SKIP LOCKED) AS m"
	" WHERE w.execution_id OPERATOR(pg_catalog.=) m.execution_id"
	" AND w.thread OPERATOR(pg_catalog.=) m.thread",
	lengthof(ids_types), ids_types, NULL
};

/*
 * A session may have marked a step, or woken a thread, that the scheduler has
 * not looked at yet.
 */
static StateStatement rest_statement = {
	"UPDATE workflow.executions AS e SET status = 'waiting'"
	" FROM (SELECT x.id FROM workflow.executions AS x"
	"  WHERE x.id OPERATOR(pg_catalog.=) ANY ($1)"
	"  AND x.status OPERATOR(pg_catalog.=) 'running'::pg_catalog.text"
	"  AND x.ending IS NULL AND NOT x.reopen AND NOT x.control"
	"  AND EXISTS (SELECT FROM workflow.waits AS w WHERE w.execution_id OPERATOR(pg_catalog.=) x.id)"
	"  FOR NO KEY UPDATE OF x SKIP LOCKED) AS r"
	" WHERE e.id OPERATOR(pg_catalog.=) r.id"
	RETURNING_STATUS,
	lengthof(ids_types), ids_types, NULL
};

static StateStatement forget_statement = {
	"DELETE FROM workflow.waits AS w WHERE w.execution_id OPERATOR(pg_catalog.=) ANY ($1)",
	lengthof(ids_types), ids_types, NULL
};

static const Oid range_types[] = {INT8OID, TEXTOID, TEXTOID};
#define IN_RANGE \
	" FROM workflow.waits AS w WHERE w.execution_id OPERATOR(pg_catalog.=) $1" \
	" AND w.thread OPERATOR(pg_catalog.>=) $2 AND w.thread OPERATOR(pg_catalog.<) $3"
static StateStatement forget_range_statement = {
	"DELETE" IN_RANGE, lengthof(range_types), range_types, NULL
};
static StateStatement range_statement = {
	"SELECT w.thread" IN_RANGE, lengthof(range_types), range_types, NULL
};

static const Oid over_types[] = {INT8ARRAYOID, TEXTARRAYOID};
static StateStatement over_statement = {
	"DELETE FROM workflow.waits AS w USING ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2))"
	" AS o (execution_id, thread) WHERE w.execution_id OPERATOR(pg_catalog.=) o.execution_id"
	" AND w.thread OPERATOR(pg_catalog.=) o.thread",
	lengthof(over_types), over_types, NULL
};

bool
thread_wait(const LoadedExecution *execution, const char *thread,
			const char *scope, const char *step_id, int visit, int attempt,
			const Wait *wait)
{
	Datum		values[lengthof(insert_types)];
	char		nulls[lengthof(insert_types) + 1] = "        ";
	bool		only = (*thread == '\0');
	bool		waits;

	values[0] = Int64GetDatum(execution->id);
	state_set_jsonb(values, nulls, 1, execution->step_marks);
	if (only)
		waits = state_execute_statuses(&wait_statement, values, nulls) > 0;
	else
	{
		waits = state_query(&share_statement, values, nulls, false, 1) > 0;
		state_done();
	}
	if (!waits)
		return false;
	values[1] = CStringGetTextDatum(thread);
	nulls[1] = ' ';
	values[2] = CStringGetTextDatum(scope);
	values[3] = CStringGetTextDatum(step_id);
	values[4] = Int32GetDatum(visit);
	nulls[4] = visit != 0 ? ' ' : 'n';
	values[5] = Int32GetDatum(attempt);
	values[6] = CStringGetTextDatum(kinds[wait->kind]);
	values[7] = TimestampTzGetDatum(wait->until);
	state_execute(&insert_statement, values, nulls);
	if (only)
		fault_point("execution.waiting");
	else
		fault_point("thread.waiting");
	return true;
}

/* The time in the first column of the only row; DT_NOEND: there is none. */
static TimestampTz
query_time(StateStatement *statement, Datum *values)
{
	TimestampTz time = DT_NOEND;

	if (state_query(statement, values, NULL, false, 1) > 0)
	{
		bool		isnull;

		time = DatumGetTimestampTz(state_column(0, 1, &isnull));
	}
	state_done();
	return time;
}

TimestampTz
waits_nth_due(int n, TimestampTz from)
{
	Datum		values[] = {Int32GetDatum(n - 1), TimestampTzGetDatum(from)};

	return query_time(&nth_due_statement, values);
}

int
waits_due(int limit, TimestampTz from, TimestampTz to, const int64 *but,
		  int nbut, DueWait **due)
{
	Datum		values[] = {Int32GetDatum(limit), TimestampTzGetDatum(from),
							TimestampTzGetDatum(to), state_ids(but, nbut)};
	uint64		nrows = state_query(&due_statement, values, NULL, false, 0);

	*due = palloc(Max(nrows, 1) * sizeof(DueWait));
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		(*due)[i].execution_id = state_column_int64(i, 1);
		(*due)[i].thread = state_column_text(i, 2);
		(*due)[i].lost = DatumGetBool(state_column(i, 3, &isnull));
	}
	state_done();
	return (int) nrows;
}

void
waits_over(const DueWait *waits, int count)
{
	Datum	   *threads = palloc(Max(count, 1) * sizeof(Datum));
	int64	   *ids = palloc(Max(count, 1) * sizeof(int64));
	Datum		values[lengthof(over_types)];

	if (count == 0)
		return;
	for (int i = 0; i < count; i++)
	{
		ids[i] = waits[i].execution_id;
		threads[i] = CStringGetTextDatum(waits[i].thread);
	}
	values[0] = state_ids(ids, count);
	values[1] = PointerGetDatum(
		construct_array(threads, count, TEXTOID, -1, false, TYPALIGN_INT));
	state_execute(&over_statement, values, NULL);
	fault_point("thread.woken");
}

int
executions_wake_due(int limit, TimestampTz from, TimestampTz to,
					QueueNews *news, int *ended)
{
	Datum		values[] = {
		Int32GetDatum(limit), TimestampTzGetDatum(from), TimestampTzGetDatum(to)
	};
	int			count = (int) state_query(&due_idle_statement, values, NULL, false, 0);
	int64	   *ids = palloc(Max(count, 1) * sizeof(int64));
	uint64		nrows;

	for (int i = 0; i < count; i++)
		ids[i] = state_column_int64(i, 1);
	state_done();
	*ended = count;
	if (count == 0)
		return 0;
	values[0] = state_ids(ids, count);
	nrows = state_query(&wake_due_statement, values, NULL, false, 0);
	announce_statuses(nrows);
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		queue_news_add_deferred(news,
								DatumGetObjectId(
									state_column(i, STATUS_COLUMNS + 1,
												 &isnull)),
								state_column_time(i, STATUS_COLUMNS + 2));
	}
	state_done();
	if (nrows > 0)
		fault_point("execution.woken");
	return (int) nrows;
}

bool
waits_begin_again(int limit, int64 *execution_id, char **thread)
{
	Datum		values[] = {Int32GetDatum(limit), Int64GetDatum(*execution_id),
							CStringGetTextDatum(*thread)};
	bool		found = state_query(&begin_again_statement, values, NULL, false,
									1) > 0;

	if (found)
	{
		*execution_id = state_column_int64(0, 1);
		*thread = state_column_text(0, 2);
	}
	state_done();
	return found;
}

TimestampTz
waits_next_due(TimestampTz from)
{
	Datum		value = TimestampTzGetDatum(from);

	return query_time(&next_statement, &value);
}

int
executions_rest(int64 *ids, int count)
{
	Datum		value = state_ids(ids, count);
	int			nrows;

	nrows = (int) state_query(&rest_statement, &value, NULL, false, 0);
	announce_statuses(nrows);
	for (int i = 0; i < nrows; i++)
		ids[i] = state_column_int64(i, 1);
	state_done();
	if (nrows > 0)
		fault_point("execution.rests");
	return nrows;
}

bool
executions_marked(const int64 *ids, int count)
{
	Datum		value = state_ids(ids, count);

	return count > 0 && state_execute(&marked_statement, &value, NULL) > 0;
}

void
execution_wake_step(int64 id, Oid role, ExecutionStatus status,
					const char *step_id)
{
	Datum		values[] = {Int64GetDatum(id), CStringGetTextDatum(step_id)};

	if (state_execute(&forget_step_statement, values, NULL) == 0 ||
		status != EXECUTION_WAITING)
		return;
	state_execute_statuses(&wake_statement, values, NULL);
	wake_for_deferred(role, GetCurrentTransactionStartTimestamp());
	fault_point("execution.woken");
}

void
executions_wait_no_more(const int64 *ids, int count)
{
	Datum		value = state_ids(ids, count);

	state_execute(&forget_statement, &value, NULL);
}

void
threads_wait_no_more(int64 execution_id, const char *from, const char *to)
{
	Datum		values[] = {Int64GetDatum(execution_id),
							CStringGetTextDatum(from),
							CStringGetTextDatum(to)};

	state_execute(&forget_range_statement, values, NULL);
}

char **
threads_waiting(int64 execution_id, const char *from, const char *to,
				int *count)
{
	Datum		values[] = {Int64GetDatum(execution_id),
							CStringGetTextDatum(from),
							CStringGetTextDatum(to)};
	uint64		nrows = state_query(&range_statement, values, NULL, false, 0);
	char	  **threads = palloc_extended(Max(nrows, 1) * sizeof(char *),
										  MCXT_ALLOC_HUGE);

	for (uint64 i = 0; i < nrows; i++)
		threads[i] = state_column_text(i, 1);
	state_done();
	*count = (int) nrows;
	return threads;
}

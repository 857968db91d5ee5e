/*-------------------------------------------------------------------------
 *
 * steer.c
 *	  The table workflow.executions: pause, resume, retry.
 *
 * NOTES
 *	  Sessions write, in the caller's transaction, with the row locked; the
 *	  scheduler ends pauses that last too long.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "state/announce.h"
#include "state/private.h"
#include "state/steer.h"

static const Oid pause_types[] = {INT8OID, REGROLEOID, TEXTOID, TIMESTAMPTZOID};
/*
 * The first thread waits only with its execution; others do so while that is
 * paused, too.
 */
static StateStatement pause_statement = {
	"WITH over AS (DELETE FROM workflow.waits AS w WHERE w.execution_id OPERATOR(pg_catalog.=) $1"
	"  AND w.thread OPERATOR(pg_catalog.=) ''::pg_catalog.text)"
	" UPDATE workflow.executions AS e SET status = 'paused', control = true, limited = false,"
	" paused_at = pg_catalog.clock_timestamp(), paused_by = $2, pause_reason = $3, paused_until = $4"
	" WHERE e.id OPERATOR(pg_catalog.=) $1"
	RETURNING_STATUS,
	lengthof(pause_types), pause_types, NULL
};

/*
 * A pause that is over now; the clock may have been put back since it began, so
 * that it took no time.  With both its ends: what contains paused_at is over.
 */
#define PAUSE_UNTIL_NOW(start) \
	"pg_catalog.tstzmultirange(pg_catalog.tstzrange(" start ", GREATEST(" start ", pg_catalog.clock_timestamp()), '[]'))"

static const Oid id_types[] = {INT8OID};
static StateStatement resume_statement = {
	"UPDATE workflow.executions AS e SET status = 'pending', paused_until = NULL,"
	" pauses = COALESCE(e.pauses, '{}'::pg_catalog.tstzmultirange) OPERATOR(pg_catalog.+)"
	" " PAUSE_UNTIL_NOW("e.paused_at")
	" WHERE e.id OPERATOR(pg_catalog.=) $1"
	RETURNING_STATUS,
	lengthof(id_types), id_types, NULL
};

static const Oid retry_types[] = {INT8OID, TIMESTAMPTZOID, TEXTOID, JSONBOID};
static StateStatement retry_statement = {
	"UPDATE workflow.executions AS e SET status = 'pending', retries = e.retries OPERATOR(pg_catalog.+) 1,"
	" interruptions = " WITH_INTERRUPTION("e.interruptions", "pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("
	"  'event', e.status, 'at', e.completed_at, 'error', e.error, 'by', e.cancelled_by::pg_catalog.text,"
	"  'reason', e.cancel_reason))") ","
	" retried_at = pg_catalog.clock_timestamp(), reopen = true, reopen_from = $2,"
	" step_inputs = CASE WHEN $4 IS NULL THEN e.step_inputs ELSE COALESCE(e.step_inputs, '{}'::pg_catalog.jsonb)"
	"  OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object($3, $4) END,"
	" pauses = COALESCE(e.pauses, '{}'::pg_catalog.tstzmultirange) OPERATOR(pg_catalog.+)"
	" " PAUSE_UNTIL_NOW("CASE WHEN e.paused_at IS NULL OR e.pauses OPERATOR(pg_catalog.@>) e.paused_at"
	"  THEN e.completed_at ELSE e.paused_at END") ","
	" completed_at = NULL, output = NULL, error = NULL, error_type = NULL, recoveries = 0, recovered_at = NULL,"
	" probation = false, cancelled_by = NULL, cancelled_at = NULL, cancel_reason = NULL, paused_until = NULL,"
	" ending = NULL, compensate = false,"
	" start_at = CASE WHEN e.schedule_id IS NULL THEN e.start_at ELSE 'infinity'::pg_catalog.timestamptz END"
	" WHERE e.id OPERATOR(pg_catalog.=) $1"
	RETURNING_STATUS,
	lengthof(retry_types), retry_types, NULL
};

static const Oid mark_types[] = {INT8OID, TEXTOID, TEXTOID,
								 JSONBOID, TEXTOID, TEXTOID};
static StateStatement mark_statement = {
	"UPDATE workflow.executions AS e SET control = true, step_marks = CASE WHEN m.mark IS NULL"
	" THEN e.step_marks OPERATOR(pg_catalog.-) $2"
	" ELSE COALESCE(e.step_marks, '{}'::pg_catalog.jsonb) OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object($2,"
	"  m.mark OPERATOR(pg_catalog.||) pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("
	"   'by', $5, 'at', pg_catalog.clock_timestamp(), 'reason', $6))) END"
	" FROM (SELECT CASE WHEN $4 IS NOT NULL THEN pg_catalog.jsonb_build_object('mark', $3, 'output', $4)"
	"  WHEN $3 IS NOT NULL THEN pg_catalog.jsonb_build_object('mark', $3) END AS mark) AS m"
	" WHERE e.id OPERATOR(pg_catalog.=) $1 AND NOT COALESCE((e.step_marks OPERATOR(pg_catalog.->) $2"
	" OPERATOR(pg_catalog.-) '{by,at,reason}'::pg_catalog.text[]) OPERATOR(pg_catalog.=) m.mark,"
	" (e.step_marks OPERATOR(pg_catalog.->) $2) IS NULL AND m.mark IS NULL)",
	lengthof(mark_types), mark_types, NULL
};

static const Oid find_mark_types[] = {INT8OID, TEXTOID};
static StateStatement find_mark_statement = {
	"SELECT e.step_marks OPERATOR(pg_catalog.->) $2 OPERATOR(pg_catalog.->>) 'mark' FROM workflow.executions AS e"
	" WHERE e.id OPERATOR(pg_catalog.=) $1",
	lengthof(find_mark_types), find_mark_types, NULL
};

static StateStatement is_paused_statement = {
	"SELECT 1 FROM workflow.executions WHERE id OPERATOR(pg_catalog.=) $1"
	" AND status OPERATOR(pg_catalog.=) ANY ('{paused,pending,blocked}'::pg_catalog.text[])",
	lengthof(id_types), id_types, NULL
};

#define WITH_PAUSE_END \
	" FROM workflow.executions WHERE status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text" \
	" AND paused_until IS NOT NULL"

#define OVERDUE_PAUSE \
	WITH_PAUSE_END " AND paused_until OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()"

static StateStatement too_long_statement = {
	"SELECT id" OVERDUE_PAUSE " ORDER BY paused_until LIMIT 100",
	0, NULL, NULL
};

static StateStatement lock_too_long_statement = {
	"SELECT definition_id, started_at IS NOT NULL, ending IS NOT NULL" OVERDUE_PAUSE
	" AND id OPERATOR(pg_catalog.=) $1 FOR UPDATE SKIP LOCKED",
	lengthof(id_types), id_types, NULL
};

static StateStatement next_end_statement = {
	"SELECT paused_until" WITH_PAUSE_END " ORDER BY paused_until LIMIT 1",
	0, NULL, NULL
};

void
execution_pause(int64 id, Oid paused_by, const char *reason, TimestampTz until)
{
	Datum		values[lengthof(pause_types)];
	char		nulls[lengthof(pause_types)];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(id);
	values[1] = ObjectIdGetDatum(paused_by);
	values[2] = reason ? CStringGetTextDatum(reason) : (Datum) 0;
	values[3] = TimestampTzGetDatum(until);
	nulls[2] = reason ? ' ' : 'n';
	nulls[3] = until != DT_NOEND ? ' ' : 'n';
	state_execute_statuses(&pause_statement, values, nulls);
	fault_point("execution.paused");
}

void
execution_resume(int64 id)
{
	Datum		value = Int64GetDatum(id);

	state_execute_statuses(&resume_statement, &value, NULL);
	fault_point("execution.resumed");
}

void
execution_retry(int64 id, TimestampTz from, const char *key, Jsonb *input)
{
	Datum		values[lengthof(retry_types)];
	char		nulls[lengthof(retry_types)];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(id);
	values[1] = TimestampTzGetDatum(from);
	nulls[1] = from != 0 ? ' ' : 'n';
	values[2] = key ? CStringGetTextDatum(key) : (Datum) 0;
	nulls[2] = key ? ' ' : 'n';
	values[3] = PointerGetDatum(input);
	nulls[3] = input ? ' ' : 'n';
	state_execute_statuses(&retry_statement, values, nulls);
	fault_point("execution.retried");
}

char *
execution_step_mark(int64 id, const char *step_id)
{
	Datum		values[] = {Int64GetDatum(id), CStringGetTextDatum(step_id)};
	char	   *mark = NULL;

	if (state_query(&find_mark_statement, values, NULL, false, 1) > 0)
		mark = state_column_text(0, 1);
	state_done();
	return mark;
}

bool
execution_mark_step(int64 id, const char *step_id, const char *mark,
					Jsonb *output, const char *reason)
{
	Datum		values[lengthof(mark_types)];
	char		nulls[lengthof(mark_types)];
	bool		marked;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(step_id);
	values[2] = mark ? CStringGetTextDatum(mark) : (Datum) 0;
	nulls[2] = mark ? ' ' : 'n';
	values[3] = PointerGetDatum(output);
	nulls[3] = output ? ' ' : 'n';
	/* by name: a number means nobody, or somebody else, in another cluster */
	values[4] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	state_set_text(values, nulls, 5, reason);
	marked = state_execute(&mark_statement, values, nulls) > 0;
	fault_point("step.marked");
	return marked;
}

bool
execution_is_paused(int64 id)
{
	Datum		value = Int64GetDatum(id);
	bool		paused = state_query(&is_paused_statement, &value, NULL, false, 1) > 0;

	state_done();
	return paused;
}

int
executions_paused_too_long(int64 **ids)
{
	uint64		nrows = state_query(&too_long_statement, NULL, NULL, false, 0);

	*ids = palloc(Max(nrows, 1) * sizeof(int64));
	for (uint64 i = 0; i < nrows; i++)
		(*ids)[i] = state_column_int64(i, 1);
	state_done();
	return (int) nrows;
}

bool
execution_lock_overdue_pause(int64 id, OverduePause *pause)
{
	Datum		value = Int64GetDatum(id);
	bool		found = state_query(&lock_too_long_statement, &value, NULL, false, 1) > 0;
	bool		isnull;

	if (found)
	{
		pause->id = id;
		pause->definition_id = state_column_int32(0, 1);
		pause->begun = DatumGetBool(state_column(0, 2, &isnull));
		pause->decided = DatumGetBool(state_column(0, 3, &isnull));
	}
	state_done();
	return found;
}

TimestampTz
executions_next_pause_end(void)
{
	TimestampTz result = DT_NOEND;

	if (state_query(&next_end_statement, NULL, NULL, false, 1) > 0)
	{
		bool		isnull;

		result = DatumGetTimestampTz(state_column(0, 1, &isnull));
	}
	state_done();
	return result;
}

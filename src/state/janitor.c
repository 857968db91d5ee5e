/*-------------------------------------------------------------------------
 *
 * janitor.c
 *	  The table workflow.executions: what has waited too long.
 *
 * NOTES
 *	  In the scheduler.  Waits for no lock: what a session has locked is left
 *	  for the next time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "state/ends.h"
#include "state/janitor.h"
#include "state/pauses.h"
#include "state/private.h"

static const Oid began_types[] = {INT8OID};
/* Clocks begin anew with a retry. */
static StateStatement began_statement = {
	"SELECT GREATEST(e.started_at, e.retried_at), e.pauses IS NOT NULL"
	" FROM workflow.executions AS e WHERE e.id OPERATOR(pg_catalog.=) $1"
	" AND e.status OPERATOR(pg_catalog.=) 'running'::pg_catalog.text",
	lengthof(began_types), began_types, NULL
};

/*
 * What is pending and has not begun, by the three indexes it can be in, since a
 * time.
 */
#define WAITING_PART(columns, where) \
	"SELECT " columns " FROM workflow.executions WHERE status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text" \
	" AND started_at IS NULL AND " where
#define WAITING(columns, condition) \
	WAITING_PART(columns, "start_at IS NULL AND NOT limited" condition) \
	" UNION ALL " WAITING_PART(columns, "start_at IS NOT NULL AND NOT limited" \
							   " AND start_at OPERATOR(pg_catalog.<=) pg_catalog.now()" condition) \
	" UNION ALL " WAITING_PART(columns, "limited" condition)
/* It could not be begun while it was paused, nor before it was retried. */
#define WAITS_SINCE "GREATEST(created_at, start_at, pg_catalog.upper(pauses))"

static const Oid waited_types[] = {INT4OID};
static StateStatement waited_statement = {
	"SELECT id FROM workflow.executions WHERE id OPERATOR(pg_catalog.=) ANY (ARRAY("
	WAITING("id", " AND " WAITS_SINCE " OPERATOR(pg_catalog.<=) (pg_catalog.now() OPERATOR(pg_catalog.-)"
			" pg_catalog.make_interval(secs => $1))")
	" LIMIT 1000)) AND status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text FOR UPDATE SKIP LOCKED",
	lengthof(waited_types), waited_types, NULL
};

static StateStatement oldest_statement = {
	"SELECT pg_catalog.min(since) FROM (" WAITING(WAITS_SINCE " AS since", "") ") AS w",
	0, NULL, NULL
};

TimestampTz
execution_deadline(int64 id, int timeout_seconds)
{
	Datum		value = Int64GetDatum(id);
	TimestampTz began = DT_NOEND;
	bool		has_pauses = false;
	Pause	   *pauses = NULL;
	int			npauses = 0;

	if (state_query(&began_statement, &value, NULL, false, 1) > 0)
	{
		bool		isnull;

		began = DatumGetTimestampTz(state_column(0, 1, &isnull));
		has_pauses = DatumGetBool(state_column(0, 2, &isnull));
	}
	state_done();
	if (began == DT_NOEND)
		return DT_NOEND;
	if (has_pauses)
		npauses = execution_load_pauses(id, &pauses);
	return deadline_with_pauses(began, timeout_seconds, pauses, npauses);
}

int
executions_time_out_pending(int timeout_seconds, TimestampTz *oldest)
{
	Datum		value = Int32GetDatum(timeout_seconds);
	uint64		nrows = state_query(&waited_statement, &value, NULL, false, 0);
	int64	   *ids = palloc(Max(nrows, 1) * sizeof(int64));
	bool		isnull;

	for (uint64 i = 0; i < nrows; i++)
		ids[i] = state_column_int64(i, 1);
	state_done();
	executions_time_out(ids, (int) nrows);

	state_query(&oldest_statement, NULL, NULL, false, 1);
	*oldest = DatumGetTimestampTz(state_column(0, 1, &isnull));
	if (isnull)
		*oldest = DT_NOEND;
	state_done();
	return (int) nrows;
}

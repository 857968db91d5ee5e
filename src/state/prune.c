/*-------------------------------------------------------------------------
 *
 * prune.c
 *	  The tables workflow.executions and workflow.step_executions: deleting what
 *	  ended long ago.
 *
 * NOTES
 *	  Runs in sessions.  There is no index by time: every execution would pay
 *	  for it.  Executions are numbered as they are started, so the primary key
 *	  leads from the oldest to the newest; it is walked in windows and left
 *	  where nothing but newer executions follow.
 *
 *	  Whose number was reserved by a session long before it was used stands
 *	  among older ones and is passed over; that is why one newer execution is
 *	  not yet the end, but a whole window of them.
 *
 *	  Executions are deleted by number, a few at a time: the rows of their steps
 *	  lie beside each other in the table and in its index, and the plan cannot
 *	  come to depend on the size of the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "state/executions.h"
#include "state/private.h"
#include "state/prune.h"

/* Executions looked at at once. */
#define PRUNE_WINDOW 5000

static const Oid window_types[] = {TIMESTAMPTZOID, TEXTARRAYOID, INT8OID,
								   INT4OID};
static StateStatement window_statement = {
	"SELECT w.id, w.status OPERATOR(pg_catalog.=) ANY ($2) AND w.completed_at OPERATOR(pg_catalog.<) $1,"
	" w.created_at OPERATOR(pg_catalog.<) $1"
	" FROM (SELECT e.id, e.status, e.completed_at, e.created_at FROM workflow.executions AS e"
	" WHERE e.id OPERATOR(pg_catalog.>) $3 ORDER BY e.id LIMIT $4) AS w",
	lengthof(window_types), window_types, NULL
};

/* retry() may have taken one of them meanwhile */
static const Oid lock_types[] = {TIMESTAMPTZOID, TEXTARRAYOID, INT8ARRAYOID};
static StateStatement lock_statement = {
	"SELECT pg_catalog.array_agg(x.id) FROM (SELECT e.id FROM workflow.executions AS e"
	" WHERE e.id OPERATOR(pg_catalog.=) ANY ($3) AND e.status OPERATOR(pg_catalog.=) ANY ($2)"
	" AND e.completed_at OPERATOR(pg_catalog.<) $1 FOR UPDATE SKIP LOCKED) AS x",
	lengthof(lock_types), lock_types, NULL
};

static const Oid ids_types[] = {INT8ARRAYOID};
static StateStatement delete_steps_statement = {
	"DELETE FROM workflow.step_executions WHERE execution_id OPERATOR(pg_catalog.=) ANY ($1)",
	lengthof(ids_types), ids_types, NULL
};
static StateStatement delete_statement = {
	"DELETE FROM workflow.executions WHERE id OPERATOR(pg_catalog.=) ANY ($1)",
	lengthof(ids_types), ids_types, NULL
};

/* Delete those of the ids that nobody has locked and that are still to go. */
static void
delete_executions(Prune *prune, Datum *ids, int count)
{
	Datum		values[3];
	Datum		locked;
	bool		isnull;

	values[0] = TimestampTzGetDatum(prune->before);
	values[1] = PointerGetDatum(prune->statuses);
	values[2] = PointerGetDatum(construct_array(ids, count, INT8OID,
												sizeof(int64), FLOAT8PASSBYVAL,
												TYPALIGN_DOUBLE));
	state_query(&lock_statement, values, NULL, false, 0);
	locked = state_column(0, 1, &isnull);
	if (!isnull)
		locked = PointerGetDatum(DatumGetArrayTypePCopy(locked));
	state_done();
	if (isnull)
		return;
	prune->steps += state_execute(&delete_steps_statement, &locked, NULL);
	prune->executions += state_execute(&delete_statement, &locked, NULL);
}

/*
 * The plans walk indexes, whatever statistics say, or said when they were made.
 */
static int
prefer_indexes(void)
{
	static const char *const off[] = {"enable_seqscan", "enable_bitmapscan"};
	int			nest_level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(off); i++)
		(void) set_config_option(off[i], "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}

int64
executions_prune(Prune *prune, int max)
{
	int			nest_level = prefer_indexes();
	Datum		values[4];
	Datum	   *ids = palloc(Min(max, PRUNE_WINDOW) * sizeof(Datum));
	int			count = 0;
	int64		executions = prune->executions;
	int64		steps = prune->steps;
	bool		older = false;
	uint64		nrows;

	values[0] = TimestampTzGetDatum(prune->before);
	values[1] = PointerGetDatum(prune->statuses);
	values[2] = Int64GetDatum(prune->last);
	values[3] = Int32GetDatum(PRUNE_WINDOW);
	nrows = state_query(&window_statement, values, NULL, false, 0);
	for (uint64 i = 0; i < nrows && count < max; i++)
	{
		bool		isnull;
		bool		goes = DatumGetBool(state_column(i, 2, &isnull)) && !isnull;

		prune->last = state_column_int64(i, 1);
		if (goes)
			ids[count++] = Int64GetDatum(prune->last);
		older |= goes || DatumGetBool(state_column(i, 3, &isnull));
	}
	state_done();
	prune->done = count < max && (nrows < PRUNE_WINDOW || !older);
	if (count > 0)
		delete_executions(prune, ids, count);
	AtEOXact_GUC(true, nest_level);
	pfree(ids);
	prune->rows_each = prune->executions > executions
		? 1 + (prune->steps - steps) / (prune->executions - executions) : 1;
	return prune->executions - executions;
}

/*-------------------------------------------------------------------------
 *
 * pauses.c
 *	  Times in which executions were paused, and the clock of their time limits
 *	  stood still.
 *
 * NOTES
 *	  Executors, the scheduler, sessions; inside a transaction.  Reads rows, and
 *	  takes no lock.  That an execution is paused is written by steer.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "state/pauses.h"
#include "state/private.h"
#include "state/state.h"

static const Oid id_types[] = {INT8OID};
/*
 * By itself: few executions are paused, and setting up its plan is felt by all.
 */
static StateStatement pauses_statement = {
	"SELECT pg_catalog.lower(p), pg_catalog.upper(p) FROM workflow.executions AS e, pg_catalog.unnest(e.pauses) AS p"
	" WHERE e.id OPERATOR(pg_catalog.=) $1 ORDER BY 1",
	lengthof(id_types), id_types, NULL
};

int
execution_load_pauses(int64 id, Pause **pauses)
{
	Datum		value = Int64GetDatum(id);
	int			count = (int) state_query(&pauses_statement, &value, NULL, false, 0);

	*pauses = palloc(Max(count, 1) * sizeof(Pause));
	for (int i = 0; i < count; i++)
	{
		(*pauses)[i].from = state_column_time(i, 1);
		(*pauses)[i].to = state_column_time(i, 2);
	}
	state_done();
	return count;
}

/*
 * Pauses do not overlap.
 */
TimestampTz
deadline_with_pauses(TimestampTz from, int seconds, const Pause *pauses,
					 int npauses)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(from,
													   (int64) seconds * 1000);

	for (int i = 0; i < npauses; i++)
	{
		if (pauses[i].from >= deadline)
			break;
		if (pauses[i].to > from)
			deadline += pauses[i].to - Max(pauses[i].from, from);
	}
	return deadline;
}

/*-------------------------------------------------------------------------
 *
 * statistics.c
 *	  workflow.engine_counters() and reset_engine_statistics(): what the
 *	  engine's processes have counted.
 *
 * NOTES
 *	  Runs in sessions.  A reset takes effect at once, whatever becomes of the
 *	  transaction, as that of pg_stat_reset().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "shared/registry.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_engine_counters(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_reset_engine_statistics(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_engine_counters);
PG_FUNCTION_INFO_V1(workflow_reset_engine_statistics);

/*
 * workflow.engine_counters() returns setof record: database, the counters in
 * their order, times in milliseconds, and since when
 */
Datum
workflow_engine_counters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EngineStatistics *statistics;
	int			count;

	state_check_installation();
	InitMaterializedSRF(fcinfo, 0);
	if (registry == NULL)
		return (Datum) 0;

	statistics = palloc(registry->ndatabases * sizeof(EngineStatistics));
	count = engine_statistics_read(statistics);
	for (int i = 0; i < count; i++)
	{
		const uint64 *counts = statistics[i].counts.value;
		Datum		values[NUM_ENGINE_COUNTERS + 2];
		bool		nulls[NUM_ENGINE_COUNTERS + 2] = {0};

		values[0] = ObjectIdGetDatum(statistics[i].database);
		for (int k = 0; k < NUM_ENGINE_COUNTERS; k++)
			values[k + 1] = k < TIME_SQL ? Int64GetDatum((int64) counts[k])
				: Float8GetDatum((double) counts[k] / 1000.0);
		values[NUM_ENGINE_COUNTERS + 1] = TimestampTzGetDatum(
			statistics[i].since);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * workflow.reset_engine_statistics() returns void
 */
Datum
workflow_reset_engine_statistics(PG_FUNCTION_ARGS)
{
	state_check_installation();
	if (registry != NULL)
		engine_statistics_reset(MyDatabaseId);
	PG_RETURN_VOID();
}

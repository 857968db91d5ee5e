/*-------------------------------------------------------------------------
 *
 * prune.c
 *	  workflow.prune(): delete history.
 *
 * NOTES
 *	  Runs in sessions.  One short transaction per call, the caller's; locks only
 *	  rows of executions that have ended, and skips those that somebody else has
 *	  locked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "state/dead_letters.h"
#include "state/executions.h"
#include "state/history.h"
#include "state/schedules.h"

extern PGDLLEXPORT Datum workflow_prune(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_prune);

/* Only what has ended can go. */
static void
require_final_statuses(ArrayType *statuses)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(statuses, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = nulls[i] ? NULL : TextDatumGetCString(elements[i]);
		ExecutionStatus status;

		if (name == NULL || !execution_status_find(name, &status) ||
			!execution_status_is_final(status))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("executions with status \"%s\" cannot be pruned",
							name ? name : "null"),
					 errhint("The statuses are completed, failed, cancelled and timed_out.")));
	}
}

/*
 * workflow.prune(older_than interval, statuses text[], max_executions integer)
 * returns bigint
 */
Datum
workflow_prune(PG_FUNCTION_ARGS)
{
	Interval   *older_than = PG_GETARG_INTERVAL_P(0);
	ArrayType  *statuses = PG_GETARG_ARRAYTYPE_P(1);
	int32		max_executions = PG_GETARG_INT32(2);
	Interval	zero = {0};
	TimestampTz before;

	if (DatumGetBool(DirectFunctionCall2(interval_lt, IntervalPGetDatum(older_than),
										 IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("older_than must not be negative")));
	if (max_executions < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_executions must be greater than zero, not %d", max_executions)));
	require_final_statuses(statuses);

	before = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
													 TimestampTzGetDatum(GetCurrentTimestamp()),
													 IntervalPGetDatum(older_than)));
	(void) schedule_runs_prune(before, max_executions);
	(void) executor_history_prune(before, max_executions);
	PG_RETURN_INT64(executions_prune(before, PointerGetDatum(statuses), max_executions) +
					dead_letters_prune(before, PointerGetDatum(statuses), max_executions));
}

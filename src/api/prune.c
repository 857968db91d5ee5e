/*-------------------------------------------------------------------------
 *
 * prune.c
 *	  workflow.prune(): delete history.
 *
 * NOTES
 *	  Runs in sessions.  One short transaction per call, the caller's; locks only
 *	  rows of executions that have ended, and skips those that somebody else has
 *	  locked.  What is not in the statistics by day yet is added to them first, and
 *	  what cannot be added yet is not deleted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "api/roll_up.h"
#include "state/dead_letters.h"
#include "state/executions.h"
#include "state/history.h"
#include "state/schedules.h"
#include "state/state.h"
#include "state/statistics.h"

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

/* An argument that is an age, as the time that is so long ago; DT_NOBEGIN for null. */
static TimestampTz
time_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Interval	zero = {0};
	Datum		age;

	if (PG_ARGISNULL(argument))
		return DT_NOBEGIN;
	age = PG_GETARG_DATUM(argument);
	if (DatumGetBool(DirectFunctionCall2(interval_lt, age, IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												   TimestampTzGetDatum(GetCurrentTimestamp()), age));
}

static void
refuse_nulls(FunctionCallInfo fcinfo)
{
	static const char *const names[] = {"older_than", "statuses", "max_executions"};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", names[i])));
}

/* Who deletes history leaves a trace. */
static void
note_pruned(int64 executions, int64 letters, int64 entries, int64 statistics)
{
	AuditEntry	entry = {.action = "prune",.subject_type = "database"};
	char	   *deleted;

	if (executions + letters + entries + statistics == 0)
		return;
	deleted = psprintf("{\"executions\": " INT64_FORMAT ", \"dead_letters\": " INT64_FORMAT
					   ", \"audit_log\": " INT64_FORMAT ", \"statistics\": " INT64_FORMAT "}",
					   executions, letters, entries, statistics);
	entry.subject = get_database_name(MyDatabaseId);
	entry.before = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(deleted)));
	audit(&entry);
}

/*
 * workflow.prune(older_than interval, statuses text[], max_executions integer,
 * audit_older_than interval, statistics_older_than interval) returns bigint
 */
Datum
workflow_prune(PG_FUNCTION_ARGS)
{
	TimestampTz before;
	TimestampTz audit_before;
	TimestampTz statistics_before;
	TimestampTz reached;
	Datum		statuses;
	int32		max;
	int64		executions;
	int64		letters;
	int64		entries;
	int64		statistics;

	refuse_nulls(fcinfo);
	before = time_argument(fcinfo, 0, "older_than");
	audit_before = time_argument(fcinfo, 3, "audit_older_than");
	statistics_before = time_argument(fcinfo, 4, "statistics_older_than");
	statuses = PG_GETARG_DATUM(1);
	max = PG_GETARG_INT32(2);
	if (max < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_executions must be greater than zero, not %d", max)));
	require_final_statuses(DatumGetArrayTypeP(statuses));

	(void) schedule_runs_prune(before, max);
	(void) executor_history_prune(before, max);
	/* what is in no statistics yet is kept, and so are the trips in the audit log */
	reached = roll_up_before(Max(before, audit_before));
	executions = executions_prune(Min(before, reached), statuses, max);
	letters = dead_letters_prune(before, statuses, max);
	entries = audit_prune(Min(audit_before, reached), max);
	statistics = statistics_prune(statistics_before, max);
	note_pruned(executions, letters, entries, statistics);
	PG_RETURN_INT64(executions + letters + entries + statistics);
}

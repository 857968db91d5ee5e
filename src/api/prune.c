/*-------------------------------------------------------------------------
 *
 * prune.c
 *	  workflow.prune() and CALL workflow.prune_all(): delete history.
 *
 * NOTES
 *	  Runs in sessions.  Locks only rows of executions that have ended, and
 *	  skips those that somebody else has locked.  prune() is one transaction,
 *	  the caller's.  prune_all() is many short ones, with pauses between them:
 *	  what hurts others is not locks but the disk, which their commits wait for.
 *
 *	  What is not in the statistics by day yet is added to them first, and
 *	  what cannot be added yet is not deleted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "api/roll_up.h"
#include "shared/clock.h"
#include "state/dead_letters.h"
#include "state/executions.h"
#include "state/history.h"
#include "state/prune.h"
#include "state/schedules.h"
#include "state/state.h"
#include "state/statistics.h"

extern PGDLLEXPORT Datum workflow_prune(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_prune_all(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_prune);
PG_FUNCTION_INFO_V1(workflow_prune_all);

/* Executions deleted at once, at most: their numbers are an array. */
#define PRUNE_PART 1000
/*
 * prune_all() leaves its trace at the first deletion, at its end, and so often
 * in between, ms.
 */
#define TRACE_EVERY_MS 60000

/* Only what has ended can go. */
static void
require_final_statuses(ArrayType *statuses)
{
	static const char *const final[] = {"completed", "failed", "cancelled",
										"timed_out"};
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(statuses, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &count);
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
					 errhint("%s", hint_about_word(name ? name : "", final, lengthof(final)))));
	}
}

/*
 * An argument that is an age, as the time that is so long ago; DT_NOBEGIN for
 * null.
 */
static TimestampTz
time_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Interval	zero = {0};
	Datum		age;

	if (PG_ARGISNULL(argument))
		return DT_NOBEGIN;
	age = PG_GETARG_DATUM(argument);
	if (DatumGetBool(
			DirectFunctionCall2(interval_lt, age, IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_mi_interval,
							TimestampTzGetDatum(GetCurrentTimestamp()), age));
}

static void
refuse_if_null(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

static void
require_positive(int64 value, const char *name)
{
	if (value < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be greater than zero, not %lld", name, (long long) value)));
}

/* What was deleted in a transaction, and how old what goes has to be. */
typedef struct Pruning
{
	TimestampTz audit_before;
	TimestampTz statistics_before;
	int64		executions;
	int64		letters;
	int64		entries;
	int64		statistics;
} Pruning;

/* Who deletes history leaves a trace. */
static void
note_pruned(const Pruning *pruning)
{
	AuditEntry	entry = {.action = "prune",.subject_type = "database"};
	char	   *deleted;

	if (pruning->executions + pruning->letters + pruning->entries +
			pruning->statistics ==
		0)
		return;
	deleted = psprintf("{\"executions\": " INT64_FORMAT
					   ", \"dead_letters\": " INT64_FORMAT
					   ", \"audit_log\": " INT64_FORMAT
					   ", \"statistics\": " INT64_FORMAT "}",
					   pruning->executions, pruning->letters, pruning->entries,
					   pruning->statistics);
	entry.subject = get_database_name(MyDatabaseId);
	entry.before = DatumGetJsonbP(
		DirectFunctionCall1(jsonb_in, CStringGetDatum(deleted)));
	audit(&entry);
}

/*
 * Read the ages and statuses that both are called with.  What is in no
 * statistics yet is kept, and so are the trips in the audit log.
 */
static void
begin_pruning(FunctionCallInfo fcinfo, int first_age, Prune *prune,
			  Pruning *pruning)
{
	TimestampTz reached;

	memset(prune, 0, sizeof(Prune));
	memset(pruning, 0, sizeof(Pruning));
	prune->before = time_argument(fcinfo, 0, "older_than");
	pruning->audit_before = time_argument(fcinfo, first_age,
										  "audit_older_than");
	pruning->statistics_before = time_argument(fcinfo, first_age + 1,
											   "statistics_older_than");
	prune->statuses = PG_GETARG_ARRAYTYPE_P_COPY(1);
	require_final_statuses(prune->statuses);
	reached = roll_up_before(Max(prune->before, pruning->audit_before));
	prune->before = Min(prune->before, reached);
	pruning->audit_before = Min(pruning->audit_before, reached);
}

/*
 * What is kept beside executions, at most so many of each.  Returns how many
 * were deleted.
 */
static int64
prune_others(TimestampTz before, const Prune *prune, int max, Pruning *pruning)
{
	int64		letters = dead_letters_prune(before, PointerGetDatum(prune->statuses), max);
	int64		entries = audit_prune(pruning->audit_before, max);
	int64		statistics = statistics_prune(pruning->statistics_before, max);

	pruning->letters += letters;
	pruning->entries += entries;
	pruning->statistics += statistics;
	return letters + entries + statistics +
		schedule_runs_prune(before, max) + executor_history_prune(before, max);
}

/*
 * workflow.prune(older_than interval, statuses text[], max_executions integer,
 * audit_older_than interval, statistics_older_than interval) returns bigint
 */
Datum
workflow_prune(PG_FUNCTION_ARGS)
{
	TimestampTz before;
	Prune		prune;
	Pruning		pruning;
	int32		max;

	refuse_if_null(fcinfo, 0, "older_than");
	refuse_if_null(fcinfo, 1, "statuses");
	refuse_if_null(fcinfo, 2, "max_executions");
	max = PG_GETARG_INT32(2);
	require_positive(max, "max_executions");
	before = time_argument(fcinfo, 0, "older_than");
	begin_pruning(fcinfo, 3, &prune, &pruning);
	while (!prune.done && prune.executions < max)
	{
		CHECK_FOR_INTERRUPTS();
		(void) executions_prune(&prune,
								(int) Min(max - prune.executions, PRUNE_PART));
	}
	pruning.executions = prune.executions;
	(void) prune_others(before, &prune, max, &pruning);
	note_pruned(&pruning);
	PG_RETURN_INT64(pruning.executions + pruning.letters + pruning.entries +
					pruning.statistics);
}

/* An argument that is an interval and may be null, in ms; -1 for null. */
static int64
interval_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz then;

	if (PG_ARGISNULL(argument))
		return -1;
	then = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(now),
												   PG_GETARG_DATUM(argument)));
	if (then < now)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return (then - now) / 1000;
}

/* Commit, and leave others the disk for a while. */
static void
commit_and_pause(int64 pause, TimestampTz until)
{
	TimestampTz now;
	TimestampTz end;

	SPI_commit();
	now = steady_now();
	end = Min(TimestampTzPlusMilliseconds(now, pause), until);
	for (; now < end; now = steady_now())
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(TimestampDifferenceMilliseconds(now, end) + 1,
							 1000),
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	CHECK_FOR_INTERRUPTS();
}

/*
 * So many executions have about so many rows; at most twice as many as the last
 * time.
 */
static int
next_part(const Prune *prune, int part, int rows)
{
	return (int) Max(1,
					 Min(Min((int64) part * 2, PRUNE_PART),
						 rows / prune->rows_each));
}

static Datum
pruned_row(FunctionCallInfo fcinfo, int64 pruned)
{
	TupleDesc	descriptor;
	Datum		value = Int64GetDatum(pruned);
	bool		isnull = false;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(descriptor), &value, &isnull));
}

/* Has the trace to be written now? */
static bool
trace_is_due(const Pruning *pruning, const Pruning *traced, TimestampTz *next)
{
	if (pruning->executions == traced->executions || steady_now() < *next)
		return false;
	*next = TimestampTzPlusMilliseconds(steady_now(), TRACE_EVERY_MS);
	return true;
}

/*
 * In the transaction that deletes: the trace of what was deleted since the last
 * one.
 */
static void
leave_trace(const Pruning *pruning, Pruning *traced)
{
	Pruning		since = *pruning;

	since.executions -= traced->executions;
	since.letters -= traced->letters;
	since.entries -= traced->entries;
	since.statistics -= traced->statistics;
	note_pruned(&since);
	*traced = *pruning;
}

/*
 * workflow.prune_all(older_than interval, statuses text[], INOUT pruned bigint,
 * max_executions bigint, time_budget interval, pause interval, max_rows
 * integer, audit_older_than interval, statistics_older_than interval)
 */
Datum
workflow_prune_all(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	int64		max_executions = PG_ARGISNULL(3) ? PG_INT64_MAX : PG_GETARG_INT64(3);
	int64		budget = interval_argument(fcinfo, 4, "time_budget");
	int64		pause = Max(0, interval_argument(fcinfo, 5, "pause"));
	int32		max_rows = PG_ARGISNULL(6) ? 0 : PG_GETARG_INT32(6);
	TimestampTz until = budget < 0 ?
		DT_NOEND :
		TimestampTzPlusMilliseconds(steady_now(), budget);
	TimestampTz before;
	TimestampTz next_trace = DT_NOBEGIN;
	Prune		prune;
	Pruning		pruning;
	Pruning		traced;
	int			part = 10;
	int64		more;

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("workflow.prune_all() cannot be called inside a transaction block or a function"),
				 errdetail("It commits after each part."),
				 errhint("Use workflow.prune().")));
	refuse_if_null(fcinfo, 0, "older_than");
	refuse_if_null(fcinfo, 1, "statuses");
	require_positive(max_executions, "max_executions");
	require_positive(max_rows, "max_rows");
	before = time_argument(fcinfo, 0, "older_than");

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	begin_pruning(fcinfo, 7, &prune, &pruning);
	traced = pruning;
	commit_and_pause(0, until);
	while (!prune.done && prune.executions < max_executions &&
		   steady_now() < until)
	{
		int64		deleted = executions_prune(&prune,
										 (int) Min(max_executions -
													   prune.executions,
												   part));

		pruning.executions = prune.executions;
		if (deleted > 0)
			part = next_part(&prune, part, max_rows);
		if (trace_is_due(&pruning, &traced, &next_trace))
			leave_trace(&pruning, &traced);
		commit_and_pause(deleted > 0 ? pause : 0, until);
	}
	do
	{
		more = prune_others(before, &prune, max_rows, &pruning);
		leave_trace(&pruning, &traced);
		commit_and_pause(more > 0 ? pause : 0, until);
	} while (more > 0 && steady_now() < until);
	SPI_finish();
	PG_RETURN_DATUM(pruned_row(fcinfo,
							   pruning.executions + pruning.letters +
								   pruning.entries + pruning.statistics));
}

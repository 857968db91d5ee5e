/*-------------------------------------------------------------------------
 *
 * execution_rows.c
 *	  The table workflow.executions without statements.
 *
 * NOTES
 *	  Loading and finishing run in executors and in execute(), claiming in the
 *	  scheduler, inserting in sessions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "shared/identity.h"
#include "shared/role_value.h"
#include "state/direct.h"
#include "state/execution_rows.h"
#include "state/private.h"

/* The columns, in the order of the table. */
enum
{
	COLUMN_ID,
	COLUMN_DEFINITION_ID,
	COLUMN_WORKFLOW,
	COLUMN_VERSION,
	COLUMN_STATUS,
	COLUMN_ROLE,
	COLUMN_PRIORITY,
	COLUMN_PARALLEL,
	COLUMN_INLINE,
	COLUMN_TENANT,
	COLUMN_IDEMPOTENCY_KEY,
	COLUMN_SCHEDULE_ID,
	COLUMN_START_AT,
	COLUMN_CREATED_AT,
	COLUMN_STARTED_AT,
	COLUMN_COMPLETED_AT,
	COLUMN_RECOVERIES,
	COLUMN_RECOVERED_AT,
	COLUMN_PROBATION,
	COLUMN_ERROR_TYPE,
	COLUMN_CANCELLED_BY,
	COLUMN_CANCELLED_AT,
	COLUMN_CANCEL_REASON,
	COLUMN_COMPENSATE,
	COLUMN_ENDING,
	COLUMN_DEAD_LETTER_ID,
	COLUMN_CONTROL,
	COLUMN_LIMITED,
	COLUMN_COUNTED,
	COLUMN_PAUSED_BY,
	COLUMN_PAUSED_AT,
	COLUMN_PAUSED_UNTIL,
	COLUMN_PAUSE_REASON,
	COLUMN_PAUSES,
	COLUMN_RETRIES,
	COLUMN_RETRIED_AT,
	COLUMN_REOPEN,
	COLUMN_REOPEN_FROM,
	COLUMN_STEP_INPUTS,
	COLUMN_STEP_MARKS,
	COLUMN_INTERRUPTIONS,
	COLUMN_INPUT,
	COLUMN_OUTPUT,
	COLUMN_ERROR,
	COLUMN_TRACEPARENT,
	COLUMN_ERASED_AT,
	COLUMN_COUNT
};

static const char *const columns[COLUMN_COUNT] =
	{[COLUMN_ID] = "id",
	 [COLUMN_DEFINITION_ID] = "definition_id",
	 [COLUMN_WORKFLOW] = "workflow",
	 [COLUMN_VERSION] = "version",
	 [COLUMN_STATUS] = "status",
	 [COLUMN_ROLE] = "role",
	 [COLUMN_PRIORITY] = "priority",
	 [COLUMN_PARALLEL] = "parallel",
	 [COLUMN_INLINE] = "inline",
	 [COLUMN_TENANT] = "tenant",
	 [COLUMN_IDEMPOTENCY_KEY] = "idempotency_key",
	 [COLUMN_SCHEDULE_ID] = "schedule_id",
	 [COLUMN_START_AT] = "start_at",
	 [COLUMN_CREATED_AT] = "created_at",
	 [COLUMN_STARTED_AT] = "started_at",
	 [COLUMN_COMPLETED_AT] = "completed_at",
	 [COLUMN_RECOVERIES] = "recoveries",
	 [COLUMN_RECOVERED_AT] = "recovered_at",
	 [COLUMN_PROBATION] = "probation",
	 [COLUMN_ERROR_TYPE] = "error_type",
	 [COLUMN_CANCELLED_BY] = "cancelled_by",
	 [COLUMN_CANCELLED_AT] = "cancelled_at",
	 [COLUMN_CANCEL_REASON] = "cancel_reason",
	 [COLUMN_COMPENSATE] = "compensate",
	 [COLUMN_ENDING] = "ending",
	 [COLUMN_DEAD_LETTER_ID] = "dead_letter_id",
	 [COLUMN_CONTROL] = "control",
	 [COLUMN_LIMITED] = "limited",
	 [COLUMN_COUNTED] = "counted",
	 [COLUMN_PAUSED_BY] = "paused_by",
	 [COLUMN_PAUSED_AT] = "paused_at",
	 [COLUMN_PAUSED_UNTIL] = "paused_until",
	 [COLUMN_PAUSE_REASON] = "pause_reason",
	 [COLUMN_PAUSES] = "pauses",
	 [COLUMN_RETRIES] = "retries",
	 [COLUMN_RETRIED_AT] = "retried_at",
	 [COLUMN_REOPEN] = "reopen",
	 [COLUMN_REOPEN_FROM] = "reopen_from",
	 [COLUMN_STEP_INPUTS] = "step_inputs",
	 [COLUMN_STEP_MARKS] = "step_marks",
	 [COLUMN_INTERRUPTIONS] = "interruptions",
	 [COLUMN_INPUT] = "input",
	 [COLUMN_OUTPUT] = "output",
	 [COLUMN_ERROR] = "error",
	 [COLUMN_TRACEPARENT] = "traceparent",
	 [COLUMN_ERASED_AT] = "erased_at"};

static StateTable executions = {"executions", columns, COLUMN_COUNT, NULL};

static bool
is_null(StateScan *row, int column)
{
	bool		isnull;

	(void) state_scan_value(row, column, &isnull);
	return isnull;
}

static bool
has_status(StateScan *row, ExecutionStatus status)
{
	const char *name = execution_status_name(status);
	bool		isnull;
	text	   *value = DatumGetTextPP(state_scan_value(row, COLUMN_STATUS, &isnull));
	size_t		length = VARSIZE_ANY_EXHDR(value);

	return strlen(name) == length &&
		memcmp(VARDATA_ANY(value), name, length) == 0;
}

/* What happens to few of them: paused, retried, decided, steps held. */
static bool
has_history(StateScan *row)
{
	return !is_null(row, COLUMN_PAUSES) || !is_null(row, COLUMN_ENDING) ||
		!is_null(row, COLUMN_STEP_INPUTS) || !is_null(row, COLUMN_STEP_MARKS) ||
		!is_null(row, COLUMN_RETRIED_AT) || state_scan_bool(row, COLUMN_REOPEN);
}

bool
execution_load_directly(int64 id, LoadedExecution **execution)
{
	StateScan	row;
	bool		loaded = false;

	/* a step may follow in this transaction, and take its time */
	if (!state_find(&executions, AccessShareLock, id, &row))
		return false;
	if (has_status(&row, EXECUTION_RUNNING) && !has_history(&row))
	{
		LoadedExecution *result = palloc0(sizeof(LoadedExecution));
		bool		isnull;

		result->id = id;
		result->definition_id = state_scan_int32(&row, COLUMN_DEFINITION_ID);
		result->version = state_scan_int32(&row, COLUMN_VERSION);
		result->workflow = state_scan_text(&row, COLUMN_WORKFLOW);
		result->role = role_value_oid(
			state_scan_value(&row, COLUMN_ROLE, &isnull));
		result->priority = state_scan_int32(&row, COLUMN_PRIORITY);
		result->parallel = state_scan_bool(&row, COLUMN_PARALLEL);
		result->started_at = state_scan_time(&row, COLUMN_STARTED_AT);
		result->input = state_scan_jsonb(&row, COLUMN_INPUT);
		result->traceparent = state_scan_text(&row, COLUMN_TRACEPARENT);
		*execution = result;
		loaded = true;
	}
	state_scan_end(&row);
	return loaded;
}

bool
execution_finish_directly(ExecutionEnd *end, Jsonb *output)
{
	static const int changed[] = {COLUMN_STATUS, COLUMN_STARTED_AT,
								  COLUMN_COMPLETED_AT, COLUMN_ERROR_TYPE,
								  COLUMN_OUTPUT, COLUMN_ERROR};
	StateScan	row;
	Datum		values[lengthof(changed)];
	char		nulls[lengthof(changed)];
	bool		finished = false;

	if (!state_find(&executions, RowExclusiveLock, end->id, &row))
		return false;
	if (has_status(&row, EXECUTION_RUNNING) && is_null(&row, COLUMN_ENDING) &&
		!state_scan_bool(&row, COLUMN_REOPEN))
	{
		bool		isnull;

		end->from = EXECUTION_RUNNING;
		end->dead_letter = DatumGetInt64(
			state_scan_value(&row, COLUMN_DEAD_LETTER_ID, &isnull));
		end->executed = state_scan_bool(&row, COLUMN_INLINE);
		end->of_schedule = !is_null(&row, COLUMN_SCHEDULE_ID);
		if (end->started_at == 0)
			end->started_at = state_scan_time(&row, COLUMN_STARTED_AT);

		memset(nulls, ' ', sizeof(nulls));
		values[0] = CStringGetTextDatum(execution_status_name(end->status));
		state_set_time(values, nulls, 1, end->started_at);
		values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
		state_set_text(values, nulls, 3, end->error_type);
		state_set_jsonb(values, nulls, 4, output);
		state_set_jsonb(values, nulls, 5, end->error);
		finished = state_scan_update(&row, lengthof(changed), changed, values,
									 nulls, true);
	}
	state_scan_end(&row);
	return finished;
}

/* What the scheduler needs to know of a row it has claimed. */
static void
read_claimed(StateScan *row, ClaimedExecution *claimed)
{
	bool		isnull;

	claimed->id = DatumGetInt64(state_scan_value(row, COLUMN_ID, &isnull));
	claimed->role = role_value_oid(state_scan_value(row, COLUMN_ROLE, &isnull));
	claimed->priority = state_scan_int32(row, COLUMN_PRIORITY);
	claimed->definition_id = state_scan_int32(row, COLUMN_DEFINITION_ID);
	claimed->cancelling = false;
	claimed->recoveries = state_scan_int32(row, COLUMN_RECOVERIES);
	claimed->workflow = state_scan_text(row, COLUMN_WORKFLOW);
	claimed->tenant = state_scan_text(row, COLUMN_TENANT);
	claimed->resumes = state_scan_time(row, COLUMN_STARTED_AT) != 0;
	claimed->in_epilogue = !is_null(row, COLUMN_ENDING);
	/* what is in this index has no start_at */
	claimed->due_at = state_scan_time(row, COLUMN_CREATED_AT);
}

bool
executions_claim_directly(int limit, Oid role, int32 priority, int64 from,
						  ClaimedExecution *claimed, int *count, int64 *left)
{
	static const int changed[] = {COLUMN_STATUS, COLUMN_STARTED_AT};
	ScanKeyData keys[3];
	StateScan	row;
	int			first = *count;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(priority));
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(from));
	if (!state_scan_begin(&executions, "executions_pending_idx", lengthof(keys),
						  keys, &row))
		return false;
	*left = PG_INT64_MAX;
	while (state_scan_next(&row))
	{
		Datum		values[lengthof(changed)];
		char		nulls[lengthof(changed)] = {' ', ' '};
		TimestampTz started_at = state_scan_time(&row, COLUMN_STARTED_AT);
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		if (*count - first < limit)
		{
			values[0] = CStringGetTextDatum(
				execution_status_name(EXECUTION_RUNNING));
			values[1] = TimestampTzGetDatum(
				started_at != 0 ? started_at : GetCurrentTimestamp());
			if (state_scan_update(&row, lengthof(changed), changed, values,
								  nulls, false))
			{
				read_claimed(&row, &claimed[(*count)++]);
				continue;
			}
		}
		*left = Min(*left, DatumGetInt64(state_scan_value(&row, COLUMN_ID, &isnull)));
		if (*count - first == limit)
			break;
	}
	state_scan_end(&row);
	/* looks at other tables */
	for (int i = first; i < *count; i++)
		claimed[i].timeout_seconds = definition_timeout(
			claimed[i].definition_id);
	return true;
}

bool
execution_insert_directly(const NewExecution *execution, int64 *id)
{
	Oid			sequence = get_relname_relid("executions_id_seq",
									 workflow_schema_oid());
	Datum		values[COLUMN_COUNT] = {0};
	char		nulls[COLUMN_COUNT];

	if (!OidIsValid(sequence))
		return false;
	require_read_write();
	memset(nulls, 'n', sizeof(nulls));

#define SET(column, value) (nulls[column] = ' ', values[column] = (value))
	SET(COLUMN_ID, Int64GetDatum(nextval_internal(sequence, false)));
	SET(COLUMN_DEFINITION_ID, Int32GetDatum(execution->definition->id));
	SET(COLUMN_WORKFLOW, CStringGetTextDatum(execution->definition->name));
	SET(COLUMN_VERSION, Int32GetDatum(execution->definition->version));
	SET(COLUMN_STATUS,
		CStringGetTextDatum(execution_status_name(EXECUTION_PENDING)));
	SET(COLUMN_ROLE, role_value(execution->role));
	SET(COLUMN_PRIORITY, Int32GetDatum(execution->priority));
	SET(COLUMN_PARALLEL, BoolGetDatum(execution->parallel));
	SET(COLUMN_INLINE, BoolGetDatum(false));
	SET(COLUMN_CREATED_AT, TimestampTzGetDatum(GetCurrentTimestamp()));
	SET(COLUMN_RECOVERIES, Int32GetDatum(0));
	SET(COLUMN_PROBATION, BoolGetDatum(false));
	SET(COLUMN_COMPENSATE, BoolGetDatum(false));
	SET(COLUMN_CONTROL, BoolGetDatum(false));
	SET(COLUMN_LIMITED, BoolGetDatum(false));
	SET(COLUMN_COUNTED, BoolGetDatum(execution->counted));
	SET(COLUMN_RETRIES, Int32GetDatum(0));
	SET(COLUMN_REOPEN, BoolGetDatum(false));
	SET(COLUMN_INPUT, JsonbPGetDatum(execution->input));
	if (execution->tenant != NULL)
		SET(COLUMN_TENANT, CStringGetTextDatum(execution->tenant));
	if (execution->has_start_at)
		SET(COLUMN_START_AT, TimestampTzGetDatum(execution->start_at));
	if (execution->schedule_id != 0)
		SET(COLUMN_SCHEDULE_ID, Int32GetDatum(execution->schedule_id));
	if (execution->traceparent != NULL)
		SET(COLUMN_TRACEPARENT, CStringGetTextDatum(execution->traceparent));
#undef SET

	if (!state_insert(&executions, values, nulls))
		return false;
	*id = DatumGetInt64(values[COLUMN_ID]);
	return true;
}

/*-------------------------------------------------------------------------
 *
 * ends.c
 *	  The table workflow.executions: how executions end.
 *
 * NOTES
 *	  All that writes a final status is here, and the direct way to the same row
 *	  in execution_rows.c.  Whoever it is, executor, scheduler or session, goes
 *	  through execution_has_ended(), in the transaction that writes it: what has
 *	  to happen when an execution ends is one of its followers, and knows the
 *	  end by what it is told.
 *
 *	  What the scheduler has of an execution in its memory, room under limits
 *	  included, goes when it hears of the end: by the executor's report, or
 *	  because it has written it.
 *
 *	  Locks: the execution's row.  Executors and sessions wait for it; the
 *	  scheduler has it before it comes here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "shared/wake.h"
#include "state/announce.h"
#include "state/dead_letters.h"
#include "state/ends.h"
#include "state/event_log.h"
#include "state/execution_rows.h"
#include "state/jsonb_text.h"
#include "state/private.h"
#include "state/steps.h"

/* The rows that end, as they were: b. */
#define ENDING_ROWS(condition) \
	" FROM (SELECT id, status FROM workflow.executions WHERE " condition " FOR NO KEY UPDATE) AS b" \
	" WHERE e.id OPERATOR(pg_catalog.=) b.id"

/* What an ExecutionEnd is read from. */
#define ENDED_ROWS \
	" RETURNING e.id, b.status, e.status, e.workflow, e.error, e.error_type, e.dead_letter_id," \
	" e.started_at, e.inline, e.schedule_id IS NOT NULL," \
	" EXISTS (SELECT FROM workflow.definitions AS d WHERE d.id OPERATOR(pg_catalog.=) e.definition_id" \
	"  AND " DEFINITION_NOTIFIES ")"

static const Oid finish_types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID,
								   JSONBOID, JSONBOID, TEXTOID};
static StateStatement finish_statement = {
	"UPDATE workflow.executions AS e SET status = $2, started_at = COALESCE($3, e.started_at),"
	" output = $4, error = $5, error_type = $6, completed_at = pg_catalog.clock_timestamp()"
	ENDING_ROWS("id OPERATOR(pg_catalog.=) $1 AND ending IS NULL AND NOT reopen AND (" IS_RUN ")")
	ENDED_ROWS,
	lengthof(finish_types), finish_types, NULL
};

static const Oid id_types[] = {INT8OID};
static StateStatement finish_epilogue_statement = {
	"UPDATE workflow.executions AS e SET status = e.ending, ending = NULL,"
	" completed_at = pg_catalog.clock_timestamp()"
	ENDING_ROWS("id OPERATOR(pg_catalog.=) $1 AND ending IS NOT NULL AND (" IS_RUN
				" OR (status OPERATOR(pg_catalog.=) 'cancelling'::pg_catalog.text AND compensate))")
	ENDED_ROWS,
	lengthof(id_types), id_types, NULL
};

static const Oid finalise_types[] = {INT8OID, TEXTOID, JSONBOID, TEXTOID};
static StateStatement finalise_statement = {
	/*
	 * the end of an execution whose epilogue cannot be run, or is stopped, was
	 * decided before
	 */
	"UPDATE workflow.executions AS e SET status = COALESCE(e.ending, $2), ending = NULL,"
	" error = CASE WHEN e.ending IS NULL THEN $3 WHEN $3 IS NULL THEN e.error"
	"  ELSE COALESCE(e.error, '{}'::pg_catalog.jsonb)"
	"   OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('epilogue', $3) END,"
	" error_type = CASE WHEN e.ending IS NULL THEN $4 ELSE e.error_type END,"
	" completed_at = pg_catalog.clock_timestamp()"
	ENDING_ROWS("id OPERATOR(pg_catalog.=) $1 AND status OPERATOR(pg_catalog.=)"
				" ANY ('{running,paused,cancelling}'::pg_catalog.text[])")
	ENDED_ROWS,
	lengthof(finalise_types), finalise_types, NULL
};

/* The message is a format, for the workflow's name. */
static const Oid unbegun_types[] = {INT8ARRAYOID, TEXTOID, TEXTOID,
									TEXTOID, TEXTOID, TEXTOID};
static StateStatement unbegun_statement = {
	"UPDATE workflow.executions AS e SET status = $2, limited = false, started_at = NULL,"
	" completed_at = pg_catalog.clock_timestamp(), error_type = $3,"
	" error = pg_catalog.jsonb_build_object('type', $3, 'sqlstate', $4,"
	"  'message', pg_catalog.format($5, e.workflow), 'hint', $6)"
	ENDING_ROWS("id OPERATOR(pg_catalog.=) ANY ($1)")
	ENDED_ROWS,
	lengthof(unbegun_types), unbegun_types, NULL
};

static const Oid cancel_types[] = {INT8OID, TEXTOID, REGROLEOID, TEXTOID,
								   TIMESTAMPTZOID};
static StateStatement cancel_statement = {
	"UPDATE workflow.executions AS e SET status = $2, compensate = false, control = false,"
	" limited = false, cancelled_by = $3, cancel_reason = $4, error_type = 'Cancelled',"
	" error = NULL, cancelled_at = $5, completed_at = $5"
	ENDING_ROWS("id OPERATOR(pg_catalog.=) $1")
	ENDED_ROWS,
	lengthof(cancel_types), cancel_types, NULL
};

/* --- what follows an end --- */

/* What is open in it, threads that wait included, ends with it. */
static void
close_open_steps(const ExecutionEnd *end)
{
	if (end->leaves_open)
		step_close_open(end->id, end->open_end);
}

/* What executors and the scheduler have ended; no counter is a session's. */
static void
count_end(const ExecutionEnd *end)
{
	if (end->by != ENDED_BY_SESSION && !end->executed)
		count_at_commit(counter_of_end(end->status), 1);
}

static void
tell_dead_letters(const ExecutionEnd *end)
{
	dead_letters_after_end(end->id, end->status, end->dead_letter);
}

static void
log_end(const ExecutionEnd *end)
{
	bool		of_thread = end->by == ENDED_BY_THREAD || end->by == ENDED_BY_EPILOGUE;

	log_execution(end->id, end->workflow, end->status, end->error,
				  end->error_type, of_thread ? end->started_at : 0);
}

static void
announce_end(const ExecutionEnd *end)
{
	bool		failed = end->status == EXECUTION_FAILED ||
		end->status == EXECUTION_TIMED_OUT;

	if (end->notifies)
		announce_execution(end->id, end->workflow, end->status,
						   failed ? end->error : NULL,
						   failed ? end->error_type : NULL);
}

/* Sessions in wait() and run(); nobody waits for what nobody sees. */
static void
wake_who_waits(const ExecutionEnd *end)
{
	if (!end->executed)
		wake_waiters_at_commit(end->id);
}

/* Another one of its schedule may begin. */
static void
let_schedule_go_on(const ExecutionEnd *end)
{
	if (end->of_schedule)
		wake_at_commit(WAKE_SCHEDULED);
}

static void (*const followers[]) (const ExecutionEnd *end) = {
	close_open_steps,
	count_end,
	tell_dead_letters,
	log_end,
	announce_end,
	wake_who_waits,
	let_schedule_go_on
};

/* The statuses that each may end, a bit for each. */
#define FROM(status) (1 << EXECUTION_##status)

static const int sources[] PG_USED_FOR_ASSERTS_ONLY =
	{[ENDED_BY_THREAD] = FROM(RUNNING) | FROM(PAUSED) | FROM(PENDING) |
		 FROM(BLOCKED),
	 [ENDED_BY_EPILOGUE] = FROM(RUNNING) | FROM(PAUSED) | FROM(PENDING) |
		 FROM(BLOCKED) | FROM(CANCELLING),
	 [ENDED_BY_SCHEDULER] = FROM(RUNNING) | FROM(PAUSED) | FROM(CANCELLING),
	 [ENDED_UNBEGUN] = FROM(RUNNING) | FROM(PENDING),
	 [ENDED_BY_SESSION] = FROM(PENDING) | FROM(BLOCKED)};

/* Everything that ends an execution comes here, behind the write. */
static void
execution_has_ended(ExecutionEnd *end)
{
	Assert((sources[end->by] & (1 << end->from)) != 0);
	Assert(execution_status_is_final(end->status));

	if (end->error_type == NULL && end->error != NULL)
		end->error_type = jsonb_member_string(end->error, "type");
	for (int i = 0; i < (int) lengthof(followers); i++)
		followers[i] (end);
}

/* --- who ends executions --- */

/*
 * Run a statement that ends executions; returns how many.  open_end:
 * STATUS_RUNNING, nothing is open.
 */
static int
end_rows(StateStatement *statement, Datum *values, const char *nulls,
		 EndedBy by, StepStatus open_end)
{
	int			count = (int) state_query(statement, values, nulls, false, 0);
	ExecutionEnd *ends = palloc0(Max(count, 1) * sizeof(ExecutionEnd));

	for (int i = 0; i < count; i++)
	{
		bool		isnull;

		ends[i].by = by;
		ends[i].id = state_column_int64(i, 1);
		ends[i].from = execution_status_from_name(state_column_text(i, 2));
		ends[i].status = execution_status_from_name(state_column_text(i, 3));
		ends[i].workflow = state_column_text(i, 4);
		ends[i].error = state_column_jsonb(i, 5);
		ends[i].error_type = state_column_text(i, 6);
		ends[i].dead_letter = state_column_int64(i, 7);
		ends[i].started_at = state_column_time(i, 8);
		ends[i].executed = DatumGetBool(state_column(i, 9, &isnull));
		ends[i].of_schedule = DatumGetBool(state_column(i, 10, &isnull));
		ends[i].notifies = DatumGetBool(state_column(i, 11, &isnull));
		ends[i].leaves_open = open_end != STATUS_RUNNING;
		ends[i].open_end = open_end;
	}
	state_done();
	for (int i = 0; i < count; i++)
		execution_has_ended(&ends[i]);
	pfree(ends);
	return count;
}

bool
execution_finish(const LoadedExecution *execution, ExecutionStatus status,
				 Jsonb *output, Jsonb *error, const char *error_type,
				 bool from_child)
{
	StepStatus	open_end = from_child ? STATUS_CANCELLED : STATUS_RUNNING;
	Datum		values[lengthof(finish_types)];
	char		nulls[lengthof(finish_types)];
	ExecutionEnd end = {
		.by = ENDED_BY_THREAD,.id = execution->id,.status = status,
		.workflow = execution->workflow,.error = error,.error_type = error_type,
		.started_at = execution->started_at,.leaves_open = from_child,.open_end = open_end
	};

	end.notifies = announces(definition_plan(execution->definition_id));
	if (execution_finish_directly(&end, output))
	{
		execution_has_ended(&end);
		return true;
	}
	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(execution->id);
	values[1] = CStringGetTextDatum(execution_status_name(status));
	state_set_time(values, nulls, 2, execution->started_at);
	state_set_jsonb(values, nulls, 3, output);
	state_set_jsonb(values, nulls, 4, error);
	state_set_text(values, nulls, 5, error_type);
	return end_rows(&finish_statement, values, nulls, ENDED_BY_THREAD,
					open_end) > 0;
}

bool
execution_finish_epilogue(int64 id)
{
	Datum		value = Int64GetDatum(id);
	bool		finished = end_rows(&finish_epilogue_statement, &value, NULL,
							 ENDED_BY_EPILOGUE, STATUS_RUNNING) > 0;

	fault_point("execution.epilogue_over");
	return finished;
}

bool
execution_finalise(int64 id, ExecutionStatus status, Jsonb *error,
				   const char *error_type)
{
	Datum		values[lengthof(finalise_types)];
	char		nulls[lengthof(finalise_types)];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(execution_status_name(status));
	state_set_jsonb(values, nulls, 2, error);
	state_set_text(values, nulls, 3, error_type);
	return end_rows(&finalise_statement, values, nulls, ENDED_BY_SCHEDULER,
					status == EXECUTION_TIMED_OUT ? STATUS_TIMED_OUT :
													STATUS_CANCELLED) > 0;
}

static void
end_unbegun(const int64 *ids, int count, ExecutionStatus status,
			const char *error_type, const char *sqlstate, const char *message,
			const char *hint)
{
	Datum		values[lengthof(unbegun_types)];

	if (count == 0)
		return;
	values[0] = state_ids(ids, count);
	values[1] = CStringGetTextDatum(execution_status_name(status));
	values[2] = CStringGetTextDatum(error_type);
	values[3] = CStringGetTextDatum(sqlstate);
	values[4] = CStringGetTextDatum(message);
	values[5] = CStringGetTextDatum(hint);
	(void) end_rows(&unbegun_statement, values, NULL, ENDED_UNBEGUN,
					STATUS_RUNNING);
}

void
executions_refuse(const int64 *ids, int count)
{
	end_unbegun(ids, count, EXECUTION_FAILED, "WorkflowFull", "53400",
				"workflow \"%s\" has as many executions as it may have",
				"See \"max_running\" and \"when_full\" of the definition.");
	if (count > 0)
		fault_point("execution.refused");
}

void
executions_time_out(const int64 *ids, int count)
{
	end_unbegun(ids, count, EXECUTION_TIMED_OUT, "PendingTimeout", "57014",
				"the execution was not begun in time", "See workflow.pending_timeout.");
	if (count > 0)
		fault_point("execution.pending_timeout");
}

void
execution_cancel_unbegun(int64 id, Oid cancelled_by, const char *reason)
{
	Datum		values[lengthof(cancel_types)];
	char		nulls[] = "     ";

	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(execution_status_name(EXECUTION_CANCELLED));
	values[2] = ObjectIdGetDatum(cancelled_by);
	state_set_text(values, nulls, 3, reason);
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	(void) end_rows(&cancel_statement, values, nulls, ENDED_BY_SESSION,
					STATUS_RUNNING);
	fault_point("execution.cancelled");
}

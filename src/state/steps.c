/*-------------------------------------------------------------------------
 *
 * steps.c
 *	  The table workflow.step_executions: writing attempts, and the names of
 *	  what is in their rows.
 *
 * NOTES
 *	  Runs in executors and in sessions (execute()), inside the transaction of
 *	  the step.  step_records.c reads the rows back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "state/direct.h"
#include "state/private.h"
#include "state/steps.h"

static const char *const status_names[] = {
	[STATUS_RUNNING] = "running",
	[STATUS_WAITING] = "waiting",
	[STATUS_COMPLETED] = "completed",
	[STATUS_FAILED] = "failed",
	[STATUS_TIMED_OUT] = "timed_out",
	[STATUS_CANCELLED] = "cancelled",
	[STATUS_SKIPPED] = "skipped"
};

static const char *const outcome_names[] = {
	[SCOPE_OPEN] = NULL,
	[SCOPE_COMPLETED] = "completed",
	[SCOPE_FAILED] = "failed",
	[SCOPE_TIMED_OUT] = "timed_out",
	[SCOPE_CANCELLED] = "cancelled",
	[SCOPE_SKIPPED] = "skipped"
};

static const char *const handling_names[] = {
	[FAILURE_STANDS] = NULL,
	[FAILURE_IGNORED] = "ignored",
	[FAILURE_DEFAULT] = "default",
	[FAILURE_CAUGHT] = "caught",
	[FAILURE_RETRIED] = "retried"
};

/* The columns, in the order of the table. */
static const char *const columns[] = {
	"execution_id", "started_at", "completed_at", "retry_at", "visit", "attempt", "executor_pid",
	"loop_iteration_index", "loop_collection_size", "condition_result", "scope", "step_id", "step_type",
	"status", "scope_outcome", "on_failure", "agent_name", "parent_step_id", "branch_name", "join_policy",
	"loop_execution_mode", "loop_label", "condition_expression", "branch_taken", "error_type", "input", "output", "error",
	"variables"
};
static const Oid insert_types[] =
	{INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, INT4OID,
	 INT4OID, INT4OID, INT4OID, BOOLOID, TEXTOID, TEXTOID,
	 TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	 TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	 TEXTOID, JSONBOID, JSONBOID, JSONBOID, JSONBOID};

static StateTable step_executions = {"step_executions", columns,
									 lengthof(columns), NULL};

#define INSERT_STEP \
	"INSERT INTO workflow.step_executions" \
	" (execution_id, started_at, completed_at, retry_at, visit, attempt, executor_pid," \
	"  loop_iteration_index, loop_collection_size, condition_result, scope, step_id, step_type," \
	"  status, scope_outcome, on_failure, agent_name, parent_step_id, branch_name, join_policy," \
	"  loop_execution_mode, loop_label, condition_expression, branch_taken, error_type, input, output, error," \
	"  variables)" \
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20," \
	" $21, $22, $23, $24, $25, $26, $27, $28, $29)"

/* For a table that is not as plain as it was made. */
static StateStatement insert_statement = {
	INSERT_STEP, lengthof(insert_types), insert_types, NULL
};

static StateStatement insert_once_statement = {INSERT_STEP
											   " ON CONFLICT DO NOTHING",
											   lengthof(insert_types),
											   insert_types, NULL};

static const Oid close_types[] = {INT8OID, TEXTOID, TEXTOID, INT4OID,
								  INT4OID, TEXTOID, TEXTOID, TEXTOID,
								  TEXTOID, JSONBOID, JSONBOID, TIMESTAMPTZOID,
								  INT4OID, JSONBOID, TIMESTAMPTZOID};

static StateStatement close_statement = {
	"UPDATE workflow.step_executions"
	" SET status = $6, scope_outcome = $7, on_failure = $8, error_type = $9, output = $10, error = $11,"
	" completed_at = $12, executor_pid = $13, variables = $14, retry_at = $15"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.=) $2"
	" AND step_id OPERATOR(pg_catalog.=) $3 AND visit OPERATOR(pg_catalog.=) $4"
	" AND attempt OPERATOR(pg_catalog.=) $5 AND completed_at IS NULL",
	lengthof(close_types), close_types, NULL
};

const char *
step_status_name(StepStatus status)
{
	return status_names[status];
}

const char *
scope_outcome_name(ScopeOutcome outcome)
{
	return outcome_names[outcome];
}

const char *
failure_handling_name(FailureHandling handling)
{
	return handling_names[handling];
}

ExecutionStatus
execution_status_of_scope(ScopeOutcome outcome)
{
	switch (outcome)
	{
		case SCOPE_COMPLETED:
		case SCOPE_SKIPPED:
			return EXECUTION_COMPLETED;
		case SCOPE_TIMED_OUT:
			return EXECUTION_TIMED_OUT;
		case SCOPE_CANCELLED:
			return EXECUTION_CANCELLED;
		case SCOPE_FAILED:
		case SCOPE_OPEN:
			break;
	}
	Assert(outcome == SCOPE_FAILED);
	return EXECUTION_FAILED;
}

void
step_count_child(JoinCounts *counts, ScopeOutcome outcome)
{
	if (outcome == SCOPE_COMPLETED)
		counts->completed++;
	else if (outcome == SCOPE_SKIPPED)
		counts->skipped++;
	else
		counts->failed++;
}

/* The inverses, for rows read back. */
StepStatus
step_status_from_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(status_names); i++)
		if (strcmp(status_names[i], name) == 0)
			return (StepStatus) i;
	return STATUS_RUNNING;
}

ScopeOutcome
scope_outcome_from_name(const char *name)
{
	if (name != NULL)
	{
		for (int i = 1; i < (int) lengthof(outcome_names); i++)
			if (strcmp(outcome_names[i], name) == 0)
				return (ScopeOutcome) i;
	}
	return SCOPE_OPEN;
}

FailureHandling
failure_handling_from_name(const char *name)
{
	for (int i = 1; name != NULL && i < (int) lengthof(handling_names); i++)
		if (strcmp(handling_names[i], name) == 0)
			return (FailureHandling) i;
	return FAILURE_STANDS;
}

/* Negative stands for null. */
static void
set_number(Datum *values, char *nulls, int argument, int number)
{
	if (number < 0)
		nulls[argument] = 'n';
	else
		values[argument] = Int32GetDatum(number);
}

/* The values of a row, in the order of the columns. */
static void
set_row(const StepRow *row, Datum *values, char *nulls)
{
	int			i = 0;

	StaticAssertStmt(lengthof(columns) == lengthof(insert_types),
					 "a type for each column");
	memset(nulls, ' ', lengthof(columns));
	values[i++] = Int64GetDatum(row->execution_id);
	values[i++] = TimestampTzGetDatum(row->started_at);
	state_set_time(values, nulls, i++, row->completed_at);
	state_set_time(values, nulls, i++, row->retry_at);
	values[i++] = Int32GetDatum(row->visit);
	values[i++] = Int32GetDatum(row->attempt);
	values[i++] = Int32GetDatum(row->executor_pid != 0 ? row->executor_pid :
														 MyProcPid);
	set_number(values, nulls, i++, row->loop_iteration_index);
	set_number(values, nulls, i++, row->loop_collection_size);
	if (row->condition_result < 0)
		nulls[i] = 'n';
	else
		values[i] = BoolGetDatum(row->condition_result != 0);
	i++;
	state_set_text(values, nulls, i++, row->scope);
	state_set_text(values, nulls, i++, row->step_id);
	state_set_text(values, nulls, i++, step_type_name(row->type));
	state_set_text(values, nulls, i++, status_names[row->status]);
	state_set_text(values, nulls, i++, outcome_names[row->scope_outcome]);
	state_set_text(values, nulls, i++, failure_handling_name(row->on_failure));
	state_set_text(values, nulls, i++, row->agent_name);
	state_set_text(values, nulls, i++, row->parent_step_id);
	state_set_text(values, nulls, i++, row->branch_name);
	state_set_text(values, nulls, i++, row->join_policy);
	state_set_text(values, nulls, i++, row->loop_execution_mode);
	state_set_text(values, nulls, i++, row->loop_label);
	state_set_text(values, nulls, i++, row->condition_expression);
	state_set_text(values, nulls, i++, row->branch_taken);
	state_set_text(values, nulls, i++, row->error_type);
	state_set_jsonb(values, nulls, i++, row->input);
	state_set_jsonb(values, nulls, i++, row->output);
	state_set_jsonb(values, nulls, i++, row->error);
	state_set_jsonb(values, nulls, i++, row->variables);
	Assert(i == lengthof(columns));
}

void
step_insert(const StepRow *row)
{
	Datum		values[lengthof(columns)];
	char		nulls[lengthof(columns)];

	set_row(row, values, nulls);
	if (!state_insert(&step_executions, values, nulls))
		state_execute(&insert_statement, values, nulls);
}

void
step_insert_once(const StepRow *row)
{
	Datum		values[lengthof(columns)];
	char		nulls[lengthof(columns)];

	set_row(row, values, nulls);
	state_execute(&insert_once_statement, values, nulls);
}

void
step_close(const StepRow *row)
{
	Datum		values[lengthof(close_types)];
	char		nulls[lengthof(close_types)];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(row->execution_id);
	state_set_text(values, nulls, 1, row->scope);
	state_set_text(values, nulls, 2, row->step_id);
	values[3] = Int32GetDatum(row->visit);
	values[4] = Int32GetDatum(row->attempt);
	state_set_text(values, nulls, 5, status_names[row->status]);
	state_set_text(values, nulls, 6, outcome_names[row->scope_outcome]);
	state_set_text(values, nulls, 7, failure_handling_name(row->on_failure));
	state_set_text(values, nulls, 8, row->error_type);
	state_set_jsonb(values, nulls, 9, row->output);
	state_set_jsonb(values, nulls, 10, row->error);
	values[11] = TimestampTzGetDatum(row->completed_at);
	values[12] = Int32GetDatum(MyProcPid);
	state_set_jsonb(values, nulls, 13, row->variables);
	state_set_time(values, nulls, 14, row->retry_at);

	if (state_execute(&close_statement, values, nulls) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("step \"%s\" of execution " INT64_FORMAT " is not open any more",
						row->step_id, row->execution_id),
				 err_generic_string(PG_DIAG_SCHEMA_NAME, "workflow"),
				 err_generic_string(PG_DIAG_TABLE_NAME, "step_executions")));
}

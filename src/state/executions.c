/*-------------------------------------------------------------------------
 *
 * executions.c
 *	  The table workflow.executions, as sessions use it.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Locks: an insertion with
 *	  an idempotency key waits for a concurrent one of the same key;
 *	  execution_lock() holds the row until the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "state/announce.h"
#include "state/execution_rows.h"
#include "state/executions.h"
#include "state/private.h"

static const Oid insert_types[] = {INT4OID, TEXTOID, INT4OID,
								   REGROLEOID, INT4OID, BOOLOID,
								   TIMESTAMPTZOID, TEXTOID, JSONBOID,
								   TEXTOID, BOOLOID, INT4OID,
								   TEXTOID};

#define INSERT_EXECUTION \
	"INSERT INTO workflow.executions AS e (definition_id, workflow, version, role, " \
	"priority, parallel, start_at, tenant, input, idempotency_key, counted, schedule_id, traceparent) " \
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "

static StateStatement insert_execution = {
	INSERT_EXECUTION "RETURNING e.id",
	lengthof(insert_types), insert_types, NULL
};
static StateStatement insert_execution_once = {
	INSERT_EXECUTION
	"ON CONFLICT (idempotency_key, workflow, role) WHERE idempotency_key IS NOT NULL "
	"DO NOTHING RETURNING e.id",
	lengthof(insert_types), insert_types, NULL
};

static const Oid inline_types[] = {INT4OID, TEXTOID, INT4OID,
								   OIDOID, JSONBOID, TEXTOID};
static StateStatement inline_statement = {
	"INSERT INTO workflow.executions (definition_id, workflow, version, status, role, parallel, inline,"
	" started_at, input, traceparent) VALUES ($1, $2, $3, 'running', $4::pg_catalog.regrole, false, true,"
	" pg_catalog.clock_timestamp(), $5, $6) RETURNING id",
	lengthof(inline_types), inline_types, NULL
};

static const Oid key_types[] = {TEXTOID, TEXTOID, REGROLEOID};
static StateStatement find_by_key = {
	"SELECT e.id FROM workflow.executions AS e "
	"WHERE e.idempotency_key OPERATOR(pg_catalog.=) $1 "
	"AND e.workflow OPERATOR(pg_catalog.=) $2 "
	"AND e.role::pg_catalog.oid OPERATOR(pg_catalog.=) $3::pg_catalog.oid",
	3, key_types, NULL
};

static const Oid id_types[] = {INT8OID};

#define SELECT_EXECUTION \
	"SELECT e.id, e.workflow, e.status, e.role::pg_catalog.oid, " \
	"(SELECT d.owner::pg_catalog.oid FROM workflow.definitions AS d " \
	"WHERE d.id OPERATOR(pg_catalog.=) e.definition_id), " \
	"e.xmin, e.error_type, e.error, e.output, e.definition_id, e.started_at IS NOT NULL, e.inline, " \
	"e.compensate, e.ending IS NOT NULL, e.schedule_id IS NOT NULL, e.erased_at IS NOT NULL " \
	"FROM workflow.executions AS e WHERE e.id OPERATOR(pg_catalog.=) $1"

static StateStatement read_execution = {SELECT_EXECUTION, 1, id_types, NULL};
static StateStatement lock_execution = {SELECT_EXECUTION " FOR UPDATE OF e", 1,
										id_types, NULL};
static StateStatement read_row = {
	"SELECT e FROM workflow.executions AS e WHERE e.id OPERATOR(pg_catalog.=) $1",
	1, id_types, NULL
};

static const Oid cancel_types[] = {INT8OID, REGROLEOID, TEXTOID, BOOLOID};
static StateStatement cancel_execution = {
	"UPDATE workflow.executions AS e SET status = 'cancelling', compensate = $4, control = true,"
	" cancelled_by = $2, cancel_reason = $3, limited = false,"
	" error = CASE WHEN e.ending IS NOT NULL THEN e.error END,"
	" cancelled_at = pg_catalog.clock_timestamp(), completed_at = NULL"
	" WHERE e.id OPERATOR(pg_catalog.=) $1"
	RETURNING_STATUS,
	lengthof(cancel_types), cancel_types, NULL
};

static const Oid compensate_types[] = {INT8OID, BOOLOID};
static StateStatement set_compensate = {
	"UPDATE workflow.executions SET compensate = $2, control = true WHERE id OPERATOR(pg_catalog.=) $1",
	lengthof(compensate_types), compensate_types, NULL
};

int64
execution_with_key(const NewExecution *execution)
{
	Datum		values[3];
	int64		id = 0;

	if (execution->idempotency_key == NULL)
		return 0;
	values[0] = CStringGetTextDatum(execution->idempotency_key);
	values[1] = CStringGetTextDatum(execution->definition->name);
	values[2] = ObjectIdGetDatum(execution->role);
	if (state_query(&find_by_key, values, NULL, false, 1) > 0)
		id = state_column_int64(0, 1);
	state_done();
	return id;
}

int64
execution_insert(const NewExecution *execution, bool *created)
{
	bool		once = execution->idempotency_key != NULL;
	Datum		values[lengthof(insert_types)];
	char		nulls[lengthof(insert_types)];
	int64		id = 0;

	*created = true;
	if (!once && execution_insert_directly(execution, &id))
		return id;
	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int32GetDatum(execution->definition->id);
	values[1] = CStringGetTextDatum(execution->definition->name);
	values[2] = Int32GetDatum(execution->definition->version);
	values[3] = ObjectIdGetDatum(execution->role);
	values[4] = Int32GetDatum(execution->priority);
	values[5] = BoolGetDatum(execution->parallel);
	values[6] = TimestampTzGetDatum(execution->start_at);
	values[7] = execution->tenant ? CStringGetTextDatum(execution->tenant) :
									(Datum) 0;
	values[8] = JsonbPGetDatum(execution->input);
	values[9] = once ? CStringGetTextDatum(execution->idempotency_key) :
					   (Datum) 0;
	values[10] = BoolGetDatum(execution->counted);
	values[11] = Int32GetDatum(execution->schedule_id);
	nulls[6] = execution->has_start_at ? ' ' : 'n';
	nulls[7] = execution->tenant ? ' ' : 'n';
	nulls[9] = once ? ' ' : 'n';
	nulls[11] = execution->schedule_id != 0 ? ' ' : 'n';
	state_set_text(values, nulls, 12, execution->traceparent);

	/*
	 * The execution that holds the key may be removed between the two
	 * statements; then the key is free again.
	 */
	for (;;)
	{
		if (state_query(once ? &insert_execution_once : &insert_execution,
						values, nulls, false, 0) > 0)
			id = state_column_int64(0, 1);
		state_done();
		if (id != 0)
			return id;
		if (!once)
			ereport(ERROR,
					(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
					 errmsg("the execution was not queued"),
					 errdetail("A trigger or rule of table \"%s\" has suppressed its row.", "workflow.executions"),
					 errhint("\\d workflow.executions shows them.")));

		id = execution_with_key(execution);
		if (id != 0)
		{
			*created = false;
			return id;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

int64
execution_insert_inline(const Definition *definition, Oid role, Jsonb *input,
						const char *traceparent)
{
	Datum		values[lengthof(inline_types)];
	char		nulls[lengthof(inline_types)];
	int64		id;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int32GetDatum(definition->id);
	values[1] = CStringGetTextDatum(definition->name);
	values[2] = Int32GetDatum(definition->version);
	values[3] = ObjectIdGetDatum(role);
	values[4] = PointerGetDatum(input);
	state_set_text(values, nulls, 5, traceparent);
	state_query(&inline_statement, values, nulls, false, 0);
	id = state_column_int64(0, 1);
	state_done();
	return id;
}

/* What execution_read() and execution_lock() have in common. */
static bool
fetch_execution(StateStatement *statement, int64 id, ExecutionState *state)
{
	Datum		value = Int64GetDatum(id);
	bool		found;
	bool		isnull;

	found = state_query(statement, &value, NULL, false, 1) > 0;
	if (found)
	{
		state->id = state_column_int64(0, 1);
		state->workflow = state_column_text(0, 2);
		state->status = execution_status_from_name(state_column_text(0, 3));
		state->role = DatumGetObjectId(state_column(0, 4, &isnull));
		state->definition_owner = DatumGetObjectId(state_column(0, 5, &isnull));
		if (isnull)
			state->definition_owner = InvalidOid;
		state->xmin = DatumGetTransactionId(state_column(0, 6, &isnull));
		state->error_type = state_column_text(0, 7);
		state->error = state_column_jsonb(0, 8);
		state->output = state_column_jsonb(0, 9);
		state->definition_id = state_column_int32(0, 10);
		state->started = DatumGetBool(state_column(0, 11, &isnull));
		state->executed = DatumGetBool(state_column(0, 12, &isnull));
		state->compensate = DatumGetBool(state_column(0, 13, &isnull));
		state->decided = DatumGetBool(state_column(0, 14, &isnull));
		state->of_schedule = DatumGetBool(state_column(0, 15, &isnull));
		state->erased = DatumGetBool(state_column(0, 16, &isnull));
	}
	state_done();
	return found;
}

bool
execution_read(int64 id, ExecutionState *state)
{
	return fetch_execution(&read_execution, id, state);
}

bool
execution_lock(int64 id, ExecutionState *state)
{
	return fetch_execution(&lock_execution, id, state);
}

bool
execution_row(int64 id, Datum *row)
{
	Datum		value = Int64GetDatum(id);
	bool		found;
	bool		isnull;

	found = state_query(&read_row, &value, NULL, false, 1) > 0;
	if (found)
		*row = datumCopy(state_column(0, 1, &isnull), false, -1);
	state_done();
	return found;
}

void
execution_cancel(int64 id, Oid cancelled_by, const char *reason,
				 bool compensate)
{
	Datum		values[lengthof(cancel_types)];
	char		nulls[] = "    ";

	values[0] = Int64GetDatum(id);
	values[1] = ObjectIdGetDatum(cancelled_by);
	state_set_text(values, nulls, 2, reason);
	values[3] = BoolGetDatum(compensate);
	state_execute_statuses(&cancel_execution, values, nulls);
	fault_point("execution.cancelled");
}

void
execution_set_compensate(int64 id, bool compensate)
{
	Datum		values[2];

	values[0] = Int64GetDatum(id);
	values[1] = BoolGetDatum(compensate);
	state_execute(&set_compensate, values, NULL);
}

/*-------------------------------------------------------------------------
 *
 * reopen.c
 *	  Rows of an execution that has ended and is to go on.
 *
 * NOTES
 *	  Runs in the executor that is the first to go on, in one transaction with
 *	  execution_reopened().  History stays: a row that ended a scope badly
 *	  becomes one that was followed by another attempt, and what is done again
 *	  from an earlier step on moves to scopes that nobody looks at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "state/private.h"
#include "state/reopen.h"

static const Oid began_types[] = {INT8OID, TEXTARRAYOID, BOOLOID};
static StateStatement began_statement = {
	"SELECT pg_catalog.min(started_at) FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND step_id OPERATOR(pg_catalog.=) ANY ($2)"
	" AND NOT pg_catalog.starts_with(scope, '~')"
	" AND (NOT $3 OR status OPERATOR(pg_catalog.=) 'completed'::pg_catalog.text)",
	lengthof(began_types), began_types, NULL
};

static const Oid aside_types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID};
static StateStatement aside_statement = {
	"UPDATE workflow.step_executions SET scope = pg_catalog.concat($2, scope)"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND started_at OPERATOR(pg_catalog.>=) $3"
	" AND NOT pg_catalog.starts_with(scope, '~')",
	lengthof(aside_types), aside_types, NULL
};

#define BY_KEY \
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.=) $2" \
	" AND step_id OPERATOR(pg_catalog.=) $3 AND visit OPERATOR(pg_catalog.=) $4" \
	" AND attempt OPERATOR(pg_catalog.=) $5"

static const Oid key_types[] = {INT8OID, TEXTOID, TEXTOID, INT4OID, INT4OID};
static StateStatement retry_statement = {
	"UPDATE workflow.step_executions SET on_failure = 'retried', scope_outcome = NULL,"
	" retry_at = pg_catalog.clock_timestamp()" BY_KEY,
	lengthof(key_types), key_types, NULL
};

static StateStatement reopen_statement = {
	"UPDATE workflow.step_executions SET status = 'running', scope_outcome = NULL, completed_at = NULL,"
	" on_failure = NULL, output = NULL, error = NULL, error_type = NULL" BY_KEY,
	lengthof(key_types), key_types, NULL
};

static const Oid children_types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
static StateStatement unfinished_statement = {
	"SELECT scope FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.>=) $2"
	" AND scope OPERATOR(pg_catalog.<) $3 AND parent_step_id OPERATOR(pg_catalog.=) $4"
	" GROUP BY scope HAVING pg_catalog.count(*) FILTER (WHERE scope_outcome OPERATOR(pg_catalog.=)"
	" ANY ('{completed,skipped}'::pg_catalog.text[])"
	/* has ended the execution, not what its scope is in */
	" AND step_type OPERATOR(pg_catalog.<>) 'succeed'::pg_catalog.text) OPERATOR(pg_catalog.=) 0"
	" ORDER BY scope",
	lengthof(children_types), children_types, NULL
};

static const Oid id_types[] = {INT8OID};
static StateStatement reopened_statement = {
	"UPDATE workflow.executions SET reopen = false, reopen_from = NULL WHERE id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

static const Oid before_types[] = {INT8OID, TEXTOID, TEXTOID, INT4OID,
								   INT4OID, TIMESTAMPTZOID};
static StateStatement before_statement = {
	"SELECT COALESCE(pg_catalog.max(attempt), 0) FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.=) $2"
	" AND step_id OPERATOR(pg_catalog.=) $3"
	" AND visit OPERATOR(pg_catalog.>=) $4 AND visit OPERATOR(pg_catalog.<=) $5"
	" AND completed_at OPERATOR(pg_catalog.<=) $6",
	lengthof(before_types), before_types, NULL
};

TimestampTz
steps_began(int64 execution_id, char **step_ids, int count, bool completed)
{
	Datum	   *elements = palloc(Max(count, 1) * sizeof(Datum));
	Datum		values[3];
	TimestampTz began;
	bool		isnull;

	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(step_ids[i]);
	values[0] = Int64GetDatum(execution_id);
	values[1] = PointerGetDatum(
		construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
	values[2] = BoolGetDatum(completed);
	state_query(&began_statement, values, NULL, false, 0);
	began = DatumGetTimestampTz(state_column(0, 1, &isnull));
	state_done();
	return isnull ? 0 : began;
}

void
step_set_aside(int64 execution_id, int number, TimestampTz from)
{
	Datum		values[3];

	values[0] = Int64GetDatum(execution_id);
	values[1] = CStringGetTextDatum(psprintf("~%d/", number));
	values[2] = TimestampTzGetDatum(from);
	state_execute(&aside_statement, values, NULL);
}

static void
set_key(Datum *values, int64 execution_id, const StepRecord *record)
{
	values[0] = Int64GetDatum(execution_id);
	values[1] = CStringGetTextDatum(record->scope);
	values[2] = CStringGetTextDatum(record->step_id);
	values[3] = Int32GetDatum(record->visit);
	values[4] = Int32GetDatum(record->attempt);
}

void
step_retry(int64 execution_id, const StepRecord *record)
{
	Datum		values[5];

	set_key(values, execution_id, record);
	state_execute(&retry_statement, values, NULL);
}

void
step_reopen(int64 execution_id, const StepRecord *record)
{
	Datum		values[5];

	set_key(values, execution_id, record);
	state_execute(&reopen_statement, values, NULL);
}

char **
step_unfinished_children(int64 execution_id, const char *from, const char *to,
						 const char *container, int *count)
{
	Datum		values[4];
	uint64		nrows;
	char	  **scopes;

	values[0] = Int64GetDatum(execution_id);
	values[1] = CStringGetTextDatum(from);
	values[2] = CStringGetTextDatum(to);
	values[3] = CStringGetTextDatum(container);
	nrows = state_query(&unfinished_statement, values, NULL, false, 0);
	scopes = palloc(Max(nrows, 1) * sizeof(char *));
	for (uint64 i = 0; i < nrows; i++)
		scopes[i] = state_column_text(i, 1);
	state_done();
	*count = (int) nrows;
	return scopes;
}

void
execution_reopened(int64 execution_id)
{
	Datum		value = Int64GetDatum(execution_id);

	state_execute(&reopened_statement, &value, NULL);
}

int
step_attempts_before(int64 execution_id, const char *scope, const char *step_id,
					 int first_visit, int last_visit, TimestampTz time)
{
	Datum		values[lengthof(before_types)];
	int			attempts;

	values[0] = Int64GetDatum(execution_id);
	values[1] = CStringGetTextDatum(scope);
	values[2] = CStringGetTextDatum(step_id);
	values[3] = Int32GetDatum(first_visit);
	values[4] = Int32GetDatum(last_visit);
	values[5] = TimestampTzGetDatum(time);
	state_query(&before_statement, values, NULL, false, 0);
	attempts = state_column_int32(0, 1);
	state_done();
	return attempts;
}

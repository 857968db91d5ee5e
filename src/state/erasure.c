/*-------------------------------------------------------------------------
 *
 * erasure.c
 *	  All tables with rows about executions: taking the payloads out of them.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction, behind the locks of the
 *	  rows of the executions and of their dead letter.  docs/erasure.md says of
 *	  each column what becomes of it; sql/erase.sql finds a column that is not
 *	  there.
 *
 *	  What the engine itself says of an execution stays: statuses, times,
 *	  places, numbers, who did something.  Of errors that is the type, the
 *	  SQLSTATE and the step.  Rows that have nothing to lose are not written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "state/erasure.h"
#include "state/private.h"
#include "state/state.h"

/* With what JSON has for "no value" where there has to be one. */
#define NO_JSON "'null'::pg_catalog.jsonb"

/*
 * The type of an error.  That of a "fail" step may be made of data: such types
 * are in the array, the second argument of each statement.
 */
#define TYPE_FACT(type) \
	"CASE WHEN " type " OPERATOR(pg_catalog.=) ANY ($2)" \
	" THEN 'Erased'::pg_catalog.text ELSE " type " END"

#define MEMBER(object, key) object " OPERATOR(pg_catalog.->) '" key "'::pg_catalog.text"
#define MEMBER_TEXT(object, key) object " OPERATOR(pg_catalog.->>) '" key "'::pg_catalog.text"

/* What stays of an error. */
#define ERROR_FACTS(error) \
	"CASE WHEN " error " IS NOT NULL THEN" \
	" pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(" \
	"'type', " TYPE_FACT("(" MEMBER_TEXT(error, "type") ")") ", 'sqlstate', " \
	MEMBER(error, "sqlstate") "," \
	" 'step_id', " MEMBER(error, "step_id") ", 'scope', " MEMBER(error, "scope") ")) END"

/*
 * The one that is given, those of its dead letter, and, when that is gone,
 * those that had the same: for them, and for nothing else, all executions are
 * read.
 */
static const Oid id_types[] = {INT8OID};
static StateStatement find_statement = {
	"WITH own AS MATERIALIZED (SELECT e.dead_letter_id AS letter FROM workflow.executions AS e"
	" WHERE e.id OPERATOR(pg_catalog.=) $1),"
	" letter AS MATERIALIZED (SELECT l.id, l.execution_id, l.replays FROM"
	" workflow.dead_letters AS l"
	" WHERE l.execution_id OPERATOR(pg_catalog.=) $1 OR l.id OPERATOR(pg_catalog.=)"
	" (SELECT own.letter FROM own))"
	" SELECT DISTINCT m.id, (SELECT letter.id FROM letter) FROM ("
	"SELECT $1 AS id UNION ALL SELECT letter.execution_id FROM letter"
	" UNION ALL SELECT r.id FROM letter CROSS JOIN LATERAL"
	" pg_catalog.unnest(letter.replays) AS r (id)"
	" UNION ALL SELECT e.id FROM workflow.executions AS e WHERE NOT EXISTS (SELECT FROM letter)"
	" AND EXISTS (SELECT FROM own WHERE own.letter IS NOT NULL)"
	" AND e.dead_letter_id OPERATOR(pg_catalog.=) (SELECT own.letter FROM own)) AS m"
	" ORDER BY m.id",
	lengthof(id_types), id_types, NULL
};

/*
 * Types of errors that are none of ours, no SQLSTATEs, and in no definition of
 * the workflow: a "fail" step has made them.  An array, which may be empty.
 */
static const Oid types_types[] = {INT8ARRAYOID};
static StateStatement types_statement = {
	"SELECT COALESCE(pg_catalog.array_agg(DISTINCT t.type), '{}'::pg_catalog.text[]) FROM ("
	"SELECT e.workflow, s.error_type AS type FROM workflow.step_executions AS s"
	" JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) s.execution_id"
	" WHERE s.execution_id OPERATOR(pg_catalog.=) ANY ($1) AND s.step_type"
	" OPERATOR(pg_catalog.=) 'fail'::pg_catalog.text"
	" AND (" MEMBER("s.error", "sqlstate") ") IS NULL"
	" UNION ALL SELECT l.workflow, " MEMBER_TEXT("h.attempt", "error_type") " FROM"
	" workflow.dead_letters AS l"
	" CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(l.retry_history) AS h (attempt)"
	" WHERE l.execution_id OPERATOR(pg_catalog.=) ANY ($1)"
	" AND (" MEMBER_TEXT("h.attempt", "step_type") ") OPERATOR(pg_catalog.=)"
	" 'fail'::pg_catalog.text"
	" AND (" MEMBER_TEXT("h.attempt", "sqlstate") ") IS NULL) AS t"
	" WHERE t.type OPERATOR(pg_catalog.<>) ALL ('{WorkflowFailed,Erased}'::pg_catalog.text[])"
	" AND NOT EXISTS (SELECT FROM workflow.definitions AS d WHERE d.name"
	" OPERATOR(pg_catalog.=) t.workflow"
	" AND pg_catalog.strpos(d.definition::pg_catalog.text,"
	" pg_catalog.to_json(t.type)::pg_catalog.text) OPERATOR(pg_catalog.>) 0)",
	lengthof(types_types), types_types, NULL
};

static const Oid erase_types[] = {INT8ARRAYOID, TEXTARRAYOID};
static StateStatement executions_statement = {
	"UPDATE workflow.executions AS e SET erased_at = pg_catalog.clock_timestamp(),"
	" idempotency_key = NULL, cancel_reason = NULL, pause_reason = NULL, step_inputs = NULL,"
	" input = " NO_JSON ", output = NULL, error = " ERROR_FACTS("e.error") ","
	" error_type = " TYPE_FACT("e.error_type") ","
	" step_marks = (SELECT pg_catalog.jsonb_object_agg(m.key,"
	" pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("
	"'mark', " MEMBER("m.value", "mark") ", 'by', " MEMBER("m.value", "by") ", 'at', "
	MEMBER("m.value", "at") ")))"
	" FROM pg_catalog.jsonb_each(e.step_marks) AS m),"
	" interruptions = (SELECT"
	" pg_catalog.jsonb_agg(pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("
	"'event', " MEMBER("i.value", "event") ", 'at', " MEMBER("i.value", "at") ", 'times',"
	" " MEMBER("i.value", "times") ","
	" 'last_at', " MEMBER("i.value", "last_at") ", 'by', " MEMBER("i.value", "by") ","
	" 'error', " ERROR_FACTS("(" MEMBER("i.value", "error") ")") ")) ORDER BY i.n)"
	" FROM pg_catalog.jsonb_array_elements(e.interruptions) WITH ORDINALITY AS i (value, n))"
	" WHERE e.id OPERATOR(pg_catalog.=) ANY ($1) AND e.erased_at IS NULL",
	lengthof(erase_types), erase_types, NULL
};
static StateStatement steps_statement = {
	"UPDATE workflow.step_executions AS s SET"
	" input = NULL, output = NULL, variables = NULL, loop_label = NULL,"
	" error_type = " TYPE_FACT("s.error_type") ", error = " ERROR_FACTS("s.error")
	" WHERE s.execution_id OPERATOR(pg_catalog.=) ANY ($1)"
	" AND (pg_catalog.num_nonnulls(s.input, s.output, s.variables, s.loop_label)"
	" OPERATOR(pg_catalog.>) 0"
	" OR s.error_type OPERATOR(pg_catalog.=) ANY ($2)"
	" OR s.error OPERATOR(pg_catalog.<>) " ERROR_FACTS("s.error") ")",
	lengthof(erase_types), erase_types, NULL
};

static const Oid letter_types[] = {INT8OID, TEXTARRAYOID};
static StateStatement letter_statement = {
	"UPDATE workflow.dead_letters AS l SET erased_at = pg_catalog.clock_timestamp(),"
	" input = " NO_JSON ","
	" discard_reason = NULL, error = " ERROR_FACTS("l.error") ", error_type = "
	TYPE_FACT("l.error_type") ","
	" retry_history = COALESCE((SELECT pg_catalog.jsonb_agg((h.attempt"
	" OPERATOR(pg_catalog.-) 'message'::pg_catalog.text)"
	" OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('error_type', "
	TYPE_FACT("(" MEMBER_TEXT("h.attempt", "error_type") ")") ") ORDER BY h.n)"
	" FROM pg_catalog.jsonb_array_elements(l.retry_history) WITH ORDINALITY"
	" AS h (attempt, n)), '[]'::pg_catalog.jsonb)"
	" WHERE l.id OPERATOR(pg_catalog.=) $1 AND l.erased_at IS NULL",
	lengthof(letter_types), letter_types, NULL
};

/* Not why it was erased. */
static const Oid ids_types[] = {INT8ARRAYOID};
static StateStatement audit_statement = {
	"UPDATE workflow.audit_entries AS a SET reason = NULL"
	" WHERE a.execution_id OPERATOR(pg_catalog.=) ANY ($1) AND a.reason IS NOT NULL"
	" AND a.action OPERATOR(pg_catalog.<>) 'erase'::pg_catalog.text",
	lengthof(ids_types), ids_types, NULL
};
/* the reason of who had the executor recycled that was stuck with it */
static StateStatement executors_statement = {
	"UPDATE workflow.executor_history AS h SET request_reason = NULL"
	" WHERE h.execution_id OPERATOR(pg_catalog.=) ANY ($1) AND h.stuck_at IS NOT NULL AND"
	" h.request_reason IS NOT NULL",
	lengthof(ids_types), ids_types, NULL
};

void
erasure_find(int64 execution_id, Erasure *erasure)
{
	Datum		value = Int64GetDatum(execution_id);
	bool		isnull;

	erasure->count = (int) state_query_newest(&find_statement, &value, 0);
	erasure->ids = palloc(erasure->count * sizeof(int64));
	erasure->letter = DatumGetInt64(state_column(0, 2, &isnull));
	if (isnull)
		erasure->letter = 0;
	for (int i = 0; i < erasure->count; i++)
		erasure->ids[i] = state_column_int64(i, 1);
	state_done_newest();
}

bool
erasure_same(const Erasure *a, const Erasure *b)
{
	return a->letter == b->letter && a->count == b->count &&
		memcmp(a->ids, b->ids, a->count * sizeof(int64)) == 0;
}

int64
erasure_do(const Erasure *erasure)
{
	Datum		values[2];
	bool		isnull;
	int64		rows;

	values[0] = state_ids(erasure->ids, erasure->count);
	(void) state_query(&types_statement, values, NULL, false, 1);
	values[1] = PointerGetDatum(
		DatumGetArrayTypePCopy(state_column(0, 1, &isnull)));
	state_done();

	rows = state_execute(&steps_statement, values, NULL);
	rows += state_execute(&executions_statement, values, NULL);
	rows += state_execute(&audit_statement, values, NULL);
	rows += state_execute(&executors_statement, values, NULL);
	if (erasure->letter != 0)
	{
		values[0] = Int64GetDatum(erasure->letter);
		rows += state_execute(&letter_statement, values, NULL);
	}
	return rows;
}

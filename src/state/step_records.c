/*-------------------------------------------------------------------------
 *
 * step_records.c
 *	  The table workflow.step_executions: reading rows back.
 *
 * NOTES
 *	  Runs where steps.c does.  Serves references to earlier steps, resuming a
 *	  thread, and closing a container from its children's rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared/settings.h"
#include "state/private.h"
#include "state/steps.h"

/* Columns of StepRecord, in the order read_record() takes them. */
#define RECORD_COLUMNS \
	"scope, step_id, branch_name, branch_taken, visit, loop_iteration_index," \
	" loop_collection_size, status, scope_outcome, attempt, condition_result, error_type," \
	" started_at, completed_at, retry_at"

static const Oid scope_types[] = {INT8OID, TEXTOID};
static const Oid newest_types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID};
static StateStatement newest_statement = {
	"SELECT " RECORD_COLUMNS ", input, output, error FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.=) $2"
	" AND started_at OPERATOR(pg_catalog.<) $3 ORDER BY completed_at DESC NULLS FIRST LIMIT 1",
	lengthof(newest_types), newest_types, NULL
};

static StateStatement last_ran_statement = {
	"SELECT " RECORD_COLUMNS ", input, output, error FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.=) $2"
	" AND (status OPERATOR(pg_catalog.<>) 'skipped'::pg_catalog.text OR output IS NOT NULL)"
	" ORDER BY completed_at DESC LIMIT 1",
	lengthof(scope_types), scope_types, NULL
};

/* Attempts at a step, and the newest of them, by the primary key. */
#define FIND_STEP \
	"SELECT " RECORD_COLUMNS ", input, output, error FROM workflow.step_executions" \
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.=) $2" \
	" AND step_id OPERATOR(pg_catalog.=) $3"
#define NEWEST_ATTEMPT \
	" ORDER BY execution_id DESC, scope DESC, step_id DESC, visit DESC, attempt DESC LIMIT 1"

static const Oid find_types[] = {INT8OID, TEXTOID, TEXTOID};
static StateStatement find_statement = {
	FIND_STEP NEWEST_ATTEMPT,
	lengthof(find_types), find_types, NULL
};

static const Oid find_visit_types[] = {INT8OID, TEXTOID, TEXTOID, INT4OID};
static StateStatement find_visit_statement = {
	FIND_STEP " AND visit OPERATOR(pg_catalog.=) $4" NEWEST_ATTEMPT,
	lengthof(find_visit_types), find_visit_types, NULL
};

static const Oid find_until_types[] = {INT8OID, TEXTOID, TEXTOID,
									   TIMESTAMPTZOID};
static StateStatement find_until_statement = {
	FIND_STEP " AND completed_at OPERATOR(pg_catalog.<=) $4" NEWEST_ATTEMPT,
	lengthof(find_until_types), find_until_types, NULL
};

static StateStatement scope_started_statement = {
	"SELECT pg_catalog.min(started_at) FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.=) $2",
	lengthof(scope_types), scope_types, NULL
};

static StateStatement first_attempt_statement = {
	"SELECT visit, started_at FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.=) $2"
	" AND step_id OPERATOR(pg_catalog.=) $3 AND visit OPERATOR(pg_catalog.<=) $4"
	" AND attempt OPERATOR(pg_catalog.=) 1 ORDER BY visit DESC LIMIT 1",
	lengthof(find_visit_types), find_visit_types, NULL
};

static const Oid retries_types[] = {INT8OID, TIMESTAMPTZOID};
static StateStatement retries_statement = {
	"SELECT pg_catalog.count(*) FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND retry_at IS NOT NULL"
	" AND completed_at OPERATOR(pg_catalog.>) $2",
	lengthof(retries_types), retries_types, NULL
};

/* Rows directly in the scopes of a container's children. */
#define CHILDREN_OF_CONTAINER \
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.>=) $2" \
	" AND scope OPERATOR(pg_catalog.<) $3 AND parent_step_id OPERATOR(pg_catalog.=) $4"

/*
 * What a scope results in is that of the last step that ran in it, which the
 * row s that ended it is not when its step was skipped.
 */
#define SKIPPED_LAST \
	"s.status OPERATOR(pg_catalog.=) 'skipped'::pg_catalog.text AND s.output IS NULL" \
	" AND s.scope_outcome OPERATOR(pg_catalog.=) 'completed'::pg_catalog.text"
#define OF_LAST_RAN(what) \
	"CASE WHEN " SKIPPED_LAST " THEN (SELECT " what " FROM workflow.step_executions AS r" \
	" WHERE r.execution_id OPERATOR(pg_catalog.=) s.execution_id" \
	" AND r.scope OPERATOR(pg_catalog.=) s.scope" \
	" AND (r.status OPERATOR(pg_catalog.<>) 'skipped'::pg_catalog.text OR r.output IS NOT NULL)" \
	" ORDER BY r.completed_at DESC LIMIT 1)"
#define RESULT(column) "(" OF_LAST_RAN("r." column) " ELSE s." column " END)"

static StateStatement scope_label_statement = {
	"SELECT loop_label FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND scope OPERATOR(pg_catalog.=) $2"
	" AND loop_label IS NOT NULL LIMIT 1",
	lengthof(scope_types), scope_types, NULL
};

static const Oid children_types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};

static StateStatement last_iteration_statement = {
	"SELECT pg_catalog.max(loop_iteration_index) FROM workflow.step_executions"
	CHILDREN_OF_CONTAINER,
	lengthof(children_types), children_types, NULL
};

static StateStatement children_statement = {
	"SELECT " RECORD_COLUMNS " FROM workflow.step_executions"
	CHILDREN_OF_CONTAINER " AND scope_outcome IS NOT NULL"
	" ORDER BY loop_iteration_index, branch_name",
	lengthof(children_types), children_types, NULL
};

static StateStatement children_payload_statement = {
	"SELECT " RECORD_COLUMNS ", NULL::pg_catalog.jsonb, " RESULT("output") ", error"
	" FROM workflow.step_executions AS s"
	CHILDREN_OF_CONTAINER " AND scope_outcome IS NOT NULL"
	" ORDER BY loop_iteration_index, branch_name",
	lengthof(children_types), children_types, NULL
};

/*
 * About how large a payload is in memory: what is stored compressed is measured
 * as text.
 */
#define PAYLOAD_SIZE(column) \
	"COALESCE(pg_catalog.sum(CASE WHEN pg_catalog.pg_column_compression(" column ") IS NOT NULL" \
	"  THEN pg_catalog.octet_length(" column "::pg_catalog.text)" \
	"  ELSE pg_catalog.pg_column_size(" column ") END), 0)"

/*
 * Counts, and about how large an array of the outputs would be, and what the
 * other payloads of an array of iterations add to that.
 */
static StateStatement loop_counts_statement = {
	"SELECT pg_catalog.count(*) FILTER"
	"  (WHERE scope_outcome OPERATOR(pg_catalog.=) 'completed'::pg_catalog.text),"
	" pg_catalog.count(*) FILTER"
	"  (WHERE scope_outcome OPERATOR(pg_catalog.<>) ALL ('{completed,skipped}'::pg_catalog.text[])),"
	" pg_catalog.count(*) FILTER"
	"  (WHERE scope_outcome OPERATOR(pg_catalog.=) 'skipped'::pg_catalog.text),"
	" " PAYLOAD_SIZE("output") "::pg_catalog.int8,"
	" (" PAYLOAD_SIZE("input") " OPERATOR(pg_catalog.+) " PAYLOAD_SIZE("error")
	"  OPERATOR(pg_catalog.+)"
	"  COALESCE(pg_catalog.sum(pg_catalog.octet_length(loop_label)), 0))::pg_catalog.int8"
	" FROM (SELECT s.scope_outcome, " RESULT("output") " AS output, " RESULT("input") " AS input,"
	"       " RESULT("error") " AS error, s.loop_label"
	"       FROM workflow.step_executions AS s"
	CHILDREN_OF_CONTAINER " AND scope_outcome IS NOT NULL) AS ended",
	lengthof(children_types), children_types, NULL
};

static StateStatement loop_outputs_statement = {
	"SELECT pg_catalog.jsonb_agg(CASE"
	" WHEN scope_outcome OPERATOR(pg_catalog.=) ANY ('{completed,skipped}'::pg_catalog.text[])"
	" THEN " RESULT("output") " END ORDER BY loop_iteration_index)"
	" FROM workflow.step_executions AS s"
	CHILDREN_OF_CONTAINER " AND scope_outcome IS NOT NULL",
	lengthof(children_types), children_types, NULL
};

/*
 * A member of its own, where the iteration has one; the children's labels are
 * of the container.
 */
#define LABEL_MEMBER \
	" OPERATOR(pg_catalog.||) CASE WHEN s.loop_label IS NULL THEN '{}'" \
	" ELSE pg_catalog.jsonb_build_object('label', s.loop_label) END"

#define ITERATION(row) \
	"pg_catalog.jsonb_build_object('index', s.loop_iteration_index, 'step_id', " row ".step_id," \
	" 'status', s.scope_outcome, 'input', " row ".input, 'output', " row ".output," \
	" 'error', " row ".error)" \
	LABEL_MEMBER

static StateStatement loop_iterations_statement = {
	"SELECT pg_catalog.jsonb_agg(" OF_LAST_RAN(ITERATION("r")) " ELSE " ITERATION("s") " END"
	" ORDER BY s.loop_iteration_index)"
	" FROM workflow.step_executions AS s"
	CHILDREN_OF_CONTAINER " AND scope_outcome IS NOT NULL",
	lengthof(children_types), children_types, NULL
};

static StateStatement begun_statement = {
	"SELECT DISTINCT branch_name, loop_iteration_index"
	" FROM workflow.step_executions" CHILDREN_OF_CONTAINER,
	lengthof(children_types), children_types, NULL
};

/* A thousand failed items need not all be named in one error. */
static StateStatement loop_errors_statement = {
	"SELECT pg_catalog.jsonb_agg(e) FROM (SELECT pg_catalog.jsonb_build_object("
	"  'index', loop_iteration_index, 'step_id', step_id, 'message', error OPERATOR(pg_catalog.->>) 'message'::pg_catalog.text)"
	LABEL_MEMBER " AS e"
	" FROM workflow.step_executions AS s"
	CHILDREN_OF_CONTAINER
	" AND scope_outcome OPERATOR(pg_catalog.<>) ALL ('{completed,skipped}'::pg_catalog.text[])"
	" ORDER BY loop_iteration_index LIMIT 100) AS failed",
	lengthof(children_types), children_types, NULL
};

static const Oid execution_types[] = {INT8OID, TIMESTAMPTZOID};
static StateStatement variables_statement = {
	"SELECT scope, variables, completed_at FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND variables IS NOT NULL"
	" AND completed_at OPERATOR(pg_catalog.<=) $2"
	" ORDER BY completed_at DESC",
	lengthof(execution_types), execution_types, NULL
};

static int
column_number(uint64 row, int column)
{
	bool		isnull;
	Datum		value = state_column(row, column, &isnull);

	return isnull ? -1 : DatumGetInt32(value);
}

static void
read_record(uint64 row, StepRecord *record)
{
	bool		isnull;
	Datum		value;

	memset(record, 0, sizeof(StepRecord));
	record->scope = state_column_text(row, 1);
	record->step_id = state_column_text(row, 2);
	record->branch_name = state_column_text(row, 3);
	record->branch_taken = state_column_text(row, 4);
	record->visit = state_column_int32(row, 5);
	record->loop_iteration_index = column_number(row, 6);
	record->loop_collection_size = column_number(row, 7);
	record->status = step_status_from_name(state_column_text(row, 8));
	record->scope_outcome = scope_outcome_from_name(state_column_text(row, 9));
	record->attempt = state_column_int32(row, 10);
	value = state_column(row, 11, &isnull);
	record->condition_result = isnull ? -1 : DatumGetBool(value);
	record->error_type = state_column_text(row, 12);
	record->started_at = state_column_time(row, 13);
	record->completed_at = state_column_time(row, 14);
	record->retry_at = state_column_time(row, 15);
	if (SPI_tuptable->tupdesc->natts > 15)
	{
		record->input = state_column_jsonb(row, 16);
		record->output = state_column_jsonb(row, 17);
		record->error = state_column_jsonb(row, 18);
	}
}

/* Run a statement that gives one row or none. */
static StepRecord *
read_one(StateStatement *statement, Datum *values)
{
	StepRecord *record = NULL;

	if (state_query(statement, values, NULL, false, 1) > 0)
	{
		record = palloc(sizeof(StepRecord));
		read_record(0, record);
	}
	state_done();
	return record;
}

StepRecord *
step_newest_of_scope(int64 execution_id, const char *scope, TimestampTz before)
{
	Datum		values[lengthof(newest_types)];

	values[0] = Int64GetDatum(execution_id);
	values[1] = CStringGetTextDatum(scope);
	values[2] = TimestampTzGetDatum(before);
	return read_one(&newest_statement, values);
}

StepRecord *
step_last_ran(int64 execution_id, const char *scope)
{
	Datum		values[2];

	values[0] = Int64GetDatum(execution_id);
	values[1] = CStringGetTextDatum(scope);
	return read_one(&last_ran_statement, values);
}

StepRecord *
step_find(int64 execution_id, const char *scope, const char *step_id, int visit)
{
	Datum		values[4];

	values[0] = Int64GetDatum(execution_id);
	values[1] = CStringGetTextDatum(scope);
	values[2] = CStringGetTextDatum(step_id);
	values[3] = Int32GetDatum(visit);
	return read_one(visit > 0 ? &find_visit_statement : &find_statement,
					values);
}

StepRecord *
step_find_until(int64 execution_id, const char *scope, const char *step_id,
				TimestampTz until)
{
	Datum		values[4];

	values[0] = Int64GetDatum(execution_id);
	values[1] = CStringGetTextDatum(scope);
	values[2] = CStringGetTextDatum(step_id);
	values[3] = TimestampTzGetDatum(until);
	return read_one(&find_until_statement, values);
}

TimestampTz
step_scope_started(int64 execution_id, const char *scope)
{
	Datum		values[] = {Int64GetDatum(execution_id),
							CStringGetTextDatum(scope)};
	TimestampTz result;

	state_query(&scope_started_statement, values, NULL, false, 0);
	result = state_column_time(0, 1);
	state_done();
	return result;
}

FirstAttempt
step_first_attempt(int64 execution_id, const char *scope, const char *step_id,
				   int visit)
{
	Datum		values[] = {Int64GetDatum(execution_id),
							CStringGetTextDatum(scope),
							CStringGetTextDatum(step_id),
							Int32GetDatum(visit)};
	FirstAttempt first = {0};

	if (state_query(&first_attempt_statement, values, NULL, false, 1) > 0)
	{
		first.visit = state_column_int32(0, 1);
		first.started_at = state_column_time(0, 2);
	}
	state_done();
	return first;
}

int64
step_count_retries(int64 execution_id, TimestampTz since)
{
	Datum		values[2];
	int64		count;

	values[0] = Int64GetDatum(execution_id);
	values[1] = TimestampTzGetDatum(since);
	state_query(&retries_statement, values, NULL, false, 0);
	count = state_column_int64(0, 1);
	state_done();
	return count;
}

/* Arguments of the statements over a container's children. */
static void
set_children_values(Datum *values, int64 execution_id, const char *from,
					const char *to, const char *container)
{
	values[0] = Int64GetDatum(execution_id);
	values[1] = CStringGetTextDatum(from);
	values[2] = CStringGetTextDatum(to);
	values[3] = CStringGetTextDatum(container);
}

char *
step_scope_label(int64 execution_id, const char *scope)
{
	Datum		values[] = {Int64GetDatum(execution_id),
							CStringGetTextDatum(scope)};
	char	   *label = NULL;

	if (state_query(&scope_label_statement, values, NULL, false, 1) > 0)
		label = state_column_text(0, 1);
	state_done();
	return label;
}

int
step_last_iteration(int64 execution_id, const char *from, const char *to,
					const char *container)
{
	Datum		values[4];
	int			result;

	set_children_values(values, execution_id, from, to, container);
	state_query(&last_iteration_statement, values, NULL, false, 0);
	result = column_number(0, 1);
	state_done();
	return result;
}

StepRecord *
step_children(int64 execution_id, const char *from, const char *to,
			  const char *container, bool payloads, int *count)
{
	Datum		values[4];
	StepRecord *records;
	uint64		nrows;

	set_children_values(values, execution_id, from, to, container);
	nrows = state_query(payloads ? &children_payload_statement :
								   &children_statement,
						values, NULL, false, 0);
	records = palloc_extended(Max(nrows, 1) * sizeof(StepRecord),
							  MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < nrows; i++)
		read_record(i, &records[i]);
	*count = (int) nrows;
	state_done();
	return records;
}

BegunChild *
step_begun_children(int64 execution_id, const char *from, const char *to,
					const char *container, int *count)
{
	Datum		values[4];
	BegunChild *children;

	set_children_values(values, execution_id, from, to, container);
	*count = (int) state_query(&begun_statement, values, NULL, false, 0);
	children = palloc_extended(Max(*count, 1) * sizeof(BegunChild),
							   MCXT_ALLOC_HUGE);
	for (int i = 0; i < *count; i++)
	{
		bool		isnull;

		children[i].branch_name = state_column_text(i, 1);
		children[i].loop_iteration_index =
			DatumGetInt32(state_column(i, 2, &isnull));
	}
	state_done();
	return children;
}

/* Fixed part of one element of "iterations" beside its payloads. */
#define ITERATION_OVERHEAD 120

void
step_loop_summary(int64 execution_id, const char *from, const char *to,
				  const char *container, LoopResult result,
				  LoopSummary *summary)
{
	Datum		values[4];
	int64		size;

	memset(summary, 0, sizeof(LoopSummary));
	set_children_values(values, execution_id, from, to, container);
	state_query(&loop_counts_statement, values, NULL, false, 0);
	summary->completed = state_column_int64(0, 1);
	summary->failed = state_column_int64(0, 2);
	summary->skipped = state_column_int64(0, 3);
	size = state_column_int64(0, 4);
	if (result == LOOP_RESULT_ITERATIONS)
		size += state_column_int64(0, 5) + ITERATION_OVERHEAD *
			(summary->completed + summary->failed + summary->skipped);
	state_done();

	summary->too_large = (result != LOOP_RESULT_COUNTS &&
						  size > (int64) setting_max_result_size * 1024);
	if (result != LOOP_RESULT_COUNTS && !summary->too_large)
	{
		state_query(result == LOOP_RESULT_OUTPUTS ? &loop_outputs_statement :
					&loop_iterations_statement, values, NULL, false, 0);
		summary->iterations = state_column_jsonb(0, 1);
		state_done();
	}
	if (summary->failed > 0)
	{
		state_query(&loop_errors_statement, values, NULL, false, 0);
		summary->errors = state_column_jsonb(0, 1);
		state_done();
	}
}

void
step_walk_variables(int64 execution_id, TimestampTz until,
					VariablesFunction function, void *context)
{
	bool		more = true;

	/* newest first, a few at a time: mostly the first one is the wanted one */
	while (more)
	{
		Datum		values[2];
		uint64		nrows;
		TimestampTz oldest = until;

		CHECK_FOR_INTERRUPTS();
		values[0] = Int64GetDatum(execution_id);
		values[1] = TimestampTzGetDatum(until);
		nrows = state_query(&variables_statement, values, NULL, false, 100);
		more = (nrows == 100);
		for (uint64 i = 0; i < nrows; i++)
		{
			Jsonb	   *variables = state_column_jsonb(i, 2);

			oldest = state_column_time(i, 3);
			if (!function(context, state_column_text(i, 1), variables))
			{
				more = false;
				break;
			}
		}
		state_done();

		/* a batch of one instant would come again and again */
		if (oldest == until)
			break;
		until = oldest;
	}
}

/*-------------------------------------------------------------------------
 *
 * schedules.c
 *	  The tables workflow.schedule_entries and schedule_run_entries.
 *
 * NOTES
 *	  Runs in sessions, pg_cron's included, in the caller's transaction.
 *
 *	  Locks are taken in the order executions, schedule_entries: a session may
 *	  have locked an execution before it asks for the schedule, so nobody
 *	  cancels executions while holding the row of their schedule.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "state/private.h"
#include "state/schedules.h"

static const char *const outcome_names[] = {
	[SCHEDULE_STARTED] = "started",
	[SCHEDULE_QUEUED] = "queued",
	[SCHEDULE_SKIPPED] = "skipped",
	[SCHEDULE_MISSED] = "missed",
	[SCHEDULE_FAILED] = "failed"
};

#define SELECT_SCHEDULE \
	"SELECT s.id, s.name, s.workflow, s.version, s.cron, s.timezone, s.input, s.priority," \
	" s.tenant, s.start_at, s.end_at, s.max_concurrent_runs, s.overlap, s.max_lateness," \
	" s.enabled, s.role::pg_catalog.oid, s.description, s.next_run_at, s.job_schedule, s.pause_reason, s.created_at" \
	" FROM workflow.schedule_entries AS s WHERE "
#define BY_NAME "s.name OPERATOR(pg_catalog.=) $1"
#define BY_ID "s.id OPERATOR(pg_catalog.=) $1"

static const Oid name_types[] = {TEXTOID};
static const Oid id_types[] = {INT4OID};
static StateStatement find_by_name = {SELECT_SCHEDULE BY_NAME, 1, name_types,
									  NULL};
static StateStatement lock_by_name = {SELECT_SCHEDULE BY_NAME " FOR UPDATE", 1,
									  name_types, NULL};
static StateStatement find_by_id = {SELECT_SCHEDULE BY_ID, 1, id_types, NULL};
static StateStatement lock_by_id = {SELECT_SCHEDULE BY_ID " FOR UPDATE", 1,
									id_types, NULL};

#define NWRITTEN 19
static const Oid write_types[] =
	{TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID,
	 JSONBOID, INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	 INT4OID, TEXTOID, INTERVALOID, BOOLOID, REGROLEOID,
	 TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, INT4OID,
	 BOOLOID};
static StateStatement insert_schedule = {
	"INSERT INTO workflow.schedule_entries AS s (name, workflow, version, cron, timezone, input,"
	" priority, tenant, start_at, end_at, max_concurrent_runs, overlap, max_lateness, enabled, role,"
	" description, next_run_at, job_schedule, pause_reason)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
	" ON CONFLICT (name) DO NOTHING RETURNING s.id, s.created_at",
	NWRITTEN, write_types, NULL
};
static StateStatement update_schedule = {
	"UPDATE workflow.schedule_entries AS s SET (name, workflow, version, cron, timezone, input,"
	" priority, tenant, start_at, end_at, max_concurrent_runs, overlap, max_lateness, enabled, role,"
	" description, next_run_at, job_schedule, pause_reason, updated_at) ="
	" ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
	/* the name of a role that does not exist is in the row alone */
	" CASE WHEN s.role::pg_catalog.oid OPERATOR(pg_catalog.=) $15::pg_catalog.oid THEN s.role ELSE workflow.role_of($15) END,"
	" $16, $17, $18, $19,"
	" CASE WHEN $21 THEN pg_catalog.clock_timestamp() ELSE s.updated_at END)"
	" WHERE s.id OPERATOR(pg_catalog.=) $20",
	NWRITTEN + 2, write_types, NULL
};
static StateStatement delete_schedule = {
	"DELETE FROM workflow.schedule_entries AS s WHERE " BY_ID, 1, id_types, NULL
};
static const Oid bool_types[] = {BOOLOID};
static StateStatement list_schedules = {
	"SELECT s.id FROM workflow.schedule_entries AS s"
	" WHERE s.job_schedule IS NOT NULL OR NOT $1 ORDER BY s.id",
	1, bool_types, NULL
};
static StateStatement select_document = {
	"SELECT pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.-) 'input'::pg_catalog.text"
	" FROM workflow.schedule_entries AS s WHERE " BY_ID,
	1, id_types, NULL
};

static const Oid record_types[] = {INT4OID, TEXTOID, REGROLEOID, TIMESTAMPTZOID,
								   BOOLOID, TEXTOID, INT8OID, TEXTOID};
static StateStatement insert_run = {
	"INSERT INTO workflow.schedule_run_entries"
	" (schedule_id, schedule, role, due_at, manual, outcome, execution_id, reason)"
	" VALUES ($1, $2, COALESCE((SELECT s.role FROM workflow.schedule_entries AS s"
	" WHERE " BY_ID " AND s.role::pg_catalog.oid OPERATOR(pg_catalog.=) $3::pg_catalog.oid), workflow.role_of($3)), $4, $5, $6, $7, $8)",
	lengthof(record_types), record_types, NULL
};
static StateStatement select_last_due = {
	"SELECT r.due_at FROM workflow.schedule_runs AS r"
	" WHERE r.schedule_id OPERATOR(pg_catalog.=) $1 AND NOT r.manual ORDER BY r.id DESC LIMIT 1",
	1, id_types, NULL
};
static StateStatement select_previous = {
	"SELECT r.due_at FROM workflow.schedule_run_entries AS r"
	" WHERE r.schedule_id OPERATOR(pg_catalog.=) $1 AND r.execution_id IS NOT NULL"
	" ORDER BY r.id DESC LIMIT 1",
	1, id_types, NULL
};

#define OF_SCHEDULE "e.schedule_id OPERATOR(pg_catalog.=) $1 AND " NOT_ENDED("e")

static StateStatement count_executions = {
	"SELECT pg_catalog.count(*) FILTER (WHERE NOT " WAITS_FOR_SCHEDULE("e") "),"
	" pg_catalog.count(*) FILTER (WHERE " WAITS_FOR_SCHEDULE("e") ")"
	" FROM workflow.executions AS e WHERE " OF_SCHEDULE,
	1, id_types, NULL
};
static StateStatement list_executions = {
	"SELECT e.id, " WAITS_FOR_SCHEDULE("e")
	" FROM workflow.executions AS e WHERE " OF_SCHEDULE " ORDER BY e.id",
	1, id_types, NULL
};

/*
 * Not what a schedule that exists goes by, however old: its newest entry, which
 * shows how it is doing, the newest of select_previous and the newest of
 * select_last_due.
 */
#define NEWER_RUN(condition) \
	"EXISTS (SELECT FROM workflow.schedule_run_entries AS n" \
	" WHERE n.schedule_id OPERATOR(pg_catalog.=) o.schedule_id" \
	" AND n.id OPERATOR(pg_catalog.>) o.id" condition ")"

static const Oid prune_types[] = {TIMESTAMPTZOID, INT4OID};
static StateStatement prune_runs = {
	"DELETE FROM workflow.schedule_run_entries AS r WHERE r.id OPERATOR(pg_catalog.=) ANY"
	" (ARRAY(SELECT o.id FROM workflow.schedule_run_entries AS o"
	" WHERE o.decided_at OPERATOR(pg_catalog.<) $1"
	" AND (NOT EXISTS (SELECT FROM workflow.schedule_entries AS s"
	" WHERE s.id OPERATOR(pg_catalog.=) o.schedule_id)"
	" OR " NEWER_RUN("")
	" AND (o.execution_id IS NULL OR " NEWER_RUN(" AND n.execution_id IS NOT NULL") ")"
	" AND (o.manual OR " NEWER_RUN(" AND NOT n.manual") "))"
	" ORDER BY o.decided_at LIMIT $2))",
	2, prune_types, NULL
};

/* A column that may be null, as a time. */
static TimestampTz
column_time(int column, TimestampTz otherwise)
{
	bool		isnull;
	Datum		value = state_column(0, column, &isnull);

	return isnull ? otherwise : DatumGetTimestampTz(value);
}

/* The row that has been read. */
static void
read_schedule(Schedule *schedule)
{
	bool		isnull;

	memset(schedule, 0, sizeof(*schedule));
	schedule->id = state_column_int32(0, 1);
	schedule->name = state_column_text(0, 2);
	schedule->workflow = state_column_text(0, 3);
	schedule->version = state_column_int32(0, 4);
	schedule->cron = state_column_text(0, 5);
	schedule->timezone = state_column_text(0, 6);
	schedule->input = DatumGetJsonbPCopy(state_column(0, 7, &isnull));
	(void) state_column(0, 8, &isnull);
	schedule->has_priority = !isnull;
	schedule->priority = state_column_int32(0, 8);
	schedule->tenant = state_column_text(0, 9);
	schedule->start_at = column_time(10, DT_NOBEGIN);
	schedule->end_at = column_time(11, DT_NOEND);
	schedule->max_concurrent_runs = state_column_int32(0, 12);
	schedule->overlap = state_column_text(0, 13);
	schedule->max_lateness = *DatumGetIntervalP(state_column(0, 14, &isnull));
	schedule->enabled = DatumGetBool(state_column(0, 15, &isnull));
	schedule->role = DatumGetObjectId(state_column(0, 16, &isnull));
	schedule->description = state_column_text(0, 17);
	schedule->next_run_at = column_time(18, DT_NOEND);
	schedule->job_schedule = state_column_text(0, 19);
	schedule->pause_reason = state_column_text(0, 20);
	schedule->created_at = column_time(21, DT_NOBEGIN);
}

static bool
find_schedule(StateStatement *statement, Datum key, Schedule *schedule)
{
	bool		found = state_query(statement, &key, NULL, false, 1) > 0;

	if (found)
		read_schedule(schedule);
	state_done();
	return found;
}

bool
schedule_find(const char *name, bool lock, Schedule *schedule)
{
	return find_schedule(lock ? &lock_by_name : &find_by_name,
						 CStringGetTextDatum(name), schedule);
}

bool
schedule_find_id(int id, bool lock, Schedule *schedule)
{
	return find_schedule(lock ? &lock_by_id : &find_by_id, Int32GetDatum(id),
						 schedule);
}

/* Parameter i, or null. */
static void
set_value(Datum *values, char *nulls, int i, Datum value, bool given)
{
	values[i] = value;
	nulls[i] = given ? ' ' : 'n';
}

/* What is written about a schedule. */
static void
schedule_values(const Schedule *schedule, Datum *values, char *nulls)
{
	memset(nulls, ' ', NWRITTEN);
	state_set_text(values, nulls, 0, schedule->name);
	state_set_text(values, nulls, 1, schedule->workflow);
	set_value(values, nulls, 2, Int32GetDatum(schedule->version),
			  schedule->version != 0);
	state_set_text(values, nulls, 3, schedule->cron);
	state_set_text(values, nulls, 4, schedule->timezone);
	values[5] = JsonbPGetDatum(schedule->input);
	set_value(values, nulls, 6, Int32GetDatum(schedule->priority),
			  schedule->has_priority);
	state_set_text(values, nulls, 7, schedule->tenant);
	set_value(values, nulls, 8, TimestampTzGetDatum(schedule->start_at),
			  schedule->start_at != DT_NOBEGIN);
	set_value(values, nulls, 9, TimestampTzGetDatum(schedule->end_at),
			  schedule->end_at != DT_NOEND);
	values[10] = Int32GetDatum(schedule->max_concurrent_runs);
	state_set_text(values, nulls, 11, schedule->overlap);
	values[12] = IntervalPGetDatum(&schedule->max_lateness);
	values[13] = BoolGetDatum(schedule->enabled);
	values[14] = ObjectIdGetDatum(schedule->role);
	state_set_text(values, nulls, 15, schedule->description);
	set_value(values, nulls, 16, TimestampTzGetDatum(schedule->next_run_at),
			  schedule->next_run_at != DT_NOEND);
	state_set_text(values, nulls, 17, schedule->job_schedule);
	state_set_text(values, nulls, 18, schedule->pause_reason);
}

bool
schedule_insert(Schedule *schedule)
{
	Datum		values[NWRITTEN];
	char		nulls[NWRITTEN];
	bool		inserted;

	schedule_values(schedule, values, nulls);
	inserted = state_query(&insert_schedule, values, nulls, false, 0) > 0;
	if (inserted)
	{
		schedule->id = state_column_int32(0, 1);
		schedule->created_at = column_time(2, DT_NOBEGIN);
	}
	state_done();
	return inserted;
}

void
schedule_update(const Schedule *schedule, bool touched)
{
	Datum		values[NWRITTEN + 2];
	char		nulls[NWRITTEN + 2];

	schedule_values(schedule, values, nulls);
	set_value(values, nulls, NWRITTEN, Int32GetDatum(schedule->id), true);
	set_value(values, nulls, NWRITTEN + 1, BoolGetDatum(touched), true);
	state_execute(&update_schedule, values, nulls);
}

void
schedule_delete(int id)
{
	Datum		value = Int32GetDatum(id);

	state_execute(&delete_schedule, &value, NULL);
}

int
schedule_list(bool with_job, int **ids)
{
	Datum		value = BoolGetDatum(with_job);
	int			count = (int) state_query(&list_schedules, &value, NULL, false, 0);

	*ids = palloc(sizeof(int) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*ids)[i] = state_column_int32(i, 1);
	state_done();
	return count;
}

Jsonb *
schedule_document(int id)
{
	Datum		value = Int32GetDatum(id);
	Jsonb	   *document = NULL;
	bool		isnull;

	if (state_query(&select_document, &value, NULL, false, 1) > 0)
		document = DatumGetJsonbPCopy(state_column(0, 1, &isnull));
	state_done();
	return document;
}

const char *
schedule_outcome_name(ScheduleOutcome outcome)
{
	return outcome_names[outcome];
}

void
schedule_record(const ScheduleRun *run)
{
	Datum		values[lengthof(record_types)];
	char		nulls[lengthof(record_types)];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int32GetDatum(run->schedule->id);
	state_set_text(values, nulls, 1, run->schedule->name);
	values[2] = ObjectIdGetDatum(run->schedule->role);
	values[3] = TimestampTzGetDatum(run->due_at);
	values[4] = BoolGetDatum(run->manual);
	state_set_text(values, nulls, 5, schedule_outcome_name(run->outcome));
	set_value(values, nulls, 6, Int64GetDatum(run->execution_id),
			  run->execution_id != 0);
	state_set_text(values, nulls, 7, run->reason);
	state_execute(&insert_run, values, nulls);
}

/* The one time a statement finds about a schedule, or DT_NOBEGIN. */
static TimestampTz
find_time(StateStatement *statement, int id)
{
	Datum		value = Int32GetDatum(id);
	TimestampTz time = DT_NOBEGIN;

	if (state_query(statement, &value, NULL, false, 1) > 0)
		time = column_time(1, DT_NOBEGIN);
	state_done();
	return time;
}

TimestampTz
schedule_last_due(int id)
{
	return find_time(&select_last_due, id);
}

TimestampTz
schedule_previous_run(int id)
{
	return find_time(&select_previous, id);
}

void
schedule_count(int id, int64 *running, int64 *queued)
{
	Datum		value = Int32GetDatum(id);

	(void) state_query(&count_executions, &value, NULL, false, 1);
	*running = state_column_int64(0, 1);
	*queued = state_column_int64(0, 2);
	state_done();
}

int
schedule_executions(int id, ScheduleExecution **executions)
{
	Datum		value = Int32GetDatum(id);
	int			count = (int) state_query(&list_executions, &value, NULL, false, 0);
	bool		isnull;

	*executions = palloc(sizeof(ScheduleExecution) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		(*executions)[i].id = state_column_int64(i, 1);
		(*executions)[i].waits = DatumGetBool(state_column(i, 2, &isnull));
	}
	state_done();
	return count;
}

/*
 * As the caller, whose cancellation it is and who needs the right to: so not by
 * one of our own statements, which run as the owner.
 */
void
schedule_cancel(int64 execution_id, const char *reason)
{
	Oid			types[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(execution_id),
							CStringGetTextDatum(reason)};
	int			result;

	SPI_connect();
	result = SPI_execute_with_args("SELECT workflow.cancel(execution_id => $1, reason => $2)",
								   2, types, values, NULL, false, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not cancel an execution: %s", SPI_result_code_string(result));
	SPI_finish();
}

int64
schedule_runs_prune(TimestampTz before, int32 max)
{
	Datum		values[2] = {TimestampTzGetDatum(before), Int32GetDatum(max)};

	return (int64) state_execute(&prune_runs, values, NULL);
}

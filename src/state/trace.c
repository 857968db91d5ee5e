/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  An execution's rows as pictures need them.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction and under its snapshot;
 *	  reads only.  Whoever calls has checked that the caller may see the
 *	  execution: the statements run as the extension's owner, to whom row-level
 *	  security does not apply.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "state/trace.h"
#include "state/private.h"

/* Rows read at once. */
#define PAGE_ROWS 1000

static const Oid id_types[] = {INT8OID};

static StateStatement read_execution = {
	"SELECT e.id, e.definition_id, e.workflow, e.version, e.status, e.role::pg_catalog.oid,"
	" workflow.role_name(e.role), e.tenant,"
	" e.created_at, e.started_at, e.completed_at, e.recoveries, e.error_type,"
	" e.error OPERATOR(pg_catalog.->>) 'step_id',"
	" pg_catalog.left(e.error OPERATOR(pg_catalog.->>) 'message', 1000),"
	" pg_catalog.left(e.cancel_reason, 1000), e.start_at,"
	" CASE WHEN p.paused THEN e.paused_until END,"
	" CASE WHEN p.paused THEN workflow.role_name(e.paused_by) END,"
	" CASE WHEN p.paused THEN pg_catalog.left(e.pause_reason, 1000) END,"
	" p.paused OR e.pauses IS NOT NULL, e.retries, e.step_marks IS NOT NULL"
	" FROM workflow.executions AS e, LATERAL"
	" (SELECT e.status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text) AS p (paused)"
	" WHERE e.id OPERATOR(pg_catalog.=) $1",
	1, id_types, NULL
};

/* Those that are over, and the one that lasts. */
static const Oid pause_types[] = {INT8OID, INT4OID};
static StateStatement read_pauses = {
	"SELECT p.start, p.stop FROM workflow.executions AS e, LATERAL"
	" (SELECT pg_catalog.lower(r), pg_catalog.upper(r) FROM pg_catalog.unnest(e.pauses) AS r"
	" UNION ALL SELECT e.paused_at, NULL WHERE e.status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text) AS p (start, stop)"
	" WHERE e.id OPERATOR(pg_catalog.=) $1 AND p.start IS NOT NULL"
	" ORDER BY p.start USING OPERATOR(pg_catalog.<) LIMIT $2",
	lengthof(pause_types), pause_types, NULL
};

static const Oid marks_types[] = {INT8OID, INT4OID};
static StateStatement read_marks = {
	"SELECT m.step_id, m.mark OPERATOR(pg_catalog.=) 'hold'::pg_catalog.text, m.marked_at, m.marked_by,"
	" pg_catalog.left(m.reason, 1000) FROM workflow.marked_steps AS m"
	" WHERE m.execution_id OPERATOR(pg_catalog.=) $1 ORDER BY m.step_id USING OPERATOR(pg_catalog.<) LIMIT $2",
	lengthof(marks_types), marks_types, NULL
};

/* The last ones, in reverse. */
static const Oid events_types[] = {INT8OID, INT4OID};
static StateStatement read_events = {
	"SELECT q.at, q.event, q.step_id, q.by, q.error_type, q.text FROM"
	" (SELECT i.at, i.event, i.error OPERATOR(pg_catalog.->>) 'step_id', i.cancelled_by, i.error_type, pg_catalog.concat_ws(', ',"
	"   pg_catalog.left(COALESCE(i.error OPERATOR(pg_catalog.->>) 'message', i.reason), 1000),"
	"   CASE WHEN i.times OPERATOR(pg_catalog.>) 1 THEN pg_catalog.concat(i.times, ' times') END)"
	"  FROM workflow.interruptions AS i WHERE i.execution_id OPERATOR(pg_catalog.=) $1"
	"  UNION ALL SELECT a.at, a.action, CASE WHEN a.subject_type OPERATOR(pg_catalog.=) 'step'::pg_catalog.text THEN a.subject END,"
	"   workflow.role_name(a.role), NULL, pg_catalog.left(a.reason, 1000)"
	"  FROM workflow.audit_entries AS a WHERE a.execution_id OPERATOR(pg_catalog.=) $1)"
	" AS q (at, event, step_id, by, error_type, text) ORDER BY q.at USING OPERATOR(pg_catalog.>) LIMIT $2",
	lengthof(events_types), events_types, NULL
};

/*
 * From behind a key on; the key's index gives the order and the end of each
 * page.
 */
static const Oid page_types[] = {INT8OID, TEXTOID, TEXTOID,
								 INT4OID, INT4OID, INT4OID};
static StateStatement read_page = {
	"SELECT s.scope, s.step_id, s.visit, s.attempt, s.step_type, s.status, s.scope_outcome, s.on_failure,"
	" s.agent_name, s.branch_taken, s.loop_collection_size,"
	" s.started_at, s.completed_at, s.retry_at, s.error_type,"
	" pg_catalog.left(s.error OPERATOR(pg_catalog.->>) 'message', 500), s.loop_label"
	" FROM workflow.step_executions AS s WHERE s.execution_id OPERATOR(pg_catalog.=) $1"
	" AND ROW(s.scope, s.step_id, s.visit, s.attempt) OPERATOR(pg_catalog.>) ROW($2, $3, $4, $5)"
	" ORDER BY s.scope USING OPERATOR(pg_catalog.<), s.step_id USING OPERATOR(pg_catalog.<),"
	" s.visit USING OPERATOR(pg_catalog.<), s.attempt USING OPERATOR(pg_catalog.<)"
	" LIMIT $6",
	lengthof(page_types), page_types, NULL
};

/* What an executor has begun and not committed. */
static StateStatement read_running = {
	"SELECT a.scope, a.step_id, a.visit, a.attempt,"
	" d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) a.step_id"
	" OPERATOR(pg_catalog.->>) 'type', 'running'::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text,"
	" d.definition OPERATOR(pg_catalog.->) 'steps' OPERATOR(pg_catalog.->) a.step_id"
	" OPERATOR(pg_catalog.->>) 'agent_name', NULL::pg_catalog.text, NULL::pg_catalog.int4,"
	" a.step_started_at, NULL::pg_catalog.timestamptz, NULL::pg_catalog.timestamptz,"
	" NULL::pg_catalog.text, NULL::pg_catalog.text, a.label"
	" FROM workflow.executor_slots() AS a"
	" JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) a.execution_id"
	" LEFT JOIN workflow.definitions AS d ON d.id OPERATOR(pg_catalog.=) e.definition_id"
	" WHERE a.execution_id OPERATOR(pg_catalog.=) $1 AND a.step_id IS NOT NULL"
	" AND a.step_started_at IS NOT NULL AND a.database OPERATOR(pg_catalog.=)"
	" (SELECT b.oid FROM pg_catalog.pg_database AS b"
	"  WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())"
	" AND NOT EXISTS (SELECT FROM workflow.step_executions AS s"
	" WHERE s.execution_id OPERATOR(pg_catalog.=) a.execution_id"
	" AND s.scope OPERATOR(pg_catalog.=) a.scope AND s.step_id OPERATOR(pg_catalog.=) a.step_id"
	" AND s.visit OPERATOR(pg_catalog.=) a.visit AND s.attempt OPERATOR(pg_catalog.=) a.attempt)",
	1, id_types, NULL
};

/*
 * The newest executions are found from the newest ids back; rows are bounded,
 * too.
 */
static const Oid average_types[] = {INT4OID, OIDOID};
static StateStatement read_averages = {
	"WITH newest AS MATERIALIZED (SELECT e.id FROM"
	" (SELECT * FROM workflow.executions ORDER BY id USING OPERATOR(pg_catalog.>) LIMIT 10000) AS e"
	" WHERE e.definition_id OPERATOR(pg_catalog.=) $1 AND e.started_at IS NOT NULL"
	" AND (pg_catalog.pg_has_role($2, e.role::pg_catalog.oid, 'USAGE')"
	"      OR pg_catalog.pg_has_role($2, 'pg_monitor'::pg_catalog.name, 'USAGE')"
	"      OR " SEES_WORKFLOW(2, "e.workflow") ")"
	" ORDER BY e.id USING OPERATOR(pg_catalog.>) LIMIT 100),"
	" steps AS (SELECT s.* FROM newest AS n"
	" JOIN workflow.step_executions AS s ON s.execution_id OPERATOR(pg_catalog.=) n.id"
	" WHERE s.completed_at IS NOT NULL AND s.status OPERATOR(pg_catalog.<>) 'skipped'::pg_catalog.text"
	" LIMIT 100000)"
	" SELECT s.step_id, pg_catalog.count(*),"
	" pg_catalog.count(*) FILTER (WHERE s.status OPERATOR(pg_catalog.<>) 'completed'::pg_catalog.text),"
	" pg_catalog.avg(t.ms), pg_catalog.max(t.ms),"
	" (SELECT pg_catalog.count(*) FROM newest)"
	" FROM steps AS s, LATERAL (SELECT (1000::pg_catalog.float8 OPERATOR(pg_catalog.*)"
	" pg_catalog.date_part('epoch', s.completed_at OPERATOR(pg_catalog.-) s.started_at)) AS ms) AS t"
	" GROUP BY s.step_id",
	lengthof(average_types), average_types, NULL
};

static void
read_pauses_of(TraceExecution *execution)
{
	Datum		values[2] = {Int64GetDatum(execution->id),
							 Int32GetDatum(TRACE_MAX_PAUSES)};
	int			count = (int) state_query(&read_pauses, values, NULL, true,
										  TRACE_MAX_PAUSES);

	execution->pauses = palloc(sizeof(TracePause) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		TracePause *pause = &execution->pauses[execution->npauses];

		pause->start = state_column_time(i, 1);
		pause->end = state_column_time(i, 2);
		if (pause->end == 0)
			pause->end = execution->now;
		/* before it began it was merely queued for longer */
		if (execution->started_at == 0 || pause->end > execution->started_at)
			execution->npauses++;
	}
	state_done();
}

static void
read_marks_of(TraceExecution *execution)
{
	Datum		values[2] = {Int64GetDatum(execution->id),
							 Int32GetDatum(TRACE_MAX_MARKS)};
	int			count = (int) state_query(&read_marks, values, NULL, true,
										  TRACE_MAX_MARKS);

	execution->marks = palloc(sizeof(TraceMark) * Max(count, 1));
	execution->nmarks = count;
	for (int i = 0; i < count; i++)
	{
		TraceMark  *mark = &execution->marks[i];
		bool		isnull;

		mark->step_id = state_column_text(i, 1);
		mark->holds = DatumGetBool(state_column(i, 2, &isnull));
		mark->at = state_column_time(i, 3);
		mark->by = state_column_text(i, 4);
		mark->reason = state_column_text(i, 5);
	}
	state_done();
}

static void
read_events_of(TraceExecution *execution)
{
	Datum		values[2] = {Int64GetDatum(execution->id),
							 Int32GetDatum(TRACE_MAX_EVENTS + 1)};
	int			count = (int) state_query(&read_events, values, NULL, true,
										  TRACE_MAX_EVENTS + 1);

	execution->more_events = (count > TRACE_MAX_EVENTS);
	execution->nevents = Min(count, TRACE_MAX_EVENTS);
	execution->events = palloc(sizeof(TraceEvent) * Max(execution->nevents, 1));
	for (int i = 0; i < execution->nevents; i++)
	{
		TraceEvent *event = &execution->events[execution->nevents - 1 - i];

		event->at = state_column_time(i, 1);
		event->event = state_column_text(i, 2);
		event->step_id = state_column_text(i, 3);
		event->by = state_column_text(i, 4);
		event->error_type = state_column_text(i, 5);
		event->text = state_column_text(i, 6);
		if (event->text != NULL && event->text[0] == '\0')
			event->text = NULL;
	}
	state_done();
}

bool
trace_execution(int64 id, TraceExecution *execution)
{
	Datum		value = Int64GetDatum(id);
	bool		found;
	bool		has_pauses = false;
	bool		has_marks = false;
	bool		isnull;

	found = state_query(&read_execution, &value, NULL, true, 1) > 0;
	if (found)
	{
		execution->id = state_column_int64(0, 1);
		execution->definition_id = state_column_int32(0, 2);
		execution->workflow = state_column_text(0, 3);
		execution->version = state_column_int32(0, 4);
		execution->status = execution_status_from_name(state_column_text(0, 5));
		execution->role = DatumGetObjectId(state_column(0, 6, &isnull));
		execution->role_name = state_column_text(0, 7);
		execution->tenant = state_column_text(0, 8);
		execution->created_at = state_column_time(0, 9);
		execution->started_at = state_column_time(0, 10);
		execution->completed_at = state_column_time(0, 11);
		execution->now = execution->completed_at != 0 ?
			execution->completed_at : GetCurrentTimestamp();
		execution->recoveries = state_column_int32(0, 12);
		execution->error_type = state_column_text(0, 13);
		execution->error_step = state_column_text(0, 14);
		execution->error_message = state_column_text(0, 15);
		execution->cancel_reason = state_column_text(0, 16);
		execution->start_at = state_column_time(0, 17);
		execution->paused_until = state_column_time(0, 18);
		execution->paused_by = state_column_text(0, 19);
		execution->pause_reason = state_column_text(0, 20);
		has_pauses = DatumGetBool(state_column(0, 21, &isnull));
		execution->retries = state_column_int32(0, 22);
		has_marks = DatumGetBool(state_column(0, 23, &isnull));
	}
	state_done();
	if (has_pauses)
		read_pauses_of(execution);
	if (has_marks)
		read_marks_of(execution);
	if (found)
		read_events_of(execution);
	return found;
}

/*
 * Hand over the rows of the statement just run.  Returns the last one's key.
 */
static void
hand_over(uint64 nrows, TraceRowFunction function, void *context, TraceRow *row)
{
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		row->scope = state_column_text(i, 1);
		row->step_id = state_column_text(i, 2);
		row->visit = state_column_int32(i, 3);
		row->attempt = state_column_int32(i, 4);
		row->type = state_column_text(i, 5);
		row->status = step_status_from_name(state_column_text(i, 6));
		row->scope_outcome = scope_outcome_from_name(state_column_text(i, 7));
		row->on_failure = failure_handling_from_name(state_column_text(i, 8));
		row->agent_name = state_column_text(i, 9);
		row->branch_taken = state_column_text(i, 10);
		(void) state_column(i, 11, &isnull);
		row->collection_size = isnull ? -1 : state_column_int32(i, 11);
		row->started_at = state_column_time(i, 12);
		row->completed_at = state_column_time(i, 13);
		row->retry_at = state_column_time(i, 14);
		row->error_type = state_column_text(i, 15);
		row->error_message = state_column_text(i, 16);
		row->loop_label = state_column_text(i, 17);
		function(context, row);
	}
}

void
trace_walk(int64 id, TraceRowFunction function, void *context)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext pages[2];
	TraceRow	row = {.scope = "", .step_id = ""};
	Datum		values[6];
	uint64		nrows;
	int			guc_level = NewGUCNestLevel();

	/*
	 * Where a table that has grown has no statistics yet, the planner takes a
	 * key for selective, reads all that is behind it, and sorts that for each
	 * page.  Without values to look at it trusts in the order of the index.
	 */
	(void) set_config_option("plan_cache_mode", "force_generic_plan",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);

	/* Two in turn: the key of a page's last row is needed to read the next. */
	for (int i = 0; i < 2; i++)
		pages[i] = AllocSetContextCreate(caller, "workflow trace",
										 ALLOCSET_DEFAULT_SIZES);

	for (int page = 0;; page = !page)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(pages[page]);
		MemoryContextSwitchTo(pages[page]);
		values[0] = Int64GetDatum(id);
		values[1] = CStringGetTextDatum(row.scope);
		values[2] = CStringGetTextDatum(row.step_id);
		values[3] = Int32GetDatum(row.visit);
		values[4] = Int32GetDatum(row.attempt);
		values[5] = Int32GetDatum(PAGE_ROWS);
		nrows = state_query(&read_page, values, NULL, true, 0);
		hand_over(nrows, function, context, &row);
		state_done();
		if (nrows < PAGE_ROWS)
			break;
	}

	nrows = state_query(&read_running, values, NULL, true, 0);
	hand_over(nrows, function, context, &row);
	state_done();

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(pages[0]);
	MemoryContextDelete(pages[1]);
	AtEOXact_GUC(true, guc_level);
}

TraceAverage *
trace_averages(int definition_id, Oid reader, int *count, int64 *executions)
{
	TraceAverage *averages;
	Datum		values[2];
	uint64		nrows;

	values[0] = Int32GetDatum(definition_id);
	values[1] = ObjectIdGetDatum(reader);
	nrows = state_query(&read_averages, values, NULL, true, 0);
	averages = palloc(sizeof(TraceAverage) * Max(nrows, 1));
	*executions = nrows > 0 ? state_column_int64(0, 6) : 0;
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		averages[i].step_id = state_column_text(i, 1);
		averages[i].attempts = state_column_int64(i, 2);
		averages[i].failures = state_column_int64(i, 3);
		averages[i].mean_ms = DatumGetFloat8(state_column(i, 4, &isnull));
		averages[i].longest_ms = DatumGetFloat8(state_column(i, 5, &isnull));
	}
	state_done();
	*count = (int) nrows;
	return averages;
}

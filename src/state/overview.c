/*-------------------------------------------------------------------------
 *
 * overview.c
 *	  Lists of what goes on in the database, as workflow.report() shows them.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction and under its snapshot;
 *	  reads only.  The statements, but for why(), run as the extension's owner
 *	  and are given the role that asks; each decides by that what to show, as
 *	  the views do.  All are bounded: what has no index of its own is looked for
 *	  among the newest executions only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "state/overview.h"
#include "state/private.h"

/* May the role see the execution e, and what its errors say? */
#define SEES_ALL "pg_catalog.pg_has_role($1, 'pg_monitor'::pg_catalog.name, 'USAGE')"
#define OWN "pg_catalog.pg_has_role($1, e.role::pg_catalog.oid, 'USAGE')"
#define VISIBLE "(" OWN " OR " SEES_ALL " OR " SEES_WORKFLOW(1, "e.workflow") ")"
/* What is no execution: an executor's entry in the history, a schedule. */
#define VISIBLE_THING "(" OWN " OR " SEES_ALL ")"

#define MILLISECONDS(start, end) \
	"(1000::pg_catalog.float8 OPERATOR(pg_catalog.*) pg_catalog.date_part('epoch', " \
	end " OPERATOR(pg_catalog.-) " start "))"
#define NOW "pg_catalog.clock_timestamp()"
/*
 * It could be run: what has waited, or was deferred, has a start_at that has
 * come.
 */
#define IS_QUEUED(e) \
	e ".status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text" \
	" AND (" e ".start_at IS NULL OR " e ".start_at OPERATOR(pg_catalog.<=) " NOW ")"
#define SECOND(time) "pg_catalog.date_trunc('second', " time ")"

#define NEWEST_EXECUTIONS \
	"(SELECT * FROM workflow.executions ORDER BY id USING OPERATOR(pg_catalog.>) LIMIT 10000)"
#define HERE \
	"(SELECT d.oid FROM pg_catalog.pg_database AS d" \
	" WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())"
#define ENDS_OF_LATE(status) \
	"(SELECT pg_catalog.count(*) FROM late WHERE late.status OPERATOR(pg_catalog.=) '" status "'::pg_catalog.text)"

static const Oid reader_types[] = {OIDOID};
static const Oid execution_types[] = {OIDOID, INT8OID};

static StateStatement statements[NUM_OVERVIEWS] = {
	[OVERVIEW_COUNTS] = {
		"WITH late AS MATERIALIZED (SELECT e.status FROM " NEWEST_EXECUTIONS " AS e"
		" WHERE e.completed_at OPERATOR(pg_catalog.>) (" NOW " OPERATOR(pg_catalog.-) '24:00:00'::pg_catalog.interval)"
		" AND " VISIBLE "),"
		" slots AS MATERIALIZED (SELECT s.state FROM workflow.executor_slots() AS s"
		" WHERE s.database OPERATOR(pg_catalog.=) " HERE ")"
		" SELECT (SELECT pg_catalog.count(*) FROM slots) AS \"executors\","
		" (SELECT pg_catalog.count(*) FROM slots WHERE slots.state OPERATOR(pg_catalog.<>) 'idle'::pg_catalog.text) AS \"of them busy\","
		" (SELECT pg_catalog.count(*) FROM (SELECT FROM workflow.executions AS e"
		" WHERE e.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[]) AND " VISIBLE " LIMIT 10000) AS r) AS \"running\","
		" (SELECT pg_catalog.count(*) FROM (SELECT FROM workflow.executions AS e"
		" WHERE " IS_QUEUED("e") " AND " VISIBLE " LIMIT 10000) AS p) AS \"queued\","
		" (SELECT pg_catalog.count(*) FROM (SELECT FROM workflow.executions AS e"
		" WHERE e.status OPERATOR(pg_catalog.=) 'waiting'::pg_catalog.text"
		" AND " VISIBLE " LIMIT 10000) AS w) AS \"waiting\","
		" (SELECT pg_catalog.count(*) FROM " NEWEST_EXECUTIONS " AS e"
		" WHERE e.status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text AND " VISIBLE ") AS \"paused\","
		ENDS_OF_LATE("completed") " AS \"completed in 24 h\","
		ENDS_OF_LATE("failed") " AS \"failed in 24 h\","
		ENDS_OF_LATE("timed_out") " AS \"timed out in 24 h\"",
		1, reader_types, NULL
	},
	[OVERVIEW_EXECUTORS] = {
		"SELECT e.pid, e.state, pg_catalog.pg_get_userbyid(e.role) AS role,"
		MILLISECONDS("e.attached_at", NOW) " AS \"up\","
		" e.runs_done AS runs, e.steps_done AS steps,"
		" pg_catalog.pg_size_pretty(e.memory_bytes) AS memory,"
		" CASE WHEN " VISIBLE " THEN e.execution_id END AS execution,"
		" CASE WHEN " VISIBLE " THEN pg_catalog.concat_ws(' / ', CASE WHEN e.scope OPERATOR(pg_catalog.<>) '' THEN e.scope END, e.step_id) END AS step,"
		" CASE WHEN " VISIBLE " THEN " MILLISECONDS("e.step_started_at", NOW) " END AS \"for\""
		" FROM workflow.executor_slots() AS e WHERE e.database OPERATOR(pg_catalog.=) " HERE
		" ORDER BY e.step_started_at USING OPERATOR(pg_catalog.<), e.pid USING OPERATOR(pg_catalog.<) LIMIT 50",
		1, reader_types, NULL
	},
	[OVERVIEW_QUEUE] = {
		"SELECT e.workflow, e.tenant, e.priority, pg_catalog.count(*) AS queued,"
		" pg_catalog.max(" MILLISECONDS("GREATEST(e.created_at, e.start_at)", NOW) ") AS \"oldest\""
		" FROM (SELECT * FROM workflow.executions AS p WHERE " IS_QUEUED("p")
		" ORDER BY p.priority USING OPERATOR(pg_catalog.>), p.id USING OPERATOR(pg_catalog.<) LIMIT 10000) AS e"
		" WHERE " VISIBLE " GROUP BY e.workflow, e.tenant, e.priority"
		" ORDER BY pg_catalog.count(*) USING OPERATOR(pg_catalog.>), e.workflow USING OPERATOR(pg_catalog.<) LIMIT 50",
		1, reader_types, NULL
	},
	[OVERVIEW_RUNNING] = {
		"SELECT e.id AS execution, e.workflow, e.status, workflow.role_name(e.role) AS role,"
		" " MILLISECONDS("e.started_at", NOW) " AS \"for\","
		" (p.progress OPERATOR(pg_catalog.->>) 'done')::pg_catalog.int8 AS \"steps done\","
		" (p.progress OPERATOR(pg_catalog.->>) 'percent')::pg_catalog.int4 AS \"percent\""
		" FROM (SELECT * FROM workflow.executions AS e WHERE e.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[]) AND " VISIBLE
		" ORDER BY e.id USING OPERATOR(pg_catalog.>) LIMIT 20) AS e,"
		" LATERAL (SELECT workflow.progress(e.id) AS progress OFFSET 0) AS p"
		" ORDER BY e.id USING OPERATOR(pg_catalog.>)",
		1, reader_types, NULL
	},
	[OVERVIEW_FAILURES] = {
		"SELECT e.id AS execution, e.workflow, e.status, " SECOND("e.completed_at") " AS \"ended\","
		" e.error_type AS error, CASE WHEN " OWN " THEN pg_catalog.concat_ws(': ',"
		" e.error OPERATOR(pg_catalog.->>) 'step_id', pg_catalog.left(e.error OPERATOR(pg_catalog.->>) 'message', 300)) END AS message"
		" FROM " NEWEST_EXECUTIONS " AS e WHERE e.status OPERATOR(pg_catalog.=) ANY ('{failed,timed_out}'::pg_catalog.text[]) AND " VISIBLE
		" ORDER BY e.completed_at USING OPERATOR(pg_catalog.>) LIMIT 20",
		1, reader_types, NULL
	},
	[OVERVIEW_STUCK] = {
		"SELECT e.pid, e.workflow, e.execution_id AS execution, e.step_id AS step, " SECOND("e.stuck_at") " AS \"stuck at\","
		" CASE WHEN e.ended_at IS NULL THEN 'still there' ELSE 'gone' END AS \"process\""
		" FROM workflow.executor_history AS e WHERE e.stuck_at IS NOT NULL AND " VISIBLE_THING
		" ORDER BY e.id USING OPERATOR(pg_catalog.>) LIMIT 20",
		1, reader_types, NULL
	},
	[OVERVIEW_BLOCKED] = {
		"SELECT b.workflow, workflow.role_name(b.role) AS \"only for\", b.kind, b.reason, workflow.role_name(b.blocked_by) AS \"by\","
		" " SECOND("b.blocked_at") " AS since"
		" FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL"
		" AND (b.role IS NULL OR pg_catalog.pg_has_role($1, b.role::pg_catalog.oid, 'USAGE') OR " SEES_ALL ")"
		" ORDER BY b.blocked_at USING OPERATOR(pg_catalog.>) LIMIT 50",
		1, reader_types, NULL
	},
	[OVERVIEW_PAUSED] = {
		"SELECT e.id AS execution, e.workflow, workflow.role_name(e.paused_by) AS \"by\","
		" CASE WHEN " OWN " THEN pg_catalog.left(e.pause_reason, 300) END AS reason,"
		" " SECOND("e.paused_at") " AS since, " SECOND("e.paused_until") " AS \"fails at\""
		" FROM " NEWEST_EXECUTIONS " AS e WHERE e.status OPERATOR(pg_catalog.=) 'paused'::pg_catalog.text AND " VISIBLE
		" ORDER BY e.paused_at USING OPERATOR(pg_catalog.<) LIMIT 20",
		1, reader_types, NULL
	},
	[OVERVIEW_WAITING] = {
		"SELECT w.execution_id AS execution, e.workflow, w.step_id AS step, w.kind AS \"for\","
		" " SECOND("w.since") " AS since, " SECOND("w.until") " AS until"
		" FROM (SELECT * FROM workflow.waits AS w"
		"  ORDER BY w.until USING OPERATOR(pg_catalog.<) LIMIT 10000) AS w"
		" JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) w.execution_id"
		" WHERE e.status OPERATOR(pg_catalog.=) ANY ('{waiting,running}'::pg_catalog.text[])"
		" AND " VISIBLE
		" ORDER BY w.until USING OPERATOR(pg_catalog.<) LIMIT 20",
		1, reader_types, NULL
	},
	[OVERVIEW_LETTERS] = {
		"SELECT e.id AS letter, e.workflow, e.execution_id AS execution, e.failure_count AS failures,"
		" " SECOND("e.last_failed_at") " AS \"failed last\", e.error_type AS error,"
		" CASE WHEN " OWN " THEN pg_catalog.concat_ws(': ', e.step_id,"
		" pg_catalog.left(e.error OPERATOR(pg_catalog.->>) 'message', 300)) END AS message"
		" FROM workflow.dead_letters AS e WHERE e.status OPERATOR(pg_catalog.=) 'pending'::pg_catalog.text AND " VISIBLE
		" ORDER BY e.last_failed_at USING OPERATOR(pg_catalog.>) LIMIT 20",
		1, reader_types, NULL
	},
	[OVERVIEW_SCHEDULES] = {
		"SELECT e.name AS schedule, e.workflow, e.cron, e.timezone AS \"time zone\","
		" CASE WHEN NOT e.enabled THEN 'paused' WHEN e.job_schedule IS NULL THEN 'no job'"
		" WHEN e.next_run_at IS NULL THEN 'over' ELSE 'active' END AS state,"
		" " SECOND("e.next_run_at") " AS next, " SECOND("e.last_run_at") " AS last, e.last_outcome AS outcome"
		" FROM workflow.schedules AS e WHERE " VISIBLE_THING
		" ORDER BY e.next_run_at USING OPERATOR(pg_catalog.<), e.name USING OPERATOR(pg_catalog.<) LIMIT 50",
		1, reader_types, NULL
	},
	[OVERVIEW_BREAKERS] = {
		"SELECT e.agent, pg_catalog.pg_get_userbyid(e.role::pg_catalog.oid) AS role, e.state, e.error_type AS error, " SECOND("e.opened_at") " AS \"opened\","
		" " SECOND("e.half_open_at") " AS \"tried again\", e.times_opened AS \"times opened\""
		" FROM workflow.breaker_status AS e WHERE e.state OPERATOR(pg_catalog.=) ANY ('{open,half_open}'::pg_catalog.text[])"
		" AND (" VISIBLE_THING " OR EXISTS (SELECT FROM workflow.agents AS a WHERE a.name OPERATOR(pg_catalog.=) e.agent"
		"  AND pg_catalog.pg_has_role($1, a.owner::pg_catalog.oid, 'USAGE')))"
		" ORDER BY e.opened_at USING OPERATOR(pg_catalog.>) LIMIT 50",
		1, reader_types, NULL
	},
	[OVERVIEW_EXECUTION] = {
		"SELECT e.workflow, e.version::pg_catalog.text AS version, e.status, e.tenant, workflow.role_name(e.role) AS role,"
		" e.priority::pg_catalog.text AS priority, e.schedule_id::pg_catalog.text AS schedule,"
		" " SECOND("e.created_at") " AS queued, " SECOND("e.started_at") " AS started,"
		" " SECOND("e.completed_at") " AS ended, CASE WHEN e.recoveries OPERATOR(pg_catalog.>) 0 THEN e.recoveries::pg_catalog.text END AS recoveries, CASE WHEN e.retries OPERATOR(pg_catalog.>) 0 THEN e.retries::pg_catalog.text END AS retries,"
		" (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(': ', pg_catalog.concat_ws(' ', m.key, m.value OPERATOR(pg_catalog.->>) 'mark', 'by', m.value OPERATOR(pg_catalog.->>) 'by', 'since',"
		"  " SECOND("(m.value OPERATOR(pg_catalog.->>) 'at')::pg_catalog.timestamptz") "), CASE WHEN " OWN " THEN m.value OPERATOR(pg_catalog.->>) 'reason' END), '; '"
		"  ORDER BY m.key USING OPERATOR(pg_catalog.<)) FROM pg_catalog.jsonb_each(e.step_marks) AS m) AS \"marked steps\", e.error_type AS error, o.error OPERATOR(pg_catalog.->>) 'step_id' AS \"at step\","
		" o.error OPERATOR(pg_catalog.->>) 'message' AS message, o.error OPERATOR(pg_catalog.->>) 'detail' AS detail,"
		" o.error OPERATOR(pg_catalog.->>) 'hint' AS hint, o.error OPERATOR(pg_catalog.->>) 'context' AS context,"
		" pg_catalog.left(o.input::pg_catalog.text, 2000) AS input, pg_catalog.left(o.output::pg_catalog.text, 2000) AS output"
		" FROM workflow.executions AS e LEFT JOIN workflow.executions AS o ON o.id OPERATOR(pg_catalog.=) e.id AND " OWN
		" WHERE e.id OPERATOR(pg_catalog.=) $2 AND " VISIBLE,
		2, execution_types, NULL
	},
	[OVERVIEW_WHY] = {
		"SELECT w.reason, w.step_id AS step, " SECOND("w.since") " AS since, w.detail, w.help"
		" FROM workflow.why($2) AS w WHERE $1 IS NOT NULL",
		2, execution_types, NULL
	}
};

/* What runs comes before what has ended, what has ended before what waits. */
static StateStatement newest_statement = {
	"SELECT e.id FROM " NEWEST_EXECUTIONS " AS e WHERE " VISIBLE
	" ORDER BY (e.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])) USING OPERATOR(pg_catalog.>),"
	" COALESCE(e.started_at, '-infinity'::pg_catalog.timestamptz) USING OPERATOR(pg_catalog.>),"
	" e.id USING OPERATOR(pg_catalog.>) LIMIT 1",
	1, reader_types, NULL
};

/*
 * why() tells what its caller may know, also of the server's other sessions: it
 * is asked as who called us.  The caller of this ends with SPI_finish().
 */
static uint64
query_as_reader(const StateStatement *statement, Datum *values)
{
	MemoryContext caller = CurrentMemoryContext;
	int			result;

	SPI_connect();
	result = SPI_execute_with_args(statement->sql, statement->nargs,
								   unconstify(Oid *, statement->argtypes),
								   values, NULL, true, OVERVIEW_MAX_ROWS);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not ask why: %s", SPI_result_code_string(result));
	MemoryContextSwitchTo(caller);
	return SPI_processed;
}

Overview *
overview_read(OverviewSubject subject, Oid reader, int64 execution_id)
{
	Overview   *overview = palloc(sizeof(Overview));
	Datum		values[2] = {ObjectIdGetDatum(reader),
							 Int64GetDatum(execution_id)};
	TupleDesc	columns;

	overview->nrows = (int) (subject == OVERVIEW_WHY ?
								 query_as_reader(&statements[subject], values) :
								 state_query(&statements[subject], values, NULL,
											 true, OVERVIEW_MAX_ROWS));
	columns = SPI_tuptable->tupdesc;
	overview->ncolumns = columns->natts;
	overview->captions = palloc(sizeof(char *) * columns->natts);
	overview->types = palloc(sizeof(Oid) * columns->natts);
	for (int i = 0; i < columns->natts; i++)
	{
		overview->captions[i] = pstrdup(
			NameStr(TupleDescAttr(columns, i)->attname));
		overview->types[i] = TupleDescAttr(columns, i)->atttypid;
	}
	overview->cells = palloc(sizeof(char **) * Max(overview->nrows, 1));
	for (int row = 0; row < overview->nrows; row++)
	{
		overview->cells[row] = palloc(sizeof(char *) * columns->natts);
		for (int i = 0; i < columns->natts; i++)
			overview->cells[row][i] = SPI_getvalue(SPI_tuptable->vals[row],
												   columns, i + 1);
	}
	if (subject == OVERVIEW_WHY)
		SPI_finish();
	else
		state_done();
	return overview;
}

int64
overview_newest_execution(Oid reader)
{
	Datum		value = ObjectIdGetDatum(reader);
	int64		id = 0;

	if (state_query(&newest_statement, &value, NULL, true, 1) > 0)
		id = state_column_int64(0, 1);
	state_done();
	return id;
}

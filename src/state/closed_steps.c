/*-------------------------------------------------------------------------
 *
 * closed_steps.c
 *	  Containers, and steps that wait, that end because of what is around them,
 *	  and threads in them that wait.
 *
 * NOTES
 *	  The scheduler, which ends executions that nobody drives, and executors,
 *	  for containers of other threads than their own; inside a transaction.  No
 *	  thread writes these ends, so they are logged and announced here, as
 *	  interpreter/journal.c does it for the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "shared/fault.h"
#include "shared/settings.h"
#include "state/announce.h"
#include "state/event_log.h"
#include "state/private.h"
#include "state/steps.h"
#include "state/waits.h"

#define CLOSE_STEPS(status) \
	"UPDATE workflow.step_executions AS s" \
	" SET status = " status ", completed_at = pg_catalog.clock_timestamp()," \
	" retry_at = NULL"

#define OPEN_STEPS_OF_EXECUTION \
	" WHERE s.execution_id OPERATOR(pg_catalog.=) $1" \
	" AND s.completed_at IS NULL"

/*
 * What tell_closed() and announce_closed() read; the last column is null where
 * nobody is to know.
 */
#define CLOSED_STEPS \
	" RETURNING s.execution_id, s.visit, s.attempt, s.scope, s.step_id, s.step_type, s.status," \
	" s.loop_label, s.started_at, s.completed_at," \
	" (SELECT e.workflow FROM workflow.executions AS e" \
	"  WHERE e.id OPERATOR(pg_catalog.=) s.execution_id)," \
	" (SELECT true FROM workflow.executions AS e" \
	" JOIN workflow.definitions AS d ON d.id OPERATOR(pg_catalog.=) e.definition_id" \
	" WHERE e.id OPERATOR(pg_catalog.=) s.execution_id AND " DEFINITION_NOTIFIES ")"

static const Oid close_open_types[] = {INT8OID, TEXTOID};
static StateStatement close_open_statement = {
	CLOSE_STEPS("$2") OPEN_STEPS_OF_EXECUTION CLOSED_STEPS,
	lengthof(close_open_types), close_open_types, NULL
};

static const Oid close_between_types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
static StateStatement close_between_statement = {
	CLOSE_STEPS("$4") OPEN_STEPS_OF_EXECUTION
	" AND s.scope OPERATOR(pg_catalog.>=) $2 AND s.scope OPERATOR(pg_catalog.<) $3" CLOSED_STEPS,
	lengthof(close_between_types), close_between_types, NULL
};

static const Oid close_others_types[] = {INT8OID, TEXTARRAYOID};
static StateStatement close_others_statement = {
	CLOSE_STEPS("'cancelled'") OPEN_STEPS_OF_EXECUTION
	" AND s.step_id OPERATOR(pg_catalog.<>) ALL ($2)" CLOSED_STEPS,
	lengthof(close_others_types), close_others_types, NULL
};

static StateStatement close_abandoned_statement = {
	CLOSE_STEPS("'cancelled'")
	" FROM (SELECT o.execution_id, o.scope, o.step_id, o.visit, o.attempt"
	"  FROM workflow.step_executions AS o"
	"  JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) o.execution_id"
	"  WHERE o.completed_at IS NULL"
	"  AND e.status OPERATOR(pg_catalog.=)"
	"   ANY ('{completed,failed,cancelled,timed_out}'::pg_catalog.text[])"
	"  FOR NO KEY UPDATE OF o SKIP LOCKED) AS x"
	" WHERE s.execution_id OPERATOR(pg_catalog.=) x.execution_id"
	" AND s.scope OPERATOR(pg_catalog.=) x.scope"
	" AND s.step_id OPERATOR(pg_catalog.=) x.step_id AND s.visit OPERATOR(pg_catalog.=) x.visit"
	" AND s.attempt OPERATOR(pg_catalog.=) x.attempt" CLOSED_STEPS,
	0, NULL, NULL
};

/* A row that was closed, for the server's log. */
static void
tell_closed(uint64 number)
{
	StepRow		row = {0};

	row.execution_id = state_column_int64(number, 1);
	row.visit = state_column_int32(number, 2);
	row.attempt = state_column_int32(number, 3);
	row.scope = state_column_text(number, 4);
	row.step_id = state_column_text(number, 5);
	if (!step_type_named(state_column_text(number, 6), &row.type))
		return;					/* of a type that this version does not have */
	row.status = step_status_from_name(state_column_text(number, 7));
	row.loop_label = state_column_text(number, 8);
	row.started_at = state_column_time(number, 9);
	row.completed_at = state_column_time(number, 10);
	log_step(&row, state_column_text(number, 11));
}

/* It has ended for those who listen. */
static void
announce_closed(uint64 number)
{
	bool		isnull;

	(void) state_column(number, 12, &isnull);
	if (!isnull)
		announce_step(state_column_int64(number, 1),
					  state_column_text(number, 11),
					  state_column_text(number, 5),
					  state_column_text(number, 4),
					  state_column_text(number, 7), NULL);
}

static uint64
close_steps(StateStatement *statement, Datum *values, int64 **executions)
{
	uint64		nclosed = state_query(statement, values, NULL, false, 0);

	for (uint64 i = 0; i < nclosed && setting_log_events != LOG_EVENTS_OFF; i++)
		tell_closed(i);
	for (uint64 i = 0; i < nclosed; i++)
		announce_closed(i);
	if (executions != NULL)
	{
		*executions = palloc(Max(nclosed, 1) * sizeof(int64));
		for (uint64 i = 0; i < nclosed; i++)
			(*executions)[i] = state_column_int64(i, 1);
	}
	state_done();
	if (nclosed > 0)
		fault_point("step.closed");
	return nclosed;
}

void
step_close_open_between(int64 execution_id, const char *from, const char *to,
						StepStatus status)
{
	Datum		values[] = {Int64GetDatum(execution_id),
							CStringGetTextDatum(from),
							CStringGetTextDatum(to),
							CStringGetTextDatum(step_status_name(status))};

	close_steps(&close_between_statement, values, NULL);
	threads_wait_no_more(execution_id, from, to);
}

void
step_close_open(int64 execution_id, StepStatus status)
{
	Datum		values[] = {Int64GetDatum(execution_id),
							CStringGetTextDatum(step_status_name(status))};

	close_steps(&close_open_statement, values, NULL);
	executions_wait_no_more(&execution_id, 1);
}

void
step_close_others(int64 execution_id, Datum kept)
{
	Datum		values[] = {Int64GetDatum(execution_id), kept};

	close_steps(&close_others_statement, values, NULL);
	executions_wait_no_more(&execution_id, 1);
}

void
step_close_abandoned(void)
{
	int64	   *executions;
	uint64		nclosed = close_steps(&close_abandoned_statement, NULL, &executions);

	/* children wait in containers that are open */
	if (nclosed > 0)
		executions_wait_no_more(executions, (int) nclosed);
}

/*-------------------------------------------------------------------------
 *
 * statistics.c
 *	  The tables workflow.statistics_days and statistics_state: statistics that
 *	  outlive the executions.
 *
 * NOTES
 *	  Written by sessions that roll up or prune.  What is added is worked out by
 *	  workflow.statistics_between(), from rows that nobody locks.  The one row
 *	  of statistics_state is the lock of those who add: the time in it moves in
 *	  the transaction that adds what ended before it, so each end is added once.
 *
 *	  When the clock has been put back, what ended since has times that were
 *	  passed before.  Then all days of which every end is still there are made
 *	  again from the rows, up to now; what has a time that is still to come is
 *	  added when it has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "state/private.h"
#include "state/state.h"
#include "state/statistics.h"

static StateStatement create_statement = {
	"INSERT INTO workflow.statistics_state (rolled_up_until) VALUES ('-infinity') ON CONFLICT (singleton) DO NOTHING",
	0, NULL, NULL
};

static StateStatement lock_statement = {
	"SELECT rolled_up_until FROM workflow.statistics_state FOR UPDATE SKIP LOCKED",
	0, NULL, NULL
};

static StateStatement read_statement = {
	"SELECT rolled_up_until FROM workflow.statistics_state",
	0, NULL, NULL
};

static const Oid move_types[] = {TIMESTAMPTZOID};
static StateStatement move_statement = {
	"UPDATE workflow.statistics_state SET rolled_up_until = $1, rolled_up_at = pg_catalog.clock_timestamp()",
	lengthof(move_types), move_types, NULL
};

/* What prune() is going to delete cannot be read again. */
static StateStatement pruned_statement = {
	"UPDATE workflow.statistics_state SET pruned_until = $1"
	" WHERE pruned_until IS NULL OR pruned_until OPERATOR(pg_catalog.<) $1",
	lengthof(move_types), move_types, NULL
};

static StateStatement pruned_until_statement = {
	"SELECT COALESCE(pruned_until, '-infinity'::pg_catalog.timestamptz) FROM workflow.statistics_state",
	0, NULL, NULL
};

/* The first day of which everything is there still. */
static StateStatement whole_statement = {
	"SELECT (pg_catalog.date_trunc('day'::pg_catalog.text, COALESCE(pruned_until, '-infinity'::pg_catalog.timestamptz)"
	" AT TIME ZONE 'UTC') OPERATOR(pg_catalog.+) '1 day'::pg_catalog.interval) AT TIME ZONE 'UTC'"
	" FROM workflow.statistics_state",
	0, NULL, NULL
};

static StateStatement forget_statement = {
	"DELETE FROM workflow.statistics_days"
	" WHERE day OPERATOR(pg_catalog.>=) ($1 AT TIME ZONE 'UTC')::pg_catalog.date",
	lengthof(move_types), move_types, NULL
};

static const Oid slice_types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID};
static StateStatement slice_statement = {
	"SELECT pg_catalog.count(*), pg_catalog.max(s.completed_at) FROM ("
	"SELECT e.completed_at FROM workflow.executions AS e"
	" WHERE e.completed_at OPERATOR(pg_catalog.>=) $1 AND e.completed_at OPERATOR(pg_catalog.<) $2"
	" AND e.status OPERATOR(pg_catalog.=) ANY ('{completed,failed,cancelled,timed_out}'::pg_catalog.text[])"
	" ORDER BY e.completed_at LIMIT $3) AS s",
	lengthof(slice_types), slice_types, NULL
};

#define SUM(column) #column " = d." #column " OPERATOR(pg_catalog.+) EXCLUDED." #column ","
#define SUM_OF_TIMES(column) \
	#column " = COALESCE(d." #column " OPERATOR(pg_catalog.+) EXCLUDED." #column ", d." #column ", EXCLUDED." #column "),"

static const Oid add_types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
static StateStatement add_statement = {
	"INSERT INTO workflow.statistics_days AS d"
	" SELECT * FROM workflow.statistics_between($1, $2)"
	" ON CONFLICT (day, kind, workflow, name, role) DO UPDATE SET "
	SUM(total) SUM(completed) SUM(failed) SUM(timed_out) SUM(cancelled) SUM(stuck) SUM(retries) SUM(trips)
	SUM_OF_TIMES(queue_time) SUM_OF_TIMES(run_time)
	" run_max = GREATEST(d.run_max, EXCLUDED.run_max),"
	" queue_times = workflow.add_histograms(d.queue_times, EXCLUDED.queue_times),"
	" run_times = workflow.add_histograms(d.run_times, EXCLUDED.run_times)",
	lengthof(add_types), add_types, NULL
};

static const Oid prune_types[] = {TIMESTAMPTZOID, INT4OID};
static StateStatement prune_statement = {
	"DELETE FROM workflow.statistics_days AS d USING (SELECT o.ctid FROM workflow.statistics_days AS o"
	" WHERE o.day OPERATOR(pg_catalog.<) ($1 AT TIME ZONE 'UTC')::pg_catalog.date"
	" ORDER BY o.day LIMIT $2 FOR UPDATE SKIP LOCKED) AS old"
	" WHERE d.ctid OPERATOR(pg_catalog.=) old.ctid",
	lengthof(prune_types), prune_types, NULL
};

static StateStatement prepared_statement = {
	"SELECT 1 FROM pg_catalog.pg_prepared_xacts AS p"
	" WHERE p.database OPERATOR(pg_catalog.=) pg_catalog.current_database()",
	0, NULL, NULL
};

/* Column 1 of the only row, if there is one. */
static bool
find_time(StateStatement *statement, bool read_only, TimestampTz *time)
{
	bool		found = state_query(statement, NULL, NULL, read_only, 1) > 0;
	bool		isnull;

	if (found)
		*time = DatumGetTimestampTz(state_column(0, 1, &isnull));
	state_done();
	return found;
}

bool
statistics_lock(TimestampTz *until)
{
	if (!find_time(&read_statement, false, until))
		state_execute(&create_statement, NULL, NULL);
	return find_time(&lock_statement, false, until);
}

TimestampTz
statistics_until(void)
{
	TimestampTz until;

	return find_time(&read_statement, false, &until) ? until : DT_NOBEGIN;
}

void
statistics_note_pruned(TimestampTz before)
{
	Datum		value = TimestampTzGetDatum(before);

	state_execute(&pruned_statement, &value, NULL);
}

TimestampTz
statistics_pruned_until(void)
{
	TimestampTz until;

	return find_time(&pruned_until_statement, false, &until) ? until :
															   DT_NOBEGIN;
}

TimestampTz
statistics_begin_again(TimestampTz now)
{
	TimestampTz from = DT_NOBEGIN;
	Datum		value;

	(void) find_time(&whole_statement, false, &from);
	value = TimestampTzGetDatum(Min(from, now));
	if (from < now)
		state_execute(&forget_statement, &value, NULL);
	state_execute(&move_statement, &value, NULL);
	return Min(from, now);
}

int64
statistics_add(TimestampTz since, TimestampTz until, int32 max,
			   TimestampTz *reached)
{
	Datum		slice_values[] = {TimestampTzGetDatum(since),
								  TimestampTzGetDatum(until),
								  Int64GetDatum(max)};
	Datum		values[2];
	int64		count;

	state_query(&slice_statement, slice_values, NULL, false, 1);
	count = state_column_int64(0, 1);
	*reached = until;
	/* together with others that ended in the same microsecond */
	if (count >= max)
		*reached = Min(until, state_column_time(0, 2) + 1);
	state_done();

	values[0] = TimestampTzGetDatum(since);
	values[1] = TimestampTzGetDatum(*reached);
	state_execute(&add_statement, values, NULL);
	state_execute(&move_statement, &values[1], NULL);
	fault_point("statistics.added");
	return count;
}

int64
statistics_prune(TimestampTz before, int32 max)
{
	Datum		values[] = {TimestampTzGetDatum(before), Int32GetDatum(max)};

	return (int64) state_execute(&prune_statement, values, NULL);
}

bool
prepared_transactions_exist(void)
{
	bool		result = state_query(&prepared_statement, NULL, NULL, true, 1) > 0;

	state_done();
	return result;
}

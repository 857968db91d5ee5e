/*-------------------------------------------------------------------------
 *
 * dead_letters.c
 *	  The table workflow.dead_letters: executions that failed for good.
 *
 * NOTES
 *	  Written in the transaction that ends the execution, in executors, in the
 *	  scheduler and in sessions.  Locks: the execution's row comes first, then
 *	  its dead letter's.  An end waits for no session: nobody keeps the lock of
 *	  a dead letter while an execution that replays it can run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "state/dead_letters.h"
#include "state/private.h"

static const char *const status_names[] = {
	[LETTER_PENDING] = "pending",
	[LETTER_REPLAYING] = "replaying",
	[LETTER_REPLAYED] = "replayed",
	[LETTER_DISCARDED] = "discarded"
};

/*
 * The last failed attempts of execution e, those that meet a condition, as an
 * array.  A message may be as long as somebody wanted it.
 */
#define FAILED_ATTEMPTS(condition) \
	"COALESCE((SELECT pg_catalog.jsonb_agg(a.attempt ORDER BY a.completed_at) FROM (" \
	"SELECT pg_catalog.jsonb_build_object('execution_id', s.execution_id, 'scope', s.scope," \
	" 'step_id', s.step_id, 'step_type', s.step_type, 'visit', s.visit, 'attempt', s.attempt," \
	" 'status', s.status, 'error_type', s.error_type," \
	" 'sqlstate', s.error OPERATOR(pg_catalog.->>) 'sqlstate'::pg_catalog.text," \
	" 'message', pg_catalog.left(s.error OPERATOR(pg_catalog.->>) 'message'::pg_catalog.text, 1000)," \
	" 'started_at', s.started_at, 'completed_at', s.completed_at) AS attempt, s.completed_at" \
	" FROM workflow.step_executions AS s WHERE s.execution_id OPERATOR(pg_catalog.=) e.id" \
	" AND s.status OPERATOR(pg_catalog.=) ANY ('{failed,timed_out}'::pg_catalog.text[])" condition \
	" ORDER BY s.completed_at DESC LIMIT 100) AS a), '[]'::pg_catalog.jsonb)"

#define FAILED_STEP "e.error OPERATOR(pg_catalog.->>) 'step_id'::pg_catalog.text"

/* Until when definition d lets prune() keep what failed. */
#define KEEP_UNTIL \
	"e.completed_at OPERATOR(pg_catalog.+) pg_catalog.make_interval(days =>" \
	" (d.definition OPERATOR(pg_catalog.#>>) '{dead_letter,retention_days}'::pg_catalog.text[])::pg_catalog.int4)"

static const Oid id_types[] = {INT8OID};
static StateStatement enter_statement = {
	"WITH letter AS (INSERT INTO workflow.dead_letters (execution_id, workflow, version, role, tenant, priority,"
	" execution_status, step_id, error_type, first_failed_at, last_failed_at, keep_until, input, error, retry_history)"
	" SELECT e.id, e.workflow, e.version, e.role, e.tenant, e.priority, e.status, " FAILED_STEP ", e.error_type,"
	" e.completed_at, e.completed_at, " KEEP_UNTIL ", e.input, e.error, " FAILED_ATTEMPTS("")
	" FROM workflow.executions AS e JOIN workflow.definitions AS d ON d.id OPERATOR(pg_catalog.=) e.definition_id"
	" WHERE e.id OPERATOR(pg_catalog.=) $1"
	" AND (d.definition OPERATOR(pg_catalog.@>) '{\"dead_letter\": true}'::pg_catalog.jsonb OR pg_catalog.jsonb_typeof("
	"d.definition OPERATOR(pg_catalog.->) 'dead_letter'::pg_catalog.text) OPERATOR(pg_catalog.=) 'object'::pg_catalog.text)"
	" RETURNING id, execution_id)"
	" UPDATE workflow.executions AS e SET dead_letter_id = letter.id FROM letter"
	" WHERE e.id OPERATOR(pg_catalog.=) letter.execution_id",
	lengthof(id_types), id_types, NULL
};

/*
 * A replay that fails while another one is under way leaves the status to that
 * one.
 */
static const Oid two_types[] = {INT8OID, INT8OID};
static StateStatement failed_again_statement = {
	"UPDATE workflow.dead_letters AS l SET status = CASE WHEN"
	" l.status OPERATOR(pg_catalog.=) 'replaying'::pg_catalog.text AND l.replay_execution_id OPERATOR(pg_catalog.<>) e.id"
	" THEN l.status ELSE 'pending'::pg_catalog.text END,"
	" settled_at = NULL, discarded_by = NULL, discard_reason = NULL, execution_status = e.status,"
	" failure_count = l.failure_count OPERATOR(pg_catalog.+) 1, last_failed_at = e.completed_at,"
	" step_id = " FAILED_STEP ", error_type = e.error_type, error = e.error, keep_until = " KEEP_UNTIL ","
	" retry_history = (SELECT COALESCE(pg_catalog.jsonb_agg(h.attempt ORDER BY h.n), '[]'::pg_catalog.jsonb) FROM ("
	"SELECT x.attempt, x.n FROM pg_catalog.jsonb_array_elements(l.retry_history OPERATOR(pg_catalog.||) "
	FAILED_ATTEMPTS(" AND s.completed_at OPERATOR(pg_catalog.>) l.last_failed_at")
	") WITH ORDINALITY AS x(attempt, n) ORDER BY x.n DESC LIMIT 100) AS h)"
	" FROM workflow.executions AS e JOIN workflow.definitions AS d ON d.id OPERATOR(pg_catalog.=) e.definition_id"
	" WHERE e.id OPERATOR(pg_catalog.=) $2 AND l.id OPERATOR(pg_catalog.=) $1",
	lengthof(two_types), two_types, NULL
};

static StateStatement succeeded_statement = {
	"UPDATE workflow.dead_letters SET status = 'replayed', replay_execution_id = $2,"
	" settled_at = pg_catalog.clock_timestamp(), discarded_by = NULL, discard_reason = NULL"
	" WHERE id OPERATOR(pg_catalog.=) $1",
	lengthof(two_types), two_types, NULL
};

static StateStatement given_up_statement = {
	"UPDATE workflow.dead_letters SET status = 'pending'"
	" WHERE id OPERATOR(pg_catalog.=) $1 AND replay_execution_id OPERATOR(pg_catalog.=) $2"
	" AND status OPERATOR(pg_catalog.=) 'replaying'::pg_catalog.text",
	lengthof(two_types), two_types, NULL
};

#define SELECT_LETTER \
	"SELECT l.id, l.execution_id, l.workflow, l.version, l.role::pg_catalog.oid," \
	" (SELECT d.owner::pg_catalog.oid FROM workflow.definitions AS d" \
	" WHERE d.name OPERATOR(pg_catalog.=) l.workflow AND d.version OPERATOR(pg_catalog.=) l.version)," \
	" l.tenant, l.priority, l.status, l.replay_execution_id, l.erased_at IS NOT NULL, l.input" \
	" FROM workflow.dead_letters AS l WHERE l.id OPERATOR(pg_catalog.=) $1"

static StateStatement find_statement = {SELECT_LETTER, lengthof(id_types),
										id_types, NULL};
static StateStatement lock_statement = {
	SELECT_LETTER " FOR UPDATE OF l", lengthof(id_types), id_types, NULL
};

static StateStatement letter_id_statement = {
	"SELECT e.dead_letter_id FROM workflow.executions AS e WHERE e.id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

static const Oid by_types[] = {INT8OID, INT8OID, REGROLEOID};
static StateStatement replaying_statement = {
	"WITH replay AS (UPDATE workflow.executions SET dead_letter_id = $1 WHERE id OPERATOR(pg_catalog.=) $2)"
	" UPDATE workflow.dead_letters SET status = 'replaying', replay_execution_id = $2, replayed_by = $3,"
	" replayed_at = pg_catalog.clock_timestamp(), settled_at = NULL, discarded_by = NULL, discard_reason = NULL,"
	" replays = CASE WHEN $2 OPERATOR(pg_catalog.=) ANY (replays OPERATOR(pg_catalog.||) execution_id) THEN replays"
	" ELSE replays OPERATOR(pg_catalog.||) $2 END"
	" WHERE id OPERATOR(pg_catalog.=) $1",
	lengthof(by_types), by_types, NULL
};

static StateStatement letter_of_statement = {
	"SELECT l.id, l.status, l.replay_execution_id FROM workflow.dead_letters AS l"
	" WHERE l.id OPERATOR(pg_catalog.=) (SELECT e.dead_letter_id FROM workflow.executions AS e"
	" WHERE e.id OPERATOR(pg_catalog.=) $1) FOR UPDATE OF l",
	lengthof(id_types), id_types, NULL
};

static const Oid discard_types[] = {INT8OID, REGROLEOID, TEXTOID};
static StateStatement discard_statement = {
	"UPDATE workflow.dead_letters SET status = 'discarded', settled_at = pg_catalog.clock_timestamp(),"
	" discarded_by = $2, discard_reason = $3 WHERE id OPERATOR(pg_catalog.=) $1",
	lengthof(discard_types), discard_types, NULL
};

/* The two conditions have an index each. */
static const Oid prune_types[] = {TIMESTAMPTZOID, TEXTARRAYOID, INT4OID};
static StateStatement prune_statement = {
	"DELETE FROM workflow.dead_letters AS l USING ("
	"SELECT id FROM workflow.dead_letters"
	" WHERE execution_status OPERATOR(pg_catalog.=) ANY ($2)"
	" AND status OPERATOR(pg_catalog.<>) 'replaying'::pg_catalog.text"
	" AND (settled_at OPERATOR(pg_catalog.<) $1 OR keep_until OPERATOR(pg_catalog.<) pg_catalog.clock_timestamp())"
	" LIMIT $3 FOR UPDATE SKIP LOCKED) AS due WHERE l.id OPERATOR(pg_catalog.=) due.id",
	lengthof(prune_types), prune_types, NULL
};

const char *
dead_letter_status_name(DeadLetterStatus status)
{
	return status_names[status];
}

static DeadLetterStatus
status_from_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(status_names); i++)
		if (strcmp(status_names[i], name) == 0)
			return (DeadLetterStatus) i;
	elog(ERROR, "unknown status of a dead letter: \"%s\"", name);
}

void
dead_letters_after_end(int64 execution_id, ExecutionStatus status, int64 letter)
{
	Datum		values[2];

	values[0] = Int64GetDatum(letter);
	values[1] = Int64GetDatum(execution_id);

	switch (status)
	{
		case EXECUTION_COMPLETED:
			if (letter == 0)
				break;
			state_execute(&succeeded_statement, values, NULL);
			fault_point("dead_letter.replayed");
			break;
		case EXECUTION_CANCELLED:
			if (letter == 0)
				break;
			state_execute(&given_up_statement, values, NULL);
			fault_point("dead_letter.given_up");
			break;
		case EXECUTION_FAILED:
		case EXECUTION_TIMED_OUT:
			if (letter != 0 &&
				state_execute(&failed_again_statement, values, NULL) > 0)
				fault_point("dead_letter.failed_again");
			else if (state_execute(&enter_statement, &values[1], NULL) > 0)
				fault_point("dead_letter.entered");
			break;
		default:
			Assert(false);
	}
}

int64
execution_dead_letter(int64 execution_id)
{
	Datum		value = Int64GetDatum(execution_id);
	int64		letter = 0;
	bool		isnull = true;

	if (state_query(&letter_id_statement, &value, NULL, false, 1) > 0)
		letter = DatumGetInt64(state_column(0, 1, &isnull));
	state_done();
	return isnull ? 0 : letter;
}

bool
dead_letter_find(int64 id, bool lock, DeadLetter *letter)
{
	Datum		value = Int64GetDatum(id);
	bool		found;

	found = state_query(lock ? &lock_statement : &find_statement, &value, NULL,
						false, 1) > 0;
	if (found)
	{
		bool		isnull;

		letter->id = state_column_int64(0, 1);
		letter->execution_id = state_column_int64(0, 2);
		letter->workflow = state_column_text(0, 3);
		letter->version = state_column_int32(0, 4);
		letter->role = DatumGetObjectId(state_column(0, 5, &isnull));
		letter->definition_owner = DatumGetObjectId(
			state_column(0, 6, &isnull));
		if (isnull)
			letter->definition_owner = InvalidOid;
		letter->tenant = state_column_text(0, 7);
		letter->priority = state_column_int32(0, 8);
		letter->status = status_from_name(state_column_text(0, 9));
		letter->replay_execution_id = DatumGetInt64(
			state_column(0, 10, &isnull));
		if (isnull)
			letter->replay_execution_id = 0;
		letter->erased = DatumGetBool(state_column(0, 11, &isnull));
		letter->input = (Jsonb *) PG_DETOAST_DATUM_COPY(
			state_column(0, 12, &isnull));
	}
	state_done();
	return found;
}

void
dead_letter_replaying(int64 id, int64 execution_id, Oid by)
{
	Datum		values[3];

	values[0] = Int64GetDatum(id);
	values[1] = Int64GetDatum(execution_id);
	values[2] = ObjectIdGetDatum(by);
	state_execute(&replaying_statement, values, NULL);
	fault_point("dead_letter.replaying");
}

void
dead_letter_discard(int64 id, Oid by, const char *reason)
{
	Datum		values[3];

	values[0] = Int64GetDatum(id);
	values[1] = ObjectIdGetDatum(by);
	values[2] = reason ? CStringGetTextDatum(reason) : (Datum) 0;
	state_execute(&discard_statement, values, reason ? "   " : "  n");
	fault_point("dead_letter.discarded");
}

int64
dead_letter_retried(int64 execution_id, Oid by)
{
	Datum		value = Int64GetDatum(execution_id);
	int64		letter = 0;
	int64		replay = 0;

	if (state_query(&letter_of_statement, &value, NULL, false, 1) > 0)
	{
		bool		isnull;

		letter = state_column_int64(0, 1);
		if (status_from_name(state_column_text(0, 2)) == LETTER_REPLAYING)
			replay = DatumGetInt64(state_column(0, 3, &isnull));
	}
	state_done();
	if (replay != 0 && replay != execution_id)
		return replay;
	if (letter != 0)
		dead_letter_replaying(letter, execution_id, by);
	return 0;
}

int64
dead_letters_prune(TimestampTz before, Datum statuses, int32 max)
{
	Datum		values[3];

	values[0] = TimestampTzGetDatum(before);
	values[1] = statuses;
	values[2] = Int32GetDatum(max);
	return (int64) state_execute(&prune_statement, values, NULL);
}

/*-------------------------------------------------------------------------
 *
 * blocks.c
 *	  The table workflow.blocked_workflows, and executions that are blocked.
 *
 * NOTES
 *	  Runs in sessions, and in the scheduler.  Whether a workflow is blocked is
 *	  part of what definition_find() remembers, so each change announces itself
 *	  as a change of the definitions.
 *
 *	  Two that block a workflow at the same time wait for each other at the
 *	  unique index of the blocks in force.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "state/announce.h"
#include "state/blocks.h"
#include "state/private.h"

/* Executions that are made pending again in one transaction. */
#define UNBLOCK_BATCH "10000"

static const Oid name_types[] = {TEXTOID};
static const Oid find_types[] = {TEXTOID, OIDOID};
static StateStatement find_statement = {
	"SELECT b.kind OPERATOR(pg_catalog.=) 'automatic'::pg_catalog.text, b.reason, b.blocked_at, workflow.role_name(b.blocked_by)"
	" FROM workflow.blocked_workflows AS b"
	" WHERE b.workflow OPERATOR(pg_catalog.=) $1 AND b.unblocked_at IS NULL"
	" AND (b.role IS NULL OR b.role::pg_catalog.oid OPERATOR(pg_catalog.=) $2) ORDER BY b.id LIMIT 1",
	lengthof(find_types), find_types, NULL
};

#define NOTIFY_BLOCK(event) \
	" RETURNING (SELECT " NOTIFY("\"event\": \"" event "\", \"workflow\": %s, \"kind\": \"%s\"", \
								"pg_catalog.to_json(b.workflow), b.kind") \
	" WHERE " MAY_NOTIFY ")"

static const Oid insert_types[] = {TEXTOID, TEXTOID, REGROLEOID,
								   INT8OID, TEXTOID, REGROLEOID};
static StateStatement insert_statement = {
	"INSERT INTO workflow.blocked_workflows AS b (workflow, reason, blocked_by, stuck_count, kind, role)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (workflow, role) WHERE unblocked_at IS NULL DO NOTHING"
	NOTIFY_BLOCK("blocked"),
	lengthof(insert_types), insert_types, NULL
};

static const Oid lift_types[] = {TEXTOID, TEXTOID, REGROLEOID};
static StateStatement lift_statement = {
	"UPDATE workflow.blocked_workflows AS b SET unblocked_at = pg_catalog.clock_timestamp(), unblocked_by = $3, unblock_reason = $2"
	" WHERE b.workflow OPERATOR(pg_catalog.=) $1 AND b.unblocked_at IS NULL"
	NOTIFY_BLOCK("unblocked") ", b.kind",
	lengthof(lift_types), lift_types, NULL
};

static StateStatement last_lifted_statement = {
	"SELECT b.unblocked_at FROM workflow.blocked_workflows AS b"
	" WHERE b.workflow OPERATOR(pg_catalog.=) $1 AND b.unblocked_at IS NOT NULL"
	" ORDER BY b.unblocked_at DESC LIMIT 1",
	lengthof(name_types), name_types, NULL
};

#define UNBLOCKED_EXECUTIONS \
	"SELECT x.id FROM workflow.executions AS x" \
	" WHERE x.status OPERATOR(pg_catalog.=) 'blocked'::pg_catalog.text AND NOT EXISTS (" \
	"SELECT FROM workflow.blocked_workflows AS b" \
	" WHERE b.workflow OPERATOR(pg_catalog.=) x.workflow AND b.unblocked_at IS NULL" \
	" AND (b.role IS NULL OR b.role::pg_catalog.oid OPERATOR(pg_catalog.=) x.role::pg_catalog.oid))"

static StateStatement unblock_statement = {
	"UPDATE workflow.executions AS e SET status = 'pending',"
	" error = CASE WHEN e.ending IS NOT NULL THEN e.error END,"
	" error_type = CASE WHEN e.ending IS NOT NULL THEN e.error_type END"
	" FROM (" UNBLOCKED_EXECUTIONS " LIMIT " UNBLOCK_BATCH " FOR UPDATE OF x SKIP LOCKED) AS free"
	" WHERE e.id OPERATOR(pg_catalog.=) free.id"
	RETURNING_STATUS,
	0, NULL, NULL
};

static StateStatement unblock_left_statement = {
	UNBLOCKED_EXECUTIONS " LIMIT 1",
	0, NULL, NULL
};

bool
block_find(const char *workflow, Oid role, WorkflowBlock *block)
{
	Datum		values[] = {CStringGetTextDatum(workflow),
							ObjectIdGetDatum(role)};
	bool		found = state_query(&find_statement, values, NULL, false,
									1) > 0;
	bool		isnull;

	if (found)
	{
		block->automatic = DatumGetBool(state_column(0, 1, &isnull));
		block->reason = state_column_text(0, 2);
		block->blocked_at = DatumGetTimestampTz(state_column(0, 3, &isnull));
		block->blocked_by = state_column_text(0, 4);
	}
	state_done();
	return found;
}

/* An entry about a workflow in the audit log. */
static void
audit_workflow(const char *action, const char *workflow, const char *reason,
			   const char *before, const char *after)
{
	AuditEntry	entry = {.action = action,.subject_type = "workflow",
		.subject = workflow,.reason = reason};

	entry.before = audit_object("block", before);
	entry.after = audit_object("block", after);
	audit(&entry);
	state_definitions_changed();
}

bool
block_insert(const char *workflow, Oid role, const char *reason, Oid blocked_by,
			 int64 stuck_count)
{
	bool		automatic = !OidIsValid(blocked_by);
	Datum		values[6];
	char		nulls[7] = "      ";

	values[0] = CStringGetTextDatum(workflow);
	state_set_text(values, nulls, 1, reason);
	values[2] = ObjectIdGetDatum(blocked_by);
	values[3] = Int64GetDatum(stuck_count);
	values[4] = CStringGetTextDatum(automatic ? "automatic" : "manual");
	values[5] = ObjectIdGetDatum(role);
	nulls[5] = OidIsValid(role) ? ' ' : 'n';
	nulls[2] = automatic ? 'n' : ' ';
	nulls[3] = automatic ? ' ' : 'n';
	if (state_execute(&insert_statement, values, nulls) == 0)
		return false;
	audit_workflow("block", workflow, reason, "none",
				   automatic ? "automatic" : "manual");
	return true;
}

bool
block_lift(const char *workflow, const char *reason, Oid unblocked_by)
{
	const char *before = NULL;
	Datum		values[3];
	char		nulls[4] = "   ";
	uint64		nrows;

	values[0] = CStringGetTextDatum(workflow);
	state_set_text(values, nulls, 1, reason);
	values[2] = ObjectIdGetDatum(unblocked_by);
	nrows = state_query(&lift_statement, values, nulls, false, 0);
	for (uint64 i = 0; i < nrows; i++)
	{
		const char *kind = state_column_text(i, 2);

		if (before == NULL || strcmp(kind, "manual") == 0)
			before = kind;
	}
	state_done();
	if (before == NULL)
		return false;
	audit_workflow("unblock", workflow, reason, before, "none");
	return true;
}

TimestampTz
block_last_lifted(const char *workflow)
{
	Datum		value = CStringGetTextDatum(workflow);
	TimestampTz result = DT_NOBEGIN;
	bool		isnull;

	if (state_query(&last_lifted_statement, &value, NULL, false, 1) > 0)
		result = DatumGetTimestampTz(state_column(0, 1, &isnull));
	state_done();
	return result;
}

int64
executions_unblock(bool *left)
{
	int64		count = (int64) state_execute_statuses(&unblock_statement, NULL,
												 NULL);

	if (count > 0)
		fault_point("execution.unblocked");
	*left = state_query(&unblock_left_statement, NULL, NULL, false, 1) > 0;
	state_done();
	return count;
}

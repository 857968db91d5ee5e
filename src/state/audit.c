/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  The table workflow.audit_entries: who did what, when, from where and why.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction: what is rolled back was not
 *	  done and is not in the log; and in the scheduler, for what it decides by
 *	  itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "state/jsonb_text.h"
#include "state/private.h"
#include "state/state.h"

static const Oid insert_types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID,
								   REGROLEOID, REGROLEOID, INT4OID, TEXTOID,
								   TEXTOID, JSONBOID, JSONBOID};
static StateStatement insert_statement = {
	"INSERT INTO workflow.audit_entries (action, subject_type, subject, execution_id, role, session_role,"
	" pid, application_name, client_address, reason, before, after)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, pg_catalog.inet_client_addr(), $9, $10, $11)",
	lengthof(insert_types), insert_types, NULL
};

void
audit(const AuditEntry *entry)
{
	Datum		values[lengthof(insert_types)];
	char		nulls[lengthof(insert_types)];

	memset(nulls, ' ', sizeof(nulls));
	state_set_text(values, nulls, 0, entry->action);
	state_set_text(values, nulls, 1, entry->subject_type);
	state_set_text(values, nulls, 2, entry->subject);
	values[3] = Int64GetDatum(entry->execution_id);
	if (entry->execution_id == 0)
		nulls[3] = 'n';
	values[4] = ObjectIdGetDatum(OidIsValid(entry->role) ? entry->role :
														   GetUserId());
	values[5] = ObjectIdGetDatum(GetSessionUserId());
	values[6] = Int32GetDatum(MyProcPid);
	state_set_text(values, nulls, 7, application_name);
	state_set_text(values, nulls, 8, entry->reason);
	state_set_jsonb(values, nulls, 9, entry->before);
	state_set_jsonb(values, nulls, 10, entry->after);
	state_execute(&insert_statement, values, nulls);
}

Jsonb *
audit_object(const char *key, const char *text)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jsonb_push_text(&state, key, text);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static const Oid prune_types[] = {TIMESTAMPTZOID, INT4OID};
static StateStatement prune_statement = {
	"DELETE FROM workflow.audit_entries AS a USING (SELECT id FROM workflow.audit_entries"
	" WHERE at OPERATOR(pg_catalog.<) $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED) AS old"
	" WHERE a.id OPERATOR(pg_catalog.=) old.id",
	lengthof(prune_types), prune_types, NULL
};

int64
audit_prune(TimestampTz before, int32 max)
{
	Datum		values[] = {TimestampTzGetDatum(before), Int32GetDatum(max)};

	return (int64) state_execute(&prune_statement, values, NULL);
}

void
audit_execution(const char *action, int64 execution_id, const char *reason,
				ExecutionStatus before, ExecutionStatus after)
{
	AuditEntry	entry = {.action = action,.subject_type = "execution",
		.execution_id = execution_id,.reason = reason};

	entry.subject = psprintf(INT64_FORMAT, execution_id);
	entry.before = audit_object("status", execution_status_name(before));
	entry.after = audit_object("status", execution_status_name(after));
	audit(&entry);
}

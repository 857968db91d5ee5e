/*-------------------------------------------------------------------------
 *
 * announce.c
 *	  Notifications on the channel "workflow".
 *
 * NOTES
 *	  Executors, the scheduler, sessions; inside a transaction, with which they are
 *	  sent.  What statements of this room change in bulk they announce themselves:
 *	  NOTIFY_STATUS in private.h.  A payload has no room for data; who listens reads
 *	  the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "miscadmin.h"
#include "utils/json.h"

#include "shared/settings.h"
#include "state/announce.h"
#include "state/jsonb_text.h"

#define NOTIFY_CHANNEL "workflow"

bool
announces(const WorkflowPlan *plan)
{
	return plan->notify && setting_notify;
}

/* A further member of the payload, if there is a value. */
static void
add_member(StringInfo payload, const char *name, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(payload, ", \"%s\": ", name);
	escape_json(payload, value);
}

static void
begin_payload(StringInfo payload, int64 execution_id, const char *workflow)
{
	initStringInfo(payload);
	appendStringInfo(payload, "{\"execution_id\": " INT64_FORMAT, execution_id);
	add_member(payload, "workflow", workflow);
}

static void
send_payload(StringInfo payload)
{
	appendStringInfoChar(payload, '}');
	Async_Notify(NOTIFY_CHANNEL, payload->data);
	pfree(payload->data);
}

void
announce_step(int64 execution_id, const char *workflow, const char *step_id, const char *scope,
			  const char *status, const char *error_type)
{
	StringInfoData payload;

	begin_payload(&payload, execution_id, workflow);
	add_member(&payload, "step_id", step_id);
	add_member(&payload, "scope", scope);
	add_member(&payload, "status", status);
	add_member(&payload, "error_type", error_type);
	send_payload(&payload);
}

void
announce_execution(int64 execution_id, const char *workflow, const char *status,
				   const Jsonb *error, const char *error_type)
{
	StringInfoData payload;

	begin_payload(&payload, execution_id, workflow);
	add_member(&payload, "status", status);
	add_member(&payload, "failed_step", jsonb_member_string(error, "step_id"));
	add_member(&payload, "error_type", error_type);
	send_payload(&payload);
}

void
announce_executor(int pid, Oid role, const char *event, const char *reason)
{
	StringInfoData payload;

	if (!setting_notify)
		return;
	initStringInfo(&payload);
	appendStringInfo(&payload, "{\"executor\": %d", pid);
	add_member(&payload, "role", GetUserNameFromId(role, true));
	add_member(&payload, "event", event);
	add_member(&payload, "reason", reason);
	send_payload(&payload);
}

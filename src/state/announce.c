/*-------------------------------------------------------------------------
 *
 * announce.c
 *	  Notifications on the channel "workflow".
 *
 * NOTES
 *	  Executors, the scheduler, sessions; inside a transaction, with which they
 *	  are sent.  A payload has no room for data; who listens reads the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "shared/settings.h"
#include "state/announce.h"
#include "state/jsonb_text.h"
#include "state/private.h"

#define NOTIFY_CHANNEL "workflow"

/*
 * The server takes less than 8000 bytes.  Names and scopes have limits that
 * leave room, each byte written as six at the worst; the type of an error,
 * which a "fail" step makes, may be of any size.
 */
#define MAX_ERROR_TYPE 255

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
add_error_type(StringInfo payload, const char *error_type)
{
	int			length = error_type != NULL ? (int) strlen(error_type) : 0;

	if (length > MAX_ERROR_TYPE)
		error_type = pnstrdup(error_type,
							  pg_mbcliplen(error_type, length, MAX_ERROR_TYPE));
	add_member(payload, "error_type", error_type);
}

static void
begin_payload(StringInfo payload, int64 execution_id, const char *workflow)
{
	initStringInfo(payload);
	appendStringInfo(payload, "{\"execution_id\": " INT64_FORMAT, execution_id);
	add_member(payload, "workflow", workflow);
}

static bool
queue_has_room(void)
{
	/* it takes no argument */
	return DatumGetFloat8(
			   DirectFunctionCall1(pg_notification_queue_usage, (Datum) 0)) <
		MAX_NOTIFY_QUEUE_USAGE;
}

static void
send_payload(StringInfo payload)
{
	appendStringInfoChar(payload, '}');
	if (queue_has_room())
		Async_Notify(NOTIFY_CHANNEL, payload->data);
	pfree(payload->data);
}

void
announce_step(int64 execution_id, const char *workflow, const char *step_id,
			  const char *scope, const char *status, const char *error_type)
{
	StringInfoData payload;

	begin_payload(&payload, execution_id, workflow);
	add_member(&payload, "step_id", step_id);
	add_member(&payload, "scope", scope);
	add_member(&payload, "status", status);
	add_error_type(&payload, error_type);
	send_payload(&payload);
}

void
announce_execution(int64 execution_id, const char *workflow,
				   ExecutionStatus status, const Jsonb *error,
				   const char *error_type)
{
	StringInfoData payload;

	begin_payload(&payload, execution_id, workflow);
	add_member(&payload, "status", execution_status_name(status));
	add_member(&payload, "failed_step", jsonb_member_string(error, "step_id"));
	add_error_type(&payload, error_type);
	send_payload(&payload);
}

void
announce_statuses(uint64 nrows)
{
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		if (DatumGetBool(state_column(i, STATUS_COLUMNS, &isnull)))
			announce_execution(state_column_int64(i, 1),
							   state_column_text(i, 2),
							   execution_status_from_name(
								   state_column_text(i, 3)),
							   NULL, NULL);
	}
}

uint64
state_execute_statuses(StateStatement *statement, Datum *values,
					   const char *nulls)
{
	uint64		nrows = state_query(statement, values, nulls, false, 0);

	announce_statuses(nrows);
	state_done();
	return nrows;
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

/*-------------------------------------------------------------------------
 *
 * start.c
 *	  workflow.start(), execute().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  start() is one INSERT with
 *	  a kept plan; the scheduler is woken when the transaction commits.
 *	  execute() runs the interpreter here and needs no worker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "interpreter/inline.h"
#include "shared/fault.h"
#include "shared/identity.h"
#include "shared/settings.h"
#include "shared/traceparent.h"
#include "shared/wake.h"
#include "state/admission.h"
#include "state/announce.h"
#include "state/executions.h"

extern PGDLLEXPORT Datum workflow_start(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_execute(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_start);
PG_FUNCTION_INFO_V1(workflow_execute);

/*
 * Say once per transaction that nobody will run what is queued.
 */
static void
warn_not_preloaded(void)
{
	static TimestampTz warned_at = 0;

	if (warned_at == GetCurrentTransactionStartTimestamp())
		return;
	warned_at = GetCurrentTransactionStartTimestamp();
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("the execution is queued, but no worker will run it"),
			 errdetail("The server was started without pg_workflow in shared_preload_libraries."),
			 errhint("Add it to shared_preload_libraries and restart the server, or use workflow.execute().")));
}

/*
 * An executor will connect as the role: better to refuse now than to queue what
 * can never run.
 */
static void
require_role_can_run(Oid role)
{
	char	   *problem = role_cannot_run(role);

	if (problem != NULL && GetUserNameFromId(role, true) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("executions of a role that does not exist cannot be run by a worker"),
				 errhint("The view workflow.owners shows what belongs to such roles, workflow.reassign_owned() gives it to another.")));
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("executions of role \"%s\" cannot be run by a worker",
						GetUserNameFromId(role, false)),
				 errdetail_internal("%s.", problem),
				 errhint("Start the workflow as a role that can connect to this database, or use workflow.execute().")));
}

/*
 * A workflow whose definition says so refuses what is too many.  Two sessions
 * that start the last execution at the same time do not see each other here;
 * the scheduler fails the one that comes second.
 */
static void
refuse_when_full(NewExecution *new)
{
	const Definition *definition = new->definition;

	new->counted = definition->refuse_when_full;
	if (!new->counted || new->has_start_at ||
		executions_count_active(definition->name, definition->max_running) <
			definition->max_running)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("workflow \"%s\" has as many executions as it may have", definition->name),
			 errdetail("WorkflowFull: \"max_running\" is %d.", definition->max_running),
			 errhint("Start it again when one of them has ended; see \"max_running\" and \"when_full\" of the definition.")));
}

/*
 * Queue an execution if there is room for it.  *created is false when somebody
 * else has started it meanwhile, with the same key.
 */
static int64
queue_new_execution(NewExecution *new, bool *created)
{
	int64		id;

	refuse_when_full(new);
	require_payload(new->input, "input", new->role);
	require_room_of_role(new->role);
	if (!new->has_start_at)
		require_room_in_queue(new->role);
	if (!new->has_parallel)
		new->parallel = setting_parallel;
	new->priority = Min(new->priority, priority_ceiling(new->role));
	require_role_can_run(new->role);
	new->traceparent = session_traceparent();

	id = execution_insert(new, created);
	fault_point("execution.queued");
	if (*created && setting_notify &&
		announces(definition_plan(new->definition->id)))
		announce_execution(id, new->definition->name, EXECUTION_PENDING, NULL,
						   NULL);
	return id;
}

/*
 * Queue an execution, as the caller unless it names a role, and arrange for the
 * scheduler to be woken at commit.  What there is with its key is given to who
 * asks again, whatever else there would be no room for.
 */
int64
queue_execution(NewExecution *new)
{
	bool		created = false;
	int64		id;

	if (!OidIsValid(new->role))
		new->role = GetUserId();
	id = execution_with_key(new);
	if (id == 0)
		id = queue_new_execution(new, &created);
	if (registry == NULL)
		warn_not_preloaded();
	else if (created && new->has_start_at)
		wake_for_deferred(new->role, new->start_at);
	else if (created)
		wake_for_queued(new->role, new->priority, id);
	return id;
}

/*
 * Keys and names of tenants are parts of indexes and of messages: no longer
 * than other names.
 */
static void
require_short(const char *value, const char *name)
{
	if (value != NULL && (*value == '\0' || strlen(value) > PLAN_MAX_ID_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have between 1 and %d bytes", name, PLAN_MAX_ID_LENGTH)));
}

/*
 * workflow.start(workflow text, input jsonb, version integer, priority integer,
 * start_at timestamptz, idempotency_key text, tenant text, parallel boolean)
 * returns bigint
 */
Datum
workflow_start(PG_FUNCTION_ARGS)
{
	char	   *workflow = required_text(fcinfo, 0, "workflow");
	Definition	definition;
	NewExecution new;

	memset(&new, 0, sizeof(new));
	new.input = required_jsonb(fcinfo, 1, "input");
	require_startable(workflow, version_argument(fcinfo, 2), GetUserId(),
					  &definition);
	new.definition = &definition;
	new.priority = PG_ARGISNULL(3) ? definition.priority : PG_GETARG_INT32(3);
	new.has_start_at = !PG_ARGISNULL(4);
	if (new.has_start_at)
		new.start_at = PG_GETARG_TIMESTAMPTZ(4);
	if (!PG_ARGISNULL(3))
		require_priority(new.priority, GetUserId());
	new.idempotency_key = optional_text_argument(fcinfo, 5);
	new.tenant = PG_ARGISNULL(6) ? definition.tenant :
								   optional_text_argument(fcinfo, 6);
	require_short(new.idempotency_key, "idempotency_key");
	require_short(new.tenant, "tenant");
	new.has_parallel = !PG_ARGISNULL(7);
	new.parallel = new.has_parallel && PG_GETARG_BOOL(7);

	PG_RETURN_INT64(queue_execution(&new));
}

/*
 * workflow.execute(workflow text, input jsonb, version integer) returns jsonb
 */
Datum
workflow_execute(PG_FUNCTION_ARGS)
{
	char	   *workflow = required_text(fcinfo, 0, "workflow");
	Jsonb	   *input = required_jsonb(fcinfo, 1, "input");
	Definition	definition;
	Jsonb	   *output;
	int64		execution_id;

	require_startable(workflow, version_argument(fcinfo, 2), GetUserId(),
					  &definition);

	require_payload(input, "input", GetUserId());

	/*
	 * a step may change definitions, and with them what definition_find() gave
	 */
	definition.name = pstrdup(definition.name);

	output = execute_inline(&definition, input, &execution_id);
	if (output == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(output);
}

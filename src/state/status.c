/*-------------------------------------------------------------------------
 *
 * status.c
 *	  The states of an execution, by name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "state/state.h"

static const char *const status_names[] = {
	[EXECUTION_PENDING] = "pending",
	[EXECUTION_RUNNING] = "running",
	[EXECUTION_PAUSED] = "paused",
	[EXECUTION_CANCELLING] = "cancelling",
	[EXECUTION_COMPLETED] = "completed",
	[EXECUTION_FAILED] = "failed",
	[EXECUTION_CANCELLED] = "cancelled",
	[EXECUTION_TIMED_OUT] = "timed_out",
	[EXECUTION_BLOCKED] = "blocked",
	[EXECUTION_WAITING] = "waiting"
};

const char *
execution_status_name(ExecutionStatus status)
{
	return status_names[status];
}

bool
execution_status_find(const char *name, ExecutionStatus *status)
{
	for (int i = 0; i < (int) lengthof(status_names); i++)
	{
		*status = (ExecutionStatus) i;
		if (strcmp(name, status_names[i]) == 0)
			return true;
	}
	return false;
}

ExecutionStatus
execution_status_from_name(const char *name)
{
	ExecutionStatus status;

	if (!execution_status_find(name, &status))
		elog(ERROR, "unknown status of an execution: \"%s\"", name);
	return status;
}

bool
execution_status_is_final(ExecutionStatus status)
{
	switch (status)
	{
		case EXECUTION_COMPLETED:
		case EXECUTION_FAILED:
		case EXECUTION_CANCELLED:
		case EXECUTION_TIMED_OUT:
			return true;
		case EXECUTION_PENDING:
		case EXECUTION_RUNNING:
		case EXECUTION_PAUSED:
		case EXECUTION_CANCELLING:
		case EXECUTION_BLOCKED:
		case EXECUTION_WAITING:
			break;
	}
	return false;
}

EngineCounter
counter_of_end(ExecutionStatus status)
{
	switch (status)
	{
		case EXECUTION_COMPLETED:
			return COUNT_COMPLETED;
		case EXECUTION_TIMED_OUT:
			return COUNT_TIMED_OUT;
		case EXECUTION_CANCELLED:
			return COUNT_CANCELLED;
		default:
			return COUNT_FAILED;
	}
}

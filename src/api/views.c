/*-------------------------------------------------------------------------
 *
 * views.c
 *	  workflow.executor_slots(): what the executors do this moment;
 *	  workflow.executors_of(): those that were given a run of an execution.
 *
 * NOTES
 *	  Runs in sessions; needs no transaction state beyond a snapshot for role
 *	  names.  Each slot is copied under its spinlock, so a row is consistent in
 *	  itself, but rows are not consistent with each other, as in
 *	  pg_stat_activity.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "definition/scope.h"
#include "shared/clock.h"
#include "shared/slots.h"
#include "state/executions.h"
#include "state/grants.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_executor_slots(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_executor_slots);

extern PGDLLEXPORT Datum workflow_executors_of(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_executors_of);

/* Columns of executor_slots(), in order. */
typedef enum SlotColumn
{
	COLUMN_PID,
	COLUMN_DATABASE,
	COLUMN_ROLE,
	COLUMN_STATE,
	COLUMN_ATTACHED_AT,
	COLUMN_RUNS_DONE,
	COLUMN_STEPS_DONE,
	COLUMN_MEMORY_BYTES,
	COLUMN_DRAINING_SINCE,
	COLUMN_LAST_HEARTBEAT,
	COLUMN_EXECUTION_ID,		/* this and what follows: own executions, or
								 * pg_monitor */
	COLUMN_DEFINITION_ID,
	COLUMN_WORKFLOW,
	COLUMN_STEP_ID,
	COLUMN_SCOPE,
	COLUMN_BRANCH,
	COLUMN_ITERATION,
	COLUMN_VISIT,
	COLUMN_ATTEMPT,
	COLUMN_STEP_STARTED_AT,
	COLUMN_EXECUTION_STARTED_AT,
	COLUMN_STEP_STATE,
	COLUMN_LABEL,
	NUM_SLOT_COLUMNS
} SlotColumn;


/*
 * The part of a slot that is shown, small enough to be copied under a spinlock.
 */
typedef struct SlotCopy
{
	SlotState	state;
	SlotTrouble trouble;
	bool		leaving;
	bool		settling;
	Oid			database;
	Oid			role;
	pid_t		pid;
	TimestampTz attached_at;
	int64		runs_done;
	int64		steps_done;
	int64		memory_bytes;
	TimestampTz leaving_since;
	TimestampTz last_heartbeat;
	Progress	progress;
} SlotCopy;

/* What is to be said of the step it runs. */
static const char *
step_state_name(const SlotCopy *slot)
{
	if (slot->trouble != TROUBLE_NONE)
		return "stuck";
	return slot->settling ? "completing" : "running";
}

/*
 * Copy a slot.  Returns false if it is free, or, with an execution (0: any), if
 * its executor was not given a run of that, whether it has come to it or not.
 */
static bool
copy_slot(Slot *slot, SlotCopy *copy, int64 execution_id)
{
	TimestampTz idle_since = clock_time(
		*(volatile TimestampTz *) &slot->idle_since);
	bool		asked_for;

	SpinLockAcquire(&slot->mutex);
	asked_for = slot->state != SLOT_FREE;
	if (execution_id != 0)
	{
		asked_for = false;
		if (slot->database == MyDatabaseId &&
			(slot->state == SLOT_ASSIGNED || slot->state == SLOT_RUNNING))
			for (int i = 0; i < slot->run.nexecutions && !asked_for; i++)
				asked_for = slot->run.execution_ids[i] == execution_id;
	}
	copy->state = slot->state;
	copy->trouble = slot->trouble;
	copy->leaving = slot->exit_requested;
	copy->settling = *(volatile bool *) &slot->settling;
	copy->database = slot->database;
	copy->role = slot->role;
	copy->pid = slot->pid;
	copy->attached_at = slot->attached_at;
	copy->runs_done = slot->runs_done;
	copy->steps_done = slot->steps_done;
	copy->memory_bytes = slot->memory_bytes;
	copy->leaving_since = slot->leaving_since;
	copy->last_heartbeat =
		Max(Max(slot->attached_at,
				*(volatile TimestampTz *) &slot->heartbeat_at),
			Max(idle_since, slot->progress.step_started_at));
	copy->progress = slot->progress;
	SpinLockRelease(&slot->mutex);
	return asked_for;
}

/* May a text that is kept in so many bytes have been clipped? */
static bool
may_be_clipped(const char *text, size_t size)
{
	return strlen(text) + MAX_MULTIBYTE_CHAR_LEN >= size;
}

/*
 * The plan that names of a slot are looked up in, since one of them may have
 * been clipped: rows in tables have the whole of it.  NULL: they are as they
 * are.
 */
static const WorkflowPlan *
plan_of_names(const SlotCopy *slot)
{
	const Progress *progress = &slot->progress;

	if (slot->database != MyDatabaseId || progress->definition_id == 0 ||
		progress->step_id[0] == '\0')
		return NULL;
	if (!may_be_clipped(progress->workflow, sizeof(progress->workflow)) &&
		!may_be_clipped(progress->step_id, sizeof(progress->step_id)) &&
		!may_be_clipped(progress->scope, sizeof(progress->scope)))
		return NULL;
	return definition_plan_if_any(progress->definition_id);
}

/*
 * Columns about the execution a slot runs, all null before.
 */
static void
fill_progress(const SlotCopy *slot, Datum *values, bool *nulls)
{
	const Progress *progress = &slot->progress;
	const WorkflowPlan *plan = plan_of_names(slot);

	values[COLUMN_EXECUTION_ID] = Int64GetDatum(progress->execution_id);
	values[COLUMN_DEFINITION_ID] = Int32GetDatum(progress->definition_id);
	values[COLUMN_WORKFLOW] = CStringGetTextDatum(plan ? plan->name :
														 progress->workflow);
	values[COLUMN_STEP_ID] = CStringGetTextDatum(
		plan ? plan->nodes[progress->node].id : progress->step_id);
	values[COLUMN_SCOPE] = CStringGetTextDatum(
		plan ? scope_path(plan, &progress->scope_id) : progress->scope);
	values[COLUMN_BRANCH] = CStringGetTextDatum(progress->branch);
	values[COLUMN_ITERATION] = Int32GetDatum(progress->iteration);
	values[COLUMN_VISIT] = Int32GetDatum(progress->visit);
	values[COLUMN_ATTEMPT] = Int32GetDatum(progress->attempt);
	values[COLUMN_STEP_STARTED_AT] = TimestampTzGetDatum(
		progress->step_started_at);
	values[COLUMN_EXECUTION_STARTED_AT] = TimestampTzGetDatum(
		progress->execution_started_at);
	values[COLUMN_STEP_STATE] = CStringGetTextDatum(step_state_name(slot));
	values[COLUMN_LABEL] = CStringGetTextDatum(progress->label);
	for (int column = COLUMN_EXECUTION_ID; column < NUM_SLOT_COLUMNS; column++)
		nulls[column] = false;
	nulls[COLUMN_DEFINITION_ID] = progress->definition_id == 0;
	nulls[COLUMN_STEP_ID] = progress->step_id[0] == '\0';
	nulls[COLUMN_BRANCH] = progress->branch[0] == '\0';
	nulls[COLUMN_ITERATION] = progress->iteration < 0;
	/* it may hold data: as with input and output */
	nulls[COLUMN_LABEL] = progress->label[0] == '\0' ||
		!has_privs_of_role(GetUserId(), slot->role);
	nulls[COLUMN_STEP_STARTED_AT] = progress->step_started_at == 0;
	nulls[COLUMN_EXECUTION_STARTED_AT] = progress->execution_started_at == 0;
}

/*
 * Was the caller granted to see what it runs?  Grants are those of this
 * database.
 */
static bool
sees_workflow(const SlotCopy *slot)
{
	const Progress *progress = &slot->progress;
	const char *name = progress->workflow;

	if (slot->database != MyDatabaseId)
		return false;
	/* it may have been clipped */
	if (may_be_clipped(name, sizeof(progress->workflow)) &&
		progress->definition_id != 0)
	{
		const WorkflowPlan *plan = definition_plan_if_any(
			progress->definition_id);

		if (plan == NULL)
			return false;
		name = plan->name;
	}
	return grants_allow(name, InvalidOid, GetUserId(), PRIVILEGE_SEE);
}

/*
 * workflow.executor_slots() returns setof record
 *
 * All executors of the cluster; what they run is shown to the role they run it
 * for, its members and members of pg_monitor, and to who may see the workflow.
 */
Datum
workflow_executor_slots(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			caller = GetUserId();
	bool		sees_all;

	state_check_installation();
	InitMaterializedSRF(fcinfo, 0);
	if (registry == NULL)
		return (Datum) 0;

	sees_all = has_privs_of_role(caller, ROLE_PG_MONITOR);
	for (int i = 0; i < registry->nslots; i++)
	{
		SlotCopy	copy;
		Datum		values[NUM_SLOT_COLUMNS];
		bool		nulls[NUM_SLOT_COLUMNS];

		if (!copy_slot(&registry->slots[i], &copy, 0))
			continue;

		memset(nulls, true, sizeof(nulls));
		values[COLUMN_PID] = Int32GetDatum((int32) copy.pid);
		nulls[COLUMN_PID] = copy.pid == 0;
		values[COLUMN_DATABASE] = ObjectIdGetDatum(copy.database);
		nulls[COLUMN_DATABASE] = false;
		values[COLUMN_ROLE] = ObjectIdGetDatum(copy.role);
		nulls[COLUMN_ROLE] = false;
		values[COLUMN_STATE] = CStringGetTextDatum(
			slot_state_name(copy.state, copy.trouble, copy.leaving));
		nulls[COLUMN_STATE] = false;
		values[COLUMN_ATTACHED_AT] = TimestampTzGetDatum(copy.attached_at);
		nulls[COLUMN_ATTACHED_AT] = copy.attached_at == 0;
		values[COLUMN_RUNS_DONE] = Int64GetDatum(copy.runs_done);
		nulls[COLUMN_RUNS_DONE] = false;
		values[COLUMN_STEPS_DONE] = Int64GetDatum(copy.steps_done);
		nulls[COLUMN_STEPS_DONE] = false;
		values[COLUMN_MEMORY_BYTES] = Int64GetDatum(copy.memory_bytes);
		nulls[COLUMN_MEMORY_BYTES] = copy.memory_bytes == 0;
		values[COLUMN_DRAINING_SINCE] = TimestampTzGetDatum(copy.leaving_since);
		nulls[COLUMN_DRAINING_SINCE] = copy.leaving_since == 0;
		values[COLUMN_LAST_HEARTBEAT] = TimestampTzGetDatum(
			copy.last_heartbeat);
		nulls[COLUMN_LAST_HEARTBEAT] = copy.last_heartbeat == 0;

		if (copy.progress.execution_id != 0 && copy.state == SLOT_RUNNING &&
			(sees_all || has_privs_of_role(caller, copy.role) ||
			 sees_workflow(&copy)))
			fill_progress(&copy, values, nulls);

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * workflow.executors_of(execution_id bigint, OUT pid integer, OUT state text,
 * OUT last_heartbeat timestamptz) returns setof record
 *
 * Nothing of an execution that the caller may not see.
 */
Datum
workflow_executors_of(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		execution_id = PG_GETARG_INT64(0);
	ExecutionState execution;

	state_check_installation();
	InitMaterializedSRF(fcinfo, 0);
	if (registry == NULL || !execution_read(execution_id, &execution) ||
		!may_see(execution.role, execution.workflow))
		return (Datum) 0;

	for (int i = 0; i < registry->nslots; i++)
	{
		SlotCopy	copy;
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		if (!copy_slot(&registry->slots[i], &copy, execution_id))
			continue;
		values[0] = Int32GetDatum((int32) copy.pid);
		values[1] = CStringGetTextDatum(
			slot_state_name(copy.state, copy.trouble, copy.leaving));
		values[2] = TimestampTzGetDatum(copy.last_heartbeat);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

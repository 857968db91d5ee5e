/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  workflow.wait() and CALL workflow.run().
 *
 * NOTES
 *	  Runs in sessions.  Both sleep on the condition variable of the execution's
 *	  wait channel, which whoever ends an execution broadcasts after its commit.
 *	  The sleep is prepared before the row is read, so an end between the two is
 *	  not missed.
 *
 *	  wait() runs inside the caller's transaction and statement.  It lets go of
 *	  the statement's snapshot while it sleeps where that is all there is to it,
 *	  and ends with an error when what it waits for waits for this session
 *	  (wait_cycle.c).  run() commits the start and waits between transactions,
 *	  holding neither snapshot nor locks but advisory ones of the session.
 *
 *	  Neither is for steps: an executor that sleeps until another one has done
 *	  its work is taken from that, and enough of them are all there are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/condition_variable.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "api/steer.h"
#include "api/wait_cycle.h"
#include "interpreter/thread.h"
#include "shared/clock.h"
#include "shared/databases.h"
#include "shared/fault.h"
#include "shared/slots.h"
#include "shared/worker.h"
#include "state/blocks.h"
#include "state/executions.h"
#include "state/jsonb_text.h"

extern PGDLLEXPORT Datum workflow_wait(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_run(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_wait);
PG_FUNCTION_INFO_V1(workflow_run);

/*
 * Point in time a timeout argument stands for; DT_NOEND for null.
 */
static TimestampTz
deadline_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return DT_NOEND;
	return DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_pl_interval,
							TimestampTzGetDatum(steady_now()),
							PG_GETARG_DATUM(argument)));
}

/*
 * The condition variable that is broadcast when the execution ends, and when
 * others end that share it.
 */
static ConditionVariable *
wait_channel(int64 id)
{
	return &registry->finished[(uint64) id % NUM_WAIT_CHANNELS];
}

/*
 * Refuse to wait in an executor: in whatever way the step got here, its process
 * is the one that would sleep.
 */
static void
refuse_in_step(const char *function)
{
	if (my_slot == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s cannot be called in a step that a worker runs", function),
			 errdetail("The step would keep its executor from others until the other execution has ended, which needs an executor, too."),
			 errhint("Let a sub-workflow wait, which needs no executor for that, or run the workflow inside the step with workflow.execute().")));
}

/*
 * Sleep until the channel of an execution is broadcast, the deadline, or for
 * at most so many ms.  Returns false when the deadline has passed.
 */
static bool
sleep_until_finished(int64 id, TimestampTz deadline, long timeout)
{

	if (deadline != DT_NOEND)
	{
		TimestampTz now = steady_now();

		if (now >= deadline)
			return false;
		timeout = Min(timeout,
					  TimestampDifferenceMilliseconds(now, deadline) + 1);
	}
	fault_point("session.waits");
	(void) ConditionVariableTimedSleep(wait_channel(id), timeout,
									   wait_event_finished());
	return true;
}

/*
 * Read an execution the caller may see the outcome of.
 */
static void
read_own_execution(int64 id, ExecutionState *state)
{
	if (!execution_read(id, state))
		refuse_unknown_execution(id);
	if (!has_privs_of_role(GetUserId(), state->role))
		refuse_foreign_execution(id, state->role,
								 may_steer(state) ||
									 may_see(state->role, state->workflow),
								 NULL);
}

/*
 * An execution that is blocked does not go on before somebody does something
 * about it.  When that has been done, the scheduler is about to queue it again.
 */
static bool
wait_is_over(const ExecutionState *state)
{
	WorkflowBlock block;

	return execution_status_is_final(state->status) ||
		(state->status == EXECUTION_BLOCKED &&
		 block_find(state->workflow, state->role, &block));
}

/*
 * Refuse a wait that nothing could end.
 */
static void
require_wait_can_end(const ExecutionState *state)
{
	if (registry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for execution %lld", (long long) state->id),
				 errdetail("The server was started without pg_workflow in shared_preload_libraries, so no worker runs it."),
				 errhint("Add it to shared_preload_libraries and restart the server, or use workflow.execute().")));
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for execution %lld during recovery",
						(long long) state->id),
				 errhint("Wait for it on the primary server.")));
	if (TransactionIdIsCurrentTransactionId(state->xmin))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for execution %lld in the transaction that started or changed it",
						(long long) state->id),
				 errdetail("Workers see it only after this transaction has committed."),
				 errhint("Commit first, or use CALL workflow.run() or workflow.execute().")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot wait for execution %lld in a transaction of isolation level REPEATABLE READ or SERIALIZABLE",
						(long long) state->id),
				 errdetail("Its snapshot would never show the end of the execution."),
				 errhint("Use READ COMMITTED.")));
}

/*
 * Whoever drops or changes the extension would wait for the locks of our
 * transaction.
 */
static void
refuse_if_held(int64 id)
{
	if (registry != NULL && extension_is_held())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot wait for execution %lld any longer", (long long) id),
				 errdetail("Another session is dropping or changing the extension; it would wait for this one."),
				 errhint("Wait again when it has finished.")));
}

/*
 * Wait inside the caller's transaction and statement.  What is allocated
 * meanwhile is gone with the current memory context.
 */
static void
wait_in_statement(int64 id, TimestampTz deadline, WaitCycleCheck *check)
{
	bool		slept = true;

	if (registry != NULL)
		ConditionVariablePrepareToSleep(wait_channel(id));
	while (slept)
	{
		ExecutionState state;

		MemoryContextReset(CurrentMemoryContext);
		read_own_execution(id, &state);
		if (wait_is_over(&state))
			break;
		if (deadline == DT_NOEND || steady_now() < deadline)
			require_wait_can_end(&state);
		refuse_if_held(id);
		if (registry == NULL)
			break;
		wait_cycle_look(check);
		statement_snapshot_release(check);
		slept = sleep_until_finished(id, deadline, wait_cycle_next_look(check));
		statement_snapshot_take(check);
		/*
		 * who drops the tables has begun to lock them: to ask for another lock
		 * is a deadlock
		 */
		refuse_if_held(id);
	}
	ConditionVariableCancelSleep();
}

/*
 * workflow.wait(execution_id bigint, timeout interval) returns
 * workflow.executions
 */
Datum
workflow_wait(PG_FUNCTION_ARGS)
{
	int64		id = required_execution_id(fcinfo);
	TimestampTz deadline = deadline_argument(fcinfo, 1);
	WaitCycleCheck check;
	MemoryContext context;
	MemoryContext oldcontext;
	Datum		row;

	refuse_in_step("workflow.wait()");
	context = AllocSetContextCreate(CurrentMemoryContext, "workflow wait",
									ALLOCSET_SMALL_SIZES);
	oldcontext = MemoryContextSwitchTo(context);
	PG_ENSURE_ERROR_CLEANUP(wait_cycle_end, (Datum) 0);
	{
		wait_cycle_begin(&check, id, true);
		wait_in_statement(id, deadline, &check);
	}
	PG_END_ENSURE_ERROR_CLEANUP(wait_cycle_end, (Datum) 0);
	wait_cycle_end(0, (Datum) 0);
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);

	if (!execution_row(id, &row))
		refuse_unknown_execution(id);
	PG_RETURN_DATUM(row);
}

/*
 * A text of the error of an execution; NULL when it has none.
 */
static char *
error_text(const ExecutionState *state, const char *key)
{
	return state->error != NULL ? jsonb_member_string(state->error, key) : NULL;
}

/*
 * Which step has failed, and what that said in detail; NULL when there is
 * nothing to say.
 */
static char *
outcome_detail(const ExecutionState *state)
{
	char	   *step_id = error_text(state, "step_id");
	char	   *detail = error_text(state, "detail");
	const char *error_type = state->error_type != NULL ? state->error_type : "";
	char	   *where = NULL;

	if (step_id != NULL)
		where = psprintf("Step \"%s\", error type \"%s\".", step_id,
						 error_type);
	else if (state->error_type != NULL)
		where = psprintf("Error type \"%s\".", error_type);
	if (where == NULL || detail == NULL)
		return where != NULL ? where : detail;
	return psprintf("%s\n%s", where, detail);
}

/*
 * Raise the error that stands for an execution that did not complete: SQLSTATE,
 * detail, hint and context are the failed step's, where it has them.
 */
static void
raise_outcome(const ExecutionState *state)
{
	char	   *message = error_text(state, "message");
	char	   *sqlstate = error_text(state, "sqlstate");
	char	   *detail = outcome_detail(state);
	char	   *hint = error_text(state, "hint");
	char	   *context = error_text(state, "context");
	int			code = ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;

	if (sqlstate != NULL && strlen(sqlstate) == 5)
		code = MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2],
							 sqlstate[3], sqlstate[4]);
	else if (state->status != EXECUTION_FAILED)
		code = ERRCODE_QUERY_CANCELED;

	ereport(ERROR,
			(errcode(code),
			 state->status == EXECUTION_BLOCKED ?
			 errmsg("execution %lld was not run: %s", (long long) state->id,
					message != NULL ? message : "its workflow is blocked") :
			 errmsg("execution %lld of workflow \"%s\" ended with status \"%s\"%s%s",
					(long long) state->id, state->workflow, execution_status_name(state->status),
					message != NULL ? ": " : "",
					message != NULL ? message : ""),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 hint != NULL ? errhint("%s", hint) : 0,
			 state->error != NULL ? err_stored_names(state->error) : 0,
			 context != NULL ? (errcontext("%s", context)) : 0));
}

/*
 * Wait for an execution between transactions and fill in its final state, in
 * the current memory context.  The caller is connected to SPI, non-atomically,
 * and has committed.
 */
static void
wait_between_transactions(int64 id, TimestampTz deadline, WaitCycleCheck *check,
						  ExecutionState *state)
{
	for (;;)
	{
		MemoryContextReset(CurrentMemoryContext);
		ConditionVariablePrepareToSleep(wait_channel(id));
		read_own_execution(id, state);
		if (wait_is_over(state))
			break;
		if (deadline != DT_NOEND && steady_now() >= deadline)
		{
			ConditionVariableCancelSleep();
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("execution %lld of workflow \"%s\" has not ended within the timeout",
							(long long) id, state->workflow),
					 errhint("It goes on; use workflow.wait() or workflow.cancel().")));
		}
		wait_cycle_look(check);
		SPI_commit();
		(void) sleep_until_finished(id, deadline, wait_cycle_next_look(check));
	}
	ConditionVariableCancelSleep();
}

/*
 * A row of one jsonb column named "output", as CALL expects it.
 */
static Datum
output_row(Jsonb *output)
{
	TupleDesc	descriptor = CreateTemplateTupleDesc(1);
	Datum		value = output != NULL ? JsonbPGetDatum(output) : (Datum) 0;
	bool		isnull = output == NULL;

	TupleDescInitEntry(descriptor, 1, "output", JSONBOID, -1, 0);
	descriptor = BlessTupleDesc(descriptor);
	return HeapTupleGetDatum(heap_form_tuple(descriptor, &value, &isnull));
}

/*
 * CALL workflow.run(workflow text, input jsonb, INOUT output jsonb, timeout
 * interval, parallel boolean, version integer)
 */
Datum
workflow_run(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	char	   *workflow = required_text(fcinfo, 0, "workflow");
	Jsonb	   *input = required_jsonb(fcinfo, 1, "input");
	TimestampTz deadline = deadline_argument(fcinfo, 3);
	Definition	definition;
	NewExecution new;
	ExecutionState state;
	WaitCycleCheck check;
	MemoryContext oldcontext;
	int64		id;

	refuse_in_step("workflow.run()");
	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("workflow.run() cannot be called inside a transaction block or a function"),
				 errdetail("It commits the start of the execution before it waits for its end."),
				 errhint("Use workflow.start() and, after COMMIT, workflow.wait(), or workflow.execute().")));
	if (registry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workflow.run() needs workers"),
				 errdetail("The server was started without pg_workflow in shared_preload_libraries."),
				 errhint("Add it to shared_preload_libraries and restart the server, or use workflow.execute().")));

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	require_startable(workflow, version_argument(fcinfo, 5), GetUserId(),
					  &definition);
	memset(&new, 0, sizeof(new));
	new.definition = &definition;
	new.priority = definition.priority;
	new.tenant = definition.tenant;
	new.has_parallel = !PG_ARGISNULL(4);
	new.parallel = new.has_parallel && PG_GETARG_BOOL(4);
	new.input = input;
	id = queue_execution(&new);
	SPI_commit();

	oldcontext = MemoryContextSwitchTo(
		AllocSetContextCreate(CurrentMemoryContext, "workflow run",
							  ALLOCSET_SMALL_SIZES));
	PG_ENSURE_ERROR_CLEANUP(wait_cycle_end, (Datum) 0);
	{
		wait_cycle_begin(&check, id, false);
		wait_between_transactions(id, deadline, &check, &state);
	}
	PG_END_ENSURE_ERROR_CLEANUP(wait_cycle_end, (Datum) 0);
	wait_cycle_end(0, (Datum) 0);
	MemoryContextSwitchTo(oldcontext);
	if (state.status != EXECUTION_COMPLETED)
		raise_outcome(&state);

	if (state.output != NULL)
	{
		Jsonb	   *copy = SPI_palloc(VARSIZE(state.output));

		memcpy(copy, state.output, VARSIZE(state.output));
		state.output = copy;
	}
	SPI_finish();
	PG_RETURN_DATUM(output_row(state.output));
}

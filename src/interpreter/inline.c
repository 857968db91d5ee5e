/*-------------------------------------------------------------------------
 *
 * inline.c
 *	  The driver of workflow.execute(): all steps in the caller's transaction.
 *
 * NOTES
 *	  Runs in a session, each leaf in a subtransaction, as the caller.  Never
 *	  forks: children of parallel containers run one after the other.  Nothing
 *	  is visible to others before the caller commits, so there is no recovery
 *	  here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "interpreter/breaker.h"
#include "interpreter/inline.h"
#include "interpreter/leaf.h"
#include "shared/fault.h"
#include "shared/traceparent.h"
#include "state/executions.h"
#include "state/jsonb_text.h"

/* A leaf that cannot run inside the caller's transaction. */
static void
refuse_outside_transaction(const Leaf *leaf)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("step \"%s\" cannot run inside execute()", leaf->node->id),
			 errdetail("The step has \"transaction\": \"none\"."),
			 errhint("Use workflow.start().")));
}

/*
 * Run the leaf in a subtransaction.  Returns NULL when it succeeded, else the
 * error; *limit tells a cancel by the leaf's own limits from the caller's.
 */
static ErrorData *
run_leaf_in_subtransaction(Thread *thread, Jsonb **output, LeafLimit *limit)
{
	Leaf	   *leaf = &thread->leaf;
	MemoryContext context = thread->step_contexts[thread->step_context];
	MemoryContext oldcontext = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	LeafTimer	timer;
	ErrorData  *volatile error = NULL;

	*limit = LIMIT_NONE;
	BeginInternalSubTransaction(NULL);
	leaf_timer_enter(&timer, leaf->deadline);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		*output = thread_leaf_output(thread, run_sql(&leaf->task));
		/*
		 * ended after all: the cancel that may be under way has come too late
		 */
		if (leaf_timer_leave(&timer) != LIMIT_NONE)
			QueryCancelPending = false;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		LeafLimit	over = leaf_timer_leave(&timer);

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			*limit = over;
		else if (over != LIMIT_NONE)
			QueryCancelPending = false; /* it failed just before */
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	CurrentResourceOwner = oldowner;
	return error;
}

/* A leaf that wants more of its transaction than the caller's gives. */
static void
check_isolation(Leaf *leaf)
{
	static const char *const names[] = {[XACT_REPEATABLE_READ] =
											"REPEATABLE READ",
										[XACT_SERIALIZABLE] = "SERIALIZABLE"};
	int			isolation = leaf_isolation(leaf, XactIsoLevel);

	leaf->task.read_only = leaf_read_only(leaf, false);
	if (isolation > XactIsoLevel)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("step \"%s\" cannot run inside execute()", leaf->node->id),
				 errdetail("Its transaction is to be %s, and the caller's is not.", names[isolation]),
				 errhint("Use BEGIN ISOLATION LEVEL %s before it, or workflow.start().", names[isolation])));
}

static void
inline_leaf(Thread *thread)
{
	Leaf	   *leaf = &thread->leaf;
	Jsonb	   *output = NULL;
	LeafLimit	limit;
	bool		timed_out;
	ErrorData  *error;
	StepError  *failure;
	int			call;

	if (leaf->transaction_none)
		refuse_outside_transaction(leaf);
	check_isolation(leaf);

	failure = breaker_begin_call(leaf, &call);
	if (failure != NULL)
	{
		thread_leaf_failed(thread, STATUS_FAILED, failure);
		return;
	}
	error = run_leaf_in_subtransaction(thread, &output, &limit);
	if (error == NULL)
	{
		breaker_call_succeeded(call);
		thread_leaf_succeeded(thread, output);
		return;
	}
	if (limit == LIMIT_NONE && (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
								error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN))
	{
		breaker_calls_abandoned(call);
		ReThrowError(error);	/* the caller's statement is being cancelled */
	}
	if (limit == LIMIT_STATEMENT)
		error->message = pstrdup(
			gettext("canceling statement due to statement timeout"));
	timed_out = (limit == LIMIT_LEAF);
	failure = timed_out ? leaf_timeout_error(leaf) : leaf_error(leaf, error);
	breaker_call_failed(call, leaf, failure, false);
	thread_leaf_failed(thread, timed_out ? STATUS_TIMED_OUT : STATUS_FAILED,
					   failure);
}

/*
 * The lines of a failed step's context that are its own.  Those after them say
 * what has called execute(), and are added again when the error is raised.
 */
static char *
own_context(Jsonb *error)
{
	char	   *context = jsonb_member_string(error, "context");
	char	   *around = GetErrorContextStack();
	size_t		length;
	size_t		length_around = around != NULL ? strlen(around) : 0;

	if (context == NULL)
		return NULL;
	length = strlen(context);
	if (length_around > 0 && length >= length_around &&
		strcmp(context + length - length_around, around) == 0)
		length -= length_around;
	while (length > 0 && context[length - 1] == '\n')
		length--;
	context[length] = '\0';
	return length > 0 ? context : NULL;
}

/* The workflow failed: raise what its failed step raised. */
static void
raise_failure(Thread *thread)
{
	Jsonb	   *error = thread->execution_error;
	char	   *sqlstate = jsonb_member_string(error, "sqlstate");
	char	   *message = jsonb_member_string(error, "message");
	char	   *detail = jsonb_member_string(error, "detail");
	char	   *hint = jsonb_member_string(error, "hint");
	char	   *context = own_context(error);
	char	   *step_id = jsonb_member_string(error, "step_id");
	int			code = ERRCODE_RAISE_EXCEPTION;

	if (sqlstate != NULL && strlen(sqlstate) == 5)
		code = MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3],
							 sqlstate[4]);
	ereport(ERROR,
			(errcode(code),
			 errmsg("%s", message ? message : "the workflow failed"),
			 detail ? errdetail("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0,
			 err_stored_names(error),
			 /* a macro of two calls: it needs the parentheses */
			 context ? (errcontext("%s", context)) : 0,
			 step_id ?
			 (errcontext("step \"%s\" of workflow \"%s\" (version %d)", step_id,
						 thread->execution->workflow, thread->execution->version)) :
			 (errcontext("workflow \"%s\" (version %d)", thread->execution->workflow,
						 thread->execution->version))));
}

Jsonb *
execute_inline(const Definition *definition, Jsonb *input, int64 *execution_id)
{
	LoadedExecution *execution;
	Thread	   *thread;
	Jsonb	   *output;
	MemoryContext callercontext = CurrentMemoryContext;

	*execution_id = execution_insert_inline(definition, GetUserId(), input, session_traceparent());
	fault_point("execution.inline");
	execution = execution_load(*execution_id);
	thread = thread_create(execution, false);
	thread->parks = false;

	for (;;)
	{
		ThreadAction action = thread_next(thread);

		CHECK_FOR_INTERRUPTS();
		/* for errors; the caller's context lives until its statement ends */
		MemoryContextSwitchTo(thread->step_contexts[thread->step_context]);
		if (action == THREAD_LEAF)
			inline_leaf(thread);
		MemoryContextSwitchTo(thread->step_contexts[1 - thread->step_context]);
		journal_flush(thread);
		if (action == THREAD_ENDED)
			break;
		journal_committed(thread, false);
	}

	if (thread->execution_status != EXECUTION_COMPLETED)
		raise_failure(thread);
	MemoryContextSwitchTo(callercontext);
	output = thread->execution_output ?
		(Jsonb *) PG_DETOAST_DATUM_COPY(
			PointerGetDatum(thread->execution_output)) :
		jsonb_null();
	thread_free(thread);
	return output;
}

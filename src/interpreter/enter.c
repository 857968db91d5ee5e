/*-------------------------------------------------------------------------
 *
 * enter.c
 *	  Entering a step: is it to run, with what input, and what does it do?
 *
 * NOTES
 *	  Same place and transaction as thread.c.  Steps without user SQL (set,
 *	  succeed, fail, skipped ones) end here; a leaf is only prepared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "definition/steps/agent.h"
#include "definition/steps/sql.h"
#include "interpreter/jsonb_values.h"
#include "interpreter/leaf.h"
#include "interpreter/steps/step_ops.h"
#include "interpreter/thread.h"
#include "shared/trust.h"

/*
 * The last visit of a step on a cycle in the frame's scope; 0: none yet, -1:
 * the table knows.
 */
static int *
last_visit(Frame *frame, const PlanNode *node)
{
	if (frame->visits == NULL)
	{
		int			count = frame->frontier.scope->nnodes;

		frame->visits = MemoryContextAlloc(frame->scope_context,
										   count * sizeof(int));
		for (int i = 0; i < count; i++)
			frame->visits[i] = frame->fresh ? 0 : -1;
	}
	return &frame->visits[node->position];
}

/*
 * The number of this visit.  Only a step on a cycle can be visited more than
 * once in a scope.
 */
static int
next_visit(Thread *thread, Frame *frame, PlanNode *node)
{
	int		   *visit;

	if (!node->on_cycle)
		return 1;
	visit = last_visit(frame, node);
	if (*visit < 0)
	{
		StepRecord *record = step_find(thread->execution->id, frame->scope,
									   node->id, 0);

		*visit = record ? record->visit : 0;
	}
	return ++*visit;
}

/* The leaf cannot even begin: record that. */
static void
step_not_started(Thread *thread, Frame *frame, PlanNode *node, StepRow *row,
				 StepStatus status, const StepError *error)
{
	step_fail(row, status, error);
	step_ended(thread, frame, node, row);
}

/* The step's own word goes before the definition's. */
static TransactionMode
leaf_mode(const WorkflowPlan *plan, const PlanNode *node)
{
	TransactionMode mode = node->transaction;

	if (mode.isolation == ISOLATION_UNSAID)
		mode.isolation = plan->transaction.isolation;
	if (mode.read_only == SWITCH_UNSAID)
		mode.read_only = plan->transaction.read_only;
	if (mode.deferrable == SWITCH_UNSAID)
		mode.deferrable = plan->transaction.deferrable;
	return mode;
}

/* Say what an agent step runs.  Returns an error, or NULL. */
static StepError *
leaf_agent(PlanNode *node, Leaf *leaf, int *timeout_seconds)
{
	const char *name = step_agent(node);
	const Agent *agent;
	bool		lost;
	bool		owned;
	bool		trusted;
	StepError  *error;

	/* the step before may have taken long, and no lock was taken since */
	AcceptInvalidationMessages();
	agent = agent_find(name);
	lost = (agent != NULL && agent->kind == AGENT_FUNCTION &&
			!OidIsValid(agent->function));
	/* nobody vouches any more for what would run with the rights of another */
	owned = agent == NULL || agent->owned;
	trusted = agent == NULL ||
		(owned && owner_is_trusted(agent->owner, GetUserId()));
	if (agent != NULL && trusted && agent->active &&
		agent->kind != AGENT_QUEUE && !lost)
	{
		leaf->task.kind = agent->kind == AGENT_FUNCTION ? SQL_TASK_FUNCTION :
														  SQL_TASK_STATEMENTS;
		leaf->task.function = agent->function;
		/*
		 * the leaf may run in another transaction than this, the agent is for
		 * this one
		 */
		leaf->task.sql = agent->sql ? pstrdup(agent->sql) : NULL;
		leaf->task.result = agent->result;
		leaf->breaker = agent->breaker;
		if (*timeout_seconds == 0)
			*timeout_seconds = agent->timeout_seconds;
		return NULL;
	}

	error = palloc0(sizeof(StepError));
	if (agent == NULL)
	{
		error->type = "AgentNotFound";
		error->sqlerrcode = ERRCODE_UNDEFINED_OBJECT;
		error->message = psprintf("agent \"%s\" does not exist", name);
		error->hint = "Register it with workflow.register_agent().";
	}
	else if (!owned)
	{
		error->type = "AgentNotTrusted";
		error->sqlerrcode = ERRCODE_INSUFFICIENT_PRIVILEGE;
		error->message = psprintf("agent \"%s\" belongs to a role that does not exist", name);
		error->hint = "The owner of the extension can give it to another role with workflow.reassign_owned().";
	}
	else if (!trusted)
	{
		error->type = "AgentNotTrusted";
		error->sqlerrcode = ERRCODE_INSUFFICIENT_PRIVILEGE;
		error->message = psprintf("agent \"%s\" belongs to a role that is not among \"workflow.trusted_owners\"",
								  name);
		error->hint = "Look at the agent, and add its owner to the setting of the role that starts the workflow.";
	}
	else if (lost && agent->active)
	{
		error->type = "AgentNotFound";
		error->sqlerrcode = ERRCODE_UNDEFINED_FUNCTION;
		error->message = psprintf("function %s of agent \"%s\" does not exist",
								  agent->function_name, name);
		error->hint = "Create the function, or use workflow.register_agent() again.";
	}
	else if (!agent->active)
	{
		error->type = "AgentInactive";
		error->sqlerrcode = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
		error->message = psprintf("agent \"%s\" is inactive", name);
		error->hint = "Activate it with workflow.set_agent_status().";
	}
	else
	{
		error->type = "AgentKind";
		error->sqlerrcode = ERRCODE_FEATURE_NOT_SUPPORTED;
		error->message = psprintf("agent \"%s\" is served by a queue", name);
	}
	return error;
}

/*
 * Prepare a step that runs user SQL.  Returns false when it failed before it
 * began; the failure is recorded then.
 */
bool
leaf_prepare(Thread *thread, Frame *frame, PlanNode *node, StepRow *row)
{
	const SqlPart *sql = sql_part(node);
	Leaf	   *leaf = &thread->leaf;
	EvaluateContext context;
	StepError  *error = NULL;
	int			timeout_seconds = node->timeout_seconds;

	memset(leaf, 0, sizeof(Leaf));
	leaf->node = node;
	leaf->visit = row->visit;
	leaf->attempt = row->attempt;
	leaf->scope = frame->scope;
	leaf->iteration = row->loop_iteration_index;
	leaf->loop_label = row->loop_label;
	leaf->agent_name = step_agent(node);
	leaf->started_at = row->started_at;
	leaf->task.kind = SQL_TASK_STATEMENTS;
	if (sql != NULL)
	{
		leaf->task.sql = sql->text;
		leaf->task.result = sql->result;
		leaf->transaction_none = sql->outside;
	}
	leaf->transaction = leaf_mode(thread->plan, node);
	leaf_settings(thread, node, &leaf->task);

	evaluate_in(thread, frame, &context);
	if (thread->execution->step_inputs != NULL)
		leaf->input = jsonb_get_member(thread->execution->step_inputs,
									   scope_step_path(frame->scope, node->id,
													   row->visit));
	if (leaf->input == NULL && node->input_mapping != NULL)
	{
		leaf->input = evaluate_template(&context, node->input_mapping);
		if (leaf->input == NULL)
			error = mapping_error("input_mapping", &context);
	}
	leaf->task.input = leaf->input;
	row->input = leaf->input;

	if (error == NULL && sql != NULL && sql->nparams > 0)
	{
		leaf->task.nparams = sql->nparams;
		leaf->task.params = palloc(sql->nparams * sizeof(Jsonb *));
		for (int i = 0; i < sql->nparams && error == NULL; i++)
		{
			leaf->task.params[i] = evaluate_template(&context, sql->params[i]);
			if (leaf->task.params[i] == NULL)
				error = mapping_error(psprintf("params[%d]", i), &context);
		}
	}
	if (error == NULL && leaf->agent_name != NULL)
		error = leaf_agent(node, leaf, &timeout_seconds);
	if (error != NULL)
	{
		step_not_started(thread, frame, node, row, STATUS_FAILED, error);
		return false;
	}

	leaf_set_deadline(leaf, frame->deadline, timeout_seconds);
	return true;
}

/*
 * Is it the attempt whose process did not respond?  Then it has begun, whatever
 * the time.
 */
bool
is_stuck_attempt(Thread *thread, const Frame *frame, const PlanNode *node,
				 int visit, int attempt)
{
	const StuckAttempt *stuck = thread->stuck;

	return stuck != NULL && stuck->execution_id == thread->execution->id &&
		stuck->node == node->index && stuck->visit == visit &&
		stuck->attempt == attempt && scope_is(&stuck->scope, &frame->scope_id);
}

/*
 * Take the step the frame stands at.  again: it has ended, or a scope was
 * opened; the thread goes on.
 */
ThreadAction
step_enter(Thread *thread, Frame *frame, PlanNode *node, bool *again)
{
	bool		again_after_failure = frame->next_attempt > 1;
	bool		asks_when = !again_after_failure || frame->never_begun;
	int			visit = again_after_failure ? frame->attempt_visit :
		node->compensates >= 0 ? epilogue_visit(thread) :
		next_visit(thread, frame, node);
	StepRow    *row = step_row(thread, frame, node, visit);
	EvaluateContext context;

	*again = true;
	if (again_after_failure)
	{
		row->attempt = frame->next_attempt;
		/* that of a container is another visit */
		if (node->on_cycle)
			*last_visit(frame, node) = visit;
	}
	frame->next_attempt = 0;
	frame->never_begun = false;
	if (frame->deadline != DT_NOEND && row->started_at >= frame->deadline &&
		!is_stuck_attempt(thread, frame, node, visit, row->attempt))
	{
		StepError	error = {"Timeout", NOT_STARTED "the time for its scope was over",
		.sqlerrcode = ERRCODE_QUERY_CANCELED};

		step_not_started(thread, frame, node, row, STATUS_TIMED_OUT, &error);
		return THREAD_LEAF;
	}
	if (node->max_visits > 0 && visit > node->max_visits)
	{
		StepError	error = {"MaxVisitsExceeded", .sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED};

		error.message =
			psprintf("step \"%s\" was to be visited more than %d times",
					 node->id, node->max_visits);
		error.hint = "See \"max_visits\" of the step.";
		step_not_started(thread, frame, node, row, STATUS_FAILED, &error);
		return THREAD_LEAF;
	}
	if (step_is_skipped(thread, node, &row->output))
	{
		row->status = STATUS_SKIPPED;
		step_ended(thread, frame, node, row);
		return THREAD_LEAF;
	}
	if (node->when != NULL && asks_when)
	{
		char	   *why;
		bool		go;

		evaluate_in(thread, frame, &context);
		go = evaluate_condition(&context, node->when, &why);
		if (!go)
		{
			row->status = STATUS_SKIPPED;
			row->condition_expression = node->when_text;
			row->condition_result = false;
			if (why != NULL)
			{
				row->error_type = "ConditionError";
				row->error = step_error_jsonb(condition_error(why), node->id,
											  frame->scope);
			}
			step_ended(thread, frame, node, row);
			return THREAD_LEAF;
		}
	}

	return step_ops[node->type]->enter(thread, frame, node, visit, row, again);
}

/*
 * The step the frame stands at has begun, and waits: has come what it waits
 * for?  A hold comes too late for it; who skips it ends its wait.
 */
ThreadAction
step_go_on(Thread *thread, Frame *frame, bool *again)
{
	PlanNode   *node = frame->at;
	StepRow    *row = palloc(sizeof(StepRow));

	*again = true;
	/* what is written lives as long as the rows of other steps */
	*row = *frame->open;
	frame->open = NULL;
	if (step_is_skipped(thread, node, &row->output))
	{
		row->status = STATUS_SKIPPED;
		row->retry_at = 0;
		step_ended(thread, frame, node, row);
		return THREAD_LEAF;
	}
	return step_ops[node->type]->woken(thread, frame, node, row, again);
}

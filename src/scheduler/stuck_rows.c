/*-------------------------------------------------------------------------
 *
 * stuck_rows.c
 *	  The row of an attempt that got stuck, written by the scheduler.
 *
 * NOTES
 *	  Scheduler only.  Where the thread goes on its next run writes it: see
 *	  stuck.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "definition/steps/agent.h"
#include "interpreter/breaker.h"
#include "interpreter/leaf.h"
#include "scheduler/live.h"
#include "state/event_log.h"

/*
 * What an iteration is called, by its scope; NULL: nothing.  Its rows say so;
 * when the attempt's is the first of them, what the executor has shown, which
 * may be clipped.
 */
static const char *
label_of(int64 execution_id, const char *iteration, const StuckAttempt *stuck)
{
	const char *label;

	if (stuck->label[0] == '\0')
		return NULL;
	label = step_scope_label(execution_id, iteration);
	return label != NULL ? label : stuck->label;
}

/* In a transaction. */
static void
record_attempt(int64 execution_id, int definition_id, Oid role,
			   const StuckAttempt *stuck)
{
	WorkflowPlan *plan;
	Leaf		leaf = {0};
	StepRow		row = {0};
	const ScopeId *scope = &stuck->scope;
	StepError  *error;

	plan = definition_plan_if_any(definition_id);
	/* which step it is stays with the definition */
	if (plan == NULL)
		return;
	leaf.node = &plan->nodes[stuck->node];
	error = leaf_stuck_error(&leaf, stuck);

	row.execution_id = execution_id;
	row.scope = scope_path(plan, scope);
	row.step_id = leaf.node->id;
	row.visit = stuck->visit;
	row.attempt = stuck->attempt;
	row.type = leaf.node->type;
	row.scope_outcome = SCOPE_CANCELLED;
	row.agent_name = step_agent(leaf.node);
	row.condition_result = -1;
	row.loop_iteration_index = -1;
	row.loop_collection_size = -1;
	row.executor_pid = stuck->pid;
	row.started_at = stuck->started_at;
	row.completed_at = GetCurrentTimestamp();
	step_fail(&row, STATUS_FAILED, error);
	for (int i = scope->depth - 1; i >= 0; i--)
	{
		PlanNode   *container = &plan->nodes[scope->level[i].node];

		if (i == scope->depth - 1)
		{
			row.parent_step_id = container->id;
			if (!step_iterates(container))
				row.branch_name = container->lines[scope->level[i].child].name;
		}
		if (step_iterates(container))
		{
			ScopeId		iteration = *scope;

			iteration.depth = i + 1;
			row.loop_iteration_index = scope->level[i].child;
			row.loop_label = label_of(execution_id,
									  scope_path(plan, &iteration), stuck);
			break;
		}
	}
	/*
	 * the condition of a loop, asked in an iteration, is no step of that: it
	 * has no row
	 */
	if (!step_iterates(leaf.node))
		step_insert_once(&row);
	log_step(&row, NULL);
	breaker_call_stuck(leaf.node, role, error);
}

/* An attempt to be recorded, which may outlast its execution in memory. */
typedef struct StuckRecord
{
	int			definition_id;
	Oid			role;
	StuckAttempt attempt;
} StuckRecord;

static bool
record_now(int64 id, void *argument)
{
	StuckRecord *record = argument;
	bool		committed;

	ATTEMPT(committed)
	{
		record_attempt(id, record->definition_id, record->role,
					   &record->attempt);
	}
	ATTEMPT_END(committed, true);
	if (committed)
		pfree(record);
	return committed;
}

void
stuck_record(LiveExecution *execution, const StuckAttempt *stuck)
{
	StuckRecord *record = MemoryContextAlloc(live_context, sizeof(StuckRecord));
	int64		id = execution->id;

	record->definition_id = execution->definition_id;
	record->role = execution->role;
	record->attempt = *stuck;
	if (!record_now(id, record))
		postpone(record_now, id, record);
}

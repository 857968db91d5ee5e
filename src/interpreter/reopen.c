/*-------------------------------------------------------------------------
 *
 * reopen.c
 *	  Making the rows of an execution that has ended those of one that goes on.
 *
 * NOTES
 *	  workflow.retry() asks for it; it is done when no run of the time before is
 *	  left, by the executor that goes on, in its first transaction.  From the
 *	  root down: what ended a scope badly is tried again, or, a container with
 *	  children, opened again; so are their children.  What has completed stays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "definition/scope.h"
#include "definition/steps/terminal.h"
#include "interpreter/frontier_rows.h"
#include "interpreter/reopen.h"
#include "interpreter/steps/step_ops.h"
#include "shared/fault.h"
#include "state/reopen.h"

typedef struct Reopening
{
	int64		execution_id;
	const WorkflowPlan *plan;
	bool		change;
	TimestampTz epilogue;		/* when it began; DT_NOEND: there was none,
								 * or its rows are aside */
	List	   *failed;			/* keys of leaves that failed */
} Reopening;

/*
 * What the newest row of a scope says, as the execution was when it ended: a
 * container, or a step that waits, that was closed with what is around it was
 * open then.  That its time was over is said by its own thread, as Timeout.
 */
static FrontierRow
row_as_left(const StepRecord *record, const PlanNode *node)
{
	StepRecord	left = *record;

	if ((step_is_container(node) || step_waits(node)) &&
		record->scope_outcome == SCOPE_OPEN &&
		(record->status == STATUS_CANCELLED ||
		 (record->status == STATUS_TIMED_OUT &&
		  (record->error_type == NULL ||
		   strcmp(record->error_type, "Timeout") != 0))))
		left.status = STATUS_RUNNING;
	return frontier_row(node, &left);
}

/*
 * Did the row, the newest of its scope, keep it from ending well?  Where it
 * ended the execution, further in than the root scope, its scope has not ended
 * for what is around it.
 */
static bool
is_unfinished(const WorkflowPlan *plan, const StepRecord *record,
			  const PlanNode *node)
{
	FrontierRow row = row_as_left(record, node);
	Frontier	frontier;

	frontier_begin(&frontier, plan,
				   plan_scope(plan,
							  node->container >= 0 ?
								  &plan->nodes[node->container] :
								  NULL,
							  node->line));
	frontier_add(&frontier, &row, 1);
	if (!frontier.ended)
		return row.stand == STAND_OPEN &&
			frontier_next(&frontier) == node->index;
	if (record->scope_outcome == SCOPE_COMPLETED)
		return step_is_terminal(node) && !step_ends_scope(node) &&
			record->scope[0] != '\0';
	return record->scope_outcome != SCOPE_SKIPPED;
}

static void
reopen_scope(Reopening *reopening, const char *scope)
{
	StepRecord *record = step_newest_of_scope(reopening->execution_id, scope,
											  reopening->epilogue);
	PlanNode   *node = record ? plan_find(reopening->plan, record->step_id) :
								NULL;
	bool		container;
	char	   *from;
	char	   *to;
	char	  **children;
	int			count;

	CHECK_FOR_INTERRUPTS();
	check_stack_depth();
	if (node == NULL)
		return;
	/* nobody has come to record that it was stopped: it waits on */
	if (record->status == STATUS_WAITING)
		return;
	container = step_is_container(node);
	/*
	 * it was stopped while it waited for another attempt: that is made at once
	 */
	if (record->retry_at != 0)
	{
		if (reopening->change)
			step_retry(reopening->execution_id, record);
		return;
	}
	if (!is_unfinished(reopening->plan, record, node))
		return;
	if (!container || never_began(record) ||
		(record->status != STATUS_RUNNING &&
		 !step_ops[node->type]->was_opened(node, record->loop_collection_size,
										   record->branch_taken)))
	{
		if (record->status == STATUS_FAILED ||
			record->status == STATUS_TIMED_OUT)
			reopening->failed = lappend(reopening->failed,
										scope_step_path(scope, record->step_id,
														record->visit));
		if (reopening->change)
			step_retry(reopening->execution_id, record);
		return;
	}
	if (reopening->change && record->status != STATUS_RUNNING)
		step_reopen(reopening->execution_id, record);
	if (step_chooses(node))
	{
		int			line = plan_find_line(node, record->branch_taken);

		if (line >= 0)
			reopen_scope(reopening,
						 scope_child_path(scope, node, record->visit, line));
		return;
	}
	scope_children_range(scope, node, record->visit, &from, &to);
	children = step_unfinished_children(reopening->execution_id, from, to,
										node->id, &count);
	for (int i = 0; i < count; i++)
		reopen_scope(reopening, children[i]);
}

/* Ids of the steps of the epilogue, or of its compensations only. */
static char **
epilogue_steps(const WorkflowPlan *plan, bool compensations, int *count)
{
	char	  **ids = palloc(plan->nnodes * sizeof(char *));

	*count = 0;
	for (int i = 0; i < plan->nnodes; i++)
		if (plan->nodes[i].compensates >= 0 ||
			(plan->nodes[i].in_chain && !compensations))
			ids[(*count)++] = plan->nodes[i].id;
	return ids;
}

/* When the epilogue began, 0: there was none. */
static TimestampTz
epilogue_began(int64 execution_id, const WorkflowPlan *plan)
{
	int			count;
	char	  **ids = epilogue_steps(plan, false, &count);

	return count > 0 ? steps_began(execution_id, ids, count, false) : 0;
}

bool
execution_is_compensated(int64 execution_id, const WorkflowPlan *plan)
{
	int			count;
	char	  **ids = epilogue_steps(plan, true, &count);

	return count > 0 && steps_began(execution_id, ids, count, true) != 0;
}

void
reopen_execution(LoadedExecution *execution)
{
	Reopening	reopening = {.execution_id = execution->id,.change = true,.epilogue = DT_NOEND};
	TimestampTz epilogue;

	reopening.plan = definition_plan(execution->definition_id);
	epilogue = epilogue_began(execution->id, reopening.plan);
	if (epilogue != 0)
		step_set_aside(execution->id, execution->retries, epilogue);
	/*
	 * one that is to end before it has gone on has another epilogue, and
	 * nothing else
	 */
	if (!execution->decided)
	{
		if (execution->reopen_from != 0)
			step_set_aside(execution->id, execution->retries,
						   execution->reopen_from);
		reopen_scope(&reopening, "");
	}
	execution_reopened(execution->id);
	fault_point("execution.reopened");
}

List *
reopen_failed_steps(int64 execution_id, const WorkflowPlan *plan)
{
	Reopening	reopening = {.execution_id = execution_id,.plan = plan};

	reopening.epilogue = epilogue_began(execution_id, plan);
	if (reopening.epilogue == 0)
		reopening.epilogue = DT_NOEND;
	reopen_scope(&reopening, "");
	return reopening.failed;
}

/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  The rows that the interpreter makes of steps.
 *
 * NOTES
 *	  In a transaction; they are written by the journal.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "definition/steps/agent.h"
#include "definition/steps/loop.h"
#include "interpreter/thread.h"

/* A row without times. */
StepRow *
timeless_row(Thread *thread, Frame *frame, PlanNode *node, int visit)
{
	StepRow    *row = MemoryContextAllocZero(thread_step_context(thread),
										  sizeof(StepRow));

	row->execution_id = thread->execution->id;
	row->scope = frame->scope;
	row->step_id = node->id;
	row->visit = visit;
	row->attempt = 1;
	row->type = node->type;
	row->status = STATUS_COMPLETED;
	row->agent_name = step_agent(node);
	row->condition_result = -1;
	row->loop_iteration_index = -1;
	row->loop_collection_size = -1;
	if (frame->container != NULL)
	{
		Frame	   *iteration = frame;

		row->parent_step_id = frame->container->id;
		while (iteration->container != NULL &&
			   !step_iterates(iteration->container))
			iteration = iteration->parent;
		if (iteration->container != NULL)
		{
			row->loop_iteration_index = iteration->child;
			if (loop_part(iteration->container)->label != NULL)
				row->loop_label = iteration_label(thread, iteration);
		}
		if (!step_iterates(frame->container))
			row->branch_name = frame->container->lines[frame->child].name;
	}
	return row;
}

/*
 * A row for a step of this scope, in the step context, with what is known
 * before it runs.
 */
StepRow *
step_row(Thread *thread, Frame *frame, PlanNode *node, int visit)
{
	StepRow    *row = timeless_row(thread, frame, node, visit);

	row->started_at = thread_time(thread);
	return row;
}

/* The row of the leaf that has just ended. */
StepRow *
leaf_row(Thread *thread)
{
	Leaf	   *leaf = &thread->leaf;
	StepRow    *row = timeless_row(thread, thread->top, leaf->node, leaf->visit);

	row->attempt = leaf->attempt;
	row->started_at = leaf->started_at;
	row->input = leaf->input;
	row->agent_name = leaf->agent_name;
	row->executor_pid = leaf->executor_pid;
	return row;
}

/* Settings of the definition first, the step's own over them. */
void
leaf_settings(Thread *thread, const PlanNode *node, SqlTask *task)
{
	WorkflowPlan	   *plan = thread->plan;
	PlanSetting *settings;

	if (plan->nsettings == 0 || node->nsettings == 0)
	{
		task->settings = plan->nsettings ? plan->settings : node->settings;
		task->nsettings = plan->nsettings + node->nsettings;
		return;
	}
	settings = palloc((plan->nsettings + node->nsettings) *
					  sizeof(PlanSetting));
	memcpy(settings, plan->settings, plan->nsettings * sizeof(PlanSetting));
	memcpy(settings + plan->nsettings, node->settings,
		   node->nsettings * sizeof(PlanSetting));
	task->settings = settings;
	task->nsettings = plan->nsettings + node->nsettings;
}

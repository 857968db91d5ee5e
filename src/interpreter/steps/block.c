/*-------------------------------------------------------------------------
 *
 * block.c
 *	  Blocks of children that run at the same time, or one after the other where
 *	  nothing runs at the same time: parallel, fork_join.
 *
 * NOTES
 *	  Same place and transaction as thread.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/scope.h"
#include "interpreter/steps/step_ops.h"

static ThreadAction
block_enter(Thread *thread, Frame *frame, PlanNode *node, int visit,
			StepRow *row, bool *again)
{
	row->join_policy = join_policy_name(node->join.policy);
	if (!join_begins_more(&node->join, &(JoinCounts) {.total = node->nlines}))
	{
		container_close(thread, frame, node, visit, row);
		return THREAD_LEAF;
	}
	if (thread->forks)
	{
		*again = false;
		return container_fork(thread, frame, node, visit, row, node->nlines);
	}
	container_enter(thread, node, visit, row, 0);
	return THREAD_LEAF;
}

/* Children that ran one after the other: the first that has not ended. */
static void
block_resume(Thread *thread, Frame *frame, PlanNode *node,
			 const StepRecord *record pg_attribute_unused(), StepRow *row)
{
	char	   *from;
	char	   *to;
	int			count;
	StepRecord *records;
	bool	   *ended = palloc0(node->nlines * sizeof(bool));
	JoinCounts	counts = {.total = node->nlines};

	scope_children_range(frame->scope, node, row->visit, &from, &to);
	records = step_children(thread->execution->id, from, to, node->id, false,
							&count);
	for (int i = 0; i < count; i++)
	{
		int			line = plan_find_line(node, records[i].branch_name);

		if (line >= 0)
			ended[line] = true;
		step_count_child(&counts, records[i].scope_outcome);
	}
	for (int line = 0; line < node->nlines; line++)
	{
		if (ended[line] || !join_begins_more(&node->join, &counts))
			continue;
		container_enter(thread, node, row->visit, row, line);
		thread->top->counts = counts;
		frame_remember_ended(thread->top, ended, node->nlines);
		frame_attach_deadline(thread, thread->top, false);
		thread_find_frontier(thread);
		return;
	}
	container_close(thread, frame, node, row->visit, row);
}

static bool
block_was_opened(const PlanNode *node pg_attribute_unused(),
				 int collection_size pg_attribute_unused(),
				 const char *branch_taken pg_attribute_unused())
{
	return true;
}

const StepOps block_ops = {
	.enter = block_enter,
	.child_ended = container_child_ended,
	.resume = block_resume,
	.was_opened = block_was_opened
};

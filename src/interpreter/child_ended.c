/*-------------------------------------------------------------------------
 *
 * child_ended.c
 *	  Going from child to child of a container, in one thread.
 *
 * NOTES
 *	  Same place and transaction as thread.c.  Above resume.c, since a child
 *	  that had begun before is gone back into.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "definition/steps/loop.h"
#include "interpreter/join.h"
#include "interpreter/thread.h"

/*
 * Among children some of which have been retried: the next that has not ended;
 * -1: none.
 */
static int
next_begun(const Frame *frame)
{
	for (int child = frame->child + 1; child < frame->nended; child++)
		if (!frame->ended[child])
			return child;
	return -1;
}

/*
 * A child that runs in this thread has ended, and with it the line of the top
 * frame: what does its container do?
 */
void
container_child_ended(Thread *thread, Frame *frame, ScopeOutcome outcome,
					  StepRow *last)
{
	PlanNode   *node = frame->container;
	bool		open_end = loop_asks(node);
	int			next;

	if (outcome == SCOPE_CANCELLED)
	{
		StepError	error = {.type = "Cancelled",.message = "the execution was stopped"};

		container_cut_short(thread, frame, STATUS_CANCELLED, &error);
		return;
	}
	step_count_child(&frame->counts, outcome);

	if (container_expired(thread, node, frame->parent, frame->opened_at,
						  last->completed_at))
	{
		StepError	error = {"Timeout", .sqlerrcode = ERRCODE_QUERY_CANCELED};

		error.message =
			psprintf("timeout: %d iterations of loop \"%s\" completed",
					 frame->counts.completed, node->id);
		if (open_end)
			container_cut_short(thread, frame, STATUS_TIMED_OUT, &error);
		else
			container_close_activation(thread);
	}
	else if (!join_begins_more(&node->join, &frame->counts))
		container_close_activation(thread);
	else if ((next = next_begun(frame)) >= 0)
		thread_resume_child(thread, next, last->completed_at);
	else if (open_end)
	{
		int			behind = Max(frame->child, frame->nended - 1);

		if (loop_part(node)->kind == LOOP_WHILE)
			frame_enter_child(thread, frame, behind + 1);
		else if (behind != frame->child)
			frame_enter_child(thread, frame, behind);
		frame->at = NULL;		/* the condition is next */
	}
	else if ((next = Max(frame->child + 1, frame->nended)) <
			 (step_iterates(node) ? frame->total : node->nlines))
	{
		frame_enter_child(thread, frame, next);
		frame_set_deadline(thread, frame, last->completed_at);
	}
	else
		container_close_activation(thread);
}

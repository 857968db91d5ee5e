/*-------------------------------------------------------------------------
 *
 * containers.c
 *	  Steps with children: opening and closing them.  (child_ended.c goes from
 *	  child to child.)
 *
 * NOTES
 *	  Same place and transaction as thread.c.  A container whose children run in
 *	  this thread has its activation (open row, collection) in the frame of the
 *	  child; one that forks has only its row.  Either way it is closed from the
 *	  rows of its children: container_close().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "definition/steps/loop.h"
#include "interpreter/join.h"
#include "interpreter/jsonb_values.h"
#include "interpreter/leaf.h"
#include "interpreter/thread.h"
#include "shared/settings.h"
#include "state/jsonb_text.h"

/*
 * Push the frame of a child and give it the container's open row, which is
 * journaled unless it is in the table already (resuming).
 */
Frame *
container_enter(Thread *thread, PlanNode *node, int visit, StepRow *row,
				int child)
{
	Frame	   *frame = thread_push(thread, node, visit, child);
	MemoryContext oldcontext = MemoryContextSwitchTo(frame->context);

	frame->row = palloc(sizeof(StepRow));
	*frame->row = *row;
	frame->row->status = STATUS_RUNNING;
	if (row->input != NULL)
		frame->row->input = (Jsonb *) PG_DETOAST_DATUM_COPY(
			PointerGetDatum(row->input));
	if (row->error != NULL)
		frame->row->error = (Jsonb *) PG_DETOAST_DATUM_COPY(
			PointerGetDatum(row->error));
	if (row->error_type != NULL)
		frame->row->error_type = pstrdup(row->error_type);
	if (row->branch_taken != NULL)
		frame->row->branch_taken = pstrdup(row->branch_taken);
	frame->opened_at = row->started_at;
	frame->total = row->loop_collection_size;
	frame->counts.total = step_iterates(node) ? Max(frame->total, 0) :
												node->nlines;
	frame->collection = frame->row->input;
	frame->activation_loaded = true;
	MemoryContextSwitchTo(oldcontext);

	frame_set_deadline(thread, frame, row->started_at);
	if (!row->written)
		journal_add(thread, frame->row);
	return frame;
}

/*
 * Stop here: the children go to other processes.  A row that is in the table
 * already means that some of them may have ended.
 */
ThreadAction
container_fork(Thread *thread, Frame *frame, PlanNode *node, int visit,
			   StepRow *row, int total)
{
	ForkReport *fork = &thread->fork;

	row->status = STATUS_RUNNING;
	if (!row->written)
		journal_add(thread, row);

	memset(fork, 0, sizeof(ForkReport));
	fork->scope = frame->scope_id;
	fork->node = node->index;
	fork->visit = visit;
	fork->total = total;
	fork->recovered = row->written;
	fork->max_parallelism = node->max_parallelism;
	fork->rule = node->join;
	/* in an executor the setting is that of the execution's role */
	fork->priority = node->priority ?
		Min(node->priority, setting_max_priority) :
		thread->execution->priority;
	fork->deadline = frame->deadline;
	if (node->timeout_seconds > 0)
		fork->deadline = Min(fork->deadline,
							 thread_deadline(thread, row->started_at,
											 node->timeout_seconds));
	return THREAD_FORK;
}

/*
 * A condition that is SQL becomes the leaf.  Returns NULL, or why its input
 * cannot be had.
 */
const char *
condition_leaf(Thread *thread, Frame *frame, PlanNode *node, int visit,
			   int attempt, const Condition *condition, TimestampTz started_at)
{
	Leaf	   *leaf = &thread->leaf;

	memset(leaf, 0, sizeof(Leaf));
	leaf->node = node;
	leaf->is_condition = true;
	leaf->visit = visit;
	leaf->attempt = attempt;
	leaf->scope = frame->scope;
	leaf->iteration = (frame->container && step_iterates(frame->container)) ?
		frame->child :
		-1;
	if (leaf->iteration >= 0 && loop_part(frame->container)->label != NULL)
		leaf->loop_label = iteration_label(thread, frame);
	leaf->started_at = started_at;
	/* the frame has the time of what is around it, a loop's own with it */
	leaf_set_deadline(leaf, frame->deadline,
					  step_chooses(node) ? node->timeout_seconds : 0);
	leaf->task.kind = SQL_TASK_CONDITION;
	leaf->task.sql = condition->sql;
	leaf->task.result = SQL_RESULT_VALUE;
	leaf_settings(thread, node, &leaf->task);
	leaf->transaction = thread->plan->transaction;
	if (node->input_mapping != NULL)
	{
		EvaluateContext context;

		evaluate_in(thread, frame, &context);
		leaf->input = evaluate_template(&context, node->input_mapping);
		if (leaf->input == NULL)
			return context.message;
		leaf->task.input = leaf->input;
	}
	return NULL;
}

bool
loop_asks(const PlanNode *container)
{
	const LoopPart *part = container != NULL ? loop_part(container) : NULL;

	return part != NULL && part->kind != LOOP_COLLECTION;
}

bool
container_expired(const Thread *thread, const PlanNode *node,
				  const Frame *parent, TimestampTz opened_at, TimestampTz at)
{
	if (parent->deadline != DT_NOEND && at >= parent->deadline)
		return true;
	return node->timeout_seconds > 0 &&
		at >= thread_deadline(thread, opened_at, node->timeout_seconds);
}

/*
 * Children of a block that have not begun and will not: a row says so, the same
 * however the block was run, so that whoever refers to them gets an answer.  It
 * does not end their scope: nothing of them has happened.  Iterations of a loop
 * get none: nobody can refer to them from outside, there may be very many, and
 * the loop counts them.
 */
static void
record_not_started(Thread *thread, Frame *frame, PlanNode *node, int visit,
				   const StepRow *row, const char *from, const char *to,
				   bool expired)
{
	StepError	error = {.type = "NotStarted", .sqlerrcode = ERRCODE_QUERY_CANCELED};
	int			nbegun;
	BegunChild *children = step_begun_children(thread->execution->id, from, to,
											   node->id, &nbegun);
	bool	   *begun = palloc0(node->nlines * sizeof(bool));

	for (int i = 0; i < nbegun; i++)
	{
		int			line = plan_find_line(node, children[i].branch_name);

		if (line >= 0)
			begun[line] = true;
	}
	error.message = expired ?
		psprintf(NOT_STARTED "the time of \"%s\" was over", node->id) :
		psprintf(NOT_STARTED "how \"%s\" ends was certain before", node->id);
	for (int line = 0; line < node->nlines; line++)
	{
		PlanNode   *first =
			&thread->plan->nodes[plan_scope(thread->plan, node, line)->first];
		StepRow    *skipped;

		if (begun[line])
			continue;
		skipped = step_row(thread, frame, first, 1);
		skipped->scope = scope_child_path(frame->scope, node, visit, line);
		skipped->parent_step_id = node->id;
		skipped->branch_name = node->lines[line].name;
		skipped->started_at = skipped->completed_at = row->completed_at;
		step_fail(skipped, STATUS_SKIPPED, &error);
		journal_add(thread, skipped);
	}
}

/*
 * Close a container from the rows of its children.  frame is the scope the
 * container is in, row its open row.  error: what ends it before its time, with
 * this status; what its children have done is kept.
 */
static void
close_with(Thread *thread, Frame *frame, PlanNode *node, int visit,
		   StepRow *row, StepStatus status, const StepError *error)
{
	char	   *from;
	char	   *to;
	bool		expired;
	int			unfinished = 0;

	/* the rows to be read are partly in the journal still */
	if (thread->njournal > 0)
		journal_flush(thread);

	scope_children_range(frame->scope, node, visit, &from, &to);
	row->completed_at = thread_time(thread);
	expired = container_expired(thread, node, frame, row->started_at,
								row->completed_at);
	/* children that were stopped, or not gone on with after a crash */
	if (container_is_concurrent(node) &&
		(join_may_stop_children(&node->join) || expired))
		step_close_open_between(thread->execution->id, from, to,
								expired ? STATUS_TIMED_OUT : STATUS_CANCELLED);
	if (step_iterates(node))
		join_loop(thread->execution->id, node, from, to, row, expired);
	else
		unfinished = join_lines(thread->execution->id, thread->plan, node, from,
								to, row, expired);
	if (error != NULL)
		step_fail(row, status, error);
	if (row->status == STATUS_TIMED_OUT && node->timeout_abort)
		row->output = NULL;
	if (unfinished > 0 && row->status != STATUS_CANCELLED)
		record_not_started(thread, frame, node, visit, row, from, to, expired);
	step_ended(thread, frame, node, row);
}

void
container_close(Thread *thread, Frame *frame, PlanNode *node, int visit,
				StepRow *row)
{
	close_with(thread, frame, node, visit, row, STATUS_COMPLETED, NULL);
}

void
container_close_activation(Thread *thread)
{
	Frame	   *frame = thread->top;

	thread_pop(thread);
	container_close(thread, thread->top, frame->container, frame->visit,
					frame->row);
}

/* The same, when the container cannot go on. */
void
container_cut_short(Thread *thread, Frame *frame, StepStatus status,
					const StepError *error)
{
	Assert(frame == thread->top);
	thread_pop(thread);
	close_with(thread, thread->top, frame->container, frame->visit, frame->row,
			   status, error);
}

bool
thread_may_pause(const Thread *thread)
{
	/* between compensations, wherever what they undo was */
	if (thread->epilogue != NULL && thread->top->at != NULL &&
		thread->top->at->compensates >= 0)
		return thread->top->next_attempt <= 1;
	for (const Frame *frame = thread->top;; frame = frame->parent)
	{
		if (frame->container != NULL && step_iterates(frame->container))
			return frame == thread->top && frame->next_attempt <= 1 &&
				(frame->at == NULL ||
				 frame->at->index == frame->frontier.scope->first);
		if (frame == thread->bottom)
			return true;
	}
}

/*-------------------------------------------------------------------------
 *
 * spans.c
 *	  Rows of an execution become a tree of spans.
 *
 * NOTES
 *	  Runs in sessions, inside the transaction of the caller.
 *
 *	  Rows come in the order of their scopes, so the row of a container comes
 *	  before those of its children, and an iteration is over before the next one
 *	  begins.  Each line has a memory context of its own, within that of the
 *	  line around it.  Of a loop, an iteration that is not kept is deleted as
 *	  soon as there are too many, so memory does not grow with their number.
 *	  Other lines are bounded by the plan, and thinned out at the end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "definition/scope.h"
#include "pictures/spans.h"
#include "pictures/thin_out.h"

/*
 * Steps kept of a line, branches and attempts kept of a step, lines altogether.
 */
#define MAX_STEPS_OF_LINE 2500
#define MAX_BRANCHES 100
#define MAX_ATTEMPTS 50
#define MAX_LINES 5000

/* What the groups are called: the type of the one, the id of the other. */
#define SET_ASIDE "set aside by a retry"
#define COMPENSATIONS "compensations"

typedef struct Reader
{
	SpanTree   *tree;
	int			max_iterations;	/* kept of a loop */
	bool		is_over;		/* the execution is */
	int			nlines;			/* kept, loops inside loops included */
	char	   *scope;			/* of the last row; NULL: none yet */
	Line	   *line;			/* it is in; NULL: one that was not kept */
	const PlanNode *waits;		/* the step of the last row, which waits for
								 * its next attempt; NULL: it does not */
	MemoryContext context;		/* of the tree */
} Reader;

static const char *const status_names[] = {
	[SPAN_COMPLETED] = "completed",
	[SPAN_FAILED] = "failed",
	[SPAN_TIMED_OUT] = "timed out",
	[SPAN_CANCELLED] = "cancelled",
	[SPAN_SKIPPED] = "skipped",
	[SPAN_RUNNING] = "running",
	[SPAN_WAITING] = "waiting"
};

const char *
span_status_name(SpanStatus status)
{
	return status_names[status];
}

bool
span_status_is_bad(SpanStatus status)
{
	return status == SPAN_FAILED || status == SPAN_TIMED_OUT ||
		status == SPAN_CANCELLED;
}

/* What the table says of a step, and of a scope. */
static const SpanStatus statuses[] = {
	[STATUS_RUNNING] = SPAN_RUNNING,
	[STATUS_WAITING] = SPAN_WAITING,
	[STATUS_COMPLETED] = SPAN_COMPLETED,
	[STATUS_FAILED] = SPAN_FAILED,
	[STATUS_TIMED_OUT] = SPAN_TIMED_OUT,
	[STATUS_CANCELLED] = SPAN_CANCELLED,
	[STATUS_SKIPPED] = SPAN_SKIPPED
};

static const SpanStatus outcomes[] = {
	[SCOPE_OPEN] = SPAN_RUNNING,
	[SCOPE_COMPLETED] = SPAN_COMPLETED,
	[SCOPE_FAILED] = SPAN_FAILED,
	[SCOPE_TIMED_OUT] = SPAN_TIMED_OUT,
	[SCOPE_CANCELLED] = SPAN_CANCELLED,
	[SCOPE_SKIPPED] = SPAN_SKIPPED
};

/*
 * What the rows so far say of a line: the row that ended it, if there is one.
 */
static void
update_line(const Reader *reader, Line *line, const Span *span,
			ScopeOutcome outcome)
{
	if (line->start == 0 || span->start < line->start)
		line->start = span->start;
	line->end = Max(line->end, span->end);
	if (outcome != SCOPE_OPEN)
	{
		line->status = outcomes[outcome];
		line->ended = true;
	}
	else if (!line->ended && reader->is_over)
		line->status = SPAN_CANCELLED;
	else if (!line->ended && span->status == SPAN_WAITING)
		line->status = SPAN_WAITING;
}

/* --- finding the place of a row --- */

/*
 * The step of a line that a row belongs to, NULL when there is none.  Rows of a
 * line come in the order of step and visit, so it is mostly the last one.
 */
static Span *
find_span(const Line *line, const char *step_id, int visit)
{
	for (int i = list_length(line->spans) - 1; i >= 0; i--)
	{
		Span	   *span = list_nth(line->spans, i);

		if (span->visit == visit && strcmp(span->step_id, step_id) == 0)
			return span;
	}
	return NULL;
}

/*
 * A container waits for its next attempt until that is there, which is another
 * visit.
 */
static void
end_wait_before(const Line *line, const TraceRow *row)
{
	Span	   *span = find_span(line, row->step_id, row->visit - 1);
	const Attempt *attempt;

	if (span == NULL || span->status != SPAN_WAITING)
		return;
	attempt = llast(span->attempts);
	span->status = attempt->status;
	span->end = attempt->end;
	span->due = 0;
}

static Span *
add_span(Line *line, const TraceRow *row)
{
	MemoryContext caller;
	Span	   *span;

	if (row->visit > 1)
		end_wait_before(line, row);
	if (list_length(line->spans) >= MAX_STEPS_OF_LINE)
		thin_out_spans(line);
	caller = MemoryContextSwitchTo(line->context);
	span = palloc0(sizeof(Span));
	span->step_id = pstrdup(row->step_id);
	span->visit = row->visit;
	span->type = pstrdup(row->type != NULL ? row->type : "");
	span->collection_size = -1;
	span->start = row->started_at;
	line->spans = lappend(line->spans, span);
	MemoryContextSwitchTo(caller);
	return span;
}

/*
 * Where a name that a path has stands among the branches of a container.
 */
static int
place_in_plan(const WorkflowPlan *plan, const char *step_id, const char *name)
{
	const PlanNode *node = plan_find(plan, step_id);

	return node != NULL ? Max(plan_find_path_line(node, name), 0) : 0;
}

static Line *
create_line(MemoryContext parent, const char *name, int order)
{
	MemoryContext context = AllocSetContextCreate(parent, "workflow line",
												  ALLOCSET_SMALL_SIZES);
	Line	   *line = MemoryContextAllocZero(context, sizeof(Line));

	line->context = context;
	line->name = MemoryContextStrdup(context, name);
	line->order = order;
	line->status = SPAN_RUNNING;
	return line;
}

/*
 * The line of a step by what a scope calls it: a branch's name, or NULL and the
 * number of an iteration.  Created when it is seen for the first time, unless
 * there are too many.
 */
static Line *
find_line(Reader *reader, MemoryContext around, Span *span, const char *name,
		  int iteration)
{
	MemoryContext caller;
	Line	   *line;
	bool		iterates = name == NULL;

	for (int i = list_length(span->lines) - 1; i >= 0; i--)
	{
		line = list_nth(span->lines, i);
		if (iterates ? line->order == iteration : strcmp(line->name, name) == 0)
			return line;
	}

	/* iterations before this one have come to their end */
	if (iterates)
		thin_out_lines(span, reader->max_iterations, &reader->nlines);
	if (reader->nlines >= MAX_LINES)
		return NULL;

	line = create_line(around, iterates ? psprintf("[%d]", iteration) : name,
					   iterates ? iteration :
					   place_in_plan(reader->tree->plan, span->step_id, name));
	line->iterates = iterates;
	caller = MemoryContextSwitchTo(around);
	span->lines = lappend(span->lines, line);
	MemoryContextSwitchTo(caller);
	reader->nlines++;
	return line;
}

/*
 * The line of a group, which is shown as a step of the root.  Visits of steps
 * begin with 1, so that no step of that name is taken for it.
 */
static Line *
line_of_group(Reader *reader, const char *name, const char *type,
			  TimestampTz start)
{
	Line	   *root = reader->tree->root;
	Span	   *span = find_span(root, name, 0);

	if (span == NULL)
	{
		TraceRow	row = {.step_id = name, .visit = 0, .type = type, .started_at = start};

		span = add_span(root, &row);
		span->group = true;
	}
	return find_line(reader, root->context, span, name, 0);
}

/*
 * A container whose row is written with that of the step that runs in it: what
 * is known of it is the plan's.  NULL when it may be one that is not kept.
 */
static Span *
add_container(Reader *reader, Line *line, const char *step_id, int visit,
			  TimestampTz start)
{
	const PlanNode *node = plan_find(reader->tree->plan, step_id);
	TraceRow	row = {.step_id = step_id, .visit = visit, .started_at = start};
	Span	   *span;

	if (node == NULL || !step_is_container(node) || line->left_out.count > 0)
		return NULL;
	row.type = step_type_name(node->type);
	span = add_span(line, &row);
	span->status = SPAN_RUNNING;
	span->end = reader->tree->execution->now;
	update_line(reader, line, span, SCOPE_OPEN);
	return span;
}

/*
 * Does the row stand for a step that runs this moment, and has none in the
 * table yet?
 */
static bool
is_running_leaf(const Reader *reader, const TraceRow *row)
{
	const PlanNode *node = plan_find(reader->tree->plan, row->step_id);

	return node != NULL && !step_is_container(node) && row->completed_at == 0 &&
		row->status == STATUS_RUNNING;
}

/*
 * The line that the scope of a row names; NULL when what is on the way there is
 * not kept.
 */
static Line *
line_of_scope(Reader *reader, const TraceRow *row)
{
	const char *scope = row->scope;
	TimestampTz start = row->started_at;
	Line	   *line = reader->tree->root;
	const char *p = scope;
	char	   *set_aside = scope_skip_set_aside(&p);

	if (set_aside != NULL)
		line = line_of_group(reader, set_aside, SET_ASIDE, start);
	while (*p != '\0' && line != NULL)
	{
		ScopeText	level;
		Span	   *span;

		if (!scope_next_level(&p, &level))
			return NULL;
		span = find_span(line, level.step, level.visit);
		if (span == NULL && is_running_leaf(reader, row))
			span = add_container(reader, line, level.step, level.visit, start);
		if (span == NULL)
			return NULL;
		line = find_line(reader, line->context, span, level.line,
						 level.iteration);
	}
	return line;
}

/* --- a row becomes part of the tree --- */

/*
 * "type: message" of a failed attempt.
 */
static char *
error_text(const Reader *reader, const TraceRow *row)
{
	if (row->error_type == NULL)
		return NULL;
	if (!reader->tree->texts || row->error_message == NULL ||
		row->error_message[0] == '\0')
		return pstrdup(row->error_type);
	return psprintf("%s: %s", row->error_type, row->error_message);
}

/*
 * Add an attempt to a step; beyond MAX_ATTEMPTS it takes the place of the last.
 */
static void
add_attempt(const Reader *reader, Span *span, const TraceRow *row)
{
	Attempt    *attempt = palloc0(sizeof(Attempt));

	attempt->status = statuses[row->status];
	attempt->start = row->started_at;
	attempt->end = row->completed_at != 0 ? row->completed_at :
											reader->tree->execution->now;
	attempt->end = Max(attempt->end, attempt->start);
	attempt->error = error_text(reader, row);

	if (list_length(span->attempts) >= MAX_ATTEMPTS)
		span->attempts = list_delete_last(span->attempts);
	span->attempts = lappend(span->attempts, attempt);
	span->last_attempt = row->attempt;
	span->start = Min(span->start, attempt->start);
	span->end = attempt->end;
	span->status = attempt->status;
	span->due = 0;
	if (row->retry_at != 0 && !reader->is_over)
	{
		span->status = SPAN_WAITING;
		span->due = row->retry_at;
		span->end = reader->tree->execution->now;
	}
	span->on_failure = row->on_failure;
	if (span->agent_name == NULL && row->agent_name != NULL)
		span->agent_name = pstrdup(row->agent_name);
	if (row->branch_taken != NULL)
		span->detail = pstrdup(row->branch_taken);
	span->collection_size = Max(span->collection_size, row->collection_size);
}

/* Attempts at a step follow each other. */
static void
count_row(Reader *reader, const TraceRow *row)
{
	SpanTree   *tree = reader->tree;
	const PlanNode *waited = reader->waits;
	const PlanNode *node = plan_find(tree->plan, row->step_id);
	TimestampTz end = row->completed_at != 0 ? row->completed_at :
											   tree->execution->now;

	tree->attempts++;
	reader->waits = NULL;
	if (node != NULL && row->scope[0] != SCOPE_SET_ASIDE)
	{
		StepTotals *totals = &tree->totals[node->index];

		totals->attempts++;
		if (node == waited && row->attempt > 1)
			totals->by_status[SPAN_WAITING]--;
		if (row->retry_at == 0)
			totals->by_status[statuses[row->status]]++;
		else if (!reader->is_over)
		{
			totals->by_status[SPAN_WAITING]++;
			reader->waits = node;
		}
		totals->total_ms += Max(end - row->started_at, 0) / 1000.0;
	}
}

/* A row of a step that is known by now. */
static void
take_attempt(const Reader *reader, Line *line, Span *span, const TraceRow *row)
{
	MemoryContext caller = MemoryContextSwitchTo(line->context);

	add_attempt(reader, span, row);
	MemoryContextSwitchTo(caller);
	update_line(reader, line, span, row->scope_outcome);
}

static bool
is_compensation(const WorkflowPlan *plan, const TraceRow *row)
{
	const PlanNode *node = plan_find(plan, row->step_id);

	return node != NULL && node->compensates >= 0 &&
		row->scope[0] != SCOPE_SET_ASIDE;
}

/*
 * Compensations have the scope of what they undo, but are run when that is
 * over: all of them have a group of their own.
 */
static void
take_compensation(Reader *reader, const TraceRow *row)
{
	Line	   *line = line_of_group(reader, COMPENSATIONS, "", row->started_at);
	Span	   *span = line == NULL || line->spans == NIL ? NULL : llast(line->spans);

	if (line == NULL)
	{
		reader->tree->not_shown++;
		return;
	}
	/* attempts at one follow each other */
	if (span == NULL || span->visit != row->visit ||
		strcmp(span->step_id, row->step_id) != 0 ||
		strcmp(span->undone_in, row->scope) != 0)
	{
		span = add_span(line, row);
		span->undone_in = MemoryContextStrdup(line->context, row->scope);
	}
	take_attempt(reader, line, span, row);
}

/*
 * A row of the execution, for trace_walk().
 */
static void
take_row(void *context, const TraceRow *row)
{
	Reader	   *reader = context;
	Span	   *span;

	count_row(reader, row);
	if (is_compensation(reader->tree->plan, row))
	{
		take_compensation(reader, row);
		return;
	}
	if (reader->scope == NULL || strcmp(reader->scope, row->scope) != 0)
	{
		if (reader->scope != NULL)
			pfree(reader->scope);
		reader->scope = MemoryContextStrdup(reader->context, row->scope);
		reader->line = line_of_scope(reader, row);
	}
	if (reader->line == NULL)
	{
		reader->tree->not_shown++;
		return;
	}

	span = find_span(reader->line, row->step_id, row->visit);
	if (span == NULL)
		span = add_span(reader->line, row);
	take_attempt(reader, reader->line, span, row);
	if (reader->line->iterates && reader->line->label == NULL &&
		row->loop_label != NULL && reader->tree->texts)
		reader->line->label = MemoryContextStrdup(reader->line->context,
												  row->loop_label);
}

/* --- the tree is complete --- */

static int
compare_spans(const ListCell *a, const ListCell *b)
{
	const Span *first = lfirst(a);
	const Span *second = lfirst(b);

	if (first->start != second->start)
		return first->start < second->start ? -1 : 1;
	/* a container and what it did not begin may share an instant */
	if (first->end != second->end)
		return first->end < second->end ? -1 : 1;
	return strcmp(first->step_id, second->step_id);
}

static int
compare_lines(const ListCell *a, const ListCell *b)
{
	const Line *first = lfirst(a);
	const Line *second = lfirst(b);

	if (first->order != second->order)
		return first->order < second->order ? -1 : 1;
	return strcmp(first->name, second->name);
}

/*
 * A group lasts from its first step to the end of its last.  Of compensations
 * one may have failed; what was set aside is over, whatever became of it.
 */
static void
measure_group(Span *span)
{
	const Line *line = linitial(span->lines);
	ListCell   *cell;

	span->start = line->start;
	span->end = line->end;
	if (strcmp(span->type, SET_ASIDE) == 0)
	{
		span->status = SPAN_CANCELLED;
		return;
	}
	span->status = SPAN_COMPLETED;
	foreach(cell, line->spans)
	{
		const Span *step = lfirst(cell);

		if (step->status != SPAN_COMPLETED && step->status != SPAN_SKIPPED)
			span->status = step->status;
	}
}

/*
 * Put everything into its order, and keep no more lines than wanted.
 */
static void
arrange(Line *line, int max_iterations, int *nlines)
{
	bool		waits = false;
	ListCell   *cell;

	check_stack_depth();
	foreach(cell, line->spans)
	{
		Span	   *span = lfirst(cell);

		if (span->group && span->lines != NIL)
			measure_group(span);
		waits |= span->status == SPAN_WAITING;
	}
	/* it may have gone on since */
	if (line->status == SPAN_WAITING && !waits)
		line->status = SPAN_RUNNING;
	list_sort(line->spans, compare_spans);
	foreach(cell, line->spans)
	{
		Span	   *span = lfirst(cell);
		ListCell   *inner;

		thin_out_lines(span,
					   strcmp(span->type, "loop") == 0 ? max_iterations :
														 MAX_BRANCHES,
					   nlines);
		list_sort(span->lines, compare_lines);
		foreach(inner, span->lines)
		{
			Line	   *child = lfirst(inner);

			arrange(child, max_iterations, nlines);
			/* a step in it may be open although no row of the line itself is */
			if (child->start == 0)
				child->start = child->end = span->start;
		}
	}
}

/*
 * From the first start to the end, for the axis.
 */
static void
measure(SpanTree *tree)
{
	const TraceExecution *execution = tree->execution;

	tree->start = execution->started_at != 0 ? execution->started_at :
											   execution->created_at;
	if (tree->root->start != 0)
		tree->start = Min(tree->start, tree->root->start);
	tree->end = Max(execution->now, tree->root->end);
	tree->end = Max(tree->end, tree->start);
}

SpanTree *
span_tree_read(TraceExecution *execution, int max_iterations, bool texts)
{
	SpanTree   *tree = palloc0(sizeof(SpanTree));
	Reader		reader = {.tree = tree, .max_iterations = max_iterations};

	tree->execution = execution;
	tree->texts = texts;
	tree->plan = definition_plan(execution->definition_id);
	tree->totals = palloc0(sizeof(StepTotals) * Max(tree->plan->nnodes, 1));
	tree->root = create_line(CurrentMemoryContext, "", 0);
	reader.is_over = execution->completed_at != 0;
	reader.context = CurrentMemoryContext;

	trace_walk(execution->id, take_row, &reader);
	arrange(tree->root, max_iterations, &reader.nlines);
	measure(tree);
	critical_path_mark(tree);
	return tree;
}

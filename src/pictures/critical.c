/*-------------------------------------------------------------------------
 *
 * critical.c
 *	  The critical path of an execution: the steps its end has waited for.
 *
 * NOTES
 *	  Runs in sessions; works on a tree of spans alone.
 *
 *	  Steps of a line follow each other, so it is all of them, what undoes steps
 *	  and the on_failure chain included.  Of lines that run one beside the other
 *	  it is the one that decided when the step around them ended, and before
 *	  that what this one had to wait for in order to begin.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "definition/steps/loop.h"
#include "pictures/spans.h"

static void mark_line(SpanTree *tree, Line *line);

/*
 * Has a step of the line, at any depth, ended the execution?
 */
static bool
has_last_step(const Line *line)
{
	ListCell   *cell;
	ListCell   *inner;

	check_stack_depth();
	foreach(cell, line->spans)
	{
		const Span *span = lfirst(cell);

		if ((strcmp(span->type, "succeed") == 0 &&
			 span->status == SPAN_COMPLETED) ||
			(strcmp(span->type, "fail") == 0 && span->status == SPAN_FAILED))
			return true;
		foreach(inner, span->lines)
			if (has_last_step(lfirst(inner)))
				return true;
	}
	return false;
}

/*
 * How well a line explains that the step around it ended when it did.  One that
 * ended the execution does, whatever became of its siblings.  Those were
 * stopped then, as they are when the join is decided; but where the step itself
 * was stopped or its time was over, they are what it waited for.
 */
static int
weight_of_line(const Span *span, const Line *line)
{
	bool		stopped = line->status == SPAN_CANCELLED ||
		line->status == SPAN_TIMED_OUT;
	bool		explains = span->status == SPAN_COMPLETED ||
			span->status == SPAN_FAILED ?
		line->status != SPAN_CANCELLED :
		span->status == SPAN_CANCELLED || span->status == SPAN_TIMED_OUT ?
		stopped :
		line->end >= span->end;

	if (has_last_step(line))
		return 3;
	if (line->status == SPAN_SKIPPED)
		return 0;
	return explains ? 2 : 1;
}

/*
 * The line that decided when a step ended: of those that explain it best the
 * last to end.
 */
static Line *
deciding_line(const Span *span)
{
	Line	   *decider = NULL;
	int			decider_weight = 0;
	ListCell   *cell;

	foreach(cell, span->lines)
	{
		Line	   *line = lfirst(cell);
		int			weight = weight_of_line(span, line);

		/* it was recorded behind the end, which cannot have waited for it */
		if (line->end > span->end && weight < 3)
			weight = Min(weight, 1);
		if (weight > decider_weight ||
			(weight == decider_weight && decider != NULL &&
			 line->end > decider->end))
		{
			decider = line;
			decider_weight = weight;
		}
	}
	return decider;
}

/*
 * The last line to end before another one began, of those that are not in the
 * chain.
 */
static Line *
line_before(const Span *span, const Line *next, const List *chain)
{
	Line	   *last = NULL;
	ListCell   *cell;

	foreach(cell, span->lines)
	{
		Line	   *line = lfirst(cell);

		if (line->end <= next->start &&
			(last == NULL || line->end > last->end) &&
			!list_member_ptr(chain, line))
			last = line;
	}
	return last;
}

/* Do its lines always follow each other? */
static bool
is_sequential(const SpanTree *tree, const Span *span)
{
	const PlanNode *node = plan_find(tree->plan, span->step_id);

	return node != NULL && step_iterates(node) && !loop_part(node)->parallel;
}

/* Were there any that ran among those that are summed up? */
static bool
some_ran(const LeftOut *left_out)
{
	return left_out->count > left_out->by_status[SPAN_SKIPPED];
}

/*
 * How much of a wait for the begin of a line those that are summed up account
 * for: nothing, unless one of them had ended by then.
 */
static TimestampTz
time_of_left_out(const LeftOut *left_out, TimestampTz begin, TimestampTz wait)
{
	if (!some_ran(left_out) || left_out->first_end > begin)
		return 0;
	return Min(Min(left_out->end, begin) - left_out->start, wait);
}

/*
 * Mark what the end of a step has waited for.  Whether the deciding line has
 * waited for those before it, because no executor was free or no more were to
 * run at once, is told by the times: they must account for most of its wait.
 * Those that are summed up are marked together, where they account for most of
 * what is left of it.
 */
static void
mark_span(SpanTree *tree, Span *span)
{
	Line	   *decider = deciding_line(span);
	List	   *chain = NIL;
	TimestampTz accounted = 0;
	TimestampTz wait;
	TimestampTz rest;
	TimestampTz left_out;
	bool		sequential = is_sequential(tree, span);
	ListCell   *cell;

	span->critical = true;
	span->left_out.critical = sequential && some_ran(&span->left_out);
	if (decider == NULL)
		return;
	mark_line(tree, decider);
	chain = list_make1(decider);
	for (Line *line = decider; (line = line_before(span, line, chain)) != NULL;)
	{
		CHECK_FOR_INTERRUPTS();
		accounted += line->end - line->start;
		chain = lappend(chain, line);
	}
	wait = Max(decider->start - span->start, 0);
	rest = Max(wait - accounted, 0);
	left_out = time_of_left_out(&span->left_out, decider->start, rest);
	if (sequential || 2 * (accounted + left_out) > wait)
	{
		for_each_from(cell, chain, 1)
			mark_line(tree, lfirst(cell));
		span->left_out.critical = span->left_out.critical ||
			2 * left_out > rest;
	}
	list_free(chain);
}

/* What a retry has set aside was done again: nothing has waited for it. */
static bool
is_set_aside(const Span *span)
{
	return span->group && span->step_id[0] == '~';
}

static void
mark_line(SpanTree *tree, Line *line)
{
	ListCell   *cell;

	check_stack_depth();
	line->critical = true;
	line->left_out.critical = some_ran(&line->left_out);
	foreach(cell, line->spans)
	{
		Span	   *span = lfirst(cell);

		if (span->status != SPAN_SKIPPED && !is_set_aside(span))
			mark_span(tree, span);
	}
}

/*
 * Has a step of the line, at any depth, run beside the critical path?
 */
static bool
has_detours(const Line *line)
{
	ListCell   *cell;
	ListCell   *inner;

	check_stack_depth();
	foreach(cell, line->spans)
	{
		const Span *span = lfirst(cell);

		if (span->status == SPAN_SKIPPED || is_set_aside(span))
			continue;
		if (span->lines == NIL && !span->critical)
			return true;
		if (some_ran(&span->left_out) && !span->left_out.critical)
			return true;
		foreach(inner, span->lines)
			if (has_detours(lfirst(inner)))
				return true;
	}
	return false;
}

void
critical_path_mark(SpanTree *tree)
{
	mark_line(tree, tree->root);
	tree->has_detours = has_detours(tree->root);
}

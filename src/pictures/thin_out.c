/*-------------------------------------------------------------------------
 *
 * thin_out.c
 *	  Of many lines and steps some are kept, and the others summed up.
 *
 * NOTES
 *	  Runs in sessions, inside the transaction of the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "pictures/thin_out.h"

static void
leave_out(LeftOut *left_out, SpanStatus status, TimestampTz start,
		  TimestampTz end)
{
	left_out->count++;
	left_out->by_status[status]++;
	left_out->total_ms += Max(end - start, 0) / 1000.0;
	if (left_out->start == 0 || start < left_out->start)
		left_out->start = start;
	if (left_out->first_end == 0 || end < left_out->first_end)
		left_out->first_end = end;
	left_out->end = Max(left_out->end, end);
}

/* What decides whether one of many is kept. */
typedef struct Candidate
{
	SpanStatus	status;
	TimestampTz start;
	TimestampTz end;
} Candidate;

/*
 * The one that is missed least: of those that completed and are neither the
 * longest nor the last to end, the latest to start; else simply the latest.
 */
static int
least_interesting(const Candidate *candidates, int count)
{
	int			longest = 0;
	int			last = 0;
	int			victim = -1;
	int			victim_rank = 0;

	for (int i = 1; i < count; i++)
	{
		const Candidate *c = &candidates[i];

		if (c->end - c->start >
			candidates[longest].end - candidates[longest].start)
			longest = i;
		if (c->end > candidates[last].end)
			last = i;
	}
	for (int i = 0; i < count; i++)
	{
		SpanStatus	status = candidates[i].status;
		int			rank = 0;

		if (status != SPAN_COMPLETED && status != SPAN_SKIPPED)
			rank = 2;
		else if (i == longest || i == last)
			rank = 1;
		if (victim < 0 || rank < victim_rank ||
			(rank == victim_rank &&
			 candidates[i].start >= candidates[victim].start))
		{
			victim = i;
			victim_rank = rank;
		}
	}
	return victim;
}

/*
 * Lines in a line, at any depth.
 */
static int
count_lines(const Line *line)
{
	int			count = 0;
	ListCell   *cell;
	ListCell   *inner;

	foreach(cell, line->spans)
		foreach(inner, ((Span *) lfirst(cell))->lines)
			count += 1 + count_lines(lfirst(inner));
	return count;
}

void
thin_out_lines(Span *span, int max, int *nlines)
{
	Candidate  *candidates = palloc(sizeof(Candidate) *
								   list_length(span->lines));

	while (list_length(span->lines) > max)
	{
		int			victim;
		Line	   *line;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < list_length(span->lines); i++)
		{
			line = list_nth(span->lines, i);
			candidates[i].status = line->status;
			candidates[i].start = line->start;
			candidates[i].end = line->end;
		}
		victim = least_interesting(candidates, list_length(span->lines));
		line = list_nth(span->lines, victim);
		leave_out(&span->left_out, line->status, line->start, line->end);
		span->lines = list_delete_nth_cell(span->lines, victim);
		*nlines -= count_lines(line) + 1;
		MemoryContextDelete(line->context);
	}
	pfree(candidates);
}

/*
 * Of steps that are missed less than others come first: as in
 * least_interesting().
 */
typedef struct RankedSpan
{
	Span	   *span;
	int			rank;
} RankedSpan;

static int
compare_ranked_spans(const void *a, const void *b)
{
	const RankedSpan *first = a;
	const RankedSpan *second = b;

	if (first->rank != second->rank)
		return first->rank < second->rank ? -1 : 1;
	return first->span->start > second->span->start ? -1 :
		first->span->start < second->span->start ? 1 :
		0;
}

void
thin_out_spans(Line *line)
{
	int			count = list_length(line->spans);
	RankedSpan *ranked = palloc(sizeof(RankedSpan) * count);
	const Span *longest = linitial(line->spans);
	const Span *last = longest;

	for (int i = 0; i < count; i++)
	{
		const Span *span = list_nth(line->spans, i);

		if (span->end - span->start > longest->end - longest->start)
			longest = span;
		if (span->end > last->end)
			last = span;
	}
	for (int i = 0; i < count; i++)
	{
		Span	   *span = list_nth(line->spans, i);
		bool		plain = span->status == SPAN_COMPLETED ||
			span->status == SPAN_SKIPPED;

		ranked[i].span = span;
		ranked[i].rank = span->group ? 3 :
			!plain ? 2 :
			span == longest || span == last ? 1 :
			0;
	}
	qsort(ranked, count, sizeof(RankedSpan), compare_ranked_spans);

	for (int i = 0; i < count / 10; i++)
	{
		Span	   *span = ranked[i].span;
		ListCell   *cell;

		leave_out(&line->left_out, span->status, span->start, span->end);
		foreach(cell, span->lines)
			MemoryContextDelete(((Line *) lfirst(cell))->context);
		line->spans = list_delete_ptr(line->spans, span);
		pfree(span);
	}
	pfree(ranked);
}

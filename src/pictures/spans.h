/*-------------------------------------------------------------------------
 *
 * spans.h
 *	  What an execution did, as a tree of spans of time.
 *
 * NOTES
 *	  A step has lines of children (branches, iterations), a line has steps.
 *	  The tree is bounded whatever the execution did: of many lines or steps the
 *	  interesting ones are kept, those that did not complete, the longest and
 *	  the last one, and the first ones; the others are summed up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SPANS_H
#define PGWF_SPANS_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "definition/plan.h"
#include "state/trace.h"

typedef enum SpanStatus
{
	SPAN_COMPLETED,
	SPAN_FAILED,
	SPAN_TIMED_OUT,
	SPAN_CANCELLED,
	SPAN_SKIPPED,
	SPAN_RUNNING,				/* runs this moment, or a container that is
								 * open */
	SPAN_WAITING				/* for its next attempt, or its time */
} SpanStatus;

#define NUM_SPAN_STATUSES (SPAN_WAITING + 1)

/* One attempt.  Between one and the next the step waited. */
typedef struct Attempt
{
	SpanStatus	status;
	TimestampTz start;
	TimestampTz end;			/* of one that runs: now */
	char	   *error;			/* "type: message", or NULL */
} Attempt;

/* Lines or steps that are not kept. */
typedef struct LeftOut
{
	int64		count;
	int64		by_status[NUM_SPAN_STATUSES];
	double		total_ms;
	TimestampTz start;			/* of the first */
	TimestampTz first_end;		/* of the first to end */
	TimestampTz end;			/* of the last */
	bool		critical;		/* the end of the execution waited for some
								 * of them */
} LeftOut;

/* A visit of a step: its attempts, and what ran in it. */
typedef struct Span
{
	char	   *step_id;
	int			visit;
	char	   *type;			/* name of its StepType */
	char	   *detail;			/* way taken; NULL = none */
	int			collection_size;	/* of a loop; -1 unknown */
	SpanStatus	status;
	TimestampTz start;
	TimestampTz end;			/* of one that runs or waits: now */
	TimestampTz due;			/* of one that waits: its next attempt, or
								 * its time */
	FailureHandling on_failure;
	char	   *agent_name;		/* NULL = none */
	List	   *attempts;		/* of Attempt: the first ones, and the last */
	int			last_attempt;	/* its number */
	List	   *lines;			/* of Line, in the order of the plan or of
								 * iterations */
	LeftOut		left_out;
	char	   *undone_in;		/* of a compensation: the scope of what it
								 * undoes; NULL: it is none */
	bool		group;			/* no step: it stands for the steps of its
								 * one line */
	bool		critical;		/* the end of the execution waited for it */
} Span;

/* A branch, an iteration, a child of a parallel block; the execution itself. */
typedef struct Line
{
	char	   *name;			/* of the branch or child, "[3]" for an
								 * iteration */
	char	   *label;			/* of an iteration, as its loop says; NULL =
								 * none */
	bool		iterates;		/* it is an iteration */
	int			order;			/* among the lines of its container; of an
								 * iteration: its index */
	SpanStatus	status;
	bool		ended;			/* a row says how */
	TimestampTz start;
	TimestampTz end;
	List	   *spans;			/* of Span, in the order of their start */
	LeftOut		left_out;
	bool		critical;
	MemoryContext context;		/* of the line and all that is in it */
} Line;

/* What became of all attempts at a step of the plan. */
typedef struct StepTotals
{
	int64		by_status[NUM_SPAN_STATUSES];
	int64		attempts;
	double		total_ms;
} StepTotals;

typedef struct SpanTree
{
	TraceExecution *execution;
	const WorkflowPlan *plan;
	bool		texts;			/* what its steps say and are made of may be
								 * shown */
	Line	   *root;
	StepTotals *totals;			/* by node of the plan */
	bool		has_detours;	/* steps have run that are not on the
								 * critical path */
	int64		attempts;		/* rows read */
	int64		not_shown;		/* of those: in neither a span nor what is
								 * left out of one */
	TimestampTz start;
	TimestampTz end;
} SpanTree;

/*
 * Read the rows of an execution.  At most max_iterations of a loop are kept.
 * texts: errors with what they say, not just their type, SQL and conditions.
 */
extern SpanTree *span_tree_read(TraceExecution *execution, int max_iterations,
								bool texts);

/*
 * Mark the critical path of an execution: the steps, one after the other, that
 * its end has waited for.  Where that is all of them it is nothing to show.
 */
extern void critical_path_mark(SpanTree *tree);

extern const char *span_status_name(SpanStatus status);
/* Not one that all went well with. */
extern bool span_status_is_bad(SpanStatus status);

#endif							/* PGWF_SPANS_H */

/*-------------------------------------------------------------------------
 *
 * trace.h
 *	  An execution's rows as pictures need them: without payloads, a page at a
 *	  time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_TRACE_H
#define PGWF_TRACE_H

#include "state/steps.h"

/* A time the execution stood still: paused, or ended until it was retried. */
typedef struct TracePause
{
	TimestampTz start;
	TimestampTz end;
} TracePause;

/* Of more pauses than these the first are read. */
#define TRACE_MAX_PAUSES 100

/* A step that a session has marked. */
typedef struct TraceMark
{
	char	   *step_id;
	bool		holds;			/* else: has it skipped */
	TimestampTz at;
	char	   *by;
	char	   *reason;			/* NULL = none */
} TraceMark;

/* Of more marks than these, in the order of their steps, the first are read. */
#define TRACE_MAX_MARKS 100

/* What was done to an execution, or what it went on after. */
typedef struct TraceEvent
{
	TimestampTz at;
	char	   *event;			/* recovered, a status, or an action of the
								 * audit log */
	char	   *step_id;		/* it was done to, or failed; NULL = none */
	char	   *by;				/* NULL = nobody */
	char	   *error_type;		/* NULL = none */
	char	   *text;			/* reason or message; NULL = none */
} TraceEvent;

/* Of more events than these the last are read. */
#define TRACE_MAX_EVENTS 20

/* An execution.  NULL and 0 stand for SQL null. */
typedef struct TraceExecution
{
	int64		id;
	int			definition_id;
	char	   *workflow;
	int			version;
	ExecutionStatus status;
	Oid			role;
	char	   *role_name;
	char	   *tenant;
	TimestampTz created_at;
	TimestampTz start_at;		/* not to be run before */
	TimestampTz started_at;
	TimestampTz completed_at;
	TimestampTz now;			/* of the clock, or completed_at */
	int			recoveries;
	int			retries;
	char	   *error_type;
	char	   *error_step;
	char	   *error_message;
	char	   *cancel_reason;
	TimestampTz paused_until;
	char	   *paused_by;		/* of one that is paused now */
	char	   *pause_reason;
	TracePause *pauses;			/* in order; that of now ends now */
	int			npauses;
	TraceMark  *marks;
	int			nmarks;
	TraceEvent *events;			/* in order */
	int			nevents;
	bool		more_events;	/* there were others before */
} TraceExecution;

/* One attempt at one step, valid until the function it is handed to returns. */
typedef struct TraceRow
{
	const char *scope;
	const char *step_id;
	int			visit;
	int			attempt;
	const char *type;
	StepStatus	status;
	ScopeOutcome scope_outcome;
	FailureHandling on_failure;
	const char *agent_name;
	const char *branch_taken;
	const char *loop_label;		/* of the innermost iteration; NULL = none */
	int			collection_size;	/* of a loop; -1 = null */
	TimestampTz started_at;
	TimestampTz completed_at;
	TimestampTz retry_at;
	const char *error_type;
	const char *error_message;	/* its beginning */
} TraceRow;

typedef void (*TraceRowFunction) (void *context, const TraceRow *row);

/* Into the current memory context; false when there is no such execution. */
extern bool trace_execution(int64 id, TraceExecution *execution);

/*
 * The rows of an execution in the order of their key, that is by scope, step,
 * visit and attempt; scopes as bytes, so that a scope comes before those in it
 * and the iterations of a loop are not mixed with each other.  Memory does not
 * depend on their number.  Then what runs this moment, which has no row yet.
 */
extern void trace_walk(int64 id, TraceRowFunction function, void *context);

/* How long a step of a definition took in the newest executions of it. */
typedef struct TraceAverage
{
	char	   *step_id;
	int64		attempts;
	int64		failures;
	double		mean_ms;
	double		longest_ms;
} TraceAverage;

/*
 * Averages of the steps of a definition, from executions that the role may see:
 * the newest ones, and of those a bounded number of rows.  *executions: of how
 * many.
 */
extern TraceAverage *trace_averages(int definition_id, Oid reader, int *count,
									int64 *executions);

#endif							/* PGWF_TRACE_H */

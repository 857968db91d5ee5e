/*-------------------------------------------------------------------------
 *
 * steps.h
 *	  The table workflow.step_executions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEPS_H
#define PGWF_STEPS_H

#include "state/state.h"

typedef enum StepStatus
{
	STATUS_RUNNING,				/* containers that are open */
	STATUS_WAITING,				/* a step that has begun, and goes on later */
	STATUS_COMPLETED,
	STATUS_FAILED,
	STATUS_TIMED_OUT,
	STATUS_CANCELLED,
	STATUS_SKIPPED
} StepStatus;

/* How a scope ended; on the row whose commit ended it. */
typedef enum ScopeOutcome
{
	SCOPE_OPEN,					/* the row did not end its scope */
	SCOPE_COMPLETED,
	SCOPE_FAILED,
	SCOPE_TIMED_OUT,
	SCOPE_CANCELLED,
	SCOPE_SKIPPED
} ScopeOutcome;

/* How the failure of a step was dealt with. */
typedef enum FailureHandling
{
	FAILURE_STANDS,				/* it was not, or there was none */
	FAILURE_IGNORED,
	FAILURE_DEFAULT,
	FAILURE_CAUGHT,
	FAILURE_RETRIED				/* another attempt follows */
} FailureHandling;

/* One attempt at one step: a row.  NULL and -1 stand for SQL null. */
typedef struct StepRow
{
	int64		execution_id;
	const char *scope;
	const char *step_id;
	int			visit;
	int			attempt;
	StepType	type;
	StepStatus	status;
	ScopeOutcome scope_outcome;
	FailureHandling on_failure;
	const char *agent_name;
	const char *parent_step_id;
	const char *branch_name;
	const char *join_policy;
	int			loop_iteration_index;
	int			loop_collection_size;
	const char *loop_label;		/* of the innermost iteration it is in */
	const char *loop_execution_mode;
	const char *condition_expression;
	int			condition_result;	/* -1 unknown, else a boolean */
	const char *branch_taken;
	const char *error_type;
	Jsonb	   *input;
	Jsonb	   *output;
	Jsonb	   *error;
	Jsonb	   *variables;		/* all of its scope, when it changed them */
	TimestampTz started_at;
	TimestampTz completed_at;	/* 0 = null */
	TimestampTz retry_at;		/* of a failed attempt: when the next one is
								 * due; of a step that waits: when it goes on;
								 * 0 = null */
	int			executor_pid;	/* 0: this process */

	JoinCounts	counts;			/* of a container's children, when it has
								 * closed; total 0: not known */

	/* the journal's */
	bool		journaled;		/* waits to be written */
	bool		written;		/* has been written as open, so a change is
								 * an update */
} StepRow;

/* Has the step, a container or one that waits, begun and not ended? */
static inline bool
step_status_is_open(StepStatus status)
{
	return status == STATUS_RUNNING || status == STATUS_WAITING;
}

/* --- steps.c --- */

extern const char *step_status_name(StepStatus status);
extern StepStatus step_status_from_name(const char *name);
extern const char *scope_outcome_name(ScopeOutcome outcome);
extern ScopeOutcome scope_outcome_from_name(const char *name);
/* NULL: it stands. */
extern const char *failure_handling_name(FailureHandling handling);
extern FailureHandling failure_handling_from_name(const char *name);
/* How an execution ends whose root scope ended so. */
extern ExecutionStatus execution_status_of_scope(ScopeOutcome outcome);
/* One more child of a container has ended. */
extern void step_count_child(JoinCounts *counts, ScopeOutcome outcome);

/*
 * Write a row.  The key is the fence: a second process at the same attempt gets
 * ERRCODE_UNIQUE_VIOLATION on table step_executions.
 */
extern void step_insert(const StepRow *row);
/* The same, unless it is there. */
extern void step_insert_once(const StepRow *row);
/*
 * Write the end of a container, or of a step that waits; the same error when it
 * is not open any more.
 */
extern void step_close(const StepRow *row);

/* --- step_records.c --- */

/* What reading a row back gives: no more than resuming and references need. */
typedef struct StepRecord
{
	char	   *scope;
	char	   *step_id;
	char	   *branch_name;
	char	   *branch_taken;
	int			visit;
	int			attempt;
	int			loop_iteration_index;
	int			loop_collection_size;
	StepStatus	status;
	ScopeOutcome scope_outcome;
	TimestampTz retry_at;		/* 0: it does not wait, and no other attempt
								 * follows */
	int			condition_result;
	char	   *error_type;
	TimestampTz started_at;
	TimestampTz completed_at;	/* 0 = null */
	Jsonb	   *input;
	Jsonb	   *output;
	Jsonb	   *error;
} StepRecord;

/*
 * NULL when there is no such row.  Results live in the current memory context.
 */
/*
 * The newest row of a scope, of those that began before a time: the open
 * container if there is one, else what ended last.
 */
extern StepRecord *step_newest_of_scope(int64 execution_id, const char *scope,
										TimestampTz before);
/* The row of a scope that ended last and was not skipped without an output. */
extern StepRecord *step_last_ran(int64 execution_id, const char *scope);
/* The last attempt at the last visit of a step; visit > 0: at that visit. */
extern StepRecord *step_find(int64 execution_id, const char *scope,
							 const char *step_id, int visit);
/* The last attempt at the last visit that had ended by a time. */
extern StepRecord *step_find_until(int64 execution_id, const char *scope,
								   const char *step_id, TimestampTz until);
/*
 * The first of the attempts that led to this visit of a step: those at a
 * container may go on from visit to visit.
 */
typedef struct FirstAttempt
{
	int			visit;
	TimestampTz started_at;
} FirstAttempt;

extern FirstAttempt step_first_attempt(int64 execution_id, const char *scope,
									   const char *step_id, int visit);
/*
 * Attempts of an execution that ended since a time and were followed by another
 * one.
 */
extern int64 step_count_retries(int64 execution_id, TimestampTz since);
/* When the first step of a scope started; 0: none has. */
extern TimestampTz step_scope_started(int64 execution_id, const char *scope);
/* The label of the iteration that a scope is, from its rows; NULL: none. */
extern char *step_scope_label(int64 execution_id, const char *scope);
/* The row of this container's children scopes with the highest iteration. */
extern int	step_last_iteration(int64 execution_id, const char *from,
								const char *to, const char *container);

/*
 * The rows that ended the scopes of a container's children, in order of
 * iteration or of branch name: scopes in [from, to).  payloads: with error and
 * with the output, which is that of the last step that ran.
 */
extern StepRecord *step_children(int64 execution_id, const char *from,
								 const char *to, const char *container,
								 bool payloads, int *count);

/* A child of a container in which something has begun. */
typedef struct BegunChild
{
	char	   *branch_name;	/* NULL: it is an iteration */
	int			loop_iteration_index;
} BegunChild;

extern BegunChild *step_begun_children(int64 execution_id, const char *from,
									   const char *to, const char *container,
									   int *count);

/*
 * Ends of iterations, summed up and put into the output of a loop, without
 * passing through C.
 */
typedef struct LoopSummary
{
	int64		completed;
	int64		failed;
	int64		skipped;
	bool		too_large;		/* the array would pass
								 * workflow.max_result_size */
	Jsonb	   *iterations;		/* array by LoopResult; NULL: counts, too
								 * large, or no rows */
	Jsonb	   *errors;			/* array of {index, message} of the first
								 * failed ones */
} LoopSummary;

extern void step_loop_summary(int64 execution_id, const char *from,
							  const char *to, const char *container,
							  LoopResult result, LoopSummary *summary);

/*
 * The rows of an execution that changed variables by a time, newest first,
 * handed to a function until it returns false.
 */
typedef bool (*VariablesFunction) (void *context, const char *scope,
								   Jsonb *variables);
extern void step_walk_variables(int64 execution_id, TimestampTz until,
								VariablesFunction function, void *context);

/* --- closed_steps.c --- */

/*
 * Steps left open in scopes in [from, to), those of children that were stopped.
 */
extern void step_close_open_between(int64 execution_id, const char *from,
									const char *to, StepStatus status);
/* Steps left open become cancelled or timed_out: the execution is over. */
extern void step_close_open(int64 execution_id, StepStatus status);
/* All but those of these ids, an array: they become cancelled. */
extern void step_close_others(int64 execution_id, Datum kept);
/*
 * The same for executions that have ended, whose scheduler went before it
 * could.
 */
extern void step_close_abandoned(void);

#endif							/* PGWF_STEPS_H */

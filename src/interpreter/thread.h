/*-------------------------------------------------------------------------
 *
 * thread.h
 *	  The interpreter: a thread walks the plan of its execution.
 *
 * NOTES
 *	  Knows nothing of processes.  A driver (src/executor/drive.c,
 *	  src/interpreter/inline.c) calls thread_next() inside a transaction and
 *	  does what it answers.  What has happened collects in the journal until the
 *	  driver has it written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_THREAD_H
#define PGWF_THREAD_H

#include "postgres.h"

#include "interpreter/evaluate.h"
#include "interpreter/frontier.h"
#include "interpreter/run_sql.h"
#include "shared/registry.h"
#include "state/claims.h"
#include "state/steps.h"
#include "state/waits.h"

typedef enum ThreadAction
{
	THREAD_LEAF,				/* run thread->leaf, then report its end */
	THREAD_FORK,				/* hand out thread->fork; the thread ends
								 * here and goes on by a JOIN run */
	THREAD_PARK,				/* nothing to do before thread->wait is over */
	THREAD_YIELD,				/* the driver wanted it to stop here:
								 * thread->gives_way */
	THREAD_FLUSH,				/* much bookkeeping: commit it, then call
								 * again */
	THREAD_ENDED				/* thread->outcome, or the execution ended */
} ThreadAction;

/* What went wrong with a step. */
typedef struct StepError
{
	const char *type;			/* SQLSTATE, or a name of our own: Timeout .. */
	const char *message;
	const char *detail;			/* these may be NULL */
	const char *hint;
	const char *context;
	const char *schema;			/* what the error is about */
	const char *table;
	const char *column;
	const char *datatype;
	const char *constraint;
	int			sqlerrcode;		/* 0 = none */
	bool		makes_false;	/* of a condition's SQL: then it counts as
								 * false */
} StepError;

/* An attempt at a step that runs user SQL. */
typedef struct Leaf
{
	PlanNode   *node;
	bool		is_condition;	/* the condition of a container, not the step
								 * itself */
	int			visit;
	int			attempt;
	const char *scope;
	int			iteration;		/* -1 = none */
	const char *loop_label;		/* of it; NULL = none */
	const char *agent_name;
	SqlTask		task;
	bool		transaction_none;
	TransactionMode transaction;	/* as the step or its definition says */
	BreakerConfig breaker;		/* of its agent */
	bool		reshaping;		/* its SQL has run; "output" is being
								 * evaluated */
	Jsonb	   *input;
	int			executor_pid;	/* that ran it; 0: this process */
	TimestampTz started_at;
	TimestampTz ended_at;		/* its SQL has; 0: not known */
	TimestampTz deadline;		/* of the step or of a scope around it;
								 * DT_NOEND = none */
	bool		default_limit;	/* it is that of workflow.step_timeout */
} Leaf;

/* Output of a step kept for references. */
typedef struct CachedStep
{
	struct CachedStep *next;
	int			node;
	Jsonb	   *output;
	Jsonb	   *status;
	Jsonb	   *error;
} CachedStep;

/*
 * What the message of a row begins with whose step was not begun: that is all
 * it says of it.
 */
#define NOT_STARTED "not started: "

/* An open scope on the way from the root to where the thread stands. */
typedef struct Frame
{
	struct Frame *parent;
	PlanNode   *container;		/* NULL: root */
	int			visit;			/* of the container */
	int			child;			/* line or iteration */
	ScopeId		scope_id;
	char	   *scope;
	Frontier	frontier;		/* what its rows say, those of this thread
								 * among them */
	PlanNode   *at;				/* next step; NULL: the line is at its end */
	PlanNode   *jump;			/* where the step that is ending leads, NULL
								 * = to its next */
	int			next_attempt;	/* > 1: at is to be tried again .. */
	bool		never_begun;	/* .. but the attempt before did not begin .. */
	int			attempt_visit;	/* .. at this visit .. */
	TimestampTz attempt_at;		/* .. not before */
	StepRow    *open;			/* at has begun, and waits; NULL: it has not */
	bool		fresh;			/* no rows of this scope but those of this
								 * thread */
	bool		ran;			/* some step of this scope has run, seen by
								 * this thread */
	TimestampTz deadline;		/* of this scope and all around it */
	MemoryContext context;		/* as long as the frame */
	MemoryContext scope_context;	/* as long as this child of the container */

	/* in scope_context */
	CachedStep *cached;
	Size		cached_bytes;
	bool		uncached;		/* some output was too large to be kept */
	int		   *visits;			/* by position in the scope; only with cycles */
	Jsonb	   *variables;
	bool		variables_loaded;
	char	   *label;			/* of an iteration; NULL: none */
	bool		label_known;

	/* the activation of the container, in context */
	StepRow    *row;			/* its open row; NULL in frames above a child
								 * thread */
	TimestampTz opened_at;
	Jsonb	   *collection;		/* {"collection": [..]} */
	int			total;			/* children; -1 = open end (while, until) */
	bool	   *ended;			/* which of the first children have, by
								 * index; NULL: those before this one */
	int			nended;
	bool		activation_loaded;
	JoinCounts	counts;			/* children that ended, by how (they run one
								 * after the other) */
} Frame;

/* What an epilogue has to do: epilogue.c. */
typedef struct Epilogue Epilogue;

/*
 * Does the driver want the thread to stop where it stands?  Asked in front of
 * each step, before anything of it is worked out, so that whoever goes on sees
 * it anew; wherever that is, the rows written so far lead back there.
 */
typedef bool (*GivesWay) (void *driver);

typedef struct Thread
{
	LoadedExecution *execution;
	WorkflowPlan	   *plan;
	bool		parks;			/* the driver can wait without holding
								 * anything */
	GivesWay	gives_way;		/* NULL: the thread walks on whatever happens */
	void	   *driver;			/* its argument */
	bool		walked;			/* has gone into a step since it was made */
	bool		begun_late;		/* its execution's row has another started_at */
	Wait		wait;			/* THREAD_PARK: for this */
	bool		leaves;			/* .. and that is written down */
	bool		forks;			/* parallel containers are handed to other
								 * processes */
	Frame	   *top;
	Frame	   *bottom;			/* the thread ends when this scope ends */
	MemoryContext context;		/* all of it */
	MemoryContext step_contexts[2];	/* of the leaf that runs and of what
									 * follows it */
	int			step_context;	/* which one is being filled */
	MemoryContext retired;		/* frames popped since the last commit */
	TimestampTz last_time;		/* of a row: strictly increasing within a
								 * thread */

	Epilogue   *epilogue;		/* this thread is its execution's epilogue;
								 * else NULL */

	Leaf		leaf;
	const StuckAttempt *stuck;	/* the attempt the thread may stand at that
								 * is not to be run again */
	ForkReport	fork;
	bool		fork_pending;	/* resumed at a container that has forked */

	/* the journal: rows to be written, in order */
	StepRow   **journal;
	int			njournal;
	int			journal_size;
	int			nflushed;		/* rows written in this transaction */
	bool		announces_start;	/* the leaf is about to begin, and that
									 * is to be announced */
	bool		dirty;			/* rows were written in this transaction
								 * before its leaf ran */

	/* the end */
	bool		ended;
	ScopeOutcome outcome;		/* of the bottom scope */
	bool		execution_ended;
	bool		execution_flushed;	/* its end has been written */
	bool		execution_lost; /* somebody else ended it first */
	bool		execution_decided;	/* it is to end so, after its epilogue */
	bool		execution_expired;	/* its own time was over */
	ExecutionStatus execution_status;
	Jsonb	   *execution_output;
	Jsonb	   *execution_error;
	const char *execution_error_type;
} Thread;

/* --- thread.c --- */
/* In front of the first step of a fresh execution. */
extern Thread *thread_create(LoadedExecution *execution, bool forks);
extern ThreadAction thread_next(Thread *thread);
/*
 * Result of the leaf as the step's output; raises an error when it cannot be
 * reshaped.
 */
extern Jsonb *thread_leaf_output(Thread *thread, Jsonb *result);
extern void thread_leaf_succeeded(Thread *thread, Jsonb *output);
extern void thread_loop_goes_on(Thread *thread);
/* When the attempt that follows a failed one is due. */
extern TimestampTz attempt_time(const StepRecord *failed);
/* True: another attempt follows. */
extern bool thread_leaf_failed(Thread *thread, StepStatus status,
							   const StepError *error);
extern void thread_free(Thread *thread);
/*
 * May the thread be left here by a pause?  Not inside an iteration that has
 * begun.
 */
extern bool thread_may_pause(const Thread *thread);

/* --- label.c --- */
/*
 * What an iteration is called, of a loop that has labels; NULL: that cannot be
 * told.
 */
extern const char *iteration_label(Thread *thread, Frame *iteration);

/* --- resume.c --- */
/* Where the rows say the thread of this scope stands. */
extern Thread *thread_resume(LoadedExecution *execution, bool forks,
							 const ScopeId *scope);
/*
 * At a container of this scope whose children have all ended.  The thread's own
 * scope is the one of depth bottom on the way there.
 */
extern Thread *thread_join(LoadedExecution *execution, bool forks,
						   const ScopeId *scope, int bottom, int node,
						   int visit);
/* Stand at a child of a container; and go over to another child of it. */
extern Thread *thread_child(LoadedExecution *execution, bool forks,
							const ScopeId *scope, int node, int visit,
							int child, bool fresh);
/* The top frame goes over to a child that may have begun before. */
extern void thread_resume_child(Thread *thread, int child, TimestampTz from);
extern void thread_move_to_child(Thread *thread, int child, bool fresh);

/* --- epilogue.c --- */
/* In front of what is left to be done of an execution whose end is decided. */
extern Thread *thread_epilogue(LoadedExecution *execution);
/* The execution has ended: does its definition ask for an epilogue? */
static inline bool
epilogue_follows(const Thread *thread)
{
	ExecutionStatus status = thread->execution_status;

	/* execute() takes back everything anyway */
	return thread->parks && thread->epilogue == NULL &&
		(status == EXECUTION_FAILED || status == EXECUTION_TIMED_OUT) &&
		(thread->plan->on_failure >= 0 || thread->plan->ncompensations > 0);
}

extern int	epilogue_visit(const Thread *thread);
extern StepRecord *epilogue_undone(const Thread *thread, const PlanNode *node);
extern TimestampTz epilogue_known_until(Thread *thread, Frame *inner);
extern void epilogue_compensated(Thread *thread, StepRow *row);
extern void epilogue_chain_ended(Thread *thread, StepRow *row);

/* --- journal.c --- */
extern void journal_add(Thread *thread, StepRow *row);
/* Write what has happened; needs a transaction. */
extern void journal_flush(Thread *thread);
/*
 * Announce that the leaf the thread stands at begins, where its definition asks
 * for that; the driver commits before it runs.
 */
extern void journal_announce_start(Thread *thread);
/* The transaction with the flushed rows has committed. */
extern void journal_committed(Thread *thread, bool leaf_pending);

/* --- shared by the files of the interpreter --- */
/* What the thread makes now goes here; it lives until the commit after next. */
extern MemoryContext thread_step_context(Thread *thread);
extern Frame *thread_push(Thread *thread, PlanNode *container, int visit,
						  int child);
extern void thread_pop(Thread *thread);
extern void frame_enter_child(Thread *thread, Frame *frame, int child);
extern TimestampTz thread_deadline(const Thread *thread, TimestampTz from,
								   int seconds);
extern void frame_set_deadline(Thread *thread, Frame *frame, TimestampTz from);
extern void frame_load_activation(Thread *thread, Frame *frame);
extern StepRow *step_row(Thread *thread, Frame *frame, PlanNode *node,
						 int visit);
extern void step_fail(StepRow *row, StepStatus status, const StepError *error);
/* Go on where the frame's scope goes on. */
extern void frame_follow_frontier(Thread *thread, Frame *frame);
extern void step_ended(Thread *thread, Frame *frame, PlanNode *node,
					   StepRow *row);
/* The same of a step that ends its scope: succeed, fail. */
extern void step_ended_scope(Thread *thread, Frame *frame, PlanNode *node,
							 StepRow *row);
extern void execution_ended(Thread *thread, ExecutionStatus status,
							Jsonb *output, Jsonb *error,
							const char *error_type);
extern TimestampTz thread_time(Thread *thread);
extern TimestampTz thread_time_of(Thread *thread, TimestampTz now);
extern Jsonb *step_error_jsonb(const StepError *error, const char *step_id,
							   const char *scope);
/*
 * Within ereport(): the schema, table, column, data type and constraint of a
 * stored error.
 */
extern int	err_stored_names(Jsonb *error);
/* An error object with one more member. */
extern Jsonb *error_with(Jsonb *error, const char *key, const char *text);
extern StepError *size_error(const PlanNode *node, Size size);
extern StepError *mapping_error(const char *what,
								const EvaluateContext *context);
/* Why a condition cannot be evaluated: NULL is NULL. */
extern StepError *condition_error(const char *why);

/* resume.c */
/* Find out where the scope of the top frame stands. */
extern void thread_find_frontier(Thread *thread);
/* The same, the newest row being known: NULL, there is none. */
extern void thread_go_on_from(Thread *thread, const StepRecord *newest);
/* Deadline of a scope that others or this thread may have begun before. */
extern void frame_attach_deadline(Thread *thread, Frame *frame, bool fresh);
/*
 * Of children that run one after the other some have ended that come after the
 * one the frame stands in: they were retried.
 */
extern void frame_remember_ended(Frame *frame, const bool *ended, int nended);

/* rows.c */
/* A row without times. */
extern StepRow *timeless_row(Thread *thread, Frame *frame, PlanNode *node,
							 int visit);
extern StepRow *leaf_row(Thread *thread);
extern void leaf_settings(Thread *thread, const PlanNode *node, SqlTask *task);

/* enter.c */
/* Prepare the leaf; false: it has failed before it began. */
extern bool leaf_prepare(Thread *thread, Frame *frame, PlanNode *node,
						 StepRow *row);
extern bool is_stuck_attempt(Thread *thread, const Frame *frame,
							 const PlanNode *node, int visit, int attempt);
extern ThreadAction step_enter(Thread *thread, Frame *frame, PlanNode *node,
							   bool *again);
/* Go on with the one the frame stands at, which has begun and waits. */
extern ThreadAction step_go_on(Thread *thread, Frame *frame, bool *again);

/* marks.c */
extern bool step_is_held(const Thread *thread, const Frame *frame);
extern bool step_is_skipped(const Thread *thread, const PlanNode *node,
							Jsonb **output);

/* retry.c */
/*
 * Retries that every step gets for errors that say themselves that another try
 * may succeed.
 */
#define TRANSIENT_RETRIES 3
extern bool error_is_transient(const StepError *error);
/*
 * Is the failed attempt that a row is of followed by another one?  Of SQL of
 * the user, and of a container.
 */
extern bool container_retry_follows(Thread *thread, Frame *frame,
									PlanNode *node, StepRow *row);
extern bool retry_follows(Thread *thread, Frame *frame, PlanNode *node,
						  StepRow *row, const StepError *error);
/* The visit of the attempt that follows one that had begun. */
extern int	next_attempt_visit(const PlanNode *node, int visit,
							   int collection_size, const char *branch_taken);

/* containers.c */
extern Frame *container_enter(Thread *thread, PlanNode *node, int visit,
							  StepRow *row, int child);
extern ThreadAction container_fork(Thread *thread, Frame *frame, PlanNode *node,
								   int visit, StepRow *row, int total);
/* Is the time over of the container, or of the scope it is in? */
extern bool container_expired(const Thread *thread, const PlanNode *node,
							  const Frame *parent, TimestampTz opened_at,
							  TimestampTz at);
/* Close the container whose child the top frame is. */
extern void container_close_activation(Thread *thread);
extern void container_close(Thread *thread, Frame *frame, PlanNode *node,
							int visit, StepRow *row);
extern void container_cut_short(Thread *thread, Frame *frame, StepStatus status,
								const StepError *error);

/*
 * A condition that is SQL becomes the leaf.  Returns NULL, or why its input
 * cannot be had.
 */
extern const char *condition_leaf(Thread *thread, Frame *frame, PlanNode *node,
								  int visit, int attempt,
								  const Condition *condition,
								  TimestampTz started_at);

/*
 * Does a container (NULL: none) have a condition that comes between its
 * iterations?
 */
extern bool loop_asks(const PlanNode *container);

/* child_ended.c */
/* What does a container do whose child, the top frame, has ended? */
extern void container_child_ended(Thread *thread, Frame *frame,
								  ScopeOutcome outcome, StepRow *last);

/* steps/loop.c */
extern bool loop_continue(Thread *thread, Frame *frame);

/* resolve.c */
extern void evaluate_in(Thread *thread, Frame *frame, EvaluateContext *context);
extern Jsonb *evaluate_output(Thread *thread, Frame *frame, PlanNode *node,
							  Jsonb *result, EvaluateContext *context);
extern void frame_remember(Frame *frame, PlanNode *node, const StepRow *row);
extern bool step_ran(const StepRow *row);
extern StepRow *scope_last_ran(Thread *thread, Frame *frame, StepRow *last);

/* variables.c */
extern Jsonb *frame_variables(Thread *thread, Frame *owner);
extern Frame *variables_frame(Frame *frame);
extern void variables_begin(JsonbParseState **state, Jsonb *variables);
extern void variables_assign(JsonbParseState **state, const char *name,
							 Jsonb *assigned);
extern StepError *variables_end(JsonbParseState **state, Frame *owner,
								const PlanNode *node, StepRow *row);
extern void variables_restore(Frame *owner, Jsonb *before, StepRow *row);

#endif							/* PGWF_THREAD_H */

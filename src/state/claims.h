/*-------------------------------------------------------------------------
 *
 * claims.h
 *	  The table workflow.executions, as the scheduler and the drivers use it:
 *	  claim, load, recover.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_CLAIMS_H
#define PGWF_CLAIMS_H

#include "shared/queue_bounds.h"
#include "state/pauses.h"
#include "state/steps.h"

/* What the scheduler needs to know of an execution. */
typedef struct ClaimedExecution
{
	int64		id;
	Oid			role;
	int			priority;
	int			definition_id;
	bool		cancelling;
	int			recoveries;
	int			timeout_seconds;	/* of the definition, 0 = none */
	char	   *workflow;
	char	   *tenant;			/* NULL: none */
	bool		resumes;		/* it has run before and goes on from its
								 * rows */
	bool		in_epilogue;	/* how it ends is decided, its epilogue is to
								 * be run; not cancelling then */
	TimestampTz due_at;			/* when it was queued, or to be run if that
								 * was later */
} ClaimedExecution;

/*
 * Claims begin where something may wait: from what executions_queued() was
 * told, and where the claims before have left something.  That must be told
 * before the transaction of the claim begins.
 */
extern void executions_queued(const QueueNews *queued);
/* Executions are pending that nobody tells the place of. */
extern void executions_look_everywhere(void);
/*
 * False: executions_find_roles() comes before anything else, in a transaction.
 */
extern bool executions_roles_known(void);
extern void executions_find_roles(void);
/*
 * The roles of which something may wait, in the current context; returns how
 * many.
 */
extern int	executions_waiting_roles(TimestampTz now, Oid **roles);

/*
 * Make pending executions of a role that are due running, the most urgent
 * first, at most limit.  Returns how many; *claimed is palloc'd in the current
 * context.
 */
extern int	executions_claim(Oid role, int limit, ClaimedExecution **claimed);
/*
 * When to claim again though nobody asks for it: somebody may have written into
 * the table; DT_NOEND: not.
 */
extern TimestampTz executions_next_look(void);
/* Have claims that found fewer than wanted left some that are locked? */
extern bool executions_pending_left(void);
/*
 * When the next deferred execution is due that is not due yet, DT_NOEND: there
 * is none; *due: some are.  Needs a transaction, to ask, unless it is known.
 */
extern TimestampTz executions_next_start(TimestampTz now, bool *due);
extern bool executions_next_start_known(void);

/* An execution that a session wants something of. */
typedef struct ControlledExecution
{
	int64		id;
	ExecutionStatus status;
	Oid			role;
	bool		in_epilogue;	/* which nobody wants to stop */
	bool		marked;			/* steps of it are held or skipped */
} ControlledExecution;

/*
 * Take the mark "control" off executions that have it, some of them if they are
 * many, and return them.  *left: there are others, locked perhaps.
 */
extern int	executions_controlled(ControlledExecution **controlled, bool *left);

/* The executions that may be to blame. */
typedef struct Accused
{
	bool		all_but;		/* all, without these */
	int64	   *ids;
	int			count;
} Accused;

/*
 * Recover running executions (id 0: all): count that, unless they were
 * interrupted by an orderly stop, and return them.  accused: who may be to
 * blame, only they are counted; NULL: that is not known.  What somebody has
 * locked is left out.  reason is kept with the time in interruptions.
 * recoveries counts those without progress in between: a row that ended since
 * the last one resets it.  From the second on only an execution that was
 * dispatched on probation is counted.
 */
extern int	executions_recover(int64 id, bool counted, const Accused *accused,
							   const char *reason, ClaimedExecution **recovered);

/*
 * Those there are to be recovered, or this one if it is; after the above: what
 * it has left is locked.
 */
extern int	executions_recoverable(int64 id, int64 **ids);
/* Mark an execution as being tried alone; false: its row is locked. */
extern bool execution_set_probation(int64 id);

/* The scheduler waits for no lock: what it cannot have it does later. */
typedef enum RowLock
{
	ROW_LOCKED,					/* by this transaction */
	ROW_BUSY,					/* somebody else has it */
	ROW_MISSING
} RowLock;

extern RowLock execution_try_lock(int64 id);

/*
 * What a thread needs to know of its execution; NULL when it is neither running
 * nor paused.
 */
typedef struct LoadedExecution
{
	int64		id;
	int			definition_id;
	int			version;
	char	   *workflow;
	Oid			role;
	int			priority;
	bool		parallel;
	TimestampTz started_at;
	Jsonb	   *input;
	char	   *traceparent;	/* NULL: none */
	bool		paused;
	int			npauses;		/* those that are over, in order */
	Pause	   *pauses;
	bool		decided;		/* how it ends: its epilogue is to be run,
								 * nothing else */
	ExecutionStatus ending;		/* what it ends with then */
	Jsonb	   *error;
	int			retries;		/* by workflow.retry() */
	TimestampTz retried_at;		/* the last time; 0: never */
	bool		reopen;			/* its rows have to be reopened first */
	TimestampTz reopen_from;	/* those that began since are set aside; 0:
								 * none */
	Jsonb	   *step_inputs;	/* NULL: none */
	Jsonb	   *step_marks;		/* NULL: none */
} LoadedExecution;

extern LoadedExecution *execution_load(int64 id);

/* It has begun at that time, later than its row says. */
extern void execution_began(int64 id, TimestampTz started_at);

#endif							/* PGWF_CLAIMS_H */

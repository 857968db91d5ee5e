/*-------------------------------------------------------------------------
 *
 * driver.h
 *	  The durable driver's state, and its transactions.
 *
 * NOTES
 *	  Private to begin_thread.c, drive.c, failures.c, run_leaf.c, runs.c and
 *	  transaction.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_DRIVER_H
#define PGWF_DRIVER_H

#include "postgres.h"

#include "interpreter/thread.h"
#include "shared/registry.h"

/* What an error means: see drive.c. */
typedef enum Phase
{
	PHASE_BOOKKEEPING,
	PHASE_LEAF,
	PHASE_AFTER
} Phase;

/*
 * Steps that share a transaction, each in a subtransaction.  Rows are in the
 * table but not committed; when the transaction is lost, all of it is done
 * again, one step at a time.
 */
typedef struct Batch
{
	bool		open;			/* the transaction stays open between threads */
	int			steps;			/* begun in this transaction */
	TimestampTz began;

	/* where it began, to go back there */
	int			position;
	Report		report;
	ScopeId		scope;

	bool		lost;			/* go back */
	int			alone;			/* steps to be run one by one then */
} Batch;

/* Where a leaf is, when the thread has moved on. */
typedef struct LeafPlace
{
	ScopeId		scope;
	int			node;			/* its index */
	bool		is_condition;
	int			visit;
	int			attempt;
} LeafPlace;

typedef struct Driver
{
	const Run  *run;
	Report	   *report;
	MemoryContext context;
	int			position;		/* RUN_START: execution, RUN_CHILDREN: child */
	int			begun;			/* positions whose wait has been counted */
	Thread	   *thread;
	MemoryContext thread_context;	/* of the thread and its execution */
	bool		paused;			/* the execution was, before the thread could
								 * begin */
	bool		left;			/* the child is not to begin any more */
	bool		standing;		/* the thread is where the driver is to go on */
	bool		leaf_again;		/* its leaf has been prepared and is to be
								 * run */
	Phase		phase;
	bool		writing;		/* rows of ours */
	bool		leaf_done;		/* in this transaction, and its row is not
								 * written yet */
	bool		any_leaf;		/* of this run has run: it may yield */
	const StuckAttempt *stuck;	/* not to be run again, but recorded; NULL:
								 * none */
	int			steps_to_stuck; /* done in front of it */
	LeafPlace	leaf;			/* the last one that was run */
	int			call;			/* of an agent with a circuit breaker; -1 =
								 * none */
	Batch		batch;

	bool		follows_commit; /* the next transaction begins when the last
								 * one ended */

	/* of the open transaction, for its commit */
	int			steps;			/* written */
	bool		progressed;		/* rows of steps, or an end, are */
	bool		wait_for_disk;	/* something in it is not relaxed */

	/* a failure to be recorded; its context is for the last one */
	MemoryContext failure_context;
	StepError  *failure;
	StepStatus	failure_status;
	bool		reload;			/* the thread has moved on: make it anew from
								 * its rows */
	ScopeId		reload_scope;
} Driver;

/* --- drive.c --- */
/* Drive one thread whatever happens to it. */
extern RunOutcome drive_one(Driver *driver);
/*
 * May another child of a range begin?  What a range knows of its join is
 * whether a failure stops it, and how its own children have ended.
 */
extern bool range_goes_on(const Run *run, const JoinCounts *counts);

/* --- run_leaf.c --- */
/* Run the leaf the thread stands at and take its result, or its failure. */
extern void run_pending_leaf(Driver *driver);
/* The leaf is not to be run: somebody wants the thread to stop. */
extern void stop_at_leaf(Driver *driver);
/*
 * The thread stands at the attempt whose process did not respond: record that.
 * True when it did, once in a run.
 */
extern bool fail_stuck_leaf(Driver *driver);

/* --- failures.c --- */
/*
 * The leaf the thread stands at has not completed, or is not to be run at all.
 */
extern void leaf_failed(Driver *driver, StepStatus status,
						const StepError *error);
/*
 * Record the failure of the last transaction's leaf.  False: there is nothing
 * to be recorded, and the thread is to do *action.
 */
extern bool record_failure(Driver *driver, ThreadAction *action);
/*
 * Take the error that is being handled: afterwards the driver has a failure to
 * be recorded, or is to run the leaf again; or the run ends with what is
 * returned.
 */
extern RunOutcome take_error(Driver *driver);
extern void forget_error(Driver *driver);

/* --- begin_thread.c --- */
/* Whether, and why, the work on the present execution is to end. */
extern StopReason stop_reason(const Driver *driver);
/* What was ready has been begun with. */
extern void count_wait(const Run *run, TimestampTz now);
/* Make the thread the run is about.  False: there is nothing to do. */
extern bool make_thread(Driver *driver);
/*
 * Was it given to another role since its run was handed out?  Then that role's
 * executors go on.
 */
extern bool is_anothers(const LoadedExecution *execution);
/* Does the thread stand at a child that has not begun, and is not to? */
extern bool is_left(const Driver *driver);

/* --- transaction.c --- */
extern void begin(Driver *driver);
/* Without a leaf of its own: read write, and READ COMMITTED. */
extern void begin_bookkeeping(void);
/*
 * Another one, for a leaf that wants a snapshot for all of its SQL; nothing is
 * to be written before it.
 */
extern void begin_isolated(Driver *driver, int isolation, bool deferrable);
/* Is the open transaction one of those? */
extern bool transaction_is_isolated(void);
/* Our own statements see the newest rows in it, until it ends. */
extern void lower_isolation(void);
/* Write what has happened and commit. */
extern void finish(Driver *driver, bool leaf_pending);
/* Write it and leave the transaction open. */
extern void keep_open(Driver *driver, bool leaf_pending);
/* Commit what keep_open() has left. */
extern void commit(Driver *driver);
/* The transaction is gone. */
extern void transaction_lost(Driver *driver);

/* May the leaf the thread stands at share a transaction? */
extern bool leaf_may_share(const Driver *driver);
/* Is there a shared transaction that has room for another step? */
extern bool batch_has_room(const Driver *driver);
/* A step joins the shared transaction, or is the first of a new one. */
extern void batch_join(Driver *driver);

#endif							/* PGWF_DRIVER_H */

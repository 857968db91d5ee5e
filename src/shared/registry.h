/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  What the processes share: the registry of databases and slots.
 *
 * NOTES
 *	  Two locks.  registry->lock (LWLock) protects the database entries, the
 *	  allocation of slots (FREE <-> anything) and nothing else.  Each slot's
 *	  spinlock protects that slot's state, run, stop and report.  Order:
 *	  registry lock first.  No pointers into private memory, no payloads:
 *	  processes are known by pid and PGPROC number, executions by id.  Nothing
 *	  here knows what is done with the structures: each file of the room has its
 *	  own functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_REGISTRY_H
#define PGWF_REGISTRY_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "definition/join_rule.h"
#include "definition/scope_id.h"
#include "shared/counters.h"
#include "shared/queue_bounds.h"

typedef enum RunKind
{
	RUN_START,					/* fresh executions: execution_ids[0 ..
								 * nexecutions) */
	RUN_THREAD,					/* go on with the thread of a scope, from its
								 * rows */
	RUN_CHILDREN,				/* children [from, to) of the container
								 * (node, visit) in scope */
	RUN_JOIN,					/* all children ended: close the container
								 * (node, visit) in scope, go on */
	RUN_EPILOGUE				/* the end of the execution is decided:
								 * compensate, run the on_failure chain, end
								 * it */
} RunKind;

#define RUN_MAX_EXECUTIONS 64

/*
 * An attempt at a step whose process did not respond to being cancelled.  The
 * first five say which attempt it is, exactly.
 */
typedef struct StuckAttempt
{
	int64		execution_id;	/* 0: none */
	ScopeId		scope;
	int			node;
	int			visit;
	int			attempt;
	int			pid;			/* of the executor */
	bool		quarantined;	/* which ignores SIGTERM, too */
	bool		shared;			/* its transaction had other steps in it,
								 * which are gone as well */
	int			grace_ms;		/* the time it was given */
	int64		elapsed_ms;		/* since the attempt began */
	TimestampTz started_at;
	char		label[NAMEDATALEN]; /* of its iteration, as in its progress */
} StuckAttempt;

typedef struct Run
{
	RunKind		kind;
	bool		fresh;			/* RUN_CHILDREN: no child has rows yet */
	bool		only_begun;		/* RUN_CHILDREN: one that has none is left */
	bool		trial;			/* its execution is a suspect: each step
								 * commits, so that it is known which it is */
	int			nexecutions;
	int64		execution_ids[RUN_MAX_EXECUTIONS];	/* others than RUN_START:
													 * [0] */
	ScopeId		scope;
	int			bottom;			/* RUN_JOIN: depth of the scope whose end is
								 * the thread's */
	int			node;
	int			visit;
	int			from;
	int			to;
	bool		stop_on_failure;	/* RUN_CHILDREN: do not start another
									 * after a failed one */
	StuckAttempt stuck;			/* not to be run again, but recorded as stuck */
	TimestampTz ready_at;		/* it waited since; RUN_START: on average */
} Run;

typedef enum RunOutcome
{
	OUTCOME_DONE,				/* RUN_START: all executions ended;
								 * RUN_CHILDREN: range done; else: the scope
								 * or the execution ended */
	OUTCOME_FORK,				/* stopped at a container that forks: fork
								 * says which */
	OUTCOME_EPILOGUE,			/* the execution is to end, after its
								 * epilogue */
	OUTCOME_PARKED,				/* nothing to do before park_until; go on
								 * from the rows then */
	OUTCOME_WAITING,			/* the same, written down: nobody need
								 * remember the thread */
	OUTCOME_YIELDED,			/* asked to make room; go on from the rows
								 * later */
	OUTCOME_STOPPED,			/* asked to stop (cancel, timeout, sibling);
								 * the interrupted attempt is recorded */
	OUTCOME_ERROR,				/* bookkeeping failed: error has the message */
	OUTCOME_LOST				/* another process has done it: its row, or
								 * the fence, said so */
} RunOutcome;

/* A container whose children are to be handed out. */
typedef struct ForkReport
{
	ScopeId		scope;			/* scope of the thread that stands at the
								 * container */
	int			node;
	int			visit;
	int			total;			/* children */
	int			max_parallelism;	/* 0 = unlimited */
	JoinRule	rule;
	bool		recovered;		/* some children may have ended already: read
								 * their rows */
	TimestampTz deadline;		/* of the block, DT_NOEND = none */
	int			priority;
} ForkReport;

typedef struct Report
{
	RunOutcome	outcome;
	int			handled;		/* RUN_START: executions dealt with (incl.
								 * the one that forked or yielded);
								 * RUN_CHILDREN: children */
	bool		in_child;		/* RUN_CHILDREN: the one behind those has
								 * begun */
	JoinCounts	counts;			/* RUN_CHILDREN: how those of its range ended */
	bool		execution_ended;	/* the execution is over (its end,
									 * succeed, fail, timeout) */
	bool		scope_ended;	/* RUN_THREAD, RUN_JOIN of a child thread:
								 * the scope ended with scope_failed /
								 * scope_skipped */
	bool		scope_failed;
	bool		scope_skipped;
	ForkReport	fork;
	TimestampTz park_until;
	char		error[256];		/* OUTCOME_ERROR */
	bool		weather;		/* OUTCOME_ERROR: it is nobody's fault */
	bool		fenced;			/* OUTCOME_LOST: by the fence */
	bool		paused;			/* OUTCOME_YIELDED: its execution was, before
								 * anything was done */
	bool		progressed;		/* rows of steps, or the end, were committed */
} Report;

typedef enum StopReason
{
	STOP_NONE,
	STOP_CANCEL,				/* workflow.cancel() */
	STOP_SIBLING,				/* the join is decided */
	STOP_ENDED,					/* the execution ended in another thread */
	STOP_YIELD,					/* not a stop: give way at the next step
								 * boundary; no signal */
	STOP_PAUSE					/* nor is this: leave behind the step and the
								 * iteration that have begun; no signal */
} StopReason;

/* What an executor does this moment, for workflow.activity. */
typedef struct Progress
{
	int64		execution_id;	/* 0 = nothing */
	int			definition_id;
	char		workflow[NAMEDATALEN];
	char		step_id[NAMEDATALEN];	/* clipped */
	char		scope[128];		/* clipped */
	char		branch[NAMEDATALEN];	/* of the innermost parallel or
										 * fork_join; clipped; empty: none */
	int			visit;
	int			attempt;
	int			iteration;		/* -1 = none */
	char		label[NAMEDATALEN]; /* of the iteration; clipped; empty: none */
	TimestampTz step_started_at;
	TimestampTz execution_started_at;
	/* the exact name of the attempt */
	ScopeId		scope_id;
	int			node;
	/*
	 * position of the run that its transaction began at; -1 = it has no other
	 * steps in it
	 */
	int			shared_from;
} Progress;

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_STARTING,				/* registered; with a pid: attached, not yet
								 * connected */
	SLOT_IDLE,
	SLOT_ASSIGNED,
	SLOT_RUNNING,
	SLOT_REPORTED
} SlotState;

/* Why an executor is to leave. */
typedef enum ExitReason
{
	EXIT_NONE,
	EXIT_IDLE,					/* nothing to do for
								 * workflow.executor_idle_timeout */
	EXIT_RUNS,					/* workflow.executor_max_runs */
	EXIT_MEMORY,				/* workflow.executor_max_memory */
	EXIT_ROLE,					/* its role is not what it was, or has other
								 * settings */
	EXIT_AGE,					/* workflow.executor_max_age */
	EXIT_DRAIN,					/* somebody asked for it */
	EXIT_RECYCLE,				/* the same, to be replaced at once */
	EXIT_ROOM					/* its slot is needed for another role or
								 * database */
} ExitReason;

/* An executor that does not respond. */
typedef enum SlotTrouble
{
	TROUBLE_NONE,
	TROUBLE_STUCK,				/* it swallowed a cancel, and was sent
								 * SIGTERM */
	TROUBLE_QUARANTINED			/* it ignored that, too: written off until it
								 * dies */
} SlotTrouble;

/* What a session wants of an executor. */
typedef struct ExitRequest
{
	ExitReason	reason;			/* EXIT_NONE: nothing; EXIT_DRAIN,
								 * EXIT_RECYCLE */
	Oid			requested_by;
	TimestampTz requested_at;
	char		text[128];		/* clipped */
} ExitRequest;

typedef struct Slot
{
	slock_t		mutex;
	SlotState	state;
	uint32		generation;		/* ++ at each allocation */
	Oid			database;
	Oid			role;
	pid_t		pid;			/* 0 until attached */
	int			pgprocno;
	uint32		scheduler_generation;	/* of the scheduler that started it */
	bool		exit_requested; /* leave when idle */
	TimestampTz leaving_since;	/* when that was; 0: it was not */
	ExitReason	exit_reason;	/* why; EXIT_NONE: not requested */
	bool		terminated;		/* its last word: SIGTERM of another process
								 * .. */
	bool		ended_by_weather;	/* .. or an error that is nobody's fault */
	ExitRequest request;		/* of a session, for the scheduler */
	SlotTrouble trouble;
	bool		retired;		/* it does not count: another may be started
								 * in its place */
	StopReason	stop;			/* for the present run */
	int64		stop_execution; /* of a run of several executions: the one
								 * that is to stop; 0 = all */
	Run			run;
	Report		report;
	Progress	progress;
	TimestampTz attached_at;
	TimestampTz idle_since;
	int64		runs_done;
	int64		steps_done;
	int64		memory_bytes;	/* at the end of the last run */
	int64		peak_memory;

	/* the executor's alone, written without the lock */
	bool		settling;		/* the step's SQL has ended, and what follows
								 * is not committed */
	TimestampTz interrupted_at; /* its step's time is over, and it has been
								 * told; 0: not */
	TimestampTz heartbeat_at;	/* its timer went off, see
								 * slot_heartbeat_start(); or it was given a
								 * run */
	CounterBlock counters;
} Slot;

typedef enum DatabaseState
{
	DATABASE_UNUSED,			/* entry free */
	DATABASE_UNKNOWN,			/* never looked, or look again */
	DATABASE_STARTING,			/* scheduler registered */
	DATABASE_ACTIVE,			/* scheduler attached */
	DATABASE_ABSENT				/* looked: extension not installed */
} DatabaseState;

/* Why a scheduler should wake up. */
/* executions are pending again: look at the whole queue */
#define WAKE_PENDING	0x01
/* cancel and the like: look at executions being stopped */
#define WAKE_CONTROL	0x02
#define WAKE_REPORT		0x04	/* some slot changed */
/* the extension was dropped, created or updated */
#define WAKE_EXTENSION	0x08
/* a block was lifted, or a limit may have changed */
#define WAKE_ADMISSION	0x10
#define WAKE_DRAIN		0x20	/* workflow.database_state was written */
/* executions were queued: DatabaseEntry.queued says where to look */
#define WAKE_QUEUED		0x40
#define WAKE_SUBSCRIPTION 0x80	/* one was created, altered or dropped */
/* a circuit breaker has changed and is not in the table yet */
#define WAKE_BREAKERS	0x100
/* an execution of a schedule has ended: another one may begin */
#define WAKE_SCHEDULED	0x200

/* Are the workflows of a database to run? */
typedef enum DrainMode
{
	DRAIN_NONE,
	DRAIN_EXECUTIONS,			/* no execution is begun */
	DRAIN_STEPS					/* no step is run */
} DrainMode;

/* What is told of an error, clipped. */
#define TOLD_SIZE 200

typedef struct DatabaseEntry
{
	Oid			database;
	DatabaseState state;
	pid_t		scheduler_pid;
	int			scheduler_pgprocno;
	uint32		generation;		/* ++ at each scheduler start */
	int			holds;			/* > 0: no scheduler may run (DROP DATABASE,
								 * DROP EXTENSION ...) */
	int			extension_holds;		/* of those: by sessions that drop or
										 * change the extension */
	int			closings;		/* > 0: somebody is about to hold it, and
								 * lets the steps end that run */
	int			nslots;			/* slots of this database that are not free */
	int			nretired;		/* those of them that do not count */
	TimestampTz waits_until;	/* its scheduler wants a slot: see shares.c;
								 * 0 = no */
	TimestampTz waits_since;	/* when it began to */
	TimestampTz started_at;		/* of the scheduler: when it was registered */
	TimestampTz next_start;		/* not before, after a failure */
	int			failures;		/* schedulers that failed one after the other */
	TimestampTz failing_since;	/* when the first of them did */
	char		failure[TOLD_SIZE];	/* what the last of them said; empty:
									 * nobody knows */
	DrainMode	drain;			/* what the scheduler has seen */
	/*
	 * transactions of ours fail, and are done again: see database_show_again()
	 */
	TimestampTz again_since;
	TimestampTz again_until;
	char		again[TOLD_SIZE];
	bool		orderly_end;	/* the last scheduler, or the server, was
								 * asked to end */
	bool		blame_known;	/* the server has crashed, no scheduler has
								 * been here since: see black_box.h */
	pg_atomic_uint32 wake;		/* WAKE_* */
	TimestampTz woken_at;		/* when the first of these was set */
	/* what the scheduler shows, written without the lock: see SchedulerView */
	TimestampTz disabled_since; /* workflow.enabled is off for it; 0: it is
								 * on */
	int			executions;		/* under way */
	int			max_running;
	TimestampTz ready_since;	/* a run waits for an executor; DT_NOEND:
								 * none */
	TimestampTz no_workers_since;	/* no background worker is to be had; 0:
									 * some are */
	slock_t		queued_lock;	/* protects queued */
	QueueNews	queued;			/* since the scheduler last took it */
	/*
	 * of the queue, see api/admit.c; good for the limit they were counted for
	 */
	int			pending_limit;	/* 0: not counted */
	pg_atomic_uint32 pending_credits;
	pg_atomic_uint32 pending_until_count;
	TimestampTz pending_full_at;	/* when it was found full; 0: it was not */
	/* statistics, see counters.h */
	EngineCounts counted_before;	/* by executors that have left */
	CounterBlock scheduler_counters;	/* the scheduler's alone, written
										 * without the lock */
	EngineCounts reset_at;		/* what it had come to then */
	TimestampTz counted_since;
} DatabaseEntry;

#define NUM_WAIT_CHANNELS 64

typedef struct Registry
{
	LWLock	   *lock;
	LWLock	   *cycle_lock;		/* one session at a time decides that it
								 * waits for itself: wait_cycle.c */
	pid_t		launcher_pid;
	int			launcher_pgprocno;
	TimestampTz launcher_woken_at;	/* and it has not looked since; 0: it has */
	TimestampTz clock_offset;	/* of the steady clock: clock.c */
	bool		orderly_start;	/* nothing of ours was interrupted before the
								 * server started */
	bool		blame_known;	/* after a crash: it is known who was at
								 * work: see black_box.h */
	TimestampTz exhausted_since;	/* no background worker is to be had for
									 * a scheduler; 0: some are */
	TimestampTz exhausted_until;	/* when the launcher tries again */
	int			ndatabases;		/* size of the array */
	int			nslots;			/* size of the array: more than may be in
								 * use, since some can be retired */
	int			nwaiting;		/* databases that wait for a slot */
	pg_atomic_uint32 settings_changes;	/* roles and databases were given
										 * others: own_role.c */
	ConditionVariable databases_changed;	/* a scheduler or executor came
											 * or went */
	ConditionVariable finished[NUM_WAIT_CHANNELS];	/* executions ended;
													 * channel = id % n */
	DatabaseEntry *databases;
	Slot	   *slots;
	pg_atomic_uint64 *waits_for;	/* by PGPROC number: the execution the
									 * process waits for; 0: none */
} Registry;

/* NULL when the library is not in shared_preload_libraries. */
extern Registry *registry;

/*
 * The entry of this process's database: in a scheduler and in an executor from
 * attaching on; elsewhere a cache.
 */
extern DatabaseEntry *my_database_entry;

/*
 * The entry of a database, lock held by the caller, exclusively when create.
 * NULL: none, or no room.
 */
extern DatabaseEntry *database_entry(Oid database, bool create);
/* The entry of this session's database; NULL: there is no room for one. */
extern DatabaseEntry *session_database_entry(void);
/* Its place may be given to another database; lock held. */
extern bool database_is_replaceable(const DatabaseEntry *entry);
/*
 * The only way from one state to another; registry->lock is held exclusively.
 */
extern void database_set_state(DatabaseEntry *entry, DatabaseState state);
/*
 * Latch of a process by number, NULL-safe; lock-free (the latch array is
 * fixed).
 */
extern void set_latch_of(int pgprocno);

#endif							/* PGWF_REGISTRY_H */

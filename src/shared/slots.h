/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  Shared memory: the registry of databases and the executors' slots.
 *
 * NOTES
 *	  Two locks.  registry->lock (LWLock) protects the database entries, the
 *	  allocation of slots (FREE <-> anything) and nothing else.  Each slot's
 *	  spinlock protects that slot's state, run, stop and report.  Order: registry
 *	  lock first.  No pointers into private memory, no payloads: processes are
 *	  known by pid and PGPROC number, executions by id.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SLOTS_H
#define PGWF_SLOTS_H

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
	RUN_START,					/* fresh executions: execution_ids[0 .. nexecutions) */
	RUN_THREAD,					/* go on with the thread of a scope, from its rows */
	RUN_CHILDREN,				/* children [from, to) of the container (node, visit) in scope */
	RUN_JOIN,					/* all children ended: close the container (node, visit) in scope, go on */
	RUN_EPILOGUE				/* the end of the execution is decided: compensate, run the on_failure chain, end it */
} RunKind;

#define RUN_MAX_EXECUTIONS 64

/*
 * An attempt at a step whose process did not respond to being cancelled.  The first
 * five say which attempt it is, exactly.
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
	bool		shared;			/* its transaction had other steps in it, which are gone as well */
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
	bool		trial;			/* its execution is a suspect: each step commits, so that it is known which it is */
	int			nexecutions;
	int64		execution_ids[RUN_MAX_EXECUTIONS];	/* others than RUN_START: [0] */
	ScopeId		scope;
	int			bottom;			/* RUN_JOIN: depth of the scope whose end is the thread's */
	int			node;
	int			visit;
	int			from;
	int			to;
	bool		stop_on_failure;	/* RUN_CHILDREN: do not start another after a failed one */
	StuckAttempt stuck;			/* not to be run again, but recorded as stuck */
	TimestampTz ready_at;		/* it waited since; RUN_START: on average */
} Run;

typedef enum RunOutcome
{
	OUTCOME_DONE,				/* RUN_START: all executions ended; RUN_CHILDREN: range done; else: the scope or the execution ended */
	OUTCOME_FORK,				/* stopped at a container that forks: fork says which */
	OUTCOME_EPILOGUE,			/* the execution is to end, after its epilogue */
	OUTCOME_PARKED,				/* nothing to do before park_until; go on from the rows then */
	OUTCOME_WAITING,			/* the same, written down: nobody need remember the thread */
	OUTCOME_YIELDED,			/* asked to make room; go on from the rows later */
	OUTCOME_STOPPED,			/* asked to stop (cancel, timeout, sibling); the interrupted attempt is recorded */
	OUTCOME_ERROR,				/* bookkeeping failed: error has the message */
	OUTCOME_LOST				/* another process has done it: its row, or the fence, said so */
} RunOutcome;

/* A container whose children are to be handed out. */
typedef struct ForkReport
{
	ScopeId		scope;			/* scope of the thread that stands at the container */
	int			node;
	int			visit;
	int			total;			/* children */
	int			max_parallelism;	/* 0 = unlimited */
	JoinRule	rule;
	bool		recovered;		/* some children may have ended already: read their rows */
	TimestampTz deadline;		/* of the block, DT_NOEND = none */
	int			priority;
} ForkReport;

typedef struct Report
{
	RunOutcome	outcome;
	int			handled;		/* RUN_START: executions dealt with (incl. the one that forked or yielded); RUN_CHILDREN: children */
	bool		in_child;		/* RUN_CHILDREN: the one behind those has begun */
	int			completed;		/* RUN_CHILDREN: outcomes of the ended ones */
	int			failed;
	int			skipped;
	bool		execution_ended;	/* the execution is over (its end, succeed, fail, timeout) */
	bool		scope_ended;	/* RUN_THREAD, RUN_JOIN of a child thread: the scope ended with scope_failed / scope_skipped */
	bool		scope_failed;
	bool		scope_skipped;
	ForkReport	fork;
	TimestampTz park_until;
	char		error[256];		/* OUTCOME_ERROR */
	bool		weather;		/* OUTCOME_ERROR: it is nobody's fault */
	bool		fenced;			/* OUTCOME_LOST: by the fence */
	bool		paused;			/* OUTCOME_YIELDED: its execution was, before anything was done */
	bool		progressed;		/* rows of steps, or the end, were committed */
} Report;

typedef enum StopReason
{
	STOP_NONE,
	STOP_CANCEL,				/* workflow.cancel() */
	STOP_SIBLING,				/* the join is decided */
	STOP_ENDED,					/* the execution ended in another thread */
	STOP_YIELD,					/* not a stop: give way at the next step boundary; no signal */
	STOP_PAUSE					/* nor is this: leave behind the step and the iteration that have begun; no signal */
} StopReason;

/* What an executor does this moment, for workflow.activity. */
typedef struct Progress
{
	int64		execution_id;	/* 0 = nothing */
	int			definition_id;
	char		workflow[NAMEDATALEN];
	char		step_id[NAMEDATALEN];	/* clipped */
	char		scope[128];		/* clipped */
	char		branch[NAMEDATALEN];	/* of the innermost parallel or fork_join; clipped; empty: none */
	int			visit;
	int			attempt;
	int			iteration;		/* -1 = none */
	char		label[NAMEDATALEN]; /* of the iteration; clipped; empty: none */
	TimestampTz step_started_at;
	TimestampTz execution_started_at;
	/* the exact name of the attempt */
	ScopeId		scope_id;
	int			node;
	/* position of the run that its transaction began at; -1 = it has no other steps in it */
	int			shared_from;
} Progress;

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_STARTING,				/* registered; with a pid: attached, not yet connected */
	SLOT_IDLE,
	SLOT_ASSIGNED,
	SLOT_RUNNING,
	SLOT_REPORTED
} SlotState;

/* Why an executor is to leave. */
typedef enum ExitReason
{
	EXIT_NONE,
	EXIT_IDLE,					/* nothing to do for workflow.executor_idle_timeout */
	EXIT_RUNS,					/* workflow.executor_max_runs */
	EXIT_MEMORY,				/* workflow.executor_max_memory */
	EXIT_ROLE,					/* its role is not what it was, or has other settings */
	EXIT_AGE,					/* workflow.executor_max_age */
	EXIT_DRAIN,					/* somebody asked for it */
	EXIT_RECYCLE,				/* the same, to be replaced at once */
	EXIT_ROOM					/* its slot is needed for another role or database */
} ExitReason;

/* An executor that does not respond. */
typedef enum SlotTrouble
{
	TROUBLE_NONE,
	TROUBLE_STUCK,				/* it swallowed a cancel, and was sent SIGTERM */
	TROUBLE_QUARANTINED			/* it ignored that, too: written off until it dies */
} SlotTrouble;

/* What a session wants of an executor. */
typedef struct ExitRequest
{
	ExitReason	reason;			/* EXIT_NONE: nothing; EXIT_DRAIN, EXIT_RECYCLE */
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
	bool		terminated;		/* its last word: SIGTERM of another process .. */
	bool		ended_by_weather;	/* .. or an error that is nobody's fault */
	ExitRequest request;		/* of a session, for the scheduler */
	SlotTrouble trouble;
	bool		retired;		/* it does not count: another may be started in its place */
	StopReason	stop;			/* for the present run */
	int64		stop_execution; /* of a run of several executions: the one that is to stop; 0 = all */
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
	bool		settling;		/* the step's SQL has ended, and what follows is not committed */
	TimestampTz interrupted_at; /* its step's time is over, and it has been told; 0: not */
	TimestampTz heartbeat_at;	/* its timer went off, see slot_heartbeat_start(); or it was given a run */
	CounterBlock counters;
} Slot;

/* What the scheduler wants to know of a slot at each look. */
typedef struct SlotView
{
	SlotState	state;			/* SLOT_FREE: that executor is gone */
	bool		last_words;		/* what follows is still there: always, but when somebody else has the slot */
	pid_t		pid;
	TimestampTz attached_at;
	ExitReason	exit_reason;
	bool		terminated;
	bool		ended_by_weather;
	ExitRequest request;
	int64		runs_done;
	int64		steps_done;
	int64		peak_memory;
} SlotView;

typedef enum DatabaseState
{
	DATABASE_UNUSED,			/* entry free */
	DATABASE_UNKNOWN,			/* never looked, or look again */
	DATABASE_STARTING,			/* scheduler registered */
	DATABASE_ACTIVE,			/* scheduler attached */
	DATABASE_ABSENT				/* looked: extension not installed */
} DatabaseState;

/* Why a scheduler should wake up. */
#define WAKE_PENDING	0x01	/* executions are pending again: look at the whole queue */
#define WAKE_CONTROL	0x02	/* cancel and the like: look at executions being stopped */
#define WAKE_REPORT		0x04	/* some slot changed */
#define WAKE_EXTENSION	0x08	/* the extension was dropped, created or updated */
#define WAKE_ADMISSION	0x10	/* a block was lifted, or a limit may have changed */
#define WAKE_DRAIN		0x20	/* workflow.database_state was written */
#define WAKE_QUEUED		0x40	/* executions were queued: DatabaseEntry.queued says where to look */
#define WAKE_SUBSCRIPTION 0x80	/* one was created, altered or dropped */
#define WAKE_BREAKERS	0x100	/* a circuit breaker has changed and is not in the table yet */

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
	int			holds;			/* > 0: no scheduler may run (DROP DATABASE, DROP EXTENSION ...) */
	int			extension_holds;		/* of those: by sessions that drop or change the extension */
	int			closings;		/* > 0: somebody is about to hold it, and lets the steps end that run */
	int			nslots;			/* slots of this database that are not free */
	int			nretired;		/* those of them that do not count */
	TimestampTz waits_until;	/* its scheduler wants a slot: see shares.c; 0 = no */
	TimestampTz waits_since;	/* when it began to */
	TimestampTz started_at;		/* of the scheduler: when it was registered */
	TimestampTz next_start;		/* not before, after a failure */
	int			failures;		/* schedulers that failed one after the other */
	TimestampTz failing_since;	/* when the first of them did */
	char		failure[TOLD_SIZE];	/* what the last of them said; empty: nobody knows */
	DrainMode	drain;			/* what the scheduler has seen */
	/* transactions of ours fail, and are done again: see database_show_again() */
	TimestampTz again_since;
	TimestampTz again_until;
	char		again[TOLD_SIZE];
	bool		orderly_end;	/* the last scheduler, or the server, was asked to end */
	bool		blame_known;	/* the server has crashed, no scheduler has been here since: see black_box.h */
	pg_atomic_uint32 wake;		/* WAKE_* */
	TimestampTz woken_at;		/* when the first of these was set */
	/* what the scheduler shows, written without the lock: see SchedulerView */
	TimestampTz disabled_since; /* workflow.enabled is off for it; 0: it is on */
	int			executions;		/* under way */
	int			max_running;
	TimestampTz ready_since;	/* a run waits for an executor; DT_NOEND: none */
	TimestampTz no_workers_since;	/* no background worker is to be had; 0: some are */
	slock_t		queued_lock;	/* protects queued */
	QueueNews	queued;			/* since the scheduler last took it */
	/* of the queue, see api/admit.c; good for the limit they were counted for */
	int			pending_limit;	/* 0: not counted */
	pg_atomic_uint32 pending_credits;
	pg_atomic_uint32 pending_until_count;
	TimestampTz pending_full_at;	/* when it was found full; 0: it was not */
	/* statistics, see counters.h */
	EngineCounts counted_before;	/* by executors that have left */
	CounterBlock scheduler_counters;	/* the scheduler's alone, written without the lock */
	EngineCounts reset_at;		/* what it had come to then */
	TimestampTz counted_since;
} DatabaseEntry;

#define NUM_WAIT_CHANNELS 64

typedef struct Registry
{
	LWLock	   *lock;
	LWLock	   *cycle_lock;		/* one session at a time decides that it waits for itself: wait_cycle.c */
	pid_t		launcher_pid;
	int			launcher_pgprocno;
	TimestampTz launcher_woken_at;	/* and it has not looked since; 0: it has */
	TimestampTz clock_offset;	/* of the steady clock: clock.c */
	bool		orderly_start;	/* nothing of ours was interrupted before the server started */
	TimestampTz exhausted_since;	/* no background worker is to be had for a scheduler; 0: some are */
	TimestampTz exhausted_until;	/* when the launcher tries again */
	int			ndatabases;		/* size of the array */
	int			nslots;			/* size of the array: more than may be in use, since some can be retired */
	int			nwaiting;		/* databases that wait for a slot */
	pg_atomic_uint32 settings_changes;	/* roles and databases were given others: own_role.c */
	ConditionVariable databases_changed;	/* a scheduler or executor came or went */
	ConditionVariable finished[NUM_WAIT_CHANNELS];	/* executions ended; channel = id % n */
	DatabaseEntry *databases;
	Slot	   *slots;
	pg_atomic_uint64 *waits_for;	/* by PGPROC number: the execution the process waits for; 0: none */
} Registry;

/* A database's scheduler as others see it. */
typedef struct SchedulerView
{
	bool		present;		/* at work, or about to be */
	pid_t		pid;			/* 0: none yet */
	TimestampTz disabled_since;
	int			executions;
	int			max_running;
	TimestampTz ready_since;
	TimestampTz no_workers_since;
	TimestampTz unanswered_since;	/* it was woken, and has not looked since; 0: it has */
	bool		crowded_out;	/* workflow.max_databases others have one */
	TimestampTz exhausted_since;	/* none can be started for want of a background worker; 0: one can */
	TimestampTz next_start;		/* when that is tried again; 0: nobody waits for a time */
	pid_t		launcher_pid;	/* 0: there is none */
	TimestampTz launcher_unanswered_since;	/* as of the scheduler */
	int			failures;		/* that failed one after the other, until now */
	TimestampTz failing_since;	/* 0: it does not */
	char		failure[TOLD_SIZE];
	TimestampTz again_since;	/* transactions of ours are done again; 0: none */
	char		again[TOLD_SIZE];
} SchedulerView;

/* NULL when the library is not in shared_preload_libraries. */
extern Registry *registry;

/* The entry of this process's database: in a scheduler and in an executor from attaching on; elsewhere a cache. */
extern DatabaseEntry *my_database_entry;

extern void slots_request_shmem(void);	/* shmem_request_hook's part */
extern void slots_init_shmem(void); /* shmem_startup_hook's part */
extern bool server_was_shut_down(void);

/* --- sessions --- */
/* Wake the scheduler of this database (or the launcher, when there is none) when
 * the current transaction commits.  Does nothing without a registry. */
extern void wake_at_commit(uint32 reasons);
extern void wake_for_extension_now(void);
/* The same for an execution that is queued: the scheduler needs to look at nothing before it. */
extern void wake_for_queued(Oid role, int32 priority, int64 id);
extern void wake_for_deferred(Oid role, TimestampTz start_at);
/* The entry of this session's database; NULL: there is no room for one. */
extern DatabaseEntry *session_database_entry(void);
extern void wake_scheduler(Oid database, uint32 reasons);
extern void wake_entry(DatabaseEntry *entry, uint32 reasons);
extern void wake_launcher(void);
/* The launcher looks at everything: whoever has woken it is answered. */
extern void launcher_looks(void);
/* At the commit of the current transaction, wake the launcher to read pg_database again. */
extern void wake_launcher_at_commit(void);
extern void broadcast_finished(int64 execution_id); /* wait() looks again */
extern void broadcast_all_finished(void);	/* all of them do */

/* --- databases (launcher, utility hook) --- */
/* The entry of a database, lock held by the caller, exclusively when create.  NULL: none, or no room. */
extern DatabaseEntry *database_entry(Oid database, bool create);
/* Stop the scheduler and executors of a database and keep them away until the
 * end of the current transaction.  Waits, interruptibly, until they are gone. */
extern void database_hold(Oid database, bool extension_changes);
/* Before that: no step begins, and those that run have some time to end. */
extern void database_close(int timeout_ms);
extern bool database_is_closing(const DatabaseEntry *entry);
/* Is a session of this database about to drop or change the extension? */
extern bool extension_is_held(void);
/* SIGTERM to the scheduler and executors of a database; lock held by the caller. */
extern void database_terminate_workers(DatabaseEntry *entry);
/* Slots of this database that are not free: executors, living or about to start. */
extern int	database_count_executors(Oid database);

/* --- databases: the launcher's side --- */
extern bool database_begin_start(Oid database, uint32 *generation); /* UNKNOWN -> STARTING */
extern void database_start_failed(Oid database, uint32 generation, bool is_failure);	/* STARTING -> UNKNOWN */
extern bool database_is_starting(Oid database, uint32 generation);
extern void database_cancel_start(DatabaseEntry *entry);	/* STARTING -> UNKNOWN; lock held */
extern void database_retire(DatabaseEntry *entry);	/* no scheduler here any more; lock held */

/* --- databases: the scheduler's side --- */
/*
 * STARTING -> ACTIVE.  Call it between worker_initialize() and worker_connect():
 * who is attached can be stopped, so nobody unknown is ever connected, and on the
 * way out the entry is left after the transaction was aborted.  Does not return
 * when the entry is stale or held.  The exit takes this database's executors
 * along (SIGTERM) and wakes the launcher, which starts the next scheduler.
 */
extern DatabaseEntry *scheduler_attach(Oid database, uint32 generation);
/* It is about to look whether the extension is installed ... */
extern void scheduler_looks_for_extension(void);
/* ... and it is not: no new scheduler after this one's exit. */
extern void scheduler_detach_absent(void);
extern void scheduler_ends_by(int sqlerrcode);
extern void scheduler_ends_with(const ErrorData *error);
/* A transaction of ours has failed through nobody's fault, and is done again soon. */
extern void database_show_again(DatabaseEntry *entry, const char *message);
extern void database_look(Oid database, SchedulerView *view);
extern void database_show_drain(DatabaseEntry *entry, DrainMode mode);
/* The scheduler has seen that, or there is none, and no executor is busy. */
extern bool database_is_drained(Oid database, DrainMode mode);
/* The WAKE_* bits set since the last call.  Take them before looking at tables. */
extern uint32 scheduler_take_wake(DatabaseEntry *entry);
/* What was queued since the last call; after the bits, before looking at tables. */
extern void scheduler_take_queued(DatabaseEntry *entry, QueueNews *queued);

/* --- slots: the scheduler's side.  None of them touches a slot that has gone
 * to another scheduler. --- */
/* -1: none free; the scheduler is woken (WAKE_REPORT) when there may be one. */
extern int	slot_allocate(Oid database, Oid role, uint32 scheduler_generation);
extern bool slots_in_reserve(void); /* is there a slot beyond workflow.max_executors? */
extern uint32 slot_generation(int slot);	/* to remember after slot_allocate() */
extern void slot_look(int slot, uint32 generation, SlotView *view);
extern void slot_release(int slot); /* its process never came: STARTING -> FREE; else nothing */
extern bool slot_assign(int slot, const Run *run);	/* IDLE -> ASSIGNED, wakes; false: it has gone */
/* With SIGINT if it is a real one; can be repeated.  True: it is about what runs now. */
extern bool slot_request_stop(int slot, StopReason reason, int64 execution_id);
extern void slot_request_yield(int slot);	/* a pause comes first */
extern TimestampTz slot_interrupted_at(int slot);	/* its step's time is over since; 0: not */
/*
 * The executor does not respond: mark it, have another take its place, SIGTERM.
 * False: it does not work on that execution (0: on any) any more.
 */
extern bool slot_stuck(int slot, int64 execution_id, Progress *progress, pid_t *pid);
extern void slot_quarantine(int slot);
extern bool slot_settling(int slot);
extern void slot_request_exit(int slot, ExitReason reason); /* leave when idle */
extern void slot_retire(int slot);	/* another may be started in its place already */
extern void slot_forget_request(int slot);	/* what a session asked for has been seen */
/* Quarantined executors of schedulers before this one; returns how many. */
extern int	slots_adopt(int *slots, int max);
extern bool slot_take_report(int slot, Report *report); /* REPORTED -> IDLE */
/* Another database waits for slots that this one should give up (woken: WAKE_REPORT). */
extern bool slots_are_wanted_elsewhere(void);
extern void slots_are_not_wanted(void);	/* here: the database waits no longer */
extern void slots_forget_starting(DatabaseEntry *entry);	/* the scheduler's exit; lock held */

/* --- slots: the executor's side --- */
/*
 * Call it between worker_initialize() and worker_connect(), for the reasons given
 * at scheduler_attach(): a free slot means that its transaction is over.  Does
 * not return when the slot is stale or the database held.
 */
extern void slot_attach(int slot, uint32 generation);
/* ASSIGNED -> RUNNING; forgets a late cancel of the run before.  The first call
 * is STARTING -> IDLE: a slot that goes from STARTING to FREE never connected. */
extern bool slot_take_run(Run *run);
/* RUNNING -> REPORTED, wakes the scheduler.  False: it has been written off, and is to exit. */
extern bool slot_report(const Report *report);
/*
 * From now on show that this process lives, whatever it does: a timer's handler does, so that
 * one that is stopped, or hangs in the kernel, does not.  Costs nothing per run or step.
 */
extern void slot_heartbeat_start(void);
extern void slot_heartbeat_stop(void);	/* it sleeps until somebody wants something of it */
extern void slot_note_interrupt(void);	/* its own, at the end of a step's time; in a signal handler */
extern void slot_forget_interrupt(void);
extern StopReason slot_stop_reason(int64 execution_id);
/* The step that runs pauses its own execution: it is not to wait for the scheduler. */
extern void slot_pause_myself(int64 execution_id);
/* Does the reason interrupt the step that runs?  The others wait for its end. */
extern bool stop_interrupts(StopReason reason);
extern bool slot_exit_requested(void);
extern void slot_leave(Slot *slot); /* request it; the slot's lock is held */
extern bool slot_may_leave(void);	/* asked to leave, and the last report was taken */
extern void slot_set_progress(const Progress *progress);	/* NULL: nothing */
extern Slot *my_slot;

/* --- slots: sessions --- */
/* Ask an executor of any database to leave; false: it has gone. */
extern bool slot_ask(int slot, uint32 generation, const ExitRequest *request);
/* An executor of this database that may still write rows of an execution; 0: none. */
extern pid_t slot_at_work(int64 execution_id);

/* --- slots: databases share them (shares.c); registry lock held exclusively --- */
extern void share_wait_for_slot(DatabaseEntry *entry);
extern void share_stop_waiting(DatabaseEntry *entry);
extern bool share_waits_long(const DatabaseEntry *entry);	/* without a single executor */
extern void share_slot_freed(void);
extern bool share_is_exceeded(const DatabaseEntry *entry, int nslots);
extern int	share_of(const DatabaseEntry *entry);	/* what it has of the slots, as far as they count */
extern bool slot_is_ours(const Slot *slot);	/* the scheduler's that calls; the slot's lock */
extern void slot_clear(Slot *slot, DatabaseEntry *entry);	/* and the slot's lock */

/* --- anybody --- */
extern const char *slot_state_name(SlotState state, SlotTrouble trouble, bool leaving);
/* Latch of a process by number, NULL-safe; lock-free (the latch array is fixed). */
extern void set_latch_of(int pgprocno);

#endif							/* PGWF_SLOTS_H */

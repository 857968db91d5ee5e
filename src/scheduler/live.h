/*-------------------------------------------------------------------------
 *
 * live.h
 *	  The scheduler's memory: executions, ready runs, joins, the pool.
 *
 * NOTES
 *	  Private to the scheduler process.  All of it can be rebuilt from the
 *	  tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_LIVE_H
#define PGWF_LIVE_H

#include "postgres.h"
#include "lib/ilist.h"
#include "lib/pairingheap.h"
#include "postmaster/bgworker.h"

#include "shared/slots.h"
#include "state/claims.h"

/*
 * The scheduler skips rows that somebody has locked, to cancel them mostly.  If
 * that is rolled back nobody wakes it, so it looks again after this time, ms.
 */
#define SKIPPED_RETRY_MS 200

typedef enum TimerClock
{
	CLOCK_STEADY,				/* how long something lasts */
	CLOCK_SERVER				/* what rows say */
} TimerClock;

/* Something to be done at a time: timers.c.  Zero at first. */
typedef struct Timer
{
	pairingheap_node node;
	bool		is_set;
	TimerClock	clock;
	TimestampTz at;
	void		(*due) (struct Timer *timer);
} Timer;

/*
 * What a limit counts, and so what an execution counts for: one of each kind,
 * NULL: none.  limits.c.
 */
typedef enum LimitKind
{
	LIMIT_WORKFLOW,
	LIMIT_TENANT,
	LIMIT_ROLE
} LimitKind;

#define LIMIT_KINDS (LIMIT_ROLE + 1)

typedef struct Limited Limited;

typedef struct Limits
{
	Limited    *of[LIMIT_KINDS];
} Limits;

/* An execution that is not over. */
typedef struct LiveExecution
{
	int64		id;				/* hash key */
	Oid			role;
	int			priority;
	int			definition_id;
	int			running;		/* runs in executors */
	int			setbacks;		/* runs lost one after the other that nobody
								 * is to blame for */
	StopReason	stopping;		/* nothing new is dispatched; finalised when
								 * running is 0 */
	int			controls;		/* how often its threads were told to look at
								 * its row */
	bool		again;			/* claimed meanwhile: begins anew from its
								 * rows then .. */
	ClaimedExecution next;		/* .. as what that was claimed as; without
								 * texts */
	bool		resumed;		/* paused and resumed, and its threads were
								 * not stopped for that */
	bool		in_epilogue;	/* its end is decided: its only thread is a
								 * RUN_EPILOGUE */
	bool		suspect;		/* recovered without progress: tried alone */
	int			timeout_seconds;	/* janitor.c: 0 = none */
	bool		overdue;		/* and nobody seems to mind */
	Timer		janitor;		/* when to look at it */
	Limits		limits;			/* it counts for these */
	dlist_head	ready;			/* its ready runs */
	dlist_head	joins;			/* its open joins */
	slist_head	stuck;			/* its attempts that did not respond:
								 * StuckEntry */
	int			lost;			/* of those that run, runs that were lost and
								 * are not settled */
	bool		rests;			/* waits.c: has nothing but threads that wait
								 * .. */
	TimestampTz rests_since;	/* .. by the steady clock */
	dlist_node	rest_node;
} LiveExecution;

/* An attempt whose process does not respond; as long as the execution lives. */
typedef struct StuckEntry
{
	slist_node	node;
	StuckAttempt attempt;
} StuckEntry;

/* A range of children to hand out. */
typedef struct ChildRange
{
	dlist_node	node;
	int			from;
	int			to;
	bool		fresh;
} ChildRange;

/* A container whose children run in other processes. */
typedef struct LiveJoin
{
	dlist_node	node;			/* in execution->joins */
	LiveExecution *execution;
	struct LiveJoin *parent;	/* whose child the container's thread is;
								 * NULL: root thread */
	ScopeId		scope;			/* of the container's thread */
	int			container;
	int			visit;
	JoinRule	rule;
	JoinCounts	counts;
	int			max_parallelism;
	int			priority;
	TimestampTz deadline;
	Timer		timer;			/* of the deadline, unless it is decided */
	dlist_head	ranges;			/* children not handed out */
	int			active;			/* ranges ready or running, children parked
								 * inside or waiting */
	int			parked;			/* of these, parked */
	int			waiting;		/* and waiting: a row in workflow.waits is
								 * all there is of each */
	bool		decided;		/* hands out nothing further .. */
	bool		begins_no_more; /* .. but what has begun, since a child has
								 * failed */
	bool		cancelled;		/* its children are being stopped */
	bool		abandoned;		/* so is the thread it belongs to: it is not
								 * closed */
} LiveJoin;

/* Is it that join, or one below it? */
static inline bool
join_is_under(const LiveJoin *join, const LiveJoin *ancestor)
{
	for (; join != NULL; join = join->parent)
		if (join == ancestor)
			return true;
	return false;
}

/* A run waiting for an executor. */
typedef struct ReadyRun
{
	pairingheap_node heap_node; /* in its role's queue */
	dlist_node	node;			/* in execution->ready */
	LiveExecution *execution;
	RunKind		kind;
	LiveJoin   *join;			/* CHILDREN: whose children; else: whose
								 * child the thread is, or NULL */
	ScopeId		scope;
	int			container;
	int			visit;
	int			from;
	int			to;
	bool		fresh;
	bool		only_begun;		/* CHILDREN: those that have not are left */
	const StuckAttempt *stuck;	/* begins by recording that; NULL: none.  The
								 * execution's */
	int			priority;
	uint64		sequence;
	TimestampTz queued_at;
	int			controls;		/* the execution's when it was dispatched */
	Timer		parked;			/* not set: it is in its role's queue */
} ReadyRun;

/* The ready runs of one role and what is known about running as it. */
typedef struct RoleQueue
{
	Oid			role;			/* hash key */
	pairingheap *heap;
	int			count;
	int			live;			/* its executions */
	TimestampTz launched_at;	/* its last executor */
	/* its executors, as pool.c last counted them */
	int			starting;
	int			staying;
	int			present;		/* those that leave, too */
	int			max_executors;	/* as pool.c last read it; NO_LIMIT */
	TimestampTz limit_read_at;	/* 0: it has to be read */
	int			failed_starts;	/* executors that ended before they were
								 * idle, in a row */
	TimestampTz retry_at;		/* no new executor before */
} RoleQueue;

/* An executor of this database. */
typedef struct PoolExecutor
{
	dlist_node	node;
	int			slot;
	uint32		generation;
	Oid			role;
	BackgroundWorkerHandle *handle;
	bool		starting;
	bool		busy;
	bool		leaving;
	bool		asked_to_yield;
	TimestampTz asked_to_stop;	/* when, 0: it was not */
	int64		asked_execution;	/* which of several executions, 0: all */
	TimestampTz since;			/* idle or busy */
	TimestampTz launched_at;
	TimestampTz came_at;		/* seen attached: its age, as its history has
								 * it, counts from there */
	bool		retired;		/* another may take its place: it does not
								 * count */
	bool		gave_way;		/* that is one of another role: its step
								 * lasts */

	/* for its history */
	int			pid;
	TimestampTz started_at;
	int64		runs_done;
	int64		steps_done;
	int64		peak_memory;
	ExitReason	exit_reason;
	ExitRequest request;		/* a session's */
	TimestampTz draining_since; /* it was asked to leave; 0: it was not */
	int64		history_id;		/* of its entry; 0: none */

	TimestampTz stuck_at;		/* it does not respond since; 0: it does */
	bool		quarantined;	/* and was written off */
	StuckAttempt *stuck;		/* what it does; NULL: not known */
	int			undone_from;	/* children of its join whose steps are lost
								 * with it */
	int			undone_to;

	RunKind		kind;			/* of the run it does */
	int			nruns;			/* RUN_START: several executions */
	ReadyRun   *runs[RUN_MAX_EXECUTIONS];
} PoolExecutor;

/* --- timers.c --- */
extern void timers_initialize(MemoryContext context);
extern void timer_set(Timer *timer, TimerClock clock, TimestampTz at,
					  void (*due) (Timer *timer));
extern void timer_unset(Timer *timer);
extern void timers_run(void);
extern TimestampTz timers_next(void);	/* by the steady clock */
/* by the server's clock; when to look, by the steady one */
extern TimestampTz appointment(TimestampTz at);

/* --- live.c: executions --- */
/*
 * Who counts executions, or looks at them at a time: told of each, whoever
 * makes it come or go.
 */
typedef struct LiveFollower
{
	void		(*enter) (LiveExecution *execution,
						  const ClaimedExecution *claimed);
	void		(*leave) (LiveExecution *execution);
	/* it is to be this role's, and still is the other's */
	void		(*change_role) (LiveExecution *execution, Oid role);
	/* it begins again */
	void		(*retake) (LiveExecution *execution,
						   const ClaimedExecution *claimed);
} LiveFollower;

extern void live_initialize(const LiveFollower *const *who, int count);
extern LiveExecution *live_find(int64 id);
extern LiveExecution *live_add(const ClaimedExecution *claimed);
/* It was claimed while it was there. */
extern void live_note_next(LiveExecution *execution,
						   const ClaimedExecution *claimed);
/*
 * It begins again as what it was claimed as now: nothing of it is ready, nor
 * runs.
 */
extern void live_retake(LiveExecution *execution,
						const ClaimedExecution *claimed);
/* drop its ready runs and joins */
extern void live_clear(LiveExecution *execution);
extern void live_remove(LiveExecution *execution);
extern int	live_count(void);
extern int	live_lost_runs;		/* runs that were lost and are not settled,
								 * of all executions */
extern void live_run_lost(LiveExecution *execution);
extern void live_run_settled(LiveExecution *execution);
/* The ids of those a function is true for, in the current context. */
extern int	live_select(bool (*which) (LiveExecution *execution), int64 **ids);

/* --- claims.c: until they are committed --- */
/*
 * Add one that is claimed: when it is there still, it begins again when that is
 * over.
 */
extern bool live_claim(const ClaimedExecution *claimed);
/* Claims from now on can be undone, when their transaction has failed. */
extern void live_claims_begin(void);
extern void live_claims_undo(void);
extern void live_claims_committed(void);	/* instead */

/* --- ready.c: runs that wait for an executor --- */
extern void ready_initialize(void);
extern ReadyRun *ready_add(LiveExecution *execution, RunKind kind,
						   LiveJoin *join, const ScopeId *scope, int container,
						   int visit);
/* A queued run waits for a time first. */
extern void ready_park(ReadyRun *run, TimestampTz until);
/* they do not wait any longer */
extern void ready_unpark_all(LiveExecution *execution);
extern void ready_enqueue(ReadyRun *run);	/* (again) */
/* out of the queue, still allocated */
extern void ready_dequeue(ReadyRun *run);
extern void ready_discard(ReadyRun *run);	/* out and freed */
/* the same; what got stuck in it is recorded */
extern void ready_abandon(ReadyRun *run);
extern void run_abandon(ReadyRun *run);	/* the same of one that is not queued */
extern int	thread_depth(const ReadyRun *run);
/* from the rows, instead of what it was */
extern void ready_resume(ReadyRun *run);
extern ReadyRun *ready_first(RoleQueue *queue);
extern RoleQueue *ready_best_role(bool (*usable) (RoleQueue *queue));
/* Of those, the one that was given an executor the longest time ago. */
extern RoleQueue *role_waiting_longest(bool (*which) (RoleQueue *queue));
extern RoleQueue *role_queue(Oid role);
extern int	roles_count(bool (*which) (RoleQueue *queue));
extern int	ready_total(void);
extern TimestampTz ready_oldest(void);
/*
 * CONNECTION LIMIT of a role, or limits of roles, may have changed: to be read
 * again.
 */
extern bool role_forget_limit(RoleQueue *queue);
extern void role_limits_forgotten(void);

/* --- joins.c --- */
extern bool join_create(LiveExecution *execution, LiveJoin *parent,
						const ForkReport *fork);
extern void join_hand_out(LiveJoin *join);
extern void join_child_ended(LiveJoin *join, int completed, int failed,
							 int skipped);
extern void join_range_ended(LiveJoin *join);
extern void join_put_back(LiveJoin *join, int from, int to, bool fresh);
extern void join_free(LiveJoin *join);
/* Which of its children wait, by the rows.  In a transaction. */
extern int	join_waiting_children(LiveJoin *join, int **children);
/* A child waits from now on, in place of the range it was in. */
extern void join_child_waits(LiveJoin *join);
/* Does a child of any of its joins wait? */
extern bool joins_wait(LiveExecution *execution);

/* --- executors.c: which there are, and stopping what they run --- */
extern void executors_initialize(void);
extern int	pool_limit(void);	/* executors this database may have */
/* that it has, without those that are retired */
extern int	pool_count(void);
extern void executor_add(PoolExecutor *executor);
extern void executor_forget(PoolExecutor *executor);
extern dlist_head pool_executors;
extern bool executor_is_idle(const PoolExecutor *executor);
extern void pool_retire(PoolExecutor *executor);
extern PoolExecutor *pool_adopt(int slot);
extern void pool_stop_execution(LiveExecution *execution, StopReason reason);
extern void pool_reload_execution(LiveExecution *execution);
extern void pool_stop_join(LiveJoin *join);
extern void pool_shorten_ranges(LiveJoin *join);

/* --- pool.c: who is started, and what each gets to do --- */
extern void pool_initialize(DatabaseEntry *entry, uint32 generation);
extern void pool_reap(void);	/* reports and deaths */
extern void pool_dispatch(void);	/* ready runs to executors */
extern long pool_next_timeout(TimestampTz now);
extern TimestampTz pool_no_workers_since(void);	/* 0: there are some */

/* --- executor_history.c: what is told of those that have gone or got stuck --- */
extern void executor_note(PoolExecutor *executor, const SlotView *view);
extern void executor_departed(PoolExecutor *executor);
extern void history_of_stuck(PoolExecutor *executor, const Progress *progress);

/* --- departures.c: executors that leave --- */
extern void executor_let_go(PoolExecutor *executor, ExitReason reason);
extern void executor_asked_to_leave(PoolExecutor *executor,
									const ExitRequest *request);
extern void dismiss_idle_and_old(TimestampTz now);
extern TimestampTz departures_next(TimestampTz now);

/* --- drain.c --- */
extern bool drain_look(DatabaseEntry *entry);
extern void drain_look_soon(DatabaseEntry *entry);
extern bool drained_of_executions(void);
extern bool drained_of_steps(void);
extern void drain_executors(void);

/* --- stuck_rows.c --- */
/*
 * Write the row of a stuck attempt whose thread is being stopped: nobody else
 * will.
 */
extern void stuck_record(LiveExecution *execution, const StuckAttempt *stuck);

/* --- stuck.c: what does not stop --- */
extern void stuck_initialize(void);
extern void stuck_look(TimestampTz now);
extern TimestampTz stuck_next(TimestampTz now);
extern void stuck_now(PoolExecutor *executor);
extern bool stuck_soon(const PoolExecutor *executor);
extern void stuck_ended(PoolExecutor *executor);

/* --- reports.c --- */
extern void run_reported(PoolExecutor *executor, const Report *report);
extern void settle_others(PoolExecutor *executor, int first, int trouble,
						  const Report *report);

/* --- recovery.c --- */
extern void recover_all(const DatabaseEntry *database);
/* counted: it may be the run that is to blame. */
extern void run_lost(PoolExecutor *executor, const char *why, bool counted);
extern void role_failed(Oid role);

/* --- endings.c --- */
extern Jsonb *execution_error(const char *type, const char *message,
							  const char *detail);
extern void execution_settle_end(int64 id);
extern void execution_stop(LiveExecution *execution, StopReason reason);
/*
 * Its row says so: it begins again as what it was claimed as, behind what runs
 * of it.
 */
extern void execution_restart(LiveExecution *execution,
							  const ClaimedExecution *claimed);
extern void finalise_if_drained(LiveExecution *execution);
extern void execution_over(LiveExecution *execution);
extern void execution_give_up(LiveExecution *execution, const char *error_type,
							  const char *message, const char *detail,
							  const char *step_id);
/* Its time is over and nobody drives it. */
extern void execution_overdue(LiveExecution *execution);
extern void give_up_for_role(LiveExecution *execution, const char *reason);

/* --- admission.c: what may run --- */
extern const LiveFollower admission_follower;
extern void admission_initialize(void);
extern void admission_recover(void);	/* groups of executions that wait */
extern int	admission_room(void);
extern int	admission_claim_queue(Oid role, int wanted,
								  ClaimedExecution *admitted, bool *left);
extern int	admission_claim_waiting(int wanted, ClaimedExecution *admitted);
extern void admission_undo(void);	/* the transaction has failed */
extern TimestampTz admission_changed(void);
/* The name of the workflow it counts for. */
extern const char *admission_workflow(const LiveExecution *execution);
extern bool admission_is_due(void);
extern bool admission_waits(void);	/* something waits for room */
extern TimestampTz admission_next(TimestampTz now, bool queued, bool room);

/* --- scheduled.c: what waits for others of its schedule --- */
extern TimestampTz admission_release_scheduled(bool *released);

/* --- janitor.c: what waits too long --- */
extern const LiveFollower janitor_follower;
extern TimestampTz janitor_look_at_pending(TimestampTz now, bool left);

/* --- control.c: what sessions want --- */
extern TimestampTz look_for_control(void);	/* by the steady clock */

/* --- waits.c: what waits in the table --- */
/*
 * A thread has been written down until then; DT_NOBEGIN: the rows say until
 * when.
 */
extern void waits_expect(TimestampTz until);
/*
 * Has it nothing but threads that wait?  Then it leaves memory when that lasts.
 */
extern void waits_rest(LiveExecution *execution);
extern const LiveFollower waits_follower;
/*
 * Go on with what is due, forget what rests; true: some may be claimed now, or
 * there is room.
 */
extern bool waits_look(void);
extern TimestampTz waits_next(void);	/* by the steady clock */

/* --- attempts.c: transactions that may fail --- */
/*
 * What lasts as long as the process; and what lasts a turn of the loop, in
 * which transactions begin.
 */
extern MemoryContext live_context;
extern void attempts_initialize(void);
extern void scheduler_begin(void);
extern void scheduler_commit(bool durable);
extern MemoryContext scheduler_context(void);

/*
 * A transaction: ATTEMPT(succeeded) { .. } ATTEMPT_END(succeeded, durable).
 * succeeded is false when it failed through nobody's fault: then it has not
 * happened, what was assigned in it is not to be read, and it is to be done
 * again later.  Other errors come out of it.
 */
#ifdef __GNUC__
/* the compiler does not know that: what failed is not read */
#pragma GCC diagnostic ignored "-Wclobbered"
#endif
#define ATTEMPT(succeeded) \
	(succeeded) = false; \
	PG_TRY(); \
	{ \
		scheduler_begin();
#define ATTEMPT_END(succeeded, durable) \
		scheduler_commit(durable); \
		(succeeded) = true; \
	} \
	PG_CATCH(); \
	{ \
		scheduler_attempt_failed(); \
	} \
	PG_END_TRY()

extern void scheduler_attempt_failed(void);

/*
 * Something that could not be done: it is done again, later each time, until it
 * gives true.  argument is the action's, in live_context.
 */
typedef bool (*PostponedAction) (int64 id, void *argument);
extern void postpone(PostponedAction action, int64 id, void *argument);

#endif							/* PGWF_LIVE_H */

/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  The executors' slots: how scheduler and executor talk.
 *
 * NOTES
 *	  The life of a slot; slot_set_state() asserts it:
 *
 *		FREE -> STARTING		scheduler: slot_allocate(), then registers a worker
 *		STARTING, pid set		executor: slot_attach(), before it connects
 *		STARTING -> IDLE		executor: its first slot_take_run()
 *		STARTING -> FREE		no pid: scheduler: slot_release(), or its exit
 *		IDLE -> ASSIGNED		scheduler: slot_assign()
 *		ASSIGNED -> RUNNING		executor: slot_take_run()
 *		RUNNING -> REPORTED		executor: slot_report()
 *		REPORTED -> IDLE		scheduler: slot_take_report()
 *		any -> FREE				executor: on exit, after its transaction was aborted
 *
 *	  The generation grows at each allocation and each release.  Who holds an
 *	  old one (a worker that starts late, a scheduler that looks for a dead
 *	  executor) finds out by comparing.  Slots are shared by all databases: the
 *	  scheduler's functions first check that the slot is still that scheduler's.
 *
 *	  The scheduler's side is in slots.c and trouble.c, the executor's in
 *	  my_slot.c, how databases share the slots in shares.c.  None of it can fail
 *	  between taking a lock and releasing it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SLOTS_H
#define PGWF_SLOTS_H

#include "postgres.h"
#include "utils/timestamp.h"

#include "shared/registry.h"

/* What the scheduler wants to know of a slot at each look. */
typedef struct SlotView
{
	SlotState	state;			/* SLOT_FREE: that executor is gone */
	bool		last_words;		/* what follows is still there: always, but
								 * when somebody else has the slot */
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

/* --- slots: the scheduler's side.  None of them touches a slot that has gone
 * to another scheduler. --- */
/* -1: none free; the scheduler is woken (WAKE_REPORT) when there may be one. */
extern int	slot_allocate(Oid database, Oid role, uint32 scheduler_generation);
/* is there a slot beyond workflow.max_executors? */
extern bool slots_in_reserve(void);
/* to remember after slot_allocate() */
extern uint32 slot_generation(int slot);
extern void slot_look(int slot, uint32 generation, SlotView *view);
/* its process never came: STARTING -> FREE; else nothing */
extern void slot_release(int slot);
/* IDLE -> ASSIGNED, wakes; false: it has gone */
extern bool slot_assign(int slot, const Run *run);
/*
 * With SIGINT if it is a real one; can be repeated.  True: it is about what
 * runs now.
 */
extern bool slot_request_stop(int slot, StopReason reason, int64 execution_id);
extern void slot_request_yield(int slot);	/* a pause comes first */
/* its step's time is over since; 0: not */
extern TimestampTz slot_interrupted_at(int slot);
/*
 * The executor does not respond: mark it, have another take its place, SIGTERM.
 * False: it does not work on that execution (0: on any) any more.
 */
extern bool slot_stuck(int slot, int64 execution_id, Progress *progress,
					   pid_t *pid);
extern void slot_quarantine(int slot);
extern bool slot_settling(int slot);
/* It is to leave when it is idle. */
extern void slot_request_exit(int slot, ExitReason reason);
/* another may be started in its place already */
extern void slot_retire(int slot);
/* what a session asked for has been seen */
extern void slot_forget_request(int slot);
/* Quarantined executors of schedulers before this one; returns how many. */
extern int	slots_adopt(int *slots, int max);
extern bool slot_take_report(int slot, Report *report); /* REPORTED -> IDLE */
/*
 * Another database waits for slots that this one should give up (woken:
 * WAKE_REPORT).
 */
extern bool slots_are_wanted_elsewhere(void);
extern void slots_are_not_wanted(void);	/* here: the database waits no longer */
/* At the scheduler's exit; lock held. */
extern void slots_forget_starting(DatabaseEntry *entry);

/* --- slots: the executor's side --- */
/*
 * Call it between worker_initialize() and worker_connect(), for the reasons
 * given at scheduler_attach(): a free slot means that its transaction is over.
 * Does not return when the slot is stale or the database held.
 */
extern void slot_attach(int slot, uint32 generation);
/* ASSIGNED -> RUNNING; forgets a late cancel of the run before.  The first call
 * is STARTING -> IDLE: a slot that goes from STARTING to FREE never connected. */
extern bool slot_take_run(Run *run);
/*
 * RUNNING -> REPORTED, wakes the scheduler.  False: it has been written off,
 * and is to exit.
 */
extern bool slot_report(const Report *report);
/*
 * From now on show that this process lives, whatever it does: a timer's handler
 * does, so that one that is stopped, or hangs in the kernel, does not.  Costs
 * nothing per run or step.
 */
extern void slot_heartbeat_start(void);
/* it sleeps until somebody wants something of it */
extern void slot_heartbeat_stop(void);
/* its own, at the end of a step's time; in a signal handler */
extern void slot_note_interrupt(void);
extern void slot_forget_interrupt(void);
extern StopReason slot_stop_reason(int64 execution_id);
/*
 * The step that runs pauses its own execution: it is not to wait for the
 * scheduler.
 */
extern void slot_pause_myself(int64 execution_id);
/*
 * Does the reason interrupt the step that runs?  The others wait for its end.
 */
extern bool stop_interrupts(StopReason reason);
extern bool slot_exit_requested(void);
/* asked to leave, and the last report was taken */
extern bool slot_may_leave(void);
extern void slot_set_progress(const Progress *progress);	/* NULL: nothing */
extern Slot *my_slot;

/* --- slots: sessions --- */
/* Ask an executor of any database to leave; false: it has gone. */
extern bool slot_ask(int slot, uint32 generation, const ExitRequest *request);
/*
 * An executor of this database that may still write rows of an execution; 0:
 * none.
 */
extern pid_t slot_at_work(int64 execution_id);

/* --- slots: their own files, the slot's lock is held --- */
/* The only way from one state to another. */
extern void slot_set_state(Slot *slot, SlotState state);
extern bool slot_is_ours(const Slot *slot);	/* the scheduler's that calls */
/* the registry's lock is held, too, exclusively */
extern void slot_clear(Slot *slot, DatabaseEntry *entry);

/* The executor is to leave when it is idle. */
static inline void
slot_leave(Slot *slot)
{
	slot->exit_requested = true;
	if (slot->leaving_since == 0)
		slot->leaving_since = GetCurrentTimestamp();
}

/* --- anybody --- */
extern const char *slot_state_name(SlotState state, SlotTrouble trouble,
								   bool leaving);

#endif							/* PGWF_SLOTS_H */

/*-------------------------------------------------------------------------
 *
 * dead_letters.h
 *	  The table workflow.dead_letters: executions that failed for good.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_DEAD_LETTERS_H
#define PGWF_DEAD_LETTERS_H

#include "state/state.h"

/*
 * An execution has reached a final status in this transaction.  letter: its
 * dead_letter_id, 0 for none.  A failure becomes a dead letter when its
 * definition asks for that, or is added to the one there is; a success settles
 * it.
 */
extern void dead_letters_after_end(int64 execution_id, ExecutionStatus status,
								   int64 letter);

/* dead_letter_id of an execution; 0: none. */
extern int64 execution_dead_letter(int64 execution_id);

typedef enum DeadLetterStatus
{
	LETTER_PENDING,
	LETTER_REPLAYING,
	LETTER_REPLAYED,
	LETTER_DISCARDED
} DeadLetterStatus;

typedef struct DeadLetter
{
	int64		id;
	int64		execution_id;
	char	   *workflow;
	int			version;
	Oid			role;
	Oid			definition_owner;	/* InvalidOid: the version is gone */
	char	   *tenant;			/* may be NULL */
	int			priority;
	DeadLetterStatus status;
	int64		replay_execution_id;	/* 0: none so far */
	bool		erased;			/* its payloads were taken out */
	Jsonb	   *input;
} DeadLetter;

extern const char *dead_letter_status_name(DeadLetterStatus status);
/*
 * False when there is none.  lock: its row, until the end of the transaction.
 */
extern bool dead_letter_find(int64 id, bool lock, DeadLetter *letter);
/* An execution replays it from now on; its end will tell it. */
extern void dead_letter_replaying(int64 id, int64 execution_id, Oid by);
extern void dead_letter_discard(int64 id, Oid by, const char *reason);
/*
 * A locked execution that had failed goes on: if it is a dead letter, or
 * replayed one, its end will tell that.  Returns 0, or the other execution that
 * replays the dead letter this moment: then nothing was done.
 */
extern int64 dead_letter_retried(int64 execution_id, Oid by);

/*
 * Delete dead letters of executions that ended with one of the statuses (an
 * array of text) and were settled before a time, and those not to be kept any
 * longer.
 */
extern int64 dead_letters_prune(TimestampTz before, Datum statuses, int32 max);

#endif							/* PGWF_DEAD_LETTERS_H */

/*-------------------------------------------------------------------------
 *
 * wait_cycle.h
 *	  What a session that waits for an execution must not do: keep a snapshot,
 *	  or wait for itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_WAIT_CYCLE_H
#define PGWF_WAIT_CYCLE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "executor/execdesc.h"

typedef struct WaitCycleCheck
{
	int64		execution_id;
	bool		in_transaction; /* it waits in a transaction of the caller's */
	TimestampTz look_at;		/* when to look next */
	int			interval_ms;	/* before the look after that */
	QueryDesc  *released;		/* the statement whose snapshot was let go;
								 * NULL: none */
} WaitCycleCheck;

/*
 * From now on others see what this session waits for, until wait_cycle_end(),
 * which has to be called on error, too: PG_ENSURE_ERROR_CLEANUP.
 */
extern void wait_cycle_begin(WaitCycleCheck *check, int64 execution_id,
							 bool in_transaction);
extern void wait_cycle_end(int code, Datum argument);
/*
 * When it is time: an error if what the session waits for waits for this
 * session.
 */
extern void wait_cycle_look(WaitCycleCheck *check);
/* ms until the next look */
extern long wait_cycle_next_look(const WaitCycleCheck *check);

/*
 * Let go of the snapshot of the caller's statement, if the function is called
 * right in it and it reads no table: a query like SELECT workflow.wait(1) needs
 * none while it sleeps.  Nothing may need a snapshot until it has been taken
 * again, a new one.
 */
extern void statement_snapshot_release(WaitCycleCheck *check);
extern void statement_snapshot_take(WaitCycleCheck *check);

#endif							/* PGWF_WAIT_CYCLE_H */

/*-------------------------------------------------------------------------
 *
 * statistics.h
 *	  The tables workflow.statistics_days and statistics_state.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATISTICS_H
#define PGWF_STATISTICS_H

#include "postgres.h"
#include "datatype/timestamp.h"

/*
 * Have nobody else roll up until the end of the transaction.  *until: what
 * ended before it has been.  False: somebody else does.
 */
extern bool statistics_lock(TimestampTz *until);
/* What ended before this time has been rolled up, as far as it is committed. */
extern TimestampTz statistics_until(void);
/*
 * Add what ended at or after one time and before another, oldest first and
 * about max executions at most.  Returns how many; *reached: how far that is,
 * which is noted.
 */
extern int64 statistics_add(TimestampTz since, TimestampTz until, int32 max,
							TimestampTz *reached);
/*
 * Begin anew, since the clock was put back to this time: forget the days whose
 * ends can all be read again, and note the first of them.  Returns its time;
 * now, when there is none.
 */
extern TimestampTz statistics_begin_again(TimestampTz now);
/* What ended before this time may be deleted from now on. */
extern void statistics_note_pruned(TimestampTz before);
extern TimestampTz statistics_pruned_until(void);
/* Delete those of days before a time, oldest first, at most max rows. */
extern int64 statistics_prune(TimestampTz before, int32 max);
/* Prepared transactions do not say when they began. */
extern bool prepared_transactions_exist(void);

#endif							/* PGWF_STATISTICS_H */

/*-------------------------------------------------------------------------
 *
 * roll_up.c
 *	  workflow.roll_up_statistics(): statistics by day that outlive executions.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  What ended before some
 *	  time is added once and the time noted (state/statistics.c), so no end
 *	  before it may become visible later: nothing is rolled up beyond the begin
 *	  of the oldest transaction that runs.  Executions are read and not locked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "api/roll_up.h"
#include "shared/horizon.h"
#include "state/statistics.h"

/* At a time: bounds the memory of the statement that adds them. */
#define SLICE 50000

extern PGDLLEXPORT Datum workflow_roll_up_statistics(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_roll_up_statistics);

/*
 * How far all has been rolled up, and nobody else does.  What was rolled up by
 * a clock that has been put back since is so again: ends of now have times that
 * were passed then.
 */
static bool
lock_statistics(TimestampTz *reached)
{
	TimestampTz now;

	if (!statistics_lock(reached))
		return false;
	now = GetCurrentTimestamp();
	if (*reached > now)
	{
		ereport(LOG,
				(errmsg("workflow statistics by day are made again: the clock was put back"),
				 errdetail("They had been rolled up until %s.", timestamptz_to_str(*reached))));
		*reached = statistics_begin_again(now);
	}
	return true;
}

/*
 * How far one may go; in a transaction whose statements see what has been
 * committed.
 */
static TimestampTz
rolling_horizon(void)
{
	TimestampTz now;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("statistics cannot be rolled up under REPEATABLE READ or SERIALIZABLE"),
				 errdetail("What was committed after the transaction began would be left out."),
				 errhint("Use a transaction with isolation level READ COMMITTED.")));
	if (prepared_transactions_exist())
		return DT_NOBEGIN;
	now = GetCurrentTimestamp();
	return Min(now, oldest_transaction_start());
}

TimestampTz
roll_up_before(TimestampTz before)
{
	TimestampTz until = Min(before, rolling_horizon());
	TimestampTz reached;

	/* who has it adds, and deletes nothing that was not noted */
	if (!lock_statistics(&reached))
		return Min(statistics_until(), statistics_pruned_until());
	while (reached < until)
	{
		CHECK_FOR_INTERRUPTS();
		(void) statistics_add(reached, until, SLICE, &reached);
	}
	statistics_note_pruned(Min(reached, before));
	return reached;
}

/*
 * workflow.roll_up_statistics(max_executions integer) returns bigint
 */
Datum
workflow_roll_up_statistics(PG_FUNCTION_ARGS)
{
	int32		max = PG_GETARG_INT32(0);
	TimestampTz until;
	TimestampTz reached;
	int64		count = 0;

	if (max < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_executions must be greater than zero, not %d", max)));
	until = rolling_horizon();
	if (lock_statistics(&reached) && reached < until)
		count = statistics_add(reached, until, max, &reached);
	PG_RETURN_INT64(count);
}

/*-------------------------------------------------------------------------
 *
 * horizon.c
 *	  Since when transactions have been running.
 *
 * NOTES
 *	  Runs in sessions.  For who wants to read all rows with a time before some
 *	  other: a transaction that began later than that writes none.  Read from
 *	  the statistics of the processes, in C since the extension's owner need not
 *	  be allowed to see them.  A process that says it is in a transaction may
 *	  have committed a moment ago and woken somebody; its PGPROC knows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "shared/compat.h"
#include "shared/horizon.h"

TimestampTz
oldest_transaction_start(void)
{
	TimestampTz oldest = DT_NOEND;
	TimestampTz now;
	int			count;

	pgstat_clear_backend_activity_snapshot();
	count = pgstat_fetch_stat_numbackends();
	now = GetCurrentTimestamp();
	for (int i = 1; i <= count; i++)
	{
		PgBackendStatus *status = &compat_backend_status(i)->backendStatus;
		PGPROC	   *proc;

		if (status->st_procpid == MyProcPid ||
			status->st_databaseid != MyDatabaseId)
			continue;
		proc = BackendPidGetProc(status->st_procpid);
		if (proc == NULL || !compat_in_transaction(proc))
			continue;
		/* track_activities is off there: it does not say when it began */
		if (status->st_state == STATE_DISABLED)
			return DT_NOBEGIN;
		/*
		 * it began before the clock was put back, and may write any time since
		 */
		if (status->st_xact_start_timestamp > now)
			return DT_NOBEGIN;
		if (status->st_xact_start_timestamp != 0)
			oldest = Min(oldest, status->st_xact_start_timestamp);
	}
	return oldest;
}

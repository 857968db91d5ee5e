/*-------------------------------------------------------------------------
 *
 * scheduled.c
 *	  Executions that wait for others of their schedule.
 *
 * NOTES
 *	  Scheduler only.  They are in no group of admission.c: how many of a
 *	  schedule live is counted in the rows, paused and blocked ones included,
 *	  and looked at whenever one of them may have ended.  Why that cannot be
 *	  counted as limits are is in docs/architecture/limits.md.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/clock.h"
#include "state/admission.h"

/*
 * While executions wait for others of their schedule: somebody may have written
 * into the table, ms.
 */
#define LOOK_AT_SCHEDULES_MS 5000

/*
 * Let executions go that wait for others of their schedule, as many as there is
 * room for; *released becomes true when there were any.  Returns when to do so
 * again, DT_NOEND: when somebody calls.
 */
TimestampTz
admission_release_scheduled(bool *released)
{
	bool		waits = true;
	bool		locked = true;
	int			count = 0;
	bool		committed;

	ATTEMPT(committed)
	{
		count = executions_release_scheduled(&waits, &locked);
	}
	ATTEMPT_END(committed, false);
	if (committed && count > 0)
	{
		executions_look_everywhere();
		*released = true;
	}
	if (committed && !waits)
		return DT_NOEND;
	return TimestampTzPlusMilliseconds(steady_now(),
									   committed && !locked ?
									   LOOK_AT_SCHEDULES_MS :
									   SKIPPED_RETRY_MS);
}

/*-------------------------------------------------------------------------
 *
 * scheduled.c
 *	  Executions that wait for others of their schedule.
 *
 * NOTES
 *	  Scheduler only.  They are in no group of admission.c: how many of a
 *	  schedule live is counted in the rows, paused and blocked ones included,
 *	  and looked at whenever one of them may have ended.
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

static bool schedule_has_room = true;	/* perhaps; once at the start */
static TimestampTz look_at_schedules_at = DT_NOEND;

/* Is it time to look at those that wait for others of their schedule? */
bool
admission_schedules_due(TimestampTz now)
{
	return schedule_has_room || look_at_schedules_at <= now;
}

/*
 * Let executions go that wait for others of their schedule, as many as there is
 * room for.  Returns how many.
 */
int
admission_release_scheduled(void)
{
	bool		waits = true;
	bool		locked = true;
	int			released = 0;
	bool		committed;

	schedule_has_room = false;
	ATTEMPT(committed)
	{
		released = executions_release_scheduled(&waits, &locked);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
	{
		look_at_schedules_at = TimestampTzPlusMilliseconds(steady_now(),
														   SKIPPED_RETRY_MS);
		return 0;
	}
	if (released > 0)
		executions_look_everywhere();
	look_at_schedules_at = !waits ? DT_NOEND :
		TimestampTzPlusMilliseconds(steady_now(),
									locked ? SKIPPED_RETRY_MS :
											 LOOK_AT_SCHEDULES_MS);
	return released;
}

/* When to look again by itself; DT_NOEND: when somebody calls. */
TimestampTz
admission_next_schedules(TimestampTz now)
{
	return schedule_has_room ? now : look_at_schedules_at;
}

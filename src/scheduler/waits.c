/*-------------------------------------------------------------------------
 *
 * waits.c
 *	  Executions that wait: in nobody's memory until their time has come.
 *
 * NOTES
 *	  Scheduler only.  What it keeps of all executions that wait is one time: when
 *	  the next one is due.  Those that are due are made pending, and from then on are
 *	  what any execution in the queue is: blocks, limits and the shares of roles
 *	  apply to them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/clock.h"
#include "state/waits.h"

/* Executions that are woken in one transaction. */
#define WAKE_BATCH 1000

static TimestampTz next_due = DT_NOBEGIN;	/* by the server's clock; at first, not known */
static TimestampTz retry_at = DT_NOBEGIN;	/* by the steady one: not before */

void
waits_expect(TimestampTz until)
{
	next_due = Min(next_due, until);
}

bool
waits_look(void)
{
	static QueueNews news;
	TimestampTz next = DT_NOEND;
	bool		locked = false;
	bool		committed;
	int			count = 0;

	if (next_due > GetCurrentTimestamp() || retry_at > steady_now())
		return false;
	queue_news_clear(&news);
	ATTEMPT(committed)
	{
		count = executions_wake_due(WAKE_BATCH, &news, &next, &locked);
	}
	ATTEMPT_END(committed, false);
	if (!committed || locked)
		retry_at = TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS);
	if (!committed)
		return false;
	next_due = next;
	executions_queued(&news);
	return count > 0;
}

TimestampTz
waits_next(void)
{
	return Max(appointment(next_due), retry_at);
}

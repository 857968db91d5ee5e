/*-------------------------------------------------------------------------
 *
 * janitor.c
 *	  Ends what waits too long: executions past their deadline that nobody
 *	  drives, and pending ones (workflow.pending_timeout).
 *
 * NOTES
 *	  Scheduler only.  Deadlines are the executors' business.  But an execution
 *	  may be parked, or have no executor to be had, when its time is over: then
 *	  it is given to an executor, which sees what time it is; and ended here
 *	  when none has begun within workflow.cancel_grace.  The time comes out of
 *	  the rows, pauses counted off; memory says when to look.
 *
 *	  There is no index by age of what is pending.  It is looked through when
 *	  the oldest has waited too long, not more often than 20 times in
 *	  workflow.pending_timeout, and not at all while nothing waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/settings.h"
#include "state/janitor.h"

/*
 * Time between two looks through what is pending, ms, and as a part of the
 * timeout.
 */
#define PENDING_CHECK_MS 1000
#define PENDING_CHECK_PART 20

/* Time for an executor to begin what is overdue, ms. */
#define GRACE_MS Max(setting_cancel_grace, 100)

static TimestampTz next_pending_check = DT_NOBEGIN; /* once at the start */
static int	seen_pending_timeout = 0;

static void look_at_execution(Timer *timer);

static void
look_again(LiveExecution *execution, TimestampTz at)
{
	timer_set(&execution->janitor, CLOCK_SERVER, at, look_at_execution);
}

static void
janitor_enter(LiveExecution *execution, const ClaimedExecution *claimed)
{
	execution->timeout_seconds = claimed->in_epilogue ?
		0 :
		claimed->timeout_seconds;
	execution->overdue = false;
	if (execution->timeout_seconds == 0)
		return;
	/* of one that has begun before the rows know the time */
	look_again(execution,
			   TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										   claimed->resumes ? GRACE_MS : (int64) execution->timeout_seconds * 1000));
}

static void
janitor_leave(LiveExecution *execution)
{
	timer_unset(&execution->janitor);
}

/* Has it been claimed and not begun?  Its time has not begun either. */
static bool
has_not_begun(LiveExecution *execution)
{
	return execution->running == 0 && !dlist_is_empty(&execution->ready) &&
		dlist_head_element(ReadyRun, node, &execution->ready)->kind ==
		RUN_START;
}

/* The time of an execution may be over. */
static void
look_at_execution(Timer *timer)
{
	LiveExecution *execution =
		(LiveExecution *) ((char *) timer - offsetof(LiveExecution, janitor));
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz grace_end = TimestampTzPlusMilliseconds(now, GRACE_MS);
	TimestampTz deadline = DT_NOEND;
	bool		committed;

	if (execution->in_epilogue)
	{
		return;					/* it has no deadline */
	}
	if (has_not_begun(execution))
	{
		look_again(execution,
				   TimestampTzPlusMilliseconds(
					   now, (int64) execution->timeout_seconds * 1000));
		return;
	}
	ATTEMPT(committed)
	{
		deadline = execution_deadline(execution->id,
									  execution->timeout_seconds);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		look_again(execution, grace_end);
	else if (deadline > now)
		look_again(execution, deadline == DT_NOEND ? grace_end : deadline);
	else if (execution->running > 0 || execution->stopping != STOP_NONE)
	{
		/* somebody sees to it */
		execution->overdue = false;
		look_again(execution, grace_end);
	}
	else if (!execution->overdue)
	{
		execution->overdue = true;
		ready_unpark_all(execution);
		look_again(execution, grace_end);
	}
	else
	{
		/* it is taken out when it is forgotten */
		look_again(execution, grace_end);
		execution_overdue(execution);
	}
}

/*
 * End what has been pending for too long.  left: not all that is pending could
 * be claimed.  Returns when to look again.
 */
TimestampTz
janitor_look_at_pending(TimestampTz now, bool left)
{
	int			count = 0;
	TimestampTz oldest = DT_NOEND;
	bool		committed;

	if (seen_pending_timeout != setting_pending_timeout)
	{
		seen_pending_timeout = setting_pending_timeout;
		next_pending_check = DT_NOBEGIN;
	}
	if (setting_pending_timeout == 0 || !setting_enabled)
		return DT_NOEND;
	if (next_pending_check == DT_NOEND && left)
		next_pending_check = TimestampTzPlusMilliseconds(now, PENDING_CHECK_MS);
	if (next_pending_check > now)
		return next_pending_check;

	ATTEMPT(committed)
	{
		count = executions_time_out_pending(setting_pending_timeout, &oldest);
	}
	ATTEMPT_END(committed, count > 0);
	if (!committed)
		return next_pending_check =
				   TimestampTzPlusMilliseconds(now, PENDING_CHECK_MS);
	next_pending_check = oldest;
	if (oldest != DT_NOEND)
		next_pending_check = Max(
			TimestampTzPlusMilliseconds(oldest,
										(int64) setting_pending_timeout * 1000),
			TimestampTzPlusMilliseconds(now,
										Max(PENDING_CHECK_MS,
											(int64) setting_pending_timeout *
												1000 / PENDING_CHECK_PART)));
	return next_pending_check;
}

/* Claimed again: its time counts anew. */
static void
janitor_retake(LiveExecution *execution, const ClaimedExecution *claimed)
{
	janitor_leave(execution);
	janitor_enter(execution, claimed);
}

const LiveFollower janitor_follower = {
	.enter = janitor_enter,
	.leave = janitor_leave,
	.retake = janitor_retake,
};

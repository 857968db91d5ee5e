/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  What the two drivers share about running a leaf.
 *
 * NOTES
 *	  The timer is one of our own, not STATEMENT_TIMEOUT: in a session that belongs
 *	  to the statement that called execute(), and the user's SQL may SET
 *	  statement_timeout as it likes without reaching ours.  Like the server's it
 *	  sends SIGINT to the own process, which must have StatementCancelHandler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "interpreter/leaf.h"
#include "shared/compat.h"
#include "shared/settings.h"

static TimeoutId leaf_timer = USER_TIMEOUT;
static bool timer_registered = false;
static bool timer_armed = false;
static TimestampTz timer_deadline = DT_NOEND;
static volatile sig_atomic_t timer_fired = false;

/*
 * The first time it cancels the statement.  In a worker it comes again after
 * workflow.cancel_grace: a statement that has swallowed the cancel takes its
 * process along.
 */
static void
leaf_timer_handler(void)
{
	kill(MyProcPid, timer_fired ? SIGTERM : SIGINT);
	timer_fired = true;
}

/*
 * Set the timer.  In a worker it comes again, see above.
 */
static void
arm(TimestampTz deadline)
{
	timer_deadline = deadline;
	timer_armed = (deadline != DT_NOEND);
	if (!timer_armed)
		return;
	if (!timer_registered)
	{
		leaf_timer = RegisterTimeout(USER_TIMEOUT, leaf_timer_handler);
		timer_registered = true;
	}
	if (compat_is_background_worker())
		enable_timeout_every(leaf_timer, deadline, Max(setting_cancel_grace, 1));
	else
		enable_timeout_at(leaf_timer, deadline);
}

static void
disarm(void)
{
	if (timer_armed)
		disable_timeout(leaf_timer, false);
	timer_armed = false;
}

void
leaf_timer_start(TimestampTz deadline)
{
	timer_fired = false;
	arm(deadline);
}

bool
leaf_timer_stop(void)
{
	disarm();
	if (compat_is_background_worker())
		disable_timeout(STATEMENT_TIMEOUT, false);
	return timer_fired;
}

void
leaf_timer_enter(LeafTimer *outer, TimestampTz deadline)
{
	outer->armed = timer_armed;
	outer->fired = timer_armed && timer_fired;
	outer->deadline = timer_deadline;
	disarm();
	outer->inner_deadline = deadline;
	if (outer->armed)
		deadline = Min(deadline, outer->deadline);
	leaf_timer_start(deadline);
}

bool
leaf_timer_leave(const LeafTimer *outer)
{
	bool		fired;
	bool		inner;

	disarm();
	fired = timer_fired;
	inner = fired && (!outer->armed || outer->inner_deadline < outer->deadline);
	timer_fired = outer->fired || (fired && !inner);
	if (!outer->armed)
		return inner;
	if (!timer_fired)
		arm(outer->deadline);
	else if (compat_is_background_worker())
	{
		/* it was told; if it does not listen, the next time is the last */
		arm(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Max(setting_cancel_grace, 1)));
		timer_deadline = outer->deadline;
	}
	return inner;
}

StepError *
leaf_error(const Leaf *leaf, const ErrorData *error)
{
	StepError  *result = palloc0(sizeof(StepError));

	result->sqlerrcode = error->sqlerrcode;
	result->type = leaf->reshaping ? "MappingError" : pstrdup(unpack_sql_state(error->sqlerrcode));
	result->message = error->message ? pstrdup(error->message) : pstrdup("missing error text");
	result->detail = error->detail ? pstrdup(error->detail) : NULL;
	result->hint = error->hint ? pstrdup(error->hint) : NULL;
	result->context = error->context ? pstrdup(error->context) : NULL;
	return result;
}

StepError *
leaf_timeout_error(const Leaf *leaf)
{
	StepError  *result = palloc0(sizeof(StepError));
	long		elapsed = TimestampDifferenceMilliseconds(leaf->started_at, leaf->deadline);

	result->type = "Timeout";
	result->sqlerrcode = ERRCODE_QUERY_CANCELED;
	result->message = psprintf("step \"%s\" was cancelled after %ld.%03ld s: its time was over",
							   leaf->node->id, elapsed / 1000, elapsed % 1000);
	result->hint = "See \"timeout_seconds\" of the step and of what is around it.";
	return result;
}

bool
error_is_fence(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
		error->schema_name != NULL && strcmp(error->schema_name, "workflow") == 0 &&
		error->table_name != NULL && strcmp(error->table_name, "step_executions") == 0;
}

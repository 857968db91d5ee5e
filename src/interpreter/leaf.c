/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  What the two drivers share about running a leaf.
 *
 * NOTES
 *	  The timer is one of our own, not STATEMENT_TIMEOUT: that belongs to the
 *	  statement that called execute(), or, in an executor, to the one of the
 *	  step itself, and the user's SQL may SET statement_timeout as it likes
 *	  without reaching ours.  Like the server's it sends SIGINT to the own
 *	  process, which must have StatementCancelHandler.
 *
 *	  A step can call execute(), whose steps can call it again: each leaf that
 *	  is under way has a frame, and the timer is set to what comes first of all
 *	  of them, the outer one's where two come at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "interpreter/leaf.h"
#include "shared/clock.h"
#include "shared/compat.h"
#include "shared/settings.h"
#include "shared/slots.h"

static TimeoutId leaf_timer = USER_TIMEOUT;
static bool timer_registered = false;

static LeafTimer executor_leaf;
static LeafTimer *innermost = NULL;

/* What the timer is set to, and of which frame: NULL when it is not. */
static LeafTimer *timer_frame = NULL;
static LeafLimit timer_limit;
static TimestampTz timer_steady_deadline = DT_NOEND;
static volatile sig_atomic_t timer_fired = false;

void
leaf_set_deadline(Leaf *leaf, TimestampTz scope_deadline, int timeout_seconds)
{
	int			seconds = timeout_seconds > 0 ? timeout_seconds : setting_step_timeout;
	TimestampTz own = DT_NOEND;

	if (seconds > 0)
		own = TimestampTzPlusMilliseconds(leaf->started_at,
										  (int64) seconds * 1000);
	leaf->deadline = Min(scope_deadline, own);
	leaf->default_limit = timeout_seconds == 0 && own < scope_deadline;
}

/*
 * Cancel the statement.  In an executor the scheduler is told: it sees to it
 * that a statement that swallows the cancel ends all the same.
 */
static void
leaf_timer_handler(void)
{
	TimestampTz left = timer_steady_deadline - steady_now();

	if (left > 0)
	{
		/* the clock was put forward: that is not the step's time */
		enable_timeout_after(leaf_timer, (int) Min(left / 1000 + 1, INT_MAX));
		return;
	}
	timer_fired = true;
	if (timer_limit == LIMIT_LEAF)
		slot_note_interrupt();
	kill(MyProcPid, SIGINT);
}

/* Stop the timer; a frame whose time was over knows. */
static void
timer_stop(void)
{
	if (timer_frame == NULL)
		return;
	disable_timeout(leaf_timer, false);
	if (timer_fired)
		timer_frame->over = timer_limit;
	timer_fired = false;
	timer_frame = NULL;
}

/*
 * Set the timer, which is stopped, to what comes first; frames that were told
 * wait for nothing.
 */
static void
timer_set(void)
{
	TimestampTz first = DT_NOEND;

	for (LeafTimer *frame = innermost; frame != NULL; frame = frame->outer)
	{
		TimestampTz deadline = Min(frame->deadline, frame->statement_deadline);

		if (frame->over != LIMIT_NONE || deadline == DT_NOEND ||
			deadline > first)
			continue;
		first = deadline;
		timer_frame = frame;
		timer_limit = frame->deadline <= deadline ? LIMIT_LEAF :
													LIMIT_STATEMENT;
	}
	if (timer_frame == NULL)
		return;
	if (!timer_registered)
	{
		leaf_timer = RegisterTimeout(USER_TIMEOUT, leaf_timer_handler);
		timer_registered = true;
	}
	timer_steady_deadline = steady_time(first);
	enable_timeout_at(leaf_timer, first);
}

static void
frame_enter(LeafTimer *frame, LeafTimer *outer, TimestampTz deadline)
{
	frame->outer = outer;
	frame->deadline = deadline;
	frame->statement_deadline = DT_NOEND;
	frame->statement_timeout = StatementTimeout;
	frame->over = LIMIT_NONE;
	innermost = frame;
}

void
leaf_timer_start(TimestampTz deadline)
{
	slot_forget_interrupt();
	frame_enter(&executor_leaf, NULL, deadline);
	timer_set();
}

bool
leaf_timer_stop(void)
{
	timer_stop();
	slot_forget_interrupt();
	disable_timeout(STATEMENT_TIMEOUT, false);
	innermost = NULL;
	return executor_leaf.over != LIMIT_NONE;
}

void
leaf_timer_enter(LeafTimer *frame, TimestampTz deadline)
{
	timer_stop();
	/* who was told and goes on all the same is told once more */
	for (LeafTimer *outer = innermost; outer != NULL; outer = outer->outer)
		outer->over = LIMIT_NONE;
	frame_enter(frame, innermost, deadline);
	timer_set();
}

LeafLimit
leaf_timer_leave(const LeafTimer *frame)
{
	bool		told = false;

	timer_stop();
	innermost = frame->outer;
	for (LeafTimer *outer = innermost; outer != NULL; outer = outer->outer)
		told = told || outer->over == LIMIT_LEAF;
	/* who was told and does not listen will be noticed by the scheduler */
	if (!told)
		slot_forget_interrupt();
	timer_set();
	return frame->over;
}

bool
leaf_is_inside(void)
{
	return innermost != NULL && innermost != &executor_leaf;
}

void
leaf_statement_begins(void)
{
	if (StatementTimeout <= 0)
		return;
	if (!leaf_is_inside())
	{
		enable_timeout_after(STATEMENT_TIMEOUT, StatementTimeout);
		return;
	}
	/*
	 * the caller's, which the server has begun to count when the caller's
	 * statement did
	 */
	if (StatementTimeout == innermost->statement_timeout)
		return;
	timer_stop();
	innermost->statement_deadline =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), StatementTimeout);
	timer_set();
}

void
leaf_statement_ended(void)
{
	if (!leaf_is_inside())
	{
		if (get_timeout_active(STATEMENT_TIMEOUT))
			disable_timeout(STATEMENT_TIMEOUT, false);
		return;
	}
	if (innermost->statement_deadline == DT_NOEND)
		return;
	timer_stop();
	innermost->statement_deadline = DT_NOEND;
	if (innermost->over == LIMIT_STATEMENT)
	{
		/* after all: the cancel that may be under way has come too late */
		innermost->over = LIMIT_NONE;
		QueryCancelPending = false;
	}
	timer_set();
}

/* What the leaf's settings say; NULL: nothing. */
static const char *
leaf_setting(const Leaf *leaf, const char *name)
{
	const char *value = NULL;

	for (int i = 0; i < leaf->task.nsettings; i++)
		if (pg_strcasecmp(leaf->task.settings[i].name, name) == 0)
			value = leaf->task.settings[i].value;
	return value;
}

/* On or off: as is said, by the leaf's settings, else otherwise. */
static bool
leaf_switch(const Leaf *leaf, Switch said, const char *name, bool otherwise)
{
	const char *setting;
	bool		value;

	if (said != SWITCH_UNSAID)
		return said == SWITCH_ON;
	setting = leaf_setting(leaf, name);
	/* what is no boolean is refused when it is set */
	return setting != NULL && parse_bool(setting, &value) ? value : otherwise;
}

int
leaf_isolation(const Leaf *leaf, int otherwise)
{
	static const int levels[] = {0, XACT_READ_COMMITTED, XACT_REPEATABLE_READ,
								 XACT_SERIALIZABLE};
	const char *setting;

	if (leaf->transaction.isolation != ISOLATION_UNSAID)
		return levels[leaf->transaction.isolation];
	setting = leaf_setting(leaf, "default_transaction_isolation");
	if (setting == NULL)
		return otherwise;
	if (pg_strcasecmp(setting, "serializable") == 0)
		return XACT_SERIALIZABLE;
	return pg_strcasecmp(setting, "repeatable read") == 0 ?
		XACT_REPEATABLE_READ :
		XACT_READ_COMMITTED;
}

bool
leaf_read_only(const Leaf *leaf, bool otherwise)
{
	return leaf_switch(leaf, leaf->transaction.read_only,
					   "default_transaction_read_only", otherwise);
}

int
leaf_transaction(Leaf *leaf, bool *deferrable)
{
	leaf->task.read_only = leaf_read_only(leaf, DefaultXactReadOnly);
	*deferrable = leaf_switch(leaf, leaf->transaction.deferrable, "default_transaction_deferrable",
							  DefaultXactDeferrable);
	return leaf_isolation(leaf, DefaultXactIsoLevel);
}

/*
 * May a condition whose SQL raised this count as false?  Only what its own
 * statement says about values, names and rights may: see docs/definitions.md.
 * All others tell nothing about the condition, only that it cannot be asked
 * now.
 */
static bool
makes_false(const Leaf *leaf, int sqlerrcode)
{
	if (!leaf->is_condition || !leaf->task.evaluating)
		return false;
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_INVALID_TRANSACTION_TERMINATION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case MAKE_SQLSTATE('7', '2', '0', '0', '0'):	/* snapshot too old */
		case ERRCODE_CONFIG_FILE_ERROR:
		case ERRCODE_FDW_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		default:
			return true;
	}
}

StepError *
leaf_error(const Leaf *leaf, const ErrorData *error)
{
	StepError  *result = palloc0(sizeof(StepError));

	result->sqlerrcode = error->sqlerrcode;
	result->type = leaf->reshaping ?
		"MappingError" :
		pstrdup(unpack_sql_state(error->sqlerrcode));
	result->message = error->message ? pstrdup(error->message) :
									   pstrdup("missing error text");
	result->detail = error->detail ? pstrdup(error->detail) : NULL;
	result->hint = error->hint ? pstrdup(error->hint) : NULL;
	result->context = error->context ? pstrdup(error->context) : NULL;
	result->schema = error->schema_name ? pstrdup(error->schema_name) : NULL;
	result->table = error->table_name ? pstrdup(error->table_name) : NULL;
	result->column = error->column_name ? pstrdup(error->column_name) : NULL;
	result->datatype = error->datatype_name ? pstrdup(error->datatype_name) :
											  NULL;
	result->constraint = error->constraint_name ?
		pstrdup(error->constraint_name) :
		NULL;
	result->makes_false = makes_false(leaf, error->sqlerrcode);
	return result;
}

StepError *
leaf_timeout_error(const Leaf *leaf)
{
	StepError  *result = palloc0(sizeof(StepError));
	long		elapsed = TimestampDifferenceMilliseconds(leaf->started_at,
												   leaf->deadline);

	result->type = "Timeout";
	result->sqlerrcode = ERRCODE_QUERY_CANCELED;
	result->message = psprintf("step \"%s\" was cancelled after %ld.%03ld s: its time was over",
							   leaf->node->id, elapsed / 1000, elapsed % 1000);
	result->hint = leaf->default_limit
		? "Give the step a \"timeout_seconds\" of its own; the default is the setting \"workflow.step_timeout\"."
		: "See \"timeout_seconds\" of the step and of what is around it.";
	return result;
}

StepError *
leaf_stuck_error(const Leaf *leaf, const StuckAttempt *stuck)
{
	StepError  *result = palloc0(sizeof(StepError));

	result->type = "ExecutionStuck";
	result->message = psprintf("step \"%s\" did not respond to cancellation within %d ms",
							   leaf->node->id, stuck->grace_ms);
	result->detail = psprintf("It had run for " INT64_FORMAT
							  ".%03d s in the executor with PID %d, which %s.",
							  stuck->elapsed_ms / 1000,
							  (int) (stuck->elapsed_ms % 1000), stuck->pid,
							  stuck->quarantined ?
								  "ignores SIGTERM, too, and is quarantined" :
								  "was terminated");
	result->hint = "See \"workflow.cancel_grace\" and workflow.executor_history.";
	return result;
}

bool
error_is_fence(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
		error->schema_name != NULL &&
		strcmp(error->schema_name, "workflow") == 0 &&
		error->table_name != NULL &&
		strcmp(error->table_name, "step_executions") == 0;
}

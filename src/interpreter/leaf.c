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
static bool timer_armed = false;
static TimestampTz timer_deadline = DT_NOEND;
static TimestampTz timer_steady_deadline = DT_NOEND;
static volatile sig_atomic_t timer_fired = false;

void
leaf_set_deadline(Leaf *leaf, TimestampTz scope_deadline, int timeout_seconds)
{
	int			seconds = timeout_seconds > 0 ? timeout_seconds : setting_step_timeout;
	TimestampTz own = DT_NOEND;

	if (seconds > 0)
		own = TimestampTzPlusMilliseconds(leaf->started_at, (int64) seconds * 1000);
	leaf->deadline = Min(scope_deadline, own);
	leaf->default_limit = timeout_seconds == 0 && own < scope_deadline;
}

/*
 * Cancel the statement.  In an executor the scheduler is told: it sees to it that a
 * statement that swallows the cancel ends all the same.
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
	slot_note_interrupt();
	kill(MyProcPid, SIGINT);
}

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
	timer_steady_deadline = steady_time(deadline);
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
	slot_forget_interrupt();
	arm(deadline);
}

bool
leaf_timer_stop(void)
{
	disarm();
	slot_forget_interrupt();
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
	timer_fired = false;
	arm(deadline);
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
	if (!timer_fired)
		slot_forget_interrupt();
	if (!outer->armed)
		return inner;
	if (!timer_fired)
		arm(outer->deadline);
	else
	{
		/* it was told; if it does not listen, the scheduler will notice */
		timer_deadline = outer->deadline;
		timer_armed = true;
	}
	return inner;
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
	static const int levels[] = {0, XACT_READ_COMMITTED, XACT_REPEATABLE_READ, XACT_SERIALIZABLE};
	const char *setting;

	if (leaf->transaction.isolation != ISOLATION_UNSAID)
		return levels[leaf->transaction.isolation];
	setting = leaf_setting(leaf, "default_transaction_isolation");
	if (setting == NULL)
		return otherwise;
	if (pg_strcasecmp(setting, "serializable") == 0)
		return XACT_SERIALIZABLE;
	return pg_strcasecmp(setting, "repeatable read") == 0 ? XACT_REPEATABLE_READ : XACT_READ_COMMITTED;
}

bool
leaf_read_only(const Leaf *leaf, bool otherwise)
{
	return leaf_switch(leaf, leaf->transaction.read_only, "default_transaction_read_only", otherwise);
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
 * May a condition whose SQL raised this count as false?  Only what its own statement
 * says about values, names and rights may: see docs/definitions.md.  All others
 * tell nothing about the condition, only that it cannot be asked now.
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
	result->type = leaf->reshaping ? "MappingError" : pstrdup(unpack_sql_state(error->sqlerrcode));
	result->message = error->message ? pstrdup(error->message) : pstrdup("missing error text");
	result->detail = error->detail ? pstrdup(error->detail) : NULL;
	result->hint = error->hint ? pstrdup(error->hint) : NULL;
	result->context = error->context ? pstrdup(error->context) : NULL;
	result->schema = error->schema_name ? pstrdup(error->schema_name) : NULL;
	result->table = error->table_name ? pstrdup(error->table_name) : NULL;
	result->column = error->column_name ? pstrdup(error->column_name) : NULL;
	result->datatype = error->datatype_name ? pstrdup(error->datatype_name) : NULL;
	result->constraint = error->constraint_name ? pstrdup(error->constraint_name) : NULL;
	result->makes_false = makes_false(leaf, error->sqlerrcode);
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
	result->detail = psprintf("It had run for " INT64_FORMAT ".%03d s in the executor with PID %d, which %s.",
							  stuck->elapsed_ms / 1000, (int) (stuck->elapsed_ms % 1000), stuck->pid,
							  stuck->quarantined ? "ignores SIGTERM, too, and is quarantined" : "was terminated");
	result->hint = "See \"workflow.cancel_grace\" and workflow.executor_history.";
	return result;
}

bool
error_is_fence(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
		error->schema_name != NULL && strcmp(error->schema_name, "workflow") == 0 &&
		error->table_name != NULL && strcmp(error->table_name, "step_executions") == 0;
}

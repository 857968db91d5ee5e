/*-------------------------------------------------------------------------
 *
 * schedule_run.c
 *	  Schedules that are due: workflow.schedule_tick(), run_schedule_now().
 *
 * NOTES
 *	  schedule_tick() runs in the sessions of pg_cron's jobs, as the role of the
 *	  schedule.  It decides under a lock on the schedule's row, so a time is
 *	  decided once however many call it; what it decided is recorded in the same
 *	  transaction.  An execution that cannot be started is recorded, too, and
 *	  raises a warning only: an error would take the record back.  What has
 *	  failed only since others were in the way is tried again, and then is an
 *	  error: the time stays due for the next beat.
 *
 *	  An execution that has to wait for others of its schedule is let go by the
 *	  scheduler, which counts those that have not ended (state/admission.c).
 *
 *	  Locks are taken in the order executions, by their numbers,
 *	  schedule_entries: to replace executions they are cancelled first, before
 *	  the schedule is locked.  When it turns out then that it is not due any
 *	  more, that is rolled back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "api/schedule.h"
#include "shared/wake.h"
#include "state/attempt.h"
#include "state/owners.h"

extern PGDLLEXPORT Datum workflow_schedule_tick(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_run_schedule_now(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_schedule_tick);
PG_FUNCTION_INFO_V1(workflow_run_schedule_now);

/* So many executions may wait for others to end; more are skipped. */
#define MAX_QUEUED 100

/* So often a decision is tried while others are in the way. */
#define MAX_TRIES 3

/* So many times are looked at to find the newest one that is due. */
#define MAX_TIMES 10000

/*
 * Read, or lock and read, a schedule that is the caller's.  Whoever does not
 * see those of others does not learn of them either.
 */
static void
require_own_schedule(const char *name, bool lock, Schedule *schedule)
{
	bool		found = schedule_find(name, lock, schedule);

	if (found && has_privs_of_role(GetUserId(), schedule->role))
		return;
	if (!found || !has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
	{
		char	   *hint = hint_about_name(NAMED_SCHEDULE, name, "The schedules are in the view workflow.schedules.");

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("schedule \"%s\" does not exist", name),
				 errhint("%s", hint)));
	}
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for schedule \"%s\"", name),
			 hint_about_owner(schedule->role)));
}

/* Before the lock and when it is held: as by lock_to_steer(). */
void
require_schedule(const char *name, bool lock, Schedule *schedule)
{
	require_own_schedule(name, false, schedule);
	if (lock)
		require_own_schedule(name, true, schedule);
}

void
require_schedule_role(const Schedule *schedule, const char *what)
{
	char	   *role;

	if (GetUserNameFromId(schedule->role, true) != NULL)
		return;
	role = schedule_role_name(schedule->id);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("schedule \"%s\" cannot be %s", schedule->name, what),
			 errdetail("It belongs to role %s: there is no such role.", role),
			 errhint("Give it to another role: SELECT workflow.reassign_owned(%s, '..').", quote_literal_cstr(role))));
}

void
audit_schedule(const char *action, const char *name, int64 execution_id,
			   const char *reason, Jsonb *before, Jsonb *after)
{
	AuditEntry	entry = {.action = action, .subject_type = "schedule", .subject = name,
	.execution_id = execution_id, .reason = reason, .before = before, .after = after};

	audit(&entry);
}

/* --- deciding --- */

/* Start an execution, or have one wait for others of the schedule. */
static int64
start_execution_of(const Schedule *schedule, TimestampTz due_at, bool waits)
{
	Definition	definition;
	NewExecution new;

	require_startable(schedule->workflow, schedule->version, schedule->role,
					  &definition);
	memset(&new, 0, sizeof(new));
	new.definition = &definition;
	new.role = schedule->role;
	new.priority = schedule->has_priority ? schedule->priority :
											definition.priority;
	new.tenant = schedule->tenant;
	new.input = schedule_render_input(schedule, due_at);
	new.schedule_id = schedule->id;
	new.has_start_at = waits;
	new.start_at = DT_NOEND;
	return queue_execution(&new);
}

/*
 * Cancel what a new execution is to replace: those that wait, and the oldest of
 * the others until there is room.  Not when a new one could not be started.
 */
static void
make_room(const Schedule *schedule, TimestampTz due_at)
{
	Definition	definition;
	ScheduleExecution *executions;
	int			count;
	int			too_many = 1 - schedule->max_concurrent_runs;

	require_startable(schedule->workflow, schedule->version, schedule->role,
					  &definition);
	(void) schedule_render_input(schedule, due_at);

	count = schedule_executions(schedule->id, &executions);
	for (int i = 0; i < count; i++)
		too_many += executions[i].waits ? 0 : 1;
	/* in one go: cancel_executions() locks them in this order, too */
	for (int i = 0; i < count; i++)
		if (executions[i].waits || too_many-- > 0)
			schedule_cancel(executions[i].id,
							"replaced by a later execution of its schedule");
}

/*
 * Start an execution of a locked schedule, unless too many have not ended;
 * fills in what came of it.
 */
static void
decide(ScheduleRun *run)
{
	const Schedule *schedule = run->schedule;
	int64		running;
	int64		queued;

	schedule_count(schedule->id, &running, &queued);
	if (running < schedule->max_concurrent_runs && queued == 0)
	{
		run->execution_id = start_execution_of(schedule, run->due_at, false);
		run->outcome = SCHEDULE_STARTED;
	}
	else if (strcmp(schedule->overlap, "skip") == 0)
	{
		run->outcome = SCHEDULE_SKIPPED;
		run->reason = psprintf("%lld of at most %d executions have not ended",
							   (long long) (running + queued),
							   schedule->max_concurrent_runs);
	}
	else if (queued >= MAX_QUEUED)
	{
		run->outcome = SCHEDULE_SKIPPED;
		run->reason = psprintf("%lld executions wait already",
							   (long long) queued);
	}
	else
	{
		run->execution_id = start_execution_of(schedule, run->due_at, true);
		run->outcome = SCHEDULE_QUEUED;
		/* what it waits for may have ended meanwhile */
		wake_at_commit(WAKE_PENDING);
	}
}

/* Record it, and audit it when something was started. */
static void
record(const ScheduleRun *run)
{
	schedule_record(run);
	if (run->execution_id != 0)
		audit_schedule(run->manual ? "run_schedule_now" : "start",
					   run->schedule->name, run->execution_id, NULL, NULL,
					   audit_object("outcome",
									schedule_outcome_name(run->outcome)));
}

/* --- in a subtransaction --- */

static void
step_write_job(void *argument)
{
	const ScheduleRun *run = argument;

	schedule_write_job(unconstify(Schedule *, run->schedule), true);
}

/* --- the beat --- */

/*
 * The newest time that is due, no older than max_lateness; DT_NOEND when there
 * is none.  *missed becomes true when there are others.
 */
static TimestampTz
newest_due(const Schedule *schedule, TimestampTz now, bool *missed)
{
	TimestampTz oldest = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(now),
							IntervalPGetDatum(&schedule->max_lateness)));
	TimestampTz due = schedule->next_run_at;
	TimestampTz next;

	if (due < oldest)
		due = schedule_next_time(schedule, oldest - 1);
	for (int i = 0; due <= now && i < MAX_TIMES; i++)
	{
		CHECK_FOR_INTERRUPTS();
		next = schedule_next_time(schedule, due);
		if (next > now)
			break;
		due = next;
	}
	if (due > now)
		due = DT_NOEND;
	*missed = due != schedule->next_run_at;
	return due;
}

TimestampTz
schedule_realigned(const Schedule *schedule, TimestampTz now, bool at_beat)
{
	TimestampTz next = schedule_next_time(schedule, now);

	if (next >= schedule->next_run_at)
		return schedule->next_run_at;
	/* times only grow while the clock does */
	if (at_beat)
		next = schedule_next_time(schedule, now - now % USECS_PER_MINUTE - 1);
	if (next == schedule_last_due(schedule->id))
		next = schedule_next_time(schedule, Max(next, now));
	return Min(next, schedule->next_run_at);
}

void
schedule_forget_due(const Schedule *schedule, const char *reason)
{
	ScheduleRun run = {.schedule = schedule, .due_at = schedule->next_run_at, .outcome = SCHEDULE_MISSED,
	.reason = reason};

	if (schedule->enabled && schedule->next_run_at <= GetCurrentTimestamp())
		schedule_record(&run);
}

/* The next time, and the job that it needs. */
static void
advance_to(Schedule *schedule, TimestampTz next)
{
	const char *before = schedule->job_schedule;
	char	   *after;
	ScheduleRun run = {.schedule = schedule};
	ErrorData  *error;

	schedule->next_run_at = next;
	after = schedule->next_run_at == DT_NOEND ? NULL : schedule_beat(schedule);
	if (before == NULL || after == NULL || strcmp(before, after) != 0)
	{
		error = attempt(step_write_job, &run);
		if (error != NULL)
		{
			schedule->job_schedule = before;
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("the job of schedule \"%s\" could not be changed", schedule->name),
					 errdetail_internal("%s.", error->message)));
		}
	}
	schedule_update(schedule, false);
}

static void
advance(Schedule *schedule, TimestampTz now)
{
	advance_to(schedule, schedule_next_time(schedule, now));
}

/*
 * The clock has been put back behind the time at which the next one was worked
 * out: do that again.
 */
static void
realign(const char *name, Schedule *schedule, TimestampTz now)
{
	TimestampTz next;
	const char *before;

	require_schedule(name, true, schedule);
	next = schedule->enabled ? schedule_realigned(schedule, now, true) :
							   schedule->next_run_at;
	if (next >= schedule->next_run_at)
		return;
	before = schedule->next_run_at == DT_NOEND ?
		"never" :
		pstrdup(timestamptz_to_str(schedule->next_run_at));
	ereport(LOG,
			(errmsg("schedule \"%s\" is due at %s, earlier than was worked out before",
					schedule->name, timestamptz_to_str(next)),
			 errdetail("That was %s. The clock has been put back, or the rules of its time zone have changed.", before)));
	advance_to(schedule, next);
}

/* A time in messages. */
static const char *
time_text(TimestampTz time)
{
	return pstrdup(timestamptz_to_str(time));
}

/* What to answer pg_cron. */
static const char *
describe(const ScheduleRun *run)
{
	if (run->execution_id != 0)
		return psprintf("%s: execution %lld",
						schedule_outcome_name(run->outcome),
						(long long) run->execution_id);
	return psprintf("%s: %s", schedule_outcome_name(run->outcome), run->reason);
}

static bool
is_due(const Schedule *schedule, TimestampTz now)
{
	CronExpression cron;

	if (!schedule->enabled || schedule->next_run_at == DT_NOEND)
		return false;
	if (schedule->next_run_at <= now)
		return true;
	/* of those by seconds pg_cron's beat is the time */
	require_cron(schedule->cron, &cron);
	return cron.interval > 0 && schedule->start_at <= now &&
		schedule->next_run_at <= now + cron.interval * USECS_PER_SEC;
}

/* A schedule at a beat. */
typedef struct Beat
{
	const char *name;
	Schedule   *schedule;
	TimestampTz now;
	bool		missed;			/* times before run.due_at, or all */
	ScheduleRun run;
} Beat;

/* Which of its times is it?  DT_NOEND: those that are due have been missed. */
static void
find_due(Beat *beat)
{
	beat->missed = false;
	beat->run.due_at = beat->schedule->next_run_at > beat->now ? beat->now :
		newest_due(beat->schedule, beat->now, &beat->missed);
}

/* From here on alone.  False: somebody else has been quicker. */
static bool
lock_due(Beat *beat)
{
	require_schedule(beat->name, true, beat->schedule);
	if (!is_due(beat->schedule, beat->now))
		return false;
	find_due(beat);
	return true;
}

static bool
replaces(const Beat *beat)
{
	return strcmp(beat->schedule->overlap, "replace") == 0 &&
		beat->run.due_at != DT_NOEND;
}

/* In a subtransaction: what was cancelled for nothing goes on. */
static bool
step_replace(void *argument)
{
	Beat	   *beat = argument;

	make_room(beat->schedule, beat->run.due_at);
	if (!lock_due(beat) || !replaces(beat))
		return false;
	decide(&beat->run);
	return true;
}

static bool
step_decide(void *argument)
{
	decide(&((Beat *) argument)->run);
	return true;
}

/* Others were in the way, and may not be the next time. */
static bool
is_passing(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/*
 * As by attempt_to_keep(), more than once if need be: the next beat may be a
 * year away.
 */
static ErrorData *
attempt_decision(bool (*work) (void *argument), Beat *beat, bool *kept)
{
	ErrorData  *error;

	for (int tries = 1; (error = attempt_to_keep(work, beat, kept)) != NULL &&
		 is_passing(error);
		 tries++)
	{
		CHECK_FOR_INTERRUPTS();
		if (tries == MAX_TRIES)
			ReThrowError(error);
		FreeErrorData(error);
	}
	return error;
}

/* A time that is recorded beside the newest one, or alone. */
static const char *
record_missed(const Beat *beat)
{
	ScheduleRun late = {.schedule = beat->schedule, .due_at = beat->schedule->next_run_at, .outcome = SCHEDULE_MISSED};

	late.reason = psprintf("noticed at %s%s", time_text(beat->now),
						   beat->run.due_at == DT_NOEND ?
							   ", later than max_lateness" :
							   ", with later times due as well");
	record(&late);
	return describe(&late);
}

/*
 * Decide about a schedule that is due; returns what to answer.
 */
static const char *
run_due(const char *name, Schedule *schedule, TimestampTz now)
{
	Beat		beat = {.name = name, .schedule = schedule, .now = now, .run = {.schedule = schedule}};
	ScheduleRun *run = &beat.run;
	ErrorData  *error = NULL;
	bool		decided = false;

	find_due(&beat);
	if (replaces(&beat))
		error = attempt_decision(step_replace, &beat, &decided);
	if (!decided && !lock_due(&beat))
		return "not due any more";
	if (beat.missed)
	{
		const char *answer = record_missed(&beat);

		if (run->due_at == DT_NOEND)
		{
			advance(schedule, now);
			return answer;
		}
	}

	if (!decided && error == NULL)
		error = attempt_decision(step_decide, &beat, &decided);
	if (error != NULL)
	{
		run->outcome = SCHEDULE_FAILED;
		run->execution_id = 0;
		run->reason = error->detail == NULL ? error->message :
			psprintf("%s: %s", error->message, error->detail);
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("schedule \"%s\" could not start workflow \"%s\"",
						schedule->name, schedule->workflow),
				 errdetail_internal("%s.", error->message)));
	}
	record(run);
	advance(schedule, now);
	return describe(run);
}

/*
 * workflow.schedule_tick(name text) returns text
 */
Datum
workflow_schedule_tick(PG_FUNCTION_ARGS)
{
	char	   *name = required_text(fcinfo, 0, "name");
	TimestampTz now = GetCurrentTimestamp();
	Schedule	schedule;
	const char *answer;

	require_read_committed("workflow.schedule_tick()");
	/* that of the role is for what the role does; pg_cron has begun to count */
	disable_timeout(STATEMENT_TIMEOUT, false);
	require_schedule(name, false, &schedule);
	if (schedule.enabled &&
		schedule_realigned(&schedule, now, true) < schedule.next_run_at)
		realign(name, &schedule, now);
	if (!schedule.enabled)
		answer = "paused";
	else if (schedule.next_run_at == DT_NOEND)
		answer = "over";
	else if (!is_due(&schedule, now))
		answer = psprintf("not due before %s", time_text(schedule.next_run_at));
	else
		answer = run_due(name, &schedule, now);
	PG_RETURN_TEXT_P(cstring_to_text(answer));
}

/*
 * workflow.run_schedule_now(name text) returns bigint
 */
Datum
workflow_run_schedule_now(PG_FUNCTION_ARGS)
{
	char	   *name = required_text(fcinfo, 0, "name");
	Schedule	schedule;
	ScheduleRun run = {.schedule = &schedule, .due_at = GetCurrentTimestamp(), .manual = true};

	require_read_committed("workflow.run_schedule_now()");
	require_schedule(name, false, &schedule);
	require_schedule_role(&schedule, "run");
	if (strcmp(schedule.overlap, "replace") == 0)
		make_room(&schedule, run.due_at);
	require_schedule(name, true, &schedule);
	require_schedule_role(&schedule, "run");
	decide(&run);
	record(&run);
	if (run.execution_id == 0)
	{
		ereport(NOTICE, (errmsg("schedule \"%s\" was skipped: %s", name, run.reason)));
		PG_RETURN_NULL();
	}
	PG_RETURN_INT64(run.execution_id);
}

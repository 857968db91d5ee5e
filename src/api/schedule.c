/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  workflow.schedule(), unschedule(), pause_schedule(), resume_schedule(),
 *	  sync_schedules(), schedule_housekeeping().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  What makes a schedule
 *	  start something is in schedule_run.c, what makes pg_cron call that in
 *	  schedule_jobs.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "api/schedule.h"
#include "shared/identity.h"
#include "shared/wake.h"
#include "state/attempt.h"
#include "state/owners.h"

extern PGDLLEXPORT Datum workflow_schedule(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_unschedule(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_pause_schedule(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_resume_schedule(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_sync_schedules(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_schedule_housekeeping(PG_FUNCTION_ARGS);

/* define.c */

PG_FUNCTION_INFO_V1(workflow_schedule);
PG_FUNCTION_INFO_V1(workflow_unschedule);
PG_FUNCTION_INFO_V1(workflow_pause_schedule);
PG_FUNCTION_INFO_V1(workflow_resume_schedule);
PG_FUNCTION_INFO_V1(workflow_sync_schedules);
PG_FUNCTION_INFO_V1(workflow_schedule_housekeeping);

#define HOUSEKEEPING_WORKFLOW RESERVED_PREFIX "housekeeping"
#define HOUSEKEEPING_SCHEDULE "housekeeping"

/* --- checks --- */

static void
require_overlap(const char *overlap)
{
	static const char *const known[] = {"skip", "queue", "replace"};

	for (int i = 0; i < (int) lengthof(known); i++)
		if (strcmp(overlap, known[i]) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown overlap \"%s\"", overlap),
			 errhint("%s", hint_about_word(overlap, known, lengthof(known)))));
}

/*
 * The name schedule_housekeeping() gives without one: taken by others, nothing
 * would run.
 */
static void
refuse_housekeeping(const char *name)
{
	if (pg_strcasecmp(name, HOUSEKEEPING_SCHEDULE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("unacceptable schedule name: \"%s\"", name),
				 errdetail("The name is reserved for workflow.schedule_housekeeping()."),
				 errhint("Choose another name, or call that function to make or change this schedule.")));
}

/* A name that nobody has yet; the extension's own is no tenant's. */
static void
check_new_name(const char *name)
{
	if (pg_strcasecmp(name, HOUSEKEEPING_SCHEDULE) != 0)
		require_namespace("schedule", name);
}

/* Names are parts of indexes and of the commands of jobs. */
static void
require_name(const char *value, const char *what)
{
	if (*value == '\0' || strlen(value) > PLAN_MAX_ID_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have between 1 and %d bytes", what, PLAN_MAX_ID_LENGTH)));
}

static void
require_not_negative(const Interval *interval, const char *name)
{
	Interval	zero = {0};

	if (DatumGetBool(DirectFunctionCall2(interval_lt,
										 IntervalPGetDatum(interval),
										 IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
}

/* Numbers in their ranges, and times in their order. */
static void
check_ranges(const Schedule *schedule)
{
	Interval	year = {.month = 12};

	if (schedule->max_concurrent_runs < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_concurrent_runs must be greater than zero, not %d",
						schedule->max_concurrent_runs),
				 errhint("workflow.pause_schedule() keeps a schedule from starting anything.")));
	if (schedule->has_priority)
		require_priority(schedule->priority, schedule->role);
	if (schedule->start_at > schedule->end_at)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("start_at must not be after end_at"),
				 errhint("workflow.next_runs() shows when an expression is due.")));
	require_not_negative(&schedule->max_lateness, "max_lateness");
	if (DatumGetBool(
			DirectFunctionCall2(interval_gt,
								IntervalPGetDatum(&schedule->max_lateness),
								IntervalPGetDatum(&year))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_lateness must not be longer than a year"),
				 errhint("In psql, \\df+ workflow.schedule explains the arguments.")));
}

/* Everything about a schedule that can be wrong, and its next time. */
static void
check_schedule(Schedule *schedule)
{
	CronExpression cron;
	Definition	definition;
	char	   *problem;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next;

	require_name(schedule->name, "name");
	refuse_reserved_name("schedule", schedule->name);
	if (schedule->tenant != NULL)
		require_name(schedule->tenant, "tenant");
	require_cron(schedule->cron, &cron);
	(void) require_timezone(schedule->timezone);
	require_overlap(schedule->overlap);
	check_ranges(schedule);
	require_startable(schedule->workflow, schedule->version, schedule->role,
					  &definition);
	problem = role_cannot_run(schedule->role);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("executions of role \"%s\" cannot be run by a worker",
						required_role_name(schedule->role, NULL)),
				 errdetail_internal("%s.", problem)));

	next = schedule_next_time(schedule, now);
	if (next == DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("schedule \"%s\" is never due", schedule->name),
				 schedule->end_at == DT_NOEND ?
				 errdetail("There is no such time within 50 years: \"%s\".", schedule->cron) :
				 errdetail("There is no time of \"%s\" before its end.", schedule->cron)));
	(void) schedule_render_input(schedule, next);
	schedule->next_run_at = schedule->enabled ? next : DT_NOEND;
}

/* --- functions --- */

/*
 * When a changed schedule is due next: where it is about the same times, what
 * is due stays due.
 */
static void
keep_time(Schedule *schedule, const Schedule *old)
{
	if (!schedule->enabled)
		schedule_forget_due(old,
							"the schedule was paused before it was noticed");
	else if (!old->enabled)
		return;
	else if (strcmp(schedule->cron, old->cron) == 0 &&
			 strcmp(schedule->timezone, old->timezone) == 0 &&
			 schedule->start_at == old->start_at &&
			 schedule->end_at == old->end_at)
		schedule->next_run_at = schedule_realigned(old, GetCurrentTimestamp(),
												   false);
	else
		schedule_forget_due(old,
							"the schedule was changed before it was noticed");
}

/* Write a new schedule, or one in place of that with its name. */
static void
store_schedule(Schedule *schedule, Jsonb **before)
{
	Schedule	old;

	*before = NULL;
	while (!schedule_find(schedule->name, true, &old))
	{
		check_new_name(schedule->name);
		if (schedule_insert(schedule))
			return;
		CHECK_FOR_INTERRUPTS();
	}
	if (old.role != schedule->role)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("schedule \"%s\" belongs to another role", schedule->name),
				 GetUserNameFromId(old.role, true) != NULL ?
				 errhint("Choose another name, or have its role call workflow.unschedule().") :
				 hint_about_owner(old.role)));
	schedule->id = old.id;
	schedule->created_at = old.created_at;
	schedule->job_schedule = old.job_schedule;
	keep_time(schedule, &old);
	/* more of its executions may run at a time */
	wake_at_commit(WAKE_PENDING);
	*before = schedule_document(old.id);
}

/* The schedule's job and row, and the audit entry. */
static void
finish_change(Schedule *schedule, const char *action, const char *reason,
			  Jsonb *before)
{
	schedule_write_job(schedule, false);
	schedule_update(schedule, true);
	audit_schedule(action, schedule->name, 0, reason, before,
				   schedule_document(schedule->id));
}

/* A time to return; null: none. */
#define RETURN_TIME(time) \
	do { \
		if ((time) == DT_NOEND) \
			PG_RETURN_NULL(); \
		PG_RETURN_TIMESTAMPTZ(time); \
	} while (0)

/* Make a schedule; the rest of it is filled in. */
static void
make_schedule(Schedule *schedule)
{
	Jsonb	   *before;

	schedule->role = GetUserId();
	check_schedule(schedule);
	store_schedule(schedule, &before);
	finish_change(schedule, "schedule", NULL, before);
}

/*
 * workflow.schedule(name text, workflow text, cron text, input jsonb, timezone
 * text, start_at timestamptz, end_at timestamptz, max_concurrent_runs integer,
 * overlap text, enabled boolean, version integer, priority integer, tenant
 * text, max_lateness interval, description text) returns timestamptz
 */
Datum
workflow_schedule(PG_FUNCTION_ARGS)
{
	Schedule	schedule;

	memset(&schedule, 0, sizeof(schedule));
	schedule.name = required_text(fcinfo, 0, "name");
	schedule.workflow = required_text(fcinfo, 1, "workflow");
	schedule.cron = required_text(fcinfo, 2, "cron");
	schedule.input = required_jsonb(fcinfo, 3, "input");
	schedule.timezone = required_text(fcinfo, 4, "timezone");
	schedule.start_at = PG_ARGISNULL(5) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(5);
	schedule.end_at = PG_ARGISNULL(6) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(6);
	schedule.max_concurrent_runs = PG_ARGISNULL(7) ? 1 : PG_GETARG_INT32(7);
	schedule.overlap = required_text(fcinfo, 8, "overlap");
	schedule.enabled = PG_ARGISNULL(9) || PG_GETARG_BOOL(9);
	schedule.version = version_argument(fcinfo, 10);
	schedule.has_priority = !PG_ARGISNULL(11);
	schedule.priority = PG_ARGISNULL(11) ? 0 : PG_GETARG_INT32(11);
	schedule.tenant = optional_text_argument(fcinfo, 12);
	if (PG_ARGISNULL(13))
		schedule.max_lateness.time = 10 * USECS_PER_MINUTE;
	else
		schedule.max_lateness = *PG_GETARG_INTERVAL_P(13);
	schedule.description = optional_text_argument(fcinfo, 14);

	refuse_housekeeping(schedule.name);
	make_schedule(&schedule);
	RETURN_TIME(schedule.next_run_at);
}

/* A schedule that is removed. */
typedef struct Removal
{
	const char *name;
	Schedule	schedule;
	int64		newest;			/* of the executions that waited and are
								 * cancelled */
} Removal;

/* Does any wait that is not cancelled yet? */
static bool
some_wait(const Removal *removal)
{
	ScheduleExecution *executions;
	int			count = schedule_executions(removal->schedule.id, &executions);

	while (count > 0 && !executions[count - 1].waits)
		count--;
	return count > 0 && executions[count - 1].id > removal->newest;
}

static void
cancel_waiting(Removal *removal)
{
	ScheduleExecution *executions;
	int			count = schedule_executions(removal->schedule.id, &executions);

	for (int i = 0; i < count; i++)
	{
		if (!executions[i].waits || executions[i].id <= removal->newest)
			continue;
		schedule_cancel(executions[i].id, "its schedule was removed");
		removal->newest = executions[i].id;
	}
}

/*
 * In a subtransaction: not kept, nor is the lock, when a beat has had another
 * one wait meanwhile.
 */
static bool
step_lock_removed(void *argument)
{
	Removal    *removal = argument;

	require_schedule(removal->name, true, &removal->schedule);
	return !some_wait(removal);
}

/*
 * Executions before their schedule: see the order of locks in schedule_run.c.
 */
static void
lock_removed(Removal *removal)
{
	ErrorData  *error;
	bool		locked = false;

	while (!locked)
	{
		CHECK_FOR_INTERRUPTS();
		require_schedule(removal->name, false, &removal->schedule);
		cancel_waiting(removal);
		error = attempt_to_keep(step_lock_removed, removal, &locked);
		if (error != NULL)
			ReThrowError(error);
	}
}

/*
 * workflow.unschedule(name text) returns void
 */
Datum
workflow_unschedule(PG_FUNCTION_ARGS)
{
	char	   *name = required_text(fcinfo, 0, "name");
	Removal		removal = {.name = name};
	Schedule	schedule;
	Jsonb	   *before;

	lock_removed(&removal);
	schedule = removal.schedule;
	before = schedule_document(schedule.id);
	schedule_forget_due(&schedule,
						"the schedule was removed before it was noticed");
	schedule.enabled = false;
	schedule_write_job(&schedule, false);
	schedule_delete(schedule.id);
	audit_schedule("unschedule", name, 0, NULL, before, NULL);
	PG_RETURN_VOID();
}

/*
 * workflow.pause_schedule(name text, reason text) returns void
 */
Datum
workflow_pause_schedule(PG_FUNCTION_ARGS)
{
	char	   *name = required_text(fcinfo, 0, "name");
	char	   *reason = optional_text_argument(fcinfo, 1);
	Schedule	schedule;
	Jsonb	   *before;

	require_schedule(name, true, &schedule);
	if (!schedule.enabled)
		PG_RETURN_VOID();
	before = schedule_document(schedule.id);
	schedule_forget_due(&schedule,
						"the schedule was paused before it was noticed");
	schedule.enabled = false;
	schedule.next_run_at = DT_NOEND;
	schedule.pause_reason = reason;
	finish_change(&schedule, "pause_schedule", reason, before);
	PG_RETURN_VOID();
}

/*
 * workflow.resume_schedule(name text) returns timestamptz
 */
Datum
workflow_resume_schedule(PG_FUNCTION_ARGS)
{
	char	   *name = required_text(fcinfo, 0, "name");
	Schedule	schedule;
	Jsonb	   *before;

	require_schedule(name, true, &schedule);
	require_schedule_role(&schedule, "resumed");
	if (!schedule.enabled)
	{
		before = schedule_document(schedule.id);
		schedule.enabled = true;
		schedule.pause_reason = NULL;
		schedule.next_run_at = schedule_next_time(&schedule,
												  GetCurrentTimestamp());
		finish_change(&schedule, "resume_schedule", NULL, before);
	}
	RETURN_TIME(schedule.next_run_at);
}

/* Have the job be what a schedule needs; a role that is gone needs none. */
static void
sync_job(Schedule *schedule)
{
	Schedule	none = *schedule;
	char	   *role;

	if (GetUserNameFromId(schedule->role, true) != NULL)
	{
		schedule_write_job(schedule, false);
		return;
	}
	role = schedule_role_name(schedule->id);
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("schedule \"%s\" belongs to role %s: there is no such role", schedule->name, role),
			 errhint("Give it to another role: SELECT workflow.reassign_owned(%s, '..'). Or run SELECT workflow.unschedule(%s).",
					 quote_literal_cstr(role), quote_literal_cstr(schedule->name))));
	none.enabled = false;
	none.job_schedule = "";		/* look for one, whatever the row says */
	schedule_write_job(&none, false);
	schedule->job_schedule = NULL;
}

/*
 * workflow.sync_schedules() returns bigint
 */
Datum
workflow_sync_schedules(PG_FUNCTION_ARGS)
{
	int		   *ids;
	int			count = schedule_list(false, &ids);
	int64		with_job = 0;

	for (int i = 0; i < count; i++)
	{
		Schedule	schedule;

		CHECK_FOR_INTERRUPTS();
		if (!schedule_find_id(ids[i], false, &schedule) ||
			!has_privs_of_role(GetUserId(), schedule.role) ||
			!schedule_find_id(ids[i], true, &schedule) ||
			!has_privs_of_role(GetUserId(), schedule.role))
			continue;
		if (schedule.enabled)
			schedule.next_run_at =
				schedule_realigned(&schedule, GetCurrentTimestamp(), false);
		sync_job(&schedule);
		schedule_update(&schedule, false);
		if (schedule.job_schedule != NULL)
			with_job++;
	}
	PG_RETURN_INT64(with_job);
}

/* --- housekeeping --- */

/* What the role and the database say is for their own work. */
#define HOUSEKEEPING_SETTINGS \
	"\"transaction\": {\"isolation\": \"read committed\", \"read_only\": false}," \
	" \"settings\": {\"statement_timeout\": \"0\", \"lock_timeout\": \"0\"}"

/*
 * Rolls up and prunes as long as there is something to do, a transaction for
 * each part.
 */
static const char housekeeping_definition[] =
"{\"name\": \"" HOUSEKEEPING_WORKFLOW "\", \"description\": \"Adds to the statistics by day and deletes what ended long ago\","
" \"start_step\": \"roll_up\", \"steps\": {"
" \"roll_up\": {\"type\": \"loop\", \"until\": \"${rolled_up.output} == 0\", \"max_iterations\": 10000,"
"  \"loop_body\": [\"rolled_up\"], \"result\": \"counts\", \"next_step\": \"prune\"},"
" \"rolled_up\": {\"type\": \"sql\", \"result\": \"value\", " HOUSEKEEPING_SETTINGS ","
"  \"sql\": \"SELECT workflow.roll_up_statistics()\"},"
" \"prune\": {\"type\": \"loop\", \"until\": \"${part.output} == 0\", \"max_iterations\": 10000,"
"  \"loop_body\": [\"part\"], \"result\": \"counts\"},"
" \"part\": {\"type\": \"sql\", \"result\": \"value\", " HOUSEKEEPING_SETTINGS ", \"params\": [\"${workflow.input.older_than}\","
"  \"${workflow.input.audit_older_than}\", \"${workflow.input.statistics_older_than}\"],"
"  \"sql\": \"SELECT workflow.prune(older_than => $1::interval, audit_older_than => $2::interval,"
" statistics_older_than => $3::interval)\"}}}";

/* Add an argument that is an age to the input: its text, or null. */
static void
push_age(JsonbParseState **state, FunctionCallInfo fcinfo, int argument,
		 const char *name)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, name);
	value.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &value);
	if (PG_ARGISNULL(argument))
		value.type = jbvNull;
	else
	{
		require_not_negative(PG_GETARG_INTERVAL_P(argument), name);
		value.val.string.val = DatumGetCString(
			DirectFunctionCall1(interval_out, PG_GETARG_DATUM(argument)));
		value.val.string.len = strlen(value.val.string.val);
	}
	pushJsonbValue(state, WJB_VALUE, &value);
}

/*
 * workflow.schedule_housekeeping(older_than interval, cron text, timezone text,
 * name text, audit_older_than interval, statistics_older_than interval)
 * returns timestamptz
 */
Datum
workflow_schedule_housekeeping(PG_FUNCTION_ARGS)
{
	Schedule	schedule;
	Interval	month = {.month = 0,.day = 30};
	JsonbParseState *state = NULL;

	if (PG_ARGISNULL(0))
	{
		fcinfo->args[0].value = IntervalPGetDatum(&month);
		fcinfo->args[0].isnull = false;
	}
	memset(&schedule, 0, sizeof(schedule));
	schedule.cron = required_text(fcinfo, 1, "cron");
	schedule.timezone = required_text(fcinfo, 2, "timezone");
	schedule.name = required_text(fcinfo, 3, "name");
	schedule.workflow = HOUSEKEEPING_WORKFLOW;
	schedule.start_at = DT_NOBEGIN;
	schedule.end_at = DT_NOEND;
	schedule.max_concurrent_runs = 1;
	schedule.overlap = "skip";
	schedule.enabled = true;
	schedule.max_lateness.day = 1;	/* better late than never */
	schedule.description = "adds to the statistics by day and deletes what ended long ago";

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_age(&state, fcinfo, 0, "older_than");
	push_age(&state, fcinfo, 4, "audit_older_than");
	push_age(&state, fcinfo, 5, "statistics_older_than");
	schedule.input = JsonbValueToJsonb(
		pushJsonbValue(&state, WJB_END_OBJECT, NULL));

	/* that, and not what a later version may do */
	schedule.version = define_own(housekeeping_definition);
	make_schedule(&schedule);
	RETURN_TIME(schedule.next_run_at);
}

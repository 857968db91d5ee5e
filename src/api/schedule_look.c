/*-------------------------------------------------------------------------
 *
 * schedule_look.c
 *	  workflow.schedule_jobs(): pg_cron's jobs that are ours, as they are.
 *
 * NOTES
 *	  Runs in sessions, in pg_cron's database only: elsewhere nobody sees them.
 *	  A role is told of its own jobs, of those of its schedules whatever role
 *	  they have got, and members of pg_monitor of all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/schedule.h"
#include "state/cron_jobs.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_schedule_jobs(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_schedule_jobs);

#define NUM_COLUMNS 6

static bool
may_see(Oid role)
{
	return OidIsValid(role) && has_privs_of_role(GetUserId(), role);
}

/* Is it one of this database's, whose schedule is there? */
static bool
find_its_schedule(const CronJobFound *job, Schedule *schedule)
{
	return strcmp(job->database, get_database_name(MyDatabaseId)) == 0 &&
		schedule_find_id(job->schedule_id, false, schedule);
}

static void
put_job(ReturnSetInfo *result, const char *schedule, const CronJobFound *job,
		Oid role)
{
	Datum		values[NUM_COLUMNS] = {0};
	bool		nulls[NUM_COLUMNS];

	memset(nulls, job == NULL, sizeof(nulls));
	nulls[0] = schedule == NULL;
	if (schedule != NULL)
		values[0] = CStringGetTextDatum(schedule);
	if (job != NULL)
	{
		values[1] = CStringGetTextDatum(job->name);
		values[2] = CStringGetTextDatum(job->database);
		values[3] = ObjectIdGetDatum(role);
		nulls[3] = !OidIsValid(role);
		values[4] = CStringGetTextDatum(job->schedule);
		values[5] = BoolGetDatum(job->active);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Those that should have a job and have none. */
static void
put_missing(ReturnSetInfo *result, const CronJobFound *jobs, int njobs,
			bool sees_all)
{
	int		   *ids;
	int			count = schedule_list(true, &ids);

	for (int i = 0; i < count; i++)
	{
		Schedule	schedule;
		bool		found = false;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < njobs && !found; j++)
			found = jobs[j].schedule_id == ids[i] &&
				strcmp(jobs[j].database, get_database_name(MyDatabaseId)) == 0;
		if (!found && schedule_find_id(ids[i], false, &schedule) &&
			(sees_all || may_see(schedule.role)))
			put_job(result, schedule.name, NULL, InvalidOid);
	}
}

/*
 * workflow.schedule_jobs() returns setof record
 */
Datum
workflow_schedule_jobs(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		sees_all = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	CronJobFound *jobs;
	int			count;

	state_check_installation();
	InitMaterializedSRF(fcinfo, 0);
	if (!schedule_cron_is_here())
		return (Datum) 0;
	count = cron_jobs_find(&jobs);
	if (count < 0)
	{
		ereport(WARNING,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("jobs of pg_cron are not looked at"),
				 errdetail("Another transaction has locked its table of jobs.")));
		return (Datum) 0;
	}
	for (int i = 0; i < count; i++)
	{
		Oid			role = get_role_oid(jobs[i].role, true);
		Schedule	schedule;
		bool		known = find_its_schedule(&jobs[i], &schedule);

		CHECK_FOR_INTERRUPTS();
		if (sees_all || may_see(role) || (known && may_see(schedule.role)))
			put_job(result, known ? schedule.name : NULL, &jobs[i], role);
	}
	put_missing(result, jobs, count, sees_all);
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * cron_jobs.c
 *	  The jobs of pg_cron that give schedules their beat.
 *
 * NOTES
 *	  Runs in sessions, and in a worker that is connected to pg_cron's database,
 *	  which need not have our extension: so the statements are not kept ones.  A
 *	  job is made as the role it is to belong to, which needs its own rights to
 *	  use pg_cron.  What is there is looked at, and removed, as the bootstrap
 *	  superuser: pg_cron shows a role its own jobs only, and they are not always
 *	  what we made.  All of it under a search_path without any schema of a user.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "shared/compat.h"
#include "shared/identity.h"
#include "state/cron_jobs.h"

#define CRON_SCHEMA "cron"

/* 1.5 is the first that takes "N seconds". */
static bool
version_has_seconds(const char *version)
{
	int			major = 0;
	int			minor = 0;

	(void) sscanf(version, "%d.%d", &major, &minor);
	return major > 1 || (major == 1 && minor >= 5);
}

/*
 * A setting of pg_cron's; NULL when the pg_cron that is loaded, if any, has
 * none of that name: anybody can set a name that nobody knows.
 */
static const char *
cron_setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	if (value == NULL ||
		(GetConfigOptionFlags(name, true) & GUC_CUSTOM_PLACEHOLDER) != 0)
		return NULL;
	return value;
}

const char *
cron_database(void)
{
	return cron_setting("cron.database_name");
}

const char *
cron_timezone(void)
{
	const char *timezone = cron_setting("cron.timezone");

	return timezone == NULL ? "GMT" : timezone;
}

void
cron_refuse_not_loaded(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("schedules need pg_cron, which the server has not loaded"),
			 errdetail("shared_preload_libraries does not contain pg_cron."),
			 errhint("Add pg_cron to shared_preload_libraries, restart the server, and run CREATE EXTENSION pg_cron in the database cron.database_name names.")));
}

/* Run a statement and leave its rows in SPI_tuptable. */
static uint64
run(const char *sql, int nargs, Oid *types, Datum *values)
{
	int			result = SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0);

	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * The version of pg_cron, in a database where the schema is pg_cron's.  Where
 * it has not been created anybody may have made a schema of that name, and what
 * is in it: nothing is looked at there with the rights that begin_access()
 * takes.
 */
#define INSTALLED_VERSION \
	"SELECT x.extversion FROM pg_catalog.pg_extension AS x" \
	" JOIN pg_catalog.pg_depend AS d ON d.refclassid OPERATOR(pg_catalog.=)" \
	" 'pg_catalog.pg_extension'::pg_catalog.regclass" \
	" AND d.refobjid OPERATOR(pg_catalog.=) x.oid" \
	" AND d.deptype OPERATOR(pg_catalog.=) 'e'" \
	" JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) d.objid" \
	" AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass" \
	" WHERE x.extname OPERATOR(pg_catalog.=) 'pg_cron'" \
	" AND n.nspname OPERATOR(pg_catalog.=) '" CRON_SCHEMA "'"

/* Version of pg_cron in this database, NULL when it has not been created. */
static char *
installed_version(void)
{
	if (run(INSTALLED_VERSION, 0, NULL, NULL) == 0)
		return NULL;
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* Whether the role may call a function of pg_cron. */
static bool
may_call(const char *function)
{
	Oid			types[] = {TEXTOID};
	Datum		values[] = {CStringGetTextDatum(function)};
	bool		isnull;

	if (!compat_has_schema_privilege(get_namespace_oid(CRON_SCHEMA, false),
									 GetUserId(), ACL_USAGE))
		return false;
	(void) run("SELECT COALESCE(pg_catalog.has_function_privilege("
			   "pg_catalog.to_regprocedure($1)::pg_catalog.oid, 'EXECUTE'), false)", 1, types, values);
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc, 1, &isnull));
}

#define SCHEDULE_HERE CRON_SCHEMA ".schedule(text, text, text)"
#define SCHEDULE_ELSEWHERE CRON_SCHEMA ".schedule_in_database(text, text, text, text, text, boolean)"

static void
refuse_no_right(const char *function)
{
	const char *role = quote_identifier(GetUserNameFromId(GetUserId(), false));
	const char *here = get_database_name(MyDatabaseId);

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("role %s may not make jobs of pg_cron", role),
			 errdetail("It needs the right to call %s in database \"%s\".", function, here),
			 errhint("In database \"%s\", run GRANT USAGE ON SCHEMA cron TO %s; GRANT EXECUTE ON FUNCTION %s TO %s.",
					 here, role, function, role)));
}

/* The rights and the version a job needs. */
static void
require_able(const CronJob *job, const char *version, const char *function)
{
	if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("schedules need pg_cron, which database \"%s\" does not have",
						get_database_name(MyDatabaseId)),
				 errdetail("The server has loaded pg_cron (shared_preload_libraries) for that database (cron.database_name)."),
				 errhint("Run CREATE EXTENSION pg_cron in database \"%s\".", get_database_name(MyDatabaseId))));
	if (!may_call(function))
		refuse_no_right(function);
	if (strstr(job->schedule, "seconds") != NULL &&
		!version_has_seconds(version))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("pg_cron %s has no schedules by seconds", version),
				 errhint("Use a cron expression, whose finest grain is a minute, or pg_cron 1.5 or newer.")));
}

/* A job that is ours, whatever role it has: by its name and what it does. */
#define IS_OURS(j) \
	"pg_catalog.starts_with(" j ".jobname::pg_catalog.text, '" CRON_JOB_PREFIX "')" \
	" AND pg_catalog.strpos(" j ".command, 'SELECT workflow.schedule_tick(') OPERATOR(pg_catalog.>) 0"

/*
 * Remove the jobs of this name that are ours, but that of the role; an error
 * for others.  Whose was removed that another is to take the place of?
 */
static void
clear_name(const CronJob *job, const char *role, bool keep, char *replaced)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, BOOLOID};
	Datum		values[] = {CStringGetTextDatum(job->name),
							CStringGetTextDatum(job->database),
							CStringGetTextDatum(role ? role : ""),
							BoolGetDatum(keep)};

	if (keep && run("SELECT j.jobid, j.username, j.database, j.command FROM " CRON_SCHEMA ".job AS j"
					" WHERE j.jobname::pg_catalog.text OPERATOR(pg_catalog.=) $1 AND NOT ("
					IS_OURS("j") " AND j.database OPERATOR(pg_catalog.=) $2) LIMIT 1", 2, types, values) > 0)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	descriptor = SPI_tuptable->tupdesc;

		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("pg_cron has another job \"%s\"", job->name),
				 errdetail("It belongs to role \"%s\" and runs in database \"%s\": %s",
						   SPI_getvalue(row, descriptor, 2), SPI_getvalue(row, descriptor, 3),
						   SPI_getvalue(row, descriptor, 4)),
				 errhint("Names that begin with %s are pg_workflow's. In database \"%s\", run SELECT cron.unschedule(%s) as a superuser.",
						 CRON_JOB_PREFIX, get_database_name(MyDatabaseId), SPI_getvalue(row, descriptor, 1))));
	}
	if (run("WITH gone AS (DELETE FROM " CRON_SCHEMA ".job AS j"
			" WHERE j.jobname::pg_catalog.text OPERATOR(pg_catalog.=) $1"
			" AND " IS_OURS("j") " AND j.database OPERATOR(pg_catalog.=) $2"
			" AND NOT ($4 AND j.username OPERATOR(pg_catalog.=) $3) RETURNING j.username)"
			" SELECT username FROM gone", 4, types, values) > 0 && keep)
		strlcpy(replaced,
				SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
				NAMEDATALEN);
}

static void
make_job(const CronJob *job, bool here)
{
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[] = {CStringGetTextDatum(job->name),
							CStringGetTextDatum(job->schedule),
							CStringGetTextDatum(job->command),
							CStringGetTextDatum(job->database)};

	if (here)
		(void) run("SELECT " CRON_SCHEMA ".schedule($1, $2, $3)", 3, types,
				   values);
	else
		(void) run("SELECT " CRON_SCHEMA
				   ".schedule_in_database($1, $2, $3, $4)",
				   4, types, values);
}

/* What schedules a job anew leaves it turned off. */
static void
activate_job(const CronJob *job, const char *role)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {CStringGetTextDatum(job->name),
							CStringGetTextDatum(role)};

	(void) run("WITH done AS (UPDATE " CRON_SCHEMA ".job AS j SET active = true"
			   " WHERE j.jobname::pg_catalog.text OPERATOR(pg_catalog.=) $1 AND j.username OPERATOR(pg_catalog.=) $2"
			   " AND NOT j.active RETURNING j.jobid) SELECT jobid FROM done", 2, types, values);
}

/* Begin: SPI, names that nobody can shadow, and the rights to see all jobs. */
static int
begin_access(Oid *user, int *context)
{
	int			nest = NewGUCNestLevel();

	GetUserIdAndSecContext(user, context);
	SPI_connect();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   *context | SECURITY_LOCAL_USERID_CHANGE);
	return nest;
}

static void
end_access(int nest, Oid user, int context)
{
	SetUserIdAndSecContext(user, context);
	AtEOXact_GUC(true, nest);
	SPI_finish();
}

void
cron_job_write(const CronJob *job, Oid role, char *replaced)
{
	bool		here = strcmp(job->database, get_database_name(MyDatabaseId)) == 0;
	bool		wanted = job->schedule[0] != '\0';
	char	   *role_name = GetUserNameFromId(role, true);
	Oid			user;
	int			context;
	int			nest = begin_access(&user, &context);
	char	   *version = installed_version();

	replaced[0] = '\0';
	if (wanted)
	{
		SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);
		require_able(job, version, here ? SCHEDULE_HERE : SCHEDULE_ELSEWHERE);
		SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
							   context | SECURITY_LOCAL_USERID_CHANGE);
	}
	if (version != NULL)
		clear_name(job, role_name, wanted, replaced);
	if (wanted)
	{
		SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);
		make_job(job, here);
		SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
							   context | SECURITY_LOCAL_USERID_CHANGE);
		activate_job(job, role_name);
	}
	end_access(nest, user, context);
}

/* In a statement that reads, perhaps a parallel one: by its snapshot. */
static uint64
look(const char *sql)
{
	int			result = SPI_execute(sql, true, 0);

	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * Who looks after what goes wrong does not wait for who has locked the table.
 */
static bool
can_be_read(const char *table)
{
	Oid			relation = get_relname_relid(table,
									 get_namespace_oid(CRON_SCHEMA, true));

	return !OidIsValid(relation) ||
		ConditionalLockRelationOid(relation, AccessShareLock);
}

int
cron_jobs_find(CronJobFound **jobs)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			user;
	int			context;
	int			nest = begin_access(&user, &context);
	int			count = 0;

	*jobs = NULL;
	if (look(INSTALLED_VERSION) > 0 && !can_be_read("job"))
		count = -1;
	else if (SPI_processed > 0)
	{
		count = (int) look("SELECT j.jobname::pg_catalog.text, pg_catalog.substring(j.jobname::pg_catalog.text, '([0-9]{1,9})$'),"
						   " j.database, j.username, j.schedule, j.active FROM " CRON_SCHEMA ".job AS j WHERE " IS_OURS("j"));
		MemoryContextSwitchTo(caller);
		*jobs = palloc0(Max(count, 1) * sizeof(CronJobFound));
		for (int i = 0; i < count; i++)
		{
			HeapTuple	row = SPI_tuptable->vals[i];
			TupleDesc	descriptor = SPI_tuptable->tupdesc;
			char	   *number = SPI_getvalue(row, descriptor, 2);
			CronJobFound *job = &(*jobs)[i];

			job->name = SPI_getvalue(row, descriptor, 1);
			job->schedule_id = number ? pg_strtoint32(number) : 0;
			job->database = SPI_getvalue(row, descriptor, 3);
			job->role = SPI_getvalue(row, descriptor, 4);
			job->schedule = SPI_getvalue(row, descriptor, 5);
			job->active = strcmp(SPI_getvalue(row, descriptor, 6), "t") == 0;
		}
	}
	end_access(nest, user, context);
	return count;
}

/* All roles, or all databases, at once: their names may have been exchanged. */
static void
rename_all(const CronRename *renames, int count, bool database)
{
	Oid			types[] = {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum	   *texts[3];
	Datum		values[3];
	int			n = 0;

	for (int i = 0; i < 3; i++)
		texts[i] = palloc(Max(count, 1) * sizeof(Datum));
	for (int i = 0; i < count; i++)
	{
		if (renames[i].database != database)
			continue;
		texts[0][n] = CStringGetTextDatum(renames[i].before);
		texts[1][n] = CStringGetTextDatum(renames[i].after);
		texts[2][n++] = CStringGetTextDatum(renames[i].prefix);
	}
	if (n == 0)
		return;
	for (int i = 0; i < 3; i++)
		values[i] = PointerGetDatum(
			construct_array(texts[i], n, TEXTOID, -1, false, TYPALIGN_INT));

#define RENAMES \
	"ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) AS n (before, after, prefix)"
	if (database)
	{
		(void) run("WITH gone AS (DELETE FROM " CRON_SCHEMA ".job AS j USING " RENAMES
				   " WHERE j.database OPERATOR(pg_catalog.=) n.before AND " IS_OURS("j")
				   " AND n.after OPERATOR(pg_catalog.=) '' RETURNING j.jobid) SELECT jobid FROM gone", 3, types, values);
		(void) run("WITH done AS (UPDATE " CRON_SCHEMA ".job AS j SET database = n.after,"
				   " jobname = n.prefix OPERATOR(pg_catalog.||)"
				   " pg_catalog.substring(j.jobname::pg_catalog.text, '[0-9]+$') FROM " RENAMES
				   " WHERE j.database OPERATOR(pg_catalog.=) n.before AND " IS_OURS("j")
				   " AND n.after OPERATOR(pg_catalog.<>) '' RETURNING j.jobid) SELECT jobid FROM done", 3, types, values);
		return;
	}
	(void) run("WITH gone AS (DELETE FROM " CRON_SCHEMA ".job AS j USING " RENAMES
			   " WHERE j.username OPERATOR(pg_catalog.=) n.before AND " IS_OURS("j")
			   " AND n.after OPERATOR(pg_catalog.=) '' RETURNING j.jobid) SELECT jobid FROM gone", 3, types, values);
	(void) run("WITH done AS (UPDATE " CRON_SCHEMA ".job AS j SET username = n.after FROM " RENAMES
			   " WHERE j.username OPERATOR(pg_catalog.=) n.before AND " IS_OURS("j")
			   " AND n.after OPERATOR(pg_catalog.<>) '' RETURNING j.jobid) SELECT jobid FROM done", 3, types, values);
}

void
cron_jobs_rename(const CronRename *renames, int count)
{
	Oid			user;
	int			context;
	int			nest = begin_access(&user, &context);

	if (installed_version() != NULL)
	{
		rename_all(renames, count, false);
		rename_all(renames, count, true);
	}
	end_access(nest, user, context);
}

/*-------------------------------------------------------------------------
 *
 * cron_jobs.h
 *	  The jobs of pg_cron that give schedules their beat.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_CRON_JOBS_H
#define PGWF_CRON_JOBS_H

#include "postgres.h"

/* How the names of our jobs begin. */
#define CRON_JOB_PREFIX "pg_workflow/"

/* A job of ours. */
typedef struct CronJob
{
	char		name[NAMEDATALEN];	/* unique among ours */
	char		database[NAMEDATALEN];	/* to run in */
	char		schedule[512];	/* empty: there must be no such job */
	char		command[1024];
} CronJob;

/* The database pg_cron works in; NULL when the server has not loaded it. */
extern const char *cron_database(void);
/* The time zone it works in. */
extern const char *cron_timezone(void);
/* Raise the error of a server that has not loaded pg_cron. */
extern void cron_refuse_not_loaded(void);

/*
 * Make, change or remove a job of a role.  Called in pg_cron's database, in a
 * transaction.  A job is ours by its name, its database and its command,
 * whatever role it has: one of another role, or of a role that is gone, is
 * removed.  What has our name and is not ours is an error.  Where pg_cron has
 * not been created removing does nothing; making raises an error there, and
 * where the role may not use it.  replaced: NAMEDATALEN bytes for the name of
 * the other role whose job was replaced; empty: none was.
 */
extern void cron_job_write(const CronJob *job, Oid role, char *replaced);

/* What there is. */
typedef struct CronJobFound
{
	char	   *name;
	int			schedule_id;
	char	   *database;
	char	   *role;
	char	   *schedule;
	bool		active;
} CronJobFound;

/*
 * Our jobs, those of all roles and databases, in the caller's memory.  Called
 * in pg_cron's database; without pg_cron there are none; -1: another
 * transaction has locked the table.  Reads only.
 */
extern int	cron_jobs_find(CronJobFound **jobs);

/* A role, or a database, that had another name when the transaction began. */
typedef struct CronRename
{
	bool		database;
	char		before[NAMEDATALEN];
	char		after[NAMEDATALEN]; /* empty: it is gone */
	char		prefix[NAMEDATALEN];	/* database: how names of its jobs
										 * begin from now on */
} CronRename;

/*
 * Have our jobs follow renamed and dropped roles and databases.  Called in
 * pg_cron's database, in a transaction.
 */
extern void cron_jobs_rename(const CronRename *renames, int count);

#endif							/* PGWF_CRON_JOBS_H */

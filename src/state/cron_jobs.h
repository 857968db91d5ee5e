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

/* A job; it belongs to the role that is current when it is made. */
typedef struct CronJob
{
	char		name[NAMEDATALEN];	/* unique among the jobs of a role */
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
 * Make, change or remove a job.  Called in pg_cron's database, as the role the job
 * belongs to, in a transaction.  Where pg_cron has not been created, or the role has
 * no rights, removing does nothing and making raises an error.
 */
extern void cron_job_write(const CronJob *job);

#endif							/* PGWF_CRON_JOBS_H */

/*-------------------------------------------------------------------------
 *
 * schedule_remote.h
 *	  Jobs of pg_cron in another database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SCHEDULE_REMOTE_H
#define PGWF_SCHEDULE_REMOTE_H

#include "state/cron_jobs.h"

/* An error unless a worker can connect to pg_cron's database as the role. */
extern void require_cron_database(const char *database, Oid role);

/*
 * cron_job_write() in pg_cron's database; waits until it is done, and raises
 * its error.  A job that cannot be removed is no error but a warning.
 */
extern void cron_job_write_remote(const CronJob *job, Oid role, char *replaced);

/*
 * cron_jobs_rename() in pg_cron's database; where that cannot be done, a
 * warning.
 */
extern void cron_jobs_rename_remote(const CronRename *renames, int count);

#endif							/* PGWF_SCHEDULE_REMOTE_H */

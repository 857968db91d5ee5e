/*-------------------------------------------------------------------------
 *
 * drive.h
 *	  The durable driver: one transaction per leaf.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_DRIVE_H
#define PGWF_DRIVE_H

#include "postgres.h"

#include "shared/registry.h"

/*
 * Do a run and fill in the report.  Called without a transaction, returns
 * without one; raises no error for what happens to the run, only FATAL ends it.
 * context: reset by the caller afterwards.
 */
extern void drive_run(const Run *run, Report *report, MemoryContext context);

#endif							/* PGWF_DRIVE_H */

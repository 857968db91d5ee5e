/*-------------------------------------------------------------------------
 *
 * wake.h
 *	  Who wakes whom: sessions the scheduler, everybody the launcher.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_WAKE_H
#define PGWF_WAKE_H

#include "postgres.h"

#include "shared/registry.h"

/* Wake the scheduler of this database (or the launcher, when there is none) when
 * the current transaction commits.  Does nothing without a registry. */
extern void wake_at_commit(uint32 reasons);
extern void wake_for_extension_now(void);
/*
 * The same for an execution that is queued: the scheduler needs to look at
 * nothing before it.
 */
extern void wake_for_queued(Oid role, int32 priority, int64 id);
extern void wake_for_deferred(Oid role, TimestampTz start_at);
extern void wake_scheduler(Oid database, uint32 reasons);
extern void wake_entry(DatabaseEntry *entry, uint32 reasons);
extern void wake_launcher(void);
/* The launcher looks at everything: whoever has woken it is answered. */
extern void launcher_looks(void);
/*
 * At the commit of the current transaction, wake the launcher to read
 * pg_database again.
 */
extern void wake_launcher_at_commit(void);
extern void broadcast_finished(int64 execution_id); /* wait() looks again */
/* the same, when this transaction commits */
extern void wake_waiters_at_commit(int64 execution_id);
/*
 * Commit; wake_finished(), which has to follow, wakes who waits, behind all of
 * it: what it has notified has been sent, too, and the caller has counted it.
 * durable: wait for the disk, as synchronous_commit says.
 */
extern void commit_before_waking(bool durable);
extern void wake_finished(void);
extern void broadcast_all_finished(void);	/* all of them do */

#endif							/* PGWF_WAKE_H */

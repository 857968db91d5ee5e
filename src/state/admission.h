/*-------------------------------------------------------------------------
 *
 * admission.h
 *	  The table workflow.executions: claimed ones that may not run, those that
 *	  wait for room under a limit, and how many there are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_ADMISSION_H
#define PGWF_STATE_ADMISSION_H

#include "state/claims.h"

/* --- the scheduler: what it claimed in this transaction and does not run after all --- */

/*
 * A limit is reached: pending again, and waiting in the group of their
 * workflow, tenant and role.
 */
extern void executions_set_aside(const int64 *ids, int count);
/*
 * Their workflow is blocked: so are those that are running still and that
 * nobody has locked.  Returns how many; their ids come first in ids.
 */
extern int	executions_block(int64 *ids, int count);

/* --- the scheduler: groups of waiting executions --- */

typedef struct GroupName
{
	const char *workflow;
	const char *tenant;			/* empty: none */
	Oid			role;
} GroupName;

/* All groups in which executions wait. */
extern int	executions_waiting_groups(GroupName **groups);
/* As executions_claim(), of one group. */
extern int	executions_claim_waiting(const GroupName *group, int limit,
									 ClaimedExecution **claimed);
/* Does something wait in the group? */
extern bool executions_waiting_left(const GroupName *group);

/* --- the scheduler: executions that wait for others of their schedule (start_at is infinity) --- */

/*
 * Let the oldest of each schedule go, as many as may run beside those of it
 * that have not ended and do not wait.  Returns how many.  *waits: some
 * waited when it looked; *locked: some may wait because a session has their
 * schedule locked.
 */
extern int	executions_release_scheduled(bool *waits, bool *locked);

/* --- sessions --- */

/*
 * Executions of a workflow that refuses what is too many: pending and running
 * ones, at most limit.
 */
extern int	executions_count_active(const char *workflow, int limit);
/* Pending executions that do not wait for their start_at, at most limit. */
extern int	executions_count_pending(int limit);
/*
 * Those of a role, with all that wait for their start_at unless only those that
 * are due: reads no more than that many, however many others have.
 */
extern int	executions_count_pending_of(Oid role, bool due, int limit);

#endif							/* PGWF_STATE_ADMISSION_H */

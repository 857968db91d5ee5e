/*-------------------------------------------------------------------------
 *
 * blocks.h
 *	  The table workflow.blocked_workflows, and executions that are blocked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_BLOCKS_H
#define PGWF_BLOCKS_H

#include "state/state.h"

/* The block of a workflow. */
typedef struct WorkflowBlock
{
	bool		automatic;
	char	   *reason;			/* may be NULL */
	TimestampTz blocked_at;
	char	   *blocked_by;		/* the role that did, as it is shown; NULL:
								 * automatic */
} WorkflowBlock;

/*
 * How a workflow is blocked for a role, or, with InvalidOid, for all roles;
 * false: it is not.
 */
extern bool block_find(const char *workflow, Oid role, WorkflowBlock *block);
/*
 * Block a workflow for a role, or with InvalidOid for all, with an audit entry
 * and a notification; false: it is blocked already.  blocked_by InvalidOid:
 * automatic, after stuck_count stuck attempts.
 */
extern bool block_insert(const char *workflow, Oid role, const char *reason,
						 Oid blocked_by, int64 stuck_count);
/* Lift all blocks; false: there is none. */
extern bool block_lift(const char *workflow, const char *reason,
					   Oid unblocked_by);
/*
 * When the newest block of the workflow that was lifted was; DT_NOBEGIN: none
 * was.
 */
extern TimestampTz block_last_lifted(const char *workflow);

/*
 * Make executions pending again whose workflow is not blocked any more, a batch
 * of them.  Returns how many; *left: there are others, locked perhaps.
 */
extern int64 executions_unblock(bool *left);

#endif							/* PGWF_BLOCKS_H */

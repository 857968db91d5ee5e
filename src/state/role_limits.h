/*-------------------------------------------------------------------------
 *
 * role_limits.h
 *	  How much a role may have queued and running, and how large and urgent that
 *	  may be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_ROLE_LIMITS_H
#define PGWF_STATE_ROLE_LIMITS_H

#include "postgres.h"

#define NO_LIMIT INT_MAX

typedef struct RoleLimits
{
	int			max_pending;	/* executions that have not begun, whatever
								 * their start_at */
	int			max_running;
	int			max_executors;
	int			max_priority;
	int			max_payload_bytes;	/* of one input */
} RoleLimits;

/*
 * The limits of a role, each NO_LIMIT where it has none; superusers have none.
 * Valid until the next call.  Needs a transaction; free where no limits were
 * ever set.
 */
extern const RoleLimits *role_limits(Oid role);

/*
 * Executors that work for a role at one time: its limit, or its CONNECTION
 * LIMIT where that is lower.  Needs a transaction.
 */
extern int	role_max_executors(Oid role);

/*
 * Set the limits of a role, or with InvalidOid those of roles that have none of
 * their own.  Returns false when that changes nothing.
 */
extern bool role_limits_set(Oid role, const RoleLimits *limits);

#endif							/* PGWF_STATE_ROLE_LIMITS_H */

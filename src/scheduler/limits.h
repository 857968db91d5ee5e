/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  Limits of what runs: how much there is, and how much there may be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_LIMITS_H
#define PGWF_LIMITS_H

#include "postgres.h"

#include "scheduler/live.h"

/* What a limit counts the executions of: a workflow, a tenant or a role. */
struct Limited
{
	char		name[PLAN_MAX_ID_LENGTH + 1];	/* hash key */
	int			running;
	int			ngroups;		/* groups that refer to it */
	dlist_head	waiting;		/* groups that found it full */

	/*
	 * as of the newest definition, or of the role's limits, when read_at moved;
	 * not of tenants
	 */
	uint64		read_at;
	int			max_running;	/* of a workflow 0, of a role NO_LIMIT: none */

	/* workflows only */
	bool		refuse_when_full;
	bool		blocked;		/* for somebody */
	bool		blocked_for_all;
};

extern void limits_initialize(void);
/* The entry, made when it is new; NULL for no name. */
extern Limited *limited_workflow(const char *name);
extern Limited *limited_tenant(const char *name);
extern Limited *limited_role(Oid role);
extern void forget_unused(Limited *tenant);
/* Of a workflow, of a role: if anything has changed.  In a transaction. */
extern void read_limits(Limited *workflow);
extern void read_role(Limited *entry, Oid role);
/* Is a workflow blocked, for somebody, that something runs of? */
extern bool any_is_blocked(void);
extern bool is_blocked_for(const Limited *workflow, Oid role);
/* How many more may run; INT_MAX: there is no limit. */
extern int	room_of_workflow(const Limited *workflow);
extern int	room_of_tenant(const Limited *tenant);
extern int	room_of_role(const Limited *role);

#endif							/* PGWF_LIMITS_H */

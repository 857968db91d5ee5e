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
#include "state/admission.h"

/* What a limit counts the executions of: a kind and a name. */
struct Limited
{
	char		name[PLAN_MAX_ID_LENGTH + 1];	/* hash key, of its kind */
	LimitKind	kind;
	int			running;
	int			maximum;		/* as last read; NO_LIMIT: none */
	int			ngroups;		/* groups that refer to it */
	dlist_head	waiting;		/* groups that found it full */
	uint64		read_at;		/* the maximum: as of which change */

	/* workflows only */
	bool		refuse_when_full;
	bool		blocked;		/* for somebody */
	bool		blocked_for_all;
};

extern void limits_initialize(void);
/* What an execution counts for; entries are made when they are new. */
extern void limits_of(const ClaimedExecution *claimed, Limits *limits);
/* The same of a group, and what its rows have. */
extern void limits_named(const GroupName *names, Limits *limits);
extern GroupName limits_names(const Limits *limits);
extern Limited *limited_role(Oid role);
/* Of a kind that has many names: forget what nothing is counted for. */
extern void forget_unused(Limited *entry);
extern void limits_forget(const Limits *limits);
/* The maximum, if anything has changed.  In a transaction. */
extern void read_limit(Limited *entry);
extern void read_limits(const Limits *limits);
/* How many more may run; INT_MAX: there is no limit. */
extern int	room_of(const Limited *entry);
extern int	room_of_all(const Limits *limits);
/* The first that leaves no room; NULL: none. */
extern Limited *first_full(const Limits *limits);
/* Is a workflow blocked, for somebody, that something runs of? */
extern bool any_is_blocked(void);
extern bool is_blocked_for(const Limited *workflow, Oid role);

#endif							/* PGWF_LIMITS_H */

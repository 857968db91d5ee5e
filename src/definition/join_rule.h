/*-------------------------------------------------------------------------
 *
 * join_rule.h
 *	  When the children of a container make it succeed: the one rule for joins.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.  Whoever has children ended
 *	  by others (the scheduler), one after the other (the interpreter, in
 *	  executors and for execute()), or reads their rows in the end, asks here.
 *
 *	  A child has succeeded (completed), failed (in any way), been skipped by
 *	  its "when", or is open: it runs, has not begun, or was stopped before it
 *	  began.  Skipped children are no successes.  They do not count towards the
 *	  total of which all, the majority or a share has to succeed; a number that
 *	  is asked for (any, n_of_m) stays what it is.  Children that never began do
 *	  count: when the container closes they have not succeeded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_JOIN_RULE_H
#define PGWF_JOIN_RULE_H

#include "definition/pure.h"

typedef enum JoinPolicy
{
	JOIN_ALL,
	JOIN_ANY,					/* at least one */
	JOIN_MAJORITY,				/* more than half */
	JOIN_N_OF_M,				/* n_required */
	JOIN_RATIO					/* ok >= total * ratio; parallel blocks */
} JoinPolicy;

/* Longest text of a ratio. */
#define JOIN_MAX_RATIO 100

/* Without pointers: it travels to the scheduler through shared memory. */
typedef struct JoinRule
{
	JoinPolicy	policy;			/* of loops: all, or none of them at
								 * "on_error": "continue" */
	int			n_required;		/* JOIN_N_OF_M */
	char		ratio[JOIN_MAX_RATIO + 1];	/* JOIN_RATIO: decimal text,
											 * inclusive */
	bool		stop_on_failure;	/* "on_error": "stop": nothing begins
									 * after a failure */
	bool		cancel_when_decided;	/* "on_join": "cancel": the rest is
										 * not waited for */
} JoinRule;

/* Children by how they ended; the rest of the total is open. */
typedef struct JoinCounts
{
	int			total;
	int			completed;
	int			failed;
	int			skipped;
} JoinCounts;

typedef enum JoinVerdict
{
	JOIN_UNDECIDED,				/* it depends on the open children */
	JOIN_MET,
	JOIN_FAILED
} JoinVerdict;

/* What becomes of the children that are open, while the container is. */
typedef enum JoinCourse
{
	JOIN_GOES_ON,				/* they begin and end */
	JOIN_BEGINS_NO_MORE,		/* those that have begun end, the others do
								 * not begin */
	JOIN_CANCELS				/* nobody waits for them: they are stopped */
} JoinCourse;

/* The policy's name in definitions. */
extern const char *join_policy_name(JoinPolicy policy);
/* Successes needed of so many children that count. */
extern int	join_required(const JoinRule *rule, int counted);
extern JoinVerdict join_verdict(const JoinRule *rule, const JoinCounts *counts);
/* The same when nothing more will happen: what is open has not succeeded. */
extern JoinVerdict join_final_verdict(const JoinRule *rule,
									  const JoinCounts *counts);
extern JoinCourse join_course(const JoinRule *rule, const JoinCounts *counts);
/* May another child begin? */
extern bool join_begins_more(const JoinRule *rule, const JoinCounts *counts);
/*
 * May the container close with children that were stopped, or not gone on with?
 */
extern bool join_may_stop_children(const JoinRule *rule);

#endif							/* PGWF_JOIN_RULE_H */

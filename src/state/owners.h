/*-------------------------------------------------------------------------
 *
 * owners.h
 *	  Whose workflows, agents, schedules, executions and dead letters are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_OWNERS_H
#define PGWF_STATE_OWNERS_H

#include "postgres.h"

/* A role, or what is left of one. */
typedef struct Owner
{
	bool		missing;		/* there is no such role */
	int			nidentities;	/* of it: several roles of one name may have
								 * been dropped */
	Oid		   *identities;
	char	   *name;			/* as workflow.role_name() shows it */
} Owner;

/*
 * The role that a value of the type workflow.role stands for, and who it was to
 * us.
 */
extern void owner_find(Datum value, Owner *owner);

/*
 * Name of the role that a workflow belongs to, one that does not exist with
 * (missing) behind it.
 */
extern char *owner_of_workflow(const char *name);
/*
 * The role of an execution, a dead letter, a schedule, as a value of the type
 * workflow.role is written.
 */
extern char *execution_role_name(int64 id);
extern char *dead_letter_role_name(int64 id);
extern char *schedule_role_name(int id);

/*
 * role_cannot_run(), of the role of an execution: the reason names one that
 * does not exist.
 */
extern char *execution_cannot_run(int64 id, Oid role);

/*
 * What belongs to an owner, in words, "2 workflows and 1 schedule", as the view
 * workflow.owners counts; NULL: nothing.  *shown: the owner as it shows it.
 */
extern char *owner_describe(const Owner *owner, char **shown);

/*
 * Lock a workflow, so that nobody defines it or gives it to another: *owner,
 * whose it is.  Returns false when there is none.
 */
extern bool owner_lock_workflow(const char *name, Oid *owner);
/* Give all versions of a workflow to a role; returns how many there are. */
extern int64 owner_set_workflow(const char *name, Oid role);

/* What one role owns, to be given to another. */
typedef struct Gift
{
	Owner		owner;
	Oid			role;			/* to whom */
	bool		reserved;		/* what has a name of the extension's, too */
	int64		count;			/* rows that were given */
	int64		running;		/* executions that run this moment, and stay
								 * the owner's */
	char	   *left;			/* what was left for its name, in words;
								 * NULL: nothing */
} Gift;

/*
 * Give it, but for schedules; fills in the rest.  A violation of this index:
 * another has started an execution of the role with a key that the owner has
 * used, and committed just now.
 */
#define IDEMPOTENCY_KEY_INDEX "executions_idempotency_key_idx"
extern void owner_give(Gift *gift);
/* Lock the schedules that are to be given; returns how many. */
extern int	owner_schedules(const Gift *gift, int **ids);

/*
 * Roles that do not exist, were called so and own something, as text; NULL:
 * none.
 */
extern char *owner_namesakes(const char *name);

#endif							/* PGWF_STATE_OWNERS_H */

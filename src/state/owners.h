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
	int			nidentities;	/* of it: several roles of one name may have been dropped */
	Oid		   *identities;
	char	   *name;			/* as workflow.role_name() shows it */
} Owner;

/* The role that a value of the type workflow.role stands for, and who it was to us. */
extern void owner_find(Datum value, Owner *owner);

/* Name of the role that a workflow belongs to, one that does not exist with (missing) behind it. */
extern char *owner_of_workflow(const char *name);
/* The role of an execution, and of a dead letter, as a value of the type workflow.role is written. */
extern char *execution_role_name(int64 id);
extern char *dead_letter_role_name(int64 id);

/*
 * What belongs to an owner, in words, "2 workflows and 1 schedule", as the view
 * workflow.owners counts; NULL: nothing.  *shown: the owner as it shows it.
 */
extern char *owner_describe(const Owner *owner, char **shown);

/*
 * Lock a workflow, so that nobody defines it or gives it to another: *owner, whose it
 * is.  Returns false when there is none.
 */
extern bool owner_lock_workflow(const char *name, Oid *owner);
/* Give all versions of a workflow to a role; returns how many there are. */
extern int64 owner_set_workflow(const char *name, Oid role);

/*
 * Give all that belongs to an owner to a role, but for schedules; returns how many rows.
 * What a role does at this moment stays with it: *running, executions that run.
 */
extern int64 owner_give(const Owner *owner, Oid role, int64 *running);
/* Lock the schedules of an owner; returns how many. */
extern int	owner_schedules(const Owner *owner, int **ids);

#endif							/* PGWF_STATE_OWNERS_H */

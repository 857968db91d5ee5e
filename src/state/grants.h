/*-------------------------------------------------------------------------
 *
 * grants.h
 *	  Who may start the executions of a workflow, and steer those of others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_GRANTS_H
#define PGWF_STATE_GRANTS_H

#include "postgres.h"

typedef enum Privilege
{
	PRIVILEGE_START,			/* begin executions, as oneself */
	PRIVILEGE_STEER,			/* do what its owner can do to others'
								 * executions */
	PRIVILEGE_SEE				/* see what others' executions do, not what
								 * they work with */
} Privilege;

#define NUM_PRIVILEGES (PRIVILEGE_SEE + 1)

extern const char *privilege_name(Privilege privilege);

/*
 * Has a role a privilege on a workflow?  Its owner (InvalidOid: there is none)
 * has all but to see, and who has the rights of a role that was granted it.  As
 * of this moment, whatever snapshot the transaction has.  Free where nothing
 * was ever granted or revoked.
 */
extern bool grants_allow(const char *workflow, Oid owner, Oid role,
						 Privilege privilege);

/*
 * Grant or revoke, for everybody with InvalidOid.  Returns false when that
 * changes nothing.  The caller has locked the workflow.
 */
extern bool grant_privilege(const char *workflow, Oid role,
							Privilege privilege);
extern bool revoke_privilege(const char *workflow, Oid role,
							 Privilege privilege);
/* A name is somebody else's from now on: forget what was granted under it. */
extern void grants_delete(const char *workflow);

#endif							/* PGWF_STATE_GRANTS_H */

/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  Becoming the extension's owner around our own statements.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_IDENTITY_H
#define PGWF_IDENTITY_H

#include "postgres.h"

#define EXTENSION_NAME "pg_workflow"
#define SCHEMA_NAME "workflow"

typedef struct SavedIdentity
{
	Oid			user;
	int			security_context;
} SavedIdentity;

/*
 * Become the owner of the extension (the owner of schema workflow's tables) with
 * SECURITY_LOCAL_USERID_CHANGE.  No PG_TRY needed: transaction and subtransaction
 * abort restore the identity.
 */
extern void become_owner(SavedIdentity *saved);
extern void restore_identity(const SavedIdentity *saved);

/* OID of the extension in this database, InvalidOid when it is not installed. */
extern Oid	workflow_extension_oid(void);
/* OIDs of things in schema workflow, looked up once per process. */
extern Oid	workflow_schema_oid(void);

/*
 * NULL when role may be connected as by an executor in this database, else why not
 * ("role \"x\" is not permitted to log in").  Needs a transaction.
 */
extern char *role_cannot_run(Oid role);

#endif							/* PGWF_IDENTITY_H */

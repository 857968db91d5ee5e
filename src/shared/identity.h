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

/*
 * Names of workflows, agents and schedules that begin like this are for what
 * the extension brings itself: nobody else makes any, and what somebody made
 * before they were reserved is not taken for ours.
 */
#define RESERVED_PREFIX "pg_workflow."

/* Version of the library; the extension's is in pg_extension. */
#define LIBRARY_VERSION "1.1.0"

/* Names are looked up here, and nowhere else, by what runs as the owner. */
#define OWNER_SEARCH_PATH "pg_catalog, pg_temp"

typedef struct SavedIdentity
{
	Oid			user;
	int			security_context;
	int			settings_level; /* 0: no setting had to be changed */
} SavedIdentity;

/*
 * Become the owner of the extension (the owner of schema workflow's tables)
 * with SECURITY_LOCAL_USERID_CHANGE, and with settings that make a statement
 * mean what it says: names are not found along the caller's search_path.  No
 * PG_TRY needed: transaction and subtransaction abort restore both.  Calls
 * nest.
 */
extern void become_owner(SavedIdentity *saved);
extern void restore_identity(const SavedIdentity *saved);

/* Who that is.  An error when the extension is not installed. */
extern Oid	extension_owner(void);

/*
 * Raise an error unless the extension, and not a schema of its name, is in this
 * database, in the library's version.
 */
extern void require_installed(void);
/* Whether it is here and has that version. */
extern bool library_fits(void);
/*
 * The same, for the scheduler: why not is said in the log, once for each time
 * it is asked.
 */
extern bool extension_can_be_served(void);

/*
 * OID of the extension in this database, InvalidOid when it is not installed.
 */
extern Oid	workflow_extension_oid(void);
/* OIDs of things in schema workflow, looked up once per process. */
extern Oid	workflow_schema_oid(void);

/*
 * NULL when role may be connected as by an executor in this database, else why
 * not ("role \"x\" is not permitted to log in").  Needs a transaction.
 */
extern char *role_cannot_run(Oid role);

#endif							/* PGWF_IDENTITY_H */

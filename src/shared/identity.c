/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Becoming the extension's owner around our own statements, and whether a
 *	  role can run steps.
 *
 * NOTES
 *	  The owner is that of the table workflow.executions, whose place as a member
 *	  of the extension is checked once for each OID it has: a schema and table
 *	  of those names made by somebody else lend their owner's rights to nobody.
 *	  Per step this costs three look-ups in the catalog caches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "shared/compat.h"
#include "shared/identity.h"

/* The table whose owner is taken for the extension's. */
#define OWNER_TABLE_NAME "executions"

static Oid	extension_owner(void);

/* OID of the extension in this database, InvalidOid when it is not installed. */
Oid
workflow_extension_oid(void)
{
	return get_extension_oid(EXTENSION_NAME, true);
}

/* OID of the schema, InvalidOid when there is none.  A look-up in the cache. */
Oid
workflow_schema_oid(void)
{
	return get_namespace_oid(SCHEMA_NAME, true);
}

/* Who owns the extension's tables.  An error when it is not installed. */
static Oid
extension_owner(void)
{
	static Oid	member_table = InvalidOid;	/* last OID found to be ours */
	Oid			schema = workflow_schema_oid();
	Oid			table = InvalidOid;
	HeapTuple	tuple;
	Oid			owner;

	if (OidIsValid(schema))
		table = get_relname_relid(OWNER_TABLE_NAME, schema);

	if (OidIsValid(table) && table != member_table)
	{
		Oid			extension = getExtensionOfObject(RelationRelationId, table);

		if (OidIsValid(extension) && extension == workflow_extension_oid())
			member_table = table;
		else
			table = InvalidOid;
	}

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"%s\" is not installed in this database",
						EXTENSION_NAME),
				 errhint("Run CREATE EXTENSION %s.", EXTENSION_NAME)));

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);

	return owner;
}

/*
 * Become the owner of the extension until restore_identity().  Needs a
 * transaction, whose abort restores the identity too.
 */
void
become_owner(SavedIdentity *saved)
{
	Oid			owner = extension_owner();

	GetUserIdAndSecContext(&saved->user, &saved->security_context);
	SetUserIdAndSecContext(owner,
						   saved->security_context | SECURITY_LOCAL_USERID_CHANGE);
}

/* Become who called become_owner() again. */
void
restore_identity(const SavedIdentity *saved)
{
	SetUserIdAndSecContext(saved->user, saved->security_context);
}

/*
 * NULL when an executor can connect to this database as the role, else why not,
 * allocated in the current memory context.  Needs a transaction.  A connection
 * that is refused ends the process before any code of ours runs, so this is
 * asked first.
 */
char *
role_cannot_run(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	char	   *name;
	bool		can_login;

	if (!HeapTupleIsValid(tuple))
		return psprintf("role with OID %u does not exist", role);
	name = pstrdup(NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
	can_login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);

	if (COMPAT_EXECUTOR_NEEDS_LOGIN && !can_login)
		return psprintf("role \"%s\" is not permitted to log in", name);
	if (!compat_may_connect(MyDatabaseId, role))
		return psprintf("role \"%s\" is not permitted to connect to database \"%s\"",
						name, get_database_name(MyDatabaseId));
	return NULL;
}

/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between the server versions: PostgreSQL 15 to 18.
 *
 * NOTES
 *	  The only file with PG_VERSION_NUM in it.  Each difference is a name of our
 *	  own (compat_...), or the newer server's name given to the older one.  Grouped
 *	  by subject; add to the group, not to the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_COMPAT_H
#define PGWF_COMPAT_H

#include "postgres.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "fmgr.h"
#include "postmaster/bgworker.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "pg_workflow needs PostgreSQL 15 or newer"
#endif

/* --- module --- */

#if PG_VERSION_NUM >= 180000
#define COMPAT_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "pg_workflow")
#else
#define COMPAT_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* --- processes --- */

/* Own index into ProcGlobal->allProcs. */
#if PG_VERSION_NUM >= 170000
#define compat_my_pgprocno() ((int) MyProcNumber)
#else
#define compat_my_pgprocno() ((int) MyProc->pgprocno)
#endif

/* How an executor connects: since 17 as any role, before as one with LOGIN only. */
#if PG_VERSION_NUM >= 170000
#define COMPAT_EXECUTOR_CONNECT_FLAGS BGWORKER_BYPASS_ROLELOGINCHECK
#else
#define COMPAT_EXECUTOR_CONNECT_FLAGS 0
#endif
#define COMPAT_EXECUTOR_NEEDS_LOGIN (COMPAT_EXECUTOR_CONNECT_FLAGS == 0)

/* Settings a worker of ours turns off beside those every version has. */
#if PG_VERSION_NUM >= 170000
#define COMPAT_HAS_TRANSACTION_TIMEOUT true
#else
#define COMPAT_HAS_TRANSACTION_TIMEOUT false
#endif

/*
 * A wait event with a name of its own, where the server has that (17).  *cache
 * starts as 0; the name is registered by the first process that waits.
 */
static inline uint32
compat_wait_event(uint32 *cache, const char *name)
{
#if PG_VERSION_NUM >= 170000
	if (*cache == 0)
		*cache = WaitEventExtensionNew(name);
	return *cache;
#else
	(void) cache;
	(void) name;
	return PG_WAIT_EXTENSION;
#endif
}

/* --- rights --- */

static inline bool
compat_owns_database(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, role);
#else
	return pg_database_ownercheck(database, role);
#endif
}

static inline bool
compat_owns_extension(Oid extension, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(ExtensionRelationId, extension, role);
#else
	return pg_extension_ownercheck(extension, role);
#endif
}

static inline bool
compat_owns_schema(Oid schema, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(NamespaceRelationId, schema, role);
#else
	return pg_namespace_ownercheck(schema, role);
#endif
}

static inline bool
compat_may_connect(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(DatabaseRelationId, database, role,
						   ACL_CONNECT) == ACLCHECK_OK;
#else
	return pg_database_aclcheck(database, role, ACL_CONNECT) == ACLCHECK_OK;
#endif
}

#endif							/* PGWF_COMPAT_H */

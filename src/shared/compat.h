/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between the server versions: PostgreSQL 15 to 18.
 *
 * NOTES
 *	  The only file with PG_VERSION_NUM in it.  Each difference is a name of our
 *	  own (compat_...), or the newer server's name given to the older one.
 *	  Grouped by subject; add to the group, not to the end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_COMPAT_H
#define PGWF_COMPAT_H

#include "postgres.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_subscription.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/guc_tables.h"
#include "utils/plancache.h"
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

/* What never returns says so in front since 18. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* --- processes --- */

/* Own index into ProcGlobal->allProcs. */
#if PG_VERSION_NUM >= 170000
#define compat_my_pgprocno() ((int) MyProcNumber)
#else
#define compat_my_pgprocno() ((int) MyProc->pgprocno)
#endif

/*
 * How an executor connects: since 17 as any role, before as one with LOGIN
 * only.
 */
#if PG_VERSION_NUM >= 170000
#define COMPAT_EXECUTOR_CONNECT_FLAGS BGWORKER_BYPASS_ROLELOGINCHECK
#else
#define COMPAT_EXECUTOR_CONNECT_FLAGS 0
#endif
#define COMPAT_EXECUTOR_NEEDS_LOGIN (COMPAT_EXECUTOR_CONNECT_FLAGS == 0)

#if PG_VERSION_NUM >= 170000
#define compat_is_background_worker() AmBackgroundWorkerProcess()
#else
#define compat_is_background_worker() IsBackgroundWorker
#endif

/* Of all processes, counted from 1: pgstat_fetch_stat_numbackends(). */
#if PG_VERSION_NUM >= 160000
#define compat_backend_status(i) pgstat_get_local_beentry_by_index(i)
#else
#define compat_backend_status(i) pgstat_fetch_stat_local_beentry(i)
#endif

#if PG_VERSION_NUM >= 170000
#define compat_in_transaction(proc) LocalTransactionIdIsValid((proc)->vxid.lxid)
#else
#define compat_in_transaction(proc) LocalTransactionIdIsValid((proc)->lxid)
#endif

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

/* --- tables --- */

/*
 * What an update says of the indexes: not true when the new version needs no
 * entries (HOT).
 */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes CompatUpdateIndexes;
#define compat_all_indexes(updated) ((updated) == TU_All)
#else
typedef bool CompatUpdateIndexes;
#define compat_all_indexes(updated) (updated)
#endif

/* Does the index want entries of updates that need none elsewhere? */
#if PG_VERSION_NUM >= 160000
#define compat_summarizing(info) ((info)->ii_Summarizing)
#else
#define compat_summarizing(info) (false)
#endif

#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan(table, index, snapshot, nkeys, norderbys) \
	index_beginscan(table, index, snapshot, NULL, nkeys, norderbys)
#else
#define compat_index_beginscan(table, index, snapshot, nkeys, norderbys) \
	index_beginscan(table, index, snapshot, nkeys, norderbys)
#endif

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

static inline bool
compat_may_execute(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, role,
						   ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

/* As ALTER .. OWNER TO asks it of the new owner. */
static inline bool
compat_may_set_role(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return member_can_set_role(member, role);
#else
	return is_member_of_role(member, role);
#endif
}

/*
 * Does the apply worker of a subscription stay its owner?  Before 16 it always
 * did.
 */
static inline bool
compat_runs_as_owner(Form_pg_subscription subscription)
{
#if PG_VERSION_NUM >= 160000
	return subscription->subrunasowner;
#else
	return subscription != NULL;
#endif
}

/*
 * Is a role a member of another, by a membership that gives it anything?  From
 * 16 on there are some that do not: of who may give the role to others, say.
 */
static inline bool
compat_is_member(Oid member, Oid role)
{
	if (!is_member_of_role_nosuper(member, role))
		return false;
#if PG_VERSION_NUM >= 160000
	return has_privs_of_role(member, role) || member_can_set_role(member, role);
#else
	return true;
#endif
}

/*
 * May a role have anything run as another?  It has the rights of that, and
 * could be it: from 16 on who inherits rights may not be able to, and
 * attributes of a role (CREATEROLE, BYPASSRLS) are not inherited.
 */
static inline bool
compat_may_act_as(Oid member, Oid role)
{
	return has_privs_of_role(member, role) && compat_may_set_role(member, role);
}

static inline bool
compat_has_schema_privilege(Oid schema, Oid role, AclMode privilege)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, role,
						   privilege) == ACLCHECK_OK;
#else
	return pg_namespace_aclcheck(schema, role, privilege) == ACLCHECK_OK;
#endif
}

/* --- running SQL --- */

/*
 * Whether names in a kept statement would still be found along the same path.
 */
static inline bool
compat_same_search_path(CachedPlanSource *source)
{
	if (source->search_path == NULL)
		return true;			/* has no names in it */
#if PG_VERSION_NUM >= 170000
	return SearchPathMatchesCurrentEnvironment(source->search_path);
#else
	return OverrideSearchPathMatchesCurrent(source->search_path);
#endif
}

#if PG_VERSION_NUM >= 180000
#define compat_portal_run(portal, receiver, completion) \
	PortalRun(portal, FETCH_ALL, true, receiver, receiver, completion)
#else
#define compat_portal_run(portal, receiver, completion) \
	PortalRun(portal, FETCH_ALL, true, true, receiver, receiver, completion)
#endif

/* All settings of the server. */
static inline struct config_generic **
compat_all_settings(int *count)
{
#if PG_VERSION_NUM >= 160000
	return get_guc_variables(count);
#else
	*count = GetNumConfigOptions();
	return get_guc_variables();
#endif
}

#endif							/* PGWF_COMPAT_H */

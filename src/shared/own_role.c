/*-------------------------------------------------------------------------
 *
 * own_role.c
 *	  Whether an executor's session is still what a new one of its role would
 *	  be.
 *
 * NOTES
 *	  What a session's user may do is found out when it connects: who was a
 *	  superuser then may SET SESSION AUTHORIZATION to the end, and has the
 *	  settings the role had then.  A session of a person ends some day; an
 *	  executor runs the steps of executions that are started long after.  So it
 *	  leaves when the role is not what it was: its row, the roles it is a member
 *	  of, however indirectly, its right to connect.  Before the next step, not
 *	  in the middle of one: a statement that runs goes on, as it does in a
 *	  session.
 *
 *	  The caches are told by invalidations, which come with the start of each
 *	  transaction.  The hint may be about another role, so what is remembered is
 *	  compared.  Settings of roles and databases have no cache and no
 *	  invalidations: whoever changes them counts that in shared memory when it
 *	  commits (COMMIT PREPARED does not know).  They are for new sessions, so an
 *	  executor leaves before the next run only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "shared/compat.h"
#include "shared/own_role.h"
#include "shared/registry.h"

static bool hinted = false;		/* something may have changed */
static bool changed = false;	/* it has */
static uint64 fingerprint = 0;	/* of the role, as it was */
static uint32 settings_seen = 0;

static bool change_pending = false;
static bool callback_registered = false;

/* Syscache callback: no catalog access here. */
static void
role_invalidated(Datum argument pg_attribute_unused(),
				 int cacheid pg_attribute_unused(),
				 uint32 hashvalue pg_attribute_unused())
{
	hinted = true;
}

/*
 * The roles a role is a member of, each once, and how.  In no order: the sum of
 * what the grants' rows hash to.
 */
static uint64
hash_memberships(Oid role)
{
	List	   *roles = list_make1_oid(role);
	uint64		hash = 0;

	/* the list grows meanwhile */
	for (int next = 0; next < list_length(roles); next++)
	{
		CatCList   *grants = SearchSysCacheList1(AUTHMEMMEMROLE,
											   ObjectIdGetDatum(
												   list_nth_oid(roles, next)));

		for (int i = 0; i < grants->n_members; i++)
		{
			HeapTuple	tuple = &grants->members[i]->tuple;
			Form_pg_auth_members grant = (Form_pg_auth_members) GETSTRUCT(
				tuple);

			/* the struct ends with padding, which the tuple does not have */
			hash += hash_bytes_extended((const unsigned char *) grant,
										(int) (tuple->t_len -
											   tuple->t_data->t_hoff),
										0);
			roles = list_append_unique_oid(roles, grant->roleid);
		}
		ReleaseSysCacheList(grants);
	}
	list_free(roles);
	return hash;
}

/*
 * What this process's role is now.  Its password does not matter.  When the
 * role is gone this process ends; the scheduler finds out why.
 */
static uint64
take_fingerprint(void)
{
	Oid			role = GetAuthenticatedUserId();
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	uint64		hash;
	Datum		valid_until;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		ereport(FATAL,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist any more", role)));
	hash = hash_bytes_extended((const unsigned char *) GETSTRUCT(tuple),
							   offsetof(FormData_pg_authid, rolconnlimit) +
								   sizeof(int32),
							   0);
	valid_until = SysCacheGetAttr(AUTHOID, tuple, Anum_pg_authid_rolvaliduntil,
								  &isnull);
	if (!isnull)
		hash += (uint64) DatumGetTimestampTz(valid_until);
	ReleaseSysCache(tuple);
	return hash + hash_memberships(role) +
		(compat_may_connect(MyDatabaseId, role) ? 1 : 2);
}

void
own_role_before_connecting(void)
{
	settings_seen = pg_atomic_read_u32(&registry->settings_changes);
	CacheRegisterSyscacheCallback(AUTHOID, role_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, role_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, role_invalidated, (Datum) 0);
}

/*
 * Has the session been set up as it would be now?  What is found out once, when
 * it begins, is whether the role is a superuser and may come in; all else is
 * looked up when it is needed.
 */
static bool
session_fits_role(void)
{
	Oid			role = GetAuthenticatedUserId();
	bool		superuser = strcmp(GetConfigOption("is_superuser", false, false), "on") == 0;
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		fits;

	if (!HeapTupleIsValid(tuple))
		return false;
	fits = ((Form_pg_authid) GETSTRUCT(tuple))->rolsuper == superuser &&
		((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	return fits && compat_may_connect(MyDatabaseId, role);
}

/*
 * A hint that came while the session was set up is about any role of the
 * server, or means that the caches have been forgotten: to leave for it alone
 * would be to leave for ever where roles come and go all the time.
 */
void
own_role_connected(void)
{
	StartTransactionCommand();
	fingerprint = take_fingerprint();
	changed = hinted && !session_fits_role();
	CommitTransactionCommand();
}

void
own_role_check(void)
{
	if (likely(!hinted))
		return;
	hinted = false;
	if (take_fingerprint() != fingerprint)
		changed = true;
}

bool
own_role_changed(void)
{
	return changed;
}

bool
own_settings_changed(void)
{
	return pg_atomic_read_u32(&registry->settings_changes) != settings_seen;
}

/* --- in the session that changes settings --- */

static void
count_change(XactEvent event, void *argument pg_attribute_unused())
{
	if (!change_pending)
		return;
	if (event == XACT_EVENT_COMMIT)
		(void) pg_atomic_fetch_add_u32(&registry->settings_changes, 1);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		change_pending = false;
}

void
settings_change_at_commit(void)
{
	if (registry == NULL)
		return;
	if (!callback_registered)
	{
		RegisterXactCallback(count_change, NULL);
		callback_registered = true;
	}
	change_pending = true;
}

/*-------------------------------------------------------------------------
 *
 * subscription.c
 *	  Is this database a logical replica of another one's executions?
 *
 * NOTES
 *	  Executions that an apply worker writes are run where they were started.
 *	  That is asked of the catalogs, not of a mark on the rows: a row that is
 *	  copied otherwise, by pg_dump, pg_upgrade, pg_basebackup or CREATE DATABASE
 *	  .. TEMPLATE, goes on where it came to, as ever, and dropping the
 *	  subscription is all it takes to take over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_subscription.h"
#include "catalog/pg_subscription_rel.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "shared/compat.h"
#include "shared/identity.h"
#include "shared/subscription.h"

static bool replicated_known = false;
static uint32 changes = 0;		/* that may be to that */
static uint32 executions_hash = 0;	/* of the table's row of pg_class */

/*
 * Could the apply worker of a subscription write the table, ever?  From 16 on
 * who has pg_create_subscription names tables that are not his, and is refused
 * only when rows come.  The worker becomes the owner of the table, or stays the
 * owner of the subscription (run_as_owner), for whom it refuses tables with
 * policies that are not bypassed.
 */
static bool
may_write(Form_pg_subscription subscription, Oid table)
{
	Oid			role = subscription->subowner;

	if (superuser_arg(role) || compat_may_set_role(role, extension_owner()))
		return true;
	return compat_runs_as_owner(subscription) &&
		has_bypassrls_privilege(role) &&
		pg_class_aclcheck(table, role,
						  ACL_INSERT | ACL_UPDATE | ACL_DELETE |
							  ACL_TRUNCATE) == ACLCHECK_OK;
}

char *
executions_subscription(void)
{
	Oid			executions = get_relname_relid("executions", workflow_schema_oid());
	char	   *name = NULL;
	Relation	relation;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(executions))
		return NULL;
	executions_hash = GetSysCacheHashValue1(RELOID,
											ObjectIdGetDatum(executions));
	ScanKeyInit(&key, Anum_pg_subscription_rel_srrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(executions));
	relation = table_open(SubscriptionRelRelationId, AccessShareLock);
	scan = systable_beginscan(relation, SubscriptionRelSrrelidSrsubidIndexId,
							  true, NULL, 1, &key);
	while (name == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			subscription =
			((Form_pg_subscription_rel) GETSTRUCT(tuple))->srsubid;
		HeapTuple	row = SearchSysCache1(SUBSCRIPTIONOID,
										  ObjectIdGetDatum(subscription));
		Form_pg_subscription form;

		if (!HeapTupleIsValid(row))
			continue;
		form = (Form_pg_subscription) GETSTRUCT(row);
		/* a database made of a template has the template's entries */
		if (form->subdbid == MyDatabaseId && may_write(form, executions))
			name = pstrdup(NameStr(form->subname));
		ReleaseSysCache(row);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return name;
}

/* Syscache callback: no catalog access here. */
static void
subscriptions_invalidated(Datum argument pg_attribute_unused(),
						  int cacheid pg_attribute_unused(),
						  uint32 hashvalue pg_attribute_unused())
{
	replicated_known = false;
	changes++;
}

/* Rows of other tables come and go with each ANALYZE and temporary table. */
static void
table_invalidated(Datum argument, int cacheid, uint32 hashvalue)
{
	if (hashvalue == 0 || hashvalue == executions_hash)
		subscriptions_invalidated(argument, cacheid, hashvalue);
}

bool
executions_replicated(void)
{
	static bool registered = false;
	static bool replicated = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(SUBSCRIPTIONOID,
									  subscriptions_invalidated, (Datum) 0);
		CacheRegisterSyscacheCallback(SUBSCRIPTIONRELMAP,
									  subscriptions_invalidated, (Datum) 0);
		/* rights on the table, and who is whom */
		CacheRegisterSyscacheCallback(RELOID, table_invalidated, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, subscriptions_invalidated,
									  (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, subscriptions_invalidated,
									  (Datum) 0);
		registered = true;
	}
	if (!replicated_known)
	{
		uint32		before = changes;

		replicated = executions_subscription() != NULL;
		/*
		 * what has changed meanwhile is seen the next time; not known after an
		 * error
		 */
		replicated_known = (changes == before);
	}
	return replicated;
}

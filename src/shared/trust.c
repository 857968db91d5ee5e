/*-------------------------------------------------------------------------
 *
 * trust.c
 *	  Whose workflows and agents a role runs as they are now:
 *	  workflow.trusted_owners.
 *
 * NOTES
 *	  A step runs as the role that started the execution, and is what the owner
 *	  of the workflow, or of its agent, has written.  A version of a workflow
 *	  does not change, so one that was asked for by its number was looked at;
 *	  the newest one, and an agent, is what the owner says at that moment.
 *
 *	  Sessions and executors.  By default everybody is trusted, which costs one
 *	  comparison for each start and each call of an agent.
 *
 *	  A function with SECURITY DEFINER runs as its owner with the settings of
 *	  who has called it, who would trust anybody in the owner's name.  There
 *	  what the owner has been given by ALTER ROLE counts as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "shared/compat.h"
#include "shared/trust.h"

#define TRUST_SETTING "workflow.trusted_owners"

#define EVERYBODY "*"

/* workflow.trusted_owners, "*", USERSET: a list of names of roles */
static char *setting_trusted_owners = NULL;

/*
 * Only the syntax: roles come and go, and a name may be set before there is
 * one.
 */
static bool
check_trusted_owners(char **newval, void **extra pg_attribute_unused(),
					 GucSource source pg_attribute_unused())
{
	char	   *names = pstrdup(*newval);
	List	   *list = NIL;
	bool		valid = SplitIdentifierString(names, ',', &list);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(list);
	pfree(names);
	return valid;
}

void
define_trust_setting(void)
{
	DefineCustomStringVariable(TRUST_SETTING,
							   "Roles whose workflows are started without a version, and whose agents are called.",
							   "A list of names; \"*\" stands for all roles.",
							   &setting_trusted_owners, EVERYBODY,
							   PGC_USERSET, GUC_LIST_INPUT, check_trusted_owners, NULL, NULL);
}

/* What ALTER ROLE .. SET says, for all databases or one; NULL: nothing. */
static char *
setting_of_role(Oid database, Oid role)
{
	Relation	relation = table_open(DbRoleSettingRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *value = NULL;

	ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase,
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(database));
	ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole,
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(role));
	scan = systable_beginscan(relation, DbRoleSettingDatidRolidIndexId, true,
							  NULL, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		settings = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig,
											RelationGetDescr(relation), &isnull);
		Datum	   *elements = NULL;
		int			count = 0;

		if (!isnull)
			deconstruct_array(DatumGetArrayTypeP(settings), TEXTOID, -1, false,
							  TYPALIGN_INT, &elements, NULL, &count);
		for (int i = 0; i < count; i++)
		{
			char	   *setting = TextDatumGetCString(elements[i]);
			size_t		length = strlen(TRUST_SETTING);

			if (pg_strncasecmp(setting, TRUST_SETTING, length) == 0 &&
				setting[length] == '=')
				value = setting + length + 1;
		}
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return value;
}

/* Is the owner in a list of names? */
static bool
is_listed(const char *setting, Oid owner)
{
	List	   *list = NIL;
	ListCell   *cell;
	bool		listed = false;

	if (strcmp(setting, EVERYBODY) == 0)
		return true;
	if (!SplitIdentifierString(pstrdup(setting), ',', &list))
		return false;
	foreach(cell, list)
	{
		const char *name = lfirst(cell);
		Oid			role = get_role_oid(name, true);

		if (strcmp(name, EVERYBODY) == 0 ||
			(OidIsValid(role) && compat_is_member(owner, role)))
			listed = true;
	}
	list_free(list);
	return listed;
}

bool
owner_is_trusted(Oid owner, Oid role)
{
	char	   *own = NULL;

	if (!InLocalUserIdChange() &&
		strcmp(setting_trusted_owners, EVERYBODY) == 0)
		return true;
	if (compat_may_act_as(owner, role))
		return true;
	if (!is_listed(setting_trusted_owners, owner))
		return false;
	if (InLocalUserIdChange())
	{
		own = setting_of_role(MyDatabaseId, role);
		if (own == NULL)
			own = setting_of_role(InvalidOid, role);
	}
	return own == NULL || is_listed(own, owner);
}

/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Becoming the extension's owner around our own statements, and whether a
 *	  role can run steps.
 *
 * NOTES
 *	  The owner is that of the table workflow.executions, whose place as a
 *	  member of the extension is checked once for each OID it has: a schema and
 *	  table of those names made by somebody else lend their owner's rights to
 *	  nobody.
 *
 *	  A name that is not qualified, be it the "=" that IN and NULLIF look for,
 *	  is found along the search_path of the session: one with a schema of the
 *	  caller's in front would have the caller's code run as the owner.  So the
 *	  path is pinned for as long as we are the owner, as it is for functions
 *	  with SET search_path, and with it what else of the caller's settings
 *	  changes the meaning of a statement.  A setting that is right already costs
 *	  a comparison; one that is changed costs two microseconds, so what every
 *	  step does is done without statements (state/direct.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/gin.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "shared/compat.h"
#include "shared/identity.h"
#include "shared/registry.h"
#include "shared/role_value.h"

/* The table whose owner is taken for the extension's. */
#define OWNER_TABLE_NAME "executions"

/*
 * A setting, and where the server keeps it: search_path, when neither is given.
 */
typedef struct PinnedSetting
{
	const char *name;
	const char *value;
	const bool *boolean;
	const int  *number;
	int			wanted;			/* value as it is kept */
} PinnedSetting;

static const PinnedSetting pinned_settings[] = {
	{"search_path", OWNER_SEARCH_PATH, NULL, NULL, 0},
	/* how a text is read */
	{"standard_conforming_strings", "on", &standard_conforming_strings, NULL, true},
	{"transform_null_equals", "off", &Transform_null_equals, NULL, false},
	{"array_nulls", "on", &Array_nulls, NULL, true},
	/* which triggers fire, which rows there are */
	{"session_replication_role", "origin", NULL, &SessionReplicationRole, SESSION_REPLICATION_ROLE_ORIGIN},
	{"row_security", "on", &row_security, NULL, true},
	{"gin_fuzzy_search_limit", "0", NULL, &GinFuzzySearchLimit, 0},
	/* what values look like in JSON and text */
	{"DateStyle", "ISO", NULL, &DateStyle, USE_ISO_DATES},
	{"IntervalStyle", "postgres", NULL, &IntervalStyle, INTSTYLE_POSTGRES},
	{"extra_float_digits", "1", NULL, &extra_float_digits, 1}
};

/*
 * OID of the extension in this database, InvalidOid when it is not installed.
 */
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

Oid
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

/* The version of the extension in this database. */
static char *
extension_version(Oid extension)
{
	Relation	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(relation, ExtensionOidIndexId, true, NULL, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(relation), &isnull);

		version = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return version;
}

/* Is a version newer than the library's? */
static bool
is_newer(const char *version)
{
	int			its[3] = {0};
	int			ours[3] = {0};

	(void) sscanf(version, "%d.%d.%d", &its[0], &its[1], &its[2]);
	(void) sscanf(LIBRARY_VERSION, "%d.%d.%d", &ours[0], &ours[1], &ours[2]);
	for (int i = 0; i < (int) lengthof(its); i++)
		if (its[i] != ours[i])
			return its[i] > ours[i];
	return false;
}

/* Say that the versions do not fit, and what helps. */
static void
report_misfit(int elevel, const char *version)
{
	ereport(elevel,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"%s\" has version %s in this database, but its library has version %s",
					EXTENSION_NAME, version, LIBRARY_VERSION),
			 !is_newer(version) ?
			 errhint("Run ALTER EXTENSION %s UPDATE in this database.", EXTENSION_NAME) :
			 registry != NULL ?
			 errhint("Install the library of version %s, and restart the server; or go back with ALTER EXTENSION %s UPDATE TO '%s'.",
					 version, EXTENSION_NAME, LIBRARY_VERSION) :
			 errhint("Install the library of version %s, and connect again; or go back with ALTER EXTENSION %s UPDATE TO '%s'.",
					 version, EXTENSION_NAME, LIBRARY_VERSION)));
}

static bool
fits(const char *version)
{
	return strcmp(version, LIBRARY_VERSION) == 0;
}

void
require_installed(void)
{
	char	   *version;

	(void) extension_owner();
	version = extension_version(workflow_extension_oid());
	if (version != NULL && !fits(version))
		report_misfit(ERROR, version);
}

bool
library_fits(void)
{
	Oid			extension = workflow_extension_oid();
	char	   *version = OidIsValid(extension) ? extension_version(extension) : NULL;

	return version != NULL && fits(version);
}

bool
extension_can_be_served(void)
{
	Oid			extension = workflow_extension_oid();
	char	   *version = OidIsValid(extension) ? extension_version(extension) : NULL;

	if (version != NULL && !fits(version))
		report_misfit(LOG, version);
	return version != NULL && fits(version);
}

static bool
is_pinned(const PinnedSetting *setting)
{
	if (setting->boolean != NULL)
		return *setting->boolean == (bool) setting->wanted;
	if (setting->number != NULL)
		return *setting->number == setting->wanted;
	return strcmp(namespace_search_path, setting->value) == 0;
}

/* Returns the level to go back to; 0: nothing had to be changed. */
static int
pin_settings(void)
{
	int			level = 0;

	for (int i = 0; i < (int) lengthof(pinned_settings); i++)
	{
		const PinnedSetting *setting = &pinned_settings[i];

		if (is_pinned(setting))
			continue;
		if (level == 0)
			level = NewGUCNestLevel();
		(void) set_config_option(setting->name, setting->value, PGC_SUSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	}
	return level;
}

/*
 * Become the owner of the extension until restore_identity().  Needs a
 * transaction, whose abort restores the identity and the settings too.
 */
void
become_owner(SavedIdentity *saved)
{
	Oid			owner = extension_owner();

	GetUserIdAndSecContext(&saved->user, &saved->security_context);
	SetUserIdAndSecContext(owner,
						   saved->security_context |
							   SECURITY_LOCAL_USERID_CHANGE);
	saved->settings_level = pin_settings();
}

/* Become who called become_owner() again. */
void
restore_identity(const SavedIdentity *saved)
{
	if (saved->settings_level != 0)
		AtEOXact_GUC(true, saved->settings_level);
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
		return role == NOBODY_ROLE ? pstrdup("its role does not exist") :
			psprintf("role with OID %u does not exist", role);
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

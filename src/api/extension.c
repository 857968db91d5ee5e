/*-------------------------------------------------------------------------
 *
 * extension.c
 *	  The extension itself: version, installation, who may use it.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "shared/compat.h"
#include "shared/identity.h"
#include "shared/wake.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_version(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_extension_ready(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_grant_usage(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_revoke_usage(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_version);
PG_FUNCTION_INFO_V1(workflow_extension_ready);
PG_FUNCTION_INFO_V1(workflow_grant_usage);
PG_FUNCTION_INFO_V1(workflow_revoke_usage);

/*
 * Functions and procedures grant_usage() does not grant: they are for the owner
 * of the extension.
 */
static const char *const owner_only[] = {
	"drain",
	"extension_ready",
	"grant_usage",
	"prune",
	"prune_all",
	"refuse_change",
	"reset_engine_statistics",
	"revoke_usage",
	"roll_up_statistics",
	"schedule_housekeeping",
	"set_role_limits",
	"undrain"
};

/* Of these the ones that look for themselves who calls them. */
static const char *const not_grantable[] = {
	"extension_ready", "grant_usage", "refuse_change", "revoke_usage", "set_role_limits"
};

bool
is_owner_only(const char *name)
{
	for (int i = 0; i < (int) lengthof(owner_only); i++)
		if (strcmp(name, owner_only[i]) == 0)
			return true;
	return false;
}

bool
is_grantable(const char *name)
{
	for (int i = 0; i < (int) lengthof(not_grantable); i++)
		if (strcmp(name, not_grantable[i]) == 0)
			return false;
	return true;
}

/*
 * workflow.version() returns text
 */
Datum
workflow_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(LIBRARY_VERSION));
}

/*
 * workflow.extension_ready() returns void
 *
 * Last call of the scripts that install and update: when they have committed,
 * have the launcher look at this database, and each session whether its library
 * fits still.
 */
Datum
workflow_extension_ready(PG_FUNCTION_ARGS)
{
	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s can only be called by CREATE EXTENSION or ALTER EXTENSION",
						"workflow.extension_ready()")));
	state_installation_changed();
	wake_at_commit(WAKE_EXTENSION);
	PG_RETURN_VOID();
}

/*
 * Run GRANT or REVOKE; the role is quoted into the format's %s.
 */
static void
run_grant(const char *format, const char *object, const char *role)
{
	char	   *statement = psprintf(format, object, role);
	int			result = SPI_execute(statement, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "could not run \"%s\": %s", statement,
			 SPI_result_code_string(result));
	pfree(statement);
}

/*
 * The extension's objects of one kind that users use, as SQL identifiers, found
 * by a query that returns a name to check against owner_only and the
 * identifier.
 */
static List *
user_objects(const char *query)
{
	List	   *objects = NIL;

	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list the objects of the extension");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		char	   *name = SPI_getvalue(SPI_tuptable->vals[row],
								  SPI_tuptable->tupdesc, 1);
		char	   *identifier = SPI_getvalue(SPI_tuptable->vals[row],
											  SPI_tuptable->tupdesc, 2);

		if (!is_owner_only(name))
			objects = lappend(objects, identifier);
	}
	return objects;
}

#define EXTENSION_MEMBERS(catalog) \
	"JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) " \
	"'pg_catalog." catalog "'::pg_catalog.regclass AND d.objid OPERATOR(pg_catalog.=) o.oid " \
	"AND d.deptype OPERATOR(pg_catalog.=) 'e' " \
	"JOIN pg_catalog.pg_extension AS x ON x.oid OPERATOR(pg_catalog.=) d.refobjid " \
	"AND x.extname OPERATOR(pg_catalog.=) 'pg_workflow' "

/*
 * Grant or revoke what a user of workflows needs.
 */
static void
change_usage(Oid role, bool grant)
{
	const char *role_name = quote_identifier(required_role_name(role, NULL));
	const char *schema_format = grant ? "GRANT USAGE ON SCHEMA %s TO %s" :
		"REVOKE USAGE ON SCHEMA %s FROM %s CASCADE";
	const char *relation_format = grant ? "GRANT SELECT ON TABLE %s TO %s" :
		"REVOKE SELECT ON TABLE %s FROM %s CASCADE";
	const char *routine_format = grant ? "GRANT EXECUTE ON ROUTINE %s TO %s" :
		"REVOKE EXECUTE ON ROUTINE %s FROM %s CASCADE";
	SavedIdentity saved;
	ListCell   *cell;

	state_check_installation();
	if (!compat_owns_extension(workflow_extension_oid(), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of extension \"%s\"", "pg_workflow")));

	/* grants are the owner's, whoever of its members makes them */
	SPI_connect();
	become_owner(&saved);
	run_grant(schema_format, "workflow", role_name);
	foreach(cell, user_objects("SELECT o.relname, o.oid::pg_catalog.regclass::pg_catalog.text "
							   "FROM pg_catalog.pg_class AS o "
							   EXTENSION_MEMBERS("pg_class")
							   "WHERE o.relkind OPERATOR(pg_catalog.=) 'r' "
							   "OR o.relkind OPERATOR(pg_catalog.=) 'v'"))
		run_grant(relation_format, (char *) lfirst(cell), role_name);
	foreach(cell, user_objects("SELECT o.proname, o.oid::pg_catalog.regprocedure::pg_catalog.text "
							   "FROM pg_catalog.pg_proc AS o "
							   EXTENSION_MEMBERS("pg_proc")))
		run_grant(routine_format, (char *) lfirst(cell), role_name);
	restore_identity(&saved);
	SPI_finish();
}

/*
 * workflow.grant_usage(role regrole) returns void
 */
Datum
workflow_grant_usage(PG_FUNCTION_ARGS)
{
	change_usage(PG_GETARG_OID(0), true);
	PG_RETURN_VOID();
}

/*
 * workflow.revoke_usage(role regrole) returns void
 */
Datum
workflow_revoke_usage(PG_FUNCTION_ARGS)
{
	change_usage(PG_GETARG_OID(0), false);
	PG_RETURN_VOID();
}

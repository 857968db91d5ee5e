/*-------------------------------------------------------------------------
 *
 * utility_hook.c
 *	  Keeps our processes out of the way of commands that need a database, or
 *	  the extension, for themselves.
 *
 * NOTES
 *	  A scheduler is connected to its database for good, so DROP DATABASE,
 *	  CREATE DATABASE ... TEMPLATE, ALTER DATABASE ... RENAME and SET TABLESPACE
 *	  would fail, and commands on the extension would wait for our locks.
 *	  Before such a command the database is held (see shared/holds.c); the end
 *	  of its transaction releases it.
 *
 *	  Whoever may not run the command must not stop anybody's workers with it,
 *	  so the server's own checks are made first.  They are made once more by the
 *	  server, which raises the errors; here a command that is going to fail is
 *	  only let through.
 *
 *	  Runs in every session of every database, for every utility command: what
 *	  is not about us leaves after one switch.  Commands in a DO block or a
 *	  function come here too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parse_func.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "api/owners.h"
#include "api/schedule.h"
#include "api/permission_hints.h"
#include "api/utility_hook.h"
#include "interpreter/run_sql.h"
#include "shared/compat.h"
#include "shared/databases.h"
#include "shared/identity.h"
#include "shared/own_role.h"
#include "shared/settings.h"
#include "shared/slots.h"
#include "shared/wake.h"

static ProcessUtility_hook_type previous_process_utility = NULL;

static void workflow_process_utility(
	PlannedStmt *planned, const char *query_string, bool read_only_tree,
	ProcessUtilityContext context, ParamListInfo params,
	QueryEnvironment *environment, DestReceiver *destination,
	QueryCompletion *completion);
static void before_utility(Node *statement, bool is_top_level,
						   List **dropped_roles);
static void after_utility(Node *statement, const List *dropped_roles);

/* Called once, while shared_preload_libraries are loaded. */
void
install_utility_hook(void)
{
	previous_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = workflow_process_utility;
}

/* ProcessUtility_hook. */
static void
workflow_process_utility(PlannedStmt *planned, const char *query_string,
						 bool read_only_tree, ProcessUtilityContext context,
						 ParamListInfo params, QueryEnvironment *environment,
						 DestReceiver *destination, QueryCompletion *completion)
{
	Node	   *statement = planned->utilityStmt;
	List	   *dropped_roles = NIL;
	MemoryContext memory_context = CurrentMemoryContext;

	before_utility(statement, context == PROCESS_UTILITY_TOPLEVEL,
				   &dropped_roles);

	PG_TRY();
	{
		if (previous_process_utility)
			previous_process_utility(planned, query_string, read_only_tree,
									 context, params, environment, destination,
									 completion);
		else
			standard_ProcessUtility(planned, query_string, read_only_tree,
									context, params, environment, destination,
									completion);
	}
	PG_CATCH();
	{
		rethrow_with_permission_hint(query_string, memory_context);
	}
	PG_END_TRY();

	after_utility(statement, dropped_roles);
}

/* --- databases --- */

/* Whether the current user can create databases, as the server decides it. */
static bool
may_create_databases(void)
{
	HeapTuple	tuple;
	bool		result;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	ReleaseSysCache(tuple);
	return result;
}

/* Whether a database is marked as a template.  False when it has gone. */
static bool
is_template(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return result;
}

/* The database of that name if the current user owns it, else InvalidOid. */
static Oid
owned_database(const char *name)
{
	Oid			database = get_database_oid(name, true);

	if (!OidIsValid(database) || !compat_owns_database(database, GetUserId()))
		return InvalidOid;
	return database;
}

/* DROP DATABASE: not of a template, not of the one we are in. */
static void
before_drop_database(const DropdbStmt *statement)
{
	Oid			database = owned_database(statement->dbname);

	if (OidIsValid(database) && database != MyDatabaseId &&
		!is_template(database))
		database_hold(database, false);
}

/* CREATE DATABASE: the template must have nobody in it. */
static void
before_create_database(const CreatedbStmt *statement)
{
	const char *template_name = "template1";
	Oid			template;
	ListCell   *cell;

	foreach(cell, statement->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			template_name = defGetString(option);
	}

	template = get_database_oid(template_name, true);
	if (OidIsValid(template) && may_create_databases() &&
		(is_template(template) ||
		 compat_owns_database(template, GetUserId())) &&
		!OidIsValid(get_database_oid(statement->dbname, true)))
		database_hold(template, false);
}

/* ALTER DATABASE ... RENAME TO. */
static void
before_rename_database(const RenameStmt *statement)
{
	Oid			database = owned_database(statement->subname);

	if (OidIsValid(database) && database != MyDatabaseId &&
		may_create_databases() &&
		!OidIsValid(get_database_oid(statement->newname, true)))
		database_hold(database, false);
}

/*
 * ALTER DATABASE ... SET TABLESPACE, which is one of the options by its
 * grammar.
 */
static void
before_alter_database(const AlterDatabaseStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);
		Oid			database;

		if (strcmp(option->defname, "tablespace") != 0)
			continue;
		database = owned_database(statement->dbname);
		if (OidIsValid(database) && database != MyDatabaseId)
			database_hold(database, false);
	}
}

/*
 * ALTER DATABASE ... SET or RESET workflow.enabled: workers that come after it
 * find it, so those that are there go.  RESET ALL may be about it, too.
 */
static void
before_set_database(const AlterDatabaseSetStmt *statement)
{
	const VariableSetStmt *setting = statement->setstmt;
	Oid			database = owned_database(statement->dbname);

	if (OidIsValid(database) && superuser() &&
		(setting->kind == VAR_RESET_ALL ||
		 pg_strcasecmp(setting->name, "workflow.enabled") == 0))
		database_hold(database, false);
}

/* --- the extension --- */

/* Hold the current database if it has the extension and the user owns that. */
static void
hold_for_extension(void)
{
	Oid			extension = workflow_extension_oid();

	if (OidIsValid(extension) && compat_owns_extension(extension, GetUserId()))
		database_hold(MyDatabaseId, true);
}

/*
 * ALTER EXTENSION: as before, and the steps that run have the time that a
 * cancelled one has.
 */
static void
close_for_extension(void)
{
	Oid			extension = workflow_extension_oid();

	if (!OidIsValid(extension) ||
		!compat_owns_extension(extension, GetUserId()))
		return;
	database_close(setting_cancel_grace);
	database_hold(MyDatabaseId, true);
}

/* DROP EXTENSION: the jobs that pg_cron has for our schedules go with it. */
static void
drop_jobs_of_extension(void)
{
	Oid			extension = workflow_extension_oid();

	if (OidIsValid(extension) && compat_owns_extension(extension, GetUserId()))
		schedule_drop_jobs();
}

/* Whether one of the names of a DROP is this one. */
static bool
names_contain(const List *objects, const char *name)
{
	ListCell   *cell;

	foreach(cell, objects)
	{
		Node	   *object = (Node *) lfirst(cell);

		if (IsA(object, String) && strcmp(strVal(object), name) == 0)
			return true;
	}
	return false;
}

/*
 * DROP EXTENSION, and DROP SCHEMA ... CASCADE, which takes the extension along.
 */
static void
before_drop(const DropStmt *statement)
{
	if (statement->removeType == OBJECT_EXTENSION &&
		names_contain(statement->objects, EXTENSION_NAME))
	{
		hold_for_extension();
		drop_jobs_of_extension();
	}
	else if (statement->removeType == OBJECT_SCHEMA &&
			 statement->behavior == DROP_CASCADE &&
			 names_contain(statement->objects, SCHEMA_NAME))
	{
		Oid			schema = workflow_schema_oid();

		if (OidIsValid(schema) && compat_owns_schema(schema, GetUserId()) &&
			OidIsValid(workflow_extension_oid()))
		{
			database_hold(MyDatabaseId, true);
			drop_jobs_of_extension();
		}
	}
}

/* DROP OWNED BY: when one of the roles owns the extension. */
static void
before_drop_owned(const DropOwnedStmt *statement)
{
	Oid			extension = workflow_extension_oid();
	ListCell   *cell;

	if (!OidIsValid(extension))
		return;

	foreach(cell, statement->roles)
	{
		Oid			role = get_rolespec_oid(lfirst_node(RoleSpec, cell), true);

		if (OidIsValid(role) && has_privs_of_role(GetUserId(), role) &&
			compat_owns_extension(extension, role))
		{
			database_hold(MyDatabaseId, true);
			return;
		}
	}
}

/* --- names that pg_cron knows roles and databases by --- */

static void
note_role(const char *name)
{
	Oid			role = name != NULL ? get_role_oid(name, true) : InvalidOid;

	if (OidIsValid(role))
		schedule_note_name(false, role, name);
}

static void
note_database(const char *name)
{
	Oid			database = get_database_oid(name, true);

	if (OidIsValid(database))
		schedule_note_name(true, database, name);
}

/* DROP ROLE; CURRENT_USER and the like cannot be dropped. */
static void
before_drop_role(const DropRoleStmt *statement, List **dropped)
{
	ListCell   *cell;

	foreach(cell, statement->roles)
	{
		note_role(lfirst_node(RoleSpec, cell)->rolename);
		owners_note_dropped(dropped, lfirst_node(RoleSpec, cell)->rolename);
	}
}

/*
 * RENAME and SET SCHEMA: what belongs to the extension is found by its name, so
 * it keeps that, as it is kept from being dropped.  The server does not see to
 * it.
 */
static void
refuse_if_ours(ObjectType type, RangeVar *relation, Node *object,
			   const char *schema)
{
	Oid			extension = workflow_extension_oid();
	ObjectAddress address = InvalidObjectAddress;

	if (!OidIsValid(extension) || creating_extension)
		return;
	switch (type)
	{
		case OBJECT_SCHEMA:
			ObjectAddressSet(address, NamespaceRelationId,
							 get_namespace_oid(schema, true));
			break;
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_SEQUENCE:
		case OBJECT_COLUMN:
			ObjectAddressSet(address, RelationRelationId,
							 RangeVarGetRelid(relation, NoLock, true));
			break;
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
		case OBJECT_AGGREGATE:
			ObjectAddressSet(address, ProcedureRelationId,
							 LookupFuncWithArgs(type,
												castNode(ObjectWithArgs,
														 object),
												true));
			break;
		default:
			break;
	}
	if (OidIsValid(address.objectId) &&
		getExtensionOfObject(address.classId, address.objectId) == extension)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot rename or move %s because extension %s requires it",
						getObjectDescription(&address, false), EXTENSION_NAME),
				 errhint("The extension finds its objects by their names.")));
}

/* --- before and after --- */

/*
 * In an executor it would end the process, and with it what the process works
 * for.
 */
static void
refuse_transaction_timeout(const VariableSetStmt *statement)
{
	if (!COMPAT_HAS_TRANSACTION_TIMEOUT || my_slot == NULL ||
		statement->kind != VAR_SET_VALUE ||
		pg_strcasecmp(statement->name, "transaction_timeout") != 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("parameter \"transaction_timeout\" cannot be set in a step that a worker runs"),
			 errdetail("It would end the worker's process."),
			 errhint("Use \"timeout_seconds\" of the step, or statement_timeout.")));
}

/*
 * Hold the database the statement needs for itself, if it is one of those and
 * could proceed.  Commands that are not allowed in a transaction block are left
 * to fail there.
 */
static void
before_utility(Node *statement, bool is_top_level, List **dropped_roles)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			if (!IsInTransactionBlock(is_top_level))
			{
				note_database(((DropdbStmt *) statement)->dbname);
				before_drop_database((DropdbStmt *) statement);
			}
			break;
		case T_DropRoleStmt:
			before_drop_role((DropRoleStmt *) statement, dropped_roles);
			break;
		case T_CreatedbStmt:
			if (!IsInTransactionBlock(is_top_level))
				before_create_database((CreatedbStmt *) statement);
			break;
		case T_AlterDatabaseStmt:
			if (!IsInTransactionBlock(is_top_level))
				before_alter_database((AlterDatabaseStmt *) statement);
			break;
		case T_AlterDatabaseSetStmt:
			before_set_database((AlterDatabaseSetStmt *) statement);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_ROLE)
				note_role(((RenameStmt *) statement)->subname);
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
			{
				note_database(((RenameStmt *) statement)->subname);
				before_rename_database((RenameStmt *) statement);
			}
			else
				refuse_if_ours(((RenameStmt *) statement)->renameType,
							   ((RenameStmt *) statement)->relation,
							   ((RenameStmt *) statement)->object,
							   ((RenameStmt *) statement)->subname);
			break;
		case T_AlterObjectSchemaStmt:
			refuse_if_ours(((AlterObjectSchemaStmt *) statement)->objectType,
						   ((AlterObjectSchemaStmt *) statement)->relation,
						   ((AlterObjectSchemaStmt *) statement)->object, NULL);
			break;
		case T_DropStmt:
			before_drop((DropStmt *) statement);
			break;
		case T_DropOwnedStmt:
			before_drop_owned((DropOwnedStmt *) statement);
			break;
		case T_AlterExtensionStmt:
			if (strcmp(((AlterExtensionStmt *) statement)->extname,
					   EXTENSION_NAME) == 0)
				close_for_extension();
			break;
		case T_ConstraintsSetStmt:
			constraints_were_set = true;
			break;
		case T_VariableSetStmt:
			refuse_transaction_timeout((VariableSetStmt *) statement);
			break;
		default:
			break;
	}
}

/*
 * The statement succeeded: have the launcher or the scheduler look again once
 * its transaction has committed.  COMMIT PREPARED has committed already, and
 * nobody knows any more what the transaction did: look at everything.  It may
 * have ended what others wait for, too.
 */
static void
after_utility(Node *statement, const List *dropped_roles)
{
	switch (nodeTag(statement))
	{
		case T_CreatedbStmt:
		case T_AlterDatabaseStmt:
			wake_launcher_at_commit();
			break;
		case T_DropRoleStmt:
			owners_warn_dropped(dropped_roles);
			break;
		case T_AlterRoleSetStmt:
		case T_AlterDatabaseSetStmt:
			settings_change_at_commit();
			break;
		case T_CreateExtensionStmt:
			if (strcmp(((CreateExtensionStmt *) statement)->extname,
					   EXTENSION_NAME) == 0)
				wake_at_commit(WAKE_EXTENSION);
			break;
		case T_CreateSubscriptionStmt:
		case T_AlterSubscriptionStmt:
		case T_DropSubscriptionStmt:
			wake_at_commit(WAKE_SUBSCRIPTION);
			break;
		case T_TransactionStmt:
			if (((TransactionStmt *) statement)->kind !=
				TRANS_STMT_COMMIT_PREPARED)
				break;
			wake_scheduler(MyDatabaseId,
						   WAKE_PENDING | WAKE_CONTROL | WAKE_DRAIN |
							   WAKE_EXTENSION | WAKE_ADMISSION |
							   WAKE_SUBSCRIPTION);
			broadcast_all_finished();
			break;
		default:
			break;
	}
}

/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  Arguments of SQL-callable functions: nulls, ranges, names of workflows.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Functions with defaults
 *	  cannot be STRICT, so each checks for nulls itself and says which argument
 *	  it is about.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "api/api.h"
#include "shared/identity.h"
#include "shared/role_value.h"
#include "shared/settings.h"
#include "shared/trust.h"
#include "state/grants.h"
#include "state/owners.h"
#include "state/role_limits.h"

int
hint_about_arguments(FunctionCallInfo fcinfo)
{
	char	   *function = get_func_name(fcinfo->flinfo->fn_oid);

	return errhint("In psql, \\df+ workflow.%s explains the arguments.", function ? function : "*");
}

void
refuse_null(FunctionCallInfo fcinfo, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" must not be null", name),
			 hint_about_arguments(fcinfo)));
	pg_unreachable();
}

void
refuse_unknown_execution(int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("execution %lld does not exist", (long long) id),
			 errhint("The view workflow.execution_status lists those role \"%s\" may see; it may have been pruned, or rolled back, or be another role's.",
					 GetUserNameFromId(GetUserId(), false))));
	pg_unreachable();
}

int
hint_about_owner(Oid owner)
{
	char	   *name = GetUserNameFromId(owner, true);

	if (name == NULL)
		return errhint("It belongs to a role that does not exist; the owner of the extension can give it to another with workflow.reassign_owned().");
	return errhint("It belongs to role \"%s\": use SET ROLE, or have that role granted.", name);
}

bool
may_see(Oid role, const char *workflow)
{
	Oid			caller = GetUserId();

	return has_privs_of_role(caller, role) ||
		has_privs_of_role(caller, ROLE_PG_MONITOR) ||
		grants_allow(workflow, InvalidOid, caller, PRIVILEGE_SEE);
}

/*
 * Numbers can be guessed: who may neither see nor steer an execution is not
 * told that there is one.
 */
void
refuse_foreign_execution(int64 id, Oid role, bool known, const char *detail)
{
	if (!known)
		refuse_unknown_execution(id);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for execution %lld", (long long) id),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 hint_about_owner(role)));
	pg_unreachable();
}

void
refuse_foreign_owner(const char *what, const char *name, Oid owner,
					 const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of %s \"%s\"", what, name),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 hint_about_owner(owner)));
	pg_unreachable();
}

void
refuse_unknown_step(const char *workflow, const WorkflowPlan *plan,
					const char *step_id)
{
	char	   *hint =
		hint_about_step(plan, step_id,
						psprintf("workflow.explain(%s) shows its steps.",
								 quote_literal_cstr(workflow)));

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("workflow \"%s\" has no step \"%s\"", workflow, step_id),
			 errhint("%s", hint)));
	pg_unreachable();
}

void
require_read_committed(const char *function)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s cannot be used under isolation level REPEATABLE READ or higher", function),
				 errhint("Use READ COMMITTED.")));
}

char *
required_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		refuse_null(fcinfo, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

char *
optional_text_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return NULL;
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

Jsonb *
required_jsonb(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		refuse_null(fcinfo, name);
	return PG_GETARG_JSONB_P(argument);
}

/*
 * First argument as the id of an execution.
 */
int64
required_execution_id(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		refuse_null(fcinfo, "execution_id");
	return PG_GETARG_INT64(0);
}

int
version_argument(FunctionCallInfo fcinfo, int argument)
{
	int			version;

	if (PG_ARGISNULL(argument))
		return 0;
	version = PG_GETARG_INT32(argument);
	if (version < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must be greater than zero, not %d", version),
				 errhint("Leave it out for the newest active version.")));
	return version;
}

char *
required_role_name(Oid role, const char *hint)
{
	char	   *name = GetUserNameFromId(role, true);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role),
				 hint != NULL ? errhint("%s", hint) : 0));
	return name;
}

/* In whatever letters: a look-alike would deceive who reads it. */
bool
is_reserved_name(const char *name)
{
	return pg_strncasecmp(name, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0;
}

void
refuse_reserved_name(const char *what, const char *name)
{
	if (is_reserved_name(name))
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("unacceptable %s name: \"%s\"", what, name),
				 errdetail("The prefix \"%s\" is reserved for the extension.", RESERVED_PREFIX),
				 errhint("Choose another name.")));
}

/*
 * With workflow.namespaces a new name is that of a schema in which the caller
 * may create things, a dot and more.  So those who share no schema share no
 * names.
 */
void
require_namespace(const char *what, const char *name)
{
	const char *dot = strchr(name, '.');
	char	   *schema;
	Oid			oid;

	if (!setting_namespaces)
		return;
	if (dot == NULL || dot == name || dot[1] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("unacceptable %s name: \"%s\"", what, name),
				 errdetail("With \"%s\" a name begins with that of a schema and a dot.", "workflow.namespaces"),
				 errhint("Use the name of a schema in which you may create objects.")));
	schema = pnstrdup(name, dot - name);
	oid = IsReservedName(schema) ? InvalidOid : get_namespace_oid(schema, true);
	if (!OidIsValid(oid) ||
		!compat_has_schema_privilege(oid, GetUserId(), ACL_CREATE))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s name \"%s\"", what, name),
				 errdetail("With \"%s\" it is for those who may create objects in schema \"%s\".",
						   "workflow.namespaces", schema),
				 errhint("Use the name of a schema in which you may create objects.")));
}

void
require_definition(const char *workflow, int version, Definition *definition)
{
	char	   *hint;

	if (definition_find(workflow, version, definition))
		return;
	if (version != 0 && definition_find(workflow, 0, definition))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("workflow \"%s\" has no version %d", workflow, version),
				 errhint("The newest is version %d; the table workflow.definitions lists all.", definition->version)));
	hint = hint_about_name(NAMED_WORKFLOW, workflow,
						   "The table workflow.definitions lists all there are; workflow.define() creates one.");
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("workflow \"%s\" does not exist", workflow),
			 errhint("%s", hint)));
}

int
priority_ceiling(Oid role)
{
	return Min(setting_max_priority, role_limits(role)->max_priority);
}

/*
 * A priority that somebody asks for.  That of a definition, which may be
 * another role's, is lowered to the caller's ceiling instead:
 * queue_execution().
 */
void
require_priority(int priority, Oid role)
{
	int			ceiling = priority_ceiling(role);

	if (priority < -MAX_PRIORITY || priority > MAX_PRIORITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("priority must be between %d and %d, not %d",
						-MAX_PRIORITY, MAX_PRIORITY, priority),
				 errhint("Leave it out for that of the definition.")));
	if (priority > ceiling)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("priority must not be higher than %d, not %d", ceiling, priority),
				 ceiling == setting_max_priority ?
				 errdetail("The ceiling is the setting \"%s\".", "workflow.max_priority") :
				 errdetail("The ceiling is that of role \"%s\" (workflow.set_role_limits()).",
						   GetUserNameFromId(role, false)),
				 errhint("Leave it out for that of the definition, or ask an administrator for a higher ceiling.")));
}

void
require_payload(const Jsonb *value, const char *argument, Oid role)
{
	int			limit = role_limits(role)->max_payload_bytes;
	Size		size = VARSIZE(value) - VARHDRSZ;

	if (size <= (Size) limit)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("argument \"%s\" is too large", argument),
			 errdetail("It has %zu bytes; the limit of role \"%s\" is %d.", size,
					   GetUserNameFromId(role, false), limit),
			 errhint("Keep the data in a table and hand over its key, or ask the owner of the extension for a higher limit (workflow.set_role_limits()).")));
}

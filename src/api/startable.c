/*-------------------------------------------------------------------------
 *
 * startable.c
 *	  Whether a role may start a workflow, and what lets it.
 *
 * NOTES
 *	  Runs in sessions and in executors that start executions of schedules, in
 *	  the caller's transaction.  Each check raises the error that names what is
 *	  missing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "shared/identity.h"
#include "shared/role_value.h"
#include "shared/trust.h"
#include "state/blocks.h"
#include "state/grants.h"
#include "state/owners.h"

const char *
role_argument(Oid role)
{
	char	   *name = OidIsValid(role) ? GetUserNameFromId(role, true) : NULL;

	return name != NULL ? quote_identifier(name) : EVERYBODY;
}

/* The call that lets a role start a workflow, for hints. */
static char *
grant_call(const char *workflow, Oid role)
{
	return psprintf("workflow.grant_execute(%s, %s)",
					quote_literal_cstr(workflow),
					quote_literal_cstr(role_argument(role)));
}

void
require_not_blocked(const Definition *definition, Oid starter)
{
	WorkflowBlock block;

	if (!definition->blocked || !block_find(definition->name, starter, &block))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("workflow \"%s\" is blocked", definition->name),
			 block.automatic ?
			 errdetail("WorkflowBlocked: at %s, automatically: %s.",
					   timestamptz_to_str(block.blocked_at), block.reason ? block.reason : "no reason") :
			 errdetail("WorkflowBlocked: at %s, by role \"%s\": %s.",
					   timestamptz_to_str(block.blocked_at), block.blocked_by,
					   block.reason ? block.reason : "no reason was given"),
			 errhint("workflow.unblock() lets it be started again.")));
}

/*
 * A workflow of a reserved name is the extension's: what another role's would
 * do, it would do as whoever starts it in good faith.  After a restore the
 * owner may be another superuser.
 */
static void
require_trusted(const char *asked, const Definition *definition)
{
	if ((is_reserved_name(asked) || is_reserved_name(definition->name)) &&
		definition->owner != extension_owner() &&
		!superuser_arg(definition->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("workflow \"%s\" has a name of the extension's and belongs to role \"%s\"",
						asked, role_shown_name(definition->owner)),
				 errdetail("Names with the prefix \"%s\" are reserved; this one was taken before they were.", RESERVED_PREFIX),
				 errhint("workflow.schedule_housekeeping() stores the extension's own version.")));
}

/*
 * Warn of a deprecated definition, once per transaction and definition in a
 * row: a bulk start must not drown the client in warnings.
 */
static void
warn_deprecated(const Definition *definition)
{
	static TimestampTz warned_at = 0;
	static int	warned_about = 0;

	if (warned_at == GetCurrentTransactionStartTimestamp() &&
		warned_about == definition->id)
		return;
	warned_at = GetCurrentTransactionStartTimestamp();
	warned_about = definition->id;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING_DEPRECATED_FEATURE),
			 errmsg("version %d of workflow \"%s\" is deprecated",
					definition->version, definition->name)));
}

/*
 * Nobody vouches any more for what would run with the rights of who starts it.
 */
static void
require_owner(const Definition *definition)
{
	char	   *owner;

	if (SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(definition->owner)))
		return;
	/* NULL: deleted this moment */
	owner = owner_of_workflow(definition->name);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("workflow \"%s\" cannot be started", definition->name),
			 errdetail("It belongs to role %s: there is no such role.",
					   owner != NULL ? owner : role_shown_name(definition->owner)),
			 errhint("A superuser or the owner of the extension can give it to another: SELECT workflow.set_owner(%s, '..').",
					 quote_literal_cstr(definition->name))));
}

/*
 * The newest version is what the owner has defined last, and would run as the
 * role.
 */
static void
require_trusted_owner(const Definition *definition, Oid role)
{
	if (owner_is_trusted(definition->owner, role))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("workflow \"%s\" cannot be started by role \"%s\" without a version",
					definition->name, role_shown_name(role)),
			 errdetail("It belongs to role \"%s\", which is not among \"%s\".",
					   role_shown_name(definition->owner), "workflow.trusted_owners"),
			 errhint("Look at the newest version, %d, and give its number, or add the owner to the setting.",
					 definition->version)));
}

void
require_may_start(const Definition *definition, Oid role)
{
	if (grants_allow(definition->name, definition->owner, role,
					 PRIVILEGE_START))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for workflow \"%s\"", definition->name),
			 errdetail("Role \"%s\" may not start it.", role_shown_name(role)),
			 errhint("Its owner, role \"%s\", lets it with SELECT %s.",
					 role_shown_name(definition->owner), grant_call(definition->name, role))));
}

void
require_startable(const char *workflow, int version, Oid role,
				  Definition *definition)
{
	require_definition(workflow, version, definition);
	require_trusted(workflow, definition);
	require_owner(definition);
	require_may_start(definition, role);
	require_not_blocked(definition, role);
	if (version == 0)
		require_trusted_owner(definition, role);

	if (definition->status == DEFINITION_ACTIVE)
		return;
	if (definition->status == DEFINITION_DEPRECATED)
	{
		warn_deprecated(definition);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("workflow \"%s\" cannot be started", workflow),
			 version == 0 ?
			 errdetail("It has no active version; the newest, version %d, has status \"%s\".",
					   definition->version, definition_status_name(definition->status)) :
			 errdetail("Version %d has status \"%s\".",
					   definition->version, definition_status_name(definition->status)),
			 errhint("Use workflow.set_status() to make a version active.")));
}

char *
help_to_begin(const char *workflow, Oid role, char *help)
{
	Definition	definition;
	WorkflowBlock block;

	if (!definition_find(workflow, 0, &definition))
		return help;
	if (!grants_allow(definition.name, definition.owner, role, PRIVILEGE_START))
		return psprintf("SELECT %s", grant_call(definition.name, role));
	if (!definition.blocked || !block_find(definition.name, role, &block))
		return help;
	return psprintf("SELECT workflow.unblock(%s)",
					quote_literal_cstr(definition.name));
}

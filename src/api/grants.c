/*-------------------------------------------------------------------------
 *
 * grants.c
 *	  workflow.grant_execute(), revoke_execute().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  A grant is the owner's to
 *	  give, whoever of its members gives it; there is no grant option: who is to
 *	  grant is made a member of the owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "state/grants.h"
#include "state/jsonb_text.h"
#include "state/owners.h"

extern PGDLLEXPORT Datum workflow_grant_execute(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_revoke_execute(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_grant_execute);
PG_FUNCTION_INFO_V1(workflow_revoke_execute);

/*
 * The arguments of both functions, of a workflow that the caller owns; it is
 * locked.
 */
typedef struct Request
{
	Definition	definition;
	Oid			role;			/* InvalidOid: all roles */
	Privilege	privilege;
} Request;

static Privilege
required_privilege(const char *name)
{
	const char *names[NUM_PRIVILEGES];

	for (int i = 0; i < NUM_PRIVILEGES; i++)
	{
		names[i] = privilege_name((Privilege) i);
		if (strcmp(name, names[i]) == 0)
			return (Privilege) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized privilege type: \"%s\"", name),
			 errhint("%s", hint_about_word(name, names, lengthof(names)))));
	pg_unreachable();
}

static void
require_may_grant(const char *workflow, Oid owner)
{
	if (!has_privs_of_role(GetUserId(), owner))
		refuse_foreign_owner("workflow", workflow, owner,
							 "Who may start, steer or see a workflow is said by its owner.");
}

static void
read_request(FunctionCallInfo fcinfo, Request *request)
{
	char	   *workflow = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Definition *definition = &request->definition;

	request->role = PG_GETARG_OID(1);
	request->privilege = required_privilege(
		text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (OidIsValid(request->role))
		(void) required_role_name(request->role, NULL);

	require_definition(workflow, 0, definition);
	require_may_grant(definition->name, definition->owner);
	/*
	 * what follows changes definitions, and with them what definition_find()
	 * gave
	 */
	definition->name = pstrdup(definition->name);
	/* as by lock_to_steer() */
	if (!owner_lock_workflow(definition->name, &definition->owner))
		require_definition(workflow, 0, definition);
	require_may_grant(definition->name, definition->owner);
}

static void
audit_request(const char *action, const Request *request)
{
	AuditEntry	entry = {.action = action,.subject_type = "workflow",.subject = request->definition.name};
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jsonb_push_text(&state, "role", role_argument(request->role));
	jsonb_push_text(&state, "privilege", privilege_name(request->privilege));
	entry.after = JsonbValueToJsonb(
		pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	audit(&entry);
}

/* Who revokes may think that the role can do it no more. */
static void
tell_what_is_left(const Request *request)
{
	const Definition *definition = &request->definition;

	if (!OidIsValid(request->role) ||
		(request->privilege != PRIVILEGE_SEE &&
		 has_privs_of_role(request->role, definition->owner)) ||
		!grants_allow(definition->name, definition->owner, request->role,
					  request->privilege))
		return;
	ereport(NOTICE,
			(errmsg("role \"%s\" may still %s workflow \"%s\"",
					GetUserNameFromId(request->role, false), privilege_name(request->privilege),
					definition->name),
			 errdetail("All roles may, or one whose rights it has."),
			 errhint("The table workflow.grants shows to whom it is granted; to revoke it from all: SELECT workflow.revoke_execute(%s, '%s'%s%s).",
					 quote_literal_cstr(definition->name), EVERYBODY,
					 request->privilege == PRIVILEGE_START ? "" : ", ",
					 request->privilege == PRIVILEGE_START ? "" : quote_literal_cstr(privilege_name(request->privilege)))));
}

/*
 * workflow.grant_execute(workflow text, role regrole, privilege text) returns
 * boolean
 */
Datum
workflow_grant_execute(PG_FUNCTION_ARGS)
{
	Request		request;
	bool		changed;

	read_request(fcinfo, &request);
	changed = grant_privilege(request.definition.name, request.role,
							  request.privilege);
	if (changed)
		audit_request("grant_execute", &request);
	PG_RETURN_BOOL(changed);
}

/*
 * workflow.revoke_execute(workflow text, role regrole, privilege text) returns
 * boolean
 */
Datum
workflow_revoke_execute(PG_FUNCTION_ARGS)
{
	Request		request;
	bool		changed;

	read_request(fcinfo, &request);
	changed = revoke_privilege(request.definition.name, request.role,
							   request.privilege);
	if (changed)
		audit_request("revoke_execute", &request);
	tell_what_is_left(&request);
	PG_RETURN_BOOL(changed);
}

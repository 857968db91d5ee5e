/*-------------------------------------------------------------------------
 *
 * role_limits.c
 *	  workflow.set_role_limits().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "shared/identity.h"
#include "state/jsonb_text.h"
#include "state/role_limits.h"

extern PGDLLEXPORT Datum workflow_set_role_limits(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_set_role_limits);

/*
 * An argument, NO_LIMIT for null; with an error unless it is from lowest to
 * highest.
 */
static int
limit_argument(FunctionCallInfo fcinfo, int argument, const char *name,
			   int lowest, int highest)
{
	int			value;

	if (PG_ARGISNULL(argument))
		return NO_LIMIT;
	value = PG_GETARG_INT32(argument);
	if (value < lowest || value > highest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %d and %d, not %d", name, lowest, highest, value),
				 errhint("Leave it out for no limit.")));
	return value;
}

static void
audit_limits(Oid role, const RoleLimits *limits)
{
	char	   *name = OidIsValid(role) ? GetUserNameFromId(role, false) : "-";
	AuditEntry	entry = {.action = "set_role_limits",.subject_type = "role",.subject = name};
	const struct
	{
		const char *name;
		int			value;
	}			each[] = {
		{"max_pending", limits->max_pending},
		{"max_running", limits->max_running},
		{"max_priority", limits->max_priority},
		{"max_payload_bytes", limits->max_payload_bytes},
		{"max_executors", limits->max_executors}
	};
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < (int) lengthof(each); i++)
		if (each[i].value != NO_LIMIT)
			jsonb_push_text(&state, each[i].name,
							psprintf("%d", each[i].value));
	entry.after = JsonbValueToJsonb(
		pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	audit(&entry);
}

/*
 * workflow.set_role_limits(role regrole, max_pending integer, max_running
 * integer, max_priority integer, max_payload_bytes integer, max_executors
 * integer) returns boolean
 */
Datum
workflow_set_role_limits(PG_FUNCTION_ARGS)
{
	Oid			role;
	RoleLimits	limits;
	bool		changed;

	if (!compat_owns_extension(workflow_extension_oid(), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of extension \"%s\"", EXTENSION_NAME)));
	if (PG_ARGISNULL(0))
		refuse_null(fcinfo, "role");
	role = PG_GETARG_OID(0);
	if (OidIsValid(role))
		(void) required_role_name(role, NULL);
	limits.max_pending = limit_argument(fcinfo, 1, "max_pending", 0, NO_LIMIT);
	limits.max_running = limit_argument(fcinfo, 2, "max_running", 0, NO_LIMIT);
	limits.max_priority = limit_argument(fcinfo, 3, "max_priority",
										 -MAX_PRIORITY, MAX_PRIORITY);
	limits.max_payload_bytes = limit_argument(fcinfo, 4, "max_payload_bytes", 0,
											  NO_LIMIT);
	limits.max_executors = limit_argument(fcinfo, 5, "max_executors", 0,
										  NO_LIMIT);

	changed = role_limits_set(role, &limits);
	if (changed)
		audit_limits(role, &limits);
	PG_RETURN_BOOL(changed);
}

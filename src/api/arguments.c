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
#include "utils/builtins.h"

#include "api/api.h"

/*
 * Raise the error for a null where there must be a value.
 */
static void
refuse_null(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" must not be null", name)));
}

char *
required_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		refuse_null(name);
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
		refuse_null(name);
	return PG_GETARG_JSONB_P(argument);
}

/*
 * First argument as the id of an execution.
 */
int64
required_execution_id(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		refuse_null("execution_id");
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
				 errmsg("version must be greater than zero, not %d", version)));
	return version;
}

void
require_definition(const char *workflow, int version, Definition *definition)
{
	if (definition_find(workflow, version, definition))
		return;
	if (version != 0 && definition_find(workflow, 0, definition))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("workflow \"%s\" has no version %d", workflow, version)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("workflow \"%s\" does not exist", workflow),
			 errhint("Use workflow.define() to create it.")));
}

/*
 * Warn of a deprecated definition, once per transaction and definition in a row:
 * a bulk start must not drown the client in warnings.
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

void
require_startable(const char *workflow, int version, Definition *definition)
{
	require_definition(workflow, version, definition);
	require_not_blocked(definition);

	if (strcmp(definition->status, "active") == 0)
		return;
	if (strcmp(definition->status, "deprecated") == 0)
	{
		warn_deprecated(definition);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("workflow \"%s\" cannot be started", workflow),
			 version == 0 ?
			 errdetail("It has no active version; the newest, version %d, has status \"%s\".",
					   definition->version, definition->status) :
			 errdetail("Version %d has status \"%s\".",
					   definition->version, definition->status),
			 errhint("Use workflow.set_status() to make a version active.")));
}

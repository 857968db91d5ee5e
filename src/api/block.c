/*-------------------------------------------------------------------------
 *
 * block.c
 *	  workflow.block() and unblock().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Executions that are queued
 *	  are not touched here: the scheduler finds the block when it claims them,
 *	  and makes them pending again when it is lifted.  A start at the same
 *	  moment may still queue an execution; it is found at its claim.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "shared/compat.h"
#include "shared/identity.h"
#include "shared/wake.h"
#include "state/blocks.h"
#include "state/grants.h"
#include "state/owners.h"

extern PGDLLEXPORT Datum workflow_block(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_unblock(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_block);
PG_FUNCTION_INFO_V1(workflow_unblock);

static void
check_may_block(const char *workflow, Oid owner)
{
	if (!has_privs_of_role(GetUserId(), owner) &&
		!compat_owns_extension(workflow_extension_oid(), GetUserId()))
		refuse_foreign_owner("workflow", workflow, owner,
							 "A workflow is blocked and unblocked by its owner or by the owner of extension \"pg_workflow\".");
}

/*
 * The workflow of the first argument, which the caller may block; it is locked.
 */
static void
require_may_block(FunctionCallInfo fcinfo, Definition *definition)
{
	char	   *workflow = required_text(fcinfo, 0, "workflow");
	Oid			owner = InvalidOid;

	require_definition(workflow, 0, definition);
	check_may_block(definition->name, definition->owner);
	/*
	 * what follows changes definitions, and with them what definition_find()
	 * gave
	 */
	definition->name = pstrdup(definition->name);
	/* as by lock_to_steer() */
	if (!owner_lock_workflow(definition->name, &owner))
		require_definition(workflow, 0, definition);
	check_may_block(definition->name, owner);
}

/*
 * workflow.block(workflow text, reason text) returns boolean
 */
Datum
workflow_block(PG_FUNCTION_ARGS)
{
	Definition	definition;
	bool		blocked;

	require_may_block(fcinfo, &definition);
	blocked = block_insert(definition.name, InvalidOid,
						   optional_text_argument(fcinfo, 1), GetUserId(), 0);
	if (blocked)
		wake_at_commit(WAKE_ADMISSION);
	PG_RETURN_BOOL(blocked);
}

/*
 * workflow.unblock(workflow text, reason text) returns boolean
 */
Datum
workflow_unblock(PG_FUNCTION_ARGS)
{
	Definition	definition;
	bool		lifted;

	require_may_block(fcinfo, &definition);
	lifted = block_lift(definition.name, optional_text_argument(fcinfo, 1),
						GetUserId());
	if (lifted)
		wake_at_commit(WAKE_ADMISSION);
	PG_RETURN_BOOL(lifted);
}

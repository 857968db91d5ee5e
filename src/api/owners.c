/*-------------------------------------------------------------------------
 *
 * owners.c
 *	  workflow.set_owner(), reassign_owned(), and what is said when a role that
 *	  something belongs to is dropped.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.
 *
 *	  The server knows nothing of what belongs to a role here, so DROP ROLE does
 *	  not refuse: what was the role's is nobody's then, and stays so until somebody
 *	  gives it to another role.
 *
 *	  Who takes over executions and schedules has SQL that another has written run
 *	  with its own rights, so it is asked of both, as by ALTER .. OWNER TO.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "api/owners.h"
#include "api/schedule.h"
#include "shared/identity.h"
#include "shared/role_value.h"
#include "shared/slots.h"
#include "state/cron_jobs.h"
#include "state/owners.h"

extern PGDLLEXPORT Datum workflow_set_owner(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_reassign_owned(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_set_owner);
PG_FUNCTION_INFO_V1(workflow_reassign_owned);

static bool
owns_extension(void)
{
	return compat_owns_extension(workflow_extension_oid(), GetUserId());
}

/* The caller may be the role, or an error: as the server asks of ALTER .. OWNER TO. */
static void
require_may_become(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));
	if (!compat_may_set_role(GetUserId(), role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be able to SET ROLE \"%s\"", name),
				 errhint("What a role is given runs with its rights, so who gives it must be a member of it.")));
}

static void
audit_owner(const char *action, const char *subject_type, const char *subject,
			const char *before, const char *after)
{
	AuditEntry	entry = {.action = action,.subject_type = subject_type,.subject = subject};

	entry.before = audit_object("owner", before);
	entry.after = audit_object("owner", after);
	audit(&entry);
}

/* The caller may give away what belongs to the owner, who may be gone. */
static void
require_may_give(const char *workflow, Oid owner)
{
	if (GetUserNameFromId(owner, true) == NULL ? !owns_extension() : !has_privs_of_role(GetUserId(), owner))
		refuse_foreign_owner("workflow", workflow, owner, NULL);
}

/*
 * workflow.set_owner(workflow text, role regrole) returns integer
 */
Datum
workflow_set_owner(PG_FUNCTION_ARGS)
{
	char	   *workflow = required_text(fcinfo, 0, "workflow");
	Oid			role = PG_GETARG_OID(1);
	Definition	definition;
	Oid			owner = InvalidOid;
	char	   *name;
	char	   *before;
	int64		versions;

	require_definition(workflow, 0, &definition);
	require_may_give(definition.name, definition.owner);
	require_may_become(role);
	if (!superuser_arg(role))
		refuse_reserved_name("workflow", definition.name);

	/* what follows changes definitions, and with them what definition_find() gave */
	name = pstrdup(definition.name);
	/* as by lock_to_steer() */
	if (!owner_lock_workflow(name, &owner))
		require_definition(name, 0, &definition);
	require_may_give(name, owner);
	before = owner_of_workflow(name);
	versions = owner_set_workflow(name, role);
	audit_owner("set_owner", "workflow", name, before, GetUserNameFromId(role, false));
	PG_RETURN_INT32((int32) versions);
}

/* Its job runs as the role from now on: pg_cron's of another role is replaced. */
static void
give_schedule(int id, Oid role)
{
	Schedule	schedule;

	if (!schedule_find_id(id, true, &schedule))
		return;
	if (cron_database() == NULL)
	{
		schedule.role = role;
		schedule_update(&schedule, true);
		ereport(NOTICE,
				(errmsg("schedule \"%s\" has no job, since the server has not loaded pg_cron", schedule.name),
				 errhint("Run SELECT workflow.sync_schedules() when it has.")));
		return;
	}
	schedule.role = role;
	if (schedule.enabled)
		schedule.next_run_at = schedule_realigned(&schedule, GetCurrentTimestamp(), false);
	schedule_write_job(&schedule, false);
	schedule_update(&schedule, true);
}

/*
 * workflow.reassign_owned(old_role workflow.role, new_role regrole) returns bigint
 */
Datum
workflow_reassign_owned(PG_FUNCTION_ARGS)
{
	Datum		value = PG_GETARG_DATUM(0);
	Oid			role = PG_GETARG_OID(1);
	Owner		owner;
	int			nschedules;
	int		   *schedules;
	int64		running;
	int64		count;

	if (role_value_present_name(value) == NULL)
	{
		if (!owns_extension())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for what belongs to role %s", role_value_shown_name(value)),
					 errdetail("There is no such role, so it is given to another by superusers and the owner of extension \"%s\".",
							   EXTENSION_NAME)));
	}
	else if (!has_privs_of_role(GetUserId(), role_value_oid(value)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for what belongs to role \"%s\"", role_value_shown_name(value)),
				 errhint("Have that role granted, or ask who has its rights.")));
	require_may_become(role);
	if (role_value_oid(value) == role)
		PG_RETURN_INT64(0);

	owner_find(value, &owner);
	/* executions first: the order in which locks are taken */
	count = owner_give(&owner, role, &running);
	nschedules = owner_schedules(&owner, &schedules);
	for (int i = 0; i < nschedules; i++)
	{
		CHECK_FOR_INTERRUPTS();
		give_schedule(schedules[i], role);
	}
	count += nschedules;
	if (count == 0 && running == 0 && owner.missing)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role %s does not exist, and nothing belongs to it", role_value_kept_name(value)),
				 errhint("The view workflow.owners shows what belongs to whom.")));
	if (running > 0)
		ereport(NOTICE,
				(errmsg("%lld executions of role \"%s\" run this moment and stay its own",
						(long long) running, owner.name),
				 errhint("Call workflow.reassign_owned() again when they have ended.")));
	audit_owner("reassign_owned", "role", owner.name, owner.name, GetUserNameFromId(role, false));
	wake_at_commit(WAKE_PENDING | WAKE_ADMISSION);
	PG_RETURN_INT64(count);
}

/* --- DROP ROLE --- */

void
owners_note_dropped(List **dropped, const char *name)
{
	Oid			role = name != NULL ? get_role_oid(name, true) : InvalidOid;
	Owner	   *owner;

	if (!OidIsValid(role) || !library_fits())
		return;
	owner = palloc0(sizeof(Owner));
	owner->name = pstrdup(name);
	owner->nidentities = 1;
	owner->identities = palloc(sizeof(Oid));
	owner->identities[0] = role;
	*dropped = lappend(*dropped, owner);
}

void
owners_warn_dropped(const List *dropped)
{
	ListCell   *cell;

	foreach(cell, dropped)
	{
		const Owner *owner = (const Owner *) lfirst(cell);
		char	   *shown;
		char	   *what = owner_describe(owner, &shown);

		if (what != NULL)
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("role \"%s\" owned %s of pg_workflow in this database", owner->name, what),
					 errdetail("That is nobody's now, and cannot be run."),
					 errhint("Give it to another role: SELECT workflow.reassign_owned(%s, '..').", quote_literal_cstr(shown))));
	}
}

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
 *	  not refuse: what was the role's is nobody's then, and stays so until
 *	  somebody gives it to another role.
 *
 *	  Who takes over executions and schedules has SQL that another has written
 *	  run with its own rights, so it is asked of both, as by ALTER .. OWNER TO.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "api/owners.h"
#include "api/schedule.h"
#include "shared/identity.h"
#include "shared/role_value.h"
#include "shared/wake.h"
#include "state/attempt.h"
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

/*
 * The caller may be the role, or an error: as the server asks of ALTER .. OWNER
 * TO.
 */
static void
require_may_become(Oid role)
{
	char	   *name = required_role_name(role, NULL);

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
	if (GetUserNameFromId(owner, true) == NULL ?
			!owns_extension() :
			!has_privs_of_role(GetUserId(), owner))
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

	/*
	 * what follows changes definitions, and with them what definition_find()
	 * gave
	 */
	name = pstrdup(definition.name);
	/* as by lock_to_steer() */
	if (!owner_lock_workflow(name, &owner))
		require_definition(name, 0, &definition);
	require_may_give(name, owner);
	before = owner_of_workflow(name);
	versions = owner_set_workflow(name, role);
	if (owner != role)
		audit_owner("set_owner", "workflow", name, before,
					required_role_name(role, NULL));
	PG_RETURN_INT32((int32) versions);
}

/* Its job runs as the role from now on: pg_cron's of the giver is replaced. */
static void
give_schedule(int id, Oid role, const char *giver)
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
		schedule.next_run_at = schedule_realigned(&schedule,
												  GetCurrentTimestamp(), false);
	schedule_give_job(&schedule, giver);
	schedule_update(&schedule, true);
}

static void
step_give(void *argument)
{
	owner_give(argument);
}

/*
 * Others start executions meanwhile: one with a key that the owner has used is
 * seen once it is committed, and keeps the key.  Each can come in between once
 * only.
 */
static void
give(Gift *gift)
{
	ErrorData  *error;

	while ((error = attempt(step_give, gift)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION ||
			error->constraint_name == NULL ||
			strcmp(error->constraint_name, IDEMPOTENCY_KEY_INDEX) != 0)
			ReThrowError(error);
		if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update"),
					 errdetail("An execution with the same idempotency key was started meanwhile."),
					 errhint("The transaction might succeed if retried.")));
		FreeErrorData(error);
	}
}

static void
require_may_give_all(Datum old_role)
{
	if (role_value_present_name(old_role) == NULL)
	{
		if (!owns_extension())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for what belongs to role %s", role_value_shown_name(old_role)),
					 errdetail("There is no such role, so it is given to another by superusers and the owner of extension \"%s\".",
							   EXTENSION_NAME)));
	}
	else if (!has_privs_of_role(GetUserId(), role_value_oid(old_role)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for what belongs to role \"%s\"", role_value_shown_name(old_role)),
				 errhint("Have that role granted, or ask who has its rights.")));
}

/* What was not given, and may have been meant. */
static void
tell_left(const Gift *gift)
{
	const Owner *owner = &gift->owner;
	char	   *namesakes = owner->missing || !owns_extension() ?
		NULL :
		owner_namesakes(owner->name);

	if (gift->running > 0)
		ereport(NOTICE,
				(errmsg("%lld executions of role \"%s\" run this moment and stay its own",
						(long long) gift->running, owner->name),
				 errhint("Call workflow.reassign_owned() again when they have ended.")));
	if (gift->left != NULL)
		ereport(NOTICE,
				(errmsg("what is the extension's stays with role \"%s\": %s", owner->name, gift->left),
				 errhint("It can be given to superusers. Another role may unschedule what does the "
						 "housekeeping, and call workflow.schedule_housekeeping() itself.")));
	if (namesakes != NULL)
		ereport(NOTICE,
				(errmsg("what belongs to another role \"%s\", which does not exist any more, is not given: %s",
						owner->name, namesakes),
				 errhint("To give that, use this name, in quotes, as the view workflow.owners shows it.")));
}

/* A role that does not exist, as the caller will have written it. */
static char *
written_name(Datum value)
{
	char	   *name = role_value_kept_name(value);
	char	   *shown = role_value_shown_name(value);

	return strcmp(shown + strlen(name), ROLE_MISSING ")") == 0 ? name : shown;
}

/*
 * workflow.reassign_owned(old_role workflow.role, new_role regrole) returns
 * bigint
 */
Datum
workflow_reassign_owned(PG_FUNCTION_ARGS)
{
	Datum		old_role = PG_GETARG_DATUM(0);
	Gift		gift = {.role = PG_GETARG_OID(1)};
	const Owner *owner = &gift.owner;
	int			nschedules;
	int		   *schedules;

	require_may_give_all(old_role);
	require_may_become(gift.role);
	if (role_value_oid(old_role) == gift.role)
		PG_RETURN_INT64(0);

	owner_find(old_role, &gift.owner);
	gift.reserved = superuser_arg(gift.role);
	/* executions first: the order in which locks are taken */
	give(&gift);
	nschedules = owner_schedules(&gift, &schedules);
	for (int i = 0; i < nschedules; i++)
	{
		CHECK_FOR_INTERRUPTS();
		give_schedule(schedules[i], gift.role,
					  owner->missing ? role_value_kept_name(old_role) :
									   owner->name);
	}
	gift.count += nschedules;
	if (gift.count == 0 && gift.left == NULL && owner->missing)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role %s does not exist, and nothing belongs to it", written_name(old_role)),
				 errhint("The view workflow.owners shows what belongs to whom.")));
	tell_left(&gift);
	if (gift.count > 0)
	{
		audit_owner("reassign_owned", "role", owner->name, owner->name,
					required_role_name(gift.role, NULL));
		wake_at_commit(WAKE_PENDING | WAKE_ADMISSION | WAKE_CONTROL);
	}
	PG_RETURN_INT64(gift.count);
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

/*-------------------------------------------------------------------------
 *
 * dead_letter.c
 *	  workflow.replay(), discard(): what becomes of executions that failed for
 *	  good; replay_help(), replay_possible(): whether and how that can be done.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  The row of a dead letter
 *	  is locked only while no execution that replays it can run: an execution's
 *	  end needs the lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "api/api.h"
#include "shared/compat.h"
#include "state/dead_letters.h"
#include "state/executions.h"
#include "state/grants.h"
#include "state/owners.h"

extern PGDLLEXPORT Datum workflow_replay(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_discard(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_replay_help(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_replay_possible(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_replay);
PG_FUNCTION_INFO_V1(workflow_discard);
PG_FUNCTION_INFO_V1(workflow_replay_help);
PG_FUNCTION_INFO_V1(workflow_replay_possible);

/* First argument as the number of a dead letter. */
static int64
required_dead_letter_id(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		refuse_null(fcinfo, "dead_letter_id");
	return PG_GETARG_INT64(0);
}

static void
refuse_unknown(int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("dead letter %lld does not exist", (long long) id),
			 errhint("The view workflow.dead_letter_status lists those role \"%s\" may see; the number of an execution is not that of its dead letter.",
					 GetUserNameFromId(GetUserId(), false))));
}

static bool
steers_letter(const DeadLetter *letter)
{
	return grants_allow(letter->workflow, letter->definition_owner, GetUserId(),
						PRIVILEGE_STEER);
}

/* As with executions, see refuse_foreign_execution(). */
static void
refuse(const DeadLetter *letter, const char *detail)
{
	if (!steers_letter(letter) && !may_see(letter->role, letter->workflow))
		refuse_unknown(letter->id);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for dead letter %lld", (long long) letter->id),
			 errdetail_internal("%s", detail),
			 errhint("The view workflow.dead_letter_status shows whose it is: use SET ROLE, or have that role granted.")));
}

/* Read a dead letter that the caller may replay. */
static void
require_may_replay(int64 id, DeadLetter *letter)
{
	if (!dead_letter_find(id, false, letter))
		refuse_unknown(id);
	if (!compat_may_act_as(GetUserId(), letter->role))
		refuse(letter, "A dead letter is replayed as the role that started the execution, by who may be that role.");
}

/* A dead letter or its workflow belongs to a role that does not exist. */
typedef struct Nobody
{
	char	   *detail;
	char	   *help;			/* the statement that gives it to another */
} Nobody;

/*
 * Is there somebody to replay it as, and somebody who vouches for the workflow?
 * The one rule, for replay() and for who advises it.
 */
static bool
is_nobodys(const DeadLetter *letter, Nobody *nobody)
{
	Definition	definition;

	if (GetUserNameFromId(letter->role, true) == NULL)
	{
		char	   *role = dead_letter_role_name(letter->id);

		nobody->detail =
			psprintf("It belongs to role %s: there is no such role.", role);
		nobody->help = psprintf("SELECT workflow.reassign_owned(%s, '..')",
								quote_literal_cstr(role));
		return true;
	}
	if (definition_find(letter->workflow, 0, &definition) &&
		GetUserNameFromId(definition.owner, true) == NULL)
	{
		nobody->detail = psprintf("Its workflow belongs to role %s: there is no such role.",
								  owner_of_workflow(letter->workflow));
		nobody->help = psprintf("SELECT workflow.set_owner(%s, '..')",
								quote_literal_cstr(letter->workflow));
		return true;
	}
	return false;
}

/*
 * What it would be replayed with is gone; and what it did in the world perhaps
 * not.
 */
static void
require_not_erased(const DeadLetter *letter)
{
	if (letter->erased)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("dead letter %lld cannot be replayed", (long long) letter->id),
				 errdetail("What its execution worked with was taken out by workflow.erase()."),
				 errhint("Start another execution with workflow.start().")));
}

static void
require_somebodys(const DeadLetter *letter)
{
	Nobody		nobody;

	if (is_nobodys(letter, &nobody))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("dead letter %lld cannot be replayed", (long long) letter->id),
				 errdetail_internal("%s", nobody.detail),
				 errhint("Give it to another role: %s.", nobody.help)));
}

/* Read a dead letter that the caller may discard. */
static void
require_may_discard(int64 id, DeadLetter *letter)
{
	if (!dead_letter_find(id, false, letter))
		refuse_unknown(id);
	if (!has_privs_of_role(GetUserId(), letter->role) && !steers_letter(letter))
		refuse(letter, "A dead letter is discarded by the role that started the execution, the owner of its workflow, or whom that lets steer it.");
}

/*
 * Is there nothing to replay?  Then the execution that does it, or has done it,
 * is returned; 0: go on.
 */
static int64
already_replayed(const DeadLetter *letter)
{
	ExecutionState failed;

	require_not_erased(letter);
	if (letter->status == LETTER_DISCARDED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("dead letter %lld has been discarded", (long long) letter->id),
				 errhint("Use workflow.start() to run the workflow again.")));
	if (letter->status == LETTER_REPLAYED)
	{
		ereport(NOTICE,
				(errmsg("dead letter %lld has already been replayed, by execution %lld",
						(long long) letter->id, (long long) letter->replay_execution_id)));
		return letter->replay_execution_id;
	}
	if (letter->status == LETTER_REPLAYING)
	{
		ereport(NOTICE,
				(errmsg("dead letter %lld is being replayed, by execution %lld",
						(long long) letter->id, (long long) letter->replay_execution_id)));
		return letter->replay_execution_id;
	}
	/* the failed execution itself may be going on */
	if (execution_lock(letter->execution_id, &failed) &&
		!execution_status_is_final(failed.status))
	{
		ereport(NOTICE,
				(errmsg("dead letter %lld is being replayed, by execution %lld",
						(long long) letter->id, (long long) letter->execution_id)));
		return letter->execution_id;
	}
	return 0;
}

/* Write who replayed it, by which execution, or discarded it. */
static void
audit_letter(const char *action, const DeadLetter *letter, int64 replay,
			 const char *reason)
{
	AuditEntry	entry = {.action = action,.subject_type = "dead_letter",
		.execution_id = letter->execution_id,.reason = reason};

	entry.subject = psprintf(INT64_FORMAT, letter->id);
	if (replay != 0)
		entry.after = DatumGetJsonbP(DirectFunctionCall1(
			jsonb_in,
			CStringGetDatum(psprintf("{\"replay_execution_id\": " INT64_FORMAT
									 "}",
									 replay))));
	audit(&entry);
}

/*
 * workflow.replay(dead_letter_id bigint, input jsonb, version integer) returns
 * bigint
 */
Datum
workflow_replay(PG_FUNCTION_ARGS)
{
	int64		id = required_dead_letter_id(fcinfo);
	int			version = version_argument(fcinfo, 2);
	DeadLetter	letter;
	Definition	definition;
	NewExecution new;
	int64		replay;

	require_may_replay(id, &letter);
	replay = already_replayed(&letter);
	if (replay != 0)
		PG_RETURN_INT64(replay);
	/*
	 * others may have been faster, or have given it to another role; the
	 * execution that failed is locked
	 */
	if (!dead_letter_find(id, true, &letter))
		refuse_unknown(id);
	require_may_replay(id, &letter);
	replay = already_replayed(&letter);
	if (replay != 0)
		PG_RETURN_INT64(replay);

	require_somebodys(&letter);
	require_startable(letter.workflow, version, letter.role, &definition);
	memset(&new, 0, sizeof(new));
	new.definition = &definition;
	new.role = letter.role;
	new.priority = letter.priority;
	new.tenant = letter.tenant;
	new.input = PG_ARGISNULL(1) ? letter.input : PG_GETARG_JSONB_P(1);
	replay = queue_execution(&new);
	dead_letter_replaying(id, replay, GetUserId());
	audit_letter("replay", &letter, replay, NULL);
	PG_RETURN_INT64(replay);
}

/*
 * workflow.discard(dead_letter_id bigint, reason text) returns text
 */
Datum
workflow_discard(PG_FUNCTION_ARGS)
{
	int64		id = required_dead_letter_id(fcinfo);
	char	   *reason = optional_text_argument(fcinfo, 1);
	Oid			caller = GetUserId();
	DeadLetter	letter;

	require_may_discard(id, &letter);
	if (letter.status == LETTER_PENDING)
	{
		if (!dead_letter_find(id, true, &letter))
			refuse_unknown(id);
		/* as by lock_to_steer() */
		AcceptInvalidationMessages();
		require_may_discard(id, &letter);
	}
	switch (letter.status)
	{
		case LETTER_REPLAYING:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("dead letter %lld is being replayed, by execution %lld",
							(long long) id, (long long) letter.replay_execution_id),
					 errhint("Wait for the execution to end, or use workflow.cancel().")));
			break;
		case LETTER_REPLAYED:
			ereport(NOTICE,
					(errmsg("dead letter %lld has already been replayed, by execution %lld",
							(long long) id, (long long) letter.replay_execution_id)));
			break;
		case LETTER_DISCARDED:
			break;
		case LETTER_PENDING:
			dead_letter_discard(id, caller, reason);
			audit_letter("discard", &letter, 0, reason);
			letter.status = LETTER_DISCARDED;
			break;
	}
	PG_RETURN_TEXT_P(cstring_to_text(dead_letter_status_name(letter.status)));
}

/*
 * workflow.replay_help(dead_letter_id bigint) returns text
 *
 * Also for who only looks on.
 */
Datum
workflow_replay_help(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	DeadLetter	letter;
	Nobody		nobody;
	char	   *help;

	if (!dead_letter_find(id, false, &letter) ||
		letter.status != LETTER_PENDING ||
		!may_see(letter.role, letter.workflow))
		PG_RETURN_NULL();
	if (is_nobodys(&letter, &nobody))
		help = psprintf("-- %s; then SELECT workflow.replay(%lld)", nobody.help,
						(long long) id);
	else
		help = help_to_begin(letter.workflow, letter.role,
							 psprintf("SELECT workflow.replay(%lld)",
									  (long long) id));
	PG_RETURN_TEXT_P(cstring_to_text(help));
}

/*
 * workflow.replay_possible(dead_letter_id bigint) returns boolean
 */
Datum
workflow_replay_possible(PG_FUNCTION_ARGS)
{
	int64		id = PG_GETARG_INT64(0);
	DeadLetter	letter;
	Nobody		nobody;

	if (!dead_letter_find(id, false, &letter) ||
		!compat_may_act_as(GetUserId(), letter.role))
		PG_RETURN_BOOL(false);
	if (!is_nobodys(&letter, &nobody))
		PG_RETURN_BOOL(true);
	if (is_first_left_out(fcinfo))
		ereport(NOTICE,
				(errmsg("dead letter %lld cannot be replayed, and is left out", (long long) id),
				 errdetail_internal("%s", nobody.detail),
				 errhint("Give it to another role: %s. Others may be left out as well: the view workflow.owners shows what belongs to whom.",
						 nobody.help)));
	PG_RETURN_BOOL(false);
}

/*-------------------------------------------------------------------------
 *
 * erase.c
 *	  workflow.erase(): an execution stays, what it worked with goes.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Locks the rows of the
 *	  executions, in the order of their numbers, then that of their dead letter,
 *	  as replay() and the ends of executions do.  Before, it waits for executors
 *	  that are still on their way out of an execution that has ended: what they
 *	  write has payloads, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "api/steer.h"
#include "shared/clock.h"
#include "shared/identity.h"
#include "shared/slots.h"
#include "state/dead_letters.h"
#include "state/erasure.h"

extern PGDLLEXPORT Datum workflow_erase(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_erase);

/*
 * How long executors may take to leave an execution that has ended, and how
 * often it is looked, ms.
 */
#define PATIENCE_MS 5000
#define LOOK_EVERY_MS 5

/*
 * What happens to an execution's data is for who may give it: not for who
 * steers.
 */
static void
require_may_erase(const ExecutionState *state)
{
	if (!has_privs_of_role(GetUserId(), state->role))
		refuse_foreign_execution(state->id, state->role, may_steer(state) || may_see(state->role, state->workflow),
								 "An execution is erased by who has the rights of the role that started it.");
}

static void
require_ended(int64 asked, const ExecutionState *state)
{
	if (execution_status_is_final(state->status))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("execution %lld cannot be erased", (long long) asked),
			 asked == state->id ?
			 errdetail("Its status is \"%s\".", execution_status_name(state->status)) :
			 errdetail("Execution %lld, which works with the same data, has status \"%s\".",
					   (long long) state->id, execution_status_name(state->status)),
			 errhint("Wait for its end, or use workflow.cancel().")));
}

/*
 * Those there are of the executions: may they be erased?  Returns how many
 * there are.
 */
static int
require_erasable(int64 asked, const Erasure *erasure, bool lock)
{
	int			count = 0;

	for (int i = 0; i < erasure->count; i++)
	{
		ExecutionState state;

		CHECK_FOR_INTERRUPTS();
		if (!(lock ? execution_lock(erasure->ids[i], &state) :
					 execution_read(erasure->ids[i], &state)))
			continue;
		require_may_erase(&state);
		require_ended(asked, &state);
		count++;
	}
	return count;
}

/*
 * The dead letter, which may have outlived its execution.  Returns whether it
 * is there.
 */
static bool
require_erasable_letter(int64 asked, const Erasure *erasure, bool lock,
						DeadLetter *letter)
{
	if (erasure->letter == 0 ||
		!dead_letter_find(erasure->letter, lock, letter))
		return false;
	if (!has_privs_of_role(GetUserId(), letter->role))
		refuse_foreign_execution(asked, letter->role,
								 may_see(letter->role, letter->workflow), NULL);
	return true;
}

static void
wait_for_executors(int64 asked, const Erasure *erasure)
{
	TimestampTz until = TimestampTzPlusMilliseconds(steady_now(), PATIENCE_MS);

	for (int i = 0; i < erasure->count; i++)
	{
		pid_t		pid;

		while ((pid = slot_at_work(erasure->ids[i])) != 0)
		{
			if (steady_now() >= until)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_IN_USE),
						 errmsg("execution %lld cannot be erased yet", (long long) asked),
						 errdetail("Process %d is still at work for it.", (int) pid),
						 errhint("Try again when the view workflow.activity does not show it any more.")));
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 LOOK_EVERY_MS, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	}
}

/* Who did it, when and why is said of each of them. */
static void
audit_erasure(const Erasure *erasure, const char *reason)
{
	for (int i = 0; i < erasure->count; i++)
	{
		AuditEntry	entry = {.action = "erase",.subject_type = "execution",
			.execution_id = erasure->ids[i],.reason = reason};

		entry.subject = psprintf(INT64_FORMAT, erasure->ids[i]);
		audit(&entry);
	}
}

/*
 * workflow.erase(execution_id bigint, reason text) returns bigint
 */
Datum
workflow_erase(PG_FUNCTION_ARGS)
{
	int64		id = required_execution_id(fcinfo);
	char	   *reason = optional_text_argument(fcinfo, 1);
	Erasure		erasure;
	Erasure		now;
	DeadLetter	letter;
	bool		has_letter;
	bool		exists;
	int64		rows;

	/* it would miss what was written after the snapshot */
	require_read_committed("workflow.erase()");

	/*
	 * rights first: who has none does not wait, nor hold up who needs the locks
	 */
	erasure_find(id, &erasure);
	exists = require_erasable(id, &erasure, false) > 0;
	exists |= require_erasable_letter(id, &erasure, false, &letter);
	/*
	 * of one that was pruned the audit log is left, and nobody knows whose it
	 * was
	 */
	if (!exists && GetUserId() != extension_owner() && !superuser())
		refuse_unknown_execution(id);
	wait_for_executors(id, &erasure);
	(void) require_erasable(id, &erasure, true);
	has_letter = require_erasable_letter(id, &erasure, true, &letter);
	erasure_find(id, &now);
	if (!erasure_same(&erasure, &now))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("execution %lld cannot be erased", (long long) id),
				 errdetail("Its dead letter has been replayed or deleted this moment."),
				 errhint("Try again.")));

	/* it cannot be replayed any more: nobody has to decide */
	if (has_letter && letter.status == LETTER_PENDING)
		dead_letter_discard(letter.id, GetUserId(), NULL);
	rows = erasure_do(&erasure);
	if (rows > 0)
		audit_erasure(&erasure, reason);
	else if (!exists)
		refuse_unknown_execution(id);
	PG_RETURN_INT64(rows);
}

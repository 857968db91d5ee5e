/*-------------------------------------------------------------------------
 *
 * executors.c
 *	  workflow.drain_executor(), recycle_executor(), drain(), undrain(),
 *	  drained().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  What concerns single
 *	  executors is put into their slots when the transaction commits, and is not
 *	  durable: an executor is not either.  The drain of the database is a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "shared/compat.h"
#include "shared/databases.h"
#include "shared/identity.h"
#include "shared/slots.h"
#include "shared/wake.h"
#include "state/drain.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_drain_executor(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_recycle_executor(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_drain(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_undrain(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_drained(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_drain_changed(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_drain_executor);
PG_FUNCTION_INFO_V1(workflow_recycle_executor);
PG_FUNCTION_INFO_V1(workflow_drain);
PG_FUNCTION_INFO_V1(workflow_undrain);
PG_FUNCTION_INFO_V1(workflow_drained);
PG_FUNCTION_INFO_V1(workflow_drain_changed);

/* What is to be asked at commit. */
typedef struct PendingRequest
{
	int			slot;
	uint32		generation;
	SubTransactionId subtransaction;
	ExitRequest request;
} PendingRequest;

static List *pending = NIL;		/* in TopTransactionContext */
static bool callbacks_registered = false;

/* --- at the end of the transaction --- */

static void
at_transaction_end(XactEvent event, void *argument pg_attribute_unused())
{
	ListCell   *cell;

	if (pending == NIL)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			foreach(cell, pending)
			{
				PendingRequest *request = lfirst(cell);

				(void) slot_ask(request->slot, request->generation,
								&request->request);
			}
			pending = NIL;
			break;
		case XACT_EVENT_ABORT:
			pending = NIL;
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has asked workflow executors to leave")));
			break;
		default:
			break;
	}
}

/* What was asked for in a subtransaction that is rolled back is not asked. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent,
					  void *argument pg_attribute_unused())
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	foreach(cell, pending)
	{
		PendingRequest *request = lfirst(cell);

		if (request->subtransaction != mine)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			request->subtransaction = parent;
		else
			pending = foreach_delete_current(pending, cell);
	}
}

static void
ask_at_commit(int slot, uint32 generation, ExitReason reason, const char *text)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	PendingRequest *request = palloc0(sizeof(PendingRequest));

	if (!callbacks_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		callbacks_registered = true;
	}
	request->slot = slot;
	request->generation = generation;
	request->subtransaction = GetCurrentSubTransactionId();
	request->request.reason = reason;
	request->request.requested_by = GetUserId();
	request->request.requested_at = GetCurrentTimestamp();
	if (text != NULL)
		strlcpy(request->request.text, text,
				pg_mbcliplen(text, strlen(text),
							 sizeof(request->request.text) - 1) +
					1);
	pending = lappend(pending, request);
	MemoryContextSwitchTo(oldcontext);
}

/* --- single executors --- */

/* May the caller send an executor home? */
static bool
may_dismiss(Oid database, Oid role)
{
	Oid			caller = GetUserId();

	if (has_privs_of_role(caller, role))
		return true;
	if (database == MyDatabaseId &&
		compat_owns_extension(workflow_extension_oid(), caller))
		return true;
	/* as for pg_terminate_backend() */
	return has_privs_of_role(caller, ROLE_PG_SIGNAL_BACKEND) &&
		!superuser_arg(role);
}

/* Find an executor by its process; -1: there is none. */
static int
find_slot(int pid, uint32 *generation, Oid *database, Oid *role,
		  const char **state)
{
	for (int i = 0; registry != NULL && pid > 0 && i < registry->nslots; i++)
	{
		Slot	   *slot = &registry->slots[i];
		bool		found;

		SpinLockAcquire(&slot->mutex);
		found = slot->state != SLOT_FREE && slot->pid == pid;
		*generation = slot->generation;
		*database = slot->database;
		*role = slot->role;
		*state = slot_state_name(slot->state, slot->trouble, slot->exit_requested);
		SpinLockRelease(&slot->mutex);
		if (found)
			return i;
	}
	return -1;
}

static bool
dismiss(FunctionCallInfo fcinfo, ExitReason reason, const char *action)
{
	char	   *text = optional_text_argument(fcinfo, 1);
	AuditEntry	entry = {.action = action,.subject_type = "executor",.reason = text};
	const char *state;
	uint32		generation;
	Oid			database;
	Oid			role;
	int			pid;
	int			slot;

	state_check_installation();
	if (PG_ARGISNULL(0))
		refuse_null(fcinfo, "pid");
	pid = PG_GETARG_INT32(0);
	slot = find_slot(pid, &generation, &database, &role, &state);
	if (slot < 0)
	{
		ereport(WARNING,
				(errmsg("PID %d is not a workflow executor", pid)));
		return false;
	}
	if (!may_dismiss(database, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for workflow executor with PID %d", pid),
				 errdetail("An executor is sent home by the role it runs as, members of \"%s\", or the owner of the extension.",
						   "pg_signal_backend")));
	entry.subject = psprintf("%d", pid);
	entry.before = audit_object("state", state);
	entry.after = audit_object("state", "draining");
	audit(&entry);
	ask_at_commit(slot, generation, reason, text);
	return true;
}

/*
 * workflow.drain_executor(pid integer, reason text) returns boolean
 */
Datum
workflow_drain_executor(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dismiss(fcinfo, EXIT_DRAIN, "drain_executor"));
}

/*
 * workflow.recycle_executor(pid integer, reason text) returns boolean
 */
Datum
workflow_recycle_executor(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dismiss(fcinfo, EXIT_RECYCLE, "recycle_executor"));
}

/* --- the database --- */

static void
audit_drain(const char *action, const char *reason, DrainMode before,
			DrainMode after)
{
	AuditEntry	entry = {.action = action,.subject_type = "database",.reason = reason};

	entry.subject = get_database_name(MyDatabaseId);
	entry.before = audit_object("drain", drain_mode_name(before));
	entry.after = audit_object("drain", drain_mode_name(after));
	audit(&entry);
}

/*
 * workflow.drain(reason text, mode text) returns void
 */
Datum
workflow_drain(PG_FUNCTION_ARGS)
{
	char	   *reason = optional_text_argument(fcinfo, 0);
	char	   *name = required_text(fcinfo, 1, "mode");
	static const char *const modes[] = {"executions", "steps"};
	DrainState	before;
	DrainMode	mode;

	if (!drain_mode_find(name, &mode))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid mode \"%s\"", name),
				 errhint("%s", hint_about_word(name, modes, lengthof(modes)))));
	drain_read(&before);
	drain_set(mode, reason);
	audit_drain("drain", reason, before.mode, mode);
	PG_RETURN_VOID();
}

/*
 * workflow.undrain(reason text) returns void
 */
Datum
workflow_undrain(PG_FUNCTION_ARGS)
{
	char	   *reason = optional_text_argument(fcinfo, 0);
	DrainState	before;

	drain_read(&before);
	if (drain_clear())
		audit_drain("undrain", reason, before.mode, DRAIN_NONE);
	PG_RETURN_VOID();
}

/*
 * workflow.drain_changed() returns trigger
 *
 * For each statement that writes workflow.database_state, a restore's among
 * them: the scheduler is to look when it has committed.
 */
Datum
workflow_drain_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "workflow.drain_changed")));
	wake_at_commit(WAKE_DRAIN | WAKE_PENDING);
	PG_RETURN_POINTER(NULL);
}

/*
 * workflow.drained() returns boolean
 */
Datum
workflow_drained(PG_FUNCTION_ARGS)
{
	DrainState	state;

	drain_read(&state);
	PG_RETURN_BOOL(state.mode != DRAIN_NONE &&
				   database_is_drained(MyDatabaseId, state.mode) &&
				   (state.mode == DRAIN_STEPS || !executions_under_way()));
}

/*-------------------------------------------------------------------------
 *
 * permission_hints.c
 *	  Says what helps where a role may not call a function of the extension.
 *
 * NOTES
 *	  Sessions.  Who may call what is in the functions' privileges alone, so
 *	  that GRANT EXECUTE works as for any other; it is the server that refuses,
 *	  when a statement begins.  Its error passes through here on its way out.
 *	  The transaction has failed by then, so no catalog is asked: what is known
 *	  is the text of the query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"

#include "api/api.h"
#include "api/permission_hints.h"

#define OUR_SCHEMA "workflow."

static ExecutorStart_hook_type previous_executor_start = NULL;

static void workflow_executor_start(QueryDesc *query, int flags);

void
install_permission_hints(void)
{
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = workflow_executor_start;
}

static void
start_executor(QueryDesc *query, int flags)
{
	if (previous_executor_start)
		previous_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

/*
 * ExecutorStart_hook: where the functions of a query are looked up, and
 * refused.
 */
static void
workflow_executor_start(QueryDesc *query, int flags)
{
	MemoryContext context = CurrentMemoryContext;

	if (compat_is_background_worker())
	{
		/* steps pay nothing for it */
		start_executor(query, flags);
		return;
	}
	PG_TRY();
	{
		start_executor(query, flags);
	}
	PG_CATCH();
	{
		rethrow_with_permission_hint(query->sourceText, context);
	}
	PG_END_TRY();
}

/*
 * The routine that the query calls as ours and the message names, NULL: none.
 */
static char *
refused_routine(const char *query, const char *message)
{
	for (const char *at = strstr(query, OUR_SCHEMA); at != NULL;
		 at = strstr(at, OUR_SCHEMA))
	{
		size_t		length;
		char	   *name;

		at += strlen(OUR_SCHEMA);
		length = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
		name = pnstrdup(at, length);
		if (length > 0 && strstr(message, name) != NULL)
			return name;
	}
	return NULL;
}

/* Is it the server's error that a routine may not be called? */
static bool
is_about_routine(const ErrorData *error)
{
	return error->hint == NULL && error->message != NULL &&
		error->message_id != NULL &&
		(strcmp(error->message_id, "permission denied for function %s") == 0 ||
		 strcmp(error->message_id, "permission denied for procedure %s") == 0 ||
		 strcmp(error->message_id, "permission denied for routine %s") == 0);
}

void
rethrow_with_permission_hint(const char *query, MemoryContext context)
{
	ErrorData  *error;
	char	   *name;

	if (geterrcode() != ERRCODE_INSUFFICIENT_PRIVILEGE || query == NULL)
		PG_RE_THROW();

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	name = is_about_routine(error) ? refused_routine(query, error->message) :
									 NULL;
	if (name == NULL)
	{
		FreeErrorData(error);
		PG_RE_THROW();
	}
	FlushErrorState();
	if (!is_owner_only(name))
		error->hint = pstrdup("The owner of extension \"pg_workflow\" lets a role use workflows with workflow.grant_usage().");
	else if (is_grantable(name))
		error->hint = psprintf("It is for the owner of extension \"pg_workflow\", who can grant it with GRANT EXECUTE ON ROUTINE workflow.%s.", name);
	else
		error->hint = pstrdup("It is for the owner of extension \"pg_workflow\".");
	ReThrowError(error);
}

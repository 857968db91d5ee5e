/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  Something that may fail, in a subtransaction of its own.
 *
 * NOTES
 *	  Runs in sessions and executors, in the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/resowner.h"

#include "state/attempt.h"

/*
 * Returns NULL, or the error, in the current memory context, when all that was
 * done has been rolled back.  Whoever wants the session to stop gets that: such
 * an error is raised.
 */
ErrorData *
attempt_to_keep(bool (*work) (void *argument), void *argument, bool *kept)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	*kept = false;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		*kept = work(argument);
		if (*kept)
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		*kept = false;
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	if (!*kept)
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error != NULL && (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
						  error->sqlerrcode == ERRCODE_OUT_OF_MEMORY))
		ReThrowError(error);
	return error;
}

/* Work that stays unless it fails. */
typedef struct PlainWork
{
	void		(*work) (void *argument);
	void	   *argument;
} PlainWork;

static bool
do_plain_work(void *argument)
{
	const PlainWork *plain = argument;

	plain->work(plain->argument);
	return true;
}

ErrorData *
attempt(void (*work) (void *argument), void *argument)
{
	PlainWork	plain = {work, argument};
	bool		kept;

	return attempt_to_keep(do_plain_work, &plain, &kept);
}

/*-------------------------------------------------------------------------
 *
 * claims.c
 *	  What the scheduler remembers of claims until they are committed.
 *
 * NOTES
 *	  Scheduler only.  Memory follows the claim at once, so that limits count
 *	  it, and is put right when the transaction has failed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "scheduler/live.h"

/* Claimed in the transaction that is open. */
typedef struct Claim
{
	int64		id;
	bool		again;
} Claim;

static Claim *claims = NULL;
static int	nclaims = 0;
static int	claims_size = 0;

static void
note_claim(int64 id, bool again)
{
	if (nclaims == claims_size)
	{
		claims_size = Max(2 * claims_size, 1024);
		claims = claims == NULL ?
			MemoryContextAlloc(live_context, claims_size * sizeof(Claim)) :
			repalloc_huge(claims, claims_size * sizeof(Claim));
	}
	claims[nclaims].id = id;
	claims[nclaims++].again = again;
}

/*
 * Was it paused and resumed, or ended and retried, before its runs were over?
 */
bool
live_claim(const ClaimedExecution *claimed)
{
	LiveExecution *execution = live_add(claimed);

	if (execution != NULL)
	{
		note_claim(claimed->id, false);
		return true;
	}
	execution = live_find(claimed->id);
	if (!execution->again)
		note_claim(claimed->id, true);
	live_note_next(execution, claimed);
	return false;
}

void
live_claims_begin(void)
{
	nclaims = 0;
}

void
live_claims_undo(void)
{
	for (int i = 0; i < nclaims; i++)
	{
		LiveExecution *execution = live_find(claims[i].id);

		if (claims[i].again)
			execution->again = false;
		else
			live_remove(execution);
	}
	nclaims = 0;
}

/*
 * One that was given to another role meanwhile does not go on as the former
 * one; nor does one with threads that wait, of which sessions may have woken
 * some: nothing of it may run that would report.
 */
void
live_claims_committed(void)
{
	for (int i = 0; i < nclaims; i++)
	{
		LiveExecution *execution = claims[i].again ? live_find(claims[i].id) :
													 NULL;

		if (execution != NULL && execution->again &&
			(execution->next.role != execution->role || joins_wait(execution)))
			execution_restart(execution, &execution->next);
	}
	nclaims = 0;
}

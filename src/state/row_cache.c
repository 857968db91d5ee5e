/*-------------------------------------------------------------------------
 *
 * row_cache.c
 *	  What a process keeps of a small table of rights or limits.
 *
 * NOTES
 *	  Runs in sessions and workers, in a transaction.  That a table has no rows
 *	  at all is kept, too, so that who does not use it pays nothing.  The newest
 *	  rows are read: rights are not part of what a snapshot shows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "state/private.h"
#include "state/row_cache.h"

HTAB *
row_cache_table(RowCache *cache, MemoryContext *context)
{
	HASHCTL		control = {.keysize = cache->keysize,.entrysize = cache->entrysize};
	bool		any;

	state_check_installation();
	if (!cache->valid || cache->counter != state_definitions_counter)
	{
		cache->valid = false;
		cache->table = NULL;
		if (cache->context == NULL)
			cache->context = AllocSetContextCreate(TopMemoryContext,
												   "workflow rows",
												   ALLOCSET_SMALL_SIZES);
		MemoryContextReset(cache->context);

		/* before it is read: what changes meanwhile is seen the next time */
		cache->counter = state_definitions_counter;
		any = state_query_newest(&cache->any, NULL, 1) > 0;
		state_done_newest();
		control.hcxt = cache->context;
		if (any)
			cache->table = hash_create("workflow rows", 16, &control,
									   HASH_ELEM | HASH_CONTEXT | cache->flags);
		cache->valid = true;
	}
	*context = cache->context;
	return cache->table;
}

/*-------------------------------------------------------------------------
 *
 * row_cache.h
 *	  What a process keeps of a small table of rights or limits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_ROW_CACHE_H
#define PGWF_ROW_CACHE_H

#include "postgres.h"

#include "utils/hsearch.h"

#include "state/state.h"

/* Zero at first but for what is said of the table. */
typedef struct RowCache
{
	StateStatement any;			/* finds a row when there is one */
	Size		keysize;
	Size		entrysize;
	int			flags;			/* of keys: HASH_STRINGS or HASH_BLOBS */

	/* private */
	MemoryContext context;
	HTAB	   *table;
	bool		valid;
	uint64		counter;		/* state_definitions_counter it was filled
								 * under */
} RowCache;

/*
 * Where entries are kept, in the memory context *context, valid until the next
 * call; empty again when any session has changed a definition or what announces
 * itself as one.  NULL: the table has no rows.  Needs a transaction.
 */
extern HTAB *row_cache_table(RowCache *cache, MemoryContext *context);

#endif							/* PGWF_ROW_CACHE_H */

/*-------------------------------------------------------------------------
 *
 * breakers.h
 *	  Circuit breakers in shared memory, one per agent and database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_BREAKERS_H
#define PGWF_BREAKERS_H

#include "shared/breaker_machine.h"

/* Name of an agent's breaker in this database. */
typedef uint64 BreakerKey;

/* What became of an event. */
typedef struct BreakerVerdict
{
	bool		admitted;		/* CALL: it may be made */
	uint32		generation;		/* as of now; to be given with the end of the call */
	BreakerState state;
	int64		half_open_at;
	bool		save;			/* the caller is to have the table's row written: see breaker_saved() */
	Breaker		breaker;		/* with save: what to write */
} BreakerVerdict;

extern void breakers_request_shmem(void);	/* shmem_request_hook's part */
extern void breakers_init_shmem(void);	/* shmem_startup_hook's part */

/* False when the library is not in shared_preload_libraries: there are no breakers. */
extern bool breakers_exist(void);

extern BreakerKey breaker_key(const char *agent);
/*
 * Tell a breaker of an event, at the present time.  Returns false when shared memory
 * does not know the breaker (any more): then breaker_remember() it, as the table has
 * it, and try again.
 */
extern bool breaker_event(BreakerKey key, const BreakerConfig *config, BreakerEvent event,
						  uint32 generation, BreakerVerdict *verdict);
/* Does nothing when the breaker is known. */
extern void breaker_remember(BreakerKey key, const Breaker *breaker);
/* A copy, for views; false when it is not known. */
extern bool breaker_look(BreakerKey key, Breaker *breaker);
/* The same when its row is not up to date. */
extern bool breaker_look_unsaved(BreakerKey key, Breaker *breaker);
/* The row with this generation has been committed. */
extern void breaker_saved(BreakerKey key, uint32 generation);
/* The agent has been dropped. */
extern void breaker_forget(BreakerKey key);

#endif							/* PGWF_BREAKERS_H */

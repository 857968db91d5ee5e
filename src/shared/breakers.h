/*-------------------------------------------------------------------------
 *
 * breakers.h
 *	  Circuit breakers in shared memory, one per agent and role of a database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_BREAKERS_H
#define PGWF_BREAKERS_H

#include "shared/breaker_machine.h"

/* Name of a breaker in this database: whose calls of which agent. */
typedef struct BreakerKey
{
	uint64		agent;			/* hash of its name */
	Oid			role;
} BreakerKey;

/* What became of an event. */
typedef struct BreakerVerdict
{
	bool		admitted;		/* CALL: it may be made */
	uint32		generation;		/* as of now; to be given with the end of the
								 * call */
	BreakerState state;
	int64		half_open_at;
	bool		save;			/* the caller is to have the table's row
								 * written: see breaker_saved() */
	Breaker		breaker;		/* with save: what to write */
} BreakerVerdict;

extern void breakers_request_shmem(void);	/* shmem_request_hook's part */
extern void breakers_init_shmem(void);	/* shmem_startup_hook's part */

/*
 * False when the library is not in shared_preload_libraries: there are no
 * breakers.
 */
extern bool breakers_exist(void);

extern BreakerKey breaker_key(const char *agent, Oid role);
/*
 * Tell a breaker of an event, at the present time.  Returns false when shared
 * memory does not know the breaker (any more): then breaker_remember() it, as
 * the table has it, and try again.
 */
extern bool breaker_event(BreakerKey key, const BreakerConfig *config,
						  BreakerEvent event, uint32 generation,
						  BreakerVerdict *verdict);
/* Does nothing when the breaker is known. */
extern void breaker_remember(BreakerKey key, const Breaker *breaker);
/* One that is known, as it is this moment. */
typedef struct KnownBreaker
{
	BreakerKey	key;
	Breaker		breaker;
	bool		unsaved;		/* its row is not up to date */
} KnownBreaker;

/*
 * The next one of this database.  *position: 0 to begin with.  Returns false,
 * changing nothing else, when there is none left.
 */
extern bool breaker_next(int *position, KnownBreaker *known);
/* The row with this generation has been committed. */
extern void breaker_saved(BreakerKey key, uint32 generation);
/* The agent has been dropped: all of its breakers are gone. */
extern void breakers_forget(uint64 agent);

#endif							/* PGWF_BREAKERS_H */

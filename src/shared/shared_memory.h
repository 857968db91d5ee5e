/*-------------------------------------------------------------------------
 *
 * shared_memory.h
 *	  Makes the registry, when the server starts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SHARED_MEMORY_H
#define PGWF_SHARED_MEMORY_H

#include "postgres.h"

extern void shared_memory_request(void);	/* shmem_request_hook's part */
extern void shared_memory_init(void);	/* shmem_startup_hook's part */

#endif							/* PGWF_SHARED_MEMORY_H */

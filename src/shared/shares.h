/*-------------------------------------------------------------------------
 *
 * shares.h
 *	  How the databases share the slots.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_SHARES_H
#define PGWF_SHARES_H

#include "postgres.h"

#include "shared/registry.h"

/* Whoever calls these holds registry->lock exclusively. */
extern void share_wait_for_slot(DatabaseEntry *entry);
extern void share_stop_waiting(DatabaseEntry *entry);
/* Has it waited for long without a single executor? */
extern bool share_waits_long(const DatabaseEntry *entry);
extern void share_slot_freed(void);
extern bool share_is_exceeded(const DatabaseEntry *entry, int nslots);
/* what it has of the slots, as far as they count */
extern int	share_of(const DatabaseEntry *entry);

#endif							/* PGWF_SHARES_H */

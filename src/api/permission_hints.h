/*-------------------------------------------------------------------------
 *
 * permission_hints.h
 *	  Says what helps where a role may not call a function of the extension.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_PERMISSION_HINTS_H
#define PGWF_PERMISSION_HINTS_H

#include "shared/compat.h"

/* Called once, while shared_preload_libraries are loaded. */
extern void install_permission_hints(void);

/*
 * In a PG_CATCH() block around what ran the query: raise the error again, with
 * a hint where it is the server's that the query may not call a routine of
 * ours.  context: the current one of before.
 */
pg_noreturn extern void rethrow_with_permission_hint(const char *query,
													 MemoryContext context);

#endif							/* PGWF_PERMISSION_HINTS_H */

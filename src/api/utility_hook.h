/*-------------------------------------------------------------------------
 *
 * utility_hook.h
 *	  Keeps our processes out of the way of commands that need a database, or
 *	  the extension, for themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_UTILITY_HOOK_H
#define PGWF_UTILITY_HOOK_H

/* Called once, while shared_preload_libraries are loaded. */
extern void install_utility_hook(void);

#endif							/* PGWF_UTILITY_HOOK_H */

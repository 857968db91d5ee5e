/*-------------------------------------------------------------------------
 *
 * black_box.h
 *	  Who was at work when the server went down.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_BLACK_BOX_H
#define PGWF_BLACK_BOX_H

#include "postgres.h"

#include "shared/registry.h"

/*
 * The postmaster, when it makes shared memory: at its start, and again after a
 * crash.
 */
extern void black_box_open(int nslots, int ndatabases);

/*
 * Was nothing of ours interrupted when the server that wrote this data
 * directory went?
 */
extern bool server_was_shut_down(void);

/* Is it known who was at work when the server went down the last time? */
extern bool black_box_knows(void);

/*
 * The executions of a database that were in executors that crashed themselves,
 * or a parallel worker of which did, in the current context.  *all_but: its
 * scheduler did, and anything it knew of may be the cause but these, which
 * executors had that did not crash.
 */
extern void black_box_accused(Oid database, bool *all_but, int64 **ids,
							  int *count);

/* When the library is loaded: parallel workers of steps are known as such. */
extern void install_black_box(void);

/* --- executors and schedulers --- */
extern void black_box_attach(int slot);	/* -1: the scheduler of this database */
/* It is at work; run: NULL, it is a scheduler, which is awake. */
extern void black_box_begin(Oid database, const Run *run);
/* a scheduler does, now; 0: none */
extern void black_box_handles(int64 execution_id);
extern void black_box_end(void);

#endif							/* PGWF_BLACK_BOX_H */

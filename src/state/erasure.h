/*-------------------------------------------------------------------------
 *
 * erasure.h
 *	  Taking the payloads out of executions that have ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_ERASURE_H
#define PGWF_ERASURE_H

#include "postgres.h"

/*
 * What is erased together, since it has worked with the same: an execution, or
 * several with the dead letter that they share.
 */
typedef struct Erasure
{
	int64		letter;			/* 0: none */
	int			count;
	int64	   *ids;			/* executions, ascending; some may have been
								 * pruned */
} Erasure;

/* With the newest rows, into the current context. */
extern void erasure_find(int64 execution_id, Erasure *erasure);
extern bool erasure_same(const Erasure *a, const Erasure *b);

/*
 * Take the payloads out of the rows.  The rows of the executions that are
 * there, and that of the dead letter, are locked, and no executor is at work
 * for them.  Returns how many rows have lost something.
 */
extern int64 erasure_do(const Erasure *erasure);

#endif							/* PGWF_ERASURE_H */

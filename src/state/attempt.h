/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  Something that may fail, in a subtransaction of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_ATTEMPT_H
#define PGWF_ATTEMPT_H

#include "postgres.h"

/*
 * Do something in a subtransaction.  NULL, or the error: all of it has been
 * rolled back.
 */
extern ErrorData *attempt(void (*work) (void *argument), void *argument);
/*
 * The same of work that says whether what it has done is to stay; if not, that
 * is rolled back, locks included.  *kept: it stays.
 */
extern ErrorData *attempt_to_keep(bool (*work) (void *argument),
									  void *argument, bool *kept);

#endif							/* PGWF_ATTEMPT_H */

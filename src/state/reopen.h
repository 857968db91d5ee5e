/*-------------------------------------------------------------------------
 *
 * reopen.h
 *	  Rows of an execution that has ended and is to go on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_REOPEN_H
#define PGWF_STATE_REOPEN_H

#include "state/steps.h"

/*
 * Take everything that began at a time or later out of the way: its scopes get
 * the prefix "~number/".  It stays as history; nothing that resumes or refers
 * sees it.
 */
extern void step_set_aside(int64 execution_id, int number, TimestampTz from);
/* An attempt that ended its scope badly is followed by another one, due now. */
extern void step_retry(int64 execution_id, const StepRecord *record);
/* A container that has ended is open again. */
extern void step_reopen(int64 execution_id, const StepRecord *record);
/* Scopes of a container's children, in [from, to), that have not ended well. */
extern char **step_unfinished_children(int64 execution_id, const char *from,
									   const char *to, const char *container,
									   int *count);
/*
 * When the first of these steps began, of those that are not set aside;
 * completed: counting completed ones only.  0: none has.
 */
extern TimestampTz steps_began(int64 execution_id, char **step_ids, int count,
							   bool completed);
/* The rows are as they have to be: nothing more is to be reopened. */
extern void execution_reopened(int64 execution_id);

/*
 * The highest attempt at a step, of these visits, that had ended by a time; 0:
 * none.
 */
extern int	step_attempts_before(int64 execution_id, const char *scope,
								 const char *step_id, int first_visit,
								 int last_visit, TimestampTz time);

#endif							/* PGWF_STATE_REOPEN_H */

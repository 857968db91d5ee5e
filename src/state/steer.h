/*-------------------------------------------------------------------------
 *
 * steer.h
 *	  The table workflow.executions: pause, resume, retry.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_STEER_H
#define PGWF_STATE_STEER_H

#include "state/executions.h"

/* Make a locked execution paused; until: it fails then, DT_NOEND: never. */
extern void execution_pause(int64 id, Oid paused_by, const char *reason,
							TimestampTz until);
/* Make a locked paused execution pending again. */
extern void execution_resume(int64 id);

/*
 * Make a locked execution that has ended pending again.  from: what began since
 * is done again, 0: only what did not end well.  input, if it is not NULL, is
 * for the step with this key.
 */
extern void execution_retry(int64 id, TimestampTz from, const char *key,
							Jsonb *input);

/* What a step is marked with, "hold" or "skip"; NULL: it is not. */
extern char *execution_step_mark(int64 id, const char *step_id);
/*
 * Mark a step of a locked execution: "hold", "skip" with an output that may be
 * NULL, or NULL: no mark.  Who, when and why is kept with it.  Returns false
 * when it is marked so already.
 */
extern bool execution_mark_step(int64 id, const char *step_id, const char *mark,
								Jsonb *output, const char *reason);

/* Is it paused, or has it been resumed and not been claimed yet? */
extern bool execution_is_paused(int64 id);

/* An execution that has been paused for too long. */
typedef struct OverduePause
{
	int64		id;
	int			definition_id;
	bool		begun;			/* steps of it may have run */
	bool		decided;		/* how it ends: it was paused in its epilogue */
} OverduePause;

/*
 * Paused executions whose longest pause is over, some of them if they are many.
 * Returns how many.
 */
extern int	executions_paused_too_long(int64 **ids);
/* Lock it; false: it is not any more, or somebody else has it locked. */
extern bool execution_lock_overdue_pause(int64 id, OverduePause *pause);
/* When the next one's is over; DT_NOEND: there is none. */
extern TimestampTz executions_next_pause_end(void);

#endif							/* PGWF_STATE_STEER_H */

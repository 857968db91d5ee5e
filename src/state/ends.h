/*-------------------------------------------------------------------------
 *
 * ends.h
 *	  The table workflow.executions: how executions end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_ENDS_H
#define PGWF_STATE_ENDS_H

#include "state/claims.h"

/* Who ends an execution. */
typedef enum EndedBy
{
	ENDED_BY_THREAD,			/* its last step has ended: an executor,
								 * execute() */
	ENDED_BY_EPILOGUE,			/* its epilogue is over: an executor */
	ENDED_BY_SCHEDULER,			/* given up, overdue, paused for too long,
								 * cancelled */
	ENDED_UNBEGUN,				/* refused, or pending for too long: the
								 * scheduler */
	ENDED_BY_SESSION			/* cancelled before it has begun */
} EndedBy;

/* An execution that has reached a final status in this transaction. */
typedef struct ExecutionEnd
{
	EndedBy		by;
	int64		id;
	ExecutionStatus from;		/* the status it had */
	ExecutionStatus status;
	const char *workflow;
	Jsonb	   *error;			/* these two may be NULL */
	const char *error_type;
	int64		dead_letter;	/* 0: none */
	TimestampTz started_at;		/* 0: not begun */
	bool		executed;		/* by execute() */
	bool		of_schedule;
	bool		notifies;		/* its definition wants that */
	bool		leaves_open;	/* containers and threads of it may be */
	StepStatus	open_end;		/* how those end */
} ExecutionEnd;

/*
 * The end of a running execution, or of one that was paused, and perhaps
 * resumed, during its last step.  from_child: what is open around that ends
 * with it.  Returns false when it is something else (somebody cancelled or
 * ended it).
 */
extern bool execution_finish(const LoadedExecution *execution,
							 ExecutionStatus status, Jsonb *output,
							 Jsonb *error, const char *error_type,
							 bool from_child);
/*
 * The epilogue is over: so is the execution.  False when somebody has stopped
 * it.
 */
extern bool execution_finish_epilogue(int64 id);
/*
 * The end decided by the scheduler, and of all that is open in it: of a
 * running, paused or cancelling execution, else nothing is done.
 */
extern bool execution_finalise(int64 id, ExecutionStatus status, Jsonb *error,
							   const char *error_type);
/*
 * The scheduler has claimed them in this transaction, and their workflow is
 * full: failed.
 */
extern void executions_refuse(const int64 *ids, int count);
/*
 * They are pending, have not begun and have waited for too long; the scheduler
 * has them locked.
 */
extern void executions_time_out(const int64 *ids, int count);
/* A session cancels a locked execution that has not begun. */
extern void execution_cancel_unbegun(int64 id, Oid cancelled_by,
									 const char *reason);

#endif							/* PGWF_STATE_ENDS_H */

/*-------------------------------------------------------------------------
 *
 * executions.h
 *	  The table workflow.executions, as sessions use it: queue, look at, cancel.
 *
 * NOTES
 *	  What the scheduler and the executors do with the table is in claims.h and
 *	  steps.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_EXECUTIONS_H
#define PGWF_EXECUTIONS_H

#include "access/transam.h"
#include "state/state.h"

/* An execution to be queued. */
typedef struct NewExecution
{
	const Definition *definition;
	Oid			role;
	int			priority;
	bool		has_parallel;
	bool		parallel;		/* without has_parallel workflow.parallel
								 * decides */
	bool		has_start_at;
	TimestampTz start_at;
	bool		counted;		/* its workflow refuses what is too many */
	const char *tenant;			/* may be NULL */
	const char *idempotency_key;	/* may be NULL */
	int			schedule_id;	/* 0: none */
	const char *traceparent;	/* may be NULL */
	Jsonb	   *input;
} NewExecution;

/*
 * Queue an execution in the current transaction and return its id.  With an
 * idempotency key that the role has used for the workflow before, the id of
 * that execution is returned and *created is false; a concurrent transaction
 * that uses the key is waited for.
 */
extern int64 execution_insert(const NewExecution *execution, bool *created);

/* An execution run by execute(): inserted as running. */
extern int64 execution_insert_inline(const Definition *definition, Oid role,
									 Jsonb *input, const char *traceparent);

/* The execution its idempotency key has been used for; 0: none. */
extern int64 execution_with_key(const NewExecution *execution);

/* What sessions need to know about an execution to decide. */
typedef struct ExecutionState
{
	int64		id;
	int			definition_id;
	char	   *workflow;
	ExecutionStatus status;
	bool		started;		/* it has been claimed once */
	bool		executed;		/* by execute() */
	Oid			role;
	Oid			definition_owner;	/* InvalidOid: the definition is gone */
	TransactionId xmin;			/* who wrote the row last */
	char	   *error_type;		/* may be NULL */
	Jsonb	   *error;			/* may be NULL */
	Jsonb	   *output;			/* may be NULL */
	bool		compensate;		/* cancelled with compensate => true */
	bool		decided;		/* how it ends is decided: its epilogue is to
								 * be run */
	bool		of_schedule;	/* others of its schedule may wait for its
								 * end */
	bool		erased;			/* its payloads were taken out */
} ExecutionState;

/*
 * Read an execution with a fresh snapshot (under READ COMMITTED) into the
 * current memory context; false when there is none.
 */
extern bool execution_read(int64 id, ExecutionState *state);
/* Same, with the row locked until the end of the transaction. */
extern bool execution_lock(int64 id, ExecutionState *state);
/*
 * The whole row as a value of type workflow.executions; false when there is
 * none.
 */
extern bool execution_row(int64 id, Datum *row);

/*
 * A locked execution is to be cancelled, and perhaps compensated: see ends.h
 * for one that has not begun.
 */
extern void execution_cancel(int64 id, Oid cancelled_by, const char *reason,
							 bool compensate);
/* Change whether a locked execution that is being cancelled is compensated. */
extern void execution_set_compensate(int64 id, bool compensate);

#endif							/* PGWF_EXECUTIONS_H */

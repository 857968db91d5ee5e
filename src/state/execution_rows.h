/*-------------------------------------------------------------------------
 *
 * execution_rows.h
 *	  The table workflow.executions without statements: what happens once for
 *	  each execution that nothing goes wrong with.
 *
 * NOTES
 *	  Each function says false where the case is not the ordinary one, or the
 *	  table not as plain as it was made; then it has done nothing, and the
 *	  caller, who is in claims.c, ends.c or executions.c, uses the statement
 *	  that knows all cases.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_EXECUTION_ROWS_H
#define PGWF_EXECUTION_ROWS_H

#include "state/claims.h"
#include "state/ends.h"
#include "state/executions.h"

/* As execution_load(); *execution stays NULL when there is nothing to load. */
extern bool execution_load_directly(int64 id, LoadedExecution **execution);

/* As execution_finish(); the rest of the end is filled in. */
extern bool execution_finish_directly(ExecutionEnd *end, Jsonb *output);

/*
 * Make pending executions of a role and a priority running, from a number on,
 * at most limit, and add them behind the *count there are in the array, which
 * has the room.  What somebody has locked is skipped.  *left: the lowest number
 * that is left, PG_INT64_MAX: none is.
 */
extern bool executions_claim_directly(int limit, Oid role, int32 priority,
									  int64 from, ClaimedExecution *claimed,
									  int *count, int64 *left);

/* As execution_insert(), without an idempotency key. */
extern bool execution_insert_directly(const NewExecution *execution, int64 *id);

#endif							/* PGWF_EXECUTION_ROWS_H */

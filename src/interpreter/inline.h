/*-------------------------------------------------------------------------
 *
 * inline.h
 *	  A whole workflow in the caller's transaction: workflow.execute().
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_INLINE_H
#define PGWF_INLINE_H

#include "postgres.h"
#include "utils/jsonb.h"

#include "state/state.h"

/*
 * Run an execution of the definition and return its output, never NULL;
 * *execution_id is its row.  When the workflow fails, an error with the failed
 * step's SQLSTATE is raised.
 */
extern Jsonb *execute_inline(const Definition *definition, Jsonb *input,
							 int64 *execution_id);

#endif							/* PGWF_INLINE_H */

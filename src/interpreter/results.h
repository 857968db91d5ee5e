/*-------------------------------------------------------------------------
 *
 * results.h
 *	  Rows of the user's SQL as jsonb.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_RESULTS_H
#define PGWF_RESULTS_H

#include "postgres.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"

#include "definition/plan.h"

/*
 * How the columns of a result become jsonb; kept between runs of a statement.
 */
typedef struct ResultColumns ResultColumns;

/*
 * A receiver of rows that turns each into jsonb as it arrives and raises
 * ERRCODE_PROGRAM_LIMIT_EXCEEDED as soon as workflow.max_result_size is passed.
 * is_condition: one boolean column is wanted and the result is a boolean.
 * known: columns of an earlier run, used when they still fit, or NULL.
 * Everything lives in the current memory context.
 */
extern DestReceiver *results_begin(SqlResult result, bool is_condition,
								   ResultColumns *known);

/*
 * The columns used, other than known when those did not fit; NULL: no rows
 * came.
 */
extern ResultColumns *results_columns(DestReceiver *receiver);
/* Make columns live as long as the context; give them back. */
extern void results_keep_columns(ResultColumns *columns, MemoryContext context);
extern void results_free_columns(ResultColumns *columns);

/*
 * The result, in the given context.  processed: rows the statement says it has
 * processed, which counts where it returned none.
 */
extern Jsonb *results_finish(DestReceiver *receiver, uint64 processed,
							 MemoryContext context);

/* Raise the error if a result is larger than workflow.max_result_size. */
extern void check_result_size(Size size);

#endif							/* PGWF_RESULTS_H */

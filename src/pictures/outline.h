/*-------------------------------------------------------------------------
 *
 * outline.h
 *	  A tree of spans as rows, one below the other: what text and SVG draw.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_OUTLINE_H
#define PGWF_OUTLINE_H

#include "pictures/spans.h"

typedef struct OutlineRow
{
	int			depth;
	uint64		rails;			/* bit d: after this row others of depth d
								 * follow in the same parent */
	bool		last;			/* of its parent */
	char	   *label;			/* "dhl", "[3] closure", "cost: volume" */
	char	   *remark;			/* "loop of 53", "3 attempts"; NULL = none */
	char	   *type;			/* of the step, NULL for a line of several
								 * steps */
	char	   *agent_name;		/* NULL = none */
	char	   *error;			/* "type: message"; NULL = none */
	SpanStatus	status;
	TimestampTz start;
	TimestampTz end;
	TimestampTz due;			/* next attempt, or the end of a wait; 0 =
								 * none */
	List	   *attempts;		/* of Attempt, NIL for a line */
	bool		container;
	bool		solid;			/* steps that ran one after the other */
	bool		critical;		/* a step of the critical path; of the lines
								 * around it none is marked */
	const LeftOut *left_out;	/* the row stands for these; NULL: for one
								 * step or line */
} OutlineRow;

typedef struct Outline
{
	OutlineRow *rows;
	int			nrows;
	int			depth;			/* of the deepest row */
	int64		more;			/* rows beyond the limit, and what they stand
								 * for */
	TimestampTz start;
	TimestampTz end;
} Outline;

extern Outline *outline_create(const SpanTree *tree, int max_rows);
/* What a row is called, with its remark. */
extern char *outline_label(const OutlineRow *row);
/*
 * The same in so many columns.  Names that are alike differ at their ends, so
 * both ends are kept.
 */
extern char *outline_label_fitted(const OutlineRow *row, int width,
								  const char *mark);

/* What stands in front of the time in due. */
extern const char *outline_due_words(const OutlineRow *row);

#endif							/* PGWF_OUTLINE_H */

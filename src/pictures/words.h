/*-------------------------------------------------------------------------
 *
 * words.h
 *	  What all pictures write: durations, counts, and other people's text made
 *	  harmless.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_WORDS_H
#define PGWF_WORDS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#include "pictures/spans.h"

/* "0.2 ms", "1.24 s", "2m 05s", "3d 04h" */
extern char *duration_text(double ms);
/* The same between two times. */
extern char *duration_between(TimestampTz start, TimestampTz end);
/* A time as the session writes it, to the second. */
extern char *time_text(TimestampTz time);
/* "99,990" */
extern char *count_text(int64 count);
/* "9 more: 8 completed, 1 failed, 0.2 ms each" */
extern char *left_out_text(const LeftOut *left_out);
/* "timed out" */
extern char *execution_status_title(ExecutionStatus status);
/* "22012 in ups: division by zero"; NULL when there is nothing to say. */
extern char *execution_outcome_text(const TraceExecution *execution);

/*
 * Text for one line: line breaks and tabs are blanks, other control characters
 * and those that change the direction of what follows are '?'.
 */
extern char *plain_text(const char *text);
/* Columns a terminal needs for a plain text. */
extern int	text_width(const char *text);
/* A plain text in at most so many columns, the rest replaced by the mark. */
extern char *clip_text(const char *text, int width, const char *mark);

/* Append text as content or attribute of XML and HTML. */
extern void append_markup(StringInfo out, const char *text);
/* Append text to a quoted label of Mermaid. */
extern void append_mermaid(StringInfo out, const char *text);

#endif							/* PGWF_WORDS_H */

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
/* "9 more, 1 failed, 0.2 ms each": those not named have completed */
extern char *left_out_text(const LeftOut *left_out);
/* "completed after 1.24 s", "running for 2m 05s", "paused, begun 3.10 s ago" */
extern char *execution_state_text(const TraceExecution *execution);
/* "started 2026-01-01 12:00:00+00 by app, queued 20 ms" */
extern char *execution_times_text(const TraceExecution *execution);
/* Since when it is paused, by whom and why; NULL when it is not. */
extern char *execution_pause_text(const TraceExecution *execution);
/*
 * "step b is held by app since 2026-01-01 12:00:00+00: reason"; NULL when it
 * means nothing any more.
 */
extern char *execution_mark_text(const TraceExecution *execution,
								 const TraceMark *mark);
/*
 * "2026-01-01 12:00:00+00 retry by app: reason"; NULL when a mark or the pause
 * that lasts says it.
 */
extern char *execution_event_text(const TraceExecution *execution,
								  const TraceEvent *event);
/* How the times it stood still are called. */
extern char *execution_pauses_title(const TraceExecution *execution);
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
/* Its beginning and its end in so many columns, the mark between them. */
extern char *clip_middle(const char *text, int width, const char *mark);
/* The text in at most so many lines, broken at blanks where there are some. */
extern char *wrap_text(const char *text, int width, int lines,
					   const char *mark);

/* Append text as content or attribute of XML and HTML. */
extern void append_markup(StringInfo out, const char *text);
/* Append text to a quoted label of Mermaid. */
extern void append_mermaid(StringInfo out, const char *text);

#endif							/* PGWF_WORDS_H */

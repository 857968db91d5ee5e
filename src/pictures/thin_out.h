/*-------------------------------------------------------------------------
 *
 * thin_out.h
 *	  Of many lines and steps some are kept, and the others summed up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_THIN_OUT_H
#define PGWF_THIN_OUT_H

#include "pictures/spans.h"

/*
 * Sum up lines of a step until no more than max are left.  *nlines: of the
 * tree.
 */
extern void thin_out_lines(Span *span, int max, int *nlines);
/*
 * Sum up a tenth of the steps of a line.  Scopes in them that come later find
 * nobody.
 */
extern void thin_out_spans(Line *line);

#endif							/* PGWF_THIN_OUT_H */

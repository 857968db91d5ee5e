/*-------------------------------------------------------------------------
 *
 * pictures.h
 *	  Pictures of executions and plans: text, SVG, Mermaid, HTML.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_PICTURES_H
#define PGWF_PICTURES_H

#include "pictures/spans.h"
#include "state/overview.h"

/* Narrower and wider texts than these are not drawn. */
#define TIMELINE_MIN_WIDTH 40
#define TIMELINE_MAX_WIDTH 500

/* Iterations of a loop that a picture can be asked to show. */
#define PICTURE_MAX_ITERATIONS 200

/* A tree with bars, in lines of at most width columns. */
extern char *draw_timeline(const SpanTree *tree, int width, bool ascii);

/* The same as an SVG that needs nothing else and fits any width. */
extern char *draw_svg(const SpanTree *tree);

/*
 * A plan as a Mermaid flowchart; with a tree: how the steps of the execution
 * are.
 */
extern char *draw_mermaid(const WorkflowPlan *plan, const SpanTree *tree);

/*
 * A page about the database's workflows as the role may see them, with a
 * picture of an execution where there is a tree.  in_detail: it is what the
 * page is about.
 */
extern char *draw_report(const SpanTree *tree, Oid reader, bool in_detail);

#endif							/* PGWF_PICTURES_H */

/*-------------------------------------------------------------------------
 *
 * problem.h
 *	  What is wrong with a definition: all of it, not the first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_PROBLEM_H
#define PGWF_PROBLEM_H

#include "definition/pure.h"

typedef enum ProblemSeverity
{
	PROBLEM_ERROR,				/* the definition is refused */
	PROBLEM_WARNING				/* it is accepted, but look */
} ProblemSeverity;

typedef struct Problem
{
	ProblemSeverity severity;
	char	   *path;			/* JSON path: "steps.check.input_mapping.id" */
	char	   *step_id;		/* NULL when not about one step */
	char	   *message;		/* core's wording: lower-case, no full stop */
	char	   *hint;			/* NULL or a sentence */
} Problem;

typedef struct ProblemList
{
	Problem    *items;
	int			count;
	int			allocated;
	int			errors;			/* how many of them are errors */
} ProblemList;

/* At most this many are kept; the rest is only counted. */
#define MAX_PROBLEMS 200

extern ProblemList *problem_list_create(void);
extern void problem_add(ProblemList *list, ProblemSeverity severity,
						const char *path, const char *step_id,
						const char *hint,	/* may be NULL */
						const char *format,...) pg_attribute_printf(6, 7);

#endif							/* PGWF_PROBLEM_H */

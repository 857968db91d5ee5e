/*-------------------------------------------------------------------------
 *
 * normaliser.h
 *	  Between normalise.c (the document) and normalise_step.c (one step).
 *	  Private to src/definition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_NORMALISER_H
#define PGWF_NORMALISER_H

#include "definition/json.h"
#include "definition/names.h"
#include "definition/problem.h"

/* A step of the document, wherever it stands in it. */
typedef struct Draft
{
	const char *id;				/* NULL until it has got one */
	const Json *source;
	char	   *path;			/* where it stands in the document as given */
	int			parent;			/* draft whose inline child it is, -1 = a member of steps */
	const char *branch;			/* inline child of a branch: its name */
	bool		duplicate;		/* the key occurs twice: not written */
	const char *default_next;	/* from the order of an array */
} Draft;

typedef struct Normaliser
{
	ProblemList *problems;
	Draft	   *drafts;
	int			ndrafts;
	int			allocated;

	/*
	 * Every step is gone through twice by the same code: first to find the inline
	 * children, which need ids that nothing else in the document has, then to
	 * write.
	 */
	bool		collecting;
	int			current;		/* draft being gone through */
	int			cursor;			/* where its next inline child is expected */
	const char *branch;			/* branch being gone through, NULL = none */

	NameMap    *ids;			/* explicit and generated ids -> draft */
	NameMap    *children;		/* ids used as a child somewhere */
	NameMap    *moved;			/* path in the stored form -> index of given_paths */
	char	  **given_paths;
	int			nmoved;
	int			moved_allocated;

	StringInfoData out;
} Normaliser;

extern void normaliser_add_draft(Normaliser *normaliser, const Json *source,
								 const char *path, int parent, const char *branch,
								 const char *key);

/* Note that what stands at one path in the stored form was given at another. */
extern void normaliser_moved(Normaliser *normaliser, const char *path, const char *given);

/* Go through one step: collect its inline children, or write it. */
extern void normalise_step(Normaliser *normaliser, int draft);

/* The name in the stored form of a field of a step. */
extern const char *canonical_step_field(const char *field);

#endif							/* PGWF_NORMALISER_H */

/*-------------------------------------------------------------------------
 *
 * normaliser.h
 *	  Between normalise.c (the document), normalise_step.c (one step),
 *	  normalise_children.c (its children) and normalise_routes.c (conditionals
 *	  that route).  Private to src/definition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_NORMALISER_H
#define PGWF_NORMALISER_H

#include "definition/json.h"
#include "definition/names.h"
#include "definition/problem.h"
#include "definition/step_type.h"

/* A step of the document, wherever it stands in it. */
typedef struct Draft
{
	const char *id;				/* NULL until it has got one */
	const Json *source;
	char	   *path;			/* where it stands in the document as given */
	int			parent;			/* draft whose inline child it is, -1 = a member of steps */
	const char *branch;			/* inline child of a branch: its name; a compensation: "undo" */
	bool		in_chain;		/* stands in the definition's on_failure */
	bool		duplicate;		/* the key occurs twice: not written */
	const char *default_next;	/* from the order of an array */
	bool		routes;			/* conditional whose branches are jumps */
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
	NameMap    *held;			/* those of them that are not just a conditional's branch */
	bool		in_branch;		/* the single id of such a branch is being gone through */
	NameMap    *moved;			/* path in the stored form -> index of given_paths */
	char	  **given_paths;
	int			nmoved;
	int			moved_allocated;

	StringInfoData out;
} Normaliser;

/* A word that may be used for one of the stored form; a list ends with NULL. */
typedef struct Alias
{
	const char *given;
	const char *stored;
} Alias;

/* How children are written. */
typedef enum ChildrenShape
{
	CHILDREN_LIST,				/* always an array */
	CHILDREN_ONE_OR_LIST		/* one id, or an array of several */
} ChildrenShape;

/* --- normalise.c --- */

extern void normaliser_add_draft(Normaliser *normaliser, const Json *source,
								 const char *path, int parent, const char *branch,
								 const char *key);

/* Note that what stands at one path in the stored form was given at another. */
extern void normaliser_moved(Normaliser *normaliser, const char *path, const char *given);

/* --- normalise_children.c: they write nothing while collecting --- */

extern const char *canonical(const Alias *aliases, const char *field);
extern void begin_member(Normaliser *normaliser, const char *key);
extern void write_text(Normaliser *normaliser, const char *text);
extern void write_value(Normaliser *normaliser, const Json *value);
extern GivenPlace member_place(Normaliser *normaliser, GivenPlace place,
							   const char *key, const char *given_key);
extern void write_children(Normaliser *normaliser, const Json *value, GivenPlace place,
						   ChildrenShape shape);
extern void write_switch(Normaliser *normaliser, const Json *value, GivenPlace place);
extern void write_target(Normaliser *normaliser, const Json *value,
						 GivenPlace place);
extern void write_branch(Normaliser *normaliser, const Json *value, GivenPlace place);

/* --- normalise_routes.c --- */

extern void normaliser_find_routes(Normaliser *normaliser);

/* --- normalise_step.c --- */

/* Go through one step: collect its inline children, or write it. */
extern void normalise_step(Normaliser *normaliser, int draft);

/* The name in the stored form of a field of a step. */
extern const char *canonical_step_field(const char *field);

#endif							/* PGWF_NORMALISER_H */

/*-------------------------------------------------------------------------
 *
 * normaliser.h
 *	  A document that is put into the stored form.  Private to src/definition.
 *
 *	  From below, each file calling those before it:
 *
 *	  normaliser.c         the steps, and where what was given
 *	  normalise_children.c children that a step names
 *	  steps/               which fields name them
 *	  normalise_step.c     one step
 *	  normalise_routes.c   conditionals that route
 *	  normalise.c          the document
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_NORMALISER_H
#define PGWF_NORMALISER_H

#include "definition/front_end.h"
#include "definition/json.h"
#include "definition/names.h"
#include "definition/problem.h"
#include "definition/step_type.h"

/*
 * The two places of a value: in the stored form and in the document as given.
 */
typedef struct GivenPlace
{
	const char *path;
	const char *given;
} GivenPlace;

/* A step of the document, wherever it stands in it. */
typedef struct Draft
{
	const char *id;				/* NULL until it has got one */
	const Json *source;
	char	   *path;			/* where it stands in the document as given */
	int			parent;			/* draft whose inline child it is, -1 = a
								 * member of steps */
	const char *branch;			/* inline child of a branch: its name; a
								 * compensation: "undo" */
	bool		in_chain;		/* stands in the definition's on_failure */
	bool		duplicate;		/* the key occurs twice: not stored */
	bool		says_next;		/* names what follows it, or nothing can */
	const char *default_next;	/* from the order of an array */
	bool		routes;			/* conditional whose branches are jumps */
	Json	   *stored;			/* the step in the stored form */
	Json	   *stored_id;		/* its id in there; NULL: it is no object */
	Json	   *reference;		/* the id that stands where an inline child
								 * stood */
} Draft;

/* Where something was given that stands at another path in the stored form. */
typedef struct Move
{
	int			draft;			/* the path is below this one's; -1: below
								 * the document */
	const char *path;
	const char *given;
} Move;

/*
 * The id of a step as a conditional's branch: a jump, if the conditional
 * routes.
 */
typedef struct MaybeJump
{
	int			draft;
	Json	   *id;
	GivenPlace	place;
} MaybeJump;

typedef struct Normaliser
{
	ProblemList *problems;
	Draft	   *drafts;
	int			ndrafts;
	int			allocated;

	int			current;		/* draft being gone through, -1 = none */
	const char *branch;			/* branch being gone through, NULL = none */

	NameMap    *ids;			/* explicit and generated ids -> draft */
	NameMap    *children;		/* ids used as a child somewhere */
	NameMap    *held;			/* those of them that are not just a
								 * conditional's branch */
	bool		in_branch;		/* the single id of such a branch is being
								 * gone through */
	Move	   *moves;
	int			nmoves;
	int			moves_allocated;
	NameMap    *moved;			/* path in the stored form -> move; NULL
								 * until something is reported */
	MaybeJump  *jumps;
	int			njumps;
	int			jumps_allocated;
} Normaliser;

/* A word that may be used for one of the stored form; a list ends with NULL. */
typedef struct Alias
{
	const char *given;
	const char *stored;
} Alias;

/* How children are stored. */
typedef enum ChildrenShape
{
	CHILDREN_LIST,				/* always an array */
	CHILDREN_ONE_OR_LIST		/* one id, or an array of several */
} ChildrenShape;

/*
 * What makes values of the stored form is given the author's and returns a new
 * one, which shares with that what stays as it is.  Paths of places are below
 * the current draft's.
 */

/* --- normaliser.c --- */

extern void normaliser_add_draft(Normaliser *normaliser, const Json *source,
								 const char *path, int parent,
								 const char *branch, const char *key);

/* Note that what stands at one path in the stored form was given at another. */
extern void normaliser_moved(Normaliser *normaliser, const char *path,
							 const char *given);
/* Checking.given_path(); places: the normaliser. */
extern char *normaliser_given_path(void *places, const char *path);

/* --- normalise_children.c --- */

extern const char *canonical(const Alias *aliases, const char *field);
extern GivenPlace member_place(Normaliser *normaliser, GivenPlace place,
							   const char *key, const char *given_key);
extern Json *stored_children(Normaliser *normaliser, const Json *value,
							 GivenPlace place, ChildrenShape shape);
extern Json *stored_switch(Normaliser *normaliser, const Json *value,
						   GivenPlace place);
extern Json *stored_target(Normaliser *normaliser, const Json *value,
						   GivenPlace place);
extern Json *stored_condition_branch(Normaliser *normaliser, const Json *value,
									 GivenPlace place);
extern Json *stored_branch(Normaliser *normaliser, const Json *value,
						   GivenPlace place);

/* --- normalise_step.c --- */

/* Put one step into the stored form; its inline children become drafts. */
extern void normalise_step(Normaliser *normaliser, int draft);

/* The name in the stored form of a field of a step. */
extern const char *canonical_step_field(const char *field);

/* --- normalise_routes.c --- */

/* Make jumps of the branches of conditionals that route. */
extern void normaliser_make_jumps(Normaliser *normaliser);

/* --- normalise.c --- */

/* The stored form of a document; NULL when it has too many steps. */
extern Json *normalise_document(Checking *checking);

#endif							/* PGWF_NORMALISER_H */

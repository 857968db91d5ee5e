/*-------------------------------------------------------------------------
 *
 * step_type.h
 *	  Which step types there are, and what they are to those who meet a step.
 *
 * NOTES
 *	  Who meets a step asks for its traits, not for its type: no other place
 *	  than src/definition/steps has to know of a type that is added.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STEP_TYPE_H
#define PGWF_STEP_TYPE_H

typedef enum StepType
{
	STEP_AGENT,
	STEP_SQL,
	STEP_PARALLEL,
	STEP_FORK_JOIN,
	STEP_CONDITIONAL,
	STEP_LOOP,
	STEP_SET,
	STEP_WAIT,
	STEP_SUCCEED,
	STEP_FAIL
} StepType;

#define STEP_TYPES (STEP_FAIL + 1)

/* Runs SQL of the user: an attempt may fail, and be followed by another. */
#define TRAIT_LEAF (1 << 0)
/* Has lines of steps inside; closes when they have ended. */
#define TRAIT_CONTAINER (1 << 1)
/* Ends the execution, or its scope. */
#define TRAIT_TERMINAL (1 << 2)
/* Its lines run at the same time, each once. */
#define TRAIT_FORKS (1 << 3)
/* One of its lines runs, or none, or it leads to another step. */
#define TRAIT_CHOOSES (1 << 4)
/* Its one line runs for each item, or again and again. */
#define TRAIT_ITERATES (1 << 5)
/* The definition's "defaults" are for it. */
#define TRAIT_DEFAULTS (1 << 6)
/* Its SQL may run outside of a transaction. */
#define TRAIT_OUTSIDE (1 << 7)
/* Begins, and goes on later: it has an open row until then. */
#define TRAIT_WAITS (1 << 8)

typedef struct StepTypeTraits
{
	const char *name;			/* in definitions */
	int			traits;
} StepTypeTraits;

extern const StepTypeTraits step_type_traits[STEP_TYPES];

#define step_type_has(type, trait) \
	((step_type_traits[type].traits & (trait)) != 0)

/* Of whatever has a type: a node of a plan, a row. */
#define step_is_leaf(step) step_type_has((step)->type, TRAIT_LEAF)
#define step_is_container(step) step_type_has((step)->type, TRAIT_CONTAINER)
#define step_is_terminal(step) step_type_has((step)->type, TRAIT_TERMINAL)
#define step_forks(step) step_type_has((step)->type, TRAIT_FORKS)
#define step_chooses(step) step_type_has((step)->type, TRAIT_CHOOSES)
#define step_iterates(step) step_type_has((step)->type, TRAIT_ITERATES)
#define step_waits(step) step_type_has((step)->type, TRAIT_WAITS)

extern const char *step_type_name(StepType type);
/* False when no type has this name. */
extern bool step_type_named(const char *name, StepType *type);

#endif							/* PGWF_STEP_TYPE_H */

/*-------------------------------------------------------------------------
 *
 * step_type.h
 *	  What a step type is: a row of step_types[], made in a file of its own.
 *
 * NOTES
 *	  Who meets a step asks for its traits, not for its type: a type that is
 *	  added is then a file in src/definition/steps and a line in step_type.c,
 *	  and no other place has to know of it.
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
	STEP_SUCCEED,
	STEP_FAIL
} StepType;

#define STEP_TYPES (STEP_FAIL + 1)

/* Runs SQL of the user: an attempt may fail, and be followed by another. */
#define TRAIT_LEAF (1 << 0)
/* Has lines of steps inside; closes when they have ended. */
#define TRAIT_CONTAINER (1 << 1)
/* Ends the execution. */
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

struct Builder;
struct Checker;
struct Explainer;
struct FieldSet;
struct Json;
struct Normaliser;
struct Place;
struct PlanNode;

/*
 * The two places of a value: in the stored form and in the document as given.
 */
typedef struct GivenPlace
{
	const char *path;
	const char *given;
} GivenPlace;

typedef struct StepTypeInfo
{
	const char *name;			/* in definitions */
	int			traits;
	const struct FieldSet *fields;	/* of its own; those of every step are
									 * more */

	/* The document, put into the stored form */

	const char *alias;			/* another name that it may have there; NULL:
								 * none */
	const char *config;			/* field with an object for fields->flat;
								 * NULL: it has none */
	const struct Alias *config_aliases; /* of fields in there; NULL: none */
	/* The stored value of a field that names children; NULL: it does not. */
	struct Json *(*stored_children)(struct Normaliser *normaliser,
									const char *field, const struct Json *value,
									struct GivenPlace place);

	/* The plan */

	size_t		part_size;		/* of what only this type has */
	/* Fill that from the step's object, or from config; NULL: nothing. */
	void		(*build) (struct Builder *builder, struct PlanNode *node,
						  const struct Place *place);
	/*
	 * Check what references its own templates and conditions have; NULL: none.
	 */
	void		(*check_references) (struct Checker *checker,
									 struct PlanNode *node,
									 const struct Json *source);
	/*
	 * For explain(): add to its line; lines of their own below that.  NULL:
	 * nothing.
	 */
	void		(*explain_heading) (struct Explainer *explainer,
									const struct PlanNode *node);
	void		(*explain_facts) (struct Explainer *explainer,
								  const struct PlanNode *node, int indent);
	/* In front of the names of its lines there; NULL: they are not shown. */
	const char *line_word;

	/* What its lines are called in messages. */
	const char *lines_noun;
	/* What a step does, in a few words of its definition, for pictures; NULL: there are none.
	 * all: also what may be secret. */
	const char *(*subject) (const struct PlanNode *node, bool all);
	/* How pictures draw it: around its label, in Mermaid's language. */
	const char *shape[2];
} StepTypeInfo;

extern const StepTypeInfo *const step_types[STEP_TYPES];

extern const StepTypeInfo step_type_agent;
extern const StepTypeInfo step_type_sql;
extern const StepTypeInfo step_type_parallel;
extern const StepTypeInfo step_type_fork_join;
extern const StepTypeInfo step_type_conditional;
extern const StepTypeInfo step_type_loop;
extern const StepTypeInfo step_type_set;
extern const StepTypeInfo step_type_succeed;
extern const StepTypeInfo step_type_fail;

#define step_type_has(type, trait) ((step_types[type]->traits & (trait)) != 0)

/* Of whatever has a type: a node of a plan, a row. */
#define step_is_leaf(step) step_type_has((step)->type, TRAIT_LEAF)
#define step_is_container(step) step_type_has((step)->type, TRAIT_CONTAINER)
#define step_is_terminal(step) step_type_has((step)->type, TRAIT_TERMINAL)
#define step_forks(step) step_type_has((step)->type, TRAIT_FORKS)
#define step_chooses(step) step_type_has((step)->type, TRAIT_CHOOSES)
#define step_iterates(step) step_type_has((step)->type, TRAIT_ITERATES)

extern const char *step_type_name(StepType type);
/* False when no type has this name. */
extern bool step_type_named(const char *name, StepType *type);

#endif							/* PGWF_STEP_TYPE_H */

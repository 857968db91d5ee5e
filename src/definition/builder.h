/*-------------------------------------------------------------------------
 *
 * builder.h
 *	  What the files that build and check a plan share.  Private to
 *	  src/definition.
 *
 *	  From below, each file calling those before it:
 *
 *	  fields.c         reading a field of an object
 *	  builder.c        nodes, and what follows what
 *	  plan_scope.c     the scopes: what follows what
 *	  reach.c          which steps can run before which
 *	  plan_parts.c     what several kinds of objects have in common
 *	  plan_retry.c     retry policies, catch clauses
 *	  plan_container.c what containers have in common: lines of children
 *	  checker.c        what a reference may name (checker.h)
 *	  steps/           what only steps of a type have
 *	  plan_step.c      a step: fields that every one may have, and those
 *	  plan_header.c    the definition's own fields
 *	  plan_epilogue.c  compensations, the definition's on_failure
 *	  plan_document.c  all of a document of the native format
 *	  native.c         its row in the table of languages
 *	  validate.c       the plan as a graph
 *	  references.c     all references of a plan
 *	  front_end.c      languages; a document's way to its stored form and plan
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_BUILDER_H
#define PGWF_BUILDER_H

#include "definition/front_end.h"
#include "definition/names.h"
#include "definition/plan.h"
#include "definition/plan_scope.h"

/*
 * Beyond these the definition is refused, or a warning says that it is large.
 */
#define MAX_STEPS 20000
#define MANY_STEPS 1000

#define MAX_TIMEOUT_SECONDS 31536000
#define MAX_RETENTION_DAYS 36500
#define MAX_VISITS 1000000

/* No upper limit other than that of the type. */
#define ANY_INTEGER PG_INT32_MAX

/* An object of the document whose fields are being read. */
typedef struct Place
{
	const Json *object;
	const char *path;			/* "" for the document itself */
	const char *step_id;		/* NULL: not about one step */
} Place;

/* A step of a graph begins when another has ended. */
typedef struct Dependency
{
	int			node;
	int			on;
} Dependency;

/* Which steps of a scope lead to which. */
typedef struct ScopeReach
{
	bool		searched;		/* else the order of its steps tells */
	uint64	   *sets;			/* a set of components for each; NULL: no
								 * jumps, positions and cycles tell */
	int			row;			/* words in such a set */
} ScopeReach;

/* A plan that is being built. */
typedef struct Builder
{
	WorkflowPlan *plan;
	ProblemList *problems;
	int			max_nesting;
	const FrontEnd *language;	/* for messages about fields */

	NameMap    *ids;			/* step id -> node */
	NameMap    *variables;		/* assigned by some set step or catch clause */
	const Json **sources;		/* the object of each node */
	int			reserved;		/* nodes that there is room for */
	const char *start_step;		/* as written, may be NULL */
	Dependency *dependencies;	/* NULL: all scopes are chains, see
								 * plan_depend() */
	int			ndependencies;
	int			dependencies_size;
	bool		links_broken;	/* some way from step to step is missing: do
								 * not ask what can be reached */
	PlanNode	defaults;		/* no step: what leaf steps take where they
								 * lack it */

	/* made by validate.c and reach.c, by node */
	int		   *position;		/* place in its line, order of discovery in
								 * the root scope */
	int		   *component;		/* strongly connected component of its scope,
								 * -1 = not reached */
	ScopeReach *reach;			/* by scope; NULL: not known yet */
} Builder;

/*
 * The fields that a kind of object has; lists of names, NULL where there are
 * none.
 */
typedef struct FieldSet
{
	const char *owner;			/* for messages */
	const char *const *fields;
	const char *const *not_applied; /* stored, without effect in this
									 * version: a warning */
	const char *const *later;	/* refused in this version */
	const char *const *elsewhere;	/* refused: schedules are no part of a
									 * definition */
	const struct FieldSet *more;	/* these as well */
	const struct FieldSet *flat;	/* a step's configuration, which may stand
									 * on the step: see normalise_step.c */
} FieldSet;

#define NAMES(...) ((const char *const[]) {__VA_ARGS__, NULL})

extern const FieldSet step_fields;
extern const FieldSet definition_fields;
extern const FieldSet defaults_fields;
extern const FieldSet loop_config_fields;
extern const FieldSet fork_join_config_fields;
extern const FieldSet branch_fields;
extern const FieldSet condition_fields;
extern const FieldSet case_fields;
extern const FieldSet on_failure_fields;
extern const FieldSet retry_fields;
extern const FieldSet catch_fields;
extern const FieldSet breaker_fields;
extern const FieldSet dead_letter_fields;
extern const FieldSet commit_fields;
extern const FieldSet transaction_fields;
extern const FieldSet alerts_fields;

/* --- fields.c --- */

/* Has an object of this kind such a field? */
extern bool field_is_of(const FieldSet *set, const char *name);

/* Report the members that an object of this kind does not have. */
extern void check_fields(Builder *builder, const Place *place,
						 const FieldSet *set);

/* Path of a field; valid until released. */
extern char *field_path(const Place *place, const char *field);

/* An error about one field (NULL: the object itself). */
extern void field_error(Builder *builder, const Place *place, const char *field,
						const char *hint, const char *format, ...)
	pg_attribute_printf(5, 6);

/* The member, or NULL where it is missing or null. */
extern const Json *field_get(const Place *place, const char *field);

/* The same, reporting what is there but is of another kind. */
extern const Json *field_of_kind(Builder *builder, const Place *place,
								 const char *field, JsonKind kind);

/*
 * Readers.  Each gives the default (NULL, the value given) where the field is
 * missing, and also, with a problem reported, where it is not acceptable.
 */
extern char *field_string(Builder *builder, const Place *place,
						  const char *field, bool required);
extern int	field_integer(Builder *builder, const Place *place,
						  const char *field, int lowest, int highest,
						  int missing);
extern bool field_boolean(Builder *builder, const Place *place,
						  const char *field, bool missing);
extern int	field_choice(Builder *builder, const Place *place,
						 const char *field, const char *const *choices,
						 int missing);
extern Template *field_template(Builder *builder, const Place *place,
								const char *field);

/* "did you mean", or NULL; pays attention to how much was said already. */
extern char *likeness_hint(Builder *builder, const NameMap *names,
						   const char *word);

/* --- builder.c --- */

/*
 * What front ends make plans with: room for so many nodes, the nodes, what
 * leads from one to the other.
 */
extern void plan_reserve(Builder *builder, int count);
/*
 * The node of a step, and the object that its fields are read from; NULL: the
 * id is taken.
 */
extern PlanNode *plan_add_node(Builder *builder, const char *id,
							   const Json *source);
/* In its scope a step is followed by another. */
extern void plan_connect(Builder *builder, int node, int next);

/* Place of a node's own object; release place->path. */
extern Place node_place(const Builder *builder, int node);
extern int	find_step(Builder *builder, const Place *place, const char *field,
					  const Json *value);

/* --- plan_parts.c --- */

/* Is the time limit's strategy to abort?  seconds: the limit, 0 = none. */
extern bool build_timeout_strategy(Builder *builder, const Place *place,
								   int seconds);
/* "transaction": {..}, of a step or of the definition. */
extern void build_transaction(Builder *builder, const Place *place,
							  TransactionMode *mode);
extern void build_settings(Builder *builder, const Place *place,
						   const char *field, PlanSetting **settings,
						   int *nsettings);
extern Condition *build_condition(Builder *builder, const Place *place,
								  const char *field, const Json *value);

/* --- plan_retry.c --- */

extern RetryPolicy *build_policies(Builder *builder, const Place *place,
								   int *npolicies);
extern void build_retry(Builder *builder, PlanNode *node, const Place *place);
extern void build_catch(Builder *builder, PlanNode *node, const Place *place);

/* --- plan_container.c --- */

extern PlanLine *add_line(PlanNode *node, char *name);
extern void add_child(Builder *builder, PlanNode *node, const Place *place,
					  const char *field, const Json *value);
extern void add_children(Builder *builder, PlanNode *node, const Place *place,
						 const char *field, const Json *value);

/* Does the container end as soon as its join is decided? */
extern void build_on_join(Builder *builder, PlanNode *node, const Place *place);
/*
 * There should be two children at least; what: what they are called, one and
 * more.
 */
extern void check_child_count(Builder *builder, const PlanNode *node,
							  const Place *place, const char *field, int count,
							  const char *child, const char *children);
/* For pictures, see StepTypeInfo. */
extern const char *needed_children(const PlanNode *node, bool all);

/* --- plan_scope.c --- */

/*
 * A step begins when another one of its scope has ended, and whatever else it
 * depends on: so its scope is a graph, and the order in which its steps are
 * listed means nothing.  The native format cannot say that; front ends can.
 */
extern void plan_depend(Builder *builder, int node, int on);
extern void build_scopes(Builder *builder);

/* --- plan_step.c --- */

extern void build_defaults(Builder *builder, const Place *place);
extern void build_step(Builder *builder, PlanNode *node);

/* --- plan_header.c --- */

extern void build_header(Builder *builder, const Place *place);

/* --- plan_epilogue.c --- */

/* All nodes are built and linked. */
extern void find_compensations(Builder *builder);
/* What leads to them, and the on_failure chain; the scopes are built. */
extern void build_epilogue(Builder *builder, const Place *place);
extern void check_chain(Builder *builder, const bool *reachable,
						const bool *in_chain);

/* --- plan_document.c --- */

/* A whole document in the stored form. */
extern void build_definition(Builder *builder, const Json *document);

/* --- validate.c --- */

/*
 * Check the plan as a graph; false when it makes no sense to look at
 * references.
 */
extern bool validate_graph(Builder *builder);

/* --- reach.c --- */

extern void compute_reach(Builder *builder);
extern void free_reach(Builder *builder);

/*
 * Can their scope get from one node to the other by at least one step?  Also
 * true for steps that cannot be reached, or are in no scope or in different
 * ones: that was reported already.
 */
extern bool step_leads_to(const Builder *builder, int from, int to);

/* --- references.c --- */

extern void resolve_references(Builder *builder);

#endif							/* PGWF_BUILDER_H */

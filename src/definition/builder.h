/*-------------------------------------------------------------------------
 *
 * builder.h
 *	  What the files that build and check a plan share.  Private to
 *	  src/definition.
 *
 *	  plan.c           the plan: header, nodes, ids
 *	  plan_step.c      fields that every step may have, and the leaf types
 *	  plan_container.c fields of containers, their lines
 *	  plan_conditional.c  conditionals, both forms
 *	  plan_epilogue.c  compensations, the definition's on_failure
 *	  fields.c         which fields there are; reading one from an object
 *	  validate.c       the plan as a graph
 *	  reach.c          which steps can run before which
 *	  references.c     what a reference may name
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_BUILDER_H
#define PGWF_BUILDER_H

#include "definition/names.h"
#include "definition/plan.h"

/* Beyond these the definition is refused, or a warning says that it is large. */
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

/* A plan that is being built. */
typedef struct Builder
{
	WorkflowPlan *plan;
	ProblemList *problems;
	int			max_nesting;

	NameMap    *ids;			/* step id -> node */
	NameMap    *variables;		/* assigned by some set step or catch clause */
	const Json **sources;		/* the object of each node */
	const char *start_step;		/* as written, may be NULL */
	bool		links_broken;	/* some way from step to step is missing: do not ask what can be reached */
	PlanNode	defaults;		/* no step: what leaf steps take where they lack it */

	/* made by validate.c and reach.c, by node */
	int		   *position;		/* place in its line, order of discovery in the root scope */
	int		   *component;		/* root scope: strongly connected component, -1 = not reached */
	int			ncomponents;
	uint64	   *reach;			/* a set of components for each; NULL: no jumps, position says it */
	int			row;			/* words in such a set */
} Builder;

/* Which objects have a field: bits above the step types. */
#define FIELD_OF(type) (1 << (type))
#define FIELD_OF_ANY_STEP 0x1FF
#define FIELD_OF_CONTAINER (FIELD_OF(STEP_PARALLEL) | FIELD_OF(STEP_FORK_JOIN) | FIELD_OF(STEP_CONDITIONAL) | FIELD_OF(STEP_LOOP))
#define FIELD_OF_LEAF (FIELD_OF(STEP_AGENT) | FIELD_OF(STEP_SQL))
#define FIELD_OF_DEFINITION (1 << 10)
#define FIELD_OF_DEFAULTS (1 << 11)
#define FIELD_OF_LOOP_CONFIG (1 << 12)
#define FIELD_OF_FORK_JOIN_CONFIG (1 << 13)
#define FIELD_OF_BRANCH (1 << 14)
#define FIELD_OF_CONDITION (1 << 15)
#define FIELD_OF_CASE (1 << 16)
#define FIELD_OF_ON_FAILURE (1 << 17)
#define FIELD_OF_RETRY (1 << 18)
#define FIELD_OF_CATCH (1 << 19)
#define FIELD_OF_BREAKER (1 << 24)
#define FIELD_OF_DEAD_LETTER (1 << 30)
#define FIELD_OF_COMMIT (1 << 25)
#define FIELD_OF_TRANSACTION (1 << 26)
#define FIELD_OF_ALERTS (1 << 27)

/* --- fields.c --- */

/* Report the members that an object of this kind does not have. */
extern void check_fields(Builder *builder, const Place *place, int owner,
						 const char *owner_name);

/* Path of a field; valid until released. */
extern char *field_path(const Place *place, const char *field);

/* An error about one field (NULL: the object itself). */
extern void field_error(Builder *builder, const Place *place, const char *field,
						const char *hint, const char *format,...) pg_attribute_printf(5, 6);

/* The member, or NULL where it is missing or null. */
extern const Json *field_get(const Place *place, const char *field);

/* The same, reporting what is there but is of another kind. */
extern const Json *field_of_kind(Builder *builder, const Place *place,
								 const char *field, JsonKind kind);

/*
 * Readers.  Each gives the default (NULL, the value given) where the field is
 * missing, and also, with a problem reported, where it is not acceptable.
 */
extern char *field_string(Builder *builder, const Place *place, const char *field,
						  bool required);
extern int	field_integer(Builder *builder, const Place *place, const char *field,
						  int lowest, int highest, int missing);
extern bool field_boolean(Builder *builder, const Place *place, const char *field,
						  bool missing);
extern int	field_choice(Builder *builder, const Place *place, const char *field,
						 const char *const *choices, int missing);
extern Template *field_template(Builder *builder, const Place *place, const char *field);

/* "did you mean", or NULL; pays attention to how much was said already. */
extern char *likeness_hint(Builder *builder, const NameMap *names, const char *word);

/* --- plan_step.c --- */

extern void build_defaults(Builder *builder, const Place *place);
extern void build_step(Builder *builder, PlanNode *node);
/* Is the time limit's strategy to abort?  seconds: the limit, 0 = none. */
extern bool build_timeout_strategy(Builder *builder, const Place *place, int seconds);
/* "transaction": {..}, of a step or of the definition. */
extern void build_transaction(Builder *builder, const Place *place, TransactionMode *mode);
extern void build_settings(Builder *builder, const Place *place, const char *field,
						   PlanSetting **settings, int *nsettings);
extern Condition *build_condition(Builder *builder, const Place *place,
								  const char *field, const Json *value);

/* --- plan_retry.c --- */

extern RetryPolicy *build_policies(Builder *builder, const Place *place, int *npolicies);
extern void build_retry(Builder *builder, PlanNode *node, const Place *place);
extern void build_catch(Builder *builder, PlanNode *node, const Place *place);

/* --- plan_container.c --- */

extern void build_container(Builder *builder, PlanNode *node, const Place *place);
extern PlanLine *add_line(PlanNode *node, char *name);
extern int	find_step(Builder *builder, const Place *place, const char *field,
					  const Json *value);
extern void add_children(Builder *builder, PlanNode *node, const Place *place,
						 const char *field, const Json *value);

/* --- plan_conditional.c --- */

extern void build_conditional(Builder *builder, PlanNode *node, const Place *place);

/* --- plan_epilogue.c --- */

/* Find compensations and the on_failure chain; all nodes are built and linked. */
extern void build_epilogue(Builder *builder, const Place *place);
extern void check_chain(Builder *builder, const bool *reachable, const bool *in_chain);

/* --- plan.c --- */

/* Plan of a parsed document: plan_build() and definition_normalise() share it. */
extern WorkflowPlan *plan_compile(const Json *document, int max_nesting, ProblemList *problems);

/* Place of a node's own object; release place->path. */
extern Place node_place(const Builder *builder, int node);

/* --- validate.c --- */

/* Check the plan as a graph; false when it makes no sense to look at references. */
extern bool validate_graph(Builder *builder);

/* --- reach.c --- */

extern int	root_successor(const PlanNode *node, int k, bool *more);
extern void compute_reach(Builder *builder);

/* Can the root scope get from one node to the other by at least one step? */
extern bool root_leads_to(const Builder *builder, int from, int to);

/* --- references.c --- */

extern void resolve_references(Builder *builder);

#endif							/* PGWF_BUILDER_H */

/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  The compiled form of a definition: an array of nodes.
 *
 * NOTES
 *	  Built from the normalised document in microseconds, immutable afterwards
 *	  except for the evaluator's literal caches, kept per process.  Node indexes
 *	  are meaningful only while one server runs: they travel through shared
 *	  memory, never into a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_PLAN_H
#define PGWF_PLAN_H

#include "definition/join_rule.h"
#include "definition/json.h"
#include "definition/problem.h"
#include "definition/step_type.h"
#include "definition/template.h"

/* Containers inside containers; ScopeId in scope_id.h has room for as many. */
#define PLAN_MAX_NESTING 16
/* Longest id of a step, branch or variable, as in the source systems. */
#define PLAN_MAX_ID_LENGTH 255
/* Longest scope path a plan may give rise to: it is part of a btree key. */
#define PLAN_MAX_SCOPE_LENGTH 1500
/* Priorities are from -MAX_PRIORITY to MAX_PRIORITY. */
#define MAX_PRIORITY 1000
/*
 * Steps in one transaction: each has a subtransaction, and snapshots know 64.
 */
#define MAX_BATCH 50
/*
 * Age of a transaction at which no further step joins it, unless the definition
 * says so.
 */
#define DEFAULT_BATCH_MS 100
/* A while or until loop without max_iterations ends after so many. */
#define DEFAULT_MAX_ITERATIONS 10000

typedef enum SqlResult
{
	SQL_RESULT_ROWS,			/* {"rows": [..], "row_count": n} */
	SQL_RESULT_ROW,				/* the first row as an object, null when
								 * there is none */
	SQL_RESULT_VALUE,			/* first column of the first row, null when
								 * there is none */
	SQL_RESULT_NONE				/* {"row_count": n} */
} SqlResult;

typedef enum LoopKind
{
	LOOP_COLLECTION,
	LOOP_WHILE,					/* condition tested before an iteration */
	LOOP_UNTIL					/* condition tested after it */
} LoopKind;

typedef enum LoopResult
{
	LOOP_RESULT_ITERATIONS,
	LOOP_RESULT_OUTPUTS,
	LOOP_RESULT_COUNTS
} LoopResult;

/* loop: stop, continue, collect; parallel: continue, stop */
typedef enum ErrorPolicy
{
	ON_ERROR_STOP,				/* start nothing further, then fail */
	ON_ERROR_CONTINUE,			/* loop: complete with counts.  parallel:
								 * siblings always finish */
	ON_ERROR_COLLECT			/* loop: run all, then fail with the full
								 * output */
} ErrorPolicy;

/* What a failure of the step means to its scope. */
typedef enum OnFailure
{
	ON_FAILURE_FAIL,
	ON_FAILURE_IGNORE,			/* the scope goes on, the output is null */
	ON_FAILURE_DEFAULT			/* the scope goes on with failure_default as
								 * output */
} OnFailure;

/* A condition: an expression, or SQL that returns one boolean. */
typedef struct Condition
{
	char	   *text;			/* as written */
	Expression *expression;		/* or */
	char	   *sql;
} Condition;

/* How the delay grows from one retry to the next. */
typedef enum RetryType
{
	RETRY_EXPONENTIAL,			/* initial * multiplier ^ n */
	RETRY_FIXED,
	RETRY_LINEAR,				/* initial * (n + 1) */
	RETRY_IMMEDIATE
} RetryType;

/* One policy of a step's "retry"; the first that names the error counts. */
typedef struct RetryPolicy
{
	char	  **errors;			/* as written; none = all */
	int			nerrors;
	RetryType	type;
	int			max_retries;	/* after the first attempt; 0 = never */
	int			initial_delay_ms;
	int			max_delay_ms;
	double		backoff_multiplier;
	bool		jitter;			/* +/- 10 % */
	int			max_total_seconds;	/* from the start of the first attempt; 0
									 * = no limit */
	Expression *retry_if;		/* and only if this is true; NULL = always */
	char	   *retry_if_text;
} RetryPolicy;

/*
 * Where a scope goes on after an error; the first clause that names it counts.
 */
typedef struct CatchClause
{
	char	  **errors;			/* as written; none = all */
	int			nerrors;
	int			target;			/* node in the step's own scope */
	char	   *as;				/* variable that gets the error; NULL = none */
} CatchClause;

/* How strictly a transaction is kept apart from others; weakest first. */
typedef enum Isolation
{
	ISOLATION_UNSAID,			/* as the role's settings are */
	ISOLATION_READ_COMMITTED,
	ISOLATION_REPEATABLE_READ,
	ISOLATION_SERIALIZABLE
} Isolation;

typedef enum Switch
{
	SWITCH_UNSAID,
	SWITCH_OFF,
	SWITCH_ON
} Switch;

/* The transaction of a step's SQL. */
typedef struct TransactionMode
{
	Isolation	isolation;
	Switch		read_only;
	Switch		deferrable;
} TransactionMode;

/* A GUC for the step's SQL. */
typedef struct PlanSetting
{
	char	   *name;
	char	   *value;
	const char *path;			/* where it stands in the stored form;
								 * defaults are shared */
} PlanSetting;

/*
 * The steps that run in one scope, as a graph: what follows what.  plan_scope.h
 * has the questions that are asked of it.
 *
 * Mostly it is a chain: one of its steps runs at a time, and each leads to its
 * one successor, or by a case or an error of it to another step.  Whoever leads
 * to a step begins it, so that also in the root scope, which may have cycles,
 * each but the first waits for one end.
 *
 * In a graph a step begins when all those that it depends on have ended.
 */
typedef struct PlanScope
{
	int			first;			/* node that it begins with, of a graph the
								 * lowest; -1: it has no steps */
	bool		is_graph;
	int			nnodes;
	int		   *nodes;			/* of a line that is a chain as they follow
								 * each other, else by index */
	int		   *dependencies;	/* of each: how many ends it waits for */
	int		   *edges;			/* of each: where its successors begin; one
								 * more at the end */
	int		   *successors;		/* nodes; those of one step by index */
} PlanScope;

/*
 * The children of a container that make up one scope, as the document lists
 * them.
 */
typedef struct PlanLine
{
	char	   *name;			/* branch name, child id, "then", "else",
								 * "case 1" .., NULL for a loop body */
	char	   *path_name;		/* what paths of scopes have in its place;
								 * NULL: nothing else */
	int			scope;			/* of plan->scopes: who walks asks that for
								 * what is first and next */
	int			first;			/* node */
	int			last;			/* node */
	int			nsteps;
	int			timeout_seconds;	/* fork_join branches; 0 = none */
	Condition  *when;			/* switch cases */
	int			jump;			/* switch case that jumps: node in the
								 * conditional's own scope; else -1 */
} PlanLine;

typedef struct PlanNode
{
	int			index;
	char	   *id;
	StepType	type;
	char	   *description;

	/* place */
	int			container;		/* node of the container, -1 in the root
								 * scope */
	int			line;			/* which of the container's lines */
	int			next;			/* what the document says follows, -1:
								 * nothing; who walks asks the scope */
	int			scope;			/* of plan->scopes; -1: a compensation, which
								 * is in none */
	int			position;		/* among the scope's nodes */
	int			depth;			/* number of containers around it */
	int			compensation;	/* the step that undoes it, -1: none */
	int			compensates;	/* the step that it undoes, -1: it is no
								 * compensation */
	bool		in_chain;		/* of the definition's on_failure chain, or
								 * inside it */
	bool		on_cycle;		/* can be visited more than once in one scope */
	bool		is_referenced;	/* some reference reads its output, status or
								 * error */

	/* common fields */
	Expression *when;
	char	   *when_text;
	int			timeout_seconds;	/* step or block; 0 = none */
	bool		timeout_abort;	/* block: nothing is kept of one whose time
								 * was over */
	OnFailure	on_failure;
	Template   *failure_default;
	RetryPolicy *retry;			/* its own; of leaf steps then the
								 * definition's defaults */
	int			nretry;
	int			nown_retry;		/* how many of them are its own: an agent's
								 * come after those */
	CatchClause *catches;
	int			ncatches;
	Template   *output;			/* reshapes the result; NULL = as it is */
	PlanSetting *settings;
	int			nsettings;
	int			max_visits;		/* 0 = not given */
	int			priority;		/* 0 = the execution's */

	Template   *input_mapping;	/* NULL = none */
	TransactionMode transaction;

	/* containers */
	PlanLine   *lines;			/* parallel: a line per child; fork_join: per
								 * branch; conditional: per case; loop: one */
	int			nlines;
	int		   *lines_by_name;	/* lines sorted by name, for
								 * plan_find_line(); NULL: they have none */
	int		   *lines_by_path;	/* the same by the name in a path; may be
								 * the same array */
	int			max_parallelism;	/* 0 = unlimited */
	ErrorPolicy on_error;
	JoinRule	join;			/* when its children make it succeed */

	void	   *part;			/* what only its type has: steps/TYPE.h */
} PlanNode;

/* Not just Plan: that is a struct of the server's. */
typedef struct WorkflowPlan
{
	char	   *name;
	char	   *label;			/* the document's own "version" */
	PlanNode   *nodes;
	int			nnodes;
	PlanScope  *scopes;			/* the root scope, then those of the
								 * containers' lines */
	int			nscopes;
	int			start;			/* node */
	int			on_failure;		/* first node of the chain that runs before
								 * the execution fails; -1 = none */
	int			ncompensations;
	int			timeout_seconds;	/* of the execution; 0 = none */
	bool		timeout_abort;	/* no partial output when its time is over */
	int			max_pause_seconds;	/* a longer pause fails it; 0 = no limit */
	Template   *output;			/* of the execution; NULL = output of the
								 * last step */
	PlanSetting *settings;		/* for every step's SQL */
	int			nsettings;
	TransactionMode transaction;	/* of every step's SQL that does not say
									 * it itself */
	bool		relaxed;		/* durability: relaxed */
	int			commit_max_steps;	/* in one transaction; 1 = each in its
									 * own */
	int			commit_max_ms;	/* age of a transaction at which no further
								 * step joins it */
	bool		notify;
	bool		dead_letter;	/* what fails becomes a dead letter */
	int			dead_letter_days;	/* after which prune() may delete that; 0
									 * = never */
	int			priority;
	char	   *tenant;			/* NULL = none */
	int			max_running;	/* 0 = no limit */
	bool		refuse_when_full;
	int			max_retry_budget;	/* retries of all steps together; -1 = no
									 * limit */
	bool		assigns_variables;	/* some set step or catch clause does */
	int		   *by_id;			/* nodes sorted by id, for plan_find() */
} WorkflowPlan;

/* Can there be more than one visit of a step in one scope? */
#define step_may_have_visits(node) \
	((node)->on_cycle || (step_is_container(node) && (node)->nretry > 0))

/* Could there be a setting of this name? */
extern bool plan_is_setting_name(const char *name);
/* Let plan_find() and plan_find_line() find what is there now. */
extern void plan_sort(WorkflowPlan *plan);
extern PlanNode *plan_find(const WorkflowPlan *plan, const char *step_id);
/* Which line of a container has this name; -1: none. */
extern int	plan_find_line(const PlanNode *container, const char *name);
/* Which one has it in paths of scopes. */
extern int	plan_find_path_line(const PlanNode *container, const char *name);
/* The name that those have. */
#define plan_line_path_name(line) \
	((line)->path_name != NULL ? (line)->path_name : (line)->name)

/*
 * The plan as an indented tree, for workflow.explain().  notes: something to
 * add to the line of each node, NULL where there is nothing; NULL for none at
 * all.
 */
extern char *plan_explain(const WorkflowPlan *plan, char *const *notes);

#endif							/* PGWF_PLAN_H */

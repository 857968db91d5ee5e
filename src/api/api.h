/*-------------------------------------------------------------------------
 *
 * api.h
 *	  What the SQL-callable functions share with each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_API_H
#define PGWF_API_H

#include "postgres.h"
#include "fmgr.h"
#include "utils/jsonb.h"

#include "definition/front_end.h"
#include "definition/plan.h"
#include "shared/compat.h"
#include "state/executions.h"
#include "state/names.h"

/* --- arguments.c --- */

/* Argument as a C string, or an error that names it when it is null. */
extern char *required_text(FunctionCallInfo fcinfo, int argument,
						   const char *name);
/* Argument as a C string, NULL for null. */
extern char *optional_text_argument(FunctionCallInfo fcinfo, int argument);
extern Jsonb *required_jsonb(FunctionCallInfo fcinfo, int argument,
							 const char *name);
extern int64 required_execution_id(FunctionCallInfo fcinfo);
/*
 * Is the caller shown what an execution of the role does: for its rights, or as
 * one who only looks on?  The latter is told nothing of what it works with, nor
 * what was said about it.
 */
extern bool may_see(Oid role, const char *workflow);
/*
 * The errors for an execution that is not there, and for one of another role,
 * which is the same one unless it is known to the caller, who may see or steer
 * it; detail NULL: none.
 */
pg_noreturn extern void refuse_unknown_execution(int64 id);
pg_noreturn extern void refuse_foreign_execution(int64 id, Oid role, bool known,
												 const char *detail);
/* Same for what belongs to somebody: "workflow", "agent". */
pg_noreturn extern void refuse_foreign_owner(const char *what, const char *name,
											 Oid owner, const char *detail);
/* Hint for such errors: whose it is, and what helps. */
extern int	hint_about_owner(Oid owner);
/* Same for a step that the workflow of an execution does not have. */
pg_noreturn extern void refuse_unknown_step(const char *workflow,
											const WorkflowPlan *plan,
											const char *step_id);
/*
 * For filters of functions that steer many: whether this call, of all in the
 * statement, is the first that asks; a notice about one must do.
 */
extern bool is_first_left_out(FunctionCallInfo fcinfo);
/*
 * For what looks behind a lock at the newest rows, which needs a snapshot taken
 * behind it.
 */
extern void require_read_committed(const char *function);
/* A hint that names the psql command that explains the arguments. */
extern int	hint_about_arguments(FunctionCallInfo fcinfo);
/* The error for a null where there must be a value. */
pg_noreturn extern void refuse_null(FunctionCallInfo fcinfo, const char *name);
/*
 * The highest priority the role may give: workflow.max_priority, or its limit.
 */
extern int	priority_ceiling(Oid role);
/*
 * An error for a priority that does not exist, or is above the ceiling of the
 * role.
 */
extern void require_priority(int priority, Oid role);
/*
 * An error for a value that is larger than what is handed to executions of the
 * role may be.
 */
extern void require_payload(const Jsonb *value, const char *argument, Oid role);
/* A version argument: 0 for null, an error when it is not positive. */
extern int	version_argument(FunctionCallInfo fcinfo, int argument);

/*
 * The name of a role, or an error when there is none with this OID; hint: what
 * to do then.
 */
extern char *required_role_name(Oid role, const char *hint);

/* Is a name reserved for the extension? */
extern bool is_reserved_name(const char *name);
/* An error for one: of a "workflow", an "agent", a "schedule". */
extern void refuse_reserved_name(const char *what, const char *name);

/*
 * An error for a new name that the caller may not use under
 * workflow.namespaces.
 */
extern void require_namespace(const char *what, const char *name);

/* Find a definition or raise an error that names it. */
extern void require_definition(const char *workflow, int version,
							   Definition *definition);

/* --- startable.c --- */

/* All roles: what the server shows as the grantee of what PUBLIC has. */
#define EVERYBODY "-"

/*
 * Find a definition that the role may start and can: neither blocked nor a
 * draft, and with a version unless it trusts the owner; warns of a deprecated
 * one.
 */
extern void require_startable(const char *workflow, int version, Oid role,
							  Definition *definition);

/* An error when the role may not start executions of the workflow. */
extern void require_may_start(const Definition *definition, Oid role);

/*
 * The role as an argument of a call in a hint: an identifier, which a regrole
 * is read from.
 */
extern const char *role_argument(Oid role);

/*
 * An error when the workflow is blocked for who starts it: nothing of it may
 * begin.
 */
extern void require_not_blocked(const Definition *definition, Oid starter);
/*
 * A statement that has a workflow run for a role; in its place what comes
 * first, where it is blocked or the role may not start it.
 */
extern char *help_to_begin(const char *workflow, Oid role, char *help);

/* --- agent.c --- */

/*
 * Lock an agent that the caller may change, or raise an error; returns its
 * owner.
 */
extern Oid	lock_own_agent(const char *name);

/* --- extension.c --- */

/* Is it a routine that grant_usage() does not grant? */
extern bool is_owner_only(const char *name);
/* Would a GRANT EXECUTE of it help? */
extern bool is_grantable(const char *name);

/*
 * --- hints.c ---
 *
 * Hints about a name or word that there is not: "Did you mean ..?", or else
 * otherwise.  Names the caller may not see are not suggested.  To be called in
 * front of ereport(): names are read from tables.
 */
extern char *hint_about_name(NamedThing thing, const char *name,
							 const char *otherwise);
extern char *hint_about_step(const WorkflowPlan *plan, const char *step_id,
							 const char *otherwise);
extern char *hint_about_timezone(const char *name, const char *otherwise);
/* Of words that are few; NULL when none is meant. */
extern char *hint_about_meant_word(const char *word, const char *const *words,
								   int nwords);
/* The same; then it lists them. */
extern char *hint_about_word(const char *word, const char *const *words,
							 int nwords);

/* --- check_settings.c --- */

/* Report what is wrong with one setting for a step's SQL, at the path. */
extern void check_setting(const PlanSetting *setting, const char *step_id,
						  const char *path, ProblemList *problems);

/* --- check.c --- */

/*
 * All checks of a document, SQL and agents included; returns the text of its
 * stored form, NULL when there are errors.  language, which may be NULL, gets
 * what it is written in.
 */
extern char *check_definition(Jsonb *document, ProblemList *problems,
							  const FrontEnd **language);

/* --- define.c --- */

/*
 * Store a definition of the extension's own, which its owner owns; returns the
 * version.
 */
extern int	define_own(const char *document);

/* The errors among the problems, one per line, for a detail. */
extern char *problem_details(const ProblemList *problems);
/* The warnings among them, each as a WARNING. */
extern void raise_warnings(const ProblemList *problems);

/* --- admit.c --- */

/* An error when the queue is as long as it may be. */
extern void require_room_in_queue(Oid role);
/* An error when the role has as many queued as it may have. */
extern void require_room_of_role(Oid role);

/* --- start.c --- */

/*
 * Queue an execution, of the current role unless another one is given, and
 * arrange for the scheduler to be woken at commit.
 */
extern int64 queue_execution(NewExecution *new);

#endif							/* PGWF_API_H */

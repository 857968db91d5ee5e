/*-------------------------------------------------------------------------
 *
 * state.h
 *	  The tables, seen from C: records and the functions that read and write
 *	  them.  Nothing else in the module touches the tables.
 *
 * NOTES
 *	  Every function needs a transaction with an active snapshot or makes its
 *	  own (SPI), and runs its statements as the extension's owner.  All SQL text
 *	  is fully qualified, operators included.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_STATE_H
#define PGWF_STATE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "executor/spi.h"
#include "utils/jsonb.h"

#include "definition/agent_options.h"
#include "definition/plan.h"
#include "shared/breaker_machine.h"
#include "shared/counters.h"

/* --- state.c: prepared statements as the owner --- */

/*
 * A statement of this room: text, parameter types, and the plan kept after
 * first use.
 */
typedef struct StateStatement
{
	const char *sql;
	int			nargs;
	const Oid  *argtypes;
	struct StatePlan *plan;
} StateStatement;

/*
 * Run it as the owner inside SPI (connects and finishes by itself when rows are
 * not wanted: use state_execute).  nulls: ' ' or 'n' per argument, NULL = none.
 * Raises an error unless the SPI result is one of a completed statement.
 */
extern uint64 state_execute(StateStatement *statement, Datum *values,
							const char *nulls);
/*
 * Same, leaving SPI connected so that SPI_tuptable can be read; then
 * state_done().  The current memory context stays the caller's.
 */
extern uint64 state_query(StateStatement *statement, Datum *values,
						  const char *nulls, bool read_only, long limit);
extern void state_done(void);

/*
 * Raise an error unless the extension is installed in this database, in the
 * library's version, and forget everything cached when it is not the same
 * installation as before.  Cheap when nothing was invalidated.  Needs a
 * transaction.  Each function that SQL can call comes here before it gives a
 * row: another version's may have other columns.
 */
extern void state_check_installation(void);
/*
 * A script has run: have this and all other processes look again, once it has
 * committed.
 */
extern void state_installation_changed(void);

/* --- status.c: the states of an execution --- */

typedef enum ExecutionStatus
{
	EXECUTION_PENDING,
	EXECUTION_RUNNING,
	EXECUTION_PAUSED,
	EXECUTION_CANCELLING,
	EXECUTION_COMPLETED,
	EXECUTION_FAILED,
	EXECUTION_CANCELLED,
	EXECUTION_TIMED_OUT,
	EXECUTION_BLOCKED,
	EXECUTION_WAITING
} ExecutionStatus;

#define NUM_EXECUTION_STATUSES (EXECUTION_WAITING + 1)

extern const char *execution_status_name(ExecutionStatus status);
/* False when there is no status of this name. */
extern bool execution_status_find(const char *name, ExecutionStatus *status);
/* The same for a name out of the table. */
extern ExecutionStatus execution_status_from_name(const char *name);
/* True for a status no execution leaves again by itself. */
extern bool execution_status_is_final(ExecutionStatus status);
/* What counts executions that end so. */
extern EngineCounter counter_of_end(ExecutionStatus status);

/* --- audit.c: who did what --- */

/* An entry of workflow.audit_log; the session's identity is added to it. */
typedef struct AuditEntry
{
	const char *action;			/* cancel, pause, define .. */
	const char *subject_type;	/* execution, workflow, agent, executor,
								 * database .. */
	const char *subject;		/* name or number */
	int64		execution_id;	/* 0: none */
	Oid			role;			/* whose doing it was; InvalidOid: the
								 * current role's */
	const char *reason;			/* may be NULL */
	Jsonb	   *before;			/* may be NULL */
	Jsonb	   *after;			/* may be NULL */
} AuditEntry;

/* Write an entry in the current transaction. */
extern void audit(const AuditEntry *entry);
/* Delete entries from before a time, oldest first, at most max. */
extern int64 audit_prune(TimestampTz before, int32 max);
/* {"key": "text"}: what most entries say of before and after. */
extern Jsonb *audit_object(const char *key, const char *text);
/* The same about an execution, whose status changes. */
extern void audit_execution(const char *action, int64 execution_id,
							const char *reason, ExecutionStatus before,
							ExecutionStatus after);

/* --- definitions.c --- */

typedef enum DefinitionStatus
{
	DEFINITION_DRAFT,
	DEFINITION_ACTIVE,
	DEFINITION_DEPRECATED,
	DEFINITION_ARCHIVED
} DefinitionStatus;

#define NUM_DEFINITION_STATUSES (DEFINITION_ARCHIVED + 1)

extern const char *definition_status_name(DefinitionStatus status);
/* False when there is no status of this name. */
extern bool definition_status_find(const char *name, DefinitionStatus *status);

typedef struct Definition
{
	int			id;
	char	   *name;
	int			version;
	DefinitionStatus status;
	Oid			owner;
	int			priority;		/* of its executions, unless start() says
								 * otherwise */
	char	   *tenant;			/* the same; NULL: none */
	int			max_running;	/* executions of the workflow at one time; 0
								 * = no limit */
	bool		refuse_when_full;	/* rather than let them wait */
	bool		blocked;		/* the workflow is: see blocks.h */
} Definition;

/* A version to be stored. */
typedef struct NewDefinition
{
	const char *name;
	const char *label;			/* the document's own "version", may be NULL */
	const char *workflow_id;	/* may be NULL */
	const char *description;	/* may be NULL */
	const char *language;		/* name of its front end */
	DefinitionStatus status;
	Oid			owner;
	Jsonb	   *document;		/* as given */
	Jsonb	   *normalised;
} NewDefinition;

/*
 * Find a definition by name or, when there is no such name, by workflow_id.
 * Version 0 = the newest active one, else the newest deprecated one, else the
 * newest; the caller judges the status.  Returns false when there is none.  The
 * strings stay valid until the next change of any definition is noticed: copy
 * what is kept beyond the transaction.
 */
extern bool definition_find(const char *workflow, int version,
							Definition *definition);
/*
 * Lock the newest version of a name against others who define it.  Returns
 * false when there is none; *same = its document, in the stored form, is that
 * of the new one.
 */
extern bool definition_lock_newest(const NewDefinition *new, Definition *newest,
								   bool *same);
/* Insert a version.  Returns its id, 0 when another session took the number. */
extern int	definition_insert(const NewDefinition *definition, int version);
extern void definition_set_status(int definition_id, DefinitionStatus status);
/*
 * Name of another definition that uses this name as its workflow_id, or this
 * workflow_id as its name or workflow_id; NULL when there is none.  What others
 * have committed counts, whatever snapshot the transaction has.
 */
extern char *definition_find_clash(const char *name, const char *workflow_id);
/*
 * Lock a name and a workflow_id that do not lead to the workflow yet against
 * others who define them, for this or another one.  Returns false when both do.
 */
extern bool definition_lock_names(const char *name, const char *workflow_id);
/*
 * A number that moves when this process learns that a definition or a block has
 * changed: what definition_find() gave under another one may have changed.
 */
extern uint64 definitions_change(void);
/*
 * Plan of a definition, cached in this process for good (definitions are
 * immutable).
 */
extern WorkflowPlan *definition_plan(int definition_id);
/* The same; NULL when its row is lost, or nothing can be made of it here. */
extern WorkflowPlan *definition_plan_if_any(int definition_id);
/* timeout_seconds of a definition, remembered for good; 0: none. */
extern int	definition_timeout(int definition_id);

/* --- agents.c --- */

typedef enum AgentKind
{
	AGENT_FUNCTION,
	AGENT_SQL,
	AGENT_QUEUE
} AgentKind;

typedef struct Agent
{
	char		name[256];
	AgentKind	kind;
	Oid			function;		/* InvalidOid: it does not exist any more */
	char	   *function_name;	/* qualified, with argument types */
	char	   *sql;
	SqlResult	result;
	int			timeout_seconds;	/* 0 = none */
	bool		active;
	Oid			owner;
	bool		owned;			/* there is such a role */
	RetryPolicy *retry;			/* for steps whose own policies do not name
								 * the error */
	int			nretry;
	BreakerConfig breaker;
	Jsonb	   *retry_document; /* agent_store() only: as given, NULL = none */
	Jsonb	   *breaker_document;
} Agent;

/*
 * NULL when there is none.  Cached; invalidated by register_agent() in any
 * session and by changes of functions and roles.  Valid until the end of the
 * transaction.
 */
extern const Agent *agent_find(const char *name);
/*
 * Insert an agent, or replace the one of its name and owner; false: another
 * owner's.
 */
extern bool agent_store(const Agent *agent, const char *description);
/* Lock the row; *owner: whose it is.  False when there is none. */
extern bool agent_lock(const char *name, Oid *owner);
extern void agent_set_status(const char *name, bool active);
extern void agent_delete(const char *name);
/* The row without its times, for the audit log; NULL when there is none. */
extern Jsonb *agent_describe(const char *name);

extern bool sql_result_from_name(const char *name, SqlResult *result);

/* --- breakers.c: circuit breakers of agents, one for each role that calls one --- */

/*
 * The breaker as the table has it; initialised when it has none.
 */
extern void breaker_read(const char *agent, Oid role, Breaker *breaker);
/*
 * Write what shared memory says, unless the row says so or somebody else is
 * about to write it; announced and logged.  Shared memory is told when it has
 * committed.
 */
extern void breaker_write(const char *agent, Oid role, const Breaker *breaker,
						  const char *error_type);
/* The same for all breakers whose rows are not up to date. */
extern void breakers_write_unsaved(void);
/*
 * Close that of a role, or with InvalidOid those of all roles, at commit.
 * Returns false when the agent has none.
 */
extern bool breakers_reset(const char *agent, Oid role, const char *reason);
/* The agent has none any more. */
extern void breakers_delete(const char *agent);

#endif							/* PGWF_STATE_H */

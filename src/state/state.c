/*-------------------------------------------------------------------------
 *
 * state.c
 *	  Prepared statements of the state room, run as the extension's owner.
 *
 * NOTES
 *	  Runs in every kind of process, inside a transaction.  Plans are prepared
 *	  on first use and kept for the life of the process.  They are prepared and
 *	  run under the owner's identity, so row-level security never applies to
 *	  them, and with its settings (shared/identity.c), so that none of the
 *	  caller changes what they mean.  Their text is fully qualified all the
 *	  same.
 *
 *	  A process notices through relation cache invalidations that the extension
 *	  was dropped or created anew.  A new installation numbers its definitions
 *	  from 1 again, so everything cached by number must go then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "jit/jit.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "shared/identity.h"
#include "state/private.h"
#include "state/state.h"

uint64		state_definitions_counter = 1;
uint64		state_agents_counter = 1;
uint64		state_installation = 1;

/* The installation this process has caches of. */
static Oid	definitions_relation = InvalidOid;
static Oid	agents_relation = InvalidOid;
static bool installation_checked = false;
static bool callback_registered = false;

/* The plan of a statement. */
typedef struct StatePlan
{
	SPIPlanPtr	plan;
	bool		reads;			/* it does nothing else */
	List	   *locked;			/* OIDs of tables whose rows it locks */
} StatePlan;

/* Statements that hold a plan, for forget_plans(). */
static List *prepared_statements = NIL;

/*
 * Depth of state_query() calls not yet closed by state_done(), and whether the
 * outermost one pushed a snapshot because none was active.  An error leaves
 * them as they are; the next outermost call puts them right.
 */
static int	open_queries = 0;
static bool snapshot_pushed = false;

/*
 * Relation cache callback: note what may have changed.  No catalog access here.
 */
static void
relation_invalidated(Datum argument pg_attribute_unused(), Oid relation)
{
	bool		all = !OidIsValid(relation);

	if (all || relation == definitions_relation)
	{
		state_definitions_counter++;
		installation_checked = false;
	}
	if (all || relation == agents_relation)
	{
		state_agents_counter++;
		installation_checked = false;
	}
}

/*
 * Forget plans and caches: the extension was dropped or created anew.  Must not
 * be called while one of the plans runs.
 */
static void
forget_plans(void)
{
	ListCell   *cell;

	foreach(cell, prepared_statements)
	{
		StateStatement *statement = (StateStatement *) lfirst(cell);

		SPI_freeplan(statement->plan->plan);
		list_free(statement->plan->locked);
		pfree(statement->plan);
		statement->plan = NULL;
	}
	list_free(prepared_statements);
	prepared_statements = NIL;

	/* whoever keeps something looks at these before using it */
	state_installation++;
	state_definitions_counter++;
	state_agents_counter++;
	installation_checked = false;
}

void
state_check_installation(void)
{
	Oid			schema;
	Oid			definitions = InvalidOid;
	Oid			agents = InvalidOid;

	if (installation_checked)
		return;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
		callback_registered = true;
	}

	schema = workflow_schema_oid();
	if (OidIsValid(schema))
	{
		definitions = get_relname_relid("definitions", schema);
		agents = get_relname_relid("agents", schema);
	}

	if (definitions != definitions_relation || agents != agents_relation)
	{
		if (OidIsValid(definitions_relation))
			forget_plans();
		definitions_relation = definitions;
		agents_relation = agents;
	}

	if (!OidIsValid(definitions) || !OidIsValid(agents))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"%s\" is not installed in this database",
						"pg_workflow"),
				 errhint("Run CREATE EXTENSION %s.", "pg_workflow")));
	require_installed();

	installation_checked = true;
}

void
state_installation_changed(void)
{
	Oid			schema = workflow_schema_oid();
	Oid			definitions = OidIsValid(schema) ?
		get_relname_relid("definitions", schema) :
		InvalidOid;

	if (OidIsValid(definitions))
		CacheInvalidateRelcacheByRelid(definitions);
}

/*
 * Announce a change of a table to all sessions, and to this one at once, so
 * that nothing cached from before the change is used after it.
 */
void
state_definitions_changed(void)
{
	state_check_installation();
	CacheInvalidateRelcacheByRelid(definitions_relation);
	CommandCounterIncrement();
}

void
state_agents_changed(void)
{
	state_check_installation();
	CacheInvalidateRelcacheByRelid(agents_relation);
	CommandCounterIncrement();
}

/* Locks taken between its begin and its end are let go at the end. */
typedef struct LockScope
{
	ResourceOwner outer;
	ResourceOwner owner;
} LockScope;

static void
lock_scope_begin(LockScope *scope)
{
	scope->outer = CurrentResourceOwner;
	scope->owner = ResourceOwnerCreate(scope->outer, "pg_workflow statement");
	CurrentResourceOwner = scope->owner;
}

/* Not after an error: the end of the (sub)transaction sees to it then. */
static void
lock_scope_end(LockScope *scope)
{
	CurrentResourceOwner = scope->outer;
	ResourceOwnerRelease(scope->owner, RESOURCE_RELEASE_BEFORE_LOCKS, true,
						 false);
	ResourceOwnerRelease(scope->owner, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(scope->owner, RESOURCE_RELEASE_AFTER_LOCKS, true,
						 false);
	ResourceOwnerDelete(scope->owner);
}

/* Tables of ours that a query has in a certain way. */
typedef struct FoundTables
{
	LOCKMODE	lockmode;
	List	   *tables;
} FoundTables;

/* Add those of a query, wherever they are in it. */
static bool
find_tables(Node *node, FoundTables *found)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_tables, found,
								 QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (entry->rtekind == RTE_RELATION &&
			entry->relkind == RELKIND_RELATION &&
			entry->rellockmode == found->lockmode &&
			entry->relid >= FirstNormalObjectId)
			found->tables = list_append_unique_oid(found->tables, entry->relid);
		return false;
	}
	return expression_tree_walker(node, find_tables, found);
}

/* What it does to tables: see execute_plan(). */
static void
find_locks(StatePlan *plan)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan->plan));
	Query	   *query = linitial_node(Query, source->query_list);
	bool		writes = query->commandType != CMD_SELECT || query->hasModifyingCTE;
	FoundTables found = {.lockmode = RowShareLock};

	/*
	 * What is written is locked for that first anyway, and what locks rows is
	 * going to write them.  What is read beside either keeps its locks, and may
	 * be written next.
	 */
	(void) find_tables((Node *) query, &found);
	found.lockmode = AccessShareLock;
	if (writes || found.tables != NIL)
		(void) find_tables((Node *) query, &found);
	plan->locked = found.tables;
	plan->reads = !writes && plan->locked == NIL;
}

/*
 * Prepare a statement and keep its plan.  The caller has become the owner and
 * is connected to SPI.
 */
static void
prepare_statement(StateStatement *statement)
{
	SPIPlanPtr	plan;
	MemoryContext oldcontext;
	LockScope	scope;

	lock_scope_begin(&scope);
	plan = SPI_prepare(statement->sql, statement->nargs,
					   unconstify(Oid *, statement->argtypes));
	lock_scope_end(&scope);
	if (plan == NULL)
		elog(ERROR, "could not prepare statement: %s",
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep plan of statement");

	oldcontext = MemoryContextSwitchTo(TopMemoryContext);
	prepared_statements = lappend(prepared_statements, statement);
	statement->plan = palloc0(sizeof(StatePlan));
	statement->plan->plan = plan;
	find_locks(statement->plan);
	MemoryContextSwitchTo(oldcontext);
}

/*
 * Fetch what rows have outside of their table: without a lock on it VACUUM FULL
 * could take that away.
 */
static void
fetch_external(SPITupleTable *table)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(table->tuptabcxt);

	for (uint64 i = 0; i < table->numvals; i++)
		if (HeapTupleHasExternal(table->vals[i]))
			table->vals[i] = toast_flatten_tuple(table->vals[i],
												 table->tupdesc);
	MemoryContextSwitchTo(oldcontext);
}

void
require_read_write(void)
{
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot write tables of extension \"%s\" in a read-only transaction", "pg_workflow"),
				 RecoveryInProgress() ?
				 errhint("This server is a standby: call the function on its primary.") :
				 errhint("Begin the transaction with READ WRITE.")));
}

/*
 * Run a prepared statement so that our locks on a table and its indexes come in
 * the order of those who change the indexes (REINDEX, CREATE INDEX): the table
 * first, in a mode that conflicts with theirs when this transaction may write
 * to it.  Whoever has read, keeps the indexes' locks and then wants to write
 * would wait for them, and they for him.  So what only reads keeps no lock;
 * what writes, or locks rows in order to write them, begins with the lock for
 * that on each table of ours that is in it.
 */
static int
execute_plan(const StatePlan *plan, Datum *values, const char *nulls,
			 bool read_only, long limit)
{
	LockScope	scope;
	ListCell   *cell;
	int			result;

	if (!plan->reads)
		require_read_write();
	foreach(cell, plan->locked)
		LockRelationOid(lfirst_oid(cell), RowExclusiveLock);
	if (!plan->reads)
		return SPI_execute_plan(plan->plan, values, nulls, read_only, limit);

	lock_scope_begin(&scope);
	result = SPI_execute_plan(plan->plan, values, nulls, read_only, limit);
	if (SPI_tuptable != NULL)
		fetch_external(SPI_tuptable);
	lock_scope_end(&scope);
	return result;
}

/*
 * The same without compiling the plan: that takes longer than anything such a
 * statement does.  It looks expensive all the same where some executions have
 * very many steps, since the planner takes others for such, too.
 */
static int
execute_plan_uncompiled(const StatePlan *plan, Datum *values, const char *nulls,
						bool read_only, long limit)
{
	bool		enabled = jit_enabled;
	int			result;

	PG_TRY();
	{
		jit_enabled = false;
		result = execute_plan(plan, values, nulls, read_only, limit);
	}
	PG_FINALLY();
	{
		jit_enabled = enabled;
	}
	PG_END_TRY();
	return result;
}

/*
 * Run a statement as the owner and leave SPI connected for the caller, who
 * reads SPI_tuptable and calls state_done().  The current memory context stays
 * the caller's, so what is copied out of the rows outlives state_done().  A
 * statement that is not read only sees everything committed before it (under
 * READ COMMITTED) and all earlier changes of its own transaction.
 */
uint64
state_query(StateStatement *statement, Datum *values, const char *nulls,
			bool read_only, long limit)
{
	MemoryContext callercontext = CurrentMemoryContext;
	SavedIdentity saved;
	int			result;

	state_check_installation();

	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		snapshot_pushed = true;
		open_queries = 0;
	}
	else if (open_queries == 0)
		snapshot_pushed = false;
	open_queries++;

	SPI_connect();
	become_owner(&saved);
	if (statement->plan == NULL)
		prepare_statement(statement);
	result = execute_plan_uncompiled(statement->plan, values, nulls, read_only,
									 limit);
	restore_identity(&saved);
	MemoryContextSwitchTo(callercontext);

	if (result < 0)
		elog(ERROR, "could not run statement \"%s\": %s",
			 statement->sql, SPI_result_code_string(result));

	return SPI_processed;
}

/*
 * Close the innermost state_query().
 */
void
state_done(void)
{
	SPI_finish();
	if (--open_queries <= 0)
	{
		open_queries = 0;
		if (snapshot_pushed)
			PopActiveSnapshot();
		snapshot_pushed = false;
	}
}

/*
 * As state_query(), of the newest rows, whatever snapshot the transaction has:
 * for rights and limits.  Then state_done_newest().
 */
uint64
state_query_newest(StateStatement *statement, Datum *values, long limit)
{
	/*
	 * in a parallel query the latest snapshot may not be taken, that for a
	 * catalog may
	 */
	state_check_installation();
	PushActiveSnapshot(IsInParallelMode() ?
						   GetCatalogSnapshot(definitions_relation) :
						   GetLatestSnapshot());
	return state_query(statement, values, NULL, true, limit);
}

void
state_done_newest(void)
{
	state_done();
	PopActiveSnapshot();
}

/*
 * Run a statement whose rows, if any, nobody reads.  Returns the number of rows
 * processed.
 */
uint64
state_execute(StateStatement *statement, Datum *values, const char *nulls)
{
	uint64		processed;

	processed = state_query(statement, values, nulls, false, 0);
	state_done();
	return processed;
}

/*
 * Readers of SPI_tuptable; columns count from 1 as in SPI.
 */
Datum
state_column(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

int32
state_column_int32(uint64 row, int column)
{
	bool		isnull;
	Datum		value = state_column(row, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

int64
state_column_int64(uint64 row, int column)
{
	bool		isnull;
	Datum		value = state_column(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

char *
state_column_text(uint64 row, int column)
{
	bool		isnull;
	Datum		value = state_column(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

Datum
state_ids(const int64 *ids, int count)
{
	Datum	   *elements = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(ids[i]);
	return PointerGetDatum(construct_array(elements, count, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* 0: null. */
TimestampTz
state_column_time(uint64 row, int column)
{
	bool		isnull;
	Datum		value = state_column(row, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

Jsonb *
state_column_jsonb(uint64 row, int column)
{
	bool		isnull;
	Datum		value = state_column(row, column, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(value);
}

/*
 * Writers of arguments.
 */
static void
set_argument(Datum *values, char *nulls, int argument, Datum value, bool isnull)
{
	values[argument] = value;
	nulls[argument] = isnull ? 'n' : ' ';
}

void
state_set_text(Datum *values, char *nulls, int argument, const char *text)
{
	set_argument(values, nulls, argument,
				 text ? CStringGetTextDatum(text) : (Datum) 0, text == NULL);
}

void
state_set_jsonb(Datum *values, char *nulls, int argument, const Jsonb *value)
{
	set_argument(values, nulls, argument, PointerGetDatum(value),
				 value == NULL);
}

void
state_set_time(Datum *values, char *nulls, int argument, TimestampTz time)
{
	set_argument(values, nulls, argument, TimestampTzGetDatum(time), time == 0);
}

/*-------------------------------------------------------------------------
 *
 * direct.c
 *	  Rows read, inserted and updated without a statement.
 *
 * NOTES
 *	  Setting up and tearing down a statement costs more than the work itself,
 *	  and every step inserts a row, every execution is read and ended.  This is
 *	  the way of logical replication's apply worker and of the catalogs, for
 *	  plain tables: where somebody has added a trigger, a constraint or a
 *	  default that it does not know of, it declines, and the caller uses its
 *	  statement.
 *
 *	  What is known of a table (its TableShape: where the columns are, its
 *	  indexes and their compiled predicates) is kept until a relation cache
 *	  invalidation says that it, or one of its indexes, may have changed: an
 *	  index that CREATE INDEX CONCURRENTLY has made ready says so itself, its
 *	  table need not.  Only indexes that take the row are opened.
 *
 *	  No name is looked up and no right is asked for on this way, and nobody's
 *	  code runs: a table with an index over a function that is neither the
 *	  server's nor ours is not plain either.  So it needs no identity but the
 *	  caller's.
 *
 *	  What is only read is not kept locked: a transaction that writes to the
 *	  table later would wait for who has the table and wants its indexes
 *	  (REINDEX, CREATE INDEX), and he for it.
 *
 *	  One row is found without a snapshot, in its newest version (SnapshotSelf),
 *	  as a unique check does, and may be missed while it is updated.  A scan of
 *	  many rows has a snapshot, and so misses none.  state_scan_update() notices
 *	  a row that was read and is the newest no more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/multixact.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "shared/compat.h"
#include "shared/identity.h"
#include "state/direct.h"
#include "state/private.h"
#include "state/state.h"

/* An index, as the rows need it. */
typedef struct IndexShape
{
	Oid			oid;
	NameData	name;
	bool		valid;			/* has all rows */
	IndexInfo  *info;
	Bitmapset  *columns;		/* positions in the table's description */
} IndexShape;

struct TableShape
{
	Oid			relation;
	uint64		installation;
	bool		valid;
	bool		plain;			/* a row put here is as an INSERT or UPDATE
								 * would put it */
	bool		complete;		/* each column that needs a value is
								 * described */
	TupleDesc	descriptor;
	AttrNumber *attributes;		/* of each described column, 0: there is none */
	int			nindexes;
	IndexShape *indexes;
	Oid			primary_key;
	EState	   *estate;			/* in which predicates and expressions of
								 * indexes are evaluated */
	MemoryContext context;		/* of all this */
	TableShape *next;
};

static TableShape *shapes = NULL;

/* Relation cache callback: what is known of a table may not be so any more. */
static void
shapes_invalidated(Datum argument pg_attribute_unused(), Oid relation)
{
	for (TableShape *shape = shapes; shape != NULL; shape = shape->next)
	{
		if (!OidIsValid(relation) || shape->relation == relation)
			shape->valid = false;
		for (int i = 0; i < shape->nindexes; i++)
			if (shape->indexes[i].oid == relation)
				shape->valid = false;
	}
}

/* --- what is known of a table --- */

/* Is a row put here directly one that a statement puts here? */
static bool
is_plain(Relation relation)
{
	TupleConstr *constraints = relation->rd_att->constr;

	/* is_taken() reads what a heap has */
	return relation->rd_tableam == GetHeapamTableAmRoutine() &&
		relation->rd_rel->relkind == RELKIND_RELATION &&
		relation->rd_rules == NULL && relation->trigdesc == NULL &&
		!relation->rd_rel->relispartition &&
		(constraints == NULL ||
		 (constraints->num_check == 0 && !constraints->has_generated_stored));
}

/*
 * Find the columns; returns whether all are there, and all that need a value
 * are among them.
 */
static bool
find_columns(const StateTable *table, TableShape *shape)
{
	TupleDesc	descriptor = shape->descriptor;
	bool		complete = true;

	shape->attributes = palloc0(table->ncolumns * sizeof(AttrNumber));
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		int			column = 0;

		if (attribute->attisdropped)
			continue;
		while (column < table->ncolumns &&
			   strcmp(table->columns[column], NameStr(attribute->attname)) != 0)
			column++;
		if (column < table->ncolumns)
			shape->attributes[column] = attribute->attnum;
		else if (attribute->atthasdef || attribute->attnotnull ||
				 attribute->attidentity)
			complete = false;
	}
	for (int column = 0; column < table->ncolumns; column++)
		if (shape->attributes[column] == 0)
			complete = false;
	return complete;
}

/*
 * check_function_callback: a function that came neither with the server nor
 * with us
 */
static bool
is_foreign_function(Oid function, void *context pg_attribute_unused())
{
	return function >= FirstNormalObjectId &&
		getExtensionOfObject(ProcedureRelationId, function) !=
		workflow_extension_oid();
}

/* Does an expression call code of somebody's? */
static bool
calls_foreign_code(Node *node, void *context)
{
	if (node == NULL)
		return false;
	/* a domain's constraints may call anything */
	if (IsA(node, CoerceToDomain) ||
		check_functions_in_node(node, is_foreign_function, context))
		return true;
	return expression_tree_walker(node, calls_foreign_code, context);
}

static void
find_indexes(const StateTable *table, TableShape *shape, Relation relation)
{
	List	   *oids = RelationGetIndexList(relation);
	ListCell   *cell;

	shape->primary_key = relation->rd_pkindex;
	shape->indexes = palloc0(Max(list_length(oids), 1) * sizeof(IndexShape));
	foreach(cell, oids)
	{
		IndexShape *index_shape = &shape->indexes[shape->nindexes++];
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		IndexInfo  *info = BuildIndexInfo(index);

		index_shape->oid = lfirst_oid(cell);
		index_shape->name = index->rd_rel->relname;
		index_shape->valid = index->rd_index->indisvalid;
		index_shape->info = info;
		/*
		 * exclusion constraints, those checked later, and summaries of blocks
		 * are none of ours
		 */
		if (info->ii_ExclusionOps != NULL || !index->rd_index->indimmediate ||
			compat_summarizing(info))
			shape->plain = false;
		if (calls_foreign_code((Node *) info->ii_Predicate, NULL) ||
			calls_foreign_code((Node *) info->ii_Expressions, NULL))
			shape->plain = false;
		if (shape->plain && info->ii_Predicate != NIL)
			info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate,
													  shape->estate);
		for (int i = 0; i < info->ii_NumIndexAttrs; i++)
		{
			/* an expression may look at any column */
			for (int column = 0; column < table->ncolumns; column++)
				if (info->ii_IndexAttrNumbers[i] == 0 ||
					info->ii_IndexAttrNumbers[i] == shape->attributes[column])
					index_shape->columns = bms_add_member(index_shape->columns,
														  column);
		}
		index_close(index, AccessShareLock);
	}
	list_free(oids);
}

/* The shape of a table that is open and locked. */
static TableShape *
look_at(StateTable *table, Relation relation)
{
	TableShape *shape = table->shape;
	MemoryContext oldcontext;

	if (shape->valid)
		return shape;

	shape->nindexes = 0;
	MemoryContextReset(shape->context);
	oldcontext = MemoryContextSwitchTo(shape->context);
	shape->valid = true;		/* until the next invalidation, which may
								 * come from below */
	PG_TRY();
	{
		shape->estate = CreateExecutorState();
		shape->descriptor = CreateTupleDescCopyConstr(
			RelationGetDescr(relation));
		shape->plain = is_plain(relation);
		shape->complete = find_columns(table, shape);
		find_indexes(table, shape, relation);
	}
	PG_CATCH();
	{
		shape->valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	return shape;
}

/* Open the table; NULL when it is not plain. */
static Relation
open_table(StateTable *table, LOCKMODE lockmode)
{
	TableShape *shape = table->shape;
	Relation	relation;

	state_check_installation();
	if (shape == NULL)
	{
		if (shapes == NULL)
			CacheRegisterRelcacheCallback(shapes_invalidated, (Datum) 0);
		shape = MemoryContextAllocZero(TopMemoryContext, sizeof(TableShape));
		shape->context = AllocSetContextCreate(TopMemoryContext,
											   "pg_workflow table",
											   ALLOCSET_SMALL_SIZES);
		shape->next = shapes;
		shapes = shape;
		table->shape = shape;
	}
	if (!OidIsValid(shape->relation) ||
		shape->installation != state_installation)
	{
		shape->relation = get_relname_relid(table->name, workflow_schema_oid());
		shape->installation = state_installation;
		shape->valid = false;
	}

	relation = table_open(shape->relation, lockmode);
	if (look_at(table, relation)->plain)
		return relation;
	table_close(relation, NoLock);
	return NULL;
}

/*
 * A row may need a snapshot for its toast.  Returns whether one has to be
 * popped again.
 */
static bool
push_snapshot(void)
{
	if (ActiveSnapshotSet())
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	return true;
}

/* --- writing --- */

/*
 * The row's entries in the indexes that take it.  changed: the columns that an
 * update has given new values, NULL for a new row.
 */
static void
insert_entries(TableShape *shape, Relation relation, TupleTableSlot *slot,
			   const Bitmapset *changed)
{
	ExprContext *context = GetPerTupleExprContext(shape->estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	context->ecxt_scantuple = slot;
	for (int i = 0; i < shape->nindexes; i++)
	{
		IndexShape *index_shape = &shape->indexes[i];
		IndexInfo  *info = index_shape->info;
		Relation	index;

		if (!info->ii_ReadyForInserts)
			continue;
		if (info->ii_PredicateState != NULL &&
			!ExecQual(info->ii_PredicateState, context))
			continue;
		index = index_open(index_shape->oid, RowExclusiveLock);
		/*
		 * what an access method keeps from row to row points into the open
		 * index
		 */
		info->ii_AmCache = NULL;
		info->ii_Context = context->ecxt_per_tuple_memory;
		FormIndexDatum(info, slot, shape->estate, values, isnull);
		index_insert(index, values, isnull, &slot->tts_tid, relation,
					 info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
					 changed != NULL &&
						 !bms_overlap(changed, index_shape->columns),
					 info);
		index_close(index, NoLock);
	}
	context->ecxt_scantuple = NULL;
	ResetPerTupleExprContext(shape->estate);
}

/*
 * Put values into the slot's row; false when the table wants one where there is
 * none: the statement says so better.
 */
static bool
set_values(TableShape *shape, TupleTableSlot *slot, int ncolumns,
		   const int *columns, const Datum *values, const char *nulls)
{
	for (int i = 0; i < ncolumns; i++)
	{
		int			attribute = shape->attributes[columns != NULL ? columns[i] : i] - 1;

		if (nulls[i] == 'n' &&
			TupleDescAttr(shape->descriptor, attribute)->attnotnull)
			return false;
		slot->tts_isnull[attribute] = (nulls[i] == 'n');
		slot->tts_values[attribute] = values[i];
	}
	ExecStoreVirtualTuple(slot);
	return true;
}

bool
state_insert(StateTable *table, const Datum *values, const char *nulls)
{
	Relation	relation = open_table(table, RowExclusiveLock);
	TableShape *shape = table->shape;
	bool		inserted = false;

	if (relation == NULL)
		return false;
	if (shape->complete)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(shape->descriptor,
														&TTSOpsVirtual);

		memset(slot->tts_isnull, true, shape->descriptor->natts * sizeof(bool));
		inserted = set_values(shape, slot, table->ncolumns, NULL, values,
							  nulls);
		if (inserted)
		{
			bool		snapshot_pushed = push_snapshot();

			table_tuple_insert(relation, slot, GetCurrentCommandId(true), 0,
							   NULL);
			insert_entries(shape, relation, slot, NULL);
			if (snapshot_pushed)
				PopActiveSnapshot();
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	table_close(relation, NoLock);
	return inserted;
}

/* --- reading, and writing what was read --- */

/* The index of this name, the primary key without one. */
static Oid
find_index(const TableShape *shape, const char *name)
{
	if (name == NULL)
		return shape->primary_key;
	for (int i = 0; i < shape->nindexes; i++)
		if (shape->indexes[i].valid &&
			strcmp(NameStr(shape->indexes[i].name), name) == 0)
			return shape->indexes[i].oid;
	return InvalidOid;
}

/* snapshot: NULL for the active one. */
static bool
begin_scan(StateTable *table, LOCKMODE lockmode, const char *index,
		   Snapshot snapshot, int nkeys, ScanKey keys, StateScan *scan)
{
	Oid			index_oid;

	scan->table = table;
	scan->lockmode = lockmode;
	scan->relation = open_table(table, lockmode);
	if (scan->relation == NULL)
		return false;
	index_oid = find_index(table->shape, index);
	if (!OidIsValid(index_oid) || !table->shape->complete)
	{
		table_close(scan->relation,
					lockmode == AccessShareLock ? AccessShareLock : NoLock);
		return false;
	}

	/* what this transaction has written before may be changed again */
	CommandCounterIncrement();
	scan->snapshot_pushed = push_snapshot();
	scan->slot = MakeSingleTupleTableSlot(table->shape->descriptor,
										  table_slot_callbacks(scan->relation));
	scan->index = index_open(index_oid, AccessShareLock);
	scan->scan = compat_index_beginscan(scan->relation, scan->index,
										 snapshot != NULL ? snapshot : GetActiveSnapshot(), nkeys, 0);
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
	return true;
}

bool
state_scan_begin(StateTable *table, const char *index, int nkeys, ScanKey keys,
				 StateScan *scan)
{
	return begin_scan(table, RowExclusiveLock, index, NULL, nkeys, keys, scan);
}

bool
state_find(StateTable *table, LOCKMODE lockmode, int64 id, StateScan *scan)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	if (!begin_scan(table, lockmode, NULL, SnapshotSelf, 1, &key, scan))
		return false;
	if (state_scan_next(scan))
		return true;
	state_scan_end(scan);
	return false;
}

bool
state_scan_next(StateScan *scan)
{
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

void
state_scan_end(StateScan *scan)
{
	index_endscan(scan->scan);
	index_close(scan->index, AccessShareLock);
	ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->snapshot_pushed)
		PopActiveSnapshot();
	table_close(scan->relation,
				scan->lockmode == AccessShareLock ? AccessShareLock : NoLock);
}

/*
 * Has another transaction that is under way locked or changed the row?  Nobody
 * waits here but for a moment of the page, and the answer may be old when it is
 * given.
 */
static bool
is_taken(const StateScan *scan)
{
	BufferHeapTupleTableSlot *slot = (BufferHeapTupleTableSlot *) scan->slot;
	Buffer		buffer = slot->buffer;
	HeapTupleHeader tuple = slot->base.tuple->t_data;
	uint16		infomask;
	TransactionId xmax;

	/* both, or neither, of who is about to take it */
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	infomask = tuple->t_infomask;
	xmax = HeapTupleHeaderGetRawXmax(tuple);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);

	if (infomask & HEAP_XMAX_INVALID)
		return false;
	if (infomask & HEAP_XMAX_IS_MULTI)
		return MultiXactIdIsRunning(xmax, HEAP_XMAX_IS_LOCKED_ONLY(infomask));
	return !TransactionIdIsCurrentTransactionId(xmax) &&
		TransactionIdIsInProgress(xmax);
}

bool
state_scan_update(StateScan *scan, int ncolumns, const int *columns,
				  const Datum *values, const char *nulls, bool wait)
{
	TableShape *shape = scan->table->shape;
	TupleTableSlot *slot;
	Bitmapset  *changed = NULL;
	bool		updated = false;

	/*
	 * it can be taken behind that: the scheduler's lock_timeout ends a wait for
	 * it
	 */
	if (!wait && is_taken(scan))
		return false;
	slot = MakeSingleTupleTableSlot(shape->descriptor, &TTSOpsVirtual);
	/* publications want to tell the row; who only inserts need not care */
	CheckCmdReplicaIdentity(scan->relation, CMD_UPDATE);
	slot_getallattrs(scan->slot);
	memcpy(slot->tts_values, scan->slot->tts_values,
		   shape->descriptor->natts * sizeof(Datum));
	memcpy(slot->tts_isnull, scan->slot->tts_isnull,
		   shape->descriptor->natts * sizeof(bool));
	if (set_values(shape, slot, ncolumns, columns, values, nulls))
	{
		TM_FailureData failure;
		LockTupleMode lockmode;
		CompatUpdateIndexes indexes;

		updated = table_tuple_update(scan->relation, &scan->slot->tts_tid, slot,
									 GetCurrentCommandId(true),
									 GetActiveSnapshot(), InvalidSnapshot, true,
									 &failure, &lockmode, &indexes) == TM_Ok;
		if (updated && compat_all_indexes(indexes))
		{
			for (int i = 0; i < ncolumns; i++)
				changed = bms_add_member(changed, columns[i]);
			insert_entries(shape, scan->relation, slot, changed);
			bms_free(changed);
		}
	}
	ExecDropSingleTupleTableSlot(slot);
	return updated;
}

Datum
state_scan_value(StateScan *scan, int column, bool *isnull)
{
	return slot_getattr(scan->slot, scan->table->shape->attributes[column],
						isnull);
}

bool
state_scan_bool(StateScan *scan, int column)
{
	bool		isnull;
	Datum		value = state_scan_value(scan, column, &isnull);

	return !isnull && DatumGetBool(value);
}

int32
state_scan_int32(StateScan *scan, int column)
{
	bool		isnull;
	Datum		value = state_scan_value(scan, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

char *
state_scan_text(StateScan *scan, int column)
{
	bool		isnull;
	Datum		value = state_scan_value(scan, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

TimestampTz
state_scan_time(StateScan *scan, int column)
{
	bool		isnull;
	Datum		value = state_scan_value(scan, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

Jsonb *
state_scan_jsonb(StateScan *scan, int column)
{
	bool		isnull;
	Datum		value = state_scan_value(scan, column, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(value);
}

/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  Rows inserted without a statement.
 *
 * NOTES
 *	  Setting up and tearing down an INSERT costs more than the insertion itself,
 *	  and every step inserts a row.  This is the way of logical replication's apply
 *	  worker (ExecSimpleRelationInsert), for plain tables: where somebody has added
 *	  a trigger, a constraint or a default that it does not know of, it declines,
 *	  and the caller uses its statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "shared/identity.h"
#include "state/insert.h"
#include "state/private.h"

/* Number of the column of this name, -1: it is not among those given. */
static int
column_number(const StateTable *table, const char *name, int likely)
{
	if (likely < table->ncolumns && strcmp(table->columns[likely], name) == 0)
		return likely;
	for (int i = 0; i < table->ncolumns; i++)
		if (strcmp(table->columns[i], name) == 0)
			return i;
	return -1;
}

/*
 * Fill the slot; false when the table has columns whose values are not given and
 * that are not simply null without one.
 */
static bool
fill_slot(const StateTable *table, TupleTableSlot *slot, const Datum *values, const char *nulls)
{
	TupleDesc	descriptor = slot->tts_tupleDescriptor;
	int			given = 0;

	ExecClearTuple(slot);
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		int			column;

		slot->tts_isnull[i] = true;
		slot->tts_values[i] = (Datum) 0;
		if (attribute->attisdropped)
			continue;
		column = column_number(table, NameStr(attribute->attname), given);
		if (column < 0)
		{
			if (attribute->atthasdef || attribute->attnotnull || attribute->attidentity)
				return false;
			continue;
		}
		given++;
		slot->tts_isnull[i] = (nulls[column] == 'n');
		slot->tts_values[i] = values[column];
	}
	ExecStoreVirtualTuple(slot);
	return given == table->ncolumns;
}

/* Would a row inserted here be one that an INSERT inserts? */
static bool
is_plain(Relation relation)
{
	TupleConstr *constraints = relation->rd_att->constr;

	return relation->rd_rel->relkind == RELKIND_RELATION &&
		relation->trigdesc == NULL && relation->rd_rules == NULL &&
		!relation->rd_rel->relispartition &&
		(constraints == NULL ||
		 (constraints->num_check == 0 && !constraints->has_generated_stored));
}

bool
state_insert(StateTable *table, const Datum *values, const char *nulls)
{
	Relation	relation;
	bool		inserted = false;

	state_check_installation();
	if (!OidIsValid(table->relation) || table->installation != state_installation)
	{
		table->relation = get_relname_relid(table->name, workflow_schema_oid());
		table->installation = state_installation;
	}

	relation = table_open(table->relation, RowExclusiveLock);
	if (is_plain(relation))
	{
		EState	   *estate = CreateExecutorState();
		ResultRelInfo *result = makeNode(ResultRelInfo);
		TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
		bool		snapshot_pushed = !ActiveSnapshotSet();
		SavedIdentity saved;

		inserted = fill_slot(table, slot, values, nulls);
		if (inserted)
		{
			if (snapshot_pushed)
				PushActiveSnapshot(GetTransactionSnapshot());
			become_owner(&saved);
			InitResultRelInfo(result, relation, 1, NULL, 0);
			ExecOpenIndices(result, false);
			ExecSimpleRelationInsert(result, estate, slot);
			ExecCloseIndices(result);
			restore_identity(&saved);
			if (snapshot_pushed)
				PopActiveSnapshot();
		}
		ExecDropSingleTupleTableSlot(slot);
		FreeExecutorState(estate);
		pfree(result);
	}
	table_close(relation, NoLock);
	return inserted;
}

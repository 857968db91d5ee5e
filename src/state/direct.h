/*-------------------------------------------------------------------------
 *
 * direct.h
 *	  Rows read, inserted and updated without a statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_DIRECT_H
#define PGWF_DIRECT_H

#include "postgres.h"

#include "access/relscan.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "shared/identity.h"

typedef struct TableShape TableShape;

/* A table of ours and those of its columns that are read or written directly. */
typedef struct StateTable
{
	const char *name;
	const char *const *columns; /* best in the table's order */
	int			ncolumns;
	const char *trigger;		/* the one trigger it may have, the caller looks after; or NULL */
	TableShape *shape;			/* found on first use */
} StateTable;

/* A row that state_find() has found, until state_release(). */
typedef struct StateRow
{
	StateTable *table;
	Relation	relation;
	TupleTableSlot *slot;
	SavedIdentity saved;
	bool		snapshot_pushed;
} StateRow;

/*
 * Insert a row as the owner, in the current transaction; nulls: ' ' or 'n' per
 * column.  Returns false, and has done nothing, when the table is not as plain as
 * it was made: the caller uses an INSERT.  What is inserted is seen by the next
 * state_query().
 */
extern bool state_insert(StateTable *table, const Datum *values, const char *nulls);

/*
 * Find the newest committed or own version of the row with this number as its primary
 * key.  False: the table is not plain, there is no such row, or somebody changes it just
 * now: the caller asks with its statement.
 */
extern bool state_find(StateTable *table, int64 id, StateRow *row);

/* Its columns, numbered as in the table's description; copies in the current context. */
extern Datum state_row_value(StateRow *row, int column, bool *isnull);
extern bool state_row_bool(StateRow *row, int column);
extern int32 state_row_int32(StateRow *row, int column);
/* NULL, or 0, for null. */
extern char *state_row_text(StateRow *row, int column);
extern TimestampTz state_row_time(StateRow *row, int column);
extern Jsonb *state_row_jsonb(StateRow *row, int column);

/*
 * Give these columns new values; waits for somebody who has locked the row.  Returns
 * false, and has done nothing, when the row has changed meanwhile.
 */
extern bool state_update(StateRow *row, int ncolumns, const int *columns, const Datum *values, const char *nulls);

extern void state_release(StateRow *row);

/* The relation, or all with InvalidOid, may have changed its shape. */
extern void state_shapes_invalidated(Oid relation);

#endif							/* PGWF_DIRECT_H */

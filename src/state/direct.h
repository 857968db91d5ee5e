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

#include "access/genam.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

typedef struct TableShape TableShape;

/*
 * A table of ours and those of its columns that are read or written directly.
 */
typedef struct StateTable
{
	const char *name;
	const char *const *columns; /* best in the table's order */
	int			ncolumns;
	TableShape *shape;			/* found on first use */
} StateTable;

/* A scan of an index, and the row it stands at. */
typedef struct StateScan
{
	StateTable *table;
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		snapshot_pushed;
	LOCKMODE	lockmode;		/* of the table */
} StateScan;

/*
 * Insert a row, whoever we are, in the current transaction; nulls: ' ' or 'n'
 * per column.  Returns false, and has done nothing, when the table is not as
 * plain as it was made: the caller uses an INSERT.  What is inserted is seen by
 * the next state_query().
 */
extern bool state_insert(StateTable *table, const Datum *values,
						 const char *nulls);

/*
 * Scan an index in its order, under the active snapshot; the keys count its
 * columns.  False: the table is not plain, or has no such index, and there is
 * no scan to end.
 */
extern bool state_scan_begin(StateTable *table, const char *index, int nkeys,
							 ScanKey keys, StateScan *scan);
/* The next row; false: there is no more. */
extern bool state_scan_next(StateScan *scan);

/*
 * Find a row by its primary key, a number, in its newest version, committed or
 * our own.  False, and there is no scan to end: the table is not plain, there
 * is no such row, or it is updated just now.  AccessShareLock on the table for
 * who only reads, it is let go at the end of the scan; RowExclusiveLock, which
 * is kept, for who may update.
 */
extern bool state_find(StateTable *table, LOCKMODE lockmode, int64 id,
					   StateScan *scan);

/*
 * Columns of the row, numbered as in the table's description; copies in the
 * current context.
 */
extern Datum state_scan_value(StateScan *scan, int column, bool *isnull);
extern bool state_scan_bool(StateScan *scan, int column);
extern int32 state_scan_int32(StateScan *scan, int column);
/* NULL, or 0, for null. */
extern char *state_scan_text(StateScan *scan, int column);
extern TimestampTz state_scan_time(StateScan *scan, int column);
extern Jsonb *state_scan_jsonb(StateScan *scan, int column);

/*
 * Give columns of the row new values, at most once.  Returns false, and has
 * done nothing, when the row has changed since it was read, or, unless we wait,
 * when somebody has locked it (who locks it in just that moment is waited for,
 * as long as lock_timeout lets us).
 */
extern bool state_scan_update(StateScan *scan, int ncolumns, const int *columns,
							  const Datum *values, const char *nulls,
							  bool wait);

extern void state_scan_end(StateScan *scan);

#endif							/* PGWF_DIRECT_H */

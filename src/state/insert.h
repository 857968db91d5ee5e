/*-------------------------------------------------------------------------
 *
 * insert.h
 *	  Rows inserted without a statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_INSERT_H
#define PGWF_INSERT_H

#include "postgres.h"

/* A table of ours and the columns whose values are given. */
typedef struct StateTable
{
	const char *name;
	const char *const *columns; /* best in the table's order */
	int			ncolumns;
	Oid			relation;		/* found on first use .. */
	uint64		installation;	/* .. under this installation of the extension */
} StateTable;

/*
 * Insert a row as the owner, in the current transaction; nulls: ' ' or 'n' per
 * column.  Returns false, and has done nothing, when the table is not as plain as
 * it was made: the caller uses an INSERT.  What is inserted is seen by the next
 * state_query().
 */
extern bool state_insert(StateTable *table, const Datum *values, const char *nulls);

#endif							/* PGWF_INSERT_H */

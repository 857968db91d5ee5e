/*-------------------------------------------------------------------------
 *
 * convert.h
 *	  A JSON value as a value of an SQL type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_CONVERT_H
#define PGWF_CONVERT_H

#include "postgres.h"
#include "access/tupdesc.h"
#include "fmgr.h"
#include "utils/jsonb.h"

typedef enum ConversionKind
{
	CONVERT_JSONB,				/* as it is */
	CONVERT_JSON,				/* its text */
	CONVERT_TEXT,				/* a string's content, else the JSON text */
	CONVERT_BOOLEAN,
	CONVERT_INTEGER,			/* int2, int4, int8: whole numbers directly */
	CONVERT_NUMERIC,			/* exact */
	CONVERT_INPUT,				/* text form through the input function */
	CONVERT_POPULATE			/* arrays, composites and domains over them */
} ConversionKind;

/* How values become values of one type; kept as long as the statement. */
typedef struct Conversion
{
	Oid			type;
	ConversionKind kind;
	bool		is_domain;		/* nulls must be checked, too */
	bool		json_text;		/* CONVERT_INPUT: the text keeps JSON's
								 * quotes */
	bool		takes_containers;	/* CONVERT_INPUT: objects and arrays as
									 * text */
	PGFunction	from_numeric;	/* CONVERT_INTEGER */
	FmgrInfo	function;		/* input function or jsonb_populate_record */
	Oid			io_parameter;	/* CONVERT_INPUT, CONVERT_TEXT */
	TupleDesc	row;			/* CONVERT_POPULATE: a row of one column */
} Conversion;

/* Look up how to convert to a type; what is kept lives in the given context. */
extern void conversion_init(Conversion *conversion, Oid type,
							MemoryContext context);

/*
 * Convert; value NULL or of type jbvNull is SQL null.  By-reference results
 * live in the current memory context or in the source.
 */
extern Datum conversion_apply(Conversion *conversion, JsonbValue *value,
							  bool *isnull);

/* The value of a whole jsonb: a scalar, or jbvBinary. */
extern void jsonb_root_value(Jsonb *jsonb, JsonbValue *value);

#endif							/* PGWF_CONVERT_H */

/*-------------------------------------------------------------------------
 *
 * bind.h
 *	  The values a step's SQL uses: $1 .. and input.x, typed from the context.
 *
 * NOTES
 *	  Values are bound, never put into SQL text.  A Binding belongs to one
 *	  statement: it knows which values the statement uses and the type the
 *	  parser wants each of them to have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_BIND_H
#define PGWF_BIND_H

#include "postgres.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "parser/parse_node.h"
#include "utils/jsonb.h"

typedef struct Binding Binding;

/*
 * Find out which values a statement uses and with what types, as PREPARE does;
 * one whose type nothing determines is jsonb.  NULL: it uses none, or is of a
 * kind that cannot.  The Binding lives in the given context.  Needs a
 * transaction and an active snapshot; may use subtransactions.
 */
extern Binding *binding_create(RawStmt *statement, const char *source,
							   MemoryContext context);

/* ParserSetupHook for the statement's real analysis; arg is the Binding. */
extern void binding_parser_setup(ParseState *pstate, void *arg);

/*
 * The values, converted, in the current memory context.  input NULL is {}; a
 * NULL element of params is SQL null.  Raises an error that names the value
 * when it is missing or cannot be converted.  Needs an active snapshot.
 */
extern ParamListInfo binding_values(Binding *binding, Jsonb *input,
									Jsonb **params, int nparams);

#endif							/* PGWF_BIND_H */

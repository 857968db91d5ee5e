/*-------------------------------------------------------------------------
 *
 * scopes.c
 *	  workflow.scope_level(), workflow.scope_children(): paths of scopes, for
 *	  SQL, which does not take them apart by itself.
 *
 * NOTES
 *	  Run in any process, read no table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "definition/scope.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_scope_level(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_scope_children(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_scope_level);
PG_FUNCTION_INFO_V1(workflow_scope_children);

/*
 * A level of a path, from 1, the outermost; 0: the innermost.  False when there
 * is none, or the text is no path.
 */
static bool
find_level(const char *path, int wanted, ScopeText *found)
{
	int			number = 0;

	(void) scope_skip_set_aside(&path);
	while (*path != '\0' && (wanted == 0 || number < wanted))
	{
		CHECK_FOR_INTERRUPTS();
		if (!scope_next_level(&path, found))
			return false;
		number++;
	}
	return number > 0 && (wanted == 0 || number == wanted);
}

/*
 * workflow.scope_level(scope text, level integer, OUT step_id text, OUT visit
 * integer, OUT branch text, OUT iteration integer)
 */
Datum
workflow_scope_level(PG_FUNCTION_ARGS)
{
	ScopeText	level;
	Datum		values[4];
	bool		nulls[4] = {0};
	TupleDesc	description;

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	state_check_installation();
	if (!find_level(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1),
					&level))
		PG_RETURN_NULL();
	values[0] = CStringGetTextDatum(level.step);
	values[1] = Int32GetDatum(level.visit);
	nulls[2] = (level.line == NULL);
	values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(level.line);
	nulls[3] = (level.line != NULL);
	values[3] = Int32GetDatum(level.iteration);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(description), values, nulls)));
}

/*
 * workflow.scope_children(scope text, step_id text, visit integer, iterates
 * boolean, OUT first text, OUT behind text)
 */
Datum
workflow_scope_children(PG_FUNCTION_ARGS)
{
	char	   *first;
	char	   *behind;
	Datum		values[2];
	bool		nulls[2] = {0};
	TupleDesc	description;

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	state_check_installation();
	scope_children_of(text_to_cstring(PG_GETARG_TEXT_PP(0)),
					  text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_BOOL(3),
					  PG_GETARG_INT32(2), &first, &behind);
	values[0] = CStringGetTextDatum(first);
	values[1] = CStringGetTextDatum(behind);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(description), values, nulls)));
}

/*-------------------------------------------------------------------------
 *
 * breaker.c
 *	  workflow.reset_breaker(), and what the view breaker_status reads.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  A reset takes effect when
 *	  the transaction has committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "shared/breakers.h"

extern PGDLLEXPORT Datum workflow_reset_breaker(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_breaker_memory(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_reset_breaker);
PG_FUNCTION_INFO_V1(workflow_breaker_memory);

/*
 * workflow.reset_breaker(agent text, reason text) returns void
 */
Datum
workflow_reset_breaker(PG_FUNCTION_ARGS)
{
	char	   *agent = required_text(fcinfo, 0, "agent");
	char	   *reason = optional_text_argument(fcinfo, 1);

	(void) require_own_agent(agent);
	if (!breaker_reset(agent, reason))
		ereport(NOTICE,
				(errmsg("agent \"%s\" has no circuit breaker", agent)));
	PG_RETURN_VOID();
}

/*
 * workflow.breaker_memory(agent text) returns record
 */
Datum
workflow_breaker_memory(PG_FUNCTION_ARGS)
{
	char	   *agent = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TimestampTz now = GetCurrentTimestamp();
	Breaker		breaker;
	BreakerCounts counts;
	TupleDesc	descriptor;
	Datum		values[7];
	bool		nulls[7] = {0};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!breaker_look(breaker_key(agent), &breaker))
		PG_RETURN_NULL();
	counts = breaker_counts(&breaker, now);
	values[0] = CStringGetTextDatum(breaker_state_name(breaker_state_at(&breaker, now)));
	values[1] = Int64GetDatum(counts.calls);
	values[2] = Int64GetDatum(counts.failures);
	values[3] = Int32GetDatum(breaker.failures_in_row);
	values[4] = TimestampTzGetDatum(breaker.half_open_at);
	nulls[4] = (breaker.state == BREAKER_CLOSED || breaker.half_open_at == 0);
	values[5] = Int32GetDatum(breaker.running);
	values[6] = Int32GetDatum(breaker.succeeded);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

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

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/api.h"
#include "shared/breakers.h"

extern PGDLLEXPORT Datum workflow_reset_breaker(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_breaker_memory(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_reset_breaker);
PG_FUNCTION_INFO_V1(workflow_breaker_memory);

/*
 * workflow.reset_breaker(agent text, reason text, role regrole) returns void
 */
Datum
workflow_reset_breaker(PG_FUNCTION_ARGS)
{
	char	   *agent = required_text(fcinfo, 0, "agent");
	char	   *reason = optional_text_argument(fcinfo, 1);
	Oid			role = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2);

	(void) lock_own_agent(agent);
	if (!PG_ARGISNULL(2))
		(void) required_role_name(role, "Leave out the argument \"role\" to reset the circuit breakers of all roles.");
	if (!breakers_reset(agent, role, reason))
		ereport(NOTICE,
				(errmsg("agent \"%s\" has no circuit breaker", agent)));
	PG_RETURN_VOID();
}

/*
 * workflow.breaker_memory(agent text) returns setof record
 *
 * What the caller may see: the breakers of roles whose rights it has; all of
 * them for the owner of the agent and members of pg_monitor.
 */
Datum
workflow_breaker_memory(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const Agent *agent = agent_find(name);
	uint64		hash = breaker_key(name, InvalidOid).agent;
	Oid			caller = GetUserId();
	TimestampTz now = GetCurrentTimestamp();
	KnownBreaker known;
	int			position = 0;
	bool		sees_all;

	InitMaterializedSRF(fcinfo, 0);
	sees_all = has_privs_of_role(caller, ROLE_PG_MONITOR) ||
		(agent != NULL && has_privs_of_role(caller, agent->owner));
	while (breaker_next(&position, &known))
	{
		const Breaker *breaker = &known.breaker;
		BreakerCounts counts = breaker_counts(breaker, now);
		Datum		values[8];
		bool		nulls[8] = {0};

		CHECK_FOR_INTERRUPTS();
		if (known.key.agent != hash ||
			(!sees_all && !has_privs_of_role(caller, known.key.role)))
			continue;
		values[0] = ObjectIdGetDatum(known.key.role);
		values[1] = CStringGetTextDatum(
			breaker_state_name(breaker_state_at(breaker, now)));
		values[2] = Int64GetDatum(counts.calls);
		values[3] = Int64GetDatum(counts.failures);
		values[4] = Int32GetDatum(breaker->failures_in_row);
		values[5] = TimestampTzGetDatum(breaker->half_open_at);
		nulls[5] = (breaker->state == BREAKER_CLOSED ||
					breaker->half_open_at == 0);
		values[6] = Int32GetDatum(breaker->running);
		values[7] = Int32GetDatum(breaker->succeeded);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

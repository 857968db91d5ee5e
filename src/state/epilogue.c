/*-------------------------------------------------------------------------
 *
 * epilogue.c
 *	  The tables, as far as executions that do not complete are concerned.
 *
 * NOTES
 *	  While "ending" is set in an execution's row, its status is still running
 *	  (paused, pending when it is resumed), or cancelling when a session wants
 *	  it: how it ends is decided, its epilogue has to be run, and nothing else
 *	  of it.  A cancelling execution has an epilogue only with "compensate".
 *	  Deciding runs in executors, settling in the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "shared/fault.h"
#include "shared/settings.h"
#include "state/ends.h"
#include "state/epilogue.h"
#include "state/private.h"

static const Oid decide_types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID,
								   JSONBOID, JSONBOID, TEXTOID};
static StateStatement decide_statement = {
	"UPDATE workflow.executions SET ending = $2, started_at = COALESCE($3, started_at), output = $4,"
	" error = $5, error_type = $6"
	" WHERE id OPERATOR(pg_catalog.=) $1 AND ending IS NULL AND NOT reopen"
	" AND (" IS_RUN ")",
	lengthof(decide_types), decide_types, NULL
};

/*
 * Also of one that was retried and has not gone on yet: nobody but the
 * scheduler may end that.
 */
static const Oid decide_idle_types[] = {INT8OID, TEXTOID, JSONBOID, TEXTOID};
static StateStatement decide_idle_statement = {
	"UPDATE workflow.executions SET ending = $2, output = NULL, error = $3, error_type = $4"
	" WHERE id OPERATOR(pg_catalog.=) $1 AND ending IS NULL"
	" AND status OPERATOR(pg_catalog.=) ANY ('{running,paused}'::pg_catalog.text[])",
	lengthof(decide_idle_types), decide_idle_types, NULL
};

static const Oid id_types[] = {INT8OID};
static StateStatement ending_statement = {
	"SELECT status, ending, compensate, role::pg_catalog.oid, priority, definition_id, recoveries, workflow, tenant"
	" FROM workflow.executions WHERE id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

/* What the cancel() of an execution with compensations decides. */
static StateStatement decide_cancelled_statement = {
	"UPDATE workflow.executions SET ending = 'cancelled', error_type = 'Cancelled'"
	" WHERE id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

/*
 * Steps set aside by a retry from an earlier one (their scope begins with "~")
 * are not undone.
 */
static const Oid compensate_types[] = {INT8OID, TEXTARRAYOID, TEXTARRAYOID,
									   INT4OID};
static StateStatement compensate_statement = {
	"SELECT s.scope, s.step_id, s.visit, s.completed_at"
	" FROM workflow.step_executions AS s"
	" JOIN ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS c (step_id, undo)"
	" ON s.step_id OPERATOR(pg_catalog.=) c.step_id"
	" WHERE s.execution_id OPERATOR(pg_catalog.=) $1"
	" AND s.status OPERATOR(pg_catalog.=) 'completed'::pg_catalog.text"
	" AND pg_catalog.left(s.scope, 1) OPERATOR(pg_catalog.<>) '~'::pg_catalog.text"
	" AND NOT EXISTS (SELECT FROM workflow.step_executions AS u"
	"                 WHERE u.execution_id OPERATOR(pg_catalog.=) $1"
	"                 AND u.scope OPERATOR(pg_catalog.=) s.scope"
	"                 AND u.step_id OPERATOR(pg_catalog.=) c.undo"
	"                 AND u.visit OPERATOR(pg_catalog.=) s.visit AND u.retry_at IS NULL)"
	" ORDER BY s.completed_at DESC, s.started_at DESC, s.scope DESC LIMIT $4",
	lengthof(compensate_types), compensate_types, NULL
};

static const Oid partial_types[] = {INT8OID, INT8OID};
static StateStatement partial_statement = {
	"SELECT pg_catalog.jsonb_build_object('partial', true, 'completed_steps', pg_catalog.count(*), 'outputs',"
	" CASE WHEN COALESCE(pg_catalog.sum(CASE WHEN pg_catalog.pg_column_compression(output) IS NOT NULL"
	"  THEN pg_catalog.octet_length(output::pg_catalog.text) ELSE pg_catalog.pg_column_size(output) END)"
	"  FILTER (WHERE scope OPERATOR(pg_catalog.=) ''::pg_catalog.text), 0) OPERATOR(pg_catalog.<=) $2 THEN"
	"  COALESCE(pg_catalog.jsonb_object_agg(step_id, output ORDER BY completed_at)"
	"   FILTER (WHERE scope OPERATOR(pg_catalog.=) ''::pg_catalog.text), '{}'::pg_catalog.jsonb) END)"
	" FROM workflow.step_executions"
	" WHERE execution_id OPERATOR(pg_catalog.=) $1 AND status OPERATOR(pg_catalog.=) 'completed'::pg_catalog.text"
	" AND pg_catalog.left(scope, 1) OPERATOR(pg_catalog.<>) '~'::pg_catalog.text",
	lengthof(partial_types), partial_types, NULL
};

Jsonb *
execution_partial_output(int64 id)
{
	Datum		values[lengthof(partial_types)];
	bool		isnull;
	Jsonb	   *result;

	values[0] = Int64GetDatum(id);
	values[1] = Int64GetDatum((int64) setting_max_result_size * 1024);
	state_query(&partial_statement, values, NULL, false, 0);
	result = (Jsonb *) PG_DETOAST_DATUM_COPY(state_column(0, 1, &isnull));
	state_done();
	return result;
}

bool
execution_decide(int64 id, ExecutionStatus ending, TimestampTz started_at,
				 Jsonb *output, Jsonb *error, const char *error_type)
{
	Datum		values[lengthof(decide_types)];
	char		nulls[lengthof(decide_types)];
	bool		decided;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(execution_status_name(ending));
	state_set_time(values, nulls, 2, started_at);
	state_set_jsonb(values, nulls, 3, output);
	state_set_jsonb(values, nulls, 4, error);
	state_set_text(values, nulls, 5, error_type);
	decided = state_execute(&decide_statement, values, nulls) > 0;
	fault_point("execution.decided");
	return decided;
}

void
execution_decide_idle(int64 id, ExecutionStatus ending, Jsonb *error,
					  const char *error_type)
{
	Datum		values[lengthof(decide_idle_types)];

	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(execution_status_name(ending));
	values[2] = PointerGetDatum(error);
	values[3] = CStringGetTextDatum(error_type);
	state_execute(&decide_idle_statement, values, NULL);
}

/* An array of the ids of some steps of a plan. */
static Datum
id_array(const WorkflowPlan *plan,
		 char *(*id_of)(const WorkflowPlan *plan, const PlanNode *node))
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(plan->nnodes, 1));
	int			count = 0;

	for (int i = 0; i < plan->nnodes; i++)
	{
		char	   *id = id_of(plan, &plan->nodes[i]);

		if (id != NULL)
			elements[count++] = CStringGetTextDatum(id);
	}
	return PointerGetDatum(
		construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

static char *
chain_id(const WorkflowPlan *plan pg_attribute_unused(), const PlanNode *node)
{
	return node->in_chain && (step_is_container(node) || step_waits(node)) ?
		node->id :
		NULL;
}

static char *
undone_id(const WorkflowPlan *plan pg_attribute_unused(), const PlanNode *node)
{
	return node->compensation >= 0 ? node->id : NULL;
}

static char *
compensation_id(const WorkflowPlan *plan, const PlanNode *node)
{
	return node->compensation >= 0 ? plan->nodes[node->compensation].id : NULL;
}

Settlement
execution_settle(int64 id, ClaimedExecution *claimed)
{
	Datum		values[lengthof(id_types)];
	ExecutionStatus status;
	bool		decided;
	bool		compensate;
	bool		isnull;
	const WorkflowPlan *plan;

	switch (execution_try_lock(id))
	{
		case ROW_LOCKED:
			break;
		case ROW_BUSY:
			return SETTLED_LATER;
		case ROW_MISSING:
			return SETTLED_OVER;
	}
	values[0] = Int64GetDatum(id);
	state_query(&ending_statement, values, NULL, false, 1);
	memset(claimed, 0, sizeof(ClaimedExecution));
	status = execution_status_from_name(state_column_text(0, 1));
	state_column(0, 2, &isnull);
	decided = !isnull;
	compensate = DatumGetBool(state_column(0, 3, &isnull));
	claimed->id = id;
	claimed->role = DatumGetObjectId(state_column(0, 4, &isnull));
	claimed->priority = state_column_int32(0, 5);
	claimed->definition_id = state_column_int32(0, 6);
	claimed->recoveries = state_column_int32(0, 7);
	claimed->workflow = state_column_text(0, 8);
	claimed->tenant = state_column_text(0, 9);
	claimed->in_epilogue = true;
	state_done();

	plan = definition_plan_if_any(claimed->definition_id);
	if (plan == NULL && decided &&
		(status == EXECUTION_RUNNING || status == EXECUTION_CANCELLING))
	{
		/* nobody knows any more what it has to undo: it ends as was decided */
		execution_finalise(id, EXECUTION_CANCELLED, NULL, "Cancelled");
		return SETTLED_OVER;
	}
	if (status == EXECUTION_CANCELLING && compensate && !decided &&
		plan != NULL && plan->ncompensations > 0)
	{
		state_execute(&decide_cancelled_statement, values, NULL);
		fault_point("execution.compensates");
		decided = true;
	}
	if (decided &&
		(status == EXECUTION_RUNNING ||
		 (status == EXECUTION_CANCELLING && compensate)))
	{
		/* containers of the chain stay open: they are the epilogue's own */
		step_close_others(id, id_array(plan, chain_id));
		fault_point("execution.epilogue_begins");
		return SETTLED_EPILOGUE;
	}
	/*
	 * its epilogue waits until it is resumed, its workflow unblocked, and it is
	 * claimed
	 */
	if (status == EXECUTION_PAUSED || status == EXECUTION_PENDING ||
		status == EXECUTION_BLOCKED || status == EXECUTION_WAITING)
		return SETTLED_OVER;
	/* retried and claimed meanwhile: what is open in it may be at work */
	if (status == EXECUTION_RUNNING)
		return SETTLED_OVER;
	if (status == EXECUTION_CANCELLING)
	{
		execution_finalise(id, EXECUTION_CANCELLED, NULL, "Cancelled");
		fault_point("execution.cancel_complete");
	}
	else
		step_close_open(id, STATUS_CANCELLED);
	return SETTLED_OVER;
}

int
steps_to_compensate(int64 execution_id, const WorkflowPlan *plan, int limit,
					CompletedStep **steps)
{
	Datum		values[lengthof(compensate_types)];
	uint64		nrows;

	values[0] = Int64GetDatum(execution_id);
	values[1] = id_array(plan, undone_id);
	values[2] = id_array(plan, compensation_id);
	values[3] = Int32GetDatum(limit);
	nrows = state_query(&compensate_statement, values, NULL, false, 0);
	*steps = palloc(Max(nrows, 1) * sizeof(CompletedStep));
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;

		(*steps)[i].scope = state_column_text(i, 1);
		(*steps)[i].step_id = state_column_text(i, 2);
		(*steps)[i].visit = state_column_int32(i, 3);
		(*steps)[i].completed_at = DatumGetTimestampTz(
			state_column(i, 4, &isnull));
	}
	state_done();
	return (int) nrows;
}

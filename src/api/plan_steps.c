/*-------------------------------------------------------------------------
 *
 * plan_steps.c
 *	  workflow.plan_steps(): the steps of a definition as rows.
 *
 * NOTES
 *	  Runs in sessions.  What a definition's steps are called and how they are
 *	  nested is no secret to those who see its executions; their SQL is not
 *	  here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "definition/steps/loop.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_plan_steps(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_plan_steps);

#define NUM_COLUMNS 7

/*
 * Is no other line of the container longer than this one, and none before it as
 * long?
 */
static bool
is_longest_line(const PlanNode *container, int line)
{
	for (int i = 0; i < container->nlines; i++)
		if (container->lines[i].nsteps > container->lines[line].nsteps ||
			(i < line &&
			 container->lines[i].nsteps == container->lines[line].nsteps))
			return false;
	return true;
}

/*
 * workflow.plan_steps(definition_id integer) returns setof record
 */
Datum
workflow_plan_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	WorkflowPlan *plan;

	InitMaterializedSRF(fcinfo, 0);
	plan = definition_plan(PG_GETARG_INT32(0));
	for (int i = 0; i < plan->nnodes; i++)
	{
		PlanNode   *node = &plan->nodes[i];
		Datum		values[NUM_COLUMNS];
		bool		nulls[NUM_COLUMNS] = {0};

		values[0] = CStringGetTextDatum(node->id);
		values[1] = CStringGetTextDatum(step_type_name(node->type));
		nulls[2] = nulls[3] = (node->container < 0);
		values[4] = BoolGetDatum(true);
		if (node->container >= 0)
		{
			PlanNode   *container = &plan->nodes[node->container];

			values[2] = CStringGetTextDatum(container->id);
			nulls[3] = (container->lines[node->line].name == NULL);
			if (!nulls[3])
				values[3] = CStringGetTextDatum(
					container->lines[node->line].name);
			values[4] = BoolGetDatum(is_longest_line(container, node->line));
		}
		values[5] = Int32GetDatum(node->depth);
		values[6] = BoolGetDatum(loop_part(node) != NULL &&
								 loop_part(node)->kind != LOOP_COLLECTION);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

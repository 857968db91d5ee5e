/*-------------------------------------------------------------------------
 *
 * pictures.c
 *	  Pictures of executions and workflows: timeline() and its sisters.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction; reads only.  Who may see an
 *	  execution is decided here, before anything of it is read.  Who only looks
 *	  on sees what others' executions did, not what they said.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "pictures/pictures.h"
#include "pictures/words.h"
#include "state/trace.h"

extern PGDLLEXPORT Datum workflow_diagram(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_execution_diagram(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_explain(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_report(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_timeline(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_timeline_svg(PG_FUNCTION_ARGS);

/* Iterations of a loop shown in a report. */
#define REPORT_ITERATIONS 10

PG_FUNCTION_INFO_V1(workflow_diagram);
PG_FUNCTION_INFO_V1(workflow_execution_diagram);
PG_FUNCTION_INFO_V1(workflow_explain);
PG_FUNCTION_INFO_V1(workflow_report);
PG_FUNCTION_INFO_V1(workflow_timeline);
PG_FUNCTION_INFO_V1(workflow_timeline_svg);

/*
 * What was said about an execution is for those who have the rights of its
 * role.
 */
static void
hide_texts(TraceExecution *execution)
{
	execution->error_message = execution->cancel_reason =
		execution->pause_reason = NULL;
	for (int i = 0; i < execution->nmarks; i++)
		execution->marks[i].reason = NULL;
	for (int i = 0; i < execution->nevents; i++)
		execution->events[i].text = NULL;
}

/*
 * Read an execution the caller may see; *texts: and what it says, not only what
 * it did.
 */
static TraceExecution *
visible_execution(int64 id, bool *texts)
{
	TraceExecution *execution = palloc0(sizeof(TraceExecution));

	if (!trace_execution(id, execution))
		refuse_unknown_execution(id);
	*texts = has_privs_of_role(GetUserId(), execution->role);
	if (!may_see(execution->role, execution->workflow))
		refuse_unknown_execution(id);
	if (!*texts)
		hide_texts(execution);
	return execution;
}

/*
 * An argument that must be there and in a range.
 */
static int
ranged_argument(FunctionCallInfo fcinfo, int argument, const char *name,
				int low, int high)
{
	int			value;

	if (PG_ARGISNULL(argument))
		refuse_null(fcinfo, name);
	value = PG_GETARG_INT32(argument);
	if (value < low || value > high)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be between %d and %d, not %d",
						name, low, high, value),
				 hint_about_arguments(fcinfo)));
	return value;
}

/*
 * Read an execution, with so many iterations of each loop.
 */
static SpanTree *
read_tree(int64 id, int max_iterations)
{
	bool		texts;
	TraceExecution *execution = visible_execution(id, &texts);

	return span_tree_read(execution, max_iterations, texts);
}

/*
 * Can text of this database reach the client with more than ASCII in it?
 */
static bool
client_reads_unicode(void)
{
	return GetDatabaseEncoding() == PG_UTF8 &&
		(pg_get_client_encoding() == PG_UTF8 ||
		 pg_get_client_encoding() == PG_SQL_ASCII);
}

/*
 * workflow.timeline(execution_id bigint, width integer, ascii boolean,
 * max_iterations integer) returns text
 */
Datum
workflow_timeline(PG_FUNCTION_ARGS)
{
	int			width = ranged_argument(fcinfo, 1, "width", TIMELINE_MIN_WIDTH,
								TIMELINE_MAX_WIDTH);
	bool		ascii = PG_ARGISNULL(2) ? !client_reads_unicode() :
		PG_GETARG_BOOL(2);
	int			max_iterations = ranged_argument(fcinfo, 3, "max_iterations", 1,
												 PICTURE_MAX_ITERATIONS);

	if (GetDatabaseEncoding() != PG_UTF8)
		ascii = true;
	PG_RETURN_TEXT_P(cstring_to_text(
		draw_timeline(read_tree(required_execution_id(fcinfo), max_iterations),
					  width, ascii)));
}

/*
 * workflow.timeline_svg(execution_id bigint, max_iterations integer) returns
 * text
 */
Datum
workflow_timeline_svg(PG_FUNCTION_ARGS)
{
	int			max_iterations = ranged_argument(fcinfo, 1, "max_iterations", 1,
										 PICTURE_MAX_ITERATIONS);

	PG_RETURN_TEXT_P(cstring_to_text(
		draw_svg(read_tree(required_execution_id(fcinfo), max_iterations))));
}

/*
 * workflow.diagram(workflow text, version integer) returns text
 */
Datum
workflow_diagram(PG_FUNCTION_ARGS)
{
	char	   *workflow = required_text(fcinfo, 0, "workflow");
	int			version = version_argument(fcinfo, 1);
	Definition	definition;

	require_definition(workflow, version, &definition);
	PG_RETURN_TEXT_P(
		cstring_to_text(draw_mermaid(definition_plan(definition.id), NULL)));
}

/*
 * workflow.diagram(execution_id bigint) returns text
 */
Datum
workflow_execution_diagram(PG_FUNCTION_ARGS)
{
	SpanTree   *tree = read_tree(required_execution_id(fcinfo), 1);

	PG_RETURN_TEXT_P(cstring_to_text(draw_mermaid(tree->plan, tree)));
}

/*
 * What steps of a plan took lately, in words, by node; *executions: in how
 * many.
 */
static char **
averages_of_plan(const WorkflowPlan *plan, int definition_id, int64 *executions)
{
	char	  **notes = palloc0(sizeof(char *) * Max(plan->nnodes, 1));
	int			count;
	TraceAverage *averages = trace_averages(definition_id, GetUserId(), &count,
											executions);

	for (int i = 0; i < count; i++)
	{
		const TraceAverage *average = &averages[i];
		PlanNode   *node = plan_find(plan, average->step_id);

		if (node == NULL)
			continue;
		if (average->attempts == 1)
			notes[node->index] =
				psprintf("%s%s", duration_text(average->mean_ms),
						 average->failures > 0 ? ", failed" : "");
		else
			notes[node->index] =
				psprintf("mean %s, max %s, %s attempts%s",
						 duration_text(average->mean_ms),
						 duration_text(average->longest_ms),
						 count_text(average->attempts),
						 average->failures == 0 ?
							 "" :
							 psprintf(", %s failed",
									  count_text(average->failures)));
	}
	return notes;
}

/*
 * workflow.explain(workflow text, version integer, averages boolean) returns
 * text
 */
Datum
workflow_explain(PG_FUNCTION_ARGS)
{
	char	   *workflow = required_text(fcinfo, 0, "workflow");
	int			version = version_argument(fcinfo, 1);
	bool		wanted = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	char	  **notes = NULL;
	int64		executions = 0;
	Definition	definition;
	WorkflowPlan *plan;
	char	   *text;

	require_definition(workflow, version, &definition);
	plan = definition_plan(definition.id);
	if (wanted)
		notes = averages_of_plan(plan, definition.id, &executions);
	text = plan_explain(plan, notes);
	if (executions > 0)
		text = psprintf("%stimes of the last %s\n", text,
						executions == 1 ?
							"execution" :
							psprintf("%s executions", count_text(executions)));
	PG_RETURN_TEXT_P(cstring_to_text(text));
}

/*
 * workflow.report(execution_id bigint) returns text
 */
Datum
workflow_report(PG_FUNCTION_ARGS)
{
	int64		id = PG_ARGISNULL(0) ? overview_newest_execution(GetUserId()) :
								 PG_GETARG_INT64(0);
	SpanTree   *tree = id != 0 || !PG_ARGISNULL(0) ?
		read_tree(id, REPORT_ITERATIONS) :
		NULL;

	PG_RETURN_TEXT_P(
		cstring_to_text(draw_report(tree, GetUserId(), !PG_ARGISNULL(0))));
}

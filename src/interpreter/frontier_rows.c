/*-------------------------------------------------------------------------
 *
 * frontier_rows.c
 *	  What rows of the table say of where their scope stands.
 *
 * NOTES
 *	  Runs in executors, sessions (execute(), retry()) and the scheduler.  That
 *	  an error was caught, and where a conditional led, is not on the row: the
 *	  plan and the row tell it together, the same each time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "definition/error_names.h"
#include "interpreter/frontier_rows.h"
#include "interpreter/thread.h"
#include "state/jsonb_text.h"

/*
 * The clause that catches a failed step's error, by what its row says; NULL:
 * none.
 */
CatchClause *
step_catcher(const PlanNode *node, StepStatus status, const char *error_type,
			 Jsonb *error)
{
	char	   *sqlstate = jsonb_member_string(error, "sqlstate");

	for (int i = 0; i < node->ncatches; i++)
	{
		CatchClause *clause = &node->catches[i];
		bool		covers = clause->nerrors == 0;

		for (int k = 0; k < clause->nerrors && !covers; k++)
			covers = error_name_covers(clause->errors[k], error_type, sqlstate,
									   status == STATUS_TIMED_OUT);
		if (covers)
			return clause;
	}
	return NULL;
}

/*
 * Is it the row of a step that was not begun, nor, a container, opened?  What
 * comes before a step was not asked then, its "when" say.  A step of a user's
 * does not end with this status and these words; a container does that has them
 * from a step in it.
 */
bool
never_began(const StepRecord *record)
{
	const char *message;
	const char *step_id;

	if (record->error == NULL)
		return false;
	step_id = jsonb_member_string(record->error, "step_id");
	if (step_id == NULL || strcmp(step_id, record->step_id) != 0)
		return false;
	if (record->status == STATUS_FAILED)
		return strcmp(record->error_type, "MaxVisitsExceeded") == 0;
	if (record->status != STATUS_SKIPPED && record->status != STATUS_TIMED_OUT)
		return false;
	message = jsonb_member_string(record->error, "message");
	return message != NULL &&
		strncmp(message, NOT_STARTED, strlen(NOT_STARTED)) == 0;
}

FrontierRow
frontier_row(const PlanNode *node, const StepRecord *record)
{
	FrontierRow row = {.node = node->index,.stand = STAND_ENDED,.leads_to = -1};
	CatchClause *clause;

	if (step_status_is_open(record->status))
		row.stand = STAND_OPEN;
	else if (record->retry_at != 0)
		row.stand = STAND_AGAIN;
	else if (record->status == STATUS_SKIPPED && never_began(record))
		row.stand = STAND_AGAIN;	/* its block is open again */
	else if (record->scope_outcome != SCOPE_OPEN)
		row.stand = STAND_ENDED_SCOPE;
	if (row.stand != STAND_ENDED)
		return row;

	if (record->status == STATUS_FAILED || record->status == STATUS_TIMED_OUT)
	{
		clause = step_catcher(node, record->status, record->error_type,
							  record->error);
		if (clause != NULL)
		{
			row.leads_to = clause->target;
			return row;
		}
	}
	if (step_chooses(node) && record->branch_taken != NULL)
	{
		int			line = plan_find_line(node, record->branch_taken);

		if (line >= 0)
			row.leads_to = node->lines[line].jump;
	}
	return row;
}

const PlanNode *
execution_stands_at(int64 execution_id, const WorkflowPlan *plan)
{
	StepRecord *newest = step_newest_of_scope(execution_id, "", DT_NOEND);
	Frontier	frontier;
	int			next;

	frontier_begin(&frontier, plan, plan_scope(plan, NULL, 0));
	if (newest != NULL)
	{
		const PlanNode *node = plan_find(plan, newest->step_id);
		FrontierRow row;

		if (node == NULL)
			return NULL;
		row = frontier_row(node, newest);
		frontier_add(&frontier, &row, 1);
	}
	next = frontier_next(&frontier);
	return next >= 0 ? &plan->nodes[next] : NULL;
}

/*-------------------------------------------------------------------------
 *
 * join.c
 *	  What the children's ends make of a container: status, output, error.
 *
 * NOTES
 *	  Reads the rows that ended the children's scopes, in the transaction that
 *	  closes the container; whether they make it succeed is told by
 *	  definition/join_rule.c.  A container that completes although children
 *	  failed keeps their errors in its own "error", with error_type null.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/steps/loop.h"
#include "definition/steps/step_types.h"
#include "interpreter/join.h"
#include "interpreter/thread.h"
#include "state/jsonb_text.h"

/*
 * Failed children named in a message; all of them are in the error's "failed".
 */
#define MAX_NAMED_FAILURES 10
/* Failed children whose own messages are in its detail. */
#define MAX_DETAILED_FAILURES 3

/* --- building objects --- */

static void
push_jsonb(JsonbParseState **state, JsonbIteratorToken token, Jsonb *jsonb)
{
	JsonbValue	value;

	if (jsonb == NULL)
		value.type = jbvNull;
	else if (JB_ROOT_IS_SCALAR(jsonb))
		JsonbExtractScalar(&jsonb->root, &value);
	else
	{
		value.type = jbvBinary;
		value.val.binary.data = &jsonb->root;
		value.val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	}
	pushJsonbValue(state, token, &value);
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token,
			const char *string)
{
	JsonbValue	value;

	if (string == NULL)
		value.type = jbvNull;
	else
	{
		value.type = jbvString;
		value.val.string.val = unconstify(char *, string);
		value.val.string.len = strlen(string);
	}
	pushJsonbValue(state, token, &value);
}

static Jsonb *
end_object(JsonbParseState **state)
{
	return JsonbValueToJsonb(pushJsonbValue(state, WJB_END_OBJECT, NULL));
}

Jsonb *
join_conditional_output(const StepRow *row, const char *branch_step_id,
						Jsonb *branch_output)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jsonb_push_key(&state, "condition_result");
	value.type = jbvBool;
	value.val.boolean = (row->condition_result == 1);
	pushJsonbValue(&state, WJB_VALUE, &value);
	jsonb_push_key(&state, "branch_taken");
	push_string(&state, WJB_VALUE, row->branch_taken);
	jsonb_push_key(&state, "branch_step_id");
	push_string(&state, WJB_VALUE, branch_step_id);
	if (branch_step_id != NULL)
	{
		jsonb_push_key(&state, "branch_output");
		push_jsonb(&state, WJB_VALUE, branch_output);
	}
	return end_object(&state);
}

/* --- parallel and fork_join --- */

/*
 * "a: division by zero; c: canceling statement": the first errors among the
 * children's.
 */
static char *
lines_detail(PlanNode *node, StepRecord **by_line)
{
	StringInfoData detail;
	int			named = 0;

	initStringInfo(&detail);
	for (int i = 0; i < node->nlines && named < MAX_DETAILED_FAILURES; i++)
	{
		char	   *message = by_line[i] != NULL &&
				by_line[i]->scope_outcome != SCOPE_COMPLETED ?
			jsonb_member_string(by_line[i]->error, "message") :
			NULL;

		if (message != NULL)
			appendStringInfo(&detail, "%s%s: %s", named++ ? "; " : "",
							 node->lines[i].name, message);
	}
	return named > 0 ? detail.data : NULL;
}

/* Message and list of the children that did not succeed. */
static Jsonb *
lines_error(PlanNode *node, StepRecord **by_line, const char *type,
			const char *message)
{
	JsonbParseState *state = NULL;
	char	   *detail = lines_detail(node, by_line);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jsonb_push_key(&state, "type");
	push_string(&state, WJB_VALUE, type);
	jsonb_push_key(&state, "message");
	push_string(&state, WJB_VALUE, message);
	if (detail != NULL)
	{
		jsonb_push_key(&state, "detail");
		push_string(&state, WJB_VALUE, detail);
	}
	jsonb_push_key(&state, "step_id");
	push_string(&state, WJB_VALUE, node->id);
	jsonb_push_key(&state, "failed");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < node->nlines; i++)
	{
		StepRecord *record = by_line[i];

		if (record != NULL && (record->scope_outcome == SCOPE_COMPLETED ||
							   record->scope_outcome == SCOPE_SKIPPED))
			continue;
		jsonb_push_key(&state, node->lines[i].name);
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		jsonb_push_key(&state, "status");
		push_string(&state, WJB_VALUE,
					record ? scope_outcome_name(record->scope_outcome) :
							 "not finished");
		if (record != NULL && record->error != NULL)
		{
			jsonb_push_key(&state, "error");
			push_jsonb(&state, WJB_VALUE, record->error);
		}
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return end_object(&state);
}

/* ": a, c", the lines that failed, or those that did not come to their end. */
static void
append_names(StringInfo message, PlanNode *node, StepRecord **by_line,
			 bool unfinished)
{
	int			named = 0;

	for (int i = 0; i < node->nlines; i++)
	{
		if (unfinished ? by_line[i] != NULL :
			(by_line[i] == NULL || by_line[i]->scope_outcome == SCOPE_COMPLETED ||
			 by_line[i]->scope_outcome == SCOPE_SKIPPED))
			continue;
		if (named == MAX_NAMED_FAILURES)
		{
			appendStringInfoString(message, ", ...");
			break;
		}
		appendStringInfo(message, "%s %s", named++ ? "," : ":",
						 node->lines[i].name);
	}
}

/*
 * "1 of 5 branches failed (policy: majority, 3 needed): a; 2 not finished: b,
 * c; 1 skipped"
 */
static char *
lines_message(PlanNode *node, StepRecord **by_line, const JoinCounts *counts)
{
	StringInfoData message;
	const char *noun = step_types[node->type]->lines_noun;
	int			counted = counts->total - counts->skipped;
	int			unfinished = counted - counts->completed - counts->failed;

	initStringInfo(&message);
	if (counts->failed > 0 || unfinished > 0)
		appendStringInfo(&message, "%d of %d %s failed", counts->failed,
						 counted, noun);
	else
		appendStringInfo(&message, "only %d of %d %s succeeded",
						 counts->completed, counts->total, noun);
	appendStringInfo(&message, " (policy: %s, %d needed)",
					 join_policy_name(node->join.policy),
					 join_required(&node->join, counted));
	append_names(&message, node, by_line, false);
	if (unfinished > 0)
	{
		appendStringInfo(&message, "; %d not finished", unfinished);
		append_names(&message, node, by_line, true);
	}
	/* where a number is asked for, they may be why */
	if (counts->skipped > 0 &&
		(node->join.policy == JOIN_ANY || node->join.policy == JOIN_N_OF_M))
		appendStringInfo(&message, "; %d skipped", counts->skipped);
	return message.data;
}

/* "timeout: 1 of 3 steps completed; not completed: b, c" */
static char *
timeout_message(PlanNode *node, StepRecord **by_line, const JoinCounts *counts)
{
	StringInfoData message;
	int			named = 0;

	initStringInfo(&message);
	appendStringInfo(&message, "timeout: %d of %d %s completed; not completed",
					 counts->completed, counts->total - counts->skipped,
					 step_types[node->type]->lines_noun);
	for (int i = 0; i < node->nlines; i++)
	{
		if (by_line[i] != NULL &&
			(by_line[i]->scope_outcome == SCOPE_COMPLETED ||
			 by_line[i]->scope_outcome == SCOPE_SKIPPED))
			continue;
		if (named == MAX_NAMED_FAILURES)
		{
			appendStringInfoString(&message, ", ...");
			break;
		}
		appendStringInfo(&message, "%s %s", named++ ? "," : ":",
						 node->lines[i].name);
	}
	return message.data;
}

/*
 * The outputs by line; NULL when they would be too large together, with their
 * size.
 */
static Jsonb *
lines_output(PlanNode *node, StepRecord **by_line, Size *size)
{
	JsonbParseState *state = NULL;

	*size = 0;
	for (int i = 0; i < node->nlines; i++)
		if (by_line[i] != NULL &&
			by_line[i]->scope_outcome == SCOPE_COMPLETED &&
			by_line[i]->output != NULL)
			*size += VARSIZE(by_line[i]->output);
	if (size_error(node, *size) != NULL)
		return NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < node->nlines; i++)
	{
		bool		success = (by_line[i] != NULL &&
						by_line[i]->scope_outcome == SCOPE_COMPLETED);

		jsonb_push_key(&state, node->lines[i].name);
		push_jsonb(&state, WJB_VALUE, success ? by_line[i]->output : NULL);
	}
	return end_object(&state);
}

int
join_lines(int64 execution_id, const WorkflowPlan *plan, PlanNode *node,
		   const char *from, const char *to, StepRow *row, bool expired)
{
	int			nrecords;
	StepRecord *records = step_children(execution_id, from, to, node->id, true,
										&nrecords);
	StepRecord **by_line = palloc0(node->nlines * sizeof(StepRecord *));
	JoinCounts	counts = {.total = node->nlines};
	int			unfinished = 0;
	Size		size;

	for (int i = 0; i < nrecords; i++)
	{
		PlanNode   *last = plan_find(plan, records[i].step_id);

		if (last != NULL && last->container == node->index)
			by_line[last->line] = &records[i];
	}

	for (int i = 0; i < node->nlines; i++)
	{
		if (by_line[i] == NULL)
			unfinished++;
		else
			step_count_child(&counts, by_line[i]->scope_outcome);
	}
	row->counts = counts;
	row->output = lines_output(node, by_line, &size);

	row->error = NULL;
	row->error_type = NULL;
	row->status = STATUS_COMPLETED;
	if (join_final_verdict(&node->join, &counts) == JOIN_FAILED)
	{
		row->status = expired ? STATUS_TIMED_OUT : STATUS_FAILED;
		row->error_type = expired ? "Timeout" : "JoinFailed";
	}
	if (row->status != STATUS_COMPLETED || counts.failed + unfinished > 0)
		row->error = lines_error(node, by_line,
								 row->error_type ? row->error_type :
												   "PartialFailure",
								 row->status == STATUS_TIMED_OUT ?
									 timeout_message(node, by_line, &counts) :
									 lines_message(node, by_line, &counts));
	if (row->output == NULL && row->status == STATUS_COMPLETED)
	{
		StepError  *error = size_error(node, size);

		error->hint = "Its children's outputs are kept; the limit can be raised.";
		step_fail(row, STATUS_FAILED, error);
	}
	return unfinished;
}

/* --- loop --- */

static void
push_count(JsonbParseState **state, const char *key, int64 count)
{
	jsonb_push_key(state, key);
	push_jsonb(state, WJB_VALUE, jsonb_from_int64(count));
}

/* The output of a loop, by what the definition asks for. */
static Jsonb *
loop_output(PlanNode *node, const LoopSummary *summary, int64 total)
{
	JsonbParseState *state = NULL;

	if (loop_part(node)->result == LOOP_RESULT_OUTPUTS && !summary->too_large)
		return summary->iterations ? summary->iterations :
									 jsonb_from_text("[]");

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (loop_part(node)->result == LOOP_RESULT_ITERATIONS &&
		!summary->too_large)
	{
		jsonb_push_key(&state, "iterations");
		push_jsonb(&state, WJB_VALUE,
				   summary->iterations ? summary->iterations :
										 jsonb_from_text("[]"));
	}
	push_count(&state, "total_count", total);
	push_count(&state, "completed_count", summary->completed);
	push_count(&state, "failed_count", summary->failed);
	push_count(&state, "skipped_count",
			   total - summary->completed - summary->failed);
	return end_object(&state);
}

/*
 * Message naming the first failed iterations: "iteration 3 (Turin): division by
 * zero; ..."
 */
static char *
loop_message(PlanNode *node, const LoopSummary *summary, int64 total)
{
	StringInfoData message;
	int			count = JB_ROOT_COUNT(summary->errors);

	initStringInfo(&message);
	appendStringInfo(&message,
					 INT64_FORMAT " of " INT64_FORMAT
								  " iterations of loop \"%s\" failed:",
					 summary->failed, total, node->id);
	for (int i = 0; i < count && i < MAX_NAMED_FAILURES; i++)
	{
		JsonbValue *element =
			getIthJsonbValueFromContainer(&summary->errors->root, i);
		Jsonb	   *object = JsonbValueToJsonb(element);
		Jsonb	   *index = jsonb_get_member(object, "index");
		char	   *label = jsonb_member_string(object, "label");
		char	   *text = jsonb_member_string(object, "message");

		appendStringInfo(&message, "%s iteration %s", i ? ";" : "",
						 JsonbToCString(NULL, &index->root, VARSIZE(index)));
		if (label != NULL)
			appendStringInfo(&message, " (%s)", label);
		appendStringInfo(&message, ": %s", text != NULL ? text : "");
	}
	if (summary->failed > MAX_NAMED_FAILURES)
		appendStringInfoString(&message, "; ...");
	return message.data;
}

void
join_loop(int64 execution_id, PlanNode *node, const char *from, const char *to,
		  StepRow *row, bool expired)
{
	LoopSummary summary;
	int64		total;
	JoinCounts	counts;
	bool		failed;
	StepError	error = {0};
	Jsonb	   *condition_error = row->error;	/* of a while or until
												 * condition */

	step_loop_summary(execution_id, from, to, node->id, loop_part(node)->result,
					  &summary);
	total = row->loop_collection_size >= 0 ? row->loop_collection_size
		: summary.completed + summary.failed + summary.skipped;
	counts.total = (int) total;
	counts.completed = (int) summary.completed;
	counts.failed = (int) summary.failed;
	counts.skipped = (int) summary.skipped;
	row->counts = counts;
	failed = (join_final_verdict(&node->join, &counts) == JOIN_FAILED);

	row->status = STATUS_COMPLETED;
	row->error = condition_error;
	row->error_type = condition_error ? "ConditionError" : NULL;
	row->output = loop_output(node, &summary, total);
	if (summary.too_large)
	{
		error.type = "ResultTooLarge";
		error.sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		error.message = psprintf("output of loop \"%s\" exceeds workflow.max_result_size", node->id);
		error.hint = loop_part(node)->result == LOOP_RESULT_OUTPUTS ?
			"Use \"result\": \"counts\" on the loop, or raise workflow.max_result_size." :
			"Use \"result\": \"counts\" or \"outputs\" on the loop, or raise workflow.max_result_size.";
		step_fail(row, STATUS_FAILED, &error);
	}
	else if (expired && summary.completed + summary.skipped < total)
	{
		error.type = "Timeout";
		error.sqlerrcode = ERRCODE_QUERY_CANCELED;
		error.message = psprintf("timeout: " INT64_FORMAT " of " INT64_FORMAT
								 " iterations of loop \"%s\" completed",
								 summary.completed, total, node->id);
		step_fail(row, STATUS_TIMED_OUT, &error);
	}
	else if (summary.failed > 0)
	{
		error.type = failed ? "LoopFailed" : "PartialFailure";
		error.message = loop_message(node, &summary, total);
		step_fail(row, failed ? STATUS_FAILED : STATUS_COMPLETED, &error);
		if (!failed)
			row->error_type = NULL;
	}
}

/*-------------------------------------------------------------------------
 *
 * event_log.c
 *	  What executions and their steps come to, in the server's log.
 *
 * NOTES
 *	  Whoever writes the rows: executors, the scheduler, sessions in execute().
 *	  Texts are made when the row is written and go to the log when the
 *	  transaction has committed, so what is rolled back is not logged.  They
 *	  hold what the error of a step says, as the server's log does of sessions'
 *	  errors, its context, too; never inputs or outputs.
 *
 *	  An error behind the commit takes the whole server down.  So the lines are
 *	  ready before it, and short, and no client gets them: its encoding may lack
 *	  a character.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/settings.h"
#include "state/event_log.h"
#include "state/jsonb_text.h"
#include "state/private.h"
#include "state/state.h"

/* A line of the log; in TopTransactionContext, newest first. */
typedef struct LogLine
{
	struct LogLine *next;
	SubTransactionId subtransaction;
	int			sqlerrcode;
	char	   *message;
	char	   *detail;
	char	   *hint;			/* these may be NULL */
	char	   *context;
} LogLine;

static LogLine *lines = NULL;

/* Bytes of each of its texts. */
#define LOG_TEXT_SIZE 1000

static const Oid id_type[] = {INT8OID};
static StateStatement select_execution = {
	"SELECT e.workflow FROM workflow.executions AS e WHERE e.id OPERATOR(pg_catalog.=) $1",
	1, id_type, NULL
};

/* In the order in which they were made; must not fail. */
static void
write_lines(LogLine *line)
{
	LogLine    *oldest = NULL;

	while (line != NULL)
	{
		LogLine    *next = line->next;

		line->next = oldest;
		oldest = line;
		line = next;
	}
	for (line = oldest; line != NULL; line = line->next)
		ereport(LOG_SERVER_ONLY,
				(errcode(line->sqlerrcode),
				 errmsg_internal("%s", line->message),
				 errdetail_internal("%s", line->detail),
				 line->hint ? errhint("%s", line->hint) : 0,
				 line->context ? errcontext("%s", line->context) : 0,
				 errhidestmt(true)));
}

static void
transaction_ended(XactEvent event, void *argument pg_attribute_unused())
{
	if (lines == NULL)
		return;
	if (event == XACT_EVENT_COMMIT)
		write_lines(lines);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		lines = NULL;
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId id,
					 SubTransactionId parent,
					 void *argument pg_attribute_unused())
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (lines != NULL && lines->subtransaction >= id)
			lines = lines->next;
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (LogLine *line = lines; line != NULL && line->subtransaction >= id;
			 line = line->next)
			line->subtransaction = parent;
	}
}

/*
 * A line for the end of the transaction; the memory context is that of its
 * texts from here on.
 */
static LogLine *
new_line(MemoryContext *caller)
{
	static bool callbacks_registered = false;
	LogLine    *line;

	if (!callbacks_registered)
	{
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
		callbacks_registered = true;
	}
	*caller = MemoryContextSwitchTo(TopTransactionContext);
	line = palloc0(sizeof(LogLine));
	line->subtransaction = GetCurrentSubTransactionId();
	line->next = lines;
	lines = line;
	return line;
}

static const char *
workflow_of(int64 id)
{
	Datum		value = Int64GetDatum(id);
	const char *name = "?";

	if (state_query(&select_execution, &value, NULL, false, 1) > 0)
		name = state_column_text(0, 1);
	state_done();
	return name;
}

/* Not more of a text than a line of the log takes; NULL stays. */
static char *
clipped(char *text)
{
	size_t		length = text != NULL ? strlen(text) : 0;

	if (length <= LOG_TEXT_SIZE)
		return text;
	length = pg_mbcliplen(text, length, LOG_TEXT_SIZE);
	return psprintf("%.*s ...", (int) length, text);
}

/* The error, after what the line says already. */
static void
add_error(LogLine *line, StringInfo message, StringInfo detail,
		  const Jsonb *error, const char *type)
{
	char	   *text = jsonb_member_string(error, "message");
	char	   *more = jsonb_member_string(error, "detail");

	if (text != NULL)
		appendStringInfo(message, ": %s", text);
	if (type != NULL)
	{
		appendStringInfo(detail, " Error type %s.", type);
		if (strlen(type) == 5 &&
			strspn(type, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5)
			line->sqlerrcode = MAKE_SQLSTATE(type[0], type[1], type[2], type[3],
											 type[4]);
	}
	if (more != NULL)
		appendStringInfo(detail, " %s", more);
	line->hint = clipped(jsonb_member_string(error, "hint"));
	line->context = clipped(jsonb_member_string(error, "context"));
}

static void
add_duration(StringInfo detail, TimestampTz from, TimestampTz to)
{
	if (from != 0 && to != 0)
		appendStringInfo(detail, " Duration: %.3f ms.", (to - from) / 1000.0);
}

/* From which value of the setting on a row is logged. */
static int
level_of(const StepRow *row)
{
	if (row->status == STATUS_FAILED || row->status == STATUS_TIMED_OUT)
		return LOG_EVENTS_FAILURES;
	if (step_is_container(row) && row->status != STATUS_RUNNING &&
		row->status != STATUS_SKIPPED)
		return LOG_EVENTS_SUMMARIES;
	return LOG_EVENTS_DEBUG;
}

void
log_step(const StepRow *row, const char *workflow)
{
	MemoryContext context;
	LogLine    *line;
	StringInfoData message;
	StringInfoData detail;
	bool		is_container = step_is_container(row);

	if (setting_log_events < level_of(row))
		return;
	if (workflow == NULL)
		workflow = workflow_of(row->execution_id);

	line = new_line(&context);
	initStringInfo(&message);
	initStringInfo(&detail);
	/* what stands on top and has children is a phase, as in metrics() */
	appendStringInfo(&message,
					 "workflow \"%s\", execution " INT64_FORMAT
					 ": %s \"%s\" %s",
					 workflow, row->execution_id,
					 is_container && row->scope[0] == '\0' ? "phase" : "step",
					 row->step_id,
					 row->status == STATUS_RUNNING ?
						 "began" :
						 row->status == STATUS_TIMED_OUT ?
						 "timed out" :
						 step_status_name(row->status));
	appendStringInfo(&detail, "Type %s", step_type_name(row->type));
	if (row->scope[0] != '\0')
		appendStringInfo(&detail, ", scope \"%s\"", row->scope);
	if (row->loop_label != NULL)
		appendStringInfo(&detail, " (%s)", row->loop_label);
	if (row->agent_name != NULL)
		appendStringInfo(&detail, ", agent \"%s\"", row->agent_name);
	if (row->visit > 1)
		appendStringInfo(&detail, ", visit %d", row->visit);
	appendStringInfo(&detail, ", attempt %d.", row->attempt);
	if (row->counts.total > 0)
		appendStringInfo(
			&detail, " Children: %d of %d completed, %d failed, %d skipped.",
			row->counts.completed, row->counts.total, row->counts.failed,
			row->counts.skipped);
	add_duration(&detail, row->started_at, row->completed_at);
	add_error(line, &message, &detail, row->error, row->error_type);
	if (row->on_failure != FAILURE_STANDS)
		appendStringInfo(&detail, " On failure: %s.",
						 failure_handling_name(row->on_failure));
	line->message = clipped(message.data);
	line->detail = clipped(detail.data);
	MemoryContextSwitchTo(context);
}

void
log_execution(int64 id, const char *workflow, ExecutionStatus status,
			  const Jsonb *error, const char *error_type,
			  TimestampTz started_at)
{
	bool		failed = status == EXECUTION_FAILED || status == EXECUTION_TIMED_OUT;
	MemoryContext context;
	LogLine    *line;
	StringInfoData message;
	StringInfoData detail;

	if (setting_log_events <
		(failed ? LOG_EVENTS_FAILURES : LOG_EVENTS_SUMMARIES))
		return;

	line = new_line(&context);
	initStringInfo(&message);
	initStringInfo(&detail);
	appendStringInfo(&message, "workflow \"%s\", execution " INT64_FORMAT " %s",
					 workflow, id,
					 status == EXECUTION_TIMED_OUT ?
						 "timed out" :
						 execution_status_name(status));
	appendStringInfo(&detail, "Status %s.", execution_status_name(status));
	if (started_at != 0)
		add_duration(&detail, started_at, GetCurrentTimestamp());
	add_error(line, &message, &detail, error, error_type);
	line->message = clipped(message.data);
	line->detail = clipped(detail.data);
	MemoryContextSwitchTo(context);
}

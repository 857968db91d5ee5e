/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Steps that wait for a time.
 *
 * NOTES
 *	  Same place and transaction as thread.c.  The time is worked out once, when
 *	  the step begins, and is in its open row (retry_at): whoever goes on with
 *	  the thread finds it there, and waits for what is left of it.  It is one of
 *	  the server's clock; a pause does not move it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "common/int.h"
#include "definition/steps/wait.h"
#include "interpreter/jsonb_values.h"
#include "interpreter/steps/step_ops.h"
#include "state/attempt.h"
#include "state/jsonb_text.h"

/* What a step says, its references resolved. */
typedef struct Said
{
	WaitField	field;
	char	   *text;
	Numeric		number;
	char	   *time_zone;		/* NULL: that of the session */
	TimestampTz from;
	TimestampTz until;			/* what follows from that */
} Said;

/* One of the step's values cannot be what it is for. */
static StepError *
value_error(int sqlerrcode, const char *message)
{
	StepError  *error = palloc0(sizeof(StepError));

	error->type = pstrdup(unpack_sql_state(sqlerrcode));
	error->sqlerrcode = sqlerrcode;
	error->message = message;
	return error;
}

/*
 * A field's value: a text, or a number where that is asked for.  Returns why it
 * cannot be had, else NULL.
 */
static StepError *
read_field(EvaluateContext *context, Template *template, const char *field,
		   char **text, Numeric *number)
{
	Jsonb	   *value = evaluate_template(context, template);
	JsonbValue	scalar;

	if (value == NULL)
		return mapping_error(field, context);
	value_from_jsonb(value, &scalar);
	if (number != NULL && scalar.type == jbvNumeric)
		*number = scalar.val.numeric;
	else if (number == NULL && scalar.type == jbvString)
		*text = pnstrdup(scalar.val.string.val, scalar.val.string.len);
	else
		return value_error(ERRCODE_INVALID_PARAMETER_VALUE,
						   psprintf("\"%s\" must be %s, not %s", field,
									number != NULL ? "a number" : "a string",
									value_type_name(&scalar)));
	return NULL;
}

/* --- from what is said to a time --- */

static Datum
read_input(PGFunction function, char *text)
{
	return DirectFunctionCall3(function, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/* Exact to the microsecond; raises an error where that is no time. */
static TimestampTz
after_seconds(TimestampTz from, Numeric seconds)
{
	Numeric		most = int64_to_numeric(END_TIMESTAMP / USECS_PER_SEC);
	Numeric		least = int64_to_numeric(-(END_TIMESTAMP / USECS_PER_SEC));
	Numeric		per_second = int64_to_numeric(USECS_PER_SEC);
	Datum		product;
	int64		microseconds;
	TimestampTz until;

	/* in the past is in the past, however long ago */
	if (compare_numerics(seconds, least) < 0)
		return from;
	if (compare_numerics(seconds, most) > 0)
		return DT_NOEND;
	product = DirectFunctionCall2(numeric_mul, NumericGetDatum(seconds),
								  NumericGetDatum(per_second));
	microseconds = DatumGetInt64(DirectFunctionCall1(numeric_int8, product));
	if (pg_add_s64_overflow(from, microseconds, &until))
		return DT_NOEND;
	return microseconds <= 0 ? from : until;
}

/* Raises an error where what is said makes no time. */
static void
work_out(Said *said)
{
	Interval   *interval;

	switch (said->field)
	{
		case WAIT_SECONDS:
			said->until = after_seconds(said->from, said->number);
			break;
		case WAIT_DURATION:
			interval = DatumGetIntervalP(read_input(interval_in, said->text));
			said->until = DatumGetTimestampTz(
				DirectFunctionCall2(timestamptz_pl_interval,
									TimestampTzGetDatum(said->from),
									IntervalPGetDatum(interval)));
			break;
		case WAIT_UNTIL:
			said->until = DatumGetTimestampTz(
				read_input(timestamptz_in, said->text));
			break;
	}
	if (TIMESTAMP_NOT_FINITE(said->until) || !IS_VALID_TIMESTAMP(said->until))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range"),
				 errdetail("A step cannot wait for ever.")));
}

/*
 * The same in a time zone: days are as long as they are there, and a time
 * without one is of there.
 */
static void
work_out_in_zone(void *argument)
{
	Said	   *said = argument;
	pg_tz	   *session = session_timezone;
	pg_tz	   *zone;

	if (said->time_zone == NULL)
	{
		work_out(said);
		return;
	}
	zone = *said->time_zone == '\0' ? NULL : pg_tzset(said->time_zone);
	if (zone == NULL || !pg_tz_acceptable(zone))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" does not exist", said->time_zone),
				 errdetail("In \"%s\".", "time_zone"),
				 errhint("The names are in the view pg_timezone_names.")));
	PG_TRY();
	{
		session_timezone = zone;
		work_out(said);
	}
	PG_FINALLY();
	{
		session_timezone = session;
	}
	PG_END_TRY();
}

/* Until when is it to wait that begins at a time?  Returns why not, or NULL. */
static StepError *
find_time(Thread *thread, Frame *frame, PlanNode *node, TimestampTz from,
		  TimestampTz *until)
{
	const WaitPart *part = wait_part(node);
	const char *field = wait_field_name(part->field);
	Said		said = {.field = part->field,.from = from};
	EvaluateContext context;
	StepError  *error;
	ErrorData  *raised;

	evaluate_in(thread, frame, &context);
	error = read_field(&context, part->value, field, &said.text,
					   part->field == WAIT_SECONDS ? &said.number : NULL);
	if (error == NULL && part->time_zone != NULL)
		error = read_field(&context, part->time_zone, "time_zone",
						   &said.time_zone, NULL);
	if (error != NULL)
		return error;

	/* the server's input functions raise errors */
	raised = attempt(work_out_in_zone, &said);
	if (raised == NULL)
	{
		*until = said.until;
		return NULL;
	}
	error = value_error(raised->sqlerrcode, raised->message);
	error->detail = raised->detail != NULL ? raised->detail :
											 psprintf("In \"%s\".", field);
	error->hint = raised->hint;
	return error;
}

/* --- the step --- */

/* {"waited_until": ..} */
static Jsonb *
result_of(TimestampTz until)
{
	JsonbParseState *state = NULL;
	char		text[MAXDATELEN + 1];
	int			utc = 0;

	/* the same wherever it is run */
	JsonEncodeDateTime(text, TimestampTzGetDatum(until), TIMESTAMPTZOID, &utc);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jsonb_push_text(&state, "waited_until", text);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Its time has come. */
static void
complete(Thread *thread, Frame *frame, PlanNode *node, StepRow *row)
{
	EvaluateContext context;
	StepError  *error = NULL;

	row->status = STATUS_COMPLETED;
	row->output = result_of(row->retry_at);
	row->retry_at = 0;
	if (node->output != NULL)
	{
		row->output = evaluate_output(thread, frame, node, row->output,
									  &context);
		error = row->output ? size_error(node, VARSIZE(row->output)) :
							  mapping_error("output", &context);
	}
	if (error != NULL)
	{
		row->output = NULL;
		step_fail(row, STATUS_FAILED, error);
	}
	step_ended(thread, frame, node, row);
}

static ThreadAction
wait_woken(Thread *thread, Frame *frame, PlanNode *node, StepRow *row,
		   bool *again)
{
	TimestampTz now = GetCurrentTimestamp();

	/* times of rows may be ahead of the clock by some microseconds */
	if (row->retry_at <= Max(now, row->started_at))
	{
		complete(thread, frame, node, row);
		return THREAD_LEAF;
	}
	if (frame->deadline != DT_NOEND && frame->deadline <= now)
	{
		StepError	error = {.type = "Timeout",.sqlerrcode = ERRCODE_QUERY_CANCELED};

		error.message =
			"the time for its scope was over while the step waited";
		row->retry_at = 0;
		step_fail(row, STATUS_TIMED_OUT, &error);
		step_ended(thread, frame, node, row);
		return THREAD_LEAF;
	}
	if (!thread->parks)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("step \"%s\" cannot run inside execute()", node->id),
				 errdetail("It is to wait until %s.",
						   timestamptz_to_str(row->retry_at)),
				 errhint("Use workflow.start().")));

	if (!row->written)
	{
		row->status = STATUS_WAITING;
		journal_add(thread, row);
	}
	frame->open = row;
	thread->wait = (Wait) {WAIT_TIMER, Min(row->retry_at, frame->deadline)};
	*again = false;
	return THREAD_PARK;
}

static ThreadAction
wait_enter(Thread *thread, Frame *frame, PlanNode *node,
		   int visit pg_attribute_unused(), StepRow *row, bool *again)
{
	StepError  *error = find_time(thread, frame, node, row->started_at,
								  &row->retry_at);

	if (error == NULL)
		return wait_woken(thread, frame, node, row, again);
	step_fail(row, STATUS_FAILED, error);
	step_ended(thread, frame, node, row);
	return THREAD_LEAF;
}

const StepOps wait_ops = {
	.enter = wait_enter,
	.woken = wait_woken
};

/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  Is a failed attempt followed by another one, and when?
 *
 * NOTES
 *	  Same place and transaction as thread.c.  The answer is on the row of the
 *	  failed attempt: on_failure "retried" and the time of the next one.
 *	  Nothing else remembers it; a thread that is resumed finds it there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "utils/elog.h"
#include "utils/timestamp.h"

#include "definition/error_names.h"
#include "definition/steps/agent.h"
#include "interpreter/breaker.h"
#include "interpreter/steps/step_ops.h"
#include "interpreter/thread.h"
#include "state/jsonb_text.h"
#include "state/reopen.h"

/*
 * What every step gets for the two errors that say themselves that another try
 * may succeed, unless a policy of its own covers them.
 */
static char *transient_errors[] = {"40001", "40P01"};
static const RetryPolicy transient_policy = {
	.errors = transient_errors,
	.nerrors = lengthof(transient_errors),
	.type = RETRY_EXPONENTIAL,
	.max_retries = TRANSIENT_RETRIES,
	.initial_delay_ms = 100,
	.max_delay_ms = 5000,
	.backoff_multiplier = 2.0,
	.jitter = true
};

/*
 * Does a policy name the error?  An open circuit breaker is there to keep calls
 * away, so its refusals are retried where they are asked for by name only.
 */
static bool
policy_covers(const RetryPolicy *policy, const StepError *error, bool timed_out)
{
	const char *sqlstate = error->sqlerrcode ?
		unpack_sql_state(error->sqlerrcode) :
		NULL;
	bool		is_refusal = strcmp(error->type, BREAKER_REFUSAL) == 0;

	if (policy->nerrors == 0)
		return !is_refusal;
	for (int i = 0; i < policy->nerrors; i++)
		if (is_refusal ? strcmp(policy->errors[i], error->type) == 0 :
						 error_name_covers(policy->errors[i], error->type,
										   sqlstate, timed_out))
			return true;
	return false;
}

/* The first of a list that names the error; NULL: none does. */
static const RetryPolicy *
first_policy(const RetryPolicy *policies, int count, const StepError *error,
			 bool timed_out)
{
	for (int i = 0; i < count; i++)
		if (policy_covers(&policies[i], error, timed_out))
			return &policies[i];
	return NULL;
}

bool
error_is_transient(const StepError *error)
{
	return policy_covers(&transient_policy, error, false);
}

/*
 * The policy that counts for SQL of the user: the step's own come first, then
 * its agent's as registered now, the definition's defaults, and what everybody
 * gets.
 */
static const RetryPolicy *
find_policy(const PlanNode *node, const StepError *error, bool timed_out)
{
	const Agent *agent = step_agent(node) ? agent_find(step_agent(node)) : NULL;
	const RetryPolicy *policy;

	policy = first_policy(node->retry, node->nown_retry, error, timed_out);
	if (policy == NULL && agent != NULL)
		policy = first_policy(agent->retry, agent->nretry, error, timed_out);
	if (policy == NULL)
		policy = first_policy(node->retry + node->nown_retry,
							  node->nretry - node->nown_retry, error,
							  timed_out);
	if (policy == NULL)
		policy = first_policy(&transient_policy, 1, error, timed_out);
	return policy;
}

/*
 * Milliseconds before the retry that follows attempt number attempt (from 1).
 */
static double
retry_delay(const RetryPolicy *policy, int attempt)
{
	double		delay = policy->initial_delay_ms;

	switch (policy->type)
	{
		case RETRY_EXPONENTIAL:
			delay *= pow(policy->backoff_multiplier, attempt - 1);
			break;
		case RETRY_LINEAR:
			delay *= attempt;
			break;
		case RETRY_FIXED:
			break;
		case RETRY_IMMEDIATE:
			return 0;
	}
	delay = Min(delay, (double) policy->max_delay_ms);
	if (policy->jitter)
		delay *= 0.9 + 0.2 * pg_prng_double(&pg_global_prng_state);
	return delay;
}

/*
 * A container that has children begins anew, with scopes of their own: that is
 * another visit.
 */
int
next_attempt_visit(const PlanNode *node, int visit, int collection_size,
				   const char *branch_taken)
{
	bool		anew = step_is_container(node) &&
		step_ops[node->type]->was_opened(node, collection_size, branch_taken);

	return anew ? visit + 1 : visit;
}

/*
 * Attempts of the execution that ended since a time and were followed by
 * another one.  Those of containers are in the journal still, when no SQL has
 * been run since.
 */
static int64
count_retries(const Thread *thread, TimestampTz since)
{
	int64		count = step_count_retries(thread->execution->id, since);

	for (int i = 0; i < thread->njournal; i++)
		if (thread->journal[i]->retry_at != 0 &&
			thread->journal[i]->completed_at > since)
			count++;
	return count;
}

/* The first of the attempts that led to this one; as above. */
static FirstAttempt
first_attempt(const Thread *thread, const StepRow *row)
{
	for (int i = thread->njournal - 1; i >= 0; i--)
	{
		const StepRow *other = thread->journal[i];

		if (other->attempt == 1 && strcmp(other->step_id, row->step_id) == 0 &&
			strcmp(other->scope, row->scope) == 0)
			return (FirstAttempt) {other->visit, other->started_at};
	}
	return step_first_attempt(thread->execution->id, row->scope, row->step_id,
							  row->visit);
}

/*
 * Decide about the failed attempt that row is of, by a policy, or NULL; if
 * another one follows, the row says so and the frame waits for it.
 */
static bool
follows(Thread *thread, Frame *frame, PlanNode *node, StepRow *row,
		const RetryPolicy *policy)
{
	TimestampTz now = thread_time(thread);
	TimestampTz since = thread->execution->retried_at;
	TimestampTz retry_at;
	FirstAttempt first = {row->visit, row->started_at};
	int			attempt = row->attempt;

	if (policy == NULL)
		return false;
	if (attempt > 1 && (since != 0 || policy->max_total_seconds > 0))
		first = first_attempt(thread, row);
	/* workflow.retry() begins anew */
	if (since != 0 && attempt > 1)
		attempt -= step_attempts_before(thread->execution->id, row->scope,
										row->step_id, first.visit, row->visit,
										since);
	if (attempt > policy->max_retries)
		return false;
	if (thread->plan->max_retry_budget >= 0 &&
		count_retries(thread, since != 0 ? since : DT_NOBEGIN) >=
			thread->plan->max_retry_budget)
		return false;
	if (policy->retry_if != NULL)
	{
		EvaluateContext context;
		char	   *why;

		frame_remember(frame, node, row);
		evaluate_in(thread, frame, &context);
		if (!evaluate_condition(&context, policy->retry_if, &why))
		{
			if (why != NULL)
				row->error = error_with(row->error, "retry_if", why);
			return false;
		}
	}

	/* a driver that cannot park tries again at once */
	retry_at = thread->parks ?
		TimestampTzPlusMilliseconds(now, (int64) retry_delay(policy, attempt)) :
		now;
	if (frame->deadline != DT_NOEND && retry_at >= frame->deadline)
		return false;
	if (policy->max_total_seconds > 0 &&
		retry_at >= thread_deadline(thread, first.started_at,
									policy->max_total_seconds))
		return false;

	row->on_failure = FAILURE_RETRIED;
	row->retry_at = retry_at;
	row->completed_at = now;
	frame->next_attempt = row->attempt + 1;
	frame->attempt_visit = next_attempt_visit(node, row->visit,
											  row->loop_collection_size,
											  row->branch_taken);
	frame->attempt_at = retry_at;
	return true;
}

bool
retry_follows(Thread *thread, Frame *frame, PlanNode *node, StepRow *row,
			  const StepError *error)
{
	const RetryPolicy *policy = find_policy(node, error,
											row->status == STATUS_TIMED_OUT);

	return follows(thread, frame, node, row, policy);
}

bool
container_retry_follows(Thread *thread, Frame *frame, PlanNode *node,
						StepRow *row)
{
	char	   *sqlstate = jsonb_member_string(row->error, "sqlstate");
	StepError	error = {.type = row->error_type};
	const RetryPolicy *policy;

	if (node->max_visits > 0 && row->visit > node->max_visits)
		return false;
	if (sqlstate != NULL && strlen(sqlstate) == 5)
		error.sqlerrcode = MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2],
										 sqlstate[3], sqlstate[4]);
	policy = first_policy(node->retry, node->nretry, &error,
						  row->status == STATUS_TIMED_OUT);
	return follows(thread, frame, node, row, policy);
}

/*
 * The clock was put back behind the attempt that failed: it says nothing about
 * how long has been waited since.
 */
TimestampTz
attempt_time(const StepRecord *failed)
{
	return failed->completed_at > GetCurrentTimestamp() ? DT_NOBEGIN :
														  failed->retry_at;
}

/*-------------------------------------------------------------------------
 *
 * breaker.c
 *	  Circuit breakers around the calls of agents.
 *
 * NOTES
 *	  Executors and sessions that called execute().  The breakers are in shared
 *	  memory (src/shared/breakers.c); without it there are none.
 *
 *	  A failure is counted in the transaction that records it, and so is what it
 *	  does to the breaker.  A success is counted when it has committed: one that
 *	  closes the breaker has no transaction left, so the scheduler writes the
 *	  row.  A crash in between leaves the row open and its time over, which is
 *	  half-open.
 *
 *	  The calls that have begun are on a stack: the SQL of an agent can call
 *	  execute().  Whatever ends this process gives their places back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "definition/steps/agent.h"
#include "interpreter/breaker.h"
#include "interpreter/leaf.h"
#include "shared/breakers.h"
#include "shared/wake.h"

/* Calls inside calls; further ones are made and not counted. */
#define MAX_CALLS 16

typedef struct BreakerCall
{
	BreakerKey	key;
	BreakerConfig config;
	uint32		generation;
} BreakerCall;

static BreakerCall calls[MAX_CALLS];
static int	ncalls = 0;
static bool exit_registered = false;

/* The last call has ended. */
static bool
end_call(BreakerEvent event, BreakerVerdict *verdict)
{
	BreakerCall *ended = &calls[--ncalls];

	return breaker_event(ended->key, &ended->config, event, ended->generation,
						 verdict);
}

/* Have the row written by the scheduler. */
static void
save_later(void)
{
	wake_scheduler(MyDatabaseId, WAKE_BREAKERS);
}

static void
end_call_elsewhere(BreakerEvent event)
{
	BreakerVerdict verdict;

	if (end_call(event, &verdict) && verdict.save)
		save_later();
}

void
breaker_calls_abandoned(int call)
{
	while (call >= 0 && ncalls > call)
		end_call_elsewhere(BREAKER_ABANDONED);
}

/*
 * The process ends with calls under way.  If that is because one did not
 * listen, whoever records the attempt counts it: breaker_call_stuck().
 */
static void
end_calls_at_exit(int code pg_attribute_unused(),
				  Datum argument pg_attribute_unused())
{
	breaker_calls_abandoned(0);
}

/*
 * An event of no call that is known.  Reads the breaker from the table when
 * need be.
 */
static void
tell(const char *agent_name, const BreakerConfig *config, BreakerKey key,
	 BreakerEvent event, BreakerVerdict *verdict)
{
	while (!breaker_event(key, config, event, 0, verdict))
	{
		Breaker		breaker;

		breaker_read(agent_name, key.role, &breaker);
		breaker_remember(key, &breaker);
		CHECK_FOR_INTERRUPTS();
	}
}

static StepError *
refusal_error(const Leaf *leaf, const BreakerVerdict *verdict)
{
	StepError  *error = palloc0(sizeof(StepError));
	int64		wait = verdict->half_open_at - GetCurrentTimestamp();

	error->type = BREAKER_REFUSAL;
	error->sqlerrcode = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
	if (verdict->state == BREAKER_OPEN)
	{
		error->message = psprintf("circuit breaker of agent \"%s\" is open",
								  leaf->agent_name);
		error->detail = psprintf("Calls are let through again in %.3f s.",
								 Max(wait, 0) / 1000000.0);
	}
	else
	{
		error->message =
			psprintf("circuit breaker of agent \"%s\" is half-open",
					 leaf->agent_name);
		error->detail = psprintf("The %d calls that are to show whether the agent works again have been made or are under way.",
								 leaf->breaker.half_open_max_calls);
	}
	error->hint = "See workflow.breaker_status; workflow.reset_breaker() closes it.";
	return error;
}

StepError *
breaker_begin_call(const Leaf *leaf, int *call)
{
	BreakerVerdict verdict;
	BreakerKey	key;

	*call = -1;
	if (!leaf->breaker.enabled || !breakers_exist())
		return NULL;
	if (!exit_registered)
	{
		before_shmem_exit(end_calls_at_exit, (Datum) 0);
		exit_registered = true;
	}
	key = breaker_key(leaf->agent_name, GetUserId());
	tell(leaf->agent_name, &leaf->breaker, key, BREAKER_CALL, &verdict);
	if (verdict.save)
		save_later();
	if (!verdict.admitted)
		return refusal_error(leaf, &verdict);
	if (ncalls == MAX_CALLS)
	{
		(void) breaker_event(key, &leaf->breaker, BREAKER_ABANDONED,
							 verdict.generation, &verdict);
		return NULL;
	}
	*call = ncalls;
	calls[ncalls].key = key;
	calls[ncalls].config = leaf->breaker;
	calls[ncalls].generation = verdict.generation;
	ncalls++;
	return NULL;
}

void
breaker_call_succeeded(int call)
{
	if (call < 0 || call >= ncalls)
		return;
	breaker_calls_abandoned(call + 1);
	end_call_elsewhere(BREAKER_SUCCESS);
}

/*
 * Does the failure say something about the agent?  Not when it comes of what
 * others did at the same time, of what it was given, of the step's own
 * "output", or of who called.  All executions of a role share a breaker: bad
 * input of one must not keep the others from calling.
 */
static bool
tells_about_agent(const StepError *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category != ERRCODE_TRANSACTION_ROLLBACK &&
		category != ERRCODE_DATA_EXCEPTION &&
		category != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION &&
		error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE &&
		strcmp(error->type, "MappingError") != 0;
}

void
breaker_call_failed(int call, const Leaf *leaf, const StepError *error,
					bool in_transaction)
{
	BreakerVerdict verdict;

	if (call < 0 || call >= ncalls)
		return;
	breaker_calls_abandoned(call + 1);
	if (!end_call(tells_about_agent(error) ? BREAKER_FAILURE :
											 BREAKER_ABANDONED,
				  &verdict) ||
		!verdict.save)
		return;
	if (in_transaction)
		breaker_write(leaf->agent_name, calls[call].key.role, &verdict.breaker,
					  error->type);
	else
		save_later();
}

void
breaker_call_stuck(const PlanNode *node, Oid role, const StepError *error)
{
	const Agent *agent = step_agent(node) ? agent_find(step_agent(node)) : NULL;
	BreakerVerdict verdict;

	if (agent == NULL || !agent->breaker.enabled || !breakers_exist())
		return;
	tell(agent->name, &agent->breaker, breaker_key(agent->name, role),
		 BREAKER_STUCK, &verdict);
	if (verdict.save)
		breaker_write(agent->name, role, &verdict.breaker, error->type);
}

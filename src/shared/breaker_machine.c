/*-------------------------------------------------------------------------
 *
 * breaker_machine.c
 *	  A circuit breaker as a state machine.
 *
 * NOTES
 *	  Pure, see breaker_machine.h.  The states and what leads from one to the
 *	  other are listed in docs/architecture/state-machines.md.
 *
 *	  Half-open lets half_open_max_calls calls through, not so many at once:
 *	  those that have succeeded count as well as those under way.  So as many as
 *	  are needed to close it are made, and not one more.  A call that is
 *	  abandoned gives its place back.
 *
 *	  Every change of state empties the window: a breaker that has closed knows
 *	  nothing of what it was opened for.
 *
 *-------------------------------------------------------------------------
 */
#include "shared/breaker_machine.h"

#define MICROSECONDS INT64CONST(1000000)

const char *
breaker_state_name(BreakerState state)
{
	static const char *const names[] = {
		[BREAKER_CLOSED] = "closed",
		[BREAKER_OPEN] = "open",
		[BREAKER_HALF_OPEN] = "half_open"
	};

	return names[state];
}

void
breaker_initialize(Breaker *breaker)
{
	memset(breaker, 0, sizeof(Breaker));
	breaker->state = BREAKER_CLOSED;
}

/* --- the window --- */

/* Number of the bucket of a time. */
static int64
bucket_number(const Breaker *breaker, int64 now)
{
	int64		width = Max(breaker->window_seconds * MICROSECONDS / BREAKER_BUCKETS, 1);
	int64		number = now / width;

	/* times before the epoch are negative */
	return (now % width < 0) ? number - 1 : number;
}

static void
clear_window(Breaker *breaker)
{
	memset(breaker->calls, 0, sizeof(breaker->calls));
	memset(breaker->failures, 0, sizeof(breaker->failures));
	breaker->failures_in_row = 0;
}

static int
bucket_index(int64 number)
{
	int			index = (int) (number % BREAKER_BUCKETS);

	return index < 0 ? index + BREAKER_BUCKETS : index;
}

/* Make room for now; a clock that was set back starts the window anew. */
static void
slide(Breaker *breaker, const BreakerConfig *config, int64 now)
{
	int64		number;

	if (breaker->window_seconds != config->window_size_seconds)
	{
		clear_window(breaker);
		breaker->window_seconds = config->window_size_seconds;
		breaker->newest = bucket_number(breaker, now);
	}
	number = bucket_number(breaker, now);
	if (number < breaker->newest || number - breaker->newest >= BREAKER_BUCKETS)
	{
		int			in_row = number < breaker->newest ? 0 : breaker->failures_in_row;

		clear_window(breaker);
		breaker->failures_in_row = in_row;
	}
	else
	{
		for (int64 i = breaker->newest + 1; i <= number; i++)
		{
			breaker->calls[bucket_index(i)] = 0;
			breaker->failures[bucket_index(i)] = 0;
		}
	}
	breaker->newest = number;
}

BreakerCounts
breaker_counts(const Breaker *breaker, int64 now)
{
	BreakerCounts counts = {0, 0};
	int64		number;

	if (breaker->window_seconds == 0)
		return counts;
	number = bucket_number(breaker, now);
	for (int64 i = breaker->newest - BREAKER_BUCKETS + 1; i <= breaker->newest;
		 i++)
	{
		if (i <= number - BREAKER_BUCKETS)
			continue;			/* it would slide out */
		counts.calls += breaker->calls[bucket_index(i)];
		counts.failures += breaker->failures[bucket_index(i)];
	}
	return counts;
}

static void
count_call(Breaker *breaker, const BreakerConfig *config, bool failed,
		   int64 now)
{
	int			index;

	slide(breaker, config, now);
	index = bucket_index(breaker->newest);
	breaker->calls[index]++;
	if (failed)
	{
		breaker->failures[index]++;
		breaker->failures_in_row++;
	}
	else
		breaker->failures_in_row = 0;
}

/*
 * Enough calls in the window to judge by, and the last ones or too many of all
 * have failed.  Failures in a row from before the window do no harm: if no call
 * in the window has succeeded, all of them have failed.
 */
static bool
has_failed(const Breaker *breaker, const BreakerConfig *config, int64 now)
{
	BreakerCounts counts = breaker_counts(breaker, now);

	if (counts.calls < config->failure_threshold)
		return false;
	return breaker->failures_in_row >= config->failure_threshold ||
		(double) counts.failures / (double) counts.calls >=
		config->failure_rate_threshold;
}

/* --- states --- */

static void
enter(Breaker *breaker, BreakerState state)
{
	clear_window(breaker);
	breaker->state = state;
	breaker->generation++;
	breaker->running = 0;
	breaker->succeeded = 0;
}

static void
open_breaker(Breaker *breaker, const BreakerConfig *config, int64 now)
{
	if (breaker->state == BREAKER_CLOSED)
		breaker->opened_for = breaker_counts(breaker, now);
	else
	{
		breaker->opened_for.calls = breaker->succeeded + 1;
		breaker->opened_for.failures = 1;
	}
	enter(breaker, BREAKER_OPEN);
	breaker->opened_at = now;
	breaker->half_open_at = now + config->timeout_seconds * MICROSECONDS;
}

BreakerState
breaker_state_at(const Breaker *breaker, int64 now)
{
	if (breaker->state == BREAKER_OPEN && now >= breaker->half_open_at)
		return BREAKER_HALF_OPEN;
	return breaker->state;
}

/* May a call be made in the half-open state? */
static bool
half_open_call(Breaker *breaker, const BreakerConfig *config)
{
	/* the limit can have been lowered meanwhile */
	if (breaker->succeeded >= config->half_open_max_calls)
	{
		enter(breaker, BREAKER_CLOSED);
		return true;
	}
	if (breaker->running + breaker->succeeded >= config->half_open_max_calls)
		return false;
	breaker->running++;
	return true;
}

static bool
call(Breaker *breaker, const BreakerConfig *config, int64 now)
{
	switch (breaker->state)
	{
		case BREAKER_CLOSED:
			return true;
		case BREAKER_OPEN:
			if (now < breaker->opened_at)
			{
				/*
				 * the clock was set back: not closed out for longer than meant
				 */
				breaker->opened_at = now;
				breaker->half_open_at = now +
					config->timeout_seconds * MICROSECONDS;
			}
			if (now < breaker->half_open_at)
				return false;
			enter(breaker, BREAKER_HALF_OPEN);
			return half_open_call(breaker, config);
		case BREAKER_HALF_OPEN:
			return half_open_call(breaker, config);
	}
	return true;				/* not reached */
}

/* A call has failed, in the closed or the half-open state. */
static void
failed(Breaker *breaker, const BreakerConfig *config, int64 now)
{
	if (breaker->state == BREAKER_CLOSED)
	{
		count_call(breaker, config, true, now);
		if (!has_failed(breaker, config, now))
			return;
	}
	open_breaker(breaker, config, now);
}

bool
breaker_transition(Breaker *breaker, const BreakerConfig *config,
				   BreakerEvent event, uint32 generation, int64 now)
{
	bool		half_open = (breaker->state == BREAKER_HALF_OPEN);

	if (event == BREAKER_CALL)
		return call(breaker, config, now);
	if (event == BREAKER_RESET)
	{
		enter(breaker, BREAKER_CLOSED);
		return true;
	}

	if (event == BREAKER_STUCK)
	{
		/* its place goes with the present time */
		if (breaker->state != BREAKER_OPEN)
			failed(breaker, config, now);
		return true;
	}

	/* a call that began in another time says nothing about this one */
	if (generation != breaker->generation)
		return false;
	if (half_open)
		breaker->running--;
	switch (event)
	{
		case BREAKER_SUCCESS:
			if (!half_open)
				count_call(breaker, config, false, now);
			else if (++breaker->succeeded >= config->half_open_max_calls)
				enter(breaker, BREAKER_CLOSED);
			break;
		case BREAKER_FAILURE:
			failed(breaker, config, now);
			break;
		case BREAKER_ABANDONED:
		case BREAKER_CALL:
		case BREAKER_STUCK:
		case BREAKER_RESET:
			break;
	}
	return true;
}

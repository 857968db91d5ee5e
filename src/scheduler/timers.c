/*-------------------------------------------------------------------------
 *
 * timers.c
 *	  What is to be done at a time.
 *
 * NOTES
 *	  Scheduler only.  One heap for each clock: how long something lasts is told
 *	  by the steady one, what a user's row says by the server's, which may be
 *	  put forward while we sleep (clock.h).
 *
 *	  A timer is a part of what it is about, and is unset before that is freed.
 *	  What is to be seen of executors (idle, old, stuck, too long at one run)
 *	  has none: there are few, and their times follow from their state
 *	  (pool_next_timeout()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/clock.h"

/*
 * While something waits for a time, how often to see whether the clock has been
 * changed, ms.
 */
#define LOOK_AT_CLOCK_MS 10000

static pairingheap *heaps[2];	/* by TimerClock */

/* Earliest first. */
static int
compare_timers(const pairingheap_node *a, const pairingheap_node *b,
			   void *arg pg_attribute_unused())
{
	TimestampTz left = pairingheap_const_container(Timer, node, a)->at;
	TimestampTz right = pairingheap_const_container(Timer, node, b)->at;

	return left == right ? 0 : left < right ? 1 : -1;
}

void
timers_initialize(MemoryContext context)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(context);

	for (int i = 0; i < (int) lengthof(heaps); i++)
		heaps[i] = pairingheap_allocate(compare_timers, NULL);
	MemoryContextSwitchTo(oldcontext);
}

/*
 * The first call for a timer that is all zero sets it; a later one moves it.
 * DT_NOEND: it is set, and never due.
 */
void
timer_set(Timer *timer, TimerClock clock, TimestampTz at,
		  void (*due) (Timer *timer))
{
	timer_unset(timer);
	timer->clock = clock;
	timer->at = at;
	timer->due = due;
	timer->is_set = true;
	pairingheap_add(heaps[clock], &timer->node);
}

void
timer_unset(Timer *timer)
{
	if (timer->is_set)
		pairingheap_remove(heaps[timer->clock], &timer->node);
	timer->is_set = false;
}

static Timer *
first_timer(TimerClock clock)
{
	if (pairingheap_is_empty(heaps[clock]))
		return NULL;
	return pairingheap_container(Timer, node, pairingheap_first(heaps[clock]));
}

/*
 * Do what is due.  It may free what the timer is a part of, and set and unset
 * timers.
 */
void
timers_run(void)
{
	const TimestampTz now[] = {
		[CLOCK_STEADY] = steady_now(),
		[CLOCK_SERVER] = GetCurrentTimestamp()
	};

	for (int i = 0; i < (int) lengthof(heaps); i++)
	{
		Timer	   *timer;

		while ((timer = first_timer((TimerClock) i)) != NULL &&
			   timer->at <= now[i])
		{
			timer_unset(timer);
			timer->due(timer);
			CHECK_FOR_INTERRUPTS();
		}
	}
}

/* When the next one is due, by the steady clock; DT_NOEND: there is none. */
TimestampTz
timers_next(void)
{
	const Timer *steady = first_timer(CLOCK_STEADY);
	const Timer *server = first_timer(CLOCK_SERVER);

	return Min(steady != NULL ? steady->at : DT_NOEND,
			   server != NULL ? appointment(server->at) : DT_NOEND);
}

/*
 * When to look, by the steady clock, whether a time has come that is one of the
 * server's clock: that may be put forward meanwhile.
 */
TimestampTz
appointment(TimestampTz at)
{
	if (at == DT_NOEND)
		return at;
	return Min(steady_time(at),
			   TimestampTzPlusMilliseconds(steady_now(), LOOK_AT_CLOCK_MS));
}

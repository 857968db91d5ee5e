/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  A clock that nobody puts back or forward.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "utils/timestamp.h"

#include "shared/clock.h"
#include "shared/registry.h"

/* Where the library was not preloaded, of this process. */
static TimestampTz own_offset = 0;

static TimestampTz
monotonic_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (TimestampTz) now.tv_sec * USECS_PER_SEC + now.tv_nsec / 1000;
}

TimestampTz
steady_offset(void)
{
	return GetCurrentTimestamp() - monotonic_now();
}

TimestampTz
steady_now(void)
{
	if (registry != NULL)
		return monotonic_now() + registry->clock_offset;
	if (own_offset == 0)
		own_offset = steady_offset();
	return monotonic_now() + own_offset;
}

TimestampTz
steady_time(TimestampTz time)
{
	return TIMESTAMP_NOT_FINITE(time) ?
		time :
		steady_now() + (time - GetCurrentTimestamp());
}

TimestampTz
clock_time(TimestampTz steady)
{
	return TIMESTAMP_NOT_FINITE(steady) ?
		steady :
		GetCurrentTimestamp() + (steady - steady_now());
}

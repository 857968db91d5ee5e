/*-------------------------------------------------------------------------
 *
 * fuzz_cron.c
 *	  A libFuzzer target: any text as a cron expression.
 *
 * NOTES
 *	  What is none says why.  What is one has times that grow, each of which is the next one
 *	  from the second before, on clocks that change twice a year; and the expression that is
 *	  due whenever it is on other clocks is one, too.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/cron.h"

#include "target.h"

#define YEAR (365 * 86400 + 86400 / 4)

/* An hour further east in the second half of each year, which is about that. */
static int
summer_offset(void *zone, int64 time)
{
	(void) zone;
	return time % YEAR < YEAR / 2 ? 3600 : 7200;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = input_string(data, size);
	static const int shifts[] = {-60, -120};
	CronExpression cron;
	CronExpression beat;
	char	   *message = NULL;
	char	   *hint = NULL;
	int64		after = INT64CONST(1790000000);

	if (!cron_parse(text, &cron, &message, &hint))
		require(message != NULL && *message != '\0', "refused without a message", text);
	else
	{
		int64		next;
		int64		again;

		for (int i = 0; i < 5 && cron_next(&cron, after, summer_offset, NULL, &next); i++)
		{
			require(next > after, "the next time is not later", text);
			require(cron.interval > 0 ||
					(cron_next(&cron, next - 1, summer_offset, NULL, &again) && again == next),
					"a time is not one from the second before", text);
			after = next;
		}
		require(cron_parse(cron_beat(&cron, shifts, 2), &beat, &message, &hint),
				"the beat is no expression", text);
	}
	arena_reset();
	return 0;
}

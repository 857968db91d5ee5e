/*-------------------------------------------------------------------------
 *
 * test_breaker.c
 *	  Unit tests of the circuit breaker's state machine, with a clock that
 *	  stands until it is moved.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/pure.h"

#include "check.h"
#include "shared/breaker_machine.h"

#define SECOND INT64CONST(1000000)

static Breaker breaker;
static BreakerConfig config;
static int64 now;

/* A new breaker with the given configuration. */
static void
fresh(const char *text)
{
	ProblemList *problems = problem_list_create();

	breaker_config_parse(text, &config, problems);
	CHECK(problems->errors == 0, "configuration %s", text);
	breaker_initialize(&breaker);
	now = INT64CONST(800000000000000) + 1234567;
}

/* One call that is let through and ends; false: it is not let through. */
static bool
make_call(BreakerEvent end)
{
	if (!breaker_transition(&breaker, &config, BREAKER_CALL, 0, now))
		return false;
	breaker_transition(&breaker, &config, end, breaker.generation, now);
	return true;
}

static void
make_calls(int count, BreakerEvent end)
{
	for (int i = 0; i < count; i++)
		(void) make_call(end);
}

static bool
is_state(BreakerState state)
{
	return breaker.state == state;
}

static void
test_configuration(void)
{
	static const char *const wrong[] = {
		"3", "[]", "{\"failure_threshold\": 0}", "{\"failure_rate_threshold\": 0}",
		"{\"failure_rate_threshold\": 1.01}", "{\"timeout_seconds\": 0}",
		"{\"half_open_max_calls\": 0}", "{\"window_size_seconds\": 86401}",
		"{\"timeout\": 1}", "{\"enabled\": 1}"
	};
	ProblemList *problems = problem_list_create();

	fresh("{}");
	CHECK(config.enabled && config.failure_threshold == 5 && config.failure_rate_threshold == 0.5 &&
		  config.timeout_seconds == 60 && config.half_open_max_calls == 3 &&
		  config.window_size_seconds == 120, "the numbers of the source system");
	breaker_config_parse(NULL, &config, problems);
	CHECK(!config.enabled, "no configuration is no breaker");
	breaker_config_parse("{\"enabled\": false}", &config, problems);
	CHECK(!config.enabled && problems->errors == 0, "a breaker can be switched off");
	for (int i = 0; i < (int) lengthof(wrong); i++)
	{
		int			before = problems->errors;

		breaker_config_parse(wrong[i], &config, problems);
		CHECK(problems->errors > before, "refused: %s", wrong[i]);
	}
}

static void
test_opening(void)
{
	fresh("{}");
	make_calls(4, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_CLOSED), "four failures do not open it");
	make_calls(1, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_OPEN), "the fifth does");
	CHECK(breaker.opened_at == now && breaker.half_open_at == now + 60 * SECOND, "for sixty seconds");
	CHECK(breaker.opened_for.calls == 5 && breaker.opened_for.failures == 5, "it says what it was opened for");

	fresh("{}");
	make_calls(6, BREAKER_SUCCESS);
	make_calls(5, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_OPEN), "the last five failed, although less than half did");

	fresh("{}");
	make_calls(96, BREAKER_SUCCESS);
	make_calls(4, BREAKER_FAILURE);
	make_calls(1, BREAKER_SUCCESS);
	make_calls(4, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_CLOSED), "a success in between, and the rate is low");

	fresh("{}");
	make_calls(1, BREAKER_SUCCESS);
	make_calls(1, BREAKER_FAILURE);
	make_calls(1, BREAKER_SUCCESS);
	make_calls(1, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_CLOSED), "half of four calls is too few calls");
	make_calls(2, BREAKER_SUCCESS);
	make_calls(1, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_CLOSED), "three of seven is less than half");
	make_calls(1, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_OPEN), "four of eight is half: the threshold is inclusive");

	/* three of ten is 0.3, whatever a double makes of it */
	fresh("{\"failure_threshold\": 10, \"failure_rate_threshold\": 0.3}");
	make_calls(7, BREAKER_SUCCESS);
	make_calls(2, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_CLOSED), "two of nine");
	make_calls(1, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_OPEN), "three of ten");

	fresh("{\"failure_threshold\": 1}");
	make_calls(1, BREAKER_ABANDONED);
	CHECK(is_state(BREAKER_CLOSED) && breaker_counts(&breaker, now).calls == 0, "an abandoned call says nothing");
	make_calls(1, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_OPEN), "a threshold of one");
}

static void
test_window(void)
{
	/* the window is the one that was asked for, not a fixed one */
	static const int windows[] = {1, 7, 120, 3600};

	for (int i = 0; i < (int) lengthof(windows); i++)
	{
		int			seconds = windows[i];

		fresh("{}");
		config.window_size_seconds = seconds;
		make_calls(4, BREAKER_FAILURE);
		now += seconds * SECOND - seconds * SECOND / BREAKER_BUCKETS - 1;
		CHECK(breaker_counts(&breaker, now).calls == 4, "%d s: counted to the end of the window", seconds);
		now += seconds * SECOND / BREAKER_BUCKETS + 1;
		CHECK(breaker_counts(&breaker, now).calls == 0, "%d s: forgotten after it", seconds);
		make_calls(4, BREAKER_FAILURE);
		CHECK(is_state(BREAKER_CLOSED), "%d s: what is forgotten does not open it", seconds);
		CHECK(breaker_counts(&breaker, now).calls == 4, "%d s: nor is it counted", seconds);
	}

	/* it slides: one failure each 30 s is never five in 120 s */
	fresh("{}");
	for (int i = 0; i < 50; i++)
	{
		make_calls(1, BREAKER_FAILURE);
		now += 30 * SECOND;
	}
	CHECK(is_state(BREAKER_CLOSED), "a failure each 30 s, for 25 minutes");
	CHECK(breaker_counts(&breaker, now - 30 * SECOND).calls == 4, "four of them are in the window");
	for (int i = 0; i < 5; i++)
	{
		make_calls(1, BREAKER_FAILURE);
		now += 20 * SECOND;
	}
	CHECK(is_state(BREAKER_OPEN), "one each 20 s is");

	/* a success that has left the window does not protect */
	fresh("{\"failure_rate_threshold\": 1}");
	make_calls(50, BREAKER_SUCCESS);
	make_calls(4, BREAKER_FAILURE);
	now += 121 * SECOND;
	make_calls(4, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_CLOSED), "four failures in the window, eight in a row");
	make_calls(1, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_OPEN), "five");

	/* another size */
	fresh("{}");
	make_calls(4, BREAKER_FAILURE);
	config.window_size_seconds = 60;
	make_calls(1, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_CLOSED) && breaker_counts(&breaker, now).calls == 1, "a new window begins empty");

	/* a clock that is set back */
	fresh("{}");
	make_calls(4, BREAKER_FAILURE);
	now -= 3600 * SECOND;
	make_calls(1, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_CLOSED) && breaker_counts(&breaker, now).calls == 1, "so it does after the clock was set back");
}

/* A breaker that has just become open. */
static void
opened(const char *text)
{
	fresh(text);
	make_calls(config.failure_threshold, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_OPEN), "open");
}

static void
test_half_open(void)
{
	uint32		generation;

	opened("{}");
	now += 60 * SECOND - 1;
	CHECK(!make_call(BREAKER_SUCCESS) && is_state(BREAKER_OPEN), "no call before the time");
	CHECK(breaker_state_at(&breaker, now) == BREAKER_OPEN, "and it says so");
	now += 1;
	CHECK(breaker_state_at(&breaker, now) == BREAKER_HALF_OPEN, "half-open from then on");
	for (int i = 0; i < 3; i++)
		CHECK(breaker_transition(&breaker, &config, BREAKER_CALL, 0, now), "call %d is let through", i + 1);
	CHECK(!breaker_transition(&breaker, &config, BREAKER_CALL, 0, now), "a fourth is not");
	generation = breaker.generation;
	breaker_transition(&breaker, &config, BREAKER_SUCCESS, generation, now);
	CHECK(!breaker_transition(&breaker, &config, BREAKER_CALL, 0, now), "nor when one of the three has succeeded");
	breaker_transition(&breaker, &config, BREAKER_ABANDONED, generation, now);
	CHECK(breaker_transition(&breaker, &config, BREAKER_CALL, 0, now), "but when one was abandoned");
	breaker_transition(&breaker, &config, BREAKER_SUCCESS, generation, now);
	CHECK(is_state(BREAKER_HALF_OPEN), "two successes do not close it");
	breaker_transition(&breaker, &config, BREAKER_SUCCESS, generation, now);
	CHECK(is_state(BREAKER_CLOSED), "three do");

	/* defect 12 of the source system: the history was kept */
	make_calls(4, BREAKER_FAILURE);
	CHECK(is_state(BREAKER_CLOSED), "four failures after it has closed do not open it again");

	/* a call that began before it opened */
	fresh("{\"failure_threshold\": 1, \"half_open_max_calls\": 1}");
	breaker_transition(&breaker, &config, BREAKER_CALL, 0, now);
	generation = breaker.generation;
	make_calls(1, BREAKER_FAILURE);
	now += 60 * SECOND;
	CHECK(breaker_transition(&breaker, &config, BREAKER_CALL, 0, now), "half-open");
	breaker_transition(&breaker, &config, BREAKER_SUCCESS, generation, now);
	CHECK(is_state(BREAKER_HALF_OPEN) && breaker.running == 1, "an old call's success does not close it");
	breaker_transition(&breaker, &config, BREAKER_FAILURE, generation, now);
	CHECK(is_state(BREAKER_HALF_OPEN), "nor does its failure open it");
	breaker_transition(&breaker, &config, BREAKER_FAILURE, breaker.generation, now);
	CHECK(is_state(BREAKER_OPEN) && breaker.half_open_at == now + 60 * SECOND, "one failure of its own does, for the whole time");

	/* lowered while calls are under way */
	opened("{}");
	now += 60 * SECOND;
	make_calls(2, BREAKER_SUCCESS);
	config.half_open_max_calls = 1;
	CHECK(breaker_transition(&breaker, &config, BREAKER_CALL, 0, now) && is_state(BREAKER_CLOSED),
		  "with a lowered limit it does not stay half-open for ever");

	/* one that does not come back: its place must not be taken for ever */
	opened("{\"failure_threshold\": 2, \"half_open_max_calls\": 1}");
	now += 60 * SECOND;
	CHECK(breaker_transition(&breaker, &config, BREAKER_CALL, 0, now), "half-open");
	generation = breaker.generation;
	breaker_transition(&breaker, &config, BREAKER_STUCK, 0, now);
	CHECK(is_state(BREAKER_OPEN), "a call that is stuck is a failure");
	now += 60 * SECOND;
	CHECK(breaker_transition(&breaker, &config, BREAKER_CALL, 0, now), "its place is free in the next half-open time");
	breaker_transition(&breaker, &config, BREAKER_ABANDONED, generation, now);
	CHECK(!breaker_transition(&breaker, &config, BREAKER_CALL, 0, now), "and is not freed again when it dies");
	fresh("{\"failure_threshold\": 2}");
	breaker_transition(&breaker, &config, BREAKER_STUCK, 0, now);
	CHECK(is_state(BREAKER_CLOSED), "one stuck call of two");
	breaker_transition(&breaker, &config, BREAKER_STUCK, 0, now);
	CHECK(is_state(BREAKER_OPEN), "two");

	/* reset */
	opened("{}");
	breaker_transition(&breaker, &config, BREAKER_RESET, 0, now);
	CHECK(is_state(BREAKER_CLOSED) && make_call(BREAKER_FAILURE) && is_state(BREAKER_CLOSED), "reset closes it");

	/* a clock that is set back by a day */
	opened("{}");
	now -= 86400 * SECOND;
	CHECK(!make_call(BREAKER_SUCCESS), "the clock is set back: still open");
	now += 60 * SECOND;
	CHECK(make_call(BREAKER_SUCCESS), "but not for a day");
}

int
main(void)
{
	test_configuration();
	test_opening();
	test_window();
	test_half_open();
	return done_testing();
}

/*-------------------------------------------------------------------------
 *
 * test_queue_bounds.c
 *	  Unit tests of the bounds of what may wait in the queue.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/pure.h"

#include "check.h"
#include "shared/queue_bounds.h"

static QueueBounds bounds;

/* From where on may executions of a priority wait?  -1: none does, 0: any. */
static int64
waits_from(int32 priority)
{
	if (priority <= bounds.anything_up_to)
		return 0;
	for (int i = 0; i < bounds.nlevels; i++)
		if (bounds.levels[i].priority == priority)
			return bounds.levels[i].from;
	return -1;
}

static bool
in_order(void)
{
	for (int i = 0; i < bounds.nlevels; i++)
	{
		if (bounds.levels[i].priority <= bounds.anything_up_to)
			return false;
		if (i > 0 && bounds.levels[i].priority >= bounds.levels[i - 1].priority)
			return false;
	}
	return true;
}

static void
test_levels(void)
{
	queue_bounds_clear(&bounds);
	CHECK(queue_bounds_are_clear(&bounds), "nothing waits at first");
	queue_bounds_add(&bounds, 0, 100);
	queue_bounds_add(&bounds, 5, 70);
	queue_bounds_add(&bounds, -5, 80);
	queue_bounds_add(&bounds, 0, 120);
	CHECK(waits_from(0) == 100 && waits_from(5) == 70 && waits_from(-5) == 80, "each priority has its bound");
	CHECK(waits_from(1) == -1 && waits_from(PG_INT32_MIN) == -1, "of others nothing waits");
	CHECK(in_order(), "the highest is the first");
	queue_bounds_add(&bounds, 0, 90);
	CHECK(waits_from(0) == 90, "an older one takes the bound down");
	queue_bounds_remove(&bounds, 1);
	CHECK(waits_from(0) == -1 && waits_from(5) == 70 && waits_from(-5) == 80, "a level is removed");
	queue_bounds_add_deferred(&bounds, 1000);
	queue_bounds_add_deferred(&bounds, 2000);
	CHECK(bounds.deferred_from == 1000 && !queue_bounds_are_clear(&bounds), "the earliest start_at counts");
	queue_bounds_forget(&bounds);
	CHECK(waits_from(PG_INT32_MAX) == 0 && waits_from(PG_INT32_MIN) == 0 && bounds.nlevels == 0 &&
		  bounds.deferred_from == QUEUE_DEFERRED_ANYTHING, "forgotten: anything may wait");
	queue_bounds_add(&bounds, PG_INT32_MAX, 1);
	CHECK(bounds.nlevels == 0, "what may be anything is no level");
}

static void
test_more_than_fit(void)
{
	bool		covered = true;

	queue_bounds_clear(&bounds);
	for (int i = 0; i < 3 * QUEUE_MAX_LEVELS; i++)
		queue_bounds_add(&bounds, (i * 7) % (3 * QUEUE_MAX_LEVELS), 1000 + i);
	for (int i = 0; i < 3 * QUEUE_MAX_LEVELS; i++)
		covered &= waits_from((i * 7) % (3 * QUEUE_MAX_LEVELS)) >= 0 &&
			waits_from((i * 7) % (3 * QUEUE_MAX_LEVELS)) <= 1000 + i;
	CHECK(covered, "of more priorities than fit none is lost");
	CHECK(in_order(), "those that are told apart are in order");
	CHECK(bounds.nlevels > 0 && waits_from(3 * QUEUE_MAX_LEVELS - 1) >= 1000, "the highest keep their bounds");
}

static void
test_merge(void)
{
	QueueBounds others;

	queue_bounds_clear(&others);
	queue_bounds_add(&others, 3, 50);
	queue_bounds_add(&others, 0, 500);
	queue_bounds_add_deferred(&others, 7);
	queue_bounds_clear(&bounds);
	queue_bounds_add(&bounds, 0, 400);
	queue_bounds_merge(&bounds, &others);
	CHECK(waits_from(3) == 50 && waits_from(0) == 400 && bounds.deferred_from == 7, "the lower of two bounds counts");
	queue_bounds_forget(&others);
	others.anything_up_to = 0;
	queue_bounds_merge(&bounds, &others);
	CHECK(waits_from(3) == 50 && waits_from(0) == 0 && in_order(), "what may be anything on one side may be anything");
}

int
main(void)
{
	test_levels();
	test_more_than_fit();
	test_merge();
	return done_testing();
}

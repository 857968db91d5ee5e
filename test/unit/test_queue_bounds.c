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

static const QueueBounds *
news_of(const QueueNews *news, uint32 role)
{
	for (int i = 0; i < news->nroles; i++)
		if (news->roles[i].role == role)
			return &news->roles[i].bounds;
	return NULL;
}

static void
test_news(void)
{
	static QueueNews news;
	static QueueNews others;

	queue_news_clear(&news);
	queue_news_add(&news, 10, 5, 100);
	queue_news_add(&news, 11, 1000, 50);
	queue_news_add_deferred(&news, 10, 7);
	CHECK(news.nroles == 2 && !news.anything, "each role has its bounds");
	CHECK(news_of(&news, 10)->levels[0].from == 100 && news_of(&news, 10)->deferred_from == 7 &&
		  news_of(&news, 11)->levels[0].priority == 1000, "and none has another's");
	queue_news_clear(&others);
	queue_news_add(&others, 11, 1000, 40);
	queue_news_add(&others, 12, 0, 9);
	queue_news_merge(&news, &others);
	CHECK(news.nroles == 3 && news_of(&news, 11)->levels[0].from == 40, "news are merged by role");
	for (int role = 20; role < 20 + QUEUE_MAX_ROLES; role++)
		queue_news_add(&others, role, 0, role);
	CHECK(others.nroles == QUEUE_MAX_ROLES && others.anything, "of more roles than fit anything may wait");
	queue_news_merge(&news, &others);
	CHECK(news.anything && news.nroles == QUEUE_MAX_ROLES && news_of(&news, 10) != NULL, "so it may when they are merged");
	queue_news_copy(&others, &news);
	CHECK(others.anything && others.nroles == news.nroles &&
		  news_of(&others, 10)->deferred_from == 7, "copies are the same");
	queue_news_clear(&news);
	CHECK(news.nroles == 0 && !news.anything, "cleared");
}

int
main(void)
{
	test_levels();
	test_more_than_fit();
	test_merge();
	test_news();
	return done_testing();
}

/*-------------------------------------------------------------------------
 *
 * queue_bounds.c
 *	  Where in the queue there may be something to claim.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/pure.h"

#include "shared/queue_bounds.h"

void
queue_bounds_clear(QueueBounds *bounds)
{
	bounds->anything_up_to = QUEUE_NOTHING;
	bounds->nlevels = 0;
	bounds->deferred_from = QUEUE_DEFERRED_NOTHING;
}

void
queue_bounds_forget(QueueBounds *bounds)
{
	bounds->anything_up_to = QUEUE_ANYTHING;
	bounds->nlevels = 0;
	bounds->deferred_from = QUEUE_DEFERRED_ANYTHING;
}

bool
queue_bounds_are_clear(const QueueBounds *bounds)
{
	return bounds->anything_up_to == QUEUE_NOTHING && bounds->nlevels == 0 &&
		bounds->deferred_from == QUEUE_DEFERRED_NOTHING;
}

/* Of this priority, and of all that are lower, any may wait. */
static void
add_anything(QueueBounds *bounds, int64 priority)
{
	if (priority > bounds->anything_up_to)
		bounds->anything_up_to = priority;
	while (bounds->nlevels > 0 &&
		   bounds->levels[bounds->nlevels - 1].priority <=
			   bounds->anything_up_to)
		bounds->nlevels--;
}

void
queue_bounds_add(QueueBounds *bounds, int32 priority, int64 id)
{
	int			place = 0;

	if (priority <= bounds->anything_up_to)
		return;
	while (place < bounds->nlevels && bounds->levels[place].priority > priority)
		place++;
	if (place < bounds->nlevels && bounds->levels[place].priority == priority)
	{
		if (id < bounds->levels[place].from)
			bounds->levels[place].from = id;
		return;
	}
	if (bounds->nlevels == QUEUE_MAX_LEVELS)
	{
		if (place == bounds->nlevels)
		{
			add_anything(bounds, priority);
			return;
		}
		add_anything(bounds, bounds->levels[bounds->nlevels - 1].priority);
	}
	memmove(&bounds->levels[place + 1], &bounds->levels[place],
			(bounds->nlevels - place) * sizeof(QueueLevel));
	bounds->levels[place].priority = priority;
	bounds->levels[place].from = id;
	bounds->nlevels++;
}

void
queue_bounds_add_deferred(QueueBounds *bounds, int64 start_at)
{
	if (start_at < bounds->deferred_from)
		bounds->deferred_from = start_at;
}

void
queue_bounds_merge(QueueBounds *bounds, const QueueBounds *others)
{
	add_anything(bounds, others->anything_up_to);
	for (int i = 0; i < others->nlevels; i++)
		queue_bounds_add(bounds, others->levels[i].priority,
						 others->levels[i].from);
	queue_bounds_add_deferred(bounds, others->deferred_from);
}

void
queue_bounds_remove(QueueBounds *bounds, int level)
{
	bounds->nlevels--;
	memmove(&bounds->levels[level], &bounds->levels[level + 1],
			(bounds->nlevels - level) * sizeof(QueueLevel));
}

/* --- by role --- */

void
queue_news_clear(QueueNews *news)
{
	news->anything = false;
	news->nroles = 0;
}

/* The bounds of a role, made when it is new; NULL: there is no room for it. */
static QueueBounds *
bounds_of(QueueNews *news, uint32 role)
{
	for (int i = 0; i < news->nroles; i++)
		if (news->roles[i].role == role)
			return &news->roles[i].bounds;
	if (news->nroles == QUEUE_MAX_ROLES)
	{
		news->anything = true;
		return NULL;
	}
	news->roles[news->nroles].role = role;
	queue_bounds_clear(&news->roles[news->nroles].bounds);
	return &news->roles[news->nroles++].bounds;
}

void
queue_news_add(QueueNews *news, uint32 role, int32 priority, int64 id)
{
	QueueBounds *bounds = bounds_of(news, role);

	if (bounds != NULL)
		queue_bounds_add(bounds, priority, id);
}

void
queue_news_add_deferred(QueueNews *news, uint32 role, int64 start_at)
{
	QueueBounds *bounds = bounds_of(news, role);

	if (bounds != NULL)
		queue_bounds_add_deferred(bounds, start_at);
}

void
queue_news_merge(QueueNews *news, const QueueNews *others)
{
	news->anything |= others->anything;
	for (int i = 0; i < others->nroles; i++)
	{
		QueueBounds *bounds = bounds_of(news, others->roles[i].role);

		if (bounds != NULL)
			queue_bounds_merge(bounds, &others->roles[i].bounds);
	}
}

void
queue_news_copy(QueueNews *news, const QueueNews *from)
{
	news->anything = from->anything;
	news->nroles = from->nroles;
	memcpy(news->roles, from->roles, from->nroles * sizeof(from->roles[0]));
}

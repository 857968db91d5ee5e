/*-------------------------------------------------------------------------
 *
 * queue_bounds.h
 *	  Where in the queue there may be something to claim.
 *
 * NOTES
 *	  Pure: no server, no lock.  Each role has a queue of its own, ordered by
 *	  priority, the highest first, then by the execution's number.  What has
 *	  left it stays in its indexes as long as a snapshot could see it, so a
 *	  claim must not begin at the front.
 *
 *	  Three places hold such bounds: a transaction that queues executions (what
 *	  it has queued), the database's entry in shared memory (what was committed
 *	  since the scheduler last looked) and the scheduler (all that it need look
 *	  at).  The first two have room for few roles.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGWF_QUEUE_BOUNDS_H
#define PGWF_QUEUE_BOUNDS_H

#include "definition/pure.h"

/*
 * So many priorities are told apart; of more, the lowest are looked through
 * from their front.
 */
#define QUEUE_MAX_LEVELS 16

/* QueueBounds.anything_up_to: above and below all priorities */
#define QUEUE_ANYTHING ((int64) PG_INT32_MAX)
#define QUEUE_NOTHING ((int64) PG_INT32_MIN - 1)
/* QueueBounds.deferred_from, as TimestampTz has them */
#define QUEUE_DEFERRED_ANYTHING PG_INT64_MIN
#define QUEUE_DEFERRED_NOTHING PG_INT64_MAX

typedef struct QueueLevel
{
	int32		priority;
	int64		from;			/* no execution with a lower number waits */
} QueueLevel;

typedef struct QueueBounds
{
	int64		anything_up_to; /* of priorities at most this one any
								 * execution may wait */
	int			nlevels;
	QueueLevel	levels[QUEUE_MAX_LEVELS];	/* of those above, the highest
											 * first; of others none waits */
	int64		deferred_from;	/* start_at of those that have one: no
								 * earlier one waits */
} QueueBounds;

/* Of so many roles the bounds are told; of more, the scheduler finds out. */
#define QUEUE_MAX_ROLES 8

/* What was queued, by role: an Oid. */
typedef struct QueueNews
{
	bool		anything;		/* of any role, anything may wait */
	int			nroles;
	struct
	{
		uint32		role;
		QueueBounds bounds;
	}			roles[QUEUE_MAX_ROLES];
} QueueNews;

extern void queue_bounds_clear(QueueBounds *bounds);	/* nothing waits */
extern void queue_bounds_forget(QueueBounds *bounds);	/* anything may wait */
extern bool queue_bounds_are_clear(const QueueBounds *bounds);
/* This execution may wait. */
extern void queue_bounds_add(QueueBounds *bounds, int32 priority, int64 id);
extern void queue_bounds_add_deferred(QueueBounds *bounds, int64 start_at);
/* What may wait by others may wait by these. */
extern void queue_bounds_merge(QueueBounds *bounds, const QueueBounds *others);
/* In this level none waits any more. */
extern void queue_bounds_remove(QueueBounds *bounds, int level);

extern void queue_news_clear(QueueNews *news);	/* nothing was queued */
extern void queue_news_add(QueueNews *news, uint32 role, int32 priority,
						   int64 id);
extern void queue_news_add_deferred(QueueNews *news, uint32 role,
									int64 start_at);
extern void queue_news_merge(QueueNews *news, const QueueNews *others);
/* Only what is in use. */
extern void queue_news_copy(QueueNews *news, const QueueNews *from);

#endif							/* PGWF_QUEUE_BOUNDS_H */

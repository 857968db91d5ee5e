/*-------------------------------------------------------------------------
 *
 * admit.c
 *	  How long the queue may be: workflow.max_pending.
 *
 * NOTES
 *	  Runs in sessions.  Counting the queue for each start would cost more the
 *	  longer it is.  So a count gives credits, in shared memory: as many
 *	  executions may be queued before somebody counts again, and the scheduler
 *	  gives back what it claims.  They are lost where a start is rolled back,
 *	  and too many by what others had not committed when it was counted: the
 *	  limit is not exact by so much.  A quarter of the limit is queued on one
 *	  count at most, so that errors do not add up and a start pays for four
 *	  entries of the index.
 *
 *	  A full queue is full for those who have filled it: who has less than a
 *	  role's share queued goes in, and is counted for each start.  Each role
 *	  takes its share at most beyond the limit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "shared/clock.h"
#include "shared/registry.h"
#include "shared/settings.h"
#include "state/admission.h"
#include "state/role_limits.h"

/*
 * A queue that was full is counted again after this time, ms, if nobody has
 * claimed from it.
 */
#define FULL_FOR_MS 100

/*
 * Of the queue a role has a tenth to itself, and so many at most: that is what
 * a start may have to count.
 */
#define SHARES 10
#define LARGEST_SHARE 1000

/*
 * A count of what a role has queued is good for some more starts of this
 * process: an eighth of the room it found, and so many at most.
 */
#define MAX_CREDITS 100

/* The queue is full: for this role, too? */
static void
require_share(Oid role)
{
	static Oid	refused_role = InvalidOid;
	static TimestampTz refused_at = 0;
	int			share = Min(Max(setting_max_pending / SHARES, 1), LARGEST_SHARE);
	TimestampTz now = steady_now();

	if (role != refused_role ||
		TimestampDifferenceExceeds(refused_at, now, FULL_FOR_MS))
	{
		if (executions_count_pending_of(role, true, share) < share)
			return;
		refused_role = role;
		refused_at = now;
	}
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many workflow executions are queued"),
			 errdetail("The limit is %d, or %d of one role when others have queued more.", setting_max_pending, share),
			 errhint("Start the workflow again later, or increase \"%s\".", "workflow.max_pending")));
}

/* Take one, unless there is none. */
static bool
take(pg_atomic_uint32 *counter)
{
	uint32		value = pg_atomic_read_u32(counter);

	while (value > 0)
		if (pg_atomic_compare_exchange_u32(counter, &value, value - 1))
			return true;
	return false;
}

void
require_room_of_role(Oid role)
{
	static Oid	counted_role = InvalidOid;
	static TimestampTz counted_at = 0;
	static int	credits = 0;
	int			max_pending = role_limits(role)->max_pending;
	int			room;

	if (max_pending == NO_LIMIT)
		return;
	if (role == counted_role && credits > 0 &&
		!TimestampDifferenceExceeds(counted_at, steady_now(), FULL_FOR_MS))
	{
		credits--;
		return;
	}
	room = max_pending - executions_count_pending_of(role, false, max_pending);
	if (room <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many workflow executions of role \"%s\" are queued",
						GetUserNameFromId(role, false)),
				 errdetail("The limit of the role is %d.", max_pending),
				 errhint("Start the workflow again later, or ask the owner of the extension for a higher limit (workflow.set_role_limits()).")));
	counted_role = role;
	counted_at = steady_now();
	credits = Min(room / 8, MAX_CREDITS);
}

void
require_room_in_queue(Oid role)
{
	DatabaseEntry *entry;
	int			count;

	if (setting_max_pending == 0)
	{
		/* what is queued now is not counted */
		if (my_database_entry != NULL && my_database_entry->pending_limit != 0)
			my_database_entry->pending_limit = 0;
		return;
	}
	entry = registry != NULL ? session_database_entry() : NULL;
	if (entry != NULL && entry->pending_limit == setting_max_pending)
	{
		if (take(&entry->pending_until_count) && take(&entry->pending_credits))
			return;
		if (!TimestampDifferenceExceeds(entry->pending_full_at, steady_now(),
										FULL_FOR_MS))
		{
			require_share(role);
			return;
		}
	}

	count = executions_count_pending(setting_max_pending);
	if (entry != NULL)
	{
		int			room = Max(0, setting_max_pending - count - 1);

		pg_atomic_write_u32(&entry->pending_credits, room);
		pg_atomic_write_u32(&entry->pending_until_count,
							Min(room, setting_max_pending / 4));
		entry->pending_full_at = count >= setting_max_pending ? steady_now() :
																0;
		entry->pending_limit = setting_max_pending;
	}
	if (count >= setting_max_pending)
		require_share(role);
}

/*-------------------------------------------------------------------------
 *
 * admit.c
 *	  How long the queue may be: workflow.max_pending.
 *
 * NOTES
 *	  Runs in sessions.  Counting the queue for each start would cost more the
 *	  longer it is.  So a count gives credits, in shared memory: as many
 *	  executions may be queued before somebody counts again, and the scheduler
 *	  gives back what it claims.  They are lost where a start is rolled back, and
 *	  too many by what others had not committed when it was counted: the limit is
 *	  not exact by so much.  A quarter of the limit is queued on one count at most,
 *	  so that errors do not add up and a start pays for four entries of the index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "shared/settings.h"
#include "shared/slots.h"
#include "state/admission.h"

/* A queue that was full is counted again after this time, ms, if nobody has claimed from it. */
#define FULL_FOR_MS 100

static void
refuse_queue_full(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many workflow executions are queued"),
			 errdetail("The limit is %d.", setting_max_pending),
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
require_room_in_queue(void)
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
		if (!TimestampDifferenceExceeds(entry->pending_full_at, GetCurrentTimestamp(), FULL_FOR_MS))
			refuse_queue_full();
	}

	count = executions_count_pending(setting_max_pending);
	if (entry != NULL)
	{
		int			room = Max(0, setting_max_pending - count - 1);

		pg_atomic_write_u32(&entry->pending_credits, room);
		pg_atomic_write_u32(&entry->pending_until_count, Min(room, setting_max_pending / 4));
		entry->pending_full_at = count >= setting_max_pending ? GetCurrentTimestamp() : 0;
		entry->pending_limit = setting_max_pending;
	}
	if (count >= setting_max_pending)
		refuse_queue_full();
}

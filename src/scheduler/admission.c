/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  Which pending executions may run: blocks and limits.
 *
 * NOTES
 *	  Scheduler only.  Counts what lives, for what limits.c says it counts for.
 *	  Executions are claimed in the order of the queue; one that is over a limit
 *	  is set aside, into the group of those that count for the same, and claimed
 *	  from there when there is room.  Nothing here is proportional to the number
 *	  of executions that wait: each is set aside once, and memory holds groups,
 *	  not executions.
 *
 *	  A group is either worth trying, or in the list of the limit it found
 *	  reached.  When one of those counted by the limit ends, the first group of
 *	  the list is worth trying; groups take turns.
 *
 *	  Rows decide: counts and groups are read from them at the start, and who
 *	  has been set aside wrongly waits until its group is tried.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "scheduler/limits.h"
#include "scheduler/live.h"
#include "shared/clock.h"
#include "shared/settings.h"
#include "state/admission.h"
#include "state/blocks.h"
#include "state/ends.h"
#include "state/role_limits.h"

/* Executions of a blocked workflow that are taken out of a group at once. */
#define BLOCK_BATCH 1000
/*
 * Claims in a row of executions that are all set aside, before others have a
 * turn.
 */
#define MAX_CLAIMS 16

/* Executions that wait for room and count for the same. */
typedef struct WaitingGroup
{
	Limits		limits;			/* hash key */
	dlist_node	node;			/* in worth_trying or in the list of a limit */
} WaitingGroup;

typedef enum Verdict
{
	ADMITTED,
	SET_ASIDE,
	BLOCKED,
	REFUSED
} Verdict;

static HTAB *groups = NULL;
static dlist_head worth_trying;

static bool room_appeared = false;
static TimestampTz locked_retry_at = DT_NOEND;	/* rows of a group were
												 * locked */
static int	seen_per_tenant = 0;

void
admission_initialize(void)
{
	HASHCTL		control = {0};

	limits_initialize();
	control.hcxt = live_context;
	control.keysize = sizeof(Limits);
	control.entrysize = sizeof(WaitingGroup);
	groups = hash_create("workflow groups", 64, &control,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	dlist_init(&worth_trying);
}

/* --- what is counted --- */

/* How many executions the database may begin. */
int
admission_room(void)
{
	return setting_max_running > 0 ?
		Max(0, setting_max_running - live_count()) :
		INT_MAX;
}

/* The first group that found it full is worth trying again. */
static void
call_next(Limited *entry)
{
	if (!dlist_is_empty(&entry->waiting) && room_of(entry) > 0)
		dlist_push_tail(&worth_trying, dlist_pop_head_node(&entry->waiting));
}

static void
call_next_of_all(const Limits *limits)
{
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		if (limits->of[kind] != NULL)
			call_next(limits->of[kind]);
}

static void
count_in(Limited *entry)
{
	entry->running++;
}

static void
count_out(Limited *entry)
{
	entry->running--;
	call_next(entry);
	forget_unused(entry);
}

static void
admission_enter(LiveExecution *execution, const ClaimedExecution *claimed)
{
	limits_of(claimed, &execution->limits);
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		if (execution->limits.of[kind] != NULL)
			count_in(execution->limits.of[kind]);
}

const char *
admission_workflow(const LiveExecution *execution)
{
	return execution->limits.of[LIMIT_WORKFLOW]->name;
}

static void
admission_leave(LiveExecution *execution)
{
	room_appeared = true;
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		if (execution->limits.of[kind] != NULL)
			count_out(execution->limits.of[kind]);
}

/* It was given to another role. */
static void
admission_change_role(LiveExecution *execution, Oid role)
{
	room_appeared = true;
	count_out(execution->limits.of[LIMIT_ROLE]);
	execution->limits.of[LIMIT_ROLE] = limited_role(role);
	count_in(execution->limits.of[LIMIT_ROLE]);
}

/* --- groups --- */

/* The group of what counts for these; NULL: nothing waits in it. */
static WaitingGroup *
find_group(const Limits *limits)
{
	return hash_search(groups, limits, HASH_FIND, NULL);
}

/* Have the group in the list; made when it is new. */
static void
add_group(const Limits *limits, dlist_head *list)
{
	bool		found;
	WaitingGroup *group = hash_search(groups, limits, HASH_ENTER, &found);

	if (found)
		return;
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		if (limits->of[kind] != NULL)
			limits->of[kind]->ngroups++;
	dlist_push_tail(list, &group->node);
}

/* Nothing waits in the group any more. */
static void
remove_group(WaitingGroup *group)
{
	Limits		limits = group->limits;

	dlist_delete(&group->node);
	hash_search(groups, &limits, HASH_REMOVE, NULL);
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		if (limits.of[kind] != NULL)
		{
			limits.of[kind]->ngroups--;
			forget_unused(limits.of[kind]);
		}
}

static void
try_all_groups(void)
{
	HASH_SEQ_STATUS status;
	WaitingGroup *group;

	hash_seq_init(&status, groups);
	while ((group = hash_seq_search(&status)) != NULL)
	{
		dlist_delete(&group->node);
		dlist_push_tail(&worth_trying, &group->node);
	}
}

/* Find the groups that were there before this scheduler. */
static bool
find_groups(int64 id pg_attribute_unused(),
			void *argument pg_attribute_unused())
{
	GroupName  *names = NULL;
	int			count = 0;
	bool		committed;

	ATTEMPT(committed)
	{
		count = executions_waiting_groups(&names);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		return false;
	for (int i = 0; i < count; i++)
	{
		Limits		limits;

		limits_named(&names[i], &limits);
		add_group(&limits, &worth_trying);
	}
	return true;
}

void
admission_recover(void)
{
	if (!find_groups(0, NULL))
		postpone(find_groups, 0, NULL);
}

/*
 * The transaction that claimed has failed: what was claimed is not, whatever
 * memory says.
 */
void
admission_undo(void)
{
	live_claims_undo();
	executions_look_everywhere();
	try_all_groups();
	postpone(find_groups, 0, NULL);
}

/*
 * Has no step of it begun, though it was claimed, and is its workflow blocked?
 */
static bool
is_to_be_blocked(LiveExecution *execution)
{
	const Limited *workflow = execution->limits.of[LIMIT_WORKFLOW];

	return workflow->blocked && execution->running == 0 &&
		execution->stopping == STOP_NONE &&
		!dlist_is_empty(&execution->ready) &&
		dlist_container(ReadyRun, node, execution->ready.head.next)->kind ==
		RUN_START &&
		is_blocked_for(workflow, execution->role);
}

/*
 * Give back what is to be blocked, in a transaction; returns how many, in *ids.
 */
static int
give_back_blocked(int64 **ids)
{
	int			count = any_is_blocked() ? live_select(is_to_be_blocked, ids) : 0;

	return count > 0 ? executions_block(*ids, count) : 0;
}

/*
 * Executions are claimed some time before an executor begins them: those of a
 * blocked workflow that have not begun are given back.  False: not now.
 */
static bool
block_claimed(void)
{
	int64	   *ids = NULL;
	int			count = 0;
	bool		committed;

	ATTEMPT(committed)
	{
		count = give_back_blocked(&ids);
	}
	ATTEMPT_END(committed, count > 0);
	if (!committed)
		return false;
	for (int i = 0; i < count; i++)
		live_remove(live_find(ids[i]));
	return true;
}

/*
 * A workflow was blocked or unblocked, or a definition or a limit changed: make
 * executions pending again that are blocked no longer, a batch of them, and
 * look at all groups anew.  Returns when to do so again, DT_NOEND: when
 * somebody calls.
 */
TimestampTz
admission_changed(void)
{
	int64		count = 0;
	bool		left = true;
	bool		committed;
	bool		done;

	ATTEMPT(committed)
	{
		count = executions_unblock(&left);
	}
	ATTEMPT_END(committed, false);
	if (!committed)
		count = 0;
	if (count > 0)
		executions_look_everywhere();
	done = block_claimed() && committed;
	role_limits_forgotten();
	try_all_groups();
	if (done && !left)
		return DT_NOEND;
	return count > 0 ? steady_now()
		: TimestampTzPlusMilliseconds(steady_now(), SKIPPED_RETRY_MS);
}

/* --- claims --- */

/* May an execution that was claimed run?  Needs a transaction. */
static Verdict
judge(const ClaimedExecution *claimed, const Limits *limits)
{
	Limited    *workflow = limits->of[LIMIT_WORKFLOW];
	Limited    *full;

	read_limits(limits);
	if (is_blocked_for(workflow, claimed->role))
		return BLOCKED;
	if (workflow->refuse_when_full && !claimed->resumes &&
		room_of(workflow) <= 0)
		return REFUSED;
	/* others may be before it */
	if (workflow->ngroups > 0 && find_group(limits) != NULL)
		return SET_ASIDE;
	full = first_full(limits);
	if (full == NULL)
		return ADMITTED;
	add_group(limits, &full->waiting);
	return SET_ASIDE;
}

/*
 * Judge what was claimed: what may run is added to what lives and moved to the
 * front.  Returns how many.
 */
static int
judge_all(ClaimedExecution *claimed, int count)
{
	int64	   *ids[REFUSED + 1];
	int			nids[REFUSED + 1] = {0};
	int			admitted = 0;

	for (int i = 0; i <= REFUSED; i++)
		ids[i] = palloc(Max(count, 1) * sizeof(int64));
	for (int i = 0; i < count; i++)
	{
		Limits		limits;
		Verdict		verdict;

		limits_of(&claimed[i], &limits);
		verdict = judge(&claimed[i], &limits);
		ids[verdict][nids[verdict]++] = claimed[i].id;
		if (verdict == ADMITTED && live_claim(&claimed[i]))
			claimed[admitted++] = claimed[i];
		/* of what is blocked or refused nothing is counted */
		limits_forget(&limits);
	}
	executions_set_aside(ids[SET_ASIDE], nids[SET_ASIDE]);
	(void) executions_block(ids[BLOCKED], nids[BLOCKED]);
	executions_refuse(ids[REFUSED], nids[REFUSED]);
	return admitted;
}

/*
 * Claim from the queue of a role, at most wanted.  Returns how many may run;
 * *left: there are others.  In a transaction.
 */
int
admission_claim_queue(Oid role, int wanted, ClaimedExecution *admitted,
					  bool *left)
{
	int			total = 0;

	*left = true;
	for (int i = 0; i < MAX_CLAIMS && *left && total < wanted; i++)
	{
		ClaimedExecution *claimed;
		int			limit = wanted - total;
		int			count = executions_claim(role, limit, &claimed);
		int			n = judge_all(claimed, count);

		memcpy(admitted + total, claimed, n * sizeof(ClaimedExecution));
		total += n;
		*left = (count >= limit);
	}
	/* nothing begins that would call us again when it ends */
	if (*left && total < wanted)
		room_appeared = true;
	return total;
}

/*
 * The workflow of a group is blocked: so are its executions.  Returns false
 * when some are locked.
 */
static bool
block_group(WaitingGroup *group)
{
	GroupName	name = limits_names(&group->limits);
	ClaimedExecution *claimed;
	int			count = executions_claim_waiting(&name, BLOCK_BATCH, &claimed);
	int64	   *ids = palloc(Max(count, 1) * sizeof(int64));

	for (int i = 0; i < count; i++)
		ids[i] = claimed[i].id;
	(void) executions_block(ids, count);
	if (count > 0)
		return true;
	if (executions_waiting_left(&name))
		return false;
	remove_group(group);
	return true;
}

/*
 * Claim from a group whose limits leave room, at most limit.  Returns how many,
 * -1: all that is left is locked.
 */
static int
claim_group(WaitingGroup *group, int limit, ClaimedExecution *admitted)
{
	GroupName	name = limits_names(&group->limits);
	ClaimedExecution *claimed;
	int			count = executions_claim_waiting(&name, limit, &claimed);
	int64	   *blocked = palloc(Max(count, 1) * sizeof(int64));
	int			nblocked = 0;
	int			n = 0;

	for (int i = 0; i < count; i++)
	{
		if (is_blocked_for(group->limits.of[LIMIT_WORKFLOW], claimed[i].role))
			blocked[nblocked++] = claimed[i].id;
		else if (live_claim(&claimed[i]))
			admitted[n++] = claimed[i];
	}
	(void) executions_block(blocked, nblocked);
	if (count == limit)
		return n;
	if (executions_waiting_left(&name))
		return n > 0 ? n : -1;

	/* others that count for one of these may have the room it leaves */
	call_next_of_all(&group->limits);
	remove_group(group);
	return n;
}

/*
 * Try one group.  Returns how many of its executions were claimed, -1: those
 * that are left are locked.
 */
static int
try_group(WaitingGroup *group, int wanted, ClaimedExecution *admitted)
{
	const Limits *limits = &group->limits;
	Limited    *full;

	read_limits(limits);
	if (limits->of[LIMIT_WORKFLOW]->blocked_for_all)
		return block_group(group) ? 0 : -1;

	full = first_full(limits);
	if (full == NULL)
		return claim_group(group, Min(wanted, room_of_all(limits)), admitted);

	dlist_delete(&group->node);
	dlist_push_tail(&full->waiting, &group->node);
	/* it was called because there is room under another limit, perhaps */
	call_next_of_all(limits);
	return 0;
}

/*
 * Claim from the groups that are worth trying, at most wanted.  Returns how
 * many.  In a transaction.
 */
int
admission_claim_waiting(int wanted, ClaimedExecution *admitted)
{
	int			total = 0;
	int			tries = MAX_CLAIMS + (int) hash_get_num_entries(groups);
	dlist_head	locked;

	dlist_init(&locked);
	locked_retry_at = DT_NOEND;
	while (total < wanted && tries-- > 0 && !dlist_is_empty(&worth_trying))
	{
		WaitingGroup *group = dlist_head_element(WaitingGroup, node,
												 &worth_trying);
		int			count;

		/* the others first, the next time */
		dlist_delete(&group->node);
		dlist_push_tail(&worth_trying, &group->node);
		count = try_group(group, wanted - total, admitted + total);
		if (count >= 0)
			total += count;
		else
		{
			dlist_delete(&group->node);
			dlist_push_tail(&locked, &group->node);
			locked_retry_at = TimestampTzPlusMilliseconds(steady_now(),
														  SKIPPED_RETRY_MS);
		}
	}
	if (total < wanted && !dlist_is_empty(&worth_trying))
		room_appeared = true;	/* go on soon */
	while (!dlist_is_empty(&locked))
		dlist_push_tail(&worth_trying, dlist_pop_head_node(&locked));
	return total;
}

/* --- when --- */

bool
admission_waits(void)
{
	return hash_get_num_entries(groups) > 0;
}

/* Is there a group to try?  Notices changes of the settings, too. */
bool
admission_is_due(void)
{
	if (seen_per_tenant != setting_max_running_per_tenant)
	{
		seen_per_tenant = setting_max_running_per_tenant;
		try_all_groups();
	}
	room_appeared = false;
	return !dlist_is_empty(&worth_trying);
}

/*
 * When to look again by itself; queued: the queue may have some; room: groups
 * would be tried.
 */
TimestampTz
admission_next(TimestampTz now, bool queued, bool room)
{
	if (room_appeared && (queued || !dlist_is_empty(&worth_trying)))
		return now;
	/* what is to be tried and has no room is tried when there is some */
	return locked_retry_at > now || room ? locked_retry_at : DT_NOEND;
}

const LiveFollower admission_follower = {
	.enter = admission_enter,
	.leave = admission_leave,
	.change_role = admission_change_role,
};

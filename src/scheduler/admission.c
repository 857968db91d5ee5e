/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  Which pending executions may run: blocks and limits.
 *
 * NOTES
 *	  Scheduler only.  Counts what lives, by workflow, by tenant and by role.
 *	  Executions are claimed in the order of the queue; one that is over a limit
 *	  is set aside, into the group of its workflow, tenant and role, and claimed
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

typedef struct GroupKey
{
	Limited    *workflow;
	Limited    *tenant;			/* NULL: none */
	Oid			role;			/* what one has waiting is not before what
								 * another has */
} GroupKey;

/* Executions of one workflow, tenant and role that wait for room. */
typedef struct WaitingGroup
{
	GroupKey	key;			/* hash key */
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
	control.keysize = sizeof(GroupKey);
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
call_next(Limited *entry, int room)
{
	if (entry != NULL && room > 0 && !dlist_is_empty(&entry->waiting))
		dlist_push_tail(&worth_trying, dlist_pop_head_node(&entry->waiting));
}

static void
admission_enter(LiveExecution *execution, const ClaimedExecution *claimed)
{
	execution->workflow = limited_workflow(claimed->workflow);
	execution->tenant = limited_tenant(claimed->tenant);
	execution->workflow->running++;
	if (execution->tenant != NULL)
		execution->tenant->running++;
	execution->of_role = limited_role(execution->role);
	execution->of_role->running++;
}

const char *
admission_workflow(const LiveExecution *execution)
{
	return execution->workflow->name;
}

static void
admission_leave(LiveExecution *execution)
{
	room_appeared = true;
	execution->workflow->running--;
	call_next(execution->workflow, room_of_workflow(execution->workflow));
	execution->of_role->running--;
	call_next(execution->of_role, room_of_role(execution->of_role));
	if (execution->tenant != NULL)
	{
		execution->tenant->running--;
		call_next(execution->tenant, room_of_tenant(execution->tenant));
		forget_unused(execution->tenant);
	}
}

/* It was given to another role. */
static void
admission_change_role(LiveExecution *execution, Oid role)
{
	room_appeared = true;
	execution->of_role->running--;
	call_next(execution->of_role, room_of_role(execution->of_role));
	execution->of_role = limited_role(role);
	execution->of_role->running++;
}

/* --- groups --- */

static GroupKey
group_key(Limited *workflow, Limited *tenant, Oid role)
{
	GroupKey	key;

	memset(&key, 0, sizeof(key));	/* hashed as it is, gaps included */
	key.workflow = workflow;
	key.tenant = tenant;
	key.role = role;
	return key;
}

/* The group of a workflow, a tenant and a role; NULL: nothing waits in it. */
static WaitingGroup *
find_group(Limited *workflow, Limited *tenant, Oid role)
{
	GroupKey	key = group_key(workflow, tenant, role);

	return hash_search(groups, &key, HASH_FIND, NULL);
}

/* Have the group in the list; made when it is new. */
static void
add_group(Limited *workflow, Limited *tenant, Oid role, dlist_head *list)
{
	GroupKey	key = group_key(workflow, tenant, role);
	bool		found;
	WaitingGroup *group = hash_search(groups, &key, HASH_ENTER, &found);

	if (found)
		return;
	workflow->ngroups++;
	if (tenant != NULL)
		tenant->ngroups++;
	dlist_push_tail(list, &group->node);
}

/* Nothing waits in the group any more. */
static void
remove_group(WaitingGroup *group)
{
	GroupKey	key = group->key;

	dlist_delete(&group->node);
	hash_search(groups, &key, HASH_REMOVE, NULL);
	key.workflow->ngroups--;
	if (key.tenant != NULL)
	{
		key.tenant->ngroups--;
		forget_unused(key.tenant);
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
		add_group(limited_workflow(names[i].workflow),
				  limited_tenant(names[i].tenant), names[i].role,
				  &worth_trying);
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
	return execution->workflow->blocked && execution->running == 0 &&
		execution->stopping == STOP_NONE &&
		!dlist_is_empty(&execution->ready) &&
		dlist_container(ReadyRun, node, execution->ready.head.next)->kind ==
		RUN_START &&
		is_blocked_for(execution->workflow, execution->role);
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
judge(const ClaimedExecution *claimed)
{
	Limited    *workflow = limited_workflow(claimed->workflow);
	Limited    *role = limited_role(claimed->role);
	Limited    *tenant;
	Verdict		verdict = ADMITTED;

	read_limits(workflow);
	read_role(role, claimed->role);
	if (is_blocked_for(workflow, claimed->role))
		return BLOCKED;
	if (workflow->refuse_when_full && !claimed->resumes &&
		room_of_workflow(workflow) <= 0)
		return REFUSED;
	if (workflow->max_running == 0 && workflow->ngroups == 0 &&
		claimed->tenant == NULL && role->max_running == NO_LIMIT)
		return ADMITTED;

	tenant = limited_tenant(claimed->tenant);
	if (find_group(workflow, tenant, claimed->role) != NULL)
		verdict = SET_ASIDE;	/* there are others before it */
	else if (room_of_workflow(workflow) <= 0)
	{
		add_group(workflow, tenant, claimed->role, &workflow->waiting);
		verdict = SET_ASIDE;
	}
	else if (room_of_tenant(tenant) <= 0)
	{
		add_group(workflow, tenant, claimed->role, &tenant->waiting);
		verdict = SET_ASIDE;
	}
	else if (room_of_role(role) <= 0)
	{
		add_group(workflow, tenant, claimed->role, &role->waiting);
		verdict = SET_ASIDE;
	}
	return verdict;
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
		Verdict		verdict = judge(&claimed[i]);

		ids[verdict][nids[verdict]++] = claimed[i].id;
		if (verdict == ADMITTED && live_claim(&claimed[i]))
			claimed[admitted++] = claimed[i];
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
	const char *workflow = group->key.workflow->name;
	const char *tenant = group->key.tenant != NULL ? group->key.tenant->name :
													 "";
	ClaimedExecution *claimed;
	int			count = executions_claim_waiting(workflow, tenant, group->key.role, BLOCK_BATCH, &claimed);
	int64	   *ids = palloc(Max(count, 1) * sizeof(int64));

	for (int i = 0; i < count; i++)
		ids[i] = claimed[i].id;
	(void) executions_block(ids, count);
	if (count > 0)
		return true;
	if (executions_waiting_left(workflow, tenant, group->key.role))
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
	Limited    *workflow = group->key.workflow;
	Limited    *tenant = group->key.tenant;
	Limited    *role = limited_role(group->key.role);
	const char *tenant_name = tenant != NULL ? tenant->name : "";
	ClaimedExecution *claimed;
	int			count = executions_claim_waiting(workflow->name, tenant_name,
										 group->key.role, limit, &claimed);
	int64	   *blocked = palloc(Max(count, 1) * sizeof(int64));
	int			nblocked = 0;
	int			n = 0;

	for (int i = 0; i < count; i++)
	{
		if (is_blocked_for(workflow, claimed[i].role))
			blocked[nblocked++] = claimed[i].id;
		else if (live_claim(&claimed[i]))
			admitted[n++] = claimed[i];
	}
	(void) executions_block(blocked, nblocked);
	if (count == limit)
		return n;
	if (executions_waiting_left(workflow->name, tenant_name, group->key.role))
		return n > 0 ? n : -1;

	/*
	 * others of the workflow, the tenant or the role may have the room it
	 * leaves
	 */
	call_next(workflow, room_of_workflow(workflow));
	call_next(tenant, room_of_tenant(tenant));
	call_next(role, room_of_role(role));
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
	Limited    *workflow = group->key.workflow;
	Limited    *tenant = group->key.tenant;
	Limited    *role = limited_role(group->key.role);
	int			workflow_room;
	int			tenant_room;
	int			role_room;

	read_limits(workflow);
	read_role(role, group->key.role);
	if (workflow->blocked_for_all)
		return block_group(group) ? 0 : -1;

	workflow_room = room_of_workflow(workflow);
	tenant_room = room_of_tenant(tenant);
	role_room = room_of_role(role);
	if (workflow_room > 0 && tenant_room > 0 && role_room > 0)
		return claim_group(group,
						   Min(Min(wanted, role_room),
							   Min(workflow_room, tenant_room)),
						   admitted);

	dlist_delete(&group->node);
	dlist_push_tail(workflow_room <= 0 ? &workflow->waiting :
					tenant_room <= 0 ? &tenant->waiting :
					&role->waiting,
					&group->node);
	/* it was called because there is room under another limit, perhaps */
	call_next(workflow, workflow_room);
	call_next(tenant, tenant_room);
	call_next(role, role_room);
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

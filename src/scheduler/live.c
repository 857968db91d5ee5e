/*-------------------------------------------------------------------------
 *
 * live.c
 *	  Executions that are not over.
 *
 * NOTES
 *	  Scheduler only.  Everything is allocated in live_context and freed one by
 *	  one; nothing here can fail but for want of memory.  Who counts executions,
 *	  or looks at them at a time, follows their coming and going: LiveFollower.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "scheduler/live.h"

int			live_lost_runs = 0;

static HTAB *executions = NULL;
static const LiveFollower *const *followers;
static int	nfollowers = 0;

void
live_initialize(const LiveFollower *const *who, int count)
{
	HASHCTL		control = {0};

	followers = who;
	nfollowers = count;
	control.hcxt = live_context;
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(LiveExecution);
	executions = hash_create("workflow executions", 1024, &control,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

LiveExecution *
live_find(int64 id)
{
	return hash_search(executions, &id, HASH_FIND, NULL);
}

/* Add an execution; NULL when it is there already. */
LiveExecution *
live_add(const ClaimedExecution *claimed)
{
	bool		found;
	LiveExecution *execution = hash_search(executions, &claimed->id, HASH_ENTER,
										   &found);

	if (found)
		return NULL;
	execution->role = claimed->role;
	role_queue(claimed->role)->live++;
	execution->priority = claimed->priority;
	execution->definition_id = claimed->definition_id;
	execution->running = 0;
	execution->setbacks = 0;
	execution->stopping = STOP_NONE;
	execution->again = false;
	execution->controls = 0;
	execution->resumed = false;
	execution->in_epilogue = false;
	execution->suspect = (claimed->recoveries >= 2);
	memset(&execution->janitor, 0, sizeof(Timer));
	for (int i = 0; i < nfollowers; i++)
		if (followers[i]->enter != NULL)
			followers[i]->enter(execution, claimed);
	dlist_init(&execution->ready);
	dlist_init(&execution->joins);
	slist_init(&execution->stuck);
	execution->lost = 0;
	execution->rests = false;
	return execution;
}

void
live_note_next(LiveExecution *execution, const ClaimedExecution *claimed)
{
	execution->again = true;
	execution->next = *claimed;
	/* the workflow and the tenant stay what they are */
	execution->next.workflow = execution->next.tenant = NULL;
}

void
live_retake(LiveExecution *execution, const ClaimedExecution *claimed)
{
	Assert(execution->running == 0 && dlist_is_empty(&execution->ready));
	if (claimed->role != execution->role)
	{
		role_queue(execution->role)->live--;
		role_queue(claimed->role)->live++;
		for (int i = 0; i < nfollowers; i++)
			if (followers[i]->change_role != NULL)
				followers[i]->change_role(execution, claimed->role);
		execution->role = claimed->role;
	}
	execution->priority = claimed->priority;
	execution->resumed = false;
	execution->in_epilogue = claimed->in_epilogue;
	for (int i = 0; i < nfollowers; i++)
		if (followers[i]->retake != NULL)
			followers[i]->retake(execution, claimed);
}

void
live_clear(LiveExecution *execution)
{
	dlist_mutable_iter iter;

	Assert(execution->running == 0);
	dlist_foreach_modify(iter, &execution->ready)
		ready_abandon(dlist_container(ReadyRun, node, iter.cur));
	dlist_foreach_modify(iter, &execution->joins)
		join_free(dlist_container(LiveJoin, node, iter.cur));
	while (!slist_is_empty(&execution->stuck))
		pfree(slist_container(StuckEntry, node,
							  slist_pop_head_node(&execution->stuck)));
}

/* Forget an execution that has no run in an executor. */
void
live_remove(LiveExecution *execution)
{
	live_clear(execution);
	for (int i = 0; i < nfollowers; i++)
		if (followers[i]->leave != NULL)
			followers[i]->leave(execution);
	role_queue(execution->role)->live--;
	hash_search(executions, &execution->id, HASH_REMOVE, NULL);
}

void
live_run_lost(LiveExecution *execution)
{
	execution->lost++;
	live_lost_runs++;
}

void
live_run_settled(LiveExecution *execution)
{
	Assert(execution->lost > 0);
	execution->lost--;
	live_lost_runs--;
}

int
live_count(void)
{
	return (int) hash_get_num_entries(executions);
}

int
live_select(bool (*which) (LiveExecution *execution), int64 **ids)
{
	HASH_SEQ_STATUS status;
	LiveExecution *execution;
	int			count = 0;

	*ids = palloc(Max(live_count(), 1) * sizeof(int64));
	hash_seq_init(&status, executions);
	while ((execution = hash_seq_search(&status)) != NULL)
		if (which(execution))
			(*ids)[count++] = execution->id;
	return count;
}


/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  Runs that wait for an executor.
 *
 * NOTES
 *	  Scheduler only.  They wait in one heap per role, by priority and then in
 *	  the order of arrival; those that are parked have a timer.  Everything is
 *	  allocated in live_context and freed one by one; nothing here can fail but
 *	  for want of memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "state/role_limits.h"

static HTAB *roles = NULL;
static uint64 next_sequence = 0;
static int	ready_runs = 0;

/* More urgent first, then older first; a pairing heap gives the largest. */
static int
compare_ready(const pairingheap_node *a, const pairingheap_node *b,
			  void *arg pg_attribute_unused())
{
	const ReadyRun *left = pairingheap_const_container(ReadyRun, heap_node, a);
	const ReadyRun *right = pairingheap_const_container(ReadyRun, heap_node, b);

	if (left->priority != right->priority)
		return left->priority > right->priority ? 1 : -1;
	if (left->sequence != right->sequence)
		return left->sequence < right->sequence ? 1 : -1;
	return 0;
}

void
ready_initialize(void)
{
	HASHCTL		control = {0};

	control.hcxt = live_context;
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(RoleQueue);
	roles = hash_create("workflow roles", 16, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

RoleQueue *
role_queue(Oid role)
{
	bool		found;
	RoleQueue  *queue = hash_search(roles, &role, HASH_ENTER, &found);

	if (!found)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(live_context);

		queue->heap = pairingheap_allocate(compare_ready, NULL);
		queue->count = 0;
		queue->live = 0;
		queue->launched_at = 0;
		queue->starting = 0;
		queue->staying = 0;
		queue->present = 0;
		queue->max_executors = NO_LIMIT;
		queue->limit_read_at = 0;
		queue->failed_starts = 0;
		queue->retry_at = 0;
		MemoryContextSwitchTo(oldcontext);
	}
	return queue;
}

/* A new ready run, enqueued. */
ReadyRun *
ready_add(LiveExecution *execution, RunKind kind, LiveJoin *join,
		  const ScopeId *scope, int container, int visit)
{
	ReadyRun   *run = MemoryContextAllocZero(live_context, sizeof(ReadyRun));

	run->execution = execution;
	run->kind = kind;
	run->join = join;
	if (scope != NULL)
		run->scope = *scope;
	run->container = container;
	run->visit = visit;
	run->priority = kind == RUN_CHILDREN ? join->priority : execution->priority;
	run->sequence = next_sequence++;
	ready_enqueue(run);
	return run;
}

void
ready_enqueue(ReadyRun *run)
{
	RoleQueue  *queue = role_queue(run->execution->role);

	run->queued_at = GetCurrentTimestamp();
	pairingheap_add(queue->heap, &run->heap_node);
	queue->count++;
	ready_runs++;
	dlist_push_tail(&run->execution->ready, &run->node);
}

static void
unpark(Timer *timer)
{
	ReadyRun   *run = (ReadyRun *) ((char *) timer - offsetof(ReadyRun, parked));

	if (run->join != NULL)
		run->join->parked--;
	dlist_delete(&run->node);
	ready_enqueue(run);
}

/* A queued run waits for a time first. */
void
ready_park(ReadyRun *run, TimestampTz until)
{
	ready_dequeue(run);
	if (run->join != NULL)
		run->join->parked++;
	timer_set(&run->parked, CLOCK_STEADY, until, unpark);
	dlist_push_tail(&run->execution->ready, &run->node);
}

void
ready_unpark_all(LiveExecution *execution)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &execution->ready)
	{
		ReadyRun   *run = dlist_container(ReadyRun, node, iter.cur);

		if (!run->parked.is_set)
			continue;
		ready_dequeue(run);
		ready_enqueue(run);
	}
}

void
ready_dequeue(ReadyRun *run)
{
	RoleQueue  *queue = role_queue(run->execution->role);

	if (run->parked.is_set)
	{
		timer_unset(&run->parked);
		if (run->join != NULL)
			run->join->parked--;
		dlist_delete(&run->node);
		return;
	}
	pairingheap_remove(queue->heap, &run->heap_node);
	queue->count--;
	ready_runs--;
	dlist_delete(&run->node);
}

void
ready_discard(ReadyRun *run)
{
	ready_dequeue(run);
	pfree(run);
}

/* Nobody else will write the row of the attempt that it was to begin with. */
void
run_abandon(ReadyRun *run)
{
	if (run->stuck != NULL)
		stuck_record(run->execution, run->stuck);
	pfree(run);
}

void
ready_abandon(ReadyRun *run)
{
	ready_dequeue(run);
	run_abandon(run);
}

/*
 * Depth of the scope whose end is the end of the run's thread.  The scope of a
 * JOIN run can be deeper: a container can fork inside a loop that runs in its
 * thread.
 */
int
thread_depth(const ReadyRun *run)
{
	return run->join != NULL ? run->join->scope.depth + 1 : 0;
}

/*
 * Make a run that was interrupted, or gave way, one that goes on from its rows.
 * What a START or JOIN run was to do first may have been done.
 */
void
ready_resume(ReadyRun *run)
{
	run->fresh = false;
	if (run->kind == RUN_CHILDREN || run->kind == RUN_EPILOGUE)
		return;
	run->kind = RUN_THREAD;
	run->scope.depth = thread_depth(run);
	run->container = -1;
	run->visit = 0;
}

ReadyRun *
ready_first(RoleQueue *queue)
{
	if (pairingheap_is_empty(queue->heap))
		return NULL;
	return pairingheap_container(ReadyRun, heap_node,
								 pairingheap_first(queue->heap));
}

RoleQueue *
role_waiting_longest(bool (*which) (RoleQueue *queue))
{
	HASH_SEQ_STATUS status;
	RoleQueue  *queue;
	RoleQueue  *best = NULL;

	hash_seq_init(&status, roles);
	while ((queue = hash_seq_search(&status)) != NULL)
		if (queue->count > 0 && which(queue) &&
			(best == NULL || queue->launched_at < best->launched_at))
			best = queue;
	return best;
}

/* Roles that something is true of. */
int
roles_count(bool (*which) (RoleQueue *queue))
{
	HASH_SEQ_STATUS status;
	RoleQueue  *queue;
	int			count = 0;

	hash_seq_init(&status, roles);
	while ((queue = hash_seq_search(&status)) != NULL)
		if (which(queue))
			count++;
	return count;
}

/* The role with the most urgent ready run among those that can be served. */
RoleQueue *
ready_best_role(bool (*usable) (RoleQueue *queue))
{
	HASH_SEQ_STATUS status;
	RoleQueue  *queue;
	RoleQueue  *best = NULL;

	hash_seq_init(&status, roles);
	while ((queue = hash_seq_search(&status)) != NULL)
	{
		if (queue->count == 0 || !usable(queue))
			continue;
		if (best == NULL ||
			compare_ready(&ready_first(queue)->heap_node,
						  &ready_first(best)->heap_node, NULL) > 0)
			best = queue;
	}
	return best;
}

int
ready_total(void)
{
	return ready_runs;
}

/*
 * When the longest waiting among the most urgent runs was queued; DT_NOEND:
 * none waits.
 */
TimestampTz
ready_oldest(void)
{
	HASH_SEQ_STATUS status;
	RoleQueue  *queue;
	TimestampTz oldest = DT_NOEND;

	hash_seq_init(&status, roles);
	while ((queue = hash_seq_search(&status)) != NULL)
		if (queue->count > 0)
			oldest = Min(oldest, ready_first(queue)->queued_at);
	return oldest;
}

bool
role_forget_limit(RoleQueue *queue)
{
	queue->max_executors = NO_LIMIT;
	queue->limit_read_at = 0;
	return false;
}

/* Limits of roles were set. */
void
role_limits_forgotten(void)
{
	(void) roles_count(role_forget_limit);
}

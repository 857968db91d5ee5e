/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  Scheduler process: one per database, the only one that decides what runs.
 *
 * NOTES
 *	  A single-threaded loop around a latch.  Its memory (live.h) is rebuilt
 *	  from the tables when it starts; it runs no SQL of users.  Its transactions
 *	  are short, hold no lock while it sleeps, and commit without waiting for
 *	  the disk where losing the commit would lose nothing: a claim, for one,
 *	  comes before every row written under it.
 *
 *	  An error ends the process; the launcher starts another one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "scheduler/live.h"
#include "shared/black_box.h"
#include "shared/clock.h"
#include "shared/databases.h"
#include "shared/fault.h"
#include "shared/identity.h"
#include "shared/settings.h"
#include "shared/subscription.h"
#include "shared/worker.h"
#include "state/owners.h"

/*
 * For so long after its start the scheduler waits for the disk before it hands
 * out what it has claimed, ms.  Later a claim may be lost, with all that was
 * done under it; but an execution that takes the server down before its claim
 * is safe must not do so again and again without being counted.
 */
#define DURABLE_CLAIMS_MS 10000

/* Told of executions that come and go, in this order. */
static const LiveFollower *const live_followers[] = {
	&admission_follower, &janitor_follower, &waits_follower
};

static DatabaseEntry *database = NULL;
static bool look_for_pending = true;
static TimestampTz next_start_at = DT_NOEND;
static TimestampTz durable_claims_until;
static TimestampTz claims_retry_at = DT_NOBEGIN;	/* no claim before: the
													 * last one failed */

/* --- what is looked at from time to time --- */

typedef struct Look
{
	Timer		timer;			/* the first member */
	bool		due;			/* once at the start */
} Look;

static Look control = {.due = true};	/* what sessions want */
static Look admission = {.due = true};	/* blocks and limits */
static Look scheduled = {.due = true};	/* what waits for its schedule */
static Look pending;			/* what has been pending for too long: looks
								 * at each turn, and has one come in time */

static void
look_is_due(Timer *timer)
{
	((Look *) timer)->due = true;
}

static void
look_again(Look *look, TimerClock clock, TimestampTz at)
{
	look->due = false;
	timer_set(&look->timer, clock, at, look_is_due);
}

/* --- work --- */

/*
 * Those that go on after a pause, say, have not waited since they were queued.
 */
static void
count_claims(const ClaimedExecution *claimed, int count, TimestampTz now)
{
	count_at_commit(COUNT_CLAIMED, count);
	for (int i = 0; i < count; i++)
		if (!claimed[i].resumes)
			count_at_commit(TIME_QUEUED, Max(now - claimed[i].due_at, 0));
}

/*
 * How often one that begins looks whether this database is a logical replica
 * still, ms.
 */
#define REPLICA_CHECK_MS 5000

/*
 * Are the executions of this database another one's, which runs them?  Said in
 * the log when that changes.  In a transaction, which has just taken notice of
 * changes.
 */
static bool
is_replica(void)
{
	static bool was_replica = false;

	if (executions_replicated() == was_replica)
		return was_replica;
	was_replica = !was_replica;
	if (was_replica)
		ereport(LOG,
				(errmsg("workflow executions are not run in this database: subscription \"%s\" replicates them",
						executions_subscription()),
				 errhint("They are run where they were started. To have them run here, drop the subscription.")));
	else
		ereport(LOG,
				(errmsg("workflow executions are run in this database again: no subscription replicates them")));
	return was_replica;
}

/*
 * A subscription replicates executions from now on.  The scheduler ends: the
 * next one begins with what it finds on the rows, and not before no
 * subscription does (see serve()).  An apply worker wakes nobody, so that what
 * it has written is not known to one that served before.
 */
static void
leave_to_subscription(void)
{
	scheduler_ends_by(ERRCODE_ADMIN_SHUTDOWN);
	proc_exit(0);
}

/* Has one come?  False when that cannot be found out. */
static bool
look_at_subscriptions(int64 id pg_attribute_unused(),
					  void *argument pg_attribute_unused())
{
	bool		replica = false;
	bool		committed;

	ATTEMPT(committed)
	{
		replica = is_replica();
	}
	ATTEMPT_END(committed, false);
	if (replica)
		leave_to_subscription();
	return committed;
}

/* The same, outside a transaction; true also when it cannot be found out. */
static bool
may_be_replica(void)
{
	bool		replica = true;
	bool		committed;

	ATTEMPT(committed)
	{
		replica = is_replica();
	}
	ATTEMPT_END(committed, false);
	return replica || !committed;
}

/* What is claimed of a role in this round. */
typedef struct RoleWant
{
	Oid			role;
	int			live;
	int			wanted;
} RoleWant;

/* Fewest executions under way first. */
static int
compare_wants(const void *a, const void *b)
{
	const RoleWant *left = a;
	const RoleWant *right = b;

	if (left->live != right->live)
		return left->live < right->live ? -1 : 1;
	return left->role < right->role ? -1 : left->role > right->role;
}

static bool
has_ready_runs(RoleQueue *queue)
{
	return queue->count > 0;
}

/*
 * How much is claimed of each role that may have something waiting: roles share
 * the runs that are kept ready for the executors, whatever each has waiting.
 * One that has more than half of its share ready can wait.  Returns how many
 * want something, in the order in which they are served when there is not room
 * for all; *others: roles that have to wait are left.
 */
static int
share_claims(int window, RoleWant **wants, bool *others)
{
	Oid		   *roles;
	int			nroles = executions_waiting_roles(GetCurrentTimestamp(), &roles);
	int			nsharing = roles_count(has_ready_runs);
	int			count = 0;
	int			share;

	for (int i = 0; i < nroles; i++)
		if (role_queue(roles[i])->count == 0)
			nsharing++;
	share = Max(1, window / Max(nsharing, 1));

	*others = false;
	*wants = palloc(Max(nroles, 1) * sizeof(RoleWant));
	for (int i = 0; i < nroles; i++)
	{
		RoleQueue  *queue = role_queue(roles[i]);

		if (queue->count > share / 2)
		{
			*others = true;
			continue;
		}
		(*wants)[count].role = roles[i];
		(*wants)[count].live = queue->live;
		(*wants)[count++].wanted = share - queue->count;
	}
	qsort(*wants, count, sizeof(RoleWant), compare_wants);
	return count;
}

/*
 * Claim from the queues, one role after the other.  Sets look_for_pending:
 * something is left that would have been claimed.
 */
static int
claim_queues(const RoleWant *wants, int nwants, bool others,
			 ClaimedExecution *claimed)
{
	int			count = 0;
	bool		due;

	look_for_pending = others;
	for (int i = 0; i < nwants; i++)
	{
		int			wanted = Min(wants[i].wanted, admission_room());
		bool		left = true;

		if (wanted > 0)
			count += admission_claim_queue(wants[i].role, wanted,
										   claimed + count, &left);
		look_for_pending |= left;
	}
	next_start_at = executions_next_start(GetCurrentTransactionStartTimestamp(),
										  &due);
	/* what was due, or left in the queue, somebody has locked */
	if (!look_for_pending && (due || executions_pending_left()))
		next_start_at = Min(next_start_at,
							TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														SKIPPED_RETRY_MS));
	return count;
}

/*
 * How many of those that wait for room under a limit are claimed: many, or
 * none.
 */
static int
room_for_groups(void)
{
	int			window = pool_limit() * RUN_MAX_EXECUTIONS;
	int			room = window - ready_total();

	return room >= window / 2 ? Min(room, admission_room()) : 0;
}

/*
 * Claim pending executions, as many as will soon find an executor.  Those that
 * wait for room under a limit and those in the queues take turns, and so do
 * roles.  Roles change after start(): those that cannot connect any more are
 * not given to an executor that connected in time.
 */
static void
look_for_work(void)
{
	static bool groups_turn = false;
	static QueueNews queued;
	int			window = pool_limit() * RUN_MAX_EXECUTIONS;
	int			of_groups = room_for_groups();
	bool		groups = admission_is_due() && of_groups > 0;
	bool		others = false;
	RoleWant   *wants = NULL;
	ClaimedExecution *claimed;
	char	  **reasons = NULL;
	int			nwants = 0;
	int			most = 0;
	int			count = 0;
	TimestampTz now = steady_now();
	bool		replica = false;
	bool		committed;

	if (claims_retry_at > now)
		return;
	if (!(look_for_pending || groups) || !setting_enabled ||
		drained_of_executions() || admission_room() == 0)
		return;
	scheduler_take_queued(database, &queued);
	executions_queued(&queued);
	if (look_for_pending)
	{
		committed = true;
		if (!executions_roles_known())
		{
			ATTEMPT(committed)
			{
				executions_find_roles();
			}
			ATTEMPT_END(committed, false);
		}
		if (!committed)
		{
			executions_look_everywhere();
			claims_retry_at = TimestampTzPlusMilliseconds(steady_now(),
														  SKIPPED_RETRY_MS);
			return;
		}
		nwants = share_claims(window, &wants, &others);
	}
	/* all that have something waiting have enough ready */
	if (nwants == 0 && !groups && others && executions_next_start_known())
		return;
	for (int i = 0; i < nwants; i++)
		most += wants[i].wanted;
	claimed = palloc((most + of_groups + 1) * sizeof(ClaimedExecution));
	live_claims_begin();
	ATTEMPT(committed)
	{
		replica = is_replica();
		if (groups && !replica)
		{
			groups_turn = !groups_turn;
			count = admission_claim_waiting(nwants > 0 ?
												(of_groups + groups_turn) / 2 :
												of_groups,
											claimed);
		}
		if (look_for_pending && !replica)
			count += claim_queues(wants, nwants, others, claimed + count);
		reasons = palloc(Max(count, 1) * sizeof(char *));
		for (int i = 0; i < count; i++)
			reasons[i] = i > 0 && claimed[i].role == claimed[i - 1].role &&
					reasons[i - 1] == NULL ?
				NULL :
				execution_cannot_run(claimed[i].id, claimed[i].role);
		count_claims(claimed, count, GetCurrentTimestamp());
		if (count > 0)
			fault_point("execution.claimed");
	}
	ATTEMPT_END(committed, count > 0 && now < durable_claims_until);
	if (count > 0)
		fault_point("claim.committed");
	if (!committed)
	{
		admission_undo();
		look_for_pending = true;
		claims_retry_at = TimestampTzPlusMilliseconds(steady_now(),
													  SKIPPED_RETRY_MS);
		return;
	}
	if (replica)
		leave_to_subscription();
	live_claims_committed();
	for (int i = 0; i < count; i++)
	{
		LiveExecution *execution = live_find(claimed[i].id);

		/* those that go on were not counted as pending */
		if (database->pending_limit != 0 && !claimed[i].resumes)
			pg_atomic_fetch_add_u32(&database->pending_credits, 1);
		if (reasons[i] != NULL)
			give_up_for_role(execution, reasons[i]);
		else if (claimed[i].in_epilogue)
			execution_settle_end(claimed[i].id);
		else
			ready_add(execution, claimed[i].resumes ? RUN_THREAD : RUN_START,
					  NULL, NULL, -1, 0);
	}
}

/* Changes of circuit breakers that came about where no row could be written. */
static bool
save_breakers(int64 id pg_attribute_unused(),
			  void *argument pg_attribute_unused())
{
	bool		committed;

	ATTEMPT(committed)
	{
		breakers_write_unsaved();
	}
	ATTEMPT_END(committed, true);
	return committed;
}

static void
show_enabled(void)
{
	if (setting_enabled)
		database->disabled_since = 0;
	else if (database->disabled_since == 0)
		database->disabled_since = GetCurrentTimestamp();
}

/*
 * What why() and the alerts say of this database; nobody waits for it to be
 * exact.
 */
static void
show_state(void)
{
	show_enabled();
	database->executions = live_count();
	database->max_running = setting_max_running;
	database->ready_since = ready_oldest();
	database->no_workers_since = pool_no_workers_since();
}

/* How long to sleep when nobody wakes us; -1: for ever. */
static long
next_timeout(void)
{
	TimestampTz now = steady_now();
	TimestampTz next = timers_next();
	long		timeout = pool_next_timeout(now);

	next = Min(next, waits_next());
	if (claims_retry_at > now)
		next = Min(next, claims_retry_at);
	if (setting_enabled && !drained_of_executions())
	{
		next = Min(next,
				   admission_next(now, look_for_pending,
								  claims_retry_at <= now &&
									  room_for_groups() > 0));
		/* what has to be claimed anyway is claimed as soon as there is room */
		if (!look_for_pending || next_start_at > GetCurrentTimestamp())
			next = Min(next, appointment(next_start_at));
		if (!look_for_pending)
			next = Min(next, executions_next_look());
	}
	if (next != DT_NOEND)
	{
		long		until = Max(1, TimestampDifferenceMilliseconds(now, next) + 1);

		timeout = timeout < 0 ? until : Min(timeout, until);
	}
	return timeout;
}

/* --- main --- */

/*
 * Is the extension here, in the library's version?  Otherwise leave a mark and
 * go: the script that installs or updates it takes that back.  False: somebody
 * keeps the catalog.
 */
static bool
require_extension(int64 id pg_attribute_unused(),
				  void *argument pg_attribute_unused())
{
	bool		present = true;
	bool		committed;

	scheduler_looks_for_extension();
	ATTEMPT(committed)
	{
		present = extension_can_be_served();
	}
	ATTEMPT_END(committed, false);
	if (committed && !present)
	{
		scheduler_detach_absent();
		proc_exit(0);
	}
	return committed;
}

/*
 * All we ask of the tables is to be found through an index, however large they
 * grow after the plans were made and whatever their statistics say.
 */
static void
prefer_indexes(void)
{
	static const char *const off[] = {"enable_seqscan", "enable_hashjoin",
									  "enable_mergejoin", "jit"};
	static const char *const one[] = {"seq_page_cost", "random_page_cost"};

	for (int i = 0; i < (int) lengthof(off); i++)
		SetConfigOption(off[i], "off", PGC_USERSET, PGC_S_SESSION);
	/*
	 * how an index happened to be ordered once must not decide between two of
	 * them
	 */
	for (int i = 0; i < (int) lengthof(one); i++)
		SetConfigOption(one[i], "1", PGC_USERSET, PGC_S_SESSION);
}

/* What has to be known, and over, before anything is run. */
static void
prepare(const WorkerParameters *parameters)
{
	TimestampTz gone_by;

	while (!require_extension(0, NULL))
		worker_sleep(SKIPPED_RETRY_MS, wait_event_scheduler());
	ready_initialize();
	live_initialize(live_followers, lengthof(live_followers));
	admission_initialize();
	pool_initialize(database, parameters->generation);

	durable_claims_until = TimestampTzPlusMilliseconds(steady_now(),
													   DURABLE_CLAIMS_MS);

	/*
	 * the executors of the scheduler before this one are on their way out; not
	 * for ever
	 */
	gone_by = TimestampTzPlusMilliseconds(steady_now(), setting_cancel_grace);
	while (database_count_executors(parameters->database) > 0 &&
		   steady_now() < gone_by)
		worker_sleep(10, wait_event_scheduler());
	stuck_initialize();

	while (!setting_enabled)
	{
		show_enabled();
		worker_sleep(-1, wait_event_scheduler());
	}
}

/* For ever. */
static void
serve(void)
{
	uint32		wake;
	long		timeout;

	(void) counters_enter(TIME_SCHEDULER);
	while (!drain_look(database))
		worker_sleep(SKIPPED_RETRY_MS, wait_event_scheduler());
	while (may_be_replica())
		worker_sleep(REPLICA_CHECK_MS, wait_event_scheduler());
	black_box_begin(MyDatabaseId, NULL);
	recover_all(database);
	admission_recover();

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(scheduler_context());
		MemoryContextReset(scheduler_context());

		wake = scheduler_take_wake(database);
		if ((wake & WAKE_EXTENSION) && !require_extension(0, NULL))
			postpone(require_extension, 0, NULL);
		if ((wake & WAKE_SUBSCRIPTION) && !look_at_subscriptions(0, NULL))
			postpone(look_at_subscriptions, 0, NULL);
		if (wake & WAKE_DRAIN)
			drain_look_soon(database);
		if ((wake & WAKE_BREAKERS) && !save_breakers(0, NULL))
			postpone(save_breakers, 0, NULL);
		pool_reap();
		timers_run();
		if ((wake & WAKE_CONTROL) || control.due)
			look_again(&control, CLOCK_STEADY, look_for_control());
		stuck_look(steady_now());
		if ((wake & WAKE_ADMISSION) || admission.due)
		{
			look_again(&admission, CLOCK_STEADY, admission_changed());
			look_for_pending = true;
		}
		if ((wake & (WAKE_PENDING | WAKE_ADMISSION | WAKE_SCHEDULED)) ||
			scheduled.due)
			look_again(&scheduled, CLOCK_STEADY,
					   admission_release_scheduled(&look_for_pending));
		if (wake & WAKE_PENDING)
			executions_look_everywhere();
		/* rows may have been loaded behind our back */
		if ((wake & WAKE_PENDING) || executions_next_look() <= steady_now())
			waits_expect(DT_NOBEGIN);
		if ((wake & (WAKE_PENDING | WAKE_QUEUED)) ||
			next_start_at <= GetCurrentTimestamp() ||
			executions_next_look() <= steady_now())
			look_for_pending = true;
		look_for_pending |= waits_look();
		look_for_work();
		look_again(&pending, CLOCK_SERVER,
				   janitor_look_at_pending(GetCurrentTimestamp(),
										   look_for_pending ||
											   admission_waits()));
		pool_dispatch();
		show_state();
		timeout = next_timeout();
		/*
		 * whoever called in one of our transactions may have set the latch for
		 * a wait of the server's
		 */
		if (pg_atomic_read_u32(&database->wake) != 0)
			timeout = 0;
		(void) counters_enter(TIME_UNCOUNTED);
		black_box_end();
		worker_sleep(timeout, wait_event_scheduler());
		black_box_begin(MyDatabaseId, NULL);
		(void) counters_enter(TIME_SCHEDULER);
	}
}

void
workflow_scheduler_main(Datum argument pg_attribute_unused())
{
	WorkerParameters parameters;

	worker_initialize(&parameters);
	database = scheduler_attach(parameters.database, parameters.generation);
	worker_connect(parameters.database, InvalidOid, "pg_workflow scheduler");

	prefer_indexes();
	attempts_initialize();
	MemoryContextSwitchTo(scheduler_context());
	PG_TRY();
	{
		prepare(&parameters);
		serve();
	}
	PG_CATCH();
	{
		/* there may be no memory for the rest */
		scheduler_ends_by(geterrcode());
		MemoryContextSwitchTo(TopMemoryContext);
		scheduler_ends_with(CopyErrorData());
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/*-------------------------------------------------------------------------
 *
 * breakers.c
 *	  The table workflow.breakers: circuit breakers that are open, or have been.
 *
 * NOTES
 *	  Executors, in the transaction that records a failure; the scheduler; and
 *	  sessions that reset a breaker.  A row is there from the registration of the
 *	  agent on and written only when the breaker opens or closes, so that nobody
 *	  queues for it.  That an open breaker has become half-open the time tells.
 *
 *	  Executors and the scheduler do not wait for the row: a session that has reset
 *	  the breaker may keep it locked for long.  What is not written then is written
 *	  later, see src/shared/breakers.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/breakers.h"
#include "shared/slots.h"
#include "state/private.h"
#include "state/state.h"

/* What is to be told to shared memory when the transaction commits. */
typedef enum PendingKind
{
	PENDING_SAVED,
	PENDING_RESET,
	PENDING_FORGET
} PendingKind;

typedef struct Pending
{
	struct Pending *next;
	PendingKind kind;
	BreakerKey	key;
	uint32		generation;		/* PENDING_SAVED */
	SubTransactionId subtransaction;
} Pending;

static Pending *pending = NULL; /* in the top transaction's context, newest first */
static bool callbacks_registered = false;

static const Oid name_types[] = {TEXTOID};
static StateStatement select_breaker = {
	"SELECT b.state, b.opened_at, b.half_open_at FROM workflow.breakers AS b "
	"WHERE b.agent OPERATOR(pg_catalog.=) $1",
	1, name_types, NULL
};

static StateStatement insert_breaker = {
	"INSERT INTO workflow.breakers (agent) VALUES ($1) ON CONFLICT (agent) DO NOTHING",
	1, name_types, NULL
};

static StateStatement delete_breaker = {
	"DELETE FROM workflow.breakers AS b WHERE b.agent OPERATOR(pg_catalog.=) $1",
	1, name_types, NULL
};

static StateStatement select_names = {
	"SELECT b.agent FROM workflow.breakers AS b ORDER BY b.agent",
	0, NULL, NULL
};

#define NOTIFY_BREAKER \
	"(SELECT pg_catalog.pg_notify('workflow', pg_catalog.format(" \
	"'{\"agent\": %s, \"circuit_breaker\": \"%s\"}', pg_catalog.to_json(b.agent), b.state)) WHERE " MAY_NOTIFY ")"

static const Oid update_types[] = {TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID};
static StateStatement update_breaker = {
	"WITH before AS ("
	" SELECT o.agent, o.state FROM workflow.breakers AS o"
	" WHERE o.agent OPERATOR(pg_catalog.=) $1"
	" AND (o.state OPERATOR(pg_catalog.<>) $2 OR $2 OPERATOR(pg_catalog.=) 'open'"
	" AND (o.opened_at OPERATOR(pg_catalog.=) $3) IS NOT TRUE)"
	" FOR UPDATE SKIP LOCKED) "
	"UPDATE workflow.breakers AS b SET state = $2, half_open_at = $4,"
	" changed_at = pg_catalog.clock_timestamp(),"
	" opened_at = COALESCE($3, b.opened_at),"
	" times_opened = b.times_opened OPERATOR(pg_catalog.+) CASE WHEN $2 OPERATOR(pg_catalog.=) 'open' THEN 1 ELSE 0 END,"
	" calls = COALESCE($5, b.calls), failures = COALESCE($6, b.failures),"
	" error_type = COALESCE($7, b.error_type) "
	"FROM before WHERE b.agent OPERATOR(pg_catalog.=) before.agent "
	"RETURNING before.state, " NOTIFY_BREAKER,
	lengthof(update_types), update_types, NULL
};

static StateStatement reset_row = {
	"WITH before AS ("
	" SELECT o.agent, o.state FROM workflow.breakers AS o"
	" WHERE o.agent OPERATOR(pg_catalog.=) $1 FOR UPDATE) "
	"UPDATE workflow.breakers AS b SET state = 'closed', half_open_at = NULL,"
	" changed_at = pg_catalog.clock_timestamp() "
	"FROM before WHERE b.agent OPERATOR(pg_catalog.=) before.agent "
	"RETURNING before.state, " NOTIFY_BREAKER,
	1, name_types, NULL
};

/* --- at commit --- */

static void
tell_shared_memory(const Pending *item)
{
	static const BreakerConfig no_config;
	BreakerVerdict verdict;

	switch (item->kind)
	{
		case PENDING_SAVED:
			breaker_saved(item->key, item->generation);
			break;
		case PENDING_RESET:
			/* opened again since, it may be: then the row is wrong */
			if (breaker_event(item->key, &no_config, BREAKER_RESET, 0, &verdict) && verdict.save)
				wake_scheduler(MyDatabaseId, WAKE_BREAKERS);
			break;
		case PENDING_FORGET:
			breaker_forget(item->key);
			break;
	}
}

/* In the order in which they were asked for. */
static void
tell_all(const Pending *item)
{
	if (item == NULL)
		return;
	tell_all(item->next);
	tell_shared_memory(item);
}

static void
transaction_ended(XactEvent event, void *argument pg_attribute_unused())
{
	if (pending == NULL)
		return;
	if (event == XACT_EVENT_COMMIT && breakers_exist())
		tell_all(pending);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		pending = NULL;
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId id, SubTransactionId parent,
					 void *argument pg_attribute_unused())
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (pending != NULL && pending->subtransaction >= id)
			pending = pending->next;
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (Pending *item = pending; item != NULL && item->subtransaction >= id; item = item->next)
			item->subtransaction = parent;
	}
}

static void
at_commit(PendingKind kind, const char *agent, uint32 generation)
{
	Pending    *item = MemoryContextAlloc(TopTransactionContext, sizeof(Pending));

	if (!callbacks_registered)
	{
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
		callbacks_registered = true;
	}
	item->kind = kind;
	item->key = breaker_key(agent);
	item->generation = generation;
	item->subtransaction = GetCurrentSubTransactionId();
	item->next = pending;
	pending = item;
}

/* --- rows --- */

void
breaker_read(const char *agent, Breaker *breaker)
{
	Datum		value = CStringGetTextDatum(agent);

	breaker_initialize(breaker);
	if (state_query(&select_breaker, &value, NULL, false, 1) > 0)
	{
		char	   *state = state_column_text(0, 1);

		breaker->opened_at = state_column_int64(0, 2);
		if (strcmp(state, breaker_state_name(BREAKER_OPEN)) == 0)
		{
			breaker->state = BREAKER_OPEN;
			breaker->half_open_at = state_column_int64(0, 3);
		}
	}
	state_done();
}

static void
audit_breaker(const char *action, const char *agent, const char *reason,
			  const char *before, const char *after)
{
	AuditEntry	entry = {.action = action,.subject_type = "agent",.subject = agent,.reason = reason};

	entry.before = audit_object("state", before);
	entry.after = audit_object("state", after);
	audit(&entry);
}

/* Does the table say what shared memory says? */
static bool
row_is_right(const char *agent, const Breaker *breaker)
{
	Breaker		row;

	breaker_read(agent, &row);
	if (breaker->state == BREAKER_CLOSED)
		return row.state == BREAKER_CLOSED;
	return row.state == BREAKER_OPEN && row.opened_at == breaker->opened_at;
}

void
breaker_write(const char *agent, const Breaker *breaker, const char *error_type)
{
	bool		is_open = (breaker->state != BREAKER_CLOSED);
	const char *state = breaker_state_name(is_open ? BREAKER_OPEN : BREAKER_CLOSED);
	Datum		values[lengthof(update_types)];
	char		nulls[lengthof(update_types)];
	char	   *before = NULL;

	/* a row that has changed since the snapshot was taken could not be written */
	if (IsolationUsesXactSnapshot())
		return;
	memset(nulls, is_open ? ' ' : 'n', sizeof(nulls));
	nulls[0] = nulls[1] = ' ';
	values[0] = CStringGetTextDatum(agent);
	values[1] = CStringGetTextDatum(state);
	values[2] = TimestampTzGetDatum(breaker->opened_at);
	values[3] = TimestampTzGetDatum(breaker->half_open_at);
	values[4] = Int64GetDatum(breaker->opened_for.calls);
	values[5] = Int64GetDatum(breaker->opened_for.failures);
	values[6] = (Datum) 0;
	if (error_type == NULL)
		nulls[6] = 'n';
	else
		values[6] = CStringGetTextDatum(error_type);

	if (state_query(&update_breaker, values, nulls, false, 1) > 0)
		before = state_column_text(0, 1);
	state_done();
	if (before == NULL)
	{
		/* it says so already, or somebody writes it this moment */
		if (row_is_right(agent, breaker))
			at_commit(PENDING_SAVED, agent, breaker->generation);
		return;
	}
	audit_breaker(is_open ? "circuit_breaker_open" : "circuit_breaker_closed", agent, NULL,
				  before, state);
	if (is_open)
		ereport(LOG,
				(errmsg("circuit breaker of agent \"%s\" has opened", agent),
				 errdetail("%lld of %lld calls have failed.",
						   (long long) breaker->opened_for.failures,
						   (long long) breaker->opened_for.calls)));
	else
		ereport(LOG,
				(errmsg("circuit breaker of agent \"%s\" has closed", agent)));
	at_commit(PENDING_SAVED, agent, breaker->generation);
}

void
breakers_write_unsaved(void)
{
	uint64		count = state_query(&select_names, NULL, NULL, false, 0);
	char	  **names = palloc(Max(count, 1) * sizeof(char *));

	for (uint64 i = 0; i < count; i++)
		names[i] = state_column_text(i, 1);
	state_done();
	for (uint64 i = 0; i < count; i++)
	{
		Breaker		breaker;

		if (breaker_look_unsaved(breaker_key(names[i]), &breaker))
			breaker_write(names[i], &breaker, NULL);
	}
}

bool
breaker_reset(const char *agent, const char *reason)
{
	Datum		value = CStringGetTextDatum(agent);
	char	   *before = NULL;

	if (state_query(&reset_row, &value, NULL, false, 1) > 0)
		before = state_column_text(0, 1);
	state_done();
	if (before == NULL)
		return false;
	audit_breaker("reset_breaker", agent, reason, before, breaker_state_name(BREAKER_CLOSED));
	at_commit(PENDING_RESET, agent, 0);
	return true;
}

void
breaker_row_store(const char *agent)
{
	Datum		value = CStringGetTextDatum(agent);

	(void) state_execute(&insert_breaker, &value, NULL);
}

void
breaker_row_delete(const char *agent)
{
	Datum		value = CStringGetTextDatum(agent);

	if (state_execute(&delete_breaker, &value, NULL) > 0)
		at_commit(PENDING_FORGET, agent, 0);
}

/*-------------------------------------------------------------------------
 *
 * breakers.c
 *	  The table workflow.breakers: circuit breakers that are open, or have been.
 *
 * NOTES
 *	  Executors, in the transaction that records a failure; the scheduler; and
 *	  sessions that reset a breaker.  A row is inserted when the breaker opens
 *	  for the first time and written only when it opens or closes, so that
 *	  nobody queues for it.  That an open breaker has become half-open the time
 *	  tells.
 *
 *	  Executors and the scheduler do not wait for the row: a session that has
 *	  reset the breaker may keep it locked for long.  What is not written then
 *	  is written later, see src/shared/breakers.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "shared/breakers.h"
#include "shared/fault.h"
#include "shared/role_value.h"
#include "shared/wake.h"
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
	BreakerKey	key;			/* PENDING_RESET: InvalidOid for all roles;
								 * PENDING_FORGET: of all */
	uint32		generation;		/* PENDING_SAVED */
	bool		had_rows;		/* PENDING_FORGET */
	SubTransactionId subtransaction;
} Pending;

static Pending *pending = NULL; /* in the top transaction's context, newest
								 * first */
static bool callbacks_registered = false;

static const Oid key_types[] = {TEXTOID, REGROLEOID};
static StateStatement select_breaker = {
	"SELECT b.state, b.opened_at, b.half_open_at FROM workflow.breakers AS b "
	"WHERE b.agent OPERATOR(pg_catalog.=) $1 AND b.role OPERATOR(pg_catalog.=) $2",
	lengthof(key_types), key_types, NULL
};

/* $1: the agent alone */
static StateStatement delete_breakers = {
	"DELETE FROM workflow.breakers AS b WHERE b.agent OPERATOR(pg_catalog.=) $1",
	1, key_types, NULL
};

static StateStatement select_names = {
	"SELECT a.name FROM workflow.agents AS a WHERE a.circuit_breaker IS NOT NULL",
	0, NULL, NULL
};

#define NOTIFY_BREAKER \
	"(SELECT " NOTIFY("\"agent\": %s, \"role\": %s, \"circuit_breaker\": \"%s\"", \
					  "pg_catalog.to_json(b.agent)," \
					  " pg_catalog.to_json(pg_catalog.pg_get_userbyid(b.role::pg_catalog.oid)), b.state") \
	" WHERE " MAY_NOTIFY ")"

static const Oid write_types[] = {TEXTOID, REGROLEOID, TEXTOID,
								  TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
								  INT8OID, TEXTOID};
static StateStatement update_breaker = {
	"WITH before AS ("
	" SELECT o.agent, o.role, o.state FROM workflow.breakers AS o"
	" WHERE o.agent OPERATOR(pg_catalog.=) $1 AND o.role OPERATOR(pg_catalog.=) $2"
	" AND (o.state OPERATOR(pg_catalog.<>) $3 OR $3 OPERATOR(pg_catalog.=) 'open'"
	" AND (o.opened_at OPERATOR(pg_catalog.=) $4) IS NOT TRUE)"
	" FOR UPDATE SKIP LOCKED) "
	"UPDATE workflow.breakers AS b SET state = $3, half_open_at = $5,"
	" changed_at = pg_catalog.clock_timestamp(),"
	" opened_at = COALESCE($4, b.opened_at),"
	" times_opened = b.times_opened OPERATOR(pg_catalog.+) CASE WHEN $3 OPERATOR(pg_catalog.=) 'open' THEN 1 ELSE 0 END,"
	" calls = COALESCE($6, b.calls), failures = COALESCE($7, b.failures),"
	" error_type = COALESCE($8, b.error_type) "
	"FROM before WHERE b.agent OPERATOR(pg_catalog.=) before.agent AND b.role OPERATOR(pg_catalog.=) before.role "
	"RETURNING before.state, " NOTIFY_BREAKER,
	lengthof(write_types), write_types, NULL
};

/* Rows of roles that are gone make room. */
static StateStatement insert_breaker = {
	"WITH gone AS ("
	" DELETE FROM workflow.breakers AS g USING ("
	"  SELECT o.agent, o.role FROM workflow.breakers AS o"
	"  WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) o.role)"
	"  FOR UPDATE SKIP LOCKED) AS o"
	" WHERE g.agent OPERATOR(pg_catalog.=) o.agent AND g.role OPERATOR(pg_catalog.=) o.role) "
	"INSERT INTO workflow.breakers AS b (agent, role, state, opened_at, half_open_at, times_opened, calls, failures, error_type)"
	" VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8) ON CONFLICT (agent, role) DO NOTHING "
	"RETURNING 'closed', " NOTIFY_BREAKER,
	lengthof(write_types), write_types, NULL
};

/* $2: null for all roles */
static StateStatement reset_rows = {
	"WITH before AS ("
	" SELECT o.agent, o.role FROM workflow.breakers AS o"
	" WHERE o.agent OPERATOR(pg_catalog.=) $1 AND COALESCE(o.role OPERATOR(pg_catalog.=) $2, true)"
	" ORDER BY o.role::pg_catalog.oid USING OPERATOR(pg_catalog.<) FOR UPDATE) "
	"UPDATE workflow.breakers AS b SET state = 'closed', half_open_at = NULL,"
	" changed_at = pg_catalog.clock_timestamp() "
	"FROM before WHERE b.agent OPERATOR(pg_catalog.=) before.agent AND b.role OPERATOR(pg_catalog.=) before.role"
	" AND b.state OPERATOR(pg_catalog.=) 'open' "
	"RETURNING " NOTIFY_BREAKER,
	lengthof(key_types), key_types, NULL
};

/* $1: the agent alone */
static StateStatement select_agent = {
	"SELECT FROM workflow.agents AS a WHERE a.name OPERATOR(pg_catalog.=) $1 AND a.circuit_breaker IS NOT NULL",
	1, key_types, NULL
};

/* --- at commit --- */

static void
reset_known(const BreakerKey *key)
{
	static const BreakerConfig no_config;
	KnownBreaker known;
	BreakerVerdict verdict;
	int			position = 0;
	bool		save = false;

	while (breaker_next(&position, &known))
		if (known.key.agent == key->agent &&
			(key->role == InvalidOid || known.key.role == key->role) &&
			breaker_event(known.key, &no_config, BREAKER_RESET, 0, &verdict))
			save |= verdict.save;
	/* opened again since, it may be: then the row is wrong */
	if (save)
		wake_scheduler(MyDatabaseId, WAKE_BREAKERS);
}

static void
tell_shared_memory(const Pending *item)
{
	switch (item->kind)
	{
		case PENDING_SAVED:
			breaker_saved(item->key, item->generation);
			break;
		case PENDING_RESET:
			reset_known(&item->key);
			break;
		case PENDING_FORGET:
			breakers_forget(item->key.agent);
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

static bool
is_known(uint64 agent)
{
	KnownBreaker known;
	int			position = 0;

	while (breaker_next(&position, &known))
		if (known.key.agent == agent)
			return true;
	return false;
}

/*
 * Whoever commits it knows of no breakers that are to be told.  A state that is
 * not noted as saved is saved once more.
 */
static void
refuse_prepare(void)
{
	for (const Pending *item = pending; item != NULL; item = item->next)
		if (item->kind == PENDING_RESET ||
			(item->kind == PENDING_FORGET &&
			 (item->had_rows || is_known(item->key.agent))))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has reset or removed circuit breakers")));
}

static void
transaction_ended(XactEvent event, void *argument pg_attribute_unused())
{
	if (pending == NULL)
		return;
	if (event == XACT_EVENT_PRE_PREPARE && breakers_exist())
		refuse_prepare();
	if (event == XACT_EVENT_COMMIT && breakers_exist())
		tell_all(pending);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE)
		pending = NULL;
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId id,
					 SubTransactionId parent,
					 void *argument pg_attribute_unused())
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (pending != NULL && pending->subtransaction >= id)
			pending = pending->next;
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (Pending *item = pending;
			 item != NULL && item->subtransaction >= id; item = item->next)
			item->subtransaction = parent;
	}
}

static Pending *
at_commit(PendingKind kind, const char *agent, Oid role, uint32 generation)
{
	Pending    *item = MemoryContextAlloc(TopTransactionContext, sizeof(Pending));

	if (!callbacks_registered)
	{
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
		callbacks_registered = true;
	}
	item->kind = kind;
	item->key = breaker_key(agent, role);
	item->generation = generation;
	item->had_rows = false;
	item->subtransaction = GetCurrentSubTransactionId();
	item->next = pending;
	pending = item;
	return item;
}

/* --- rows --- */

/* Is there a row?  breaker: as it has it; initialised when there is none. */
static bool
read_row(const char *agent, Oid role, Breaker *breaker)
{
	Datum		values[] = {CStringGetTextDatum(agent), ObjectIdGetDatum(role)};
	bool		found = state_query(&select_breaker, values, NULL, false, 1) > 0;

	breaker_initialize(breaker);
	if (found)
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
	return found;
}

void
breaker_read(const char *agent, Oid role, Breaker *breaker)
{
	(void) read_row(agent, role, breaker);
}

/*
 * role: whose breaker; InvalidOid: the entry is about the current role's doing.
 */
static void
audit_breaker(const char *action, const char *agent, Oid role,
			  const char *reason, const char *before, const char *after)
{
	AuditEntry	entry = {.action = action,.subject_type = "agent",.subject = agent,
		.role = role,.reason = reason};

	entry.before = audit_object("state", before);
	entry.after = audit_object("state", after);
	audit(&entry);
}

/* Does the row say what shared memory says? */
static bool
row_is_right(const Breaker *row, const Breaker *breaker)
{
	if (breaker->state == BREAKER_CLOSED)
		return row->state == BREAKER_CLOSED;
	return row->state == BREAKER_OPEN && row->opened_at == breaker->opened_at;
}

/*
 * False: somebody else inserts this row, and we would wait for its commit,
 * which may wait for a session.  The lock is kept until the end of the
 * transaction; those that sessions can take have other numbers at the end.
 */
static bool
may_insert(BreakerKey key)
{
	uint64		number = hash_combine64(key.agent, key.role);
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (number >> 32),
						 (uint32) number, 3);
	return LockAcquire(&tag, ExclusiveLock, false, true) !=
		LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Run one of the two that write a row.  Returns its state before; NULL: nothing
 * was written.
 */
static char *
write_row(StateStatement *statement, Datum *values, const char *nulls)
{
	char	   *before = NULL;

	if (state_query(statement, values, nulls, false, 1) > 0)
		before = state_column_text(0, 1);
	state_done();
	return before;
}

void
breaker_write(const char *agent, Oid role, const Breaker *breaker,
			  const char *error_type)
{
	bool		is_open = (breaker->state != BREAKER_CLOSED);
	const char *state = breaker_state_name(is_open ? BREAKER_OPEN :
													 BREAKER_CLOSED);
	const char *role_name;
	Datum		values[lengthof(write_types)];
	char		nulls[lengthof(write_types)];
	char	   *before;

	/*
	 * a row that has changed since the snapshot was taken could not be written
	 */
	if (IsolationUsesXactSnapshot())
		return;
	memset(nulls, is_open ? ' ' : 'n', sizeof(nulls));
	nulls[0] = nulls[1] = nulls[2] = ' ';
	values[0] = CStringGetTextDatum(agent);
	values[1] = ObjectIdGetDatum(role);
	values[2] = CStringGetTextDatum(state);
	values[3] = TimestampTzGetDatum(breaker->opened_at);
	values[4] = TimestampTzGetDatum(breaker->half_open_at);
	values[5] = Int64GetDatum(breaker->opened_for.calls);
	values[6] = Int64GetDatum(breaker->opened_for.failures);
	values[7] = (Datum) 0;
	if (error_type == NULL)
		nulls[7] = 'n';
	else
		values[7] = CStringGetTextDatum(error_type);

	before = write_row(&update_breaker, values, nulls);
	if (before == NULL)
	{
		Breaker		row;
		bool		found = read_row(agent, role, &row);

		if (row_is_right(&row, breaker))
			(void) at_commit(PENDING_SAVED, agent, role, breaker->generation);
		else if (!found && may_insert(breaker_key(agent, role)))
			before = write_row(&insert_breaker, values, nulls);
		/* it says so already, or somebody writes it this moment */
		if (before == NULL)
			return;
	}
	audit_breaker(is_open ? "circuit_breaker_open" : "circuit_breaker_closed",
				  agent, role, NULL, before, state);
	role_name = role_shown_name(role);
	if (is_open)
		ereport(LOG,
				(errmsg("circuit breaker of agent \"%s\" has opened for role \"%s\"", agent, role_name),
				 errdetail("%lld of %lld calls have failed.",
						   (long long) breaker->opened_for.failures,
						   (long long) breaker->opened_for.calls)));
	else
		ereport(LOG,
				(errmsg("circuit breaker of agent \"%s\" has closed for role \"%s\"", agent, role_name)));
	(void) at_commit(PENDING_SAVED, agent, role, breaker->generation);
}

void
breakers_write_unsaved(void)
{
	uint64		count = state_query(&select_names, NULL, NULL, false, 0);
	char	  **names = palloc(Max(count, 1) * sizeof(char *));
	KnownBreaker known;
	int			position = 0;

	for (uint64 i = 0; i < count; i++)
		names[i] = state_column_text(i, 1);
	state_done();
	while (breaker_next(&position, &known))
	{
		CHECK_FOR_INTERRUPTS();
		if (!known.unsaved)
			continue;
		for (uint64 i = 0; i < count; i++)
			if (breaker_key(names[i], known.key.role).agent == known.key.agent)
			{
				breaker_write(names[i], known.key.role, &known.breaker, NULL);
				fault_point("breaker.saved");
			}
	}
}

bool
breakers_reset(const char *agent, Oid role, const char *reason)
{
	Datum		values[] = {CStringGetTextDatum(agent), ObjectIdGetDatum(role)};
	bool		exists = state_execute(&select_agent, values, NULL) > 0;
	uint64		count;

	if (!exists)
		return false;
	count = state_execute(&reset_rows, values, OidIsValid(role) ? NULL : " n");
	audit_breaker("reset_breaker", agent, InvalidOid, reason,
				  breaker_state_name(count > 0 ? BREAKER_OPEN : BREAKER_CLOSED),
				  breaker_state_name(BREAKER_CLOSED));
	(void) at_commit(PENDING_RESET, agent, role, 0);
	fault_point("breaker.reset");
	return true;
}

void
breakers_delete(const char *agent)
{
	Datum		value = CStringGetTextDatum(agent);
	uint64		rows = state_execute(&delete_breakers, &value, NULL);

	at_commit(PENDING_FORGET, agent, InvalidOid, 0)->had_rows = rows > 0;
}

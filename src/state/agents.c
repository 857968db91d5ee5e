/*-------------------------------------------------------------------------
 *
 * agents.c
 *	  The table workflow.agents.
 *
 * NOTES
 *	  Runs in every kind of process, inside a transaction.  Functions are stored
 *	  as text, because a column of type regprocedure keeps pg_upgrade from
 *	  upgrading the cluster, and because an agent should find its function again
 *	  after the function was dropped and created anew.
 *
 *	  The cache is filled when an agent is first needed and checked again after
 *	  any agent or any function changed.  A caller may hold an agent while it
 *	  runs the agent's SQL, which may itself lead back to agent_find(), so
 *	  memory of an agent that was replaced is kept until the transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "definition/agent_options.h"
#include "state/private.h"
#include "state/state.h"

typedef struct CachedAgent
{
	char		name[256];		/* hash key */
	Agent	   *agent;			/* in a context of its own, NULL = to be read */
	MemoryContext context;
	uint64		counter;		/* agents_counter() it was read under */
} CachedAgent;

static HTAB *agent_cache = NULL;
static MemoryContext agent_cache_context = NULL;
static MemoryContext retired_context = NULL;	/* parent of replaced agents */
static uint64 catalog_changes = 0;
static bool callbacks_registered = false;

static const Oid name_types[] = {TEXTOID};
static StateStatement select_agent = {
	"SELECT a.kind, a.function, "
	"pg_catalog.to_regprocedure(a.function)::pg_catalog.oid, "
	"a.sql, a.result, a.timeout_seconds, a.status, a.owner::pg_catalog.oid, a.retry::pg_catalog.text, "
	"a.circuit_breaker::pg_catalog.text "
	"FROM workflow.agents AS a WHERE a.name OPERATOR(pg_catalog.=) $1",
	1, name_types, NULL
};

static const Oid store_types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID,
								  TEXTOID, INT4OID, TEXTOID, REGROLEOID,
								  TEXTOID, JSONBOID, JSONBOID};
static StateStatement store_agent = {
	"INSERT INTO workflow.agents AS a (name, kind, function, sql, result, "
	"timeout_seconds, status, owner, description, retry, circuit_breaker) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
	"ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, function = excluded.function, "
	"sql = excluded.sql, queue = NULL, result = excluded.result, "
	"timeout_seconds = excluded.timeout_seconds, status = excluded.status, "
	"description = excluded.description, retry = excluded.retry, "
	"circuit_breaker = excluded.circuit_breaker, "
	"updated_at = pg_catalog.clock_timestamp() "
	"WHERE a.owner::pg_catalog.oid OPERATOR(pg_catalog.=) excluded.owner::pg_catalog.oid",
	lengthof(store_types), store_types, NULL
};

static const Oid status_types[] = {TEXTOID, TEXTOID};
static StateStatement update_agent_status = {
	"UPDATE workflow.agents AS a SET status = $2, updated_at = pg_catalog.clock_timestamp() "
	"WHERE a.name OPERATOR(pg_catalog.=) $1",
	2, status_types, NULL
};

static StateStatement lock_agent = {
	"SELECT a.owner::pg_catalog.oid FROM workflow.agents AS a "
	"WHERE a.name OPERATOR(pg_catalog.=) $1 FOR UPDATE",
	1, name_types, NULL
};

static StateStatement delete_agent = {
	"DELETE FROM workflow.agents AS a WHERE a.name OPERATOR(pg_catalog.=) $1",
	1, name_types, NULL
};

static StateStatement describe_agent = {
	"SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(a) OPERATOR(pg_catalog.-) "
	"'{name,created_at,updated_at}'::pg_catalog.text[]) "
	"FROM workflow.agents AS a WHERE a.name OPERATOR(pg_catalog.=) $1",
	1, name_types, NULL
};

static const char *const result_names[] = {
	[SQL_RESULT_ROWS] = "rows",
	[SQL_RESULT_ROW] = "row",
	[SQL_RESULT_VALUE] = "value",
	[SQL_RESULT_NONE] = "none"
};

static const char *const kind_names[] = {
	[AGENT_FUNCTION] = "function",
	[AGENT_SQL] = "sql",
	[AGENT_QUEUE] = "queue"
};

/*
 * The kind of result a name stands for; false when it stands for none.
 */
bool
sql_result_from_name(const char *name, SqlResult *result)
{
	for (int i = 0; i < (int) lengthof(result_names); i++)
	{
		if (strcmp(name, result_names[i]) == 0)
		{
			*result = (SqlResult) i;
			return true;
		}
	}
	return false;
}

/*
 * A function or a role was created, changed or dropped: an agent's may be among
 * them.
 */
static void
catalog_invalidated(Datum argument pg_attribute_unused(),
					 int cacheid pg_attribute_unused(),
					 uint32 hashvalue pg_attribute_unused())
{
	catalog_changes++;
}

/* At the end of a transaction nobody holds a replaced agent any more. */
static void
free_retired(XactEvent event, void *argument pg_attribute_unused())
{
	if (retired_context != NULL &&
		(event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		 event == XACT_EVENT_PREPARE))
		MemoryContextDeleteChildren(retired_context);
}

/* What the cache's content depends on. */
static uint64
agents_counter(void)
{
	return state_agents_counter + catalog_changes;
}

static void
create_agent_cache(void)
{
	HASHCTL		control;

	if (!callbacks_registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, catalog_invalidated, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, catalog_invalidated, (Datum) 0);
		RegisterXactCallback(free_retired, NULL);
		callbacks_registered = true;
	}
	if (retired_context == NULL)
		retired_context = AllocSetContextCreate(TopMemoryContext,
												"workflow agents replaced",
												ALLOCSET_SMALL_SIZES);
	agent_cache_context = AllocSetContextCreate(TopMemoryContext,
												"workflow agents",
												ALLOCSET_SMALL_SIZES);
	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(((CachedAgent *) NULL)->name);
	control.entrysize = sizeof(CachedAgent);
	control.hcxt = agent_cache_context;
	agent_cache = hash_create("workflow agents", 32, &control,
							  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/*
 * Read an agent from the table into the current memory context; NULL when there
 * is none.
 */
static Agent *
read_agent(const char *name)
{
	Datum		value = CStringGetTextDatum(name);
	Agent	   *agent = NULL;

	if (state_query(&select_agent, &value, NULL, false, 1) > 0)
	{
		bool		isnull;
		char	   *kind = state_column_text(0, 1);
		char	   *result = state_column_text(0, 5);
		char	   *status = state_column_text(0, 7);

		agent = palloc0(sizeof(Agent));
		strlcpy(agent->name, name, sizeof(agent->name));
		for (int i = 0; i < (int) lengthof(kind_names); i++)
			if (strcmp(kind, kind_names[i]) == 0)
				agent->kind = (AgentKind) i;
		agent->function_name = state_column_text(0, 2);
		agent->function = DatumGetObjectId(state_column(0, 3, &isnull));
		if (isnull)
			agent->function = InvalidOid;
		agent->sql = state_column_text(0, 4);
		(void) sql_result_from_name(result, &agent->result);
		agent->timeout_seconds = state_column_int32(0, 6);
		agent->active = strcmp(status, "active") == 0;
		agent->owner = DatumGetObjectId(state_column(0, 8, &isnull));
		agent->owned = SearchSysCacheExists1(AUTHOID,
											 ObjectIdGetDatum(agent->owner));
		agent_retry_parse(state_column_text(0, 9), &agent->retry,
						  &agent->nretry, problem_list_create());
		breaker_config_parse(state_column_text(0, 10), &agent->breaker,
							 problem_list_create());
	}
	state_done();
	return agent;
}

const Agent *
agent_find(const char *name)
{
	CachedAgent *entry;
	MemoryContext context;
	MemoryContext oldcontext;
	Agent	   *agent;
	uint64		counter;

	/* no agent can be registered under such a name */
	if (strlen(name) >= sizeof(((Agent *) NULL)->name))
		return NULL;

	state_check_installation();
	if (agent_cache == NULL)
		create_agent_cache();

	counter = agents_counter();
	entry = hash_search(agent_cache, name, HASH_FIND, NULL);
	if (entry != NULL && entry->counter == counter)
		return entry->agent;

	context = AllocSetContextCreate(CurrentMemoryContext, "workflow agent",
									ALLOCSET_SMALL_SIZES);
	oldcontext = MemoryContextSwitchTo(context);
	agent = read_agent(name);
	MemoryContextSwitchTo(oldcontext);

	/* The old copy, if any, may still be in use. */
	entry = hash_search(agent_cache, name, HASH_FIND, NULL);
	if (entry != NULL)
	{
		MemoryContextSetParent(entry->context, retired_context);
		(void) hash_search(agent_cache, name, HASH_REMOVE, NULL);
	}

	if (agent == NULL)
	{
		MemoryContextDelete(context);
		return NULL;
	}

	/*
	 * A change noticed while reading, or a snapshot that may be older than the
	 * changes noticed before, makes this copy good for now only.
	 */
	if (counter != agents_counter() || IsolationUsesXactSnapshot())
	{
		MemoryContextSetParent(context, retired_context);
		return agent;
	}

	entry = hash_search(agent_cache, name, HASH_ENTER, NULL);
	entry->agent = agent;
	entry->context = context;
	entry->counter = counter;
	MemoryContextSetParent(context, agent_cache_context);
	return agent;
}

bool
agent_store(const Agent *agent, const char *description)
{
	Datum		values[lengthof(store_types)];
	char		nulls[lengthof(store_types)];
	bool		stored;

	memset(nulls, ' ', sizeof(nulls));

	values[0] = CStringGetTextDatum(agent->name);
	values[1] = CStringGetTextDatum(kind_names[agent->kind]);
	values[4] = CStringGetTextDatum(result_names[agent->result]);
	values[5] = Int32GetDatum(agent->timeout_seconds);
	values[6] = CStringGetTextDatum(agent->active ? "active" : "inactive");
	values[7] = ObjectIdGetDatum(agent->owner);
	if (agent->timeout_seconds == 0)
		nulls[5] = 'n';
	state_set_text(values, nulls, 2, agent->function_name);
	state_set_text(values, nulls, 3, agent->sql);
	state_set_text(values, nulls, 8, description);
	state_set_jsonb(values, nulls, 9, agent->retry_document);
	state_set_jsonb(values, nulls, 10, agent->breaker_document);

	stored = state_execute(&store_agent, values, nulls) > 0;
	if (stored && agent->breaker_document == NULL)
		breakers_delete(agent->name);
	state_agents_changed();
	return stored;
}

bool
agent_lock(const char *name, Oid *owner)
{
	Datum		value = CStringGetTextDatum(name);
	bool		found = state_query(&lock_agent, &value, NULL, false, 1) > 0;
	bool		isnull;

	if (found)
		*owner = DatumGetObjectId(state_column(0, 1, &isnull));
	state_done();
	return found;
}

void
agent_set_status(const char *name, bool active)
{
	Datum		values[2];

	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(active ? "active" : "inactive");
	state_execute(&update_agent_status, values, NULL);
	state_agents_changed();
}

void
agent_delete(const char *name)
{
	Datum		value = CStringGetTextDatum(name);

	breakers_delete(name);
	state_execute(&delete_agent, &value, NULL);
	state_agents_changed();
}

Jsonb *
agent_describe(const char *name)
{
	Datum		value = CStringGetTextDatum(name);
	Jsonb	   *result = NULL;

	if (state_query(&describe_agent, &value, NULL, false, 1) > 0)
	{
		bool		isnull;
		Datum		column = state_column(0, 1, &isnull);

		if (!isnull)
			result = DatumGetJsonbPCopy(column);
	}
	state_done();
	return result;
}

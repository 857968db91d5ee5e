/*-------------------------------------------------------------------------
 *
 * owners.c
 *	  Whose workflows, agents, schedules, executions and dead letters are.
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.
 *
 *	  What somebody did stays theirs: the audit log, the statistics and the history
 *	  of executors are not given to anybody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "shared/role_value.h"
#include "state/owners.h"
#include "state/private.h"
#include "state/state.h"

/* The column is of a role that does not exist, as it is shown; without a number, of each that was called so. */
#define IS_CALLED(column, name) \
	"(workflow.role_missing(" column ") AND (workflow.role_name(" column ") OPERATOR(pg_catalog.=) " name \
	" OR pg_catalog.regexp_replace(workflow.role_name(" column "), ' [0-9]+[)]$', ')') OPERATOR(pg_catalog.=) " name "))"

/* The column is of the owner: $1 its identities, $2 its name, $3 whether it is missing. */
#define IS_OWNER(column) \
	"(" column "::pg_catalog.oid OPERATOR(pg_catalog.=) ANY ($1) OR ($3 AND " IS_CALLED(column, "$2") "))"

#define RUNS "e.status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])"

#define OWNER_TYPES OIDARRAYOID, TEXTOID, BOOLOID
static const Oid owner_types[] = {OWNER_TYPES};
static const Oid give_types[] = {OWNER_TYPES, REGROLEOID};

/* Who was called so, and is no more. */
static const Oid name_types[] = {TEXTOID};
#define IDENTITIES(column, table) \
	"SELECT x." column "::pg_catalog.oid FROM workflow." table " AS x" \
	" WHERE " IS_CALLED("x." column, "$1") \
	" AND x." column "::pg_catalog.oid OPERATOR(pg_catalog.<>) 1::pg_catalog.oid"	/* NOBODY_ROLE */
static StateStatement identities_statement = {
	IDENTITIES("owner", "definitions") " UNION " IDENTITIES("owner", "agents") " UNION "
	IDENTITIES("role", "schedule_entries") " UNION " IDENTITIES("role", "executions"),
	lengthof(name_types), name_types, NULL
};

static StateStatement of_workflow_statement = {
	"SELECT workflow.role_name(d.owner) FROM workflow.definitions AS d"
	" WHERE d.name OPERATOR(pg_catalog.=) $1 ORDER BY d.version DESC LIMIT 1",
	lengthof(name_types), name_types, NULL
};

/* the lock that define() takes; executions that are started do not wait for it */
static StateStatement lock_workflow_statement = {
	"SELECT d.owner::pg_catalog.oid, d.version FROM workflow.definitions AS d"
	" WHERE d.name OPERATOR(pg_catalog.=) $1 ORDER BY d.version DESC LIMIT 1 FOR NO KEY UPDATE",
	lengthof(name_types), name_types, NULL
};

static const Oid id_types[] = {INT8OID};
static StateStatement of_execution_statement = {
	"SELECT e.role::pg_catalog.text FROM workflow.executions AS e WHERE e.id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

static StateStatement of_letter_statement = {
	"SELECT l.role::pg_catalog.text FROM workflow.dead_letters AS l WHERE l.id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

static StateStatement count_statement = {
	"SELECT o.kind, pg_catalog.sum(o.count)::pg_catalog.int8, pg_catalog.min(o.owner::pg_catalog.text) FROM workflow.owners AS o WHERE " IS_OWNER("o.owner")
	" GROUP BY o.kind ORDER BY pg_catalog.min(o.place)",
	lengthof(owner_types), owner_types, NULL
};

static const Oid set_types[] = {TEXTOID, REGROLEOID};
static StateStatement set_statement = {
	"UPDATE workflow.definitions AS d SET owner = $2 WHERE d.name OPERATOR(pg_catalog.=) $1",
	lengthof(set_types), set_types, NULL
};

static StateStatement give_statements[] = {
	{"UPDATE workflow.definitions AS d SET owner = $4 WHERE " IS_OWNER("d.owner"), lengthof(give_types), give_types, NULL},
	{"UPDATE workflow.agents AS a SET owner = $4 WHERE " IS_OWNER("a.owner"), lengthof(give_types), give_types, NULL},
	/*
	 * An executor works with what it has read.  Of executions with one key the role keeps it at
	 * its own, or at the first that it is given: start() leads there.
	 */
	{"UPDATE workflow.executions AS e SET role = $4, idempotency_key = CASE WHEN NOT EXISTS ("
	"SELECT FROM workflow.executions AS o WHERE o.idempotency_key OPERATOR(pg_catalog.=) e.idempotency_key"
	" AND o.workflow OPERATOR(pg_catalog.=) e.workflow AND (o.role::pg_catalog.oid OPERATOR(pg_catalog.=) $4::pg_catalog.oid"
	" OR (o.id OPERATOR(pg_catalog.<) e.id AND " IS_OWNER("o.role") "))) THEN e.idempotency_key END"
	" WHERE " IS_OWNER("e.role") " AND ($3 OR NOT " RUNS ")",
	lengthof(give_types), give_types, NULL},
	{"UPDATE workflow.dead_letters AS l SET role = $4 WHERE " IS_OWNER("l.role"), lengthof(give_types), give_types, NULL},
	/* what became of a schedule goes with it */
	{"UPDATE workflow.schedule_run_entries AS r SET role = $4 WHERE " IS_OWNER("r.role"), lengthof(give_types), give_types, NULL},
	/* what is blocked stays blocked: for the role, and for the one that takes over its executions */
	{"INSERT INTO workflow.blocked_workflows (workflow, role, kind, reason, stuck_count, blocked_at, blocked_by)"
	" SELECT b.workflow, $4, b.kind, b.reason, b.stuck_count, b.blocked_at, b.blocked_by"
	" FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL AND " IS_OWNER("b.role") " ORDER BY b.id"
	" ON CONFLICT (workflow, role) WHERE unblocked_at IS NULL DO NOTHING",
	lengthof(give_types), give_types, NULL}
};

static StateStatement running_statement = {
	"SELECT pg_catalog.count(*) FROM workflow.executions AS e WHERE " IS_OWNER("e.role") " AND " RUNS,
	lengthof(owner_types), owner_types, NULL
};

static StateStatement schedules_statement = {
	"SELECT s.id FROM workflow.schedule_entries AS s WHERE " IS_OWNER("s.role") " ORDER BY s.id FOR UPDATE",
	lengthof(owner_types), owner_types, NULL
};

/* The arguments that all statements about an owner begin with. */
static void
owner_values(const Owner *owner, Datum *values)
{
	Datum	   *identities = palloc(sizeof(Datum) * Max(owner->nidentities, 1));

	for (int i = 0; i < owner->nidentities; i++)
		identities[i] = ObjectIdGetDatum(owner->identities[i]);
	values[0] = PointerGetDatum(construct_array(identities, owner->nidentities, OIDOID,
												sizeof(Oid), true, TYPALIGN_INT));
	values[1] = CStringGetTextDatum(owner->name);
	values[2] = BoolGetDatum(owner->missing);
}

void
owner_find(Datum value, Owner *owner)
{
	Oid			role = role_value_oid(value);
	Datum		argument;
	int			count;

	owner->missing = role_value_present_name(value) == NULL;
	owner->name = role_value_shown_name(value);
	owner->nidentities = 0;
	owner->identities = palloc(sizeof(Oid));
	if (role != NOBODY_ROLE)
		owner->identities[owner->nidentities++] = role;
	if (!owner->missing)
		return;

	/* its rows may have been written before it was called that */
	argument = CStringGetTextDatum(owner->name);
	count = (int) state_query(&identities_statement, &argument, NULL, false, 0);
	owner->identities = repalloc(owner->identities, sizeof(Oid) * (count + 1));
	for (int i = 0; i < count; i++)
	{
		bool		isnull;

		owner->identities[owner->nidentities++] = DatumGetObjectId(state_column(i, 1, &isnull));
	}
	state_done();
}

/* The one text that a statement about something finds, NULL when there is none. */
static char *
find_text(StateStatement *statement, Datum argument)
{
	char	   *found = NULL;

	if (state_query(statement, &argument, NULL, false, 1) > 0)
		found = state_column_text(0, 1);
	state_done();
	return found;
}

char *
owner_of_workflow(const char *name)
{
	return find_text(&of_workflow_statement, CStringGetTextDatum(name));
}

char *
execution_role_name(int64 id)
{
	return find_text(&of_execution_statement, Int64GetDatum(id));
}

char *
dead_letter_role_name(int64 id)
{
	return find_text(&of_letter_statement, Int64GetDatum(id));
}

char *
owner_describe(const Owner *owner, char **shown)
{
	Datum		values[lengthof(owner_types)];
	StringInfoData text;
	int			kinds;

	initStringInfo(&text);
	owner_values(owner, values);
	kinds = (int) state_query(&count_statement, values, NULL, false, 0);
	for (int i = 0; i < kinds; i++)
	{
		int64		count = state_column_int64(i, 2);

		appendStringInfo(&text, "%s%lld %s%s", i == 0 ? "" : i == kinds - 1 ? " and " : ", ",
						 (long long) count, state_column_text(i, 1), count == 1 ? "" : "s");
	}
	if (kinds > 0)
		*shown = state_column_text(0, 3);
	state_done();
	return kinds == 0 ? NULL : text.data;
}

bool
owner_lock_workflow(const char *name, Oid *owner)
{
	Datum		argument = CStringGetTextDatum(name);
	int			version = 0;
	int			locked;

	/* whom we waited for may have made another version */
	do
	{
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		locked = version;
		version = 0;
		if (state_query(&lock_workflow_statement, &argument, NULL, false, 1) > 0)
		{
			*owner = DatumGetObjectId(state_column(0, 1, &isnull));
			version = state_column_int32(0, 2);
		}
		state_done();
	} while (version != locked);
	/* what definition_find() remembers may be older than the lock */
	AcceptInvalidationMessages();
	return version != 0;
}

int64
owner_set_workflow(const char *name, Oid role)
{
	Datum		values[] = {CStringGetTextDatum(name), ObjectIdGetDatum(role)};
	int64		count = (int64) state_execute(&set_statement, values, NULL);

	state_definitions_changed();
	return count;
}

int64
owner_give(const Owner *owner, Oid role, int64 *running)
{
	Datum		values[lengthof(give_types)];
	int64		count = 0;

	owner_values(owner, values);
	values[lengthof(owner_types)] = ObjectIdGetDatum(role);
	for (int i = 0; i < (int) lengthof(give_statements); i++)
	{
		uint64		given;

		/* until nothing is left: whom it waited for may have added what it did not see, a version */
		do
		{
			CHECK_FOR_INTERRUPTS();
			given = state_execute(&give_statements[i], values, NULL);
			count += (int64) given;
		} while (given > 0);
	}
	state_definitions_changed();
	state_agents_changed();

	*running = 0;
	if (!owner->missing)
	{
		(void) state_query(&running_statement, values, NULL, false, 1);
		*running = state_column_int64(0, 1);
		state_done();
	}
	return count;
}

int
owner_schedules(const Owner *owner, int **ids)
{
	Datum		values[lengthof(owner_types)];
	int			count;

	owner_values(owner, values);
	count = (int) state_query(&schedules_statement, values, NULL, false, 0);
	*ids = palloc(sizeof(int) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*ids)[i] = state_column_int32(i, 1);
	state_done();
	return count;
}

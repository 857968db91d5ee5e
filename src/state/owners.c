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

#include "shared/identity.h"
#include "shared/role_value.h"
#include "state/owners.h"
#include "state/private.h"
#include "state/state.h"

/*
 * The column is of a role that does not exist, as it is shown; without a number, of each that was
 * called so.
 */
#define IS_CALLED(column, name) \
	"(workflow.role_missing(" column ") AND (workflow.role_name(" column ") OPERATOR(pg_catalog.=) " name \
	" OR pg_catalog.regexp_replace(workflow.role_name(" column "), ' [0-9]+[)]$', ')') OPERATOR(pg_catalog.=) " name "))"

/* The column is of the owner: $1 its identities, $2 its name, $3 whether it is missing. */
#define IS_OWNER(column) \
	"(" column "::pg_catalog.oid OPERATOR(pg_catalog.=) ANY ($1) OR ($3 AND " IS_CALLED(column, "$2") "))"

#define RUNS(execution) \
	execution ".status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[])"

/* As refuse_reserved_name() sees it; a schedule of the extension's may have another name. */
#define IS_RESERVED(name) \
	"pg_catalog.starts_with(pg_catalog.lower(" name " COLLATE pg_catalog.\"C\"), '" RESERVED_PREFIX "')"
#define SCHEDULE_IS_RESERVED(schedule) \
	"(" IS_RESERVED(schedule ".name") " OR " IS_RESERVED(schedule ".workflow") ")"

#define OWNER_TYPES OIDARRAYOID, TEXTOID, BOOLOID
static const Oid owner_types[] = {OWNER_TYPES};
static const Oid give_types[] = {OWNER_TYPES, REGROLEOID, BOOLOID};

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

static StateStatement shown_role_statement = {
	"SELECT workflow.role_name(e.role) FROM workflow.executions AS e"
	" WHERE e.id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

static StateStatement of_letter_statement = {
	"SELECT l.role::pg_catalog.text FROM workflow.dead_letters AS l WHERE l.id OPERATOR(pg_catalog.=) $1",
	lengthof(id_types), id_types, NULL
};

static StateStatement of_schedule_statement = {
	"SELECT s.role::pg_catalog.text FROM workflow.schedule_entries AS s"
	" WHERE s.id OPERATOR(pg_catalog.=) $1",
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

#define GIVE_TYPES lengthof(give_types), give_types, NULL
/* $5: whether what has a name of the extension's is given, too. */
#define MAY_BE_GIVEN(name) "($5 OR NOT " IS_RESERVED(name) ")"
/* An executor works with what it has read. */
#define EXECUTION_IS_GIVEN IS_OWNER("x.role") " AND ($3 OR NOT " RUNS("x") ")"
/* what became of a schedule goes with it */
#define RUN_IS_GIVEN IS_OWNER("x.role") \
	" AND ($5 OR NOT EXISTS (SELECT FROM workflow.schedule_entries AS s" \
	" WHERE s.id OPERATOR(pg_catalog.=) x.schedule_id AND " SCHEDULE_IS_RESERVED("s") "))"

#define LOCK(table, condition, place) \
	"SELECT pg_catalog.count(*) FROM (SELECT FROM workflow." table " AS x WHERE " condition \
	" ORDER BY x." place " FOR NO KEY UPDATE) AS locked"
#define GIVE(table, column, condition) \
	"UPDATE workflow." table " AS x SET " column " = $4 WHERE " condition
#define GIFT(table, column, condition, place) \
	{{LOCK(table, condition, place), GIVE_TYPES}, {GIVE(table, column, condition), GIVE_TYPES}}

/*
 * Rows of a table that are given, $4: to whom.  They are locked first, in the order in which
 * others take several of them: that of executions is that of their numbers, and a dead letter
 * comes behind its execution.
 */
static struct
{
	StateStatement lock;
	StateStatement give;
} gifts[] = {
	GIFT("definitions", "owner", IS_OWNER("x.owner") " AND " MAY_BE_GIVEN("x.name"), "id"),
	GIFT("agents", "owner", IS_OWNER("x.owner") " AND " MAY_BE_GIVEN("x.name"), "name"),
	/*
	 * Of executions with one key the role keeps it at its own, or at the first that it is given:
	 * start() leads there.
	 */
	{{LOCK("executions", EXECUTION_IS_GIVEN, "id"), GIVE_TYPES},
	{"UPDATE workflow.executions AS x SET role = $4,"
	/* a step of it may still run, and its executor would go on with the next one */
	" control = x.control OR (x.started_at IS NOT NULL AND x.status OPERATOR(pg_catalog.=)"
	" ANY ('{paused,pending,blocked}'::pg_catalog.text[])), idempotency_key = CASE WHEN NOT EXISTS ("
	"SELECT FROM workflow.executions AS o"
	" WHERE o.idempotency_key OPERATOR(pg_catalog.=) x.idempotency_key"
	" AND o.workflow OPERATOR(pg_catalog.=) x.workflow"
	" AND (o.role::pg_catalog.oid OPERATOR(pg_catalog.=) $4::pg_catalog.oid"
	" OR (o.id OPERATOR(pg_catalog.<) x.id AND " IS_OWNER("o.role") "))) THEN x.idempotency_key END"
	" WHERE " EXECUTION_IS_GIVEN, GIVE_TYPES}},
	GIFT("dead_letters", "role", IS_OWNER("x.role"), "execution_id"),
	GIFT("schedule_run_entries", "role", RUN_IS_GIVEN, "id")
};

/* what is blocked stays blocked: for the role, and for the one that takes over its executions */
static StateStatement copy_blocks_statement = {
	"INSERT INTO workflow.blocked_workflows"
	" (workflow, role, kind, reason, stuck_count, blocked_at, blocked_by)"
	" SELECT b.workflow, $4, b.kind, b.reason, b.stuck_count, b.blocked_at, b.blocked_by"
	" FROM workflow.blocked_workflows AS b WHERE b.unblocked_at IS NULL AND " IS_OWNER("b.role") " ORDER BY b.id"
	" ON CONFLICT (workflow, role) WHERE unblocked_at IS NULL DO NOTHING",
	lengthof(owner_types) + 1, give_types, NULL
};

/* What of an owner only superusers are given. */
static StateStatement reserved_statement = {
	"SELECT pg_catalog.string_agg(pg_catalog.format('%s \"%s\"', o.kind, o.name), ', '"
	" ORDER BY o.place, o.name) FROM ("
	"SELECT 1 AS place, 'workflow' AS kind, d.name FROM workflow.definitions AS d"
	" WHERE " IS_OWNER("d.owner") " AND " IS_RESERVED("d.name") " GROUP BY d.name"
	" UNION ALL SELECT 2, 'agent', a.name FROM workflow.agents AS a"
	" WHERE " IS_OWNER("a.owner") " AND " IS_RESERVED("a.name")
	" UNION ALL SELECT 3, 'schedule', s.name FROM workflow.schedule_entries AS s"
	" WHERE " IS_OWNER("s.role") " AND " SCHEDULE_IS_RESERVED("s") ") AS o",
	lengthof(owner_types), owner_types, NULL
};

/* Roles that do not exist and were called $1, as what is theirs shows them. */
static StateStatement namesakes_statement = {
	"SELECT pg_catalog.string_agg(DISTINCT o.owner::pg_catalog.text, ', ') FROM workflow.owners AS o"
	" WHERE " IS_CALLED("o.owner", "$1"),
	lengthof(name_types), name_types, NULL
};

static StateStatement running_statement = {
	"SELECT pg_catalog.count(*) FROM workflow.executions AS e"
	" WHERE " IS_OWNER("e.role") " AND " RUNS("e"),
	lengthof(owner_types), owner_types, NULL
};

static StateStatement schedules_statement = {
	"SELECT s.id FROM workflow.schedule_entries AS s WHERE " IS_OWNER("s.role")
	" AND ($5 OR NOT " SCHEDULE_IS_RESERVED("s") ") ORDER BY s.id FOR UPDATE",
	GIVE_TYPES
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
execution_cannot_run(int64 id, Oid role)
{
	char	   *reason = role_cannot_run(role);
	char	   *name;

	if (reason == NULL || GetUserNameFromId(role, true) != NULL)
		return reason;
	name = find_text(&shown_role_statement, Int64GetDatum(id));
	return name != NULL ? psprintf("role \"%s\" does not exist", name) : reason;
}

char *
dead_letter_role_name(int64 id)
{
	return find_text(&of_letter_statement, Int64GetDatum(id));
}

char *
schedule_role_name(int id)
{
	return find_text(&of_schedule_statement, Int64GetDatum(id));
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

/* The arguments of statements that give. */
static void
gift_values(const Gift *gift, Datum *values)
{
	owner_values(&gift->owner, values);
	values[lengthof(owner_types)] = ObjectIdGetDatum(gift->role);
	values[lengthof(owner_types) + 1] = BoolGetDatum(gift->reserved);
}

void
owner_give(Gift *gift)
{
	Datum		values[lengthof(give_types)];

	gift_values(gift, values);
	gift->count = 0;
	for (int i = 0; i < (int) lengthof(gifts); i++)
	{
		uint64		given;

		/* until nothing is left: whom it waited for may have added what it did not see, a version */
		do
		{
			CHECK_FOR_INTERRUPTS();
			(void) state_query(&gifts[i].lock, values, NULL, false, 1);
			state_done();
			given = state_execute(&gifts[i].give, values, NULL);
			gift->count += (int64) given;
		} while (given > 0);
	}
	gift->count += (int64) state_execute(&copy_blocks_statement, values, NULL);
	state_definitions_changed();
	state_agents_changed();

	gift->running = 0;
	if (!gift->owner.missing)
	{
		(void) state_query(&running_statement, values, NULL, false, 1);
		gift->running = state_column_int64(0, 1);
		state_done();
	}
	gift->left = NULL;
	if (!gift->reserved)
	{
		(void) state_query(&reserved_statement, values, NULL, false, 1);
		gift->left = state_column_text(0, 1);
		state_done();
	}
}

int
owner_schedules(const Gift *gift, int **ids)
{
	Datum		values[lengthof(give_types)];
	int			count;

	gift_values(gift, values);
	count = (int) state_query(&schedules_statement, values, NULL, false, 0);
	*ids = palloc(sizeof(int) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*ids)[i] = state_column_int32(i, 1);
	state_done();
	return count;
}

char *
owner_namesakes(const char *name)
{
	return find_text(&namesakes_statement, CStringGetTextDatum(psprintf("%s" ROLE_MISSING ")", name)));
}

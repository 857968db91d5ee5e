/*-------------------------------------------------------------------------
 *
 * definitions.c
 *	  The table workflow.definitions, and the plans made of it.
 *
 * NOTES
 *	  Runs in every kind of process, inside a transaction.  Rows are immutable
 *	  but for their status and owner (a trigger sees to that), so a plan is kept
 *	  for the life of the process.  What definition_find() found is kept until
 *	  any session defines or changes something.
 *
 *	  Locks: definition_lock_newest() takes a row lock, definition_lock_names()
 *	  locks of names, that last until the end of the transaction; in this order.
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
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "definition/front_end.h"
#include "shared/wake.h"
#include "state/private.h"
#include "state/state.h"

/* How many found definitions a process remembers. */
#define FOUND_CACHE_SIZE 64

typedef struct FoundDefinition
{
	char	   *workflow;		/* as asked for */
	int			version;		/* as asked for */
	Definition	definition;
} FoundDefinition;

typedef struct CachedPlanEntry
{
	int			definition_id;	/* hash key */
	MemoryContext context;
	WorkflowPlan *plan;
} CachedPlanEntry;

typedef struct KnownTimeout
{
	int			definition_id;	/* hash key */
	int			timeout_seconds;
} KnownTimeout;

static const char *const status_names[] = {
	[DEFINITION_DRAFT] = "draft",
	[DEFINITION_ACTIVE] = "active",
	[DEFINITION_DEPRECATED] = "deprecated",
	[DEFINITION_ARCHIVED] = "archived"
};

static FoundDefinition found_cache[FOUND_CACHE_SIZE];
static int	found_count = 0;
static uint64 found_counter = 0;	/* state_definitions_counter it was
									 * filled under */
static MemoryContext found_context = NULL;

static HTAB *plan_cache = NULL;
static MemoryContext plan_cache_context = NULL;
static uint64 plan_cache_installation = 0;

static HTAB *known_timeouts = NULL;

#define DEFINITION_COLUMNS \
	"d.id, d.name, d.version, d.status, d.owner::pg_catalog.oid, " \
	"CASE WHEN pg_catalog.jsonb_typeof(d.definition OPERATOR(pg_catalog.->) 'priority') " \
	"OPERATOR(pg_catalog.=) 'number' " \
	"THEN pg_catalog.int4(d.definition OPERATOR(pg_catalog.->) 'priority') ELSE 0 END, " \
	"d.definition OPERATOR(pg_catalog.->>) 'tenant', " \
	"CASE WHEN pg_catalog.jsonb_typeof(d.definition OPERATOR(pg_catalog.->) 'max_running') " \
	"OPERATOR(pg_catalog.=) 'number' " \
	"THEN pg_catalog.int4(d.definition OPERATOR(pg_catalog.->) 'max_running') ELSE 0 END, " \
	"COALESCE(d.definition OPERATOR(pg_catalog.->>) 'when_full' OPERATOR(pg_catalog.=) 'refuse'::pg_catalog.text, false), " \
	"EXISTS (SELECT FROM workflow.blocked_workflows AS b " \
	"WHERE b.workflow OPERATOR(pg_catalog.=) d.name AND b.unblocked_at IS NULL)"
#define DEFINITION_NCOLUMNS 10

#define DEFINITION_CHOICE \
	"AND ($2 OPERATOR(pg_catalog.=) 0 OR d.version OPERATOR(pg_catalog.=) $2) " \
	"ORDER BY CASE WHEN d.status OPERATOR(pg_catalog.=) 'active' THEN 0 " \
	"WHEN d.status OPERATOR(pg_catalog.=) 'deprecated' THEN 1 ELSE 2 END, " \
	"d.version DESC LIMIT 1"

static const Oid find_types[] = {TEXTOID, INT4OID};
static StateStatement find_by_name = {
	"SELECT " DEFINITION_COLUMNS " FROM workflow.definitions AS d "
	"WHERE d.name OPERATOR(pg_catalog.=) $1 " DEFINITION_CHOICE,
	2, find_types, NULL
};
static StateStatement find_by_workflow_id = {
	"SELECT " DEFINITION_COLUMNS " FROM workflow.definitions AS d "
	"WHERE d.workflow_id OPERATOR(pg_catalog.=) $1 " DEFINITION_CHOICE,
	2, find_types, NULL
};

static const Oid lock_types[] = {TEXTOID, JSONBOID, TEXTOID};
/*
 * as text: two numbers that are equal may still be written differently, 1 and
 * 1.0
 */
static StateStatement lock_newest = {
	"SELECT " DEFINITION_COLUMNS ", "
	"d.definition::pg_catalog.text OPERATOR(pg_catalog.=) $2::pg_catalog.text "
	"AND d.language OPERATOR(pg_catalog.=) $3 "
	"FROM workflow.definitions AS d "
	"WHERE d.name OPERATOR(pg_catalog.=) $1 "
	"ORDER BY d.version DESC LIMIT 1 FOR UPDATE",
	3, lock_types, NULL
};

static const Oid insert_types[] = {TEXTOID, INT4OID, TEXTOID, TEXTOID, TEXTOID,
REGROLEOID, TEXTOID, JSONBOID, JSONBOID, TEXTOID};
static StateStatement insert_definition = {
	"INSERT INTO workflow.definitions AS d (name, version, label, workflow_id, status, "
	"owner, description, document, definition, language) "
	/*
	 * a further version has the owner of the last, whose name, if there is no
	 * such role, is there alone
	 */
	"VALUES ($1, $2, $3, $4, $5, COALESCE((SELECT l.owner FROM workflow.definitions AS l "
	"WHERE l.name OPERATOR(pg_catalog.=) $1 AND l.owner::pg_catalog.oid OPERATOR(pg_catalog.=) $6::pg_catalog.oid "
	"ORDER BY l.version DESC LIMIT 1), workflow.role_of($6)), $7, $8, $9, $10) "
	"ON CONFLICT (name, version) DO NOTHING RETURNING d.id",
	lengthof(insert_types), insert_types, NULL
};

static const Oid timeout_types[] = {INT4OID};
static StateStatement timeout_statement = {
	"SELECT COALESCE(pg_catalog.int4(d.definition OPERATOR(pg_catalog.->) 'timeout_seconds'), 0)"
	" FROM workflow.definitions AS d WHERE d.id OPERATOR(pg_catalog.=) $1"
	" AND pg_catalog.jsonb_typeof(d.definition OPERATOR(pg_catalog.->) 'timeout_seconds')"
	" OPERATOR(pg_catalog.=) 'number'::pg_catalog.text",
	lengthof(timeout_types), timeout_types, NULL
};

static const Oid set_status_types[] = {INT4OID, TEXTOID};
static StateStatement update_status = {
	"UPDATE workflow.definitions AS d SET status = $2 "
	"WHERE d.id OPERATOR(pg_catalog.=) $1",
	2, set_status_types, NULL
};

/* $2 is $1 where there is no workflow_id */
static const Oid clash_types[] = {TEXTOID, TEXTOID};
static StateStatement find_clash = {
	"SELECT d.name FROM workflow.definitions AS d "
	"WHERE d.name OPERATOR(pg_catalog.<>) $1 "
	"AND (d.workflow_id OPERATOR(pg_catalog.=) $1 "
	"OR d.name OPERATOR(pg_catalog.=) $2 "
	"OR d.workflow_id OPERATOR(pg_catalog.=) $2) "
	"ORDER BY d.id LIMIT 1",
	2, clash_types, NULL
};
static StateStatement find_leading = {
	"SELECT EXISTS (SELECT FROM workflow.definitions AS d WHERE d.name OPERATOR(pg_catalog.=) $1), "
	"EXISTS (SELECT FROM workflow.definitions AS d WHERE d.name OPERATOR(pg_catalog.=) $1 "
	"AND d.workflow_id OPERATOR(pg_catalog.=) $2)",
	2, clash_types, NULL
};

static const Oid plan_types[] = {INT4OID};
static StateStatement select_document = {
	"SELECT d.definition::pg_catalog.text, d.language FROM workflow.definitions AS d "
	"WHERE d.id OPERATOR(pg_catalog.=) $1",
	1, plan_types, NULL
};

const char *
definition_status_name(DefinitionStatus status)
{
	return status_names[status];
}

bool
definition_status_find(const char *name, DefinitionStatus *status)
{
	for (int i = 0; i < NUM_DEFINITION_STATUSES; i++)
	{
		*status = (DefinitionStatus) i;
		if (strcmp(name, status_names[i]) == 0)
			return true;
	}
	return false;
}

static DefinitionStatus
status_from_name(const char *name)
{
	DefinitionStatus status;

	if (!definition_status_find(name, &status))
		elog(ERROR, "unknown status of a definition: \"%s\"", name);
	return status;
}

/*
 * The first row of SPI_tuptable as a definition, in the current memory context.
 */
static void
read_definition(Definition *definition)
{
	bool		isnull;

	definition->id = state_column_int32(0, 1);
	definition->name = state_column_text(0, 2);
	definition->version = state_column_int32(0, 3);
	definition->status = status_from_name(state_column_text(0, 4));
	definition->owner = DatumGetObjectId(state_column(0, 5, &isnull));
	definition->priority = state_column_int32(0, 6);
	definition->tenant = state_column_text(0, 7);
	definition->max_running = state_column_int32(0, 8);
	definition->refuse_when_full = DatumGetBool(state_column(0, 9, &isnull));
	definition->blocked = DatumGetBool(state_column(0, 10, &isnull));
}

/*
 * Look a definition up in what this process remembers.
 */
static bool
find_remembered(const char *workflow, int version, Definition *definition)
{
	if (found_counter != state_definitions_counter)
	{
		found_count = 0;
		if (found_context != NULL)
			MemoryContextReset(found_context);
		found_counter = state_definitions_counter;
	}
	for (int i = 0; i < found_count; i++)
	{
		if (found_cache[i].version == version &&
			strcmp(found_cache[i].workflow, workflow) == 0)
		{
			*definition = found_cache[i].definition;
			return true;
		}
	}
	return false;
}

/*
 * Remember what was found, unless something changed since the look-up began.
 * Under a transaction snapshot the answer may be older than the invalidations
 * already seen, so it is not for others to use.
 */
static void
remember(const char *workflow, int version, const Definition *definition,
		 uint64 counter)
{
	FoundDefinition *entry;
	MemoryContext oldcontext;

	if (counter != state_definitions_counter || IsolationUsesXactSnapshot())
		return;

	if (found_context == NULL)
		found_context = AllocSetContextCreate(TopMemoryContext,
											  "workflow definitions found",
											  ALLOCSET_SMALL_SIZES);
	if (found_count == FOUND_CACHE_SIZE)
	{
		found_count = 0;
		MemoryContextReset(found_context);
	}

	oldcontext = MemoryContextSwitchTo(found_context);
	entry = &found_cache[found_count];
	entry->workflow = pstrdup(workflow);
	entry->version = version;
	entry->definition = *definition;
	entry->definition.name = pstrdup(definition->name);
	if (definition->tenant != NULL)
		entry->definition.tenant = pstrdup(definition->tenant);
	MemoryContextSwitchTo(oldcontext);
	found_count++;
}

uint64
definitions_change(void)
{
	return state_definitions_counter;
}

bool
definition_find(const char *workflow, int version, Definition *definition)
{
	StateStatement *const statements[] = {&find_by_name, &find_by_workflow_id};
	Datum		values[2];
	uint64		counter;
	bool		found = false;

	state_check_installation();
	if (find_remembered(workflow, version, definition))
		return true;

	counter = state_definitions_counter;
	values[0] = CStringGetTextDatum(workflow);
	values[1] = Int32GetDatum(version);
	for (int i = 0; i < (int) lengthof(statements) && !found; i++)
	{
		found = state_query(statements[i], values, NULL, false, 1) > 0;
		if (found)
			read_definition(definition);
		state_done();
	}
	if (found)
		remember(workflow, version, definition, counter);
	return found;
}

bool
definition_lock_newest(const NewDefinition *new, Definition *newest, bool *same)
{
	Datum		values[3];
	bool		found;
	bool		isnull;

	values[0] = CStringGetTextDatum(new->name);
	values[1] = JsonbPGetDatum(new->normalised);
	values[2] = CStringGetTextDatum(new->language);
	found = state_query(&lock_newest, values, NULL, false, 1) > 0;
	if (found)
	{
		read_definition(newest);
		*same = DatumGetBool(state_column(0, DEFINITION_NCOLUMNS + 1, &isnull));
	}
	state_done();
	return found;
}

/*
 * Another version counts: what executions may run is for the scheduler to see
 * anew.
 */
static void
limits_changed(void)
{
	state_definitions_changed();
	wake_at_commit(WAKE_ADMISSION);
}

int
definition_insert(const NewDefinition *definition, int version)
{
	Datum		values[lengthof(insert_types)];
	char		nulls[lengthof(insert_types)];
	int			id = 0;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = CStringGetTextDatum(definition->name);
	values[1] = Int32GetDatum(version);
	state_set_text(values, nulls, 2, definition->label);
	state_set_text(values, nulls, 3, definition->workflow_id);
	values[4] = CStringGetTextDatum(definition_status_name(definition->status));
	values[5] = ObjectIdGetDatum(definition->owner);
	state_set_text(values, nulls, 6, definition->description);
	values[7] = JsonbPGetDatum(definition->document);
	values[8] = JsonbPGetDatum(definition->normalised);
	values[9] = CStringGetTextDatum(definition->language);

	if (state_query(&insert_definition, values, nulls, false, 0) > 0)
		id = state_column_int32(0, 1);
	state_done();

	if (id != 0)
		limits_changed();
	return id;
}

void
definition_set_status(int definition_id, DefinitionStatus status)
{
	Datum		values[2];

	values[0] = Int32GetDatum(definition_id);
	values[1] = CStringGetTextDatum(definition_status_name(status));
	state_execute(&update_status, values, NULL);
	limits_changed();
}

char *
definition_find_clash(const char *name, const char *workflow_id)
{
	Datum		values[2];
	char	   *clash = NULL;

	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(workflow_id != NULL ? workflow_id : name);
	if (state_query_newest(&find_clash, values, 1) > 0)
		clash = state_column_text(0, 1);
	state_done_newest();
	return clash;
}

/*
 * Sessions can take no advisory lock with this number at the end; 3 is that of
 * breakers.c.
 */
static void
lock_name(uint64 number)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (number >> 32),
						 (uint32) number, 4);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

static uint64
name_number(const char *name)
{
	return hash_bytes_extended((const unsigned char *) name, (int) strlen(name),
							   0);
}

bool
definition_lock_names(const char *name, const char *workflow_id)
{
	const char *names[] = {name, workflow_id != NULL ? workflow_id : name};
	uint64		numbers[lengthof(names)];
	int			count = 0;
	Datum		values[lengthof(names)];

	for (int i = 0; i < (int) lengthof(names); i++)
		values[i] = CStringGetTextDatum(names[i]);
	(void) state_query_newest(&find_leading, values, 1);
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		bool		isnull;
		bool		leads = DatumGetBool(state_column(0, i + 1, &isnull));

		if (!leads && (i == 0 || strcmp(names[i], name) != 0))
			numbers[count++] = name_number(names[i]);
	}
	state_done_newest();

	/* in one order, so that no two have one each and wait for the other */
	if (count == 2 && numbers[0] > numbers[1])
	{
		uint64		less = numbers[1];

		numbers[1] = numbers[0];
		numbers[0] = less;
	}
	for (int i = 0; i < count; i++)
		lock_name(numbers[i]);
	return count > 0;
}

/*
 * Make the table of plans.
 */
static void
create_plan_cache(void)
{
	HASHCTL		control;

	plan_cache_installation = state_installation;
	plan_cache_context = AllocSetContextCreate(TopMemoryContext,
											   "workflow plans",
											   ALLOCSET_SMALL_SIZES);
	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(int);
	control.entrysize = sizeof(CachedPlanEntry);
	control.hcxt = plan_cache_context;
	plan_cache = hash_create("workflow plans", 64, &control,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Build the plan of a definition in a context of its own, a child of the
 * current one so that an error takes it away.  NULL when there is none, if that
 * is no error.
 */
static WorkflowPlan *
build_plan(int definition_id, bool missing_ok, MemoryContext *context)
{
	Datum		value = Int32GetDatum(definition_id);
	char	   *document = NULL;
	char	   *name = NULL;
	const FrontEnd *language;
	ProblemList *problems;
	WorkflowPlan *plan;
	MemoryContext oldcontext;

	if (state_query(&select_document, &value, NULL, false, 1) > 0)
	{
		document = state_column_text(0, 1);
		name = state_column_text(0, 2);
	}
	state_done();
	if (document == NULL && missing_ok)
		return NULL;
	if (document == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("workflow definition with id %d does not exist",
						definition_id)));

	language = front_end_named(name);
	if (language == NULL && missing_ok)
		return NULL;
	if (language == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("language \"%s\" of a workflow definition is not supported by this version of pg_workflow",
						name),
				 errdetail("It is the definition with id %d.", definition_id),
				 errhint("Update the extension, or define the workflow again.")));

	problems = problem_list_create();
	*context = AllocSetContextCreate(CurrentMemoryContext, "workflow plan",
									 ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(*context);
	plan = plan_build(language, document, problems);
	MemoryContextSwitchTo(oldcontext);
	if ((plan == NULL || problems->errors > 0) && missing_ok)
		return NULL;
	if (plan == NULL || problems->errors > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored workflow definition with id %d is not valid",
						definition_id),
				 problems->count > 0 ?
				 errdetail("%s: %s", problems->items[0].path,
						   problems->items[0].message) : 0,
				 errhint("It was accepted by another version of the extension; define it again.")));
	pfree(document);
	pfree(name);
	return plan;
}

static WorkflowPlan *
find_plan(int definition_id, bool missing_ok)
{
	CachedPlanEntry *entry;
	MemoryContext context;
	WorkflowPlan *plan;
	bool		found;

	state_check_installation();

	/*
	 * Of another installation, which has other definitions by these ids.  The
	 * plans stay where they are: a step can drop the extension, and its thread
	 * still has one in its hands.
	 */
	if (plan_cache == NULL || plan_cache_installation != state_installation)
		create_plan_cache();
	entry = hash_search(plan_cache, &definition_id, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->plan;

	plan = build_plan(definition_id, missing_ok, &context);
	if (plan == NULL)
		return NULL;

	entry = hash_search(plan_cache, &definition_id, HASH_ENTER, &found);
	entry->context = context;
	entry->plan = plan;
	MemoryContextSetParent(context, plan_cache_context);
	return plan;
}

WorkflowPlan *
definition_plan(int definition_id)
{
	return find_plan(definition_id, false);
}

WorkflowPlan *
definition_plan_if_any(int definition_id)
{
	return find_plan(definition_id, true);
}

int
definition_timeout(int definition_id)
{
	KnownTimeout *known;
	Datum		value = Int32GetDatum(definition_id);
	int			timeout = 0;

	if (known_timeouts == NULL)
	{
		HASHCTL		control = {0};

		control.keysize = sizeof(int);
		control.entrysize = sizeof(KnownTimeout);
		known_timeouts = hash_create("workflow timeouts", 64, &control,
									 HASH_ELEM | HASH_BLOBS);
	}
	known = hash_search(known_timeouts, &definition_id, HASH_FIND, NULL);
	if (known != NULL)
		return known->timeout_seconds;

	if (state_query(&timeout_statement, &value, NULL, false, 1) > 0)
		timeout = state_column_int32(0, 1);
	state_done();
	known = hash_search(known_timeouts, &definition_id, HASH_ENTER, NULL);
	known->timeout_seconds = timeout;
	return timeout;
}

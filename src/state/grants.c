/*-------------------------------------------------------------------------
 *
 * grants.c
 *	  The table workflow.grants: who may start the executions of a workflow, and
 *	  steer or see those of others.
 *
 * NOTES
 *	  Runs in sessions and executors, in the caller's transaction.
 *
 *	  There is a row for each role that was granted a privilege.  What holds for
 *	  everybody has a row when it was granted or revoked, and until then starts
 *	  are what the setting workflow.default_execute says, and the others are not
 *	  allowed.  Owners grant themselves to see: whoever sees what others do is
 *	  in the table, for all to read.  Views ask for that in SQL
 *	  (workflow.seen_workflows).
 *
 *	  What was read is kept until any session changes a grant or a definition: a
 *	  change of grants announces itself as one of definitions, as a block does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "definition/plan.h"
#include "shared/settings.h"
#include "state/grants.h"
#include "state/private.h"
#include "state/row_cache.h"
#include "state/state.h"

typedef struct Grant
{
	Oid			role;			/* InvalidOid: everybody */
	Privilege	privilege;
	bool		granted;		/* false, of everybody only: revoked */
} Grant;

typedef struct WorkflowGrants
{
	char		workflow[PLAN_MAX_ID_LENGTH + 1];	/* hash key */
	int			count;
	Grant	   *grants;
} WorkflowGrants;

static RowCache cache = {
	.any = {"SELECT FROM workflow.grants LIMIT 1", 0, NULL, NULL},
	.keysize = PLAN_MAX_ID_LENGTH + 1,
	.entrysize = sizeof(WorkflowGrants),
	.flags = HASH_STRINGS
};

static const char *const privilege_names[] = {
	[PRIVILEGE_START] = "start",
	[PRIVILEGE_STEER] = "steer",
	[PRIVILEGE_SEE] = "see"
};

static const Oid workflow_types[] = {TEXTOID};
static StateStatement read_statement = {
	"SELECT g.role::pg_catalog.oid, g.privilege, g.granted FROM workflow.grants AS g"
	" WHERE g.workflow OPERATOR(pg_catalog.=) $1",
	lengthof(workflow_types), workflow_types, NULL
};

/*
 * by oid: a role that was granted it before it had another name is the same one
 */
#define IS_GRANT \
	"g.workflow OPERATOR(pg_catalog.=) $1 AND g.privilege OPERATOR(pg_catalog.=) $2" \
	" AND (g.role::pg_catalog.oid OPERATOR(pg_catalog.=) $3::pg_catalog.oid" \
	" OR (g.role IS NULL AND $3 IS NULL))"

static const Oid change_types[] = {TEXTOID, TEXTOID, REGROLEOID, BOOLOID,
								   REGROLEOID};
static StateStatement find_statement = {
	"SELECT g.granted FROM workflow.grants AS g WHERE " IS_GRANT,
	3, change_types, NULL
};
static StateStatement store_statement = {
	"INSERT INTO workflow.grants (workflow, privilege, role, granted, granted_by)"
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workflow, privilege, role) DO UPDATE"
	" SET granted = excluded.granted, granted_by = excluded.granted_by,"
	" granted_at = pg_catalog.clock_timestamp()",
	lengthof(change_types), change_types, NULL
};
static StateStatement delete_statement = {
	"DELETE FROM workflow.grants AS g WHERE " IS_GRANT,
	3, change_types, NULL
};
/* nobody has, or will have, the rights of roles that were dropped */
static StateStatement delete_missing_statement = {
	"DELETE FROM workflow.grants AS g"
	" WHERE g.workflow OPERATOR(pg_catalog.=) $1 AND workflow.role_missing(g.role)",
	lengthof(workflow_types), workflow_types, NULL
};
static StateStatement delete_all_statement = {
	"DELETE FROM workflow.grants AS g WHERE g.workflow OPERATOR(pg_catalog.=) $1",
	lengthof(workflow_types), workflow_types, NULL
};

const char *
privilege_name(Privilege privilege)
{
	return privilege_names[privilege];
}

static Privilege
privilege_from_name(const char *name)
{
	for (int i = 0; i < NUM_PRIVILEGES; i++)
		if (strcmp(name, privilege_names[i]) == 0)
			return (Privilege) i;
	elog(ERROR, "unknown privilege \"%s\"", name);
}

/* --- what is kept --- */

/* The grants of a workflow, valid until the next look. */
static const WorkflowGrants *
find_grants(HTAB *table, MemoryContext context, const char *workflow)
{
	Datum		argument;
	WorkflowGrants *entry;
	Grant	   *grants;
	int			count;

	entry = hash_search(table, workflow, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;

	argument = CStringGetTextDatum(workflow);
	count = (int) state_query_newest(&read_statement, &argument, 0);
	grants = MemoryContextAlloc(context, sizeof(Grant) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		bool		isnull;
		Datum		role = state_column(i, 1, &isnull);

		grants[i].role = isnull ? InvalidOid : DatumGetObjectId(role);
		grants[i].privilege = privilege_from_name(state_column_text(i, 2));
		grants[i].granted = DatumGetBool(state_column(i, 3, &isnull));
	}
	state_done_newest();
	entry = hash_search(table, workflow, HASH_ENTER, NULL);
	entry->count = count;
	entry->grants = grants;
	return entry;
}

bool
grants_allow(const char *workflow, Oid owner, Oid role, Privilege privilege)
{
	bool		everybody = privilege == PRIVILEGE_START &&
		setting_default_execute == DEFAULT_EXECUTE_ALL;
	MemoryContext context;
	HTAB	   *table = row_cache_table(&cache, &context);
	const WorkflowGrants *found;

	if (everybody && table == NULL)
		return true;
	if (OidIsValid(owner) && privilege != PRIVILEGE_SEE &&
		has_privs_of_role(role, owner))
		return true;
	if (table == NULL)
		return false;

	found = find_grants(table, context, workflow);
	for (int i = 0; i < found->count; i++)
	{
		const Grant *grant = &found->grants[i];

		if (grant->privilege != privilege)
			continue;
		if (!OidIsValid(grant->role))
			everybody = grant->granted;
		else if (has_privs_of_role(role, grant->role))
			return true;
	}
	return everybody;
}

/* --- changes --- */

/*
 * Have a row say whether it is granted, or have none where that is what it
 * comes to.  Returns false when it was so.
 */
static bool
change(const char *workflow, Oid role, Privilege privilege, bool granted)
{
	/*
	 * without a row everybody may start perhaps, and nobody has any other
	 * privilege
	 */
	bool		wants_row = granted ||
		(!OidIsValid(role) && privilege == PRIVILEGE_START);
	Datum		values[lengthof(change_types)];
	char		nulls[lengthof(change_types) + 1] = "     ";
	bool		has_row;
	bool		was_granted = false;
	bool		isnull;

	values[0] = CStringGetTextDatum(workflow);
	values[1] = CStringGetTextDatum(privilege_names[privilege]);
	values[2] = ObjectIdGetDatum(role);
	values[3] = BoolGetDatum(granted);
	values[4] = ObjectIdGetDatum(GetUserId());
	nulls[2] = OidIsValid(role) ? ' ' : 'n';

	(void) state_execute(&delete_missing_statement, values, NULL);
	has_row = state_query(&find_statement, values, nulls, false, 1) > 0;
	if (has_row)
		was_granted = DatumGetBool(state_column(0, 1, &isnull));
	state_done();
	if (has_row == wants_row && (!has_row || was_granted == granted))
		return false;
	state_execute(wants_row ? &store_statement : &delete_statement, values,
				  nulls);
	state_definitions_changed();
	return true;
}

bool
grant_privilege(const char *workflow, Oid role, Privilege privilege)
{
	return change(workflow, role, privilege, true);
}

bool
revoke_privilege(const char *workflow, Oid role, Privilege privilege)
{
	return change(workflow, role, privilege, false);
}

void
grants_delete(const char *workflow)
{
	Datum		argument = CStringGetTextDatum(workflow);

	if (state_execute(&delete_all_statement, &argument, NULL) > 0)
		state_definitions_changed();
}

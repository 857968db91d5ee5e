/*-------------------------------------------------------------------------
 *
 * role_limits.c
 *	  The table workflow.role_limits.
 *
 * NOTES
 *	  Runs in sessions and in the scheduler, in a transaction.  A limit that the
 *	  row of a role does not set is that of the row for all, if there is one.
 *	  What was read is kept until any session changes a limit or a definition,
 *	  as grants are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/syscache.h"

#include "shared/wake.h"
#include "state/private.h"
#include "state/role_limits.h"
#include "state/row_cache.h"
#include "state/state.h"

typedef struct CachedLimits
{
	Oid			role;			/* hash key */
	RoleLimits	limits;
} CachedLimits;

static const RoleLimits no_limits = {NO_LIMIT, NO_LIMIT, NO_LIMIT, NO_LIMIT,
									 NO_LIMIT};

static RowCache cache = {
	.any = {"SELECT FROM workflow.role_limits LIMIT 1", 0, NULL, NULL},
	.keysize = sizeof(Oid),
	.entrysize = sizeof(CachedLimits),
	.flags = HASH_BLOBS
};

static const Oid role_types[] = {OIDOID};
static StateStatement read_statement = {
	"SELECT COALESCE(r.max_pending, a.max_pending), COALESCE(r.max_running, a.max_running),"
	" COALESCE(r.max_priority, a.max_priority), COALESCE(r.max_payload_bytes, a.max_payload_bytes),"
	" COALESCE(r.max_executors, a.max_executors)"
	" FROM (SELECT $1 AS role) AS w"
	" LEFT JOIN workflow.role_limits AS r ON r.role::pg_catalog.oid OPERATOR(pg_catalog.=) w.role"
	" LEFT JOIN workflow.role_limits AS a ON a.role IS NULL",
	lengthof(role_types), role_types, NULL
};

static const Oid set_types[] = {REGROLEOID, INT4OID, INT4OID, INT4OID,
								INT4OID, INT4OID, REGROLEOID};
#define IS_ROLE \
	"(l.role::pg_catalog.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid OR (l.role IS NULL AND $1 IS NULL))"
static StateStatement same_statement = {
	"SELECT FROM workflow.role_limits AS l WHERE " IS_ROLE
	" AND ROW(l.max_pending, l.max_running, l.max_priority, l.max_payload_bytes, l.max_executors)::pg_catalog.text"
	" OPERATOR(pg_catalog.=) ROW($2, $3, $4, $5, $6)::pg_catalog.text",
	6, set_types, NULL
};
static StateStatement store_statement = {
	"INSERT INTO workflow.role_limits"
	" (role, max_pending, max_running, max_priority, max_payload_bytes, max_executors, set_by)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (role) DO UPDATE"
	" SET max_pending = excluded.max_pending, max_running = excluded.max_running,"
	" max_priority = excluded.max_priority, max_payload_bytes = excluded.max_payload_bytes,"
	" max_executors = excluded.max_executors,"
	" set_by = excluded.set_by, set_at = pg_catalog.clock_timestamp()",
	lengthof(set_types), set_types, NULL
};
static StateStatement delete_statement = {
	"DELETE FROM workflow.role_limits AS l WHERE " IS_ROLE,
	1, set_types, NULL
};
/* nobody runs as a role that was dropped */
static StateStatement delete_missing_statement = {
	"DELETE FROM workflow.role_limits AS l WHERE workflow.role_missing(l.role)",
	0, NULL, NULL
};

/* Column of the one row; NO_LIMIT for null. */
static int
limit_column(int column)
{
	bool		isnull;
	Datum		value = state_column(0, column, &isnull);

	return isnull ? NO_LIMIT : DatumGetInt32(value);
}

const RoleLimits *
role_limits(Oid role)
{
	Datum		argument = ObjectIdGetDatum(role);
	CachedLimits *entry;
	RoleLimits	limits;
	MemoryContext context;
	HTAB	   *table = row_cache_table(&cache, &context);

	if (table == NULL || superuser_arg(role))
		return &no_limits;
	entry = hash_search(table, &role, HASH_FIND, NULL);
	if (entry != NULL)
		return &entry->limits;

	(void) state_query_newest(&read_statement, &argument, 1);
	limits.max_pending = limit_column(1);
	limits.max_running = limit_column(2);
	limits.max_priority = limit_column(3);
	limits.max_payload_bytes = limit_column(4);
	limits.max_executors = limit_column(5);
	state_done_newest();
	entry = hash_search(table, &role, HASH_ENTER, NULL);
	entry->limits = limits;
	return &entry->limits;
}

int
role_max_executors(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	int			limit = role_limits(role)->max_executors;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_authid form = (Form_pg_authid) GETSTRUCT(tuple);

		if (!form->rolsuper && form->rolconnlimit >= 0)
			limit = Min(limit, form->rolconnlimit);
		ReleaseSysCache(tuple);
	}
	return limit;
}

bool
role_limits_set(Oid role, const RoleLimits *limits)
{
	const int	each[] = {limits->max_pending, limits->max_running,
						  limits->max_priority, limits->max_payload_bytes,
						  limits->max_executors};
	Datum		values[lengthof(set_types)];
	char		nulls[lengthof(set_types) + 1] = "       ";
	bool		any = false;
	bool		changed;

	values[0] = ObjectIdGetDatum(role);
	nulls[0] = OidIsValid(role) ? ' ' : 'n';
	for (int i = 0; i < (int) lengthof(each); i++)
	{
		values[1 + i] = Int32GetDatum(each[i]);
		nulls[1 + i] = each[i] == NO_LIMIT ? 'n' : ' ';
		any |= each[i] != NO_LIMIT;
	}
	values[6] = ObjectIdGetDatum(GetUserId());

	(void) state_execute(&delete_missing_statement, NULL, NULL);
	if (any)
	{
		changed = state_query(&same_statement, values, nulls, false, 1) == 0;
		state_done();
		if (changed)
			state_execute(&store_statement, values, nulls);
	}
	else
		changed = state_execute(&delete_statement, values, nulls) > 0;
	if (changed)
	{
		state_definitions_changed();
		wake_at_commit(WAKE_ADMISSION);
	}
	return changed;
}

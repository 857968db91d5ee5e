/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Names of workflows, agents and schedules that are like another one.
 *
 * NOTES
 *	  Sessions, inside a transaction, on the way to an error.  Definitions and
 *	  agents are seen by every role that may use workflows, a schedule by those
 *	  with the rights of its role.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "definition/names.h"
#include "state/names.h"
#include "state/private.h"
#include "state/state.h"

/* Not more names than these are looked at. */
#define NAMES_LIMIT 100000

#define OF_THIS_LENGTH(name) \
	" WHERE pg_catalog.octet_length(" name ") OPERATOR(pg_catalog.>=) $1 " \
	"AND pg_catalog.octet_length(" name ") OPERATOR(pg_catalog.<=) $2"

static const Oid length_types[] = {INT4OID, INT4OID};

static StateStatement statements[] = {
	[NAMED_WORKFLOW] = {
		"SELECT d.name, NULL::pg_catalog.oid FROM workflow.definitions AS d" OF_THIS_LENGTH("d.name")
		" UNION ALL SELECT d.workflow_id, NULL FROM workflow.definitions AS d" OF_THIS_LENGTH("d.workflow_id"),
		2, length_types, NULL
	},
	[NAMED_AGENT] = {
		"SELECT a.name, NULL::pg_catalog.oid FROM workflow.agents AS a" OF_THIS_LENGTH("a.name"),
		2, length_types, NULL
	},
	[NAMED_SCHEDULE] = {
		"SELECT s.name, s.role::pg_catalog.oid FROM workflow.schedule_entries AS s" OF_THIS_LENGTH("s.name"),
		2, length_types, NULL
	}
};

char *
name_nearest(NamedThing thing, const char *word, Oid role)
{
	int			length = (int) strlen(word);
	Datum		values[2] = {Int32GetDatum(length - NAME_MAX_DISTANCE),
							 Int32GetDatum(length + NAME_MAX_DISTANCE)};
	NameMap    *names = name_map_create(64);
	uint64		nrows = state_query(&statements[thing], values, NULL, false,
							   NAMES_LIMIT);
	const char *nearest;

	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;
		Oid			owner = DatumGetObjectId(state_column(i, 2, &isnull));

		if (isnull || has_privs_of_role(role, owner))
			(void) name_map_add(names, state_column_text(i, 1), 0);
	}
	state_done();
	nearest = name_map_nearest(names, word);
	name_map_free(names);
	return unconstify(char *, nearest);
}

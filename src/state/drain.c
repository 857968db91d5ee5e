/*-------------------------------------------------------------------------
 *
 * drain.c
 *	  The table workflow.database_state: are the workflows of this database to
 *	  run?
 *
 * NOTES
 *	  Written by sessions; a trigger has the scheduler woken at commit
 *	  (WAKE_DRAIN), who reads it then and when it starts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "state/drain.h"
#include "state/private.h"

static const char *const mode_names[] = {
	[DRAIN_NONE] = "none",
	[DRAIN_EXECUTIONS] = "executions",
	[DRAIN_STEPS] = "steps"
};

static StateStatement read_statement = {
	"SELECT drain, drained_by::pg_catalog.oid, drained_at, drain_reason FROM workflow.database_state",
	0, NULL, NULL
};

static const Oid set_types[] = {TEXTOID, REGROLEOID, TEXTOID};
static StateStatement set_statement = {
	"INSERT INTO workflow.database_state (drain, drained_by, drain_reason) VALUES ($1, $2, $3)"
	" ON CONFLICT (singleton) DO UPDATE SET drain = $1, drained_by = $2, drain_reason = $3,"
	" drained_at = pg_catalog.clock_timestamp()",
	lengthof(set_types), set_types, NULL
};

static StateStatement clear_statement = {
	"DELETE FROM workflow.database_state", 0, NULL, NULL
};

static StateStatement under_way_statement = {
	"SELECT 1 FROM workflow.executions"
	" WHERE status OPERATOR(pg_catalog.=) ANY ('{running,cancelling}'::pg_catalog.text[]) LIMIT 1",
	0, NULL, NULL
};

const char *
drain_mode_name(DrainMode mode)
{
	return mode_names[mode];
}

bool
drain_mode_find(const char *name, DrainMode *mode)
{
	for (int i = DRAIN_EXECUTIONS; i < (int) lengthof(mode_names); i++)
		if (strcmp(mode_names[i], name) == 0)
		{
			*mode = (DrainMode) i;
			return true;
		}
	return false;
}

void
drain_read(DrainState *state)
{
	memset(state, 0, sizeof(DrainState));
	state->mode = DRAIN_NONE;
	if (state_query(&read_statement, NULL, NULL, false, 1) > 0)
	{
		bool		isnull;

		(void) drain_mode_find(state_column_text(0, 1), &state->mode);
		state->drained_by = DatumGetObjectId(state_column(0, 2, &isnull));
		state->drained_at = DatumGetTimestampTz(state_column(0, 3, &isnull));
		state->reason = state_column_text(0, 4);
	}
	state_done();
}

void
drain_set(DrainMode mode, const char *reason)
{
	Datum		values[lengthof(set_types)];
	char		nulls[] = "   ";

	values[0] = CStringGetTextDatum(mode_names[mode]);
	values[1] = ObjectIdGetDatum(GetUserId());
	values[2] = reason ? CStringGetTextDatum(reason) : (Datum) 0;
	nulls[2] = reason ? ' ' : 'n';
	state_execute(&set_statement, values, nulls);
}

bool
drain_clear(void)
{
	return state_execute(&clear_statement, NULL, NULL) > 0;
}

bool
executions_under_way(void)
{
	bool		result = state_query(&under_way_statement, NULL, NULL, false, 1) > 0;

	state_done();
	return result;
}

/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  workflow.verify(): a row for each check of workflow.verify_checks();
 *	  workflow.script_objects(): what the install script creates.
 *
 * NOTES
 *	  Runs in sessions, with the rights of the caller, also on a standby and
 *	  where no process of ours is.  Each check is a query in a subtransaction of
 *	  its own, so that one that cannot be answered (a table is missing, a right,
 *	  somebody has locked the table) is a row and not the end.  Names are found
 *	  in pg_catalog only.
 *
 *	  Nothing is written and nobody waits for it: tables are locked as any query
 *	  does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"

#include "api/api.h"
#include "shared/identity.h"
#include "state/attempt.h"

extern PGDLLEXPORT Datum workflow_verify(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_script_objects(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_verify);
PG_FUNCTION_INFO_V1(workflow_script_objects);

/* At most so many rows for a check: what they have in common is the news. */
#define MAX_FINDINGS 20

#define VERIFY_COLUMNS 5
#define OBJECT_COLUMNS 5

typedef struct ScriptObject
{
	const char *kind;
	const char *name;
	const char *relation;
	const char *statement;
} ScriptObject;

static const ScriptObject script_objects[] = {
#include "script_objects.h"
};

typedef struct Check
{
	char	   *area;
	char	   *name;
	char	   *needs;			/* see verify_checks() */
	char	   *query;
} Check;

typedef struct Finding
{
	const char *status;
	const char *detail;
	const char *help;
} Finding;

/* What the queries are told. */
typedef struct Knowledge
{
	bool		full;			/* $1 */
	Datum		alerts;			/* $2, jsonb */
	ErrorData  *alerts_error;	/* why there are none */
	MemoryContext context;
} Knowledge;

/* A check on its way through attempt(). */
typedef struct CheckRun
{
	const Check *check;
	const Knowledge *known;
	MemoryContext context;		/* for the findings */
	List	   *findings;
} CheckRun;

/* --- what there should be --- */

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = (text == NULL);
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

/* Is it a routine that grant_usage() leaves out? */
static bool
object_is_owner_only(const ScriptObject *object)
{
	return (strcmp(object->kind, "function") == 0 ||
			strcmp(object->kind, "procedure") == 0) &&
		is_owner_only(object->relation);
}

/*
 * workflow.script_objects(OUT kind text, OUT name text, OUT relation text, OUT
 * statement text, OUT owner_only boolean) returns setof record
 *
 * What another version has is not known here.
 */
Datum
workflow_script_objects(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(script_objects) && library_fits(); i++)
	{
		const ScriptObject *object = &script_objects[i];
		Datum		values[OBJECT_COLUMNS];
		bool		nulls[OBJECT_COLUMNS] = {0};

		values[0] = text_or_null(object->kind, &nulls[0]);
		values[1] = text_or_null(object->name, &nulls[1]);
		values[2] = text_or_null(object->relation, &nulls[2]);
		values[3] = text_or_null(object->statement, &nulls[3]);
		values[4] = BoolGetDatum(object_is_owner_only(object));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* --- what there is --- */

/* A column of a row of SPI's as a string in a context, NULL for null. */
static char *
column(MemoryContext context, uint64 row, int number)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number);

	return value ? MemoryContextStrdup(context, value) : NULL;
}

static List *
read_checks(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *checks = NIL;

	SPI_connect();
	if (SPI_execute("SELECT c.area, c.check_name, c.needs, c.query FROM workflow.verify_checks() AS c",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the checks");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(context);
		Check	   *check = palloc0(sizeof(Check));

		check->area = column(context, i, 1);
		check->name = column(context, i, 2);
		check->needs = column(context, i, 3);
		check->query = column(context, i, 4);
		checks = lappend(checks, check);
		MemoryContextSwitchTo(oldcontext);
	}
	SPI_finish();
	return checks;
}

/*
 * What is behind "--" is to be read, and names in it are others': none may get
 * out of the comment.
 */
static void
keep_in_comment(char *help)
{
	if (help == NULL || strncmp(help, "--", 2) != 0)
		return;
	for (char *c = help; (c = strpbrk(c, "\n\r")) != NULL;)
		*c = ' ';
}

static void
add_finding(CheckRun *run, const char *status, const char *detail,
			const char *help)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(run->context);
	Finding    *finding = palloc0(sizeof(Finding));

	finding->status = status;
	finding->detail = detail;
	finding->help = help;
	run->findings = lappend(run->findings, finding);
	MemoryContextSwitchTo(oldcontext);
}

/* What alerts there are, once for all checks; in attempt(). */
static void
read_alerts(void *argument)
{
	Knowledge  *known = argument;
	MemoryContext oldcontext;
	bool		isnull;

	SPI_connect();
	if (SPI_execute("SELECT COALESCE(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(a)), '[]') FROM workflow.alerts AS a",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the alerts");
	oldcontext = MemoryContextSwitchTo(known->context);
	known->alerts = datumCopy(SPI_getbinval(SPI_tuptable->vals[0],
											SPI_tuptable->tupdesc, 1, &isnull),
							  false, -1);
	MemoryContextSwitchTo(oldcontext);
	SPI_finish();
}

/* Ask the question; in attempt(). */
static void
ask(void *argument)
{
	CheckRun   *run = argument;
	Oid			types[] = {BOOLOID, JSONBOID};
	Datum		values[] = {BoolGetDatum(run->known->full), run->known->alerts};
	char		nulls[] = {' ', run->known->alerts_error ? 'n' : ' '};

	SPI_connect();
	if (SPI_execute_with_args(run->check->query, lengthof(types), types, values,
							  nulls, false, MAX_FINDINGS + 1) != SPI_OK_SELECT)
		elog(ERROR, "check \"%s\" is not a query", run->check->name);
	for (uint64 i = 0; i < SPI_processed && i < MAX_FINDINGS; i++)
	{
		char	   *help = column(run->context, i, 3);

		keep_in_comment(help);
		add_finding(run, column(run->context, i, 1), column(run->context, i, 2),
					help);
	}
	if (SPI_processed > MAX_FINDINGS)
		add_finding(run, column(run->context, MAX_FINDINGS, 1),
					"and more of that", NULL);
	SPI_finish();
}

/* Does it ask for the alerts? */
static bool
needs_alerts(const Check *check)
{
	return strstr(check->query, "FROM alert AS") != NULL;
}

/*
 * What keeps the check from seeing all that it is about, and what helps; NULL:
 * nothing.
 */
static const char *
what_is_missing(const Check *check, const char **help)
{
	if (check->needs == NULL)
		return NULL;
	if (strcmp(check->needs, "script") == 0)
	{
		*help = NULL;
		return library_fits() ? NULL :
			"what there should be is known of the library's version only";
	}
	if (superuser())
		return NULL;
	if (strcmp(check->needs, "monitor") == 0)
	{
		*help = "-- as a member of pg_monitor, or a superuser";
		if (has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
			return NULL;
	}
	else
	{
		Oid			executions = get_relname_relid("executions", workflow_schema_oid());

		*help = "-- as a superuser, or the owner of the extension";
		if (check_enable_rls(executions, InvalidOid, true) != RLS_ENABLED)
			return NULL;
	}
	return psprintf("role %s is not shown all of it",
					quote_identifier(GetUserNameFromId(GetUserId(), false)));
}

/* It has found nothing wrong: what that is worth. */
static void
qualify(CheckRun *run)
{
	const char *help = NULL;
	const char *missing = what_is_missing(run->check, &help);

	if (missing != NULL)
	{
		run->findings = NIL;
		add_finding(run, "unknown", missing, help);
	}
	else if (run->findings == NIL)
		add_finding(run, "ok", NULL, NULL);
}

/*
 * It could not be answered: that alone is wrong, unless others, or another
 * library, could.
 */
static void
add_verdict_of_error(CheckRun *run, const ErrorData *error)
{
	const char *status = "unknown";
	const char *help = NULL;

	if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		help = "-- as a superuser, or the owner of the extension";
	else if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		help = "-- see SELECT * FROM pg_locks WHERE mode = 'AccessExclusiveLock'";
	else if (library_fits())
		status = "error";
	run->findings = NIL;
	add_finding(run, status, psprintf("cannot be checked: %s", error->message),
				help);
}

static bool
has_news(const CheckRun *run)
{
	ListCell   *cell;

	foreach(cell, run->findings)
		if (strcmp(((Finding *) lfirst(cell))->status, "ok") != 0)
			return true;
	return false;
}

/* What is well is told where nothing is wrong. */
static void
put_findings(ReturnSetInfo *result, CheckRun *run)
{
	bool		news = has_news(run);
	ListCell   *cell;

	foreach(cell, run->findings)
	{
		Finding    *finding = lfirst(cell);
		Datum		values[VERIFY_COLUMNS];
		bool		nulls[VERIFY_COLUMNS] = {0};

		if (news && strcmp(finding->status, "ok") == 0)
			continue;
		values[0] = CStringGetTextDatum(run->check->area);
		values[1] = CStringGetTextDatum(run->check->name);
		values[2] = CStringGetTextDatum(finding->status);
		values[3] = text_or_null(finding->detail, &nulls[3]);
		values[4] = text_or_null(finding->help, &nulls[4]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * Settings under which the queries mean what they say, and wait for no one:
 * back to the caller's with AtEOXact_GUC().
 */
static int
begin_looking(void)
{
	static const struct
	{
		const char *name;
		const char *value;
	}			settings[] = {
		{"search_path", OWNER_SEARCH_PATH},
		{"standard_conforming_strings", "on"},
		{"transform_null_equals", "off"},
		{"array_nulls", "on"},
		{"lock_timeout", "100ms"},
		/* compiling takes longer than looking */
		{"jit", "off"}
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(settings); i++)
		(void) set_config_option(settings[i].name, settings[i].value,
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	return level;
}

/*
 * workflow.verify(full boolean) returns setof record
 */
Datum
workflow_verify(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Knowledge	known = {.context = CurrentMemoryContext};
	int			level;
	ListCell   *cell;

	if (PG_ARGISNULL(0))
		refuse_null(fcinfo, "full");
	known.full = PG_GETARG_BOOL(0);
	InitMaterializedSRF(fcinfo, 0);
	level = begin_looking();
	known.alerts_error = attempt(read_alerts, &known);
	foreach(cell, read_checks())
	{
		CheckRun	run = {.check = lfirst(cell),.known = &known,.context = CurrentMemoryContext};
		ErrorData  *error = NULL;

		CHECK_FOR_INTERRUPTS();
		if (needs_alerts(run.check))
			error = known.alerts_error;
		if (error == NULL)
			error = attempt(ask, &run);
		if (error != NULL)
			add_verdict_of_error(&run, error);
		else if (!has_news(&run))
			qualify(&run);
		put_findings(result, &run);
	}
	AtEOXact_GUC(true, level);
	return (Datum) 0;
}

/*-------------------------------------------------------------------------
 *
 * define.c
 *	  workflow.define(), validate(), set_status(), explain().
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction.  Two sessions that define
 *	  the same name wait for each other on the row lock of its newest version,
 *	  or, when both saw the same newest version, on the unique key of the next;
 *	  for a name or workflow_id that is new, on a lock of that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "interpreter/evaluate.h"
#include "shared/compat.h"
#include "shared/identity.h"
#include "state/grants.h"
#include "state/jsonb_text.h"
#include "state/owners.h"
#include "state/state.h"

extern PGDLLEXPORT Datum workflow_define(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_validate(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_set_status(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum workflow_refuse_change(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(workflow_define);
PG_FUNCTION_INFO_V1(workflow_validate);
PG_FUNCTION_INFO_V1(workflow_set_status);
PG_FUNCTION_INFO_V1(workflow_refuse_change);

/*
 * The errors among the problems, one per line.
 */
char *
problem_details(const ProblemList *problems)
{
	StringInfoData detail;
	int			listed = 0;

	initStringInfo(&detail);
	for (int i = 0; i < problems->count; i++)
	{
		const Problem *problem = &problems->items[i];

		if (problem->severity != PROBLEM_ERROR)
			continue;
		if (detail.len > 0)
			appendStringInfoChar(&detail, '\n');
		if (problem->path[0] != '\0')
			appendStringInfo(&detail, "%s: ", problem->path);
		appendStringInfoString(&detail, problem->message);
		if (problem->hint != NULL)
			appendStringInfo(&detail, " (%s)", problem->hint);
		listed++;
	}
	if (problems->errors > listed)
		appendStringInfo(&detail, "\n... and %d more",
						 problems->errors - listed);
	return detail.data;
}

/*
 * Raise one error with everything that is wrong.
 */
static void
raise_problems(Jsonb *document, const ProblemList *problems)
{
	char	   *name = jsonb_member_string(document, "name");

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 name != NULL ?
			 errmsg_plural("workflow definition \"%s\" has %d error",
						   "workflow definition \"%s\" has %d errors",
						   problems->errors, name, problems->errors) :
			 errmsg_plural("workflow definition has %d error",
						   "workflow definition has %d errors",
						   problems->errors, problems->errors),
			 errdetail_internal("%s", problem_details(problems)),
			 errhint("workflow.validate() returns the same as rows.")));
}

void
raise_warnings(const ProblemList *problems)
{
	for (int i = 0; i < problems->count; i++)
	{
		const Problem *problem = &problems->items[i];

		if (problem->severity == PROBLEM_WARNING)
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("%s: %s", problem->path, problem->message),
					 problem->hint != NULL ? errhint("%s", problem->hint) : 0));
	}
}

static DefinitionStatus
required_status(const char *name)
{
	const char *known[NUM_DEFINITION_STATUSES];
	DefinitionStatus status;

	if (definition_status_find(name, &status))
		return status;
	for (int i = 0; i < NUM_DEFINITION_STATUSES; i++)
		known[i] = definition_status_name((DefinitionStatus) i);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid status of a workflow definition: \"%s\"", name),
			 errhint("%s", hint_about_word(name, known, lengthof(known)))));
}

/*
 * Only the owner and who may be that role change a definition: what the owner
 * has scheduled runs the newest version, as the owner.
 */
static void
check_owner(const Definition *definition)
{
	if (!compat_may_act_as(GetUserId(), definition->owner))
		refuse_foreign_owner("workflow", definition->name, definition->owner,
							 NULL);
}

/*
 * Log what became of a workflow: a version with its status, after perhaps
 * another one or another status.
 */
static void
audit_workflow(const char *action, const char *name, const char *version_before,
			   const char *version_after)
{
	AuditEntry	entry = {.action = action,.subject_type = "workflow",.subject = name};

	entry.before = version_before ? jsonb_from_text(version_before) : NULL;
	entry.after = jsonb_from_text(version_after);
	audit(&entry);
}

static char *
version_text(int version, DefinitionStatus status)
{
	return psprintf("{\"version\": %d, \"status\": \"%s\"}", version,
					definition_status_name(status));
}

/*
 * Store a checked document: the version that exists when it is the newest
 * one's, else the next one.  Returns the version.
 */
static int
store_definition(NewDefinition *new, bool ours)
{
	for (;;)
	{
		Definition	newest;
		bool		same;
		int			version = 1;
		char	   *before = NULL;

		if (definition_lock_newest(new, &newest, &same))
		{
			/*
			 * what somebody made under a reserved name is not taken over, but
			 * superseded
			 */
			bool		foreign = ours && newest.owner != new->owner;

			if (!ours)
				check_owner(&newest);
			if (same && !foreign)
			{
				if (newest.status != new->status)
				{
					definition_set_status(newest.id, new->status);
					audit_workflow("define", new->name,
								   version_text(newest.version, newest.status),
								   version_text(newest.version, new->status));
					ereport(NOTICE,
							(errmsg("status of version %d of workflow \"%s\" changed from \"%s\" to \"%s\"",
									newest.version, newest.name,
									definition_status_name(newest.status),
									definition_status_name(new->status))));
				}
				return newest.version;
			}
			version = newest.version + 1;
			before = version_text(newest.version, newest.status);
			if (!ours)
				new->owner = newest.owner;
		}

		/* no id: another session took the number, and is through with it */
		if (definition_insert(new, version) != 0)
		{
			/* of a workflow of this name that was deleted */
			if (version == 1)
				grants_delete(new->name);
			audit_workflow("define", new->name, before,
						   version_text(version, new->status));
			return version;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/* A name or workflow_id that does not lead to the workflow yet. */
static void
check_new_name(const char *name, const char *workflow)
{
	Definition	definition;

	refuse_reserved_name("workflow", name);
	if (!definition_find(name, 0, &definition) ||
		strcmp(definition.name, workflow) != 0)
		require_namespace("workflow", name);
}

/* A name must lead to one definition, whoever asks. */
static void
refuse_clash(const NewDefinition *new)
{
	char	   *clash = definition_find_clash(new->name, new->workflow_id);

	if (clash != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("name or workflow_id of workflow \"%s\" is already used by workflow \"%s\"",
						new->name, clash),
				 errhint("Choose another \"name\" or \"workflow_id\".")));
}

/*
 * Make sure that the names lead to this workflow only, until the end of the
 * transaction.
 */
static void
claim_names(const NewDefinition *new, bool ours)
{
	Definition	newest;
	bool		same;

	/*
	 * who waits for a name keeps no name or row of somebody else's locked
	 * meanwhile
	 */
	refuse_clash(new);
	/*
	 * the row comes first: set_status() has locked it when the transaction goes
	 * on with define()
	 */
	if (definition_lock_newest(new, &newest, &same) && !ours)
		check_owner(&newest);
	/* whom we waited for may have used them */
	if (definition_lock_names(new->name, new->workflow_id))
		refuse_clash(new);
}

/*
 * Check a document and store it, for the caller or as one of the extension's
 * own.
 */
static int
define(Jsonb *document, DefinitionStatus status, bool ours)
{
	ProblemList *problems = problem_list_create();
	NewDefinition new;
	const FrontEnd *language;
	char	   *normalised;

	normalised = check_definition(document, problems, &language);
	if (normalised == NULL)
		raise_problems(document, problems);
	raise_warnings(problems);

	memset(&new, 0, sizeof(new));
	new.document = document;
	new.normalised = jsonb_from_text(normalised);
	new.name = jsonb_member_string(new.normalised, "name");
	new.label = jsonb_member_string(new.normalised, "version");
	new.workflow_id = jsonb_member_string(new.normalised, "workflow_id");
	new.description = jsonb_member_string(new.normalised, "description");
	new.language = language->name;
	new.status = status;
	new.owner = ours ? extension_owner() : GetUserId();
	if (!ours)
	{
		check_new_name(new.name, new.name);
		if (new.workflow_id != NULL)
			check_new_name(new.workflow_id, new.name);
	}

	claim_names(&new, ours);
	return store_definition(&new, ours);
}

int
define_own(const char *document)
{
	return define(jsonb_from_text(document), DEFINITION_ACTIVE, true);
}

/*
 * workflow.define(definition jsonb, status text) returns integer
 */
Datum
workflow_define(PG_FUNCTION_ARGS)
{
	Jsonb	   *document = required_jsonb(fcinfo, 0, "definition");
	DefinitionStatus status = required_status(
		required_text(fcinfo, 1, "status"));

	PG_RETURN_INT32(define(document, status, false));
}

/*
 * workflow.validate(definition jsonb) returns setof (severity, path, step_id,
 * message, hint)
 */
Datum
workflow_validate(PG_FUNCTION_ARGS)
{
	Jsonb	   *document = PG_GETARG_JSONB_P(0);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ProblemList *problems = problem_list_create();

	state_check_installation();
	InitMaterializedSRF(fcinfo, 0);
	(void) check_definition(document, problems, NULL);

	for (int i = 0; i < problems->count; i++)
	{
		const Problem *problem = &problems->items[i];
		const char *texts[5];
		Datum		values[5];
		bool		nulls[5];

		texts[0] = problem->severity == PROBLEM_ERROR ? "error" : "warning";
		texts[1] = problem->path;
		texts[2] = problem->step_id;
		texts[3] = problem->message;
		texts[4] = problem->hint;
		for (int column = 0; column < (int) lengthof(texts); column++)
		{
			nulls[column] = texts[column] == NULL;
			values[column] = nulls[column] ? (Datum) 0 :
				CStringGetTextDatum(texts[column]);
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * workflow.set_status(workflow text, version integer, status text) returns void
 */
Datum
workflow_set_status(PG_FUNCTION_ARGS)
{
	char	   *workflow = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			version = version_argument(fcinfo, 1);
	DefinitionStatus status = required_status(
		text_to_cstring(PG_GETARG_TEXT_PP(2)));
	Definition	definition;
	Oid			owner;

	require_definition(workflow, version, &definition);
	check_owner(&definition);
	/* as by lock_to_steer(); what is given may be its workflow_id */
	(void) owner_lock_workflow(pstrdup(definition.name), &owner);
	require_definition(workflow, version, &definition);
	check_owner(&definition);
	if (definition.status != status)
	{
		audit_workflow("set_status", definition.name,
					   version_text(definition.version, definition.status),
					   version_text(definition.version, status));
		definition_set_status(definition.id, status);
	}
	PG_RETURN_VOID();
}

/*
 * Trigger of workflow.definitions: versions are immutable, since executions and
 * the plans kept by processes rest on them.
 */
Datum
workflow_refuse_change(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a version of a workflow definition cannot be changed"),
			 errhint("Use workflow.define() to store a new version.")));
	PG_RETURN_NULL();
}

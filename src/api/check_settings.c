/*-------------------------------------------------------------------------
 *
 * check_settings.c
 *	  Checks of the "settings" of a definition: is there such a setting, and can
 *	  it have that value?
 *
 * NOTES
 *	  Runs in sessions, in the caller's transaction; catalogs may be read.
 *
 *	  A definition is valid or not whoever defines it, in whatever session.  So
 *	  an error is only what no session of this server could SET; what depends on
 *	  rights, on roles that may be created later, or on libraries that may not
 *	  be loaded here, is a warning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "api/api.h"
#include "definition/names.h"
#include "shared/compat.h"
#include "state/attempt.h"

/* The prefix of our own settings: this library is always loaded. */
#define OWN_PREFIX "workflow."

/*
 * The setting of this name, NULL when this process knows none.  What somebody
 * has only SET, as a variable of his own, is none.
 */
static struct config_generic *
find_setting(const char *name)
{
	int			count;
	struct config_generic **all = compat_all_settings(&count);

	for (int i = 0; i < count; i++)
		if (pg_strcasecmp(all[i]->name, name) == 0)
			return (all[i]->flags & GUC_CUSTOM_PLACEHOLDER) != 0 ? NULL :
																   all[i];
	return NULL;
}

/*
 * The setting most like the name, as a hint.
 */
static char *
setting_meant(const char *name)
{
	int			count;
	struct config_generic **all = compat_all_settings(&count);
	NameMap    *names = name_map_create(count);
	char	   *lower = pstrdup(name);
	const char *nearest;

	for (char *c = lower; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	for (int i = 0; i < count; i++)
		if ((all[i]->flags & (GUC_CUSTOM_PLACEHOLDER | GUC_NO_SHOW_ALL)) == 0)
			name_map_add(names, all[i]->name, i);
	nearest = name_map_nearest(names, lower);
	name_map_free(names);
	return did_you_mean(nearest);
}

/*
 * Does the library that defines settings with this prefix belong to this
 * session?
 */
static bool
prefix_is_loaded(const char *name)
{
	size_t		length = strchr(name, '.') - name + 1;
	int			count;
	struct config_generic **all = compat_all_settings(&count);

	for (int i = 0; i < count; i++)
		if ((all[i]->flags & GUC_CUSTOM_PLACEHOLDER) == 0 &&
			pg_strncasecmp(all[i]->name, name, length) == 0)
			return true;
	return false;
}

/*
 * Could SET have this value?  Else an error.  As for ALTER ROLE .. SET
 * (PGC_S_TEST) what is missing in this database is none, but a notice.  Checks
 * of values may read catalogs: in a subtransaction.
 */
static void
try_setting(void *argument)
{
	const PlanSetting *setting = argument;

	(void) set_config_option(setting->name, setting->value, PGC_SUSET,
							 PGC_S_TEST, GUC_ACTION_SAVE, false, 0, false);
}

/*
 * Settings whose values are judged by what the session has done, is or may;
 * only their names are checked.
 */
static bool
value_is_of_session(const char *name)
{
	static const char *const names[] = {
		"log_executor_stats", "log_parser_stats", "log_planner_stats",
		"log_statement_stats", "temp_buffers", "transaction_deferrable",
		"transaction_isolation", "transaction_read_only"
	};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (pg_strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

static bool
names_role(const char *name)
{
	return pg_strcasecmp(name, "role") == 0 ||
		pg_strcasecmp(name, "session_authorization") == 0;
}

/*
 * The role may be created before the workflow is started, and the starter
 * decides.
 */
static void
check_role_setting(const PlanSetting *setting, const char *step_id,
				   const char *path, ProblemList *problems)
{
	if (pg_strcasecmp(setting->name, "role") == 0 &&
		strcmp(setting->value, "none") == 0)
		return;
	if (!OidIsValid(get_role_oid(setting->value, true)))
		problem_add(problems, PROBLEM_WARNING, path, step_id,
					"The step fails unless the role is created.",
					"role \"%s\" does not exist", setting->value);
}

/*
 * What this role may not set others may: the role that starts the workflow sets
 * it.
 */
static void
check_right(const struct config_generic *known, const char *step_id,
			const char *path, ProblemList *problems)
{
	if (known->context == PGC_SUSET &&
		pg_parameter_aclcheck(known->name, GetUserId(), ACL_SET) != ACLCHECK_OK)
		problem_add(problems, PROBLEM_WARNING, path, step_id,
					psprintf("The step fails unless the role that starts the workflow is a superuser or has been granted SET ON PARAMETER %s.",
							 known->name),
					"role \"%s\" is not allowed to set \"%s\"",
					GetUserNameFromId(GetUserId(), false), known->name);
}

/*
 * Check one setting.
 */
void
check_setting(const PlanSetting *setting, const char *step_id, const char *path,
			  ProblemList *problems)
{
	bool		dotted = strchr(setting->name, '.') != NULL;
	bool		ours = pg_strncasecmp(setting->name, OWN_PREFIX, strlen(OWN_PREFIX)) == 0;
	const struct config_generic *known = find_setting(setting->name);
	ProblemSeverity severity = dotted && !ours ? PROBLEM_WARNING :
												 PROBLEM_ERROR;
	ErrorData  *error = NULL;

	if (known == NULL)
	{
		/*
		 * anybody may SET variables of his own; of a library that is here not
		 */
		if (!dotted || ours || prefix_is_loaded(setting->name))
			problem_add(problems, severity, path, step_id,
						setting_meant(setting->name),
						"there is no setting \"%s\"", setting->name);
		return;
	}
	if (names_role(known->name))
	{
		check_role_setting(setting, step_id, path, problems);
		return;
	}
	check_right(known, step_id, path, problems);
	if (!value_is_of_session(known->name))
		error = attempt(try_setting, unconstify(PlanSetting *, setting));
	if (error != NULL)
	{
		/* the role that starts the workflow may have what this one lacks */
		if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
			severity = PROBLEM_WARNING;
		problem_add(problems, severity, path, step_id,
					error->hint != NULL ? error->hint : error->detail, "%s",
					error->message);
		FreeErrorData(error);
	}
}

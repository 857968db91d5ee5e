/*-------------------------------------------------------------------------
 *
 * trust.c
 *	  Whose workflows and agents a role runs as they are now:
 *	  workflow.trusted_owners.
 *
 * NOTES
 *	  A step runs as the role that started the execution, and is what the owner of
 *	  the workflow, or of its agent, has written.  A version of a workflow does not
 *	  change, so one that was asked for by its number was looked at; the newest one,
 *	  and an agent, is what the owner says at that moment.
 *
 *	  Sessions and executors.  By default everybody is trusted, which costs one
 *	  comparison for each start and each call of an agent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "shared/trust.h"

#define EVERYBODY "*"

char	   *setting_trusted_owners = NULL;

/* Only the syntax: roles come and go, and a name may be set before there is one. */
static bool
check_trusted_owners(char **newval, void **extra pg_attribute_unused(), GucSource source pg_attribute_unused())
{
	char	   *names = pstrdup(*newval);
	List	   *list = NIL;
	bool		valid = SplitIdentifierString(names, ',', &list);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(list);
	pfree(names);
	return valid;
}

void
define_trust_setting(void)
{
	DefineCustomStringVariable("workflow.trusted_owners",
							   "Roles whose workflows are started without a version, and whose agents are called.",
							   "A list of names; \"*\" stands for all roles.",
							   &setting_trusted_owners, EVERYBODY,
							   PGC_USERSET, GUC_LIST_INPUT, check_trusted_owners, NULL, NULL);
}

bool
owner_is_trusted(Oid owner, Oid role)
{
	List	   *list = NIL;
	ListCell   *cell;
	bool		trusted = false;

	if (strcmp(setting_trusted_owners, EVERYBODY) == 0 || has_privs_of_role(owner, role))
		return true;
	if (!SplitIdentifierString(pstrdup(setting_trusted_owners), ',', &list))
		return false;
	foreach(cell, list)
	{
		const char *name = lfirst(cell);
		Oid			listed = get_role_oid(name, true);

		if (strcmp(name, EVERYBODY) == 0 ||
			(OidIsValid(listed) && is_member_of_role_nosuper(owner, listed)))
			trusted = true;
	}
	list_free(list);
	return trusted;
}

/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  Limits of what runs: how much there is, and how much there may be.
 *
 * NOTES
 *	  Scheduler only.  What runs is counted by workflow, tenant and role; limits
 *	  and blocks are read again when anything that says them has changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "scheduler/limits.h"
#include "shared/settings.h"
#include "state/blocks.h"
#include "state/role_limits.h"

static HTAB *workflows = NULL;
static HTAB *tenants = NULL;
static HTAB *roles = NULL;		/* by their OID in words */

void
limits_initialize(void)
{
	HASHCTL		control = {0};

	control.hcxt = live_context;
	control.keysize = PLAN_MAX_ID_LENGTH + 1;
	control.entrysize = sizeof(Limited);
	workflows = hash_create("workflow limits", 64, &control,
							HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	tenants = hash_create("workflow tenants", 64, &control,
						  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	roles = hash_create("workflow limited roles", 16, &control,
						HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/* The entry of a workflow or tenant, made when it is new; NULL for no name. */
static Limited *
limited(HTAB *table, const char *name)
{
	bool		found;
	Limited    *entry;

	if (name == NULL || name[0] == '\0')
		return NULL;
	entry = hash_search(table, name, HASH_ENTER, &found);
	if (!found)
	{
		entry->running = 0;
		entry->ngroups = 0;
		dlist_init(&entry->waiting);
		entry->read_at = PG_UINT64_MAX;
		entry->max_running = 0;
		entry->refuse_when_full = false;
		entry->blocked = entry->blocked_for_all = false;
	}
	return entry;
}

Limited *
limited_workflow(const char *name)
{
	return limited(workflows, name);
}

Limited *
limited_tenant(const char *name)
{
	return limited(tenants, name);
}

Limited *
limited_role(Oid role)
{
	char		name[16];
	Limited    *entry;

	snprintf(name, sizeof(name), "%u", role);
	entry = limited(roles, name);
	if (entry->read_at == PG_UINT64_MAX)
		entry->max_running = NO_LIMIT;
	return entry;
}

/* Tenants can be many: forget one that nothing is counted for. */
void
forget_unused(Limited *tenant)
{
	if (tenant != NULL && tenant->running == 0 && tenant->ngroups == 0)
		hash_search(tenants, tenant->name, HASH_REMOVE, NULL);
}

/*
 * What the newest definition says, if anything has changed.  Needs a
 * transaction.
 */
void
read_limits(Limited *workflow)
{
	uint64		change = definitions_change();
	Definition	definition;
	WorkflowBlock block;

	if (workflow->read_at == change)
		return;
	if (definition_find(workflow->name, 0, &definition))
	{
		workflow->max_running = definition.max_running;
		workflow->refuse_when_full = definition.refuse_when_full;
		workflow->blocked = definition.blocked;
		workflow->blocked_for_all = definition.blocked &&
			block_find(workflow->name, InvalidOid, &block);
	}
	workflow->read_at = change;
}

/* The same of the limits of a role. */
void
read_role(Limited *entry, Oid role)
{
	uint64		change = definitions_change();

	if (entry->read_at == change)
		return;
	entry->max_running = role_limits(role)->max_running;
	entry->read_at = change;
}

/*
 * May the role not have executions of the workflow run?  Limits were read.
 * Needs a transaction.
 */
bool
is_blocked_for(const Limited *workflow, Oid role)
{
	WorkflowBlock block;

	return workflow->blocked &&
		(workflow->blocked_for_all || block_find(workflow->name, role, &block));
}

int
room_of_workflow(const Limited *workflow)
{
	return workflow->max_running > 0 ?
		workflow->max_running - workflow->running :
		INT_MAX;
}

int
room_of_tenant(const Limited *tenant)
{
	return tenant != NULL && setting_max_running_per_tenant > 0
		? setting_max_running_per_tenant - tenant->running : INT_MAX;
}

int
room_of_role(const Limited *role)
{
	return role->max_running != NO_LIMIT ? role->max_running - role->running :
										   INT_MAX;
}

bool
any_is_blocked(void)
{
	HASH_SEQ_STATUS status;
	Limited    *workflow;
	bool		any = false;

	hash_seq_init(&status, workflows);
	while ((workflow = hash_seq_search(&status)) != NULL)
	{
		if (workflow->running == 0)
			continue;
		read_limits(workflow);
		any |= workflow->blocked;
	}
	return any;
}

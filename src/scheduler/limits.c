/*-------------------------------------------------------------------------
 *
 * limits.c
 *	  Limits of what runs: how much there is, and how much there may be.
 *
 * NOTES
 *	  Scheduler only.  A limit is a kind, a name and a maximum.  What runs is
 *	  counted for one name of each kind, or for none; kinds differ in how the
 *	  maximum is read, which is here, and in nothing else.  Maxima and blocks
 *	  are read again when anything that says them has changed.
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

static uint64 per_tenant(void);
static void read_workflow(Limited *workflow);
static void read_tenant(Limited *tenant);
static void read_role(Limited *role);

typedef struct KindInfo
{
	const char *table;			/* in memory */
	bool		many;			/* names come and go: unused ones are
								 * forgotten */
	uint64		(*change) (void);	/* moves when maxima may have changed */
	void		(*read) (Limited *entry);	/* its maximum; in a transaction */
} KindInfo;

static const KindInfo kinds[LIMIT_KINDS] =
	{[LIMIT_WORKFLOW] = {"workflow limits", false, definitions_change,
						 read_workflow},
	 [LIMIT_TENANT] = {"workflow tenants", true, per_tenant, read_tenant},
	 [LIMIT_ROLE] = {"workflow limited roles", false, definitions_change,
					 read_role}};

static HTAB *tables[LIMIT_KINDS];

void
limits_initialize(void)
{
	HASHCTL		control = {0};

	control.hcxt = live_context;
	control.keysize = PLAN_MAX_ID_LENGTH + 1;
	control.entrysize = sizeof(Limited);
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		tables[kind] = hash_create(kinds[kind].table, 64, &control,
								   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/* The entry, made when it is new; NULL for no name. */
static Limited *
limited(LimitKind kind, const char *name)
{
	bool		found;
	Limited    *entry;

	if (name == NULL || name[0] == '\0')
		return NULL;
	entry = hash_search(tables[kind], name, HASH_ENTER, &found);
	if (!found)
	{
		entry->kind = kind;
		entry->running = 0;
		entry->maximum = NO_LIMIT;
		entry->ngroups = 0;
		dlist_init(&entry->waiting);
		entry->read_at = PG_UINT64_MAX;
		entry->refuse_when_full = false;
		entry->blocked = entry->blocked_for_all = false;
	}
	return entry;
}

/* Named by its OID, in words. */
Limited *
limited_role(Oid role)
{
	static Oid	last_role = InvalidOid; /* claims are by role */
	static Limited *last = NULL;
	char		name[16];

	if (last == NULL || role != last_role)
	{
		snprintf(name, sizeof(name), "%u", role);
		last = limited(LIMIT_ROLE, name);
		last_role = role;
	}
	return last;
}

static Oid
oid_of(const Limited *role)
{
	return (Oid) strtoul(role->name, NULL, 10);
}

void
limits_named(const GroupName *names, Limits *limits)
{
	limits->of[LIMIT_WORKFLOW] = limited(LIMIT_WORKFLOW, names->workflow);
	limits->of[LIMIT_TENANT] = limited(LIMIT_TENANT, names->tenant);
	limits->of[LIMIT_ROLE] = limited_role(names->role);
}

GroupName
limits_names(const Limits *limits)
{
	const Limited *tenant = limits->of[LIMIT_TENANT];
	GroupName	names;

	names.workflow = limits->of[LIMIT_WORKFLOW]->name;
	names.tenant = tenant != NULL ? tenant->name : "";
	names.role = oid_of(limits->of[LIMIT_ROLE]);
	return names;
}

void
limits_of(const ClaimedExecution *claimed, Limits *limits)
{
	GroupName	names;

	names.workflow = claimed->workflow;
	names.tenant = claimed->tenant;
	names.role = claimed->role;
	limits_named(&names, limits);
}

void
forget_unused(Limited *entry)
{
	if (entry != NULL && kinds[entry->kind].many && entry->running == 0 &&
		entry->ngroups == 0)
		hash_search(tables[entry->kind], entry->name, HASH_REMOVE, NULL);
}

void
limits_forget(const Limits *limits)
{
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		forget_unused(limits->of[kind]);
}

/* --- maxima --- */

/* What the newest definition says. */
static void
read_workflow(Limited *workflow)
{
	Definition	definition;
	WorkflowBlock block;

	if (!definition_find(workflow->name, 0, &definition))
		return;
	workflow->maximum = definition.max_running > 0 ? definition.max_running :
													 NO_LIMIT;
	workflow->refuse_when_full = definition.refuse_when_full;
	workflow->blocked = definition.blocked;
	workflow->blocked_for_all = definition.blocked &&
		block_find(workflow->name, InvalidOid, &block);
}

static void
read_role(Limited *role)
{
	role->maximum = role_limits(oid_of(role))->max_running;
}

/* One setting says it for all. */
static uint64
per_tenant(void)
{
	return (uint64) setting_max_running_per_tenant;
}

static void
read_tenant(Limited *tenant)
{
	tenant->maximum = setting_max_running_per_tenant > 0 ?
		setting_max_running_per_tenant :
		NO_LIMIT;
}

void
read_limit(Limited *entry)
{
	uint64		change = kinds[entry->kind].change();

	if (entry->read_at == change)
		return;
	kinds[entry->kind].read(entry);
	entry->read_at = change;
}

void
read_limits(const Limits *limits)
{
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		if (limits->of[kind] != NULL)
			read_limit(limits->of[kind]);
}

/* --- room --- */

int
room_of(const Limited *entry)
{
	return entry->maximum == NO_LIMIT ? INT_MAX :
		entry->maximum - entry->running;
}

int
room_of_all(const Limits *limits)
{
	int			room = INT_MAX;

	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		if (limits->of[kind] != NULL)
			room = Min(room, room_of(limits->of[kind]));
	return room;
}

Limited *
first_full(const Limits *limits)
{
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		if (limits->of[kind] != NULL && room_of(limits->of[kind]) <= 0)
			return limits->of[kind];
	return NULL;
}

/* --- blocks --- */

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

bool
any_is_blocked(void)
{
	HASH_SEQ_STATUS status;
	Limited    *workflow;
	bool		any = false;

	hash_seq_init(&status, tables[LIMIT_WORKFLOW]);
	while ((workflow = hash_seq_search(&status)) != NULL)
	{
		if (workflow->running == 0)
			continue;
		read_limit(workflow);
		any |= workflow->blocked;
	}
	return any;
}

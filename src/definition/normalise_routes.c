/*-------------------------------------------------------------------------
 *
 * normalise_routes.c
 *	  Tells conditionals that route from those that contain their branches.
 *
 * NOTES
 *	  Pure: any process, no locks, no transaction.
 *
 *	  A conditional with a next_step contains its branch: one step, behind which
 *	  the conditional's own next_step carries on.  One without a next_step has
 *	  nothing to carry on with; when a step of its branches says itself what
 *	  follows, or is named in a second place too, the author has drawn a fork in
 *	  the road, and each branch becomes a jump.  That is possible only where
 *	  jumps are: in the chain of the workflow, not inside a container.
 *
 *	  Linear in the number of steps.
 *
 *-------------------------------------------------------------------------
 */
#include "definition/normaliser.h"

/* A conditional names a step as its branch. */
typedef struct Branch
{
	int			from;			/* draft of the conditional */
	int			to;				/* draft of the step */
	int			other;			/* next branch to the same step, -1 = none */
} Branch;

typedef struct Routing
{
	const Normaliser *normaliser;
	Branch	   *branches;		/* two places for each draft: 2 * from, 2 *
								 * from + 1 */
	int		   *to;				/* by draft: first branch to it, -1 = none */
	int		   *named;			/* by draft: places of the chain that name it */
	bool	   *may;			/* by draft: a conditional that may route */
	bool	   *routes;			/* by draft */
	int		   *stack;
	int			height;
} Routing;

/*
 * The id in a field of a step, NULL when there is none.
 */
static const char *
named_step(const Json *step, const char *field)
{
	if (json_kind(step) != JSON_OBJECT)
		return NULL;
	for (const Json *member = json_first(step); member != NULL;
		 member = json_next(member))
		if (strcmp(canonical_step_field(json_key(member)), field) == 0)
			return json_kind(member) == JSON_STRING ? json_string(member) :
													  NULL;
	return NULL;
}

/*
 * Is the step inside a container other than a conditional's branch?
 */
static bool
is_held(const Normaliser *normaliser, int index)
{
	const Draft *draft = &normaliser->drafts[index];

	return draft->parent >= 0 || draft->duplicate ||
		(draft->id != NULL && name_map_get(normaliser->held, draft->id) >= 0);
}

/*
 * Take down who names whom.
 */
static void
collect_branches(Routing *routing)
{
	static const char *const fields[] = {"if_true_step", "if_false_step"};
	const Normaliser *normaliser = routing->normaliser;

	for (int i = 0; i < normaliser->ndrafts; i++)
	{
		const Json *step = normaliser->drafts[i].source;
		const Json *type = json_kind(step) == JSON_OBJECT ?
			json_get(step, "type") :
			NULL;
		StepType	known;
		bool		is_conditional = type != NULL && json_kind(type) == JSON_STRING &&
			step_type_named(json_string(type), &known) && step_type_has(known, TRAIT_CHOOSES);
		const char *next = named_step(step, "next_step");
		int			follower = next != NULL ? name_map_get(normaliser->ids, next) : -1;

		if (follower >= 0 && !is_held(normaliser, i))
			routing->named[follower]++;
		routing->may[i] = is_conditional && next == NULL &&
			!is_held(normaliser, i);
		for (int k = 0; k < 2; k++)
		{
			Branch	   *branch = &routing->branches[2 * i + k];
			const char *id = is_conditional ? named_step(step, fields[k]) :
											  NULL;

			branch->from = i;
			branch->to = id != NULL ? name_map_get(normaliser->ids, id) : -1;
			if (branch->to < 0)
				continue;
			branch->other = routing->to[branch->to];
			routing->to[branch->to] = 2 * i + k;
			routing->named[branch->to]++;
		}
		if (is_conditional && !routing->may[i])
			routing->stack[routing->height++] = i;
	}
}

/*
 * What a conditional contains cannot route: go down from those that contain.
 */
static void
rule_out_contained(Routing *routing)
{
	while (routing->height > 0)
	{
		int			from = routing->stack[--routing->height];

		for (int k = 0; k < 2; k++)
		{
			int			to = routing->branches[2 * from + k].to;

			if (to < 0 || !routing->may[to])
				continue;
			routing->may[to] = false;
			routing->stack[routing->height++] = to;
		}
	}
}

/*
 * Does the branch lead to a step that belongs to the chain?
 */
static bool
goes_on(const Routing *routing, const Branch *branch)
{
	const Draft *drafts = routing->normaliser->drafts;
	const char *next = named_step(drafts[branch->to].source, "next_step");

	/* Back to the conditional means: that is where it belongs. */
	if (next != NULL && strcmp(next, drafts[branch->from].id) != 0)
		return true;
	return routing->named[branch->to] > 1;
}

/*
 * Who leads to a conditional that routes has to route too.
 */
static void
find_routes(Routing *routing)
{
	for (int i = 0; i < 2 * routing->normaliser->ndrafts; i++)
	{
		const Branch *branch = &routing->branches[i];

		if (branch->to < 0 || !routing->may[branch->from] ||
			routing->routes[branch->from] || !goes_on(routing, branch))
			continue;
		routing->routes[branch->from] = true;
		routing->stack[routing->height++] = branch->from;
	}
	while (routing->height > 0)
	{
		int			to = routing->stack[--routing->height];

		for (int i = routing->to[to]; i >= 0; i = routing->branches[i].other)
		{
			int			from = routing->branches[i].from;

			if (!routing->may[from] || routing->routes[from])
				continue;
			routing->routes[from] = true;
			routing->stack[routing->height++] = from;
		}
	}
}

/*
 * Find the conditionals that route.  Needs all ids, and who is held.
 */
static void
mark_routes(Normaliser *normaliser)
{
	int			count = normaliser->ndrafts;
	Routing		routing;

	memset(&routing, 0, sizeof(routing));
	routing.normaliser = normaliser;
	routing.branches = palloc(sizeof(Branch) * 2 * Max(count, 1));
	routing.to = palloc(sizeof(int) * Max(count, 1));
	routing.named = palloc0(sizeof(int) * Max(count, 1));
	routing.may = palloc0(sizeof(bool) * Max(count, 1));
	routing.routes = palloc0(sizeof(bool) * Max(count, 1));
	routing.stack = palloc(sizeof(int) * Max(count, 1));
	for (int i = 0; i < count; i++)
		routing.to[i] = -1;

	collect_branches(&routing);
	rule_out_contained(&routing);
	find_routes(&routing);
	for (int i = 0; i < count; i++)
		normaliser->drafts[i].routes = routing.routes[i];

	pfree(routing.branches);
	pfree(routing.to);
	pfree(routing.named);
	pfree(routing.may);
	pfree(routing.routes);
	pfree(routing.stack);
}

/*
 * Make jumps of the branches of the conditionals that route.
 */
void
normaliser_make_jumps(Normaliser *normaliser)
{
	mark_routes(normaliser);
	for (int i = 0; i < normaliser->njumps; i++)
	{
		const MaybeJump *jump = &normaliser->jumps[i];

		if (!normaliser->drafts[jump->draft].routes)
			continue;
		json_wrap(jump->id, "next_step");
		normaliser->current = jump->draft;
		normaliser_moved(normaliser, psprintf("%s.next_step", jump->place.path),
						 jump->place.given);
	}
	normaliser->current = -1;
}

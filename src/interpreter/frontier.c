/*-------------------------------------------------------------------------
 *
 * frontier.c
 *	  Where a scope goes on, from its rows.
 *
 * NOTES
 *	  Pure, see frontier.h: no server, no transaction.
 *
 *	  Of a chain nothing is kept but where it stands: a row costs the same
 *	  however long the chain is.  Of a graph each step and each edge is looked
 *	  at once, however the rows come.
 *
 *-------------------------------------------------------------------------
 */
#include "interpreter/frontier.h"

#include "port/pg_bitutils.h"

#define BITS 64
#define words_of(n) (((n) + BITS - 1) / BITS)

static void
set_ready(Frontier *frontier, int position)
{
	int			word = position / BITS;

	frontier->ready[word] |= UINT64CONST(1) << (position % BITS);
	frontier->ready_words[word / BITS] |= UINT64CONST(1) << (word % BITS);
}

static void
clear_ready(Frontier *frontier, int position)
{
	int			word = position / BITS;

	frontier->ready[word] &= ~(UINT64CONST(1) << (position % BITS));
	if (frontier->ready[word] == 0)
		frontier->ready_words[word / BITS] &= ~(UINT64CONST(1)
												<< (word % BITS));
}

void
frontier_begin(Frontier *frontier, const WorkflowPlan *plan,
			   const PlanScope *scope)
{
	int			nwords = words_of(scope->nnodes);

	memset(frontier, 0, sizeof(Frontier));
	frontier->plan = plan;
	frontier->scope = scope;
	frontier->at = scope->first;
	if (!scope->is_graph)
		return;

	frontier->waits_for = palloc(sizeof(int) * scope->nnodes);
	memcpy(frontier->waits_for, scope->dependencies,
		   sizeof(int) * scope->nnodes);
	frontier->has_ended = palloc0(sizeof(bool) * scope->nnodes);
	frontier->ready = palloc0(sizeof(uint64) * nwords);
	frontier->ready_words = palloc0(sizeof(uint64) * words_of(nwords));
	for (int i = 0; i < scope->nnodes; i++)
		if (scope->dependencies[i] == 0)
			set_ready(frontier, i);
}

/*
 * A step of a graph has ended: those that have waited for it alone are ready.
 */
static void
end_step(Frontier *frontier, const PlanNode *node)
{
	const int  *successors;
	int			count;

	if (frontier->has_ended[node->position])
		return;
	frontier->has_ended[node->position] = true;
	clear_ready(frontier, node->position);
	count = scope_successors(frontier->plan, node, &successors);
	for (int i = 0; i < count; i++)
	{
		int			position = frontier->plan->nodes[successors[i]].position;

		/* its own row may have come before this one */
		if (--frontier->waits_for[position] == 0 &&
			!frontier->has_ended[position])
			set_ready(frontier, position);
	}
}

void
frontier_add(Frontier *frontier, const FrontierRow *rows, int nrows)
{
	for (int i = 0; i < nrows; i++)
	{
		const FrontierRow *row = &rows[i];
		const PlanNode *node = &frontier->plan->nodes[row->node];

		if (frontier->scope->is_graph)
		{
			/* what is open, or runs again, stays ready */
			frontier->ended |= (row->stand == STAND_ENDED_SCOPE);
			if (row->stand == STAND_ENDED || row->stand == STAND_ENDED_SCOPE)
				end_step(frontier, node);
			continue;
		}
		frontier->ended = (row->stand == STAND_ENDED_SCOPE);
		switch (row->stand)
		{
			case STAND_OPEN:
			case STAND_AGAIN:
				frontier->at = row->node;
				break;
			case STAND_ENDED:
				frontier->at = row->leads_to >= 0 ? row->leads_to :
					scope_next(frontier->plan, node);
				break;
			case STAND_ENDED_SCOPE:
				frontier->at = -1;
				break;
		}
	}
}

int
frontier_next(const Frontier *frontier)
{
	int			nwords;

	if (frontier->ended)
		return -1;
	if (!frontier->scope->is_graph)
		return frontier->at;
	nwords = words_of(words_of(frontier->scope->nnodes));
	for (int i = 0; i < nwords; i++)
	{
		int			word;

		if (frontier->ready_words[i] == 0)
			continue;
		word = i * BITS + pg_rightmost_one_pos64(frontier->ready_words[i]);
		return frontier->scope->nodes[word * BITS + pg_rightmost_one_pos64(frontier->ready[word])];
	}
	return -1;
}

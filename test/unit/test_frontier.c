/*-------------------------------------------------------------------------
 *
 * test_frontier.c
 *	  Unit tests of where a scope goes on: the same whoever asks, and when.
 *
 *-------------------------------------------------------------------------
 */
#include "documents.h"

#include "graphs.h"
#include "interpreter/frontier.h"

/* Where a scope goes on by these rows. */
static int
next_by(const WorkflowPlan *plan, const FrontierRow *rows, int nrows, bool *ended)
{
	Frontier	frontier;

	frontier_begin(&frontier, plan, plan_scope(plan, NULL, 0));
	frontier_add(&frontier, rows, nrows);
	*ended = frontier.ended;
	return frontier_next(&frontier);
}

static void
test_chain(void)
{
	ProblemList *problems = problem_list_create();
	char	   *stored = definition_normalise(quoted(
		STEPS(AGENT_TO("d", "c") ", " AGENT_TO("a", "b") ", " AGENT_TO("b", "d") ", " AGENT("c"))),
		TEST_NESTING, NULL, problems);
	WorkflowPlan *plan = stored != NULL ? plan_build(&front_end_native, stored, problems) : NULL;
	static const char *const order[] = {"a", "b", "d", "c"};
	FrontierRow rows[4];
	bool		ended;

	CHECK(plan != NULL, "there is a plan");
	if (plan == NULL)
		return;
	for (int i = 0; i < 4; i++)
	{
		FrontierRow *row = &rows[i];
		int			here = plan_find(plan, order[i])->index;
		int			next = i < 3 ? plan_find(plan, order[i + 1])->index : -1;

		CHECK(next_by(plan, rows, i, &ended) == here && !ended, "%s is next", order[i]);
		*row = (FrontierRow) {here, STAND_OPEN, -1};
		CHECK(next_by(plan, row, 1, &ended) == here && !ended, "%s is open", order[i]);
		*row = (FrontierRow) {here, STAND_AGAIN, -1};
		CHECK(next_by(plan, row, 1, &ended) == here && !ended, "%s runs again", order[i]);
		*row = (FrontierRow) {here, STAND_ENDED_SCOPE, -1};
		CHECK(next_by(plan, row, 1, &ended) == -1 && ended, "%s has ended its scope", order[i]);
		*row = (FrontierRow) {here, STAND_ENDED, rows[0].node};
		CHECK(next_by(plan, row, 1, &ended) == rows[0].node && !ended, "%s leads back", order[i]);
		*row = (FrontierRow) {here, STAND_ENDED, -1};
		CHECK(next_by(plan, row, 1, &ended) == next && next_by(plan, rows, i + 1, &ended) == next &&
			  !ended, "%s has ended: its row says as much as all of them", order[i]);
	}
}

/* The lowest step that has not ended and depends on none that has not, by the builder's list. */
static int
next_in_words(const Builder *builder, const bool *has_ended)
{
	for (int i = 0; i < builder->plan->nnodes; i++)
	{
		bool		ready = !has_ended[i];

		for (int k = 0; ready && k < builder->ndependencies; k++)
			ready = builder->dependencies[k].node != i || has_ended[builder->dependencies[k].on];
		if (ready)
			return i;
	}
	return -1;
}

/*
 * One process takes the steps of a graph one after the other.  At each of them a frontier that
 * is made of all rows so far, the newest first, says the same as the one that has got them one
 * by one: so it does not matter who goes on.
 */
static void
test_graph(const char *name, Builder *builder, bool compare)
{
	WorkflowPlan *plan = builder->plan;
	int			nnodes = plan->nnodes;
	bool	   *has_ended = palloc0(sizeof(bool) * nnodes);
	FrontierRow *rows = palloc(sizeof(FrontierRow) * nnodes);
	int			out_of_order = 0;
	int			unlike = 0;
	int			steps = 0;
	int			waited_for = 0;
	Frontier	frontier;
	bool		ended;

	build_scopes(builder);
	frontier_begin(&frontier, plan, plan_scope(plan, NULL, 0));
	for (int next; (next = frontier_next(&frontier)) >= 0 && steps < nnodes; steps++)
	{
		FrontierRow *row = &rows[nnodes - 1 - steps];

		if (compare)
		{
			out_of_order += (next != next_in_words(builder, has_ended));
			unlike += (next != next_by(plan, row + 1, steps, &ended) || ended);
		}
		*row = (FrontierRow) {next, steps % 2 == 0 ? STAND_OPEN : STAND_AGAIN, -1};
		frontier_add(&frontier, row, 1);
		unlike += (next != frontier_next(&frontier));
		row->stand = STAND_ENDED;
		frontier_add(&frontier, row, 1);
		has_ended[next] = true;
	}
	CHECK(steps == nnodes && frontier_next(&frontier) == -1 && !frontier.ended, "%s: all steps, each once", name);
	CHECK(out_of_order == 0 && unlike == 0, "%s: by index, whoever goes on", name);

	/* what was counted down from the number of edges to nothing was done as often as there are edges */
	for (int i = 0; i < nnodes; i++)
		waited_for += frontier.waits_for[i] != 0;
	CHECK(waited_for == 0, "%s: each edge once", name);
}

static void
test_diamond(void)
{
	Builder    *builder = bare_builder(4);
	FrontierRow rows[] = {
		{0, STAND_ENDED, -1}, {2, STAND_ENDED, -1}, {2, STAND_ENDED, -1}, {1, STAND_OPEN, -1}
	};
	FrontierRow failed = {1, STAND_ENDED_SCOPE, -1};
	Frontier	frontier;

	plan_depend(builder, 1, 0);
	plan_depend(builder, 2, 0);
	plan_depend(builder, 3, 1);
	plan_depend(builder, 3, 2);
	build_scopes(builder);
	frontier_begin(&frontier, builder->plan, &builder->plan->scopes[0]);
	CHECK(frontier_next(&frontier) == 0, "a diamond begins with its first step");
	frontier_add(&frontier, rows, 1);
	CHECK(frontier_next(&frontier) == 1, "then the one with the lower index");
	frontier_add(&frontier, rows + 1, 3);
	CHECK(frontier_next(&frontier) == 1 && frontier.waits_for[3] == 1, "the last waits for both, each counts once");
	frontier_add(&frontier, &failed, 1);
	CHECK(frontier_next(&frontier) == -1 && frontier.ended, "nothing follows what ended the scope");
}

int
main(void)
{
	test_chain();
	test_diamond();
	for (uint32 seed = 0; seed < 20; seed++)
		test_graph(psprintf("graph %u", seed), any_graph(seed, 12 + (int) seed * 12, 1 + seed % 5), true);
	test_graph("2,000 steps with a fan-in of 1,000", wide_graph(), false);
	test_graph("2,000 steps, any graph", any_graph(7, 2000, 6), false);
	return done_testing();
}

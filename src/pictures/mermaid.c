/*-------------------------------------------------------------------------
 *
 * mermaid.c
 *	  A plan as a Mermaid flowchart, with the states of an execution's steps.
 *
 * NOTES
 *	  Runs in sessions.  A step is a node.  A container is a node that says what
 *	  it is, its head, and a frame around that and what it has in it; where its
 *	  children come together again there is a dot.  Edges lead from node to node
 *	  only: of edges to and from frames Mermaid 10 cannot draw a few levels.
 *
 *	  What undoes steps and what is run on failure has a frame of its own at the
 *	  end, in the order in which it would run.
 *
 *	  Nodes are named by their index in the plan, so that no id can be one of
 *	  Mermaid's words; other people's text is in quoted labels only.  Recursion
 *	  is bounded by PLAN_MAX_NESTING.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "definition/plan_scope.h"
#include "definition/steps/conditional.h"
#include "definition/steps/loop.h"
#include "definition/steps/step_types.h"
#include "definition/steps/terminal.h"
#include "pictures/pictures.h"
#include "pictures/words.h"

/*
 * Mermaid itself refuses charts with more than 500 edges or 50,000 characters.
 */
#define MAX_NODES 400
#define MAX_EDGES 450
#define MAX_NODE_TEXT 32000
#define MAX_LABEL 60

typedef struct Chart
{
	const WorkflowPlan *plan;
	const SpanTree *tree;		/* of an execution; NULL: the plan alone */
	bool	   *drawn;			/* by node */
	int		   *order;			/* nodes in the order in which they were
								 * drawn */
	int			ndrawn;
	int			nedges;			/* at most, of the nodes so far */
	uint32		classes;		/* used, a bit for each state */
	StringInfoData out;
	StringInfoData edges;		/* after all nodes, so that an edge creates
								 * none */
} Chart;

static void draw_node(Chart *chart, int index, int indent);

/*
 * Of an execution of somebody else a chart has what steps are called, not what
 * they say.
 */
static bool
shows_texts(const Chart *chart)
{
	return chart->tree == NULL || chart->tree->texts;
}

static void
begin_line(Chart *chart, int indent)
{
	appendStringInfoSpaces(&chart->out, indent * 4);
}

/* The node at which a step begins: of a container its head. */
static char *
entry_of(const Chart *chart, int index)
{
	bool		container = step_is_container(&chart->plan->nodes[index]);

	return psprintf("%c%d", container ? 'h' : 'n', index);
}

/*
 * The node from which it goes on: of most containers the dot where their
 * children meet.
 */
static char *
exit_of(const Chart *chart, int index)
{
	const PlanNode *node = &chart->plan->nodes[index];

	if (step_is_container(node) && !step_iterates(node))
		return psprintf("j%d", index);
	return entry_of(chart, index);
}

/* What is written on the edge by which the scope goes on behind a step. */
static const char *
text_of_exit(const PlanNode *node)
{
	return step_iterates(node) ? "done" : NULL;
}

/*
 * Does its scope go on behind a step?  Not behind one that ends the execution,
 * or where all ways out of a question lead elsewhere or end it.
 */
static bool
goes_on(const Chart *chart, const PlanNode *node)
{
	const WorkflowPlan *plan = chart->plan;

	if (!step_chooses(node))
		return !step_is_terminal(node);
	if (conditional_part(node)->default_line < 0)
		return true;
	for (int line = 0; line < node->nlines; line++)
	{
		const PlanScope *scope = plan_scope(plan, node, line);

		for (int i = 0; i < scope->nnodes; i++)
			if (scope->edges[i] == scope->edges[i + 1] &&
				goes_on(chart, &plan->nodes[scope->nodes[i]]))
				return true;
	}
	return false;
}

/*
 * An edge between two nodes.  text: on it, or NULL.
 */
static void
draw_edge(Chart *chart, const char *from, const char *to, const char *arrow,
		  const char *text)
{
	appendStringInfo(&chart->edges, "    %s %s", from, arrow);
	if (text != NULL)
	{
		appendStringInfoString(&chart->edges, "|\"");
		append_mermaid(&chart->edges,
					   clip_text(plain_text(text), MAX_LABEL, "..."));
		appendStringInfoString(&chart->edges, "\"|");
	}
	appendStringInfo(&chart->edges, " %s\n", to);
}

/*
 * The same to the beginning of a step, or to what stands for those that are not
 * drawn.
 */
static void
draw_edge_to(Chart *chart, const char *from, int to, const char *arrow,
			 const char *text)
{
	draw_edge(chart, from, chart->drawn[to] ? entry_of(chart, to) : "more",
			  arrow, text);
}

/* --- states --- */

/* How a step is shown: by SpanStatus, then what is none of those. */
#define STATE_PARTLY NUM_SPAN_STATUSES
#define STATE_NOT_YET (NUM_SPAN_STATUSES + 1)

typedef struct State
{
	const char *name;			/* of its class */
	const char *fill;
	const char *stroke;
	const char *color;
	const char *dashes;			/* or NULL */
} State;

static const State states[] = {
	{"completed", "#d3f2df", "#2e9d5b", "#12361f", NULL},
	{"failed", "#fbdcde", "#d1343f", "#4a1115", NULL},
	{"timedOut", "#fbe3d2", "#c2571a", "#4a2209", NULL},
	{"cancelled", "#e6e1f3", "#8a7bb8", "#2b2345", NULL},
	{"skipped", "#eceff2", "#9aa4ae", "#3b4249", "4 3"},
	{"running", "#d8e9fc", "#2f7fd6", "#0c2b4d", NULL},
	{"waiting", "#fdf1cc", "#d9a514", "#40310a", NULL},
	{"partly", "#fdeecb", "#d1343f", "#3d2f06", NULL},
	{"notYet", "#ffffff", "#9aa4ae", "#656d76", "2 3"}
};

/*
 * The state of a step by what became of its attempts.
 */
static int
state_of(const StepTotals *totals)
{
	/* what is going on, then what went wrong, then what went well */
	static const SpanStatus order[] = {
		SPAN_RUNNING, SPAN_WAITING, SPAN_FAILED, SPAN_TIMED_OUT, SPAN_CANCELLED,
		SPAN_COMPLETED, SPAN_SKIPPED
	};

	for (int i = 0; i < (int) lengthof(order); i++)
	{
		if (totals->by_status[order[i]] == 0)
			continue;
		if (span_status_is_bad(order[i]) &&
			totals->by_status[SPAN_COMPLETED] > 0)
			return STATE_PARTLY;
		return order[i];
	}
	return STATE_NOT_YET;
}

/*
 * The name of its class, which is defined in the end; of the plan alone there
 * are none.
 */
static void
append_class(Chart *chart, const PlanNode *node)
{
	int			state;

	if (chart->tree == NULL)
		return;
	state = state_of(&chart->tree->totals[node->index]);
	chart->classes |= 1 << state;
	appendStringInfo(&chart->out, ":::%s", states[state].name);
}

static void
define_classes(Chart *chart)
{
	for (int i = 0; i < (int) lengthof(states); i++)
		if ((chart->classes & (1 << i)) != 0)
			appendStringInfo(&chart->out,
							 "    classDef %s fill:%s,stroke:%s,color:%s%s%s\n",
							 states[i].name, states[i].fill, states[i].stroke,
							 states[i].color,
							 states[i].dashes != NULL ? ",stroke-dasharray:" :
														"",
							 states[i].dashes != NULL ? states[i].dashes : "");
}

/*
 * Attempts at a step in words, for its label.
 */
static void
append_totals(Chart *chart, const StepTotals *totals)
{
	StringInfo	out = &chart->out;
	int			shown = 0;
	int64		ended = 0;

	for (int i = 0; i < NUM_SPAN_STATUSES; i++)
		ended += totals->by_status[i];
	for (int i = 0; i < NUM_SPAN_STATUSES; i++)
		if (totals->by_status[i] > 0)
			appendStringInfo(out, "%s%s%s%s", shown++ > 0 ? ", " : "",
							 ended > 1 ? count_text(totals->by_status[i]) : "",
							 ended > 1 ? " " : "",
							 span_status_name((SpanStatus) i));
	if (totals->by_status[SPAN_SKIPPED] < totals->attempts)
		appendStringInfo(out, ", %s%s",
						 duration_text(totals->total_ms / totals->attempts),
						 totals->attempts > 1 ? " each" : "");
	if (totals->attempts > ended)
		appendStringInfo(out, ", %s attempts", count_text(totals->attempts));
}

/* --- nodes --- */

/*
 * What a step does, in a few words of its definition; NULL: there are none.
 */
static const char *
subject_of(const Chart *chart, const PlanNode *node)
{
	const StepTypeInfo *info = step_types[node->type];

	return info->subject != NULL ? info->subject(node, shows_texts(chart)) :
								   NULL;
}

/* By whom, since when and why the execution waits in front of a step. */
static void
append_held(Chart *chart, const PlanNode *node)
{
	const TraceExecution *execution = chart->tree != NULL ?
		chart->tree->execution :
		NULL;

	for (int i = 0; execution != NULL && execution->completed_at == 0 &&
		 i < execution->nmarks;
		 i++)
	{
		const TraceMark *mark = &execution->marks[i];

		if (!mark->holds || strcmp(mark->step_id, node->id) != 0)
			continue;
		appendStringInfoString(&chart->out, "<br/>held");
		if (mark->at != 0)
			append_mermaid(&chart->out,
						   psprintf(" since %s", time_text(mark->at)));
		if (mark->by != NULL)
			append_mermaid(&chart->out, psprintf(" by %s", mark->by));
		if (mark->reason != NULL)
			append_mermaid(&chart->out,
						   psprintf(": %s",
									clip_text(plain_text(mark->reason),
											  MAX_LABEL, "...")));
	}
}

/* A quoted label: id and type, what it does, and how it is. */
static void
append_label(Chart *chart, const PlanNode *node)
{
	const char *subject = subject_of(chart, node);

	appendStringInfo(&chart->out, "\"%s: %s",
					 clip_middle(node->id, MAX_LABEL, "..."),
					 step_type_name(node->type));
	if (node->compensates >= 0)
		appendStringInfo(&chart->out, ", undoes %s",
						 clip_middle(chart->plan->nodes[node->compensates].id,
									 MAX_LABEL, "..."));
	if (subject != NULL)
	{
		appendStringInfoString(&chart->out, "<br/>");
		append_mermaid(&chart->out,
					   clip_text(plain_text(subject), MAX_LABEL, "..."));
	}
	if (chart->tree != NULL && chart->tree->totals[node->index].attempts > 0)
	{
		appendStringInfoString(&chart->out, "<br/>");
		append_totals(chart, &chart->tree->totals[node->index]);
	}
	append_held(chart, node);
	appendStringInfoChar(&chart->out, '"');
}

/*
 * Edges that a step brings with it, at most: the one to it, and those that lead
 * to no other step.
 */
static int
count_edges(const WorkflowPlan *plan, const PlanNode *node)
{
	const int  *successors;
	int			count = 1 + node->ncatches;

	if (scope_successors(plan, node, &successors) == 0)
		count++;
	if (step_is_container(node))
		count += step_chooses(node) ? node->nlines + 1 : 1;
	return count;
}

/*
 * The steps that follow each other from one on, as far as there is room.
 */
static void
draw_chain(Chart *chart, int index, int indent)
{
	while (index >= 0 && !chart->drawn[index])
	{
		const PlanNode *node = &chart->plan->nodes[index];
		const int  *successors;

		if (chart->ndrawn >= MAX_NODES || chart->out.len >= MAX_NODE_TEXT ||
			chart->nedges + count_edges(chart->plan, node) > MAX_EDGES)
			return;
		draw_node(chart, index, indent);
		index = scope_successors(chart->plan, node, &successors) > 0 ?
			successors[0] :
			-1;
	}
}

/* A node; the shape tells what kind of step it is. */
static void
draw_box(Chart *chart, const PlanNode *node, int indent)
{
	const char *const *shape = step_types[node->type]->shape;

	begin_line(chart, indent);
	appendStringInfo(&chart->out, "%s%s", entry_of(chart, node->index),
					 shape[0]);
	append_label(chart, node);
	appendStringInfoString(&chart->out, shape[1]);
	append_class(chart, node);
	appendStringInfoChar(&chart->out, '\n');
}

/*
 * A container: within a frame its head, its lines, and the dot.
 */
static void
draw_container(Chart *chart, const PlanNode *node, int indent)
{
	begin_line(chart, indent);
	appendStringInfo(&chart->out, "subgraph s%d[\" \"]\n", node->index);
	draw_box(chart, node, indent + 1);
	for (int i = 0; i < node->nlines; i++)
		draw_chain(chart, plan_scope(chart->plan, node, i)->first, indent + 1);
	if (!step_iterates(node) && goes_on(chart, node))
	{
		begin_line(chart, indent + 1);
		appendStringInfo(&chart->out, "j%d(( ))\n", node->index);
	}
	begin_line(chart, indent);
	appendStringInfoString(&chart->out, "end\n");
	appendStringInfo(&chart->edges, "    style s%d fill:none,stroke:%s\n", node->index,
					 chart->tree == NULL ? "#9aa4ae" :
					 states[state_of(&chart->tree->totals[node->index])].stroke);
}

static void
draw_node(Chart *chart, int index, int indent)
{
	const PlanNode *node = &chart->plan->nodes[index];

	chart->drawn[index] = true;
	chart->order[chart->ndrawn++] = index;
	chart->nedges += count_edges(chart->plan, node);
	if (step_is_container(node))
		draw_container(chart, node, indent);
	else
		draw_box(chart, node, indent);
}

/*
 * The ways into a container's lines.
 */
static void
draw_ways_in(Chart *chart, const PlanNode *node)
{
	char	   *head = entry_of(chart, node->index);

	for (int i = 0; i < node->nlines; i++)
	{
		const PlanLine *line = &node->lines[i];
		int			first = plan_scope(chart->plan, node, i)->first;
		int			target = first >= 0 ? first : line->jump;
		const char *text = NULL;

		if (step_iterates(node))
			text = loop_part(node)->kind != LOOP_COLLECTION ? "repeat" :
				loop_part(node)->parallel ? "each, in parallel" : "each";
		else if (step_types[node->type]->line_word != NULL)
			text = line->when != NULL && shows_texts(chart) ? line->when->text :
															  line->name;
		if (target < 0)
			continue;
		draw_edge_to(chart, head, target, "-->", text);
		/* one for all that are not drawn */
		if (!chart->drawn[target])
			break;
	}
	if (step_chooses(node) && conditional_part(node)->default_line < 0)
		draw_edge(chart, head, exit_of(chart, node->index), "-->", "else");
}

/*
 * Where a step leads: into what it has in it, to what follows, to what follows
 * an error.
 */
static void
draw_edges(Chart *chart, const PlanNode *node)
{
	char	   *exit = exit_of(chart, node->index);
	const char *text = text_of_exit(node);
	const int  *successors;
	int			nsuccessors;

	draw_ways_in(chart, node);
	for (int i = 0; i < node->ncatches; i++)
		draw_edge_to(chart, entry_of(chart, node->index),
					 node->catches[i].target, "-.->",
					 node->catches[i].nerrors == 1 ?
						 node->catches[i].errors[0] :
						 "on error");
	/* what undoes another step has its place among those that do */
	if (node->compensates >= 0 ||
		(!goes_on(chart, node) && !step_ends_scope(node) &&
		 (step_chooses(node) || node->container >= 0)))
		return;
	nsuccessors = scope_successors(chart->plan, node, &successors);
	if (nsuccessors > 0 && goes_on(chart, node))
		for (int i = 0; i < nsuccessors; i++)
			draw_edge_to(chart, exit, successors[i], "-->", text);
	else if (node->container < 0)
		draw_edge(chart, exit, node->in_chain ? "over" : "finish", "-->", text);
	else if (step_iterates(&chart->plan->nodes[node->container]))
		draw_edge(chart, exit, entry_of(chart, node->container), "-->", text);
	else
		draw_edge(chart, exit, exit_of(chart, node->container), "-->", text);
}

/*
 * What happens when the execution fails: what has completed is undone, the
 * newest first, then the on_failure chain runs.
 */
static void
draw_epilogue(Chart *chart)
{
	const WorkflowPlan *plan = chart->plan;
	int			nforward = chart->ndrawn;
	char	   *from = "broken";

	if (plan->ncompensations == 0 && plan->on_failure < 0)
		return;
	appendStringInfo(&chart->out, "    subgraph epilogue[\" \"]\n        broken([\"%s\"])\n",
					 plan->ncompensations == 0 ? "if it has failed" :
					 "if it has failed:<br/>what completed is undone, the newest first");
	appendStringInfoString(&chart->edges, "    style epilogue fill:none,stroke:#9aa4ae,stroke-dasharray:4 3\n");
	draw_edge(chart, "finish", from, "-.->", NULL);
	for (int i = nforward - 1; i >= 0; i--)
	{
		int			index = plan->nodes[chart->order[i]].compensation;

		if (index < 0)
			continue;
		draw_chain(chart, index, 2);
		draw_edge_to(chart, from, index, "-->", NULL);
		if (!chart->drawn[index])
			break;
		from = exit_of(chart, index);
	}
	draw_chain(chart, plan->on_failure, 2);
	/* what only an error or a case in it leads to */
	for (int i = 0; i < plan->nnodes; i++)
		if (plan->nodes[i].container < 0 && plan->nodes[i].in_chain)
			draw_chain(chart, i, 2);
	if (plan->on_failure >= 0)
		draw_edge_to(chart, from, plan->on_failure, "-->", NULL);
	else
		draw_edge(chart, from, "over", "-->", NULL);
	appendStringInfoString(&chart->out, "        over((end))\n    end\n");
}

char *
draw_mermaid(const WorkflowPlan *plan, const SpanTree *tree)
{
	Chart		chart = {.plan = plan, .tree = tree};

	chart.drawn = palloc0(sizeof(bool) * Max(plan->nnodes, 1));
	chart.order = palloc(sizeof(int) * Max(plan->nnodes, 1));
	initStringInfo(&chart.out);
	initStringInfo(&chart.edges);

	appendStringInfoString(&chart.out, "flowchart TD\n    begin((start))\n");
	draw_chain(&chart, plan->start, 1);
	/* what only an error or a case leads to */
	for (int i = 0; i < plan->nnodes; i++)
		if (plan->nodes[i].container < 0 && !plan->nodes[i].in_chain &&
			plan->nodes[i].compensates < 0)
			draw_chain(&chart, i, 1);
	appendStringInfoString(&chart.out, "    finish((end))\n");
	draw_epilogue(&chart);
	draw_edge_to(&chart, "begin", plan->start, "-->", NULL);
	for (int i = 0; i < chart.ndrawn; i++)
		draw_edges(&chart, &plan->nodes[chart.order[i]]);

	if (chart.ndrawn < plan->nnodes)
		appendStringInfo(&chart.out, "    more[\"... %s more steps\"]\n",
						 count_text(plan->nnodes - chart.ndrawn));
	appendStringInfoString(&chart.out, chart.edges.data);
	define_classes(&chart);
	chart.out.data[--chart.out.len] = '\0';	/* psql ends the line */
	return chart.out.data;
}

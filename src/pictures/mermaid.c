/*-------------------------------------------------------------------------
 *
 * mermaid.c
 *	  A plan as a Mermaid flowchart, with the states of an execution's steps.
 *
 * NOTES
 *	  Runs in sessions.  A step is a node, a container a subgraph.  Nodes are
 *	  named by their index in the plan, so that no id can be one of Mermaid's
 *	  words; other people's text is in quoted labels only.  Recursion is bounded
 *	  by PLAN_MAX_NESTING.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pictures/pictures.h"
#include "pictures/words.h"

/* Mermaid itself refuses charts with more than 500 edges. */
#define MAX_NODES 400
#define MAX_LABEL 60

typedef struct Chart
{
	const WorkflowPlan *plan;
	const SpanTree *tree;		/* of an execution; NULL: the plan alone */
	bool	   *drawn;			/* by node */
	int			ndrawn;
	StringInfoData out;
	StringInfoData edges;		/* after all nodes, so that an edge creates none */
} Chart;

static void draw_node(Chart *chart, int index, int indent);

/* Of an execution of somebody else a chart has what steps are called, not what they say. */
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

/* The name of a node in the chart. */
static char *
chart_name(const Chart *chart, int index)
{
	bool		container = step_type_is_container(chart->plan->nodes[index].type);

	return psprintf("%c%d", container ? 's' : 'n', index);
}

/*
 * An edge, if both ends are there.  text: on it, or NULL.
 */
static void
draw_edge(Chart *chart, const char *from, int to, const char *arrow, const char *text)
{
	appendStringInfo(&chart->edges, "    %s %s", from, arrow);
	if (text != NULL)
	{
		appendStringInfoString(&chart->edges, "|\"");
		append_mermaid(&chart->edges, clip_text(plain_text(text), MAX_LABEL, "..."));
		appendStringInfoString(&chart->edges, "\"|");
	}
	appendStringInfo(&chart->edges, " %s\n", to < 0 ? "finish((end))" : chart_name(chart, to));
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
		if (span_status_is_bad(order[i]) && totals->by_status[SPAN_COMPLETED] > 0)
			return STATE_PARTLY;
		return order[i];
	}
	return STATE_NOT_YET;
}

static void
define_classes(StringInfo out)
{
	for (int i = 0; i < (int) lengthof(states); i++)
		appendStringInfo(out, "    classDef %s fill:%s,stroke:%s,color:%s%s%s\n", states[i].name,
						 states[i].fill, states[i].stroke, states[i].color,
						 states[i].dashes != NULL ? ",stroke-dasharray:" : "",
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
							 ended > 1 ? " " : "", span_status_name((SpanStatus) i));
	if (totals->by_status[SPAN_SKIPPED] < totals->attempts)
		appendStringInfo(out, ", %s%s", duration_text(totals->total_ms / totals->attempts),
						 totals->attempts > 1 ? " each" : "");
	if (totals->attempts > ended)
		appendStringInfo(out, ", %s attempts", count_text(totals->attempts));
}

/* --- nodes --- */

/*
 * What a step does, in a few words of its definition.
 */
static const char *
subject_of(const Chart *chart, const PlanNode *node)
{
	if (!shows_texts(chart) && node->type != STEP_AGENT)
		return NULL;
	switch (node->type)
	{
		case STEP_AGENT:
			return node->agent_name;
		case STEP_SQL:
			return node->sql;
		default:
			return NULL;
	}
}

/* By whom, since when and why the execution waits in front of a step. */
static void
append_held(Chart *chart, const PlanNode *node, const char *separator)
{
	const TraceExecution *execution = chart->tree != NULL ? chart->tree->execution : NULL;

	for (int i = 0; execution != NULL && execution->completed_at == 0 && i < execution->nmarks; i++)
	{
		const TraceMark *mark = &execution->marks[i];

		if (!mark->holds || strcmp(mark->step_id, node->id) != 0)
			continue;
		appendStringInfo(&chart->out, "%sheld", separator);
		if (mark->at != 0)
			append_mermaid(&chart->out, psprintf(" since %s", time_text(mark->at)));
		if (mark->by != NULL)
			append_mermaid(&chart->out, psprintf(" by %s", mark->by));
		if (mark->reason != NULL)
			append_mermaid(&chart->out, psprintf(": %s", clip_text(plain_text(mark->reason), MAX_LABEL, "...")));
	}
}

/* A quoted label: id and type, what it does, and how it is.  Frames have one line. */
static void
append_label(Chart *chart, const PlanNode *node)
{
	const char *subject = subject_of(chart, node);

	appendStringInfo(&chart->out, "\"%s: %s", node->id, step_type_name(node->type));
	if (subject != NULL)
	{
		appendStringInfoString(&chart->out, "<br/>");
		append_mermaid(&chart->out, clip_text(plain_text(subject), MAX_LABEL, "..."));
	}
	if (chart->tree != NULL && chart->tree->totals[node->index].attempts > 0)
	{
		appendStringInfoString(&chart->out, "<br/>");
		append_totals(chart, &chart->tree->totals[node->index]);
	}
	append_held(chart, node, "<br/>");
	appendStringInfoChar(&chart->out, '"');
}

/*
 * Frames have a colour of their own for each state; classes do not reach them.
 */
static void
append_state(Chart *chart, const PlanNode *node)
{
	char	   *name = chart_name(chart, node->index);

	if (!step_type_is_container(node->type))
	{
		if (chart->tree != NULL)
			appendStringInfo(&chart->edges, "    class %s %s\n", name,
							 states[state_of(&chart->tree->totals[node->index])].name);
	}
	else if (chart->tree != NULL)
		appendStringInfo(&chart->edges, "    style %s fill:none,stroke:%s\n", name,
						 states[state_of(&chart->tree->totals[node->index])].stroke);
	else
		appendStringInfo(&chart->edges, "    style %s fill:none\n", name);
}

/*
 * The steps that follow each other from one on.
 */
static void
draw_chain(Chart *chart, int index, int indent)
{
	while (index >= 0 && !chart->drawn[index] && chart->ndrawn < MAX_NODES)
	{
		draw_node(chart, index, indent);
		index = chart->plan->nodes[index].next;
	}
}

/*
 * A container: its lines within a frame, those with a name in a frame of their
 * own; the question of a conditional is a node that leads to them.
 */
static void
draw_container(Chart *chart, const PlanNode *node, int indent)
{
	begin_line(chart, indent);
	appendStringInfo(&chart->out, "subgraph s%d[\"%s: %s", node->index, node->id,
					 step_type_name(node->type));
	if (chart->tree != NULL && chart->tree->totals[node->index].attempts > 0)
	{
		appendStringInfoString(&chart->out, ", ");
		append_totals(chart, &chart->tree->totals[node->index]);
	}
	append_held(chart, node, ", ");
	appendStringInfoString(&chart->out, "\"]\n");
	begin_line(chart, indent + 1);
	appendStringInfoString(&chart->out, "direction TB\n");
	if (node->type == STEP_CONDITIONAL)
	{
		begin_line(chart, indent + 1);
		appendStringInfo(&chart->out, "q%d{{\"", node->index);
		append_mermaid(&chart->out, node->condition == NULL || !shows_texts(chart) ? "?" :
					   clip_text(plain_text(node->condition->text), MAX_LABEL, "..."));
		appendStringInfoString(&chart->out, "\"}}\n");
	}
	for (int i = 0; i < node->nlines; i++)
	{
		const PlanLine *line = &node->lines[i];
		bool		framed = node->type == STEP_FORK_JOIN;

		if (framed)
		{
			begin_line(chart, indent + 1);
			appendStringInfo(&chart->out, "subgraph b%d_%d[\"%s\"]\n", node->index, i, line->name);
			appendStringInfo(&chart->edges, "    style b%d_%d fill:none,stroke-dasharray:2 3\n", node->index, i);
		}
		draw_chain(chart, line->first, indent + (framed ? 2 : 1));
		if (framed)
		{
			begin_line(chart, indent + 1);
			appendStringInfoString(&chart->out, "end\n");
		}
	}
	begin_line(chart, indent);
	appendStringInfoString(&chart->out, "end\n");
}

/* The shape tells what kind of step it is. */
static void
draw_leaf(Chart *chart, const PlanNode *node, int indent)
{
	const char *open = "[";
	const char *close = "]";

	if (node->type == STEP_AGENT)
		open = "(", close = ")";
	else if (node->type == STEP_SET)
		open = "[/", close = "/]";
	else if (node->type == STEP_SUCCEED || node->type == STEP_FAIL)
		open = "([", close = "])";
	begin_line(chart, indent);
	appendStringInfo(&chart->out, "n%d%s", node->index, open);
	append_label(chart, node);
	appendStringInfo(&chart->out, "%s\n", close);
}

static void
draw_node(Chart *chart, int index, int indent)
{
	const PlanNode *node = &chart->plan->nodes[index];

	chart->drawn[index] = true;
	chart->ndrawn++;
	if (step_type_is_container(node->type))
		draw_container(chart, node, indent);
	else
		draw_leaf(chart, node, indent);
	append_state(chart, node);
}

/*
 * Where a step leads: what follows, what follows an error, what undoes it, and the
 * ways out of a question.
 */
static void
draw_edges(Chart *chart, const PlanNode *node)
{
	char	   *name = chart_name(chart, node->index);

	if (node->next >= 0 && chart->drawn[node->next])
		draw_edge(chart, name, node->next, "-->", NULL);
	else if (node->next < 0 && node->container < 0 && node->compensates < 0 &&
			 node->type != STEP_SUCCEED && node->type != STEP_FAIL)
		draw_edge(chart, name, -1, "-->", NULL);
	for (int i = 0; i < node->ncatches; i++)
		if (chart->drawn[node->catches[i].target])
			draw_edge(chart, name, node->catches[i].target, "-.->",
					  node->catches[i].nerrors == 1 ? node->catches[i].errors[0] : "on error");
	if (node->compensation >= 0 && chart->drawn[node->compensation])
		draw_edge(chart, name, node->compensation, "-.->", "undone by");
	for (int i = 0; node->type == STEP_CONDITIONAL && i < node->nlines; i++)
	{
		const PlanLine *line = &node->lines[i];
		int			target = line->first >= 0 ? line->first : line->jump;

		if (target >= 0 && chart->drawn[target])
			draw_edge(chart, psprintf("q%d", node->index), target, "-->",
					  line->when != NULL && shows_texts(chart) ? line->when->text : line->name);
	}
}

char *
draw_mermaid(const WorkflowPlan *plan, const SpanTree *tree)
{
	Chart		chart = {.plan = plan, .tree = tree};

	chart.drawn = palloc0(sizeof(bool) * Max(plan->nnodes, 1));
	initStringInfo(&chart.out);
	initStringInfo(&chart.edges);

	appendStringInfoString(&chart.out, "flowchart TD\n    begin((start))\n");
	draw_chain(&chart, plan->start, 1);
	/* what only an error or a case leads to, and what undoes steps */
	for (int i = 0; i < plan->nnodes; i++)
		if (plan->nodes[i].container < 0)
			draw_chain(&chart, i, 1);

	draw_edge(&chart, "begin", plan->start, "-->", NULL);
	if (plan->on_failure >= 0 && chart.drawn[plan->on_failure])
		draw_edge(&chart, "broken((failure))", plan->on_failure, "-.->", NULL);
	for (int i = 0; i < plan->nnodes; i++)
		if (chart.drawn[i])
			draw_edges(&chart, &plan->nodes[i]);
	if (chart.ndrawn < plan->nnodes)
		appendStringInfo(&chart.out, "    more[\"... %s more steps\"]\n",
						 count_text(plan->nnodes - chart.ndrawn));
	appendStringInfoString(&chart.out, chart.edges.data);
	if (tree != NULL)
		define_classes(&chart.out);
	chart.out.data[--chart.out.len] = '\0';	/* psql ends the line */
	return chart.out.data;
}

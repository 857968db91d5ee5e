/*-------------------------------------------------------------------------
 *
 * test_plan.c
 *	  Unit tests of normalisation, plans and explain: every form in which a
 *	  definition may be written gives the same stored form and the right plan.
 *
 *-------------------------------------------------------------------------
 */
#include "documents.h"

#include "definition/agent_options.h"
#include "definition/steps/agent.h"
#include "definition/steps/conditional.h"
#include "definition/steps/terminal.h"
#include "definition/steps/loop.h"
#include "definition/steps/set.h"
#include "definition/steps/sql.h"

#include <time.h>

/* The stored form of a document, NULL with the problems printed. */
static char *
stored_form(const char *document)
{
	ProblemList *problems = problem_list_create();
	char	   *stored = definition_normalise(quoted(document), TEST_NESTING, NULL, problems);

	print_problems(problems);
	return stored;
}

/* A document is stored as another. */
static void
stored_as(const char *name, const char *document, const char *expected)
{
	char	   *stored = stored_form(document);
	bool		same = stored != NULL && strcmp(stored, quoted(expected)) == 0;

	CHECK(same, "%s", name);
	if (!same)
		printf("# %s\n", stored != NULL ? stored : "refused");
	if (stored != NULL)
	{
		char	   *again = stored_form(stored);

		CHECK(again != NULL && strcmp(again, stored) == 0, "%s: stored form stays as it is", name);
	}
}

static PlanNode *
node(const WorkflowPlan *plan, const char *id)
{
	PlanNode   *found = plan != NULL ? plan_find(plan, id) : NULL;
	static PlanNode none;

	CHECK(found != NULL, "there is a step %s", id);
	return found != NULL ? found : &none;
}

static bool
is(const char *a, const char *b)
{
	return a != NULL && strcmp(a, b) == 0;
}

static void
test_stored_form(void)
{
	stored_as("an object of steps", "{`name`: `t`, `version`: 1.10, `start_step`: `a`, `steps`: {`a`: {`agent_name`: `x`, `next`: `b`}, `b`: {`sql`: `SELECT 1`}}}",
			  "{`name`:`t`,`version`:1.10,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`agent`,`agent_name`:`x`,`next_step`:`b`},`b`:{`id`:`b`,`type`:`sql`,`sql`:`SELECT 1`}}}");
	stored_as("name from workflow_id", "{`workflow_id`: `w`, `steps`: [{`id`: `a`, `sql`: `x`}]}",
			  "{`name`:`w`,`workflow_id`:`w`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`sql`,`sql`:`x`}}}");
	stored_as("an array of steps: order, explicit null, children skipped",
			  "{`name`: `t`, `steps`: [{`id`: `a`, `sql`: `x`}, {`id`: `p`, `type`: `parallel`, `parallel_steps`: [`c`, `d`]}, {`id`: `c`, `sql`: `x`}, {`id`: `d`, `sql`: `x`}, {`id`: `e`, `type`: `conditional`, `switch`: [{`when`: `true`, `next_step`: `g`}], `next_step`: `f`}, {`id`: `f`, `sql`: `x`, `next_step`: null}, {`id`: `g`, `sql`: `x`}]}",
			  "{`name`:`t`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`sql`,`sql`:`x`,`next_step`:`p`},`p`:{`id`:`p`,`type`:`parallel`,`parallel_steps`:[`c`,`d`],`next_step`:`e`},`c`:{`id`:`c`,`type`:`sql`,`sql`:`x`},`d`:{`id`:`d`,`type`:`sql`,`sql`:`x`},`e`:{`id`:`e`,`type`:`conditional`,`switch`:[{`when`:`true`,`next_step`:`g`}],`next_step`:`f`},`f`:{`id`:`f`,`type`:`sql`,`sql`:`x`,`next_step`:null},`g`:{`id`:`g`,`type`:`sql`,`sql`:`x`}}}");
	stored_as("succeed and fail do not go on", "{`name`: `t`, `start_step`: `a`, `steps`: [{`id`: `a`, `type`: `conditional`, `condition`: `true`, `then`: [{`id`: `b`, `type`: `fail`}]}, {`id`: `c`, `type`: `succeed`}]}",
			  "{`name`:`t`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`conditional`,`condition`:`true`,`if_true_step`:`b`,`next_step`:`c`},`c`:{`id`:`c`,`type`:`succeed`},`b`:{`id`:`b`,`type`:`fail`}}}");
	stored_as("aliases of a conditional", "{`name`: `t`, `start_step`: `a`, `steps`: {`a`: {`type`: `conditional`, `condition`: `true`, `then_step`: `b`, `else_step`: [`c`, `d`]}, " AGENT("b") ", " AGENT("c") ", " AGENT("d") "}}",
			  "{`name`:`t`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`conditional`,`condition`:`true`,`if_true_step`:`b`,`if_false_step`:[`c`,`d`]},`b`:{`id`:`b`,`type`:`agent`,`agent_name`:`x`},`c`:{`id`:`c`,`type`:`agent`,`agent_name`:`x`},`d`:{`id`:`d`,`type`:`agent`,`agent_name`:`x`}}}");
	stored_as("flat fields of a loop", "{`name`: `t`, `start_step`: `a`, `steps`: {`a`: {`type`: `loop`, `loop_over`: [1], `loop_step`: `b`, `error_policy`: `collect`, `execution_mode`: `parallel`, `timeout_seconds`: 5}, " AGENT("b") "}}",
			  "{`name`:`t`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`loop`,`timeout_seconds`:5,`loop_config`:{`collection`:[1],`loop_body`:[`b`],`on_error`:`collect`,`execution_mode`:`parallel`}},`b`:{`id`:`b`,`type`:`agent`,`agent_name`:`x`}}}");
	stored_as("a fork_join in short", "{`name`: `t`, `start_step`: `a`, `steps`: {`a`: {`type`: `fork-join`, `branches`: {`l`: [{`sql`: `1`}, `b`], `m`: {`sql`: `2`}, `n`: `c`}, `join_policy`: `any`}, " AGENT("b") ", " AGENT("c") "}}",
			  "{`name`:`t`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`fork_join`,`fork_join_config`:{`branches`:{`l`:{`steps`:[`a_l_1`,`b`]},`m`:{`steps`:[`a_m_1`]},`n`:{`steps`:[`c`]}},`join_policy`:`any`}},`b`:{`id`:`b`,`type`:`agent`,`agent_name`:`x`},`c`:{`id`:`c`,`type`:`agent`,`agent_name`:`x`},`a_l_1`:{`id`:`a_l_1`,`type`:`sql`,`sql`:`1`},`a_m_1`:{`id`:`a_m_1`,`type`:`sql`,`sql`:`2`}}}");
	stored_as("generated ids keep clear of given ones", "{`name`: `t`, `start_step`: `a`, `steps`: {`a`: {`type`: `loop`, `collection`: [1], `loop_body`: [{`sql`: `1`}, {`type`: `loop`, `collection`: [2], `loop_body`: {`sql`: `2`}}, {`sql`: `3`}, {`id`: `a_1`, `sql`: `4`}]}}}",
			  "{`name`:`t`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`loop`,`loop_config`:{`collection`:[1],`loop_body`:[`a_2`,`a_3`,`a_4`,`a_1`]}},`a_2`:{`id`:`a_2`,`type`:`sql`,`sql`:`1`},`a_3`:{`id`:`a_3`,`type`:`loop`,`loop_config`:{`collection`:[2],`loop_body`:[`a_3_1`]}},`a_4`:{`id`:`a_4`,`type`:`sql`,`sql`:`3`},`a_1`:{`id`:`a_1`,`type`:`sql`,`sql`:`4`},`a_3_1`:{`id`:`a_3_1`,`type`:`sql`,`sql`:`2`}}}");
	stored_as("a switch", "{`name`: `t`, `start_step`: `a`, `steps`: {`a`: {`type`: `conditional`, `switch`: [{`condition`: `true`, `then`: {`sql`: `1`}}, {`when`: `false`, `next`: `z`}], `default`: {`next`: `z`}}, " AGENT("z") "}}",
			  "{`name`:`t`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`conditional`,`switch`:[{`when`:`true`,`step`:`a_1`},{`when`:`false`,`next_step`:`z`}],`default`:{`next_step`:`z`}},`z`:{`id`:`z`,`type`:`agent`,`agent_name`:`x`},`a_1`:{`id`:`a_1`,`type`:`sql`,`sql`:`1`}}}");
	stored_as("nulls stay", "{`name`: `t`, `start_step`: `a`, `steps`: {`a`: {`type`: `conditional`, `condition`: `true`, `if_true_step`: `b`, `if_false_step`: null, `retry_strategy`: null, `catch`: null}, " AGENT("b") "}}",
			  "{`name`:`t`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`conditional`,`condition`:`true`,`if_true_step`:`b`,`if_false_step`:null,`retry`:null,`catch`:null},`b`:{`id`:`b`,`type`:`agent`,`agent_name`:`x`}}}");
	stored_as("large numbers", "{`name`: `t`, `start_step`: `a`, `steps`: {`a`: {`agent_name`: `x`, `input_mapping`: {`n`: [9007199254740993, 0.10000000000000000000000001, 1e1000]}}}}",
			  "{`name`:`t`,`start_step`:`a`,`steps`:{`a`:{`id`:`a`,`type`:`agent`,`agent_name`:`x`,`input_mapping`:{`n`:[9007199254740993,0.10000000000000000000000001,1e1000]}}}}");
}

static void
test_leaves(void)
{
	WorkflowPlan *plan = accepted("leaf steps",
						  "{`name`: `t`, `version`: `1.0`, `start_step`: `a`, `timeout_seconds`: 9, `priority`: -5, `durability`: `relaxed`, `notify`: true, `output`: `${b.output}`,"
						  " `tenant`: `z`, `max_running`: 3, `metadata`: {}, `input_schema`: {`type`: `object`}, `settings`: {`work_mem`: `1MB`, `jit`: false, `x.y`: 1.50},"
						  " `defaults`: {`timeout_seconds`: 30, `on_failure`: {`default`: null}, `settings`: {`jit`: true, `geqo`: true}},"
						  " `steps`: {"
						  "`a`: {`sql`: `SELECT $1`, `params`: [1, `${workflow.input.x}`], `result`: `value`, `transaction`: `none`, `when`: `${workflow.input.x} > 1`, `settings`: {`JIT`: `off`}, `next_step`: `b`, `description`: `first`},"
						  "`b`: {`agent_name`: `x`, `input_mapping`: `${a.output}`, `timeout_seconds`: 5, `on_failure`: `ignore`, `output`: {`v`: `${b.output.v}`}, `priority`: 7, `next_step`: `c`},"
						  "`c`: {`type`: `set`, `assign`: {`n`: `${a.output}`, `m`: 1}, `output`: `${a.status}`, `next_step`: `d`},"
						  "`d`: {`type`: `fail`, `error`: `Bad`, `message`: `m ${vars.n}`}}}");
	PlanNode   *a = node(plan, "a");
	PlanNode   *b = node(plan, "b");
	PlanNode   *c = node(plan, "c");
	PlanNode   *d = node(plan, "d");

	if (plan == NULL)
		return;
	CHECK(is(plan->name, "t") && is(plan->label, "1.0"), "name and label");
	CHECK(plan->timeout_seconds == 9 && plan->priority == -5 && plan->relaxed && plan->notify, "header");
	CHECK(plan->nsettings == 3 && is(plan->settings[1].value, "off") && is(plan->settings[2].value, "1.50"), "settings");
	CHECK(plan->output != NULL && plan->output->kind == TEMPLATE_EXPRESSION &&
		  plan->output->expression->reference->node == b->index, "output of the definition");
	CHECK(plan->start == a->index && a->next == b->index && b->next == c->index && c->next == d->index && d->next == -1, "chain");
	CHECK(plan->assigns_variables && plan_find(plan, "e") == NULL, "variables; no step e");

	CHECK(a->type == STEP_SQL && is(sql_part(a)->text, "SELECT $1") && sql_part(a)->result == SQL_RESULT_VALUE && step_runs_outside(a), "sql");
	CHECK(sql_part(a)->nparams == 2 && template_is_literal(sql_part(a)->params[0]) && !template_is_literal(sql_part(a)->params[1]), "params");
	CHECK(a->when != NULL && is(a->when_text, "${workflow.input.x} > 1") && is(a->description, "first"), "when");
	CHECK(a->timeout_seconds == 30 && a->on_failure == ON_FAILURE_DEFAULT && is(a->failure_default->text, "null"), "defaults");
	CHECK(a->nsettings == 2 && is(a->settings[0].name, "JIT") && is(a->settings[0].value, "off") && is(a->settings[1].name, "geqo"), "settings and default settings");
	CHECK(a->is_referenced && a->container == -1 && a->depth == 0 && !a->on_cycle, "place");
	CHECK(b->type == STEP_AGENT && is(step_agent(b), "x") && step_agent(a) == NULL && sql_part(b) == NULL && b->timeout_seconds == 5 && b->on_failure == ON_FAILURE_IGNORE && b->priority == 7, "agent");
	CHECK(b->input_mapping->expression->reference->node == a->index && b->output != NULL && b->is_referenced, "mapping");
	CHECK(c->type == STEP_SET && set_part(c)->count == 2 && is(set_part(c)->names[0], "n") && !c->is_referenced, "set");
	CHECK(d->type == STEP_FAIL && terminal_part(d)->error != NULL && terminal_part(d)->message->kind == TEMPLATE_TEXT && d->timeout_seconds == 0, "fail");
}

static void
test_containers(void)
{
	WorkflowPlan *plan = accepted("containers",
						  STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [`b`, `c`], `max_parallelism`: 2, `min_success_ratio`: 0.50, `on_error`: `stop`, `on_join`: `cancel`, `next`: `f`}, "
								AGENT("b") ", " AGENT("c") ", "
								"`f`: {`type`: `fork_join`, `branches`: {`zeta`: {`steps`: [`g`, `h`], `timeout_seconds`: 3}, `al`: [`i`]}, `branch_timeout_seconds`: 8, `join_policy`: `n_of_m`, `n_required`: 1, `next`: `l`}, "
								AGENT("g") ", " AGENT("h") ", " AGENT("i") ", "
								"`l`: {`type`: `loop`, `collection`: `${workflow.input.items}`, `loop_body`: [`m`, `n`], `execution_mode`: `parallel`, `max_parallelism`: 5, `max_iterations`: 7, `on_error`: `collect`, `batch_size`: 10, `result`: `counts`, `next`: `w`}, "
								AGENT("m") ", " AGENT("n") ", "
								"`w`: {`type`: `loop`, `until`: `${o.output.done}`, `loop_body`: `o`, `next`: `q`}, " AGENT("o") ", "
								"`q`: {`type`: `conditional`, `condition`: {`expression`: `${l.output.total_count} > 1`}, `else`: [`r`, `s`], `next`: `u`}, " AGENT("r") ", " AGENT("s") ", "
								"`u`: {`type`: `conditional`, `switch`: [{`when`: `1 == 2`, `step`: `v`}, {`when`: {`expression`: `true`}, `next_step`: `a`}], `default`: {`next_step`: `x`}, `max_visits`: 3}, " AGENT("v") ", " AGENT("x")));
	PlanNode   *a = node(plan, "a");
	PlanNode   *f = node(plan, "f");
	PlanNode   *l = node(plan, "l");
	PlanNode   *w = node(plan, "w");
	PlanNode   *q = node(plan, "q");
	PlanNode   *u = node(plan, "u");

	if (plan == NULL)
		return;
	CHECK(a->type == STEP_PARALLEL && a->nlines == 2 && is(a->lines[1].name, "c") && a->lines[1].first == node(plan, "c")->index && a->lines[1].nsteps == 1, "lines of a block");
	CHECK(a->max_parallelism == 2 && a->join.policy == JOIN_RATIO && is(a->join.ratio, "0.50") && a->on_error == ON_ERROR_STOP && a->join.stop_on_failure && a->join.cancel_when_decided, "policies of a block");
	CHECK(node(plan, "c")->container == a->index && node(plan, "c")->line == 1 && node(plan, "c")->depth == 1, "place of a child");
	CHECK(f->type == STEP_FORK_JOIN && f->nlines == 2 && is(f->lines[0].name, "al") && is(f->lines[1].name, "zeta"), "branches by name");
	CHECK(f->lines[0].timeout_seconds == 8 && f->lines[1].timeout_seconds == 3, "timeouts of branches");
	CHECK(f->lines[1].nsteps == 2 && f->lines[1].first == node(plan, "g")->index && f->lines[1].last == node(plan, "h")->index, "line of a branch");
	CHECK(node(plan, "g")->next == node(plan, "h")->index && node(plan, "h")->next == -1, "order of a branch");
	CHECK(f->join.policy == JOIN_N_OF_M && f->join.n_required == 1 && !f->join.cancel_when_decided && !f->join.stop_on_failure, "policies of a fork_join");
	CHECK(loop_part(l)->kind == LOOP_COLLECTION && loop_part(l)->parallel && l->max_parallelism == 5 && loop_part(l)->max_iterations == 7 && l->on_error == ON_ERROR_COLLECT && l->join.policy == JOIN_ALL && !l->join.stop_on_failure && loop_part(l)->batch_size == 10 && loop_part(l)->result == LOOP_RESULT_COUNTS, "loop");
	CHECK(l->nlines == 1 && l->lines[0].name == NULL && l->lines[0].nsteps == 2 && is(loop_part(l)->collection_text, "${workflow.input.items}"), "body of a loop");
	CHECK(loop_part(w)->kind == LOOP_UNTIL && loop_part(w)->max_iterations == DEFAULT_MAX_ITERATIONS && loop_part(w)->condition->expression->reference->node == node(plan, "o")->index, "until");
	CHECK(conditional_part(q)->condition != NULL && q->nlines == 1 && is(q->lines[0].name, "else") && conditional_part(q)->default_line == 0 && q->lines[0].nsteps == 2, "conditional with else only");
	CHECK(conditional_part(u)->condition == NULL && u->nlines == 3 && is(u->lines[0].name, "case 1") && is(u->lines[1].when->text, "true") && is(u->lines[2].name, "default"), "cases");
	CHECK(conditional_part(u)->default_line == 2 && u->lines[0].jump == -1 && u->lines[1].jump == a->index && u->lines[2].jump == node(plan, "x")->index && u->lines[1].first == -1, "jumps");
	CHECK(a->on_cycle && u->on_cycle && q->on_cycle && !node(plan, "x")->on_cycle && !node(plan, "b")->on_cycle, "cycle");
}

/* Every file of test/definitions is accepted, and explained within 100 columns. */
static void
test_files(void)
{
	static const char *const files[] = {
		"parallel_block", "loop_sequential", "loop_parallel", "conditional",
		"fork_join_all", "fork_join_any", "fork_join_majority", "fork_join_n_of_m",
		"order", "nested", "inline", "cycle", "poll", "routing", NULL
	};
	const char *directory = getenv("PGWF_DEFINITIONS");

	for (const char *const *file = files; *file != NULL; file++)
	{
		static char text[65536];
		FILE	   *stream = fopen(psprintf("%s/%s.json", directory, *file), "r");
		WorkflowPlan *plan;
		bool		fits = true;

		if (stream != NULL)
		{
			text[fread(text, 1, sizeof(text) - 1, stream)] = '\0';
			fclose(stream);
		}
		CHECK(stream != NULL, "%s.json is there", *file);
		plan = accepted(*file, text);
		if (plan == NULL)
			continue;
		for (char *line = strtok(plan_explain(plan, NULL), "\n"); line != NULL; line = strtok(NULL, "\n"))
			fits &= strlen(line) <= 100;
		CHECK(fits, "%s: explained within 100 columns", *file);
	}
}

static void
test_explain(void)
{
	WorkflowPlan *plan = accepted("to be explained",
						  "{`name`: `t`, `version`: 2, `start_step`: `a`, `steps`: {"
						  "`a`: {`sql`: `SELECT 1\\nFROM x`, `result`: `row`, `timeout_seconds`: 5, `next_step`: `b`},"
						  "`b`: {`type`: `fork_join`, `branches`: {`l`: [`c`], `m`: {`steps`: [`d`], `timeout_seconds`: 9}}, `join_policy`: `any`, `next_step`: `e`}," AGENT("c") "," AGENT("d") ","
						  "`e`: {`type`: `conditional`, `switch`: [{`when`: `1 > 2`, `next_step`: `g`}], `default`: `f`}," AGENT("f") ","
						  "`g`: {`type`: `set`, `assign`: {`x`: 1, `y`: 2}}}}");
	const char *expected =
	"workflow t, version 2\n"
	"  a: sql, result row, timeout 5 s\n"
	"    SELECT 1 FROM x\n"
	"  b: fork_join, one must succeed\n"
	"    branch l:\n"
	"      c: agent x\n"
	"    branch m, timeout 9 s:\n"
	"      d: agent x\n"
	"  e: conditional\n"
	"    case 1, when 1 > 2: go to g\n"
	"    default:\n"
	"      f: agent x\n"
	"    next: end\n"
	"  g: set\n"
	"    assigns x, y\n";
	char	   *text = plan != NULL ? plan_explain(plan, NULL) : pstrdup("");

	CHECK(strcmp(text, expected) == 0, "explanation");
	if (strcmp(text, expected) != 0)
		printf("# is:\n%s", text);
}

/*
 * A definition of so many steps, each of which reads the one before, takes fewer than so many
 * milliseconds: the first time, or else one of five.
 */
static void
is_quick(int steps, bool with_jumps, double limit)
{
	const char *jumps = with_jumps ? " with jumps" : "";
	StringInfoData text;
	double		milliseconds = limit;

	initStringInfo(&text);
	appendStringInfoString(&text, "{`name`: `t`, `start_step`: `step-0`, `steps`: {`step-0`: {`sql`: `SELECT 1`, `next_step`: `step-1`}");
	for (int i = 1; i < steps; i++)
	{
		if (with_jumps && i % 10 == 5)
			appendStringInfo(&text, ", `step-%d`: {`type`: `conditional`, `switch`: [{`when`: `${step-%d.output} > 1`, `next_step`: `step-%d`}]", i, i - 1, steps - 1);
		else
			appendStringInfo(&text, ", `step-%d`: {`type`: `sql`, `sql`: `INSERT INTO t SELECT input.x`, `input_mapping`: {`x`: `${step-%d.output.rows[0].x}`, `y`: `${workflow.input.y}`}", i, i - 1);
		if (i + 1 < steps)
			appendStringInfo(&text, ", `next_step`: `step-%d`}", i + 1);
		else
			appendStringInfoString(&text, ", `next_step`: null}}}");
	}
	for (int i = 0; i < 5 && milliseconds >= limit; i++)
	{
		struct timespec before,
					after;
		ProblemList *problems = problem_list_create();

		clock_gettime(CLOCK_MONOTONIC, &before);
		definition_normalise(quoted(text.data), TEST_NESTING, NULL, problems);
		clock_gettime(CLOCK_MONOTONIC, &after);
		milliseconds = (after.tv_sec - before.tv_sec) * 1e3 + (after.tv_nsec - before.tv_nsec) / 1e6;
		if (i > 0)
			continue;
		CHECK(problems->errors == 0, "%d steps%s", steps, jumps);
		if (problems->errors > 0)
			print_problems(problems);
	}
	printf("# %d steps%s: %.1f ms\n", steps, jumps, milliseconds);
	CHECK(milliseconds < limit, "%d steps%s are quick", steps, jumps);
}

/* Options of agents are read like fields. */
static void
test_agent_options(void)
{
	ProblemList *problems = problem_list_create();
	RetryPolicy *policies;
	int			count;

	agent_retry_parse(NULL, &policies, &count, problems);
	CHECK(count == 0 && problems->errors == 0, "no retry of an agent");
	agent_retry_parse("{\"errors\": \"40001\", \"type\": \"immediate\"}", &policies, &count, problems);
	CHECK(count == 1 && problems->errors == 0 && policies[0].type == RETRY_IMMEDIATE &&
		  policies[0].max_retries == 3 && is(policies[0].errors[0], "40001"), "one policy of an agent");
	agent_retry_parse("[{\"max_retries\": 0}, {\"max_retries\": 2}]", &policies, &count, problems);
	CHECK(count == 2 && problems->errors == 0 && policies[1].max_retries == 2, "two policies of an agent");
	agent_retry_parse("[{\"max_retries\": -1}, 7]", &policies, &count, problems);
	CHECK(problems->errors == 2, "all that is wrong with policies of an agent");
	problems = problem_list_create();
	agent_retry_parse("{\"errors\": [\"deadlock_detect\"]}", &policies, &count, problems);
	CHECK(count == 1 && problems->errors == 0 && problems->count == 1 &&
		  is(problems->items[0].hint, "Did you mean \"deadlock_detected\"?"), "a misspelt error of an agent");
}

int
main(void)
{
	test_stored_form();
	test_leaves();
	test_containers();
	test_files();
	test_explain();

	/* Far above what it takes, so that no slow machine fails this by chance. */
	is_quick(1000, false, 500);
	is_quick(1000, true, 500);
	is_quick(20000, false, 20000);
	is_quick(20000, true, 20000);
	test_agent_options();
	return done_testing();
}

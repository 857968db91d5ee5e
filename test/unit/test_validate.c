/*-------------------------------------------------------------------------
 *
 * test_validate.c
 *	  Unit tests of what is refused or warned about, with path, message and
 *	  hint.
 *
 *-------------------------------------------------------------------------
 */
#include "documents.h"

#include "definition/error_names.h"

static void
test_documents(void)
{
	REFUSED("no JSON", "{", "", "invalid JSON: expected a key at byte 2", NULL);
	REFUSED("no object", "[1]", "", "a definition must be an object, not an array", NULL);
	REFUSED("no name", "{`start_step`: `a`, `steps`: {" AGENT("a") "}}", "name",
			"`name` is required", NULL);
	REFUSED("name that is no string", "{`name`: 1, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"name", "`name` must be a string, not a number", NULL);
	REFUSED("workflow_id that is no string", "{`workflow_id`: 1, `name`: `x`, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"workflow_id", "`workflow_id` must be a string, not a number", NULL);
	REFUSED("blank name", "{`name`: ` `, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"name", "`name` must not be empty", NULL);
	REFUSED("no steps", "{`name`: `t`, `start_step`: `a`}", "steps", "`steps` is required", NULL);
	REFUSED("steps of a wrong kind", "{`name`: `t`, `start_step`: `a`, `steps`: 7}", "steps",
			"`steps` must be an object or an array, not a number", NULL);
	REFUSED("schedule", "{`name`: `t`, `schedule`: `@daily`, `start_step`: `a`, `steps`: {" AGENT("a") "}}", "schedule",
			"`schedule` is no part of a definition", "Use workflow.schedule() when it is defined.");
	REFUSED("empty steps", "{`name`: `t`, `start_step`: `a`, `steps`: {}}", "steps",
			"a definition needs at least one step", NULL);
	REFUSED("empty array of steps", "{`name`: `t`, `steps`: []}", "steps",
			"a definition needs at least one step", NULL);
	REFUSED("no start", "{`name`: `t`, `steps`: {" AGENT("a") "}}", "start_step",
			"`start_step` is required", NULL);
	REFUSED("start that does not exist", "{`name`: `t`, `start_step`: `other`, `steps`: {" AGENT("first") "}}",
			"start_step", "step `other` does not exist", NULL);
	REFUSED("start that is misspelt", "{`name`: `t`, `start_step`: `fist`, `steps`: {" AGENT("first") "}}",
			"start_step", "step `fist` does not exist", "Did you mean `first`?");
	REFUSED("start with swapped letters", "{`name`: `t`, `start_step`: `frist`, `steps`: {" AGENT("first") "}}",
			"start_step", "step `frist` does not exist", "Did you mean `first`?");
	REFUSED("start in capitals", "{`name`: `t`, `start_step`: `FIRST`, `steps`: {" AGENT("first") "}}",
			"start_step", "step `FIRST` does not exist", "Did you mean `first`?");
	REFUSED("unknown field", "{`name`: `t`, `start_stop`: `a`, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"start_stop", "unknown field `start_stop`", "Did you mean `start_step`?");
	REFUSED("version of a wrong kind", "{`name`: `t`, `version`: [], `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"version", "`version` must be a string or a number, not an array", NULL);
	REFUSED("input_schema of a wrong kind", "{`name`: `t`, `input_schema`: true, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"input_schema", "`input_schema` must be an object, not a boolean", NULL);
	REFUSED("durability", "{`name`: `t`, `durability`: `none`, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"durability", "`durability` must be `full` or `relaxed`, not `none`", NULL);
	REFUSED("notify", "{`name`: `t`, `notify`: 1, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"notify", "`notify` must be a boolean, not a number", NULL);
	REFUSED("priority", "{`name`: `t`, `priority`: 1001, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"priority", "`priority` must be an integer between -1000 and 1000", NULL);
	REFUSED("max_running", "{`name`: `t`, `max_running`: 0, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"max_running", "`max_running` must be an integer of at least 1", NULL);
	REFUSED("on_failure of the definition", "{`name`: `t`, `on_failure`: `a`, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"on_failure", "step `a` can be reached from `a` and cannot begin the on_failure chain",
			"The chain needs steps of its own: what fails has run already.");
	REFUSED("on_complete", "{`name`: `t`, `on_complete`: {}, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"on_complete", "`on_complete` is not supported by this version of pg_workflow", NULL);
	REFUSED("state machine", "{`name`: `t`, `type`: `state_machine`, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"type", "`type` is not supported by this version of pg_workflow", NULL);
	REFUSED("max_retry_budget", "{`name`: `t`, `max_retry_budget`: -1, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"max_retry_budget", "`max_retry_budget` must be an integer of at least 0", NULL);
	REFUSED("defaults of a wrong kind", "{`name`: `t`, `defaults`: 1, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"defaults", "`defaults` must be an object, not a number", NULL);
	REFUSED("unknown default", "{`name`: `t`, `defaults`: {`timeout`: 1}, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"defaults.timeout", "unknown field `timeout`", NULL);
	REFUSED("default that is wrong is reported once", "{`name`: `t`, `defaults`: {`on_failure`: `x`}, `start_step`: `a`, `steps`: {" AGENT_TO("a", "b") ", " AGENT("b") "}}",
			"defaults.on_failure", "`on_failure` must be `fail`, `ignore` or {`default`: value}", NULL);
	REFUSED("alias in defaults", "{`name`: `t`, `defaults`: {`retry_strategy`: {`max_retries`: -1}}, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"defaults.retry_strategy.max_retries", "`max_retries` must be an integer between 0 and 1000", NULL);
	REFUSED("name of a setting", "{`name`: `t`, `settings`: {`a b`: 1}, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"settings.a b", "`a b` is not a name of a setting", NULL);
	REFUSED("value of a setting", "{`name`: `t`, `settings`: {`work_mem`: {}}, `start_step`: `a`, `steps`: {" AGENT("a") "}}",
			"settings.work_mem", "a setting must be a string, a number or a boolean, not an object", NULL);
}

static void
test_steps(void)
{
	REFUSED("step of a wrong kind", STEPS("`a`: 5"), "steps.a", "a step must be an object, not a number", NULL);
	REFUSED("step of an array of a wrong kind", "{`name`: `t`, `steps`: [{`id`: `a`, `agent_name`: `x`}, 5]}",
			"steps[1]", "a step must be an object, not a number", NULL);
	REFUSED("step of an array without id", "{`name`: `t`, `steps`: [{`agent_name`: `x`}]}",
			"steps[0]", "a step of an array needs an `id`", NULL);
	REFUSED("id twice", "{`name`: `t`, `steps`: [{`id`: `a`, `agent_name`: `x`}, {`id`: `a`, `agent_name`: `x`}]}",
			"steps[1]", "the id `a` is used by more than one step", NULL);
	REFUSED("id of an inline child twice", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [{`id`: `b`, `agent_name`: `x`}, {`agent_name`: `x`}, `c`]}, `c`: {`type`: `parallel`, `parallel_steps`: [{`id`: `d`, `agent_name`: `x`}, {`id`: `b`, `agent_name`: `x`}]}"),
			"steps.c.parallel_steps[1]", "the id `b` is used by more than one step", NULL);
	REFUSED("id that is not the key", STEPS("`a`: {`id`: `b`, `agent_name`: `x`}"), "steps.a.id",
			"`id` is `b`, but the key of the step is `a`", NULL);
	REFUSED("id of a wrong kind", STEPS("`a`: {`id`: 1, `agent_name`: `x`}"), "steps.a.id",
			"`id` must be a string, not a number", NULL);
	REFUSED("id with a dot", STEPS(AGENT_TO("a", "b.c") ", " AGENT("b.c")), "steps.b.c",
			"the id of a step may contain letters, digits, `-` and `_` only", NULL);
	REFUSED("empty id", STEPS(AGENT_TO("a", "") ", " AGENT("")), "steps.",
			"the id of a step must not be empty", NULL);
	REFUSED("reserved id", STEPS(AGENT_TO("a", "loop") ", " AGENT("loop")), "steps.loop",
			"the id of a step is a reserved word", NULL);
	REFUSED("id of an inline child", STEPS("`a`: {`type`: `loop`, `collection`: [], `loop_body`: [{`id`: `vars`, `agent_name`: `x`}]}"),
			"steps.a.loop_body[0]", "the id of a step is a reserved word", NULL);
	REFUSED("unknown type", STEPS("`a`: {`type`: `paralel`}"), "steps.a.type", "unknown step type `paralel`",
			"Did you mean `parallel`?");
	REFUSED("very unknown type", STEPS("`a`: {`type`: `teleport`}"), "steps.a.type", "unknown step type `teleport`",
			"Types are: agent, sql, parallel, fork_join, conditional, loop, set, wait, succeed, fail.");
	REFUSED("type of a wrong kind", STEPS("`a`: {`type`: 1}"), "steps.a.type",
			"`type` must be a string, not a number", NULL);
	REFUSED("wait for nothing", STEPS("`a`: {`type`: `wait`}"), "steps.a", "a wait step needs `seconds`, `duration` or `until`",
			"Say how long with `seconds` or `duration`, or until when with `until`.");
	REFUSED("wait for two things", STEPS("`a`: {`type`: `wait`, `seconds`: 1, `until`: `now`}"), "steps.a",
			"a wait step has only one of `seconds`, `duration` and `until`", "Say how long with `seconds` or `duration`, or until when with `until`.");
	REFUSED("wait for words", STEPS("`a`: {`type`: `wait`, `seconds`: `${workflow.input.n} s`}"), "steps.a.seconds",
			"`seconds` must be a number or one ${...} reference", NULL);
	REFUSED("wait for a list", STEPS("`a`: {`type`: `wait`, `seconds`: [1]}"), "steps.a.seconds",
			"`seconds` must be a number or one ${...} reference, not an array", NULL);
	REFUSED("wait until a number", STEPS("`a`: {`type`: `wait`, `until`: 1}"), "steps.a.until", "`until` must be a string, not a number", NULL);
	REFUSED("wait for seconds in a zone", STEPS("`a`: {`type`: `wait`, `seconds`: 1, `time_zone`: `UTC`}"), "steps.a.time_zone",
			"seconds are the same in all time zones", "It is for `until` and `duration`.");
	REFUSED("wait with a limit", STEPS("`a`: {`type`: `wait`, `duration`: `P1D`, `timeout_seconds`: 1}"), "steps.a.timeout_seconds",
			"a wait step has no time limit of its own", NULL);
	REFUSED("wait with a retry", STEPS("`a`: {`type`: `wait`, `seconds`: 1, `retry`: {}}"), "steps.a.retry",
			"only agent and sql steps and containers can be retried", NULL);
	REFUSED("wait for what is not known", STEPS("`a`: {`type`: `wait`, `until`: `${b.output} 8:00`}"), "steps.a.until",
			"reference `b.output` names an unknown step `b`", NULL);
	accepted("wait", STEPS("`a`: {`type`: `wait`, `seconds`: 0.5, `when`: `${workflow.input.x}`, `output`: `${a.output.waited_until}`}"));
	accepted("wait in a zone", STEPS("`a`: {`type`: `wait`, `until`: `${workflow.input.day} 08:00`, `time_zone`: `${workflow.input.zone}`}"));
	for (const char **type = (const char *[]) {"external", "sub_workflow", "wait_for_event", "validate", NULL}; *type != NULL; type++)
		REFUSED(psprintf("type %s", *type), psprintf(STEPS("`a`: {`type`: `%s`, `anything`: 1}"), *type), "steps.a.type",
				psprintf("step type `%s` is not supported by this version of pg_workflow", *type), NULL);
	for (const char **field = (const char *[]) {"depends_on", "on_complete", "dead_letter", "caching", "circuit_breaker", NULL}; *field != NULL; field++)
		REFUSED(psprintf("field %s", *field), psprintf(STEPS("`a`: {`agent_name`: `x`, `%s`: []}"), *field), psprintf("steps.a.%s", *field),
				psprintf("`%s` is not supported by this version of pg_workflow", *field), NULL);
	REFUSED("retry", STEPS("`a`: {`agent_name`: `x`, `retry`: [{}, 1]}"), "steps.a.retry[1]",
			"a retry policy must be an object, not a number", NULL);
	REFUSED("retry errors", STEPS("`a`: {`agent_name`: `x`, `retry`: {`errors`: 1}}"), "steps.a.retry.errors",
			"`errors` must be an array of strings, not a number", NULL);
	WARNED_HINT("misspelt condition", STEPS("`a`: {`agent_name`: `x`, `retry`: [{`errors`: [`40001`, `serialisation_failure`]}]}"), "steps.a.retry[0].errors",
				"`serialisation_failure` is not the name of a known error", "Did you mean `serialization_failure`?");
	WARNED_HINT("misspelt reserved word", STEPS("`a`: {`agent_name`: `x`, `retry`: {`errors`: `time_out`}}"), "steps.a.retry.errors",
				"`time_out` is not the name of a known error", "Did you mean `timeout`?");
	WARNED_HINT("misspelt error type", STEPS("`a`: {`agent_name`: `x`, `retry`: {`errors`: [`ExecutorStuck`]}}"), "steps.a.retry.errors",
				"`ExecutorStuck` is not the name of a known error", "Did you mean `ExecutionStuck`?");
	WARNED_HINT("misspelt SQLSTATE", STEPS("`a`: {`agent_name`: `x`, `retry`: {`errors`: [`40p01`]}}"), "steps.a.retry.errors",
				"`40p01` is not the name of a known error", "Did you mean `40P01`?");
	WARNED_HINT("misspelt class", STEPS("`a`: {`agent_name`: `x`, `retry`: {`errors`: [`080*`]}}"), "steps.a.retry.errors",
				"`080*` is not the name of a known error", "Did you mean `08*`?");
	WARNED_HINT("misspelt name in a catch", STEPS("`a`: {`agent_name`: `x`, `catch`: [{`errors`: [`unique_violations`], `next_step`: `b`}]}, " AGENT("b")), "steps.a.catch[0].errors",
				"`unique_violations` is not the name of a known error", "Did you mean `unique_violation`?");
	WARNED_HINT("what others call all", STEPS("`a`: {`agent_name`: `x`, `catch`: [{`errors`: [`*`], `next_step`: `b`}]}, " AGENT("b")), "steps.a.catch[0].errors",
				"`*` is not the name of a known error", "Did you mean `all`?");
	WARNED_HINT("what others call a timeout", STEPS("`a`: {`agent_name`: `x`, `retry`: {`errors`: `States.Timeout`}}"), "steps.a.retry.errors",
				"`States.Timeout` is not the name of a known error", "Did you mean `timeout`?");
	WARNED_HINT("misspelt name in defaults", "{`name`: `t`, `defaults`: {`retry`: {`errors`: [`deadlock_detect`]}}, `start_step`: `a`, `steps`: {" AGENT("a") "}}", "defaults.retry.errors",
				"`deadlock_detect` is not the name of a known error", "Did you mean `deadlock_detected`?");
	REFUSED("retry delays", STEPS("`a`: {`agent_name`: `x`, `retry`: {`initial_delay_ms`: 10, `max_delay_ms`: 5}}"),
			"steps.a.retry.max_delay_ms", "`max_delay_ms` is less than `initial_delay_ms`", NULL);
	REFUSED("retry multiplier", STEPS("`a`: {`agent_name`: `x`, `retry`: {`backoff_multiplier`: 0.5}}"),
			"steps.a.retry.backoff_multiplier", "`backoff_multiplier` must be a number from 1 to 1000", NULL);
	REFUSED("retry_strategy", STEPS("`a`: {`agent_name`: `x`, `retry_strategy`: {`type`: `never`}}"), "steps.a.retry_strategy.type",
			"`type` must be `exponential_backoff`, `fixed_delay`, `linear_backoff` or `immediate`, not `never`", NULL);
	REFUSED("catch without a step", STEPS("`a`: {`agent_name`: `x`, `catch`: [{}]}"), "steps.a.catch[0]",
			"a catch clause must be an object with `next_step`", NULL);
	REFUSED("catch to nowhere", STEPS("`a`: {`agent_name`: `x`, `catch`: [{`next_step`: `zz`}]}"), "steps.a.catch[0].next_step",
			"step `zz` does not exist", NULL);
	REFUSED("catch back without max_visits", STEPS("`a`: {`agent_name`: `x`, `catch`: [{`next_step`: `a`}]}"), "steps.a",
			"steps form a cycle without `max_visits`: a -> a", NULL);
	REFUSED("catch out of a container", "{`name`: `t`, `start_step`: `p`, `steps`: {`p`: {`type`: `parallel`, `parallel_steps`: [{`id`: `x`, `agent_name`: `x`, `catch`: [{`next_step`: `z`}]}, {`agent_name`: `x`}], `next_step`: `z`}, " AGENT("z") "}}",
			"steps.p.parallel_steps[0].catch[0].next_step", "step `z` is not in the same line", NULL);
	REFUSED("retry of a set step", STEPS("`a`: {`type`: `set`, `output`: 1, `retry`: {}}"),
			"steps.a.retry", "only agent and sql steps and containers can be retried", NULL);
	REFUSED("unknown field", STEPS("`a`: {`agent_name`: `x`, `inputmapping`: {}}"), "steps.a.inputmapping",
			"unknown field `inputmapping`", "Did you mean `input_mapping`?");
	REFUSED("very unknown field", STEPS("`a`: {`type`: `succeed`, `zzzzzz`: {}}"), "steps.a.zzzzzz", "unknown field `zzzzzz`",
			"Fields of a step of type succeed are: catch, compensate, description, ends, id, input_mapping, max_visits, metadata, name, next_step, on_failure, output, priority, retry, settings, timeout_seconds, type, when.");
	REFUSED("field of another type", STEPS("`a`: {`agent_name`: `x`, `max_parallelism`: 2}"), "steps.a.max_parallelism",
			"field `max_parallelism` does not belong here", NULL);
	REFUSED("field twice", STEPS("`a`: {`agent_name`: `x`, `agent_name`: `y`}"), "steps.a.agent_name",
			"field `agent_name` is given twice", NULL);
	REFUSED("field twice by an alias", STEPS("`a`: {`agent_name`: `x`, `next_step`: `b`, `next`: `b`}, " AGENT("b")), "steps.a.next",
			"field `next_step` is given twice", NULL);
	REFUSED("no agent_name", STEPS("`a`: {`type`: `agent`}"), "steps.a.agent_name", "`agent_name` is required", NULL);
	REFUSED("of no kind", STEPS("`a`: {}"), "steps.a", "step `a` needs `sql`, `agent_name` or `type`", NULL);
	REFUSED("of no kind in an array", "{`name`: `t`, `steps`: [{`id`: `a`}]}", "steps[0]", "step `a` needs `sql`, `agent_name` or `type`", NULL);
	REFUSED("child of no kind", STEPS("`a`: {`type`: `loop`, `collection`: [], `loop_body`: [{`id`: `b`}]}"),
			"steps.a.loop_body[0]", "step `b` needs `sql`, `agent_name` or `type`", NULL);
	REFUSED("no sql", STEPS("`a`: {`type`: `sql`}"), "steps.a.sql", "`sql` is required", NULL);
	REFUSED("blank sql", STEPS("`a`: {`sql`: ` \\n`}"), "steps.a.sql", "`sql` must not be empty", NULL);
	REFUSED("result", STEPS("`a`: {`sql`: `x`, `result`: `rws`}"), "steps.a.result",
			"`result` must be `rows`, `row`, `value` or `none`, not `rws`", NULL);
	REFUSED("params", STEPS("`a`: {`sql`: `x`, `params`: {}}"), "steps.a.params",
			"`params` must be an array, not an object", NULL);
	REFUSED("transaction", STEPS("`a`: {`sql`: `x`, `transaction`: `new`}"), "steps.a.transaction",
			"`transaction` must be `step` or `none`, not `new`", NULL);
	REFUSED("input_mapping", STEPS("`a`: {`agent_name`: `x`, `input_mapping`: [1]}"), "steps.a.input_mapping",
			"`input_mapping` must be an object, not an array", NULL);
	REFUSED("input_mapping that is text", STEPS("`a`: {`agent_name`: `x`, `input_mapping`: `x`}"), "steps.a.input_mapping",
			"`input_mapping` must be an object or one ${...} reference", NULL);
	for (const char **value = (const char *[]) {"0", "-1", "1.5", "`10`", "31536001", "1e2", "99999999999999999999", NULL}; *value != NULL; value++)
		REFUSED(psprintf("timeout %s", *value), psprintf(STEPS("`a`: {`agent_name`: `x`, `timeout_seconds`: %s}"), *value),
				"steps.a.timeout_seconds", "`timeout_seconds` must be an integer between 1 and 31536000", NULL);
	REFUSED("max_visits", STEPS("`a`: {`agent_name`: `x`, `max_visits`: 1000001}"), "steps.a.max_visits",
			"`max_visits` must be an integer between 1 and 1000000", NULL);
	REFUSED("on_failure", STEPS("`a`: {`agent_name`: `x`, `on_failure`: `retry`}"), "steps.a.on_failure",
			"`on_failure` must be `fail`, `ignore` or {`default`: value}", NULL);
	REFUSED("on_failure of a wrong kind", STEPS("`a`: {`agent_name`: `x`, `on_failure`: {`else`: 1}}"), "steps.a.on_failure",
			"`on_failure` must be `fail`, `ignore` or {`default`: value}", NULL);
	REFUSED("on_failure with more", STEPS("`a`: {`agent_name`: `x`, `on_failure`: {`default`: 1, `log`: true}}"), "steps.a.on_failure.log",
			"unknown field `log`", NULL);
	REFUSED("when that does not parse", STEPS("`a`: {`agent_name`: `x`, `when`: `1 +`}"), "steps.a.when",
			"unexpected end of expression at character 4", NULL);
	REFUSED("when in SQL", STEPS("`a`: {`agent_name`: `x`, `when`: {`sql`: `SELECT true`}}"), "steps.a.when",
			"`when` must be an expression", NULL);
	REFUSED("when of a wrong kind", STEPS("`a`: {`agent_name`: `x`, `when`: 1}"), "steps.a.when",
			"a condition must be a string or an object, not a number", NULL);
	REFUSED("set without anything", STEPS("`a`: {`type`: `set`}"), "steps.a.assign",
			"a set step needs `assign` or `output`", NULL);
	REFUSED("name of a variable", STEPS("`a`: {`type`: `set`, `assign`: {`a.b`: 1}}"), "steps.a.assign.a.b",
			"the name of a variable may contain letters, digits, `-` and `_` only", NULL);
	REFUSED("next_step that does not exist", STEPS("`a`: {`agent_name`: `x`, `next_step`: `done`}, `dones`: {`agent_name`: `x`, `next`: `a`, `max_visits`: 1}"),
			"steps.a.next_step", "step `done` does not exist", "Did you mean `dones`?");
	REFUSED("next_step of a wrong kind", STEPS("`a`: {`agent_name`: `x`, `next`: 1}"), "steps.a.next",
			"`next_step` must be a string, not a number", NULL);
}

/* Names of errors that agents may have chosen, or that are known: nobody is warned. */
static void
test_error_names(void)
{
	ProblemList *problems = problem_list_create();

	definition_normalise(quoted(STEPS("`a`: {`agent_name`: `x`, `retry`: {`errors`: [`40001`, `P0001`, `08*`, `XX*`,"
									  "`unique_violation`, `timeout`, `heartbeat_timeout`, `task_failed`, `all`, `Timeout`, `ExecutionStuck`,"
									  "`rate_limited`, `not_found`, `no_stock`, `TIMEOUT`, `E_BUSY`, `fall`, `busy`, `NoMoney`, `carrier down`,"
									  "`duplicate_order`, `invalid_name`, `http-503`, `503`, `é*`]}}")),
						 TEST_NESTING, NULL, problems);
	CHECK(problems->count == 0, "names of errors that may be right");
	print_problems(problems);
}

/* The list is the server's: what PL/pgSQL can catch by name can be named. */
static void
test_conditions(void)
{
	CHECK(error_name_covers("unique_violation", NULL, "23505", false), "the name of a condition");
	CHECK(error_name_covers("zero_length_character_string", NULL, "2200F", false), "the last of them");
	CHECK(!error_name_covers("unique_violation", NULL, "23503", false), "another error than the condition");
	CHECK(error_name_covers("null_value_not_allowed", NULL, "22004", false) &&
		  error_name_covers("null_value_not_allowed", NULL, "39004", false), "a name that two errors have");
	CHECK(error_name_covers("string_data_right_truncation", NULL, "22001", false) &&
		  !error_name_covers("string_data_right_truncation", NULL, "01004", false), "an error, and no warning");
	CHECK(!error_name_covers("no_data", NULL, "02000", false) &&
		  !error_name_covers("successful_completion", NULL, "00000", false), "what is no error");
	CHECK(error_name_meant("unique_voilation") != NULL &&
		  strcmp(error_name_meant("unique_voilation"), "unique_violation") == 0, "a mistake in a name");
}

static void
test_containers(void)
{
	REFUSED("no children", STEPS("`a`: {`type`: `parallel`}"), "steps.a.parallel_steps", "`parallel_steps` is required", NULL);
	REFUSED("empty parallel", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: []}"), "steps.a.parallel_steps",
			"a parallel step needs at least two children", NULL);
	WARNED("parallel of one", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [`b`]}, " AGENT("b")), "steps.a.parallel_steps",
		   "a parallel step with one child has nothing to run in parallel");
	REFUSED("child of a wrong kind", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [`b`, 7]}, " AGENT("b")), "steps.a.parallel_steps[1]",
			"expected the id of a step or a step, not a number", NULL);
	REFUSED("child that does not exist", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [`step-b`, `step-x`]}, " AGENT("step-b")), "steps.a.parallel_steps[1]",
			"step `step-x` does not exist", "Did you mean `step-b`?");
	REFUSED("child twice", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [`b`, `b`]}, " AGENT("b")), "steps.a.parallel_steps[1]",
			"step `b` is already a child of `a`", NULL);
	REFUSED("child of two containers", STEPS("`a`: {`type`: `loop`, `collection`: [1], `loop_body`: [`b`], `next`: `c`}, " AGENT("b") ", `c`: {`type`: `loop`, `collection`: [1], `loop_body`: [`b`, {`agent_name`: `y`}]}"),
			"steps.c.loop_body[0]", "step `b` is already a child of `a`", NULL);
	REFUSED("child and in the chain", STEPS("`a`: {`type`: `loop`, `collection`: [1], `loop_body`: [`b`], `next`: `b`}, " AGENT("b")),
			"steps.a.next", "step `b` is a child of `a` and cannot be the next step", NULL);
	REFUSED("child and first", "{`name`: `t`, `start_step`: `b`, `steps`: {`a`: {`type`: `loop`, `collection`: [1], `loop_body`: [`b`]}, " AGENT("b") "}}",
			"start_step", "step `b` is a child of `a` and cannot be the first step", NULL);
	WARNED("next_step of a child", STEPS("`a`: {`type`: `loop`, `collection`: [1], `loop_body`: [`b`, `c`]}, " AGENT_TO("b", "c") ", " AGENT("c")),
		   "steps.b.next_step", "`next_step` of a step inside `a` is not followed");
	WARNED("next_step of a succeed", STEPS("`a`: {`type`: `succeed`, `next_step`: `a`}"), "steps.a.next_step",
		   "`next_step` of a succeed step is not followed, since it ends the execution");
	REFUSED("misspelt field that may be flat", STEPS("`a`: {`type`: `loop`, `colection`: [1], `while`: `false`, `loop_body`: [{`agent_name`: `y`}]}"),
			"steps.a.colection", "unknown field `colection`", "Did you mean `collection`?");
	REFUSED("unknown field beside flat ones", STEPS("`a`: {`type`: `loop`, `xyzzy`: 1, `collection`: [1], `loop_body`: [{`agent_name`: `y`}]}"),
			"steps.a.xyzzy", "unknown field `xyzzy`",
			"Fields of a step of type loop are: batch_size, catch, collection, compensate, description, execution_mode, id, input_mapping, label, loop_body, loop_config, "
			"max_iterations, max_parallelism, max_visits, metadata, name, next_step, on_error, on_failure, output, priority, result, retry, settings, timeout_seconds, timeout_strategy, type, until, when, while.");
	REFUSED("the same of fork_join", STEPS("`a`: {`type`: `fork_join`, `join_polcy`: `all`, `branches`: {`x`: [{`agent_name`: `y`}], `z`: [{`agent_name`: `y`}]}}"),
			"steps.a.join_polcy", "unknown field `join_polcy`", "Did you mean `join_policy`?");
	REFUSED("container in itself", STEPS("`a`: {`type`: `loop`, `collection`: [1], `loop_body`: [`a`]}"), "steps.a.loop_body[0]",
			"step `a` cannot contain itself", NULL);
	REFUSED("container in its subtree", STEPS(AGENT("a") ", `b`: {`type`: `loop`, `collection`: [1], `loop_body`: [`c`]}, `c`: {`type`: `loop`, `collection`: [1], `loop_body`: [`b`]}"),
			"steps.b", "step `b` contains itself through its children", NULL);
	REFUSED("max_parallelism", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [{`agent_name`: `x`}, {`agent_name`: `x`}], `max_parallelism`: 0}"),
			"steps.a.max_parallelism", "`max_parallelism` must be an integer of at least 1", NULL);
	REFUSED("on_error of a block", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [{`agent_name`: `x`}, {`agent_name`: `x`}], `on_error`: `collect`}"),
			"steps.a.on_error", "`on_error` must be `stop` or `continue`, not `collect`", NULL);
	REFUSED("min_success", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [{`agent_name`: `x`}, {`agent_name`: `x`}], `min_success`: 3}"),
			"steps.a.min_success", "`min_success` must be an integer between 1 and 2", NULL);
	for (const char **value = (const char *[]) {"1.1", "-0.5", "2", "1e-1", "1.000001", NULL}; *value != NULL; value++)
		REFUSED(psprintf("min_success_ratio %s", *value), psprintf(STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [{`agent_name`: `x`}, {`agent_name`: `x`}], `min_success_ratio`: %s}"), *value),
				"steps.a.min_success_ratio", "`min_success_ratio` must be a decimal between 0 and 1", NULL);
	REFUSED("two quorums", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [{`agent_name`: `x`}, {`agent_name`: `x`}], `min_success_ratio`: 1, `min_success`: 1}"),
			"steps.a.min_success_ratio", "`min_success` and `min_success_ratio` exclude each other", NULL);

#define FORK(more) STEPS("`a`: {`type`: `fork_join`, `branches`: {`l`: [{`agent_name`: `x`}], `r`: [{`agent_name`: `x`}]}" more "}")
	REFUSED("no branches", STEPS("`a`: {`type`: `fork_join`}"), "steps.a.branches", "`branches` is required", NULL);
	REFUSED("empty branches", STEPS("`a`: {`type`: `fork_join`, `fork_join_config`: {`branches`: {}}}"), "steps.a.fork_join_config.branches",
			"a fork_join step needs at least two branches", NULL);
	WARNED("one branch", STEPS("`a`: {`type`: `fork-join`, `branches`: {`l`: [{`agent_name`: `x`}]}}"), "steps.a.branches",
		   "a fork_join step with one branch has nothing to run in parallel");
	REFUSED("branches of a wrong kind", STEPS("`a`: {`type`: `fork_join`, `branches`: [1]}"), "steps.a.branches",
			"`branches` must be an object, not an array", NULL);
	REFUSED("branch of a wrong kind", STEPS("`a`: {`type`: `fork_join`, `branches`: {`l`: 1, `r`: {`steps`: [{`agent_name`: `x`}]}}}"), "steps.a.branches.l",
			"a branch must be an object or an array of steps, not a number", NULL);
	REFUSED("branch without steps", STEPS("`a`: {`type`: `fork_join`, `branches`: {`l`: {`timeout_seconds`: 1}, `r`: [{`agent_name`: `x`}]}}"), "steps.a.branches.l.steps",
			"`steps` is required", NULL);
	REFUSED("empty branch", STEPS("`a`: {`type`: `fork_join`, `branches`: {`l`: [], `r`: [{`agent_name`: `x`}]}}"), "steps.a.branches.l",
			"at least one step is needed", NULL);
	REFUSED("name of a branch", STEPS("`a`: {`type`: `fork_join`, `branches`: {`l/m`: [{`id`: `c`, `agent_name`: `x`}], `r`: [{`agent_name`: `x`}]}}"), "steps.a.branches.l/m",
			"the name of a branch may contain letters, digits, `-` and `_` only", NULL);
	REFUSED("timeout of a branch", STEPS("`a`: {`type`: `fork_join`, `branches`: {`l`: {`steps`: [{`agent_name`: `x`}], `timeout_seconds`: 0}, `r`: [{`agent_name`: `x`}]}}"),
			"steps.a.branches.l.timeout_seconds", "`timeout_seconds` must be an integer between 1 and 31536000", NULL);
	REFUSED("join_policy", FORK(", `join_policy`: `most`"), "steps.a.join_policy",
			"`join_policy` must be `all`, `any`, `majority` or `n_of_m`, not `most`", NULL);
	REFUSED("n_of_m without n", FORK(", `join_policy`: `n_of_m`"), "steps.a.n_required", "`n_required` is required with join policy n_of_m", NULL);
	REFUSED("n without n_of_m", FORK(", `n_required`: 1"), "steps.a.n_required", "`n_required` has no meaning with join policy all", NULL);
	REFUSED("n_required", FORK(", `join_policy`: `n_of_m`, `n_required`: 3"), "steps.a.n_required", "`n_required` must be an integer between 1 and 2", NULL);
	REFUSED("on_join", FORK(", `on_join`: `abort`"), "steps.a.on_join", "`on_join` must be `wait` or `cancel`, not `abort`", NULL);
	REFUSED("configuration of a wrong kind", STEPS("`a`: {`type`: `fork_join`, `fork_join_config`: []}"), "steps.a.fork_join_config",
			"`fork_join_config` must be an object, not an array", NULL);
	REFUSED("flat and nested", STEPS("`a`: {`type`: `fork_join`, `join_policy`: `any`, `fork_join_config`: {`join_policy`: `any`, `branches`: {`l`: [{`agent_name`: `x`}], `r`: [{`agent_name`: `x`}]}}}"),
			"steps.a.join_policy", "field `join_policy` is given twice", NULL);

#define LOOP(more) STEPS("`a`: {`type`: `loop`, `loop_config`: {`loop_body`: [{`id`: `b`, `agent_name`: `x`}]" more "}}")
	REFUSED("loop over nothing", LOOP(""), "steps.a.loop_config.collection", "a loop needs one of `collection`, `while` and `until`", NULL);
	REFUSED("loop over two things", LOOP(", `while`: `true`, `collection`: []"), "steps.a.loop_config", "a loop needs one of `collection`, `while` and `until`", NULL);
	REFUSED("collection that is text", LOOP(", `collection`: `items`"), "steps.a.loop_config.collection",
			"`collection` must be one ${...} reference or an array", NULL);
	REFUSED("collection with text", LOOP(", `collection`: `x${workflow.input.a}`"), "steps.a.loop_config.collection",
			"`collection` must be one ${...} reference or an array", NULL);
	REFUSED("collection of a wrong kind", LOOP(", `collection`: {`a`: 1}"), "steps.a.loop_config.collection",
			"`collection` must be one ${...} reference or an array", NULL);
	REFUSED("no body", STEPS("`a`: {`type`: `loop`, `loop_config`: {`collection`: []}}"), "steps.a.loop_config.loop_body", "`loop_body` is required", NULL);
	REFUSED("empty body", STEPS("`a`: {`type`: `loop`, `collection`: [], `loop_body`: []}"), "steps.a.loop_body", "at least one step is needed", NULL);
	REFUSED("body with an unknown step", STEPS("`a`: {`type`: `loop`, `collection`: [], `loop_body`: `nobody`}"), "steps.a.loop_body", "step `nobody` does not exist", NULL);
	REFUSED("execution_mode", LOOP(", `collection`: [], `execution_mode`: `both`"), "steps.a.loop_config.execution_mode",
			"`execution_mode` must be `sequential` or `parallel`, not `both`", NULL);
	REFUSED("parallel while", LOOP(", `while`: `true`, `execution_mode`: `parallel`"), "steps.a.loop_config.execution_mode",
			"a `while` loop cannot run in parallel", NULL);
	REFUSED("on_error of a loop", LOOP(", `collection`: [], `on_error`: `ignore`"), "steps.a.loop_config.on_error",
			"`on_error` must be `stop`, `continue` or `collect`, not `ignore`", NULL);
	REFUSED("max_iterations", LOOP(", `collection`: [], `max_iterations`: 0"), "steps.a.loop_config.max_iterations",
			"`max_iterations` must be an integer of at least 1", NULL);
	REFUSED("batch_size", LOOP(", `collection`: [], `batch_size`: 51"), "steps.a.loop_config.batch_size",
			"`batch_size` must be an integer between 1 and 50", NULL);
	REFUSED("result of a loop", LOOP(", `collection`: [], `result`: `all`"), "steps.a.loop_config.result",
			"`result` must be `iterations`, `outputs` or `counts`, not `all`", NULL);
	REFUSED("unknown field of a loop", LOOP(", `collection`: [], `max_iteration`: 1"), "steps.a.loop_config.max_iteration",
			"unknown field `max_iteration`", "Did you mean `max_iterations`?");

	REFUSED("no condition", STEPS("`a`: {`type`: `conditional`, `then`: {`agent_name`: `x`}}"), "steps.a.condition",
			"a conditional step needs either `condition` or `switch`", NULL);
	REFUSED("condition and switch", STEPS("`a`: {`type`: `conditional`, `condition`: `true`, `switch`: []}"), "steps.a.switch",
			"a conditional step needs either `condition` or `switch`", NULL);
	REFUSED("no branch", STEPS("`a`: {`type`: `conditional`, `condition`: `true`}"), "steps.a.if_true_step",
			"a conditional step needs `if_true_step` or `if_false_step`", NULL);
	REFUSED("empty branch of a conditional", STEPS("`a`: {`type`: `conditional`, `condition`: `true`, `else`: []}"), "steps.a.else",
			"at least one step is needed", NULL);
	REFUSED("condition that is empty", STEPS("`a`: {`type`: `conditional`, `condition`: {`expression`: ``}, `then`: {`agent_name`: `x`}}"), "steps.a.condition.expression",
			"`expression` must not be empty", NULL);
	REFUSED("condition without text", STEPS("`a`: {`type`: `conditional`, `condition`: {}, `then`: {`agent_name`: `x`}}"), "steps.a.condition",
			"a condition needs either `expression` or `sql`", NULL);
	REFUSED("condition that does not parse", STEPS("`a`: {`type`: `conditional`, `condition`: {`expression`: `1 == `}, `then`: {`agent_name`: `x`}}"),
			"steps.a.condition.expression", "unexpected end of expression at character 6", "It is character 6 of `1 == `.");
	WARNED("operator", STEPS("`a`: {`type`: `conditional`, `condition`: {`expression`: `true`, `operator`: `and`}, `then`: {`agent_name`: `x`}}"),
		   "steps.a.condition.operator", "`operator` is stored, but not applied by this version of pg_workflow");
	REFUSED("default without switch", STEPS("`a`: {`type`: `conditional`, `condition`: `true`, `then`: {`agent_name`: `x`}, `default`: {`agent_name`: `x`}}"),
			"steps.a.default", "`default` belongs to a switch", "Use `if_false_step`.");
	REFUSED("switch with then", STEPS("`a`: {`type`: `conditional`, `switch`: [{`when`: `true`, `next_step`: `b`}], `then_step`: `b`}, " AGENT("b")),
			"steps.a.then_step", "a switch has no `if_true_step` and `if_false_step`", NULL);
	REFUSED("empty switch", STEPS("`a`: {`type`: `conditional`, `switch`: []}"), "steps.a.switch", "`switch` needs at least one case", NULL);
	REFUSED("case of a wrong kind", STEPS("`a`: {`type`: `conditional`, `switch`: [true]}"), "steps.a.switch[0]", "a case must be an object, not a boolean", NULL);
	REFUSED("case without condition", STEPS("`a`: {`type`: `conditional`, `switch`: [{`step`: {`agent_name`: `x`}}]}"), "steps.a.switch[0].when", "`when` is required", NULL);
	REFUSED("case in SQL", STEPS("`a`: {`type`: `conditional`, `switch`: [{`condition`: {`sql`: `SELECT true`}, `then`: {`agent_name`: `x`}}]}"), "steps.a.switch[0].condition",
			"the condition of a case must be an expression", NULL);
	REFUSED("case without target", STEPS("`a`: {`type`: `conditional`, `switch`: [{`when`: `true`}]}"), "steps.a.switch[0]", "a case needs either `step` or `next_step`", NULL);
	REFUSED("case with two targets", STEPS("`a`: {`type`: `conditional`, `switch`: [{`when`: `true`, `step`: {`agent_name`: `x`}, `next`: `a`}]}"), "steps.a.switch[0]",
			"a case needs either `step` or `next_step`", NULL);
	REFUSED("jump into the void", STEPS("`a`: {`type`: `conditional`, `switch`: [{`when`: `true`, `next`: `nowhere`}]}"), "steps.a.switch[0].next", "step `nowhere` does not exist", NULL);
	REFUSED("jump into a container", STEPS("`a`: {`type`: `conditional`, `switch`: [{`when`: `true`, `next_step`: `c`}], `next_step`: `b`}, `b`: {`type`: `loop`, `collection`: [1], `loop_body`: [`c`]}, " AGENT("c")),
			"steps.a.switch[0].next_step", "step `c` is not in the same line as the switch", NULL);
	REFUSED("unguarded cycle inside a container", STEPS("`a`: {`type`: `loop`, `collection`: [1], `loop_body`: [{`id`: `b`, `agent_name`: `x`}, {`id`: `c`, `type`: `conditional`, `switch`: [{`when`: `true`, `step`: {`agent_name`: `x`}}], `default`: {`next_step`: `b`}}]}"),
			"steps.a.loop_body[1]", "steps form a cycle without `max_visits`: b -> c -> b",
			"Give one of these steps `max_visits`, so that the cycle ends.");
}

static void
test_graph(void)
{
	char	   *long_id = palloc(260);
	StringInfoData text;

	REFUSED("unreachable", STEPS(AGENT("a") ", " AGENT("b")), "steps.b", "step `b` cannot be reached from `a`", NULL);
	REFUSED("unreachable container speaks for its children", STEPS(AGENT("a") ", `b`: {`type`: `loop`, `collection`: [], `loop_body`: [`c`]}, " AGENT("c")),
			"steps.b", "step `b` cannot be reached from `a`", NULL);
	REFUSED("unguarded cycle", STEPS(AGENT_TO("a", "b") ", `b`: {`type`: `conditional`, `switch`: [{`when`: `true`, `next_step`: `d`}], `next_step`: `c`}, " AGENT_TO("c", "b") ", " AGENT("d")),
			"steps.c.next_step", "steps form a cycle without `max_visits`: b -> c -> b",
			"Give one of these steps `max_visits`, so that the cycle ends.");
	REFUSED("one guarded cycle of two", STEPS("`a`: {`type`: `conditional`, `switch`: [{`when`: `true`, `next_step`: `b`}, {`when`: `true`, `next_step`: `c`}]}, `b`: {`agent_name`: `x`, `max_visits`: 2, `next`: `a`}, " AGENT_TO("c", "a")),
			"steps.c.next_step", "steps form a cycle without `max_visits`: a -> c -> a", NULL);
	REFUSED("cycle by a jump", STEPS("`a`: {`type`: `conditional`, `switch`: [{`when`: `true`, `next_step`: `a`}]}"),
			"steps.a", "steps form a cycle without `max_visits`: a -> a", NULL);
	REFUSED("no end", STEPS("`a`: {`agent_name`: `x`, `max_visits`: 3, `next_step`: `a`}"), "steps", "no step ends the workflow", NULL);
	REFUSED("no end because every case jumps", STEPS("`a`: {`type`: `conditional`, `max_visits`: 2, `switch`: [{`when`: `true`, `next_step`: `b`}], `default`: {`next_step`: `b`}}, " AGENT_TO("b", "a")),
			"steps", "no step ends the workflow", NULL);

	REFUSED("too deep", STEPS("`a`: {`type`: `loop`, `collection`: [1], `loop_body`: {`id`: `b`, `type`: `loop`, `collection`: [1], `loop_body`: {`id`: `c`, `type`: `loop`, `collection`: [1], `loop_body`: {`id`: `d`, `type`: `loop`, `collection`: [1], `loop_body`: {`id`: `e`, `type`: `loop`, `collection`: [1], `loop_body`: {`id`: `f`, `type`: `loop`, `collection`: [1], `loop_body`: {`id`: `g`, `agent_name`: `x`}}}}}}}"),
			"steps.a.loop_body.loop_body.loop_body.loop_body.loop_body", "step `f` is nested more than 5 containers deep", NULL);

	memset(long_id, 'x', 255);
	long_id[255] = '\0';
	initStringInfo(&text);
	appendStringInfo(&text, STEPS("`a`: {`type`: `loop`, `collection`: [1], `loop_body`: {`id`: `b%s`, `type`: `loop`, `collection`: [1], `loop_body`: {`id`: `c`, `type`: `parallel`, `parallel_steps`: [{`agent_name`: `x`}, {`agent_name`: `x`}]}}}"), long_id);
	REFUSED("id that is too long", text.data, "steps.a.loop_body", "the id of a step is longer than 255 characters", NULL);

	resetStringInfo(&text);
	long_id[250] = '\0';
	appendStringInfo(&text, "{`name`: `t`, `start_step`: `1%s`, `steps`: {", long_id);
	for (int i = 1; i <= 5; i++)
		appendStringInfo(&text, "`%d%s`: {`type`: `fork_join`, `branches`: {`%s`: [`%d%s`], `z`: [{`id`: `y%d`, `agent_name`: `x`}]}}, ",
						 i, long_id, i == 1 ? "l" : long_id, i + 1, long_id, i);
	appendStringInfo(&text, "`6%s`: {`agent_name`: `x`}}}", long_id);
	{
		ProblemList *problems = problem_list_create();

		definition_normalise(quoted(text.data), TEST_NESTING, NULL, problems);
		CHECK(problems->count == 2 && problems->errors == 2 &&
			  strstr(problems->items[0].message, "are together longer than 1500 bytes") != NULL,
			  "scope paths that are too long");
	}
}

static void
test_references(void)
{
#define MAPPED(id, reference, more) "`" id "`: {`agent_name`: `x`, `input_mapping`: {`v`: `${" reference "}`}" more "}"
	REFUSED("unknown step", STEPS(AGENT_TO("a", "check") ", " MAPPED("check", "chek.output", ", `output`: 1")), "steps.check.input_mapping.v",
			"reference `chek.output` names an unknown step `chek`", "Did you mean `check`?");
	REFUSED("deep in a mapping", STEPS("`a`: {`agent_name`: `x`, `input_mapping`: {`l`: [1, {`m`: `text ${b.output.x} more`}]}}"), "steps.a.input_mapping.l[1].m",
			"reference `b.output.x` names an unknown step `b`", NULL);
	REFUSED("in a subscript", STEPS("`a`: {`agent_name`: `x`, `input_mapping`: {`l`: `${workflow.input.x[zz.output]}`}}"), "steps.a.input_mapping.l",
			"reference `zz.output` names an unknown step `zz`", NULL);
	REFUSED("later step", STEPS(MAPPED("a", "b.output", ", `next`: `b`") ", " AGENT("b")), "steps.a.input_mapping.v",
			"reference `b.output` names a step that cannot have run before", NULL);
	REFUSED("itself", STEPS(MAPPED("a", "a.output", "")), "steps.a.input_mapping.v", "reference `a.output` names the step itself",
			"Only the `output` of a step may read its own result.");
	REFUSED("itself in a set", STEPS("`a`: {`type`: `set`, `output`: `${a.output}`}"), "steps.a.output", "reference `a.output` names the step itself", NULL);
	REFUSED("sibling", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [`b`, `c`]}, " AGENT("b") ", " MAPPED("c", "b.output", "")),
			"steps.c.input_mapping.v", "reference `b.output` names a step that runs at the same time", NULL);
	REFUSED("step of another branch", STEPS("`a`: {`type`: `fork_join`, `branches`: {`l`: [`b`], `r`: [{`id`: `c`, `type`: `loop`, `collection`: `${b.output}`, `loop_body`: {`agent_name`: `x`}}]}}, " AGENT("b")),
			"steps.a.branches.r[0].collection", "reference `b.output` names a step that runs at the same time", NULL);
	REFUSED("the other branch of a conditional", STEPS("`a`: {`type`: `conditional`, `condition`: `true`, `then`: `b`, `else`: `c`}, " AGENT("b") ", " MAPPED("c", "b.output", "")),
			"steps.c.input_mapping.v", "reference `b.output` names a step of another branch of the same conditional", NULL);
	REFUSED("later in the line", STEPS("`a`: {`type`: `loop`, `collection`: [], `loop_body`: [`b`, `c`]}, " AGENT("c") ", " MAPPED("b", "c.output", "")),
			"steps.b.input_mapping.v", "reference `c.output` names a step that cannot have run before", NULL);
	REFUSED("container around", STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [`b`, `c`]}, " AGENT("c") ", " MAPPED("b", "a.output", "")),
			"steps.b.input_mapping.v", "reference `a.output` names a container that has not ended, since the step is in it", NULL);
	REFUSED("child of its own", STEPS("`a`: {`type`: `conditional`, `condition`: `${b.output}`, `then`: `b`}, " AGENT("b")),
			"steps.a.condition", "reference `b.output` names a step that cannot have run before", NULL);
	REFUSED("step on another way", STEPS("`a`: {`type`: `conditional`, `switch`: [{`when`: `true`, `next_step`: `b`}], `next`: `c`}, " AGENT("b") ", " MAPPED("c", "b.output", "")),
			"steps.c.input_mapping.v", "reference `b.output` names a step that cannot have run before", NULL);
	REFUSED("into a loop", STEPS("`a`: {`type`: `loop`, `collection`: [], `loop_body`: `b`, `next`: `c`}, " AGENT("b") ", " MAPPED("c", "b.output", "")),
			"steps.c.input_mapping.v", "reference `b.output` looks into the loop `a` from outside of it", "Use ${a.output}.");
	REFUSED("into a loop from its own output", STEPS("`a`: {`type`: `loop`, `collection`: [], `loop_body`: `b`, `output`: `${b.output}`}, " AGENT("b")),
			"steps.a.output", "reference `b.output` looks into the loop `a` from outside of it", NULL);
	REFUSED("into a nested loop", STEPS("`a`: {`type`: `loop`, `collection`: [], `loop_body`: {`id`: `i`, `type`: `loop`, `collection`: [], `loop_body`: `b`}, `next`: `c`}, " AGENT("b") ", " MAPPED("c", "b.output", "")),
			"steps.c.input_mapping.v", "reference `b.output` looks into the loop `a` from outside of it", "Use ${a.output}.");
	REFUSED("body in while", STEPS("`a`: {`type`: `loop`, `while`: `${b.output}`, `loop_body`: `b`}, " AGENT("b")),
			"steps.a.while", "reference `b.output` looks into the loop `a` from outside of it", NULL);
	REFUSED("loop outside of one", STEPS(MAPPED("a", "loop.item", "")), "steps.a.input_mapping.v", "reference `loop.item` is outside of a loop", NULL);
	REFUSED("loop in its collection", STEPS("`a`: {`type`: `loop`, `collection`: `${loop.item}`, `loop_body`: {`agent_name`: `x`}}"), "steps.a.collection",
			"reference `loop.item` is outside of a loop", NULL);
	REFUSED("beyond the outermost", STEPS("`a`: {`type`: `loop`, `collection`: [], `loop_body`: `b`}, " MAPPED("b", "loop.parent.item", "")), "steps.b.input_mapping.v",
			"reference `loop.parent.item` goes beyond the outermost loop", NULL);
	REFUSED("item of a while", STEPS("`a`: {`type`: `loop`, `while`: `${loop.index} < 3`, `loop_body`: `b`}, " MAPPED("b", "loop.item", "")), "steps.b.input_mapping.v",
			"reference `loop.item` asks for items of `a`, which is a loop without a collection", NULL);
	REFUSED("variable that nothing assigns", STEPS("`a`: {`type`: `set`, `assign`: {`total`: 1}, `next`: `b`}, " MAPPED("b", "vars.totl", "")), "steps.b.input_mapping.v",
			"reference `vars.totl` names a variable that no set step or catch clause assigns", "Did you mean `total`?");
	REFUSED("expression that does not parse", STEPS("`a`: {`agent_name`: `x`, `input_mapping`: {`l`: [1, `x ${workflow.input.a`]}}"), "steps.a.input_mapping.l[1]",
			"`}` is missing at character 21", "It is character 21 of `x ${workflow.input.a`.");
	REFUSED("field that the workflow does not have", "{`name`: `t`, `steps`: [{`id`: `a`, `agent_name`: `x`, `input_mapping`: {`v`: `${workflow.inputs}`}}]}", "steps[0].input_mapping.v",
			"`workflow` has no `inputs`, only input, execution_id, name, version, started_at, traceparent or error at character 12", NULL);
	REFUSED("in assign", STEPS("`a`: {`type`: `set`, `assign`: {`x`: {`y`: `${q.output}`}}}"), "steps.a.assign.x.y", "reference `q.output` names an unknown step `q`", NULL);
	REFUSED("in params", STEPS("`a`: {`sql`: `x`, `params`: [1, `${q.output}`]}"), "steps.a.params[1]", "reference `q.output` names an unknown step `q`", NULL);
	REFUSED("in when", STEPS("`a`: {`sql`: `x`, `when`: `${q.output} > 1`}"), "steps.a.when", "reference `q.output` names an unknown step `q`", NULL);
	REFUSED("in a case", STEPS("`a`: {`type`: `conditional`, `switch`: [{`condition`: {`expression`: `${q.output}`}, `then`: {`agent_name`: `x`}}]}"), "steps.a.switch[0].condition.expression",
			"reference `q.output` names an unknown step `q`", NULL);
	REFUSED("in a failure's default", STEPS("`a`: {`agent_name`: `x`, `on_failure`: {`default`: {`b`: `${q.output}`}}}"), "steps.a.on_failure.default.b",
			"reference `q.output` names an unknown step `q`", NULL);
	REFUSED("in the default of all", "{`name`: `t`, `start_step`: `a`, `defaults`: {`on_failure`: {`default`: `${q.output}`}}, `steps`: {" AGENT("a") "}}", "defaults.on_failure.default",
			"reference `q.output` names an unknown step `q`", NULL);
	REFUSED("in the message of a fail", STEPS("`a`: {`type`: `fail`, `message`: `x ${q.status}`}"), "steps.a.message", "reference `q.status` names an unknown step `q`", NULL);
	REFUSED("in the output of the definition", "{`name`: `t`, `start_step`: `a`, `output`: [`${q.output}`], `steps`: {" AGENT("a") "}}", "output[0]",
			"reference `q.output` names an unknown step `q`", NULL);
	REFUSED("in a step of an array", "{`name`: `t`, `steps`: [{`id`: `a`, `sql`: `x`}, {`id`: `b`, `type`: `loop`, `loop_config`: {`loop_over`: `${q.output}`, `loop_step`: {`agent_name`: `x`}}}]}",
			"steps[1].loop_config.loop_over", "reference `q.output` names an unknown step `q`", NULL);

	accepted("input of a condition in SQL", STEPS("`a`: {`type`: `loop`, `until`: {`sql`: `SELECT input.x`}, `input_mapping`: {`x`: `${b.output}`, `y`: `${loop.index}`}, `loop_body`: `b`}, " AGENT("b")));
	accepted("later reading of parallel children, branches and conditional lines",
			 STEPS("`a`: {`type`: `parallel`, `parallel_steps`: [`b`, {`id`: `f`, `type`: `fork_join`, `branches`: {`l`: [`c`], `r`: [`d`]}}], `next`: `e`}, "
				   AGENT("b") ", " AGENT("c") ", `d`: {`type`: `conditional`, `condition`: `true`, `then`: `g`}, " AGENT("g") ", "
				   "`e`: {`agent_name`: `x`, `input_mapping`: {`v`: [`${b.output}`, `${c.output}`, `${g.status}`, `${f.output}`]}}"));
}

/* All problems are reported at once, and hostile documents come to an end. */
static void
test_many(void)
{
	ProblemList *problems = problem_list_create();
	StringInfoData text;

	definition_normalise(quoted("{`start_step`: `x`, `typo`: 1, `steps`: {`a`: {`type`: `sql`, `result`: `x`, `next_step`: `q`}, `b`: {`type`: `loop`, `timeout_seconds`: 0}}}"),
						 TEST_NESTING, NULL, problems);
	CHECK(problems->errors == 9 && problems->count == 9, "everything is reported at once");
	if (problems->count != 9)
		print_problems(problems);

	initStringInfo(&text);
	appendStringInfoString(&text, "{`name`: `t`, `start_step`: `s0`, `steps`: {`s0`: {`agent_name`: `x`");
	for (int i = 0; i < 50000; i++)
		appendStringInfo(&text, ", `k%d`: 1", i);
	appendStringInfoString(&text, "}}}");
	problems = problem_list_create();
	definition_normalise(quoted(text.data), TEST_NESTING, NULL, problems);
	CHECK(problems->errors == 50000 && problems->count == MAX_PROBLEMS, "50,000 unknown fields");

	/* what stands flat on a step is one level further in, in the stored form */
	for (int depth = JSON_MAX_DEPTH - 4; depth <= JSON_MAX_DEPTH - 3; depth++)
	{
		resetStringInfo(&text);
		appendStringInfoString(&text, "{`name`: `t`, `start_step`: `a`, `steps`: {`a`: {`type`: `loop`, `loop_body`: `b`, `collection`: ");
		for (int i = 0; i < depth; i++)
			appendStringInfoChar(&text, '[');
		for (int i = 0; i < depth; i++)
			appendStringInfoChar(&text, ']');
		appendStringInfoString(&text, "}, " AGENT("b") "}}");
		if (depth == JSON_MAX_DEPTH - 4)
			accepted("as deep as can be stored", text.data);
		else
			REFUSED("deeper than can be stored", text.data, "", "the JSON document is nested more than 200 levels deep", NULL);
	}

	resetStringInfo(&text);
	appendStringInfoString(&text, "{`name`: `t`, `steps`: [");
	for (int i = 0; i < 20001; i++)
		appendStringInfo(&text, "%s{`id`: `s%d`, `sql`: `SELECT 1`}", i > 0 ? "," : "", i);
	appendStringInfoString(&text, "]}");
	REFUSED("20,001 steps", text.data, "steps", "a definition cannot have more than 20000 steps", NULL);

	resetStringInfo(&text);
	appendStringInfoString(&text, "{`name`: `t`, `steps`: [");
	for (int i = 0; i < 1001; i++)
		appendStringInfo(&text, "%s{`id`: `s%d`, `sql`: `SELECT 1`}", i > 0 ? "," : "", i);
	appendStringInfoString(&text, "]}");
	WARNED("1,001 steps", text.data, "steps", "the definition has 1001 steps");

	resetStringInfo(&text);
	appendStringInfoString(&text, "{`name`: `t`, `start_step`: `a`, `steps`: {`a`: {`agent_name`: `");
	for (int i = 0; i < 1024 * 1024; i++)
		appendStringInfoString(&text, "0123456789");
	appendStringInfoString(&text, "`, `input_mapping`: {`x`: 9007199254740993}}}}");
	CHECK(accepted("an agent_name of 10 MB", text.data) != NULL, "has a plan");

	resetStringInfo(&text);
	for (int i = 0; i < 190; i++)
		appendStringInfoString(&text, "{`name`: `t`, `steps`: [{`id`: `a`, `type`: `parallel`, `parallel_steps`: ");
	REFUSED("unbalanced", text.data, "", "the JSON document is nested more than 200 levels deep", NULL);
}

int
main(void)
{
	test_documents();
	test_steps();
	test_error_names();
	test_conditions();
	test_containers();
	test_graph();
	test_references();
	test_many();
	return done_testing();
}

--
-- on_failure of the definition: a chain of steps before the execution fails
--
SET client_min_messages = warning;

SELECT workflow.define($${"name": "chain", "start_step": "work", "on_failure": "report", "steps": {
  "work": {"type": "sql", "sql": "SELECT test.note('work'), 1 / (input.n)", "input_mapping": {"n": "${workflow.input.n}"},
           "compensate": {"id": "undo", "type": "sql", "sql": "SELECT test.note('undo work')"}, "next_step": "more"},
  "more": {"type": "sql", "sql": "SELECT 'x'::int"},
  "report": {"type": "sql", "sql": "SELECT test.note('report ' || $1 || ': ' || $2)", "params": ["${workflow.error.step_id}", "${workflow.error.message}"], "next_step": "each"},
  "each": {"type": "loop", "execution_mode": "parallel", "collection": [1, 2], "loop_body": [{"id": "tell", "type": "sql", "sql": "SELECT test.note('tell ' || $1)", "params": ["${loop.item}"]}], "next_step": "decide"},
  "decide": {"type": "conditional", "condition": "${work.status ?? 'none'} == 'completed'", "if_true_step": "was", "if_false_step": "was_not"},
  "was": {"type": "set", "output": "was"}, "was_not": {"type": "set", "output": "was not"}}}$$) \gset
TRUNCATE test.ledger;
CALL test.go('chain', '{"n": 1}');
TABLE test.entries;
SELECT scope, step, status, ends FROM test.steps;
TRUNCATE test.ledger;
CALL test.go('chain', '{"n": 0}');
TABLE test.entries;
SELECT workflow.execute('chain', '{"n": 0}');
TABLE test.entries;
SELECT workflow.explain('chain', averages => false);

-- its own failure is recorded and changes nothing; given as an array, and in an array of steps
SELECT workflow.define($${"name": "bad_chain", "on_failure": ["first", {"type": "sql", "sql": "SELECT test.note('second')"}, {"id": "third", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 1, "initial_delay_ms": 1}}, "fourth"],
  "steps": [{"id": "work", "type": "sql", "sql": "SELECT 'x'::int"},
    {"id": "first", "type": "sql", "sql": "SELECT 1 / 0", "on_failure": "ignore"},
    {"id": "fourth", "type": "sql", "sql": "SELECT test.note('wrong')"}]}$$) \gset
TRUNCATE test.ledger;
CALL test.go('bad_chain');
TABLE test.entries;
SELECT step_id, attempt, status, scope_outcome, on_failure, error_type FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;
SELECT definition -> 'on_failure' AS first, definition #> '{steps,first,next_step}' AS then, definition #> '{steps,work,next_step}' AS never FROM workflow.definitions WHERE name = 'bad_chain';
-- by the id of a step of an array: nothing leads into the chain
SELECT workflow.define($${"name": "array_chain", "on_failure": "tidy", "steps": [{"id": "work", "type": "sql", "sql": "SELECT 1 / $1::int", "params": ["${workflow.input.n}"]},
    {"id": "tidy", "type": "sql", "sql": "SELECT test.note('tidy')"}, {"id": "tidy2", "type": "sql", "sql": "SELECT test.note('tidy2')"}]}$$) \gset
TRUNCATE test.ledger;
CALL test.go('array_chain', '{"n": 0}');
CALL test.go('array_chain', '{"n": 1}');
TABLE test.entries;

-- variables and catch in the chain, a cycle, a timeout; after an execution that ran out of time
SELECT workflow.define($${"name": "late_chain", "start_step": "work", "timeout_seconds": 1, "on_failure": "count", "steps": {
  "work": {"type": "sql", "sql": "SELECT pg_sleep(60)"},
  "count": {"type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "max_visits": 3, "next_step": "again"},
  "again": {"type": "conditional", "condition": "${vars.n} < 3", "if_true_step": {"next_step": "count"}, "next_step": "slow"},
  "slow": {"type": "sql", "sql": "SELECT pg_sleep(60)", "timeout_seconds": 1, "catch": [{"errors": ["timeout"], "next_step": "last", "as": "e"}]},
  "last": {"type": "sql", "sql": "SELECT test.note(format('%s after %s and %s', $1::text, $2::text, $3::text))", "params": ["${vars.n}", "${vars.e.type}", "${workflow.error.type}"]}}}$$) \gset
TRUNCATE test.ledger;
CALL test.go('late_chain') \gset
SELECT :'status' AS status, :'error_type' AS error_type;
TABLE test.entries;

-- a fail step deep inside starts it as well
SELECT workflow.define($${"name": "deep_chain", "start_step": "block", "on_failure": "report", "steps": {
  "block": {"type": "parallel", "parallel_steps": [{"id": "end", "type": "fail", "error": "Deep", "message": "deep"}, {"id": "slow", "type": "sql", "sql": "SELECT pg_sleep(60)"}]},
  "report": {"type": "sql", "sql": "SELECT test.note($1)", "params": ["report ${workflow.error.message}"]}}}$$) \gset
TRUNCATE test.ledger;
CALL test.go('deep_chain');
TABLE test.entries;
CALL test.settle();

SELECT path, message, hint FROM workflow.validate($${"name": "bad", "start_step": "a", "on_failure": "b", "steps": {
  "a": {"type": "sql", "sql": "SELECT 1", "next_step": "b"},
  "b": {"type": "sql", "sql": "SELECT 1"}}}$$);
SELECT path, message, hint FROM workflow.validate($${"name": "bad", "start_step": "a", "on_failure": "c", "steps": {
  "a": {"type": "sql", "sql": "SELECT 1", "next_step": "b"},
  "b": {"type": "sql", "sql": "SELECT 1"},
  "c": {"type": "sql", "sql": "SELECT 1", "next_step": "b"}}}$$);
SELECT path, message, hint FROM workflow.validate($${"name": "bad", "start_step": "a", "on_failure": "l", "steps": {
  "a": {"type": "sql", "sql": "SELECT 1", "params": ["${workflow.error}", "${l.output}", "${x.output}"]},
  "l": {"type": "loop", "collection": [1], "loop_body": ["x", {"id": "y", "type": "succeed"}], "next_step": "m"},
  "x": {"type": "sql", "sql": "SELECT 1", "params": ["${a.output}", "${workflow.error.type}", "${m.output}"], "compensate": {"agent_name": "echo"}},
  "m": {"type": "sql", "sql": "SELECT 1", "next_step": "n"},
  "n": {"type": "sql", "sql": "SELECT 1", "next_step": "m"}},
  "output": ["${l.output}", "${workflow.error}"]}$$);
SELECT path, message, hint FROM workflow.validate($${"name": "bad", "on_failure": [{"type": "set", "output": 1}, 7], "steps": [{"id": "a", "type": "set", "output": 1}]}$$);
SELECT path, message, hint FROM workflow.validate($${"name": "bad", "on_failure": "x", "steps": [{"id": "a", "type": "set", "output": 1}]}$$);
SELECT path, message, hint FROM workflow.validate($${"name": "bad", "on_failure": "x", "steps": [{"id": "a", "type": "loop", "collection": [1], "loop_body": [{"id": "x", "type": "set", "output": 1}]}]}$$);
TABLE test.wrong;

-- a chain whose loop stands at its condition has not ended
SELECT workflow.define($${"name": "chain_while", "on_failure": [{"id": "n", "type": "set", "assign": {"i": 0}},
  {"id": "l", "type": "loop", "while": "${vars.i} < 3", "max_iterations": 9, "loop_body": [
    {"id": "inc", "type": "set", "assign": {"i": "${vars.i + 1}"}}, {"id": "say", "sql": "SELECT test.pass()", "result": "none"}]},
  {"id": "tell", "type": "set", "output": "${vars.i}"}], "steps": [{"id": "a", "sql": "SELECT 1 / 0"}]}$$);
CALL test.to_gate('chain_while');
-- its threads are loaded anew, behind the iteration
SELECT workflow.hold_step(test.id(), 'a');
CALL test.told();
CALL test.open_gate();
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT scope, step_id, status, output FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at, scope, step_id;
TABLE test.wrong;

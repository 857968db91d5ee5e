--
-- succeed and fail that end the scope they stand in
--
SET client_min_messages = warning;

SELECT count(workflow.define(d)) FROM unnest(ARRAY[
-- a branch ends early, another fails for the fork_join to see, and what stands behind does not run
$${"name": "ends_branches", "steps": [
  {"id": "fork", "type": "fork_join", "join_policy": "any", "branches": {
    "early": [
      {"id": "a1", "type": "set", "output": 1},
      {"id": "a2", "type": "succeed", "ends": "scope", "output": {"early": "${a1.output}"}},
      {"id": "a3", "type": "sql", "sql": "SELECT 1 / 0"}],
    "stops": [
      {"id": "b1", "type": "sql", "sql": "SELECT 7", "result": "value"},
      {"id": "b2", "type": "fail", "ends": "scope", "error": "NoStock", "message": "nothing of ${b1.output}"},
      {"id": "b3", "type": "sql", "sql": "SELECT 1 / 0"}],
    "whole": [{"id": "c1", "type": "set", "output": 3}]}},
  {"id": "after", "type": "set", "output": ["${fork.output}", "${fork.error.failed.stops.error.type}", "${b2.error.message}", "${b2.status}", "${a2.output}", "${a3.status ?? 'not run'}"]}]}$$,
-- iterations, one after the other and at the same time; a conditional leads there
$${"name": "ends_iterations", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": [1, 2, 3, 4], "on_error": "continue", "loop_body": [
    {"id": "which", "type": "conditional", "switch": [{"when": "${loop.item} == 2", "next_step": "fine"}, {"when": "${loop.item} == 3", "next_step": "bad"}], "default": {"next_step": "work"}},
    {"id": "fine", "type": "succeed", "ends": "scope", "output": "left at ${loop.item}"},
    {"id": "bad", "type": "fail", "ends": "scope", "message": "no ${loop.item}"},
    {"id": "work", "type": "sql", "sql": "SELECT $1::int * 10", "params": ["${loop.item}"], "result": "value"}]}},
  {"id": "both", "type": "loop", "loop_config": {"collection": [1, 2], "execution_mode": "parallel", "result": "outputs", "loop_body": [
    {"id": "w", "type": "parallel", "parallel_steps": [
      {"id": "w1", "type": "succeed", "ends": "scope", "output": "${loop.item}"},
      {"id": "w2", "type": "sql", "sql": "SELECT 5", "result": "value"}]},
    {"id": "ends", "type": "succeed", "ends": "scope", "output": "${w.output}"}]}},
  {"id": "after", "type": "set", "output": {"each": "${each.output}", "both": "${both.output}"}}]}$$,
-- a container catches it; a line of a conditional ends, and so does what is around only by its own end
$${"name": "ends_caught", "start_step": "box", "steps": {
  "box": {"type": "conditional", "condition": "true", "if_true_step": ["inner", "refuse"], "catch": [{"errors": ["Refused"], "as": "why", "next_step": "told"}], "next_step": "told"},
  "inner": {"type": "conditional", "condition": "true", "if_true_step": ["quick", "never"], "if_false_step": ["never2"]},
  "quick": {"type": "succeed", "ends": "scope", "output": "inner ends"}, "never": {"type": "sql", "sql": "SELECT 1 / 0"}, "never2": {"type": "set", "output": 2},
  "refuse": {"type": "fail", "ends": "scope", "error": "Refused", "message": "after ${inner.output.branch_output}", "output": {"kept": true}},
  "told": {"type": "set", "output": ["${vars.why.message}", "${box.status}", "${refuse.output.kept}"]}}}$$,
-- on the top level it is the execution's end, as without it; an error in its values fails the scope
$${"name": "ends_top", "steps": [
  {"id": "p", "type": "parallel", "on_failure": "ignore", "parallel_steps": [
    {"id": "p1", "type": "succeed", "ends": "scope", "output": "${workflow.input.nothing}"}, {"id": "p2", "type": "set", "output": 2}]},
  {"id": "end", "type": "succeed", "ends": "scope", "output": ["${p.error.failed.p1.error.type}", "${p2.output}"]}]}$$,
$${"name": "ends_top_output", "output": {"first": "${a.output}"}, "steps": [
  {"id": "a", "type": "set", "output": 1}, {"id": "end", "type": "succeed", "ends": "scope", "output": "not this"}]}$$,
$${"name": "ends_top_failed", "output": {"first": "${a.output}"}, "steps": [
  {"id": "a", "type": "set", "output": 1}, {"id": "end", "type": "fail", "ends": "scope", "message": "over at ${a.output}"}]}$$,
-- a loop that stops at a failure, and has an output for that
$${"name": "ends_stopped", "steps": [
  {"id": "each", "type": "loop", "on_failure": {"default": "stopped"}, "loop_config": {"collection": [1, 2, 3], "on_error": "stop", "loop_body": [
    {"id": "which", "type": "conditional", "switch": [{"when": "${loop.item} == 2", "next_step": "bad"}], "default": {"next_step": "good"}},
    {"id": "bad", "type": "fail", "ends": "scope", "message": "no ${loop.item}"},
    {"id": "good", "type": "set", "assign": {"done": "${(vars.done ?? 0) + loop.item}"}}]}},
  {"id": "after", "type": "set", "output": ["${each.output}", "${vars.done}", "${each.error.message}"]}]}$$]::jsonb[]) AS d;
SELECT workflow.explain('ends_iterations');
CALL test.run_three_ways('{ends_branches,ends_iterations,ends_caught,ends_top,ends_top_output,ends_top_failed,ends_stopped}');
TABLE test.differences;
SELECT workflow, status, jsonb_pretty(output) AS output, message FROM test.runs WHERE mode = 'durable' ORDER BY workflow;
SELECT scope, step_id, status, scope_outcome, error_type, output FROM workflow.step_executions
WHERE execution_id = (SELECT id FROM test.runs WHERE mode = 'durable' AND workflow = 'ends_branches') ORDER BY scope COLLATE "C", started_at;

-- what fails with it is retried, what had ended by it is not done again
CREATE TABLE test.stock (item int);
SELECT workflow.define($${"name": "ends_retried", "steps": [
  {"id": "fork", "type": "fork_join", "branches": {
    "a": [{"id": "done", "type": "sql", "sql": "SELECT test.note('a')"}, {"id": "a_end", "type": "succeed", "ends": "scope"}, {"id": "a_never", "type": "set", "output": 1}],
    "b": [
      {"id": "look", "type": "conditional", "condition": {"sql": "SELECT NOT EXISTS (SELECT FROM test.stock)"}, "if_true_step": [{"id": "refuse", "type": "fail", "ends": "scope", "error": "NoStock"}]},
      {"id": "sell", "type": "sql", "sql": "SELECT test.note('b')"}]}}]}$$) \gset
TRUNCATE test.ledger;
CALL test.go('ends_retried');
SELECT step_id, attempt, status, scope_outcome FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope COLLATE "C", step_id, attempt;
SELECT error ->> 'type' AS type, error ->> 'message' AS message FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'refuse';
INSERT INTO test.stock VALUES (1);
SELECT workflow.retry(test.id()) \gset
SELECT (workflow.wait(test.id(), '60 seconds')).status;
TABLE test.entries;
SELECT workflow.retry(test.id(), from_step => 'fork') \gset
SELECT (workflow.wait(test.id(), '60 seconds')).status;
TABLE test.entries;

-- inside a container of the on_failure chain it may stand
SELECT workflow.define($${"name": "ends_chain", "start_step": "boom", "on_failure": "tell", "steps": {
  "boom": {"type": "fail", "error": "Boom"},
  "tell": {"type": "conditional", "condition": "true", "if_true_step": ["note", "enough", "more"], "next_step": "last"},
  "note": {"type": "sql", "sql": "SELECT test.note('told')"}, "enough": {"type": "succeed", "ends": "scope"}, "more": {"type": "sql", "sql": "SELECT test.note('too much')"},
  "last": {"type": "sql", "sql": "SELECT test.note('last')"}}}$$) \gset
TRUNCATE test.ledger;
CALL test.go('ends_chain');
TABLE test.entries;

-- what is refused
SELECT path, message, hint FROM workflow.validate('{"name": "x", "steps": [{"id": "a", "type": "succeed", "ends": "loop"}]}');
SELECT path, message, hint FROM workflow.validate('{"name": "x", "steps": [{"id": "a", "type": "set", "output": 1, "ends": "scope"}]}');
SELECT path, message, hint FROM workflow.validate('{"name": "x", "steps": [{"id": "a", "type": "fail", "ends": true}]}');
SELECT path, message, hint FROM workflow.validate('{"name": "x", "on_failure": "c", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}, "c": {"type": "fail", "ends": "scope"}}}');

--
-- Conditionals: two ways, switches, SQL conditions, jumps
--
SET client_min_messages = warning;
CREATE VIEW test.conditions AS
SELECT scope, step_id AS step, status, condition_expression AS expression, condition_result AS result, branch_taken AS taken,
       output, error_type, error ->> 'message' AS error
FROM workflow.step_executions WHERE execution_id = test.id() AND step_type = 'conditional'
ORDER BY scope COLLATE "C", started_at;

SELECT workflow.define($${"name": "conditional_both", "start_step": "choose", "steps": {
  "choose": {"type": "conditional", "condition": {"expression": "${workflow.input.n} > 10"},
     "if_true_step": "big", "if_false_step": "small", "next_step": "after"},
  "big": {"type": "set", "output": "big"}, "small": {"type": "set", "output": "small"},
  "after": {"type": "set", "output": {"choose": "${choose.output}", "big": "${big.output ?? 'not run'}", "small": "${small.output ?? 'not run'}"}}}}$$) \gset
CALL test.go('conditional_both', '{"n": 11}');
TABLE test.steps;
TABLE test.conditions;
SELECT scope, step, type, parent, branch FROM test.places;
CALL test.go('conditional_both', '{"n": 10}');
TABLE test.conditions;
-- an error is false, and on the row
CALL test.go('conditional_both', '{"n": "ten"}');
TABLE test.conditions;
-- a missing value is null
CALL test.go('conditional_both', '{}');
TABLE test.conditions;

-- one way only
SELECT workflow.define($${"name": "conditional_one", "steps": [
  {"id": "choose", "type": "conditional", "condition": "${workflow.input.go} == true", "if_true_step": "go"},
  {"id": "choose2", "type": "conditional", "condition": "${workflow.input.go} == true", "if_false_step": "stay"},
  {"id": "after", "type": "set", "output": ["${choose.output}", "${choose2.output}"]},
  {"id": "go", "type": "set", "output": "go"}, {"id": "stay", "type": "set", "output": "stay"}]}$$) \gset
CALL test.go('conditional_one', '{"go": true}');
TABLE test.conditions;
CALL test.go('conditional_one', '{"go": false}');
TABLE test.conditions;

-- switch
SELECT workflow.define($${"name": "conditional_switch", "start_step": "s", "steps": {
  "s": {"type": "conditional", "switch": [
     {"when": "${workflow.input.n} < 0", "step": "negative"},
     {"when": "${workflow.input.n} == 0", "step": "zero"},
     {"when": "${workflow.input.n} < 10", "step": "small"}], "default": "large", "next_step": "after"},
  "negative": {"type": "set", "output": "negative"}, "zero": {"type": "set", "output": "zero"},
  "small": {"type": "set", "output": "small"}, "large": {"type": "set", "output": "large"},
  "after": {"type": "set", "output": "${s.output}"}}}$$) \gset
CALL test.go('conditional_switch', '{"n": -1}');
CALL test.go('conditional_switch', '{"n": 0}');
TABLE test.conditions;
SELECT scope, step, parent, branch FROM test.places;
CALL test.go('conditional_switch', '{"n": 5}');
CALL test.go('conditional_switch', '{"n": 10}');
TABLE test.conditions;
CALL test.go('conditional_switch', '{"n": {"a": 1}}');
TABLE test.conditions;

-- SQL
SELECT workflow.define($${"name": "conditional_sql", "steps": [
  {"id": "choose", "type": "conditional", "condition": {"sql": "SELECT input.n > 10"}, "input_mapping": {"n": "${workflow.input.n}"},
   "if_true_step": {"id": "big", "type": "set", "output": "big"}, "if_false_step": {"id": "small", "type": "set", "output": "small"}},
  {"id": "after", "type": "set", "output": "${choose.output.branch_output}"}]}$$) \gset
CALL test.go('conditional_sql', '{"n": 11}');
TABLE test.conditions;
CALL test.go('conditional_sql', '{"n": null}');
TABLE test.conditions;
CALL test.go('conditional_sql', '{"n": "eleven"}');
TABLE test.conditions;
CALL test.go('conditional_sql', '{}');
TABLE test.conditions;

-- a failed branch fails the conditional; on_failure, when and output of it
SELECT workflow.define($${"name": "conditional_common", "steps": [
  {"id": "a", "type": "conditional", "condition": "true", "on_failure": {"default": "instead"}, "if_true_step": {"id": "a1", "type": "sql", "sql": "SELECT 1 / 0"}},
  {"id": "b", "type": "conditional", "condition": "true", "when": "${a.status} == 'completed'", "if_true_step": {"id": "b1", "type": "set", "output": 1}},
  {"id": "c", "type": "conditional", "condition": "true", "output": "${c.output.branch_output + 1}", "if_true_step": {"id": "c1", "type": "set", "output": 1}},
  {"id": "d", "type": "conditional", "condition": "false", "output": "${d.output.branch_taken}", "if_true_step": {"id": "d1", "type": "set", "output": 1}},
  {"id": "e", "type": "conditional", "condition": "true", "if_true_step": {"id": "e1", "type": "set", "output": 1, "when": "false"}},
  {"id": "f", "type": "conditional", "condition": "true", "if_true_step": {"id": "f1", "type": "sql", "sql": "SELECT 1 / 0", "on_failure": "ignore"}},
  {"id": "after", "type": "set", "output": {"a": "${a.output}", "a_status": "${a.status}", "a1": "${a1.error.message}", "b": "${b.output}", "c": "${c.output}", "d": "${d.output}", "e": "${e.output}", "f": "${f.output}"}},
  {"id": "g", "type": "conditional", "condition": "true", "if_true_step": {"id": "g1", "type": "sql", "sql": "SELECT 1 / 0"}}]}$$) \gset
CALL test.go('conditional_common');
TABLE test.steps;
TABLE test.conditions;

-- jumps of a switch, and cycles guarded by max_visits
SELECT workflow.define($${"name": "conditional_cycle", "start_step": "count", "steps": {
  "count": {"type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "output": "${vars.n}", "next_step": "work"},
  "work": {"type": "sql", "sql": "SELECT $1 * 10", "params": ["${count.output}"], "result": "value", "max_visits": 6, "next_step": "more"},
  "more": {"type": "conditional", "switch": [
      {"when": "${vars.n >= workflow.input.until}", "next_step": "done"},
      {"when": "${vars.n} % 2 == 0", "step": "even"}], "next_step": "count"},
  "even": {"type": "set", "output": "even ${vars.n}"},
  "done": {"type": "set", "output": {"n": "${vars.n}", "work": "${work.output}", "even": "${even.output ?? 'not this time'}", "more": "${more.output.branch_taken}"}}}}$$) \gset
CALL test.go('conditional_cycle', '{"until": 1}');
CALL test.go('conditional_cycle', '{"until": 5}');
SELECT scope, step_id, visit, status, branch_taken, output FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;
CALL test.go('conditional_cycle', '{"until": 7}');
SELECT step_id, max(visit), count(*), max(error ->> 'message') FROM workflow.step_executions WHERE execution_id = test.id() GROUP BY step_id ORDER BY step_id;

TABLE test.wrong;

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

-- which errors of SQL make a condition false: those of its own statement, never weather and never ours
CREATE FUNCTION test.raise(code text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'raised ' || code, DETAIL = 'a detail', HINT = 'a hint';
END $$;
SELECT workflow.define($${"name": "condition_errors", "steps": [
  {"id": "each", "type": "loop", "collection": "${workflow.input.codes}", "on_error": "continue", "result": "counts", "loop_body": [
    {"id": "ask", "type": "conditional", "condition": {"sql": "SELECT test.raise(input.code)"}, "input_mapping": {"code": "${loop.item}"},
     "if_true_step": {"id": "yes", "type": "set", "output": "yes"}, "if_false_step": {"id": "no", "type": "set", "output": "no"}}]}]}$$) \gset
CREATE VIEW test.condition_errors AS
SELECT loop_iteration_index AS i, attempt, status, condition_result AS result, branch_taken AS taken, error_type,
       error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message, error ->> 'detail' AS detail, error ->> 'hint' AS hint, on_failure
FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'ask' ORDER BY 1, 2;
-- of values, names and rights, and what users make up
CALL test.go('condition_errors', '{"codes": ["22012", "21000", "42P01", "42501", "P0001", "U1234", "54001"]}');
TABLE test.condition_errors;
-- of connections, transactions, resources, other objects' state, the operator, the system, foreign servers, the server itself
CALL test.go('condition_errors', '{"codes": ["08006", "25006", "2D000", "53100", "53200", "55P03", "57014", "57P03", "58030", "72000", "F0000", "HV00N", "XX000", "XX001"]}');
TABLE test.condition_errors;
-- and those that say themselves that they may pass are tried again
CALL test.go('condition_errors', '{"codes": ["40001", "40P01"]}');
TABLE test.condition_errors;
SELECT workflow.define($${"name": "condition_passes", "steps": [
  {"id": "ask", "type": "conditional", "input_mapping": {"id": "${workflow.execution_id}"},
   "condition": {"sql": "SELECT CASE WHEN count(*) < 2 THEN test.raise('40001') ELSE count(*) = 2 END FROM workflow.step_executions WHERE execution_id = input.id"},
   "if_true_step": {"id": "yes", "type": "set", "output": "yes"}}]}$$) \gset
CALL test.go('condition_passes');
SELECT attempt, status, condition_result AS result, on_failure FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'ask' ORDER BY 1;
-- of loops, too; what cannot be told is a failure, what cannot be evaluated is false
SELECT workflow.define($${"name": "condition_loops", "steps": [
  {"id": "w", "type": "loop", "while": {"sql": "SELECT test.raise(input.code)"}, "input_mapping": {"code": "${workflow.input.code}"}, "on_failure": "ignore", "result": "counts",
   "loop_body": [{"id": "a", "type": "set", "output": 1}]},
  {"id": "u", "type": "loop", "until": {"sql": "SELECT test.raise(input.code)"}, "input_mapping": {"code": "${workflow.input.code}"}, "max_iterations": 2, "on_failure": "ignore", "result": "counts",
   "loop_body": [{"id": "b", "type": "set", "output": 1}]}]}$$) \gset
CREATE VIEW test.condition_loops AS
SELECT step_id, status, error_type, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message, error ->> 'detail' AS detail
FROM workflow.step_executions WHERE execution_id = test.id() AND step_type = 'loop' ORDER BY started_at;
CALL test.go('condition_loops', '{"code": "22012"}');
TABLE test.condition_loops;
CALL test.go('condition_loops', '{"code": "53100"}');
TABLE test.condition_loops;
CALL test.go('condition_loops', '{"code": "40001"}');
TABLE test.condition_loops;
-- a time limit of the server is none of the condition's answers, nor is what its settings raise or what it may not write
SELECT workflow.define($${"name": "condition_slow", "settings": {"statement_timeout": "50ms"}, "steps": [
  {"id": "ask", "type": "conditional", "condition": {"sql": "SELECT pg_sleep(600) IS NULL"}, "if_true_step": {"id": "a", "type": "set", "output": 1}}]}$$) \gset
CALL test.go('condition_slow');
SELECT workflow.define($${"name": "condition_writes", "steps": [
  {"id": "ask", "type": "conditional", "condition": {"sql": "SELECT setval('test.condition_sequence', 1) = 1"}, "if_true_step": {"id": "a", "type": "set", "output": 1}}]}$$) \gset
CREATE SEQUENCE test.condition_sequence;
CALL test.go('condition_writes');
SELECT workflow.define($${"name": "condition_setting", "settings": {"role": "condition_nobody"}, "steps": [
  {"id": "ask", "type": "conditional", "condition": {"sql": "SELECT true"}, "if_true_step": {"id": "a", "type": "set", "output": 1}}]}$$) \gset
CALL test.go('condition_setting');
-- in execute() by the same rule
SELECT workflow.execute('condition_errors', '{"codes": ["22012", "53100", "40001", "XX000", "U1234"]}');
SELECT loop_iteration_index AS i, attempt, status, condition_result AS result, error_type
FROM workflow.step_executions WHERE execution_id = (SELECT max(id) FROM workflow.executions WHERE workflow = 'condition_errors') AND step_id = 'ask' ORDER BY 1, 2;
CREATE TEMPORARY SEQUENCE asked;
SELECT workflow.define($${"name": "condition_asked", "steps": [
  {"id": "u", "type": "loop", "until": {"sql": "SELECT CASE WHEN nextval('asked') % 3 <> 0 THEN test.raise('40P01') ELSE true END"},
   "loop_body": [{"id": "b", "type": "set", "output": 1}]}]}$$) \gset
SELECT workflow.execute('condition_asked') -> 'total_count' AS iterations, currval('asked') AS asked;
-- why a retry_if could not be evaluated is on the row
SELECT workflow.define($${"name": "condition_retry", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 2, "retry_if": "${a.error.message} > 1"}}]}$$) \gset
CALL test.go('condition_retry');
SELECT attempt, error ->> 'retry_if' AS why FROM workflow.step_executions WHERE execution_id = test.id();

TABLE test.wrong;

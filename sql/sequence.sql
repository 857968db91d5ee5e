--
-- Steps one after the other: order, values, when, on_failure, output, failures
--
SET client_min_messages = warning;
CREATE TABLE test.sequence_log (n int GENERATED ALWAYS AS IDENTITY, what text, xid xid8 DEFAULT pg_current_xact_id());

-- a chain: every step is a transaction of its own
SELECT workflow.define($${"name": "sequence", "start_step": "one", "steps": {
  "one": {"type": "sql", "sql": "INSERT INTO test.sequence_log (what) VALUES (input.who || ' one') RETURNING what", "result": "value",
          "input_mapping": {"who": "${workflow.input.who}"}, "next_step": "two"},
  "two": {"type": "agent", "agent_name": "echo", "input_mapping": {"previous": "${one.output}", "text": "<${one.output}>", "n": 12345678901234567890.5,
          "list": [1, "${workflow.input.who}", {"x": "${workflow.input}"}]}, "next_step": "three"},
  "three": {"type": "sql", "sql": "INSERT INTO test.sequence_log (what) SELECT $1 FROM generate_series(1, $2)", "result": "none",
          "params": ["${two.output.previous}", 2], "next_step": "four"},
  "four": {"type": "sql", "sql": "SELECT what, n FROM test.sequence_log ORDER BY n"}}}$$) \gset
CALL test.go('sequence', '{"who": "me"}');
TABLE test.steps;
TABLE test.places;
SELECT what, count(DISTINCT xid) FROM test.sequence_log GROUP BY what ORDER BY what;
SELECT step_id, input FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;

-- the first failure ends the execution; what went before stays
SELECT workflow.define($${"name": "sequence_fails", "steps": [
  {"id": "good", "type": "sql", "sql": "INSERT INTO test.sequence_log (what) VALUES ('kept')", "result": "none"},
  {"id": "bad", "type": "sql", "sql": "INSERT INTO test.sequence_log (what) VALUES ('lost'); SELECT 1 / input.zero",
   "input_mapping": {"zero": 0}},
  {"id": "never", "type": "sql", "sql": "INSERT INTO test.sequence_log (what) VALUES ('never')"}]}$$) \gset
CALL test.go('sequence_fails');
TABLE test.steps;
SELECT error - 'context' AS error FROM workflow.executions WHERE id = test.id();
SELECT what FROM test.sequence_log WHERE what IN ('kept', 'lost', 'never');

-- an agent's own words
SELECT workflow.define($${"name": "sequence_agent", "steps": [
  {"id": "call", "agent_name": "may-fail", "input_mapping": {"fail": "${workflow.input.fail ?? false}", "n": 1}}]}$$) \gset
CALL test.go('sequence_agent');
CALL test.go('sequence_agent', '{"fail": true}');
SELECT error_type, error - 'context' AS error FROM workflow.step_executions WHERE execution_id = test.id();

-- when: a skipped step has a row, the scope goes on; its output is null
SELECT workflow.define($${"name": "sequence_when", "steps": [
  {"id": "a", "type": "set", "output": 1, "when": "${workflow.input.go} == true"},
  {"id": "b", "type": "sql", "sql": "SELECT 2", "result": "value", "when": "${a.status} == 'skipped' and ${a.output} == null"},
  {"id": "c", "type": "set", "output": {"a": "${a.output}", "a_status": "${a.status}", "b": "${b.output}", "b_status": "${b.status}"}}]}$$) \gset
CALL test.go('sequence_when', '{"go": true}');
CALL test.go('sequence_when', '{"go": false}');
-- a missing value is null
CALL test.go('sequence_when', '{}');
SELECT step_id, status, condition_expression, condition_result, error_type, error FROM workflow.step_executions
WHERE execution_id = test.id() ORDER BY started_at;
-- a condition that cannot be evaluated is false and says so
SELECT workflow.define($${"name": "sequence_when_error", "steps": [
  {"id": "a", "type": "set", "output": 1, "when": "${workflow.input.n} + 1 > 1"},
  {"id": "b", "type": "set", "output": "a was ${a.status}: ${a.error.message}"}]}$$) \gset
CALL test.go('sequence_when_error', '{"n": 1}');
CALL test.go('sequence_when_error', '{"n": "one"}');
SELECT step_id, status, condition_expression, condition_result, error_type, error FROM workflow.step_executions
WHERE execution_id = test.id() ORDER BY started_at;

-- on_failure
SELECT workflow.define($${"name": "sequence_on_failure", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1 / 0", "on_failure": "ignore"},
  {"id": "b", "type": "sql", "sql": "SELECT 1 / 0", "on_failure": {"default": {"a": "${a.status}", "who": "${workflow.input.who ?? 'nobody'}"}}},
  {"id": "c", "type": "set", "output": {"a": "${a.output}", "a_status": "${a.status}", "a_says": "${a.error.message}", "a_type": "${a.error.type}",
    "b": "${b.output}", "b_status": "${b.status}", "b_step": "${b.error.step_id}"}}]}$$) \gset
CALL test.go('sequence_on_failure');
SELECT step_id, status, on_failure, error_type, output FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;
-- a default that cannot be had leaves the failure
SELECT workflow.define($${"name": "sequence_bad_default", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1 / 0", "on_failure": {"default": "${workflow.input.nothing}"}},
  {"id": "b", "type": "set", "output": 1}]}$$) \gset
CALL test.go('sequence_bad_default');
TABLE test.steps;

-- output reshapes a result; the error names what is missing
SELECT workflow.define($${"name": "sequence_output", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1 AS x, 2 AS y", "result": "row", "output": {"sum": "${a.output.x + a.output.y}", "raw": "${a.output}"}},
  {"id": "b", "type": "sql", "sql": "SELECT 1 AS x", "result": "row", "output": "${b.output.z}"}]}$$) \gset
CALL test.go('sequence_output');
TABLE test.steps;

-- missing references: the error says where and what
SELECT workflow.define($${"name": "sequence_missing", "steps": [
  {"id": "ask", "agent_name": "echo", "input_mapping": {"a": {"b": ["${workflow.input.x}", "${workflow.input.order.items[2].price}"]}}}]}$$) \gset
CALL test.go('sequence_missing', '{"x": 1, "order": {"items": [1, 2]}}');
SELECT error FROM workflow.step_executions WHERE execution_id = test.id();
CALL test.go('sequence_missing', '{"x": 1, "order": {"items": [1, 2, {"price": null}]}}');

-- the execution's own output; by default it is the last step's
SELECT workflow.define($${"name": "sequence_result", "output": {"all": ["${a.output}", "${b.output ?? 'none'}"], "name": "${workflow.name}", "version": "${workflow.version}"}, "steps": [
  {"id": "a", "type": "set", "output": 1},
  {"id": "b", "type": "set", "output": 2, "when": "${workflow.input.b}"}]}$$) \gset
CALL test.go('sequence_result', '{"b": true}');
CALL test.go('sequence_result', '{"b": false}');
SELECT workflow.define($${"name": "sequence_no_result", "output": "${workflow.input.nothing}", "steps": [{"id": "a", "type": "set", "output": 1}]}$$) \gset
CALL test.go('sequence_no_result');
SELECT status, error FROM workflow.executions WHERE id = test.id();

-- values keep their JSON type, exactly
SELECT workflow.define($${"name": "sequence_values", "steps": [
  {"id": "a", "agent_name": "echo", "input_mapping": {"int": "${workflow.input.int}", "big": "${workflow.input.big}", "dec": "${workflow.input.dec}", "bool": "${workflow.input.bool}",
    "null": "${workflow.input.null}", "array": "${workflow.input.array}", "object": "${workflow.input.object}", "text": "a ${workflow.input.int} b ${workflow.input.bool}", "empty": ""}}]}$$) \gset
CALL test.go('sequence_values', '{"int": 1, "big": 9007199254740993, "dec": 0.10000000000000000001, "bool": true, "null": null, "array": [], "object": {}}');

TABLE test.wrong;

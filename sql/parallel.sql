--
-- Parallel blocks
--
SET client_min_messages = warning;

-- children run at the same time: two of them stand at a gate
SELECT workflow.define($${"name": "parallel_meet", "steps": [
  {"id": "block", "type": "parallel", "parallel_steps": [
     {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"},
     {"id": "b", "type": "sql", "sql": "SELECT test.pass()", "result": "none"}]}]}$$) \gset
CALL test.to_gate('parallel_meet', steps => 2);
CALL test.open_gate();
SELECT status FROM workflow.wait(test.id(), '60 seconds');
SELECT count(DISTINCT executor_pid) FROM workflow.step_executions WHERE execution_id = test.id() AND step_id IN ('a', 'b');

-- output by child id; each child's own output too; from after the block
SELECT workflow.define($${"name": "parallel_output", "start_step": "before", "steps": {
  "before": {"type": "set", "output": {"x": 10}, "next_step": "block"},
  "block": {"type": "parallel", "parallel_steps": ["z", "a", "m"], "max_parallelism": 2, "next_step": "after"},
  "z": {"agent_name": "echo", "input_mapping": {"z": "${before.output.x}"}},
  "a": {"type": "sql", "sql": "SELECT 1", "result": "value"},
  "m": {"type": "set", "output": ["m"]},
  "after": {"type": "set", "output": {"block": "${block.output}", "z": "${z.output.z}", "a": "${a.output}", "status": "${block.status} ${m.status}"}}}}$$) \gset
CALL test.go('parallel_output');
TABLE test.steps;

-- one after the other, because the caller says so
CALL workflow.run('parallel_output', parallel => false);
SELECT parallel, count(DISTINCT executor_pid) FROM workflow.executions AS e JOIN workflow.step_executions AS s ON s.execution_id = e.id
WHERE workflow = 'parallel_output' GROUP BY e.id ORDER BY e.id DESC LIMIT 1;
CALL workflow.run('parallel_output', parallel => true);
SELECT parallel FROM workflow.executions WHERE workflow = 'parallel_output' ORDER BY id DESC LIMIT 1;
TABLE test.places;

-- a failed child: the others finish and keep their outputs, the block fails with all of it
SELECT workflow.define($${"name": "parallel_fails", "steps": [
  {"id": "block", "type": "parallel", "parallel_steps": [
     {"id": "a", "agent_name": "may-fail", "input_mapping": {"fail": "${workflow.input.a ?? false}", "me": "a"}},
     {"id": "b", "agent_name": "may-fail", "input_mapping": {"fail": "${workflow.input.b ?? false}", "me": "b"}},
     {"id": "c", "agent_name": "may-fail", "input_mapping": {"fail": "${workflow.input.c ?? false}", "me": "c"}}]},
  {"id": "after", "type": "set", "output": "after"}]}$$) \gset
CALL test.go('parallel_fails', '{"b": true}');
TABLE test.steps;
SELECT error #- '{failed,b,error,context}' AS error FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'block';
CALL test.go('parallel_fails', '{"a": true, "b": true, "c": true}');

-- on_failure of a child and of the block
SELECT workflow.define($${"name": "parallel_on_failure", "steps": [
  {"id": "block", "type": "parallel", "parallel_steps": [
     {"id": "a", "agent_name": "may-fail", "input_mapping": {"fail": true}, "on_failure": "ignore"},
     {"id": "b", "agent_name": "may-fail", "input_mapping": {"fail": true}, "on_failure": {"default": "instead"}},
     {"id": "c", "type": "set", "output": 1}]},
  {"id": "block2", "type": "parallel", "on_failure": {"default": {"e": "none", "says": "${block.status}"}}, "parallel_steps": [
     {"id": "d", "agent_name": "may-fail", "input_mapping": {"fail": true}},
     {"id": "e", "type": "set", "output": 1}]},
  {"id": "block3", "type": "parallel", "on_failure": "ignore", "parallel_steps": [
     {"id": "f", "agent_name": "may-fail", "input_mapping": {"fail": true}},
     {"id": "g", "type": "set", "output": 1}]},
  {"id": "after", "type": "set", "output": {"block": "${block.output}", "block2": "${block2.output}", "block2_status": "${block2.status}",
    "block3": "${block3.output}", "block3_says": "${block3.error.message}", "g": "${g.output}", "f": "${f.status}"}}]}$$) \gset
CALL test.go('parallel_on_failure');
SELECT scope, step_id, status, on_failure, output FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope, started_at;

-- when: on the block and on children; what is skipped does not count
SELECT workflow.define($${"name": "parallel_when", "steps": [
  {"id": "block", "type": "parallel", "when": "${workflow.input.go}", "min_success_ratio": 1, "parallel_steps": [
     {"id": "a", "type": "set", "output": 1, "when": "${workflow.input.a}"},
     {"id": "b", "type": "set", "output": 1, "when": "${workflow.input.b}"}]},
  {"id": "after", "type": "set", "output": {"block": "${block.output}", "status": "${block.status}", "a": "${a.status ?? 'unknown'}"}}]}$$) \gset
CALL test.go('parallel_when', '{"go": true, "a": true, "b": false}');
CALL test.go('parallel_when', '{"go": true, "a": false, "b": false}');
TABLE test.steps;
CALL test.go('parallel_when', '{"go": false}');
TABLE test.steps;

-- output reshapes the block's result; a block may read its children there
SELECT workflow.define($${"name": "parallel_reshape", "steps": [
  {"id": "block", "type": "parallel", "output": {"sum": "${block.output.a + b.output}", "raw": "${block.output}"}, "parallel_steps": [
     {"id": "a", "type": "set", "output": 1},
     {"id": "b", "type": "set", "output": 2}]},
  {"id": "after", "type": "set", "output": "${block.output.sum}"}]}$$) \gset
CALL test.go('parallel_reshape');
TABLE test.steps;
SELECT workflow.define($${"name": "parallel_reshape_fails", "steps": [
  {"id": "block", "type": "parallel", "output": "${block.output.c}", "parallel_steps": [
     {"id": "a", "type": "set", "output": 1},
     {"id": "b", "type": "set", "output": 2}]}]}$$) \gset
CALL test.go('parallel_reshape_fails');
TABLE test.steps;

-- on_error stop: nothing further starts
SELECT workflow.define($${"name": "parallel_stop", "steps": [
  {"id": "block", "type": "parallel", "on_error": "stop", "max_parallelism": 1, "parallel_steps": [
     {"id": "a", "type": "set", "output": 1},
     {"id": "b", "type": "sql", "sql": "SELECT 1 / 0"},
     {"id": "c", "type": "set", "output": 1}]}]}$$) \gset
CALL test.go('parallel_stop');
TABLE test.steps;

-- more together than workflow.max_result_size: a clear error, the children keep theirs
SELECT workflow.define($${"name": "parallel_large", "steps": [
  {"id": "block", "type": "parallel", "parallel_steps": [
     {"id": "a", "type": "sql", "sql": "SELECT repeat('a', 9000000)", "result": "value"},
     {"id": "b", "type": "sql", "sql": "SELECT repeat('b', 9000000)", "result": "value"}]}]}$$) \gset
CALL test.go('parallel_large');
SELECT step, status, length(output ->> 0) AS length, error FROM test.steps;
SELECT error ->> 'detail' AS detail FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'block';

-- max_parallelism: never more at once than that
CREATE TABLE test.parallel_running (id int PRIMARY KEY, began timestamptz, ended timestamptz);
SELECT workflow.define(jsonb_build_object('name', 'parallel_limit', 'steps', jsonb_build_array(jsonb_build_object(
  'id', 'block', 'type', 'parallel', 'max_parallelism', 3, 'parallel_steps', (SELECT jsonb_agg(jsonb_build_object(
     'id', 's' || i, 'type', 'sql', 'result', 'none', 'params', jsonb_build_array(i),
     'sql', 'WITH t AS MATERIALIZED (SELECT clock_timestamp() AS began), w AS MATERIALIZED (SELECT began, pg_sleep(0.01) FROM t) INSERT INTO test.parallel_running SELECT $1, began, clock_timestamp() FROM w')) FROM generate_series(1, 20) AS i))))) \gset
CALL test.go('parallel_limit');
SELECT count(*), max(at_once) <= 3 AS kept, max(at_once) > 1 AS used
FROM (SELECT (SELECT count(*) FROM test.parallel_running AS b WHERE b.began <= a.began AND b.ended > a.began) AS at_once FROM test.parallel_running AS a) AS t;

TABLE test.wrong;

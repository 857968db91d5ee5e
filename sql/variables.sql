--
-- set, variables and their scopes; succeed and fail
--
SET client_min_messages = warning;

SELECT workflow.define($${"name": "variables", "steps": [
  {"id": "a", "type": "set", "assign": {"x": 1, "y": "${workflow.input.y}", "z": {"deep": ["${workflow.input.y}"]}}, "output": "${vars.x}"},
  {"id": "b", "type": "set", "assign": {"x": "${vars.x + 1}", "w": "${vars.x}"}},
  {"id": "c", "type": "sql", "sql": "SELECT $1 || '!'", "params": ["${vars.y}"], "result": "value"},
  {"id": "d", "type": "set", "output": {"x": "${vars.x}", "y": "${vars.y}", "z0": "${vars.z.deep[0]}", "w": "${vars.w}", "c": "${c.output}", "a": "${a.output}", "b": "${b.output}"}}]}$$) \gset
CALL test.go('variables', '{"y": "why"}');
SELECT step_id, status, variables, output FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;
-- what has not been set
SELECT workflow.define($${"name": "variables_unset", "steps": [
  {"id": "maybe", "type": "set", "assign": {"x": 1}, "when": "${workflow.input.go}"},
  {"id": "a", "type": "set", "output": "${vars.x ?? 'default'}"},
  {"id": "b", "type": "set", "output": "${vars.x}"}]}$$) \gset
CALL test.go('variables_unset', '{"go": true}');
CALL test.go('variables_unset', '{"go": false}');
-- a failed assignment leaves the variables alone
SELECT workflow.define($${"name": "variables_failed", "steps": [
  {"id": "a", "type": "set", "assign": {"x": 1}},
  {"id": "b", "type": "set", "assign": {"x": 2, "y": "${workflow.input.nothing}"}, "on_failure": "ignore"},
  {"id": "c", "type": "set", "output": "${vars.x}"}]}$$) \gset
CALL test.go('variables_failed');
TABLE test.steps;

-- A167: what grows without end meets workflow.max_result_size
SELECT workflow.define($${"name": "variables_grow", "steps": [
  {"id": "init", "type": "set", "assign": {"x": "0123456789012345678901234567890123456789"}},
  {"id": "each", "type": "loop", "loop_config": {"while": "true", "result": "counts", "loop_body": [{"id": "double", "type": "set", "assign": {"x": ["${vars.x}", "${vars.x}"]}}]}}]}$$) \gset
CALL test.go('variables_grow');
SELECT error_type, error ->> 'message' AS message, error ->> 'detail' AS detail FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'double' AND status = 'failed';
SELECT workflow.define($${"name": "variables_output", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT repeat('a', 9000000)", "result": "value"},
  {"id": "b", "type": "set", "output": ["${a.output}", "${a.output}"], "on_failure": "ignore"},
  {"id": "c", "type": "sql", "sql": "SELECT repeat('c', 9000000)", "result": "value", "output": ["${a.output}", "${c.output}"], "on_failure": "ignore"},
  {"id": "d", "type": "set", "output": ["${b.error.message}", "${c.error.message}"]}]}$$) \gset
CALL test.go('variables_output');

-- lines that run one after the other share the variables around them; each that
-- runs beside others reads those, and has its own
SELECT workflow.define($${"name": "variables_scopes", "steps": [
  {"id": "init", "type": "set", "assign": {"n": 1, "shared": "outer"}},
  {"id": "if", "type": "conditional", "condition": "true", "if_true_step": {"id": "in_if", "type": "set", "assign": {"n": "${vars.n + 1}"}}},
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "result": "counts", "loop_body": [{"id": "in_loop", "type": "set", "assign": {"n": "${vars.n + loop.item}"}}]}},
  {"id": "block", "type": "parallel", "parallel_steps": [
     {"id": "p1", "type": "set", "assign": {"n": "${vars.n * 2}"}, "output": "${vars.n} ${vars.shared}"},
     {"id": "p2", "type": "set", "assign": {"n": "${vars.n * 3}"}, "output": "${vars.n} ${vars.shared}"}]},
  {"id": "fork", "type": "fork_join", "branches": {
     "left": [{"id": "l1", "type": "set", "assign": {"n": "${vars.n + 100}"}}, {"id": "l2", "type": "loop", "loop_config": {"collection": "${workflow.input}", "result": "counts", "loop_body": [
          {"id": "l3", "type": "set", "assign": {"n": "${vars.n + 1}"}}]}}, {"id": "l4", "type": "set", "output": "${vars.n}"}],
     "right": [{"id": "r1", "type": "set", "output": "${vars.n}"}]}},
  {"id": "many", "type": "loop", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "result": "outputs", "loop_body": [
     {"id": "m1", "type": "set", "assign": {"n": "${vars.n * loop.item}"}}, {"id": "m2", "type": "set", "output": "${vars.n}"}]}},
  {"id": "after", "type": "set", "output": {"n": "${vars.n}", "block": "${block.output}", "fork": "${fork.output}", "many": "${many.output}"}}]}$$) \gset
CALL test.go('variables_scopes', '[10, 20]');
SELECT scope, step_id, variables FROM workflow.step_executions WHERE execution_id = test.id() AND step_type = 'set' ORDER BY scope, started_at;
-- across the commits of SQL steps, and behind joins
SELECT workflow.define($${"name": "variables_commits", "steps": [
  {"id": "init", "type": "set", "assign": {"n": 0}},
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "result": "counts", "loop_body": [
     {"id": "s", "type": "sql", "sql": "SELECT $1::int + $2::int", "params": ["${vars.n}", "${loop.item}"], "result": "value"},
     {"id": "p", "type": "parallel", "parallel_steps": [{"id": "p1", "type": "sql", "sql": "SELECT 1", "result": "value"}, {"id": "p2", "type": "set", "assign": {"n": -1}, "output": 2}]},
     {"id": "keep", "type": "set", "assign": {"n": "${s.output + p.output.p2}"}}]}},
  {"id": "after", "type": "set", "output": "${vars.n}"}]}$$) \gset
CALL test.go('variables_commits', '[10, 20, 30]');

-- succeed ends the execution, wherever it stands
SELECT workflow.define($${"name": "succeed_root", "steps": [
  {"id": "a", "type": "conditional", "condition": "${workflow.input.early} == true", "if_true_step": {"id": "done", "type": "succeed", "output": {"early": "${workflow.input.early}"}}},
  {"id": "b", "type": "set", "output": "late"}]}$$) \gset
CALL test.go('succeed_root', '{"early": true}');
TABLE test.steps;
CALL test.go('succeed_root', '{"early": false}');
SELECT workflow.define($${"name": "succeed_loop", "output": {"found": "${vars.found}", "at": "${vars.at}"}, "steps": [
  {"id": "init", "type": "set", "assign": {"found": null, "at": null}},
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "loop_body": [
     {"id": "look", "type": "sql", "sql": "SELECT $1::int % 7 = 0", "params": ["${loop.item}"], "result": "value"},
     {"id": "if", "type": "conditional", "condition": "${look.output}", "if_true_step": [
        {"id": "note", "type": "set", "assign": {"found": "${loop.item}", "at": "${loop.index}"}}, {"id": "done", "type": "succeed"}]}]}}]}$$) \gset
CALL test.go('succeed_loop', '[1, 14, 3]');
SELECT scope, step, status, ends FROM test.steps;
CALL test.go('succeed_loop', '[1, 2, 3]');

-- fail: type and message from the definition
SELECT workflow.define($${"name": "fail_root", "start_step": "a", "steps": {
  "a": {"type": "set", "output": 1, "next_step": "b"},
  "b": {"type": "fail", "error": "OrderRejected", "message": "order ${workflow.input.id} of ${a.output}", "output": {"id": "${workflow.input.id}"}}}}$$) \gset
CALL test.go('fail_root', '{"id": 7}');
TABLE test.steps;
SELECT workflow.execute('fail_root', '{"id": 7}');
SELECT workflow.define($${"name": "fail_plain", "steps": [{"id": "b", "type": "fail"}]}$$) \gset
CALL test.go('fail_plain');
-- not to be ignored: it ends the execution
SELECT workflow.define($${"name": "fail_inside", "start_step": "each", "steps": {
  "each": {"type": "loop", "on_failure": "ignore", "next_step": "after", "loop_config": {"collection": "${workflow.input}", "on_error": "continue", "loop_body": ["stop"]}},
  "stop": {"type": "fail", "message": "item ${loop.item}"},
  "after": {"type": "set", "output": "after"}}}$$) \gset
CALL test.go('fail_inside', '[1, 2]');
SELECT scope, step, status, ends, error FROM test.steps;

-- in a child while others run: they are stopped
SELECT workflow.define($${"name": "succeed_parallel", "steps": [
  {"id": "block", "type": "parallel", "parallel_steps": [
     {"id": "quick", "type": "conditional", "condition": "true", "if_true_step": [{"id": "nap", "type": "sql", "sql": "SELECT pg_sleep(0.05)", "result": "none"}, {"id": "done", "type": "succeed", "output": "quick"}]},
     {"id": "slow", "type": "sql", "sql": "SELECT pg_sleep(600)"},
     {"id": "slow_loop", "type": "loop", "loop_config": {"collection": "${workflow.input}", "loop_body": [{"id": "slow2", "type": "sql", "sql": "SELECT pg_sleep(600)"}]}}]},
  {"id": "after", "type": "set", "output": "never"}]}$$) \gset
CALL test.go('succeed_parallel', '[1, 2]');
CALL test.settle();
SELECT step, status FROM test.steps WHERE step IN ('block', 'quick', 'done', 'after') ORDER BY step;
SELECT count(*) FROM test.steps WHERE step = 'slow_loop' AND status <> 'cancelled';
-- the execution's own output is evaluated wherever it ends
SELECT workflow.define($${"name": "succeed_output", "output": {"a": "${a.output}", "x": "${vars.x}", "input": "${workflow.input}", "block": "${block.status ?? 'open'}"}, "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 'a'", "result": "value"},
  {"id": "v", "type": "set", "assign": {"x": "root"}},
  {"id": "block", "type": "parallel", "parallel_steps": [
     {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "loop_body": [
        {"id": "own", "type": "set", "assign": {"x": "own"}},
        {"id": "done", "type": "succeed", "when": "${loop.item} == 2 and ${vars.x} == 'own'"}]}},
     {"id": "slow", "type": "sql", "sql": "SELECT pg_sleep(600)"}]}]}$$) \gset
CALL test.go('succeed_output', '[1, 2, 3]');
CALL test.settle();
SELECT workflow.define($${"name": "fail_loop", "steps": [
  {"id": "each", "type": "loop", "on_failure": "ignore", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "on_error": "continue", "loop_body": [
     {"id": "stop", "type": "fail", "error": "Found", "message": "item ${loop.item} at ${loop.index}", "when": "${loop.item} == 'c'"}]}}]}$$) \gset
CALL test.go('fail_loop', '["a", "b", "c", "d"]');
CALL test.settle();
SELECT workflow.define($${"name": "fail_parallel", "steps": [
  {"id": "fork", "type": "fork_join", "join_policy": "any", "branches": {
     "quick": [{"id": "nap", "type": "sql", "sql": "SELECT pg_sleep(0.05)", "result": "none"}, {"id": "stop", "type": "fail", "error": "Enough", "message": "that is enough"}],
     "slow": [{"id": "slow", "type": "sql", "sql": "SELECT pg_sleep(600)"}]}},
  {"id": "after", "type": "set", "output": "never"}]}$$) \gset
CALL test.go('fail_parallel');
CALL test.settle();
SELECT step, status FROM test.steps WHERE step IN ('fork', 'stop', 'after') ORDER BY step;

TABLE test.wrong;

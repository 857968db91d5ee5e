--
-- Fork and join: named branches, policies
--
SET client_min_messages = warning;

-- branches of several steps; values go down the branch, and out of it afterwards
SELECT workflow.define($${"name": "fork_values", "steps": [
  {"id": "fork", "type": "fork_join", "fork_join_config": {"branches": {
     "left": {"steps": ["l1", "l2", "l3"]}, "right": {"steps": ["r1"]}}}},
  {"id": "after", "type": "set", "output": {"fork": "${fork.output}", "l1": "${l1.output}", "r1": "${r1.output}"}},
  {"id": "l1", "type": "set", "output": 1},
  {"id": "l2", "type": "sql", "sql": "SELECT $1 + 1", "params": ["${l1.output}"], "result": "value"},
  {"id": "l3", "agent_name": "echo", "input_mapping": {"l1": "${l1.output}", "l2": "${l2.output}"}},
  {"id": "r1", "type": "set", "output": "r"}]}$$) \gset
CALL test.go('fork_values');
TABLE test.steps;
TABLE test.places;

-- a step that fails ends its branch; the others go on
SELECT workflow.define($${"name": "fork_fails", "steps": [
  {"id": "fork", "type": "fork_join", "branches": {
     "a": [{"id": "a1", "type": "set", "output": 1}, {"id": "a2", "type": "sql", "sql": "SELECT 1 / 0"}, {"id": "a3", "type": "set", "output": 1}],
     "b": [{"id": "b1", "type": "sql", "sql": "SELECT 1 / 0", "on_failure": "ignore"}, {"id": "b2", "type": "set", "output": "${b1.status}"}],
     "c": [{"id": "c1", "type": "set", "output": 1, "when": "false"}]}},
  {"id": "after", "type": "set", "output": "after"}]}$$) \gset
CALL test.go('fork_fails');
TABLE test.steps;
SELECT error #- '{failed,a,error,context}' AS error FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'fork';

-- the policies: so many of so many succeed
SELECT workflow.define(jsonb_build_object('name', format('fork_%s_%s', policy, total), 'steps', jsonb_build_array(jsonb_build_object(
    'id', 'fork', 'type', 'fork_join', 'fork_join_config', jsonb_build_object('join_policy', policy,
       'branches', (SELECT jsonb_object_agg('b' || i, jsonb_build_array(jsonb_build_object('id', 's' || i, 'agent_name', 'may-fail',
          'input_mapping', jsonb_build_object('n', i, 'fail', '${workflow.input.good < ' || i || '}')))) FROM generate_series(1, total) AS i))
       || CASE policy WHEN 'n_of_m' THEN '{"n_required": 3}' ELSE '{}' END::jsonb)))) AS version
FROM (VALUES ('all'), ('any'), ('majority'), ('n_of_m')) AS p (policy), (VALUES (4), (5)) AS t (total) \g /dev/null
CREATE TABLE test.fork_runs (policy text, total int, good int, id bigint);
INSERT INTO test.fork_runs
SELECT policy, total, good, workflow.start(format('fork_%s_%s', policy, total), jsonb_build_object('good', good))
FROM (VALUES ('all'), ('any'), ('majority'), ('n_of_m')) AS p (policy), (VALUES (4), (5)) AS t (total), generate_series(0, total) AS good;
SELECT count(*) FROM test.fork_runs AS r, workflow.wait(r.id, '60 seconds') AS w;
SELECT policy, total, good, e.status, s.join_policy, s.error ->> 'message' AS message,
       (SELECT count(*) FROM jsonb_each(s.output) WHERE value <> 'null') AS outputs
FROM test.fork_runs AS r, workflow.executions AS e, workflow.step_executions AS s
WHERE e.id = r.id AND s.execution_id = r.id AND s.step_id = 'fork'
ORDER BY policy, total, good;

-- a met join with failures keeps their errors; failed branches are null
SELECT set_config('test.id', id::text, false) FROM test.fork_runs WHERE (policy, total, good) = ('majority', 5, 3) \g /dev/null
SELECT step, status, output, error FROM test.steps;
SELECT error -> 'failed' -> 'b4' ->> 'status' AS b4, error -> 'failed' -> 'b5' -> 'error' ->> 'message' AS b5, error ->> 'type' AS type, error_type
FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'fork';

-- on_join cancel: decided early, the rest is stopped
SELECT workflow.define($${"name": "fork_cancel", "steps": [
  {"id": "fork", "type": "fork_join", "fork_join_config": {"join_policy": "any", "on_join": "cancel", "branches": {
     "fast": [{"id": "fast1", "type": "set", "output": "won"}],
     "slow": [{"id": "slow1", "type": "sql", "sql": "SELECT pg_sleep(600)"}, {"id": "slow2", "type": "set", "output": 1}]}}},
  {"id": "after", "type": "set", "output": "${fork.output}"}]}$$) \gset
CALL test.go('fork_cancel');
SELECT status FROM test.steps WHERE step = 'fork';
SELECT count(*) FROM test.steps WHERE step = 'slow2';
-- one that can no longer be met fails early
SELECT workflow.define($${"name": "fork_cancel_fails", "steps": [
  {"id": "fork", "type": "fork_join", "fork_join_config": {"join_policy": "all", "on_join": "cancel", "branches": {
     "bad": [{"id": "bad1", "type": "sql", "sql": "SELECT 1 / 0"}],
     "slow": [{"id": "slow1", "type": "sql", "sql": "SELECT pg_sleep(600)"}]}}}]}$$) \gset
CALL test.go('fork_cancel_fails');
-- with containers inside what is stopped: none of them stays open
SELECT workflow.define($${"name": "fork_cancel_nested", "steps": [
  {"id": "fork", "type": "fork_join", "fork_join_config": {"join_policy": "any", "on_join": "cancel", "branches": {
     "fast": [{"id": "fast1", "type": "sql", "sql": "SELECT pg_sleep(0.1)", "result": "none"}],
     "slow": [{"id": "inner", "type": "parallel", "parallel_steps": [
        {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "execution_mode": "parallel", "loop_body": [
           {"id": "slow1", "type": "sql", "sql": "SELECT pg_sleep(600)"}]}},
        {"id": "quick", "type": "set", "output": 1}]}]}}},
  {"id": "after", "type": "set", "output": "${fork.output}"}]}$$) \gset
CALL test.go('fork_cancel_nested', '{"items": [1, 2, 3]}');
SELECT step, status FROM test.steps WHERE scope IN ('', 'fork.slow');
-- one after the other, the rest does not begin
SET workflow.parallel = off;
CALL test.go('fork_cancel');
TABLE test.steps;
CALL test.go('fork_cancel_fails');
TABLE test.steps;
RESET workflow.parallel;

-- output reshapes, when skips, on_failure goes on
SELECT workflow.define($${"name": "fork_common", "steps": [
  {"id": "fork1", "type": "fork_join", "output": "${fork1.output.a + fork1.output.b}", "branches": {
     "a": [{"id": "a1", "type": "set", "output": 1}], "b": [{"id": "b1", "type": "set", "output": 2}]}},
  {"id": "fork2", "type": "fork_join", "when": "${fork1.output} == 4", "branches": {
     "a": [{"id": "a2", "type": "set", "output": 1}], "b": [{"id": "b2", "type": "set", "output": 2}]}},
  {"id": "fork3", "type": "fork_join", "on_failure": {"default": "instead"}, "branches": {
     "a": [{"id": "a3", "type": "sql", "sql": "SELECT 1 / 0"}], "b": [{"id": "b3", "type": "set", "output": 2}]}},
  {"id": "after", "type": "set", "output": ["${fork1.output}", "${fork2.status}", "${fork2.output}", "${a2.output ?? 'not run'}", "${fork3.output}", "${b3.output}"]}]}$$) \gset
CALL test.go('fork_common');

TABLE test.wrong;

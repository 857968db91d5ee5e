--
-- What the published code of the source systems does wrong, by the number in the list of
-- its defects; each would fail here.  Number 10 is about a log message, half of number 12
-- about circuit breakers, which are not part of this version.
--
SET client_min_messages = warning;

-- 1. a fork-join whose branches all succeed, succeeds
SELECT workflow.define($${"name": "defect_1", "steps": [
  {"id": "f", "type": "fork-join", "branches": {"a": {"steps": [{"id": "a1", "agent_name": "echo", "input_mapping": {"n": 1}}]}, "b": {"steps": [{"id": "b1", "agent_name": "echo", "input_mapping": {"n": 2}}]}}}]}$$) \gset
CALL test.go('defect_1');

-- 2. whole outputs and elements of arrays in mappings
SELECT workflow.define($${"name": "defect_2", "steps": [
  {"id": "step-a", "agent_name": "echo", "input_mapping": {"items": [{"x": 1}, {"x": 2}]}},
  {"id": "last", "agent_name": "echo", "input_mapping": {"whole": "${step-a.output}", "second": "${step-a.output.items[1]}", "x": "${step-a.output.items[0].x}"}}]}$$) \gset
CALL test.go('defect_2');

-- 3. and 4.: conditions on steps of any id; contains, len, words inside strings
SELECT workflow.define(jsonb_build_object('name', 'defect_3', 'steps', jsonb_build_array('{"id": "analyze", "agent_name": "echo", "input_mapping": {"score": 0.9, "message": "an error: true or false, not null", "list": [1, 2]}}'::jsonb)
  || (SELECT jsonb_agg(jsonb_build_object('id', 'c' || n, 'type', 'conditional', 'condition', jsonb_build_object('expression', e), 'if_true_step', jsonb_build_object('id', 't' || n, 'type', 'set', 'output', 1)))
      FROM unnest(ARRAY['${analyze.output.score} > 0.8', '${analyze.output.message} contains ''error''', 'len(${analyze.output.list}) == 2',
                        '${analyze.output.message} == ''an error: true or false, not null''', '''true'' in ${analyze.output.message}']) WITH ORDINALITY AS u (e, n)))) \gset
CALL test.go('defect_3');
SELECT condition_expression, condition_result, error FROM workflow.step_executions WHERE execution_id = test.id() AND step_type = 'conditional' ORDER BY started_at;

-- 5. a parallel loop: every iteration its own item, later steps of the body see the earlier ones
SELECT workflow.define($${"name": "defect_5", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "result": "outputs", "loop_body": [
    {"id": "first", "type": "sql", "sql": "SELECT input.item::int * 10 FROM pg_sleep(0.001 * (20 - input.item::int))", "input_mapping": {"item": "${loop.item}"}, "result": "value"},
    {"id": "second", "agent_name": "echo", "input_mapping": {"item": "${loop.item}", "index": "${loop.index}", "first": "${first.output}"}}]}}]}$$) \gset
SELECT jsonb_agg(i) AS items FROM generate_series(1, 20) AS i \gset
CALL test.go('defect_5', :'items');

-- 6. continue completes; stop and collect keep what was done
SELECT workflow.define(jsonb_build_object('name', 'defect_6_' || policy, 'steps', jsonb_build_array(jsonb_build_object('id', 'each', 'type', 'loop', 'loop_config', jsonb_build_object('collection', '${workflow.input}',
  'result', 'outputs', 'on_error', policy, 'loop_body', '[{"id": "div", "type": "sql", "sql": "SELECT 6 / $1::int", "params": ["${loop.item}"], "result": "value"}]'::jsonb)))))
FROM unnest('{stop,continue,collect}'::text[]) AS policy \g /dev/null
CALL test.go('defect_6_continue', '[1, 0, 3]');
CALL test.go('defect_6_stop', '[1, 0, 3]');
SELECT status, output FROM test.steps WHERE step = 'each';
CALL test.go('defect_6_collect', '[1, 0, 3]');
SELECT status, output FROM test.steps WHERE step = 'each';

-- 7. every column is written, containers have rows
SELECT workflow.define($${"name": "defect_7", "steps": [
  {"id": "fork", "type": "fork_join", "fork_join_config": {"join_policy": "any", "branches": {
    "left": [{"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "loop_body": [
       {"id": "if", "type": "conditional", "condition": "${loop.index} == 0", "if_true_step": {"id": "call", "agent_name": "echo", "input_mapping": {"i": "${loop.index}"}}}]}}],
    "right": [{"id": "bad", "agent_name": "may-fail", "input_mapping": {"fail": true}}]}}}]}$$) \gset
CALL test.go('defect_7', '["x", "y"]');
SELECT scope, step_id, step_type AS type, agent_name AS agent, status, scope_outcome AS ends, attempt AS at, visit, parent_step_id AS parent, branch_name AS branch, join_policy AS policy,
       loop_iteration_index AS i, loop_collection_size AS size, loop_execution_mode AS mode FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope, started_at;
SELECT scope, step_id, condition_expression, condition_result AS result, branch_taken AS taken, input, output #- '{left,iterations}' #- '{iterations}' AS output, error_type, error ->> 'message' AS error,
       num_nonnulls(started_at, completed_at, executor_pid) AS given FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope, started_at;

-- 8. loop bodies and branches are reachable; a new version keeps every field
SELECT count(*) FROM workflow.validate($${"name": "defect_8", "start_step": "a", "steps": {
  "a": {"type": "loop", "loop_config": {"collection": "${workflow.input}", "loop_body": ["b"]}, "next_step": "c"}, "b": {"agent_name": "echo"},
  "c": {"type": "fork_join", "fork_join_config": {"branches": {"x": {"steps": ["d"]}, "y": {"steps": ["e"]}}}}, "d": {"agent_name": "echo"}, "e": {"agent_name": "echo"}}}$$);
SELECT workflow.define($${"name": "defect_8", "start_step": "a", "steps": {"a": {"agent_name": "echo", "when": "true", "timeout_seconds": 7, "on_failure": "ignore", "output": 1, "description": "d"}}}$$) AS v1 \gset
SELECT workflow.define($${"name": "defect_8", "start_step": "a", "steps": {"a": {"agent_name": "echo", "when": "true", "timeout_seconds": 8, "on_failure": "ignore", "output": 1, "description": "d"}}}$$) AS v2 \gset
SELECT version, definition -> 'steps' -> 'a' AS a FROM workflow.definitions WHERE name = 'defect_8' ORDER BY version;

-- 9. max_parallelism is each block's own
CREATE TABLE test.defect_9 (block text, began timestamptz, ended timestamptz);
SELECT workflow.define(jsonb_build_object('name', 'defect_9', 'steps', jsonb_build_array(jsonb_build_object('id', 'outer', 'type', 'parallel', 'max_parallelism', 2, 'parallel_steps',
  (SELECT jsonb_agg(jsonb_build_object('id', 'inner' || o, 'type', 'parallel', 'max_parallelism', 1, 'parallel_steps',
     (SELECT jsonb_agg(jsonb_build_object('id', format('leaf%s%s', o, i), 'type', 'sql', 'result', 'none', 'params', jsonb_build_array('inner' || o),
        'sql', 'WITH t AS MATERIALIZED (SELECT clock_timestamp() AS began), w AS MATERIALIZED (SELECT began, pg_sleep(0.01) FROM t) INSERT INTO test.defect_9 SELECT $1, began, clock_timestamp() FROM w')) FROM generate_series(1, 3) AS i)))
   FROM generate_series(1, 4) AS o))))) \gset
SELECT workflow.start('defect_9') AS id \gset
SELECT status FROM workflow.wait(:id, '60 seconds');
SELECT count(*) AS leaves,
       max((SELECT count(*) FROM test.defect_9 AS b WHERE b.block = a.block AND b.began <= a.began AND b.ended > a.began)) AS in_a_block,
       max((SELECT count(DISTINCT block) FROM test.defect_9 AS b WHERE b.began <= a.began AND b.ended > a.began)) <= 2 AS blocks_kept
FROM test.defect_9 AS a;

-- 11. children of containers are retried like others; 12. max_retries 0 is one attempt
CREATE SEQUENCE test.defect_11_loop;
CREATE SEQUENCE test.defect_11_block;
SELECT workflow.define($${"name": "defect_11", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "result": "outputs", "loop_body": [
     {"id": "in_loop", "type": "sql", "sql": "SELECT 1 / (nextval('test.defect_11_loop') / 3)", "result": "value", "retry": {"max_retries": 2, "type": "immediate"}}]}},
  {"id": "block", "type": "parallel", "min_success": 1, "parallel_steps": [
     {"id": "in_block", "type": "sql", "sql": "SELECT 1 / (nextval('test.defect_11_block') / 2)", "result": "value", "retry": {"max_retries": 1, "type": "immediate"}},
     {"id": "never_good", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 1, "type": "immediate"}},
     {"id": "once", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 0}}]}]}$$) \gset
CALL test.go('defect_11', '[1]');
SELECT scope, step_id, attempt, status, scope_outcome AS ends, on_failure, output FROM workflow.step_executions WHERE execution_id = test.id() AND step_type = 'sql' ORDER BY scope, attempt;

TABLE test.wrong;

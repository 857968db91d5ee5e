--
-- Failures: quorums of blocks, what a failed container keeps, failures that reach far
--
SET client_min_messages = warning;

-- min_success_ratio is inclusive: ok >= total * ratio, exactly
CREATE TABLE test.quorum (name text PRIMARY KEY, total int, good int, field jsonb, id bigint);
INSERT INTO test.quorum (name, total, good, field)
SELECT format('quorum_%s_%s_%s', total, good, md5(field::text)), total, good, field FROM (VALUES
  (10, 5, '{"min_success_ratio": 0.5}'::jsonb), (11, 5, '{"min_success_ratio": 0.5}'), (10, 4, '{"min_success_ratio": 0.5}'), (11, 6, '{"min_success_ratio": 0.5}'),
  (10, 0, '{"min_success_ratio": 0}'), (7, 1, '{"min_success_ratio": 0.14285714285714285714285714285714}'), (7, 1, '{"min_success_ratio": 0.142857142857142857142857142857143}'), (10, 10, '{"min_success_ratio": 1}'), (10, 9, '{"min_success_ratio": 1}'),
  (10, 7, '{"min_success_ratio": 0.7}'), (10, 6, '{"min_success_ratio": 0.7}'), (3, 1, '{"min_success_ratio": 0.3333333333}'), (3, 1, '{"min_success_ratio": 0.3333333334}'),
  (10, 3, '{"min_success": 3}'), (10, 2, '{"min_success": 3}'), (11, 10, '{}'), (11, 11, '{}')) AS v (total, good, field);
SELECT count(workflow.define(jsonb_build_object('name', name, 'steps', jsonb_build_array(
    jsonb_build_object('id', 'block', 'type', 'parallel', 'parallel_steps', (SELECT jsonb_agg(jsonb_build_object('id', 's' || i, 'agent_name', 'may-fail',
        'input_mapping', jsonb_build_object('n', i, 'fail', i > good))) FROM generate_series(1, total) AS i)) || field,
    '{"id": "after", "type": "set", "output": "${block.output}"}'::jsonb)))) FROM test.quorum;
UPDATE test.quorum SET id = workflow.start(name);
SELECT count(workflow.wait(id, '60 seconds')) FROM test.quorum;
SELECT q.total, q.good, q.field, e.status, s.status AS block, s.join_policy, s.error ->> 'type' AS type, s.error ->> 'message' AS message,
       (SELECT count(*) FROM jsonb_each(s.output) WHERE value <> 'null') AS kept
FROM test.quorum AS q JOIN workflow.executions AS e ON e.id = q.id JOIN workflow.step_executions AS s ON s.execution_id = q.id AND s.step_id = 'block'
ORDER BY q.total, q.field::text, q.good;
-- children that are skipped do not count
SELECT workflow.define($${"name": "quorum_skipped", "steps": [
  {"id": "block", "type": "parallel", "min_success_ratio": 0.5, "parallel_steps": [
    {"id": "a", "type": "set", "output": 1}, {"id": "b", "type": "sql", "sql": "SELECT 1 / 0"},
    {"id": "c", "type": "set", "output": 1, "when": "false"}, {"id": "d", "type": "set", "output": 1, "when": "false"}, {"id": "e", "type": "set", "output": 1, "when": "false"}]}]}$$) \gset
CALL test.go('quorum_skipped');

-- a failure passes through what is around it, and its end names the outermost
SELECT workflow.define($${"name": "failures_deep", "steps": [
  {"id": "fork", "type": "fork_join", "branches": {
     "left": [{"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "loop_body": [
        {"id": "if", "type": "conditional", "condition": "${loop.item} == 2", "if_true_step": {"id": "bad", "type": "sql", "sql": "SELECT 1 / 0"}, "if_false_step": {"id": "good", "type": "set", "output": "${loop.item}"}}]}}],
     "right": [{"id": "r", "type": "set", "output": "r"}]}}]}$$) \gset
CALL test.go('failures_deep', '[1, 2]');
SELECT scope, step, status, ends, error FROM test.steps WHERE scope <> 'fork.left/each[0]/if.else' AND scope <> 'fork.left/each[0]';
SELECT error -> 'detail' AS detail, error #> '{failed,left,error,message}' AS left_says FROM workflow.executions WHERE id = test.id();
-- caught in the middle
SELECT workflow.define($${"name": "failures_caught", "steps": [
  {"id": "fork", "type": "fork_join", "branches": {
     "left": [{"id": "each", "type": "loop", "on_failure": {"default": "no result"}, "loop_config": {"collection": "${workflow.input}", "loop_body": [
        {"id": "block", "type": "parallel", "parallel_steps": [{"id": "bad", "type": "sql", "sql": "SELECT 1 / 0"}, {"id": "good", "type": "set", "output": 1}]}]}}],
     "right": [{"id": "r", "type": "set", "output": "r"}]}}]}$$) \gset
CALL test.go('failures_caught', '[1, 2]');
SELECT step_id, status, on_failure, error_type FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope, step_id;

-- agents that are gone or inactive, at run time
SELECT workflow.register_agent('short-lived', 'test.echo(jsonb)') \gset
SELECT workflow.define($${"name": "failures_agent", "steps": [{"id": "call", "agent_name": "short-lived", "input_mapping": {"a": 1}}]}$$) \gset
CALL test.go('failures_agent');
SELECT workflow.set_agent_status('short-lived', 'inactive') \gset
CALL test.go('failures_agent');
SELECT workflow.drop_agent('short-lived') \gset
CALL test.go('failures_agent');
SELECT error FROM workflow.executions WHERE id = test.id();
CREATE FUNCTION test.short_lived(jsonb) RETURNS jsonb LANGUAGE sql RETURN $1;
SELECT workflow.register_agent('short-lived', 'test.short_lived(jsonb)') \gset
DROP FUNCTION test.short_lived(jsonb);
CALL test.go('failures_agent');

-- errors at COMMIT
CREATE TABLE test.deferred (id int PRIMARY KEY, parent int REFERENCES test.deferred DEFERRABLE INITIALLY DEFERRED);
SELECT workflow.define($${"name": "failures_commit", "steps": [
  {"id": "a", "type": "sql", "sql": "INSERT INTO test.deferred VALUES (1, 1)", "result": "none"},
  {"id": "b", "type": "sql", "sql": "INSERT INTO test.deferred VALUES (2, 99)", "result": "none", "on_failure": "ignore"},
  {"id": "c", "type": "set", "output": "${b.status}: ${b.error.message}"},
  {"id": "block", "type": "parallel", "parallel_steps": [
     {"id": "d", "type": "sql", "sql": "INSERT INTO test.deferred VALUES (3, 99)", "result": "none"},
     {"id": "e", "type": "sql", "sql": "INSERT INTO test.deferred VALUES (4, 1)", "result": "none"}]}]}$$) \gset
CALL test.go('failures_commit');
SELECT scope, step, status, ends, output, error FROM test.steps;
SELECT id FROM test.deferred ORDER BY id;

TABLE test.wrong;

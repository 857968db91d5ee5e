--
-- The output of a scope is that of the last step that ran in it: one that was skipped
-- behind it wipes nothing, in whatever scope and however that is run
--
SET client_min_messages = warning;
CREATE TABLE test.skipped_last (name text, definition jsonb, input jsonb DEFAULT '{}');
INSERT INTO test.skipped_last (name, definition) VALUES
  ('execution', '[{"id": "a", "type": "set", "output": "A"}, {"id": "z", "type": "set", "output": 1, "when": "false"}]'),
  ('execution_sql', '[{"id": "a", "sql": "SELECT 7", "result": "value"}, {"id": "b", "sql": "SELECT 1", "when": "false"}, {"id": "z", "type": "set", "output": 1, "when": "false"}]'),
  ('execution_none', '[{"id": "a", "type": "set", "output": 1, "when": "false"}, {"id": "z", "type": "set", "output": 1, "when": "false"}]'),
  ('execution_ignored', '[{"id": "a", "type": "set", "output": "A"}, {"id": "b", "sql": "SELECT 1 / 0", "on_failure": "ignore"}, {"id": "z", "type": "set", "output": 1, "when": "false"}]'),
  ('execution_default', '[{"id": "b", "sql": "SELECT 1 / 0", "on_failure": {"default": "instead"}}, {"id": "z", "type": "set", "output": 1, "when": "false"}]'),
  ('execution_container', '[{"id": "l", "type": "loop", "collection": [1], "result": "counts", "loop_body": [{"id": "b", "sql": "SELECT 1"}], "output": "${l.output.total_count}"}, {"id": "z", "type": "parallel", "when": "false", "parallel_steps": [{"id": "p", "type": "set", "output": 1}, {"id": "q", "type": "set", "output": 1}]}]'),
  ('loop', '[{"id": "l", "type": "loop", "collection": ["A", "B"], "result": "outputs", "loop_body": [{"id": "a", "sql": "SELECT $1", "params": ["${loop.item}"], "result": "value"}, {"id": "z", "type": "set", "output": 1, "when": "${loop.item} == ''B''"}]}]'),
  ('loop_parallel', '[{"id": "l", "type": "loop", "execution_mode": "parallel", "collection": ["A", "B"], "result": "outputs", "loop_body": [{"id": "a", "type": "set", "output": "${loop.item}"}, {"id": "z", "sql": "SELECT 1", "result": "value", "when": "${loop.item} == ''B''"}]}]'),
  ('loop_none', '[{"id": "l", "type": "loop", "collection": ["A", "B"], "loop_body": [{"id": "a", "type": "set", "output": 1, "when": "${loop.item} == ''B''"}, {"id": "z", "type": "set", "output": 1, "when": "false"}]}]'),
  ('loop_iterations', '[{"id": "l", "type": "loop", "collection": ["A"], "loop_body": [{"id": "a", "sql": "SELECT input.x", "input_mapping": {"x": "${loop.item}"}, "result": "value"}, {"id": "y", "sql": "SELECT 1", "when": "false"}, {"id": "z", "sql": "SELECT 1", "when": "false"}]}]'),
  ('loop_while', '[{"id": "s", "type": "set", "assign": {"n": 0}}, {"id": "l", "type": "loop", "while": "${vars.n} < 3", "result": "outputs", "loop_body": [{"id": "a", "type": "set", "assign": {"n": "${vars.n + 1}"}, "output": "${vars.n}"}, {"id": "z", "sql": "SELECT 1", "when": "false"}]}]'),
  ('branches', '[{"id": "f", "type": "fork_join", "branches": {"a": [{"id": "a1", "sql": "SELECT 1", "result": "value"}, {"id": "a2", "type": "set", "output": 2, "when": "false"}], "b": [{"id": "b1", "type": "set", "output": "B"}, {"id": "b2", "sql": "SELECT 1", "when": "false"}], "c": [{"id": "c1", "type": "set", "output": 1, "when": "false"}, {"id": "c2", "type": "set", "output": 1, "when": "false"}]}}]'),
  ('branches_none', '[{"id": "f", "type": "fork_join", "join_policy": "any", "on_failure": "ignore", "branches": {"a": [{"id": "a1", "type": "set", "output": 1, "when": "false"}, {"id": "a2", "type": "set", "output": 2, "when": "false"}], "b": [{"id": "b1", "sql": "SELECT 1", "when": "false"}]}}, {"id": "z", "type": "set", "output": "${f.status} ${f.error.message}"}]'),
  ('conditional', '[{"id": "c", "type": "conditional", "condition": "true", "then": [{"id": "a", "sql": "SELECT 5", "result": "value"}, {"id": "z", "type": "set", "output": 1, "when": "false"}]}]'),
  ('conditional_none', '[{"id": "c", "type": "conditional", "condition": "true", "then": [{"id": "z", "type": "set", "output": 1, "when": "false"}]}]'),
  ('nested', '[{"id": "l", "type": "loop", "collection": [1, 2], "result": "outputs", "loop_body": [{"id": "c", "type": "conditional", "condition": "true", "then": [{"id": "a", "type": "set", "output": "${loop.item}"}, {"id": "y", "type": "set", "output": 1, "when": "false"}], "output": "${c.output.branch_output}"}, {"id": "z", "type": "parallel", "when": "false", "parallel_steps": [{"id": "p", "type": "set", "output": 1}, {"id": "q", "type": "set", "output": 1}]}]}]');
SELECT workflow.define(jsonb_build_object('name', 'skipped_' || name, 'steps', definition)) FROM test.skipped_last \g /dev/null
CREATE TABLE test.skipped_runs AS SELECT name, mode, NULL::bigint AS id, NULL::jsonb AS output FROM test.skipped_last, unnest('{workers,off,execute}'::text[]) AS mode;
UPDATE test.skipped_runs SET id = workflow.start('skipped_' || name, parallel => mode = 'workers') WHERE mode <> 'execute';
UPDATE test.skipped_runs SET output = workflow.execute('skipped_' || name) WHERE mode = 'execute';
UPDATE test.skipped_runs AS r SET output = w.output FROM (SELECT r.id, w.output FROM (SELECT id FROM test.skipped_runs WHERE id IS NOT NULL) AS r, workflow.wait(r.id, '120 seconds') AS w) AS w WHERE w.id = r.id;
SELECT l.name, array_agg(DISTINCT COALESCE(r.output, 'null')) AS outputs FROM test.skipped_last AS l JOIN test.skipped_runs AS r USING (name)
GROUP BY l.name ORDER BY l.name COLLATE "C";
-- a skipped step has no output of its own, all the same
SELECT DISTINCT s.step_id, s.status, s.scope_outcome, s.output FROM test.skipped_runs AS r JOIN workflow.step_executions AS s ON s.execution_id = r.id
WHERE r.name = 'branches' AND s.status = 'skipped' ORDER BY 1;
-- skipped by hand with an output: that stands for its scope
SELECT workflow.start('skipped_execution_sql') AS id, workflow.skip_step(currval('workflow.executions_id_seq'), 'z', '"by hand"') \gset
SELECT output FROM workflow.wait(:id, '60 seconds');

-- too large together, though the rows that end the iterations have nothing
SELECT workflow.define($${"name": "skipped_large", "steps": [
  {"id": "l", "type": "loop", "collection": [1, 2], "result": "outputs", "on_failure": "ignore", "loop_body": [
    {"id": "a", "sql": "SELECT string_agg(md5(i::text), '') FROM generate_series(1, 280000) AS i", "result": "value"}, {"id": "z", "type": "set", "output": 1, "when": "false"}]},
  {"id": "e", "type": "set", "output": "${l.status} ${l.error.type}"}]}$$) \gset
CALL test.go('skipped_large');
TABLE test.wrong;

--
-- What iterations of loops are called
--
SET client_min_messages = warning;
CREATE VIEW test.labels AS
SELECT scope, step_id AS step, loop_iteration_index AS index, loop_label AS label
FROM workflow.step_executions WHERE execution_id = test.id() AND scope <> '' ORDER BY scope COLLATE "C", step_id COLLATE "C";

-- each kind of loop, loops within each other, blocks within loops; with workers, one after the other, and by execute()
SELECT workflow.define($${"name": "labels", "steps": [
  {"id": "day", "type": "set", "output": "Monday"},
  {"id": "towns", "type": "loop", "loop_config": {"collection": "${workflow.input.towns}", "label": "${loop.item.name} on ${day.output}", "execution_mode": "parallel", "loop_body": [
    {"id": "shops", "type": "loop", "collection": "${loop.item.shops}", "label": "${loop.parent.item.name} ${loop.item}", "loop_body": {"id": "close", "sql": "SELECT 1"}},
    {"id": "plain", "type": "loop", "collection": [1], "loop_body": {"id": "bare", "type": "set", "output": 1}},
    {"id": "both", "type": "parallel", "parallel_steps": [{"id": "left", "sql": "SELECT 1"}, {"id": "right", "type": "set", "output": 1}]},
    {"id": "maybe", "when": "false", "sql": "SELECT 1"}]}},
  {"id": "wait", "type": "loop", "while": "${loop.index} < 2", "label": "round ${loop.index + 1}", "loop_body": {"id": "look", "type": "set", "output": 1}},
  {"id": "try", "type": "loop", "until": {"sql": "SELECT input.n::int > 0"}, "input_mapping": {"n": "${loop.index}"}, "label": "try ${loop.index + 1}", "loop_body": {"id": "ask", "type": "set", "output": 1}}]}$$) \gset
CREATE TABLE test.towns AS SELECT '{"towns": [{"name": "Lyon", "shops": ["A", "B"]}, {"name": "Turin", "shops": ["C"]}]}'::jsonb AS towns;
SELECT towns FROM test.towns \gset
CALL test.go('labels', :'towns');
TABLE test.labels;
CREATE TABLE test.with_workers AS TABLE test.labels;
SELECT workflow.start('labels', :'towns', parallel => false) AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT set_config('test.id', :'id', false) = :'id' AS set;
SELECT (SELECT array_agg(l::text) FROM test.labels AS l) = (SELECT array_agg(w::text) FROM test.with_workers AS w) AS the_same;
SELECT jsonb_typeof(workflow.execute('labels', :'towns')) AS output;
SELECT set_config('test.id', max(id)::text, false) IS NOT NULL AS set FROM workflow.executions WHERE inline;
SELECT (SELECT array_agg(l::text) FROM test.labels AS l) = (SELECT array_agg(w::text) FROM test.with_workers AS w) AS the_same;
-- told wherever iterations are
SELECT event, scope, loop_label FROM workflow.history WHERE execution_id = test.id() AND event = 'step completed' AND step_id = 'close' ORDER BY scope;
SELECT regexp_replace(line, '\s+[-=x.\s]*[\d.]+ m?s( \*)?$', '') AS line FROM regexp_split_to_table(workflow.timeline(test.id(), 100, true), '\n') AS line WHERE line ~ '\[';
SELECT count(*) FROM regexp_matches(workflow.timeline_svg(test.id()), 'Lyon on Monday|Lyon A|round 2', 'g') WHERE NOT workflow.report(test.id()) !~ 'Turin on Monday';
SELECT line FROM regexp_split_to_table(workflow.explain('labels', averages => false), '\n') AS line WHERE line ~ 'each called';

-- of what kind it may be; one that cannot be resolved is missing, and nothing fails
SELECT workflow.define($${"name": "labels_odd", "steps": [
  {"id": "each", "type": "loop", "collection": "${workflow.input.items}", "label": "${loop.item.name}", "loop_body": {"id": "one", "type": "set", "output": 1}},
  {"id": "divided", "type": "loop", "collection": [0, 2], "label": "by ${10 / loop.item}", "loop_body": {"id": "two", "type": "set", "output": 1}}]}$$) \gset
SELECT jsonb_build_object('items', jsonb_build_array('{"name": 5}'::jsonb, '{"name": {"a": [1, null]}}'::jsonb, '{"name": true}'::jsonb, '{"name": null}'::jsonb, '{"name": ""}'::jsonb, '{}'::jsonb, 7,
    jsonb_build_object('name', repeat('é', 100)), jsonb_build_object('name', repeat('é', 60) || repeat('x', 4) || repeat('ü', 37)))) AS items \gset
CALL test.go('labels_odd', :'items');
SELECT scope, label, length(label) FROM test.labels;

-- worked out once: it stays when the iteration goes on elsewhere, whatever has become of the variables
CREATE TABLE test.divisor AS SELECT 0 AS n;
SELECT workflow.define($${"name": "labels_retried", "steps": [
  {"id": "init", "type": "set", "assign": {"v": "first"}},
  {"id": "each", "type": "loop", "collection": [1, 2], "label": "${vars.v}", "loop_body": [
    {"id": "a", "type": "set", "assign": {"v": "changed by ${loop.item}"}}, {"id": "b", "sql": "SELECT 1 / n FROM test.divisor"}, {"id": "c", "type": "set", "output": 1}]}]}$$) \gset
CALL test.go('labels_retried');
UPDATE test.divisor SET n = 1;
SELECT workflow.retry(test.id());
SELECT status FROM workflow.wait(test.id(), '60 s');
TABLE test.labels;

-- in what a loop results in: errors, and what became of each iteration, if that is asked for
CREATE TABLE test.errors (mode text, output jsonb, said text);
SELECT workflow.define($${"name": "labels_failed", "steps": [
  {"id": "each", "type": "loop", "collection": "${workflow.input}", "label": "${loop.item.name}", "on_error": "continue", "result": "iterations", "loop_body": [
    {"id": "a", "type": "set", "output": 1}, {"id": "b", "sql": "SELECT 10 / $1::int", "params": ["${loop.item.n}"], "result": "value"}]},
  {"id": "inner", "type": "loop", "collection": [1], "on_error": "continue", "loop_body": [
    {"id": "deep", "type": "loop", "collection": [0], "label": "by ${loop.item}", "loop_body": [{"id": "c", "sql": "SELECT 1 / 0"}]}]},
  {"id": "tell", "type": "set", "output": {"each": "${each.output.iterations}", "said": "${each.error.message}", "inner": "${inner.error.message}"}}]}$$) \gset
SELECT '[{"name": "Lyon", "n": 5}, {"name": "Turin", "n": 0}, {"n": 0}]' AS shops \gset
SELECT workflow.start('labels_failed', :'shops') AS id \gset
INSERT INTO test.errors SELECT 'workers', output FROM workflow.wait(:id, '60 s');
SELECT workflow.start('labels_failed', :'shops', parallel => false) AS id \gset
INSERT INTO test.errors SELECT 'sequential', output FROM workflow.wait(:id, '60 s');
INSERT INTO test.errors SELECT 'session', workflow.execute('labels_failed', :'shops');
SELECT i ->> 'index' AS index, i ->> 'label' AS label, i ? 'label' AS has_label, i ->> 'status' AS status, string_agg(mode, ',' ORDER BY mode) AS modes
FROM test.errors, jsonb_array_elements(output -> 'each') AS i GROUP BY i ->> 'index', i ->> 'label', i ? 'label', i ->> 'status' ORDER BY 1;
SELECT output ->> 'said' AS said, output ->> 'inner' AS inner, string_agg(mode, ',' ORDER BY mode) AS modes FROM test.errors GROUP BY 1, 2;

-- while it runs; it may hold data, so it is for those who see the input
SELECT workflow.define($${"name": "labels_held", "steps": [
  {"id": "each", "type": "loop", "collection": "${workflow.input.names}", "label": "${loop.item}", "loop_body": [
    {"id": "wait", "sql": "SELECT pg_advisory_lock(77041), pg_advisory_unlock(77041)"}]}]}$$) \gset
SELECT pg_advisory_lock(77041);
SELECT workflow.start('labels_held', jsonb_build_object('names', jsonb_build_array('secret ' || repeat('é', 40)))) AS id \gset
SELECT set_config('test.id', :'id', false) = :'id' AS set;
CALL test.until('SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = test.id() AND wait_event = ''advisory''');
SELECT loop_label, octet_length(loop_label) FROM workflow.activity WHERE execution_id = test.id();
SELECT left(detail, 20) FROM workflow.why(test.id()) WHERE step_id = 'each[0]/wait';
SELECT left(s ->> 'label', 10) FROM jsonb_array_elements(workflow.progress(test.id()) -> 'current_steps') AS s;
CREATE ROLE regress_watcher IN ROLE pg_monitor;
SET ROLE regress_watcher;
SELECT 'activity' AS place, loop_label IS NULL AS hidden FROM workflow.activity WHERE execution_id = :id
UNION ALL SELECT 'slots', label IS NULL FROM workflow.executor_slots() WHERE execution_id = :id
UNION ALL SELECT 'steps', loop_label IS NULL FROM workflow.step_status WHERE execution_id = :id AND scope <> ''
UNION ALL SELECT 'history', bool_and(loop_label IS NULL) FROM workflow.history WHERE execution_id = :id
UNION ALL SELECT 'why', bool_and(w::text !~ 'secret') FROM workflow.why(:id) AS w
UNION ALL SELECT 'progress', workflow.progress(:id)::text !~ 'secret'
UNION ALL SELECT 'timeline', workflow.timeline(:id) !~ 'secret'
UNION ALL SELECT 'svg', workflow.timeline_svg(:id) !~ 'secret'
UNION ALL SELECT 'report', workflow.report(:id) !~ 'secret';
RESET ROLE;
SELECT workflow.timeline(:id) ~ 'secret' AS shown, workflow.report(:id) ~ 'secret' AS reported;
SELECT pg_advisory_unlock(77041);
SELECT status FROM workflow.wait(:id, '60 s');
SET ROLE regress_watcher;
SELECT step_id, loop_label IS NULL AS hidden FROM workflow.step_status WHERE execution_id = :id AND scope <> '';
RESET ROLE;
DROP ROLE regress_watcher;

-- what define() says
SELECT v.path, v.message, v.hint FROM unnest(ARRAY['${wait.output}', '${loop.item.a', '${vars.nothing}', '${loop.itm}', '${behind.output}']) AS label,
    workflow.validate(jsonb_build_object('name', 'labels_wrong', 'steps', jsonb_build_array(
        jsonb_build_object('id', 'each', 'type', 'loop', 'collection', '[1]'::jsonb, 'label', label, 'loop_body', '[{"id": "wait", "type": "set", "output": 1}]'::jsonb),
        '{"id": "behind", "type": "set", "output": 1}'::jsonb))) AS v;
SELECT v.path, v.message, v.hint FROM (VALUES ('{"id": "l", "type": "loop", "collection": [1], "label": 5, "loop_body": [{"id": "a", "type": "set", "output": 1}]}'::jsonb),
    ('{"id": "l", "type": "loop", "while": "false", "label": "${loop.item}", "loop_body": [{"id": "a", "type": "set", "output": 1}]}'),
    ('{"id": "l", "sql": "SELECT 1", "label": "x"}')) AS s (step), workflow.validate(jsonb_build_object('name', 'labels_wrong', 'steps', jsonb_build_array(step))) AS v;

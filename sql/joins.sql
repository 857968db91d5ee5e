--
-- One rule for joins, however the children were run: every policy with children that
-- complete, fail, are skipped, or never begin, by workers, one after the other, and by
-- execute()
--
SET client_min_messages = warning;

-- A workflow for each policy, with three children; what each does is told by the input, a
-- letter each: c(omplete), f(ail), s(kip).
CREATE TABLE test.join_rules (rule text PRIMARY KEY, kind text, config jsonb);
INSERT INTO test.join_rules VALUES
  ('fork_all', 'fork_join', '{"join_policy": "all"}'),
  ('fork_any', 'fork_join', '{"join_policy": "any"}'),
  ('fork_majority', 'fork_join', '{"join_policy": "majority"}'),
  ('fork_2_of_3', 'fork_join', '{"join_policy": "n_of_m", "n_required": 2}'),
  ('parallel_all', 'parallel', '{}'),
  ('parallel_2', 'parallel', '{"min_success": 2}'),
  ('parallel_0.5', 'parallel', '{"min_success_ratio": 0.5}'),
  ('parallel_0', 'parallel', '{"min_success_ratio": 0}'),
  ('parallel_stop', 'parallel', '{"min_success": 1, "on_error": "stop", "max_parallelism": 1}');
INSERT INTO test.join_rules SELECT rule || '_cancel', kind, config || '{"on_join": "cancel", "max_parallelism": 1}'
FROM test.join_rules WHERE rule <> 'parallel_stop';

CREATE FUNCTION test.join_child(i int) RETURNS jsonb LANGUAGE sql AS $$
SELECT jsonb_build_object('id', 'c' || i, 'agent_name', 'may-fail', 'when', format('${workflow.input.what[%s] != ''s''}', i),
                          'input_mapping', jsonb_build_object('n', i, 'fail', format('${workflow.input.what[%s] == ''f''}', i)))
$$;
SELECT workflow.define(jsonb_build_object('name', 'join_' || rule, 'steps', jsonb_build_array(
    jsonb_build_object('id', 'block', 'type', kind, 'on_failure', 'ignore') || config
      || CASE kind WHEN 'parallel' THEN jsonb_build_object('parallel_steps', (SELECT jsonb_agg(test.join_child(i)) FROM generate_series(0, 2) AS i))
                   ELSE jsonb_build_object('branches', (SELECT jsonb_object_agg('b' || i, jsonb_build_array(test.join_child(i))) FROM generate_series(0, 2) AS i)) END,
    jsonb_build_object('id', 'after', 'type', 'set', 'output', jsonb_build_object('block', '${block.status} ${block.error.type ?? ''-''}',
      -- a child that never began can be asked, too
      'children', jsonb_build_array('${c0.status}', '${c1.status}', '${c2.status}'), 'output', '${block.output}')))))
FROM test.join_rules \g /dev/null

CREATE TABLE test.join_runs (rule text, what text, mode text, id bigint, output jsonb);
INSERT INTO test.join_runs (rule, what, mode)
SELECT rule, a || b || c, mode FROM test.join_rules, unnest('{c,f,s}'::text[]) AS a, unnest('{c,f,s}'::text[]) AS b, unnest('{c,f,s}'::text[]) AS c,
       unnest('{workers,off,execute}'::text[]) AS mode;
CREATE FUNCTION test.join_input(what text) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('what', string_to_array(what, NULL)) $$;
UPDATE test.join_runs SET id = workflow.start('join_' || rule, test.join_input(what)) WHERE mode = 'workers';
SET workflow.parallel = off;
UPDATE test.join_runs SET id = workflow.start('join_' || rule, test.join_input(what)) WHERE mode = 'off';
RESET workflow.parallel;
UPDATE test.join_runs SET output = workflow.execute('join_' || rule, test.join_input(what)) WHERE mode = 'execute';
SELECT count(*), count(*) FILTER (WHERE w.status <> 'completed') AS not_completed FROM (SELECT id FROM test.join_runs WHERE id IS NOT NULL) AS r, workflow.wait(r.id, '300 seconds') AS w;
UPDATE test.join_runs AS r SET output = e.output FROM workflow.executions AS e WHERE e.id = r.id;

-- what is not as the rule says, in other words
SELECT r.rule, r.what, r.mode, r.output ->> 'block' AS block
FROM test.join_runs AS r,
     LATERAL (SELECT length(what) - length(replace(what, 'c', '')) AS c,
                     length(what) - length(replace(what, 's', '')) AS s) AS n,
     LATERAL (SELECT CASE regexp_replace(rule, '_cancel$', '')
                WHEN 'fork_all' THEN c = 3 - s WHEN 'parallel_all' THEN c = 3 - s
                WHEN 'fork_any' THEN c >= 1 WHEN 'fork_majority' THEN c > (3 - s) / 2.0 OR s = 3
                WHEN 'fork_2_of_3' THEN c >= 2 WHEN 'parallel_2' THEN c >= 2
                WHEN 'parallel_0.5' THEN c >= (3 - s) * 0.5 WHEN 'parallel_0' THEN true
                WHEN 'parallel_stop' THEN split_part(what, 'f', 1) LIKE '%c%' END AS met) AS m
WHERE (r.output ->> 'block' LIKE 'completed %') IS DISTINCT FROM m.met OR (NOT m.met AND r.output ->> 'block' <> 'failed JoinFailed');

-- the three modes say the same, of the block and of each child
SELECT rule, what, array_agg(mode || ': ' || output ORDER BY mode)
FROM test.join_runs GROUP BY rule, what HAVING count(DISTINCT output) > 1;

-- one table of all: by rule, what the children do and what becomes of the block
SELECT rule, string_agg(what, ' ' ORDER BY what) FILTER (WHERE output ->> 'block' LIKE 'completed %') AS completes,
       string_agg(what, ' ' ORDER BY what) FILTER (WHERE output ->> 'block' NOT LIKE 'completed %') AS fails
FROM test.join_runs WHERE mode = 'workers' GROUP BY rule ORDER BY rule COLLATE "C";
SELECT rule, what, output -> 'children' AS children FROM test.join_runs
WHERE mode = 'workers' AND output -> 'children' @> '["skipped"]' AND what NOT LIKE '%s%' ORDER BY rule COLLATE "C", what;
SELECT DISTINCT s.status, s.error_type, s.scope_outcome, regexp_replace(s.error ->> 'message', '"[^"]*"', '"..."') AS message
FROM test.join_runs AS r JOIN workflow.step_executions AS s ON s.execution_id = r.id AND s.step_id LIKE 'c_' AND s.status = 'skipped' ORDER BY 2 NULLS FIRST;
SELECT what, s.error ->> 'message' AS message FROM test.join_runs AS r JOIN workflow.step_executions AS s ON s.execution_id = r.id
WHERE r.rule = 'fork_2_of_3' AND r.mode = 'workers' AND s.step_id = 'block' AND s.status = 'failed' ORDER BY what;

-- what never began begins when the block is opened again by retry(): its "when" is asked then
CREATE TABLE test.join_gate (open int);
GRANT ALL ON test.join_gate TO PUBLIC;
SELECT workflow.define($${"name": "join_retried", "steps": [
  {"id": "block", "type": "parallel", "max_parallelism": 1, "on_error": "stop", "parallel_steps": [
     {"id": "a", "sql": "SELECT 1 / count(*) FROM test.join_gate", "result": "value"},
     {"id": "b", "type": "set", "output": "b", "when": "${workflow.input.b}"},
     {"id": "c", "type": "fork_join", "branches": {"l": [{"id": "c1", "type": "set", "output": 1}], "r": [{"id": "c2", "type": "set", "output": 2}]}}]}]}$$) \gset
CREATE PROCEDURE test.retry_join(parallel boolean) LANGUAGE plpgsql AS $$
DECLARE
    w workflow.executions;
    began text;
BEGIN
    DELETE FROM test.join_gate;
    PERFORM set_config('test.id', workflow.start('join_retried', '{"b": false}', parallel => parallel)::text, false);
    COMMIT;
    w := workflow.wait(test.id(), '60 seconds');
    SELECT string_agg(step_id || ' ' || status || COALESCE(' ' || error_type, ''), ', ' ORDER BY scope COLLATE "C") INTO began
    FROM workflow.step_executions WHERE execution_id = test.id();
    RAISE INFO '%: %', w.status, began;
    INSERT INTO test.join_gate VALUES (1);
    PERFORM workflow.retry(test.id());
    COMMIT;
    w := workflow.wait(test.id(), '60 seconds');
    SELECT string_agg(step_id || ' ' || attempt || ' ' || status || COALESCE(' ' || error_type, ''), ', ' ORDER BY scope COLLATE "C", attempt) INTO began
    FROM workflow.step_executions WHERE execution_id = test.id();
    RAISE INFO '% %: %', w.status, w.output, began;
END $$;
SET client_min_messages = info;
CALL test.retry_join(true);
CALL test.retry_join(false);
SET client_min_messages = warning;

-- the iterations of a loop that stops early are counted, and have no rows: there may be many
SELECT workflow.define($${"name": "join_loop_stops", "steps": [
  {"id": "l", "type": "loop", "collection": "${workflow.input.items}", "result": "counts", "on_failure": "ignore", "loop_body": [{"id": "x", "sql": "SELECT 1 / 0"}]},
  {"id": "p", "type": "loop", "execution_mode": "parallel", "max_parallelism": 1, "collection": "${workflow.input.items}", "result": "counts", "on_failure": "ignore", "loop_body": [{"id": "y", "sql": "SELECT 1 / 0"}]}]}$$) \gset
SELECT jsonb_build_object('items', jsonb_agg(i)) AS items FROM generate_series(1, 100000) AS i \gset
CALL test.go('join_loop_stops', :'items');
SELECT step_id, status, count(*), min(loop_collection_size) AS size, bool_and((output ->> 'total_count')::int = 100000) AS counted FROM workflow.step_executions WHERE execution_id = test.id() GROUP BY 1, 2 ORDER BY 1;

-- what a block and the loop around it came to is kept, also when the step behind them fails at once
SELECT workflow.define($${"name": "join_behind", "steps": [
  {"id": "l", "type": "loop", "result": "counts", "collection": [1, 2], "on_error": "continue", "loop_body": [
    {"id": "p", "type": "parallel", "parallel_steps": [{"id": "x", "sql": "SELECT 1"}, {"id": "y", "sql": "SELECT 1"}]}]},
  {"id": "end", "sql": "SELECT 1 / 0"}]}$$);
CALL test.go('join_behind');
SELECT scope, step_id, status FROM workflow.step_executions WHERE execution_id = test.id() AND step_type <> 'sql' ORDER BY scope;

-- what it has stopped is closed, also then
CREATE FUNCTION test.wait_for_step(id bigint, step text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM workflow.step_executions AS s WHERE s.execution_id = id AND s.step_id = step) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT workflow.define($${"name": "join_race", "steps": [
  {"id": "race", "type": "fork_join", "join_policy": "any", "on_join": "cancel", "branches": {
    "first": [{"id": "l", "type": "loop", "collection": [1], "loop_body": [{"id": "b", "sql": "SELECT 1 / 0",
      "retry": {"type": "fixed_delay", "errors": ["all"], "initial_delay_ms": 600000, "max_delay_ms": 600000}}]}],
    "second": [{"id": "q", "sql": "SELECT test.wait_for_step($1, 'b')", "params": ["${workflow.execution_id}"]}]}},
  {"id": "end", "sql": "SELECT 1 / 0"}]}$$);
SELECT set_config('test.id', workflow.start('join_race', parallel => true)::text, false) IS NOT NULL AS started;
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT scope, step_id, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope, step_id;

-- an iteration that failed has no output, whatever its last step was
SELECT workflow.define($${"name": "join_no_output", "steps": [
  {"id": "l", "type": "loop", "collection": [1, 2], "on_error": "continue", "result": "outputs", "loop_body": [
    {"id": "c", "type": "conditional", "condition": "true", "if_true_step": [{"id": "x", "sql": "SELECT 1 / (2 - $1::int)", "params": ["${loop.item}"], "result": "value"}]}]}]}$$);
CALL test.go('join_no_output');

--
-- Loops: over a collection, while, until; one after the other and at the same time
--
SET client_min_messages = warning;
CREATE VIEW test.loops AS
SELECT scope, step_id AS step, status, loop_collection_size AS size, loop_execution_mode AS mode, condition_expression AS expression,
       output, COALESCE(error_type || ': ', '') || (error ->> 'message') AS error
FROM workflow.step_executions WHERE execution_id = test.id() AND step_type = 'loop'
ORDER BY scope COLLATE "C", started_at;

-- the variables of a loop; body steps see each other and their own item
SELECT workflow.define($${"name": "loop_items", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "loop_body": ["a", "b"]}},
  {"id": "each2", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "execution_mode": "parallel", "result": "outputs", "loop_body": ["c", "d"]}},
  {"id": "a", "agent_name": "echo", "input_mapping": {"item": "${loop.item}", "index": "${loop.index}", "total": "${loop.total}", "first": "${loop.is_first}", "last": "${loop.is_last}"}},
  {"id": "b", "type": "set", "output": {"a": "${a.output}", "again": "${loop.item}"}},
  {"id": "c", "agent_name": "echo", "input_mapping": {"item": "${loop.item}", "index": "${loop.index}", "total": "${loop.total}", "first": "${loop.is_first}", "last": "${loop.is_last}"}},
  {"id": "d", "type": "sql", "sql": "SELECT input.a || jsonb_build_object('again', input.item)", "input_mapping": {"a": "${c.output}", "item": "${loop.item}"}, "result": "value"}]}$$) \gset
CALL test.go('loop_items', '{"items": ["x", {"y": 1}, null]}');
TABLE test.steps;
TABLE test.places;
-- an empty collection
CALL test.go('loop_items', '{"items": []}');
TABLE test.loops;
-- no array
CALL test.go('loop_items', '{"items": {"a": 1}}');
CALL test.go('loop_items', '{"items": "abc"}');
CALL test.go('loop_items', '{"items": null}');
CALL test.go('loop_items', '{}');
TABLE test.loops;

-- policies, in both modes: every third item fails
SELECT workflow.define(jsonb_build_object('name', format('loop_%s_%s', mode, policy), 'start_step', 'each', 'steps', jsonb_build_object(
  'each', jsonb_build_object('type', 'loop', 'next_step', 'after', 'loop_config', jsonb_build_object('collection', '${workflow.input.items}',
     'loop_body', '["call"]'::jsonb, 'execution_mode', mode, 'on_error', policy)),
  'call', '{"agent_name": "may-fail", "input_mapping": {"item": "${loop.item}", "fail": "${loop.item % 3 == 0}"}}'::jsonb,
  'after', '{"type": "set", "output": {"failed": "${each.output.failed_count}", "status": "${each.status}"}}'::jsonb)))
FROM (VALUES ('sequential'), ('parallel')) AS m (mode), (VALUES ('stop'), ('continue'), ('collect')) AS p (policy) \g /dev/null
CALL test.go('loop_sequential_stop', '{"items": [1, 2, 3, 4, 5, 6]}');
TABLE test.loops;
TABLE test.steps;
CALL test.go('loop_sequential_continue', '{"items": [1, 2, 3, 4]}');
SELECT output #- '{iterations,2,error,context}' AS output, error FROM test.loops;
SELECT error #- '{errors}' AS error, on_failure FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'each';
CALL test.go('loop_sequential_collect', '{"items": [1, 2, 3, 4, 5, 6]}');
SELECT output -> 'total_count' AS total, output -> 'completed_count' AS completed, output -> 'failed_count' AS failed, output -> 'skipped_count' AS skipped,
       jsonb_array_length(output -> 'iterations') AS iterations, error FROM test.loops;
-- at the same time: which ones have been begun when the first fails is a matter of luck
CALL test.go('loop_parallel_stop', '{"items": [3]}');
SELECT output #- '{iterations,0,error,context}' AS output, error FROM test.loops;
SELECT jsonb_build_object('items', jsonb_agg(i)) AS items FROM generate_series(1, 2000) AS i \gset
SELECT workflow.start('loop_parallel_stop', :'items') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '60 seconds');
SELECT l.output -> 'total_count' AS total, (l.output -> 'failed_count')::int BETWEEN 1 AND 8 AS few_failed, (l.output -> 'skipped_count')::int > 0 AS some_skipped,
       (l.output -> 'completed_count')::int + (l.output -> 'failed_count')::int + (l.output -> 'skipped_count')::int AS sum,
       jsonb_array_length(l.output -> 'iterations') = (SELECT count(*) FROM workflow.step_executions AS c WHERE c.execution_id = :id AND c.step_id = 'call') AS all_that_ran
FROM workflow.step_executions AS l WHERE execution_id = :id AND step_id = 'each';
CALL test.go('loop_parallel_continue', '{"items": [1, 2, 3, 4]}');
SELECT output #- '{iterations,2,error,context}' AS output, error FROM test.loops;
CALL test.go('loop_parallel_collect', '{"items": [1, 2, 3, 4, 5, 6]}');
SELECT output -> 'total_count' AS total, output -> 'completed_count' AS completed, output -> 'failed_count' AS failed, output -> 'skipped_count' AS skipped,
       jsonb_array_length(output -> 'iterations') AS iterations, error FROM test.loops;

-- order of results is order of items, whatever ends first
SELECT workflow.define($${"name": "loop_order", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "execution_mode": "parallel", "max_parallelism": 4, "result": "outputs", "loop_body": [
     {"id": "nap", "type": "sql", "sql": "SELECT input.i::int FROM pg_sleep(input.s::float)", "input_mapping": {"i": "${loop.index}", "s": "${loop.item}"}, "result": "value"}]}}]}$$) \gset
CALL test.go('loop_order', '{"items": [0.2, 0.001, 0.1, 0.001, 0.05, 0.001]}');

-- max_parallelism: never more at once than that
CREATE TABLE test.loop_running (began timestamptz, ended timestamptz);
SELECT workflow.define($${"name": "loop_at_once", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "max_parallelism": 3, "result": "counts", "loop_body": [
     {"id": "nap", "type": "sql", "result": "none", "sql": "WITH t AS MATERIALIZED (SELECT clock_timestamp() AS began), w AS MATERIALIZED (SELECT began, pg_sleep(0.003) FROM t) INSERT INTO test.loop_running SELECT began, clock_timestamp() FROM w"}]}}]}$$) \gset
SELECT jsonb_agg(i) AS items FROM generate_series(1, 60) AS i \gset
CALL test.go('loop_at_once', :'items');
SELECT count(*), max((SELECT count(*) FROM test.loop_running AS b WHERE b.began <= a.began AND b.ended > a.began)) <= 3 AS kept FROM test.loop_running AS a;

-- the three forms of results
SELECT workflow.define(jsonb_build_object('name', 'loop_result_' || result, 'steps', jsonb_build_array(
  jsonb_build_object('id', 'each', 'type', 'loop', 'loop_config', jsonb_build_object('collection', '${workflow.input.items}', 'result', result, 'on_error', 'continue',
     'loop_body', '[{"id": "call", "agent_name": "may-fail", "input_mapping": {"item": "${loop.item}", "fail": "${loop.item == 2}"}, "when": "${loop.item} != 3"}]'::jsonb)))))
FROM unnest('{iterations,outputs,counts}'::text[]) AS result \g /dev/null
CALL test.go('loop_result_iterations', '{"items": [1, 2, 3]}');
SELECT jsonb_pretty(output #- '{iterations,1,error,context}') AS output FROM test.loops;
CALL test.go('loop_result_outputs', '{"items": [1, 2, 3]}');
CALL test.go('loop_result_counts', '{"items": [1, 2, 3]}');

-- max_iterations takes the first
SELECT workflow.define($${"name": "loop_max", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "max_iterations": 2, "loop_body": [
     {"id": "a", "type": "set", "output": "${loop.item} of ${loop.total}, last: ${loop.is_last}"}], "result": "outputs"}}]}$$) \gset
CALL test.go('loop_max', '{"items": [1, 2, 3]}');
TABLE test.loops;
CALL test.go('loop_max', '{"items": [1]}');

-- loops in loops: loop.parent
SELECT workflow.define($${"name": "loop_parent", "steps": [
  {"id": "outer", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "execution_mode": "parallel", "result": "outputs", "loop_body": [
    {"id": "inner", "type": "loop", "loop_config": {"collection": "${loop.item.list}", "result": "outputs", "loop_body": [
      {"id": "innermost", "type": "loop", "loop_config": {"collection": "${loop.item}", "execution_mode": "parallel", "result": "outputs", "loop_body": [
        {"id": "a", "type": "set", "output": "${loop.item} ${loop.index}/${loop.parent.index}/${loop.parent.parent.index} ${loop.parent.parent.item.name} of ${loop.parent.total}"}]}}]}}]}}]}$$) \gset
CALL test.go('loop_parent', '{"items": [{"name": "one", "list": [[1, 2], [3]]}, {"name": "two", "list": [[], [4]]}]}');
SELECT scope, step, i, size, parent FROM test.places WHERE step IN ('inner', 'innermost') OR parent = 'innermost';

-- while and until, over variables
SELECT workflow.define($${"name": "loop_while", "steps": [
  {"id": "init", "type": "set", "assign": {"n": "${workflow.input.n}"}},
  {"id": "down", "type": "loop", "loop_config": {"while": "${vars.n} > 0", "result": "outputs", "loop_body": [
     {"id": "dec", "type": "set", "assign": {"n": "${vars.n - 1}"}, "output": ["${loop.index}", "${vars.n}", "${loop.is_first}"]}]}},
  {"id": "up", "type": "loop", "loop_config": {"until": "${inc.output} >= 2", "result": "outputs", "loop_body": [
     {"id": "inc", "type": "set", "assign": {"n": "${vars.n + 1}"}, "output": "${vars.n}"}]}},
  {"id": "after", "type": "set", "output": {"down": "${down.output}", "up": "${up.output}", "n": "${vars.n}"}}]}$$) \gset
CALL test.go('loop_while', '{"n": 3}');
TABLE test.loops;
CALL test.go('loop_while', '{"n": 0}');
-- a condition that cannot be evaluated is false: while ends, until goes on to its limit
SELECT workflow.define($${"name": "loop_condition_error", "steps": [
  {"id": "w", "type": "loop", "loop_config": {"while": "${workflow.input.n} + 1 > 0", "loop_body": [{"id": "a", "type": "set", "output": 1}]}},
  {"id": "u", "type": "loop", "on_failure": "ignore", "loop_config": {"until": "${workflow.input.n} + 1 > 0", "max_iterations": 2, "loop_body": [{"id": "b", "type": "set", "output": 1}]}},
  {"id": "after", "type": "set", "output": {"w": "${w.status}", "u": "${u.status}"}}]}$$) \gset
CALL test.go('loop_condition_error', '{"n": "one"}');
TABLE test.loops;
SELECT error ->> 'detail' AS detail FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'u';
-- conditions in SQL
CREATE TABLE test.loop_queue (n int PRIMARY KEY);
INSERT INTO test.loop_queue SELECT generate_series(1, 5);
SELECT workflow.define($${"name": "loop_sql", "steps": [
  {"id": "w", "type": "loop", "loop_config": {"while": {"sql": "SELECT count(*) > 2 FROM test.loop_queue"}, "result": "outputs", "loop_body": [
     {"id": "a", "type": "sql", "result": "value", "sql": "DELETE FROM test.loop_queue WHERE n = (SELECT min(n) FROM test.loop_queue) RETURNING n"}]}},
  {"id": "u", "type": "loop", "loop_config": {"until": {"sql": "SELECT NOT EXISTS (SELECT FROM test.loop_queue)"}, "result": "outputs", "loop_body": [
     {"id": "b", "type": "sql", "result": "value", "sql": "DELETE FROM test.loop_queue WHERE n = (SELECT min(n) FROM test.loop_queue) RETURNING n"}]}},
  {"id": "e", "type": "loop", "loop_config": {"while": {"sql": "SELECT 1 / 0 = 1"}, "loop_body": [{"id": "c", "type": "set", "output": 1}]}},
  {"id": "after", "type": "set", "output": ["${w.output}", "${u.output}", "${e.output}"]}]}$$) \gset
CALL test.go('loop_sql');
TABLE test.loops;
-- no end: the limit ends it, what was done is kept
SELECT workflow.define($${"name": "loop_limit", "steps": [
  {"id": "w", "type": "loop", "loop_config": {"while": "true", "max_iterations": 3, "result": "outputs", "loop_body": [{"id": "a", "type": "set", "output": "${loop.index}"}]}}]}$$) \gset
CALL test.go('loop_limit');
TABLE test.loops;
SELECT workflow.define($${"name": "loop_default_limit", "steps": [
  {"id": "w", "type": "loop", "loop_config": {"while": "true", "result": "counts", "loop_body": [{"id": "a", "type": "set", "output": 1}]}}]}$$) \gset
CALL test.go('loop_default_limit');
TABLE test.loops;

-- policies of while loops
SELECT workflow.define($${"name": "loop_while_errors", "steps": [
  {"id": "init", "type": "set", "assign": {"n": 0}},
  {"id": "w", "type": "loop", "loop_config": {"while": "${vars.n} < 4", "on_error": "continue", "result": "outputs", "loop_body": [
     {"id": "inc", "type": "set", "assign": {"n": "${vars.n + 1}"}}, {"id": "div", "type": "sql", "sql": "SELECT 6 / ($1 - 2)", "params": ["${vars.n}"], "result": "value"}]}},
  {"id": "w2", "type": "loop", "loop_config": {"while": "true", "result": "outputs", "loop_body": [
     {"id": "div2", "type": "sql", "sql": "SELECT 6 / (2 - $1)", "params": ["${loop.index}"], "result": "value"}]}}]}$$) \gset
CALL test.go('loop_while_errors');
TABLE test.loops;

-- on_failure, when and output of the loop
SELECT workflow.define($${"name": "loop_common", "steps": [
  {"id": "a", "type": "loop", "on_failure": {"default": []}, "loop_config": {"collection": "${workflow.input}", "loop_body": [{"id": "a1", "type": "sql", "sql": "SELECT 1 / 0"}]}},
  {"id": "b", "type": "loop", "when": "len(${a.output}) > 0", "loop_config": {"collection": "${workflow.input}", "loop_body": [{"id": "b1", "type": "set", "output": 1}]}},
  {"id": "c", "type": "loop", "output": "${c.output.completed_count} of ${c.output.total_count}", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "loop_body": [{"id": "c1", "type": "set", "output": 1}]}},
  {"id": "d", "type": "loop", "on_failure": "ignore", "loop_config": {"collection": "${workflow.input[0]}", "loop_body": [{"id": "d1", "type": "set", "output": 1}]}},
  {"id": "after", "type": "set", "output": {"a": "${a.output}", "b": "${b.status}", "c": "${c.output}", "d": "${d.error.message}"}}]}$$) \gset
CALL test.go('loop_common', '[1, 2]');
TABLE test.loops;

-- a thousand iterations of bookkeeping only, and one of SQL; both modes
SELECT workflow.define($${"name": "loop_long", "steps": [
  {"id": "init", "type": "set", "assign": {"sum": 0}},
  {"id": "s", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "result": "counts", "loop_body": [
     {"id": "add", "type": "set", "assign": {"sum": "${vars.sum + loop.item}"}}]}},
  {"id": "p", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "result": "outputs", "execution_mode": "parallel", "loop_body": [
     {"id": "square", "type": "sql", "sql": "SELECT $1::int * $1::int", "params": ["${loop.item}"], "result": "value"}]}},
  {"id": "after", "type": "sql", "result": "row", "sql": "SELECT $1::int AS sum, (SELECT sum(v::int) FROM jsonb_array_elements($2) AS v) AS squares", "params": ["${vars.sum}", "${p.output}"]}]}$$) \gset
SELECT jsonb_build_object('items', jsonb_agg(i)) AS items FROM generate_series(1, 1000) AS i \gset
CALL test.go('loop_long', :'items');
SELECT step_id, status, count(*), count(DISTINCT scope) AS scopes, min(loop_iteration_index), max(loop_iteration_index)
FROM workflow.step_executions WHERE execution_id = test.id() AND loop_iteration_index IS NOT NULL GROUP BY 1, 2 ORDER BY 1;

-- results over workflow.max_result_size: a clear error, the rows are there
SELECT workflow.define(jsonb_build_object('name', 'loop_large_' || result, 'steps', jsonb_build_array(
  jsonb_build_object('id', 'each', 'type', 'loop', 'loop_config', jsonb_build_object('collection', '${workflow.input.items}', 'result', result,
     'loop_body', '[{"id": "big", "type": "sql", "result": "value", "sql": "SELECT repeat(md5(random()::text), 150000)"}]'::jsonb)))))
FROM unnest('{iterations,outputs,counts}'::text[]) AS result \g /dev/null
SHOW workflow.max_result_size;
SELECT '{"items": [1, 2, 3, 4, 5]}' AS items \gset
CALL test.go('loop_large_iterations', :'items');
TABLE test.loops;
CALL test.go('loop_large_outputs', :'items');
TABLE test.loops;
CALL test.go('loop_large_counts', :'items');
SELECT status, count(*) FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'big' GROUP BY 1;

-- also when so much could not even be put together: what is stored compressed, and
-- errors, count in full
SELECT workflow.define($$ {"name": "loop_compressed", "steps": [{"id": "each", "type": "loop", "loop_config": {
  "collection": "${workflow.input.items}", "result": "outputs", "execution_mode": "parallel", "loop_body": [
    {"id": "big", "type": "sql", "result": "value", "sql": "SELECT repeat('x', 80000)"}]}}]} $$);
SELECT jsonb_build_object('items', jsonb_agg(i)) AS items FROM generate_series(1, 3500) AS i \gset
CALL test.go('loop_compressed', :'items');
SELECT workflow.define($$ {"name": "loop_long_errors", "steps": [{"id": "each", "type": "loop", "loop_config": {
  "collection": "${workflow.input.items}", "on_error": "continue", "loop_body": [
    {"id": "big", "type": "sql", "sql": "DO 'BEGIN RAISE ''%'', repeat(''x'', 100000); END'"}]}}]} $$);
SELECT jsonb_build_object('items', jsonb_agg(i)) AS items FROM generate_series(1, 300) AS i \gset
CALL test.go('loop_long_errors', :'items');

-- own statements are not compiled, however expensive they look; a step's SQL is, as elsewhere
SELECT workflow.define($${"name": "loop_compiled", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": [1, 2], "loop_body": ["s"]}},
  {"id": "s", "type": "conditional", "condition": "${workflow.input.sql}", "if_true_step": {"id": "q", "type": "sql", "sql": "SELECT count(*) FROM pg_class"}}]}$$) \gset
-- what is compiled is dumped into files
CREATE FUNCTION test.compiled() RETURNS boolean LANGUAGE sql SET jit = off RETURN EXISTS (SELECT FROM pg_ls_dir('.') AS f WHERE f LIKE pg_backend_pid() || '.%.bc');
SET jit_dump_bitcode = on;
SET jit_above_cost = 1;
SELECT workflow.execute('loop_compiled', '{"sql": false}') IS NOT NULL AS done;
SELECT test.compiled();
SELECT workflow.execute('loop_compiled', '{"sql": true}') IS NOT NULL AS done;
SELECT test.compiled() = pg_jit_available() AS as_elsewhere;
RESET jit_above_cost;
RESET jit_dump_bitcode;

TABLE test.wrong;

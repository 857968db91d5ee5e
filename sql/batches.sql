--
-- Several steps in one transaction: "commit" of a definition, "batch_size" of a loop
--
SET client_min_messages = warning;

CREATE TABLE test.batched (n int, at bigint GENERATED ALWAYS AS IDENTITY);
CREATE TABLE test.batched_once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
GRANT ALL ON test.batched, test.batched_once TO PUBLIC;

-- a chain: one transaction; what fails is rolled back and recorded alone
SELECT workflow.define($${"name": "batch_chain", "commit": {"max_steps": 50, "max_ms": 60000}, "steps": [
  {"id": "a", "type": "sql", "sql": "INSERT INTO test.batched VALUES (1)"},
  {"id": "b", "type": "sql", "sql": "INSERT INTO test.batched VALUES (2)"},
  {"id": "c", "type": "sql", "sql": "INSERT INTO test.batched VALUES (3); SELECT 1/0", "on_failure": "ignore"},
  {"id": "d", "type": "set", "output": "${b.output.row_count}"},
  {"id": "e", "type": "sql", "sql": "SELECT count(*) FROM test.batched", "result": "value"}]}$$) \gset
SELECT workflow.explain('batch_chain');
CALL test.go('batch_chain');
SELECT step_id, status, on_failure, error_type FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY completed_at;
SELECT count(DISTINCT s.xmin::text) AS transactions, bool_and(s.xmin = e.xmin) AS with_its_end
FROM workflow.step_executions AS s JOIN workflow.executions AS e ON e.id = s.execution_id WHERE e.id = test.id();
TABLE test.batched ORDER BY at;

-- no more than max_steps
SELECT workflow.define($${"name": "batch_limit", "commit": {"max_steps": 2, "max_ms": 60000}, "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1"}, {"id": "b", "type": "sql", "sql": "SELECT 1"}, {"id": "c", "type": "sql", "sql": "SELECT 1"},
  {"id": "d", "type": "sql", "sql": "SELECT 1"}, {"id": "e", "type": "sql", "sql": "SELECT 1"}]}$$) \gset
CALL test.go('batch_limit');
SELECT string_agg(step_id, ' ' ORDER BY completed_at) AS together FROM workflow.step_executions
WHERE execution_id = test.id() GROUP BY xmin::text ORDER BY min(completed_at);
-- nor longer than max_ms
SELECT workflow.define($${"name": "batch_age", "commit": {"max_steps": 50, "max_ms": 50}, "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT pg_sleep(0.1)"}, {"id": "b", "type": "sql", "sql": "SELECT pg_sleep(0.1)"}]}$$) \gset
CALL test.go('batch_age');
SELECT count(DISTINCT xmin::text) AS transactions FROM workflow.step_executions WHERE execution_id = test.id();

-- iterations of a loop, one after the other and side by side
TRUNCATE test.batched;
SELECT workflow.define(jsonb_build_object('name', 'batch_loop_' || mode, 'steps', jsonb_build_array(jsonb_build_object('id', 'items', 'type', 'loop',
  'loop_config', jsonb_build_object('collection', '${workflow.input.items}', 'execution_mode', mode, 'batch_size', 10, 'result', 'counts', 'max_parallelism', 1,
    'loop_body', '[{"id": "a", "type": "sql", "sql": "INSERT INTO test.batched VALUES (input.n)", "input_mapping": {"n": "${loop.item}"}},
                   {"id": "b", "type": "sql", "sql": "SELECT 1"}]'::jsonb)))))
FROM unnest('{sequential,parallel}'::text[]) AS mode;
SELECT jsonb_build_object('items', jsonb_agg(i)) AS items FROM generate_series(1, 35) AS i \gset
CALL test.go('batch_loop_sequential', :'items');
SELECT count(DISTINCT xmin::text) < 70 AS shared, count(DISTINCT scope) AS scopes, count(*) FROM workflow.step_executions WHERE execution_id = test.id() AND step_type = 'sql';
CALL test.go('batch_loop_parallel', :'items');
SELECT count(DISTINCT xmin::text) < 70 AS shared, count(DISTINCT scope) AS scopes, count(*) FROM workflow.step_executions WHERE execution_id = test.id() AND step_type = 'sql';
SELECT count(*), count(DISTINCT n) FROM test.batched;

-- executions
TRUNCATE test.batched;
SELECT workflow.define($${"name": "batch_one", "commit": {"max_steps": 50, "max_ms": 60000}, "steps": [
  {"id": "a", "type": "sql", "sql": "INSERT INTO test.batched VALUES (input.n) RETURNING 100 / (input.n % 10)", "result": "value", "input_mapping": {"n": "${workflow.input.n}"}}]}$$) \gset
CREATE TABLE test.batch_ids AS SELECT workflow.start('batch_one', jsonb_build_object('n', n)) AS id FROM generate_series(1, 400) AS n;
SELECT w.status, count(*) FROM (SELECT id FROM test.batch_ids OFFSET 0) AS i, workflow.wait(i.id, '60 seconds') AS w GROUP BY 1 ORDER BY 1;
SELECT count(*), count(DISTINCT n) FROM test.batched;
SELECT count(DISTINCT e.xmin::text) < 400 AS shared FROM workflow.executions AS e JOIN test.batch_ids USING (id);

-- the transaction fails at its commit: each is tried alone, the guilty one fails
TRUNCATE test.batched;
SELECT workflow.define($${"name": "batch_commit", "steps": [{"id": "items", "type": "loop", "loop_config": {
  "collection": [1, 2, 3, 4, 4, 5, 6], "batch_size": 50, "on_error": "continue", "result": "counts", "loop_body": [
    {"id": "a", "type": "sql", "sql": "INSERT INTO test.batched_once VALUES (input.n); INSERT INTO test.batched VALUES (input.n)", "input_mapping": {"n": "${loop.item}"}}]}}]}$$) \gset
CALL test.go('batch_commit');
SELECT loop_iteration_index, status, error_type FROM workflow.step_executions WHERE execution_id = test.id() AND status = 'failed';
SELECT n, count(*) FROM test.batched GROUP BY n ORDER BY n;
-- also where several executions share it
TRUNCATE test.batched, test.batched_once, test.batch_ids;
SELECT workflow.define($${"name": "batch_commit_one", "commit": {"max_steps": 50, "max_ms": 60000}, "steps": [
  {"id": "a", "type": "sql", "sql": "INSERT INTO test.batched_once VALUES (input.n / 2); INSERT INTO test.batched VALUES (input.n / 2)", "input_mapping": {"n": "${workflow.input.n}"}}]}$$) \gset
INSERT INTO test.batch_ids SELECT workflow.start('batch_commit_one', jsonb_build_object('n', n)) FROM generate_series(1, 200) AS n;
SELECT w.status, count(*) FROM (SELECT id FROM test.batch_ids OFFSET 0) AS i, workflow.wait(i.id, '60 seconds') AS w GROUP BY 1 ORDER BY 1;
SELECT count(*), count(DISTINCT n) FROM test.batched;

-- retries, time limits and temporary tables are each step's own; locks stay until the commit
SELECT workflow.define($${"name": "batch_mixed", "commit": {"max_steps": 50, "max_ms": 60000}, "steps": [
  {"id": "temporary", "type": "sql", "sql": "CREATE TEMP TABLE batch_temporary (n int)"},
  {"id": "again", "type": "sql", "sql": "CREATE TEMP TABLE batch_temporary (n int)"},
  {"id": "lock", "type": "sql", "sql": "SELECT pg_advisory_xact_lock(77), pg_advisory_lock(78)"},
  {"id": "locks", "type": "sql", "sql": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "result": "value"},
  {"id": "slow", "type": "sql", "sql": "SELECT pg_sleep(60)", "timeout_seconds": 1, "on_failure": "ignore"},
  {"id": "retried", "type": "sql", "sql": "SELECT 1/0", "retry": {"max_retries": 1, "type": "immediate"}, "on_failure": {"default": "gave up"}},
  {"id": "outside", "type": "sql", "sql": "SELECT 1", "transaction": "none"},
  {"id": "end", "type": "set", "output": {"locks": "${locks.output}", "retried": "${retried.output}"}}]}$$) \gset
CALL test.go('batch_mixed');
SELECT step_id, attempt, status, on_failure, error_type FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY completed_at;

-- mistakes
SELECT path, message FROM workflow.validate('{"name": "x", "commit": {"max_steps": 51}, "steps": [{"id": "a", "sql": "SELECT 1"}]}');
SELECT path, message FROM workflow.validate('{"name": "x", "commit": {"max_ms": 0, "steps": 5}, "steps": [{"id": "a", "sql": "SELECT 1"}]}');
DROP TABLE test.batched, test.batched_once, test.batch_ids;

TABLE test.wrong;

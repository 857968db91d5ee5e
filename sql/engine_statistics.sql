--
-- What the engine's processes count, and where their time went
--
SET client_min_messages = warning;

-- counted right behind the commit: who has seen that may have to wait for this
CREATE PROCEDURE test.count_until(condition text) LANGUAGE plpgsql AS $$
DECLARE
    met boolean;
BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXECUTE 'SELECT ' || condition || ' FROM workflow.engine_statistics WHERE database = current_database()' INTO met;
        EXIT WHEN met;
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
    IF NOT met THEN RAISE 'not counted: %', condition; END IF;
END $$;
CREATE PROCEDURE test.idle() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM workflow.executors WHERE database = current_database() AND state NOT IN ('idle', 'draining'));
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
END $$;
-- what has been counted, without zeros
CREATE VIEW test.counted AS
SELECT jsonb_object_agg(c.key, c.value) AS counted
FROM workflow.engine_statistics AS s,
     jsonb_each(to_jsonb(s) - '{database,wal_bytes,stats_reset,executors_started}'::text[]) AS c
WHERE s.database = current_database() AND c.key !~ '_time$' AND c.value <> '0';
CALL test.idle();

-- a chain: each attempt is a step, each has its commit; what fails is rolled back and recorded
SELECT workflow.define($${"name": "counted", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1", "result": "value"},
  {"id": "b", "type": "sql", "sql": "SELECT 1/0", "retry": {"max_retries": 2, "type": "immediate"}, "on_failure": "ignore"},
  {"id": "c", "type": "set", "output": "${a.output}"},
  {"id": "d", "type": "sql", "sql": "SELECT pg_sleep(0.05)"}]}$$) \gset
SELECT workflow.reset_engine_statistics();
TABLE test.counted;
CALL test.go('counted');
CALL test.count_until('executions_completed = 1');
TABLE test.counted;
SELECT sql_time BETWEEN 50 AND 60000 AS sql, bookkeeping_time > 0 AS bookkeeping, commit_time > 0 AS commit, wait_time > 0 AS waited,
       queue_time > 0 AS queued, scheduler_time > 0 AS scheduler, wal_bytes > 0 AS wal, stats_reset BETWEEN now() - interval '1 minute' AND now() AS since
FROM workflow.engine_statistics WHERE database = current_database();

-- several of them
SELECT workflow.reset_engine_statistics();
SELECT count(workflow.start('counted')) FROM generate_series(1, 20);
CALL test.count_until('executions_completed = 20');
TABLE test.counted;

-- how executions end
SELECT workflow.define('{"name": "counted_fails", "steps": [{"id": "a", "sql": "SELECT 1/0"}]}');
SELECT workflow.define('{"name": "counted_timeout", "timeout_seconds": 1, "steps": [{"id": "a", "sql": "SELECT pg_sleep(60)"}]}');
SELECT workflow.define('{"name": "counted_endless", "steps": [{"id": "a", "sql": "SELECT pg_sleep(60)"}]}');
SELECT workflow.define('{"name": "counted_undone", "steps": [{"id": "a", "sql": "SELECT 1", "compensate": {"sql": "SELECT 2"}}, {"id": "b", "type": "fail"}]}');
-- with a limit that its step gets to
CALL test.go_late('{a timed_out}', 'counted_timeout') \gset
SELECT workflow.reset_engine_statistics();
CALL test.go('counted_fails');
CALL test.go('counted_timeout');
CALL test.go('counted_undone');
CALL test.count_until('executions_failed = 2');
TABLE test.counted;
SELECT workflow.reset_engine_statistics();
SELECT workflow.start('counted_endless') AS id \gset
SELECT test.running(:id);
SELECT workflow.cancel(:id);
SELECT status FROM workflow.wait(:id, '60 seconds');
CALL test.count_until('executions_cancelled = 1 AND rollbacks = 1');
TABLE test.counted;

-- relaxed: only the end waits for the disk
SELECT workflow.define('{"name": "counted_relaxed", "durability": "relaxed", "steps": [
  {"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 2"}, {"id": "c", "sql": "SELECT 3"}]}');
SELECT workflow.reset_engine_statistics();
CALL test.go('counted_relaxed');
CALL test.count_until('executions_completed = 1');
TABLE test.counted;

-- batched commits; a step that fails in one is no transaction that is rolled back
SELECT workflow.define('{"name": "counted_batch", "commit": {"max_steps": 50, "max_ms": 60000}, "steps": [
  {"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 1/0", "on_failure": "ignore"}, {"id": "c", "sql": "SELECT 3"}]}');
SELECT workflow.reset_engine_statistics();
CALL test.go('counted_batch');
CALL test.count_until('executions_completed = 1');
TABLE test.counted;
-- a batch that is lost and done again step by step is counted once
CREATE TABLE test.counted_once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
GRANT ALL ON test.counted_once TO PUBLIC;
SELECT workflow.define('{"name": "counted_lost", "steps": [{"id": "items", "type": "loop", "loop_config": {
  "collection": [1, 2, 2, 3], "batch_size": 50, "on_error": "continue", "result": "counts", "loop_body": [
    {"id": "a", "sql": "INSERT INTO test.counted_once VALUES (input.n)", "input_mapping": {"n": "${loop.item}"}}]}}]}');
SELECT workflow.reset_engine_statistics();
CALL test.go('counted_lost');
CALL test.count_until('executions_completed = 1');
TABLE test.counted;

-- execute() is the session's own work; in a step it is part of that
SELECT workflow.define('{"name": "counted_inline", "steps": [{"id": "a", "sql": "SELECT workflow.execute(''counted_batch'')"}]}');
SELECT workflow.reset_engine_statistics();
SELECT workflow.execute('counted_batch') IS NOT NULL AS executed;
CALL test.go('counted_inline');
CALL test.count_until('executions_completed = 1');
TABLE test.counted;

-- for Prometheus: counters, times in seconds
SELECT m.name, m.labels, m.value FROM workflow.metrics AS m WHERE m.name IN ('workflow_engine_steps_total', 'workflow_engine_commits_total');
SELECT m.name, m.labels ->> 'activity' AS activity, m.value = round(m.value, 6) AND m.value BETWEEN 0 AND 3600 AS seconds
FROM workflow.metrics AS m WHERE m.name ~ 'seconds_total$' AND m.labels ->> 'activity' IS DISTINCT FROM 'idle' ORDER BY 1, 2;

-- who may
CREATE ROLE counted_user;
CREATE ROLE counted_monitor IN ROLE pg_monitor;
SET ROLE counted_user;
SELECT count(*) FROM workflow.engine_statistics;
RESET ROLE;
SELECT workflow.grant_usage('counted_user');
SET ROLE counted_user;
SELECT count(*) > 0 AS sees FROM workflow.engine_statistics;
SELECT workflow.reset_engine_statistics();
SET ROLE counted_monitor;
SELECT count(*) > 0 AS sees FROM workflow.engine_statistics;
SELECT workflow.reset_engine_statistics();
RESET ROLE;
GRANT EXECUTE ON FUNCTION workflow.reset_engine_statistics() TO counted_user;
SET ROLE counted_user;
SELECT workflow.reset_engine_statistics();
RESET ROLE;
TABLE test.counted;
-- at once, like pg_stat_reset()
CALL test.go('counted_relaxed');
CALL test.count_until('executions_completed = 1');
BEGIN;
SELECT workflow.reset_engine_statistics();
ROLLBACK;
TABLE test.counted;
REVOKE EXECUTE ON FUNCTION workflow.reset_engine_statistics() FROM counted_user;
SELECT workflow.revoke_usage('counted_user');
DROP ROLE counted_user, counted_monitor;
DROP TABLE test.counted_once;

--
-- Statistics by day: rolled up once, kept when what they are made of is pruned
--
SET client_min_messages = warning;

-- times as counts
SELECT workflow.histogram_bound('0'), workflow.histogram_bound('0.99 ms'), workflow.histogram_bound('1 ms'), workflow.histogram_bound('1.4 s'),
       workflow.histogram_bound('1.5 s'), workflow.histogram_bound('1 hour'), workflow.histogram_bound('1 year'), workflow.histogram_bound('-1 s');
SELECT workflow.add_histograms('{"1": 2, "5": 1}', '{"1": 3, "7": 4}'), workflow.add_histograms('{}', '{}');
SELECT p, workflow.histogram_percentile('{"1": 50, "10": 49, "0.5": 900, "Infinity": 1}', p) FROM unnest('{0,0.5,0.9,0.91,0.999,1}'::numeric[]) AS p;
SELECT workflow.histogram_percentile('{}', 0.5);
SELECT workflow.merge_histograms(h) FROM (VALUES ('{"1": 2}'::jsonb), (NULL), ('{"1": 1, "2": 5}')) AS v (h);

SELECT workflow.register_agent('rolled_agent', sql => 'SELECT 1 / (input.d)::integer', circuit_breaker => '{"enabled": false}');
SELECT workflow.define('{"name": "rolled", "steps": [
  {"id": "first", "type": "sql", "sql": "SELECT 1"},
  {"id": "off", "type": "sql", "sql": "SELECT 1", "when": "false"},
  {"id": "call", "type": "agent", "agent_name": "rolled_agent", "retry": {"max_retries": 1, "type": "immediate"}, "input_mapping": {"d": "${workflow.input.d}"}},
  {"id": "last", "type": "sql", "sql": "SELECT 1"}]}');
CREATE TABLE test.rolled AS
SELECT workflow.start('rolled', jsonb_build_object('d', d % 4), tenant => CASE WHEN d <= 8 THEN 'rolled_tenant' END) AS id FROM generate_series(1, 12) AS d;
INSERT INTO test.rolled SELECT workflow.start('rolled', start_at => 'infinity') RETURNING id AS cancelled \gset
SELECT workflow.cancel(:cancelled);
SELECT w.status, count(*) FROM (SELECT id FROM test.rolled OFFSET 0) AS r, LATERAL workflow.wait(r.id, '60 s') AS w GROUP BY 1 ORDER BY 1;
CREATE VIEW test.history AS
SELECT kind, name, sum(total) AS total, sum(completed) AS completed, sum(failed) AS failed, sum(timed_out) AS timed_out, sum(cancelled) AS cancelled,
       sum(retries) AS retries, sum(trips) AS trips
FROM workflow.statistics_history WHERE workflow = 'rolled' OR name IN ('rolled_agent', 'rolled_tenant') GROUP BY kind, name;
CREATE PROCEDURE test.roll_up() LANGUAGE plpgsql AS $$
DECLARE
    till timestamptz := clock_timestamp();
BEGIN
    FOR i IN 1 .. 3000 LOOP
        PERFORM workflow.roll_up_statistics();
        EXIT WHEN (SELECT rolled_up_until >= till FROM workflow.statistics_state);
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;

-- rolled back, rolled up, rolled up again
SELECT count(*) FROM test.history;
BEGIN;
SELECT workflow.roll_up_statistics() > 0 AS some;
ROLLBACK;
SELECT count(*) FROM test.history;
CALL test.roll_up();
SELECT * FROM test.history ORDER BY kind, name;
SELECT workflow.roll_up_statistics() >= 0 AS again;
CALL test.roll_up();
-- the same as what is worked out from the rows
SELECT h.kind, h.name, (h.total, h.completed, h.failed, h.timed_out, h.cancelled, h.retries, h.trips)
           IS NOT DISTINCT FROM (s.total, s.completed, s.failed, s.timed_out, s.cancelled, s.retries, s.trips) AS same
FROM test.history AS h LEFT JOIN workflow.statistics AS s ON s.kind = h.kind AND s.name = h.name AND s.workflow IS NOT DISTINCT FROM
     CASE WHEN h.kind IN ('workflow', 'step') THEN 'rolled' END ORDER BY h.kind, h.name;
SELECT h.kind, h.name, h.success_rate, h.run_average <= h.run_max AND s.run_average - h.run_average BETWEEN '-1 ms' AND '1 ms' AS average,
       h.run_max >= s.run_p99 AS max, h.run_p50 <= h.run_p95 AND h.run_p95 <= h.run_p99 AND h.run_p99 <= h.run_max AS ordered, h.queue_average IS NOT NULL AS queued
FROM workflow.statistics_history AS h JOIN workflow.statistics AS s USING (kind, name)
WHERE h.workflow = 'rolled' AND s.workflow = 'rolled' AND h.day = (now() AT TIME ZONE 'UTC')::date ORDER BY kind, name;
-- percentiles are bounds: no less than the true ones, and at most two thirds more
SELECT h.run_p50 BETWEEN e.run_p50 AND GREATEST(e.run_p50 * 1.67, '1 ms') AS run_p50, h.run_p95 BETWEEN e.run_p95 AND GREATEST(e.run_p95 * 1.67, '1 ms') AS run_p95,
       h.queue_p50 BETWEEN e.queue_p50 AND GREATEST(e.queue_p50 * 1.67, '1 ms') AS queue_p50
FROM workflow.statistics_history AS h,
     (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY duration) AS run_p50, percentile_disc(0.95) WITHIN GROUP (ORDER BY duration) AS run_p95,
             percentile_disc(0.5) WITHIN GROUP (ORDER BY queued) AS queue_p50
      FROM workflow.execution_status WHERE workflow = 'rolled') AS e
WHERE h.kind = 'workflow' AND h.name = 'rolled';

-- from here on all tables are published, which changes nothing: whatever we change has a replica identity
SET client_min_messages = error;
CREATE PUBLICATION rolled FOR ALL TABLES;
SET client_min_messages = warning;

-- retried: what is done again is added, what was there is not
SELECT id AS failed FROM test.rolled JOIN workflow.executions USING (id) WHERE status = 'failed' ORDER BY id LIMIT 1 \gset
SELECT workflow.register_agent('rolled_agent', sql => 'SELECT 1', circuit_breaker => '{"enabled": false}');
SELECT workflow.retry(:failed);
SELECT status FROM workflow.wait(:failed, '60 s');
CALL test.roll_up();
SELECT * FROM test.history ORDER BY kind, name;

-- pruned: deleted when added, and not before; nothing is lost or added twice
SELECT workflow.start('rolled', '{"d": 1}') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
CREATE PROCEDURE test.prune() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        PERFORM workflow.prune('0', max_executions => 1000);
        EXIT WHEN NOT EXISTS (SELECT FROM workflow.executions WHERE workflow = 'rolled');
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
CALL test.prune();
SELECT count(*) FROM workflow.executions WHERE workflow = 'rolled';
SELECT * FROM test.history ORDER BY kind, name;
SELECT action, subject = current_database() AS here, (before ->> 'executions')::integer BETWEEN 1 AND 1000 AS portion FROM workflow.audit_log WHERE action = 'prune' ORDER BY id DESC LIMIT 1;

-- the audit log and the statistics have ages of their own; null keeps all
INSERT INTO workflow.audit_entries (at, action, subject_type, subject, role, session_role, pid)
SELECT now() - i * interval '100 days', 'regress', 'nothing', i, current_user::regrole, current_user::regrole, 0 FROM generate_series(1, 8) AS i;
DELETE FROM workflow.statistics_days WHERE day < (now() AT TIME ZONE 'UTC')::date;
INSERT INTO workflow.statistics_days (day, kind, name, role, total, completed, failed, timed_out, cancelled, stuck, retries, queue_times, run_times)
SELECT current_date - i * 365, 'tenant', 'regress', current_user::regrole, 1, 1, 0, 0, 0, 0, 0, '{}', '{}' FROM generate_series(1, 12) AS i;
SELECT workflow.prune(audit_older_than => NULL, statistics_older_than => NULL);
SELECT workflow.prune();
SELECT subject FROM workflow.audit_log WHERE action = 'regress' ORDER BY subject::integer;
SELECT count(*), min(day) > current_date - interval '10 years' AS min FROM workflow.statistics_days WHERE name = 'regress';
SELECT workflow.prune(audit_older_than => '150 days', max_executions => 1), workflow.prune(audit_older_than => '150 days', statistics_older_than => '500 days', max_executions => 3);
SELECT string_agg(subject, ',' ORDER BY subject) FROM workflow.audit_log WHERE action = 'regress';
SELECT workflow.prune(statistics_older_than => '0');
SELECT count(*) FROM workflow.statistics_days WHERE name = 'regress';
SELECT before ->> 'audit_log' AS audit_log, before ->> 'statistics' AS statistics FROM workflow.audit_log WHERE action = 'prune' ORDER BY id DESC LIMIT 4;

DROP PUBLICATION rolled;

-- mistakes, and who may
SELECT workflow.roll_up_statistics(0);
SELECT workflow.prune(NULL);
SELECT workflow.prune(statuses => NULL);
SELECT workflow.prune(max_executions => NULL);
SELECT workflow.prune(max_executions => 0);
SELECT workflow.prune(audit_older_than => '-1 day');
SELECT workflow.prune(statistics_older_than => '-1 day');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT workflow.roll_up_statistics();
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT workflow.prune();
ROLLBACK;
CREATE ROLE regress_statistics_alice;
CREATE ROLE regress_statistics_watcher IN ROLE pg_monitor;
SELECT workflow.grant_usage('regress_statistics_alice');
SET ROLE regress_statistics_alice;
SELECT workflow.roll_up_statistics();
SELECT count(*) FROM workflow.statistics_history;
SELECT count(*) FROM workflow.statistics_days;
SET ROLE regress_statistics_watcher;
SELECT count(*) > 0 AS history FROM workflow.statistics_history WHERE run_p95 <= run_max;
SELECT count(*) > 0 AS days FROM workflow.statistics_days;
RESET ROLE;
SELECT workflow.revoke_usage('regress_statistics_alice');
DROP ROLE regress_statistics_alice, regress_statistics_watcher;
SELECT workflow.drop_agent('rolled_agent');

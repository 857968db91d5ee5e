--
-- What is beyond its threshold, and one row per figure
--
SET client_min_messages = warning;

-- each setting is one of the view's
SELECT count(*) AS settings, bool_and(pg_get_functiondef('workflow.current_alerts'::regproc) ~ (' t\."?' || replace(name, 'workflow.alert_', '') || '\M')) AS all_read
FROM pg_settings WHERE name LIKE 'workflow.alert\_%';

SELECT workflow.define('{"name": "alerting", "dead_letter": true, "steps": [
  {"id": "block", "type": "parallel", "min_success": 1, "parallel_steps": [
    {"id": "x", "type": "sql", "sql": "SELECT 1"}, {"id": "y", "type": "sql", "sql": "SELECT 1/0"}, {"id": "z", "type": "sql", "sql": "SELECT 1/0"}]},
  {"id": "last", "type": "sql", "sql": "SELECT 1 / input.n", "input_mapping": {"n": "${workflow.input.n}"}}]}') \gset
CALL test.go('alerting', '{"n": 1}');
-- what fails once, or twice, is no trend yet
CALL test.go('alerting', '{"n": 0}');
SELECT condition, value, threshold FROM workflow.alerts WHERE subject = 'alerting' ORDER BY 1;
CALL test.go('alerting', '{"n": 0}');
CALL test.go('alerting', '{"n": 0}');
SELECT condition, subject, value, threshold, since <= now() AS since FROM workflow.alerts
WHERE subject ~ '^alerting' AND condition NOT IN ('block speedup', 'block duration') ORDER BY 1, 2;
-- one that completes ends the row, and one that fails is none
SELECT workflow.define('{"name": "trend", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1 / input.n", "input_mapping": {"n": "${workflow.input.n}"}}]}') \gset
CALL test.go('trend', '{"n": 0}');
CALL test.go('trend', '{"n": 0}');
CREATE VIEW test.trend AS SELECT condition, value, threshold FROM workflow.alerts WHERE subject = 'trend';
TABLE test.trend;
CALL test.go('trend', '{"n": 0}');
TABLE test.trend;
CALL test.go('trend', '{"n": 1}');
TABLE test.trend;
CALL test.go('trend', '{"n": 0}');
TABLE test.trend;
SET workflow.alert_success_rate_consecutive = 1;
TABLE test.trend;
RESET workflow.alert_success_rate_consecutive;
-- of the last three the newest has to be within the window
CALL test.go('trend', '{"n": 0}');
CALL test.go('trend', '{"n": 0}');
UPDATE workflow.executions SET completed_at = completed_at - interval '1 day' WHERE workflow = 'trend' AND id <> test.id();
TABLE test.trend;
UPDATE workflow.executions SET completed_at = completed_at - interval '1 day' WHERE workflow = 'trend' AND id = test.id();
TABLE test.trend;
DELETE FROM workflow.step_executions AS s USING workflow.executions AS e WHERE e.id = s.execution_id AND e.workflow = 'trend';
-- too long, but not for so long
SET workflow.alert_average_duration = 0;
SELECT condition, subject, threshold FROM workflow.alerts WHERE subject = 'alerting' AND condition = 'average duration';
SET workflow.alert_average_duration_for = 0;
SET workflow.alert_success_rate = 20;
SET workflow.alert_block_failures = -1;
SET workflow.alert_dead_letters = 3;
SELECT condition, subject, threshold FROM workflow.alerts
WHERE subject ~ '^alerting' AND condition NOT IN ('block speedup', 'block duration') ORDER BY 1, 2;
RESET ALL;
SET client_min_messages = warning;
-- nothing has ended within the window
SET workflow.alert_window = 0;
SELECT condition FROM workflow.alerts WHERE subject ~ '^alerting' ORDER BY 1;
RESET workflow.alert_window;

/*
 * How long containers take, and what is gained, as their rows say: x, y and z of a block that took so many seconds.
 */
SELECT workflow.define('{"name": "gaining", "steps": [
  {"id": "block", "type": "parallel", "parallel_steps": [
    {"id": "x", "type": "sql", "sql": "SELECT 1"}, {"id": "y", "type": "sql", "sql": "SELECT 1"}, {"id": "z", "type": "sql", "sql": "SELECT 1"}]}]}') \gset
CREATE PROCEDURE test.gain(block numeric, x numeric, y numeric, z numeric) LANGUAGE sql AS $$
    UPDATE workflow.step_executions AS s SET completed_at = s.started_at + make_interval(secs => t.seconds::double precision)
    FROM (VALUES ('block', block), ('x', x), ('y', y), ('z', z)) AS t (step_id, seconds)
    WHERE s.execution_id = test.id() AND s.step_id = t.step_id $$;
CREATE VIEW test.block_alerts AS
SELECT condition, subject, value, threshold FROM workflow.alerts WHERE condition ~ '^block' AND subject ~ '^gaining' ORDER BY 1;
CALL test.go('gaining');
CALL test.gain(5, 2, 2, 1);
-- by default that is nobody's business
TABLE test.block_alerts;
SET workflow.alert_block_duration = '2s';
SET workflow.alert_block_speedup = 1.2;
-- side by side they would have taken 2 seconds, in whatever mode it was
UPDATE workflow.executions SET parallel = true WHERE id = test.id();
TABLE test.block_alerts;
-- one of them takes nearly all of it; it takes no time; nobody was to share it
CALL test.gain(5, 4.8, 0.1, 0.1);
TABLE test.block_alerts;
CALL test.gain(0.004, 0.001, 0.001, 0.001);
TABLE test.block_alerts;
CALL test.gain(1.9, 0.6, 0.6, 0.6);
TABLE test.block_alerts;
UPDATE workflow.executions SET inline = true WHERE id = test.id();
TABLE test.block_alerts;
UPDATE workflow.executions SET inline = false, parallel = false WHERE id = test.id();
TABLE test.block_alerts;
UPDATE workflow.executions SET parallel = true WHERE id = test.id();
-- a pause is no duration: of 20 seconds it was paused for 18
CALL test.gain(20, 0.5, 0.5, 0.5);
UPDATE workflow.executions SET started_at = completed_at - interval '20 s' WHERE id = test.id();
UPDATE workflow.step_executions AS s SET started_at = e.started_at, completed_at = e.completed_at FROM workflow.executions AS e
WHERE e.id = test.id() AND s.execution_id = e.id AND s.step_id = 'block';
SET workflow.alert_average_duration = 3;
SET workflow.alert_average_duration_for = 0;
CREATE VIEW test.slow AS SELECT condition, round(value) AS value FROM workflow.alerts WHERE subject ~ '^gaining' AND condition ~ 'duration' ORDER BY 1;
TABLE test.slow;
UPDATE workflow.executions SET pauses = tstzmultirange(tstzrange(started_at - interval '1 s', started_at + interval '9 s'), tstzrange(started_at + interval '10 s', started_at + interval '19 s'))
WHERE id = test.id();
TABLE test.slow;
SELECT round(extract(epoch FROM duration)) AS seconds FROM workflow.execution_status WHERE execution_id = test.id();
SELECT round(extract(epoch FROM duration)) AS seconds, speedup, longest_task, parallel FROM workflow.blocks WHERE execution_id = test.id();
SELECT step_id, round(extract(epoch FROM duration), 1) AS seconds FROM workflow.step_status WHERE execution_id = test.id() ORDER BY 1;
SELECT kind, name, round(extract(epoch FROM run_max), 1) AS run_max FROM workflow.statistics_between('-infinity', 'infinity') WHERE workflow = 'gaining' ORDER BY 1, 2;
-- the pause it ended in; while it is paused its duration stands still
UPDATE workflow.executions SET pauses = NULL, paused_at = started_at + interval '5 s' WHERE id = test.id();
SELECT round(extract(epoch FROM duration)) AS seconds FROM workflow.execution_status WHERE execution_id = test.id();
RESET workflow.alert_average_duration;
RESET workflow.alert_average_duration_for;
RESET workflow.alert_block_speedup;
RESET workflow.alert_block_duration;

-- thresholds of a workflow
UPDATE workflow.executions SET paused_at = NULL WHERE id = test.id();
SELECT workflow.define('{"name": "gaining", "alerts": {"block_duration_ms": 1500, "average_duration_seconds": 5, "average_duration_for_seconds": 0, "dead_letters": null}, "steps": [{"id": "a", "sql": "SELECT 1"}]}');
SELECT workflow.define('{"name": "alerting", "dead_letter": true, "alerts": {"success_rate": 20, "dead_letters": -1, "block_failures": -1, "block_success_rate": 30}, "steps": [{"id": "a", "sql": "SELECT 1"}]}');
SELECT * FROM workflow.alert_thresholds WHERE workflow IN ('alerting', 'gaining') ORDER BY 1;
SELECT condition, subject, round(value) AS value, threshold FROM workflow.alerts WHERE subject ~ '^(alerting|gaining)' ORDER BY 1, 2;
-- without any those of the settings count
SELECT workflow.define('{"name": "trend", "alerts": {"dead_letters": null}, "steps": [{"id": "a", "sql": "SELECT 1"}]}');
SELECT thresholds FROM workflow.alert_thresholds WHERE workflow = 'trend';
UPDATE workflow.executions SET completed_at = now() WHERE workflow = 'trend' AND status = 'failed';
TABLE test.trend;
-- those of the version that is started count
SELECT workflow.set_status('alerting', 2, 'deprecated'), workflow.set_status('gaining', 2, 'draft');
SELECT condition, subject, round(value) AS value, threshold FROM workflow.alerts WHERE subject ~ '^(alerting|gaining)' ORDER BY 1, 2;
-- wrong ones
SELECT severity, path, message, hint FROM workflow.validate('{"name": "wrong", "alerts": {"sucess_rate": 80, "success_rate": 101, "block_duration_ms": "2s", "block_speedup": -0.5,
  "success_rate_consecutive": 0, "average_duration": 600, "offline_seconds": 1}, "steps": [{"id": "a", "sql": "SELECT 1"}]}');
SELECT severity, path, message, hint FROM workflow.validate('{"name": "wrong", "alerts": "all", "steps": [{"id": "a", "sql": "SELECT 1", "alerts": {}}]}');

DELETE FROM workflow.step_executions WHERE execution_id = test.id();

-- what waits too long, what is blocked
SELECT workflow.block('alerting', 'for the test');
SELECT condition, threshold FROM workflow.alerts WHERE subject = 'alerting' AND condition ~ 'blocked';
SELECT workflow.unblock('alerting');
SELECT workflow.start('alerting', start_at => 'infinity') AS id \gset
BEGIN;
UPDATE workflow.executions SET start_at = now() - interval '1 hour', created_at = now() - interval '1 day' WHERE id = :id;
SELECT condition, round(value / 60) AS minutes, threshold FROM workflow.alerts WHERE subject = 'alerting' AND condition = 'queue wait';
-- it was paused until a minute ago
UPDATE workflow.executions SET pauses = tstzmultirange(tstzrange(now() - interval '50 min', now() - interval '1 min')) WHERE id = :id;
SELECT condition FROM workflow.alerts WHERE subject = 'alerting' AND condition = 'queue wait';
SELECT round(extract(epoch FROM waiting) / 60) AS minutes FROM workflow.queue WHERE execution_id = :id;
ROLLBACK;
SELECT workflow.cancel(:id);
-- sessions of clients
SET workflow.alert_connections = 0;
SELECT condition, subject, value > 0 AS taken, threshold FROM workflow.alerts WHERE condition = 'connections';
SET workflow.alert_connections = 100;
SELECT count(*) AS connections FROM workflow.alerts WHERE condition = 'connections';
RESET workflow.alert_connections;
-- a breaker that has opened
SELECT workflow.register_agent('alerting_agent', sql => 'SELECT test.may_fail(''{"fail": true}'')', circuit_breaker => '{"failure_threshold": 1}');
SELECT workflow.define('{"name": "alerting_calls", "steps": [{"id": "a", "type": "agent", "agent_name": "alerting_agent"}]}') \gset
CALL test.go('alerting_calls');
SELECT condition, replace(subject, current_user, 'ME') AS subject, value, threshold FROM workflow.alerts WHERE subject LIKE 'alerting_agent%';
SELECT name, value FROM workflow.metrics WHERE labels ->> 'agent' = 'alerting_agent' ORDER BY name, labels::text;
SELECT workflow.reset_breaker('alerting_agent');

-- figures
SELECT name, labels, value FROM workflow.metrics WHERE labels ->> 'workflow' = 'alerting' AND name !~ 'seconds' ORDER BY 1, labels::text;
SELECT name, labels ->> 'percentile' AS percentile, value >= 0 AS value FROM workflow.metrics WHERE labels ->> 'workflow' = 'alerting' AND name ~ 'run_seconds' ORDER BY 1, 2;
SELECT name ~ '^workflow_[a-z_]+$' AS good_name, jsonb_typeof(labels) AS labels, count(*) > 0 AS some FROM workflow.metrics GROUP BY 1, 2;
-- pg_monitor may
CREATE ROLE regress_alerts_watcher IN ROLE pg_monitor;
SET ROLE regress_alerts_watcher;
SELECT condition FROM workflow.alerts WHERE subject = 'alerting' ORDER BY 1;
SELECT count(*) > 0 AS metrics FROM workflow.metrics;
RESET ROLE;
DROP ROLE regress_alerts_watcher;

TABLE test.wrong;

--
-- What is beyond its threshold, and one row per figure
--
SET client_min_messages = warning;

-- each setting is one of the view's
SELECT count(*) AS settings, bool_and(pg_get_functiondef('workflow.current_alerts'::regproc) ~ ('''' || replace(name, 'workflow.alert_', '') || '''')) AS all_read
FROM pg_settings WHERE name LIKE 'workflow.alert\_%';

SELECT workflow.define('{"name": "alerting", "dead_letter": true, "steps": [
  {"id": "block", "type": "parallel", "min_success": 1, "parallel_steps": [
    {"id": "x", "type": "sql", "sql": "SELECT 1"}, {"id": "y", "type": "sql", "sql": "SELECT 1/0"}, {"id": "z", "type": "sql", "sql": "SELECT 1/0"}]},
  {"id": "last", "type": "sql", "sql": "SELECT 1 / input.n", "input_mapping": {"n": "${workflow.input.n}"}}]}') \gset
CALL test.go('alerting', '{"n": 1}');
-- two of them are not enough to speak of a rate
CALL test.go('alerting', '{"n": 0}');
SELECT condition, value, threshold FROM workflow.alerts WHERE subject = 'alerting' ORDER BY 1;
CALL test.go('alerting', '{"n": 0}');
CALL test.go('alerting', '{"n": 0}');
SELECT condition, subject, value, threshold, since <= now() AS since FROM workflow.alerts
WHERE subject ~ '^alerting' AND condition NOT IN ('block speedup', 'block duration') ORDER BY 1, 2;
SET workflow.alert_average_duration = 0;
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

-- what waits too long, what is blocked
SELECT workflow.block('alerting', 'for the test');
SELECT condition, threshold FROM workflow.alerts WHERE subject = 'alerting' AND condition ~ 'blocked';
SELECT workflow.unblock('alerting');
SELECT workflow.start('alerting', start_at => 'infinity') AS id \gset
UPDATE workflow.executions SET start_at = now() - interval '1 hour', created_at = now() - interval '1 day', status = 'blocked' WHERE id = :id;
BEGIN;
UPDATE workflow.executions SET status = 'pending' WHERE id = :id;
SELECT condition, round(value / 60) AS minutes, threshold FROM workflow.alerts WHERE subject = 'alerting' AND condition = 'queue wait';
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
SELECT name, labels ->> 'quantile' AS quantile, value >= 0 AS value FROM workflow.metrics WHERE labels ->> 'workflow' = 'alerting' AND name ~ 'run_seconds' ORDER BY 1, 2;
SELECT name ~ '^workflow_[a-z_]+$' AS good_name, jsonb_typeof(labels) AS labels, count(*) > 0 AS some FROM workflow.metrics GROUP BY 1, 2;
-- pg_monitor may
CREATE ROLE regress_alerts_watcher IN ROLE pg_monitor;
SET ROLE regress_alerts_watcher;
SELECT condition FROM workflow.alerts WHERE subject = 'alerting' ORDER BY 1;
SELECT count(*) > 0 AS metrics FROM workflow.metrics;
RESET ROLE;
DROP ROLE regress_alerts_watcher;

TABLE test.wrong;

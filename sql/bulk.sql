--
-- cancel_executions(), pause_executions(), resume_executions(), retry_executions()
--
SET client_min_messages = warning;

SELECT workflow.define('{"name": "bulk", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1 / input.n::int", "input_mapping": {"n": "${workflow.input.n}"}}]}');
CREATE VIEW test.bulk AS SELECT tenant, status, error_type, count(*) FROM workflow.executions WHERE workflow = 'bulk' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT count(workflow.start('bulk', '{"n": 1}', start_at => 'infinity', tenant => CASE WHEN i <= 3 THEN 'x' ELSE 'y' END)) FROM generate_series(1, 5) AS i;
SELECT workflow.pause_executions('bulk', 'x', max_executions => 2, reason => 'for the night'), workflow.resume_executions('bulk', 'nobody');
TABLE test.bulk;
SELECT workflow.pause_executions('bulk', created_after => now() + interval '1 day'), workflow.pause_executions('bulk', created_before => now() + interval '1 day');
SELECT workflow.resume_executions('bulk', status => 'failed'), workflow.resume_executions('bulk', 'y');
TABLE test.bulk;
SELECT workflow.cancel_executions('bulk', reason => 'not needed'), workflow.cancel_executions('bulk');
CALL test.until($$SELECT count(*) = 0 FROM workflow.executions WHERE workflow = 'bulk' AND status = 'cancelling'$$);
TABLE test.bulk;
SELECT count(*), count(DISTINCT execution_id) FROM workflow.audit_log AS l JOIN workflow.executions AS e ON e.id = l.execution_id WHERE e.workflow = 'bulk' AND l.reason = 'not needed';

SELECT count(workflow.start('bulk', '{"n": 0}', tenant => 'z')) FROM generate_series(1, 3);
CALL test.until($$SELECT count(*) = 3 FROM workflow.executions WHERE workflow = 'bulk' AND status = 'failed'$$);
SELECT workflow.retry_executions('bulk', error_type => 'none'), workflow.retry_executions('bulk', error_type => '22012', reason => 'again');
CALL test.until($$SELECT count(*) = 3 FROM workflow.executions WHERE workflow = 'bulk' AND status = 'failed' AND retries = 1$$);
TABLE test.bulk;

-- a filter that can fit nothing is a mistake; a workflow may be named by its workflow_id
SELECT workflow.cancel_executions('bluk');
SELECT workflow.retry_executions(status => 'fialed');
SELECT workflow.pause_executions('nobody', status => 'runing');
SELECT workflow.resume_executions('nobody');
SELECT workflow.define('{"name": "bulk_named", "workflow_id": "bulk-7", "steps": [{"id": "a", "type": "set", "output": 1}]}');
SELECT workflow.start('bulk-7', start_at => 'infinity') IS NOT NULL AS started;
SELECT workflow.cancel_executions('bulk-7'), workflow.cancel_executions('bulk_named'), workflow.retry_executions('bulk_named', status => 'completed');

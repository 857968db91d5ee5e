-- History is deleted by age and status, in limited portions, with its steps.
SELECT workflow.define('{"name": "prune", "steps": [{"id": "a", "sql": "SELECT 1"},
	{"id": "b", "sql": "SELECT 1 / input.d::integer", "input_mapping": {"d": "${workflow.input.d}"}}]}');
CREATE TABLE pruned_ids AS SELECT workflow.start('prune', jsonb_build_object('d', d % 2)) AS id FROM generate_series(1, 10) AS d;
SELECT DISTINCT w.status FROM (SELECT id FROM pruned_ids OFFSET 0) AS p, LATERAL workflow.wait(p.id, '30s') AS w ORDER BY 1;
UPDATE workflow.executions SET completed_at = completed_at - interval '40 days' WHERE id IN (SELECT id FROM pruned_ids);
-- a portion, the oldest first; the rest
SELECT workflow.prune(statuses => '{failed}', max_executions => 2);
SELECT status, count(*) FROM workflow.executions WHERE id IN (SELECT id FROM pruned_ids) GROUP BY 1 ORDER BY 1;
SELECT workflow.prune();
SELECT count(*) FROM workflow.executions WHERE id IN (SELECT id FROM pruned_ids);
SELECT count(*) FROM workflow.step_executions WHERE execution_id IN (SELECT id FROM pruned_ids);
SELECT workflow.prune();
-- what runs or waits stays, whatever its age
SELECT workflow.start('prune', '{"d": 1}', start_at => now() + interval '1 day') AS id \gset
SELECT workflow.prune('0') > 0 AS pruned;
SELECT status FROM workflow.executions WHERE id = :id;
SELECT workflow.cancel(:id);
-- mistakes
SELECT workflow.prune('-1 day');
SELECT workflow.prune(statuses => '{running}');
CREATE ROLE prune_user;
SELECT workflow.grant_usage('prune_user');
SET ROLE prune_user;
SELECT workflow.prune();
RESET ROLE;
SELECT workflow.revoke_usage('prune_user');
DROP ROLE prune_user;
DROP TABLE pruned_ids;

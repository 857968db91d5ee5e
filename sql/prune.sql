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
-- in many short transactions; pruned counts executions
SELECT count(workflow.start('prune', '{"d": 1}')) FROM generate_series(1, 30);
SELECT count(*) FROM (SELECT id FROM workflow.executions WHERE workflow = 'prune' AND status <> 'cancelled' OFFSET 0) AS e, LATERAL workflow.wait(e.id, '30s') AS w WHERE w.status = 'completed';
UPDATE workflow.executions SET completed_at = completed_at - interval '40 days' WHERE workflow = 'prune' AND status = 'completed';
CALL workflow.prune_all(max_rows => 6, pause => '0', max_executions => 7, statuses => '{completed}');
CALL workflow.prune_all(time_budget => '0', statuses => '{completed}');
CALL workflow.prune_all(max_rows => 1, pause => '1 ms', statuses => '{completed}');
SELECT count(*) FROM workflow.executions WHERE workflow = 'prune' AND status = 'completed';
SELECT count(*) FROM workflow.step_executions AS s WHERE NOT EXISTS (SELECT FROM workflow.executions AS e WHERE e.id = s.execution_id);
CALL workflow.prune_all();
-- neither reads what is kept: numbers grow with time, and what follows the oldest that is kept is newer
INSERT INTO workflow.executions (definition_id, workflow, version, status, role, created_at, started_at, completed_at, input)
SELECT d.id, d.name, d.version, 'completed', current_user::regrole, now(), now(), now(), '{}'
FROM workflow.definitions AS d, generate_series(1, 30000) WHERE d.name = 'prune';
-- (rolling up the statistics does)
SELECT workflow.roll_up_statistics(100000) > 0 AS rolled_up;
BEGIN;
SELECT seq_tup_read + idx_tup_fetch AS before FROM pg_stat_xact_user_tables WHERE relid = 'workflow.executions'::regclass \gset
SELECT workflow.prune();
SELECT seq_tup_read + idx_tup_fetch - :before < 10000 AS reads_few FROM pg_stat_xact_user_tables WHERE relid = 'workflow.executions'::regclass;
ROLLBACK;
-- old ones behind new ones, as when a session used numbers it had reserved: found all the same
UPDATE workflow.executions SET created_at = now() - interval '50 days', completed_at = now() - interval '50 days'
WHERE id IN (SELECT id FROM workflow.executions WHERE workflow = 'prune' AND status = 'completed' ORDER BY id OFFSET 4000 LIMIT 100);
SELECT workflow.prune(statuses => '{completed}');
DELETE FROM workflow.executions WHERE workflow = 'prune' AND status = 'completed';
-- mistakes
CALL workflow.prune_all('-1 day');
CALL workflow.prune_all(NULL);
CALL workflow.prune_all(statuses => NULL);
CALL workflow.prune_all(statuses => '{pending}');
CALL workflow.prune_all(max_rows => 0);
CALL workflow.prune_all(max_executions => 0);
CALL workflow.prune_all(time_budget => '-1 s');
CALL workflow.prune_all(pause => '-1 s');
BEGIN;
CALL workflow.prune_all();
ROLLBACK;
SELECT workflow.prune('-1 day');
SELECT workflow.prune(statuses => '{running}');
CREATE ROLE prune_user;
SELECT workflow.grant_usage('prune_user');
SET ROLE prune_user;
SELECT workflow.prune();
CALL workflow.prune_all();
RESET ROLE;
SELECT workflow.revoke_usage('prune_user');
DROP ROLE prune_user;
DROP TABLE pruned_ids;
-- autovacuum does not wait for a fifth of what is kept
SELECT relname, reloptions FROM pg_class WHERE oid IN ('workflow.executions'::regclass, 'workflow.step_executions'::regclass) ORDER BY 1;

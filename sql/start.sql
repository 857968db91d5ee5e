--
-- Starting and cancelling, as far as the caller's transaction goes.  What workers
-- do is tested elsewhere: here executions are rolled back or start in the future.
--
SET client_min_messages = error;
ALTER SEQUENCE workflow.executions_id_seq RESTART 7000001;
SELECT workflow.define('{"name": "start_test", "workflow_id": "wf-start", "priority": 7, "start_step": "a",
  "steps": {"a": {"type": "set", "output": 1}}}');
SET client_min_messages = notice;

-- what start() writes
BEGIN;
SET LOCAL client_min_messages = error;
CREATE TEMP TABLE started AS SELECT workflow.start('start_test') AS id;
INSERT INTO started SELECT workflow.start('wf-start', '{"n": 12345678901234567890.5}', version => 1, priority => 9,
  start_at => '2100-01-01 00:00+00', idempotency_key => 'k1', tenant => 'acme');
SET LOCAL workflow.parallel = off;
INSERT INTO started SELECT workflow.start('start_test', '[1, 2]');
INSERT INTO started SELECT workflow.start('start_test', '"parallel"', parallel => true);
SET LOCAL workflow.parallel = on;
INSERT INTO started SELECT workflow.start('start_test', '"one after the other"', parallel => false);
INSERT INTO started SELECT workflow.start('start_test', '"as the session"', parallel => NULL);
SELECT workflow, version, status, role = current_user::regrole AS mine, priority, parallel, inline, tenant,
       idempotency_key, start_at AT TIME ZONE 'UTC' AS start_at, started_at, completed_at, input
FROM workflow.executions WHERE id IN (SELECT id FROM started) ORDER BY id;
ROLLBACK;
SELECT count(*) FROM workflow.executions WHERE workflow = 'start_test';

-- in bulk
BEGIN;
SET LOCAL client_min_messages = error;
SELECT count(DISTINCT workflow.start('start_test', jsonb_build_object('i', i))) FROM generate_series(1, 1000) AS i;
SELECT count(*), sum((input ->> 'i')::int) FROM workflow.executions WHERE workflow = 'start_test';
ROLLBACK;

-- idempotency keys: per role and workflow
BEGIN;
SET LOCAL client_min_messages = error;
SELECT workflow.define('{"name": "start_other", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
SELECT workflow.start('start_test', idempotency_key => 'key', start_at => 'infinity') AS id \gset
SELECT workflow.start('start_test', '{"another": "input"}', idempotency_key => 'key') = :id AS same;
SELECT workflow.start('wf-start', idempotency_key => 'key') = :id AS same;
SELECT workflow.start('start_other', idempotency_key => 'key') = :id AS same;
SELECT workflow.start('start_test', idempotency_key => 'key2') = :id AS same;
SELECT count(*) FROM workflow.executions WHERE idempotency_key = 'key';
ROLLBACK;

-- what cannot be started
SELECT workflow.start('start_nothing');
SELECT workflow.start('start_test', version => 2);
SELECT workflow.start('start_test', version => 0);
SELECT workflow.start(NULL);
SELECT workflow.start('start_test', NULL);
BEGIN;
SET LOCAL client_min_messages = notice;
SELECT workflow.set_status('start_test', 1, 'draft');
SAVEPOINT s;
SELECT workflow.start('start_test');
ROLLBACK TO s;
SELECT workflow.start('start_test', version => 1);
ROLLBACK TO s;
SELECT workflow.set_status('start_test', 1, 'archived');
SAVEPOINT s2;
SELECT workflow.start('start_test');
ROLLBACK TO s2;
SELECT workflow.execute('start_test');
ROLLBACK TO s2;
-- a deprecated one starts, with a warning; the newest active one is preferred
SELECT workflow.set_status('start_test', 1, 'deprecated');
SET LOCAL client_min_messages = warning;
SELECT workflow.start('start_test', start_at => 'infinity') > 0 AS started;
ROLLBACK;

-- cancel: pending at once, again no-op, who and when and why
BEGIN;
SET LOCAL client_min_messages = error;
SELECT workflow.start('start_test') AS id \gset
SET LOCAL client_min_messages = notice;
SELECT workflow.cancel(:id, 'a mistake');
SELECT workflow.cancel(:id, 'another reason');
SELECT status, cancelled_by = current_user::regrole AS me, cancelled_at IS NOT NULL AS has_time, cancel_reason,
       completed_at IS NOT NULL AS completed, started_at
FROM workflow.executions WHERE id = :id;
-- one that has ended stays as it is
UPDATE workflow.executions SET status = 'completed' WHERE id = :id;
SELECT workflow.cancel(:id);
-- a running one is marked for the scheduler
UPDATE workflow.executions SET status = 'running' WHERE id = :id;
SELECT workflow.cancel(:id, 'stop it');
SELECT workflow.cancel(:id);
SELECT status, cancel_reason, completed_at FROM workflow.executions WHERE id = :id;
ROLLBACK;
SELECT workflow.cancel(9223372036854775807);
SELECT workflow.cancel(NULL);

-- waiting for what has ended, and for what cannot end
SELECT workflow.wait(9223372036854775807);
SELECT workflow.wait(-1);
SELECT workflow.wait(NULL);
SET client_min_messages = error;
SELECT workflow.start('start_test', start_at => 'infinity') AS id \gset
SET client_min_messages = notice;
SELECT (w).status FROM workflow.wait(:id, '0 seconds') AS w;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT 1;
SELECT (w).status FROM workflow.wait(:id, '1 hour') AS w;
ROLLBACK;
SELECT workflow.cancel(:id);
SELECT (w).status, (w).workflow FROM workflow.wait(:id) AS w;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT (w).status FROM workflow.wait(:id) AS w;
COMMIT;
-- not in the transaction that started it
BEGIN;
SET LOCAL client_min_messages = error;
SELECT workflow.start('start_test') AS id \gset
SELECT workflow.wait(:id);
ROLLBACK;

-- run() commits, so it cannot be called where that is impossible
BEGIN;
CALL workflow.run('start_test');
ROLLBACK;
CREATE FUNCTION pg_temp.call_run() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  output jsonb;
BEGIN
  CALL workflow.run('start_test', '{}', output);
  RETURN output;
END $$;
\set SHOW_CONTEXT never
SELECT pg_temp.call_run();
\set SHOW_CONTEXT errors
DO $$
DECLARE
  output jsonb;
BEGIN
  CALL workflow.run('start_test', '{}', output);
EXCEPTION WHEN active_sql_transaction THEN
  RAISE NOTICE 'refused inside a subtransaction';
END $$;
CALL workflow.run('start_nothing');

-- roles that no worker can be started as (until 16), with the reason
CREATE ROLE regress_start_nologin NOLOGIN;
SELECT workflow.grant_usage('regress_start_nologin');
SET ROLE regress_start_nologin;
DO $$
BEGIN
  PERFORM workflow.start('start_test', start_at => 'infinity');
  IF current_setting('server_version_num')::int < 170000 THEN
    RAISE EXCEPTION 'accepted';
  END IF;
  RAISE EXCEPTION invalid_authorization_specification USING MESSAGE = 'accepted, as it should be since 17';
EXCEPTION WHEN invalid_authorization_specification THEN
  RAISE NOTICE 'refused before 17';
END $$;
RESET ROLE;
SELECT workflow.revoke_usage('regress_start_nologin');
DROP ROLE regress_start_nologin;

-- a status is one of those there are, whoever writes it
UPDATE workflow.executions SET status = 'nonsense';
UPDATE workflow.executions SET ending = 'nonsense';
INSERT INTO workflow.step_executions (execution_id, started_at, scope, step_id, step_type, status) VALUES (1, now(), '', 'a', 'sql', 'pending');
INSERT INTO workflow.step_executions (execution_id, started_at, scope, step_id, step_type, status, scope_outcome) VALUES (1, now(), '', 'a', 'sql', 'failed', 'no');
\set VERBOSITY terse
INSERT INTO workflow.dead_letters (execution_id, workflow, version, role, priority, execution_status, first_failed_at, last_failed_at, input, retry_history)
VALUES (1, 'none', 1, 'nobody', 0, 'completed', now(), now(), '{}', '[]');
\set VERBOSITY default
SELECT attrelid::regclass || '.' || attname AS "any text will do" FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind = 'r' AND attname ~ 'status$' AND atttypid = 'text'::regtype
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c' AND conkey = ARRAY[attnum]);

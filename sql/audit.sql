--
-- The audit log: who, when, from where, why, before and after, of everything that is in it
--
SET client_min_messages = warning;
SET application_name = 'regress audit';
CREATE TABLE test.audit_begin AS SELECT COALESCE(max(id), 0) AS id FROM workflow.audit_log;

-- workflows and agents
SELECT workflow.define('{"name": "audited", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1 / 0"}, {"id": "b", "type": "set", "output": 1}]}');
SELECT workflow.define('{"name": "audited", "steps": [{"id": "a", "type": "set", "output": 1}]}');
SELECT workflow.define('{"name": "audited", "steps": [{"id": "a", "type": "set", "output": 1}]}') AS unchanged;
SELECT workflow.set_status('audited', 2, 'deprecated');
SELECT workflow.register_agent('audited_agent', sql => 'SELECT 1');
SELECT workflow.register_agent('audited_agent', sql => 'SELECT 2');
SELECT workflow.set_agent_status('audited_agent', 'inactive');
SELECT workflow.drop_agent('audited_agent');
SELECT workflow.block('audited', 'runs away'), workflow.block('audited', 'twice');
SELECT workflow.unblock('audited', 'mended'), workflow.unblock('audited', 'twice');

-- executions and their steps
SELECT set_config('test.id', workflow.start('audited', version => 1)::text, false) IS NOT NULL AS started;
SELECT status FROM workflow.wait(test.id(), '60 s');
SELECT workflow.retry(test.id(), reason => 'once more');
SELECT status FROM workflow.wait(test.id(), '60 s');
SELECT set_config('test.id', workflow.start('audited', version => 1, start_at => 'infinity')::text, false) IS NOT NULL AS started;
SELECT workflow.hold_step(test.id(), 'b', 'not yet'), workflow.skip_step(test.id(), 'b', '"a secret"', 'not at all'), workflow.release_step(test.id(), 'b', 'yes');
SELECT workflow.pause(test.id(), 'lunch'), workflow.resume(test.id(), 'coffee'), workflow.cancel(test.id(), 'done');

-- schedules; a start at its time is in t/160_schedules.pl
SELECT workflow.schedule('audited', 'audited', '0 6 * * *', version => 1, enabled => false);
SELECT workflow.run_schedule_now('audited') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT workflow.unschedule('audited');

-- executors and the database
CREATE PROCEDURE test.idle_executor() LANGUAGE plpgsql AS $$
DECLARE
    idle integer;
BEGIN
    FOR i IN 1 .. 3000 LOOP
        SELECT e.pid INTO idle FROM workflow.executors AS e WHERE e.database = current_database() AND e.state = 'idle' LIMIT 1;
        EXIT WHEN idle IS NOT NULL;
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
    PERFORM set_config('test.pid', idle::text, false);
END $$;
CALL test.idle_executor();
BEGIN;
SELECT workflow.drain_executor(current_setting('test.pid')::integer, 'new library');
SELECT workflow.recycle_executor(current_setting('test.pid')::integer, 'large');
COMMIT;
SELECT workflow.drain('upgrade', 'steps');
SELECT workflow.drain('gently');
SELECT workflow.undrain('done');

-- what is rolled back was not done
BEGIN;
SELECT workflow.block('audited', 'never');
ROLLBACK;

SELECT action, subject_type, subject_type = 'executor' OR subject = :'id' OR subject = test.id()::text OR subject = current_database()
           OR subject IN ('audited', 'audited_agent', 'b') OR execution_id::text = subject AS it,
       execution_id IS NOT NULL AS execution, reason, before - 'owner' AS before,
       CASE WHEN subject_type = 'schedule' AND after ? 'workflow' THEN '{"schedule": ".."}' ELSE after - 'owner' END AS after
FROM (SELECT id, action, subject_type, subject, execution_id, reason,
             CASE WHEN subject_type = 'schedule' AND before ? 'workflow' THEN '{"schedule": ".."}' ELSE before END AS before, after
      FROM workflow.audit_log WHERE id > (SELECT b.id FROM test.audit_begin AS b)) AS l ORDER BY id;
SELECT DISTINCT role = current_user::regrole AS by_me, session_role = session_user::regrole AS my_session, pid = pg_backend_pid() AS from_here, application_name,
       client_address IS NOT DISTINCT FROM inet_client_addr() AS address, at <= clock_timestamp() AS then
FROM workflow.audit_log WHERE id > (SELECT b.id FROM test.audit_begin AS b);

-- who sees it
CREATE ROLE regress_audit_alice;
CREATE ROLE regress_audit_watcher IN ROLE pg_monitor;
SELECT workflow.grant_usage('regress_audit_alice');
SELECT count(*) AS all FROM workflow.audit_log \gset
SET ROLE regress_audit_alice;
SELECT count(*) FROM workflow.audit_log;
SET ROLE regress_audit_watcher;
SELECT count(*) = :all AS all FROM workflow.audit_log;
RESET ROLE;
SELECT workflow.revoke_usage('regress_audit_alice');
DROP ROLE regress_audit_alice, regress_audit_watcher;

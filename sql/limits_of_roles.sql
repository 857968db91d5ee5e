--
-- workflow.set_role_limits(): what a role may have queued and running
--
SET client_min_messages = notice;
CREATE ROLE regress_limits_a LOGIN;
CREATE ROLE regress_limits_b LOGIN;
CREATE ROLE regress_limits_member LOGIN IN ROLE regress_limits_a;
SELECT workflow.grant_usage('regress_limits_a'), workflow.grant_usage('regress_limits_b'), workflow.grant_usage('regress_limits_member');
SELECT workflow.define('{"name": "limits_work", "priority": 900, "steps": [{"id": "a", "type": "sql", "sql": "SELECT pg_advisory_xact_lock_shared(4713)", "result": "none"}]}') AS version;
SELECT workflow.define('{"name": "limits_fails", "priority": 900, "dead_letter": true, "steps": [{"id": "a", "type": "fail", "error": {"message": "no"}}]}') AS version;

-- for the owner of the extension only
SET ROLE regress_limits_a;
SELECT workflow.set_role_limits('regress_limits_a', max_pending => 1000);
RESET ROLE;
SELECT workflow.set_role_limits(NULL);
SELECT workflow.set_role_limits('regress_limits_nobody');
SELECT workflow.set_role_limits('regress_limits_a', max_pending => -1);
SELECT workflow.set_role_limits('regress_limits_a', max_priority => 1001);

-- pending: all that has not begun
SELECT workflow.set_role_limits('regress_limits_a', max_pending => 3);
SELECT workflow.set_role_limits('regress_limits_a', max_pending => 3);
SET ROLE regress_limits_a;
SELECT workflow.start('limits_work', start_at => 'infinity') IS NULL, workflow.start('limits_work', start_at => 'infinity') IS NULL AS one, workflow.start('limits_work', start_at => now() + interval '1 day') IS NULL AS two;
SELECT workflow.start('limits_work');
SELECT workflow.start('limits_work', start_at => 'infinity');
SELECT count(workflow.cancel(id)) FROM workflow.executions WHERE workflow = 'limits_work' AND status = 'pending';
SELECT count(workflow.start('limits_work', start_at => 'infinity')) FROM generate_series(1, 4);
SELECT count(workflow.start('limits_work', start_at => 'infinity')) FROM generate_series(1, 2);
SELECT workflow.start('limits_work', start_at => 'infinity', idempotency_key => 'again') AS again \gset
-- a start that is repeated gives the execution there is, whatever there is no room for, or the role may not do any more
SELECT workflow.start('limits_work', start_at => 'infinity', idempotency_key => 'again') = :again AS same;
SELECT workflow.start('limits_work', start_at => 'infinity', idempotency_key => 'another');
RESET ROLE;
SELECT workflow.set_role_limits('regress_limits_a', max_pending => 100, max_payload_bytes => 1);
ALTER ROLE regress_limits_a NOLOGIN;
SET workflow.max_pending = 1;
SET ROLE regress_limits_a;
SELECT workflow.start('limits_work', '{"text": "longer"}', idempotency_key => 'again') = :again AS same;
SELECT workflow.start('limits_work', '1', idempotency_key => 'another');
RESET ROLE;
RESET workflow.max_pending;
ALTER ROLE regress_limits_a LOGIN;
SELECT workflow.set_role_limits('regress_limits_a', max_pending => 3);
-- of the role, not of its members, nor of others; and not of superusers
SET ROLE regress_limits_member;
SELECT workflow.start('limits_work', start_at => 'infinity') IS NULL AS started;
RESET ROLE;
SELECT workflow.set_role_limits('-', max_pending => 0);
SELECT workflow.start('limits_work', start_at => 'infinity') IS NULL AS started;
SET ROLE regress_limits_b;
SELECT workflow.start('limits_work', start_at => 'infinity');
RESET ROLE;
SELECT workflow.set_role_limits('regress_limits_b', max_pending => 1, max_payload_bytes => 50);
SET ROLE regress_limits_b;
SELECT workflow.start('limits_work', start_at => 'infinity') IS NULL AS started;
SELECT workflow.start('limits_work', start_at => 'infinity');
-- who sees them
SELECT role, max_pending, max_running, max_priority, max_payload_bytes, set_by = (SELECT relowner FROM pg_class WHERE oid = 'workflow.role_limits'::regclass) AS by_owner
FROM workflow.role_limits ORDER BY role::text;
RESET ROLE;
-- not what is shown by a snapshot of before
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT workflow.set_role_limits('regress_limits_b', max_pending => 2, max_payload_bytes => 50);
SET LOCAL ROLE regress_limits_b;
SELECT workflow.start('limits_work', start_at => 'infinity') IS NULL AS started;
ROLLBACK;
SELECT workflow.set_role_limits('-'), workflow.set_role_limits('-');
SELECT count(workflow.cancel(id)) FROM workflow.executions WHERE workflow = 'limits_work' AND status = 'pending';

-- payload: whatever is handed to an execution
SELECT workflow.set_role_limits('regress_limits_b', max_payload_bytes => 50, max_priority => 5);
SET ROLE regress_limits_b;
SELECT workflow.start('limits_work', '{"text": "0123456789012345678901234567890123456789"}');
SELECT workflow.execute('limits_work', '{"text": "0123456789012345678901234567890123456789"}');
CALL workflow.run('limits_work', '{"text": "0123456789012345678901234567890123456789"}');
SELECT workflow.execute('limits_work', '{"text": "0123456789"}') IS NULL AS executed;
SELECT workflow.start('limits_fails') AS id \gset
SELECT status, priority FROM workflow.wait(:id, '60 s');
SELECT workflow.retry(:id, 'a', '"01234567890123456789012345678901234567890123456789"');
SELECT workflow.skip_step(:id, 'a', '"01234567890123456789012345678901234567890123456789"');
SELECT dead_letter_id FROM workflow.dead_letter_status WHERE execution_id = :id \gset
SELECT workflow.replay(:dead_letter_id, '"01234567890123456789012345678901234567890123456789"');

-- what a schedule starts, too: what is too large, and where too many are queued
SELECT workflow.schedule('limits_large', 'limits_work', '0 0 1 1 *', '{"text": "0123456789012345678901234567890123456789"}', enabled => false);
SELECT workflow.run_schedule_now('limits_large');
SELECT workflow.schedule('limits_full', 'limits_work', '0 0 1 1 *', enabled => false);
RESET ROLE;
SELECT workflow.set_role_limits('regress_limits_b', max_pending => 0, max_payload_bytes => 50, max_priority => 5);
SET ROLE regress_limits_b;
SELECT workflow.run_schedule_now('limits_full');
RESET ROLE;
SELECT workflow.unschedule(name) FROM workflow.schedules WHERE name ~ '^limits_' ORDER BY name;
SELECT workflow.set_role_limits('regress_limits_b', max_payload_bytes => 50, max_priority => 5);
SET ROLE regress_limits_b;

-- priority: what is asked for is refused, what the definition says is lowered
SELECT workflow.start('limits_work', priority => 6);
SELECT workflow.schedule('limits', 'limits_work', '0 0 * * *', priority => 6, enabled => false);
SELECT workflow.start('limits_work', priority => 5, start_at => 'infinity') IS NULL AS started;
SET workflow.max_priority = 900;
RESET ROLE;

-- running: others wait until one has ended, those of other roles do not
SELECT workflow.set_role_limits('regress_limits_a', max_running => 1);
SELECT pg_advisory_lock(4713);
SET ROLE regress_limits_a;
SELECT workflow.start('limits_work') AS first \gset
SELECT workflow.start('limits_work') AS second \gset
SELECT workflow.start('limits_fails', priority => 1) AS third \gset
SET ROLE regress_limits_b;
SELECT workflow.start('limits_work') AS other \gset
RESET ROLE;
CALL test.until(format($$SELECT count(*) FILTER (WHERE status = 'running') = 2 AND count(*) FILTER (WHERE limited) = 2
    FROM workflow.executions WHERE id IN (%s, %s, %s, %s)$$, :first, :second, :third, :other));
SELECT count(*) FILTER (WHERE status = 'running' AND role = 'regress_limits_a'::regrole) AS own, count(*) FILTER (WHERE status = 'running' AND role = 'regress_limits_b'::regrole) AS others
FROM workflow.executions WHERE id IN (:first, :second, :third, :other);
SET ROLE regress_limits_a;
SELECT reason, regexp_replace(detail, '^[0-9]+', 'N') AS detail, help FROM workflow.why((SELECT id FROM workflow.executions WHERE id IN (:first, :second) AND limited));
RESET ROLE;
-- a limit that is lifted lets them go
SELECT workflow.set_role_limits('regress_limits_a', max_running => 3);
CALL test.until(format($$SELECT bool_and(NOT limited AND status <> 'pending') FROM workflow.executions WHERE id IN (%s, %s, %s)$$, :first, :second, :third));
SELECT workflow.set_role_limits('regress_limits_a', max_running => 1);
SET ROLE regress_limits_a;
SELECT workflow.start('limits_work') AS fourth \gset
RESET ROLE;
CALL test.until(format($$SELECT limited FROM workflow.executions WHERE id = %s$$, :fourth));
-- and the end of others
SELECT pg_advisory_unlock(4713);
SELECT status FROM workflow.wait(:fourth, '60 s');
SELECT status FROM workflow.wait(:second, '60 s');
SELECT status FROM workflow.wait(:third, '60 s');
SELECT status FROM workflow.wait(:other, '60 s');

-- what has begun and is queued again, having waited or been paused, is not among what is pending
SELECT workflow.set_role_limits('regress_limits_a', max_running => 1, max_pending => 1);
SELECT workflow.define('{"name": "limits_waits", "steps": [{"id": "a", "type": "set", "output": 1}, {"id": "b", "type": "set", "output": 2}]}') AS version;
SELECT pg_advisory_lock(4713);
SET ROLE regress_limits_a;
BEGIN;
SELECT workflow.start('limits_waits') AS held \gset
SELECT workflow.hold_step(:held, 'b');
COMMIT;
RESET ROLE;
CALL test.until(format($$SELECT status = 'waiting' FROM workflow.executions WHERE id = %s$$, :held));
SET ROLE regress_limits_a;
SELECT workflow.start('limits_work') AS first \gset
RESET ROLE;
CALL test.until(format($$SELECT status = 'running' FROM workflow.executions WHERE id = %s$$, :first));
SELECT workflow.release_step(:held, 'b');
CALL test.until(format($$SELECT status = 'pending' AND limited FROM workflow.executions WHERE id = %s$$, :held));
SET workflow.max_pending = 1;
SET ROLE regress_limits_a;
SELECT workflow.start('limits_work') AS second \gset
RESET ROLE;
RESET workflow.max_pending;
SET ROLE regress_limits_a;
SELECT workflow.start('limits_work');
SELECT workflow.pause(:held), workflow.cancel(:second), workflow.resume(:held);
SELECT workflow.start('limits_work') AS second \gset
RESET ROLE;
SELECT pg_advisory_unlock(4713);
SELECT status FROM workflow.wait(:held, '60 s');
SELECT status FROM workflow.wait(:first, '60 s');
SELECT status FROM workflow.wait(:second, '60 s');

-- executors: as many as its limit, or its CONNECTION LIMIT, says; others have theirs
SELECT workflow.set_role_limits('regress_limits_a', max_executors => 0);
SELECT count(workflow.recycle_executor(pid)) >= 0 AS recycled FROM workflow.executors WHERE role = 'regress_limits_a' AND database = current_database();
CALL test.until('SELECT NOT EXISTS (SELECT FROM workflow.executors WHERE role = ''regress_limits_a'' AND database = current_database())');
SET ROLE regress_limits_a;
SELECT workflow.start('limits_work') AS first \gset
SET ROLE regress_limits_b;
SELECT workflow.start('limits_work') AS other \gset
SELECT status FROM workflow.wait(:other, '60 s');
RESET ROLE;
CALL test.until(format($$SELECT reason = 'no executor' FROM workflow.why(%s) LIMIT 1$$, :first));
SET ROLE regress_limits_a;
SELECT reason, detail, help FROM workflow.why(:first);
RESET ROLE;
SELECT workflow.set_role_limits('regress_limits_a', max_executors => 1);
SELECT status FROM workflow.wait(:first, '60 s');
SELECT count(workflow.recycle_executor(pid)) >= 0 AS recycled FROM workflow.executors WHERE role = 'regress_limits_a' AND database = current_database();
CALL test.until('SELECT NOT EXISTS (SELECT FROM workflow.executors WHERE role = ''regress_limits_a'' AND database = current_database())');
SELECT workflow.set_role_limits('regress_limits_a', max_pending => 100);
ALTER ROLE regress_limits_a CONNECTION LIMIT 0;
SET ROLE regress_limits_a;
SELECT workflow.start('limits_work') AS first \gset
RESET ROLE;
CALL test.until(format($$SELECT reason = 'no executor' FROM workflow.why(%s) LIMIT 1$$, :first));
SELECT reason, detail FROM workflow.why(:first);
ALTER ROLE regress_limits_a CONNECTION LIMIT 1;
SELECT status FROM workflow.wait(:first, '60 s');

SELECT role, action, subject, after FROM workflow.audit_log WHERE action = 'set_role_limits' AND subject ~ 'regress_limits' ORDER BY id LIMIT 5;
-- what is left of a role that is gone goes with the next change
SELECT workflow.set_role_limits('regress_limits_member', max_pending => 1);
DROP OWNED BY regress_limits_member;
DROP ROLE regress_limits_member;
SELECT regexp_replace(role::text, '[0-9]+', 'N') AS role FROM workflow.role_limits ORDER BY role::text;
SELECT workflow.set_role_limits('regress_limits_b');
SELECT role FROM workflow.role_limits ORDER BY role::text;
SELECT workflow.set_role_limits('regress_limits_a');

SELECT count(workflow.cancel(id)) AS cancelled FROM workflow.executions WHERE workflow ~ '^limits_' AND status = 'pending';
DELETE FROM workflow.dead_letters WHERE workflow ~ '^limits_';
DELETE FROM workflow.step_executions WHERE execution_id IN (SELECT id FROM workflow.executions WHERE workflow ~ '^limits_');
DELETE FROM workflow.executions WHERE workflow ~ '^limits_';
DELETE FROM workflow.definitions WHERE name ~ '^limits_';
DELETE FROM workflow.audit_entries WHERE subject ~ '^(regress_)?limits_' OR role::text ~ 'regress_limits';
SELECT workflow.revoke_usage('regress_limits_a'), workflow.revoke_usage('regress_limits_b');
DROP ROLE regress_limits_a, regress_limits_b;

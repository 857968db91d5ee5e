--
-- Blocking a workflow: who may, what is refused, what is queued
--
SET client_min_messages = warning;
SELECT workflow.define('{"name": "block_me", "workflow_id": "block-77", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1", "result": "value"}]}') \gset
SELECT workflow.define('{"name": "block_other", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1", "result": "value"}]}') \gset

-- queued, before anybody blocks anything
SELECT workflow.start('block_me', start_at => now() + '1 hour') AS later \gset

SELECT workflow.block('no_such_workflow');
SELECT workflow.block(NULL);
SELECT workflow.block('block_me', 'it eats the disk');
-- asking twice is no mistake
SELECT workflow.block('block-77', 'again');
SELECT workflow, kind, reason, stuck_count, blocked_by = current_user::regrole AS by_me, unblocked_at IS NULL AS in_force
FROM workflow.blocked_workflows WHERE workflow = 'block_me';

-- every way to start it; others are not concerned
\set VERBOSITY terse
SELECT workflow.start('block_me');
SELECT workflow.start('block_me', version => 1);
SELECT workflow.execute('block_me');
CALL workflow.run('block_me');
\set VERBOSITY default
SELECT workflow.execute('block_other');
-- the error says who, when and why
DO $$
DECLARE
  detail text; hint text; state text;
BEGIN
  PERFORM workflow.start('block_me');
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, state = RETURNED_SQLSTATE;
  RAISE WARNING '% % %', state, regexp_replace(replace(detail, current_user, 'ME'), '\d{4}-.*?, by', 'TIME, by'), hint;
END $$;

-- a new version is blocked, too
SELECT workflow.define('{"name": "block_me", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 2", "result": "value"}]}') \gset
\set VERBOSITY terse
SELECT workflow.start('block_me');
\set VERBOSITY default

-- the queued one becomes blocked when it is due; it is not run, and wait() returns
UPDATE workflow.executions SET start_at = now() WHERE id = :later;
SELECT workflow.start('block_other') AS other \gset
SELECT status, started_at, completed_at, error_type, error FROM workflow.wait(:later, '60 s');
SELECT status FROM workflow.wait(:other, '60 s');

-- it can be cancelled
SELECT workflow.unblock('block_me', 'to queue another');
SELECT status, output FROM workflow.wait(:later, '60 s');
SELECT workflow.start('block_me', start_at => now() + '1 hour') AS later \gset
SELECT workflow.block('block_me');
UPDATE workflow.executions SET start_at = now() WHERE id = :later;
SELECT workflow.start('block_other') AS other \gset
SELECT status FROM workflow.wait(:later, '60 s');
SELECT workflow.cancel(:later, 'never mind');
SELECT status, completed_at IS NOT NULL AS ended FROM workflow.executions WHERE id = :later;

-- unblocked: queued again
SELECT workflow.unblock('block_me', 'the disk is larger now');
SELECT workflow.unblock('block_me');
SELECT workflow.start('block_me') AS id \gset
SELECT status, output FROM workflow.wait(:id, '60 s');
SELECT kind, reason, unblock_reason, unblocked_by = current_user::regrole AS by_me, unblocked_at > blocked_at AS later
FROM workflow.blocked_workflows WHERE workflow = 'block_me' ORDER BY id;
SELECT action, subject_type, subject, reason FROM workflow.audit_log WHERE subject = 'block_me' ORDER BY id;

-- rolled back, it never happened
BEGIN;
SELECT workflow.block('block_me');
ROLLBACK;
SELECT workflow.execute('block_me');

-- who may: the owner of the workflow, the owner of the extension
CREATE ROLE regress_block_owner LOGIN;
CREATE ROLE regress_block_stranger LOGIN;
SELECT workflow.grant_usage('regress_block_owner'), workflow.grant_usage('regress_block_stranger');
SET ROLE regress_block_owner;
SELECT workflow.define('{"name": "block_his", "steps": [{"id": "a", "type": "set", "output": 1}]}') \gset
SELECT workflow.block('block_his', 'mine');
SELECT workflow.block('block_me');
SET ROLE regress_block_stranger;
SELECT workflow.unblock('block_his');
SELECT workflow, reason FROM workflow.blocked_workflows WHERE workflow = 'block_his';
UPDATE workflow.blocked_workflows SET unblocked_at = now();
RESET ROLE;
SELECT workflow.unblock('block_his', 'by the owner of the extension');
SELECT workflow.revoke_usage('regress_block_owner'), workflow.revoke_usage('regress_block_stranger');

-- by a role that is no more
CREATE ROLE block_gone;
SELECT workflow.grant_usage('block_gone');
SELECT current_user AS me \gset
SELECT format('GRANT %I TO block_gone', :'me') \gexec
SET ROLE block_gone;
SELECT workflow.block('block_me', 'I leave');
RESET ROLE;
DROP OWNED BY block_gone;
DROP ROLE block_gone;
DO $$
DECLARE
  detail text;
BEGIN
  PERFORM workflow.start('block_me');
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RAISE WARNING '%', regexp_replace(substring(detail, 'by role .*'), '\d+', 'N');
END $$;
SELECT workflow.unblock('block_me');

-- claimed again, and blocked, while its step runs: what this comes to counts
SELECT workflow.define($${"name": "block_gate", "steps": [{"id": "a", "sql": "SELECT test.pass('1')", "result": "value"}]}$$);
CALL test.to_gate('block_gate');
SELECT workflow.block('block_gate'), workflow.pause(test.id()), workflow.resume(test.id());
CALL test.until($$SELECT status = 'blocked' FROM workflow.executions WHERE id = test.id()$$);
CALL test.open_gate();
SELECT status, output, error, error_type FROM workflow.wait(test.id(), '60 s');
SELECT status, attempt FROM workflow.step_executions WHERE execution_id = test.id();
-- also when something is still to be done before it ends
SELECT workflow.define($${"name": "block_chain", "on_failure": [{"id": "told", "sql": "SELECT $1::text", "params": ["${workflow.error.type}"], "result": "value"}],
  "steps": [{"id": "a", "sql": "SELECT 1 / (test.pass('0') #>> '{}')::int"}]}$$);
CALL test.to_gate('block_chain');
SELECT workflow.block('block_chain'), workflow.pause(test.id()), workflow.resume(test.id());
CALL test.until($$SELECT status = 'blocked' FROM workflow.executions WHERE id = test.id()$$);
CALL test.open_gate();
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT workflow.unblock('block_chain');
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT step_id, status, attempt, output FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;
-- and when it waits for room, its own, in its first step
SELECT workflow.define($${"name": "block_room", "max_running": 1, "steps": [{"id": "a", "sql": "SELECT test.pass('1')", "result": "value"}]}$$);
CALL test.to_gate('block_room');
SELECT workflow.pause(test.id()), workflow.resume(test.id());
CALL test.until($$SELECT status = 'pending' AND limited FROM workflow.executions WHERE id = test.id()$$);
CALL test.open_gate();
SELECT status, output, started_at IS NOT NULL AS started FROM workflow.wait(test.id(), '60 s');
SELECT status, attempt FROM workflow.step_executions WHERE execution_id = test.id();

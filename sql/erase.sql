--
-- Erasing: what an execution worked with goes, the fact stays
--
SET client_min_messages = notice;
CREATE ROLE regress_erase_starter LOGIN;
CREATE ROLE regress_erase_owner LOGIN;
CREATE ROLE regress_erase_member LOGIN IN ROLE regress_erase_starter;
CREATE ROLE regress_erase_other LOGIN;
CREATE ROLE regress_erase_monitor LOGIN IN ROLE pg_monitor;
SELECT count(workflow.grant_usage(oid::regrole)) FROM pg_roles WHERE rolname ~ '^regress_erase' AND rolcanlogin;
SET ROLE regress_erase_owner;
SELECT workflow.define('{"name": "erase_work", "dead_letter": true, "steps": [
  {"id": "keep", "type": "set", "assign": {"who": "${workflow.input.who}"}},
  {"id": "each", "type": "loop", "collection": "${workflow.input.list}", "label": "of ${workflow.input.who}", "loop_body": [
     {"id": "say", "type": "sql", "sql": "SELECT $1::text AS said", "params": ["${workflow.input.who}"], "result": "row"}]},
  {"id": "read", "type": "sql", "sql": "SELECT $1::integer AS n", "params": ["${workflow.input.number}"], "result": "value"}]}');
RESET ROLE;

SET ROLE regress_erase_starter;
SELECT workflow.start('erase_work', '{"who": "ERASE_ME", "list": [1, 2], "number": "ERASE_ME"}', tenant => 'acme', idempotency_key => 'ERASE_ME') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
RESET ROLE;
SELECT id AS letter FROM workflow.dead_letters WHERE execution_id = :id \gset

-- A173, A174: who may not: who steers it, who only looks, and who has nothing to do with it
SELECT role, test.outcome('regress_erase_' || role, format('SELECT workflow.erase(%s)', :id)) FROM unnest('{owner,monitor,other}'::text[]) AS role;
SET ROLE regress_erase_owner;
SELECT workflow.grant_execute('erase_work', 'regress_erase_other', 'steer');
RESET ROLE;
SELECT test.outcome('regress_erase_other', format('SELECT workflow.erase(%s)', :id));
SELECT test.outcome('regress_erase_starter', 'SELECT workflow.erase(0)');
SELECT test.outcome('regress_erase_starter', 'SELECT workflow.erase(NULL)');
-- and not before its end, whatever it waits for
SET ROLE regress_erase_starter;
SELECT workflow.start('erase_work', start_at => 'infinity') AS waits \gset
SELECT workflow.pause(:waits);
RESET ROLE;
SELECT test.outcome('regress_erase_starter', format('SELECT workflow.erase(%s)', :waits));
SET ROLE regress_erase_starter;
BEGIN;
SELECT workflow.start('erase_work', '{"who": "ERASE_ME", "list": [1, 2]}', parallel => true) AS held \gset
SELECT workflow.hold_step(:held, 'say', 'ERASE_ME');
COMMIT;
RESET ROLE;
CALL test.until(format('SELECT EXISTS (SELECT FROM workflow.waits WHERE execution_id = %s)', :held));
SELECT test.outcome('regress_erase_starter', format('SELECT workflow.erase(%s)', :held));
SET ROLE regress_erase_starter;
SELECT workflow.cancel(:held, 'ERASE_ME');
SELECT status FROM workflow.wait(:held, '60 s');
SELECT workflow.erase(:held) > 1 AS erased;
RESET ROLE;
SELECT e.step_marks -> 'say' ->> 'mark' AS mark, e::text ~ 'ERASE_ME' AS "with it", (SELECT count(*) FROM workflow.waits AS w WHERE w.execution_id = e.id) AS waits
FROM workflow.executions AS e WHERE id = :held;
SELECT count(*) FROM workflow.step_executions AS s WHERE s.execution_id = :held AND s::text ~ 'ERASE_ME';
SET ROLE regress_erase_starter;
SELECT workflow.cancel(:waits, 'ERASE_ME');
SELECT status FROM workflow.wait(:waits, '60 s');
SELECT count(*) > 0 AS audited FROM workflow.audit_log WHERE execution_id = :waits AND reason = 'ERASE_ME';
SELECT workflow.erase(:waits) > 1 AS erased;
SELECT status, cancelled_by, cancel_reason, input FROM workflow.executions WHERE id = :waits;
SELECT action, role, reason FROM workflow.audit_log WHERE execution_id = :waits ORDER BY id;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT workflow.erase(:waits);
ROLLBACK;

-- A175: what becomes of each column that could hold something: each is filled first, so that one that is
-- added comes into this list.  docs/erasure.md says why; test/docs/security.pl compares
RESET ROLE;
UPDATE workflow.executions SET cancelled_by = role, cancel_reason = 'ERASE_ME', paused_by = role, pause_reason = 'ERASE_ME', output = '"ERASE_ME"',
    step_inputs = '{"read": "ERASE_ME"}', traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    step_marks = jsonb_build_object('read', jsonb_build_object('mark', 'skip', 'by', 'somebody', 'at', now(), 'output', 'ERASE_ME', 'reason', 'ERASE_ME')),
    interruptions = jsonb_build_array(jsonb_build_object('event', 'failed', 'at', now(), 'error', error, 'by', 'somebody', 'reason', 'ERASE_ME'),
                                      jsonb_build_object('event', 'recovered', 'at', now(), 'last_at', now(), 'times', 3, 'reason', 'ERASE_ME'))
WHERE id = :id;
UPDATE workflow.step_executions SET input = '"ERASE_ME"', variables = '{"who": "ERASE_ME"}', on_failure = 'ignored', agent_name = 'agent', branch_name = 'branch', branch_taken = 'else',
    join_policy = 'all', loop_execution_mode = 'sequential', loop_label = 'ERASE_ME', condition_expression = '1', parent_step_id = 'each', scope_outcome = 'failed',
    output = '"ERASE_ME"', error = error || '{"detail": "ERASE_ME", "hint": "ERASE_ME", "context": "ERASE_ME", "constraint": "ERASE_ME"}'
WHERE execution_id = :id AND step_id = 'read';
UPDATE workflow.dead_letters SET discard_reason = 'ERASE_ME' WHERE id = :letter;
INSERT INTO workflow.audit_entries (action, subject_type, subject, execution_id, role, session_role, pid, application_name, reason, before, after)
VALUES ('skip_step', 'step', 'read', :id, 'regress_erase_owner', 'regress_erase_owner', 1, 'psql', 'ERASE_ME', '{"mark": "none"}', '{"mark": "skip"}');
INSERT INTO workflow.executor_history (started_at, pid, role, reason, request_reason, execution_id, workflow, scope, step_id, stuck_at)
VALUES (now(), 1, 'regress_erase_starter', 'stuck', 'ERASE_ME', :id, 'erase_work', '', 'read', now());
INSERT INTO workflow.schedule_run_entries (schedule_id, schedule, role, due_at, manual, outcome, execution_id, reason)
VALUES (-1, 'erase_schedule', 'regress_erase_starter', now(), false, 'skipped', :id, '1 executions wait already');
CREATE TEMP TABLE erase_rows AS SELECT * FROM (VALUES
    ('executions', format('id = %s', :id)), ('step_executions', format('execution_id = %s AND step_id = %L', :id, 'read')),
    ('dead_letters', format('id = %s', :letter)), ('audit_entries', format('execution_id = %s AND action = %L', :id, 'skip_step')),
    ('executor_history', format('execution_id = %s', :id)), ('schedule_run_entries', format('execution_id = %s', :id))) AS r (name, condition);
CREATE TEMP TABLE erase_columns AS
SELECT c.relname::text AS name, a.attname::text AS "column", a.attnum, NULL::text AS was, NULL::text AS after
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'p')
  AND a.atttypid NOT IN ('boolean'::regtype, 'integer'::regtype, 'bigint'::regtype, 'bigint[]'::regtype, 'numeric'::regtype, 'regrole'::regtype, 'workflow.role'::regtype,
      'timestamptz'::regtype, 'date'::regtype, 'interval'::regtype, 'tstzmultirange'::regtype, 'inet'::regtype,
      'workflow.status_of_execution'::regtype, 'workflow.status_of_step'::regtype);
CREATE FUNCTION erase_look(name text, "column" text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE (SELECT format('SELECT t.%I::text FROM workflow.%I AS t WHERE %s', $2, r.name, r.condition) FROM erase_rows AS r WHERE r.name = $1) INTO result;
    RETURN result;
END $$;
UPDATE erase_columns AS c SET was = erase_look(c.name, c."column") WHERE c.name IN (SELECT name FROM erase_rows);
SELECT c.name, c."column" AS "not filled" FROM erase_columns AS c JOIN erase_rows AS r ON r.name = c.name WHERE c.was IS NULL;
-- by a member, with a reason
SET ROLE regress_erase_member;
SELECT workflow.erase(:id, 'request 4711') > 5 AS erased;
RESET ROLE;
UPDATE erase_columns AS c SET after = erase_look(c.name, c."column") WHERE c.name IN (SELECT name FROM erase_rows);
SELECT c.name AS "table", c."column",
       CASE WHEN r.name IS NULL THEN 'not touched' WHEN c.after IS NULL OR c.after = 'null' THEN 'taken out'
            WHEN c.after = c.was THEN 'kept' ELSE 'reduced' END AS "erase()"
FROM erase_columns AS c LEFT JOIN erase_rows AS r ON r.name = c.name ORDER BY r.name IS NULL, c.name, c.attnum;
-- nothing of it is left anywhere, where somebody may have put it
SELECT count(*) AS "with it" FROM erase_columns AS c WHERE c.was ~ 'ERASE_ME';
SELECT c.name, c."column" FROM erase_columns AS c WHERE c.after ~ 'ERASE_ME';
SELECT count(*) AS rows, count(*) FILTER (WHERE s::text ~ 'ERASE_ME') AS "with it" FROM workflow.step_executions AS s WHERE s.execution_id = :id;
SELECT count(*) FROM workflow.dead_letters AS l WHERE l::text ~ 'ERASE_ME' UNION ALL SELECT count(*) FROM workflow.audit_entries AS a WHERE a::text ~ 'ERASE_ME' AND execution_id = :id;
-- what is left of what was reduced
SELECT jsonb_set(jsonb_set(step_marks, '{read,at}', '1'), '{read,by}', '1') AS step_marks, error, interruptions #- '{0,at}' #- '{1,at}' #- '{1,last_at}' AS interruptions
FROM workflow.executions WHERE id = :id;
SELECT error, error_type FROM workflow.step_executions WHERE execution_id = :id AND step_id = 'read';
SELECT status, discarded_by, settled_at IS NOT NULL AS settled, input, error, retry_history -> 0 #- '{execution_id}' #- '{started_at}' #- '{completed_at}' AS retry_history
FROM workflow.dead_letters WHERE id = :letter;

-- the fact: whose, when, how it ended; who has erased it and why
SET ROLE regress_erase_starter;
SELECT workflow, version, status, tenant, error_type, completed_at IS NOT NULL AS ended, erased_at > completed_at AS erased, idempotency_key FROM workflow.executions WHERE id = :id;
SELECT scope, step_id, status, error_type FROM workflow.step_executions WHERE execution_id = :id ORDER BY completed_at, scope, step_id;
SELECT action, role, reason FROM workflow.audit_log WHERE execution_id = :id AND action = 'erase';
SELECT event, step_id, detail FROM workflow.history WHERE execution_id = :id AND event IN ('failed', 'step failed', 'erase', 'skip_step') ORDER BY at;
SELECT reason, step_id, detail, help FROM workflow.why(:id);
SELECT strpos(workflow.timeline(:id) || workflow.timeline_svg(:id) || workflow.diagram(:id) || workflow.report(:id), 'ERASE_ME') AS "in pictures";
SELECT output, error FROM workflow.wait(:id);
-- again: nothing is left to be taken out, and nothing more is said
SELECT workflow.erase(:id, 'again');
SELECT count(*) FROM workflow.audit_log WHERE execution_id = :id AND action = 'erase';

-- A176: it does not go on
RESET ROLE;
SELECT test.outcome('regress_erase_starter', call) FROM unnest(ARRAY[format('SELECT workflow.retry(%s)', :id), format('SELECT workflow.retry(%s, ''read'', ''1'')', :id),
    format('SELECT workflow.replay(%s)', :letter), format('SELECT workflow.replay(%s, ''{}'')', :letter), format('SELECT workflow.discard(%s)', :letter)]) AS call;
SET client_min_messages = warning;
SELECT workflow.replay_all('erase_work'), workflow.retry_executions('erase_work'), workflow.retry_help(:id), workflow.retry_possible(:id);
SET client_min_messages = notice;
-- its key is free
SET ROLE regress_erase_starter;
SELECT workflow.start('erase_work', '{"who": "ERASE_ME"}', idempotency_key => 'ERASE_ME', start_at => 'infinity') <> :id AS "another one";

-- its replays have worked with the same: all of them, whichever is named
SELECT workflow.start('erase_work', '{"who": "ERASE_ME", "list": [1], "number": "x"}') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT dead_letter_id AS letter FROM workflow.dead_letter_status WHERE execution_id = :id \gset
SELECT workflow.replay(:letter) AS first \gset
SELECT status FROM workflow.wait(:first, '60 s');
SELECT workflow.retry(:id);
SELECT status FROM workflow.wait(:id, '60 s');
SELECT workflow.replay(:letter, '{"who": "ERASE_ME", "list": [1], "number": 1}') AS second \gset
SELECT status FROM workflow.wait(:second, '60 s');
SELECT l.status, l.replays = ARRAY[:first, :second]::bigint[] AS replays FROM workflow.dead_letters AS l WHERE l.id = :letter;
BEGIN;
SELECT workflow.erase(:first) > 0 AS erased;
SELECT count(*) AS executions, count(erased_at) AS erased, count(*) FILTER (WHERE e::text ~ 'ERASE_ME') AS "with it" FROM workflow.executions AS e WHERE id IN (:id, :first, :second);
SELECT count(*) AS steps, count(*) FILTER (WHERE s::text ~ 'ERASE_ME') AS "with it" FROM workflow.step_executions AS s WHERE execution_id IN (:id, :first, :second);
SELECT l.status, l.erased_at IS NOT NULL AS erased, l::text ~ 'ERASE_ME' AS "with it" FROM workflow.dead_letters AS l WHERE l.id = :letter;
SELECT count(DISTINCT execution_id) AS entries FROM workflow.audit_log WHERE execution_id IN (:id, :first, :second) AND action = 'erase';
ROLLBACK;
-- when the dead letter is gone, too, and when the execution is
RESET ROLE;
BEGIN;
DELETE FROM workflow.dead_letters WHERE id = :letter;
SET LOCAL ROLE regress_erase_starter;
SELECT workflow.erase(:second) > 0 AS erased;
SELECT count(erased_at) AS erased FROM workflow.executions WHERE id IN (:id, :first, :second);
ROLLBACK;
BEGIN;
DELETE FROM workflow.executions WHERE id = :id;
SELECT test.outcome('regress_erase_other', format('SELECT workflow.erase(%s)', :id));
SET LOCAL ROLE regress_erase_starter;
SELECT workflow.erase(:id) > 0 AS erased;
SELECT count(erased_at) AS erased FROM workflow.executions WHERE id IN (:id, :first, :second);
SELECT l.erased_at IS NOT NULL AS erased, l::text ~ 'ERASE_ME' AS "with it" FROM workflow.dead_letters AS l WHERE l.id = :letter;
ROLLBACK;
-- what the audit log has of one that was pruned is for who prunes
BEGIN;
DELETE FROM workflow.dead_letters WHERE id = :letter;
DELETE FROM workflow.executions WHERE id IN (:id, :first, :second);
UPDATE workflow.audit_entries SET reason = 'ERASE_ME' WHERE execution_id = :id;
SELECT test.outcome('regress_erase_starter', format('SELECT workflow.erase(%s)', :id));
SELECT workflow.erase(:id) > 0 AS erased;
SELECT count(*) FROM workflow.audit_entries WHERE execution_id = :id AND reason = 'ERASE_ME';
ROLLBACK;
SELECT test.outcome(current_user, 'SELECT workflow.erase(9100000000)');
-- one of them has not ended
SET ROLE regress_erase_starter;
SELECT workflow.start('erase_work', '{"list": [], "number": "x"}') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT dead_letter_id AS letter FROM workflow.dead_letter_status WHERE execution_id = :id \gset
BEGIN;
SELECT workflow.replay(:letter) AS replay \gset
SELECT workflow.pause(:replay);
COMMIT;
RESET ROLE;
SELECT test.outcome('regress_erase_starter', format('SELECT workflow.erase(%s)', :id));
-- one of them is another role's
UPDATE workflow.executions SET role = 'regress_erase_other' WHERE id = :id;
SELECT test.outcome('regress_erase_starter', format('SELECT workflow.erase(%s)', :replay));
UPDATE workflow.executions SET role = 'regress_erase_starter' WHERE id = :id;

-- the type of an error that a step has made of data; one that is in the definition is no data
SET ROLE regress_erase_owner;
SELECT workflow.define('{"name": "erase_fail", "dead_letter": true, "steps": [
  {"id": "which", "type": "conditional", "condition": "${workflow.input.known}", "if_true_step": {"id": "known", "type": "fail", "error": "Known", "message": "${workflow.input.who}"},
   "if_false_step": {"id": "made", "type": "fail", "error": "${workflow.input.who}", "message": "${workflow.input.who}"}}]}');
SET ROLE regress_erase_starter;
SELECT workflow.start('erase_fail', '{"who": "ERASE_ME", "known": false}') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '60 s');
SELECT workflow.erase(:id) > 0 AS erased;
SELECT e.error_type, e.error FROM workflow.executions AS e WHERE e.id = :id;
SELECT s.step_id, s.error_type, s.error FROM workflow.step_executions AS s WHERE s.execution_id = :id AND s.step_id = 'made';
SELECT l.error_type, l.error, l.retry_history -> 0 -> 'error_type' AS in_history FROM workflow.dead_letters AS l WHERE l.execution_id = :id;
SELECT workflow.erase(:id);
SELECT workflow.start('erase_fail', '{"who": "ERASE_ME", "known": true}') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '60 s');
SELECT workflow.erase(:id) > 0 AS erased;
SELECT e.error_type, e.error FROM workflow.executions AS e WHERE e.id = :id;

-- one of execute(), in the transaction that has run it
BEGIN;
SELECT workflow.execute('erase_work', '{"who": "ERASE_ME", "list": [], "number": 1}') IS NULL AS executed;
SELECT max(id) AS id FROM workflow.executions WHERE inline \gset
SELECT workflow.erase(:id) > 0 AS erased;
SELECT count(*) FROM workflow.step_executions AS s WHERE execution_id = :id AND s::text ~ 'ERASE_ME';
COMMIT;
RESET ROLE;

DELETE FROM workflow.schedule_run_entries WHERE schedule = 'erase_schedule';
DELETE FROM workflow.executor_history WHERE workflow = 'erase_work';
SELECT count(workflow.cancel(id)) FROM workflow.executions WHERE workflow = 'erase_work' AND status IN ('pending', 'paused');
SELECT status FROM workflow.wait(:replay, '60 s');
DELETE FROM workflow.dead_letters WHERE workflow ~ '^erase_';
DELETE FROM workflow.step_executions WHERE execution_id IN (SELECT id FROM workflow.executions WHERE workflow ~ '^erase_');
DELETE FROM workflow.executions WHERE workflow ~ '^erase_';
DELETE FROM workflow.definitions WHERE name ~ '^erase_';
DELETE FROM workflow.grants WHERE workflow ~ '^erase_';
DELETE FROM workflow.audit_entries WHERE role::text ~ '^regress_erase';
DROP FUNCTION erase_look;
SELECT count(workflow.revoke_usage(oid::regrole)) FROM pg_roles WHERE rolname ~ '^regress_erase' AND rolcanlogin;
DROP ROLE regress_erase_starter, regress_erase_owner, regress_erase_member, regress_erase_other, regress_erase_monitor;

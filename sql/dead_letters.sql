--
-- Dead letters: what failed for good waits for a replay, a retry or a discard
--
SELECT COALESCE(max(a.id), 0) AS audited FROM workflow.audit_log AS a \gset
SET client_min_messages = notice;
CREATE TABLE test.broken (id int);
CREATE VIEW test.letter AS
SELECT status, execution_status AS ended, step_id, error_type, regexp_replace(error ->> 'message', 'after \d+\.\d+ s', 'after N s') AS message, failure_count AS failures,
       jsonb_array_length(retry_history) AS attempts, replay_execution_id IS NOT NULL AS replay, settled_at IS NOT NULL AS settled
FROM workflow.dead_letters WHERE execution_id = test.id();
-- a replay of the execution the views are about, to its end; that stays the one they are about
CREATE PROCEDURE test.replay(input jsonb DEFAULT NULL, INOUT ended text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    id bigint := workflow.replay((SELECT l.id FROM workflow.dead_letters AS l WHERE l.execution_id = test.id()), input);
BEGIN
    PERFORM set_config('test.replay', id::text, false);
    COMMIT;
    SELECT e.status INTO ended FROM workflow.wait(id, '60 seconds') AS e;
END $$;

-- a step that fails as long as the table has a row; two attempts each time
SELECT workflow.define($${"name": "letter", "dead_letter": true, "steps": [
  {"id": "a", "type": "set", "assign": {"n": 1}},
  {"id": "b", "type": "sql", "sql": "SELECT 1 / (CASE WHEN EXISTS (SELECT FROM test.broken) THEN 0 ELSE input.d::int END)", "result": "value",
   "input_mapping": {"d": "${workflow.input.d ?? 1}"},
   "retry": {"errors": ["all"], "max_retries": 1, "type": "immediate"}}]}$$) AS version;
INSERT INTO test.broken VALUES (1);
CALL test.go('letter', '{"d": 1, "secret": "s"}');
TABLE test.letter;
SELECT l.workflow, l.version, l.role = current_user::regrole AS mine, l.tenant, l.priority, l.input,
       l.first_failed_at = e.completed_at AND l.last_failed_at = e.completed_at AS same_time, e.dead_letter_id = l.id AS known
FROM workflow.dead_letters AS l JOIN workflow.executions AS e ON e.id = l.execution_id WHERE l.execution_id = test.id();
SELECT h.attempt - '{execution_id,started_at,completed_at}'::text[] AS attempt, (h.attempt ->> 'execution_id')::bigint = test.id() AS of_this,
       (h.attempt ->> 'completed_at')::timestamptz >= (h.attempt ->> 'started_at')::timestamptz AS in_order
FROM workflow.dead_letters AS l, jsonb_array_elements(l.retry_history) WITH ORDINALITY AS h(attempt, n)
WHERE l.execution_id = test.id() ORDER BY h.n;

-- a replay that fails makes no new dead letter: it updates the old one
CALL test.replay();
TABLE test.letter;
SELECT count(*) FROM workflow.dead_letters WHERE workflow = 'letter';
SELECT l.last_failed_at > l.first_failed_at AS later, l.replayed_by = current_user::regrole AS by_me, r.dead_letter_id = l.id AS known,
       r.input = l.input AS same_input, r.id <> l.execution_id AS another
FROM workflow.dead_letters AS l JOIN workflow.executions AS r ON r.id = l.replay_execution_id WHERE l.execution_id = test.id();

-- while it is replayed, it is not replayed again, and cannot be discarded
BEGIN;
SELECT id AS letter FROM workflow.dead_letters WHERE execution_id = test.id() \gset
SET client_min_messages = warning;
SELECT workflow.replay(:letter) AS replay \gset
SELECT workflow.replay(:letter) = :replay AS same;
SELECT status FROM test.letter;
\set VERBOSITY sqlstate
SELECT workflow.discard(:letter);
\set VERBOSITY default
ROLLBACK;
SET client_min_messages = notice;
SELECT status FROM test.letter;
-- a replay that is cancelled was none
SET client_min_messages = warning;
SELECT workflow.define($${"name": "letter", "dead_letter": true, "steps": [{"id": "b", "type": "sql", "sql": "SELECT pg_sleep(600)"}]}$$) AS version;
SELECT workflow.replay(:letter) AS replay \gset
DO $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXIT WHEN EXISTS (SELECT FROM workflow.activity AS a JOIN workflow.dead_letters AS l ON l.replay_execution_id = a.execution_id WHERE a.wait_event = 'PgSleep');
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
    END LOOP;
END $$;
SELECT status FROM test.letter;
SELECT workflow.cancel(:replay) IN ('cancelling', 'cancelled') AS ok;
SELECT version, status FROM workflow.wait(:replay, '60 seconds');
TABLE test.letter;
-- nor one that is cancelled before it begins
BEGIN;
SELECT workflow.replay(:letter) AS replay \gset
SELECT workflow.cancel(:replay);
COMMIT;
TABLE test.letter;

-- success settles it; a version may be asked for, and another input
DELETE FROM test.broken;
SELECT workflow.replay(:letter, '{"d": 2}', 1) AS replay \gset
SELECT version, status, input, priority FROM workflow.wait(:replay, '60 seconds');
TABLE test.letter;
SELECT input, replay_execution_id = :replay AS by_it FROM workflow.dead_letters WHERE execution_id = test.id();
SELECT workflow.replay(:letter) = :replay AS same;
SELECT workflow.discard(:letter);

-- a timeout is a failure too; a cancel is none, and nor is a failure without the field
SELECT workflow.define($${"name": "letter_timeout", "dead_letter": {"retention_days": 7}, "timeout_seconds": 1, "steps": [{"id": "slow", "type": "sql", "sql": "SELECT pg_sleep(600)"}]}$$) \gset
SELECT workflow.define($${"name": "letter_none", "dead_letter": false, "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1 / 0"}]}$$) \gset
SELECT workflow.define($${"name": "letter_fail", "dead_letter": true, "steps": [{"id": "f", "type": "fail", "error": "Refused", "message": "not today"}]}$$) \gset
SELECT workflow.define($${"name": "letter_inside", "dead_letter": true, "steps": [{"id": "p", "type": "parallel", "parallel_steps": [
  {"id": "good", "type": "sql", "sql": "SELECT 1"}, {"id": "bad", "type": "sql", "sql": "SELECT 1 / 0"}]}]}$$) \gset
CALL test.go_late('{slow timed_out}', 'letter_timeout');
TABLE test.letter;
SELECT keep_until = last_failed_at + interval '7 days' AS a_week FROM workflow.dead_letters WHERE execution_id = test.id();
CALL test.go('letter_none');
TABLE test.letter;
CALL test.go('letter_fail');
TABLE test.letter;
CALL test.go('letter_inside');
TABLE test.letter;
SELECT workflow.start('letter_fail', start_at => 'infinity') AS id \gset
SELECT workflow.cancel(:id);
SELECT count(*) FROM workflow.dead_letters WHERE execution_id = :id;
-- execute() raises the error and leaves nothing
SELECT workflow.execute('letter_fail');
SELECT count(*) FROM workflow.dead_letters WHERE workflow = 'letter_fail';
-- the end comes after compensations and the on_failure chain, and so does the dead letter
SELECT workflow.define($${"name": "letter_epilogue", "dead_letter": true, "on_failure": "tell", "start_step": "a", "steps": {
  "a": {"type": "sql", "sql": "SELECT 1", "compensate": {"id": "undo", "type": "sql", "sql": "SELECT count(*) FROM workflow.dead_letters WHERE workflow = 'letter_epilogue'", "result": "value"}, "next_step": "b"},
  "b": {"type": "sql", "sql": "SELECT 1 / 0"},
  "tell": {"type": "sql", "sql": "SELECT count(*) FROM workflow.dead_letters WHERE workflow = 'letter_epilogue'", "result": "value"}}}$$) \gset
CALL test.go('letter_epilogue');
TABLE test.letter;
SELECT step_id, status, output FROM workflow.step_executions WHERE execution_id = test.id() AND step_id IN ('undo', 'tell') ORDER BY 1;
-- a retry of the execution itself: its end counts like that of a replay; one at a time
INSERT INTO test.broken VALUES (1);
SELECT workflow.define($${"name": "letter_retry", "dead_letter": true, "steps": [{"id": "b", "type": "sql", "sql": "SELECT 1 / (CASE WHEN EXISTS (SELECT FROM test.broken) THEN 0 ELSE 1 END)"}]}$$) \gset
CALL test.go('letter_retry');
SELECT id AS letter FROM workflow.dead_letters WHERE execution_id = test.id() \gset
BEGIN;
SELECT workflow.replay(:letter) > 0 AS replayed;
\set VERBOSITY sqlstate
SELECT workflow.retry(test.id());
\set VERBOSITY default
ROLLBACK;
SELECT workflow.retry(test.id());
SELECT status FROM workflow.wait(test.id(), '60 seconds');
TABLE test.letter;
DELETE FROM test.broken;
BEGIN;
SELECT workflow.retry(test.id());
SELECT workflow.replay(:letter) = test.id() AS by_itself;
SELECT status FROM test.letter;
COMMIT;
SELECT status FROM workflow.wait(test.id(), '60 seconds');
TABLE test.letter;
-- a blocked workflow is not replayed
SELECT id AS letter FROM workflow.dead_letters WHERE workflow = 'letter_fail' \gset
SELECT workflow.block('letter_fail', 'not now') IS NOT NULL AS blocked;
\set VERBOSITY sqlstate
SELECT workflow.replay(:letter);
\set VERBOSITY default
SELECT workflow.unblock('letter_fail') IS NOT NULL AS unblocked;
-- a transaction that started it and was rolled back, and one with a replay
SELECT id AS letter FROM workflow.dead_letters WHERE workflow = 'letter_fail' \gset
BEGIN;
SELECT workflow.replay(:letter) IS NOT NULL AS started;
ROLLBACK;
SELECT status, replay_execution_id FROM workflow.dead_letters WHERE id = :letter;

-- many at once
SELECT workflow.start('letter_fail', jsonb_build_object('n', n)) FROM generate_series(1, 5) AS n \g /dev/null
SELECT count(*) FROM (SELECT id FROM workflow.executions WHERE workflow = 'letter_fail' AND status NOT IN ('cancelled') OFFSET 0) AS e, LATERAL workflow.wait(e.id, '60 s') AS w WHERE w.status = 'failed';
SELECT workflow.define($${"name": "letter_fail", "dead_letter": true, "steps": [{"id": "f", "type": "set", "output": "${workflow.input.n ?? 0}"}]}$$) \gset
SELECT workflow.replay_all('letter_fail', 'Other');
SELECT workflow.replay_all('letter_fail', 'Refused', 2);
SELECT workflow.replay_all('letter_fail', max_dead_letters => 0);
SELECT workflow.replay_all('letter_fail');
SELECT w.status, w.output FROM (SELECT replay_execution_id AS id FROM workflow.dead_letters WHERE workflow = 'letter_fail' OFFSET 0) AS l, LATERAL workflow.wait(l.id, '60 s') AS w ORDER BY w.output;
SELECT status, count(*) FROM workflow.dead_letters WHERE workflow = 'letter_fail' GROUP BY 1;
SELECT workflow.replay_all('letter_fail');

-- discarded: by whom and why; not replayed any more
SELECT id AS letter FROM workflow.dead_letters WHERE workflow = 'letter_inside' \gset
SELECT workflow.discard(:letter, 'known, not worth it');
SELECT workflow.discard(:letter, 'another reason');
SELECT status, discarded_by = current_user::regrole AS by_me, discard_reason, settled_at IS NOT NULL AS settled FROM workflow.dead_letters WHERE id = :letter;
DO $$
BEGIN
    PERFORM workflow.replay(id) FROM workflow.dead_letters WHERE workflow = 'letter_inside';
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RAISE WARNING '%', regexp_replace(sqlerrm, '\d+', 'N');
END $$;
SELECT a.action, a.subject = :'letter' AS this, a.reason, a.after FROM workflow.audit_log AS a WHERE a.subject_type = 'dead_letter' AND a.subject = :'letter';
SELECT a.action, count(*), count(a.after) FROM workflow.audit_log AS a WHERE a.subject_type = 'dead_letter' AND a.id > :audited GROUP BY 1 ORDER BY 1;

-- who sees and may what
CREATE ROLE letter_alice LOGIN;
CREATE ROLE letter_bob LOGIN;
CREATE ROLE letter_monitor IN ROLE pg_monitor;
SELECT workflow.grant_usage('letter_alice'), workflow.grant_usage('letter_bob') \g /dev/null
SELECT workflow.define($${"name": "letter_rights", "dead_letter": true, "steps": [{"id": "f", "type": "sql", "sql": "SELECT 1 / 0"}]}$$) \gset
SET ROLE letter_alice;
SELECT workflow.start('letter_rights', '{"secret": 1}', tenant => 'acme', priority => 3) AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT workflow, role, tenant, priority FROM workflow.dead_letters;
SELECT id AS letter FROM workflow.dead_letters \gset
SET ROLE letter_bob;
SELECT count(*) FROM workflow.dead_letters;
SELECT count(*) FROM workflow.dead_letter_status;
SELECT workflow.replay_all('lettre_fail');
SELECT workflow.replay_all();
\set VERBOSITY sqlstate
SELECT workflow.replay(:letter);
SELECT workflow.discard(:letter);
SELECT workflow.replay(-1);
SELECT workflow.discard(-1);
SELECT workflow.replay(NULL);
\set VERBOSITY default
SET ROLE letter_monitor;
SELECT role, status, execution_status, step_id, error_type, failure_count, attempts, unsettled > '0' AS unsettled, message FROM workflow.dead_letter_status WHERE role::text = 'letter_alice';
SELECT count(*) FROM workflow.dead_letters;
RESET ROLE;
-- replayed by another: it runs as the role whose execution it was
SELECT workflow.replay(:letter) AS replay \gset
SELECT status, role, tenant, priority FROM workflow.wait(:replay, '60 s');
SELECT status, failure_count, replayed_by = current_user::regrole AS by_me FROM workflow.dead_letters WHERE id = :letter;
SET ROLE letter_alice;
SELECT workflow.discard(:letter);
-- A72: the owner of a workflow may discard the letters of others, and does not replay them
SELECT workflow.define($${"name": "letter_owned", "dead_letter": true, "steps": [{"id": "f", "type": "sql", "sql": "SELECT 1 / 0"}]}$$) \gset
SET ROLE letter_bob;
SELECT workflow.start('letter_owned') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT id AS letter FROM workflow.dead_letters \gset
SET ROLE letter_alice;
\set VERBOSITY sqlstate
SELECT workflow.replay(:letter);
\set VERBOSITY default
SELECT workflow.discard(:letter);
RESET ROLE;

-- prune: what is settled, and what is not to be kept any longer
SELECT workflow.prune(max_executions => 1000000) >= 0 AS others_first;
UPDATE workflow.dead_letters SET settled_at = settled_at - interval '40 days' WHERE workflow = 'letter_fail';
SELECT status, count(*) FROM workflow.dead_letters WHERE workflow LIKE 'letter%' GROUP BY 1 ORDER BY 1;
SELECT workflow.prune(statuses => '{timed_out}');
SELECT workflow.prune(max_executions => 2);
SELECT workflow.prune();
SELECT status, count(*) FROM workflow.dead_letters WHERE workflow LIKE 'letter%' GROUP BY 1 ORDER BY 1;
UPDATE workflow.dead_letters SET keep_until = keep_until - interval '8 days' WHERE workflow = 'letter_timeout';
SELECT workflow.prune();
SELECT workflow, status FROM workflow.dead_letters WHERE workflow LIKE 'letter%' ORDER BY 1;
-- a dead letter outlives its execution, and can be replayed then
CALL test.go('letter_inside');
SELECT id AS letter FROM workflow.dead_letters WHERE execution_id = test.id() \gset
UPDATE workflow.executions SET completed_at = completed_at - interval '40 days' WHERE id = test.id();
SELECT workflow.prune();
SELECT workflow.define($${"name": "letter_inside", "steps": [{"id": "p", "type": "set", "output": 1}]}$$) \gset
CALL test.replay();
TABLE test.letter;

-- mistakes in the field
SELECT path, message FROM workflow.validate('{"name": "x", "dead_letter": "yes", "steps": [{"id": "a", "sql": "SELECT 1", "dead_letter": true}]}');
SELECT path, message FROM workflow.validate('{"name": "x", "dead_letter": {"retention_days": 0, "days": 1}, "steps": [{"id": "a", "sql": "SELECT 1"}]}');
SELECT split_part(workflow.explain('letter_timeout'), E'\n', 1) AS explain;
SELECT split_part(workflow.explain('letter', 1), E'\n', 1) AS explain;

DROP PROCEDURE test.replay;
DROP VIEW test.letter;
DROP TABLE test.broken;
SELECT workflow.revoke_usage('letter_alice'), workflow.revoke_usage('letter_bob') \g /dev/null
DELETE FROM workflow.executions WHERE role::text LIKE 'letter%';
DELETE FROM workflow.dead_letters;
-- the hint has a number
\set VERBOSITY terse
DROP ROLE letter_alice, letter_bob, letter_monitor;
\set VERBOSITY default

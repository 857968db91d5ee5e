--
-- Executions that have nothing to do for long: written down, forgotten, and gone on with
--
SET client_min_messages = warning;
CREATE TABLE test.broken_for (step text PRIMARY KEY);
CREATE FUNCTION test.later(step text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM test.broken_for AS b WHERE b.step = later.step) THEN
        RAISE EXCEPTION '% is broken', step;
    END IF;
    RETURN step;
END $$;
CREATE FUNCTION test.waiting_step(id text, delay int, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql
RETURN jsonb_build_object('id', id, 'sql', format('SELECT test.later(%L)', id), 'result', 'value', 'retry', jsonb_build_object(
    'errors', '["all"]'::jsonb, 'type', 'fixed_delay', 'jitter', false, 'max_retries', 3, 'initial_delay_ms', delay, 'max_delay_ms', delay)) || more;
CREATE VIEW test.waits AS
SELECT w.scope, w.step_id, w.visit, w.attempt, w.kind, CASE WHEN isfinite(w.until) THEN round(extract(epoch FROM w.until - w.since) / 60) END AS minutes
FROM workflow.waits AS w WHERE w.execution_id = test.id();
CREATE PROCEDURE test.to_wait(workflow text, more text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('test.id', workflow.start(workflow)::text, false);
    IF more IS NOT NULL THEN
        EXECUTE more;
    END IF;
    COMMIT;
    CALL test.until('SELECT status = ''waiting'' FROM workflow.executions WHERE id = test.id()');
    CALL test.at_rest();
END $$;
CREATE VIEW test.attempts_made AS
SELECT scope, step_id, attempt, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at, scope, attempt;

-- a long delay; a short one stays in memory
INSERT INTO test.broken_for VALUES ('a'), ('s');
SELECT workflow.define(jsonb_build_object('name', 'waits_long', 'max_running', 1, 'steps', jsonb_build_array(
    test.waiting_step('a', 3600000), '{"id": "b", "type": "set", "output": "${a.output}"}'::jsonb)));
SELECT workflow.define(jsonb_build_object('name', 'waits_short', 'steps', jsonb_build_array(test.waiting_step('s', 200))));
CALL test.to_wait('waits_long');
TABLE test.waits;
SELECT status, started_at IS NOT NULL AS started, completed_at FROM workflow.execution_status WHERE execution_id = test.id();
SELECT reason, step_id, regexp_replace(detail, ' at .* after', ' at TIME after') AS detail FROM workflow.why(test.id());
-- it is under way for nobody: no room is taken, and another one runs
SELECT count(*) FROM workflow.left_executions;
CALL test.to_wait('waits_long');
SELECT count(*) FROM workflow.executions WHERE workflow = 'waits_long' AND status = 'waiting';
SELECT workflow.start('waits_short') AS short \gset
CALL test.until(format('SELECT count(*) > 0 FROM workflow.step_executions WHERE execution_id = %s', :short));
SELECT status FROM workflow.executions WHERE id = :short;
SELECT workflow.cancel(:short);
-- cancelled, nothing is left
SELECT workflow.cancel(test.id(), 'enough');
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
TABLE test.waits;
-- paused, it waits for that; resumed, for its time again
SELECT set_config('test.id', id::text, false) IS NOT NULL AS is_other FROM workflow.executions WHERE workflow = 'waits_long' AND status = 'waiting';
SELECT workflow.pause(test.id());
TABLE test.waits;
SELECT workflow.resume(test.id());
CALL test.until('SELECT status = ''waiting'' FROM workflow.executions WHERE id = test.id()');
SELECT step_id, attempt, kind FROM test.waits;
SELECT workflow.resume(test.id());
-- its time has come when it is resumed
DELETE FROM test.broken_for;
SELECT workflow.pause(test.id());
UPDATE workflow.step_executions SET retry_at = clock_timestamp() WHERE execution_id = test.id();
SELECT workflow.resume(test.id());
SELECT status, output FROM workflow.wait(test.id(), '60 s');
TABLE test.attempts_made;
SELECT count(*) FROM workflow.waits;

-- held: until somebody lets it, and no longer than its time
SELECT workflow.define($${"name": "waits_held", "steps": [{"id": "a", "sql": "SELECT 1"},
  {"id": "l", "type": "loop", "collection": [1, 2], "loop_body": [{"id": "b", "sql": "SELECT 2"}]}]}$$);
SELECT workflow.define($${"name": "waits_limited", "timeout_seconds": 1800, "steps": [{"id": "a", "sql": "SELECT 1"}]}$$);
CALL test.to_wait('waits_held', $$SELECT workflow.hold_step(test.id(), 'b')$$);
TABLE test.waits;
SELECT reason, step_id FROM workflow.why(test.id());
-- another mark: it looks, and waits again
SELECT workflow.hold_step(test.id(), 'l');
CALL test.until('SELECT status = ''waiting'' AND NOT control FROM workflow.executions WHERE id = test.id()');
TABLE test.waits;
SELECT workflow.skip_step(test.id(), 'b');
SELECT status FROM workflow.wait(test.id(), '60 s');
SELECT step_id, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY step_id, scope;
CALL test.to_wait('waits_limited', $$SELECT workflow.hold_step(test.id(), 'a')$$);
TABLE test.waits;
SELECT workflow.release_step(test.id(), 'a');
SELECT status FROM workflow.wait(test.id(), '60 s');

-- where it forks each thread waits for itself, and the execution runs
SELECT workflow.define($${"name": "waits_forked", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 2"}]}]}$$);
SELECT workflow.start('waits_forked', parallel => true, start_at => 'infinity') AS forked \gset
SELECT set_config('test.id', :'forked', false) IS NOT NULL AS forked;
SELECT workflow.hold_step(test.id(), 'a');
UPDATE workflow.executions SET start_at = now() WHERE id = test.id();
SELECT workflow.start('waits_limited') AS any \gset
CALL test.until('SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = ''b''');
SELECT status FROM workflow.executions WHERE id = test.id();
TABLE test.waits;
SELECT labels, value FROM workflow.metrics WHERE name = 'workflow_waiting_executions' ORDER BY labels;
SELECT workflow.release_step(test.id(), 'a');
SELECT status FROM workflow.wait(test.id(), '60 s');

-- in bulk, and what the checks say
CALL test.to_wait('waits_held', $$SELECT workflow.hold_step(test.id(), 'a')$$);
SELECT labels, value FROM workflow.metrics WHERE name = 'workflow_waiting_executions' ORDER BY labels;
SELECT workflow.pause_executions('waits_held'), count(*) FROM test.waits;
SELECT workflow.resume_executions('waits_held');
CALL test.until('SELECT status = ''waiting'' FROM workflow.executions WHERE id = test.id()');
SELECT count(*) FROM workflow.owners WHERE kind = 'open execution' AND owner::text = current_user;
DELETE FROM workflow.waits WHERE execution_id = test.id();
SELECT regexp_replace(detail, '\d+', 'N') AS detail FROM workflow.verify() WHERE check_name = 'waits';
INSERT INTO workflow.waits (execution_id, thread, scope, step_id, attempt, kind, until)
VALUES (test.id(), '', '', 'a', 1, 'hold', 'infinity'), (0, 'p.a', 'p.a', 'a', 1, 'hold', 'infinity');
SELECT regexp_replace(detail, '\d+', 'N') AS detail FROM workflow.verify() WHERE check_name = 'waits';
DELETE FROM workflow.waits WHERE execution_id = 0;
SELECT workflow.cancel_executions('waits_held', status => 'waiting');
SELECT status FROM workflow.wait(test.id(), '60 s');
SELECT count(*) FROM workflow.waits;
TABLE test.wrong;

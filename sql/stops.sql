--
-- Whatever asks a thread to stop (pause, hold, drain, cancel, a deadline, others that wait) is heard
-- where it can stop, and not behind SQL only: in loops that stay in one thread, whose iterations do
-- not end with SQL, or have none.  Run in all modes, and with children one after the other in each.
--
SET client_min_messages = warning;

-- Start it and wait until its first step stands at the gate.
CREATE PROCEDURE test.stop_at_gate(workflow text, parallel boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock(4711);
    PERFORM set_config('test.id', workflow.start(workflow, parallel => parallel)::text, false);
    COMMIT;
    CALL test.at_gate(1);
END $$;
-- What it had done when it stood still, by step: "visits step status".
CREATE FUNCTION test.done() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(n || ' ' || step_id || ' ' || status, ', ' ORDER BY step_id, status)
    FROM (SELECT step_id, status, count(*) AS n FROM workflow.step_executions WHERE execution_id = test.id() GROUP BY 1, 2) AS s $$;
-- In each of these loops a step at the gate is followed by what is not SQL; "d" is behind the loop.
SELECT workflow.define(jsonb_build_object('name', 'stop_' || name, 'steps', jsonb_build_array(
    '{"id": "begin", "type": "set", "assign": {"n": 0}}'::jsonb,
    jsonb_build_object('id', 'each', 'type', 'loop', 'loop_config', config::jsonb || jsonb_build_object('result', 'counts', 'loop_body',
        jsonb_build_array('{"id": "a", "type": "sql", "sql": "SELECT test.pass(to_jsonb(input.n + 1))", "input_mapping": {"n": "${vars.n}"}, "result": "value"}'::jsonb) || body::jsonb)),
    '{"id": "d", "type": "sql", "sql": "SELECT 4", "result": "value"}'::jsonb))) AS version
FROM (VALUES
    ('set', '{"collection": [1, 2, 3]}', '[{"id": "b", "type": "set", "output": 1}]'),
    ('while', '{"while": "${vars.n} < 3"}', '[{"id": "b", "type": "set", "assign": {"n": "${a.output}"}}]'),
    ('until', '{"until": "${vars.n} >= 3"}', '[{"id": "b", "type": "set", "assign": {"n": "${a.output}"}}]'),
    ('skipped', '{"collection": [1, 2, 3]}', '[{"id": "b", "type": "sql", "sql": "SELECT 1", "when": "false"}]'),
    ('no_branch', '{"collection": [1, 2, 3]}', '[{"id": "b", "type": "conditional", "condition": {"expression": "false"}, "if_true_step": {"id": "c", "type": "set", "output": 1}}]'),
    ('inner', '{"collection": [1, 2, 3]}', '[{"id": "b", "type": "loop", "loop_config": {"collection": [1, 2], "loop_body": [{"id": "c", "type": "set", "output": 1}]}}]'),
    ('block', '{"collection": [1, 2, 3], "execution_mode": "parallel", "max_parallelism": 1}', '[{"id": "b", "type": "set", "output": 1}]')
) AS w (name, config, body);

-- Ask it to stop while it is at the gate of the first iteration; what it had done when it stood still, and at its end.
CREATE PROCEDURE test.stop(how text, workflow text, parallel boolean, INOUT stopped text DEFAULT NULL, INOUT done text DEFAULT NULL,
    INOUT ended text DEFAULT NULL, INOUT all_done text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    CALL test.stop_at_gate('stop_' || workflow, parallel);
    CASE how
        WHEN 'pause' THEN PERFORM workflow.pause(test.id());
        WHEN 'hold' THEN PERFORM workflow.hold_step(test.id(), 'b');
        WHEN 'drain' THEN PERFORM workflow.drain(mode => 'steps');
    END CASE;
    COMMIT;
    IF how = 'drain' THEN
        CALL test.until('SELECT bool_and(state = ''draining'') FROM workflow.executor_slots() WHERE execution_id = test.id()');
    ELSE
        CALL test.told();
    END IF;
    CALL test.open_gate();
    IF how = 'drain' THEN
        CALL test.until('SELECT workflow.drained()');
    END IF;
    SELECT e.status INTO stopped FROM workflow.executions AS e WHERE e.id = test.id();
    done := test.done();
    CASE how
        WHEN 'pause' THEN PERFORM workflow.resume(test.id());
        WHEN 'hold' THEN PERFORM workflow.release_step(test.id(), 'b');
        WHEN 'drain' THEN PERFORM workflow.undrain();
    END CASE;
    COMMIT;
    SELECT w.status INTO ended FROM workflow.wait(test.id(), '300 s') AS w;
    all_done := test.done();
END $$;
-- all of them, as the mode has it and with children one after the other; those that differ are shown by themselves
CREATE TABLE test.stopped (how text, workflow text, parallel boolean, stopped text, done text, ended text, all_done text);
DO $$
DECLARE
    w text;
    h text;
    p boolean;
    stopped text;
    done text;
    ended text;
    all_done text;
BEGIN
    FOREACH h IN ARRAY '{pause,hold,drain}'::text[] LOOP
        FOREACH w IN ARRAY '{set,while,until,skipped,no_branch,inner,block}'::text[] LOOP
            FOREACH p IN ARRAY '{NULL,f}'::boolean[] LOOP
                CALL test.stop(h, w, p, stopped, done, ended, all_done);
                INSERT INTO test.stopped VALUES (h, w, p, stopped, done, ended, all_done);
                COMMIT;
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
SELECT how, workflow, stopped, done, ended, all_done FROM test.stopped WHERE NOT parallel;
SELECT n.how, n.workflow, n.stopped, n.done, n.ended, n.all_done FROM test.stopped AS n JOIN test.stopped AS s USING (how, workflow)
WHERE n.parallel IS NULL AND NOT s.parallel AND n IS DISTINCT FROM s AND
  -- where it forks what waits does so in memory
  (replace(n.stopped, 'waiting', 'running'), n.done, n.ended, n.all_done) IS DISTINCT FROM (replace(s.stopped, 'waiting', 'running'), s.done, s.ended, s.all_done);

-- loops that would go on for ever and have no SQL at all: one, one in a branch beside another, one in a loop
SELECT workflow.define(jsonb_build_object('name', 'endless_' || name, 'steps', jsonb_build_array(step::jsonb, '{"id": "d", "type": "sql", "sql": "SELECT 4"}'::jsonb))) AS version
FROM (SELECT '"type": "loop", "loop_config": {"while": "true", "max_iterations": 1000000000, "result": "counts", "loop_body": [{"id": "b", "type": "set", "output": 1}]}') AS l (loop),
     LATERAL (VALUES
    ('alone', format('{"id": "each", %s}', loop)),
    ('limited', format('{"id": "each", "timeout_seconds": 1, %s}', loop)),
    ('beside', format('{"id": "both", "type": "fork_join", "branches": {"x": [{"id": "each", %s}], "y": [{"id": "e", "type": "set", "output": 1}]}}', loop)),
    ('inside', format('{"id": "outer", "type": "loop", "loop_config": {"collection": [1, 2], "execution_mode": "parallel", "result": "counts", "loop_body": [{"id": "each", %s}]}}', loop))
) AS w (name, step);
SELECT workflow.define('{"name": "endless_for_a_second", "timeout_seconds": 1, "steps": [{"id": "each", "type": "loop", "loop_config": {"while": "true", "max_iterations": 1000000000, "result": "counts", "loop_body": [{"id": "b", "type": "set", "output": 1}]}}]}');
SELECT workflow.define('{"name": "stop_other", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1"}]}');

-- how many rows it has, and that they become more
CREATE FUNCTION test.row_count() RETURNS bigint LANGUAGE sql STABLE AS $$SELECT count(*) FROM workflow.step_executions WHERE execution_id = test.id()$$;
CREATE PROCEDURE test.moves() LANGUAGE plpgsql AS $$
BEGIN
    CALL test.until(format('SELECT test.row_count() > %s', test.row_count()));
END $$;
CREATE PROCEDURE test.stands() LANGUAGE plpgsql AS $$
BEGIN
    CALL test.at_rest();
    IF EXISTS (SELECT FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'd') THEN
        RAISE EXCEPTION 'it has got to the end';
    END IF;
END $$;
CREATE PROCEDURE test.stop_endless(workflow text, parallel boolean, INOUT log text DEFAULT '') LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
    other bigint;
BEGIN
    id := workflow.start('endless_' || workflow, parallel => parallel);
    PERFORM set_config('test.id', id::text, false);
    COMMIT;
    CALL test.moves();
    PERFORM workflow.pause(id);
    COMMIT;
    CALL test.stands();
    log := log || (SELECT e.status FROM workflow.executions AS e WHERE e.id = test.id());
    PERFORM workflow.resume(id);
    COMMIT;
    CALL test.moves();
    PERFORM workflow.hold_step(id, 'b');
    COMMIT;
    CALL test.stands();
    log := log || (SELECT string_agg(DISTINCT ', ' || h.reason, '') FROM workflow.why(id) AS h WHERE h.reason = 'held');
    PERFORM workflow.release_step(id, 'b');
    COMMIT;
    CALL test.moves();
    PERFORM workflow.drain(mode => 'steps');
    COMMIT;
    CALL test.until('SELECT workflow.drained()');
    log := log || ', drained ' || (SELECT e.status FROM workflow.executions AS e WHERE e.id = test.id());
    PERFORM workflow.undrain();
    COMMIT;
    CALL test.moves();
    -- others get their turn
    other := workflow.start('stop_other');
    COMMIT;
    log := log || ', another ' || (SELECT w.status FROM workflow.wait(other, '300 s') AS w);
    COMMIT;
    CALL test.moves();
    PERFORM workflow.cancel(id);
    COMMIT;
    log := log || ', ' || (SELECT w.status FROM workflow.wait(id, '300 s') AS w);
    COMMIT;
    CALL test.stands();
END $$;
CALL test.stop_endless('alone', NULL);
CALL test.stop_endless('beside', NULL);
CALL test.stop_endless('beside', false);
CALL test.stop_endless('inside', NULL);
CALL test.stop_endless('inside', false);

-- deadlines, of the loop and of the execution; in execute(), too, where a cancel ends it as well
CREATE FUNCTION test.limited(workflow text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN workflow.execute(workflow);
EXCEPTION WHEN OTHERS OR QUERY_CANCELED THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '[0-9]+ iterations', 'N iterations');
END $$;
CALL test.go_late('{each timed_out}', 'endless_limited') \gset limited_
SELECT :'limited_status' AS status, :'limited_error_type' AS error_type, regexp_replace(:'limited_error', '[0-9]+ iterations', 'N iterations') AS error,
       step_id, status AS step_status, error_type AS step_error FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'each';
CALL test.go_late('{each timed_out}', 'endless_for_a_second') \gset limited_
SELECT :'limited_status' AS status, :'limited_error_type' AS error_type, regexp_replace(:'limited_error', '[0-9]+ iterations', 'N iterations') AS error,
       step_id, status AS step_status, error_type AS step_error FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'each';
SELECT test.limited('endless_limited'), test.limited('endless_for_a_second');
SET statement_timeout = '1s';
SELECT workflow.execute('endless_alone');
RESET statement_timeout;
SELECT * FROM test.wrong WHERE workflow LIKE 'stop%' OR workflow LIKE 'endless%';

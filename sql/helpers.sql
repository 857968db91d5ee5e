--
-- What the tests of execution have in common.  They come after this one.
--
SET client_min_messages = warning;
CREATE SCHEMA test;

-- Start an execution, wait for its end in another transaction and show it.  The
-- execution is the one the views below are about.
CREATE PROCEDURE test.go(workflow text, input jsonb DEFAULT '{}', INOUT status text DEFAULT NULL,
    INOUT output jsonb DEFAULT NULL, INOUT error_type text DEFAULT NULL, INOUT error text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    id bigint := workflow.start(workflow, input);
BEGIN
    PERFORM set_config('test.id', id::text, false);
    COMMIT;
    -- how long it took is another question
    SELECT e.status, e.output, e.error_type, regexp_replace(e.error ->> 'message', 'after \d+\.\d+ s', 'after N s')
    INTO status, output, error_type, error FROM workflow.wait(id, '60 seconds') AS e;
END $$;

CREATE FUNCTION test.id() RETURNS bigint LANGUAGE sql STABLE
RETURN current_setting('test.id')::bigint;

-- The same with one that a time limit of one or two seconds in its definition ends, but not before its steps have got
-- as far as these rows say, "step status" or "scope step status": on a machine that is too slow for that, once more with more time.
CREATE PROCEDURE test.go_late(rows text[], workflow text, input jsonb DEFAULT '{}', INOUT status text DEFAULT NULL,
    INOUT output jsonb DEFAULT NULL, INOUT error_type text DEFAULT NULL, INOUT error text DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    draft text := (SELECT d.document FROM workflow.definitions AS d WHERE d.name = go_late.workflow ORDER BY d.version DESC LIMIT 1);
BEGIN
    FOR i IN 0 .. 3 LOOP
        IF i > 0 THEN
            PERFORM workflow.define(regexp_replace(draft, '("(?:branch_)?timeout_seconds": )[12]\M', '\1' || 4 ^ i, 'g')::jsonb);
        END IF;
        CALL test.go(workflow, input, status, output, error_type, error);
        EXIT WHEN NOT EXISTS (SELECT FROM unnest(rows) AS r (wanted) WHERE NOT EXISTS (SELECT FROM workflow.step_executions AS s
            WHERE s.execution_id = test.id() AND wanted IN (s.step_id || ' ' || s.status, s.scope || ' ' || s.step_id || ' ' || s.status)));
    END LOOP;
END $$;

-- What an execution stops by ending is recorded a moment later.
CREATE PROCEDURE test.settle() LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM workflow.step_executions WHERE execution_id = test.id() AND status = 'running')
              AND NOT EXISTS (SELECT FROM workflow.activity WHERE execution_id = test.id());
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
END $$;

-- What a role may: done, or the error without what is not the same each time.
CREATE FUNCTION test.outcome(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text := 'done';
    detail text;
    hint text;
BEGIN
    BEGIN
        EXECUTE format('SET LOCAL ROLE %I', role);
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        result := regexp_replace(concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(detail, ''), NULLIF(hint, '')),
            '(xecution|letter) [0-9]+', '\1 N', 'g');
    END;
    RESET ROLE;
    RETURN result;
END $$;

-- how its steps ended, scope by scope, in the order in which they were run
CREATE VIEW test.steps AS
SELECT scope, step_id AS step, status, scope_outcome AS ends, output,
       COALESCE(error_type || ': ', '') || (error ->> 'message') AS error
FROM workflow.step_executions WHERE execution_id = test.id()
ORDER BY scope COLLATE "C", started_at;

-- the columns that say what a step was part of
CREATE VIEW test.places AS
SELECT scope, step_id AS step, step_type AS type, agent_name AS agent, parent_step_id AS parent,
       branch_name AS branch, join_policy AS policy, loop_iteration_index AS i, loop_collection_size AS size,
       loop_execution_mode AS mode
FROM workflow.step_executions WHERE execution_id = test.id()
ORDER BY scope COLLATE "C", started_at;

-- what no row may look like, whatever ran
CREATE VIEW test.wrong AS
SELECT e.workflow, s.scope, s.step_id, s.status, s.started_at, s.completed_at, s.executor_pid
FROM workflow.step_executions AS s JOIN workflow.executions AS e ON e.id = s.execution_id
WHERE (e.status NOT IN ('pending', 'running', 'waiting', 'blocked', 'paused', 'cancelling') AND s.status IN ('pending', 'running', 'waiting'))
   OR (s.status NOT IN ('pending', 'running', 'waiting') AND s.completed_at IS NULL)
   OR s.completed_at < s.started_at
   OR s.started_at < e.started_at
   OR (s.completed_at > e.completed_at AND s.status <> 'cancelled'
       -- unless one of several lines ended it while the others ran
       AND NOT EXISTS (SELECT FROM workflow.step_executions AS t WHERE t.execution_id = s.execution_id
                       AND t.step_type IN ('succeed', 'fail') AND t.scope <> ''))
   OR s.executor_pid IS NULL
   OR (s.status IN ('failed', 'timed_out') AND (s.error_type IS NULL OR s.error ->> 'message' IS NULL
                                                OR s.error ->> 'step_id' IS NULL))
   OR (s.scope ~ '^(~[0-9]+/)?$') <> (s.parent_step_id IS NULL)
   OR (s.parent_step_id IS NOT NULL AND num_nonnulls(s.branch_name, s.loop_iteration_index) = 0);

-- an agent that gives back what it gets, and one that fails when told to
CREATE FUNCTION test.echo(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE RETURN $1;
CREATE FUNCTION test.may_fail(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF (input ->> 'fail')::boolean THEN
        RAISE EXCEPTION 'told to fail' USING DETAIL = format('with %s', input - 'fail'), HINT = 'Try not to.';
    END IF;
    RETURN input - 'fail';
END $$;
SELECT workflow.register_agent('echo', 'test.echo(jsonb)') \gset
SELECT workflow.register_agent('may-fail', 'test.may_fail(jsonb)') \gset

-- Wait, transaction by transaction, until a query gives true.
CREATE PROCEDURE test.until(query text) LANGUAGE plpgsql AS $$
DECLARE
    yes boolean;
BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXECUTE query INTO yes;
        EXIT WHEN yes;
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
    IF yes IS NOT TRUE THEN
        RAISE EXCEPTION 'in vain: %', query;
    END IF;
END $$;

-- A gate: steps that ask for it stand still while the session that tests holds it.
CREATE FUNCTION test.pass(x jsonb DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4711);
    RETURN x;
END $$;
CREATE PROCEDURE test.at_gate(steps integer) LANGUAGE plpgsql AS $$
BEGIN
    CALL test.until(format('SELECT count(*) = %s FROM pg_locks WHERE locktype = ''advisory'' AND objid = 4711 AND NOT granted', steps));
END $$;
-- nothing of the execution runs any more
CREATE PROCEDURE test.at_rest() LANGUAGE plpgsql AS $$
BEGIN
    CALL test.until('SELECT count(*) = 0 FROM workflow.executor_slots() WHERE execution_id = test.id() OR state NOT IN (''idle'', ''starting'')');
END $$;
-- Start it, as one that may do several things at once, and wait until so many of its
-- steps stand at the gate.
CREATE PROCEDURE test.to_gate(workflow text, input jsonb DEFAULT '{}', steps integer DEFAULT 1) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock(4711);
    PERFORM set_config('test.id', workflow.start(workflow, input, parallel => true)::text, false);
    COMMIT;
    CALL test.at_gate(steps);
END $$;
CREATE PROCEDURE test.open_gate() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_unlock(4711);
    COMMIT;
    CALL test.at_rest();
END $$;
-- the scheduler has told its executors: it does when it has read what is wanted, and then it waits
CREATE PROCEDURE test.told() LANGUAGE plpgsql AS $$
BEGIN
    CALL test.until('SELECT NOT control FROM workflow.executions WHERE id = test.id()');
    CALL test.until('SELECT a.wait_event_type = ''Extension'' FROM workflow.scheduler_state() AS s JOIN pg_stat_activity AS a USING (pid)');
END $$;

-- wait until a step of an execution runs this moment; returns how many do
CREATE FUNCTION test.running(id bigint, at_least int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    n int := 0;
BEGIN
    FOR i IN 1 .. 3000 LOOP
        SELECT count(*) INTO n FROM workflow.activity AS a WHERE execution_id = id AND wait_event = 'PgSleep';
        EXIT WHEN n >= at_least;
        PERFORM pg_stat_clear_snapshot();
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN n;
END $$;

-- The rows of an execution without what differs from run to run.
CREATE FUNCTION test.without_context(jsonb) RETURNS text LANGUAGE sql IMMUTABLE
RETURN regexp_replace($1::text, ', "context": "([^"\\]|\\.)*"', '', 'g');
CREATE FUNCTION test.rows(id bigint) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT test.without_context(to_jsonb(s) - '{execution_id,started_at,completed_at,retry_at,executor_pid}'::text[])
    FROM workflow.step_executions AS s WHERE execution_id = id
$$;

-- Run workflows in three ways: by many executors, without parallelism, in this
-- transaction.  test.differences has what is not the same.
CREATE TABLE test.runs (workflow text, mode text, id bigint, status text, output jsonb, message text, PRIMARY KEY (workflow, mode));
CREATE PROCEDURE test.run_three_ways(names text[], input jsonb DEFAULT '{}')
LANGUAGE plpgsql AS $$
DECLARE
    name text;
    result jsonb;
    says text;
BEGIN
    DELETE FROM test.runs;
    INSERT INTO test.runs SELECT n, 'durable', workflow.start(n, input, parallel => true) FROM unnest(names) AS n;
    INSERT INTO test.runs SELECT n, 'off', workflow.start(n, input, parallel => false) FROM unnest(names) AS n;
    COMMIT;
    FOREACH name IN ARRAY names LOOP
        BEGIN
            result := workflow.execute(name, input);
            INSERT INTO test.runs VALUES (name, 'execute', (SELECT max(e.id) FROM workflow.executions AS e WHERE inline AND e.workflow = name), 'completed', result);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS says = MESSAGE_TEXT;
            -- of a failed execution all is rolled back, its output too
            INSERT INTO test.runs VALUES (name, 'execute', NULL, 'failed', NULL, says);
        END;
    END LOOP;
    PERFORM workflow.wait(r.id, '60 seconds') FROM test.runs AS r WHERE mode <> 'execute';
    COMMIT;
    UPDATE test.runs AS r SET status = e.status, output = CASE e.status WHEN 'completed' THEN e.output END, message = e.error ->> 'message'
    FROM workflow.executions AS e WHERE e.id = r.id AND mode <> 'execute';
END $$;
CREATE VIEW test.differences AS
SELECT a.workflow, b.mode, 'result' AS what, a.status || ' ' || COALESCE(a.output::text, a.message, 'null') AS durable,
       b.status || ' ' || COALESCE(b.output::text, b.message, 'null') AS other
FROM test.runs AS a JOIN test.runs AS b ON a.workflow = b.workflow AND a.mode = 'durable' AND b.mode <> 'durable'
WHERE (a.status, test.without_context(COALESCE(a.output, 'null')), a.message) IS DISTINCT FROM
      (b.status, test.without_context(COALESCE(b.output, 'null')), b.message)
UNION ALL
SELECT a.workflow, b.mode, 'row', d.durable, d.other
FROM test.runs AS a JOIN test.runs AS b ON a.workflow = b.workflow AND a.mode = 'durable' AND b.mode <> 'durable' AND b.id IS NOT NULL,
     LATERAL (SELECT durable, other FROM test.rows(a.id) AS durable FULL JOIN test.rows(b.id) AS other ON durable = other
              WHERE durable IS NULL OR other IS NULL) AS d
ORDER BY 1, 2, 3, 4, 5;

--
-- modes.sql
--	  What the examples of a page have run to its end, once more in each of the three
--	  modes: by workers, one after the other (parallel off), and by execute().  Prints
--	  what differs.
--
-- NOTES
--	  Run behind the examples of a page, in their database.  All modes find it as the
--	  examples have left it, and execute() leaves nothing behind; so what they print in
--	  the page may be something else, but never something else in one mode than in
--	  another.  Compared are how it ends, the output, and the message of the error,
--	  without times and contexts, which tell of whoever called execute(), too.  Not compared is what something outside
--	  of the definition has ended, and steps that execute() refuses.
--
\set QUIET on
\pset format unaligned
\pset tuples_only on
SET client_min_messages = error;
CREATE SCHEMA modes;
CREATE TABLE modes.runs (example int, workflow text, version int, input jsonb, mode text, result text);

-- What is the same from one run to the next.
CREATE FUNCTION modes.plain(result text) RETURNS text LANGUAGE sql AS $$
SELECT regexp_replace(regexp_replace(regexp_replace(result, '"context": "(?:[^"\\]|\\.)*"', 'CONTEXT', 'g'),
                                     '\d{4}-\d\d-\d\d[ T][\d:.]+([+-][\d:]+)?', 'TIME', 'g'), '\d+\.\d+ s', 'SECONDS', 'g')
$$;

CREATE FUNCTION modes.execute(workflow text, input jsonb, version int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    output jsonb;
BEGIN
    output := workflow.execute(workflow, input, version);
    RAISE EXCEPTION USING ERRCODE = 'MODES';
EXCEPTION
    WHEN SQLSTATE 'MODES' THEN
        RETURN 'completed ' || COALESCE(output::text, 'null');
    WHEN feature_not_supported THEN
        RETURN CASE WHEN SQLERRM LIKE 'step % cannot run inside execute()' THEN NULL ELSE 'did not complete: ' || SQLERRM END;
    WHEN OTHERS THEN
        RETURN 'did not complete: ' || SQLERRM;
END $$;

-- a breaker that one mode opens is not the next one's
CREATE PROCEDURE modes.reset_breakers() LANGUAGE sql AS $$
SELECT workflow.reset_breaker(b.agent) FROM (SELECT DISTINCT agent FROM workflow.breaker_status WHERE state <> 'closed') AS b
$$;

CREATE PROCEDURE modes.compare() LANGUAGE plpgsql AS $$
DECLARE
    e record;
    n int := 0;
    parallel boolean;
    id bigint;
    ended record;
BEGIN
    FOR e IN SELECT DISTINCT ON (x.definition_id, x.input) x.definition_id, x.workflow, x.version, x.input FROM workflow.executions AS x
             WHERE x.status IN ('completed', 'failed', 'timed_out')
               AND COALESCE(x.error_type, '') <> ALL ('{PauseTimeout,ExecutionStuck,CrashLoop,WorkflowFull,RoleCannotRun}'::text[])
               AND x.workflow <> 'mirror'  -- tells of the worker it runs in
               AND NOT EXISTS (SELECT FROM workflow.blocked_workflows AS b WHERE b.workflow = x.workflow)
    LOOP
        n := n + 1;
        CALL modes.reset_breakers();
        INSERT INTO modes.runs VALUES (n, e.workflow, e.version, e.input, 'execute()', modes.execute(e.workflow, e.input, e.version));
        FOREACH parallel IN ARRAY ARRAY[false, true] LOOP
            CALL modes.reset_breakers();
            id := workflow.start(e.workflow, e.input, version => e.version, parallel => parallel);
            COMMIT;
            SELECT * INTO ended FROM workflow.wait(id, '60 seconds');
            INSERT INTO modes.runs VALUES (n, e.workflow, e.version, e.input, CASE WHEN parallel THEN 'workers' ELSE 'parallel off' END,
                CASE WHEN ended.status = 'completed' THEN 'completed ' || COALESCE(ended.output::text, 'null')
                     WHEN ended.completed_at IS NULL THEN 'is ' || ended.status
                     ELSE 'did not complete: ' || (ended.error ->> 'message') END);
            COMMIT;
        END LOOP;
    END LOOP;
END $$;

CALL modes.compare();
SELECT format(E'the example %s %s in different modes\n', workflow, input)
       || string_agg(format('    %s: %s', mode, result), E'\n' ORDER BY mode)
FROM modes.runs WHERE result IS NOT NULL GROUP BY example, workflow, input
HAVING count(DISTINCT modes.plain(result)) > 1 ORDER BY example;
\pset format unaligned
SELECT format('# %s examples', count(DISTINCT example)) FROM modes.runs;

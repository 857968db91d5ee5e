--
-- The critical path: the steps whose end the end of the execution waited for
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_workflow;
SET client_encoding = 'UTF8';

-- An execution that never ran, and the rows as it would have written them, with times in milliseconds.
CREATE FUNCTION path_of(definition jsonb, ended text, rows text[][]) RETURNS TABLE (step text) LANGUAGE plpgsql AS $$
DECLARE
    zero timestamptz := '2026-01-01 12:00:00Z';
    made bigint;
    r text[];
BEGIN
    PERFORM workflow.define(definition);
    made := workflow.start(definition ->> 'name', start_at => '2100-01-01');
    -- scope, step, status, outcome of the scope, start, end
    FOREACH r SLICE 1 IN ARRAY rows LOOP
        INSERT INTO workflow.step_executions (execution_id, scope, step_id, step_type, status, scope_outcome, started_at, completed_at)
        SELECT e.id, r[1], r[2], d.definition -> 'steps' -> r[2] ->> 'type', r[3], r[4], zero + r[5]::int * interval '1 ms', zero + r[6]::int * interval '1 ms'
        FROM workflow.executions AS e JOIN workflow.definitions AS d ON d.id = e.definition_id WHERE e.id = made;
    END LOOP;
    UPDATE workflow.executions AS e SET status = ended, created_at = zero, started_at = zero, start_at = NULL,
        completed_at = (SELECT max(s.completed_at) FROM workflow.step_executions AS s WHERE s.execution_id = e.id) WHERE e.id = made;
    PERFORM set_config('path.id', made::text, false);
    RETURN QUERY SELECT * FROM marked(made);
END $$;
CREATE FUNCTION marked(made bigint, max_iterations integer DEFAULT 5) RETURNS TABLE (step text) LANGUAGE sql AS $$
    SELECT regexp_replace(m[1], '[\d.]+ m?s each', 'T each')
    FROM regexp_matches(workflow.timeline(made, 200, true, max_iterations), '^[^\s|`]?[ |]*(?:[|`]-)?([^ ][^\n]*?)  [^\n]* m?s \*$', 'gn') AS m;
$$;

-- One that has failed and was compensated.  Its fork waited for the longest branch; two that were over at once determined
-- nothing.  What undoes a step in a branch is no part of the branch.
SELECT * FROM path_of('{"name": "path_undone", "steps": [
    {"id": "prepare", "sql": "SELECT 1", "compensate": {"id": "unprepare", "sql": "SELECT 1"}},
    {"id": "split", "type": "fork_join", "branches": {"a": [{"id": "a1", "sql": "SELECT 1"}], "b": [{"id": "b1", "sql": "SELECT 1"}],
        "c": [{"id": "c1", "sql": "SELECT 1", "compensate": {"id": "undo_c1", "sql": "SELECT 1"}}, {"id": "c2", "sql": "SELECT 1"}]}},
    {"id": "boom", "sql": "SELECT 1"}], "on_failure": {"id": "tell", "sql": "SELECT 1"}}', 'failed', ARRAY[
    ['', 'prepare', 'completed', NULL, '0', '100'], ['', 'split', 'completed', NULL, '100', '400'], ['split.a', 'a1', 'completed', 'completed', '102', '103'], ['split.b', 'b1', 'completed', 'completed', '104', '105'],
    ['split.c', 'c1', 'completed', NULL, '106', '300'], ['split.c', 'c2', 'completed', 'completed', '300', '398'], ['', 'boom', 'failed', 'failed', '400', '410'],
    ['split.c', 'undo_c1', 'completed', NULL, '410', '600'], ['', 'unprepare', 'completed', NULL, '600', '700'], ['', 'tell', 'completed', NULL, '700', '710']]);
SELECT regexp_replace(workflow.timeline(current_setting('path.id')::bigint, 90), 'execution \d+', 'execution N') \g (format=unaligned tuples_only=on)
SELECT count(*) AS in_svg FROM regexp_matches(workflow.timeline_svg(current_setting('path.id')::bigint), '<line class="critical" x1="[\d.]+%', 'g');
SELECT count(*) AS in_report FROM regexp_matches(workflow.report(current_setting('path.id')::bigint), '<span class="critical"', 'g');

-- ended by a step in a branch: its siblings were stopped, and recorded later
SELECT * FROM path_of('{"name": "path_ended", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "quick", "sql": "SELECT 1"}, {"id": "long", "sql": "SELECT 1"},
    {"id": "ask", "type": "conditional", "condition": "true", "then": [{"id": "w", "sql": "SELECT 1"}, {"id": "over", "type": "fail", "error": "X", "message": "enough"}]}]}]}', 'failed', ARRAY[
    ['', 'p', 'cancelled', NULL, '0', '300'], ['p.quick', 'quick', 'completed', 'completed', '1', '90'], ['p.long', 'long', 'cancelled', 'cancelled', '1', '320'], ['p.ask', 'ask', 'cancelled', NULL, '1', '300'],
    ['p.ask/ask.then', 'w', 'completed', NULL, '1', '290'], ['p.ask/ask.then', 'over', 'failed', 'failed', '290', '300']]);

-- decided by the first branch; the other was stopped
SELECT * FROM path_of('{"name": "path_any", "steps": [{"id": "p", "type": "fork_join", "join_policy": "any", "on_join": "cancel", "branches": {"a": [{"id": "a1", "sql": "SELECT 1"}], "b": [{"id": "b1", "sql": "SELECT 1"}]}}]}', 'completed', ARRAY[
    ['', 'p', 'completed', 'completed', '0', '300'], ['p.a', 'a1', 'completed', 'completed', '1', '280'], ['p.b', 'b1', 'cancelled', 'cancelled', '1', '299']]);

-- failed, and what else ran was stopped
SELECT * FROM path_of('{"name": "path_stop", "steps": [{"id": "p", "type": "parallel", "on_error": "stop", "parallel_steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 1"}]}]}', 'failed', ARRAY[
    ['', 'p', 'failed', 'failed', '0', '300'], ['p.a', 'a', 'failed', 'failed', '1', '280'], ['p.b', 'b', 'cancelled', 'cancelled', '1', '299']]);

-- cancelled, and out of time: what had to be stopped
SELECT * FROM path_of('{"name": "path_cancelled", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "a", "sql": "SELECT 1", "compensate": {"id": "undo_a", "sql": "SELECT 1"}}, {"id": "b", "sql": "SELECT 1"}]}]}', 'cancelled', ARRAY[
    ['', 'p', 'cancelled', 'cancelled', '0', '300'], ['p.a', 'a', 'completed', 'completed', '1', '100'], ['p.b', 'b', 'cancelled', 'cancelled', '1', '299'], ['p.a', 'undo_a', 'completed', NULL, '300', '350']]);
SELECT * FROM path_of('{"name": "path_time", "steps": [{"id": "p", "type": "parallel", "timeout_seconds": 1, "parallel_steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 1"}]}]}', 'timed_out', ARRAY[
    ['', 'p', 'timed_out', 'timed_out', '0', '300'], ['p.a', 'a', 'completed', 'completed', '1', '100'], ['p.b', 'b', 'timed_out', 'timed_out', '1', '299']]);

-- no more than two at once: the last had to wait for one, which had to wait for another
SELECT * FROM path_of('{"name": "path_two", "steps": [{"id": "p", "type": "parallel", "max_parallelism": 2, "parallel_steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 1"}, {"id": "c", "sql": "SELECT 1"}, {"id": "d", "sql": "SELECT 1"}]}]}', 'completed', ARRAY[
    ['', 'p', 'completed', 'completed', '0', '300'], ['p.a', 'a', 'completed', 'completed', '1', '100'], ['p.b', 'b', 'completed', 'completed', '1', '150'], ['p.c', 'c', 'completed', 'completed', '101', '180'], ['p.d', 'd', 'completed', 'completed', '181', '300']]);

-- in an iteration, what ran beside others; nothing is marked where all steps follow each other
SELECT * FROM path_of('{"name": "path_loop", "steps": [{"id": "l", "type": "loop", "collection": [1, 2], "loop_body": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 1"}]}]}]}', 'completed', ARRAY[
    ['', 'l', 'completed', 'completed', '0', '300'], ['l[0]', 'p', 'completed', 'completed', '0', '100'], ['l[0]/p.a', 'a', 'completed', 'completed', '1', '50'], ['l[0]/p.b', 'b', 'completed', 'completed', '1', '100'],
    ['l[1]', 'p', 'completed', 'completed', '100', '300'], ['l[1]/p.a', 'a', 'completed', 'completed', '101', '299'], ['l[1]/p.b', 'b', 'completed', 'completed', '101', '110']]);
SELECT * FROM path_of('{"name": "path_line", "steps": [{"id": "l", "type": "loop", "collection": [1, 2], "loop_body": [{"id": "a", "sql": "SELECT 1"}]}, {"id": "b", "sql": "SELECT 1"}]}', 'completed', ARRAY[
    ['', 'l', 'completed', NULL, '0', '200'], ['l[0]', 'a', 'completed', 'completed', '0', '100'], ['l[1]', 'a', 'completed', 'completed', '100', '200'], ['', 'b', 'completed', 'completed', '200', '300']]);

-- Iterations that are summed up: of a sequential loop they are on the path when it is, which it is not beside what
-- lasts longer; of a parallel one when the last to end had to wait for some of them, not when all ran side by side.
CREATE FUNCTION rows_of(loop text, times text[][]) RETURNS text[][] LANGUAGE sql AS $$
    SELECT array_agg(ARRAY[format('%s[%s]', loop, n - 1), 'i', 'completed', 'completed', times[n][1], times[n][2]] ORDER BY n) FROM generate_subscripts(times, 1) AS n $$;
SELECT array_agg(ARRAY[(10 * n)::text, (10 * n + 10)::text]) AS one_by_one, array_agg(ARRAY[(n / 2 * 10)::text, (n / 2 * 10 + 10 + n % 2)::text]) AS two_at_once,
    array_agg(ARRAY[(n % 3)::text, (100 + 10 * n)::text]) AS side_by_side FROM generate_series(0, 19) AS n \gset
SELECT * FROM path_of('{"name": "path_many", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "l", "type": "loop", "collection": [1], "loop_body": [{"id": "i", "sql": "SELECT 1"}]}]}]}', 'completed',
    ARRAY[['', 'p', 'completed', 'completed', '0', '201'], ['p.a', 'a', 'completed', 'completed', '1', '50'], ['p.l', 'l', 'completed', 'completed', '0', '200']] || rows_of('p.l/l', :'one_by_one'));
SELECT count(*) AS in_svg FROM regexp_matches(workflow.timeline_svg(current_setting('path.id')::bigint, 5), '15 more,[^\n]*<line class="critical" x1="[\d.]+%', 'g');
SELECT count(*) AS in_report FROM regexp_matches(workflow.report(current_setting('path.id')::bigint), '<span class="critical"', 'g');
SELECT * FROM marked(current_setting('path.id')::bigint, 50) OFFSET 18;
SELECT * FROM path_of('{"name": "path_beside", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "l", "type": "loop", "collection": [1], "loop_body": [{"id": "i", "sql": "SELECT 1"}]}]}]}', 'completed',
    ARRAY[['', 'p', 'completed', 'completed', '0', '501'], ['p.a', 'a', 'completed', 'completed', '1', '500'], ['p.l', 'l', 'completed', 'completed', '0', '200']] || rows_of('p.l/l', :'one_by_one'));
SELECT * FROM path_of('{"name": "path_waves", "steps": [{"id": "l", "type": "loop", "execution_mode": "parallel", "max_parallelism": 2, "collection": [1], "loop_body": [{"id": "i", "sql": "SELECT 1"}]}]}', 'completed',
    ARRAY[['', 'l', 'completed', 'completed', '0', '102']] || rows_of('l', :'two_at_once'));
SELECT * FROM path_of('{"name": "path_sides", "steps": [{"id": "l", "type": "loop", "execution_mode": "parallel", "collection": [1], "loop_body": [{"id": "i", "sql": "SELECT 1"}]}]}', 'completed',
    ARRAY[['', 'l', 'completed', 'completed', '0', '300']] || rows_of('l', :'side_by_side'));
SELECT * FROM marked(current_setting('path.id')::bigint, 1);

DELETE FROM workflow.executions WHERE workflow LIKE 'path\_%';

--
-- Containers in containers in containers, every combination, run in three ways
--
SET client_min_messages = warning;
CREATE TABLE test.nesting_log (execution_id bigint);

-- A step of a kind with what is inside: leaves write a row and give their place.
CREATE FUNCTION test.nest(kinds text[], id text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    common jsonb := jsonb_build_object('id', id, 'type', kinds[1]);
    a jsonb;
    b jsonb;
BEGIN
    IF kinds = '{}' THEN
        RETURN jsonb_build_object('id', id, 'type', 'sql', 'result', 'value',
            'sql', 'WITH log AS (INSERT INTO test.nesting_log VALUES ($1)) SELECT $2::text', 'params', jsonb_build_array('${workflow.execution_id}', id));
    END IF;
    a := test.nest(kinds[2:], id || 'a');
    b := test.nest(kinds[2:], id || 'b');
    RETURN CASE kinds[1]
        WHEN 'parallel' THEN common || jsonb_build_object('parallel_steps', jsonb_build_array(a, b))
        WHEN 'fork_join' THEN common || jsonb_build_object('branches', jsonb_build_object('left', jsonb_build_array(a),
            'right', jsonb_build_array(b, jsonb_build_object('id', id || 'c', 'type', 'set', 'output', jsonb_build_object('b', format('${%sb.output}', id))))))
        WHEN 'conditional' THEN common || jsonb_build_object('condition', 'true', 'if_true_step', a)
        WHEN 'sequential' THEN common || jsonb_build_object('type', 'loop', 'loop_config', jsonb_build_object('collection', '${workflow.input.items}', 'result', 'outputs', 'loop_body',
            jsonb_build_array(a, jsonb_build_object('id', id || 'c', 'type', 'set', 'output', jsonb_build_array('${loop.index}', format('${%sa.output}', id))))))
        WHEN 'loop' THEN common || jsonb_build_object('loop_config', jsonb_build_object('collection', '${workflow.input.items}', 'execution_mode', 'parallel', 'result', 'outputs',
            'loop_body', jsonb_build_array(a)))
        END;
END $$;

CREATE TABLE test.nesting (name text PRIMARY KEY, kinds text[], leaves int);
INSERT INTO test.nesting
SELECT format('nest %s %s %s', a.kind, b.kind, c.kind), ARRAY[a.kind, b.kind, c.kind], a.n * b.n * c.n
FROM (VALUES ('parallel', 2), ('fork_join', 2), ('conditional', 1), ('sequential', 2), ('loop', 2)) AS a (kind, n),
     (VALUES ('parallel', 2), ('fork_join', 2), ('conditional', 1), ('sequential', 2), ('loop', 2)) AS b (kind, n),
     (VALUES ('parallel', 2), ('fork_join', 2), ('conditional', 1), ('sequential', 2), ('loop', 2)) AS c (kind, n);
SELECT count(workflow.define(jsonb_build_object('name', name, 'steps', jsonb_build_array(
    test.nest(kinds, 'x'), '{"id": "after", "type": "set", "output": {"x": "${x.output}"}}'::jsonb)))) FROM test.nesting;
SELECT array_agg(name ORDER BY name) AS names FROM test.nesting \gset
CALL test.run_three_ways(:'names', '{"items": ["p", "q"]}');

-- all of them completed, every leaf once, nothing different
SELECT mode, status, count(*) FROM test.runs GROUP BY 1, 2 ORDER BY 1, 2;
TABLE test.differences;
SELECT n.name, r.mode, n.leaves, count(l.execution_id) FROM test.nesting AS n JOIN test.runs AS r ON r.workflow = n.name
    LEFT JOIN test.nesting_log AS l ON l.execution_id = r.id
GROUP BY 1, 2, 3 HAVING count(l.execution_id) <> n.leaves;
SELECT s.status, count(*) FROM test.runs AS r JOIN workflow.step_executions AS s ON s.execution_id = r.id GROUP BY 1;
-- and some of it in full
SELECT workflow, output FROM test.runs WHERE mode = 'durable' AND workflow IN
    ('nest parallel loop fork_join', 'nest loop sequential parallel', 'nest fork_join conditional sequential', 'nest conditional parallel loop') ORDER BY workflow;
SELECT set_config('test.id', id::text, false) FROM test.runs WHERE mode = 'durable' AND workflow = 'nest fork_join sequential parallel' \g /dev/null
SELECT scope, step, status, ends, output FROM test.steps;
TABLE test.places;

-- paths of scopes as SQL takes them apart: any name can be in one, although the native format has few
SELECT p.path, l.* FROM unnest(ARRAY['', 'a.b', 'a[0]', 'a#2[10]/b.c', 'send%20mail.a%2Fb%23c', '%00.%00', 'Größe%2E.日本', '~1/', '~1/a.b/c[3]']) AS p (path),
    LATERAL (SELECT (f).step_id, (i).step_id AS innermost, (i).visit, (i).branch, (i).iteration
             FROM (SELECT workflow.scope_level(p.path, 1) AS f, workflow.scope_level(p.path, 0) AS i) AS x) AS l;
SELECT p.level, workflow.scope_level('a#2[10]/b.c/d%2F.e', p.level) FROM generate_series(-1, 4) AS p (level);
-- no paths
SELECT p.path FROM unnest(ARRAY['a', 'a.', '.a', 'a.b/', 'a b.c', 'a%62.c', 'a%2.c', 'a%2f.c', 'a#1.b', 'a[01]', 'a[0]x', '~']) AS p (path)
WHERE workflow.scope_level(p.path, 1) IS NOT NULL;
SELECT workflow.scope_children('', 'a', 1, false), workflow.scope_children('a[1]', 'send mail', 2, true), workflow.scope_children('~1/', 'b', 1, false);
-- what runs is in a scope like what has run: see step_status
SELECT count(*) > 0 AS some, bool_and((workflow.scope_level(s.scope, 0)).branch IS NOT DISTINCT FROM s.branch_name) AS as_rows_have_it
FROM test.runs AS r JOIN workflow.step_executions AS s ON s.execution_id = r.id WHERE s.scope <> '';

-- deeper: the limit of the setting, and beyond it
SHOW workflow.max_nesting;
SELECT workflow.define(jsonb_build_object('name', 'nest_deep', 'steps', jsonb_build_array(
    test.nest(array_fill('conditional'::text, ARRAY[current_setting('workflow.max_nesting')::int]), 'x')))) \gset
CALL test.go('nest_deep');
SELECT severity, path, step_id, message, hint FROM workflow.validate(jsonb_build_object('name', 'nest_deeper', 'steps', jsonb_build_array(
    test.nest(array_fill('conditional'::text, ARRAY[current_setting('workflow.max_nesting')::int + 1]), 'x'))));

-- as deep as it gets: the setting cannot be raised any further, or raising it does not help
SELECT message, hint FROM workflow.validate(jsonb_build_object('name', 'nest_deepest', 'steps', jsonb_build_array(
    test.nest(array_fill('conditional'::text, ARRAY[16]), 'x'))));
SELECT message, hint FROM workflow.validate(jsonb_build_object('name', 'nest_deepest', 'steps', jsonb_build_array(
    test.nest(array_fill('conditional'::text, ARRAY[17]), 'x'))));
SET workflow.max_nesting = 16;
SELECT message, hint FROM workflow.validate(jsonb_build_object('name', 'nest_deepest', 'steps', jsonb_build_array(
    test.nest(array_fill('conditional'::text, ARRAY[17]), 'x'))));
RESET workflow.max_nesting;

TABLE test.wrong;

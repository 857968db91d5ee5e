-- SQL of steps: values, results, settings, errors.  Each case is a workflow of one
-- step run by execute(), which uses the same code as an executor.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA run_sql;
SET search_path = run_sql, public;

-- run one SQL step; step: further fields of it (input_mapping, params, result, ..)
CREATE FUNCTION run(sql text, step jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM workflow.define(jsonb_build_object(
        'name', 'run_sql',
        'start_step', 'only',
        'steps', jsonb_build_object('only',
            jsonb_build_object('type', 'sql', 'sql', sql) || step)));
    RETURN workflow.execute('run_sql', '{}');
END $$;

-- shorthand: with an input
CREATE FUNCTION run(sql text, input jsonb, params jsonb, result text DEFAULT 'rows') RETURNS jsonb
LANGUAGE sql AS $$
    SELECT run_sql.run(sql, jsonb_strip_nulls(jsonb_build_object('result', result))
        || CASE WHEN input IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('input_mapping', input) END
        || CASE WHEN params IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('params', params) END)
$$;

CREATE TABLE orders (id int PRIMARY KEY, total numeric, vip bool, note text, tags text[], data jsonb,
    at timestamptz DEFAULT '2026-01-02 03:04:05+00');
INSERT INTO orders VALUES (1, 100.50, true, 'first', '{a,b}', '{"k": [1, 2]}'), (2, 3, false, NULL, NULL, NULL);

\echo -- results
SELECT run('SELECT * FROM orders ORDER BY id');
SELECT run('SELECT total, vip FROM orders WHERE id = input.id', '{"id": 1}', NULL, 'row');
SELECT run('SELECT total, vip FROM orders WHERE id = input.id', '{"id": 99}', NULL, 'row');
SELECT run('SELECT data FROM orders WHERE id = $1', NULL, '[1]', 'value');
SELECT run('SELECT data FROM orders WHERE id = $1', NULL, '[99]', 'value');
SELECT run('SELECT * FROM orders', NULL, NULL, 'none');
SELECT run('SELECT FROM orders');
SELECT run('SELECT ''[1, 2]''::json', NULL, NULL, 'value');
SELECT run('SELECT ''"s"''::jsonb', NULL, NULL, 'value');
SELECT run('SHOW search_path', NULL, NULL, 'row');
SELECT run('EXPLAIN (VERBOSE, COSTS off) SELECT input.id::int', '{"id": 1}', NULL);
SELECT run('DO $x$ BEGIN PERFORM 1; END $x$');
-- every type as to_jsonb gives it
SELECT run($x$ SELECT '2024-01-01'::date AS d, '12:00'::time AS t, '\xdead'::bytea AS b, '1 day'::interval AS i,
    '{"z": 1,  "a": 2}'::json AS j, row(1, 'x') AS r, ARRAY[[1, 2], [3, 4]] AS arr, int4range(1, 3) AS rg,
    'a'::"char" AS c, 5::oid AS o, '10.0.0.1'::inet AS ip, 'foo'::name AS nm, point(1, 2) AS p,
    'NaN'::numeric AS n1, 'Infinity'::numeric AS n2, 'NaN'::float8 AS f1, 0.1::float8 AS f2,
    0.100000000000000000000000000001 AS exact, 9223372036854775807 AS big $x$, NULL, NULL, 'row');

\echo -- writing
SELECT run('INSERT INTO orders (id, total, note, tags, data) VALUES (input.id, input.total, $1, input.tags, input)',
    '{"id": 3, "total": 12345678901234567890.123456789, "tags": ["x", null, "y,z"]}', '["it''s"]');
SELECT id, total, note, tags, data FROM orders WHERE id = 3;
SELECT run('INSERT INTO orders (id, tags) SELECT g, $1 FROM generate_series(10, 12) g RETURNING id, tags', NULL, '[["q", "r"]]');
-- one row wanted, all rows written
SELECT run('INSERT INTO orders (id) SELECT g FROM generate_series(20, 22) g RETURNING id', NULL, NULL, 'row');
SELECT count(*) FROM orders WHERE id BETWEEN 20 AND 22;
SELECT run('UPDATE orders SET note = input.n WHERE id >= 10', '{"n": 7.50}', NULL, 'none');
SELECT run('WITH w AS (DELETE FROM orders WHERE id >= input.id RETURNING id) SELECT count(*) FROM w', '{"id": 10}', NULL, 'value');
SELECT run('MERGE INTO orders o USING (SELECT input.id::int AS id, input.n::text AS n) s ON o.id = s.id
    WHEN MATCHED THEN UPDATE SET note = s.n WHEN NOT MATCHED THEN INSERT (id, note) VALUES (s.id, s.n)',
    '{"id": 3, "n": "merged"}', NULL);

\echo -- several statements
SELECT run('CREATE TEMP TABLE tt (a int, b text); INSERT INTO tt VALUES (input.a, input.b), (2, $1); /* ; */ SELECT * FROM tt -- ;',
    '{"a": 1, "b": "x"}', '["two"]');
DROP TABLE tt;
SELECT run('CREATE TEMP TABLE tt (a int, b text); INSERT INTO tt VALUES (input.a, input.b), (2, $1); /* ; */ SELECT * FROM tt -- ;',
    '{"a": 1, "b": "x"}', '["two"]');
SELECT run('CREATE TABLE made AS SELECT input.a::int AS a, $1 AS p', '{"a": 5}', '["x"]'), run('SELECT * FROM made');
SELECT run('DECLARE c CURSOR FOR SELECT id FROM orders WHERE id < input.n ORDER BY id; FETCH ALL FROM c', '{"n": 3}', NULL);

\echo -- types from the context
SELECT run('SELECT input.a, input.b, $1 AS p, input.c.d', '{"a": 1.50, "b": "s", "c": {"d": [1, {"x": null}]}}', '[true]');
SELECT run('SELECT input', '{"a": 1}', NULL, 'value');
SELECT run('SELECT to_jsonb(input.x) AS t, jsonb_build_object(''a'', input.x, ''b'', $1) AS o, input.y ->> ''z'' AS z',
    '{"x": [1], "y": {"z": "zz"}}', '[{"q": 1}]');
SELECT run('SELECT to_jsonb(input.x), o.id FROM orders o WHERE o.id = input.id', '{"x": "a", "id": 1}', NULL);
SELECT run('SELECT input.items[1] AS i, input.items[0][''k''] AS k', '{"items": [{"k": 5}, 7]}', NULL);
SELECT run('SELECT array_agg(id ORDER BY id) AS ids FROM orders WHERE id = ANY (input.ids)', '{"ids": [1, 2, 99]}', NULL);
SELECT run('SELECT id FROM orders ORDER BY id LIMIT input.n', '{"n": 2}', NULL);
SELECT run('SELECT input.d::date AS d, input.n::numeric(10, 2) AS n, input.i::interval AS i, $1::int[] AS a, $2::timestamptz AS ts',
    '{"d": "2024-02-29", "n": 1.005, "i": "1 day"}', '[[[1, 2], [3, 4]], "2024-01-01 00:00+00"]');
SELECT run('SELECT input.a IS NULL AS an, $1::int AS p, coalesce(input.b, 5) AS b', '{"a": null, "b": null}', '[null]');
SELECT run('SELECT input."orderId" AS x, input."a b" AS y', '{"orderId": 1, "a b": 2}', NULL);
SELECT run('SELECT input.id FROM (VALUES (42)) input(id)', '{"id": 1}', NULL);
SELECT run('SELECT input.u || note AS n, count(*) FROM orders WHERE id = 1 GROUP BY input.u || note', '{"u": "x-"}', NULL);
SELECT run('SELECT $1::int AS a, $2::bigint AS b, $3::int AS c, $4::int AS d', NULL, '[12.0, 9007199254740993, "42", 1e3]');
SELECT run('SELECT $1::bool AS a, $2::bool AS b', NULL, '[true, "no"]');
SELECT run('SELECT $1::text AS a, $2::text AS b, $3::text AS c, $4::varchar(3) AS d, $5::char(5) AS e, $6::json AS f', NULL,
    '[1.10, true, {"a": [1]}, "abcdef", "ab", "s"]');
SELECT run('SELECT $1', NULL, '["''; DROP TABLE run_sql.orders; --"]', 'value');

\echo -- arrays, composites, domains, enums
CREATE TYPE addr AS (street text, no int, tags text[]);
CREATE DOMAIN posint AS int CHECK (value > 0);
CREATE DOMAIN few AS text[] CHECK (array_length(value, 1) < 3);
CREATE DOMAIN filled AS text NOT NULL;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE people (id posint, a addr, aa addr[], m mood, t few, r int4range, n posint[]);
SELECT run('INSERT INTO people VALUES (input.id, input.a, input.aa, input.m, input.t, input.r, input.n) RETURNING *',
    '{"id": 1, "a": {"street": "S", "no": 3, "tags": ["a", "b"]}, "aa": [{"street": "T"}, null, {"no": "5"}],
      "m": "ok", "t": ["x"], "r": "[1,5)", "n": [1, 2]}', NULL, 'row');
SELECT run('INSERT INTO people (id) VALUES (input.x)', '{"x": -1}', NULL);
SELECT run('INSERT INTO people (n) VALUES (input.x)', '{"x": [1, -1]}', NULL);
SELECT run('INSERT INTO people (t) VALUES (input.x)', '{"x": ["a", "b", "c"]}', NULL);
SELECT run('INSERT INTO people (m) VALUES (input.x)', '{"x": "happy"}', NULL);
SELECT run('SELECT input.x::filled', '{"x": null}', NULL);
SELECT run('SELECT input.x::addr', '{"x": 5}', NULL);
SELECT run('SELECT input.x::int[]', '{"x": {"a": 1}}', NULL);

\echo -- values that cannot be had
SELECT run('SELECT input.missing', '{"a": 1}', NULL);
SELECT run('SELECT input.orderId', '{"orderId": 1}', NULL);
SELECT run('SELECT input.missing', '"${workflow.input}"', NULL);
SELECT run('EXPLAIN SELECT input.orderId', '{"orderId": 1}', NULL);
SELECT run('SELECT input.a.b', '{"a": 1}', NULL);
SELECT run('SELECT input.x');
SELECT run('SELECT $3', NULL, '[1, 2]');
SELECT run('SELECT id FROM orders WHERE id = input.id', '{"id": "abc"}', NULL);
SELECT run('SELECT id FROM orders WHERE id = input.id', '{"id": 1.5}', NULL);
SELECT run('SELECT id FROM orders WHERE id = input.id', '{"id": 99999999999}', NULL);
SELECT run('SELECT id FROM orders WHERE id = input.id', '{"id": {"a": 1}}', NULL);
SELECT run('SELECT input.d::date', '{"d": [1]}', NULL);
SELECT run('SELECT input.a + input.b', '{"a": 1, "b": 2}', NULL);
SELECT run('SELECT nofunc(input.x)', '{"x": 1}', NULL);
SELECT run('SELECT * FROM nosuch WHERE a = input.x', '{"x": 1}', NULL);
SELECT run('CREATE VIEW v AS SELECT input.a', '{"a": 1}', NULL);
SELECT run('DO $x$ BEGIN PERFORM input.a; END $x$', '{"a": 1}', NULL);

\echo -- what a step cannot do
SELECT run('SELECT 1; COMMIT');
SELECT run('SAVEPOINT a');
SELECT run('DO $x$ BEGIN COMMIT; END $x$');
SELECT run('COPY orders FROM STDIN');
SELECT run('COPY (SELECT 1) TO STDOUT');
SELECT run('VACUUM orders');
SELECT run('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE');
SELECT run($$SELECT set_config('transaction_isolation', 'serializable', true)$$);
SELECT run(' -- nothing ');
SELECT run('SELECT 1; SELEC 2');

\echo -- settings
CREATE FUNCTION settings() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', current_setting('transaction_read_only'), current_setting('search_path'),
        current_setting('statement_timeout'), current_setting('work_mem'), current_user = session_user) $$;
SET work_mem = '4MB';
BEGIN;
SELECT run('SET search_path = pg_temp; SET statement_timeout = 123456; SELECT set_config(''work_mem'', ''77'', false);
    SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET TRANSACTION READ ONLY; SELECT run_sql.settings()');
SELECT settings(), current_setting('default_transaction_read_only');
INSERT INTO orders (id) VALUES (500);
COMMIT;
SELECT run('SELECT current_setting(''work_mem'') AS w, current_setting(''my.own'') AS o', '{"result": "row", "settings": {"work_mem": "5MB", "my.own": "x"}}');
SELECT settings();
SELECT run('SELECT 1', '{"settings": {"role": "run_sql_nobody"}}');
SELECT run('SELECT 1 / 0', '{"settings": {"work_mem": "5MB"}}');
SELECT settings();

\echo -- the schema changes between two runs
CREATE TABLE rv (id int, a int);
INSERT INTO rv VALUES (1, 10);
SELECT run('SELECT a FROM rv WHERE id = input.id', '{"id": 1}', NULL), run('INSERT INTO rv VALUES (input.id, input.a)', '{"id": 2, "a": 5}', NULL);
ALTER TABLE rv ALTER id TYPE text, ALTER a TYPE date USING '2024-01-01';
SELECT run('SELECT a FROM rv WHERE id = input.id', '{"id": "1"}', NULL), run('INSERT INTO rv VALUES (input.id, input.a)', '{"id": "two", "a": "2024-02-29"}', NULL);
DROP TABLE rv;
CREATE TABLE rv (id uuid, a jsonb);
SELECT run('INSERT INTO rv VALUES (input.id, input.a)', '{"id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a": [1]}', NULL);
SELECT run('SELECT a FROM rv WHERE id = input.id', '{"id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}', NULL);
CREATE SCHEMA run_sql_1;
CREATE SCHEMA run_sql_2;
CREATE TABLE run_sql_1.t AS SELECT 1 AS a;
CREATE TABLE run_sql_2.t AS SELECT 'one'::text AS a, 'b'::text AS b;
SELECT run('SELECT * FROM t WHERE a = input.a', '{"settings": {"search_path": "run_sql_1"}, "input_mapping": {"a": 1}}');
SELECT run('SELECT * FROM t WHERE a = input.a', '{"settings": {"search_path": "run_sql_2"}, "input_mapping": {"a": "one"}}');
SELECT run('SELECT * FROM t WHERE a = input.a', '{"settings": {"search_path": "run_sql_1"}, "input_mapping": {"a": 1}}');

\echo -- conditions
CREATE FUNCTION choose(condition text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM workflow.define(jsonb_build_object('name', 'run_sql_condition', 'start_step', 'c',
        'steps', jsonb_build_object(
            'c', jsonb_build_object('type', 'conditional', 'condition', jsonb_build_object('sql', condition),
                                    'if_true_step', 'yes', 'if_false_step', 'no'),
            'yes', '{"type": "set", "output": "yes"}'::jsonb,
            'no', '{"type": "set", "output": "no"}'::jsonb)));
    PERFORM workflow.execute('run_sql_condition', '{}');
    -- one that cannot be evaluated is false, and its row says why
    RETURN (SELECT jsonb_strip_nulls(jsonb_build_object('result', condition_result,
                'took', branch_taken, 'error', error -> 'message'))
            FROM workflow.step_executions WHERE step_id = 'c' ORDER BY execution_id DESC LIMIT 1);
END $$;
SELECT choose('SELECT total > 50 FROM run_sql.orders WHERE id = 1');
SELECT choose('SELECT NULL::bool');
SELECT choose('SELECT true WHERE false');
SELECT choose('SELECT 1, 2');
SELECT choose('SELECT * FROM (VALUES (1, 2)) AS v');
SELECT choose('SELECT 1');
SELECT choose('INSERT INTO run_sql.orders (id) VALUES (600) RETURNING true');
SELECT choose('WITH i AS (INSERT INTO run_sql.orders (id) VALUES (600) RETURNING true) TABLE i');
CREATE FUNCTION put(id integer) RETURNS boolean LANGUAGE sql AS 'INSERT INTO run_sql.orders (id) VALUES ($1) RETURNING true';
SELECT choose('SELECT run_sql.put(600)');
SELECT count(*) FROM orders WHERE id = 600;

\echo -- functions
CREATE FUNCTION agent_plpgsql(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN $1 || '{"by": "plpgsql"}'; END $$;
CREATE FUNCTION agent_sql(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT $1 || '{"by": "sql"}' $$;
CREATE FUNCTION agent_null(jsonb) RETURNS jsonb LANGUAGE plpgsql STRICT AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION agent_safe(jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS
    $$ BEGIN RETURN to_jsonb(current_setting('search_path')); END $$;
CREATE FUNCTION "Agent ""odd"(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"odd"'::jsonb $$;
CREATE FUNCTION "Agent ""odd"(text) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"wrong"'::jsonb $$;
CREATE FUNCTION agent_commits(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN COMMIT; RETURN NULL; END $$;
CREATE FUNCTION call(function regprocedure) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM workflow.register_agent('run_sql agent', function => function);
    PERFORM workflow.define('{"name": "run_sql_agent", "start_step": "only", "steps":
        {"only": {"type": "agent", "agent_name": "run_sql agent", "input_mapping": {"a": 1}}}}');
    RETURN workflow.execute('run_sql_agent', '{}');
END $$;
SELECT p, call(p) FROM unnest('{agent_plpgsql(jsonb),agent_sql(jsonb),agent_null(jsonb),agent_safe(jsonb)}'::regprocedure[]) p;
SELECT call('"Agent ""odd"(jsonb)');
SELECT call('agent_commits(jsonb)');
SELECT call('agent_plpgsql(jsonb)');
CREATE OR REPLACE FUNCTION agent_plpgsql(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RETURN '"new"'; END $$;
SELECT workflow.execute('run_sql_agent', '{}');
DROP FUNCTION agent_plpgsql(jsonb);
\set VERBOSITY sqlstate
SELECT workflow.execute('run_sql_agent', '{}');
\set VERBOSITY default

\echo -- large results
SET workflow.max_result_size = '100kB';
SELECT run('SELECT generate_series(1, 2000000000) AS g, repeat(''x'', 100)');
SELECT run('SELECT repeat(''x'', 1000000)', NULL, NULL, 'value');
SELECT run('SELECT array_agg(g) FROM generate_series(1, 100000) g', NULL, NULL, 'value');
SELECT run('INSERT INTO orders (id, note) SELECT g, repeat(''y'', 1000) FROM generate_series(1000, 2000) g RETURNING *');
SELECT count(*) FROM orders WHERE id >= 1000;
SELECT run('SELECT g FROM generate_series(1, 100000) g', NULL, NULL, 'none');
SELECT run('SELECT generate_series(1, 2000000000)', NULL, NULL, 'value');
RESET workflow.max_result_size;

\echo -- more texts than are kept
DO $$ BEGIN FOR i IN 1..1100 LOOP PERFORM run_sql.run('SELECT ' || i || ' + input.a::int', '{"a": 1}', NULL); END LOOP; END $$;
SELECT count(*) <= 1001 AS bounded FROM pg_backend_memory_contexts WHERE name = 'pg_workflow prepared SQL';

\echo -- SQL of a step that executes a workflow
SELECT run('SELECT run_sql.run(''SELECT input.a + 1 AS b'', ''{"a": 1}'', NULL) AS inner_result');

SET client_min_messages = warning;
SELECT workflow.drop_agent('run_sql agent');
DROP SCHEMA run_sql, run_sql_1, run_sql_2 CASCADE;

--
-- What an error is about, its schema, table, column, data type and constraint, is kept and raised again
--
SET client_min_messages = warning;

CREATE SCHEMA fields;
CREATE DOMAIN fields.positive AS integer CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE TABLE fields.parent (id integer CONSTRAINT parent_id PRIMARY KEY);
CREATE TABLE fields.child (id integer NOT NULL, parent integer,
    CONSTRAINT child_once UNIQUE (id), CONSTRAINT child_small CHECK (id < 10),
    CONSTRAINT child_parent FOREIGN KEY (parent) REFERENCES fields.parent DEFERRABLE INITIALLY DEFERRED);
INSERT INTO fields.child VALUES (1);
-- an error with all of them, or with what is given
CREATE FUNCTION fields.fail(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'made up' USING ERRCODE = 'XX999', SCHEMA = 'a schema', TABLE = 'a "table"', COLUMN = 'a column',
        DATATYPE = 'a type', CONSTRAINT = 'a constraint' || (input ->> 'n'), DETAIL = 'd', HINT = 'h';
END $$;
SELECT workflow.register_agent('fields', 'fields.fail(jsonb)') \gset

-- those of core, at once or when the step's SQL has ended; one without any
SELECT count(workflow.define(jsonb_build_object('name', 'fields_' || name, 'steps', jsonb_build_array(jsonb_build_object('id', 's', 'sql', sql)))))
FROM (VALUES ('unique', 'INSERT INTO fields.child VALUES (1)'), ('not_null', 'INSERT INTO fields.child VALUES (NULL)'),
             ('check', 'INSERT INTO fields.child VALUES (10)'), ('deferred', 'INSERT INTO fields.child VALUES (2, 2)'),
             ('domain', 'SELECT 0::fields.positive'), ('plain', 'SELECT 1 / 0')) AS v (name, sql);
SELECT workflow.define('{"name": "fields_agent", "steps": [{"id": "s", "agent_name": "fields", "input_mapping": {"n": 1}}]}') \gset

CREATE FUNCTION fields.about(error jsonb) RETURNS jsonb LANGUAGE sql
RETURN (SELECT jsonb_object_agg(key, value) FROM jsonb_each(error) WHERE key IN ('sqlstate', 'schema', 'table', 'column', 'datatype', 'constraint'));

-- what execute() raises, as a client is told it
CREATE FUNCTION fields.raised(workflow text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    s text; t text; c text; d text; n text; state text;
BEGIN
    PERFORM workflow.execute(workflow);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS s = SCHEMA_NAME, t = TABLE_NAME, c = COLUMN_NAME, d = PG_DATATYPE_NAME, n = CONSTRAINT_NAME, state = RETURNED_SQLSTATE;
    RETURN jsonb_strip_nulls(jsonb_build_object('sqlstate', state, 'schema', NULLIF(s, ''), 'table', NULLIF(t, ''),
        'column', NULLIF(c, ''), 'datatype', NULLIF(d, ''), 'constraint', NULLIF(n, '')));
END $$;

-- with workers, beside others and one after the other: of the step, of the execution, of wait(); and by execute(), whose caller has the
-- deferred ones when its transaction ends
CREATE TABLE fields.runs AS
SELECT name AS workflow, parallel, workflow.start(name, parallel => parallel) AS id
FROM workflow.definitions, unnest('{t,f}'::boolean[]) AS parallel WHERE name LIKE 'fields\_%';
CREATE TABLE fields.waited AS SELECT r.*, w.error FROM fields.runs AS r, LATERAL workflow.wait(r.id, '60 seconds') AS w;
SELECT w.workflow, w.parallel, fields.about(w.error) AS about, fields.about(w.error) = fields.about(e.error) AS execution,
       fields.about(w.error) = (SELECT fields.about(s.error) FROM workflow.step_executions AS s WHERE s.execution_id = w.id) AS step,
       CASE WHEN w.workflow <> 'fields_deferred' THEN fields.about(w.error) = fields.raised(w.workflow) END AS raised
FROM fields.waited AS w JOIN workflow.executions AS e ON e.id = w.id
ORDER BY 1, 2 DESC;

-- where a definition reads them: caught, ignored, in an iteration, in a compensation, by what decides on a retry
SELECT count(workflow.define(d)) FROM unnest(ARRAY[
  $${"name": "read_caught", "start_step": "s", "steps": {
       "s": {"sql": "INSERT INTO fields.child VALUES (1)", "catch": [{"errors": ["unique_violation"], "next_step": "told", "as": "e"}]},
       "told": {"type": "set", "output": "${vars.e.constraint} of ${vars.e.schema}.${s.error.table}, ${s.error.column ?? 'no column'}"}}}$$,
  $${"name": "read_ignored", "steps": [
       {"id": "s", "sql": "INSERT INTO fields.child VALUES (NULL)", "on_failure": "ignore"},
       {"id": "told", "type": "conditional", "condition": "${s.error.column} == 'id'", "if_true_step": {"id": "yes", "type": "set", "output": "column ${s.error.column}"}}]}$$,
  $${"name": "read_iteration", "steps": [
       {"id": "each", "type": "loop", "collection": [1, 2, 3], "execution_mode": "parallel", "on_error": "continue", "loop_body": [{"id": "s", "agent_name": "fields", "input_mapping": {"n": "${loop.item}"}}]},
       {"id": "told", "type": "set", "output": "${each.output.iterations[1].error.constraint}"}]}$$,
  $${"name": "read_retry_if", "steps": [
       {"id": "s", "sql": "SELECT 0::fields.positive", "retry": {"max_retries": 2, "initial_delay_ms": 1, "retry_if": "${s.error.datatype} == 'positive'"}, "on_failure": {"default": 7}}]}$$]::jsonb[]) AS d;
CALL test.run_three_ways('{read_caught,read_ignored,read_iteration,read_retry_if}');
SELECT workflow, mode, status, output, message, (SELECT count(*) FROM workflow.step_executions AS s WHERE s.execution_id = r.id AND s.step_id = 's') AS attempts
FROM test.runs AS r ORDER BY workflow, mode;
-- when the next attempt comes is another time in each
SELECT * FROM test.differences WHERE workflow <> 'read_retry_if';

CREATE TABLE fields.undone (why jsonb);
SELECT workflow.define($${"name": "read_compensation", "dead_letter": true, "steps": [
  {"id": "first", "sql": "SELECT 1", "compensate": {"sql": "INSERT INTO fields.undone VALUES (to_jsonb(input))", "input_mapping": "${workflow.error}"}},
  {"id": "s", "sql": "INSERT INTO fields.child VALUES (2, 2)"}]}$$) \gset
CALL test.go('read_compensation');
SELECT fields.about(why) FROM fields.undone;
SELECT fields.about(error) FROM workflow.dead_letters WHERE execution_id = test.id();

-- nothing is left of an error before
CALL test.go('fields_plain');
SELECT error ?| '{schema,table,column,datatype,constraint}' AS has FROM workflow.executions WHERE id = test.id();
-- whatever the length of its texts an error can be kept, and raised again; a character is whole or not there
CREATE FUNCTION fields.fail_at_length(length integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', repeat('é', length) USING DETAIL = repeat('d', length), HINT = repeat('€', length), COLUMN = repeat('c', length);
END $$;
SELECT count(workflow.define(d)) FROM unnest(ARRAY[
  $${"name": "long_raised", "dead_letter": true, "steps": [{"id": "s", "sql": "SELECT fields.fail_at_length(1000000)", "retry": {"max_retries": 2, "initial_delay_ms": 1}}]}$$,
  $${"name": "long_said", "steps": [{"id": "m", "sql": "SELECT repeat('é', 1000000)", "result": "value"},
                                    {"id": "s", "type": "fail", "error": "${m.output}", "message": "${m.output}"}]}$$,
  $${"name": "long_short", "steps": [{"id": "s", "sql": "SELECT fields.fail_at_length(20)"}]}$$]::jsonb[]) AS d;
CALL test.run_three_ways('{long_raised,long_said,long_short}');
SELECT r.workflow, r.mode, r.status, t.key, octet_length(t.value) AS bytes, left(t.value, 1) AS begins, right(t.value, 4) AS ends,
       s.error_type = s.error ->> 'type' AS type
FROM test.runs AS r JOIN workflow.step_executions AS s ON s.execution_id = r.id AND s.step_id = 's' AND s.attempt = 1,
     LATERAL jsonb_each_text(s.error) AS t
WHERE t.key IN ('message', 'detail', 'hint', 'column') ORDER BY 1, 2, 4;
SELECT workflow, mode, octet_length(message) AS bytes FROM test.runs ORDER BY 1, 2;

DROP SCHEMA fields CASCADE;

-- What define() says of a definition that can never run: where its author wrote it.
CREATE ROLE regress_errors;
SELECT workflow.grant_usage('regress_errors');
CREATE TEMPORARY TABLE documents (id integer, document jsonb);
GRANT SELECT ON documents TO regress_errors;

-- settings: those that do not exist, cannot be set, or cannot have that value, on every level
INSERT INTO documents VALUES (1, $${"name": "err_settings",
  "settings": {"work_men": "1MB", "work_mem": "much", "search_path": "a,,b"},
  "defaults": {"settings": {"enable_seqscan": "maybe", "Statement_Timeout": -5}},
  "steps": [
    {"id": "a", "sql": "SELECT 1", "settings": {"shared_buffers": "1GB", "server_version": "1", "fsync": false,
      "log_connections": true, "TimeZone": "Mars/Utopia", "workflow.max_nestin": 3, "temp_bufers": 100}},
    {"id": "p", "type": "loop", "collection": "${workflow.input.x}", "loop_body": [
      {"id": "in", "sql": "SELECT 1", "settings": {"lock_timeout": "soon"}}]},
    {"id": "c", "sql": "SELECT 2", "compensate": {"sql": "SELECT 3", "settings": {"lock_timeout": "later"}}}]}$$);
-- messages name a setting as it was written before 18, and as the server does since
SELECT severity, path, step_id, regexp_replace(replace(message, 'Statement_Timeout', 'statement_timeout'), ' \(.*\)', '') AS message, regexp_replace(hint, '(values: ).*', '\1') AS hint
FROM documents, workflow.validate(document) WHERE id = 1 ORDER BY path;

-- also beside mistakes that leave no plan to go by
SELECT severity, path, step_id, message, hint
FROM documents, workflow.validate(document || '{"typo": 1, "steps": [{"id": "a", "sql": "SELECT 1", "settings": {"jitt": 0, "transaction_isolation": "x", "a b": 1}}]}')
WHERE id = 1 AND path LIKE 'steps%' ORDER BY path;

-- what depends on who starts it, and when, is a warning; variables of one's own are accepted and not left behind
INSERT INTO documents VALUES (2, $${"name": "err_later", "steps": [
  {"id": "a", "sql": "SELECT current_setting('err.own') AS own", "result": "row", "settings": {"err.own": "x", "role": "none", "temp_buffers": "1MB", "jit": 0,
    "log_min_duration_statement": 5, "session_authorization": "regress_errors_later"}},
  {"id": "b", "sql": "SELECT 1", "settings": {"role": "regress_errors_later"}}]}$$);
SELECT severity, path, step_id, message, hint FROM documents, workflow.validate(document) WHERE id = 2 ORDER BY path;
SELECT current_setting('err.own', true) IS NULL AS nothing_left;
SET ROLE regress_errors;
SELECT severity, path, step_id, message, hint FROM documents, workflow.validate(document) WHERE id = 2 ORDER BY path;
RESET ROLE;
GRANT SET ON PARAMETER log_min_duration_statement TO regress_errors;
SET ROLE regress_errors;
SELECT count(*) FROM documents, workflow.validate(document) WHERE id = 2 AND path LIKE '%duration%';
RESET ROLE;
REVOKE SET ON PARAMETER log_min_duration_statement FROM regress_errors;

-- the verdict is not that of the session: what it has set and done changes nothing
SET err.own = 'mine';
SET err.typo = 'mine';
CREATE TEMPORARY TABLE buffers AS SELECT 1 AS x;
SET log_statement_stats = on;
SELECT path, message FROM workflow.validate($${"name": "err_session", "steps": [
  {"id": "a", "sql": "SELECT 1", "settings": {"log_parser_stats": "on", "temp_buffers": "2MB"}}]}$$);
RESET log_statement_stats;

-- what this role may not use another may
SET ROLE regress_errors;
SELECT severity, path, message FROM workflow.validate($${"name": "err_rights", "steps": [
  {"id": "a", "sql": "SELECT 1", "settings": {"temp_tablespaces": "pg_global"}}]}$$);
RESET ROLE;

-- libraries may not be loaded where it is defined: one that is does not make errors of what it knows
DO $$BEGIN END$$;
SELECT severity, path, message, hint FROM workflow.validate($${"name": "err_library", "steps": [
  {"id": "a", "sql": "SELECT 1", "settings": {"plpgsql.extra_erors": "all", "plpgsql.check_asserts": "perhaps", "err_not_here.x": 1}}]}$$) ORDER BY path;

-- what the server says of SQL and agents is where its author wrote it, whatever the notation
SELECT path, step_id, message, hint FROM workflow.validate($${"name": "err_paths", "on_failure": [{"id": "oops", "sql": "SELECT $2"}], "steps": [
  {"id": "c", "type": "conditional", "condition": {"sql": "SELECT )"}, "then": {"id": "t", "sql": "SELEC"}, "else": {"id": "e", "agent_name": "err_nobody"}},
  {"id": "w", "type": "loop", "while": {"sql": "SELECT $1"}, "max_iterations": 3, "loop_body": [{"sql": "SELECT input.x"}]},
  {"id": "u", "type": "loop", "loop_config": {"until": {"sql": "SELECT $1"}, "max_iterations": 3, "loop_body": [{"id": "deep", "type": "parallel", "parallel_steps": [
    {"id": "d1", "sql": "SELECT input.y"}, {"id": "d2", "type": "set", "output": 1}]}]}},
  {"id": "f", "type": "fork_join", "branches": {"l": [{"id": "l1", "sql": "VACUUM", "compensate": {"sql": "SELECT $3"}}], "r": {"steps": [{"id": "r1", "agent_name": "err_nobody"}]}}}]}$$)
ORDER BY path COLLATE "C";
SELECT path, message FROM workflow.validate($${"name": "err_paths", "start_step": "a", "steps": {
  "a": {"type": "sql", "sql": "SELECT (", "next_step": "w"},
  "w": {"type": "loop", "loop_config": {"while": {"sql": "SELECT $1"}, "max_iterations": 3, "loop_body": ["b"]}},
  "b": {"type": "sql", "sql": "SELECT input.x"}}}$$) ORDER BY path COLLATE "C";

-- what can never run where it stands: statements that need no transaction, conditions that write or
-- have no one column, values that are not given
CREATE FUNCTION never(step jsonb) RETURNS SETOF text LANGUAGE sql AS $$
SELECT concat_ws(' | ', severity, message, hint)
FROM workflow.validate(jsonb_build_object('name', 'err_never', 'steps', jsonb_build_array('{"id": "a"}' || step))) $$;
SELECT sql, never(jsonb_build_object('sql', sql)) FROM unnest(ARRAY[
  'VACUUM t', 'REINDEX DATABASE d', 'REINDEX SYSTEM d', 'REINDEX SCHEMA s', 'REINDEX TABLE t',
  'REINDEX INDEX CONCURRENTLY i', 'REINDEX (CONCURRENTLY off) TABLE t', 'REINDEX (CONCURRENTLY) TABLE t',
  'REINDEX (CONCURRENTLY maybe) TABLE t', 'CLUSTER', 'CLUSTER t', 'ALTER TABLE t DETACH PARTITION p',
  'ALTER TABLE t DETACH PARTITION p CONCURRENTLY', 'ALTER TABLE t ADD x int', 'DROP INDEX CONCURRENTLY i',
  'ALTER DATABASE d SET TABLESPACE s', 'ALTER DATABASE d CONNECTION LIMIT 3',
  'CREATE SUBSCRIPTION s CONNECTION $x$$x$ PUBLICATION p',
  'CREATE SUBSCRIPTION s CONNECTION $x$$x$ PUBLICATION p WITH (create_slot = false)']) AS sql;
SELECT sql, never(jsonb_build_object('type', 'conditional', 'condition', jsonb_build_object('sql', sql),
                                     'then', '{"id": "b", "sql": "SELECT 1"}'::jsonb)) FROM unnest(ARRAY[
  'SELECT true', 'VALUES (true)', 'TABLE t', 'SELECT t.* FROM t', 'SELECT true UNION SELECT false', 'SELECT true, false',
  'SELECT 1 AS x, true', 'INSERT INTO t VALUES (1) RETURNING true', 'DELETE FROM t', 'UPDATE t SET x = 1; SELECT true',
  'SELECT true INTO t', 'SET LOCAL jit = off; SELECT true', 'SELECT true, 1; SELECT true', 'SET LOCAL jit = off',
  'VALUES (true, 1)', 'TABLE t UNION SELECT true', 'SELECT true, 1 UNION SELECT false, 2', '(SELECT true, 1 EXCEPT TABLE t) UNION TABLE t',
  'SELECT true INTO t UNION SELECT false', 'WITH x AS (SELECT true) TABLE x',
  'WITH x AS (DELETE FROM t RETURNING true) TABLE x', 'WITH x AS (UPDATE t SET x = 1) SELECT true; SELECT true']) AS sql;
SELECT sql, never('{"type": "loop", "max_iterations": 3, "loop_body": [{"id": "b", "sql": "SELECT 1"}]}' ||
                  jsonb_build_object('while', jsonb_build_object('sql', sql)))
FROM unnest(ARRAY['SELECT true', 'SELECT true, false', 'DELETE FROM t']) AS sql;
SELECT mapping, never(jsonb_build_object('sql', 'SELECT input.a, input."orderId"', 'input_mapping', mapping)) FROM unnest(ARRAY[
  '{"a": 1, "orderId": 2}', '{"a": 1}', '{"a": null, "orderid": "${workflow.input.x}"}',
  '{"orderId": "${workflow.input.x}"}', '{}', '"${workflow.input}"']::jsonb[]) AS mapping;
SELECT sql, never(jsonb_build_object('sql', sql, 'input_mapping', '{"orderId": 1}'::jsonb)) FROM unnest(ARRAY[
  'SELECT input.orderId', 'SELECT input.other FROM input', 'SELECT input.other FROM f() AS input (other)',
  'WITH input AS (SELECT 1 AS other) SELECT input.other FROM input', 'SELECT input, input."orderId"']) AS sql;
DROP FUNCTION never(jsonb);
-- a value that is wrong is there all the same: one error
SELECT path, message FROM workflow.validate('{"name": "err_set", "steps": [{"id": "a", "type": "set", "output": "${"}]}');
SELECT path, message FROM workflow.validate('{"name": "err_set", "steps": [{"id": "a", "type": "set"}]}');

SELECT workflow.revoke_usage('regress_errors');
-- a step that does not say its type: what is nearly a field of another type may be meant
SELECT path, message, hint FROM workflow.validate('{"name": "err_untyped", "steps": [{"id": "a", "sgl": "SELECT 1"}, {"id": "b", "type": "agent", "sgl": "SELECT 1"},
  {"id": "c", "parms": [1]}, {"id": "d", "agent_nam": "x"}]}') WHERE path ~ '\.';

DROP TABLE documents;
DROP ROLE regress_errors;

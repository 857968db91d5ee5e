--
-- workflow.traceparent: the trace that executions belong to, kept with them and shown
-- to their steps.
--
CREATE SCHEMA traced;

-- what a header looks like, and what is none
CREATE FUNCTION traced.complaint(header text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; detail text; hint text;
BEGIN
    PERFORM set_config('workflow.traceparent', header, true);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN state || ': ' || detail || CASE WHEN hint = '' THEN ' (no hint)' ELSE '' END;
END $$;
SELECT what, traced.complaint(header) FROM (VALUES
    (1, 'none', ''),
    (2, 'sampled', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
    (3, 'unknown flags', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe'),
    (4, 'a later version', 'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
    (5, 'a later version that has more', 'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-ever'),
    (6, 'a later version whose flags do not end', 'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01what-ever'),
    (7, 'a later version without end', 'cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-' || repeat('x', 300)),
    (8, 'more', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-ever'),
    (9, 'version ff', 'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
    (10, 'no version', '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
    (11, 'no trace-id', '00-00000000000000000000000000000000-b7ad6b7169203331-01'),
    (12, 'no parent-id', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01'),
    (13, 'capitals', '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01'),
    (14, 'too short a trace-id', '00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01'),
    (15, 'too long a parent-id', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033310-01'),
    (16, 'no flags', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331'),
    (17, 'one flag', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1'),
    (18, 'another sign', '00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01'),
    (19, 'a space', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 '),
    (20, 'something else', 'trace 1')) AS v (n, what, header)
ORDER BY n;
SET workflow.traceparent = 'trace 1';

-- steps of every kind, an agent, an output and a compensation see it
CREATE FUNCTION traced.agent(input jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT input -> 'trace' $$;
SELECT workflow.register_agent('traced_agent', 'traced.agent(jsonb)');
SELECT workflow.define('{"name": "traced", "steps": [
    {"id": "sql", "sql": "SELECT $1::text", "params": ["${workflow.traceparent}"], "result": "value"},
    {"id": "both", "type": "parallel", "parallel_steps": [
        {"id": "one", "sql": "SELECT left($1, 35)", "params": ["${workflow.traceparent}"], "result": "value"},
        {"id": "two", "type": "agent", "agent_name": "traced_agent", "input_mapping": {"trace": "${workflow.traceparent}"}}]},
    {"id": "text", "type": "set", "output": "trace ${workflow.traceparent}"}],
  "output": {"sql": "${sql.output}", "one": "${one.output}", "two": "${two.output}", "text": "${text.output}"}}') AS version;
CREATE FUNCTION traced.result(execution bigint) RETURNS text LANGUAGE sql AS $$
    SELECT e.status || ': ' || COALESCE(e.traceparent, 'none') || CASE WHEN e.output IS NOT NULL THEN ' ' || e.output::text ELSE '' END
    FROM workflow.executions AS e WHERE e.id = execution
$$;

-- none
SELECT workflow.start('traced') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT traced.result(:id);
-- start(), with and without a key, in a transaction of its own
BEGIN;
SET LOCAL workflow.traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
SELECT workflow.start('traced') AS id, workflow.start('traced', idempotency_key => 'traced') AS keyed,
       workflow.start('traced', start_at => 'infinity') AS deferred \gset
COMMIT;
SHOW workflow.traceparent;
SELECT status FROM workflow.wait(:id, '60 s');
SELECT traced.result(:id);
SELECT status FROM workflow.wait(:keyed, '60 s');
SELECT traced.result(:keyed);
SELECT traced.result(:deferred), workflow.cancel(:deferred);
-- who comes later with the same key changes nothing
SET workflow.traceparent = '00-ffffffffffffffffffffffffffffffff-b7ad6b7169203331-01';
SELECT workflow.start('traced', idempotency_key => 'traced') = :keyed AS same;
SELECT traced.result(:keyed);
-- run() and execute()
CALL workflow.run('traced');
SELECT workflow.execute('traced');
SELECT DISTINCT inline, traceparent FROM workflow.executions WHERE workflow = 'traced' AND traceparent LIKE '00-ffff%' ORDER BY 1;
SHOW application_name;
RESET workflow.traceparent;
SELECT workflow.execute('traced');

-- after a pause, which is loaded another way; in a compensation; after retry() and replay()
SELECT workflow.define('{"name": "traced_failing", "dead_letter": true, "steps": [
    {"id": "done", "type": "set", "output": 1,
     "compensate": {"sql": "SELECT $1::text", "params": ["${workflow.traceparent}"], "result": "value"}},
    {"id": "fails", "sql": "SELECT 1 / (0 * length($1))", "params": ["${workflow.traceparent}"]}]}') AS version;
SET workflow.traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
SELECT workflow.start('traced', start_at => 'infinity') AS paused, workflow.start('traced_failing') AS failing \gset
RESET workflow.traceparent;
SELECT workflow.pause(:paused);
UPDATE workflow.executions SET start_at = NULL WHERE id = :paused;
SELECT workflow.resume(:paused);
SELECT status FROM workflow.wait(:paused, '60 s');
SELECT traced.result(:paused);
SELECT status FROM workflow.wait(:failing, '60 s');
SELECT step_id, status, output FROM workflow.step_executions WHERE execution_id = :failing ORDER BY completed_at;
-- a replay is of the trace of who asks for it
SET workflow.traceparent = '00-11111111111111111111111111111111-b7ad6b7169203331-00';
SELECT workflow.replay(dead_letter_id) AS replay FROM workflow.dead_letter_status WHERE execution_id = :failing \gset
RESET workflow.traceparent;
SELECT status FROM workflow.wait(:replay, '60 s');
SELECT traced.result(:replay);

-- retry() goes on with the execution as it is, which is loaded another way, too
CREATE TABLE traced.mended (mended boolean);
SELECT workflow.define('{"name": "traced_again", "steps": [
    {"id": "a", "sql": "SELECT $1::text, 1 / count(*) AS mended FROM traced.mended", "params": ["${workflow.traceparent}"], "result": "row"}],
  "output": "${a.output}"}') AS version;
SET workflow.traceparent = '00-33333333333333333333333333333333-b7ad6b7169203331-00';
SELECT workflow.start('traced_again') AS again \gset
RESET workflow.traceparent;
SELECT status FROM workflow.wait(:again, '60 s');
INSERT INTO traced.mended VALUES (true);
SELECT workflow.retry(:again);
SELECT status FROM workflow.wait(:again, '60 s');
SELECT traced.result(:again);

-- what a step starts belongs to its trace when it says so
SELECT workflow.define('{"name": "traced_parent", "steps": [{"id": "child", "result": "value", "params": ["${workflow.traceparent}"],
    "sql": "SELECT workflow.start(''traced'') FROM set_config(''workflow.traceparent'', COALESCE($1, ''''), true)"}]}') AS version;
SET workflow.traceparent = '00-22222222222222222222222222222222-b7ad6b7169203331-01';
SELECT workflow.start('traced_parent') AS id \gset
RESET workflow.traceparent;
SELECT output::bigint AS child FROM workflow.wait(:id, '60 s') \gset
SELECT status FROM workflow.wait(:child, '60 s');
SELECT traced.result(:child);

-- not a field of anything else
SELECT workflow.define('{"name": "traced_wrong", "steps": [{"id": "a", "sql": "SELECT $1", "params": ["${workflow.trace}"]}]}');

SELECT workflow.discard(dead_letter_id) FROM workflow.dead_letter_status WHERE workflow = 'traced_failing' AND status = 'pending';
SET client_min_messages = warning;
DROP SCHEMA traced CASCADE;

--
-- pause() and resume()
--
SET client_min_messages = warning;

SELECT workflow.define($${"name": "pause_chain", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "value"},
  {"id": "b", "type": "set", "assign": {"n": 1}},
  {"id": "c", "type": "sql", "sql": "SELECT input.n + 1", "result": "value", "input_mapping": {"n": "${vars.n}"}}]}$$);
SELECT workflow.define($${"name": "pause_loop", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "result": "outputs", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"},
    {"id": "b", "type": "sql", "sql": "SELECT input.i", "result": "value", "input_mapping": {"i": "${loop.item}"}}]}}]}$$);
SELECT workflow.define($${"name": "pause_parallel", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "max_parallelism": 2,
   "result": "outputs", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"},
    {"id": "b", "type": "sql", "sql": "SELECT input.i", "result": "value", "input_mapping": {"i": "${loop.item}"}}]}}]}$$);

CREATE VIEW test.state AS
SELECT status, output, error_type, paused_until IS NOT NULL AS ends, pause_reason,
       paused_by, (SELECT count(*) FROM unnest(pauses)) AS pauses
FROM workflow.executions WHERE id = test.id();

-- one that has not begun
SELECT set_config('test.id', workflow.start('pause_chain', start_at => 'now')::text, false) IS NOT NULL AS started,
       workflow.pause(test.id(), 'not yet'), workflow.pause(test.id());
TABLE test.state;
SELECT workflow.resume(test.id(), 'now'), workflow.resume(test.id());
SELECT status, output FROM workflow.wait(test.id(), '60 s');

-- one that runs: its step ends, and nothing further begins
CALL test.to_gate('pause_chain');
SELECT workflow.pause(test.id(), 'to see'), workflow.pause(test.id(), 'again');
SELECT step_id, status FROM workflow.step_status WHERE execution_id = test.id();
CALL test.told();
CALL test.open_gate();
TABLE test.steps;
TABLE test.state;
SELECT workflow.resume(test.id());
SELECT status, output FROM workflow.wait(test.id(), '60 s');
TABLE test.steps;

-- resumed before its step has ended
CALL test.to_gate('pause_chain');
SELECT workflow.pause(test.id());
SELECT workflow.resume(test.id());
CALL test.until('SELECT status = ''running'' FROM workflow.executions WHERE id = test.id()');
SELECT workflow.pause(test.id());
SELECT workflow.resume(test.id());
CALL test.told();
CALL test.open_gate();
SELECT status, output FROM workflow.wait(test.id(), '60 s');
TABLE test.steps;

-- an iteration that has begun ends
CALL test.to_gate('pause_loop', '[1, 2, 3]');
SELECT workflow.pause(test.id());
CALL test.told();
CALL test.open_gate();
TABLE test.steps;
SELECT workflow.resume(test.id());
SELECT status, output FROM workflow.wait(test.id(), '60 s');
TABLE test.steps;

-- an iteration may end, and begin, with something that is not SQL
SELECT workflow.define($${"name": "pause_set", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "result": "outputs", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"},
    {"id": "b", "type": "set", "output": "${loop.item}"}]}}]}$$);
SELECT workflow.define($${"name": "pause_skipped", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "result": "counts", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"},
    {"id": "b", "type": "sql", "sql": "SELECT 1", "when": "false"}]}}]}$$);
SELECT workflow.define($${"name": "pause_no_branch", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "result": "counts", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"},
    {"id": "b", "type": "conditional", "condition": {"expression": "false"}, "if_true_step": {"id": "c", "type": "set", "output": 1}}]}}]}$$);
SELECT workflow.define($${"name": "pause_set_first", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "result": "counts", "loop_body": [
    {"id": "b", "type": "set", "output": "${loop.item}"},
    {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"},
    {"id": "c", "type": "set", "output": "${loop.item}"}]}}]}$$);
SELECT workflow.define($${"name": "pause_while", "steps": [
  {"id": "begin", "type": "set", "assign": {"n": 0}},
  {"id": "each", "type": "loop", "loop_config": {"while": "${vars.n} < 3", "result": "counts", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass(to_jsonb(input.n + 1))", "input_mapping": {"n": "${vars.n}"}, "result": "value"},
    {"id": "b", "type": "set", "assign": {"n": "${a.output}"}, "output": 1}]}}]}$$);
SELECT workflow.define($${"name": "pause_until", "steps": [
  {"id": "begin", "type": "set", "assign": {"n": 0}},
  {"id": "each", "type": "loop", "loop_config": {"until": "${vars.n} >= 3", "result": "counts", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass(to_jsonb(input.n + 1))", "input_mapping": {"n": "${vars.n}"}, "result": "value"},
    {"id": "b", "type": "set", "assign": {"n": "${a.output}"}, "output": 1}]}}]}$$);
SELECT workflow.define($${"name": "pause_behind", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": [1], "result": "counts", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"},
    {"id": "b", "type": "set", "output": 1}]}},
  {"id": "c", "type": "set", "output": "${each.output}"},
  {"id": "d", "type": "sql", "sql": "SELECT 1", "result": "value", "output": "${each.output}"}]}$$);
-- the steps that had been run when it stopped, and how often when it was over
CREATE PROCEDURE test.pause_in(workflow text, INOUT stopped text DEFAULT NULL, INOUT steps text DEFAULT NULL,
    INOUT ended text DEFAULT NULL, INOUT all_steps text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
    CALL test.to_gate(workflow, '[1, 2, 3]');
    PERFORM workflow.pause(test.id());
    COMMIT;
    CALL test.told();
    CALL test.open_gate();
    SELECT e.status INTO stopped FROM workflow.executions AS e WHERE e.id = test.id();
    SELECT string_agg(step_id || ' ' || status, ', ' ORDER BY started_at) INTO steps
    FROM workflow.step_executions WHERE execution_id = test.id();
    PERFORM workflow.resume(test.id());
    COMMIT;
    SELECT w.status INTO ended FROM workflow.wait(test.id(), '60 s') AS w;
    SELECT string_agg(n || ' ' || step_id, ', ' ORDER BY step_id) INTO all_steps
    FROM (SELECT step_id, count(*) AS n FROM workflow.step_executions WHERE execution_id = test.id() GROUP BY 1) AS s;
END $$;
CALL test.pause_in('pause_set');
CALL test.pause_in('pause_skipped');
CALL test.pause_in('pause_no_branch');
CALL test.pause_in('pause_set_first');
CALL test.pause_in('pause_while');
CALL test.pause_in('pause_until');
CALL test.pause_in('pause_behind');
-- nor does a held step begin that is not SQL
CALL test.to_gate('pause_behind');
SELECT workflow.hold_step(test.id(), 'c');
CALL test.told();
CALL test.open_gate();
TABLE test.steps;
SELECT workflow.release_step(test.id(), 'c');
SELECT status, output FROM workflow.wait(test.id(), '60 s');

-- so do those that run side by side
CALL test.to_gate('pause_parallel', '[1, 2, 3, 4, 5, 6]', 2);
SELECT workflow.pause(test.id());
CALL test.told();
CALL test.open_gate();
SELECT step_id, count(*) FROM workflow.step_executions WHERE execution_id = test.id() GROUP BY 1 ORDER BY 1;
SELECT workflow.resume(test.id());
SELECT status, output FROM workflow.wait(test.id(), '60 s');
SELECT step_id, count(*) FROM workflow.step_executions WHERE execution_id = test.id() GROUP BY 1 ORDER BY 1;

-- the step that ends the execution ends it
SELECT workflow.define('{"name": "pause_last", "steps": [{"id": "a", "type": "sql", "sql": "SELECT test.pass(''1'')", "result": "value"}]}');
CALL test.to_gate('pause_last');
SELECT workflow.pause(test.id());
CALL test.told();
CALL test.open_gate();
SELECT status, output FROM workflow.wait(test.id(), '60 s');

-- a step pauses its own execution
SELECT workflow.define($${"name": "pause_itself", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT workflow.pause(input.id, 'enough')", "result": "value", "input_mapping": {"id": "${workflow.execution_id}"}},
  {"id": "b", "type": "set", "output": "${a.output}"}]}$$);
SELECT set_config('test.id', workflow.start('pause_itself')::text, false) IS NOT NULL AS started;
CALL test.until('SELECT status = ''paused'' FROM workflow.executions WHERE id = test.id()');
CALL test.at_rest();
TABLE test.steps;
SELECT workflow.resume(test.id());
SELECT status, output FROM workflow.wait(test.id(), '60 s');
-- in execute() none is steered: it would be as if nothing had been said
SELECT workflow.define(format('{"name": "steers_itself", "steps": [
  {"id": "a", "sql": "SELECT CASE input.how %s END", "result": "value", "input_mapping": {"id": "${workflow.execution_id}", "how": "${workflow.input}"}},
  {"id": "b", "type": "set", "output": "${a.output}"}]}', string_agg(format('WHEN ''%s'' THEN workflow.%1$s(input.id%s)::text', f.name, f.more), ' '))::jsonb)
FROM (VALUES ('pause', ''), ('cancel', ''), ('hold_step', ', ''b'''), ('skip_step', ', ''b'''), ('release_step', ', ''b'''), ('resume', '')) AS f (name, more);
DO $$
DECLARE
    how text;
    detail text;
    hint text;
BEGIN
    FOREACH how IN ARRAY '{pause,cancel,hold_step,skip_step,release_step,resume}'::text[] LOOP
        BEGIN
            RAISE WARNING '%: %', how, workflow.execute('steers_itself', to_jsonb(how));
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            RAISE WARNING '%: %', how, regexp_replace(SQLERRM, '[0-9]+', 'N') USING DETAIL = detail, HINT = hint;
        END;
    END LOOP;
END $$;

-- time limits stand still: of the execution, the block, the branch
SELECT workflow.define($${"name": "pause_clock", "timeout_seconds": 100, "steps": [
  {"id": "f", "type": "fork_join", "timeout_seconds": 100, "fork_join_config": {"branches": {
     "l": {"timeout_seconds": 100, "steps": [
       {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none"}, {"id": "b", "type": "sql", "sql": "SELECT 2", "result": "value"}]},
     "r": {"steps": [{"id": "c", "type": "sql", "sql": "SELECT 3", "result": "value"}]}}}}]}$$);
CALL test.to_gate('pause_clock');
SELECT workflow.pause(test.id());
CALL test.told();
CALL test.open_gate();
-- it has been paused for an hour
UPDATE workflow.executions SET created_at = created_at - interval '1 hour', started_at = started_at - interval '1 hour', paused_at = paused_at - interval '1 hour' WHERE id = test.id();
UPDATE workflow.step_executions SET started_at = started_at - interval '1 hour', completed_at = completed_at - interval '1 hour' WHERE execution_id = test.id();
SELECT workflow.resume(test.id());
SELECT status, output, error_type FROM workflow.wait(test.id(), '60 s');

-- so does that of retries, here in front of the second attempt, as if it had lasted an hour
SELECT workflow.define($${"name": "pause_retry", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1 / (test.pass('0')::int)", "result": "value",
   "retry": {"max_retries": 2, "type": "immediate", "max_total_seconds": 1800}}]}$$);
CALL test.to_gate('pause_retry');
SELECT workflow.pause(test.id());
CALL test.told();
CALL test.open_gate();
SELECT attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY attempt;
UPDATE workflow.step_executions SET started_at = started_at - interval '1 hour' WHERE execution_id = test.id();
UPDATE workflow.executions SET paused_at = paused_at - interval '1 hour' WHERE id = test.id();
SELECT workflow.resume(test.id());
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY attempt;
DELETE FROM workflow.step_executions WHERE execution_id = test.id();

-- a pause that lasts too long: said by the caller, or by the definition
CALL test.to_gate('pause_chain');
SELECT workflow.hold_step(test.id(), 'b');
CALL test.told();
CALL test.open_gate();
SELECT workflow.pause(test.id(), max_pause => '50 ms');
SELECT status, error_type, error FROM workflow.wait(test.id(), '60 s');
TABLE test.steps;
SELECT workflow.define($${"name": "pause_limit", "max_pause_seconds": 1, "steps": [{"id": "a", "type": "set", "output": 1}]}$$);
SELECT set_config('test.id', workflow.start('pause_limit', start_at => 'infinity')::text, false) IS NOT NULL AS started,
       workflow.pause(test.id());
SELECT paused_until - paused_at < '1 s' AND paused_until - paused_at > '0.5 s' AS by_definition FROM workflow.executions WHERE id = test.id();
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
-- tried again that pause is one of its pauses
SELECT set_config('test.id', workflow.start('pause_limit')::text, false) IS NOT NULL AS started, workflow.pause(test.id(), max_pause => '50 ms');
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT workflow.retry(test.id());
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT pauses @> paused_at AS counted FROM workflow.executions WHERE id = test.id();
-- with a step of before the pause still running
CALL test.to_gate('pause_loop', '[1, 2]');
SELECT workflow.pause(test.id(), max_pause => '50 ms');
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
-- it is interrupted; had it been let go now it might have ended first
CALL test.at_rest();
CALL test.open_gate();
TABLE test.steps;
-- with something to be undone and an on_failure chain, which are run before it fails
SELECT workflow.define($${"name": "pause_undo", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT test.pass()", "result": "none", "compensate": {"id": "undo", "type": "sql", "sql": "SELECT 1", "result": "none"}},
  {"id": "b", "type": "set", "output": 1}],
  "on_failure": [{"id": "tell", "type": "set", "output": "${workflow.error.type}"}]}$$);
CALL test.to_gate('pause_undo');
SELECT workflow.hold_step(test.id(), 'b');
CALL test.told();
CALL test.open_gate();
SELECT workflow.pause(test.id(), max_pause => '50 ms');
SELECT status, error_type, error ->> 'message' AS message FROM workflow.wait(test.id(), '60 s');
SELECT step_id, status, output FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;

-- the same when it was retried and had not gone on before it was paused: what was done before is undone, the chain is run once more
CALL test.to_gate('pause_undo');
SELECT workflow.hold_step(test.id(), 'b');
CALL test.told();
CALL test.open_gate();
SELECT workflow.cancel(test.id());
SELECT status FROM workflow.wait(test.id(), '60 s');
BEGIN;
SELECT workflow.retry(test.id());
SELECT workflow.pause(test.id(), max_pause => '50 ms');
COMMIT;
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT scope, step_id, status, output FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;
SELECT workflow.define($${"name": "pause_tell", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": [1, 0], "result": "counts", "loop_body": [{"id": "a", "type": "sql", "sql": "SELECT 1 / $1", "params": ["${loop.item}"], "result": "value"}]}}],
  "on_failure": [{"id": "tell", "type": "set", "output": "${workflow.error.type}"}]}$$);
CALL test.go('pause_tell');
BEGIN;
SELECT workflow.retry(test.id());
SELECT workflow.pause(test.id(), max_pause => '50 ms');
COMMIT;
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT scope, step_id, status, output, error_type FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at, scope;

-- cancelled while it is paused
CALL test.to_gate('pause_loop', '[1, 2]');
SELECT workflow.pause(test.id());
CALL test.told();
CALL test.open_gate();
SELECT workflow.cancel(test.id());
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
TABLE test.steps;
-- .. and while its step still runs
CALL test.to_gate('pause_loop', '[1, 2]');
SELECT workflow.pause(test.id());
SELECT workflow.cancel(test.id());
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
CALL test.open_gate();

-- refused, or too late
SELECT workflow.pause(test.id()), workflow.resume(test.id());
SELECT workflow.pause(NULL);
SELECT workflow.pause(-1);
SELECT workflow.resume(-1);
SELECT set_config('test.id', workflow.start('pause_chain', start_at => 'infinity')::text, false) IS NOT NULL AS started;
SELECT workflow.pause(test.id(), max_pause => '0');
SELECT workflow.define('{"name": "pause_wrong", "max_pause_seconds": 0, "steps": [{"id": "a", "type": "set", "output": 1}]}');
CREATE ROLE pause_other;
SELECT workflow.grant_usage('pause_other');
SET ROLE pause_other;
DO $$
BEGIN
    PERFORM workflow.pause(current_setting('test.id')::bigint);
EXCEPTION WHEN undefined_object THEN
    RAISE WARNING '%', regexp_replace(SQLERRM, '[0-9]+', 'N');
END $$;
DO $$
BEGIN
    PERFORM workflow.resume(current_setting('test.id')::bigint);
EXCEPTION WHEN undefined_object THEN
    RAISE WARNING '%', regexp_replace(SQLERRM, '[0-9]+', 'N');
END $$;
RESET ROLE;
SELECT workflow.pause(test.id(), 'by whom'), workflow.resume(test.id(), 'why');
SELECT action, subject_type, subject = test.id()::text AS it, role, session_role, pid = pg_backend_pid() AS from_here, reason, before, after
FROM workflow.audit_log WHERE execution_id = test.id() ORDER BY id;
-- what is rolled back was not done
BEGIN;
SELECT workflow.pause(test.id());
ROLLBACK;
SELECT status FROM workflow.executions WHERE id = test.id();
SELECT workflow.cancel(test.id());

-- between compensations, too, also of what a loop has done
SELECT workflow.define($${"name": "pause_between", "steps": [
  {"id": "l", "type": "loop", "collection": [1, 2, 3], "loop_body": [{"id": "x", "sql": "SELECT 1", "compensate": {"id": "undo", "sql": "SELECT test.pass()", "result": "none"}}]},
  {"id": "f", "type": "fail", "error": "Enough"}]}$$);
CALL test.to_gate('pause_between');
SELECT workflow.pause(test.id());
CALL test.told();
CALL test.open_gate();
SELECT status, ending FROM workflow.executions WHERE id = test.id();
SELECT count(*) FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'undo';
SELECT workflow.resume(test.id());
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT count(*) FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'undo';

TABLE test.wrong;
DROP OWNED BY pause_other;
DROP ROLE pause_other;

--
-- retry(): an execution that has ended goes on
--
SET client_min_messages = warning;

-- A step that fails while its name is in a table, and says that it ran.
CREATE TABLE test.broken (step text);
CREATE TABLE test.ran (id bigint, step text, input jsonb, n serial);
CREATE FUNCTION test.work(step text, id bigint, input jsonb DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM test.broken AS b WHERE work.step LIKE b.step) THEN
        RAISE EXCEPTION '% is broken', step;
    END IF;
    INSERT INTO test.ran VALUES (id, step, input);
    RETURN COALESCE(input, to_jsonb(step));
END $$;
-- steps a, b .. of a definition, made short
CREATE FUNCTION test.step(id text, more jsonb DEFAULT '{}', place text DEFAULT '') RETURNS jsonb LANGUAGE sql
RETURN jsonb_build_object('id', id, 'type', 'sql', 'result', 'value', 'sql', format('SELECT test.work(%L || COALESCE(input.p, ''''), input.e)', id),
    'input_mapping', jsonb_build_object('e', '${workflow.execution_id}', 'p', place)) || more;
CREATE PROCEDURE test.break(VARIADIC steps text[]) LANGUAGE sql AS $$
    DELETE FROM test.broken; INSERT INTO test.broken SELECT unnest(steps) $$;
CREATE PROCEDURE test.mend() LANGUAGE sql AS 'DELETE FROM test.broken';
CREATE VIEW test.done AS SELECT string_agg(step, ' ' ORDER BY n) AS ran FROM test.ran WHERE id = test.id();
CREATE VIEW test.attempts AS
SELECT scope, step_id AS step, attempt, status, scope_outcome AS ends, on_failure, error_type
FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope, started_at, attempt;
CREATE PROCEDURE test.again(from_step text DEFAULT NULL, input jsonb DEFAULT NULL, INOUT status text DEFAULT NULL,
    INOUT output jsonb DEFAULT NULL, INOUT error_type text DEFAULT NULL)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM workflow.retry(test.id(), from_step, input, 'again');
    COMMIT;
    SELECT e.status, e.output, e.error_type INTO status, output, error_type FROM workflow.wait(test.id(), '60 s') AS e;
END $$;

CREATE FUNCTION test.says(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; h text;
BEGIN
    EXECUTE query;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN regexp_replace(concat_ws(' | ', SQLSTATE, SQLERRM, NULLIF(d, ''), NULLIF(h, '')), 'execution [0-9]+', 'execution N');
END $$;

-- a chain: what has completed stays
SELECT workflow.define(jsonb_build_object('name', 'again_chain', 'steps', jsonb_build_array(
    test.step('a'), test.step('b'), test.step('c', '{"retry": {"max_retries": 1, "type": "immediate"}}'), test.step('d'))));
CALL test.break('c');
CALL test.go('again_chain');
CALL test.again();
TABLE test.attempts;
CALL test.mend();
CALL test.again();
TABLE test.attempts;
TABLE test.done;
SELECT retries, pauses IS NOT NULL AS pauses, reopen, error FROM workflow.executions WHERE id = test.id();
SELECT action, reason, before, after FROM workflow.audit_log WHERE execution_id = test.id() ORDER BY id;

-- stopped in the delay before another attempt, on the top and in a branch: that is made at once
SELECT workflow.define(jsonb_build_object('name', 'again_delayed', 'steps', jsonb_build_array(
    test.step('a', '{"retry": {"type": "fixed_delay", "initial_delay_ms": 3600000}}'),
    jsonb_build_object('id', 'p', 'type', 'parallel', 'parallel_steps', jsonb_build_array(
        test.step('b', '{"retry": {"type": "fixed_delay", "initial_delay_ms": 3600000}}'), test.step('c'))))));
CALL test.break('a', 'b');
SELECT set_config('test.id', workflow.start('again_delayed')::text, false) IS NOT NULL AS started;
CALL test.until($$SELECT count(*) = 1 FROM workflow.waits WHERE execution_id = test.id() AND step_id = 'a'$$);
SELECT workflow.cancel(test.id(), 'it is mended');
SELECT status FROM workflow.wait(test.id(), '60 s');
CALL test.break('b');
SELECT workflow.retry(test.id());
CALL test.until($$SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'c'$$);
CALL test.until($$SELECT count(*) = 1 FROM workflow.waits WHERE execution_id = test.id() AND step_id = 'b'$$);
SELECT workflow.cancel(test.id(), 'so is this');
SELECT status FROM workflow.wait(test.id(), '60 s');
CALL test.mend();
CALL test.again();
SELECT scope, step_id, attempt, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope, attempt, step_id;

-- from an earlier step on: it and all after it are done again
CALL test.break('d');
CALL test.go('again_chain');
CALL test.mend();
CALL test.again('b');
TABLE test.attempts;
TABLE test.done;

-- with another input for the step that failed, for the automatic retries too
SELECT workflow.define($${"name": "again_input", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 10", "result": "value"},
  {"id": "b", "type": "sql", "sql": "SELECT 100 / input.n::integer", "result": "value", "input_mapping": {"n": 0}},
  {"id": "c", "type": "set", "output": {"a": "${a.output}", "b": "${b.output}"}}]}$$);
CALL test.go('again_input');
CALL test.again(NULL, '{"n": 5}');
SELECT step_id, attempt, input, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;
CALL test.go('again_input');
CALL test.again('b', '{"n": 0}');
CALL test.again('b', '{"n": 4}');
-- a mapping that failed is not in the way
SELECT workflow.define($${"name": "again_mapping", "steps": [
  {"id": "b", "agent_name": "echo", "input_mapping": {"n": "${workflow.input.missing}"}}]}$$);
CALL test.go('again_mapping');
CALL test.again(NULL, '{"n": "given"}');

-- branches, children, iterations: what completed in them stays
SELECT workflow.define(jsonb_build_object('name', 'again_tree', 'steps', jsonb_build_array(
    test.step('first'),
    jsonb_build_object('id', 'f', 'type', 'fork_join', 'fork_join_config', jsonb_build_object('branches', jsonb_build_object(
        'left', jsonb_build_array(test.step('l1'), test.step('l2'), test.step('l3')),
        'right', jsonb_build_array(test.step('r1'),
            jsonb_build_object('id', 'each', 'type', 'loop', 'loop_config', jsonb_build_object('collection', '${workflow.input}', 'on_error', 'collect',
                'result', 'outputs', 'execution_mode', 'parallel', 'loop_body', jsonb_build_array(
                    test.step('x', place => '${loop.index}'), test.step('y', place => '${loop.index}')))))))),
    jsonb_build_object('id', 'seq', 'type', 'loop', 'loop_config', jsonb_build_object('collection', '${workflow.input}', 'on_error', 'collect',
        'result', 'outputs', 'loop_body', jsonb_build_array(
            test.step('u', place => '${loop.index}'), test.step('v', place => '${loop.index}')))),
    jsonb_build_object('id', 'if', 'type', 'conditional', 'condition', 'true', 'if_true_step', jsonb_build_array(
        test.step('t1'),
        jsonb_build_object('id', 'p', 'type', 'parallel', 'parallel_steps', jsonb_build_array(test.step('p1'), test.step('p2'), test.step('p3'))))),
    test.step('last'))));
CALL test.break('l2', 'x1', 'y2', 'v0', 'v3', 'p2');
CALL test.go('again_tree', '[1, 2, 3, 4, 5]');
SELECT array_agg(step ORDER BY step) FROM test.ran WHERE id = test.id();
CALL test.again();
CALL test.break('v0', 'v3', 'p2');
CALL test.again();
CALL test.break('p2');
CALL test.again();
CALL test.mend();
CALL test.again();
-- once each, none twice
SELECT count(*), count(DISTINCT step) FROM test.ran WHERE id = test.id();
SELECT step_id, count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE on_failure = 'retried') AS retried, count(*) AS rows
FROM workflow.step_executions WHERE execution_id = test.id() GROUP BY 1 ORDER BY 1;
-- the same without parallelism
SET workflow.parallel = off;
CALL test.break('l2', 'x1', 'y2', 'v0', 'v3', 'p2');
CALL test.go('again_tree', '[1, 2, 3, 4, 5]');
RESET workflow.parallel;
CALL test.break('v0', 'v3', 'p2');
CALL test.again();
CALL test.break('p2');
CALL test.again();
CALL test.mend();
CALL test.again();
SELECT count(*), count(DISTINCT step) FROM test.ran WHERE id = test.id();

-- a loop without a collection
SELECT workflow.define(jsonb_build_object('name', 'again_until', 'steps', jsonb_build_array(
    jsonb_build_object('id', 'w', 'type', 'loop', 'loop_config', jsonb_build_object('until', '${loop.index} == 3', 'on_error', 'collect', 'result', 'outputs', 'loop_body', jsonb_build_array(
        test.step('k', place => '${loop.index}')))))));
CALL test.break('k0', 'k2');
CALL test.go('again_until');
CALL test.mend();
CALL test.again();
TABLE test.done;

-- one that was cancelled, in the middle of everything
SELECT workflow.define(jsonb_build_object('name', 'again_gate', 'steps', jsonb_build_array(
    test.step('a'),
    jsonb_build_object('id', 'each', 'type', 'loop', 'loop_config', jsonb_build_object('collection', '${workflow.input}', 'execution_mode', 'parallel',
        'max_parallelism', 2, 'result', 'outputs', 'loop_body', jsonb_build_array(
            test.step('x', place => '${loop.index}'),
            '{"id": "g", "type": "sql", "sql": "SELECT test.pass(to_jsonb(input.i))", "result": "value", "input_mapping": {"i": "${loop.index}"}}'::jsonb))),
    test.step('z'))));
CALL test.to_gate('again_gate', '[1, 2, 3, 4]', 2);
SELECT workflow.cancel(test.id());
SELECT status FROM workflow.wait(test.id(), '60 s');
CALL test.open_gate();
CALL test.again();
SELECT array_agg(step ORDER BY step) FROM test.ran WHERE id = test.id();
-- one that never began
SELECT set_config('test.id', workflow.start('again_chain', start_at => 'infinity')::text, false) IS NOT NULL AS started, workflow.cancel(test.id());
UPDATE workflow.executions SET start_at = NULL WHERE id = test.id();
CALL test.again();
TABLE test.done;

-- one that timed out: clocks begin anew
SELECT workflow.define($${"name": "again_late", "timeout_seconds": 1, "steps": [
  {"id": "p", "type": "parallel", "timeout_seconds": 1, "parallel_steps": [
    {"id": "g", "type": "sql", "sql": "SELECT test.pass('1')", "result": "value"}, {"id": "b", "type": "set", "output": 2}]}]}$$);
CALL test.to_gate('again_late');
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
CALL test.open_gate();
CALL test.again();
TABLE test.attempts;

-- ends that no step is to blame for
SELECT workflow.define($${"name": "again_output", "output": "${a.output.missing}", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1"}]}$$);
CALL test.go('again_output');
CALL test.again();
SELECT workflow.define(jsonb_build_object('name', 'again_fail', 'steps', jsonb_build_array(
    '{"id": "p", "type": "parallel", "parallel_steps": [{"id": "f", "type": "fail", "error": "No", "when": "${workflow.input.bad} ?? false"}, {"id": "b", "type": "set", "output": 2}]}'::jsonb)));
CALL test.go('again_fail', '{"bad": true}');
CALL test.again();
CALL test.settle();
CALL test.again('p');
CALL test.settle();

-- the definition's budget, and the number of retries, count anew
SELECT workflow.define(jsonb_build_object('name', 'again_budget', 'max_retry_budget', 2, 'steps', jsonb_build_array(
    test.step('a', '{"retry": {"max_retries": 5, "type": "immediate"}}'))));
CALL test.break('a');
CALL test.go('again_budget');
CALL test.again();
SELECT attempt, on_failure FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY 1;

-- an on_failure chain that has run runs again, if it fails again
SELECT workflow.define(jsonb_build_object('name', 'again_chain_of_failure', 'on_failure', jsonb_build_array(test.step('sorry')), 'steps', jsonb_build_array(test.step('a'), test.step('b'))));
CALL test.break('b');
CALL test.go('again_chain_of_failure');
CALL test.again();
CALL test.mend();
CALL test.again();
TABLE test.attempts;
TABLE test.done;
-- what has been undone cannot go on
SELECT workflow.define(jsonb_build_object('name', 'again_undone', 'steps', jsonb_build_array(test.step('a', jsonb_build_object('compensate', test.step('undo'))), test.step('b'))));
CALL test.break('b');
CALL test.go('again_undone');
SELECT test.says('SELECT workflow.retry(test.id())');
-- of a blocked workflow nothing goes on
CALL test.go('again_chain_of_failure');
SELECT workflow.block('again_chain_of_failure', 'no more') IS NULL AS never \gset
SELECT split_part(test.says('SELECT workflow.retry(test.id())'), ' | ', 2) AS says;
SELECT workflow.unblock('again_chain_of_failure', 'enough') IS NULL AS never \gset

-- what cannot be
CALL test.mend();
CALL test.go('again_chain');
SELECT test.says('SELECT workflow.retry(test.id())');
SELECT test.says('SELECT workflow.retry(-1)');
SELECT test.says('SELECT workflow.retry(NULL)');
CALL test.break('c');
CALL test.go('again_chain');
SELECT test.says($$SELECT workflow.retry(test.id(), 'nowhere')$$);
SELECT test.says($$SELECT workflow.retry(test.id(), 'd')$$);
CALL test.break('x%', 'l2', 'r1');
CALL test.go('again_tree', '[1, 2]');
SELECT test.says($$SELECT workflow.retry(test.id(), 'l2')$$);
SELECT test.says($$SELECT workflow.retry(test.id(), NULL, '{}')$$);
SELECT test.says($$SELECT workflow.retry(test.id(), 'f', '{}')$$);
CALL test.mend();
SET client_min_messages = error;
SELECT workflow.retry(test.id()), workflow.retry(test.id());
SET client_min_messages = warning;
SELECT status FROM workflow.wait(test.id(), '60 s');

-- what is advised is what works
CREATE FUNCTION test.advice(id bigint DEFAULT test.id()) RETURNS TABLE (reason text, help text) LANGUAGE sql AS
$$SELECT w.reason, regexp_replace(replace(w.help, id::text, 'N'), 'replay\(\d+\)', 'replay(L)') FROM workflow.why(id) AS w WHERE w.reason IN ('failed', 'timed out', 'cancelled', 'dead letter')$$;
CALL test.break('b');
CALL test.go('again_undone');
SELECT * FROM test.advice();
CALL test.go('again_chain_of_failure');
SELECT * FROM test.advice();
SELECT workflow.block('again_chain_of_failure', 'no more') IS NULL AS never \gset
SELECT * FROM test.advice();
SELECT workflow.unblock('again_chain_of_failure', 'enough') IS NULL AS never \gset
SELECT workflow.define(jsonb_build_object('name', 'again_letter', 'dead_letter', true, 'steps', jsonb_build_array(test.step('b'))));
CALL test.go('again_letter');
SELECT * FROM test.advice();
SELECT dead_letter_id AS letter FROM workflow.dead_letter_status WHERE execution_id = test.id() \gset
BEGIN;
SELECT workflow.replay(:letter) AS replay \gset
SELECT workflow.pause(:replay);
COMMIT;
SELECT help = format('-- mend the cause; then SELECT * FROM workflow.why(%s)', :replay) AS replayed FROM workflow.why(test.id()) WHERE reason = 'failed';
SELECT regexp_replace(test.says('SELECT workflow.retry(test.id())'), 'execution \d+', 'execution N', 'g');
SELECT workflow.cancel(:replay);
DELETE FROM workflow.audit_entries WHERE subject_type = 'dead_letter' AND subject = :'letter';
DELETE FROM workflow.dead_letters WHERE id = :letter;
CREATE ROLE regress_again LOGIN;
SELECT workflow.grant_usage('regress_again');
SET ROLE regress_again;
SELECT workflow.start('again_letter', start_at => 'infinity') AS gone \gset
SELECT workflow.cancel(:gone);
RESET ROLE;
SELECT * FROM test.advice(:gone);
SET client_min_messages = error;
DROP OWNED BY regress_again;
DROP ROLE regress_again;
SET client_min_messages = warning;
SELECT reason, regexp_replace(help, '(missing) \d+', '\1 N') AS help FROM test.advice(:gone);
SELECT regexp_replace(test.says('SELECT workflow.retry(' || :gone || ')'), '(execution|missing) \d+', '\1 N', 'g');
SELECT workflow.reassign_owned('regress_again (missing)', current_role::regrole);
SELECT * FROM test.advice(:gone);
CALL test.mend();
SELECT workflow.retry(:gone), workflow.cancel(:gone);
SELECT count(*) AS "of what runs or is nobody's" FROM workflow.retry_help(-1) AS h WHERE h IS NOT NULL;

-- cancelled in the moment in which its last step had ended, whose row has the error of a condition
SELECT workflow.define($${"name": "again_ended", "steps": [{"id": "a", "type": "conditional", "condition": {"expression": "${workflow.input.n} < 1"},
  "if_true_step": {"id": "b", "type": "set", "output": 1}}]}$$);
CALL test.go('again_ended', '{"n": "x"}');
SELECT status, error_type FROM workflow.step_executions WHERE execution_id = test.id();
UPDATE workflow.executions SET status = 'cancelled' WHERE id = test.id();
SELECT workflow.retry(test.id());
SELECT status, error_type, error FROM workflow.wait(test.id(), '60 s');

-- a conditional that has taken no line, or led elsewhere, and whose own output fails
SELECT workflow.define($${"name": "again_none", "steps": [{"id": "a", "type": "conditional", "condition": "false",
  "if_true_step": {"id": "b", "sql": "SELECT 1"}, "output": {"x": "${workflow.input.n + 1}"}}]}$$);
CALL test.go('again_none', '{"n": "x"}');
SELECT workflow.retry(test.id());
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT workflow.define($${"name": "again_elsewhere", "start_step": "a", "steps": {"a": {"type": "conditional", "switch": [{"when": "true", "next_step": "c"}],
  "output": {"x": "${workflow.input.n + 1}"}, "next_step": null}, "c": {"sql": "SELECT 1"}}}$$);
CALL test.go('again_elsewhere', '{"n": "x"}');
SELECT workflow.retry(test.id());
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT step_id, attempt, status, branch_taken FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY attempt;

-- a loop over nothing whose own output fails has no iteration to go on with
SELECT workflow.define(jsonb_build_object('name', 'again_empty_' || mode, 'steps', jsonb_build_array(jsonb_build_object('id', 'l', 'type', 'loop',
  'output', '{"x": "${workflow.input.n + 1}"}'::jsonb, 'loop_config', jsonb_build_object('collection', '[]'::jsonb, 'execution_mode', mode,
  'loop_body', '[{"id": "b", "sql": "SELECT 1"}]'::jsonb))))) FROM unnest('{sequential,parallel}'::text[]) AS mode;
CALL test.go('again_empty_sequential', '{"n": "x"}');
SELECT workflow.retry(test.id());
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT step_id, attempt, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY attempt;
CALL test.go('again_empty_parallel', '{"n": "x"}');
SELECT workflow.retry(test.id());
SELECT status, error_type FROM workflow.wait(test.id(), '60 s');
SELECT step_id, attempt, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY attempt;

-- behind a succeed further in, whose execution failed by its own output, nothing follows
SELECT workflow.define($${"name": "again_succeed", "output": {"x": "${workflow.input.n + 1}"}, "steps": [
  {"id": "l", "type": "loop", "loop_config": {"collection": [1, 2], "loop_body": [
    {"id": "if", "type": "conditional", "condition": "true", "if_true_step": {"id": "end", "type": "succeed"}}]}},
  {"id": "after", "sql": "SELECT 1"}]}$$);
CALL test.go('again_succeed', '{"n": "x"}');
CALL test.again();
SELECT step_id, scope, attempt, status, scope_outcome FROM workflow.step_executions WHERE execution_id = test.id()
ORDER BY scope, attempt;

-- the iterations that have ended are not run again behind an iteration that forks
SELECT workflow.define(jsonb_build_object('name', 'again_forks', 'steps', jsonb_build_array(
    jsonb_build_object('id', 'l', 'type', 'loop', 'loop_config', jsonb_build_object('collection', '[1, 2, 3, 4]'::jsonb,
        'on_error', 'collect', 'loop_body', jsonb_build_array(
            jsonb_build_object('id', 'p', 'type', 'parallel', 'parallel_steps', jsonb_build_array(
                test.step('x', place => '${loop.item}'), test.step('y', place => '${loop.item}')))))),
    test.step('end'))));
CALL test.break('x2', 'end');
SELECT set_config('test.id', workflow.start('again_forks', parallel => true)::text, false) IS NOT NULL AS started;
SELECT status, error ->> 'message' AS error FROM workflow.wait(test.id(), '60 s');
CALL test.break('end');
CALL test.again();
CALL test.mend();
CALL test.again();
SELECT step, count(*) FROM test.ran WHERE id = test.id() GROUP BY step ORDER BY step;

-- a step that was not begun, its time was over, begins now: what comes before it is asked
CREATE FUNCTION test.late() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(3600);
EXCEPTION WHEN query_canceled THEN
END $$;
SELECT workflow.define(jsonb_build_object('name', 'again_begun_' || name, 'timeout_seconds', 1, 'steps', jsonb_build_array(
    '{"id": "a", "sql": "SELECT test.late()"}'::jsonb, step)))
FROM (VALUES ('never', '{"id": "b", "when": "false", "sql": "SELECT 1"}'::jsonb),
    ('block', '{"id": "b", "type": "parallel", "min_success": 1, "parallel_steps": [{"id": "x", "sql": "SELECT 1"}, {"id": "y", "sql": "SELECT 1"}]}')) AS v (name, step);
CALL test.go('again_begun_never');
CALL test.again();
SELECT step_id, attempt, status, error ->> 'message' AS error FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY step_id, attempt;
CALL test.go('again_begun_block');
CALL test.again();
SELECT step_id, attempt, status, join_policy, error ->> 'message' AS error FROM workflow.step_executions
WHERE execution_id = test.id() AND scope = '' ORDER BY step_id, attempt;

-- another input, when the chain has run since
SELECT workflow.define($${"name": "again_chain_input", "on_failure": [{"id": "told", "type": "set", "output": 1}], "steps": [
  {"id": "a", "sql": "SELECT 100 / input.n::integer", "result": "value", "input_mapping": {"n": 0}}]}$$);
CALL test.go('again_chain_input');
CALL test.again(NULL, '{"n": 5}');

-- an iteration to which the loop goes on can stand at a block that is open
SELECT workflow.define(jsonb_build_object('name', 'again_open', 'steps', jsonb_build_array(
    jsonb_build_object('id', 'l', 'type', 'loop', 'loop_config', jsonb_build_object('collection', '[1, 2, 3]'::jsonb,
        'on_error', 'collect', 'loop_body', jsonb_build_array(
            jsonb_build_object('id', 'p', 'type', 'parallel', 'parallel_steps', jsonb_build_array(
                test.step('x', place => '${loop.item}'), test.step('y', place => '${loop.item}'))),
            '{"id": "s", "type": "set", "output": 1}'::jsonb))))));
CALL test.break('x1', 'x3');
CALL test.go('again_open');
CALL test.mend();
CALL test.again();
SELECT step, count(*) FROM test.ran WHERE id = test.id() GROUP BY step ORDER BY step;

-- a conditional in which a step was not begun has begun
SELECT workflow.define(jsonb_build_object('name', 'again_inside', 'steps', jsonb_build_array(
    jsonb_build_object('id', 'c', 'type', 'conditional', 'condition', 'true', 'timeout_seconds', 1,
        'if_true_step', jsonb_build_array(test.step('a'), '{"id": "late", "sql": "SELECT test.late()"}'::jsonb, test.step('b'))))));
CALL test.go('again_inside');
CALL test.again();
SELECT scope, step_id, attempt, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope, step_id, attempt;

-- a block that was to be visited too often was not opened
SELECT workflow.define($${"name": "again_visits", "start_step": "p", "steps": {
  "p": {"type": "parallel", "max_visits": 2, "parallel_steps": ["x", "y"], "next_step": "g"}, "x": {"sql": "SELECT 1"}, "y": {"sql": "SELECT 1"},
  "g": {"type": "conditional", "max_visits": 9, "switch": [{"when": "${workflow.input.stop}", "next_step": "e"}], "default": {"next_step": "p"}},
  "e": {"type": "set", "output": 1}}}$$);
CALL test.go('again_visits', '{"stop": false}');
CALL test.again();
SELECT step_id, visit, count(*) FROM workflow.step_executions WHERE execution_id = test.id() GROUP BY 1, 2 ORDER BY 1, 2;

TABLE test.wrong;
DROP TABLE test.broken;

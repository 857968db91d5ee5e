--
-- workflow.timeline(): what an execution did, as text
--
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION IF NOT EXISTS pg_workflow;
\pset format unaligned
\pset tuples_only on

-- numbers of executions depend on what ran before
CREATE FUNCTION steady(picture text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(picture, 'execution \d+', 'execution N') $$;
-- times in milliseconds after the start, so that the pictures do not change
CREATE TABLE times (scope text DEFAULT '', step_id text, attempt int DEFAULT 1, starts numeric, ends numeric);
CREATE PROCEDURE set_times(id bigint, ends numeric) LANGUAGE sql AS $$
    UPDATE workflow.executions SET created_at = '2026-01-01 12:00:00', started_at = '2026-01-01 12:00:00.020',
        completed_at = '2026-01-01 12:00:00.020'::timestamptz + ends * interval '1 ms'
    WHERE executions.id = set_times.id AND completed_at IS NOT NULL;
    UPDATE workflow.step_executions AS s
    SET started_at = '2026-01-01 12:00:00.020'::timestamptz + t.starts * interval '1 ms',
        completed_at = CASE WHEN s.completed_at IS NOT NULL THEN '2026-01-01 12:00:00.020'::timestamptz + t.ends * interval '1 ms' END
    FROM times AS t
    WHERE s.execution_id = set_times.id AND (s.scope, s.step_id, s.attempt) = (t.scope, t.step_id, t.attempt);
    TRUNCATE times;
$$;

SELECT workflow.define('{"name": "order", "steps": [
    {"id": "check", "sql": "SELECT 250 AS total", "result": "row"},
    {"id": "offers", "type": "parallel", "parallel_steps": [
        {"id": "dhl", "sql": "SELECT 1"},
        {"id": "ups", "sql": "SELECT 1/(input.n::int)", "input_mapping": {"n": 0}, "on_failure": "ignore",
         "retry": {"max_retries": 2, "type": "immediate"}},
        {"id": "post", "sql": "SELECT 1"}]},
    {"id": "choose", "type": "conditional", "condition": {"expression": "${check.output.total} > 100"},
     "if_true_step": {"id": "gift", "sql": "SELECT 1"}, "if_false_step": {"id": "plain", "sql": "SELECT 1"}},
    {"id": "items", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "on_error": "continue",
        "loop_body": [{"id": "pick", "sql": "SELECT 1/(input.i::int - 7)", "input_mapping": {"i": "${loop.item}"}},
                      {"id": "pack", "sql": "SELECT 1"}]}},
    {"id": "never", "when": "false", "sql": "SELECT 1"},
    {"id": "services", "type": "fork_join", "fork_join_config": {"join_policy": "all", "branches": {
        "compliance": {"steps": [{"id": "non_free", "sql": "SELECT 1"}]},
        "cost": {"steps": [{"id": "volume", "sql": "SELECT 1"}, {"id": "price", "sql": "SELECT 1"}]}}}}]}');
SELECT workflow.start('order', '{"items": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}') AS id \gset
SELECT status FROM workflow.wait(:id);
INSERT INTO times VALUES ('', 'check', 1, 0, 30), ('', 'offers', 1, 30, 250), ('', 'choose', 1, 250, 300), ('', 'items', 1, 300, 660),
    ('', 'never', 1, 660, 660), ('', 'services', 1, 660, 760),
    ('offers.dhl', 'dhl', 1, 31, 250), ('offers.post', 'post', 1, 31, 120),
    ('offers.ups', 'ups', 1, 31, 40), ('offers.ups', 'ups', 2, 80, 90), ('offers.ups', 'ups', 3, 170, 190),
    ('choose.then', 'gift', 1, 251, 299),
    ('services.compliance', 'non_free', 1, 660, 700), ('services.cost', 'volume', 1, 661, 690), ('services.cost', 'price', 1, 690, 759);
INSERT INTO times SELECT format('items[%s]', i), 'pick', 1, 300 + i * 30, 320 + i * 30 FROM generate_series(0, 11) AS i;
INSERT INTO times SELECT format('items[%s]', i), 'pack', 1, 320 + i * 30, 330 + i * 30 FROM generate_series(0, 11) AS i;
CALL set_times(:id, 765);

-- in Unicode where the client reads it, in ASCII where it does not
SET client_encoding = 'UTF8';
SELECT steady(workflow.timeline(:id));
SELECT steady(workflow.timeline(:id, width => 60, max_iterations => 2));
SELECT workflow.timeline(:id, width => 120, max_iterations => 100) = workflow.timeline(:id, 120, max_iterations => 12) AS all_of_them;
SET client_encoding = 'LATIN1';
SELECT steady(workflow.timeline(:id));
RESET client_encoding;
-- no line is longer than it may be
SELECT width, max(length(line)) <= width AS fits
FROM generate_series(40, 130, 30) AS width, regexp_split_to_table(workflow.timeline(:id, width, false), '\n') AS line
GROUP BY width ORDER BY width;

-- one that has failed, and one that never began
SELECT workflow.start('order') AS failed \gset
SELECT status FROM workflow.wait(:failed);
INSERT INTO times VALUES ('', 'check', 1, 0, 1500), ('', 'offers', 1, 1500, 6500), ('', 'choose', 1, 6500, 7000), ('', 'items', 1, 7000, 7000),
    ('offers.dhl', 'dhl', 1, 1500, 6000), ('offers.post', 'post', 1, 1500, 1500), ('choose.then', 'gift', 1, 6500, 6900),
    ('offers.ups', 'ups', 1, 1500, 1600), ('offers.ups', 'ups', 2, 1600, 1700), ('offers.ups', 'ups', 3, 1700, 1800);
CALL set_times(:failed, 7000);
SELECT steady(workflow.timeline(:failed, ascii => true));
SELECT workflow.start('order', start_at => '2100-01-01') AS later \gset
SELECT regexp_replace(steady(workflow.timeline(:later)), 'queued .*', 'queued ..');
SELECT workflow.cancel(:later, 'not needed: ' || repeat('really ', 20));
SELECT regexp_replace(steady(workflow.timeline(:later)), 'queued .*', 'queued ..');

-- one that waits, one that runs
SELECT workflow.define('{"name": "waits", "steps": [{"id": "first", "sql": "SELECT 1"}, {"id": "waits", "sql": "SELECT 1/(input.n::int)", "input_mapping": {"n": 0},
    "retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000, "jitter": false}}]}');
SELECT workflow.define('{"name": "runs", "steps": [{"id": "block", "type": "parallel", "parallel_steps": [{"id": "runs", "sql": "SELECT pg_sleep(3600)"}]}]}');
SELECT workflow.start('waits') AS waits \gset
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM workflow.step_executions WHERE step_id = 'waits') LOOP PERFORM pg_sleep(0.01); END LOOP;
END $$;
SELECT workflow.start('runs') AS runs \gset
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM workflow.activity WHERE step_id = 'runs') LOOP PERFORM pg_sleep(0.01); END LOOP;
END $$;
-- only what does not depend on the time
SELECT regexp_replace(line, '^(. (?:[^\s.=-]\S* ?)*).*?$', '\1') FROM unnest(ARRAY[:waits, :runs]) AS id, regexp_split_to_table(workflow.timeline(id, 80, true), '\n') AS line
WHERE line ~ '^[>+.x] ';
SELECT count(*) FROM regexp_split_to_table(workflow.timeline(:waits, 100), '\n') AS line WHERE line ~ 'next attempt at .* after 22012: division by zero';
SELECT workflow.cancel(id, 'seen') FROM unnest(ARRAY[:waits, :runs]) AS id;
SELECT status FROM unnest(ARRAY[:waits, :runs]) AS id, workflow.wait(id);
SELECT line FROM regexp_split_to_table(workflow.timeline(:runs, 80, true), '\n') AS line WHERE line ~ 'because';

-- one that was retried from an earlier step: what was set aside is still there
CREATE TABLE retried_divisor AS SELECT 0 AS n;
SELECT workflow.define('{"name": "retried", "steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "type": "conditional", "condition": "true", "then": {"id": "b1", "sql": "SELECT 1"}},
    {"id": "c", "sql": "SELECT 1 / n FROM retried_divisor"}]}');
SELECT workflow.start('retried') AS retried \gset
SELECT status FROM workflow.wait(:retried);
UPDATE retried_divisor SET n = 1;
SELECT workflow.retry(:retried, from_step => 'b');
SELECT status FROM workflow.wait(:retried);
SELECT regexp_replace(line, '\s+[-=x.\s]*[\d.]+ m?s$', '') FROM regexp_split_to_table(workflow.timeline(:retried, 80, true), '\n') AS line WHERE line ~ '^[+x/] (?!completed)';
DROP TABLE retried_divisor;

-- one that was paused, and still is: when, by whom and why
SELECT workflow.define('{"name": "pausable", "steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 2"}]}');
SELECT workflow.start('pausable', start_at => '2100-01-01') AS paused \gset
SELECT workflow.pause(:paused, 'auditors');
SELECT regexp_replace(line, '\d\S+ \d\S+', '<time>') FROM regexp_split_to_table(workflow.timeline(:paused, 80, true), '\n') AS line WHERE line ~ '^paused';
SELECT workflow.cancel(:paused);
SELECT workflow.start('pausable') AS paused \gset
SELECT status FROM workflow.wait(:paused);
INSERT INTO times VALUES ('', 'a', 1, 0, 100), ('', 'b', 1, 700, 1000);
CALL set_times(:paused, 1000);
UPDATE workflow.executions SET pauses = '{[2026-01-01 11:59:00, 2026-01-01 11:59:30),[2026-01-01 12:00:00.050, 2026-01-01 12:00:00.220),[2026-01-01 12:00:00.320, 2026-01-01 12:00:00.700)}' WHERE id = :paused;
SELECT steady(workflow.timeline(:paused));
SELECT steady(workflow.timeline(:paused, ascii => true));

-- marks, and what was done to it and what it went on after, in the order of time
SELECT workflow.define('{"name": "interrupted", "steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 1 / (input.n::int)", "input_mapping": {"n": "${workflow.input.n}"}}, {"id": "c", "sql": "SELECT 2"}]}');
SELECT workflow.start('interrupted', '{"n": 0}') AS interrupted \gset
SELECT status FROM workflow.wait(:interrupted);
SELECT workflow.retry(:interrupted, reason => 'try again');
SELECT status FROM workflow.wait(:interrupted);
INSERT INTO times VALUES ('', 'a', 1, 0, 100), ('', 'b', 1, 700, 900), ('', 'b', 2, 5000, 6000);
CALL set_times(:interrupted, 6000);
UPDATE workflow.executions SET pauses = '{[2026-01-01 12:00:00.920, 2026-01-01 12:00:04.900)}',
    step_marks = '{"c": {"mark": "skip", "by": "app", "at": "2026-01-01T12:00:00Z", "reason": "not today"}, "b": {"mark": "hold", "by": "app", "at": "2026-01-01T12:00:00Z"}}',
    interruptions = jsonb_build_array('{"event": "recovered", "at": "2026-01-01T12:00:00.500Z", "times": 3, "last_at": "2026-01-01T12:00:00.600Z", "reason": "its executor was terminated"}'::jsonb,
        (interruptions -> 0) || '{"at": "2026-01-01T12:00:00.920Z"}') WHERE id = :interrupted;
UPDATE workflow.audit_entries SET at = '2026-01-01 12:00:04.900' WHERE execution_id = :interrupted;
SELECT replace(steady(workflow.timeline(:interrupted)), current_user, 'me');
SELECT execution_id = :interrupted AS its, at, event, times, last_at, error_type, reason, error ->> 'step_id' AS step_id FROM workflow.interruptions WHERE execution_id = :interrupted ORDER BY at;
SELECT at, event, replace(detail, current_user, 'me') AS detail FROM workflow.history WHERE execution_id = :interrupted AND step_id IS NULL AND event <> 'queued' ORDER BY at;
SELECT count(*) FROM regexp_matches(workflow.timeline_svg(:interrupted), 'recovered: its executor was terminated, 3 times| failed: 22012 in b: division by zero|retry by \S+: try again|since \S+ \S+ by app: not today', 'g');
SELECT workflow.report(:interrupted) ~ 'What happened to execution.*>recovered<.*>failed<.*>22012<.*>retry<.*>try again<' AS in_order;
-- of many the last are told, and a hundred kept
UPDATE workflow.executions SET step_marks = NULL WHERE id = :interrupted;
SELECT set_config('timeline.id', :'interrupted', false) = :'interrupted' AS set;
DO $$ BEGIN
    FOR i IN 1 .. 105 LOOP
        PERFORM workflow.retry(current_setting('timeline.id')::bigint);
        COMMIT;
        PERFORM workflow.wait(current_setting('timeline.id')::bigint, '60 s');
        COMMIT;
    END LOOP;
END $$;
SELECT count(*), max(at) > '2026-01-02' AS newest, min(at) > '2026-01-02' AS oldest FROM workflow.interruptions WHERE execution_id = :interrupted;
SELECT count(*) FILTER (WHERE line ~ ' retry by '), count(*) FILTER (WHERE line ~ 'more in workflow.history') AS more FROM regexp_split_to_table(workflow.timeline(:interrupted, 80, true), '\n') AS line;

-- steps that undo others, and steps of an on_failure chain
SELECT workflow.define('{"name": "undone", "steps": [{"id": "a", "sql": "SELECT 1", "compensate": {"sql": "SELECT 2"}}, {"id": "b", "sql": "SELECT 1 / 0"}], "on_failure": {"id": "tell", "sql": "SELECT 3"}}');
SELECT workflow.start('undone') AS undone \gset
SELECT status FROM workflow.wait(:undone);
SELECT regexp_replace(line, '\s+[-=x.\s]*[\d.]+ m?s$', '') FROM regexp_split_to_table(workflow.timeline(:undone, 80, true), '\n') AS line WHERE line ~ '^[+x/] (?!completed)';

-- what others may see
CREATE ROLE regress_watcher;
CREATE ROLE regress_stranger;
GRANT pg_monitor TO regress_watcher;
SELECT workflow.grant_usage('regress_watcher'), workflow.grant_usage('regress_stranger');
SET ROLE regress_watcher;
SELECT line ~ '22012' AS type, line ~ 'division' AS message FROM regexp_split_to_table(workflow.timeline(:interrupted, 80, true), '\n') AS line WHERE line ~ 'failed: ' LIMIT 1;
SELECT event, error_type, reason IS NULL AND error IS NULL AS hidden FROM workflow.interruptions WHERE execution_id = :interrupted LIMIT 1;
SELECT workflow.timeline(:failed) LIKE '%offers%' AS steps, workflow.timeline(:failed) LIKE '%division%' AS messages;
SET ROLE regress_stranger;
\set VERBOSITY sqlstate
SELECT workflow.timeline(:failed);
\set VERBOSITY default
RESET ROLE;
SELECT workflow.revoke_usage('regress_watcher'), workflow.revoke_usage('regress_stranger');
DROP ROLE regress_watcher;
DROP ROLE regress_stranger;

-- what others count by age is as old as it is
UPDATE workflow.audit_entries SET at = now() WHERE execution_id = :interrupted;
-- arguments
SELECT workflow.timeline(NULL);
SELECT workflow.timeline(-1);
SELECT workflow.timeline(:id, NULL);
SELECT workflow.timeline(:id, 39);
SELECT workflow.timeline(:id, 80, NULL, 201);

-- names and errors that try to be more than text
SELECT workflow.define(jsonb_build_object('name', E'a\nb\x1b[31m' || U&'\202Eevil\2069', 'steps', '[{"id": "a", "type": "fail", "error": "Odd", "message": "${workflow.input.m}"}]'::jsonb));
SELECT workflow.start(E'a\nb\x1b[31m' || U&'\202Eevil\2069', jsonb_build_object('m', E'tab\tline\nbell\x07 ' || U&'\05E9\05DC\05D5\05DD ' || repeat('long ', 100))) AS odd \gset
SELECT status FROM workflow.wait(:odd);
CALL set_times(:odd, 5);
UPDATE workflow.step_executions SET started_at = '2026-01-01 12:00:00.020', completed_at = '2026-01-01 12:00:00.025' WHERE execution_id = :odd;
SELECT steady(workflow.timeline(:odd));

-- a hundred thousand iterations: as little to read as of ten
SELECT workflow.define('{"name": "many", "steps": [{"id": "all", "type": "loop", "loop_config": {"collection": "${workflow.input.items}",
    "loop_body": [{"id": "one", "type": "set", "output": 1}], "result": "counts"}}]}');
SELECT workflow.start('many', '{"items": [1, 2, 3]}') AS many \gset
SELECT status FROM workflow.wait(:many);
INSERT INTO workflow.step_executions (execution_id, scope, step_id, step_type, status, scope_outcome, parent_step_id, loop_iteration_index, started_at, completed_at)
SELECT :many, format('all[%s]', i), 'one', 'set', CASE i WHEN 77777 THEN 'failed' ELSE 'completed' END, CASE i WHEN 77777 THEN 'failed' ELSE 'completed' END,
       'all', i, '2026-01-01 12:00:00.020'::timestamptz + i * interval '0.1 ms', '2026-01-01 12:00:00.0201'::timestamptz + i * interval '0.1 ms'
FROM generate_series(3, 99999) AS i;
INSERT INTO times SELECT format('all[%s]', i), 'one', 1, i * 0.1, i * 0.1 + 0.1 FROM generate_series(0, 2) AS i;
INSERT INTO times VALUES ('', 'all', 1, 0, 10000);
CALL set_times(:many, 10000);
SELECT steady(workflow.timeline(:many));
DROP FUNCTION steady;
DROP PROCEDURE set_times;
DROP TABLE times;

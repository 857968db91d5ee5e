--
-- Steps that wait for a time
--
SET client_min_messages = warning;
CREATE FUNCTION test.timer(workflow text, wait jsonb, more jsonb DEFAULT '{}') RETURNS int LANGUAGE sql
RETURN workflow.define(jsonb_build_object('name', workflow, 'steps', jsonb_build_array(
    '{"id": "w", "type": "wait"}'::jsonb || wait, '{"id": "b", "type": "set", "output": "${w.status}"}'::jsonb)) || more);
-- the rows, without times of day
CREATE VIEW test.timers AS
SELECT scope, step_id AS step, visit, attempt, status,
       COALESCE(CASE status WHEN 'waiting' THEN retry_at END, (output ->> 'waited_until')::timestamptz) - started_at AS waits,
       completed_at >= (output ->> 'waited_until')::timestamptz AS in_time, error_type AS error
FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope COLLATE "C", started_at;
CREATE VIEW test.waits_now AS
SELECT w.thread, w.scope, w.step_id, w.visit, w.attempt, w.kind, w.until = s.retry_at AS same_time
FROM workflow.waits AS w LEFT JOIN workflow.step_executions AS s
     ON (s.execution_id, s.scope, s.step_id, s.visit, s.attempt) = (w.execution_id, w.scope, w.step_id, w.visit, w.attempt) AND s.status = 'waiting'
WHERE w.execution_id = test.id() ORDER BY w.thread;
CREATE FUNCTION test.is(status text) RETURNS text LANGUAGE sql
RETURN format('SELECT status = %L FROM workflow.executions WHERE id = test.id()', status);
-- started, until its threads that wait for long do, and the execution with them
CREATE PROCEDURE test.to_timer(workflow text, input jsonb DEFAULT '{}', parallel bool DEFAULT true) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('test.id', workflow.start(workflow, input, parallel => parallel)::text, false);
    COMMIT;
    CALL test.until(test.is('waiting'));
    CALL test.at_rest();
END $$;
-- the time comes; who waits finds it when the execution goes on from its rows
CREATE PROCEDURE test.time_comes(step text DEFAULT '%') LANGUAGE plpgsql AS $$
BEGIN
    PERFORM workflow.pause(test.id());
    COMMIT;
    CALL test.until(test.is('paused'));
    UPDATE workflow.step_executions SET retry_at = clock_timestamp() WHERE execution_id = test.id() AND status = 'waiting' AND step_id LIKE step;
    DELETE FROM workflow.waits WHERE execution_id = test.id() AND step_id LIKE step;
    PERFORM workflow.resume(test.id());
    COMMIT;
END $$;

-- what a definition may say
SELECT * FROM workflow.validate('{"name": "timer_wrong", "steps": [{"id": "a", "type": "wait"},
  {"id": "b", "type": "wait", "seconds": 1, "until": "tomorrow"},
  {"id": "c", "type": "wait", "seconds": "5"}, {"id": "d", "type": "wait", "seconds": "${a.output} s"}, {"id": "e", "type": "wait", "seconds": true},
  {"id": "f", "type": "wait", "duration": 5}, {"id": "g", "type": "wait", "until": ["now"]},
  {"id": "h", "type": "wait", "seconds": 5, "time_zone": "UTC"}, {"id": "i", "type": "wait", "until": "now", "time_zone": 1},
  {"id": "j", "type": "wait", "seconds": 5, "timeout_seconds": 3}, {"id": "k", "type": "wait", "seconds": 5, "retry": {"max_retries": 1}},
  {"id": "l", "type": "wait", "second": 5}, {"id": "m", "type": "wait", "until": "${nobody.output}"},
  {"id": "n", "type": "wait", "seconds": "${n.output}"}, {"id": "o", "type": "set", "seconds": 5, "output": 1},
  {"id": "p", "sql": "SELECT 1", "compensate": {"id": "q", "type": "wait", "seconds": 1}}]}');
SELECT * FROM workflow.validate('{"name": "timer_right", "defaults": {"timeout_seconds": 1, "retry": {"max_retries": 1}}, "steps": [
  {"id": "a", "type": "wait", "seconds": 0.25, "when": "${workflow.input.x}", "output": "${a.output.waited_until}", "description": "d", "metadata": {}, "next_step": "b"},
  {"id": "b", "type": "wait", "seconds": "${workflow.input.n * 2}", "on_failure": "ignore"},
  {"id": "c", "type": "wait", "duration": "P1DT2H", "time_zone": "${workflow.input.zone}", "catch": [{"errors": ["all"], "next_step": "d"}]},
  {"id": "d", "type": "wait", "until": "${workflow.input.day} 08:00", "time_zone": "Europe/Berlin"}]}');
SELECT workflow.define('{"name": "timer_shown", "steps": [{"id": "a", "type": "wait", "seconds": 0.25}, {"id": "b", "type": "wait", "duration": "P1D", "time_zone": "UTC"},
  {"id": "c", "type": "wait", "until": "${workflow.input.day} 08:00"}]}');
SELECT workflow.explain('timer_shown');
SELECT workflow.diagram('timer_shown');

-- what is over does not wait, in whatever way it is run
SELECT test.timer('timer_over', '{"until": "2020-02-29 12:00+00"}', '{"output": "${w.output}"}');
SELECT test.timer('timer_zone', '{"until": "2020-07-01 12:00", "time_zone": "Asia/Tokyo"}', '{"output": "${w.output}"}');
SELECT test.timer('timer_offset', '{"until": "2020-07-01 12:00+00", "time_zone": "Asia/Tokyo"}', '{"output": "${w.output}"}');
SELECT test.timer('timer_posix', '{"until": "${workflow.input.day} 12:00", "time_zone": "${workflow.input.zone}", "output": {"t": "${w.output.waited_until}"}}', '{"output": "${w.output}"}');
SELECT test.timer('timer_zero', '{"seconds": 0, "output": true}');
SELECT test.timer('timer_negative', '{"seconds": -1e300, "output": true}');
SELECT test.timer('timer_ago', '{"duration": "P-1M", "output": true}');
SELECT test.timer('timer_when', '{"seconds": 3600, "when": "false"}');
SELECT workflow.define('{"name": "timer_nested", "steps": [
  {"id": "l", "type": "loop", "collection": [1, 2], "loop_body": [{"id": "lw", "type": "wait", "seconds": "${loop.item - 2}", "output": "${loop.item}"}]},
  {"id": "p", "type": "parallel", "parallel_steps": [{"id": "pw", "type": "wait", "until": "2020-01-01 00:00+00"},
     {"id": "c", "type": "conditional", "condition": {"expression": "true"}, "if_true_step": {"id": "cw", "type": "wait", "seconds": 0, "output": 1}}]}]}');
CALL test.run_three_ways('{timer_over,timer_zone,timer_offset,timer_posix,timer_zero,timer_negative,timer_ago,timer_when,timer_nested}', '{"day": "2021-12-31", "zone": "America/New_York"}');
SELECT workflow, status, output, message FROM test.runs WHERE mode = 'durable' ORDER BY workflow;
TABLE test.differences;

-- what makes no time
SELECT test.timer('timer_said', '{"seconds": "${workflow.input.s}"}');
SELECT test.timer('timer_lasts', '{"duration": "${workflow.input.s}"}');
SELECT test.timer('timer_till', '{"until": "${workflow.input.s}", "time_zone": "${workflow.input.z ?? ''UTC''}"}');
SELECT e.* FROM (VALUES ('timer_said', '{"s": 1e30}'::jsonb), ('timer_said', '{"s": 9223371331200}'), ('timer_said', '{"s": "5"}'), ('timer_said', '{"s": null}'), ('timer_said', '{}'),
  ('timer_lasts', '{"s": "1000000 years"}'), ('timer_lasts', '{"s": "178000000 years"}'), ('timer_lasts', '{"s": "1e30 s"}'), ('timer_lasts', '{"s": "soon"}'), ('timer_lasts', '{"s": ""}'), ('timer_lasts', '{"s": 5}'),
  ('timer_till', '{"s": "infinity"}'), ('timer_till', '{"s": "-infinity"}'), ('timer_till', '{"s": "2026-02-30"}'), ('timer_till', '{"s": "300000-01-01"}'),
  ('timer_till', '{"s": "now", "z": "Europe/Berln"}'), ('timer_till', '{"s": "now", "z": ""}'), ('timer_till', '{"s": "now", "z": 1}')) AS v (workflow, input),
  LATERAL (SELECT v.workflow, v.input, test.outcome(current_user, format('SELECT workflow.execute(%L, %L)', v.workflow, v.input))) AS e;
CALL test.go('timer_lasts', '{"s": "1000000 years"}');
SELECT step, status, error FROM test.steps;
SELECT error FROM workflow.executions WHERE id = test.id();
SELECT test.timer('timer_caught', '{"duration": "${workflow.input.s}", "catch": [{"errors": ["datetime_field_overflow"], "next_step": "b"}]}');
CALL test.go('timer_caught', '{"s": "1000000 years"}');
SELECT step, status, error FROM test.steps;

-- execute() cannot wait
SELECT test.timer('timer_hour', '{"seconds": 3600}');
SELECT regexp_replace(message, 'until .* \|', 'until TIME |') AS message FROM (SELECT test.outcome(current_user, $$SELECT workflow.execute('timer_hour', '{}')$$)) AS o (message);

-- for a short time: the row is open, and the execution runs; as long as it was to, and not longer
SELECT test.timer('timer_short', '{"seconds": "${workflow.input.s}"}');
SELECT set_config('test.id', workflow.start('timer_short', '{"s": 0.3}')::text, false) IS NOT NULL AS started;
SELECT status, output FROM workflow.wait(test.id(), '60 s');
TABLE test.timers;
SELECT set_config('test.id', workflow.start('timer_short', '{"s": 8.5}')::text, false) IS NOT NULL AS started;
CALL test.until('SELECT count(*) > 0 FROM workflow.step_executions WHERE execution_id = test.id()');
CALL test.at_rest();
TABLE test.timers;
TABLE test.waits_now;
SELECT status FROM workflow.executions WHERE id = test.id();
SELECT reason, step_id, regexp_replace(detail, 'until .*', 'until TIME') AS detail, regexp_replace(help, '\d+', 'N') AS help FROM workflow.why(test.id());
SELECT workflow.cancel(test.id());
SELECT status FROM workflow.wait(test.id(), '60 s');
CALL test.settle();
TABLE test.timers;

-- for long: it is in nobody's memory
CALL test.to_timer('timer_hour');
TABLE test.timers;
TABLE test.waits_now;
SELECT status, kind FROM workflow.execution_status AS e JOIN workflow.wait_status USING (execution_id) WHERE execution_id = test.id();
SELECT reason, step_id, regexp_replace(detail, 'until .*', 'until TIME') AS detail FROM workflow.why(test.id());
SELECT step_id, status, retry_at > now() AS later, completed_at FROM workflow.step_status WHERE execution_id = test.id();
SELECT workflow.progress(test.id()) -> 'done' AS done, workflow.progress(test.id()) -> 'percent' AS percent;
SELECT regexp_replace(workflow.timeline(test.id()), '^.*(waits until) .*$', '\1') AS timeline;
SELECT workflow.timeline_svg(test.id()) ~ 'waits for a time' AS of_a_time, workflow.timeline_svg(test.id()) ~ 'retry' AS of_a_retry;
SELECT condition, subject FROM workflow.alerts WHERE subject ~ 'timer' OR condition IN ('not taken up', 'queue wait', 'lock wait', 'executor frozen');
SELECT count(*) FROM workflow.left_executions;
-- held, it waits on: it has begun
SELECT workflow.hold_step(test.id(), 'w') AS held;
CALL test.until(test.is('waiting'));
TABLE test.waits_now;
SELECT workflow.release_step(test.id(), 'w') AS released;
-- paused and resumed, it waits for the same time; and not longer than the pause
SELECT retry_at AS until FROM workflow.step_executions WHERE execution_id = test.id() \gset
SELECT workflow.pause(test.id());
TABLE test.waits_now;
SELECT workflow.resume(test.id());
CALL test.until(test.is('waiting'));
SELECT retry_at = :'until' AS same FROM workflow.step_executions WHERE execution_id = test.id();
TABLE test.waits_now;
CALL test.time_comes();
SELECT status, output FROM workflow.wait(test.id(), '60 s');
SELECT step, visit, attempt, status, in_time FROM test.timers;
TABLE test.waits_now;

-- cancelled: its row is closed
CALL test.to_timer('timer_hour');
SELECT workflow.cancel(test.id(), 'enough');
SELECT status FROM workflow.wait(test.id(), '60 s');
CALL test.settle();
SELECT step, status, waits FROM test.timers;
TABLE test.waits_now;
-- retried: it waits anew, for as long as it was to
SELECT workflow.retry(test.id());
CALL test.until(test.is('waiting'));
TABLE test.timers;
TABLE test.waits_now;
-- skipped: its wait ends
SELECT workflow.skip_step(test.id(), 'w', '"skipped"');
SELECT status, output FROM workflow.wait(test.id(), '60 s');
SELECT step, attempt, status, output FROM test.steps JOIN (SELECT step_id AS step, attempt, status FROM workflow.step_executions WHERE execution_id = test.id()) AS s USING (step, status) ORDER BY step, attempt;
-- skipped while it is in memory
SELECT set_config('test.id', workflow.start('timer_short', '{"s": 9}')::text, false) IS NOT NULL AS started;
CALL test.until('SELECT count(*) > 0 FROM workflow.step_executions WHERE execution_id = test.id()');
SELECT workflow.skip_step(test.id(), 'w');
SELECT status, output FROM workflow.wait(test.id(), '5 s');
-- again from the step
CALL test.to_timer('timer_hour');
CALL test.time_comes();
SELECT workflow.define('{"name": "timer_again", "steps": [{"id": "w", "type": "wait", "seconds": 3600}, {"id": "f", "type": "fail", "message": "no"}]}');
CALL test.to_timer('timer_again');
CALL test.time_comes();
SELECT status FROM workflow.wait(test.id(), '60 s');
SELECT workflow.retry(test.id(), 'w');
CALL test.until(test.is('waiting'));
SELECT scope, step, attempt, status FROM test.timers;
TABLE test.waits_now;
SELECT workflow.cancel(test.id());

-- time limits around it count on
SELECT test.timer('timer_limit', '{"seconds": 3600}', '{"timeout_seconds": 1}');
CALL test.go('timer_limit');
CALL test.settle();
SELECT step, status, ends, error FROM test.steps;
SELECT workflow.define('{"name": "timer_limits", "steps": [{"id": "p", "type": "fork_join", "on_failure": "ignore", "timeout_seconds": 1, "fork_join_config": {"branches": {
   "a": {"steps": [{"id": "aw", "type": "wait", "seconds": 3600}]}, "b": {"steps": [{"id": "bw", "type": "wait", "seconds": 0.1, "output": 1}]}}}},
  {"id": "l", "type": "loop", "collection": [1], "timeout_seconds": 1, "on_failure": "ignore", "loop_body": [{"id": "lw", "type": "wait", "seconds": 8}]}]}');
CALL test.go('timer_limits');
CALL test.settle();
SELECT scope, step, status FROM test.steps;
SELECT count(*) FROM workflow.waits;

-- in branches and iterations, each for itself; a loop with as many at a time as it may
SELECT workflow.define('{"name": "timer_branches", "steps": [{"id": "p", "type": "parallel", "parallel_steps": [{"id": "a", "type": "wait", "seconds": 3600}, {"id": "b", "type": "wait", "seconds": 7200},
   {"id": "c", "sql": "SELECT 1"}]}]}');
CALL test.to_timer('timer_branches');
SELECT scope, step, status, waits FROM test.timers;
TABLE test.waits_now;
CALL test.time_comes('a');
CALL test.until(test.is('waiting'));
SELECT scope, step, status, waits > '0' AS waits FROM test.timers;
TABLE test.waits_now;
CALL test.time_comes();
SELECT status FROM workflow.wait(test.id(), '60 s');
SELECT workflow.define('{"name": "timer_loop", "steps": [{"id": "l", "type": "loop", "collection": [0, 1, 2], "execution_mode": "parallel", "max_parallelism": 2, "result": "outputs",
   "loop_body": [{"id": "w", "type": "wait", "seconds": 3600, "output": "${loop.item}"}]}]}');
CALL test.to_timer('timer_loop');
SELECT scope, step, status FROM test.timers;
CALL test.time_comes();
CALL test.until(test.is('waiting'));
SELECT scope, step, status FROM test.timers;
CALL test.time_comes();
SELECT status, output FROM workflow.wait(test.id(), '60 s');
-- one after the other
CALL test.to_timer('timer_loop', parallel => false);
SELECT scope, step, status FROM test.timers;
TABLE test.waits_now;
CALL test.time_comes();
CALL test.until('SELECT count(*) = 1 FROM test.timers WHERE scope = ''l[1]'' AND status = ''waiting''');
CALL test.until(test.is('waiting'));
CALL test.time_comes();
CALL test.until('SELECT count(*) = 1 FROM test.timers WHERE scope = ''l[2]'' AND status = ''waiting''');
CALL test.until(test.is('waiting'));
CALL test.time_comes();
SELECT status, output FROM workflow.wait(test.id(), '60 s');
CALL test.to_timer('timer_branches', parallel => false);
SELECT scope, step, status FROM test.timers;
SELECT workflow.cancel(test.id());
SELECT status FROM workflow.wait(test.id(), '60 s');
CALL test.settle();
SELECT scope, step, status FROM test.timers;

-- on a cycle it waits at each visit; a container that is tried again waits in a scope of its own
SELECT workflow.define('{"name": "timer_cycle", "start_step": "n", "steps": {"n": {"type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "next_step": "w"},
   "w": {"type": "wait", "seconds": 0.05, "max_visits": 5, "next_step": "c"},
   "c": {"type": "conditional", "condition": {"expression": "${vars.n} < 3"}, "if_true_step": "n", "if_false_step": "e"}, "e": {"type": "set", "output": "${vars.n}"}}}');
SELECT * FROM workflow.validate('{"name": "timer_cycle", "start_step": "n", "steps": {"n": {"type": "set", "assign": {"n": 1}, "next_step": "w"}, "w": {"type": "wait", "seconds": 1, "next_step": "n"}}}');
CALL test.go('timer_cycle');
SELECT step, visit, status, in_time FROM test.timers WHERE step = 'w';
SELECT workflow.define('{"name": "timer_retried", "steps": [{"id": "l", "type": "loop", "collection": [1], "retry": {"errors": ["all"], "max_retries": 1, "initial_delay_ms": 1}, "loop_body": [
   {"id": "w", "type": "wait", "seconds": 0.05}, {"id": "f", "type": "fail", "ends": "scope", "message": "no"}]}]}');
CALL test.go('timer_retried');
SELECT scope, step, visit, attempt, status, in_time FROM test.timers;

-- in an epilogue it waits in memory
SELECT workflow.define('{"name": "timer_chain", "on_failure": {"id": "w", "type": "wait", "seconds": "${workflow.input.s}", "next_step": "z"}, "steps": [{"id": "a", "sql": "SELECT 1", "compensate": {"id": "u", "sql": "SELECT 2"}}, {"id": "f", "type": "fail", "message": "no"},
   {"id": "z", "type": "set", "output": 1, "next_step": null}]}');
CALL test.go('timer_chain', '{"s": 0.2}');
SELECT step, status, in_time FROM test.timers;
SELECT set_config('test.id', workflow.start('timer_chain', '{"s": 3600}')::text, false) IS NOT NULL AS started;
CALL test.until('SELECT count(*) > 0 FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = ''w''');
CALL test.at_rest();
SELECT status, ending FROM workflow.executions WHERE id = test.id();
TABLE test.waits_now;
SELECT workflow.skip_step(test.id(), 'w');
SELECT status FROM workflow.wait(test.id(), '60 s');
SELECT step, status FROM test.timers;

-- days are as long as they are in the zone
SELECT test.timer('timer_days', '{"duration": "P5M3DT4H", "time_zone": "Europe/Berlin"}');
CALL test.to_timer('timer_days');
SELECT retry_at = ((started_at AT TIME ZONE 'Europe/Berlin') + '5 months 3 days') AT TIME ZONE 'Europe/Berlin' + '4 hours' AS right
FROM workflow.step_executions WHERE execution_id = test.id();
SELECT workflow.cancel(test.id());

-- figures, and what the checks say
SELECT workflow.define('{"name": "timer_notified", "output": 1, "max_running": 1, "steps": [{"id": "w", "type": "wait", "seconds": 3600}]}');
CALL test.to_timer('timer_notified');
SELECT labels, value FROM workflow.metrics WHERE name = 'workflow_waiting_executions' ORDER BY labels;
SELECT check_name, status, regexp_replace(detail, '\d+', 'N', 'g') AS detail FROM workflow.verify() WHERE check_name IN ('waits', 'open steps', 'statuses', 'steps') AND status = 'error';
DELETE FROM workflow.waits WHERE execution_id = test.id();
SELECT check_name, regexp_replace(detail, '\d+', 'N', 'g') AS detail, regexp_replace(help, '\d+', 'N', 'g') AS help FROM workflow.verify() WHERE check_name IN ('waits', 'open steps', 'statuses', 'steps') AND status = 'error';
INSERT INTO workflow.waits (execution_id, thread, scope, step_id, visit, attempt, kind, until) SELECT execution_id, '', '', 'x', 1, 1, 'timer', 'infinity' FROM workflow.step_executions WHERE execution_id = test.id();
SELECT check_name, regexp_replace(detail, '\d+', 'N', 'g') AS detail, regexp_replace(help, '\d+', 'N', 'g') AS help FROM workflow.verify() WHERE check_name IN ('waits', 'open steps', 'statuses', 'steps') AND status = 'error';
SELECT workflow.pause(test.id());
SELECT workflow.resume(test.id());
CALL test.until('SELECT EXISTS (SELECT FROM test.waits_now WHERE step_id = ''w'')');
SELECT check_name, status, regexp_replace(detail, '\d+', 'N', 'g') AS detail FROM workflow.verify() WHERE check_name IN ('waits', 'open steps', 'statuses', 'steps') AND status = 'error';
SELECT workflow.cancel_executions('timer_notified', status => 'waiting');
SELECT status FROM workflow.wait(test.id(), '60 s');
CALL test.settle();
SELECT workflow.erase(test.id()) > 0 AS erased;
SELECT step, status, waits FROM test.timers;
SELECT count(*) FROM workflow.waits;
TABLE test.wrong;

--
-- Containers that are tried again as a whole
--
SET client_min_messages = warning;
-- how often an execution has called it, which no rollback takes back
DO $$ BEGIN FOR i IN 0 .. 15 LOOP EXECUTE format('CREATE SEQUENCE test.calls_%s', i); END LOOP; END $$;
CREATE FUNCTION test.calls(execution bigint) RETURNS bigint LANGUAGE sql RETURN nextval(('test.calls_' || execution % 16)::regclass);
CREATE FUNCTION test.from_call(execution bigint, call bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  this bigint := test.calls(execution);
BEGIN
  IF this < call THEN
    RAISE EXCEPTION 'call % is too early', this;
  END IF;
  RETURN this;
END $$;
CREATE PROCEDURE test.calls_anew() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 0 .. 15 LOOP PERFORM setval(('test.calls_' || i)::regclass, 1, false); END LOOP; END $$;

SELECT count(workflow.define(d)) FROM unnest(ARRAY[
-- a block; what is in it begins anew, in scopes of their own
$${"name": "anew_block", "steps": [
  {"id": "box", "type": "parallel", "retry": {"errors": ["JoinFailed"], "max_retries": 3, "type": "fixed_delay", "initial_delay_ms": 1}, "parallel_steps": [
    {"id": "late", "type": "sql", "sql": "SELECT test.from_call($1, 3)", "params": ["${workflow.execution_id}"], "result": "value"},
    {"id": "set", "type": "set", "output": 1}]},
  {"id": "after", "type": "set", "output": {"box": "${box.output}", "late": "${late.output}", "set": "${set.output}"}}]}$$,
-- iterations one after the other, in a branch, and a step in it that has retries of its own
$${"name": "anew_loop", "steps": [
  {"id": "fork", "type": "fork_join", "branches": {"b": [{"id": "b1", "type": "set", "output": 1}], "a": [
    {"id": "each", "type": "loop", "retry": [{"errors": ["timeout"], "max_retries": 9}, {"errors": ["LoopFailed"], "max_retries": 1, "initial_delay_ms": 1}],
     "loop_config": {"collection": [1, 2], "result": "outputs", "loop_body": [
      {"id": "one", "type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "output": "${vars.n}"},
      {"id": "try", "type": "sql", "sql": "SELECT test.from_call($1, 4)", "params": ["${workflow.execution_id}"], "result": "value", "retry": {"max_retries": 1, "initial_delay_ms": 1}}]}},
    {"id": "sum", "type": "set", "output": ["${each.output}", "${vars.n}"]}]}},
  {"id": "after", "type": "set", "output": ["${fork.output.a}", "${each.status}"]}]}$$,
-- a conditional, its own error in the condition of a retry; on a cycle, each time counted from one
$${"name": "anew_choice", "start_step": "count", "steps": {
  "count": {"type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "max_visits": 5, "next_step": "ask"},
  "ask": {"type": "conditional", "condition": {"sql": "SELECT true"}, "if_true_step": ["odd"], "retry": {"max_retries": 1, "initial_delay_ms": 1, "retry_if": "${ask.error.type} == 'P0001'"}, "next_step": "more"},
  "odd": {"type": "sql", "sql": "SELECT test.from_call($1, $2 * 2)", "params": ["${workflow.execution_id}", "${vars.n}"], "result": "value"},
  "more": {"type": "conditional", "switch": [{"when": "${vars.n} < 2", "next_step": "count"}], "next_step": "end"},
  "end": {"type": "set", "output": ["${odd.output}", "${ask.output.branch_output}"]}}}$$,
-- when no attempt follows the rest applies
$${"name": "anew_caught", "start_step": "box", "steps": {
  "box": {"type": "parallel", "retry": {"max_retries": 1, "initial_delay_ms": 1}, "parallel_steps": ["x", "y"], "catch": [{"as": "why", "next_step": "told"}], "next_step": "told"},
  "x": {"type": "sql", "sql": "SELECT 1 / 0"}, "y": {"type": "set", "output": 1},
  "told": {"type": "set", "output": ["${vars.why.type}", "${x.error.message}", "${y.output}"]}}}$$,
$${"name": "anew_budget", "max_retry_budget": 1, "steps": [
  {"id": "box", "type": "loop", "collection": [1], "retry": {"max_retries": 5, "initial_delay_ms": 1}, "loop_body": [{"id": "x", "type": "sql", "sql": "SELECT 1 / 0"}]}]}$$,
-- attempts are visits of a cycle, too
$${"name": "anew_visits", "start_step": "box", "steps": {
  "box": {"type": "parallel", "max_visits": 2, "retry": {"max_retries": 2, "type": "immediate"}, "on_failure": "ignore", "parallel_steps": ["x", "y"], "next_step": "count"},
  "x": {"type": "sql", "sql": "SELECT 1 / 0"}, "y": {"type": "set", "output": 1},
  "count": {"type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "next_step": "more"},
  "more": {"type": "conditional", "switch": [{"when": "${vars.n} < 3", "next_step": "box"}], "next_step": "end"},
  "end": {"type": "set", "output": 1}}}$$]::jsonb[]) AS d;
SELECT workflow.explain('anew_block');
CALL test.run_three_ways('{anew_block,anew_loop,anew_choice,anew_caught,anew_budget,anew_visits}');
TABLE test.differences;
SELECT workflow, status, output, message FROM test.runs WHERE mode = 'durable' ORDER BY workflow;
SELECT workflow, s.scope, step_id, visit, attempt, s.status, s.on_failure FROM workflow.step_executions AS s JOIN test.runs AS r ON r.id = execution_id
WHERE mode = 'durable' ORDER BY workflow, s.scope COLLATE "C", s.started_at;

-- the limits of retries count attempts in which no SQL was run, too
SELECT count(workflow.define(d)) FROM unnest(ARRAY[
$${"name": "anew_in_time", "steps": [
  {"id": "box", "type": "conditional", "condition": "true", "retry": {"max_retries": 3, "type": "immediate", "max_total_seconds": 3600}, "if_true_step": {"id": "x", "type": "set", "output": "${workflow.input.none}"}}]}$$,
$${"name": "anew_in_budget", "max_retry_budget": 2, "steps": [
  {"id": "box", "type": "conditional", "condition": "true", "retry": {"max_retries": 9, "type": "immediate"}, "if_true_step": {"id": "x", "type": "set", "output": "${workflow.input.none}"}}]}$$]::jsonb[]) AS d;
CALL test.run_three_ways('{anew_in_time,anew_in_budget}');
TABLE test.differences;
SELECT workflow, mode, s.visit, attempt, s.status, s.on_failure FROM workflow.step_executions AS s JOIN test.runs AS r ON r.id = execution_id
WHERE step_id = 'box' ORDER BY workflow, mode, visit;

-- each attempt has the time limit of the container
SELECT workflow.define($${"name": "anew_own_time", "steps": [
  {"id": "box", "type": "fork_join", "timeout_seconds": 2, "retry": {"errors": ["timeout"], "max_retries": 2, "type": "immediate"}, "branches": {
    "a": [{"id": "slow", "type": "sql", "sql": "SELECT pg_sleep(CASE WHEN test.calls($1) = 1 THEN 3600 ELSE 0 END)", "params": ["${workflow.execution_id}"], "result": "none"}],
    "b": [{"id": "b1", "type": "set", "output": 1}]}}]}$$) \gset
CALL test.calls_anew();
CALL test.go('anew_own_time');
SELECT scope, step_id, visit, attempt, status, error_type FROM workflow.step_executions WHERE execution_id = test.id() AND step_id <> 'b1' ORDER BY step_id, visit, started_at;
CALL test.calls_anew();
SELECT workflow.execute('anew_own_time');

-- neither defaults nor what every step gets are for containers
SELECT count(workflow.define(d)) FROM unnest(ARRAY[
$${"name": "anew_not_by_default", "defaults": {"retry": {"max_retries": 1, "type": "immediate"}}, "steps": [
  {"id": "box", "type": "conditional", "condition": "true", "if_true_step": {"id": "x", "type": "sql", "sql": "SELECT 1 / 0"}}]}$$,
$${"name": "anew_not_by_itself", "steps": [
  {"id": "box", "type": "conditional", "condition": "true", "if_true_step": {"id": "x", "type": "sql", "sql": "DO $sql$ BEGIN RAISE SQLSTATE '40001'; END $sql$", "retry": {"max_retries": 0}}}]}$$]::jsonb[]) AS d;
CALL test.run_three_ways('{anew_not_by_default,anew_not_by_itself}');
TABLE test.differences;
SELECT workflow, s.scope, step_id, visit, attempt, s.status, s.error_type FROM workflow.step_executions AS s JOIN test.runs AS r ON r.id = execution_id
WHERE mode = 'durable' ORDER BY workflow, s.scope COLLATE "C", step_id, visit, attempt;

-- no attempt when its time would be over: that of what is around, or that of the policy, from the start of the first
SELECT workflow.define($${"name": "anew_too_late", "steps": [
  {"id": "around", "type": "conditional", "condition": "true", "timeout_seconds": 1800, "if_true_step":
    {"id": "box", "type": "conditional", "condition": "true", "retry": {"type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000, "jitter": false}, "if_true_step": {"id": "x", "type": "sql", "sql": "SELECT 1 / 0"}}}]}$$) \gset
CALL test.go('anew_too_late');
SELECT workflow.define($${"name": "anew_too_long", "steps": [
  {"id": "box", "type": "conditional", "condition": "true", "retry": {"max_retries": 9, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000, "jitter": false, "max_total_seconds": 7200},
   "if_true_step": {"id": "x", "type": "sql", "sql": "SELECT 1 / 0"}}]}$$) \gset
SELECT workflow.start('anew_too_long') AS id \gset
CALL test.until(format('SELECT status = ''waiting'' FROM workflow.executions WHERE id = %s', :id));
SELECT workflow.pause(:id) \gset
-- as if it had waited for that hour, and another one
UPDATE workflow.step_executions SET started_at = started_at - interval '2 hours', completed_at = completed_at - interval '2 hours', retry_at = retry_at - interval '2 hours' WHERE execution_id = :id;
SELECT workflow.resume(:id) \gset
SELECT status, error_type FROM workflow.wait(:id, '60 seconds');
SELECT visit, attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = :id AND step_id = 'box' ORDER BY visit;
DELETE FROM workflow.step_executions WHERE execution_id = :id;

-- retry() of the execution begins anew: with attempts, too
SELECT workflow.define($${"name": "anew_retried", "steps": [
  {"id": "box", "type": "parallel", "retry": {"max_retries": 1, "initial_delay_ms": 1}, "parallel_steps": [
    {"id": "late", "type": "sql", "sql": "SELECT test.from_call($1, 4)", "params": ["${workflow.execution_id}"], "result": "value"},
    {"id": "note", "type": "sql", "sql": "SELECT test.note('note')"}]}]}$$) \gset
CALL test.calls_anew();
TRUNCATE test.ledger;
CALL test.go('anew_retried');
SELECT workflow.retry(test.id()) \gset
SELECT (workflow.wait(test.id(), '60 seconds')).status;
SELECT scope, step_id, visit, attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope COLLATE "C", started_at;
-- what had completed in an attempt is not done again in that, in the next it is
TABLE test.entries;

-- attempts of the visits before on a cycle are not those of this one, also where an attempt had no children
CREATE SEQUENCE test.anew_calls;
CREATE FUNCTION test.fails_at(bad int[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('test.anew_calls') = ANY (bad) THEN
    RAISE EXCEPTION 'not yet';
  END IF;
END $$;
SELECT workflow.define($${"name": "anew_around", "start_step": "lists", "steps": {
  "lists": {"type": "set", "assign": {"lists": {"none": [1], "failed": [1], "completed": "no list"}}, "next_step": "box"},
  "box": {"type": "loop", "collection": "${vars.lists[box.status ?? 'none']}", "max_visits": 9, "retry": {"max_retries": 1, "type": "immediate"}, "loop_body": ["x"], "next_step": "more"},
  "x": {"type": "sql", "sql": "SELECT test.fails_at('{1,3,4,5,6}')"},
  "more": {"type": "conditional", "condition": "true", "if_true_step": {"next_step": "box"}, "if_false_step": {"next_step": "end"}},
  "end": {"type": "set", "output": 1}}}$$) \gset
CALL test.go('anew_around');
SELECT visit, attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'box' ORDER BY visit, attempt;
SELECT workflow.retry(test.id()) \gset
SELECT (workflow.wait(test.id(), '60 seconds')).status;
SELECT visit, attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'box' ORDER BY visit, attempt;

-- attempts at another visit do not count, also where those at this one had no children; those in one transaction do
CREATE TABLE test.anew_faults (n int);
INSERT INTO test.anew_faults VALUES (1);
SELECT workflow.define($${"name": "anew_counted", "start_step": "count", "steps": {
  "count": {"type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "max_visits": 3, "next_step": "box"},
  "box": {"type": "conditional", "condition": "${vars.n} == 1", "if_true_step": ["x"], "output": "${1 / (2 - vars.n)}", "on_failure": "ignore",
    "retry": {"max_retries": 2, "type": "immediate"}, "next_step": "gate"},
  "x": {"type": "sql", "sql": "SELECT 1 / 0"},
  "gate": {"type": "sql", "sql": "SELECT 1 / (NOT EXISTS (TABLE test.anew_faults))::int", "next_step": "more"},
  "more": {"type": "conditional", "switch": [{"when": "${vars.n} < 2", "next_step": "count"}], "next_step": "end"},
  "end": {"type": "set", "output": 1}}}$$) \gset
SELECT workflow.define($${"name": "anew_in_one", "max_retry_budget": 3, "steps": [
  {"id": "box", "type": "conditional", "condition": "false", "if_true_step": [{"id": "x", "type": "set", "output": 1}], "output": "${1 / 0}", "on_failure": "ignore", "retry": {"max_retries": 4, "type": "immediate", "max_total_seconds": 3600}},
  {"id": "end", "type": "set", "output": 1}]}$$) \gset
CALL test.go('anew_in_one');
SELECT visit, attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'box' ORDER BY started_at;
CALL test.go('anew_counted');
TRUNCATE test.anew_faults;
SELECT workflow.retry(test.id()) \gset
SELECT (workflow.wait(test.id(), '60 seconds')).status;
SELECT visit, attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'box' ORDER BY started_at;

-- what an attempt did is undone when the execution fails, not before the next one
SELECT workflow.define($${"name": "anew_undone", "steps": [
  {"id": "box", "type": "loop", "collection": [1], "retry": {"max_retries": 1, "initial_delay_ms": 1}, "loop_body": [
    {"id": "do", "type": "sql", "sql": "SELECT test.note('do')", "compensate": {"id": "undo", "type": "sql", "sql": "SELECT test.note('undo')"}},
    {"id": "fails", "type": "sql", "sql": "SELECT 1 / 0"}]}]}$$) \gset
TRUNCATE test.ledger;
CALL test.go('anew_undone');
TABLE test.entries;

-- while it waits for the next attempt it can be paused, retried, cancelled
SELECT workflow.define($${"name": "anew_later", "steps": [
  {"id": "box", "type": "parallel", "retry": {"max_retries": 2, "type": "fixed_delay", "initial_delay_ms": 3600000}, "parallel_steps": [
    {"id": "late", "type": "sql", "sql": "SELECT test.from_call($1, 2)", "params": ["${workflow.execution_id}"], "result": "value"},
    {"id": "set", "type": "set", "output": 1}]}]}$$) \gset
CALL test.calls_anew();
SELECT workflow.start('anew_later') AS id \gset
CALL test.until(format('SELECT status = ''waiting'' FROM workflow.executions WHERE id = %s', :id));
SELECT step_id, visit, attempt, kind FROM workflow.waits WHERE execution_id = :id;
SELECT workflow.pause(:id) \gset
SELECT workflow.resume(:id) \gset
CALL test.until(format('SELECT status = ''waiting'' FROM workflow.executions WHERE id = %s', :id));
SELECT workflow.cancel(:id) \gset
SELECT (workflow.wait(:id, '60 seconds')).status;
SELECT workflow.retry(:id) \gset
SELECT (workflow.wait(:id, '60 seconds')).status;
SELECT scope, step_id, visit, attempt, status, on_failure FROM workflow.step_executions WHERE execution_id = :id ORDER BY scope COLLATE "C", started_at;

-- what is seen of one that waits, of one that was skipped then, and of one that is in its next attempt
CREATE VIEW test.seen_boxes AS SELECT regexp_replace(regexp_replace(l, '^(\S)[ |`-]+', '\1 '), '  .*', '') AS shown FROM regexp_split_to_table(workflow.timeline(test.id(), 200, true), E'\n') AS l WHERE l ~ '^\S.*([ox] \(|after  |-b  )';
SELECT workflow.define($${"name": "anew_seen", "steps": [
  {"id": "box", "type": "parallel", "retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3600000}, "parallel_steps": [{"id": "x", "type": "sql", "sql": "SELECT 1 / 0"}, {"id": "y", "type": "set", "output": 1}]},
  {"id": "told", "type": "sql", "sql": "SELECT 1"}, {"id": "after", "type": "sql", "sql": "SELECT test.pass()"}]}$$) \gset
SELECT workflow.define($${"name": "anew_running", "steps": [
  {"id": "fork", "type": "fork_join", "branches": {"a": [{"id": "a1", "type": "set", "output": 1}], "b": [
    {"id": "box", "type": "conditional", "condition": "true", "retry": {"max_retries": 1, "type": "immediate"}, "if_true_step": [
      {"id": "x", "type": "sql", "sql": "SELECT test.from_call($1, 2)", "params": ["${workflow.execution_id}"]},
      {"id": "y", "type": "sql", "sql": "SELECT test.pass()"}]}]}}]}$$) \gset
SELECT pg_advisory_lock(4711) \gset
SELECT workflow.start('anew_seen') AS id \gset
SELECT set_config('test.id', :'id', false) \gset
CALL test.until(format('SELECT status = ''waiting'' FROM workflow.executions WHERE id = %s', :id));
TABLE test.seen_boxes;
SELECT reason, step_id FROM workflow.why(:id);
SELECT workflow.skip_step(:id, 'box', '"by hand"') \gset
CALL test.at_gate(1);
TABLE test.seen_boxes;
SELECT reason, step_id FROM workflow.why(:id);
CALL test.open_gate();
SELECT (workflow.wait(:id, '60 seconds')).status;
CALL test.calls_anew();
CALL test.to_gate('anew_running');
TABLE test.seen_boxes;
SELECT regexp_replace(l, '[\d.]+ (ms|s)', '..') AS l FROM regexp_split_to_table(workflow.diagram(test.id()), E'\n') AS l WHERE l ~ 'box|x:|y:';
CALL test.open_gate();
SELECT (workflow.wait(test.id(), '60 seconds')).status;
TABLE test.seen_boxes;

-- what is refused
SELECT path, message, hint FROM workflow.validate('{"name": "x", "steps": [{"id": "a", "type": "set", "output": 1, "retry": {}}]}');
SELECT path, message, hint FROM workflow.validate('{"name": "x", "steps": [{"id": "l", "type": "loop", "collection": [1], "retry": {"retry_if": "${b.output} == 1"}, "loop_body": [{"id": "b", "type": "set", "output": 1}]}]}');

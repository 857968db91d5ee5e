--
-- compensate: what completed steps have done is undone when the execution does
-- not complete, the last one first
--
SET client_min_messages = warning;
CREATE TABLE test.ledger (id bigint GENERATED ALWAYS AS IDENTITY, entry text);
GRANT ALL ON test.ledger TO PUBLIC;
CREATE FUNCTION test.note(entry text) RETURNS text LANGUAGE sql AS $$ INSERT INTO test.ledger (entry) VALUES (entry) RETURNING entry $$;
CREATE VIEW test.entries AS SELECT string_agg(entry, ', ' ORDER BY id) AS entries FROM test.ledger;

SELECT workflow.define($${"name": "trip", "steps": [
  {"id": "flight", "type": "sql", "sql": "SELECT test.note('flight') AS n", "result": "row",
   "compensate": {"id": "no_flight", "type": "sql", "sql": "SELECT test.note('undo ' || $1) ", "params": ["${flight.output.n}"]}},
  {"id": "hotel", "type": "sql", "sql": "SELECT test.note('hotel')", "compensate": "no_hotel"},
  {"id": "no_hotel", "type": "sql", "sql": "SELECT test.note('undo hotel: ' || $1 || ', status ' || $2)", "params": ["${workflow.error.message}", "${hotel.status}"], "result": "value"},
  {"id": "nothing", "type": "sql", "sql": "SELECT 1"},
  {"id": "car", "type": "sql", "sql": "SELECT test.note('car'), 1 / (input.people - 3)", "input_mapping": {"people": "${workflow.input.people}"},
   "compensate": {"id": "no_car", "type": "sql", "sql": "SELECT test.note('undo car')"}}]}$$) \gset
CALL test.go('trip', '{"people": 2}');
TABLE test.entries;
TRUNCATE test.ledger;
CALL test.go('trip', '{"people": 3}');
TABLE test.entries;
TABLE test.steps;
SELECT step_id, scope, visit, compensation, status, attempts, error FROM workflow.compensations WHERE execution_id = test.id() ORDER BY completed_at;
SELECT status, ending, error_type, error ->> 'step_id' AS step, output FROM workflow.executions WHERE id = test.id();
-- in the caller's transaction everything is taken back anyway: no compensation runs
TRUNCATE test.ledger;
SELECT workflow.execute('trip', '{"people": 3}');
TABLE test.entries;

-- the step's SQL failed: it is not undone; nor is a step whose failure was ignored; a skipped one, neither
-- in other scopes: iterations in reverse, branches, what a conditional contains; each sees its own items and outputs
SELECT workflow.define($${"name": "nested", "start_step": "each", "steps": {
  "each": {"type": "loop", "collection": ["a", "b", "c"], "loop_body": ["one", "two"], "next_step": "block",
           "compensate": {"id": "undo_each", "type": "sql", "sql": "SELECT test.note('undo each of ' || $1)", "params": ["${each.output.total_count}"]}},
  "one": {"type": "sql", "sql": "SELECT test.note($1)", "params": ["one ${loop.item}"], "result": "value", "compensate": "undo_one"},
  "undo_one": {"type": "sql", "sql": "SELECT test.note(format('undo %s, %s of %s', $1::text, $2::text, $3::text))", "params": ["${one.output}", "${loop.index}", "${loop.total}"]},
  "two": {"type": "sql", "sql": "SELECT test.note('never') WHERE 1 / 0 = 1", "when": "${loop.item} == 'b'", "on_failure": "ignore",
          "compensate": {"id": "undo_two", "type": "sql", "sql": "SELECT test.note('wrong')"}},
  "block": {"type": "fork_join", "branches": {"left": [{"id": "l1", "type": "sql", "sql": "SELECT test.note('left')", "compensate": {"id": "undo_l1", "type": "sql", "sql": "SELECT test.note('undo left')"}}],
            "right": [{"id": "cond", "type": "conditional", "condition": "true", "if_true_step": "inner"}]}, "next_step": "boom"},
  "inner": {"type": "set", "output": {"x": [1, 2]}, "compensate": {"id": "undo_inner", "type": "sql", "sql": "SELECT test.note('undo inner ' || $1)", "params": ["${inner.output.x[1]}"]}},
  "boom": {"type": "fail", "message": "boom"}}}$$) \gset
TRUNCATE test.ledger;
CALL test.go('nested');
SELECT entry FROM test.ledger WHERE entry NOT IN ('left', 'undo left', 'undo inner 2') ORDER BY id;
SELECT count(*) FILTER (WHERE entry = 'undo left') AS left, count(*) FILTER (WHERE entry = 'undo inner 2') AS inner FROM test.ledger;
SELECT scope, step_id AS step, parent_step_id AS parent, branch_name AS branch, loop_iteration_index AS i, visit, status FROM workflow.step_executions
WHERE execution_id = test.id() AND step_id LIKE 'undo%' ORDER BY scope COLLATE "C", started_at;

-- a failure inside a parallel loop; iterations that completed are undone, whatever else ran is stopped first
SELECT workflow.define($${"name": "parallel_undo", "start_step": "each", "steps": {
  "each": {"type": "loop", "execution_mode": "parallel", "collection": "${workflow.input.items}", "loop_body": ["work", "check"]},
  "work": {"type": "sql", "sql": "SELECT test.note('do')", "compensate": "undo_work"},
  "undo_work": {"type": "sql", "sql": "SELECT test.note('undo ' || $1)", "params": ["${loop.item}"]},
  "check": {"type": "sql", "sql": "SELECT 1 / ($1 - 7)", "params": ["${loop.item}"]}}}$$) \gset
TRUNCATE test.ledger;
SELECT jsonb_build_object('items', jsonb_agg(i)) AS input FROM generate_series(1, 40) AS i \gset
CALL test.go('parallel_undo', :'input');
SELECT count(*) FILTER (WHERE entry = 'do') = count(*) FILTER (WHERE entry <> 'do') AS all_undone,
       count(DISTINCT entry) - 1 = count(*) FILTER (WHERE entry <> 'do') AS each_once FROM test.ledger;
SELECT status, count(*) > 0 AS any FROM workflow.compensations WHERE execution_id = test.id() GROUP BY status;

-- failing compensations are retried as their policy says, recorded, and do not stop the others
SELECT workflow.define($${"name": "bad_undo", "steps": [
  {"id": "s1", "type": "sql", "sql": "SELECT test.note('1')", "compensate": {"id": "u1", "type": "sql", "sql": "SELECT test.note('undo 1')"}},
  {"id": "s2", "type": "sql", "sql": "SELECT test.note('2')", "compensate": {"id": "u2", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 2, "initial_delay_ms": 1}}},
  {"id": "s3", "type": "sql", "sql": "SELECT test.note('3')", "compensate": {"id": "u3", "agent_name": "may-fail", "input_mapping": {"fail": "${s1.output.nothing}"}}},
  {"id": "s4", "type": "sql", "sql": "SELECT test.note('4')", "compensate": {"id": "u4", "type": "sql", "sql": "SELECT pg_sleep(30)", "timeout_seconds": 1}},
  {"id": "s5", "type": "sql", "sql": "SELECT test.note('5')", "compensate": {"id": "u5", "type": "sql", "sql": "SELECT test.note('wrong')", "when": "${workflow.error.type} == 'none'"}},
  {"id": "end", "type": "fail", "error": "Broken", "message": "told so"}]}$$) \gset
TRUNCATE test.ledger;
CALL test.go('bad_undo');
TABLE test.entries;
SELECT step_id, compensation, status, attempts, regexp_replace(error ->> 'message', '1\.\d+ s', 'a second') AS error FROM workflow.compensations WHERE execution_id = test.id() ORDER BY completed_at;
SELECT step_id, attempt, status, on_failure, error_type FROM workflow.step_executions WHERE execution_id = test.id() AND step_id LIKE 'u%' ORDER BY started_at;

-- a step on a cycle is undone for each visit, with the output of that one
SELECT workflow.define($${"name": "cycle_undo", "start_step": "init", "steps": {
  "init": {"type": "set", "assign": {"n": 0}, "next_step": "step"},
  "step": {"type": "sql", "sql": "SELECT $1::int", "params": ["${vars.n}"], "result": "value", "max_visits": 5, "compensate": "undo", "next_step": "count"},
  "undo": {"type": "sql", "sql": "SELECT test.note('undo ' || $1)", "params": ["${step.output}"]},
  "count": {"type": "set", "assign": {"n": "${vars.n + 1}"}, "next_step": "again"},
  "again": {"type": "conditional", "condition": "${vars.n} < 3", "if_true_step": {"next_step": "step"}, "next_step": "boom"},
  "boom": {"type": "fail"}}}$$) \gset
TRUNCATE test.ledger;
CALL test.go('cycle_undo');
TABLE test.entries;
SELECT step_id, visit, status FROM workflow.compensations WHERE execution_id = test.id() ORDER BY visit;

-- an execution that runs out of time: the compensations have time
SELECT workflow.define($${"name": "late_undo", "timeout_seconds": 1, "steps": [
  {"id": "s1", "type": "sql", "sql": "SELECT test.note('1')", "compensate": {"id": "u1", "type": "sql", "sql": "SELECT test.note('undo 1 after ' || $1), pg_sleep(1.1)", "params": ["${workflow.error.type}"]}},
  {"id": "s2", "type": "sql", "sql": "SELECT pg_sleep(60)"}]}$$) \gset
TRUNCATE test.ledger;
CALL test.go_late('{s1 completed, s2 timed_out}', 'late_undo') \gset
SELECT :'status' AS status, :'error_type' AS error_type;
TABLE test.entries;
SELECT step, status, ends FROM test.steps;

-- one that completes has none
TRUNCATE test.ledger;
CALL test.go('trip', '{"people": 5}');
SELECT count(*) FROM workflow.compensations WHERE execution_id = test.id();

-- what explain() shows, and validation refuses
SELECT workflow.explain('trip', averages => false);
SELECT path, message, hint FROM workflow.validate($${"name": "bad", "start_step": "a", "on_failure": "z", "steps": {
  "a": {"type": "sql", "sql": "SELECT 1", "compensate": "b", "next_step": "b"},
  "b": {"type": "sql", "sql": "SELECT 1", "compensate": "a", "next_step": "c"},
  "c": {"type": "sql", "sql": "SELECT 1", "compensate": "undo", "next_step": "d"},
  "d": {"type": "sql", "sql": "SELECT 1", "compensate": "undo", "next_step": "e"},
  "e": {"type": "loop", "collection": [1], "loop_body": ["f"], "compensate": "f", "next_step": "g"},
  "f": {"type": "sql", "sql": "SELECT 1", "compensate": "f"},
  "g": {"type": "set", "output": 1, "compensate": "s", "next_step": "h"},
  "s": {"type": "set", "output": 1},
  "h": {"type": "sql", "sql": "SELECT 1", "compensate": "nothing", "next_step": "end"},
  "end": {"type": "fail", "compensate": "undo2"},
  "undo": {"type": "sql", "sql": "SELECT 1", "next_step": "c", "catch": [{"next_step": "d"}], "on_failure": "ignore", "max_visits": 2, "compensate": "undo2"},
  "undo2": {"type": "sql", "sql": "SELECT 1"},
  "z": {"type": "sql", "sql": "SELECT 1", "next_step": "c"}}}$$);
SELECT path, message, hint FROM workflow.validate($${"name": "bad", "start_step": "a", "steps": {
  "a": {"type": "sql", "sql": "SELECT 1", "compensate": "undo", "catch": [{"next_step": "undo"}], "next_step": "b"},
  "b": {"type": "sql", "sql": "SELECT 1", "params": ["${undo.output}", "${workflow.error}"], "next_step": "undo"},
  "undo": {"type": "sql", "sql": "SELECT 1", "params": ["${a.output}", "${b.output}", "${undo.output}", "${loop.item}"], "output": "${undo.output}"}}}$$);
SELECT path, message, hint FROM workflow.validate($${"name": "bad", "steps": [{"id": "a", "type": "set", "output": 1, "compensate": ["b", "c"]}]}$$);
TABLE test.wrong;

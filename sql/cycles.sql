--
-- Cycles in scopes inside of containers
--
SET client_min_messages = warning;

-- in branches, iterations and lines of conditionals: the same by many executors, without parallelism, and in the caller's transaction
SELECT count(workflow.define(d)) FROM unnest(ARRAY[
$${"name": "cycles_branches", "steps": [
  {"id": "fork", "type": "fork_join", "branches": {
    "up": [
      {"id": "count", "type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "output": "${vars.n}", "max_visits": 5},
      {"id": "work", "type": "parallel", "parallel_steps": [
        {"id": "w1", "type": "sql", "sql": "SELECT $1::int * 10", "params": ["${count.output}"], "result": "value"},
        {"id": "w2", "type": "set", "output": "${vars.n}"}]},
      {"id": "more", "type": "conditional", "switch": [{"when": "${vars.n} < 3", "next_step": "count"}]},
      {"id": "result", "type": "set", "output": {"n": "${vars.n}", "w1": "${w1.output}", "work": "${work.output}"}}],
    "down": [
      {"id": "first", "type": "set", "assign": {"left": "${workflow.input.n}"}},
      {"id": "take", "type": "sql", "sql": "SELECT $1::int - 1", "params": ["${vars.left}"], "result": "value", "max_visits": 9},
      {"id": "keep", "type": "set", "assign": {"left": "${take.output}"}, "output": "${last.output ?? 'none'} ${take.output}"},
      {"id": "last", "type": "set", "output": "${keep.output}"},
      {"id": "enough", "type": "conditional", "condition": "${vars.left} <= 0", "if_true_step": {"id": "over", "type": "set", "output": "${keep.output}"}, "if_false_step": {"next_step": "take"}}]}},
  {"id": "after", "type": "set", "output": {"fork": "${fork.output}", "count": "${count.output}", "w1": "${w1.output}", "work": "${work.output}", "over": "${over.output}", "keep": "${keep.output}"}}]}$$,
$${"name": "cycles_iterations", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": [1, 2, 3], "execution_mode": "parallel", "result": "outputs", "loop_body": [
    {"id": "add", "type": "set", "assign": {"sum": "${(vars.sum ?? 0) + loop.item}"}, "output": "${vars.sum}", "max_visits": 10},
    {"id": "inside", "type": "conditional", "condition": "true", "if_true_step": [
      {"id": "twice", "type": "sql", "sql": "SELECT $1::int + COALESCE($2::int, 0)", "params": ["${add.output}", "${twice.output ?? null}"], "result": "value", "max_visits": 3},
      {"id": "again", "type": "conditional", "switch": [{"when": "${twice.output} < 2 * add.output", "next_step": "twice"}]}]},
    {"id": "round", "type": "conditional", "switch": [{"when": "${vars.sum} < 6", "next_step": "add"}]},
    {"id": "item", "type": "set", "output": {"sum": "${add.output}", "twice": "${twice.output}"}}]}},
  {"id": "one", "type": "loop", "loop_config": {"collection": "${each.output}", "loop_body": [
    {"id": "try", "type": "set", "assign": {"tries": "${(vars.tries ?? 0) + 1}"}, "max_visits": 3},
    {"id": "look", "type": "conditional", "switch": [{"when": "${vars.tries} % 3 != 0", "next_step": "try"}]},
    {"id": "said", "type": "set", "output": "${loop.index} at ${vars.tries}"}]}},
  {"id": "after", "type": "set", "output": {"each": "${each.output}", "one": "${one.output.iterations[2].output}", "tries": "${vars.tries}"}}]}$$,
$${"name": "cycles_caught", "steps": [
  {"id": "fork", "type": "fork_join", "join_policy": "any", "branches": {
    "mends": [
      {"id": "begin", "type": "set", "assign": {"by": 0}},
      {"id": "divide", "type": "sql", "sql": "SELECT 60 / $1::int", "params": ["${vars.by}"], "result": "value", "max_visits": 4, "catch": [{"errors": ["22012"], "as": "why", "next_step": "mend"}]},
      {"id": "out", "type": "conditional", "switch": [{"when": "true", "next_step": "done"}]},
      {"id": "mend", "type": "set", "assign": {"by": "${vars.by + 1}"}, "output": "${vars.why.message}"},
      {"id": "back", "type": "conditional", "switch": [{"when": "${vars.by} > 0", "next_step": "divide"}]},
      {"id": "done", "type": "set", "output": ["${divide.output}", "${mend.output}"]}],
    "leaves": [
      {"id": "spin", "type": "set", "output": 1, "max_visits": 3, "catch": [{"errors": ["MaxVisitsExceeded"], "next_step": "left"}]},
      {"id": "turn", "type": "conditional", "switch": [{"when": "${spin.output} == 1", "next_step": "spin"}]},
      {"id": "left", "type": "set", "output": "left by ${spin.error.type}"}],
    "breaks": [
      {"id": "spin2", "type": "set", "output": 1, "max_visits": 2},
      {"id": "turn2", "type": "conditional", "switch": [{"when": "${spin2.output} == 1", "next_step": "spin2"}]},
      {"id": "never", "type": "set", "output": "never"}],
    "returns": [
      {"id": "tries", "type": "set", "assign": {"tries": "${(vars.tries ?? 0) + 1}"}, "max_visits": 5},
      {"id": "third", "type": "sql", "sql": "SELECT 3 / ($1::int / 3)", "params": ["${vars.tries}"], "result": "value", "catch": [{"errors": ["22012"], "next_step": "tries"}]}],
    "caught_again": [
      {"id": "spin3", "type": "set", "output": 1, "max_visits": 2, "catch": [{"errors": ["MaxVisitsExceeded"], "next_step": "spin3"}]},
      {"id": "turn3", "type": "conditional", "switch": [{"when": "${spin3.output} == 1", "next_step": "spin3"}]}]}},
  {"id": "after", "type": "set", "output": ["${fork.output}", "${fork.error.failed.breaks.error.message}", "${fork.error.failed.caught_again.error.message}"]}]}$$]::jsonb[]) AS d;
SELECT workflow.explain('cycles_branches');
CALL test.run_three_ways('{cycles_branches,cycles_iterations,cycles_caught}', '{"n": 3}');
TABLE test.differences;
SELECT workflow, status, jsonb_pretty(output) AS output, message FROM test.runs WHERE mode = 'durable' ORDER BY workflow;
SELECT scope, step_id, visit, status, branch_taken, output FROM workflow.step_executions
WHERE execution_id = (SELECT id FROM test.runs WHERE mode = 'durable' AND workflow = 'cycles_branches') ORDER BY scope COLLATE "C", step_id, visit;
-- each visit of a block has its own children
SELECT scope, step_id, visit, total_tasks, successful_tasks FROM workflow.blocks
WHERE execution_id = (SELECT id FROM test.runs WHERE mode = 'durable' AND workflow = 'cycles_branches') ORDER BY scope COLLATE "C", step_id, visit;

-- attempts belong to their visit
SELECT workflow.define($${"name": "cycles_retries", "steps": [
  {"id": "once", "type": "conditional", "condition": "true", "if_true_step": [
    {"id": "start", "type": "set", "assign": {"n": 0}},
    {"id": "odd", "type": "sql", "sql": "SELECT test.pass_or_fail($1, $2)", "params": ["${vars.n}", "${workflow.execution_id}"], "result": "value", "max_visits": 5,
     "retry": {"errors": ["P0001"], "max_retries": 2, "type": "fixed_delay", "initial_delay_ms": 1}},
    {"id": "next", "type": "set", "assign": {"n": "${vars.n + 1}"}},
    {"id": "more", "type": "conditional", "switch": [{"when": "${vars.n} < 3", "next_step": "odd"}]}]}]}$$) \gset
CREATE SEQUENCE test.cycle_calls;
CREATE FUNCTION test.pass_or_fail(n int, execution bigint) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF n <> 1 THEN
    -- a sequence is not rolled back
    IF nextval('test.cycle_calls') % 2 = 1 THEN
      RAISE EXCEPTION 'not yet';
    END IF;
  END IF;
  RETURN n;
END $$;
CALL test.go('cycles_retries');
SELECT scope, step_id, visit, attempt, status, error ->> 'message' AS message FROM workflow.step_executions
WHERE execution_id = test.id() AND step_id = 'odd' ORDER BY visit, attempt;

-- what each visit did is undone, with what it knew
SELECT workflow.define($${"name": "cycles_undone", "steps": [
  {"id": "fork", "type": "fork_join", "branches": {"b": [{"id": "b1", "type": "set", "output": 1}], "a": [
    {"id": "init", "type": "set", "assign": {"n": 0}},
    {"id": "box", "type": "conditional", "condition": "true", "max_visits": 5, "if_true_step": [
      {"id": "do", "type": "sql", "sql": "SELECT test.note('do ' || $1)", "params": ["${vars.n}"], "compensate":
        {"id": "undo", "type": "sql", "sql": "SELECT test.note('undo ' || $1 || ' after ' || $2)", "params": ["${vars.n}", "${said.output ?? 'nothing'}"]}}]},
    {"id": "said", "type": "set", "assign": {"n": "${vars.n + 1}"}, "output": "visit ${vars.n}"},
    {"id": "again", "type": "conditional", "switch": [{"when": "${vars.n} < 3", "next_step": "box"}]},
    {"id": "boom", "type": "fail"}]}}]}$$) \gset
TRUNCATE test.ledger;
CALL test.go('cycles_undone');
TABLE test.entries;
SELECT scope, step_id, visit, status FROM workflow.step_executions WHERE execution_id = test.id() AND step_id IN ('do', 'undo') ORDER BY step_id, scope COLLATE "C";

-- retry() goes on with the visit that failed
CREATE TABLE test.cycle_faults (n int);
INSERT INTO test.cycle_faults VALUES (2);
SELECT workflow.define($${"name": "cycles_retried", "steps": [
  {"id": "each", "type": "loop", "loop_config": {"collection": [1, 2], "execution_mode": "parallel", "on_error": "collect", "result": "outputs", "loop_body": [
    {"id": "up", "type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "max_visits": 5},
    {"id": "both", "type": "parallel", "parallel_steps": [
      {"id": "ok", "type": "sql", "sql": "SELECT test.note('ok ' || $1 || ' of ' || $2)", "params": ["${vars.n}", "${loop.item}"]},
      {"id": "bad", "type": "sql", "sql": "SELECT 1 / (NOT EXISTS (SELECT FROM test.cycle_faults WHERE n = $1::int))::int", "params": ["${vars.n}"], "result": "value"}]},
    {"id": "again", "type": "conditional", "switch": [{"when": "${vars.n} < 3", "next_step": "up"}]},
    {"id": "end", "type": "set", "output": "${vars.n}"}]}}]}$$) \gset
TRUNCATE test.ledger;
CALL test.go('cycles_retried');
TRUNCATE test.cycle_faults;
SELECT workflow.retry(test.id()) \gset
SELECT (workflow.wait(test.id(), '60 seconds')).status;
SELECT status, output FROM workflow.executions WHERE id = test.id();
SELECT entry, count(*) FROM test.ledger GROUP BY entry ORDER BY entry COLLATE "C";
SELECT scope, max(attempt) FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'bad' GROUP BY scope ORDER BY scope COLLATE "C";

-- what is refused
CREATE FUNCTION test.problems(body text) RETURNS TABLE (path text, message text, hint text) LANGUAGE sql AS $$
  SELECT path, message, hint FROM workflow.validate(('{"name": "x", "steps": [{"id": "l", "type": "loop", "collection": [1], "loop_body": [' || body || ']}]}')::jsonb) $$;
-- a cycle without an end
SELECT * FROM test.problems($${"id": "a", "type": "set", "output": 1}, {"id": "b", "type": "conditional", "switch": [{"when": "true", "next_step": "a"}]}$$);
SELECT * FROM test.problems($${"id": "a", "type": "sql", "sql": "SELECT 1", "catch": [{"next_step": "a"}]}$$);
-- a line without one
SELECT * FROM test.problems($${"id": "a", "type": "set", "output": 1, "max_visits": 2}, {"id": "b", "type": "conditional", "switch": [{"when": "true", "next_step": "a"}], "default": {"next_step": "a"}}$$);
SELECT * FROM test.problems($${"id": "c", "type": "conditional", "condition": "true", "if_true_step": [{"id": "a", "type": "set", "output": 1, "max_visits": 2}, {"id": "b", "type": "conditional", "condition": "true", "if_true_step": {"next_step": "a"}, "if_false_step": {"next_step": "a"}}]}$$);
-- what the cycle leads to can be read, what comes behind it cannot
SELECT * FROM test.problems($${"id": "a", "type": "set", "output": ["${b.output ?? 1}", "${c.output ?? 1}"], "max_visits": 2}, {"id": "b", "type": "set", "output": 1}, {"id": "d", "type": "conditional", "switch": [{"when": "true", "next_step": "a"}]}, {"id": "c", "type": "set", "output": 1}$$);
-- out of the line, or into another: of another branch, or further in
SELECT * FROM test.problems($${"id": "a", "type": "conditional", "condition": "true", "if_true_step": [{"id": "b", "type": "conditional", "switch": [{"when": "true", "next_step": "a"}]}]}$$);
SELECT * FROM test.problems($${"id": "f", "type": "fork_join", "branches": {"a": [{"id": "a", "type": "conditional", "switch": [{"when": "true", "next_step": "b"}]}], "b": [{"id": "b", "type": "sql", "sql": "SELECT 1", "catch": [{"next_step": "a"}]}]}}$$);
SELECT * FROM test.problems($${"id": "a", "type": "conditional", "condition": "true", "if_true_step": {"id": "b", "type": "set", "output": 1}}, {"id": "c", "type": "conditional", "switch": [{"when": "true", "next_step": "b"}]}$$);
SELECT * FROM test.problems($${"id": "a", "type": "conditional", "switch": [{"when": "true", "step": {"id": "b", "type": "set", "output": 1}}, {"when": "false", "next_step": "b"}]}$$);

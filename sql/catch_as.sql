--
-- catch with "as": the error of a step in a variable of its scope
--
SET client_min_messages = warning;

SELECT workflow.define($${"name": "catch_as", "steps": {
  "first": {"type": "set", "assign": {"kept": 1}, "next_step": "divide"},
  "divide": {"type": "sql", "sql": "SELECT 1 / 0", "catch": [{"errors": ["22012"], "next_step": "explain", "as": "problem"}], "next_step": "done"},
  "explain": {"type": "sql", "sql": "SELECT input.text || ' in ' || input.step", "result": "value",
              "input_mapping": {"text": "${vars.problem.message}", "step": "${vars.problem.step_id}"}, "next_step": "done"},
  "done": {"type": "set", "output": {"error": "${vars.problem.sqlstate ?? 'none'}", "type": "${vars.problem.type ?? 'none'}", "kept": "${vars.kept}", "text": "${explain.output ?? null}"}}},
  "start_step": "first"}$$) \gset
CALL test.go('catch_as');
SELECT step_id, status, on_failure, input, variables #- '{problem,context}' AS variables FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;
SELECT workflow.execute('catch_as');

-- without any set step; a container's error, and one of an agent
SELECT workflow.define($${"name": "catch_container", "start_step": "each", "steps": {
  "each": {"type": "loop", "collection": [{"fail": false}, {"fail": true}], "loop_body": [{"id": "call", "agent_name": "may-fail", "input_mapping": "${loop.item}"}],
           "catch": [{"next_step": "report", "as": "e"}]},
  "report": {"type": "set", "output": {"type": "${vars.e.type}", "message": "${vars.e.message}", "step": "${vars.e.step_id}"}}}}$$) \gset
CALL test.go('catch_container');
SELECT workflow.execute('catch_container');

-- iterations that run beside each other have variables of their own
SELECT workflow.define($${"name": "catch_parallel", "start_step": "each", "steps": {
  "each": {"type": "loop", "execution_mode": "parallel", "collection": "${workflow.input.items}", "result": "outputs", "loop_body": [
    {"id": "call", "agent_name": "may-fail", "input_mapping": {"fail": "${loop.item}", "n": "${loop.index}"}, "catch": [{"next_step": "after", "as": "e"}]},
    {"id": "after", "type": "set", "output": "${vars.e.detail ?? 'fine'}"}]}}}$$) \gset
CALL test.go('catch_parallel', '{"items": [true, false, true, false, true]}');
SELECT workflow.execute('catch_parallel', '{"items": [true, false, true, false, true]}');

-- a later error takes the place of an earlier one; the retries come first
SELECT workflow.define($${"name": "catch_twice", "start_step": "one", "steps": {
  "one": {"type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 1, "initial_delay_ms": 1}, "catch": [{"next_step": "two", "as": "e"}]},
  "two": {"type": "sql", "sql": "SELECT 'x'::int", "catch": [{"next_step": "three", "as": "e"}]},
  "three": {"type": "set", "output": "${vars.e.sqlstate}"}}}$$) \gset
CALL test.go('catch_twice');
SELECT step_id, attempt, on_failure, variables #>> '{e,sqlstate}' AS e FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY started_at;

-- no room for the variables beside a text of an error, which is 64 kB at most: the error is not caught, and says why
SELECT workflow.define($${"name": "catch_large", "start_step": "fill", "steps": {
  "fill": {"type": "set", "assign": {"x": "${workflow.input.text}"}, "next_step": "fail"},
  "fail": {"type": "sql", "sql": "DO $do$ BEGIN RAISE EXCEPTION '%', repeat('e', 100000); END $do$", "result": "none", "catch": [{"next_step": "done", "as": "e"}]},
  "done": {"type": "succeed"}}}$$) \gset
SELECT repeat('x', 16740000) AS text \gset
CALL test.go('catch_large', jsonb_build_object('text', :'text')) \gset
SELECT status, error_type, error ->> 'catch_error' AS catch_error FROM workflow.executions WHERE id = test.id();

-- a clause comes before the line a conditional has taken, leads back to the step itself, and out of a cycle once
SELECT workflow.define($${"name": "catch_jump", "start_step": "a", "steps": {
  "a": {"type": "conditional", "switch": [{"when": "true", "next_step": "b"}], "output": "${workflow.input.n + 1}",
        "catch": [{"next_step": "c"}], "next_step": null},
  "b": {"type": "set", "output": "the line", "next_step": null},
  "c": {"type": "set", "output": "the clause", "next_step": null}}}$$);
SELECT workflow.define($${"name": "catch_itself", "start_step": "a", "steps": {
  "a": {"type": "set", "output": "${workflow.input.n + 1}", "max_visits": 3, "catch": [{"next_step": "a"}], "next_step": "b"},
  "b": {"type": "set", "output": "never"}}}$$);
SELECT workflow.define($${"name": "catch_visits", "start_step": "a", "steps": {
  "a": {"type": "set", "output": 1, "max_visits": 2, "catch": [{"errors": ["MaxVisitsExceeded"], "next_step": "b"}], "next_step": "a"},
  "b": {"type": "set", "output": "out"}}}$$);
SELECT workflow.define($${"name": "catch_visits_ignored", "start_step": "a", "steps": {
  "a": {"type": "set", "output": 1, "max_visits": 2, "on_failure": "ignore", "next_step": "if"},
  "if": {"type": "conditional", "max_visits": 3, "on_failure": "ignore", "switch": [{"when": "false", "next_step": "end"}], "next_step": "a"},
  "end": {"type": "succeed"}}}$$);
SELECT workflow.define($${"name": "catch_assigned", "steps": [{"id": "one", "type": "set", "assign": {"v": 1}},
  {"id": "two", "type": "set", "assign": {"v": 2, "w": 2}, "output": "${workflow.input.n + 1}", "on_failure": "ignore"},
  {"id": "end", "type": "set", "output": {"v": "${vars.v}", "w": "${vars.w ?? 0}"}}]}$$);
CALL test.run_three_ways('{catch_jump,catch_itself,catch_visits,catch_visits_ignored,catch_assigned}', '{"n": "x"}');
SELECT workflow, mode, status, output, message FROM test.runs ORDER BY workflow, mode;
SELECT e.workflow, s.step_id, s.visit, s.status, s.error_type, s.on_failure FROM workflow.step_executions AS s
JOIN workflow.executions AS e ON e.id = s.execution_id JOIN test.runs AS r ON r.id = e.id AND r.mode = 'durable'
WHERE e.workflow LIKE 'catch_visits%' OR e.workflow = 'catch_itself' ORDER BY e.workflow, s.started_at, s.visit;

-- what validation says
SELECT path, message, hint FROM workflow.validate($${"name": "bad", "start_step": "a", "steps": {
  "a": {"type": "sql", "sql": "SELECT 1", "catch": [{"next_step": "b", "as": "not a name"}, {"next_step": "b", "as": 1}, {"next_step": "b", "as": "problem"}]},
  "b": {"type": "set", "output": "${vars.problm.message}"}}}$$);
SELECT workflow.explain('catch_as', averages => false);
TABLE test.wrong;

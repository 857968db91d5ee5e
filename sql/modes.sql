--
-- The same results by many executors, without parallelism, and in the caller's transaction
--
SET client_min_messages = warning;
CREATE TABLE test.modes (name text PRIMARY KEY, definition jsonb);

INSERT INTO test.modes VALUES
('modes_sequence', $${"output": {"b": "${b.output}", "s": "${s.status}"}, "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT i, i * 2.50 AS d FROM generate_series(1, 3) AS i"},
  {"id": "b", "type": "sql", "sql": "SELECT sum((r ->> 'd')::numeric) AS total, count(*) FROM jsonb_array_elements(input.rows) AS r", "input_mapping": {"rows": "${a.output.rows}"}, "result": "row", "output": {"t": "${b.output.total}"}},
  {"id": "s", "type": "set", "output": 1, "when": "${b.output.t} > 100"},
  {"id": "e", "agent_name": "echo", "input_mapping": {"all": "${a.output}", "text": "b is ${b.output}"}}]}$$),
('modes_parallel', $${"steps": [
  {"id": "p", "type": "parallel", "max_parallelism": 2, "min_success_ratio": 0.5, "parallel_steps": [
    {"id": "p1", "agent_name": "echo", "input_mapping": {"n": "${workflow.input.n}"}},
    {"id": "p2", "agent_name": "may-fail", "input_mapping": {"fail": true}},
    {"id": "p3", "agent_name": "may-fail", "input_mapping": {"fail": true}, "on_failure": {"default": {"instead": "${workflow.input.n}"}}},
    {"id": "p4", "type": "set", "output": 4, "when": "false"},
    {"id": "p5", "type": "set", "output": 5, "when": "'x' > 5"}]},
  {"id": "after", "type": "set", "output": {"p": "${p.output}", "e": "${p.error.message}", "p3": "${p3.output}", "p2": "${p2.error.detail}"}}]}$$),
('modes_parallel_fails', $${"steps": [
  {"id": "p", "type": "parallel", "parallel_steps": [
    {"id": "p1", "type": "set", "output": 1}, {"id": "p2", "type": "sql", "sql": "SELECT 1 / 0"}, {"id": "p3", "type": "fork_join", "branches": {
      "a": [{"id": "a1", "type": "set", "output": 1}, {"id": "a2", "type": "sql", "sql": "SELECT 1 / 0"}], "b": [{"id": "b1", "type": "set", "output": 1}]}}]},
  {"id": "after", "type": "set", "output": "never"}]}$$),
('modes_fork_join', $${"steps": [
  {"id": "f", "type": "fork_join", "fork_join_config": {"join_policy": "majority", "branches": {
    "x": {"steps": [{"id": "x1", "type": "set", "assign": {"v": 1}}, {"id": "x2", "type": "sql", "sql": "SELECT $1::int + 1", "params": ["${vars.v}"], "result": "value"}]},
    "y": {"steps": [{"id": "y1", "type": "sql", "sql": "SELECT 1 / 0"}, {"id": "y2", "type": "set", "output": 1}]},
    "z": {"timeout_seconds": 600, "steps": [{"id": "z1", "type": "set", "output": ["z"]}]}}}},
  {"id": "after", "agent_name": "echo", "input_mapping": {"f": "${f.output}", "x2": "${x2.output}", "y2": "${y2.output ?? 'not run'}"}}]}$$),
('modes_fork_fails', $${"steps": [
  {"id": "f", "type": "fork_join", "on_failure": {"default": {"both": null}}, "branches": {
    "x": [{"id": "x1", "type": "sql", "sql": "SELECT 1 / 0"}], "y": [{"id": "y1", "type": "sql", "sql": "SELECT relname FROM nowhere"}]}},
  {"id": "after", "type": "set", "output": ["${f.output}", "${f.status}", "${f.error.failed.y.error.message}"]}]}$$),
('modes_conditional', $${"start_step": "c1", "steps": {
  "c1": {"type": "conditional", "condition": "${workflow.input.n} > 1", "if_true_step": "t1", "if_false_step": "e1", "next_step": "c2"},
  "t1": {"type": "sql", "sql": "SELECT 'then'", "result": "value"}, "e1": {"type": "set", "output": "else"},
  "c2": {"type": "conditional", "condition": {"sql": "SELECT input.n = 2"}, "input_mapping": {"n": "${workflow.input.n}"}, "if_true_step": "t2", "next_step": "c3"},
  "t2": {"type": "parallel", "parallel_steps": ["t3", "t4"]}, "t3": {"type": "set", "output": 3}, "t4": {"type": "sql", "sql": "SELECT 4", "result": "value"},
  "c3": {"type": "conditional", "condition": "${workflow.input.nothing.at.all} > 'a'", "if_true_step": "t5", "next_step": "c4"}, "t5": {"type": "set", "output": 5},
  "c4": {"type": "conditional", "switch": [{"when": "${workflow.input.n} == 1", "step": "t6"}, {"when": "${t2.output.t4} == 4", "step": "t7"}], "default": "t8", "output": "${c4.output.branch_taken}", "next_step": "end"},
  "t6": {"type": "set", "output": 6}, "t7": {"type": "set", "output": 7}, "t8": {"type": "set", "output": 8},
  "end": {"type": "set", "output": {"c1": "${c1.output}", "c2": "${c2.output}", "c3": "${c3.output}", "c4": "${c4.output}"}}}}$$),
('modes_cycle', $${"start_step": "count", "steps": {
  "count": {"type": "set", "assign": {"n": "${(vars.n ?? 0) + 1}"}, "output": "${vars.n}", "next_step": "work", "max_visits": 10},
  "work": {"type": "parallel", "parallel_steps": ["w1", "w2"], "next_step": "more"},
  "w1": {"type": "sql", "sql": "SELECT $1::int * 10", "params": ["${count.output}"], "result": "value"}, "w2": {"type": "set", "output": "${vars.n}"},
  "more": {"type": "conditional", "switch": [{"when": "${vars.n} >= 4", "next_step": "done"}], "next_step": "count"},
  "done": {"type": "succeed", "output": {"n": "${vars.n}", "w1": "${w1.output}", "w": "${work.output}"}}}}$$),
('modes_loop', $${"steps": [
  {"id": "s", "type": "loop", "loop_config": {"collection": "${workflow.input.list}", "on_error": "continue", "loop_body": [
    {"id": "s1", "type": "sql", "sql": "SELECT 60 / (input.i::int - 3)", "input_mapping": {"i": "${loop.item}"}, "result": "value"},
    {"id": "s2", "type": "set", "output": {"s1": "${s1.output}", "i": "${loop.index}", "last": "${loop.is_last}"}}]}},
  {"id": "p", "type": "loop", "loop_config": {"collection": "${workflow.input.list}", "on_error": "continue", "execution_mode": "parallel", "max_parallelism": 3, "loop_body": [
    {"id": "p1", "type": "sql", "sql": "SELECT 60 / (input.i::int - 3)", "input_mapping": {"i": "${loop.item}"}, "result": "value"},
    {"id": "p2", "type": "set", "assign": {"mine": "${p1.output}"}, "output": {"i": "${loop.index}", "total": "${loop.total}", "mine": "${vars.mine}"}}]}},
  {"id": "o", "type": "loop", "loop_config": {"collection": "${workflow.input.list}", "execution_mode": "parallel", "result": "outputs", "max_iterations": 3, "loop_body": [
    {"id": "o1", "agent_name": "echo", "input_mapping": {"x": "${loop.item}"}, "when": "${loop.item} != 2"}]}},
  {"id": "c", "type": "loop", "on_failure": "ignore", "loop_config": {"collection": "${workflow.input.list}", "execution_mode": "parallel", "on_error": "collect", "loop_body": [
    {"id": "c1", "agent_name": "may-fail", "input_mapping": {"fail": "${loop.item % 2 == 0}", "i": "${loop.item}"}}]}},
  {"id": "after", "type": "set", "output": {"s": "${s.output}", "p": "${p.output.failed_count}", "o": "${o.output}", "c": "${c.error.message}"}}]}$$),
('modes_loop_fails', $${"steps": [
  {"id": "s", "type": "loop", "loop_config": {"collection": "${workflow.input.list}", "loop_body": [
    {"id": "p", "type": "parallel", "parallel_steps": [{"id": "p1", "type": "sql", "sql": "SELECT 60 / ($1::int - 3)", "params": ["${loop.item}"], "result": "value"}, {"id": "p2", "type": "set", "output": "${loop.item}"}]}]}}]}$$),
('modes_while', $${"steps": [
  {"id": "init", "type": "set", "assign": {"n": 0}},
  {"id": "w", "type": "loop", "loop_config": {"while": "${vars.n} < 3", "loop_body": [
    {"id": "w1", "type": "fork_join", "branches": {"l": [{"id": "l1", "type": "sql", "sql": "SELECT $1::int + 1", "params": ["${vars.n}"], "result": "value"}], "r": [{"id": "r1", "type": "set", "output": "${loop.index}"}]}},
    {"id": "w2", "type": "set", "assign": {"n": "${w1.output.l}"}}]}},
  {"id": "u", "type": "loop", "loop_config": {"until": {"sql": "SELECT input.n::int = 5"}, "result": "outputs", "loop_body": [{"id": "u1", "type": "set", "assign": {"n": "${vars.n + 1}"}, "output": "${vars.n}"}]}, "input_mapping": {"n": "${vars.n}"}},
  {"id": "l", "type": "loop", "on_failure": "ignore", "loop_config": {"while": "true", "max_iterations": 2, "result": "counts", "loop_body": [{"id": "l2", "type": "sql", "sql": "SELECT 1"}]}},
  {"id": "after", "type": "set", "output": {"n": "${vars.n}", "w": "${w.output.total_count}", "u": "${u.output}", "l": "${l.error.message}"}}]}$$),
('modes_join_cancel', $${"steps": [
  {"id": "f", "type": "parallel", "on_join": "cancel", "max_parallelism": 1, "min_success": 1, "parallel_steps": [
    {"id": "f1", "type": "sql", "sql": "SELECT 1 / 0"}, {"id": "f2", "type": "set", "output": 2}, {"id": "f3", "type": "set", "output": 3}]},
  {"id": "after", "type": "set", "output": "${f.output}"}]}$$),
('modes_stop', $${"steps": [
  {"id": "f", "type": "parallel", "on_error": "stop", "max_parallelism": 1, "parallel_steps": [
    {"id": "f1", "type": "set", "output": 1}, {"id": "f2", "type": "sql", "sql": "SELECT 1 / 0"}, {"id": "f3", "type": "set", "output": 3}]}]}$$),
('modes_succeed', $${"output": {"x": "${vars.x}"}, "steps": [
  {"id": "init", "type": "set", "assign": {"x": 0}},
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input.list}", "loop_body": [
    {"id": "c", "type": "conditional", "condition": "${loop.item} == 2", "if_true_step": [{"id": "x", "type": "set", "assign": {"x": "${loop.index}"}}, {"id": "done", "type": "succeed"}]}]}}]}$$),
('modes_fail', $${"steps": [
  {"id": "each", "type": "loop", "on_failure": "ignore", "loop_config": {"collection": "${workflow.input.list}", "loop_body": [
    {"id": "stop", "type": "fail", "error": "Stopped", "message": "at ${loop.item}", "output": "${loop.item}", "when": "${loop.item} == 3"}]}}]}$$),
('modes_missing', $${"steps": [{"id": "a", "type": "parallel", "parallel_steps": [
    {"id": "b", "agent_name": "echo", "input_mapping": {"x": "${workflow.input.order.id}"}}, {"id": "c", "agent_name": "nobody-registered-this", "input_mapping": {}}]}]}$$),
('modes_settings', $${"settings": {"work_mem": "1MB", "search_path": "test"}, "steps": [
  {"id": "a", "type": "parallel", "parallel_steps": [
    {"id": "b", "type": "sql", "sql": "SELECT current_setting('work_mem') || ' ' || current_setting('search_path')", "result": "value"},
    {"id": "c", "type": "sql", "settings": {"work_mem": "2MB"}, "sql": "SELECT current_setting('work_mem')", "result": "value"},
    {"id": "d", "type": "sql", "sql": "SET work_mem = '3MB'; SELECT current_setting('work_mem')", "result": "value"}]},
  {"id": "e", "type": "sql", "sql": "SELECT current_setting('work_mem')", "result": "value"}]}$$);

-- an agent that is gone at run time
SELECT workflow.register_agent('nobody-registered-this', 'test.echo(jsonb)') \gset
SELECT count(workflow.define(definition || jsonb_build_object('name', name))) FROM test.modes;
SELECT workflow.drop_agent('nobody-registered-this') \gset

SELECT array_agg(name ORDER BY name) AS names FROM test.modes \gset
CALL test.run_three_ways(:'names', '{"n": 2, "list": [1, 2, 3, 4]}');
TABLE test.differences;
SELECT workflow, status, test.without_context(output) AS output, message FROM test.runs WHERE mode = 'durable' ORDER BY workflow;

TABLE test.wrong;

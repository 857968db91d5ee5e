--
-- timeout_strategy: what is kept when the time of a block or of the execution is over
--
SET client_min_messages = warning;

-- graceful, the default: outputs of what has finished; what has not begun is told
SELECT workflow.define($${"name": "graceful_block", "steps": [
  {"id": "block", "type": "parallel", "timeout_seconds": 1, "max_parallelism": 2, "on_failure": "ignore", "parallel_steps": [
     {"id": "a", "type": "set", "output": "a"},
     {"id": "b", "type": "sql", "sql": "SELECT pg_sleep(600)"},
     {"id": "c", "type": "loop", "collection": [600], "loop_body": [{"id": "c1", "type": "sql", "sql": "SELECT pg_sleep(600)"}]},
     {"id": "d", "type": "sql", "sql": "SELECT 'never'"},
     {"id": "e", "type": "conditional", "condition": "true", "if_true_step": {"id": "e1", "type": "set", "output": "never"}}]},
  {"id": "after", "type": "set", "output": {"status": "${block.status}", "output": "${block.output}", "message": "${block.error.message}", "d": "${d.status ?? 'no row'}"}}]}$$) \gset
CALL test.go_late('{a completed, b timed_out, c1 timed_out}', 'graceful_block');
SELECT scope, step_id AS step, step_type AS type, parent_step_id AS parent, branch_name AS branch, status, scope_outcome AS ends, error_type FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY scope COLLATE "C", started_at;
SELECT error ->> 'message' AS message FROM workflow.step_executions WHERE execution_id = test.id() AND step_id = 'd';
-- abort: nothing is kept
SELECT workflow.define(jsonb_set(jsonb_set(document, '{name}', '"abort_block"'), '{steps,0,timeout_strategy}', '"abort"')) FROM workflow.definitions WHERE name = 'graceful_block' AND version = 1 \g /dev/null
CALL test.go_late('{a completed, b timed_out, c1 timed_out}', 'abort_block');
SELECT scope, step, status, ends FROM test.steps;
-- one after the other
SET workflow.parallel = off;
CALL test.go_late('{a completed, b timed_out}', 'graceful_block');
SELECT scope, step, status, ends FROM test.steps;
RESET workflow.parallel;

-- loops: counted
SELECT workflow.define($${"name": "graceful_loop", "steps": [
  {"id": "items", "type": "loop", "timeout_seconds": 1, "on_failure": "ignore", "collection": [0, 0, 600, 0], "loop_body": [{"id": "l1", "type": "sql", "sql": "SELECT pg_sleep($1::float8)", "params": ["${loop.item}"], "result": "none"}]},
  {"id": "lost", "type": "loop", "timeout_seconds": 1, "timeout_strategy": "abort", "on_failure": "ignore", "collection": [0, 600], "loop_body": [{"id": "l2", "type": "sql", "sql": "SELECT pg_sleep($1::float8)", "params": ["${loop.item}"], "result": "none"}]},
  {"id": "if", "type": "conditional", "timeout_seconds": 1, "timeout_strategy": "abort", "on_failure": "ignore", "condition": "true", "if_true_step": {"id": "i1", "type": "sql", "sql": "SELECT pg_sleep(600)"}},
  {"id": "after", "type": "set", "output": {"completed": "${items.output.completed_count}", "skipped": "${items.output.skipped_count}", "says": "${items.error.message}", "lost": "${lost.output}", "if": "${if.output}", "statuses": ["${items.status}", "${lost.status}", "${if.status}"]}}]}$$) \gset
CALL test.go_late('{items[1] l1 completed, items[2] l1 timed_out, lost[0] l2 completed, lost[1] l2 timed_out, i1 timed_out}', 'graceful_loop');

-- the execution
SELECT workflow.define($${"name": "graceful_execution", "timeout_seconds": 1, "start_step": "a", "output": "never", "steps": {
  "a": {"type": "set", "output": {"x": 1}, "next_step": "b"},
  "b": {"type": "loop", "collection": [1, 2], "result": "outputs", "loop_body": [{"id": "b1", "type": "set", "output": "${loop.item}"}], "next_step": "c"},
  "c": {"type": "parallel", "parallel_steps": [{"id": "c1", "type": "set", "output": "c1"}, {"id": "c2", "type": "sql", "sql": "SELECT pg_sleep(600)"}], "next_step": "d"},
  "d": {"type": "set", "output": "never"}}}$$) \gset
CALL test.go_late('{b[1] b1 completed, c1 completed, c2 timed_out}', 'graceful_execution') \gset
SELECT status, output, error_type FROM workflow.executions WHERE id = test.id();
SELECT workflow.define(jsonb_set(jsonb_set(document, '{name}', '"abort_execution"'), '{timeout_strategy}', '"abort"')) FROM workflow.definitions WHERE name = 'graceful_execution' AND version = 1 \g /dev/null
CALL test.go_late('{b[1] b1 completed, c1 completed, c2 timed_out}', 'abort_execution') \gset
SELECT status, output, error_type FROM workflow.executions WHERE id = test.id();
-- with an epilogue behind it
SELECT workflow.define($${"name": "graceful_epilogue", "timeout_seconds": 1, "start_step": "a", "on_failure": "z", "steps": {
  "a": {"type": "set", "output": {"x": 1}, "next_step": "b"},
  "b": {"type": "sql", "sql": "SELECT pg_sleep(600)"},
  "z": {"type": "set", "output": "not part of it"}}}$$) \gset
CALL test.go_late('{a completed, b timed_out}', 'graceful_epilogue') \gset
SELECT status, output, error_type FROM workflow.executions WHERE id = test.id();
-- too large together
SELECT workflow.define($${"name": "graceful_large", "timeout_seconds": 2, "start_step": "a", "steps": {
  "a": {"type": "sql", "sql": "SELECT repeat('a', 9000000)", "result": "value", "next_step": "b"},
  "b": {"type": "sql", "sql": "SELECT repeat('a', 9000000)", "result": "value", "next_step": "c"},
  "c": {"type": "sql", "sql": "SELECT pg_sleep(600)"}}}$$) \gset
CALL test.go_late('{b completed, c timed_out}', 'graceful_large') \gset
SELECT status, output, error_type FROM workflow.executions WHERE id = test.id();

SELECT path, message, hint FROM workflow.validate($${"name": "bad", "timeout_strategy": "abort", "steps": [
  {"id": "a", "type": "loop", "timeout_strategy": "graceful", "collection": [1], "loop_body": [{"id": "b", "type": "set", "output": 1}]},
  {"id": "c", "type": "loop", "timeout_seconds": 1, "timeout_strategy": "gracious", "collection": [1], "loop_body": [{"id": "d", "type": "set", "output": 1}]}]}$$);
SELECT workflow.explain('abort_block', 1, averages => false);
TABLE test.wrong;

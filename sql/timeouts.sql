--
-- Time limits: of a step, a branch, a block, a loop, an execution.  Finished results are kept.
--
SET client_min_messages = warning;

-- a step
SELECT workflow.define($${"name": "timeout_step", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1", "result": "value", "timeout_seconds": 60},
  {"id": "b", "type": "sql", "sql": "SELECT pg_sleep(600)", "timeout_seconds": 1},
  {"id": "c", "type": "set", "output": 1}]}$$) \gset
SELECT workflow.start('timeout_step') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT status, output, error_type, regexp_replace(error ->> 'message', '\d+\.\d+', 'N.N') AS error FROM workflow.wait(:id, '60 seconds');
SELECT step, status, ends, output, regexp_replace(error, '\d+\.\d+', 'N.N') AS error FROM test.steps;
-- which its on_failure may deal with; and the agent's own limit
SELECT workflow.register_agent('sleeper', sql => 'SELECT pg_sleep(600)', timeout_seconds => 1) \gset
SELECT workflow.define($${"name": "timeout_handled", "steps": [
  {"id": "block", "type": "parallel", "parallel_steps": [
     {"id": "a", "type": "sql", "sql": "SELECT pg_sleep(600)", "timeout_seconds": 1, "on_failure": "ignore"},
     {"id": "b", "agent_name": "sleeper", "on_failure": {"default": "late"}},
     {"id": "w", "type": "set", "output": "in time"}]},
  {"id": "c", "type": "set", "output": {"a": "${a.status}", "b": "${b.output}", "type": "${b.error.type}", "sqlstate": "${b.error.sqlstate}", "block": "${block.output}"}}]}$$) \gset
CALL test.go('timeout_handled');

-- a branch: its own limit, or the one for all branches
SELECT workflow.define($${"name": "timeout_branch", "steps": [
  {"id": "fork", "type": "fork_join", "fork_join_config": {"join_policy": "n_of_m", "n_required": 2, "branch_timeout_seconds": 1, "branches": {
     "own": {"timeout_seconds": 60, "steps": [{"id": "own1", "type": "sql", "sql": "SELECT pg_sleep(1.2)", "result": "none"}, {"id": "own2", "type": "set", "output": "own"}]},
     "slow": {"steps": [{"id": "slow1", "type": "set", "output": "kept"}, {"id": "slow2", "type": "sql", "sql": "SELECT pg_sleep(600)", "on_failure": "ignore"}, {"id": "slow3", "type": "set", "output": 1}]},
     "fast": {"steps": [{"id": "fast1", "type": "set", "output": "fast"}]}}}},
  {"id": "after", "type": "set", "output": {"fork": "${fork.output}", "slow1": "${slow1.output}", "says": "${fork.error.message}", "slow": "${fork.error.failed.slow.status}"}}]}$$) \gset
CALL test.go_late('{slow1 completed, slow2 timed_out, fast1 completed, own2 completed}', 'timeout_branch');
SELECT scope, step, status, ends, output FROM test.steps;

-- a block: what has ended is kept, the rest is stopped, the block timed out
SELECT workflow.define($${"name": "timeout_block", "steps": [
  {"id": "block", "type": "parallel", "timeout_seconds": 1, "parallel_steps": [
     {"id": "a", "type": "set", "output": "a"},
     {"id": "b", "type": "sql", "sql": "SELECT pg_sleep(600)"},
     {"id": "c", "type": "loop", "loop_config": {"collection": "${workflow.input}", "on_error": "continue", "loop_body": [{"id": "c1", "type": "sql", "sql": "SELECT pg_sleep(input.s::float)", "input_mapping": {"s": "${loop.item}"}, "result": "none"}]}}]},
  {"id": "after", "type": "set", "output": "never"}]}$$) \gset
CALL test.go_late('{a completed, b timed_out, block.c/c[0] c1 completed, block.c/c[1] c1 timed_out}', 'timeout_block', '[0, 600, 0]');
SELECT scope, step, status, ends, CASE WHEN step = 'c' THEN output - 'iterations' ELSE output END AS output, regexp_replace(error, '\d+\.\d+', 'N.N') AS error FROM test.steps;
-- one after the other as well; what has not begun does not begin
SET workflow.parallel = off;
CALL test.go_late('{a completed, b timed_out}', 'timeout_block', '[0, 600, 0]');
SELECT scope, step, status, ends, output, regexp_replace(error, '\d+\.\d+', 'N.N') AS error FROM test.steps;
RESET workflow.parallel;
-- enough of it in time: completed
SELECT workflow.define($${"name": "timeout_quorum", "steps": [
  {"id": "block", "type": "parallel", "timeout_seconds": 1, "min_success": 1, "parallel_steps": [
     {"id": "a", "type": "set", "output": "a"},
     {"id": "b", "type": "sql", "sql": "SELECT pg_sleep(600)"}]},
  {"id": "after", "type": "set", "output": {"block": "${block.output}", "status": "${block.status}", "b": "${b.status}"}}]}$$) \gset
CALL test.go_late('{a completed, b timed_out}', 'timeout_quorum');
-- on_failure of the block
SELECT workflow.define($${"name": "timeout_block_handled", "steps": [
  {"id": "block", "type": "parallel", "timeout_seconds": 1, "on_failure": "ignore", "parallel_steps": [
     {"id": "a", "type": "set", "output": "a"},
     {"id": "b", "type": "sql", "sql": "SELECT pg_sleep(600)"}]},
  {"id": "after", "type": "set", "output": {"block": "${block.output}", "status": "${block.status}", "type": "${block.error.type}"}}]}$$) \gset
CALL test.go_late('{a completed, b timed_out}', 'timeout_block_handled');

-- loops, in both modes, and one that has no end
SELECT workflow.define($${"name": "timeout_loops", "steps": [
  {"id": "s", "type": "loop", "timeout_seconds": 1, "on_failure": "ignore", "loop_config": {"collection": "${workflow.input}", "on_error": "continue", "result": "outputs", "loop_body": [
     {"id": "s1", "type": "sql", "sql": "SELECT $1::int FROM pg_sleep($1::int * 600)", "params": ["${loop.item}"], "result": "value"}]}},
  {"id": "p", "type": "loop", "timeout_seconds": 1, "on_failure": "ignore", "loop_config": {"collection": "${workflow.input}", "execution_mode": "parallel", "max_parallelism": 2, "result": "counts", "loop_body": [
     {"id": "p1", "type": "sql", "sql": "SELECT $1::int FROM pg_sleep($1::int * 600)", "params": ["${loop.item}"], "result": "value"}]}},
  {"id": "w", "type": "loop", "timeout_seconds": 1, "on_failure": "ignore", "loop_config": {"while": "true", "on_error": "continue", "max_iterations": 1000000, "result": "counts", "loop_body": [
     {"id": "w1", "type": "sql", "sql": "SELECT pg_sleep(0.3)", "result": "none"}]}},
  {"id": "after", "type": "set", "output": {"s": "${s.output}", "s_status": "${s.status}", "p_status": "${p.status}", "w_status": "${w.status}", "w_done": "${w.output.completed_count > 1}", "s_type": "${s.error.type}", "p_type": "${p.error.type}", "w_says": "${w.error.message}"}}]}$$) \gset
CALL test.go_late('{s[0] s1 completed, s[1] s1 timed_out, w[1] w1 completed}', 'timeout_loops', '[0, 1, 0, 0]') \gset
SELECT status, regexp_replace(output::text, '("completed_steps": |timeout: )\d+', '\1N', 'g') AS output, error_type, regexp_replace(error ->> 'message', 'timeout: \d+ iter', 'timeout: N iter') AS error FROM workflow.executions WHERE id = test.id();

-- the execution: whatever the steps say about failures
SELECT workflow.define($${"name": "timeout_execution", "timeout_seconds": 1, "steps": [
  {"id": "a", "type": "set", "output": "kept"},
  {"id": "b", "type": "parallel", "on_failure": "ignore", "parallel_steps": [
     {"id": "b1", "type": "sql", "sql": "SELECT pg_sleep(600)", "on_failure": "ignore"},
     {"id": "b2", "type": "set", "output": "kept"},
     {"id": "b3", "type": "loop", "on_failure": "ignore", "loop_config": {"while": "true", "on_error": "continue", "loop_body": [{"id": "b4", "type": "sql", "sql": "SELECT pg_sleep(0.4)", "on_failure": "ignore"}]}}]},
  {"id": "c", "type": "set", "output": "never"}]}$$) \gset
CALL test.go_late('{a completed, b1 timed_out, b2 completed}', 'timeout_execution') \gset
SELECT status, regexp_replace(output::text, '("completed_steps": |timeout: )\d+', '\1N', 'g') AS output, error_type, regexp_replace(error ->> 'message', 'timeout: \d+ iter', 'timeout: N iter') AS error FROM workflow.executions WHERE id = test.id();
CALL test.settle();
SELECT step, status, ends, output FROM test.steps WHERE step <> 'b4' AND scope NOT LIKE 'b.b3%' ORDER BY step;
SET workflow.parallel = off;
CALL test.go_late('{a completed, b1 timed_out}', 'timeout_execution') \gset
SELECT status, regexp_replace(output::text, '("completed_steps": |timeout: )\d+', '\1N', 'g') AS output, error_type, regexp_replace(error ->> 'message', 'timeout: \d+ iter', 'timeout: N iter') AS error FROM workflow.executions WHERE id = test.id();
SELECT step, status, ends, output FROM test.steps WHERE step <> 'b4' ORDER BY step;
RESET workflow.parallel;
\set VERBOSITY terse
SELECT workflow.execute('timeout_execution');
-- of bookkeeping only
SELECT workflow.define($${"name": "timeout_bookkeeping", "timeout_seconds": 1, "steps": [
  {"id": "w", "type": "loop", "loop_config": {"while": "true", "max_iterations": 100000000, "result": "counts", "loop_body": [{"id": "a", "type": "set", "output": 1}]}},
  {"id": "c", "type": "set", "output": "never"}]}$$) \gset
CALL test.go('timeout_bookkeeping') \gset
SELECT status, regexp_replace(output::text, '("completed_steps": |timeout: )\d+', '\1N', 'g') AS output, error_type, regexp_replace(error ->> 'message', 'timeout: \d+ iter', 'timeout: N iter') AS error FROM workflow.executions WHERE id = test.id();
CALL test.settle();

-- the conditional's own, while its condition is asked; what is around goes first, and what is in a loop has the loop's
SELECT workflow.define($${"name": "timeout_condition", "steps": [
  {"id": "c", "type": "conditional", "timeout_seconds": 1, "on_failure": "ignore", "condition": {"sql": "SELECT pg_sleep(600) IS NOT NULL"}, "then": {"id": "then", "type": "set", "output": 1}},
  {"id": "w", "type": "loop", "timeout_seconds": 1, "on_failure": "ignore", "while": {"sql": "SELECT pg_sleep(600) IS NOT NULL"}, "max_iterations": 3, "loop_body": [{"id": "w1", "type": "set", "output": 1}]},
  {"id": "p", "type": "parallel", "timeout_seconds": 1, "on_failure": "ignore", "parallel_steps": [{"id": "p1", "type": "set", "output": 1},
     {"id": "p2", "type": "conditional", "timeout_seconds": 3000, "condition": {"sql": "SELECT pg_sleep(600) IS NOT NULL"}, "then": {"id": "p3", "type": "set", "output": 1}}]},
  {"id": "after", "type": "set", "output": ["${c.status} ${c.error.type}", "${w.status} ${w.error.type}", "${p.status} ${p.error.type}"]}]}$$) \gset
CALL test.go('timeout_condition') \gset
SELECT status, output FROM workflow.executions WHERE id = test.id();
SELECT step_id, status FROM workflow.step_executions WHERE execution_id = test.id() ORDER BY step_id;
SET workflow.parallel = off;
CALL test.go('timeout_condition') \gset
SELECT status, output FROM workflow.executions WHERE id = test.id();
RESET workflow.parallel;
SELECT workflow.execute('timeout_condition');

TABLE test.wrong;

--
-- Cancelling what waits, what runs, what has ended
--
SET client_min_messages = warning;

CREATE VIEW test.cancelled AS
SELECT status, error_type, error ->> 'message' AS error, cancelled_by = current_user::regrole AS by_me, cancelled_at IS NOT NULL AS has_time, cancel_reason,
       completed_at >= cancelled_at AS then_ended, output
FROM workflow.executions WHERE id = test.id();

-- a step that runs; what went before stays, what is after does not begin
SELECT workflow.define($${"name": "cancel_leaf", "steps": [
  {"id": "a", "type": "set", "output": 1},
  {"id": "b", "type": "sql", "sql": "SELECT pg_sleep(600)", "on_failure": "ignore"},
  {"id": "c", "type": "set", "output": "never"}]}$$) \gset
SELECT workflow.start('cancel_leaf') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT test.running(:id);
SELECT step_id, step_type, status, completed_at IS NULL AS open, executor_pid IS NOT NULL AS has_pid FROM workflow.step_status WHERE execution_id = :id ORDER BY started_at;
SELECT workflow.cancel(:id, 'no longer wanted') IN ('cancelling', 'cancelled') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');
TABLE test.cancelled;
TABLE test.steps;
-- idempotent: the first one counts
SELECT workflow.cancel(:id, 'another reason');
SELECT cancel_reason FROM test.cancelled;

-- containers and all
SELECT workflow.define($${"name": "cancel_containers", "steps": [
  {"id": "block", "type": "parallel", "on_failure": "ignore", "parallel_steps": [
     {"id": "one", "type": "sql", "sql": "SELECT pg_sleep(600)", "on_failure": "ignore"},
     {"id": "done", "type": "set", "output": "kept"},
     {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "on_error": "continue", "loop_body": [{"id": "two", "type": "sql", "sql": "SELECT pg_sleep(600)"}]}},
     {"id": "many", "type": "loop", "loop_config": {"collection": "${workflow.input}", "on_error": "continue", "execution_mode": "parallel", "loop_body": [
        {"id": "if", "type": "conditional", "condition": "true", "if_true_step": {"id": "three", "type": "sql", "sql": "SELECT pg_sleep(600)"}}]}}]},
  {"id": "after", "type": "set", "output": "never"}]}$$) \gset
SELECT workflow.start('cancel_containers', '[1, 2]') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT test.running(:id, 4);
SELECT workflow.cancel(:id) IN ('cancelling', 'cancelled') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');
TABLE test.cancelled;
CALL test.settle();
SELECT scope, step, status FROM test.steps;
-- the same without parallelism
SET workflow.parallel = off;
SELECT workflow.start('cancel_containers', '[1, 2]') AS id \gset
RESET workflow.parallel;
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT test.running(:id);
SELECT workflow.cancel(:id) IN ('cancelling', 'cancelled') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');
SELECT scope, step, status FROM test.steps;

-- bookkeeping without end
SELECT workflow.define($${"name": "cancel_bookkeeping", "steps": [
  {"id": "w", "type": "loop", "loop_config": {"while": "true", "max_iterations": 100000000, "result": "counts", "loop_body": [{"id": "a", "type": "set", "output": 1}]}}]}$$) \gset
SELECT workflow.start('cancel_bookkeeping') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
CALL test.until('SELECT count(*) > 0 FROM workflow.step_executions WHERE execution_id = test.id()');
SELECT workflow.cancel(:id) IN ('cancelling', 'cancelled') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');
CALL test.settle();
SELECT step, status FROM test.steps WHERE scope = '';

-- what waits: at once, nothing of it runs
SELECT workflow.start('cancel_leaf', start_at => 'infinity') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT workflow.cancel(:id, 'not now');
SELECT status FROM workflow.wait(:id, '60 seconds');
TABLE test.cancelled;
TABLE test.steps;
-- what has ended stays as it is
SELECT workflow.define($${"name": "cancel_ended", "steps": [{"id": "a", "type": "set", "output": 1}]}$$) \gset
CALL test.go('cancel_ended');
SELECT workflow.cancel(test.id(), 'too late');
TABLE test.cancelled;
-- rolled back, it never happened
SELECT workflow.start('cancel_ended', start_at => 'infinity') AS id \gset
BEGIN;
SELECT workflow.cancel(:id);
ROLLBACK;
SELECT status FROM workflow.executions WHERE id = :id;
SELECT workflow.cancel(:id);
-- the log has what was done, once, and nothing of what was rolled back or came too late
SELECT action, subject_type, subject = :'id' AS subject, role = current_user::regrole AS by_me, pid = pg_backend_pid() AS from_here,
       reason, before, after
FROM workflow.audit_log WHERE execution_id = :id;
SELECT l.action, l.reason, l.before, l.after
FROM workflow.audit_log AS l JOIN workflow.executions AS e ON e.id = l.execution_id
WHERE e.workflow IN ('cancel_leaf', 'cancel_ended') ORDER BY l.id;

-- loops of nothing but bookkeeping are committed now and then, and can be cancelled
SELECT workflow.define($${"name": "cancel_set_loops", "steps": [
  {"id": "i", "type": "set", "assign": {"n": 0}},
  {"id": "outer", "type": "loop", "while": "${vars.n} < 1", "max_iterations": 1000000, "loop_body": [
    {"id": "inner", "type": "loop", "collection": [1, 2, 3], "loop_body": [{"id": "v", "type": "set", "output": "${loop.item}"}]}]}]}$$);
SELECT workflow.start('cancel_set_loops', parallel => true) AS id \gset
SELECT workflow.start('cancel_set_loops', parallel => false) AS off \gset
CALL test.until(format('SELECT count(DISTINCT execution_id) = 2 FROM workflow.step_executions WHERE execution_id IN (%s, %s)', :id, :off));
SELECT workflow.cancel(:id), workflow.cancel(:off);
SELECT status FROM unnest(ARRAY[:id, :off]) AS i, workflow.wait(i, '60 s');

TABLE test.wrong;

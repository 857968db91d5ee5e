--
-- The live views' states and branches; what execution_status and step_status show
--
SET client_min_messages = warning;

-- running, in a branch, in an iteration
SELECT workflow.define($${"name": "views", "steps": [
  {"id": "top", "type": "sql", "sql": "SELECT 1"},
  {"id": "fork", "type": "fork_join", "fork_join_config": {"branches": {
    "left": {"steps": [{"id": "items", "type": "loop", "loop_config": {"collection": [1, 2], "loop_body": [
      {"id": "either", "type": "conditional", "condition": {"expression": "${loop.index} == 1"},
       "if_true_step": {"id": "deep", "type": "sql", "sql": "SELECT pg_advisory_xact_lock(4711)"}}]}}]},
    "right": {"steps": [{"id": "shallow", "type": "sql", "sql": "SELECT pg_advisory_xact_lock(4711)"}]}}}},
  {"id": "last", "type": "sql", "sql": "SELECT pg_advisory_xact_lock(4711)"}]}$$);
CREATE PROCEDURE test.wait_for(condition text) LANGUAGE plpgsql AS $$
DECLARE
    holds boolean;
BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXECUTE 'SELECT ' || condition INTO holds;
        EXIT WHEN holds;
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
        COMMIT;
    END LOOP;
    IF NOT holds THEN
        RAISE WARNING 'waited in vain for %', condition;
    END IF;
END $$;
SELECT pg_advisory_lock(4711);
SELECT set_config('test.id', workflow.start('views')::text, false) IS NOT NULL AS started;
CALL test.wait_for('count(*) = 2 FROM workflow.activity WHERE execution_id = test.id() AND wait_event = ''advisory''');
SELECT step_id, scope, branch, iteration, state FROM workflow.activity WHERE execution_id = test.id() ORDER BY step_id;
SELECT step_id, branch_name, loop_iteration_index, status FROM workflow.step_status
WHERE execution_id = test.id() AND step_type = 'sql' AND status = 'running' ORDER BY step_id;
SELECT pg_advisory_unlock(4711);
SELECT status FROM workflow.wait(test.id(), '60 s');

-- completing: its SQL has ended, its commit has not
CREATE TABLE test.committed (id integer);
CREATE FUNCTION test.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4712); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON workflow.step_executions DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.step_id = 'a') EXECUTE FUNCTION test.at_commit();
SELECT workflow.define('{"name": "views_commit", "steps": [{"id": "a", "type": "sql", "sql": "INSERT INTO test.committed VALUES (1)", "result": "none"},
  {"id": "b", "type": "sql", "sql": "SELECT pg_advisory_xact_lock(4713)", "result": "none"}]}');
SELECT pg_advisory_lock(4712), pg_advisory_lock(4713);
SELECT set_config('test.id', workflow.start('views_commit')::text, false) IS NOT NULL AS started;
CALL test.wait_for('count(*) = 1 FROM workflow.activity WHERE execution_id = test.id() AND wait_event = ''advisory''');
SELECT step_id, branch, state FROM workflow.activity WHERE execution_id = test.id();
-- the next one runs
SELECT pg_advisory_unlock(4712);
CALL test.wait_for('count(*) = 1 FROM workflow.activity WHERE execution_id = test.id() AND wait_event = ''advisory'' AND step_id = ''b''');
SELECT step_id, state FROM workflow.activity WHERE execution_id = test.id();
SELECT pg_advisory_unlock(4713);
SELECT status FROM workflow.wait(test.id(), '60 s');
DROP TRIGGER at_commit ON workflow.step_executions;

-- what was done to an execution: pauses, marks, retries
SELECT workflow.define('{"name": "views_steered", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1 / current_setting(''test.divisor'', true)::integer"}, {"id": "b", "type": "set", "output": 1}, {"id": "c", "type": "set", "output": 2}]}');
SELECT set_config('test.id', workflow.start('views_steered', start_at => 'infinity')::text, false) IS NOT NULL AS started;
SELECT held_steps, skipped_steps, paused_by, paused_at, retries, limited FROM workflow.execution_status WHERE execution_id = test.id();
SELECT workflow.hold_step(test.id(), 'b'), workflow.skip_step(test.id(), 'c', '"secret"'), workflow.skip_step(test.id(), 'a'), workflow.pause(test.id(), 'look first', '1 hour');
SELECT status, held_steps, skipped_steps, paused_by = current_user::regrole AS by_me, paused_at <= now() AS then,
       paused_until > now() AS until, pause_reason, retries, limited FROM workflow.execution_status WHERE execution_id = test.id();
CREATE ROLE regress_views_watcher IN ROLE pg_monitor;
SELECT set_config('test.seen', test.id()::text, false) \g /dev/null
SET ROLE regress_views_watcher;
SELECT held_steps, skipped_steps, paused_by IS NOT NULL AS paused, pause_reason FROM workflow.execution_status WHERE execution_id = current_setting('test.seen')::bigint;
RESET ROLE;
DROP ROLE regress_views_watcher;
SELECT workflow.release_step(test.id(), 'a'), workflow.release_step(test.id(), 'b'), workflow.resume(test.id());
SELECT held_steps, skipped_steps, paused_until FROM workflow.execution_status WHERE execution_id = test.id();
SELECT workflow.cancel(test.id()), workflow.retry(test.id());
SELECT retries FROM workflow.execution_status WHERE execution_id = test.id();
SELECT workflow.cancel(test.id()) IN ('cancelled', 'cancelling') AS cancelled;

-- when the next attempt is due
SELECT workflow.define('{"name": "views_retry", "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1 / 0", "retry": {"max_retries": 1, "type": "fixed_delay", "initial_delay_ms": 3600000, "max_delay_ms": 3600000}}]}');
SELECT set_config('test.id', workflow.start('views_retry')::text, false) IS NOT NULL AS started;
CALL test.wait_for('count(*) = 1 FROM workflow.step_status WHERE execution_id = test.id() AND completed_at IS NOT NULL');
SELECT step_id, attempt, status, on_failure, retry_at BETWEEN now() + '50 minutes' AND now() + '70 minutes' AS in_an_hour
FROM workflow.step_status WHERE execution_id = test.id();
SELECT workflow.cancel(test.id()) IN ('cancelled', 'cancelling') AS cancelled;
SELECT status FROM workflow.wait(test.id(), '60 s');

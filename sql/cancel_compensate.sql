--
-- cancel(compensate => true), and cancelling what is being compensated
--
SET client_min_messages = warning;

SELECT workflow.define($${"name": "cancel_undo", "start_step": "first", "on_failure": {"id": "chain", "type": "sql", "sql": "SELECT test.note('wrong')"}, "steps": {
  "first": {"type": "sql", "sql": "SELECT test.note('first')", "compensate": {"id": "undo_first", "type": "sql", "sql": "SELECT test.note('undo first, error ' || coalesce($1, 'none'))", "params": ["${workflow.error.message ?? null}"]}, "next_step": "each"},
  "each": {"type": "loop", "execution_mode": "parallel", "collection": [1, 2, 3], "loop_body": ["work", "wait"]},
  "work": {"type": "sql", "sql": "SELECT test.note('do ' || $1)", "params": ["${loop.item}"], "compensate": {"id": "undo_work", "type": "sql", "sql": "SELECT test.note('undo ' || $1)", "params": ["${loop.item}"]}},
  "wait": {"type": "sql", "sql": "SELECT pg_sleep(600)", "compensate": {"id": "undo_wait", "type": "sql", "sql": "SELECT test.note('wrong')"}}}}$$) \gset
TRUNCATE test.ledger;
SELECT workflow.start('cancel_undo') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT test.running(:id, 3);
SELECT workflow.cancel(:id, 'undo it', compensate => true) IN ('cancelling', 'cancelled') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');
TABLE test.cancelled;
SELECT entry FROM test.ledger ORDER BY entry COLLATE "C";
SELECT entry AS last FROM test.ledger ORDER BY id DESC LIMIT 1;
SELECT scope, step, status FROM test.steps;
SELECT scope, step_id, compensation, status FROM workflow.compensations WHERE execution_id = :id ORDER BY scope;
SELECT compensate, ending FROM workflow.executions WHERE id = :id;
SELECT workflow.cancel(:id, compensate => true);
SELECT action, reason, before, after FROM workflow.audit_log WHERE execution_id = :id ORDER BY id;

-- without it nothing is undone, and the view says so
TRUNCATE test.ledger;
SELECT workflow.start('cancel_undo') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT test.running(:id, 3);
SELECT workflow.cancel(:id) IN ('cancelling', 'cancelled') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');
SELECT count(*) FROM test.ledger WHERE entry LIKE 'undo%';
SELECT scope, step_id, compensation, status FROM workflow.compensations WHERE execution_id = :id ORDER BY scope;

-- retried, and cancelled again before it goes on: what was done is undone, and nothing is left open
TRUNCATE test.ledger;
BEGIN;
SELECT workflow.retry(:id);
SELECT workflow.cancel(:id, 'undo it', compensate => true);
COMMIT;
SELECT status, error_type FROM workflow.wait(:id, '60 seconds');
SELECT entry FROM test.ledger ORDER BY entry COLLATE "C";
SELECT scope, step, status FROM test.steps;

-- one that waits has nothing to undo
SELECT workflow.cancel(workflow.start('cancel_undo', start_at => 'infinity'), compensate => true);

-- cancel() during compensations, of a failure and of a cancel, and during the chain, stops them
SELECT workflow.define($${"name": "slow_undo", "start_step": "one", "on_failure": "late", "steps": {
  "one": {"type": "sql", "sql": "SELECT test.note('1')", "compensate": {"id": "u1", "type": "sql", "sql": "SELECT test.note('wrong')"}, "next_step": "two"},
  "two": {"type": "sql", "sql": "SELECT test.note('2')", "compensate": {"id": "u2", "type": "sql", "sql": "SELECT pg_sleep(600)"}, "next_step": "three"},
  "three": {"type": "sql", "sql": "SELECT test.note('3')", "compensate": {"id": "u3", "type": "sql", "sql": "SELECT test.note('undo 3')"}, "next_step": "end"},
  "end": {"type": "sql", "sql": "SELECT 1 / $1::int, pg_sleep(600)", "params": ["${workflow.input.n}"]},
  "late": {"type": "sql", "sql": "SELECT test.note('wrong')"}}}$$) \gset
SET client_min_messages = notice;
TRUNCATE test.ledger;
SELECT workflow.start('slow_undo', '{"n": 0}') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT test.running(:id);
SELECT status, ending, error_type FROM workflow.executions WHERE id = :id;
SELECT step_id, status FROM workflow.compensations WHERE execution_id = :id ORDER BY completed_at;
-- (its number is not the same everywhere)
DO $$ BEGIN
    PERFORM set_config('client_min_messages', 'warning', true);
    PERFORM workflow.cancel(test.id(), compensate => true);
END $$;
SELECT status FROM workflow.executions WHERE id = :id;
SELECT workflow.cancel(:id, 'enough') IN ('cancelling', 'failed') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');
TABLE test.cancelled;
TABLE test.entries;
SELECT step_id, compensation, status, error_type FROM workflow.compensations WHERE execution_id = :id ORDER BY completed_at;
SELECT step_id, status FROM workflow.step_executions WHERE execution_id = :id ORDER BY started_at;

TRUNCATE test.ledger;
SELECT workflow.start('slow_undo', '{"n": 1}') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT test.running(:id);
SELECT workflow.cancel(:id, 'undo', true) IN ('cancelling', 'cancelled') AS ok;
DO $$ BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXIT WHEN EXISTS (SELECT FROM workflow.activity WHERE execution_id = test.id() AND step_id = 'u2' AND wait_event = 'PgSleep');
        PERFORM pg_stat_clear_snapshot();
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT status, ending, compensate FROM workflow.executions WHERE id = :id;
-- asking again changes nothing, asking without it does
SELECT workflow.cancel(:id, 'undo', true);
SELECT workflow.cancel(:id, 'no') IN ('cancelling', 'cancelled') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');
TABLE test.cancelled;
TABLE test.entries;
SELECT step_id, status FROM workflow.compensations WHERE execution_id = :id ORDER BY completed_at;

-- one that was paused meanwhile is told from one whose compensations are run
TRUNCATE test.ledger;
ALTER SEQUENCE workflow.executions_id_seq RESTART 9300001;
SELECT workflow.start('slow_undo', '{"n": 0}') AS id \gset
SELECT test.running(:id);
SELECT workflow.cancel(:id, compensate => true);
SELECT workflow.pause(:id);
SELECT workflow.cancel(:id, compensate => true);
SELECT workflow.cancel(:id, 'enough') IN ('cancelling', 'failed') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');

SELECT workflow.define($${"name": "slow_chain", "start_step": "one", "on_failure": "block", "steps": {
  "one": {"type": "fail", "message": "one"},
  "block": {"type": "parallel", "parallel_steps": [{"id": "p1", "type": "sql", "sql": "SELECT pg_sleep(600)"}, {"id": "p2", "type": "sql", "sql": "SELECT test.note('wrong')"}], "next_step": "late"},
  "late": {"type": "sql", "sql": "SELECT test.note('wrong')"}}}$$) \gset
SELECT workflow.start('slow_chain') AS id \gset
SELECT set_config('test.id', :'id', false) \g /dev/null
SELECT test.running(:id);
SELECT workflow.cancel(:id) IN ('cancelling', 'failed') AS ok;
SELECT status FROM workflow.wait(:id, '60 seconds');
SELECT scope, step, status FROM test.steps;
TABLE test.entries;
TABLE test.wrong;

--
-- LISTEN workflow: one notification per change of state, where the definition asks for it
--
SET client_min_messages = warning;
SELECT workflow.define($${"name": "notify", "notify": true, "steps": [
  {"id": "a", "type": "sql", "sql": "SELECT 1", "result": "value"},
  {"id": "b", "type": "set", "output": 1, "when": "false"},
  {"id": "each", "type": "loop", "loop_config": {"collection": "${workflow.input}", "loop_body": [{"id": "c", "type": "sql", "sql": "SELECT 1 / $1::int", "params": ["${loop.item}"], "on_failure": "ignore"}]}},
  {"id": "bad", "type": "sql", "sql": "SELECT 1 / 0"}]}$$) \gset
SELECT workflow.define($${"name": "silent", "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1"}]}$$) \gset
LISTEN workflow;
\o | grep -v '"executor"' | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/'
CALL test.go('silent');
CALL test.go('notify', '[1, 0]');
SELECT 'all have come' AS end;
\o
-- when the workflow is run in a transaction, they come with its commit
BEGIN;
SELECT workflow.define($${"name": "notify_inline", "notify": true, "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1"}]}$$) \gset
SELECT workflow.execute('notify_inline');
\o | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/'
COMMIT;
SELECT 'all have come' AS end;
\o
-- several started at once: each is announced, with the commit
\o | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/'
BEGIN;
SELECT count(workflow.start('notify', start_at => 'infinity')) FROM generate_series(1, 3);
SELECT 'nothing has come yet' AS now;
COMMIT;
SELECT 'all have come' AS end;
SELECT count(workflow.cancel(execution_id)) FROM workflow.execution_status WHERE workflow = 'notify' AND status = 'pending';
SELECT 'their ends, too' AS end;
\o
-- in a batch the rows are announced, and not that a step begins
SELECT workflow.define($${"name": "notify_batch", "notify": true, "commit": {"max_steps": 10, "max_ms": 60000}, "steps": [{"id": "a", "sql": "SELECT 1"}, {"id": "b", "sql": "SELECT 1"}, {"id": "c", "sql": "SELECT 1"}]}$$) \gset
\o | grep -E '"step_id": "[bc]"|all' | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/'
CALL test.go('notify_batch');
SELECT 'all have come' AS end;
\o
-- containers that nobody is in when they are closed
SELECT workflow.define($${"name": "notify_open", "notify": true, "steps": [{"id": "p", "type": "parallel", "parallel_steps": [
  {"id": "a", "sql": "SELECT pg_sleep(60)"}, {"id": "b", "type": "set", "output": 1}]}]}$$) \gset
\o | grep -E '"status": "cancelled"' | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/' -e 's/, "error_type": "Cancelled"//' | LC_ALL=C sort
SELECT workflow.start('notify_open') AS id \gset
SELECT set_config('test.id', :'id', false) = :'id' AS set \gset
CALL test.until('SELECT count(*) = 1 FROM workflow.activity WHERE execution_id = test.id() AND wait_event = ''PgSleep''');
SELECT workflow.cancel(:id);
SELECT FROM workflow.wait(:id, '60 seconds');
SELECT 'all have come' AS end;
\o
-- ends that no executor writes: cancelled while it waited, and while it ran
SELECT workflow.define($${"name": "notify_cancel", "notify": true, "steps": [{"id": "a", "type": "sql", "sql": "SELECT pg_sleep(60)"}]}$$) \gset
\o | grep -v '"executor"' | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/'
SELECT workflow.start('notify_cancel', start_at => 'infinity') AS id \gset
SELECT workflow.cancel(:id);
\o
\o | grep -v '"executor"' | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/'
SELECT workflow.start('notify_cancel') AS id \gset
SELECT set_config('test.id', :'id', false) = :'id' AS set \gset
DO $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM workflow.activity WHERE execution_id = test.id() AND wait_event = 'PgSleep') LOOP
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
    END LOOP;
END $$;
SELECT 'it runs' AS now;
\o
\o | grep -v '"executor"' | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/' | LC_ALL=C sort
SELECT workflow.cancel(:id);
SELECT status FROM workflow.wait(:id, '60 seconds');
SELECT 'all have come' AS end;
\o
-- and a failure: with what has failed, as an executor says it
\o | grep -E '"status": "failed"|all' | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/'
SELECT workflow.start('notify_cancel', start_at => 'infinity') AS id \gset
SELECT workflow.pause(:id, max_pause => '1 ms');
SELECT status FROM workflow.wait(:id, '60 seconds');
SELECT 'all have come' AS end;
\o

-- A186: the type of an error, which may be made of anything, is cut: a payload has less than 8000 bytes
SELECT workflow.define(jsonb_build_object('name', repeat(chr(1), 255), 'notify', true,
    'steps', '[{"id": "f", "type": "fail", "error": "${workflow.input}", "message": "x"}]'::jsonb)) \gset
\o | grep -E '"status": "failed"|all' | sed -e 's/"execution_id": [0-9]*/"execution_id": N/' -e 's/PID [0-9]*/PID N/' -e 's/\(\\u0001\)\{255\}/NAME/' -e 's/x\{255\}"/TYPE"/' -e 's/\(ä\)\{127\}"/TYPE"/'
CALL test.go(repeat(chr(1), 255), to_jsonb(repeat('x', 20000)));
CALL test.go(repeat(chr(1), 255), to_jsonb(repeat('ä', 20000)));
SELECT 'all have come' AS end;
\o
SELECT status, length(error_type) FROM workflow.execution_status WHERE workflow = repeat(chr(1), 255) ORDER BY execution_id;

-- executors that come and go
CALL test.go('silent');
SELECT clock_timestamp() AS since \gset
SELECT set_config('test.since', :'since', false) = :'since' AS set \gset
\o | grep -E '"role": "postgres", "event": ("started"|"ended", "reason": "recycle")' | sed -e 's/"executor": [0-9]*/"executor": N/' -e 's/PID [0-9]*/PID N/' | LC_ALL=C sort -u
SELECT workflow.recycle_executor(pid) FROM workflow.executors;
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM workflow.executors) OR NOT EXISTS (SELECT FROM workflow.executor_history
        WHERE reason = 'recycle' AND ended_at >= current_setting('test.since')::timestamptz) LOOP
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
    END LOOP;
END $$;
CALL test.go('silent');
SELECT 'all have come' AS end;
\o

-- off by default, since channels have no rights: neither executions nor blocks are announced
SELECT boot_val, context FROM pg_settings WHERE name = 'workflow.notify';
SET workflow.notify = off;
SELECT workflow.define($${"name": "notify_off", "notify": true, "steps": [{"id": "a", "type": "sql", "sql": "SELECT 1"}]}$$);
SELECT workflow.execute('notify_off');
SELECT workflow.start('notify_cancel', start_at => 'infinity') AS id \gset
SELECT workflow.pause(:id), workflow.resume(:id), workflow.cancel(:id);
SELECT workflow.block('notify_off'), workflow.unblock('notify_off');
SELECT workflow.register_agent('notify_agent', sql => 'SELECT 1', circuit_breaker => '{}'), workflow.reset_breaker('notify_agent');
SELECT 'nothing has come' AS end;
RESET workflow.notify;
-- who may not use workflows can send what he likes; nothing comes of it
CREATE ROLE regress_notify_outsider;
UNLISTEN workflow;
SELECT workflow.start('notify_cancel', start_at => 'infinity') AS id \gset
SET ROLE regress_notify_outsider;
SET workflow.notify = on;
SELECT pg_notify('workflow', format('{"execution_id": %s, "workflow": "notify_cancel", "status": "completed"}', :id));
RESET ROLE;
SELECT status FROM workflow.execution_status WHERE execution_id = :id;
SELECT workflow.cancel(:id), workflow.drop_agent('notify_agent');
DROP ROLE regress_notify_outsider;

--
-- What waits, what happened, how well it went, how far it is
--
SET client_min_messages = warning;

SELECT workflow.define($${"name": "monitored", "steps": [
  {"id": "first", "type": "sql", "sql": "SELECT 1", "result": "value"},
  {"id": "block", "type": "parallel", "min_success": 2, "parallel_steps": [
    {"id": "x", "type": "sql", "sql": "SELECT pg_sleep(0.05)"}, {"id": "y", "type": "sql", "sql": "SELECT pg_sleep(0.05)"},
    {"id": "z", "type": "sql", "sql": "SELECT 1/0"}, {"id": "off", "type": "sql", "sql": "SELECT 1", "when": "false"}]},
  {"id": "again", "type": "sql", "sql": "SELECT 1/0", "on_failure": "ignore",
   "retry": {"max_retries": 2, "type": "immediate"}},
  {"id": "items", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "execution_mode": "parallel", "loop_body": [
    {"id": "either", "type": "conditional", "condition": {"expression": "${loop.index} == 0"},
     "if_true_step": {"id": "head", "type": "sql", "sql": "SELECT 1"}, "if_false_step": {"id": "tail", "type": "sql", "sql": "SELECT 2"}},
    {"id": "last", "type": "sql", "sql": "SELECT 3"}]}}]}$$) \gset
CALL test.go('monitored', '{"items": [1, 2, 3]}');

SELECT event, step_id, scope, attempt, detail FROM workflow.history
WHERE execution_id = test.id() AND (scope IS NULL OR scope !~ '^(items|block)') ORDER BY at, event DESC, scope;
-- blocks: what was skipped is not counted, nested containers are their own
SELECT step_id, status, total_tasks, successful_tasks, failed_tasks, speedup > 0 AS speedup,
       task_time BETWEEN CASE step_id WHEN 'block' THEN interval '0.1 seconds' ELSE '0' END AND '1 minute' AS has_time
FROM workflow.blocks WHERE execution_id = test.id() ORDER BY started_at;
-- figures of one execution; times as whether they are there
SELECT key, CASE WHEN jsonb_typeof(value) = 'number' AND key ~ 'time|speedup' THEN to_jsonb(value::numeric > 0) ELSE value END AS value
FROM jsonb_each(workflow.metrics(test.id()) - 'execution_id' - 'phase_times' - 'phases' - 'parallel_block' - 'parallel_items') ORDER BY 1;
SELECT jsonb_object_keys(workflow.metrics(test.id()) -> 'phase_times') AS phase ORDER BY 1;
SELECT key AS phase, value FROM jsonb_each(workflow.metrics(test.id()) -> 'phases') ORDER BY 1;
SELECT key, value FROM jsonb_each(workflow.metrics(test.id()) -> 'parallel_block') WHERE key ~ 'tasks' ORDER BY 1;
SELECT workflow.metrics(-1) IS NULL AS none, workflow.progress(-1) IS NULL AS none_either;
-- statistics
SELECT kind, name, total, completed, failed, stuck, retries, trips, success_rate, run_p50 <= run_p95 AND run_p95 <= run_p99 AS ordered, queue_p50 IS NOT NULL AS queued
FROM workflow.statistics WHERE workflow = 'monitored' ORDER BY kind, name;
SELECT count(*) FROM workflow.statistics('0') WHERE workflow = 'monitored';

-- progress, at the end and on the way
SELECT workflow.progress(test.id()) - '{execution_id,elapsed_seconds,expected_end}'::text[] AS progress;
SELECT workflow.define($${"name": "monitored_slow", "steps": [
  {"id": "before", "type": "sql", "sql": "SELECT 1"},
  {"id": "items", "type": "loop", "loop_config": {"collection": "${workflow.input.items}", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT 1"},
    {"id": "b", "type": "sql", "sql": "SELECT pg_advisory_lock(4242), pg_advisory_unlock(4242)", "when": "${loop.index} == 1"}]}},
  {"id": "either", "type": "conditional", "condition": {"expression": "true"},
   "if_true_step": {"id": "yes", "type": "sql", "sql": "SELECT 2"}, "if_false_step": {"id": "no", "type": "sql", "sql": "SELECT 3"}}]}$$) \gset
SELECT pg_advisory_lock(4242);
SELECT workflow.start('monitored_slow', '{"items": [1, 2, 3, 4]}') AS id \gset
DO $$ BEGIN
    FOR i IN 1 .. 3000 LOOP
        EXIT WHEN EXISTS (SELECT FROM workflow.activity WHERE step_id = 'b' AND wait_event = 'advisory');
        PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
    END LOOP;
END $$;
-- one before, eight in the loop, one behind it; done: before, a b a
SELECT workflow.progress(:id) - '{execution_id,elapsed_seconds,expected_end,current_steps}'::text[] AS progress;
SELECT s - 'seconds' AS current_step FROM jsonb_array_elements(workflow.progress(:id) -> 'current_steps') AS s;
SELECT (workflow.progress(:id) ->> 'expected_end')::timestamptz > now() AS expected;
SELECT pg_advisory_unlock(4242);
SELECT status FROM workflow.wait(:id, '60 seconds');
SELECT workflow.progress(:id) - '{execution_id,elapsed_seconds,expected_end}'::text[] AS progress;

-- agents are those of the phase of that name, or, without one, the steps of that type
SELECT workflow.register_agent('monitored_agent', sql => 'SELECT CASE WHEN (input.fail)::boolean THEN 1/0 ELSE 1 END') \gset
SELECT workflow.define($${"name": "monitored_agents", "start_step": "validation", "steps": {
  "validation": {"type": "agent", "agent_name": "monitored_agent", "input_mapping": {"fail": false}, "next_step": "agents"},
  "agents": {"type": "parallel", "parallel_steps": ["one", "two", "three"], "min_success_ratio": 0.5, "next_step": "synthesis"},
  "one": {"type": "agent", "agent_name": "monitored_agent", "input_mapping": {"fail": false}},
  "two": {"type": "agent", "agent_name": "monitored_agent", "input_mapping": {"fail": true}},
  "three": {"type": "agent", "agent_name": "monitored_agent", "input_mapping": {"fail": false}},
  "synthesis": {"type": "agent", "agent_name": "monitored_agent", "input_mapping": {"fail": false}, "next_step": "report"},
  "report": {"type": "sql", "sql": "SELECT 1"}}}$$) \gset
SELECT workflow.define($${"name": "monitored_chain", "steps": [
  {"id": "a", "type": "agent", "agent_name": "monitored_agent", "input_mapping": {"fail": false}}, {"id": "b", "type": "sql", "sql": "SELECT 1"}]}$$) \gset
CALL test.go('monitored_agents');
SELECT m ->> 'total_agents' AS total, m ->> 'completed_agents' AS completed, m ->> 'failed_agents' AS failed, m ->> 'success_rate' AS rate
FROM workflow.metrics(test.id()) AS m;
SELECT key AS phase, value FROM jsonb_each(workflow.metrics(test.id()) -> 'phases') ORDER BY 1;
CALL test.go('monitored_chain');
SELECT m ->> 'total_agents' AS total, m ->> 'success_rate' AS rate, m -> 'phases' -> 'b' AS b FROM workflow.metrics(test.id()) AS m;
-- what undoes steps is neither an agent of the phase nor a phase
SELECT workflow.define($${"name": "monitored_undone", "steps": [
  {"id": "prepare", "sql": "SELECT 1", "compensate": {"id": "unprepare", "sql": "SELECT 1"}},
  {"id": "agents", "type": "parallel", "parallel_steps": [{"id": "x", "sql": "SELECT 1", "compensate": {"id": "unx", "sql": "SELECT 1"}}, {"id": "y", "sql": "SELECT 1"}]},
  {"id": "boom", "sql": "SELECT 1 / 0"}], "on_failure": {"id": "tell", "sql": "SELECT 1"}}$$) \gset
CALL test.go('monitored_undone');
SELECT count(*) FROM workflow.compensations WHERE execution_id = test.id() AND status = 'completed';
SELECT m ->> 'total_agents' AS total, m ->> 'success_rate' AS rate, (SELECT string_agg(key, ' ' ORDER BY key) FROM jsonb_each(m -> 'phases')) AS phases
FROM workflow.metrics(test.id()) AS m;

-- how often a while loop goes round nobody knows: no total, and a share of the time it took earlier
SELECT workflow.define($${"name": "monitored_while", "steps": [
  {"id": "begin", "type": "set", "assign": {"n": 0}},
  {"id": "rounds", "type": "loop", "loop_config": {"while": "${vars.n} < 3", "result": "counts", "loop_body": [
    {"id": "a", "type": "sql", "sql": "SELECT test.pass(to_jsonb(input.n + 1))", "input_mapping": {"n": "${vars.n}"}, "result": "value"},
    {"id": "b", "type": "set", "assign": {"n": "${a.output}"}}]}},
  {"id": "end", "type": "sql", "sql": "SELECT 1"}]}$$) \gset
CALL test.to_gate('monitored_while');
SELECT workflow.progress(test.id()) - '{execution_id,elapsed_seconds,current_steps}'::text[] AS progress;
CALL test.open_gate();
SELECT status FROM workflow.wait(test.id(), '60 seconds');
SELECT workflow.progress(test.id()) - '{execution_id,elapsed_seconds,expected_end}'::text[] AS progress;
CALL test.to_gate('monitored_while');
SELECT p -> 'total' AS total, (p ->> 'percent')::int BETWEEN 0 AND 99 AS percent, p ->> 'message' AS message FROM workflow.progress(test.id()) AS p;
CALL test.open_gate();
SELECT status FROM workflow.wait(test.id(), '60 seconds');

-- the queue, in the order in which it is run; what is deferred has no place in it
ALTER DATABASE :"DBNAME" SET workflow.enabled = off;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler' AND datname = current_database() \g /dev/null
SELECT workflow.start('monitored_slow') AS low, workflow.start('monitored_slow', priority => 5, tenant => 'acme') AS high,
       workflow.start('monitored_slow', start_at => 'infinity') AS never, workflow.start('monitored_slow', start_at => now() + '1 hour') AS later \gset
SELECT position, execution_id = :low AS low, execution_id = :high AS high, tenant, priority, waiting >= '0' AS waits
FROM workflow.queue WHERE workflow = 'monitored_slow' ORDER BY position, start_at;
SELECT tenant, priority, waiting, deferred, oldest_wait >= '0' AS waits, next_start_at > now() AS next
FROM workflow.queue_depth WHERE workflow = 'monitored_slow' ORDER BY priority;
SELECT workflow.cancel(id) FROM unnest(ARRAY[:low, :high, :never, :later]) AS id;
ALTER DATABASE :"DBNAME" RESET workflow.enabled;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_workflow scheduler' AND datname = current_database() \g /dev/null

-- a role sees its own, and pg_monitor all without payloads
CREATE ROLE regress_monitoring_alice;
CREATE ROLE regress_monitoring_watcher IN ROLE pg_monitor;
SELECT workflow.grant_usage('regress_monitoring_alice');
SELECT set_config('test.seen', test.id()::text, false) \g /dev/null
SET ROLE regress_monitoring_alice;
SELECT count(*) FROM workflow.history WHERE execution_id = current_setting('test.seen')::bigint;
SELECT workflow.progress(current_setting('test.seen')::bigint) IS NULL AS nothing, workflow.metrics(current_setting('test.seen')::bigint) IS NULL AS nothing_either;
SET ROLE regress_monitoring_watcher;
SELECT count(*) > 0 AS sees, count(*) FILTER (WHERE detail ~ 'division') AS payloads FROM workflow.history WHERE execution_id = current_setting('test.seen')::bigint;
SELECT workflow.progress(current_setting('test.seen')::bigint) ->> 'percent' AS percent, workflow.metrics(current_setting('test.seen')::bigint) ->> 'success_rate' AS success_rate;
SELECT count(*) > 0 AS statistics FROM workflow.statistics;
SELECT count(*) AS queue FROM workflow.queue WHERE workflow = 'monitored_slow';
RESET ROLE;
-- blocks that a retry has set aside keep their children
SELECT workflow.define('{"name": "monitored_again", "steps": [{"id": "both", "type": "parallel", "parallel_steps": [{"id": "p", "type": "set", "output": 1}, {"id": "q", "type": "set", "output": 2}]}, {"id": "fails", "sql": "SELECT 1/0"}]}') \gset
CALL test.go('monitored_again');
SELECT workflow.retry(test.id(), from_step => 'both') \gset
SELECT (workflow.wait(test.id(), '60 seconds')).status;
SELECT scope, step_id, total_tasks FROM workflow.blocks WHERE execution_id = test.id() ORDER BY scope COLLATE "C";
SELECT workflow.revoke_usage('regress_monitoring_alice');
DROP ROLE regress_monitoring_alice, regress_monitoring_watcher;

TABLE test.wrong;

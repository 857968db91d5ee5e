-- Circuit breakers of agents.
CREATE ROLE regress_breaker_other LOGIN;
SELECT workflow.grant_usage('regress_breaker_other');

-- fails with the code it is given, if any
CREATE FUNCTION moody(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF input ->> 'code' = 'sleep' THEN
		PERFORM pg_sleep(60);
	ELSIF input ->> 'code' <> 'ok' THEN
		RAISE EXCEPTION 'in a bad mood' USING ERRCODE = input ->> 'code';
	END IF;
	RETURN to_jsonb('fine'::text);
END $$;

CREATE FUNCTION moods(codes text) RETURNS jsonb LANGUAGE sql RETURN jsonb_build_object('codes', string_to_array(codes, ' '));
CREATE PROCEDURE call_moody(codes text, INOUT result text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	id bigint := workflow.start('calls', moods(codes));
BEGIN
	COMMIT;
	PERFORM workflow.wait(id, '60 s');
	SELECT string_agg(coalesce(error_type, output #>> '{}'), ' ' ORDER BY loop_iteration_index) INTO result
	FROM workflow.step_executions WHERE execution_id = id AND step_id = 'call';
END $$;
CREATE VIEW moody AS
SELECT state, times_opened AS opened, error_type, half_open_at - opened_at AS for,
	calls, failures, failures_in_row AS in_row, half_open_running AS running, half_open_succeeded AS succeeded
FROM workflow.breaker_status WHERE agent = 'moody';
-- Successes are counted a moment after their commit, and a row that an executor has no
-- transaction for is written by the scheduler.
CREATE PROCEDURE wait_for(condition text) LANGUAGE plpgsql AS $$
DECLARE
	fulfilled boolean;
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM workflow.breaker_status AS s LEFT JOIN workflow.breakers AS b USING (agent, role) WHERE %s)', condition)
		INTO fulfilled;
		EXIT WHEN fulfilled;
		PERFORM pg_sleep(0.01);
		COMMIT;
	END LOOP;
END $$;

-- what a breaker can be
SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '[]');
SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker =>
	'{"failure_threshold": 0, "failure_rate_threshold": 2, "timeout_seconds": "1", "half_open_calls": 1}');
SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '{}');
SELECT agent, state, failure_threshold, failure_rate_threshold, timeout_seconds, half_open_max_calls, window_size_seconds, times_opened
FROM workflow.breaker_status;
-- a call for each code, one after the other, whatever becomes of them
SELECT workflow.define('{"name": "calls", "steps": [
	{"id": "each", "type": "loop", "collection": "${workflow.input.codes}", "loop_body": [
		{"id": "call", "agent_name": "moody", "input_mapping": {"code": "${loop.item}"}, "on_failure": "ignore",
		 "retry": {"errors": ["all"], "max_retries": 0}}]}]}');

-- five failures open it; a success in between, and it takes half of all calls
CALL call_moody('AG001 AG001 AG001 AG001');
SELECT * FROM moody;
CALL call_moody('AG001 ok AG001');
SELECT * FROM moody;
SELECT agent, state, half_open_at - opened_at AS for, times_opened, calls, failures, error_type FROM workflow.breakers;

-- refused: not retried by "all", but by name; caught like any other error
SELECT workflow.define('{"name": "refused", "steps": [
	{"id": "all", "agent_name": "moody", "on_failure": "ignore",
	 "retry": [{"errors": ["all", "task_failed", "55000", "55*"], "max_retries": 2, "type": "immediate"}, {"max_retries": 2, "type": "immediate"}]},
	{"id": "named", "agent_name": "moody", "on_failure": "ignore",
	 "retry": {"errors": ["CircuitBreakerOpen"], "max_retries": 2, "type": "immediate"}},
	{"id": "caught", "agent_name": "moody", "catch": [{"errors": ["all"], "next_step": "say"}]},
	{"id": "not", "type": "fail"},
	{"id": "say", "type": "set", "output": "${caught.error}"}]}');
SELECT workflow.start('refused') AS id \gset
SELECT status, output - 'detail' AS output, regexp_replace(output ->> 'detail', '[0-9.]+ s', 'N s') AS detail
FROM workflow.wait(:id, '30s');
SELECT step_id, attempt, status, error_type, on_failure FROM workflow.step_executions WHERE execution_id = :id ORDER BY completed_at;
-- also in execute()
SELECT workflow.execute('calls', moods('ok')) #> '{iterations,0,error,type}';
SELECT workflow.define('{"name": "refused alone", "steps": [{"id": "a", "agent_name": "moody"}]}');
DO $$
BEGIN
	PERFORM workflow.execute('refused alone');
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '%', SQLERRM;
END $$;

-- how often it has opened
SELECT kind, workflow, name, trips, timed_out, retries FROM workflow.statistics('1 hour') WHERE kind = 'agent' AND name = 'moody';

-- reset: the owner's, at commit
SET ROLE regress_breaker_other;
SELECT workflow.reset_breaker('moody');
SELECT agent, state FROM workflow.breaker_status;
RESET ROLE;
SELECT workflow.reset_breaker('nobody');
SELECT workflow.reset_breaker(NULL);
SELECT workflow.reset_breaker('moody', role => '-');
SELECT workflow.reset_breaker('moody', role => 1::oid::regrole);
BEGIN;
SELECT workflow.reset_breaker('moody');
SELECT state FROM moody;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT workflow.reset_breaker('moody');
ROLLBACK TO s;
COMMIT;
SELECT state FROM moody;
BEGIN;
SAVEPOINT s;
SELECT workflow.reset_breaker('moody', 'is fine again');
RELEASE s;
COMMIT;
SELECT * FROM moody;
SELECT workflow.reset_breaker('moody');
-- emptied: four more are no five
CALL call_moody('AG001 AG001 AG001 AG001');
SELECT state, failures FROM moody;
SELECT action, reason, before, after FROM workflow.audit_log
WHERE subject = 'moody' AND action LIKE '%breaker%' ORDER BY id;

-- what says nothing about the agent is not counted: conflicts, rights, the step's own output
SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker =>
	'{"failure_threshold": 1, "timeout_seconds": 2, "half_open_max_calls": 2}');
SELECT workflow.reset_breaker('moody');
CALL call_moody('40001 40P01 42501');
-- nor what it was given
CALL call_moody('22P02 22012 22023 23502 23505 23514');
SELECT state, calls, failures FROM workflow.breaker_status WHERE agent = 'moody';
SELECT workflow.define('{"name": "output", "steps": [
	{"id": "a", "agent_name": "moody", "output": "${a.output.no.such.thing}", "on_failure": "ignore"}]}');
SELECT workflow.start('output') AS id \gset
SELECT status FROM workflow.wait(:id, '30s');
SELECT step_id, error_type FROM workflow.step_executions WHERE execution_id = :id;
SELECT * FROM moody;

-- a time limit is a failure
SELECT workflow.define('{"name": "slow", "steps": [
	{"id": "a", "agent_name": "moody", "input_mapping": {"code": "sleep"}, "timeout_seconds": 1, "on_failure": "ignore"}]}');
SELECT workflow.start('slow') AS id \gset
SELECT status FROM workflow.wait(:id, '30s');
SELECT opened, error_type, "for" FROM moody;

-- half-open: one failure and it is open again
CALL wait_for($$agent = 'moody' AND s.state = 'half_open'$$);
CALL call_moody('AG002 ok');
SELECT opened, error_type FROM moody;
-- as many successes as calls are let through, and it is closed and knows nothing of before
CALL wait_for($$agent = 'moody' AND s.state = 'half_open'$$);
CALL call_moody('ok');
CALL wait_for($$agent = 'moody' AND s.half_open_succeeded = 1$$);
SELECT state, running, succeeded FROM moody;
CALL call_moody('ok');
CALL wait_for($$agent = 'moody' AND b.state = 'closed'$$);
SELECT * FROM moody;
SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '{"failure_threshold": 2, "timeout_seconds": 2, "half_open_max_calls": 1}');
CALL call_moody('AG003');
SELECT state FROM moody;

-- in execute() the same; the scheduler writes the row
SELECT jsonb_path_query_array(workflow.execute('calls', moods('AG004 AG004 ok')), '$.iterations[*].error.type');
CALL wait_for($$agent = 'moody' AND b.state = 'open'$$);
SELECT opened FROM moody;
CALL wait_for($$agent = 'moody' AND s.state = 'half_open'$$);
SELECT jsonb_path_query_array(workflow.execute('calls', moods('ok ok')), '$.iterations[*].output');
SELECT state FROM moody;
CALL wait_for($$agent = 'moody' AND b.state = 'closed'$$);
-- rolled back or not, the calls were made
BEGIN;
SELECT jsonb_path_query_array(workflow.execute('calls', moods('AG004 AG004 ok')), '$.iterations[*].error.type');
ROLLBACK;
CALL wait_for($$agent = 'moody' AND b.state = 'open'$$);
SELECT opened FROM moody;
SELECT workflow.reset_breaker('moody');
-- an agent that calls execute() with another agent in it
SELECT workflow.register_agent('outer', sql => $$SELECT workflow.execute('calls', moods('ok AG005'))$$, circuit_breaker => '{"failure_threshold": 1}');
SELECT workflow.define('{"name": "nested", "steps": [{"id": "a", "agent_name": "outer"}]}');
SELECT workflow.start('nested') AS id \gset
SELECT status FROM workflow.wait(:id, '30s');
CALL wait_for($$agent = 'outer' AND s.calls = 1$$);
SELECT agent, state, calls, failures FROM workflow.breaker_status ORDER BY agent;

-- announced
CALL wait_for($$agent = 'moody' AND b.state = 'open'$$);
SELECT workflow.reset_breaker('moody');
SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '{"failure_threshold": 1}');
LISTEN workflow;
\o | sed -e 's/PID [0-9]*/PID N/'
CALL call_moody('AG006 ok');
SELECT workflow.reset_breaker('moody');
SELECT 'all have come' AS end;
\o
UNLISTEN workflow;

-- A73: each role has one of its own, whatever others call with: in executors and in execute()
CREATE ROLE regress_breaker_owner LOGIN;
CREATE ROLE regress_breaker_monitor IN ROLE pg_monitor;
SELECT workflow.grant_usage('regress_breaker_owner'), workflow.grant_usage('regress_breaker_monitor');
CREATE FUNCTION try_lent() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN workflow.execute('lent', '"ok"') #>> '{}';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
SET ROLE regress_breaker_owner;
SELECT workflow.register_agent('lent', sql => $$SELECT moody(jsonb_build_object('code', input.code))$$,
	circuit_breaker => '{"failure_threshold": 1, "timeout_seconds": 3600}');
SELECT workflow.define('{"name": "lent", "steps": [{"id": "a", "agent_name": "lent", "input_mapping": {"code": "${workflow.input}"}}]}');
SET ROLE regress_breaker_other;
SELECT workflow.start('lent', '"AG007"') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '30s');
SELECT workflow.start('lent', '"ok"') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '30s');
SELECT count(*) AS refused FROM workflow.why(:id) WHERE help LIKE '%reset_breaker(''lent'', role => ''regress_breaker_other'')%';
SELECT try_lent();
SET ROLE regress_breaker_owner;
SELECT try_lent();
SELECT workflow.start('lent', '"ok"') AS id \gset
SELECT status, output FROM workflow.wait(:id, '30s');
RESET ROLE;
-- who sees which: one's own; the owner of the agent and monitoring roles all
CALL wait_for($$agent = 'lent' AND role = 'regress_breaker_owner'::regrole AND s.calls = 2$$);
CREATE VIEW seen AS SELECT role, state, calls, failures, times_opened AS opened, error_type FROM workflow.breaker_status WHERE agent = 'lent';
GRANT SELECT ON seen TO PUBLIC;
CREATE FUNCTION seen() RETURNS SETOF text LANGUAGE sql AS $$
SELECT concat_ws(' ', 'view', s.role, s.state, s.times_opened) FROM workflow.breaker_status AS s WHERE agent = 'lent'
UNION ALL SELECT concat_ws(' ', 'table', b.role, b.state) FROM workflow.breakers AS b WHERE agent = 'lent'
UNION ALL SELECT concat_ws(' ', 'memory', m.role, m.state, m.calls) FROM workflow.breaker_memory('lent') AS m
UNION ALL SELECT concat_ws(' ', 'report', r.m[1]) FROM regexp_matches(substring(workflow.report() FROM '<h2>Open circuit breakers</h2>.*?</table>'), 'regress_breaker_[a-z]+', 'g') AS r (m)
ORDER BY 1 $$;
SELECT * FROM seen();
SET ROLE regress_breaker_other;
SELECT * FROM seen();
SELECT condition, subject FROM workflow.alerts WHERE condition LIKE 'circuit%' AND subject LIKE 'lent%';
SET ROLE regress_breaker_owner;
SELECT * FROM seen();
SET ROLE regress_breaker_monitor;
SELECT * FROM seen();
SELECT condition, subject FROM workflow.alerts WHERE condition LIKE 'circuit%' AND subject LIKE 'lent%';
SELECT labels ->> 'role' AS role, value FROM workflow.metrics WHERE name = 'workflow_breaker_state' AND labels ->> 'agent' = 'lent' ORDER BY 1;
RESET ROLE;
CREATE ROLE regress_breaker_third LOGIN;
SELECT workflow.grant_usage('regress_breaker_third');
SET ROLE regress_breaker_third;
SELECT * FROM seen();
SELECT workflow.reset_breaker('lent', role => 'regress_breaker_third');
-- not the role's whose it is, either: the owner has it to protect what is behind the agent
SET ROLE regress_breaker_other;
SELECT workflow.reset_breaker('lent', role => 'regress_breaker_other');
-- the owner resets that of a role, or all
SET ROLE regress_breaker_owner;
SELECT workflow.reset_breaker('lent', role => 'regress_breaker_nobody');
SELECT workflow.reset_breaker('lent', role => 'regress_breaker_owner');
SELECT * FROM seen();
SELECT workflow.reset_breaker('lent', 'mended', 'regress_breaker_other');
SELECT * FROM seen();
RESET ROLE;
SELECT action, role, reason, before ->> 'state' AS before, after ->> 'state' AS after FROM workflow.audit_log
WHERE subject = 'lent' AND action LIKE '%breaker%' ORDER BY id;
SET ROLE regress_breaker_other;
SELECT workflow.start('lent', '"AG008"') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '30s');
SET ROLE regress_breaker_third;
SELECT workflow.start('lent', '"AG009"') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '30s');
SET ROLE regress_breaker_owner;
SELECT role, state, opened, error_type FROM seen ORDER BY role::text;
SELECT workflow.reset_breaker('lent');
SELECT role, state FROM seen ORDER BY role::text;
-- of a role that is dropped nothing is seen, and the next breaker that opens takes the row away
SET ROLE regress_breaker_third;
SELECT workflow.start('lent', '"AG009"') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '30s');
RESET ROLE;
DELETE FROM workflow.step_executions WHERE execution_id IN (SELECT e.id FROM workflow.executions AS e WHERE role = 'regress_breaker_third'::regrole);
DELETE FROM workflow.executions WHERE role = 'regress_breaker_third'::regrole;
SELECT workflow.revoke_usage('regress_breaker_third');
DROP ROLE regress_breaker_third;
SET ROLE regress_breaker_owner;
SELECT role, state FROM seen ORDER BY role::text;
RESET ROLE;
SELECT count(*) AS rows_of_nobody FROM workflow.breakers AS b WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = b.role);
SET ROLE regress_breaker_owner;
SELECT workflow.start('lent', '"AG010"') AS id \gset
SELECT status, error_type FROM workflow.wait(:id, '30s');
SELECT role, state FROM seen ORDER BY role::text;
RESET ROLE;
SELECT count(*) AS rows_of_nobody FROM workflow.breakers AS b WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = b.role);
SELECT workflow.drop_agent('lent');
SELECT count(*) AS rows, (SELECT count(*) FROM workflow.breaker_memory('lent')) AS known FROM workflow.breakers WHERE agent = 'lent';
DROP VIEW seen;
DROP FUNCTION seen(), try_lent();
DELETE FROM workflow.definitions WHERE name = 'lent';

-- switched off, taken away, and with the agent
SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '{"enabled": false, "failure_threshold": 1}');
CALL call_moody('AG001 ok');
SELECT state FROM moody;
SELECT workflow.register_agent('moody', 'moody(jsonb)');
CALL call_moody('AG001 ok');
SELECT agent, state FROM workflow.breaker_status;
SELECT workflow.reset_breaker('moody');
SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '{"failure_threshold": 1}');
CALL call_moody('AG001 ok');
SELECT workflow.drop_agent('moody');
SELECT agent FROM workflow.breakers;
SELECT workflow.register_agent('moody', 'moody(jsonb)', circuit_breaker => '{"failure_threshold": 1}');
CALL call_moody('ok');

SELECT workflow.drop_agent('moody'), workflow.drop_agent('outer');
DROP VIEW moody;
DROP FUNCTION moody(jsonb), moods;
DROP PROCEDURE call_moody, wait_for;
SELECT workflow.revoke_usage(r) FROM unnest('{regress_breaker_other,regress_breaker_owner,regress_breaker_monitor}'::regrole[]) AS r;
DROP ROLE regress_breaker_other, regress_breaker_owner, regress_breaker_monitor;

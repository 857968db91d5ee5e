--
-- Rights: who sees what, and that nothing of a user's runs as the owner
--
SET client_min_messages = error;
ALTER SEQUENCE workflow.executions_id_seq RESTART 8000001;
CREATE ROLE regress_sec_alice LOGIN;
CREATE ROLE regress_sec_bob LOGIN;
CREATE ROLE regress_sec_boss LOGIN;
CREATE ROLE regress_sec_nobody LOGIN;
CREATE ROLE regress_sec_watcher LOGIN;
GRANT regress_sec_alice TO regress_sec_boss;
GRANT pg_monitor TO regress_sec_watcher;

-- A120: without a grant nothing goes
SET ROLE regress_sec_nobody;
SELECT workflow.start('sec');
SELECT * FROM workflow.executions;
SELECT * FROM workflow.execution_status;
RESET ROLE;

-- A125: only the extension's owner grants
SELECT workflow.grant_usage('regress_sec_alice'), workflow.grant_usage('regress_sec_bob'),
       workflow.grant_usage('regress_sec_boss');
SET ROLE regress_sec_alice;
SELECT workflow.grant_usage('regress_sec_nobody');
RESET ROLE;

-- A126: exactly this is granted
SELECT p.oid::regprocedure AS callable
FROM pg_proc p WHERE p.pronamespace = 'workflow'::regnamespace
  AND has_function_privilege('regress_sec_alice', p.oid, 'EXECUTE') ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT c.oid::regclass AS relation, string_agg(r, ', ' ORDER BY r) AS privileges
FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS r
WHERE c.relnamespace = 'workflow'::regnamespace AND c.relkind IN ('r', 'v')
  AND has_table_privilege('regress_sec_alice', c.oid, r)
GROUP BY c.oid ORDER BY c.oid::regclass::text COLLATE "C";
SELECT has_schema_privilege('regress_sec_alice', 'workflow', 'USAGE') AS usage,
       has_schema_privilege('regress_sec_alice', 'workflow', 'CREATE') AS "create",
       has_sequence_privilege('regress_sec_alice', 'workflow.executions_id_seq', 'USAGE, SELECT, UPDATE') AS sequence;

-- own executions, and no others'
SET ROLE regress_sec_alice;
SELECT workflow.define('{"name": "sec", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
SELECT workflow.start('sec', '{"secret": "of alice"}', start_at => 'infinity') AS alice_id \gset
RESET ROLE;
SELECT workflow.define('{"name": "sec_plain", "start_step": "a", "steps": {"a": {"type": "set", "output": 1}}}');
SET ROLE regress_sec_bob;
SELECT workflow.start('sec_plain', '{"secret": "of bob"}', start_at => 'infinity') AS bob_id \gset
RESET ROLE;
INSERT INTO workflow.step_executions (execution_id, started_at, scope, step_id, step_type, status, input, output, error)
VALUES (:alice_id, now(), '', 'a', 'set', 'completed', '"alice in"', '"alice out"', '"alice error"'),
       (:bob_id, now(), '', 'a', 'set', 'completed', '"bob in"', '"bob out"', '"bob error"');

SET ROLE regress_sec_alice;
SELECT workflow, role, input FROM workflow.executions WHERE id IN (:alice_id, :bob_id);
SELECT input, output, error FROM workflow.step_executions WHERE execution_id IN (:alice_id, :bob_id);
SELECT role, input FROM workflow.execution_status WHERE execution_id IN (:alice_id, :bob_id);
SELECT input, output, error FROM workflow.step_status WHERE execution_id IN (:alice_id, :bob_id);
SELECT workflow.wait(:bob_id, '0 seconds');
SELECT workflow.cancel(:bob_id);
SELECT status FROM workflow.wait(:alice_id, '0 seconds');
-- a member of the role sees what the role sees
SET ROLE regress_sec_boss;
SELECT role, input FROM workflow.executions WHERE id IN (:alice_id, :bob_id);
SELECT workflow.cancel(:alice_id, 'by the boss');
RESET ROLE;
SELECT status, cancelled_by, cancel_reason FROM workflow.executions WHERE id = :alice_id;

-- A69: the owner of a definition may steer what others started of it, not read it nor give it data
SET ROLE regress_sec_bob;
SELECT workflow.start('sec', '{"secret": "of bob"}', start_at => 'infinity') AS id \gset
SET ROLE regress_sec_alice;
SELECT workflow.skip_step(:id, 'a', '"of alice"');
SELECT workflow.skip_step(:id, 'a'), workflow.release_step(:id, 'a');
SELECT workflow.cancel(:id);
SELECT workflow.retry(:id, input => '{}');
SELECT count(*) FROM workflow.executions WHERE id = :id;
SELECT workflow.wait(:id);

-- A137: pg_monitor sees all executions, no payload
SET ROLE regress_sec_watcher;
SELECT role, status, input, output, error, cancel_reason FROM workflow.execution_status
WHERE execution_id IN (:alice_id, :bob_id) ORDER BY role::text;
SELECT step_id, status, input, output, error FROM workflow.step_status WHERE execution_id IN (:alice_id, :bob_id);
SELECT * FROM workflow.activity;
SELECT count(*) FROM workflow.executions;
SELECT workflow.wait(:bob_id, '0 seconds');

-- A131: leaky functions see own rows only, and no payload of others
RESET ROLE;
CREATE SCHEMA sec_leak;
GRANT CREATE, USAGE ON SCHEMA sec_leak TO regress_sec_alice, regress_sec_watcher;
SET ROLE regress_sec_alice;
CREATE FUNCTION sec_leak.look(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
  IF $1::text LIKE '%bob%' THEN
    RAISE WARNING 'leaked: %', $1;
  END IF;
  RETURN true;
END $$;
SET client_min_messages = warning;
SELECT count(*) > 0 AS some FROM workflow.executions AS e WHERE sec_leak.look(e) AND sec_leak.look(input);
SELECT count(*) > 0 AS some FROM workflow.execution_status WHERE sec_leak.look(input) AND sec_leak.look(role::text);
SELECT count(*) > 0 AS some FROM workflow.step_executions WHERE sec_leak.look(input) AND sec_leak.look(output);
SELECT count(*) > 0 AS some FROM workflow.step_status WHERE sec_leak.look(input) AND sec_leak.look(error);
SET client_min_messages = error;
RESET ROLE;
GRANT EXECUTE ON FUNCTION sec_leak.look(anyelement) TO regress_sec_watcher;
SET ROLE regress_sec_watcher;
SET client_min_messages = warning;
SELECT count(*) > 1 AS some FROM workflow.execution_status WHERE sec_leak.look(input);
SELECT count(*) > 1 AS some FROM workflow.step_status WHERE sec_leak.look(output) AND sec_leak.look(error);
SET client_min_messages = error;
-- A133: an error message does not give it away either
SELECT count(*) FROM workflow.execution_status WHERE (input ->> 'secret')::integer = 1;
RESET ROLE;

-- A121: tables are written by functions only
SET ROLE regress_sec_alice;
INSERT INTO workflow.executions (definition_id, workflow, version, role, input)
VALUES (1, 'sec', 1, 'regress_sec_bob', '{}');
UPDATE workflow.executions SET role = 'regress_sec_bob';
DELETE FROM workflow.step_executions;
BEGIN;
LOCK TABLE workflow.executions;
ROLLBACK;
SELECT nextval('workflow.executions_id_seq');
RESET ROLE;

-- A1: a search_path with traps in front of pg_catalog: nothing in it may be called as the owner
CREATE SCHEMA sec_trap;
GRANT USAGE, CREATE ON SCHEMA sec_trap TO regress_sec_alice;
CREATE TABLE sec_trap.log (who name, what text);
GRANT INSERT ON sec_trap.log TO PUBLIC;
GRANT USAGE ON SCHEMA sec_trap TO PUBLIC;
SET ROLE regress_sec_alice;
DO $$
DECLARE
  type text;
  operator text;
BEGIN
  CREATE FUNCTION sec_trap.note(what text) RETURNS void LANGUAGE sql
    AS 'INSERT INTO sec_trap.log VALUES (current_user, what)';
  FOREACH type IN ARRAY ARRAY['text', 'int4', 'int8', 'oid', 'jsonb', 'timestamptz', 'bool', 'regrole'] LOOP
    EXECUTE format($f$CREATE FUNCTION sec_trap.compare(pg_catalog.%1$s, pg_catalog.%1$s) RETURNS boolean LANGUAGE plpgsql
      AS $b$BEGIN PERFORM sec_trap.note('operator on %1$s'); RETURN true; END$b$ $f$, type);
    FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>='] LOOP
      EXECUTE format('CREATE OPERATOR sec_trap.%2$s (LEFTARG = pg_catalog.%1$s, RIGHTARG = pg_catalog.%1$s, FUNCTION = sec_trap.compare)',
        type, operator);
    END LOOP;
  END LOOP;
  CREATE FUNCTION sec_trap.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql
    AS 'BEGIN PERFORM sec_trap.note(''clock_timestamp''); RETURN pg_catalog.now(); END';
  CREATE FUNCTION sec_trap.now() RETURNS timestamptz LANGUAGE plpgsql
    AS 'BEGIN PERFORM sec_trap.note(''now''); RETURN pg_catalog.now(); END';
  CREATE FUNCTION sec_trap.jsonb_typeof(jsonb) RETURNS text LANGUAGE plpgsql
    AS 'BEGIN PERFORM sec_trap.note(''jsonb_typeof''); RETURN NULL; END';
  CREATE FUNCTION sec_trap.to_regprocedure(text) RETURNS regprocedure LANGUAGE plpgsql
    AS 'BEGIN PERFORM sec_trap.note(''to_regprocedure''); RETURN NULL; END';
  CREATE FUNCTION sec_trap.agent(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
  CREATE DOMAIN sec_trap.text AS pg_catalog.text;
  CREATE DOMAIN sec_trap.jsonb AS pg_catalog.jsonb;
END $$;
-- in a new session, in which no statement has been prepared yet
\connect -
SET client_min_messages = error;
SET SESSION AUTHORIZATION regress_sec_alice;
SET search_path = sec_trap, pg_catalog, pg_temp;
SELECT workflow.register_agent('sec_agent', 'sec_trap.agent(pg_catalog.jsonb)');
SELECT workflow.register_agent('sec_agent', sql => 'SELECT 1');
SELECT workflow.set_agent_status('sec_agent', 'active');
SELECT workflow.define('{"name": "sec_trap", "workflow_id": "sec_trap_id", "start_step": "a", "steps": {"a": {"type": "agent", "agent_name": "sec_agent"}}}');
SELECT workflow.define('{"name": "sec_trap", "workflow_id": "sec_trap_id", "start_step": "b", "steps": {"b": {"type": "agent", "agent_name": "sec_agent"}}}');
SELECT workflow.set_status('sec_trap', 1, 'deprecated');
SELECT workflow.start('sec_trap', start_at => 'infinity', idempotency_key => 'k') AS id \gset
SELECT workflow.start('sec_trap_id', start_at => 'infinity', idempotency_key => 'k') OPERATOR(pg_catalog.=) :id AS same;
SELECT (workflow.wait(:id, '0 seconds')).status;
SELECT workflow.cancel(:id);
SELECT status FROM workflow.execution_status WHERE execution_id OPERATOR(pg_catalog.=) :id;
SELECT pg_catalog.count(*) FROM workflow.step_status WHERE execution_id OPERATOR(pg_catalog.=) :id;
SELECT pg_catalog.count(*) FROM workflow.activity;
SELECT workflow.drop_agent('sec_agent');
RESET SESSION AUTHORIZATION;
RESET search_path;
-- the log tells who was caught: nobody
SELECT * FROM sec_trap.log;
-- and the traps work
SET ROLE regress_sec_alice;
SET search_path = sec_trap, pg_catalog, pg_temp;
SELECT 1::int4 = 2::int4 AS trapped;
RESET search_path;
RESET ROLE;
SELECT * FROM sec_trap.log;

-- A65: names of the extension's own are nobody's
SET ROLE regress_sec_alice;
SELECT workflow.define('{"name": "pg_workflow.housekeeping", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
SELECT workflow.define('{"name": "sec_mine", "workflow_id": "pg_workflow.housekeeping", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
-- in whatever letters; the name housekeeping of schedules, too
SELECT workflow.define('{"name": "PG_Workflow.housekeeping", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
SELECT workflow.register_agent('Pg_workflow.x', sql => 'SELECT 1');
SELECT workflow.schedule('PG_WORKFLOW.x', 'sec_mine', '@daily', enabled => false);
SELECT workflow.schedule('housekeeping', 'sec_mine', '@daily', enabled => false);
SELECT workflow.schedule('Housekeeping', 'sec_mine', '@daily', enabled => false);
SELECT workflow.register_agent('pg_workflow.agent', sql => 'SELECT 1');
SELECT workflow.schedule('pg_workflow.nightly', 'sec', '0 0 * * *', enabled => false);
RESET ROLE;
SELECT workflow.define('{"name": "pg_workflow.x", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
-- what somebody made under such a name before it was reserved is started by nobody
INSERT INTO workflow.definitions (name, version, workflow_id, status, owner, document, definition)
SELECT n.name, 1, n.id, 'active', 'regress_sec_alice', d.document, d.definition
FROM workflow.definitions AS d, (VALUES ('pg_workflow.housekeeping', NULL), ('sec_mine', 'pg_workflow.other')) AS n (name, id)
WHERE d.name = 'sec' ORDER BY d.version DESC LIMIT 2;
SELECT workflow.start('pg_workflow.housekeeping');
SELECT workflow.execute('pg_workflow.other');
SELECT workflow.schedule('sec_nightly', 'pg_workflow.housekeeping', '0 0 * * *', enabled => false);
DELETE FROM workflow.definitions WHERE name IN ('pg_workflow.housekeeping', 'sec_mine');

-- A127: usage taken back
SELECT workflow.revoke_usage('regress_sec_alice'), workflow.revoke_usage('regress_sec_bob'),
       workflow.revoke_usage('regress_sec_boss');
SET ROLE regress_sec_alice;
SELECT workflow.start('sec');
RESET ROLE;
DELETE FROM workflow.step_executions WHERE step_id = 'a' AND step_type = 'set'
  AND execution_id IN (SELECT id FROM workflow.executions WHERE role::text LIKE 'regress_sec_%');
DELETE FROM workflow.executions WHERE role::text LIKE 'regress_sec_%';
DROP OWNED BY regress_sec_alice, regress_sec_watcher;
DROP SCHEMA sec_leak CASCADE;
DROP SCHEMA sec_trap CASCADE;
DROP ROLE regress_sec_alice, regress_sec_bob, regress_sec_boss, regress_sec_nobody, regress_sec_watcher;

-- who may not call a function is told what helps: of one for the owner, of others, and only where it is one of ours
CREATE ROLE regress_hints_none;
CREATE ROLE regress_hints_some;
GRANT USAGE ON SCHEMA workflow TO regress_hints_none;
SELECT workflow.grant_usage('regress_hints_some');
CREATE SCHEMA regress_hints;
CREATE FUNCTION regress_hints.prune() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION regress_hints.prune() FROM PUBLIC;
GRANT USAGE ON SCHEMA regress_hints TO regress_hints_some;
SET ROLE regress_hints_none;
SELECT workflow.start('x');
CALL workflow.run('x');
SELECT workflow.prune();
SET ROLE regress_hints_some;
SELECT 1 FROM (SELECT workflow.prune('1 day')) AS p;
CALL workflow.prune_all();
SELECT workflow.drain();
SELECT workflow.roll_up_statistics();
SELECT workflow.grant_usage('regress_hints_none');
SELECT regress_hints.prune();
SELECT regress_hints.prune() AS "workflow.start";
DO $$BEGIN PERFORM workflow.undrain(); END$$;
DO $$
DECLARE
  hint text;
BEGIN
  PERFORM workflow.schedule_housekeeping();
EXCEPTION WHEN insufficient_privilege THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  PERFORM set_config('regress.hint', hint, false);
END $$;
SELECT current_setting('regress.hint');
RESET ROLE;
GRANT EXECUTE ON ROUTINE workflow.prune TO regress_hints_some;
SET ROLE regress_hints_some;
SELECT workflow.prune('100 years');
RESET ROLE;
DROP SCHEMA regress_hints CASCADE;
REVOKE EXECUTE ON ROUTINE workflow.prune FROM regress_hints_some;
REVOKE USAGE ON SCHEMA workflow FROM regress_hints_none;
SELECT workflow.revoke_usage('regress_hints_some');
DROP ROLE regress_hints_none, regress_hints_some;

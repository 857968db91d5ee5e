--
-- workflow.namespaces: names of workflows, agents and schedules begin with a schema of their owner's
--
CREATE ROLE regress_ns_a LOGIN;
CREATE ROLE regress_ns_b LOGIN;
CREATE SCHEMA regress_ns_a AUTHORIZATION regress_ns_a;
CREATE SCHEMA regress_ns_b AUTHORIZATION regress_ns_b;
CREATE SCHEMA "Regress ns";
SELECT workflow.grant_usage('regress_ns_a'), workflow.grant_usage('regress_ns_b');
CREATE FUNCTION ns_define(name text, more text DEFAULT '') RETURNS integer LANGUAGE sql AS $$
    SELECT workflow.define(format('{"name": "%s", "steps": [{"id": "a", "type": "set", "output": 1}]%s}', name, more)::jsonb)
$$;

-- off: any name, unless somebody has it
SHOW workflow.namespaces;
SET ROLE regress_ns_a;
SELECT ns_define('regress_ns_plain', ', "workflow_id": "regress_ns_plain_id"'), ns_define('regress_ns_b.taken');
SELECT workflow.register_agent('regress_ns_agent', sql => 'SELECT 1');
SELECT workflow.schedule('regress_ns_schedule', 'regress_ns_plain', '0 0 1 1 *', enabled => false);
SET workflow.namespaces = on;
RESET ROLE;

SET workflow.namespaces = on;
SET ROLE regress_ns_a;
-- own ones
SELECT ns_define('regress_ns_a.order'), ns_define('regress_ns_a.order.more', ', "workflow_id": "regress_ns_a.id"');
SELECT workflow.register_agent('regress_ns_a.agent', sql => 'SELECT 1');
SELECT workflow.schedule('regress_ns_a.nightly', 'regress_ns_a.order', '0 0 1 1 *', enabled => false);
-- not those of others, nor of nobody
SELECT ns_define('regress_ns_b.order');
SELECT ns_define('regress_ns_a.other', ', "workflow_id": "regress_ns_b.id"');
SELECT workflow.register_agent('regress_ns_b.agent', sql => 'SELECT 1');
SELECT workflow.schedule('regress_ns_b.nightly', 'regress_ns_a.order', '0 0 1 1 *', enabled => false);
SELECT ns_define('regress_ns_nowhere.order');
SELECT ns_define('Regress ns.order');
SELECT ns_define('REGRESS_NS_A.order');
SELECT ns_define('pg_temp.order');
SELECT ns_define('pg_catalog.order');
-- nor names that begin with none
SELECT ns_define('regress_ns_order');
SELECT ns_define('.order');
SELECT ns_define('regress_ns_a.');
SELECT workflow.register_agent('regress_ns_agent_2', sql => 'SELECT 1');
SELECT workflow.schedule('regress_ns_schedule_2', 'regress_ns_a.order', '0 0 1 1 *', enabled => false);
-- names that are there stay, with what they have
SELECT workflow.define(document || '{"description": "another version"}') FROM workflow.definitions WHERE name IN ('regress_ns_plain', 'regress_ns_b.taken') ORDER BY name;
SELECT ns_define('regress_ns_plain', ', "workflow_id": "regress_ns_plain_2"');
SELECT ns_define('regress_ns_plain', ', "workflow_id": "regress_ns_a.plain"');
SELECT workflow.register_agent('regress_ns_agent', sql => 'SELECT 2');
SELECT workflow.schedule('regress_ns_schedule', 'regress_ns_plain', '0 0 2 1 *', enabled => false);
SELECT workflow.pause_schedule('regress_ns_schedule');
RESET ROLE;
-- who may create in the schema may
GRANT CREATE ON SCHEMA "Regress ns" TO regress_ns_a;
GRANT regress_ns_b TO regress_ns_a;
SET ROLE regress_ns_a;
SELECT ns_define('Regress ns.order'), ns_define('regress_ns_b.order');
RESET ROLE;
-- superusers may in all schemas, and switch it off
SELECT ns_define('regress_ns_b.super'), ns_define('regress_ns_nowhere.super');
SELECT ns_define('regress_ns_b.super');
SELECT workflow.schedule('regress_ns_b.super', 'regress_ns_b.super', '0 0 1 1 *', enabled => false);
-- what the extension's function calls its schedule is the extension's; another name is not
SELECT workflow.schedule_housekeeping(name => 'regress_ns_housekeeping');
SELECT workflow.schedule_housekeeping();
RESET workflow.namespaces;
SELECT ns_define('regress_ns_nowhere.super');

SELECT workflow.unschedule(name) FROM workflow.schedules WHERE name ~ '^regress_ns' ORDER BY name;
DELETE FROM workflow.definitions WHERE name ~* '^regress.ns';
DELETE FROM workflow.agents WHERE name ~ '^regress_ns';
DELETE FROM workflow.audit_entries WHERE subject ~* '^regress.ns';
DROP FUNCTION ns_define;
DROP SCHEMA regress_ns_a, regress_ns_b, "Regress ns";
SELECT workflow.revoke_usage('regress_ns_a'), workflow.revoke_usage('regress_ns_b');
DROP ROLE regress_ns_a, regress_ns_b;

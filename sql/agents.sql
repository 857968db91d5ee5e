--
-- Agents: registering, owners, functions that come and go
--
CREATE ROLE regress_agent_alice LOGIN;
CREATE ROLE regress_agent_bob LOGIN;
SELECT workflow.grant_usage('regress_agent_alice'), workflow.grant_usage('regress_agent_bob');

CREATE FUNCTION public.agent_double(input jsonb) RETURNS jsonb
LANGUAGE sql AS $$ SELECT to_jsonb((input ->> 'n')::numeric * 2) $$;
CREATE FUNCTION public.agent_wrong(integer) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb($1) $$;
CREATE FUNCTION public.agent_set(jsonb) RETURNS SETOF jsonb LANGUAGE sql AS $$ SELECT $1 $$;
CREATE PROCEDURE public.agent_procedure(jsonb) LANGUAGE sql AS $$ SELECT 1 $$;

SET ROLE regress_agent_alice;
SELECT workflow.register_agent('double', 'public.agent_double(jsonb)', description => 'twice n');
SELECT workflow.register_agent('total', sql => 'SELECT sum(n) AS total FROM items WHERE kind = input.kind',
  result => 'value', timeout_seconds => 30);
SELECT name, kind, function, sql, result, timeout_seconds, status, owner, description
FROM workflow.agents ORDER BY name;

-- exactly one of function and sql; a fitting function; SQL that parses
SELECT workflow.register_agent('x');
SELECT workflow.register_agent('x', 'public.agent_double(jsonb)', 'SELECT 1');
SELECT workflow.register_agent('x', 'public.agent_wrong(integer)');
SELECT workflow.register_agent('x', 'public.agent_set(jsonb)');
SELECT workflow.register_agent('x', 'public.agent_procedure(jsonb)');
SELECT workflow.register_agent('x', 'public.agent_nothing(jsonb)');
SELECT workflow.register_agent('x', 4711);
SELECT workflow.register_agent('x', sql => 'SELECT FROM WHERE');
SELECT workflow.register_agent('x', sql => 'SELECT 1', result => 'table');
SELECT workflow.register_agent('x', sql => 'SELECT 1', status => 'on');
SELECT workflow.register_agent('x', sql => 'SELECT 1', timeout_seconds => 0);
SELECT workflow.register_agent(NULL, sql => 'SELECT 1');
SELECT workflow.register_agent('', sql => 'SELECT 1');
SELECT workflow.register_agent(repeat('x', 300), sql => 'SELECT 1');

SELECT workflow.register_agent('x', sql => 'SELECT 1', retry => '3');
SELECT workflow.register_agent('x', sql => 'SELECT 1', retry => '[{"max_retries": -1, "color": 1}, "always"]');
SELECT workflow.register_agent('x', sql => 'SELECT 1', retry => '{"retry_if": "${x.error.message} == 1"}');

-- registering again replaces
SELECT workflow.register_agent('total', sql => 'SELECT 1 AS total', result => 'row');
SELECT sql, result, timeout_seconds FROM workflow.agents WHERE name = 'total';

-- another role's
SET ROLE regress_agent_bob;
SELECT workflow.register_agent('total', sql => 'SELECT 2 AS total');
SELECT workflow.set_agent_status('total', 'inactive');
SELECT workflow.drop_agent('total');
SELECT name, sql FROM workflow.agents ORDER BY name;
UPDATE workflow.agents SET sql = 'SELECT 3';
RESET ROLE;
-- a superuser may change it, the owner stays
SELECT workflow.register_agent('total', sql => 'SELECT 4 AS total');
SELECT sql, owner FROM workflow.agents WHERE name = 'total';

-- checked when a workflow is defined, in step with what other statements did
SELECT workflow.define('{"name": "agent_test", "start_step": "a", "steps": {"a": {"type": "agent", "agent_name": "double"}}}');
SELECT workflow.set_agent_status('double', 'inactive');
SELECT message, hint FROM workflow.validate('{"name": "agent_test", "start_step": "a", "steps": {"a": {"type": "agent", "agent_name": "double"}}}');
SELECT workflow.set_agent_status('double', 'active');
SELECT message, hint FROM workflow.validate('{"name": "agent_test", "start_step": "a", "steps": {"a": {"type": "agent", "agent_name": "double"}}}');
BEGIN;
SELECT workflow.drop_agent('double');
SELECT message, hint FROM workflow.validate('{"name": "agent_test", "start_step": "a", "steps": {"a": {"type": "agent", "agent_name": "double"}}}');
ROLLBACK;
SELECT count(*) FROM workflow.validate('{"name": "agent_test", "start_step": "a", "steps": {"a": {"type": "agent", "agent_name": "double"}}}');
-- the function is dropped, and created anew
DROP FUNCTION public.agent_double(jsonb);
SELECT message, hint FROM workflow.validate('{"name": "agent_test", "start_step": "a", "steps": {"a": {"type": "agent", "agent_name": "double"}}}');
CREATE FUNCTION public.agent_double(input jsonb) RETURNS jsonb
LANGUAGE sql AS $$ SELECT to_jsonb((input ->> 'n')::numeric * 2) $$;
SELECT count(*) FROM workflow.validate('{"name": "agent_test", "start_step": "a", "steps": {"a": {"type": "agent", "agent_name": "double"}}}');

-- who did what
SELECT action, role, before - 'owner' AS before, after - 'owner' AS after
FROM workflow.audit_log WHERE subject_type = 'agent' AND subject IN ('double', 'total') ORDER BY id;

SELECT workflow.drop_agent('nobody');
SELECT workflow.set_agent_status('nobody', 'active');
SELECT workflow.set_agent_status('double', 'asleep');
SELECT workflow.drop_agent('double');
SELECT workflow.drop_agent('total');
DROP FUNCTION public.agent_double(jsonb), public.agent_wrong(integer), public.agent_set(jsonb);
DROP PROCEDURE public.agent_procedure(jsonb);
SELECT workflow.revoke_usage('regress_agent_alice'), workflow.revoke_usage('regress_agent_bob');
DROP ROLE regress_agent_alice, regress_agent_bob;

--
-- What an administrator allows a role: the highest priority, and how long steps may take
-- that have no time limit of their own
--
SET client_min_messages = warning;
SELECT current_user AS admin \gset
CREATE ROLE regress_modest LOGIN;
SELECT workflow.grant_usage('regress_modest');
ALTER ROLE regress_modest SET workflow.max_priority = 5;
ALTER ROLE regress_modest SET workflow.step_timeout = '1s';
-- A162: somebody else's definition asks for more than the role has
SELECT workflow.define('{"name": "modest_urgent", "priority": 900, "steps": [{"id": "a", "type": "set", "output": 1}]}') AS version;
SHOW workflow.max_priority;
SHOW workflow.step_timeout;
SELECT workflow.start('modest_urgent') AS id \gset
SELECT priority FROM workflow.executions WHERE id = :id;

\c - regress_modest
SET client_min_messages = warning;
SELECT workflow.start('modest_urgent', priority => 6);
SELECT workflow.start('modest_urgent', priority => 1001);
SELECT workflow.start('modest_urgent', priority => 5) AS id \gset
SELECT priority FROM workflow.execution_status WHERE execution_id = :id;
SELECT workflow.start('modest_urgent', priority => -7) AS low, workflow.start('modest_urgent') AS own \gset
CALL workflow.run('modest_urgent');
SELECT DISTINCT priority FROM workflow.execution_status WHERE execution_id >= :low ORDER BY 1;
SELECT workflow.schedule('modest', 'modest_urgent', '0 0 1 1 *', priority => 6);
SET workflow.max_priority = 1000;
SET workflow.step_timeout = 0;

-- a step without a limit of its own, with workers and without
SELECT workflow.define('{"name": "modest_sleeps", "steps": [{"id": "a", "sql": "SELECT pg_sleep(600)"}]}') AS version;
SELECT workflow.start('modest_sleeps') AS id \gset
SELECT status, error_type, error ->> 'hint' AS hint FROM workflow.wait(:id);
\set VERBOSITY sqlstate
SELECT workflow.execute('modest_sleeps');
\set VERBOSITY default
-- one of its own, of the step, of the agent, or around it
SELECT workflow.register_agent('modest_agent', sql => 'SELECT pg_sleep(1.1)', timeout_seconds => 60);
SELECT workflow.define('{"name": "modest_own", "steps": [{"id": "a", "sql": "SELECT pg_sleep(1.1)", "timeout_seconds": 60}, {"id": "b", "type": "agent", "agent_name": "modest_agent"}]}') AS version;
SELECT workflow.start('modest_own') AS id \gset
SELECT status FROM workflow.wait(:id);
SELECT workflow.define('{"name": "modest_around", "timeout_seconds": 2, "defaults": {"timeout_seconds": 600}, "steps": [{"id": "a", "sql": "SELECT pg_sleep(600)"}]}') AS version;
SELECT workflow.start('modest_around') AS id \gset
SELECT status, error ->> 'hint' AS hint FROM workflow.wait(:id);
-- conditions, children and steps outside a transaction
SELECT workflow.define('{"name": "modest_all", "steps": [
  {"id": "asks", "type": "conditional", "on_failure": "ignore", "condition": {"sql": "SELECT pg_sleep(600) IS NULL"}, "if_true_step": {"id": "t", "type": "set", "output": 1}, "if_false_step": {"id": "f", "type": "set", "output": 2}},
  {"id": "block", "type": "parallel", "min_success": 1, "parallel_steps": [{"id": "p", "sql": "SELECT pg_sleep(600)"}, {"id": "q", "type": "set", "output": 1}]},
  {"id": "none", "sql": "CALL modest_naps()", "transaction": "none", "on_failure": "ignore"}]}') AS version;
\c - :admin
SET client_min_messages = warning;
CREATE PROCEDURE modest_naps() LANGUAGE plpgsql AS $$BEGIN LOOP COMMIT; PERFORM pg_sleep(0.01); END LOOP; END$$;
\c - regress_modest
SET client_min_messages = warning;
SELECT workflow.start('modest_all') AS id \gset
SELECT status FROM workflow.wait(:id);
SELECT step_id, status, error_type FROM workflow.step_status WHERE execution_id = :id AND step_type IN ('sql', 'conditional') ORDER BY step_id;

\c - :admin
SET client_min_messages = warning;
-- 0: none
SET workflow.step_timeout = 0;
SELECT workflow.execute('modest_own');
DROP PROCEDURE modest_naps;
SELECT workflow.revoke_usage('regress_modest');
DROP OWNED BY regress_modest;
-- the hint has a number
\set VERBOSITY terse
DROP ROLE regress_modest;
\set VERBOSITY default

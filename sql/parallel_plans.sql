--
-- Functions that parallel plans may contain, in one: what the session has read of rights is forgotten before each
--
CREATE ROLE regress_plans_owner LOGIN;
CREATE ROLE regress_plans_reader LOGIN;
CREATE ROLE regress_plans_monitor LOGIN IN ROLE pg_monitor;
SELECT count(workflow.grant_usage(oid::regrole)) FROM pg_roles WHERE rolname ~ '^regress_plans';
SELECT workflow.set_role_limits('regress_plans_reader', max_running => 100);
SET ROLE regress_plans_owner;
SELECT workflow.define('{"name": "regress_plans", "dead_letter": true, "steps": [{"id": "a", "sql": "SELECT 1 / 0"}]}');
SELECT workflow.grant_execute('regress_plans', 'regress_plans_reader', 'start'), workflow.grant_execute('regress_plans', 'regress_plans_owner', 'see');
SET ROLE regress_plans_reader;
SELECT workflow.start('regress_plans') AS id \gset
SELECT status FROM workflow.wait(:id, '60 s');
SELECT workflow.start('regress_plans', start_at => 'infinity') AS deferred \gset
RESET ROLE;
CREATE TABLE regress_plans WITH (parallel_workers = 2) AS
    SELECT e.id AS execution_id, l.id AS dead_letter_id, e.definition_id FROM workflow.executions AS e LEFT JOIN workflow.dead_letters AS l ON l.execution_id = e.id WHERE e.id IN (:id, :deferred);
GRANT SELECT ON regress_plans TO PUBLIC;
ANALYZE regress_plans;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT workflow.retry_help(execution_id) FROM regress_plans;
\pset tuples_only on
\set ECHO none
SELECT 'SET ROLE regress_plans_owner', format('DO $$ BEGIN PERFORM workflow.set_status(''regress_plans'', 1, %L); END $$', CASE WHEN number % 2 = 0 THEN 'active' ELSE 'deprecated' END),
    'SET ROLE ' || role, format('SELECT %L, count(f.result) >= 0 FROM (SELECT workflow.%s(%s) AS result FROM regress_plans) AS f', label || ': ' || name, name, arguments)
FROM (SELECT row_number() OVER () AS number, r.role, r.label, p.proname AS name, COALESCE(a.list, '') AS arguments
      FROM pg_proc AS p CROSS JOIN LATERAL
           (SELECT string_agg(CASE WHEN n.name IN ('execution_id', 'dead_letter_id', 'definition_id') THEN n.name
                                   ELSE CASE t.type WHEN 'text'::regtype THEN quote_literal(CASE n.name WHEN 'status' THEN 'failed' ELSE 'regress_plans' END) WHEN 'interval'::regtype THEN quote_literal('1 hour')
                                                    WHEN 'timestamptz'::regtype THEN 'now()' WHEN 'oid'::regtype THEN quote_literal('regress_plans_reader') || '::regrole'
                                                    ELSE '1' END END, ', ' ORDER BY t.number)
            FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t (type, number) LEFT JOIN unnest(p.proargnames) WITH ORDINALITY AS n (name, number) USING (number)) AS a (list)
           CROSS JOIN (VALUES ('starter', 'regress_plans_reader'), ('owner', 'regress_plans_owner'), ('monitor', 'regress_plans_monitor'), ('superuser', current_user)) AS r (label, role)
      WHERE p.pronamespace = 'workflow'::regnamespace AND (p.proparallel = 'r' OR p.proname = 'workflow_to_steer') AND p.proname <> 'reset_engine_statistics' AND has_function_privilege(r.role, p.oid, 'EXECUTE')
      ORDER BY p.proname, r.label) AS f \gexec
\set ECHO all
RESET ROLE;
-- whatever snapshot the transaction has
SET ROLE regress_plans_owner;
DO $$ BEGIN PERFORM workflow.set_status('regress_plans', 1, 'deprecated'); END $$;
SET ROLE regress_plans_reader;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(f.result) FROM (SELECT workflow.retry_help(execution_id) AS result FROM regress_plans) AS f;
COMMIT;
\pset tuples_only off

RESET ROLE;
SELECT workflow.cancel(:deferred);
DROP TABLE regress_plans;
DELETE FROM workflow.dead_letters WHERE execution_id = :id;
DELETE FROM workflow.step_executions WHERE execution_id = :id;
DELETE FROM workflow.executions WHERE id IN (:id, :deferred);
DELETE FROM workflow.grants WHERE workflow = 'regress_plans';
DELETE FROM workflow.definitions WHERE name = 'regress_plans';
DELETE FROM workflow.audit_entries WHERE subject ~ '^regress_plans' OR role::text ~ '^regress_plans' OR execution_id IN (:id, :deferred);
SELECT workflow.set_role_limits('regress_plans_reader');
SELECT count(workflow.revoke_usage(oid::regrole)) FROM pg_roles WHERE rolname ~ '^regress_plans';
DROP ROLE regress_plans_owner, regress_plans_reader, regress_plans_monitor;

/*
 * The audit log: who did what, when, from where and why.
 *
 * The table is for who did it and whose executions it was done to.  The view is for
 * members of pg_monitor as well, whom it shows what others did, not what they said; and for who
 * may see a workflow, who is not told from where.
 */

CREATE TABLE workflow.audit_entries (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    action          text NOT NULL,
    subject_type    text NOT NULL,
    subject         text NOT NULL,
    execution_id    bigint,
    role            workflow.role NOT NULL,
    session_role    workflow.role NOT NULL,
    pid             integer NOT NULL,
    application_name text,
    client_address  inet,
    reason          text,
    before          jsonb,
    after           jsonb
);
CREATE INDEX audit_entries_execution_idx ON workflow.audit_entries (execution_id) WHERE execution_id IS NOT NULL;
CREATE INDEX audit_entries_at_idx ON workflow.audit_entries (at);

COMMENT ON TABLE workflow.audit_entries IS
'what was done to executions, workflows, agents and executors, by whom, when, from where and why; '
'a role sees what it did itself and what was done to its executions';
COMMENT ON COLUMN workflow.audit_entries.id IS 'number of the entry';
COMMENT ON COLUMN workflow.audit_entries.at IS 'when it was done';
COMMENT ON COLUMN workflow.audit_entries.action IS
'what was done: the name of the function, or of what the scheduler decided by itself';
COMMENT ON COLUMN workflow.audit_entries.subject_type IS
'what it was done to: execution, workflow, agent, executor, database ..';
COMMENT ON COLUMN workflow.audit_entries.subject IS 'name or number of that';
COMMENT ON COLUMN workflow.audit_entries.execution_id IS 'execution it is about; null: none';
COMMENT ON COLUMN workflow.audit_entries.role IS
'role that did it (current_user); the owner of the extension for what the scheduler does';
COMMENT ON COLUMN workflow.audit_entries.session_role IS
'role the session was connected as (session_user)';
COMMENT ON COLUMN workflow.audit_entries.pid IS 'process of the session';
COMMENT ON COLUMN workflow.audit_entries.application_name IS 'application_name of the session';
COMMENT ON COLUMN workflow.audit_entries.client_address IS
'where the session came from; null: a local socket, or a process of the server';
COMMENT ON COLUMN workflow.audit_entries.reason IS 'reason that was given';
COMMENT ON COLUMN workflow.audit_entries.before IS 'what was changed, as it was';
COMMENT ON COLUMN workflow.audit_entries.after IS 'what was changed, as it is since';

ALTER TABLE workflow.audit_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_entries_read ON workflow.audit_entries FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR EXISTS (SELECT FROM workflow.executions AS e
                      WHERE e.id OPERATOR(pg_catalog.=) execution_id
                        AND pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')));
COMMENT ON POLICY audit_entries_read ON workflow.audit_entries IS
'a role sees what it did and what was done to its executions';

CREATE VIEW workflow.audit_log WITH (security_barrier) AS
SELECT a.id,
       a.at,
       a.action,
       a.subject_type,
       a.subject,
       a.execution_id,
       a.role,
       CASE WHEN o.own OR o.monitor THEN a.session_role END AS session_role,
       CASE WHEN o.own OR o.monitor THEN a.pid END AS pid,
       CASE WHEN o.own OR o.monitor THEN a.application_name END AS application_name,
       CASE WHEN o.own OR o.monitor THEN a.client_address END AS client_address,
       CASE WHEN o.own THEN a.reason END AS reason,
       CASE WHEN o.own THEN a.before END AS before,
       CASE WHEN o.own THEN a.after END AS after
FROM workflow.audit_entries AS a
     LEFT JOIN workflow.executions AS e ON e.id OPERATOR(pg_catalog.=) a.execution_id
     CROSS JOIN LATERAL (SELECT pg_catalog.pg_has_role(a.role::pg_catalog.oid, 'USAGE')
                                OR pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE') AS own,
                                pg_catalog.pg_has_role('pg_monitor', 'USAGE') AS monitor) AS o
WHERE o.own OR o.monitor
   OR e.workflow IN (SELECT w.workflow FROM workflow.seen_workflows AS w);
COMMENT ON VIEW workflow.audit_log IS
'what was done to executions, workflows, agents and executors, by whom, when, from where and why; '
'a role sees what it did itself and what was done to its executions, members of pg_monitor see '
'all, of others without reason, before and after; to executions of workflows it may see a role sees '
'what was done, when and by whom';
COMMENT ON COLUMN workflow.audit_log.id IS 'number of the entry';
COMMENT ON COLUMN workflow.audit_log.at IS 'when it was done';
COMMENT ON COLUMN workflow.audit_log.action IS
'what was done: the name of the function, or of what the scheduler decided by itself';
COMMENT ON COLUMN workflow.audit_log.subject_type IS
'what it was done to: execution, workflow, agent, executor, database ..';
COMMENT ON COLUMN workflow.audit_log.subject IS 'name or number of that';
COMMENT ON COLUMN workflow.audit_log.execution_id IS 'execution it is about; null: none';
COMMENT ON COLUMN workflow.audit_log.role IS
'role that did it (current_user); the owner of the extension for what the scheduler does';
COMMENT ON COLUMN workflow.audit_log.session_role IS
'role the session was connected as (session_user)';
COMMENT ON COLUMN workflow.audit_log.pid IS 'process of the session';
COMMENT ON COLUMN workflow.audit_log.application_name IS 'application_name of the session';
COMMENT ON COLUMN workflow.audit_log.client_address IS
'where the session came from; null: a local socket, or a process of the server';
COMMENT ON COLUMN workflow.audit_log.reason IS 'reason that was given; null: of others';
COMMENT ON COLUMN workflow.audit_log.before IS 'what was changed, as it was; null: of others';
COMMENT ON COLUMN workflow.audit_log.after IS 'what was changed, as it is since; null: of others';

/* The audit log: who did what, when, from where and why. */

CREATE TABLE workflow.audit_log (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    action          text NOT NULL,
    subject_type    text NOT NULL,
    subject         text NOT NULL,
    execution_id    bigint,
    role            regrole NOT NULL,
    session_role    regrole NOT NULL,
    pid             integer NOT NULL,
    application_name text,
    client_address  inet,
    reason          text,
    before          jsonb,
    after           jsonb
);
CREATE INDEX audit_log_execution_idx ON workflow.audit_log (execution_id) WHERE execution_id IS NOT NULL;
CREATE INDEX audit_log_at_idx ON workflow.audit_log (at);

COMMENT ON TABLE workflow.audit_log IS
'what was done to executions, workflows, agents and executors, by whom, when, from where and why; a role sees what it did itself and what was done to its executions, members of pg_monitor see all';
COMMENT ON COLUMN workflow.audit_log.id IS 'number of the entry';
COMMENT ON COLUMN workflow.audit_log.at IS 'when it was done';
COMMENT ON COLUMN workflow.audit_log.action IS 'what was done: the name of the function, or of what the scheduler decided by itself';
COMMENT ON COLUMN workflow.audit_log.subject_type IS 'what it was done to: execution, workflow, agent, executor, database ..';
COMMENT ON COLUMN workflow.audit_log.subject IS 'name or number of that';
COMMENT ON COLUMN workflow.audit_log.execution_id IS 'execution it is about; null: none';
COMMENT ON COLUMN workflow.audit_log.role IS 'role that did it (current_user); the owner of the extension for what the scheduler does';
COMMENT ON COLUMN workflow.audit_log.session_role IS 'role the session was connected as (session_user)';
COMMENT ON COLUMN workflow.audit_log.pid IS 'process of the session';
COMMENT ON COLUMN workflow.audit_log.application_name IS 'application_name of the session';
COMMENT ON COLUMN workflow.audit_log.client_address IS 'where the session came from; null: a local socket, or a process of the server';
COMMENT ON COLUMN workflow.audit_log.reason IS 'reason that was given';
COMMENT ON COLUMN workflow.audit_log.before IS 'what was changed, as it was';
COMMENT ON COLUMN workflow.audit_log.after IS 'what was changed, as it is since';

ALTER TABLE workflow.audit_log ENABLE ROW LEVEL SECURITY;
/* the view, and not the table: members of pg_monitor may not read that */
CREATE POLICY audit_log_read ON workflow.audit_log FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
           OR EXISTS (SELECT FROM workflow.execution_status AS e
                      WHERE e.execution_id OPERATOR(pg_catalog.=) audit_log.execution_id));
COMMENT ON POLICY audit_log_read ON workflow.audit_log IS
'a role sees what it did and what was done to its executions; members of pg_monitor see all';

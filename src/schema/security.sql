/*
 * Row-level security.
 *
 * A role sees the executions of the roles whose rights it has.  Tables are
 * written by functions of the extension only, as their owner, who is not subject
 * to the policies; no role needs more than SELECT.
 */

ALTER TABLE workflow.definitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow.agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow.executions ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow.step_executions ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow.waits ENABLE ROW LEVEL SECURITY;

CREATE POLICY definitions_read ON workflow.definitions FOR SELECT USING (true);
COMMENT ON POLICY definitions_read ON workflow.definitions IS
'roles that may use workflows see all definitions';

CREATE POLICY agents_read ON workflow.agents FOR SELECT USING (true);
COMMENT ON POLICY agents_read ON workflow.agents IS
'roles that may use workflows see all agents';

CREATE POLICY executions_read ON workflow.executions FOR SELECT
    USING (pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE'));
COMMENT ON POLICY executions_read ON workflow.executions IS
'a role sees the executions of the roles whose rights it has';

CREATE POLICY step_executions_read ON workflow.step_executions FOR SELECT
    USING (EXISTS (SELECT FROM workflow.executions AS e
                   WHERE e.id OPERATOR(pg_catalog.=) execution_id
                     AND pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')));
COMMENT ON POLICY step_executions_read ON workflow.step_executions IS
'a role sees the steps of the executions it sees';

CREATE POLICY waits_read ON workflow.waits FOR SELECT
    USING (EXISTS (SELECT FROM workflow.executions AS e
                   WHERE e.id OPERATOR(pg_catalog.=) execution_id
                     AND pg_catalog.pg_has_role(e.role::pg_catalog.oid, 'USAGE')));
COMMENT ON POLICY waits_read ON workflow.waits IS
'a role sees what the executions it sees wait for';

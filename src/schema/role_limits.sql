/* How much a role may have queued and running, and how large and urgent that may be. */

CREATE TABLE workflow.role_limits (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role            workflow.role,
    max_pending     integer CHECK (max_pending >= 0),
    max_running     integer CHECK (max_running >= 0),
    max_priority    integer CHECK (max_priority >= -1000 AND max_priority <= 1000),
    max_payload_bytes integer CHECK (max_payload_bytes >= 0),
    max_executors   integer CHECK (max_executors >= 0),
    set_by          workflow.role NOT NULL,
    set_at          timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE UNIQUE INDEX role_limits_idx ON workflow.role_limits (role) NULLS NOT DISTINCT;

COMMENT ON TABLE workflow.role_limits IS
'limits of roles, written by set_role_limits(); they are about the role whose executions they are, '
'not about its members. Roles that may use workflows see what is about all and about those whose '
'rights they have, members of pg_monitor see all';
COMMENT ON COLUMN workflow.role_limits.id IS 'number of the row';
COMMENT ON COLUMN workflow.role_limits.role IS
'role they are for; null: all roles, as far as they have no limit of their own';
COMMENT ON COLUMN workflow.role_limits.max_pending IS
'executions that may be queued, those that wait for their start_at among them; null: no limit';
COMMENT ON COLUMN workflow.role_limits.max_running IS
'executions that may run at one time; null: no limit';
COMMENT ON COLUMN workflow.role_limits.max_priority IS
'highest priority of its executions; null: workflow.max_priority alone';
COMMENT ON COLUMN workflow.role_limits.max_payload_bytes IS
'size of what is handed to an execution, as jsonb; null: no limit';
COMMENT ON COLUMN workflow.role_limits.max_executors IS
'executors of the database that may work for it at one time; null: its CONNECTION LIMIT alone';
COMMENT ON COLUMN workflow.role_limits.set_by IS 'role that set them';
COMMENT ON COLUMN workflow.role_limits.set_at IS 'when it did';

ALTER TABLE workflow.role_limits ENABLE ROW LEVEL SECURITY;
CREATE POLICY role_limits_read ON workflow.role_limits FOR SELECT
    USING (role IS NULL OR pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE'));
COMMENT ON POLICY role_limits_read ON workflow.role_limits IS
'what is about all, and about roles whose rights one has; members of pg_monitor see all';

CREATE FUNCTION workflow.set_role_limits(
    role regrole,
    max_pending integer DEFAULT NULL,
    max_running integer DEFAULT NULL,
    max_priority integer DEFAULT NULL,
    max_payload_bytes integer DEFAULT NULL,
    max_executors integer DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_set_role_limits';
COMMENT ON FUNCTION workflow.set_role_limits(regrole, integer, integer, integer, integer, integer) IS
'limit what a role may have queued and running, the priority it may give, the size of what it '
'hands to an execution and the executors that work for it, in place of the limits it had; null: no '
'limit. Role -: all roles, as far as they have no limit of their own. Superusers have none. What is '
'queued or runs stays. True: that has changed something. For the owner of the extension. Errors: '
'42501 for others, 42704 for a role that does not exist, 22023 for a limit that is negative or a '
'priority that does not exist';

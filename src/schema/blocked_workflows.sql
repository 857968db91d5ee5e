/* Blocked workflows: which are, which were, who did it and why. */

CREATE TABLE workflow.blocked_workflows (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow        text NOT NULL,
    role            workflow.role,
    kind            text NOT NULL CHECK (kind IN ('manual', 'automatic')),
    reason          text,
    stuck_count     bigint,
    blocked_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    blocked_by      workflow.role,
    unblocked_at    timestamptz,
    unblocked_by    workflow.role,
    unblock_reason  text
);
CREATE UNIQUE INDEX blocked_workflows_now_idx ON workflow.blocked_workflows (workflow, role)
    NULLS NOT DISTINCT WHERE unblocked_at IS NULL;
CREATE INDEX blocked_workflows_unblocked_idx ON workflow.blocked_workflows (workflow, unblocked_at)
    WHERE unblocked_at IS NOT NULL;

COMMENT ON TABLE workflow.blocked_workflows IS
'workflows that are blocked (unblocked_at is null) or were; written by workflow.block(), unblock() '
'and, for runaway workflows, by the scheduler. Roles that may use workflows see the blocks that '
'hold for all, and their own';
COMMENT ON COLUMN workflow.blocked_workflows.id IS 'number of the entry';
COMMENT ON COLUMN workflow.blocked_workflows.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.blocked_workflows.role IS 'role whose executions are blocked; null: all';
COMMENT ON COLUMN workflow.blocked_workflows.kind IS
'manual: by workflow.block(); automatic: too many of its attempts got stuck';
COMMENT ON COLUMN workflow.blocked_workflows.reason IS
'reason given to block(), or what was counted';
COMMENT ON COLUMN workflow.blocked_workflows.stuck_count IS
'automatic: stuck attempts within workflow.stuck_window';
COMMENT ON COLUMN workflow.blocked_workflows.blocked_at IS 'when it was blocked';
COMMENT ON COLUMN workflow.blocked_workflows.blocked_by IS
'role that called block(); null: automatic';
COMMENT ON COLUMN workflow.blocked_workflows.unblocked_at IS
'when the block was lifted; null: it is blocked. Stuck attempts before this do not count any more';
COMMENT ON COLUMN workflow.blocked_workflows.unblocked_by IS 'role that called unblock()';
COMMENT ON COLUMN workflow.blocked_workflows.unblock_reason IS 'reason given to unblock()';

ALTER TABLE workflow.blocked_workflows ENABLE ROW LEVEL SECURITY;
CREATE POLICY blocked_workflows_read ON workflow.blocked_workflows FOR SELECT
    USING (role IS NULL OR pg_catalog.pg_has_role(role::pg_catalog.oid, 'USAGE')
           OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
           OR EXISTS (SELECT FROM workflow.definitions AS d
                      WHERE d.name OPERATOR(pg_catalog.=) workflow AND pg_catalog.pg_has_role(d.owner::pg_catalog.oid, 'USAGE')));
COMMENT ON POLICY blocked_workflows_read ON workflow.blocked_workflows IS
'roles that may use workflows see which are blocked for all, or for a role whose rights they have; '
'the owner of the workflow and members of pg_monitor see all';

CREATE FUNCTION workflow.block(workflow text, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_block';
COMMENT ON FUNCTION workflow.block(text, text) IS
'let no further execution of a workflow begin: start(), run(), execute() and retry() refuse it, '
'queued executions become blocked instead of running; what runs goes on. True: it was not blocked '
'before. Errors: 42704 for an unknown workflow, 42501 for others than the owner of the workflow '
'and the owner of the extension';

CREATE FUNCTION workflow.unblock(workflow text, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_unblock';
COMMENT ON FUNCTION workflow.unblock(text, text) IS
'lift the block of a workflow: its blocked executions are queued again, and stuck attempts before '
'now do not count any more. True: it was blocked. Errors: 42704 for an unknown workflow, 42501 for '
'others than the owner of the workflow and the owner of the extension';

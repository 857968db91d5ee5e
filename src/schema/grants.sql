/* Who may start the executions of a workflow, and steer or see those of others. */

CREATE TABLE workflow.grants (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow        text NOT NULL,
    role            workflow.role,
    privilege       text NOT NULL CHECK (privilege IN ('start', 'steer', 'see')),
    granted         boolean NOT NULL CHECK (granted OR role IS NULL),
    granted_by      workflow.role NOT NULL,
    granted_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE UNIQUE INDEX grants_idx ON workflow.grants (workflow, privilege, role) NULLS NOT DISTINCT;

COMMENT ON TABLE workflow.grants IS
'who may start executions of a workflow and steer those of others, beside its owner, and who sees '
'what those of others do; written by grant_execute() and revoke_execute(). Without a row that says what all roles may, starts are what '
'workflow.default_execute says. Roles that may use workflows see all grants';
COMMENT ON COLUMN workflow.grants.id IS 'number of the grant';
COMMENT ON COLUMN workflow.grants.workflow IS 'name of the workflow';
COMMENT ON COLUMN workflow.grants.role IS
'role it is granted to, and to all that have its rights; null: to all roles';
COMMENT ON COLUMN workflow.grants.privilege IS
'start: start(), run(), execute(), schedule(), retry(), replay(); steer: cancel(), pause() and what '
'else the owner can do to executions of others; see: what executions of others do, without what they '
'work with';
COMMENT ON COLUMN workflow.grants.granted IS 'false: it was revoked from all roles';
COMMENT ON COLUMN workflow.grants.granted_by IS 'role that granted it, or revoked it from all';
COMMENT ON COLUMN workflow.grants.granted_at IS 'when it did';

ALTER TABLE workflow.grants ENABLE ROW LEVEL SECURITY;
CREATE POLICY grants_read ON workflow.grants FOR SELECT USING (true);
COMMENT ON POLICY grants_read ON workflow.grants IS 'roles that may use workflows see all grants';

/* What views are made of: asked once in a query, whatever it reads. */
CREATE VIEW workflow.seen_workflows WITH (security_barrier) AS
SELECT DISTINCT g.workflow
FROM workflow.grants AS g
WHERE g.privilege = 'see' AND g.granted AND (g.role IS NULL OR pg_has_role(g.role::oid, 'USAGE'));
COMMENT ON VIEW workflow.seen_workflows IS
'workflows of which a role sees the executions of others, in views, pictures and why(), since it was '
'granted that: what they do, when and how they end, without what they work with';
COMMENT ON COLUMN workflow.seen_workflows.workflow IS 'name of the workflow';

CREATE FUNCTION workflow.grant_execute(workflow text, role regrole, privilege text DEFAULT 'start')
RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_grant_execute';
COMMENT ON FUNCTION workflow.grant_execute(text, regrole, text) IS
'let a role, and all that have its rights, start executions of a workflow, or, with privilege '
'steer, do what its owner can do to the executions of others, or, with privilege see, see what those '
'do, without what they work with; role -: all roles. True: that has '
'changed something. What all roles may is revoked with revoke_execute(workflow, ''-''). Errors: 42704 '
'for an unknown workflow or role, 42501 for others than the owner of the workflow, 22023 for '
'another privilege';

CREATE FUNCTION workflow.revoke_execute(workflow text, role regrole, privilege text DEFAULT 'start')
RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'workflow_revoke_execute';
COMMENT ON FUNCTION workflow.revoke_execute(text, regrole, text) IS
'take back what grant_execute() gave; role -: from all roles but those it is granted to, also '
'what they may by default. What is queued or runs goes on. True: that has changed something. A '
'notice says when the role may still, since all may or one whose rights it has. Errors: as those '
'of grant_execute()';
